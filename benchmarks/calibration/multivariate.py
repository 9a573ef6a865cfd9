"""Lists of several conditions taken together, beside each condition alone: error rates and what is gained.

python benchmarks/calibration/multivariate.py [--work 1.0]

4,000 genes in 5 conditions, one fifth of them with effects N(0, 1.5^2) of a shape that the cell names. Standard
errors run from .3 to .9. A list holds the genes and conditions whose s-value, taken over all conditions, is below 5%;
`fdp` and `fsr` are its realised shares of absent effects and of wrong or absent signs, `tpr` the share of effects it
holds, `tpr_matched` that of the longest list by lfsr whose realised FDP is 5%.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from rates import Row, average, list_rates, write_rows

import ebgenes as eb
from ebgenes.analyses.conditions.error_correlation import normal_se, residual_correlation
from ebgenes.arrays import FloatArray
from ebgenes.posteriors.fdr import p_values, running_mean
from ebgenes.records.effects import Effects

HERE = Path(__file__).parent
GENES, CONDITIONS, SHARE, SETS = 4000, 5, 0.2, 10
SHAPES = ("equal", "alike", "one of five", "two of five", "independent")
DF = 6


def effects_of(shape: str, n: int, rng: np.random.Generator) -> FloatArray:
    """Effects of n changed genes, (n, R)."""
    alone = 1.5 * rng.standard_normal((n, CONDITIONS))
    shared = 1.5 * rng.standard_normal((n, 1)) * np.ones(CONDITIONS)
    if shape == "equal":
        return shared
    if shape == "alike":
        return np.sqrt(0.75) * shared + np.sqrt(0.25) * alone
    if shape == "two of five":
        return shared * (np.arange(CONDITIONS) < 2)
    if shape == "one of five":
        return alone * (np.arange(CONDITIONS) == rng.integers(CONDITIONS, size=(n, 1)))
    if shape == "mixed":
        kinds = ("equal", "two of five", "one of five")
        return np.concatenate([effects_of(kind, n // 3, rng) for kind in kinds])
    return alone


def simulated(
    shape: str, correlation: float, df: float, missing: float, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Effects, estimates and standard errors, (G, R) each; NaN where a gene was not tested."""
    truth = np.zeros((GENES, CONDITIONS))
    if shape != "none":
        made = effects_of(shape, int(SHARE * GENES), rng)
        truth[: len(made)] = made
    spread = np.exp(rng.uniform(np.log(0.3), np.log(0.9), truth.shape))
    common = np.sqrt(correlation) * rng.standard_normal((GENES, 1))
    estimate = truth + spread * (common + np.sqrt(1 - correlation) * rng.standard_normal(truth.shape))
    se = spread * np.sqrt(rng.chisquare(df, truth.shape) / df) if np.isfinite(df) else spread
    estimate[rng.random(truth.shape) < missing] = np.nan
    return truth, estimate, se


def single(estimate: FloatArray, se: FloatArray, df: float) -> tuple[list[Effects], FloatArray]:
    """Each condition's effects, and where they are, (G, R)."""
    seen = ~np.isnan(estimate)
    made = []
    for r in range(estimate.shape[1]):
        rows = np.flatnonzero(seen[:, r])
        made.append(eb.effects_from_summary(rows, estimate[rows, r], se[rows, r], df))
    return made, seen


def one_set(shape: str, correlation: float, df: float, missing: float, rng: np.random.Generator) -> list[Row]:
    truth, estimate, se = simulated(shape, correlation, df, missing, rng)
    effects, seen = single(estimate, se, df)
    lfsr, mean = np.ones_like(truth), np.zeros_like(truth)
    for r, each in enumerate(effects):
        known = eb.posterior(each, eb.fit_em(each).prior)
        lfsr[seen[:, r], r], mean[seen[:, r], r] = known.lfsr, known.mean
    rows = [{"method": "alone", **rates(truth, lfsr, mean)}]
    width = np.full_like(se, np.nan)
    for r, each in enumerate(effects):
        width[seen[:, r], r] = normal_se(replace(each, p_value=p_values(each)))
    errors = np.eye(CONDITIONS)
    for i, j in zip(*np.tril_indices(CONDITIONS, -1), strict=True):
        errors[i, j] = errors[j, i] = residual_correlation(estimate[:, i] / width[:, i], estimate[:, j] / width[:, j])
    known = estimate, eb.covariances_of(width, errors)
    for method, learn in (("together", True), ("together, patterns not learned", False)):
        post = eb.multivariate_posterior(eb.fit_multivariate(*known, learn=learn).prior, *known)
        rows.append({"method": method, **rates(truth, np.where(seen, post.lfsr, 1.0), post.mean)})
    return rows


def rates(truth: FloatArray, lfsr: FloatArray, mean: FloatArray) -> Row:
    """Of the list over all genes and conditions."""
    if not truth.any():
        called = running_mean(lfsr.ravel()) < 0.05
        return {"calls": called.sum(), "fdp": float(called.any()), "fsr": float(called.any())}
    return list_rates(running_mean(lfsr.ravel()), lfsr.ravel(), np.sign(mean.ravel()), truth.ravel())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=float, default=1.0, help="share of the sets to run")
    parser.add_argument("--out", type=Path, default=HERE / "multivariate.csv")
    asked = parser.parse_args()
    plan = [
        ("mixed", 0.0, np.inf, 0.0),
        ("none", 0.0, np.inf, 0.0),
        ("mixed", 0.0, DF, 0.0),
        ("mixed", 0.5, np.inf, 0.0),
    ]
    plan += [("mixed", 0.0, np.inf, 0.3), ("none", 0.5, np.inf, 0.0)]
    plan += [(shape, 0.0, np.inf, 0.0) for shape in SHAPES]
    rows: list[Row] = []
    for number, (shape, correlation, df, missing) in enumerate(plan):
        words = [shape, f"errors correlated by {correlation}" if correlation else "",
                 f"{df} df" if np.isfinite(df) else "", f"{missing:.0%} not tested" if missing else ""]  # fmt: skip
        cell = ", ".join(word for word in words if word)
        sets = [
            one_set(shape, correlation, df, missing, np.random.default_rng([number, seed]))
            for seed in range(max(int(asked.work * SETS), 2))
        ]
        rows += average(cell, sets)
        print(*rows[-3:], sep="\n", flush=True)
        # What has been measured is kept if the rest is not waited for.
        write_rows(asked.out, rows)


if __name__ == "__main__":
    main()
