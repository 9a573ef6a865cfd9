"""Cells, a part of them at a time: their labels, and their counts from disk in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ebgenes.arrays import FloatArray, IntArray, TextArray, text_array
from ebgenes.data.hdf5 import (
    by_column,
    minor_size,
    opened_hdf5,
    require_sound_pointers,
    require_within,
    sparse_shape,
)
from ebgenes.data.sheets import read_annotation
from ebgenes.data.tenx import is_tenx, read_tenx_sparse
from ebgenes.errors import InputError, listing, nearest
from ebgenes.files import LARGEST_COUNT, existing_file
from ebgenes.limits import require_size

if TYPE_CHECKING:
    import h5py

ENTRIES = 4_000_000
"""Counts that are read at a time: a hundred megabytes with what is made of them."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Labels:
    """What is known of C cells beside their counts.

    Attributes
    ----------
    gene
        Gene ids, (G,).
    sample, cell_type
        Of each cell, (C,); None where it is missing.
    """

    gene: TextArray
    sample: pd.Series
    cell_type: pd.Series


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Part:
    """Some cells' counts of some genes: entries (E,) with the places of their cells and genes."""

    cell: IntArray
    gene: IntArray
    count: FloatArray


def read_labels(path: str | Path, sample: str, cell_type: str, cells: str | None = None) -> Labels:
    """Names of the genes, and sample and type of every cell.

    Parameters
    ----------
    path
        .h5ad (cells in obs), or a 10x folder.
    sample, cell_type
        Columns of obs, or of `cells`.
    cells
        Table of the cells, names in the first column; needed for a 10x folder.

    Raises
    ------
    InputError
        For a file that cannot be read, columns that are missing, or cells that the table lacks.
    """
    place = Path(path)
    columns = (sample, cell_type)
    if is_tenx(place):
        gene, cell, _ = read_tenx_sparse(place)
        if cells is None:
            raise InputError(f"{path} tells no cell's sample or type. Name a table that does (pseudobulk.cells).")
        found = _from_table(cells, columns, cell)
    else:
        with opened(existing_file(place)) as file:
            gene = text_array(element(file, "var", file["var"].attrs["_index"]))
            repeated = len(gene) - len(set(gene))
            if repeated:
                raise InputError(f"{path}: {repeated} names of genes occur more than once. Make them unique.")
            if cells is None:
                found = [_column(file, name, path) for name in columns]
            else:
                found = _from_table(cells, columns, text_array(element(file, "obs", file["obs"].attrs["_index"])))
    return Labels(gene=gene, sample=found[0], cell_type=found[1])


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """An .h5ad file, of which only what is asked for is read."""
    with opened_hdf5(path, "an .h5ad file", whole=False) as file:
        yield file


def element(file: h5py.File, group: str, name: str) -> Any:
    """One column or index of obs or var."""
    from anndata.io import read_elem

    stored = file[group][name]
    parts = [stored] if hasattr(stored, "shape") else [each for each in stored.values() if hasattr(each, "shape")]
    require_size(file.filename, sum(part.size * part.dtype.itemsize for part in parts), f"{group}/{name}")
    return read_elem(stored)


def _column(file: h5py.File, name: str, path: str | Path) -> pd.Series:
    known = [str(each) for each in file["obs"].attrs["column-order"]]
    if name not in known:
        raise InputError(f"obs of {path} has no column {name!r}. Its columns: {listing(known)}.{nearest(name, known)}")
    return _as_text(pd.Series(element(file, "obs", name)))


def _as_text(values: pd.Series) -> pd.Series:
    values = values.astype(object).reset_index(drop=True)
    return values.where(values.isna(), values.astype(str))


def _from_table(path: str, columns: tuple[str, str], cell: TextArray) -> list[pd.Series]:
    table = read_annotation(path)
    for name in columns:
        if name not in table.columns:
            raise InputError(
                f"{path} has no column {name!r}. Its columns: {listing(table.columns)}.{nearest(name, table.columns)}"
            )
    lacking = ~pd.Index(cell).isin(table.index)
    if lacking.all():
        raise InputError(
            f"none of {len(cell)} cells is in {path} (first: {cell[0]}; it has {table.index[0]}). Its first column "
            "must hold the cells' names."
        )
    chosen = table[[*columns]].reindex(list(cell))
    return [_as_text(chosen[name]) for name in columns]


def read_parts(path: str | Path, layer: str | None = None) -> Iterator[Part]:
    """The counts of all cells, a part at a time.

    Raises
    ------
    InputError
        For an unknown layer, or values that are not whole numbers >= 0.
    """
    place = Path(path)
    if is_tenx(place):
        gene_by_cell = read_tenx_sparse(place)[2].tocoo()
        yield _checked(gene_by_cell.col, gene_by_cell.row, gene_by_cell.data, path)
        return
    with opened(existing_file(place)) as file:
        layers = list(file["layers"]) if "layers" in file else []
        if layer is not None and layer not in layers:
            raise InputError(f"{path} has no layer {layer!r}. Its layers: {listing(layers) or 'none'}.")
        matrix = file["X"] if layer is None else file["layers"][layer]
        dense = hasattr(matrix, "shape")
        expected = tuple(len(element(file, group, file[group].attrs["_index"])) for group in ("obs", "var"))
        shape = tuple(matrix.shape) if dense else sparse_shape(matrix)
        if shape != expected:
            raise InputError(
                f"{path}: counts of {shape} cells by genes, but {expected[0]} cells in obs and {expected[1]} genes in "
                "var. It is damaged; make it anew."
            )
        by_gene = not dense and by_column(matrix)
        for major, minor, count in _dense_parts(matrix) if dense else _sparse_parts(matrix, path):
            yield _checked(minor if by_gene else major, major if by_gene else minor, count, path)


Entries = tuple[Any, Any, Any]


def _sparse_parts(matrix: Any, path: str | Path) -> Iterator[Entries]:
    """Rows of a CSR matrix, or columns of a CSC one."""
    pointer = require_sound_pointers(matrix, path)
    n_minor = minor_size(matrix)
    start = 0
    while start < len(pointer) - 1:
        # At least one row, and as many as fit.
        end = max(int(np.searchsorted(pointer, pointer[start] + ENTRIES, side="right")) - 1, start + 1)
        place = slice(int(pointer[start]), int(pointer[end]))
        major = np.repeat(np.arange(start, end), np.diff(pointer[start : end + 1]))
        indices = matrix["indices"][place]
        require_within(indices, n_minor, path, matrix.name)
        yield major, indices, matrix["data"][place]
        start = end


def _dense_parts(matrix: Any) -> Iterator[Entries]:
    rows = max(ENTRIES // max(matrix.shape[1], 1), 1)
    for start in range(0, matrix.shape[0], rows):
        block = matrix[start : start + rows]
        cell, gene = np.nonzero(block)
        yield cell + start, gene, block[cell, gene]


def _checked(cell: Any, gene: Any, count: Any, path: str | Path) -> Part:
    if count.dtype.kind not in "iufb":
        raise InputError(f"{path}: counts must be whole numbers; found values of type {count.dtype}.")
    bad = ~((count >= 0) & (count <= LARGEST_COUNT))
    if count.dtype.kind == "f":
        bad |= count != np.floor(count)
    if bad.any():
        raise InputError(
            f"{path}: counts must be whole numbers >= 0; {int(bad.sum())} of {len(bad)} read so far are not (first: "
            f"cell {int(cell[np.argmax(bad)]) + 1}: {count[np.argmax(bad)]}). Give the layer with raw counts (layer:)."
        )
    return Part(cell=np.asarray(cell), gene=np.asarray(gene), count=np.asarray(count, dtype=np.float64))
