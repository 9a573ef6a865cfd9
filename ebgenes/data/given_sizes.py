"""Size factors that a user has: a column of the sheet, or a file with one value a sample."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ebgenes.arrays import FloatArray, TextArray, text_array
from ebgenes.data.count_tables import BEGINNING
from ebgenes.data.normalization import require_factors
from ebgenes.errors import InputError, listing, nearest
from ebgenes.files import COMMA, existing_file, readable, text_content
from ebgenes.text_files import NUMBER

if TYPE_CHECKING:
    import pandas as pd

TYPICAL = (0.5, 2.0)
"""Positive numbers whose mean lies between are size factors rather than their logarithms, whose mean is 0."""


def read_size_factors(path: str | os.PathLike[str], sample: TextArray) -> FloatArray:
    """Size factors, (S,), in the order of the samples; others that the file has are left out.

    Parameters
    ----------
    path
        TSV or CSV, plain or .gz: a row a sample with its name and its factor, or the samples' names over one row of
        factors; headings as in R's ``write.table``, or none.
    sample
        Names, (S,).

    Raises
    ------
    InputError
        Where the file cannot be read, has other than one value a sample, lacks a sample, or a factor is not a finite
        number above 0.
    """
    told = _one_a_sample(_rows(path))
    if told is None:
        raise InputError(
            f"{path} must have one size factor a sample: two columns, sample and size factor, or the samples' names "
            "over one row. Natural-log offsets of genes by samples go under the key offsets."
        )
    _require_once([name for name, _ in told], path)
    return _in_order(dict(told), sample, path)


def column_size_factors(sheet: pd.DataFrame, column: str) -> FloatArray:
    """The sheet's column of size factors, (S,).

    Raises
    ------
    InputError
        Where the sheet has no such column, or a factor is not a finite number above 0.
    """
    if column not in sheet.columns:
        known = [str(name) for name in sheet.columns]
        raise InputError(
            f"size_factors: the sample sheet has no column {column!r}; it has: {listing(known) or 'none'}."
            f"{nearest(column, known)}"
        )
    shown = [str(value) for value in sheet[column]]
    return _factors(shown, text_array(sheet.index), f"column {column!r} of the sample sheet")


def offsets_as_size_factors(path: str | os.PathLike[str], sample: TextArray) -> FloatArray | None:
    """Size factors, (S,), of a file that was given as offsets and has one value a sample; None of any other file.

    Raises
    ------
    InputError
        Where its values may be logarithms, or it is a file of size factors with a mistake.
    """
    told = _one_a_sample(_rows(path, most=3))
    named = {name for name, _ in told or []}
    if told is None or not named & {str(name) for name in sample}:
        return None
    factor = read_size_factors(path, sample)
    if not look_like_factors(factor):
        raise InputError(
            f"{path} has one value a sample, and offsets are natural logs of genes by samples. Give size factors "
            "under the key size_factors, not as logarithms."
        )
    return factor


def look_like_factors(value: FloatArray) -> bool:
    """Whether numbers are size factors by their looks: positive, around 1."""
    return bool(value.size and (value > 0).all() and TYPICAL[0] < value.mean() < TYPICAL[1])


def _rows(path: str | os.PathLike[str], most: int | None = None) -> list[list[str]]:
    """Cells of a table's first rows, or of all, with or without a heading."""
    found = existing_file(path)
    with readable(found):
        content = text_content(found) if most is None else text_content(found, BEGINNING)
        # What is looked at alone may end within a letter.
        text = content.decode("utf-8-sig", errors="strict" if most is None else "replace")
        lines = [line for line in text.splitlines() if line.strip()]
        separator = next((each for each in "\t;" if any(each in line for line in lines[:2])), ",")
        if lines and separator not in "".join(lines[:2]) and len(lines[-1].split()) == 2:
            # As R's write.table parts cells.
            lines, separator = [" ".join(line.split()) for line in lines], " "
        cells = [[cell.strip() for cell in row] for row in csv.reader(lines[:most], delimiter=separator)]
        if separator == ";":
            # Spreadsheets that part cells by semicolons write decimal commas.
            cells = [[cell.replace(",", ".") if COMMA.fullmatch(cell) else cell for cell in row] for row in cells]
    if not cells:
        raise InputError(f"{found} is empty. Give each sample's size factor.")
    return cells


def _one_a_sample(rows: Sequence[Sequence[str]]) -> list[tuple[str, str]] | None:
    """Names with their values where a table has one value each, beside or below the name; else None."""
    if len(rows) == 2:
        names, values = rows
        # The row may have a name, and that name a heading.
        names = names[1:] if len(names) == len(values) and not NUMBER.fullmatch(values[0]) else names
        values = values[len(values) - len(names) :] if len(values) - len(names) in (0, 1) else []
        return list(zip(names, values, strict=True)) if values else None
    if any(len(row) != 2 for row in rows[1:]) or len(rows[0]) not in (1, 2):
        return None
    headed = not NUMBER.fullmatch(rows[0][-1])
    return [(name, value) for name, value in rows[1 if headed else 0 :]]


def _require_once(names: Sequence[str], path: str | os.PathLike[str]) -> None:
    repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if repeated:
        raise InputError(
            f"{path}: {len(repeated)} samples have more than one size factor (first: {repeated[0]!r}). Leave one each."
        )


def _in_order(factor: Mapping[str, str], sample: TextArray, path: str | os.PathLike[str]) -> FloatArray:
    missing = [str(name) for name in sample if str(name) not in factor]
    if missing:
        others = [name for name in factor if name not in set(sample)]
        strange = f"; names that are no samples: {listing(others, 4)}" if others else ""
        raise InputError(
            f"{path}: {len(missing)} of {len(sample)} samples have no size factor (first: {missing[0]}{strange}). "
            f"Name them as the sample sheet does.{nearest(missing[0], others)}"
        )
    return _factors([factor[str(name)] for name in sample], sample, str(path))


def _factors(shown: Sequence[str], sample: TextArray, where: str) -> FloatArray:
    value = np.array([float(each) if NUMBER.fullmatch(each) else np.nan for each in shown])
    try:
        require_factors(value, shown, sample)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return value
