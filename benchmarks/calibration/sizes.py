"""Error rates where genes change in one direction, and where there are few genes.

python benchmarks/calibration/sizes.py [--sets 6] [--cells ...] [--peers] [--edgepython PYTHON]

Cells: 10%, 30%, 50% or 70% of 4,000 genes raised by |N(0, (.8 nat)^2)|, none lowered, with 3, 5, 10 or 40 samples per
group (40: half the genes and sets); and panels of 20, 50, 100 or 300 genes, of which none, 10% or half are changed to
either side, 3 or 6 samples per group (as many times the sets as make 2,000 genes). Genes with 10 reads or more are
kept. Methods: our default list of both engines, that of the default engine with effects measured from the size factors
(composition: none), and Benjamini and Hochberg on its p-values. Columns as in evidence.csv, and `bias`, the median
log2_fc of the unchanged genes, `shift`, what effects were moved by, `pi0`, and `most_listed`, the share of sets in
which more than four fifths of the genes are listed. `--peers` adds DESeq2, edgeR and limma-voom in R.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product

import numpy as np
import pandas as pd
from command import command_line, measure_cells
from dense import add_peers, asked_peers
from methods import by_p, by_s
from rates import Row, effect_errors, interval_coverage, list_rates, p_calibration
from sets import EFFECT_SD, Cell, KnownSet, draw, effects, one_sided, simulate

import ebgenes as eb

N_GENES = 4000
LARGE = 40
RAISED = (0.1, 0.3, 0.5, 0.7)
SIZES = (3, 5, 10, LARGE)
PANELS = (20, 50, 100, 300)
PANEL_SIZES = (3, 6)
CHANGED = (0.0, 0.1, 0.5)
GENES_OF_PANELS = 2000
"""Over all sets of a cell of panels, for each six sets of the others; and never fewer sets than `SETS_OF_PANELS`."""

SETS_OF_PANELS = 20

MOST = 0.8


def to_either_side(rng: np.random.Generator, n: int) -> np.ndarray:
    return EFFECT_SD * rng.standard_normal(n)


def every_cell() -> Iterator[tuple[Cell, float]]:
    """All cells, and how many times as many sets as asked each has."""
    for i, (n, share) in enumerate(product(SIZES, RAISED)):
        n_genes = N_GENES // 2 if n == LARGE else N_GENES
        made = partial(simulate, n=n, n_genes=n_genes, **effects(one_sided, pi0=1 - share))
        yield (
            Cell(name=f"n={n}, {share:.0%} raised", seed=700_000 + 100 * i, formula="~ group", simulate=made),
            0.5 if n == LARGE else 1.0,
        )
    for i, (n_genes, n, share) in enumerate(product(PANELS, PANEL_SIZES, CHANGED)):
        made = partial(simulate, n=n, n_genes=n_genes, **effects(to_either_side, pi0=1 - share))
        name = f"{n_genes} genes, n={n}, {share:.0%} changed"
        yield (
            Cell(name=name, seed=720_000 + 1000 * i, formula="~ group", simulate=made),
            max(GENES_OF_PANELS / n_genes, SETS_OF_PANELS) / 6,
        )


CELLS = {cell.name: (cell, times) for cell, times in every_cell()}


def measured(table: pd.DataFrame, known: KnownSet) -> Row:
    truth = known.truth
    row = {
        **list_rates(table["adjusted"], table["order"], table["estimate"], truth),
        **effect_errors(table["estimate"], truth),
        **p_calibration(table["p_value"], truth),
        "most_listed": float((table["adjusted"] < 0.05).mean() > MOST),
    }
    return row | interval_coverage(table, truth) if table["low"].notna().any() else row


def score(seed: int, *, cell: Cell) -> list[Row]:
    known = draw(cell, seed)
    null = known.truth == 0
    rows: list[Row] = []
    for engine, composition in (("likelihood", "auto"), ("moderated_t", "auto"), ("likelihood", "none")):
        own = eb.fit_effects(known.counts, known.design, engine=engine, composition=composition)
        prior = eb.fit_em(own).prior
        table = eb.results_table(own, eb.posterior(own, prior))
        told = {
            "bias": float(np.median(own.estimate[null])),
            "shift": own.scalars.get("size_shift", 0.0),
            "pi0": prior.pi0,
        }
        name = engine if composition == "auto" else f"{engine}, composition none"
        rows.append({"method": name, **measured(by_s(table), known), **told})
        rows.append({"method": f"{name}, BH", **measured(by_p(table), known), **told})
    return rows


def main() -> None:
    parser = command_line(__doc__, "sizes.csv")
    parser.add_argument("--sets", type=int, default=6)
    parser.add_argument("--cells", nargs="+", choices=list(CELLS), metavar="cell")
    add_peers(parser)
    options = parser.parse_args()
    asked = [(name, CELLS[name][0], max(round(options.sets * CELLS[name][1]), 2)) for name in options.cells or CELLS]
    measure_cells(options.out, asked, score, asked_peers(options), 2)


if __name__ == "__main__":
    main()
