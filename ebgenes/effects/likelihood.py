"""Engine ``likelihood``: negative-binomial likelihoods of the contrast, dispersions integrated out."""

from __future__ import annotations

import numpy as np

from ebgenes.counts import base_mean
from ebgenes.kernels.grid import summarise
from ebgenes.kernels.jit import map_blocks
from ebgenes.model import Contrast, Counts, Design, Effects, text_array
from ebgenes.negative_binomial import (
    FAR,
    effect_likelihood,
    fit_dispersion_prior,
    profile_dispersions,
    route_for,
)
from ebgenes.outliers import bound_outliers

LOG2 = np.log(2)


def fit_likelihood(counts: Counts, design: Design, contrast: Contrast, *, tails: str, outliers: str) -> Effects:
    """Effects whose likelihoods stand on a grid, log2, (G, 49).

    Estimate, standard error, df and p-value are read off the same likelihood: its peak; the t with its
    curvature and its drop three widths from the peak; the smaller tail beside 0, twice.
    """
    residual_df = design.matrix.shape[0] - design.matrix.shape[1]
    profiles = profile_dispersions(counts, design.matrix)
    prior = fit_dispersion_prior(counts, profiles, tails=tails)
    status = np.full(len(counts.gene), "ok", dtype=object)
    if outliers == "winsorize":
        counts, bounded = bound_outliers(counts, design.matrix, prior)
        status[bounded] = "outlier"
        profiles = profile_dispersions(counts, design.matrix)
        prior = fit_dispersion_prior(counts, profiles, tails=tails)
    grid, loglik, converged = effect_likelihood(
        counts, design.matrix, contrast.weight, profiles, prior, route_for(residual_df)
    )
    status[~converged] = "not_converged"
    summary = np.empty((len(grid), 4))

    def work(block: slice) -> None:
        summarise(grid[block], loglik[block], FAR, summary[block])

    map_blocks(work, len(grid))
    return Effects(
        gene=counts.gene,
        estimate=summary[:, 0] / LOG2,
        se=summary[:, 1] / LOG2,
        df=summary[:, 2],
        p_value=summary[:, 3],
        base_mean=base_mean(counts),
        contrast=contrast.name,
        up=contrast.up,
        down=contrast.down,
        engine="likelihood",
        scalars={
            "residual_df": float(residual_df),
            "dispersion_floor": prior.floor,
            "dispersion_slope": prior.slope,
            "dispersion_spread": prior.spread,
        },
        grid=grid / LOG2,
        loglik=loglik,
        status=text_array(status),
    )
