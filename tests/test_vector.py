"""Arithmetic that stands in for the C library's functions, against it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ebgenes.numerics.vector import exp, log, log_rising, lowest_terms

pytestmark = pytest.mark.fast


def test_exp_and_log(rng):
    x = np.concatenate([rng.uniform(-690, 690, 3000), rng.uniform(-1e-3, 1e-3, 3000), [0.0, 1.0, -1.0]])
    np.testing.assert_allclose([exp(value) for value in x], np.exp(x), rtol=1e-15)
    y = np.exp(x)
    np.testing.assert_allclose([log(value) for value in y], np.log(y), rtol=3e-16, atol=1e-18)


def test_exp_is_cut_before_it_overflows():
    assert exp(-1e9) == pytest.approx(math.exp(-700))
    assert exp(1e9) == pytest.approx(math.exp(700))
    assert exp(-math.inf) == exp(-700.0)


@pytest.mark.parametrize("r", [1e-2, 0.3, 7.0, 150.0, 1e4, 1e8])
def test_log_rising_is_a_sum_of_logs(r):
    """log Gamma(y + r) - log Gamma(r) - y log r = sum_{j<y} log(1 + j/r), where lgamma's difference cancels."""
    for y in (0.0, 1.0, 2.0, 7.0, 300.0, 50000.0):
        exact = math.fsum(np.log1p(np.arange(int(y)) / r))
        assert log_rising(y, r, *lowest_terms(r)) == pytest.approx(exact, rel=1e-11, abs=2e-8)
