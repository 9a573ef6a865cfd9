"""Negative-binomial likelihoods against slow twins, limits and simulated truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from oracles.negative_binomial import integrated, profile
from scipy import optimize, stats
from scipy.interpolate import CubicSpline

import ebgenes as eb
from ebgenes.arrays import text_array
from ebgenes.effects.dispersions import (
    DispersionPrior,
    fit_dispersion_prior,
    gene_dispersions,
    lay_out,
    profile_dispersions,
    sorted_counts,
)
from ebgenes.effects.negative_binomial import CHEAP, EXACT, contrast_layout, effect_likelihood, route_for
from ebgenes.errors import InputError
from ebgenes.numerics.negative_binomial import (
    DEGREE,
    PANELS,
    RIDGE,
    SMALL,
    adjusted_loglik,
    condense,
    dispersion_constant,
    maximise,
)
from ebgenes.numerics.vector import log_rising, lowest_terms
from ebgenes.records.counts import Counts

PRIOR = DispersionPrior(floor=0.03, slope=2.0, spread=0.6)
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


def likelihood_of(counts, design, contrast, prior, route=EXACT):
    """Grid and log likelihood less its maximum."""
    profiles = profile_dispersions(counts, design)
    grid, loglik, converged = effect_likelihood(counts, design, np.asarray(contrast, float), profiles, prior, route)
    assert converged.all()
    return grid, loglik - loglik.max(axis=1, keepdims=True)


def ours_at(y, size, effect, nuisance, theta, alpha) -> np.ndarray:
    """Adjusted profile log likelihoods at lanes theta and alpha, (L,)."""
    layout = lay_out(effect, nuisance)
    theta, alpha = (np.array(each, dtype=float) for each in np.broadcast_arrays(theta, alpha))
    n_nuisance, n_lanes = nuisance.shape[1], len(theta)
    y, size = np.asarray(y, dtype=float)[layout.order], np.asarray(size, dtype=float)[layout.order]
    gamma, step = np.zeros((n_nuisance, n_lanes)), np.empty((n_nuisance, n_lanes))
    hessian, work, value = np.empty((n_nuisance, n_nuisance, n_lanes)), np.empty((8, n_lanes)), np.empty(n_lanes)
    n_rows = len(layout.rows)
    none = np.empty((n_rows, 0)), np.empty((n_rows, 8))
    tables = (*none, *none, np.empty(4), np.empty((n_rows, 1, 0)))
    where = (y, size, layout.first, layout.rows, tables, theta, alpha, np.full(n_nuisance, RIDGE), gamma)
    assert maximise(*where, step, hessian, work)
    adjusted_loglik(*where, value, hessian, work)
    constant = np.empty(n_lanes)
    dispersion_constant(*condensed(y), alpha, np.empty((5, n_lanes)), constant)
    return value + constant


def condensed(y) -> tuple[np.ndarray, np.ndarray]:
    """Values and weights that stand for counts, (J,) each."""
    value, weight = np.empty((2, max(len(y), SMALL + PANELS * DEGREE)))
    n = condense(np.asarray(y, dtype=float), value, weight, np.empty((PANELS, DEGREE)))
    return value[:n], weight[:n]


@pytest.mark.parametrize("mean", [0.5, 20.0, 300.0, 1e4, 1e7])
def test_condensed_counts_sum_like_all(rng, mean):
    """1,000 counts become at most some 60 values with the same sum of log Gammas, to 1e-8 a count."""
    y = rng.poisson(mean * rng.gamma(0.5, 2, 1000)).astype(float)
    value, weight = condensed(y)
    assert len(value) < 100
    alpha = np.geomspace(1e-6, 20, 15)
    ours = np.empty(15)
    dispersion_constant(value, weight, alpha, np.empty((5, 15)), ours)
    every = np.array([sum(log_rising(count, 1 / a, *lowest_terms(1 / a)) for count in y) for a in alpha])
    np.testing.assert_allclose(ours, every, rtol=1e-9, atol=1e-5)


@pytest.mark.parametrize("alpha", [1e-6, 1e-3, 0.1, 2.0, 30.0])
@pytest.mark.parametrize("mean", [2.0, 80.0, 1e5])
def test_profile_equals_the_slow_twin(rng, alpha, mean):
    """Random designs with covariates and offsets; constants of y and the design cancel in differences."""
    effect = rng.normal(size=8)
    nuisance = np.column_stack([np.ones(8), np.tile([0.0, 1.0], 4), rng.normal(size=8)])
    size = rng.uniform(0.3, 3, 8)
    y = rng.poisson(mean * size * rng.gamma(2, 0.5, 8))
    thetas = [-2.0, 0.0, 1.5]
    ours = ours_at(y, size, effect, nuisance, thetas, alpha)
    slow = np.array([profile(y, size, effect, nuisance, theta, alpha) for theta in thetas])
    # Where counts say next to nothing, the weak prior on coefficients shows in the fifth digit.
    np.testing.assert_allclose(np.diff(ours), np.diff(slow), rtol=1e-6, atol=5e-5)


def test_dispersions_near_zero_give_the_conditional_binomial():
    """Two Poisson groups, profiled: the total given, one group's count is binomial."""
    y, effect = np.array([3.0, 5, 2, 9, 12, 7]), GROUPS
    total, treated = y.sum(), y[effect == 1].sum()
    thetas = np.linspace(-2, 3, 11)
    ours = ours_at(y, np.ones(6), effect, np.ones((6, 1)), thetas, 1e-8)
    share = np.exp(thetas) / (1 + np.exp(thetas))
    binomial = stats.binom.logpmf(treated, total, share)
    np.testing.assert_allclose(ours - ours[0], binomial - binomial[0], atol=1e-5)


def test_200_genes_equal_brute_force():
    """|log L - brute force| below 1e-3 wherever L is above e^-10 of its peak, between the nodes too."""
    counts, design = simulated(1, 3000, 3)
    prior = fit_dispersion_prior(counts, profile_dispersions(counts, design))
    grid, loglik = likelihood_of(counts, design, [0, 1], prior)
    size = np.exp(counts.log_size)
    base = (counts.count / size).mean(axis=1)
    rng = np.random.default_rng(0)
    worst = 0.0
    # Genes with a group of zeros have no maximum for the twin to find; they have a test of their own.
    whole = np.flatnonzero((counts.count @ design[:, 1] > 0) & (counts.count @ (1 - design[:, 1]) > 0))
    for g in rng.choice(whole, 200, replace=False):
        near = np.flatnonzero(loglik[g] > -10)
        spline = CubicSpline(grid[g], loglik[g], bc_type="natural")
        some = np.append(grid[g, near[[0, len(near) // 2, -1]]], rng.uniform(*grid[g, near[[0, -1]]]))
        trend = np.log(prior.floor + prior.slope / base[g])
        exact = [
            integrated(counts.count[g], size, GROUPS, np.ones((6, 1)), theta, trend, prior.spread, n_nodes=49)
            for theta in some
        ]
        worst = max(worst, np.ptp(spline(some) - np.array(exact)))
    assert worst < 1e-3


@pytest.mark.parametrize("n", [11, 40])
def test_the_cheap_route_is_within_a_hundredth(n):
    """From 20 residual degrees of freedom on: |log L - exact route's| wherever L is above e^-10 of its peak.

    Within .015 for genes with a read a sample and no group of zeros; others, whose likelihoods are steps, within .2.
    """
    counts, design = simulated(5, 1500, n)
    assert route_for(2 * n - 2) is CHEAP
    assert route_for(19) is EXACT
    prior = fit_dispersion_prior(counts, profile_dispersions(counts, design))
    exact, cheap = (likelihood_of(counts, design, [0, 1], prior, route)[1] for route in (EXACT, CHEAP))
    gap = np.where(exact > -10, np.abs(exact - cheap), 0).max(axis=1)
    seen = (counts.count @ design[:, 1] > 0) & (counts.count @ (1 - design[:, 1]) > 0)
    assert gap[seen & (counts.count.mean(axis=1) >= 1)].max() < 0.015
    assert gap.max() < 0.2


def test_gene_dispersions_are_where_the_twin_peaks():
    counts, design = simulated(2, 400, 4, min_count=30)
    found = gene_dispersions(counts, eb.build_design(pd.DataFrame({"x": design[:, 1]}, index=counts.sample), "~ x"))
    size, nothing = np.exp(counts.log_size), np.zeros(len(design))
    inner = np.flatnonzero((found > 1e-3) & (found < 5))
    assert len(inner) > 100
    for g in inner[::20]:

        def minus(log_alpha, y=counts.count[g]):
            return -profile(y, size, nothing, design, 0.0, np.exp(log_alpha))

        peak = optimize.minimize_scalar(minus, bounds=np.log(found[g]) + np.array([-2, 2]), method="bounded").x
        # The nodes are .6 apart, and between them a parabola stands in.
        assert abs(np.log(found[g]) - peak) < 0.12


def test_tables_give_the_sums_they_stand_for(monkeypatch):
    """Sums over samples read off tables against the sums themselves, unequal size factors, all lanes."""
    counts, design = simulated(6, 400, 45)
    counts = Counts(
        gene=counts.gene,
        sample=counts.sample,
        count=counts.count,
        log_size=counts.log_size + np.linspace(-1.5, 1.5, 90),
    )
    found = []
    for many in (40, 10**9):
        monkeypatch.setattr("ebgenes.effects.dispersions.MANY", many)
        profiles = profile_dispersions(counts, design)
        found.append((profiles, likelihood_of(counts, design, [0, 1], PRIOR, CHEAP)))
    (one, (grid, loglik)), (other, (direct_grid, direct)) = found
    np.testing.assert_allclose(one.low, other.low, atol=1e-9)
    near = other.loglik > -10
    np.testing.assert_allclose(one.loglik[near], other.loglik[near], atol=1e-4)
    np.testing.assert_allclose(grid, direct_grid, rtol=1e-5, atol=1e-5)
    near = direct > -10
    np.testing.assert_allclose(loglik[near], direct[near], atol=1e-3)


def test_profiles_equal_edgers():
    """adjustedProfileLik on pasilla, `~ type + condition`; constants of the design and the counts drop out."""
    table = pd.read_csv("tests/reference/edger_adjusted_profile.csv.gz", index_col=0)
    counts = eb.read_counts("resources/pasilla/counts.tsv.gz")
    samples = eb.read_samples("resources/pasilla/samples.tsv")
    row = {gene: i for i, gene in enumerate(counts.gene)}
    count = counts.count[[row[gene] for gene in table.index]]
    nuisance = np.column_stack([np.ones(7), samples["type"] == "paired-end", samples["condition"] == "treated"])
    size = np.array([1.138263, 1.793, 0.649547, 0.751689, 1.635575, 0.76127, 0.832653])
    alpha = np.array([float(name[1:]) for name in table.columns])
    ours = np.array([ours_at(y, size * y.mean(), np.zeros(7), nuisance, 0.0, alpha) for y in count])
    # edgeR stops its own Newton steps at 1e-6 or so.
    np.testing.assert_allclose(
        ours - ours[:, [2]], table.to_numpy() - table.to_numpy()[:, [2]], atol=2e-4, err_msg="differences by dispersion"
    )


def test_a_known_dispersion_gives_statsmodels_profile(rng):
    """spread -> 0: the likelihood's peak and curvature are those of a GLM with that dispersion."""
    prior = DispersionPrior(floor=0.1, slope=1e-9, spread=0.003)
    size = rng.uniform(0.5, 2, 8)
    covariate = rng.normal(size=8)
    design = np.column_stack([np.ones(8), covariate, np.tile([0.0, 1.0], 4)])
    count = rng.poisson(200 * size * np.exp(0.2 * covariate) * rng.gamma(10, 0.1, (5, 8)))
    grid, loglik = likelihood_of(counts_of(count, np.log(size)), design, [0, 0, 1], prior)
    for g in range(5):
        family = sm.families.NegativeBinomial(alpha=0.1)
        null = design[:, :2]
        thetas = grid[g, ::6]
        profile, information = [], []
        for theta in thetas:
            fit = sm.GLM(count[g], null, family=family, offset=np.log(size) + theta * design[:, 2]).fit(tol=1e-12)
            mean = fit.mu
            profile.append(fit.llf)
            information.append(np.linalg.slogdet(null.T @ (null * (mean / (1 + 0.1 * mean))[:, None]))[1])
        adjusted = np.array(profile) - 0.5 * np.array(information)
        near = loglik[g, ::6] > -12
        difference = (loglik[g, ::6] - adjusted)[near]
        assert np.ptp(difference) < 2e-3


def test_gaussian_limit_is_students_t(rng):
    """Large counts, small noise, a flat hyperprior: log L is that of a t with the residual degrees of freedom."""
    count = np.round(1e7 * np.exp(0.01 * rng.normal(size=(20, 6)))).astype(int)
    prior = DispersionPrior(floor=1e-4, slope=1e-9, spread=12.0)
    grid, loglik = likelihood_of(counts_of(count), TWO_GROUPS, [0, 1], prior)
    for g in range(20):
        response = np.log(count[g])
        fit = sm.OLS(response, TWO_GROUPS).fit()
        t = stats.t.logpdf((grid[g] - fit.params[1]) / fit.bse[1], 4)
        near = loglik[g] > -4
        np.testing.assert_allclose(loglik[g, near], (t - t.max())[near], atol=0.04)


@pytest.mark.parametrize("n", [3, 5])
def test_hyperprior_comes_back(n):
    """Truth .03, 2, .6; means over six sets of 8,000 genes, whose slopes have a standard error of about .13."""
    fits = []
    for seed in range(6):
        counts, design = simulated(seed, 8000, n)
        fits.append(fit_dispersion_prior(counts, profile_dispersions(counts, design)))
    assert np.mean([fit.floor for fit in fits]) == pytest.approx(0.03, abs=0.0015)
    assert np.mean([fit.slope for fit in fits]) == pytest.approx(2.0, abs=0.39)
    assert np.mean([fit.spread for fit in fits]) == pytest.approx(0.6, abs=0.02)


def test_heavy_tails_come_back(rng):
    """Dispersions that are t5 around their trend: the t5 hyperprior fits better and finds their scale."""
    n_genes = 6000
    mean = 200 * np.exp(rng.normal(size=n_genes))
    alpha = 0.05 * np.exp(0.4 * rng.standard_t(5, n_genes))
    count = rng.poisson(rng.gamma(1 / alpha[:, None], alpha[:, None] * mean[:, None], (n_genes, 10)))
    counts, design = counts_of(count), np.ones((10, 1))
    profiles = profile_dispersions(counts, design)
    normal, heavy = (fit_dispersion_prior(counts, profiles, tails=tails) for tails in ("normal", "t5"))
    assert heavy.spread == pytest.approx(0.4, abs=0.03)
    assert normal.spread > 0.45
    assert heavy.loglik > normal.loglik + 10


def test_a_narrow_hyperprior_is_resolved(rng):
    """A spread of .2 is finer than the nodes of flat profiles are apart."""
    mean = 300 * np.exp(rng.normal(size=8000))
    alpha = 0.1 * np.exp(0.2 * rng.normal(size=8000))
    count = rng.poisson(rng.gamma(1 / alpha[:, None], alpha[:, None] * mean[:, None], (8000, 6)))
    counts = counts_of(count)
    prior = fit_dispersion_prior(counts, profile_dispersions(counts, TWO_GROUPS))
    assert prior.spread == pytest.approx(0.2, abs=0.05)
    assert prior.floor + prior.slope / 300 == pytest.approx(0.1, rel=0.03)


def test_profiles_find_sharp_peaks(rng):
    """400 samples: the peak is .07 wide, the range searched 14; nodes surround it all the same."""
    counts, design = simulated(8, 200, 200)
    profiles = profile_dispersions(counts, design)
    inside = profiles.loglik[:, 1:-1].max(axis=1) > profiles.loglik[:, [0, -1]].max(axis=1)
    assert (profiles.loglik.max(axis=1) == 0).all()
    assert inside.mean() > 0.99
    assert np.median((profiles.loglik > -15).sum(axis=1)) >= 9


def test_half_flat_where_a_group_is_zero():
    grid, loglik = likelihood_of(counts_of([[0, 0, 0, 50, 60, 40], [5, 9, 7, 0, 0, 0]]), TWO_GROUPS, [0, 1], PRIOR)
    assert np.isfinite(loglik).all()
    # Flat towards ever larger effects, steep towards none, and the nodes surround the edge.
    assert np.abs(loglik[0, grid[0] > 12]).max() < 0.03
    assert loglik[0, np.argmin(np.abs(grid[0]))] < -3
    assert np.abs(loglik[1, grid[1] < -12]).max() < 0.03
    assert np.diff(grid).min() < 1


def test_huge_counts_and_tiny_dispersions_stay_finite():
    counts = counts_of([[10**7, 2 * 10**7, 15 * 10**6, 10**7, 10**7, 10**7]])
    for prior in (PRIOR, DispersionPrior(floor=1e-6, slope=1e-9, spread=0.2)):
        grid, loglik = likelihood_of(counts, TWO_GROUPS, [0, 1], prior)
        assert np.isfinite(loglik).all()
        assert grid[0, np.argmax(loglik)] == pytest.approx(np.log(30 / 45), abs=0.1)


def test_coding_of_the_design_does_not_matter():
    """The same contrast of the same groups, coded three ways."""
    counts, _ = simulated(2, 200, 3)
    codings = [
        (TWO_GROUPS, [0.0, 1.0]),
        (np.column_stack([1 - GROUPS, GROUPS]), [-1.0, 1.0]),
        (np.column_stack([np.full(6, 7.0), 10 * GROUPS]), [0.0, 10.0]),
    ]
    (grid, loglik), *others = [likelihood_of(counts, design, contrast, PRIOR) for design, contrast in codings]
    for other_grid, other in others:
        np.testing.assert_allclose(other_grid, grid, atol=2e-3)
        np.testing.assert_allclose(other[loglik > -10], loglik[loglik > -10], atol=5e-3)


def test_many_coefficients_and_no_repeated_rows(rng):
    design = np.column_stack([np.ones(30), rng.normal(size=(30, 11))])
    level = np.exp(4 + design[:, 1:] @ rng.normal(0, 0.2, 11))
    counts = counts_of(rng.poisson(level * rng.gamma(10, 0.1, (50, 30))))
    contrast = np.zeros(12)
    contrast[[3, 7]] = [1.0, -0.5]
    grid, loglik = likelihood_of(counts, design, contrast, DispersionPrior(floor=0.1, slope=0.1, spread=0.4))
    truth = np.linalg.lstsq(design, np.log(level), rcond=None)[0] @ contrast
    mode = grid[np.arange(50), loglik.argmax(axis=1)]
    z = (mode - truth) / ((grid[:, -1] - grid[:, 0]) / 40)
    assert np.abs(z.mean()) < 4 / np.sqrt(50)
    assert 0.7 < z.std() < 1.3
    assert len(contrast_layout(design, contrast).rows) == 30


def test_thirty_coefficients(rng):
    """As many as are promised, each sample a row of its own."""
    design = np.column_stack([np.ones(90), rng.normal(size=(90, 29))])
    count = rng.poisson(50 * rng.gamma(10, 0.1, (5, 90)))
    contrast = np.zeros(30)
    contrast[29] = 1.0
    grid, loglik = likelihood_of(
        counts_of(count), design, contrast, DispersionPrior(floor=0.1, slope=0.1, spread=0.4), CHEAP
    )
    mode = grid[np.arange(5), loglik.argmax(axis=1)]
    assert np.abs(mode / ((grid[:, -1] - grid[:, 0]) / 40)).max() < 4


def test_threads_do_not_change_a_bit(monkeypatch):
    counts, design = simulated(3, 2500, 2)
    runs = []
    for threads in ("1", "2"):
        monkeypatch.setenv("EBGENES_THREADS", threads)
        profiles = profile_dispersions(counts, design)
        prior = fit_dispersion_prior(counts, profiles)
        runs.append((prior, effect_likelihood(counts, design, np.array([0, 1.0]), profiles, prior, EXACT)[1]))
    assert runs[0][0].spread == runs[1][0].spread
    np.testing.assert_array_equal(runs[0][1], runs[1][1])


def test_maxima_are_found_from_far_and_where_zeros_leave_coefficients_free(rng):
    """Four samples of 16 have reads and 8 coefficients are free: the maximum lies hundreds of nat away.

    The certificate is twice the gain that a Newton step would still promise, computed apart. Plain Newton steps miss
    it in some lanes and from some starts, which gave a gene a p-value of 1e-300.
    """
    a, b = np.tile([0.0, 0.0, 1.0, 1.0], 4), np.tile([0.0, 1.0], 8)
    donor = np.repeat(np.eye(4), 4, axis=0)
    theta, alpha = (each.ravel() for each in np.meshgrid([-80.0, -20.0, -3.0, 0.0, 5.0, 30.0, 80.0], [0.02, 0.5]))
    for _ in range(20):
        nuisance = np.column_stack([donor, b, a * b, 1.5 * rng.standard_normal((16, 2))])
        count = np.zeros(16)
        count[rng.choice(16, 4, replace=False)] = 522, 307, 84, 9
        layout = lay_out(a, nuisance)
        y, n = count[layout.order], len(theta)
        size, ridge = np.ones(16), np.full(8, RIDGE)
        none = np.empty((16, 0)), np.empty((16, 8))
        tables = (*none, *none, np.empty(4), np.empty((16, 1, 0)))
        gamma = 30 * rng.standard_normal((8, n))
        work = np.empty((8, n)), np.empty((8, 8, n)), np.empty((8, n))
        assert maximise(y, size, layout.first, layout.rows, tables, theta, alpha, ridge, gamma, *work)
        z = layout.rows[:, 1:]
        for lane in range(n):
            mean = np.exp(layout.rows[:, 0] * theta[lane] + z @ gamma[:, lane])
            shrink = 1 / (1 + alpha[lane] * mean)
            slope = z.T @ ((y - mean) * shrink) - ridge * gamma[:, lane]
            curvature = z.T @ (z * (mean * (1 + alpha[lane] * y) * shrink**2)[:, None]) + np.diag(ridge)
            assert slope @ np.linalg.solve(curvature, slope) < 2e-5


@pytest.mark.parametrize("n", [3, 45])
def test_genes_on_their_own_have_the_same_bits(n):
    """At one hyperprior, a scatter over chunks of any size changes nothing, with and without tables."""
    counts, design = simulated(3, 1200, n)
    contrast, route = np.array([0, 1.0]), route_for(2 * n - 2)
    profiles = profile_dispersions(counts, design)
    grid, loglik, _ = effect_likelihood(counts, design, contrast, profiles, PRIOR, route)
    for chunk in (slice(0, 1), slice(3, 10), slice(100, 433), slice(1, 1026)):
        few = Counts(gene=counts.gene[chunk], sample=counts.sample, count=counts.count[chunk], log_size=counts.log_size)
        alone = profile_dispersions(few, design)
        np.testing.assert_array_equal(alone.loglik, profiles.loglik[chunk])
        found = effect_likelihood(few, design, contrast, alone, PRIOR, route)
        np.testing.assert_array_equal(found[0], grid[chunk])
        np.testing.assert_array_equal(found[1], loglik[chunk])


def test_gene_wise_offsets_are_sizes():
    """Offsets of every gene equal to the size factors change nothing."""
    counts, design = simulated(4, 100, 3)
    each = Counts(
        gene=counts.gene,
        sample=counts.sample,
        count=counts.count,
        log_size=np.tile(counts.log_size, (len(counts.gene), 1)),
    )
    one, other = (likelihood_of(made, design, [0, 1], PRIOR) for made in (counts, each))
    np.testing.assert_array_equal(one[1], other[1])


def test_layout_sorts_samples_by_row():
    layout = lay_out(np.array([1.0, 0, 1, 0]), np.ones((4, 1)))
    assert list(layout.order) == [1, 3, 0, 2]
    assert list(layout.first) == [0, 2, 4]
    count, size = sorted_counts(counts_of([[1, 2, 3, 4]]), layout, slice(None))
    np.testing.assert_array_equal(count, [[2, 4, 1, 3]])
    np.testing.assert_array_equal(size, [[2.5] * 4])


def test_too_few_genes():
    counts = counts_of(np.ones((3, 6)))
    with pytest.raises(InputError, match="3 genes are too few"):
        fit_dispersion_prior(counts, profile_dispersions(counts, TWO_GROUPS))
    with pytest.raises(ValueError, match="normalized"):
        profile_dispersions(
            Counts(gene=text_array("a"), sample=text_array("b"), count=np.ones((1, 1))), np.ones((1, 1))
        )


def test_coefficients_with_a_prior_equal_brute_force(rng):
    """A covariate whose coefficients are N(0, .5^2) in nature, beside two groups; the contrast's own stays flat."""
    counts, _ = simulated(4, 400, 3)
    covariate = rng.normal(size=6)
    design, precision = np.column_stack([TWO_GROUPS, covariate]), np.array([[0, 0, 4.0]])
    contrast = np.array([0, 1.0, 0])
    profiles = profile_dispersions(counts, design, precision)
    grid, loglik, converged = effect_likelihood(counts, design, contrast, profiles, PRIOR, EXACT, precision)
    assert converged.all()
    size = np.exp(counts.log_size)
    both = (counts.count[:, :3].sum(axis=1) > 0) & (counts.count[:, 3:].sum(axis=1) > 0)
    worst = 0.0
    for g in np.flatnonzero(both)[:20]:
        near = np.flatnonzero(loglik[g] > loglik[g].max() - 10)[[0, 10, -1]]
        trend = np.log(PRIOR.floor + PRIOR.slope / (counts.count[g] / size).mean())
        exact = [
            integrated(
                counts.count[g], size, GROUPS, design[:, [0, 2]], theta, trend, PRIOR.spread, 49, np.array([1e-12, 4.0])
            )
            for theta in grid[g, near]
        ]
        worst = max(worst, np.ptp(loglik[g, near] - np.array(exact)))
    assert worst < 1e-3


def test_a_wide_prior_is_none(rng):
    counts, _ = simulated(6, 300, 4)
    covariate = rng.normal(size=8)
    design = np.column_stack([np.ones(8), np.repeat([0.0, 1.0], 4), covariate])
    contrast = np.array([0, 1.0, 0])
    found = []
    for precision in (None, np.array([[0, 0, 1e-6]])):
        profiles = profile_dispersions(counts, design, precision)
        found.append(effect_likelihood(counts, design, contrast, profiles, PRIOR, EXACT, precision))
    np.testing.assert_allclose(found[1][0], found[0][0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        found[1][1] - found[1][1].max(axis=1, keepdims=True),
        found[0][1] - found[0][1].max(axis=1, keepdims=True),
        atol=1e-3,
    )
