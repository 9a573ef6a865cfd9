"""How far conditions share effects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ebgenes.plots.canvas import composed
from ebgenes.plots.style import FAINT, INK, displayed, set_heading

_MOST_NUMBERS = 12
"""Conditions whose squares have room for numbers."""


def sharing_matrix(told: Mapping[str, Any], what: str, ax: Axes) -> Axes:
    """Of the genes changed in either of two conditions, the share that does the same in both.

    Parameters
    ----------
    told
        multivariate.json, with ``condition`` and ``sharing``.
    what
        ``sign``: the same direction; ``size``: besides, effects within the factor of ``sharing``.
    ax
        Where to draw.

    Returns
    -------
    Axes
        The same axes.
    """
    share = np.array([[np.nan if each is None else each for each in row] for row in told["sharing"][what]], dtype=float)
    names = [displayed(name, 24) for name in told["condition"]]
    n = len(names)
    ax.set_facecolor(FAINT)
    drawn = ax.imshow(np.ma.masked_invalid(share), cmap="cividis", vmin=0, vmax=1)
    ax.set_xticks(range(n), names, size=8.0, rotation=90, parse_math=False)
    ax.set_yticks(range(n), names, size=8.0, parse_math=False)
    ax.tick_params(length=0)
    if n <= _MOST_NUMBERS:
        for i, j in np.ndindex(n, n):
            known = np.isfinite(share[i, j])
            words = f"{100 * share[i, j]:.0f}" if known else "none"
            ax.text(
                j, i, words, ha="center", va="center", size=7.5, color=INK if known and share[i, j] > 0.5 else "white"
            )
    ax.get_figure(root=True).colorbar(drawn, ax=ax, shrink=0.7, format=lambda x, _: f"{100 * x:.0f}%")  # type: ignore[union-attr]
    heading = "Same direction" if what == "sign" else f"Within a factor of {told['sharing']['factor']:g}"
    set_heading(ax, heading, ["share of the genes changed in either of two conditions"])
    return ax


def draw_sharing(sharing: Mapping[str, Any], *, title: str = "") -> Figure:
    """How far conditions share effects as a whole figure; sharing as `sharing_matrix` is told."""
    side = min(3.2 + 0.3 * len(sharing["condition"]), 20.0)
    with composed(1, 2, (2 * side, side), title) as (figure, panels):
        for what, ax in zip(("size", "sign"), panels, strict=True):
            sharing_matrix(sharing, what, ax)
    return figure
