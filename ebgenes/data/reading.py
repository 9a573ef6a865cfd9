"""One door to all formats of counts: they are recognised and read, whole or the beginning."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ebgenes.data.annotation_columns import without_totals
from ebgenes.data.count_tables import counts_of, read_parquet
from ebgenes.data.counts_format import Asked, Format, Found, Reading
from ebgenes.data.estimated import with_lengths
from ebgenes.data.formats import AUTO, format_named, in_order
from ebgenes.data.h5ad import counts_from_anndata, read_h5ad
from ebgenes.data.sample_files import PATH_COLUMN
from ebgenes.data.signatures import format_of, require_readable_folder
from ebgenes.errors import InputError, listing
from ebgenes.files import existing_file, read_text_table
from ebgenes.records.counts import Counts


def recognise(path: str | Path, sheet: pd.DataFrame) -> str:
    """The format of a file or folder of counts.

    Raises
    ------
    InputError
        Where there is nothing, or nothing that is known.
    """
    place = Path(path)
    found = Found(place=place, sheet=sheet, is_folder=place.is_dir(), signature=_signature(place))
    for format in in_order():
        if format.recognises(found):
            return format.name
    require_readable_folder(place)
    inside = sorted(entry.name for entry in place.iterdir())
    *files, last = [format.sample_file for format in in_order() if format.sample_file is not None]
    raise InputError(
        f"{path} is a folder, and not one with counts that are known: no matrix.mtx, and for none of {len(sheet)} "
        f"samples of the sheet (first: {sheet.index[0]}) a {', '.join(files)} or {last}. It holds: "
        f"{listing(inside, 6) or 'nothing'}. Name each sample's folder or file after it, "
        f"or add a column {PATH_COLUMN!r} to the sheet."
    )


def _signature(place: Path) -> str | None:
    if place.is_dir():
        return None
    name = existing_file(place).name
    return name.rpartition(".")[2] if name.endswith((".h5ad", ".parquet")) else format_of(place)


def read_input(
    path: str | Path,
    sheet: pd.DataFrame,
    *,
    format: str = "auto",
    layer: str | None = None,
    tx2gene: str | None = None,
    strandedness: str = "auto",
    orientation: str = "genes_by_samples",
    counts_are: str = "auto",
    gene_lengths: str | None = None,
    worksheet: str | None = None,
) -> Reading:
    """Read counts in any format, for the samples of a sheet.

    Parameters
    ----------
    path
        A file with all samples, or a folder with a file or folder of each sample's name.
    sheet
        The sample sheet, indexed by sample. A column ``path`` tells where a sample's file or folder is, relative to
        `path`, or which column of a table is its. Samples that the counts have and the sheet has not are left out.
    format
        One of `ebgenes.data.formats.FORMATS`; ``auto``: by what is there.
    layer
        Of an .h5ad file; ``raw`` also its slot of that name; None: X.
    tx2gene
        For salmon and kallisto: a table of transcripts and genes, or a GTF.
    strandedness
        For STAR: ``auto``, ``unstranded``, ``forward`` or ``reverse``.
    orientation
        One of `ORIENTATIONS`, of tables.
    counts_are
        ``raw``: whole numbers; ``estimated``: decimals are rounded; ``auto``: they are where a table is salmon's,
        RSEM's or kallisto's by its name or header.
    gene_lengths
        Table of the transcripts' average lengths, genes by samples, whose logarithms become offsets.
    worksheet
        Of a workbook, the sheet that is read; None: the first with a table.

    Raises
    ------
    InputError
        One message for whatever is wrong.
    """
    reader, asked = _asked(
        Path(path), sheet, format, layer=layer, tx2gene=tx2gene, strandedness=strandedness, orientation=orientation,
        counts_are=counts_are, worksheet=worksheet,
    )  # fmt: skip
    reading = reader.read(asked)
    counts, notes = without_totals(reading.counts)
    notes = [*reading.notes, *notes]
    if gene_lengths is not None:
        counts, more = with_lengths(counts, gene_lengths, str(path))
        notes.extend(more)
    return Reading(counts=counts, notes=tuple(notes), names=reading.names)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Peek:
    """Format of the counts; the samples with their first genes (or none); about how many genes there are; notes."""

    format: str
    counts: Counts
    n_genes: int
    notes: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)


def peek(path: str | Path, sheet: pd.DataFrame, *, format: str, **options: Any) -> Peek:
    """Look at the beginning of counts in any format; options as `read_input` has them.

    Raises
    ------
    InputError
        For what is wrong so far.
    """
    reader, asked = _asked(Path(path), sheet, format, **options)
    if reader.look is None:
        reading = reader.read(asked)
        n_genes = len(reading.counts.gene)
    else:
        reading, n_genes = reader.look(asked)
    counts, notes = without_totals(reading.counts) if len(reading.counts.gene) else (reading.counts, [])
    return Peek(
        format=reader.name, counts=counts, n_genes=n_genes, notes=(*reading.notes, *notes), names=reading.names
    )  # fmt: skip


def _asked(place: Path, sheet: pd.DataFrame, format: str, **options: Any) -> tuple[Format, Asked]:
    """What reads, and what it is asked for."""
    reader = None if format == AUTO else format_named(format)
    reader = format_named(recognise(place, sheet)) if reader is None else reader
    _require_place(place, reader)
    asked = Asked(place=place, sheet=sheet, **options)
    if asked.layer is not None and "layer" not in reader.options:
        raise InputError(
            f"{place} is {reader.words}, which has no layers such as {asked.layer!r}. Leave the layer out."
        )
    return reader, asked


def _require_place(place: Path, format: Format) -> None:
    """Ask for files where files are read, for folders where folders are."""
    if (place.is_dir() and "folder" in format.takes) or (place.is_file() and "file" in format.takes):
        return
    if format.takes[0] == "folder":
        what = "is a file" if place.exists() else "does not exist"
        raise InputError(f"{place} {what}; format {format.name} needs the folder that holds the samples' files.")
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
