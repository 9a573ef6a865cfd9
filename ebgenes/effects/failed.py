"""Genes whose fit failed leave their place to those that have a result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from ebgenes.arrays import BoolArray, FloatArray, TextArray
from ebgenes.records.effects import Effects, Failed, MultiDfEffects

Some = TypeVar("Some", Effects, MultiDfEffects)

FLAT = 2.0
"""Nats that a likelihood falls at most, over all its nodes, where the counts say nothing of the effect. A read to be
explained away makes it fall by a nat for each nat of effect; what is left where there is none is rounding."""

ARRAYS = ("gene", "estimate", "se", "covariance", "df", "statistic", "p_value", "base_mean", "grid", "loglik", "status")
"""Of `Effects` and `MultiDfEffects`, those that have a row for every gene."""


def without_failed(effects: Some) -> Some:
    """The effects of the genes that have one, (G,), and the others in `failed`.

    A fit has failed where a maximum was not found or a number is not finite (``not_converged``), and where the
    likelihood is flat to both sides (``no_information``): both sides of the comparison are zeros, or what they hold is
    up to other coefficients. One that is flat to one side, of a group of zeros beside a group of counts, has not.
    """
    lost = ~_finite(effects) | (effects.status == "not_converged")
    status = np.where(lost, "not_converged", "ok").astype(object)
    if isinstance(effects, Effects) and effects.loglik is not None:
        flat = ~lost & _flat(effects.loglik)
        status[flat] = "no_information"
    place = np.flatnonzero(status != "ok")
    if not len(place):
        return effects
    failed = Failed(
        gene=effects.gene[place], base_mean=effects.base_mean[place], status=status[place], place=place
    )  # fmt: skip
    return replace(_of(effects, status == "ok"), failed=failed)


def _finite(effects: Effects | MultiDfEffects) -> BoolArray:
    """Whether all of a gene's numbers are numbers, (G,)."""
    if isinstance(effects, MultiDfEffects):
        fine = np.isfinite(effects.estimate).all(axis=1) & np.isfinite(effects.covariance).all(axis=(1, 2))
        return np.asarray(fine & np.isfinite(effects.statistic) & np.isfinite(effects.p_value) & (effects.df > 0))
    fine = np.isfinite(effects.estimate) & np.isfinite(effects.se) & (effects.se > 0) & (effects.df > 0)
    if effects.p_value is not None:
        fine &= np.isfinite(effects.p_value)
    if effects.grid is not None and effects.loglik is not None:
        fine &= np.isfinite(effects.grid).all(axis=1) & np.isfinite(effects.loglik).all(axis=1)
    return np.asarray(fine)


def _flat(loglik: FloatArray) -> BoolArray:
    return np.asarray(loglik.max(axis=1) - np.minimum(loglik[:, 0], loglik[:, -1]) < FLAT)


def _of(effects: Some, genes: BoolArray) -> Some:
    """The effects of some genes alone."""
    kept: dict[str, Any] = {name: getattr(effects, name, None) for name in ARRAYS}
    return replace(effects, **{name: value[genes] for name, value in kept.items() if value is not None})


def gathered_failed(parts: Sequence[Effects]) -> Failed | None:
    """Those of all chunks, (F,), from chunks in their order."""
    start = 0
    found: list[Failed] = []
    for part in parts:
        failed = part.failed
        if failed is not None:
            found.append(replace(failed, place=failed.place + start))
        start += len(part.gene) + (0 if failed is None else len(failed.gene))
    if not found:
        return None
    names = ("gene", "base_mean", "status", "place")
    return Failed(**{name: np.concatenate([getattr(each, name) for each in found]) for name in names})


def all_statuses(effects: Effects | MultiDfEffects) -> TextArray:
    """Statuses of all genes of the input, with a result or without, in no order."""
    if effects.status is None:
        raise ValueError("effects have statuses")
    return effects.status if effects.failed is None else np.concatenate([effects.status, effects.failed.status])
