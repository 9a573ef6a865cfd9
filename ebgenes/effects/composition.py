"""Size factors that unchanged genes agree with, where many genes change in one direction.

Size factors take the typical gene for unchanged. Where a third of the genes are raised the typical gene is not, and
every unchanged gene seems lowered by the same factor. Moving the size factors of the groups moves every effect by one
constant, and no likelihood changes its shape: so effects are measured from where the unchanged genes lie.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ebgenes.arrays import FloatArray
from ebgenes.effects.center import Center, find_center
from ebgenes.effects.negative_binomial import FAR, summaries
from ebgenes.errors import InputError
from ebgenes.records.counts import Counts
from ebgenes.records.effects import Effects

COMPOSITION = ("auto", "none")


def require_composition(composition: str) -> None:
    """Refuse an unknown choice.

    Raises
    ------
    InputError
        For any but those of `COMPOSITION`.
    """
    if composition not in COMPOSITION:
        raise InputError(f"unknown composition {composition!r}; choose one of {', '.join(COMPOSITION)}.")


def measured_from_unchanged(effects: Effects) -> Effects:
    """The effects, measured from where unchanged genes lie as far as that is known and sizes were not given.

    Parameters
    ----------
    effects
        Of all genes, (G,), log2, with a likelihood of their own each (engine ``likelihood`` or ``moderated_t``).

    Notes
    -----
    ``scalars`` tell ``size_shift``, by how much effects were moved (log2), ``size_shift_se``, what remains uncertain of
    it, which all genes share, and the share of the genes that lie there; where few genes tell, ``size_shift_prior`` is
    the standard deviation of its prior. Slabs are half-normals, whose weights on both sides are fitted apart, so that
    effects of one direction do not draw the null after them.
    """
    if effects.scalars.get("given_sizes"):
        return effects
    found = find_center(effects)
    told = told_of(found)
    effects = replace(effects, scalars={**effects.scalars, **told})
    shift = told["size_shift"]
    if shift == 0:
        return effects
    estimate = effects.estimate - shift
    if effects.grid is None or effects.loglik is None:
        return replace(effects, estimate=estimate)
    # Imported here: other engines need none of its kernels.

    grid = effects.grid - shift
    unit = np.log(2) * effects.told_unit
    p_value = summaries(grid * unit, effects.loglik, FAR)[:, 3]
    return replace(effects, estimate=estimate, grid=grid, p_value=p_value)


def told_of(center: Center) -> dict[str, float]:
    """What `Effects.scalars` say of it."""
    shift, se = center.of_sizes()
    told = {"size_shift": shift, "size_shift_se": se, "size_shift_share": center.share}
    return told if center.known or shift == 0 else {**told, "size_shift_prior": center.prior_sd}


def with_moved_sizes(counts: Counts, design: FloatArray, rows: FloatArray, shift: FloatArray) -> Counts:
    """Counts whose size factors make the effects of some rows smaller by a shift each, and no fit any worse.

    Parameters
    ----------
    counts
        Normalized, (G, S).
    design
        (S, P).
    rows
        Contrasts of the coefficients, (R, P).
    shift
        Log2, (R,).
    """
    if counts.log_size is None:
        raise ValueError("counts are not normalized")
    return replace(counts, log_size=counts.log_size + np.log(2) * design @ np.linalg.pinv(rows) @ shift)
