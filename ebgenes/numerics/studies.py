"""Likelihoods of several studies: their product, and what is known of each study's own effects."""

from __future__ import annotations

import math

import numpy as np

from ebgenes.numerics.grid_likelihood import SINH_SCALE, grid_scale, spline_curvature, spline_values
from ebgenes.numerics.jit import kernel
from ebgenes.numerics.vector import exp, log

# Nodes of a product, in steps of v as in `grid._place`: dense around its peak, and far enough for studies apart.
PRODUCT_NODES = 81
PRODUCT_STEP = 0.4
COARSE_NODES = 257
FINE_NODES = 33
# Nodes of posteriors of the common effect.
SLAB_NODES = 241
SLAB_STEP = 0.2
NULL_NODES, NULL_WEIGHTS = np.polynomial.hermite_e.hermegauss(9)


@kernel
def _product(theta, n, grid, loglik, curvature, row, weight, value, out):
    """Fill out[:n] with sum_s weight_s log L_s(theta); row (S,) of each study, -1 where it lacks the gene."""
    for i in range(n):
        out[i] = 0.0
    for s in range(len(row)):
        if row[s] < 0 or weight[s] == 0.0:
            continue
        spline_values(theta, n, grid[row[s]], loglik[row[s]], curvature[s], value)
        for i in range(n):
            out[i] += weight[s] * value[i]


@kernel
def _highest(low, high, n, grid, loglik, curvature, row, weight, theta, value, out):
    """Where the product is highest among n even places, their step, and how far it falls to the higher end."""
    step = (high - low) / (n - 1)
    for i in range(n):
        theta[i] = low + step * i
    _product(theta, n, grid, loglik, curvature, row, weight, value, out)
    best = 0
    for i in range(n):
        if out[i] > out[best]:
            best = i
    return theta[best], step, out[best] - max(out[0], out[n - 1])


@kernel
def multiply_studies(grid, loglik, row, weight, out_grid, out_loglik):
    """Fill out_grid and out_loglik (G, PRODUCT_NODES) with sum_s weight_s log L_gs at nodes around its peak.

    grid, loglik (N, T) of all studies' genes; row (G, S) of each gene in each study, -1 where it lacks; weight (S,).
    """
    n_genes, n_studies = row.shape
    n_nodes = grid.shape[1]
    curvature = np.empty((n_studies, n_nodes))
    work = np.empty(n_nodes)
    theta = np.empty(COARSE_NODES)
    value = np.empty(COARSE_NODES)
    total = np.empty(COARSE_NODES)
    half = (PRODUCT_NODES - 1) // 2
    for g in range(n_genes):
        precision, middle = 0.0, 0.0
        low, high = math.inf, -math.inf
        for s in range(n_studies):
            if row[g, s] < 0 or weight[s] == 0.0:
                continue
            x = grid[row[g, s]]
            spline_curvature(x, loglik[row[g, s]], curvature[s], work)
            size = grid_scale(x)
            precision += weight[s] / (size * size)
            middle += weight[s] / (size * size) * x[n_nodes // 2]
            low = min(low, x[n_nodes // 2] - 3.0 * size)
            high = max(high, x[n_nodes // 2] + 3.0 * size)
        peak, step, drop = _highest(
            low, high, COARSE_NODES, grid, loglik, curvature, row[g], weight, theta, value, total
        )
        if drop > 0.5:
            peak, step, drop = _highest(
                peak - step, peak + step, FINE_NODES, grid, loglik, curvature, row[g], weight, theta, value, total
            )
        else:
            # Flat to one side: the middle stands for the estimate, as in each study.
            peak = middle / precision
        size = 1.0 / math.sqrt(precision)
        for t in range(PRODUCT_NODES):
            grown = exp(PRODUCT_STEP * (t - half) / SINH_SCALE)
            out_grid[g, t] = peak + size * SINH_SCALE * 0.5 * (grown - 1.0 / grown)
        _product(out_grid[g], PRODUCT_NODES, grid, loglik, curvature, row[g], weight, value, out_loglik[g])


@kernel
def _bend(x, y, curvature, i, theta):
    """Slope and second derivative of the spline at theta, between nodes i and i + 1; straight beyond its ends."""
    n = len(x)
    here = min(max(theta, x[0]), x[n - 1])
    width = x[i + 1] - x[i]
    a = (x[i + 1] - here) / width
    b = 1.0 - a
    bend = (3.0 * b * b - 1.0) * curvature[i + 1] - (3.0 * a * a - 1.0) * curvature[i]
    second = a * curvature[i] + b * curvature[i + 1] if here == theta else 0.0
    return (y[i + 1] - y[i]) / width + bend * width / 6.0, second


@kernel
def study_posteriors(grid, loglik, row, common, product, lfdr, weight, variance, tau, mean, sd, differ):
    """Fill mean and sd (G, S) of each study's own effect, and differ (G,): P(signs differ | changed).

    grid, loglik (N, T) of all studies' genes, convolved with N(0, tau^2), and row (G, S) as in `multiply_studies`;
    common and product (G, M) the nodes and log likelihood of the common effect theta, and lfdr (G,); weight and
    variance (K,) of the prior's normal components, the null first. Given theta, Tweedie's formula has the moments of a
    study's effect: theta + tau^2 l', tau^2 + tau^4 l'', where l is the study's convolved log likelihood at theta.
    """
    n_genes, n_studies = row.shape
    n_nodes, n_product = grid.shape[1], common.shape[1]
    curvature = np.empty(n_nodes)
    bent = np.empty(n_product)
    work = np.empty(max(n_nodes, n_product))
    n_null = len(NULL_NODES)
    n_all = n_null + SLAB_NODES
    theta = np.empty(n_all)
    mass = np.empty(n_all)
    value = np.empty(n_all)
    up = np.empty(n_all)
    down = np.empty(n_all)
    square = tau * tau
    narrow = math.inf
    for k in range(1, len(weight)):
        if weight[k] > 0.0:
            narrow = min(narrow, math.sqrt(variance[k]))
    for g in range(n_genes):
        x, y = common[g], product[g]
        spline_curvature(x, y, bent, work)
        size = grid_scale(x)
        center = x[n_product // 2]
        for i in range(n_null):
            theta[i] = math.sqrt(variance[0]) * NULL_NODES[i]
        # Where the prior is narrower than the likelihood, nodes are as dense as it needs.
        if narrow < size:
            center, size = 0.0, narrow
        for i in range(SLAB_NODES):
            v = SLAB_STEP * (i - (SLAB_NODES - 1) // 2)
            grown = exp(v / SINH_SCALE)
            theta[n_null + i] = center + size * SINH_SCALE * 0.5 * (grown - 1.0 / grown)
            mass[n_null + i] = log(0.5 * (grown + 1.0 / grown))
        spline_values(theta[:n_null], n_null, x, y, bent, value[:n_null])
        spline_values(theta[n_null:], SLAB_NODES, x, y, bent, value[n_null:])
        for part in range(2):
            begin, end = (0, n_null) if part == 0 else (n_null, n_all)
            top = -math.inf
            for i in range(begin, end):
                if part == 0:
                    mass[i] = value[i] + log(NULL_WEIGHTS[i])
                else:
                    density = 1e-300
                    for k in range(1, len(weight)):
                        density += weight[k] * exp(-0.5 * theta[i] * theta[i] / variance[k]) / math.sqrt(variance[k])
                    mass[i] += value[i] + log(density)
                top = max(top, mass[i])
            total = 0.0
            for i in range(begin, end):
                mass[i] = exp(mass[i] - top)
                total += mass[i]
            share = lfdr[g] if part == 0 else 1.0 - lfdr[g]
            for i in range(begin, end):
                mass[i] *= share / total
        for i in range(n_all):
            up[i] = 1.0
            down[i] = 1.0
        for s in range(n_studies):
            mean[g, s] = math.nan
            sd[g, s] = math.nan
            if row[g, s] < 0:
                continue
            xs, ys = grid[row[g, s]], loglik[row[g, s]]
            spline_curvature(xs, ys, curvature, work)
            first, second = 0.0, 0.0
            at = 0
            for i in range(n_all):
                if i == n_null:
                    at = 0
                while at < n_nodes - 2 and xs[at + 1] < theta[i]:
                    at += 1
                slope, bend = _bend(xs, ys, curvature, at, theta[i])
                own = theta[i] + square * slope
                spread = min(max(square + square * square * bend, 1e-12 * square), 4.0 * square)
                first += mass[i] * own
                second += mass[i] * (own * own + spread)
                positive = (
                    0.5 * math.erfc(-own / math.sqrt(2.0 * spread)) if spread > 0.0 else (1.0 if own > 0.0 else 0.0)
                )
                up[i] *= positive
                down[i] *= 1.0 - positive
            mean[g, s] = first
            sd[g, s] = math.sqrt(max(second - first * first, 0.0))
        total, same = 0.0, 0.0
        for i in range(n_null, n_all):
            total += mass[i]
            same += mass[i] * (up[i] + down[i])
        differ[g] = max(1.0 - same / total, 0.0) if total > 0.0 else math.nan
