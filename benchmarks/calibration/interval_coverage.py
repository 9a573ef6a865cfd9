"""How often 95% intervals hold the true effects, by kind of interval and number of effects.

python benchmarks/calibration/interval_coverage.py [--work 1.0] [--methods plugin full_bayes] [--models "two groups"]

Model `normal`: effects N(.5, tau^2), center and tau unknown, standard errors from .5 to 2. Model `two groups`: four
effects in five are 0 and the others N(0, 1.5^2), standard errors from .25 to .8, weights of normal slabs fitted.
Errors are normal and standard errors known, so that only what is said of the prior differs. Full Bayes takes tau from a
half-t with 4 degrees of freedom and scale 2, whatever the truth, and weights from `draw_gibbs`; model `tau drawn` takes
each set's tau from that half-t, over which full Bayes promises its coverage. What is not asked for keeps its rows.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from rates import write_rows

import ebgenes as eb
from ebgenes.classics import normal_intervals as normal
from ebgenes.posteriors.intervals.fitted_mixture import METHODS

HERE = Path(__file__).parent
SETS = {8: 400, 20: 250, 100: 300, 1000: 40, 20_000: 3}
BOOTSTRAPPED = {8: 150, 20: 80, 100: 30, 1000: 8, 20_000: 2}
"""Sets of each size, and how many of them Laird and Louis's bootstrap sees, which takes a hundred times as long."""

MODELS = ("tau drawn", "normal", "two groups")

Ends = tuple[str, np.ndarray, np.ndarray]


def even_log(rng: np.random.Generator, low: float, high: float, size: int) -> np.ndarray:
    return np.exp(rng.uniform(np.log(low), np.log(high), size))


def normal_set(
    n: int, tau: float, methods: Sequence[str], rng: np.random.Generator
) -> tuple[np.ndarray, Iterator[Ends]]:
    if np.isnan(tau):
        tau = normal.HALF_T_SCALE * abs(rng.standard_t(normal.HALF_T_DF))
    se = even_log(rng, 0.5, 2, n)
    truth = 0.5 + tau * rng.standard_normal(n)
    estimate = truth + se * rng.standard_normal(n)

    def ends() -> Iterator[Ends]:
        for method in methods:
            extra = [rng] if method == "laird_louis" else []
            found = getattr(normal, f"{method}_intervals")(estimate, se, *extra)
            yield method, found.lower, found.upper

    return truth, ends()


def group_set(n: int, methods: Sequence[str], rng: np.random.Generator) -> tuple[np.ndarray, Iterator[Ends]]:
    se = even_log(rng, 0.25, 0.8, n)
    truth = np.where(rng.random(n) < 0.8, 0.0, 1.5 * rng.standard_normal(n))
    effects = eb.effects_from_summary([f"g{i}" for i in range(n)], truth + se * rng.standard_normal(n), se)
    fit = eb.fit_em(effects, null="fixed")
    prior = fit.prior
    known = eb.posterior(effects, prior)

    def ends() -> Iterator[Ends]:
        draws = eb.draw_gibbs(effects, fit, chains=2, draws=500, warmup=50) if "full_bayes" in methods else None
        weight = None if draws is None else draws.weight
        for method in methods:
            found = eb.with_intervals(known, effects, prior, method, rng=rng, draws=weight)
            yield method, found.lower, found.upper

    return truth, ends()


def cells(work: float, methods: Sequence[str], asked_for: Sequence[str]) -> Iterator[dict[str, object]]:
    """One row for each model, size and method."""
    for n, n_sets in SETS.items():
        models = [("tau drawn", np.nan), ("normal", 0.5), ("normal", 1.0), ("normal", 2.0)]
        models += [("two groups", 1.5)] if n >= 100 else []
        for model, tau in models:
            if model not in asked_for:
                continue
            hits: dict[str, list[float]] = {}
            widths: dict[str, list[float]] = {}
            for seed in range(max(int(work * n_sets), 2)):
                rng = np.random.default_rng([n, int(10 * np.nan_to_num(tau)), seed])
                asked = [each for each in methods if each != "laird_louis" or seed < max(work * BOOTSTRAPPED[n], 2)]
                truth, ends = group_set(n, asked, rng) if model == "two groups" else normal_set(n, tau, asked, rng)
                for method, lower, upper in ends:
                    hits.setdefault(method, []).append(float(np.mean((lower <= truth) & (truth <= upper))))
                    widths.setdefault(method, []).append(float(np.mean(upper - lower)))
            for method in methods:
                seen = np.array(hits[method])
                yield {
                    "model": model,
                    "tau": "" if np.isnan(tau) else tau,
                    "effects": n,
                    "method": method,
                    "coverage": round(float(seen.mean()), 4),
                    "coverage_se": round(float(seen.std(ddof=1) / np.sqrt(len(seen))), 4),
                    "width": round(float(np.mean(widths[method])), 3),
                    "sets": len(seen),
                }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=float, default=1.0, help="share of the sets to run")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--out", type=Path, default=HERE / "interval_coverage.csv")
    asked = parser.parse_args()
    rows = kept_rows(asked.out, asked.methods, asked.models)
    for row in cells(asked.work, asked.methods, asked.models):
        rows.append(row)
        print(row, flush=True)
    rows.sort(key=lambda row: (int(row["effects"]), MODELS.index(row["model"]), str(row["tau"])))
    write_rows(asked.out, rows)


def kept_rows(path: Path, methods: Sequence[str], models: Sequence[str]) -> list[dict[str, object]]:
    """Rows of an earlier table that are not made again."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if not (row["method"] in methods and row["model"] in models)]


if __name__ == "__main__":
    main()
