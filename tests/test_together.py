"""Contrasts and cell types taken together: correlations of errors, sharing in words, and the files of a run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from cells import TYPES, write_study

import ebgenes as eb
from ebgenes.analyses.conditions.error_correlation import (
    Condition,
    design_correlation,
    joined,
    normal_se,
    residual_correlation,
)
from ebgenes.analyses.conditions.multivariate_tables import CONDITION_COLUMNS, GENE_COLUMNS
from ebgenes.analyses.conditions.sharing import gene_patterns, sharing, sharing_sentence
from ebgenes.app.cli import main
from ebgenes.app.conditions import write_together
from ebgenes.app.config import parse_config
from ebgenes.app.prepare import plan_cell_types, prepare_cell_type, sum_dataset
from ebgenes.app.steps import estimate
from ebgenes.data import h5ad
from ebgenes.errors import InputError, InputErrors
from ebgenes.files import write_json
from ebgenes.posteriors.fdr import p_values
from ebgenes.records.posterior import MultivariatePosterior
from ebgenes.results.storage import read_multivariate_prior, write_effects


def test_small_p_values_make_normal_errors_wider():
    """At the new standard error a normal has the p-value that t has; df 4, from small effects to large ones."""
    estimate = np.array([0.7, 1.5, 3.0, -6.0])
    effects = eb.effects_from_summary(range(4), estimate, np.ones(4), df=4.0)
    told = eb.effects_from_summary(range(4), estimate, np.ones(4))
    with pytest.raises(ValueError, match="p-values"):
        normal_se(effects)
    wide = normal_se(replace(effects, p_value=p_values(effects)))
    again = eb.effects_from_summary(range(4), estimate, wide)
    np.testing.assert_allclose(p_values(again), p_values(effects), rtol=1e-10)
    np.testing.assert_allclose(normal_se(replace(told, p_value=p_values(told))), 1, rtol=1e-10)


@pytest.mark.fast
@pytest.mark.parametrize("correlation", [-0.5, 0.0, 0.3, 0.8])
def test_correlation_of_errors_comes_back_from_null_genes(correlation):
    """20,000 genes, a tenth with effects in both conditions; the sampling error of a truncated sample is about .01."""
    rng = np.random.default_rng(2)
    z = rng.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], 20_000)
    assert abs(residual_correlation(z[:, 0], z[:, 1]) - correlation) < 0.03
    z[:2000] += 5
    assert abs(residual_correlation(z[:, 0], z[:, 1]) - correlation) < 0.03
    assert residual_correlation(z[:20, 0], z[:20, 1]) == 0.0


def test_contrasts_with_a_common_control_are_correlated_by_half():
    samples = pd.DataFrame({"drug": ["no"] * 3 + ["a"] * 3 + ["b"] * 3}, index=[f"s{i}" for i in range(9)])
    effects = eb.effects_from_summary(["g"], [1.0], [1.0])
    made = []
    for target in ("a", "b"):
        design = eb.build_design(samples, "~ drug", eb.compare("drug", baseline="no", target=target))
        made.append(Condition(name=target, effects=effects, design=design, study=""))
    assert design_correlation(*made) == pytest.approx(0.5, abs=1e-12)


def posterior_of(mean: Any, lfsr: Any) -> MultivariatePosterior:
    mean, lfsr = np.array(mean, dtype=float), np.array(lfsr, dtype=float)
    zero = np.zeros_like(mean)
    return MultivariatePosterior(
        condition=["T cells", "B cells", "NK cells"], mean=mean, sd=zero, lfsr=lfsr, lfdr=zero,
        prob_up=zero, prob_down=zero, lfdr_all=zero[:, 0], pattern_share=zero[:, :1],
    )  # fmt: skip


@pytest.mark.fast
def test_sharing_is_counted_and_told():
    post = posterior_of(
        [[1, 1.5, 0.1], [1, -1, 0], [2, 0.5, 0], [1, 1, 1], [0, 0, 0]],
        [[0.01, 0.01, 0.9], [0.01, 0.01, 0.9], [0.01, 0.3, 0.9], [0, 0, 0], [0.9, 0.9, 0.9]],
    )
    assert gene_patterns(post) == [
        "up in T cells and B cells: same direction",
        "up in T cells, down in B cells: opposite directions",
        "up in T cells",
        "up in all 3 conditions: same direction",
        "in no condition",
    ]
    found = sharing(post)
    assert found.n_genes[0, 1] == 4
    assert found.sign[0, 1] == 0.75
    assert found.size[0, 1] == 0.5
    np.testing.assert_array_equal(found.sign, found.sign.T)
    words = sharing_sentence(post, found, 0.05)
    assert "4 of 5 genes change in at least one of 3 conditions" in words
    assert "1 of them in all" in words


def test_genes_of_any_condition_are_joined():
    first = eb.effects_from_summary(["a", "b"], [1.0, 2.0], [0.1, 0.2])
    second = eb.effects_from_summary(["c", "b"], [3.0, 4.0], [0.3, 0.4])
    samples = pd.DataFrame({"x": list("aabb")}, index=list("1234"))
    design = eb.build_design(samples, "~ x", eb.compare("x", baseline="a", target="b"))
    made = [
        Condition(name=name, effects=replace(each, p_value=p_values(each)), design=design, study=name)
        for name, each in (("x", first), ("y", second))
    ]
    gene, estimate, se = joined(made)
    assert list(gene) == ["a", "b", "c"]
    np.testing.assert_array_equal(estimate, [[1, np.nan], [2, 4], [np.nan, 3]])
    np.testing.assert_allclose(se, [[0.1, np.nan], [0.2, 0.4], [np.nan, 0.3]], rtol=1e-10)


@pytest.fixture(scope="module")
def groups(tmp_path_factory) -> tuple[Path, dict[str, Any]]:
    """Three groups of three samples: both treatments move the same tenth of the genes, the second others besides."""
    folder = tmp_path_factory.mktemp("groups")
    rng = np.random.default_rng(6)
    n = 400
    effect = np.zeros((n, 3))
    effect[:40, 1:] = rng.normal(0, 2, (40, 1))
    effect[40:60, 2] = rng.normal(0, 2, 20)
    mean = np.exp(rng.normal(5, 1, n))[:, None] * 2.0 ** np.repeat(effect, 3, axis=1)
    count = rng.negative_binomial(20, 20 / (20 + mean))
    samples = [f"s{i}" for i in range(9)]
    frame = pd.DataFrame(count, index=[f"g{i}" for i in range(n)], columns=samples)
    frame.to_csv(folder / "counts.tsv", sep="\t", index_label="gene_id")
    sheet = pd.DataFrame({"group": np.repeat(["none", "low", "high"], 3)}, index=samples)
    sheet.to_csv(folder / "samples.tsv", sep="\t", index_label="sample")
    config = {
        "outdir": str(folder / "out"),
        "effects": {"engine": "moderated_t", "hidden_factors": 0},
        "datasets": {
            "study": {
                "counts": str(folder / "counts.tsv"),
                "samples": str(folder / "samples.tsv"),
                "design": "~ group",
                "contrasts": {
                    name: {"column": "group", "baseline": "none", "target": name} for name in ("low", "high")
                },
                "multivariate": {"doses": {}},
            }
        },
    }
    return folder, config


def test_contrasts_taken_together_leave_their_files(groups, capsys):
    folder, config = groups
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    assert main(["check", str(path)]) == 0
    assert "study/doses: 2 contrasts taken together" in capsys.readouterr().out
    assert main(["run", str(path)]) == 0
    made = folder / "out" / "study" / "multivariate" / "doses"
    assert {each.name for each in made.iterdir()} == {
        "multivariate.json", "multivariate.tsv", "conditions.tsv", "sharing.png", "sharing.svg",
    }  # fmt: skip
    _, summary = read_multivariate_prior(made / "multivariate.json")
    assert summary["error_correlation"][0][1] == pytest.approx(0.5, abs=1e-9)
    genes = pd.read_csv(made / "multivariate.tsv", sep="\t", keep_default_na=False)
    rows = pd.read_csv(made / "conditions.tsv", sep="\t")
    assert list(genes.columns) == list(GENE_COLUMNS)
    assert list(rows.columns) == list(CONDITION_COLUMNS)
    assert len(rows) == 2 * len(genes) == 2 * summary["n_genes"]
    shared = genes["gene_id"].isin([f"g{i}" for i in range(40)])
    assert genes.loc[shared, "n_changed"].mean() > 1.2
    assert genes.loc[~shared & ~genes["gene_id"].isin([f"g{i}" for i in range(60)]), "n_changed"].sum() <= 5
    page = (folder / "out" / "study" / "report.html").read_text()
    assert summary["words"].split(" (")[0] in page
    assert "Taken together: <bdi>doses</bdi>" in page
    # The step by itself writes the same bytes.
    before = {each.name: each.read_bytes() for each in made.iterdir()}
    assert main(["multivariate", str(path), "--dataset", "study", "--name", "doses"]) == 0
    assert before == {each.name: each.read_bytes() for each in made.iterdir()}
    assert main(["multivariate", str(path), "--dataset", "study", "--name", "dose"]) == 2


@pytest.mark.fast
def test_cell_types_taken_together(tmp_path):
    """From the files that a run leaves; tests/workflow has the whole run."""
    section = {"all": {}, "two": {"cell_types": TYPES[:2]}, "odd": {"cell_types": ["B cel"]}}
    content = {**write_study(tmp_path), "multivariate": section}
    config = parse_config({"datasets": {"cells": content}, "effects": {"engine": "moderated_t", "hidden_factors": 0}})
    dataset = config.datasets["cells"]
    sums = sum_dataset(dataset)
    plan = plan_cell_types(dataset, sums, "median_ratio")
    write_json(tmp_path / "cell_types.json", plan)
    for folder, part in plan.items():
        if part["contrasts"]:
            study = prepare_cell_type(dataset, sums, part["cell_type"], "median_ratio")
            design = eb.build_design(study.samples, "~ group", eb.compare(**dataset.contrasts["treatment"]))
            h5ad.write_study(tmp_path / folder / "counts.h5ad", study)
            write_effects(tmp_path / folder / "treatment" / "effects.h5", estimate(study, design, config.effects))
    write_together(tmp_path, "all", dataset, config)
    told = json.loads((tmp_path / "multivariate" / "all" / "multivariate.json").read_text())
    assert sorted(told["condition"]) == sorted(TYPES)
    assert np.abs(np.array(told["error_correlation"]) - np.eye(3)).max() < 0.5
    rows = pd.read_csv(tmp_path / "multivariate" / "all" / "conditions.tsv", sep="\t", keep_default_na=False)
    assert set(rows["condition"]) == set(TYPES)
    write_together(tmp_path, "two", dataset, config)
    two = pd.read_csv(tmp_path / "multivariate" / "two" / "conditions.tsv", sep="\t", keep_default_na=False)
    assert set(two["condition"]) == set(TYPES[:2])
    with pytest.raises(InputError, match="no cell type 'B cel'"):
        write_together(tmp_path, "odd", dataset, config)


def test_mistakes_in_what_is_taken_together_are_told(groups, capsys):
    folder, config = groups
    study = config["datasets"]["study"]
    contrasts = {**study["contrasts"], "step": {"column": "group", "baseline": "low", "target": "high"}}

    def with_section(**section: Any) -> dict[str, Any]:
        return {**config, "datasets": {"study": {**study, "multivariate": section}}}

    wrong = with_section(doses={"contrasts": ["low", "hihg"], "cell_types": ["T"]}, low={"contrasts": ["low"]})
    with pytest.raises(InputErrors) as found:
        parse_config(wrong)
    text = str(found.value)
    for words in (
        "'hihg' is no contrast",
        "no section pseudobulk",
        "one contrast cannot",
        "a contrast has the same name",
    ):
        assert words in text
    dependent = {**config, "datasets": {"study": {**study, "contrasts": contrasts}}}
    path = folder / "dependent.yaml"
    path.write_text(yaml.safe_dump(dependent))
    assert main(["check", str(path)]) == 2
    assert "not independent" in capsys.readouterr().err
