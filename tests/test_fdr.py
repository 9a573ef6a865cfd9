"""Error rates from p-values and from local rates."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import reference
from hypothesis import given, settings, strategies as st
from scipy import stats

from ebgenes.errors import InputError
from ebgenes.posteriors.fdr import (
    adjust_bh,
    equivalence_rate,
    expected_rate,
    list_rate,
    q_from_p,
    running_mean,
    storey_pi0,
    tail_rate,
    threshold_rate,
    two_sided_p,
)

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


@settings(deadline=None)
@given(rates, st.floats(0.01, 0.3))
def test_a_list_by_signs_holds_no_more_errors_than_its_level(rate, level):
    """And no gene whose sign is hardly better known than a coin's; the surest come first, and none is left out."""
    listed = list_rate(rate) < level
    assert not listed.any() or rate[listed].mean() < level
    assert np.all(rate[listed] < 0.475)
    assert not listed.any() or np.all(listed[rate <= rate[listed].max()])
    # The next gene would break one of the two conditions.
    rest = np.sort(rate[~listed])
    if len(rest):
        more = rate <= rest[0]
        assert rate[more].mean() >= level - 1e-12 or rest[0] >= 0.475


@settings(deadline=None)
@given(rates)
def test_rates_of_lists_are_running_means_until_a_gene_is_more_probably_wrong(rate):
    level, mean = list_rate(rate), running_mean(rate)
    np.testing.assert_array_equal(level[rate < 0.475], mean[rate < 0.475])
    assert np.all(level >= mean)
    assert np.all(level[rate >= 0.475] >= 0.475)
    # Any cut of the column is a list of the surest.
    assert np.all(np.diff(level[np.argsort(rate)]) >= -1e-15)


def test_sure_genes_do_not_pay_for_coin_tosses():
    lfsr = np.append(np.full(99, 1e-6), 0.48)
    assert running_mean(lfsr)[-1] < 0.05
    listed = list_rate(lfsr) < 0.05
    assert listed[:99].all()
    assert not listed[99]


def test_p_values_keep_their_tails():
    z = np.array([0.0, 1.96, -38.0, 40.0])
    normal = two_sided_p(z, np.full(4, np.inf))
    np.testing.assert_allclose(normal[:3], 2 * stats.norm.sf(np.abs(z[:3])), rtol=1e-12)
    df = np.array([3.0, 10.8, 100.0, 5.0])
    np.testing.assert_allclose(two_sided_p(z, df), 2 * stats.t.sf(np.abs(z), df), rtol=1e-9)


@pytest.mark.parametrize("method", ["smoother", "bootstrap"])
def test_pi0_and_q_values_equal_those_of_qvalue(method):
    """On airway's 22,369 genes, from DESeq2's statistics."""
    p_value = 2 * stats.norm.sf(np.abs(reference("airway/deseq2_stat.csv.gz")["stat"].to_numpy()))
    pi0 = storey_pi0(p_value, method)
    assert pi0 == pytest.approx(reference("airway/qvalue_pi0.csv")[f"pi0_{method}"][0], abs=1e-5)
    theirs = reference("airway/qvalue.csv")
    ours = q_from_p(p_value, pi0)[theirs["row"]]
    np.testing.assert_allclose(ours, theirs[f"qvalue_{method}"], rtol=1e-5, atol=1e-7)


def test_pi0_of_uniform_and_of_tiny_p_values(rng):
    uniform = rng.uniform(size=50_000)
    assert storey_pi0(uniform) == pytest.approx(1, abs=0.06)
    assert storey_pi0(uniform, "bootstrap") > 0.97
    assert 0 < storey_pi0(np.full(100, 1e-9)) <= 0.01
    np.testing.assert_allclose(q_from_p(uniform, 1.0), adjust_bh(uniform))


@pytest.mark.parametrize("bad", [[0.5, np.nan], [0.5, 1.5], []])
def test_what_is_no_p_value(bad):
    with pytest.raises(InputError, match="between 0 and 1"):
        storey_pi0(np.array(bad))
    with pytest.raises(InputError, match="smoother, bootstrap"):
        storey_pi0(np.array([0.5]), "spline")


@settings(deadline=None)
@given(rates)
def test_tail_rate_is_the_mean_of_all_that_score_as_high(rate):
    score = np.round(np.sin(100 * rate), 1)
    expected = [rate[score >= value].mean() for value in score]
    np.testing.assert_allclose(tail_rate(score, rate), expected, rtol=1e-10, atol=1e-300)


def test_rates_of_lists_hold_in_simulated_truth(rng):
    """Expected, threshold and equivalence rates of a known posterior are the shares of what is false."""
    n = 200_000
    changed = rng.uniform(size=n) < 0.3
    theta = np.where(changed, rng.normal(0, 2, n), 0.0)
    z = theta + rng.normal(size=n)
    joint = 0.3 * stats.norm.pdf(z, 0, np.sqrt(5))
    lfdr = 0.7 * stats.norm.pdf(z) / (0.7 * stats.norm.pdf(z) + joint)
    center, spread = 0.8 * z, np.sqrt(0.8)
    up = (1 - lfdr) * stats.norm.sf((1 - center) / spread)
    down = (1 - lfdr) * stats.norm.sf((1 + center) / spread)
    assert expected_rate(lfdr) == pytest.approx(lfdr[changed].mean(), abs=0.005)
    beyond = running_mean(threshold_rate(up, down)) < 0.1
    wrong = np.where(up > down, theta <= 1, theta >= -1)
    assert wrong[beyond].mean() == pytest.approx(0.1, abs=0.01)
    within = running_mean(equivalence_rate(up, down)) < 0.06
    assert within.sum() > 1000
    assert (np.abs(theta) > 1)[within].mean() == pytest.approx(0.06, abs=0.005)
