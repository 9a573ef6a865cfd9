"""What a format of counts is to the rest of the package."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from ebgenes.data.sample_files import sample_files
from ebgenes.records.counts import Counts


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Reading:
    """Counts; what the reader had to find out or leave out, a sentence each; names of genes that came with them."""

    counts: Counts
    notes: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Asked:
    """A file or folder to be read for the samples of a sheet, and how, as `ebgenes.data.reading.read_input` says."""

    place: Path
    sheet: pd.DataFrame
    layer: str | None = None
    tx2gene: str | None = None
    strandedness: str = "auto"
    orientation: str = "genes_by_samples"
    counts_are: str = "auto"
    worksheet: str | None = None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Found:
    """A file or folder whose format is asked for.

    Attributes
    ----------
    place, sheet
        As `Asked` has them.
    is_folder
        What it is.
    signature
        The format that a file's name or first bytes tell (``h5ad``, ``parquet``, ``10x``), or None.
    """

    place: Path
    sheet: pd.DataFrame
    is_folder: bool
    signature: str | None = None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Format:
    """A format of counts.

    Attributes
    ----------
    name
        As the config has it.
    order
        Formats are tried in this order until one recognises what is there.
    recognises
        Whether a file or folder is of this format.
    takes
        ``file``, ``folder`` or both, the usual one first.
    read
        Counts of the sheet's samples.
    look
        The same of the beginning alone, with or without genes, and about how many genes there are; None: `read`.
    options
        What it heeds of `Asked` besides place and sheet. A layer is refused where there are none.
    words
        What it is, for messages.
    sample_file
        What a folder holds for each sample, for messages; None where it does not.
    """

    name: str
    order: int
    recognises: Callable[[Found], bool]
    takes: tuple[str, ...]
    read: Callable[[Asked], Reading]
    look: Callable[[Asked], tuple[Reading, int]] | None = None
    options: tuple[str, ...] = ()
    words: str = "a table"
    sample_file: str | None = None


def has_files(found: Found, endings: Sequence[str]) -> bool:
    """Whether some sample has a file of one of these endings in a folder.

    Programs leave files of two forms beside one another, of which one is read.
    """
    return found.is_folder and any(
        any(sample_files(found.place, found.sheet, (ending,)).values()) for ending in endings
    )
