"""Error rates where dispersions follow no a0 + a1/mean, or differ between groups.

python benchmarks/calibration/dispersions.py [--sets 4] [--cells ...] [--peers] [--edgepython PYTHON]

Cells: 4,000 genes, 15% changed by N(0, (.8 nat)^2), 3, 5 or 10 samples per group. Trends (`TRENDS`): .03 + 2/mean with
a bump or a dip around some mean, least in the middle and rising on both sides (`sets.wrong_trend`), and .03 + 2/mean
itself. Groups: controls vary around .03, treated samples around .25, equal or unequal in number, a gene's deviations
from both the same (`one gene`) or independent; `none` has the same dispersion in both. Methods: our default list with
the trend chosen, with the parametric one, and Benjamini and Hochberg on both's p-values; in cells of groups those with
a dispersion for each group besides. Columns as in evidence.csv, `bent`, how often a bend was taken, and
`null_p_{level}_{stratum}`, null p-values by mean count. `--peers` adds DESeq2, edgeR and limma-voom in R.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd
from command import command_line, measure_cells
from dense import add_peers, asked_peers
from methods import by_p, by_s
from rates import P_LEVELS, Row, effect_errors, interval_coverage, list_rates, p_calibration
from sets import EFFECT_SD, Cell, KnownSet, draw, simulate, wrong_trend

import ebgenes as eb
from ebgenes.arrays import FloatArray, text_array
from ebgenes.data.simulate import Simulation
from ebgenes.records.counts import Counts

N_GENES = 4000
STRATA = (0, 10, 40, 200, 1000, np.inf)
"""Ends of the strata of mean counts."""


def bumped(rng: np.random.Generator, mean: FloatArray, *, times: float, at: float, width: float) -> FloatArray:
    """`times` as much around some mean, over `width` nat of it."""
    bump = np.log(times) * np.exp(-0.5 * (np.log(mean / at) / width) ** 2)
    return (0.03 + 2 / mean) * np.exp(bump + 0.6 * rng.standard_normal(len(mean)))


TRENDS: dict[str, tuple[tuple[int, ...], Callable[[np.random.Generator, FloatArray], FloatArray] | None]] = {
    "plain": ((3, 10), None),
    "bump 9-fold at 300": ((3, 5, 10), partial(bumped, times=9, at=300, width=0.7)),
    "bump 25-fold at 100": ((3, 5, 10), partial(bumped, times=25, at=100, width=1.0)),
    "bump 5-fold at 30": ((3, 10), partial(bumped, times=5, at=30, width=0.7)),
    "dip to a fourth at 60": ((3, 10), partial(bumped, times=0.25, at=60, width=0.8)),
    "wrong trend": ((3, 10), wrong_trend),
}

GROUPS = {
    "3 v 3, one gene": (3, 3, 0.03, 0.25, True),
    "3 v 3, independent": (3, 3, 0.03, 0.25, False),
    "5 v 5, one gene": (5, 5, 0.03, 0.25, True),
    "3 v 9, one gene": (3, 9, 0.03, 0.25, True),
    "9 v 3, one gene": (9, 3, 0.03, 0.25, True),
    "9 v 3, independent": (9, 3, 0.03, 0.25, False),
    "3 v 3, none": (3, 3, 0.05, 0.05, True),
    "10 v 10, none": (10, 10, 0.05, 0.05, True),
}
"""Samples of the controls and of the treated, their dispersions at high counts, and whether a gene strays alike."""


def simulate_groups(
    rng: np.random.Generator, *, controls: int, treated: int, low: float, high: float, alike: bool, n_genes: int
) -> Simulation:
    """Two groups with a trend each; means, effects and size factors as `simulate_counts` draws them."""
    mean = 120 * np.exp(1.9 * rng.standard_normal(n_genes))
    effect = np.where(rng.random(n_genes) < 0.85, 0.0, EFFECT_SD * rng.standard_normal(n_genes))
    stray = 0.6 * rng.standard_normal((n_genes, 2))
    if alike:
        stray[:, 1] = stray[:, 0]
    is_treated = np.repeat([0, 1], [controls, treated])
    dispersion = ((np.array([low, high]) + 2 / mean[:, None]) * np.exp(stray))[:, is_treated]  # (G, S)
    size = np.exp(0.3 * rng.standard_normal(controls + treated))
    expected = mean[:, None] * size * np.exp2(np.outer(effect, is_treated - 0.5))
    count = rng.poisson(rng.gamma(1 / dispersion, dispersion) * expected)
    sample = text_array(f"s{i + 1:02d}" for i in range(controls + treated))
    group = np.where(is_treated, "treated", "control")
    sheet = pd.DataFrame({"group": group}, index=pd.Index(list(sample), name="sample"))
    gene = text_array(f"gene{i + 1:05d}" for i in range(n_genes))
    return Simulation(counts=Counts(gene=gene, sample=sample, count=count), samples=sheet, effect=effect)


def every_cell() -> Iterator[Cell]:
    i = 0
    for name, (sizes, law) in TRENDS.items():
        for n in sizes:
            made = partial(simulate, n=n, n_genes=N_GENES, dispersion_law=law)
            yield Cell(name=f"n={n}, {name}", seed=800_000 + 100 * i, formula="~ group", simulate=made)
            i += 1
    for i, (name, (controls, treated, low, high, alike)) in enumerate(GROUPS.items()):
        made = partial(
            simulate_groups, controls=controls, treated=treated, low=low, high=high, alike=alike, n_genes=N_GENES
        )
        yield Cell(name=f"groups, {name}", seed=810_000 + 100 * i, formula="~ group", simulate=made)


CELLS = {cell.name: cell for cell in every_cell()}


def measured(table: pd.DataFrame, known: KnownSet) -> Row:
    """Error rates, and null p-values by mean count."""
    truth, mean = known.truth, eb.normalize(known.counts)
    level = (mean.count / np.exp(mean.log_size)).mean(axis=1)
    row = {
        **list_rates(table["adjusted"], table["order"], table["estimate"], truth),
        **effect_errors(table["estimate"], truth),
        **p_calibration(table["p_value"], truth),
    }
    if table["p_value"].notna().any():
        for low, high in pairwise(STRATA):
            inside = (truth == 0) & (level >= low) & (level < high)
            p_value = table["p_value"].to_numpy()[inside]
            row |= {f"null_p_{each}_{low}_{high}": np.mean(p_value < each) for each in P_LEVELS}
    return row | interval_coverage(table, truth) if table["low"].notna().any() else row


def ways(cell: Cell) -> dict[str, dict[str, str]]:
    """Names and options of our fits."""
    found = {"likelihood": {}, "parametric": {"dispersion_trend": "parametric"}}
    return found | ({"by group": {"dispersion": "by_group"}} if cell.name.startswith("groups") else {})


def score(seed: int, *, cell: Cell) -> list[Row]:
    known = draw(cell, seed)
    rows: list[Row] = []
    for name, chosen in ways(cell).items():
        own = eb.fit_effects(known.counts, known.design, **chosen)
        table = eb.results_table(own, eb.posterior(own, eb.fit_em(own).prior))
        bent = {"bent": float("dispersion_bend_gain" in own.scalars)}
        rows.append({"method": name, **measured(by_s(table), known), **bent})
        rows.append({"method": f"{name}, BH", **measured(by_p(table), known), **bent})
    return rows


def main() -> None:
    parser = command_line(__doc__, "dispersions.csv")
    parser.add_argument("--sets", type=int, default=4)
    parser.add_argument("--cells", nargs="+", choices=list(CELLS), metavar="cell")
    add_peers(parser)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    asked = [(name, CELLS[name], options.sets) for name in options.cells or CELLS]
    measure_cells(options.out, asked, score, asked_peers(options), options.workers)


if __name__ == "__main__":
    main()
