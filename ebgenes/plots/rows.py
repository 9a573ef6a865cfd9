"""Several effects of one gene: along time or dose, or row by row."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import special

from ebgenes.analyses.multi_df import curve_values
from ebgenes.arrays import FloatArray
from ebgenes.plots.canvas import composed
from ebgenes.plots.style import COLOUR, FAINT, INK, SMALL, displayed, gene_labels
from ebgenes.records.design import Curve
from ebgenes.records.effects import MultiDfEffects
from ebgenes.records.posterior import MultiDfPosterior
from ebgenes.results.table import tested

SERIES_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's, for the curves of a panel in turn."""


def gene_rows(effects: MultiDfEffects, posterior: MultiDfPosterior, gene: int, ax: Axes, *, title: str = "") -> Axes:
    """One gene's rows before (hollow or dashed) and after pooling (with intervals).

    Where the rows lie along time or dose they are a curve, measured from its first value; else a point each.

    Parameters
    ----------
    effects, posterior
        The same genes and rows.
    gene
        Which gene, by its place.
    ax
        Axes to draw on.
    title
        Of the panel.
    """
    ax.axhline(0, color=FAINT, linewidth=0.8, zorder=0)
    wide = float(special.ndtri(0.5 + posterior.interval / 2))
    curve = effects.curve
    if curve is None:
        place = np.arange(len(effects.row), dtype=float)
        _intervals(ax, place, posterior.mean[gene], posterior.lower[gene], posterior.upper[gene], COLOUR["every"])
        ax.plot(place, effects.estimate[gene], "o", markerfacecolor="none", color=INK, markersize=5)
        ax.set_xticks(place, [displayed(row, 14) for row in effects.row], rotation=30, ha="right", size=SMALL)
        ax.set_xlim(-0.5, len(place) - 0.5)
    else:
        own = (curve.weight @ effects.estimate[gene]).ravel()
        middle, sd = (each[0] for each in curve_values(posterior.mean[[gene]], posterior.covariance[[gene]], curve))
        _draw_curve(ax, curve, own, middle, wide * sd)
        ax.set_xlabel(displayed(curve.column, 30), size=SMALL, parse_math=False)
    ax.set_ylabel("effect, log2", size=SMALL)
    ax.set_title(displayed(title, 26), loc="left", color=INK, parse_math=False)
    return ax


def _draw_curve(ax: Axes, curve: Curve, own: FloatArray, middle: FloatArray, half: FloatArray) -> None:
    names = list(dict.fromkeys(curve.series))
    low, high = middle - half, middle + half
    for i, name in enumerate(names):
        colour = SERIES_COLOURS[i % len(SERIES_COLOURS)]
        part = curve.series == name
        x = curve.x[part]
        if curve.dense:
            ax.fill_between(x, low[part], high[part], color=colour, alpha=0.2, linewidth=0)
            ax.plot(x, own[part], "--", color=INK, linewidth=0.9)
        else:
            _intervals(ax, x, middle[part], low[part], high[part], colour)
            ax.plot(x, own[part], "o", markerfacecolor="none", color=INK, markersize=5)
        ax.plot(x, middle[part], color=colour, linewidth=1.6, label=displayed(name, 18) or None)
    if any(names):
        ax.legend(fontsize=SMALL - 1, frameon=False, handlelength=1.2)


def _intervals(ax: Axes, x: FloatArray, middle: FloatArray, low: FloatArray, high: FloatArray, colour: str) -> None:
    ax.vlines(x, low, high, color=colour, linewidth=1.4)
    ax.plot(x, middle, "o", color=colour, markersize=4)


def draw_rows(
    table: pd.DataFrame, effects: MultiDfEffects, posterior: MultiDfPosterior, *, genes: int = 12, title: str = ""
) -> Figure:
    """Several effects of the most certain genes, a panel each, as a whole figure.

    Parameters
    ----------
    table
        As `ebgenes.results.table.multi_df_table` makes it, for the genes' names.
    effects, posterior
        As in `ebgenes.plots.rows.gene_rows`.
    genes
        Panels at most.
    """
    judged = table[tested(table)]
    name = dict(zip(judged["gene_id"], gene_labels(judged), strict=True))
    size = np.abs(posterior.mean[np.arange(len(posterior.gene)), posterior.top_row])
    chosen = np.lexsort((-size, posterior.lfdr))[:genes]
    n_columns = min(4, max(len(chosen), 1))
    n_rows = max(1, -(-len(chosen) // n_columns))
    with composed(n_rows, n_columns, (3.1 * n_columns, 2.5 * n_rows), title) as (figure, panels):
        for ax in panels[len(chosen) :]:
            ax.set_axis_off()
        for ax, gene in zip(panels, chosen, strict=False):
            gene_rows(effects, posterior, int(gene), ax, title=name[effects.gene[gene]])
    return figure
