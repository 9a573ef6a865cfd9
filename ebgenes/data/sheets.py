"""Sample sheets, annotation of genes, and lists of control genes."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ebgenes.arrays import LARGEST, TextArray, text_array
from ebgenes.data.annotation_columns import name_column
from ebgenes.data.matching import known_names, occurs
from ebgenes.design.columns import MISSING
from ebgenes.errors import InputError, counted, either, listing
from ebgenes.files import (
    CODE,
    LARGEST_COUNT,
    THOUSANDS,
    as_numbers,
    existing_file,
    one_line,
    read_table,
    read_text_table,
    require_unique,
    text_content,
)
from ebgenes.text_files import NUMBER

COMMA = re.compile(r"[+-]?\d+,\d+")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Sheet:
    """A sample sheet indexed by sample, and what was done to read it, a sentence each."""

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()


def read_samples(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a sample sheet: one row a sample, names in the first column; columns of numbers become numeric.

    Codes such as ``007`` stay text, as does any column with a value that is not a number. ``NA``, ``N/A``, ``NaN``,
    ``NULL``, errors of spreadsheets and nothing are missing: NaN in columns of numbers, as written in those of text.
    Blanks around values are left out.
    """
    return read_sheet(path).frame


READS = re.compile(r"fastq(_?[12])?|fq_?[12]|read_?[12]|r[12]", re.IGNORECASE)
"""Columns of a sheet that goes into a pipeline: a row for each pair of files of reads."""


def read_sheet(path: str | os.PathLike[str], entries: Sequence[str] = (), worksheet: str | None = None) -> Sheet:
    """As `read_samples`, with what was done; names may stand in another column.

    Parameters
    ----------
    path
        Of the sheet.
    entries
        Names of the counts' columns or files, which tell the column with the samples' names where the first has none.
    worksheet
        Of a workbook, the sheet that is read; None: the first with a table.

    Raises
    ------
    InputError
        Where the sheet cannot be read, or names repeat.
    """
    table = read_table(path, numeric=False, worksheet=worksheet)
    found = existing_file(path)
    frame, notes = table.frame, list(table.notes)
    require_unique([str(name) for name in frame.columns], "columns", found)
    first = str(frame.index.name or "")
    _require_rows(frame, entries, found)
    chosen = _other_column(frame, entries)
    if chosen is not None:
        names = pd.Index(frame[chosen].str.strip(), name=chosen)
        rest = frame.drop(columns=[chosen])
        rest.insert(0, first or "row", frame.index)
        frame = rest.set_axis(names, axis=0)
        notes.append(f"the samples' names are in the column {chosen!r}, not in the first, {first!r}.")
    commented = frame.index.str.startswith("#") & ~frame.index.isin(list(entries))
    if commented.any():
        n = int(commented.sum())
        notes.append(
            f"{either(n, '1 row that begins', f'{n} rows that begin')} with # {either(n, 'was', 'were')} left out "
            f"({listing(frame.index[commented], 4)})."
        )
        frame = frame[~commented]
    if not frame.index.is_unique:
        frame, told = _pairs_of_reads(frame)
        notes.extend(told)
        _refuse_repeated(frame, found)
    require_unique(list(frame.index), "rows", found)
    frame, told = typed(frame)
    return Sheet(frame=frame, notes=(*(f"{path}: {note}" for note in notes), *(f"{path}: {note}" for note in told)))


def _other_column(frame: pd.DataFrame, entries: Sequence[str]) -> str | None:
    """The column with the samples' names, where it is not the first; None where the first will do or none does."""
    if not entries:
        return None
    known = known_names(entries)
    columns = {str(name): list(frame[name].str.strip()) for name in frame.columns if name != "path"}
    columns = {name: values for name, values in columns.items() if len(set(values)) == len(values)}
    # A name that is part of an entry's says less than one that is all of it: 1 is part of ctl_1.
    for is_name in (known.__contains__, lambda name: occurs(name, entries)):
        if frame.index.is_unique and any(is_name(name) for name in frame.index):
            return None
        shares = {name: sum(map(is_name, values)) / len(values) for name, values in columns.items()}
        best = max(shares, key=lambda name: shares[name], default=None)
        if best is not None and shares[best] >= 0.5:
            return best
    return None


def _pairs_of_reads(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """One row a sample of a pipeline's sheet (nf-core's), which has one for each pair of files of reads."""
    files = [column for column in frame.columns if READS.fullmatch(str(column))]
    by = frame.groupby(level=0, sort=False)
    if not files or any((by[column].nunique() < by.size()).any() for column in files[:1]):
        return frame, []
    same = by.nunique() == 1
    kept = [column for column in frame.columns if same[column].all()]
    gone = [str(column) for column in frame.columns if column not in kept]
    merged = frame.loc[~frame.index.duplicated(), kept]
    return merged, [
        f"{len(frame)} rows are of {counted(len(merged), 'sample')}, one for each pair of files of reads ({files[0]}); "
        f"columns that differ within a sample were left out ({listing(gone, 4)})."
    ]


def _require_rows(frame: pd.DataFrame, entries: Sequence[str], path: object) -> None:
    """Refuse a sheet whose samples are its columns."""
    head = [str(name) for name in frame.columns if str(name) in set(entries)]
    if len(head) > frame.shape[1] / 2 and not set(map(str, frame.index)) & set(entries):
        raise InputError(
            f"{path} is turned: {len(head)} of its columns are samples (first: {head[0]}). Write a row for each sample "
            "and a column for each thing that is known of them."
        )


def _refuse_repeated(frame: pd.DataFrame, path: object) -> None:
    """Say which column may hold the names, where those of the first repeat."""
    repeated = frame.index[frame.index.duplicated()].unique()
    unique = [str(column) for column in frame.columns if frame[column].is_unique and (frame[column] != "").all()]
    if not unique:
        return
    raise InputError(
        f"{path}: {len(repeated)} names of rows occur more than once (first: {repeated[0]!r}). The first column must "
        f"hold the samples' names, each once; here these columns have no value twice: {listing(unique, 4)}."
    )


def typed(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """A sheet of text with its columns of numbers as numbers, without blanks around values; what was done."""
    stripped = frame.apply(lambda column: column.str.strip()) if frame.shape[1] else frame
    notes = []
    changed = (stripped != frame).to_numpy()
    if changed.any():
        i, j = (int(place[0]) for place in changed.nonzero())
        notes.append(
            f"blanks around {counted(int(changed.sum()), 'value')} were left out (first: sample {frame.index[i]}, "
            f"{frame.columns[j]}: {frame.iloc[i, j]!r})."
        )
    commas = [str(column) for column in stripped.columns if _has_commas(stripped[column])]
    unclear = [column for column in commas if all(map(_may_part_thousands, stripped[column]))]
    commas = [column for column in commas if column not in unclear]
    if unclear:
        first = next(value for value in stripped[unclear[0]] if "," in value)
        notes.append(
            f"warning: the commas of {first!r} may part thousands or be decimal ones; the column stays text (columns: "
            f"{listing(unclear, 6)}). Write its numbers without commas."
        )
    if commas:
        notes.append(f"decimal commas were read as points (columns: {listing(commas, 6)}).")
        stripped[commas] = stripped[commas].apply(lambda column: column.str.replace(",", ".", regex=False))
    return stripped.apply(_numeric_if_all), notes


def _has_commas(column: pd.Series) -> bool:
    told = [value for value in column if value not in MISSING]
    if not any(COMMA.fullmatch(value) for value in told):
        return False
    return all(COMMA.fullmatch(value) or NUMBER.fullmatch(value) for value in told)


def _may_part_thousands(value: str) -> bool:
    return "," not in value or bool(THOUSANDS.fullmatch(value))


def _numeric_if_all(values: pd.Series) -> pd.Series:
    missing = values.isin(MISSING)
    told = values[~missing]
    if len(told) and all(NUMBER.fullmatch(value) and not CODE.match(value) for value in told):
        if not all(_exact(value) for value in told):
            # Barcodes, which no arithmetic is done with; a formula that does is refused.
            return values
        if missing.any():
            return values.mask(missing, "nan").astype(float)
        numbers = as_numbers(values)
        # Its floats may miss the last digit.
        return values.astype(float) if numbers.dtype.kind == "f" else numbers
    return values


def _exact(value: str) -> bool:
    """Whether a number, as text, is one that can be computed with: finite, and whole ones to the last digit."""
    number = float(value)
    whole = value.strip("+-").isdecimal()
    return abs(number) <= (LARGEST_COUNT if whole else LARGEST)


def read_annotation(path: str | os.PathLike[str]) -> pd.DataFrame:
    """A table about genes, as text, indexed by their ids in the first column."""
    return read_text_table(path, numeric=False)


def read_gene_names(path: str | os.PathLike[str]) -> dict[str, str]:
    """Gene names by id, from a table with a ``gene_name`` or ``symbol`` column (else its second column)."""
    frame = read_annotation(path)
    column = name_column([str(name) for name in frame.columns]) or frame.columns[0]
    return dict(zip(frame.index, frame[column], strict=True))


def read_controls(path: str | os.PathLike[str]) -> TextArray:
    """Ids of control genes: the first column of a text file, one gene a line, under ``gene_id`` or no heading.

    Raises
    ------
    InputError
        Where the file cannot be read or names no gene.
    """
    found = existing_file(path)
    try:
        lines = text_content(found).decode("utf-8-sig").splitlines()
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise InputError(f"cannot read {found}: {one_line(error)}") from None
    first = [re.split(r"[\t,]", line, maxsplit=1)[0].strip().strip('"') for line in lines]
    genes = [name for name in first if name]
    if genes and genes[0] == "gene_id":
        genes = genes[1:]
    if not genes:
        raise InputError(f"{found} names no control gene. Write one gene id a line.")
    return text_array(dict.fromkeys(genes))
