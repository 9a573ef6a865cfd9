"""A mixture of normals around 0 in R conditions, one gene at a time.

Estimates b of gene g, NaN where a condition has none, follow N(0, U_k + V_g) under component k, rows and columns of
conditions without an estimate left out. Covariances V (G, R, R), or (1, R, R) where all genes share one: then the
Cholesky factor of a component serves all genes with an estimate everywhere.
"""

from __future__ import annotations

import math

import numpy as np

from ebgenes.numerics.jit import kernel
from ebgenes.numerics.linear import cholesky, forward

LOG_2PI = math.log(2.0 * math.pi)


@kernel
def _factor(component, covariance, seen, n, lower):
    """Fill lower (n, n) with the Cholesky factor of U + V at the conditions seen (n,); return sum_i log L_ii."""
    for i in range(n):
        for j in range(i + 1):
            lower[i, j] = component[seen[i], seen[j]] + covariance[seen[i], seen[j]]
    cholesky(lower, n)
    half_log_det = 0.0
    for i in range(n):
        half_log_det += math.log(lower[i, i])
    return half_log_det


@kernel
def _conditions_seen(estimate, seen):
    """Fill seen with the conditions that have an estimate; return how many."""
    n = 0
    for r in range(len(estimate)):
        if not math.isnan(estimate[r]):
            seen[n] = r
            n += 1
    return n


@kernel
def normal_loglik(estimate, covariance, component, out):
    """Fill out (G, K) with log N(b_g; 0, U_k + V_g).

    estimate b (G, R), covariance V (G or 1, R, R), component U (K, R, R).
    """
    n_genes, n_conditions = estimate.shape
    shared = len(covariance) == 1
    whole = np.empty((n_conditions, n_conditions))
    own = np.empty((n_conditions, n_conditions))
    all_seen = np.arange(n_conditions)
    seen = np.empty(n_conditions, dtype=np.int64)
    value = np.empty(n_conditions)
    for k in range(len(component)):
        half = _factor(component[k], covariance[0], all_seen, n_conditions, whole) if shared else 0.0
        for g in range(n_genes):
            n = _conditions_seen(estimate[g], seen)
            for i in range(n):
                value[i] = estimate[g, seen[i]]
            if shared and n == n_conditions:
                out[g, k] = -0.5 * (n * LOG_2PI + forward(whole, n, value)) - half
            else:
                log_det = _factor(component[k], covariance[0 if shared else g], seen, n, own)
                out[g, k] = -0.5 * (n * LOG_2PI + forward(own, n, value)) - log_det


@kernel
def _variances(component, covariance, seen, n, lower, column, variance):
    """Fill variance (R,) with that of theta_r given estimates: U_rr - u'(U + V)^-1 u, u = U at (seen, r).

    Where r has an estimate that is V_rr - v'(U + V)^-1 v too, and the smaller of U_rr and V_rr loses fewer digits.
    """
    for r in range(len(component)):
        own = component[r, r]
        noise = -1.0
        for i in range(n):
            if seen[i] == r:
                noise = covariance[r, r]
        by_noise = 0.0 <= noise < own
        for i in range(n):
            column[i] = covariance[seen[i], r] if by_noise else component[seen[i], r]
        explained = forward(lower, n, column)
        variance[r] = max((noise if by_noise else own) - explained, 0.0)


@kernel
def _means(component, seen, n, lower, value, mean):
    """Fill mean (R,) with U (U + V)^-1 b; value (n,) holds L^-1 b and is overwritten."""
    for back in range(n):
        i = n - 1 - back
        total = value[i]
        for m in range(i + 1, n):
            total -= lower[m, i] * value[m]
        value[i] = total / lower[i, i]
    for r in range(len(component)):
        total = 0.0
        for i in range(n):
            total += component[r, seen[i]] * value[i]
        mean[r] = total


@kernel
def normal_posterior(estimate, covariance, component, share, mean, second, negative, positive, zero):
    """Add each component's part of the posterior, weighted by its share (G, K), to the last five, (G, R).

    They are E(theta), E(theta^2), P(theta < 0), P(theta > 0) and P(theta = 0). A condition in which a component has no
    variance has no effect there.
    """
    n_genes, n_conditions = estimate.shape
    shared = len(covariance) == 1
    whole = np.empty((n_conditions, n_conditions))
    own = np.empty((n_conditions, n_conditions))
    all_seen = np.arange(n_conditions)
    seen = np.empty(n_conditions, dtype=np.int64)
    value = np.empty(n_conditions)
    column = np.empty(n_conditions)
    center = np.empty(n_conditions)
    variance = np.empty(n_conditions)
    common = np.empty(n_conditions)
    for k in range(len(component)):
        if shared:
            _factor(component[k], covariance[0], all_seen, n_conditions, whole)
            _variances(component[k], covariance[0], all_seen, n_conditions, whole, column, common)
        for g in range(n_genes):
            weight = share[g, k]
            if weight == 0.0:
                continue
            n = _conditions_seen(estimate[g], seen)
            for i in range(n):
                value[i] = estimate[g, seen[i]]
            if shared and n == n_conditions:
                forward(whole, n, value)
                _means(component[k], seen, n, whole, value, center)
                for r in range(n_conditions):
                    variance[r] = common[r]
            else:
                noise = covariance[0 if shared else g]
                _factor(component[k], noise, seen, n, own)
                forward(own, n, value)
                _means(component[k], seen, n, own, value, center)
                _variances(component[k], noise, seen, n, own, column, variance)
            for r in range(n_conditions):
                if component[k, r, r] == 0.0:
                    zero[g, r] += weight
                    continue
                mean[g, r] += weight * center[r]
                second[g, r] += weight * (center[r] * center[r] + variance[r])
                ratio = center[r] / math.sqrt(2.0 * variance[r])
                negative[g, r] += weight * 0.5 * math.erfc(ratio)
                positive[g, r] += weight * 0.5 * math.erfc(-ratio)


@kernel
def deconvolution_sums(estimate, covariance, component, log_weight, count, scatter):
    """Add one EM step's sums for a mixture of N(0, U_p) observed with noise; return the log likelihood.

    With q_gp the probability that gene g belongs to p, count (P,) gains sum_g q_gp, and scatter (P, R, R) gains
    sum_g q_gp (m m' + S), m and S the mean and covariance of theta_g given what is known of b_g, and p.

    Source: Bovy, Hogg and Roweis (2011), Ann. Appl. Stat. 5, 1657.
    """
    n_genes, n_conditions = estimate.shape
    n_components = len(component)
    shared = len(covariance) == 1
    lower = np.empty((n_components, n_conditions, n_conditions))
    solved = np.empty((n_components, n_conditions))
    log_joint = np.empty(n_components)
    seen = np.empty(n_conditions, dtype=np.int64)
    center = np.empty(n_conditions)
    half = np.empty((n_conditions, n_conditions))
    total_loglik = 0.0
    for g in range(n_genes):
        noise = covariance[0 if shared else g]
        n = _conditions_seen(estimate[g], seen)
        top = -np.inf
        for p in range(n_components):
            for i in range(n):
                solved[p, i] = estimate[g, seen[i]]
            log_det = _factor(component[p], noise, seen, n, lower[p])
            length = forward(lower[p], n, solved[p])
            log_joint[p] = log_weight[p] - 0.5 * (n * LOG_2PI + length) - log_det
            top = max(top, log_joint[p])
        total = 0.0
        for p in range(n_components):
            total += math.exp(log_joint[p] - top)
        total_loglik += top + math.log(total)
        for p in range(n_components):
            share = math.exp(log_joint[p] - top) / total
            if share < 1e-12:
                continue
            count[p] += share
            _means(component[p], seen, n, lower[p], solved[p], center)
            # Row r of half is L^-1 U[seen, r], whose products make U (U + V)^-1 U.
            for r in range(n_conditions):
                for i in range(n):
                    half[r, i] = component[p, seen[i], r]
                forward(lower[p], n, half[r])
            for r in range(n_conditions):
                for s in range(r + 1):
                    explained = 0.0
                    for i in range(n):
                        explained += half[r, i] * half[s, i]
                    value = share * (center[r] * center[s] + component[p, r, s] - explained)
                    scatter[p, r, s] += value
                    if s < r:
                        scatter[p, s, r] += value
    return total_loglik
