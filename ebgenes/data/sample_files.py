"""Where each sample's file is, and text files read as columns."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from ebgenes.arrays import TextArray
from ebgenes.data.matching import Match, match_names, own_entry
from ebgenes.errors import InputError, listing
from ebgenes.files import readable, text_content

NO_COUNTS = (".summary", ".log", ".html", ".md", ".json", ".yaml", ".yml", ".pdf", ".png", ".bam", ".bai", ".md5")
"""Endings of files beside counts."""

LONE_RETURN = re.compile(rb"\r(?!\r*\n)(?!\r*$)")
"""A carriage return that ends no line."""

PATH_COLUMN = "path"
"""Column of the sample sheet that tells where a sample's file or folder is."""


def sample_files(folder: Path, sheet: pd.DataFrame, endings: Sequence[str]) -> dict[str, Path | None]:
    """Each sample's file: by the sheet's column ``path``, else by its name in the folder.

    Parameters
    ----------
    folder
        Holds a folder of each sample's name, or files whose names begin with it.
    sheet
        The sample sheet, indexed by sample.
    endings
        Of the files' names; also found compressed (.gz).

    Returns
    -------
    dict
        Paths by sample; None where there is none.

    Raises
    ------
    InputError
        Where a sample has several files.
    """
    every = [f"{ending}{gz}" for ending in endings for gz in ("", ".gz")]
    if PATH_COLUMN in sheet.columns:
        told = zip(sheet.index, sheet[PATH_COLUMN].astype(str), strict=True)
        return {str(name): _at(folder, path, every) for name, path in told}
    beside = sorted(entry.name for entry in os.scandir(folder)) if folder.is_dir() else []
    samples = [str(name) for name in sheet.index]
    found = {name: _named(folder, beside, name, every) for name in samples}
    # Pipelines name folders s1_quant, and files s1_R1.genes.results.
    return {name: path or _alike(folder, beside, name, samples, every) for name, path in found.items()}


def files_by_content(folder: Path, sheet: pd.DataFrame, fits: Callable[[Path], bool]) -> dict[str, Path | None]:
    """Each sample's file that fits, whatever its ending, by its name or the sheet's column ``path``.

    Raises
    ------
    InputError
        Where a sample has several.
    """
    samples = [str(name) for name in sheet.index]
    if PATH_COLUMN in sheet.columns:
        told = dict(zip(samples, sheet[PATH_COLUMN].astype(str), strict=True))
        places = {
            name: next((p for p in (folder / path, Path(path)) if p.is_file()), None) for name, path in told.items()
        }
        return {name: place if place and fits(place) else None for name, place in places.items()}
    entries = sorted(os.listdir(folder)) if folder.is_dir() else []
    found: dict[str, Path | None] = {}
    for sample in samples:
        own = [folder / entry for entry in own_entry(sample, samples, entries)]
        inside = [place / name for place in own if place.is_dir() for name in sorted(os.listdir(place))]
        candidates = [place for place in (*own, *inside) if place.is_file() and not place.name.endswith(NO_COUNTS)]
        found[sample] = _only([place for place in candidates if fits(place)], sample)
    return found


def _at(folder: Path, path: str, endings: Sequence[str]) -> Path | None:
    """The file a sheet's path tells, relative to the folder of the counts or else to where the command runs."""
    for place in (folder / path, Path(path)):
        if place.is_file():
            return place if place.name.endswith(tuple(endings)) else None
        if place.is_dir():
            return _only([place / name for name in sorted(os.listdir(place)) if name.endswith(tuple(endings))], path)
    return None


def _named(folder: Path, beside: Sequence[str], sample: str, endings: Sequence[str]) -> Path | None:
    if sample in beside and (folder / sample).is_dir():
        # Some programs' output lies a folder deeper.
        for pattern in ("*", "*/*"):
            inside = sorted(path for path in (folder / sample).glob(pattern) if path.name.endswith(tuple(endings)))
            if inside:
                return _only(inside, sample)
        return None
    wanted = {f"{sample}{between}{ending}" for between in ("", ".", "_", "-") for ending in endings}
    return _only([folder / name for name in beside if name in wanted], sample)


def _alike(
    folder: Path, beside: Sequence[str], sample: str, samples: Sequence[str], endings: Sequence[str]
) -> Path | None:
    """The file whose name, or whose folder's name, holds the sample's beside other words."""
    found: list[Path] = []
    for entry in own_entry(sample, samples, beside):
        if entry.endswith(tuple(endings)) and (folder / entry).is_file():
            found.append(folder / entry)
        elif (folder / entry).is_dir():
            found.extend(
                folder / entry / name
                for name in sorted(os.listdir(folder / entry))
                if name.endswith(tuple(endings)) and (folder / entry / name).is_file()
            )
    return _only(found, sample)


def _only(found: list[Path], sample: str) -> Path | None:
    if len(found) > 1:
        raise InputError(
            f"sample {sample} has {len(found)} files of counts (first: {found[0]}, {found[1]}). Leave one of them, or "
            f"name it in a column {PATH_COLUMN!r} of the sample sheet."
        )
    return found[0] if found else None


def require_files(found: dict[str, Path | None], folder: Path, what: str) -> dict[str, Path]:
    """All samples' files.

    Raises
    ------
    InputError
        Where a sample has none.
    """
    missing = [name for name, path in found.items() if path is None]
    if missing:
        inside = sorted(os.listdir(folder)) if folder.is_dir() else []
        raise InputError(
            f"{len(missing)} of {len(found)} samples of the sheet have no {what} in {folder} (first: {missing[0]}). "
            f"It holds: {listing(inside, 6) or 'nothing'}. Name each sample's folder or file after it, or add a "
            f"column {PATH_COLUMN!r} to the sheet."
        )
    return {name: path for name, path in found.items() if path is not None}


def read_columns(path: Path, names: Sequence[str] | None, *, text: Sequence[int] = (0,), skip: int = 0) -> pd.DataFrame:
    """A tab-separated file whose columns are known: by its header, or by the names given where it has none.

    Parameters
    ----------
    names
        Of the columns of a file without a header.
    text
        Columns that are text, by number.
    skip
        Lines before the header.
    """
    with readable(path):
        content = text_content(path)
        if lone := LONE_RETURN.search(content):
            # pandas' parser takes all memory for some of these.
            line = content.count(b"\n", 0, lone.start()) + 1
            raise InputError(f"{path} has a carriage return within line {line}. It is damaged; copy or make it anew.")
        encoding = encoding_of(content)
        lines = io.BytesIO(content)
        if names is None:
            header = [lines.readline() for _ in range(skip + 1)][-1].decode(encoding).rstrip("\r\n").split("\t")
        else:
            header = list(names)
        # R puts names and text in quotes, programs that count do not.
        quoted = header[0].startswith('"')
        header = [name.strip('"') for name in header] if quoted else header
        if not content.strip():
            raise InputError(f"{path} is empty. Was the counting cut short?")
        frame = pd.read_csv(
            lines,
            sep="\t",
            header=None,
            names=list(range(len(header))),
            index_col=False,
            dtype=dict.fromkeys([place for place in text if place < len(header)], str),
            na_filter=False,
            float_precision="round_trip",
            encoding=encoding,
            low_memory=False,
            quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        )
    frame.columns = pd.Index(header)
    return frame


def encoding_of(content: bytes) -> str:
    """UTF-8, or Latin-1 where bytes are none of it, as in folders' names that old systems wrote."""
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8-sig"


def same_names(path_of: dict[str, Path], names_of: Callable[[str], TextArray], what: str) -> TextArray:
    """The genes or transcripts that all samples' files list.

    Raises
    ------
    InputError
        Where files list others, or in another order.
    """
    samples = list(path_of)
    first = names_of(samples[0])
    for sample in samples[1:]:
        other = names_of(sample)
        if len(other) != len(first) or (other != first).any():
            raise InputError(
                f"{path_of[sample]} lists other {what} than {path_of[samples[0]]} ({len(other)} and {len(first)}), or "
                "in another order. Count all samples with the same annotation, and look for files cut short."
            )
    repeated = pd.Index(first)[pd.Index(first).duplicated()]
    if len(repeated):
        raise InputError(
            f"{path_of[samples[0]]}: {len(repeated)} {what} occur more than once (first: {repeated[0]!r}). "
            "Names must be unique."
        )
    return first


def match_columns(columns: Sequence[str], sheet: pd.DataFrame, path: Path) -> Match:
    """Which column of a table is which sample's: by the samples' names, or as the sheet's column ``path`` says.

    Raises
    ------
    InputError
        Where a sample has no column, or several.
    """
    return match_names(columns, wanted_names(sheet, columns), str(path))


def wanted_names(sheet: pd.DataFrame, columns: Sequence[str]) -> dict[str, str]:
    """What to look for in the counts, by sample: its name, or what the column ``path`` says where the counts know it.

    Of paths of files that were counted the columns' names may hold no more than the end.
    """
    names = {str(name): str(name) for name in sheet.index}
    if PATH_COLUMN not in sheet.columns:
        return names
    told = dict(zip(names, sheet[PATH_COLUMN].astype(str), strict=True))
    known = {*columns, *(Path(column).name for column in columns)}
    return told if any(path in known for path in told.values()) else names
