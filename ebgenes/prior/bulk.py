"""Where most genes change and lie around a place of their own, a prior of free shape beside the null."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ebgenes.arrays import FloatArray
from ebgenes.numerics.weights import Weights, best_weights, in_memory
from ebgenes.prior.likelihoods import component_likelihoods
from ebgenes.records.effects import Effects
from ebgenes.records.prior import EmFit, MixturePrior

FEW_NULL = 0.3
"""Share of unchanged genes below which slabs around 0 may have taken them in."""

PINNED = 0.5
"""Standard deviation of the null, in median standard errors, beyond which slabs stay: a null that may be so wide has to
be averaged over, which a free shape, whose masses stand in for any drift, cannot be. With SEQC's mixtures of RNA, 2
against 2, intervals would cover .88 of the true effects in place of .98."""

CLEAR, CLEAR_OF_A_GENE = 50.0, 0.2
"""Gain in log likelihood, and for each gene, from which the free shape is used. Where slabs around 0 fit it gains up to
30 in all, in real studies .006 to .19 a gene, and .23 to 1 where they leave no room for the null."""

LOOK = 2000
"""Genes, evenly taken where there are twice as many, of which a first look asks for half the gain of a gene."""

SLACK = 5.0
"""Log likelihood that smoothness may cost."""

WIDTHS = (0.0, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0)
"""Standard deviations of the normals that a free shape is made of, in steps of its places."""


def may_have_bulk(fit: EmFit, effects: Effects) -> bool:
    """Whether few genes are null under a fit, whose null is known well enough to stand beside a free shape."""
    return fit.prior.pi0 < FEW_NULL and fit.prior.null_sd <= PINNED * float(np.median(effects.se))


def with_bulk(effects: Effects, look: Effects, fit: EmFit, place: FloatArray, solver: str, null_weight: float) -> EmFit:
    """A fit with slabs around 0, or that of a smooth free shape where this is clearly more likely and few are null.

    Slabs around 0 that reach the bulk of the genes have as much room near 0 as a null needs, and none is left for it.
    Point masses on even places follow the bulk where it is, but are spiky, and intervals too short. So they are bound
    to be sums of normals of one width, the widest that costs no more than `SLACK` in log likelihood (in the spirit of
    Laird and Louis 1991, J. Am. Stat. Assoc. 86, 1001).

    Parameters
    ----------
    effects, look
        Measured from the fit's mode; and some of them, about `LOOK`, for a first look.
    fit
        Of family ``scale_normal``, its mode 0.
    place
        Of point masses, log2, even but for 0, which is left out, (K,).
    solver, null_weight
        As in `fit_em`.
    """
    if len(look.gene) < len(effects.gene) and not _looks_likelier(look, fit, place, solver, null_weight):
        return fit
    null_sd = fit.prior.null_sd
    plain = component_likelihoods(effects, fit.prior.family)(fit.prior.scale, None)
    before = _total(plain, fit.prior.weight)
    scale = np.concatenate([[null_sd], place])
    loglik = component_likelihoods(effects, "npmle")(scale, None)
    likelihood, top = _over_largest(loglik)
    step = float(np.median(np.diff(place)))
    best, needed = -np.inf, max(CLEAR, CLEAR_OF_A_GENE * len(loglik))
    found: list[tuple[float, FloatArray, Weights]] = []
    for width in WIDTHS:
        shape = _normals(place, width * step)
        mixed = np.column_stack([likelihood[:, 0], likelihood[:, 1:] @ shape])
        made = best_weights(in_memory(np.log(np.maximum(mixed, 1e-300))), solver, None, null_weight)
        weight = np.concatenate([made.weight[:1], shape @ made.weight[1:]])
        height = _mixed(likelihood, top, weight)
        best = max(best, height)
        found.append((height, weight / weight.sum(), made))
        # Masses that nothing binds come first, and none that are bound are likelier.
        if best - before < needed:
            return fit
    height, weight, made = next(each for each in reversed(found) if each[0] >= best - SLACK)
    gain = height - before
    if gain < needed:
        return fit
    prior = MixturePrior(weight=weight, scale=scale, family="npmle")
    return replace(
        fit,
        prior=prior,
        loglik=np.array([height]),
        certificate=made.certificate,
        converged=made.converged,
        fixed_null=None,
        bulk_gain=gain,
    )


def _looks_likelier(effects: Effects, fit: EmFit, place: FloatArray, solver: str, null_weight: float) -> bool:
    """Whether point masses that nothing binds gain enough among some of the genes for the rest to be worth the time."""
    plain = component_likelihoods(effects, fit.prior.family)(fit.prior.scale, None)
    free = component_likelihoods(effects, "npmle")(np.concatenate([[fit.prior.null_sd], place]), None)
    made = best_weights(in_memory(free), solver, None, null_weight)
    gain = _total(free, made.weight) - _total(plain, fit.prior.weight)
    return gain > 0.5 * CLEAR_OF_A_GENE * len(free)


def _normals(place: FloatArray, width: float) -> FloatArray:
    """Point masses (K,) that stand for normals of one width around some of the places, (K, J), columns adding to 1."""
    if width == 0:
        return np.eye(len(place))
    middle = place[:: max(int(width / np.median(np.diff(place)) / 2), 1)]
    density = np.exp(-0.5 * ((place[:, None] - middle) / width) ** 2)
    return np.asarray(density / density.sum(axis=0))


def _total(loglik: FloatArray, weight: FloatArray) -> float:
    """Log likelihood of all genes, from that under each component, (G, K)."""
    return _mixed(*_over_largest(loglik), weight)


def _over_largest(loglik: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Likelihoods over each gene's largest, (G, K), and the logs of these, (G,)."""
    top = loglik.max(axis=1)
    return np.exp(loglik - top[:, None]), top


def _mixed(likelihood: FloatArray, top: FloatArray, weight: FloatArray) -> float:
    return float((np.log(likelihood @ weight) + top).sum())
