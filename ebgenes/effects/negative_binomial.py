"""Likelihoods of effects under the negative binomial, dispersions integrated out, and what is read off them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ebgenes.arrays import BoolArray, FloatArray
from ebgenes.data.filter import of_genes
from ebgenes.data.normalization import base_mean
from ebgenes.effects.dispersions import (
    TAILS,
    DispersionPrior,
    DispersionProfiles,
    Layout,
    common_tables,
    gene_by_gene,
    lay_out,
    sorted_counts,
)
from ebgenes.numerics.grid_likelihood import spline_curvature, spline_values, summarise
from ebgenes.numerics.jit import map_blocks, read_only
from ebgenes.numerics.multi_df import multi_df_ratios
from ebgenes.numerics.negative_binomial import (
    Dispersions,
    EffectNodes,
    GeneCounts,
    effect_likelihoods,
)
from ebgenes.records.counts import Counts
from ebgenes.records.design import Design

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Route:
    """How finely an effect's likelihood is computed.

    Attributes
    ----------
    reach
        Nodes either way, in standard errors, (H,), ascending from 0.
    chunk
        Nodes either way that are computed at a time; H is their multiple.
    left, right, n_nodes
        Of the dispersion's integral, which reaches so many posterior standard deviations below and above
        the posterior mean: far effects pull the dispersion up, so it must reach right.
    """

    reach: FloatArray
    chunk: int
    left: float
    right: float
    n_nodes: int


EXACT = Route(
    reach=np.array([0, 0.6, 1.2, 1.8, 2.4, 3, 3.7, 4.5, 5.3, 6.2, 7.5, 9.5, 12, 15.5, 20]),
    chunk=5, left=3.5, right=5.5, n_nodes=12,
)  # fmt: skip
"""Within 1e-3 of brute force in log L, wherever L is above e^-10 of its peak."""


CHEAP = Route(
    reach=np.array([0, 1, 2, 3, 4, 5, 6.5, 9, 13, 20]), chunk=5, left=3.5, right=4.5, n_nodes=8
)  # fmt: skip
"""Within .015 of `EXACT` from 20 residual degrees of freedom and a read a sample on, but for groups of zeros."""


CHEAP_DF = 20


def route_for(residual_df: int) -> Route:
    """The cheaper route for studies whose likelihoods are close to a t."""
    return EXACT if residual_df < CHEAP_DF else CHEAP


FAR = 4.0
"""Standard deviation, natural log, of the normal weight under which a p-value's tails are integrated."""


OUTER = np.geomspace(6.6, 20, 9)


REACH = np.concatenate([-OUTER[::-1], np.linspace(-6, 6, 31), OUTER])
"""Where the likelihood is kept, in standard errors from the estimate: dense to 6, sparse to 20."""


MAX_SE = 4.0
"""Largest standard error that spaces the nodes, natural log: a group of zeros has none of its own."""


def keep_at(reach: FloatArray, residual_df: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """What takes log likelihoods at -reach, ..., 0, ..., reach to `REACH`: ``(loglik - before) @ weights + after``.

    A cubic spline of the difference from the log likelihood of a t, which is much smoother than
    the log likelihood itself.
    """

    def reference(u: FloatArray) -> FloatArray:
        # As if the hyperprior were worth some six replicates, as it is in most studies.
        df = residual_df + 6.0
        return np.asarray(-(df + 1) / 2 * np.log1p(u**2 / df))

    nodes = np.concatenate([-reach[:0:-1], reach])
    weights = np.empty((len(nodes), len(REACH)))
    curvature, work = np.empty((2, len(nodes)))
    for unit, row in zip(np.eye(len(nodes)), weights, strict=True):
        spline_curvature(nodes, unit, curvature, work)
        spline_values(REACH, len(REACH), nodes, unit, curvature, row)
    return reference(nodes), weights, reference(REACH)


def contrast_layout(design: FloatArray, contrast: FloatArray, precision: FloatArray | None = None) -> Layout:
    """The design with the contrast as its first coordinate.

    ``B = c theta/(c'c) + N gamma`` with N an orthonormal basis of the directions the contrast does not
    see turns any contrast into one coordinate: ``X B = (X c/c'c) theta + X N gamma``. Coefficients with a prior, which
    the contrast must not touch, keep their own coordinates.
    """
    known = np.zeros(len(contrast), dtype=bool) if precision is None else (precision > 0).any(axis=0)
    _, _, directions = np.linalg.svd(contrast[None, ~known])
    nuisance = np.column_stack([design[:, ~known] @ directions[1:].T, design[:, known]])
    prior = None
    if precision is not None:
        prior = np.column_stack([np.zeros((len(precision), len(directions) - 1)), precision[:, known]])
    return lay_out(design @ contrast / (contrast @ contrast), nuisance, prior)


def effect_likelihood(
    counts: Counts,
    design: FloatArray,
    contrast: FloatArray,
    profiles: DispersionProfiles,
    prior: DispersionPrior,
    route: Route,
    precision: FloatArray | None = None,
    genes: slice = slice(None),
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Likelihood of a contrast, its nuisance coefficients profiled and its dispersion integrated out.

    ``L_g(theta) = sum_q w_q exp l_A(theta, alpha_q)``, l_A the adjusted profile log likelihood (Cox and
    Reid 1987), over dispersions with the hyperprior's density.

    Parameters
    ----------
    counts
        Normalized counts, (G, S), without all-zero genes.
    design, contrast
        (S, P) of full column rank, and (P,).
    profiles, prior
        Of the dispersions; see `profile_dispersions` and `fit_dispersion_prior`.
    route
        How finely; see `route_for`.
    precision
        Of coefficients' normal priors, (G, P) or (1, P), as in `lay_out`; 0 where the contrast has weight.
    genes
        Which are wanted: to the same bits as among all.

    Returns
    -------
    grid, loglik
        Effects, natural log, at `REACH` around each gene's own, and their log likelihood up to terms of
        the counts alone, (G, 49).
    converged
        Whether every maximum was reached, (G,).
    """
    # Coordinates are those of all genes: a coefficient may have a prior in some of them only.
    layout = contrast_layout(design, contrast, precision)
    if len(layout.ridge) > 1:
        layout = replace(layout, ridge=layout.ridge[genes])
    counts, profiles = of_genes(counts, genes), profiles.of_genes(genes)
    n_genes = len(counts.gene)
    shared, tables = common_tables(counts, layout, route.n_nodes)
    full_rows = np.column_stack([np.zeros(len(layout.rows)), layout.rows])
    trend = np.log(prior.trend(base_mean(counts)))
    before, weights, after = keep_at(route.reach, design.shape[0] - design.shape[1])
    grid, loglik = (np.empty((n_genes, len(REACH))) for _ in range(2))
    converged = np.empty(n_genes, dtype=bool)

    def work(block: slice) -> None:
        count, size = sorted_counts(counts, layout, block)
        start = layout.start(count, size, layout.rows)
        nodes = np.empty((2, len(count), len(before)))
        effect_likelihoods(
            GeneCounts(count, size, layout.first, layout.ridges(block), start), layout.rows, full_rows, shared,
            tables(),
            _dispersions(profiles, trend, prior, route, block),
            EffectNodes(route.reach, route.chunk, MAX_SE, route.n_nodes), nodes[0], nodes[1], converged[block],
        )  # fmt: skip
        middle, end = nodes[0, :, [len(before) // 2]].T, nodes[0, :, [-1]].T
        grid[block] = middle + (end - middle) / route.reach[-1] * REACH
        loglik[block] = gene_by_gene(nodes[1] - before, weights) + after

    map_blocks(work, n_genes)
    return grid, loglik, converged


def _dispersions(
    profiles: DispersionProfiles, trend: FloatArray, prior: DispersionPrior, route: Route, block: slice
) -> Dispersions:
    """What kernels take of a block of genes."""
    return Dispersions(
        profile=profiles.loglik[block],
        low=profiles.low[block],
        step=profiles.step[block],
        center=trend[block],
        spread=prior.spread,
        tail_df=TAILS[prior.tails],
        left=route.left,
        right=route.right,
    )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MultiDfLikelihood:
    """Several effects' likelihood ratios at Q dispersions, and what they average to; natural log.

    Attributes
    ----------
    estimate, covariance
        Maximum-likelihood effects (G, R) and the inverse of their mean information, (G, R, R).
    df
        Degrees of freedom of a t whose scale is as uncertain as the information is, (G,).
    ratio, weight
        Twice the log likelihood ratio at each dispersion, and its posterior weight, (G, Q).
    converged
        Whether every maximum was reached, (G,).
    """

    estimate: FloatArray
    covariance: FloatArray
    df: FloatArray
    ratio: FloatArray
    weight: FloatArray
    converged: BoolArray


def multi_df_likelihood(
    counts: Counts,
    design: FloatArray,
    rows: FloatArray,
    profiles: DispersionProfiles,
    prior: DispersionPrior,
    route: Route,
    precision: FloatArray | None = None,
) -> MultiDfLikelihood:
    """Likelihood ratios of several rows of a contrast, (R, P), against all 0, over the dispersions' posterior.

    The effects' coordinates are made orthonormal beside the others, so that nothing depends on the rows' own units.

    Parameters
    ----------
    counts, design, profiles, prior, route, precision
        As in `effect_likelihood`.
    rows
        Of full row rank.
    """
    # Imported here: single effects need not load it.

    n_rows, n_genes = len(rows), len(counts.gene)
    layout, inside, back = _multi_df_layout(design, rows, precision)
    other = ~inside
    null_rows = np.column_stack([np.zeros(len(layout.rows)), layout.rows[:, 1:][:, other]])
    full_rows = np.column_stack([null_rows, layout.rows[:, 1:][:, inside]])
    shared, tables = common_tables(counts, layout, route.n_nodes)
    trend = np.log(prior.trend(base_mean(counts)))
    estimate, covariance = np.empty((n_genes, n_rows)), np.empty((n_genes, n_rows, n_rows))
    scale, ratio, weight = np.empty((3, n_genes, route.n_nodes))
    converged = np.empty(n_genes, dtype=bool)

    def work(block: slice) -> None:
        count, size = sorted_counts(counts, layout, block)
        ridge = np.ascontiguousarray(layout.ridges(block)[:, other])
        multi_df_ratios(
            GeneCounts(count, size, layout.first, ridge, layout.start(count, size, full_rows[:, 1:])), null_rows,
            full_rows, shared, tables(), _dispersions(profiles, trend, prior, route, block), estimate[block],
            covariance[block], scale[block], ratio[block], weight[block], converged[block],
        )  # fmt: skip

    map_blocks(work, n_genes)
    mean = np.einsum("gq,gq->g", weight, scale)
    spread = np.einsum("gq,gq->g", weight, (scale / mean[:, None] - 1) ** 2)
    return MultiDfLikelihood(
        estimate=gene_by_gene(estimate, back.T),
        covariance=np.einsum("ir,grs,js->gij", back, np.linalg.inv(covariance), back),
        # The information is as a chi-squared over its degrees of freedom, whose variance is 2/df.
        df=np.minimum(2 / np.maximum(spread, 1e-12), 1e9),
        ratio=ratio,
        weight=weight,
        converged=converged,
    )


def _multi_df_layout(
    design: FloatArray, rows: FloatArray, precision: FloatArray | None
) -> tuple[Layout, BoolArray, FloatArray]:
    """The design with the rows of a contrast among its coordinates.

    Returns
    -------
    layout
        Without an effect's column.
    inside
        Which of its other columns are the rows', (P,).
    back
        What takes these coordinates to the rows, (R, R).
    """
    n_samples, n_coef = design.shape
    known = np.zeros(n_coef, dtype=bool) if precision is None else (precision > 0).any(axis=0)
    n_rows, n_plain = len(rows), int((~known).sum())
    _, _, directions = np.linalg.svd(rows[:, ~known])
    plain = design[:, ~known] @ np.column_stack([directions[n_rows:].T, np.linalg.pinv(rows[:, ~known])])
    prior = None
    if precision is not None:
        prior = np.column_stack([np.zeros((len(precision), n_plain)), precision[:, known]])
    layout = lay_out(np.zeros(n_samples), np.column_stack([plain, design[:, known]]), prior)
    # `lay_out` makes the plain columns orthonormal in their order: what is the rows' stays last among them.
    upper = np.linalg.qr(plain)[1][-n_rows:, -n_rows:] / np.sqrt(n_samples)
    place = np.arange(n_coef)
    return layout, (place >= n_plain - n_rows) & (place < n_plain), np.linalg.inv(upper)


LOG2 = np.log(2)


def precision_of(design: Design) -> FloatArray | None:
    """Precisions of the coefficients' priors, natural log, (G, P) or (1, P), or None."""
    return None if design.prior_sd is None else (LOG2 * design.prior_sd) ** -2.0


def summaries(grid: FloatArray, loglik: FloatArray, far: float) -> FloatArray:
    """Estimate, standard error, degrees of freedom and p-value of likelihoods on grids, (G, 4).

    Parameters
    ----------
    grid, loglik
        (G, T).
    far
        Standard deviation of the normal weight under which the p-value's tails are integrated.
    """
    out = np.empty((len(grid), 4))
    wide = np.array([0.0, 1.0]), np.array([0.0, far]), np.array([1])
    grid, loglik = read_only(grid), read_only(loglik)
    map_blocks(lambda block: summarise(grid[block], loglik[block], *wide, out[block]), len(grid))
    return out
