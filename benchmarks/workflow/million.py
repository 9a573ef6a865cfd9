"""Sums of a million cells from disk: CPU, wall time, peak memory, and whether they are right.

python benchmarks/workflow/million.py [--cells 1000000] [--genes 20000] [--seen 500]

Writes an .h5ad of that size (8 bytes a gene seen in a cell, 4 GB) into --folder, sums it by `ebgenes pseudobulk` in a
process of its own, and compares with sums kept while it was written.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd

from ebgenes.data.pseudobulk import read_pseudobulk

sys.path.insert(0, str(Path(__file__).parents[1] / "speed"))
from measure import machine, measure, write_rows

N_DONORS, N_TYPES = 8, 6
PART = 10_000


def write_cells(folder: Path, n_cells: int, n_genes: int, n_seen: int) -> np.ndarray:
    """Write cells.h5ad and samples.tsv; returns the sums, (donors, types, genes)."""
    rng = np.random.default_rng(5)
    donor, kind = rng.integers(N_DONORS, size=n_cells), rng.integers(N_TYPES, size=n_cells)
    obs = {
        "donor": pd.Categorical.from_codes(donor, [f"donor{i}" for i in range(N_DONORS)]),
        "cell_type": pd.Categorical.from_codes(kind, [f"type{i}" for i in range(N_TYPES)]),
    }
    names = pd.Index([f"cell{i}" for i in range(n_cells)])
    var = pd.DataFrame(index=[f"gene{i}" for i in range(n_genes)])
    anndata.AnnData(obs=pd.DataFrame(obs, index=names), var=var).write_h5ad(folder / "cells.h5ad")
    sheet = pd.DataFrame({"sample": [f"donor{i}" for i in range(N_DONORS)], "group": ["a", "b"] * (N_DONORS // 2)})
    sheet.to_csv(folder / "samples.tsv", sep="\t", index=False)
    sums = np.zeros(N_DONORS * N_TYPES * n_genes)
    # Ascending genes in every cell, by gaps that cannot take them past the last.
    widest = int(2 * 0.88 * n_genes / n_seen)
    with h5py.File(folder / "cells.h5ad", "a") as file:
        if "X" in file:
            del file["X"]
        group = file.create_group("X")
        group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": [n_cells, n_genes]})
        group["indptr"] = np.arange(n_cells + 1, dtype=np.int64) * n_seen
        shape = (n_cells * n_seen,)
        data = group.create_dataset("data", shape, dtype=np.float32, chunks=(min(2**20, *shape),))
        indices = group.create_dataset("indices", shape, dtype=np.int32, chunks=(min(2**20, *shape),))
        for start in range(0, n_cells, PART):
            part = slice(start, min(start + PART, n_cells))
            size = part.stop - start
            gene = rng.integers(1, widest, size=(size, n_seen), dtype=np.int32).cumsum(axis=1, dtype=np.int32) - 1
            gene = np.minimum(gene, n_genes - n_seen + np.arange(n_seen, dtype=np.int32))
            count = rng.integers(1, 4, size=(size, n_seen)).astype(np.float32)
            place = slice(start * n_seen, part.stop * n_seen)
            data[place], indices[place] = count.ravel(), gene.ravel()
            row = (donor[part] * N_TYPES + kind[part])[:, None] * n_genes
            sums += np.bincount((row + gene).ravel(), weights=count.ravel(), minlength=len(sums))
    return sums.reshape(N_DONORS, N_TYPES, n_genes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=1_000_000)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--seen", type=int, default=500, help="genes with reads in a cell")
    parser.add_argument("--folder", help="for the temporary file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        expected = write_cells(folder, options.cells, options.genes, options.seen)
        gib = (folder / "cells.h5ad").stat().st_size / 2**30
        settings = "{sample: donor, cell_type: cell_type}"
        asked = ["--samples", "samples.tsv", "--pseudobulk", settings, "--out", "sums.h5ad", "--threads", "1"]
        used = measure(["ebgenes", "pseudobulk", "cells.h5ad", *asked], folder)
        sums = read_pseudobulk(folder / "sums.h5ad")
    order = [
        (int(s.removeprefix("donor")), int(t.removeprefix("type")))
        for s, t in zip(sums.sample, sums.cell_type, strict=True)
    ]
    right = len(order) == N_DONORS * N_TYPES and all(
        np.array_equal(sums.count[j], expected[i]) for j, i in enumerate(order)
    )
    row = {
        "cells": options.cells, "genes": options.genes, "seen": options.seen, "file_gib": round(gib, 2),
        "cpu_s": round(used["cpu_s"], 1), "wall_s": round(used["wall_s"], 1),
        "peak_gib": round(used["peak_mib"] / 1024, 2), "sums_right": right, "machine": machine(),
    }  # fmt: skip
    write_rows(Path(__file__).with_name("million.csv"), [row])
    print(row)
    if not right:
        raise SystemExit("the sums are wrong")


if __name__ == "__main__":
    main()
