"""The free part of a fitted prior, fitted to other effects of the same genes."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

from ebgenes.arrays import FloatArray
from ebgenes.numerics.weights import in_memory
from ebgenes.prior.families import family_of
from ebgenes.prior.fit import fit_weights
from ebgenes.prior.likelihoods import component_likelihoods, to_prior_scale
from ebgenes.records.effects import Effects
from ebgenes.records.prior import MixturePrior

REACH = np.log(4)
"""How far from the fitted scale of a single slab, as a logarithm, another is sought."""


def refit(effects: Effects, prior: MixturePrior) -> tuple[FloatArray, FloatArray]:
    """Scales of the slabs and their free weights, by maximum likelihood.

    The null's scale, the mode and the slabs of the prior stay, but for the scale of a single one. Where covariates
    tell genes apart their shares stay too.

    Returns
    -------
    ndarray, ndarray
        Scales of all components, (K,); weights that sum to 1, of all components (K,) or, with covariates, of the
        slabs (K - 1,).
    """
    likelihoods = component_likelihoods(to_prior_scale(effects, prior), prior.family)
    near = free_weights(prior)

    def weigh(scale: FloatArray) -> tuple[float, FloatArray]:
        likelihood, top = mixed(likelihoods(scale, None), prior)
        with np.errstate(divide="ignore"):
            fit = fit_weights(in_memory(np.log(likelihood)), scale[: likelihood.shape[1]], prior.family, near=near)
        return float(fit.loglik[-1]) + float(top.sum()), fit.prior.weight

    if not family_of(prior.family).single:
        return prior.scale, weigh(prior.scale)[1]

    def scales(log_scale: float) -> FloatArray:
        return np.array([prior.null_sd, np.exp(log_scale)])

    fitted = float(np.log(prior.scale[1]))
    search = minimize_scalar(
        lambda log_scale: -weigh(scales(log_scale))[0],
        bounds=(fitted - REACH, fitted + REACH),
        method="bounded",
        options={"xatol": 5e-3},
    )
    return scales(float(search.x)), weigh(scales(float(search.x)))[1]


def free_weights(prior: MixturePrior) -> FloatArray:
    """The weights of all components, (K,), or where covariates tell the null's share those of the slabs, (K - 1,)."""
    return prior.weight if prior.null_share is None else free_slabs(prior)


def free_slabs(prior: MixturePrior) -> FloatArray:
    """Shares of the slabs among themselves, (K - 1,), even where none has weight."""
    slabs = prior.weight[1:]
    return slabs / slabs.sum() if slabs.sum() > 0 else np.full(len(slabs), 1 / len(slabs))


def mixed(loglik: FloatArray, prior: MixturePrior) -> tuple[FloatArray, FloatArray]:
    """Likelihoods that free weights mix, each row over its largest, and the logs of these, (G,).

    With covariates a slab comes with its gene's share of the null: share L_0 + (1 - share) L_k.
    """
    top = loglik.max(axis=1)
    likelihood = np.exp(loglik - top[:, None])
    if prior.null_share is None:
        return likelihood, top
    share = prior.null_share[:, None]
    return share * likelihood[:, :1] + (1 - share) * likelihood[:, 1:], top
