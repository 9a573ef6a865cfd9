"""What a family of shapes of the real effects has to tell of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ebgenes.arrays import FloatArray
from ebgenes.records.effects import Effects

Density = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]
Draw = Callable[[np.random.Generator, FloatArray], FloatArray]
Tail = Callable[[FloatArray, FloatArray, float], FloatArray]
Kernel = Callable[..., None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A family of shapes of the real effects: components at several scales, of which `prior.fit` finds the weights.

    Attributes
    ----------
    name
        As the config and prior.json have it.
    words
        What the page says of its components.
    scales
        Scales of the slabs, (K,), from effects and the smallest scale wanted.
    density
        Density of components with weights (K,) and scales (K,) at effects (n,), summed, (n,).
    draw
        One effect from a component of each scale, (G,).
    tail
        P(|estimate| > point), (G,), of estimates with normal errors (G,) under the component of one scale; None where a
        prior of this family cannot be stored.
    loglik, posterior
        What fills log likelihoods (G, K), or posteriors (G, 10), of a block of genes, from what
        `prior.likelihoods.gene_likelihoods` tells of them; None where components are normals around 0, for which
        there are quicker ways.
    single
        There is one slab, whose scale is fitted.
    two_sided
        Slabs lie to one side of 0, and every scale has one on either side.
    signed
        Scales may be below 0.
    slow, slow_with_null_sd
        Likelihoods take long, always or beside a drift of the null.
    is_shapeless
        Components stand in for any drift of the null, which is not sought.
    """

    name: str
    words: str
    scales: Callable[[Effects, float], FloatArray]
    density: Density
    draw: Draw
    tail: Tail | None = None
    loglik: Kernel | None = None
    posterior: Kernel | None = None
    single: bool = False
    two_sided: bool = False
    signed: bool = False
    slow: bool = False
    slow_with_null_sd: bool = False
    is_shapeless: bool = False

    @property
    def is_normal(self) -> bool:
        """Whether components are normals around 0."""
        return self.loglik is None


def mixture_density(shape: Callable[[FloatArray, FloatArray], FloatArray]) -> Density:
    """The density of a mixture, from that of a component of scale (K,) at effects (n, 1), (n, K)."""

    def density(weight: FloatArray, scale: FloatArray, x: FloatArray) -> FloatArray:
        keep = (weight > 0) & (scale != 0)
        with np.errstate(over="ignore", under="ignore"):
            return np.asarray((shape(x[:, None], scale[keep]) * weight[keep]).sum(axis=1))

    return density


def of_slabs(kernel: Kernel, code: int) -> Kernel:
    """A compiled loop over slabs of one kind."""

    def fill(*known: Any) -> None:
        kernel(code, *known)

    return fill
