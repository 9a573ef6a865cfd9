"""Whether the model fits: its null, its dispersions, and its rates where the truth is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray
from scipy import special

from ebgenes.arrays import BoolArray, FloatArray
from ebgenes.effects.dispersions import gene_dispersions
from ebgenes.plots.axes import (
    draw_cloud,
    draw_histogram,
    draw_points,
    genes_axis,
    log_axis,
    log_range,
    numbers_of,
    padded,
    sides,
    tested_genes,
)
from ebgenes.plots.canvas import composed
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
from ebgenes.records.counts import Study
from ebgenes.records.design import Design
from ebgenes.results.table import tested


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


def dispersions(mean: FloatArray, dispersion: FloatArray, trend: Mapping[str, Any] | None, ax: Axes) -> Axes:
    """Each gene's dispersion where its own likelihood peaks, and the distribution that all genes share.

    Parameters
    ----------
    mean, dispersion
        Mean of normalized counts and dispersion, (G,).
    trend
        ``dispersion_floor``, ``dispersion_slope`` and ``dispersion_spread`` of prior.json's ``engine``, and
        ``dispersion_bend`` where it has one; None: no trend.
    ax
        Where to draw.

    Returns
    -------
    Axes
        The same axes.
    """
    ends = log_range(mean)
    log_axis(ax, ends)
    ax.set_yscale("log")
    low, high = log_range(np.clip(dispersion, 1e-5, None))
    ax.set_ylim(low / 1.3, high * 1.3)
    draw_points(ax, mean, np.clip(dispersion, low, high), marker="o", markersize=1.8, color=COLOUR["rest"], alpha=0.4)
    points: Artist = Line2D([], [], linestyle="none", marker="o", markersize=3, color=COLOUR["rest"])
    entries = [(points, "peak of the gene's own likelihood")]
    if trend is not None:
        at = np.geomspace(*ends, 200)
        middle = (trend["dispersion_floor"] + trend["dispersion_slope"] / at) * _bend(trend, at)
        spread = np.exp(trend["dispersion_spread"])
        (line,) = ax.plot(at, middle, color=COLOUR["up"], linewidth=1.8)
        ax.fill_between(at, middle / spread, middle * spread, color=COLOUR["up"], alpha=0.18, linewidth=0)
        entries.append((line, "trend of all genes"))
        band = Patch(facecolor=COLOUR["up"], alpha=0.18)
        entries.append((band, "one standard deviation either side, sampling error apart"))
    ax.set_xlabel("mean of normalized counts")
    ax.set_ylabel("dispersion")
    add_legend(ax, entries)
    n_low = int((dispersion <= 1.05e-5).sum())
    note = f"{number_of_genes(n_low)} vary no more than Poisson counts and lie at the bottom" if n_low else ""
    set_heading(ax, "Dispersions", [note])
    return ax


def _bend(trend: Mapping[str, Any], mean: FloatArray) -> FloatArray:
    """By how much a smooth bend multiplies the trend at mean counts, (G,); 1 where there is none."""
    if "dispersion_bend" not in trend:
        return np.ones_like(mean)
    place, value = np.array(trend["dispersion_bend"]).T
    return np.asarray(np.exp(np.interp(np.log(mean), np.log(place), value)))


def lfdr_calibration(lfdr: FloatArray, null: BoolArray, ax: Axes, *, bins: int = 10) -> Axes:
    """Shares of unchanged genes among those with about the same local false discovery rate.

    Parameters
    ----------
    lfdr
        Local false discovery rates, (G,).
    null
        Which genes are truly unchanged, (G,).
    ax
        Where to draw.
    bins
        Equal steps of lfdr.

    Returns
    -------
    Axes
        The same axes.
    """
    bin_of = np.minimum((lfdr * bins).astype(int), bins - 1)
    size = np.bincount(bin_of, minlength=bins)
    filled = np.flatnonzero(size)
    expected = np.bincount(bin_of, lfdr, bins)[filled] / size[filled]
    found = np.bincount(bin_of, null.astype(float), bins)[filled] / size[filled]
    low, high = _wilson(found, size[filled])
    diagonal = ax.axline((0, 0), slope=1, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
    ax.vlines(expected, low, high, color=COLOUR["down"], linewidth=1.5)
    (points,) = ax.plot(expected, found, "o", color=COLOUR["down"], markersize=5)
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="mean local false discovery rate", ylabel="share truly unchanged")
    add_legend(ax, [(diagonal, "calibrated"), (points, "genes in steps of lfdr, with 95% intervals")])
    set_heading(ax, "Rates against the truth", [f"{number_of_genes(len(lfdr))} with known effects"])
    return ax


def realised_fdp(lfdr: FloatArray, null: BoolArray, ax: Axes, *, most: float = 0.2) -> Axes:
    """The false share of every list against its q-value, where the truth is known.

    Parameters
    ----------
    lfdr, null, ax
        As in `lfdr_calibration`.
    most
        Largest q-value drawn.

    Returns
    -------
    Axes
        The same axes.
    """
    order = np.argsort(lfdr, kind="stable")
    rank = np.arange(1, len(order) + 1)
    nominal = np.cumsum(lfdr[order]) / rank
    realised = np.cumsum(null[order]) / rank
    inside = nominal <= most
    diagonal = ax.axline((0, 0), slope=1, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
    (line,) = ax.plot(nominal[inside], realised[inside], color=COLOUR["down"], linewidth=1.6, drawstyle="steps-post")
    ax.set(xlim=(0, most), ylim=(0, most * 1.5), xlabel="q value", ylabel="false share of the list")
    add_legend(ax, [(diagonal, "as promised"), (line, "this data set")])
    set_heading(ax, "Lists against the truth", [f"{number_of_genes(int(inside.sum()))} in the longest list"])
    return ax


def _wilson(share: FloatArray, size: NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
    """95% intervals of shares (Wilson 1927, J. Am. Stat. Assoc. 22, 209)."""
    z = 1.959963984540054
    middle = (share + z**2 / (2 * size)) / (1 + z**2 / size)
    half = z * np.sqrt(share * (1 - share) / size + z**2 / (4 * size**2)) / (1 + z**2 / size)
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)


def draw_diagnostics(table: pd.DataFrame, *, title: str = "") -> Figure:
    """p-values and z scores, side by side."""
    with composed(1, 2, None, title) as (figure, panels):
        p_histogram(table, panels[0])
        null_qq(table, panels[1])
    return figure


def draw_calibration(table: pd.DataFrame, null: BoolArray, *, title: str = "") -> Figure:
    """Rates and lists against the truth, side by side; null tells which rows of the table are truly unchanged, (G,)."""
    lfdr = table["lfdr"].to_numpy(dtype=float)
    known = tested(table).to_numpy() & ~np.isnan(lfdr)
    with composed(1, 2, None, title) as (figure, panels):
        lfdr_calibration(lfdr[known], null[known], panels[0])
        realised_fdp(lfdr[known], null[known], panels[1])
    return figure


def draw_dispersions(
    mean: FloatArray, dispersion: FloatArray, trend: Mapping[str, float] | None, *, title: str = ""
) -> Figure:
    """Dispersions over means as a whole figure; parameters as in `ebgenes.plots.dispersions`."""
    with composed(1, 1, None, title) as (figure, panels):
        dispersions(mean, dispersion, trend, panels[0])
    return figure


def draw_gene_dispersions(
    study: Study, design: Design, trends: Sequence[Mapping[str, float]], *, title: str = ""
) -> Figure:
    """Each gene's own dispersion under a design, and the first of the trends that contrasts have found."""
    mean = study.screen.base_mean[study.screen.kept]
    return draw_dispersions(mean, gene_dispersions(study.counts, design), trends[0] if trends else None, title=title)
