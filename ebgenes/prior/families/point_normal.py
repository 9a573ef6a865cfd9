"""One normal around 0, whose width is fitted."""

from ebgenes.prior.families.family import Family, mixture_density
from ebgenes.prior.families.normals import draw_normal, normal_shape, normal_tail
from ebgenes.prior.families.scales import slab_grid

FAMILY = Family(
    name="point_normal",
    words="one normal distribution centred at zero",
    scales=slab_grid,
    density=mixture_density(normal_shape),
    draw=draw_normal,
    tail=normal_tail,
    single=True,
)
