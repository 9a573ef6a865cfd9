"""Likelihoods on grids: integrals, posteriors and summaries against quadrature and closed forms."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.interpolate import CubicSpline

import ebgenes as eb
from ebgenes.arrays import text_array
from ebgenes.effects.negative_binomial import FAR, REACH, summaries
from ebgenes.numerics.grid_likelihood import convolve_normal, spline_curvature, spline_values
from ebgenes.prior.likelihoods import loglik_matrix
from ebgenes.records.effects import Effects
from ebgenes.records.prior import MixturePrior

SCALES = np.array([0.0, 0.05, 0.3, 1.0, 4.0, 20.0])


def on_grid(estimate, se, df=np.inf, reach=REACH) -> Effects:
    """Normal or t likelihoods, as a grid."""
    estimate, se = np.asarray(estimate, float), np.asarray(se, float)
    grid = estimate[:, None] + se[:, None] * reach
    z = (estimate[:, None] - grid) / se[:, None]
    loglik = (stats.norm.logpdf(z) if np.isinf(df) else stats.t.logpdf(z, df)) - np.log(se)[:, None]
    plain = eb.effects_from_summary([f"g{i}" for i in range(len(estimate))], estimate, se, df)
    return replace(plain, grid=grid, loglik=loglik, engine="likelihood")


def skewed() -> Effects:
    """Poisson log ratios: skewed, with a flat side where a count is 0."""
    pairs = np.array([[3, 9], [0, 12], [30, 28], [1, 0], [200, 900]], dtype=float)
    middle = np.log((pairs[:, 1] + 0.5) / (pairs[:, 0] + 0.5))
    width = np.sqrt((1 / (pairs + 0.5)).sum(axis=1))
    grid = middle[:, None] + width[:, None] * REACH
    total = pairs.sum(axis=1)[:, None]
    loglik = pairs[:, [1]] * grid - total * np.logaddexp(0, grid)
    plain = eb.effects_from_summary(list("abcde"), middle, width)
    return replace(plain, grid=grid, loglik=loglik, engine="likelihood")


def density(effects: Effects, g: int):
    """One gene's likelihood, relative to its peak, as scipy sees it: a spline, straight lines beyond."""
    grid, loglik = effects.grid[g], effects.loglik[g]
    curvature = np.empty(len(grid))
    spline_curvature(grid, loglik, curvature, np.empty(len(grid)))
    spline = CubicSpline(grid, loglik, bc_type=((2, curvature[0]), (2, curvature[-1])))

    def value(theta):
        inside = np.clip(theta, grid[0], grid[-1])
        return np.exp(spline(inside) + spline(inside, 1) * (theta - inside) - loglik.max())

    return value


def integral(function, low, high, points):
    inner = sorted(point for point in points if low < point < high)
    edges = [low, *inner, high]
    parts = (integrate.quad(function, a, b, limit=500, epsabs=0, epsrel=1e-10)[0] for a, b in pairwise(edges))
    return sum(parts)


@pytest.mark.parametrize("n", [3, 4, 12])
def test_spline_has_constant_curvature_at_its_ends(rng, n):
    """Against scipy's spline with the same ends, and exact for parabolas, straight beyond."""
    x = np.sort(rng.normal(size=n))
    theta = np.linspace(x[0] - 2, x[-1] + 2, 200)
    curvature, out = np.empty(n), np.empty(200)
    for y in (rng.normal(size=n), 3 * x**2 - x):
        spline_curvature(x, y, curvature, np.empty(n))
        spline_values(theta, 200, x, y, curvature, out)
        spline = CubicSpline(x, y, bc_type=((2, curvature[0]), (2, curvature[-1])))
        inside = np.clip(theta, x[0], x[-1])
        np.testing.assert_allclose(out, spline(inside) + spline(inside, 1) * (theta - inside), atol=1e-9)
        assert curvature[0] == curvature[1]
    np.testing.assert_allclose(curvature, 6.0)


@pytest.mark.parametrize("df", [np.inf, 6.0])
@pytest.mark.parametrize("null_sd", [0.0, 0.02, 0.3])
def test_a_gridded_t_gives_the_components_of_a_t(df, null_sd):
    """Within what 49 nodes and a spline leave of a t's log likelihood."""
    effects = on_grid([0.0, 0.4, -2.0, 0.5, 6.0], [0.2, 0.1, 1.0, 0.03, 2.0], df)
    plain = replace(effects, grid=None, loglik=None)
    scale = np.append(null_sd, SCALES[2:])
    ours, exact = (loglik_matrix(each, scale) for each in (effects, plain))
    # Beyond 20 standard errors the grid says what its straight lines say.
    near = exact > exact.max(axis=1, keepdims=True) - 12
    np.testing.assert_allclose(ours[near], exact[near], atol=3e-4)


def test_components_of_skewed_likelihoods_equal_quadrature():
    effects = skewed()
    ours = loglik_matrix(effects, np.array([0.0, *SCALES[1:]]))
    for g in range(5):
        value = density(effects, g)
        for k, scale in enumerate(SCALES):
            if scale == 0:
                exact = value(0.0)
            else:
                center = effects.grid[g, 24]
                points = [0, center, -scale, scale, -5 * scale, 5 * scale]
                far = 12 * scale
                exact = integral(lambda t, v=value, s=scale: v(t) * stats.norm.pdf(t, 0, s), -far, far, points)
            # Where e^-100 of the peak is reached, just the order of magnitude is asked for.
            allowed = 1e-4 if exact > np.exp(-100) else 5
            assert ours[g, k] - effects.loglik[g].max() == pytest.approx(np.log(exact), abs=allowed)


@pytest.mark.parametrize("null_sd", [0.01, 0.4, 5.0])
def test_drift_is_a_convolution(null_sd):
    """A normal likelihood stays normal; its variance grows by the drift's."""
    effects = on_grid([0.5, -1.0], [0.2, 1.0])
    grid, loglik = np.empty_like(effects.grid), np.empty_like(effects.loglik)
    convolve_normal(effects.grid, effects.loglik, null_sd, grid, loglik)
    exact = stats.norm.logpdf(grid, effects.estimate[:, None], np.hypot(effects.se, null_sd)[:, None])
    near = exact > exact.max(axis=1, keepdims=True) - 20
    np.testing.assert_allclose(loglik[near], exact[near], atol=2e-5)


@pytest.mark.parametrize("null_sd", [0.0, 0.1])
@pytest.mark.parametrize("threshold", [0.0, 0.5])
def test_posteriors_of_a_gridded_normal_are_the_closed_ones(null_sd, threshold):
    effects = on_grid([0.0, 0.4, -2.0, 1.5, 6.0, -0.02], [0.2, 0.1, 1.0, 0.03, 2.0, 3.0])
    prior = MixturePrior(weight=np.array([0.8, 0.1, 0.07, 0.03]), scale=np.array([null_sd, 0.4, 1.6, 6.0]))
    ours = eb.posterior(effects, prior, threshold=threshold)
    exact = eb.posterior(replace(effects, grid=None, loglik=None), prior, threshold=threshold)
    np.testing.assert_allclose(ours.lfdr, exact.lfdr, rtol=1e-5)
    for name in ("mean", "sd", "lower", "upper"):
        np.testing.assert_allclose(getattr(ours, name), getattr(exact, name), atol=2e-4, err_msg=name)
    for name in ("lfsr", "prob_up", "prob_down"):
        np.testing.assert_allclose(getattr(ours, name), getattr(exact, name), rtol=2e-3, atol=1e-300, err_msg=name)


def test_posteriors_of_skewed_likelihoods_equal_quadrature():
    effects = skewed()
    prior = MixturePrior(weight=np.array([0.6, 0.3, 0.1]), scale=np.array([0.0, 0.5, 3.0]))
    post = eb.posterior(effects, prior)
    for g in range(5):
        value = density(effects, g)

        def slab(t, v=value):
            return v(t) * sum(
                w * stats.norm.pdf(t, 0, s) for w, s in zip(prior.weight[1:], prior.scale[1:], strict=True)
            )

        points = [-1.5, -0.5, 0, 0.5, 1.5, effects.grid[g, 24]]
        below, above = integral(slab, -36, 0, points), integral(slab, 0, 36, points)
        null = prior.weight[0] * value(0.0)
        total = null + below + above
        mean = integral(lambda t: t * slab(t), -36, 36, points) / total
        assert post.lfdr[g] == pytest.approx(null / total, rel=5e-5)
        assert post.mean[g] == pytest.approx(mean, abs=1e-5)
        assert post.prob_down[g] == pytest.approx(below / total, rel=1e-4)
        assert post.lfsr[g] == pytest.approx((null + min(below, above)) / total, rel=1e-4)
        lower = post.lower[g]
        mass = integral(slab, -36, lower, points) / total + (null / total if lower >= 0 else 0)
        # The atom spans the quantile where the end is 0.
        assert mass == pytest.approx(0.025, abs=2e-5) or (lower == 0 and mass >= 0.025 > mass - null / total)


def test_signs_mirror():
    effects = skewed()
    mirrored = replace(effects, estimate=-effects.estimate, grid=-effects.grid[:, ::-1], loglik=effects.loglik[:, ::-1])
    prior = MixturePrior(weight=np.array([0.6, 0.3, 0.1]), scale=np.array([0.1, 0.5, 3.0]))
    one, other = eb.posterior(effects, prior), eb.posterior(mirrored, prior)
    np.testing.assert_allclose(other.mean, -one.mean, atol=1e-9)
    np.testing.assert_allclose(other.upper, -one.lower, atol=1e-7)
    np.testing.assert_allclose(other.prob_up, one.prob_down, rtol=1e-7)


def test_a_prior_without_slabs_leaves_nothing():
    post = eb.posterior(skewed(), MixturePrior(weight=np.array([1.0, 0.0]), scale=np.array([0.0, 1.0])))
    for name in ("mean", "sd", "lower", "upper", "prob_up", "prob_down"):
        assert (getattr(post, name) == 0).all()
    assert (post.lfdr == 1).all()
    assert (post.lfsr == 1).all()


def test_summaries_of_a_gridded_t_are_its_own():
    t = np.array([0.0, 0.5, 2.0, -4.0, 12.0])
    se = np.array([0.1, 0.2, 0.05, 0.1, 0.02])
    for df in (6.0, 20.0, np.inf):
        effects = on_grid(t * se, se, df)
        # A weight so far that it is flat.
        out = summaries(effects.grid, effects.loglik, 1e6)
        np.testing.assert_allclose(out[:, 0], t * se, atol=1e-6)
        np.testing.assert_allclose(out[:, 1], se, rtol=5e-3)
        if np.isfinite(df):
            np.testing.assert_allclose(out[:, 2], df, rtol=0.05)
            np.testing.assert_allclose(out[:, 3], 2 * stats.t.sf(np.abs(t), df), rtol=0.01)
        else:
            assert (out[:, 2] > 300).all()
            np.testing.assert_allclose(out[:, 3], 2 * stats.norm.sf(np.abs(t)), rtol=5e-3)


def test_a_flat_side_has_a_finite_estimate_and_an_honest_p():
    """12 reads against none and 1 against 2: the flat weight would make p 0, the weight of 4 nat does not."""
    effects = skewed()
    out = summaries(effects.grid, effects.loglik, FAR)
    assert np.isfinite(out[:, :2]).all()
    assert 1e-5 < out[1, 3] < 1e-3
    assert 0.2 < out[3, 3] < 1
    value = density(effects, 0)

    def weighed(theta):
        return value(theta) * np.exp(-0.5 * (theta / FAR) ** 2)

    below, above = integral(weighed, -30, 0, [-1]), integral(weighed, 0, 30, [1, 3])
    assert out[0, 3] == pytest.approx(2 * min(below, above) / (below + above), rel=1e-4)


def test_grids_of_other_nodes_serve_too():
    """201 even nodes over 8 standard errors, as someone else might bring."""
    effects = on_grid([0.3, -2.0], [0.2, 0.5], reach=np.linspace(-8, 8, 201))
    prior = MixturePrior(weight=np.array([0.8, 0.2]), scale=np.array([0.0, 1.0]))
    ours = eb.posterior(effects, prior)
    exact = eb.posterior(replace(effects, grid=None, loglik=None), prior)
    np.testing.assert_allclose(ours.mean, exact.mean, atol=1e-4)
    np.testing.assert_allclose(ours.lfdr, exact.lfdr, rtol=1e-4)


def test_a_fit_finds_the_same_prior_from_grids(rng):
    """fit_em on gridded t likelihoods and on the t's themselves."""
    theta = np.where(rng.random(3000) < 0.8, 0, rng.normal(0, 1.5, 3000))
    se = rng.uniform(0.1, 0.4, 3000)
    estimate = theta + se * rng.standard_t(8, 3000)
    gridded = on_grid(estimate, se, 8.0)
    fits = [eb.fit_em(each) for each in (gridded, replace(gridded, grid=None, loglik=None))]
    assert fits[0].prior.pi0 == pytest.approx(fits[1].prior.pi0, abs=1e-3)
    assert fits[0].loglik[-1] == pytest.approx(fits[1].loglik[-1], abs=0.3)
    assert all(fit.certificate < 1e-8 for fit in fits)


def test_status_defaults_to_ok():
    effects = skewed()
    assert list(effects.status) == ["ok"] * 5
    assert list(replace(effects, status=text_array(["ok", "outlier", "ok", "ok", "ok"])).status)[1] == "outlier"
