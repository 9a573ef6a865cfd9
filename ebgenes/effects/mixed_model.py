"""Linear mixed models of all genes: fits at ratios of variances, REML, and the hyperprior that genes share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import special
from scipy.linalg import solve_triangular
from scipy.optimize import minimize

from ebgenes.arrays import FloatArray, IntArray
from ebgenes.effects.variance_prior import require_variation
from ebgenes.errors import InputError
from ebgenes.numerics.jit import map_blocks
from ebgenes.numerics.mixed import ratio_fits
from ebgenes.numerics.weights import Likelihood, solve_sqp
from ebgenes.records.design import Grouping

RATIOS = {1: np.concatenate([[0.0], 2.0 ** np.arange(-4, 7)]), 2: np.array([0.0, 0.125, 0.5, 2.0, 8.0, 32.0])}
"""Ratios of variances, random factor over sample, that are told apart: of one factor, and of each of two."""

PRIOR_DF = (0.5, 1e4)
PRIOR_VARIANCE = 1e4
"""Where the variance prior is sought: degrees of freedom, and its variance over or under the median gene's."""

LARGEST_RATIO = 1e6
"""REML's ratios are bounded by it; a gene without residual variance has none."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RatioFits:
    """What each gene's fit is at every ratio of variances, all (G, R).

    Attributes
    ----------
    estimate
        Of the contrast, by generalized least squares.
    unscaled
        Its standard error where the variance of a sample of weight 1 is 1.
    square
        Residual sum of squares in the metric of V^-1.
    log_det
        log |V| + log |X'V^-1 X|, up to a constant of the design.
    """

    estimate: FloatArray
    unscaled: FloatArray
    square: FloatArray
    log_det: FloatArray


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Hyperprior:
    """What all genes share.

    Attributes
    ----------
    ratio, weight
        Ratios of variances and the share of the genes that has each, (R, k) and (R,).
    df, variance
        Scaled inverse chi-squared prior of the variance of a sample of weight 1: d0 and s0^2.
    loglik
        Of all genes, restricted.
    """

    ratio: FloatArray
    weight: FloatArray
    df: float
    variance: float
    loglik: float


def ratio_grid(n_factors: int) -> FloatArray:
    """Every combination of the ratios of variances that are told apart, (R, k)."""
    axes = np.meshgrid(*[RATIOS[n_factors]] * n_factors, indexing="ij")
    return np.column_stack([axis.ravel() for axis in axes])


def fit_ratios(
    response: FloatArray,
    weight: FloatArray,
    design: FloatArray,
    contrast: FloatArray,
    random: Sequence[Grouping],
    ratio: FloatArray,
) -> RatioFits:
    """Generalized least squares of every gene at given ratios of variances.

    Parameters
    ----------
    response, weight
        (G, S): the error of sample s has the variance sigma^2 / weight.
    design, contrast
        (S, P) of full rank, and (P,).
    random
        One or two factors.
    ratio
        Variances of their groups' effects over sigma^2, (R, k), or (G, R, k) where each gene has its own.
    """
    basis, upper = np.linalg.qr(design)
    rotated = solve_triangular(upper, contrast, trans="T")
    # Around the plain fit residual sums lose no digits to the genes' levels.
    start = np.einsum("gs,sj->gj", response, np.ascontiguousarray(basis))
    rest = response - np.einsum("gj,sj->gs", start, basis)
    first, second = _codes(random)
    full = np.atleast_3d(ratio) if ratio.ndim == 3 else ratio[None]
    padded = np.zeros((*full.shape[:2], 2))
    order = _order(random)
    padded[..., : len(random)] = full[..., order]
    shape = (len(response), padded.shape[1])
    estimate, unscaled, square, log_det = (np.empty(shape) for _ in range(4))

    def work(block: slice) -> None:
        ratio_fits(
            rest[block], np.ascontiguousarray(weight[block]), basis, rotated, first, second,
            padded if len(padded) == 1 else padded[block],
            estimate[block], unscaled[block], square[block], log_det[block],
        )  # fmt: skip

    map_blocks(work, len(response))
    estimate += np.einsum("gj,j->g", start, rotated)[:, None]
    return RatioFits(estimate=estimate, unscaled=unscaled, square=square, log_det=log_det)


def _order(random: Sequence[Grouping]) -> list[int]:
    """The factor with more groups first: it is the one that costs little."""
    return sorted(range(len(random)), key=lambda i: -len(random[i].group))


def _codes(random: Sequence[Grouping]) -> tuple[IntArray, IntArray]:
    codes = [random[i].code for i in _order(random)]
    return codes[0], codes[1] if len(codes) > 1 else np.full(len(codes[0]), -1)


def scaled_weights(weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weights whose reciprocals have the mean 1 in every gene, (G, S), and what they were divided by, (G,).

    With them a ratio of variances is that of a group's effect over the mean variance of a sample.
    """
    mean = 1 / np.mean(1 / weight, axis=1)
    return weight / mean[:, None], mean


def fit_hyperprior(fits: RatioFits, ratio: FloatArray, df: int, scale: FloatArray) -> Hyperprior:
    """The shares of the ratios and the variance prior, by maximum marginal likelihood over all genes.

    Parameters
    ----------
    fits
        At weights that `scaled_weights` divided by `scale`, (G, R).
    ratio
        (R, k).
    df
        Residual degrees of freedom.
    scale
        (G,).

    Notes
    -----
    With sigma^2 ~ d0 s0^2 / chi^2_d0 and the coefficients integrated out, the likelihood of a ratio is

        |V|^-1/2 |X'V^-1X|^-1/2 (d0 s0^2)^(d0/2) Gamma((d0 + df)/2) / Gamma(d0/2) (d0 s0^2 + square)^-(d0 + df)/2.

    The shares are solved for at every step of the search for d0 and s0^2, whose gradient they do not change at
    their optimum.
    """
    square = fits.square * scale[:, None]
    usual = float(np.median(square)) / df
    require_variation(np.median(square, axis=1) / df)
    weight = np.full(square.shape[1], 1 / square.shape[1])

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        nonlocal weight
        prior_df, prior_sum = np.exp(parameters[0]), np.exp(parameters[0] + parameters[1])
        loglik = _log_marginal(square, fits.log_det, df, prior_df, prior_sum)
        top = loglik.max(axis=1, keepdims=True)
        likelihood = np.exp(loglik - top)
        weight = _shares(likelihood, weight)
        joint = likelihood * weight
        total = joint.sum(axis=1, keepdims=True)
        posterior = joint / total
        inside = prior_sum / (prior_sum + square)
        by_variance = prior_df / 2 - (prior_df + df) / 2 * inside
        by_df = (
            np.log(inside) + 1 + special.digamma((prior_df + df) / 2) - special.digamma(prior_df / 2)
        ) * prior_df / 2 - (prior_df + df) / 2 * inside
        gradient = np.array([np.sum(posterior * by_df), np.sum(posterior * by_variance)])
        n_genes = len(square)
        return -float(np.sum(np.log(total)) + np.sum(top)) / n_genes, -gradient / n_genes

    near = np.log(usual)
    found = minimize(
        loss,
        np.array([np.log(4.0), near]),
        jac=True,
        method="L-BFGS-B",
        bounds=[tuple(np.log(PRIOR_DF)), (near - np.log(PRIOR_VARIANCE), near + np.log(PRIOR_VARIANCE))],
        options={"ftol": 1e-12, "gtol": 1e-7},
    )
    value, _ = loss(found.x)
    return Hyperprior(
        ratio=ratio,
        weight=weight,
        df=float(np.exp(found.x[0])),
        variance=float(np.exp(found.x[1])),
        loglik=-value * len(square),
    )


def _log_marginal(square: FloatArray, log_det: FloatArray, df: float, prior_df: float, prior_sum: float) -> FloatArray:
    """Log likelihood of each ratio, coefficients and variance integrated out, up to a constant, (G, R)."""
    # The constant's terms grow with d0 and cancel each other: taken together they do not.
    constant = special.gammaln((prior_df + df) / 2) - special.gammaln(prior_df / 2) - df / 2 * np.log(prior_sum)
    return np.asarray(constant - log_det / 2 - (prior_df + df) / 2 * np.log1p(square / prior_sum))


def _shares(likelihood: FloatArray, start: FloatArray) -> FloatArray:
    likelihood = np.ascontiguousarray(likelihood)
    rows = Likelihood(shape=likelihood.shape, block=lambda block: (likelihood[block], 0.0))
    near = 0.999 * start + 0.001 / len(start)
    return np.asarray(solve_sqp(rows, near / near.sum()).weight)


def ratio_posterior(fits: RatioFits, hyperprior: Hyperprior, df: int, scale: FloatArray) -> FloatArray:
    """Probability of each ratio, of every gene, (G, R)."""
    square = fits.square * scale[:, None]
    loglik = _log_marginal(square, fits.log_det, df, hyperprior.df, hyperprior.df * hyperprior.variance)
    joint = np.exp(loglik - loglik.max(axis=1, keepdims=True)) * hyperprior.weight
    return np.asarray(joint / joint.sum(axis=1, keepdims=True))


def variance_shares(ratio: FloatArray, weight: FloatArray) -> FloatArray:
    """Share of a sample's variance that each random factor takes, averaged with weights (..., R), (..., k)."""
    share = ratio / (1 + ratio.sum(axis=1, keepdims=True))
    return np.asarray(np.einsum("...r,rk->...k", weight, share))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RemlFit:
    """Restricted maximum likelihood of every gene alone.

    Attributes
    ----------
    estimate, se
        Of the contrast, (G,).
    variance
        Of a sample of weight 1, (G,).
    ratio
        Variances of the random factors over it, (G, k).
    """

    estimate: FloatArray
    se: FloatArray
    variance: FloatArray
    ratio: FloatArray


def fit_reml(
    response: FloatArray, weight: FloatArray, design: FloatArray, contrast: FloatArray, random: Sequence[Grouping]
) -> RemlFit:
    """Every gene's own mixed model by restricted maximum likelihood, as lme4 fits it.

    Golden sections of one ratio after the other, all genes at once, in log(1 + ratio), until no ratio moves.
    """
    n_factors = len(random)
    df = design.shape[0] - design.shape[1]
    if df < 1:
        raise InputError(f"REML needs a residual degree of freedom; {design.shape[0]} samples have none left.")

    def deviance(ratio: FloatArray, gene: IntArray) -> FloatArray:
        fits = fit_ratios(response[gene], weight[gene], design, contrast, random, ratio)
        return np.asarray(fits.log_det + df * np.log(np.maximum(fits.square, 1e-300)))

    # The best of a grid first: the likelihood may have more than one peak.
    grid, moving = ratio_grid(n_factors), np.arange(len(response))
    ratio = grid[np.argmin(deviance(grid, moving), axis=1)]
    for _ in range(1 if n_factors == 1 else CYCLES):
        before = ratio[moving]
        for k in range(n_factors):
            ratio[moving, k] = _best_ratio(partial(deviance, gene=moving), ratio[moving], k)
        moving = moving[np.any(np.abs(ratio[moving] - before) > 1e-6 * (1 + before), axis=1)]
        if len(moving) == 0:
            break
    fits = fit_ratios(response, weight, design, contrast, random, ratio[:, None, :])
    variance = fits.square[:, 0] / df
    return RemlFit(
        estimate=fits.estimate[:, 0], se=fits.unscaled[:, 0] * np.sqrt(variance), variance=variance, ratio=ratio
    )


GOLDEN = (5**0.5 - 1) / 2
SECTIONS = 40
"""Golden sections, after which a bracket has 4e-9 of its length."""

CYCLES = 60
"""Turns of two ratios at most."""


def _best_ratio(deviance: Callable[[FloatArray], FloatArray], ratio: FloatArray, k: int) -> FloatArray:
    """Each gene's best ratio of factor k, the others held, (G,)."""

    def at(log_ratio: FloatArray) -> FloatArray:
        trial = ratio.copy()
        trial[:, k] = np.expm1(log_ratio)
        return deviance(trial[:, None, :])[:, 0]

    low, high = np.zeros(len(ratio)), np.full(len(ratio), np.log1p(LARGEST_RATIO))
    if ratio.shape[1] == 1:
        # Beside the best ratio of the grid.
        place = np.searchsorted(RATIOS[1], ratio[:, 0])
        low = np.log1p(RATIOS[1][np.maximum(place - 1, 0)])
        high = np.log1p(np.append(RATIOS[1], LARGEST_RATIO)[place + 1])
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_left, at_right = at(left), at(right)
    for _ in range(SECTIONS):
        lower = at_left < at_right
        low, high = np.where(lower, low, left), np.where(lower, right, high)
        next_left, next_right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        fresh = at(np.where(lower, next_left, next_right))
        at_left, at_right = np.where(lower, fresh, at_right), np.where(lower, at_left, fresh)
        left, right = next_left, next_right
    middle = (low + high) / 2
    # A peak at 0 lies at the bracket's end, which sections only come close to.
    return np.where(at(np.zeros(len(ratio))) <= at(middle), 0.0, np.expm1(middle))
