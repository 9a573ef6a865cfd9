"""Likelihood ratios of several effects at once, one gene and all its dispersions at a time.

Layout, lanes and tables as in `ebgenes.numerics.negative_binomial`; the rows of the full design have the effects'
columns last, so that the factor of its information ends in a root of the effects' own.
"""

from __future__ import annotations

import math

import numpy as np

from ebgenes.numerics.jit import kernel
from ebgenes.numerics.negative_binomial import (
    DEGREE,
    PANELS,
    PLACING_RIDGE,
    RIDGE,
    SMALL,
    adjusted_loglik,
    condense,
    dispersion_constant,
    dispersion_nodes,
    join_tables,
    log_sum,
    maximise,
    shift_tables,
    tabulate,
)
from ebgenes.numerics.vector import exp, log


@kernel
def _loglik(count, size, first, rows, tables, theta, alpha, ridge, gamma, value, half, hessian, work):
    """Fill value (L,) with the log likelihood at gamma, and half (L,) with what the adjustment would have taken off."""
    adjusted_loglik(count, size, first, rows, tables, theta, alpha, ridge, gamma, value, hessian, work)
    for lane in range(len(value)):
        half[lane] = 0.0
        for j in range(gamma.shape[0]):
            half[lane] += log(hessian[j, j, lane])
        value[lane] += half[lane]


@kernel
def multi_df_ratios(
    genes, rows, full_rows, shared, tables, dispersions, estimate, precision, scale, ratio, weight, converged
):
    """Twice the log likelihood ratio of R effects at Q dispersions, and the dispersions' posterior weights.

    At every node alpha_q of the dispersion ratio_q = 2 [max l(B, alpha_q) - max_{theta = 0} l(B, alpha_q)], and
    weight_q is its share of sum_q exp(D(alpha_q)) p(alpha_q), D the adjusted profile of the full design. estimate and
    precision are the effects' maximum and information, averaged with these weights; scale is the geometric mean of the
    effects' conditional informations at every node.

    genes and dispersions are `GeneCounts`, whose start is (G, p + R), and `Dispersions`; rows (R_, 1 + p) of the design
    without the effects, full_rows (R_, 1 + p + R) with them last, column 0 unused. estimate (G, R), precision
    (G, R, R), scale, ratio and weight (G, Q) and converged (G,) are filled.
    """
    count, size, first, ridge, start = genes
    profile, low, step, center, spread, tail_df, left, right = dispersions
    n_nodes = ratio.shape[1]
    n_effects = estimate.shape[1]
    n_other = rows.shape[1] - 1
    n_coef = n_other + n_effects
    stand_in, basis, powers = shared
    part = np.empty(stand_in.shape[1])
    value_of, weight_of = np.empty((2, max(count.shape[1], SMALL + PANELS * DEGREE)))
    sums = np.empty((PANELS, DEGREE))
    alpha, log_weight, constant, theta, top, null, half = np.empty((7, n_nodes))
    terms = np.empty((5, n_nodes))
    for q in range(n_nodes):
        theta[q] = 0.0
    coef, move = np.empty((2, n_coef, n_nodes))
    hessian = np.empty((n_coef, n_coef, n_nodes))
    other, other_move = np.empty((2, n_other, n_nodes))
    other_hessian = np.empty((n_other, n_other, n_nodes))
    work = np.empty((8, n_nodes))
    full_ridge = np.empty(n_coef)
    for g in range(count.shape[0]):
        tabulate(count[g], size[g], first, stand_in, basis, powers, tables, part)
        dispersion_nodes(profile[g], low[g], step[g], center[g], spread, tail_df, left, right, alpha, log_weight)
        n_values = condense(count[g], value_of, weight_of, sums)
        dispersion_constant(value_of[:n_values], weight_of[:n_values], alpha, terms, constant)
        join_tables(alpha, tables)
        shift_tables(alpha, tables, work)
        for j in range(n_coef):
            full_ridge[j] = ridge[g, j] if j < n_other else RIDGE
            for q in range(n_nodes):
                coef[j, q] = start[g, j]
        found = maximise(
            count[g], size[g], first, full_rows, tables, theta, alpha, full_ridge, coef, move, hessian, work
        )
        flat = _information(hessian, n_other, scale[g]) < PLACING_RIDGE
        _loglik(count[g], size[g], first, full_rows, tables, theta, alpha, full_ridge, coef, top, half, hessian, work)
        for q in range(n_nodes):
            log_weight[q] += constant[q] + top[q] - half[q]
        for j in range(n_other):
            for q in range(n_nodes):
                other[j, q] = coef[j, q]
        reached = maximise(
            count[g], size[g], first, rows, tables, theta, alpha, ridge[g], other, other_move, other_hessian, work
        )
        found = found and reached
        _loglik(count[g], size[g], first, rows, tables, theta, alpha, ridge[g], other, null, half, other_hessian, work)
        # theta, all 0, adds nothing.
        total = log_sum(theta, 0, log_weight)
        for q in range(n_nodes):
            weight[g, q] = exp(log_weight[q] - total)
            ratio[g, q] = max(2.0 * (top[q] - null[q]), 0.0)
        if flat:
            # A group of zeros has no maximum: a standard error is 4 nat at most, as for single effects.
            for j in range(n_effects):
                full_ridge[n_other + j] = PLACING_RIDGE
            for j in range(n_coef):
                for q in range(n_nodes):
                    coef[j, q] = start[g, j]
        # `_loglik` has put the expected information in the place of the observed one.
        reached = maximise(
            count[g], size[g], first, full_rows, tables, theta, alpha, full_ridge, coef, move, hessian, work
        )
        found = found and reached
        _information(hessian, n_other, scale[g])
        _mean_information(hessian, n_other, weight[g], precision[g])
        for r in range(n_effects):
            mean = 0.0
            for q in range(n_nodes):
                mean += weight[g, q] * coef[n_other + r, q]
            estimate[g, r] = mean
        converged[g] = found


@kernel
def _information(factor, begin, scale):
    """The least conditional information of an effect at any dispersion; scale (L,) becomes the geometric means.

    factor (p, p, L) of the information, the effects' rows from `begin` on.
    """
    n_effects = factor.shape[0] - begin
    least = math.inf
    for lane in range(factor.shape[2]):
        total = 0.0
        for r in range(begin, factor.shape[0]):
            least = min(least, factor[r, r, lane] ** 2)
            total += log(factor[r, r, lane])
        scale[lane] = exp(2.0 * total / n_effects)
    return least


@kernel
def _mean_information(factor, begin, weight, precision):
    """Fill precision (R, R) with the effects' information, other coefficients apart, averaged with weights (L,)."""
    n_effects = factor.shape[0] - begin
    for r in range(n_effects):
        for t in range(r + 1):
            mean = 0.0
            for lane in range(factor.shape[2]):
                total = 0.0
                for m in range(t + 1):
                    total += factor[begin + r, begin + m, lane] * factor[begin + t, begin + m, lane]
                mean += weight[lane] * total
            precision[r, t] = mean
            precision[t, r] = mean
