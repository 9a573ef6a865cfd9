"""Negative-binomial dispersions: what each gene says, and the hyperprior all genes share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.optimize import minimize

from ebgenes.counts import base_mean
from ebgenes.errors import InputError
from ebgenes.kernels.jit import map_blocks
from ebgenes.kernels.negative_binomial import dispersion_evidence, dispersion_profiles, effect_likelihoods
from ebgenes.model import Counts, FloatArray, IntArray

LOG_DISPERSION = np.linspace(np.log(1e-4), np.log(20), 36)
"""Where each gene's dispersion likelihood is computed, natural log."""

REFINEMENT = 4
"""Nodes of the hyperprior's integral per node of the likelihood, by cubic splines."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Layout:
    """A design sorted by its distinct rows, for kernels that walk a row at a time.

    Attributes
    ----------
    order
        Samples in the order of their rows, (S,).
    first
        Where each distinct row's samples begin, (R + 1,).
    rows
        The distinct rows in a basis of the nuisance space: (R, 1 + p), the effect's column first.
    """

    order: IntArray
    first: IntArray
    rows: FloatArray


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class DispersionPrior:
    """log alpha_g ~ N(log(floor + slope / mean_g), spread^2), natural log.

    Attributes
    ----------
    floor, slope
        a0 and a1 of the trend a0 + a1/mean.
    spread
        Standard deviation around the trend, natural log.
    loglik
        Maximised log marginal likelihood.
    """

    floor: float
    slope: float
    spread: float
    loglik: float


def lay_out(effect: FloatArray, nuisance: FloatArray) -> Layout:
    """Sort a design by its distinct rows.

    Parameters
    ----------
    effect
        The effect's column, (S,).
    nuisance
        Columns of the other coefficients, (S, p); replaced by an orthogonal basis with unit mean
        squares, in which Newton steps are well scaled.
    """
    n_samples = len(effect)
    basis = np.linalg.qr(nuisance)[0] * np.sqrt(n_samples) if nuisance.shape[1] else nuisance
    # Rounding by the basis must not tell equal rows apart.
    original = np.column_stack([effect, nuisance])
    _, inverse = np.unique(original, axis=0, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    first = np.concatenate([[0], np.cumsum(np.bincount(inverse))])
    return Layout(order=order, first=first, rows=np.column_stack([effect, basis])[order][first[:-1]])


def sorted_counts(counts: Counts, layout: Layout) -> tuple[FloatArray, FloatArray]:
    """Counts and mean levels at the gene's average, both (G, S), samples in the layout's order."""
    if counts.log_size is None:
        raise ValueError("sorted_counts needs normalized counts")
    size = np.broadcast_to(np.exp(counts.log_size), counts.count.shape)
    level = base_mean(counts)[:, None] * size
    return (
        np.ascontiguousarray(counts.count[:, layout.order], dtype=np.float64),
        np.ascontiguousarray(level[:, layout.order]),
    )


def profile_dispersions(counts: Counts, design: FloatArray) -> FloatArray:
    """Adjusted profile log likelihood of each gene's dispersion at `LOG_DISPERSION`, (G, 36).

    ``max_B l(B, alpha) - 1/2 log det X'WX`` (Cox and Reid 1987; McCarthy, Chen and Smyth 2012, Nucleic
    Acids Res. 40, 4288).
    """
    layout = lay_out(np.zeros(len(design)), design)
    count, size = sorted_counts(counts, layout)
    out = np.empty((len(count), len(LOG_DISPERSION)))

    def work(block: slice) -> None:
        dispersion_profiles(count[block], size[block], layout.first, layout.rows, LOG_DISPERSION, out[block])

    map_blocks(work, len(out))
    return out


def fit_dispersion_prior(counts: Counts, design: FloatArray) -> DispersionPrior:
    """Trend and spread of all genes' dispersions, by maximum marginal likelihood.

    Parameters
    ----------
    counts
        Normalized counts, (G, S), without all-zero genes.
    design
        Full-rank design matrix, (S, P), with residual degrees of freedom.

    Raises
    ------
    InputError
        With fewer than 10 genes.
    """
    if len(counts.gene) < 10:
        raise InputError(
            f"{len(counts.gene)} genes are too few to learn a dispersion trend from; give at least 10, better hundreds."
        )
    nodes = np.linspace(LOG_DISPERSION[0], LOG_DISPERSION[-1], REFINEMENT * (len(LOG_DISPERSION) - 1) + 1)
    profile = CubicSpline(LOG_DISPERSION, profile_dispersions(counts, design), axis=1)(nodes)
    profile -= profile.max(axis=1, keepdims=True)
    log_mean = np.log(base_mean(counts))

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        def work(block: slice) -> tuple[float, FloatArray]:
            gradient = np.zeros(3)
            value = dispersion_evidence(profile[block], nodes, log_mean[block], parameters, gradient)
            return value, gradient

        parts = map_blocks(work, len(profile))
        n_genes = len(profile)
        return -sum(part[0] for part in parts) / n_genes, -np.sum([part[1] for part in parts], axis=0) / n_genes

    start = np.array([np.log(0.05), np.log(2.0), np.log(0.7)])
    # Below a spread of .15 the rule's nodes, .087 apart, no longer see the hyperprior's shape.
    bounds = [(-12.0, 2.0), (-8.0, 8.0), (np.log(0.15), np.log(4.0))]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-13, "gtol": 1e-7})
    floor, slope, spread = np.exp(found.x)
    return DispersionPrior(
        floor=float(floor), slope=float(slope), spread=float(spread), loglik=-len(profile) * float(found.fun)
    )


REACH = np.concatenate([-np.geomspace(20, 6.6, 9), np.linspace(-6, 6, 31), np.geomspace(6.6, 20, 9)])
"""Nodes of the effect's likelihood in standard errors from the estimate: dense to 6, sparse to 20."""

MAX_SE = 4.0
"""Largest standard error that spaces the nodes, natural log: a group of zeros has none of its own."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class EffectLikelihoods:
    """Each gene's likelihood of one contrast with its dispersion integrated out; natural log.

    Attributes
    ----------
    estimate, se
        Maximum of the whole model at the dispersion's posterior mean, and its standard error, (G,).
    grid
        Effects, (G, 49): estimate + se * `REACH`.
    loglik
        Log likelihood at the grid up to terms of the counts alone, (G, 49).
    """

    estimate: FloatArray
    se: FloatArray
    grid: FloatArray
    loglik: FloatArray


def contrast_layout(design: FloatArray, contrast: FloatArray) -> Layout:
    """The design with the contrast as its first coordinate.

    ``B = c theta/(c'c) + N gamma`` with N an orthonormal basis of the directions the contrast does not
    see turns any contrast into one coordinate: ``X B = (X c/c'c) theta + X N gamma``.
    """
    _, _, directions = np.linalg.svd(contrast[None, :])
    return lay_out(design @ contrast / (contrast @ contrast), design @ directions[1:].T)


def effect_likelihood(
    counts: Counts, design: FloatArray, contrast: FloatArray, prior: DispersionPrior
) -> EffectLikelihoods:
    """Likelihood of a contrast, its nuisance coefficients profiled and its dispersion integrated out.

    ``L_g(theta) = sum_q w_q exp l_A(theta, alpha_q)``, l_A the adjusted profile log likelihood (Cox and
    Reid 1987), over 11 dispersions with the hyperprior's density.

    Parameters
    ----------
    counts
        Normalized counts, (G, S), without all-zero genes.
    design, contrast
        (S, P) of full column rank, and (P,).
    prior
        Of the dispersions; see `fit_dispersion_prior`.
    """
    layout = contrast_layout(design, contrast)
    count, size = sorted_counts(counts, layout)
    full_rows = np.column_stack([np.zeros(len(layout.rows)), layout.rows])
    profile = profile_dispersions(counts, design)
    trend = np.log(prior.floor + prior.slope / base_mean(counts))
    n_genes = len(count)
    estimate, se = np.empty(n_genes), np.empty(n_genes)
    grid, loglik = np.empty((n_genes, len(REACH))), np.empty((n_genes, len(REACH)))

    def work(block: slice) -> None:
        effect_likelihoods(
            count[block], size[block], layout.first, layout.rows, full_rows, profile[block], LOG_DISPERSION,
            trend[block], prior.spread, REACH, MAX_SE, estimate[block], se[block], grid[block], loglik[block],
        )  # fmt: skip

    map_blocks(work, n_genes)
    return EffectLikelihoods(estimate=estimate, se=se, grid=grid, loglik=loglik)
