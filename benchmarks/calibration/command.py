"""What the commands of this folder share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from rates import Row, average, write_rows
from sets import Cell

ENGINES = ("likelihood", "moderated_t")


def workers(n: int) -> ProcessPoolExecutor:
    """Processes of one thread each, fresh ones, because libraries read the number of threads when loaded."""
    os.environ.update(EBGENES_THREADS="1", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    return ProcessPoolExecutor(n, mp_context=get_context("spawn"))


def two_workers() -> ProcessPoolExecutor:
    return workers(2)


def command_line(description: str | None, out: str) -> argparse.ArgumentParser:
    """Options that the benchmarks of this folder share."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name(out))
    return parser


def add_engines(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))


def show(rows: list[Row]) -> None:
    for row in rows:
        print(row["cell"], row["method"], row["calls"], row["fdp"], row["tpr"], row["tpr_matched"], flush=True)


def measure_cells(
    out: Path,
    asked: Iterable[tuple[str, Cell, int]],
    score: Callable[..., list[Row]],
    peers: Iterable[Callable[[Cell, int], Iterable[list[Row]]]],
    n_workers: int,
) -> None:
    """Average what methods are worth over so many sets of each cell, in a file that grows by the cell."""
    rows: list[Row] = []
    with workers(n_workers) as pool:
        for name, cell, n_sets in asked:
            seeds = range(cell.seed, cell.seed + n_sets)
            rows += average(name, list(pool.map(partial(score, cell=cell), seeds)))
            for rates in peers:
                rows += average(name, list(rates(cell, n_sets)))
            show([row for row in rows if row["cell"] == name])
            write_rows(out, rows)
