"""Shapes that effects in several conditions may have: canonical ones, and those that the strongest genes show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ebgenes.analyses.conditions.estimates import Estimates
from ebgenes.arrays import BoolArray, FloatArray
from ebgenes.errors import InputError
from ebgenes.numerics.jit import map_blocks
from ebgenes.numerics.multivariate import deconvolution_sums

HETEROGENEITY = (0.25, 0.5, 0.75)
"""Correlations of effects that are alike but not equal."""

PRINCIPAL = 3
"""Directions of the strongest genes that extreme deconvolution starts from, besides their whole covariance."""

FEWEST_PER_CONDITION = 10
"""Strong genes, by condition, that patterns may be learned from."""

LEAST_VARIANCE = 0.05
"""Conditions where a learned pattern has a smaller share of its largest variance have none: it is what noise leaves of
0, and comes with correlations that would claim a sign there."""

MOST_SETS = 6
"""Sets of conditions that genes are often changed in, each with patterns of its own."""

STEPS, GAIN = 200, 1e-3
"""Steps of extreme deconvolution at most, and the gain in log likelihood (nat a step) below which it ends."""

MOST_CANDIDATES = 64
"""Sets, the most frequent ones, among which genes that lack a condition are shared out."""

RIDGE = 0.1
"""Share of the identity in a start: a covariance that is singular at first stays so, and is too sure of signs."""


def canonical_patterns(condition: Sequence[str]) -> dict[str, FloatArray]:
    """Patterns that ask no data, by name: covariances (R, R) whose largest variance is 1.

    Independent effects, equal effects, an effect in one condition only, and effects with correlations of .25, .5 and
    .75. With one condition all are the same, and one is returned.
    """
    n = len(condition)
    patterns = {"independent": np.eye(n)}
    if n == 1:
        return patterns
    for i, name in enumerate(condition):
        patterns[f"only {name}"] = np.diag(np.eye(n)[i])
    patterns["equal"] = np.ones((n, n))
    for correlation in HETEROGENEITY:
        patterns[f"correlated {correlation:g}"] = np.full((n, n), correlation) + (1 - correlation) * np.eye(n)
    return patterns


def patterns_of_sets(condition: Sequence[str], changed: BoolArray, seen: BoolArray) -> dict[str, FloatArray]:
    """Effects in some of the conditions and none in the others, equal or independent there, by name.

    The sets of two or more conditions, short of all, that genes are changed in most often. Without them effects in a
    few conditions pass for effects in all.

    Parameters
    ----------
    condition
        Names, (R,).
    changed
        Whether each gene has a clear effect in each condition, (G, R); False where it has no estimate.
    seen
        Where it has one, (G, R).
    """
    sets, times = _sets(changed, seen)
    size = sets.sum(axis=1)
    told = (size > 1) & (size < len(condition)) & (times >= FEWEST_PER_CONDITION)
    order = np.argsort(-times[told], kind="stable")[:MOST_SETS]
    patterns = {}
    for within in sets[told][order].astype(float):
        words = ", ".join(name for name, inside in zip(condition, within, strict=True) if inside)
        patterns[f"equal in {words}"] = np.outer(within, within)
        patterns[f"independent in {words}"] = np.diag(within)
    return patterns


def _sets(changed: BoolArray, seen: BoolArray) -> tuple[BoolArray, FloatArray]:
    """Sets of conditions (N, R) in which genes are changed, and how many genes in each, (N,).

    A gene without an estimate somewhere may belong to every set that agrees with it elsewhere, by maximum likelihood
    of the sets' frequencies (EM).
    """
    n_conditions = changed.shape[1]
    kinds, members = np.unique(np.hstack([changed, seen]), axis=0, return_counts=True)
    kind, visible = kinds[:, :n_conditions], kinds[:, n_conditions:]
    sets, which = np.unique(kind, axis=0, return_inverse=True)
    times = np.bincount(which.ravel(), weights=members).astype(float)
    if seen.all():
        return sets, times
    frequent = np.sort(np.argsort(-times, kind="stable")[:MOST_CANDIDATES])
    sets, times = sets[frequent], times[frequent]
    agrees = np.all((sets[None] == kind[:, None]) | ~visible[:, None], axis=2)
    # A kind whose own set is not among the frequent ones may agree with none of them.
    placed = np.any(agrees, axis=1)
    for _ in range(STEPS):
        share = agrees[placed] * times
        times = members[placed] @ (share / share.sum(axis=1, keepdims=True))
    return sets, times


def normalized(patterns: Mapping[str, Any], n_conditions: int) -> dict[str, FloatArray]:
    """Patterns with a largest variance of 1.

    Raises
    ------
    InputError
        For no pattern, or one that is no covariance of so many conditions.
    """
    made: dict[str, FloatArray] = {}
    for name, values in patterns.items():
        covariance = np.array(values, dtype=float)
        fine = covariance.shape == (n_conditions, n_conditions) and np.isfinite(covariance).all()
        top = float(np.diagonal(covariance).max()) if fine else 0.0
        if not fine or top <= 0 or not np.allclose(covariance, covariance.T, rtol=0, atol=1e-8 * top):
            raise InputError(f"pattern {name!r} must be a symmetric covariance of {n_conditions} conditions.")
        if np.linalg.eigvalsh(covariance)[0] < -1e-8 * top:
            raise InputError(f"pattern {name!r} is no covariance: it has a negative eigenvalue.")
        made[str(name)] = (covariance + covariance.T) / (2 * top)
    if not made:
        raise InputError("there are 0 patterns; give at least one.")
    return made


def learned_patterns(strong: Estimates) -> dict[str, FloatArray]:
    """Patterns of the strongest genes by extreme deconvolution, covariances (R, R); none of too few genes.

    It starts from the genes' covariance and its first principal directions.

    Sources: Bovy, Hogg and Roweis (2011), Ann. Appl. Stat. 5, 1657; the use of both, Urbut et al. (2019).
    """
    n_genes, n_conditions = strong.estimate.shape
    if n_conditions == 1 or n_genes < FEWEST_PER_CONDITION * n_conditions:
        return {}
    weight, component = deconvolve(strong)
    kept = [_cleared(each) for each, share in zip(component, weight, strict=True) if share * n_genes > n_conditions]
    return {f"learned {i}": covariance for i, covariance in enumerate(kept, 1)}


def _cleared(covariance: FloatArray) -> FloatArray:
    variance = np.diagonal(covariance)
    there = variance >= LEAST_VARIANCE * variance.max()
    return np.where(there[:, None] & there, covariance, 0.0)


def deconvolve(strong: Estimates) -> tuple[FloatArray, FloatArray]:
    """Weights (P,) and covariances (P, R, R) of a mixture of normals around 0 that lies behind the estimates, by EM."""
    component = _starts(strong.estimate)
    weight = np.full(len(component), 1 / len(component))
    before = -np.inf
    for _ in range(STEPS):
        loglik, count, scatter = _expected(strong, component, weight)
        weight = count / count.sum()
        # A component that has lost its genes keeps its shape, and counts for nothing.
        component = np.where(count[:, None, None] > 1, scatter / np.maximum(count, 1)[:, None, None], component)
        if loglik - before < GAIN:
            break
        before = loglik
    return weight, component


def _starts(estimate: FloatArray) -> FloatArray:
    """The second moments of the estimates, and its principal directions one by one, each with a ridge."""
    known = np.nan_to_num(estimate)
    seen = ~np.isnan(estimate)
    together = seen.T.astype(float) @ seen
    moments = np.einsum("gi,gj->ij", known, known) / np.maximum(together, 1)
    size, axes = np.linalg.eigh(moments)
    if not seen.all():
        # Moments of different genes need not make a covariance.
        size = np.maximum(size, 0)
        moments = (axes * size) @ axes.T
    last = range(len(size) - 1, max(len(size) - 1 - PRINCIPAL, -1), -1)
    shapes = np.array([moments, *(size[i] * np.outer(axes[:, i], axes[:, i]) for i in last)])
    even = np.trace(shapes, axis1=1, axis2=2)[:, None, None] / len(size) * np.eye(len(size))
    return np.asarray((1 - RIDGE) * shapes + RIDGE * even)


def _expected(strong: Estimates, component: FloatArray, weight: FloatArray) -> tuple[float, FloatArray, FloatArray]:
    """Log likelihood, expected members (P,) and their second moments (P, R, R), in the blocks' order."""
    with np.errstate(divide="ignore"):
        log_weight = np.log(weight)

    def work(genes: slice) -> tuple[float, FloatArray, FloatArray]:
        count, scatter = np.zeros(len(component)), np.zeros_like(component)
        loglik = deconvolution_sums(*strong.block(genes), component, log_weight, count, scatter)
        return loglik, count, scatter

    parts = map_blocks(work, len(strong.estimate))
    return (
        float(sum(part[0] for part in parts)),
        np.sum([part[1] for part in parts], axis=0),
        np.sum([part[2] for part in parts], axis=0),
    )
