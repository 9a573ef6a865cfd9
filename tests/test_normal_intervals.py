"""Five intervals under a normal prior: closed forms, quadrature, and coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from ebgenes.classics import datasets, normal_intervals as normal, pooling
from ebgenes.errors import InputError
from ebgenes.posteriors.intervals.robust import critical_values, effect_moments, robust_bounds

SCHOOLS = datasets.eight_schools()


def simulated(rng, n, tau=1.0, center=0.5):
    se = np.exp(rng.uniform(np.log(0.5), np.log(2), n))
    theta = center + tau * rng.standard_normal(n)
    return theta, theta + se * rng.standard_normal(n), se


def every_method(estimate, se, rng, **options):
    return {
        "plugin": normal.plugin_intervals(estimate, se, **options),
        "morris": normal.morris_intervals(estimate, se, **options),
        "laird_louis": normal.laird_louis_intervals(estimate, se, rng, **options),
        "full_bayes": normal.full_bayes_intervals(estimate, se, **options),
    }


@pytest.mark.fast
def test_plugin_is_the_posterior_at_reml(rng):
    _, estimate, se = simulated(rng, 30)
    found = normal.plugin_intervals(estimate, se, level=0.9)
    tau = pooling.estimate_tau(estimate, se)
    center = pooling.weighted_mean(estimate, np.hypot(se, tau))[0]
    keep = tau**2 / (tau**2 + se**2)
    ends = stats.norm.interval(0.9, center + keep * (estimate - center), np.sqrt(keep) * se)
    np.testing.assert_allclose([found.lower, found.upper], ends, rtol=1e-10)


@pytest.mark.parametrize("center", [None, 0.3])
def test_morris_with_one_standard_error_is_james_and_stein(rng, center):
    estimate = 2 * rng.standard_normal(12)
    found = normal.morris_intervals(estimate, np.full(12, 0.7), center=center)
    shrunk = pooling.james_stein(estimate, 0.7, center=center)
    np.testing.assert_allclose(found.mean, shrunk.mean, rtol=1e-9)
    # Morris's equations for one variance, V (1 - (k - r)/k B) + 2/(k - r - 2) B^2 d^2.
    factor, lost = 1 - shrunk.weight[0], center is None
    variance = 0.49 * (1 - (12 - lost) / 12 * factor) + 2 / (10 - lost) * factor**2 * (estimate - shrunk.center) ** 2
    np.testing.assert_allclose((found.upper - found.lower) / 2, stats.norm.ppf(0.975) * np.sqrt(variance), rtol=1e-9)


@pytest.mark.parametrize("center", [None, 5.0])
def test_full_bayes_equals_quadrature(center):
    estimate, se = SCHOOLS.estimate, SCHOOLS.se
    scale, df = 10.0, 3.0
    found = normal.full_bayes_intervals(estimate, se, center=center, scale=scale, df=df)

    def joint(tau, function=lambda known: 1.0):
        known = pooling.partial_pooling(estimate, se, tau, center=center)
        loglik = pooling.tau_loglik(estimate, se, np.array([tau]), center)[0]
        return np.exp(loglik + 32) * stats.t.pdf(tau / scale, df) * function(known)

    def mean_of(function):
        parts = [integrate.quad(joint, low, high, args=(function,), epsabs=0) for low, high in ((0, 20), (20, 400))]
        return sum(value for value, _ in parts)

    whole = mean_of(lambda known: 1.0)
    for school in (0, 2):
        assert found.mean[school] == pytest.approx(
            mean_of(lambda known, school=school: known.mean[school]) / whole, rel=1e-4
        )
        for end, share in ((found.lower[school], 0.025), (found.upper[school], 0.975)):

            def under(known, end=end, school=school):
                return stats.norm.cdf(end, known.mean[school], known.sd[school])

            below = mean_of(under)
            # Two hundred values of tau tell a tail of .025 to 1e-5.
            assert below / whole == pytest.approx(share, abs=2e-5)


def test_posterior_of_tau_is_normalized_and_holds_its_mode():
    tau, weight = normal.tau_posterior(SCHOOLS.estimate, SCHOOLS.se, scale=1e4)
    assert weight.sum() == pytest.approx(1)
    # Under a flat prior half of the schools' posterior of tau lies below 5 (Gelman et al. 2013, table 5.3: 5.1).
    assert tau[np.searchsorted(np.cumsum(weight), 0.5)] == pytest.approx(5.0, abs=0.4)


def test_laird_louis_averages_posteriors():
    """The same draws, one by one, and their mixture's quantile by a root."""
    found = normal.laird_louis_intervals(SCHOOLS.estimate, SCHOOLS.se, np.random.default_rng(3), draws=20)
    rng, known = np.random.default_rng(3), []
    tau = pooling.estimate_tau(SCHOOLS.estimate, SCHOOLS.se)
    center = pooling.weighted_mean(SCHOOLS.estimate, np.hypot(SCHOOLS.se, tau))[0]
    for _ in range(20):
        made = rng.normal(center, np.hypot(SCHOOLS.se, tau))
        fitted = pooling.estimate_tau(made, SCHOOLS.se)
        place = pooling.weighted_mean(made, np.hypot(SCHOOLS.se, fitted))[0]
        known.append(pooling.partial_pooling(SCHOOLS.estimate, SCHOOLS.se, fitted, center=place))
    np.testing.assert_allclose(found.mean, np.mean([each.mean for each in known], axis=0), rtol=1e-10)

    def below(point):
        return np.mean([stats.norm.cdf(point, each.mean[0], each.sd[0] + 1e-9) for each in known]) - 0.975

    assert found.upper[0] == pytest.approx(optimize.brentq(below, -100, 100), abs=1e-6)


def test_methods_agree_where_there_are_many_effects(rng):
    _, estimate, se = simulated(rng, 1000)
    found = every_method(estimate, se, rng)
    for name, each in found.items():
        # tau is known to some four percent, and widths with it.
        np.testing.assert_allclose(each.upper, found["plugin"].upper, atol=0.15, err_msg=name)
        np.testing.assert_allclose(each.lower, found["plugin"].lower, atol=0.15, err_msg=name)


def test_what_must_not_matter(rng):
    _, estimate, se = simulated(rng, 9)
    order = rng.permutation(9)
    for name, one in every_method(estimate, se, np.random.default_rng(5)).items():
        if name != "laird_louis":
            moved = getattr(normal, f"{name}_intervals")(estimate[order] + 3, se[order])
            np.testing.assert_allclose(moved.lower, one.lower[order] + 3, rtol=1e-6, err_msg=name)
        options = {"scale": 2 * normal.HALF_T_SCALE} if name == "full_bayes" else {}
        source = [np.random.default_rng(5)] if name == "laird_louis" else []
        turned = getattr(normal, f"{name}_intervals")(-2 * estimate, 2 * se, *source, **options)
        # Bootstrap draws are not mirrored.
        if name != "laird_louis":
            np.testing.assert_allclose(turned.lower, -2 * one.upper, rtol=1e-6, err_msg=name)


def test_coverage_at_ten_effects():
    """With tau from its own prior full Bayes covers as it says; the plug-in does not, and the others come near."""
    rng = np.random.default_rng(8)
    hits = {name: [] for name in ("plugin", "morris", "full_bayes")}
    for _ in range(225):
        tau = abs(rng.standard_t(normal.HALF_T_DF)) * normal.HALF_T_SCALE
        theta, estimate, se = simulated(rng, 10, tau)
        for name, seen in hits.items():
            each = getattr(normal, f"{name}_intervals")(estimate, se)
            seen.append(np.mean((each.lower <= theta) & (theta <= each.upper)))
    mean = {name: np.mean(seen) for name, seen in hits.items()}
    error = np.std(hits["full_bayes"]) / 15
    assert mean["full_bayes"] == pytest.approx(0.95, abs=3 * error)
    assert mean["plugin"] < 0.93
    assert 0.93 < mean["morris"] < 0.98


@pytest.mark.parametrize("df", [np.inf, 20.0, 8.0])
def test_robust_intervals_cover_on_average_whatever_the_effects(df):
    """Effects as unlike a normal as can be: nearly all 0, some far off, and their worst two-point case."""
    rng = np.random.default_rng(9)
    for size, share in ((8.0, 0.02), (2.0, 0.2), (0.7, 0.5)):
        theta = np.where(rng.random(20_000) < share, size, 0.0)
        noise = rng.standard_normal(20_000) if np.isinf(df) else rng.standard_t(df, 20_000)
        lower, upper = robust_bounds(theta + noise, np.ones(20_000), np.full(20_000, df))
        covered = np.mean((lower <= theta) & (theta <= upper))
        assert covered > 0.95 - 0.005


def test_moments_of_effects_are_recovered(rng):
    theta = rng.choice([0.0, 3.0], 200_000, p=[0.75, 0.25])
    df = rng.choice([20.0, 40.0, np.inf], 200_000)
    noise = np.where(np.isinf(df), rng.standard_normal(200_000), rng.standard_t(np.where(np.isinf(df), 1e6, df)))
    found = effect_moments(theta + noise, df)
    assert found.square == pytest.approx(0.25 * 9, rel=0.03)
    # b^4 is 81 with probability 1/4.
    assert found.kurtosis == pytest.approx(4, rel=0.15)
    assert found.weight == found.square / (1 + found.square)
    assert np.isinf(effect_moments(theta + noise, np.full(200_000, 12.0)).kurtosis)


def test_critical_values_between_degrees_of_freedom(rng):
    df = np.array([1.0, *rng.uniform(3, 60, 20), np.inf])
    each = critical_values(0.4, 5.0, 0.95, df)
    for i in (7, 19):
        assert each[i] == pytest.approx(critical_values(0.4, 5.0, 0.95, df[i : i + 1])[0], rel=1e-4)


def test_bad_input():
    with pytest.raises(InputError, match="need 4 effects or more; found 3"):
        normal.morris_intervals(np.zeros(3), np.ones(3))
    with pytest.raises(InputError, match="more than 4 degrees of freedom"):
        robust_bounds(np.zeros(3), np.ones(3), np.full(3, 4.0))
