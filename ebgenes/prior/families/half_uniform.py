"""Uniforms from 0 to several ends on either side: all shapes with their mode at 0."""

from __future__ import annotations

import numpy as np
from scipy import special

from ebgenes.arrays import FloatArray
from ebgenes.numerics import panel_quadrature
from ebgenes.prior.families.family import Family, mixture_density, of_slabs
from ebgenes.prior.families.scales import slab_grid
from ebgenes.records.effects import Effects


def _scales(effects: Effects, min_scale: float) -> FloatArray:
    # A uniform slab ends at its scale, and must hold the largest effect.
    return slab_grid(effects, min_scale, 2.0)


def _shape(x: FloatArray, scale: FloatArray) -> FloatArray:
    size = np.abs(scale)
    return np.asarray(((x * scale >= 0) & (np.abs(x) <= size)) / size)


def _draw(rng: np.random.Generator, scale: FloatArray) -> FloatArray:
    return np.asarray(scale * rng.random(len(scale)))


def _tail(point: FloatArray, error: FloatArray, scale: float) -> FloatArray:
    """Mean of the normal's tail over a uniform from -scale to scale."""
    return np.asarray(error / scale * (_integral((scale - point) / error) - _integral((-scale - point) / error)))


def _integral(x: FloatArray) -> FloatArray:
    """The integral of the standard normal distribution function up to x."""
    return np.asarray(x * special.ndtr(x) + np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi))


FAMILY = Family(
    name="half_uniform",
    words="a mixture of uniform distributions from zero to several widths, on either side",
    scales=_scales,
    density=mixture_density(_shape),
    draw=_draw,
    tail=_tail,
    loglik=of_slabs(panel_quadrature.slab_loglik, panel_quadrature.HALF_UNIFORM),
    posterior=of_slabs(panel_quadrature.slab_posterior, panel_quadrature.HALF_UNIFORM),
    two_sided=True,
    signed=True,
    slow=True,
    slow_with_null_sd=True,
)
