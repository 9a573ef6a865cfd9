"""Random factors: samples of one group told apart from others, and what that means for a comparison, in words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ebgenes.arrays import FloatArray, text_array
from ebgenes.design.columns import is_missing
from ebgenes.design.formulas import NAME
from ebgenes.errors import InputError, listing, nearest
from ebgenes.records.design import Design, Grouping

if TYPE_CHECKING:
    import pandas as pd

MOST_FACTORS = 2

ROUNDING = 1e-8
"""Parts of a column, relative to it, that are nothing but rounding."""


def build_groupings(samples: pd.DataFrame, factors: Sequence[str], formula: str) -> tuple[Grouping, ...]:
    """Groups of the samples by each factor.

    Raises
    ------
    InputError
        For an unknown column, missing values, more factors than two, or groups that are all of one sample or only one.
    """
    if len(factors) > MOST_FACTORS:
        raise InputError(
            f"the formula {formula!r} has {len(factors)} random factors ({listing(factors)}); at most {MOST_FACTORS} "
            "are available. Put the one with few levels among the fixed terms."
        )
    return tuple(_grouping(samples, factor, formula) for factor in factors)


def _grouping(samples: pd.DataFrame, factor: str, formula: str) -> Grouping:
    columns = [name.strip("`") for name in re.findall(NAME, factor)]
    for name in columns:
        if name not in samples.columns:
            raise InputError(
                f"the random factor {name!r} of {formula!r} is not a column of the sample sheet. "
                f"Its columns: {listing(samples.columns)}.{nearest(name, samples.columns)}"
            )
        empty = is_missing(samples[name])
        if empty.any():
            raise InputError(
                f"column {name!r} of the sample sheet is empty for {int(empty.sum())} of {len(samples)} samples "
                f"(first: {samples.index[empty][0]}). Fill it in, or drop these samples."
            )
    label = samples[columns].astype(str).agg(":".join, axis=1)
    group, code = np.unique(label.to_numpy(dtype=object), return_inverse=True)
    name = ":".join(columns)
    if len(group) < 2:
        raise InputError(f"all {len(samples)} samples have the same {name}, {group[0]!r}. Drop the random factor.")
    if len(group) == len(samples):
        raise InputError(
            f"every one of the {len(samples)} samples has a {name} of its own, so that nothing tells {name}s from "
            "samples. Drop the random factor."
        )
    return Grouping(name=name, group=text_array(group), code=code)


def group_means(column: FloatArray, factor: Grouping) -> FloatArray:
    """A column with every value replaced by the mean of its group, (S,) or (S, n)."""
    size = np.bincount(factor.code, minlength=len(factor.group))
    values = column[:, None] if column.ndim == 1 else column
    means = np.column_stack([np.bincount(factor.code, each, len(factor.group)) / size for each in values.T])
    return means[factor.code].reshape(column.shape)


def independent_columns(matrix: FloatArray) -> list[int]:
    """Columns, first come first kept, that are no sums of earlier ones."""
    kept: list[int] = []
    basis = np.zeros((len(matrix), 0))
    for j, column in enumerate(matrix.T):
        # Twice, because one projection leaves rounding of the size of what it took away.
        rest = column - basis @ (basis.T @ column)
        rest = rest - basis @ (basis.T @ rest)
        if np.linalg.norm(rest) > ROUNDING * max(float(np.linalg.norm(column)), 1e-300):
            kept.append(j)
            basis = np.column_stack([basis, rest / np.linalg.norm(rest)])
    return kept


def indicators(random: Sequence[Grouping]) -> FloatArray:
    """One column for each group of every factor, (S, J)."""
    return np.column_stack([(factor.code[:, None] == np.arange(len(factor.group))).astype(float) for factor in random])


def group_columns(design: Design) -> FloatArray:
    """The design with its groups as fixed columns, those that repeat others left out, (S, P')."""
    wide = np.column_stack([design.matrix, indicators(design.random)])
    return wide[:, independent_columns(wide)]


def exposure(design: Design) -> FloatArray:
    """What the contrast asks the effect of: the direction in which the design moves with it, (S,)."""
    if design.contrast is None:
        raise ValueError("the design has no contrast")
    weight = design.contrast.weight
    return np.asarray(design.matrix @ weight / (weight @ weight))


def _beside(design: Design, column: FloatArray, columns: FloatArray) -> bool:
    """Whether a column adds to others and to the design's coordinates apart from the contrast."""
    others = np.column_stack([columns, nuisance(design)])
    others = others[:, independent_columns(others)]
    return bool(len(independent_columns(np.column_stack([others, column]))) > others.shape[1])


def nuisance(design: Design) -> FloatArray:
    """The design's columns apart from the contrast: X N with N an orthonormal basis of null(c'), (S, P - 1)."""
    if design.contrast is None:
        raise ValueError("the design has no contrast")
    weight = design.contrast.weight[:, None]
    basis, _ = np.linalg.qr(np.column_stack([weight, np.eye(len(weight))]))
    return np.asarray(design.matrix @ basis[:, 1 : len(weight)])


def identified_within(design: Design) -> bool:
    """Whether the contrast could be estimated with every group as a fixed effect."""
    return _beside(design, exposure(design), indicators(design.random))


def differs_between(design: Design, factor: Grouping) -> bool:
    """Whether groups differ in their mean of the comparison, other columns of the design apart."""
    mean = group_means(exposure(design), factor)
    return _beside(design, mean, np.ones((len(mean), 1)))


def describe_factors(design: Design) -> list[str]:
    """How many groups there are, what varies within and between them, and what fixed effects could not tell."""
    lines = [line for factor in design.random for line in _describe_factor(design, factor)]
    return [*lines, *_describe_pair(design.random)]


def _describe_factor(design: Design, factor: Grouping) -> list[str]:
    size = np.bincount(factor.code)
    counts = f"{size.min()}" if size.min() == size.max() else f"{size.min()} to {size.max()}"
    single = int(np.sum(size == 1))
    lines = [
        f"Random factor {factor.name}: {len(factor.group)} groups of {counts} samples"
        + (f", {single} of them of one sample, which say nothing of differences within a group." if single else ".")
    ]
    named = [i for i, name in enumerate(design.coefficient) if name not in ("Intercept", "1")]
    within: list[str] = []
    between: list[str] = []
    for i in named:
        column = design.matrix[:, i]
        rest = column - group_means(column, factor)
        varies = np.linalg.norm(rest) > ROUNDING * max(float(np.linalg.norm(column)), 1e-300)
        (within if varies else between).append(str(design.coefficient[i]))
    parts = []
    if within:
        parts.append(f"{listing(within)} {_vary(within)} within {factor.name}")
    if between:
        parts.append(
            f"{listing(between)} {_vary(between)} only between {factor.name}s, and could not be estimated if "
            f"{factor.name} were a fixed effect"
        )
    return [*lines, *([f"{'; '.join(parts)}."] if parts else [])]


def _vary(names: Sequence[str]) -> str:
    return "varies" if len(names) == 1 else "vary"


def _describe_pair(random: Sequence[Grouping]) -> list[str]:
    if len(random) < 2:
        return []
    first, second = random
    pairs = len(set(zip(first.code.tolist(), second.code.tolist(), strict=True)))
    for inner, outer in ((first, second), (second, first)):
        if pairs == len(inner.group):
            return [f"Every {inner.name} lies within one {outer.name}: the factors are nested."]
    return [
        f"{first.name} and {second.name} are crossed: the same {first.name} occurs with several {second.name}s, and "
        f"the other way round. If names of {second.name}s only count within a {first.name}, write "
        f"{first.name}/{second.name}."
    ]


def describe_comparison(design: Design) -> str:
    """Where a comparison gets its evidence from: within groups, between them, or both."""
    names = listing([factor.name for factor in design.random])
    if not identified_within(design):
        return (
            f"The comparison varies only between groups ({names}): with these as fixed effects it is unidentified, and "
            "its evidence is as many groups as there are, not samples."
        )
    if any(differs_between(design, factor) for factor in design.random):
        return (
            f"The comparison varies both within and between groups ({names}): fixed effects would use the part within "
            "alone, random effects use both and rely on groups not differing for other reasons that go along with it."
        )
    return (
        f"The comparison varies within groups ({names}) and has the same mean in each: random and fixed effects give "
        "the same effect, up to weights."
    )
