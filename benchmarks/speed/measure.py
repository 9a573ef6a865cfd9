"""What the speed benchmarks share: one run's cost, ratios of paired runs, and the table they go to."""

from __future__ import annotations

import csv
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


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


def paired_ratio(runs: Sequence[float], reference: Sequence[float], name: str = "ratio") -> dict[str, float]:
    """Median, smallest and largest ratio of runs that took turns with their reference."""
    ratios = [a / b for a, b in zip(runs, reference, strict=True)]
    return {
        f"{name}_median": round(statistics.median(ratios), 3),
        f"{name}_min": round(min(ratios), 3),
        f"{name}_max": round(max(ratios), 3),
    }


def machine() -> str:
    """What the seconds depend on."""
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """A CSV with the columns of the first row."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
