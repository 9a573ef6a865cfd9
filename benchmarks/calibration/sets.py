"""Simulated sets with known truth: the cells of the calibration benchmark and how their sets are drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

import ebgenes as eb
from ebgenes.model import Counts, Design, FloatArray
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
    shift = np.outer(0.2 * rng.standard_normal(N_GENES), (age - 50) / 12)
    made = eb.simulate_counts(rng, n_genes=N_GENES, n_per_group=6, shift=shift)
    return replace(made, samples=made.samples.assign(age=age))


def simulate_donors(rng: np.random.Generator) -> Simulation:
    """Eleven donors, once in either group, the first twice; a donor moves each gene by N(0, (.3 nat)^2)."""
    donor = np.tile([0, *range(11)], 2)
    shift = 0.3 * rng.standard_normal((N_GENES, 11))[:, donor]
    made = eb.simulate_counts(rng, n_genes=N_GENES, n_per_group=12, shift=shift)
    return replace(made, samples=made.samples.assign(donor=[f"donor{i:02d}" for i in donor]))


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
