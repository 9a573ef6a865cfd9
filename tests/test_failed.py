"""Genes whose fit failed: a row without results, no part in what all genes tell."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import ebgenes as eb
from ebgenes.app.cli import main
from ebgenes.arrays import text_array
from ebgenes.effects.chunks import chunk, common_of, gathered
from ebgenes.effects.failed import without_failed
from ebgenes.effects.likelihood import effects_of
from ebgenes.errors import InputError
from ebgenes.posteriors.fdr import adjust_bh
from ebgenes.records.counts import Counts
from ebgenes.records.effects import Effects
from ebgenes.results.storage import read_any_effects, read_effects, write_effects, write_multi_df_effects
from ebgenes.results.table import UNTESTED, tested as has_results
from ebgenes.results.table_files import read_table

RESULTS = [
    "log2_fc", "se", "p_value", "adj_p_value", "post_mean", "post_sd", "ci_low", "ci_high", "lfdr", "q_value", "lfsr",
    "s_value", "prob_up", "prob_down", "shrinkage",
]  # fmt: skip

HALF, NOTHING = "half", "nothing"
"""A gene of zeros in one group, and one of zeros on both sides of the comparison."""


@pytest.fixture(scope="module")
def study():
    """300 genes in 16 samples, four donors by a and b."""
    rows = [(f"d{d}", f"a{a}", f"b{b}") for d in range(4) for a in (0, 1) for b in (0, 1)]
    sample = text_array(f"s{i}" for i in range(16))
    sheet = pd.DataFrame(rows, columns=["donor", "a", "b"], index=pd.Index(sample, name="sample"))
    rng = np.random.default_rng(4)
    count = rng.negative_binomial(10, 10 / (10 + rng.lognormal(5, 1, (300, 1))), (300, 16))
    left, other = (sheet["b"] == "b0").to_numpy(), (sheet["a"] == "a1").to_numpy()
    count[7, left & other] = 0
    count[8, left] = 0
    gene = [HALF if i == 7 else NOTHING if i == 8 else f"g{i}" for i in range(300)]
    return Counts(gene=text_array(gene), sample=sample, count=count), sheet


@pytest.fixture(scope="module")
def design(study):
    return eb.build_design(study[1], "~ donor + a * b", eb.combine({"a[T.a1]": 1}))


@pytest.fixture(scope="module")
def effects(study, design):
    return eb.fit_effects(study[0], design, hidden_factors=0)


def test_a_gene_of_zeros_on_both_sides_has_a_row_and_nothing_else(study, effects):
    assert effects.failed is not None
    assert effects.failed.gene.tolist() == [NOTHING]
    assert effects.failed.status.tolist() == ["no_information"]
    assert effects.failed.place.tolist() == [8]
    table = eb.results_table(effects, eb.posterior(effects, eb.fit_em(effects).prior))
    assert table["gene_id"].tolist() == list(study[0].gene)
    assert table.index.tolist() == list(range(300))
    row = table.loc[8]
    assert row["status"] == "no_information"
    assert row[RESULTS].isna().all()
    assert row["base_mean"] > 0
    rest = table.drop(index=8)
    assert not rest.isna().any().any()
    np.testing.assert_array_equal(rest["adj_p_value"], adjust_bh(effects.p_value))
    assert "of 299 tested genes" in eb.sentence(table, "up", "down")


def test_a_gene_of_zeros_on_one_side_is_judged(effects):
    place = list(effects.gene).index(HALF)
    assert effects.status[place] == "ok"
    assert effects.p_value[place] < 1e-3
    assert effects.estimate[place] < -3


def test_what_is_not_a_number_has_failed(effects):
    n = len(effects.gene)
    loglik, p_value, se = (np.array(each) for each in (effects.loglik, effects.p_value, effects.se))
    loglik[3, 20], p_value[5], se[6] = np.nan, np.nan, np.inf
    status = np.array(effects.status)
    status[[4, 9]] = "not_converged", "outlier"
    found = without_failed(replace(effects, loglik=loglik, p_value=p_value, se=se, status=text_array(status)))
    assert found.failed.place.tolist() == [3, 4, 5, 6]
    assert set(found.failed.status) == {"not_converged"}
    kept = np.delete(np.arange(n), [3, 4, 5, 6])
    assert found.failed.others(len(found.gene)).tolist() == kept.tolist()
    for name in ("gene", "estimate", "df", "grid"):
        np.testing.assert_array_equal(getattr(found, name), getattr(effects, name)[kept])
    assert found.status[5] == "outlier"
    assert without_failed(found) is found


def test_files_and_chunks_keep_them(tmp_path: Path, study, design, effects):
    write_effects(tmp_path / "effects.h5", effects)
    common = common_of(study[0], design, hidden_factors=0)
    parts = gathered([effects_of(common, chunk(300, which, 3)) for which in (1, 2, 3)])
    swapped = gathered([effects_of(common, slice(150, 300)), effects_of(common, slice(0, 150))])
    assert swapped.failed.place.tolist() == [158]
    for found in (read_effects(tmp_path / "effects.h5"), parts):
        np.testing.assert_array_equal(found.p_value, effects.p_value)
        for name in ("gene", "status", "place", "base_mean"):
            np.testing.assert_array_equal(getattr(found.failed, name), getattr(effects.failed, name))


def test_several_rows(tmp_path: Path, study):
    asked = eb.any_of(eb.combine({"a[T.a1]": 1}), eb.combine({"b[T.b1]": 1}))
    multi_df = eb.fit_multi_df_effects(study[0], eb.build_design(study[1], "~ donor + a * b", asked), hidden_factors=0)
    p_value = np.array(multi_df.p_value)
    p_value[[2, 9]] = np.nan
    multi_df = without_failed(replace(multi_df, p_value=p_value))
    write_multi_df_effects(tmp_path / "effects.h5", multi_df)
    found = read_any_effects(tmp_path / "effects.h5")
    assert found.failed.place.tolist() == [2, 9]
    from ebgenes.analyses.multi_df import signals, top_effects
    from ebgenes.results.table import multi_df_table

    known = eb.multi_df_posterior(found, eb.fit_multi_df_prior(found).prior)
    table = multi_df_table(found, known, top_effects(found, known), signals(known, 0.05))
    assert table["gene_id"].tolist() == list(study[0].gene)
    assert table.loc[[2, 9], RESULTS].isna().all().all()
    assert table.loc[2, "pattern"] == ""
    assert (table["status"] == "not_converged").sum() == 2
    assert not table.loc[has_results(table), RESULTS].isna().any().any()


def test_a_whole_run_tells_of_them(tmp_path: Path, study):
    counts, sheet = study
    few = pd.DataFrame(counts.count[:200], index=pd.Index(counts.gene[:200], name="gene_id"), columns=counts.sample)
    few.to_csv(tmp_path / "counts.tsv", sep="\t")
    sheet.to_csv(tmp_path / "samples.tsv", sep="\t")
    dataset = {
        "counts": str(tmp_path / "counts.tsv"), "samples": str(tmp_path / "samples.tsv"), "design": "~ donor + a * b",
        "contrasts": {
            "in_b0": {"coefficients": {"a[T.a1]": 1}},
            "in_b1": {"coefficients": {"a[T.a1]": 1, "a[T.a1]:b[T.b1]": 1}},
        },
        "multivariate": {"both": {"contrasts": ["in_b0", "in_b1"]}},
    }  # fmt: skip
    config = {
        "outdir": str(tmp_path), "datasets": {"one": dataset}, "effects": {"hidden_factors": 0},
        "prior": {"covariates": ["base_mean"]},
    }  # fmt: skip
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    assert main(["run", str(tmp_path / "config.yaml")]) == 0
    table = read_table(tmp_path / "one/in_b0/genes.tsv").set_index("gene_id")
    assert len(table) == 200
    assert table.loc[NOTHING, "status"] == "no_information"
    assert table.loc[NOTHING, RESULTS].isna().all()
    assert read_table(tmp_path / "one/in_b1/genes.tsv").set_index("gene_id").loc[NOTHING, "status"] == "ok"
    told = json.loads((tmp_path / "one/in_b0/prior.json").read_text(encoding="utf-8"))
    n_ok = int((table["status"] == "ok").sum())
    assert told["status"] == {"ok": n_ok, "not_converged": 0, "no_information": 1, "outlier": 0}
    assert len(told["covariates"]["null_share"]) == told["n_genes"] == n_ok
    assert any(note.startswith("1 gene has the status no_information") for note in told["warnings"])
    page = (tmp_path / "one/report.html").read_text(encoding="utf-8")
    assert "1 of which any effect is as likely" in page
    both = pd.read_csv(tmp_path / "one/multivariate/both/conditions.tsv", sep="\t")
    own = both[both["gene_id"] == NOTHING].set_index("condition")["status"]
    assert own.to_dict() == {"in_b0": "not_tested", "in_b1": "ok"}
    # The step that starts at effects.h5 says the same.
    asked = ["prior", str(tmp_path / "one/in_b0/effects.h5"), "--out", str(tmp_path / "again.json")]
    assert main([*asked, "--prior", json.dumps(config["prior"])]) == 0
    again = json.loads((tmp_path / "again.json").read_text(encoding="utf-8"))
    assert again["covariates"] == told["covariates"]


def test_studies_do_without_them(effects):
    from ebgenes.app.studies import common_screen, with_failures
    from ebgenes.records.counts import Screen

    every = [*effects.gene[:8], NOTHING]
    screen = Screen(
        gene=text_array(every), status=text_array(["ok"] * 9), base_mean=np.ones(9), name=text_array([""] * 9)
    )  # fmt: skip
    pooled = common_screen({"one": with_failures(screen, effects)}, effects.gene[:8], {})
    assert pooled.status.tolist() == [*["ok"] * 8, "no_information"]


def test_the_reasons_have_words():
    from ebgenes.report.words import UNTESTED_WORDS

    assert set(UNTESTED_WORDS) == set(UNTESTED)


def test_effects_of_a_table_are_as_they_were():
    made = eb.effects_from_summary(["a", "b"], np.zeros(2), np.ones(2))
    assert isinstance(made, Effects)
    assert made.failed is None
    assert without_failed(made) is made


def test_genes_without_counts_are_refused(rng):
    made = eb.simulate_counts(rng, n_genes=60, n_per_group=3)
    design = eb.build_design(made.samples, "~ group", eb.compare("group", baseline="control", target="treated"))
    count = np.array(made.counts.count)
    count[[4, 7]] = 0
    message = f"2 of 60 genes have no count in any sample .first: {made.counts.gene[4]}.*keep_expressed"
    with pytest.raises(InputError, match=message):
        eb.fit_effects(replace(made.counts, count=count), design)
