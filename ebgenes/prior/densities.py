"""Shapes of the real effects."""

from __future__ import annotations

from ebgenes.arrays import FloatArray
from ebgenes.prior.families import family_of
from ebgenes.records.prior import MixturePrior


def slab_density(prior: MixturePrior, effect: FloatArray) -> FloatArray:
    """Density of the real effects times their share of the genes, (n,), at effects (n,), log2.

    A point mass counts as spread over the distance to its neighbours.
    """
    return family_of(prior.family).density(prior.weight[1:], prior.scale[1:], effect - prior.mode)
