"""What a look at the beginning of counts tells: their samples, the first genes, and how many there may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ebgenes.arrays import text_array
from ebgenes.data import feature_counts, quant, star
from ebgenes.data.annotation_columns import without_totals
from ebgenes.data.cells import element, first_values, is_whole, layer_hint, opened
from ebgenes.data.count_tables import BEGINNING
from ebgenes.data.estimated import estimated_counts
from ebgenes.data.formats import Reading, read_wide, recognise, require_place, require_upright, with_samples_of
from ebgenes.data.htseq import htseq_files, read_htseq
from ebgenes.data.sample_files import require_files, sample_files, wanted_names
from ebgenes.data.tenx import read_tenx
from ebgenes.data.transcripts import genes_of, read_tx2gene
from ebgenes.errors import InputError, listing
from ebgenes.records.counts import Counts

if TYPE_CHECKING:
    import h5py
    import pandas as pd


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Peek:
    """Format of the counts; the samples with their first genes (or none); about how many genes there are; notes."""

    format: str
    counts: Counts
    n_genes: int
    notes: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)


SAMPLES_LOOKED_AT = 2
"""Of formats with a file a sample."""


def peek(
    path: str,
    sheet: pd.DataFrame,
    *,
    format: str,
    layer: str | None,
    tx2gene: str | None,
    orientation: str = "genes_by_samples",
    counts_are: str = "auto",
    strandedness: str = "auto",
    worksheet: str | None = None,
) -> Peek:
    """Look at the beginning of counts in any format.

    Raises
    ------
    InputError
        For what is wrong so far.
    """
    place = Path(path)
    found = recognise(place, sheet) if format == "auto" else format
    require_place(place, found)
    if found in quant.ENDINGS or found == "star":
        return _by_sample(place, sheet, found, tx2gene, strandedness)
    if found in ("featurecounts", "htseq"):
        return _of_genes(place, sheet, found, counts_are)
    if found == "10x":
        # As many columns as samples: the whole is soon read.
        counts = read_tenx(place)
        return _of(found, with_samples_of(sheet, counts, str(place)), len(counts.gene))
    if found == "h5ad":
        return _h5ad(place, sheet, layer, counts_are)
    reading = read_wide(
        place, sheet, format=found, orientation=orientation, counts_are=counts_are, most=BEGINNING, worksheet=worksheet
    )
    size = place.stat().st_size
    # As counts are packed, roughly.
    size *= 1 if found == "parquet" or orientation != "genes_by_samples" else _packing(place)
    share = 1 if found == "parquet" or orientation != "genes_by_samples" else max(size / BEGINNING, 1)
    return _of(found, reading, round(len(reading.counts.gene) * share))


PACKED = 4
"""How many times smaller counts are packed, roughly."""


def _packing(place: Path) -> int:
    with place.open("rb") as file:
        return PACKED if file.read(2) in (b"\x1f\x8b", b"BZ", b"\xfd7", b"\x28\xb5", b"PK") else 1


def _of(format: str, reading: Reading, n_genes: int) -> Peek:
    counts, notes = without_totals(reading.counts) if len(reading.counts.gene) else (reading.counts, [])
    return Peek(format=format, counts=counts, n_genes=n_genes, notes=(*reading.notes, *notes), names=reading.names)


def _no_genes(samples: list[str]) -> Counts:
    return Counts(gene=text_array([]), sample=text_array(samples), count=np.zeros((0, len(samples)), dtype=np.int64))


def _of_genes(place: Path, sheet: pd.DataFrame, format: str, counts_are: str) -> Peek:
    """A table of all samples; or of a folder's files all are found, and the first read."""
    some = sheet
    if place.is_dir():
        files = htseq_files(place, sheet) if format == "htseq" else feature_counts.feature_count_files(place, sheet)
        require_files(files, place, "file of two columns, gene and count" if format == "htseq" else f"{format} output")
        some = sheet.iloc[:SAMPLES_LOOKED_AT]
    told = read_htseq(place, some) if format == "htseq" else feature_counts.read_feature_counts(place, some)
    counts, notes = estimated_counts(told.frame, str(place), counts_are=counts_are, estimated=False)
    seen = _of(format, Reading(counts=counts, notes=(*told.notes, *notes), names=told.names), len(counts.gene))
    return seen if some is sheet else replace(seen, counts=_no_genes([str(name) for name in sheet.index]))


def _by_sample(place: Path, sheet: pd.DataFrame, format: str, tx2gene: str | None, strandedness: str) -> Peek:
    if format == "star":
        # Only all files tell whether their strands are clear.
        counts, told = star.read_star(place, sheet, strandedness)
        return Peek(format=format, counts=counts, n_genes=len(counts.gene), notes=tuple(told))
    ending = quant.chosen_ending(place, sheet, format, tx2gene)
    files = require_files(sample_files(place, sheet, (ending,)), place, f"{format} output")
    layout = "rsem isoforms" if ending == "isoforms.results" else format
    first = quant.read_transcripts(next(iter(files.values())), layout)
    notes: list[str] = []
    n_genes = len(first.name)
    if tx2gene is not None and ending not in quant.OF_GENES:
        pairs = read_tx2gene(tx2gene)
        n_genes, notes = len(set(pairs.values())), genes_of(first.name, pairs, tx2gene)[1]
    return Peek(format=format, counts=_no_genes(list(files)), n_genes=n_genes, notes=tuple(notes))


def _h5ad(place: Path, sheet: pd.DataFrame, layer: str | None, counts_are: str) -> Peek:
    with opened(place) as file:
        samples, genes = (element(file, group, file[group].attrs["_index"]) for group in ("obs", "var"))
        layers = [str(name) for name in file["layers"]] if "layers" in file else []
        if "raw" in file and "raw" not in layers:
            layers.append("raw")
        if layer is not None and layer not in layers:
            raise InputError(f"{place} has no layer {layer!r}. Its layers: {listing(layers) or 'none'}.")
        hint = layer_hint(file)
        matrix = _matrix(file, layer)
        if matrix is None:
            raise InputError(f"{place} has no X. Name the layer that holds raw counts.{hint}")
        value = first_values(matrix)
        if counts_are != "estimated" and not is_whole(value):
            bad = value[~((value >= 0) & (value == np.floor(value)))]
            raise InputError(
                f"{place}: counts must be whole numbers >= 0; {len(bad)} of the first {len(value)} values of "
                f"{'X' if layer is None else f'layer {layer}'} are not (first: {bad[0]:g}). Give raw counts, not TPM, "
                f"logs or other values.{hint}"
            )
    counts = _no_genes([str(name) for name in samples])
    columns = [str(name) for name in samples]
    require_upright(wanted_names(sheet, columns), columns, text_array(genes), str(place))
    return _of("h5ad", with_samples_of(sheet, counts, str(place)), len(genes))


def _matrix(file: h5py.File, layer: str | None) -> Any:
    if layer is None:
        return file.get("X")
    inside = f"layers/{layer}"
    return file[inside] if inside in file else file["raw/X"]
