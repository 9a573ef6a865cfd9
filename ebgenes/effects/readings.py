"""What engines read off likelihoods on grids, and precisions of coefficients' priors in their units."""

from __future__ import annotations

import numpy as np

from ebgenes.arrays import FloatArray
from ebgenes.numerics.grid import summarise
from ebgenes.numerics.jit import map_blocks, read_only
from ebgenes.records.design import Design

LOG2 = np.log(2)


def precision_of(design: Design) -> FloatArray | None:
    """Precisions of the coefficients' priors, natural log, (G, P) or (1, P), or None."""
    return None if design.prior_sd is None else (LOG2 * design.prior_sd) ** -2.0


def summaries(grid: FloatArray, loglik: FloatArray, far: float) -> FloatArray:
    """Estimate, standard error, degrees of freedom and p-value of likelihoods on grids, (G, 4).

    Parameters
    ----------
    grid, loglik
        (G, T).
    far
        Standard deviation of the normal weight under which the p-value's tails are integrated.
    """
    out = np.empty((len(grid), 4))
    wide = np.array([0.0, 1.0]), np.array([0.0, far]), np.array([1])
    grid, loglik = read_only(grid), read_only(loglik)
    map_blocks(lambda block: summarise(grid[block], loglik[block], *wide, out[block]), len(grid))
    return out
