"""Which format a file has by its first bytes, whatever it is called; and what to do with formats that are not read."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from ebgenes.data.hdf5 import opened_hdf5
from ebgenes.data.tenx import holds_tenx
from ebgenes.errors import InputError, listing

HDF5, PARQUET, GZIP = b"\x89HDF\r\n\x1a\n", b"PAR1", b"\x1f\x8b"
FEATHER = (b"ARROW1", b"FEA1")
R_OBJECTS = (b"X\n\x00\x00\x00", b"RDX2\n", b"RDX3\n", b"A\n2\n", b"A\n3\n")
MATRIX = b"%%MatrixMarket"
BAM = b"BAM\x01"
PDF = b"%PDF-"
HTML = (b"<html", b"<!doctype html", b"<table")
LOOK = 100


def format_of(path: Path) -> str | None:
    """``h5ad``, ``10x`` or ``parquet``; None where the bytes are of no such format.

    Raises
    ------
    InputError
        For files of R, Feather and alignments, which hold no table that can be read.
    """
    start = _beginning(path)
    if start.startswith(HDF5):
        return _of_hdf5(path)
    if start.startswith(PARQUET):
        return "parquet"
    if start.startswith(FEATHER):
        raise InputError(f"{path} is a Feather file. Save it as parquet (to_parquet) or as text (CSV).")
    if start.startswith(R_OBJECTS):
        raise InputError(
            f"{path} holds an object of R. Save its counts in R as text: write.csv(counts(dds), 'counts.csv'), or "
            "write.csv(assay(se), 'counts.csv') of a SummarizedExperiment."
        )
    if start.startswith(MATRIX):
        raise InputError(f"{path} is one of three files of a matrix; name the folder that holds them: {path.parent}")
    if start.startswith(PDF):
        raise InputError(f"{path} is a PDF. Save the table as text (CSV).")
    if start.lstrip().lower().startswith(HTML):
        raise InputError(f"{path} is a web page, not a table. Open it in a spreadsheet and save it as CSV.")
    if start.startswith(BAM):
        raise InputError(f"{path} holds alignments. Count them first, with featureCounts, htseq-count or the like.")
    return None


NOT_READ = {
    "t_data.ctab": "StringTie's tables for Ballgown, which have coverage and no counts. Run StringTie's prepDE.py3 and "
    "give the gene_count_matrix.csv that it writes",
    "gene_abund.tab": "StringTie's abundances, which are no counts. Run StringTie's prepDE.py3 and give the "
    "gene_count_matrix.csv that it writes",
    "genes.fpkm_tracking": "Cufflinks' FPKM, which are no counts. Count the alignments, with featureCounts or "
    "htseq-count",
    ".zgroup": "a Zarr store. Save it as .h5ad: anndata.read_zarr(path).write_h5ad('counts.h5ad')",
    "zarr.json": "a Zarr store. Save it as .h5ad: anndata.read_zarr(path).write_h5ad('counts.h5ad')",
    "cells_x_genes.mtx": "kb-python's matrix. Let it write .h5ad (kb count --h5ad)",
}
"""Files of programs whose folders hold no counts that are read: what they are, and what to do."""


def require_readable_folder(folder: Path) -> None:
    """Refuse folders of programs whose output is not read.

    Raises
    ------
    InputError
        With what to do instead.
    """
    for place in (folder, *sorted(each for each in folder.iterdir() if each.is_dir())):
        for name, words in NOT_READ.items():
            if (place / name).exists():
                raise InputError(f"{folder} holds {words}.")


def _beginning(path: Path) -> bytes:
    """The first bytes, unpacked where they are packed."""
    with path.open("rb") as file:
        start = file.read(LOOK)
    if not start.startswith(GZIP):
        return start
    try:
        with gzip.open(path, "rb") as file:
            return file.read(LOOK)
    except (OSError, EOFError, zlib.error):
        # The reader of text says it better.
        return start


def _of_hdf5(path: Path) -> str:
    with opened_hdf5(path, "an HDF5 file", whole=False) as file:
        if "obs" in file or "X" in file:
            return "h5ad"
        if holds_tenx(file):
            return "10x"
        inside = listing(list(file), 6)
        raise InputError(
            f"{path} is HDF5, and neither AnnData's nor 10x's (it holds: {inside or 'nothing'}). Save it as .h5ad: a "
            "Loom file with anndata's read_loom, Seurat's with its own converters; or as text (CSV)."
        )
