"""Where the components of a family are put."""

from __future__ import annotations

import numpy as np

from ebgenes.arrays import FloatArray
from ebgenes.records.effects import Effects


def slab_grid(effects: Effects, min_scale: float, times: float = 1.0) -> FloatArray:
    """Geometric grid of slab scales, ratio sqrt 2, ending at the largest effect beyond its error, or so many times it.

    No gene is more probable under a normal slab that is wider than its effect, and where a likelihood is flat to one
    side nothing but the widest slab bounds the effect.
    """
    excess = (effects.estimate**2 - effects.se**2)[bounded(effects)]
    largest = max(times * np.sqrt(max(float(excess.max(initial=0)), 0.0)), 2 * min_scale)
    n_scales = int(np.ceil(2 * np.log2(largest / min_scale)))
    return np.append(min_scale * 2 ** (np.arange(n_scales) / 2), largest)


def bounded(effects: Effects) -> slice | FloatArray:
    """Genes with a largest effect: a likelihood that is flat to one side knows none."""
    if effects.loglik is None:
        return slice(None)
    ends = effects.loglik[:, [0, -1]].max(axis=1)
    return np.asarray(ends < effects.loglik.max(axis=1) - 2)
