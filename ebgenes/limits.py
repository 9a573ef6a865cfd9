"""How much a file may unpack to, before it is unpacked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ebgenes.errors import InputError

GB = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a single file may ask for.

    Attributes
    ----------
    unpacked_gb
        Bytes of a file once unpacked, 10^9; of HDF5, of the arrays that are read whole.
    """

    unpacked_gb: float = 4.0


TEXT_RATIO = 250.0
"""Times that compressed text may grow: tables of counts grow tenfold, and nearly empty ones a hundredfold."""


_USUAL = Limits()
_LIMITS: ContextVar[Limits] = ContextVar("limits", default=_USUAL)

PIECE = 8_000_000
"""Bytes that are unpacked at a time."""

UNSUSPECTED = 50_000_000
"""Bytes that any file may unpack to."""


class Readable(Protocol):
    """What bytes can be read from."""

    def read(self, size: int = -1, /) -> bytes:
        """At most so many bytes."""
        ...


def limits() -> Limits:
    """The limits that hold here."""
    return _LIMITS.get()


@contextmanager
def limited(asked: Limits) -> Iterator[None]:
    """Other limits within the block."""
    token = _LIMITS.set(asked)
    try:
        yield
    finally:
        _LIMITS.reset(token)


def require_size(path: Path | str, size: float, what: str = "") -> None:
    """Refuse what takes more bytes than the limit.

    Raises
    ------
    InputError
        Where it does.
    """
    most = limits().unpacked_gb
    if size > most * GB:
        raise InputError(
            f"{path}{what and f': {what}'} takes {size / GB:.1f} GB once it is read, and {most:g} GB are allowed. If "
            "the file is sound and the machine has the memory, raise limits: {unpacked_gb: ...} in the config."
        )


def unpacked(file: Readable, path: Path, packed: int, most: int = -1) -> bytes:
    """The bytes of an opened compressed file, at most so many; read piece by piece, so that a bomb is noticed.

    Raises
    ------
    InputError
        Where it grows beyond what tables do, or beyond the limit.
    """
    pieces, size = [], 0
    while most < 0 or size < most:
        piece = file.read(PIECE if most < 0 else min(PIECE, most - size))
        if not piece:
            break
        pieces.append(piece)
        size += len(piece)
        require_unpackable(path, packed, size)
    return b"".join(pieces)


def require_unpackable(path: Path | str, packed: int, size: int) -> None:
    """Refuse text of so many bytes that grows beyond what tables do once it is unpacked, or beyond the limit.

    Raises
    ------
    InputError
        Where it does.
    """
    if size > UNSUSPECTED and size > TEXT_RATIO * packed:
        raise InputError(
            f"{path} has {packed:,} bytes and unpacks to more than {size:,}, which no table does. "
            "Was it made to fill the memory? Unpack it yourself if you trust it."
        )
    require_size(path, size)
