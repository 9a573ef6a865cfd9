"""Shapes of the real effects: each family a file, which registers itself by its `FAMILY`."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from ebgenes.errors import InputError
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


for _found in iter_modules(__path__):
    _family = getattr(import_module(f"{__name__}.{_found.name}"), "FAMILY", None)
    if _family is not None:
        register(_family)
