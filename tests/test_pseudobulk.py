"""Cells summed by sample and cell type: every way they may be stored, and every name they may have."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import yaml
from cells import DONORS, RARE, TYPES, make_cells, write_study
from hypothesis import example, given, strategies as st
from scipy import sparse
from scipy.io import mmwrite

from ebgenes.app.cli import main
from ebgenes.app.config import parse_config, reserved_names
from ebgenes.arrays import text_array
from ebgenes.data import cells
from ebgenes.data.pseudobulk import Pseudobulk, folder_names, pseudobulk_cells, read_pseudobulk, write_pseudobulk
from ebgenes.errors import InputError

COLUMNS: dict[str, Any] = {"sample": "donor", "cell_type": "cell_type", "cells": None, "layer": None}


def expected_sums(adata: anndata.AnnData) -> pd.DataFrame:
    """The same sums by pandas."""
    frame = pd.DataFrame(np.asarray(adata.X.todense(), dtype=int), columns=adata.var_names)
    keys = [np.asarray(adata.obs["cell_type"], dtype=object), np.asarray(adata.obs["donor"], dtype=object)]
    return frame.groupby(keys).sum()


def same_sums(found: Pseudobulk, adata: anndata.AnnData) -> None:
    expected = expected_sums(adata)
    assert list(zip(found.cell_type, found.sample, strict=True)) == list(expected.index)
    np.testing.assert_array_equal(found.count, expected.to_numpy())
    assert found.n_cells.tolist() == [30] * len(expected)


def as_layer(adata: anndata.AnnData) -> anndata.AnnData:
    adata.layers["raw"] = adata.X.copy()
    adata.X = np.log1p(adata.X)
    return adata


STORED: dict[str, Callable[[anndata.AnnData], anndata.AnnData]] = {
    "rows": lambda adata: adata,
    "columns": lambda adata: anndata.AnnData(sparse.csc_matrix(adata.X), obs=adata.obs, var=adata.var),
    "dense": lambda adata: anndata.AnnData(adata.X.toarray(), obs=adata.obs, var=adata.var),
    "integers": lambda adata: anndata.AnnData(adata.X.astype(np.int32), obs=adata.obs, var=adata.var),
    "text": lambda adata: anndata.AnnData(adata.X, obs=adata.obs.astype(object), var=adata.var),
    "layer": as_layer,
}


@pytest.mark.fast
@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("entries", [500, 10**9])
def test_sums_are_pandas_sums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stored: str, entries: int):
    """A row at a time, and all at once."""
    monkeypatch.setattr(cells, "ENTRIES", entries)
    adata = make_cells(n_genes=20)
    STORED[stored](adata.copy()).write_h5ad(tmp_path / "cells.h5ad")
    layer = "raw" if stored == "layer" else None
    found, notes = pseudobulk_cells(tmp_path / "cells.h5ad", DONORS, **{**COLUMNS, "layer": layer})
    same_sums(found, adata)
    assert not notes


@pytest.mark.fast
def test_tenx_folder_with_a_table_of_cells(tmp_path: Path):
    adata = make_cells(n_genes=20)
    folder = tmp_path / "10x"
    folder.mkdir()
    mmwrite(folder / "matrix.mtx", sparse.coo_matrix(adata.X.T.astype(int)), field="integer")
    (folder / "barcodes.tsv").write_text("\n".join(adata.obs_names))
    (folder / "genes.tsv").write_text("\n".join(f"{gene}\t{gene}" for gene in adata.var_names))
    adata.obs.sample(frac=1, random_state=1).to_csv(tmp_path / "cells.tsv", sep="\t")
    found, _ = pseudobulk_cells(folder, DONORS, **{**COLUMNS, "cells": str(tmp_path / "cells.tsv")})
    same_sums(found, adata)
    with pytest.raises(InputError, match=r"Name a table that does \(pseudobulk\.cells\)"):
        pseudobulk_cells(folder, DONORS, **COLUMNS)


def test_what_is_left_out_is_told(tmp_path: Path):
    adata = make_cells(n_genes=20)
    adata.obs["donor"] = adata.obs["donor"].astype(object)
    adata.obs.iloc[:3, 0] = np.nan
    adata.write_h5ad(tmp_path / "cells.h5ad")
    found, notes = pseudobulk_cells(tmp_path / "cells.h5ad", [*DONORS[1:], "nobody"], **COLUMNS)
    assert DONORS[0] not in set(found.sample)
    told = " ".join(notes)
    assert "3 of 600 cells have no sample or no type" in told
    assert f"of 1 samples that the sheet does not list were left out ({DONORS[0]})" in told
    assert "1 of 6 samples of the sheet have no cells (first: nobody)" in told


def test_the_file_reads_back(tmp_path: Path):
    adata = make_cells(n_genes=20)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    found, _ = pseudobulk_cells(tmp_path / "cells.h5ad", DONORS, **COLUMNS)
    write_pseudobulk(tmp_path / "sums.h5ad", found)
    again = read_pseudobulk(tmp_path / "sums.h5ad")
    same_sums(again, adata)
    assert list(again.gene) == list(found.gene)
    with pytest.raises(InputError, match="was not written by ebgenes pseudobulk"):
        read_pseudobulk(tmp_path / "cells.h5ad")


def test_sums_of_few_cells_or_reads_are_not_samples():
    count = np.array([[5, 5], [50, 50], [500, 500], [70, 70]])
    sums = Pseudobulk(
        gene=text_array("ab"),
        sample=text_array("wxyz"),
        cell_type=text_array("AAAA"),
        n_cells=np.array([20, 9, 20, 20]),
        count=count,
    )
    assert list(sums.counts_of("A", min_cells=10, min_counts=100).sample) == ["y", "z"]
    assert list(sums.counts_of("A", min_cells=1, min_counts=0).sample) == list("wxyz")
    with pytest.raises(InputError, match="1 of 4 samples have 10 cells and 200 reads of cell type 'A'"):
        sums.counts_of("A", min_cells=10, min_counts=200)
    with pytest.raises(InputError, match="Did you mean"):
        sums.counts_of("AA", min_cells=1, min_counts=0)


# Names


@given(st.lists(st.text(max_size=30), max_size=8))
@example(
    ["../../etc", "..", ".", "/", "", "T cell", "t cell", "T_cell", "logs", "counts.h5ad", "Report.html", "ä" * 80]
)
def test_folders_are_plain_distinct_and_lead_nowhere(names: list[str]):
    folders = folder_names(names, reserved_names())
    assert set(folders) == set(names)
    assert len({folder.lower() for folder in folders.values()}) == len(folders)
    dataset = {"counts": "c", "samples": "s", "design": "~ 1", "contrasts": {"x": {"coefficients": {"a": 1}}}}
    for folder in folders.values():
        # The config's own rule for names, which folders of datasets obey too.
        parse_config({"datasets": {folder: dataset}})
        assert Path("out", folder).resolve().parent == Path("out").resolve()


# Mistakes


def columns(**changes: str) -> dict[str, Any]:
    return {**COLUMNS, **changes}


@pytest.mark.parametrize(
    ("chosen", "samples", "message"),
    [
        (columns(sample="doner"), DONORS, "Did you mean 'donor'?"),
        (columns(layer="raw"), DONORS, "has no layer 'raw'"),
        (columns(), ["x", "y"], "none of 600 cells is of a sample of the sheet"),
    ],
)
def test_mistakes(tmp_path: Path, chosen: dict[str, Any], samples: list[str], message: str):
    make_cells(n_genes=20).write_h5ad(tmp_path / "cells.h5ad")
    with pytest.raises(InputError, match=message):
        pseudobulk_cells(tmp_path / "cells.h5ad", samples, **chosen)


def test_logs_are_refused(tmp_path: Path):
    adata = make_cells(n_genes=20)
    adata.X = np.log1p(adata.X)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    with pytest.raises(InputError, match="counts must be whole numbers"):
        pseudobulk_cells(tmp_path / "cells.h5ad", DONORS, **COLUMNS)
    (tmp_path / "cells.h5ad").write_bytes(b"not HDF5")
    with pytest.raises(InputError, match=r"is not an \.h5ad file that can be read"):
        pseudobulk_cells(tmp_path / "cells.h5ad", DONORS, **COLUMNS)


# To the end


def test_every_cell_type_is_a_study(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    config = {"outdir": str(tmp_path / "out"), "datasets": {"blood": write_study(tmp_path)}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    assert main(["run", str(tmp_path / "config.yaml")]) == 0
    said = capsys.readouterr().err
    assert f"{RARE}: contrast treatment was left out" in said
    out = tmp_path / "out" / "blood"
    plan = json.loads((out / "cell_types.json").read_text())
    asked = {part["cell_type"]: folder for folder, part in plan.items() if part["contrasts"]}
    assert set(asked) == set(TYPES)
    assert {path.name for path in out.iterdir()} == {*asked.values(), "cell_types.json", "pseudobulk.h5ad"}
    for cell_type, folder in asked.items():
        table = pd.read_csv(out / folder / "treatment" / "genes.tsv", sep="\t")
        changed = (table["gene_id"].str[1:].astype(int) % 10 == TYPES.index(cell_type)).to_numpy()
        effects = table["log2_fc"].to_numpy()
        assert np.nanmedian(effects[changed]) > 0.7 > 0.5 > np.nanmedian(effects[~changed])
        assert (out / folder / "report.html").is_file()


def test_where_no_type_can_answer_the_reasons_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    dataset = write_study(tmp_path)
    dataset["pseudobulk"] = {"sample": "donor", "cell_type": "cell_type", "min_cells": 1000}
    config = {"outdir": str(tmp_path / "out"), "datasets": {"blood": dataset}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    for verb in ("check", "run"):
        assert main([verb, str(tmp_path / "config.yaml")]) == 2
        said = capsys.readouterr().err
        assert "none of 4 cell types can answer any contrast:" in said
        assert "0 of 6 samples have 1000 cells" in said
    assert not (tmp_path / "out").exists()
