"""HDF5 files, looked over before anything in them is read: sizes that they declare, links, and sparse matrices."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ebgenes.errors import InputError
from ebgenes.files import existing_file, one_line
from ebgenes.limits import UNSUSPECTED, require_size

MOST_RATIO = 1_100
"""Times that deflate, the best packer that every HDF5 has, makes anything smaller."""

MOST_OBJECTS, MOST_DEPTH = 100_000, 32
"""Groups and arrays of a file, and how deep they lie: AnnData's and kallisto's have hundreds, ten deep."""

PART = 4_000_000
"""Indices that are looked at together."""

FAULTS = (
    OSError, KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError, OverflowError, MemoryError,
    AssertionError, NotImplementedError, struct.error,
)  # fmt: skip
"""What libraries raise on damaged files."""


TRIAL = "trial_reading.py"
"""The script that reads a file in a process of its own."""

CPU_SECONDS = 4
"""What a file may take at least; sound ones take a fraction of a second."""

BYTES_PER_SECOND = 20_000_000

_SOUND: set[tuple[str, int, int]] = set()
"""Files that this process has had tried, with their sizes and times: they are tried once."""


def require_no_hang(path: Path) -> None:
    """Refuse an HDF5 file on which the HDF5 library hangs or crashes: damaged ones make it do both.

    Raises
    ------
    InputError
        Where it does. What merely fails is for the reader to tell.
    """
    told = path.stat()
    tried = (str(path.absolute()), told.st_size, told.st_mtime_ns)
    if tried in _SOUND or not sys.executable:
        return
    seconds = CPU_SECONDS + told.st_size // BYTES_PER_SECOND
    code = tried_alone(path, seconds)
    if code < 0:
        raise InputError(
            f"{path} is damaged: the HDF5 library {'never ends' if code in (-24, -9) else 'crashes'} when it reads it. "
            "Copy or make it anew."
        )
    _SOUND.add(tried)


def tried_alone(path: Path, seconds: int) -> int:
    """The exit code of a process that reads the file in so many seconds; the signal that ended it is below 0."""
    # -P: the folder of this file is no place to import from.
    command = [sys.executable, "-P", str(Path(__file__).with_name(TRIAL).absolute()), str(path), str(seconds)]
    return subprocess.run(command, check=False, capture_output=True, stdin=subprocess.DEVNULL).returncode  # noqa: S603


@contextmanager
def opened_hdf5(
    path: str | os.PathLike[str], kind: str, *, whole: bool = True, trusted: bool = False
) -> Iterator[h5py.File]:
    """An HDF5 file that declares nothing that it does not hold, open for reading.

    Parameters
    ----------
    path
        The file.
    kind
        What it should be, for messages: ``.h5ad file``.
    whole
        Whether it will be read as a whole; else parts of it at a time.
    trusted
        Whether every byte is known to be as it was written.

    Raises
    ------
    InputError
        For a file that is damaged, that declares arrays beyond its size or the limit, or has links in it; and in place
        of whatever the block raises on a damaged file.
    """
    found = existing_file(path)
    if not trusted:
        require_no_hang(found)
    try:
        with h5py.File(found, "r") as file:
            look_over(file, found, whole=whole)
            yield file
    except InputError:
        raise
    except Exception as error:
        if not isinstance(error, FAULTS) and not _of_anndata(error):
            raise
        newer = "written by a newer anndata, " if _of_anndata(error) else ""
        raise InputError(
            f"{found} is not {kind} that can be read: {one_line(error)} "
            f"Was it {newer}cut short or damaged? Copy or make it anew{', or update anndata' if newer else ''}."
        ) from None


def _of_anndata(error: Exception) -> bool:
    """Whether it is of a class of anndata's own, which are not to be imported for this: parts of unknown encodings."""
    return type(error).__module__.partition(".")[0] == "anndata"


def look_over(file: h5py.File, path: Path, *, whole: bool) -> None:
    """Refuse what would fill the memory, lead elsewhere or never end; errors as `opened_hdf5`."""
    arrays = list(_arrays(file, path))
    for name, array in arrays:
        declared, stored = array.size * max(array.dtype.itemsize, 1), array.id.get_storage_size()
        if declared > UNSUSPECTED and declared > MOST_RATIO * max(stored, 1):
            raise InputError(
                f"{path}: {name} declares {array.size:.3g} values, for which the file holds {stored:,} bytes. "
                "It is damaged, or made to fill the memory; copy or make it anew."
            )
    if whole:
        require_size(path, sum(array.size * array.dtype.itemsize for _, array in arrays))


def _arrays(file: h5py.File, path: Path) -> Iterator[tuple[str, h5py.Dataset]]:
    """Every array of a file and its place."""
    waiting: list[tuple[str, h5py.Group, int]] = [("", file, 0)]
    seen = 0
    while waiting:
        place, group, depth = waiting.pop()
        for name in group:
            seen += 1
            inside = f"{place}/{name}"
            if isinstance(group.get(name, getlink=True), h5py.SoftLink | h5py.ExternalLink):
                raise InputError(
                    f"{path}: {inside} is a link to another place, which may lead anywhere. Copy the file with its "
                    "links resolved (h5copy -f ref), or leave that entry out."
                )
            if seen > MOST_OBJECTS or depth > MOST_DEPTH:
                raise InputError(
                    f"{path} has more than {MOST_OBJECTS:,} entries, or more than {MOST_DEPTH} within one another "
                    f"(at {inside[:80]}). It is damaged, or made never to end."
                )
            item = group[name]
            if isinstance(item, h5py.Group):
                waiting.append((inside, item, depth + 1))
            elif isinstance(item, h5py.Dataset) and item.shape is not None:
                yield inside, item


def require_groups(file: h5py.File, path: Path) -> None:
    """Refuse AnnData files whose obs and var are arrays, as versions before 0.7 wrote them.

    Raises
    ------
    InputError
        With the way to renew them.
    """
    if any(name in file and isinstance(file[name], h5py.Dataset) for name in ("obs", "var")):
        raise InputError(
            f"{path} was written by anndata before 0.7. Renew it: anndata.read_h5ad('{path.name}').write_h5ad("
            f"'{path.stem}_new.h5ad')."
        )


def require_sound_matrices(file: h5py.File, path: Path) -> None:
    """Refuse sparse matrices of an AnnData file whose pointers or indices lead out of them.

    Raises
    ------
    InputError
        For the first that does: libraries that use it would count reads elsewhere or crash.
    """
    waiting: list[tuple[str, h5py.Group]] = [("", file)]
    while waiting:
        place, group = waiting.pop()
        for name, item in group.items():
            if not isinstance(item, h5py.Group):
                continue
            inside = f"{place}/{name}"
            if is_sparse(item):
                require_sound_pointers(item, path)
                n_minor = minor_size(item)
                indices = item["indices"]
                for start in range(0, len(indices), PART):
                    require_within(indices[start : start + PART], n_minor, path, inside)
            else:
                waiting.append((inside, item))


def is_sparse(item: Any) -> bool:
    """Whether a group of an AnnData file is a sparse matrix."""
    kind = item.attrs.get("encoding-type", item.attrs.get("h5sparse_format", ""))
    return str(kind) in ("csr_matrix", "csc_matrix", "csr", "csc")


def by_column(matrix: Any) -> bool:
    """Whether a sparse matrix holds column after column."""
    return str(matrix.attrs.get("encoding-type", matrix.attrs.get("h5sparse_format", ""))).startswith("csc")


def sparse_shape(matrix: Any) -> tuple[int, int]:
    """Rows and columns of a sparse matrix, as it declares them."""
    shape = np.asarray(matrix.attrs["shape"] if "shape" in matrix.attrs else matrix.attrs["h5sparse_shape"])
    if shape.shape != (2,) or shape.dtype.kind not in "iu":
        raise ValueError(f"{matrix.name} has no shape of two numbers")
    return int(shape[0]), int(shape[1])


def minor_size(matrix: Any) -> int:
    """Places along a sparse matrix's indices."""
    return sparse_shape(matrix)[0 if by_column(matrix) else 1]


def require_sound_pointers(matrix: Any, path: Path | str) -> Any:
    """The row (or column) pointers of a sparse matrix, if they fit its shape and what it holds.

    Raises
    ------
    InputError
        Where they do not.
    """
    n_major = sparse_shape(matrix)[1 if by_column(matrix) else 0]
    pointer, indices, data = matrix["indptr"], matrix["indices"], matrix["data"]
    if pointer.shape != (n_major + 1,) or indices.ndim != 1 or indices.shape != data.shape or minor_size(matrix) < 0:
        raise InputError(
            f"{path}: {matrix.name} has {pointer.shape} pointers, {indices.shape} indices and {data.shape} values, "
            f"which do not fit its shape {sparse_shape(matrix)}. It is damaged; make it anew."
        )
    if pointer.dtype.kind not in "iu" or indices.dtype.kind not in "iu":
        raise InputError(f"{path}: pointers or indices of {matrix.name} are not whole numbers. Make it anew.")
    values = pointer[()]
    if values[0] != 0 or values[-1] != len(indices) or (values[1:] < values[:-1]).any():
        raise InputError(
            f"{path}: the pointers of {matrix.name} do not rise from 0 to its {len(indices)} values (first "
            f"{values[0]}, last {values[-1]}). It is damaged; make it anew."
        )
    return values.astype(np.int64)


def require_within(indices: Any, n_minor: int, path: Path | str, what: str) -> None:
    """Refuse indices that no place of the matrix has.

    Raises
    ------
    InputError
        Where there are some.
    """
    bad = (indices < 0) | (indices >= n_minor)
    if bad.any():
        raise InputError(
            f"{path}: {int(bad.sum())} indices of {what} lie outside its {n_minor} places (first: "
            f"{indices[int(np.argmax(bad))]}). It is damaged; make it anew."
        )
