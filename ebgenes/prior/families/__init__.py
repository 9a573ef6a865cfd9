"""Shapes of the real effects: each family a file, which registers itself by its `FAMILY`."""

from __future__ import annotations

import sys

from ebgenes.errors import InputError
from ebgenes.imports import records_in
from ebgenes.prior.families.family import Family

FAMILIES: dict[str, Family] = {}


def register(family: Family) -> None:
    """Let a family be asked for by its name."""
    FAMILIES[family.name] = family


def family_of(name: str) -> Family:
    """The family of a name.

    Raises
    ------
    InputError
        Where there is none.
    """
    if name not in FAMILIES:
        raise InputError(f"unknown prior family {name!r}; choose one of {', '.join(FAMILIES)}.")
    return FAMILIES[name]


for _family in records_in(sys.modules[__name__], "FAMILY"):
    register(_family)
