"""Shapes of the real effects."""

from __future__ import annotations

import numpy as np

from ebgenes.arrays import FloatArray
from ebgenes.records.prior import MixturePrior


def slab_density(prior: MixturePrior, effect: FloatArray) -> FloatArray:
    """Density of the real effects times their share of the genes, (n,), at effects (n,), log2.

    A point mass counts as spread over the distance to its neighbours.
    """
    weight, scale = prior.weight[1:], prior.scale[1:]
    x = (effect - prior.mode)[:, None]
    if prior.family == "npmle":
        return _point_density(weight, scale, x[:, 0])
    keep = (weight > 0) & (scale != 0)
    weight, scale = weight[keep], scale[keep]
    size = np.abs(scale)
    with np.errstate(over="ignore", under="ignore"):
        if prior.family == "point_laplace":
            density = np.exp(-np.abs(x) / size) / (2 * size)
        elif prior.family == "half_uniform":
            density = ((x * scale >= 0) & (np.abs(x) <= size)) / size
        else:
            density = np.exp(-0.5 * (x / size) ** 2) / (size * np.sqrt(2 * np.pi))
            if prior.family == "half_normal":
                density = 2 * density * (x * scale >= 0)
    return np.asarray((density * weight).sum(axis=1))


def _point_density(weight: FloatArray, place: FloatArray, x: FloatArray) -> FloatArray:
    every = np.sort(np.append(place, 0.0))
    borders = np.concatenate([[2 * every[0] - every[1]], every, [2 * every[-1] - every[-2]]])
    borders = (borders[1:] + borders[:-1]) / 2
    mass = np.zeros(len(every))
    mass[np.searchsorted(every, place)] = weight
    cell = np.searchsorted(borders, x, side="right") - 1
    inside = (cell >= 0) & (cell < len(every))
    return np.where(inside, (mass / np.diff(borders))[np.clip(cell, 0, len(every) - 1)], 0.0)
