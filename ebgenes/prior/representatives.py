"""A few weighted representatives that stand in for all genes where a mixture's likelihood is wanted many times.

The parameters are b (P,), of each gene's log odds x_g'b of being changed, and v (K - 1,), shares of the slabs. Genes
whose data say nearly the same of them are taken together, and what that leaves out is put back to second order.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from scipy import special
from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigh

from ebgenes.arrays import FloatArray, IntArray
from ebgenes.prior.covariates import LogPrior

N_REPRESENTATIVES = 64
N_TOLD = 256
"""Representatives, and how many where covariates tell genes apart."""

FEATURES = 8
"""Directions, of those in which genes differ, that are looked at to tell which of them are alike."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Representatives:
    """Stand-ins for the genes under each of C planes, in the order in which `kernels.gibbs.run_chain` takes them.

    Attributes
    ----------
    count
        Genes that each stands for, (M,).
    design
        Their mean columns, (P, M).
    null, slab
        Their mean likelihoods, genes' over those at the center, (C, M) and (C, K - 1, M).
    center
        Parameters near the posterior's middle, b then v, (C, D).
    gradient, bend
        What representatives lack of the log likelihood's slope there, and of minus its curvature, (C, D), (C, D, D).
    height
        Log density at the center less the representatives' own, (C,).
    """

    count: FloatArray
    design: FloatArray
    null: FloatArray
    slab: FloatArray
    center: FloatArray
    gradient: FloatArray
    bend: FloatArray
    height: FloatArray

    def arrays(self) -> tuple[FloatArray, ...]:
        """All of them, in this order."""
        parts = self.count, self.design, self.null, self.slab, self.center, self.gradient, self.bend, self.height
        return tuple(np.ascontiguousarray(each, dtype=float) for each in parts)


def derivatives(
    null: FloatArray, slab: FloatArray, design: FloatArray, state: FloatArray, count: FloatArray | float = 1.0
) -> tuple[float, FloatArray, FloatArray, FloatArray]:
    """sum_g n_g log (L_0g + e_g sum_k v_k L_kg)/(1 + e_g), its gradient (D,), minus its Hessian (D, D), each part (G,).

    null (G,), slab (K - 1, G), design (P, G), count (G,) or a number. Sums do not depend on BLAS and its threads.
    """
    n_columns = len(design)
    share, p, each, part = _terms(null, slab, design, state)
    first = np.concatenate([design * (share - p), each])
    root = np.sqrt(count)
    square = np.concatenate([design * share, each]) * root
    curvature = np.einsum("ig,jg->ij", square, square)
    curvature[:n_columns, :n_columns] -= np.einsum("ig,jg->ij", design * (count * (share - p * (1 - p))), design)
    cross = np.einsum("ig,jg->ij", design * count, each)
    curvature[:n_columns, n_columns:] -= cross
    curvature[n_columns:, :n_columns] -= cross.T
    return float(np.sum(count * part)), np.sum(first * count, axis=1), curvature, part


def scores(null: FloatArray, slab: FloatArray, design: FloatArray, state: FloatArray) -> FloatArray:
    """Each gene's slope of its log likelihood, (D, G)."""
    share, p, each, _ = _terms(null, slab, design, state)
    return np.concatenate([design * (share - p), each])


def _terms(
    null: FloatArray, slab: FloatArray, design: FloatArray, state: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """P(changed) with and without the gene's data, d log/d v (K - 1, G), and the log likelihood, (G,)."""
    n_columns = len(design)
    z = np.einsum("pg,p->g", design, state[:n_columns])
    with np.errstate(divide="ignore"):
        total = np.logaddexp(np.log(null), z + np.log(np.einsum("kg,k->g", slab, state[n_columns:])))
    share = 1 - np.exp(np.log(null) - total)
    return share, special.expit(z), slab * np.exp(z - total), total - np.logaddexp(0, z)


def tangent(n_columns: int, n_slabs: int) -> FloatArray:
    """Orthonormal moves that leave the sum of the shares alone, (D, D - 1)."""
    basis = np.zeros((n_columns + n_slabs, n_columns + n_slabs - 1))
    basis[:n_columns, :n_columns] = np.eye(n_columns)
    for k in range(1, n_slabs):
        step = np.concatenate([np.full(k, 1 / k), [-1.0]])
        basis[n_columns : n_columns + k + 1, n_columns + k - 1] = step / np.sqrt(np.sum(step**2))
    return basis


def find_center(
    null: FloatArray, slab: FloatArray, design: FloatArray, count: FloatArray | float, log_prior: LogPrior,
    start: FloatArray,
) -> tuple[FloatArray, FloatArray]:  # fmt: skip
    """Mode of the posterior of b and log v, (D,), and the covariance its curvature tells, (D, D)."""
    n_columns, n_slabs = len(design), len(slab)
    moves = tangent(n_columns, n_slabs)

    def height(state: FloatArray) -> float:
        part = np.sum(count * _terms(null, slab, design, state)[3])
        return float(part + log_prior(state[:n_columns])[0] + np.log(state[n_columns:]).sum())

    state, best = start, height(start)
    for _ in range(60):
        _, slope, curvature, _ = derivatives(null, slab, design, state, count)
        _, prior_slope, precision = log_prior(state[:n_columns])
        share = state[n_columns:]
        slope = slope + np.concatenate([prior_slope, 1 / share])
        curvature = curvature + np.diag(np.concatenate([precision, 1 / share**2]))
        covariance = moves @ _inverse(moves.T @ curvature @ moves) @ moves.T
        step = covariance @ slope
        gain = float(step @ slope)
        if gain < 1e-6:
            break
        falling = step[n_columns:] < 0
        length = min(1.0, 0.9 * float(np.min(-share[falling] / step[n_columns:][falling], initial=np.inf)))
        while length > 1e-10:
            trial = state + length * step
            reached = height(trial)
            if reached >= best + 1e-4 * length * gain:
                break
            length /= 2
        else:
            break
        state, best = trial, reached
    return state, covariance


def _inverse(curvature: FloatArray) -> FloatArray:
    """Inverse of a curvature, made positive definite where it is not."""
    raised = np.abs(np.diag(curvature)).max() * 1e-12
    while True:
        try:
            return np.asarray(cho_solve(cho_factor(curvature), np.eye(len(curvature))))
        except LinAlgError:
            curvature = curvature + raised * np.eye(len(curvature))
            raised *= 100


def group_alike(feature: FloatArray, n_groups: int) -> IntArray:
    """Groups of rows (G, F) that are alike, (G,): the widest is halved at its mean until there are enough."""
    n_rows = len(feature)
    group = np.arange(n_rows)
    if n_rows <= n_groups:
        return group
    group[:] = 0
    queue = [_worth(np.arange(n_rows), feature)]
    for made in range(1, n_groups):
        _, _, axis, rows = heapq.heappop(queue)
        values = feature[rows, axis]
        high = values > values.mean()
        # All rows of the widest group are the same, but for rounding.
        if high.all() or not high.any():
            break
        group[rows[high]] = made
        for part in (rows[high], rows[~high]):
            heapq.heappush(queue, _worth(part, feature))
    return group


def _worth(rows: IntArray, feature: FloatArray) -> tuple[float, int, int, IntArray]:
    """Minus the sum of squares within a group, its first row to break ties, and the axis with most of it."""
    part = feature[rows]
    squares = np.sum((part - part.mean(axis=0)) ** 2, axis=0)
    return -float(squares.sum()), int(rows[0]), int(squares.argmax()), rows


def represent(
    likelihood: FloatArray, base: FloatArray, design: FloatArray, log_prior: LogPrior, start: FloatArray,
    n_representatives: int | None = None,
) -> tuple[Representatives, FloatArray]:  # fmt: skip
    """Representatives of genes' likelihoods (C, K, G) with base (C,) beside them, and directions to go in, (N, D).

    Genes are grouped by what they say at the middle plane; directions are as long as three standard deviations.
    """
    n_planes, n_components, _ = likelihood.shape
    n_columns, n_slabs = len(design), n_components - 1
    middle = likelihood[n_planes // 2].astype(float)
    feature = _features(middle, design, start, log_prior)
    group = group_alike(feature, n_representatives or (N_REPRESENTATIVES if n_columns == 1 else N_TOLD))
    n_groups = int(group.max()) + 1
    count = np.bincount(group, minlength=n_groups).astype(float)

    def mean(values: FloatArray) -> FloatArray:
        return np.asarray([np.bincount(group, each, n_groups) / count for each in np.atleast_2d(values)])

    few_design = mean(design)
    parts: list[tuple[FloatArray, ...]] = []
    heights = np.empty(n_planes)
    center, covariance = start, np.eye(len(start))
    spread = covariance
    for c in range(n_planes):
        known = likelihood[c].astype(float)
        part = derivatives(known[0], known[1:], design, center)[3]
        rows = mean(known * np.exp(-part))
        center, covariance = find_center(rows[0], rows[1:], few_design, count, log_prior, center)
        if c == n_planes // 2:
            spread = covariance
        height, slope, curvature, part = derivatives(known[0], known[1:], design, center)
        rows = mean(known * np.exp(-part))
        own_height, own_slope, own_curvature, _ = derivatives(rows[0], rows[1:], few_design, center, count)
        heights[c] = height - own_height + base[c]
        parts.append((rows[0], rows[1:], center, slope - own_slope, _not_hollow(curvature - own_curvature)))
    null, slab, centers, gradient, bend = (np.array(each) for each in zip(*parts, strict=True))
    representatives = Representatives(
        count=count, design=few_design, null=null, slab=slab, center=centers, gradient=gradient, bend=bend,
        height=heights,
    )  # fmt: skip
    return representatives, directions(centers[n_planes // 2], spread, n_columns, n_slabs)


def _features(likelihood: FloatArray, design: FloatArray, start: FloatArray, log_prior: LogPrior) -> FloatArray:
    """What each gene says of the parameters, in units of what is known of them, (G, F)."""
    thin = slice(None, None, max(likelihood.shape[1] // 2000, 1))
    factor = likelihood.shape[1] / len(likelihood[0, thin])
    some = likelihood[:, thin]
    center, covariance = find_center(some[0], some[1:], design[:, thin], factor, log_prior, start)
    size, axis = _axes(covariance)
    root = axis * np.sqrt(np.maximum(size, 0))
    said = np.einsum("dg,de->ge", scores(likelihood[0], likelihood[1:], design, center), root)
    n_columns = len(design)
    if n_columns > 1:
        # Genes with the same slopes may still differ in their columns, which bend the likelihood.
        wide = np.einsum("pg,pe->ge", design, root[:n_columns])
        said = np.concatenate([said, 0.5 * wide], axis=1)
    _, axis = _axes(np.einsum("gi,gj->ij", said - said.mean(axis=0), said - said.mean(axis=0)))
    return np.asarray(np.einsum("ge,ef->gf", said, axis[:, ::-1][:, :FEATURES]))


def _axes(covariance: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Eigenvalues, ascending, and eigenvectors, of which rounding must not choose the signs."""
    size, axis = eigh(covariance)
    side = np.cos(np.arange(len(axis))) @ axis
    return size, axis * np.where(side < 0, -1.0, 1.0)


def _not_hollow(bend: FloatArray) -> FloatArray:
    """The nearest positive semidefinite matrix: what is added to a surrogate must not make it rise to its ends."""
    size, axis = eigh((bend + bend.T) / 2)
    return np.asarray((axis * np.maximum(size, 0)) @ axis.T)


def directions(center: FloatArray, covariance: FloatArray, n_columns: int, n_slabs: int) -> FloatArray:
    """Lines along which draws move, (N, D): axes of the covariance, longest first, and of the
    coefficients' own, exchanges of slabs, and of each with the null."""
    size, axis = _axes(covariance)
    kept = size > 1e-14 * size.max()
    found = list((axis[:, kept] * np.sqrt(size[kept])).T[::-1])
    precision = np.linalg.pinv(covariance, hermitian=True)
    if n_columns > 1:
        # The other axes all move shares of slabs, of which some end soon; these do not.
        size, axis = _axes(np.linalg.inv(precision[:n_columns, :n_columns]))
        alone = np.zeros((n_columns, len(center)))
        alone[:, :n_columns] = (axis * np.sqrt(size)).T
        found += [*alone, *alone]
    share = center[n_columns:]
    changed = special.expit(center[0])
    for i in range(n_slabs):
        for j in (i + 1, i + 2):
            if j < n_slabs:
                step = np.zeros(len(center))
                step[n_columns + i], step[n_columns + j] = 1.0, -1.0
                found.append(step / np.sqrt(step @ precision @ step))
        if n_slabs > 1:
            # What slab i gains the null loses, other slabs keep theirs: p v_k stays for k other than i.
            step = np.zeros(len(center))
            step[n_columns:] = -share
            step[n_columns + i] += 1.0
            step[0] = 1 / max(1 - changed, 1e-6)
            found.append(step / np.sqrt(step @ precision @ step))
    # Rounded: last digits may depend on the library, and draws must not.
    return np.round(3 * np.array(found), 10)
