"""Tables of other tools become effects with the errors and degrees of freedom these tools used."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import REFERENCE, reference
from scipy import stats

import ebgenes as eb
from ebgenes.app.cli import main
from ebgenes.effects.effect_tables import EffectTable, read_effect_table
from ebgenes.effects.summary_statistics import degrees_of_freedom
from ebgenes.errors import InputError
from ebgenes.results.table import STYLES, restyle
from ebgenes.results.table_files import read_table, write_table

TABLES = REFERENCE / "tables"
GENES = ["NA", "nan", "1-Mar", "007", "=cmd()"]


def quietly(path: Path, **options) -> EffectTable:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_effect_table(path, **options)


@pytest.mark.fast
def test_limma_s_errors_and_common_df_come_back():
    """From topTable, which has neither; R's own numbers beside them."""
    effects, truth = quietly(TABLES / "limma.tsv").effects, reference("tables/truth.csv")
    np.testing.assert_allclose(effects.se, truth["limma_se"], rtol=1e-6)
    np.testing.assert_allclose(effects.df, truth["limma_df"], rtol=1e-3)
    assert len(np.unique(effects.df)) == 1
    table = pd.read_csv(TABLES / "limma.tsv", sep="\t", index_col=0)
    ours = 2 * stats.t.sf(np.abs(effects.estimate / effects.se), effects.df)
    np.testing.assert_allclose(ours, table["P.Value"], rtol=2e-3)
    np.testing.assert_allclose(effects.base_mean, 2 ** table["AveExpr"])


def test_edger_s_errors_and_df_come_back():
    """From topTags of glmQLFTest: errors from F, df from F and p, for the few genes of their own too."""
    effects, truth = quietly(TABLES / "edger_ql.tsv").effects, reference("tables/truth.csv")
    table = pd.read_csv(TABLES / "edger_ql.tsv", sep="\t", index_col=0)
    np.testing.assert_allclose((effects.estimate / effects.se) ** 2, table["F"], rtol=1e-9)
    # One gene in which F is too small to tell passes for the others.
    assert np.isclose(effects.df, truth["edger_df"], rtol=5e-3).sum() >= 299
    assert len(np.unique(effects.df)) > 1


@pytest.mark.fast
def test_deseq2_and_ashr_tables_are_read_as_they_are():
    deseq2 = quietly(TABLES / "deseq2.csv")
    table = pd.read_csv(TABLES / "deseq2.csv", index_col=0)
    np.testing.assert_allclose(deseq2.effects.estimate / deseq2.effects.se, table["stat"], rtol=1e-6)
    assert np.isinf(deseq2.effects.df).all()
    assert list(deseq2.screen.gene) == list(table.index)
    flagged = table.index[table["pvalue"].isna()]
    assert list(deseq2.effects.gene[deseq2.effects.status == "outlier"]) == list(flagged)
    ashr = quietly(TABLES / "ashr.csv").effects
    np.testing.assert_allclose(ashr.se, pd.read_csv(TABLES / "ashr.csv")["sebetahat"])


def test_likelihood_ratios_and_p_values_alone(tmp_path):
    z, se = np.array([-3.0, 0.4, 7.0]), np.array([0.2, 0.5, 0.1])
    p_value = 2 * stats.norm.sf(np.abs(z))
    lines = [f"g{i},{b},5,{zz**2},{p}" for i, (b, zz, p) in enumerate(zip(z * se, z, p_value, strict=True))]
    (tmp_path / "lrt.csv").write_text("gene,logFC,logCPM,LR,PValue\n" + "\n".join(lines) + "\n")
    (tmp_path / "exact.csv").write_text(
        "gene,logFC,logCPM,PValue\n" + "\n".join(",".join(line.split(",")[i] for i in (0, 1, 2, 4)) for line in lines)
    )
    for name in ("lrt.csv", "exact.csv"):
        effects = read_effect_table(tmp_path / name).effects
        np.testing.assert_allclose(effects.se, se, rtol=1e-9)
        assert np.isinf(effects.df).all()


@pytest.mark.parametrize("style", ["ebgenes", *(style for style in STYLES if style != "edger")])
def test_what_we_export_comes_back(tmp_path, style):
    """The same estimates, errors and df, and so the same prior, whatever the style.

    But for edgeR's, whose tables have no errors: these are made of its p-values when one is read.
    """
    rng = np.random.default_rng(3)
    theta = np.where(rng.random(400) < 0.7, 0, rng.normal(0, 2, 400))
    effects = eb.effects_from_summary(
        [f"g{i}" for i in range(400)], theta + 0.4 * rng.normal(size=400), np.full(400, 0.4), 7.0
    )
    fit = eb.fit_em(effects)
    table = eb.results_table(effects, eb.posterior(effects, fit.prior))
    write_table(tmp_path / "t.csv", table if style == "ebgenes" else restyle(table, style))
    back = read_effect_table(tmp_path / "t.csv").effects
    assert list(back.gene) == list(effects.gene)
    np.testing.assert_array_equal(back.estimate, effects.estimate)
    np.testing.assert_allclose(back.se, effects.se, rtol=1e-14)
    np.testing.assert_allclose(back.df, effects.df, rtol=1e-9)
    np.testing.assert_allclose(eb.fit_em(back).prior.weight, fit.prior.weight, atol=1e-6)


STYLED = {
    "deseq2.csv": (
        ',"baseMean","log2FoldChange","lfcSE","stat","pvalue","padj"\n'
        '"NA",10.5,1,0.5,2,0.04,NA\n"007",0,NA,NA,NA,NA,NA\n"b",3,-0.25,0.125,-2,0.05,0.1\n',
        {"base_mean": [10.5, 3.0]},
    ),
    "r_deseq2.tsv": (
        "baseMean\tlog2FoldChange\tlfcSE\tstat\nNA\t10.5\t1\t0.5\t2\n007\t0\tNA\tNA\tNA\nb\t3\t-0.25\t0.125\t-2\n",
        {"base_mean": [10.5, 3.0]},
    ),
    "limma.tsv": (
        "ID\tlogFC\tAveExpr\tt\tP.Value\tdf.total\nNA\t1\t4\t2\t0.1\t5.5\n007\tNA\t1\tNA\tNA\t5.5\nb\t-0.25\t2\t-2\t0.1\tInf\n",
        {"base_mean": [16.0, 4.0], "df": [5.5, np.inf]},
    ),
    "ashr.csv": ("id,betahat,sebetahat,df\nNA,1,0.5,3\n007,NA,0.5,3\nb,-0.25,0.125,4\n", {"df": [3.0, 4.0]}),
    "summary.tsv": ("gene\testimate\tse\nNA\t1\t0.5\n007\t\t\nb\t-.25\t1.25e-1\n", {}),
    "ours_elsewhere.csv": ("row,gene_id,log2_fc,se\n1,NA,1,0.5\n2,007,NA,NA\n3,b,-0.25,0.125\n", {}),
    "by_hand.tsv": ("g\tlfc\tsd\nNA\t1\t0.5\n007\tNA\t1\nb\t-.25\t0.125\n", {}),
}


@pytest.mark.parametrize("name", STYLED)
def test_tables_of_other_tools(tmp_path: Path, name: str) -> None:
    content, others = STYLED[name]
    (tmp_path / name).write_text(content, encoding="utf-8")
    columns = {"estimate": "lfc", "se": "sd"} if name.startswith("by_hand") else None
    with pytest.warns(UserWarning, match=r"1 of 3 rows have no effect or standard error and are left out .first: 007"):
        found = read_effect_table(tmp_path / name, columns=columns)
    assert list(found.effects.gene) == ["NA", "b"]
    assert found.effects.estimate.tolist() == [1.0, -0.25]
    assert found.effects.se.tolist() == [0.5, 0.125]
    for quantity, expected in others.items():
        assert getattr(found.effects, quantity).tolist() == expected
    assert list(found.screen.gene) == ["NA", "007", "b"]
    zero = name in ("deseq2.csv", "r_deseq2.tsv")
    assert list(found.screen.status) == ["ok", "all_zero" if zero else "low_count", "ok"]


@pytest.mark.parametrize(
    ("content", "options", "fragment"),
    [
        ("g\testimate\tsem\na\t1\t1\n", {}, "no effect and standard error columns that are known"),
        ("g\testimate\tsem\na\t1\t1\n", {}, "Name them with --columns"),
        (
            "g\testimate\tse\na\t1\t1\nb\tx1\t1\nc\t2\ty\n",
            {},
            "column 'estimate' must hold numbers; 1 of 3 values are not (first: b: 'x1')",
        ),
        ("g\testimate\tse\na\t1,5\t1\n", {}, "must hold numbers; 1 of 1 values are not (first: a: '1,5')"),
        ("g\testimate\tse\na\t1\t1\na\t1\t1\n", {}, "1 names of rows occur more than once (first: 'a')"),
        ("g\tlogFC\tt\tlog2FoldChange\tlfcSE\na\t1\t1\t2\t1\n", {}, "effects of 2 kinds (log2FoldChange, logFC)"),
        ("g\tlfc\tsd\na\t1\t1\n", {"columns": {"estimat": "lfc", "se": "sd"}}, "Did you mean 'estimate'"),
        ("g\tlfc\tsd\na\t1\t1\n", {"columns": {"estimate": "lfc"}}, "one of se, t, f, lr or p"),
        ("g\tlfc\tsd\na\t1\t1\n", {"columns": {"estimate": "lfcs", "se": "sd"}}, "no column 'lfcs'"),
        ("g\testimate\tse\na\tNA\t1\n", {}, "none of 1 rows"),
    ],
)
def test_what_is_no_effect_table(tmp_path: Path, content: str, options: dict, fragment: str) -> None:
    (tmp_path / "table.tsv").write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_effect_table(tmp_path / "table.tsv", **options)
    assert fragment in str(caught.value)


def test_shrunken_effects_are_noticed(tmp_path):
    (tmp_path / "apeglm.csv").write_text("g,baseMean,log2FoldChange,lfcSE,svalue\na,10,1,0.5,0.1\nb,10,2,0.5,0.1\n")
    with pytest.warns(UserWarning, match="shrunk twice"):
        read_effect_table(tmp_path / "apeglm.csv")


def test_degrees_of_freedom_from_statistics_and_p_values(rng):
    t = rng.normal(0, 3, 500)
    for df in (1.5, 8.0, 300.0):
        p_value = np.round(2 * stats.t.sf(np.abs(t), df), 12)
        # Twelve digits of a p-value say little of 300.
        np.testing.assert_allclose(degrees_of_freedom(t, p_value), df, rtol=1e-3 if df < 100 else 0.25)
    assert np.isinf(degrees_of_freedom(t, 2 * stats.norm.sf(np.abs(t)))).all()
    own = np.where(np.arange(500) % 50 == 0, 4.0, 12.0)
    found = degrees_of_freedom(np.abs(t) + 1, 2 * stats.t.sf(np.abs(t) + 1, own))
    np.testing.assert_allclose(found, own, rtol=1e-6)
    assert np.isinf(degrees_of_freedom(np.zeros(3), np.ones(3))).all()


@pytest.mark.parametrize("name", ["deseq2.csv", "edger_ql.tsv", "limma.tsv", "ashr.csv"])
def test_from_a_tool_s_table_to_ours(tmp_path: Path, name: str) -> None:
    """`ebgenes prior TABLE`, end to end; every gene of the table has a row."""
    out = ["--out", str(tmp_path / "prior.json"), "--table", str(tmp_path / "genes.tsv")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert main(["prior", str(TABLES / name), *out, "--figures", str(tmp_path / "volcano.png")]) == 0
    table = read_table(tmp_path / "genes.tsv")
    separator = "\t" if name.endswith("tsv") else ","
    rows = pd.read_csv(TABLES / name, sep=separator, index_col=0, keep_default_na=False).index
    assert table["gene_id"].tolist() == list(rows)
    assert table.loc[table["status"].isin(["ok", "outlier"]), "lfdr"].between(0, 1).all()
    assert (table["q_value"] < 0.05).sum() > 5
    assert (tmp_path / "volcano.png").stat().st_size > 10_000


def test_mistakes_leave_nothing_behind(tmp_path, capsys):
    (tmp_path / "t.tsv").write_text("g\tlfc\tsd\na\t1\t1\n")
    for extra in ([], ["--columns", "[1]"], ["--columns", "{estimate: lfc, se: nothing}"]):
        assert main(["prior", str(tmp_path / "t.tsv"), *extra, "--out", str(tmp_path / "p.json")]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(SystemExit) as end:
        main(["prior", str(tmp_path / "t.tsv"), "--df", "0", "--out", str(tmp_path / "p.json")])
    assert end.value.code == 2
    assert not (tmp_path / "p.json").exists()
