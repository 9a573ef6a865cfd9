"""Negative-binomial likelihoods against slow twins, limits and simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from oracles.negative_binomial import integrated, profile
from scipy import stats

import ebgenes as eb
from ebgenes.errors import InputError
from ebgenes.kernels.negative_binomial import adjusted_profile, dispersion_constant
from ebgenes.model import Counts, text_array
from ebgenes.negative_binomial import (
    DispersionPrior,
    contrast_layout,
    effect_likelihood,
    fit_dispersion_prior,
    lay_out,
    profile_dispersions,
    sorted_counts,
)

PRIOR = DispersionPrior(floor=0.03, slope=2.0, spread=0.6, loglik=0.0)
GROUPS = np.repeat([0.0, 1.0], 3)
TWO_GROUPS = np.column_stack([np.ones(6), GROUPS])


def counts_of(rows, log_size=None) -> Counts:
    count = np.array(rows, dtype=np.int64)
    n_genes, n_samples = count.shape
    return Counts(
        gene=text_array(f"g{i}" for i in range(n_genes)),
        sample=text_array(f"s{i}" for i in range(n_samples)),
        count=count,
        log_size=np.zeros(n_samples) if log_size is None else log_size,
    )


def simulated(seed: int, n_genes: int, n: int, min_count: int = 1) -> tuple[Counts, np.ndarray]:
    made = eb.simulate_counts(np.random.default_rng(seed), n_genes=n_genes, n_per_group=n)
    design = eb.build_design(made.samples, "~ group", eb.compare("group", baseline="control", target="treated"))
    screen = eb.screen_genes(made.counts, design, min_count=min_count, min_samples=1)
    return eb.normalize(eb.keep_expressed(made.counts, screen)), design.matrix


def ours_at(y, size, effect, nuisance, theta, alpha) -> float:
    layout = lay_out(effect, nuisance)
    gamma = np.zeros(nuisance.shape[1])
    work = np.empty(len(gamma)), np.empty((len(gamma), len(gamma)))
    y, size = np.asarray(y, dtype=float)[layout.order], np.asarray(size, dtype=float)[layout.order]
    value = adjusted_profile(y, size, layout.first, layout.rows, theta, alpha, gamma, *work)
    return value + dispersion_constant(y, alpha)


@pytest.mark.parametrize("alpha", [1e-6, 1e-3, 0.1, 2.0, 30.0])
@pytest.mark.parametrize("mean", [2.0, 80.0, 1e5])
def test_profile_equals_the_slow_twin(rng, alpha, mean):
    """Random designs with covariates and offsets; constants of y and the design cancel in differences."""
    effect = rng.normal(size=8)
    nuisance = np.column_stack([np.ones(8), np.tile([0.0, 1.0], 4), rng.normal(size=8)])
    size = rng.uniform(0.3, 3, 8)
    y = rng.poisson(mean * size * rng.gamma(2, 0.5, 8))
    thetas = [-2.0, 0.0, 1.5]
    ours = np.array([ours_at(y, size, effect, nuisance, theta, alpha) for theta in thetas])
    slow = np.array([profile(y, size, effect, nuisance, theta, alpha) for theta in thetas])
    # Where counts say next to nothing, the weak prior on coefficients shows in the fifth digit.
    np.testing.assert_allclose(np.diff(ours), np.diff(slow), rtol=1e-6, atol=5e-5)


@pytest.mark.parametrize("alpha", [1e-12, 1e-7, 1e-4, 0.3, 50.0])
def test_dispersion_constant_is_a_sum_of_logs(alpha):
    y = np.array([0.0, 1.0, 2.0, 7.0, 300.0, 5000.0])
    exact = sum(np.log1p(alpha * np.arange(int(value))).sum() for value in y)
    assert dispersion_constant(y, alpha) == pytest.approx(exact, rel=1e-8, abs=1e-12)


def test_dispersions_near_zero_give_the_conditional_binomial():
    """Two Poisson groups, profiled: the total given, one group's count is binomial."""
    y, effect = np.array([3.0, 5, 2, 9, 12, 7]), GROUPS
    total, treated = y.sum(), y[effect == 1].sum()
    thetas = np.linspace(-2, 3, 11)
    ours = np.array([ours_at(y, np.ones(6), effect, np.ones((6, 1)), theta, 1e-10) for theta in thetas])
    share = np.exp(thetas) / (1 + np.exp(thetas))
    binomial = stats.binom.logpmf(treated, total, share)
    np.testing.assert_allclose(ours - ours[0], binomial - binomial[0], atol=1e-6)


def test_200_genes_equal_brute_force():
    """|log L - brute force| below 1e-3 wherever L is above e^-10 of its peak."""
    counts, design = simulated(1, 3000, 3)
    prior = fit_dispersion_prior(counts, design)
    contrast = np.array([0.0, 1.0])
    likelihood = effect_likelihood(counts, design, contrast, prior)
    size = np.exp(counts.log_size)
    base = (counts.count / size).mean(axis=1)
    effect = design @ contrast
    rng = np.random.default_rng(0)
    worst = 0.0
    # Genes with a group of zeros have no maximum for the twin to find; they have a test of their own.
    whole = np.flatnonzero((counts.count @ design[:, 1] > 0) & (counts.count @ (1 - design[:, 1]) > 0))
    for g in rng.choice(whole, 200, replace=False):
        near = np.flatnonzero(likelihood.loglik[g] > likelihood.loglik[g].max() - 10)
        some = near[[0, len(near) // 4, len(near) // 2, -1]]
        trend = np.log(prior.floor + prior.slope / base[g])
        exact = [
            integrated(counts.count[g], size, effect, np.ones((6, 1)), theta, trend, prior.spread, n_nodes=49)
            for theta in likelihood.grid[g, some]
        ]
        gap = likelihood.loglik[g, some] - np.array(exact)
        worst = max(worst, np.ptp(gap))
    assert worst < 1e-3


@pytest.mark.parametrize("n", [3, 5])
def test_hyperprior_comes_back(n):
    """Truth .03, 2, .6; means over six sets of 8,000 genes, whose slopes have a standard error of about .13."""
    fits = [fit_dispersion_prior(*simulated(seed, 8000, n)) for seed in range(6)]
    assert np.mean([fit.floor for fit in fits]) == pytest.approx(0.03, abs=0.0015)
    assert np.mean([fit.slope for fit in fits]) == pytest.approx(2.0, abs=0.39)
    assert np.mean([fit.spread for fit in fits]) == pytest.approx(0.6, abs=0.02)


def test_half_flat_where_a_group_is_zero():
    likelihood = effect_likelihood(
        counts_of([[0, 0, 0, 50, 60, 40], [5, 9, 7, 0, 0, 0]]), TWO_GROUPS, np.array([0, 1.0]), PRIOR
    )
    assert np.isfinite(likelihood.loglik).all()
    up, down = likelihood.loglik - likelihood.loglik.max(axis=1, keepdims=True)
    # Flat towards ever larger effects, steep towards none.
    assert np.abs(up[likelihood.grid[0] > 12]).max() < 0.02
    assert up[np.argmin(np.abs(likelihood.grid[0]))] < -3
    assert np.abs(down[likelihood.grid[1] < -12]).max() < 0.02
    assert likelihood.se.max() <= 4


def test_huge_counts_and_tiny_dispersions_stay_finite():
    counts = counts_of([[10**7, 2 * 10**7, 15 * 10**6, 10**7, 10**7, 10**7]])
    for prior in (PRIOR, DispersionPrior(floor=1e-6, slope=1e-9, spread=0.2, loglik=0.0)):
        likelihood = effect_likelihood(counts, TWO_GROUPS, np.array([0, 1.0]), prior)
        assert np.isfinite(likelihood.loglik).all()
        assert likelihood.estimate[0] == pytest.approx(np.log(30 / 45), abs=1e-3)


def test_coding_of_the_design_does_not_matter():
    """The same contrast of the same groups, coded three ways."""
    counts, _ = simulated(2, 200, 3)
    codings = [
        (TWO_GROUPS, np.array([0.0, 1.0])),
        (np.column_stack([1 - GROUPS, GROUPS]), np.array([-1.0, 1.0])),
        (np.column_stack([np.full(6, 7.0), 10 * GROUPS]), np.array([0.0, 10.0])),
    ]
    likelihoods = [effect_likelihood(counts, design, contrast, PRIOR) for design, contrast in codings]
    # Half-flat likelihoods have no estimate to agree on.
    finite = likelihoods[0].se < 4
    assert finite.sum() > 190
    for other in likelihoods[1:]:
        np.testing.assert_allclose(other.estimate[finite], likelihoods[0].estimate[finite], atol=1e-5)
        np.testing.assert_allclose(other.se[finite], likelihoods[0].se[finite], rtol=1e-5)
        shift = (other.loglik - likelihoods[0].loglik)[finite]
        np.testing.assert_allclose(shift, shift[:, :1] @ np.ones((1, 49)), atol=2e-3)


def test_many_coefficients_and_no_repeated_rows(rng):
    design = np.column_stack([np.ones(30), rng.normal(size=(30, 11))])
    level = np.exp(4 + design[:, 1:] @ rng.normal(0, 0.2, 11))
    counts = counts_of(rng.poisson(level * rng.gamma(10, 0.1, (50, 30))))
    contrast = np.zeros(12)
    contrast[[3, 7]] = [1.0, -0.5]
    likelihood = effect_likelihood(
        counts, design, contrast, DispersionPrior(floor=0.1, slope=0.1, spread=0.4, loglik=0.0)
    )
    truth = np.linalg.lstsq(design, np.log(level), rcond=None)[0] @ contrast
    assert np.isfinite(likelihood.loglik).all()
    z = (likelihood.estimate - truth) / likelihood.se
    assert np.abs(z.mean()) < 4 / np.sqrt(50)
    assert 0.7 < z.std() < 1.3
    assert len(contrast_layout(design, contrast).rows) == 30


def test_threads_do_not_change_a_bit(monkeypatch):
    counts, design = simulated(3, 2500, 2)
    runs = []
    for threads in ("1", "2"):
        monkeypatch.setenv("EBGENES_THREADS", threads)
        prior = fit_dispersion_prior(counts, design)
        runs.append((prior, effect_likelihood(counts, design, np.array([0, 1.0]), prior).loglik))
    assert runs[0][0].spread == runs[1][0].spread
    np.testing.assert_array_equal(runs[0][1], runs[1][1])


def test_layout_sorts_samples_by_row():
    layout = lay_out(np.array([1.0, 0, 1, 0]), np.ones((4, 1)))
    assert list(layout.order) == [1, 3, 0, 2]
    assert list(layout.first) == [0, 2, 4]
    count, size = sorted_counts(counts_of([[1, 2, 3, 4]]), layout)
    np.testing.assert_array_equal(count, [[2, 4, 1, 3]])
    np.testing.assert_array_equal(size, [[2.5] * 4])


def test_too_few_genes():
    with pytest.raises(InputError, match="3 genes are too few"):
        fit_dispersion_prior(counts_of(np.ones((3, 6))), TWO_GROUPS)
    with pytest.raises(ValueError, match="normalized"):
        profile_dispersions(
            Counts(gene=text_array("a"), sample=text_array("b"), count=np.ones((1, 1))), np.ones((1, 1))
        )
