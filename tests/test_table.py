"""The result table: one row a gene, every column explained, nothing mislabelled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import ebgenes as eb
from ebgenes.arrays import text_array
from ebgenes.errors import InputError
from ebgenes.posteriors.fdr import adjust_bh, list_rate
from ebgenes.records.counts import Screen
from ebgenes.records.prior import MixturePrior
from ebgenes.results.table import (
    COLUMNS,
    LIST_RATES,
    STYLES,
    TEXT_COLUMNS,
    in_list,
    ranking,
    restyle,
    tested as has_results,
)


@pytest.fixture
def fitted(rng):
    n = 500
    theta = np.where(rng.random(n) < 0.7, 0, 2 * rng.standard_normal(n))
    estimate = theta + 0.4 * rng.standard_normal(n)
    estimate[3] = 0.0
    effects = eb.effects_from_summary([f"g{i}" for i in range(n)], estimate, np.full(n, 0.4), 9.0)
    return effects, eb.posterior(effects, eb.fit_em(effects).prior)


def test_columns_are_the_contracts(fitted):
    table = eb.results_table(*fitted)
    contract = """
        gene_id gene_name base_mean log2_fc se df stat p_value adj_p_value post_mean post_sd ci_low ci_high lfdr
        q_value lfsr s_value prob_up prob_down pooled shrinkage status
    """
    assert list(table.columns) == [*contract.split(), "ci_low_changed", "ci_high_changed"]
    assert all(COLUMNS[name] for name in table.columns)


def test_no_unexplained_gaps(fitted):
    table = eb.results_table(*fitted)
    # base_mean is unknown for effects that came without counts.
    assert not table.drop(columns="base_mean").isna().any().any()
    assert table.loc[3, "shrinkage"] == 1


def test_three_poolings(fitted):
    effects, post = fitted
    table = eb.results_table(effects, post)
    assert table["pooled"].nunique() == 1
    # Equal standard errors: the precision-weighted mean is the mean.
    assert table["pooled"][0] == pytest.approx(effects.estimate.mean(), rel=1e-12)
    np.testing.assert_allclose(table["shrinkage"], np.where(effects.estimate == 0, 1, 1 - post.mean / table["log2_fc"]))
    inside = np.abs(table["post_mean"]) <= np.abs(table["log2_fc"])
    assert inside.all()


def test_every_gene_of_the_screen_has_a_row(fitted):
    effects, post = fitted
    gene = text_array(["empty", *effects.gene[::-1], "low"])
    status = text_array(["all_zero", *(["ok"] * 500), "low_count"])
    screen = Screen(gene=gene, status=status, base_mean=np.arange(502.0), name=text_array(["", "ALPHA", *([""] * 500)]))
    table = eb.results_table(effects, post, screen)
    assert list(table["gene_id"]) == list(gene)
    assert list(table["gene_name"][:3]) == ["empty", "ALPHA", "g498"]
    np.testing.assert_array_equal(table["log2_fc"][1:501], effects.estimate[::-1])
    np.testing.assert_array_equal(table["base_mean"], np.arange(502.0))
    results = [name for name in COLUMNS if name not in (*TEXT_COLUMNS, "base_mean")]
    assert table.loc[[0, 501], results].isna().all().all()


def test_p_values_and_statuses_are_the_engines(fitted):
    """A likelihood that is no t brings its own p-values, and what befell a gene outlives the screen's ok."""
    effects, post = fitted
    p_value, status = np.linspace(0, 1, 500), np.full(500, "ok", dtype=object)
    status[[4, 5]] = "outlier"
    effects = replace(effects, p_value=p_value, status=text_array(status))
    gene = text_array(["low", *effects.gene, "empty"])
    known = ["low_count", *["ok"] * 500, "all_zero"]
    screen = Screen(gene=gene, status=text_array(known), base_mean=np.ones(502), name=text_array([""] * 502))
    whole = eb.results_table(effects, post, screen)
    for table in (eb.results_table(effects, post), whole.iloc[1:501]):
        np.testing.assert_array_equal(table["p_value"], p_value)
        np.testing.assert_array_equal(table["adj_p_value"], adjust_bh(p_value))
        assert table["status"].tolist() == status.tolist()
        assert not table.drop(columns="base_mean").isna().any().any()
    assert whole["status"].tolist() == ["low_count", *status, "all_zero"]
    assert has_results(whole).tolist() == [False, *[True] * 500, False]
    assert "of 500 tested genes" in eb.sentence(whole, "up", "down")


@pytest.mark.parametrize("level", [0.01, 0.05, 0.2, 0.4])
@pytest.mark.parametrize("style", LIST_RATES)
def test_other_tools_users_cut_our_list(fitted, style, level):
    """Who filters padj < .05 in the exported table gets the genes that the page lists, at any level."""
    table = eb.results_table(*fitted)
    renamed = restyle(table, style)
    np.testing.assert_array_equal(renamed[LIST_RATES[style]] < level, in_list(table, level))
    np.testing.assert_array_equal(renamed[STYLES[style]["adj_p_value"]], table["adj_p_value"])


@pytest.mark.parametrize("style", STYLES)
def test_styles_rename_and_keep_everything(fitted, style):
    table = eb.results_table(*fitted)
    renamed = restyle(table, style)
    assert renamed.shape[1] == table.shape[1] + (style in LIST_RATES)
    assert renamed.columns.is_unique
    for ours, theirs in STYLES[style].items():
        np.testing.assert_array_equal(renamed[theirs], table[ours])


def test_ranking_runs_from_surely_up_to_surely_down(fitted):
    table = eb.results_table(*fitted)
    table["gene_name"] = table["gene_id"]
    table.loc[3, ["lfsr", "post_mean"]] = [0.0, 2.0]
    table.loc[4, ["gene_name", "status"]] = ["untested", "low_count"]
    table.loc[5, "lfsr"] = np.nan
    table.loc[6, "gene_name"] = ""
    table.loc[[7, 8, 9], "gene_name"] = "=shared()"
    ranked = ranking(table)
    score = dict(zip(ranked["gene"], ranked["score"], strict=True))
    assert len(score) == len(ranked) == len(table) - 4
    assert ranked["score"].is_monotonic_decreasing
    assert np.isfinite(ranked["score"]).all()
    known = table.loc[10:]
    expected = np.sign(known["post_mean"]) * -np.log10(known["lfsr"])
    np.testing.assert_allclose([score[name] for name in known["gene_id"]], expected, rtol=1e-12)
    assert score[table["gene_id"][3]] == pytest.approx(307.65, abs=0.01)
    assert table["gene_id"][6] in score
    assert abs(score["=shared()"]) == pytest.approx(-np.log10(table.loc[[7, 8, 9], "lfsr"].min()))


def test_unknown_style(fitted):
    with pytest.raises(InputError, match="Did you mean 'deseq2'"):
        restyle(eb.results_table(*fitted), "deseq")


def test_sentence_counts_what_the_table_holds(fitted):
    table = eb.results_table(*fitted)
    found = table[(table["s_value"] < 0.1) & (table["lfsr"] < 0.45)]
    n_adjusted = (table["adj_p_value"] < 0.1).sum()
    said = eb.sentence(table, "higher in trt", "lower in trt", 0.1)
    assert said.startswith(
        f"{len(found)} of 500 tested genes differ at a false sign rate of 0.1, which counts unchanged genes as errors: "
    )
    assert f"{(found['post_mean'] > 0).sum()} higher in trt, {(found['post_mean'] < 0).sum()} lower in trt" in said
    expected = found["lfsr"].sum()
    assert f"about {expected:.{1 if expected < 10 else 0}f} of them are expected to be wrong. " in said
    assert said.endswith(
        f"Benjamini-Hochberg on the same p-values lists {n_adjusted}, at a false discovery rate of 0.1."
    )
    assert len(found) > 10
    assert n_adjusted > 10


def test_sentence_says_of_an_empty_list_that_it_is_empty(fitted):
    table = eb.results_table(*fitted)
    best = table.loc[table["s_value"].idxmin()]
    said = eb.sentence(table, "higher in trt", "lower in trt", best["s_value"] / 2)
    assert said.startswith("none of 500 tested genes differs at a false sign rate of ")
    assert f"; the smallest s-value is {best['s_value']:.2g} ({best['gene_name']}). Benjamini-Hochberg" in said
    one = eb.sentence(table, "higher in trt", "lower in trt", best["s_value"] * (1 + 1e-12))
    assert "1 of 500 tested genes" in one
    nothing = eb.sentence(table.assign(status="low_count"), "up", "down")
    assert nothing == "no gene was tested."


def test_a_gene_of_either_sign_is_not_in_the_list(fitted):
    """Changed, surely, and nobody knows in which direction: q lists it, the list does not."""
    table = eb.results_table(*fitted).head(4)
    table["lfdr"], table["lfsr"] = [0.0, 0.0, 0.0, 0.001], [0.001, 0.002, 0.003, 0.45]
    table["q_value"], table["s_value"] = (list_rate(table[name].to_numpy()) for name in ("lfdr", "lfsr"))
    assert (table["q_value"] < 0.05).all()
    np.testing.assert_array_equal(in_list(table, 0.05), [True, True, True, False])
    # With many sure genes the mean would allow for a coin toss.
    sure = pd.concat([table.head(3)] * 100 + [table.tail(1).assign(lfsr=0.49)], ignore_index=True)
    sure["s_value"] = list_rate(sure["lfsr"].to_numpy())
    assert sure["lfsr"].mean() < 0.05
    assert in_list(sure, 0.05).sum() == 300
    assert sure["s_value"].max() == 0.49
    # Rows without a result are never in it, whatever they hold.
    assert not in_list(table.assign(status="low_count"), 0.05).any()


def test_where_every_gene_responds_the_list_has_those_of_known_sign(rng):
    """With pi0 = 0 every lfdr is 0, so that q lists all of 2,000 genes, a third of which have signs by chance."""
    theta, se = rng.normal(0, 0.5, 2000), np.full(2000, 0.5)
    effects = eb.effects_from_summary([f"g{i}" for i in range(2000)], theta + rng.normal(0, se), se)
    prior = MixturePrior(weight=np.array([0.0, 1.0]), scale=np.array([0.0, 0.5]))
    table = eb.results_table(effects, eb.posterior(effects, prior))
    assert (table["q_value"] < 0.05).all()
    listed = in_list(table, 0.05)
    wrong = np.sign(theta) != np.sign(table["post_mean"])
    assert 100 < listed.sum() < 1000
    assert wrong.mean() > 0.2
    # Two standard errors of a share of .05 above it.
    assert wrong[listed].mean() < 0.05 + 2 * np.sqrt(0.05 * 0.95 / listed.sum())
    assert table["lfsr"][listed].max() < 0.475


def test_the_list_of_several_rows_is_by_q(fitted):
    table = eb.results_table(*fitted).assign(leading_row="a", lfsr=0.9, s_value=0.9)
    np.testing.assert_array_equal(in_list(table, 0.1), table["q_value"] < 0.1)
    said = eb.sentence(table, "up", "down", 0.1)
    assert f"{(table['q_value'] < 0.1).sum()} of 500 tested genes differ at a false discovery rate of 0.1: " in said
    assert "of them are expected to be false. Benjamini-Hochberg on the same p-values lists " in said
