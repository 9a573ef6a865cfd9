"""Where unchanged genes lie."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import special
from scipy.optimize import minimize_scalar

from ebgenes.arrays import FloatArray, TextArray, evenly
from ebgenes.numerics.weights import best_weights, in_memory
from ebgenes.records.effects import Effects

MOST_GENES = 3_000
"""Genes, evenly taken, that are looked at."""

FEWEST_GENES = 8
"""Of fewer nothing is said."""

ENOUGH_GENES = 20
"""Genes from which they may move effects against what size factors say."""

LOWEST = 1.0
"""Smallest slab to either side, in median standard errors: narrower ones beside the null blur where it is."""

NULL_WEIGHT = 4.0
"""The share of unchanged genes has the prior Beta(4, 1), as in the fit."""

CENTRAL = 0.1
"""Unchanged genes lie between this quantile of the estimates and its mirror."""

MOST_PLACES = 41

WORTH = 10.0
"""Gain in log likelihood from which effects are moved: real replicates stray by less without any composition."""

FEWEST_UNCHANGED = 0.2
"""Share of genes around a value below which it need not be that of the unchanged ones."""

LEANING, LEAN = 0.1, 0.5
"""Probability that effects lean to one side, so that the place may be as far from 0 as this part of the estimates'
standard deviation."""

NEGLIGIBLE = 0.1
"""Uncertainty of the place, in median standard errors, below which it is left alone: it would widen no interval by more
than a two-hundredth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Center:
    """Where unchanged genes lie, log2.

    Attributes
    ----------
    place, se
        Where they most probably do by the estimates alone, and its standard error; infinite where nothing is known.
    gain, share
        Log likelihood over that of 0, and the share of the genes that lie there.
    spread
        Standard deviation of the estimates.
    typical
        Median standard error of an estimate.
    n_genes
        How many there are.
    """

    place: float
    se: float
    gain: float
    share: float
    spread: float
    typical: float
    n_genes: int

    @property
    def prior_sd(self) -> float:
        """Sampling error of a median of all estimates, log2.

        So far size factors leave unchanged genes from 0 where effects are as often up as down.
        """
        return self.spread * float(np.sqrt(np.pi / 2 / max(self.n_genes, 1)))

    @property
    def known(self) -> bool:
        """Whether it is sure enough that unchanged genes lie there, and not near 0."""
        return self.gain > WORTH and self.share > FEWEST_UNCHANGED and self.n_genes >= ENOUGH_GENES

    @property
    def shift(self) -> float:
        """By how much effects are to be moved, log2: 0 where that is not sure."""
        return self.place if self.known else 0.0

    def of_sizes(self) -> tuple[float, float]:
        """The same where size factors were estimated from these genes, and what remains uncertain of it, log2.

        Unless the place is known, it has the prior ``N(0, prior_sd^2)``, and 0 stays where that and the estimates leave
        no more than `NEGLIGIBLE`. Else effects may also lean to one side (`LEANING`, `LEAN`).
        """
        if self.known:
            return self.place, self.se
        _, sd = self._under(np.array([self.prior_sd**2]), np.ones(1))
        if self.share <= FEWEST_UNCHANGED:
            # The place may be that of changed genes, and tells nothing.
            return 0.0, self.prior_sd
        if sd <= NEGLIGIBLE * self.typical:
            return 0.0, sd
        wide = self.prior_sd**2 + (LEAN * self.spread) ** 2
        return self._under(np.array([self.prior_sd**2, wide]), np.array([1 - LEANING, LEANING]))

    def _under(self, variance: FloatArray, probability: FloatArray) -> tuple[float, float]:
        """Posterior mean and standard deviation of the place under a mixture of normals around 0."""
        if not np.isfinite(self.se):
            return 0.0, float(np.sqrt(probability @ variance))
        total = variance + self.se**2
        log_weight = np.log(probability) - 0.5 * np.log(total) - 0.5 * self.place**2 / total
        weight = np.exp(log_weight - log_weight.max())
        weight /= weight.sum()
        kept = variance / total
        mean = float(weight @ kept) * self.place
        second = float(weight @ (kept * self.se**2 + (kept * self.place) ** 2))
        return mean, float(np.sqrt(second - mean**2))


def find_center(effects: Effects) -> Center:
    """Where unchanged genes lie, by maximum likelihood of a null and half-normals around it."""
    if effects.loglik is None:
        return center_of(effects.estimate, effects.se, effects.gene)
    # A likelihood that is flat to one side has no normal that is like it.
    known = effects.loglik[:, [0, -1]].max(axis=1) < effects.loglik.max(axis=1) - 2
    return center_of(effects.estimate[known], effects.se[known], effects.gene[known])


def center_of(estimate: FloatArray, se: FloatArray, gene: TextArray) -> Center:
    """The same, of estimates, standard errors and the genes' ids, (G,)."""
    n_genes = len(estimate)
    if n_genes == 0:
        return Center(place=0.0, se=np.inf, gain=0.0, share=1.0, spread=0.0, typical=0.0, n_genes=0)
    spread = float(np.std(estimate))
    step = max(n_genes // MOST_GENES, 1)
    every = estimate, se
    if step > 1:
        some = evenly(gene, step)
        estimate, se = estimate[some], se[some]
    typical = float(np.median(se))
    made = partial(Center, spread=spread, typical=typical, n_genes=n_genes)
    if n_genes < FEWEST_GENES:
        return made(place=0.0, se=np.inf, gain=0.0, share=1.0)
    height = _Height(estimate, se, typical)

    low, high = np.quantile(estimate, [CENTRAL, 1 - CENTRAL])
    n_places = int(np.clip(np.ceil((high - low) / typical) + 1, 3, MOST_PLACES))
    places = np.append(np.linspace(low, high, n_places), 0.0)
    best = float(places[int(np.argmax([height(place)[0] for place in places]))])
    apart = max(float(places[1] - places[0]), 0.1 * typical)
    search = minimize_scalar(
        lambda place: -height(float(place))[0],
        bounds=(best - apart, best + apart),
        method="bounded",
        options={"xatol": 0.02 * typical},
    )
    place, small = float(search.x), 0.2 * typical
    (top, share), (at_zero, _) = height(place), height(0.0)
    bend = (2 * top - height(place - small)[0] - height(place + small)[0]) / small**2
    gain = (top - at_zero) * step
    if step > 1 and gain > WORTH:
        # What some genes gain by chance is not what so many times as many do.
        whole = _Height(*every, typical)
        gain = whole(place)[0] - whole(0.0)[0]
    return made(
        place=place,
        se=float(1 / np.sqrt(max(bend * step, 1e-12 / typical**2))),
        gain=gain,
        share=share,
    )


class _Height:
    """Best log likelihood around a place, and the share of genes that are null there."""

    def __init__(self, estimate: FloatArray, se: FloatArray, typical: float) -> None:
        self.estimate, self.se = estimate, se
        lowest = LOWEST * typical
        largest = max(float(np.sqrt(max((estimate**2 - se**2).max(), 0.0))), 2 * lowest)
        slab = lowest * 2 ** (np.arange(int(np.ceil(2 * np.log2(largest / lowest))) + 1) / 2)
        self.total = np.hypot(se[:, None], slab)
        self.lean = slab / (se[:, None] * self.total)
        self.near: FloatArray | None = None

    def __call__(self, place: float) -> tuple[float, float]:
        away = (self.estimate - place)[:, None]
        slab = np.log(2) - 0.5 * (away / self.total) ** 2 - np.log(self.total)
        null = -0.5 * (away[:, 0] / self.se) ** 2 - np.log(self.se)
        side = away * self.lean
        loglik = np.column_stack([null, slab + special.log_ndtr(side), slab + special.log_ndtr(-side)])
        found = best_weights(in_memory(loglik), "sqp", self.near, NULL_WEIGHT)
        self.near = found.weight
        share = float(found.weight[0])
        return float(found.loglik[-1]) - (NULL_WEIGHT - 1) * np.log(max(share, 1e-5)), share
