"""Effects -> fitted prior, by marginal maximum likelihood."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.optimize import minimize, minimize_scalar

from ebgenes.errors import InputError, NotConverged
from ebgenes.model import Effects, EmFit, FloatArray, MixturePrior
from ebgenes.posteriors import component_likelihoods
from ebgenes.prior.weights import SOLVERS

MIN_SCALE = 0.3 / np.log(2)
"""Smallest slab scale, log2 (0.3 nat): slabs that reach 0 make pi0 unidentifiable."""

DRIFT_GAIN = 1.92
"""Log-likelihood gain (half of chi-squared .95 with 1 df) below which the null's scale stays 0."""

FAMILIES = ("scale_normal", "point_normal")
NULLS = ("estimated", "fixed")


def fit_em(
    effects: Effects,
    *,
    family: str = "scale_normal",
    null: str = "estimated",
    solver: str = "sqp",
    min_scale: float | None = None,
    scale: FloatArray | None = None,
) -> EmFit:
    """Fit the two-group mixture prior to all genes at once.

    Parameters
    ----------
    effects
        G genes, log2.
    family
        ``scale_normal``: a grid of slab scales, ratio sqrt 2, whose weights are fitted;
        ``point_normal``: one slab whose scale is fitted too.
    null
        ``estimated``: the null is N(0, s0^2), s0 by maximum likelihood, kept 0 unless it gains
        more than 1.92 in log likelihood; ``fixed``: s0 = 0.
    solver
        How weights are found: ``sqp``, or its slow oracle ``em``; both reach the same optimum.
    min_scale
        Smallest slab scale, in the units of the effects; None: `MIN_SCALE`, for log2.
    scale
        Ascending slab scales to use in place of the grid, (K - 1,); for ``point_normal`` the first and
        last bound the search.

    Raises
    ------
    InputError
        For no genes, a nonpositive or missing standard error, or an unknown option.

    Warns
    -----
    NotConverged
        Where the certificate stays above 1e-8.
    """
    min_scale = MIN_SCALE if min_scale is None else min_scale
    _check(effects, family, null, solver, min_scale)
    slab = slab_grid(effects, min_scale) if scale is None else np.asarray(scale, dtype=float)
    fit = (_fit_grid if family == "scale_normal" else _fit_single)(component_likelihoods(effects), slab, null, solver)
    if not fit.converged:
        warnings.warn(
            f"the prior's weights have certificate {fit.certificate:.1e} after {len(fit.loglik)} iterations of "
            f"{fit.solver}, above 1e-8; use solver='sqp'",
            NotConverged,
            stacklevel=2,
        )
    return fit


def _check(effects: Effects, family: str, null: str, solver: str, min_scale: float) -> None:
    for name, value, allowed in (("family", family, FAMILIES), ("null", null, NULLS), ("solver", solver, SOLVERS)):
        if value not in allowed:
            raise InputError(f"unknown prior {name} {value!r}; choose one of {', '.join(allowed)}.")
    if not min_scale > 0:
        raise InputError(f"min_scale must be above 0; found {min_scale}.")
    if len(effects.gene) == 0:
        raise InputError("there are 0 genes to fit a prior to. Loosen the filter or check the input.")
    bad = ~(np.isfinite(effects.estimate) & np.isfinite(effects.se) & (effects.se > 0) & (effects.df > 0))
    if bad.any():
        raise InputError(
            f"every gene needs a finite estimate, a standard error above 0 and df above 0; {int(bad.sum())} of "
            f"{len(bad)} have not (first: {effects.gene[bad][0]}). Remove them."
        )


def slab_grid(effects: Effects, min_scale: float) -> FloatArray:
    """Geometric grid of slab scales, ratio sqrt 2, up to twice the largest effect beyond its error."""
    excess = effects.estimate**2 - effects.se**2
    if effects.loglik is not None:
        # A likelihood that is flat to one side knows no largest effect.
        ends = effects.loglik[:, [0, -1]].max(axis=1)
        excess = excess[ends < effects.loglik.max(axis=1) - 2]
    largest = max(2 * np.sqrt(max(float(excess.max(initial=0)), 0.0)), 2 * min_scale)
    n_scales = int(np.ceil(2 * np.log2(largest / min_scale))) + 1
    return np.asarray(min_scale * 2 ** (np.arange(n_scales) / 2))


Likelihoods = Callable[[FloatArray], FloatArray]


def _fit_at(
    likelihoods: Likelihoods, slab: FloatArray, drift: float, family: str, solver: str, near: FloatArray | None = None
) -> EmFit:
    """The best weights at given scales of the null and the slabs; a similar problem's save iterations."""
    scales = np.concatenate([[drift], slab])
    return fit_weights(likelihoods(scales), scales, family, solver, near)


def fit_weights(loglik: FloatArray, scales: FloatArray, family: str, solver: str, near: FloatArray | None) -> EmFit:
    """The best weights at given log likelihoods of the components, (G, K)."""
    top = loglik.max(axis=1)
    even = np.full(len(scales), 1 / len(scales))
    start = even if near is None else 0.99 * near + 0.01 * even
    weights = SOLVERS[solver](np.exp(loglik - top[:, None]), start)
    return EmFit(
        prior=MixturePrior(weight=weights.weight, scale=scales, family=family),
        loglik=weights.loglik + top.sum(),
        certificate=weights.certificate,
        converged=weights.converged,
        solver=solver,
    )


def _fit_grid(likelihoods: Likelihoods, slab: FloatArray, null: str, solver: str) -> EmFit:
    """Family ``scale_normal``: a profile likelihood over the null's scale."""
    fixed = _fit_at(likelihoods, slab, 0.0, "scale_normal", solver)
    if null == "fixed":
        return fixed
    # The null may not be wider than the narrowest slab, or the two would trade places. Its profile can
    # have two peaks, one where the narrowest slab stands in for the null: look everywhere first.
    coarse = slab[0] * np.linspace(0, 1, 4)
    known = [likelihoods(np.concatenate([[drift], slab])) for drift in coarse]
    fits = [
        fit_weights(loglik, np.concatenate([[drift], slab]), "scale_normal", solver, fixed.prior.weight)
        for drift, loglik in zip(coarse[1:], known[1:], strict=True)
    ]
    fits.insert(0, fixed)
    best = int(np.argmax([fit.loglik[-1] for fit in fits]))
    search = minimize_scalar(
        lambda drift: -_between(likelihoods, slab, drift, coarse, known, fits[best], solver),
        bounds=(coarse[max(best - 1, 0)], coarse[min(best + 1, len(coarse) - 1)]),
        method="bounded",
        options={"xatol": 3e-3 * slab[0]},
    )
    fine = _fit_at(likelihoods, slab, float(search.x), "scale_normal", solver, fits[best].prior.weight)
    return _keep_if_worth(max(fine, fits[best], key=lambda fit: fit.loglik[-1]), fixed)


def _between(
    likelihoods: Likelihoods, slab: FloatArray, drift: float, coarse: FloatArray, known: list[FloatArray], near: EmFit,
    solver: str,
) -> float:  # fmt: skip
    """Log likelihood at a scale of the null between the coarse ones.

    The null's own column is computed; the slabs' change so little that a polynomial in the squared scale
    through the coarse ones serves to find the maximum, which is then computed in full.
    """
    x, nodes = drift**2, coarse**2
    loglik = np.zeros_like(known[0])
    for node, matrix in zip(nodes, known, strict=True):
        loglik += float(np.prod([(x - other) / (node - other) for other in nodes if other != node])) * matrix
    loglik[:, :1] = likelihoods(np.array([drift]))
    scales = np.concatenate([[drift], slab])
    return float(fit_weights(loglik, scales, "scale_normal", solver, near.prior.weight).loglik[-1])


def _fit_single(likelihoods: Likelihoods, slab: FloatArray, null: str, solver: str) -> EmFit:
    """Family ``point_normal``: the slab's scale is fitted, and the null's beside it where asked."""

    def at(drift: float, log_scale: float) -> EmFit:
        return _fit_at(likelihoods, np.exp([log_scale]), drift, "point_normal", solver)

    low, high = np.log(slab[0]), np.log(slab[-1])
    search = minimize_scalar(
        lambda log_scale: -at(0.0, log_scale).loglik[-1],
        bounds=(low, high),
        method="bounded",
        options={"xatol": 1e-4},
    )
    # A bounded search never visits its ends.
    fixed = max((at(0.0, x) for x in (float(search.x), low, high)), key=lambda fit: fit.loglik[-1])
    if null == "fixed":
        return fixed
    joint = minimize(
        lambda x: -at(x[0], x[1]).loglik[-1],
        x0=np.array([slab[0] / 4, np.log(fixed.prior.scale[1])]),
        bounds=[(0.0, slab[0]), (low, high)],
        method="Nelder-Mead",
        options={"xatol": 1e-4, "fatol": 1e-4},
    )
    return _keep_if_worth(at(*joint.x), fixed)


def _keep_if_worth(free: EmFit, fixed: EmFit) -> EmFit:
    worth = free.loglik[-1] - fixed.loglik[-1] > DRIFT_GAIN
    return replace(free if worth else fixed, fixed_null=fixed)
