"""Bytes of text files as UTF-8, however they are packed and encoded, and how a table in them is laid out."""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import io
import lzma
import re
import zipfile
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ebgenes.errors import InputError, counted, either, listing
from ebgenes.limits import unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")

GZIP, BZIP2, XZ, ZSTD, ZIP = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"
OLD_EXCEL = b"\xd0\xcf\x11\xe0"
NO_TEXT = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1a"))
"""Bytes that no text has."""

SEPARATORS = ("\t", ";", ",", " ")
SEPARATOR_NAMES = {";": "semicolons", " ": "blanks", ",": "commas", "\t": "tabs"}
LOOK = 400_000
"""Bytes from which the layout of a table is told."""

ROWS_LOOKED_AT = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A file's text as UTF-8 without a mark of its order of bytes; what had to be done, a sentence each; whether more
    of it is in the file."""  # fmt: skip

    content: bytes
    notes: tuple[str, ...] = ()
    cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a table is laid out.

    Attributes
    ----------
    separator
        Of cells; a blank stands for any number of blanks.
    names
        Of the columns, the row names' first.
    start
        Where the rows begin, in bytes.
    notes
        What is out of the ordinary, a sentence each.
    """

    separator: str
    names: tuple[str, ...]
    start: int
    notes: tuple[str, ...] = ()


def is_excel(path: Path) -> bool:
    """Whether a file is a workbook of Excel, by its contents."""
    with path.open("rb") as file:
        if file.read(4) != ZIP:
            return False
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.startswith("xl/") for name in archive.namelist())
    except zipfile.BadZipFile:
        if path.suffix in (".xlsx", ".xlsm"):
            raise InputError(f"{path} is no readable workbook of Excel. Was it cut short? Save it as CSV.") from None
        raise


def read_text(path: Path, most: int = -1) -> Text:
    """The first `most` bytes of a text file (-1: all), unpacked by their first bytes and made UTF-8.

    Raises
    ------
    ValueError
        Where the file is not text.
    InputError
        Where it is packed in a way that cannot be read.
    """
    with _unpacked(path) as file:
        content = unpacked(file, path, path.stat().st_size, most)
    cut = most >= 0 and len(content) == most
    return replace(_as_utf8(content, cut=cut), cut=cut)


@contextmanager
def _unpacked(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as file:
        start = file.read(6)
    if start.startswith(OLD_EXCEL):
        raise InputError(f"{path} is a workbook of an old Excel. Save it as .xlsx, or as text (CSV).")
    openers: tuple[tuple[bytes, Any], ...] = ((GZIP, gzip.open), (BZIP2, bz2.open), (XZ, lzma.open), (b"", open))
    if start.startswith(ZSTD):
        with _zstd(path) as file:
            yield file
    elif start.startswith(ZIP):
        with zipfile.ZipFile(path) as archive:
            inside = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX")]
            if len(inside) != 1:
                raise InputError(f"{path} holds {len(inside)} files ({listing(inside, 4)}). Unpack it, and name one.")
            with archive.open(inside[0]) as file:
                yield file
    else:
        opener = next(opener for magic, opener in openers if start.startswith(magic))
        with opener(path, "rb") as file:
            yield file


def _zstd(path: Path) -> Any:
    try:
        import pyarrow
    except ImportError:
        raise InputError(f"{path} is packed with zstd, which needs pyarrow: pip install 'ebgenes[parquet]'.") from None
    return pyarrow.input_stream(str(path), compression="zstd")


def _as_utf8(content: bytes, *, cut: bool) -> Text:
    for mark, name in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if content.startswith(mark):
            return _recoded(content[2:], name, "UTF-16")
    if b"\0" in content:
        # Every other byte of plain letters in UTF-16 is 0.
        for first, name in ((1, "utf-16-le"), (0, "utf-16-be")):
            high = content[first:2000:2]
            if high and high.count(0) > 0.9 * len(high) and 0 not in content[1 - first : 2000 : 2]:
                return _recoded(content, name, "UTF-16")
        # pandas would drop the rest of the cell.
        raise ValueError("it is not text")
    content = content.removeprefix(codecs.BOM_UTF8)
    if not content.isascii():
        try:
            content.decode("utf-8")
        except UnicodeDecodeError as error:
            if cut and error.start >= len(content) - 4:
                content = content[: error.start]
            else:
                if content.translate(None, NO_TEXT) != content:
                    raise ValueError("it is not text") from None
                return _eight_bit(content)
    return Text(content=_with_line_ends(content))


def _recoded(content: bytes, encoding: str, called: str) -> Text:
    text = content[: len(content) // 2 * 2].decode(encoding, errors="ignore")
    if "\0" in text:
        raise ValueError("it is not text")
    return Text(content=_with_line_ends(text.encode()), notes=(f"read as {called}.",))


def _eight_bit(content: bytes) -> Text:
    """Text of an older Windows or Unix; bytes that the one leaves free are the other's."""
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    first = re.search(r"[^\s,;\t\"]*[^\x00-\x7f][^\s,;\t\"]*", text)
    shown = f" (first: {first[0][:40]!r})" if first else ""
    note = f"is not UTF-8 and was read as Windows-1252 (Latin-1){shown}; save it as UTF-8 if letters are wrong."
    return Text(content=_with_line_ends(text.encode()), notes=(note,))


def _with_line_ends(content: bytes) -> bytes:
    """Lines of old Macs end with a carriage return alone."""
    return content if b"\n" in content or b"\r" not in content else content.replace(b"\r", b"\n")


def cells_of(line: str, separator: str) -> list[str]:
    """The cells of one line."""
    if separator == " ":
        line = " ".join(line.split()) if '"' not in line else re.sub(r"\s+", " ", line.strip())
    return next(csv.reader([line], delimiter=separator), [])


def find_layout(content: bytes, path: Path) -> Layout:
    """How the table in a text is laid out.

    Lines that begin with # above the header, empty lines and Excel's ``sep=`` are passed over; the separator is the
    one that gives all rows the same number of cells.

    Raises
    ------
    InputError
        Where there is no header, no row or no second column.
    """
    lines, places, comments = _lines(content)
    if not lines:
        raise InputError(f"{path} is empty. Give a table with a header line and one row a gene or sample.")
    notes = []
    if above := _titles(lines):
        notes.append(title_words(above, lines[0]))
        lines, places, comments = lines[above:], places[above:], []
    separator = _separator(lines)
    header, rows = cells_of(lines[0], separator), [cells_of(line, separator) for line in lines[1:]]
    start = places[0][1]
    if comments and _is_header(cells_of(comments[-1], separator), header):
        rows = [header, *rows]
        header, start = cells_of(comments[-1].lstrip("#").lstrip(" "), separator), places[0][0]
        comments = comments[:-1]
    if not rows:
        raise InputError(f"{path} has a header but no rows.")
    names = _named(header, rows)
    if len(names) < 2:
        raise InputError(
            f"{path} has one column only. Give text with a header line, its cells separated by tabs, commas or "
            "semicolons."
        )
    if n := len(comments):
        notes.append(
            f"{either(n, '1 line that begins', f'{n} lines that begin')} with # {either(n, 'was', 'were')} passed over."
        )
    stripped = tuple(name.strip() for name in names)
    changed = [name for name, plain in zip(names, stripped, strict=True) if name != plain and plain]
    if changed:
        notes.append(f"blanks around {counted(len(changed), 'name')} of columns were left out (first: {changed[0]!r}).")
    return Layout(separator=separator, names=stripped, start=start, notes=tuple(notes))


def _lines(content: bytes) -> tuple[list[str], list[tuple[int, int]], list[str]]:
    """The first lines that hold something, where each begins and ends, and the lines of comments above them."""
    lines: list[str] = []
    places: list[tuple[int, int]] = []
    comments: list[str] = []
    place = 0
    while place < len(content) and len(lines) <= ROWS_LOOKED_AT and (place < LOOK or len(lines) < 2):
        end = content.find(b"\n", place)
        end = len(content) if end < 0 else end + 1
        line = content[place:end].decode("utf-8", "replace").rstrip("\r\n")
        begin, place = place, end
        if not line.strip(" \t,;\"'"):
            continue
        if not lines and line.startswith("#"):
            comments.append(line)
        elif lines or not re.fullmatch(r'"?sep=.?"?', line):
            lines.append(line)
            places.append((begin, end))
    if not lines and comments:
        # A header alone that begins with #.
        return [comments[-1].lstrip("#")], [(len(content), len(content))], comments[:-1]
    return lines, places, comments


MOST_TITLES = 20


def _titles(lines: Sequence[str]) -> int:
    """How many lines above the header are no part of the table: they have fewer cells, and the rest has one shape."""
    if _even_separator(lines):
        return 0
    for separator in SEPARATORS[:3]:
        cells = [cells_of(line, separator) for line in lines]
        if above := _titles_above(cells):
            return above
    return 0


def _titles_above(rows: Sequence[Sequence[str]]) -> int:
    """How many of the first rows have fewer cells than all that follow, of which the first has names and no numbers."""
    width = len(rows[-1])
    short = [len(row) < width - 1 for row in rows]
    above = short.index(False) if False in short else 0
    even = above and width > 2 and all(len(row) == width for row in rows[above:])
    if not even or above > min(MOST_TITLES, len(rows) - 2) or any(NUMBER.fullmatch(cell) for cell in rows[above][1:]):
        return 0
    return above


def title_words(above: int, first: str) -> str:
    """What is said of lines above the header."""
    words = f"{counted(above, 'line')} above the header {either(above, 'was', 'were')} passed over"
    return f"{words} (first: {first.strip()[:40]!r})."


def _separator(lines: Sequence[str]) -> str:
    """The one of `SEPARATORS` that gives all lines the same number of cells, and the most of them."""
    even = _even_separator(lines)
    return even or next((separator for separator in SEPARATORS[:3] if separator in lines[0]), "\t")


def _even_separator(lines: Sequence[str]) -> str:
    """As `_separator`; nothing where none does."""
    best, most = "", 1
    for separator in SEPARATORS:
        if separator == " " and best:
            break
        n_header = len(cells_of(lines[0], separator))
        counts = {len(cells_of(line, separator)) for line in lines[1:]}
        # A row may be without the last cells, or with empty ones.
        even = len(counts) <= 1 and n_header - max(counts, default=n_header) in (-1, 0, 1)
        if even and n_header > most:
            best, most = separator, n_header
        if even and n_header == 1 and counts == {2} and not best:
            best, most = separator, 2
    return best


def _is_header(comment: Sequence[str], first: Sequence[str]) -> bool:
    """Whether the last line of comments is the header: as many cells as the first row, which alone has numbers."""

    def numbers(cells: Sequence[str]) -> bool:
        return any(NUMBER.fullmatch(cell.strip()) for cell in cells[1:])

    return len(first) > 1 and len(comment) in (len(first), len(first) - 1) and numbers(first) and not numbers(comment)


def _named(header: list[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Names of all columns: R's write.table leaves out that of the row names, and some programs end rows with a
    separator."""  # fmt: skip
    longer = max(len(row) for row in rows) - len(header)
    if longer == 1:
        trailing = all(len(row) == len(header) or not row[-1].strip() for row in rows)
        return [*header, ""] if trailing else ["", *header]
    return header


def rows_of(content: bytes, start: int) -> io.BytesIO:
    """A text's rows."""
    lines = io.BytesIO(content)
    lines.seek(start)
    return lines
