"""Effects -> fitted prior, by marginal maximum likelihood."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
from scipy.optimize import minimize, minimize_scalar

from ebgenes.errors import InputError, NotConverged
from ebgenes.model import Effects, EmFit, FloatArray, MixturePrior
from ebgenes.posteriors import loglik_matrix
from ebgenes.prior.weights import SOLVERS, Weights

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
    fit = (_fit_grid if family == "scale_normal" else _fit_single)(effects, slab, null, solver)
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
    largest = max(2 * np.sqrt(max(float(excess.max()), 0.0)), 2 * min_scale)
    n_scales = int(np.ceil(2 * np.log2(largest / min_scale))) + 1
    return np.asarray(min_scale * 2 ** (np.arange(n_scales) / 2))


def _weights(effects: Effects, scale: FloatArray, solver: str, near: FloatArray | None = None) -> Weights:
    """The best weights; a solution of a similar problem saves iterations, not the search."""
    loglik = loglik_matrix(effects, scale)
    top = loglik.max(axis=1)
    even = np.full(len(scale), 1 / len(scale))
    start = even if near is None else 0.99 * near + 0.01 * even
    fit = SOLVERS[solver](np.exp(loglik - top[:, None]), start)
    return replace(fit, loglik=fit.loglik + top.sum())


def _fit_at(
    effects: Effects, slab: FloatArray, drift: float, family: str, solver: str, near: FloatArray | None = None
) -> EmFit:
    """The best weights at given scales of the null and the slabs."""
    scales = np.concatenate([[drift], slab])
    weights = _weights(effects, scales, solver, near)
    return EmFit(
        prior=MixturePrior(weight=weights.weight, scale=scales, family=family),
        loglik=weights.loglik,
        certificate=weights.certificate,
        converged=weights.converged,
        solver=solver,
    )


def _fit_grid(effects: Effects, slab: FloatArray, null: str, solver: str) -> EmFit:
    """Family ``scale_normal``: a profile likelihood over the null's scale."""
    fixed = _fit_at(effects, slab, 0.0, "scale_normal", solver)
    if null == "fixed":
        return fixed

    def at(drift: float) -> EmFit:
        return _fit_at(effects, slab, drift, "scale_normal", solver, fixed.prior.weight)

    # The null may not be wider than the narrowest slab, or the two would trade places.
    search = minimize_scalar(
        lambda drift: -at(drift).loglik[-1], bounds=(0.0, slab[0]), method="bounded", options={"xatol": 1e-4}
    )
    return _keep_if_worth(at(float(search.x)), fixed)


def _fit_single(effects: Effects, slab: FloatArray, null: str, solver: str) -> EmFit:
    """Family ``point_normal``: the slab's scale is fitted, and the null's beside it where asked."""

    def at(drift: float, log_scale: float) -> EmFit:
        return _fit_at(effects, np.exp([log_scale]), drift, "point_normal", solver)

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
