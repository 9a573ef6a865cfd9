"""Whether the null fits."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ebgenes.model import FloatArray
from ebgenes.plots.axes import draw_cloud, draw_histogram, genes_axis, numbers_of, padded, sides, tested_genes
from ebgenes.plots.style import (
    COLOUR,
    FAINT,
    HISTOGRAM,
    INK,
    absent_note,
    add_legend,
    beyond_note,
    number_of_genes,
    set_heading,
)


def p_histogram(table: pd.DataFrame, ax: Axes) -> Axes:
    """Histogram of the p-values and the flat part that unchanged genes would make.

    The flat level is that of the p-values above one half, Storey's estimate of pi0.

    Parameters
    ----------
    table, ax
        As in `volcano`.

    Returns
    -------
    Axes
        The same axes.
    """
    p_value = numbers_of(tested_genes(table), "p_value")
    p_value = p_value[~np.isnan(p_value)]
    edges = np.linspace(0, 1, 41)
    draw_histogram(ax, p_value, edges, 1, "_p_value")
    flat = 2 * float((p_value > 0.5).sum()) / 40
    line = ax.axhline(flat, color=COLOUR["up"], linewidth=1.2, linestyle=(0, (4, 3)))
    share = min(flat * 40 / max(len(p_value), 1), 1.0)
    ax.set_xlim(0, 1)
    genes_axis(ax)
    ax.set_xlabel("p-value, before any pooling")
    entries: list[tuple[Artist, str]] = [
        (Patch(facecolor=HISTOGRAM), f"{number_of_genes(len(p_value))} tested"),
        (line, f"level of p > 0.5, as if {share:.0%} of genes were unchanged"),
    ]
    add_legend(ax, entries)
    set_heading(ax, "p-values", ["flat with a peak at 0 is healthy; other shapes mean a poor error model"])
    return ax


def _null_band(n: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Expected normal order statistics and their pointwise 95% band, at up to 200 ranks."""
    from scipy import special

    rank = np.unique(np.rint(np.geomspace(1, (n + 1) / 2, 100))).astype(float)
    rank = np.unique(np.concatenate([rank, n + 1 - rank]))
    low, high = (special.ndtri(special.betaincinv(rank, n + 1 - rank, tail)) for tail in (0.025, 0.975))
    return np.asarray(special.ndtri((rank - 0.5) / n)), np.asarray(low), np.asarray(high)


def null_qq(table: pd.DataFrame, ax: Axes) -> Axes:
    """Quantiles of the signed z scores against those of N(0, 1).

    z has the sign of log2_fc and the two-sided p-value of the gene.

    Parameters
    ----------
    table, ax
        As in `volcano`.

    Returns
    -------
    Axes
        The same axes.
    """
    from scipy import special

    genes = tested_genes(table)
    z = -np.sign(numbers_of(genes, "log2_fc")) * special.ndtri(numbers_of(genes, "p_value") / 2)
    n_absent = int(np.isnan(z).sum())
    z = np.sort(z[~np.isnan(z)])
    ax.axline((0, 0), slope=1, color=INK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=3)
    n_beyond, reach = 0, 3.0
    if len(z):
        expected = np.asarray(special.ndtri((np.arange(len(z)) + 0.5) / len(z)))
        reach = max(reach, 1.05 * float(np.abs(expected).max()))
        at, low, high = _null_band(len(z))
        ax.fill_between(at, low, high, color=FAINT, alpha=0.6, linewidth=0, zorder=1)
        ends = (-reach, reach), sides(z)
        ax.set_ylim(padded((min(ends[1][0], -reach), max(ends[1][1], reach))))
        n_beyond = draw_cloud(ax, expected, z, {"every": np.ones(len(z), dtype=bool)}, ends)
    ax.set_xlim(-reach, reach)
    ax.set_xlabel("expected if every gene were unchanged")
    ax.set_ylabel("signed z score of the p-value")
    entries: list[tuple[Artist, str]] = [
        (Line2D([], [], color=INK, linewidth=0.8, linestyle=(0, (4, 3))), "every gene unchanged: N(0, 1)"),
        (Patch(facecolor=FAINT), "95% range of each, if genes were independent"),
    ]
    add_legend(ax, entries)
    notes = [beyond_note(n_beyond), absent_note(n_absent, "a p-value")]
    shape = "a middle steeper than the line means errors larger than assumed"
    set_heading(ax, "z scores against their null", [*notes, shape])
    return ax
