"""Half-normals of several widths on either side of 0, so that up and down may differ."""

from __future__ import annotations

import numpy as np

from ebgenes.arrays import FloatArray
from ebgenes.numerics import panel_quadrature
from ebgenes.prior.families.family import Family, mixture_density, of_slabs
from ebgenes.prior.families.normals import normal_shape, normal_tail
from ebgenes.prior.families.scales import slab_grid


def _shape(x: FloatArray, scale: FloatArray) -> FloatArray:
    return np.asarray(2 * normal_shape(x, scale) * (x * scale >= 0))


def _draw(rng: np.random.Generator, scale: FloatArray) -> FloatArray:
    return np.asarray(scale * np.abs(rng.standard_normal(len(scale))))


FAMILY = Family(
    name="half_normal",
    words="a mixture of half-normal distributions of several widths, on either side of zero",
    scales=slab_grid,
    density=mixture_density(_shape),
    draw=_draw,
    tail=normal_tail,
    loglik=of_slabs(panel_quadrature.slab_loglik, panel_quadrature.HALF_NORMAL),
    posterior=of_slabs(panel_quadrature.slab_posterior, panel_quadrature.HALF_NORMAL),
    two_sided=True,
    signed=True,
    slow=True,
    slow_with_null_sd=True,
)
