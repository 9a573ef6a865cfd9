"""Fitted priors: the solvers agree, the certificate is honest, truth is recovered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize

import ebgenes as eb
from ebgenes.arrays import text_array
from ebgenes.effects.negative_binomial import REACH
from ebgenes.errors import InputError, NotConverged
from ebgenes.numerics.weights import SOLVERS, Likelihood, derivatives, in_memory
from ebgenes.prior.families.scales import slab_grid
from ebgenes.prior.fit import LIKELIHOOD_SCALE_GAIN, MIN_SCALE
from ebgenes.prior.likelihoods import loglik_matrix
from ebgenes.records.effects import Effects, ResidualAxes
from ebgenes.records.prior import EmFit


def simulated(rng, n=4000, pi0=0.8, slab=1.5, df=np.inf, null_sd=0.0, se=0.4) -> Effects:
    theta = np.where(rng.random(n) < pi0, 0, slab * rng.standard_normal(n))
    scale = se * rng.uniform(0.7, 1.5, n)
    noise = rng.standard_t(df, n) if np.isfinite(df) else rng.standard_normal(n)
    estimate = theta + null_sd * rng.standard_normal(n) + scale * noise
    return eb.effects_from_summary([f"g{i:05d}" for i in range(n)], estimate, scale, df)


# Residuals half of which lie along one axis of four: a drift as large as the errors is nothing odd. Without that,
# small effects of all genes are as good an account of it as a wide null is.
SHARED = ResidualAxes(variance=np.array([2.5, 0.5, 0.5, 0.5]), chance=np.ones(4))


def most_probable(fit: EmFit) -> float:
    """The null's scale of greatest probability among those that are averaged over."""
    nulls = fit.prior.nulls
    return fit.prior.null_sd if nulls is None else float(nulls.scale[np.argmax(nulls.probability), 0])


@pytest.fixture(scope="module")
def likelihood():
    effects = simulated(np.random.default_rng(3))
    loglik = loglik_matrix(effects, np.array([0, *slab_grid(effects, MIN_SCALE)]))
    return np.exp(loglik - loglik.max(axis=1, keepdims=True))


@pytest.fixture(scope="module")
def source(likelihood):
    return in_memory(np.log(likelihood))


def test_derivatives_equal_plain_numpy(likelihood, source, rng):
    weight = rng.dirichlet(np.ones(likelihood.shape[1]))
    mixed = likelihood @ weight
    scaled = likelihood / mixed[:, None]
    state = derivatives(source, weight)
    assert state.value == pytest.approx(np.log(mixed).sum(), rel=1e-12)
    np.testing.assert_allclose(state.ratio, scaled.mean(axis=0), rtol=1e-11)
    np.testing.assert_allclose(state.hessian, scaled.T @ scaled / len(mixed), rtol=1e-11)
    some = derivatives(source, weight, active=np.array([4, 1]))
    np.testing.assert_allclose(some.hessian, state.hessian[np.ix_([4, 1], [4, 1])], rtol=1e-12)


def test_a_penalty_is_so_many_more_genes(likelihood, source, rng):
    """A penalty of 9 on the null equals nine genes that only the null can have made."""
    weight = rng.dirichlet(np.ones(likelihood.shape[1]))
    penalty = np.zeros(len(weight))
    penalty[0] = 9.0
    more = np.zeros((9, len(weight)))
    more[:, 0] = 1.0
    with np.errstate(divide="ignore"):
        padded = in_memory(np.log(np.vstack([likelihood, more])))
    one, other = derivatives(source, weight, penalty), derivatives(padded, weight)
    assert one.value == pytest.approx(other.value, rel=1e-12)
    np.testing.assert_allclose(one.ratio, other.ratio, rtol=1e-11)
    np.testing.assert_allclose(one.hessian, other.hessian, rtol=1e-11)
    start = np.full(len(weight), 1 / len(weight))
    fits = SOLVERS["sqp"](source, start, penalty), SOLVERS["sqp"](padded, start, None)
    assert fits[0].loglik[-1] == pytest.approx(fits[1].loglik[-1], abs=1e-8)
    assert all(fit.certificate <= 1e-8 for fit in fits)


@pytest.fixture(scope="module")
def solved(likelihood, source):
    """What each solver makes of equal weights."""
    start = np.full(likelihood.shape[1], 1 / likelihood.shape[1])
    return {name: solve(source, start, None) for name, solve in SOLVERS.items()}


def test_solvers_reach_one_optimum(likelihood, solved):
    sqp, em, squarem = (solved[name] for name in ("sqp", "em", "squarem"))
    # No point of the simplex lies higher than the certificate says, in log likelihood per gene.
    for slow in (em, squarem):
        assert sqp.loglik[-1] >= slow.loglik[-1] - 1e-9
        assert sqp.loglik[-1] <= slow.loglik[-1] + len(likelihood) * slow.certificate
    assert len(squarem.loglik) < len(em.loglik) / 3
    assert sqp.converged
    assert sqp.certificate <= 1e-8
    assert len(sqp.loglik) < 60


def test_optimum_equals_a_general_optimizer(likelihood, source):
    start = np.full(likelihood.shape[1], 1 / likelihood.shape[1])
    # Weights as squares that sum to 1 make a problem for any unconstrained optimizer.
    found = minimize(lambda x: -np.log(likelihood @ (x**2 / np.sum(x**2))).sum(), np.sqrt(start), method="BFGS")
    assert SOLVERS["sqp"](source, start, None).loglik[-1] >= -found.fun - 1e-6


def test_blocks_made_when_needed_change_nothing(likelihood, source):
    def block(genes: slice) -> tuple[np.ndarray, float]:
        return likelihood[genes], 0.0

    made = Likelihood(shape=likelihood.shape, block=block)
    start = np.full(likelihood.shape[1], 1 / likelihood.shape[1])
    np.testing.assert_allclose(
        SOLVERS["sqp"](made, start, None).weight, SOLVERS["sqp"](source, start, None).weight, atol=1e-9
    )


def test_many_rows_are_solved_for_after_few(likelihood, monkeypatch):
    """Warmed up on every tenth gene or not, it is one optimum, with a certificate for all genes."""
    many = in_memory(np.log(np.tile(likelihood, (5, 1))))
    start = np.full(likelihood.shape[1], 1 / likelihood.shape[1])
    warm = SOLVERS["sqp"](many, start, None)
    monkeypatch.setattr("ebgenes.numerics.weights.MANY_ROWS", 1_000_000)
    cold = SOLVERS["sqp"](many, start, None)
    assert len(warm.loglik) < len(cold.loglik)
    assert warm.certificate <= 1e-8
    assert warm.loglik[-1] == pytest.approx(cold.loglik[-1], abs=1e-6)


@pytest.mark.parametrize("family", ["scale_normal", "half_normal", "point_normal"])
def test_many_genes_are_fitted_in_blocks(rng, family, monkeypatch):
    """Likelihoods made anew in every pass, the null's scale searched on a part of the genes: the same fit."""
    effects = replace(simulated(rng, n=6_000, null_sd=0.25, se=0.2), residuals=SHARED)
    whole = eb.fit_em(effects, family=family)
    monkeypatch.setattr("ebgenes.prior.fit.IN_MEMORY", 5_000)
    in_blocks = eb.fit_em(effects, family=family)
    assert in_blocks.loglik[-1] == pytest.approx(whole.loglik[-1], abs=1e-3)
    np.testing.assert_allclose(in_blocks.prior.scale, whole.prior.scale, rtol=1e-3)
    for name in ("SEARCHED", "SEARCHED_SLOWLY"):
        monkeypatch.setattr(f"ebgenes.prior.fit.{name}", 2_000)
    searched = eb.fit_em(effects, family=family)
    assert searched.certificate <= 1e-8
    # Which scale is likeliest may hang on few genes where the likelihood is flat; how large it may be does not.
    largest = [fit.prior.nulls.scale[:, 0].max() for fit in (searched, whole)]
    assert largest[0] == pytest.approx(largest[1], rel=0.3)
    # A quarter of an error at most is what the uncertain null costs a mean.
    means = [eb.posterior(effects, fit.prior).mean for fit in (searched, whole)]
    assert np.sqrt(np.mean((means[0] - means[1]) ** 2)) < 0.25 * np.median(effects.se)
    assert searched.fixed_null.prior.null_sd == 0


@pytest.mark.parametrize("shape", ["null", "bimodal", "heavy"])
def test_300_point_masses_are_weighed(rng, shape):
    """Columns as alike as those of 300 close point masses, to the same certificate."""
    n = 5000
    theta = {"null": np.zeros(n), "bimodal": rng.choice([-2.0, 2.0], n), "heavy": rng.standard_t(2, n)}[shape]
    se = rng.uniform(0.5, 1.5, n)
    z = theta + se * rng.normal(size=n)
    places = np.linspace(-8, 8, 300)
    loglik = -0.5 * ((z[:, None] - places) / se[:, None]) ** 2
    fit = SOLVERS["sqp"](in_memory(loglik), np.full(300, 1 / 300), None)
    assert fit.certificate <= 1e-8
    # Fewer than ten or so places keep weight (Lindsay 1983: at most as many as distinct data).
    assert np.count_nonzero(fit.weight > 1e-6) < 40
    # The log likelihood is concave: no weights are better by more than the steepest way to one place says.
    like = np.exp(loglik - loglik.max(axis=1, keepdims=True))
    steepest = np.mean(like / (like @ fit.weight)[:, None], axis=0).max() - 1
    assert steepest <= 1.1e-8


@pytest.mark.parametrize("solver", ["sqp", "em", "squarem"])
def test_paths_only_rise(solved, solver):
    fit = solved[solver]
    assert np.diff(fit.loglik).min() >= -1e-9
    assert fit.weight.min() >= 0
    assert fit.weight.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("family", ["scale_normal", "point_normal"])
@pytest.mark.parametrize("df", [np.inf, 6.0])
def test_pi0_and_scale_are_recovered(rng, family, df):
    """By maximum likelihood; averages with slabs from half a standard error come near, somewhat to the low side."""
    effects = simulated(rng, n=20_000, df=df)
    for null, exact in (("fixed", 1.0), ("estimated", 1.5)):
        fit = eb.fit_em(effects, family=family, null=null)
        assert fit.converged
        assert fit.prior.pi0 == pytest.approx(0.8, abs=0.02 * exact)
        spread = np.sqrt(fit.prior.weight[1:] @ fit.prior.scale[1:] ** 2 / (1 - fit.prior.pi0))
        assert spread == pytest.approx(1.5, rel=0.04 * exact)


def test_t_errors_read_as_normal_lower_pi0(rng):
    """What the exact likelihood is for: heavy tails are not effects."""
    effects = simulated(rng, n=20_000, df=4.0)
    right = eb.fit_em(effects, null="fixed").prior.pi0
    wrong = eb.fit_em(replace(effects, df=np.full(20_000, np.inf)), null="fixed").prior.pi0
    assert right == pytest.approx(0.8, abs=0.025)
    assert wrong < right - 0.05


def test_point_normal_finds_the_maximum(rng):
    effects = simulated(rng)
    fit = eb.fit_em(effects, family="point_normal", null="fixed")
    slabs = np.exp(np.linspace(np.log(0.44), np.log(6), 20))
    grid = [eb.fit_em(effects, null="fixed", scale=np.array([slab])).loglik[-1] for slab in slabs]
    assert fit.loglik[-1] >= max(grid) - 1e-6


def test_drift_is_estimated_where_there_is_some(rng):
    """Residuals make it possible; effects bound it, and say that more genes would then be unchanged.

    The grid of scales is coarse, and narrower nulls with more small effects keep some probability.
    """
    effects = simulated(rng, n=20_000, null_sd=0.25, se=0.2)
    fit = eb.fit_em(replace(effects, residuals=SHARED))
    assert most_probable(fit) == pytest.approx(0.25, rel=0.15)
    assert fit.prior.nulls.scale[:, 0].max() == pytest.approx(0.25, rel=0.15)
    assert fit.loglik[-1] >= fit.fixed_null.loglik[-1] - LIKELIHOOD_SCALE_GAIN
    assert fit.fixed_null.prior.null_sd == 0
    likeliest = fit.prior.nulls.scale[:, 0] == most_probable(fit)
    share, weight = fit.prior.nulls.probability[likeliest], fit.prior.nulls.weight[likeliest, 0]
    # The share is as flat: between what it is without a drift, where hardly a gene is unchanged, and the truth.
    assert fit.fixed_null.prior.pi0 + 0.3 < share @ weight / share.sum() < 0.85


def test_drift_stays_zero_where_there_is_none():
    """With the residuals that back a drift as large as the errors: effects rule it out."""
    for seed in range(8):
        effects = replace(simulated(np.random.default_rng(seed)), residuals=SHARED)
        fit = eb.fit_em(effects)
        typical = np.median(effects.se)
        assert most_probable(fit) < 0.1 * typical
        assert fit.prior.null_sd < 0.15 * typical


def test_fixed_null_has_no_drift(rng):
    fit = eb.fit_em(simulated(rng, null_sd=0.3), null="fixed")
    assert fit.prior.null_sd == 0
    assert fit.fixed_null is None


def test_all_null_data_give_a_null_prior(rng):
    fit = eb.fit_em(simulated(rng, n=10_000, pi0=1.0))
    assert fit.prior.pi0 > 0.97


def test_gene_order_and_duplicates_do_not_matter(rng):
    effects = simulated(rng)
    order = rng.permutation(4000)
    twice = np.concatenate([np.arange(4000), np.arange(4000)])
    fits = []
    for index in (np.arange(4000), order, twice):
        copy = eb.effects_from_summary([f"g{i}" for i in range(len(index))], effects.estimate[index], effects.se[index])
        fits.append(eb.fit_em(copy, null="fixed"))
    for other in fits[1:]:
        # Flat directions of the likelihood leave weights looser than the certificate.
        np.testing.assert_allclose(other.prior.weight, fits[0].prior.weight, atol=2e-4)
    assert fits[2].loglik[-1] == pytest.approx(2 * fits[0].loglik[-1], rel=1e-9)


def test_units_do_not_matter(rng):
    effects = simulated(rng)
    scaled = eb.effects_from_summary(effects.gene, 10 * effects.estimate, 10 * effects.se)
    # The smallest slab goes with the errors.
    one, ten = eb.fit_em(effects), eb.fit_em(scaled)
    assert one.prior.scale.shape == ten.prior.scale.shape
    np.testing.assert_allclose(ten.prior.scale, 10 * one.prior.scale, rtol=1e-3)
    assert ten.prior.pi0 == pytest.approx(one.prior.pi0, abs=1e-4)


def test_slabs_start_at_the_smallest_scale_and_reach_the_largest_effect(rng):
    effects = simulated(rng)
    grid = slab_grid(effects, MIN_SCALE)
    assert grid[0] == MIN_SCALE == pytest.approx(0.3 / np.log(2))
    np.testing.assert_allclose(grid[1:-1] / grid[:-2], np.sqrt(2))
    assert 1 < grid[-1] / grid[-2] <= np.sqrt(2)
    assert grid[-1] == np.sqrt((effects.estimate**2 - effects.se**2).max())
    tiny = eb.effects_from_summary(["a", "b"], [0.001, 0.0], [1.0, 1.0])
    assert len(slab_grid(tiny, MIN_SCALE)) >= 2


def test_a_solver_that_stops_early_says_so(rng, monkeypatch):
    effects = simulated(rng)
    from ebgenes.numerics import weights

    monkeypatch.setitem(
        SOLVERS, "em", lambda like, start, penalty: weights.solve_em(like, start, penalty, max_iterations=3)
    )
    with pytest.warns(NotConverged, match="certificate"):
        fit = eb.fit_em(effects, solver="em", null="fixed")
    assert not fit.converged
    assert fit.certificate > 1e-8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"family": "scale_norml"}, "unknown prior family 'scale_norml'; choose one of half_normal, half_uniform, "),
        ({"null": "theoretical"}, "estimated, fixed"),
        ({"solver": "newton"}, "sqp, em, squarem"),
        ({"mode": "median"}, "zero, auto, estimated"),
        ({"null_weight": 0.5}, "1 or more"),
        ({"min_scale": 0}, "above 0"),
    ],
)
def test_unknown_options(rng, options, message):
    with pytest.raises(InputError, match=message):
        eb.fit_em(simulated(rng, n=20), **options)


def test_no_genes_and_bad_errors():
    with pytest.raises(InputError, match="0 genes"):
        eb.fit_em(eb.effects_from_summary([], [], []))
    effects = simulated(np.random.default_rng(0), n=5)
    with pytest.raises(InputError, match=r"1 of 5 have not \(first: g00002\)"):
        eb.fit_em(replace(effects, se=np.array([1, 1, 0, 1, 1.0])))
    with pytest.raises(InputError, match="se must be a finite number above 0; 1 of 2"):
        eb.effects_from_summary(["a", "b"], [0, 1], [1, -1])
    with pytest.raises(InputError, match="1 occur more than once"):
        eb.effects_from_summary(["a", "a"], [0, 1], [1, 1])


def test_threads_do_not_change_a_bit(rng, monkeypatch):
    effects = simulated(rng, n=5000, df=7.0)
    results = []
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("EBGENES_THREADS", threads)
        fit = eb.fit_em(effects)
        results.append((fit.prior.weight, fit.prior.scale, eb.posterior(effects, fit.prior).mean))
    for other in results[1:]:
        for ours, theirs in zip(other, results[0], strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_text_gene_names_survive():
    effects = eb.effects_from_summary(["NA", "nan", "007"], [0, 1, 2], [1, 1, 1])
    assert list(effects.gene) == list(text_array(["NA", "nan", "007"]))


@pytest.mark.parametrize("gridded", [False, True])
def test_kappa_widens_what_is_too_narrow(rng, gridded):
    """Likelihoods two thirds as wide as they should be."""
    n_genes = 4000
    theta = np.where(rng.random(n_genes) < 0.8, 0, rng.normal(0, 2, n_genes))
    se = rng.uniform(0.15, 0.4, n_genes)
    estimate = theta + se * rng.normal(size=n_genes)
    narrow = eb.effects_from_summary(np.arange(n_genes), estimate, se / 1.5, unit=1.0)
    if gridded:
        grid = narrow.estimate[:, None] + narrow.se[:, None] * REACH
        loglik = stats.norm.logpdf(grid, narrow.estimate[:, None], narrow.se[:, None])
        narrow = replace(narrow, grid=grid, loglik=loglik)
    fit = eb.fit_em(narrow, null="likelihood_scale")
    assert fit.prior.likelihood_scale == pytest.approx(1.5, rel=0.05)
    assert fit.prior.null_sd == 0
    assert fit.fixed_null.prior.likelihood_scale == 1
    # The same as if they had come so wide, to the accuracy of splines and integrals.
    wide = eb.effects_from_summary(np.arange(n_genes), narrow.estimate, fit.prior.likelihood_scale * se / 1.5)
    again = eb.fit_em(wide, null="fixed", scale=fit.prior.scale[1:])
    assert fit.loglik[-1] == pytest.approx(again.loglik[-1], abs=1e-5)
    expected, found = eb.posterior(wide, again.prior), eb.posterior(narrow, fit.prior)
    for name in ("mean", "sd", "lower", "upper", "lfdr", "lfsr"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-4)


def test_kappa_stays_1_where_likelihoods_are_right(rng):
    theta = np.where(rng.random(3000) < 0.8, 0, rng.normal(0, 2, 3000))
    effects = eb.effects_from_summary(np.arange(3000), theta + 0.3 * rng.normal(size=3000), np.full(3000, 0.3))
    fit = eb.fit_em(effects, null="likelihood_scale")
    assert fit.prior.likelihood_scale == 1
    assert fit.prior.weight.tolist() == fit.fixed_null.prior.weight.tolist()


@pytest.mark.parametrize("family", ["point_laplace", "half_normal"])
def test_kappa_with_other_families(rng, family):
    theta = np.where(rng.random(2000) < 0.8, 0, rng.normal(0, 2, 2000))
    effects = eb.effects_from_summary(np.arange(2000), theta + 0.4 * rng.normal(size=2000), np.full(2000, 0.25))
    assert eb.fit_em(effects, null="likelihood_scale", family=family).prior.likelihood_scale == pytest.approx(
        1.6, rel=0.08
    )
