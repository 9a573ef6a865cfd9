"""Realised error rates of DESeq2, edgeR's quasi-likelihood test and limma-voom on the fresh sets of cells.py.

python benchmarks/calibration/peers.py [--sets 20]

Needs Rscript with DESeq2, edgeR and limma. Sets, seeds and columns are those of cells.py. "DESeq2, filtered BH" is
its default (independent filtering, Cook's cutoff); "DESeq2, BH" adjusts the p-values of all genes.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from cells import add_sets, command_line, run
from rates import Row, list_rates, p_calibration
from sets import Cell, KnownSet, draw


def write_set(known: KnownSet, folder: Path) -> None:
    """The set as peers.R reads it: counts, and a design whose last column is tested."""
    folder.mkdir()
    pd.DataFrame(known.counts.count, known.counts.gene, known.counts.sample).to_csv(folder / "counts.csv")
    pd.DataFrame(known.design.matrix, known.design.sample, known.design.coefficient).to_csv(folder / "design.csv")


def set_rates(folder: Path, truth: np.ndarray) -> Iterator[Row]:
    """Error rates of every peer on the set of a folder."""
    for method, table in pd.read_csv(folder / "results.csv").groupby("method", sort=False):
        # Genes that a filter took out come last.
        order = table["p_value"].where(table["adj_p_value"].notna())
        by_p = list_rates(table["adj_p_value"], order, table["estimate"], truth)
        yield {"method": method, **by_p, **p_calibration(table["p_value"], truth)}


def score_in_r(script: Path, cell: Cell, n_sets: int) -> list[list[Row]]:
    """Error rates, on each set of a cell, of every peer that an R script runs."""
    with TemporaryDirectory() as name:
        folders = [Path(name) / f"set_{k}" for k in range(n_sets)]
        known = [draw(cell, cell.seed + k) for k in range(n_sets)]
        for one, folder in zip(known, folders, strict=True):
            write_set(one, folder)
        subprocess.run(["Rscript", str(script), *map(str, folders)], check=True)
        return [list(set_rates(folder, one.truth)) for one, folder in zip(known, folders, strict=True)]


def main() -> None:
    parser = command_line(__doc__, "peers.csv")
    add_sets(parser)
    run(parser.parse_args(), partial(score_in_r, Path(__file__).with_name("peers.R")))


if __name__ == "__main__":
    main()
