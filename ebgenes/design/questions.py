"""Questions asked of a design."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Target against baseline in one column of the sheet, all else equal."""

    column: str
    baseline: object
    target: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """A weighted sum of named coefficients."""

    weight: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Several:
    """Rows that are asked together: comparisons, weighted sums, or names of coefficients."""

    rows: tuple[Comparison | Combination | str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AllOf:
    """All coefficients of terms of the formula, asked together."""

    terms: tuple[str, ...]


Question = Comparison | Combination | Several | AllOf


def compare(column: str, *, baseline: object, target: object) -> Comparison:
    """Ask how `target` differs from `baseline` in a column of the sheet (levels, or two numbers)."""
    return Comparison(column=column, baseline=baseline, target=target)


def combine(weight: Mapping[str, float]) -> Combination:
    """Ask for a weighted sum of coefficients, by name."""
    return Combination(weight=dict(weight))


def any_of(*rows: Comparison | Combination | str) -> Several:
    """Ask whether any of several rows differs from 0: `compare`, `combine`, or names of coefficients."""
    return Several(rows=rows)


def all_of(*terms: str) -> AllOf:
    """Ask whether any coefficient of terms of the formula differs from 0: ``all_of("strain:minute")``."""
    return AllOf(terms=terms)
