"""Estimates in several conditions and a prior -> what is known of each gene."""

from __future__ import annotations

from typing import Any

import numpy as np

from ebgenes.analyses.conditions.estimates import Estimates, checked, loglik_rows
from ebgenes.arrays import FloatArray
from ebgenes.errors import InputError
from ebgenes.numerics.jit import map_blocks, read_only
from ebgenes.numerics.multivariate import normal_posterior
from ebgenes.records.posterior import MultivariatePosterior
from ebgenes.records.prior import MultivariatePrior


def multivariate_posterior(prior: MultivariatePrior, estimates: Any, covariances: Any) -> MultivariatePosterior:
    """Partial pooling over genes and conditions: each gene's posterior under the prior all genes share.

    Parameters
    ----------
    prior
        Fitted or given, for R conditions.
    estimates, covariances
        As `fit_multivariate` takes them. In a condition without an estimate the posterior is what the other
        conditions and the prior say of it.

    Raises
    ------
    InputError
        For estimates and covariances that do not fit each other or the prior.

    Notes
    -----
    ``lfsr`` and ``lfdr`` are of each gene and condition; a component without variance in a condition counts as no
    effect there. Source: Urbut, Wang, Carbonetto and Stephens (2019), Nat. Genet. 51, 187.
    """
    known, _ = checked(estimates, covariances, None)
    if known.estimate.shape[1] != len(prior.condition):
        raise InputError(
            f"the prior is of {len(prior.condition)} conditions and the estimates of {known.estimate.shape[1]}."
        )
    known = known.widened(prior.null_covariance)
    used = np.flatnonzero(prior.weight > 0)
    components, log_weight = prior.components()[used], np.log(prior.weight[used])
    parts = map_blocks(lambda genes: _moments(known, components, log_weight, genes), len(known.estimate))
    share, mean, second, down, up, zero = (np.concatenate(each) for each in zip(*parts, strict=True))
    pattern_of = prior.pattern_of[used]
    return MultivariatePosterior(
        condition=prior.condition,
        mean=mean,
        sd=np.sqrt(np.maximum(second - mean**2, 0)),
        lfsr=np.minimum(zero + np.minimum(up, down), 1.0),
        lfdr=np.minimum(zero, 1.0),
        prob_up=up,
        prob_down=down,
        lfdr_all=share[:, pattern_of < 0].sum(axis=1),
        pattern_share=np.column_stack(
            [share[:, pattern_of == pattern].sum(axis=1) for pattern in range(len(prior.pattern))]
        ),
    )


def _moments(known: Estimates, components: FloatArray, log_weight: FloatArray, genes: slice) -> tuple[FloatArray, ...]:
    """Shares of the components (B, K), and the five sums of `normal_posterior`, (B, R)."""
    share = loglik_rows(known, components, genes) + log_weight
    share -= share.max(axis=1, keepdims=True)
    np.exp(share, out=share)
    share /= share.sum(axis=1, keepdims=True)
    estimate, covariance = known.block(genes)
    sums = [np.zeros(estimate.shape) for _ in range(5)]
    normal_posterior(estimate, covariance, read_only(components), share, *sums)
    return share, *sums
