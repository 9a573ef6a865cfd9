"""One door to all formats of counts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ebgenes.data import feature_counts, quant, star
from ebgenes.data.count_tables import counts_of, read_parquet
from ebgenes.data.h5ad import counts_from_anndata, read_h5ad
from ebgenes.data.sample_files import PATH_COLUMN, sample_files
from ebgenes.data.tenx import is_tenx, read_tenx
from ebgenes.errors import InputError, listing
from ebgenes.files import existing_file, read_text_table
from ebgenes.records.counts import Counts

FORMATS = ("auto", "table", "parquet", "h5ad", "10x", "star", "featurecounts", "salmon", "kallisto")
BY_SAMPLE = {**quant.ENDINGS, "star": star.ENDINGS, "featurecounts": feature_counts.ENDINGS}
"""Names of the files of formats that have a file a sample."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Reading:
    """Counts, and what the reader had to find out or leave out, a sentence each."""

    counts: Counts
    notes: tuple[str, ...] = ()


def recognise(path: str | Path, sheet: pd.DataFrame) -> str:
    """The format of a file or folder of counts.

    Raises
    ------
    InputError
        Where there is nothing, or nothing that is known.
    """
    place = Path(path)
    if not place.is_dir():
        name = existing_file(place).name
        if name.endswith((".h5ad", ".parquet")):
            return name.rpartition(".")[2]
        return "featurecounts" if feature_counts.is_feature_counts(place) else "table"
    if is_tenx(place):
        return "10x"
    for name, endings in BY_SAMPLE.items():
        if any(sample_files(place, sheet, endings).values()):
            return name
    inside = sorted(entry.name for entry in place.iterdir())
    raise InputError(
        f"{path} is a folder, and not one with counts that are known: no matrix.mtx, and for none of {len(sheet)} "
        f"samples of the sheet (first: {sheet.index[0]}) a quant.sf, abundance.tsv, ReadsPerGene.out.tab or "
        f"featureCounts.txt. It holds: {listing(inside, 6) or 'nothing'}. Name each sample's folder or file after it, "
        f"or add a column {PATH_COLUMN!r} to the sheet."
    )


def read_input(
    path: str | Path,
    sheet: pd.DataFrame,
    *,
    format: str = "auto",
    layer: str | None = None,
    tx2gene: str | None = None,
    strandedness: str = "auto",
) -> Reading:
    """Read counts in any format, for the samples of a sheet.

    Parameters
    ----------
    path
        A file with all samples, or a folder with a file or folder of each sample's name.
    sheet
        The sample sheet, indexed by sample. A column ``path`` tells where a sample's file or folder is, relative to
        `path`, or which column of a featureCounts table is its.
    format
        One of `FORMATS`; ``auto``: by what is there.
    layer
        Of an .h5ad file; None: X.
    tx2gene
        For salmon and kallisto: a table of transcripts and genes, or a GTF.
    strandedness
        For STAR: ``auto``, ``unstranded``, ``forward`` or ``reverse``.

    Raises
    ------
    InputError
        One message for whatever is wrong.
    """
    place = Path(path)
    if format not in FORMATS:
        raise InputError(f"unknown format {format!r}; choose one of {', '.join(FORMATS)}.")
    found = recognise(place, sheet) if format == "auto" else format
    require_place(place, found)
    if found in quant.ENDINGS:
        counts, notes = quant.read_quantified(place, sheet, found, tx2gene)
        return Reading(counts=counts, notes=tuple(notes))
    if found == "star":
        counts, notes = star.read_star(place, sheet, strandedness)
        return Reading(counts=counts, notes=tuple(notes))
    if found == "featurecounts":
        return Reading(counts=feature_counts.read_feature_counts(place, sheet))
    if found == "10x":
        return Reading(counts=read_tenx(place))
    return Reading(counts=read_counts(place, layer=layer, format=found))


def require_place(place: Path, format: str) -> None:
    """Ask for files where files are read, for folders where folders are.

    Raises
    ------
    InputError
        Where there is something else, or nothing.
    """
    if format in (*quant.ENDINGS, "star", "10x"):
        if not place.is_dir():
            what = "is a file" if place.exists() else "does not exist"
            raise InputError(f"{place} {what}; format {format} needs the folder that holds the samples' files.")
    elif not (format == "featurecounts" and place.is_dir()):
        existing_file(place)


def read_counts(path: str | os.PathLike[str], *, layer: str | None = None, format: str | None = None) -> Counts:
    """Read raw counts.

    Parameters
    ----------
    path
        TSV or CSV, plain or .gz, or .parquet: one row a gene, ids in the first column, one column a sample; or
        .h5ad (samples in obs, genes in var). Other formats: `read_input`.
    layer
        Layer of the .h5ad; None: its X.
    format
        ``table``, ``parquet`` or ``h5ad``; None: as the file is called.

    Raises
    ------
    InputError
        Where the file cannot be read, names repeat, or values are not whole numbers >= 0.
    """
    kind = format or {".h5ad": "h5ad", ".parquet": "parquet"}.get(Path(path).suffix, "table")
    if kind == "h5ad":
        return counts_from_anndata(read_h5ad(path), layer=layer)
    if layer is not None:
        raise InputError(f"{path} is a table, which has no layers such as {layer!r}. Leave the layer out.")
    return counts_of(read_parquet(path) if kind == "parquet" else read_text_table(path, numeric=True))
