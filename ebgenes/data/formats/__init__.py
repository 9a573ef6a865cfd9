"""Formats of counts: each a file, which registers itself by its `FORMAT`."""

from __future__ import annotations

import sys

from ebgenes.data.counts_format import Format
from ebgenes.errors import InputError
from ebgenes.imports import records_in

FORMATS: dict[str, Format] = {}

AUTO = "auto"
"""Asks for the format that recognises what is there."""


def register(format: Format) -> None:
    """Let a format be asked for by its name."""
    FORMATS[format.name] = format


def in_order() -> list[Format]:
    """All formats, in the order in which they are tried."""
    return sorted(FORMATS.values(), key=lambda format: format.order)


def format_named(name: str) -> Format:
    """The format of a name.

    Raises
    ------
    InputError
        Where there is none.
    """
    if name not in FORMATS:
        known = (AUTO, *(format.name for format in in_order()))
        raise InputError(f"unknown format {name!r}; choose one of {', '.join(known)}.")
    return FORMATS[name]


for _format in records_in(sys.modules[__name__], "FORMAT"):
    register(_format)
