"""How precise a study is and others like it would be: a summary of its genes, laid out for other numbers of samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from ebgenes.arrays import FloatArray, IntArray
from ebgenes.errors import InputError
from ebgenes.prior.families import family_of
from ebgenes.prior.null import N_DRAWS, SEED, UNKNOWN_DF, UNKNOWN_EXCESS, excess_variance
from ebgenes.records.effects import Effects
from ebgenes.records.pilot import Pilot
from ebgenes.records.prior import MixturePrior

N_LEVELS, N_WIDTHS = 16, 6
"""Strata of genes by mean count, and by standard error within each."""

N_ERRORS, N_DFS = 12, 3
"""Standard errors and degrees of freedom at which a study's list is worked out."""

N_NULL_SDS = 4
"""Equally probable widths of the null of another study."""

FINEST, CELL_RATIO, WIDEST = 0.3, 1.13, 6.0
"""Cells of effects: the first so wide, in the smallest slab's scale, the next by so much wider, to so many of the
largest."""

RARE = 1e-6
"""Weight below which a slab is passed over."""


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
    order = np.argsort(effects.base_mean if counted else effects.se, kind="stable")
    bands = np.array_split(order, min(N_LEVELS, n_genes))
    log_variance = 2 * np.log(effects.se)
    residual_df = residual_df_of(effects)
    own_df = np.maximum(effects.df - residual_df, 0.0)
    counting = counting_variance(effects, float(replicates))
    rows = []
    for band in bands:
        ordered = band[np.argsort(effects.se[band], kind="stable")]
        for part in np.array_split(ordered, min(N_WIDTHS, len(band))):
            prior_df = float(np.median(own_df[part]))
            share = float(np.mean(counting[part] / effects.se[part] ** 2))
            rows.append([len(part), float(log_variance[part].mean()), prior_df, share])
    count, variance, prior_df, share = np.array(rows).T
    axes = effects.residuals
    return Pilot(
        replicates=float(replicates),
        residual_df=residual_df,
        count=count,
        log_variance=variance,
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
    log_variance = pilot.log_variance + np.log(prior.likelihood_scale**2 * pilot.replicates / replicates)
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


def relative_null_sds(pilot: Pilot, residual_df: float) -> FloatArray:
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
    parts = np.array_split(relative_null_sds(pilot, layout.residual_df), N_NULL_SDS)
    return np.asarray(typical_error(layout) * np.sqrt([np.median(each) for each in parts]))
