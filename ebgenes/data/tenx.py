"""10x Genomics' matrices: HDF5, or a folder of matrix.mtx, barcodes.tsv and genes.tsv or features.tsv, plain or .gz."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ebgenes.arrays import IntArray, TextArray, text_array
from ebgenes.data.hdf5 import opened_hdf5, require_within
from ebgenes.data.matrix_market import by_columns, read_matrix_market
from ebgenes.data.sample_files import read_columns
from ebgenes.errors import InputError
from ebgenes.files import LARGEST_COUNT
from ebgenes.limits import require_size
from ebgenes.records.counts import Counts

if TYPE_CHECKING:
    import h5py
    from scipy.sparse import csc_array

OF_GENES = "Gene Expression"
SUFFIX = ".h5"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Features:
    """Rows of a matrix that are genes.

    Attributes
    ----------
    gene, name
        Ids and names, (G,).
    place
        Rows of the matrix, (G,).
    total
        Rows of the matrix, of every kind.
    """

    gene: TextArray
    name: TextArray
    place: IntArray
    total: int


def is_tenx(place: Path) -> bool:
    """Whether a folder, or a file of HDF5, holds a 10x matrix."""
    if place.is_dir():
        return _find(place, "matrix.mtx") is not None
    if place.suffix != SUFFIX or not place.is_file():
        return False
    with opened_hdf5(place, "a 10x .h5 file", whole=False) as file:
        return "obs" not in file and holds_tenx(file)


def holds_tenx(file: h5py.File) -> bool:
    """Whether a file of HDF5 holds a 10x matrix."""
    return bool(_matrices(file))


def _matrices(file: h5py.File) -> list[str]:
    return [name for name, each in file.items() if hasattr(each, "keys") and "barcodes" in each]


def _find(folder: Path, *names: str) -> Path | None:
    """The first of these files there is; as GEO has them, with a prefix, where there is one of them."""
    endings = [f"{name}{gz}" for name in names for gz in ("", ".gz")]
    found = next((folder / name for name in endings if (folder / name).is_file()), None)
    if found is not None:
        return found
    prefixed = [path for path in folder.iterdir() if path.name.endswith(tuple(f"_{name}" for name in endings))]
    return prefixed[0] if len(prefixed) == 1 else None


def _require(folder: Path, *names: str) -> Path:
    found = _find(folder, *names)
    if found is None:
        raise InputError(f"{folder} has no {' or '.join(names)} (plain or .gz). A 10x folder holds three files.")
    return found


def _group(file: h5py.File, path: Path) -> Any:
    """The matrix of a file: the group ``matrix``, or in version 2 the one of a genome."""
    groups = _matrices(file)
    if len(groups) != 1:
        raise InputError(
            f"{path} holds {len(groups)} matrices ({', '.join(groups) or 'none'}); one is read. Give the file of one "
            "genome."
        )
    return file[groups[0]]


def barcodes(place: Path) -> list[str]:
    """Names of the columns."""
    if place.is_dir():
        return list(read_columns(_require(place, "barcodes.tsv"), ["barcode"])["barcode"])
    with opened_hdf5(place, "a 10x .h5 file", whole=False) as file:
        return list(_text(_group(file, place)["barcodes"]))


def features(place: Path) -> Features:
    """The genes among the rows.

    Raises
    ------
    InputError
        Where ids repeat.
    """
    if place.is_dir():
        table = read_columns(_require(place, "features.tsv", "genes.tsv"), ["id", "name", "kind", "a", "b", "c"])
    else:
        with opened_hdf5(place, "a 10x .h5 file", whole=False) as file:
            table = _feature_table(_group(file, place))
    kind = table["kind"].astype(str).to_numpy()
    # Beside genes there may be antibodies and guides; version 2 has no kinds.
    chosen = np.flatnonzero(kind == OF_GENES) if (kind == OF_GENES).any() else np.arange(len(table))
    gene = text_array(table["id"].iloc[chosen])
    if len(set(gene)) < len(gene):
        raise InputError(f"{place}: {len(gene) - len(set(gene))} genes occur more than once.")
    name = text_array(table["name"].iloc[chosen].astype(str))
    return Features(gene=gene, name=name, place=chosen, total=len(table))


def _feature_table(group: Any) -> pd.DataFrame:
    if "features" in group:
        found = group["features"]
        return pd.DataFrame(
            {"id": _text(found["id"]), "name": _text(found["name"]), "kind": _text(found["feature_type"])}
        )
    return pd.DataFrame({"id": _text(group["genes"]), "name": _text(group["gene_names"]), "kind": ""})


def _text(stored: Any) -> Any:
    return stored.asstr()[()]


def read_tenx_sparse(place: Path) -> tuple[TextArray, TextArray, csc_array]:
    """Genes, barcodes, and the sparse counts, genes by barcodes; of several kinds of features, just the genes.

    Raises
    ------
    InputError
        For missing or broken files, names that repeat, and sizes that do not fit.
    """
    about, barcode = features(place), text_array(barcodes(place))
    if len(set(barcode)) < len(barcode):
        raise InputError(f"{place}: {len(barcode) - len(set(barcode))} barcodes occur more than once.")
    shape = about.total, len(barcode)
    if place.is_dir():
        what = f"{shape[0]} features and {shape[1]} barcodes"
        counts = read_matrix_market(_require(place, "matrix.mtx"), shape, what)
    else:
        counts = _read_hdf5(place, shape)
    if len(about.place) < about.total:
        counts = counts.tocsr()[about.place].tocsc()
    return about.gene, barcode, counts


def _read_hdf5(path: Path, shape: tuple[int, int]) -> csc_array:
    with opened_hdf5(path, "a 10x .h5 file") as file:
        group = _group(file, path)
        value, index, pointer = (np.asarray(group[name][()]) for name in ("data", "indices", "indptr"))
        told = tuple(int(each) for each in group["shape"][()])
    if told != shape or pointer.shape != (shape[1] + 1,) or value.shape != index.shape:
        raise InputError(
            f"{path} has a matrix of {told} and {len(pointer) - 1} columns, but {shape[0]} features and {shape[1]} "
            "barcodes. It is damaged; make it anew."
        )
    if (pointer[1:] < pointer[:-1]).any() or pointer[0] != 0 or pointer[-1] != len(index):
        raise InputError(f"{path}: the pointers of its matrix do not rise to its {len(index)} values. Make it anew.")
    require_within(index, shape[0], path, "its matrix")
    if value.dtype.kind not in "iu" or (value.size and not 0 <= value.min() <= value.max() <= LARGEST_COUNT):
        raise InputError(f"{path}: counts must be whole numbers >= 0. Give the raw or the filtered matrix.")
    column = np.repeat(np.arange(shape[1]), np.diff(pointer))
    return by_columns(index.astype(np.int64), column, value.astype(np.int64), shape)


def read_tenx(place: Path) -> Counts:
    """A 10x matrix whose barcodes are samples."""
    gene, barcode, counts = read_tenx_sparse(place)
    require_size(place, 8 * len(gene) * len(barcode), "as a table of genes by samples")
    return Counts(gene=gene, sample=barcode, count=counts.toarray().astype(np.int64))


def names_in_features(place: Path) -> dict[str, str]:
    """Names of the genes that stand beside their ids."""
    about = features(place)
    pairs = zip(about.gene, about.name, strict=True)
    return {str(gene): str(name) for gene, name in pairs if name and name != "nan" and name != gene}
