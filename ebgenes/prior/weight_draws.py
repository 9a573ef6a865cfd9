"""Draws of a mixture's weights from their posterior, its components given."""

from __future__ import annotations

import numpy as np

from ebgenes.arrays import FloatArray
from ebgenes.numerics.mixture import allocate


def draw_weights(
    loglik: FloatArray,
    rng: np.random.Generator,
    *,
    draws: int = 1000,
    warmup: int = 200,
    start: FloatArray | None = None,
    null: bool = True,
) -> FloatArray:
    """Weights of K components with likelihoods loglik, (G, K), log: (D, K) draws of a Gibbs sampler.

    Parameters
    ----------
    loglik
        Of each gene under each component.
    rng
        Randomness.
    draws, warmup
        Sweeps that are kept, and those before them that are not.
    start
        Weights to start from, (K,); None: even.
    null
        Whether the first component is the null, whose weight then has a uniform prior.

    Notes
    -----
    The n slabs' shares have a Dirichlet(1/n) prior, which favours few of them. A sweep allocates every gene to a
    component and draws the weights given the counts.

    Source: Diebolt and Robert (1994), J. R. Stat. Soc. B 56, 363.
    """
    n_genes, n_components = loglik.shape
    likelihood = np.exp(loglik - loglik.max(axis=1, keepdims=True))
    concentration = np.full(n_components, 1 / max(n_components - null, 1))
    if null:
        concentration[0] = 1.0
    weight = np.full(n_components, 1 / n_components) if start is None else 0.9 * start + 0.1 / n_components
    kept = np.empty((draws, n_components))
    count = np.empty(n_components)
    for sweep in range(-warmup, draws):
        allocate(likelihood, weight, rng.random(n_genes), count)
        weight = rng.dirichlet(concentration + count)
        if sweep >= 0:
            kept[sweep] = weight
    return kept
