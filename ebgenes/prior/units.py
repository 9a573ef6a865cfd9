"""Fits and draws of effects in any unit, by way of log2 over the range of the data.

Nothing that a fit compares with a number, however small, is then in a unit of its own.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ebgenes.records.effects import Effects
from ebgenes.records.prior import EmFit, GibbsDraws


def as_fold_changes(effects: Effects) -> Effects:
    """The effects as log2 over the range of the data; those of unknown unit so that their errors are as usual."""
    times = effects.usual_unit
    grid = None if effects.grid is None else times * effects.grid
    loglik = None if effects.loglik is None else effects.loglik - np.log(times)
    hidden = effects.hidden
    if hidden is not None:
        error = times * hidden.confounding_se
        hidden = replace(hidden, confounding=times * hidden.confounding, confounding_se=error)
    scalars = effects.scalars
    if "size_shift_se" in scalars:
        scalars = {**scalars, "size_shift_se": times * effects.size_sd}
    return replace(
        effects,
        scalars=scalars,
        estimate=times * effects.estimate,
        se=times * effects.se,
        grid=grid,
        loglik=loglik,
        hidden=hidden,
        unit=1.0,
    )


def multiplied(fit: EmFit, times: float, unit: float, n_genes: int) -> EmFit:
    """The fit to effects that are so many times as large, and whose unit is given, of as many genes."""
    # A density falls as its argument is spread out.
    rise = -n_genes * np.log(times)
    prior = fit.prior.multiplied(times, unit)
    if prior.nulls is not None:
        prior = replace(prior, nulls=replace(prior.nulls, evidence=prior.nulls.evidence + rise))
    known = fit.null_sd_prior
    fixed, without = (
        None if each is None else multiplied(each, times, unit, n_genes)
        for each in (fit.fixed_null, fit.without_covariates)
    )
    return replace(
        fit,
        prior=prior,
        loglik=fit.loglik + rise,
        fixed_null=fixed,
        null_sd_prior=None if known is None else replace(known, draw=times * known.draw),
        without_covariates=without,
        stored=None if fit.stored is None else fit.stored.multiplied(times, unit),
    )


def multiplied_draws(draws: GibbsDraws, times: float, unit: float, n_genes: int) -> GibbsDraws:
    """Draws of the population of effects that are so many times as large, and whose unit is given."""
    null_sd, scale = times * draws.null_sd, times * draws.scale
    # Of these draws to the last bit, as a reader of them would have it.
    mean = np.concatenate([[null_sd.mean()], scale.mean(axis=0)])
    return replace(
        draws,
        null_sd=null_sd,
        scale=scale,
        loglik=draws.loglik - n_genes * np.log(times),
        prior=replace(draws.prior.multiplied(times, unit), scale=mean),
    )
