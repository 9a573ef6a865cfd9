"""Intervals that cover on average over the genes, whatever their effects are.

Source: Armstrong, Kolesar and Plagborg-Moller (2022), Econometrica 90, 2567, in the form that shrinks t statistics
there; finite-sample lower bounds of the moments are theirs too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import Chebyshev

from ebgenes.arrays import FloatArray
from ebgenes.errors import InputError
from ebgenes.posteriors.intervals.average_coverage import critical_value

SQUARED, FOURTH = 4.0, 16.0
"""Degrees of freedom above which errors tell the mean square and the kurtosis of effects: up to 4 they have no fourth
moment; up to 8 no eighth, without which means of fourth powers have no error; near it these are slow to settle."""

FEW_VALUES = 12
"""Degrees of freedom for which critical values are computed one by one; of more, they are interpolated."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Moments:
    """Mean square m and kurtosis of true effects over their standard errors, and the weight m / (1 + m).

    `weight` is that of a gene's own estimate in a linear shrinkage estimator.
    """

    square: float
    kurtosis: float
    weight: float


def effect_moments(ratio: FloatArray, df: FloatArray, part: FloatArray | None = None) -> Moments:
    """Moments of theta/se, from estimates over standard errors, (G,), whose errors are t with df, (G,).

    Where errors are surely but a part of se, (G,), the rest counts among the effects; None: all of it.

    Genes whose errors have 4 degrees of freedom or fewer stay out of the mean square, which has the lower bound 2/G.
    The kurtosis, two standard errors above its estimate so that noise does not pass for evenness, needs 16; it is
    infinite, which is no constraint, unless half of the genes have them.

    Raises
    ------
    InputError
        Where no gene has more than 4 degrees of freedom.
    """
    known = df > SQUARED
    if not known.any():
        raise InputError(
            "robust intervals need standard errors with more than 4 degrees of freedom, and no gene has any. "
            "Choose another report.interval_method."
        )
    part = np.ones(len(df)) if part is None else part
    square = max(float(np.mean(ratio[known] ** 2 - part[known] ** 2 * _second(df[known]))), 2 / int(known.sum()))
    return Moments(square=square, kurtosis=_kurtosis(ratio, df, part, square), weight=square / (1 + square))


def _second(df: FloatArray) -> FloatArray:
    """Variance of a t, 1 where df is infinite."""
    return 1 / (1 - 2 / df)


def _kurtosis(ratio: FloatArray, df: FloatArray, part: FloatArray, square: float) -> float:
    known = df > FOURTH
    if 2 * known.sum() < len(df):
        return np.inf
    z2, variance = ratio[known] ** 2, part[known] ** 2 * _second(df[known])
    fourth = 3 * variance**2 * (1 - 2 / df[known]) / (1 - 4 / df[known])
    effects = z2**2 - 6 * variance * (z2 - variance) - fourth
    error = float(np.std(effects)) / np.sqrt(len(z2))
    return max(float(np.mean(effects) + 2 * error) / square**2, 1 + 32 / (len(z2) * square**2))


def robust_bounds(
    estimate: FloatArray,
    se: FloatArray,
    df: FloatArray,
    *,
    level: float = 0.95,
    center: float = 0.0,
    sure: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Ends of intervals, (G,) each, that hold a share `level` of the true effects on average over genes and data.

    Parameters
    ----------
    estimate, se, df
        Estimates whose errors over se are t with df degrees of freedom, (G,).
    level
        Average coverage.
    center
        What estimates are shrunk to.
    sure
        Standard errors without what may be error or effects, as a drift that all genes share, (G,); None: se.

    Raises
    ------
    InputError
        As `effect_moments`.

    Notes
    -----
    With w = m/(1 + m), m the mean square of (theta - center)/se, the interval is center + w (estimate - center) +-
    w se chi, chi the critical value of the bias (1 - 1/w)(theta - center)/se, whose mean square is 1/m and whose
    kurtosis is that of the effects. With `sure`, m and kurtosis are of all that the sure errors leave, and errors are
    as wide as se: neither is smaller than it is, whichever the rest is.
    """
    moments = effect_moments((estimate - center) / se, df, None if sure is None else sure / se)
    half = moments.weight * se * critical_values(1 / moments.square, moments.kurtosis, level, df)
    middle = center + moments.weight * (estimate - center)
    return middle - half, middle + half


def critical_values(m2: float, kurtosis: float, level: float, df: FloatArray) -> FloatArray:
    """`critical_value` for errors with df degrees of freedom, (G,); of many values interpolated in 1/df."""
    values, place = np.unique(df, return_inverse=True)
    if len(values) <= FEW_VALUES:
        return np.array([critical_value(m2, kurtosis, level, float(each)) for each in values])[place]
    ends = 1 / values[-1], 1 / values[0]

    def logs(inverse: FloatArray) -> FloatArray:
        return np.log([critical_value(m2, kurtosis, level, float(1 / each)) for each in inverse])

    return np.asarray(np.exp(Chebyshev.interpolate(logs, deg=FEW_VALUES - 1, domain=ends)(1 / df)))
