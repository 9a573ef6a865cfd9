"""Natural cubic splines."""

from __future__ import annotations

import numpy as np

from ebgenes.arrays import FloatArray


def natural_spline(x: FloatArray, n_columns: int) -> FloatArray:
    """A basis of natural cubic splines with knots at the ends and at equal quantiles between, (G, n_columns).

    Truncated powers on the unit interval span the same space as any other basis (Hastie, Tibshirani and Friedman,
    The Elements of Statistical Learning, equation 5.4). The first column is of ones, the second linear.
    """
    unit = (x - x.min()) / max(float(np.ptp(x)), 1e-300)
    columns = [np.ones_like(unit), unit]
    if n_columns > 2:
        knots = np.quantile(unit, np.linspace(0, 1, n_columns))

        def hinge(knot: float) -> FloatArray:
            cubes = np.maximum(unit - knot, 0) ** 3 - np.maximum(unit - knots[-1], 0) ** 3
            return np.asarray(cubes / (knots[-1] - knot))

        columns += [hinge(knot) - hinge(knots[-2]) for knot in knots[:-2]]
    return np.column_stack(columns[:n_columns])
