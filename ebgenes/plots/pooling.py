"""What pooling does: estimates before and after, the prior, local false discovery rates."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy.fft import irfft, next_fast_len, rfft

from ebgenes.arrays import FloatArray
from ebgenes.plots.axes import (
    draw_histogram,
    genes_axis,
    groups_of,
    level_words,
    log_axis,
    log_range,
    middle_of,
    numbers_of,
    padded,
    tested_genes,
)
from ebgenes.plots.canvas import composed
from ebgenes.plots.style import (
    COLOUR,
    FAINT,
    HISTOGRAM,
    INK,
    BoolArray,
    add_legend,
    directions,
    displayed,
    number_of_genes,
    set_heading,
)
from ebgenes.prior.densities import slab_density
from ebgenes.records.prior import MixturePrior


def _spread(genes: pd.DataFrame, count: int) -> pd.DataFrame:
    """Genes that show the whole range of precision and of signal.

    Equal groups by standard error; from each, genes at quantiles of |log2_fc| / se that favour the
    upper end, where shrinkage is worth a look.
    """
    order = np.argsort(numbers_of(genes, "se"), kind="stable")
    n_bands = max(1, round(count / 5))
    chosen: list[int] = []
    for band, rows in enumerate(np.array_split(order, n_bands)):
        share = (band + 1) * count // n_bands - band * count // n_bands
        signal = np.abs(numbers_of(genes, "log2_fc")[rows]) / numbers_of(genes, "se")[rows]
        ranked = rows[np.argsort(signal, kind="stable")]
        place = np.sqrt(np.linspace(0.1, 0.98, share)) * (len(ranked) - 1)
        chosen += [int(ranked[index]) for index in np.unique(np.rint(place).astype(int)) if len(ranked)]
    return genes.iloc[chosen]


def _arrows(ax: Axes, shown: pd.DataFrame, groups: dict[str, BoolArray]) -> None:
    """From each gene's own estimate (ring) to its posterior mean (head pointing the way it moved)."""
    se, start, end = (numbers_of(shown, column) for column in ("se", "log2_fc", "post_mean"))
    for group, members in groups.items():
        colour = COLOUR[group]
        ax.vlines(se[members], start[members], end[members], color=colour, linewidth=1, zorder=2)
        ring: dict[str, Any] = {
            "marker": "o",
            "markersize": 4.5,
            "markerfacecolor": "white",
            "markeredgecolor": colour,
        }
        ax.plot(se[members], start[members], linestyle="none", zorder=3, label="_no pooling", **ring)
        for marker, moved in (("^", end >= start), ("v", end < start)):
            here = members & moved
            head: dict[str, Any] = {"marker": marker, "markersize": 5, "color": colour, "markeredgewidth": 0}
            ax.plot(se[here], end[here], linestyle="none", zorder=4, label="_partial pooling", **head)


def shrinkage(
    table: pd.DataFrame,
    ax: Axes,
    *,
    genes: int = 40,
    level: float = 0.05,
    up_label: str = "higher",
    down_label: str = "lower",
) -> Axes:
    """No pooling, partial pooling and complete pooling of a few genes, against the standard error.

    Parameters
    ----------
    table, ax, level, up_label, down_label
        As in `volcano`.
    genes
        How many to draw, spread over the ranges of the standard error and of |log2_fc| / se.

    Returns
    -------
    Axes
        The same axes.
    """
    tested = tested_genes(table)
    known = np.isfinite(tested[["se", "log2_fc", "post_mean"]].to_numpy(dtype=float)).all(axis=1)
    known &= numbers_of(tested, "se") > 0
    shown = _spread(cast(pd.DataFrame, tested[known]).reset_index(drop=True), genes)
    groups = groups_of(shown, level)
    log_axis(ax, log_range(numbers_of(shown, "se")))
    both = np.concatenate([numbers_of(shown, "log2_fc"), numbers_of(shown, "post_mean")])
    size = max(float(np.abs(both).max(initial=0)), 1e-3) if len(both) else 1.0
    low, high = min(float(both.min(initial=0)), -size / 4), max(float(both.max(initial=0)), size / 4)
    ax.set_ylim(padded((low, high)))
    ax.axhline(0, color=FAINT, linewidth=0.6, zorder=1)
    _arrows(ax, shown, groups)
    ring = Line2D([], [], linestyle="none", marker="o", markersize=4.5, markerfacecolor="white", color=INK)
    head = Line2D([], [], linestyle="none", marker="v", markersize=5, color=INK, markeredgewidth=0)
    entries: list[tuple[Artist, str]] = [
        (ring, "no pooling: the gene's own estimate (ring)"),
        (head, "partial pooling: posterior mean (head)"),
    ]
    if len(shown):
        pooled = float(numbers_of(shown, "pooled")[0])
        line = ax.axhline(pooled, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=1.5)
        entries.append((line, f"complete pooling: the same for all ({pooled:+.2g})"))
    words = {
        "up": displayed(up_label, 40),
        "down": displayed(down_label, 40),
        "rest": f"not in the list ({level_words(table, level)})",
    }
    entries += [
        (Line2D([], [], color=COLOUR[key], linewidth=2), words[key]) for key in ("up", "down", "rest")
    ]  # fmt: skip
    ax.set_xlabel("standard error of the log2 fold change")
    ax.set_ylabel(f"log2 fold change\n{directions(up_label, down_label)}", parse_math=False)
    add_legend(ax, entries)
    title = "Estimates before and after pooling" if len(shown) else "No tested genes"
    set_heading(ax, title, [f"{len(shown):,} of {len(tested):,} tested genes, spread over precision and signal"])
    return ax


def prior_density(table: pd.DataFrame, prior: MixturePrior, ax: Axes) -> Axes:
    """The genes' own estimates, and how they are distributed if the fitted prior holds.

    Where the curve lies off the histogram the prior does not fit.

    Parameters
    ----------
    table, ax
        As in `volcano`.
    prior
        The fitted prior.

    Returns
    -------
    Axes
        The same axes.
    """
    genes = tested_genes(table)
    effect, se = numbers_of(genes, "log2_fc"), numbers_of(genes, "se")
    end = middle_of(np.abs(effect))
    edges = np.linspace(-end, end, 82)
    weight = 1 / (max(len(effect), 1) * (edges[1] - edges[0]))
    draw_histogram(ax, effect, edges, weight, "_estimates")
    null = f", sd {prior.null_sd:.2g}" if prior.null_sd > 0 else ""
    entries: list[tuple[Artist, str]] = [(Patch(facecolor=HISTOGRAM), "no pooling: the genes' own estimates")]
    known = np.isfinite(se) & (se > 0)
    if known.any():
        x, changed, unchanged = marginal_density(prior, se[known], end)
        looks: dict[str, Any] = {"linestyle": (0, (4, 3)), "linewidth": 1.2, "zorder": 3}
        (whole,) = ax.plot(x, changed + unchanged, color=INK, linewidth=1.6, zorder=4, label="_marginal")
        (up,) = ax.plot(x, changed, color=COLOUR["up"], **looks, label="_changed")
        (down,) = ax.plot(x, unchanged, color=COLOUR["down"], **looks, label="_unchanged")
        entries += [
            (whole, "as the fitted prior and the genes' errors predict them"),
            (up, f"of these, changed genes ({1 - prior.pi0:.1%})"),
            (down, f"of these, unchanged genes (pi0 = {prior.pi0:.1%}{null})"),
        ]
    ax.set(xlim=(-end, end), ylim=(0, 1.05 * max(ax.dataLim.y1, 1e-3)), xlabel="log2 fold change", ylabel="density")
    add_legend(ax, entries)
    n_beyond = int((np.abs(effect) > end).sum())
    note = f"{number_of_genes(len(effect))} tested" + (f", {n_beyond:,} of them beyond the axis" if n_beyond else "")
    set_heading(ax, "Estimates, and what the fitted prior predicts", [note])
    return ax


def marginal_density(prior: MixturePrior, se: FloatArray, end: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Density of estimates under a prior, averaged over genes, if errors are normal and effects do not go by them.

    Parameters
    ----------
    prior
        The fitted prior.
    se
        Standard errors, (G,); at most 400 of their quantiles stand for all.
    end
        Half the width of the axis.

    Returns
    -------
    tuple of FloatArray
        Estimates from -end to end; the parts of the density that changed and unchanged genes make; (n,) each.
    """
    sd: FloatArray = prior.likelihood_scale * np.quantile(se, (np.arange(min(len(se), 400)) + 0.5) / min(len(se), 400))
    n_side = 2000
    step = end / n_side
    # Twice the axis: what lies beyond reaches into it by its errors.
    wide = step * np.arange(-2 * n_side, 2 * n_side + 1, dtype=float)
    # A narrow component falls between the nodes; its mean over each cell does not.
    within = step * (np.arange(8) + 0.5) / 8 - step / 2
    slab = np.mean([slab_density(prior, wide + shift) for shift in within], axis=0)
    middle = slice(n_side, 3 * n_side + 1)
    changed = step * _convolved(slab, _mean_normal(wide, sd))[middle]
    x = wide[middle]
    return x, np.maximum(changed, 0), prior.pi0 * _mean_normal(x - prior.mode, np.hypot(sd, prior.null_sd))


def _convolved(value: FloatArray, kernel: FloatArray) -> FloatArray:
    """The middle of two arrays' convolution, of the same odd length as both."""
    size = next_fast_len(2 * len(value) - 1)
    whole = irfft(rfft(value, size) * rfft(kernel, size), size)
    half = len(value) // 2
    return np.asarray(whole[half : half + len(value)])


def _mean_normal(x: FloatArray, sd: FloatArray) -> FloatArray:
    """Densities of normals around 0, averaged over their standard deviations, at x."""
    total = np.zeros_like(x)
    for each in sd:
        total += np.exp(-0.5 * (x / each) ** 2) / each
    return np.asarray(total / (len(sd) * np.sqrt(2 * np.pi)))


def lfdr_density(table: pd.DataFrame, ax: Axes) -> Axes:
    """Histogram of the local false discovery rates: how well the two groups of genes come apart.

    Parameters
    ----------
    table, ax
        As in `volcano`.

    Returns
    -------
    Axes
        The same axes.
    """
    lfdr = numbers_of(tested_genes(table), "lfdr")
    draw_histogram(ax, lfdr, np.linspace(0, 1, 41), 1, "_lfdr")
    ax.set_xlim(0, 1)
    genes_axis(ax)
    ax.set_xlabel("local false discovery rate")
    low, high = int((lfdr < 0.05).sum()), int((lfdr > 0.95).sum())
    note = f"{number_of_genes(len(lfdr))} tested: {low:,} below 0.05, {high:,} above 0.95"
    set_heading(ax, "Probability that a gene is unchanged", [note])
    return ax


def draw_shrinkage(table: pd.DataFrame, *, title: str = "", **asked: Any) -> Figure:
    """Estimates before and after pooling as a whole figure; asked as `shrinkage` takes it."""
    with composed(1, 1, None, title) as (figure, panels):
        shrinkage(table, panels[0], **asked)
    return figure


def draw_prior(table: pd.DataFrame, prior: MixturePrior, *, title: str = "") -> Figure:
    """The fitted prior and the local false discovery rates, side by side."""
    with composed(1, 2, None, title) as (figure, panels):
        prior_density(table, prior, panels[0])
        lfdr_density(table, panels[1])
    return figure
