"""Intervals that know the mixture prior was fitted: against loops, bootstraps and simulated truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from test_families import SLABS, likelihood_kinds

import ebgenes as eb
from ebgenes.errors import InputError
from ebgenes.posteriors.intervals import fitted_mixture as mixture
from ebgenes.posteriors.intervals.robust import robust_bounds
from ebgenes.prior.refit import free_weights, refit
from ebgenes.records.effects import Effects
from ebgenes.records.prior import MixturePrior


def simulated(rng, n=1500, pi0=0.7, df=np.inf) -> tuple[np.ndarray, Effects]:
    theta = np.where(rng.random(n) < pi0, 0, 1.5 * rng.standard_normal(n))
    se = rng.uniform(0.3, 0.8, n)
    noise = rng.standard_t(df, n) if np.isfinite(df) else rng.standard_normal(n)
    return theta, eb.effects_from_summary([f"g{i}" for i in range(n)], theta + se * noise, se, df)


def with_shares(prior: MixturePrior, rng, n: int) -> MixturePrior:
    return replace(prior, null_share=rng.uniform(0.5, 0.95, n))


@pytest.mark.parametrize("family", ["scale_normal", *SLABS])
def test_drawn_truth_has_the_prior_s_distribution(rng, family):
    scale = np.array([0.0, 0.6, 2.0]) if family == "scale_normal" else SLABS[family]
    weight = np.full(len(scale), 0.6 / (len(scale) - 1))
    weight[0] = 0.4
    truth = mixture.drawn_truth(MixturePrior(weight=weight, scale=scale, family=family), rng, 60_000)
    assert np.mean(truth == 0) == pytest.approx(0.4, abs=0.01)
    if family == "npmle":
        shares = [np.mean(truth == place) for place in scale[1:]]
        np.testing.assert_allclose(shares, weight[1:], atol=0.01)
        return
    cdf = {
        "scale_normal": lambda x, s: stats.norm.cdf(x, scale=s),
        "point_laplace": lambda x, s: stats.laplace.cdf(x, scale=s),
        "half_normal": lambda x, s: stats.halfnorm.cdf(x, scale=s) if s > 0 else stats.halfnorm.sf(-x, scale=-s),
        "half_uniform": lambda x, s: stats.uniform.cdf(x, min(0, s), abs(s)),
    }[family]
    real = truth[truth != 0]
    assert stats.kstest(real, lambda x: np.mean([cdf(x, s) for s in scale[1:]], axis=0)).pvalue > 1e-3


@pytest.mark.parametrize("kind", ["normal", "t", "grid"])
def test_drawn_effects_are_as_precise_as_the_real_ones(rng, kind):
    """Errors of estimates around drawn truth have each gene's own distribution."""
    effects = likelihood_kinds()[kind]
    prior = MixturePrior(weight=np.array([1.0, 0.0]), scale=np.array([0.2, 1.0]), mode=0.5)
    drawn = [mixture.drawn_effects(effects, prior, rng) for _ in range(4000)]
    # The last gene, of a hundredth of the null's spread, shows it alone.
    last = np.array([each.estimate[5] for each in drawn])
    assert last.mean() == pytest.approx(0.5, abs=0.02)
    assert last.std() == pytest.approx(0.2, rel=0.06)
    if kind == "grid":
        assert all(np.allclose(np.diff(each.grid), np.diff(effects.grid)) for each in drawn[:5])
        return
    errors = np.array([each.estimate[2] for each in drawn]) - 0.5
    law = stats.norm if kind == "normal" else stats.t(4)
    noise = law.rvs(size=40_000, random_state=rng) * effects.se[2] + 0.2 * rng.standard_normal(40_000)
    assert stats.ks_2samp(errors, noise).pvalue > 1e-3


@pytest.mark.parametrize("kind", ["normal", "grid"])
def test_drawn_errors_are_as_wide_as_the_prior_takes_them(kind):
    effects = likelihood_kinds()[kind]
    prior = MixturePrior(weight=np.array([1.0, 0.0]), scale=np.array([0.0, 1.0]))
    # The same random numbers, so that estimates are errors of either width around 0.
    one, other = (
        mixture.drawn_effects(effects, replace(prior, likelihood_scale=stretch), np.random.default_rng(3))
        for stretch in (1.0, 1.5)
    )
    np.testing.assert_allclose(other.estimate, 1.5 * one.estimate, rtol=1e-9)


def test_draws_from_likelihoods_on_grids(rng):
    grid = np.tile(np.linspace(-6, 6, 31), (50_000, 1)) + 3
    drawn = mixture._drawn_from(grid, -((grid - 3) ** 2) / 2, rng)
    assert drawn.mean() == pytest.approx(3, abs=0.02)
    # Chords over .4 standard deviations add .4^2/6 to the variance.
    assert drawn.var() == pytest.approx(1 + 0.16 / 6, abs=0.02)


@pytest.mark.parametrize("family", ["scale_normal", "point_normal"])
@pytest.mark.parametrize("covariates", [False, True])
def test_refits_find_the_fit_again(rng, family, covariates):
    """To its own effects a refit is the fit, and to drawn ones it is near."""
    _, effects = simulated(rng, 6000)
    prior = eb.fit_em(effects, family=family, null="fixed").prior
    if covariates:
        prior = with_shares(prior, rng, 6000)
    scale, weight = refit(effects, prior)
    if not covariates:
        np.testing.assert_allclose(scale, prior.scale, rtol=0.01)
        np.testing.assert_allclose(weight, free_weights(prior), atol=3e-3)
    scale, weight = refit(mixture.drawn_effects(effects, prior, rng), prior)
    assert weight.sum() == pytest.approx(1)
    assert weight @ scale[-len(weight) :] ** 2 == pytest.approx(
        free_weights(prior) @ prior.scale[-len(weight) :] ** 2, rel=0.15
    )


@pytest.mark.fast
@pytest.mark.parametrize("covariates", [False, True])
def test_averages_equal_a_loop_over_draws(rng, covariates):
    _, effects = simulated(rng, 40)
    scale = np.array([0.1, 0.5, 2.0])
    draws = rng.dirichlet(np.ones(2 if covariates else 3), 9)
    prior = MixturePrior(weight=np.array([0.5, 0.3, 0.2]), scale=scale, mode=0.1)
    if covariates:
        prior = with_shares(prior, rng, 40)
        weights = [np.array([0.5, *0.5 * draw]) for draw in draws]
    else:
        weights = list(draws)
    known = eb.posterior(effects, prior)
    whole = mixture.averaged(known, effects, prior, scale, draws)
    each = [eb.posterior(effects, replace(prior, weight=weight)) for weight in weights]
    np.testing.assert_allclose(whole.mean, np.mean([one.mean for one in each], axis=0), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(whole.lfdr, np.mean([one.lfdr for one in each], axis=0), rtol=1e-9)
    full = mixture.with_intervals(known, effects, prior, "full_bayes", draws=draws)
    np.testing.assert_array_equal(full.lower, whole.lower)
    np.testing.assert_array_equal(full.mean, known.mean)


@pytest.mark.parametrize(
    ("family", "df", "covariates"),
    [("scale_normal", np.inf, False), ("scale_normal", np.inf, True), ("point_normal", 8.0, False)],
)
def test_hyper_variance_is_that_of_refits(family, df, covariates):
    """First-order variances of posterior means equal their variances over a bootstrap of the fit."""
    rng = np.random.default_rng(6)
    n = 2000 if covariates else 1000
    _, effects = simulated(rng, n, df=df)
    scale = np.array([0.5, 2.0]) if family == "scale_normal" else None
    prior = eb.fit_em(effects, family=family, null="fixed", scale=scale).prior
    if covariates:
        prior = with_shares(prior, rng, n)
    known = eb.posterior(effects, prior)
    expected = mixture.hyper_variance(known, effects, prior)
    means = []
    for _ in range(40):
        scale, weight = refit(mixture.drawn_effects(effects, prior, rng), prior)
        whole = weight if prior.null_share is None else np.array([0.5, *0.5 * weight])
        means.append(eb.posterior(effects, replace(prior, scale=scale, weight=whole)).mean)
    found = np.var(means, axis=0, ddof=1)
    # Forty refits tell a variance to 22% in one gene; genes share their few parameters.
    assert found.sum() == pytest.approx(expected.sum(), rel=0.5)
    assert stats.spearmanr(found, expected).statistic > 0.9


@pytest.mark.parametrize("method", ["morris", "laird_louis", "robust"])
def test_intervals_cover_where_the_prior_is_uncertain(method):
    rng = np.random.default_rng(11)
    covered, plugin = [], []
    for _ in range(6):
        theta, effects = simulated(rng, 300)
        prior = eb.fit_em(effects, null="fixed").prior
        known = eb.posterior(effects, prior)
        other = mixture.with_intervals(known, effects, prior, method, rng=rng)
        covered.append(np.mean((other.lower <= theta) & (theta <= other.upper)))
        plugin.append(np.mean((known.lower <= theta) & (theta <= known.upper)))
        assert np.all(other.lower <= other.upper)
        if method == "morris":
            assert np.all((other.lower <= known.lower) & (other.upper >= known.upper))
    assert np.mean(covered) > 0.94
    assert np.mean(covered) > np.mean(plugin) - 0.01


@pytest.mark.fast
def test_robust_ones_are_centred_at_the_mode_and_know_the_null_s_scale(rng):
    _, effects = simulated(rng, 200, df=30.0)
    prior = MixturePrior(weight=np.array([0.7, 0.3]), scale=np.array([0.3, 1.5]), mode=0.4)
    known = eb.posterior(effects, prior, interval=0.9)
    found = mixture.with_intervals(known, effects, prior, "robust")
    se = np.hypot(effects.se, 0.3)
    lower, upper = robust_bounds(effects.estimate, se, effects.df, level=0.9, center=0.4, sure=effects.se)
    np.testing.assert_array_equal([found.lower, found.upper], [lower, upper])


@pytest.mark.parametrize("what", ["effects", "drift", "both"])
def test_robust_ones_cover_whether_the_null_s_scale_is_drift_or_effects(what):
    """A scale of .3, as dense effects of every gene lead to: taken for drift alone they were covered in .1 to .5."""
    rng = np.random.default_rng(5)
    n = 4000
    sparse = np.where(rng.random(n) < 0.1, rng.normal(0, 1.5, n), 0.0)
    part = 0.3 * rng.standard_normal(n)
    theta = {"effects": part, "drift": sparse, "both": sparse + part}[what]
    se = rng.uniform(0.1, 0.4, n)
    estimate = theta + (part if what == "drift" else 0) + se * rng.standard_t(20.0, n)
    effects = eb.effects_from_summary(np.arange(n), estimate, se, np.full(n, 20.0))
    prior = MixturePrior(weight=np.array([0.9, 0.1]), scale=np.array([0.3, 1.5]))
    found = mixture.with_intervals(eb.posterior(effects, prior), effects, prior, "robust")
    # The Monte Carlo error is .0035.
    assert np.mean((found.lower <= theta) & (theta <= found.upper)) > 0.94


def test_same_seed_same_bits(rng):
    _, effects = simulated(rng, 300)
    prior = eb.fit_em(effects, null="fixed").prior
    known = eb.posterior(effects, prior)
    one, other = (
        mixture.with_intervals(known, effects, prior, "laird_louis", rng=np.random.default_rng(4)) for _ in range(2)
    )
    np.testing.assert_array_equal(one.lower, other.lower)


def test_bad_input(rng):
    _, effects = simulated(rng, 20)
    prior = MixturePrior(weight=np.array([0.7, 0.3]), scale=np.array([0.0, 1.5]))
    known = eb.posterior(effects, prior)
    assert mixture.with_intervals(known, effects, prior, "plugin") is known
    for method, said in (("laird_louis", "give rng"), ("full_bayes", "Gibbs"), ("moris", "unknown.*morris")):
        with pytest.raises(InputError, match=said):
            mixture.with_intervals(known, effects, prior, method)
