"""Intervals under a mixture prior that know it was fitted.

The scale of the null and the mode, and what covariates tell, count as known in all but the robust ones, which use
nothing of the prior but the null's scale and the mode.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.linalg import pinvh

from ebgenes.arrays import FloatArray
from ebgenes.errors import InputError, nearest
from ebgenes.posteriors.given_prior import averaged_weights, posterior
from ebgenes.posteriors.intervals.robust import robust_bounds
from ebgenes.prior.families import family_of
from ebgenes.prior.likelihoods import loglik_matrix, scale_likelihood, to_prior_scale
from ebgenes.prior.refit import free_weights, mixed, refit
from ebgenes.records.effects import Effects
from ebgenes.records.posterior import Posterior
from ebgenes.records.prior import MixturePrior

METHODS = ("plugin", "morris", "laird_louis", "full_bayes", "robust")

BOOTSTRAP = 100
"""Refits of `laird_louis`."""

STEP = 0.02
"""Relative step of the difference that stands for a derivative by a slab's scale."""


def with_intervals(
    known: Posterior,
    effects: Effects,
    prior: MixturePrior,
    method: str,
    *,
    rng: np.random.Generator | None = None,
    draws: FloatArray | None = None,
) -> Posterior:
    """The same posterior with other ends of its intervals.

    Parameters
    ----------
    known
        Of these effects under this prior; the probability of its intervals stays.
    effects, prior
        As `posterior` was given them.
    method
        ``plugin``: as they are, of the fitted prior taken for the truth; ``morris``: stretched for the uncertainty of
        the fitted weights; ``laird_louis``: of posteriors averaged over a parametric bootstrap of the fit;
        ``full_bayes``: of posteriors averaged over draws of the weights; ``robust``: around linearly shrunken
        estimates, so wide that they hold on average whatever the effects are.
    rng
        Randomness of ``laird_louis``.
    draws
        Weights of the prior's components from their posterior, (D, K), for ``full_bayes``.

    Raises
    ------
    InputError
        For an unknown method, for ``full_bayes`` without draws, ``laird_louis`` without randomness, and where
        ``robust`` has no degrees of freedom to go by.
    """
    if method == "plugin":
        return known
    if method == "morris":
        return _scaled_likelihood(known, hyper_variance(known, effects, prior))
    if method == "laird_louis":
        if rng is None:
            raise InputError("laird_louis draws at random: give rng, for example numpy.random.default_rng(1).")
        return _replaced(known, bootstrapped(known, effects, prior, rng))
    if method == "full_bayes":
        if draws is None:
            raise InputError("full_bayes needs draws of the prior's weights. Fit the prior by Gibbs sampling.")
        return _replaced(known, averaged(known, effects, prior, prior.scale, draws))
    if method == "robust":
        se = np.hypot(prior.likelihood_scale * effects.se, prior.null_sd)
        # A wide null may be effects that nearly all genes have: it widens errors, and takes nothing from effects.
        sure = min(prior.likelihood_scale, 1.0) * effects.se
        asked = {"level": known.interval, "center": prior.mode}
        lower, upper = robust_bounds(effects.estimate, se, effects.df, sure=sure, **asked)
        return replace(known, lower=lower, upper=upper)
    raise InputError(
        f"unknown interval method {method!r}; choose one of {', '.join(METHODS)}.{nearest(method, METHODS)}"
    )


def _replaced(known: Posterior, other: Posterior) -> Posterior:
    return replace(known, lower=other.lower, upper=other.upper)


def _scaled_likelihood(known: Posterior, extra: FloatArray) -> Posterior:
    """Ends further from the mean as the standard deviation grows by an extra variance, (G,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(known.sd > 0, np.sqrt(1 + extra / known.sd**2), 1.0)
    lower, upper = (known.mean + factor * (end - known.mean) for end in (known.lower, known.upper))
    # Where both ends are the null's 0 they lie on one side of the mean.
    return replace(known, lower=np.minimum(lower, known.lower), upper=np.maximum(upper, known.upper))


def hyper_variance(known: Posterior, effects: Effects, prior: MixturePrior) -> FloatArray:
    """Variance of each posterior mean, (G,), that comes from the uncertainty of the fitted weights.

    J V J', V the inverse information of the weights that are above 0 (and of the log scale of a single slab), J the
    derivatives of the posterior mean: the first-order form of Morris's correction for any prior.

    Source: Kass and Steffey (1989), J. Am. Stat. Assoc. 84, 717.
    """
    weight = free_weights(prior)
    active = np.flatnonzero(weight > 0)
    loglik = loglik_matrix(to_prior_scale(effects, prior), prior.scale, prior.family)
    likelihood, top = mixed(loglik, prior)
    total = likelihood @ weight
    score = likelihood[:, active] / total[:, None]
    # Component means: posteriors under one component each.
    slope = np.empty_like(score)
    for place, k in enumerate(active):
        column = k if prior.null_share is None else k + 1
        share = 1.0 if prior.null_share is None else 1 - prior.null_share
        mean = np.zeros(len(total))
        if column > 0:
            only = np.zeros((len(total), len(prior.scale)))
            only[:, column] = 1
            mean = posterior(effects, prior, weight=only).mean - prior.mode
        part = share * np.exp(loglik[:, column] - top) * mean
        slope[:, place] = (part - likelihood[:, k] * (known.mean - prior.mode)) / total
    bound = np.ones(len(active))
    if family_of(prior.family).single and prior.pi0 < 1:
        more_score, more_slope = _by_log_scale(effects, prior)
        score, slope = np.column_stack([score, more_score]), np.column_stack([slope, more_slope])
        bound = np.append(bound, 0.0)
    covariance = pinvh(score.T @ score)
    # On the simplex the weights sum to 1.
    direction = covariance @ bound
    covariance -= np.outer(direction, direction) / (bound @ direction)
    return np.asarray(np.maximum(np.sum((slope @ covariance) * slope, axis=1), 0.0))


def _by_log_scale(effects: Effects, prior: MixturePrior) -> tuple[FloatArray, FloatArray]:
    """Derivatives of each gene's log likelihood and posterior mean by the log of a single slab's scale, (G,)."""
    ends = []
    for sign in (-1, 1):
        moved = replace(prior, scale=np.array([prior.null_sd, prior.scale[1] * np.exp(sign * STEP)]), nulls=None)
        likelihood, top = mixed(loglik_matrix(to_prior_scale(effects, prior), moved.scale, prior.family), moved)
        ends.append((np.log(likelihood @ free_weights(moved)) + top, posterior(effects, moved).mean))
    (low, low_mean), (high, high_mean) = ends
    return (high - low) / (2 * STEP), (high_mean - low_mean) / (2 * STEP)


def bootstrapped(known: Posterior, effects: Effects, prior: MixturePrior, rng: np.random.Generator) -> Posterior:
    """Posteriors averaged over refits to effects and estimates drawn from the fitted prior.

    Source: Laird and Louis (1987), J. Am. Stat. Assoc. 82, 739 (type III).
    """
    fits = [refit(drawn_effects(effects, prior, rng), prior) for _ in range(BOOTSTRAP)]
    if not family_of(prior.family).single:
        return averaged(known, effects, prior, prior.scale, np.array([weight for _, weight in fits]))
    # Each refit has a slab of its own.
    fits.sort(key=lambda fit: float(fit[0][1]))
    scale = np.array([prior.null_sd, *(float(each[1]) for each, _ in fits)])
    changed = np.array([weight[-1] for _, weight in fits])
    draws = np.diag(changed)
    if prior.null_share is None:
        draws = np.column_stack([1 - changed, draws])
    return averaged(known, effects, prior, scale, draws)


def averaged(
    known: Posterior, effects: Effects, prior: MixturePrior, scale: FloatArray, draws: FloatArray
) -> Posterior:
    """Posteriors averaged over draws of the free weights, (D, K), with covariates (D, K - 1), at given scales (K,)."""
    loglik = loglik_matrix(to_prior_scale(effects, prior), scale, prior.family)
    weight = averaged_weights(mixed(loglik, prior)[0], draws)
    if prior.null_share is not None:
        share = prior.null_share[:, None]
        weight = np.column_stack([share, (1 - share) * weight])
    # Its own weights are not used, but have to be of its length.
    shape = replace(prior, scale=scale, weight=np.full(len(scale), 1 / len(scale)))
    return posterior(effects, shape, interval=known.interval, threshold=known.threshold, weight=weight)


def drawn_effects(effects: Effects, prior: MixturePrior, rng: np.random.Generator) -> Effects:
    """Effects of the same genes with the same precision, drawn anew from prior and errors.

    Likelihoods on grids are moved as a whole; how far follows their own shape.
    """
    n_genes = len(effects.gene)
    truth = drawn_truth(prior, rng, n_genes) + prior.mode + prior.null_sd * rng.standard_normal(n_genes)
    wide = scale_likelihood(effects, prior.likelihood_scale)
    if effects.grid is not None and wide.grid is not None and wide.loglik is not None:
        moved = truth - _drawn_from(wide.grid, wide.loglik, rng)
        return replace(effects, estimate=effects.estimate + moved, grid=effects.grid + moved[:, None])
    return replace(effects, estimate=truth + wide.se * _t_draws(effects.df, rng))


def drawn_truth(prior: MixturePrior, rng: np.random.Generator, n_genes: int) -> FloatArray:
    """True effects from the prior, measured from its mode, (G,)."""
    weight = np.cumsum(prior.weights(n_genes), axis=1)
    component = np.sum(rng.random((n_genes, 1)) * weight[:, -1:] > weight[:, :-1], axis=1)
    scale = np.where(component == 0, 0.0, prior.scale[component])
    return family_of(prior.family).draw(rng, scale)


def _t_draws(df: FloatArray, rng: np.random.Generator) -> FloatArray:
    """One draw from Student's t for each df, normal where it is infinite."""
    finite = np.isfinite(df)
    shared = rng.chisquare(np.where(finite, df, 1.0)) / np.where(finite, df, 1.0)
    return np.asarray(rng.standard_normal(len(df)) / np.where(finite, np.sqrt(shared), 1.0))


def _drawn_from(grid: FloatArray, loglik: FloatArray, rng: np.random.Generator) -> FloatArray:
    """One draw from each likelihood taken as a density, straight between nodes, (G,)."""
    density = np.exp(loglik - loglik.max(axis=1, keepdims=True))
    width = np.diff(grid, axis=1)
    area = 0.5 * width * (density[:, 1:] + density[:, :-1])
    mass = np.cumsum(area, axis=1)
    target = rng.random(len(grid)) * mass[:, -1]
    cell = np.sum(mass[:, :-1] < target[:, None], axis=1)
    row = np.arange(len(grid))
    start, left, right = grid[row, cell], density[row, cell], density[row, cell + 1]
    share = 1 - (mass[row, cell] - target) / area[row, cell]
    # The root of left x + (right - left) x^2 / 2 = share (left + right) / 2, without cancellation.
    root = np.sqrt(left**2 + share * (right**2 - left**2))
    return np.asarray(start + width[row, cell] * share * (left + right) / (left + root))
