"""Which engine fits a formula, and with which options; without data or libraries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ebgenes.effects.engines import all_options, default_engine, resolved
from ebgenes.errors import InputError


def require_fitting(formula: str, random: bool, settings: Mapping[str, Any]) -> None:
    """Refuse an engine or options that could not fit a formula.

    random: whether there are such factors; settings: ``engine``, and those options that engines do not share.

    Raises
    ------
    InputError
        Where formula, engine and options do not go together.
    """
    engine = resolved(str(settings["engine"]), random)
    if random and not engine.has_random:
        raise InputError(
            f"engine {engine.name} has no random factors, and the design {formula!r} has: their variance is "
            "integrated out of a linear mixed model of log counts. Leave the engine out or choose "
            f"{default_engine(True).name}, or write the factors among the fixed terms."
        )
    if engine.has_random and not random:
        raise InputError(
            f"engine {engine.name} needs a random factor, and the design {formula!r} has none. Write (1|donor) in it, "
            "or random: [donor] beside it, or choose another engine."
        )
    for name, values in all_options().items():
        if name not in engine.options and settings[name] != values[0]:
            raise InputError(f"engine {engine.name} has no option {name}. Leave it out, or use another engine.")
    if not engine.is_chunked and settings.get("chunks", 1) > 1:
        raise InputError(
            f"effects.chunks: engine {engine.name}, which fits the design {formula!r}, takes all genes at once. "
            "Leave the chunks out."
        )
    if not random and settings.get("fixed_or_random", "check") != "check":
        raise InputError(
            f"fixed_or_random: {settings['fixed_or_random']} needs a random factor, and the design {formula!r} has "
            "none. Write (1|donor) in it, or leave the option out."
        )
    if random and settings["hidden_factors"] not in ("auto", 0):
        raise InputError(
            f"hidden factors are not sought beside random ones; found hidden_factors {settings['hidden_factors']} and "
            f"the design {formula!r}. Leave it at auto, or write the random factors among the fixed terms."
        )
