"""Marks of what files hold: they follow bytes, whatever times files have, and a file is read once."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from ebgenes.app import file_marks
from ebgenes.app.file_marks import Contents

pytestmark = pytest.mark.fast


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where marks are kept, also of files that have only just been written."""
    monkeypatch.setattr(file_marks, "SETTLED", -1.0)
    return tmp_path / "kept" / "contents.json"


def of(known: Path, *paths: Path, results: Path | None = None) -> str:
    return Contents(known, [] if results is None else [results]).of(paths)


def test_a_mark_is_that_of_the_bytes(tmp_path: Path, known: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_bytes(b"a\tb\n")
    mark = of(known, path)
    assert mark == hashlib.blake2b(b"a\tb\n", digest_size=16).hexdigest()
    os.utime(path, (5, 5))
    assert of(known, path) == mark
    shutil.copy(path, tmp_path / "copy.tsv")
    assert of(known, tmp_path / "copy.tsv") == mark


def test_another_file_of_the_same_size_and_time_is_seen(tmp_path: Path, known: Path) -> None:
    path, other = tmp_path / "x.tsv", tmp_path / "other.tsv"
    path.write_bytes(b"1\t2\n")
    other.write_bytes(b"2\t1\n")
    for each in (path, other):
        os.utime(each, (1e9, 1e9))
    before = of(known, path)
    other.replace(path)
    assert of(known, path) != before
    # Written over in place, and set back.
    now = of(known, path)
    path.write_bytes(b"3\t3\n")
    os.utime(path, (1e9, 1e9))
    assert of(known, path) not in (before, now)


def test_a_file_is_read_once(tmp_path: Path, known: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.tsv"
    path.write_bytes(b"1\t2\n")
    mark = of(known, path)

    def fail(*_: object) -> None:
        raise AssertionError("it was read again")

    monkeypatch.setattr(hashlib, "file_digest", fail)
    assert of(known, path) == mark


@pytest.mark.parametrize("kept", ["", "[]", "{", '{"x": 3}', '{"x": [1]}', "null"])
def test_what_was_kept_may_be_damaged(tmp_path: Path, known: Path, kept: str) -> None:
    path = tmp_path / "x.tsv"
    path.write_bytes(b"1\t2\n")
    mark = of(tmp_path / "elsewhere.json", path)
    known.parent.mkdir()
    known.write_text(kept)
    assert of(known, path) == mark


def test_a_place_that_cannot_be_written_keeps_nothing(tmp_path: Path, known: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_bytes(b"1\t2\n")
    known.parent.write_bytes(b"a file where the folder would be")
    assert of(known, path) == hashlib.blake2b(b"1\t2\n", digest_size=16).hexdigest()


def test_folders_by_the_names_sizes_and_times_of_their_files(tmp_path: Path, known: Path) -> None:
    folder = tmp_path / "salmon"
    (folder / "s1").mkdir(parents=True)
    path = folder / "s1" / "quant.sf"
    path.write_bytes(b"1\t2\n")
    os.utime(path, (2e9, 2e9))
    before = of(known, folder)
    assert of(known, folder) == before
    # An older file, of which neither the folder nor Snakemake says a word.
    times = folder.stat()
    path.write_bytes(b"2\t1\n")
    os.utime(path, (1e9, 1e9))
    os.utime(folder, ns=(times.st_atime_ns, times.st_mtime_ns))
    after = of(known, folder)
    assert after != before
    (folder / "s2").mkdir()
    assert of(known, folder) == after
    (folder / "s2" / "quant.sf").write_bytes(b"")
    assert of(known, folder) != after


def test_results_and_what_is_not_there_have_no_mark(tmp_path: Path, known: Path) -> None:
    folder = tmp_path / "out" / "one"
    folder.mkdir(parents=True)
    (folder / "genes.tsv").write_bytes(b"x")
    assert of(known, folder / "genes.tsv", results=folder) == ""
    assert of(known, folder / "genes.tsv", results=tmp_path / "out" / "two") != ""
    assert of(known, tmp_path / "nowhere.tsv") == ""
    os.mkfifo(tmp_path / "fifo")
    assert of(known, tmp_path / "fifo") == ""
