"""`ebgenes check`: every mistake at once, from the beginning of the files alone; and what will run."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cells
import pandas as pd
import pytest
import yaml
from test_inputs import (
    N_GENES as N_GENES,
    reads as reads,
    sheet as sheet,
    transcripts_of,
    write_feature_counts,
    write_quantified,
    write_star,
    write_tenx,
    write_tx2gene,
)

from ebgenes.app.check import Work
from ebgenes.app.cli import main

RESOURCES = Path(__file__).parents[1] / "resources"
DEX = {"column": "dex", "baseline": "untrt", "target": "trt"}


def airway(**changes: Any) -> dict[str, Any]:
    return {
        "counts": str(RESOURCES / "airway/counts.tsv.gz"),
        "samples": str(RESOURCES / "airway/samples.tsv"),
        "design": "~ cell + dex",
        "contrasts": {"dex": DEX},
        **changes,
    }


def check(folder: Path, datasets: dict[str, Any], **sections: Any) -> int:
    config = {"outdir": str(folder / "out"), "datasets": datasets, **sections}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return main(["check", str(folder / "config.yaml")])


def test_every_mistake_is_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    table = pd.read_csv(RESOURCES / "airway/samples.tsv", sep="\t", index_col=0)
    table.rename(index={table.index[0]: "stranger"}).to_csv(tmp_path / "other.tsv", sep="\t")
    (tmp_path / "decimals.tsv").write_text(
        "gene\t" + "\t".join(table.index) + "\n" + "g1" + "\t1.5" * 8 + "\n" + "g2" + "\t1" * 8 + "\n"
    )
    datasets = {
        "sheet": airway(samples=str(tmp_path / "other.tsv")),
        "missing": airway(counts="nowhere.tsv", genes="nogenes.tsv", controls="nocontrols.txt"),
        "contrast": airway(contrasts={"dex": {**DEX, "target": "trd"}, "more": {"coefficients": {"dex": 1}}}),
        "decimals": airway(counts=str(tmp_path / "decimals.tsv")),
        "folder": airway(counts=str(tmp_path)),
    }
    assert check(tmp_path, datasets) == 2
    said = capsys.readouterr().err
    for words in (
        "8 mistakes:",
        "sheet: the sample sheet and the counts name different samples: 1 in the sheet only (first: stranger)",
        "missing: nowhere.tsv does not exist",
        "missing: nogenes.tsv does not exist",
        "missing: cannot read nocontrols.txt" if "cannot read nocontrols" in said else "nocontrols.txt does not exist",
        "contrast/dex:",
        "Did you mean 'trt'?",
        "contrast/more:",
        "decimals: counts must be whole numbers >= 0",
        f"folder: {tmp_path} is a folder, and not one with counts",
    ):
        assert words in said


def test_all_formats_are_looked_at(
    tmp_path: Path, reads: pd.DataFrame, sheet: pd.DataFrame, capsys: pytest.CaptureFixture[str]
):
    transcripts = transcripts_of(reads)
    pairs = str(write_tx2gene(tmp_path, transcripts))
    places = {
        "star": write_star(tmp_path / "star", reads),
        "feature": write_feature_counts(tmp_path, reads, "{}.bam".format),
        "tenx": write_tenx(tmp_path / "10x", reads, 3),
        "salmon": write_quantified(tmp_path / "salmon", transcripts, "salmon"),
        "kallisto": write_quantified(tmp_path / "kallisto", transcripts, "kallisto"),
    }
    datasets = {name: airway(counts=str(place), tx2gene=pairs) for name, place in places.items()}
    assert check(tmp_path, datasets) == 0
    said = capsys.readouterr().out
    assert "ok: 5 contrasts in 5 datasets" in said
    assert "will run: 15 steps" in said
    for name, dataset in datasets.items():
        dataset["samples"] = str(tmp_path / "other.tsv")
        assert name in said
    sheet.rename(index={sheet.index[2]: "stranger"}).to_csv(tmp_path / "other.tsv", sep="\t")
    shutil.rmtree(tmp_path / "10x")
    assert check(tmp_path, datasets) == 2
    said = capsys.readouterr().err
    assert "5 mistakes:" in said
    assert said.count("(first: stranger)") == 4
    assert "10x does not exist" in said


def test_cells_are_counted_and_not_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    dataset = cells.write_study(tmp_path)
    assert check(tmp_path, {"blood": dataset}) == 0
    said = capsys.readouterr().out
    assert "blood: 600 cells of 4 types" in said
    assert "will run: 14 steps" in said
    assert "ok: 4 contrasts in 1 datasets" in said
    assert not (tmp_path / "out").exists()
    dataset["pseudobulk"] = {"sample": "donor", "cell_type": "celltype"}
    assert check(tmp_path, {"blood": dataset}) == 2
    assert "Did you mean 'cell_type'?" in capsys.readouterr().err


def test_chunks_are_counted_as_steps():
    sizes = {"studies": 1, "contrasts": 2, "genes": 100, "samples": 6, "size": 10}
    assert Work(**sizes).jobs == 1 + 2 + 1
    assert Work(**sizes, batch=2).jobs == Work(**sizes, batch=10).jobs == 1 + 1 + 2 + 1
    assert Work(**sizes, chunks=4).jobs == 1 + 2 * (1 + 4 + 1) + 1


MEASURED = {
    "airway": (1, 64_102, 8, 498_013, 9.8, 514),
    "pasilla": (1, 14_599, 7, 166_259, 7.1, 495),
    "hammer": (1, 29_516, 8, 298_216, 9.0, 524),
    "arabidopsis": (1, 26_222, 6, 235_898, 7.9, 495),
    "SEQC, A and B": (1, 25_794, 16, 730_177, 13.1, 541),
    "SEQC, three contrasts": (3, 25_794, 16, 730_177, 41.0, 910),
    "Bottomly": (1, 36_536, 21, 469_141, 9.0, 516),
    "Bottomly, draws": (1, 36_536, 21, 469_141, 12.1, 585),
    "fission": (1, 7_039, 36, 405_691, 8.5, 548),
    "fission, five rows": (1, 7_039, 36, 405_691, 12.0, 589),
    "fission, random factor": (1, 7_039, 36, 405_691, 5.2, 455),
    "simulated, 40": (1, 20_000, 40, 2_740_000, 9.1, 496),
    "simulated, 170": (1, 20_000, 170, 11_596_136, 11.8, 596),
}
"""Contrasts, genes, samples, bytes of studies; seconds of CPU and peak memory (MB) of ``ebgenes run --threads 1``, with
compiled loops in the cache, as `benchmarks/workflow/estimates.csv` has them."""


@pytest.mark.parametrize("study", MEASURED)
def test_estimates_are_within_a_factor_of_two(study: str):
    contrasts, genes, samples, size, seconds, memory = MEASURED[study]
    work = Work(studies=1, contrasts=contrasts, genes=genes, samples=samples, size=size)
    assert seconds / 2 < work.seconds < 2 * seconds
    assert memory / 2 < work.memory < 2 * memory


def test_measured_studies_are_those_of_the_benchmark():
    """What check said there, with the genes that it guesses, is within a factor of two as well."""
    table = pd.read_csv(Path(__file__).parents[1] / "benchmarks/workflow/estimates.csv")
    assert sorted(table["cpu_s"]) == sorted(seconds for *_, seconds, _ in MEASURED.values())
    assert table["seconds_ratio"].between(0.5, 2).all()
    assert table["memory_ratio"].between(0.5, 2).all()
