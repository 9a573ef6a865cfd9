"""Intervals for effects with normal errors under one normal prior: five answers to an unknown center and spread.

The model is estimate_g ~ N(theta_g, se_g^2), theta_g ~ N(center, tau^2); the center is given or has a flat prior.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from ebgenes.arrays import FloatArray
from ebgenes.classics.pooling import estimate_tau, partial_pooling, require_effects, tau_loglik, weighted_mean
from ebgenes.errors import InputError
from ebgenes.posteriors.intervals.robust import robust_bounds

HALF_T_DF, HALF_T_SCALE = 4.0, 2.0
"""Of the prior of tau; the scale in log2 is far above what fold changes have, and says little."""

TAU_PLACES = 201
"""Values of tau that an integral over it is a sum of."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Intervals:
    """Point estimates and ends of intervals, in the effects' units, (G,)."""

    mean: FloatArray
    lower: FloatArray
    upper: FloatArray


def plugin_intervals(
    estimate: FloatArray, se: FloatArray, *, level: float = 0.95, center: float | None = None
) -> Intervals:
    """Posterior quantiles with the REML estimate of tau, and the center, plugged in as if they were known.

    Parameters
    ----------
    estimate, se
        Effects and their known standard errors, (G,).
    level
        Probability of the intervals.
    center
        Mean of the effects; None: estimated.

    Raises
    ------
    InputError
        As `pooling.estimate_tau`.
    """
    tau = estimate_tau(estimate, se, center=center)
    middle = weighted_mean(estimate, np.hypot(se, tau))[0] if center is None else center
    known = partial_pooling(estimate, se, tau, center=middle)
    return _around(known.mean, known.sd, level)


def morris_intervals(
    estimate: FloatArray, se: FloatArray, *, level: float = 0.95, center: float | None = None
) -> Intervals:
    """Normal intervals whose variance has a term for the estimated shrinkage.

    Parameters and errors as in `plugin_intervals`, with 3 effects or more, 4 where the center is estimated.

    Notes
    -----
    k = G, r = 1 for an estimated center (else 0), W = 1/(V + A), V = se^2, d = estimate - center. A solves
    sum W (k/(k - r) d^2 - V) / sum W = A, and is kept from below 0. With B = (k - r - 2)/(k - r) V/(V + A) the mean is
    estimate - B d and the variance V (1 - (1 - h) B) + 2/(k - r - 2) B^2 (Vbar + A)/(V + A) d^2, h the leverage
    W / sum W (0 for a given center) and Vbar the W-weighted mean of V.

    Source: Morris (1983), J. Am. Stat. Assoc. 78, 47, equations 5.1 to 5.8.
    """
    estimate, se = require_effects(estimate, se)
    lost = 0 if center is not None else 1
    left = len(se) - lost
    if left <= 2:
        raise InputError(f"Morris's intervals need {3 + lost} effects or more; found {len(se)}.")
    variance, spread = se**2, 0.0
    for _ in range(1000):
        weight = 1 / (variance + spread)
        middle = np.sum(weight * estimate) / np.sum(weight) if center is None else center
        squares = (estimate - middle) ** 2
        following = max(float(np.sum(weight * (len(se) / left * squares - variance)) / np.sum(weight)), 0.0)
        done = abs(following - spread) <= 1e-12 * (following + float(variance.max()))
        spread = following
        if done:
            break
    weight = 1 / (variance + spread)
    shrink = (left - 2) / left * variance * weight
    leverage = weight / np.sum(weight) if center is None else 0.0
    mean_variance = np.sum(weight * variance) / np.sum(weight)
    learned = 2 / (left - 2) * shrink**2 * (mean_variance + spread) * weight
    total = variance * (1 - (1 - leverage) * shrink) + learned * squares
    return _around(estimate - shrink * (estimate - middle), np.sqrt(total), level)


def laird_louis_intervals(
    estimate: FloatArray,
    se: FloatArray,
    rng: np.random.Generator,
    *,
    level: float = 0.95,
    center: float | None = None,
    draws: int = 200,
) -> Intervals:
    """Quantiles of each effect's posterior averaged over a parametric bootstrap of tau and the center (type III).

    Effects are drawn from the fitted prior and estimates from them; tau and center fitted to each such set make one
    posterior given the real estimates. Other parameters and errors as in `plugin_intervals`.

    Source: Laird and Louis (1987), J. Am. Stat. Assoc. 82, 739.
    """
    estimate, se = require_effects(estimate, se)
    tau = estimate_tau(estimate, se, center=center)
    middle = weighted_mean(estimate, np.hypot(se, tau))[0] if center is None else center
    means, sds = np.empty((draws, len(se))), np.empty((draws, len(se)))
    for draw in range(draws):
        made = middle + np.hypot(se, tau) * rng.standard_normal(len(se))
        fitted = estimate_tau(made, se, center=center)
        place = weighted_mean(made, np.hypot(se, fitted))[0] if center is None else center
        known = partial_pooling(estimate, se, fitted, center=place)
        means[draw], sds[draw] = known.mean, known.sd
    return _of_mixture(np.full(draws, 1 / draws), means, sds, level)


def full_bayes_intervals(
    estimate: FloatArray,
    se: FloatArray,
    *,
    level: float = 0.95,
    center: float | None = None,
    scale: float = HALF_T_SCALE,
    df: float = HALF_T_DF,
) -> Intervals:
    """Posterior quantiles with tau ~ half-t(df, scale) and a flat prior on an unknown center, by quadrature over tau.

    Parameters
    ----------
    estimate, se, level, center
        As in `plugin_intervals`.
    scale, df
        Of the half-t prior, in the effects' units.

    Raises
    ------
    InputError
        As `pooling.partial_pooling`.

    Notes
    -----
    Source: Gelman (2006), Bayesian Anal. 1, 515 (half-t priors of a scale).
    """
    estimate, se = require_effects(estimate, se)
    tau, weight = tau_posterior(estimate, se, center=center, scale=scale, df=df)
    keep = weight > 1e-12
    shrink = se**2 / (se**2 + tau[keep, None] ** 2)
    middle, spread = np.full((len(shrink), 1), center), 0.0
    if center is None:
        precision = 1 / (se**2 + tau[keep, None] ** 2)
        spread = 1 / precision.sum(axis=1, keepdims=True)
        middle = (precision @ estimate)[:, None] * spread
    sd = np.sqrt((1 - shrink) * se**2 + shrink**2 * spread)
    return _of_mixture(weight[keep], estimate - shrink * (estimate - middle), sd, level)


def tau_posterior(
    estimate: FloatArray,
    se: FloatArray,
    *,
    center: float | None = None,
    scale: float = HALF_T_SCALE,
    df: float = HALF_T_DF,
) -> tuple[FloatArray, FloatArray]:
    """Values of tau, ascending, and their posterior probabilities, (201,) each, under a half-t(df, scale) prior.

    The midpoint rule in x, tau = s x^2/(1 - x), which is dense near 0 and reaches far; s is the scale of the data.
    """
    size = float(np.sqrt(np.mean((estimate - np.mean(estimate)) ** 2) + np.mean(se**2)))
    x = (np.arange(TAU_PLACES) + 0.5) / TAU_PLACES
    tau = size * x**2 / (1 - x)
    stretch = x * (2 - x) / (1 - x) ** 2
    prior = -(df + 1) / 2 * np.log1p((tau / scale) ** 2 / df)
    log_weight = tau_loglik(estimate, se, tau, center) + prior + np.log(stretch)
    weight = np.exp(log_weight - log_weight.max())
    return tau, weight / weight.sum()


def robust_intervals(
    estimate: FloatArray, se: FloatArray, *, level: float = 0.95, center: float | None = None
) -> Intervals:
    """Intervals that hold a share `level` of the effects on average, whatever these are: `robust_bounds`.

    Parameters and errors as in `plugin_intervals`; an estimated center is the precision-weighted mean.
    """
    estimate, se = require_effects(estimate, se)
    middle = weighted_mean(estimate, se)[0] if center is None else center
    lower, upper = robust_bounds(estimate, se, np.full(len(se), np.inf), level=level, center=middle)
    return Intervals(mean=(lower + upper) / 2, lower=lower, upper=upper)


def _around(mean: FloatArray, sd: FloatArray, level: float) -> Intervals:
    half = -special.ndtri((1 - level) / 2) * sd
    return Intervals(mean=mean, lower=mean - half, upper=mean + half)


def _of_mixture(weight: FloatArray, mean: FloatArray, sd: FloatArray, level: float) -> Intervals:
    """Mean and quantiles of each effect's mixture of normals: weight (D,), mean and sd (D, G)."""
    sd = np.maximum(sd, 1e-12 * np.ptp(mean) + 1e-300)
    reach = -special.ndtri((1 - level) / 2) + 1
    ends = []
    # The upper end is minus the lower one of the mirror image: no probability is taken from 1.
    for side in (1, -1):
        low, high = np.min(side * mean - reach * sd, axis=0), np.max(side * mean + reach * sd, axis=0)
        for _ in range(60):
            middle = 0.5 * (low + high)
            below = weight @ special.ndtr((middle - side * mean) / sd) < (1 - level) / 2
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        ends.append(side * 0.5 * (low + high))
    return Intervals(mean=weight @ mean, lower=ends[0], upper=ends[1])
