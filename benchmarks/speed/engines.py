"""The engines against DESeq2, edgeR and limma: whole processes, from tables of counts to tables of results.

python benchmarks/speed/engines.py [--runs 3] [--genes 20000] [--only two_groups_6 ...] [--engines ...] [--peers ...]

Each engine of ours runs twice: to p-values, as the peers do, and `, whole` to the prior and posteriors. Ratios
are to the first engine's p-values, in the same round. All contestants have one thread. The rows of designs that are not
run again stay in the CSV.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from measure import machine, measure, paired_ratio, write_rows
from studies import QUESTIONS, Question, simulate, take, write

import ebgenes as eb

HERE = Path(__file__).parent
PEERS = {"deseq2": "DESeq2", "edger": "edgeR", "voom": "limma"}
SLOW = 180
"""Wall seconds beyond which a contestant runs once."""


def commands(engines: list[str], peers: list[str]) -> dict[str, list[str]]:
    """How each contestant starts; the first is the one that ratios refer to."""
    script = [sys.executable, str(HERE / "engines_ours.py")]
    ours = {engine: [*script, engine, "effects"] for engine in engines}
    ours |= {f"{engine}, whole": [*script, engine, "whole"] for engine in engines}
    return ours | {peer: ["Rscript", str(HERE / "engines_peers.R"), peer] for peer in peers}


def versions(engines: list[str], peers: list[str]) -> dict[str, str]:
    """What each contestant is."""
    ours = dict.fromkeys([*engines, *(f"{engine}, whole" for engine in engines)], f"ebgenes {eb.__version__}")
    return ours | {peer: r_version(PEERS[peer]) for peer in peers}


def r_version(package: str) -> str:
    asked = [
        "Rscript",
        "-e",
        f"cat('{package} ', format(packageVersion('{package}')), ', R ', format(getRversion()), sep='')",
    ]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout


def race(
    question: Question, contestants: Mapping[str, list[str]], n_genes: int, runs: int, folder: Path
) -> tuple[dict[str, Any], dict[str, list[dict[str, float]]]]:
    """The size of the study, and what every run of every contestant took."""
    counts, samples = simulate(n_genes, question.n_samples)
    write(folder / "whole", counts, samples)
    write(folder / "part", take(counts, slice(1000)), samples)
    # A part of the genes fills the caches as well as all of them, and shows what goes wrong.
    for start in contestants.values():
        subprocess.run([*start, *arguments(question, folder / "part")], check=True)
    costs: dict[str, list[dict[str, float]]] = {name: [] for name in contestants}
    reference = next(iter(contestants))
    for _ in range(runs):
        for name, start in contestants.items():
            # Every ratio needs its reference, however slow.
            if name == reference or all(cost["wall_s"] < SLOW for cost in costs[name]):
                costs[name].append(measure([*start, *arguments(question, folder / "whole")], folder))
    n_coefficients = eb.build_design(samples, question.formula).matrix.shape[1]
    return {"samples": len(samples), "coefficients": n_coefficients, "genes": len(counts.gene)}, costs


def arguments(question: Question, study: Path) -> list[str]:
    return [question.formula, *(str(study / name) for name in ("counts.tsv", "samples.tsv", "results.tsv"))]


def summary(costs: list[dict[str, float]], reference: list[dict[str, float]]) -> dict[str, float]:
    """Medians, and ratios to the reference in the same rounds."""
    medians = {
        quantity: round(statistics.median(cost[quantity] for cost in costs), 2)
        for quantity in ("cpu_s", "wall_s", "peak_mib")
    }
    ratios: dict[str, float] = {}
    for quantity in ("cpu", "wall"):
        ours = [cost[f"{quantity}_s"] for cost in costs]
        theirs = [cost[f"{quantity}_s"] for cost in reference[: len(costs)]]
        ratios |= paired_ratio(ours, theirs, f"{quantity}_ratio")
    return medians | ratios


def merged(path: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of the file, with those of the designs just run replaced, in the designs' order."""
    kept: list[dict[str, Any]] = []
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            run = {row["design"] for row in rows}
            kept = [row for row in csv.DictReader(file) if row["design"] not in run]
    return sorted([*rows, *kept], key=lambda row: list(QUESTIONS).index(row["design"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--genes", type=int, default=20000)
    parser.add_argument("--only", nargs="+", choices=list(QUESTIONS), default=list(QUESTIONS), metavar="NAME")
    parser.add_argument("--engines", nargs="+", default=["likelihood", "moderated_t"])
    parser.add_argument("--peers", nargs="*", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--out", type=Path, default=HERE / "engines.csv")
    asked = parser.parse_args()
    contestants, version = commands(asked.engines, asked.peers), versions(asked.engines, asked.peers)
    reference = asked.engines[0]
    for design in asked.only:
        with tempfile.TemporaryDirectory() as folder:
            size, costs = race(QUESTIONS[design], contestants, asked.genes, asked.runs, Path(folder))
        rows = [
            {
                "design": design,
                **size,
                "contestant": name,
                "version": version[name],
                **summary(costs[name], costs[reference]),
                "reference": reference,
                "runs": len(costs[name]),
                "machine": machine(),
            }
            for name in contestants
        ]
        # After every design, because all of them together take long.
        write_rows(asked.out, merged(asked.out, rows))
        for row in rows:
            print(row, flush=True)


if __name__ == "__main__":
    main()
