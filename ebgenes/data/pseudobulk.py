"""Cells -> sums by sample and cell type, each type a study of its own."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ebgenes.arrays import FloatArray, IntArray, TextArray, text_array
from ebgenes.data.cell_folders import cell_folders, folder_notes
from ebgenes.data.cells import Labels, Part, read_labels, read_parts
from ebgenes.data.h5ad import read_h5ad
from ebgenes.data.sealed import require_sealed, write_anndata
from ebgenes.errors import InputError, listing, nearest
from ebgenes.files import LARGEST_COUNT
from ebgenes.records.counts import Counts

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Pseudobulk:
    """Sums of cells' counts.

    Attributes
    ----------
    gene
        (G,).
    sample, cell_type
        Of each sum, (P,).
    n_cells
        How many cells each is of, (P,).
    count
        (P, G).
    """

    gene: TextArray
    sample: TextArray
    cell_type: TextArray
    n_cells: IntArray
    count: IntArray

    @property
    def n_counts(self) -> IntArray:
        """Reads of each sum, (P,)."""
        return np.asarray(self.count.sum(axis=1))

    def counts_of(self, cell_type: str, *, min_cells: int, min_counts: int) -> Counts:
        """The sums of one cell type that are of enough cells and reads.

        Raises
        ------
        InputError
            For an unknown cell type, or fewer than two such sums.
        """
        if cell_type not in set(self.cell_type):
            known = sorted(set(self.cell_type))
            raise InputError(
                f"there is no cell type {cell_type!r}; there are: {listing(known)}.{nearest(cell_type, known)}"
            )
        enough = (self.n_cells >= min_cells) & (self.n_counts >= min_counts)
        chosen = np.flatnonzero((self.cell_type == cell_type) & enough)
        if len(chosen) < 2:
            raise InputError(
                f"{len(chosen)} of {int((self.cell_type == cell_type).sum())} samples have {min_cells} cells and "
                f"{min_counts} reads of cell type {cell_type!r}. Lower min_cells or min_counts, or merge cell types."
            )
        return Counts(gene=self.gene, sample=self.sample[chosen], count=self.count[chosen].T)


def sum_cells(labels: Labels, parts: Iterable[Part], samples: Sequence[str]) -> tuple[Pseudobulk, list[str]]:
    """Sum the counts of the cells of each sample and type.

    Parameters
    ----------
    labels
        Of C cells.
    parts
        Their counts.
    samples
        Of the sample sheet; cells of others are left out.

    Returns
    -------
    Pseudobulk
        Sums by cell type in alphabetical order, then by sample in the sheet's.
    list
        What was left out, a sentence each.

    Raises
    ------
    InputError
        Where no cell is left.
    """
    code, pairs, notes = _groups(labels, samples)
    n_genes = len(labels.gene)
    total = np.zeros((len(pairs), n_genes))
    for part in parts:
        group = code[part.cell]
        chosen = group >= 0
        place = group[chosen].astype(np.int64) * n_genes + part.gene[chosen]
        # Sums of whole numbers below 2^53 are exact in any order.
        np.add.at(total.reshape(-1), place, part.count[chosen])
    _require_exact(total, pairs, labels.gene)
    return (
        Pseudobulk(
            gene=labels.gene,
            sample=text_array(sample for _, sample in pairs),
            cell_type=text_array(cell_type for cell_type, _ in pairs),
            n_cells=np.bincount(code[code >= 0], minlength=len(pairs)),
            # Of estimates sums have decimals; those of whole numbers are whole.
            count=np.rint(total).astype(np.int64),
        ),
        notes,
    )


def _require_exact(total: FloatArray, pairs: Sequence[tuple[str, str]], gene: TextArray) -> None:
    """Refuse sums beyond whole numbers that can be told apart."""
    beyond = total > LARGEST_COUNT
    if beyond.any():
        row, column = np.argwhere(beyond)[0]
        raise InputError(
            f"{int(beyond.sum())} sums of cells are above {LARGEST_COUNT:.3g} reads (first: {gene[column]} in sample "
            f"{pairs[row][1]}, cell type {pairs[row][0]}). No experiment counts so many; give raw counts."
        )


def _groups(labels: Labels, samples: Sequence[str]) -> tuple[IntArray, list[tuple[str, str]], list[str]]:
    """Each cell's sum, -1 for none; (cell type, sample) of each sum; what was left out."""
    unlabelled = (labels.sample.isna() | labels.cell_type.isna()).to_numpy()
    listed = labels.sample.isin(list(samples)).to_numpy()
    notes = []
    if unlabelled.any():
        notes.append(f"{int(unlabelled.sum())} of {len(unlabelled)} cells have no sample or no type and were left out.")
    strange = ~listed & ~unlabelled
    if strange.any():
        others = sorted(set(labels.sample[strange]))
        notes.append(
            f"{int(strange.sum())} cells of {len(others)} samples that the sheet does not list were left out "
            f"({listing(others, 4)})."
        )
    known = set(labels.sample[listed])
    if not known:
        raise InputError(
            f"none of {len(unlabelled)} cells is of a sample of the sheet (first: {samples[0]}; cells are of "
            f"{listing(sorted(set(labels.sample.dropna())), 4)}). The sheet's first column must hold the "
            "cells' samples."
        )
    absent = [name for name in samples if name not in known]
    if absent:
        notes.append(f"{len(absent)} of {len(samples)} samples of the sheet have no cells (first: {absent[0]}).")
    place = {name: i for i, name in enumerate(samples)}
    chosen = np.flatnonzero(listed & ~unlabelled)
    sample_code = labels.sample.iloc[chosen].map(place).to_numpy(dtype=np.int64)
    type_code, types = pd.factorize(labels.cell_type.iloc[chosen], sort=True)
    both = type_code * len(samples) + sample_code
    present, group = np.unique(both, return_inverse=True)
    code = np.full(len(listed), -1, dtype=np.int64)
    code[chosen] = group
    pairs = [(str(types[each // len(samples)]), str(samples[each % len(samples)])) for each in present]
    return code, pairs, notes


def pseudobulk_cells(
    path: str | Path, samples: Sequence[str], *, sample: str, cell_type: str, cells: str | None, layer: str | None
) -> tuple[Pseudobulk, list[str]]:
    """Read cells from disk and sum them, in bounded memory; see `read_labels`, `read_parts` and `sum_cells`."""
    folders = cell_folders(Path(path))
    labels = read_labels(path, sample, cell_type, cells, layer)
    sums, notes = sum_cells(labels, read_parts(path, layer), samples)
    return sums, [*folder_notes(folders, layer), *notes]


def folder_names(cell_types: Iterable[str], reserved: Iterable[str]) -> dict[str, str]:
    """A folder's name for each cell type: plain letters, digits, dots, dashes and underscores, no two alike.

    None is a reserved one. Names that differ only in case would be one folder on some machines, and no name may lead
    elsewhere.
    """
    names: dict[str, str] = {}
    used = {name.lower() for name in reserved}
    for cell_type in sorted(set(cell_types)):
        plain = unicodedata.normalize("NFKD", cell_type).encode("ascii", "ignore").decode()
        base = re.sub(r"[^A-Za-z0-9._-]+", "_", plain).strip("._-")[:60] or "type"
        name, i = base, 1
        while name.lower() in used:
            i += 1
            name = f"{base}_{i}"
        used.add(name.lower())
        names[cell_type] = name
    return names


def write_pseudobulk(path: str | Path, sums: Pseudobulk) -> None:
    """Write ``pseudobulk.h5ad``: sums in obs with their sample, cell type and number of cells; sparse counts."""
    from anndata import AnnData
    from scipy.sparse import csr_matrix

    obs = pd.DataFrame(
        {
            "sample": pd.Categorical(sums.sample),
            "cell_type": pd.Categorical(sums.cell_type),
            "n_cells": sums.n_cells,
            "n_counts": sums.n_counts,
        },
        index=[str(i) for i in range(len(sums.sample))],
    )
    adata: AnnData = AnnData(X=csr_matrix(sums.count), obs=obs, var=pd.DataFrame(index=list(sums.gene)))
    adata.uns["ebgenes"] = {"format": "pseudobulk 1"}
    write_anndata(path, adata)


def read_pseudobulk(path: str | Path) -> Pseudobulk:
    """Read what `write_pseudobulk` wrote.

    Raises
    ------
    InputError
        For any other file.
    """
    require_sealed(path, "was not written by ebgenes pseudobulk of this version")
    adata = read_h5ad(path)
    if adata.uns.get("ebgenes", {}).get("format") != "pseudobulk 1":
        raise InputError(f"{path} was not written by ebgenes pseudobulk. Run that first.")
    return Pseudobulk(
        gene=text_array(adata.var_names),
        sample=text_array(adata.obs["sample"]),
        cell_type=text_array(adata.obs["cell_type"]),
        n_cells=adata.obs["n_cells"].to_numpy(dtype=np.int64),
        count=adata.X.toarray().astype(np.int64),
    )
