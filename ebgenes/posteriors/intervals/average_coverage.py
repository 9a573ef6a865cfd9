"""Critical values for intervals around shrunken estimates that cover on average, whatever the true effects.

With z = theta/se + error, an interval w z +- chi w misses theta/se where |error + b| > chi, b = (1 - 1/w) theta/se.
Given the mean m2 of b^2 and the mean kurtosis m2^2 of b^4 the largest share of misses over all distributions of b is a
linear programme, whose dual is a search for the lowest quadratic in b^2 above the probability of a miss.

Source: Armstrong, Kolesar and Plagborg-Moller (2022), Econometrica 90, 2567, section 4 and appendix B.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special
from scipy.optimize import brentq, minimize_scalar

from ebgenes.arrays import FloatArray

PLACES = 400
"""Places of b^2 among which the duals are searched before they are refined."""

FLAT = 1e-3
"""Places closer than this share of the range to the point of contact stand for it."""


@dataclass(frozen=True, slots=True)
class Miss:
    """P(|error + b| > chi) as a function of x = b^2, its slope and half its second derivative.

    The error is standard normal, or Student's t where df is finite.
    """

    chi: float
    df: float = np.inf

    def value(self, x: FloatArray) -> FloatArray:
        """The probability itself."""
        b = np.sqrt(x)
        return np.asarray(self._tail(self.chi + b) + self._tail(self.chi - b))

    def slope(self, x: FloatArray) -> FloatArray:
        """Its derivative in x; at 0 the limit."""
        b = np.sqrt(np.maximum(x, 1e-8))
        return np.asarray((self._density(self.chi - b) - self._density(self.chi + b)) / (2 * b))

    def half_bend(self, x: float) -> float:
        """Half its second derivative in x, by the difference of slopes."""
        step = 1e-4 * (x + 1e-2)
        low = max(x - step, 0.0)
        slopes = self.slope(np.array([low, x + step]))
        return float((slopes[1] - slopes[0]) / (2 * (x + step - low)))

    def _tail(self, t: FloatArray) -> FloatArray:
        return np.asarray(special.ndtr(-t) if np.isinf(self.df) else special.stdtr(self.df, -t))

    def _density(self, t: FloatArray) -> FloatArray:
        if np.isinf(self.df):
            return np.asarray(np.exp(-0.5 * t**2) / np.sqrt(2 * np.pi))
        norm = np.exp(special.gammaln((self.df + 1) / 2) - special.gammaln(self.df / 2)) / np.sqrt(self.df * np.pi)
        return np.asarray(norm * (1 + t**2 / self.df) ** (-(self.df + 1) / 2))


def worst_miss(m2: float, kurtosis: float, chi: float, df: float = np.inf) -> float:
    """Largest share of misses over all distributions of the bias b with mean b^2 = m2, mean b^4 = kurtosis m2^2.

    Parameters
    ----------
    m2
        Mean square of the bias in standard errors of the estimator.
    kurtosis
        Its kurtosis, from 1 to infinity, which is no constraint.
    chi
        Half width of the interval in the same units.
    df
        Degrees of freedom of the error.
    """
    miss = Miss(chi, df)
    if m2 == 0:
        return float(miss.value(np.zeros(1))[0])
    if kurtosis <= 1:
        return float(miss.value(np.array([m2]))[0])
    unbound, contact = _second_moment_only(miss, m2)
    # Mass on 0 and on the point of contact has the kurtosis contact / m2.
    if kurtosis >= contact / m2:
        return unbound
    return min(unbound, _both_moments(miss, m2, kurtosis))


def _range(miss: Miss, m2: float) -> float:
    """b^2 beyond which all errors miss as good as surely."""
    return float((miss.chi + 12 + (0 if np.isinf(miss.df) else 40 / np.sqrt(miss.df))) ** 2 + 4 * m2)


def _second_moment_only(miss: Miss, m2: float) -> tuple[float, float]:
    """The least concave function above the probability of a miss, at m2, and the far end of its chord there."""
    x = np.linspace(0, np.sqrt(_range(miss, m2)), 4 * PLACES + 1)[1:] ** 2
    start = float(miss.value(np.zeros(1))[0])
    rise = (miss.value(x) - start) / x
    best = int(np.argmax(rise))
    low, high = x[max(best - 1, 0)], x[min(best + 1, len(x) - 1)]
    search = minimize_scalar(
        lambda place: -float((miss.value(np.array([place]))[0] - start) / place),
        bounds=(low if best > 0 else low * 1e-6, high),
        method="bounded",
        options={"xatol": 1e-9 * high},
    )
    contact = float(search.x)
    if best == 0 or m2 >= contact:
        # Concave from the start, or from m2 on: no mixture does worse than one point.
        return float(miss.value(np.array([m2]))[0]), m2
    return start - m2 * float(search.fun), contact


def _both_moments(miss: Miss, m2: float, kurtosis: float) -> float:
    """The dual: the lowest mean of a quadratic in b^2 that lies above the probability of a miss and touches it."""
    end = np.sqrt(_range(miss, m2))
    x = np.linspace(0, end, PLACES + 1) ** 2
    height = miss.value(x)

    def mean_of_quadratic(touch: float) -> float:
        at, slope = float(miss.value(np.array([touch]))[0]), float(miss.slope(np.array([touch]))[0])
        bend = _bend_needed(miss, touch, at, slope, x, height)
        return at + (m2 - touch) * slope + bend * ((m2 - touch) ** 2 + (kurtosis - 1) * m2**2)

    touches = np.linspace(0, end, 65) ** 2
    start, slopes = miss.value(touches), miss.slope(touches)
    gap = x - touches[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        bends = (height - start[:, None] - gap * slopes[:, None]) / gap**2
    bends = np.where(np.abs(gap) > FLAT * (touches[:, None] + 0.1), bends, 0.0).max(axis=1)
    rough = start + (m2 - touches) * slopes + bends * ((m2 - touches) ** 2 + (kurtosis - 1) * m2**2)
    # The mean has kinks where the second point of contact jumps, so that every valley is looked into.
    beside = np.concatenate([[np.inf], rough, [np.inf]])
    valleys = np.flatnonzero((rough <= beside[:-2]) & (rough <= beside[2:]) & (rough < rough.min() + 0.05))
    found = [
        minimize_scalar(
            mean_of_quadratic,
            bounds=(touches[max(int(i) - 1, 0)], touches[min(int(i) + 1, len(touches) - 1)]),
            method="bounded",
            options={"xatol": 1e-9 * end**2},
        ).fun
        for i in valleys
    ]
    return float(min(found))


def _bend_needed(miss: Miss, touch: float, at: float, slope: float, x: FloatArray, height: FloatArray) -> float:
    """The least bend, 0 or more, with which the quadratic that touches lies above the probability everywhere."""

    def bend(place: FloatArray, value: FloatArray) -> FloatArray:
        return np.asarray((value - at - (place - touch) * slope) / (place - touch) ** 2)

    apart = np.abs(x - touch) > FLAT * (touch + 0.1)
    bends = bend(x[apart], height[apart])
    best = int(np.argmax(bends))
    low, high = float(x[apart][max(best - 1, 0)]), float(x[apart][min(best + 1, len(bends) - 1)])
    found = max(float(bends[best]), miss.half_bend(touch), 0.0)
    if low < touch < high or bends[best] < found:
        return found
    search = minimize_scalar(
        lambda place: -float(bend(np.array([place]), miss.value(np.array([place])))[0]),
        bounds=(low, high),
        method="bounded",
        options={"xatol": 1e-7 * (high + 1e-3)},
    )
    return max(found, -float(search.fun))


@lru_cache(maxsize=4096)
def critical_value(m2: float, kurtosis: float, level: float = 0.95, df: float = np.inf) -> float:
    """The half width chi, in standard errors of the estimator, at which `worst_miss` is 1 - level.

    Parameters
    ----------
    m2, kurtosis, df
        As in `worst_miss`.
    level
        Average coverage, strictly between 0 and 1.
    """
    tail = (1 - level) / 2
    low = float(-special.ndtri(tail) if np.isinf(df) else -special.stdtrit(df, tail))
    # Chebyshev: a share 1 - level of misses needs no more than this.
    high = low + np.sqrt(m2 / (1 - level)) + 1
    excess: Callable[[float], float] = lambda chi: worst_miss(m2, kurtosis, chi, df) - (1 - level)  # noqa: E731
    if m2 == 0 or excess(low) <= 0:
        return low
    while excess(high) > 0:
        high *= 2
    return float(brentq(excess, low, high, xtol=1e-9))
