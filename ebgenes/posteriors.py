"""Effects and a prior -> what is known of each gene."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from ebgenes.errors import InputError
from ebgenes.kernels import grid as grids, pieces
from ebgenes.kernels.jit import BLOCK, map_blocks, read_only
from ebgenes.kernels.mixture import mean_odds
from ebgenes.kernels.posterior import mixture_posterior
from ebgenes.kernels.student import component_loglik
from ebgenes.model import Effects, FloatArray, IntArray, MixturePrior, Nulls, Posterior

NORMAL = ("scale_normal", "point_normal")
SLABS = {
    "half_normal": pieces.HALF_NORMAL, "half_uniform": pieces.HALF_UNIFORM, "point_laplace": pieces.LAPLACE,
}  # fmt: skip
"""Families of normals around 0, and the codes of the others that have slabs."""


def around(effects: Effects, mode: float) -> Effects:
    """The same effects, measured from the prior's mode."""
    if mode == 0:
        return effects
    grid = None if effects.grid is None else effects.grid - mode
    return replace(effects, estimate=effects.estimate - mode, grid=grid)


def stretched(effects: Effects, kappa: float) -> Effects:
    """The same effects with likelihoods kappa times as wide around their estimates."""
    if kappa == 1:
        return effects
    if effects.grid is None or effects.loglik is None:
        return replace(effects, se=kappa * effects.se)
    middle = effects.estimate[:, None]
    return replace(
        effects,
        se=kappa * effects.se,
        grid=middle + kappa * (effects.grid - middle),
        loglik=effects.loglik - np.log(kappa),
    )


def as_seen(effects: Effects, prior: MixturePrior) -> Effects:
    """The effects as a prior takes them: its times as wide, and measured from its mode."""
    return around(stretched(effects, prior.stretch), prior.mode)


def null_probability(effects: Effects, prior: MixturePrior, weight: FloatArray | None = None) -> FloatArray:
    """P(null | data), (G,): the lfdr alone, at a tenth of the cost of a whole posterior.

    weight, (G, K), stands in place of the prior's where it is given.
    """
    if weight is None and prior.nulls is not None:
        parts = _by_null(effects, prior)
        return np.asarray(sum(share * null_probability(effects, single, own) for share, single, own in parts))
    effects = as_seen(effects, prior)
    weight = prior.weights(len(effects.gene)) if weight is None else weight
    with np.errstate(divide="ignore"):
        log_joint = loglik_matrix(effects, prior.scale, prior.family) + np.log(weight)
    log_joint -= log_joint.max(axis=1, keepdims=True)
    joint = np.exp(log_joint)
    return np.asarray(joint[:, 0] / joint.sum(axis=1))


def loglik_matrix(effects: Effects, scale: FloatArray, family: str = "scale_normal") -> FloatArray:
    """Log likelihood of each gene under each component, (G, K); ``scale[0]`` is the null's and in all."""
    return component_likelihoods(effects, family)(scale, None)


def component_likelihoods(
    effects: Effects, family: str = "scale_normal"
) -> Callable[[FloatArray, slice | None], FloatArray]:
    """A function from the components' scales (K,) to `loglik_matrix`, for a fit that tries many scales.

    Given a slice of the genes too, the function returns their rows alone.
    """
    rows = _normal_rows(effects) if family in NORMAL else _general_rows(effects, family)
    n_genes = len(effects.gene)

    def matrix(scale: FloatArray, genes: slice | None = None) -> FloatArray:
        # A copy, because numba compiles anew for arrays that may not be written to.
        scale = np.array(scale)
        if genes is not None:
            out = np.empty((len(range(*genes.indices(n_genes))), len(scale)))
            rows(genes, scale, out)
            return out
        out = np.empty((n_genes, len(scale)))
        map_blocks(lambda block: rows(block, scale, out[block]), n_genes)
        return out

    return matrix


Rows = Callable[[slice, FloatArray, FloatArray], None]


def _normal_rows(effects: Effects) -> Rows:
    """What fills log likelihoods of a block of genes under normals around 0, given their scales (K,)."""
    grid, loglik = effects.grid, effects.loglik
    if grid is None or loglik is None:
        known = (effects.estimate, effects.se, effects.df)
        return lambda block, scale, out: component_loglik(
            *(np.ascontiguousarray(each[block]) for each in known), scale, out
        )
    prepare = _prepare(grid, loglik)
    prepared = map_blocks(prepare, len(effects.gene))

    def fill(block: slice, scale: FloatArray, out: FloatArray) -> None:
        if block.step is None and block.start % BLOCK == 0 and block.stop - block.start <= BLOCK:
            grids.component_loglik(*prepared[block.start // BLOCK], scale, out)
        else:
            grids.component_loglik(*prepare(block), scale, out)

    return fill


def _general_rows(effects: Effects, family: str) -> Rows:
    """The same under the slabs or point masses of another family."""

    def fill(block: slice, scale: FloatArray, out: FloatArray) -> None:
        *gene, size = gene_likelihoods(effects, block, float(scale[0]))
        if family == "npmle":
            pieces.point_loglik(np.concatenate([[0.0], scale[1:]]), *gene, out)
        else:
            pieces.slab_loglik(SLABS[family], scale, *gene, size, out)

    return fill


def gene_likelihoods(effects: Effects, block: slice, drift: float) -> tuple[Any, ...]:
    """A block's likelihoods as `kernels.pieces` takes them, convolved with N(0, drift^2), and their widths."""
    estimate, se, df = (np.ascontiguousarray(each[block]) for each in (effects.estimate, effects.se, effects.df))
    n_genes = len(estimate)
    none, terms, n_terms = np.empty((n_genes, 0)), np.empty((n_genes, 0)), np.zeros(n_genes, dtype=np.int64)
    if effects.grid is not None and effects.loglik is not None:
        grid, loglik = np.array(effects.grid[block]), np.array(effects.loglik[block])
        if drift > 0:
            wide, convolved = np.empty_like(grid), np.empty_like(loglik)
            grids.add_drift(effects.grid[block], effects.loglik[block], drift, wide, convolved)
            grid, loglik = wide, convolved
        curvature, size = np.empty_like(grid), np.empty(n_genes)
        pieces.splines(grid, loglik, curvature, size)
        middle = np.ascontiguousarray(grid[:, grid.shape[1] // 2])
        return middle, se, df, terms, terms, n_terms, grid, loglik, curvature, size
    if drift > 0 and np.isfinite(df).any():
        room = 64
        while True:
            terms, variance = np.empty((2, n_genes, room))
            needed = pieces.drifted_terms(estimate, se, df, drift, terms, variance, n_terms)
            if needed <= room:
                break
            room = needed
        return estimate, se, df, terms, variance, n_terms, none, none, none, np.hypot(se, drift)
    se = np.hypot(se, drift)
    return estimate, se, df, terms, terms, n_terms, none, none, none, se


def _prepare(grid: FloatArray, loglik: FloatArray) -> Callable[[slice], tuple[Any, ...]]:
    """What makes a block's nodes and weights, to be used at any scale."""

    def work(block: slice) -> tuple[Any, ...]:
        nodes, heights = grid[block], loglik[block]
        room = 80
        while True:
            curvature = np.empty_like(nodes)
            theta, weight = np.empty((2, len(nodes), room))
            size, top = np.empty((2, len(nodes)))
            count = np.empty(len(nodes), dtype=np.int64)
            needed = grids.prepare(nodes, heights, curvature, theta, weight, size, top, count)
            if needed <= room:
                return nodes, heights, curvature, theta, weight, size, top, count
            room = needed

    return work


Part = tuple[float, MixturePrior, FloatArray]
"""One scale of the null: its probability, the prior there, and weights of each gene's own, (G, K)."""


MOST_PARTS = 2
"""Scales of the null at which whole posteriors are computed: neighbours are taken together."""


def _by_null(effects: Effects, prior: MixturePrior) -> list[Part]:
    """The priors that a prior leaves possible, those with nearly the same scales as one."""
    nulls = cast(Nulls, prior.nulls)
    likelihoods = component_likelihoods(as_seen(effects, prior), prior.family)
    parts = []
    for rows in _alike(nulls):
        share = nulls.probability[rows]
        scale = share @ nulls.scale[rows] / share.sum()
        scale[0] = np.sqrt(share @ nulls.scale[rows, 0] ** 2 / share.sum())
        loglik = likelihoods(scale, None)
        own = averaged_weights(np.exp(loglik - loglik.max(axis=1, keepdims=True)), nulls.weight[rows], share)
        single = replace(prior, scale=scale, weight=share @ nulls.weight[rows] / share.sum(), nulls=None)
        parts.append((float(share.sum()), single, own))
    return parts


def _alike(nulls: Nulls) -> list[IntArray]:
    """Rows by the null's scale, neighbouring scales together until `MOST_PARTS` are left.

    Those two first whose union costs least: their distance squared, times the probability of the less probable.
    """
    scales, which = np.unique(nulls.scale[:, 0], return_inverse=True)
    groups = [np.flatnonzero(which == k) for k in range(len(scales))]
    while len(groups) > MOST_PARTS:
        share = np.array([nulls.probability[rows].sum() for rows in groups])
        middle = np.array([nulls.probability[rows] @ nulls.scale[rows, 0] for rows in groups]) / share
        first = int(np.argmin(np.diff(middle) ** 2 * np.minimum(share[1:], share[:-1])))
        groups[first : first + 2] = [np.concatenate(groups[first : first + 2])]
    return groups


def mixture_of(parts: Sequence[tuple[float, Posterior]]) -> Posterior:
    """The mixture of posteriors with given shares, which sum to 1.

    Means, variances and probabilities are averages, lfsr that of the sign that is more probable over all; ends of
    intervals are averaged.
    """
    first = parts[0][1]

    def mean(name: str) -> FloatArray:
        return np.asarray(sum(share * getattr(part, name) for share, part in parts))

    center, lfdr = mean("mean"), mean("lfdr")
    square = sum(share * (part.sd**2 + (part.mean - center) ** 2) for share, part in parts)
    # P(sign wrong | changed) is the smaller side's probability; where priors differ on the side, the other's counts.
    positive = np.asarray(sum(share * _positive(part) for share, part in parts))
    wrong = np.maximum(np.minimum(positive, 1 - lfdr - positive), 0.0)
    return replace(
        first,
        mean=center,
        sd=np.sqrt(square),
        lower=mean("lower"),
        upper=mean("upper"),
        lfdr=lfdr,
        lfsr=np.minimum(lfdr + wrong, 1.0),
        up=mean("up"),
        down=mean("down"),
    )


def _positive(part: Posterior) -> FloatArray:
    """P(changed and effect > mode), (G,); lfsr says how much lies on the less probable side."""
    # Beyond a threshold both may be 0.
    up = np.where(part.up == part.down, part.mean > 0, part.up > part.down)
    return np.where(up, 1 - part.lfsr, part.lfsr - part.lfdr)


def posterior(
    effects: Effects,
    prior: MixturePrior,
    *,
    interval: float = 0.95,
    threshold: float = 0.0,
    weight: FloatArray | None = None,
) -> Posterior:
    """Partial pooling: each gene's posterior under the prior all genes share.

    Parameters
    ----------
    effects
        G genes, log2.
    prior
        Any mixture, fitted or given.
    interval
        Probability of the equal-tailed interval, strictly between 0 and 1.
    threshold
        Effects beyond it, log2, count in the tail areas `up` and `down`.
    weight
        Weights of each gene's own, (G, K), in place of the prior's; `averaged_weights` makes them of draws.

    Raises
    ------
    InputError
        Where interval or threshold is out of range.

    Notes
    -----
    With a mode other than 0 an effect is null where it equals the mode, and signs and thresholds count from there;
    mean and interval are of the effect itself.

    Sources: Efron (2008), Stat. Sci. 23, 1 (two groups); Stephens (2017), Biostatistics 18, 275
    (sign error rates and the normal mixture's posterior).
    """
    if not 0 < interval < 1:
        raise InputError(f"interval must lie strictly between 0 and 1; found {interval}. Give for example 0.95.")
    if not threshold >= 0:
        raise InputError(f"lfc_threshold must be 0 or more; found {threshold}. Give for example 0.")
    if weight is None and prior.nulls is not None:
        asked_of = {"interval": interval, "threshold": threshold}
        return mixture_of(
            [
                (share, posterior(effects, single, weight=own, **asked_of))
                for share, single, own in _by_null(effects, prior)
            ]
        )
    effects = as_seen(effects, prior)
    out = np.empty((len(effects.gene), 8))
    asked = float(interval), float(threshold)
    weight = np.broadcast_to(prior.weights(len(out)) if weight is None else weight, (len(out), len(prior.scale)))
    if prior.family not in NORMAL:
        work = _general_work(effects, prior, weight, *asked, out)
    elif effects.grid is not None and effects.loglik is not None:
        lfdr = null_probability(effects, replace(prior, mode=0.0, stretch=1.0), weight)
        work = _grid_work(effects.grid, effects.loglik, lfdr, prior, weight, *asked, out)
    else:
        known = (effects.estimate, effects.se, effects.df)

        def work(block: slice) -> None:
            gene = (each[block] for each in known)
            mixture_posterior(*gene, np.array(weight[block]), prior.scale, *asked, out[block])

    map_blocks(work, len(out))
    mean, sd, lower, upper, lfdr, lfsr, up, down = np.ascontiguousarray(out.T)
    return Posterior(
        gene=effects.gene,
        mean=mean + prior.mode,
        sd=sd,
        lower=lower + prior.mode,
        upper=upper + prior.mode,
        lfdr=lfdr,
        lfsr=lfsr,
        up=up,
        down=down,
        interval=interval,
        threshold=threshold,
    )


def _grid_work(
    grid: FloatArray, loglik: FloatArray, lfdr: FloatArray, prior: MixturePrior, weight: FloatArray, interval: float,
    threshold: float, out: FloatArray,
) -> Callable[[slice], None]:  # fmt: skip
    """What fills a block of posteriors from likelihoods on grids."""

    # Copies, because numba compiles anew for arrays that may not be written to.
    shape = np.array(prior.scale), 1 + np.flatnonzero(weight[:, 1:].any(axis=0))

    def work(block: slice) -> None:
        nodes, heights = grid[block], loglik[block]
        if prior.null_scale > 0:
            wide, convolved = np.empty_like(nodes), np.empty_like(heights)
            grids.add_drift(nodes, heights, prior.null_scale, wide, convolved)
            nodes, heights = read_only(wide), read_only(convolved)
        known = lfdr[block], np.array(weight[block]), *shape
        grids.grid_posterior(nodes, heights, *known, float(interval), float(threshold), out[block])

    return work


def _general_work(
    effects: Effects, prior: MixturePrior, weight: FloatArray, interval: float, threshold: float, out: FloatArray
) -> Callable[[slice], None]:
    """What fills a block of posteriors under slabs or point masses of a general family."""
    scale = np.array(prior.scale)

    def work(block: slice) -> None:
        *gene, size = gene_likelihoods(effects, block, prior.null_scale)
        own = np.array(weight[block])
        if prior.family == "npmle":
            place = np.concatenate([[0.0], scale[1:]])
            pieces.point_posterior(own, place, interval, threshold, *gene, out[block])
        else:
            known = SLABS[prior.family], own, scale, interval, threshold
            pieces.slab_posterior(*known, *gene, size, out[block])

    return work


def averaged_weights(likelihood: FloatArray, draws: FloatArray, share: FloatArray | None = None) -> FloatArray:
    """Weights under which each gene's posterior is the average of its posteriors over draws of the weights.

    Parameters
    ----------
    likelihood
        Of each gene under each component, (G, K), rows up to a factor.
    draws
        Weights, (D, K).
    share
        How much each draw counts, (D,); None: all alike.

    Returns
    -------
    ndarray
        (G, K), rows summing to 1: proportional to the mean over draws of w_dk / sum_j w_dj L_gj, because component k
        has the posterior probability L_gk w_dk / sum_j w_dj L_gj under draw d.
    """
    out = np.empty_like(likelihood)
    share = np.ones(len(draws)) if share is None else share
    map_blocks(lambda block: mean_odds(likelihood[block], draws, share, out[block]), len(likelihood))
    return out
