"""Sets with known truth out of real replicates: random halves of one group, with effects thinned in or without."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sets import EFFECT_SD, Cell

import ebgenes as eb
from ebgenes.arrays import FloatArray, text_array
from ebgenes.data.simulate import Simulation
from ebgenes.records.counts import Counts

ROOT = Path(__file__).parents[2]
SHARE_CHANGED = 0.12
SIZES = (3, 5, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicates:
    """Samples that no known cause makes differ."""

    name: str
    counts: Path
    samples: Path
    within: str
    """``column=value`` of the sheet."""


SHIPPED = [
    Replicates(
        name=name,
        counts=ROOT / "resources" / name / "counts.tsv.gz",
        samples=ROOT / "resources" / name / "samples.tsv",
        within=within,
    )
    for name, within in (("airway", "dex=untrt"), ("pasilla", "condition=untreated"))
]


def read_replicates(source: Replicates) -> tuple[Counts, pd.DataFrame]:
    """Counts of one group's samples, and their rows of the sheet."""
    sheet = eb.read_samples(source.samples)
    column, value = source.within.split("=", 1)
    own = sheet.index[sheet[column].astype(str) == value]
    found = eb.match_samples(eb.read_counts(source.counts), text_array(sheet.index))
    member = np.isin(found.sample.astype(str), own.astype(str))
    counts = Counts(gene=found.gene, sample=found.sample[member], count=found.count[:, member])
    return counts, sheet.loc[counts.sample]


def thin(rng: np.random.Generator, count: np.ndarray, effect: FloatArray, treated: np.ndarray) -> np.ndarray:
    """Counts thinned binomially to log2 effects, the group that is lower each time; what is left keeps its noise."""
    upward = np.where(treated, effect[:, None], -effect[:, None])  # (G, S)
    return rng.binomial(count, np.minimum(np.exp2(upward), 1.0))


def split(rng: np.random.Generator, *, counts: Counts, n: int, n_genes: int, signal: bool) -> Simulation:
    """Two groups of n of the replicates, and as many of their genes as asked."""
    sample = rng.choice(len(counts.sample), 2 * n, replace=False)
    seen = np.flatnonzero(counts.count[:, sample].sum(axis=1) >= 10)
    gene = np.sort(rng.choice(seen, min(n_genes, len(seen)), replace=False))
    count = counts.count[np.ix_(gene, sample)]
    changed = rng.random(len(gene)) < (SHARE_CHANGED if signal else 0.0)
    effect = np.where(changed, EFFECT_SD * rng.standard_normal(len(gene)), 0.0)
    treated = np.repeat([False, True], n)
    name = [f"s{i}" for i in range(2 * n)]
    made = Counts(gene=counts.gene[gene], sample=text_array(name), count=thin(rng, count, effect, treated))
    sheet = pd.DataFrame({"group": np.where(treated, "treated", "control")}, index=pd.Index(name, name="sample"))
    return Simulation(counts=made, samples=sheet, effect=effect)


def plasmode_cells(source: Replicates, n_genes: int, seed: int) -> Iterator[Cell]:
    """A cell with effects and one without for each number of samples per group that there are replicates for."""
    counts, _ = read_replicates(source)
    most = len(counts.sample) // 2
    for i, n in enumerate([n for n in SIZES if n <= most] or [most]):
        for signal in (True, False):
            make = partial(split, counts=counts, n=n, n_genes=n_genes, signal=signal)
            kind = "thinned" if signal else "null split"
            yield Cell(
                name=f"n={n}, {source.name}, {kind}",
                seed=seed + 200 * i + 100 * signal,
                formula="~ group",
                simulate=make,
            )
