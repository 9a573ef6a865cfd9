"""Simulated sets with known truth: the cells of the calibration benchmark and how their sets are drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

import ebgenes as eb
from ebgenes.arrays import FloatArray
from ebgenes.data.simulate import Simulation
from ebgenes.records.counts import Counts
from ebgenes.records.design import Design

N_GENES = 8000
QUESTION = eb.compare("group", baseline="control", target="treated")
EFFECT_SD = 0.8 / np.log(2)


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
    treated: np.ndarray
    """Samples of the treated group, (S,)."""
    truth: FloatArray


def factor_scores(rng: np.random.Generator, group: np.ndarray, n_factors: int, correlation: float) -> np.ndarray:
    """Scores of variance 1, (S, k), orthogonal to each other; the first has exactly this correlation with the group."""
    score = np.empty((len(group), 0))
    for i in range(n_factors):
        goes_along = correlation if i == 0 else 0.0
        basis, _ = np.linalg.qr(np.column_stack([np.ones(len(group)), group, score]))
        rest = rng.standard_normal(len(group))
        rest -= basis @ (basis.T @ rest)
        rest *= np.sqrt(len(group)) / np.linalg.norm(rest)
        score = np.column_stack([score, goes_along * group + np.sqrt(1 - goes_along**2) * rest])
    return score


# Laws of effects, log2, given the genes' means.


def changed_by(
    rng: np.random.Generator, mean: FloatArray, *, draw: Callable[[np.random.Generator, int], FloatArray], pi0: float
) -> FloatArray:
    """Null but for a share, whose effects are drawn."""
    return np.where(rng.random(len(mean)) < pi0, 0.0, draw(rng, len(mean)))


def spiky(rng: np.random.Generator, n: int) -> FloatArray:
    """Many small effects, few large ones."""
    return rng.choice([0.25, 0.5, 1.0, 2.0], n, p=[0.4, 0.2, 0.2, 0.2]) * EFFECT_SD * rng.standard_normal(n)


def bimodal(rng: np.random.Generator, n: int) -> FloatArray:
    """Around one doubling or halving, few near 0."""
    return rng.choice([-1.0, 1.0], n) * rng.normal(1.2, 0.3, n)


def one_sided(rng: np.random.Generator, n: int) -> FloatArray:
    """All upwards."""
    return np.abs(EFFECT_SD * rng.standard_normal(n))


def small(rng: np.random.Generator, n: int) -> FloatArray:
    return 0.5 / np.log(2) * rng.standard_normal(n)


def follows_mean(rng: np.random.Generator, mean: FloatArray) -> FloatArray:
    """The chance to be changed rises with the log mean, 1.2 on the logit scale for a standard deviation."""
    level = np.log(mean) - np.log(mean).mean()
    changed = rng.random(len(mean)) < special.expit(-2.2 + 1.2 * level / level.std())
    return np.where(changed, EFFECT_SD * rng.standard_normal(len(mean)), 0.0)


# Laws of dispersions.


def outlier_genes(rng: np.random.Generator, mean: FloatArray) -> FloatArray:
    """As modelled, but one gene in twenty has eight times as much."""
    spread = np.exp(0.6 * rng.standard_normal(len(mean)))
    return (0.03 + 2 / mean) * spread * np.where(rng.random(len(mean)) < 0.05, 8.0, 1.0)


def wrong_trend(rng: np.random.Generator, mean: FloatArray) -> FloatArray:
    """Least in the middle and rising on both sides, which no a0 + a1/mean follows."""
    return (0.02 + 1 / mean + 0.06 * (mean / 1000) ** 0.5) * np.exp(0.6 * rng.standard_normal(len(mean)))


# What else moves the samples, natural log, (G, S).


def libraries(n: int, *, between: bool, n_genes: int) -> FloatArray:
    """Depths from 1 to 5: within either group, or the controls 1 and the treated 5."""
    depth = np.repeat([0.0, 1.0], n) if between else np.tile(np.linspace(0, 1, n), 2)
    return np.tile(np.log(5) * (depth - 0.5), (n_genes, 1))


def outlier_sample(rng: np.random.Generator, n: int, n_genes: int) -> FloatArray:
    """The last treated sample is a bad one: each gene off by N(0, (.7 nat)^2)."""
    shift = np.zeros((n_genes, 2 * n))
    shift[:, -1] = 0.7 * rng.standard_normal(n_genes)
    return shift


def outlier_counts(rng: np.random.Generator, n: int, n_genes: int) -> FloatArray:
    """One count in five hundred is twenty times what it should be."""
    return np.where(rng.random((n_genes, 2 * n)) < 0.002, np.log(20), 0.0)


def hidden_factor(rng: np.random.Generator, n: int, n_genes: int) -> FloatArray:
    """One strong factor that nobody recorded, correlated by .5 with the groups."""
    score = factor_scores(rng, np.repeat([-1.0, 1.0], n), 1, 0.5)
    return 0.5 * rng.standard_normal((n_genes, 1)) @ score.T


def simulate(
    rng: np.random.Generator,
    *,
    n: int,
    shift: Callable[[np.random.Generator, int, int], FloatArray] | None = None,
    n_genes: int = N_GENES,
    **laws: Any,
) -> Simulation:
    """Two groups of n samples."""
    moved = None if shift is None else shift(rng, n, n_genes)
    return eb.simulate_counts(rng, n_genes=n_genes, n_per_group=n, shift=moved, **laws)


def simulate_continuous(rng: np.random.Generator, n_genes: int = N_GENES) -> Simulation:
    """Six against six whose ages all differ; a sd of age (12 years) moves each gene by N(0, (.2 nat)^2)."""
    age = rng.normal(50, 12, 12)
    shift = np.outer(0.2 * rng.standard_normal(n_genes), (age - 50) / 12)
    made = eb.simulate_counts(rng, n_genes=n_genes, n_per_group=6, shift=shift)
    return replace(made, samples=made.samples.assign(age=age))


def simulate_donors(rng: np.random.Generator, n_genes: int = N_GENES) -> Simulation:
    """Eleven donors, once in either group, the first twice; a donor moves each gene by N(0, (.3 nat)^2)."""
    donor = np.tile([0, *range(11)], 2)
    shift = 0.3 * rng.standard_normal((n_genes, 11))[:, donor]
    made = eb.simulate_counts(rng, n_genes=n_genes, n_per_group=12, shift=shift)
    return replace(made, samples=made.samples.assign(donor=[f"donor{i:02d}" for i in donor]))


def library_shift(rng: np.random.Generator, n: int, n_genes: int, *, between: bool) -> FloatArray:
    return libraries(n, between=between, n_genes=n_genes)


def effects(draw: Callable[[np.random.Generator, int], FloatArray], pi0: float = 0.85) -> dict[str, Any]:
    return {"effect_law": partial(changed_by, draw=draw, pi0=pi0)}


DEPARTURES: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "base": ((2, 3, 5, 10), {}),
    "dispersions, heavy tail": ((2, 3, 5, 10), {"heavy_tail": True}),
    "dispersions, outlier genes": ((3,), {"dispersion_law": outlier_genes}),
    "dispersions, wrong trend": ((3, 10), {"dispersion_law": wrong_trend}),
    "effects spiky": ((3,), effects(spiky)),
    "effects bimodal": ((3,), effects(bimodal)),
    "effects one-sided": ((3, 10), effects(one_sided)),
    "effects dense": ((3,), effects(small, pi0=0.2)),
    "pi0 .5": ((3,), {"pi0": 0.5}),
    "pi0 .99": ((3,), {"pi0": 0.99}),
    "libraries 1 to 5 within groups": ((3,), {"shift": partial(library_shift, between=False)}),
    "libraries 1 against 5": ((3,), {"shift": partial(library_shift, between=True)}),
    "outlier sample": ((3, 5), {"shift": outlier_sample}),
    "outlier counts": ((3, 5), {"shift": outlier_counts}),
    "hidden factor": ((3, 5), {"shift": hidden_factor}),
    "change follows mean": ((3, 5), {"effect_law": follows_mean}),
}
"""Samples per group, and what departs from the base: dispersions log-normal (.6 nat) around .03 + 2/mean, 15% of the
genes changed by N(0, (.8 nat)^2), depths log-normal (.3 nat)."""


LONG = {
    **{f"n={n}, base": 1000 * n for n in (2, 3, 5, 10)},
    **{f"n={n}, dispersions, heavy tail": 1000 * n + 500 for n in (2, 3, 5, 10)},
    "n=6, ~ age + group": 20_000,
    "n=12, ~ donor + group": 30_000,
}
"""Cells of the preset with many sets, and their seeds."""


def simulated_cells(n_genes: int) -> list[Cell]:
    """Every cell, the base ones first."""
    kinds = [(f"n={n}, {name}", n, laws) for name, (sizes, laws) in DEPARTURES.items() for n in sizes]
    makers = {name: ("~ group", partial(simulate, n=n, n_genes=n_genes, **laws)) for name, n, laws in kinds}
    makers |= {
        f"n={n}, {formula}": (formula, partial(make, n_genes=n_genes))
        for n, formula, make in ((6, "~ age + group", simulate_continuous), (12, "~ donor + group", simulate_donors))
    }
    return [
        Cell(name=name, seed=LONG.get(name, 40_000 + 1000 * i), formula=formula, simulate=make)
        for i, (name, (formula, make)) in enumerate(makers.items())
    ]


def draw(cell: Cell, seed: int) -> KnownSet:
    """One set of a cell: its genes with 10 reads or more."""
    made = cell.simulate(np.random.default_rng(seed))
    return known_set(made.counts, made.samples, cell.formula, made.effect)


def known_set(counts: Counts, samples: pd.DataFrame, formula: str, truth: FloatArray) -> KnownSet:
    """The genes with 10 reads or more."""
    seen = counts.count.sum(axis=1) >= 10
    return KnownSet(
        counts=replace(counts, gene=counts.gene[seen], count=counts.count[seen]),
        design=eb.build_design(samples, formula, QUESTION),
        treated=(samples["group"] == "treated").to_numpy(),
        truth=truth[seen],
    )
