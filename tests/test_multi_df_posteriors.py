"""Several effects after pooling: error rates, intervals, tables, files, the page's numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from test_multi_df import counts_of, sheet_of

import ebgenes as eb
from ebgenes.analyses.multi_df import (
    _interval,
    as_normal,
    curve_values,
    fit_multi_df_prior,
    marginal_prior,
    multi_df_posterior,
    signals,
    top_effects,
)
from ebgenes.app.cli import main
from ebgenes.app.config import parse_config
from ebgenes.errors import InputError, InputErrors
from ebgenes.posteriors.fdr import list_rate
from ebgenes.records.effects import MultiDfEffects
from ebgenes.records.posterior import MultiDfPosterior
from ebgenes.records.prior import MultivariateFit
from ebgenes.report.payload import gene_rows
from ebgenes.results.storage import read_any_effects, read_effects, read_multivariate_prior, write_multi_df_effects
from ebgenes.results.table import COLUMNS, MULTI_DF_COLUMNS, multi_df_table
from ebgenes.results.table_files import read_table, write_table

Known = tuple[MultiDfEffects, MultivariateFit, MultiDfPosterior, np.ndarray]


@pytest.fixture(scope="module")
def known() -> Known:
    """3,000 genes, 3 replicates of 4 groups; a seventh differ, in all groups or in one; the truth (G, 3)."""
    rng = np.random.default_rng(8)
    samples = sheet_of(4, 3)
    truth = rng.normal(0, 1.5, (3000, 3)) * (rng.random((3000, 1)) < 0.15)
    truth[::2, 1:] = 0
    effect = np.repeat(np.column_stack([np.zeros(3000), truth]), 3, axis=1)
    counts = counts_of(rng, np.exp(rng.normal(5, 1.2, (3000, 1)) + rng.normal(0, 0.2, 12)) * 2**effect)
    design = eb.build_design(samples, "~ group", eb.all_of("group"), name="any")
    effects = eb.fit_multi_df_effects(counts, design, hidden_factors=0)
    fit = fit_multi_df_prior(effects)
    return effects, fit, multi_df_posterior(effects, fit.prior), truth[counts.gene.astype(int)]


def test_error_rates_are_what_they_say(known):
    _, fit, posterior, truth = known
    listed = list_rate(posterior.lfdr) < 0.05
    false = ~truth[listed].any(axis=1)
    # Three standard errors of a share of so many genes.
    assert false.mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / listed.sum())
    assert listed.sum() > 200
    assert fit.converged
    assert fit.prior.pi0 == pytest.approx(0.85, abs=0.05)
    rows = list_rate(posterior.lfsr.ravel()).reshape(posterior.lfsr.shape) < 0.05
    wrong = np.sign(posterior.mean) != np.sign(truth)
    assert wrong[rows].mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / rows.sum())
    held = (truth >= posterior.lower) & (truth <= posterior.upper)
    assert held[listed].mean() > 0.92


def test_distance_from_zero_tells_the_p_value(known):
    effects, *_ = known
    estimate, covariance = as_normal(effects)
    distance = np.einsum("gr,gr->g", estimate, np.linalg.solve(covariance, estimate[:, :, None])[:, :, 0])
    # Where the test says nothing at all, the scaling stops at its bound.
    telling = effects.p_value < 0.9
    np.testing.assert_allclose(stats.chi2.sf(distance, 3)[telling], effects.p_value[telling], rtol=1e-6)


def test_covariances_and_standard_deviations_agree(known):
    *_, posterior, _ = known
    np.testing.assert_allclose(np.sqrt(np.einsum("grr->gr", posterior.covariance)), posterior.sd, atol=1e-9)


def test_intervals_are_quantiles_of_an_atom_and_a_normal():
    zero, center, spread = (
        np.array([[0.0, 0.3, 0.02, 0.97]]),
        np.array([[1.0, 2.0, 0.5, 1.0]]),
        np.array([[1.0, 0.5, 1.0, 1.0]]),
    )
    mean = (1 - zero) * center
    sd = np.sqrt((1 - zero) * (spread**2 + center**2) - mean**2)
    ends = np.array(_interval(mean, sd, zero, 0.9))[:, 0]
    rng = np.random.default_rng(1)
    draws = np.where(rng.random((400_000, 4)) < zero, 0.0, center + spread * rng.normal(size=(400_000, 4)))
    np.testing.assert_allclose(ends, np.quantile(draws, [0.05, 0.95], axis=0), atol=0.02)


def test_leading_rows_and_signals(known):
    effects, _, posterior, _ = known
    single, pooled = top_effects(effects, posterior)
    gene = np.arange(len(effects.gene))
    np.testing.assert_array_equal(posterior.lfsr[gene, posterior.top_row], posterior.lfsr.min(axis=1))
    np.testing.assert_array_equal(single.estimate, effects.estimate[gene, posterior.top_row])
    np.testing.assert_array_equal(pooled.lfdr, posterior.lfdr)
    words = signals(posterior, 0.05)
    counted = np.array([len(each.split("; ")) if each else 0 for each in words])
    np.testing.assert_array_equal(counted, (posterior.lfsr < 0.05).sum(axis=1))


def test_marginal_prior_has_the_variance_of_the_rows(known):
    _, fit, *_ = known
    shown = marginal_prior(fit.prior)
    whole = np.einsum("k,krr->r", fit.prior.weight, fit.prior.components()).mean()
    assert np.sum(shown.weight[1:] * shown.scale[1:] ** 2) == pytest.approx(whole)


def test_another_rows_prior_is_refused(known):
    effects, fit, *_ = known
    other = replace(effects, row=np.array(["a", "b", "c"], dtype=object))
    with pytest.raises(InputError, match="Fit it anew"):
        multi_df_posterior(other, fit.prior)


def test_files_come_back_to_the_bit(known, tmp_path: Path):
    effects, _, posterior, _ = known
    write_multi_df_effects(tmp_path / "effects.h5", effects)
    back = read_any_effects(tmp_path / "effects.h5")
    for name in ("gene", "row", "estimate", "covariance", "df", "statistic", "p_value", "unit", "status"):
        np.testing.assert_array_equal(getattr(back, name), getattr(effects, name))
    with pytest.raises(InputError, match="several effects"):
        read_effects(tmp_path / "effects.h5")
    table = multi_df_table(effects, posterior, top_effects(effects, posterior), signals(posterior, 0.05))
    write_table(tmp_path / "genes.tsv", table)
    pd.testing.assert_frame_equal(read_table(tmp_path / "genes.tsv"), table, check_exact=True)
    rows = [f"{name}: {row}" for row in effects.row for name in ("log2_fc", "se", "post_mean", "post_sd", "lfsr")]
    assert list(table.columns) == [*COLUMNS, *MULTI_DF_COLUMNS, *rows]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Doses of two lines, a tenth of 400 genes responding, and the results of `ebgenes run`."""
    folder = tmp_path_factory.mktemp("dose")
    rng = np.random.default_rng(3)
    dose, line = np.repeat([0.0, 1, 5, 20, 80], 2), np.tile(["a/1", "b"], 5)
    top = rng.normal(0, 2, 400) * (rng.random(400) < 0.1)
    mean = np.exp(rng.normal(5, 1, (400, 1))) * 2 ** (top[:, None] * dose / (dose + 5))
    counts = counts_of(rng, mean)
    genes = [f"g{i}" for i in counts.gene]
    samples = [f"s {i}" for i in range(10)]
    pd.DataFrame(counts.count, index=pd.Index(genes, name="gene_id"), columns=samples).to_csv(
        folder / "c.tsv", sep="\t"
    )
    sheet = pd.DataFrame({"dose": dose, "line": line}, index=pd.Index(samples, name="sample"))
    sheet.to_csv(folder / "s.tsv", sep="\t")
    config = {
        "outdir": str(folder / "results"),
        "datasets": {
            "d": {
                "counts": str(folder / "c.tsv"), "samples": str(folder / "s.tsv"), "design": "~ line + emax(dose)",
                "contrasts": {
                    "any": {"term": "emax(dose)"},
                    "mixed": {
                        "rows": [
                            {"column": "line", "baseline": "a/1", "target": "b"},
                            {"column": "dose", "baseline": 0, "target": 80},
                        ]
                    },
                },
            }
        },
        "effects": {"engine": "moderated_t"},
        "report": {"formats": ["png"]},
    }  # fmt: skip
    (folder / "config.yaml").write_text(json.dumps(config))
    assert main(["run", str(folder / "config.yaml")]) == 0
    return folder


def test_verbs_write_what_run_writes(study: Path, tmp_path: Path):
    results = study / "results" / "d"
    known = results / "any"
    arguments = ["--design", "~ line + emax(dose)", "--contrast", "{term: emax(dose)}", "--name", "any"]
    made = [
        "contrast", str(results / "counts.h5ad"), *arguments, "--effects", "{engine: moderated_t}",
        "--effects-out", str(tmp_path / "effects.h5"), "--out", str(tmp_path / "prior.json"),
        "--table", str(tmp_path / "genes.tsv"),
    ]  # fmt: skip
    assert main(made) == 0
    for name in ("genes.tsv", "prior.json"):
        assert (tmp_path / name).read_bytes() == (known / name).read_bytes()
    stored = ["--prior", str(known / "prior.json")]
    counts = ["--counts", str(results / "counts.h5ad")]
    assert main(["table", str(known / "effects.h5"), *stored, *counts, "--out", str(tmp_path / "again.tsv")]) == 0
    assert (tmp_path / "again.tsv").read_bytes() == (known / "genes.tsv").read_bytes()
    figure = ["plot", str(known / "genes.tsv"), *stored, "--effects", str(known / "effects.h5")]
    assert main([*figure, "--out", str(tmp_path / "rows.png")]) == 0
    assert (tmp_path / "rows.png").read_bytes() == (known / "rows.png").read_bytes()


def test_results_tell_rows_and_curves(study: Path):
    results = study / "results" / "d"
    summary = json.loads((results / "any" / "prior.json").read_text())
    assert len(summary["rows"]) == 3
    table = read_table(results / "any" / "genes.tsv")
    assert summary["discoveries"]["q_value"] == int((table["q_value"] < 0.05).sum()) > 10
    assert set(table.loc[table["q_value"] < 0.05, "pattern"]) - {"none"}
    page = (results / "report.html").read_text(encoding="utf-8")
    assert "does any of 3 rows differ from zero" in page
    assert '"curve":{"column":"dose"' in page
    kept = anndata.read_h5ad(results / "results.h5ad").varm["ebgenes_mixed"]
    assert "post_mean: line b vs a%2F1" in kept.columns


def test_the_pages_numbers_make_the_curve(study: Path):
    """Means and roots on the page, weighted as its script does, are the curve and its standard deviations."""
    results = study / "results" / "d" / "any"
    effects = read_any_effects(results / "effects.h5")
    prior, _ = read_multivariate_prior(results / "prior.json")
    posterior = multi_df_posterior(effects, prior)
    packed = gene_rows(effects, posterior)
    place = pd.Index(effects.gene).get_indexer(packed.gene)
    middle, sd = curve_values(posterior.mean[place], posterior.covariance[place], effects.curve)
    weight = effects.curve.weight / packed.unit
    np.testing.assert_allclose(packed.mean @ weight.T, middle, atol=1e-12)
    along = np.einsum("jr,grc->gjc", weight, packed.root)
    np.testing.assert_allclose(np.linalg.norm(along, axis=2), sd, atol=1e-3)


@pytest.mark.parametrize(
    ("contrast", "message"),
    [
        ({"rows": []}, "is empty"),
        ({"rows": [{"column": "line"}]}, "a comparison needs column, baseline and target"),
        ({"rows": ["a"], "term": "a"}, "found several"),
        ({"rows": [{"column": "a", "baseline": 1, "target": 2, "coefficients": {"a": 1}}]}, "found several"),
        ({"terms": "a"}, "Did you mean 'term'"),
    ],
)
def test_mistakes_of_rows_are_told(contrast, message):
    data = {"counts": "c", "samples": "s", "design": "~ a", "contrasts": {"x": contrast}}
    with pytest.raises(InputErrors, match=message):
        parse_config({"datasets": {"d": data}})


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ({"prior": {"fit": "gibbs"}}, "prior.fit"),
        ({"prior": {"family": "npmle"}}, "prior.family"),
        ({"prior": {"covariates": ["base_mean"]}}, "prior.covariates"),
        ({"report": {"interval_method": "robust"}}, "report.interval_method"),
    ],
)
def test_settings_without_use_for_rows_are_refused(section, key):
    data = {"counts": "c", "samples": "s", "design": "~ a", "contrasts": {"x": {"term": "a"}}}
    with pytest.raises(InputErrors, match=key):
        parse_config({"datasets": {"d": data}, **section})
