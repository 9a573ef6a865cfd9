"""Gibbs sampler of a mixture's weights and of what its components depend on; randomness by counting.

Every random number is a hash of the seed, the chain, the sweep and what it is for, so that a chain is the same
whoever runs it, in whatever pieces.
"""

from __future__ import annotations

import math

import numpy as np

from ebgenes.kernels.jit import inlined, kernel, summing
from ebgenes.kernels.vector import bits_of, float_of

# Source of the constants: Steele, Lea and Flood (2014), OOPSLA, 453 (SplitMix64).
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST = np.uint64(0xBF58476D1CE4E5B9)
SECOND = np.uint64(0x94D049BB133111EB)
S30, S27, S31, S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
# Streams of a sweep: genes' components, the weights, then one for each move.
GENES, WEIGHTS, MOVES = 0, 1, 2
# Genes whose likelihoods are multiplied before a logarithm is taken.
BLOCK = 512
PLANE_MOVES, EXCHANGES = 3, 10
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
def _normal(key, index):
    radius = math.sqrt(-2.0 * math.log(_uniform(key, index)))
    return radius * math.cos(2.0 * math.pi * _uniform(key, index + 1))


@kernel
def _log_gamma_draw(shape, key, index):
    """The log of a Gamma(shape, 1), and the index after those it used.

    Marsaglia and Tsang (2000), ACM Trans. Math. Softw. 26, 363; below 1 by their power of a uniform, in logs because
    small shapes make numbers that are not.
    """
    boost = 0.0
    if shape < 1.0:
        boost = math.log(_uniform(key, index)) / shape
        index += 1
        shape += 1.0
    d = shape - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x = _normal(key, index)
        u = _uniform(key, index + 2)
        index += 3
        v = (1.0 + c * x) ** 3
        if v > 0.0 and math.log(u) < 0.5 * x * x + d - d * v + d * math.log(v):
            return math.log(d * v) + boost, index


@kernel
def _draw_weights(concentration, count, key, weight):
    """Fill weight (K,): the null's share from Beta(1 + its count, 1 + the others'), the slabs' from their Dirichlet."""
    changed = 0.0
    for k in range(1, len(weight)):
        changed += count[k]
    null, index = _log_gamma_draw(1.0 + count[0], key, 0)
    rest, index = _log_gamma_draw(1.0 + changed, key, index)
    top = -math.inf
    for k in range(1, len(weight)):
        weight[k], index = _log_gamma_draw(concentration + count[k], key, index)
        top = max(top, weight[k])
    total = 0.0
    for k in range(1, len(weight)):
        weight[k] = math.exp(weight[k] - top)
        total += weight[k]
    share = 1.0 / (1.0 + math.exp(null - rest))
    weight[0] = 1.0 / (1.0 + math.exp(rest - null))
    for k in range(1, len(weight)):
        weight[k] *= share / total


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
def _mix(likelihood, weight, first, n, out):
    """Fill out[:n] with sum_k w_k L_kg of genes first to first + n - 1; likelihood L (K, G)."""
    for g in range(n):
        out[g] = 0.0
    for k in range(len(weight)):
        share = weight[k]
        row = likelihood[k]
        for g in range(n):
            out[g] += share * row[first + g]


@kernel
def loglik(likelihood, weight, work):
    """sum_g log (L w)_g, likelihood L (K, G) and weight w (K,); work (BLOCK,) is work space."""
    total = 0.0
    n_genes = likelihood.shape[1]
    for first in range(0, n_genes, BLOCK):
        n = min(BLOCK, n_genes - first)
        _mix(likelihood, weight, first, n, work)
        total += _log_product(work, n)
    return total


@kernel
def _along(likelihood, i, j, t, center, work):
    """sum_g log (center_g + t (L_ig - L_jg)), center (G,)."""
    total = 0.0
    up, down = likelihood[i], likelihood[j]
    for first in range(0, len(center), BLOCK):
        n = min(BLOCK, len(center) - first)
        for g in range(n):
            work[g] = center[first + g] + t * (up[first + g] - down[first + g])
        total += _log_product(work, n)
    return total


@kernel
def _allocate(likelihood, weight, key, work, count):
    """Draw every gene's component and fill count (K,); returns sum_g log (L w)_g. work (3, BLOCK) is work space."""
    n_components, n_genes = likelihood.shape
    whole, left, part = work[0], work[1], work[2]
    total = 0.0
    for k in range(n_components):
        count[k] = 0.0
    for first in range(0, n_genes, BLOCK):
        n = min(BLOCK, n_genes - first)
        _mix(likelihood, weight, first, n, whole)
        for g in range(n):
            left[g] = _uniform(key, first + g) * whole[g]
            part[g] = 0.0
        before = n
        for k in range(n_components - 1):
            share = weight[k]
            row = likelihood[k]
            beyond = 0
            for g in range(n):
                part[g] += share * row[first + g]
                beyond += part[g] <= left[g]
            count[k] += before - beyond
            before = beyond
        count[n_components - 1] += before
        total += _log_product(whole, n)
    return total


@kernel
def _log_prior(weight, concentration):
    """Log density of the weights (K,): uniform in the null's share, the slabs' shares Dirichlet(concentration)."""
    changed = 1.0 - weight[0]
    total = -(len(weight) - 2.0) * math.log(max(changed, 1e-300))
    if concentration != 1.0:
        for k in range(1, len(weight)):
            total += (concentration - 1.0) * math.log(max(weight[k], 1e-300) / max(changed, 1e-300))
    return total


@kernel
def _exchange(likelihood, concentration, i, j, width, key, weight, center, value, work):
    """Slice sampling of what components i and j exchange, z integrated out; returns the log likelihood.

    center (G,) is L w, with log likelihood value, and stays so. An interval of the given width is laid over the
    present state at random and shrinks towards it: Neal (2003), Ann. Stat. 31, 705. work (BLOCK,) is work space.
    """
    level = value + _log_prior(weight, concentration) + math.log(_uniform(key, 0))
    left = -width * _uniform(key, 1)
    right = min(left + width, weight[j])
    left = max(left, -weight[i])
    start_i, start_j = weight[i], weight[j]
    for index in range(2, 60):
        t = left + (right - left) * _uniform(key, index)
        weight[i], weight[j] = max(start_i + t, 0.0), max(start_j - t, 0.0)
        reached = _along(likelihood, i, j, t, center, work)
        if reached + _log_prior(weight, concentration) >= level:
            up, down = likelihood[i], likelihood[j]
            for g in range(len(center)):
                center[g] += t * (up[g] - down[g])
            return reached
        if t < 0.0:
            left = t
        else:
            right = t
    weight[i], weight[j] = start_i, start_j
    return value


@kernel
def _plane_move(likelihood, constant, log_prior, shape, shift, concentration, key, weight, plane, trial, work):
    """Metropolis's rule for a plane some steps away along either axis, z integrated out.

    The null and the first slab exchange what shift (C,) differs by, as their best weights do: a wider null takes genes
    from the narrowest slab. trial (K,) and work (BLOCK,) are work space.
    """
    axis = int(2.0 * _uniform(key, 0))
    if shape[axis] == 1:
        axis = 1 - axis
    if shape[axis] == 1:
        return
    reach = 1 + shape[axis] // 6
    step = 1 + int(reach * _uniform(key, 1))
    if _uniform(key, 2) < 0.5:
        step = -step
    here = plane[0]
    place = here // shape[1] if axis == 0 else here % shape[1]
    if place + step < 0 or place + step >= shape[axis]:
        return
    there = here + step * (shape[1] if axis == 0 else 1)
    for k in range(len(weight)):
        trial[k] = weight[k]
    trial[0] += shift[there] - shift[here]
    trial[1] -= shift[there] - shift[here]
    if trial[0] <= 0.0 or trial[1] <= 0.0:
        return
    rise = loglik(likelihood[there], trial, work) + constant[there] + log_prior[there]
    rise -= loglik(likelihood[here], weight, work) + constant[here] + log_prior[here]
    rise += _log_prior(trial, concentration) - _log_prior(weight, concentration)
    if math.log(_uniform(key, 3)) < rise:
        plane[0] = there
        weight[0], weight[1] = trial[0], trial[1]


@kernel
def run_chain(
    likelihood, constant, log_prior, shape, shift, concentration, pairs, widths, seed, chain, start, weight, plane,
    out_weight, out_plane, out_loglik,
):  # fmt: skip
    """Sweeps start, start + 1, ... of one chain, as many as out_weight (N, K) has rows.

    Planes are likelihoods under other scales of the components: likelihood (C, K, G), each gene's up to a factor
    whose logs sum to constant (C,); log_prior (C,); shape (2,) says how the C planes lie in a rectangle; shift (C,)
    as in `_plane_move`. A sweep draws z_g from Cat(w_k L_kg) and w given the counts; then, z integrated out, it moves
    the plane and lets EXCHANGES random pairs (N, 2) of components exchange weight, of which widths (N,) tell how much
    is likely. weight (K,) and plane (1,) are the state and become the next one. out_weight, out_plane (N,) and
    out_loglik (N,) hold the states that z was drawn under.
    """
    n_components, n_genes = likelihood.shape[1], likelihood.shape[2]
    count = np.empty(n_components)
    center = np.empty(n_genes)
    work = np.empty((3, BLOCK))
    for i in range(len(out_weight)):
        sweep = start + i
        here = plane[0]
        for k in range(n_components):
            out_weight[i, k] = weight[k]
        out_plane[i] = here
        key = _key(seed, chain, sweep, GENES)
        out_loglik[i] = _allocate(likelihood[here], weight, key, work, count) + constant[here]
        _draw_weights(concentration, count, _key(seed, chain, sweep, WEIGHTS), weight)
        for move in range(PLANE_MOVES):
            key = _key(seed, chain, sweep, MOVES + move)
            _plane_move(
                likelihood, constant, log_prior, shape, shift, concentration, key, weight, plane, count, work[0]
            )
        here = plane[0]
        _mix(likelihood[here], weight, 0, n_genes, center)
        value = 0.0
        for first in range(0, n_genes, BLOCK):
            value += _log_product(center[first:], min(BLOCK, n_genes - first))
        for move in range(EXCHANGES):
            key = _key(seed, chain, sweep, MOVES + PLANE_MOVES + move)
            pair = int(len(pairs) * _uniform(key, 60))
            value = _exchange(
                likelihood[here], concentration, pairs[pair, 0], pairs[pair, 1], widths[pair], key, weight, center,
                value, work[0],
            )  # fmt: skip


@kernel
def false_discoveries(likelihood, weight, plane, chosen, seed, chain, sweep, out):
    """Fill out (D,) with how many of the chosen genes (M,) are null in each draw.

    The components are those the sampler drew: likelihood (C, K, G), weight (D, K), plane, chain and sweep (D,).
    """
    one = np.empty(1)
    for d in range(len(out)):
        key = _key(seed, chain[d], sweep[d], GENES)
        number = 0
        for i in range(len(chosen)):
            g = chosen[i]
            _mix(likelihood[plane[d]], weight[d], g, 1, one)
            number += weight[d, 0] * likelihood[plane[d], 0, g] > _uniform(key, g) * one[0]
        out[d] = number
