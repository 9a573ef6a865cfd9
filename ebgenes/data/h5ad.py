"""AnnData files: counts that others have stored, and a dataset's counts, sheet and screen."""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ebgenes.arrays import text_array
from ebgenes.data.annotation_columns import name_column
from ebgenes.data.count_tables import plain_counts, require_whole
from ebgenes.data.hdf5 import opened_hdf5, require_groups, require_sound_matrices
from ebgenes.data.normalization import given_sizes
from ebgenes.data.sealed import require_sealed, sealed_hdf5, write_anndata
from ebgenes.errors import InputError, listing
from ebgenes.files import require_unique
from ebgenes.records.counts import Counts, Screen, Study

if TYPE_CHECKING:
    from anndata import AnnData


def read_h5ad(path: str | os.PathLike[str], *, trusted: bool = False) -> AnnData:
    """Read an AnnData file; trusted where every byte is known to be as it was written."""
    import anndata

    # Repeated names and old encodings are warned of before our own checks can speak.
    with opened_hdf5(path, "an .h5ad file", trusted=trusted) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        require_groups(file, Path(path))
        require_sound_matrices(file, Path(path))
        return anndata.read_h5ad(Path(path))


def counts_from_anndata(adata: AnnData, *, layer: str | None = None, estimated: bool = False) -> Counts:
    """Raw counts of an AnnData: obs are samples, var are genes.

    Parameters
    ----------
    adata
        Sparse or dense, of any number type that holds whole numbers.
    layer
        Layer with the raw counts; ``raw`` is the slot ``.raw`` where no layer has this name; None: X.
    estimated
        Whether counts are estimates with decimals, to be rounded.

    Raises
    ------
    InputError
        For an unknown layer, repeated names, or values that are not whole numbers >= 0.
    """
    of_raw = layer == "raw" and "raw" not in adata.layers and adata.raw is not None
    if layer is not None and layer not in adata.layers and not of_raw:
        raise InputError(f"the AnnData has no layer {layer!r}. Its layers: {listing(layers_of(adata)) or 'none'}.")
    matrix = adata.raw.X if of_raw else adata.X if layer is None else adata.layers[layer]
    if matrix is None:
        raise InputError(f"the AnnData has no X. Name the layer that holds raw counts.{layer_hint(adata)}")
    dense = matrix.toarray() if hasattr(matrix, "toarray") else np.asarray(matrix)
    if estimated:
        dense = np.rint(dense)
    gene, sample = text_array(adata.raw.var_names if of_raw else adata.var_names), text_array(adata.obs_names)
    require_unique(list(gene), "genes", Path("the AnnData"))
    require_unique(list(sample), "samples", Path("the AnnData"))
    for row, name in zip(dense, sample, strict=True):
        if not plain_counts(row):
            try:
                require_whole(np.asarray(row, dtype=float), row, list(gene), name)
            except InputError as error:
                raise InputError(f"{error}{layer_hint(adata)}") from None
    return Counts(gene=gene, sample=sample, count=np.asarray(dense.T, dtype=np.int64))


def layers_of(adata: AnnData) -> list[str]:
    """What a layer can be called: the layers, and ``raw`` where the slot of this name is filled."""
    return [*map(str, adata.layers), *(["raw"] if adata.raw is not None and "raw" not in adata.layers else [])]


def layer_hint(adata: AnnData) -> str:
    """Which layers hold whole numbers, as a sentence; empty where none does."""
    whole = []
    for name in layers_of(adata):
        in_raw = name not in adata.layers
        matrix = adata.raw.X if in_raw else adata.layers[name]
        value = np.asarray(matrix.data if hasattr(matrix, "tocsr") else matrix).ravel()[:100_000]
        if (
            value.size
            and np.issubdtype(value.dtype, np.number)
            and bool(((value >= 0) & (value == np.rint(value))).all())
        ):
            whole.append("raw, the slot .raw" if in_raw else name)
    return f" Whole numbers are in layer: {' or layer: '.join(whole)}." if whole else ""


def names_in_var(adata: AnnData) -> dict[str, str]:
    """Names of the genes that a column of var holds, by id."""
    column = name_column([str(name) for name in adata.var.columns])
    if column is None:
        return {}
    values = adata.var[column].astype(object)
    return {str(gene): str(name) for gene, name in zip(adata.var_names, values, strict=True) if pd.notna(name)}


def write_study(path: str | os.PathLike[str], study: Study) -> None:
    """Write ``counts.h5ad``: kept counts, sample sheet, size factors, and the status of every gene."""
    write_anndata(path, study_to_anndata(study))


def study_to_anndata(study: Study) -> AnnData:
    """Samples in obs, kept genes in var; ``uns["ebgenes"]["screen"]`` has every gene."""
    from anndata import AnnData

    counts, screen = study.counts, study.screen
    if counts.log_size is None:
        raise ValueError("a study holds normalized counts")
    obs = study.samples.copy()
    obs.index = obs.index.astype(str)
    obs.index.name = None
    obs = obs.apply(lambda column: column.astype("category") if column.dtype == object else column)
    obs.columns = pd.Index([stored_name(name) for name in obs.columns])
    var = pd.DataFrame({"gene_name": screen.name[screen.kept]}, index=list(counts.gene))
    adata = AnnData(X=counts.count.T.copy(), obs=obs, var=var)
    if counts.log_size.ndim == 1:
        adata.obsm["log_size"] = counts.log_size[:, None]
    else:
        adata.layers["log_size"] = counts.log_size.T.copy()
    adata.uns["ebgenes"] = {
        "sheet_index": study.samples.index.name or "",
        "sheet_columns": np.array([str(name) for name in study.samples.columns], dtype=object),
        "sizes_given": given_sizes(counts),
        # As text: HDF5 has no empty lists of text.
        "notes": json.dumps(list(study.notes), ensure_ascii=False),
        "screen": {
            "gene": np.array(screen.gene, dtype=object),
            "status": np.array(screen.status, dtype=object),
            "name": np.array(screen.name, dtype=object),
            "base_mean": screen.base_mean,
        },
    }
    return adata


def stored_name(column: str) -> str:
    """A sheet's column as HDF5 and AnnData can name it."""
    name = str(column).replace("/", "%2F")
    return f"%{name}" if name in ("_index", ".") else name


def read_study(path: str | os.PathLike[str]) -> Study:
    """Read what `write_study` wrote."""
    require_sealed(path, "was not written by ebgenes counts of this version")
    adata = read_h5ad(path, trusted=True)
    if "ebgenes" not in adata.uns:
        raise InputError(f"{path} was not written by ebgenes counts. Run that first.")
    counts = counts_from_anndata(adata)
    if not {"screen", "sheet_columns", "sheet_index"} <= set(adata.uns["ebgenes"]) or "log_size" not in {
        *adata.layers,
        *adata.obsm,
    }:
        raise InputError(f"{path} lacks size factors or the genes' statuses. Run ebgenes counts again.")
    in_layer = "log_size" in adata.layers
    log_size = adata.layers["log_size"].T if in_layer else adata.obsm["log_size"][:, 0]
    if not np.isfinite(log_size).all():
        raise InputError(f"{path}: size factors are not finite numbers. Run ebgenes counts again.")
    samples = adata.obs.apply(
        lambda column: column.astype(object) if isinstance(column.dtype, pd.CategoricalDtype) else column
    )
    samples = samples.set_axis(list(adata.uns["ebgenes"]["sheet_columns"]), axis=1)
    samples.index.name = adata.uns["ebgenes"]["sheet_index"] or None
    given = adata.uns["ebgenes"].get("sizes_given")
    return Study(
        counts=replace(counts, log_size=log_size, sizes_given=None if given is None else bool(given)),
        samples=samples,
        screen=Screen(**adata.uns["ebgenes"]["screen"]),
        notes=_notes(adata.uns["ebgenes"].get("notes", "[]"), path),
    )


def _notes(stored: Any, path: str | os.PathLike[str]) -> tuple[str, ...]:
    try:
        return tuple(str(note) for note in json.loads(str(stored)))
    except (ValueError, TypeError):
        raise InputError(f"{path}: what was done to the files cannot be read. Run ebgenes counts again.") from None


def read_notes(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Just what was done to the user's files, of what `write_study` wrote."""
    with sealed_hdf5(path, "a counts.h5ad") as file:
        place = "uns/ebgenes/notes"
        return _notes(file[place].asstr()[()], path) if place in file else ()


def read_screen(path: str | os.PathLike[str]) -> Screen:
    """Just the genes' statuses of what `write_study` wrote, without loading its counts or anndata."""
    with sealed_hdf5(path, "a counts.h5ad") as file:
        if "uns/ebgenes/screen" not in file:
            raise InputError(f"{path} was not written by ebgenes counts. Run that first.")
        stored = file["uns/ebgenes/screen"]
        text = {name: stored[name].asstr()[()] for name in ("gene", "status", "name")}
        return Screen(base_mean=stored["base_mean"][()], **text)
