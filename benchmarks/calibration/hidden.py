"""Realised error rates where replicates share variation that nobody recorded, with and without hidden factors.

python benchmarks/calibration/hidden.py [--sets 4] [--peers] [--cells ...]

Cells: 0, 1 or 2 factors whose loadings have a standard deviation of .15 nat (weak) or .5 nat (strong) over genes, the
first with a correlation of 0, .5 or .8 with the groups; 3, 5 or 10 samples per group; effects sparse (10% of the genes,
N(0, (.8 nat)^2)), dense (30%) or one-sided (20%, all upwards). 8,000 genes, those with 10 reads or more kept. Columns
are those of evidence.py; `factors` is the mean number of factors taken. `--peers` adds limma-voom without and with sva,
DESeq2 without and with svaseq's surrogate variables, and DESeq2 with one factor of unwanted variation from residuals
(RUVr's definition), all in R, in the cells of `PEER_CELLS`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
from command import add_engines, command_line, show, two_workers
from methods import answers_in_r, by_p, by_q, by_s
from rates import Row, average, list_rates, write_rows
from sets import N_GENES, Cell, KnownSet, draw, factor_scores

import ebgenes as eb
from ebgenes.data.simulate import Simulation

STRENGTH = {"weak": 0.15, "strong": 0.5}
SIGNAL = {"sparse": 0.9, "dense": 0.7, "onesided": 0.8}
"""Shares of null genes."""

N_PEER_SETS = 3

TIMES_WITHOUT_FACTOR = 4
"""Without a factor `auto` and 0 hardly differ: so many times as many sets tell them apart."""


def simulate_hidden(
    rng: np.random.Generator, *, n: int, n_factors: int, correlation: float, strength: str, signal: str
) -> Simulation:
    """Two groups of n samples that share hidden factors."""
    group = np.repeat([-1.0, 1.0], n)
    loading = STRENGTH[strength] * rng.standard_normal((N_GENES, n_factors))
    shift = loading @ factor_scores(rng, group, n_factors, correlation).T
    if signal != "onesided":
        return eb.simulate_counts(rng, n_genes=N_GENES, n_per_group=n, pi0=SIGNAL[signal], shift=shift)
    # An effect_law would draw other sets than those the committed table is of.
    effect = np.where(rng.random(N_GENES) < SIGNAL[signal], 0.0, np.abs(0.8 * rng.standard_normal(N_GENES)))
    shift += np.outer(effect, group / 2)
    made = eb.simulate_counts(rng, n_genes=N_GENES, n_per_group=n, pi0=1.0, shift=shift)
    return replace(made, effect=effect / np.log(2))


def every_cell() -> Iterator[tuple[Cell, int]]:
    """All cells, and how many factors each has."""
    kinds = [(0, 0.0, "weak"), *product((1, 2), (0.0, 0.5, 0.8), STRENGTH)]
    for i, (n, signal, (n_factors, correlation, strength)) in enumerate(product((3, 5, 10), SIGNAL, kinds)):
        kind = f"{n_factors}_{strength}_r{correlation:g}" if n_factors else "0"
        simulate = partial(
            simulate_hidden, n=n, n_factors=n_factors, correlation=correlation, strength=strength, signal=signal
        )
        yield (
            Cell(name=f"n{n}_{signal}_{kind}", seed=100_000 + 100 * i, formula="~ group", simulate=simulate),
            n_factors,
        )


CELLS = dict(every_cell())
PEER_CELLS = [
    f"n{n}_{rest}"
    for n, rest in (
        *product((3, 5, 10), ("sparse_0", "sparse_1_strong_r0.5")),
        *product((5,), ("sparse_1_strong_r0.8", "sparse_2_strong_r0.5", "sparse_1_weak_r0.5")),
        *product((5,), ("dense_1_strong_r0.5", "onesided_1_strong_r0.5")),
    )
]


def rates_with(known: KnownSet, engine: str, hidden_factors: str | int) -> tuple[int, dict[str, Row]]:
    """How many factors an engine took, and the error rates of its lists, by what they are cut by."""
    effects = eb.fit_effects(known.counts, known.design, engine=engine, hidden_factors=hidden_factors)
    table = eb.results_table(effects, eb.posterior(effects, eb.fit_em(effects).prior))
    lists = {"s-value": by_s(table), "q-value": by_q(table), "BH": by_p(table)}
    rates = {
        name: list_rates(one["adjusted"], one["order"], one["estimate"], known.truth) for name, one in lists.items()
    }
    return 0 if effects.hidden is None else len(effects.hidden.share), rates


def peer_rates(cell: Cell, n_sets: int) -> Iterator[list[Row]]:
    """Error rates of every peer on the first sets of a cell."""
    known = [draw(cell, cell.seed + k) for k in range(n_sets)]
    for one, answers in zip(known, answers_in_r("hidden_peers.R", known), strict=True):
        yield [
            {"method": method, **list_rates(found["adjusted"], found["order"], found["estimate"], one.truth)}
            for method, found in answers
        ]


def score(seed: int, *, cell: Cell, n_factors: int, engines: list[str]) -> list[Row]:
    """Every engine's error rates on one set: factors sought, none, and as many as there are."""
    known = draw(cell, seed)
    settings: dict[str, int] = {"0": 0, "true number": n_factors} if n_factors else {"0": 0}
    rows: list[Row] = []
    for engine in engines:
        sought, rates = rates_with(known, engine, "auto")
        # What `auto` took is the same if it is asked for.
        by_number = {sought: rates}
        for label, number in {"auto": sought, **settings}.items():
            if number not in by_number:
                _, by_number[number] = rates_with(known, engine, number)
            rows += [
                {"method": f"{engine}, {label}, {cut}", "factors": number, **rates}
                for cut, rates in by_number[number].items()
            ]
    return rows


def main() -> None:
    parser = command_line(__doc__, "hidden.csv")
    add_engines(parser)
    parser.add_argument("--sets", type=int, default=4)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--cells", nargs="+", choices=[cell.name for cell in CELLS], metavar="cell")
    options = parser.parse_args()
    rows: list[Row] = []
    with two_workers() as pool:
        for cell, n_factors in CELLS.items():
            if options.cells and cell.name not in options.cells:
                continue
            work = partial(score, cell=cell, n_factors=n_factors, engines=options.engines)
            n_sets = options.sets * (1 if n_factors else TIMES_WITHOUT_FACTOR)
            rows += average(cell.name, list(pool.map(work, range(cell.seed, cell.seed + n_sets))))
            if options.peers and cell.name in PEER_CELLS:
                rows += average(cell.name, list(peer_rates(cell, min(options.sets, N_PEER_SETS))))
            show([row for row in rows if row["cell"] == cell.name])
            write_rows(options.out, rows)


if __name__ == "__main__":
    main()
