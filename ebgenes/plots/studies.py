"""Several studies: the most certain genes in each of them, and what the data say of tau."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ebgenes.plots.axes import tested_genes
from ebgenes.plots.canvas import composed
from ebgenes.plots.style import COLOUR, FAINT, INK, SMALL, add_legend, displayed, set_heading
from ebgenes.results.table import most_certain, tested

_MOST_LINES = 20
MARKS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")


def forest(table: pd.DataFrame, own: pd.DataFrame, studies: Mapping[str, Any], ax: Axes, *, genes: int = 20) -> Axes:
    """The most certain genes in every study, with the common effect.

    Parameters
    ----------
    table
        Result table of the common effects.
    own
        ``studies.tsv``.
    studies
        prior.json's ``studies``.
    ax
        Where to draw.
    genes
        How many genes at most.

    Returns
    -------
    Axes
        The same axes.
    """
    judged = tested_genes(table)
    chosen = judged.iloc[most_certain(judged)[:genes]]
    lines = own.set_index("gene_id").loc[list(chosen["gene_id"])]
    names = list(studies["study"])
    height = 0.64 / (len(names) + 1)
    colours = [FAINT, COLOUR["down"]]
    for i, (gene, told) in enumerate(zip(chosen.to_dict("records"), lines.to_dict("records"), strict=True)):
        if i % 2 == 0:
            ax.axhspan(i - 0.5, i + 0.5, color="#f3f5f7", zorder=0)
        for s, name in enumerate(names):
            y = i - 0.32 + height * (s + 0.5)
            estimate, se, mean = (told[f"{name}.{each}"] for each in ("log2_fc", "se", "post_mean"))
            if not np.isfinite(estimate):
                continue
            ax.plot([estimate - 1.96 * se, estimate + 1.96 * se], [y, y], color=colours[0], linewidth=0.9)
            ax.plot(estimate, y, MARKS[s % len(MARKS)], color=INK, markersize=3.5, markerfacecolor="white")
            ax.plot(mean, y, "|", color=COLOUR["up"], markersize=7, markeredgewidth=1.6)
        y = i - 0.32 + height * (len(names) + 0.5)
        ax.plot([gene["ci_low"], gene["ci_high"]], [y, y], color=colours[1], linewidth=2.2)
        ax.plot(gene["post_mean"], y, "d", color=colours[1], markersize=5)
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set_ylim(max(len(chosen), 1) - 0.5, -0.5)
    labels = [displayed(str(gene["gene_name"]), 18) for gene in chosen.to_dict("records")]
    ax.set_yticks(range(len(labels)), labels, parse_math=False, fontsize=SMALL)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("effect, log2")
    entries: list[tuple[Artist, str]] = [
        (
            Line2D([], [], color=FAINT, marker=MARKS[s % len(MARKS)], markerfacecolor="white", markeredgecolor=INK),
            displayed(name, 24),
        )
        for s, name in enumerate(names)
    ]
    entries += [
        (
            Line2D([], [], color=COLOUR["up"], marker="|", linestyle="none", markeredgewidth=1.6),
            "posterior mean of the study",
        ),
        (Line2D([], [], color=COLOUR["down"], marker="d"), "common effect"),
    ]
    add_legend(ax, entries)
    tau = studies["tau"]
    set_heading(ax, "Genes in every study", [f"bars: 95%; tau {tau['value']:.3g} log2"])
    return ax


def draw_forest(table: pd.DataFrame, own: pd.DataFrame, studies: Mapping[str, Any], *, title: str = "") -> Figure:
    """The most certain genes in every study, as a whole figure."""
    n_genes = min(_MOST_LINES, max(int(tested(table).sum()), 1))
    height = 1.6 + n_genes * (0.12 + 0.1 * len(studies["study"])) + 0.12 * len(studies["study"])
    with composed(1, 1, (7.0, height), title) as (figure, panels):
        forest(table, own, studies, panels[0], genes=_MOST_LINES)
    return figure
