"""One door to the likelihood engines."""

from __future__ import annotations

from ebgenes.counts import normalize
from ebgenes.effects.moderated_t import fit_moderated_t
from ebgenes.errors import InputError
from ebgenes.model import Counts, Design, Effects

ENGINES = ("moderated_t", "normal")


def fit_effects(
    counts: Counts,
    design: Design,
    *,
    engine: str = "moderated_t",
    trend: bool = False,
    robust: bool = False,
) -> Effects:
    """Estimate the design's contrast for every gene.

    Parameters
    ----------
    counts
        (G, S), samples in the design's order; without size factors they are normalized by
        median ratio.
    design
        With a contrast.
    engine
        ``moderated_t``: voom precision weights and empirical-Bayes variances. (``normal`` is for
        tables of estimates; see `effects_from_summary`.)
    trend, robust
        Options of the variance prior; see `fit_variance_prior` and `fit_robust_variance_prior`.

    Raises
    ------
    InputError
        Where samples differ, the design has no contrast or no residual degrees of freedom, or the
        engine is unknown.
    """
    if list(counts.sample) != list(design.sample):
        raise InputError("counts and design list their samples in different orders. Use match_samples first.")
    if design.contrast is None:
        raise InputError("the design has no contrast. Build it with contrast=compare(column, baseline, target).")
    if engine == "normal":
        raise InputError(
            "engine normal takes estimates and standard errors, not counts. "
            "Give a table to `ebgenes prior`, or use engine moderated_t."
        )
    if engine not in ENGINES:
        raise InputError(f"unknown engine {engine!r}; choose one of {', '.join(ENGINES)}.")
    require_replicates(design)
    if counts.log_size is None:
        counts = normalize(counts)
    return fit_moderated_t(counts, design, design.contrast, trend=trend, robust=robust)


def require_replicates(design: Design) -> None:
    """Refuse a design that leaves no residual degree of freedom.

    Raises
    ------
    InputError
        Where there are as many coefficients as samples.
    """
    n_samples, n_coefficients = design.matrix.shape
    if n_samples <= n_coefficients:
        raise InputError(
            f"the design {design.formula!r} spends {n_coefficients} coefficients on {n_samples} samples, so no "
            "replicate is left to tell an effect from noise. Add replicates or drop terms from the formula."
        )
