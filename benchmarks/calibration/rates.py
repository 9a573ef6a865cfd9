"""What is measured of a list of genes whose truth is known, and how it is averaged and written."""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

LEVEL = 0.05
P_LEVELS = (0.05, 0.01, 0.001)
BINS = (0, 0.05, 0.2, 0.5, 0.8, 1)
WITH_STANDARD_ERROR = ("fdp", "fsr", "coverage", "coverage_called", "lfdr_gap")

Row = dict[str, float | str]


def list_rates(adjusted: np.ndarray, order: np.ndarray, sign: np.ndarray, truth: np.ndarray) -> Row:
    """Error rates of the list of genes whose `adjusted` value is below the level.

    Length, realised FDP, realised share of wrong signs (a null gene has none that is right, as in the lfsr), TPR, and
    the TPR of the longest list by `order` whose realised FDP is the level. Genes without values are not called and
    come last.
    """
    called, null = np.asarray(adjusted) < LEVEL, truth == 0
    # As an array, because numpy puts missing values last and pandas does not.
    ranking = np.argsort(np.asarray(order, dtype=float), kind="stable")
    false_share = np.cumsum(null[ranking]) / np.arange(1, len(truth) + 1)
    longest = np.flatnonzero(false_share <= LEVEL).max(initial=-1) + 1
    return {
        "calls": called.sum(),
        "fdp": null[called].mean() if called.any() else 0.0,
        "fsr": (np.sign(np.asarray(sign)) != np.sign(truth))[called].mean() if called.any() else 0.0,
        "tpr": called[~null].mean(),
        "tpr_matched": longest * (1 - LEVEL) / (~null).sum(),
    }


def p_calibration(p_value: np.ndarray, truth: np.ndarray) -> Row:
    """Share of the null genes' p-values below each of `P_LEVELS`; genes without a p-value are left out."""
    null_p = np.asarray(p_value)[truth == 0]
    null_p = null_p[np.isfinite(null_p)]
    return {f"null_p_{level}": np.mean(null_p < level) for level in P_LEVELS}


def interval_coverage(table: pd.DataFrame, truth: np.ndarray) -> Row:
    """Coverage of the intervals, of all genes and of those the q-value calls."""
    covered = (table["ci_low"] <= truth) & (truth <= table["ci_high"])
    called = table["q_value"] < LEVEL
    return {"coverage": covered.mean(), "coverage_called": covered[called].mean() if called.any() else np.nan}


def lfdr_gaps(table: pd.DataFrame, truth: np.ndarray) -> Row:
    """Share of null genes minus mean lfdr, by bin of the lfdr."""
    result: Row = {}
    for low, high in pairwise(BINS):
        inside = (table["lfdr"] >= low) & (table["lfdr"] < high)
        gap = (truth[inside] == 0).mean() - table["lfdr"][inside].mean() if inside.any() else np.nan
        result[f"lfdr_gap_{low}_{high}"] = gap
    return result


def average(cell: str, sets: list[list[Row]]) -> list[Row]:
    """One row for each method: the means of its measures over the sets, some with their Monte Carlo standard errors."""
    return [_average_method(cell, list(runs)) for runs in zip(*sets, strict=True)]


def _average_method(cell: str, runs: list[Row]) -> Row:
    row: Row = {"cell": cell, "method": runs[0]["method"], "sets": len(runs)}
    for name in [key for key in runs[0] if key != "method"]:
        row |= _mean_over_sets(name, np.array([run[name] for run in runs], dtype=float))
    return row


def _mean_over_sets(name: str, values: np.ndarray) -> Row:
    # A set may have no gene in a bin.
    values = values[np.isfinite(values)]
    row: Row = {name: f"{values.mean():.4g}" if len(values) else ""}
    if name.startswith(WITH_STANDARD_ERROR):
        row[f"{name}_se"] = f"{values.std(ddof=1) / np.sqrt(len(values)):.2g}" if len(values) > 1 else ""
    return row


def write_rows(path: Path, rows: list[Row]) -> None:
    """A CSV with every column that some row has."""
    columns = dict.fromkeys(name for row in rows for name in row)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
