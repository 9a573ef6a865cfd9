"""The whole airway study, Snakemake beside `ebgenes run` and R: CPU of the process tree, wall time, peak memory.

python benchmarks/speed/airway_workflow.py [--runs 5] [--without-r]

Runs alternate, after one warm-up of each, so that both meet the same weather on a shared machine.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from measure import machine, measure, paired_ratio, write_rows

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def workflow(folder: Path) -> dict[str, float]:
    shutil.rmtree(folder / "results", ignore_errors=True)
    return measure([sys.executable, "-m", "snakemake", "--cores", "2", "--quiet", "all"], folder)


def one_process(folder: Path) -> dict[str, float]:
    """The same by one process, of two threads as there."""
    command = [sys.executable, "-m", "ebgenes", "run", "config/config.yaml", "--outdir", "one", "--threads", "2"]
    return measure(command, folder)


def peer(folder: Path) -> dict[str, float]:
    shutil.rmtree(folder / "r", ignore_errors=True)
    return measure(["Rscript", str(HERE / "airway_peer.R"), str(ROOT / "resources/airway"), str(folder / "r")], folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--without-r", action="store_true", help="where R is missing, or unchanged")
    options = parser.parse_args()
    runs, ways = options.runs, [workflow, one_process, *([] if options.without_r else [peer])]
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(ROOT / "Snakefile", folder)
        for part in ("workflow", "config", "resources"):
            shutil.copytree(ROOT / part, folder / part)
        for way in ways:
            way(folder)
        rounds = [[way(folder) for way in ways] for _ in range(runs)]
    rows = []
    for quantity in ("cpu_s", "wall_s", "peak_mib"):
        ours, alone, *others = [[found[i][quantity] for found in rounds] for i in range(len(ways))]
        row = {
            "quantity": quantity,
            "ebgenes_median": round(statistics.median(ours), 2),
            "run_median": round(statistics.median(alone), 2),
            "added_median": round(statistics.median(a - b for a, b in zip(ours, alone, strict=True)), 2),
        }
        for theirs in others:
            row |= {"r_median": round(statistics.median(theirs), 2), **paired_ratio(ours, theirs)}
        rows.append({**row, "runs": runs, "machine": machine()})
    write_rows(HERE / "airway_workflow.csv", rows)
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
