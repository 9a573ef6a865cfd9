"""Error rates where many genes change a little, and what replicates share goes along with the comparison.

python benchmarks/calibration/dense.py --preset small or full [--sets 10] [--cells ...] [--peers] [--edgepython PYTHON]

Cells: laws of effects, log2 (`LAWS`: most genes changed a little, few changed much, none changed), 3, 6, 10 or 40
samples per group, and one hidden factor or none. The factor's loadings are normal over genes and take 10% or 30% of the
variance of a sample's log expression at the median gene; its scores have a correlation of 0, .3, .6 or .9 with the
groups. 4,000 genes, with 40 per group half the genes and half the sets; those with 10 reads or more are kept. `small`
has every law without a factor and four laws with some; `full` is the whole cross.

Columns are those of evidence.py; in the row of q-values also what concerns the fit and no list: `rmse_raw` of log2_fc
and `rmse_ratio`, that of post_mean over it; `coverage_changed` and `coverage_{low}_{high}`, of true effects by their
size, log2; `coverage_robust`, of the robust intervals; `pi0`, `null_scale`, `factors` taken; CPU seconds of the
estimates and of the prior with its posterior; `fdp_held`, how often an interval of the list's false discovery
proportion holds it. `--peers` adds DESeq2, edgeR and limma-voom, in R, `--edgepython` edgeR 5 by an interpreter that
has edgePython, all on the same sets.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import pairwise, product

import numpy as np
import pandas as pd
from command import command_line, show, workers
from methods import HERE, answers_in_r, answers_of, by_p, by_q, by_s
from rates import (
    LEVEL,
    Row,
    average,
    effect_errors,
    interval_coverage,
    lfdr_gaps,
    list_rates,
    p_calibration,
    write_rows,
)
from sets import EFFECT_SD, Cell, draw, effects, factor_scores, simulate

import ebgenes as eb
from ebgenes.arrays import BoolArray, FloatArray
from ebgenes.posteriors.lists import false_proportions, scattered
from ebgenes.records.effects import Effects
from ebgenes.records.prior import EmFit
from ebgenes.results.summary import discovery_proportion
from ebgenes.results.table import in_list

N_GENES = 4000
SIZES = (3, 6, 10, 40)
LARGE = 40
"""Samples per group from which on cells have half the genes and half the sets."""

BINS = (0, 0.125, 0.25, 0.5, 1, np.inf)
"""Ends of the bins of true effects, log2; genes that do not change are a bin of their own."""

MEDIAN_MEAN = 120
"""Of the simulated genes; the trend gives their dispersion there."""

NOISE = 0.03 + 2 / MEDIAN_MEAN + 1 / MEDIAN_MEAN
"""Variance of a log count of the median gene that no factor explains, natural log."""


# Laws of effects, log2.


def normal(rng: np.random.Generator, n: int, *, sd: float) -> FloatArray:
    return sd * rng.standard_normal(n)


def mostly_small(rng: np.random.Generator, n: int) -> FloatArray:
    """Seven in ten small, the others not."""
    return rng.choice([0.25, 1.0], n, p=[0.7, 0.3]) * rng.standard_normal(n)


def laplace(rng: np.random.Generator, n: int) -> FloatArray:
    """A standard deviation of .35."""
    return rng.laplace(scale=0.25, size=n)


LAWS = {
    "normal .25": effects(partial(normal, sd=0.25), pi0=0.3),
    "mixed": effects(mostly_small, pi0=0.3),
    "laplace": effects(laplace, pi0=0.2),
    "normal .5 pi0 .6": effects(partial(normal, sd=0.5), pi0=0.6),
    "normal .5 pi0 .95": effects(partial(normal, sd=0.5), pi0=0.95),
    "sparse": effects(partial(normal, sd=EFFECT_SD), pi0=0.9),
    "null": effects(partial(normal, sd=0.0), pi0=1.0),
}
FACTORS = [None, *product((0.1, 0.3), (0.0, 0.3, 0.6, 0.9))]
"""Share of the variance, and correlation with the groups."""

SMALL_LAWS = ("mixed", "normal .25", "sparse", "null")
SMALL_FACTORS = (None, *product((0.3,), (0.0, 0.3, 0.6, 0.9)), (0.1, 0.6))


def one_factor(rng: np.random.Generator, n: int, n_genes: int, *, share: float, correlation: float) -> FloatArray:
    """A factor that takes a share of the median gene's variance, natural log, (G, S)."""
    loading = np.sqrt(NOISE * share / (1 - share)) * rng.standard_normal((n_genes, 1))
    return loading @ factor_scores(rng, np.repeat([-1.0, 1.0], n), 1, correlation).T


def every_cell(n_genes: int) -> Iterator[tuple[str, Cell, int]]:
    """The smallest preset that a cell is in, the cell, and its samples per group."""
    for i, (n, law, factor) in enumerate(product(SIZES, LAWS, FACTORS)):
        shift = None if factor is None else partial(one_factor, share=factor[0], correlation=factor[1])
        kind = "no factor" if factor is None else f"factor {factor[0]:.0%}, r={factor[1]:g}"
        own_genes = n_genes // 2 if n >= LARGE else n_genes
        made = partial(simulate, n=n, n_genes=own_genes, shift=shift, **LAWS[law])
        small = factor is None or (law in SMALL_LAWS and factor in SMALL_FACTORS)
        # Cells keep their sets whatever the preset.
        cell = Cell(name=f"n={n}, {law}, {kind}", seed=500_000 + 100 * i, formula="~ group", simulate=made)
        yield "small" if small else "full", cell, n


def interval_of_fdp(effects: Effects, fit: EmFit, listed: BoolArray) -> tuple[float, float] | None:
    """The 90% interval of the false discovery proportion of a list, (G,), as `prior.json` has it."""
    shares = scattered(false_proportions(effects, fit.prior, listed), effects, listed)
    told = discovery_proportion(shares, listed)
    return None if told is None else tuple(told["interval"])


def fdp_held(interval: tuple[float, float] | None, fdp: float) -> float:
    return np.nan if interval is None else float(interval[0] <= fdp <= interval[1])


def coverage_by_size(low: FloatArray, high: FloatArray, truth: FloatArray) -> Row:
    """Coverage of the intervals, of the changed genes, the others, and by size of the true effect."""
    covered, size = (low <= truth) & (truth <= high), np.abs(truth)
    strata = {"changed": size > 0, "0": size == 0}
    strata |= {f"{above:g}_{to:g}": (size > above) & (size <= to) for above, to in pairwise(BINS)}
    return {f"coverage_{name}": covered[one].mean() if one.any() else np.nan for name, one in strata.items()}


def measures(found: pd.DataFrame, truth: FloatArray) -> Row:
    """Error rates of a method's list, and what its estimates and intervals are worth."""
    row = {
        **list_rates(found["adjusted"], found["order"], found["estimate"], truth),
        **effect_errors(found["estimate"], truth),
    }
    if found["low"].notna().any():
        row |= interval_coverage(found, truth)
        row |= coverage_by_size(found["low"].to_numpy(), found["high"].to_numpy(), truth)
    if found["p_value"].notna().any():
        row |= p_calibration(found["p_value"], truth)
    return row


@cache
def warm_up() -> None:
    """A fit of each kind, so that no set's time holds the loading of kernels."""
    shift = partial(one_factor, share=0.5, correlation=0.3)
    for n in SIZES:
        make = partial(simulate, n=n, n_genes=400, shift=shift)
        known = draw(Cell(name="", seed=1, formula="~ group", simulate=make), 1)
        own = eb.fit_effects(known.counts, known.design)
        eb.posterior(own, eb.fit_em(own).prior)


def score(seed: int, *, cell: Cell) -> list[Row]:
    """What our lists by q-value, s-value and Benjamini and Hochberg are worth on one set, and the fit."""
    warm_up()
    known = draw(cell, seed)
    started = time.process_time()
    own = eb.fit_effects(known.counts, known.design)
    estimated = time.process_time()
    fit = eb.fit_em(own)
    posterior = eb.posterior(own, fit.prior)
    judged = time.process_time()
    table = eb.results_table(own, posterior)
    by_own = by_q(table)
    rates = {
        "likelihood, q-value": measures(by_own, known.truth) | lfdr_gaps(posterior.lfdr, known.truth),
        "likelihood, s-value": measures(by_s(table), known.truth),
        "likelihood, BH": measures(by_p(table), known.truth),
    }
    first, raw = rates["likelihood, q-value"], rates["likelihood, BH"]["rmse"]
    robust = eb.with_intervals(posterior, own, fit.prior, "robust")
    robust_frame = by_own.assign(low=robust.lower, high=robust.upper)
    interval = interval_of_fdp(own, fit, np.asarray(in_list(table, LEVEL)))
    first |= {
        "rmse_raw": raw,
        "rmse_ratio": first["rmse"] / raw,
        "coverage_robust": interval_coverage(robust_frame, known.truth)["coverage"],
        "pi0": fit.prior.pi0,
        "null_scale": fit.prior.null_scale,
        "factors": 0 if own.hidden is None else len(own.hidden.share),
        "cpu_s_effects": estimated - started,
        "cpu_s_prior": judged - estimated,
        "fdp_held": fdp_held(interval, rates["likelihood, s-value"]["fdp"]),
    }
    return [{"method": method, **row} for method, row in rates.items()]


def peer_rates(command: list[str] | None, cell: Cell, n_sets: int) -> Iterator[list[Row]]:
    """What the peers' lists are worth on each set of a cell: those of a command, or without one those in R."""
    known = [draw(cell, cell.seed + k) for k in range(n_sets)]
    answers = answers_in_r("peers.R", known) if command is None else answers_of(command, known)
    for one, found in zip(known, answers, strict=True):
        yield [{"method": method, **measures(table, one.truth)} for method, table in found]


def add_peers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--peers", action="store_true", help="DESeq2, edgeR and limma-voom, in R")
    parser.add_argument("--edgepython", metavar="PYTHON", help="interpreter of an environment with edgePython")


def asked_peers(options: argparse.Namespace) -> list[Callable[[Cell, int], Iterator[list[Row]]]]:
    """What the peers that were asked for are worth on the sets of a cell."""
    commands: list[list[str] | None] = [None] * options.peers
    commands += [[options.edgepython, str(HERE / "edgepython_peer.py")]] * bool(options.edgepython)
    return [partial(peer_rates, command) for command in commands]


def main() -> None:
    parser = command_line(__doc__, "dense.csv")
    parser.add_argument("--preset", choices=("small", "full"), default="small")
    parser.add_argument("--sets", type=int, default=10, help="at most 100")
    parser.add_argument("--genes", type=int, default=N_GENES)
    parser.add_argument("--cells", nargs="+", metavar="cell", help="names; instead of a preset")
    add_peers(parser)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    cells = {cell.name: (preset, cell, n) for preset, cell, n in every_cell(options.genes)}
    unknown = set(options.cells or ()) - set(cells)
    if unknown:
        parser.error(f"no such cells: {', '.join(sorted(unknown))}; the first of {len(cells)} is {next(iter(cells))!r}")
    chosen = options.cells or [name for name, (preset, *_) in cells.items() if preset in ("small", options.preset)]
    peers = asked_peers(options)
    rows: list[Row] = []
    with workers(options.workers) as pool:
        for name in chosen:
            _, cell, n = cells[name]
            n_sets = max(1, options.sets // 2) if n >= LARGE else options.sets
            rows += average(name, list(pool.map(partial(score, cell=cell), range(cell.seed, cell.seed + n_sets))))
            for rates in peers:
                rows += average(name, list(rates(cell, n_sets)))
            show([row for row in rows if row["cell"] == name])
            write_rows(options.out, rows)


if __name__ == "__main__":
    main()
