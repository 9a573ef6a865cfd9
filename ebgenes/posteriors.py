"""Effects and a prior -> what is known of each gene."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ebgenes.errors import InputError
from ebgenes.kernels import grid as grids
from ebgenes.kernels.jit import BLOCK, map_blocks
from ebgenes.kernels.posterior import mixture_posterior
from ebgenes.kernels.student import component_loglik
from ebgenes.model import Effects, FloatArray, MixturePrior, Posterior


def null_probability(effects: Effects, prior: MixturePrior) -> FloatArray:
    """P(null | data), (G,): the lfdr alone, at a tenth of the cost of a whole posterior."""
    with np.errstate(divide="ignore"):
        log_joint = loglik_matrix(effects, prior.scale) + np.log(prior.weight)  # (G, K)
    log_joint -= log_joint.max(axis=1, keepdims=True)
    joint = np.exp(log_joint)
    return np.asarray(joint[:, 0] / joint.sum(axis=1))


def loglik_matrix(effects: Effects, scale: FloatArray) -> FloatArray:
    """Log likelihood of each gene under each component, (G, K); ``scale[0]`` is the null's and in all."""
    return component_likelihoods(effects)(scale)


def component_likelihoods(effects: Effects) -> Callable[[FloatArray], FloatArray]:
    """A function from the components' scales (K,) to `loglik_matrix`, for a fit that tries many scales."""
    n_genes = len(effects.gene)
    if effects.grid is not None and effects.loglik is not None:
        prepared = map_blocks(_prepare(effects.grid, effects.loglik), n_genes)
    else:
        known = (effects.estimate, effects.se, effects.df)

    def matrix(scale: FloatArray) -> FloatArray:
        out = np.empty((n_genes, len(scale)))
        # A copy, because numba compiles anew for arrays that may not be written to.
        scale = np.array(scale)

        def work(block: slice) -> None:
            if effects.grid is None:
                component_loglik(*(each[block] for each in known), scale, out[block])
            else:
                grids.component_loglik(*prepared[block.start // BLOCK], scale, out[block])

        map_blocks(work, n_genes)
        return out

    return matrix


def _prepare(grid: FloatArray, loglik: FloatArray) -> Callable[[slice], tuple[Any, ...]]:
    """What makes a block's nodes and weights, to be used at any scale."""

    def work(block: slice) -> tuple[Any, ...]:
        nodes, heights = grid[block], loglik[block]
        room = 80
        while True:
            curvature = np.empty_like(nodes)
            theta, weight = np.empty((2, len(nodes), room))
            size, top = np.empty((2, len(nodes)))
            count = np.empty(len(nodes), dtype=np.int64)
            needed = grids.prepare(nodes, heights, curvature, theta, weight, size, top, count)
            if needed <= room:
                return nodes, heights, curvature, theta, weight, size, top, count
            room = needed

    return work


def posterior(effects: Effects, prior: MixturePrior, *, interval: float = 0.95, threshold: float = 0.0) -> Posterior:
    """Partial pooling: each gene's posterior under the prior all genes share.

    Parameters
    ----------
    effects
        G genes, log2.
    prior
        Any mixture, fitted or given.
    interval
        Probability of the equal-tailed interval, strictly between 0 and 1.
    threshold
        Effects beyond it, log2, count in the tail areas `up` and `down`.

    Raises
    ------
    InputError
        Where interval or threshold is out of range.

    Notes
    -----
    Sources: Efron (2008), Stat. Sci. 23, 1 (two groups); Stephens (2017), Biostatistics 18, 275
    (sign error rates and the normal mixture's posterior).
    """
    if not 0 < interval < 1:
        raise InputError(f"interval must lie strictly between 0 and 1; found {interval}. Give for example 0.95.")
    if not threshold >= 0:
        raise InputError(f"lfc_threshold must be 0 or more; found {threshold}. Give for example 0.")
    out = np.empty((len(effects.gene), 8))
    if effects.grid is not None and effects.loglik is not None:
        lfdr = null_probability(effects, prior)
        map_blocks(_grid_work(effects.grid, effects.loglik, lfdr, prior, interval, threshold, out), len(out))
    else:
        known = (effects.estimate, effects.se, effects.df)
        shape = (prior.weight, prior.scale, float(interval), float(threshold))
        map_blocks(lambda block: mixture_posterior(*(each[block] for each in known), *shape, out[block]), len(out))
    mean, sd, lower, upper, lfdr, lfsr, up, down = np.ascontiguousarray(out.T)
    return Posterior(
        gene=effects.gene,
        mean=mean,
        sd=sd,
        lower=lower,
        upper=upper,
        lfdr=lfdr,
        lfsr=lfsr,
        up=up,
        down=down,
        interval=interval,
        threshold=threshold,
    )


def _grid_work(
    grid: FloatArray, loglik: FloatArray, lfdr: FloatArray, prior: MixturePrior, interval: float, threshold: float,
    out: FloatArray,
) -> Callable[[slice], None]:  # fmt: skip
    """What fills a block of posteriors from likelihoods on grids."""

    # Copies, because numba compiles anew for arrays that may not be written to.
    shape = np.array(prior.weight), np.array(prior.scale), 1 + np.flatnonzero(prior.weight[1:] > 0)

    def work(block: slice) -> None:
        nodes, heights = grid[block], loglik[block]
        if prior.null_scale > 0:
            wide, convolved = np.empty_like(nodes), np.empty_like(heights)
            grids.add_drift(nodes, heights, prior.null_scale, wide, convolved)
            # Read-only like any other: numba compiles anew for arrays that may be written to.
            wide.flags.writeable = convolved.flags.writeable = False
            nodes, heights = wide, convolved
        grids.grid_posterior(nodes, heights, lfdr[block], *shape, float(interval), float(threshold), out[block])

    return work
