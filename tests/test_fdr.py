"""Adjusted p-values and running means."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings, strategies as st
from scipy import stats

from ebgenes.fdr import adjust_bh, running_mean
from ebgenes.table import two_sided_p

rates = st.lists(st.floats(0, 1), min_size=1, max_size=40).map(np.array)


@settings(deadline=None)
@given(rates)
def test_bh_equals_scipy(p_value):
    np.testing.assert_allclose(adjust_bh(p_value), stats.false_discovery_control(p_value), rtol=1e-12, atol=0)


@settings(deadline=None)
@given(rates)
def test_running_mean_is_the_mean_of_all_that_are_no_larger(rate):
    expected = [rate[rate <= value].mean() for value in rate]
    np.testing.assert_allclose(running_mean(rate), expected, rtol=1e-10, atol=1e-300)


@settings(deadline=None)
@given(rates)
def test_running_mean_orders_as_the_rates_do(rate):
    mean = running_mean(rate)
    assert np.all(np.diff(mean[np.argsort(rate)]) >= -1e-15)
    assert np.all(mean <= rate + 1e-12)


def test_p_values_keep_their_tails():
    z = np.array([0.0, 1.96, -38.0, 40.0])
    normal = two_sided_p(z, np.full(4, np.inf))
    np.testing.assert_allclose(normal[:3], 2 * stats.norm.sf(np.abs(z[:3])), rtol=1e-12)
    df = np.array([3.0, 10.8, 100.0, 5.0])
    np.testing.assert_allclose(two_sided_p(z, df), 2 * stats.t.sf(np.abs(z), df), rtol=1e-9)
