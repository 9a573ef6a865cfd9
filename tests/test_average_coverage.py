"""Critical values against published ones, and worst cases against a linear programme on many places."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import linprog

from ebgenes.posteriors.intervals.average_coverage import Miss, critical_value, worst_miss

PUBLISHED = [
    (25.0, 3.0, 0.95, 11.88358367),
    (1.0, 3.0, 0.8, 1.8494683),
    (100.0, 3.0, 0.95, 24.86172217),
    (2.8**2, 8.0, 0.9, 7.0779747158),
]
"""Of the authors' R package ebci 1.0.0, tests/testthat/test-cv.R."""


@pytest.mark.fast
@pytest.mark.parametrize(("m2", "kurtosis", "level", "expected"), PUBLISHED)
def test_critical_values_are_the_published_ones(m2, kurtosis, level, expected):
    # They print 8 to 10 digits; roots are found to 1e-9 and worst cases to some 1e-9.
    assert critical_value(m2, kurtosis, level) == pytest.approx(expected, abs=1e-7)


def test_worst_misses_are_the_published_ones():
    assert worst_miss(1.0, 3.0, 11.9699639845401) == pytest.approx(6.0216e-05, abs=1e-9)
    assert worst_miss(2.8**2, 8.0, 7.1324290147839279896) == pytest.approx(0.09805099, abs=1e-8)


def by_linear_programme(m2: float, kurtosis: float, miss: Miss) -> float:
    """The largest mean over distributions of b^2 on 2,000 places; the fourth moment may stay below its bound."""
    x = np.unique(np.append(np.linspace(0, miss.chi + 14, 2000) ** 2, m2))
    equal = np.array([np.ones_like(x), x / m2])
    at_most = {} if np.isinf(kurtosis) else {"A_ub": (x**2 / (kurtosis * m2**2))[None, :], "b_ub": [1.0]}
    return -linprog(-miss.value(x), A_eq=equal, b_eq=[1.0, 1.0], method="highs", **at_most).fun


@pytest.mark.parametrize("df", [3.0, 8.0, np.inf])
@pytest.mark.parametrize(
    ("m2", "kurtosis", "chi"),
    [(0.02, 50, 1.4), (0.2, 4, 1.6), (0.4, 30, 3.3), (3, 1.5, 4), (6, np.inf, 5), (13, 2.7, 8)],
)
def test_worst_misses_equal_a_linear_programme(m2, kurtosis, chi, df):
    found, brute = worst_miss(m2, kurtosis, chi, df), by_linear_programme(m2, kurtosis, Miss(chi, df))
    # The programme's places are .01 apart in b, and it can only fall short.
    assert brute - 1e-9 <= found <= brute + 1e-6


@pytest.mark.parametrize("df", [4.0, np.inf])
def test_slopes_are_derivatives(df):
    miss = Miss(2.3, df)
    x = np.array([1e-3, 0.4, 5.0, 30.0])
    step = 1e-5 * x
    slopes = (miss.value(x + step) - miss.value(x - step)) / (2 * step)
    np.testing.assert_allclose(miss.slope(x), slopes, rtol=1e-6, atol=1e-10)


def test_limits():
    assert critical_value(0.0, 3.0) == pytest.approx(stats.norm.ppf(0.975))
    assert critical_value(0.0, 3.0, df=5.0) == pytest.approx(stats.t.ppf(0.975, 5))
    # Bias of one size only: the two tails of a shifted normal.
    chi = critical_value(4.0, 1.0)
    assert stats.norm.sf(chi - 2) + stats.norm.sf(chi + 2) == pytest.approx(0.05, abs=1e-8)
    # More kurtosis allows worse cases, up to a bound.
    values = [critical_value(0.25, kurtosis) for kurtosis in (1.0, 3.0, 10.0, 100.0, np.inf)]
    assert np.all(np.diff(values) >= -1e-9)
    assert values[-1] > values[0] + 0.03
    # A normal prior's own interval is what its normal biases need, so the worst case needs more.
    assert critical_value(0.5, 3.0) > stats.norm.ppf(0.975) * np.sqrt(1.5)


def test_coverage_at_the_worst_case(rng):
    """Two-point biases of the right moments miss no more often than promised."""
    m2, kurtosis = 0.5, 4.0
    chi = critical_value(m2, kurtosis)
    # b^2 is 0 or kurtosis m2, with the mean m2 and the kurtosis kurtosis.
    b = np.where(rng.random(400_000) < 1 / kurtosis, np.sqrt(kurtosis * m2), 0.0)
    missed = np.abs(b + rng.standard_normal(len(b))) > chi
    assert missed.mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(b))
    assert missed.mean() > 0.03
