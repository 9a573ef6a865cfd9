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
WITH_STANDARD_ERROR = ("fdp", "fsr", "tpr", "coverage", "rmse", "lfdr_gap")

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
        "tpr": called[~null].mean() if not null.all() else np.nan,
        "tpr_matched": longest * (1 - LEVEL) / (~null).sum() if not null.all() else np.nan,
    }


def p_calibration(p_value: np.ndarray, truth: np.ndarray) -> Row:
    """Share of the null genes' p-values below each of `P_LEVELS`; genes without a p-value are left out."""
    null_p = np.asarray(p_value)[truth == 0]
    null_p = null_p[np.isfinite(null_p)]
    return {f"null_p_{level}": np.mean(null_p < level) if len(null_p) else np.nan for level in P_LEVELS}


def interval_coverage(table: pd.DataFrame, truth: np.ndarray) -> Row:
    """Coverage of the intervals, of all genes and of those the list has."""
    known = table["low"].notna().to_numpy()
    covered = ((table["low"] <= truth) & (truth <= table["high"])).to_numpy()
    called = known & (table["adjusted"] < LEVEL).to_numpy()
    return {
        "coverage": covered[known].mean() if known.any() else np.nan,
        "coverage_called": covered[called].mean() if called.any() else np.nan,
    }


def effect_errors(estimate: np.ndarray, truth: np.ndarray) -> Row:
    """Root mean square error of the estimated effects, log2, of all genes and of the changed ones."""
    error, known = np.asarray(estimate) - truth, np.isfinite(estimate)
    return {
        name: np.sqrt(np.mean(error[chosen] ** 2)) if chosen.any() else np.nan
        for name, chosen in (("rmse", known), ("rmse_changed", known & (truth != 0)))
    }


def lfdr_gaps(lfdr: np.ndarray, truth: np.ndarray) -> Row:
    """Share of null genes minus mean lfdr, by bin of the lfdr; the last bin has its upper end."""
    result: Row = {}
    for low, high in pairwise(BINS):
        inside = (lfdr >= low) & (lfdr < (np.inf if high == 1 else high))
        gap = (truth[inside] == 0).mean() - lfdr[inside].mean() if inside.any() else np.nan
        result[f"lfdr_gap_{low}_{high}"] = gap
    return result


def stratum_rates(adjusted: np.ndarray, truth: np.ndarray, inside: np.ndarray) -> Row:
    """Genes of a stratum, those of the list, the false ones among these, and the changed genes there."""
    called = inside & (np.asarray(adjusted) < LEVEL)
    return {
        "zero_genes": inside.sum(),
        "zero_calls": called.sum(),
        "zero_false": (called & (truth == 0)).sum(),
        "zero_changed": (inside & (truth != 0)).sum(),
    }


def all_rates(table: pd.DataFrame, truth: np.ndarray, zero_in_a_group: np.ndarray) -> Row:
    """Everything that is measured of a method's answer to a set; see `methods.COLUMNS`."""
    values = {name: table[name].to_numpy() for name in table}
    return {
        **list_rates(values["adjusted"], values["order"], values["estimate"], truth),
        **effect_errors(values["estimate"], truth),
        **interval_coverage(table, truth),
        **lfdr_gaps(values["lfdr"], truth),
        **p_calibration(values["p_value"], truth),
        **stratum_rates(values["adjusted"], truth, zero_in_a_group),
    }


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
