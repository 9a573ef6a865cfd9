"""A 10x Genomics folder: matrix.mtx, barcodes.tsv and genes.tsv (version 2) or features.tsv (3), plain or .gz."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ebgenes.arrays import TextArray, text_array
from ebgenes.data.matrix_market import read_matrix_market
from ebgenes.data.sample_files import read_columns
from ebgenes.errors import InputError
from ebgenes.limits import require_size
from ebgenes.records.counts import Counts

if TYPE_CHECKING:
    from scipy.sparse import csc_array


def is_tenx(folder: Path) -> bool:
    """Whether a folder holds a 10x matrix."""
    return folder.is_dir() and _find(folder, "matrix.mtx") is not None


def _find(folder: Path, *names: str) -> Path | None:
    """The first of these files there is."""
    places = [folder / f"{name}{gz}" for name in names for gz in ("", ".gz")]
    return next((place for place in places if place.is_file()), None)


def _require(folder: Path, *names: str) -> Path:
    found = _find(folder, *names)
    if found is None:
        raise InputError(f"{folder} has no {' or '.join(names)} (plain or .gz). A 10x folder holds three files.")
    return found


def barcodes(folder: Path) -> list[str]:
    """Names of the columns."""
    return list(read_columns(_require(folder, "barcodes.tsv"), ["barcode"])["barcode"])


def read_tenx_sparse(folder: Path) -> tuple[TextArray, TextArray, csc_array]:
    """Genes, barcodes, and the sparse counts, genes by barcodes; of several kinds of features, just the genes.

    Raises
    ------
    InputError
        For missing or broken files, names that repeat, and sizes that do not fit.
    """

    matrix = _require(folder, "matrix.mtx")
    features = read_columns(_require(folder, "features.tsv", "genes.tsv"), ["id", "name", "kind", "a", "b", "c"])
    barcode = text_array(barcodes(folder))
    gene = text_array(features["id"])
    what = f"{len(gene)} features and {len(barcode)} barcodes"
    counts = read_matrix_market(matrix, (len(gene), len(barcode)), what)
    kinds = features["kind"].astype(str)
    if (kinds == "Gene Expression").any():
        chosen = np.flatnonzero(kinds == "Gene Expression")
        gene, counts = text_array(gene[chosen]), counts.tocsr()[chosen].tocsc()
    for names, what in ((gene, "genes"), (barcode, "barcodes")):
        if len(set(names)) < len(names):
            raise InputError(f"{folder}: {len(names) - len(set(names))} {what} occur more than once.")
    return gene, barcode, counts


def read_tenx(folder: Path) -> Counts:
    """A 10x folder whose barcodes are samples."""
    gene, barcode, counts = read_tenx_sparse(folder)
    require_size(folder, 8 * len(gene) * len(barcode), "as a table of genes by samples")
    return Counts(gene=gene, sample=barcode, count=counts.toarray().astype(np.int64))
