"""Robust local regression, to the letter of the definition that limma's weights rest on."""

from __future__ import annotations

import math

import numpy as np

from ebgenes.kernels.jit import kernel


@kernel
def _local_line(x, y, at, left, right, robustness, weight):
    """Value at x[at] of the line fitted to points left..right, weighted by tricube times robustness.

    Points within .1% of the bandwidth h weigh 1, beyond 99.9% of it 0; a spread of x below .1% of
    the whole range gives the weighted mean. NaN where no point has weight.
    """
    here = x[at]
    width = max(here - x[left], x[right] - here)
    total = 0.0
    stop = left
    for j in range(left, len(x)):
        distance = abs(x[j] - here)
        if distance <= 0.999 * width:
            weight[j] = robustness[j]
            if distance > 0.001 * width:
                weight[j] *= (1.0 - (distance / width) ** 3) ** 3
            total += weight[j]
        elif x[j] > here:
            break
        else:
            weight[j] = 0.0
        stop = j + 1
    if total <= 0.0:
        return math.nan
    center = 0.0
    for j in range(left, stop):
        weight[j] /= total
        center += weight[j] * x[j]
    spread = 0.0
    for j in range(left, stop):
        spread += weight[j] * (x[j] - center) ** 2
    slope = 0.0
    if width > 0.0 and math.sqrt(spread) > 0.001 * (x[-1] - x[0]):
        slope = (here - center) / spread
    value = 0.0
    for j in range(left, stop):
        value += weight[j] * (1.0 + slope * (x[j] - center)) * y[j]
    return value


@kernel
def _smooth_once(x, y, n_near, delta, robustness, weight, fitted):
    """Fill fitted (G,): lines at points about delta apart, straight interpolation between them."""
    n = len(x)
    left = 0
    right = n_near - 1
    last = -1
    i = 0
    while True:
        while right < n - 1 and x[i] - x[left] > x[right + 1] - x[i]:
            left += 1
            right += 1
        value = _local_line(x, y, i, left, right, robustness, weight)
        fitted[i] = y[i] if math.isnan(value) else value
        if last < i - 1:
            for j in range(last + 1, i):
                share = (x[j] - x[last]) / (x[i] - x[last])
                fitted[j] = share * fitted[i] + (1.0 - share) * fitted[last]
        last = i
        i = last + 1
        while i < n and x[i] <= x[last] + delta:
            if x[i] == x[last]:
                fitted[i] = fitted[last]
                last = i
            i += 1
        if last >= n - 1:
            return
        i = max(last + 1, i - 1)


@kernel
def lowess(x, y, span, delta, n_robust, fitted):
    """Fill fitted (G,) with Cleveland's LOWESS of y on ascending x, (G,).

    Each line uses the nearest span * G points. After a pass with residuals r, points are weighted by
    the bisquare of r over six times the median |r|, 1 within .1% and 0 beyond 99.9% of that; n_robust
    such passes follow the first.
    """
    n = len(x)
    n_near = max(2, min(n, int(span * n + 1e-7)))
    robustness = np.ones(n)
    weight = np.zeros(n)
    residual = np.empty(n)
    for step in range(n_robust + 1):
        _smooth_once(x, y, n_near, delta, robustness, weight, fitted)
        if step == n_robust:
            return
        mean = 0.0
        for i in range(n):
            residual[i] = abs(y[i] - fitted[i])
            mean += residual[i] / n
        scale = 6.0 * np.median(residual)
        if scale < 1e-7 * mean:
            return
        for i in range(n):
            ratio = residual[i] / scale
            if ratio <= 0.001:
                robustness[i] = 1.0
            elif ratio <= 0.999:
                robustness[i] = (1.0 - ratio * ratio) ** 2
            else:
                robustness[i] = 0.0
