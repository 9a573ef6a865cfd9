"""Normals around 0: shapes that families share."""

from __future__ import annotations

import numpy as np
from scipy import special

from ebgenes.arrays import FloatArray


def normal_shape(x: FloatArray, scale: FloatArray) -> FloatArray:
    """Density of N(0, scale^2), (n, K)."""
    size = np.abs(scale)
    return np.asarray(np.exp(-0.5 * (x / size) ** 2) / (size * np.sqrt(2 * np.pi)))


def normal_tail(point: FloatArray, error: FloatArray, scale: float) -> FloatArray:
    """P(|estimate| > point) of estimates that are N(0, error^2 + scale^2), (G,)."""
    return np.asarray(2 * special.ndtr(-point / np.hypot(error, scale)))


def draw_normal(rng: np.random.Generator, scale: FloatArray) -> FloatArray:
    """One draw from N(0, scale^2) each, (G,)."""
    return np.asarray(scale * rng.standard_normal(len(scale)))
