"""Student's t likelihoods under normal components, as mixtures of normals.

(estimate - theta)/se ~ t_df means: estimate ~ N(theta, se^2/lambda), lambda ~ Gamma(df/2, df/2).
With x = log lambda both the prior density of x and its posterior under any component are of the
form exp(a (u - e^u)) in u = x - mode, a between df/2 and (df+1)/2, so the trapezoid rule on one
range that covers both converges geometrically. Every integral over theta is then a finite sum of
normal ones.
"""

from __future__ import annotations

import math

import numpy as np

from ebgenes.numerics.jit import kernel, summing
from ebgenes.numerics.vector import exp, log

# Nats below its peak at which the density of x is cut, and the step in units of (a + 2.5)^-1/2:
# together they leave a relative error below 2e-7 for any df >= 1 (tests/test_student.py).
CUT = 20.0
STEP = 0.9
MAX_NODES = 4000


@kernel
def _end(shape, start):
    """The root u of shape (u - e^u + 1) = -CUT beyond which start lies, by Newton's method."""
    u = start
    for _ in range(60):
        step = (u - math.exp(u) + 1.0 + CUT / shape) / (1.0 - math.exp(u))
        u -= step
        if abs(step) < 1e-6:
            break
    return u


@kernel
def _left_end(shape):
    return _end(shape, -math.sqrt(2.0 * CUT / shape) - CUT / shape)


@kernel
def _right_end(shape):
    return _end(shape, min(math.sqrt(2.0 * CUT / shape), math.log(1.0 + CUT / shape) + 2.0))


@kernel
def error_nodes(estimate, se, df, log_weight, variance):
    """Nodes of the normal mixture that is one gene's t likelihood; returns how many.

    estimate, se, df scalars; log_weight and variance (MAX_NODES,) are filled.
    """
    if not math.isfinite(df):
        log_weight[0] = 0.0
        variance[0] = se * se
        return 1
    half = 0.5 * df
    z2 = (estimate / se) ** 2
    far_mode = math.log((df + 1.0) / (df + z2))
    low = min(_left_end(half), far_mode + _left_end(half + 0.5))
    high = max(_right_end(half), far_mode + _right_end(half + 0.5))
    n_nodes = int((high - low) / (STEP / math.sqrt(half + 2.5))) + 2
    n_nodes = min(n_nodes, MAX_NODES)
    total = 0.0
    for q in range(n_nodes):
        x = low + (high - low) * q / (n_nodes - 1)
        grown = exp(x)
        log_weight[q] = half * (x - grown + 1.0)
        variance[q] = se * se / grown
    for q in range(n_nodes):
        total += exp(log_weight[q])
    # The range covers the prior's whole mass, so normalising the rule is exact.
    log_total = math.log(total)
    for q in range(n_nodes):
        log_weight[q] -= log_total
    return n_nodes


@kernel
def _log_sum(log_weight, variance, n_nodes, square, extra):
    """log sum_q w_q exp(-square/2V_q)/sqrt(V_q), V_q = variance_q + extra, where the sum itself underflows."""
    top = -math.inf
    for q in range(n_nodes):
        total = variance[q] + extra
        top = max(top, log_weight[q] - 0.5 * (math.log(total) + square / total))
    scaled = 0.0
    for q in range(n_nodes):
        total = variance[q] + extra
        scaled += math.exp(log_weight[q] - 0.5 * (math.log(total) + square / total) - top)
    return top + math.log(scaled)


@summing
def _normal_sum(weight, variance, n_nodes, square, extra):
    """sum_q w_q exp(-square/2V_q)/sqrt(V_q), V_q = variance_q + extra."""
    total = 0.0
    for q in range(n_nodes):
        precision = 1.0 / (variance[q] + extra)
        total += weight[q] * math.sqrt(precision) * exp(-0.5 * square * precision)
    return total


@kernel
def component_loglik(estimate, se, df, scale, out):
    """log L_gk = log sum_q w_q N(estimate; 0, v_q + scale_0^2 + scale_k^2 [k > 0]).

    estimate, se, df (G,); scale (K,); out (G, K) is filled.
    """
    log_weight = np.empty(MAX_NODES)
    variance = np.empty(MAX_NODES)
    node_weight = np.empty(MAX_NODES)
    half_log_2pi = 0.5 * math.log(2.0 * math.pi)
    extra_of = np.empty(len(scale))
    for k in range(len(scale)):
        extra_of[k] = scale[0] * scale[0] + (scale[k] * scale[k] if k > 0 else 0.0)
    for g in range(len(estimate)):
        if not math.isfinite(df[g]):
            # One normal alone, which is all of ten million effects: a loop that can be vectorized.
            square = estimate[g] ** 2
            known = se[g] ** 2
            for k in range(len(scale)):
                total = known + extra_of[k]
                out[g, k] = -0.5 * (log(total) + square / total) - half_log_2pi
            continue
        n_nodes = error_nodes(estimate[g], se[g], df[g], log_weight, variance)
        square = estimate[g] ** 2
        for q in range(n_nodes):
            node_weight[q] = exp(log_weight[q])
        for k in range(len(scale)):
            extra = extra_of[k]
            total = _normal_sum(node_weight, variance, n_nodes, square, extra)
            if total > 1e-200:
                out[g, k] = math.log(total) - half_log_2pi
            else:
                out[g, k] = _log_sum(log_weight, variance, n_nodes, square, extra) - half_log_2pi
