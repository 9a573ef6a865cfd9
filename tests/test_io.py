"""Files: whatever is written reads back exactly, and appears whole or not at all."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anndata
import h5py
import numpy as np
import openpyxl
import pandas as pd
import pytest
from scipy import sparse

import ebgenes as eb
from ebgenes import files
from ebgenes.arrays import text_array
from ebgenes.data.count_tables import read_offsets
from ebgenes.data.h5ad import read_screen, read_study, write_study
from ebgenes.data.reading import read_counts
from ebgenes.data.sheets import read_gene_names, read_samples
from ebgenes.effects.summary_statistics import effects_from_summary
from ebgenes.errors import InputError
from ebgenes.files import _all_whole, whole as whole_file, write_bytes, write_json
from ebgenes.records.counts import Counts, Screen, Study
from ebgenes.records.effects import Effects
from ebgenes.records.prior import EmFit, MixturePrior
from ebgenes.results import table_files
from ebgenes.results.ranges import SHARES, SIZES
from ebgenes.results.storage import read_effects, read_prior, write_effects
from ebgenes.results.summary import summarize
from ebgenes.results.table import COLUMNS, TEXT_COLUMNS, ranking, restyle
from ebgenes.results.table_files import read_table, write_results_h5ad, write_simulation, write_table

GENES = [
    "NA",
    "nan",
    "1-Mar",
    "007",
    "TRUE",
    "1e5",
    "two words",
    "ünï-Ωコ",
    'say "hi"',
    "it's",
    "a\tb",
    "=1+1",
    "#x",
    "-",
]
SAMPLES = ["S-1", "my sample", "1", "007", "NA", "2.50"]
HARD_FLOATS = [5e-324, 1e300, -1e-300, 0.1, 1 / 3, np.nextafter(1, 2), -0.0, 2.0**53 + 2, np.nan, np.pi]


def some_counts() -> Counts:
    rng = np.random.default_rng(3)
    count = rng.poisson(50, (len(GENES), len(SAMPLES)))
    count[0, 0] = 2**53 - 1
    count[1] = 0
    return Counts(gene=text_array(GENES), sample=text_array(SAMPLES), count=count)


def assert_same_counts(found: Counts, expected: Counts) -> None:
    assert found.gene.tolist() == expected.gene.tolist()
    assert found.sample.tolist() == expected.sample.tolist()
    np.testing.assert_array_equal(found.count, expected.count)
    assert found.count.dtype == np.int64


def quoted(value: object, separator: str) -> str:
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if separator in text or '"' in text else text


def as_text(counts: Counts, separator: str = "\t", newline: str = "\n", corner: str | None = "gene_id") -> bytes:
    """The table written by hand; `corner` None: without a name for the column of row names, as R does."""
    first = [] if corner is None else [corner]
    rows = [first + counts.sample.tolist()]
    rows += [[gene, *row] for gene, row in zip(counts.gene, counts.count.tolist(), strict=True)]
    return "".join(separator.join(quoted(cell, separator) for cell in row) + newline for row in rows).encode()


def spelled(counts: Counts, number: str) -> bytes:
    """Counts spelled another way: 12.0, 1.2e1."""
    rows = ["gene_id\t" + "\t".join(counts.sample)]
    for gene, row in zip(counts.gene, counts.count, strict=True):
        rows.append("\t".join([quoted(gene, "\t"), *(number.format(float(value)) for value in row)]))
    return ("\n".join(rows) + "\n").encode()


TEXTS = {
    "counts.tsv": lambda c: as_text(c),
    "counts.csv": lambda c: as_text(c, ","),
    "counts.tsv.gz": lambda c: gzip.compress(as_text(c)),
    "counts.csv.gz": lambda c: gzip.compress(as_text(c, ",")),
    "counts.txt": lambda c: as_text(c),
    "r_header.tsv": lambda c: as_text(c, corner=None),
    "r_header.csv": lambda c: as_text(c, ",", corner=None),
    "r_write_csv.csv": lambda c: as_text(c, ",", corner=""),
    "crlf.tsv": lambda c: as_text(c, newline="\r\n"),
    "crlf.csv": lambda c: as_text(c, ",", "\r\n"),
    "bom.tsv": lambda c: b"\xef\xbb\xbf" + as_text(c),
    "bom_crlf.csv.gz": lambda c: gzip.compress(b"\xef\xbb\xbf" + as_text(c, ",", "\r\n")),
    "no_last_newline.tsv": lambda c: as_text(c).rstrip(b"\n"),
    "point_zero.tsv": lambda c: spelled(c, "{:.1f}"),
    "exponent.tsv": lambda c: spelled(c, "{:.17e}"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_counts_as_text_are_all_the_same(tmp_path: Path, name: str) -> None:
    counts = some_counts()
    (tmp_path / name).write_bytes(TEXTS[name](counts))
    assert_same_counts(read_counts(tmp_path / name), counts)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int32, np.uint16, np.uint64])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize("layer", [None, "raw"])
def test_counts_of_h5ad_are_all_the_same(tmp_path: Path, dtype: Any, container: Any, layer: str | None) -> None:
    whole = some_counts()
    counts = Counts(gene=whole.gene, sample=whole.sample, count=np.minimum(whole.count, 60_000))
    matrix = container(counts.count.T.astype(dtype))
    obs, var = pd.DataFrame(index=counts.sample.tolist()), pd.DataFrame(index=counts.gene.tolist())
    if layer is None:
        adata = anndata.AnnData(matrix, obs=obs, var=var)
    else:
        adata = anndata.AnnData(np.full(matrix.shape, 0.5), obs=obs, var=var, layers={layer: matrix})
    adata.write_h5ad(tmp_path / "counts.h5ad")
    assert_same_counts(read_counts(tmp_path / "counts.h5ad", layer=layer), counts)
    assert_same_counts(eb.counts_from_anndata(adata, layer=layer), counts)


@pytest.mark.parametrize(
    ("value", "fragment"),
    [(-1.0, "'-1.0'"), (2.5, "'2.5'"), (np.nan, "'nan'"), (np.inf, "'inf'"), (2.0**60, "'1.15")],
)
def test_bad_values_in_h5ad_are_named(tmp_path: Path, value: float, fragment: str) -> None:
    counts = some_counts()
    matrix = counts.count.T.astype(float)
    matrix[2, 3] = value
    adata = anndata.AnnData(matrix, obs=pd.DataFrame(index=SAMPLES), var=pd.DataFrame(index=GENES))
    adata.write_h5ad(tmp_path / "counts.h5ad")
    with pytest.raises(InputError, match=r"1 of 14 genes in sample 1 are not \(first: 007") as caught:
        read_counts(tmp_path / "counts.h5ad")
    assert fragment in str(caught.value)


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_integers_beyond_exact_floats_are_refused(dtype: Any) -> None:
    matrix = np.full((2, 3), 7, dtype=dtype)
    matrix[1, 2] = 2**53 + 1
    with pytest.raises(InputError, match=r"1 of 3 genes in sample 1 are not \(first: 2: '9007199254740993'\)"):
        eb.counts_from_anndata(anndata.AnnData(matrix))


def test_repeated_names_in_h5ad_give_one_message_and_no_warning(tmp_path: Path) -> None:
    adata = anndata.AnnData(np.ones((2, 3)))
    with h5py.File(tmp_path / "counts.h5ad", "w") as file:
        adata.write_h5ad(tmp_path / "plain.h5ad")
        with h5py.File(tmp_path / "plain.h5ad") as plain:
            for key in plain:
                plain.copy(key, file)
            file.attrs.update(plain.attrs)
        file["var/_index"][:] = ["a", "b", "a"]
    with pytest.raises(InputError, match=r"1 names of genes occur more than once \(first: 'a'\)"):
        read_counts(tmp_path / "counts.h5ad")


SHEET = {
    "text": ["a", "NA", "c", "1-Mar", "TRUE", "007"],
    "code": ["001", "002", "003", "004", "005", "010"],
    "whole": [1, 2, 3, 4, 5, 10],
    "real": [0.1, -2.5, 1e-3, 3.0, 1e10, 0.0],
    "mixed": [1.0, 2.0, np.nan, 4.0, 5.0, 6.0],
    "word": ["1", "2", "NA", "4", "5", "6 d"],
    "a/b (mg)": ["x y", "ü", '"', "a,b", "-", "0x1"],
}


def some_sheet() -> pd.DataFrame:
    return pd.DataFrame(SHEET, index=pd.Index(SAMPLES, name="sample id"))


@pytest.mark.parametrize("suffix", ["tsv", "csv", "csv.gz"])
def test_sample_sheet_reads_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"samples.{suffix}"
    some_sheet().to_csv(path, sep="\t" if suffix == "tsv" else ",")
    found = read_samples(path)
    pd.testing.assert_frame_equal(found, some_sheet(), check_exact=True)
    assert [found[name].dtype.kind for name in SHEET] == ["O", "O", "i", "f", "f", "O", "O"]


def some_study(*, offsets: bool = False, sheet: pd.DataFrame | None = None) -> Study:
    counts = some_counts()
    rng = np.random.default_rng(5)
    log_size = rng.normal(size=counts.count.shape if offsets else len(SAMPLES))
    screen = Screen(
        gene=text_array([*GENES, "dropped", "None"]),
        status=text_array(["ok"] * len(GENES) + ["low_count", "all_zero"]),
        base_mean=np.append(rng.gamma(1.0, 100.0, len(GENES)), [5e-324, 0.0]),
        name=text_array([f"name {gene}" for gene in GENES] + ["NA", ""]),
    )
    kept = Counts(gene=counts.gene, sample=counts.sample, count=counts.count, log_size=log_size)
    return Study(counts=kept, samples=some_sheet() if sheet is None else sheet, screen=screen)


def assert_same_screen(found: Screen, expected: Screen) -> None:
    for name in ("gene", "status", "name", "base_mean"):
        assert getattr(found, name).tolist() == getattr(expected, name).tolist()


@pytest.mark.parametrize("offsets", [False, True])
def test_study_reads_back(tmp_path: Path, offsets: bool) -> None:
    study = some_study(offsets=offsets)
    write_study(tmp_path / "counts.h5ad", study)
    found = read_study(tmp_path / "counts.h5ad")
    assert_same_counts(found.counts, study.counts)
    np.testing.assert_array_equal(found.counts.log_size, study.counts.log_size)
    pd.testing.assert_frame_equal(found.samples, some_sheet(), check_exact=True)
    assert_same_screen(found.screen, study.screen)
    assert_same_screen(read_screen(tmp_path / "counts.h5ad"), study.screen)


def test_study_without_columns_in_its_sheet(tmp_path: Path) -> None:
    sheet = pd.DataFrame(index=pd.Index(SAMPLES))
    write_study(tmp_path / "counts.h5ad", some_study(sheet=sheet))
    found = read_study(tmp_path / "counts.h5ad").samples
    assert found.index.tolist() == SAMPLES
    assert found.shape == (6, 0)


def test_study_keeps_columns_whose_names_are_awkward(tmp_path: Path) -> None:
    sheet = some_sheet()
    for name in ("1", "index", "_index", ".", "%2F", "a%2Fb"):
        sheet[name] = sheet["text"]
    write_study(tmp_path / "counts.h5ad", some_study(sheet=sheet))
    pd.testing.assert_frame_equal(read_study(tmp_path / "counts.h5ad").samples, sheet, check_exact=True)


def test_a_foreign_h5ad_is_not_a_study(tmp_path: Path) -> None:
    anndata.AnnData(np.ones((2, 3))).write_h5ad(tmp_path / "x.h5ad")
    with pytest.raises(InputError, match=r"was not written by ebgenes counts|is not a counts.h5ad"):
        read_study(tmp_path / "x.h5ad")
    with pytest.raises(InputError, match=r"was not written by ebgenes counts|is not a counts.h5ad"):
        read_screen(tmp_path / "x.h5ad")


@pytest.mark.parametrize("part", ["uns/ebgenes/screen", "obsm/log_size"])
def test_a_study_that_lost_a_part(tmp_path: Path, part: str) -> None:
    write_study(tmp_path / "x.h5ad", some_study(sheet=pd.DataFrame(index=SAMPLES)))
    with h5py.File(tmp_path / "x.h5ad", "a") as file:
        del file[part]
    with pytest.raises(InputError, match=r"lacks size factors|was not written by ebgenes counts"):
        read_study(tmp_path / "x.h5ad")


def some_effects(*, grid: bool = False) -> Effects:
    n = len(GENES)
    rng = np.random.default_rng(9)
    df = rng.gamma(2.0, 5.0, n)
    df[::3] = np.inf
    nodes = np.sort(rng.normal(size=(n, 5)), axis=1) if grid else None
    p_value = np.r_[1e-300, 1.0, rng.uniform(size=n - 2)]
    status = ["ok", "outlier", *["ok"] * (n - 2)]
    return Effects(
        gene=text_array(GENES),
        estimate=rng.normal(size=n) * 1e-7,
        se=np.r_[5e-324, 1e300, rng.gamma(1.0, 1.0, n - 2)],
        df=df,
        base_mean=np.full(n, np.nan),
        contrast="dex-1",
        up_label="higher in 'A' & ü",
        down_label="lower in <b>",
        engine="likelihood" if grid else "moderated_t",
        scalars={"prior_df": np.inf, "prior_variance": 0.1 + 0.2},
        grid=nodes,
        loglik=None if nodes is None else np.where(nodes > 1, -np.inf, nodes**3),
        p_value=p_value if grid else None,
        status=text_array(status) if grid else None,
    )


@pytest.mark.parametrize("grid", [False, True])
def test_effects_read_back(tmp_path: Path, grid: bool) -> None:
    effects = some_effects(grid=grid)
    write_effects(tmp_path / "effects.h5", effects)
    found = read_effects(tmp_path / "effects.h5")
    assert found.gene.tolist() == GENES
    assert found.status.tolist() == effects.status.tolist()
    for name in ("estimate", "se", "df", "base_mean", "grid", "loglik", "p_value"):
        expected = getattr(effects, name)
        if expected is None:
            assert getattr(found, name) is None
        else:
            np.testing.assert_array_equal(getattr(found, name), expected, strict=True)
    for name in ("contrast", "up_label", "down_label", "engine", "scalars"):
        assert getattr(found, name) == getattr(effects, name)


@pytest.mark.parametrize("damage", ["format", "old format", "missing", "no status", "shape", "cut", "text"])
def test_a_damaged_effects_file_gives_one_message(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "effects.h5"
    write_effects(path, some_effects())
    if damage in ("cut", "text"):
        path.write_bytes(path.read_bytes()[:3000] if damage == "cut" else b"gene_id\tse\n")
    else:
        with h5py.File(path, "a") as file:
            if "format" in damage:
                file.attrs["format"] = f"ebgenes effects {1 if damage == 'old format' else 99}"
            else:
                del file["status" if damage == "no status" else "se"]
            if damage == "shape":
                file["se"] = np.ones(3)
    with pytest.raises(
        InputError, match=r"effects\.h5 is not an effects file (of this version|that can be read)|was damaged or edited"
    ):
        read_effects(path)


def some_table() -> pd.DataFrame:
    """A table in our columns, with every hard float that it may have in every number column."""
    n = len(GENES)
    table = pd.DataFrame(index=range(n), columns=list(COLUMNS), dtype=float)
    for shift, name in enumerate(name for name in COLUMNS if name not in TEXT_COLUMNS):
        table[name] = np.roll(np.resize(HARD_FLOATS, n), shift)
    for name in (each for each in (*SHARES, *SIZES) if each in table):
        size = np.abs(table[name])
        table[name] = size.where((size <= 1) | size.isna(), 1 / size.clip(lower=1)) if name in SHARES else size
    for low, high in (("ci_low", "ci_high"), ("ci_low_changed", "ci_high_changed")):
        ends = table[[low, high]].to_numpy()
        table[low], table[high] = ends.min(axis=1), ends.max(axis=1)
    table["df"] = np.where(np.arange(n) % 2, np.inf, 3.5)
    table["gene_id"], table["gene_name"], table["status"] = GENES, GENES[::-1], "ok"
    return table


def bits(table: pd.DataFrame) -> np.ndarray:
    """The numbers as their 64 bits; all NaN alike."""
    values = table.drop(columns=list(TEXT_COLUMNS)).to_numpy(dtype=float)
    return np.where(np.isnan(values), np.nan, values).view(np.uint64)


def assert_same_table(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert list(found.columns) == list(expected.columns)
    for name in TEXT_COLUMNS:
        assert found[name].tolist() == expected[name].tolist()
    np.testing.assert_array_equal(bits(found), bits(expected))


@pytest.mark.parametrize("name", ["genes.tsv", "genes.tsv.gz"])
def test_table_reads_back_to_the_last_bit(tmp_path: Path, name: str) -> None:
    write_table(tmp_path / name, some_table())
    assert_same_table(read_table(tmp_path / name), some_table())


@pytest.mark.parametrize("name", ["genes.tsv", "genes.tsv.gz", "genes.csv", "genes.csv.gz"])
def test_the_same_table_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    contents = set()
    for folder in ("a", "b"):
        write_table(tmp_path / folder / name, some_table())
        os.utime(tmp_path / folder / name, (1, 1))
        contents.add((tmp_path / folder / name).read_bytes())
    assert len(contents) == 1


def test_parquet_reads_back_to_the_last_bit(tmp_path: Path) -> None:
    write_table(tmp_path / "genes.parquet", some_table())
    assert_same_table(pd.read_parquet(tmp_path / "genes.parquet"), some_table())


def test_xlsx_holds_text_and_numbers_and_no_formula(tmp_path: Path) -> None:
    table = some_table()
    hostile = ["=cmd()", "+1", "-1+2", "@SUM(A1)", "http://example.org", "{=1}", "12", "1-Mar"]
    table.loc[: len(hostile) - 1, "gene_name"] = hostile
    write_table(tmp_path / "genes.xlsx", table)
    sheet = openpyxl.load_workbook(tmp_path / "genes.xlsx")["genes"]
    rows = list(sheet.iter_rows())
    assert [cell.value for cell in rows[0]] == list(COLUMNS)
    assert len(rows) == 1 + len(table)
    for row, (_, expected) in zip(rows[1:], table.iterrows(), strict=True):
        for cell, name in zip(row, COLUMNS, strict=True):
            value = expected[name]
            assert cell.hyperlink is None
            if name in TEXT_COLUMNS:
                assert (cell.data_type, cell.value) == ("s", value)
            elif np.isfinite(value):
                assert cell.data_type == "n"
                # A spreadsheet keeps 16 or 17 digits, and no denormal numbers.
                assert cell.value == pytest.approx(value, rel=1e-15, abs=1e-307)
            else:
                assert (cell.data_type, cell.value) == ("s", "NA" if np.isnan(value) else "inf")


def test_rnk_is_a_ranking_without_a_header(tmp_path: Path) -> None:
    table = some_table()
    write_table(tmp_path / "genes.rnk", table)
    read = pd.read_csv(
        tmp_path / "genes.rnk", sep="\t", header=None, keep_default_na=False, float_precision="round_trip"
    )
    assert read[0].astype(str).tolist() == ranking(table)["gene"].tolist()
    np.testing.assert_array_equal(read[1].to_numpy(dtype=float), ranking(table)["score"])
    with pytest.raises(InputError, match="Leave the style out"):
        write_table(tmp_path / "theirs.rnk", restyle(table, "ashr"))
    assert [path.name for path in tmp_path.iterdir()] == ["genes.rnk"]


@pytest.mark.parametrize(("suffix", "library"), [("parquet", "pyarrow"), ("xlsx", "xlsxwriter")])
def test_a_missing_optional_library_is_named(tmp_path: Path, monkeypatch: Any, suffix: str, library: str) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise ImportError(library)

    monkeypatch.setattr(pd.DataFrame, "to_parquet", refuse)
    monkeypatch.setattr(table_files, "_write_xlsx", refuse)
    with pytest.raises(InputError, match=rf"pip install 'ebgenes\[{suffix}\]'"):
        write_table(tmp_path / f"genes.{suffix}", some_table())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        (b"", "not a readable table"),
        (b"gene_id\tx\na\t1\n", "23 columns are missing (first: gene_name)"),
        ("\t".join(COLUMNS).encode() + b"\ng" + b"\tx" * 21 + b"\n", "could not convert string to float"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "not a readable table"),
    ],
)
def test_what_is_no_result_table(tmp_path: Path, content: bytes, fragment: str) -> None:
    (tmp_path / "genes.tsv").write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_table(tmp_path / "genes.tsv")
    assert fragment in str(caught.value)


def test_results_open_in_anndata(tmp_path: Path) -> None:
    study = some_study()
    table = some_table()
    unfitted = table.iloc[:2].assign(gene_id=["dropped", "None"], status=["low_count", "all_zero"])
    every = pd.concat([unfitted.iloc[:1], table.iloc[::-1], unfitted.iloc[1:]], ignore_index=True)
    write_results_h5ad(
        tmp_path / "results.h5ad", study, {"dex": every, "b-2": every}, {"ebgenes": "0", "list": [1, "a"]}
    )
    adata = anndata.read_h5ad(tmp_path / "results.h5ad")
    assert adata.var_names.tolist() == GENES
    assert sorted(adata.varm) == ["ebgenes_b-2", "ebgenes_dex"]
    for name in adata.varm:
        found = adata.varm[name]
        assert isinstance(found, pd.DataFrame)
        assert list(found.columns) == list(COLUMNS)[1:]
        assert found.index.tolist() == GENES
        whole = found.rename_axis("gene_id").reset_index()
        whole[list(TEXT_COLUMNS)] = whole[list(TEXT_COLUMNS)].astype(object)
        assert_same_table(whole, table)
    assert json.loads(adata.uns["ebgenes"]["summary"]) == {"ebgenes": "0", "list": [1, "a"]}
    assert_same_screen(read_study(tmp_path / "results.h5ad").screen, study.screen)


def test_prior_json_is_exact(tmp_path: Path) -> None:
    weight = np.array([1 / 3, 0.1, 0.0])
    weight[2] = 1 - weight.sum()
    prior = MixturePrior(weight=weight, scale=np.array([0.0, np.nextafter(1, 2), 1e300]), family="scale_normal")
    fit = EmFit(prior=prior, loglik=np.array([-2.0, -1 / 7]), certificate=5e-324, converged=True, solver="sqp")
    effects = effects_from_summary(["a", "b"], [1.0, 2.0], [0.5, 0.5])
    effects = Effects(
        **{**{name: getattr(effects, name) for name in Effects.__slots__}, "scalars": {"prior_df": np.inf}}
    )
    summary = summarize(effects, fit, 0.05)
    write_json(tmp_path / "prior.json", summary)

    def no_constant(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    text = (tmp_path / "prior.json").read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=no_constant)["engine"]["prior_df"] == "Infinity"
    found, content = read_prior(tmp_path / "prior.json")
    np.testing.assert_array_equal(found.weight, prior.weight)
    np.testing.assert_array_equal(found.scale, prior.scale)
    assert found.family == "scale_normal"
    assert content == summary
    assert content["certificate"] == 5e-324


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[1]",
        b"3",
        b'{"weight": [1], "scale": [0]}',
        b'{"weight": [0.5, 0.5], "scale": [0], "family": "x"}',
        b'{"weight": ["a"], "scale": [0], "family": "x"}',
        b'{"weight": [NaN, 1], "scale": [0, 1], "family": "x"}',
        b'{"weight": [1.5, -0.5], "scale": [0, 1], "family": "x"}',
        b'{"weight": [0.5, 0.2], "scale": [0, 1], "family": "x"}',
        b'{"weight": [1], "scale": [Infinity], "family": "x"}',
    ],
)
def test_what_is_no_prior(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "prior.json").write_bytes(content)
    with pytest.raises(InputError, match=r"prior\.json is not a prior\.json of ebgenes: .*\."):
        read_prior(tmp_path / "prior.json")


class HalfWay(Exception):
    """The disk fills, the machine stops: whatever ends a writer in the middle."""


class Breaking:
    """A table's column that yields some values and then fails."""

    def __iter__(self) -> Any:
        yield from ["a", "b"]
        raise HalfWay


def break_h5ad(adata: anndata.AnnData, path: Path, **_: Any) -> None:
    Path(path).write_bytes(b"half")
    raise HalfWay


def break_dataset(file: h5py.File, *_: Any, **__: Any) -> None:
    raise HalfWay


WRITERS = {
    "effects.h5": lambda path: write_effects(path, some_effects()),
    "counts.h5ad": lambda path: write_study(path, some_study()),
    "results.h5ad": lambda path: write_results_h5ad(path, some_study(), {}, {}),
    "genes.tsv": lambda path: write_table(path, some_table()),
    "genes.tsv.gz": lambda path: write_table(path, some_table()),
    "genes.parquet": lambda path: write_table(path, some_table()),
    "genes.xlsx": lambda path: write_table(path, some_table()),
    "prior.json": lambda path: write_bytes(path, b"{}"),
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("existing", [False, True])
def test_files_appear_whole_or_not_at_all(tmp_path: Path, monkeypatch: Any, name: str, existing: bool) -> None:
    path = tmp_path / "deep" / "folder" / name
    if existing:
        path.parent.mkdir(parents=True)
        path.write_bytes(b"old")

    def break_bytes(temporary: Path, _: bytes) -> None:
        temporary.touch()
        raise HalfWay

    def break_rows(*_: Any, **__: Any) -> Any:
        return SimpleNamespace(writerow=lambda row: None, writerows=lambda rows: list(Breaking()))

    def break_file(table: Any, target: Path, **_: Any) -> None:
        Path(target).write_bytes(b"half")
        raise HalfWay

    with monkeypatch.context() as patch:
        patch.setattr(anndata.AnnData, "write_h5ad", break_h5ad)
        patch.setattr(h5py.Group, "create_dataset", break_dataset)
        patch.setattr(table_files.csv, "writer", break_rows)
        patch.setattr(pd.DataFrame, "to_parquet", break_file)
        patch.setattr(table_files, "_write_xlsx", lambda target, table: break_file(table, target))
        if name == "prior.json":
            patch.setattr(Path, "write_bytes", break_bytes)
        with pytest.raises(HalfWay):
            WRITERS[name](path)
    assert [entry.name for entry in path.parent.iterdir()] == ([name] if existing else [])
    if existing:
        assert path.read_bytes() == b"old"
        path.unlink()
    WRITERS[name](path)
    assert [entry.name for entry in path.parent.iterdir()] == [name]
    assert path.stat().st_mode & 0o777 == 0o666 & ~current_umask()


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_full_disk_is_one_message(tmp_path: Path) -> None:
    message = r"cannot write .*x\.txt: No space left on device\."
    with pytest.raises(InputError, match=message), whole_file(tmp_path / "x.txt"):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    with pytest.raises(InputError, match=r"cannot write .*Permission denied\. Choose another outdir\."):
        write_bytes(folder / "x.txt", b"x")


@pytest.mark.parametrize("folder", ["a file", "nul\0byte", "n" * 300])
def test_a_folder_that_cannot_be_written(tmp_path: Path, folder: str) -> None:
    (tmp_path / "a file").write_bytes(b"old")
    with pytest.raises(InputError, match=r"cannot write .*Choose another outdir\."):
        write_bytes(tmp_path / folder / "x.txt", b"x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a file"]


def test_gene_names(tmp_path: Path) -> None:
    (tmp_path / "genes.csv").write_text("gene_id,chrom,gene_name\nNA,1,1-Mar\n007,2,NA\nb,3,\n", encoding="utf-8")
    assert read_gene_names(tmp_path / "genes.csv") == {"NA": "1-Mar", "007": "NA", "b": ""}
    (tmp_path / "two.tsv").write_text("id\tsymbol\nNA\tTRUE\n", encoding="utf-8")
    assert read_gene_names(tmp_path / "two.tsv") == {"NA": "TRUE"}


def test_offsets_follow_the_counts_order(tmp_path: Path) -> None:
    counts = some_counts()
    offset = np.random.default_rng(1).normal(size=counts.count.shape)
    frame = pd.DataFrame(offset, index=GENES, columns=SAMPLES)
    frame.iloc[::-1, ::-1].to_csv(tmp_path / "offsets.csv")
    found = read_offsets(tmp_path / "offsets.csv", counts)
    np.testing.assert_array_equal(found, offset)


def test_simulation_reads_back(tmp_path: Path) -> None:
    made = eb.simulate_counts(np.random.default_rng(2), n_genes=50, n_per_group=2)
    write_simulation(tmp_path / "sim", made)
    assert_same_counts(read_counts(tmp_path / "sim/counts.tsv.gz"), made.counts)
    pd.testing.assert_frame_equal(read_samples(tmp_path / "sim/samples.tsv"), made.samples)
    truth = pd.read_csv(tmp_path / "sim/truth.tsv", sep="\t", float_precision="round_trip")
    np.testing.assert_array_equal(truth["log2_fc"], made.effect)


def test_a_full_disk_is_told_in_the_systems_words(tmp_path: Path):
    """HDF5 wraps them in lines of its own."""
    said = "Can't close file (file write failed: time = now\n, filename = 'x', file descriptor = 3, errno = 28, error)"
    with (
        pytest.raises(InputError, match=r"cannot write .*counts\.h5ad: No space left on device\.$"),
        whole_file(tmp_path / "counts.h5ad"),
    ):
        raise OSError(28, said)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("separator", ["\t", ","])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_tables_of_whole_numbers_are_read_alike_on_either_way(tmp_path, monkeypatch, separator, end):
    """The short way gives what pandas gives, with a byte order mark and without a last end of line."""
    rows = [
        ["", "s1", "s 2", "ß"],
        ["g1", "0", "12", "9007199254740991"],
        ["g, 2" if separator == "\t" else "g2", *"345"],
    ]
    path = tmp_path / "counts.txt"
    path.write_bytes(b"\xef\xbb\xbf" + end.join(separator.join(row) for row in rows).encode())
    short = read_counts(path)
    assert short.count.tolist() == [[0, 12, 9007199254740991], [3, 4, 5]]
    assert _all_whole(path.read_bytes().partition(b"\n")[2], separator, 4) is not None
    monkeypatch.setattr(files, "_all_whole", lambda *_: None)
    long = read_counts(path)
    np.testing.assert_array_equal(short.count, long.count)
    assert (list(short.gene), list(short.sample)) == (list(long.gene), list(long.sample))


@pytest.mark.parametrize("cell", ["-1", "1.0", "1e3", " 1", "", "NA", '"1"', "99999999999999999999", "1\t2"])
def test_the_short_way_leaves_all_else_to_pandas(cell):
    assert _all_whole(f"\ta\tb\ng1\t1\t{cell}\n".encode(), "\t", 3) is None
