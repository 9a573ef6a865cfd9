"""Matrix Market files: the header looked over before the numbers are read, the numbers before they are used."""

from __future__ import annotations

import gzip
import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ebgenes.arrays import IntArray
from ebgenes.errors import InputError
from ebgenes.files import LARGEST_COUNT, readable
from ebgenes.limits import UNSUSPECTED

if TYPE_CHECKING:
    from scipy.sparse import csc_array

SHORTEST = 4
"""Bytes of an entry: two numbers of one digit, a blank and the line's end."""

PACKED = 60
"""Times that a packed file grows at most; real ones grow sixfold."""

MOST_COMMENTS = 1_000

LINES = 4_000_000
"""Entries that are read at a time."""


def _opened(path: Path) -> Any:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def read_matrix_market(path: Path, expected: tuple[int, int], what: str, *, estimated: bool = False) -> csc_array:
    """Whole numbers >= 0 of a sparse matrix, or estimates of them.

    Parameters
    ----------
    path
        The file, plain or .gz.
    expected
        Its rows and columns, by the files beside it.
    what
        These files, for messages.
    estimated
        Whether values may have decimals.

    Raises
    ------
    InputError
        For a header that is not that of counts, other sizes, more entries than the file can hold, entries that repeat,
        and values that are not whole numbers that can be counted.
    """
    with readable(path), warnings.catch_warnings(), _opened(path) as file:
        # Lines with a fourth number would lose it.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        entries, kind = _require_sound_header(file, path, expected, what)
        try:
            row, column, count = _body(file, path, entries, kind)
        except OverflowError:
            raise InputError(
                f"{path} has a number of more than 18 digits, which no count, row or column has. It is damaged; make "
                "it anew."
            ) from None
        except (TypeError, MemoryError) as error:
            raise ValueError(f"{error}") from None
    for place, n_places, name in ((row, expected[0], "row"), (column, expected[1], "column")):
        outside = (place < 0) | (place >= n_places)
        if outside.any():
            raise InputError(
                f"{path}: {int(outside.sum())} of {entries} entries have a {name} outside 1 to {n_places} (first: "
                f"{int(place[int(np.argmax(outside))]) + 1}). It is damaged; make it anew."
            )
    bad = ~((count >= 0) & (count <= LARGEST_COUNT))
    if count.dtype.kind == "f" and not estimated:
        bad |= count != np.floor(count)
    if bad.any():
        first = int(np.argmax(bad))
        raise InputError(
            f"{path}: counts must be whole numbers >= 0; {int(bad.sum())} of {len(bad)} are not (first: row "
            f"{int(row[first]) + 1}, column {int(column[first]) + 1}: {count[first]}). Give the raw matrix."
        )
    entry = np.sort(row * expected[1] + column)
    twice = int((entry[1:] == entry[:-1]).sum())
    if twice:
        first_row, first_column = divmod(int(entry[:-1][entry[1:] == entry[:-1]][0]), expected[1])
        raise InputError(
            f"{path}: {twice} of {len(entry)} entries stand twice (first: row {first_row + 1}, column "
            f"{first_column + 1}). Was the file put together by hand? Write it anew."
        )
    return by_columns(row, column, count, expected)


def by_columns(row: IntArray, column: IntArray, count: Any, shape: tuple[int, int]) -> csc_array:
    """A sparse matrix of entries, (E,) each, no two at one place."""
    from scipy.sparse import coo_array, csc_array

    return csc_array(coo_array((count, (row, column)), shape=shape))


class _Bounded(io.RawIOBase):
    """A packed file that stops where no matrix goes on."""

    def __init__(self, file: Any, path: Path) -> None:
        self._file, self._path, self._size, self._packed = file, path, 0, path.stat().st_size

    def readable(self) -> bool:
        return True

    def readinto(self, place: Any) -> int:
        piece = self._file.read(len(place))
        place[: len(piece)] = piece
        self._size += len(piece)
        if self._size > max(UNSUSPECTED, PACKED * self._packed):
            raise InputError(
                f"{self._path} has {self._packed:,} bytes and unpacks to more than {self._size:,}, which no matrix of "
                "counts does. Was it made to fill the memory?"
            )
        return len(piece)


def _body(file: Any, path: Path, entries: int, kind: Any) -> tuple[IntArray, IntArray, Any]:
    """Rows and columns, from 0, and values of all entries, (E,) each; scipy's own reader crashes on damaged ones."""
    parts = pd.read_csv(
        io.BufferedReader(_Bounded(file, path)), sep=r"\s+", header=None, names=["row", "column", "count"],
        index_col=False, dtype={"row": np.int64, "column": np.int64, "count": kind}, comment="%", na_filter=False,
        float_precision="round_trip", chunksize=LINES, quoting=3, encoding="latin-1",
    )  # fmt: skip
    found, seen = [], 0
    for part in parts:
        seen += len(part)
        if seen > entries:
            break
        found.append(part)
    if seen != entries:
        more = f"{seen:,}" if seen < entries else f"more than {entries:,}"
        raise InputError(f"{path} declares {entries:,} entries and has {more}. Was it cut short?")
    if not found:
        none = np.zeros(0, dtype=np.int64)
        return none, none, none
    whole = pd.concat(found)
    return whole["row"].to_numpy() - 1, whole["column"].to_numpy() - 1, whole["count"].to_numpy()


def _require_sound_header(file: Any, path: Path, expected: tuple[int, int], what: str) -> tuple[int, Any]:
    words = file.readline(1_000).decode("latin-1").lower().split()
    if words[:1] != ["%%matrixmarket"] or words[1:3] != ["matrix", "coordinate"] or len(words) != 5:
        raise InputError(f"{path} is not a sparse Matrix Market file. Give the raw matrix.mtx.")
    if words[3] not in ("integer", "real") or words[4] != "general":
        raise InputError(
            f"{path} holds {words[4]} {words[3]} numbers; counts are 'integer general'. Give the raw matrix."
        )
    sizes: list[bytes] = []
    for _ in range(MOST_COMMENTS):
        line = file.readline(10_000)
        if not line.startswith(b"%") and line.strip():
            sizes = line.split()
            break
        if not line:
            break
    if len(sizes) != 3 or not all(each.isdigit() and len(each) < 19 for each in sizes):
        raise InputError(f"{path} does not tell its rows, columns and entries. Was it cut short?")
    rows, columns, entries = (int(each) for each in sizes)
    if (rows, columns) != expected:
        raise InputError(
            f"{path} has {rows} rows and {columns} columns, but there are {what}. Are the three files of one run?"
        )
    held = path.stat().st_size * (PACKED if path.suffix == ".gz" else 1) // SHORTEST
    if entries > min(held, rows * columns):
        raise InputError(
            f"{path} declares {entries:,} entries; it can hold {min(held, rows * columns):,}. Was it cut short?"
        )
    return entries, np.int64 if words[3] == "integer" else np.float64
