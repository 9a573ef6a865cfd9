"""Whether a repeat of a study would list a gene again, and with the same sign."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import special

from ebgenes.analyses.power import Studies, study_of, with_null_sd
from ebgenes.analyses.precision import (
    between,
    cell_masses,
    counting_variance,
    deeper,
    pilot_of,
    residual_df_of,
)
from ebgenes.arrays import FloatArray
from ebgenes.numerics import grid_likelihood
from ebgenes.numerics.cells import repeat_probabilities
from ebgenes.numerics.jit import map_blocks, read_only
from ebgenes.prior.likelihoods import to_prior_scale
from ebgenes.records.effects import Effects
from ebgenes.records.pilot import Pilot
from ebgenes.records.prior import MixturePrior

NEVER = 1e6
"""Standard errors beyond which no estimate lies."""

REACH, NODES = 20.0, 49
"""Likelihoods of t statistics are kept at so many nodes, to so many standard errors."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Repeat:
    """What a repeat of a study would make of its genes, (G,).

    Attributes
    ----------
    listed
        P(a repeat lists the gene, with the sign that this study gives it).
    same_sign
        P(the estimate of a repeat has that sign), listed or not.
    replicates
        Samples in either group of the repeat.
    """

    listed: FloatArray
    same_sign: FloatArray
    replicates: float


def repeat_of(
    effects: Effects, prior: MixturePrior, *, replicates: float | None = None, own_replicates: float | None = None,
    depth: float = 1.0, level: float = 0.05,
) -> Repeat:  # fmt: skip
    """Probabilities that a repeat of a study lists each gene, and that its sign agrees.

    The effect is drawn from the gene's posterior; the repeat's estimate has an error of its own, a null whose width
    chance has drawn anew, and variances that are shrunk towards those of other genes again. It lists by signs, at the
    cutoffs that studies of its size have (`ebgenes.analyses.power`).

    Parameters
    ----------
    effects, prior
        G genes and what was fitted to them.
    replicates
        Samples in either group of the repeat; None: as many as here.
    own_replicates
        Samples in either group here, where effects do not tell.
    depth
        Reads a sample, as a multiple of this study's.
    level
        Of the list.
    """
    pilot = pilot_of(effects, own_replicates)
    prior = prior.in_unit(effects.told_unit)
    size = 1.0
    studies = study_of(prior, pilot, float(replicates or pilot.replicates), depth, level, size)
    error, error_df, cutoff, weight = _repeats(effects, prior, pilot, studies, depth)
    n_genes = len(effects.gene)
    listed, same = np.zeros(n_genes), np.zeros(n_genes)
    sign = np.where(effects.estimate >= prior.mode, 1.0, -1.0)
    middle = (studies.layout.edge[1:] + studies.layout.edge[:-1]) / 2
    seen = to_prior_scale(effects, prior)
    grid, loglik = _likelihoods(seen)
    for share, pi0, mass, null_sd in _parts(effects, prior, studies.layout.edge):
        slab = mass / max(mass.sum(), 1e-300)

        known = pi0, slab, middle, sign, error, error_df, cutoff, share * weight, listed, same
        map_blocks(partial(_repeated, grid, loglik, null_sd, known), n_genes)
    return Repeat(listed=np.minimum(listed, 1.0), same_sign=np.minimum(same, 1.0), replicates=studies.layout.replicates)


def _repeated(
    grid: FloatArray, loglik: FloatArray, null_sd: float, known: tuple[FloatArray, ...], block: slice
) -> None:
    """Add what repeats make of a block of genes to the last two of what is known."""
    null, slab, middle, sign, error, error_df, cutoff, weight, listed, same = known
    nodes, heights = grid[block], loglik[block]
    if null_sd > 0:
        wide, convolved = np.empty_like(nodes), np.empty_like(heights)
        grid_likelihood.convolve_normal(read_only(nodes), read_only(heights), null_sd, wide, convolved)
        nodes, heights = wide, convolved
    of_repeats = (np.ascontiguousarray(each[:, block]) for each in (error, error_df, cutoff))
    repeat_probabilities(
        nodes, heights, null[block], slab, middle, sign[block], *of_repeats, weight, listed[block], same[block]
    )


def _likelihoods(effects: Effects) -> tuple[FloatArray, FloatArray]:
    """Every gene's log likelihood at nodes, (G, T) both."""
    if effects.grid is not None and effects.loglik is not None:
        return np.array(effects.grid), np.array(effects.loglik)
    stretch = np.arcsinh(REACH / 5)
    z = 5 * np.sinh(np.linspace(-stretch, stretch, NODES))
    with np.errstate(invalid="ignore"):
        df = effects.df[:, None]
        loglik = np.where(np.isfinite(df), -(df + 1) / 2 * np.log1p(z**2 / df), -(z**2) / 2)
    return effects.estimate[:, None] + effects.se[:, None] * z, loglik


def _parts(
    effects: Effects, prior: MixturePrior, edge: FloatArray
) -> list[tuple[float, FloatArray, FloatArray, float]]:
    """Shares of scales of the null, with each gene's null share, slabs' masses in cells and the drift there."""
    n_genes = len(effects.gene)
    if prior.nulls is None:
        own = np.full(n_genes, prior.pi0) if prior.null_share is None else np.array(prior.null_share)
        return [(1.0, own, cell_masses(prior, prior.weight, prior.scale, edge), prior.null_sd)]
    parts = []
    groups = [rows for _, rows in prior.nulls.by_scale()]
    while len(groups) > 2:
        # The least probable joins its neighbour.
        shares = [prior.nulls.probability[rows].sum() for rows in groups]
        least = int(np.argmin(shares))
        inner = 0 < least < len(groups) - 1
        other = least - 1 if least and not (inner and shares[least + 1] < shares[least - 1]) else least + 1
        first = min(least, other)
        groups[first : first + 2] = [np.concatenate(groups[first : first + 2])]
    for rows in groups:
        share, weight, scale = prior.nulls.joined(rows)
        parts.append((share, np.full(n_genes, weight[0]), cell_masses(prior, weight, scale, edge), float(scale[0])))
    return parts


def _repeats(
    effects: Effects, prior: MixturePrior, pilot: Pilot, studies: Studies, depth: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Errors of a repeat's estimates, their df, and the cutoffs of its list, (M, G) each; probabilities (M,)."""
    layout = studies.layout
    times = pilot.replicates / layout.replicates
    counting = np.nan_to_num(counting_variance(effects, pilot.replicates), nan=0.0) / effects.se**2
    log_variance = 2 * np.log(effects.se * prior.likelihood_scale) + np.log(times)
    if depth != 1:
        log_variance = log_variance + np.log(deeper(counting, depth))
    own_error = np.exp(log_variance / 2)
    own_df = np.maximum(effects.df - residual_df_of(effects), 0.0)
    df = own_df + layout.residual_df
    expected, spread = _seen_errors(effects, pilot, log_variance, own_df, layout.residual_df)
    rows = []
    for null_sd in np.unique(studies.null_sd):
        own = studies.null_sd == null_sd
        share = studies.probability[own]
        rates = np.array([found.least for found, is_own in zip(studies.found, own, strict=True) if is_own])
        # A list that holds nothing ends at no rate at all.
        least = special.expit(share @ special.logit(np.clip(rates, 1e-300, 1 - 1e-12)) / share.sum())
        cutoff = np.exp(expected) * _at(studies, _cutoffs(studies, float(least)), expected, df)
        error, error_df = with_null_sd(own_error, effects.df, float(null_sd))
        # A cutoff that is itself uncertain is the same as a wider error beside it.
        rows.append((np.hypot(error, cutoff * spread), error_df, cutoff, share.sum()))
    error, error_df, cutoff, weight = (np.array(each) for each in zip(*rows, strict=True))
    return error, error_df, cutoff, weight


def _seen_errors(
    effects: Effects, pilot: Pilot, log_variance: FloatArray, prior_df: FloatArray, residual_df: float
) -> tuple[FloatArray, FloatArray]:
    """Log of the standard errors that a repeat would have, and their standard deviation, (G,).

    Moderated variances lie towards those of genes of the same mean count: a gene that was listed for its small
    variance will have a larger one again.
    """
    if not np.isfinite(effects.base_mean).all():
        return log_variance / 2, np.zeros(len(log_variance))
    order = np.argsort(effects.base_mean, kind="stable")
    level = np.empty(len(order))
    bands = np.array_split(order, max(min(len(order) // 50, 100), 1))
    middle = np.array([np.median(np.log(effects.base_mean[band])) for band in bands])
    height = np.array([np.median(log_variance[band]) for band in bands])
    level = np.interp(np.log(effects.base_mean), middle, height)
    away = log_variance - level
    with np.errstate(invalid="ignore", divide="ignore"):
        kept = np.nan_to_num(residual_df / (prior_df + residual_df), nan=0.0)
        noise = special.polygamma(1, np.maximum(prior_df, 0.5) / 2) * np.nan_to_num(
            pilot.residual_df / (prior_df + pilot.residual_df), nan=0.0
        )
    seen = np.array([np.mean(away[band] ** 2) for band in bands])
    part = np.minimum(noise / np.maximum(np.interp(np.log(effects.base_mean), middle, seen), 1e-300), 1.0)
    expected = level + away * (1 - (1 - kept) * part)
    spread = kept * np.sqrt(special.polygamma(1, residual_df / 2))
    return np.asarray(expected / 2), np.where(np.isfinite(spread), spread / 2, 0.0)


def _cutoffs(studies: Studies, least: float) -> FloatArray:
    """Where, in standard errors, estimates enter the list at each point of precision, (J,)."""
    size = studies.estimate
    score = special.logit(np.clip(np.minimum.accumulate(studies.rate, axis=1), 1e-300, 1 - 1e-12))
    at = special.logit(min(max(least, 1e-300), 1 - 1e-12))
    error = np.repeat(np.exp(studies.layout.log_error), len(studies.layout.inverse_df))
    found = [np.interp(-at, -row, own, right=np.inf) for row, own in zip(score, size, strict=True)]
    return np.asarray(np.minimum(np.array(found) / error, NEVER))


def _at(studies: Studies, value: FloatArray, log_error: FloatArray, df: FloatArray) -> FloatArray:
    """Values at the points of precision, (J,), carried to genes, (G,), logs straight between points."""
    layout = studies.layout
    table = np.log(value).reshape(len(layout.log_error), len(layout.inverse_df))
    (row, up), (column, right) = (
        between(axis, each) for axis, each in ((layout.log_error, log_error), (layout.inverse_df, 1 / df))
    )
    low = (1 - up) * table[row, column] + up * table[row + 1, column]
    high = (1 - up) * table[row, column + 1] + up * table[row + 1, column + 1]
    return np.asarray(np.exp((1 - right) * low + right * high))
