"""Likelihood of the difference between two groups, each with a dispersion of its own, both integrated out.

y_i ~ NB(mean s_i e^eta, variance mu + alpha mu^2) within a group, natural logs. With x = log alpha,

    L(theta) = int int p(x_1, x_2) int P_1(eta; x_1) P_2(eta + theta; x_2) d eta dx_1 dx_2,

P_k a group's likelihood. The level eta is integrated out under a flat prior, which for normal counts is the adjustment
of Cox and Reid. Standardized, z_k = (x_k - t_k)/s_k, the dispersions have a bivariate normal density.
"""

from __future__ import annotations

import math

import numpy as np

from ebgenes.numerics.jit import kernel
from ebgenes.numerics.vector import exp, log, log_rising, lowest_terms

# Even nodes of z on which what a group says of its dispersion is looked at.
Z_END = 5.0
N_Z = 41
# Nodes of a dispersion's integral, from so many posterior standard deviations below the mean to so many above.
NODES = 12
LEFT = 3.5
RIGHT = 5.5
# Steps and reach of the level of the group that knows it better, and of the other's table, in standard errors.
LEVEL_STEP = 0.4
LEVEL_END = 16.0
TABLE_STEP = 0.25
TABLE_END = 26.0
LARGEST_ERROR = 4.0


@kernel
def on_lattice(profile, low, step, center, spread, out):
    """exp D(x) at x = center + spread z for N_Z even z, by straight lines between the profile's nodes; out (G, N_Z).

    profile (G, A) less each gene's maximum; beyond its nodes it falls as between the last two, and stays level where
    these end where dispersions are looked at no further.
    """
    last = profile.shape[1] - 1
    for g in range(profile.shape[0]):
        for j in range(N_Z):
            z = -Z_END + 2.0 * Z_END * j / (N_Z - 1)
            place = (center[g] + spread * z - low[g]) / step[g]
            inside = min(max(place, 0.0), last - 1e-9)
            a = int(inside)
            value = profile[g, a] + (inside - a) * (profile[g, a + 1] - profile[g, a])
            if place < 0.0:
                value += min(place * (profile[g, 1] - profile[g, 0]), 0.0)
            elif place > last:
                value += min((place - last) * (profile[g, last] - profile[g, last - 1]), 0.0)
            out[g, j] = exp(value)


@kernel
def _level(count, size):
    """Log of a group's level, half a count added."""
    total = 0.5
    whole = 0.0
    for i in range(len(count)):
        total += count[i]
        whole += size[i]
    return math.log(total / whole), total / len(count)


@kernel
def _group_loglik(count, size, eta, alpha, terms):
    """sum log NB(y_i; s_i e^eta, alpha) up to terms of y and s alone; terms as `lowest_terms` gives them of 1/alpha."""
    inverse = 1.0 / alpha
    level = exp(eta)
    value = 0.0
    for i in range(len(count)):
        y = count[i]
        value += y * eta - (y + inverse) * log(1.0 + alpha * size[i] * level)
        if y > 1.0:
            value += log_rising(y, inverse, terms[0], terms[1], terms[2], terms[3])
    return value


@kernel
def _nodes(mean, deviation, center, spread, z, x):
    """Fill z and log dispersions x, both (NODES,)."""
    for q in range(NODES):
        z[q] = mean + deviation * (-LEFT + (LEFT + RIGHT) * q / (NODES - 1))
        x[q] = min(max(center + spread * z[q], -18.0), 8.0)


@kernel
def _posterior(own, other, correlated):
    """Mean and standard deviation of a group's z given both groups; correlated (N_Z, N_Z) the joint density."""
    mass = 0.0
    first = 0.0
    second = 0.0
    for j in range(N_Z):
        z = -Z_END + 2.0 * Z_END * j / (N_Z - 1)
        told = 0.0
        for k in range(N_Z):
            told += correlated[j, k] * other[k]
        weight = own[j] * told
        mass += weight
        first += weight * z
        second += weight * z * z
    mean = first / mass
    return mean, math.sqrt(max(second / mass - mean * mean, 0.01))


@kernel
def two_group_likelihoods(
    count1, size1, count2, size2, seen1, seen2, center, spread, correlation, correlated, reach, grid, loglik
):
    """log L(theta) of every gene at center + se reach; the center is the difference of the groups' log levels.

    count_k and size_k (G, S_k) of either group, size a sample's size factor; seen_k (G, N_Z) from `on_lattice`; center
    (G, 2) and spread (2,) of log dispersions around the groups' trends, and their correlation; correlated (N_Z, N_Z)
    its density on the lattice. reach (T,) ascending, around 0. grid and loglik (G, T) are filled.
    """
    n_reach = len(reach)
    n_level = 2 * int(LEVEL_END / LEVEL_STEP) + 1
    n_table = 2 * int(TABLE_END / TABLE_STEP) + 1
    z = np.empty((2, NODES))
    x = np.empty((2, NODES))
    first = np.empty((NODES, n_level))
    mixed = np.empty((NODES, n_level))
    table = np.empty((NODES, n_table))
    joint = np.empty((NODES, NODES))
    level = np.empty(2)
    error = np.empty(2)
    rest = 1.0 - correlation * correlation
    for g in range(count1.shape[0]):
        for k in range(2):
            if k == 0:
                level[k], mean = _level(count1[g], size1[g])
                at, deviation = _posterior(seen1[g], seen2[g], correlated)
                n = count1.shape[1]
            else:
                level[k], mean = _level(count2[g], size2[g])
                at, deviation = _posterior(seen2[g], seen1[g], correlated)
                n = count2.shape[1]
            _nodes(at, deviation, center[g, k], spread[k], z[k], x[k])
            error[k] = min(math.sqrt((1.0 / mean + math.exp(center[g, k] + spread[k] * at)) / n), LARGEST_ERROR)
        near = 0 if error[0] <= error[1] else 1
        far = 1 - near
        sign = 1.0 if near == 0 else -1.0
        for q in range(NODES):
            alpha = math.exp(x[near, q])
            terms = lowest_terms(1.0 / alpha)
            for e in range(n_level):
                eta = level[near] + error[near] * LEVEL_STEP * (e - (n_level - 1) // 2)
                if near == 0:
                    first[q, e] = _group_loglik(count1[g], size1[g], eta, alpha, terms)
                else:
                    first[q, e] = _group_loglik(count2[g], size2[g], eta, alpha, terms)
            alpha = math.exp(x[far, q])
            terms = lowest_terms(1.0 / alpha)
            for e in range(n_table):
                eta = level[far] + error[far] * TABLE_STEP * (e - (n_table - 1) // 2)
                if far == 0:
                    table[q, e] = _group_loglik(count1[g], size1[g], eta, alpha, terms)
                else:
                    table[q, e] = _group_loglik(count2[g], size2[g], eta, alpha, terms)
        for q in range(NODES):
            for r in range(NODES):
                a, b = z[near, q], z[far, r]
                joint[q, r] = -0.5 * (a * a - 2.0 * correlation * a * b + b * b) / rest
        # Of the nearer group's dispersion nothing else depends: it is summed out first.
        for r in range(NODES):
            for e in range(n_level):
                top = -math.inf
                for q in range(NODES):
                    top = max(top, first[q, e] + joint[q, r])
                total = 0.0
                for q in range(NODES):
                    total += exp(first[q, e] + joint[q, r] - top)
                mixed[r, e] = top + log(total)
        se = min(math.sqrt(error[0] ** 2 + error[1] ** 2), LARGEST_ERROR)
        value = np.empty(n_level)
        for t in range(n_reach):
            theta = level[1] - level[0] + se * reach[t]
            grid[g, t] = theta
            top = -math.inf
            total = 0.0
            for r in range(NODES):
                highest = -math.inf
                for e in range(n_level):
                    # eta of the far group, in the table's steps from its first.
                    offset = level[near] - level[far] + sign * theta
                    offset += error[near] * LEVEL_STEP * (e - (n_level - 1) // 2)
                    place = offset / (error[far] * TABLE_STEP) + (n_table - 1) // 2
                    a = min(max(math.floor(place), 1), n_table - 3)
                    s = place - a
                    if s < -1.0 or s > 2.0:
                        # Log likelihoods end in straight lines.
                        if s < 0.0:
                            there = table[r, 0] + place * (table[r, 1] - table[r, 0])
                        else:
                            last = n_table - 1
                            there = table[r, last] + (place - last) * (table[r, last] - table[r, last - 1])
                    else:
                        there = (
                            -s * (s - 1.0) * (s - 2.0) / 6.0 * table[r, a - 1]
                            + (s + 1.0) * (s - 1.0) * (s - 2.0) / 2.0 * table[r, a]
                            - (s + 1.0) * s * (s - 2.0) / 2.0 * table[r, a + 1]
                            + (s + 1.0) * s * (s - 1.0) / 6.0 * table[r, a + 2]
                        )
                    value[e] = mixed[r, e] + there
                    highest = max(highest, value[e])
                mass = 0.0
                for e in range(n_level):
                    if value[e] > highest - 40.0:
                        mass += exp(value[e] - highest)
                if highest > top:
                    total = total * math.exp(top - highest) + mass if total > 0.0 else mass
                    top = highest
                else:
                    total += mass * math.exp(highest - top)
            loglik[g, t] = top + math.log(total)
