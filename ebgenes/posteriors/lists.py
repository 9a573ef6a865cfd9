"""How long a list is, and how much of it is false, under everything that a fit leaves possible."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import special

from ebgenes.arrays import BoolArray, FloatArray
from ebgenes.posteriors.fdr import list_rate, p_values
from ebgenes.posteriors.given_prior import component_probabilities, null_probability, posterior
from ebgenes.prior.likelihoods import subsample, subset
from ebgenes.prior.null import UNKNOWN_EXCESS, excess_variance
from ebgenes.records.effects import Effects
from ebgenes.records.prior import MixturePrior

MOST_GENES = 5_000
"""Genes, evenly taken, whose list stands for that of all where only its length is asked for."""

N_VALUES = 2_000
"""Values that stand for a posterior."""

MISFIT = 0.2
"""Coefficient of variation of the number of false genes in a list about what the model says, in simulations."""

MOST_STRAYED = 1.5
"""The same of what replicates share, at most: with two residual axes it would have no end."""

LAST, LEAST_P = 0.9, 1e-12
"""Of a list's p-values, the quantile beyond which false genes lie, and the smallest that counts."""

SEED = 1_042

FEW = 10.0
"""Expected false genes up to which their number is taken for Poisson, beyond for normal."""


def list_range(effects: Effects, prior: MixturePrior, level: float, probability: float) -> tuple[int, int] | None:
    """Lengths of the list by signs at the ends of what is likely of the null; None where nothing is left open.

    Parameters
    ----------
    effects, prior
        G genes and what was fitted to them.
    level
        Of the list.
    probability
        Of the equal-tailed range of the null's scale between whose ends the list is asked for.

    Returns
    -------
    low, high
        Estimated from some of the genes where there are many.
    """
    nulls = prior.nulls
    if nulls is None or prior.null_share is not None:
        return None
    groups = [rows for _, rows in nulls.by_scale()]
    below = np.cumsum([nulls.probability[rows].sum() for rows in groups])
    tail = (1 - probability) / 2
    ends = {int(np.searchsorted(below, tail)), min(int(np.searchsorted(below, 1 - tail)), len(groups) - 1)}
    fewer = subsample(effects, max(len(effects.gene) // MOST_GENES, 1))
    lengths = []
    for end in ends:
        _, weight, scale = nulls.joined(groups[end])
        single = replace(prior, scale=scale, weight=weight, nulls=None)
        lfsr = posterior(fewer, single).lfsr
        lengths.append((list_rate(lfsr) < level).mean() * len(effects.gene))
    return round(min(lengths)), round(max(lengths))


def false_proportions(effects: Effects, prior: MixturePrior, chosen: BoolArray) -> FloatArray:
    """Posterior of the share of null genes in a list: values that are about as probable as each other, (N,).

    Under each prior that a fit leaves possible a listed gene is null with its probability there, independently of the
    others; `scattered` allows for genes as they are.

    Parameters
    ----------
    effects, prior
        G genes and what was fitted to them.
    chosen
        Which genes are on the list, (G,).
    """
    n_listed = int(chosen.sum())
    if n_listed == 0:
        return np.zeros(N_VALUES)
    own = prior if prior.null_share is None else replace(prior, null_share=prior.null_share[chosen])
    some = subset(effects, np.flatnonzero(chosen))
    if prior.nulls is None:
        # Scales beyond the range of numbers tell nothing of a gene.
        parts = [(1.0, np.nan_to_num(null_probability(some, own), nan=1.0))]
    else:
        parts = [(share, each[:, 0]) for share, each in component_probabilities(some, own)]
    number = np.concatenate([_number_false(lfdr, max(round(share * N_VALUES), 1)) for share, lfdr in parts])
    return number / n_listed


def scattered(proportion: FloatArray, effects: Effects, chosen: BoolArray) -> FloatArray:
    """Shares of null genes in a list, (N,), if genes were independent -> what they may be as genes are, ascending.

    What replicates share makes null genes stray together. If it is the share ``e`` of their variance along a random
    one of many axes, the variance of their z-scores has the standard deviation ``sqrt(2) e``, and the number of those
    beyond z changes in proportion by ``z phi(z) / (2 Phi(-z))`` times as much. `MISFIT` is besides for what is wrong
    with any model.

    Parameters
    ----------
    proportion
        Values that are about as probable as each other.
    effects
        G genes; what residuals say of them tells ``e``.
    chosen
        The list, (G,).

    Notes
    -----
    Source: Efron (2010), J. Am. Stat. Assoc. 105, 1042 (correlated z-scores and how many are beyond a value).
    """
    if not chosen.any():
        return np.sort(proportion)
    excess = np.array([UNKNOWN_EXCESS]) if effects.residuals is None else excess_variance(effects.residuals)
    z = -float(special.ndtri(max(float(np.quantile(p_values(effects)[chosen], LAST)), LEAST_P) / 2))
    steepness = z * np.exp(-(z**2) / 2 - special.log_ndtr(-z)) / np.sqrt(8 * np.pi)
    strayed = min(np.sqrt(2 * np.sum(excess**2)) * steepness, MOST_STRAYED)
    spread = np.sqrt(np.log1p(strayed**2 + MISFIT**2))
    times = np.exp(spread * np.random.default_rng(SEED).standard_normal(len(proportion)))
    return np.sort(np.minimum(proportion * times, 1.0))


def _number_false(lfdr: FloatArray, n_values: int) -> FloatArray:
    """Quantiles of how many genes are null, each with its probability, (N,)."""
    level = (np.arange(n_values) + 0.5) / n_values
    expected = float(lfdr.sum())
    if expected > FEW:
        sd = float(np.sqrt(np.sum(lfdr * (1 - lfdr))))
        return np.asarray(np.clip(expected + sd * special.ndtri(level), 0.0, len(lfdr)))
    number = np.arange(len(lfdr) + 1)[: int(expected + 10 * np.sqrt(expected + 1)) + 10]
    return np.asarray(np.minimum(np.searchsorted(special.pdtr(number, expected), level), len(lfdr)), dtype=float)
