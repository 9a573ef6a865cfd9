"""Counts in memory -> a result, in one call, and the manners of pertpy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from formulaic_contrasts import FormulaicContrasts
from pandas.testing import assert_frame_equal
from scipy.sparse import csc_matrix, csr_matrix

import ebgenes as eb
from ebgenes.design.matrix import read_model

pytestmark = pytest.mark.fast

DESIGN, QUESTION = "~ group", ("group", "control", "treated")


@pytest.fixture(scope="module")
def simulated() -> object:
    return eb.simulate_counts(np.random.default_rng(5), n_genes=400, n_per_group=3, pi0=0.7)


@pytest.fixture(scope="module")
def sheet(simulated) -> pd.DataFrame:
    return simulated.samples


@pytest.fixture(scope="module")
def frame(simulated) -> pd.DataFrame:
    counts = simulated.counts
    return pd.DataFrame(counts.count, index=list(counts.gene), columns=list(counts.sample))


@pytest.fixture(scope="module")
def adata(frame, sheet) -> AnnData:
    var = pd.DataFrame({"symbol": [f"SYM{i}" for i in range(len(frame))]}, index=frame.index)
    return AnnData(X=frame.T.to_numpy(dtype=np.float32), obs=sheet.loc[frame.columns], var=var)


@pytest.fixture(scope="module")
def result(adata) -> eb.Result:
    return eb.test(adata, DESIGN, QUESTION)


QUICK = {"effects": {"engine": "moderated_t"}}
"""Settings for what is of counts and contrasts, whichever engine fits them."""


@pytest.fixture(scope="module")
def quick(adata) -> eb.Result:
    return eb.test(adata, DESIGN, QUESTION, **QUICK)


def test_is_the_steps_one_after_the_other(result, simulated, sheet):
    """The one call is no second way to compute: it is bit for bit what the steps give."""
    design = eb.build_design(sheet, DESIGN, contrast=eb.compare(QUESTION[0], baseline=QUESTION[1], target=QUESTION[2]))
    counts = simulated.counts
    screen = eb.screen_genes(counts, design)
    effects = eb.fit_effects(eb.normalize(eb.keep_expressed(counts, screen)), design)
    table = eb.results_table(effects, eb.posterior(effects, eb.fit_em(effects).prior))
    ours = result.table[result.table["status"].isin(["ok", "outlier"])]
    numbers = ["log2_fc", "se", "p_value", "post_mean", "lfdr", "lfsr", "s_value"]
    assert_frame_equal(
        ours.set_index("gene_id")[numbers], table.set_index("gene_id")[numbers].loc[ours["gene_id"]], check_exact=True
    )


@pytest.mark.parametrize("form", ["frame", "turned", "records", "csr", "csc", "layer", "raw", "shuffled"])
def test_every_form_of_counts_gives_the_same_table(form, quick, frame, sheet, simulated, adata):
    data, more = frame, {"samples": sheet}
    if form == "turned":
        data = frame.T
    elif form == "records":
        data = simulated.counts
    elif form == "shuffled":
        data, more = frame[frame.columns[::-1]], {"samples": sheet}
    elif form not in ("frame",):
        more = {}
        data = adata.copy()
        if form in ("csr", "csc"):
            data.X = (csr_matrix if form == "csr" else csc_matrix)(data.X)
        elif form == "layer":
            data.layers["raw_counts"] = data.X.copy()
            data.X = np.log1p(data.X)
            more = {"layer": "raw_counts"}
        else:
            data.raw = data
            data.X = np.log1p(data.X)
            more = {"layer": "raw"}
    found = eb.test(data, DESIGN, QUESTION, **QUICK, **more)
    assert_frame_equal(found.table.drop(columns="gene_name"), quick.table.drop(columns="gene_name"), check_exact=True)
    turned = [note for note in found.notes if "turned" in note]
    assert bool(turned) == (form == "turned")


@pytest.mark.parametrize(
    "contrast",
    [
        eb.compare("group", baseline="control", target="treated"),
        {"column": "group", "baseline": "control", "target": "treated"},
        {"group[T.treated]": 1.0},
        pd.Series({"Intercept": 0.0, "group[T.treated]": 1.0}),
        eb.combine({"group[T.treated]": 1}),
    ],
)
def test_every_form_of_a_contrast(contrast, quick, adata):
    found = eb.test(adata, DESIGN, contrast, **QUICK)
    assert_frame_equal(found.table, quick.table, check_exact=True)


def test_names_come_from_var_or_the_caller(result, frame, sheet):
    assert result.table["gene_name"].iloc[3] == "SYM3"
    named = eb.test(frame, DESIGN, QUESTION, samples=sheet, names={frame.index[3]: "<b>TP53</b>"})
    assert named.gene("<b>TP53</b>").row["gene_id"] == frame.index[3]
    assert "<b>TP53" not in named.gene("<b>TP53</b>")._repr_html_()


def test_shows_what_was_found(result, tmp_path):
    shown = repr(result)
    assert result.words[0] in shown
    assert len(shown.splitlines()) < 20
    surest = result.discoveries.iloc[0]
    assert surest["gene_id"] in shown
    assert surest["gene_id"] in result._repr_html_()
    gene = result.gene(surest["gene_name"])
    kept = gene.counts
    assert list(kept["count"]) == [int(value) for value in kept["count"]]
    ratio = (
        kept["normalized"][kept["group"] == "treated"].mean() / kept["normalized"][kept["group"] == "control"].mean()
    )
    assert np.log2(ratio) == pytest.approx(surest["log2_fc"], abs=0.3)
    assert f"{surest['post_mean']:+.2f}" in repr(gene)
    assert len(result.volcano().axes) >= 1
    assert result.ma()._repr_png_().startswith(b"\x89PNG")
    page = result.report(tmp_path / "page.html").read_text(encoding="utf-8")
    assert surest["gene_name"] in page


def test_a_gene_without_a_result_says_why(frame, sheet):
    silent = frame.copy()
    silent.iloc[0] = 0
    gene = eb.test(silent, DESIGN, QUESTION, samples=sheet).gene(str(frame.index[0]))
    assert "has no result: all_zero" in repr(gene)
    assert gene.counts["count"].isna().all()


def test_results_go_into_an_anndata(result, adata):
    mine = adata.copy()
    result.add_to(mine)
    stored = mine.varm["ebgenes_treated_vs_control"]
    assert list(stored.index) == list(mine.var_names)
    np.testing.assert_array_equal(stored["lfdr"], result.table["lfdr"])
    own = result.to_adata()
    assert own.n_vars == int((result.table["status"].isin(["ok", "outlier"])).sum())
    assert own.uns["ebgenes_treated_vs_control"]["words"] == result.words


def test_settings_are_those_of_the_config(adata, result):
    found = eb.test(adata, DESIGN, QUESTION, effects={"engine": "moderated_t"}, report={"level": 0.2})
    assert found.fit.summary["engine"]["name"] == "moderated_t"
    assert found.level == 0.2
    fewer = eb.test(adata, DESIGN, QUESTION, exclude=[adata.obs_names[0]], **QUICK)
    assert len(fewer.gene(result.table["gene_name"].iloc[0]).counts) == adata.n_obs - 1
    assert any("left out as asked" in note for note in fewer.notes)


def _decimals(adata):
    return AnnData(X=np.asarray(adata.X) + 0.5, obs=adata.obs, var=adata.var)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda a, f, s: eb.test(f, DESIGN, QUESTION), "brings no sample sheet. Give samples="),
        (lambda a, f, s: eb.test([1, 2], DESIGN, QUESTION, samples=s), "the counts are a list. Give an AnnData"),
        (lambda a, f, s: eb.test(_decimals(a), DESIGN, QUESTION), "whole"),
        (lambda a, f, s: eb.test(a, "~ grop", QUESTION), "Did you mean 'group'"),
        (lambda a, f, s: eb.test(a, DESIGN, ("group", "control", "treatd")), "Did you mean 'treated'"),
        (lambda a, f, s: eb.test(a, DESIGN, 7), "the contrast is 7. Give (column, baseline, target)"),
        (lambda a, f, s: eb.test(a, DESIGN, QUESTION, layer="cuonts"), "has no layer 'cuonts'"),
        (lambda a, f, s: eb.test(f, DESIGN, QUESTION, samples=s, layer="x"), "has no layers such as 'x'"),
        (lambda a, f, s: eb.test(a, DESIGN, QUESTION, exlude=["x"]), "exlude: unknown key"),
        (lambda a, f, s: eb.test(a, DESIGN, QUESTION, prior={"fit": "mcmc"}), "prior.fit: found 'mcmc'"),
        (
            lambda a, f, s: eb.test(f.iloc[:, :-1], DESIGN, QUESTION, samples=s),
            "1 in the sheet only (first: treated-3)",
        ),
        (lambda a, f, s: eb.test(pd.concat([f, f]), DESIGN, QUESTION, samples=s), "repeated genes"),
        (lambda a, f, s: eb.test(a, DESIGN, QUESTION, samples=dict(s)), "samples is a dict"),
        (lambda a, f, s: eb.EBGenes(a, DESIGN, mask="hvg"), "mask names 'hvg'"),
        (lambda a, f, s: eb.EBGenes(a, DESIGN).cond(grop="treated"), "Did you mean 'group'"),
        (lambda a, f, s: eb.EBGenes(a, DESIGN).cond(group="x"), "not a level of column 'group'"),
    ],
)
def test_a_mistake_gives_one_message(call, words, adata, frame, sheet):
    with pytest.raises(eb.InputError, match=r".") as caught:
        call(adata, frame, sheet)
    assert words in str(caught.value)


def test_an_unknown_gene_gets_a_hint(result):
    with pytest.raises(eb.InputError, match="Did you mean 'SYM12'"):
        result.gene("SYM12 ")


def test_pertpy_manners(adata, result):
    model = eb.EBGenes(adata, DESIGN)
    model.fit()
    found = model.test_contrasts(model.contrast("group", "control", "treated"))
    assert {"variable", "log_fc", "p_value", "adj_p_value", "contrast"} <= set(found.columns)
    assert found["p_value"].is_monotonic_increasing
    ours = result.table.set_index("gene_id").loc[found["variable"]]
    np.testing.assert_array_equal(found["log_fc"], ours["log2_fc"])
    several = eb.EBGenes.compare_groups(adata, "group", "control", ["treated"])
    assert set(several["contrast"]) == {"treated"}
    np.testing.assert_array_equal(several["p_value"], found["p_value"])


@pytest.fixture(scope="module")
def factorial() -> pd.DataFrame:
    rows = [(site, drug, float(dose)) for site in "abc" for drug in ("no", "yes") for dose in (1, 2)]
    return pd.DataFrame(rows, columns=["site", "drug", "dose"], index=[f"s{i}" for i in range(12)])


@pytest.mark.parametrize("formula", ["~ site * drug", "~ 0 + site + drug", "~ site + drug * dose", "~ C(dose) + drug"])
def test_cells_are_those_of_formulaic_contrasts(formula, factorial):
    model = read_model(factorial, formula)
    theirs = FormulaicContrasts(factorial, formula)
    cells = [{"site": site, "drug": drug, "dose": 2.0} for site in "ab" for drug in ("no", "yes")]
    for levels in cells:
        known = {column: level for column, level in levels.items() if column in model.used}
        ours, told = eb.cell_weights(model, known), theirs.cond(**dict(known))
        assert list(ours.index) == list(told.index)
        np.testing.assert_array_equal(ours.to_numpy(), told.to_numpy(dtype=float))
    if "0 +" not in formula and "C(" not in formula:
        # What is not told stands at its first level, numbers at 0.
        np.testing.assert_array_equal(eb.cell_weights(model, {"drug": "yes"}), theirs.cond(drug="yes").to_numpy(float))


def test_marginal_means_are_averages_of_cells(factorial):
    model = read_model(factorial, "~ site * drug")
    each = [eb.cell_weights(model, {"drug": "yes", "site": site}) for site in "abc"]
    mean = eb.cell_weights(model, {"drug": "yes"}, ["site"])
    np.testing.assert_allclose(mean, sum(each) / 3, rtol=1e-15)
    # Three sites of equal size: the average effect is the difference of the drugs' plain means.
    y = np.random.default_rng(0).standard_normal(12)
    fitted = np.linalg.lstsq(model.matrix, y, rcond=None)[0]
    plain = y[(factorial["drug"] == "yes").to_numpy()].mean() - y[(factorial["drug"] == "no").to_numpy()].mean()
    weight = mean - eb.cell_weights(model, {"drug": "no"}, ["site"])
    assert float(weight.to_numpy() @ fitted) == pytest.approx(plain, abs=1e-12)


@pytest.mark.parametrize(("over", "words"), [(["dose"], "holds numbers"), (["drug"], "has a level too")])
def test_averages_are_over_factors_that_are_free(over, words, factorial):
    model = read_model(factorial, "~ site * drug + dose")
    with pytest.raises(eb.InputError, match=words):
        eb.cell_weights(model, {"drug": "yes"}, over)
