"""Counts as STAR, featureCounts, salmon, kallisto, 10x and others leave them: real airway reads in each one's form."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from conftest import reference
from scipy import sparse
from scipy.io import mmwrite

import ebgenes as eb
from ebgenes.app.cli import main
from ebgenes.arrays import text_array
from ebgenes.data.quant import sum_to_genes
from ebgenes.data.reading import read_input, recognise
from ebgenes.data.transcripts import genes_of, read_tx2gene
from ebgenes.errors import InputError
from ebgenes.records.counts import Counts

N_GENES = 40


@pytest.fixture(scope="module")
def reads(airway_all: Counts) -> pd.DataFrame:
    """Forty of airway's genes, some of them silent, genes by samples."""
    rows = np.r_[0:30, 20000:20010]
    return pd.DataFrame(airway_all.count[rows], index=list(airway_all.gene[rows]), columns=list(airway_all.sample))


@pytest.fixture(scope="module")
def sheet(airway_samples: pd.DataFrame) -> pd.DataFrame:
    return airway_samples


# Each format as its program writes it


def star_text(column: pd.Series, strand: str = "reverse") -> str:
    """Unstranded counts hold both strands'; a stranded library has a twentieth of its reads on the other one."""
    total = column.to_numpy()
    few = total // 20
    forward, reverse = {
        "reverse": (few, total),
        "forward": (total, few),
        "unstranded": (total // 2, total - total // 2),
    }[strand]
    head = [
        "N_unmapped\t100\t100\t100",
        "N_multimapping\t50\t50\t50",
        f"N_noFeature\t9\t{total.sum()}\t19",
        "N_ambiguous\t7\t1\t2",
    ]
    rows = [f"{g}\t{a}\t{b}\t{c}" for g, a, b, c in zip(column.index, total, forward, reverse, strict=True)]
    return "\n".join([*head, *rows]) + "\n"


def write_star(folder: Path, reads: pd.DataFrame, strand: str = "reverse") -> Path:
    for sample in reads.columns:
        (folder / sample).mkdir(parents=True)
        (folder / sample / "ReadsPerGene.out.tab").write_text(star_text(reads[sample], strand))
        (folder / sample / "Log.final.out").write_text("Started job on | now\n")
    return folder


def feature_counts_text(table: pd.DataFrame, names: list[str]) -> str:
    head = '# Program:featureCounts v2.0.6; Command:"featureCounts" "-p" "-a" "genes.gtf" "-o" "counts.txt" "a.bam" \n'
    fixed = pd.DataFrame(
        {"Chr": "1;1", "Start": "11869;12613", "End": "12227;12721", "Strand": "+;+", "Length": 468}, index=table.index
    )
    fixed.index.name = "Geneid"
    return head + pd.concat([fixed, table.set_axis(names, axis=1)], axis=1).to_csv(sep="\t")


def write_feature_counts(folder: Path, reads: pd.DataFrame, name: Callable[[str], str]) -> Path:
    path = folder / "counts.txt"
    path.write_text(feature_counts_text(reads, [name(sample) for sample in reads.columns]))
    return path


def write_tenx(folder: Path, reads: pd.DataFrame, version: int) -> Path:
    folder.mkdir()
    mmwrite(folder / "matrix.mtx", sparse.coo_array(reads.to_numpy()), field="integer")
    (folder / "barcodes.tsv").write_text("".join(f"{sample}\n" for sample in reads.columns))
    rows = [f"{gene}\tname{i}" for i, gene in enumerate(reads.index)]
    if version == 2:
        (folder / "genes.tsv").write_text("".join(f"{row}\n" for row in rows))
        return folder
    (folder / "features.tsv").write_text("".join(f"{row}\tGene Expression\n" for row in rows))
    for path in list(folder.iterdir()):
        (folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    return folder


def transcripts_of(reads: pd.DataFrame) -> pd.DataFrame:
    """Two transcripts a gene share its reads, three to one; lengths differ between samples a little."""
    rows = []
    for i, gene in enumerate(reads.index):
        for part, share in enumerate((0.75, 0.25)):
            for j, sample in enumerate(reads.columns):
                length = 500.0 + 100 * i + 400 * part + 10 * j
                rows.append((f"ENST{i:08d}{part}.{part + 1}", gene, sample, share * reads.loc[gene, sample], length))
    return pd.DataFrame(rows, columns=["transcript", "gene", "sample", "reads", "length"])


def write_quantified(folder: Path, transcripts: pd.DataFrame, program: str) -> Path:
    for sample, rows in transcripts.groupby("sample", sort=False):
        rate = rows["reads"] / rows["length"]
        tpm = 1e6 * rate / rate.sum()
        columns = {
            "salmon": {
                "Name": rows["transcript"],
                "Length": rows["length"] + 200,
                "EffectiveLength": rows["length"],
                "TPM": tpm,
                "NumReads": rows["reads"],
            },
            "kallisto": {
                "target_id": rows["transcript"],
                "length": rows["length"] + 200,
                "eff_length": rows["length"],
                "est_counts": rows["reads"],
                "tpm": tpm,
            },
        }[program]
        (folder / str(sample)).mkdir(parents=True)
        name = {"salmon": "quant.sf", "kallisto": "abundance.tsv"}[program]
        pd.DataFrame(columns).to_csv(folder / str(sample) / name, sep="\t", index=False)
    return folder


def write_tx2gene(folder: Path, transcripts: pd.DataFrame) -> Path:
    pairs = transcripts[["transcript", "gene"]].drop_duplicates()
    path = folder / "tx2gene.tsv"
    pairs.to_csv(path, sep="\t", index=False)
    return path


def same_counts(found: Counts, reads: pd.DataFrame) -> None:
    assert list(found.sample) == list(reads.columns)
    assert list(found.gene) == list(reads.index)
    np.testing.assert_array_equal(found.count, reads.to_numpy())


# Recognised, read, and equal to the plain table


@pytest.mark.fast
@pytest.mark.parametrize("strand", ["unstranded", "forward", "reverse"])
def test_star(tmp_path: Path, reads: pd.DataFrame, sheet: pd.DataFrame, strand: str):
    folder = write_star(tmp_path / "star", reads, strand)
    assert recognise(folder, sheet) == "star"
    found = read_input(folder, sheet)
    same_counts(found.counts, reads)
    assert f"libraries are {strand}" in found.notes[0]
    unstranded = read_input(folder, sheet, format="star", strandedness="unstranded")
    same_counts(unstranded.counts, reads)
    assert not unstranded.notes


def test_star_files_beside_one_another_or_named_by_the_sheet(tmp_path: Path, reads: pd.DataFrame, sheet: pd.DataFrame):
    (tmp_path / "flat").mkdir()
    (tmp_path / "elsewhere").mkdir()
    for i, sample in enumerate(reads.columns):
        text = gzip.compress(star_text(reads[sample]).encode())
        (tmp_path / "flat" / f"{sample}_ReadsPerGene.out.tab.gz").write_bytes(text)
        (tmp_path / "elsewhere" / f"lane{i}ReadsPerGene.out.tab.gz").write_bytes(text)
    same_counts(read_input(tmp_path / "flat", sheet).counts, reads)
    told = sheet.assign(path=[f"elsewhere/lane{i}ReadsPerGene.out.tab.gz" for i in range(8)])
    same_counts(read_input(tmp_path, told).counts, reads)


@pytest.mark.parametrize(
    "name", [str, "/data/run 1/{}.bam".format, "bam/{}/Aligned.sortedByCoord.out.bam".format, "{}_sorted.bam".format]
)
def test_feature_counts(tmp_path: Path, reads: pd.DataFrame, sheet: pd.DataFrame, name: Callable[[str], str]):
    path = write_feature_counts(tmp_path, reads, name)
    assert recognise(path, sheet) == "featurecounts"
    same_counts(read_input(path, sheet).counts, reads)
    told = sheet.assign(path=[name(sample) for sample in sheet.index]).set_axis([f"S{i}" for i in range(8)])
    assert list(read_input(path, told).counts.sample) == [f"S{i}" for i in range(8)]


def test_feature_counts_of_one_sample_each(tmp_path: Path, reads: pd.DataFrame, sheet: pd.DataFrame):
    for sample in reads.columns:
        text = feature_counts_text(reads[[sample]], [f"{sample}.markdup.sorted.bam"])
        (tmp_path / f"{sample}.featureCounts.txt").write_text(text)
    assert recognise(tmp_path, sheet) == "featurecounts"
    same_counts(read_input(tmp_path, sheet).counts, reads)


@pytest.mark.fast
@pytest.mark.parametrize("version", [2, 3])
def test_tenx(tmp_path: Path, reads: pd.DataFrame, sheet: pd.DataFrame, version: int):
    folder = write_tenx(tmp_path / "10x", reads, version)
    assert recognise(folder, sheet) == "10x"
    same_counts(read_input(folder, sheet).counts, reads)


def test_tenx_features_of_other_kinds_are_left_out(tmp_path: Path, reads: pd.DataFrame, sheet: pd.DataFrame):
    folder = write_tenx(tmp_path / "10x", reads, 3)
    path = folder / "features.tsv.gz"
    rows = gzip.decompress(path.read_bytes()).decode().splitlines()
    rows[3] = rows[3].replace("Gene Expression", "Antibody Capture")
    path.write_bytes(gzip.compress("\n".join(rows).encode()))
    same_counts(read_input(folder, sheet).counts, reads.drop(index=reads.index[3]))


@pytest.mark.fast
@pytest.mark.skipif(find_spec("pyarrow") is None, reason="pyarrow is not installed: pip install '.[parquet]'")
@pytest.mark.parametrize("in_index", [True, False])
def test_parquet(tmp_path: Path, reads: pd.DataFrame, sheet: pd.DataFrame, in_index: bool):
    path = tmp_path / "counts.parquet"
    (reads if in_index else reads.rename_axis("gene_id").reset_index()).to_parquet(path)
    assert recognise(path, sheet) == "parquet"
    same_counts(read_input(path, sheet).counts, reads)


def test_tables_and_h5ad(tmp_path: Path, reads: pd.DataFrame, sheet: pd.DataFrame):
    reads.to_csv(tmp_path / "counts.csv")
    anndata.AnnData(
        sparse.csr_array(reads.T.to_numpy()),
        obs=pd.DataFrame(index=reads.columns),
        var=pd.DataFrame(index=reads.index),
    ).write_h5ad(tmp_path / "counts.h5ad")
    for name, kind in (("counts.csv", "table"), ("counts.h5ad", "h5ad")):
        assert recognise(tmp_path / name, sheet) == kind
        same_counts(read_input(tmp_path / name, sheet).counts, reads)


@pytest.mark.fast
@pytest.mark.parametrize("program", ["salmon", "kallisto"])
def test_transcripts_are_summed_to_genes(tmp_path: Path, reads: pd.DataFrame, sheet: pd.DataFrame, program: str):
    transcripts = transcripts_of(reads)
    folder = write_quantified(tmp_path / "quant", transcripts, program)
    pairs = write_tx2gene(tmp_path, transcripts)
    assert recognise(folder, sheet) == program
    found = read_input(folder, sheet, tx2gene=str(pairs)).counts
    same_counts(found, reads.sort_index())
    # By hand, gene by gene, as tximport's documentation describes it.
    for i, gene in enumerate(found.gene):
        rows = transcripts[transcripts["gene"] == gene]
        expected = []
        for sample in found.sample:
            here = rows[rows["sample"] == sample]
            tpm = here["reads"] / here["length"]
            expected.append((tpm * here["length"]).sum() / tpm.sum() if tpm.sum() > 0 else np.nan)
        if np.isnan(expected).all():
            expected = [rows["length"].mean()] * 8
        fill = np.exp(np.nanmean(np.log(expected)))
        # Abundances pass through text of 17 digits.
        np.testing.assert_allclose(found.length[i], np.where(np.isnan(expected), fill, expected), rtol=1e-12)


def test_kallistos_binary_file(tmp_path: Path, reads: pd.DataFrame, sheet: pd.DataFrame):
    transcripts = transcripts_of(reads)
    folder = write_quantified(tmp_path / "quant", transcripts, "kallisto")
    pairs = str(write_tx2gene(tmp_path, transcripts))
    text = read_input(folder, sheet, tx2gene=pairs).counts
    for path in list(folder.glob("*/abundance.tsv")):
        table = pd.read_csv(path, sep="\t")
        with h5py.File(path.with_suffix(".h5"), "w") as file:
            file["aux/ids"] = np.array([name.encode() for name in table["target_id"]])
            file["aux/eff_lengths"], file["est_counts"] = table["eff_length"], table["est_counts"]
        path.unlink()
    binary = read_input(folder, sheet, tx2gene=pairs).counts
    np.testing.assert_array_equal(binary.count, text.count)
    np.testing.assert_allclose(binary.length, text.length, rtol=1e-12)


def test_offsets_of_lengths_are_deseq2s():
    """DESeq2's normalization factors of the same counts and lengths (tests/reference/lengths.R)."""
    long = reference("lengths/factors.csv.gz")
    wide = {name: long.pivot(index="gene", columns="sample", values=name) for name in ("count", "length", "factor")}
    gene, sample = text_array(wide["count"].index), text_array(wide["count"].columns)
    counts = Counts(gene=gene, sample=sample, count=wide["count"].to_numpy(), length=wide["length"].to_numpy())
    made = eb.normalize(counts)
    # R's digits: 15.
    np.testing.assert_allclose(np.exp(made.log_size), wide["factor"].to_numpy(), rtol=1e-12)


def test_means_of_all_genes_take_their_lengths(tmp_path: Path, reads: pd.DataFrame, sheet: pd.DataFrame):
    transcripts = transcripts_of(reads)
    folder = write_quantified(tmp_path / "quant", transcripts, "salmon")
    counts = read_input(folder, sheet, tx2gene=str(write_tx2gene(tmp_path, transcripts))).counts
    screen = eb.screen_genes(counts, eb.build_design(sheet, "~ dex"))
    assert 0 < screen.kept.sum() < N_GENES
    kept = eb.normalize(eb.keep_expressed(counts, screen))
    base_mean = eb.with_base_mean(screen, counts, kept).base_mean
    np.testing.assert_allclose(base_mean[screen.kept], (kept.count / np.exp(kept.log_size)).mean(axis=1), rtol=1e-13)
    assert np.isfinite(base_mean).all()


def test_lengths_of_silent_genes():
    """One gene silent in a sample, one silent in all: geometric mean of the others; plain mean of its transcripts."""
    abundance = np.array([[1.0, 3, 0], [1, 1, 0], [0, 0, 0], [0, 0, 0]])
    length = np.array([[100.0, 200, 300], [300, 400, 500], [50, 60, 70], [110, 120, 130]])
    gene, _, average = sum_to_genes(["b", "b", "a", "a"], abundance, length, abundance)
    assert list(gene) == ["a", "b"]
    np.testing.assert_allclose(average[1], [200, 250, np.sqrt(200 * 250)])
    np.testing.assert_allclose(average[0], 90)


# Which gene a transcript is of

GTF = """\
#!genome-build GRCh38
1\thavana\tgene\t1\t9\t.\t+\t.\tgene_id "G1"; gene_version "5";
1\thavana\ttranscript\t1\t9\t.\t+\t.\tgene_id "G1"; gene_version "5"; transcript_id "T1"; transcript_version "2";
1\thavana\texon\t1\t9\t.\t+\t.\tgene_id "G1"; transcript_id "T1"; exon_number "1";
1\thavana\ttranscript\t1\t9\t.\t-\t.\ttranscript_id "T2"; gene_id "G 2";
"""


def test_genes_from_gtf_with_and_without_lines_of_transcripts(tmp_path: Path):
    path = tmp_path / "genes.gtf.gz"
    path.write_bytes(gzip.compress(GTF.encode()))
    assert read_tx2gene(path) == {"T1": "G1", "T2": "G 2"}
    old = tmp_path / "old.gtf"
    old.write_text("\n".join(line for line in GTF.splitlines() if "\ttranscript\t" not in line))
    assert read_tx2gene(old) == {"T1": "G1"}


@pytest.mark.parametrize(
    ("names", "told"),
    [(["T1", "T2"], None), (["T1|G1|rest", "T2|x"], "|"), (["T1.4", "T2.1|G|"], "version")],
)
def test_spellings_of_transcripts(names: list[str], told: str | None):
    genes, notes = genes_of(text_array(names), {"T1": "G1", "T2": "G2"}, "tx2gene.tsv")
    assert genes == ["G1", "G2"]
    assert bool(notes) == (told is not None)
    assert told is None or told in notes[0]


def test_unknown_transcripts_are_left_out_and_told():
    genes, notes = genes_of(text_array(["T1", "T9"]), {"T1": "G1"}, "tx2gene.tsv")
    assert genes == ["G1", None]
    assert "1 of 2 transcripts are not in tx2gene.tsv and were left out (first: T9)" in notes[0]


# Mistakes: one message each


def spoil(path: Path, change: Callable[[str], str]) -> None:
    path.write_text(change(path.read_text()))


STAR_MISTAKES = {
    "no such sample": (lambda f, s: (f / s[2]).rename(f / "other"), "1 of 8 samples of the sheet have no Reads"),
    "cut": (
        lambda f, s: spoil(f / s[1] / "ReadsPerGene.out.tab", lambda t: t[: len(t) // 2]),
        "lists other genes|lack one of",
    ),
    "empty": (lambda f, s: (f / s[1] / "ReadsPerGene.out.tab").write_text(""), "is empty"),
    "edited": (
        lambda f, s: spoil(f / s[0] / "ReadsPerGene.out.tab", lambda t: t.partition("N_ambiguous")[2]),
        "must begin with N_unmapped",
    ),
    "decimals": (
        lambda f, s: spoil(f / s[0] / "ReadsPerGene.out.tab", lambda t: t[:-2] + "1.5\n"),
        "must be whole numbers",
    ),
    "twice": (lambda f, s: (f / s[0] / "b.ReadsPerGene.out.tab").write_text("x"), "has 2 files of counts"),
}


@pytest.mark.parametrize("mistake", STAR_MISTAKES)
def test_mistakes_with_star(tmp_path: Path, reads: pd.DataFrame, sheet: pd.DataFrame, mistake: str):
    folder = write_star(tmp_path / "star", reads)
    change, message = STAR_MISTAKES[mistake]
    change(folder, list(reads.columns))
    with pytest.raises(InputError, match=message):
        read_input(folder, sheet, format="star")


def test_mixed_libraries_are_refused(tmp_path: Path, reads: pd.DataFrame, sheet: pd.DataFrame):
    folder = write_star(tmp_path / "star", reads)
    first = reads.columns[0]
    (folder / first / "ReadsPerGene.out.tab").write_text(star_text(reads[first], "forward"))
    with pytest.raises(InputError, match="Set strandedness: to unstranded, forward or reverse"):
        read_input(folder, sheet)


def test_transcripts_without_genes_are_refused(tmp_path: Path, reads: pd.DataFrame, sheet: pd.DataFrame):
    transcripts = transcripts_of(reads)
    folder = write_quantified(tmp_path / "quant", transcripts, "salmon")
    with pytest.raises(InputError, match="Set tx2gene: to a table"):
        read_input(folder, sheet)
    (tmp_path / "mouse.tsv").write_text("ENSMUST1\tENSMUSG1\nENSMUST2\tENSMUSG1\n")
    with pytest.raises(InputError, match="none of 80 transcripts is in"):
        read_input(folder, sheet, tx2gene=str(tmp_path / "mouse.tsv"))
    (tmp_path / "one.tsv").write_text("ENSMUST1\n")
    with pytest.raises(InputError, match="names no transcript with its gene"):
        read_input(folder, sheet, tx2gene=str(tmp_path / "one.tsv"))
    spoil(folder / str(reads.columns[0]) / "quant.sf", lambda text: text.replace("NumReads", "Reads"))
    with pytest.raises(InputError, match="has no column 'NumReads'"):
        read_input(folder, sheet, tx2gene=str(write_tx2gene(tmp_path, transcripts)))


def test_mistakes_with_feature_counts(tmp_path: Path, reads: pd.DataFrame, sheet: pd.DataFrame):
    path = write_feature_counts(tmp_path, reads, "{}.bam".format)
    with pytest.raises(InputError, match=r"different samples: 1 in the sheet only \(first: other\)"):
        read_input(path, sheet.rename(index={sheet.index[3]: "other"}))
    (tmp_path / "plain.tsv").write_text("gene\ta\nx\t1\n")
    with pytest.raises(InputError, match="is not featureCounts' table"):
        read_input(tmp_path / "plain.tsv", sheet, format="featurecounts")


def test_mistakes_with_tenx(tmp_path: Path, reads: pd.DataFrame, sheet: pd.DataFrame):
    folder = write_tenx(tmp_path / "10x", reads, 2)
    spoil(folder / "barcodes.tsv", lambda text: text + "extra\n")
    with pytest.raises(InputError, match="40 rows and 8 columns, but there are 40 features and 9 barcodes"):
        read_input(folder, sheet)
    (folder / "barcodes.tsv").unlink()
    with pytest.raises(InputError, match=r"has no barcodes\.tsv"):
        read_input(folder, sheet)
    (folder / "matrix.mtx").write_text("not a matrix\n")
    (folder / "barcodes.tsv").write_text("a\n")
    with pytest.raises(InputError, match="not a sparse Matrix Market file"):
        read_input(folder, sheet)


def test_places_that_hold_nothing(tmp_path: Path, reads: pd.DataFrame, sheet: pd.DataFrame):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match=r"is a folder, and not one with counts.*It holds: notes\.txt"):
        read_input(tmp_path, sheet)
    with pytest.raises(InputError, match="does not exist"):
        read_input(tmp_path / "nothing", sheet)
    with pytest.raises(InputError, match="does not exist; format salmon needs the folder"):
        read_input(tmp_path / "nothing", sheet, format="salmon")
    with pytest.raises(InputError, match="unknown format 'bam'"):
        read_input(tmp_path, sheet, format="bam")


# From the command line, to the end


def test_a_folder_of_transcripts_runs_to_its_counts(
    tmp_path: Path, reads: pd.DataFrame, capsys: pytest.CaptureFixture[str]
):
    transcripts = transcripts_of(reads)
    folder = write_quantified(tmp_path / "quant", transcripts, "salmon")
    pairs = write_tx2gene(tmp_path, transcripts[transcripts["gene"] != reads.index[0]])
    sheet = Path(__file__).parents[1] / "resources/airway/samples.tsv"
    out = tmp_path / "out" / "counts.h5ad"
    code = main(
        [
            "counts",
            str(folder),
            "--samples",
            str(sheet),
            "--design",
            "~ dex",
            "--tx2gene",
            str(pairs),
            "--out",
            str(out),
        ]
    )
    said = capsys.readouterr().err
    assert code == 0, said
    assert "2 of 80 transcripts are not in" in said
    study = eb.read_study(out)
    assert study.counts.log_size.shape == study.counts.count.shape
