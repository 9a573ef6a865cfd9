"""Files: written whole or not at all, text tables and JSON read with one message where they are not readable."""

from __future__ import annotations

import csv
import gzip
import io
import json
import lzma
import os
import re
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ebgenes.errors import InputError, counted, either, listing, nearest
from ebgenes.limits import require_size, require_unpackable
from ebgenes.text_files import NUMBER, find_layout, is_excel, read_text, title_words

LARGEST_COUNT = 2**53 - 1


CODE = re.compile(r"[+-]?0\d")


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary name in the folder of `path` that takes its place when the block ends well."""
    final = Path(path)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{final.name[:80]}.", suffix=final.suffix, dir=final.parent)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot write {final}: {reason}. Choose another outdir.") from None
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files private; results are for whoever may read the folder.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(final)
    except OSError as error:
        raise InputError(f"cannot write {final}: {_reason(error)}.") from None
    finally:
        temporary.unlink(missing_ok=True)


def _reason(error: OSError) -> str:
    """The system's words; HDF5 has them somewhere in lines of its own."""
    inside = re.search(r"errno = (\d+)", str(error))
    return os.strerror(int(inside[1])) if inside else error.strerror or one_line(error).rstrip(".")


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file whole."""
    with whole(path) as temporary:
        temporary.write_bytes(content)


def existing_file(path: str | os.PathLike[str]) -> Path:
    """The path, if there is a file.

    Raises
    ------
    InputError
        If there is none.
    """
    found = Path(path)
    if not found.is_file():
        what = "is a folder, not a file" if found.is_dir() else "does not exist"
        raise InputError(f"{found} {what}. Paths are relative to the folder the command runs in ({Path.cwd()}).")
    return found


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what parsers raise on garbage into one message."""
    try:
        yield
    except InputError:
        raise
    except (
        ValueError,
        gzip.BadGzipFile,
        EOFError,
        zlib.error,
        lzma.LZMAError,
        zipfile.BadZipFile,
        NotImplementedError,
        csv.Error,
        pd.errors.ParserWarning,
    ) as error:
        raise InputError(
            f"{path} is not a readable table: {one_line(error)} Give tab- or comma-separated text, plain or .gz."
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {one_line(error)}") from None


def one_line(error: BaseException) -> str:
    """An error's words as one short sentence."""
    return (" ".join(str(error).split())[:200] or type(error).__name__).rstrip(".") + "."


def text_content(path: Path, most: int = -1) -> bytes:
    """The text of a file as UTF-8, unpacked by its first bytes; at most so many bytes."""
    return read_text(path, most).content


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TextTable:
    """A table indexed by its first column, and what was done to read it, a sentence each."""

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()


def read_text_table(path: str | os.PathLike[str], *, numeric: bool, most: int = -1) -> pd.DataFrame:
    """A table indexed by its first column, as text; the rest as text, or as pandas guesses numbers.

    Of the file's first `most` bytes, the whole lines. Names of rows and columns are there once.
    """
    frame = read_table(path, numeric=numeric, most=most).frame
    require_unique(list(frame.index), "rows", Path(path))
    require_unique(list(frame.columns), "columns", Path(path))
    return frame


def read_table(
    path: str | os.PathLike[str], *, numeric: bool, most: int = -1, worksheet: str | None = None
) -> TextTable:
    """As `read_text_table`, with what was done; names may repeat. Of a workbook the sheet of this name, or the first
    that holds a table."""  # fmt: skip
    found = existing_file(path)
    with readable(found), warnings.catch_warnings():
        # Rows longer than the header would lose their ends.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        if is_excel(found):
            return _from_excel(found, worksheet, numeric=numeric)
        if worksheet is not None:
            raise InputError(f"{found} is no workbook of Excel; leave out that its sheet {worksheet!r} is to be read.")
        text = read_text(found, most)
        content = text.content
        if text.cut:
            content = content[: content.rfind(b"\n") + 1] or content
        layout = find_layout(content, found)
        names, separator = list(layout.names), layout.separator
        plain = _all_whole(content, separator, len(names), layout.start) if numeric else None
        if plain is not None and all(names[1:]):
            frame = pd.DataFrame(plain[1], index=pd.Index(plain[0], dtype=object))
        else:
            frame = pd.read_csv(
                io.BytesIO(content),
                sep=r"\s+" if separator == " " else separator,
                header=None,
                # Messages of pandas count lines from the first.
                skiprows=content.count(b"\n", 0, layout.start),
                names=list(range(len(names))),
                index_col=False,
                dtype={0: str} if numeric else str,
                na_filter=False,
                encoding="utf-8",
                float_precision="round_trip",
                low_memory=False,
            ).set_index(0)
    notes = [*text.notes, *layout.notes]
    if numeric and plain is None and separator != ",":
        frame, told = _with_points(frame, found)
        notes.extend(told)
    return _trimmed(frame, names, notes, numeric=numeric)


COMMA = re.compile(r"[+-]?\d+,\d+")
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")


def _with_points(frame: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Numbers with decimal commas as numbers.

    Raises
    ------
    InputError
        Where the commas may part thousands as well.
    """
    columns = []
    certain, first, n_commas = False, "", 0
    for column in frame.select_dtypes(object).columns:
        values = frame[column].str.strip()
        commas = [value for value in values if COMMA.fullmatch(value)]
        if commas and all(COMMA.fullmatch(value) or NUMBER.fullmatch(value) or not value for value in values):
            columns.append(column)
            n_commas = max(n_commas, len(commas))
            certain |= any(not THOUSANDS.fullmatch(value) for value in commas)
            first = first or commas[0]
    if not columns:
        return frame, []
    if not certain and n_commas < len(frame) / 2:
        # A slip, which will be told with its row.
        return frame, []
    if not certain:
        raise InputError(
            f"{path}: the commas in its numbers may part thousands or be decimal ones (first: {first!r}). Write the "
            "numbers without commas."
        )
    points = frame[columns].apply(lambda column: as_numbers(column.str.replace(",", ".", regex=False)))
    return _replaced(frame, points), ["decimal commas were read as points."]


def _replaced(frame: pd.DataFrame, columns: pd.DataFrame) -> pd.DataFrame:
    kept = {column: columns[column] if column in columns else frame[column] for column in frame.columns}
    return pd.DataFrame(kept, index=frame.index)


END_OF_GEO = "!series_matrix_table_end"
"""The last line of a series matrix of GEO."""


def _trimmed(frame: pd.DataFrame, names: list[str], notes: list[str], *, numeric: bool) -> TextTable:
    """A table without its empty rows and columns, its names without the blanks around them."""
    index = frame.index.astype(str)
    stripped = index.str.strip()
    n_changed = int((index != stripped).sum())
    text = [column for column in frame.columns if frame[column].dtype == object]
    blank_columns = [
        column
        for column, name in zip(frame.columns, names[1:], strict=True)
        if not name and column in text and not frame[column].astype(str).str.strip().any()
    ]
    if blank_columns:
        kept = [column not in blank_columns for column in frame.columns]
        frame, names = frame.loc[:, kept], [names[0], *np.array(names[1:], dtype=object)[kept]]
        n = len(blank_columns)
        notes.append(f"{counted(n, 'empty column')} {either(n, 'was', 'were')} left out.")
    # A column of words needs no heading to be told from counts.
    kinds = zip(frame.columns, names[1:], strict=True)
    heads = [f"Unnamed: {i}" if not name and i in text and numeric else name for i, name in kinds]
    names = [names[0], *heads]
    ends = np.asarray((stripped == "") | stripped.str.startswith(END_OF_GEO))
    if ends.any():
        nothing = (frame.astype(str).apply(lambda column: column.str.strip()) == "").all(axis=1).to_numpy()
        blank = ends & nothing
        if blank.any():
            frame, stripped = frame[~blank], stripped[~blank]
            n = int(blank.sum())
            notes.append(f"{counted(n, 'empty row')} {either(n, 'was', 'were')} left out.")
            if numeric:
                frame = frame.apply(_numbers_again)
    elif n_changed:
        first = index[index != stripped][0]
        notes.append(f"blanks around {counted(n_changed, 'name')} of rows were left out (first: {first!r}).")
    frame.index = pd.Index(stripped, name=names[0])
    frame.columns = pd.Index(names[1:])
    return TextTable(frame=frame, notes=tuple(notes))


def _numbers_again(column: pd.Series) -> pd.Series:
    """Numbers that were text for an empty row's sake."""
    numbers = as_numbers(column)
    return column if numbers.isna().any() else numbers


OF_WORKBOOKS = (
    ArithmeticError, AssertionError, AttributeError, LookupError, OSError, RuntimeError, SyntaxError, TypeError,
    ValueError, EOFError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What openpyxl raises on damaged workbooks."""


def _from_excel(path: Path, worksheet: str | None, *, numeric: bool) -> TextTable:
    """The sheet of a workbook that is named, or the first that holds a table."""
    try:
        import openpyxl
    except ImportError:
        raise InputError(
            f"{path} is a workbook of Excel, which needs openpyxl: pip install 'ebgenes[xlsx]'. Or save it as CSV."
        ) from None
    with zipfile.ZipFile(path) as archive:
        # An archive's reader stops at the sizes that it declares.
        require_unpackable(path, path.stat().st_size, sum(each.file_size for each in archive.infolist()))
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        titles = [sheet.title for sheet in book.worksheets]
        asked = titles if worksheet is None else [worksheet]
        filled = [(sheet.title, rows) for sheet in book.worksheets if sheet.title in asked and (rows := _cells(sheet))]
        book.close()
    except OF_WORKBOOKS as error:
        raise InputError(f"{path} is no readable workbook of Excel: {one_line(error)} Save it as CSV.") from None
    if worksheet is not None and worksheet not in titles:
        raise InputError(
            f"{path} has no sheet {worksheet!r}. Its sheets: {listing(titles)}.{nearest(worksheet, titles)}"
        )
    if not filled:
        raise InputError(f"{path} is empty. Give a table with a header line and one row a gene or sample.")
    tables = [each for each in filled if len(each[1]) > 1 and max(map(len, each[1])) > 1]
    title, rows = (tables or filled)[0]
    notes = [f"the sheet {title!r} of the workbook was read."]
    if len(filled) > 1:
        others = [each for each, _ in filled if each != title]
        notes = [
            f"of {len(filled)} sheets in the workbook the first with a table, {title!r}, was read (others: "
            f"{listing(others, 4)}; worksheets: names another)."
        ]
    width = max(len(row) for row in rows)
    above = next((i for i, row in enumerate(rows) if len(row) > 1), 0)
    if above and width > 2:
        notes.append(title_words(above, rows[0][0]))
        rows = rows[above:]
    header, *body = [[*row, *[""] * (width - len(row))] for row in rows]
    if not body or width < 2:
        raise InputError(f"{path} has {'one column only' if body else 'a header but no rows'}. Is it the right sheet?")
    frame = pd.DataFrame(body, dtype=object).set_index(0)
    if numeric:
        frame = frame.apply(_numbers_again)
    return _trimmed(frame, [name.strip() for name in header], notes, numeric=numeric)


def _cells(sheet: Any) -> list[list[str]]:
    """A sheet's rows as text, from the first that holds something, without the empty cells at their ends."""
    rows: list[list[str]] = []
    # The size that a sheet says it has may be anything; its cells are what there is.
    sheet.reset_dimensions()
    for row in sheet.iter_rows(values_only=True):
        cells = ["" if cell is None else _cell(cell) for cell in row]
        while cells and not cells[-1].strip():
            cells.pop()
        if cells and not (not rows and cells[0].startswith("#")):
            rows.append(cells)
    return rows


def _cell(value: Any) -> str:
    """A cell as a spreadsheet shows it."""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ")
    return str(value)


BLOCK = 4_000_000
"""Bytes of a table that are turned into numbers at a time."""


def _all_whole(
    content: bytes, separator: str, n_fields: int, start: int = 0
) -> tuple[list[str], NDArray[np.int64]] | None:
    """Names and numbers of a table of whole numbers >= 0; None of any other, which pandas reads or complains of.

    Counts of hundreds of samples are read faster than by pandas, and a block at a time in less memory.
    """
    if separator == " " or content.find(b'"', start) >= 0:
        return None
    names: list[str] = []
    numbers = np.empty((content.count(b"\n", start) + 1, n_fields - 1), dtype=np.int64)
    while start < len(content):
        end = content.find(b"\n", start + BLOCK) + 1 or len(content)
        found = _whole_block(content[start:end], separator, n_fields)
        if found is None:
            return None
        numbers[len(names) : len(names) + len(found[0])] = found[1]
        names.extend(found[0])
        start = end
    return (names, numbers[: len(names)]) if names else None


def _whole_block(block: bytes, separator: str, n_fields: int) -> tuple[list[str], NDArray[np.int64]] | None:
    between = separator.encode()
    rows = [line.partition(between) for line in block.splitlines() if line]
    if any(rest.count(between) != n_fields - 2 for *_, rest in rows):
        return None
    text = between.join(rest for *_, rest in rows)
    # Digits alone: no sign, point, exponent or space, which spell other numbers or none.
    if text.translate(None, b"0123456789" + between):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            number = np.fromstring(text, dtype=np.int64, sep=separator)
        except (ValueError, DeprecationWarning):
            return None
    if number.size != len(rows) * (n_fields - 1) or (number.size and number.max() > LARGEST_COUNT):
        return None
    return [name.decode("utf-8") for name, *_ in rows], number.reshape(len(rows), -1)


def require_unique(names: Sequence[str], what: str, path: Path) -> None:
    """Refuse names that repeat or are empty."""
    index = pd.Index(names)
    repeated = index[index.duplicated()].unique()
    if len(repeated):
        raise InputError(
            f"{path}: {len(repeated)} names of {what} occur more than once (first: {repeated[0]!r}). "
            "Names must be unique; merge or rename them."
        )
    empty = [name for name in names if not str(name).strip()]
    if empty:
        raise InputError(f"{path}: {len(empty)} of {len(names)} {what} have no name. Name them.")


LONG_EXPONENT = re.compile(r"[eE][+-]?\d{6}")


def as_numbers(column: pd.Series) -> pd.Series:
    """Text as numbers, NaN where it is none; pandas alone crashes on exponents of some twenty digits."""
    if column.dtype.kind == "O":
        column = column.astype(object)
        beyond = np.array([isinstance(value, str) and LONG_EXPONENT.search(value) is not None for value in column])
        column = column.mask(beyond, "beyond") if beyond.any() else column
    return pd.to_numeric(column, errors="coerce")


def numbers_or_missing(column: pd.Series, path: str | os.PathLike[str]) -> pd.Series:
    """Text as numbers; NaN where it says that there is none."""
    missing = column.str.strip().isin(["", "NA", "NaN", "nan"])
    text = column.mask(missing, "nan")
    bad = as_numbers(text).isna() & ~missing
    if bad.any():
        raise InputError(
            f"{path}: column {column.name!r} must hold numbers; {int(bad.sum())} of {len(bad)} values are not "
            f"(first: {column.index[bad][0]}: {column[bad].iloc[0][:40]!r}). Write NA where there is none."
        )
    return text.astype(float)


def write_json(path: str | os.PathLike[str], content: Mapping[str, Any]) -> None:
    """Write plain values as JSON; floats read back exactly, infinite ones as the text "Infinity"."""
    content = _without_infinities(content)
    write_bytes(path, (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what `write_json` wrote."""
    found = existing_file(path)
    require_size(found, 20 * found.stat().st_size)
    try:
        content: Any = json.loads(found.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{found} is not a readable .json file: {one_line(error)}") from None
    if not isinstance(content, dict):
        raise InputError(f"{found} holds no names and values, as .json files of ebgenes do. Make it anew.")
    return content


def _without_infinities(value: Any) -> Any:
    """JSON has no infinite numbers: they become the words that Python, Java and R read as numbers."""
    if isinstance(value, Mapping):
        return {key: _without_infinities(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_infinities(item) for item in value]
    return json.dumps(value) if isinstance(value, float) and not np.isfinite(value) else value
