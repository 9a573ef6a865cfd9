"""Engines, from counts to each gene's likelihood: each a file, which registers itself by its `ENGINE`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from ebgenes.effects.engines.engine import Engine
from ebgenes.errors import InputError
from ebgenes.imports import records_in

ENGINES: dict[str, Engine] = {}

AUTO = "auto"
"""Asks for the engine that a design calls for."""


def register(engine: Engine) -> None:
    """Let an engine be asked for by its name."""
    ENGINES[engine.name] = engine


def engine_of(name: str) -> Engine:
    """The engine of a name.

    Raises
    ------
    InputError
        Where there is none.
    """
    if name not in ENGINES:
        raise InputError(f"unknown engine {name!r}; choose one of {', '.join((AUTO, *ENGINES))}.")
    return ENGINES[name]


def resolved(name: str, random: bool) -> Engine:
    """The engine of a name, of which ``auto`` stands for one that fits designs with random factors, or without."""
    return default_engine(random) if name == AUTO else engine_of(name)


def default_engine(random: bool) -> Engine:
    """The engine for designs with random factors, or without."""
    return next(engine for engine in ENGINES.values() if engine.is_default and engine.has_random == random)


def takes_counts(name: str) -> bool:
    """Whether effects of this engine were fitted to counts here, and not taken from elsewhere."""
    return name in ENGINES and ENGINES[name].fit is not None


def is_given(name: str) -> bool:
    """Whether effects of this engine are estimates that others have made."""
    return name in ENGINES and ENGINES[name].fit is None


def all_options() -> dict[str, tuple[Any, ...]]:
    """Options that one engine or another has, and their values, the first where nobody asked."""
    return {name: values for engine in ENGINES.values() for name, values in engine.options.items()}


def require_values(settings: Mapping[str, Any]) -> None:
    """Refuse values that an option does not have.

    Raises
    ------
    InputError
        For the first such option.
    """
    for name, allowed in all_options().items():
        value = settings[name]
        if value not in allowed:
            raise InputError(f"unknown {name} {value!r}; choose one of {', '.join(map(str, allowed))}.")


for _engine in records_in(sys.modules[__name__], "ENGINE"):
    register(_engine)
