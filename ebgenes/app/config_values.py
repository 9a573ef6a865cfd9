"""Values that no setting has a use for, and sources that are named twice."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from unicodedata import category

from ebgenes.errors import InputError


def require_no_truth_values(names: Iterable[object]) -> None:
    """Refuse names that YAML has taken for true or false: nobody knows the word that was written.

    Raises
    ------
    InputError
        For the first.
    """
    for name in names:
        if isinstance(name, bool):
            words = "yes and on as true" if name else "no and off as false"
            raise InputError(
                f"a name is {str(name).lower()}: YAML reads {words}. Quote it: '{'yes' if name else 'no'}'."
            )


def impossible_values(content: Any, path: str) -> Iterator[str]:
    """YAML has .inf and .nan, for which no setting has a use."""
    items = content.items() if isinstance(content, Mapping) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        yield from impossible_values(value, f"{path}.{key}" if path else str(key))
    if isinstance(content, str):
        hidden = [letter for letter in content if letter not in "\n\r\t" and category(letter) in ("Cc", "Cs")]
        if hidden:
            yield f"{path}: found {content[:40]!r}; it holds the letter {hidden[0]!r}, which no name or path has."
    if not_finite(content):
        yield f"{path}: found {content}; it must be a finite number."


def not_finite(value: Any) -> bool:
    """Whether a value is an infinite number, or none."""
    return isinstance(value, float) and not math.isfinite(value)


def named_twice(name: str, sources: Mapping[str, Any]) -> Iterator[str]:
    """What counts twice would be found with twice the evidence that there is."""
    first: dict[tuple[str, str], str] = {}
    for study, source in sources.items():
        table = source.table is not None
        key = (os.path.realpath(str(source.table)), "") if table else (str(source.dataset), str(source.contrast))
        if key in first:
            what = f"the table {source.table}" if table else f"{source.dataset}/{source.contrast}"
            yield f"studies.{name}.of.{study}: {what} is the study {first[key]} already; leave one of them out."
        first.setdefault(key, study)
