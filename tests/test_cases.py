"""Files as people have them: each is read as its owner means it, with a word about it, or refused with the cure."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import yaml

from ebgenes.app.cli import main
from ebgenes.app.config import parse_config, read_config
from ebgenes.app.prepare import contrast_design, prepare
from ebgenes.errors import InputError
from ebgenes.records.counts import Study

CASES = Path(__file__).parent / "cases"


@pytest.fixture
def enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A function that copies a case, changes its config and goes there."""

    def go(case: str, **changes: Any) -> Path:
        folder = tmp_path / case
        shutil.copytree(CASES / case, folder)
        monkeypatch.chdir(folder)
        if case.startswith("h5ad"):
            write_h5ad(folder / "c.h5ad", raw=case == "h5ad_raw_slot")
        config = yaml.safe_load((folder / "config.yaml").read_text())
        config["datasets"]["one"].update(changes)
        if changes:
            (folder / "config.yaml").write_text(yaml.safe_dump(config))
        return folder

    return go


def write_h5ad(path: Path, *, raw: bool) -> None:
    """Counts as scanpy leaves them: X log-normalized, raw counts in .raw or in a layer."""
    rng = np.random.default_rng(1)
    count = rng.poisson(rng.gamma(10, 20, (6, 200)))
    obs = pd.DataFrame({"group": ["ctl"] * 3 + ["trt"] * 3}, index=[f"s{i}" for i in range(1, 7)])
    var = pd.DataFrame({"gene_symbols": [f"Sym{i}" for i in range(200)]}, index=[f"g{i:04d}" for i in range(200)])
    adata = anndata.AnnData(np.log1p(count / count.sum(1, keepdims=True) * 1e4), obs=obs, var=var)
    if raw:
        adata.raw = anndata.AnnData(count.astype(float), obs=obs, var=var)
    else:
        adata.layers["counts"] = count
    adata.write_h5ad(path)


def prepared() -> tuple[Study, list[str]]:
    """The case's study, and what was said."""
    said: list[str] = []
    study = prepare(read_config("config.yaml").datasets["one"], "median_ratio", said.append)
    assert list(study.notes) == [note for note in said if note in study.notes]
    return study, said


READ = {
    "age_with_text_factor": ["'age' of the sheet is text", "because of '31y' (sample s6; 1 of 6 values"],
    "ann_gene_name_second": ["1 column of the counts is about genes", "'gene_name' names the genes"],
    "ann_length_numeric": ["1 column of the counts is about genes, and no counts (Length)"],
    "comment_lines_before_header": ["2 lines that begin with # were passed over"],
    "excel_trailing_empty_rows": ["2 empty rows were left out"],
    "featurecounts_folder_extra_attribute": ["(gene_biotype)"],
    "featurecounts_r_mangled_paths": ["such as s1 under X.home.user.bam.s1.sorted.bam"],
    "genes_as_gtf": ["genes named (genes.gtf)"],
    "genes_biomart_repeated": ["40 rows repeat the id of an earlier one"],
    "genes_symbol_column": ["genes named (genes.tsv)"],
    "groups_coded_0_1_2": ["whole numbers 0, 1, 2, and has one slope", "write C(group)"],
    "gz_named_txt": [],
    "h5ad_without_sheet": ["the sample sheet is obs of c.h5ad"],
    "htseq_folder": ["5 rows hold totals and no genes", "__no_feature"],
    "htseq_special_rows": ["rows hold totals and no genes", "__no_feature"],
    "level_no_yes": [],
    "level_space": ["blanks around 1 value were left out (first: sample s3, group: 'ctl ')"],
    "names_not_first_group": ["names are in the column 'sample', not in the first, 'group'"],
    "nested_unequal_individuals": ["1 column of the design is 0 in all samples", "grp[Y]:ind_n[T.i3]"],
    "r_mangled_names": ["names that R gives columns (check.names), such as 1A under X1A"],
    "r_write_table_space": [],
    "rsem_folder": [],
    "salmon_folder_suffix": [],
    "semicolon_counts": [],
    "semicolon_sheet": [],
    "sheet_drops_a_sample": ["1 of 6 samples of the counts is not in the sample sheet and was left out (s2)"],
    "technical_replicates_as_samples": ["18 samples look like 6 of 'library'", "sum_by: library"],
    "trailing_separator_counts": ["1 empty column was left out"],
}

REFUSED = {
    "fractional_counts": ["counts must be whole numbers >= 0", "counts_are: estimated"],
    "h5ad_raw_slot": ["counts must be whole numbers >= 0", "layer: raw"],
    "level_NA": ["1 of 8 samples", "sample s3, column 'group'", "missing: drop"],
    "level_case": ["levels 'Ctl' (1 sample) and 'ctl' (3 samples) differ by case or blanks alone", "Write them alike"],
    "transposed_pydeseq2": ["counts.csv is samples by genes", "orientation: samples_by_genes"],
    "xlsx_sheet": ["Save it as CSV"],
}


def test_every_case_is_tried():
    assert {path.name for path in CASES.iterdir() if path.is_dir()} == READ.keys() | REFUSED.keys()


@pytest.mark.parametrize("case", READ)
def test_what_is_read_is_told(enter, case: str, capsys: pytest.CaptureFixture[str]):
    """Check says what a run does to the files, but how many genes have names, which takes all of them."""
    enter(case)
    assert main(["check", "config.yaml"]) == 0
    checked = capsys.readouterr().out
    study, said = prepared()
    for words in READ[case]:
        assert any(words in note for note in said), said
        assert "genes named" in words or words in checked
    for note in said:
        assert "genes named" in note or note in checked
    assert (study.screen.status == "ok").sum() > 10
    assert not any(name.startswith("__") for name in study.screen.gene)


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_names_the_cure(enter, case: str, capsys: pytest.CaptureFixture[str]):
    """Check refuses what a run refuses, with one line, and nothing is left."""
    folder = enter(case)
    before = sorted(folder.rglob("*"))
    assert main(["check", "config.yaml"]) == 2
    checked = capsys.readouterr().err
    assert main(["run", "config.yaml"]) == 2
    ran = capsys.readouterr().err
    for words in REFUSED[case]:
        assert words in checked
        assert words in ran
    assert "Traceback" not in checked + ran
    assert sorted(folder.rglob("*")) == before


SNAKEMAKE_READS = {
    "off": "YAML reads no, off and false as false: quote it as the sheet has it, for example 'no'.",
    "12:30": "if 12:30 was meant, quote it: '12:30'.",
    "1.0e+3": "YAML reads some words as numbers",
    "2020-01-05": "'2020-01-05' is not a level of column 'group'.",
}


@pytest.mark.parametrize("word", SNAKEMAKE_READS)
def test_words_that_snakemake_reads_are_levels_or_ask_for_quotes(enter, word: str):
    """Snakemake reads a --configfile itself."""
    configfile = pytest.importorskip("snakemake.common.configfile")
    enter("level_no_yes")
    text = Path("config.yaml").read_text().replace("baseline: no", f"baseline: {word}")
    assert f"baseline: {word}" in text
    Path("config.yaml").write_text(text)
    dataset = parse_config(configfile.load_configfile("config.yaml")).datasets["one"]
    sheet = pd.read_csv("samples.tsv", sep="\t", index_col=0, dtype=str, keep_default_na=False)
    (name, question), *_ = dataset.contrasts.items()
    with pytest.raises(InputError) as caught:
        contrast_design(sheet.replace("no", "ctl"), dataset.design, question, name, {})
    assert SNAKEMAKE_READS[word] in str(caught.value)
    assert contrast_design(sheet.replace("no", word), dataset.design, question, name, {}).contrast is not None


# What is read has the right values


def wide(path: str, separator: str = "\t") -> pd.DataFrame:
    return pd.read_csv(path, sep=separator, index_col=0)


def same(study: Study, table: pd.DataFrame) -> None:
    """A study holds a table's counts, of the genes that are kept."""
    assert list(study.counts.sample) == list(study.samples.index)
    np.testing.assert_array_equal(study.counts.count, table.loc[list(study.counts.gene), list(study.counts.sample)])


def test_names_and_other_columns_beside_counts(enter):
    enter("ann_gene_name_second")
    study, _ = prepared()
    table = wide("counts.tsv")
    same(study, table)
    assert list(study.screen.name) == list(table["gene_name"])


def test_files_of_feature_counts_with_an_attribute(enter):
    enter("featurecounts_folder_extra_attribute")
    study, _ = prepared()
    last = {
        f"s{i}": pd.read_csv(f"fc/s{i}.featureCounts.txt", sep="\t", comment="#", index_col=0).iloc[:, -1]
        for i in range(1, 7)
    }
    same(study, pd.DataFrame(last))


def test_columns_that_r_renamed(enter):
    enter("featurecounts_r_mangled_paths")
    table = wide("fc.txt").iloc[:, 5:]
    same(prepared()[0], table.set_axis([f"s{i}" for i in range(1, 7)], axis=1))
    enter("r_mangled_names")
    study, _ = prepared()
    same(study, wide("counts.tsv").set_axis(list(pd.read_csv("samples.tsv", sep="\t")["sample"]), axis=1))


@pytest.mark.parametrize(
    ("case", "file", "separator"),
    [
        ("semicolon_counts", "counts.csv", ";"),
        ("r_write_table_space", "counts.txt", r"\s+"),
        ("semicolon_sheet", "counts.tsv", "\t"),
        ("excel_trailing_empty_rows", "counts.tsv", "\t"),
        ("names_not_first_group", "counts.tsv", "\t"),
        ("sheet_drops_a_sample", "counts.tsv", "\t"),
        ("htseq_special_rows", "counts.tsv", "\t"),
    ],
)
def test_tables_hold_what_they_show(enter, case: str, file: str, separator: str):
    enter(case)
    same(prepared()[0], wide(file, separator))


def test_folders_of_htseq(enter):
    enter("htseq_folder")
    tables = {f"s{i}": pd.read_csv(f"htseq/s{i}.txt", sep="\t", header=None, index_col=0)[1] for i in range(1, 7)}
    same(prepared()[0], pd.DataFrame(tables))


def test_rsem_is_rounded_with_lengths(enter):
    enter("rsem_folder")
    study, _ = prepared()
    tables = {f"s{i}": pd.read_csv(f"rsem/s{i}.genes.results", sep="\t", index_col=0) for i in range(1, 7)}
    same(study, pd.DataFrame({name: table["expected_count"].round() for name, table in tables.items()}))
    assert study.counts.log_size is not None
    assert study.counts.log_size.ndim == 2


def test_estimates_are_rounded_on_request(enter):
    enter("fractional_counts", counts_are="estimated")
    study, said = prepared()
    same(study, wide("counts.tsv").round())
    assert any("counts are estimated" in note and "were rounded" in note for note in said)


def test_samples_by_genes_on_request(enter):
    enter("transposed_pydeseq2", orientation="samples_by_genes")
    study, said = prepared()
    same(study, wide("counts.csv", ",").T)
    assert any("was turned" in note for note in said)


def test_raw_is_a_layer(enter):
    enter("h5ad_raw_slot", layer="raw")
    study, _ = prepared()
    adata = anndata.read_h5ad("c.h5ad")
    same(study, pd.DataFrame(adata.raw.X.T, index=adata.raw.var_names, columns=adata.obs_names))
    assert set(study.screen.name[study.screen.kept]) <= {f"Sym{i}" for i in range(200)}


def test_samples_without_a_value_are_left_out_on_request(enter):
    enter("level_NA", missing="drop")
    study, said = prepared()
    assert "s3" not in study.counts.sample
    assert len(study.counts.sample) == 7
    assert any("1 of 8 samples was left out" in note and "(s3; columns: group)" in note for note in said)


def test_samples_are_left_out_as_asked(enter, capsys: pytest.CaptureFixture[str]):
    enter("ann_length_numeric", exclude=["s2"])
    study, said = prepared()
    assert list(study.counts.sample) == ["s1", "s3", "s4", "s5", "s6"]
    assert any("1 sample was left out as asked (exclude: s2)" in note for note in said)
    enter("level_space", exclude=["s99"])
    assert main(["check", "config.yaml"]) == 2
    assert "exclude: 1 of 1 names is no sample of the sheet (first: 's99')" in capsys.readouterr().err


def test_lanes_are_summed(enter, capsys: pytest.CaptureFixture[str]):
    folder = enter("technical_replicates_as_samples", sum_by="library")
    study, said = prepared()
    sheet, counts = pd.read_csv("samples.tsv", sep="\t", index_col=0), wide("counts.tsv")
    same(study, counts.T.groupby(sheet["library"]).sum().T)
    assert list(study.samples.columns) == ["group"]
    assert any("18 rows of the sheet were summed to 6 samples by 'library' (3 to 3 each)" in note for note in said)
    sheet.loc[sheet.index[0], "group"] = "trt"
    sheet.to_csv(folder / "samples.tsv", sep="\t")
    assert main(["check", "config.yaml"]) == 2
    assert "1 of 6 groups has several values in 'group'" in capsys.readouterr().err


def test_codes_become_levels_on_request(enter):
    enter("groups_coded_0_1_2", factors=["group"])
    study, said = prepared()
    assert not [note for note in said if note.startswith("warning")]
    assert study.samples["group"].tolist() == list("000111222")
    enter("age_with_text_factor", numeric=["age"])
    with pytest.raises(InputError, match=r"must hold numbers; 1 of 6 values is not \(first: sample s6: '31y'\)"):
        prepared()


def test_codes_as_levels_find_the_changed_genes(enter, capsys: pytest.CaptureFixture[str]):
    """Of 115 changed genes a slope finds none; levels find what C() does."""
    folder = enter("groups_coded_0_1_2", factors=["group"])
    assert main(["run", "config.yaml"]) == 0
    table = pd.read_csv(folder / "out/one/t/genes.tsv", sep="\t")
    assert (table["q_value"] < 0.05).sum() > 60


def test_what_was_done_reaches_everyone(enter, capsys: pytest.CaptureFixture[str]):
    folder = enter("groups_coded_0_1_2", exclude=["s0"])
    assert main(["run", "config.yaml"]) == 0
    said = capsys.readouterr().err
    summary = json.loads((folder / "out/one/t/prior.json").read_text())
    page = (folder / "out/one/report.html").read_text()
    assert "1 sample was left out as asked (exclude: s0)." in summary["files"]
    assert "What was done to your files" in page
    assert "1 sample was left out as asked (exclude: s0)." in page
    assert any("one slope" in words for words in summary["warnings"])
    assert said.count("has one slope") == 2, "once where it is read, once beside the answer"


def test_levels_that_yaml_takes_for_other_things(enter):
    """``no`` and ``yes`` without quotes, times, dates and numbers."""
    enter("level_no_yes")
    config = read_config("config.yaml")
    assert config.datasets["one"].contrasts["t"]["baseline"] is False
    assert main(["run", "config.yaml"]) == 0
    summary = json.loads(Path("out/one/t/prior.json").read_text())
    assert summary["contrast"]["up"] == "higher in yes"


@pytest.mark.parametrize(
    ("written", "levels"),
    [("12:30", ("12:30", "6:15")), ("2024-01-05", ("2024-01-05", "2024-02-05")), ("1.0e+3", ("1.0e+3", "high"))],
)
def test_levels_are_matched_as_written(enter, written: str, levels: tuple[str, str]):
    folder = enter("level_no_yes")
    sheet = pd.read_csv("samples.tsv", sep="\t")
    sheet["group"] = [levels[0]] * 3 + [levels[1]] * 3
    sheet.to_csv("samples.tsv", sep="\t", index=False)
    asked = f"{{column: group, baseline: {levels[1]}, target: {written}}}"
    dataset = f"{{counts: counts.tsv, samples: samples.tsv, design: ~ group, contrasts: {{t: {asked}}}}}"
    text = f"outdir: out\ndatasets: {{one: {dataset}}}\n"
    (folder / "config.yaml").write_text(text)
    assert main(["check", "config.yaml"]) == 0


# Packed, encoded and separated in other ways


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "latin-1"])
def test_encodings(enter, encoding: str):
    enter("semicolon_sheet")
    table = wide("counts.tsv").rename(columns={"s1": "ä1"})
    sheet = Path("samples.csv").read_text().replace("s1", "ä1")
    Path("samples.csv").write_bytes(sheet.encode(encoding))
    Path("counts.tsv").write_bytes(table.to_csv(sep="\t").encode(encoding))
    study, said = prepared()
    same(study, table)
    assert any("Latin-1" in note for note in said) == (encoding == "latin-1")


@pytest.mark.parametrize("packing", ["gzip", "bz2", "xz", "zip", "zstd"])
def test_packings_are_told_by_the_first_bytes(enter, packing: str):
    enter("semicolon_sheet")
    if packing == "zstd":
        pytest.importorskip("pyarrow")
    table = wide("counts.tsv")
    text = table.to_csv(sep="\t").encode()
    path = Path("counts.tsv")
    if packing == "zstd":
        import pyarrow

        with pyarrow.output_stream(str(path), compression="zstd") as file:
            file.write(text)
    elif packing == "gzip":
        path.write_bytes(gzip.compress(text))
    else:
        table.to_csv(path, sep="\t", compression=packing)
    same(prepared()[0], table)
    assert main(["check", "config.yaml"]) == 0


def test_workbooks(enter):
    enter("semicolon_sheet", samples="samples.xlsx", counts="counts.xlsx")
    table, sheet = wide("counts.tsv"), pd.read_csv("samples.csv", sep=";")
    sheet.to_excel("samples.xlsx", index=False)
    table.to_excel("counts.xlsx")
    study, said = prepared()
    same(study, table)
    assert any("of the workbook was read" in note for note in said)
    assert main(["check", "config.yaml"]) == 0


def test_decimal_commas(enter):
    enter(
        "fractional_counts", counts_are="estimated", counts="counts.csv", samples="samples.csv", design="~ age + group"
    )
    table, sheet = wide("counts.tsv"), pd.read_csv("samples.tsv", sep="\t")
    table.to_csv("counts.csv", sep=";", decimal=",")
    sheet.assign(age=[30.5, 31, 29.5, 30, 31.5, 29]).to_csv("samples.csv", sep=";", decimal=",", index=False)
    study, said = prepared()
    same(study, table.round())
    assert study.samples["age"].tolist() == [30.5, 31, 29.5, 30, 31.5, 29]
    assert sum("decimal commas" in note for note in said) == 2
