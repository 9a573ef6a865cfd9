"""A prior that another study has fitted, beside this study's own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
from scipy import special

from ebgenes.arrays import FloatArray, evenly
from ebgenes.errors import InputError, listing
from ebgenes.numerics.weights import SOLVERS, Likelihood
from ebgenes.prior.families import FAMILIES, family_of
from ebgenes.prior.families.family import Tail
from ebgenes.prior.likelihoods import to_prior_scale
from ebgenes.records.effects import Effects
from ebgenes.records.prior import EmFit, MixturePrior

MEMORY = 10.0
"""Dirichlet weight of the stored prior as a whole; 1 would be plain maximum likelihood."""

FARTHEST_Z, N_BINS = 6.0, 24
"""Where the histogram of z-scores ends, and its bins."""

PREDICTED = 2000
"""Genes, evenly taken, of whom the prediction is made."""

QUANTILES = (np.arange(12) + 0.5) / 12
"""Of the chi-squared distribution that makes a t of a normal."""


def require_storable(stored: MixturePrior, family: str) -> None:
    """Refuse a stored prior that cannot stand beside slabs of a family.

    Raises
    ------
    InputError
        Where its family is another or has slabs that are not kept.
    """
    if family_of(stored.family).tail is None:
        raise InputError(
            f"a stored prior of family {stored.family!r} cannot be applied; refit the other study with one of "
            f"{listing(name for name, each in FAMILIES.items() if each.tail is not None)}."
        )
    if stored.family != family and not (family_of(stored.family).is_normal and family_of(family).is_normal):
        raise InputError(
            f"the stored prior is of family {stored.family!r} and prior.family is {family!r}. "
            f"Set prior.family to {stored.family!r}."
        )


def joined_slabs(slab: FloatArray, stored: MixturePrior) -> FloatArray:
    """Scales of a study's own slabs and the stored ones, ascending."""
    return np.union1d(slab, np.abs(stored.scale[1:][stored.weight[1:] > 0]))


def stored_shares(stored: MixturePrior, scales: FloatArray) -> FloatArray:
    """The stored prior's weights among components that hold all of its slabs, (K,)."""
    shares = np.zeros(len(scales))
    shares[0] = stored.weight[0]
    for scale, weight in zip(stored.scale[1:], stored.weight[1:], strict=True):
        if weight > 0:
            shares[1 + int(np.argmin(np.abs(scales[1:] - scale)))] += weight
    return np.asarray(shares / shares.sum())


def fit_beside(
    likelihood: Likelihood, scales: FloatArray, family: str, solver: str, stored: MixturePrior,
    own_weight: float | None, near: FloatArray | None, null_weight: float,
) -> EmFit:  # fmt: skip
    """The best weights of ``(1 - w) stored + w own``, where ``own`` has any weights of the components.

    With own_weight None, w is found too: under a prior Beta(1, `MEMORY`), and jointly with the own weights, because
    ``(1 - w)`` is the weight of one more component whose likelihood is the stored prior's. `MEMORY` - 1 genes known
    to follow the stored prior would say as much, so that a study that tells something has the last word.
    """
    shares = stored_shares(stored, scales)
    n_genes, n_components = likelihood.shape
    even = np.full(n_components, 1 / n_components)
    own = even if near is None else 0.99 * near + 0.01 * even
    penalty = np.zeros(n_components)
    penalty[0] = null_weight - 1
    if own_weight is None:

        def block(genes: slice) -> tuple[FloatArray, float]:
            rows, factors = likelihood.block(genes)
            return np.column_stack([rows @ shares, rows]), factors

        known = Likelihood(shape=(n_genes, 1 + n_components), block=block)
        penalty = np.concatenate([[MEMORY - 1], penalty])
        found = SOLVERS[solver](known, np.concatenate([[0.5], 0.5 * own]), penalty)
        kept = float(found.weight[0])
        weight = kept * shares + found.weight[1:]
    else:

        def block(genes: slice) -> tuple[FloatArray, float]:
            rows, factors = likelihood.block(genes)
            return (1 - own_weight) * (rows @ shares)[:, None] + own_weight * rows, factors

        kept = 1 - own_weight
        found = SOLVERS[solver](Likelihood(shape=likelihood.shape, block=block), own, penalty)
        weight = kept * shares + own_weight * found.weight
    return EmFit(
        prior=MixturePrior(weight=weight / weight.sum(), scale=scales, family=family),
        loglik=found.loglik,
        certificate=found.certificate,
        converged=found.converged,
        solver=solver,
        stored=stored,
        stored_weight=kept,
    )


def conflict(
    loglik: FloatArray, stored: MixturePrior, scales: FloatArray, free: FloatArray
) -> tuple[float, int, float]:
    """Likelihood ratio of the study's own weights over the stored prior, its degrees of freedom and p-value.

    Parameters
    ----------
    loglik
        Of each gene under each component, (G, K).
    stored
        The stored prior.
    scales
        Of the components, (K,).
    free
        Weights of greatest likelihood, (K,).

    Notes
    -----
    Given which weights are above 0, twice the gain over a point on the same face of the simplex is chi-squared, on one
    degree of freedom less than there are of them (Wollan and Dykstra 1986, for the conditional test). Components that
    only the stored prior uses count too, which makes the p-value a little too large. Genes count as independent.
    """
    top = loglik.max(axis=1, keepdims=True)
    rows = np.exp(loglik - top)
    shares = stored_shares(stored, scales)
    gain = float(np.sum(np.log(rows @ free)) - np.sum(np.log(rows @ shares)))
    df = int(np.sum((free > 1e-8) | (shares > 1e-8))) - 1
    ratio = max(2 * gain, 0.0)
    return ratio, df, float(special.chdtrc(df, ratio)) if df > 0 else 1.0


def z_histogram(effects: Effects, priors: tuple[MixturePrior, ...]) -> dict[str, Any]:
    """Sizes of the z-scores as they are and as priors predict them, shares of the genes by bins.

    Parameters
    ----------
    effects
        G genes.
    priors
        Of effects as their null's scales see them, of families that can be stored.

    Returns
    -------
    dict
        ``edges`` (B + 1,), the last bin open; ``seen`` (B,), and ``predicted``, one list (B,) a prior.
    """
    edges = np.linspace(0, FARTHEST_Z, N_BINS + 1)
    size = np.abs(to_prior_scale(effects, priors[0]).estimate) / (priors[0].likelihood_scale * effects.se)
    seen = np.histogram(np.minimum(size, 0.999 * FARTHEST_Z), edges)[0] / len(size)
    chosen = evenly(effects.gene, max(len(size) // PREDICTED, 1))
    se, df = priors[0].likelihood_scale * effects.se[chosen], effects.df[chosen]
    beyond = [[float(_beyond(edge * se, se, df, prior).mean()) for edge in edges[1:-1]] for prior in priors]
    predicted = [(-np.diff([1.0, *tail, 0.0])).tolist() for tail in beyond]
    return {"edges": edges.tolist(), "seen": seen.tolist(), "predicted": predicted}


def _beyond(point: FloatArray, se: FloatArray, df: FloatArray, prior: MixturePrior) -> FloatArray:
    """P(|estimate - mode| > point), (G,), before it is seen."""
    out, beyond = np.zeros(len(se)), cast(Tail, family_of(prior.family).tail)
    for quantile in QUANTILES:
        with np.errstate(invalid="ignore"):
            spread = np.where(np.isfinite(df), np.sqrt(df / special.chdtri(df, quantile)), 1.0)
        error = np.sqrt((se * spread) ** 2 + prior.null_sd**2)
        for k, (weight, scale) in enumerate(zip(prior.weight, np.abs(prior.scale), strict=True)):
            if weight == 0:
                continue
            tail = 2 * special.ndtr(-point / error) if k == 0 else beyond(point, error, float(scale))
            out += weight * tail / len(QUANTILES)
    return np.clip(out, 0.0, 1.0)


def as_applied(stored: MixturePrior, fitted: MixturePrior) -> MixturePrior:
    """The stored prior with the fit's null's sd, mode and likelihoods' scale, which belong to a study."""
    scale = np.concatenate([[fitted.null_sd], stored.scale[1:]])
    return replace(
        stored, scale=scale, mode=fitted.mode, likelihood_scale=fitted.likelihood_scale, null_share=None, nulls=None
    )
