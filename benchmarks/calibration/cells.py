"""Realised error rates on simulated cells, averaged over fresh sets.

python benchmarks/calibration/cells.py [--sets 20]

Cells: 2, 3, 5 and 10 samples per group; dispersions log-normal around their trend (s1) or with the heavier tail
4/chi-squared(5) (s2); 8,000 genes, 15% of them changed by N(0, (.8 nat)^2), those with 10 reads or more kept. Two more
designs, dispersions as in s1: `continuous` (6 against 6, `~ age + group`) and `coefficients12` (24 samples, `~ donor +
group` with 11 donors).

Columns: lists at a nominal .05 (calls; realised fdp and fsr, the share of wrong signs with null genes among them; tpr;
tpr_matched at a realised FDP of .05), coverage of 95% intervals, null share minus mean lfdr by bin of the lfdr, share
of the null genes' p-values below .05, .01 and .001. `_se` is the Monte Carlo standard error of the mean over sets.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from rates import Row, average, interval_coverage, lfdr_gaps, list_rates, p_calibration, write_rows
from sets import CELLS, Cell, KnownSet, draw

import ebgenes as eb

NULLS = {"likelihood": ("estimated", "fixed"), "moderated_t": ("estimated",)}
"""What each engine's null is taken to be."""


def engine_rates(known: KnownSet, engine: str) -> Iterator[Row]:
    """Error rates of every list that an engine leads to."""
    truth = known.truth
    effects = eb.fit_effects(known.counts, known.design, engine=engine)
    for null in NULLS[engine]:
        table = eb.results_table(effects, eb.posterior(effects, eb.fit_em(effects, null=null).prior))
        name = engine if null == "estimated" else f"{engine}, null fixed at 0"
        by_q = list_rates(table["q_value"], table["lfdr"], table["post_mean"], truth)
        by_s = list_rates(table["s_value"], table["lfsr"], table["post_mean"], truth)
        yield {"method": f"{name}, q-value", **by_q, **interval_coverage(table, truth), **lfdr_gaps(table, truth)}
        yield {"method": f"{name}, s-value", **by_s}
    # The p-values come from the likelihood alone, so any prior's table has them.
    by_p = list_rates(table["adj_p_value"], table["p_value"], table["log2_fc"], truth)
    yield {"method": f"{engine}, BH", **by_p, **p_calibration(table["p_value"], truth)}


def score(seed: int, *, cell: Cell, engines: list[str]) -> list[Row]:
    """Every engine's error rates on one set."""
    known = draw(cell, seed)
    return [row for engine in engines for row in engine_rates(known, engine)]


def two_workers() -> ProcessPoolExecutor:
    """Two processes of one thread each, fresh ones, because libraries read the number of threads when loaded."""
    os.environ.update(EBGENES_THREADS="1", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    return ProcessPoolExecutor(2, mp_context=get_context("spawn"))


def command_line(description: str | None, out: str) -> argparse.ArgumentParser:
    """Options that the benchmarks of this folder share."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name(out))
    return parser


def add_engines(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engines", nargs="+", choices=NULLS, default=list(NULLS))


def add_sets(parser: argparse.ArgumentParser) -> None:
    names = [cell.name for cell in CELLS]
    parser.add_argument("--sets", type=int, default=20)
    parser.add_argument("--cells", nargs="+", choices=names, default=names)


def show(rows: list[Row]) -> None:
    for row in rows:
        print(row["cell"], row["method"], row["calls"], row["fdp"], row["tpr"], row["tpr_matched"], flush=True)


def run(options: argparse.Namespace, measure: Callable[[Cell, int], list[list[Row]]]) -> None:
    """Average what is measured of every chosen cell; the file grows with each."""
    rows: list[Row] = []
    for cell in [cell for cell in CELLS if cell.name in options.cells]:
        averages = average(cell.name, measure(cell, options.sets))
        show(averages)
        rows += averages
        write_rows(options.out, rows)


def main() -> None:
    parser = command_line(__doc__, "cells.csv")
    add_engines(parser)
    add_sets(parser)
    options = parser.parse_args()
    with two_workers() as pool:

        def measure(cell: Cell, n_sets: int) -> list[list[Row]]:
            seeds = range(cell.seed, cell.seed + n_sets)
            return list(pool.map(partial(score, cell=cell, engines=options.engines), seeds))

        run(options, measure)


if __name__ == "__main__":
    main()
