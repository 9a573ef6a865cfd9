"""What more samples would buy."""

from __future__ import annotations

from typing import Any, cast

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ebgenes.plots.style import COLOUR, FAINT, STYLE, set_heading

PANELS = {
    "discoveries": ("Genes listed", "expected length of the list"),
    "found": ("Changed genes found", "share of all changed genes that are listed"),
    "beyond": ("Larger effects found", "share of genes with effects beyond the size asked for that are listed"),
    "width": ("Intervals", "mean width of the 95% intervals of listed genes, log2"),
}
"""Columns of a table of further studies that are drawn, with their headings."""


def more_samples(table: pd.DataFrame, what: str, ax: Axes) -> Axes:
    """One column of a table of further studies with its band, over the number of samples.

    Parameters
    ----------
    table
        As `ebgenes.results.outlook.outlook_table` makes it.
    what
        A column of `PANELS`.
    ax
        Where to draw.

    Returns
    -------
    Axes
        The same axes.
    """
    heading, note = PANELS[what]
    ordered = table.sort_values("replicates")
    x = ordered["replicates"].to_numpy(dtype=float)
    low, high = (ordered[f"{what}_{end}"].to_numpy(dtype=float) for end in ("low", "high"))
    if len(x) == 1:
        ax.vlines(x, low, high, color=FAINT, linewidth=3)
    ax.fill_between(x, low, high, color=FAINT, alpha=0.5, linewidth=0)
    ax.plot(x, ordered[what], color=COLOUR["every"], marker="o", markersize=3)
    ax.set_ylim(bottom=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("samples in either group")
    set_heading(ax, heading, [note])
    return ax


def draw_outlook(table: pd.DataFrame) -> Figure:
    """All of `PANELS` as a whole figure."""
    with mpl.rc_context(cast(Any, STYLE)):
        figure = Figure(figsize=(10.0, 7.4), dpi=150, layout="constrained")
        panels = figure.subplots(2, 2)
        # The first layout gives the panels their width, to which text is wrapped.
        figure.draw_without_rendering()
        for what, ax in zip(PANELS, panels.flat, strict=True):
            more_samples(table, what, ax)
    return figure
