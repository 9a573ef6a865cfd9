"""Likelihoods of a prior's components: of each gene under each scale, one after another or all at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import numpy as np

from ebgenes.arrays import FloatArray, IntArray, evenly
from ebgenes.numerics import grid_likelihood, panel_quadrature
from ebgenes.numerics.jit import BLOCK, map_blocks
from ebgenes.numerics.student import component_loglik
from ebgenes.prior.families import family_of
from ebgenes.prior.families.family import Kernel
from ebgenes.records.effects import Effects
from ebgenes.records.prior import MixturePrior


def subsample(effects: Effects, step: int) -> Effects:
    """Every step-th gene in the alphabet's order; the effects themselves where that is all."""
    return effects if step == 1 else subset(effects, evenly(effects.gene, step))


def subset(effects: Effects, which: slice | IntArray) -> Effects:
    """Some of the genes."""
    arrays = ("gene", "estimate", "se", "df", "base_mean", "grid", "loglik", "p_value", "status")
    whole = {name: getattr(effects, name) for name in arrays}
    parts: Any = {name: None if each is None else each[which] for name, each in whole.items()}
    return replace(effects, **parts)


def center_at(effects: Effects, mode: float) -> Effects:
    """The same effects, measured from the prior's mode."""
    if mode == 0:
        return effects
    grid = None if effects.grid is None else effects.grid - mode
    return replace(effects, estimate=effects.estimate - mode, grid=grid)


def scale_likelihood(effects: Effects, likelihood_scale: float) -> Effects:
    """The same effects with likelihoods so many times as wide around their estimates."""
    if likelihood_scale == 1:
        return effects
    if effects.grid is None or effects.loglik is None:
        return replace(effects, se=likelihood_scale * effects.se)
    middle = effects.estimate[:, None]
    return replace(
        effects,
        se=likelihood_scale * effects.se,
        grid=middle + likelihood_scale * (effects.grid - middle),
        loglik=effects.loglik - np.log(likelihood_scale),
    )


def to_prior_scale(effects: Effects, prior: MixturePrior) -> Effects:
    """The effects as a prior takes them: its times as wide, and measured from its mode."""
    return center_at(scale_likelihood(effects, prior.likelihood_scale), prior.mode)


def loglik_matrix(effects: Effects, scale: FloatArray, family: str = "scale_normal") -> FloatArray:
    """Log likelihood of each gene under each component, (G, K); ``scale[0]`` is the null's and in all."""
    return component_likelihoods(effects, family)(scale, None)


def component_likelihoods(
    effects: Effects, family: str = "scale_normal"
) -> Callable[[FloatArray, slice | None], FloatArray]:
    """A function from the components' scales (K,) to `loglik_matrix`, for a fit that tries many scales.

    Given a slice of the genes too, the function returns their rows alone.
    """
    rows = _normal_rows(effects) if family_of(family).is_normal else _general_rows(effects, family)
    n_genes = len(effects.gene)

    def matrix(scale: FloatArray, genes: slice | None = None) -> FloatArray:
        # A copy, because numba compiles anew for arrays that may not be written to.
        scale = np.array(scale)
        if genes is not None:
            out = np.empty((len(range(*genes.indices(n_genes))), len(scale)))
            rows(genes, scale, out)
            return out
        out = np.empty((n_genes, len(scale)))
        map_blocks(lambda block: rows(block, scale, out[block]), n_genes)
        return out

    return matrix


POINTS_A_DOUBLING, NEIGHBOURS = 4, 8
"""Widths of slabs at which likelihoods are known, and how many of them a polynomial goes through. In between, where a
likelihood counts, its log is right to 1e-5 if it is a normal's, and to .1 for genes that tell next to nothing."""


def interpolated_likelihoods(
    effects: Effects, family: str, low: float, high: float
) -> Callable[[FloatArray, slice | None], FloatArray]:
    """`component_likelihoods` for many calls: of normal slabs that with the null are from low to high wide.

    Their log likelihoods are polynomials of the log width between values that are computed once. Others, and those of
    blocks of genes, are computed each time.
    """
    exact = component_likelihoods(effects, family)
    if not family_of(family).is_normal:
        return exact
    n_known = int(np.ceil(POINTS_A_DOUBLING * np.log2(high / low))) + NEIGHBOURS
    known = low * 2 ** ((np.arange(n_known) - NEIGHBOURS // 2 + 1) / POINTS_A_DOUBLING)
    table = exact(np.concatenate([[0.0], known]), None)[:, 1:]

    def matrix(scale: FloatArray, genes: slice | None = None) -> FloatArray:
        width = np.hypot(scale[1:], scale[0])
        if genes is not None or len(width) == 0 or width.min() < low * (1 - 1e-9) or width.max() > high * (1 + 1e-9):
            return exact(scale, genes)
        slabs = table @ _polynomial(POINTS_A_DOUBLING * np.log2(width / known[0]), n_known)
        return np.column_stack([exact(scale[:1], None), slabs])

    return matrix


def _polynomial(place: FloatArray, n_known: int) -> FloatArray:
    """Lagrange's weights of values at 0, 1, ... for polynomials through the nearest of them, (n_known, K)."""
    weight = np.zeros((n_known, len(place)))
    first = np.clip(np.floor(place).astype(int) - NEIGHBOURS // 2 + 1, 0, n_known - NEIGHBOURS)
    for k, (start, x) in enumerate(zip(first, place, strict=True)):
        node = start + np.arange(NEIGHBOURS)
        for j in node:
            others = node[node != j]
            weight[j, k] = np.prod((x - others) / (j - others))
    return weight


Rows = Callable[[slice, FloatArray, FloatArray], None]


def _normal_rows(effects: Effects) -> Rows:
    """What fills log likelihoods of a block of genes under normals around 0, given their scales (K,)."""
    grid, loglik = effects.grid, effects.loglik
    if grid is None or loglik is None:
        known = (effects.estimate, effects.se, effects.df)
        return lambda block, scale, out: component_loglik(
            *(np.ascontiguousarray(each[block]) for each in known), scale, out
        )
    prepare = _prepare(grid, loglik)
    prepared = map_blocks(prepare, len(effects.gene))

    def fill(block: slice, scale: FloatArray, out: FloatArray) -> None:
        if block.step is None and block.start % BLOCK == 0 and block.stop - block.start <= BLOCK:
            grid_likelihood.component_loglik(*prepared[block.start // BLOCK], scale, out)
        else:
            grid_likelihood.component_loglik(*prepare(block), scale, out)

    return fill


def _general_rows(effects: Effects, family: str) -> Rows:
    """The same under the slabs or point masses of another family."""
    loglik = cast(Kernel, family_of(family).loglik)

    def fill(block: slice, scale: FloatArray, out: FloatArray) -> None:
        loglik(scale, *gene_likelihoods(effects, block, float(scale[0])), out)

    return fill


def gene_likelihoods(effects: Effects, block: slice, null_sd: float) -> tuple[Any, ...]:
    """A block's likelihoods as `panel_quadrature` takes them, convolved with N(0, null_sd^2), and their widths."""
    estimate, se, df = (np.ascontiguousarray(each[block]) for each in (effects.estimate, effects.se, effects.df))
    n_genes = len(estimate)
    none, terms, n_terms = np.empty((n_genes, 0)), np.empty((n_genes, 0)), np.zeros(n_genes, dtype=np.int64)
    if effects.grid is not None and effects.loglik is not None:
        grid, loglik = np.array(effects.grid[block]), np.array(effects.loglik[block])
        if null_sd > 0:
            wide, convolved = np.empty_like(grid), np.empty_like(loglik)
            grid_likelihood.convolve_normal(effects.grid[block], effects.loglik[block], null_sd, wide, convolved)
            grid, loglik = wide, convolved
        curvature, size = np.empty_like(grid), np.empty(n_genes)
        panel_quadrature.splines(grid, loglik, curvature, size)
        middle = np.ascontiguousarray(grid[:, grid.shape[1] // 2])
        return middle, se, df, terms, terms, n_terms, grid, loglik, curvature, size
    if null_sd > 0 and np.isfinite(df).any():
        room = 64
        while True:
            terms, variance = np.empty((2, n_genes, room))
            needed = panel_quadrature.convolved_terms(estimate, se, df, null_sd, terms, variance, n_terms)
            if needed <= room:
                break
            room = needed
        return estimate, se, df, terms, variance, n_terms, none, none, none, np.hypot(se, null_sd)
    se = np.hypot(se, null_sd)
    return estimate, se, df, terms, terms, n_terms, none, none, none, se


def _prepare(grid: FloatArray, loglik: FloatArray) -> Callable[[slice], tuple[Any, ...]]:
    """What makes a block's nodes and weights, to be used at any scale."""

    def work(block: slice) -> tuple[Any, ...]:
        nodes, heights = grid[block], loglik[block]
        room = 80
        while True:
            curvature = np.empty_like(nodes)
            theta, weight = np.empty((2, len(nodes), room))
            size, top = np.empty((2, len(nodes)))
            count = np.empty(len(nodes), dtype=np.int64)
            needed = grid_likelihood.prepare(nodes, heights, curvature, theta, weight, size, top, count)
            if needed <= room:
                return nodes, heights, curvature, theta, weight, size, top, count
            room = needed

    return work
