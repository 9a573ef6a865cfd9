"""Priors that are no mixtures of normals around 0: half-normal, half-uniform and Laplace slabs, and point masses.

Integrals over theta are Gauss-Legendre sums over panels. Panels end at 0, wherever a uniform ends, and where the
sign of an effect or its size is asked; between, their widths follow the likelihood's own near its center and grow
away from it, and near 0 they follow the slabs' scales.

A component k >= 1 has a signed scale: half-normal |N(0, scale^2)| and half-uniform U(0, scale) lie on the side of
their scale's sign, Laplace has density exp(-|theta|/scale)/(2 scale). Component 0 is the point mass at 0.
"""

from __future__ import annotations

import math

import numpy as np

from ebgenes.numerics.grid_likelihood import HALF_LOG_2PI, grid_scale, normal_sum, spline_curvature, spline_values
from ebgenes.numerics.jit import inlined, kernel, summing
from ebgenes.numerics.student import MAX_NODES as MAX_TERMS, error_nodes
from ebgenes.numerics.vector import exp

HALF_NORMAL, HALF_UNIFORM, LAPLACE = 1, 2, 3
"""Codes of the families."""

ROOT_2_OVER_PI = math.sqrt(2.0 / math.pi)
NODES, WEIGHTS = np.polynomial.legendre.leggauss(8)
ORDER = 8
MAX_PANELS = 512
MAX_NODES = (MAX_PANELS + 2) * ORDER
# Panels end so many of the likelihood's scales from its center, and from there on at this ratio.
EVEN_END, EVEN_STEP, GROWTH = 6.0, 1.2, 1.35
# Near 0 panels end at the smallest scale, halved so often, and from there on at this ratio; slabs end so many of
# their scales from 0.
FINER, SCALE_GROWTH = 1, 1.5
NORMAL_END, LAPLACE_END = 12.0, 45.0
# Panels along which log L falls by more are split, unless L is smaller than this many nats below its peak.
DROP, NEGLIGIBLE, MAX_PARTS = 10.0, 60.0, 16


@kernel
def extent(family, scale):
    """How far from 0 the widest slab reaches."""
    widest = 0.0
    for k in range(1, len(scale)):
        widest = max(widest, abs(scale[k]))
    return widest * (NORMAL_END if family == HALF_NORMAL else LAPLACE_END if family == LAPLACE else 1.0)


@kernel
def _insert(edge, n, point, low, high):
    """Add a point between low and high to the ascending edge[:n]; returns the new n."""
    if not low < point < high or n == len(edge):
        return n
    i = n
    while edge[i - 1] > point:
        i -= 1
    if edge[i - 1] == point:
        return n
    for j in range(n, i, -1):
        edge[j] = edge[j - 1]
    edge[i] = point
    return n + 1


@kernel
def panels(family, scale, center, size, threshold, edge):
    """Fill edge with ascending ends of panels; returns how many.

    center and size of the likelihood; threshold >= 0 is an end too, either way.
    """
    far = extent(family, scale)
    edge[0], edge[1] = -far, far
    n = _insert(edge, 2, 0.0, -far, far)
    smallest = far
    for k in range(1, len(scale)):
        smallest = min(smallest, abs(scale[k]))
        if family == HALF_UNIFORM:
            n = _insert(edge, n, scale[k], -far, far)
    for sign in (-1.0, 1.0):
        n = _insert(edge, n, sign * threshold, -far, far)
        if family != HALF_UNIFORM:
            point = smallest * 0.5**FINER
            while point < far:
                n = _insert(edge, n, sign * point, -far, far)
                point *= SCALE_GROWTH
        step = 0.0
        while step <= EVEN_END:
            n = _insert(edge, n, center + sign * size * step, -far, far)
            step += EVEN_STEP
        reach = size * EVEN_END * GROWTH
        while reach < far + abs(center):
            n = _insert(edge, n, center + sign * reach, -far, far)
            reach *= GROWTH
    return n


@inlined
def _density(family, scale, theta):
    """Prior density of one slab at theta, which is not 0."""
    if family == LAPLACE:
        return 0.5 / scale * exp(-abs(theta) / scale)
    if theta * scale <= 0.0:
        return 0.0
    if family == HALF_UNIFORM:
        return 1.0 / abs(scale) if abs(theta) < abs(scale) else 0.0
    z = theta / scale
    return ROOT_2_OVER_PI / abs(scale) * exp(-0.5 * z * z)


@kernel
def log_likelihood(estimate, se, df, log_weight, variance, n_terms, x, y, curvature, theta, n, out):
    """log L at ascending theta[:n]: a spline, a normal mixture, or a t.

    The spline x, y, curvature (T,) where T > 0; else log_weight and variance (n_terms,) of a mixture of normals
    around the estimate where n_terms > 0; else (estimate - theta)/se ~ t_df, normal where df is infinite.
    """
    if len(x) > 0:
        spline_values(theta, n, x, y, curvature, out)
    elif n_terms > 0:
        for i in range(n):
            square = (estimate - theta[i]) ** 2
            top = -math.inf
            for q in range(n_terms):
                top = max(top, log_weight[q] - 0.5 * (math.log(variance[q]) + square / variance[q]))
            total = 0.0
            for q in range(n_terms):
                total += exp(log_weight[q] - 0.5 * (math.log(variance[q]) + square / variance[q]) - top)
            out[i] = top + math.log(total) - HALF_LOG_2PI
    elif math.isfinite(df):
        height = math.lgamma(0.5 * (df + 1.0)) - math.lgamma(0.5 * df) - 0.5 * math.log(math.pi * df) - math.log(se)
        for i in range(n):
            z = (estimate - theta[i]) / se
            out[i] = height - 0.5 * (df + 1.0) * math.log1p(z * z / df)
    else:
        for i in range(n):
            z = (estimate - theta[i]) / se
            out[i] = -0.5 * z * z - math.log(se) - HALF_LOG_2PI


@kernel
def refined(gene, edge, n, value, work):
    """Split panels along which log L falls by more than DROP, near where it is highest; returns the new n.

    edge (N,) ascending is extended; value and work (N,) are work space.
    """
    log_likelihood(*gene, edge, n, value)
    top = -math.inf
    for j in range(n):
        top = max(top, value[j])
        work[j] = edge[j]
    count = 1
    for j in range(1, n):
        parts = 1
        drop = abs(value[j] - value[j - 1])
        if drop > DROP and max(value[j], value[j - 1]) > top - NEGLIGIBLE:
            parts = min(int(drop / DROP) + 1, MAX_PARTS, len(edge) - (n - j) - count)
        for i in range(1, parts + 1):
            edge[count] = work[j - 1] + (work[j] - work[j - 1]) * i / parts
            count += 1
    return count


@kernel
def _spread_nodes(edge, n_edges, theta, width):
    """Gauss-Legendre nodes of all panels and their weights."""
    for j in range(n_edges - 1):
        half = 0.5 * (edge[j + 1] - edge[j])
        middle = 0.5 * (edge[j + 1] + edge[j])
        for i in range(ORDER):
            theta[j * ORDER + i] = middle + half * NODES[i]
            width[j * ORDER + i] = half * WEIGHTS[i]


@summing
def _laplace_sum(theta, value, n, rate):
    """sum_i value_i exp(-rate |theta_i|) over the first n nodes."""
    total = 0.0
    for i in range(n):
        total += value[i] * exp(-rate * abs(theta[i]))
    return total


@summing
def _sum_within(theta, value, n, end):
    """sum_i value_i over those of the first n nodes that are nearer to 0 than end."""
    total = 0.0
    for i in range(n):
        total += value[i] if abs(theta[i]) < end else 0.0
    return total


@kernel
def slab_loglik(family, scale, estimate, se, df, log_weight, variance, n_terms, grid, loglik, curvature, size, out):
    """log L_gk, k >= 1, and log L_g(0) for k = 0: out (G, K) is filled.

    scale (K,); log_weight and variance (G, Q) with n_terms (G,), and grid, loglik and curvature (G, T), as in
    `log_likelihood`; estimate, se, df (G,), of which with T > 0 the estimate is the middle node; size (G,) the
    likelihood's width.
    """
    edge = np.empty(MAX_PANELS + 2)
    theta = np.empty(MAX_NODES)
    width = np.empty(MAX_NODES)
    value = np.empty(MAX_NODES)
    zero = np.zeros(1)
    for g in range(len(estimate)):
        gene = (
            estimate[g], se[g], df[g], log_weight[g], variance[g], n_terms[g], grid[g], loglik[g], curvature[g]
        )  # fmt: skip
        log_likelihood(*gene, zero, 1, value)
        out[g, 0] = value[0]
        n_edges = panels(family, scale, estimate[g], size[g], 0.0, edge)
        n_edges = refined(gene, edge, n_edges, value, width)
        _spread_nodes(edge, n_edges, theta, width)
        n = (n_edges - 1) * ORDER
        log_likelihood(*gene, theta, n, value)
        top = value[0]
        for i in range(n):
            top = max(top, value[i])
        for i in range(n):
            value[i] = width[i] * exp(value[i] - top) if value[i] > top - 690.0 else 0.0
        first_positive = 0
        while first_positive < n and theta[first_positive] < 0.0:
            first_positive += 1
        for k in range(1, len(scale)):
            begin, end = 0, n
            if family != LAPLACE:
                begin, end = (first_positive, n) if scale[k] > 0.0 else (0, first_positive)
            width_of = abs(scale[k])
            if family == HALF_NORMAL:
                total = normal_sum(theta[begin:], value[begin:], end - begin, 0.5 / width_of**2)
                total *= ROOT_2_OVER_PI / width_of
            elif family == LAPLACE:
                total = _laplace_sum(theta, value, n, 1.0 / width_of) * 0.5 / width_of
            else:
                total = _sum_within(theta[begin:], value[begin:], end - begin, width_of) / width_of
            out[g, k] = top + math.log(total) if total > 0.0 else -math.inf


@kernel
def point_loglik(place, estimate, se, df, log_weight, variance, n_terms, grid, loglik, curvature, out):
    """log L_g at every place (K,), ascending from the second on: out (G, K) is filled; the rest as in `slab_loglik`."""
    value = np.empty(len(place))
    for g in range(len(estimate)):
        gene = (
            estimate[g], se[g], df[g], log_weight[g], variance[g], n_terms[g], grid[g], loglik[g], curvature[g]
        )  # fmt: skip
        log_likelihood(*gene, place[:1], 1, value)
        out[g, 0] = value[0]
        log_likelihood(*gene, place[1:], len(place) - 1, value)
        for k in range(1, len(place)):
            out[g, k] = value[k - 1]


@kernel
def _slab_density(family, weight, scale, theta, n, value, top, out):
    """L(theta) exp(-top) sum_k weight_k f_k(theta) at theta[:n]; value holds log L."""
    for i in range(n):
        prior = 0.0
        for k in range(1, len(scale)):
            if weight[k] > 0.0:
                prior += weight[k] * _density(family, scale[k], theta[i])
        out[i] = exp(value[i] - top) * prior if value[i] > top - 690.0 else 0.0


@kernel
def slab_posterior(
    family, weight, scale, interval, threshold, estimate, se, df, log_weight, variance, n_terms, grid, loglik,
    curvature, size, out,
):  # fmt: skip
    """Fill out (G, 10): mean, sd, lower, upper, lfdr, lfsr, up, down, and both ends given that the gene is changed.

    The rest as in `slab_loglik`. weight (G, K): of each gene, up to a factor.
    """
    edge = np.empty(MAX_PANELS + 2)
    theta = np.empty(MAX_NODES)
    width = np.empty(MAX_NODES)
    value = np.empty(MAX_NODES)
    density = np.empty(MAX_NODES)
    mass = np.empty(MAX_PANELS + 2)
    zero = np.zeros(1)
    inner = np.empty(ORDER)
    inner_value = np.empty(ORDER)
    inner_density = np.empty(ORDER)
    for g in range(len(estimate)):
        gene = (
            estimate[g], se[g], df[g], log_weight[g], variance[g], n_terms[g], grid[g], loglik[g], curvature[g]
        )  # fmt: skip
        n_edges = panels(family, scale, estimate[g], size[g], threshold, edge)
        n_edges = refined(gene, edge, n_edges, value, width)
        _spread_nodes(edge, n_edges, theta, width)
        n = (n_edges - 1) * ORDER
        log_likelihood(*gene, zero, 1, inner_value)
        at_zero = inner_value[0]
        log_likelihood(*gene, theta, n, value)
        top = at_zero
        for i in range(n):
            top = max(top, value[i])
        _slab_density(family, weight[g], scale, theta, n, value, top, density)
        null = weight[g, 0] * math.exp(at_zero - top)
        mean, positive, negative, up, down = 0.0, 0.0, 0.0, 0.0, 0.0
        for j in range(n_edges - 1):
            mass[j] = 0.0
            for i in range(j * ORDER, (j + 1) * ORDER):
                density[i] *= width[i]
                mass[j] += density[i]
                mean += density[i] * theta[i]
            if edge[j] >= 0.0:
                positive += mass[j]
                up += mass[j] if edge[j] >= threshold else 0.0
            else:
                negative += mass[j]
                down += mass[j] if edge[j + 1] <= -threshold else 0.0
        total = null + positive + negative
        mean /= total
        lfdr = null / total
        square = lfdr * mean * mean
        for i in range(n):
            square += density[i] / total * (theta[i] - mean) ** 2
        out[g, 0] = mean
        out[g, 1] = math.sqrt(square)
        out[g, 4] = lfdr
        out[g, 5] = lfdr + min(positive, negative) / total
        out[g, 6] = up / total
        out[g, 7] = down / total
        # From below for the lower end, from above for the upper: no probability is ever taken from 1. Then given that
        # the gene is changed, that is without the null.
        for end in range(4):
            side = 1 if end % 2 == 0 else -1
            column = (2 if end < 2 else 8) + end % 2
            beside = negative if side > 0 else positive
            atom = null if end < 2 else 0.0
            target = 0.5 * (1.0 - interval) * (positive + negative + atom)
            bound = 0.0
            if beside < target <= beside + atom:
                out[g, column] = bound
                continue
            if positive + negative == 0.0:
                out[g, column] = math.nan
                continue
            if target > beside:
                target -= atom
            j = 0 if side > 0 else n_edges - 2
            while 0 <= j + side < n_edges - 1 and target > mass[j]:
                target -= mass[j]
                j += side
            # Within the panel: halve it until its part makes up what is left.
            start = edge[j] if side > 0 else edge[j + 1]
            low, high = 0.0, edge[j + 1] - edge[j]
            length = high * (min(target / mass[j], 1.0) if mass[j] > 0.0 else 0.5)
            for _ in range(60):
                part = 0.0
                for i in range(ORDER):
                    inner[i] = start + 0.5 * length * (side + NODES[i])
                log_likelihood(*gene, inner, ORDER, inner_value)
                _slab_density(family, weight[g], scale, inner, ORDER, inner_value, top, inner_density)
                for i in range(ORDER):
                    part += 0.5 * length * WEIGHTS[i] * inner_density[i]
                if part > target:
                    high = length
                else:
                    low = length
                # Newton's step from the density at the end, kept inside the bracket.
                zero[0] = start + side * length
                log_likelihood(*gene, zero, 1, inner_value)
                _slab_density(family, weight[g], scale, zero, 1, inner_value, top, inner_density)
                following = length + (target - part) / inner_density[0] if inner_density[0] > 0.0 else high
                following = following if low < following < high else 0.5 * (low + high)
                moved = abs(following - length)
                length = following
                if moved <= 1e-10 * size[g]:
                    break
            zero[0] = 0.0
            out[g, column] = start + side * length


@kernel
def point_posterior(
    weight,
    place,
    interval,
    threshold,
    estimate,
    se,
    df,
    log_weight,
    variance,
    n_terms,
    grid,
    loglik,
    curvature,
    out,
):
    """`slab_posterior` under point masses at places (K,), which ascend from the second on; the first is 0, the null."""
    n_places = len(place)
    value = np.empty(n_places)
    share = np.empty(n_places)
    zero = np.zeros(1)
    for g in range(len(estimate)):
        gene = (
            estimate[g], se[g], df[g], log_weight[g], variance[g], n_terms[g], grid[g], loglik[g], curvature[g]
        )  # fmt: skip
        log_likelihood(*gene, zero, 1, value)
        at_zero = value[0]
        log_likelihood(*gene, place[1:], n_places - 1, value)
        top = at_zero if weight[g, 0] > 0.0 else -math.inf
        for k in range(1, n_places):
            if weight[g, k] > 0.0:
                top = max(top, value[k - 1])
        share[0] = weight[g, 0] * math.exp(at_zero - top) if weight[g, 0] > 0.0 else 0.0
        total = share[0]
        for k in range(1, n_places):
            share[k] = weight[g, k] * exp(value[k - 1] - top) if weight[g, k] > 0.0 else 0.0
            total += share[k]
        mean, positive, negative, up, down = 0.0, 0.0, 0.0, 0.0, 0.0
        for k in range(n_places):
            share[k] /= total
            mean += share[k] * place[k]
        square = 0.0
        for k in range(n_places):
            square += share[k] * (place[k] - mean) ** 2
            if place[k] > 0.0:
                positive += share[k]
                up += share[k] if place[k] > threshold else 0.0
            elif place[k] < 0.0:
                negative += share[k]
                down += share[k] if place[k] < -threshold else 0.0
        out[g, 0] = mean
        out[g, 1] = math.sqrt(square)
        out[g, 4] = share[0]
        out[g, 5] = share[0] + min(positive, negative)
        out[g, 6] = up
        out[g, 7] = down
        for end in range(4):
            side = 1 if end % 2 == 0 else -1
            column = (2 if end < 2 else 8) + end % 2
            atom = share[0] if end < 2 else 0.0
            tail = 0.5 * (1.0 - interval) * (1.0 if end < 2 else positive + negative)
            reached = 0.0
            bound = 0.0 if end < 2 or positive + negative > 0.0 else math.nan
            placed = False
            for i in range(1, n_places):
                k = i if side > 0 else n_places - i
                if not placed and place[k] * side > 0.0:
                    # The null's own mass lies between the negative places and the positive.
                    placed = True
                    reached += atom
                    if atom > 0.0 and reached >= tail:
                        break
                reached += share[k]
                if share[k] > 0.0 and reached >= tail:
                    bound = place[k]
                    break
            out[g, column] = bound


@kernel
def splines(grid, loglik, curvature, size):
    """Fill curvature (G, T) of the splines through likelihoods on grids, and their widths, size (G,)."""
    work = np.empty(grid.shape[1])
    for g in range(len(grid)):
        spline_curvature(grid[g], loglik[g], curvature[g], work)
        size[g] = grid_scale(grid[g])


@kernel
def convolved_terms(estimate, se, df, sd, log_weight, variance, n_terms):
    """Fill log_weight and variance (G, Q) with t likelihoods convolved with N(0, sd^2), as mixtures of normals.

    n_terms (G,) is filled; returns the most terms any gene needs, of which those beyond Q are left out.
    """
    weight_of = np.empty(MAX_TERMS)
    variance_of = np.empty(MAX_TERMS)
    most = 0
    for g in range(len(estimate)):
        n = error_nodes(estimate[g], se[g], df[g], weight_of, variance_of)
        most = max(most, n)
        n_terms[g] = min(n, log_weight.shape[1])
        for q in range(n_terms[g]):
            log_weight[g, q] = weight_of[q]
            variance[g, q] = variance_of[q] + sd * sd
    return most
