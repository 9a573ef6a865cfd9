"""One Laplace distribution around 0, whose width is fitted."""

from __future__ import annotations

import numpy as np

from ebgenes.arrays import FloatArray
from ebgenes.numerics import panel_quadrature
from ebgenes.prior.families.family import Family, mixture_density, of_slabs
from ebgenes.prior.families.scales import slab_grid


def _shape(x: FloatArray, scale: FloatArray) -> FloatArray:
    size = np.abs(scale)
    return np.asarray(np.exp(-np.abs(x) / size) / (2 * size))


def _draw(rng: np.random.Generator, scale: FloatArray) -> FloatArray:
    return np.asarray(scale * rng.laplace(size=len(scale)))


FAMILY = Family(
    name="point_laplace",
    words="one Laplace distribution centred at zero",
    scales=slab_grid,
    density=mixture_density(_shape),
    draw=_draw,
    loglik=of_slabs(panel_quadrature.slab_loglik, panel_quadrature.LAPLACE),
    posterior=of_slabs(panel_quadrature.slab_posterior, panel_quadrature.LAPLACE),
    single=True,
    slow_with_null_sd=True,
)
