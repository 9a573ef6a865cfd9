"""Error rates of studies with many samples whose counts have tails that no negative binomial has.

python benchmarks/calibration/tails.py [--sets 4] [--cells ...] [--peers] [--edgepython PYTHON] [--workers 1]

Cells: 2,000 genes, 20, 40 or 60 samples per group. ``skewed``: samples vary by a centred exponential on the log scale
(scale log-normal around .5 nat), ``log-normal`` by a normal (around .6 nat), ``large counts``: one count in two hundred
is twenty times too large, ``bimodal``: one gene in ten has 30% of its samples, whatever their group, 2 nat above or
below; ``all``: skewed, large and bimodal. Plain negative-binomial cells, sparse and dense, with and without a hidden
factor, beside them. Unless told, 15% of the genes are changed. Methods: the default list of engine ``likelihood``, the
same with count_tails: model, ``moderated_t``, Wilcoxon's test of counts over size factors; Benjamini and Hochberg on
their p-values. Columns as in sizes.csv, and the shares of the null genes' p-values below .01 by thirds of the mean
count; `bounded`, the share of sets in which the likelihood was replaced. `--peers` adds DESeq2, edgeR, limma-voom and
winsorised edgeR in R.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pandas as pd
from command import command_line, measure_cells
from dense import add_peers, asked_peers
from methods import answers_in_r, by_p, by_s, frame
from rates import Row, effect_errors, list_rates, p_calibration
from scipy import stats
from sets import Cell, KnownSet, draw, effects, hidden_factor, simulate, small

import ebgenes as eb

N_GENES = 2000

Shift = Callable[[np.random.Generator, int, int], np.ndarray]


def skewed(rng: np.random.Generator, n: int, n_genes: int) -> np.ndarray:
    scale = 0.5 * np.exp(0.5 * rng.standard_normal((n_genes, 1)))
    return scale * (rng.standard_exponential((n_genes, 2 * n)) - 1)


def log_normal(rng: np.random.Generator, n: int, n_genes: int) -> np.ndarray:
    scale = 0.6 * np.exp(0.5 * rng.standard_normal((n_genes, 1)))
    return scale * rng.standard_normal((n_genes, 2 * n))


def large_counts(rng: np.random.Generator, n: int, n_genes: int) -> np.ndarray:
    return np.where(rng.random((n_genes, 2 * n)) < 0.005, np.log(20), 0.0)


def bimodal_genes(rng: np.random.Generator, n: int, n_genes: int) -> np.ndarray:
    apart = (rng.random((n_genes, 1)) < 0.1) & (rng.random((n_genes, 2 * n)) < 0.3)
    return np.where(apart, rng.choice([-2.0, 2.0], (n_genes, 1)), 0.0)


def tenth_skewed(rng: np.random.Generator, n: int, n_genes: int) -> np.ndarray:
    return np.where(rng.random((n_genes, 1)) < 0.1, skewed(rng, n, n_genes), 0.0)


def summed(rng: np.random.Generator, n: int, n_genes: int, *, parts: tuple[Shift, ...]) -> np.ndarray:
    return np.sum([part(rng, n, n_genes) for part in parts], axis=0)


EVERY = partial(summed, parts=(skewed, large_counts, bimodal_genes))
WITH_FACTOR = partial(summed, parts=(skewed, large_counts, bimodal_genes, hidden_factor))
DENSE = effects(small, pi0=0.2)

KINDS: dict[str, tuple[int, Shift | None, dict]] = {
    "n=60, all": (60, EVERY, {}),
    "n=60, skewed": (60, skewed, {}),
    "n=60, log-normal": (60, log_normal, {}),
    "n=60, large counts": (60, large_counts, {}),
    "n=60, bimodal": (60, bimodal_genes, {}),
    "n=60, a tenth skewed": (60, tenth_skewed, {}),
    "n=60, all, half changed": (60, EVERY, {"pi0": 0.5}),
    "n=60, all, hidden factor": (60, WITH_FACTOR, {}),
    "n=60, all, none changed": (60, EVERY, {"pi0": 1.0}),
    "n=40, all": (40, EVERY, {}),
    "n=20, all": (20, EVERY, {}),
    "n=20, skewed": (20, skewed, {}),
    "n=20, plain": (20, None, {}),
    "n=40, plain": (40, None, {}),
    "n=60, plain": (60, None, {}),
    "n=20, plain, dense": (20, None, DENSE),
    "n=40, plain, dense": (40, None, DENSE),
    "n=60, plain, dense": (60, None, DENSE),
    "n=20, plain, hidden factor": (20, hidden_factor, {}),
    "n=40, plain, hidden factor": (40, hidden_factor, {}),
    "n=60, plain, hidden factor": (60, hidden_factor, {}),
}


def every_cell() -> Iterator[Cell]:
    for i, (name, (n, shift, laws)) in enumerate(KINDS.items()):
        made = partial(simulate, n=n, n_genes=N_GENES, shift=shift, **laws)
        yield Cell(name=name, seed=800_000 + 100 * i, formula="~ group", simulate=made)


CELLS = {cell.name: cell for cell in every_cell()}


def measured(table: pd.DataFrame, known: KnownSet) -> Row:
    truth = known.truth
    mean = known.counts.count.mean(axis=1)
    third = np.searchsorted(np.quantile(mean, [1 / 3, 2 / 3]), mean)
    p_value = table["p_value"].to_numpy()
    return {
        **list_rates(table["adjusted"], table["order"], table["estimate"], truth),
        **effect_errors(table["estimate"], truth),
        **p_calibration(p_value, truth),
        **{
            f"null_p_0.01_{name}": p_calibration(p_value[third == k], truth[third == k])["null_p_0.01"]
            for k, name in enumerate(("low", "middle", "high"))
        },
    }


def wilcoxon(known: KnownSet) -> pd.DataFrame:
    counts = eb.normalize(known.counts)
    level = counts.count / np.exp(counts.log_size)
    p_value = stats.mannwhitneyu(level[:, known.treated], level[:, ~known.treated], axis=1).pvalue
    log = np.log2(level + 0.5)
    estimate = np.median(log[:, known.treated], axis=1) - np.median(log[:, ~known.treated], axis=1)
    adjusted = stats.false_discovery_control(p_value)
    return frame(adjusted=adjusted, order=p_value, estimate=estimate, p_value=p_value)


def score(seed: int, *, cell: Cell) -> list[Row]:
    known = draw(cell, seed)
    rows: list[Row] = [{"method": "Wilcoxon, BH", **measured(wilcoxon(known), known)}]
    for name, asked in (
        ("likelihood", {"engine": "likelihood"}),
        ("likelihood, count_tails model", {"engine": "likelihood", "count_tails": "model"}),
        ("moderated_t", {"engine": "moderated_t"}),
    ):
        own = eb.fit_effects(known.counts, known.design, **asked)
        table = eb.results_table(own, eb.posterior(own, eb.fit_em(own).prior))
        told = {"bounded": own.scalars.get("bounded", 0.0)}
        rows.append({"method": name, **measured(by_s(table), known), **told})
        rows.append({"method": f"{name}, BH", **measured(by_p(table), known), **told})
    return rows


def winsorised_rates(cell: Cell, n_sets: int) -> Iterator[list[Row]]:
    known = [draw(cell, cell.seed + k) for k in range(n_sets)]
    for one, found in zip(known, answers_in_r("tails_peers.R", known), strict=True):
        yield [{"method": method, **measured(table, one)} for method, table in found]


def main() -> None:
    parser = command_line(__doc__, "tails.csv")
    parser.add_argument("--sets", type=int, default=4)
    parser.add_argument("--cells", nargs="+", choices=list(CELLS), metavar="cell")
    add_peers(parser)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    asked = [(name, CELLS[name], options.sets) for name in options.cells or CELLS]
    peers = [winsorised_rates] * options.peers + asked_peers(options)
    measure_cells(options.out, asked, score, peers, options.workers)


if __name__ == "__main__":
    main()
