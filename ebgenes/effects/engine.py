"""One door to the likelihood engines."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np

from ebgenes.counts import normalize, require_distinct
from ebgenes.effects.moderated_t import fit_moderated_t
from ebgenes.errors import InputError
from ebgenes.model import Contrast, Counts, Design, Effects, FloatArray, text_array

ENGINES = ("likelihood", "moderated_t", "normal")
TAILS = ("normal", "t5")
OUTLIERS = ("keep", "winsorize")


def fit_effects(
    counts: Counts,
    design: Design,
    *,
    engine: str = "likelihood",
    trend: bool = False,
    robust: bool = False,
    dispersion_tails: str = "normal",
    outliers: str = "keep",
    covariates: FloatArray | None = None,
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
        ``likelihood``: a negative-binomial likelihood, its dispersion integrated out under a prior that
        all genes share. ``moderated_t``: voom precision weights and empirical-Bayes variances.
        (``normal`` is for tables of estimates; see `effects_from_summary`.)
    trend, robust
        Options of the variance prior of ``moderated_t``; see `fit_variance_prior` and
        `fit_robust_variance_prior`.
    dispersion_tails
        Of the dispersions' prior, for ``likelihood``: ``normal``, or ``t5`` for heavier tails.
    outliers
        For ``likelihood``: ``keep`` all counts as they are, or ``winsorize`` those far from their
        replicates; see `bound_outliers`.
    covariates
        Columns to add to the design before anything is fitted, (S, C); the contrast ignores them.

    Raises
    ------
    InputError
        Where samples differ, the design has no contrast or no residual degrees of freedom, or an
        option is unknown.
    """
    if list(counts.sample) != list(design.sample):
        raise InputError("counts and design list their samples in different orders. Use match_samples first.")
    if design.contrast is None:
        raise InputError("the design has no contrast. Build it with contrast=compare(column, baseline, target).")
    if engine == "normal":
        raise InputError(
            "engine normal takes estimates and standard errors, not counts. "
            "Give a table to `ebgenes prior`, or use another engine."
        )
    chosen = (
        ("engine", engine, ENGINES),
        ("dispersion_tails", dispersion_tails, TAILS),
        ("outliers", outliers, OUTLIERS),
    )
    for name, value, allowed in chosen:
        if value not in allowed:
            raise InputError(f"unknown {name} {value!r}; choose one of {', '.join(allowed)}.")
    idle = {"dispersion_tails": dispersion_tails != "normal", "outliers": outliers != "keep"}
    if engine == "likelihood":
        idle = {"trend": trend, "robust": robust}
    for name, asked in idle.items():
        if asked:
            raise InputError(f"engine {engine} has no option {name}. Leave it out, or use the other engine.")
    require_distinct(counts)
    if covariates is not None:
        design = with_covariates(design, covariates)
    require_replicates(design)
    if counts.log_size is None:
        counts = normalize(counts)
    contrast = cast(Contrast, design.contrast)
    if engine == "moderated_t":
        return fit_moderated_t(counts, design, contrast, trend=trend, robust=robust)
    # Imported here for its kernels, which the other engine need not load.
    from ebgenes.effects.likelihood import fit_likelihood

    return fit_likelihood(counts, design, contrast, tails=dispersion_tails, outliers=outliers)


def with_covariates(design: Design, covariates: FloatArray) -> Design:
    """The design with columns added, (S, C), that its contrast ignores.

    Raises
    ------
    InputError
        Where the columns repeat what the design holds already.
    """
    matrix = np.column_stack([design.matrix, covariates])
    if np.linalg.matrix_rank(matrix) < matrix.shape[1]:
        raise InputError(
            f"the covariates repeat what the design {design.formula!r} already holds: {matrix.shape[1]} columns have "
            f"rank {np.linalg.matrix_rank(matrix)}. Leave some out."
        )
    n_added = matrix.shape[1] - design.matrix.shape[1]
    contrast = design.contrast
    if contrast is not None:
        contrast = replace(contrast, weight=np.append(contrast.weight, np.zeros(n_added)))
    return replace(
        design,
        matrix=matrix,
        coefficient=text_array([*design.coefficient, *(f"covariate{i + 1}" for i in range(n_added))]),
        contrast=contrast,
    )


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
