"""Folders of cells as STARsolo, alevin-fry and Cell Ranger leave them: sums are those of the matrix written."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import sparse
from scipy.io import mmwrite

from ebgenes.app.cli import main
from ebgenes.data.pseudobulk import pseudobulk_cells
from ebgenes.data.tenx import features
from ebgenes.errors import InputError

DONORS = ["c1", "c2", "t1", "t2"]
GENES = [f"ENSG{i:03d}" for i in range(12)]
N_CELLS = 8
BARCODES = [f"ACGT{i}-1" for i in range(N_CELLS)]
"""The same in every sample, as they may be."""

TYPES = [("B", "T")[i % 2] for i in range(N_CELLS)]
COLUMNS = {"sample": "donor", "cell_type": "type", "layer": None}


@pytest.fixture
def counts() -> dict[str, np.ndarray]:
    """Genes by cells of each donor."""
    rng = np.random.default_rng(8)
    return {name: rng.poisson(2, (len(GENES), N_CELLS)) for name in DONORS}


def market(matrix: np.ndarray) -> bytes:
    file = io.BytesIO()
    mmwrite(file, sparse.coo_matrix(matrix))
    return file.getvalue()


def write_tenx(folder: Path, matrix: np.ndarray, packed: bool = False) -> None:
    folder.mkdir(parents=True)
    content = {
        "matrix.mtx": market(matrix),
        "features.tsv": "".join(f"{gene}\tSym{gene}\tGene Expression\n" for gene in GENES).encode(),
        "barcodes.tsv": "".join(f"{code}\n" for code in BARCODES).encode(),
    }
    for name, text in content.items():
        (folder / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(text) if packed else text)


def write_alevin(folder: Path, columns: list[str], cell_by_column: np.ndarray) -> None:
    folder.mkdir(parents=True)
    (folder / "quants_mat.mtx").write_bytes(market(cell_by_column))
    (folder / "quants_mat_rows.txt").write_text("".join(f"{code}\n" for code in BARCODES))
    (folder / "quants_mat_cols.txt").write_text("".join(f"{name}\n" for name in columns))


def write_hdf5(path: Path, matrix: np.ndarray, version: int) -> None:
    by_cell = sparse.csc_matrix(matrix)
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix" if version == 3 else "GRCh38")
        for name in ("data", "indices", "indptr"):
            group[name] = getattr(by_cell, name)
        group["shape"] = np.array(matrix.shape)
        group["barcodes"] = np.array(BARCODES, dtype="S")
        if version == 3:
            group["features/id"] = np.array(GENES, dtype="S")
            group["features/name"] = np.array([f"Sym{gene}" for gene in GENES], dtype="S")
            group["features/feature_type"] = np.array(["Gene Expression"] * 11 + ["Antibody Capture"], dtype="S")
        else:
            group["genes"] = np.array(GENES, dtype="S")
            group["gene_names"] = np.array(GENES, dtype="S")


def write_table(path: Path, name: str = "{donor}_{code}", **columns: bool) -> str:
    rows = [(name.format(donor=d, code=c), d, t) for d in DONORS for c, t in zip(BARCODES, TYPES, strict=True)]
    table = pd.DataFrame(rows, columns=["cell", "donor", "type"])
    table.drop(columns=[key for key, there in columns.items() if not there]).to_csv(path, sep="\t", index=False)
    return str(path)


def require_sums(path: Path, table: str, expected: dict[str, np.ndarray], n_genes: int = 12, **keys: object) -> str:
    """The sums by type and donor are those of the cells; returns what was said."""
    sums, notes = pseudobulk_cells(path, DONORS, **{**COLUMNS, "cells": table, **keys})
    assert list(sums.gene) == GENES[:n_genes]
    kind = np.array(TYPES)
    for cell_type, donor, count in zip(sums.cell_type, sums.sample, sums.count, strict=True):
        np.testing.assert_array_equal(count, np.rint(expected[donor][:n_genes, kind == cell_type].sum(axis=1)))
    assert len(sums.count) == 2 * len(expected)
    return " ".join(notes)


def test_a_carriage_return_within_a_line_is_told(tmp_path: Path) -> None:
    """pandas took 24 GB for it (found by fuzzing)."""
    write_tenx(tmp_path / "x", np.ones((12, len(BARCODES)), dtype=int))
    lines = [f"{gene}\tSym{gene}\tGene Expression\n" for gene in GENES]
    lines[3] = lines[3].replace("Gene Exp", "Gene\r Exp")
    (tmp_path / "x/features.tsv").write_bytes("".join(lines).encode())
    with pytest.raises(InputError, match="carriage return within line 4"):
        features(tmp_path / "x")


PLACES = {
    "Solo.out/Gene/filtered": "{donor}_{code}", "x.Solo.out/GeneFull/filtered": "{code}_{donor}",
    "outs/filtered_feature_bc_matrix": "{code}-{donor}", "filtered": "{donor}:{code}", "": "{donor}#{code}",
}  # fmt: skip
"""Where a matrix lies in a sample's folder, and how a table names the cells."""


@pytest.mark.parametrize(("place", "name"), list(PLACES.items()))
def test_a_folder_for_each_sample(tmp_path: Path, counts: dict[str, np.ndarray], place: str, name: str):
    for donor, matrix in counts.items():
        write_tenx(tmp_path / "runs" / donor / place, matrix, packed=donor == "c1")
        if place.startswith("Solo"):
            write_tenx(tmp_path / "runs" / donor / "Solo.out/Gene/raw", matrix + 1)
    said = require_sums(tmp_path / "runs", write_table(tmp_path / "cells.tsv", name), counts)
    assert "cells of 4 samples were read, each from its folder" in said
    assert place in said


def test_barcodes_that_repeat_between_samples(tmp_path: Path, counts: dict[str, np.ndarray]):
    """Rows of the table tell their sample in a column; without it, the folder does."""
    for donor, matrix in counts.items():
        write_tenx(tmp_path / "runs" / donor, matrix)
    require_sums(tmp_path / "runs", write_table(tmp_path / "a.tsv", "{code}"), counts)
    require_sums(tmp_path / "runs", write_table(tmp_path / "b.tsv", donor=False), counts)
    with pytest.raises(InputError, match="has no column 'type'"):
        require_sums(tmp_path / "runs", write_table(tmp_path / "c.tsv", type=False), counts)
    with pytest.raises(InputError, match=r"none of 32 cells is in .*d.tsv \(first: c1_ACGT0-1; it has x\)"):
        require_sums(tmp_path / "runs", write_table(tmp_path / "d.tsv", "x", donor=False), counts)
    features = tmp_path / "runs/t2/features.tsv"
    features.write_text(features.read_text().replace("ENSG003", "ENSG999"))
    with pytest.raises(InputError, match=r"t2 lists other genes than .*c1 \(12 and 12\)"):
        require_sums(tmp_path / "runs", str(tmp_path / "a.tsv"), counts)


def of_one(counts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {"c1": counts["c1"]}


USA = [*GENES, *(f"{gene}-U" for gene in GENES), *(f"{gene}-A" for gene in GENES)]


@pytest.mark.parametrize(
    ("layer", "share"), [(None, (1, 0, 0.25)), ("U+S+A", (1, 0.5, 0.25)), ("S", (1, 0, 0)), ("U", (0, 0.5, 0))]
)
def test_alevin_fry_counts_what_is_asked(
    tmp_path: Path, counts: dict[str, np.ndarray], layer: str | None, share: tuple[float, ...]
):
    """Columns are spliced, unspliced and ambiguous reads of the genes; spliced and ambiguous ones are usual."""
    for donor, matrix in counts.items():
        cells = np.hstack([matrix.T * 1.0, matrix.T * 0.5, matrix.T * 0.25])
        write_alevin(tmp_path / "af" / donor / "af_quant/alevin", USA, cells)
    expected = {donor: matrix * sum(share) for donor, matrix in counts.items()}
    said = require_sums(tmp_path / "af", write_table(tmp_path / "cells.tsv"), expected, layer=layer)
    assert f"{layer or 'S+A'} were counted" in said
    assert "sums of cells were rounded" in said


def test_alevin_fry_without_splicing(tmp_path: Path, counts: dict[str, np.ndarray]):
    write_alevin(tmp_path / "af/alevin", GENES, counts["c1"].T)
    table = write_table(tmp_path / "cells.tsv")
    one = pd.read_csv(table, sep="\t").query("donor == 'c1'")
    one.assign(cell=BARCODES).to_csv(table, sep="\t", index=False)
    said = require_sums(tmp_path / "af", table, of_one(counts))
    assert "unspliced" not in said
    with pytest.raises(InputError, match="no layer 'S'"):
        require_sums(tmp_path / "af", table, of_one(counts), layer="S")
    (tmp_path / "af/alevin/quants_mat.mtx").rename(tmp_path / "af/alevin/quants_mat.gz")
    with pytest.raises(InputError, match="--dumpMtx"):
        require_sums(tmp_path / "af", table, of_one(counts))


@pytest.mark.parametrize(("version", "n_genes"), [(2, 12), (3, 11)])
def test_tenx_hdf5(tmp_path: Path, counts: dict[str, np.ndarray], version: int, n_genes: int):
    """Of version 3 the antibodies are no genes; several files are a folder's each."""
    for donor, matrix in counts.items():
        (tmp_path / "runs" / donor / "outs").mkdir(parents=True)
        write_hdf5(tmp_path / "runs" / donor / "outs/filtered_feature_bc_matrix.h5", matrix, version)
    require_sums(tmp_path / "runs", write_table(tmp_path / "cells.tsv"), counts, n_genes)


@pytest.mark.parametrize("damage", ["indptr", "indices", "shape", "barcodes"])
def test_damaged_hdf5(tmp_path: Path, counts: dict[str, np.ndarray], damage: str):
    path = tmp_path / "m.h5"
    write_hdf5(path, counts["c1"], 2)
    with h5py.File(path, "r+") as file:
        stored = file[f"GRCh38/{damage}"]
        stored[1] = b"ACGT0-1" if damage == "barcodes" else 9999
    table = tmp_path / "cells.tsv"
    pd.DataFrame({"cell": BARCODES, "donor": "c1", "type": TYPES}).to_csv(table, sep="\t", index=False)
    with pytest.raises(InputError, match=r"m\.h5"):
        require_sums(path, str(table), of_one(counts))


def one_config(tmp_path: Path, counts: str, **keys: object) -> str:
    sheet = pd.DataFrame({"group": ["c", "c", "t", "t"]}, index=pd.Index(DONORS, name="donor"))
    sheet.to_csv(tmp_path / "samples.tsv", sep="\t")
    dataset = {
        "counts": counts, "samples": str(tmp_path / "samples.tsv"), "design": "~ group",
        "pseudobulk": {"sample": "donor", "cell_type": "type", "min_cells": 1, "min_counts": 1},
        "contrasts": {"t": {"column": "group", "baseline": "c", "target": "t"}}, **keys,
    }  # fmt: skip
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"outdir": str(tmp_path / "out"), "datasets": {"one": dataset}}))
    return str(path)


def cells_of_scanpy(counts: dict[str, np.ndarray]) -> anndata.AnnData:
    """All donors' cells, with logarithms in X and counts of more genes in .raw."""
    obs = pd.DataFrame(
        {"donor": np.repeat(DONORS, N_CELLS), "type": TYPES * 4}, index=[f"cell{i}" for i in range(4 * N_CELLS)]
    )
    matrix = np.hstack([counts[donor] for donor in DONORS]).T.astype(np.float32)
    whole = anndata.AnnData(sparse.csr_matrix(matrix), obs=obs, var=pd.DataFrame(index=GENES))
    few = whole[:, :7].copy()
    few.raw = whole
    few.X = np.log1p(few.X)
    return few


def test_cells_in_the_slot_raw(tmp_path: Path, counts: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str]):
    """``layer: raw`` has genes of its own; check refuses logarithms as a run does."""
    cells_of_scanpy(counts).write_h5ad(tmp_path / "cells.h5ad")
    sums, _ = pseudobulk_cells(tmp_path / "cells.h5ad", DONORS, **{**COLUMNS, "cells": None, "layer": "raw"})
    assert list(sums.gene) == GENES
    kind = np.array(TYPES)
    for cell_type, donor, count in zip(sums.cell_type, sums.sample, sums.count, strict=True):
        np.testing.assert_array_equal(count, counts[donor][:, kind == cell_type].sum(axis=1))
    path = one_config(tmp_path, str(tmp_path / "cells.h5ad"))
    said = []
    for verb in ("check", "run"):
        assert main([verb, path]) == 2
        said.append(capsys.readouterr().err.replace(verb, "verb"))
        assert "counts must be whole numbers" in said[-1]
        assert "layer: raw" in said[-1]
    assert said[0] == said[1]
    assert main(["check", one_config(tmp_path, str(tmp_path / "cells.h5ad"), layer="raw")]) == 0


def test_check_says_what_is_read(tmp_path: Path, counts: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str]):
    for donor, matrix in counts.items():
        write_alevin(tmp_path / "af" / donor / "alevin", USA, np.hstack([matrix.T, matrix.T, matrix.T]) / 2)
    path = one_config(tmp_path, str(tmp_path / "af"))
    content = yaml.safe_load(Path(path).read_text())
    content["datasets"]["one"]["pseudobulk"]["cells"] = write_table(tmp_path / "cells.tsv")
    Path(path).write_text(yaml.safe_dump(content))
    assert main(["check", path]) == 0
    said = capsys.readouterr().out
    assert "cells of 4 samples were read" in said
    assert "S+A were counted" in said
    content["datasets"]["one"]["layer"] = "spliced"
    Path(path).write_text(yaml.safe_dump(content))
    assert main(["check", path]) == 2
    assert "has no layer 'spliced'. Give one of S+A, U+S+A" in capsys.readouterr().err
