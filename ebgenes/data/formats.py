"""One door to all formats of counts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from ebgenes.arrays import TextArray, text_array
from ebgenes.data import feature_counts, quant, star
from ebgenes.data.annotation_columns import left_out_words, split_columns, turned, with_ids, without_totals
from ebgenes.data.count_tables import counts_of, read_parquet
from ebgenes.data.estimated import estimated_counts, looks_estimated, with_length_table, with_lengths
from ebgenes.data.h5ad import counts_from_anndata, names_in_var, read_h5ad
from ebgenes.data.htseq import htseq_files, read_htseq
from ebgenes.data.matching import match_names
from ebgenes.data.sample_files import PATH_COLUMN, sample_files, wanted_names
from ebgenes.data.signatures import format_of, require_readable_folder
from ebgenes.data.tenx import is_tenx, names_in_features, read_tenx
from ebgenes.data.tximport import is_tximport, parts_of
from ebgenes.errors import InputError, listing
from ebgenes.files import TextTable, existing_file, read_table, read_text_table, require_unique
from ebgenes.records.counts import Counts

FORMATS = (
    "auto", "table", "parquet", "h5ad", "10x", "star", "featurecounts", "htseq", "salmon", "kallisto", "rsem",
)  # fmt: skip
ORIENTATIONS = ("genes_by_samples", "samples_by_genes")
BY_SAMPLE = {**quant.ENDINGS, "star": star.ENDINGS, "featurecounts": feature_counts.ENDINGS}
"""Names of the files of formats that have a file a sample."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Reading:
    """Counts; what the reader had to find out or leave out, a sentence each; names of genes that came with them."""

    counts: Counts
    notes: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)


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
        if (binary := format_of(place)) is not None:
            return binary
        return "featurecounts" if feature_counts.is_feature_counts(place) else "table"
    if is_tenx(place):
        return "10x"
    for name, endings in BY_SAMPLE.items():
        # Programs leave files of two forms beside one another, of which one is read.
        if any(any(sample_files(place, sheet, (ending,)).values()) for ending in endings):
            return name
    if any(htseq_files(place, sheet).values()):
        return "htseq"
    if any(feature_counts.feature_count_files(place, sheet).values()):
        return "featurecounts"
    require_readable_folder(place)
    inside = sorted(entry.name for entry in place.iterdir())
    raise InputError(
        f"{path} is a folder, and not one with counts that are known: no matrix.mtx, and for none of {len(sheet)} "
        f"samples of the sheet (first: {sheet.index[0]}) a quant.sf, abundance.tsv, genes.results, "
        f"ReadsPerGene.out.tab, featureCounts.txt or file of gene and count. It holds: "
        f"{listing(inside, 6) or 'nothing'}. Name each sample's folder or file after it, "
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
        One of `FORMATS`; ``auto``: by what is there.
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
    place = Path(path)
    if format not in FORMATS:
        raise InputError(f"unknown format {format!r}; choose one of {', '.join(FORMATS)}.")
    found = recognise(place, sheet) if format == "auto" else format
    require_place(place, found)
    reading = _read(
        place, sheet, found, layer=layer, tx2gene=tx2gene, strandedness=strandedness, orientation=orientation,
        counts_are=counts_are, worksheet=worksheet,
    )  # fmt: skip
    counts, notes = without_totals(reading.counts)
    notes = [*reading.notes, *notes]
    if gene_lengths is not None:
        counts, told = with_lengths(counts, gene_lengths, str(path))
        notes.extend(told)
    return Reading(counts=counts, notes=tuple(notes), names=reading.names)


def _read(
    place: Path,
    sheet: pd.DataFrame,
    format: str,
    *,
    layer: str | None,
    tx2gene: str | None,
    strandedness: str,
    orientation: str,
    counts_are: str,
    worksheet: str | None,
) -> Reading:
    if format in quant.ENDINGS:
        counts, notes = quant.read_quantified(place, sheet, format, tx2gene)
        return Reading(counts=counts, notes=tuple(notes))
    if format == "star":
        counts, notes = star.read_star(place, sheet, strandedness)
        return Reading(counts=counts, notes=tuple(notes))
    if format in ("htseq", "featurecounts"):
        told = read_htseq(place, sheet) if format == "htseq" else feature_counts.read_feature_counts(place, sheet)
        counts, notes = estimated_counts(told.frame, str(place), counts_are=counts_are, estimated=False)
        return Reading(counts=counts, notes=(*told.notes, *notes), names=told.names)
    if format == "10x":
        return with_samples_of(sheet, read_tenx(place), str(place), names_in_features(place))
    if format == "h5ad":
        adata = read_h5ad(place)
        counts = counts_from_anndata(adata, layer=layer, estimated=counts_are == "estimated")
        return with_samples_of(sheet, counts, str(place), names_in_var(adata))
    if layer is not None:
        raise InputError(f"{place} is a table, which has no layers such as {layer!r}. Leave the layer out.")
    return read_wide(place, sheet, format=format, orientation=orientation, counts_are=counts_are, worksheet=worksheet)


def read_wide(
    place: Path,
    sheet: pd.DataFrame,
    *,
    format: str,
    orientation: str,
    counts_are: str,
    most: int = -1,
    worksheet: str | None = None,
) -> Reading:
    """A table of genes by samples (of its first `most` bytes), of which the sheet's samples are taken."""
    if format == "parquet":
        table = TextTable(frame=read_parquet(place))
    else:
        table = read_table(place, numeric=True, most=most, worksheet=worksheet)
    frame, notes, where = table.frame, list(table.notes), str(place)
    del table
    estimated = looks_estimated(place, [str(frame.index.name), *map(str, frame.columns)])
    if orientation == "samples_by_genes":
        if most >= 0 and format != "parquet":
            # The first samples are not all.
            frame = read_table(place, numeric=True, worksheet=worksheet).frame
        frame, told = turned(frame)
    else:
        frame, told = with_ids(frame, where)
    notes.extend(told)
    length = None
    if is_tximport([str(name) for name in frame.columns]):
        parts = parts_of(frame)
        frame, length, estimated = parts.counts, parts.length, True
        notes.extend(parts.notes)
    require_unique([str(name) for name in frame.columns], "columns", place)
    split = split_columns(frame, wanted_names(sheet, [str(name) for name in frame.columns]), where)
    require_unique([str(name) for name in frame.index], "rows", place)
    del frame
    counts, told = estimated_counts(split.frame, where, counts_are=counts_are, estimated=estimated)
    if length is not None:
        of_samples = split_columns(length, wanted_names(sheet, [str(name) for name in length.columns]), where).frame
        counts = with_length_table(counts, of_samples, where)
    return Reading(counts=counts, notes=(*notes, *split.notes, *told), names=split.names)


def with_samples_of(sheet: pd.DataFrame, counts: Counts, where: str, names: Mapping[str, str] | None = None) -> Reading:
    """Counts of the sheet's samples, in its order."""
    columns = [str(name) for name in counts.sample]
    wanted = wanted_names(sheet, columns)
    require_upright(wanted, columns, counts.gene, where)
    match = match_names(columns, wanted, where)
    notes = list(match.notes)
    left = [name for i, name in enumerate(columns) if i not in set(match.place)]
    if left:
        notes.append(left_out_words(left, len(columns)))
    place = list(match.place)
    chosen = Counts(gene=counts.gene, sample=text_array(wanted), count=counts.count[:, place])
    return Reading(counts=chosen, notes=tuple(notes), names=names or {})


def require_upright(wanted: Mapping[str, str], columns: Sequence[str], gene: TextArray, where: str) -> None:
    """Refuse AnnData of genes by samples.

    Raises
    ------
    InputError
        Where all samples are in var, and none in obs.
    """
    names = set(wanted.values())
    if not names & set(columns) and names <= set(map(str, gene)):
        raise InputError(
            f"{where} is turned: the samples of the sheet are in var (first: {next(iter(wanted.values()))}), where "
            "genes belong. Write adata.T.copy()."
        )


def require_place(place: Path, format: str) -> None:
    """Ask for files where files are read, for folders where folders are.

    Raises
    ------
    InputError
        Where there is something else, or nothing.
    """
    if format in (*quant.ENDINGS, "star", "10x", "htseq"):
        if not place.is_dir() and not (format == "10x" and place.is_file()):
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
