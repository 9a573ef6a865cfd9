"""What `ebgenes check` says that a config will take, beside what `ebgenes run` takes.

python benchmarks/workflow/estimates.py [CONFIG ...]

Of airway, pasilla and simulated studies of 40 and 170 samples, and of any other configs: CPU seconds (user and system)
of the whole process with one thread and compiled loops in the cache, and its peak memory. Each config is run twice, and
the second run counts. `estimates.csv` has a row for each; `tests/test_checks.py` holds the law in `app/check.py`
against it.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "speed"))
from measure import machine, measure, write_rows

RESOURCES = Path(__file__).parents[2] / "resources"
SIMULATED = (20, 85)
"""Samples in either group."""


def dataset(
    folder: Path, counts: str, design: str, column: str, levels: tuple[str, str], **more: Any
) -> dict[str, Any]:
    question = {"column": column, "baseline": levels[0], "target": levels[1]}
    samples = str(folder / "samples.tsv")
    return {
        "counts": str(folder / counts),
        "samples": samples,
        "design": design,
        "contrasts": {"asked": question},
        **more,
    }


def shipped(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Configs of the studies that are here, by name."""
    levels = "control", "treated"
    known = {
        "airway": dataset(
            RESOURCES / "airway", "counts.tsv.gz", "~ cell + dex", "dex", ("untrt", "trt"),
            genes=str(RESOURCES / "airway/genes.tsv.gz"),
        ),
        "pasilla": dataset(
            RESOURCES / "pasilla", "counts.tsv.gz", "~ type + condition", "condition", ("untreated", "treated")
        ),
    }  # fmt: skip
    for n in SIMULATED:
        place = folder / f"n{n}"
        subprocess.run(["ebgenes", "simulate", place, "--genes", "20000", "--replicates", str(n)], check=True)
        known[f"simulated {n} v {n}"] = dataset(place, "counts.tsv.gz", "~ group", "group", levels)
    for name, one in known.items():
        yield name, {"outdir": "out", "datasets": {"one": one}}


def told(path: Path) -> dict[str, float]:
    """Seconds and MB that `check` names."""
    done = subprocess.run(["ebgenes", "check", path], check=True, capture_output=True, text=True, cwd=path.parent)
    found = re.search(r"about (\d+) (minutes|seconds) of one core, up to (\d+) MB", done.stdout)
    if found is None:
        raise SystemExit(f"check says nothing of seconds and memory:\n{done.stdout}")
    return {"told_s": int(found[1]) * (60 if found[2] == "minutes" else 1), "told_mb": int(found[3])}


def row(name: str, path: Path) -> dict[str, Any]:
    """One config, checked and run."""
    said = told(path)
    for _ in range(2):
        shutil.rmtree(path.parent / "out", ignore_errors=True)
        took = measure(["ebgenes", "run", str(path), "--outdir", "out", "--threads", "1"], path.parent)
    megabytes = took["peak_mib"] * 1.048576
    return {
        "study": name, "cpu_s": round(took["cpu_s"], 1), **said, "peak_mb": round(megabytes),
        "seconds_ratio": round(said["told_s"] / took["cpu_s"], 2),
        "memory_ratio": round(said["told_mb"] / megabytes, 2), "machine": machine(),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("configs", nargs="*", type=Path)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for study, content in shipped(folder):
            path = folder / "config.yaml"
            path.write_text(yaml.safe_dump(content))
            rows.append(row(study, path))
            print(rows[-1], flush=True)
        for config in options.configs:
            rows.append(row(config.stem, config.absolute()))
            print(rows[-1], flush=True)
    write_rows(Path(__file__).with_suffix(".csv"), rows)


if __name__ == "__main__":
    main()
