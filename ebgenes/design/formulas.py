"""Random factors in a formula, ``(1|donor)``, and which engine fits them; without data or libraries."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ebgenes.errors import InputError

NAME = r"(?:`[^`()|]+`|[^\W\d][\w.]*)"
TERM = re.compile(r"\+?\s*\(([^()|]*)\|([^()|]*)\)")
NESTED = re.compile(rf"\s*({NAME}(?:\s*[/:]\s*{NAME})*)\s*")

ENGINES = ("auto", "likelihood", "moderated_t", "mixed", "normal")
OF_LIKELIHOOD: dict[str, Any] = {
    "dispersion": "shared",
    "dispersion_tails": "normal",
    "dispersion_trend": "auto",
    "outliers": "keep",
    "count_tails": "auto",
}
OF_MODERATED_T: dict[str, Any] = {"trend": False, "robust": False}
"""Options that one engine has, and what they are where nobody asked."""


def split_formula(formula: str) -> tuple[str, list[str]]:
    """The fixed part of a formula, and its random factors: ``~ dex + (1|site/donor)`` -> ``~ dex``, [site, site:donor].

    Raises
    ------
    InputError
        For random slopes, whose columns are left of the bar, and for what is no name of a column.
    """
    factors: list[str] = []
    for left, right in TERM.findall(formula):
        if left.strip() != "1":
            raise InputError(
                f"the formula {formula!r} has the random slope ({left}|{right}). Only groups' levels can be random: "
                f"write (1|{right.strip()}), which is what most sample sizes can support."
            )
        found = NESTED.fullmatch(right)
        if not found:
            raise InputError(
                f"the random factor {right.strip()!r} of the formula {formula!r} is no column. Write (1|donor), "
                "(1|site/donor) for donors within sites, or (1|site:donor)."
            )
        factors.extend(_expanded(found.group(1)))
    fixed = TERM.sub("", formula).strip()
    if factors and fixed in ("", "~"):
        fixed = "~ 1"
    return re.sub(r"~\s*\+\s*", "~ ", fixed), list(dict.fromkeys(factors))


def _expanded(term: str) -> list[str]:
    """``site/donor`` means sites, and donors within them."""
    parts = re.findall(rf"{NAME}|[/:]", term)
    names, separators = parts[::2], parts[1::2]
    found, whole = [], names[0]
    for name, separator in zip(names[1:], separators, strict=True):
        if separator == "/":
            found.append(whole)
        whole = f"{whole}:{name}"
    return [*found, whole]


def with_random(formula: str, random: Iterable[str]) -> str:
    """A formula with random factors added as lme4 writes them: donor becomes ``(1|donor)``.

    A name that no formula could hold as it is stands between backticks.
    """
    for name in random:
        term = name if NESTED.fullmatch(name) else f"`{name}`"
        if not NESTED.fullmatch(term):
            raise InputError(f"the random factor {name!r} may not hold ` ( ) or |. Rename the column of the sheet.")
        formula = f"{formula} + (1|{term})"
    return formula


def require_fitting(formula: str, random: bool, settings: Mapping[str, Any]) -> None:
    """Refuse an engine or options that could not fit a formula.

    random: whether there are such factors; settings: ``engine``, and those options that engines do not share.

    Raises
    ------
    InputError
        Where formula, engine and options do not go together.
    """
    engine = str(settings["engine"])
    if engine == "auto":
        engine = "mixed" if random else "likelihood"
    if random and engine != "mixed":
        raise InputError(
            f"engine {engine} has no random factors, and the design {formula!r} has: their variance is integrated out "
            "of a linear mixed model of log counts. Leave the engine out or choose mixed, or write the factors among "
            "the fixed terms."
        )
    if engine == "mixed" and not random:
        raise InputError(
            f"engine mixed needs a random factor, and the design {formula!r} has none. Write (1|donor) in it, or "
            "random: [donor] beside it, or choose another engine."
        )
    idle = {} if engine == "likelihood" else OF_LIKELIHOOD
    idle = idle if engine == "moderated_t" else idle | OF_MODERATED_T
    for name, unasked in idle.items():
        if settings[name] != unasked:
            raise InputError(f"engine {engine} has no option {name}. Leave it out, or use the other engine.")
    if engine == "mixed" and settings.get("chunks", 1) > 1:
        raise InputError(
            f"effects.chunks: engine mixed, which fits the design {formula!r}, takes all genes at once. "
            "Leave the chunks out."
        )
    if not random and settings.get("fixed_or_random", "check") != "check":
        raise InputError(
            f"fixed_or_random: {settings['fixed_or_random']} needs a random factor, and the design {formula!r} has "
            "none. Write (1|donor) in it, or leave the option out."
        )
    if engine == "mixed" and settings["hidden_factors"] not in ("auto", 0):
        raise InputError(
            f"hidden factors are not sought beside random ones; found hidden_factors {settings['hidden_factors']} and "
            f"the design {formula!r}. Leave it at auto, or write the random factors among the fixed terms."
        )
