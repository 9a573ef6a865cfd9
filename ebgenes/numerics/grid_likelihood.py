"""Likelihoods known at nodes: integrals against normal components, posteriors, and what sums them up.

Between its nodes log L_g is a cubic spline, beyond them a straight line. Integrals over theta are
trapezoid sums over theta = center + SINH_SCALE scale sinh(v/SINH_SCALE) at even steps of v: dense within
SINH_SCALE scales of the center, ever sparser beyond, and accurate to rounding where L and the prior are wider
than a step.
"""

from __future__ import annotations

import math

import numpy as np

from ebgenes.numerics.jit import inner, inner_sum, kernel, summing
from ebgenes.numerics.vector import exp, log

SINH_SCALE = 5.0
# Steps of v, in scales: for whole integrals, for those to one side of 0, and where distributions are inverted.
STEP = 0.45
SIDE_STEP = 0.3
FINE_STEP = 0.2
# Beyond the grid, integrals follow the straight lines this many times as far.
STRETCH = 3.0
# Nodes where L, or a posterior density, is smaller than this many nats below its peak are left out.
CUT = 100.0
POSTERIOR_CUT = 40.0
# Components narrower than this many scales of L are integrated on nodes of their own, NARROW_STEP apart
# from -NARROW_END to NARROW_END standard deviations; posteriors under such slabs are too.
NARROW = 1.0
NARROW_STEP = 0.75
NARROW_END = 9.0
NARROW_NODES = 25
MAX_NODES = 4096
FARTHEST = 300.0
# A tail that falls by more than e^-STEEP a step is integrated by Gauss and Laguerre's rule instead.
STEEP = 0.4
LAGUERRE_NODES, LAGUERRE_WEIGHTS = np.polynomial.laguerre.laggauss(16)
HALF_LOG_2PI = 0.9189385332046727
LOG_NARROW_STEP = math.log(NARROW_STEP)


@kernel
def spline_curvature(x, y, curvature, work):
    """Second derivatives (T,) of the cubic spline through (x, y), T >= 3; work (T,) is work space.

    They are constant in the outermost steps, so that the spline of a parabola is that parabola: a natural
    spline would bend a normal log likelihood straight at its ends.
    """
    n = len(x)
    for i in range(1, n - 1):
        left = x[i] - x[i - 1]
        right = x[i + 1] - x[i]
        pivot = 2.0 * (left + right)
        if i == 1:
            pivot += left
        if i == n - 2:
            pivot += right
        above = 0.0
        carried = 0.0
        if i > 1:
            pivot -= left * work[i - 1]
            carried = left * curvature[i - 1]
        if i < n - 2:
            above = right
        work[i] = above / pivot
        jump = (y[i + 1] - y[i]) / right - (y[i] - y[i - 1]) / left
        curvature[i] = (6.0 * jump - carried) / pivot
    for back in range(3, n):
        i = n - back
        curvature[i] -= work[i] * curvature[i + 1]
    curvature[0] = curvature[1]
    curvature[n - 1] = curvature[n - 2]


@kernel
def spline_values(theta, n_theta, x, y, curvature, out):
    """The spline at ascending theta[:n_theta], straight beyond its ends; out is filled as far."""
    n = len(x)
    width = x[1] - x[0]
    first = (y[1] - y[0]) / width - width * (2.0 * curvature[0] + curvature[1]) / 6.0
    width = x[n - 1] - x[n - 2]
    last = (y[n - 1] - y[n - 2]) / width + width * (curvature[n - 2] + 2.0 * curvature[n - 1]) / 6.0
    i = 0
    for t in range(n_theta):
        here = theta[t]
        if here <= x[0]:
            out[t] = y[0] + first * (here - x[0])
            continue
        if here >= x[n - 1]:
            out[t] = y[n - 1] + last * (here - x[n - 1])
            continue
        while x[i + 1] < here:
            i += 1
        width = x[i + 1] - x[i]
        a = (x[i + 1] - here) / width
        b = 1.0 - a
        bend = (a * a * a - a) * curvature[i] + (b * b * b - b) * curvature[i + 1]
        out[t] = a * y[i] + b * y[i + 1] + bend * width * width / 6.0


@inner
def grid_scale(x):
    """Width of the features that the nodes were made to show: 2.5 times their smallest distance."""
    smallest = math.inf
    for i in range(1, len(x)):
        smallest = min(smallest, x[i] - x[i - 1])
    return 2.5 * smallest


@kernel
def _place(x, center, scale, step, theta, width):
    """Nodes of integrals, 0 among them, and their share of theta; returns how many and where 0 is.

    theta and width (N,) are filled; the range is STRETCH times as far as the grid's ends, and holds 0.
    """
    far = STRETCH * max(x[len(x) - 1] - center, center - x[0]) / scale
    half = min(SINH_SCALE * math.asinh(far / SINH_SCALE), FARTHEST)
    # So far from 0 that e^-700 would be generous, it does not matter where exactly it is.
    zero = min(max(SINH_SCALE * math.asinh(-center / (scale * SINH_SCALE)), -FARTHEST), FARTHEST)
    n_below = math.ceil((zero - min(-half, zero)) / step) + 2
    n_above = math.ceil((max(half, zero) - zero) / step) + 2
    n = n_below + n_above + 1
    for i in range(n):
        grown = exp((zero + step * (i - n_below)) / SINH_SCALE)
        theta[i] = center + scale * SINH_SCALE * 0.5 * (grown - 1.0 / grown)
        width[i] = step * scale * 0.5 * (grown + 1.0 / grown)
    theta[n_below] = 0.0
    return n, n_below


@kernel
def _step_at(point, center, scale, step):
    """Distance of the nodes of `_place` at a point."""
    return step * math.sqrt(scale * scale + ((point - center) / SINH_SCALE) ** 2)


@inner_sum
def normal_sum(theta, weight, n, half_precision):
    """sum_i weight_i exp(-half_precision theta_i^2) over the first n nodes."""
    total = 0.0
    for i in range(n):
        total += weight[i] * exp(-half_precision * theta[i] * theta[i])
    return total


@kernel
def prepare(grid, loglik, curvature, theta, weight, size, top, count):
    """Nodes and weights of every gene's integrals, for `component_loglik`; returns the largest number of nodes.

    grid, loglik (G, T). curvature (G, T) of the splines, theta and weight (G, N), size, top and count (G,)
    are filled; N is at most MAX_NODES.
    """
    n_genes, n_nodes = grid.shape
    place = np.empty(MAX_NODES)
    width = np.empty(MAX_NODES)
    value = np.empty(MAX_NODES)
    most = 0
    for g in range(n_genes):
        x, y = grid[g], loglik[g]
        spline_curvature(x, y, curvature[g], value)
        size[g] = grid_scale(x)
        n, _ = _place(x, x[n_nodes // 2], size[g], STEP, place, width)
        spline_values(place, n, x, y, curvature[g], value)
        begin, end, top[g] = _weigh(value, width, n, CUT)
        count[g] = min(end - begin, theta.shape[1])
        most = max(most, end - begin)
        for i in range(count[g]):
            theta[g, i] = place[begin + i]
            weight[g, i] = value[begin + i]
    return most


@summing
def _sum_exp(value, n, highest):
    """sum_i exp(value_i - highest) over the first n."""
    total = 0.0
    for i in range(n):
        total += exp(value[i] - highest)
    return total


@kernel
def _log_sum_exp(value, n):
    """log sum_i exp(value_i) over the first n."""
    highest = -math.inf
    for i in range(n):
        highest = max(highest, value[i])
    return highest + log(_sum_exp(value, n, highest))


@kernel
def _log_mean(center, spread, x, y, curvature, theta, value):
    """log int L(center + d) N(d; 0, spread^2) dd for a spread in which L is smooth; theta and value are work space."""
    for i in range(NARROW_NODES):
        theta[i] = center + spread * (NARROW_STEP * i - NARROW_END)
    spline_values(theta, NARROW_NODES, x, y, curvature, value)
    for i in range(NARROW_NODES):
        z = NARROW_STEP * i - NARROW_END
        value[i] -= 0.5 * z * z
    return _log_sum_exp(value, NARROW_NODES) + LOG_NARROW_STEP - HALF_LOG_2PI


@kernel
def component_loglik(grid, loglik, curvature, theta, weight, size, top, count, scale, out):
    """log L_gk = log int L_g(theta) N(theta; 0, scale_0^2 + scale_k^2 [k > 0]) dtheta.

    grid, loglik (G, T); the rest from `prepare`; scale (K,); out (G, K) is filled.
    """
    narrow_theta = np.empty(NARROW_NODES)
    narrow_value = np.empty(NARROW_NODES)
    for g in range(len(grid)):
        for k in range(len(scale)):
            spread = math.sqrt(scale[0] * scale[0] + (scale[k] * scale[k] if k > 0 else 0.0))
            if spread >= NARROW * size[g]:
                total = normal_sum(theta[g], weight[g], count[g], 0.5 / (spread * spread))
                out[g, k] = top[g] + log(max(total, 1e-300)) - log(spread) - HALF_LOG_2PI
            elif spread > 0.0:
                out[g, k] = _log_mean(0.0, spread, grid[g], loglik[g], curvature[g], narrow_theta, narrow_value)
            else:
                narrow_theta[0] = 0.0
                spline_values(narrow_theta, 1, grid[g], loglik[g], curvature[g], narrow_value)
                out[g, k] = narrow_value[0]


@kernel
def _weigh(value, width, n, cut):
    """Turn log likelihoods (N,) into weights relative to their peak; returns the range that counts, and the peak."""
    top = -math.inf
    for i in range(n):
        top = max(top, value[i])
    begin = n
    end = 0
    for i in range(n):
        if value[i] > top - cut:
            begin = min(begin, i)
            end = max(end, i + 1)
    for i in range(begin, end):
        value[i] = width[i] * exp(value[i] - top)
    return begin, end, top


@kernel
def convolve_normal(grid, loglik, sd, out_grid, out_loglik):
    """Convolve every likelihood with N(0, sd^2): log int L_g(theta + d) N(d; 0, sd^2) dd, on wider grids.

    grid, loglik (G, T); sd above 0; out_grid and out_loglik (G, T) are filled.
    """
    n_genes, n_nodes = grid.shape
    curvature = np.empty(n_nodes)
    theta = np.empty(MAX_NODES)
    width = np.empty(MAX_NODES)
    value = np.empty(MAX_NODES)
    for g in range(n_genes):
        x, y = grid[g], loglik[g]
        spline_curvature(x, y, curvature, value)
        size = grid_scale(x)
        center = x[n_nodes // 2]
        stretch = math.sqrt(1.0 + (sd / size) ** 2)
        for t in range(n_nodes):
            out_grid[g, t] = center + stretch * (x[t] - center)
        half_precision = 0.5 / (sd * sd)
        step = NARROW_STEP * sd
        n = math.ceil((out_grid[g, n_nodes - 1] - out_grid[g, 0]) / step) + NARROW_NODES
        if sd < NARROW * size and n <= MAX_NODES:
            # Even nodes serve all points, each of which takes those near it.
            low = out_grid[g, 0] - NARROW_END * sd
            for i in range(n):
                theta[i] = low + step * i
            spline_values(theta, n, x, y, curvature, value)
            for t in range(n_nodes):
                point = out_grid[g, t]
                first = min(int((point - out_grid[g, 0]) / step + 0.5), n - NARROW_NODES)
                for i in range(NARROW_NODES):
                    width[i] = value[first + i] - half_precision * (theta[first + i] - point) ** 2
                out_loglik[g, t] = _log_sum_exp(width, NARROW_NODES) + LOG_NARROW_STEP - HALF_LOG_2PI
            continue
        if sd < NARROW * size:
            for t in range(n_nodes):
                out_loglik[g, t] = _log_mean(out_grid[g, t], sd, x, y, curvature, theta, value)
            continue
        n, _ = _place(x, center, size, STEP, theta, width)
        spline_values(theta, n, x, y, curvature, value)
        for i in range(n):
            value[i] += log(width[i])
        for t in range(n_nodes):
            point = out_grid[g, t]
            for i in range(n):
                width[i] = value[i] - half_precision * (theta[i] - point) ** 2
            out_loglik[g, t] = _log_sum_exp(width, n) - log(sd) - HALF_LOG_2PI


@kernel
def _log_prior(theta, n, weight, scale, active, out):
    """log sum_k weight_k N(theta; 0, scale_k^2) over the active slabs (the widest last), at theta[:n]."""
    widest = active[len(active) - 1]
    base = 0.5 / (scale[widest] * scale[widest])
    for i in range(n):
        out[i] = weight[widest] / scale[widest]
    for a in range(len(active) - 1):
        k = active[a]
        height = weight[k] / scale[k]
        # Relative to the widest, so that nothing underflows.
        excess = 0.5 / (scale[k] * scale[k]) - base
        for i in range(n):
            out[i] += height * exp(-excess * theta[i] * theta[i])
    for i in range(n):
        out[i] = log(out[i]) - base * theta[i] * theta[i]


@kernel
def _steep_tail(point, side, step, x, y, curvature, weight, scale, active):
    """Mass of L times the prior below (side 1) or above (side -1) a point, relative to its density there.

    -1 where the density does not fall steeply from there: sums over nodes, `step` apart, serve.
    """
    n = len(LAGUERRE_NODES)
    theta = np.empty(n)
    value = np.empty(n)
    prior = np.empty(n)
    small = 1e-3 * step
    for i in range(3):
        theta[i] = point + (i - 1) * small
    spline_values(theta, 3, x, y, curvature, value)
    _log_prior(theta, 3, weight, scale, active, prior)
    at_point = value[1] + prior[1]
    slope = side * (value[2] + prior[2] - value[0] - prior[0]) / (2.0 * small)
    if slope * step <= STEEP:
        return -1.0
    for i in range(n):
        # Ascending, as the spline wants them.
        theta[i] = point - side * LAGUERRE_NODES[n - 1 - i if side > 0 else i] / slope
    spline_values(theta, n, x, y, curvature, value)
    _log_prior(theta, n, weight, scale, active, prior)
    total = 0.0
    for i in range(n):
        j = n - 1 - i if side > 0 else i
        total += LAGUERRE_WEIGHTS[j] * exp(value[i] + prior[i] - at_point + LAGUERRE_NODES[j])
    return total / slope


@kernel
def _edge(f, i):
    """What the trapezoid rule up to node i leaves out: minus f'/12 + f'''/720, by central differences."""
    first = (f[i - 2] - 8.0 * f[i - 1] + 8.0 * f[i + 1] - f[i + 2]) / 12.0
    third = 0.5 * (f[i + 2] - 2.0 * f[i + 1] + 2.0 * f[i - 1] - f[i - 2])
    return third / 720.0 - first / 12.0


@kernel
def _cubic(f, i):
    """Coefficients by powers of x of the cubic through f at -1, 0, 1 and 2 steps from node i."""
    a, b, c, d = f[i - 1], f[i], f[i + 1], f[i + 2]
    return b, c - d / 6.0 - 0.5 * b - a / 3.0, 0.5 * (a + c) - b, (d - a) / 6.0 + 0.5 * (b - c)


@kernel
def _at(cubic, x):
    return cubic[0] + x * (cubic[1] + x * (cubic[2] + x * cubic[3]))


@kernel
def _integral(cubic, x):
    """The integral of a cubic from 0 to x."""
    return x * (cubic[0] + x * (cubic[1] / 2.0 + x * (cubic[2] / 3.0 + x * cubic[3] / 4.0)))


@kernel
def _below(f, theta, begin, end, point):
    """The mass of f (N,), which is 0 outside its nodes begin to end, below a point."""
    mass = 0.0
    if point <= theta[begin]:
        return mass
    for i in range(begin, end):
        if theta[i + 1] >= point:
            cubic = _cubic(theta, i)
            low, high = 0.0, 1.0
            for _ in range(40):
                middle = 0.5 * (low + high)
                if _at(cubic, middle) < point:
                    low = middle
                else:
                    high = middle
            return max(mass + 0.5 * f[i] + _edge(f, i) + _integral(_cubic(f, i), low), 0.0)
        mass += f[i]
    return mass


@kernel
def _quantile(f, theta, begin, end, target):
    """The point below which lies the mass `target` of f (N,), which is 0 outside its nodes begin to end."""
    mass = 0.0
    for i in range(begin, end):
        if mass + f[i] + 0.5 * f[i + 1] + _edge(f, i + 1) >= target:
            at_node = mass + 0.5 * f[i] + _edge(f, i)
            cubic = _cubic(f, i)
            low, high = 0.0, 1.0
            for _ in range(40):
                middle = 0.5 * (low + high)
                if at_node + _integral(cubic, middle) < target:
                    low = middle
                else:
                    high = middle
            return _at(_cubic(theta, i), low)
        mass += f[i]
    return theta[end]


@kernel
def grid_posterior(grid, loglik, lfdr, weight, scale, active, interval, threshold, out):
    """Fill out (G, 10): mean, sd, lower, upper, lfdr, lfsr, up, down, and lower and upper given that the gene is
    changed, of effects without drift (`convolve_normal`).

    grid, loglik (G, T), lfdr (G,); weight (G, K), of each gene, and scale (K,) of the prior, whose first component is
    the point mass at 0 and whose slabs ascend; active the indices of the slabs that have weight in some gene.
    """
    n_genes, n_nodes = grid.shape
    curvature = np.empty(n_nodes)
    theta = np.empty(MAX_NODES)
    width = np.empty(MAX_NODES)
    value = np.empty(MAX_NODES)
    density = np.empty(MAX_NODES)
    theta_value = np.empty(1)
    for g in range(n_genes):
        null = lfdr[g] if len(active) > 0 else 1.0
        for column in range(8):
            out[g, column] = 0.0
        out[g, 8] = math.nan
        out[g, 9] = math.nan
        out[g, 4] = null
        out[g, 5] = null
        if len(active) == 0:
            continue
        x, y = grid[g], loglik[g]
        spline_curvature(x, y, curvature, value)
        size = grid_scale(x)
        center = x[n_nodes // 2]
        if scale[active[0]] < NARROW * size:
            center, size = 0.0, scale[active[0]]
        n, zero = _place(x, center, size, FINE_STEP, theta, width)
        spline_values(theta, n, x, y, curvature, value)
        _log_prior(theta, n, weight[g], scale, active, density)
        for i in range(n):
            value[i] += density[i]
        at_zero = value[zero]
        begin, end, top = _weigh(value, width, n, POSTERIOR_CUT)
        # Differences look two nodes either way.
        begin = max(begin, 2)
        end = min(end, n - 3)
        for i in range(n):
            density[i] = 0.0
        total = 0.0
        mean = 0.0
        for i in range(begin, end):
            density[i] = value[i]
            total += value[i]
            mean += value[i] * theta[i]
        mean /= total
        square = 0.0
        for i in range(begin, end):
            density[i] /= total
            square += density[i] * (theta[i] - mean) ** 2
        real = 1.0 - null
        out[g, 0] = real * mean
        out[g, 1] = math.sqrt(real * (square + null * mean * mean))
        # The tails beside 0, the smaller of them to its own digits.
        edge = _edge(density, zero) if 2 <= zero < n - 2 else 0.0
        below = 0.5 * density[zero] + edge
        above = 0.5 * density[zero] - edge
        for i in range(begin, end):
            if i < zero:
                below += density[i]
            elif i > zero:
                above += density[i]
        step = _step_at(0.0, center, size, FINE_STEP)
        for side in (1, -1):
            steep = _steep_tail(0.0, side, step, x, y, curvature, weight[g], scale, active)
            if steep >= 0.0:
                small = steep * exp(at_zero - top) / total
                below, above = (small, 1.0 - small) if side > 0 else (1.0 - small, small)
        below = real * min(max(below, 0.0), 1.0)
        above = real * min(max(above, 0.0), 1.0)
        out[g, 5] = null + min(below, above)
        tail = 0.5 * (1.0 - interval)
        for side in (1, -1):
            beside = below if side > 0 else above
            out[g, 6 if side < 0 else 7] = beside
            if threshold > 0.0:
                far = _below(density, theta, begin, end, -threshold)
                step = _step_at(-side * threshold, center, size, FINE_STEP)
                steep = _steep_tail(-side * threshold, side, step, x, y, curvature, weight[g], scale, active)
                if steep >= 0.0:
                    theta_value[0] = -side * threshold
                    spline_values(theta_value, 1, x, y, curvature, value)
                    _log_prior(theta_value, 1, weight[g], scale, active, width)
                    far = steep * exp(value[0] + width[0] - top) / total
                out[g, 6 if side < 0 else 7] = real * far
            if tail <= beside or tail > beside + null:
                target = (tail if tail <= beside else tail - null) / real
                bound = _quantile(density, theta, begin, end, target)
                out[g, 2 if side > 0 else 3] = side * bound
            out[g, 8 if side > 0 else 9] = side * _quantile(density, theta, begin, end, tail)
            if side > 0:
                # What holds below holds above in the mirror: no probability is ever taken from 1.
                for i in range(n // 2):
                    j = n - 1 - i
                    density[i], density[j] = density[j], density[i]
                    theta[i], theta[j] = -theta[j], -theta[i]
                if n % 2 == 1:
                    theta[n // 2] = -theta[n // 2]
                begin, end = n - end, n - begin


@kernel
def _slope(x, y, curvature, i, theta):
    """Derivative of the spline at theta, between nodes i and i + 1."""
    width = x[i + 1] - x[i]
    a = (x[i + 1] - theta) / width
    b = 1.0 - a
    bend = (3.0 * b * b - 1.0) * curvature[i + 1] - (3.0 * a * a - 1.0) * curvature[i]
    return (y[i + 1] - y[i]) / width + bend * width / 6.0


@kernel
def _mode(x, y, curvature):
    """Where the spline is highest and its second derivative there; the middle and 0 where one side is flat."""
    n = len(x)
    best = 0
    for t in range(n):
        if y[t] > y[best]:
            best = t
    if y[best] - max(y[0], y[n - 1]) < 0.5:
        return x[n // 2], 0.0
    i = best if _slope(x, y, curvature, best, x[best]) > 0.0 else best - 1
    low, high = x[i], x[i + 1]
    for _ in range(50):
        middle = 0.5 * (low + high)
        if _slope(x, y, curvature, i, middle) > 0.0:
            low = middle
        else:
            high = middle
    share = (low - x[i]) / (x[i + 1] - x[i])
    return low, (1.0 - share) * curvature[i] + share * curvature[i + 1]


@kernel
def _degrees_of_freedom(drop):
    """df of the t whose log likelihood is `drop` lower three curvature widths from its peak, or infinite.

    (df + 1)/2 log(1 + 9/(df + 1)) = drop, which rises from 0 to 4.5.
    """
    low, high = 0.0, 14.0
    for _ in range(50):
        middle = 0.5 * (low + high)
        share = exp(middle)
        if 0.5 * share * math.log1p(9.0 / share) < drop:
            low = middle
        else:
            high = middle
    return max(exp(low) - 1.0, 1.0) if high < 14.0 else math.inf


@kernel
def summarise(grid, loglik, weight, scale, active, out):
    """Fill out (G, 4): estimate, standard error, degrees of freedom, p-value.

    Estimate: the peak of L, or the middle of the grid where L is flat to one side. Standard error and
    df: of the t with the same curvature at the peak and the same mean drop three of its widths to either
    side. p-value: twice the smaller tail below or above 0 of L under weight (2,), scale (2,) and active (1,),
    a prior of one wide slab that keeps tails finite where L is flat to one side.
    """
    n_genes, n_nodes = grid.shape
    curvature = np.empty(n_nodes)
    theta = np.empty(MAX_NODES)
    width = np.empty(MAX_NODES)
    value = np.empty(MAX_NODES)
    point = np.empty(3)
    for g in range(n_genes):
        x, y = grid[g], loglik[g]
        spline_curvature(x, y, curvature, value)
        size = grid_scale(x)
        estimate, bend = _mode(x, y, curvature)
        reach = 1.0 / math.sqrt(-bend) if bend < 0.0 else size
        # A peak on a plain as good as flat has no width of its own.
        reach = min(reach, 2.0 * size)
        point[0], point[1], point[2] = estimate - 3.0 * reach, estimate, estimate + 3.0 * reach
        spline_values(point, 3, x, y, curvature, value)
        left, right = value[1] - value[0], value[1] - value[2]
        drop = 0.5 * (left + right) if min(left, right) > 0.5 else max(left, right)
        df = _degrees_of_freedom(drop)
        out[g, 0] = estimate
        out[g, 1] = reach * (math.sqrt((df + 1.0) / df) if math.isfinite(df) else 1.0)
        out[g, 2] = df
        n, zero = _place(x, x[n_nodes // 2], size, SIDE_STEP, theta, width)
        spline_values(theta, n, x, y, curvature, value)
        at_zero = value[zero]
        for i in range(n):
            # Relative to 0, where the tails begin, so that they keep their digits however small they are.
            value[i] = width[i] * exp(value[i] - at_zero - 0.5 * (theta[i] / scale[1]) ** 2)
        edge = _edge(value, zero)
        below = 0.5 * value[zero] + edge
        for i in range(zero):
            below += value[i]
        above = 0.5 * value[zero] - edge
        for i in range(zero + 1, n):
            above += value[i]
        smaller = min(below, above)
        step = _step_at(0.0, x[n_nodes // 2], size, SIDE_STEP)
        for side in (1, -1):
            steep = _steep_tail(0.0, side, step, x, y, curvature, weight, scale, active)
            if steep >= 0.0:
                smaller = steep
        out[g, 3] = min(max(2.0 * smaller / (below + above), 1e-300), 1.0)
