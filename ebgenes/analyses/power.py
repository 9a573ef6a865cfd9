"""What other studies like one would find: numbers of samples, and depths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from ebgenes.analyses.precision import (
    N_DFS,
    N_ERRORS,
    N_NULL_SDS,
    Layout,
    cell_masses,
    layout_of,
    null_widths,
    relative_null_sds,
    typical_error,
)
from ebgenes.arrays import FloatArray
from ebgenes.errors import InputError
from ebgenes.numerics.cells import cell_likelihoods
from ebgenes.posteriors.fdr import COIN_TOSS
from ebgenes.posteriors.lists import MISFIT, MOST_STRAYED
from ebgenes.prior.families import family_of
from ebgenes.records.pilot import Pilot
from ebgenes.records.prior import MixturePrior, Nulls

NEAR, NEAR_STEP, RATIO = 8.0, 0.25, 1.2
"""Estimates: even steps to so many standard errors, then ever longer ones."""

TAIL = 0.025
HALF_WIDTH = 1.959964
"""Of a 95% interval: the probability beyond either end, and standard deviations to it."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Seen:
    """What a study sees whose null has a given width.

    Attributes
    ----------
    estimate
        Sizes of estimates, (J, I), J points of precision.
    step
        How far each stands for, (J, I).
    of_null
        Density of estimates of unchanged genes, (J, I).
    of_cell
        The same of each cell's genes, (J, I, C).
    """

    estimate: FloatArray
    step: FloatArray
    of_null: FloatArray
    of_cell: FloatArray


def with_null_sd(error: FloatArray, df: FloatArray, null_sd: float) -> tuple[FloatArray, FloatArray]:
    """Standard errors and degrees of freedom of estimates that drift besides.

    The t's share of the variance has tails, the drift's has none.
    """
    wide = np.hypot(error, null_sd)
    with np.errstate(invalid="ignore"):
        return wide, np.asarray(df * (wide / error) ** 4)


def seen_in(layout: Layout, null_sd: float) -> Seen:
    """What a study sees under a null of some standard deviation, at estimates that do not depend on that."""
    plain = np.repeat(np.exp(layout.log_error), N_DFS)
    with np.errstate(divide="ignore"):
        df = np.tile(1 / np.maximum(layout.inverse_df, 0.0), N_ERRORS)
    error, df = with_null_sd(plain, df, null_sd)
    near = np.arange(NEAR_STEP / 2, NEAR, NEAR_STEP)
    reach = max(layout.edge[-1] / plain.min(), 2 * NEAR)
    n_far = int(np.ceil(np.log(reach / NEAR) / np.log(RATIO)))
    border = np.concatenate([near - NEAR_STEP / 2, NEAR * RATIO ** np.arange(n_far + 1)])
    estimate = (border[1:] + border[:-1]) / 2
    x = plain[:, None] * estimate
    of_cell = np.empty((*x.shape, len(layout.edge) - 1))
    cell_likelihoods(x, error, df, layout.edge, of_cell)
    tiny = 1e-6
    of_null = np.empty((*x.shape, 1))
    cell_likelihoods(x, error, df, tiny * np.array([-0.5, 0.5]) * float(plain.min()), of_null)
    return Seen(estimate=x, step=plain[:, None] * np.diff(border), of_null=of_null[..., 0], of_cell=of_cell)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Found:
    """What the list of a study holds, all of it expected.

    Attributes
    ----------
    discoveries, false
        Genes of the list, and unchanged ones among them.
    found, beyond
        Share of the changed genes that it holds, and of those whose effect is beyond a size.
    width
        Mean width of 95% intervals of its genes, taken for normal beside the null.
    least
        Largest local false sign rate in it.
    """

    discoveries: float
    false: float
    found: float
    beyond: float
    width: float
    least: float


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Judged:
    """What a study makes of estimates that it may see, (S, J, I): on S sides of 0, one under a symmetric prior.

    Attributes
    ----------
    null, real
        Densities of estimates of unchanged and of changed genes.
    far
        Density of those of genes whose effect is beyond a size.
    mean, sd
        Of the effect given that the gene is changed.
    lfsr
        Local false sign rate.
    """

    null: FloatArray
    real: FloatArray
    far: FloatArray
    mean: FloatArray
    sd: FloatArray
    lfsr: FloatArray


def judged(seen: Seen, layout: Layout, pi0: float, mass: FloatArray, size: float, *, symmetric: bool) -> Judged:
    """What a study makes of estimates that knows the population: share of the null, masses (C,) of effects in cells."""
    middle = (layout.edge[1:] + layout.edge[:-1]) / 2
    sides = []
    # Below 0 stand the mirror image's estimates.
    for own in [mass] if symmetric else [mass, mass[::-1]]:
        parts = [own * (middle > 0), own * (middle < 0), own * (np.abs(middle) > size), own * middle, own * middle**2]
        sides.append(seen.of_cell @ np.stack(parts, axis=1))
    above, below, far, first, second = np.moveaxis(np.stack(sides), -1, 0)
    null = pi0 * seen.of_null[None]
    real = above + below
    with np.errstate(invalid="ignore", divide="ignore"):
        # Where no changed gene's estimate can lie, none has a mean.
        mean, square = (np.where(real > TINIEST, each / real, 0.0) for each in (first, second))
        lfsr = np.nan_to_num(1 - np.maximum(above, below) / (null + real), nan=0.0)
    sd = np.sqrt(np.maximum(square - mean**2, 0.0))
    return Judged(null=null, real=real, far=far, mean=mean, sd=sd, lfsr=lfsr)


def list_of(
    seen: Seen, layout: Layout, mass: FloatArray, known: Judged, rate: FloatArray, level: float, size: float
) -> Found:
    """The list by signs of a study that takes `rate` for local false sign rates, (S, J, I), under one population."""
    total = known.null + known.real
    stand_for = layout.count.ravel()[None, :, None] * seen.step[None] * (3 - len(total))
    amount = stand_for * total
    order = np.argsort(rate, axis=None)
    held, wrong = amount.ravel()[order], rate.ravel()[order]
    running = np.cumsum(held * wrong) / np.maximum(np.cumsum(held), 1e-300)
    within = (running < level) & (wrong < COIN_TOSS)
    n_listed = len(within) if within.all() else int(np.argmin(within))
    least = float(wrong[n_listed - 1]) if n_listed else 0.0
    chosen = stand_for * ((rate <= least) & (n_listed > 0))
    discoveries, false = float((chosen * total).sum()), float((chosen * known.null).sum())
    n_genes = float(layout.count.sum())
    middle = (layout.edge[1:] + layout.edge[:-1]) / 2
    n_changed, n_far = n_genes * mass.sum(), n_genes * mass[np.abs(middle) > size].sum()
    # An interval reaches to 0 where more than its tail may be on the other side or at 0.
    half = HALF_WIDTH * known.sd
    width = half + np.where(rate > TAIL, np.abs(known.mean), half)
    return Found(
        discoveries=discoveries,
        false=false,
        found=(discoveries - false) / n_changed if n_changed > 0 else np.nan,
        beyond=float((chosen * known.far).sum()) / n_far if n_far > 0 else np.nan,
        width=float((chosen * total * width).sum()) / discoveries if discoveries > 0 else np.nan,
        least=least,
    )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Outlook:
    """What studies of N sizes would find, each (N,); bands (N, 2).

    Attributes
    ----------
    replicates
        Samples in either group.
    discoveries, discoveries_band
        Genes of the list, and where their number lies with the probability `probability`.
    fdr, fdr_band
        Share of unchanged genes among them.
    found, found_band
        Share of the changed genes that it holds.
    beyond, beyond_band
        The same of genes whose effect is larger than `size`, log2.
    width, width_band
        Mean width of the 95% intervals of its genes, log2.
    depth
        How many times as many reads a sample has as in the pilot.
    level, size, probability
        Of the list, of large effects, of the bands.
    """

    replicates: FloatArray
    discoveries: FloatArray
    discoveries_band: FloatArray
    fdr: FloatArray
    fdr_band: FloatArray
    found: FloatArray
    found_band: FloatArray
    beyond: FloatArray
    beyond_band: FloatArray
    width: FloatArray
    width_band: FloatArray
    depth: float
    level: float
    size: float
    probability: float


def populations(prior: MixturePrior) -> list[tuple[float, FloatArray, FloatArray]]:
    """Probabilities, weights (K,) and scales (K,) of the populations that a fit leaves possible."""
    nulls: Nulls | None = prior.nulls
    if nulls is None:
        return [(1.0, prior.weight, prior.scale)]
    return [
        (float(share), weight, scale)
        for share, weight, scale in zip(nulls.probability, nulls.weight, nulls.scale, strict=True)
    ]


def outlook(
    prior: MixturePrior,
    pilot: Pilot,
    replicates: Sequence[float],
    *,
    depth: float = 1.0,
    level: float = 0.05,
    size: float = 1.0,
    probability: float = 0.9,
) -> Outlook:
    """What studies like a pilot would find with other numbers of samples, or other depths.

    Parameters
    ----------
    prior
        What was fitted to the pilot, or another study's prior.
    pilot
        Precision of its estimates; see `pilot_of`.
    replicates
        Samples in either group, (N,).
    depth
        Reads a sample, as a multiple of the pilot's.
    level
        Of the list, which is by signs.
    size
        Effects beyond it, log2, are told of besides.
    probability
        Of the bands.

    Raises
    ------
    InputError
        For sizes below 2, a depth that is not above 0, or another depth where reads are unknown.

    Notes
    -----
    Where more than `WORKED` sizes are asked for, as many are worked out and the others lie between them, straight over
    the logarithm of the size.
    """
    asked = np.asarray(replicates, dtype=float)
    if not (len(asked) and np.isfinite(asked).all() and (asked >= 2).all()):
        raise InputError(
            f"replicates must be 2 or more in each group; found {list(replicates)}. Give for example 3:24."
        )
    if not 0 < depth < np.inf:
        raise InputError(f"depth must be above 0; found {depth}. Give for example 0.5 or 2.")
    if depth != 1 and not np.isfinite(pilot.counting).all():
        raise InputError("other depths need counts: what a table of estimates owes to counting reads is not known.")
    prior = prior.in_unit(pilot.unit)
    distinct = np.unique(asked)
    worked = distinct if len(distinct) <= WORKED else np.geomspace(distinct[0], distinct[-1], WORKED)
    told = np.array([_told(study_of(prior, pilot, n, depth, level, size), pilot, probability) for n in worked])
    place = np.log(asked)
    curves = [
        np.stack([np.interp(place, np.log(worked), told[:, i, k]) for k in range(3)], axis=1) for i in range(len(TOLD))
    ]
    named = {name: curve[:, 0] for name, curve in zip(TOLD, curves, strict=True)}
    bands = {f"{name}_band": curve[:, 1:] for name, curve in zip(TOLD, curves, strict=True)}
    return Outlook(
        replicates=asked, depth=depth, level=level, size=size, probability=probability, **named, **bands
    )  # fmt: skip


TOLD = ("discoveries", "fdr", "found", "beyond", "width")
"""What `Outlook` tells of each size, with a band."""

WORKED = 7
"""Sizes that are worked out where more are asked for; the others lie between them."""

TINIEST = 1e-290

N_QUANTILES = 41
"""Values that stand for what chance does to a list."""


def _told(studies: Studies, pilot: Pilot, probability: float) -> FloatArray:
    """Expectation and both ends of the band of each of `TOLD`, (5, 3)."""
    value = np.array(
        [[one.discoveries, one.false / max(one.discoveries, LEAST), one.found, one.beyond, one.width]
         for one in studies.found]
    )  # fmt: skip
    spread = np.array([_spread(one, studies, pilot) for one in studies.found])
    score = special.ndtri((np.arange(N_QUANTILES) + 0.5) / N_QUANTILES)
    noise = np.exp(spread[:, None] * score)  # (A, Q)
    out = np.empty((len(TOLD), 3))
    share = np.repeat(studies.probability, N_QUANTILES) / N_QUANTILES
    n_genes = float(studies.layout.count.sum())
    most = dict(zip(TOLD, (n_genes, 1.0, 1.0, 1.0, np.inf), strict=True))
    for i, name in enumerate(TOLD):
        # Where a list holds nothing its intervals have no width.
        known = np.nan_to_num(value[:, i])
        # A list that holds more false genes is longer by these alone.
        times = np.ones_like(noise) if name == "width" else noise
        drawn = np.minimum(known[:, None] * times, most[name]).ravel()
        order = np.argsort(drawn)
        below = np.cumsum(share[order])
        ends = np.interp([(1 - probability) / 2, (1 + probability) / 2], below, drawn[order])
        out[i] = studies.probability @ known, *ends
    return out


LEAST = 1e-9


def _spread(found: Found, studies: Studies, pilot: Pilot) -> float:
    """Standard deviation of the log of a list's length among studies alike; see `lists.scattered`."""
    n_genes = float(studies.layout.count.sum())
    z = -float(special.ndtri(min(max(found.false / n_genes, LEAST), 0.5) / 2))
    steepness = z * np.exp(-(z**2) / 2 - special.log_ndtr(-z)) / np.sqrt(8 * np.pi)
    strayed = min(float(np.sqrt(2 * np.sum(pilot.excess**2)) * steepness), MOST_STRAYED)
    return float(np.sqrt(np.log1p(strayed**2 + MISFIT**2 + 1 / max(found.discoveries, 1.0))))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Studies:
    """Studies of one size, under each population and width of the null that are possible, A of them.

    Attributes
    ----------
    layout
        Of all.
    probability
        Of each, (A,).
    null_sd
        Standard deviation of the null, (A,).
    found
        What the lists hold, A.
    estimate
        Sizes of estimates, (J, I).
    rate
        Local false sign rates that such a study gives them, mean of both sides, (J, I).
    """

    layout: Layout
    probability: FloatArray
    null_sd: FloatArray
    found: list[Found]
    estimate: FloatArray
    rate: FloatArray


def study_of(
    prior: MixturePrior, pilot: Pilot, replicates: float, depth: float, level: float, size: float
) -> Studies:  # fmt: skip
    """What studies of one size would see and list.

    A study's own null drifts as chance has it, whatever the pilot's did. But no more than the pilot does it know how
    far: a wide null and many small effects look alike. So its rates are averages over the pilot's pairs of populations
    and nulls, these as wide beside the errors as there, and as probable as residual degrees of freedom make them.
    """
    every = populations(prior)
    symmetric = not (family_of(prior.family).two_sided or family_of(prior.family).signed)
    layout = layout_of(pilot, prior, replicates, depth)
    masses = [cell_masses(prior, weight, scale, layout.edge) for _, weight, scale in every]
    kinds = []
    for null_sd in null_widths(pilot, layout):
        seen = seen_in(layout, float(null_sd))
        for (share, weight, _), mass in zip(every, masses, strict=True):
            known = judged(seen, layout, float(weight[0]), mass, size, symmetric=symmetric)
            kinds.append((share / N_NULL_SDS, float(null_sd), mass, known))
    rate = _rates(prior, pilot, layout, symmetric=symmetric)
    found = [list_of(seen, layout, mass, known, rate, level, size) for _, _, mass, known in kinds]
    return Studies(
        layout=layout,
        probability=np.array([kind[0] for kind in kinds]),
        null_sd=np.array([kind[1] for kind in kinds]),
        found=found,
        estimate=seen.estimate,
        rate=rate.mean(axis=0),
    )


def _rates(prior: MixturePrior, pilot: Pilot, layout: Layout, *, symmetric: bool) -> FloatArray:
    """Local false sign rates that a study gives estimates, (S, J, I)."""
    every = populations(prior)
    at_pilot = typical_error(layout_of(pilot, prior, pilot.replicates))
    width, which = np.unique([scale[0] for _, _, scale in every], return_inverse=True)
    share = np.bincount(which, [each[0] for each in every])
    ratio = width / at_pilot
    middle = (ratio[1:] + ratio[:-1]) / 2
    before, after = (
        np.bincount(np.searchsorted(middle, np.sqrt(relative_null_sds(pilot, df))), minlength=len(ratio)) + 0.5
        for df in (pilot.residual_df, layout.residual_df)
    )
    times = after / before / np.sum(share * after / before)
    parts = []
    for j, own in enumerate(ratio):
        seen = seen_in(layout, float(own * typical_error(layout)))
        for (each, weight, scale), group in zip(every, which, strict=True):
            if group == j:
                mass = cell_masses(prior, weight, scale, layout.edge)
                known = judged(seen, layout, float(weight[0]), mass, np.inf, symmetric=symmetric)
                parts.append(each * times[j] * known.lfsr)
    return np.asarray(sum(parts))
