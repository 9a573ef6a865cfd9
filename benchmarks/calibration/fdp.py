"""Does the posterior of a list's false discovery proportion hold the true one?

    python benchmarks/calibration/fdp.py [--studies 400] [--counts 30]

Studies are drawn from the model with a normal likelihood, their share of null genes and slabs anew each time, and,
fewer, as counts (`simulate_counts`, 3 a group, engine likelihood). Each is fitted by EM, drawn from by Gibbs, and its
list at q < .05 is compared with the truth. Writes fdp.csv, a row a study; prints the share of true proportions in the
shortest 90% intervals, ends included, and the probability that the posterior gives these intervals: more than 90%, as a
proportion takes few values.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import ebgenes as eb
from ebgenes.arrays import BoolArray
from ebgenes.posteriors.fdr import running_mean
from ebgenes.posteriors.lists import scattered
from ebgenes.posteriors.over_draws import list_discoveries
from ebgenes.records.effects import Effects
from ebgenes.results.summary import shortest_interval


def normal_study(rng: np.random.Generator, n_genes: int) -> tuple[Effects, BoolArray]:
    """Effects with known standard errors; which are null."""
    pi0 = rng.uniform(0.6, 0.95)
    null = rng.random(n_genes) < pi0
    slab = rng.choice([0.6, 1.2, 2.4], size=n_genes, p=rng.dirichlet(np.ones(3)))
    se = rng.uniform(0.15, 0.5, n_genes)
    theta = np.where(null, 0.0, slab * rng.standard_normal(n_genes))
    return eb.effects_from_summary(np.arange(n_genes), theta + se * rng.standard_normal(n_genes), se), null


def count_study(rng: np.random.Generator, n_genes: int) -> tuple[Effects, BoolArray]:
    """Effects of simulated counts, engine likelihood."""
    made = eb.simulate_counts(rng, n_genes=n_genes, n_per_group=3, pi0=float(rng.uniform(0.6, 0.95)))
    question = eb.compare("group", baseline="control", target="treated")
    design = eb.build_design(made.samples, "~ group", question, name="treated")
    screen = eb.screen_genes(made.counts, design)
    counts = eb.normalize(eb.keep_expressed(made.counts, screen), "median_ratio")
    effects = eb.fit_effects(counts, design, engine="likelihood", hidden_factors=0)
    return effects, made.effect[screen.kept] == 0


def judged(effects: Effects, null: BoolArray, seed: int) -> dict[str, float]:
    """One study's list: what was said of it and what is true."""
    fit = eb.fit_em(effects, null="fixed")
    draws = eb.draw_gibbs(effects, fit, chains=2, draws=400, warmup=200, seed=seed)
    chosen = running_mean(eb.full_posterior(effects, draws).lfdr) < 0.05
    proportion = scattered(list_discoveries(effects, draws, chosen), effects, chosen)
    low, high = shortest_interval(proportion, 0.9)
    true = float(null[chosen].mean()) if chosen.any() else 0.0
    return {
        "listed": int(chosen.sum()),
        "true": true,
        "mean": float(proportion.mean()),
        "low": float(low),
        "high": float(high),
        # What the posterior itself says of how often it should be held.
        "promised": float(np.mean((proportion >= low - 1e-12) & (proportion <= high + 1e-12))),
        "held": bool(low - 1e-12 <= true <= high + 1e-12),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=400)
    parser.add_argument("--counts", type=int, default=30)
    parser.add_argument("--genes", type=int, default=2000)
    options = parser.parse_args()
    rows = []
    for kind, make, n_studies in (
        ("normal", normal_study, options.studies),
        ("counts", count_study, options.counts),
    ):
        for study in range(n_studies):
            effects, null = make(np.random.default_rng([study, 7]), options.genes)
            rows.append({"kind": kind, "study": study, **judged(effects, null, study)})
    table = pd.DataFrame(rows)
    table.to_csv(Path(__file__).with_suffix(".csv"), index=False, float_format="%.4f")
    print(table.groupby("kind", sort=False)[["listed", "true", "mean", "promised", "held"]].mean().round(3).to_string())


if __name__ == "__main__":
    main()
