"""What the commands of this folder share."""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from rates import Row

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
