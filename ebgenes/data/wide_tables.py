"""Tables of all samples, and matrices with names, as counts of a sheet's samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ebgenes.arrays import TextArray, text_array
from ebgenes.data.annotation_columns import left_out_words, split_columns, turned, with_ids
from ebgenes.data.counts_format import Asked, Reading
from ebgenes.data.estimated import estimated_counts, looks_estimated, with_length_table
from ebgenes.data.matching import match_names
from ebgenes.data.sample_files import wanted_names
from ebgenes.data.tximport import is_tximport, parts_of
from ebgenes.errors import InputError
from ebgenes.files import TextTable, require_unique
from ebgenes.records.counts import Counts

ORIENTATIONS = ("genes_by_samples", "samples_by_genes")


def read_wide(table: TextTable, asked: Asked) -> Reading:
    """A table of all samples, or its beginning, of which the sheet's samples are taken."""
    place, sheet = asked.place, asked.sheet
    frame, notes, where = table.frame, list(table.notes), str(place)
    del table
    estimated = looks_estimated(place, [str(frame.index.name), *map(str, frame.columns)])
    frame, found = turned(frame) if asked.orientation == "samples_by_genes" else with_ids(frame, where)
    notes.extend(found)
    length = None
    if is_tximport([str(name) for name in frame.columns]):
        parts = parts_of(frame)
        frame, length, estimated = parts.counts, parts.length, True
        notes.extend(parts.notes)
    require_unique([str(name) for name in frame.columns], "columns", place)
    split = split_columns(frame, wanted_names(sheet, [str(name) for name in frame.columns]), where)
    require_unique([str(name) for name in frame.index], "rows", place)
    del frame
    counts, found = estimated_counts(split.frame, where, counts_are=asked.counts_are, estimated=estimated)
    if length is not None:
        of_samples = split_columns(length, wanted_names(sheet, [str(name) for name in length.columns]), where).frame
        counts = with_length_table(counts, of_samples, where)
    return Reading(counts=counts, notes=(*notes, *split.notes, *found), names=split.names)


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


def no_genes(samples: Sequence[str]) -> Counts:
    """Samples of which no gene was read."""
    return Counts(gene=text_array([]), sample=text_array(samples), count=np.zeros((0, len(samples)), dtype=np.int64))
