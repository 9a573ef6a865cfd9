"""Posteriors against ashr, brute force and simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import reference
from scipy import integrate, stats

import ebgenes as eb
from ebgenes.errors import InputError
from ebgenes.posteriors.fdr import list_rate, running_mean
from ebgenes.posteriors.given_prior import null_probability
from ebgenes.prior.likelihoods import interpolated_likelihoods, loglik_matrix
from ebgenes.records.prior import MixturePrior

SCENARIOS = ["spiky", "near_normal", "flat_top", "skew", "big_normal", "bimodal", "hetero_spiky", "all_null"]


def ashr_prior(name: str) -> MixturePrior:
    g = reference(name)
    return MixturePrior(weight=g["pi"].to_numpy(float), scale=g["sd"].to_numpy(float))


def half_unit(values) -> np.ndarray:
    """Half a unit of the eighth significant digit: how far the file's numbers may be from R's own."""
    size = np.maximum(np.abs(np.asarray(values, dtype=float)), 1e-300)
    return 0.5 * 10.0 ** (np.floor(np.log10(size)) - 7)


def quantities(estimate, se, prior: MixturePrior) -> dict[str, np.ndarray]:
    effects = eb.effects_from_summary([str(i) for i in range(len(estimate))], estimate, se)
    ours = eb.posterior(effects, prior)
    return {"PosteriorMean": ours.mean, "PosteriorSD": ours.sd, "lfdr": ours.lfdr, "lfsr": ours.lfsr}


def assert_equals_ashr(table, estimate, se, prefix, prior):
    """To 1e-8 beyond what the rounding of ashr's input and output in the file explains."""
    b, s = table[estimate].to_numpy(float), table[se].to_numpy(float)
    ours = quantities(b, s, prior)
    moved_b = quantities(b + half_unit(b), s, prior)
    moved_s = quantities(b, s + half_unit(s), prior)
    for name, value in ours.items():
        theirs = table[f"{prefix}{name}"].to_numpy(float)
        # The slope is taken at one end of the rounding interval: an eighth more covers its bending.
        explained = 1.125 * (np.abs(moved_b[name] - value) + np.abs(moved_s[name] - value)) + half_unit(theirs)
        excess = np.abs(value - theirs) - explained
        assert excess.max() <= 1e-8, (name, excess.max(), int(np.argmax(excess)))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_posteriors_equal_ashrs_at_its_prior(scenario):
    table = reference(f"normal_means/{scenario}.csv.gz")
    assert_equals_ashr(table, "betahat", "se", "normal__", ashr_prior(f"normal_means/{scenario}_g.csv"))


def test_airway_equals_ashr_at_its_prior():
    table = reference("airway/ash_normal.csv.gz")
    prior = ashr_prior("airway/ash_normal_g.csv")
    assert_equals_ashr(table, "betahat", "sebetahat", "", prior)
    ours = quantities(table["betahat"], table["sebetahat"], prior)
    for rate, theirs in [("lfdr", "qvalue"), ("lfsr", "svalue")]:
        # ashr counts tied genes one after the other; here they share a value.
        _, first, count = np.unique(ours[rate], return_index=True, return_counts=True)
        untied = first[count == 1]
        # At 40 standard errors rounding the estimate moves a rate by z^2 times 5e-8, or 1e-4, and so
        # swaps some that are nearly tied.
        mean = np.sort(running_mean(ours[rate])[untied])
        # ashr takes lfsr from 1, which leaves it no digits below 1e-16.
        np.testing.assert_allclose(mean, np.sort(table[theirs][untied]), rtol=1e-4, atol=1e-15)


PRIOR = MixturePrior(weight=np.array([0.6, 0.25, 0.15]), scale=np.array([0.1, 0.5, 2.0]))


def brute_force(estimate: float, se: float, df: float, threshold: float) -> dict[str, float]:
    """The posterior by quadrature over theta: a drift and a t error convolved on a grid, then Bayes."""
    null_sd = PRIOR.null_sd
    grid = np.linspace(-30, 30, 240_001)
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)

    def density(theta: np.ndarray) -> np.ndarray:
        z = (estimate - theta[:, None] - null_sd * nodes) / se
        error = stats.t.pdf(z, df) if np.isfinite(df) else stats.norm.pdf(z)
        return error @ weights / np.sqrt(2 * np.pi) / se

    null = PRIOR.weight[0] * density(np.zeros(1))[0]
    slab = sum(w * stats.norm.pdf(grid, 0, s) for w, s in zip(PRIOR.weight[1:], PRIOR.scale[1:], strict=True))
    near = np.abs(grid - estimate) < 14
    joint = np.zeros_like(grid)
    for chunk in np.array_split(np.flatnonzero(near), 50):
        joint[chunk] = slab[chunk] * density(grid[chunk])
    total = integrate.trapezoid(joint, grid)
    evidence = null + total
    share = joint / evidence
    mean = integrate.trapezoid(grid * share, grid)
    lfdr = null / evidence
    up = integrate.trapezoid(np.where(grid > threshold, share, 0), grid)
    down = integrate.trapezoid(np.where(grid < -threshold, share, 0), grid)
    second = integrate.trapezoid((grid - mean) ** 2 * share, grid) + lfdr * mean**2
    return {"mean": mean, "sd": np.sqrt(second), "lfdr": lfdr, "prob_up": up, "prob_down": down}


@pytest.mark.parametrize(
    ("estimate", "se", "df"), [(0.4, 0.3, np.inf), (1.5, 0.5, 5.0), (-2.0, 0.3, 3.0), (0.0, 1.0, 8.0)]
)
@pytest.mark.parametrize("threshold", [0.0, 0.5])
def test_posterior_equals_brute_force(estimate, se, df, threshold):
    effects = eb.effects_from_summary(["g"], [estimate], [se], df)
    ours = eb.posterior(effects, PRIOR, threshold=threshold)
    exact = brute_force(estimate, se, df, threshold)
    for name, value in exact.items():
        # The trapezoid rule over the step at the threshold is good to half a cell, 1e-4.
        tolerance = 2e-4 if name in ("prob_up", "prob_down") else 1e-6
        assert getattr(ours, name)[0] == pytest.approx(value, abs=tolerance), name


def mixture_cdf(point: float, estimate: float, se: float, weight: np.ndarray) -> float:
    v = se**2 + PRIOR.null_sd**2
    shrink = PRIOR.scale[1:] ** 2 / (v + PRIOR.scale[1:] ** 2)
    slabs = weight[1:] @ stats.norm.cdf(point, shrink * estimate, np.sqrt(v * shrink))
    return slabs + weight[0] * (point >= 0)


@pytest.mark.parametrize("estimate", [0.0, 0.3, -1.0, 2.0, 15.0])
@pytest.mark.parametrize("interval", [0.5, 0.9, 0.95, 0.999])
def test_intervals_are_quantiles(estimate, interval):
    effects = eb.effects_from_summary(["g"], [estimate], [0.4])
    ours = eb.posterior(effects, PRIOR, interval=interval)
    v = np.array([0.16 + 0.01, *(0.16 + 0.01 + PRIOR.scale[1:] ** 2)])
    joint = PRIOR.weight * stats.norm.pdf(estimate, 0, np.sqrt(v))
    weight = joint / joint.sum()
    tail = (1 - interval) / 2
    for end, probability in [(ours.lower[0], tail), (ours.upper[0], 1 - tail)]:
        if end == 0:
            # The point mass at 0 spans the probability.
            assert mixture_cdf(-1e-12, estimate, 0.4, weight) <= probability <= mixture_cdf(0, estimate, 0.4, weight)
        else:
            assert mixture_cdf(end, estimate, 0.4, weight) == pytest.approx(probability, abs=1e-6)


def test_areas_add_up(airway_effects):
    fit = eb.fit_em(airway_effects)
    post = eb.posterior(airway_effects, fit.prior)
    np.testing.assert_allclose(post.lfdr + post.prob_up + post.prob_down, 1, atol=1e-9)
    np.testing.assert_allclose(post.lfsr, 1 - np.maximum(post.prob_up, post.prob_down), atol=1e-9)
    assert np.all(post.lower <= post.mean + 1e-12)
    assert np.all(post.mean <= post.upper + 1e-12)
    # Likelihoods are interpolated in one and computed in the other.
    np.testing.assert_allclose(null_probability(airway_effects, fit.prior), post.lfdr, rtol=1e-4)


def test_the_far_tail_keeps_its_digits():
    """At 40 standard errors lfdr is about 1e-340 for a normal error: 0, not NaN and not 1e-16."""
    effects = eb.effects_from_summary(["a", "b"], [36.0, 40.0], [1.0, 1.0])
    prior = MixturePrior(weight=np.array([0.9, 0.1]), scale=np.array([0.0, 20.0]))
    post = eb.posterior(effects, prior)
    exact = stats.norm.logpdf(36) - stats.norm.logpdf(36, 0, np.sqrt(401)) + np.log(9)
    assert np.log(post.lfdr[0]) == pytest.approx(exact, rel=1e-10)
    assert post.lfsr[0] >= post.lfdr[0] > 0
    assert post.lfsr[1] < 1e-300
    assert np.isfinite(post.mean).all()


def test_signs_mirror(airway_effects):
    fit = eb.fit_em(airway_effects)
    flipped = eb.effects_from_summary(
        airway_effects.gene, -airway_effects.estimate, airway_effects.se, airway_effects.df
    )
    one, other = (eb.posterior(effects, fit.prior) for effects in (airway_effects, flipped))
    np.testing.assert_allclose(other.mean, -one.mean, rtol=1e-12)
    np.testing.assert_allclose(other.upper, -one.lower, atol=1e-8)
    np.testing.assert_array_equal(other.lfdr, one.lfdr)
    np.testing.assert_array_equal(other.prob_up, one.prob_down)


def test_a_gene_without_information_gets_the_prior():
    effects = eb.effects_from_summary(["g"], [0.0], [1e6])
    post = eb.posterior(effects, PRIOR)
    assert post.lfdr[0] == pytest.approx(0.6, rel=1e-6)
    assert post.sd[0] == pytest.approx(np.sqrt(PRIOR.weight[1:] @ PRIOR.scale[1:] ** 2), rel=1e-6)


@pytest.mark.parametrize("options", [{"interval": 0.0}, {"interval": 1.0}, {"threshold": -1.0}, {"interval": np.nan}])
def test_options_out_of_range(options):
    with pytest.raises(InputError, match="found"):
        eb.posterior(eb.effects_from_summary(["g"], [0.0], [1.0]), PRIOR, **options)


@pytest.mark.parametrize("df", [np.inf, 5.0])
def test_lfdr_is_calibrated_and_intervals_cover(rng, df):
    """Effects drawn from the model itself, 40,000 genes."""
    n = 40_000
    null = rng.random(n) < 0.8
    theta = np.where(null, 0, rng.standard_normal(n))
    se = rng.uniform(0.2, 0.6, n)
    noise = rng.standard_t(df, n) if np.isfinite(df) else rng.standard_normal(n)
    effects = eb.effects_from_summary([str(i) for i in range(n)], theta + se * noise, se, df)
    post = eb.posterior(effects, eb.fit_em(effects).prior)
    for low, high in [(0, 0.05), (0.05, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1)]:
        inside = (post.lfdr >= low) & (post.lfdr < high)
        expected = post.lfdr[inside].mean()
        # The fitted pi0 is itself off by up to .01 or so.
        error = 0.015 + 3 * np.sqrt(expected * (1 - expected) / inside.sum())
        assert null[inside].mean() == pytest.approx(expected, abs=error)
    # The list goes by signs: what it promises is that no more than .05 are null or of the other sign.
    called = list_rate(post.lfsr) < 0.05
    assert called.sum() > (2000 if np.isinf(df) else 250)
    wrong = np.sign(post.mean[called]) != np.sign(theta[called])
    assert wrong.mean() < 0.05 + 2 * np.sqrt(0.05 / called.sum())
    covered = (post.lower <= theta) & (theta <= post.upper)
    assert covered.mean() > 0.945
    # An end that falls into the point mass takes all of it in, so ends at 0 cover more than asked.
    assert 0.945 < covered[called].mean() < 0.98
    # With 5 df no single gene is ever that sure.
    sure = post.lfdr < 1e-4
    assert sure.any() == np.isinf(df)
    assert covered[sure].sum() >= 0.95 * sure.sum() - 3 * np.sqrt(0.05 * 0.95 * sure.sum())


def test_interpolated_likelihoods_are_those_computed(rng, airway_effects):
    """Of normal slabs between the widths asked for; others are computed."""
    se = np.exp(rng.normal(-2, 0.5, 300))
    normal = eb.effects_from_summary([f"g{i}" for i in range(300)], rng.normal(0, 1, 300), se)
    for effects, tolerance in ((normal, 3e-5), (airway_effects, 0.1)):
        low = 0.5 * float(np.median(effects.se))
        find = interpolated_likelihoods(effects, "scale_normal", low, 8.0)
        for null_sd in (0.0, 0.3 * low, 2 * low):
            scale = np.concatenate([[null_sd], low * 2 ** np.linspace(0.1, 4, 12)])
            found, exact = find(scale, None), loglik_matrix(effects, scale)
            matters = exact > exact.max(axis=1, keepdims=True) - 10
            np.testing.assert_allclose(found[matters], exact[matters], atol=tolerance)
        narrow = np.array([0.0, 0.1 * low])
        np.testing.assert_array_equal(find(narrow, None), loglik_matrix(effects, narrow))
