"""Realised error rates on real replicates: random halves of one group, and effects thinned into one of them.

python benchmarks/calibration/replicates.py COUNTS SAMPLES --within strain=A --batch batch [--splits 10] [--sizes 3 5]

Any matrix of replicates serves. Samples of one group (`--within column=value`) are split at random into two groups of
n; between them nothing differs (`null`), or 12% of the genes do, because the counts of one side are thinned binomially
to a fold change drawn from N(0, (.8 nat)^2) (`signal`). A column that explains part of what replicates share
(`--batch`) is withheld from the design or recorded in it, and hidden factors are sought (auto) or not (0). Splits in
which the batch cannot be told from the groups, or leaves no residual degree of freedom, are drawn again for all.
Columns are those of evidence.py; `regained` is what auto without the batch gains in true discoveries, as a share of
what recording the batch does.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from command import add_engines, command_line, two_workers
from methods import by_p, by_q, by_s
from plasmodes import SHARE_CHANGED, Replicates, read_replicates, thin
from rates import LEVEL, Row, average, list_rates, write_rows
from sets import EFFECT_SD, QUESTION

import ebgenes as eb
from ebgenes.arrays import FloatArray, text_array
from ebgenes.errors import InputError
from ebgenes.records.counts import Counts

DESIGNS = {"batch withheld": "~ group", "batch recorded": "~ batch + group"}


def sheet_of(batch: pd.Series, chosen: np.ndarray) -> pd.DataFrame:
    half = len(chosen) // 2
    return pd.DataFrame(
        {"group": ["control"] * half + ["treated"] * half, "batch": batch.to_numpy()[chosen]},
        index=pd.Index([f"s{i}" for i in range(len(chosen))], name="sample"),
    )


def draw_split(rng: np.random.Generator, batch: pd.Series, n: int) -> np.ndarray:
    """Samples of a split whose batches a design can hold beside its groups."""
    for _ in range(1000):
        chosen = rng.choice(len(batch), 2 * n, replace=False)
        try:
            for formula in DESIGNS.values():
                eb.require_replicates(eb.build_design(sheet_of(batch, chosen), formula, QUESTION))
        except InputError:
            continue
        return chosen
    raise SystemExit("no split leaves a residual degree of freedom beside the batch")


def thinned(rng: np.random.Generator, count: np.ndarray) -> tuple[np.ndarray, FloatArray]:
    """Counts whose second half differs from the first, and by how much, log2, (G,)."""
    changed = rng.random(len(count)) < SHARE_CHANGED
    effect = np.where(changed, EFFECT_SD * rng.standard_normal(len(count)), 0.0)
    treated = np.arange(count.shape[1]) >= count.shape[1] // 2
    return thin(rng, count, effect, treated), effect


def score(seed: int, *, counts: Counts, batch: pd.Series, n: int, signal: bool, engines: list[str]) -> list[Row]:
    """Every method's error rates on one split."""
    rng = np.random.default_rng(seed)
    chosen = draw_split(rng, batch, n)
    count = counts.count[:, chosen]
    count, truth = thinned(rng, count) if signal else (count, np.zeros(len(count)))
    samples = sheet_of(batch, chosen)
    made = Counts(gene=counts.gene, sample=text_array(samples.index), count=count)
    screen = eb.screen_genes(made, eb.build_design(samples, DESIGNS["batch withheld"], QUESTION))
    kept = eb.normalize(eb.keep_expressed(made, screen))
    return [
        row
        for engine in engines
        for label, formula in DESIGNS.items()
        for hidden_factors in (0, "auto")
        for row in _rates(kept, samples, truth[screen.kept], engine, label, formula, hidden_factors)
    ]


def _rates(
    counts: Counts, samples: pd.DataFrame, truth: FloatArray, engine: str, label: str, formula: str, factors: Any
) -> Iterator[Row]:
    design = eb.build_design(samples, formula, QUESTION)
    effects = eb.fit_effects(counts, design, engine=engine, hidden_factors=factors)
    table = eb.results_table(effects, eb.posterior(effects, eb.fit_em(effects).prior))
    taken = 0 if effects.hidden is None else len(effects.hidden.share)
    for name, one in {"s-value": by_s(table), "q-value": by_q(table), "BH": by_p(table)}.items():
        if truth.any():
            row = list_rates(one["adjusted"], one["order"], one["estimate"], truth)
        else:
            # Where nothing differs, only the length of the list means something.
            calls = int((one["adjusted"] < LEVEL).sum())
            row = {"calls": calls, "sets_with_calls": calls > 0}
        yield {"method": f"{engine}, {label}, {factors}, {name}", "factors": taken, **row}


def add_regained(rows: list[Row]) -> None:
    """What auto gains without the batch, as a share of what recording it gains."""
    by_name = {str(row["method"]): row for row in rows}
    for name, row in by_name.items():
        plain, recorded = name.replace(", auto,", ", 0,"), name.replace("withheld, auto,", "recorded, 0,")
        if "withheld, auto" in name and "tpr" in row:
            gains = [float(by_name[each]["tpr"]) - float(by_name[plain]["tpr"]) for each in (name, recorded)]
            row["regained"] = f"{gains[0] / gains[1]:.2f}" if gains[1] > 0 else "nothing to regain"


def main() -> None:
    parser = command_line(__doc__, "replicates.csv")
    add_engines(parser)
    parser.add_argument("counts", type=Path)
    parser.add_argument("samples", type=Path)
    parser.add_argument("--within", required=True, help="column=value of the samples to split")
    parser.add_argument("--batch", required=True, help="column that explains what replicates share")
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--sizes", nargs="+", type=int, default=[3, 5])
    parser.add_argument(
        "--append", action=argparse.BooleanOptionalAction, default=False, help="keep the rows there are"
    )
    options = parser.parse_args()
    source = Replicates(name="", counts=options.counts, samples=options.samples, within=options.within)
    counts, sheet = read_replicates(source)
    batch = sheet[options.batch]
    rows: list[Row] = pd.read_csv(options.out, dtype=str).fillna("").to_dict("records") if options.append else []
    with two_workers() as pool:
        for n in options.sizes:
            for signal in (False, True):
                shared = {"counts": counts, "batch": batch, "n": n, "signal": signal, "engines": options.engines}
                averages = average(
                    f"{options.within}, n={n}, {'signal' if signal else 'null'}",
                    list(pool.map(partial(score, **shared), range(options.splits))),
                )
                add_regained(averages)
                for row in averages:
                    print(*row.values(), flush=True)
                rows += averages
                write_rows(options.out, rows)


if __name__ == "__main__":
    main()
