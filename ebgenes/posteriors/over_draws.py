"""Posteriors of genes and of lists, averaged over draws of the prior."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import special

from ebgenes.arrays import BoolArray, FloatArray, IntArray
from ebgenes.numerics.gibbs import false_discoveries
from ebgenes.numerics.jit import map_blocks
from ebgenes.numerics.mixture import mean_odds_told
from ebgenes.posteriors.given_prior import averaged_weights, posterior
from ebgenes.posteriors.mixtures import mixture_of
from ebgenes.prior.families import family_of
from ebgenes.prior.likelihoods import component_likelihoods, subset, to_prior_scale
from ebgenes.records.effects import Effects
from ebgenes.records.posterior import Posterior
from ebgenes.records.prior import GibbsDraws

AVERAGED = 1000
"""Draws over which posteriors are averaged, evenly taken."""


GROUPS = 4
"""Scales of the null over which they are averaged, each a mean of draws with nearly the same."""


def full_posterior(effects: Effects, draws: GibbsDraws, *, interval: float = 0.95, threshold: float = 0.0) -> Posterior:
    """Posteriors averaged over draws, so that they carry what is unknown of the population.

    Parameters
    ----------
    effects
        G genes, log2.
    draws
        Of `draw_gibbs`, for the same genes; at most 1,000, evenly taken, are used.
    interval, threshold
        As `ebgenes.posterior` takes them.

    Notes
    -----
    Under each scale of the null everything is of the averaged distribution; over scales of the null see `mixture_of`.
    """
    parts: list[tuple[float, Posterior]] = []
    step = -(-len(draws.weight) // AVERAGED)
    seen = to_prior_scale(effects, draws.prior)
    likelihoods = component_likelihoods(seen, draws.prior.family)
    for own in _by_null_sd(draws.null_sd[::step]):
        own = own * step
        null_sd = float(draws.null_sd[own].mean())
        scale, weights = _components(draws.prior.family, null_sd, draws.scale[own], draws.weight[own])
        loglik = likelihoods(scale, None)
        likelihood = np.exp(loglik - loglik.max(axis=1, keepdims=True))
        prior = replace(draws.prior, scale=scale, weight=np.full(len(scale), 1 / len(scale)), null_share=None)
        gene_weight = _gene_weights(likelihood, weights, draws, own)
        known = posterior(effects, prior, interval=interval, threshold=threshold, weight=gene_weight)
        parts.append((len(own) / len(draws.weight[::step]), known))

    return mixture_of(parts, draws.prior.mode)


def _by_null_sd(null_sd: FloatArray) -> list[IntArray]:
    """Which draws have nearly the same scale of the null: all where there is one, else `GROUPS` groups."""
    order = np.argsort(null_sd, kind="stable")
    return np.array_split(order, min(GROUPS, len(np.unique(null_sd))))


def _gene_weights(likelihood: FloatArray, weights: FloatArray, draws: GibbsDraws, own: IntArray) -> FloatArray:
    """`averaged_weights` over some of the draws, whose weights are (D, K), also where covariates tell genes apart."""
    if draws.coefficient is None or draws.design is None:
        return averaged_weights(likelihood, weights)
    out = np.empty_like(likelihood)
    slabs = weights[:, 1:] / weights[:, 1:].sum(axis=1, keepdims=True)
    coefficient, design = np.array(draws.coefficient[own]), np.array(draws.design)
    map_blocks(
        lambda block: mean_odds_told(likelihood[block], slabs, coefficient, design[block], out[block]), len(likelihood)
    )
    return out


def _components(family: str, null_sd: float, slab: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Scales of all components that draws have, (K,), and the draws' weights of them, (D, K)."""
    if not family_of(family).single:
        return np.concatenate([[null_sd], slab[0]]), weight
    scales, which = np.unique(slab[:, 0], return_inverse=True)
    weights = np.zeros((len(weight), 1 + len(scales)))
    weights[:, 0] = weight[:, 0]
    weights[np.arange(len(weight)), 1 + which] = weight[:, 1]
    return np.concatenate([[null_sd], scales]), weights


def list_discoveries(effects: Effects, draws: GibbsDraws, chosen: BoolArray) -> FloatArray:
    """The false discovery proportion of a list of genes in each draw, (D,): its posterior.

    In each draw every listed gene is null with its probability given that draw.

    Parameters
    ----------
    effects, draws
        As `draw_gibbs` had and gave them.
    chosen
        Which genes are on the list, (G,).
    """
    gene = np.flatnonzero(chosen)
    out = np.zeros(len(draws.weight))
    if len(gene) == 0:
        return out
    seen = to_prior_scale(subset(effects, gene), draws.prior)
    likelihoods = component_likelihoods(seen, draws.prior.family)
    scales, plane = np.unique(np.column_stack([draws.null_sd, draws.scale]), axis=0, return_inverse=True)
    known = np.empty((len(scales), scales.shape[1], len(gene)))
    for c, scale in enumerate(scales):
        loglik = likelihoods(scale, None)
        known[c] = np.exp(loglik - loglik.max(axis=1, keepdims=True)).T
    with np.errstate(divide="ignore"):
        coefficient = special.logit(1 - draws.weight[:, :1]) if draws.coefficient is None else draws.coefficient
    design = np.ones((1, len(gene))) if draws.design is None else np.ascontiguousarray(draws.design[gene].T)
    slabs = draws.weight[:, 1:] / np.maximum(draws.weight[:, 1:].sum(axis=1, keepdims=True), 1e-300)
    state = np.concatenate([coefficient, slabs], axis=1)
    false_discoveries(
        known, gene, design, state, plane.reshape(-1), draws.seed, np.array(draws.chain), np.array(draws.sweep), out
    )
    return out / len(gene)
