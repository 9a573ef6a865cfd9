"""Realised error rates on simulated cells, averaged over fresh sets.

python benchmarks/calibration/cells.py [--sets 20]

Cells: 2, 3, 5 and 10 samples per group; dispersions log-normal around their trend (s1) or with the heavier tail
4/chi-squared(5) (s2); 8,000 genes, 15% of them changed by N(0, (.8 nat)^2), those with 10 reads or more kept.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

import ebgenes as eb

HERE = Path(__file__).parent
LEVEL = 0.05
BINS = (0, 0.05, 0.2, 0.5, 0.8, 1)


def one_set(seed: int, n: int, heavy_tail: bool) -> Iterator[dict[str, float]]:
    """Error rates of every method on one set."""
    made = eb.simulate_counts(np.random.default_rng(seed), n_per_group=n, heavy_tail=heavy_tail)
    seen = made.counts.count.sum(axis=1) >= 10
    counts = replace(made.counts, gene=made.counts.gene[seen], count=made.counts.count[seen])
    truth = made.effect[seen]
    design = eb.build_design(made.samples, "~ group", eb.compare("group", baseline="control", target="treated"))
    effects = eb.fit_effects(counts, design, engine="moderated_t")
    table = eb.results_table(effects, eb.posterior(effects, eb.fit_em(effects).prior))
    yield {"method": "moderated_t, q-value", **rates(table["q_value"], table["lfdr"], truth), **quality(table, truth)}
    yield {"method": "moderated_t, BH", **rates(table["adj_p_value"], table["p_value"], truth)}


def rates(adjusted: np.ndarray, order: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """List length, realised FDP and TPR at the level, and TPR of the longest list whose realised FDP is the level."""
    called, null = np.asarray(adjusted) < LEVEL, truth == 0
    false_share = np.cumsum(null[np.argsort(order, kind="stable")]) / np.arange(1, len(truth) + 1)
    longest = np.flatnonzero(false_share <= LEVEL).max(initial=-1) + 1
    return {
        "calls": called.sum(),
        "fdp": null[called].mean() if called.any() else 0.0,
        "tpr": called[~null].mean(),
        "tpr_matched": longest * (1 - LEVEL) / (~null).sum(),
    }


def quality(table, truth: np.ndarray) -> dict[str, float]:
    """Coverage of the intervals, of all genes and of the called ones, and null share minus mean lfdr by bin."""
    covered = (table["ci_low"] <= truth) & (truth <= table["ci_high"])
    called = table["q_value"] < LEVEL
    result = {"coverage": covered.mean(), "coverage_called": covered[called].mean() if called.any() else np.nan}
    for low, high in pairwise(BINS):
        inside = (table["lfdr"] >= low) & (table["lfdr"] < high)
        gap = (truth[inside] == 0).mean() - table["lfdr"][inside].mean() if inside.any() else np.nan
        result[f"lfdr_gap_{low}_{high}"] = gap
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=20)
    sets = parser.parse_args().sets
    rows = []
    for n in (2, 3, 5, 10):
        for heavy_tail in (False, True):
            runs = [list(one_set(1000 * n + 500 * heavy_tail + seed, n, heavy_tail)) for seed in range(sets)]
            for method in zip(*runs, strict=True):
                row = {"cell": f"n{n}_s{1 + heavy_tail}", "method": method[0]["method"], "sets": sets}
                for name in [key for key in runs[0][0] if key != "method"]:
                    values = np.array([run.get(name, np.nan) for run in method], dtype=float)
                    values = values[np.isfinite(values)]
                    row[name] = f"{values.mean():.4g}" if len(values) else ""
                    if name == "fdp":
                        row["fdp_se"] = f"{values.std(ddof=1) / np.sqrt(len(values)):.2g}"
                rows.append(row)
                print(row["cell"], row["method"], row["calls"], row["fdp"], row["tpr"], row["tpr_matched"], flush=True)
    with (HERE / "cells.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
