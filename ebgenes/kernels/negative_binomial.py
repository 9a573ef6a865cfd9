"""Negative-binomial likelihoods of one gene, profiled over nuisance coefficients.

y_i ~ NB(mean mu_i, variance mu_i + alpha mu_i^2), mu_i = size_i exp(v_i theta + z_i'gamma), natural
logs. Samples are sorted by their distinct design rows, so that an exponential is taken once a row.
Gene by gene: `count` y (S,), `size` (S,), `first` (R + 1,) where each row's samples begin, `rows`
(R, 1 + p) with v in column 0 and z in the others.
"""

from __future__ import annotations

import math

import numpy as np

from ebgenes.kernels.jit import kernel

# A normal prior with standard deviation 1,000 keeps a coefficient finite where a whole group is 0, and
# moves none that the data speak of.
RIDGE = 1e-6
# The dispersion's integral: nodes from LEFT posterior standard deviations below the posterior mean to
# RIGHT above it, because far effects pull the dispersion up. Together they leave an error of 5e-4 in
# log L wherever L is above e^-10 of its peak (tests/test_negative_binomial.py).
LEFT = 3.7
RIGHT = 5.7
NODES = 11
# Newton steps, in nat of any sample's mean, and how many.
MAX_STEP = 3.0
MAX_ITERATIONS = 100


@kernel
def dispersion_constant(count, alpha):
    """sum_i [log Gamma(y_i + 1/alpha) - log Gamma(1/alpha) + y_i log alpha] = sum_i sum_{j<y_i} log(1 + alpha j)."""
    inverse = 1.0 / alpha
    log_alpha = math.log(alpha)
    base = math.lgamma(inverse)
    total = 0.0
    for i in range(len(count)):
        y = count[i]
        if y < 2.0:
            continue
        if alpha * y < 1e-3:
            # The difference of log Gammas cancels; its series does not.
            first = 0.5 * y * (y - 1.0)
            second = first * (2.0 * y - 1.0) / 3.0
            third = first * first
            fourth = second * (3.0 * y * y - 3.0 * y - 1.0) / 5.0
            total += alpha * (first - alpha * (second / 2.0 - alpha * (third / 3.0 - alpha * fourth / 4.0)))
        else:
            total += math.lgamma(y + inverse) - base + y * log_alpha
    return total


@kernel
def _cholesky(matrix, n):
    """Overwrite the lower triangle with its factor; returns the log determinant."""
    log_determinant = 0.0
    for j in range(n):
        for k in range(j + 1):
            total = matrix[j, k]
            for m in range(k):
                total -= matrix[j, m] * matrix[k, m]
            matrix[j, k] = math.sqrt(max(total, 1e-300)) if j == k else total / matrix[k, k]
        log_determinant += 2.0 * math.log(matrix[j, j])
    return log_determinant


@kernel
def _solve(factor, n, right):
    for j in range(n):
        for m in range(j):
            right[j] -= factor[j, m] * right[m]
        right[j] /= factor[j, j]
    for i in range(n):
        j = n - 1 - i
        for m in range(j + 1, n):
            right[j] -= factor[m, j] * right[m]
        right[j] /= factor[j, j]


@kernel
def _predictor(rows, r, theta, gamma, n_nuisance):
    """v theta + z'gamma of one distinct row."""
    eta = rows[r, 0] * theta
    for j in range(n_nuisance):
        eta += rows[r, 1 + j] * gamma[j]
    return eta


@kernel
def adjusted_profile(count, size, first, rows, theta, alpha, gamma, gradient, hessian):
    """max_gamma l(theta, gamma, alpha) - 1/2 log det(Z'WZ), without `dispersion_constant`.

    l = sum y log mu - (y + 1/alpha) log(1 + alpha mu), W = diag(mu/(1 + alpha mu)); terms of y and size
    alone are left out. gamma (p,) is the start and becomes the maximum; the log likelihood is concave
    in it, and Newton steps are cut to MAX_STEP nat. gradient (p,), hessian (p, p) are work space.
    """
    n_nuisance = rows.shape[1] - 1
    n_rows = rows.shape[0]
    for _ in range(MAX_ITERATIONS if n_nuisance > 0 else 0):
        for j in range(n_nuisance):
            gradient[j] = -RIDGE * gamma[j]
            for k in range(j):
                hessian[j, k] = 0.0
            hessian[j, j] = RIDGE
        for r in range(n_rows):
            eta = _predictor(rows, r, theta, gamma, n_nuisance)
            level = math.exp(min(eta, 300.0))
            slope = 0.0
            curvature = 0.0
            for i in range(first[r], first[r + 1]):
                mu = size[i] * level
                shrink = 1.0 / (1.0 + alpha * mu)
                slope += (count[i] - mu) * shrink
                curvature += mu * (1.0 + alpha * count[i]) * shrink * shrink
            for j in range(n_nuisance):
                z = rows[r, 1 + j]
                gradient[j] += z * slope
                for k in range(j + 1):
                    hessian[j, k] += z * rows[r, 1 + k] * curvature
        _cholesky(hessian, n_nuisance)
        _solve(hessian, n_nuisance, gradient)
        largest = 0.0
        for r in range(n_rows):
            move = 0.0
            for j in range(n_nuisance):
                move += rows[r, 1 + j] * gradient[j]
            largest = max(largest, abs(move))
        cut = min(1.0, MAX_STEP / largest) if largest > 0.0 else 1.0
        for j in range(n_nuisance):
            gamma[j] += cut * gradient[j]
        # Quadratic convergence: the next step would be of the order of 1e-6, its effect on l of 1e-12.
        if largest < 1e-3:
            break
    for j in range(n_nuisance):
        for k in range(j):
            hessian[j, k] = 0.0
        hessian[j, j] = RIDGE
    inverse = 1.0 / alpha
    value = 0.0
    for r in range(n_rows):
        eta = _predictor(rows, r, theta, gamma, n_nuisance)
        level = math.exp(min(eta, 300.0))
        weight = 0.0
        total = 0.0
        for i in range(first[r], first[r + 1]):
            mu = size[i] * level
            total += count[i]
            value -= (count[i] + inverse) * math.log1p(alpha * mu)
            weight += mu / (1.0 + alpha * mu)
        value += total * eta
        for j in range(n_nuisance):
            for k in range(j + 1):
                hessian[j, k] += rows[r, 1 + j] * rows[r, 1 + k] * weight
    for j in range(n_nuisance):
        value -= 0.5 * RIDGE * gamma[j] * gamma[j]
    return value - 0.5 * _cholesky(hessian, n_nuisance)


@kernel
def dispersion_profiles(count, size, first, rows, log_alpha, out):
    """D_g(alpha) = max_B l - 1/2 log det(X'WX) at every log alpha, for every gene.

    count, size (G, S); rows (R, 1 + P) with column 0 unused; log_alpha (A,); out (G, A) is filled.
    """
    n_coef = rows.shape[1] - 1
    gamma = np.zeros(n_coef)
    gradient = np.empty(n_coef)
    hessian = np.empty((n_coef, n_coef))
    for g in range(count.shape[0]):
        gamma[:] = 0.0
        for a in range(len(log_alpha)):
            alpha = math.exp(log_alpha[a])
            value = adjusted_profile(count[g], size[g], first, rows, 0.0, alpha, gamma, gradient, hessian)
            out[g, a] = value + dispersion_constant(count[g], alpha)


@kernel
def dispersion_evidence(profile, log_alpha, log_mean, parameters, gradient):
    """sum_g log int exp D_g(x) N(x; t_g, s^2) dx by the trapezoid rule, t_g = log(a0 + a1/m_g).

    parameters: log a0, log a1, log s. Adds the derivatives by them to gradient (3,).
    profile (G, A) less each gene's maximum; log_alpha (A,) evenly spaced; log_mean (G,).
    """
    n_nodes = len(log_alpha)
    spread = math.exp(parameters[2])
    step = log_alpha[1] - log_alpha[0]
    constant = math.log(step / (spread * math.sqrt(2.0 * math.pi)))
    total = 0.0
    for g in range(profile.shape[0]):
        floor = math.exp(parameters[0])
        slope = math.exp(parameters[1] - log_mean[g])
        trend = math.log(floor + slope)
        mass = 0.0
        first = 0.0
        second = 0.0
        for a in range(n_nodes):
            z = (log_alpha[a] - trend) / spread
            part = math.exp(profile[g, a] - 0.5 * z * z)
            mass += part
            first += part * z
            second += part * (z * z - 1.0)
        total += math.log(mass) + constant
        gradient[0] += first / mass / spread * floor / (floor + slope)
        gradient[1] += first / mass / spread * slope / (floor + slope)
        gradient[2] += second / mass
    return total


@kernel
def dispersion_nodes(profile, log_alpha, trend, spread, nodes, log_weight):
    """Nodes in log alpha for one gene, and the log of their weights times the hyperprior's density.

    profile, log_alpha (A,); nodes, log_weight (Q,) are filled. Returns the posterior mean.
    """
    top = -math.inf
    for a in range(len(log_alpha)):
        top = max(top, profile[a] - 0.5 * ((log_alpha[a] - trend) / spread) ** 2)
    mass = 0.0
    mean = 0.0
    square = 0.0
    for a in range(len(log_alpha)):
        part = math.exp(profile[a] - 0.5 * ((log_alpha[a] - trend) / spread) ** 2 - top)
        mass += part
        mean += part * log_alpha[a]
        square += part * log_alpha[a] ** 2
    mean /= mass
    deviation = math.sqrt(max(square / mass - mean * mean, 1e-4))
    low = mean - LEFT * deviation
    high = mean + RIGHT * deviation
    n_nodes = len(nodes)
    step = (high - low) / (n_nodes - 1)
    for q in range(n_nodes):
        nodes[q] = low + step * q
        log_weight[q] = math.log(step / (spread * math.sqrt(2.0 * math.pi)))
        log_weight[q] -= 0.5 * ((nodes[q] - trend) / spread) ** 2
    return mean


@kernel
def effect_likelihoods(
    count, size, first, rows, full_rows, profile, log_alpha, trend, spread, reach, max_se, estimate, se, grid, loglik
):
    """log L_g(theta) = log sum_q w_q exp l_A(theta, alpha_q) at estimate + se * reach, for every gene.

    estimate and se are those of the whole model at the dispersion's posterior mean; se is cut at
    max_se. count, size (G, S); rows (R, 1 + p); full_rows (R, 1 + P) with column 0 unused and the
    effect's column first among the others; profile (G, A); trend (G,); reach (T,) ascending with 0 in
    the middle; estimate, se (G,), grid and loglik (G, T) are filled.
    """
    n_nuisance = rows.shape[1] - 1
    n_coef = n_nuisance + 1
    n_theta = len(reach)
    middle = n_theta // 2
    n_nodes = NODES
    nodes = np.empty(n_nodes)
    log_weight = np.empty(n_nodes)
    value = np.empty((n_nodes, n_theta))
    coef = np.empty(n_coef)
    center = np.empty(n_nuisance)
    gamma = np.empty(n_nuisance)
    before = np.empty(n_nuisance)
    gradient = np.empty(n_coef)
    hessian = np.empty((n_coef, n_coef))
    for g in range(count.shape[0]):
        mean = dispersion_nodes(profile[g], log_alpha, trend[g], spread, nodes, log_weight)
        coef[:] = 0.0
        adjusted_profile(count[g], size[g], first, full_rows, 0.0, math.exp(mean), coef, gradient, hessian)
        # hessian now holds the factor of the information: the first column of its inverse.
        gradient[:] = 0.0
        gradient[0] = 1.0
        _solve(hessian, n_coef, gradient)
        estimate[g] = coef[0]
        se[g] = min(math.sqrt(gradient[0]), max_se)
        for t in range(n_theta):
            grid[g, t] = estimate[g] + se[g] * reach[t]
        for j in range(n_nuisance):
            center[j] = coef[1 + j]
        for q in range(n_nodes):
            alpha = math.exp(nodes[q])
            constant = dispersion_constant(count[g], alpha) + log_weight[q]
            for side in range(2):
                gamma[:] = center
                before[:] = center
                step = 1 if side == 0 else -1
                t = middle if side == 0 else middle - 1
                last = middle
                while 0 <= t < n_theta:
                    theta = grid[g, t]
                    value[q, t] = constant + adjusted_profile(
                        count[g], size[g], first, rows, theta, alpha, gamma, gradient, hessian
                    )
                    if t == middle:
                        center[:] = gamma
                        before[:] = gamma
                    following = t + step
                    if 0 <= following < n_theta and t != last:
                        # A straight line through the last two solutions starts the next close to its own.
                        ratio = (reach[following] - reach[t]) / (reach[t] - reach[last])
                        for j in range(n_nuisance):
                            moved = gamma[j] + ratio * (gamma[j] - before[j])
                            before[j] = gamma[j]
                            gamma[j] = moved
                    last = t
                    t = following
        for t in range(n_theta):
            top = -math.inf
            for q in range(n_nodes):
                top = max(top, value[q, t])
            total = 0.0
            for q in range(n_nodes):
                total += math.exp(value[q, t] - top)
            loglik[g, t] = top + math.log(total)
