"""Several effects of each gene and all genes' prior of them -> which genes have any, and in which rows."""

from __future__ import annotations

import numpy as np
from scipy import special

from ebgenes.analyses.conditions.multivariate_fit import fit_multivariate
from ebgenes.analyses.conditions.multivariate_posterior import multivariate_posterior
from ebgenes.arrays import FloatArray, TextArray, text_array
from ebgenes.effects.multi_df_effects import squared_distance
from ebgenes.errors import InputError
from ebgenes.numerics.jit import map_blocks
from ebgenes.prior.fit import MIN_SCALE
from ebgenes.records.design import Curve
from ebgenes.records.effects import Effects, MultiDfEffects
from ebgenes.records.posterior import MultiDfPosterior, Posterior
from ebgenes.records.prior import MixturePrior, MultivariateFit, MultivariatePrior

UP, DOWN = "up in leading row", "down in leading row"
"""What the signs of a gene's leading effect mean."""

RESCALING = 0.1, 100.0
"""How far variances are shrunk or stretched until an estimate's distance from 0 tells its p-value."""


def fit_multi_df_prior(
    effects: MultiDfEffects,
    *,
    null: str = "estimated",
    min_scale: float | None = None,
    null_weight: float | None = None,
    solver: str = "sqp",
) -> MultivariateFit:
    """Fit the prior of several effects to all genes at once, as fold changes over the samples.

    Parameters
    ----------
    effects
        G genes, R rows.
    null, min_scale, null_weight, solver
        As in `fit_multivariate`.

    Raises
    ------
    InputError
        As `fit_multivariate`.

    Notes
    -----
    The likelihood is made normal by `as_normal`.
    """
    estimate, covariance = as_normal(effects)
    if min_scale is None and null == "fixed":
        min_scale = MIN_SCALE
    return fit_multivariate(
        estimate, covariance, condition=list(effects.row), null=null, min_scale=min_scale, null_weight=null_weight,
        residuals=[effects.residuals] * len(effects.row), solver=solver,
    )  # fmt: skip


def as_normal(effects: MultiDfEffects) -> tuple[FloatArray, FloatArray]:
    """Estimates (G, R) and covariances (G, R, R), times the rows' units, as of normal errors.

    A gene's covariance is scaled so that the squared distance of its estimate from 0 is the chi-squared point of its
    p-value: what a null gene's estimate does is then known exactly, however uncertain its covariance is, and p-value,
    lfdr and lfsr tell one story.

    Source: Urbut et al. (2019), Nat. Genet. 51, 187, whose program takes standard errors from p-values so.
    """
    n_rows = len(effects.row)
    told = special.chdtri(n_rows, np.clip(effects.p_value, 1e-300, 1 - 1e-9))
    stretch = np.clip(squared_distance(effects.estimate, effects.covariance) / told, *RESCALING)
    unit = np.outer(effects.unit, effects.unit)
    return effects.estimate * effects.unit, effects.covariance * stretch[:, None, None] * unit


def multi_df_posterior(
    effects: MultiDfEffects, prior: MultivariatePrior, *, interval: float = 0.95, threshold: float = 0.0
) -> MultiDfPosterior:
    """Partial pooling of several effects: each gene's posterior under the prior all genes share.

    Parameters
    ----------
    effects
        G genes with R rows, log2.
    prior
        Fitted or given, of the same rows.
    interval, threshold
        As in `posterior`. Intervals and tail areas take a row's effect, where it is not 0, for normal.

    Raises
    ------
    InputError
        Where the prior is of other rows, or interval or threshold is out of range.
    """
    if list(prior.condition) != list(effects.row):
        raise InputError(
            f"the prior is of the rows {', '.join(prior.condition)}, the effects of {', '.join(effects.row)}. "
            "Fit it anew."
        )
    if not 0 < interval < 1 or not threshold >= 0:
        raise InputError(
            f"interval must lie between 0 and 1, lfc_threshold be 0 or more; found {interval}, {threshold}."
        )
    estimate, covariance = as_normal(effects)
    known = multivariate_posterior(prior, estimate, covariance)
    unit = effects.unit
    mean, sd = known.mean / unit, known.sd / unit
    lower, upper = _interval(mean, sd, known.lfdr, interval)
    center, spread = _if_real(mean, sd, known.lfdr)
    half = special.ndtri((1 + interval) / 2) * spread
    up, down = known.prob_up, known.prob_down
    if threshold > 0:
        up, down = ((1 - known.lfdr) * special.ndtr((side * center - threshold) / spread) for side in (1, -1))
    names = text_array(["none", *prior.pattern])
    share = np.column_stack([known.lfdr_all, known.pattern_share])
    return MultiDfPosterior(
        gene=effects.gene,
        row=effects.row,
        mean=mean,
        sd=sd,
        lower=lower,
        upper=upper,
        lower_changed=center - half,
        upper_changed=center + half,
        covariance=_covariance(estimate, covariance, prior) / np.outer(unit, unit),
        lfdr=known.lfdr_all,
        lfsr=known.lfsr,
        prob_up=up,
        prob_down=down,
        pattern=names[np.argmax(share, axis=1)],
        top_row=np.lexsort((-np.abs(mean) / np.maximum(sd, 1e-300), known.lfsr), axis=1)[:, 0],
        interval=interval,
        threshold=threshold,
    )


def _if_real(mean: FloatArray, sd: FloatArray, zero: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of effects that are 0 with a probability, given that they are not."""
    real = np.maximum(1 - zero, 1e-12)
    center = mean / real
    return center, np.sqrt(np.maximum((sd**2 + mean**2) / real - center**2, 1e-24))


def _interval(mean: FloatArray, sd: FloatArray, zero: FloatArray, interval: float) -> tuple[FloatArray, FloatArray]:
    """Equal-tailed intervals of effects that are 0 with a probability, and normal otherwise, (G, R) each."""
    center, spread = _if_real(mean, sd, zero)
    real = np.maximum(1 - zero, 1e-12)
    below = real * special.ndtr(-center / spread)
    ends = []
    for probability in ((1 - interval) / 2, (1 + interval) / 2):
        inside = np.where(probability < below, probability, probability - zero) / real
        point = center + spread * special.ndtri(np.clip(inside, 0.0, 1.0))
        ends.append(np.where((probability >= below) & (probability <= below + zero), 0.0, point))
    return ends[0], ends[1]


def _covariance(estimate: FloatArray, covariance: FloatArray, prior: MultivariatePrior) -> FloatArray:
    """Posterior covariances of each gene's effects, (G, R, R)."""
    used = np.flatnonzero(prior.weight > 0)
    slabs, weight = prior.components()[used], prior.weight[used]
    out = np.empty_like(covariance)

    def work(block: slice) -> None:
        seen = covariance[block] + prior.null_covariance
        total = seen[:, None] + slabs  # (B, K, R, R)
        inverse = np.linalg.inv(total)
        _, size = np.linalg.slogdet(total)
        pulled = np.einsum("bkij,bj->bki", inverse, estimate[block])
        log_share = np.log(weight) - 0.5 * (size + np.einsum("bki,bi->bk", pulled, estimate[block]))
        share = np.exp(log_share - log_share.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        mean = np.einsum("kij,bkj->bki", slabs, pulled)
        second = slabs - slabs @ inverse @ slabs + mean[:, :, :, None] * mean[:, :, None, :]
        middle = np.einsum("bk,bki->bi", share, mean)
        out[block] = np.einsum("bk,bkij->bij", share, second) - middle[:, :, None] * middle[:, None, :]

    map_blocks(work, len(estimate))
    return out


def marginal_prior(prior: MultivariatePrior) -> MixturePrior:
    """The prior of one row's effect, averaged over the rows, as a fold change: what a figure of it shows.

    Every component becomes a normal with the mean of its rows' variances; the null keeps its share.
    """
    variance = np.diagonal(prior.components(), axis1=1, axis2=2).mean(axis=1)
    null_sd = float(np.sqrt(np.diagonal(prior.null_covariance).mean()))
    return MixturePrior(weight=prior.weight, scale=np.concatenate([[null_sd], np.sqrt(variance[1:])]))


def top_effects(effects: MultiDfEffects, posterior: MultiDfPosterior) -> tuple[Effects, Posterior]:
    """Each gene's most certain row as its effect, with the test and the lfdr of all rows together.

    What tables and figures of single effects show of a question of several rows.
    """
    gene = np.arange(len(effects.gene))
    row = posterior.top_row
    single = Effects(
        gene=effects.gene,
        estimate=effects.estimate[gene, row],
        se=np.sqrt(np.einsum("grr->gr", effects.covariance)[gene, row]),
        df=effects.df,
        base_mean=effects.base_mean,
        contrast=effects.contrast,
        up_label=UP,
        down_label=DOWN,
        engine=effects.engine,
        scalars=effects.scalars,
        p_value=effects.p_value,
        status=effects.status,
        hidden=effects.hidden,
        failed=effects.failed,
    )
    names = ("mean", "sd", "lower", "upper", "lower_changed", "upper_changed", "lfsr", "prob_up", "prob_down")
    known = Posterior(
        gene=effects.gene,
        lfdr=posterior.lfdr,
        interval=posterior.interval,
        threshold=posterior.threshold,
        **{name: getattr(posterior, name)[gene, row] for name in names},
    )
    return single, known


def signals(posterior: MultiDfPosterior, level: float) -> TextArray:
    """Which rows carry a gene's signal, in words: those whose lfsr is below a level, with their signs, (G,)."""
    found = posterior.lfsr < level
    signed = np.where(posterior.mean > 0, 1, -1)
    words = {
        (r, sign): f"{name} {'up' if sign > 0 else 'down'}" for r, name in enumerate(posterior.row) for sign in (1, -1)
    }
    return text_array(
        "; ".join(words[int(r), int(signs[r])] for r in np.flatnonzero(rows))
        for rows, signs in zip(found, signed, strict=True)
    )


def curve_values(effect: FloatArray, covariance: FloatArray, curve: Curve) -> tuple[FloatArray, FloatArray]:
    """A gene's curves and their standard deviations at the curve's points, log2, (G, J) each.

    Parameters
    ----------
    effect, covariance
        Rows of the curve's contrast, (G, R) and (G, R, R).
    curve
        Where and of which rows.
    """
    variance = np.einsum("jr,grs,js->gj", curve.weight, covariance, curve.weight)
    return effect @ curve.weight.T, np.sqrt(np.maximum(variance, 0.0))
