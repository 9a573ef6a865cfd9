"""HDF5 files of our own: written whole, with a seal at their end that tells whether they are still what was written."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import h5py

from ebgenes.data.hdf5 import opened_hdf5
from ebgenes.errors import InputError
from ebgenes.files import existing_file, whole

if TYPE_CHECKING:
    from anndata import AnnData

MARK = b"ebgenes seal 1: "
"""Another number means another version of ebgenes. HDF5 reads nothing beyond the end that it knows."""

DIGEST = 16
LENGTH = len(MARK) + 2 * DIGEST + 1

PIECE = 8_000_000

IN_MEMORY = 250_000_000
"""Bytes of a file that is put together in memory: HDF5 may crash where the disk fills up under it."""

MORE = 1_000_000
"""Bytes beside arrays: names, shapes and what finds them."""


def _seal(path: Path, length: int) -> bytes:
    """The seal of a file's first bytes."""
    found = hashlib.blake2b(digest_size=DIGEST)
    with path.open("rb") as file:
        while length > 0 and (piece := file.read(min(PIECE, length))):
            found.update(piece)
            length -= len(piece)
    return MARK + found.hexdigest().encode() + b"\n"


def require_sealed(path: str | os.PathLike[str], otherwise: str) -> None:
    """Refuse a file that is not as we wrote it, before HDF5 sees it; `otherwise` says what it is not, or did not.

    Raises
    ------
    InputError
        Where it was made by another version or program, was cut short, damaged, or edited.
    """
    found = existing_file(path)
    size = found.stat().st_size
    with found.open("rb") as file:
        file.seek(max(size - LENGTH, 0))
        seal = file.read()
    if not seal.startswith(MARK):
        raise InputError(
            f"{found} {otherwise}: another version or program made or edited it, or its end was cut off. Make it anew."
        )
    if seal != _seal(found, size - LENGTH):
        raise InputError(f"{found} is not as ebgenes wrote it: it was damaged or edited since. Make it anew.")


@contextmanager
def written_hdf5(path: str | os.PathLike[str]) -> Iterator[h5py.File]:
    """An HDF5 file in memory that is written whole and sealed when the block ends well."""
    with whole(path) as temporary:
        with h5py.File(temporary.name, "w", driver="core", backing_store=False) as file:
            yield file
            file.flush()
            image = file.id.get_file_image()
        digest = hashlib.blake2b(image, digest_size=DIGEST).hexdigest()
        temporary.write_bytes(image + MARK + digest.encode() + b"\n")


@contextmanager
def sealed_hdf5(path: str | os.PathLike[str], kind: str) -> Iterator[h5py.File]:
    """One of our own files, open for reading, if it is as it was written; errors as `opened_hdf5`."""
    require_sealed(path, f"is not {kind} of this version of ebgenes")
    with opened_hdf5(Path(path), kind, trusted=True) as file:
        yield file


def write_anndata(path: str | os.PathLike[str], adata: AnnData) -> None:
    """Write an AnnData file whole, and sealed; what is too large for the memory onto a place kept free for it."""
    from anndata.io import write_elem

    adata.strings_to_categoricals()
    size = _size(adata)
    if size < IN_MEMORY:
        with written_hdf5(path) as file:
            write_elem(file, "/", adata)
        return
    with whole(path) as temporary:
        with h5py.File(temporary, "w", driver="sec2") as file:
            _reserve(file.id.get_vfd_handle(), size + size // 50 + MORE)
            write_elem(file, "/", adata)
            file.flush()
            end = file.id.get_filesize()
        os.truncate(temporary, end)
        seal = _seal(temporary, end)
        with temporary.open("ab") as last:
            last.write(seal)


def _size(adata: AnnData) -> int:
    """About as many bytes as a file of it will take."""
    frames = [adata.obs, adata.var, *adata.varm.values()]
    arrays = [adata.X, *adata.layers.values(), *adata.obsm.values()]
    in_frames = sum(int(each.memory_usage(deep=True).sum()) for each in frames if hasattr(each, "memory_usage"))
    return in_frames + sum(getattr(each, "nbytes", 0) for each in (*arrays, *adata.varm.values()))


def _reserve(handle: int, size: int) -> None:
    """Take the room that a file will need, so that a full disk is told of here and not from within HDF5.

    Raises
    ------
    OSError
        Where there is not so much.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(handle, 0, size)
    except OSError as error:
        # Some file systems cannot keep room free.
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise
