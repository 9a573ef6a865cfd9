"""Posterior of each gene's effect under a mixture of normals with a point mass at 0."""

from __future__ import annotations

import math

import numpy as np

from ebgenes.numerics.jit import kernel
from ebgenes.numerics.student import MAX_NODES, error_nodes

# Terms of a smaller share of the slabs than this are left out of intervals, whose tails hold 1e6 times as much in all.
NEGLIGIBLE = 1e-11


@kernel
def _upper_tail(x):
    return 0.5 * math.erfc(x / math.sqrt(2.0))


@kernel
def mixture_quantile(probability, start, atom, share, center, spread, n_terms):
    """The point t with atom 1[t >= 0] + sum_i share_i Phi((t - center_i)/spread_i) = probability.

    Newton steps from `start`, kept inside a shrinking bracket; 0 where the atom spans the probability.
    """
    below = 0.0
    low = 0.0
    high = 0.0
    for i in range(n_terms):
        below += share[i] * _upper_tail(center[i] / spread[i])
        low = min(low, center[i] - 40.0 * spread[i])
        high = max(high, center[i] + 40.0 * spread[i])
    if below < probability <= below + atom or n_terms == 0:
        return 0.0
    if probability <= below:
        high = 0.0
        target = probability
    else:
        low = 0.0
        target = probability - atom
    t = start if low < start < high else 0.5 * (low + high)
    # A Newton step of this size leaves an error of its square.
    tolerance = 1e-9 * (high - low)
    for _ in range(200):
        value = -target
        slope = 0.0
        for i in range(n_terms):
            u = (t - center[i]) / spread[i]
            value += share[i] * _upper_tail(-u)
            slope += share[i] * math.exp(-0.5 * u * u) / spread[i]
        slope *= 0.3989422804014327
        if value > 0.0:
            high = t
        else:
            low = t
        step = t - value / slope if slope > 0.0 else low
        following = step if low < step < high else 0.5 * (low + high)
        if abs(following - t) <= tolerance:
            return following
        t = following
    return t


@kernel
def mixture_posterior(estimate, se, df, weight, scale, interval, threshold, out):
    """Fill out (G, 10): mean, sd, lower, upper, lfdr, lfsr, up, down, and both ends given that the gene is changed.

    Component (k, q) has marginal likelihood pi_k w_q N(b; 0, V + tau_k^2), V = v_q + scale_0^2, and
    within it theta ~ N(b tau_k^2/(V + tau_k^2), V tau_k^2/(V + tau_k^2)); tau_0 = 0. weight (G, K): of each gene, up
    to a factor.
    """
    n_components = len(scale)
    log_weight = np.empty(MAX_NODES)
    variance = np.empty(MAX_NODES)
    share = np.empty(MAX_NODES * n_components)
    center = np.empty(MAX_NODES * n_components)
    spread = np.empty(MAX_NODES * n_components)
    null_variance = scale[0] * scale[0]
    for g in range(len(estimate)):
        b = estimate[g]
        n_nodes = error_nodes(b, se[g], df[g], log_weight, variance)
        top = -math.inf
        n_terms = 0
        for k in range(n_components):
            tau2 = scale[k] * scale[k] if k > 0 else 0.0
            if k > 0 and weight[g, k] == 0.0:
                continue
            log_prior = math.log(weight[g, k]) if weight[g, k] > 0.0 else -math.inf
            for q in range(n_nodes):
                total = variance[q] + null_variance + tau2
                term = log_prior + log_weight[q] - 0.5 * (math.log(total) + b * b / total)
                share[n_terms] = term
                center[n_terms] = b * tau2 / total
                spread[n_terms] = math.sqrt((variance[q] + null_variance) * tau2 / total)
                top = max(top, term)
                n_terms += 1
        null = 0.0
        total = 0.0
        for i in range(n_terms):
            share[i] = math.exp(share[i] - top)
            total += share[i]
            if i < n_nodes:
                null += share[i]
        lfdr = null / total
        mean = 0.0
        up = 0.0
        down = 0.0
        wrong = 0.0
        right = 0.0
        for i in range(n_nodes, n_terms):
            part = share[i] / total
            if part == 0.0:
                continue
            m = center[i]
            s = spread[i]
            mean += part * m
            wrong += part * _upper_tail(abs(m) / s)
            right += part
            if threshold > 0.0:
                up += part * _upper_tail((threshold - m) / s)
                down += part * _upper_tail((threshold + m) / s)
        second = lfdr * mean * mean
        real = 1.0 - lfdr
        kept = 0
        for i in range(n_nodes, n_terms):
            part = share[i] / total
            second += part * (spread[i] ** 2 + (center[i] - mean) ** 2)
            if part > NEGLIGIBLE * real:
                share[kept] = part
                center[kept] = center[i]
                spread[kept] = spread[i]
                kept += 1
        out[g, 0] = mean
        out[g, 1] = math.sqrt(second)
        tail = 0.5 * (1.0 - interval)
        reach = 2.0 * out[g, 1]
        # All centers have the estimate's sign, so the smaller area is summed and never taken from 1.
        right -= wrong
        positive = right if b > 0.0 else wrong
        negative = wrong if b > 0.0 else right
        out[g, 2] = mixture_quantile(tail, mean - reach, lfdr, share, center, spread, kept)
        out[g, 8] = mixture_quantile(tail * real, mean - reach, 0.0, share, center, spread, kept)
        # The upper end is minus the lower end of the mirror image: no 1 - tail, and signs mirror exactly.
        for i in range(kept):
            center[i] = -center[i]
        out[g, 3] = -mixture_quantile(tail, -mean - reach, lfdr, share, center, spread, kept)
        out[g, 9] = -mixture_quantile(tail * real, -mean - reach, 0.0, share, center, spread, kept)
        if kept == 0:
            out[g, 8] = math.nan
            out[g, 9] = math.nan
        out[g, 4] = lfdr
        out[g, 5] = lfdr + min(positive, negative)
        out[g, 6] = up if threshold > 0.0 else positive
        out[g, 7] = down if threshold > 0.0 else negative
