"""Write docs/benchmarks.md and docs/benchmarks.svg out of the tables that the benchmarks left in benchmarks/.

python docs/benchmarks.py
"""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

ROOT = Path(__file__).parents[1]
CALIBRATION, SPEED = ROOT / "benchmarks/calibration", ROOT / "benchmarks/speed"
LEVEL = 0.05
MANY = 8
"""Of fewer sets a standard error is itself uncertain, and may not fall below what the lists' length alone gives."""

DEFAULT = "likelihood"
WITH_MEAN = "likelihood, covariate base_mean"
SHOWN = ("likelihood", "moderated_t", "DESeq2, BH", "edgeR QL, BH", "limma voom, BH")
COLOURS = dict(zip(SHOWN, ("#0072b2", "#56b4e9", "#d55e00", "#009e73", "#cc79a7"), strict=True))
WHY = {
    "change follows mean": "whether a gene changes depends on its mean, which only covariates could know",
    "bimodal": "normals around 0 have no two peaks beside it",
    "one-sided": "where unchanged genes lie has to be told from genes that mostly move one way",
    "wrong trend": "dispersions follow another trend with the mean than the engine's",
    "bottomly": "mice of three batches share more than the factor that is found; `hidden_factors: 0` holds its level",
}
"""Where it is known, what a cell's name says of why lists do not hold their level."""

BINS = ("0_0.05", "0.05_0.2", "0.2_0.5", "0.5_0.8", "0.8_1")


def read_evidence(name: str) -> pd.DataFrame:
    """Averages of each cell and method, with `judged_se`; versions leave the methods' names."""
    table = pd.read_csv(CALIBRATION / name)
    table["method"] = table["method"].str.replace(r" \d+(\.\d+)+", "", regex=True)
    table["ours"] = table["method"].str.match("likelihood|moderated_t")
    length = np.maximum(table["calls"] * table["sets"], 1)
    least = np.where(table["sets"] < MANY, np.sqrt(LEVEL * (1 - LEVEL) / length), 0.0)
    table["judged_se"] = np.maximum(table["fdp_se"].fillna(0), least)
    table["holds"] = table["fdp"] <= LEVEL + 2 * table["judged_se"]
    table["null"] = table["cell"].str.contains("null split")
    return table


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def number(value: float, digits: int = 3, sign: str = "") -> str:
    """As the pages of this project write it: no 0 before the point."""
    if not np.isfinite(value):
        return ""
    text = f"{value:{sign}.{digits}f}"
    return text.replace("0.", ".", 1) if text.lstrip("+-").startswith("0.") else text


def with_error(value: float, error: float, sign: str = "") -> str:
    return number(value, sign=sign) + (f" ({number(error)})" if np.isfinite(error) else "")


def rows_of(table: pd.DataFrame, method: str) -> pd.DataFrame:
    return table[table["method"] == method].set_index("cell")


def over_level(table: pd.DataFrame) -> str:
    """Cells in which the default engine's lists do not hold their level."""
    own = rows_of(table[~table["null"]], DEFAULT)
    lost = own[~own["holds"]].sort_values("fdp", ascending=False)
    text = f"The default engine's realised FDR is above 5% + 2 standard errors in {len(lost)} of {len(own)} cells"
    if lost.empty:
        return f"{text}.\n"
    rows = []
    for cell, row in lost.iterrows():
        peers = table[(table["cell"] == cell) & ~table["ours"]]
        held = peers[peers["holds"]].sort_values("tpr", ascending=False)["method"]
        why = next((words for part, words in WHY.items() if part in str(cell)), "")
        rows.append(
            [str(cell), with_error(row["fdp"], row["judged_se"]), number(row["tpr"]), ", ".join(held) or "none", why]
        )
    return text + ":\n\n" + markdown(["cell", "realised FDR (s.e.)", "TPR", "peers that hold the level", "why"], rows)


def beaten(table: pd.DataFrame) -> str:
    """Cells in which a peer that holds its level lists more of the changed genes."""
    rows, n_cells = [], 0
    for cell, group in table[~table["null"]].groupby("cell", sort=False):
        own, peers = group[group["method"] == DEFAULT], group[~group["ours"] & group["holds"]]
        if own.empty or peers.empty:
            continue
        n_cells += 1
        mine, best = own.iloc[0], peers.loc[peers["tpr"].idxmax()]
        lead, error = best.get("tpr_lead", np.nan), best.get("tpr_lead_se", np.nan)
        lead = mine["tpr"] - best["tpr"] if not np.isfinite(lead) else lead
        if lead >= 0:
            continue
        rows.append(
            [
                str(cell),
                with_error(lead, error, "+"),
                f"{number(mine['fdp'])}, {number(mine['tpr'])}, {number(mine['tpr_matched'])}",
                str(best["method"]),
                f"{number(best['fdp'])}, {number(best['tpr'])}, {number(best['tpr_matched'])}",
            ]
        )
    text = (
        f"In {len(rows)} of {n_cells} cells its TPR at the nominal level is below that of the best peer that holds its "
        "level"
    )
    if not rows:
        return text + ".\n"
    header = ["cell", "TPR lead (paired s.e.)", "ours: FDR, TPR, matched", "peer", "its FDR, TPR, matched"]
    return text + ":\n\n" + markdown(header, rows)


def every_cell(table: pd.DataFrame) -> str:
    header = ["cell", "sets", *SHOWN]
    rows = []
    for cell, group in table[~table["null"]].groupby("cell", sort=False):
        found = group.set_index("method")
        row = [str(cell), str(int(group["sets"].max()))]
        for method in SHOWN:
            if method not in found.index:
                row.append("")
                continue
            one = found.loc[method]
            mark = "" if one["holds"] else "**"
            values = f"{mark}{number(one['fdp'])}{mark} ({number(one['judged_se'])})"
            row.append(f"{values}, {number(one['tpr'])}, {number(one['tpr_matched'])}")
        rows.append(row)
    return markdown(header, rows)


def not_run(table: pd.DataFrame) -> str:
    """Methods that the benchmark knows and this run had not, or had no time for."""
    absent = [
        name for name in ("PyDESeq2", "InMoose", "apeglm", "ashr") if not table["method"].str.contains(name).any()
    ]
    return f"Not run here: {', '.join(absent)}." if absent else ""


def every_method(table: pd.DataFrame) -> str:
    """Means over cells; cells that do not hold the level are counted."""
    rows = []
    shared = table[~table["null"]]
    for method, group in shared.groupby("method", sort=False):
        own = rows_of(shared, DEFAULT).loc[group["cell"]]
        rows.append(
            [
                str(method),
                f"{int((~group['holds']).sum())} of {len(group)}",
                *(number(group[name].mean()) for name in ("fdp", "fsr", "tpr", "tpr_matched")),
                number(float(own["tpr_matched"].mean())),
                *(number(group[name].mean()) for name in ("rmse", "coverage", "coverage_called")),
            ]
        )
    header = [
        "method", "cells over the level", "FDR", "wrong signs", "TPR", "matched TPR", "default's, same cells",
        "RMSE, log2", "coverage", "of the listed",
    ]  # fmt: skip
    return markdown(header, rows)


def lfdr(table: pd.DataFrame) -> str:
    found = table[~table["null"] & table[f"lfdr_gap_{BINS[0]}"].notna()]
    rows = [
        [str(method), *(with_error(group[f"lfdr_gap_{b}"].mean(), group[f"lfdr_gap_{b}"].std(), "+") for b in BINS)]
        for method, group in found.groupby("method", sort=False)
    ]
    return markdown(["method", *(b.replace("_", " to ").replace("0.", ".") for b in BINS)], rows)


def zero_stratum(table: pd.DataFrame) -> str:
    rows = []
    for method, group in table[~table["null"]].groupby("method", sort=False):
        total = group[["zero_genes", "zero_calls", "zero_false", "zero_changed"]].mul(group["sets"], axis=0).sum()
        if not total["zero_genes"]:
            continue
        false, error = np.nan, np.nan
        if total["zero_calls"]:
            false = total["zero_false"] / total["zero_calls"]
            error = np.sqrt(max(false, LEVEL) * (1 - max(false, LEVEL)) / total["zero_calls"])
        power = (total["zero_calls"] - total["zero_false"]) / max(total["zero_changed"], 1)
        counts = [f"{total[name]:,.0f}" for name in ("zero_genes", "zero_changed", "zero_calls")]
        rows.append([str(method), *counts, with_error(false, error), number(power)])
    return markdown(["method", "genes", "changed", "listed", "false share (s.e.)", "TPR"], rows)


def null_splits(table: pd.DataFrame) -> str:
    found = table[table["null"]]
    shown = [*SHOWN, WITH_MEAN]
    rows = []
    for cell, group in found.groupby("cell", sort=False):
        by_method = group.set_index("method")["calls"]
        calls = [f"{by_method[method]:.1f}" if method in by_method.index else "" for method in shown]
        rows.append([str(cell), str(int(group["sets"].max())), *calls])
    return markdown(["cell", "sets", *shown], rows)


def base_mean(table: pd.DataFrame) -> str:
    """The covariate base_mean against none, cell by cell."""
    found = table[~table["null"]]
    without, with_it = rows_of(found, DEFAULT), rows_of(found, WITH_MEAN)
    rows = []
    for cell, one in with_it.iterrows():
        plain = without.loc[cell]
        rows.append(
            [
                str(cell),
                with_error(plain["fdp"], plain["judged_se"]),
                with_error(one["fdp"], one["judged_se"]),
                with_error(-one["tpr_lead"], one["tpr_lead_se"], "+"),
                number(one["tpr_matched"] - plain["tpr_matched"], sign="+"),
            ]
        )
    away = with_it[~with_it.index.str.contains("change follows mean")]
    before = without.loc[away.index]
    moved = {
        name: f"from {number(before[name].mean(), 4)} to {number(away[name].mean(), 4)}"
        for name in ("fdp", "tpr", "tpr_matched")
    }
    text = (
        f"Where the chance to be changed does not follow the mean by construction ({len(away)} cells), the covariate "
        f"moves the mean realised FDR {moved['fdp']}, the mean TPR {moved['tpr']} and the mean matched TPR "
        f"{moved['tpr_matched']}; {int((~before['holds']).sum())} cells are over the level without it and "
        f"{int((~away['holds']).sum())} with it."
    )
    header = ["cell", "FDR without (s.e.)", "FDR with (s.e.)", "TPR, with less without (s.e.)", "matched TPR"]
    return f"{text}\n\n{markdown(header, rows)}"


def speed_engines() -> str:
    table = pd.read_csv(SPEED / "engines.csv")
    contestants = list(dict.fromkeys(table["contestant"]))
    rows = []
    for design, group in table.groupby("design", sort=False):
        found = group.set_index("contestant")
        row = [str(design), f"{int(group['samples'].iloc[0]):,}", f"{int(group['genes'].iloc[0]):,}"]
        for contestant in contestants:
            one = found.loc[contestant] if contestant in found.index else None
            row.append("" if one is None else f"{one['cpu_s']:.2f} ({one['cpu_ratio_median']:.2f})")
        rows.append(row)
    return markdown(["design", "samples", "genes", *contestants], rows)


def as_it_is(name: str, columns: Sequence[str]) -> str:
    """A table of the speed benchmarks, some of its columns."""
    table = pd.read_csv(SPEED / name, dtype=str).fillna("")
    return markdown([column.replace("_", " ") for column in columns], table[list(columns)].to_numpy().tolist())


SPEED_TABLES = (
    ("Prior fits", "prior.csv", ("effects", "contestant", "cpu_s", "cpu_ratio_median", "peak_mib", "runs")),
    ("Draws of the prior", "gibbs.csv", ("what", "genes", "ours_cpu_s", "ours_ess_per_s", "nuts_ess_per_s", "ratio")),
    ("Scaling", "scaling.csv", ("engine", "axis", "genes", "samples", "threads", "cpu_s", "wall_s", "exponent")),
    ("Starts", "start.csv", ("start", "cpu_s", "cpu_ratio_median", "wall_s", "wall_ratio_median", "runs")),
    (
        "Whole airway study against R",
        "airway_workflow.csv",
        ("quantity", "ebgenes_median", "r_median", "ratio_median", "ratio_min", "ratio_max", "runs"),
    ),
)  # fmt: skip


def facts() -> str:
    table = pd.read_csv(CALIBRATION / "evidence_machine.csv", dtype=str).fillna("")
    told = "; ".join(f"{name} {value}" for name, value in table.itertuples(index=False))
    return textwrap.fill(f"Made with: {told}.", 120)


def page() -> str:
    table, long = read_evidence("evidence.csv"), read_evidence("evidence_long.csv")
    return "\n".join(sections(table, long)).rstrip() + "\n"


def sections(table: pd.DataFrame, long: pd.DataFrame) -> Iterator[str]:
    sets = rows_of(table, DEFAULT)["sets"]
    n_sets = f"{sets.max()} sets" if sets.min() == sets.max() else f"{sets.min()} to {sets.max()} sets"
    yield f"""# Benchmarks

Written by `python docs/benchmarks.py` from the tables in `benchmarks/`; nothing here is typed in. What is measured, and
the options: `python benchmarks/calibration/evidence.py --help`; other tables: `benchmarks/README.md`.

- Error rates: `python benchmarks/calibration/evidence.py --preset full --replicates NAME COUNTS SAMPLES column=value`,
  here {n_sets} in each of {table["cell"].nunique()} cells (`evidence.csv`).
- With more sets of more genes, in ten cells: `--preset long`, {int(long["sets"].max())} sets of 8,000 genes
  (`evidence_long.csv`).

Lists of every method are at a nominal 5%. A standard error is that of the mean over sets; where there are fewer than
{MANY}, it is at least that of a share of 5% among as many genes as were listed, which of a single set is all there is.
Matched TPR: that of the longest list, in a method's own order, whose realised false discovery proportion is 5%. It
compares rankings, whatever a method says of its errors.

{facts()}
"""
    yield "## Losing cells\n"
    yield over_level(table)
    yield beaten(table)
    yield f"With {int(long['sets'].max())} sets of 8,000 genes:\n"
    yield over_level(long)
    yield beaten(long)
    yield "## Every cell\n"
    yield "Realised FDR (standard error), TPR, matched TPR; FDR in bold where it is over the level.\n"
    yield "![Realised FDR and TPR of every cell](benchmarks.svg)\n"
    yield every_cell(table)
    yield f"{int(long['sets'].max())} sets of 8,000 genes:\n"
    yield every_cell(long)
    yield "## Every method\n"
    yield f"""Means over the cells a method was run in, which may be fewer for slow ones. Coverage of 95% intervals,
and of those of the listed genes. {not_run(table)}
"""
    yield every_method(table)
    yield "## Calibration of the lfdr\n"
    yield "Share of null genes less mean lfdr, by bin of the lfdr: mean over cells (standard deviation between them).\n"
    yield lfdr(table)
    yield "## Genes without counts in one group\n"
    yield zero_stratum(table)
    yield "## Nothing differs\n"
    yield """Random halves of real replicates with nothing thinned in: mean number of listed genes. pasilla has four
untreated samples, two of single reads and two of pairs, which one split of three sets against each other.
"""
    yield null_splits(table)
    yield "## Mean expression as a covariate\n"
    yield base_mean(table)
    yield "## Speed\n"
    yield "CPU seconds of whole processes (median ratio to `likelihood`'s).\n"
    yield speed_engines()
    for title, name, columns in SPEED_TABLES:
        yield f"### {title}\n"
        yield as_it_is(name, columns)


def digest() -> str:
    """Of the table that the figure shows."""
    return hashlib.sha256((CALIBRATION / "evidence.csv").read_bytes()).hexdigest()


def figure() -> Figure:
    """Realised FDR and TPR of each cell, a row a cell."""
    table = read_evidence("evidence.csv")
    table = table[~table["null"]]
    cells = list(dict.fromkeys(table["cell"]))
    drawn = Figure(figsize=(10, 0.27 * len(cells) + 1.6), layout="constrained")
    axes = drawn.subplots(1, 3, sharey=True)
    for step, method in enumerate(SHOWN):
        found = rows_of(table, method).reindex(cells)
        place = np.arange(len(cells)) + 0.14 * (step - 2)
        axes[0].errorbar(
            found["fdp"], place, xerr=2 * found["judged_se"], fmt="o", markersize=3, linewidth=0.8,
            color=COLOURS[method], label=method,
        )  # fmt: skip
        for ax, name in ((axes[1], "tpr"), (axes[2], "tpr_matched")):
            ax.plot(found[name], place, "o", markersize=3, color=COLOURS[method])
    axes[0].axvline(LEVEL, color="#555555", linewidth=0.8, linestyle="--")
    axes[0].set_xlim(0, 0.2)
    axes[0].set_xlabel("realised FDR, 2 standard errors (cut at .2)")
    axes[1].set_xlabel("TPR at the nominal level")
    axes[2].set_xlabel("TPR at a realised FDP of 5%")
    axes[0].set_yticks(np.arange(len(cells)), cells)
    axes[0].invert_yaxis()
    for ax in axes:
        ax.grid(axis="y", linewidth=0.3)
        ax.spines[["top", "right"]].set_visible(False)
    drawn.legend(loc="outside upper center", ncols=len(SHOWN), frameon=False)
    return drawn


def main() -> None:
    here = Path(__file__).parent
    (here / "benchmarks.md").write_text(page(), encoding="utf-8")
    with mpl.rc_context({"svg.hashsalt": "ebgenes", "svg.fonttype": "none"}):
        figure().savefig(here / "benchmarks.svg", metadata={"Date": None, "Description": f"evidence.csv {digest()}"})


if __name__ == "__main__":
    main()
