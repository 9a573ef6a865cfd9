"""Layouts that other tools document, written here from the same reads: each gives these reads, whatever is "
"beside them."""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Callable
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import sparse

from ebgenes.app.cli import main
from ebgenes.app.config import read_config
from ebgenes.app.prepare import prepare
from ebgenes.data.gene_places import read_gene_places
from ebgenes.errors import InputError
from ebgenes.records.counts import Study

SAMPLES = ["ctl_1", "ctl_2", "ctl_3", "trt_1", "trt_2", "trt_3"]
GENES = [f"ENSG{i:011d}" for i in range(60)]
NAMES = [f"Sym{i}" for i in range(60)]


@pytest.fixture
def reads() -> pd.DataFrame:
    """Sixty genes in six samples."""
    rng = np.random.default_rng(7)
    count = rng.poisson(rng.gamma(5, 40, (60, 1)) * rng.uniform(0.7, 1.4, 6))
    return pd.DataFrame(count, index=pd.Index(GENES, name="gene_id"), columns=SAMPLES)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_sheet()
    return tmp_path


def write_sheet(names: list[str] = SAMPLES, **columns: list[str]) -> None:
    sheet = pd.DataFrame({"sample": names, "group": [name[:3] for name in SAMPLES], **columns})
    sheet.to_csv("samples.tsv", sep="\t", index=False)


def config(counts: str, **keys: object) -> None:
    dataset = {
        "counts": counts,
        "samples": "samples.tsv",
        "design": "~ group",
        "contrasts": {"t": {"column": "group", "baseline": "ctl", "target": "trt"}},
        **keys,
    }
    Path("config.yaml").write_text(yaml.safe_dump({"datasets": {"one": dataset}}))


def read(counts: str, **keys: object) -> tuple[Study, str]:
    """The study of a config, and all that was said, which check says too."""
    config(counts, **keys)
    assert main(["check", "config.yaml"]) == 0
    said: list[str] = []
    return prepare(read_config("config.yaml").datasets["one"], "median_ratio", said.append), "\n".join(said)


def same(study: Study, reads: pd.DataFrame) -> None:
    assert list(study.counts.sample) == SAMPLES
    assert list(study.screen.gene) == list(reads.index)
    np.testing.assert_array_equal(study.counts.count, reads.loc[list(study.counts.gene)])


def refused(counts: str, *words: str, capsys: pytest.CaptureFixture[str], **keys: object) -> None:
    """Check and a run refuse with the same words."""
    config(counts, **keys)
    for verb in ("check", "run"):
        assert main([verb, "config.yaml"]) == 2
        said = capsys.readouterr().err
        for each in words:
            assert each in said, verb


# Tables


def geo(reads: pd.DataFrame) -> str:
    """A supplementary table of GEO: ids, symbols, descriptions with commas, then samples."""
    about = pd.DataFrame({"Symbol": NAMES, "Description": [f"protein {i}, putative" for i in range(60)]}, reads.index)
    pd.concat([about, reads], axis=1).to_csv("GSE1_counts.txt.gz", sep="\t")
    return "GSE1_counts.txt.gz"


def nf_core_star(reads: pd.DataFrame) -> str:
    table = reads.copy()
    table.insert(0, "gene_name", NAMES)
    table.to_csv("star.merged.gene_counts.tsv", sep="\t")
    return "star.merged.gene_counts.tsv"


def feature_counts(reads: pd.DataFrame) -> str:
    """With the paths of alignments, and a name of the genes that was asked for."""
    about = {"Chr": "1;1", "Start": "1;9", "End": "5;12", "Strand": "+;+", "Length": 8, "gene_name": NAMES}
    table = pd.concat([pd.DataFrame(about, reads.index), reads.add_prefix("/d/").add_suffix(".markdup.bam")], axis=1)
    text = table.to_csv(sep="\t", index_label="Geneid")
    Path("fc.tsv").write_text(f'# Program:featureCounts v2.0.3; Command:"featureCounts"\n{text}')
    return "fc.tsv"


def feature_counts_of_r(reads: pd.DataFrame) -> str:
    """Columns about the genes joined to Rsubread's counts and written by R."""
    about = {"GeneID": reads.index, "Chr": "1", "Start": 1, "End": 9, "Strand": "+", "Length": 8}
    table = pd.concat([pd.DataFrame(about, reads.index), reads.add_suffix(".bam")], axis=1)
    table.to_csv("fc.txt", sep="\t", index=False, quoting=2)
    return "fc.txt"


def prep_de(reads: pd.DataFrame) -> str:
    reads.to_csv("gene_count_matrix.csv")
    return "gene_count_matrix.csv"


def numbered_rows(reads: pd.DataFrame) -> str:
    """pandas' numbers of rows before the ids."""
    reads.reset_index().to_csv("counts.csv")
    return "counts.csv"


def names_first(reads: pd.DataFrame) -> str:
    """Names that repeat before the ids."""
    table = reads.reset_index()
    table.insert(0, "gene_name", [*NAMES[:-1], NAMES[0]])
    table.to_csv("counts.tsv", sep="\t", index=False)
    return "counts.tsv"


def star_totals(reads: pd.DataFrame) -> str:
    top = pd.DataFrame(900, ["N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous"], reads.columns)
    pd.concat([top, reads]).to_csv("counts.tsv", sep="\t", index_label="gene")
    return "counts.tsv"


def old_totals(reads: pd.DataFrame) -> str:
    rows = ["no_feature", "ambiguous", "too_low_aQual", "not_aligned", "alignment_not_unique"]
    pd.concat([reads, pd.DataFrame(900, rows, reads.columns)]).to_csv("counts.tsv", sep="\t")
    return "counts.tsv"


def old_mac(reads: pd.DataFrame) -> str:
    Path("counts.csv").write_bytes(reads.to_csv().replace("\n", "\r").encode())
    return "counts.csv"


def commented_header(reads: pd.DataFrame) -> str:
    Path("counts.tsv").write_text("# made by a script\n#" + reads.to_csv(sep="\t"))
    return "counts.tsv"


def no_heading_of_genes(reads: pd.DataFrame) -> str:
    """As R's write.table(sep = "\\t") leaves it: quotes, and no heading above the row names."""
    header, *rows = reads.to_csv(sep="\t", quoting=2).splitlines()
    Path("counts.txt").write_text("\n".join([header.partition("\t")[2], *rows, ""]))
    return "counts.txt"


def blanks_around(reads: pd.DataFrame) -> str:
    """Aligned by hand."""
    lines = reads.to_csv(sep="\t").splitlines()
    Path("counts.tsv").write_text("\n".join(line.replace("\t", " \t ") for line in lines))
    return "counts.tsv"


def gct(reads: pd.DataFrame) -> str:
    """Broad's format: a version, the table's size, then names and descriptions."""
    table = reads.copy()
    table.insert(0, "Description", NAMES)
    Path("counts.gct").write_text("#1.2\n60\t6\n" + table.to_csv(sep="\t", index_label="Name"))
    return "counts.gct"


def lines_of_geo(reads: pd.DataFrame) -> str:
    Path("c.txt").write_text('!Series_title\t"x"\n!Sample_id\t"y"\n' + reads.to_csv(sep="\t"))
    return "c.txt"


def workbook_with_a_title(reads: pd.DataFrame) -> str:
    """A supplementary table: a sheet of words first, and words above the header."""
    with pd.ExcelWriter("c.xlsx", engine="xlsxwriter") as book:
        pd.DataFrame({"Read me": ["x"]}).to_excel(book, sheet_name="README", index=False)
        reads.to_excel(book, sheet_name="S1", startrow=2)
        book.sheets["S1"].write(0, 0, "Supplementary Table 1. Counts")
    return "c.xlsx"


def sums_below(reads: pd.DataFrame) -> str:
    table = reads.copy()
    table.loc["Total"] = reads.sum()
    table.to_csv("counts.tsv", sep="\t", index_label="gene")
    return "counts.tsv"


def ids_with_names(reads: pd.DataFrame) -> str:
    reads.set_axis([f"{gene}|{name}" for gene, name in zip(GENES, NAMES, strict=True)]).to_csv("gene_count_matrix.csv")
    return "gene_count_matrix.csv"


def rsem_matrix(reads: pd.DataFrame) -> str:
    """rsem-generate-data-matrix: columns called after files, decimals, all in quotes."""
    table = (reads + 0.25).add_suffix(".genes.results")
    table.to_csv("GeneMat.txt", sep="\t", index_label="", quoting=2)
    return "GeneMat.txt"


def heading_without_a_name(reads: pd.DataFrame) -> str:
    table = reads.copy()
    table.insert(0, "", NAMES)
    table.to_csv("counts.tsv", sep="\t")
    return "counts.tsv"


def parquet_by_another_name(reads: pd.DataFrame) -> str:
    reads.to_parquet("c.pq")
    return "c.pq"


def series_matrix(reads: pd.DataFrame) -> str:
    """GEO's, with the line that ends its table."""
    table = reads.to_csv(sep="\t", quoting=2, index_label="ID_REF")
    Path("m.txt").write_text(f'!Series_title\t"x"\n!series_matrix_table_begin\n{table}!series_matrix_table_end\n')
    return "m.txt"


def prefixed_tenx(reads: pd.DataFrame) -> str:
    """A matrix of 10x among GEO's supplementary files."""
    Path("geo").mkdir()
    entries = [f"{g + 1} {s + 1} {n}\n" for (g, s), n in np.ndenumerate(reads.to_numpy()) if n]
    head = f"%%MatrixMarket matrix coordinate integer general\n60 6 {len(entries)}\n"
    features = [f"{gene}\t{name}\tGene Expression\n" for gene, name in zip(GENES, NAMES, strict=True)]
    for name, lines in (
        ("matrix.mtx", [head, *entries]),
        ("barcodes.tsv", [f"{name}\n" for name in SAMPLES]),
        ("features.tsv", features),
    ):  # fmt: skip
        Path(f"geo/GSM1_{name}.gz").write_bytes(gzip.compress("".join(lines).encode()))
    return "geo"


def feature_counts_by_sample(reads: pd.DataFrame) -> str:
    """A table a sample called as its owner likes, with the program's summary beside."""
    Path("fc").mkdir()
    for sample in SAMPLES:
        about = pd.DataFrame({"Chr": "1", "Start": 1, "End": 9, "Strand": "+", "Length": 8}, reads.index)
        table = about.assign(**{f"/d/{sample}.bam": reads[sample]}).to_csv(sep="\t", index_label="Geneid")
        Path(f"fc/{sample}.txt").write_text(f'# Program:featureCounts v2.0.3; Command:"x"\n{table}')
        Path(f"fc/{sample}.txt.summary").write_text("Status\tx.bam\nAssigned\t5\n")
    return "fc"


WIDE: dict[Callable[[pd.DataFrame], str], str] = {
    geo: "'Symbol' names the genes",
    nf_core_star: "'gene_name' names the genes",
    feature_counts: "'gene_name' names the genes",
    feature_counts_of_r: "",
    prep_de: "",
    numbered_rows: "genes are named by the column 'gene_id'; the first numbers the rows",
    names_first: "genes are named by the column 'gene_id'; the first has names that repeat",
    star_totals: "4 rows hold totals and no genes",
    old_totals: "5 rows hold totals and no genes",
    old_mac: "",
    commented_header: "1 line that begins with # was passed over",
    no_heading_of_genes: "",
    blanks_around: "blanks around",
    gct: "1 line above the header was passed over",
    series_matrix: "2 lines above the header were passed over",
    prefixed_tenx: "",
    feature_counts_by_sample: "",
    lines_of_geo: "2 lines above the header were passed over",
    workbook_with_a_title: "the first with a table, 'S1', was read (others: README",
    ids_with_names: "genes' names are taken from their ids",
    rsem_matrix: "were rounded",
    parquet_by_another_name: "",
    heading_without_a_name: "1 column of the counts is about genes, and no counts (Unnamed: 1)",
}


@pytest.mark.parametrize("write", WIDE, ids=lambda write: write.__name__)
def test_tables(here: Path, reads: pd.DataFrame, write: Callable[[pd.DataFrame], str]):
    study, said = read(write(reads))
    same(study, reads.set_axis(list(study.screen.gene)))
    assert [str(name).partition("|")[0] for name in study.screen.gene] == GENES
    assert WIDE[write] in said
    if "names the genes" in WIDE[write] or "genes' names" in WIDE[write]:
        assert list(study.screen.name) == NAMES


@pytest.mark.fast
def test_nf_core_salmon(here: Path, reads: pd.DataFrame, capsys: pytest.CaptureFixture[str]):
    """Only paths are edited: estimates are rounded, and the matrix of lengths beside makes offsets."""
    estimates = reads + 0.25
    estimates.iloc[0, 0] = 12.5
    lengths = pd.DataFrame(1500.0, reads.index, SAMPLES)
    lengths.iloc[3, 3:] = 3000.0
    for table, name in ((estimates, "counts"), (lengths, "lengths")):
        written = table.copy()
        written.insert(0, "gene_name", NAMES)
        written.to_csv(f"salmon.merged.gene_{name}.tsv", sep="\t")
    plain, _ = read("salmon.merged.gene_counts.tsv", gene_lengths=None)
    assert plain.counts.log_size is not None
    assert plain.counts.log_size.ndim == 1
    study, said = read("salmon.merged.gene_counts.tsv")
    same(study, np.rint(estimates).astype(int))
    assert "were rounded" in said
    assert "lengths of transcripts come from salmon.merged.gene_lengths.tsv, as offsets" in said
    assert study.counts.log_size is not None
    offset = study.counts.log_size[3]
    assert offset[3:].mean() - offset[:3].mean() == pytest.approx(
        np.log(2) + study.counts.log_size[4][3:].mean() - study.counts.log_size[4][:3].mean(), abs=1e-9
    )
    estimates.to_csv("salmon.merged.gene_counts_length_scaled.tsv", sep="\t")
    refused(
        "salmon.merged.gene_counts_length_scaled.tsv", "scaled by the transcripts' lengths already", capsys=capsys,
        gene_lengths="salmon.merged.gene_lengths.tsv",
    )  # fmt: skip


@pytest.mark.parametrize(("how", "offsets"), [("no", True), ("lengthScaledTPM", False), ("scaledTPM", False)])
def test_tximport_as_r_writes_it(here: Path, reads: pd.DataFrame, how: str, offsets: bool):
    """``write.csv(txi)``: counts are told from abundances; lengths are offsets unless the counts hold them."""
    lengths = pd.DataFrame(1000.0, reads.index, SAMPLES)
    lengths.iloc[3, 3:] = 2000.0
    parts = (reads * 1.5).add_prefix("abundance."), (reads + 0.25).add_prefix("counts."), lengths.add_prefix("length.")
    pd.concat(parts, axis=1).assign(countsFromAbundance=how).to_csv("txi.csv", quoting=2, index_label="")
    study, said = read("txi.csv")
    same(study, reads)
    assert "were rounded" in said
    assert ("hold the lengths" in said) != offsets
    assert study.counts.log_size is not None
    assert study.counts.log_size.ndim == (2 if offsets else 1)
    if offsets:
        offset = study.counts.log_size[3] - study.counts.log_size[4]
        assert offset[3:].mean() - offset[:3].mean() == pytest.approx(np.log(2), abs=1e-9)


def test_sums_below_the_genes(here: Path, reads: pd.DataFrame):
    """Only a whole reading tells that they are sums; a gene of such a name that is none stays."""
    config(sums_below(reads))
    study = prepare(read_config("config.yaml").datasets["one"], "median_ratio")
    same(study, reads)
    assert "1 row holds totals and no genes, and was left out (Total)." in study.notes
    reads.set_axis(["SUM", *GENES[1:]]).to_csv("counts.tsv", sep="\t", index_label="gene")
    assert "SUM" in prepare(read_config("config.yaml").datasets["one"], "median_ratio").screen.gene


def test_sheets_of_workbooks_by_name(here: Path, reads: pd.DataFrame, capsys: pytest.CaptureFixture[str]):
    sheet = pd.read_csv("samples.tsv", sep="\t")
    with pd.ExcelWriter("all.xlsx") as book:
        (reads * 2).to_excel(book, sheet_name="Pilot")
        reads.to_excel(book, sheet_name="Counts 2")
        sheet.to_excel(book, sheet_name="who", index=False)
    keys = {"samples": "all.xlsx", "worksheets": {"counts": "Counts 2", "samples": "who"}}
    study, said = read("all.xlsx", **keys)
    same(study, reads)
    assert "the sheet 'Counts 2' of the workbook was read" in said
    keys["worksheets"] = {"counts": "Counts2", "samples": "who"}
    refused("all.xlsx", "no sheet 'Counts2'. Its sheets: Pilot, Counts 2, who. Did you mean 'Counts 2'?",
            capsys=capsys, **keys)  # fmt: skip
    reads.to_csv("counts.tsv", sep="\t")
    refused("counts.tsv", "counts.tsv is no workbook", capsys=capsys, **keys)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"X\n\x00\x00\x00\x03\x00\x04", "holds an object of R. Save its counts in R as text: write.csv"),
        (gzip.compress(b"RDX3\nX\n\x00\x00\x00\x03"), "holds an object of R"),
        (b"ARROW1\x00\x00", "is a Feather file. Save it as parquet"),
        (gzip.compress(b"BAM\x01"), "holds alignments. Count them first"),
    ],
    ids=["rds", "rdata", "feather", "bam"],
)
def test_what_is_no_table_is_told(here: Path, content: bytes, words: str, capsys: pytest.CaptureFixture[str]):
    Path("counts.x").write_bytes(content + bytes(60))
    refused("counts.x", words, capsys=capsys)


def test_a_header_that_is_missing(here: Path, reads: pd.DataFrame, capsys: pytest.CaptureFixture[str]):
    """htseq-count of several alignments writes none; which column is whose, nobody can tell."""
    reads.to_csv("counts.tsv", sep="\t", header=False)
    refused("counts.tsv", "the header is missing: write the samples' names above", capsys=capsys)


@pytest.mark.parametrize(
    ("columns", "sheet"),
    [
        ("{}", "00{}"), ("00{}", "{}"), ("a_{}", "a-{}"), ("GSM100_s{}", "s{}"), ("s{}_raw_counts", "s{}"),
        ("s{}", "s{}.fastq.gz"), ("s{}", "/d/s{}.bam"), ("\u00e9{}", "e\u0301{}"),
    ],
)  # fmt: skip
def test_names_that_copying_changed(here: Path, reads: pd.DataFrame, columns: str, sheet: str):
    """Found where each sample has one column, and told."""
    names = [sheet.format(i) for i in range(1, 7)]
    write_sheet(names)
    reads.set_axis([columns.format(i) for i in range(1, 7)], axis=1).to_csv("counts.tsv", sep="\t")
    config("counts.tsv")
    said: list[str] = []
    study = prepare(read_config("config.yaml").datasets["one"], "median_ratio", said.append)
    assert list(study.counts.sample) == names
    np.testing.assert_array_equal(study.counts.count, reads.loc[list(study.counts.gene)])
    assert any(f"such as {names[0]} under" in note for note in said)


def test_names_that_may_be_of_two_samples_are_refused(here: Path, reads: pd.DataFrame, capsys):
    write_sheet(["s1", "s1_2", "s3", "s4", "s5", "s6"])
    reads.set_axis(["x_s1_2", "x_s1_2_b", "x_s3", "x_s4", "x_s5", "x_s6"], axis=1).to_csv("counts.tsv", sep="\t")
    refused("counts.tsv", "6 in the sheet only (first: s1)", capsys=capsys)


@pytest.mark.parametrize(("name", "unsure"), [("x.fpkm.tsv", False), ("log2.tsv", False), ("mine.tsv", True)])
def test_values_that_nobody_would_round(here: Path, reads: pd.DataFrame, capsys, name: str, unsure: bool):
    (reads + 0.37).to_csv(name, sep="\t")
    config(name)
    assert main(["check", "config.yaml"]) == 2
    assert ("counts_are: estimated" in capsys.readouterr().err) == unsure
    np.log2(reads + 1).to_csv("mine.tsv", sep="\t")
    config("mine.tsv")
    assert main(["check", "config.yaml"]) == 2
    assert "counts_are: estimated" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("x/ctl_1/t_data.ctab", "Run StringTie's prepDE.py3"), ("x/.zgroup", "a Zarr store"),
        ("x/cells_x_genes.mtx", "kb-python's matrix"), ("x/ctl_1/genes.fpkm_tracking", "Cufflinks' FPKM"),
    ],
)  # fmt: skip
def test_folders_of_programs_that_are_not_read(here: Path, place: str, words: str, capsys):
    Path(place).parent.mkdir(parents=True)
    Path(place).write_text("x\n")
    refused("x", words, capsys=capsys)


def test_output_that_lies_deeper(here: Path, reads: pd.DataFrame):
    for sample in SAMPLES:
        folder = Path("q", sample, "salmon")
        folder.mkdir(parents=True)
        quantified(reads, sample, GENES, SALMON).to_csv(folder / "quant.genes.sf", sep="\t", index=False)
    same(read("q")[0], reads)


def test_anndata_that_must_be_mended(here: Path, reads: pd.DataFrame, capsys):
    """Genes by samples; and as versions before 0.7 wrote it, obs and var arrays of records."""
    var = pd.DataFrame({"group": [name[:3] for name in SAMPLES]}, index=SAMPLES)
    anndata.AnnData(reads.to_numpy(), obs=pd.DataFrame(index=GENES), var=var).write_h5ad("a.h5ad")
    refused("a.h5ad", "a.h5ad is turned", "adata.T.copy()", capsys=capsys)
    with h5py.File("a.h5ad", "w") as file:
        file["X"] = reads.T.to_numpy(np.float32)
        file["obs"] = np.array([(name,) for name in SAMPLES], dtype=[("index", "S5")])
        file["var"] = np.array([(name,) for name in GENES], dtype=[("index", "S15")])
    refused("a.h5ad", "written by anndata before 0.7. Renew it", capsys=capsys)


def test_tpm_is_refused_under_any_name(here: Path, reads: pd.DataFrame, capsys: pytest.CaptureFixture[str]):
    tpm = reads / reads.sum() * 1e6
    for name, keys in (("salmon.merged.gene_counts.tsv", {}), ("counts.tsv", {"counts_are": "estimated"})):
        tpm.to_csv(name, sep="\t")
        refused(name, "sum to a million: these are TPM or CPM", capsys=capsys, **keys)
    tpm.to_csv("salmon.merged.gene_tpm.tsv", sep="\t")
    refused("salmon.merged.gene_tpm.tsv", "Give raw counts, not TPM", capsys=capsys)


def test_commas_that_may_mean_two_things(here: Path, reads: pd.DataFrame, capsys: pytest.CaptureFixture[str]):
    large = reads * 1000
    large.map(lambda value: f"{value:,}").to_csv("counts.tsv", sep="\t")
    refused("counts.tsv", "may part thousands or be decimal", capsys=capsys)


# Folders


def test_rsem_isoforms(here: Path, reads: pd.DataFrame):
    Path("rsem").mkdir()
    for sample in SAMPLES:
        half = np.repeat(reads[sample].to_numpy() / 2, 2)
        pd.DataFrame(
            {
                "transcript_id": [f"{gene}_{i}" for gene in GENES for i in (1, 2)],
                "gene_id": np.repeat(GENES, 2), "length": 1000, "effective_length": 850.0, "expected_count": half,
                "TPM": half, "FPKM": half, "IsoPct": 50.0,
            }
        ).to_csv(f"rsem/{sample}.isoforms.results", sep="\t", index=False)  # fmt: skip
    same(read("rsem")[0], reads)


def test_salmon_genes_without_tx2gene(here: Path, reads: pd.DataFrame):
    for sample in SAMPLES:
        folder = Path("quants", f"{sample}_quant")
        folder.mkdir(parents=True)
        table = {
            "Name": GENES,
            "Length": 1000,
            "EffectiveLength": 850.0,
            "TPM": reads[sample],
            "NumReads": reads[sample],
        }
        pd.DataFrame(table).to_csv(folder / "quant.genes.sf", sep="\t", index=False)
    same(read("quants")[0], reads)


@pytest.mark.fast
@pytest.mark.parametrize("name", ["{}.txt", "{}.htseq.counts", "{}_counts.tsv.gz", "run1_{}.count"])
@pytest.mark.parametrize("kind", ["plain", "names", "header"])
def test_htseq(here: Path, reads: pd.DataFrame, name: str, kind: str):
    Path("htseq").mkdir()
    Path("htseq/multiqc.log").write_text("x\n")
    for sample in SAMPLES:
        table = pd.concat([reads[sample], pd.Series(9, ["__no_feature", "__ambiguous"])]).to_frame(sample)
        if kind == "names":
            table.insert(0, "name", [*NAMES, "", ""])
        table.to_csv(Path("htseq", name.format(sample)), sep="\t", header=kind == "header")
    study, said = read("htseq")
    same(study, reads)
    assert "2 rows hold totals" in said
    assert list(study.screen.name) == (NAMES if kind == "names" else [""] * 60)


def test_a_sample_is_not_taken_for_one_with_a_longer_name(here: Path, reads: pd.DataFrame):
    names = ["s1", "s1_2", "s10", "t1", "t1_2", "t10"]
    write_sheet(names)
    Path("htseq").mkdir()
    for name, sample in zip(names, SAMPLES, strict=True):
        reads[sample].to_csv(f"htseq/{name}_count.txt", sep="\t", header=False)
    config("htseq")
    study = prepare(read_config("config.yaml").datasets["one"], "median_ratio")
    np.testing.assert_array_equal(study.counts.count, reads)


def test_files_of_the_genomic_data_commons(here: Path, reads: pd.DataFrame, capsys: pytest.CaptureFixture[str]):
    """STAR's counts with names and TPM beside them; libraries whose strands are not clear are refused by check too."""
    Path("gdc").mkdir()

    def write(share: float) -> None:
        for sample in SAMPLES:
            lines = ["# gene-model: GENCODE v36", "gene_id\tgene_name\tgene_type\tunstranded\tstranded_first\t"
                     "stranded_second\ttpm_unstranded"]  # fmt: skip
            lines += [f"N_{name}\t\t\t9\t9\t9\t" for name in ("unmapped", "multimapping", "noFeature", "ambiguous")]
            lines += [
                f"{gene}\t{name}\tprotein_coding\t{n}\t{int(share * n)}\t{n - int(share * n)}\t1.5"
                for gene, name, n in zip(GENES, NAMES, reads[sample], strict=True)
            ]
            Path(f"gdc/{sample}.rna_seq.augmented_star_gene_counts.tsv").write_text("\n".join([*lines, ""]))

    write(0.5)
    same(read("gdc")[0], reads)
    write(0.7)
    refused("gdc", "strands do not tell how the 6 libraries were made", capsys=capsys)


def quantified(reads: pd.DataFrame, sample: str, names: list[str], columns: str) -> pd.DataFrame:
    """A table of one sample, its columns as a program calls them: name, length, effective length, reads, TPM."""
    values = [names, 1000, 850.0, reads[sample] + 0.2, 1.0]
    return pd.DataFrame(dict(zip(columns.split(), values, strict=True)))


TRANSCRIPTS = [f"ENST{i}" for i in range(60)]
SALMON = "Name Length EffectiveLength NumReads TPM"


@pytest.mark.parametrize("program", ["kallisto", "rsem", "salmon"])
def test_files_of_two_forms_beside_one_another(here: Path, reads: pd.DataFrame, program: str):
    """As all three programs leave them: one of them is read."""
    for sample in SAMPLES:
        folder = Path("q", sample)
        folder.mkdir(parents=True)
        if program == "kallisto":
            table = quantified(reads, sample, TRANSCRIPTS, "target_id length eff_length est_counts tpm")
            table.to_csv(folder / "abundance.tsv", sep="\t", index=False)
            with h5py.File(folder / "abundance.h5", "w") as file:
                file["aux/ids"] = np.array(TRANSCRIPTS, dtype="S")
                file["aux/eff_lengths"], file["est_counts"] = np.full(60, 850.0), reads[sample].to_numpy() * 1.0
        if program == "rsem":
            columns = "gene_id length effective_length expected_count TPM"
            table = quantified(reads, sample, GENES, columns)
            table.to_csv(folder / f"{sample}.genes.results", sep="\t", index=False)
            table.insert(0, "transcript_id", TRANSCRIPTS)
            table.to_csv(folder / f"{sample}.isoforms.results", sep="\t", index=False)
        if program == "salmon":
            quantified(reads, sample, GENES, SALMON).to_csv(folder / "quant.genes.sf", sep="\t", index=False)
            quantified(reads, sample, TRANSCRIPTS, SALMON).to_csv(folder / "quant.sf", sep="\t", index=False)
    pd.DataFrame({"t": TRANSCRIPTS, "g": GENES}).to_csv("t2g.tsv", sep="\t", index=False)
    same(read("q", **({"tx2gene": "t2g.tsv"} if program == "kallisto" else {}))[0], reads)
    if program == "salmon":
        same(read("q", tx2gene="t2g.tsv")[0], reads)


@pytest.mark.parametrize(
    ("head", "row"),
    [
        ("Gene stable ID,Transcript stable ID,Gene name", "{gene},{tx},x"),
        ("", "{tx} {gene}"),
        ('"";"TXNAME";"GENEID"', '"{i}";"{tx}";"{gene}"'),
        ("", "{tx}\t{gene}\tx"),
    ],
    ids=["biomart", "blanks", "r", "nf-core"],
)
def test_tables_of_transcripts_and_genes(here: Path, reads: pd.DataFrame, head: str, row: str):
    for sample in SAMPLES:
        Path("q", sample).mkdir(parents=True)
        quantified(reads, sample, TRANSCRIPTS, SALMON).to_csv(f"q/{sample}/quant.sf", sep="\t", index=False)
    rows = [row.format(i=i + 1, tx=tx, gene=GENES[i]) for i, tx in enumerate(TRANSCRIPTS)]
    Path("t2g").write_text("\n".join([*([head] if head else []), *rows, ""]))
    same(read("q", tx2gene="t2g")[0], reads)


def test_hdf5_and_matrices_that_are_not_read(here: Path, reads: pd.DataFrame, capsys: pytest.CaptureFixture[str]):
    with h5py.File("c.loom", "w") as file:
        file["matrix"], file["row_attrs/Gene"] = reads.to_numpy(), np.array(GENES, dtype="S")
    refused("c.loom", "neither AnnData's nor 10x's (it holds: matrix, row_attrs). Save it as .h5ad", capsys=capsys)
    Path("m").mkdir()
    Path("m/matrix.mtx").write_text("%%MatrixMarket matrix coordinate integer general\n1 1 1\n1 1 5\n")
    refused("m/matrix.mtx", "name the folder that holds them: m", capsys=capsys)


def test_size_factors_of_a_spreadsheet(here: Path, reads: pd.DataFrame):
    """And of R's write.table."""
    for text in (
        "sample;sf\n" + "".join(f"{name};1,{i}\n" for i, name in enumerate(SAMPLES)),
        '"x"\n' + "".join(f'"{name}" 1.{i}\n' for i, name in enumerate(SAMPLES)),
    ):
        Path("sf.csv").write_text(text)
        study, _ = read(prep_de(reads), size_factors="sf.csv")
        assert study.counts.log_size is not None
        factor = np.exp(study.counts.log_size - study.counts.log_size[0])
        np.testing.assert_allclose(factor, [1, 1.1, 1.2, 1.3, 1.4, 1.5], rtol=1e-12)


@pytest.mark.parametrize("kind", ["gff3", "refseq", "gtf.bz2"])
def test_genes_of_transcripts_by_annotation(here: Path, reads: pd.DataFrame, kind: str):
    """Whatever the annotation is called and packed; salmon's files called after the samples."""
    Path("q").mkdir()
    for sample in SAMPLES:
        names = [f"NM_{i}.1" if kind == "refseq" else f"ENST{i}" for i in range(60)]
        table = {"Name": names, "Length": 1000, "EffectiveLength": 850.0, "TPM": 1.0, "NumReads": reads[sample]}
        pd.DataFrame(table).to_csv(f"q/{sample}.sf", sep="\t", index=False)
    place, lines = "\t1\t9\t.\t+\t.\t", []
    for i, gene in enumerate(GENES):
        if kind == "gff3":
            lines += [f"1\te\tgene{place}ID=gene:{gene};Name=x",
                      f"1\te\tmRNA{place}ID=transcript:ENST{i};Parent=gene:{gene}",
                      f"1\te\texon{place}Parent=transcript:ENST{i}"]  # fmt: skip
        elif kind == "refseq":
            lines += [f"1\te\tgene{place}ID=gene-{gene};Dbxref=GeneID:1",
                      f"1\te\tmRNA{place}ID=rna-NM_{i}.1;Parent=gene-{gene};transcript_id=NM_{i}.1",
                      f"1\te\tCDS{place}ID=cds-1;Parent=rna-NM_{i}.1"]  # fmt: skip
        else:
            lines += [f'1\te\ttranscript{place}gene_id "{gene}"; transcript_id "ENST{i}";']
    text = "\n".join(["##gff-version 3", *lines, ""]).encode()
    Path(f"a.{kind}").write_bytes(bz2.compress(text) if kind.endswith("bz2") else text)
    same(read("q", tx2gene=f"a.{kind}")[0], reads)


# AnnData


@pytest.mark.parametrize(("kind", "own"), [("h5ad", True), ("2", False), ("3", False)])
def test_hdf5_by_its_contents(here: Path, reads: pd.DataFrame, kind: str, own: bool):
    """AnnData and both versions of 10x, all called .h5."""
    if own:
        obs = pd.DataFrame({"group": [name[:3] for name in SAMPLES]}, index=SAMPLES)
        var = pd.DataFrame({"symbol": NAMES}, index=GENES)
        anndata.AnnData(reads.T.to_numpy(np.float32), obs=obs, var=var).write_h5ad("a.h5")
    else:
        matrix = sparse.csc_matrix(reads.to_numpy())
        with h5py.File("a.h5", "w") as file:
            group = file.create_group("matrix" if kind == "3" else "GRCh38")
            for name in ("data", "indices", "indptr"):
                group[name] = getattr(matrix, name)
            group["shape"], group["barcodes"] = np.array(matrix.shape), np.array(SAMPLES, dtype="S")
            places = ("features/id", "features/name") if kind == "3" else ("genes", "gene_names")
            group[places[0]], group[places[1]] = np.array(GENES, dtype="S"), np.array(NAMES, dtype="S")
            if kind == "3":
                group["features/feature_type"] = np.array(["Gene Expression"] * 60, dtype="S")
    study, _ = read("a.h5", **({"samples": None} if own else {}))
    same(study, reads)
    assert list(study.screen.name) == NAMES


@pytest.mark.fast
@pytest.mark.parametrize("kind", ["csr", "csc", "categorical", "nullable", "more"])
def test_anndata_as_its_own_sheet(here: Path, reads: pd.DataFrame, kind: str):
    table = reads.copy()
    obs = pd.DataFrame({"group": [name[:3] for name in SAMPLES], "age": [30, 31, 29, 33, 30, 28]}, index=SAMPLES)
    if kind == "categorical":
        obs["group"] = obs["group"].astype("category")
    if kind == "nullable":
        obs["age"] = pd.array(obs["age"], dtype="Int64")
    if kind == "more":
        table["extra"] = 7
        obs.loc["extra"] = ["ctl", 30]
        obs["age"] = obs["age"].astype(int)
        write_sheet()
    value = table.T.to_numpy()
    value = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix}.get(kind, np.asarray)(value.astype(np.float32))
    var = pd.DataFrame({"gene_symbol": NAMES}, index=GENES)
    anndata.AnnData(value, obs=obs, var=var).write_h5ad("a.h5ad")
    keys = {} if kind == "more" else {"samples": None, "design": "~ age + group"}
    study, said = read("a.h5ad", **keys)
    same(study, reads)
    assert list(study.screen.name) == NAMES
    assert ("(extra)" if kind == "more" else "the sample sheet is obs of a.h5ad") in said


# Sheets and annotation


def test_names_of_samples_anywhere(here: Path, reads: pd.DataFrame):
    """DESeq2's sheets: row names of R that number the rows, the names in a column."""
    sheet = pd.DataFrame({"group": [name[:3] for name in SAMPLES], "id": SAMPLES}, index=range(1, 7))
    sheet.to_csv("samples.tsv", sep="\t", index_label="")
    study, said = read(prep_de(reads))
    same(study, reads)
    assert "names are in the column 'id'" in said


def test_sheets_as_other_programs_have_them(here: Path, reads: pd.DataFrame, capsys: pytest.CaptureFixture[str]):
    """nf-core's, with a row for each pair of files; R's with row names and blanks; a row that was commented out."""
    counts = prep_de(reads.assign(bad=3))
    group = dict(zip(SAMPLES, [name[:3] for name in SAMPLES], strict=True))
    rows = [(name, f"{name}_{i}.fq.gz", group[name]) for name in SAMPLES for i in (1, 2)]
    pd.DataFrame(rows, columns=["sample", "fastq_1", "group"]).to_csv("samples.tsv", sep="\t", index=False)
    study, said = read(counts)
    same(study, reads)
    assert "12 rows are of 6 samples, one for each pair of files of reads (fastq_1)" in said
    rows[1] = (SAMPLES[0], "x.fq.gz", "trt")
    pd.DataFrame(rows, columns=["sample", "fastq_1", "group"]).to_csv("samples.tsv", sep="\t", index=False)
    refused(counts, "group", capsys=capsys)
    Path("samples.tsv").write_text('"group"\n' + "".join(f'"{name}" "{group[name]}"\n' for name in SAMPLES))
    same(read(counts)[0], reads)
    lines = ["sample\tgroup", "#bad\tctl", *(f"{name}\t{group[name]}" for name in SAMPLES)]
    Path("samples.tsv").write_text("\n".join(lines))
    study, said = read(counts)
    same(study, reads)
    assert "1 row that begins with # was left out (#bad)" in said


@pytest.mark.parametrize("missing", ["", "NA", "N/A", "NaN", " NA ", "NULL", "n.a.", "#DIV/0!", "\u00a0"])
def test_missing_values_by_any_name(here: Path, reads: pd.DataFrame, missing: str, capsys: pytest.CaptureFixture[str]):
    write_sheet(batch=["a", "b", missing, "a", "b", "a"], unused=[missing] * 6)
    counts = prep_de(reads)
    refused(
        counts, "1 of 6 samples has no value", "sample ctl_3, column 'batch'", capsys=capsys, design="~ batch + group"
    )
    config(counts, design="~ batch + group", missing="drop")
    study = prepare(read_config("config.yaml").datasets["one"], "median_ratio")
    assert list(study.counts.sample) == [name for name in SAMPLES if name != "ctl_3"]
    same(read(counts)[0], reads)


def test_values_and_levels_that_are_not_what_they_seem(here: Path, reads: pd.DataFrame, capsys):
    counts, design = prep_de(reads), {"design": "~ batch + group"}
    write_sheet(batch=["a", "b", "unknown", "a", "b", "a"])
    assert (
        "'unknown' in column 'batch' of the sheet (first: sample ctl_3; 1 sample) is taken" in read(counts, **design)[1]
    )
    write_sheet(batch=["wild-type", "b", "wild type", "wild-type", "b", "b"])
    assert "'wild type', 'wild-type' of column 'batch' of the sheet differ by signs" in read(counts, **design)[1]
    for one, other in (("ko", "ko\u200b"), ("t\u00e9", "te\u0301")):
        write_sheet(batch=[one, "b", other, one, "b", "b"])
        refused(counts, "differ by how their letters are stored alone", capsys=capsys, **design)
    # A design that fails because of one cell names the cell.
    write_sheet(batch=["31", "45", "-", "38", "61", "47"])
    refused(counts, "rank 6", "because of '-' (sample ctl_3; 1 of 6 values", capsys=capsys, **design)
    write_sheet(batch=["1,000", "2,500", "10,000", "1,000", "1,000", "2,500"])
    assert "the commas of '1,000' may part thousands" in read(counts, **design)[1]


def test_a_sheet_that_is_turned(here: Path, reads: pd.DataFrame, capsys):
    pd.read_csv("samples.tsv", sep="\t", index_col=0).T.to_csv("samples.tsv", sep="\t")
    refused(prep_de(reads), "samples.tsv is turned: 6 of its columns are samples", capsys=capsys)


def test_only_codes_are_doubted(here: Path, reads: pd.DataFrame):
    """Three or more whole numbers with replicates; not two, fractions, ages, or what is said to be one or the other."""
    for values, keys, doubted in (
        (["1", "2", "3"] * 2, {}, True),
        (["10", "20", "30"] * 2, {}, True),
        (["1", "2", "3", "4", "4", "2"], {}, True),
        (["0", "1"] * 3, {}, False),
        (["0.5", "1", "2"] * 2, {}, False),
        (["31", "45", "52", "38", "61", "47"], {}, False),
        (["1", "2", "3"] * 2, {"numeric": ["x"]}, False),
        (["1", "2", "3"] * 2, {"factors": ["x"]}, False),
        (["1", "2", "3"] * 2, {"design": "~ C(x) + group"}, False),
        (["1", "2", "3"] * 2, {"design": "~ log2(x) + group"}, False),
    ):
        write_sheet(x=values)
        _, said = read(prep_de(reads), **{"design": "~ x + group", **keys})
        assert ("whole numbers" in said) == doubted, (values, keys)


@pytest.mark.parametrize("kind", ["names first", "without headings", "transcripts without headings", "workbook"])
def test_annotation_as_other_tables_have_it(here: Path, reads: pd.DataFrame, kind: str):
    table = pd.DataFrame({"ensembl": GENES, "symbol": NAMES})
    if kind == "names first":
        table[["symbol", "ensembl"]].to_csv("a.tsv", sep="\t", index=False)
    elif kind == "workbook":
        table.to_excel("a.xlsx", index=False)
    else:
        if kind == "transcripts without headings":
            table.insert(0, "tx", TRANSCRIPTS)
        table.to_csv("a.tsv", sep="\t", index=False, header=False)
    study, said = read(prep_de(reads), genes="a.xlsx" if kind == "workbook" else "a.tsv")
    assert list(study.screen.name) == NAMES
    assert "60 of 60 genes named" in said


@pytest.mark.parametrize("kind", ["gtf", "gtf.gz", "gff3", "refseq", "biomart", "versions", "symbols", "none"])
def test_annotation(here: Path, reads: pd.DataFrame, kind: str):
    pairs = list(zip(GENES, NAMES, strict=True))
    path = {"biomart": "mart_export.txt", "versions": "a.tsv", "symbols": "a.tsv", "none": "a.tsv"}.get(
        kind, f"a.{kind}"
    )
    place = "1\thavana\tgene\t1\t9\t.\t+\t.\t"
    lines = {
        "gff3": [f"{place}ID=gene:{gene};Name={name};biotype=protein_coding" for gene, name in pairs],
        "refseq": [f'{place}gene_id "{gene}"; transcript_id ""; gene "{name}";' for gene, name in pairs],
        "biomart": ["Gene stable ID,Gene description,Gene name,GO term"]
        + [f'{gene},"a, b",{name},GO:{i}' for gene, name in pairs for i in range(3)],
        "versions": ["ensembl_gene_id\tSYMBOL", *(f"{gene}.7\t{name}" for gene, name in pairs)],
        "symbols": ["entrez\tensembl\thgnc_symbol", *(f"{i}\t{gene}\t{name}" for i, (gene, name) in enumerate(pairs))],
        "none": ["id\tname", "ENSMUSG01\tx"],
    }.get(kind, [f'{place}gene_id "{gene}"; gene_version "3"; gene_name "{name}";' for gene, name in pairs])
    text = "\n".join([*(["#!genome"] if "g" in path[2:5] else []), *lines, ""])
    path = "a.gtf" if kind == "refseq" else path
    if path.endswith(".gz"):
        Path(path).write_bytes(gzip.compress(text.encode()))
    else:
        Path(path).write_text(text)
    study, said = read(prep_de(reads), genes=path)
    if kind == "none":
        assert "warning: 0 of 60 genes named" in said
    else:
        assert list(study.screen.name) == NAMES
        assert f"60 of 60 genes named ({path})" in said


def test_nested_designs_ask_what_they_can(here: Path, reads: pd.DataFrame):
    """A comparison that needs what no sample has is refused."""
    write_sheet(ind=["1", "2", "3", "1", "2", "2"], when=["a", "b", "a", "a", "b", "a"])
    config(prep_de(reads), design="~ group + group:C(ind)")
    study = prepare(read_config("config.yaml").datasets["one"], "median_ratio")
    assert any("1 column of the design is 0 in all samples" in note for note in study.notes)
    config(
        prep_de(reads), design="~ group + group:C(ind)",
        contrasts={"t": {"coefficients": {"group[trt]:C(ind)[T.3]": 1}}},
    )  # fmt: skip
    assert main(["check", "config.yaml"]) == 2


def test_levels_that_differ_by_blanks_inside(here: Path, reads: pd.DataFrame):
    write_sheet(batch=["day 1", "day1", "day2"] * 2)
    config(prep_de(reads), design="~ batch + group")
    with pytest.raises(InputError, match=r"'day 1' \(2 samples\) and 'day1' \(2 samples\) differ by case or blanks"):
        prepare(read_config("config.yaml").datasets["one"], "median_ratio")


@pytest.mark.fast
@pytest.mark.parametrize("kind", ["gtf", "gff3"])
def test_annotation_tells_covariates(here: Path, reads: pd.DataFrame, kind: str):
    """Biotype, and bases that some exon covers, counted one by one here; what a gene's lines do not tell is missing."""
    rng = np.random.default_rng(3)
    lines, expected = [], {}
    for gene, name, biotype in zip(GENES, NAMES, ["protein_coding", "lncRNA"] * 30, strict=True):
        starts = rng.integers(1, 300, 5)
        ends = starts + rng.integers(0, 80, 5)
        expected[gene] = str(len({base for a, b in zip(starts, ends, strict=True) for base in range(a, b + 1)}))
        if kind == "gtf":
            lines.append(f'1\tx\tgene\t1\t400\t.\t+\t.\tgene_id "{gene}"; gene_biotype "{biotype}";')
            about = [f'gene_id "{gene}"; transcript_id "{gene}.{i % 2}"; gene_name "{name}";' for i in range(5)]
        else:
            lines.append(f"1\tx\tgene\t1\t400\t.\t+\t.\tID=gene:{gene};Name={name};biotype={biotype}")
            lines += [f"1\tx\tmRNA\t1\t400\t.\t+\t.\tID=transcript:{gene}.{i};Parent=gene:{gene}" for i in (0, 1)]
            about = [f"Parent=transcript:{gene}.{i % 2}" for i in range(5)]
        lines += [f"1\tx\texon\t{a}\t{b}\t.\t+\t.\t{word}" for a, b, word in zip(starts, ends, about, strict=True)]
    path = Path(f"a.{kind}")
    path.write_text("\n".join(["#!x", *lines, ""]))
    table = read_gene_places(path)
    assert table["length"].to_dict() == expected
    assert table["biotype"].to_list() == ["protein_coding", "lncRNA"] * 30
    config(prep_de(reads), genes=path.name)
    content = yaml.safe_load(Path("config.yaml").read_text())
    Path("config.yaml").write_text(yaml.safe_dump({**content, "prior": {"covariates": ["length", "biotype"]}}))
    assert main(["check", "config.yaml"]) == 0
    Path("config.yaml").write_text(yaml.safe_dump({**content, "prior": {"covariates": ["gc"]}}))
    assert main(["check", "config.yaml"]) == 2
