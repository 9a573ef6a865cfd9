"""Cells, a part of them at a time: their labels, and their counts from disk in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ebgenes.arrays import FloatArray, IntArray, TextArray, text_array
from ebgenes.data.cell_folders import (
    CellFolder,
    are_estimated,
    cell_folders,
    cells_of,
    genes_of,
    names_in_table,
    read_entries,
)
from ebgenes.data.hdf5 import (
    by_column,
    minor_size,
    opened_hdf5,
    require_groups,
    require_sound_pointers,
    require_within,
    sparse_shape,
)
from ebgenes.data.sheets import read_annotation
from ebgenes.errors import InputError, listing, nearest
from ebgenes.files import LARGEST_COUNT, existing_file, read_table, require_unique
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


def read_labels(
    path: str | Path, sample: str, cell_type: str, cells: str | None = None, layer: str | None = None
) -> Labels:
    """Names of the genes, and sample and type of every cell.

    Parameters
    ----------
    path
        .h5ad (cells in obs), a 10x matrix, a folder of STARsolo or alevin-fry, or a folder with one for each sample.
    sample, cell_type
        Columns of obs, or of `cells`.
    cells
        Table of the cells, names in the first column; needed for all but .h5ad. Folders of samples tell the sample.
    layer
        Which counts will be read, for the genes' names.

    Raises
    ------
    InputError
        For a file that cannot be read, columns that are missing, or cells that the table lacks.
    """
    place = Path(path)
    columns = (sample, cell_type)
    folders = cell_folders(place)
    if folders:
        gene = _common_genes(folders, layer)
        if cells is None:
            raise InputError(f"{path} tells no cell's sample or type. Name a table that does (pseudobulk.cells).")
        found = _of_folders(folders, cells, columns)
    else:
        with opened(existing_file(place)) as file:
            about = file["raw/var"] if _is_raw(file, layer) else file["var"]
            gene = text_array(element(file, about.name, about.attrs["_index"]))
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
        require_groups(file, path)
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


def _common_genes(folders: Sequence[CellFolder], layer: str | None) -> TextArray:
    gene = genes_of(folders[0], layer)
    for folder in folders[1:]:
        other = genes_of(folder, layer)
        if len(other) != len(gene) or (other != gene).any():
            raise InputError(
                f"{folder.place} lists other genes than {folders[0].place} ({len(other)} and {len(gene)}), or in "
                "another order. Count all samples with the same annotation."
            )
    return gene


def _of_folders(folders: Sequence[CellFolder], path: str, columns: tuple[str, str]) -> list[pd.Series]:
    """Sample and type of each cell; of folders of samples the sample is the folder's, unless the table says it."""
    table = read_table(path, numeric=False).frame
    several = len(folders) > 1
    told = [name for name in columns if name in table.columns]
    lacking = next((name for name in columns if name not in told and (name == columns[1] or not several)), None)
    if lacking is not None:
        raise InputError(
            f"{path} has no column {lacking!r}. Its columns: {listing(table.columns)}.{nearest(lacking, table.columns)}"
        )
    if not several:
        require_unique(list(table.index), "rows", Path(path))
    place = names_in_table(folders, table, columns[0], path)
    found = []
    for name in columns:
        if name in told:
            found.append(pd.Series(table[name].to_numpy(dtype=object)[place]).mask(place < 0, None))
        else:
            names = [folder.sample for folder in folders for _ in cells_of(folder)]
            found.append(pd.Series(names, dtype=object).mask(place < 0, None))
    return found


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
    folders = cell_folders(place)
    before = 0
    for folder in folders:
        found = read_entries(folder, layer)
        yield _checked(found.cell + before, found.gene, found.count, path, estimated=are_estimated(folders))
        before += len(cells_of(folder))
    if folders:
        return
    with opened(existing_file(place)) as file:
        layers = list(file["layers"]) if "layers" in file else []
        of_raw = _is_raw(file, layer)
        if layer is not None and layer not in layers and not of_raw:
            known = [*layers, *(["raw"] if "raw" in file else [])]
            raise InputError(f"{path} has no layer {layer!r}. Its layers: {listing(known) or 'none'}.")
        matrix = file["raw/X"] if of_raw else file["X"] if layer is None else file["layers"][layer]
        dense = hasattr(matrix, "shape")
        about = ("obs", "raw/var" if of_raw else "var")
        expected = tuple(len(element(file, group, file[group].attrs["_index"])) for group in about)
        shape = tuple(matrix.shape) if dense else sparse_shape(matrix)
        if shape != expected:
            raise InputError(
                f"{path}: counts of {shape} cells by genes, but {expected[0]} cells in obs and {expected[1]} genes in "
                "var. It is damaged; make it anew."
            )
        by_gene, hint = not dense and by_column(matrix), layer_hint(file)
        for major, minor, count in _dense_parts(matrix) if dense else _sparse_parts(matrix, path):
            yield _checked(minor if by_gene else major, major if by_gene else minor, count, path, hint=hint)


VALUES_LOOKED_AT = 1_000_000


def layer_hint(file: h5py.File) -> str:
    """Which layers of an .h5ad begin with whole numbers, as a sentence; empty where none does."""
    layers = {str(name): file[f"layers/{name}"] for name in file["layers"]} if "layers" in file else {}
    if "raw" in file:
        layers.setdefault("raw", file["raw/X"])
    whole = [name for name, matrix in layers.items() if is_whole(first_values(matrix))]
    return f" Whole numbers are in layer: {' or layer: '.join(whole)}." if whole else ""


def first_values(matrix: Any) -> Any:
    """The first values that are stored."""
    if hasattr(matrix, "shape"):
        rows = max(VALUES_LOOKED_AT // max(matrix.shape[1], 1), 1) if matrix.ndim == 2 else VALUES_LOOKED_AT
        return np.asarray(matrix[:rows]).ravel()
    return np.asarray(matrix["data"][:VALUES_LOOKED_AT])


def is_whole(value: Any) -> bool:
    """Whether values are whole numbers >= 0."""
    return value.dtype.kind in "iufb" and bool(((value >= 0) & (value == np.floor(value))).all())


def _is_raw(file: h5py.File, layer: str | None) -> bool:
    """Whether the layer is the slot .raw, which has genes of its own."""
    return layer == "raw" and "raw" in file and not ("layers" in file and "raw" in file["layers"])


LOOKED_AT = 60_000_000
"""Bytes of a text matrix that a look reads; a part of HDF5 is read whatever its size."""


def look_at_cells(path: str | Path, layer: str | None) -> None:
    """Refuse the first part of the cells' counts where `read_parts` would; matrices of text beyond a size later."""
    place = Path(path)
    folders = cell_folders(place)
    matrix = folders[0].place if folders else place
    size = sum(each.stat().st_size for each in matrix.iterdir() if each.is_file()) if matrix.is_dir() else 0
    if size <= LOOKED_AT:
        next(read_parts(path, layer), None)


Triple = tuple[Any, Any, Any]


def _sparse_parts(matrix: Any, path: str | Path) -> Iterator[Triple]:
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


def _dense_parts(matrix: Any) -> Iterator[Triple]:
    rows = max(ENTRIES // max(matrix.shape[1], 1), 1)
    for start in range(0, matrix.shape[0], rows):
        block = matrix[start : start + rows]
        cell, gene = np.nonzero(block)
        yield cell + start, gene, block[cell, gene]


def _checked(cell: Any, gene: Any, count: Any, path: str | Path, *, estimated: bool = False, hint: str = "") -> Part:
    if count.dtype.kind not in "iufb":
        raise InputError(f"{path}: counts must be whole numbers; found values of type {count.dtype}.")
    bad = ~((count >= 0) & (count <= LARGEST_COUNT))
    if count.dtype.kind == "f" and not estimated:
        bad |= count != np.floor(count)
    if bad.any():
        raise InputError(
            f"{path}: counts must be whole numbers >= 0; {int(bad.sum())} of {len(bad)} read so far are not (first: "
            f"cell {int(cell[np.argmax(bad)]) + 1}: {count[np.argmax(bad)]}). Give the layer with raw counts (layer:)."
            f"{hint}"
        )
    return Part(cell=np.asarray(cell), gene=np.asarray(gene), count=np.asarray(count, dtype=np.float64))
