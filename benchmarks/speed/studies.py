"""The simulated studies that the speed benchmarks share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

import ebgenes as eb
from ebgenes.records.counts import Counts

SEED = 20


@dataclass(frozen=True)
class Question:
    """How many samples, and the design they are fitted with: control against treated, all else equal."""

    n_samples: int
    formula: str = "~ group"


QUESTIONS = {
    "two_groups_6": Question(6),
    "two_groups_24": Question(24),
    "two_groups_100": Question(100),
    "two_groups_400": Question(400),
    "two_groups_1000": Question(1000),
    "continuous": Question(24, "~ age + group"),
    "coefficients12": Question(48, "~ batch + group"),
}


def simulate(n_genes: int, n_samples: int) -> tuple[Counts, pd.DataFrame]:
    """Counts of the genes with ten reads or more, so that every tool fits the same ones, and their sheet."""
    rng = np.random.default_rng(SEED)
    made = eb.simulate_counts(rng, n_genes=n_genes, n_per_group=n_samples // 2)
    seen = made.counts.count.sum(axis=1) >= 10
    # Ages do not repeat, so neither do the rows of a design that holds them.
    age = rng.permutation(n_samples) + rng.uniform(30, 30.9, n_samples)
    batch = [f"b{i % (n_samples // 2) % 11 + 1:02d}" for i in range(n_samples)]
    return take(made.counts, seen), made.samples.assign(age=age.round(3), batch=batch)


def take(counts: Counts, gene: np.ndarray | slice) -> Counts:
    """Some of the genes."""
    return replace(counts, gene=counts.gene[gene], count=counts.count[gene])


def write(folder: Path, counts: Counts, samples: pd.DataFrame) -> None:
    """counts.tsv and samples.tsv."""
    folder.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(counts.count, index=counts.gene, columns=counts.sample)
    eb.write_table(folder / "counts.tsv", table.reset_index(names="gene_id"))
    eb.write_table(folder / "samples.tsv", samples.reset_index())
