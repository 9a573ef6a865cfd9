"""One door to the likelihood engines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from ebgenes.arrays import FloatArray, TextArray
from ebgenes.data.filter import require_counted, require_distinct
from ebgenes.data.normalization import given_sizes, normalize
from ebgenes.design.matrix import with_covariates
from ebgenes.effects.composition import measured_from_unchanged, require_composition
from ebgenes.effects.engines import ENGINES, require_values, resolved
from ebgenes.effects.engines.engine import Engine, Fit
from ebgenes.effects.failed import without_failed
from ebgenes.effects.group_dispersions import pair_by_group
from ebgenes.effects.hidden import add_hidden_factors, controls_among, require_left, residual_axes
from ebgenes.effects.ready import Asked, Ready
from ebgenes.effects.suited import require_fitting
from ebgenes.errors import InputError
from ebgenes.records.counts import Counts
from ebgenes.records.design import Design
from ebgenes.records.effects import Effects


def fit_effects(
    counts: Counts,
    design: Design,
    *,
    engine: str = "auto",
    trend: bool = False,
    robust: bool = False,
    dispersion: str = "shared",
    dispersion_tails: str = "normal",
    dispersion_trend: str = "auto",
    outliers: str = "keep",
    covariates: FloatArray | None = None,
    hidden_factors: int | str = "auto",
    controls: TextArray | None = None,
    composition: str = "auto",
    count_tails: str = "auto",
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
        all genes share. ``moderated_t``: voom precision weights and empirical-Bayes variances. ``mixed``: the same
        weights, with random factors whose variances are integrated out under a prior that all genes share.
        ``auto``: ``mixed`` for designs with random factors, else ``likelihood``.
        (``normal`` is for tables of estimates; see `effects_from_summary`.)
    trend, robust
        Options of the variance prior of ``moderated_t``; see `fit_variance_prior` and
        `fit_robust_variance_prior`.
    dispersion
        ``shared``: a gene has the same dispersion in all samples. ``by_group``: for ``likelihood`` and two groups, each
        has dispersions with a trend and a spread of its own; see `fit_by_group`.
    dispersion_tails
        Of the dispersions' prior, for ``likelihood``: ``normal``, or ``t5`` for heavier tails.
    dispersion_trend
        What the dispersions' prior lies around, for ``likelihood``: ``parametric``, a0 + a1/mean; ``smooth``, that and
        a smooth bend over the log mean; ``auto``, the bend where all genes together clearly speak for it.
    outliers
        For ``likelihood``: ``keep`` all counts as they are, or ``winsorize`` those far from their
        replicates; see `bound_outliers`.
    covariates
        Columns to add to the design before anything is fitted, (S, C); the contrast ignores them.
    hidden_factors
        Variation that replicates share though no column of the sheet tells it: how many factors to seek in the
        residuals and add to the design, or ``auto``: as many as the residuals speak for, at most 2, none with
        fewer than 4 residual degrees of freedom, a weak second one with 6 or more only.
    controls
        Ids of genes that do not respond (spike-ins, housekeeping genes), 10 or more: they alone tell how far hidden
        factors and the contrast go together. None: all genes do, by a regression that effects do not move as long
        as most genes have none.
    composition
        Where many genes change in one direction size factors follow them, and unchanged genes lie beside 0. ``auto``:
        effects are measured from where these lie, if that is well known and size factors were estimated; ``none``:
        from the size factors.
    count_tails
        For ``likelihood``: ``auto`` compares random halves of the replicates where these leave 36 residual degrees of
        freedom or more; if the p-values show tails that no negative binomial has, all genes are fitted by regression of
        log counts with bounded residuals and moderated variances instead; see `check_likelihood`. ``model``: never.

    Raises
    ------
    InputError
        Where samples differ, the design has no contrast or no residual degrees of freedom, an option is unknown,
        factors or controls are too many or too few, or random factors and the engine do not go together.

    Notes
    -----
    Genes whose fit failed have no effect; `Effects.failed` names them, and `without_failed` says when.
    """
    if design.contrast is None:
        raise InputError("the design has no contrast. Build it with contrast=compare(column, baseline, target).")
    require_composition(composition)
    if dispersion == "by_group" and hidden_factors == "auto":
        # Residuals of groups that vary unlike each other pass for what replicates share.
        hidden_factors = 0
    chosen, asked = asked_of(
        design, engine, composition, hidden_factors, trend=trend, robust=robust, dispersion=dispersion,
        dispersion_tails=dispersion_tails, dispersion_trend=dispersion_trend, outliers=outliers,
        count_tails=count_tails,
    )  # fmt: skip
    ready = made_ready(counts, design, chosen, covariates, hidden_factors, controls)
    fit = cast(Fit, chosen.fit)
    effects = replace(without_failed(fit(ready, asked)), hidden=ready.hidden, residuals=ready.residuals)
    if given_sizes(ready.counts):
        effects = replace(effects, scalars={**effects.scalars, "given_sizes": True})
    return effects if chosen.has_composition or composition == "none" else measured_from_unchanged(effects)


def asked_of(
    design: Design, name: str, composition: str, hidden_factors: int | str, **options: Any
) -> tuple[Engine, Asked]:
    """The engine of a name and what it is asked, where it has all options that were chosen and fits the design.

    Raises
    ------
    InputError
        As `fit_effects`.
    """
    engine = resolved(name, bool(design.random))
    if engine.fit is None:
        raise InputError(
            f"engine {engine.name} takes estimates and standard errors, not counts. "
            "Give a table to `ebgenes prior`, or use another engine."
        )
    require_values(options)
    is_number = isinstance(hidden_factors, int) and not isinstance(hidden_factors, bool) and hidden_factors >= 0
    if hidden_factors != "auto" and not is_number:
        raise InputError(f"hidden_factors must be auto or a whole number, at least 0; found {hidden_factors!r}.")
    settings = {"engine": engine.name, **options, "hidden_factors": hidden_factors}
    require_fitting(design.formula, bool(design.random), settings)
    own = {option: options[option] for option in engine.options}
    return engine, Asked(engine=engine.name, composition=composition, options=own)


def made_ready(
    counts: Counts,
    design: Design,
    engine: Engine,
    covariates: FloatArray | None,
    hidden_factors: int | str,
    controls: TextArray | None,
) -> Ready:
    """Normalized counts and the design with all its covariates, if an engine can take them.

    Raises
    ------
    InputError
        As `fit_effects`.
    """
    if list(counts.sample) != list(design.sample):
        raise InputError("counts and design list their samples in different orders. Use match_samples first.")
    require_distinct(counts)
    if covariates is not None:
        design = with_covariates(design, covariates)
    require_replicates(design)
    if engine.needs_counts:
        require_counted(counts)
    if counts.log_size is None:
        counts = normalize(counts)
    if design.random:
        return Ready(counts=counts, design=design, hidden=None, residuals=None)
    known = None if controls is None else controls_among(counts.gene, controls)
    design, hidden = add_hidden_factors(counts, design, hidden_factors, known)
    return Ready(counts=counts, design=design, hidden=hidden, residuals=residual_axes(counts, design))


def require_fit(
    design: Design, engine: str, *, hidden_factors: int | str, dispersion: str, dispersion_tails: str, outliers: str,
    n_genes: int | None = None,
) -> None:  # fmt: skip
    """Refuse, without any fit, designs and numbers of genes that `fit_effects` and `fit_joint_effects` would refuse.

    Parameters
    ----------
    design
        With a question.
    engine, hidden_factors, dispersion, dispersion_tails, outliers
        As `fit_effects` takes them.
    n_genes
        Genes that will be fitted; None: not known yet.

    Raises
    ------
    InputError
        For the first reason.
    """
    chosen = resolved(engine, bool(design.random))
    if dispersion == "by_group":
        pair_by_group(design, dispersion_tails, outliers)
        if hidden_factors not in ("auto", 0):
            raise InputError(
                f"effects.dispersion: by_group takes designs of groups alone; found hidden_factors {hidden_factors}. "
                "Leave them out (hidden_factors: 0), or choose dispersion: shared."
            )
    if design.multi_df is not None and chosen.fit_rows is None:
        able = [each.name for each in ENGINES.values() if each.fit_rows is not None]
        raise InputError(
            f"engine {chosen.name} takes one effect at a time, and this question has several rows. "
            f"Choose one of {', '.join(able)}."
        )
    if not design.random:
        require_left(design.matrix.shape[0] - design.matrix.shape[1], hidden_factors)
    if n_genes is not None and n_genes < chosen.fewest_genes:
        raise InputError(
            f"{n_genes} genes are too few to learn {chosen.learned} from; give at least {chosen.fewest_genes}, better "
            "hundreds."
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
