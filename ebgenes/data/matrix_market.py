"""Matrix Market files: the header looked over before the numbers are read, the numbers before they are used."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ebgenes.errors import InputError
from ebgenes.files import LARGEST_COUNT, readable

if TYPE_CHECKING:
    from scipy.sparse import csc_array

SHORTEST = 4
"""Bytes of an entry: two numbers of one digit, a blank and the line's end."""

PACKED = 60
"""Times that a packed file grows at most; real ones grow sixfold."""

MOST_COMMENTS = 1_000


def _opened(path: Path) -> Any:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def read_matrix_market(path: Path, expected: tuple[int, int], what: str) -> csc_array:
    """Whole numbers >= 0 of a sparse matrix.

    Parameters
    ----------
    path
        The file, plain or .gz.
    expected
        Its rows and columns, by the files beside it.
    what
        These files, for messages.

    Raises
    ------
    InputError
        For a header that is not that of counts, other sizes, more entries than the file can hold, entries that repeat,
        and values that are not whole numbers that can be counted.
    """
    from scipy.io import mmread
    from scipy.sparse import coo_array, csc_array

    with readable(path):
        try:
            with _opened(path) as file:
                _require_sound_header(file, path, expected, what)
            with _opened(path) as file:
                stored = coo_array(mmread(file))
        except (OverflowError, TypeError, MemoryError) as error:
            raise ValueError(f"{error}") from None
    bad = ~((stored.data >= 0) & (stored.data <= LARGEST_COUNT))
    if stored.data.dtype.kind == "f":
        bad |= stored.data != np.floor(stored.data)
    if bad.any():
        first = int(np.argmax(bad))
        raise InputError(
            f"{path}: counts must be whole numbers >= 0; {int(bad.sum())} of {len(bad)} are not (first: row "
            f"{int(stored.row[first]) + 1}, column {int(stored.col[first]) + 1}: {stored.data[first]}). "
            "Give the raw matrix."
        )
    place = np.sort(stored.row.astype(np.int64) * expected[1] + stored.col)
    twice = int((place[1:] == place[:-1]).sum())
    if twice:
        row, column = divmod(int(place[:-1][place[1:] == place[:-1]][0]), expected[1])
        raise InputError(
            f"{path}: {twice} of {len(place)} entries stand twice (first: row {row + 1}, column {column + 1}). "
            "Was the file put together by hand? Write it anew."
        )
    return csc_array(stored)


def _require_sound_header(file: Any, path: Path, expected: tuple[int, int], what: str) -> None:
    kind = file.readline(1_000).decode("latin-1").lower().split()
    if kind[:1] != ["%%matrixmarket"] or kind[1:3] != ["matrix", "coordinate"] or len(kind) != 5:
        raise InputError(f"{path} is not a sparse Matrix Market file. Give the raw matrix.mtx.")
    if kind[3] not in ("integer", "real") or kind[4] != "general":
        raise InputError(
            f"{path} holds {kind[4]} {kind[3]} numbers; counts are 'integer general'. Give the raw matrix."
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
