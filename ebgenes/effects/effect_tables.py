"""Effects that other tools have estimated, as their tables hold them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ebgenes.arrays import FloatArray, text_array
from ebgenes.data.sheets import read_annotation
from ebgenes.effects.summary_statistics import degrees_of_freedom, effects_from_summary, two_sided_z
from ebgenes.errors import InputError, listing, nearest
from ebgenes.files import numbers_or_missing
from ebgenes.records.counts import Screen
from ebgenes.records.effects import Effects

QUANTITIES = {
    "gene": "ids, if they are not in the first column",
    "name": "gene names",
    "estimate": "log2 fold changes",
    "se": "their standard errors",
    "df": "degrees of freedom of these",
    "t": "t or z statistics of no effect",
    "f": "F statistics of no effect, one degree of freedom in the numerator",
    "lr": "likelihood ratio statistics of no effect, chi-squared on one degree of freedom",
    "p": "two-sided p-values of no effect",
    "base_mean": "mean counts",
    "log2_mean": "log2 of mean counts",
}
"""What a table may hold, by the names that ``--columns`` knows."""

STYLES: dict[str, dict[str, str]] = {
    "ebgenes": {
        "gene": "gene_id", "name": "gene_name", "estimate": "log2_fc", "se": "se", "df": "df", "base_mean": "base_mean",
    },
    "deseq2": {"estimate": "log2FoldChange", "se": "lfcSE", "df": "df", "p": "pvalue", "base_mean": "baseMean"},
    "ashr": {"estimate": "betahat", "se": "sebetahat", "df": "df"},
    "edger": {"estimate": "logFC", "f": "F", "lr": "LR", "p": "PValue", "df": "df.total", "log2_mean": "logCPM"},
    "limma": {"estimate": "logFC", "t": "t", "p": "P.Value", "df": "df.total", "log2_mean": "AveExpr"},
    "pertpy": {"gene": "variable", "estimate": "log_fc", "se": "se", "df": "df", "p": "p_value"},
    "summary": {"estimate": "estimate", "se": "se", "df": "df", "p": "p_value", "base_mean": "base_mean"},
}  # fmt: skip
"""Columns of other tools' tables; all but the effect and one that tells its error may be missing. Of several styles
that fit, the one with the most of its columns is taken."""

ERRORS = ("se", "t", "f", "lr", "p")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class EffectTable:
    """A table of effects, ready for a prior.

    Attributes
    ----------
    effects
        Of the genes that have an effect and a standard error.
    screen
        Every gene of the table. What could not be used has the status ``all_zero`` where its mean is 0, else
        ``low_count``.
    """

    effects: Effects
    screen: Screen


def read_effect_table(
    path: str | os.PathLike[str], *, columns: Mapping[str, str] | None = None, df: float | None = None
) -> EffectTable:
    """Read effects and standard errors from a table of DESeq2, edgeR, limma, ashr, pertpy or ours.

    Parameters
    ----------
    path
        TSV or CSV, plain or .gz, one row a gene, ids in the first column or in ``gene_id``; ``NA`` where there is
        no value.
    columns
        Names of the columns by quantity, such as ``{"estimate": "lfc", "se": "lfc_sd"}``, for a table in no known
        style; see `QUANTITIES`.
    df
        Degrees of freedom of all standard errors, for tables that do not tell.

    Raises
    ------
    InputError
        For unknown or ambiguous columns, values that are no numbers, or no row with an effect and an error.

    Warns
    -----
    UserWarning
        Where rows are left out, and where effects seem to be shrunken already.

    Notes
    -----
    Standard errors are taken as they are; else they are ``|effect| / |t|``, with ``sqrt(F)`` or ``sqrt(LR)`` for
    ``|t|``, or with the z-score of a two-sided p-value where there is nothing else. Degrees of freedom come from
    `df`, from their column, or from each statistic and its p-value together. edgeR shrinks its effects a little
    (prior.count), and so these errors. A DESeq2 gene without a p-value has outlying counts: its status is
    ``outlier``.
    """
    frame = read_annotation(path)
    style = _given(frame, columns, path) if columns else _recognised(frame, path)
    for column in (style.get("gene"), "gene_id"):
        if column in frame.columns:
            frame = frame.set_index(column)
    numbers = {
        quantity: numbers_or_missing(frame[column], path)
        for quantity, column in style.items()
        if column in frame.columns and quantity not in ("gene", "name")
    }
    if style == STYLES["deseq2"] and "stat" not in frame.columns:
        warnings.warn(
            f"{path} has DESeq2's columns but no statistics (stat), as lfcShrink leaves it: effects that were shrunk "
            "before would be shrunk twice. Give the table of results() instead.",
            stacklevel=2,
        )
    estimate = numbers["estimate"].to_numpy(float)
    se = _standard_errors(numbers, estimate)
    present = ~np.isnan(estimate) & ~np.isnan(se)
    if not present.any():
        raise InputError(f"{path}: none of {len(present)} rows has both an effect and a standard error.")
    if not present.all():
        warnings.warn(
            f"{path}: {int((~present).sum())} of {len(present)} rows have no effect or standard error and are left "
            f"out (first: {frame.index[~present][0]})",
            stacklevel=2,
        )
    base_mean = _base_mean(numbers, len(frame))
    freedom = np.full(len(frame), np.inf) if df is None else np.full(len(frame), float(df))
    if df is None:
        freedom[present] = _freedom(numbers, estimate, se, present)
    effects = effects_from_summary(
        list(frame.index[present]), estimate[present], se[present], freedom[present], base_mean=base_mean[present]
    )
    if style == STYLES["deseq2"] and "p" in numbers:
        outlying = numbers["p"].isna().to_numpy()[present]
        effects = replace(effects, status=text_array(np.where(outlying, "outlier", "ok")))
    unused = np.where(base_mean == 0, "all_zero", "low_count")
    name = frame[style["name"]] if style.get("name") in frame.columns else pd.Series("", index=frame.index)
    screen = Screen(
        gene=text_array(frame.index),
        status=text_array(np.where(present, "ok", unused)),
        base_mean=base_mean,
        name=text_array(name),
    )
    return EffectTable(effects=effects, screen=screen)


def _given(frame: pd.DataFrame, columns: Mapping[str, str], path: Any) -> dict[str, str]:
    """Columns as the user names them, checked."""
    for quantity, column in columns.items():
        if quantity not in QUANTITIES:
            raise InputError(
                f"columns: {quantity!r} is not a quantity of an effect table; choose from {listing(QUANTITIES, 20)}."
                f"{nearest(quantity, QUANTITIES)}"
            )
        if column not in frame.columns:
            raise InputError(
                f"{path} has no column {column!r}. It has: {listing(frame.columns)}.{nearest(column, frame.columns)}"
            )
    if "estimate" not in columns or not set(ERRORS) & set(columns):
        raise InputError(
            "columns must name an estimate and one of se, t, f, lr or p, for example {estimate: my_lfc, se: my_se}."
        )
    return dict(columns)


def _recognised(frame: pd.DataFrame, path: Any) -> dict[str, str]:
    """The style that most columns of the table speak for."""

    def fits(style: Mapping[str, str]) -> bool:
        told = any(style.get(quantity) in frame.columns for quantity in ERRORS)
        return told and style["estimate"] in frame.columns

    known = {name: style for name, style in STYLES.items() if fits(style)}
    if not known:
        looked = "; ".join(f"{name} ({listing(style.values())})" for name, style in STYLES.items())
        raise InputError(
            f"{path} has no effect and standard error columns that are known: {looked}. "
            f"It has: {listing(frame.columns)}. Name them with --columns '{{estimate: my_lfc, se: my_se}}'."
        )
    effects = {style["estimate"] for style in known.values()}
    if len(effects) > 1:
        raise InputError(
            f"{path} has effects of {len(effects)} kinds ({listing(sorted(effects))}). "
            "Say which with --columns '{estimate: my_lfc, se: my_se}'."
        )
    return max(known.values(), key=lambda style: sum(column in frame.columns for column in style.values()))


def _statistic(numbers: Mapping[str, pd.Series]) -> FloatArray | None:
    """Size of the t or z statistics, (G,); None where the table has none."""
    if "t" in numbers:
        return np.asarray(np.abs(numbers["t"].to_numpy(float)))
    for quantity in ("f", "lr"):
        if quantity in numbers:
            return np.asarray(np.sqrt(np.maximum(numbers[quantity].to_numpy(float), 0)))
    return None


def _standard_errors(numbers: Mapping[str, pd.Series], estimate: FloatArray) -> FloatArray:
    if "se" in numbers:
        return numbers["se"].to_numpy(float)
    size = _statistic(numbers)
    if size is None:
        size = two_sided_z(numbers["p"].to_numpy(float))
    with np.errstate(divide="ignore", invalid="ignore"):
        se = np.abs(estimate) / size
    # An effect or a statistic of exactly 0 tells nothing of the error.
    return np.where((se > 0) & np.isfinite(se), se, np.nan)


def _freedom(numbers: Mapping[str, pd.Series], estimate: FloatArray, se: FloatArray, present: Any) -> FloatArray:
    """Degrees of freedom of the genes that are present."""
    if "df" in numbers:
        given = numbers["df"].to_numpy(float)[present]
        return np.where(np.isnan(given), np.inf, given)
    size = _statistic(numbers)
    if size is None or "p" not in numbers or "lr" in numbers:
        return np.full(int(present.sum()), np.inf)
    return degrees_of_freedom(size[present], numbers["p"].to_numpy(float)[present])


def _base_mean(numbers: Mapping[str, pd.Series], n_genes: int) -> FloatArray:
    if "base_mean" in numbers:
        return numbers["base_mean"].to_numpy(float)
    if "log2_mean" in numbers:
        return np.asarray(2.0 ** numbers["log2_mean"].to_numpy(float))
    return np.full(n_genes, np.nan)
