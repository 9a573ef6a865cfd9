"""Simulated sets with known truth: the cells of the calibration benchmark and how their sets are drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

import ebgenes as eb
from ebgenes.model import Counts, Design, FloatArray, text_array
from ebgenes.simulate import Simulation

N_GENES = 8000
QUESTION = eb.compare("group", baseline="control", target="treated")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One kind of study. The k-th of its sets, from 0, is drawn with the seed ``seed + k``."""

    name: str
    seed: int
    formula: str
    simulate: Callable[[np.random.Generator], Simulation]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class KnownSet:
    """What a method sees, and the true log2 fold changes of the genes, (G,)."""

    counts: Counts
    design: Design
    truth: FloatArray


def simulate_continuous(rng: np.random.Generator) -> Simulation:
    """Six against six whose ages all differ; a sd of age (12 years) moves each gene by N(0, (.2 nat)^2)."""
    age = rng.normal(50, 12, 12)
    samples = pd.DataFrame({"age": age, "group": np.repeat(["control", "treated"], 6)})
    return _simulate(rng, samples, np.outer(0.2 * rng.standard_normal(N_GENES), (age - 50) / 12))


def simulate_donors(rng: np.random.Generator) -> Simulation:
    """Eleven donors, once in either group, the first twice; a donor moves each gene by N(0, (.3 nat)^2)."""
    donor = np.tile([0, *range(11)], 2)
    samples = pd.DataFrame({"donor": [f"donor{i:02d}" for i in donor], "group": np.repeat(["control", "treated"], 12)})
    return _simulate(rng, samples, 0.3 * rng.standard_normal((N_GENES, 11))[:, donor])


def _simulate(rng: np.random.Generator, samples: pd.DataFrame, shift: FloatArray) -> Simulation:
    """As `eb.simulate_counts` with its defaults, for any sheet with a group; log means are moved by `shift`, (G, S)."""
    n_samples = len(samples)
    mean = 120 * np.exp(1.9 * rng.standard_normal(N_GENES))
    effect = np.where(rng.random(N_GENES) < 0.85, 0.0, 0.8 * rng.standard_normal(N_GENES))
    dispersion = (0.03 + 2 / mean) * np.exp(0.6 * rng.standard_normal(N_GENES))
    size = np.exp(0.3 * rng.standard_normal(n_samples))
    treated = (samples["group"] == "treated").to_numpy()
    expected = mean[:, None] * size * np.exp(np.outer(effect, treated - 0.5) + shift)
    level = rng.gamma(1 / dispersion[:, None], dispersion[:, None], expected.shape) * expected
    samples.index = pd.Index([f"sample{i + 1:02d}" for i in range(n_samples)], name="sample")
    gene = text_array(f"gene{i + 1:05d}" for i in range(N_GENES))
    counts = Counts(gene=gene, sample=text_array(samples.index), count=rng.poisson(level))
    return Simulation(counts=counts, samples=samples, effect=effect / np.log(2))


CELLS = (
    *(
        Cell(
            name=f"n{n}_s{1 + heavy_tail}",
            seed=1000 * n + 500 * heavy_tail,
            formula="~ group",
            simulate=partial(eb.simulate_counts, n_per_group=n, heavy_tail=heavy_tail),
        )
        for n in (2, 3, 5, 10)
        for heavy_tail in (False, True)
    ),
    Cell(name="continuous", seed=20_000, formula="~ age + group", simulate=simulate_continuous),
    Cell(name="coefficients12", seed=30_000, formula="~ donor + group", simulate=simulate_donors),
)


def draw(cell: Cell, seed: int) -> KnownSet:
    """One set of a cell: its genes with 10 reads or more."""
    made = cell.simulate(np.random.default_rng(seed))
    seen = made.counts.count.sum(axis=1) >= 10
    return KnownSet(
        counts=replace(made.counts, gene=made.counts.gene[seen], count=made.counts.count[seen]),
        design=eb.build_design(made.samples, cell.formula, QUESTION),
        truth=made.effect[seen],
    )
