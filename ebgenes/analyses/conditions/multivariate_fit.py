"""Estimates in several conditions -> fitted multivariate prior, by marginal maximum likelihood."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ebgenes.analyses.conditions.estimates import Estimates, checked, loglik_matrix, loglik_rows
from ebgenes.analyses.conditions.patterns import canonical_patterns, learned_patterns, normalized, patterns_of_sets
from ebgenes.arrays import USUAL_SE, FloatArray, TextArray, text_array
from ebgenes.effects.summary_statistics import effects_from_summary
from ebgenes.errors import InputError, NotConverged
from ebgenes.numerics.weights import SOLVERS, best_weights, in_blocks, in_memory
from ebgenes.posteriors.given_prior import null_probability
from ebgenes.prior.families.scales import slab_grid
from ebgenes.prior.fit import IN_MEMORY, LOWEST, MIN_SCALE, NULL_WEIGHT, fit_em
from ebgenes.records.effects import Effects, ResidualAxes
from ebgenes.records.prior import MultivariateFit, MultivariatePrior

STRONG_LFDR = 0.05
"""Local false discovery rate, in some condition alone, of the genes that patterns are learned from."""

MOST_STRONG = 2_000
"""Of them the most that are used, those with the largest z-scores."""

NULLS = ("estimated", "fixed")


def fit_multivariate(
    estimates: Any,
    covariances: Any,
    *,
    condition: Sequence[str] | None = None,
    patterns: Mapping[str, Any] | None = None,
    learn: bool = True,
    null: str = "estimated",
    scale: FloatArray | None = None,
    min_scale: float | None = None,
    null_weight: float | None = None,
    residuals: Sequence[ResidualAxes | None] | None = None,
    solver: str = "sqp",
) -> MultivariateFit:
    """Fit a mixture of multivariate normals and a null to effects in several conditions.

    Parameters
    ----------
    estimates
        Effects of G genes in R conditions, log2, (G, R); NaN where a gene was not tested.
    covariances
        Of their errors, known: (R, R) shared by all genes, or (G, R, R); `covariances_of` makes the latter of
        standard errors and a correlation. An infinite variance stands for no estimate.
    condition
        Names of the conditions, (R,).
    patterns
        Covariances (R, R) by name, up to a factor; None: `canonical_patterns`.
    learn
        Whether patterns of the strongest genes are added, by extreme deconvolution.
    null
        ``estimated``: each condition's estimates carry an error N(0, null_sd^2) as `fit_em` expects it in that
        condition alone (its root mean square), correlated over conditions as the errors are; ``fixed``: none.
    scale
        Slab scales in place of the grid, (n,), positive and ascending; each pattern has all of them.
    min_scale
        Smallest slab scale, in the units of the estimates; None: that of `fit_em` for effects of unknown unit, the
        smallest of all conditions.
    null_weight
        Dirichlet weight of the null, as in `fit_em`; 1 for plain maximum likelihood, 10 as mashr.
    residuals
        How each condition's residuals vary, R of them, which bounds its drift; None: unknown.
    solver
        ``sqp``, ``em`` or ``squarem``.

    Raises
    ------
    InputError
        For estimates and covariances that do not fit each other, patterns that are no covariances, or an unknown
        option.

    Warns
    -----
    NotConverged
        Where the certificate of the weights stays above 1e-8.

    Notes
    -----
    With one condition the fit is that of `fit_em` with a normal likelihood.

    Source: Urbut, Wang, Carbonetto and Stephens (2019), Nat. Genet. 51, 187.
    """
    for name, value, allowed in (("null", null, NULLS), ("solver", solver, tuple(SOLVERS))):
        if value not in allowed:
            raise InputError(f"unknown prior {name} {value!r}; choose one of {', '.join(allowed)}.")
    known, names = checked(estimates, covariances, condition)
    single = _single_conditions(known, names, residuals)
    if min_scale is None:
        typical = min(float(np.median(each.se)) for each in single)
        min_scale = (LOWEST if null == "estimated" else MIN_SCALE / USUAL_SE) * typical
    if null_weight is None:
        null_weight = NULL_WEIGHT if null == "estimated" else 1.0
    fits = [
        fit_em(each, null=null, min_scale=min_scale, null_weight=null_weight, mode="zero", bulk="none")
        for each in single
    ]
    null_covariance = _null_covariance(known, np.array([fit.prior.null_sd for fit in fits]))
    known = known.widened(null_covariance)
    shapes = normalized(canonical_patterns(list(names)) if patterns is None else patterns, len(names))
    if learn:
        lfdr = _lfdr(known, [null_probability(each, fit.prior) for each, fit in zip(single, fits, strict=True)])
        learned = patterns_of_sets(list(names), lfdr < STRONG_LFDR, known.seen)
        learned |= learned_patterns(_strong(known, lfdr))
        for name, covariance in normalized(learned, len(names)).items() if learned else ():
            # Weights of two equal patterns would not be determined.
            if not any(np.allclose(covariance, other) for other in shapes.values()):
                shapes[name] = covariance
    grid_likelihood = (slab_grid(each, min_scale) for each in single)
    grid = max(grid_likelihood, key=lambda grid: grid[-1]) if scale is None else np.asarray(scale, float)
    prior = _unweighted(names, shapes, grid, null_covariance)
    components = prior.components()
    shape = (len(known.estimate), len(components))
    if shape[0] * shape[1] > IN_MEMORY:
        likelihood = in_blocks(lambda genes: loglik_rows(known, components, genes), shape)
    else:
        likelihood = in_memory(loglik_matrix(known, components))
    found = best_weights(likelihood, solver, None, null_weight)
    if not found.converged:
        warnings.warn(
            f"the multivariate prior's weights have certificate {found.certificate:.1e} after {len(found.loglik)} "
            f"iterations of {solver}, above 1e-8; use solver='sqp'",
            NotConverged,
            stacklevel=2,
        )
    return MultivariateFit(
        prior=replace(prior, weight=found.weight),
        loglik=found.loglik,
        certificate=found.certificate,
        converged=found.converged,
        solver=solver,
    )


def _single_conditions(
    known: Estimates, names: TextArray, residuals: Sequence[ResidualAxes | None] | None
) -> list[Effects]:
    """Each condition's effects alone, of the genes that have one there."""
    effects = []
    for r, name in enumerate(names):
        seen = np.flatnonzero(known.seen[:, r])
        if not len(seen):
            raise InputError(f"condition {name!r} has no estimates. Leave it out.")
        made = effects_from_summary(seen, known.estimate[seen, r], known.se[seen, r], contrast=name)
        effects.append(made if residuals is None else replace(made, residuals=residuals[r]))
    return effects


def _null_covariance(known: Estimates, size: FloatArray) -> FloatArray:
    """Covariance of the drift, (R, R): what replicates share reaches contrasts as their errors do."""
    se = known.se
    scaled = np.divide(known.covariance, (se[:, :, None] * se[:, None, :])[: len(known.covariance)],
                       out=np.zeros_like(known.covariance), where=known.covariance != 0)  # fmt: skip
    total, times = scaled.sum(axis=0), (scaled != 0).sum(axis=0)
    correlation = np.divide(total, times, out=np.zeros_like(total), where=times > 0)
    return np.asarray(size[:, None] * size[None, :] * correlation)


def _lfdr(known: Estimates, single: Sequence[FloatArray]) -> FloatArray:
    """Local false discovery rates of each condition alone, (G, R), 1 where a gene has no estimate."""
    lfdr = np.ones(known.estimate.shape)
    for r, rate in enumerate(single):
        lfdr[known.seen[:, r], r] = rate
    return lfdr


def _strong(known: Estimates, lfdr: FloatArray) -> Estimates:
    """The genes with a clear effect in some condition alone, and an estimate in another."""
    chosen = np.flatnonzero((lfdr.min(axis=1) < STRONG_LFDR) & (known.seen.sum(axis=1) > 1))
    size = np.nanmax(np.abs(known.estimate[chosen] / known.se[chosen]), axis=1)
    chosen = np.sort(chosen[np.argsort(-size, kind="stable")[:MOST_STRONG]])
    return Estimates(*known.block(chosen))


def _unweighted(
    names: TextArray, shapes: Mapping[str, FloatArray], grid: FloatArray, null_covariance: FloatArray
) -> MultivariatePrior:
    """The null and every pattern at every scale, evenly weighted."""
    n_patterns, n_scales = len(shapes), len(grid)
    n_components = 1 + n_patterns * n_scales
    return MultivariatePrior(
        condition=names,
        weight=np.full(n_components, 1 / n_components),
        scale=np.concatenate([[0.0], np.tile(grid, n_patterns)]),
        pattern_of=np.concatenate([[-1], np.repeat(np.arange(n_patterns), n_scales)]),
        pattern=text_array(shapes),
        covariance=np.array(list(shapes.values())),
        null_covariance=null_covariance,
    )
