"""Point masses on a grid: any shape (nonparametric maximum likelihood)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ebgenes.arrays import FloatArray
from ebgenes.numerics import panel_quadrature
from ebgenes.prior.families.family import Family
from ebgenes.prior.families.scales import bounded
from ebgenes.records.effects import Effects

POINTS = 300
"""Point masses at most."""


def point_places(effects: Effects, min_scale: float) -> FloatArray:
    """Even places of point masses over the range of the estimates, 0 left out: no closer than a third of min_scale."""
    estimate = effects.estimate[bounded(effects)]
    low, high = min(float(estimate.min(initial=0)), -min_scale), max(float(estimate.max(initial=0)), min_scale)
    step = max((high - low) / (POINTS - 2), min_scale / 3)
    below, above = int(np.ceil(-low / step)), int(np.ceil(high / step))
    return np.asarray(step * np.concatenate([np.arange(-below, 0), np.arange(1, above + 1)]))


def _density(weight: FloatArray, place: FloatArray, x: FloatArray) -> FloatArray:
    """A point mass counts as spread over the distance to its neighbours."""
    every = np.sort(np.append(place, 0.0))
    borders = np.concatenate([[2 * every[0] - every[1]], every, [2 * every[-1] - every[-2]]])
    borders = (borders[1:] + borders[:-1]) / 2
    mass = np.zeros(len(every))
    mass[np.searchsorted(every, place)] = weight
    cell = np.searchsorted(borders, x, side="right") - 1
    inside = (cell >= 0) & (cell < len(every))
    return np.where(inside, (mass / np.diff(borders))[np.clip(cell, 0, len(every) - 1)], 0.0)


def _draw(rng: np.random.Generator, place: FloatArray) -> FloatArray:
    return place


def _loglik(place: FloatArray, *known: Any) -> None:
    *gene, _, out = known
    panel_quadrature.point_loglik(np.concatenate([[0.0], place[1:]]), *gene, out)


def _posterior(weight: FloatArray, place: FloatArray, interval: float, threshold: float, *known: Any) -> None:
    *gene, _, out = known
    panel_quadrature.point_posterior(weight, np.concatenate([[0.0], place[1:]]), interval, threshold, *gene, out)


FAMILY = Family(
    name="npmle",
    words="a distribution without any given shape, on a grid of values",
    scales=point_places,
    density=_density,
    draw=_draw,
    loglik=_loglik,
    posterior=_posterior,
    signed=True,
    slow=True,
    is_shapeless=True,
)
