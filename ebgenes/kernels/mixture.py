"""Mixture weights: likelihood, gradient, Hessian and the EM step, one block of genes at a time."""

from __future__ import annotations

import math

import numpy as np

from ebgenes.kernels.jit import kernel


@kernel
def weight_derivatives(likelihood, weight, gradient, hessian):
    """Return sum_g log (L x)_g; add sum_g L_gk/(Lx)_g and sum_g L_gk L_gj/(Lx)_g^2.

    likelihood L (G, K), weight x (K,), gradient (K,) and hessian (K, K) are added to; just the
    lower triangle of the hessian is.
    """
    n_genes, n_components = likelihood.shape
    scaled = np.empty(n_components)
    loglik = 0.0
    for g in range(n_genes):
        total = 0.0
        for k in range(n_components):
            total += likelihood[g, k] * weight[k]
        loglik += math.log(total)
        inverse = 1.0 / total
        for k in range(n_components):
            scaled[k] = likelihood[g, k] * inverse
            gradient[k] += scaled[k]
        for k in range(n_components):
            for j in range(k + 1):
                hessian[k, j] += scaled[k] * scaled[j]
    return loglik


@kernel
def weight_gradient(likelihood, weight, gradient):
    """Return sum_g log (L x)_g; add sum_g L_gk/(Lx)_g to gradient (K,)."""
    n_genes, n_components = likelihood.shape
    loglik = 0.0
    for g in range(n_genes):
        total = 0.0
        for k in range(n_components):
            total += likelihood[g, k] * weight[k]
        loglik += math.log(total)
        inverse = 1.0 / total
        for k in range(n_components):
            gradient[k] += likelihood[g, k] * inverse
    return loglik
