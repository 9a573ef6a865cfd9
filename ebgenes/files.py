"""Files: written whole or not at all, text tables and JSON read with one message where they are not readable."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import tempfile
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ebgenes.errors import InputError
from ebgenes.limits import require_size, unpacked

LARGEST_COUNT = 2**53 - 1


NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


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
    except (ValueError, gzip.BadGzipFile, EOFError, zlib.error, csv.Error, pd.errors.ParserWarning) as error:
        raise InputError(
            f"{path} is not a readable table: {one_line(error)} Give tab- or comma-separated text, plain or .gz."
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {one_line(error)}") from None


def one_line(error: BaseException) -> str:
    """An error's words as one short sentence."""
    return (" ".join(str(error).split())[:200] or type(error).__name__).rstrip(".") + "."


def text_content(path: Path, most: int = -1) -> bytes:
    """The bytes of a text file, plain or .gz; at most so many."""
    packed = path.stat().st_size
    if path.suffix == ".gz":
        with gzip.open(path, "rb") as file:
            content = unpacked(file, path, packed, most)
    else:
        require_size(path, packed if most < 0 else most)
        with path.open("rb") as plain:
            content = plain.read(most)
    if b"\0" in content:
        # pandas would drop the rest of the cell.
        raise ValueError("it is not text")
    return content


def _header(path: Path, content: bytes) -> tuple[str, list[str], int]:
    """Separator, names of the columns, and the number of fields in the first row below them."""
    with io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="") as lines:
        first = lines.readline()
        if not first.strip():
            raise InputError(f"{path} is empty. Give a table with a header line and one row a gene or sample.")
        separator = "\t" if "\t" in first else ","
        second = next(csv.reader([lines.readline()], delimiter=separator), [])
    return separator, next(csv.reader([first.rstrip("\r\n")], delimiter=separator)), len(second)


def read_text_table(path: str | os.PathLike[str], *, numeric: bool, most: int = -1) -> pd.DataFrame:
    """A table indexed by its first column, as text; the rest as text, or as pandas guesses numbers.

    Of the file's first `most` bytes, the whole lines.
    """
    found = existing_file(path)
    with readable(found), warnings.catch_warnings():
        # Rows longer than the header would lose their ends.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        content = text_content(found, most)
        if most >= 0 and len(content) == most:
            content = content[: content.rfind(b"\n") + 1]
        separator, names, n_fields = _header(found, content)
        if n_fields == len(names) + 1:
            # R's write.table leaves out the header of the row names.
            names = ["", *names]
        if n_fields == 0:
            raise InputError(f"{found} has a header but no rows.")
        if len(names) < 2:
            raise InputError(f"{found} has one column only. Give tab- or comma-separated text with a header line.")
        plain = _all_whole(content, separator, len(names)) if numeric else None
        if plain is not None:
            frame = pd.DataFrame(plain[1], index=pd.Index(plain[0], dtype=object))
        else:
            frame = pd.read_csv(
                io.BytesIO(content),
                sep=separator,
                header=None,
                skiprows=1,
                names=list(range(len(names))),
                index_col=False,
                dtype={0: str} if numeric else str,
                na_filter=False,
                encoding="utf-8-sig",
                float_precision="round_trip",
                low_memory=False,
            ).set_index(0)
    frame.index.name = names[0]
    frame.columns = pd.Index(names[1:])
    require_unique(list(frame.index), "rows", found)
    require_unique(names[1:], "columns", found)
    return frame


def _all_whole(content: bytes, separator: str, n_fields: int) -> tuple[list[str], NDArray[np.int64]] | None:
    """Names and numbers of a table of whole numbers >= 0; None of any other, which pandas reads or complains of.

    Counts of hundreds of samples are read several times as fast as by pandas.
    """
    if b'"' in content:
        return None
    between = separator.encode()
    rows = [line.partition(between) for line in content.splitlines()[1:] if line]
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
    if number.size != len(rows) * (n_fields - 1) or number.size == 0 or number.max() > LARGEST_COUNT:
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


def numbers_or_missing(column: pd.Series, path: str | os.PathLike[str]) -> pd.Series:
    """Text as numbers; NaN where it says that there is none."""
    missing = column.str.strip().isin(["", "NA", "NaN", "nan"])
    text = column.mask(missing, "nan")
    bad = pd.to_numeric(text, errors="coerce").isna() & ~missing
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
