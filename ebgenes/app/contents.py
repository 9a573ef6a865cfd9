"""What a user's files hold, in few letters: jobs depend on contents, whatever time a file says that it was changed."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from ebgenes.errors import InputError
from ebgenes.files import write_json

DIGEST = 16

SETTLED = 2.0
"""Seconds after a change of a file from which another one has another time."""

MOST_FILES, MOST_DEPTH = 100_000, 4
"""Of a folder: programs leave a few files a sample, some levels deep."""


class Contents:
    """Marks of files' contents, kept in a file so that each is read once.

    Parameters
    ----------
    kept
        The file; where it cannot be written, files are read every time.
    results
        Folders of results. What jobs make is told by the jobs.
    """

    def __init__(self, kept: str | os.PathLike[str], results: Iterable[str | os.PathLike[str]]) -> None:
        self._kept = Path(kept)
        self._results = [Path(os.path.abspath(folder)) for folder in results]
        self._known = _read(self._kept)

    def of(self, paths: Iterable[str | os.PathLike[str]]) -> str:
        """A mark of these files and folders: of files' bytes; of folders' names, sizes and times of files.

        A folder may hold reads of any size beside what is wanted of it, so that nothing in it is read.
        """
        return " ".join(self._of_one(Path(os.path.abspath(path))) for path in paths)

    def _of_one(self, path: Path) -> str:
        if any(path.is_relative_to(folder) for folder in self._results):
            return ""
        try:
            return _of_folder(path) if path.is_dir() else self._of_file(path)
        except OSError:
            # Snakemake says what is missing, and readers what cannot be read.
            return ""

    def _of_file(self, path: Path) -> str:
        told = path.stat()
        # The last of these times cannot be set, so that a file put in the place of another is read again.
        state = [told.st_size, told.st_ino, told.st_mtime_ns, told.st_ctime_ns]
        known = self._known.get(str(path))
        if known is not None and known[:-1] == state:
            return str(known[-1])
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            mark = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=DIGEST)).hexdigest()
        if time.time() - told.st_ctime > SETTLED:
            self._known[str(path)] = [*state, mark]
            try:
                write_json(self._kept, self._known)
            except InputError:
                return mark
        return mark


def _read(kept: Path) -> dict[str, list[int | str]]:
    """What was kept, or nothing where it cannot be read."""
    try:
        found = json.loads(kept.read_text(encoding="utf-8"))
        return {str(path): list(known) for path, known in found.items() if len(known) == 5}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _of_folder(folder: Path) -> str:
    found = hashlib.blake2b(digest_size=DIGEST)
    for words in sorted(_files_in(folder)):
        found.update(words.encode("utf-8", "surrogateescape") + b"\0")
    return found.hexdigest()


def _files_in(folder: Path) -> Iterator[str]:
    waiting, seen = [(folder, 0)], 0
    while waiting:
        place, depth = waiting.pop()
        with os.scandir(place) as entries:
            for entry in entries:
                seen += 1
                if seen > MOST_FILES:
                    return
                if entry.is_dir():
                    if depth < MOST_DEPTH:
                        waiting.append((Path(entry.path), depth + 1))
                elif entry.is_file():
                    told = entry.stat()
                    yield f"{Path(entry.path).relative_to(folder)} {told.st_size} {told.st_mtime_ns}"
