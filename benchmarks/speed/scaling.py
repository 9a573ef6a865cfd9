"""How an engine's time grows with genes, samples and threads, in one warm process.

python benchmarks/speed/scaling.py [--runs 3] [--engines likelihood moderated_t] [--share 1]

Timed is `fit_effects` alone. The exponent is the slope of log CPU seconds on log size, with one thread; that of
threads is the slope of log wall seconds, which is -1 at best.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from measure import machine, write_rows
from studies import simulate, take

import ebgenes as eb
from ebgenes.records.counts import Counts
from ebgenes.records.design import Design

HERE = Path(__file__).parent
GENES = 20000
AXES = {
    "genes": [(n_genes, 6, 1) for n_genes in (5000, 10000, 20000, 40000, 80000)],
    "samples": [(GENES, n_samples, 1) for n_samples in (6, 24, 100, 400, 1000)],
    "threads": [(GENES, 100, threads) for threads in (1, 2)],
}
"""Genes, samples and threads of each study."""


def study(n_genes: int, n_samples: int) -> tuple[Counts, Design]:
    """Exactly so many genes, of which none is nearly empty."""
    # A tenth more than needed, because up to 2% have less than ten reads.
    counts, samples = simulate(n_genes + n_genes // 10, n_samples)
    design = eb.build_design(samples, "~ group", eb.compare("group", baseline="control", target="treated"))
    return eb.normalize(take(counts, slice(n_genes))), design


def timed(counts: Counts, design: Design, engine: str, threads: int) -> dict[str, float]:
    """CPU and wall seconds of one fit."""
    os.environ["EBGENES_THREADS"] = str(threads)
    cpu, wall = time.process_time(), time.perf_counter()
    eb.fit_effects(counts, design, engine=engine, hidden_factors=0)
    return {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}


def along(axis: str, engine: str, runs: int, share: float) -> list[dict[str, Any]]:
    """One row for each size of an axis."""
    sizes = [(round(n_genes * share), n_samples, threads) for n_genes, n_samples, threads in AXES[axis]]
    studies = [study(n_genes, n_samples) for n_genes, n_samples, _ in sizes]
    timed(*studies[0], engine, 1)
    # Sizes take turns, so that a busy minute of the machine slows all of them.
    rounds = [
        [timed(*made, engine, threads) for made, (*_, threads) in zip(studies, sizes, strict=True)] for _ in range(runs)
    ]
    medians = [
        {quantity: statistics.median(cost[quantity] for cost in costs) for quantity in ("cpu_s", "wall_s")}
        for costs in zip(*rounds, strict=True)
    ]
    length = [size[list(AXES).index(axis)] for size in sizes]
    seconds = [median["wall_s" if axis == "threads" else "cpu_s"] for median in medians]
    slope = float(np.polyfit(np.log(length), np.log(seconds), 1)[0])
    return [
        {
            "engine": engine,
            "axis": axis,
            **dict(zip(("genes", "samples", "threads"), size, strict=True)),
            **{quantity: round(value, 4) for quantity, value in median.items()},
            "exponent": round(slope, 3),
            "runs": runs,
            "machine": machine(),
        }
        for size, median in zip(sizes, medians, strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--engines", nargs="+", default=["likelihood", "moderated_t"])
    parser.add_argument("--share", type=float, default=1.0, help="share of the genes, for a quick try")
    parser.add_argument("--out", type=Path, default=HERE / "scaling.csv")
    asked = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for engine in asked.engines:
        for axis in AXES:
            found = along(axis, engine, asked.runs, asked.share)
            for row in found:
                print(row, flush=True)
            rows += found
    write_rows(asked.out, rows)


if __name__ == "__main__":
    main()
