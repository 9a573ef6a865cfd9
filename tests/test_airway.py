"""The main job on real data: known biology, one answer whatever the road."""

from __future__ import annotations

import json

import anndata
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from scipy import sparse

import ebgenes as eb
from ebgenes.app.config import parse_config

UP_IN_TRT = {
    "ENSG00000120129": "DUSP1",
    "ENSG00000163884": "KLF15",
    "ENSG00000179094": "PER1",
    "ENSG00000157514": "TSC22D3",
    "ENSG00000096060": "FKBP5",
    "ENSG00000103196": "CRISPLD2",
}


def airway_config(outdir, counts=ROOT / "resources/airway/counts.tsv.gz", **prior):
    return parse_config(
        {
            "outdir": str(outdir),
            "datasets": {
                "airway": {
                    "counts": str(counts),
                    "samples": str(ROOT / "resources/airway/samples.tsv"),
                    "genes": str(ROOT / "resources/airway/genes.tsv.gz"),
                    "design": "~ cell + dex",
                    "contrasts": {"dex": {"column": "dex", "baseline": "untrt", "target": "trt"}},
                }
            },
            "prior": prior,
        }
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return eb.run(airway_config(tmp_path_factory.mktemp("airway")))


@pytest.fixture(scope="module")
def table(results) -> pd.DataFrame:
    return eb.read_table(results / "airway/dex/genes.tsv")


def test_glucocorticoid_targets_rise(table):
    genes = table.set_index("gene_id").loc[list(UP_IN_TRT)]
    assert list(genes["gene_name"]) == list(UP_IN_TRT.values())
    assert (genes["lfdr"] < 1e-4).all()
    assert (genes["ci_low"] > 1).all()
    assert (genes["prob_up"] > 0.9999).all()


def test_every_input_gene_has_a_row(table, airway_all):
    assert list(table["gene_id"]) == list(airway_all.gene)
    assert set(table["status"]) == {"ok", "low_count", "all_zero"}
    tested = table["status"] == "ok"
    assert not table[tested].isna().any().any()
    assert table.loc[~tested, "p_value"].isna().all()


def test_every_file_of_the_contract_is_there(results):
    names = {path.name for path in (results / "airway/dex").iterdir()}
    # The page draws the other figures; hidden variation was not found.
    assert {name for name in names if not name.startswith("draws")} == {
        "effects.h5", "prior.json", "genes.tsv", "volcano.png",
    }  # fmt: skip
    assert {path.name for path in (results / "airway").iterdir()} == {
        "counts.h5ad",
        "dex",
        "report.html",
        "results.h5ad",
    }


def test_results_open_in_scanpys_format(results, table):
    adata = anndata.read_h5ad(results / "airway/results.h5ad")
    stored = adata.varm["ebgenes_dex"]
    kept = table[table["status"] == "ok"]
    assert list(adata.var_names) == list(kept["gene_id"])
    np.testing.assert_array_equal(stored["post_mean"], kept["post_mean"])
    summary = json.loads(adata.uns["ebgenes"]["summary"])["contrasts"]["dex"]
    prior = json.loads((results / "airway/dex/prior.json").read_text())
    assert summary["prior"]["weight"] == prior["weight"]
    assert summary["up"] == "higher in trt"


def test_python_gives_the_same_bits(table):
    samples = eb.read_samples(ROOT / "resources/airway/samples.tsv")
    counts = eb.read_counts(ROOT / "resources/airway/counts.tsv.gz")
    design = eb.build_design(samples, "~ cell + dex", eb.compare("dex", baseline="untrt", target="trt"))
    screen = eb.screen_genes(counts, design)
    effects = eb.fit_effects(eb.normalize(eb.keep_expressed(counts, screen)), design)
    fit = eb.fit_em(effects)
    ours = eb.results_table(effects, eb.posterior(effects, fit.prior))
    kept = table[table["status"] == "ok"].reset_index(drop=True)
    for name in ("log2_fc", "se", "p_value", "post_mean", "ci_low", "ci_high", "lfdr", "s_value"):
        np.testing.assert_array_equal(ours[name], kept[name])


def test_two_engines_tell_one_story(results, table):
    """Other likelihoods of the same counts: the same effects where counts are many, and most calls in common."""
    study = eb.read_study(results / "airway/counts.h5ad")
    question = eb.compare("dex", baseline="untrt", target="trt")
    design = eb.build_design(study.samples, "~ cell + dex", question)
    effects = eb.fit_effects(study.counts, design, engine="moderated_t")
    other = eb.results_table(effects, eb.posterior(effects, eb.fit_em(effects).prior))
    ours = table[table["status"] == "ok"].reset_index(drop=True)
    assert list(ours["gene_id"]) == list(other["gene_id"])
    gap = np.abs(ours["log2_fc"] - other["log2_fc"])
    # Half a count is added to logs, which is nothing to 1,000 counts and much to 10.
    assert gap[ours["base_mean"] > 1000].quantile(0.99) < 0.03
    assert gap.quantile(0.99) < 0.25
    assert ours["p_value"].corr(other["p_value"], method="spearman") > 0.98
    called, also = ours["q_value"] < 0.05, other["q_value"] < 0.05
    assert (called & also).sum() > 0.9 * also.sum()
    assert also.sum() < called.sum() < 1.2 * also.sum()


@pytest.mark.parametrize("storage", ["dense", "sparse", "layer"])
def test_h5ad_gives_the_same_bits(tmp_path, results, airway_all, storage):
    matrix = airway_all.count.T.astype(np.float32 if storage != "layer" else np.int32)
    adata = anndata.AnnData(
        X=sparse.csr_matrix(matrix) if storage == "sparse" else matrix,
        obs=pd.DataFrame(index=list(airway_all.sample)),
        var=pd.DataFrame(index=list(airway_all.gene)),
    )
    if storage == "layer":
        adata.layers["raw"] = adata.X.copy()
        adata.X = np.log1p(matrix)
    adata.write_h5ad(tmp_path / "airway.h5ad")
    config = airway_config(tmp_path / "out", tmp_path / "airway.h5ad")
    dataset = config.datasets["airway"]
    from dataclasses import replace

    from ebgenes.app.prepare import prepare

    study = prepare(replace(dataset, layer="raw" if storage == "layer" else None), "median_ratio")
    stored = eb.read_study(results / "airway/counts.h5ad")
    np.testing.assert_array_equal(study.counts.count, stored.counts.count)
    np.testing.assert_array_equal(study.counts.log_size, stored.counts.log_size)
    np.testing.assert_array_equal(study.screen.base_mean, stored.screen.base_mean)


def test_the_prior_file_says_how_it_was_fitted(results):
    prior = json.loads((results / "airway/dex/prior.json").read_text())
    assert prior["certificate"] <= 1e-8
    assert prior["converged"]
    assert sum(prior["weight"]) == pytest.approx(1, abs=1e-12)
    found, level = prior["discoveries"], prior["level"]
    table = eb.read_table(results / "airway/dex/genes.tsv")
    listed = (table["s_value"] < level) & (table["lfsr"] < 0.475)
    assert found["q_value"] >= found["s_value"] == listed.sum() > 1000
    assert found["fixed_null"]["q_value"] >= found["fixed_null"]["s_value"] > found["s_value"]
    assert prior["fixed_null"]["null_sd"] == 0
    assert any("hidden variation" in note for note in prior["warnings"])
    assert {"ebgenes", "numpy", "numba"} <= prior["versions"].keys()


@pytest.mark.parametrize("family", ["scale_normal", "point_normal"])
@pytest.mark.parametrize("engine", ["likelihood", "moderated_t"])
def test_pasilla_is_in_line_with_limma_and_edger(family, engine):
    """On ~ type + condition R's tools call about 1,070 to 1,140 genes at 5%."""
    samples = eb.read_samples(ROOT / "resources/pasilla/samples.tsv")
    counts = eb.read_counts(ROOT / "resources/pasilla/counts.tsv.gz")
    question = eb.compare("condition", baseline="untreated", target="treated")
    design = eb.build_design(samples, "~ type + condition", question)
    screen = eb.screen_genes(counts, design)
    kept = eb.normalize(eb.keep_expressed(counts, screen))
    # They know of no hidden factor.
    effects = eb.fit_effects(kept, design, engine=engine, hidden_factors=0)
    fit = eb.fit_em(effects, family=family)
    table = eb.results_table(effects, eb.posterior(effects, fit.prior))
    assert 900 < (table["adj_p_value"] < 0.05).sum() < 1300
    # Pasilla itself, FBgn0261552, is what was knocked down.
    pasilla = table.set_index("gene_id").loc["FBgn0261552"]
    assert pasilla["post_mean"] < -1
    assert pasilla["lfdr"] < 1e-3


@pytest.mark.parametrize("engine", ["likelihood", "moderated_t"])
def test_calls_hold_their_level_on_simulated_counts(engine):
    """Realised FDR of q < .05 over ten studies of 4,000 genes, 3 against 3."""
    false = called = 0
    for seed in range(10):
        made = eb.simulate_counts(np.random.default_rng(seed), n_genes=4000, n_per_group=3)
        design = eb.build_design(made.samples, "~ group", eb.compare("group", baseline="control", target="treated"))
        counts = eb.keep_expressed(made.counts, eb.screen_genes(made.counts, design))
        effects = eb.fit_effects(eb.normalize(counts), design, engine=engine)
        table = eb.results_table(effects, eb.posterior(effects, eb.fit_em(effects).prior))
        truth = dict(zip(made.counts.gene, made.effect, strict=True))
        hits = table.loc[table["q_value"] < 0.05, "gene_id"]
        called += len(hits)
        false += sum(truth[gene] == 0 for gene in hits)
    assert called > 1500
    assert false / called < 0.05 + 2 * np.sqrt(0.05 * 0.95 / called)
