"""Robust local regression, to the letter of the definition that limma's weights rest on."""

from __future__ import annotations

import math

import numpy as np

from ebgenes.numerics.jit import kernel


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
def local_lines(x, y, n_near, delta, robustness, fitted):
    """Fill fitted (G,) with local lines of y on ascending x, (G,), each from the n_near nearest points.

    Lines are fitted at points about delta apart; between them fitted values are straight. Points weigh by their
    distance, times robustness (G,).
    """
    n = len(x)
    weight = np.zeros(n)
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
