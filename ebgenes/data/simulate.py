"""Counts with known truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ebgenes.arrays import FloatArray, text_array
from ebgenes.records.counts import Counts

Law = Callable[[np.random.Generator, FloatArray], FloatArray]
"""Draws a value for every gene, (G,), given the genes' means, (G,)."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Simulation:
    """A simulated study and its truth.

    Attributes
    ----------
    counts
        (G, 2n).
    samples
        Sheet with the column ``group``: ``control`` or ``treated``.
    effect
        True log2 fold changes, (G,); 0 for null genes.
    """

    counts: Counts
    samples: pd.DataFrame
    effect: FloatArray


def simulate_counts(
    rng: np.random.Generator,
    *,
    n_genes: int = 8000,
    n_per_group: int = 3,
    pi0: float = 0.85,
    effect_sd: float = 0.8 / np.log(2),
    dispersion_spread: float = 0.6,
    heavy_tail: bool = False,
    shift: FloatArray | None = None,
    effect_law: Law | None = None,
    dispersion_law: Law | None = None,
) -> Simulation:
    """Draw negative-binomial counts of two groups.

    Parameters
    ----------
    rng
        Source of randomness.
    n_genes, n_per_group
        Size of the study.
    pi0
        Probability that a gene is null.
    effect_sd
        Standard deviation of the other genes' effects, log2.
    dispersion_spread
        Standard deviation, natural log, of a gene's dispersion around the trend 0.03 + 2/mean.
    heavy_tail
        Dispersions are 4/chi-squared(5) times the trend instead: a right tail no log-normal has.
    shift
        What else moves the log means, natural log, (G, 2 n_per_group), controls first; None: nothing.
    effect_law
        Draws log2 fold changes in place of ``pi0`` and ``effect_sd``.
    dispersion_law
        Draws dispersions in place of ``dispersion_spread`` and ``heavy_tail``.

    Notes
    -----
    Means are log-normal (median 120, sd 1.9 nat), size factors log-normal (sd 0.3 nat).
    """
    mean = 120 * np.exp(1.9 * rng.standard_normal(n_genes))
    if effect_law is None:
        effect = np.where(rng.random(n_genes) < pi0, 0.0, effect_sd * rng.standard_normal(n_genes))
    else:
        effect = effect_law(rng, mean)
    if dispersion_law is None:
        spread = np.exp(dispersion_spread * rng.standard_normal(n_genes))
        dispersion = (0.03 + 2 / mean) * (4 / rng.chisquare(5, n_genes) if heavy_tail else spread)
    else:
        dispersion = dispersion_law(rng, mean)
    size = np.exp(0.3 * rng.standard_normal(2 * n_per_group))
    treated = np.repeat([0.0, 1.0], n_per_group)
    # Half the effect either way keeps a gene's mean where it was drawn.
    expected = mean[:, None] * size * np.exp2(np.outer(effect, treated - 0.5))  # (G, S)
    if shift is not None:
        expected *= np.exp(shift)
    level = rng.gamma(1 / dispersion[:, None], dispersion[:, None], expected.shape) * expected
    sample = [f"{group}-{i}" for group in ("control", "treated") for i in range(1, n_per_group + 1)]
    sheet = pd.DataFrame(
        {"group": np.repeat(["control", "treated"], n_per_group)}, index=pd.Index(sample, name="sample")
    )
    gene = text_array(f"gene{i + 1:05d}" for i in range(n_genes))
    counts = Counts(gene=gene, sample=text_array(sample), count=rng.poisson(level))
    return Simulation(counts=counts, samples=sheet, effect=effect)
