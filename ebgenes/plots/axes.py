"""Genes, groups, and axes that hold all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ebgenes.arrays import FloatArray
from ebgenes.plots.style import COLOUR, HISTOGRAM, INK, MARKER, SIZE, BoolArray, Range, displayed, number_of_genes
from ebgenes.results.table import in_list, most_certain, rate_words, tested

_MOST_ALONE = 5
_ALONE = 1.5
"""How many genes, of 200 times as many, an axis may leave out for lying so many times as far as the next one."""


def tested_genes(table: pd.DataFrame) -> pd.DataFrame:
    """Rows that hold results, numbered anew."""
    return table[tested(table)].reset_index(drop=True)


def numbers_of(genes: pd.DataFrame, column: str) -> FloatArray:
    """A column as an array, (G,)."""
    return genes[column].to_numpy(dtype=np.float64)


def minus_log10(rate: FloatArray) -> FloatArray:
    """-log10 of rates, infinite for 0."""
    with np.errstate(divide="ignore"):
        # Adding 0 turns the -0 of a rate of 1 into 0, which would otherwise show on the axis.
        return np.asarray(-np.log10(rate) + 0.0)


def groups_of(genes: pd.DataFrame, level: float) -> dict[str, BoolArray]:
    """Which genes are in the list, by direction, (G,) each; every gene is in exactly one group."""
    discoveries = in_list(genes, level)
    effect = numbers_of(genes, "post_mean")
    up, down = discoveries & (effect > 0), discoveries & (effect < 0)
    return {"rest": ~(up | down), "down": down, "up": up}


def named_genes(genes: pd.DataFrame, level: float, label: int) -> pd.DataFrame:
    """The first `label` genes of the list, the most certain."""
    discoveries = genes[in_list(genes, level)]
    return discoveries.iloc[most_certain(discoveries)[: max(label, 0)]]


def level_words(table: pd.DataFrame, level: float) -> str:
    """The list's error rate: "false sign rate 5%"."""
    return f"{rate_words(table)} {100 * level:g}%"


def cap_of(size: FloatArray) -> float:
    """Where an axis of nonnegative values ends.

    The largest finite value, unless a few genes stretch the axis until nothing else can be seen: five times the 99.5%
    quantile is the most it takes, and a few of many genes that lie by themselves, half as far again as the next one,
    are left out. Nothing but infinite values gives 10.
    """
    finite = np.sort(size[np.isfinite(size)])
    if len(finite) == 0:
        return 10.0 if np.isposinf(size).any() else 1.0
    end = min(float(finite[-1]), 5 * float(np.quantile(finite, 0.995)))
    top = finite[-1 - min(_MOST_ALONE, len(finite) // 200) :]
    gaps = np.flatnonzero(top[1:] > _ALONE * top[:-1])
    return max(min(end, float(top[gaps[0]])) if len(gaps) else end, 1e-3)


def sides(value: FloatArray) -> Range:
    """Ends of a signed axis; the emptier side gets at least a quarter of the other."""
    cap = cap_of(np.abs(value))
    finite = np.clip(value[~np.isnan(value)], -cap, cap)
    low = min(float(finite.min(initial=0)), -cap / 4)
    high = max(float(finite.max(initial=0)), cap / 4)
    return low, high


def padded(ends: Range, share: float = 0.04) -> Range:
    """Ends with a margin at either side."""
    margin = share * (ends[1] - ends[0])
    return ends[0] - margin, ends[1] + margin


def log_range(value: FloatArray) -> Range:
    """Ends of a logarithmic axis: the positive values, and never less than a factor of four."""
    positive = value[np.isfinite(value) & (value > 0)]
    if len(positive) == 0:
        return 0.5, 2.0
    low, high = float(positive.min()), float(positive.max())
    middle = np.sqrt(low) * np.sqrt(high)
    return min(low, middle / 2), max(high, middle * 2)


def log_axis(ax: Axes, ends: Range) -> None:
    """A logarithmic x axis with plain numbers."""
    ax.set_xscale("log")
    factor = (ends[1] / ends[0]) ** 0.03
    ax.set_xlim(ends[0] / factor, ends[1] * factor)
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if ends[1] / ends[0] < 200 else (1,)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())


def draw_points(ax: Axes, x: FloatArray, y: FloatArray, **looks: Any) -> None:
    """Draw points as pixels in any format."""
    # Rasterized: 20,000 vector markers make an SVG of megabytes. One Line2D draws far faster than a scatter.
    ax.plot(x, y, linestyle="none", markeredgewidth=0, rasterized=True, **looks)


def _open_marker(group: str, x: FloatArray) -> list[tuple[str, BoolArray]]:
    """Open triangles for genes at the edge; those out of the list point to their side."""
    if group in ("up", "down"):
        return [(MARKER[group], np.ones(len(x), dtype=bool))]
    return [(">", x >= 0), ("<", x < 0)]


def draw_cloud(ax: Axes, x: FloatArray, y: FloatArray, groups: dict[str, BoolArray], ends: tuple[Range, Range]) -> int:
    """Draw every gene that has coordinates; return how many lie beyond the ends and sit there."""
    at_x, at_y = np.clip(x, *ends[0]), np.clip(y, *ends[1])
    beyond = (at_x != x) | (at_y != y)
    drawable = ~(np.isnan(x) | np.isnan(y))
    for order, (group, members) in enumerate(groups.items(), start=2):
        colour, size = COLOUR[group], SIZE[group]
        inside = members & drawable & ~beyond
        looks = {"color": colour, "alpha": 0.45 if group == "rest" else 0.75, "label": f"_{group}"}
        if inside.any():
            draw_points(ax, at_x[inside], at_y[inside], marker=MARKER[group], markersize=size, zorder=order, **looks)
        edge = members & drawable & beyond
        for marker, side in _open_marker(group, x[edge]):
            if side.any():
                here: dict[str, Any] = {
                    "marker": marker,
                    "markersize": 5.5,
                    "color": colour,
                    "zorder": 5,
                    "clip_on": False,
                }
                ax.plot(
                    at_x[edge][side], at_y[edge][side], linestyle="none", fillstyle="none", rasterized=True,
                    markeredgewidth=0.9, label=f"_{group} beyond", **here,
                )  # fmt: skip
    return int((beyond & drawable).sum())


def _key(group: str, size: float = 5.0) -> Line2D:
    colour = COLOUR[group]
    size = 3.0 if group == "rest" else size
    return Line2D([], [], linestyle="none", marker=MARKER[group], markersize=size, color=colour, markeredgewidth=0)


def group_entries(
    groups: dict[str, BoolArray], up_label: str, down_label: str, n_beyond: int
) -> list[tuple[Artist, str]]:
    """Legend entries of the groups, with how many genes each has."""
    words = {"up": displayed(up_label, 40), "down": displayed(down_label, 40), "rest": "not in the list"}
    entries: list[tuple[Artist, str]] = [
        (_key(group), f"{int(groups[group].sum()):,} {words[group]}") for group in ("up", "down", "rest")
    ]
    if n_beyond:
        edge = Line2D([], [], linestyle="none", marker="^", markersize=5.5, fillstyle="none", color=INK)
        entries.append((edge, f"{number_of_genes(n_beyond)} beyond the axis"))
    return entries


def counts_title(groups: dict[str, BoolArray], up_label: str, down_label: str, rate: str) -> str:
    """What was found, as a heading; `rate` as `level_words` has it."""
    n_up, n_down = int(groups["up"].sum()), int(groups["down"].sum())
    if sum(len(members) for members in groups.values()) == 0:
        return "No tested genes"
    if n_up + n_down == 0:
        return f"No gene in the list ({rate})"
    return f"{n_up:,} {displayed(up_label, 40)}, {n_down:,} {displayed(down_label, 40)} ({rate})"


def draw_histogram(ax: Axes, value: FloatArray, edges: FloatArray, weight: float, label: str) -> FloatArray:
    """Draw a histogram whose heights are counts times a weight; returns the heights."""
    height, _ = np.histogram(value, edges)
    height = height * weight
    ax.stairs(height, edges, fill=True, facecolor=HISTOGRAM, edgecolor="white", linewidth=0.4, label=label)
    return np.asarray(height)


def middle_of(size: FloatArray) -> float:
    """Where a histogram of signed values ends: just past 99.5% of them."""
    finite = size[np.isfinite(size)]
    if len(finite) == 0:
        return 1.0
    return max(min(float(finite.max()), 1.5 * float(np.quantile(finite, 0.995))), 1e-3)


def genes_axis(ax: Axes) -> None:
    """A y axis that counts genes from 0."""
    ax.set_ylabel("genes")
    ax.set_ylim(0, max(ax.dataLim.y1, 1.0) * 1.05)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.4g}"))
