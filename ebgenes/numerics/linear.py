"""Weighted least squares, one gene at a time, and the algebra of a gene's small matrices."""

from __future__ import annotations

import math

import numpy as np

from ebgenes.numerics.jit import inner, kernel


@inner
def cholesky(matrix, n):
    """Replace the lower triangle of a positive definite matrix (n, n) by that of its Cholesky factor."""
    for j in range(n):
        for k in range(j + 1):
            total = matrix[j, k]
            for m in range(k):
                total -= matrix[j, m] * matrix[k, m]
            matrix[j, k] = math.sqrt(total) if j == k else total / matrix[k, k]


@inner
def forward(lower, n, x):
    """Replace x (n,) by L^-1 x; return its squared length."""
    length = 0.0
    for i in range(n):
        total = x[i]
        for m in range(i):
            total -= lower[i, m] * x[m]
        x[i] = total / lower[i, i]
        length += x[i] * x[i]
    return length


@kernel
def weighted_fits(response, weight, basis, contrast, estimate, unscaled, variance, fitted):
    """Fit each gene's row on an orthonormal basis and read off the rows of a contrast.

    For gene g with W = diag(weight): A = Q'WQ = LL', coefficients b = A^-1 Q'Wy, and

        estimate = Cb,   unscaled = C A^-1 C',   variance = sum w (y - Qb)^2 / (S - P).

    With orthonormal Q, the condition of A is that of the weights alone: normal equations lose no
    digits to the design's own scaling.

    response, weight (G, S); basis Q (S, P); contrast C (R, P); the last four are filled:
    estimate (G, R), unscaled (G, R, R), variance (G,), fitted (G, S).
    """
    n_genes, n_samples = response.shape
    n_rows, n_coef = contrast.shape
    chol = np.empty((n_coef, n_coef))
    coef = np.empty(n_coef)
    solved = np.empty((n_rows, n_coef))
    for g in range(n_genes):
        for j in range(n_coef):
            for k in range(j + 1):
                total = 0.0
                for s in range(n_samples):
                    total += weight[g, s] * basis[s, j] * basis[s, k]
                chol[j, k] = total
            total = 0.0
            for s in range(n_samples):
                total += weight[g, s] * basis[s, j] * response[g, s]
            coef[j] = total
        cholesky(chol, n_coef)
        forward(chol, n_coef, coef)
        for i in range(n_coef):
            j = n_coef - 1 - i
            for m in range(j + 1, n_coef):
                coef[j] -= chol[m, j] * coef[m]
            coef[j] /= chol[j, j]
        for r in range(n_rows):
            # Forward substitution turns c into L^-1 c, whose inner products are c'A^-1 c.
            effect = 0.0
            for j in range(n_coef):
                effect += contrast[r, j] * coef[j]
                solved[r, j] = contrast[r, j]
            forward(chol, n_coef, solved[r])
            estimate[g, r] = effect
            for t in range(r + 1):
                length = 0.0
                for j in range(n_coef):
                    length += solved[r, j] * solved[t, j]
                unscaled[g, r, t] = length
                unscaled[g, t, r] = length
        residual_sum = 0.0
        for s in range(n_samples):
            value = 0.0
            for j in range(n_coef):
                value += basis[s, j] * coef[j]
            fitted[g, s] = value
            residual_sum += weight[g, s] * (response[g, s] - value) ** 2
        variance[g] = residual_sum / (n_samples - n_coef)


@kernel
def add_gram(rows, out):
    """Add rows' rows to out (S, S), upper triangle, for rows (G, S): in the genes' order, as BLAS does not promise."""
    n_genes, n_samples = rows.shape
    for g in range(n_genes):
        for i in range(n_samples):
            value = rows[g, i]
            for j in range(i, n_samples):
                out[i, j] += value * rows[g, j]
