"""What a multivariate fit amounts to, in numbers and in plain words."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from ebgenes.analyses.conditions.sharing import FACTOR, sharing, sharing_sentence
from ebgenes.arrays import FloatArray
from ebgenes.records.posterior import MultivariatePosterior
from ebgenes.records.prior import MultivariateFit, MultivariatePrior


def plain(prior: MultivariatePrior) -> dict[str, Any]:
    """The prior as plain values, from which `ebgenes.results.storage.read_multivariate_prior` makes the same bits."""
    return {each.name: getattr(prior, each.name).tolist() for each in fields(prior)}


def summarize_multivariate(
    fit: MultivariateFit, posterior: MultivariatePosterior, correlation: FloatArray, estimate: FloatArray, level: float
) -> dict[str, Any]:
    """What ``multivariate.json`` says: the fit, its certificate, and how far conditions share effects.

    correlation (R, R) is that of the errors, estimate (G, R) has NaN where a gene was not tested.
    """
    found = sharing(posterior, level)
    weights = zip(fit.prior.pattern, fit.prior.pattern_weight, strict=True)
    return {
        "condition": fit.prior.condition.tolist(),
        "n_genes": len(posterior.mean),
        "n_tested": (~np.isnan(estimate)).sum(axis=0).tolist(),
        "pi0": fit.prior.pi0,
        "pattern_weight": {name: float(weight) for name, weight in weights},
        "loglik": float(fit.loglik[-1]),
        "certificate": fit.certificate,
        "converged": fit.converged,
        "solver": fit.solver,
        "iterations": len(fit.loglik),
        "error_correlation": correlation.tolist(),
        "level": level,
        "changed": (posterior.lfsr < level).sum(axis=0).tolist(),
        "sharing": {
            "factor": FACTOR,
            "n_genes": found.n_genes.tolist(),
            "sign": _known(found.sign),
            "size": _known(found.size),
        },
        "words": sharing_sentence(posterior, found, level),
        "prior": plain(fit.prior),
    }


def _known(shares: FloatArray) -> list[list[float | None]]:
    return [[None if np.isnan(each) else float(each) for each in row] for row in shares]
