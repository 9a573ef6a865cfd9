"""Several effects of each gene at once: the test that all are 0, and their likelihood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import numpy as np
from scipy import special

from ebgenes.arrays import FloatArray, TextArray, text_array
from ebgenes.data.normalization import base_mean, given_sizes
from ebgenes.effects.center import center_of
from ebgenes.effects.composition import require_composition, with_moved_sizes
from ebgenes.effects.dispersions import dispersion_scalars
from ebgenes.effects.engine import asked_of, made_ready
from ebgenes.effects.engines import ENGINES
from ebgenes.effects.engines.likelihood import ENGINE as LIKELIHOOD
from ebgenes.effects.engines.moderated_t import ENGINE as MODERATED_T
from ebgenes.effects.failed import without_failed
from ebgenes.effects.likelihood import dispersions
from ebgenes.effects.moderated_t import Moderated
from ebgenes.effects.negative_binomial import LOG2, multi_df_likelihood, precision_of, route_for
from ebgenes.effects.tails import moderate_bounded, tail_scalars, told_of_tails
from ebgenes.errors import InputError
from ebgenes.records.counts import Counts
from ebgenes.records.design import Design, MultiDfContrast
from ebgenes.records.effects import MultiDfEffects


def fit_multi_df_effects(
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
) -> MultiDfEffects:
    """Estimate all rows of the design's question for every gene, and test that they are 0.

    Parameters
    ----------
    counts
        (G, S), samples in the design's order; without size factors they are normalized by median ratio.
    design
        With a question of several rows (`any_of`, `all_of`).
    engine
        ``likelihood``, which ``auto`` stands for: p-values from likelihood ratios, averaged over the dispersion's
        posterior.
        ``moderated_t``: from moderated F statistics.
    trend, robust, dispersion_tails, dispersion_trend, outliers
        As in `fit_effects`.
    covariates, hidden_factors, controls, composition, count_tails
        As in `fit_effects`.
    dispersion
        ``shared``, as only comparisons of two groups have others.

    Raises
    ------
    InputError
        As `fit_effects`, and where the question is of one effect.

    Notes
    -----
    At a known dispersion alpha twice the log likelihood ratio is chi-squared with R degrees of freedom. The p-value
    is ``E[P(chi2_R > LR(alpha))]`` over the posterior of alpha: where the likelihood is normal and alpha a variance,
    just the p-value of the moderated F of Smyth (2004), Stat. Appl. Genet. Mol. Biol. 3, 3.
    """
    if design.multi_df is None:
        raise InputError(
            "the design has no question of several rows. Build it with contrast=any_of(...) or all_of(...)."
        )
    require_composition(composition)
    if dispersion == "by_group":
        raise InputError(
            "effects.dispersion: by_group compares two groups, and this question has several rows. "
            "Choose dispersion: shared for it."
        )
    chosen, asked = asked_of(
        design, engine, composition, hidden_factors, trend=trend, robust=robust, dispersion=dispersion,
        dispersion_tails=dispersion_tails, dispersion_trend=dispersion_trend, outliers=outliers,
        count_tails=count_tails,
    )  # fmt: skip
    if chosen.fit_rows is None:
        able = [each.name for each in ENGINES.values() if each.fit_rows is not None]
        raise InputError(
            f"engine {chosen.name} takes one effect at a time, and this question has several rows. "
            f"Choose one of {', '.join(able)}."
        )
    ready = made_ready(counts, design, chosen, covariates, hidden_factors, controls)
    counts, design = ready.counts, ready.design
    effects = chosen.fit_rows(ready, asked, None)
    if composition == "auto" and not given_sizes(counts):
        error = np.sqrt(np.einsum("grr->gr", effects.covariance))
        centers = [center_of(effects.estimate[:, r], error[:, r], effects.gene) for r in range(len(effects.row))]
        shift = np.array([center.shift for center in centers])
        if shift.any():
            rows = cast(MultiDfContrast, design.multi_df).weight
            moved = replace(ready, counts=with_moved_sizes(counts, design.matrix, rows, shift))
            effects = chosen.fit_rows(moved, asked, effects.scalars)
        told = {f"size_shift: {name}": float(each) for name, each in zip(effects.row, shift, strict=True)}
        effects = replace(effects, scalars={**effects.scalars, **told})
    return replace(without_failed(effects), hidden=ready.hidden, residuals=ready.residuals)


def moderated_f(counts: Counts, design: Design, found: Moderated) -> MultiDfEffects:
    """``F = theta' V^-1 theta / R`` with moderated variances; F with R and df degrees of freedom where theta is 0."""
    multi_df = cast(MultiDfContrast, design.multi_df)
    covariance = found.unscaled * found.variance[:, None, None]
    statistic = squared_distance(found.estimate, covariance) / len(multi_df.row)
    return MultiDfEffects(
        gene=counts.gene,
        row=multi_df.row,
        estimate=found.estimate,
        covariance=covariance,
        df=found.df,
        statistic=statistic,
        p_value=f_tail(statistic, len(multi_df.row), found.df),
        base_mean=base_mean(counts),
        unit=_units(design.matrix, multi_df.weight),
        contrast=multi_df.name,
        engine=MODERATED_T.name,
        scalars=found.scalars,
        curve=multi_df.curve,
    )


def likelihood_ratio(
    counts: Counts, design: Design, *, tails: str, outliers: str, trend: str, count_tails: str,
    before: Mapping[str, float] | None,
) -> MultiDfEffects:  # fmt: skip
    """Likelihood ratios of the negative binomial, the dispersion integrated out, or what `told_of_tails` puts in place.

    before: scalars of the fit with other size factors, whose choice stands.
    """
    multi_df = cast(MultiDfContrast, design.multi_df)
    residual_df = design.matrix.shape[0] - design.matrix.shape[1]
    mean = base_mean(counts)
    precision = precision_of(design)
    counts, status, profiles, prior = dispersions(counts, design.matrix, precision, tails, outliers, trend)
    told = told_of_tails(counts, design, prior, count_tails) if before is None else tail_scalars(before)
    if told.get("bounded"):
        found_t = moderated_f(counts, design, moderate_bounded(counts, design, multi_df.weight))
        return replace(found_t, base_mean=mean, status=status, scalars={**found_t.scalars, **told})
    found = multi_df_likelihood(
        counts, design.matrix, multi_df.weight, profiles, prior, route_for(residual_df), precision
    )
    status[~found.converged] = "not_converged"
    n_rows = len(multi_df.row)
    return MultiDfEffects(
        gene=counts.gene,
        row=multi_df.row,
        estimate=found.estimate / LOG2,
        covariance=found.covariance / LOG2**2,
        df=found.df,
        statistic=np.einsum("gq,gq->g", found.weight, found.ratio) / n_rows,
        p_value=np.minimum(np.einsum("gq,gq->g", found.weight, special.chdtrc(n_rows, found.ratio)), 1.0),
        base_mean=mean,
        unit=_units(design.matrix, multi_df.weight),
        contrast=multi_df.name,
        engine=LIKELIHOOD.name,
        scalars={**dispersion_scalars(prior, residual_df), **told},
        status=text_array(status),
        curve=multi_df.curve,
    )


def _units(design: FloatArray, rows: FloatArray) -> FloatArray:
    """How far an effect of 1 in each row alone moves the samples apart, (R,)."""
    effect = design @ np.linalg.pinv(rows)
    extent = np.ptp(effect, axis=0)
    return np.asarray(np.where(extent > 0, extent, np.abs(effect).max(axis=0)))


def squared_distance(estimate: FloatArray, covariance: FloatArray) -> FloatArray:
    """``theta' V^-1 theta``, (G,), of estimates (G, R) and covariances (G, R, R)."""
    return np.asarray(np.einsum("gr,gr->g", estimate, np.linalg.solve(covariance, estimate[:, :, None])[:, :, 0]))


def f_tail(statistic: FloatArray, n_rows: int, df: FloatArray) -> FloatArray:
    """P(F > statistic) with n_rows and df degrees of freedom, (G,); chi-squared where df is infinite."""
    finite = np.isfinite(df)
    bounded = np.where(finite, df, 1.0)
    # As a beta's lower tail, which keeps its digits far out.
    share = bounded / (bounded + n_rows * statistic)
    tail = special.betainc(bounded / 2, n_rows / 2, share)
    return np.asarray(np.where(finite, tail, special.chdtrc(n_rows, n_rows * statistic)))


def f_point(p_value: FloatArray, n_rows: int, df: FloatArray) -> FloatArray:
    """The statistic whose `f_tail` is p_value, (G,)."""
    finite = np.isfinite(df)
    bounded = np.where(finite, df, 1.0)
    share = special.betaincinv(bounded / 2, n_rows / 2, p_value)
    with np.errstate(divide="ignore"):
        point = bounded * (1 - share) / (n_rows * share)
    return np.asarray(np.where(finite, point, special.chdtri(n_rows, p_value) / n_rows))
