"""Engine ``mixed``: precision-weighted log counts, random factors, and their variances integrated out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from scipy import special

from ebgenes.arrays import FloatArray, text_array
from ebgenes.data.normalization import base_mean, given_sizes
from ebgenes.design.random_factors import describe_comparison, describe_factors, group_columns
from ebgenes.effects.center import find_center
from ebgenes.effects.composition import told_of, with_moved_sizes
from ebgenes.effects.engines.mixed import ENGINE as MIXED
from ebgenes.effects.mixed_model import (
    Hyperprior,
    RatioFits,
    fit_hyperprior,
    fit_ratios,
    ratio_grid,
    ratio_posterior,
    scaled_weights,
    variance_shares,
)
from ebgenes.effects.moderated_t import voom
from ebgenes.effects.negative_binomial import FAR, REACH, summaries
from ebgenes.numerics.jit import map_blocks
from ebgenes.records.counts import Counts
from ebgenes.records.design import Contrast, Design, Grouping
from ebgenes.records.effects import Effects, RandomEffects

FEWEST_DF = 2
"""Residual degrees of freedom with all groups fixed from which the weights are learned within groups."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MixedFit:
    """Everything the engine finds out of a contrast.

    Attributes
    ----------
    fits
        At every ratio, with weights whose reciprocals have the mean 1.
    hyperprior
        What all genes share.
    posterior
        Probability of each ratio, (G, R).
    df
        Of the t distributions.
    se
        Standard error at each ratio, variances moderated, (G, R).
    """

    fits: RatioFits
    hyperprior: Hyperprior
    posterior: FloatArray
    df: float
    se: FloatArray


def fit_mixed(counts: Counts, design: Design, contrast: Contrast) -> Effects:
    """Effects whose likelihoods are mixtures of t distributions over the ratios of variances, on grids, (G, 49).

    Estimate, standard error and df are read off this likelihood as off that of engine ``likelihood``; the p-value is
    twice the mixture's smaller tail beside 0.
    """
    response, weight = mixed_weights(counts, design)
    found = fit_mixed_contrast(response, weight, design.matrix, contrast.weight, design.random)
    hyperprior = found.hyperprior
    shares = variance_shares(hyperprior.ratio, hyperprior.weight)
    effects = likelihood_effects(found, counts, contrast)
    return replace(
        effects,
        unit=design.contrast_range,
        scalars={
            "prior_df": hyperprior.df,
            "prior_variance": hyperprior.variance,
            "residual_df": float(design.matrix.shape[0] - design.matrix.shape[1]),
            "variance_share": float(shares.sum()),
            "replicates": design.replicates,
        },
        random=RandomEffects(
            factor=text_array(factor.name for factor in design.random),
            n_groups=np.array([len(factor.group) for factor in design.random]),
            ratio=hyperprior.ratio,
            weight=hyperprior.weight,
            share=shares,
            words=text_array([*describe_factors(design), describe_comparison(design)]),
        ),
    )


def fit_from_unchanged(counts: Counts, design: Design, *, moves: bool) -> Effects:
    """Effects of the design's contrast, counted from where unchanged genes lie as far as that is known.

    moves: whether to; sizes that were given are never moved. No shift of an effect leaves these likelihoods as they
    are, so the fit is made again with other sizes.
    """
    contrast = cast(Contrast, design.contrast)
    effects = fit_mixed(counts, design, contrast)
    if not moves or given_sizes(counts):
        return effects
    told = told_of(find_center(effects))
    if told["size_shift"] != 0:
        shift = np.array([told["size_shift"]])
        effects = fit_mixed(with_moved_sizes(counts, design.matrix, contrast.weight[None], shift), design, contrast)
    return replace(effects, scalars={**effects.scalars, **told})


def mixed_weights(counts: Counts, design: Design) -> tuple[FloatArray, FloatArray]:
    """Log2 counts per million and voom's precision weights, both (G, S).

    The trend of the variance is learned within groups where the samples leave degrees of freedom for that: what
    groups differ by is no error of a count.
    """
    wide = group_columns(design)
    return voom(counts, wide if len(wide) - wide.shape[1] >= FEWEST_DF else design.matrix)


def fit_mixed_contrast(
    response: FloatArray,
    weight: FloatArray,
    design: FloatArray,
    contrast: FloatArray,
    random: Sequence[Grouping],
    ratio: FloatArray | None = None,
) -> MixedFit:
    """One contrast of every gene, with ratios and variances judged by what all genes share.

    Parameters
    ----------
    response, weight
        (G, S).
    design, contrast
        (S, P), (P,).
    random
        One or two factors.
    ratio
        Grid of ratios, (R, k); None: `ratio_grid`.
    """
    df = design.shape[0] - design.shape[1]
    ratio = ratio_grid(len(random)) if ratio is None else ratio
    scaled, scale = scaled_weights(weight)
    fits = fit_ratios(response, scaled, design, contrast, random, ratio)
    hyperprior = fit_hyperprior(fits, ratio, df, scale)
    # No gene can know its variance better than all genes together do.
    total_df = min(df + hyperprior.df, float(df * len(response)))
    prior_sum = hyperprior.df * hyperprior.variance
    variance = (prior_sum / scale[:, None] + fits.square) / (hyperprior.df + df)
    return MixedFit(
        fits=fits,
        hyperprior=hyperprior,
        posterior=ratio_posterior(fits, hyperprior, df, scale),
        df=total_df,
        se=fits.unscaled * np.sqrt(variance),
    )


def likelihood_effects(found: MixedFit, counts: Counts, contrast: Contrast) -> Effects:
    """A fit's likelihoods on grids, and what is read off them."""
    center, se, share = found.fits.estimate, found.se, found.posterior
    middle = np.sum(share * center, axis=1)
    width = np.sum(share / se**2, axis=1) ** -0.5
    grid = middle[:, None] + width[:, None] * REACH
    loglik = np.empty_like(grid)

    def work(block: slice) -> None:
        loglik[block] = log_t_mixture(grid[block], center[block], se[block], found.df, share[block])

    map_blocks(work, len(grid))
    summary = summaries(grid, loglik, FAR)
    below = np.sum(share * special.stdtr(found.df, -center / se), axis=1)
    above = np.sum(share * special.stdtr(found.df, center / se), axis=1)
    return Effects(
        gene=counts.gene,
        estimate=summary[:, 0],
        se=summary[:, 1],
        df=summary[:, 2],
        p_value=np.clip(2 * np.minimum(below, above), 1e-300, 1.0),
        grid=grid,
        loglik=loglik,
        base_mean=base_mean(counts),
        contrast=contrast.name,
        up_label=contrast.up_label,
        down_label=contrast.down_label,
        engine=MIXED.name,
        scalars={},
    )


def log_t_mixture(theta: FloatArray, center: FloatArray, se: FloatArray, df: float, share: FloatArray) -> FloatArray:
    """log sum_r share_r t_df((theta - center_r) / se_r) / se_r, (G, T), of theta (G, T) and the others (G, R)."""
    constant = special.gammaln((df + 1) / 2) - special.gammaln(df / 2) - np.log(df * np.pi) / 2
    with np.errstate(divide="ignore"):
        height = np.log(share) - np.log(se)  # (G, R)
    z = (theta[:, :, None] - center[:, None, :]) / se[:, None, :]  # (G, T, R)
    terms = height[:, None, :] - (df + 1) / 2 * np.log1p(z**2 / df)
    return np.asarray(constant + special.logsumexp(terms, axis=2))
