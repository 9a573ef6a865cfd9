"""Lists are the same in any unit of the effect, and effects are proportional to it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import REFERENCE

import ebgenes as eb
from ebgenes.analyses.meta_analysis import combine_studies, heterogeneity, join_studies, learn_tau, on_grid
from ebgenes.analyses.multi_df import fit_multi_df_prior, multi_df_posterior
from ebgenes.app.cli import main
from ebgenes.arrays import text_array
from ebgenes.effects.effect_tables import read_effect_table
from ebgenes.files import write_json
from ebgenes.posteriors.fdr import list_rate
from ebgenes.posteriors.over_draws import full_posterior
from ebgenes.prior.covariates import build_covariates
from ebgenes.prior.diagnostics import estimated_likelihood_scale
from ebgenes.prior.families import FAMILIES
from ebgenes.prior.full_bayes import draw_gibbs
from ebgenes.records.counts import Counts
from ebgenes.records.effects import Effects
from ebgenes.records.prior import MixturePrior
from ebgenes.results.storage import read_any_effects, read_prior, write_effects

UNITS = (1e-6, 1e-3, 0.1, 10.0, 1e3, 1e6)
FAR_UNITS = (1e-6, 3.0, 1e6)
LIKELIHOODS = ("normal", "t", "grid", "table")
CASES = REFERENCE / "units"


def some_effects(likelihood: str, n: int = 200, understated: float = 1.0) -> Effects:
    """A third of the genes changed; standard errors may be understated."""
    rng = np.random.default_rng(3)
    se = rng.uniform(0.15, 0.4, n)
    theta = np.where(rng.random(n) < 0.3, rng.normal(0, 0.8, n), 0.0)
    estimate = theta + se * rng.standard_normal(n)
    df = np.inf if likelihood in {"normal", "table"} else 6.0
    unit = None if likelihood == "table" else 1.0
    effects = eb.effects_from_summary([f"g{i}" for i in range(n)], estimate, understated * se, df, unit=unit)
    if likelihood != "grid":
        return effects
    grid, loglik = on_grid(effects)
    return replace(effects, grid=grid, loglik=loglik)


def measured_in(effects: Effects, times: float) -> Effects:
    """The same effects, so many times as large because their unit is as much smaller."""
    grid = None if effects.grid is None else times * effects.grid
    loglik = None if effects.loglik is None else effects.loglik - np.log(times)
    unit = None if effects.unit is None else effects.unit / times
    return replace(
        effects, estimate=times * effects.estimate, se=times * effects.se, grid=grid, loglik=loglik, unit=unit
    )


def assert_same(found: Any, expected: Any, times: float, rtol: float = 1e-6) -> None:
    """Posteriors that differ by the unit alone: probabilities are equal, what is in the effect's unit proportional.

    Searches that end within a tolerance leave some 1e-7; rounding leaves 1e-12 of 1 - probability.
    """
    for name in ("lfdr", "lfsr", "prob_up", "prob_down"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=rtol, atol=1e-11, err_msg=name)
    size = float(np.abs(expected.mean).max())
    for name in ("mean", "sd", "lower", "upper", "lower_changed", "upper_changed"):
        wanted = getattr(expected, name)
        np.testing.assert_allclose(
            getattr(found, name) / times, wanted, rtol=rtol, atol=rtol * size, equal_nan=True, err_msg=name
        )
    for name in ("lfdr", "lfsr"):
        listed = [list_rate(getattr(each, name)) < 0.05 for each in (found, expected)]
        np.testing.assert_array_equal(*listed)


def fitted(effects: Effects, **options: Any) -> Any:
    return eb.posterior(effects, eb.fit_em(effects, **options).prior)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("null", ["estimated", "fixed", "likelihood_scale"])
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_lists_are_the_same_in_any_unit(likelihood, null, family):
    effects = some_effects(likelihood, understated=0.4 if null == "likelihood_scale" else 1.0)
    fit = eb.fit_em(effects, family=family, null=null)
    expected = eb.posterior(effects, fit.prior)
    if null == "likelihood_scale" and family == "scale_normal":
        assert fit.prior.likelihood_scale > 1
    for times in UNITS if (family, null) == ("scale_normal", "estimated") else FAR_UNITS:
        assert_same(fitted(measured_in(effects, times), family=family, null=null), expected, times)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("mode", ["auto", "estimated"])
def test_a_mode_moves_with_the_unit(likelihood, mode):
    effects = some_effects(likelihood, 600)
    moved = effects.estimate + 0.6
    effects = replace(effects, estimate=moved, grid=None if effects.grid is None else effects.grid + 0.6)
    fit = eb.fit_em(effects, mode=mode)
    assert fit.prior.mode != 0
    for times in FAR_UNITS:
        other = measured_in(effects, times)
        again = eb.fit_em(other, mode=mode).prior
        assert again.mode / times == pytest.approx(fit.prior.mode, rel=1e-5)
        assert_same(eb.posterior(other, again), eb.posterior(effects, fit.prior), times, rtol=1e-4)


@pytest.mark.parametrize("null", ["estimated", "fixed"])
def test_covariates_do_not_see_the_unit(null):
    effects = some_effects("t", 400)
    score = np.abs(effects.estimate) + np.random.default_rng(4).normal(0, 0.5, 400)
    covariates = build_covariates(effects.gene, {"score": score}, ["score"])
    expected = fitted(effects, null=null, covariates=covariates)
    for times in FAR_UNITS:
        found = fitted(measured_in(effects, times), null=null, covariates=covariates)
        assert_same(found, expected, times)


@pytest.mark.parametrize("family", ["scale_normal", "point_normal", "point_laplace", "half_uniform"])
@pytest.mark.parametrize("null", ["estimated", "fixed"])
@pytest.mark.parametrize("likelihood", ["normal", "table"])
def test_draws_do_not_see_the_unit(likelihood, null, family):
    """Likelihoods are kept in single precision, of which rounding may move a last digit."""
    effects = some_effects(likelihood)

    def drawn(effects: Effects) -> Any:
        draws = draw_gibbs(effects, eb.fit_em(effects, family=family, null=null), chains=2, draws=50, warmup=30)
        return full_posterior(effects, draws)

    expected = drawn(effects)
    for times in FAR_UNITS:
        assert_same(drawn(measured_in(effects, times)), expected, times, rtol=1e-4)


@pytest.mark.parametrize("method", ["morris", "laird_louis", "robust"])
def test_intervals_are_proportional(method):
    effects = some_effects("t")

    def ends(effects: Effects) -> Any:
        prior = eb.fit_em(effects).prior
        known = eb.posterior(effects, prior)
        return eb.with_intervals(known, effects, prior, method, rng=np.random.default_rng(5))

    expected = ends(effects)
    for times in FAR_UNITS:
        found = ends(measured_in(effects, times))
        for name in ("lower", "upper"):
            np.testing.assert_allclose(getattr(found, name) / times, getattr(expected, name), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("null", ["estimated", "fixed"])
def test_what_is_given_is_log2_over_the_range_of_the_data(null):
    effects = some_effects("t")
    scale = np.array([0.3, 0.6, 1.2])
    expected = [fitted(effects, null=null, min_scale=0.2), fitted(effects, null=null, scale=scale)]
    for times in UNITS:
        other = measured_in(effects, times)
        assert_same(fitted(other, null=null, min_scale=0.2), expected[0], times)
        assert_same(fitted(other, null=null, scale=scale), expected[1], times)


def test_what_is_given_beside_a_table_is_in_its_own_units():
    effects = some_effects("table")
    expected = fitted(effects, null="fixed", min_scale=0.2)
    for times in FAR_UNITS:
        assert_same(fitted(measured_in(effects, times), null="fixed", min_scale=0.2 * times), expected, times)


@pytest.mark.parametrize("family", ["scale_normal", "point_normal", "half_normal", "half_uniform"])
@pytest.mark.parametrize("null", ["estimated", "fixed"])
def test_a_stored_prior_applies_in_any_unit(tmp_path, family, null):
    other_study = some_effects("normal", 300)
    effects = some_effects("t")
    stored = eb.fit_em(other_study, family=family, null=null).prior
    expected = fitted(effects, family=family, null=null, stored=stored)
    for times in FAR_UNITS:
        # Per day there, per year here.
        kept = eb.fit_em(measured_in(other_study, times), family=family, null=null)
        write_json(tmp_path / "prior.json", eb.summarize(measured_in(other_study, times), kept, 0.05))
        read, _ = read_prior(tmp_path / "prior.json")
        assert_same(fitted(effects, family=family, null=null, stored=read), expected, 1.0)
        found = fitted(measured_in(effects, times), family=family, null=null, stored=read)
        assert_same(found, expected, times)


def test_a_prior_in_another_unit_is_the_same_prior():
    prior = MixturePrior(weight=[0.5, 0.3, 0.2], scale=[0.1, 1.0, 2.0], mode=0.2, unit=3.0)
    other = prior.in_unit(0.5)
    np.testing.assert_allclose(other.scale, [0.6, 6.0, 12.0], rtol=1e-15)
    assert (other.mode, other.unit) == (pytest.approx(1.2), 0.5)
    assert prior.in_unit(3.0) is prior


@pytest.mark.parametrize("likelihoods", [("t", "normal"), ("table", "table"), ("normal", "table")])
@pytest.mark.parametrize("null", ["estimated", "fixed"])
def test_studies_stray_in_proportion(likelihoods, null):
    rng = np.random.default_rng(6)
    parts = [some_effects(each) for each in likelihoods]
    strayed = [parts[0].estimate + rng.normal(0, 0.3, 200), parts[1].estimate + rng.normal(0, 0.3, 200)]
    parts = [replace(part, estimate=each) for part, each in zip(parts, strayed, strict=True)]

    def pooled(times: float) -> tuple[float, Any, Any]:
        joined = join_studies({f"s{i}": measured_in(part, times) for i, part in enumerate(parts)})
        tau = learn_tau(joined)
        common = combine_studies(joined, tau.value)
        prior = eb.fit_em(common, null=null).prior
        known = eb.posterior(common, prior)
        return tau.value, known, heterogeneity(joined, common, prior, known.lfdr, tau.value)

    tau, expected, own = pooled(1.0)
    assert tau > 0.1
    for times in FAR_UNITS:
        other, found, theirs = pooled(times)
        assert other / times == pytest.approx(tau, rel=1e-5)
        assert_same(found, expected, times, rtol=1e-4)
        np.testing.assert_allclose(theirs.signs_differ, own.signs_differ, atol=1e-5)
        np.testing.assert_allclose(theirs.mean / times, own.mean, atol=1e-5)


def test_diagnostics_do_not_see_the_unit():
    for likelihood in LIKELIHOODS:
        effects = some_effects(likelihood, understated=0.7)
        expected = estimated_likelihood_scale(effects)
        for times in FAR_UNITS:
            assert estimated_likelihood_scale(measured_in(effects, times)) == pytest.approx(expected, rel=1e-6)


def test_a_file_keeps_the_unit(tmp_path):
    for unit in (0.02, None):
        write_effects(tmp_path / "effects.h5", replace(some_effects("normal"), unit=unit))
        assert read_any_effects(tmp_path / "effects.h5").unit == unit


AGE = np.array([22, 25, 31, 34, 38, 41, 47, 52, 58, 63, 66, 70.0])


def some_counts() -> Counts:
    """Genes that change with age; donors of two samples each differ."""
    rng = np.random.default_rng(7)
    n, n_samples = 300, len(AGE)
    slope = np.where(rng.random(n) < 0.3, rng.normal(0, 1.5, n), 0.0)[:, None]
    donor = 0.2 * rng.standard_normal((n, n_samples // 2))[:, np.arange(n_samples) // 2]
    mean = rng.gamma(2, 150, n)[:, None] * 2 ** (slope * (AGE - 45) / 48 + donor)
    count = rng.negative_binomial(15, 15 / (15 + mean))
    names = [f"s{i}" for i in range(n_samples)]
    return Counts(gene=text_array(f"g{i}" for i in range(n)), sample=text_array(names), count=count)


def by_age(times: float, formula: str = "~ x") -> Any:
    """An effect that is so many times as large as that of a year."""
    sheet = pd.DataFrame({"x": AGE / times, "donor": [f"d{i // 2}" for i in range(len(AGE))]})
    sheet.index = pd.Index([f"s{i}" for i in range(len(AGE))])
    return eb.build_design(sheet, formula, eb.combine({"x": 1}), name="age")


ENGINES = {
    "likelihood": partial(by_age),
    "moderated_t": partial(by_age),
    "mixed": partial(by_age, formula="~ x + (1 | donor)"),
}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_covariate_s_unit_does_not_matter(engine):
    counts, design_of = some_counts(), ENGINES[engine]
    options = [{"null": "estimated"}, {"null": "fixed"}, {"null": "fixed", "family": "npmle"}, {"min_scale": 0.4}]
    effects = eb.fit_effects(counts, design_of(1.0), engine=engine)
    assert effects.unit == np.ptp(AGE)
    expected = [fitted(effects, **each) for each in options]
    assert 0 < (list_rate(expected[0].lfsr) < 0.05).sum() < 300
    for times in UNITS:
        other = eb.fit_effects(counts, design_of(times), engine=engine)
        assert other.unit * times == pytest.approx(np.ptp(AGE))
        # Newton's steps end within 1e-10 of the log likelihood.
        for each, wanted in zip(options, expected, strict=True):
            assert_same(fitted(other, **each), wanted, times)


@pytest.mark.parametrize("engine", ["likelihood", "moderated_t"])
def test_hidden_factors_and_shifts_do_not_see_the_unit(engine):
    """A factor that goes along with age, and a third of the genes raised: effects are measured from the others."""
    rng = np.random.default_rng(8)
    counts = some_counts()
    batch = np.where(np.arange(len(AGE)) % 3 == 0, 1.0, -1.0) + (AGE - 45) / 48
    raised = np.where(np.arange(300) % 3 == 0, 3.0, 0.0)[:, None] * (AGE - 45) / 48
    times_as_large = 2 ** (rng.normal(0, 0.7, 300)[:, None] * batch + raised)
    counts = replace(counts, count=np.round(counts.count * times_as_large).astype(int))
    asked: dict[str, Any] = {"engine": engine, "hidden_factors": 1}
    effects = eb.fit_effects(counts, by_age(1.0), **asked)
    expected = fitted(effects)
    for times in FAR_UNITS:
        other = eb.fit_effects(counts, by_age(times), **asked)
        np.testing.assert_allclose(other.hidden.confounding / times, effects.hidden.confounding, rtol=1e-6)
        for name in ("size_shift", "size_shift_se"):
            assert other.scalars[name] / times == pytest.approx(effects.scalars[name], rel=1e-5, abs=1e-12)
        assert_same(fitted(other), expected, times, rtol=1e-5)


@pytest.mark.parametrize("engine", ["likelihood", "moderated_t"])
def test_rows_units_do_not_matter(engine):
    """Several rows were in units of their own before; the null, grid and list stay."""
    counts = some_counts()
    sheet = pd.DataFrame({"x": AGE, "y": [0.0, 1.0] * 6}, index=[f"s{i}" for i in range(len(AGE))])

    def known(times: float) -> Any:
        data = sheet.assign(x=AGE / times)
        design = eb.build_design(data, "~ x + y", eb.any_of("x", "y"), name="any")
        effects = eb.fit_multi_df_effects(counts, design, engine=engine)
        return multi_df_posterior(effects, fit_multi_df_prior(effects).prior)

    expected = known(1.0)
    for times in FAR_UNITS:
        found = known(times)
        np.testing.assert_allclose(found.lfdr, expected.lfdr, rtol=1e-5, atol=1e-9)
        np.testing.assert_allclose(found.mean[:, 0] / times, expected.mean[:, 0], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("null", ["estimated", "fixed"])
def test_conditions_in_another_unit_share_as_much(null):
    rng = np.random.default_rng(9)
    theta = np.where(rng.random((300, 1)) < 0.3, rng.normal(0, 1, (300, 1)), 0.0) * np.array([1.0, 0.8, 1.2])
    se = rng.uniform(0.2, 0.4, (300, 3))
    estimate = theta + se * rng.standard_normal((300, 3))

    def known(times: float) -> Any:
        both = times * estimate, eb.covariances_of(times * se)
        return eb.multivariate_posterior(eb.fit_multivariate(*both, null=null).prior, *both)

    expected = known(1.0)
    for times in FAR_UNITS:
        found = known(times)
        np.testing.assert_allclose(found.lfdr_all, expected.lfdr_all, rtol=1e-5, atol=1e-9)
        np.testing.assert_allclose(found.mean / times, expected.mean, rtol=1e-5, atol=1e-7)


def listed_genes(counts: Counts, design: Any, engine: str) -> set[str]:
    effects = eb.fit_effects(counts, design, engine=engine)
    table = eb.results_table(effects, fitted(effects))
    return set(table["gene_id"][table["q_value"] < 0.05])


def years(baseline: float, target: float) -> Any:
    return eb.compare("age", baseline=baseline, target=target)


def case(name: str) -> tuple[Counts, pd.DataFrame]:
    return eb.read_counts(CASES / f"{name}_counts.tsv"), eb.read_samples(CASES / f"{name}_samples.tsv")


@pytest.mark.parametrize("engine", ["likelihood", "moderated_t"])
def test_a_year_and_fifty_list_the_same_genes(engine):
    """800 simulated genes of which 600 stand here; DESeq2 and edgeR list the same genes for any unit."""
    counts, samples = case("age")
    questions = {
        "age": [eb.combine({"age": 1}), eb.combine({"age": 50}), years(20, 70), years(20, 21)],
        **{name: [eb.combine({name: 1})] for name in ("age_days", "age_decades", "age_z")},
    }
    lists = [
        listed_genes(counts, eb.build_design(samples, f"~ {column}", question, name="age"), engine)
        for column, asked in questions.items()
        for question in asked
    ]
    assert len(lists[0]) > 20
    assert all(each == lists[0] for each in lists[:4])
    # The sheet's other columns are rounded.
    assert all(len(each ^ lists[0]) <= 1 for each in lists[4:])


@pytest.mark.parametrize("engine", ["likelihood", "moderated_t"])
def test_weights_of_a_contrast_may_have_any_sum(engine):
    counts, samples = case("groups")
    weight = {"group[A]": 0.5, "group[B]": 0.5, "group[C]": -1.0}
    lists = []
    for times in (1.0, 2.0, 0.1):
        question = eb.combine({name: times * each for name, each in weight.items()})
        lists.append(listed_genes(counts, eb.build_design(samples, "~ 0 + group", question, name="average"), engine))
    assert len(lists[0]) > 20
    assert lists[0] == lists[1] == lists[2]


def test_contrasts_taken_together_may_have_units_of_their_own(tmp_path):
    tables = []
    for times in (1.0, 50.0):
        contrasts = {"a_c": {"group[A]": 1, "group[C]": -1}, "b_c": {"group[B]": times, "group[C]": -times}}
        study = {
            "counts": str(CASES / "groups_counts.tsv"),
            "samples": str(CASES / "groups_samples.tsv"),
            "design": "~ 0 + group",
            "contrasts": {name: {"coefficients": weight} for name, weight in contrasts.items()},
            "multivariate": {"both": {}},
        }
        content = {
            "outdir": str(tmp_path / f"{times:g}"),
            "effects": {"engine": "moderated_t", "hidden_factors": 0},
            "datasets": {"one": study},
            "report": {"formats": ["png"]},
        }
        config = tmp_path / "config.yaml"
        config.write_text(yaml.safe_dump(content))
        assert main(["run", str(config)]) == 0
        path = tmp_path / f"{times:g}" / "one" / "multivariate" / "both" / "conditions.tsv"
        tables.append(pd.read_csv(path, sep="\t"))
    first, second = tables
    np.testing.assert_allclose(second["lfsr"], first["lfsr"], rtol=1e-6, atol=1e-11)
    factor = np.where(first["condition"] == "b_c", 50.0, 1.0)
    np.testing.assert_allclose(second["post_mean"] / factor, first["post_mean"], rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("null", ["estimated", "fixed", "likelihood_scale"])
@pytest.mark.parametrize("family", ["scale_normal", "npmle"])
def test_a_table_lists_the_same_genes_in_other_units(null, family):
    """The second table is a fiftieth of the first, rounded to six digits."""
    lists = []
    for name in ("table", "table_fiftieth"):
        effects = read_effect_table(CASES / f"{name}.tsv").effects
        lists.append(list_rate(fitted(effects, null=null, family=family).lfdr) < 0.05)
    assert lists[0].sum() > 50
    assert np.sum(lists[0] != lists[1]) <= 1
