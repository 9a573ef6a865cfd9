"""How far the null genes are from what their likelihoods say: two numbers, for the reader, not for the fit."""

from __future__ import annotations

import numpy as np
from scipy import special
from scipy.optimize import brentq

from ebgenes.arrays import FloatArray
from ebgenes.numerics.weights import in_memory
from ebgenes.prior.families.scales import slab_grid
from ebgenes.prior.fit import LIKELIHOOD_SCALE_RANGE, MIN_SCALE, best_likelihood_scale, fit_weights
from ebgenes.prior.likelihoods import component_likelihoods, scale_likelihood, subsample
from ebgenes.prior.units import as_fold_changes
from ebgenes.records.effects import Effects

MOST_GENES = 2000
"""Genes that the likelihoods' scale is estimated from, evenly taken: its standard error is then some .04."""

CENTRAL = 1.5
"""The z-scores within which a normal is fitted to the nulls."""

SPREAD_RANGE = (0.2, 20.0)
"""Where null_z_sd is sought."""

AT_LIMIT = 0.02
"""Log of a scale that near an end of its range has been stopped by it: the search ends within .01."""


def estimated_null_z_sd(p_value: FloatArray) -> float:
    """Robust standard deviation of the null genes' z-scores, null_z_sd: 1 where p-values are right.

    Maximum likelihood of a normal with mean 0, truncated to the central |z| < 1.5, where few effects hide. NaN where
    these do not tell: where they are fewer than 10, or as good as evenly spread, so that no normal up to a standard
    deviation of 20 is wide enough, or all so near 0 that none down to .2 is narrow enough.

    Source: Efron (2004), J. Am. Stat. Assoc. 99, 96 (the empirical null), with its mean held at 0.
    """
    size = -special.ndtri(np.clip(p_value, 1e-300, 1) / 2)
    central = size[size < CENTRAL]
    if len(central) < 10:
        return float("nan")
    mean_square = float(np.mean(central**2))

    def excess(log_spread: float) -> float:
        """Variance of the truncated normal less the observed one."""
        edge = CENTRAL * np.exp(-log_spread)
        density = np.exp(-(edge**2) / 2) / np.sqrt(2 * np.pi)
        return float(np.exp(2 * log_spread) * (1 - edge * density / (special.ndtr(edge) - 0.5))) - mean_square

    low, high = np.log(SPREAD_RANGE)
    if excess(low) * excess(high) > 0:
        return float("nan")
    return float(np.exp(brentq(excess, low, high)))


def estimated_likelihood_scale(effects: Effects) -> float:
    """How many times wider all likelihoods should be around their estimates, null fixed at 0.

    By marginal maximum likelihood with the prior's weights fitted anew at each scale: 1 where the likelihoods
    are right, above 1 where replicates vary more between than within groups. NaN where the search is
    stopped by its limits, .5 and 3: effects of nearly all genes pass for a want of width, and the scale is
    unknown.
    """
    step = -(-len(effects.gene) // MOST_GENES)
    fewer = subsample(effects if effects.unit == 1 else as_fold_changes(effects), step)
    scales = np.concatenate([[0.0], slab_grid(fewer, MIN_SCALE)])

    def loglik(likelihood_scale: float) -> float:
        matrix = component_likelihoods(scale_likelihood(fewer, likelihood_scale))(scales, None)
        return float(fit_weights(in_memory(matrix), scales, "scale_normal").loglik[-1])

    likelihood_scale = best_likelihood_scale(loglik)
    stopped = np.abs(np.log(likelihood_scale) - np.log(LIKELIHOOD_SCALE_RANGE)).min() < AT_LIMIT
    return float("nan") if stopped else likelihood_scale
