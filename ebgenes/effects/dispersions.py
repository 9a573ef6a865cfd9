"""Negative-binomial dispersions: what each gene says, and the hyperprior all genes share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ebgenes.arrays import BoolArray, FloatArray, IntArray
from ebgenes.data.normalization import base_mean
from ebgenes.errors import InputError
from ebgenes.numerics.jit import map_blocks
from ebgenes.numerics.negative_binomial import (
    HIGHEST,
    LOWEST,
    RIDGE,
    dispersion_evidence,
    dispersion_profiles,
)
from ebgenes.records.counts import Counts
from ebgenes.records.design import Design

if TYPE_CHECKING:
    pass


TAILS = {"normal": np.inf, "t5": 5.0}
"""Degrees of freedom of the hyperprior's tails."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Layout:
    """A design sorted by its distinct rows, for kernels that walk a row at a time.

    Attributes
    ----------
    order
        Samples in the order of their rows, (S,).
    first
        Where each distinct row's samples begin, (R + 1,).
    rows
        The distinct rows in a basis of the nuisance space: (R, 1 + p), the effect's column first.
    ridge
        Precisions of the nuisance coefficients' priors in that basis, (G, p), or (1, p) where all genes share them.
    """

    order: IntArray
    first: IntArray
    rows: FloatArray
    ridge: FloatArray

    def ridges(self, block: slice) -> FloatArray:
        """Precisions of a block's genes, (B, p)."""
        rows = self.ridge if len(self.ridge) == 1 else self.ridge[block]
        return np.ascontiguousarray(np.broadcast_to(rows, (block.stop - block.start, self.ridge.shape[1])))

    def start(self, count: FloatArray, size: FloatArray, coordinates: FloatArray) -> FloatArray:
        """Coefficients to start from, (G, p): least squares of each row's log mean.

        Parameters
        ----------
        count, size
            (G, S), samples in the layout's order.
        coordinates
            The distinct rows in the coefficients' coordinates, (R, p).
        """
        begins = self.first[:-1]
        ratio = np.log((np.add.reduceat(count, begins, axis=1) + 0.5) / (np.add.reduceat(size, begins, axis=1) + 0.5))
        root = np.sqrt(np.diff(self.first))
        return gene_by_gene(ratio, np.asarray((np.linalg.pinv(coordinates * root[:, None]) * root).T))


def gene_by_gene(rows: FloatArray, matrix: FloatArray) -> FloatArray:
    """``rows @ matrix``, (G, n), to the same bits whatever genes stand beside one, as BLAS does not promise."""
    return np.asarray(np.einsum("gi,ij->gj", rows, np.ascontiguousarray(matrix)))


MANY = 40
"""Samples to a distinct row, on average, from which sums over them are read off tables."""


LATTICE_STEP = 0.3


LATTICE_EDGE = 2e-3
"""Tables reach from s e^tau = .002 to 500, beyond which three terms of a series leave 1e-11."""


Tables = tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]


Shared = tuple[FloatArray, FloatArray, FloatArray]


def common_tables(counts: Counts, layout: Layout, n_dispersions: int) -> tuple[Shared, Callable[[], Tables]]:
    """What all genes share of the tables of ``log(1 + s_i e^tau)``; without cells where tables do not pay.

    n_dispersions A that a gene is looked at at a time.

    Returns
    -------
    shared
        Weights by which K stand-ins take the samples' places, (S, K); for each stand-in the quintics of J cells,
        (K, 6 J), and the terms of the series beyond, (K, 8).
    make
        Makes, for one thread: room for one gene's sums of these over each distinct row's samples, (R, 6 J) and
        (R, 8), beside the plain sums, the lattice, (4,), and both sums together, (R, A, 6 J).
    """
    n_rows, n_samples = len(layout.rows), int(layout.first[-1])
    if counts.log_size is None:
        raise ValueError("common_tables needs normalized counts")
    if counts.log_size.ndim > 1 or n_samples < MANY * n_rows:
        shared = np.zeros((n_samples, 0)), np.zeros((0, 0)), np.zeros((0, 8))
        plain, moments, lattice = np.zeros((n_rows, 0)), np.zeros((n_rows, 8)), np.zeros(4)
    else:
        log_size = counts.log_size[layout.order]
        low = np.log(LATTICE_EDGE) - log_size.max()
        n_cells = int(np.ceil((-np.log(LATTICE_EDGE) - log_size.min() - low) / LATTICE_STEP))
        tau = low + LATTICE_STEP * np.arange(n_cells + 1)
        node, stand_in = interpolation(log_size)
        shared = stand_in, _quintics(node, tau), _powers(node)
        begins = layout.first[:-1]
        plain, moments = (np.add.reduceat(each, begins) for each in (_quintics(log_size, tau), _powers(log_size)))
        lattice = np.array([low, LATTICE_STEP, 0.0, log_size[0]])

    def make() -> Tables:
        joint = np.empty((n_rows, n_dispersions, plain.shape[1]))
        return np.empty_like(plain), np.empty_like(moments), plain, moments, lattice.copy(), joint

    return shared, make


def interpolation(x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Chebyshev nodes (K,) over the range of x (S,), and weights (S, K) that take values there to values at x.

    K leaves 1e-13 of functions that are analytic within pi of the real axis, as log(1 + e^x) is.
    """
    middle, half = (x.max() + x.min()) / 2, (x.max() - x.min()) / 2
    ellipse = np.arcsinh(np.pi / half) if half > 0 else np.inf
    angle = np.pi * (np.arange(int(np.ceil(30 / ellipse)) + 1) + 0.5)
    angle /= len(angle)
    node = middle + half * np.cos(angle)
    if len(node) == 1:
        return node, np.ones((len(x), 1))
    # Barycentric: sines of alternating sign over distances.
    distance = x[:, None] - node
    hit = distance == 0
    share = np.where(
        hit.any(axis=1)[:, None], hit, (-1.0) ** np.arange(len(node)) * np.sin(angle) / np.where(hit, 1, distance)
    )
    return node, share / share.sum(axis=1, keepdims=True)


def _quintics(log_size: FloatArray, tau: FloatArray) -> FloatArray:
    """log(1 + s e^tau) by quintics with its values, slopes and curvatures at tau (J + 1,); (S, 6 J) coefficients."""
    level = np.exp(log_size[:, None] + tau)
    share = level / (1 + level)
    f, g, k = np.log1p(level), LATTICE_STEP * share, LATTICE_STEP**2 * share / (1 + level)
    rise = np.diff(f, axis=1)
    (g, end_g), (k, end_k) = ((each[:, :-1], each[:, 1:]) for each in (g, k))
    third = 10 * rise - 6 * g - 4 * end_g - 1.5 * k + 0.5 * end_k
    fourth = -15 * rise + 8 * g + 7 * end_g + 1.5 * k - end_k
    fifth = 6 * rise - 3 * (g + end_g) - 0.5 * (k - end_k)
    return np.stack([f[:, :-1], g, k / 2, third, fourth, fifth], axis=2).reshape(len(log_size), -1)


def _powers(log_size: FloatArray) -> FloatArray:
    """The terms of the series at either end of a table, (S, 8): s, s^2, s^3, 1, log s, 1/s, 1/s^2, 1/s^3."""
    size = np.exp(log_size)
    return np.column_stack([*(size**k for k in (1, 2, 3, 0)), log_size, *(size**-k for k in (1, 2, 3))])


BEND = "dispersion_bend"
"""Name of the list that a bend is in prior.json."""

TOLD = f"{BEND}: "
"""Begins the names of scalars that tell a bend, before the mean count."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Bend:
    """What a smooth trend adds to log(a0 + a1/mean), natural log: straight between its places, level beyond them.

    Attributes
    ----------
    place
        Natural log of mean counts, ascending and even, (J,).
    value
        What is added there, (J,).
    gain
        How much higher the log evidence is than without.
    """

    place: FloatArray
    value: FloatArray
    gain: float

    def at(self, log_mean: FloatArray) -> FloatArray:
        """Of genes, (G,); each to the same bits whatever genes stand beside it."""
        return np.asarray(np.interp(log_mean, self.place, self.value))

    def told(self) -> dict[str, float]:
        """As `Effects.scalars` tell it: the gain, and what is added to the log trend at mean counts."""
        added = {f"{TOLD}{np.exp(x):.6g}": float(y) for x, y in zip(self.place, self.value, strict=True)}
        return {"dispersion_bend_gain": self.gain, **added}


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class DispersionPrior:
    """log alpha_g ~ N(log(floor + slope / mean_g) + bend, spread^2), natural log; or t with that center and scale.

    Attributes
    ----------
    floor, slope
        a0 and a1 of the trend a0 + a1/mean.
    spread
        Standard deviation (scale of the t) around the trend, natural log.
    tails
        ``normal`` or ``t5``.
    loglik
        Maximised log marginal likelihood.
    bend
        What a smooth trend adds, or None.
    """

    floor: float
    slope: float
    spread: float
    tails: str = "normal"
    loglik: float = float("nan")
    bend: Bend | None = None

    def trend(self, mean: FloatArray) -> FloatArray:
        """Dispersions on the trend at mean counts, both (G,)."""
        plain = self.floor + self.slope / mean
        return np.asarray(plain if self.bend is None else plain * np.exp(self.bend.at(np.log(mean))))


def lay_out(effect: FloatArray, nuisance: FloatArray, precision: FloatArray | None = None) -> Layout:
    """Sort a design by its distinct rows.

    Parameters
    ----------
    effect
        The effect's column, (S,).
    nuisance
        Columns of the other coefficients, (S, p). Those without a prior are replaced by an orthogonal basis with unit
        mean squares, in which Newton steps are well scaled.
    precision
        Of the coefficients' normal priors around 0, natural log, (G, p), or (1, p) for all genes alike; 0, or None, for
        none.
    """
    n_samples = len(effect)
    precision = np.zeros((1, nuisance.shape[1])) if precision is None else precision
    believed = (precision > 0).any(axis=0)
    plain, known = nuisance[:, ~believed], nuisance[:, believed]
    basis = np.linalg.qr(plain)[0] * np.sqrt(n_samples) if plain.shape[1] else plain
    # Rounding by the basis must not tell equal rows apart.
    original = np.column_stack([effect, nuisance])
    _, inverse = np.unique(original, axis=0, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    first = np.concatenate([[0], np.cumsum(np.bincount(inverse))])
    return Layout(
        order=order,
        first=first,
        rows=np.column_stack([effect, basis, known])[order][first[:-1]],
        ridge=np.maximum(np.column_stack([np.zeros((len(precision), plain.shape[1])), precision[:, believed]]), RIDGE),
    )


def sorted_counts(counts: Counts, layout: Layout, block: slice) -> tuple[FloatArray, FloatArray]:
    """Counts, and size factors times the gene's mean, both (B, S), of a block; samples in the layout's order."""
    if counts.log_size is None:
        raise ValueError("sorted_counts needs normalized counts")
    count = counts.count[block].astype(np.float64)
    size = np.exp(counts.log_size if counts.log_size.ndim == 1 else counts.log_size[block])
    level = np.mean(count / size, axis=1, keepdims=True) * size
    if np.array_equal(layout.order, np.arange(len(layout.order))):
        return count, level
    return np.ascontiguousarray(count[:, layout.order]), np.ascontiguousarray(level[:, layout.order])


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class DispersionProfiles:
    """Each gene's adjusted profile log likelihood of its dispersion, on nodes of its own.

    Attributes
    ----------
    low, step
        Natural log of the first node, and the distance between nodes, (G,).
    loglik
        Log likelihood less its maximum, (G, 24) or, where peaks are sharp, (G, 16).
    """

    low: FloatArray
    step: FloatArray
    loglik: FloatArray

    def of_genes(self, genes: BoolArray | slice) -> DispersionProfiles:
        """Those of some genes."""
        return DispersionProfiles(low=self.low[genes], step=self.step[genes], loglik=self.loglik[genes])


SHARP_DF = 40
"""Residual degrees of freedom from which the moments tell where a dispersion's likelihood will peak."""


WINDOW = 8.0
"""Standard deviations of a log dispersion around its first guess that hold all its likelihood, as a rule."""


def _moments(
    count: FloatArray, size: FloatArray, level: FloatArray, first: IntArray, residual_df: int
) -> tuple[FloatArray, FloatArray]:
    """Log dispersions from squared residuals, (G,), as a first guess, and how far around it to look, (G,).

    level (G, R) of each distinct row. The information on log alpha is about df/2 (alpha mu / (1 + alpha mu))^2.
    """
    mean = size * np.repeat(level, np.diff(first), axis=1)
    excess = np.sum((count - mean) ** 2, axis=1) * count.shape[1] / residual_df - mean.sum(axis=1)
    dispersion = np.clip(excess / np.sum(mean**2, axis=1), np.exp(LOWEST + 3.0), np.exp(HIGHEST - 3.0))
    deviation = np.sqrt(2 / residual_df) * (1 + 1 / (dispersion * mean.mean(axis=1)))
    return np.log(dispersion), np.minimum(WINDOW * deviation, 3.0)


def profile_dispersions(counts: Counts, design: FloatArray, precision: FloatArray | None = None) -> DispersionProfiles:
    """Adjusted profile log likelihood of each gene's dispersion, where it is within e^-15 of its peak.

    ``max_B l(B, alpha) - 1/2 log det X'WX`` (Cox and Reid 1987; McCarthy, Chen and Smyth 2012, Nucleic
    Acids Res. 40, 4288), for alpha between 1e-5 and 20; precision (G, P) or (1, P) as in `lay_out`.
    """
    layout = lay_out(np.zeros(len(design)), design, precision)
    n_genes = len(counts.gene)
    residual_df = design.shape[0] - design.shape[1]
    n_nodes = 24 if residual_df < SHARP_DF else 16
    low, step = np.full(n_genes, LOWEST), np.full(n_genes, (HIGHEST - LOWEST) / (n_nodes - 1))
    loglik = np.empty((n_genes, n_nodes))
    shared, tables = common_tables(counts, layout, n_nodes)

    def work(block: slice) -> None:
        count, size = sorted_counts(counts, layout, block)
        start = layout.start(count, size, layout.rows[:, 1:])
        if residual_df >= SHARP_DF:
            level = np.exp(gene_by_gene(start, layout.rows[:, 1:].T))
            middle, half = _moments(count, size, level, layout.first, residual_df)
            low[block], step[block] = middle - half, 2 * half / (n_nodes - 1)
        dispersion_profiles(
            count, size, layout.first, layout.rows, layout.ridges(block), shared, tables(), start, low[block],
            step[block], loglik[block],
        )  # fmt: skip

    map_blocks(work, n_genes)
    return DispersionProfiles(low=low, step=step, loglik=loglik)


def gene_dispersions(counts: Counts, design: Design) -> FloatArray:
    """Each gene's own dispersion, (G,): where its adjusted profile likelihood peaks, between 1e-5 and 20.

    A parabola through the highest node and its neighbours finds the peak; at an end of the range, that end.
    """
    profiles = profile_dispersions(counts, design.matrix)
    loglik = profiles.loglik
    gene, last = np.arange(len(loglik)), loglik.shape[1] - 1
    best = loglik.argmax(axis=1)
    inner = np.clip(best, 1, last - 1)
    left, middle, right = (loglik[gene, inner + move] for move in (-1, 0, 1))
    bend = 2 * middle - left - right
    with np.errstate(divide="ignore", invalid="ignore"):
        move = np.where(bend > 0, np.clip(0.5 * (right - left) / bend, -1, 1), 0.0)
    place = np.where((best == 0) | (best == last), best, inner + move)
    return np.asarray(np.exp(profiles.low + profiles.step * place))


TELLING_MEAN = 40.0


ENOUGH_GENES = 1000
"""Dispersions are learned from genes with so many reads a sample, or from so many genes that have the most.

Profiles of genes with few reads are biased: with two replicates Laplace's approximation puts dispersions of genes of 5
reads some 15% too low, and where the observed mean is low by chance the trend is too high for the gene.
"""


def telling_genes(mean: FloatArray) -> BoolArray:
    """Which genes a trend is learned from, (G,), by their mean counts."""
    return np.asarray(mean >= min(TELLING_MEAN, np.sort(mean)[-min(ENOUGH_GENES, len(mean))]))


def fit_dispersion_prior(
    counts: Counts, profiles: DispersionProfiles, *, tails: str = "normal", mean: FloatArray | None = None
) -> DispersionPrior:
    """Trend and spread of all genes' dispersions, by maximum marginal likelihood over those that have reads enough.

    Parameters
    ----------
    counts
        Normalized counts, (G, S), without all-zero genes.
    profiles
        Of their dispersions.
    tails
        ``normal``, or ``t5`` for dispersions that stray further from their trend.
    mean
        What the trend is over, (G,), where that is not these counts' own mean.

    Raises
    ------
    InputError
        With fewer than 10 genes.
    """
    n_genes = len(counts.gene)
    if n_genes < 10:
        raise InputError(
            f"{n_genes} genes are too few to learn a dispersion trend from; give at least 10, better hundreds."
        )
    mean = base_mean(counts) if mean is None else mean
    telling = telling_genes(mean)
    profiles = profiles.of_genes(telling)
    n_genes, log_mean = int(telling.sum()), np.log(mean[telling])
    tail_df = TAILS[tails]

    def maximum(profiles: DispersionProfiles, start: FloatArray) -> tuple[FloatArray, float]:
        def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
            def work(block: slice) -> tuple[float, FloatArray]:
                gradient = np.zeros(3)
                value = dispersion_evidence(
                    profiles.loglik[block], profiles.low[block], profiles.step[block], log_mean[block],
                    parameters, tail_df, gradient,
                )  # fmt: skip
                return value, gradient

            parts = map_blocks(work, n_genes)
            return -sum(part[0] for part in parts) / n_genes, -np.sum([part[1] for part in parts], axis=0) / n_genes

        return _minimum(loss, start, LOWEST_PARAMETERS, HIGHEST_PARAMETERS)

    found, value = maximum(profiles, np.array([np.log(0.05), np.log(2.0), np.log(0.7)]))
    fine = fine_enough(profiles, float(np.exp(found[2])))
    if fine is not profiles:
        found, value = maximum(fine, found)
    floor, slope, spread = np.exp(found)
    return DispersionPrior(
        floor=float(floor), slope=float(slope), spread=float(spread), tails=tails, loglik=-n_genes * value
    )


LOWEST_PARAMETERS = np.array([-12.0, -8.0, np.log(0.15)])


HIGHEST_PARAMETERS = np.array([2.0, 8.0, np.log(4.0)])
"""Bounds of log a0, log a1 and the log spread."""


def _minimum(
    loss: Callable[[FloatArray], tuple[float, FloatArray]], start: FloatArray, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, float]:
    """A minimum within bounds and its value, by damped Newton steps; curvature from differences of gradients.

    For three parameters scipy's minimize is no better, and importing it would take longer than the fit.
    """
    x = start
    value, slope = loss(x)
    for _ in range(100):
        # Parameters that a bound holds stay where they are.
        free = ~(((x <= low) & (slope > 0)) | ((x >= high) & (slope < 0)))
        curvature = np.array([(loss(x + 1e-4 * unit)[1] - slope) / 1e-4 for unit in np.eye(len(x))])
        curvature = (curvature + curvature.T) / 2
        curvature[~free] = curvature[:, ~free] = 0
        scales, axes = np.linalg.eigh(curvature)
        # Downhill along every axis, however it bends.
        step = -axes @ ((axes.T @ np.where(free, slope, 0)) / np.maximum(np.abs(scales), 1e-3))
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-300))
        length = 1.0
        while length > 1e-6:
            trial = np.clip(x + length * step, low, high)
            trial_value, trial_slope = loss(trial)
            if trial_value <= value:
                break
            length /= 2
        gain = value - trial_value
        if gain < 0:
            break
        x, value, slope = trial, trial_value, trial_slope
        if gain < 1e-12:
            break
    return x, value


def fine_enough(profiles: DispersionProfiles, spread: float) -> DispersionProfiles:
    """The same profiles, on denser nodes where a hyperprior is narrower than these are apart and would be missed."""
    return _refined(profiles, 4) if spread < 0.7 * profiles.step.max() else profiles


def _refined(profiles: DispersionProfiles, times: int) -> DispersionProfiles:
    """The same profiles on nodes so many times as dense, by cubic splines."""
    # Imported here, where few fits come by.
    from scipy.interpolate import CubicSpline

    n_nodes = profiles.loglik.shape[1]
    dense = np.linspace(0, n_nodes - 1, times * (n_nodes - 1) + 1)
    loglik = CubicSpline(np.arange(n_nodes), profiles.loglik, axis=1)(dense)
    return DispersionProfiles(low=profiles.low, step=profiles.step / times, loglik=loglik)


def dispersion_scalars(prior: DispersionPrior, residual_df: int) -> dict[str, float]:
    """The hyperprior as `Effects.scalars` tell it."""
    told = {
        "residual_df": float(residual_df),
        "dispersion_floor": prior.floor,
        "dispersion_slope": prior.slope,
        "dispersion_spread": prior.spread,
    }
    return told if prior.bend is None else {**told, **prior.bend.told()}


def with_bends_as_lists(scalars: Mapping[str, float]) -> dict[str, float | list[list[float]]]:
    """`Effects.scalars` by name, those of each bend as one list: pairs of a mean count and what is added there."""
    told: dict[str, float | list[list[float]]] = {}
    bends: dict[str, list[list[float]]] = {}
    for name, value in sorted(scalars.items()):
        group, is_bend, mean = name.partition(TOLD)
        if is_bend:
            bends.setdefault(f"{group}{BEND}", []).append([float(mean), value])
        else:
            told[name] = value
    told |= {name: sorted(pairs) for name, pairs in bends.items()}
    return dict(sorted(told.items()))
