"""Engine ``likelihood``: negative-binomial likelihoods of the contrast, dispersions integrated out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

import numpy as np

from ebgenes.arrays import FloatArray, TextArray, text_array
from ebgenes.data.normalization import base_mean, given_sizes
from ebgenes.effects.dispersion_trend import fit_dispersion_trend
from ebgenes.effects.dispersions import DispersionPrior, DispersionProfiles, dispersion_scalars, profile_dispersions
from ebgenes.effects.engines.likelihood import ENGINE as LIKELIHOOD
from ebgenes.effects.failed import without_failed
from ebgenes.effects.group_dispersions import told_of_groups
from ebgenes.effects.moderated_t import effects_by_t
from ebgenes.effects.negative_binomial import FAR, LOG2, effect_likelihood, precision_of, route_for, summaries
from ebgenes.effects.outliers import bound_outliers, genes_with_outliers
from ebgenes.effects.tails import moderate_bounded, told_of_tails
from ebgenes.records.counts import Counts
from ebgenes.records.design import Contrast, Design
from ebgenes.records.effects import Effects, HiddenFactors, ResidualAxes

if TYPE_CHECKING:
    from ebgenes.effects.ready import Ready


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Common:
    """What all genes tell together, from which each gene's effect follows alone.

    Attributes
    ----------
    counts
        Normalized, outliers bounded where that was asked for, (G, S).
    base_mean
        Of the counts before that, (G,).
    design
        With hidden factors and priors of their loadings.
    profiles, prior
        Of the dispersions.
    status
        ``ok`` or ``outlier``, (G,).
    hidden
        The factors, or None.
    residuals
        How what is left varies.
    tails
        Whether counts have tails that the likelihood does not; see `told_of_tails`.
    """

    counts: Counts
    base_mean: FloatArray
    design: Design
    profiles: DispersionProfiles
    prior: DispersionPrior
    status: TextArray
    hidden: HiddenFactors | None = None
    residuals: ResidualAxes | None = None
    dispersion_ratio: float | None = None
    """How many times as much the second of two groups varies as the first, where that is far from 1."""

    tails: dict[str, float] = field(default_factory=dict)


def learn_common(ready: Ready, *, tails: str, outliers: str, trend: str = "auto", count_tails: str = "auto") -> Common:
    """The dispersions' hyperprior and each gene's part in it, of what `made_ready` returns."""
    counts, design = ready.counts, ready.design
    mean = base_mean(counts)
    counts, status, profiles, prior = dispersions(counts, design.matrix, precision_of(design), tails, outliers, trend)
    n_hidden = 0 if ready.hidden is None else ready.hidden.score.shape[1]
    groups = told_of_groups(ready.counts, design, n_hidden, prior)
    return Common(
        dispersion_ratio=groups.get("dispersion_ratio"),
        counts=counts,
        base_mean=mean,
        design=design,
        profiles=profiles,
        prior=prior,
        status=status,
        hidden=ready.hidden,
        residuals=ready.residuals,
        tails=told_of_tails(counts, design, prior, count_tails),
    )


def effects_of(common: Common, genes: slice = slice(None)) -> Effects:
    """Effects whose likelihoods stand on a grid, log2, (G, 49); of some genes to the same bits as among all.

    Estimate, standard error, df and p-value are read off the same likelihood: its peak; the t with its
    curvature and its drop three widths from the peak; the smaller tail beside 0, twice.

    Where counts have tails that no negative binomial has, likelihoods are those of `moderate_bounded`, without a grid.
    """
    if common.tails.get("bounded"):
        return _bounded_effects(common, genes)
    design, prior = common.design, common.prior
    contrast = cast(Contrast, design.contrast)
    residual_df = design.matrix.shape[0] - design.matrix.shape[1]
    # What a nat means for an effect per unit of a covariate is up to its units; over the range of the
    # data it is a fold change like any other, and there nodes and tails are placed.
    extent = design.contrast_range
    unit = LOG2 * extent
    route, precision = route_for(residual_df), precision_of(design)
    grid, loglik, converged = effect_likelihood(
        common.counts, design.matrix, extent * contrast.weight, common.profiles, prior, route, precision, genes
    )
    status = common.status[genes].copy()
    status[~converged] = "not_converged"
    summary = summaries(grid, loglik, FAR)
    se = summary[:, 1] / unit
    # Constants of the counts give way to those of a normal error: the peak is as high as se makes it.
    loglik -= (loglik.max(axis=1) + np.log(se * np.sqrt(2 * np.pi)))[:, None]
    return without_failed(
        Effects(
            gene=common.counts.gene[genes],
            estimate=summary[:, 0] / unit,
            se=se,
            df=summary[:, 2],
            p_value=summary[:, 3],
            base_mean=common.base_mean[genes],
            contrast=contrast.name,
            up_label=contrast.up_label,
            down_label=contrast.down_label,
            engine=LIKELIHOOD.name,
            scalars={
                **dispersion_scalars(prior, residual_df),
                "replicates": design.replicates,
                **({} if common.dispersion_ratio is None else {"dispersion_ratio": common.dispersion_ratio}),
                "given_sizes": given_sizes(common.counts),
                **common.tails,
            },
            grid=grid / unit,
            loglik=loglik,
            status=text_array(status),
            hidden=common.hidden,
            residuals=common.residuals,
            unit=extent,
        )
    )


def _bounded_effects(common: Common, genes: slice) -> Effects:
    """Effects by regression with bounded residuals: of all genes, which share variances, and then of some."""
    design = common.design
    weight = cast(Contrast, design.contrast).weight[None]
    whole = effects_by_t(moderate_bounded(common.counts, design, weight), common.counts, design)
    return without_failed(
        replace(
            whole,
            gene=whole.gene[genes],
            estimate=whole.estimate[genes],
            se=whole.se[genes],
            df=whole.df[genes],
            base_mean=common.base_mean[genes],
            p_value=None if whole.p_value is None else whole.p_value[genes],
            status=common.status[genes],
            scalars={**whole.scalars, "given_sizes": given_sizes(common.counts), **common.tails},
            hidden=common.hidden,
            residuals=common.residuals,
        )
    )


def dispersions(
    counts: Counts, design: FloatArray, precision: FloatArray | None, tails: str, outliers: str, trend: str
) -> tuple[Counts, TextArray, DispersionProfiles, DispersionPrior]:
    """What each gene says of its dispersion, and the hyperprior all genes share; counts as bounded, and statuses."""
    profiles = profile_dispersions(counts, design, precision)
    prior = fit_dispersion_trend(counts, profiles, tails=tails, trend=trend)
    status = np.full(len(counts.gene), "ok", dtype=object)
    if outliers == "winsorize":
        counts, far = bound_outliers(counts, design, prior)
        profiles = profile_dispersions(counts, design, precision)
        prior = fit_dispersion_trend(counts, profiles, tails=tails, trend=trend)
    else:
        far = genes_with_outliers(counts, design, prior)
    status[far] = "outlier"
    return counts, status, profiles, prior
