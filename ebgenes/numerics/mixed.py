"""Linear mixed models at given ratios of variances, one gene at a time."""

from __future__ import annotations

import math

import numpy as np

from ebgenes.numerics.jit import kernel
from ebgenes.numerics.linear import cholesky


@kernel
def _sums(weight, column, code, out, size):
    """Sums over each group of the weights, size (J,), and of the weighted columns, out (J, P + 1)."""
    out[:] = 0.0
    size[:] = 0.0
    for s in range(len(weight)):
        size[code[s]] += weight[s]
        for a in range(column.shape[1]):
            out[code[s], a] += weight[s] * column[s, a]


@kernel
def ratio_fits(response, weight, basis, contrast, first, second, ratio, estimate, unscaled, square, log_det):
    """Fit every gene at every ratio of variances and read off one contrast.

    y = Q b + Z_1 u_1 + Z_2 u_2 + e with variances sigma^2 (ratio_1 I, ratio_2 I, W^-1): V = W^-1 + sum ratio Z Z'.
    With [Q y]'V^-1[Q y] = LL', the last row of L holds L_QQ^-1 Q'V^-1 y and, at its end, the root of the residual sum:

        estimate = c'b,  unscaled = sqrt(c'(Q'V^-1 Q)^-1 c),  square = (y - Qb)'V^-1(y - Qb),
        log_det = log |V| + log |Q'V^-1 Q|.

    Groups of one factor do not overlap, so Woodbury's identity needs each group's sums only,

        a'V_1^-1 b = sum w a b - sum_d ratio_1 / (1 + ratio_1 w_d) (sum_d w a) (sum_d w b),

    and a second factor takes one Cholesky factor of as many rows as it has groups.

    response, weight (G, S); basis Q (S, P); contrast c (P,); first, second (S,) groups, the second all -1 where there
    is none; ratio (1 or G, R, 2); the last four (G, R) are filled.
    """
    n_genes, n_samples = response.shape
    n_coef = basis.shape[1]
    n_first, n_second = first.max() + 1, second.max() + 1
    column = np.empty((n_samples, n_coef + 1))
    column[:, :n_coef] = basis
    gram = np.empty((n_coef + 1, n_coef + 1))
    root = np.empty((n_coef + 1, n_coef + 1))
    sum_first, size_first = np.empty((n_first, n_coef + 1)), np.empty(n_first)
    sum_second, size_second = np.empty((n_second, n_coef + 1)), np.empty(n_second)
    cross = np.empty((n_first, n_second))
    inner = np.empty((n_second, n_second))
    solved = np.empty((n_second, n_coef + 1))
    shrink = np.empty(n_first)
    solution = np.empty(n_coef)
    for g in range(n_genes):
        log_weight = 0.0
        for s in range(n_samples):
            column[s, n_coef] = response[g, s]
            log_weight += math.log(weight[g, s])
        for a in range(n_coef + 1):
            for b in range(a + 1):
                total = 0.0
                for s in range(n_samples):
                    total += weight[g, s] * column[s, a] * column[s, b]
                gram[a, b] = total
        _sums(weight[g], column, first, sum_first, size_first)
        if n_second > 0:
            _sums(weight[g], column, second, sum_second, size_second)
            cross[:] = 0.0
            for s in range(n_samples):
                cross[first[s], second[s]] += weight[g, s]
        for r in range(ratio.shape[1]):
            at = ratio[g if len(ratio) > 1 else 0, r]
            total_log = -log_weight
            for d in range(n_first):
                shrink[d] = at[0] / (1.0 + at[0] * size_first[d])
                total_log += math.log1p(at[0] * size_first[d])
            for a in range(n_coef + 1):
                for b in range(a + 1):
                    total = gram[a, b]
                    for d in range(n_first):
                        total -= shrink[d] * sum_first[d, a] * sum_first[d, b]
                    root[a, b] = total
            if n_second > 0 and at[1] > 0.0:
                for j in range(n_second):
                    for k in range(j + 1):
                        total = 1.0 / at[1] + size_second[j] if j == k else 0.0
                        for d in range(n_first):
                            total -= shrink[d] * cross[d, j] * cross[d, k]
                        inner[j, k] = total
                    for a in range(n_coef + 1):
                        total = sum_second[j, a]
                        for d in range(n_first):
                            total -= shrink[d] * cross[d, j] * sum_first[d, a]
                        solved[j, a] = total
                cholesky(inner, n_second)
                for j in range(n_second):
                    total_log += math.log(at[1]) + 2.0 * math.log(inner[j, j])
                    for a in range(n_coef + 1):
                        for m in range(j):
                            solved[j, a] -= inner[j, m] * solved[m, a]
                        solved[j, a] /= inner[j, j]
                for a in range(n_coef + 1):
                    for b in range(a + 1):
                        for j in range(n_second):
                            root[a, b] -= solved[j, a] * solved[j, b]
            last = root[n_coef, n_coef]
            cholesky(root, n_coef)
            effect = 0.0
            length = 0.0
            for j in range(n_coef):
                total_log += 2.0 * math.log(root[j, j])
                inside = root[n_coef, j]
                solution[j] = contrast[j]
                for m in range(j):
                    inside -= root[n_coef, m] * root[j, m]
                    solution[j] -= root[j, m] * solution[m]
                root[n_coef, j] = inside / root[j, j]
                solution[j] /= root[j, j]
                last -= root[n_coef, j] ** 2
                effect += solution[j] * root[n_coef, j]
                length += solution[j] ** 2
            estimate[g, r] = effect
            unscaled[g, r] = math.sqrt(length)
            # Rounding may leave a residual sum of 0 a little below it.
            square[g, r] = max(last, 0.0)
            log_det[g, r] = total_log
