"""What an analysis of a dataset's contrasts has to tell of itself: a config is checked by it before numbers load."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from ebgenes.app.config import Config, DatasetSettings
    from ebgenes.report.contents import Section


def nothing_wrong(dataset: DatasetSettings, entry: str) -> Iterator[str]:
    """Of an analysis whose settings the schema judges alone."""
    return iter(())


def nothing_to_tell(dataset: DatasetSettings, sheet: pd.DataFrame, entry: str) -> Iterator[str]:
    """Of an analysis that no sheet could refuse."""
    return iter(())


def no_files(config: Config) -> list[str]:
    """Of an analysis that leaves nothing but its JSON."""
    return []


def every_contrast(dataset: DatasetSettings, entry: str) -> list[str]:
    """Of an analysis of all contrasts."""
    return list(dataset.contrasts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """An analysis that begins where the contrasts of a dataset have their files.

    A dataset asks for it by a section of this name, with an entry for each time that it is to be made; its files go to
    ``<dataset>/<name>/<entry>/``.

    Attributes
    ----------
    name
        Of the section, of the folder, and of the verb of the command line.
    words
        What the verb does, in a sentence.
    settings
        The record of an entry, with a field for every key that the schema has in ``$defs/<name>``.
    write
        Makes an entry and writes its files, from the folder of the dataset; returns what was found, in words.
    sections
        What the page says of some entries, from the files in the dataset's folder.
    reads
        Files of each contrast, by their names in its folder, from which an entry is made, beside ``counts.h5ad``.
    contrasts
        Names of the contrasts that an entry is made from.
    heeds
        Keys of the config, besides those of the dataset, that its results depend on.
    outputs
        Files that an entry leaves besides ``<name>.json``: tables, and figures of `ebgenes.plots.figures`.
    mistakes
        What of an entry does not go with the dataset, from settings alone, a message each.
    check
        What an entry will do, a line each, from the sheet too; an `InputError` where it cannot.
    """

    name: str
    words: str
    settings: Callable[..., Any]
    write: Callable[[Path, str, DatasetSettings, Config], str]
    sections: Callable[[Path, Sequence[str]], list[Section]]
    reads: tuple[str, ...] = ("effects.h5",)
    contrasts: Callable[[DatasetSettings, str], list[str]] = every_contrast
    heeds: tuple[str, ...] = ("report.level", "report.figures", "report.formats", "report.tables")
    outputs: Callable[[Config], list[str]] = no_files
    mistakes: Callable[[DatasetSettings, str], Iterator[str]] = nothing_wrong
    check: Callable[[DatasetSettings, pd.DataFrame, str], Iterator[str]] = nothing_to_tell
