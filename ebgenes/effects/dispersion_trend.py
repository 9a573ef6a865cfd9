"""A smooth trend of the dispersions beside the parametric one, where all genes together speak for it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ebgenes.arrays import BoolArray, FloatArray, IntArray
from ebgenes.data.normalization import base_mean
from ebgenes.effects.dispersions import (
    HIGHEST_PARAMETERS,
    LOWEST_PARAMETERS,
    TAILS,
    Bend,
    DispersionPrior,
    DispersionProfiles,
    fine_enough,
    fit_dispersion_prior,
    telling_genes,
)
from ebgenes.numerics.dispersion_trend import evidence_slopes
from ebgenes.numerics.jit import map_blocks, read_only
from ebgenes.records.counts import Counts

N_PLACES = 40
"""Places of a bend, even in log mean: a sixth of the shortest length that is looked at, in most studies."""

SIZES = np.array([0.05, 0.1, 0.2, 0.4, 0.8, 1.6])
LENGTHS = np.array([0.5, 1.0, 2.0, 4.0])
"""Standard deviations of a bend before the counts are seen, natural log of the dispersion, and how far it stays
alike, natural log of the mean."""

CLEAR = 10.0
"""Gain in log evidence from which a bend is taken: where dispersions follow a0 + a1/mean it is -4 to -.7, with 4,000
genes as with 20,000."""

LOWEST_MEAN = 5.0
"""Reads a sample from which genes have a say in a bend."""

MOST_STEPS = 50

START = np.log([0.05, 2.0, 0.7])
"""log a0, log a1 and log spread that a search starts from."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Places:
    """Where genes lie between places: the share of the place before (index) that each gets, both (G,)."""

    index: IntArray
    share: FloatArray
    n_places: int

    def spread_out(self, value: FloatArray) -> FloatArray:
        """From places (J,) to genes (G,)."""
        return np.asarray(self.share * value[self.index] + (1 - self.share) * value[self.index + 1])

    def collected(self, weight: FloatArray) -> FloatArray:
        """Its transpose: from genes (G,) to places (J,)."""
        low = np.bincount(self.index, weight * self.share, self.n_places)
        return np.asarray(low + np.bincount(self.index + 1, weight * (1 - self.share), self.n_places))

    def crossed(self, weight: FloatArray) -> FloatArray:
        """B' diag(weight) B, (J, J), of which three diagonals are not 0."""
        low, high = self.share, 1 - self.share
        diagonal = np.bincount(self.index, weight * low**2, self.n_places)
        diagonal += np.bincount(self.index + 1, weight * high**2, self.n_places)
        beside = np.bincount(self.index, weight * low * high, self.n_places)[:-1]
        return np.asarray(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1), dtype=np.float64)


def root_covariance(place: FloatArray, length: float) -> FloatArray:
    """Cholesky factor of Matern's covariance with smoothness 3/2 and variance 1, (J, J)."""
    distance = np.sqrt(3) * np.abs(place[:, None] - place) / length
    return np.asarray(np.linalg.cholesky((1 + distance) * np.exp(-distance) + 1e-9 * np.eye(len(place))))


def fit_dispersion_trend(
    counts: Counts,
    profiles: DispersionProfiles,
    *,
    tails: str = "normal",
    trend: str = "auto",
    mean: FloatArray | None = None,
) -> DispersionPrior:
    """The hyperprior that all genes share, its trend bent where all genes together clearly speak for that.

    The trend is log(a0 + a1/m), or that and h(log m), h a Gaussian process whose size and length have the highest
    evidence by Laplace's approximation (Rasmussen and Williams 2006, Gaussian Processes for Machine Learning, equation
    3.32), seen from the parametric trend. Which of both is chosen by the genes that `fit_dispersion_prior` learns from.
    A bend is learned from those with fewer reads too: what their profiles are biased by is less than what a trend
    is off where it is only carried on.

    Parameters
    ----------
    counts, profiles, tails
        As in `fit_dispersion_prior`.
    trend
        ``parametric``, ``smooth``, or ``auto`` for what the evidence favours, a bend from a gain of `CLEAR` on.
    mean
        What the trend is over, (G,), where that is not these counts' own mean.

    Raises
    ------
    InputError
        With fewer than 10 genes.
    """
    mean = base_mean(counts) if mean is None else mean
    prior = fit_dispersion_prior(counts, profiles, tails=tails, mean=mean)
    if trend == "parametric":
        return prior
    log_mean = np.log(mean)
    telling = telling_genes(mean)
    found = np.log([prior.floor, prior.slope, prior.spread])
    seen = _Evidence.of(profiles, log_mean, telling, prior)
    gain = 0.0 if seen is None else seen.likeliest_root(found)[1]
    if trend == "auto" and gain < CLEAR:
        return prior
    every = _Evidence.of(profiles, log_mean, telling | (log_mean >= np.log(LOWEST_MEAN)), prior)
    if every is None:
        return prior
    plain, _ = every.maximum(START, np.zeros((N_PLACES, 1)))
    root, _ = every.likeliest_root(plain)
    found, u = every.maximum(plain, root)
    floor, slope, spread = (float(each) for each in np.exp(found))
    bend = Bend(place=every.place, value=root @ u, gain=gain)
    return replace(prior, floor=floor, slope=slope, spread=spread, loglik=prior.loglik + gain, bend=bend)


def _quadratic_gain(slope: FloatArray, curvature: FloatArray) -> float:
    """log int exp(u'slope - u'curvature u/2) N(u; 0, I) du."""
    values, axes = np.linalg.eigh(curvature)
    values = np.maximum(values, 0)
    return float(0.5 * np.sum((axes.T @ slope) ** 2 / (1 + values)) - 0.5 * np.log1p(values).sum())


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _Evidence:
    """Log evidence of genes' dispersions given a trend."""

    profiles: DispersionProfiles
    log_mean: FloatArray
    place: FloatArray
    places: Places
    tail_df: float

    @classmethod
    def of(
        cls, profiles: DispersionProfiles, log_mean: FloatArray, chosen: BoolArray, prior: DispersionPrior
    ) -> _Evidence | None:
        """Of the chosen genes, on even places over all; None where all means are alike."""
        low, high = float(log_mean.min()), float(log_mean.max())
        if high - low < 1e-3:
            return None
        place = np.linspace(low, high, N_PLACES)
        log_mean = log_mean[chosen]
        position = (log_mean - low) / (place[1] - place[0])
        index = np.clip(position.astype(int), 0, N_PLACES - 2)
        return cls(
            profiles=fine_enough(profiles.of_genes(chosen), prior.spread),
            log_mean=log_mean,
            place=place,
            places=Places(index=index, share=1 - (position - index), n_places=N_PLACES),
            tail_df=TAILS[prior.tails],
        )

    def likeliest_root(self, parameters: FloatArray) -> tuple[FloatArray, float]:
        """Root of the covariance of a bend that the evidence favours most, (J, J), and its gain, to second order."""
        found = self.at(parameters, np.zeros(N_PLACES))
        slope = self.places.collected(found[:, 1])
        curvature = self.places.crossed(-found[:, 2])
        best, root = -np.inf, np.empty(0)
        for length in LENGTHS:
            unit = root_covariance(self.place, length)
            for size in SIZES:
                factor = size * unit
                gain = _quadratic_gain(factor.T @ slope, factor.T @ curvature @ factor)
                if gain > best:
                    best, root = gain, factor
        return root, best

    def at(self, parameters: FloatArray, bend: FloatArray) -> FloatArray:
        """Values and slopes, (G, 4), as `evidence_slopes` fills them."""
        floor, slope, spread = np.exp(parameters)
        center = np.log(floor + slope * np.exp(-self.log_mean)) + self.places.spread_out(bend)
        profiles, out = self.profiles, np.empty((len(center), 4))
        loglik, low, step, center = (read_only(each) for each in (profiles.loglik, profiles.low, profiles.step, center))
        map_blocks(
            lambda block: evidence_slopes(
                loglik[block], low[block], step[block], center[block], float(spread), self.tail_df, out[block]
            ),
            len(center),
        )
        return out

    def maximum(self, parameters: FloatArray, root: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Parameters (3,) and u (J,) of the bend root u where the log evidence less u'u/2 is highest.

        Newton's steps for what moves the trend, with the curvature by the trend alone, and a step of the log spread
        beside them, halved until they rise.
        """
        u = np.zeros(root.shape[1])
        found = self.at(parameters, root @ u)
        top = float(found[:, 0].sum())
        for _ in range(MOST_STEPS):
            floor, slope = np.exp(parameters[0]), np.exp(parameters[1] - self.log_mean)
            share = floor / (floor + slope)
            weight = np.maximum(-found[:, 2], 0)
            move = np.column_stack([share, 1 - share])
            gradient = np.concatenate([move.T @ found[:, 1], root.T @ self.places.collected(found[:, 1]) - u])
            cross = np.column_stack([self.places.collected(weight * column) for column in move.T])
            hessian = np.block(
                [
                    [move.T @ (weight[:, None] * move) + 1e-3 * np.eye(2), cross.T @ root],
                    [root.T @ cross, root.T @ self.places.crossed(weight) @ root + np.eye(len(u))],
                ]
            )
            step = np.linalg.solve(hessian, gradient)
            # Two derivatives by the log spread: the second is at most that of normal values known without error.
            widen = float(found[:, 3].sum()) / (2 * len(found))
            length, best = 1.0, top
            while length > 1e-4:
                trial = parameters + length * np.array([*np.clip(step[:2], -1, 1), widen])
                trial = np.clip(trial, LOWEST_PARAMETERS, HIGHEST_PARAMETERS)
                trial_u = u + length * step[2:]
                seen = self.at(trial, root @ trial_u)
                best = float(seen[:, 0].sum()) - 0.5 * float(trial_u @ trial_u)
                if best >= top:
                    break
                length /= 2
            if best < top:
                break
            gain, parameters, u, found, top = best - top, trial, trial_u, seen, best
            if gain < 1e-6:
                break
        return parameters, u
