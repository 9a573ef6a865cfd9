"""Effects and a prior -> what is known of each gene."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import cast

import numpy as np

from ebgenes.arrays import FloatArray, IntArray
from ebgenes.errors import InputError
from ebgenes.numerics import grid_likelihood
from ebgenes.numerics.jit import map_blocks, read_only
from ebgenes.numerics.mixture import mean_odds
from ebgenes.numerics.posterior import mixture_posterior
from ebgenes.posteriors.mixtures import mixture_of
from ebgenes.prior.families import family_of
from ebgenes.prior.families.family import Kernel
from ebgenes.prior.likelihoods import gene_likelihoods, interpolated_likelihoods, loglik_matrix, to_prior_scale
from ebgenes.records.effects import Effects
from ebgenes.records.posterior import Posterior
from ebgenes.records.prior import MixturePrior, Nulls


def null_probability(effects: Effects, prior: MixturePrior, weight: FloatArray | None = None) -> FloatArray:
    """P(null | data), (G,): the lfdr alone, at a tenth of the cost of a whole posterior.

    weight, (G, K), stands in place of the prior's where it is given.
    """
    prior = prior.in_unit(effects.told_unit)
    if weight is None and prior.nulls is not None:
        return np.asarray(sum(share * each[:, 0] for share, each in component_probabilities(effects, prior)))
    effects = to_prior_scale(effects, prior)
    weight = prior.weights(len(effects.gene)) if weight is None else weight
    with np.errstate(divide="ignore"):
        log_joint = loglik_matrix(effects, prior.scale, prior.family) + np.log(weight)
    log_joint -= log_joint.max(axis=1, keepdims=True)
    joint = np.exp(log_joint)
    return np.asarray(joint[:, 0] / joint.sum(axis=1))


Part = tuple[float, MixturePrior, FloatArray, FloatArray]
"""Some of the nulls: their probability, a prior that stands for theirs, weights of each gene's own (G, K) under which
components are as probable as they are on average over these nulls, and each gene's lfdr, (G,)."""


MOST_PARTS = 2
"""Scales of the null at which whole posteriors are computed: neighbours are taken together."""


def component_probabilities(effects: Effects, prior: MixturePrior) -> Iterator[tuple[float, FloatArray]]:
    """Of each null that a fit leaves possible, its probability and P(component | data), (G, K)."""
    nulls = cast(Nulls, prior.nulls)
    of = _likelihoods_by_null(effects, prior)
    for share, weight, scale in zip(nulls.probability, nulls.weight, nulls.scale, strict=True):
        yield float(share), _probabilities(of(scale), weight)


def _by_null(effects: Effects, prior: MixturePrior) -> list[Part]:
    """The priors that a prior leaves possible, those with nearly the same scales as one."""
    nulls = cast(Nulls, prior.nulls)
    of = _likelihoods_by_null(effects, prior)
    parts = []
    for rows in _alike(nulls):
        share, weight, scale = nulls.joined(rows)
        each = (nulls.probability[a] / share * _probabilities(of(nulls.scale[a]), nulls.weight[a]) for a in rows)
        mean = np.asarray(sum(each))
        own = mean / np.maximum(of(scale), 1e-300)
        own /= own.sum(axis=1, keepdims=True)
        parts.append((share, replace(prior, scale=scale, weight=weight, nulls=None), own, mean[:, 0]))
    return parts


def _likelihoods_by_null(effects: Effects, prior: MixturePrior) -> Callable[[FloatArray], FloatArray]:
    """A function from scales (K,) to each gene's likelihoods (G, K) relative to its largest."""
    scale = cast(Nulls, prior.nulls).scale
    low, high = np.abs(scale[:, 1:]).min(initial=np.inf), np.hypot(scale[:, 0].max(), np.abs(scale).max())
    known = interpolated_likelihoods(to_prior_scale(effects, prior), prior.family, low, high)
    made: dict[bytes, FloatArray] = {}

    def of(scale: FloatArray) -> FloatArray:
        # Several shares of the null at one scale follow each other.
        key = scale.tobytes()
        if key not in made:
            made.clear()
            loglik = known(scale, None)
            made[key] = np.exp(loglik - loglik.max(axis=1, keepdims=True))
        return made[key]

    return of


def _probabilities(likelihood: FloatArray, weight: FloatArray) -> FloatArray:
    joint = likelihood * weight
    total = joint.sum(axis=1, keepdims=True)
    # Where all are beyond the range of numbers they tell nothing of a gene.
    return np.asarray(np.where(total > 0, joint / np.maximum(total, 1e-300), weight))


def _alike(nulls: Nulls) -> list[IntArray]:
    """Rows by the null's scale, neighbouring scales together until `MOST_PARTS` are left.

    Those two first whose union costs least: their distance squared, times the probability of the less probable.
    """
    groups = [rows for _, rows in nulls.by_scale()]
    while len(groups) > MOST_PARTS:
        share = np.array([nulls.probability[rows].sum() for rows in groups])
        middle = np.array([nulls.probability[rows] @ nulls.scale[rows, 0] for rows in groups]) / share
        first = int(np.argmin(np.diff(middle) ** 2 * np.minimum(share[1:], share[:-1])))
        groups[first : first + 2] = [np.concatenate(groups[first : first + 2])]
    return groups


def posterior(
    effects: Effects,
    prior: MixturePrior,
    *,
    interval: float = 0.95,
    threshold: float = 0.0,
    weight: FloatArray | None = None,
) -> Posterior:
    """Partial pooling: each gene's posterior under the prior all genes share.

    Parameters
    ----------
    effects
        G genes, log2.
    prior
        Any mixture, fitted or given; one of effects in another unit is converted to theirs.
    interval
        Probability of the equal-tailed interval, strictly between 0 and 1.
    threshold
        Effects beyond it, log2, count in the tail areas `up` and `down`.
    weight
        Weights of each gene's own, (G, K), in place of the prior's; `averaged_weights` makes them of draws.

    Raises
    ------
    InputError
        Where interval or threshold is out of range.

    Notes
    -----
    With a mode other than 0 an effect is null where it equals the mode, and signs and thresholds count from there;
    mean and interval are of the effect itself.

    Sources: Efron (2008), Stat. Sci. 23, 1 (two groups); Stephens (2017), Biostatistics 18, 275
    (sign error rates and the normal mixture's posterior).
    """
    if not 0 < interval < 1:
        raise InputError(f"interval must lie strictly between 0 and 1; found {interval}. Give for example 0.95.")
    if not threshold >= 0:
        raise InputError(f"lfc_threshold must be 0 or more; found {threshold}. Give for example 0.")
    asked = float(interval), float(threshold)
    prior = prior.in_unit(effects.told_unit)
    if weight is None and prior.nulls is not None:
        parts = _by_null(effects, prior)
        return mixture_of(
            [(share, _posterior(effects, single, own, lfdr, *asked)) for share, single, own, lfdr in parts], prior.mode
        )
    return _posterior(effects, prior, prior.weights(len(effects.gene)) if weight is None else weight, None, *asked)


def _posterior(
    effects: Effects, prior: MixturePrior, weight: FloatArray, lfdr: FloatArray | None, interval: float,
    threshold: float,
) -> Posterior:  # fmt: skip
    """The posterior under one null, given weights (G, K) or (1, K), and lfdrs where they are known already."""
    effects = to_prior_scale(effects, prior)
    out = np.empty((len(effects.gene), 10))
    asked = interval, threshold
    weight = np.broadcast_to(weight, (len(out), len(prior.scale)))
    if not family_of(prior.family).is_normal:
        work = _general_work(effects, prior, weight, *asked, out)
    elif effects.grid is not None and effects.loglik is not None:
        if lfdr is None:
            lfdr = null_probability(effects, replace(prior, mode=0.0, likelihood_scale=1.0), weight)
        work = _grid_work(effects.grid, effects.loglik, lfdr, prior, weight, *asked, out)
    else:
        known = (effects.estimate, effects.se, effects.df)

        def work(block: slice) -> None:
            gene = (each[block] for each in known)
            mixture_posterior(*gene, np.array(weight[block]), prior.scale, *asked, out[block])

    map_blocks(work, len(out))
    mean, sd, lower, upper, lfdr, lfsr, up, down, lower_changed, upper_changed = np.ascontiguousarray(out.T)
    return Posterior(
        gene=effects.gene,
        mean=mean + prior.mode,
        sd=sd,
        lower=lower + prior.mode,
        upper=upper + prior.mode,
        lower_changed=lower_changed + prior.mode,
        upper_changed=upper_changed + prior.mode,
        lfdr=lfdr,
        lfsr=lfsr,
        prob_up=up,
        prob_down=down,
        interval=interval,
        threshold=threshold,
    )


def _grid_work(
    grid: FloatArray, loglik: FloatArray, lfdr: FloatArray, prior: MixturePrior, weight: FloatArray, interval: float,
    threshold: float, out: FloatArray,
) -> Callable[[slice], None]:  # fmt: skip
    """What fills a block of posteriors from likelihoods on grids."""

    # Copies, because numba compiles anew for arrays that may not be written to.
    shape = np.array(prior.scale), 1 + np.flatnonzero(weight[:, 1:].any(axis=0))

    def work(block: slice) -> None:
        nodes, heights = grid[block], loglik[block]
        if prior.null_sd > 0:
            wide, convolved = np.empty_like(nodes), np.empty_like(heights)
            grid_likelihood.convolve_normal(nodes, heights, prior.null_sd, wide, convolved)
            nodes, heights = read_only(wide), read_only(convolved)
        known = lfdr[block], np.array(weight[block]), *shape
        grid_likelihood.grid_posterior(nodes, heights, *known, float(interval), float(threshold), out[block])

    return work


def _general_work(
    effects: Effects, prior: MixturePrior, weight: FloatArray, interval: float, threshold: float, out: FloatArray
) -> Callable[[slice], None]:
    """What fills a block of posteriors under slabs or point masses of a general family."""
    scale, fill = np.array(prior.scale), cast(Kernel, family_of(prior.family).posterior)

    def work(block: slice) -> None:
        gene = gene_likelihoods(effects, block, prior.null_sd)
        own = np.array(weight[block])
        fill(own, scale, interval, threshold, *gene, out[block])

    return work


def averaged_weights(likelihood: FloatArray, draws: FloatArray) -> FloatArray:
    """Weights under which each gene's posterior is the average of its posteriors over draws of the weights.

    Parameters
    ----------
    likelihood
        Of each gene under each component, (G, K), rows up to a factor.
    draws
        Weights, (D, K).

    Returns
    -------
    ndarray
        (G, K), rows summing to 1: proportional to the mean over draws of w_dk / sum_j w_dj L_gj, because component k
        has the posterior probability L_gk w_dk / sum_j w_dj L_gj under draw d.
    """
    out = np.empty_like(likelihood)
    map_blocks(lambda block: mean_odds(likelihood[block], draws, out[block]), len(likelihood))
    return out
