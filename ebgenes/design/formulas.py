"""Random factors in a formula, ``(1|donor)``; without data or libraries."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ebgenes.errors import InputError

NAME = r"(?:`[^`()|]+`|[^\W\d][\w.]*)"
TERM = re.compile(r"\+?\s*\(([^()|]*)\|([^()|]*)\)")
NESTED = re.compile(rf"\s*({NAME}(?:\s*[/:]\s*{NAME})*)\s*")


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
