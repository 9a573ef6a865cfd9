"""Conjugate shrinkage: closed forms to the last digits, published numbers of three classical data sets."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from ebgenes.classics import datasets, pooling
from ebgenes.errors import InputError


def dense_posterior(estimate, se, tau, center=None):
    """Mean and covariance of the effects by linear algebra; under an unknown center only contrasts have a prior."""
    n = len(estimate)
    prior = (np.eye(n) - (1 / n if center is None else 0)) / tau**2
    covariance = np.linalg.inv(prior + np.diag(se**-2.0))
    return covariance @ (estimate / se**2 + prior @ np.full(n, center or 0.0)), covariance


@pytest.mark.parametrize("center", [None, 3.0])
def test_partial_pooling_equals_linear_algebra(center):
    schools = datasets.eight_schools()
    found = pooling.partial_pooling(schools.estimate, schools.se, 6.0, center=center)
    mean, covariance = dense_posterior(schools.estimate, schools.se, 6.0, center)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(found.sd, np.sqrt(np.diag(covariance)), rtol=1e-12)
    assert found.n_parameters == pytest.approx(np.trace(covariance / schools.se**2), rel=1e-12)


def test_effective_parameters_are_exact():
    schools = datasets.eight_schools()
    known = schools.estimate, schools.se
    assert pooling.no_pooling(*known).n_parameters == 8
    assert pooling.complete_pooling(*known).n_parameters == pytest.approx(1, abs=1e-12)
    tau = 5.0
    shrink = schools.se**2 / (schools.se**2 + tau**2)
    given = pooling.partial_pooling(*known, tau, center=0.0)
    assert given.n_parameters == pytest.approx(np.sum(1 - shrink), abs=1e-12)
    np.testing.assert_allclose(given.weight, 1 - shrink, rtol=1e-12)


def test_limits_of_partial_pooling(rng):
    estimate, se = rng.standard_normal(30), rng.uniform(0.5, 2, 30)
    none, all_ = pooling.no_pooling(estimate, se), pooling.complete_pooling(estimate, se)
    np.testing.assert_array_equal(none.mean, estimate)
    np.testing.assert_allclose(none.sd, se, rtol=1e-15)
    near = pooling.partial_pooling(estimate, se, 1e7)
    np.testing.assert_allclose(near.mean, none.mean, atol=1e-12)
    assert near.n_parameters == pytest.approx(30, abs=1e-10)
    near = pooling.partial_pooling(estimate, se, 1e-8)
    np.testing.assert_allclose(near.mean, all_.mean, atol=1e-12)


@pytest.mark.fast
def test_eight_schools():
    schools = datasets.eight_schools()
    one = pooling.complete_pooling(schools.estimate, schools.se)
    assert one.center == pytest.approx(7.686, abs=5e-4)
    assert one.center_se == pytest.approx(4.072, abs=5e-4)
    np.testing.assert_allclose(one.sd, one.center_se, rtol=1e-12)
    assert pooling.heterogeneity(schools.estimate, schools.se) == pytest.approx(4.707, abs=5e-4)
    # Less than its 7 degrees of freedom: every estimate of tau is 0.
    for method in pooling.TAU_METHODS:
        assert pooling.estimate_tau(schools.estimate, schools.se, method=method) == 0


def test_baseball():
    players = datasets.baseball()
    mean = players.average.mean()
    pooled = pooling.james_stein(players.average, np.sqrt(mean * (1 - mean) / 45))
    assert pooled.weight[0] == pytest.approx(0.2124, abs=5e-5)
    alone, shrunk = players.average - players.remainder, pooled.mean - players.remainder
    assert np.sum(alone**2) == pytest.approx(0.0755, abs=5e-5)
    assert np.sum(shrunk**2) == pytest.approx(0.0214, abs=5e-5)
    assert np.sum(np.abs(shrunk) < np.abs(alone)) == 16
    assert np.all(players.at_bats == 45)


def test_hospitals():
    data = datasets.hospitals()
    shape, rate = 8.0, 7.0
    found = pooling.gamma_poisson(data.observed, data.expected, shape, rate)
    np.testing.assert_allclose(found.mean, (shape + data.observed) / (rate + data.expected), rtol=1e-12)
    np.testing.assert_allclose(found.weight, data.expected / (rate + data.expected), rtol=1e-12)
    np.testing.assert_allclose(found.mean, (1 - found.weight) * shape / rate + found.weight * found.own, rtol=1e-12)
    assert found.pooled == 56 / 48
    # Bayes' theorem by quadrature, for each hospital.
    for y, e, mean, sd in zip(data.observed, data.expected, found.mean, found.sd, strict=True):

        def joint(rate_, y=y, e=e):
            return stats.poisson.pmf(y, e * rate_) * stats.gamma.pdf(rate_, shape, scale=1 / rate)

        moments = [integrate.quad(lambda x, k=k: x**k * joint(x), 0, 12, epsabs=1e-13)[0] for k in range(3)]
        assert mean == pytest.approx(moments[1] / moments[0], rel=1e-9)
        assert sd == pytest.approx(np.sqrt(moments[2] / moments[0] - mean**2), rel=1e-8)


def test_gamma_prior_by_maximum_likelihood(rng):
    """Counts that vary less than Poisson ask for one rate; others for the optimum of scipy's negative binomial."""
    data = datasets.hospitals()
    assert pooling.fit_gamma(data.observed, data.expected) == (np.inf, np.inf)
    expected = rng.uniform(2, 20, 200)
    observed = rng.poisson(expected * rng.gamma(4, 1 / 3, 200))
    shape, rate = pooling.fit_gamma(observed, expected)

    def loss(log_prior):
        a, b = np.exp(log_prior)
        return -stats.nbinom.logpmf(observed, a, b / (b + expected)).sum()

    best = optimize.minimize(loss, np.log([2, 2]), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10})
    np.testing.assert_allclose([shape, rate], np.exp(best.x), rtol=1e-4)


@pytest.mark.parametrize("center", [None, 1.0])
def test_tau_against_its_likelihood(rng, center):
    se = rng.uniform(0.3, 2, 40)
    estimate = 1 + 1.2 * rng.standard_normal(40) + se * rng.standard_normal(40)
    for method in ("ml", "reml"):
        tau = pooling.estimate_tau(estimate, se, method=method, center=center)

        def dense(tau_, method=method):
            """Of estimates, or under REML of their contrasts, on which the center has no bearing."""
            covariance = np.diag(se**2 + tau_**2)
            if center is not None:
                return stats.multivariate_normal.logpdf(estimate, np.full(40, center), covariance)
            if method == "reml":
                contrasts = np.diff(np.eye(40), axis=0)
                return stats.multivariate_normal.logpdf(
                    contrasts @ estimate, np.zeros(39), contrasts @ covariance @ contrasts.T
                )
            middle = pooling.weighted_mean(estimate, np.hypot(se, tau_))[0]
            return stats.multivariate_normal.logpdf(estimate, np.full(40, middle), covariance)

        best = optimize.minimize_scalar(lambda t: -dense(t), bounds=(0.1, 5), method="bounded", options={"xatol": 1e-9})
        assert tau == pytest.approx(best.x, abs=1e-5)
    moments = pooling.estimate_tau(estimate, se, method="moments", center=center)
    assert 0.6 < moments < 2


def test_moments_are_unbiased(rng):
    """The unbounded moment estimate of tau^2 has mean tau^2: here its square root is never near 0."""
    se = rng.uniform(0.5, 1, 12)
    draws = []
    for _ in range(2000):
        estimate = 3 * rng.standard_normal(12) + se * rng.standard_normal(12)
        draws.append(pooling.estimate_tau(estimate, se, method="moments") ** 2)
    assert np.mean(draws) == pytest.approx(9, abs=4 * np.std(draws) / np.sqrt(2000))


def test_what_must_not_matter(rng):
    schools = datasets.eight_schools()
    tau = pooling.estimate_tau(2.5 * schools.estimate + 9, 0.4 * schools.se)
    order = rng.permutation(8)
    moved = pooling.estimate_tau(-(2.5 * schools.estimate + 9)[order] * 10, 4 * schools.se[order])
    assert moved == pytest.approx(10 * tau, rel=1e-6)
    assert tau > 0


def test_james_stein_never_turns_around():
    pooled = pooling.james_stein(np.array([0.1, -0.1, 0.2, 0.0]), 5.0)
    np.testing.assert_allclose(pooled.mean, 0.05, rtol=1e-12)
    assert pooled.tau == 0


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: pooling.partial_pooling([1, np.nan, 2], [1, 1, 0], 1), "2 of 3 do not comply .first: number 2"),
        (lambda: pooling.partial_pooling([1, 2], [1], 1), "one length"),
        (lambda: pooling.partial_pooling([1, 2], [1, 1], -1), "tau must be 0 or more"),
        (lambda: pooling.partial_pooling([1, 2], [1, 1], np.inf), "leaves no center"),
        (lambda: pooling.estimate_tau([1, 2], [1, 1], method="rmle"), "unknown method 'rmle'.*reml"),
        (lambda: pooling.estimate_tau([1], [1]), "fewer than 2"),
        (lambda: pooling.james_stein([1, 2, 3], 1.0), "needs 4 effects"),
        (lambda: pooling.gamma_poisson([1, 2.5], [1, 1], 1, 1), "1 of 2 do not comply .first: number 2"),
        (lambda: pooling.gamma_poisson([1], [1], 0, 1), "above 0 and finite"),
        (lambda: pooling.fit_gamma([0, 0], [1, 1]), "all counts are 0"),
    ],
)
def test_bad_input(call, said):
    with pytest.raises(InputError, match=said):
        call()
