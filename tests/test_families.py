"""Every prior family over every likelihood, against ashr, ebnm and quadrature."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache, partial
from itertools import pairwise

import numpy as np
import pytest
from conftest import reference
from scipy import integrate, stats
from scipy.interpolate import CubicSpline

import ebgenes as eb
from ebgenes.posteriors.given_prior import averaged_weights, null_probability
from ebgenes.prior.families import FAMILIES
from ebgenes.prior.likelihoods import center_at, loglik_matrix
from ebgenes.records.effects import Effects
from ebgenes.records.prior import EmFit, MixturePrior

SCENARIOS = (
    "spiky", "near_normal", "flat_top", "skew", "big_normal", "bimodal", "hetero_spiky", "all_null", "t5_near_normal",
)  # fmt: skip
SLABS = {
    "half_normal": np.array([0.0, 0.5, 2.0, -0.7, -3.0]),
    "half_uniform": np.array([0.0, 0.8, 3.0, -1.3, -2.0]),
    "point_laplace": np.array([0.0, 0.6]),
    "npmle": np.array([0.0, -2.5, -0.5, 0.7, 3.0]),
}


table_of = cache(reference)


@cache
def scenario(name: str) -> Effects:
    if name == "airway":
        table = table_of("airway/ash_normal.csv.gz")
        return eb.effects_from_summary([f"g{i}" for i in range(len(table))], table["betahat"], table["sebetahat"])
    table = table_of("normal_means/effects.csv.gz")
    se = table[f"{name}_se"] if f"{name}_se" in table else np.ones(len(table))
    gene = [f"g{i}" for i in range(len(table))]
    return eb.effects_from_summary(gene, table[name], se, 5.0 if name.startswith("t5") else None)


def ashr_scales(effects: Effects) -> np.ndarray:
    """The grid ashr chooses by default: ratio sqrt 2 from a tenth of the smallest error."""
    largest = 2 * np.sqrt(max((effects.estimate**2 - effects.se**2).max(), 0))
    n_steps = int(np.ceil(2 * np.log2(largest / (effects.se.min() / 10))))
    return np.asarray(largest * 2 ** (-np.arange(n_steps, -1, -1) / 2))


@cache
def fitted(name: str, family: str, null_weight: int) -> EmFit:
    """On the grid ashr chooses."""
    effects = scenario(name)
    return eb.fit_em(effects, family=family, null="fixed", scale=ashr_scales(effects), null_weight=null_weight)


def null_loglik(effects: Effects) -> float:
    return float(loglik_matrix(effects, np.array([0.0])).sum())


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("fit", ["normal", "normal_ml", "halfuniform", "halfuniform_ml"])
def test_likelihoods_are_no_lower_than_ashr_s(name, fit):
    """Over that of the null alone, less what the reference's eight digits leave open."""
    summary = table_of("normal_means/ash_summary.csv").set_index(["scenario", "fit"])
    if (name, fit) not in summary.index:
        pytest.skip("ashr has no normal slabs under t errors")
    theirs = summary.loc[(name, fit)]
    effects = scenario(name)
    family = "scale_normal" if fit.startswith("normal") else "half_uniform"
    weight = 1 if fit.endswith("_ml") else 10
    ours = fitted(name, family, weight)
    gain = theirs["logLR"] + (0 if weight == 1 else theirs["penloglik"] - theirs["loglik"])
    assert len(ours.prior.scale) == theirs["K"]
    assert ours.certificate <= 1e-8
    rounding = 3 * np.sqrt(np.sum((3e-9 * effects.estimate**2 / effects.se**2) ** 2))
    assert rounding < 2e-4
    assert ours.loglik[-1] - null_loglik(effects) >= gain - 1e-6 - rounding
    if weight > 1:
        assert ours.prior.pi0 == pytest.approx(theirs["pi0"], abs=1e-3)


@pytest.mark.parametrize("name", [*SCENARIOS[:-1], "airway"])
@pytest.mark.parametrize("prior", ["point_normal", "point_laplace", "npmle"])
def test_likelihoods_are_no_lower_than_ebnm_s(name, prior):
    summary = table_of("normal_means/ebnm_summary.csv").set_index(["data", "prior"])
    theirs = summary.loc[(name, prior)]
    ours = eb.fit_em(scenario(name), family=prior, null="fixed", min_scale=0.1 if prior == "npmle" else 0.02)
    assert ours.loglik[-1] >= float(theirs["loglik"]) - 1e-4
    if prior != "npmle":
        assert ours.prior.pi0 == pytest.approx(float(theirs["pi0"]), abs=2e-3)


def test_posteriors_equal_ashr_s_under_half_uniforms():
    """2,237 genes of airway, under the prior ashr fitted, to the eight digits it gives."""
    table, slabs = reference("airway/ash_halfuniform.csv.gz"), reference("airway/ash_halfuniform_g.csv")
    scale = np.where(slabs["b"] > 0, slabs["b"], slabs["a"])
    prior = MixturePrior(weight=slabs["pi"], scale=scale, family="half_uniform")
    effects = eb.effects_from_summary([f"g{i}" for i in range(len(table))], table["betahat"], table["sebetahat"])
    ours = eb.posterior(effects, prior)
    for quantity, theirs in (("mean", "PosteriorMean"), ("sd", "PosteriorSD"), ("lfdr", "lfdr"), ("lfsr", "lfsr")):
        np.testing.assert_allclose(getattr(ours, quantity), table[theirs], atol=1e-6, err_msg=quantity)
    np.testing.assert_allclose(ours.prob_up, table["PositiveProb"], atol=1e-6)
    np.testing.assert_allclose(ours.prob_down, table["NegativeProb"], atol=1e-6)


@pytest.mark.parametrize("name", SCENARIOS)
def test_fitted_half_uniforms_give_ashr_s_posteriors(name):
    """Both fit their own prior here, ashr to a looser tolerance."""
    table = table_of("normal_means/halfuniform.csv.gz")
    table = table[table["scenario"] == name]
    ours = eb.posterior(scenario(name), fitted(name, "half_uniform", 10).prior)
    for quantity, theirs in (("mean", "PosteriorMean"), ("sd", "PosteriorSD"), ("lfdr", "lfdr"), ("lfsr", "lfsr")):
        np.testing.assert_allclose(
            getattr(ours, quantity)[::50], table[f"halfuniform__{theirs}"], atol=2e-3, err_msg=quantity
        )


def likelihood_kinds() -> dict[str, Effects]:
    """The same genes with normal, t and grid likelihoods: none, small, large and huge effects, and one sloping off."""
    estimate, se = np.array([0.0, 0.3, -2.0, 12.0, 1.4, 0.02]), np.array([0.5, 0.2, 0.6, 0.4, 2.5, 0.02])
    gene = [f"g{i}" for i in range(len(se))]
    normal = eb.effects_from_summary(gene, estimate, se)
    t = eb.effects_from_summary(gene, estimate, se, 4.0)
    u = np.concatenate([-np.geomspace(6.6, 20, 9)[::-1], np.linspace(-6, 6, 31), np.geomspace(6.6, 20, 9)])
    grid = estimate[:, None] + se[:, None] * u
    # Skewed, and flat to one side for the last.
    loglik = -3.0 * np.log1p(u**2 / 5) - 0.2 * np.arctan(u)
    loglik = np.tile(loglik, (len(se), 1))
    loglik[4] = -np.logaddexp(0, -2 * u)
    return {"normal": normal, "t": t, "grid": replace(normal, grid=grid, loglik=loglik)}


def log_likelihood(effects: Effects, g: int):
    """log L of one gene as a function."""
    if effects.grid is None:
        estimate, se, df = (float(values[g]) for values in (effects.estimate, effects.se, effects.df))
        # Of scipy the constant alone: quadrature asks for millions of densities, each of which takes it 50 us.
        top = float(stats.t.logpdf(0, df)) - math.log(se)
        if math.isinf(df):
            return lambda theta: top - 0.5 * ((estimate - theta) / se) ** 2
        return lambda theta: top - 0.5 * (df + 1) * math.log1p(((estimate - theta) / se) ** 2 / df)
    x, y = effects.grid[g], effects.loglik[g]
    # Constant curvature in the outermost steps, straight lines beyond.
    spline = parabolic_ends(x, y)
    low, high = spline(x[0], 1), spline(x[-1], 1)

    def value(theta):
        if theta < x[0]:
            return y[0] + low * (theta - x[0])
        return y[-1] + high * (theta - x[-1]) if theta > x[-1] else float(spline(theta))

    return value


def parabolic_ends(x, y) -> CubicSpline:
    def misfit(left: float, right: float) -> np.ndarray:
        spline = CubicSpline(x, y, bc_type=((2, left), (2, right)))
        return np.asarray(spline(x[[1, -2]], 2) - [left, right])

    none = misfit(0, 0)
    slope = np.column_stack([misfit(1, 0) - none, misfit(0, 1) - none])
    left, right = np.linalg.solve(slope, -none)
    return CubicSpline(x, y, bc_type=((2, left), (2, right)))


def density(family: str, scale: float):
    """Density of one slab, and the interval it lies on."""
    if family == "point_laplace":
        return (lambda theta: math.exp(-abs(theta) / scale) / (2 * scale)), (-60 * scale, 60 * scale)
    if family == "half_uniform":
        return (lambda theta: 1 / abs(scale)), (min(scale, 0), max(scale, 0))
    end, height = 14 * scale, math.sqrt(2 / math.pi) / abs(scale)
    return (lambda theta: height * math.exp(-0.5 * (theta / scale) ** 2)), (min(end, 0), max(end, 0))


def integral(function, low, high, points) -> float:
    ends = sorted({low, high, *(p for p in points if low < p < high)})
    parts = [integrate.quad(function, a, b, epsabs=0, epsrel=1e-11, limit=200)[0] for a, b in pairwise(ends)]
    return float(sum(parts))


@pytest.mark.fast
@pytest.mark.parametrize("kind", ["normal", "t", "grid"])
@pytest.mark.parametrize("family", ["half_normal", "half_uniform", "point_laplace"])
def test_slabs_equal_quadrature(kind, family):
    """Likelihoods, means, spreads, tails and quantiles, from the integrals that define them."""
    effects, scale = likelihood_kinds()[kind], SLABS[family]
    weight = np.array([0.6, *np.full(len(scale) - 1, 0.4 / (len(scale) - 1))])
    prior = MixturePrior(weight=weight, scale=scale, family=family)
    matrix = loglik_matrix(effects, scale, family)
    ours = eb.posterior(effects, prior, interval=0.9, threshold=0.5)
    for g in range(len(effects.gene)):
        check_gene(effects, g, prior, matrix, ours)


def under(log_l, top: float, pdf, theta: float) -> float:
    return math.exp(log_l(theta) - top) * pdf(theta)


def check_gene(effects: Effects, g: int, prior: MixturePrior, matrix: np.ndarray, ours) -> None:
    weight, scale, family = prior.weight, prior.scale, prior.family
    log_l = log_likelihood(effects, g)
    points = [0, -0.5, 0.5, *(effects.estimate[g] + effects.se[g] * np.linspace(-8, 8, 17))]
    top, best = max(log_l(p) for p in points), matrix[g].max()

    slabs = [(float(share), *density(family, float(one))) for share, one in zip(weight[1:], scale[1:], strict=True)]

    def joint(theta, power=0):
        total = sum(share * pdf(theta) for share, pdf, (low, high) in slabs if low <= theta <= high)
        return math.exp(log_l(theta) - top) * theta**power * total

    for k in range(1, len(scale)):
        _, pdf, (low, high) = slabs[k - 1]
        exact = integral(partial(under, log_l, top, pdf), low, high, points)
        # What is e^-40 beside another component need not be known, only to be that small.
        if matrix[g, k] > best - 40:
            assert matrix[g, k] == pytest.approx(np.log(exact) + top, abs=1e-8 if effects.grid is None else 3e-6)
        else:
            assert np.log(exact) + top < best - 38
    assert matrix[g, 0] == pytest.approx(log_l(0.0), abs=1e-9)
    ends = [*points, *scale]
    far = max(abs(end) for *_, support in slabs for end in support)
    null = weight[0] * np.exp(log_l(0.0) - top)
    below, above = (integral(joint, *side, ends) for side in ((-far, 0), (0, far)))
    total = null + below + above
    mean = integral(lambda x: joint(x, 1), -far, far, ends) / total
    square = integral(lambda x: joint(x, 2), -far, far, ends) / total
    # A spline's third derivative jumps at its nodes, which panels do not know of.
    close = 1e-7 if effects.grid is None else 5e-6
    assert ours.lfdr[g] == pytest.approx(null / total, rel=close)
    assert ours.mean[g] == pytest.approx(mean, rel=close, abs=1e-8)
    assert ours.sd[g] == pytest.approx(np.sqrt(square - mean**2), rel=1e-5)
    assert ours.lfsr[g] - ours.lfdr[g] == pytest.approx(min(below, above) / total, rel=10 * close, abs=1e-14)
    assert ours.prob_up[g] == pytest.approx(integral(joint, 0.5, far, ends) / total, rel=10 * close, abs=1e-14)
    assert ours.prob_down[g] == pytest.approx(integral(joint, -far, -0.5, ends) / total, rel=10 * close, abs=1e-14)
    for bound, side in ((ours.lower[g], (-far, ours.lower[g])), (ours.upper[g], (ours.upper[g], far))):
        if bound != 0:
            beside = integral(joint, *side, ends) / total
            beyond_null = (side[0] == -far) == (bound > 0)
            assert beside + (null / total if beyond_null else 0) == pytest.approx(0.05, abs=1e-6)


@pytest.mark.fast
@pytest.mark.parametrize("kind", ["normal", "t", "grid"])
def test_point_masses_are_sums(kind):
    effects, place = likelihood_kinds()[kind], SLABS["npmle"]
    weight = np.array([0.5, 0.1, 0.2, 0.15, 0.05])
    ours = eb.posterior(effects, MixturePrior(weight=weight, scale=place, family="npmle"), interval=0.8, threshold=0.6)
    for g in range(len(effects.gene)):
        share = weight * np.exp([log_likelihood(effects, g)(x) for x in place])
        share /= share.sum()
        assert ours.lfdr[g] == pytest.approx(share[0], rel=1e-9)
        assert ours.mean[g] == pytest.approx(share @ place, rel=1e-9, abs=1e-12)
        assert ours.sd[g] == pytest.approx(np.sqrt(share @ (place - share @ place) ** 2), rel=1e-6)
        assert ours.prob_up[g] == pytest.approx(share[3:].sum(), rel=1e-9)
        assert ours.prob_down[g] == pytest.approx(share[1], rel=1e-9)
        order = np.argsort(place)
        sums = np.cumsum(share[order])
        assert ours.lower[g] == place[order][np.argmax(sums >= 0.1)]
        assert ours.upper[g] == place[order][len(place) - 1 - np.argmax(np.cumsum(share[order][::-1]) >= 0.1)]


@pytest.mark.parametrize("kind", ["normal", "t", "grid"])
@pytest.mark.parametrize("family", ["half_normal", "half_uniform", "point_laplace", "npmle"])
def test_drift_widens_the_likelihood(kind, family):
    """A null N(0, .3^2) is convolved in: half-normal slabs at both sides then equal whole normals'."""
    effects = likelihood_kinds()[kind]
    scale = np.array([0.3, 1.2, -1.2]) if family != "npmle" else np.array([0.3, -1.0, 1.0])
    matrix = loglik_matrix(effects, scale[:2] if family == "point_laplace" else scale, family)
    whole = loglik_matrix(effects, np.array([0.3, 1.2]))
    np.testing.assert_allclose(matrix[:, 0], whole[:, 0], atol=3e-6 if kind != "grid" else 6e-3)
    if family == "half_normal":
        both = np.logaddexp(matrix[:, 1], matrix[:, 2]) - np.log(2)
        np.testing.assert_allclose(both, whole[:, 1], atol=3e-6 if kind != "grid" else 6e-3)


@pytest.mark.parametrize("kind", ["normal", "t", "grid"])
@pytest.mark.parametrize("family", list(SLABS))
def test_mirror_images(kind, family):
    effects, scale = likelihood_kinds()[kind], SLABS[family]
    weight = np.array([0.6, *np.linspace(0.1, 0.05, len(scale) - 1)])
    weight /= weight.sum()
    turned, flipped = weight, -scale if family != "point_laplace" else scale
    if family == "npmle":
        flipped, turned = np.concatenate([[0], flipped[:0:-1]]), np.concatenate([weight[:1], weight[:0:-1]])
    mirrored = replace(
        effects,
        estimate=-effects.estimate,
        grid=None if effects.grid is None else -effects.grid[:, ::-1],
        loglik=None if effects.loglik is None else effects.loglik[:, ::-1],
    )
    one = eb.posterior(effects, MixturePrior(weight=weight, scale=scale, family=family), threshold=0.4)
    other = eb.posterior(mirrored, MixturePrior(weight=turned, scale=flipped, family=family), threshold=0.4)
    np.testing.assert_allclose(one.mean, -other.mean, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(one.lower, -other.upper, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(one.prob_up, other.prob_down, rtol=1e-8)
    np.testing.assert_allclose(one.lfsr, other.lfsr, rtol=1e-9)


@pytest.mark.parametrize("kind", ["normal", "t", "grid"])
@pytest.mark.parametrize("family", ["scale_normal", *SLABS])
def test_averaged_weights_average_posteriors(rng, kind, family):
    """The posterior under averaged weights is the mixture of the posteriors under each draw, with drift and mode."""
    effects = likelihood_kinds()[kind]
    scale = np.array([0.1, 0.6, 2.0]) if family == "scale_normal" else SLABS[family].copy()
    scale[0] = 0.1
    draws = rng.dirichlet(np.ones(len(scale)), 7)
    draws[0, 1] = 0.0
    prior = MixturePrior(weight=draws[0], scale=scale, family=family, mode=0.2)
    loglik = loglik_matrix(center_at(effects, 0.2), scale, family)
    weight = averaged_weights(np.exp(loglik - loglik.max(axis=1, keepdims=True)), draws)
    np.testing.assert_allclose(weight.sum(axis=1), 1, rtol=1e-12)
    whole = eb.posterior(effects, prior, weight=weight, threshold=0.3)
    each = [eb.posterior(effects, replace(prior, weight=draw), threshold=0.3) for draw in draws]
    # Of grids the components' likelihoods and the posterior's density are integrated by different rules.
    tolerance = {"rtol": 5e-3, "atol": 1e-6} if kind == "grid" else {"rtol": 1e-9, "atol": 1e-12}
    for name in ("mean", "lfdr", "prob_up", "prob_down"):
        average = np.mean([getattr(one, name) for one in each], axis=0)
        np.testing.assert_allclose(getattr(whole, name), average, **tolerance, err_msg=name)
    square = np.mean([one.sd**2 + one.mean**2 for one in each], axis=0)
    np.testing.assert_allclose(whole.sd**2 + whole.mean**2, square, **tolerance)


@pytest.mark.parametrize("kind", ["normal", "t", "grid"])
@pytest.mark.parametrize("family", ["scale_normal", *SLABS])
def test_intervals_given_that_a_gene_is_changed(kind, family):
    """Those of the same prior without a null, under which half of the mass may lie on either side of 0."""
    effects = likelihood_kinds()[kind]
    scale = np.array([0.1, 0.6, 2.0]) if family == "scale_normal" else SLABS[family]
    weight = np.append(0.7, np.full(len(scale) - 1, 0.3 / (len(scale) - 1)))
    prior = MixturePrior(weight=weight, scale=scale, family=family, mode=0.2)
    found = eb.posterior(effects, prior)
    weight[0] = 0.0
    changed = eb.posterior(effects, replace(prior, weight=weight / weight.sum()))
    np.testing.assert_allclose(found.lower_changed, changed.lower, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found.upper_changed, changed.upper, rtol=1e-6, atol=1e-7)
    none = eb.posterior(effects, MixturePrior(weight=[1.0, 0.0], scale=[0.0, 1.0]))
    assert np.isnan([none.lower_changed, none.upper_changed]).all()


def test_draws_that_cannot_have_made_a_gene_are_left_out():
    """Half of the draws have no weight on the one slab that reaches an effect of 60 standard errors."""
    likelihood = np.array([[0.0, 1.0], [1.0, 0.5]])
    draws = np.array([[1.0, 0.0], [0.5, 0.5]])
    weight = averaged_weights(likelihood, draws)
    np.testing.assert_allclose(weight[0], [0.5, 0.5])
    assert np.all(np.isfinite(weight))


def simulated(rng, n: int, df: float = np.inf) -> Effects:
    theta = np.where(rng.random(n) < 0.8, 0, np.abs(rng.standard_normal(n)) * rng.choice([2.0, 2.0, -1.0], n))
    se = rng.uniform(0.3, 0.6, n)
    noise = rng.standard_normal(n) if np.isinf(df) else rng.standard_t(df, n)
    return eb.effects_from_summary([f"g{i}" for i in range(n)], theta + se * noise, se, df)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("df", [np.inf, 6.0])
def test_every_family_finds_pi0_and_calibrated_signs(rng, family, df):
    effects = simulated(rng, 3000, df)
    fit = eb.fit_em(effects, family=family)
    assert fit.converged
    known = eb.posterior(effects, fit.prior)
    np.testing.assert_allclose(known.lfdr, null_probability(effects, fit.prior), rtol=1e-3, atol=1e-12)
    if family != "npmle":
        assert fit.prior.pi0 == pytest.approx(0.8, abs=0.1)
    assert (known.lower <= known.upper).all()
    np.testing.assert_allclose(known.prob_up + known.prob_down + known.lfdr, 1, atol=1e-9)


def test_threads_and_gene_blocks_change_nothing(rng, monkeypatch):
    # The second block of 1,024 genes is not full.
    effects = simulated(rng, 1300, 5.0)
    results = []
    for threads in ("1", "2"):
        monkeypatch.setenv("EBGENES_THREADS", threads)
        fit = eb.fit_em(effects, family="half_uniform")
        known = eb.posterior(effects, fit.prior)
        results.append((fit.prior.weight, known.mean, known.lower, known.upper))
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)
    alone = eb.posterior(replace_genes(effects, slice(1100, 1101)), fit.prior)
    assert alone.mean[0] == known.mean[1100]


def replace_genes(effects: Effects, part: slice) -> Effects:
    arrays = ("gene", "estimate", "se", "df", "base_mean", "status")
    return replace(effects, **{name: getattr(effects, name)[part] for name in arrays})


def test_estimated_mode_finds_a_common_shift(rng):
    """All genes .4 higher: the null moves there, and so do means and intervals; rates stay as they were."""
    effects = simulated(rng, 5000)
    moved = replace(effects, estimate=effects.estimate + 0.4)
    still = eb.fit_em(effects, null="fixed", mode="estimated")
    fit = eb.fit_em(moved, null="fixed", mode="estimated")
    assert fit.prior.mode - still.prior.mode == pytest.approx(0.4, abs=2e-3)
    assert abs(still.prior.mode) < 0.05
    assert fit.prior.pi0 == pytest.approx(still.prior.pi0, abs=2e-3)
    one, other = eb.posterior(effects, still.prior), eb.posterior(moved, fit.prior)
    np.testing.assert_allclose(other.mean, one.mean + 0.4, atol=5e-3)
    np.testing.assert_allclose(other.lfsr, one.lfsr, atol=0.02)


def test_a_shift_is_allowed_for_where_it_is_worth_it(rng):
    """One of .15 is found as if it were sought, whatever the null; without one numbers are those of mode zero."""
    theta = np.where(rng.random(3000) < 0.8, 0, 1.5 * rng.standard_normal(3000))
    se = rng.uniform(0.3, 0.6, 3000)
    effects = eb.effects_from_summary([f"g{i}" for i in range(3000)], theta + se * rng.standard_normal(3000), se)
    moved = replace(effects, estimate=effects.estimate + 0.15)
    for null in ("fixed", "estimated"):
        zero, auto = (eb.fit_em(effects, null=null, mode=mode) for mode in ("zero", "auto"))
        assert auto.prior.mode == 0
        np.testing.assert_array_equal(auto.prior.weight, zero.prior.weight)
        found, sought = (eb.fit_em(moved, null=null, mode=mode) for mode in ("auto", "estimated"))
        assert found.prior.mode == pytest.approx(sought.prior.mode, abs=0.02)
        assert found.loglik[-1] > eb.fit_em(moved, null=null, mode="zero").loglik[-1] + 1.92


def test_airway_s_mode_and_likelihood_are_ashr_s():
    table, summary = reference("airway/ash_normal.csv.gz"), reference("airway/ash_summary.csv").set_index("fit")
    effects = eb.effects_from_summary([f"g{i}" for i in range(len(table))], table["betahat"], table["sebetahat"])
    scale = ashr_scales(effects)
    null = null_loglik(effects)
    for name, options in (
        ("normal", {}),
        ("normal_ml", {"null_weight": 1}),
        ("halfuniform", {"family": "half_uniform"}),
    ):
        theirs = summary.loc[name]
        ours = eb.fit_em(effects, null="fixed", scale=scale, **{"null_weight": 10, **options})
        penalty = theirs["penloglik"] - theirs["loglik"] if name != "normal_ml" else 0
        assert ours.loglik[-1] - null >= theirs["logLR"] + penalty - 1e-3
    mode = eb.fit_em(effects, null="fixed", scale=scale, null_weight=10, mode="estimated").prior.mode
    # ashr chooses its grid anew around the mode.
    moved = center_at(effects, mode)
    ours = eb.fit_em(moved, null="fixed", scale=ashr_scales(moved), null_weight=10)
    assert ours.loglik[-1] >= summary.loc["normal_modeest", "penloglik"] - 1e-3
    assert ours.prior.pi0 == pytest.approx(summary.loc["normal_modeest", "pi0"], abs=5e-3)


@pytest.mark.fast
@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_draws_follow_the_density(family):
    """Effects are drawn from the very shapes by which they are judged."""
    for scale in (0.7, -0.7) if family.signed else (0.7,):
        drawn = family.draw(np.random.default_rng(9), np.full(20_000, scale))
        if family.is_shapeless:
            np.testing.assert_array_equal(drawn, scale)
            continue
        x = np.linspace(-12, 12, 240_001)
        below = integrate.cumulative_trapezoid(
            family.density(np.array([0.0, 1.0]), np.array([0.0, scale]), x), x, initial=0
        )
        # A uniform ends between two nodes.
        assert below[-1] == pytest.approx(1, abs=5e-4)
        assert stats.kstest(drawn, lambda at, x=x, below=below: np.interp(at, x, below)).pvalue > 1e-3
