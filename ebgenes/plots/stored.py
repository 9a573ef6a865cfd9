"""A stored prior against the study it is applied to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ebgenes.plots.canvas import composed
from ebgenes.plots.style import COLOUR, HISTOGRAM, add_legend, set_heading


def predicted_z(stored: Mapping[str, Any], ax: Axes) -> Axes:
    """Sizes of the z-scores as a stored prior predicts them, as the prior in use does, and as they are.

    Parameters
    ----------
    stored
        prior.json's ``stored``.
    ax
        Where to draw.

    Returns
    -------
    Axes
        The same axes.
    """
    told = stored["z_scores"]
    edges, seen = np.array(told["edges"]), np.array(told["seen"])
    ax.bar(edges[:-1], seen, np.diff(edges), align="edge", color=HISTOGRAM)
    entries: list[tuple[Artist, str]] = [(Patch(facecolor=HISTOGRAM), "this study")]
    kinds = (("up", "solid", "as the stored prior predicts"), ("down", (0, (4, 3)), "as the prior in use predicts"))
    for shares, (colour, style, words) in zip(told["predicted"], kinds, strict=True):
        (line,) = ax.step(
            edges, [*shares, shares[-1]], where="post", color=COLOUR[colour], linestyle=style, linewidth=1.6
        )
        entries.append((line, words))
    ax.set_yscale("log")
    shown = np.concatenate([seen[seen > 0], np.array(told["predicted"]).ravel()])
    ax.set_ylim(max(float(shown.min()) / 2, 1e-5), 2 * float(shown.max()))
    ax.set_xlim(edges[0], edges[-1])
    ax.set_xlabel(f"|log2_fc / se|; the last bar holds all beyond {edges[-2]:g}")
    ax.set_ylabel("share of genes")
    add_legend(ax, entries)
    p_value = stored["conflict"]["p_value"]
    notes = [
        f"p-value of the conflict: {'below 1e-10' if p_value < 1e-10 else f'{p_value:.2g}'}",
        f"the stored prior has {stored['weight']:.0%} of the weight",
    ]
    set_heading(ax, "The stored prior and this study", notes)
    return ax


def draw_stored(stored: Mapping[str, Any], *, title: str = "") -> Figure:
    """A stored prior beside this study, as a whole figure."""
    with composed(1, 1, None, title) as (figure, panels):
        predicted_z(stored, panels[0])
    return figure
