"""Draws of a mixture's weights and of what its components depend on, genes' components summed out; by counting.

Every random number is a hash of the seed, the chain, the sweep and what it is for, so that a chain is the same
whoever runs it, in whatever pieces.
"""

from __future__ import annotations

import math

import numpy as np

from ebgenes.numerics.jit import inlined, kernel, summing
from ebgenes.numerics.vector import bits_of, exp, float_of, log

# Source of the constants: Steele, Lea and Flood (2014), OOPSLA, 453 (SplitMix64).
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST = np.uint64(0xBF58476D1CE4E5B9)
SECOND = np.uint64(0x94D049BB133111EB)
S30, S27, S31, S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
# Streams of a sweep: which genes are null, whether its steps are accepted, then one for each step.
GENES, VERDICT, STEPS = 0, 1, 2
# Genes whose likelihoods are multiplied before a logarithm is taken.
BLOCK = 512
# Of the steps that go between planes, where there are several.
PLANE_SHARE = 0.2
MANTISSA_MASK = 4503599627370495
BITS_OF_ONE = 4607182418800017408
LOG2 = math.log(2.0)


@inlined
def _mixed(x):
    """A bijection of 64 bits that leaves no trace of their order."""
    x = (x ^ (x >> S30)) * FIRST
    x = (x ^ (x >> S27)) * SECOND
    return x ^ (x >> S31)


@inlined
def _uniform(key, index):
    """A number strictly between 0 and 1, the index-th under a key."""
    bits = _mixed(key + (np.uint64(index) + np.uint64(1)) * GOLDEN)
    return (float(bits >> S11) + 0.5) * 1.1102230246251565e-16


@kernel
def _key(seed, chain, sweep, stream):
    key = _mixed(np.uint64(seed) + GOLDEN)
    key = _mixed(key ^ (np.uint64(chain) * FIRST + np.uint64(stream)))
    return _mixed(key + np.uint64(sweep) * SECOND)


@kernel
def _log_share_prior(coefficient, prior):
    """Log density of the coefficients (P,), each by its row (center, spread, doubt, spread in doubt) of prior (P, 4).

    A spread of 0 stands for a share 1/(1 + e^coefficient) that is Beta(1 + center, 1); others are normals, mixed with a
    normal around 0 as far as they are in doubt.
    """
    total = 0.0
    for j in range(len(coefficient)):
        x = coefficient[j]
        center, spread, doubt, wide = prior[j, 0], prior[j, 1], prior[j, 2], prior[j, 3]
        if spread == 0.0:
            small = math.log1p(math.exp(-abs(x)))
            total -= abs(x) + 2.0 * small + center * (max(x, 0.0) + small)
        elif doubt == 0.0:
            total -= 0.5 * ((x - center) / spread) ** 2
        else:
            believed = math.log((1.0 - doubt) / spread) - 0.5 * ((x - center) / spread) ** 2
            doubted = math.log(doubt / wide) - 0.5 * (x / wide) ** 2
            top = max(believed, doubted)
            total += top + math.log(math.exp(believed - top) + math.exp(doubted - top))
    return total


@inlined
def _mantissa(bits):
    """The number between 1 and 2 with the digits of a positive float."""
    return float_of((bits & MANTISSA_MASK) | BITS_OF_ONE)


@summing
def _log_product(values, n):
    """sum of log values[:n], n <= 512: of their exponents' sum and their mantissas' product."""
    exponents = 0
    product = 1.0
    for g in range(n):
        bits = bits_of(values[g])
        exponents += bits >> 52
        product *= _mantissa(bits)
    return (exponents - 1023 * n) * LOG2 + math.log(product)


@kernel
def loglik(likelihood, design, state, work):
    """sum_g log (L_0g + e_g sum_k v_k L_kg)/(1 + e_g), log e_g = x_g'b; state is b (P,), then v (K - 1,).

    likelihood L (K, G), design x (P, G), whose first row is 1; work (2, BLOCK) is work space.
    """
    n_columns, n_genes = design.shape
    mixed, odds = work[0], work[1]
    total = 0.0
    for first in range(0, n_genes, BLOCK):
        n = min(BLOCK, n_genes - first)
        for g in range(n):
            mixed[g] = 0.0
        # Four slabs at a time, because a sum kept in memory is what takes the time.
        k = 1
        while k + 4 <= len(likelihood):
            a, b, c, d = likelihood[k], likelihood[k + 1], likelihood[k + 2], likelihood[k + 3]
            i = n_columns + k - 1
            v, w, x, y = state[i], state[i + 1], state[i + 2], state[i + 3]
            for g in range(n):
                at = first + g
                mixed[g] += v * a[at] + w * b[at] + (x * c[at] + y * d[at])
            k += 4
        while k < len(likelihood):
            share = state[n_columns + k - 1]
            row = likelihood[k]
            for g in range(n):
                mixed[g] += share * row[first + g]
            k += 1
        null = likelihood[0]
        if n_columns == 1:
            changed = 1.0 / (1.0 + math.exp(-state[0]))
            for g in range(n):
                mixed[g] = (1.0 - changed) * null[first + g] + changed * mixed[g]
        else:
            for g in range(n):
                odds[g] = state[0]
            for j in range(1, n_columns):
                slope = state[j]
                row = design[j]
                for g in range(n):
                    odds[g] += slope * row[first + g]
            for g in range(n):
                e = exp(odds[g])
                mixed[g] = (null[first + g] + e * mixed[g]) / (1.0 + e)
        total += _log_product(mixed, n)
    return total


@summing
def _stand_in(count, null, slab, along_slab, odds, along_odds, t):
    """sum_m n_m log (L_0m + e_m s_m)/(1 + e_m) of the representatives at a point t along a line."""
    total = 0.0
    for m in range(len(count)):
        e = exp(odds[m] + t * along_odds[m])
        mixed = max(null[m] + e * (slab[m] + t * along_slab[m]), 1e-300)
        total += count[m] * log(mixed / (1.0 + e))
    return total


@kernel
def _place(slab, design, state, mixed, odds):
    """Fill mixed (M,) with sum_k v_k L_km and odds (M,) with x_m'b; slab (K - 1, M), design (P, M)."""
    n_columns = len(design)
    for m in range(len(mixed)):
        mixed[m] = 0.0
        odds[m] = 0.0
    for j in range(n_columns):
        for m in range(len(odds)):
            odds[m] += state[j] * design[j, m]
    for k in range(len(slab)):
        share = state[n_columns + k]
        if share != 0.0:
            for m in range(len(mixed)):
                mixed[m] += share * slab[k, m]


@kernel
def _bent(gradient, bend, center, state):
    """gradient'd - d' bend d/2, d = state - center: what representatives leave out, to second order."""
    total = 0.0
    for i in range(len(state)):
        pull = 0.0
        for j in range(len(state)):
            pull += bend[i, j] * (state[j] - center[j])
        total += (state[i] - center[i]) * (gradient[i] - 0.5 * pull)
    return total


@kernel
def _line_move(representatives, prior, direction, key, here, state, value, work, trial):
    """Slice sampling along a line through the state; returns the surrogate's new log density.

    An interval as long as the direction is laid over the present state at random, cut where a share would be
    negative, and shrinks towards it: Neal (2003), Ann. Stat. 31, 705.
    """
    count, design, null, slab, center, gradient, bend, height = representatives
    n_columns = len(design)
    mixed, odds, along_mixed, along_odds = work[0], work[1], work[2], work[3]
    _place(slab[here], design, direction, along_mixed, along_odds)
    level = value + math.log(_uniform(key, 2))
    left = -_uniform(key, 3)
    right = left + 1.0
    for i in range(n_columns, len(state)):
        if direction[i] > 0.0:
            left = max(left, -state[i] / direction[i])
        elif direction[i] < 0.0:
            right = min(right, -state[i] / direction[i])
    # The quadratic part along the line, from its values at three points.
    bent = _bent(gradient[here], bend[here], center[here], state)
    for i in range(len(state)):
        trial[i] = state[i] + direction[i]
    ahead = _bent(gradient[here], bend[here], center[here], trial)
    for i in range(len(state)):
        trial[i] = state[i] - direction[i]
    behind = _bent(gradient[here], bend[here], center[here], trial)
    slope, curvature = 0.5 * (ahead - behind), 0.5 * (ahead + behind) - bent
    for index in range(4, 60):
        t = left + (right - left) * _uniform(key, index)
        for i in range(len(state)):
            trial[i] = state[i] + t * direction[i]
        reached = _stand_in(count, null[here], mixed, along_mixed, odds, along_odds, t) + height[here]
        reached += bent + t * (slope + t * curvature) + _log_share_prior(trial[:n_columns], prior)
        if reached >= level:
            for i in range(len(state)):
                state[i] = trial[i] if i < n_columns else max(trial[i], 0.0)
            for m in range(len(count)):
                mixed[m] += t * along_mixed[m]
                odds[m] += t * along_odds[m]
            return reached
        if t < 0.0:
            left = t
        else:
            right = t
    return value


@kernel
def _surrogate(representatives, prior, here, state, mixed, odds):
    """Log density of the surrogate at a state whose places are mixed and odds (M,)."""
    count, design, null, _, center, gradient, bend, height = representatives
    total = _stand_in(count, null[here], mixed, mixed, odds, odds, 0.0) + height[here]
    total += _bent(gradient[here], bend[here], center[here], state)
    return total + _log_share_prior(state[: len(design)], prior)


@kernel
def _plane_move(representatives, prior, shape, key, plane, state, value, work, trial):
    """Metropolis's rule for a plane some steps away along either axis; returns the surrogate's new log density.

    The state moves by what the planes' centers differ by.
    """
    center = representatives[4]
    axis = int(2.0 * _uniform(key, 2))
    if shape[axis] == 1:
        axis = 1 - axis
    reach = 1 + shape[axis] // 4
    step = 1 + int(reach * _uniform(key, 3))
    if _uniform(key, 4) < 0.5:
        step = -step
    here = plane[0]
    place = here // shape[1] if axis == 0 else here % shape[1]
    if place + step < 0 or place + step >= shape[axis]:
        return value
    there = here + step * (shape[1] if axis == 0 else 1)
    n_columns = len(representatives[1])
    for i in range(len(state)):
        trial[i] = state[i] + center[there, i] - center[here, i]
        if i >= n_columns and trial[i] < 0.0:
            return value
    _place(representatives[3][there], representatives[1], trial, work[2], work[3])
    reached = _surrogate(representatives, prior, there, trial, work[2], work[3])
    if math.log(_uniform(key, 5)) < reached - value:
        plane[0] = there
        for i in range(len(state)):
            state[i] = trial[i]
        for m in range(work.shape[1]):
            work[0, m] = work[2, m]
            work[1, m] = work[3, m]
        return reached
    return value


@kernel
def run_chain(
    likelihood, constant, log_prior, shape, design, prior, representatives, directions, n_steps, exact, seed, chain,
    start, state, plane, out_state, out_plane, out_loglik,
):  # fmt: skip
    """Sweeps start, start + 1, ... of one chain, as many as out_state (N, D) has rows.

    Planes are likelihoods under other scales of the components: likelihood (C, K, G), each gene's up to a factor whose
    logs sum to constant (C,); log_prior (C,); shape (2,) says how the C planes lie in a rectangle; design (P, G) as in
    `loglik`, prior (P, 4) as in `_log_share_prior`. The surrogate `representatives` is (n (M,), x (P, M), null (C, M),
    slab (C, K - 1, M), center (C, D), gradient (C, D), bend (C, D, D), height (C,)): a weighted likelihood of M
    representatives, with what it lacks to second order around the centers. A sweep takes n_steps steps, each along one
    of `directions` (N, D) or between planes, that leave the surrogate as it is, and then accepts all of them or none by
    what the exact likelihood says beside the surrogate (where `exact` is 0 it accepts them): Liu (2001), Monte Carlo
    Strategies in Scientific Computing, 9.4.3. state (D,) is b, then v; it and plane (1,) become the next ones.
    """
    n_columns = len(design)
    n_planes = len(likelihood)
    before, trial = np.empty_like(state), np.empty_like(state)
    work, blocks = np.empty((4, len(representatives[0]))), np.empty((2, BLOCK))
    full = loglik(likelihood[plane[0]], design, state, blocks) + constant[plane[0]]
    for i in range(len(out_state)):
        sweep = start + i
        here = plane[0]
        before[:] = state
        _place(representatives[3][here], representatives[1], state, work[0], work[1])
        value = _surrogate(representatives, prior, here, state, work[0], work[1])
        gap = full + log_prior[here] + _log_share_prior(state[:n_columns], prior) - value
        for step in range(n_steps):
            key = _key(seed, chain, sweep, STEPS + step)
            if n_planes > 1 and _uniform(key, 0) < PLANE_SHARE:
                value = _plane_move(representatives, prior, shape, key, plane, state, value, work, trial)
            else:
                chosen = int(len(directions) * _uniform(key, 1))
                value = _line_move(representatives, prior, directions[chosen], key, plane[0], state, value, work, trial)
        there = plane[0]
        reached = loglik(likelihood[there], design, state, blocks) + constant[there]
        rise = reached + log_prior[there] + _log_share_prior(state[:n_columns], prior) - value - gap
        if exact == 0 or math.log(_uniform(_key(seed, chain, sweep, VERDICT), 0)) < rise:
            full = reached
        else:
            state[:] = before
            plane[0] = here
        out_state[i] = state
        out_plane[i] = plane[0]
        out_loglik[i] = full


@kernel
def false_discoveries(likelihood, gene, design, state, plane, seed, chain, sweep, out):
    """Fill out (D,) with how many of M listed genes are null in each draw.

    likelihood (C, K, M), gene (M,) their places among all, design (P, M), state (D, P + K - 1), plane, chain and sweep
    (D,).
    """
    n_columns = len(design)
    for d in range(len(out)):
        key = _key(seed, chain[d], sweep[d], GENES)
        known = likelihood[plane[d]]
        number = 0
        for m in range(len(gene)):
            z, changed = 0.0, 0.0
            for j in range(n_columns):
                z += state[d, j] * design[j, m]
            for k in range(1, len(known)):
                changed += state[d, n_columns + k - 1] * known[k, m]
            # Null with odds 1 to e^z changed/null.
            number += known[0, m] > _uniform(key, gene[m]) * (known[0, m] + math.exp(min(z, 700.0)) * changed)
        out[d] = number
