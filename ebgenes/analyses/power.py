"""What other studies like one would find: numbers of samples, depths, and repeats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from ebgenes.arrays import FloatArray, IntArray
from ebgenes.errors import InputError
from ebgenes.numerics.cells import cell_likelihoods
from ebgenes.posteriors.fdr import COIN_TOSS
from ebgenes.posteriors.lists import MISFIT, MOST_STRAYED
from ebgenes.prior.families import family_of
from ebgenes.prior.null import N_DRAWS, SEED, UNKNOWN_DF, UNKNOWN_EXCESS, excess_variance
from ebgenes.records.effects import Effects
from ebgenes.records.pilot import Pilot
from ebgenes.records.prior import MixturePrior, Nulls

N_LEVELS, N_WIDTHS = 16, 6
"""Strata of genes by mean count, and by standard error within each."""

N_ERRORS, N_DFS = 12, 3
"""Standard errors and degrees of freedom at which a study's list is worked out."""

N_DRIFTS = 4
"""Equally probable widths of the null of another study."""

NEAR, NEAR_STEP, RATIO = 8.0, 0.25, 1.2
"""Estimates: even steps to so many standard errors, then ever longer ones."""

FINEST, CELL_RATIO, WIDEST = 0.3, 1.13, 6.0
"""Cells of effects: the first so wide, in the smallest slab's scale, the next by so much wider, to so many of the
largest."""

RARE = 1e-6
"""Weight below which a slab is passed over."""

TAIL = 0.025
HALF_WIDTH = 1.959964
"""Of a 95% interval: the probability beyond either end, and standard deviations to it."""


def pilot_of(effects: Effects, replicates: float | None = None) -> Pilot:
    """The precision of a study's estimates, from which that of others like it follows.

    Parameters
    ----------
    effects
        G genes.
    replicates
        Samples in either group, where effects do not tell it, as those of a table of estimates.

    Raises
    ------
    InputError
        Where the number of replicates is unknown.
    """
    known = effects.scalars.get("replicates")
    replicates = known if replicates is None else replicates
    if replicates is None or not 0 < replicates < np.inf:
        raise InputError(
            f"how many samples these effects come from is not known, or no positive number (found {replicates}): give "
            "the number in each group as replicates. For a table of estimates leave report.replicates out."
        )
    n_genes = len(effects.gene)
    counted = np.isfinite(effects.base_mean).all()
    level_order = np.argsort(effects.base_mean if counted else effects.se, kind="stable")
    bands = np.array_split(level_order, min(N_LEVELS, n_genes))
    log_variance = 2 * np.log(effects.se)
    residual_df = residual_df_of(effects)
    own_df = np.maximum(effects.df - residual_df, 0.0)
    counting = counting_variance(effects, float(replicates))
    rows = []
    for band in bands:
        ordered = band[np.argsort(effects.se[band], kind="stable")]
        level = float(np.median(log_variance[band]))
        for part in np.array_split(ordered, min(N_WIDTHS, len(band))):
            variance = float(log_variance[part].mean())
            prior_df = float(np.median(own_df[part]))
            share = float(np.mean(counting[part] / effects.se[part] ** 2))
            rows.append([len(part), variance, level if counted else variance, prior_df, share])
    count, variance, level, prior_df, share = np.array(rows).T
    axes = effects.residuals
    return Pilot(
        replicates=float(replicates),
        residual_df=residual_df,
        count=count,
        log_variance=variance,
        level=level,
        prior_df=prior_df,
        counting=share,
        excess=np.array([UNKNOWN_EXCESS]) if axes is None else excess_variance(axes),
        unit=effects.told_unit,
    )


def residual_df_of(effects: Effects) -> float:
    """Residual degrees of freedom of the design; where they are unknown those that the drift's prior takes."""
    if effects.residuals is not None:
        return float(len(effects.residuals.variance))
    return float(effects.scalars.get("residual_df", UNKNOWN_DF))


def counting_variance(effects: Effects, replicates: float) -> FloatArray:
    """Variance of the estimates that comes from counting reads, (G,): that of Poisson counts."""
    with np.errstate(divide="ignore"):
        return np.asarray(2 / (replicates * effects.base_mean * (np.log(2) * effects.told_unit) ** 2))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Layout:
    """Another study: how many of its genes have about the precision of each of J points, and effects in C cells.

    Attributes
    ----------
    replicates, residual_df
        Of the study.
    log_error, inverse_df
        Axes of the points: natural log of the standard error, (E,), and inverse degrees of freedom, (D,), ascending.
    count
        Genes at each point, (E, D).
    edge
        Of the cells, (C + 1,), ascending; one of them is 0.
    """

    replicates: float
    residual_df: float
    log_error: FloatArray
    inverse_df: FloatArray
    count: FloatArray
    edge: FloatArray


def layout_of(pilot: Pilot, prior: MixturePrior, replicates: float, depth: float = 1.0) -> Layout:
    """A study like a pilot, of so many samples in either group, with reads a sample so many times as many."""
    residual_df = pilot.residual_df + 2 * (replicates - pilot.replicates)
    residual_df = max(residual_df, 1.0)
    log_variance = pilot.log_variance + np.log(pilot.replicates / replicates)
    if depth != 1:
        log_variance = log_variance + np.log(deeper(pilot.counting, depth))
    spread = np.sqrt(np.maximum(_variance_of_variances(pilot.prior_df, residual_df)
                                - _variance_of_variances(pilot.prior_df, pilot.residual_df), 0.0))  # fmt: skip
    node, share = np.polynomial.hermite_e.hermegauss(3)
    share = share / share.sum()
    log_error = (0.5 * (log_variance[:, None] + spread[:, None] * node)).ravel()
    count = (pilot.count[:, None] * share).ravel()
    inverse = np.repeat(1 / (pilot.prior_df + residual_df), len(node))
    axes = [
        np.linspace(each.min() - 1e-9, each.max() + 1e-9, n) for each, n in ((log_error, N_ERRORS), (inverse, N_DFS))
    ]
    place, part = zip(*(between(*each) for each in zip(axes, (log_error, inverse), strict=True)), strict=True)
    grid = np.zeros((N_ERRORS, N_DFS))
    for right in (0, 1):
        for above in (0, 1):
            weight = (part[0] if right else 1 - part[0]) * (part[1] if above else 1 - part[1])
            np.add.at(grid, (place[0] + right, place[1] + above), weight * count)
    scale = _active_scales(prior)
    finest = FINEST * scale.min()
    n_cells = int(np.ceil(np.log(WIDEST * scale.max() / finest) / np.log(CELL_RATIO))) + 1
    side = finest * CELL_RATIO ** np.arange(n_cells)
    return Layout(
        replicates=replicates,
        residual_df=residual_df,
        log_error=axes[0],
        inverse_df=axes[1],
        count=grid,
        edge=np.concatenate([-side[::-1], [0.0], side]),
    )


def deeper(counting: FloatArray, depth: float) -> FloatArray:
    """Variance of an estimate with reads so many times as many, over what it was, whose part from counting is given."""
    known = np.minimum(np.nan_to_num(counting, nan=0.0), 0.95)
    return np.asarray(1 + known * (1 / depth - 1))


def _variance_of_variances(prior_df: FloatArray, residual_df: float) -> FloatArray:
    """Variance of the log of moderated variances among genes whose true ones are scaled inverse chi-squared."""
    with np.errstate(invalid="ignore"):
        spread = special.polygamma(1, np.maximum(prior_df, 0.5) / 2) * residual_df / (prior_df + residual_df)
    return np.where(np.isfinite(prior_df), spread, 0.0)


def between(axis: FloatArray, value: FloatArray) -> tuple[IntArray, FloatArray]:
    """The node of an even axis before each value, and how far it lies towards the next one, from 0 to 1."""
    place = (np.clip(value, axis[0], axis[-1]) - axis[0]) / (axis[1] - axis[0])
    before = np.minimum(place.astype(np.int64), len(axis) - 2)
    return before, place - before


def _active_scales(prior: MixturePrior) -> FloatArray:
    scale = np.abs(prior.scale[1:])
    active = scale[(prior.weight[1:] > RARE) & (scale > 0)]
    return active if len(active) else scale[scale > 0]


def cell_masses(prior: MixturePrior, weight: FloatArray, scale: FloatArray, edge: FloatArray) -> FloatArray:
    """Mass of the slabs in each cell, (C,), given weights and scales of all components, (K,)."""
    total = float(weight[1:].sum())
    # Densities are steep near 0 and uniform slabs end within cells: a few points tell a cell's mean.
    node, share = np.polynomial.legendre.leggauss(4)
    middle = (edge[1:] + edge[:-1])[:, None] / 2 + np.diff(edge)[:, None] / 2 * node
    density = family_of(prior.family).density(weight[1:], scale[1:], middle.ravel()).reshape(middle.shape)
    mass = density @ (share / 2) * np.diff(edge)
    return np.asarray(mass * (total / mass.sum())) if mass.sum() > 0 else np.zeros(len(mass))


def _relative_drifts(pilot: Pilot, residual_df: float) -> FloatArray:
    """Variances of the null of another study over its typical squared error, ascending, (N,); see `prior.null`.

    What replicates share goes along with that study's own groups as far as chance has it.
    """
    rng = np.random.default_rng(SEED)
    excess = np.minimum(pilot.excess, 1 / len(pilot.excess))
    drawn = rng.standard_t(residual_df, (N_DRAWS, len(excess)))
    relative = np.sort(np.sum(excess * drawn**2, axis=1) - excess.sum())
    return np.asarray(np.maximum(relative, 0.0))


def typical_error(layout: Layout) -> float:
    """The median standard error of a study."""
    below = np.cumsum(layout.count.sum(axis=1)) / layout.count.sum()
    return float(np.exp(np.interp(0.5, below, layout.log_error)))


def null_widths(pilot: Pilot, layout: Layout) -> FloatArray:
    """Equally probable standard deviations of the null of another study, ascending, (M,)."""
    parts = np.array_split(_relative_drifts(pilot, layout.residual_df), N_DRIFTS)
    return np.asarray(typical_error(layout) * np.sqrt([np.median(each) for each in parts]))


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


def with_drift(error: FloatArray, df: FloatArray, drift: float) -> tuple[FloatArray, FloatArray]:
    """Standard errors and degrees of freedom of estimates that drift besides.

    The t's share of the variance has tails, the drift's has none.
    """
    wide = np.hypot(error, drift)
    with np.errstate(invalid="ignore"):
        return wide, np.asarray(df * (wide / error) ** 4)


def seen_in(layout: Layout, drift: float) -> Seen:
    """What a study sees under a null of some standard deviation, at estimates that do not depend on that."""
    plain = np.repeat(np.exp(layout.log_error), N_DFS)
    with np.errstate(divide="ignore"):
        df = np.tile(1 / np.maximum(layout.inverse_df, 0.0), N_ERRORS)
    error, df = with_drift(plain, df, drift)
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
    drift
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
    drift: FloatArray
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
    for drift in null_widths(pilot, layout):
        seen = seen_in(layout, float(drift))
        for (share, weight, _), mass in zip(every, masses, strict=True):
            known = judged(seen, layout, float(weight[0]), mass, size, symmetric=symmetric)
            kinds.append((share / N_DRIFTS, float(drift), mass, known))
    rate = _rates(prior, pilot, layout, symmetric=symmetric)
    found = [list_of(seen, layout, mass, known, rate, level, size) for _, _, mass, known in kinds]
    return Studies(
        layout=layout,
        probability=np.array([kind[0] for kind in kinds]),
        drift=np.array([kind[1] for kind in kinds]),
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
        np.bincount(np.searchsorted(middle, np.sqrt(_relative_drifts(pilot, df))), minlength=len(ratio)) + 0.5
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
