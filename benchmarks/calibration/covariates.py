"""What covariates are worth: discoveries and realised FDR with and without them, and with Benjamini-Hochberg and IHW.

python benchmarks/calibration/covariates.py [--sets 16] [--genes 8000] [--only "score and mark"]

Simulated counts, 3 against 3, in which the chance of a gene to be changed depends on a covariate (or not, or opposite
to what was elicited), and airway's own counts, its untreated samples against one another, with such effects thinned
in. IHW runs where R has it (`r-bioc-ihw`), on the same p-values; of several covariates it can use one, and is given the
one that lets it call more. `found_same_fdr` are the true discoveries at the list
whose realised false discovery proportion is 5%, which no method knows: it compares rankings.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from plasmodes import thin
from rates import write_rows
from scipy import special

import ebgenes as eb
from ebgenes.posteriors.fdr import adjust_bh, p_values, running_mean
from ebgenes.posteriors.given_prior import null_probability
from ebgenes.records.counts import Counts
from ebgenes.records.effects import Effects

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LEVEL = 0.05


@dataclass(frozen=True)
class Set:
    """Effects of one study, which are changed, and what is claimed of them."""

    effects: Effects
    changed: np.ndarray
    columns: dict[str, np.ndarray]
    asked: list[Any]


SCENARIOS: dict[str, dict[str, Any]] = {
    # Slopes of the log odds of being changed, by a score and a mark that one gene in ten bears.
    "informative score": {"score": 4.0, "asked": ["score"]},
    "informative mark, elicited": {
        "mark": np.log(12), "asked": [{"column": "mark", "odds_ratio": 10, "range": [4, 25]}],
    },
    "score and mark": {
        "score": 4.0, "mark": np.log(12), "asked": ["score", {"column": "mark", "odds_ratio": 10, "range": [4, 25]}],
    },
    "uninformative score": {"asked": ["score"]},
    "uninformative mark, elicited as informative": {
        "asked": [{"column": "mark", "odds_ratio": 10, "range": [4, 25]}],
    },
    "perverse mark": {"mark": -np.log(12), "asked": [{"column": "mark", "odds_ratio": 10, "range": [4, 25]}]},
    "mean expression": {"base_mean": 1.2, "asked": ["base_mean"]},
}  # fmt: skip


def simulated(scenario: dict[str, Any], n_genes: int, rng: np.random.Generator) -> Set:
    """Counts with the calibration benchmarks' law, effects where the covariates put them."""
    made = eb.simulate_counts(rng, n_genes=n_genes, n_per_group=3, pi0=1.0)
    design = eb.build_design(made.samples, "~ group", eb.compare("group", baseline="control", target="treated"))
    count = made.counts.count.astype(float)
    return with_effects(made.counts, count, design, np.arange(3, 6), scenario, rng)


def thinned_airway(scenario: dict[str, Any], rng: np.random.Generator) -> Set:
    """Two donors' untreated samples against the other two's, with effects thinned into real counts."""
    counts = eb.read_counts(ROOT / "resources/airway/counts.tsv.gz")
    sheet = eb.read_samples(ROOT / "resources/airway/samples.tsv")
    sample = np.flatnonzero((sheet["dex"] == "untrt").to_numpy())
    order = rng.permutation(sample)
    counts = Counts(gene=counts.gene, sample=counts.sample[order], count=counts.count[:, order])
    counts = replace(counts, gene=counts.gene[seen(counts)], count=counts.count[seen(counts)])
    samples = pd.DataFrame({"group": ["control"] * 2 + ["treated"] * 2}, index=counts.sample)
    design = eb.build_design(samples, "~ group", eb.compare("group", baseline="control", target="treated"))
    return with_effects(counts, counts.count.astype(float), design, np.arange(2, 4), scenario, rng)


def seen(counts: Counts) -> np.ndarray:
    return np.asarray(counts.count.sum(axis=1) >= 40)


def with_effects(
    counts: Counts,
    count: np.ndarray,
    design: Any,
    treated: np.ndarray,
    scenario: dict[str, Any],
    rng: np.random.Generator,
) -> Set:
    """Binomial thinning: of either group, so that signs are even; a count keeps its noise."""
    n_genes, n_samples = count.shape
    score, mark = rng.uniform(size=n_genes), (rng.uniform(size=n_genes) < 0.1).astype(float)
    mean = np.log(count.mean(axis=1) + 0.5)
    level = (mean - mean.mean()) / mean.std()
    logit = -2.2 + scenario.get("score", 0) * (score - 0.7) + scenario.get("mark", 0) * mark
    changed = rng.uniform(size=n_genes) < special.expit(logit + scenario.get("base_mean", 0) * level)
    effect = np.where(changed, rng.normal(0, 1.5, n_genes), 0.0)
    left = thin(rng, counts.count, effect, np.isin(np.arange(n_samples), treated))
    alive = left.sum(axis=1) >= 10
    counts = eb.normalize(Counts(gene=counts.gene[alive], sample=counts.sample, count=left[alive]))
    effects = eb.fit_effects(counts, design)
    columns = {"score": score[alive], "mark": mark[alive], "base_mean": effects.base_mean}
    return Set(effects, changed[alive], columns, scenario["asked"])


def methods(made: Set) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, error rate of the list that ends with each gene, and the order of the genes."""
    p_value = p_values(made.effects)
    yield "benjamini_hochberg", adjust_bh(p_value), p_value
    names = [each if isinstance(each, str) else each["column"] for each in made.asked]
    known = [each for each in (ihw(p_value, made.columns[name], name == "mark") for name in names) if each is not None]
    if known:
        weighted = max(known, key=lambda rate: int((rate < LEVEL).sum()))
        yield "ihw", weighted, weighted
    alone = eb.fit_em(made.effects)
    lfdr = null_probability(made.effects, alone.prior)
    yield "without", running_mean(lfdr), lfdr
    covariates = eb.build_covariates(made.effects.gene, made.columns, made.asked)
    with_them = eb.fit_em(made.effects, covariates=covariates)
    lfdr = null_probability(made.effects, with_them.prior)
    yield "with", running_mean(lfdr), lfdr


def ihw(p_value: np.ndarray, covariate: np.ndarray, nominal: bool) -> np.ndarray | None:
    """IHW's adjusted p-values, where R has it."""
    with tempfile.TemporaryDirectory() as folder:
        table = pd.DataFrame({"p": p_value, "x": covariate})
        table.to_csv(f"{folder}/in.csv", index=False)
        kind = "nominal" if nominal else "ordinal"
        script = (
            "if (!requireNamespace('IHW', quietly = TRUE)) quit(status = 3);"
            f"d <- read.csv('{folder}/in.csv'); set.seed(1);"
            f"x <- if ('{kind}' == 'nominal') factor(d$x) else d$x;"
            f"f <- IHW::ihw(d$p, x, alpha = {LEVEL}, covariate_type = '{kind}');"
            f"write.csv(data.frame(q = IHW::adj_pvalues(f)), '{folder}/out.csv', row.names = FALSE)"
        )
        done = subprocess.run(["Rscript", "-e", script], capture_output=True, text=True)
        if done.returncode != 0:
            return None
        return pd.read_csv(f"{folder}/out.csv")["q"].to_numpy()


def measured(made: Set) -> list[dict[str, Any]]:
    rows = []
    for name, rate, score in methods(made):
        called = rate < LEVEL
        order = np.argsort(score, kind="stable")
        false = np.cumsum(~made.changed[order])
        reach = np.flatnonzero(false <= LEVEL * np.arange(1, len(order) + 1))
        rows.append(
            {
                "method": name,
                "called": int(called.sum()),
                "fdp": float((~made.changed[called]).mean()) if called.any() else 0.0,
                "found": int(made.changed[called].sum()),
                "found_same_fdr": int(made.changed[order][: reach[-1] + 1].sum()) if len(reach) else 0,
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=16)
    parser.add_argument("--genes", type=int, default=8000)
    parser.add_argument("--out", type=Path, default=HERE / "covariates.csv")
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    asked = parser.parse_args()
    rows: list[dict[str, Any]] = []
    if asked.out.exists() and len(asked.only) < len(SCENARIOS):
        # Scenarios that are not run again keep their rows.
        rows = [row for row in csv.DictReader(asked.out.open(encoding="utf-8")) if row["covariate"] not in asked.only]
    for data in ("simulated", "airway, thinned"):
        for name in asked.only:
            scenario = SCENARIOS[name]
            found: list[dict[str, Any]] = []
            for seed in range(asked.sets):
                rng = np.random.default_rng([seed, 7])
                made = simulated(scenario, asked.genes, rng) if data == "simulated" else thinned_airway(scenario, rng)
                found += measured(made)
            table = pd.DataFrame(found)
            for method, group in table.groupby("method", sort=False):
                rows.append(
                    {
                        "data": data,
                        "covariate": name,
                        "method": method,
                        **{column: round(group[column].mean(), 1) for column in ("called", "found", "found_same_fdr")},
                        "realised_fdr": round(group["fdp"].mean(), 4),
                        "fdr_se": round(group["fdp"].std() / np.sqrt(len(group)), 4),
                        "sets": len(group),
                    }
                )
                print(rows[-1], flush=True)
    write_rows(asked.out, rows)


if __name__ == "__main__":
    main()
