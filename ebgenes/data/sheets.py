"""Sample sheets, annotation of genes, and lists of control genes."""

from __future__ import annotations

import os
import re
import zlib

import pandas as pd

from ebgenes.arrays import LARGEST, TextArray, text_array
from ebgenes.errors import InputError
from ebgenes.files import CODE, LARGEST_COUNT, NUMBER, existing_file, one_line, read_text_table, text_content


def read_samples(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a sample sheet: one row a sample, names in the first column; columns of numbers become numeric.

    Codes such as ``007`` stay text, as does any column with a value that is not a number.
    """
    frame = read_text_table(path, numeric=False)
    return frame.apply(_numeric_if_all)


def _numeric_if_all(column: pd.Series) -> pd.Series:
    values = column.str.strip()
    if all(NUMBER.fullmatch(value) and not CODE.match(value) for value in values):
        if not all(_exact(value) for value in values):
            # Barcodes, which no arithmetic is done with; a formula that does is refused.
            return column
        numbers = pd.to_numeric(values)
        # Its floats may miss the last digit.
        return values.astype(float) if numbers.dtype.kind == "f" else numbers
    return column


def _exact(value: str) -> bool:
    """Whether a number, as text, is one that can be computed with: finite, and whole ones to the last digit."""
    number = float(value)
    whole = value.strip("+-").isdecimal()
    return abs(number) <= (LARGEST_COUNT if whole else LARGEST)


def read_annotation(path: str | os.PathLike[str]) -> pd.DataFrame:
    """A table about genes, as text, indexed by their ids in the first column."""
    return read_text_table(path, numeric=False)


def read_gene_names(path: str | os.PathLike[str]) -> dict[str, str]:
    """Gene names by id, from a table with a ``gene_name`` column (else its second column)."""
    frame = read_annotation(path)
    column = "gene_name" if "gene_name" in frame.columns else frame.columns[0]
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
