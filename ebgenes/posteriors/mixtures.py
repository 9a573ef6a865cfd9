"""Posteriors under several priors -> the posterior of their mixture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.special import ndtr, ndtri, ndtri_exp

from ebgenes.arrays import FloatArray
from ebgenes.records.posterior import Posterior

HALVINGS = 9
"""Of the range between the parts' own ends, in which the mixture's lies; a straight line does the rest."""

LEAST = 1e-300


def mixture_of(parts: Sequence[tuple[float, Posterior]], mode: float = 0.0) -> Posterior:
    """The mixture of posteriors with given shares, which sum to 1.

    Parameters
    ----------
    parts
        Share and posterior of each, of the same genes, interval and threshold.
    mode
        Where the null is, log2.

    Notes
    -----
    Means, variances and probabilities are averages, lfsr that of the sign that is more probable over all. Intervals
    end where the mixture's distribution has its tails: of each part that is known at its own ends and at the mode, and
    between them its normal score is taken for straight.
    """
    if len(parts) == 1:
        return parts[0][1]
    first = parts[0][1]

    def mean(name: str) -> FloatArray:
        return np.asarray(sum(share * getattr(part, name) for share, part in parts))

    center, lfdr = mean("mean"), mean("lfdr")
    square = sum(share * (part.sd**2 + (part.mean - center) ** 2) for share, part in parts)
    # P(sign wrong | changed) is the smaller side's probability; where priors differ on the side, the other's counts.
    positive = np.asarray(sum(share * _positive(part) for share, part in parts))
    wrong = np.maximum(np.minimum(positive, 1 - lfdr - positive), 0.0)
    lower, lower_changed = _ends(parts, mode, 1)
    upper, upper_changed = _ends(parts, mode, -1)
    return replace(
        first,
        mean=center,
        sd=np.sqrt(square),
        lower=mode + lower,
        upper=mode - upper,
        lower_changed=mode + lower_changed,
        upper_changed=mode - upper_changed,
        lfdr=lfdr,
        lfsr=np.minimum(lfdr + wrong, 1.0),
        prob_up=mean("prob_up"),
        prob_down=mean("prob_down"),
    )


def _positive(part: Posterior) -> FloatArray:
    """P(changed and effect > mode), (G,); lfsr says how much lies on the less probable side."""
    # Beyond a threshold both may be 0.
    up = np.where(part.prob_up == part.prob_down, part.mean > 0, part.prob_up > part.prob_down)
    return np.where(up, 1 - part.lfsr, part.lfsr - part.lfdr)


def _ends(parts: Sequence[tuple[float, Posterior]], mode: float, side: int) -> tuple[FloatArray, FloatArray]:
    """Lower ends of the mixture's interval, and given that the gene is changed, (G,); of the mirror for side -1."""
    tail = (1 - parts[0][1].interval) / 2
    curves, shares, nulls, ends, changed = [], [], [], [], []
    for share, part in parts:
        names = ("lower", "upper") if side > 0 else ("upper", "lower")
        low, high = (side * (getattr(part, name) - mode) for name in names)
        low_changed, high_changed = (side * (getattr(part, f"{name}_changed") - mode) for name in names)
        positive = _positive(part)
        negative = np.maximum(1 - part.lfdr - positive, 0.0)
        below, above = (negative, positive) if side > 0 else (positive, negative)
        curves.append(_curve(low, high, low_changed, high_changed, below, above, part.lfdr, tail))
        shares.append(share)
        nulls.append(part.lfdr)
        ends.append(low)
        changed.append(low_changed)
    weight, null = np.array(shares)[:, None], np.array(nulls)
    real = weight * (1 - null)
    whole = real.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        given = _quantile(curves, real / whole, np.zeros_like(null), tail, np.array(changed))
    given[~(whole > LEAST)] = np.nan
    return _quantile(curves, real, weight * null, tail, np.array(ends)), given


def _curve(
    low: FloatArray, high: FloatArray, low_changed: FloatArray, high_changed: FloatArray, below: FloatArray,
    above: FloatArray, null: FloatArray, tail: float,
) -> tuple[FloatArray, FloatArray]:  # fmt: skip
    """Points at which the distribution given that the gene is changed is known, ascending, and its normal scores there.

    Both are (G, 5).
    """
    real = np.maximum(below + above, LEAST)
    at_zero = np.where(
        below < above,
        ndtri_exp(np.log(np.maximum(below / real, LEAST))),
        -ndtri_exp(np.log(np.maximum(above / real, LEAST))),
    )
    score = ndtri(tail)
    point = np.column_stack([low_changed, high_changed, np.zeros(len(low)), low, high])
    level = np.column_stack([np.full(len(low), score), np.full(len(low), -score), at_zero, at_zero, at_zero])
    # An end at 0 tells nothing beyond what is known there.
    for column, side in ((3, 1), (4, -1)):
        end = point[:, column]
        # Mass on the end's own side, of the changed.
        mass = np.where(side * end < 0, tail, tail - null) / real
        known = (end != 0) & (mass > LEAST) & (mass < 1)
        level[known, column] = side * ndtri(mass[known])
        point[~known, column] = 0.0
    order = np.argsort(point, axis=1, kind="stable")
    point = np.take_along_axis(point, order, axis=1)
    return point, np.maximum.accumulate(np.take_along_axis(level, order, axis=1), axis=1)


def _changed_below(curve: tuple[FloatArray, FloatArray], at: FloatArray) -> FloatArray:
    """P(effect <= at | changed), (G,)."""
    point, score = curve
    rows = np.arange(len(at))
    first = np.clip((point <= at[:, None]).sum(axis=1) - 1, 0, point.shape[1] - 2)
    width = point[rows, first + 1] - point[rows, first]
    reach = point[:, -1] - point[:, 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.where(
            width > 1e-9 * reach,
            (score[rows, first + 1] - score[rows, first]) / width,
            (score[:, -1] - score[:, 0]) / reach,
        )
        return np.asarray(ndtr(score[rows, first] + slope * (at - point[rows, first])))


def _quantile(
    curves: Sequence[tuple[FloatArray, FloatArray]], real: FloatArray, null: FloatArray, tail: float, ends: FloatArray
) -> FloatArray:
    """Where sum_p real_p F_p(t) + null_p 1[t >= 0] reaches a tail, (G,), between the parts' own, `ends` (P, G)."""
    low, high = ends.min(axis=0), ends.max(axis=0)
    atom = null.sum(axis=0)

    def below(at: FloatArray) -> FloatArray:
        return np.asarray(sum(share * _changed_below(curve, at) for share, curve in zip(real, curves, strict=True)))

    zero = below(np.zeros(len(low)))
    spans = (low <= 0) & (high >= 0) & (zero <= tail) & (zero + atom >= tail)
    less, more = np.zeros(len(low)), np.ones(len(low))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        mass = below(middle) + np.where(middle >= 0, atom, 0.0)
        reached = mass >= tail
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
        less, more = np.where(reached, less, mass), np.where(reached, mass, more)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.nan_to_num((tail - less) / (more - less), nan=0.5)
    return np.where(spans, 0.0, low + np.clip(share, 0.0, 1.0) * (high - low))
