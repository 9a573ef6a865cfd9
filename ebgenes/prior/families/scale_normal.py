"""Normals around 0 of several widths: symmetric shapes with their mode at 0, of any tails."""

from ebgenes.prior.families.family import Family, mixture_density
from ebgenes.prior.families.normals import draw_normal, normal_shape, normal_tail
from ebgenes.prior.families.scales import slab_grid

FAMILY = Family(
    name="scale_normal",
    words="a mixture of normal distributions of several widths centred at zero",
    scales=slab_grid,
    density=mixture_density(normal_shape),
    draw=draw_normal,
    tail=normal_tail,
)
