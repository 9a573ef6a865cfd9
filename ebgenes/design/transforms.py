"""Functions a formula may call beside formulaic's own."""

from __future__ import annotations

from typing import Any

import numpy as np
from formulaic.materializers.types import FactorValues
from formulaic.utils.stateful_transforms import stateful_transform

from ebgenes.arrays import FloatArray

MOST_ED50 = 5
"""Curves of a grid at most."""


def _emax(x: Any, ed50: Any = None, hill: float = 1.0, _state: dict[str, Any] | None = None) -> Any:
    """``x^h / (ed50^h + x^h)``: what a dose does that half saturates at ed50.

    The coefficient is the effect at a dose without end, log2.

    Parameters
    ----------
    x
        Doses or times, >= 0, (S,).
    ed50
        Where half the effect is reached, > 0; a list makes a column each, which only `all_of` tells together. None:
        a grid of up to 3 between the lowest and the highest positive dose, even in their logarithms.
    hill
        Steepness h, > 0.

    Returns
    -------
    array
        Values from 0 to 1, (S,) or (S, number of ed50).

    Notes
    -----
    Source: Bretz, Pinheiro and Branson (2005), Biometrics 61, 738 (candidate shapes of dose-response curves).
    """
    state = {} if _state is None else _state
    dose = np.asarray(x, dtype=float)
    if not (dose >= 0).all():
        raise ValueError(f"emax takes doses >= 0; the smallest is {dose.min():g}")
    if "ed50" not in state:
        state["ed50"] = _grid(dose) if ed50 is None else [float(each) for each in np.atleast_1d(ed50)]
    grid = np.array(state["ed50"])
    if not (np.isfinite(grid) & (grid > 0)).all() or not np.isfinite(hill) or not hill > 0:
        raise ValueError("emax needs ed50 and hill above 0")
    if len(grid) > MOST_ED50:
        raise ValueError(f"emax takes up to {MOST_ED50} values of ed50; found {len(grid)}")
    # As a logistic of log dose, so that no power overflows.
    with np.errstate(divide="ignore", over="ignore"):
        values = 1 / (1 + np.exp(-hill * (np.log(dose)[:, None] - np.log(grid))))
    if ed50 is not None and np.ndim(ed50) == 0:
        return values[:, 0]
    return FactorValues(values, column_names=tuple(f"{each:g}" for each in grid))


emax = stateful_transform(_emax)
"""`_emax` as formulas call it: what a sheet's doses choose is kept for the contrast's."""


def _grid(dose: FloatArray) -> list[float]:
    """Places between the positive doses, no more than the doses can tell apart."""
    positive = np.unique(dose[dose > 0])
    n_places = min(3, len(np.unique(dose)) - 1)
    if n_places < 1 or len(positive) < 1:
        raise ValueError("emax needs at least two different doses, or an ed50")
    low, high = np.log(positive[0]), np.log(positive[-1])
    return [float(each) for each in np.exp(low + (high - low) * (np.arange(n_places) + 0.5) / n_places)]
