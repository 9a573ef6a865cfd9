"""Volcano and MA plot."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ebgenes.arrays import FloatArray
from ebgenes.plots.axes import (
    cap_of,
    counts_title,
    draw_cloud,
    group_entries,
    groups_of,
    level_words,
    log_axis,
    log_range,
    minus_log10,
    named_genes,
    numbers_of,
    padded,
    sides,
    tested_genes,
)
from ebgenes.plots.canvas import composed
from ebgenes.plots.labels import label_genes
from ebgenes.plots.style import (
    FAINT,
    INK,
    BoolArray,
    Range,
    absent_note,
    add_legend,
    beyond_note,
    directions,
    gene_labels,
    require_one_of,
)
from ebgenes.results.table import is_multi_df

_X_AXES = {"post_mean": "posterior mean of the log2 fold change", "log2_fc": "log2 fold change (no pooling)"}
_Y_AXES = {"lfdr": "\N{MINUS SIGN}log10 local false discovery rate", "p_value": "\N{MINUS SIGN}log10 p-value"}


def _labelled_cloud(
    ax: Axes,
    genes: pd.DataFrame,
    coordinates: tuple[FloatArray, FloatArray],
    ends: tuple[Range, Range],
    label: int,
    level: float,
    title: str,
    notes: list[str],
) -> None:
    cloud = np.column_stack([np.clip(value, *end) for value, end in zip(coordinates, ends, strict=True)])
    chosen = named_genes(genes, level, label)
    chosen = chosen[np.asarray(~np.isnan(cloud[chosen.index]).any(axis=1), dtype=bool)]
    label_genes(ax, cloud[chosen.index], gene_labels(chosen), cloud, title, notes)


def _list_boundary(genes: pd.DataFrame, groups: dict[str, BoolArray]) -> float | None:
    """The largest lfdr of a list by lfdr; None where the list is by signs, or its end cannot be drawn."""
    if not is_multi_df(genes):
        return None
    discoveries = ~groups["rest"]
    largest = float(numbers_of(genes, "lfdr")[discoveries].max(initial=0.0))
    return largest if largest > 0 else None


def volcano(
    table: pd.DataFrame,
    ax: Axes,
    *,
    x: str = "post_mean",
    y: str = "lfdr",
    level: float = 0.05,
    label: int = 20,
    up_label: str = "higher",
    down_label: str = "lower",
) -> Axes:
    """Effect against certainty, one point for each tested gene.

    Labels are placed for the present size of the axes: call it after the axes have got theirs.

    Parameters
    ----------
    table
        A result table; genes that were not fitted are not drawn.
    ax
        Where to draw.
    x
        ``post_mean`` (partial pooling) or ``log2_fc`` (no pooling).
    y
        ``lfdr`` or ``p_value``, drawn as -log10.
    level
        Of the list (`ebgenes.results.table.in_list`).
    label
        How many genes of the list to name, the most certain first (`ebgenes.results.table.most_certain`).
    up_label, down_label
        What a positive and a negative effect mean, in words.

    Returns
    -------
    Axes
        The same axes.

    Raises
    ------
    InputError
        If `x` or `y` is not one of the columns above.
    """
    require_one_of("x", x, tuple(_X_AXES))
    require_one_of("y", y, tuple(_Y_AXES))
    genes = tested_genes(table)
    groups = groups_of(genes, level)
    effect, certainty = numbers_of(genes, x), minus_log10(numbers_of(genes, y))
    ends = sides(effect), (0.0, max(cap_of(certainty), 1.0))
    ax.set_xlim(padded(ends[0]))
    # Room above the highest genes, which are those with labels.
    ax.set_ylim(-0.02 * ends[1][1], 1.1 * ends[1][1])
    ax.axvline(0, color=FAINT, linewidth=0.6, zorder=1)
    n_beyond = draw_cloud(ax, effect, certainty, groups, ends)
    entries = group_entries(groups, up_label, down_label, n_beyond)
    boundary = _list_boundary(genes, groups) if y == "lfdr" else None
    if boundary is not None and -np.log10(boundary) <= ends[1][1]:
        line = ax.axhline(-np.log10(boundary), color=INK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1.5)
        entries.append((line, f"end of the list (lfdr {boundary:.2g})"))
    ax.set_xlabel(f"{_X_AXES[x]}\n{directions(up_label, down_label)}", parse_math=False)
    ax.set_ylabel(_Y_AXES[y])
    add_legend(ax, entries, lines_below=2)
    notes = [beyond_note(n_beyond), absent_note(int(np.isnan(effect + certainty).sum()), f"{x} or {y}")]
    title = counts_title(groups, up_label, down_label, level_words(genes, level))
    _labelled_cloud(ax, genes, (effect, certainty), ends, label, level, title, notes)
    return ax


def ma(
    table: pd.DataFrame,
    ax: Axes,
    *,
    level: float = 0.05,
    label: int = 20,
    up_label: str = "higher",
    down_label: str = "lower",
) -> Axes:
    """Posterior mean of the effect against the mean of normalized counts.

    Parameters
    ----------
    table, ax, level, label, up_label, down_label
        As in `volcano`.

    Returns
    -------
    Axes
        The same axes.
    """
    genes = tested_genes(table)
    groups = groups_of(genes, level)
    mean, effect = numbers_of(genes, "base_mean"), numbers_of(genes, "post_mean")
    ends = log_range(mean), sides(effect)
    log_axis(ax, ends[0])
    ax.set_ylim(padded(ends[1]))
    ax.axhline(0, color=FAINT, linewidth=0.6, zorder=1)
    n_beyond = draw_cloud(ax, mean, effect, groups, ends)
    ax.set_xlabel("mean of normalized counts")
    ax.set_ylabel(f"{_X_AXES['post_mean']}\n{directions(up_label, down_label)}", parse_math=False)
    add_legend(ax, group_entries(groups, up_label, down_label, n_beyond))
    notes = [beyond_note(n_beyond), absent_note(int(np.isnan(mean + effect).sum()), "a mean count")]
    title = counts_title(groups, up_label, down_label, level_words(genes, level))
    _labelled_cloud(ax, genes, (mean, effect), ends, label, level, title, notes)
    return ax


def draw_volcano(table: pd.DataFrame, *, title: str = "", **asked: Any) -> Figure:
    """The volcano as a whole figure; asked as `volcano` takes it."""
    with composed(1, 1, None, title) as (figure, panels):
        volcano(table, panels[0], **asked)
    return figure


def draw_ma(table: pd.DataFrame, *, title: str = "", **asked: Any) -> Figure:
    """The MA plot as a whole figure; asked as `ma` takes it."""
    with composed(1, 1, None, title) as (figure, panels):
        ma(table, panels[0], **asked)
    return figure
