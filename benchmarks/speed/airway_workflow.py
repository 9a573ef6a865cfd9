"""The whole airway study, Snakemake against R: CPU of the process tree, wall time, peak memory.

python benchmarks/speed/airway_workflow.py [--runs 5]

Runs alternate, after one warm-up of each, so that both meet the same weather on a shared machine.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def measure(command: list[str], folder: Path) -> dict[str, float]:
    """CPU seconds (user + system, children included), wall seconds and peak MiB of one run."""
    # A process of its own sums up its children's times, and no one else's.
    probe = (
        "import json, resource, subprocess, sys, time; start = time.perf_counter();"
        "done = subprocess.run(json.loads(sys.argv[1]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL);"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN);"
        "print(json.dumps([used.ru_utime + used.ru_stime, time.perf_counter() - start, used.ru_maxrss / 1024]));"
        "sys.exit(done.returncode)"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe, json.dumps(command)], cwd=folder, check=True, capture_output=True, text=True
    )
    cpu, wall, peak = json.loads(done.stdout)
    return {"cpu_s": cpu, "wall_s": wall, "peak_mib": peak}


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
        ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
        rows.append(
            {
                "quantity": quantity,
                "ebgenes_median": round(statistics.median(ours), 2),
                "r_median": round(statistics.median(theirs), 2),
                "ratio_median": round(statistics.median(ratios), 3),
                "ratio_min": round(min(ratios), 3),
                "ratio_max": round(max(ratios), 3),
                "runs": runs,
                "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
            }
        )
    with (HERE / "airway_workflow.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
