"""Where each sample's file is, and text files read as columns."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from ebgenes.arrays import TextArray
from ebgenes.errors import InputError, listing
from ebgenes.files import readable, text_content

PATH_COLUMN = "path"
"""Column of the sample sheet that tells where a sample's file or folder is."""

SUFFIX = re.compile(
    r"([._-]?(Aligned\.\w+(\.out)?|sorted(ByCoord)?|markdup|dedup|bam|sam|cram|txt|tsv|featureCounts))+$"
)
"""Endings that pipelines add to a sample's name."""


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
    return {str(name): _named(folder, beside, str(name), every) for name in sheet.index}


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
        inside = sorted(os.listdir(folder / sample))
        return _only([folder / sample / name for name in inside if name.endswith(tuple(endings))], sample)
    wanted = {f"{sample}{between}{ending}" for between in ("", ".", "_", "-") for ending in endings}
    return _only([folder / name for name in beside if name in wanted], sample)


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
        encoding = encoding_of(content)
        lines = io.BytesIO(content)
        if names is None:
            header = [lines.readline() for _ in range(skip + 1)][-1].decode(encoding).rstrip("\r\n").split("\t")
        else:
            header = list(names)
        if not content.strip():
            raise InputError(f"{path} is empty. Was the counting cut short?")
        frame = pd.read_csv(
            lines,
            sep="\t",
            header=None,
            names=list(range(len(header))),
            index_col=False,
            dtype=dict.fromkeys(text, str),
            na_filter=False,
            encoding=encoding,
            low_memory=False,
            quoting=3,
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


def match_columns(columns: Sequence[str], sheet: pd.DataFrame, path: Path) -> list[int]:
    """Which column of a table of many alignments is which sample's.

    A column fits a sample by its whole name, by the name of the alignment's file without its endings, or by that of
    its folder; or as the sheet's column ``path`` says.

    Raises
    ------
    InputError
        Where a sample has no column, or several.
    """
    known: dict[str, list[int]] = {}
    for i, column in enumerate(columns):
        base = Path(column).name
        for name in dict.fromkeys((column, base, SUFFIX.sub("", base), Path(column).parent.name)):
            known.setdefault(name, []).append(i)
    told = sheet[PATH_COLUMN].astype(str) if PATH_COLUMN in sheet.columns else [str(name) for name in sheet.index]
    found = [known.get(name, []) for name in told]
    wrong = [str(name) for name, places in zip(sheet.index, found, strict=True) if len(places) != 1]
    if wrong:
        raise InputError(
            f"{path}: {len(wrong)} of {len(found)} samples of the sheet do not have one column each (first: "
            f"{wrong[0]}). Its columns: {listing(columns, 6)}. Name them in a column {PATH_COLUMN!r} of the sheet."
        )
    return [places[0] for places in found]
