"""A small study of single cells with known sums, for tests."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

TYPES = ["B cell", "CD4 T/naive", "../../escape"]
RARE = "rare <b>type</b>"
DONORS = [f"{group}{i}" for group in ("c", "t") for i in (1, 2, 3)]


def make_cells(n_genes: int = 300, n_cells: int = 30, seed: int = 5) -> anndata.AnnData:
    """Cells of six donors and three types, and a fourth type that only two donors of one group have."""
    rng = np.random.default_rng(seed)
    mean = np.exp(rng.normal(0, 1, n_genes))
    rows, donor, kind = [], [], []
    for j, cell_type in enumerate([*TYPES, RARE]):
        for d, name in enumerate(DONORS if cell_type != RARE else DONORS[:2]):
            effect = np.where(np.arange(n_genes) % 10 == j, 1.0 * (d >= 3), 0.0)
            level = mean * np.exp(effect + 0.2 * rng.standard_normal(n_genes))
            rows.append(rng.poisson(level, (n_cells, n_genes)))
            donor += [name] * n_cells
            kind += [cell_type] * n_cells
    obs = pd.DataFrame({"donor": donor, "cell_type": kind}, index=[f"cell{i}" for i in range(len(donor))])
    order = rng.permutation(len(obs))
    count = sparse.csr_matrix(np.vstack(rows)[order].astype(np.float32))
    adata = anndata.AnnData(count, obs=obs.iloc[order].astype("category"))
    adata.var_names = [f"g{i:03d}" for i in range(n_genes)]
    return adata


def write_study(folder: Path) -> dict[str, object]:
    """Write cells and their sample sheet; returns the dataset's entry of a config."""
    make_cells().write_h5ad(folder / "cells.h5ad")
    group = ["control"] * 3 + ["treated"] * 3
    sheet = pd.DataFrame({"group": group, "batch": list("abcabc")}, index=pd.Index(DONORS, name="donor"))
    sheet.to_csv(folder / "donors.tsv", sep="\t")
    return {
        "counts": str(folder / "cells.h5ad"),
        "samples": str(folder / "donors.tsv"),
        "pseudobulk": {"sample": "donor", "cell_type": "cell_type"},
        "design": "~ group",
        "contrasts": {"treatment": {"column": "group", "baseline": "control", "target": "treated"}},
    }
