"""Effects and a prior -> what is known of each gene."""

from __future__ import annotations

import numpy as np

from ebgenes.errors import InputError
from ebgenes.kernels.jit import map_blocks
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


def _require_t(effects: Effects) -> None:
    """Refuse to read a likelihood grid as the t it is not."""
    if effects.grid is not None:
        raise InputError(
            "these effects bring likelihoods on a grid, which this version of ebgenes cannot pool. "
            "Use engine moderated_t."
        )


def loglik_matrix(effects: Effects, scale: FloatArray) -> FloatArray:
    """Log likelihood of each gene under each component, (G, K); ``scale[0]`` is the null's and in all."""
    _require_t(effects)
    out = np.empty((len(effects.gene), len(scale)))

    def work(block: slice) -> None:
        component_loglik(effects.estimate[block], effects.se[block], effects.df[block], scale, out[block])

    map_blocks(work, len(out))
    return out


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
    _require_t(effects)
    out = np.empty((len(effects.gene), 8))

    def work(block: slice) -> None:
        mixture_posterior(
            effects.estimate[block],
            effects.se[block],
            effects.df[block],
            prior.weight,
            prior.scale,
            float(interval),
            float(threshold),
            out[block],
        )

    map_blocks(work, len(out))
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
