"""Empirical nulls against locfdr's numbers, closed forms, and simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from conftest import reference
from scipy import optimize, stats

from ebgenes.errors import InputError
from ebgenes.numerics.splines import natural_spline
from ebgenes.posteriors.empirical_null import METHODS, _within, fit_empirical_null, poisson_density, z_from_p, z_from_t

TYPES = {"theoretical": 0, "mle": 1, "central": 2}
ROWS = {"theoretical": "thest", "mle": "mlest", "central": "cmest"}
SCENARIOS = ("spiky", "near_normal", "flat_top", "skew", "big_normal", "bimodal", "all_null")


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("method", METHODS)
def test_nulls_equal_locfdr_s_on_normal_means(name, method):
    table = reference("normal_means/locfdr_summary.csv").set_index(["scenario", "nulltype"])
    theirs = table.loc[(name, TYPES[method])]
    ours = fit_empirical_null(reference("normal_means/effects.csv.gz")[name].to_numpy(), method)
    assert ours.mean == pytest.approx(theirs["delta"], abs=1e-5)
    assert ours.sd == pytest.approx(theirs["sigma"], abs=1e-5)
    assert ours.share == pytest.approx(theirs["p0"], abs=1e-5)
    assert abs(int((ours.lfdr <= 0.2).sum()) - theirs["n_fdr_le_0.2"]) <= 1


@pytest.mark.parametrize(
    "run", ["default_z", "nt0_z", "nt2_z", "clip8_nt1", "clip8_nt0", "clip8_df15_nt1", "clip8_df15_nt2"]
)
def test_nulls_equal_locfdr_s_on_airway(run):
    """Seven settings for DESeq2's statistics, none of which fits them well."""
    table = reference("airway/locfdr.csv")
    table = table[table["run"] == run].set_index("row")
    z = reference("airway/deseq2_stat.csv.gz")["stat"].to_numpy()
    z = np.clip(z, -8, 8) if run.startswith("clip8") else z
    for method in METHODS:
        theirs = table.loc[ROWS[method]]
        ours = fit_empirical_null(z, method, df=int(theirs["df"]))
        assert ours.mean == pytest.approx(theirs["delta"], abs=1e-5)
        assert ours.sd == pytest.approx(theirs["sigma"], abs=1e-5)
        assert ours.share == pytest.approx(theirs["p0"], abs=1e-5)
        if theirs["nulltype"] == TYPES[method]:
            assert abs(int((ours.lfdr <= 0.2).sum()) - theirs["n_fdr_le_0.2"]) <= 1
            assert abs(int((ours.lfdr < 0.05).sum()) - theirs["n_fdr_lt_0.05"]) <= 1


@pytest.mark.fast
def test_poisson_density_equals_statsmodels(rng):
    place = np.linspace(-4, 6, 119)
    count = rng.poisson(300 * stats.norm.pdf(place) + 20 * stats.norm.pdf(place, 2, 1.5)).astype(float)
    model = sm.GLM(count, natural_spline(place, 8), family=sm.families.Poisson()).fit(tol=1e-12, maxiter=200)
    np.testing.assert_allclose(poisson_density(place, count, 7), model.fittedvalues, rtol=1e-6)


def test_truncated_maximum_equals_a_general_optimizer_s(rng):
    z = rng.normal(0.2, 1.3, 4000)
    inside = z[np.abs(z - 0.1) <= 1.5]

    def loss(parameters: np.ndarray) -> float:
        mean, sd = parameters[0], np.exp(parameters[1])
        covered = stats.norm.cdf(1.6, mean, sd) - stats.norm.cdf(-1.4, mean, sd)
        return -float(stats.norm.logpdf(inside, mean, sd).sum() - len(inside) * np.log(covered))

    general = optimize.minimize(loss, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-8})
    mean, sd, share = _within(z, 0.1, 1.5)
    assert mean == pytest.approx(general.x[0], abs=1e-5)
    assert sd == pytest.approx(np.exp(general.x[1]), abs=1e-5)
    covered = stats.norm.cdf(1.6, mean, sd) - stats.norm.cdf(-1.4, mean, sd)
    assert share == pytest.approx(len(inside) / 4000 / covered)


@pytest.mark.fast
@pytest.mark.parametrize("method", ["mle", "central"])
def test_a_shifted_wide_null_is_found(rng, method):
    null = rng.uniform(size=40_000) < 0.95
    z = np.where(null, rng.normal(-0.15, 1.2, 40_000), rng.normal(4, 1, 40_000))
    found = fit_empirical_null(z, method)
    assert found.mean == pytest.approx(-0.15, abs=0.06)
    # A parabola through a spline's logarithm strays more than the likelihood.
    assert found.sd == pytest.approx(1.2, abs=0.06 if method == "mle" else 0.12)
    assert found.share == pytest.approx(0.95, abs=0.03 if method == "mle" else 0.07)
    called = found.lfdr < 0.2
    assert null[called].mean() == pytest.approx(found.lfdr[called].mean(), abs=0.04)
    np.testing.assert_allclose(found.density.sum(), 40_000, rtol=1e-6)


def test_z_scores_keep_their_tails():
    p_value = np.array([1.0, 0.05, 1e-300])
    np.testing.assert_allclose(
        z_from_p(p_value, np.array([1, -1, 1])), [0, stats.norm.ppf(0.025), stats.norm.isf(5e-301)]
    )
    np.testing.assert_allclose(z_from_p(np.array([0.025, 0.5])), [1.959964, 0], atol=1e-6)
    t = np.array([-3.0, 0.0, 2.0, 60.0])
    z = z_from_t(t, np.array([5.0, 5.0, np.inf, 30.0]))
    np.testing.assert_allclose(z[:3], [stats.norm.ppf(stats.t.cdf(-3, 5)), 0, 2.0], rtol=1e-9)
    assert z[3] == pytest.approx(-stats.norm.ppf(stats.t.sf(60, 30)), rel=1e-9)


def test_mistakes_are_explained(rng):
    z = rng.normal(size=1000)
    with pytest.raises(InputError, match="choose one of mle, central, theoretical"):
        fit_empirical_null(z, "bayes")
    with pytest.raises(InputError, match="found 1000, 1 of them not finite"):
        fit_empirical_null(np.where(np.arange(1000) == 5, np.nan, z))
    with pytest.raises(InputError, match="at least 200"):
        fit_empirical_null(z[:50])
    with pytest.raises(InputError, match="bends upwards"):
        fit_empirical_null(np.concatenate([rng.normal(-3, 1, 3000), rng.normal(3, 1, 3000)]), "central")
    with pytest.raises(InputError, match="1 of 2 do not"):
        z_from_p(np.array([0.5, 0.0]))
