"""The whole airway study, Snakemake against R: CPU of the process tree, wall time, peak memory.

python benchmarks/speed/airway_workflow.py [--runs 5]

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


def peer(folder: Path) -> dict[str, float]:
    shutil.rmtree(folder / "r", ignore_errors=True)
    return measure(["Rscript", str(HERE / "airway_peer.R"), str(ROOT / "resources/airway"), str(folder / "r")], folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(ROOT / "Snakefile", folder)
        for part in ("workflow", "config", "resources"):
            shutil.copytree(ROOT / part, folder / part)
        workflow(folder), peer(folder)
        pairs = [(workflow(folder), peer(folder)) for _ in range(runs)]
    rows = []
    for quantity in ("cpu_s", "wall_s", "peak_mib"):
        ours, theirs = [pair[0][quantity] for pair in pairs], [pair[1][quantity] for pair in pairs]
        rows.append(
            {
                "quantity": quantity,
                "ebgenes_median": round(statistics.median(ours), 2),
                "r_median": round(statistics.median(theirs), 2),
                **paired_ratio(ours, theirs),
                "runs": runs,
                "machine": machine(),
            }
        )
    write_rows(HERE / "airway_workflow.csv", rows)
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
