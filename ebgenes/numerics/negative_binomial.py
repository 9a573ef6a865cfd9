"""Negative-binomial likelihoods of one gene, profiled over nuisance coefficients, many at a time.

y_i ~ NB(mean mu_i, variance mu_i + alpha mu_i^2), mu_i = size_i exp(v_i theta + z_i'gamma), natural logs.
Samples are sorted by their distinct design rows, so that an exponential is taken once a row: `count` y and
`size` (S,), `first` (R + 1,) where each row's samples begin, `rows` (R, 1 + p) with v in column 0 and z in
the others. A lane is one pair (theta, alpha); the last axis of every array runs over L lanes, which the
compiler handles eight at a time.

Where a row has many samples and all genes share their size factors s_i, sums over its samples are read off a
table: with tau = log(alpha) + log(mu_i/s_i), sum y log(1 + alpha mu) = F_g(tau) = sum_i y_i log(1 + s_i e^tau) is
linear in the counts, and sum log(1 + alpha mu) = H(tau) is the same for all genes. Tables (R, 6 J) hold, for each
of J even cells of tau, the coefficients of a quintic in the share of the cell; `moments` (R, 8) what rules beyond
either end; J is 0 where there are none. `lattice` is the first tau, the step, the log of the gene's mean, by which its
size factors are multiplied, and the log of the first sample's size factor. `joint` (R, A, 6 J) is F_g + H/alpha for
each of A dispersions; lanes go through these in turn.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ebgenes.numerics.jit import inlined, inner, kernel, summing
from ebgenes.numerics.vector import exp, fetch, log, log_rising, lowest_terms, put

# A normal prior with standard deviation 1,000 keeps a coefficient finite where a whole group is 0, and
# moves none that the data speak of.
RIDGE = 1e-6
# The same for the effect, only while nodes are placed around it: 4 nat, so that they surround the edge of
# a likelihood that is flat beyond.
PLACING_RIDGE = 1.0 / 16.0
# Newton's method stops when a step would raise the log likelihood by less, and leaves some 1e-10.
TOLERANCE = 1e-5
# Steps that promise more are looked at for whether they go too far.
FAR_STEP = 0.01
MAX_STEP = 3.0
MAX_ITERATIONS = 200
# Where it strays, as where groups of zeros leave coefficients to the weak prior alone, which lets them go hundreds
# of nat, steps are longer but none that loses height is taken.
LONG_STEP = 50.0
MAX_CAREFUL = 1000
HALVINGS = 40
# Range of the dispersions whose likelihood is looked at, natural log, and how far below its peak nodes end.
LOWEST = math.log(1e-5)
HIGHEST = math.log(20.0)
CUT = 15.0
# Points from which the nodes of a dispersion's integral are placed.
PLACING = 41
# The dispersion's nodes start no lower: Poisson for any count.
SMALLEST_LOG_DISPERSION = math.log(1e-8)
# Effects whose likelihood is smaller than e^-60 of its peak are not computed but extrapolated.
NEGLIGIBLE = 60.0

# From so many samples on, sums over counts are condensed: see `condense`.
FEW = 64
SMALL = 24
DEGREE = 14
PANEL_WIDTH = 2.5
PANELS = 8
ANGLE = np.pi * (np.arange(DEGREE) + 0.5) / DEGREE
PANEL_COUNT = SMALL * np.exp(PANEL_WIDTH * 0.5 * (1.0 + np.cos(ANGLE)))
# Discrete orthogonality: what takes sums of Chebyshev's polynomials to weights at their nodes.
CHEBYSHEV = np.cos(np.arange(DEGREE)[:, None] * ANGLE) * np.where(np.arange(DEGREE) > 0, 2.0, 1.0)[:, None] / DEGREE


@kernel
def _predict(rows, r, theta, gamma, eta):
    """v theta + z'gamma of one distinct row, in every lane."""
    v = rows[r, 0]
    for lane in range(len(eta)):
        eta[lane] = v * theta[lane]
    for j in range(gamma.shape[0]):
        z = rows[r, 1 + j]
        for lane in range(len(eta)):
            eta[lane] += z * gamma[j, lane]


@kernel
def _factor(matrix):
    """Overwrite the lower triangles of matrix (p, p, L) with their Cholesky factors."""
    n, _, n_lanes = matrix.shape
    for j in range(n):
        for k in range(j + 1):
            for m in range(k):
                for lane in range(n_lanes):
                    matrix[j, k, lane] -= matrix[j, m, lane] * matrix[k, m, lane]
            if j == k:
                for lane in range(n_lanes):
                    matrix[j, j, lane] = math.sqrt(max(matrix[j, j, lane], 1e-300))
            else:
                for lane in range(n_lanes):
                    matrix[j, k, lane] /= matrix[k, k, lane]


@kernel
def _forward(factor, right):
    """Overwrite right (p, L) with F^-1 right."""
    for j in range(right.shape[0]):
        for m in range(j):
            for lane in range(right.shape[1]):
                right[j, lane] -= factor[j, m, lane] * right[m, lane]
        for lane in range(right.shape[1]):
            right[j, lane] /= factor[j, j, lane]


@kernel
def _backward(factor, right):
    """Overwrite right (p, L) with F'^-1 right."""
    n = right.shape[0]
    for i in range(n):
        j = n - 1 - i
        for m in range(j + 1, n):
            for lane in range(right.shape[1]):
                right[j, lane] -= factor[m, j, lane] * right[m, lane]
        for lane in range(right.shape[1]):
            right[j, lane] /= factor[j, j, lane]


@kernel
def _start(ridge, matrix):
    for j in range(len(ridge)):
        for k in range(j):
            for lane in range(matrix.shape[2]):
                matrix[j, k, lane] = 0.0
        for lane in range(matrix.shape[2]):
            matrix[j, j, lane] = ridge[j]


@kernel
def _add_row(rows, r, weight, matrix):
    """Add z z' weight of one distinct row to the lower triangles of matrix (p, p, L)."""
    for j in range(matrix.shape[0]):
        for k in range(j + 1):
            product = rows[r, 1 + j] * rows[r, 1 + k]
            if product != 0.0:
                for lane in range(len(weight)):
                    matrix[j, k, lane] += product * weight[lane]


@kernel
def _cut(rows, step, move, largest, longest):
    """Shorten steps (p, L) that would move a sample's log mean by more than `longest`."""
    for lane in range(len(move)):
        largest[lane] = longest
    for r in range(rows.shape[0]):
        for lane in range(len(move)):
            move[lane] = 0.0
        for j in range(step.shape[0]):
            for lane in range(len(move)):
                move[lane] += rows[r, 1 + j] * step[j, lane]
        for lane in range(len(move)):
            largest[lane] = max(largest[lane], abs(move[lane]))
    for j in range(step.shape[0]):
        for lane in range(len(move)):
            step[j, lane] *= longest / largest[lane]


@inner
def tabulate(count, size, first, stand_in, basis, powers, tables, part):
    """Make the tables one gene's: sums over each row's samples of count times basis and powers of its size factor.

    Sums over samples i become sums over a few stand-ins k, of sum_i count_i stand_in_ik reads each, at whose size
    factors basis (K, 6 J) and powers (K, 8) are known. part (K,) is work space.
    """
    table, moments, _, _, lattice, _ = tables
    if table.shape[1] == 0:
        return
    for r in range(table.shape[0]):
        _weighted_sums(count, first[r], first[r + 1], stand_in, part)
        _weighted_sums(part, 0, len(part), basis, table[r])
        _weighted_sums(part, 0, len(part), powers, moments[r])
    # The gene's mean: its first sample's level over that sample's size factor.
    lattice[2] = math.log(size[0]) - lattice[3]


@inner
def join_tables(alpha, tables):
    """Fill the tables of both sums together, for each dispersion alpha (A,)."""
    counted, _, plain, _, _, joint = tables
    for r in range(counted.shape[0]):
        for a in range(len(alpha)):
            inverse = 1.0 / alpha[a]
            for j in range(counted.shape[1]):
                joint[r, a, j] = counted[r, j] + inverse * plain[r, j]


@kernel
def _weighted_sums(weight, begin, end, rows, out):
    """Fill out (n,) with sum_i weight_i rows_i, i from begin to end - 1."""
    for j in range(len(out)):
        out[j] = 0.0
    for i in range(begin, end):
        share = weight[i]
        if share != 0.0:
            for j in range(len(out)):
                out[j] += share * rows[i, j]


@inlined
def _series(u, moments, first):
    """sum c log(1 + s u) and its derivatives by log u, to the third order in s u; moments from `first`: sum c s^k."""
    one, two, three = moments[first], moments[first + 1], moments[first + 2]
    return (
        u * (one - u * (two / 2.0 - u * three / 3.0)),
        u * (one - u * (two - u * three)),
        u * (one - u * (2.0 * two - 3.0 * u * three)),
    )


@inlined
def _beyond(tau, inverse, low, counted_moments, plain_moments):
    """What `_row_slopes` and `_row_values` fill, for one lane below (low) or above the table."""
    u = exp(tau) if low else exp(-tau)
    first = 0 if low else 5
    f0, f1, f2 = _series(u, counted_moments, first)
    h0, h1, h2 = _series(u, plain_moments, first)
    if not low:
        # log(1 + s u) = log s + tau + log(1 + 1/(s u)).
        f0 += counted_moments[4] + counted_moments[3] * tau
        h0 += plain_moments[4] + plain_moments[3] * tau
        f1 = counted_moments[3] - f1
        h1 = plain_moments[3] - h1
    return f0 + inverse * h0, f1 + inverse * h1, f2 + inverse * h2, inverse * h1


@inner
def shift_tables(alpha, tables, work):
    """Keep in work, for `_row_slopes` and `_row_values`, what lanes need of their dispersions.

    1/alpha, where on the lattice log mu = 0 lies, in steps, and the cells of `joint` before the dispersion's own.
    """
    lattice, joint = tables[4], tables[5]
    n_alphas, n_cells = joint.shape[1], joint.shape[2] // 6
    for lane in range(len(alpha) if n_cells > 0 else 0):
        work[5, lane] = 1.0 / alpha[lane]
        work[6, lane] = (log(alpha[lane]) + lattice[2] - lattice[0]) / lattice[1]
        work[7, lane] = lane % n_alphas * n_cells


@inlined
def _locate(place, n_cells):
    """The cell of a table that a place lies in, or of its nearest end, and the share of the cell before it."""
    place = min(max(place, 0.0), n_cells - 1e-9)
    cell = int(place)
    return cell, place - cell


@kernel
def _row_slopes(r, eta, tables, work):
    """Derivatives by log mu of one row's sum of (y + 1/alpha) log(1 + alpha mu), to work[2] and work[3]."""
    _, counted_moments, _, plain_moments, lattice, joint = tables
    inverse, shift, before = work[5], work[6], work[7]
    n_cells = joint.shape[2] // 6
    table = joint[r].reshape(-1)
    per_step = 1.0 / lattice[1]
    slope, curvature = work[2], work[3]
    n_beyond = 0
    # Without a branch inside, the loop is vectorized: lanes beyond the table are mended afterwards.
    for lane in range(len(eta)):
        place = fetch(eta, lane) * per_step + fetch(shift, lane)
        n_beyond += (place < 0.0) | (place >= n_cells)
        cell, x = _locate(place, n_cells)
        at = 6 * (cell + int(fetch(before, lane)))
        c1, c2, c3 = fetch(table, at + 1), fetch(table, at + 2), fetch(table, at + 3)
        c4, c5 = fetch(table, at + 4), fetch(table, at + 5)
        put(slope, lane, per_step * (c1 + x * (2.0 * c2 + x * (3.0 * c3 + x * (4.0 * c4 + x * 5.0 * c5)))))
        put(curvature, lane, per_step * per_step * (2.0 * c2 + x * (6.0 * c3 + x * (12.0 * c4 + x * 20.0 * c5))))
    if n_beyond > 0:
        for lane in range(len(eta)):
            place = eta[lane] * per_step + shift[lane]
            if place < 0.0 or place >= n_cells:
                _, slope[lane], curvature[lane], _ = _beyond(
                    lattice[0] + lattice[1] * place, inverse[lane], place < 0.0, counted_moments[r], plain_moments[r]
                )


@kernel
def _row_values(r, eta, tables, work):
    """One row's sums of (y + 1/alpha) log(1 + alpha mu) and of mu/(1 + alpha mu), to work[1] and work[4]."""
    _, counted_moments, plain, plain_moments, lattice, joint = tables
    inverse, shift, before = work[5], work[6], work[7]
    n_cells = joint.shape[2] // 6
    table, h = joint[r].reshape(-1), plain[r]
    per_step = 1.0 / lattice[1]
    value, weight = work[1], work[4]
    n_beyond = 0
    for lane in range(len(eta)):
        place = fetch(eta, lane) * per_step + fetch(shift, lane)
        n_beyond += (place < 0.0) | (place >= n_cells)
        cell, x = _locate(place, n_cells)
        at = 6 * (cell + int(fetch(before, lane)))
        c0, c1, c2 = fetch(table, at), fetch(table, at + 1), fetch(table, at + 2)
        c3, c4, c5 = fetch(table, at + 3), fetch(table, at + 4), fetch(table, at + 5)
        put(value, lane, c0 + x * (c1 + x * (c2 + x * (c3 + x * (c4 + x * c5)))))
        at = 6 * cell
        h1, h2, h3, h4, h5 = fetch(h, at + 1), fetch(h, at + 2), fetch(h, at + 3), fetch(h, at + 4), fetch(h, at + 5)
        rise = h1 + x * (2.0 * h2 + x * (3.0 * h3 + x * (4.0 * h4 + x * 5.0 * h5)))
        put(weight, lane, per_step * fetch(inverse, lane) * rise)
    if n_beyond > 0:
        for lane in range(len(eta)):
            place = eta[lane] * per_step + shift[lane]
            if place < 0.0 or place >= n_cells:
                value[lane], _, _, weight[lane] = _beyond(
                    lattice[0] + lattice[1] * place, inverse[lane], place < 0.0, counted_moments[r], plain_moments[r]
                )


@kernel
def _newton_step(count, size, first, rows, tables, theta, alpha, ridge, gamma, step, hessian, work):
    """Newton's step for gamma in every lane, up to `_backward`, whose square is twice the gain the model promises.

    Arguments as in `maximise`; step and the factor of hessian are filled, and work[0] with that square.
    """
    eta, level, slope, curvature = work[0], work[1], work[2], work[3]
    total, plain = tables[1][:, 3], tables[2]
    n_nuisance, n_lanes = gamma.shape
    for j in range(n_nuisance):
        for lane in range(n_lanes):
            step[j, lane] = -ridge[j] * gamma[j, lane]
    _start(ridge, hessian)
    for r in range(rows.shape[0]):
        _predict(rows, r, theta, gamma, eta)
        if plain.shape[1] > 0:
            _row_slopes(r, eta, tables, work)
            for lane in range(n_lanes):
                slope[lane] = total[r] - slope[lane]
        else:
            for lane in range(n_lanes):
                level[lane] = exp(eta[lane])
                slope[lane] = 0.0
                curvature[lane] = 0.0
            for i in range(first[r], first[r + 1]):
                y = count[i]
                s = size[i]
                for lane in range(n_lanes):
                    mu = s * level[lane]
                    shrink = 1.0 / (1.0 + alpha[lane] * mu)
                    slope[lane] += (y - mu) * shrink
                    curvature[lane] += mu * (1.0 + alpha[lane] * y) * (shrink * shrink)
        for j in range(n_nuisance):
            for lane in range(n_lanes):
                step[j, lane] += rows[r, 1 + j] * slope[lane]
        _add_row(rows, r, curvature, hessian)
    _factor(hessian)
    _forward(hessian, step)
    square = eta
    for lane in range(n_lanes):
        square[lane] = 0.0
    for j in range(n_nuisance):
        for lane in range(n_lanes):
            square[lane] += step[j, lane] * step[j, lane]


@kernel
def maximise(count, size, first, rows, tables, theta, alpha, ridge, gamma, step, hessian, work):
    """Newton's method for gamma in every lane; the log likelihood is concave in it.

    theta, alpha (L,); ridge (p,) precisions of the coefficients' priors; gamma (p, L) is the start and
    becomes the maximum. Work space: step (p, L), hessian (p, p, L), which keeps the last step's Cholesky
    factor, and work (8, L), which holds what `shift_tables` puts there. Returns whether every lane converged.
    """
    square, spare = work[0], work[1]
    n_nuisance, n_lanes = gamma.shape
    for _ in range(MAX_ITERATIONS if n_nuisance > 0 else 0):
        _newton_step(count, size, first, rows, tables, theta, alpha, ridge, gamma, step, hessian, work)
        n_far, n_still = 0, 0
        for lane in range(n_lanes):
            n_far += square[lane] > FAR_STEP
            # Not so where it is not a number.
            n_still += square[lane] < TOLERANCE
        _backward(hessian, step)
        if n_far > 0:
            _cut(rows, step, square, spare, MAX_STEP)
        for j in range(n_nuisance):
            for lane in range(n_lanes):
                gamma[j, lane] += step[j, lane]
        if n_still == n_lanes:
            return True
    if n_nuisance == 0:
        return True
    return _maximise_carefully(count, size, first, rows, tables, theta, alpha, ridge, gamma, step, hessian, work)


@kernel
def _maximise_carefully(count, size, first, rows, tables, theta, alpha, ridge, gamma, step, hessian, work):
    """What `maximise` does, for where Newton's steps stray: from 0, and with steps halved until none loses height."""
    square, spare = work[0], work[1]
    n_nuisance, n_lanes = gamma.shape
    height, trial_height, share = np.empty((3, n_lanes))
    trial = np.empty((n_nuisance, n_lanes))
    gamma[:] = 0.0
    _height(count, size, first, rows, tables, theta, alpha, ridge, gamma, height, work)
    for _ in range(MAX_CAREFUL):
        _newton_step(count, size, first, rows, tables, theta, alpha, ridge, gamma, step, hessian, work)
        n_moving = 0
        for lane in range(n_lanes):
            share[lane] = 0.0 if square[lane] < TOLERANCE else 1.0
            n_moving += share[lane] > 0.0
        if n_moving == 0:
            return True
        _backward(hessian, step)
        _cut(rows, step, square, spare, LONG_STEP)
        for _ in range(HALVINGS):
            for j in range(n_nuisance):
                for lane in range(n_lanes):
                    trial[j, lane] = gamma[j, lane] + share[lane] * step[j, lane]
            _height(count, size, first, rows, tables, theta, alpha, ridge, trial, trial_height, work)
            n_moving = 0
            for lane in range(n_lanes):
                if share[lane] > 0.0 and not trial_height[lane] >= height[lane]:
                    share[lane] *= 0.5
                    n_moving += 1
            if n_moving == 0:
                break
        for lane in range(n_lanes):
            if share[lane] > 0.0 and trial_height[lane] >= height[lane]:
                height[lane] = trial_height[lane]
                for j in range(n_nuisance):
                    gamma[j, lane] = trial[j, lane]
    return False


@kernel
def _row_loglik(count, size, first, r, tables, alpha, value, work):
    """Add one row's l to value (L,) and put its W into work[4]; work[0] is its log mean, work[5] is 1/alpha."""
    eta, level, weight, inverse = work[0], work[1], work[4], work[5]
    n_lanes = len(value)
    total = 0.0
    if tables[2].shape[1] > 0:
        total = tables[1][r, 3]
        _row_values(r, eta, tables, work)
        for lane in range(n_lanes):
            value[lane] -= level[lane]
    else:
        for lane in range(n_lanes):
            level[lane] = exp(eta[lane])
            weight[lane] = 0.0
        for i in range(first[r], first[r + 1]):
            y = count[i]
            s = size[i]
            total += y
            for lane in range(n_lanes):
                mu = s * level[lane]
                excess = 1.0 + alpha[lane] * mu
                value[lane] -= (y + inverse[lane]) * log(excess)
                weight[lane] += mu / excess
    for lane in range(n_lanes):
        value[lane] += total * eta[lane]


@kernel
def _height(count, size, first, rows, tables, theta, alpha, ridge, gamma, value, work):
    """l(theta, gamma, alpha) less the coefficients' penalty in every lane, to value (L,); see `adjusted_loglik`."""
    for lane in range(len(value)):
        value[lane] = 0.0
        work[5, lane] = 1.0 / alpha[lane]
    for r in range(rows.shape[0]):
        _predict(rows, r, theta, gamma, work[0])
        _row_loglik(count, size, first, r, tables, alpha, value, work)
    _penalise(ridge, gamma, value)


@kernel
def _penalise(ridge, gamma, value):
    for j in range(gamma.shape[0]):
        for lane in range(len(value)):
            value[lane] -= 0.5 * ridge[j] * gamma[j, lane] * gamma[j, lane]


@kernel
def adjusted_loglik(count, size, first, rows, tables, theta, alpha, ridge, gamma, value, hessian, work):
    """l(theta, gamma, alpha) - 1/2 log det(Z'WZ) in every lane, without `dispersion_constant`.

    l = sum y log mu - (y + 1/alpha) log(1 + alpha mu), W = diag(mu/(1 + alpha mu)); terms of y and size
    alone are left out. value (L,) is filled; the rest as in `maximise`.
    """
    eta, weight, inverse = work[0], work[4], work[5]
    n_nuisance, n_lanes = gamma.shape
    _start(ridge, hessian)
    for lane in range(n_lanes):
        value[lane] = 0.0
        inverse[lane] = 1.0 / alpha[lane]
    for r in range(rows.shape[0]):
        _predict(rows, r, theta, gamma, eta)
        _row_loglik(count, size, first, r, tables, alpha, value, work)
        _add_row(rows, r, weight, hessian)
    _factor(hessian)
    _penalise(ridge, gamma, value)
    determinant = weight
    for lane in range(n_lanes):
        determinant[lane] = 1.0
    for j in range(n_nuisance):
        for lane in range(n_lanes):
            # The factor's diagonal: the root of the determinant.
            determinant[lane] *= hessian[j, j, lane]
    for lane in range(n_lanes):
        value[lane] -= log(determinant[lane])


@kernel
def condense(count, value, weight, sums):
    """Few values and weights with sum_i f(y_i) = sum_j weight_j f(value_j), where f(0) = f(1) = 0; returns how many.

    For any f analytic within pi of the real axis in log y, to 1e-10 of its size, as log Gamma(y + r) is: counts
    below SMALL are tallied, and each e^PANEL_WIDTH-fold range of larger ones is represented by its Chebyshev
    nodes. value and weight (SMALL + PANELS DEGREE or S,) are filled; sums (PANELS, DEGREE) is work space.
    """
    n = 0
    if len(count) < FEW:
        for i in range(len(count)):
            if count[i] > 1.0:
                value[n] = count[i]
                weight[n] = 1.0
                n += 1
        return n
    for y in range(SMALL):
        weight[y] = 0.0
    sums[:] = 0.0
    for i in range(len(count)):
        value[i] = (log(max(count[i], 1.0)) - math.log(SMALL)) / PANEL_WIDTH
    for i in range(len(count)):
        if count[i] < SMALL:
            weight[int(count[i])] += 1.0
        else:
            place = value[i]
            panel = min(int(place), PANELS - 1)
            # Chebyshev's polynomials at x, by their recurrence.
            x = 2.0 * (place - panel) - 1.0
            before, here = x, 1.0
            for d in range(DEGREE):
                sums[panel, d] += here
                before, here = here, 2.0 * x * here - before
    for y in range(2, SMALL):
        if weight[y] > 0.0:
            value[n] = y
            weight[n] = weight[y]
            n += 1
    for panel in range(PANELS):
        if sums[panel, 0] > 0.0:
            for k in range(DEGREE):
                total = 0.0
                for d in range(DEGREE):
                    total += sums[panel, d] * CHEBYSHEV[d, k]
                value[n] = math.exp(PANEL_WIDTH * panel) * PANEL_COUNT[k]
                weight[n] = total
                n += 1
    return n


@kernel
def dispersion_constant(value, weight, alpha, terms, out):
    """sum_j w_j [log Gamma(y_j + 1/alpha) - log Gamma(1/alpha) + y_j log alpha], at every alpha; out like alpha.

    value y and weight w (J,) as `condense` makes them of all counts; terms (5, L) is work space.
    """
    inverse, far, series, rising, shift = terms[0], terms[1], terms[2], terms[3], terms[4]
    for lane in range(len(alpha)):
        out[lane] = 0.0
        inverse[lane] = 1.0 / alpha[lane]
        far[lane], series[lane], rising[lane], shift[lane] = lowest_terms(inverse[lane])
    for j in range(len(value)):
        y = value[j]
        share = weight[j]
        for lane in range(len(alpha)):
            out[lane] += share * log_rising(y, inverse[lane], far[lane], series[lane], rising[lane], shift[lane])


@kernel
def dispersion_profiles(count, size, first, rows, ridge, shared, tables, start, low, step, out):
    """D_g(alpha) = max_B l - 1/2 log det(X'WX) for every gene, where it is within CUT of its peak.

    count, size (G, S); rows (R, 1 + P) with column 0 unused; ridge (G, P) precisions of the coefficients' priors;
    shared (stand_in, basis and powers) and tables as in `tabulate`; start (G, P) coefficients; low and step (G,),
    log alpha of each gene's first node and the distance of its nodes: on entry where to search first. out (G, A),
    less its maximum, is filled.
    """
    n_genes, n_nodes = out.shape
    n_coef = rows.shape[1] - 1
    stand_in, basis, powers = shared
    part = np.empty(stand_in.shape[1])
    value_of, weight_of = np.empty((2, max(count.shape[1], SMALL + PANELS * DEGREE)))
    sums = np.empty((PANELS, DEGREE))
    theta = np.empty(n_nodes)
    alpha = np.empty(n_nodes)
    constant = np.empty(n_nodes)
    terms = np.empty((5, n_nodes))
    for a in range(n_nodes):
        theta[a] = 0.0
    gamma = np.empty((n_coef, n_nodes))
    move = np.empty((n_coef, n_nodes))
    hessian = np.empty((n_coef, n_coef, n_nodes))
    work = np.empty((8, n_nodes))
    for g in range(n_genes):
        value = out[g]
        for j in range(n_coef):
            for a in range(n_nodes):
                gamma[j, a] = start[g, j]
        tabulate(count[g], size[g], first, stand_in, basis, powers, tables, part)
        n_values = condense(count[g], value_of, weight_of, sums)
        # A sharp peak between the nodes is searched again and again.
        for _ in range(8):
            for a in range(n_nodes):
                alpha[a] = exp(low[g] + step[g] * a)
            join_tables(alpha, tables)
            shift_tables(alpha, tables, work)
            maximise(count[g], size[g], first, rows, tables, theta, alpha, ridge[g], gamma, move, hessian, work)
            adjusted_loglik(count[g], size[g], first, rows, tables, theta, alpha, ridge[g], gamma, value, hessian, work)
            dispersion_constant(value_of[:n_values], weight_of[:n_values], alpha, terms, constant)
            top = -math.inf
            for a in range(n_nodes):
                value[a] += constant[a]
                top = max(top, value[a])
            highest = low[g] + step[g] * (n_nodes - 1)
            if (top == value[0] and low[g] > LOWEST) or (top == value[n_nodes - 1] and highest < HIGHEST):
                low[g] = LOWEST
                step[g] = (HIGHEST - LOWEST) / (n_nodes - 1)
                continue
            begin = n_nodes - 1
            end = 0
            for a in range(n_nodes):
                if value[a] > top - CUT:
                    begin = min(begin, a)
                    end = max(end, a)
            begin = max(begin - 1, 0)
            end = min(end + 1, n_nodes - 1)
            if end - begin > 0.6 * (n_nodes - 1):
                break
            low[g] += step[g] * begin
            step[g] *= (end - begin) / (n_nodes - 1)
        for a in range(n_nodes):
            value[a] -= top


@kernel
def log_density(x, center, spread, tail_df):
    """Log density of the dispersions' hyperprior at log alpha x: normal where tail_df is infinite, else t."""
    z = (x - center) / spread
    if math.isinf(tail_df):
        return -0.5 * z * z - log(spread) - 0.9189385332046727
    constant = math.lgamma(0.5 * (tail_df + 1.0)) - math.lgamma(0.5 * tail_df) - 0.5 * math.log(math.pi * tail_df)
    return constant - log(spread) - 0.5 * (tail_df + 1.0) * log(1.0 + z * z / tail_df)


@kernel
def dispersion_evidence(profile, low, step, log_mean, parameters, tail_df, gradient):
    """sum_g log int exp D_g(x) p(x; t_g, s) dx by the trapezoid rule, t_g = log(a0 + a1/m_g).

    parameters: log a0, log a1, log s; p as in `log_density`. Adds the derivatives by them to gradient
    (3,). profile (G, A) less each gene's maximum; low, step, log_mean (G,).
    """
    n_nodes = profile.shape[1]
    spread = math.exp(parameters[2])
    part = np.empty(n_nodes)
    pull = np.empty(n_nodes)
    normal = math.isinf(tail_df)
    constant = log_density(0.0, 0.0, spread, tail_df)
    total = 0.0
    for g in range(profile.shape[0]):
        floor = math.exp(parameters[0])
        slope = math.exp(parameters[1] - log_mean[g])
        start = (low[g] - math.log(floor + slope)) / spread
        stride = step[g] / spread
        if normal:
            for a in range(n_nodes):
                z = start + stride * a
                part[a] = exp(profile[g, a] - 0.5 * z * z)
                pull[a] = z
        else:
            for a in range(n_nodes):
                z = start + stride * a
                ratio = 1.0 + z * z / tail_df
                part[a] = exp(profile[g, a] - 0.5 * (tail_df + 1.0) * log(ratio))
                pull[a] = z * (1.0 + 1.0 / tail_df) / ratio
        mass = 0.0
        first = 0.0
        second = 0.0
        for a in range(n_nodes):
            mass += part[a]
            first += part[a] * pull[a]
            second += part[a] * pull[a] * (start + stride * a)
        total += math.log(mass * step[g]) + constant
        gradient[0] += first / mass / spread * floor / (floor + slope)
        gradient[1] += first / mass / spread * slope / (floor + slope)
        gradient[2] += second / mass - 1.0
    return total


@kernel
def _between(profile, place):
    """The profile between its nodes, `place` steps from the first; beyond them as at the last."""
    place = min(max(place, 0.0), len(profile) - 1.0)
    before = min(int(place), len(profile) - 2)
    share = place - before
    return (1.0 - share) * profile[before] + share * profile[before + 1]


@inner
def dispersion_nodes(profile, low, step, center, spread, tail_df, left, right, alpha, log_weight):
    """Nodes alpha (Q,) for one gene, and the log of their weights times the hyperprior's density.

    Evenly spaced in log alpha from `left` posterior standard deviations below the posterior mean to
    `right` above it.
    """
    n_nodes = len(alpha)
    start = low
    width = step * (len(profile) - 1) / (PLACING - 1)
    mean = 0.0
    deviation = 0.0
    height = np.empty(PLACING)
    # Between its nodes the profile is interpolated: it just places ours. A product of profile and density
    # that is narrower than the points are apart is looked at again more closely.
    for _ in range(4):
        top = -math.inf
        for a in range(PLACING):
            x = start + width * a
            height[a] = _between(profile, (x - low) / step) + log_density(x, center, spread, tail_df)
            top = max(top, height[a])
        mass = 0.0
        mean = 0.0
        square = 0.0
        for a in range(PLACING):
            x = start + width * a
            part = exp(height[a] - top)
            mass += part
            mean += part * (x - start)
            square += part * (x - start) ** 2
        mean = mean / mass
        deviation = math.sqrt(max(square / mass - mean * mean, 0.0))
        mean += start
        if deviation > width:
            break
        start = mean - 2.0 * width
        width *= 4.0 / (PLACING - 1)
    deviation = max(deviation, 1e-4)
    first = max(mean - left * deviation, SMALLEST_LOG_DISPERSION)
    width = (left + right) * deviation / (n_nodes - 1)
    for q in range(n_nodes):
        alpha[q] = exp(first + width * q)
        log_weight[q] = log(width) + log_density(first + width * q, center, spread, tail_df)


@kernel
def _place(
    count, size, first, rows, ridge, tables, alpha, log_weight, start, coef, slope, step, hessian, value, work
):  # fmt: skip
    """Estimate and standard error of the effect, averaged over the dispersion's nodes, and whether all were found.

    rows (R, 1 + P) with column 0 unused and the effect's column next; coef (P, Q) becomes the maximum of
    the whole model at every node, slope (P, Q) how it moves with the effect.
    """
    n_coef, n_nodes = coef.shape
    theta = np.empty(n_nodes)
    for j in range(n_coef):
        for q in range(n_nodes):
            coef[j, q] = start[j]
    for q in range(n_nodes):
        theta[q] = 0.0
    shift_tables(alpha, tables, work)
    found = maximise(count, size, first, rows, tables, theta, alpha, ridge, coef, step, hessian, work)
    # The first column of the inverse information, from the factor that the last step left.
    for j in range(n_coef):
        for q in range(n_nodes):
            slope[j, q] = 1.0 if j == 0 else 0.0
    _forward(hessian, slope)
    _backward(hessian, slope)
    adjusted_loglik(count, size, first, rows, tables, theta, alpha, ridge, coef, value, hessian, work)
    top = log_sum(value, 0, log_weight)
    mean = 0.0
    square = 0.0
    for q in range(n_nodes):
        part = exp(value[q] + log_weight[q] - top)
        mean += part * coef[0, q]
        square += part * slope[0, q]
        for j in range(1, n_coef):
            slope[j, q] /= slope[0, q]
    return mean, math.sqrt(square), found


class GeneCounts(NamedTuple):
    """What is known of G genes.

    count, size (G, S) with the size factor of the first sample in logs; ridge (G, p) precisions of the nuisance
    coefficients' priors; start (G, P) coefficients in the design's coordinates.
    """

    count: Any
    size: Any
    first: Any
    ridge: Any
    start: Any


class Dispersions(NamedTuple):
    """What is known of G genes' dispersions.

    profile (G, A) with low and step (G,); center (G,), spread and tail_df of their hyperprior; left and right, how far
    the integral reaches.
    """

    profile: Any
    low: Any
    step: Any
    center: Any
    spread: float
    tail_df: float
    left: float
    right: float


class EffectNodes(NamedTuple):
    """Where an effect's likelihood is computed.

    reach (H,) ascending from 0, in standard errors, which are cut at max_se; chunk nodes either way are computed at a
    time, and H is their multiple; n_dispersions of the dispersion's integral.
    """

    reach: Any
    chunk: int
    max_se: float
    n_dispersions: int


@kernel
def effect_likelihoods(genes, rows, full_rows, shared, tables, dispersions, nodes, grid, loglik, converged):
    """log L_g(theta) = log sum_q w_q exp l_A(theta, alpha_q) around each gene's estimate.

    genes, dispersions and nodes are `GeneCounts`, `Dispersions` and `EffectNodes`; rows (R, 1 + p); full_rows
    (R, 1 + P) with column 0 unused and the effect's column first among the others; shared and tables as in
    `dispersion_profiles`, `tabulate`. grid, loglik (G, 2 H - 1) and converged (G,) are filled.
    """
    count, size, first, ridge, start = genes
    profile, low, step, center, spread, tail_df, left, right = dispersions
    reach, chunk, max_se, n_nodes = nodes
    n_nuisance = rows.shape[1] - 1
    n_coef = n_nuisance + 1
    n_reach = len(reach)
    n_lanes = 2 * chunk * n_nodes
    stand_in, basis, powers = shared
    part = np.empty(stand_in.shape[1])
    value_of, weight_of = np.empty((2, max(count.shape[1], SMALL + PANELS * DEGREE)))
    sums = np.empty((PANELS, DEGREE))
    node = np.empty(n_nodes)
    log_weight = np.empty(n_nodes)
    constant = np.empty(n_nodes)
    terms = np.empty((5, n_nodes))
    coef = np.empty((n_coef, n_nodes))
    slope = np.empty((n_coef, n_nodes))
    place_step = np.empty((n_coef, n_nodes))
    place_hessian = np.empty((n_coef, n_coef, n_nodes))
    place_value = np.empty(n_nodes)
    place_work = np.empty((8, n_nodes))
    # Lane (side * chunk + c) * n_nodes + q is the c-th effect of the chunk on a side, at the q-th dispersion.
    alpha = np.empty(n_lanes)
    theta = np.empty(n_lanes)
    value = np.empty(n_lanes)
    gamma = np.empty((n_nuisance, n_lanes))
    step_gamma = np.empty((n_nuisance, n_lanes))
    hessian = np.empty((n_nuisance, n_nuisance, n_lanes))
    work = np.empty((8, n_lanes))
    placing_ridge = np.empty(n_coef)
    placing_ridge[0] = PLACING_RIDGE
    for g in range(count.shape[0]):
        for j in range(n_nuisance):
            placing_ridge[1 + j] = ridge[g, j]
        tabulate(count[g], size[g], first, stand_in, basis, powers, tables, part)
        dispersion_nodes(profile[g], low[g], step[g], center[g], spread, tail_df, left, right, node, log_weight)
        n_values = condense(count[g], value_of, weight_of, sums)
        dispersion_constant(value_of[:n_values], weight_of[:n_values], node, terms, constant)
        for q in range(n_nodes):
            log_weight[q] += constant[q]
        join_tables(node, tables)
        estimate, se, placed = _place(
            count[g], size[g], first, full_rows, placing_ridge, tables, node, log_weight, start[g],
            coef, slope, place_step, place_hessian, place_value, place_work,
        )  # fmt: skip
        for lane in range(n_lanes):
            alpha[lane] = node[lane % n_nodes]
        shift_tables(alpha, tables, work)
        se = min(se, max_se)
        converged[g] = placed
        top = -math.inf
        last = n_reach - 1
        for begin in range(0, n_reach, chunk):
            _continue(reach, begin, chunk, gamma)
            for side in range(2):
                for c in range(chunk):
                    here = estimate + (2 * side - 1) * se * reach[begin + c]
                    for q in range(n_nodes):
                        lane = (side * chunk + c) * n_nodes + q
                        theta[lane] = here
                        if begin == 0:
                            for j in range(n_nuisance):
                                gamma[j, lane] = coef[1 + j, q] + slope[1 + j, q] * (here - coef[0, q])
            found = maximise(
                count[g], size[g], first, rows, tables, theta, alpha, ridge[g], gamma, step_gamma, hessian, work
            )
            converged[g] = converged[g] and found
            adjusted_loglik(count[g], size[g], first, rows, tables, theta, alpha, ridge[g], gamma, value, hessian, work)
            highest = -math.inf
            for side in range(2):
                for c in range(chunk):
                    lane = (side * chunk + c) * n_nodes
                    t = n_reach - 1 + (2 * side - 1) * (begin + c)
                    grid[g, t] = theta[lane]
                    loglik[g, t] = log_sum(value, lane, log_weight)
                    top = max(top, loglik[g, t])
                highest = max(highest, loglik[g, t])
            if highest < top - NEGLIGIBLE:
                last = begin + chunk - 1
                break
        for t in range(last + 1, n_reach):
            for side in (-1, 1):
                here = n_reach - 1 + side * t
                near = n_reach - 1 + side * last
                grid[g, here] = estimate + side * se * reach[t]
                slant = (loglik[g, near] - loglik[g, near - side]) / (grid[g, near] - grid[g, near - side])
                loglik[g, here] = loglik[g, near] + slant * (grid[g, here] - grid[g, near])


@kernel
def _continue(reach, begin, chunk, gamma):
    """Start a chunk's coefficients (p, L) on the parabola through the last three of the chunk before."""
    if begin == 0:
        return
    n_nodes = gamma.shape[1] // (2 * chunk)
    last = (chunk - 1) * n_nodes
    a, b, d = reach[begin - 1], reach[begin - 2], reach[begin - 3]
    for j in range(gamma.shape[0]):
        for side in range(2):
            for q in range(n_nodes):
                lane = side * chunk * n_nodes + q
                near = gamma[j, lane + last]
                middle = gamma[j, lane + last - n_nodes]
                far = gamma[j, lane + last - 2 * n_nodes]
                first = (near - middle) / (a - b)
                second = (first - (middle - far) / (b - d)) / (a - d)
                for c in range(chunk):
                    x = reach[begin + c]
                    gamma[j, lane + c * n_nodes] = near + (x - a) * (first + (x - b) * second)


@inner
def log_sum(value, lane, log_weight):
    """log sum_q exp(value_{lane + q} + log_weight_q)."""
    top = -math.inf
    for q in range(len(log_weight)):
        top = max(top, value[lane + q] + log_weight[q])
    return top + log(_exp_sum(value, lane, log_weight, top))


@summing
def _exp_sum(value, lane, log_weight, top):
    total = 0.0
    for q in range(len(log_weight)):
        total += exp(value[lane + q] + log_weight[q] - top)
    return total
