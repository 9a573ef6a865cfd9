"""Folders of cells that counting programs leave: 10x's, STARsolo's, alevin-fry's, and those with one for each sample.

Notes
-----
Source: STARsolo's and alevin-fry's documentation; He and others (2022), Nature Methods 19, 316 (USA mode).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ebgenes.arrays import FloatArray, IntArray, TextArray, text_array
from ebgenes.data.matrix_market import read_matrix_market
from ebgenes.data.sample_files import read_columns
from ebgenes.data.tenx import barcodes, features, is_tenx, read_tenx_sparse
from ebgenes.errors import InputError, listing, nearest

FILTERED = (
    "filtered_feature_bc_matrix", "filtered_feature_bc_matrix.h5", "count/sample_filtered_feature_bc_matrix",
    "Gene/filtered", "GeneFull/filtered", "filtered", "alevin", "Gene/raw", "GeneFull/raw", "raw_feature_bc_matrix",
    "raw_feature_bc_matrix.h5", "raw",
)  # fmt: skip
"""Where programs put a matrix, the better first: of cells before that of all barcodes."""

ABOVE = ("", "outs", "Solo.out", "*Solo.out", "af_quant", "quant", "quants")
"""Folders of a program's output that hold these."""

ALEVIN, ALEVIN_CELLS, ALEVIN_GENES = "quants_mat.mtx", "quants_mat_rows.txt", "quants_mat_cols.txt"

READS_OF = {"S+A": (True, False, True), "U+S+A": (True, True, True), "S": (True, False, False),
            "U": (False, True, False), "A": (False, False, True)}  # fmt: skip
"""What may be counted in alevin-fry's USA mode, of spliced, unspliced and ambiguous reads."""

USUAL = "S+A"


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFolder:
    """A matrix of cells, and the sample whose folder it is in; none where it is the only one."""

    place: Path
    sample: str = ""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Entries:
    """Counts of cells, (E,): places of their cells and genes, from 0, and values."""

    cell: IntArray
    gene: IntArray
    count: FloatArray


def cell_folders(path: Path) -> list[CellFolder]:
    """The matrices of cells at a place: itself, the one that a program left in it, or one for each sample.

    Raises
    ------
    InputError
        Where alevin wrote its matrix in a form of its own.
    """
    if path.is_file():
        return [CellFolder(place=path)] if is_tenx(path) else []
    if not path.is_dir():
        return []
    own = _inside(path)
    if own is not None:
        return [CellFolder(place=own)]
    top = path / "outs/per_sample_outs" if (path / "outs/per_sample_outs").is_dir() else path
    top = path / "per_sample_outs" if (path / "per_sample_outs").is_dir() else top
    found = []
    for folder in sorted(each for each in top.iterdir() if each.is_dir()):
        place = _inside(folder)
        if place is not None:
            found.append(CellFolder(place=place, sample=folder.name))
    return found


def _inside(folder: Path) -> Path | None:
    if _is_matrix(folder):
        return folder
    for inside in FILTERED:
        for above in ABOVE:
            for place in sorted(folder.glob(f"{above}/{inside}" if above else inside)):
                if _is_matrix(place):
                    return place
    return None


def _is_matrix(place: Path) -> bool:
    return is_alevin(place) or is_tenx(place)


def is_alevin(place: Path) -> bool:
    """Whether a folder holds alevin-fry's matrix.

    Raises
    ------
    InputError
        Where the matrix is in the form of older versions.
    """
    if (place / "quants_mat.gz").is_file() and not _alevin_file(place, ALEVIN).is_file():
        raise InputError(
            f"{place} holds alevin's matrix in a form of its own (quants_mat.gz). Let alevin write it with --dumpMtx, "
            "or use alevin-fry."
        )
    return place.is_dir() and _alevin_file(place, ALEVIN).is_file()


def _alevin_file(place: Path, name: str) -> Path:
    packed = place / f"{name}.gz"
    return packed if packed.is_file() else place / name


def genes_of(folder: CellFolder, layer: str | None) -> TextArray:
    """Ids of the genes."""
    if not is_alevin(folder.place):
        return features(folder.place).gene
    return _alevin_genes(folder.place, layer)[0]


def cells_of(folder: CellFolder) -> TextArray:
    """Barcodes, each once."""
    if is_alevin(folder.place):
        cell = text_array(read_columns(_alevin_file(folder.place, ALEVIN_CELLS), ["barcode"])["barcode"])
    else:
        cell = text_array(barcodes(folder.place))
    if len(set(cell)) < len(cell):
        raise InputError(f"{folder.place}: {len(cell) - len(set(cell))} barcodes occur more than once.")
    return cell


def _alevin_genes(place: Path, layer: str | None) -> tuple[TextArray, IntArray, str]:
    """Genes, which of them each column is (-1: not counted), and what is counted where reads are of three kinds."""
    path = _alevin_file(place, ALEVIN_GENES)
    column = [str(name) for name in read_columns(path, ["gene"])["gene"]]
    n = len(column) // 3
    of_three = (
        n > 0
        and column[n : 2 * n] == [f"{name}-U" for name in column[:n]]
        and column[2 * n :] == [f"{name}-A" for name in column[:n]]
    )
    if not of_three:
        if layer is not None:
            raise InputError(f"{place} has reads of one kind only, and no layer {layer!r}. Leave the layer out.")
        gene, which = text_array(column), np.arange(len(column))
    else:
        asked = layer or USUAL
        if asked not in READS_OF:
            raise InputError(
                f"{place} has no layer {asked!r}. Give one of {listing(READS_OF)}.{nearest(asked, READS_OF)}"
            )
        gene = text_array(column[:n])
        which = np.concatenate([np.arange(n) if counted else np.full(n, -1) for counted in READS_OF[asked]])
    repeated = len(gene) - len(set(gene))
    if repeated:
        raise InputError(f"{path}: {repeated} genes occur more than once.")
    return gene, which, (layer or USUAL) if of_three else ""


def read_entries(folder: CellFolder, layer: str | None) -> Entries:
    """The counts of all cells of a folder.

    Parameters
    ----------
    layer
        Of alevin-fry's USA mode what is counted, one of `READS_OF`; None: spliced and ambiguous reads.

    Raises
    ------
    InputError
        For broken files, and layers that are not there.
    """
    if not is_alevin(folder.place):
        if layer is not None:
            raise InputError(f"{folder.place} has no layers such as {layer!r}. Leave the layer out.")
        gene_by_cell = read_tenx_sparse(folder.place)[2].tocoo()
        return Entries(cell=gene_by_cell.col, gene=gene_by_cell.row, count=gene_by_cell.data)
    _, which, _ = _alevin_genes(folder.place, layer)
    cell = cells_of(folder)
    what = f"{len(cell)} cells and {len(which)} columns of genes"
    path = _alevin_file(folder.place, ALEVIN)
    matrix = read_matrix_market(path, (len(cell), len(which)), what, estimated=True).tocoo()
    counted = which[matrix.col] >= 0
    return Entries(cell=matrix.row[counted], gene=which[matrix.col[counted]], count=matrix.data[counted])


def are_estimated(folders: Sequence[CellFolder]) -> bool:
    """Whether counts have decimals, as those of reads that fit several genes."""
    return any(is_alevin(folder.place) for folder in folders)


def folder_notes(folders: Sequence[CellFolder], layer: str | None) -> Iterator[str]:
    """What is read of the folders, a sentence each."""
    if len(folders) > 1:
        yield (
            f"cells of {len(folders)} samples were read, each from its folder (first: {folders[0].place}; "
            f"{listing([folder.sample for folder in folders], 4)})."
        )
    if not are_estimated(folders):
        return
    yield "alevin-fry's counts are estimated: sums of cells were rounded."
    kind = next((told for folder in folders if (told := _alevin_genes(folder.place, layer)[2])), "")
    if kind:
        yield f"of spliced (S), unspliced (U) and ambiguous (A) reads {kind} were counted; layer: U+S+A takes all."


def names_in_table(folders: Sequence[CellFolder], table: pd.DataFrame, sample: str, where: str) -> IntArray:
    """The row of a table of each cell, by number, (C,); -1 where it has none.

    Cells of several samples are named by barcode with the sample before or after it, or by the barcode in rows whose
    column `sample` says which.

    Parameters
    ----------
    table
        Indexed by the cells' names, which may repeat between samples.
    """
    cells = [(each.sample, str(cell)) for each in folders for cell in cells_of(each)]
    samples, codes = [sample for sample, _ in cells], [code for _, code in cells]
    names = [str(name) for name in table.index]
    best: tuple[int, list[int]] = (0, [])
    if len(folders) > 1 and sample in table.columns:
        pairs = dict(zip(zip(table[sample].astype(str), names, strict=True), range(len(names)), strict=True))
        rows = [pairs.get(pair, -1) for pair in zip(samples, codes, strict=True)]
        best = sum(row >= 0 for row in rows), rows
    known = dict(zip(names, range(len(names)), strict=True))
    for spelling in ("{code}", "{sample}_{code}", "{code}_{sample}", "{code}-{sample}", "{sample}-{code}",
                     "{sample}:{code}", "{sample}#{code}"):  # fmt: skip
        if spelling == "{code}" and (len(folders) > 1 or len(known) < len(names)):
            continue
        rows = [known.get(spelling.format(code=c, sample=s), -1) for c, s in zip(codes, samples, strict=True)]
        hits = sum(row >= 0 for row in rows)
        if hits > best[0]:
            best = hits, rows
    if not best[0]:
        shown = f"{folders[0].sample}_{codes[0]}" if len(folders) > 1 else codes[0] if codes else "none"
        raise InputError(
            f"none of {len(codes)} cells is in {where} (first: {shown}; it has {names[0] if names else 'none'}). Its "
            "first column must hold the cells' names."
        )
    return np.array(best[1], dtype=np.int64)
