"""Effects that others have estimated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import special

from ebgenes.arrays import LARGEST, FloatArray, text_array
from ebgenes.effects.engines.normal import ENGINE as NORMAL
from ebgenes.errors import InputError
from ebgenes.records.effects import Effects

LEAST_DF = 0.5
"""Degrees of freedom below which a t distribution has tails that no scale of a prior reaches."""


def effects_from_summary(
    gene: Sequence[str] | Any,
    estimate: FloatArray | Any,
    se: FloatArray | Any,
    df: FloatArray | float | None = None,
    *,
    base_mean: FloatArray | Any | None = None,
    contrast: str = "effect",
    up_label: str = "higher",
    down_label: str = "lower",
    unit: float | None = None,
) -> Effects:
    """Effects from estimates and standard errors: what users of ashr have.

    Parameters
    ----------
    gene, estimate, se
        Ids, effects and standard errors, (G,); log2, or in any other unit.
    df
        Degrees of freedom of the standard errors, one for all or one each; None: known exactly
        (normal likelihood).
    base_mean
        Mean expression, (G,), where known.
    contrast, up_label, down_label
        Name of the comparison and what the signs mean.
    unit
        How far an effect of 1 moves the samples apart, log2; None: unknown, and fixed scales of the prior follow the
        median standard error.

    Raises
    ------
    InputError
        For duplicate genes, or values that are missing, infinite or not positive where they must be.
    """
    ids = text_array(gene)
    n = len(ids)
    if len(set(ids)) < n:
        repeated = sorted(name for name, times in Counter(ids).items() if times > 1)
        raise InputError(
            f"gene ids must be unique; {len(repeated)} occur more than once (first: {repeated[0]}). "
            "Merge or rename them."
        )
    values: dict[str, Any] = {
        "estimate": np.asarray(estimate, dtype=float),
        "se": np.asarray(se, dtype=float),
        "df": np.broadcast_to(np.asarray(np.inf if df is None else df, dtype=float), n),
    }
    good = {
        "estimate": (np.abs(values["estimate"]) <= LARGEST, "a finite number"),
        "se": ((values["se"] >= 1 / LARGEST) & (values["se"] <= LARGEST), "a finite number above 0"),
        "df": (values["df"] >= LEAST_DF, f"a number of {LEAST_DF} or more"),
    }
    for name, (fine, what) in good.items():
        if not fine.all():
            first = int(np.argmin(fine))
            raise InputError(
                f"{name} must be {what}; {int((~fine).sum())} of {n} genes have not "
                f"(first: {ids[first]}: {values[name][first]}). Remove these rows."
            )
    return Effects(
        gene=ids,
        **values,
        base_mean=np.full(n, np.nan) if base_mean is None else base_mean,
        contrast=contrast,
        up_label=up_label,
        down_label=down_label,
        engine=NORMAL.name,
        scalars={},
        unit=unit,
    )


SAME_DF = 0.02
"""Share of the median by which recovered degrees of freedom may differ and still be called the same."""


def degrees_of_freedom(statistic: FloatArray, p_value: FloatArray) -> FloatArray:
    """The df with which t statistics have their two-sided p-values, (G,); infinite for a normal.

    Genes whose p-value does not tell (none given, near 1, or beyond a float's digits) get the median of the others,
    and so do those next to it, because tables round.
    """
    size = np.abs(statistic)
    with np.errstate(invalid="ignore"):
        telling = (size > 0.5) & (p_value > 1e-200) & (p_value < 0.9)
    df = np.full(len(size), np.inf)
    if not telling.any():
        return df
    low, high = np.full(int(telling.sum()), np.log(0.5)), np.full(int(telling.sum()), np.log(1e6))
    for _ in range(60):
        middle = (low + high) / 2
        heavier = 2 * special.stdtr(np.exp(middle), -size[telling]) > p_value[telling]
        low, high = np.where(heavier, middle, low), np.where(heavier, high, middle)
    found = np.exp((low + high) / 2)
    found[found > 1e4] = np.inf
    common = float(np.quantile(found, 0.5, method="nearest"))
    df[:] = common
    df[telling] = np.where(np.abs(1 / found - 1 / common) < SAME_DF / common, common, found)
    return df


def two_sided_z(p_value: FloatArray) -> FloatArray:
    """Size of the z-scores of two-sided p-values, (G,); those of 0 count as the smallest number."""
    return np.asarray(-special.ndtri(np.maximum(p_value, 1e-300) / 2))
