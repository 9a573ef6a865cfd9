"""Kills at random moments: whatever lies there afterwards is whole, and what goes on ends with the same bytes.

python benchmarks/workflow/kills.py [--kills 50] [--seed 1] [--kinds run snakemake]

`ebgenes run`, and `snakemake --cores 2`, are killed with all their children (SIGKILL) after a random share of the time
that they take, and started again by the same command, after `snakemake --unlock`. After each kill every file but
temporary ones and logs is compared with that of a run that nobody disturbed; after each run that ends before its kill,
the names too, and the next begins from nothing. A row of the table is added for each kind and seed.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "speed"))
from measure import machine, write_rows

ROOT = Path(__file__).parents[2]
SNAKEFILE = str(ROOT / "workflow" / "Snakefile")
LEAST = 0.3
"""Seconds before a kill: Python must have begun."""


def study(folder: Path) -> None:
    """Simulated counts, with draws of the prior and every kind of table."""
    subprocess.run(["ebgenes", "simulate", folder, "--genes", "300", "--replicates", "3"], check=True)
    dataset = {
        "counts": "counts.tsv.gz",
        "samples": "samples.tsv",
        "design": "~ group",
        "contrasts": {"treatment": {"column": "group", "baseline": "control", "target": "treated"}},
    }
    content = {
        "outdir": "out",
        "datasets": {"one": dataset},
        "prior": {"fit": "gibbs"},
        "gibbs": {"draws": 100, "warmup": 20, "chains": 2},
        "report": {"tables": ["tsv", "parquet", "xlsx"], "formats": ["png"]},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(content))


def results(folder: Path) -> dict[str, bytes]:
    """Every file that has its own name, which no reader takes for another's."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".") and path.relative_to(folder).parts[0] != "logs"
    }


def interrupted(command: list[str], folder: Path, seconds: float) -> bool:
    """Whether the command was killed; it ends well otherwise."""
    with open(folder / "said", "w") as said:
        process = subprocess.Popen(command, cwd=folder, stdout=said, stderr=said, start_new_session=True)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return True
    if code != 0:
        raise SystemExit(f"{command} ended with {code}:\n{(folder / 'said').read_text()}")
    return False


def row(kind: str, n_kills: int, seed: int, folder: Path, expected: dict[str, bytes]) -> dict[str, object]:
    """So many kills of one kind of run, and what was found."""
    snakemake = ["snakemake", "--cores", "2", "--snakefile", SNAKEFILE, "--configfile", "config.yaml"]
    command = snakemake if kind == "snakemake" else ["ebgenes", "run", "config.yaml"]
    rng = random.Random(seed)  # noqa: S311
    start = time.monotonic()
    shutil.rmtree(folder / "out", ignore_errors=True)
    interrupted(command, folder, 3600)
    seconds = time.monotonic() - start
    kills = wrong = completed = left = 0
    clean = True
    while kills < n_kills or not clean:
        if clean:
            shutil.rmtree(folder / "out")
            shutil.rmtree(folder / ".snakemake", ignore_errors=True)
        wait = rng.uniform(LEAST, seconds) if kills < n_kills else 3600
        killed = interrupted(command, folder, wait)
        kills, clean = kills + killed, not killed
        found = results(folder / "out") if (folder / "out").exists() else {}
        wrong += sum(expected.get(name) != content for name, content in found.items())
        if killed and kind == "snakemake":
            subprocess.run([*snakemake, "--unlock"], cwd=folder, check=True, capture_output=True)
        if not killed:
            completed += 1
            wrong += len(expected.keys() - found.keys())
            left += len([path for path in (folder / "out").rglob(".*") if path.is_file()])
    return {
        "kind": kind, "seed": seed, "kills": kills, "completed": completed, "files": len(expected),
        "wrong_files": wrong,
        "temporary_files_left": left, "seconds_undisturbed": round(seconds, 1), "machine": machine(),
    }  # fmt: skip


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", nargs="*", default=["run", "snakemake"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        study(folder)
        interrupted(["ebgenes", "run", "config.yaml", "--outdir", "expected"], folder, 3600)
        expected = results(folder / "expected")
        rows = [row(kind, options.kills, options.seed, folder, expected) for kind in options.kinds]
    table = Path(__file__).with_suffix(".csv")
    before = read_rows(table) if table.exists() else []
    write_rows(table, [*before, *rows])


if __name__ == "__main__":
    main()
