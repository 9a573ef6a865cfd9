"""Mixture weights: likelihood, gradient and Hessian, one block of genes at a time."""

from __future__ import annotations

import math

import numpy as np

from ebgenes.numerics.jit import kernel


@kernel
def weight_derivatives(likelihood, weight, active, gradient, hessian):
    """Return sum_g log (L x)_g; add sum_g L_gk/(Lx)_g and sum_g L_gi L_gj/(Lx)_g^2.

    likelihood L (G, K), weight x (K,), gradient (K,) and hessian (A, A) are added to; the latter has only the
    components `active` (A,), and only its lower triangle.
    """
    n_genes, n_components = likelihood.shape
    scaled = np.empty(n_components)
    chosen = np.empty(len(active))
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
        for i in range(len(active)):
            chosen[i] = scaled[active[i]]
        for i in range(len(active)):
            for j in range(i + 1):
                hessian[i, j] += chosen[i] * chosen[j]
    return loglik


@kernel
def mean_odds(likelihood, draws, out):
    """Fill out (G, K) with the mean over draws x (D, K) of x_dk / (L x_d)_g, scaled to sum 1; likelihood L (G, K).

    Draws under which a gene could not have come about as far as numbers tell are left out for it.
    """
    n_draws, n_components = draws.shape
    for g in range(len(likelihood)):
        for k in range(n_components):
            out[g, k] = 0.0
        for d in range(n_draws):
            total = 0.0
            for k in range(n_components):
                total += likelihood[g, k] * draws[d, k]
            if total > 0.0:
                for k in range(n_components):
                    out[g, k] += draws[d, k] / total
        whole = 0.0
        for k in range(n_components):
            whole += out[g, k]
        for k in range(n_components):
            out[g, k] /= whole


@kernel
def mean_odds_told(likelihood, slabs, coefficient, design, out):
    """The same as `mean_odds` where columns x_g tell genes apart, (L x_d)_g being (L_g0 + e s_g)/(1 + e).

    log e = x_g'b_d, s_g = sum_k v_dk L_gk; slabs v (D, K - 1), coefficient b (D, P), design x (G, P).
    """
    n_draws, n_slabs = slabs.shape
    for g in range(len(likelihood)):
        for k in range(n_slabs + 1):
            out[g, k] = 0.0
        for d in range(n_draws):
            z, changed = 0.0, 0.0
            for j in range(design.shape[1]):
                z += coefficient[d, j] * design[g, j]
            e = math.exp(min(z, 700.0))
            for k in range(n_slabs):
                changed += likelihood[g, k + 1] * slabs[d, k]
            inverse = 1.0 / (likelihood[g, 0] + e * changed)
            out[g, 0] += inverse
            for k in range(n_slabs):
                out[g, k + 1] += e * slabs[d, k] * inverse
        whole = 0.0
        for k in range(n_slabs + 1):
            whole += out[g, k]
        for k in range(n_slabs + 1):
            out[g, k] /= whole


@kernel
def mixture_loglik(likelihood, draws, out):
    """Fill out (D, G) with log (L x_d)_g; likelihood L (G, K), draws x (D, K)."""
    n_draws, n_components = draws.shape
    for d in range(n_draws):
        for g in range(len(likelihood)):
            total = 0.0
            for k in range(n_components):
                total += likelihood[g, k] * draws[d, k]
            out[d, g] = math.log(total)


@kernel
def allocate(likelihood, weight, uniform, count):
    """Fill count (K,) with how many genes fall to each component, gene g to k with probability L_gk x_k / (L x)_g.

    likelihood L (G, K), weight x (K,), uniform (G,) one draw from [0, 1) for each gene.
    """
    n_genes, n_components = likelihood.shape
    for k in range(n_components):
        count[k] = 0.0
    for g in range(n_genes):
        total = 0.0
        for k in range(n_components):
            total += likelihood[g, k] * weight[k]
        left = uniform[g] * total
        chosen = 0
        for k in range(n_components):
            share = likelihood[g, k] * weight[k]
            if share > 0.0:
                chosen = k
                if left < share:
                    break
                left -= share
        count[chosen] += 1.0
