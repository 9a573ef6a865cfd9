"""Samples: on hidden factors, on principal components, and in the genes that tell them apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ebgenes.arrays import FloatArray
from ebgenes.data.principal_components import PRIOR_COUNT, principal_components
from ebgenes.plots.axes import level_words, numbers_of, tested_genes
from ebgenes.plots.canvas import composed
from ebgenes.plots.style import FAINT, INK, SMALL, displayed, gene_labels, set_heading
from ebgenes.records.counts import Study
from ebgenes.results.table import in_list, most_certain, tested

_GROUPS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's colours for groups of samples."""
_SHAPES = ("o", "^", "s", "v", "D", "P", "X")
_MOST_COLUMNS = 4
_MOST_ROWS = 40
_MOST_NAMED = 16


def hidden_scores(hidden: Mapping[str, Any], column: str | None, ax: Axes) -> Axes:
    """Scores of the samples on hidden factors, coloured by a column of the sample sheet.

    Parameters
    ----------
    hidden
        prior.json's ``hidden_factors``: one factor is drawn over the samples in their order, two against each other.
    column
        Which of the sheet's columns; None: all samples alike.
    ax
        Where to draw.

    Returns
    -------
    Axes
        The same axes.
    """
    several = len(hidden["share"]) > 1
    share = " and ".join(f"{100 * each:.0f}%" for each in hidden["share"][:2])
    notes = [f"{'the factors take' if several else 'the factor takes'} {share} of the residual variance"]
    _draw_scores(hidden, column, ax, "hidden factor")
    if column is not None:
        parts = [f"{100 * _told_by(hidden, column, i):.0f}% of factor {i + 1}" for i in range(min(2, 1 + several))]
        notes.append(f"{displayed(column, 40)} explains {' and '.join(parts)}")
    set_heading(ax, "Hidden variation" if column is None else f"Hidden variation by {displayed(column, 40)}", notes)
    return ax


def components(told: Mapping[str, Any], column: str | None, ax: Axes) -> Axes:
    """Scores of the samples on the first two principal components, coloured by a column of the sample sheet.

    Parameters
    ----------
    told
        ``sample`` (S,), ``score`` (S, k), ``share`` (k,) as of `principal_components`, and
        ``sheet``, columns of the sample sheet as text by name.
    column, ax
        As in `hidden_scores`.

    Returns
    -------
    Axes
        The same axes.
    """
    share = [f"component {i + 1} takes {100 * each:.0f}%" for i, each in enumerate(told["share"][:2])]
    _draw_scores(told, column, ax, "principal component")
    notes = [f"{' and '.join(share)} of the variance"] if share else ["samples do not differ"]
    set_heading(ax, "Samples" if column is None else f"Samples by {displayed(column, 40)}", notes)
    return ax


def _draw_scores(told: Mapping[str, Any], column: str | None, ax: Axes, axis: str) -> None:
    """Samples on their first two scores, or in their order where there is but one."""
    n_samples = len(told["sample"])
    score = np.array(told["score"], dtype=float).reshape(n_samples, -1)
    if score.shape[1] > 1:
        x, y = score[:, 0], score[:, 1]
        ax.set_xlabel(f"{axis} 1")
        ax.set_ylabel(f"{axis} 2")
    else:
        x, y = np.arange(1.0, n_samples + 1), score[:, 0] if score.shape[1] else np.zeros(n_samples)
        ax.set_xlabel("samples in the sheet's order")
        if n_samples <= _MOST_NAMED:
            ax.set_xticks(x)
        ax.set_ylabel(f"{axis} 1")
    ax.axhline(0, color=FAINT, linewidth=0.8, zorder=0)
    entries = [] if column is None else _paint_samples(told["sheet"][column], x, y, ax)
    if column is None:
        ax.plot(x, y, "o", color=_GROUPS[0], markersize=6, linestyle="none")
    if n_samples <= _MOST_NAMED:
        for name, left, height in zip(told["sample"], x, y, strict=True):
            place: dict[str, Any] = {"xytext": (4, 3), "textcoords": "offset points"}
            ax.annotate(displayed(name, 14), (left, height), size=6.5, color=INK, parse_math=False, **place)
    ax.margins(0.2 if n_samples <= _MOST_NAMED else 0.05, 0.12)
    if entries:
        handles, words = zip(*entries, strict=True)
        ax.legend(handles, [displayed(word, 24) for word in words], loc="best", frameon=False, fontsize=SMALL)


def heat_map(table: pd.DataFrame, study: Study, ax: Axes, *, genes: int = 40, level: float = 0.05) -> Axes:
    """Log2 normalized counts of the most certain genes, each less its mean, in every sample.

    Genes run from the largest posterior mean to the smallest, samples from low to high along them.

    Parameters
    ----------
    table, ax, level
        As in `ebgenes.plots.volcano`.
    study
        Counts and sample sheet.
    genes
        How many.

    Returns
    -------
    Axes
        The same axes.
    """
    judged = tested_genes(table)
    place = {str(gene): row for row, gene in enumerate(study.counts.gene)}
    judged = judged[judged["gene_id"].isin(list(place))].reset_index(drop=True)
    n_listed = int(in_list(judged, level).sum())
    shown = judged.iloc[most_certain(judged)[:genes]]
    shown = shown.iloc[np.argsort(-numbers_of(shown, "post_mean"), kind="stable")]
    if not len(shown):
        ax.set_axis_off()
        set_heading(ax, "No tested genes")
        return ax
    rows = [place[gene] for gene in shown["gene_id"]]
    size = np.exp(study.counts.log_size if study.counts.log_size is not None else 0.0)
    size = size[rows] if np.ndim(size) == 2 else size
    height = np.log2(study.counts.count[rows] / size + PRIOR_COUNT)  # (N, S)
    height = height - height.mean(axis=1, keepdims=True)
    along = np.argsort(np.sign(numbers_of(shown, "post_mean")) @ height, kind="stable")
    end = max(float(np.quantile(np.abs(height), 0.98)), 1e-3)
    drawn = ax.pcolormesh(height[:, along], cmap="PuOr_r", vmin=-end, vmax=end, rasterized=True)
    ax.invert_yaxis()
    ax.set_yticks(np.arange(len(shown)) + 0.5, gene_labels(shown), size=7.0, parse_math=False)
    samples = _sample_words(study)
    if len(samples) <= 60:
        places = np.arange(len(samples)) + 0.5
        ax.set_xticks(places, [samples[i] for i in along], size=7.0, rotation=90, parse_math=False)
    else:
        ax.set_xticks([])
        ax.set_xlabel(f"{len(samples):,} samples")
    ax.tick_params(length=0)
    ax.get_figure(root=True).colorbar(drawn, ax=ax, shrink=0.5, label="log2 distance from the gene's mean")  # type: ignore[union-attr]
    note = f"{n_listed:,} genes are in the list ({level_words(judged, level)})"
    set_heading(ax, f"The {len(shown)} most certain genes", [note])
    return ax


def _sample_words(study: Study) -> list[str]:
    """Names of the samples, with what the sheet's grouping columns say of them."""
    columns = [study.samples[name].astype(str) for name in study.samples.columns]
    telling = [list(values) for values in columns if 1 < values.nunique() <= len(values) / 2][:2]
    words = zip(study.counts.sample, *telling, strict=True)
    return [", ".join(displayed(each, 16) for each in word) for word in words]


def _paint_samples(values: Sequence[str], x: FloatArray, y: FloatArray, ax: Axes) -> list[tuple[Artist, str]]:
    """Points in a colour and shape for each group, or in shades of a number; the legend's entries."""
    number = _numbers(values)
    groups = list(dict.fromkeys(values))
    if number is not None and len(groups) > len(_GROUPS):
        shaded = ax.scatter(x, y, c=number, cmap="viridis", s=36)
        ax.get_figure(root=True).colorbar(shaded, ax=ax, shrink=0.8)  # type: ignore[union-attr]
        return []
    entries: list[tuple[Artist, str]] = []
    for i, group in enumerate(groups):
        member = np.array([value == group for value in values])
        # Groups beyond the colours there are share the last one.
        kind = min(i, len(_GROUPS) - 1)
        (points,) = ax.plot(x[member], y[member], _SHAPES[kind], color=_GROUPS[kind], markersize=6, linestyle="none")
        entries.append((points, group if i < len(_GROUPS) - 1 or len(groups) == len(_GROUPS) else "others"))
    return entries[: len(_GROUPS)]


def _numbers(values: Sequence[str]) -> FloatArray | None:
    try:
        number = np.array([float(value) for value in values])
    except ValueError:
        return None
    return number if np.isfinite(number).all() else None


def _told_by(hidden: Mapping[str, Any], column: str, factor: int = 0) -> float:
    """Share of a factor's variance that a column explains: as groups, or as a number with many values."""
    score = np.array(hidden["score"])[:, factor]
    values = hidden["sheet"][column]
    number, groups = _numbers(values), sorted(set(values))
    if number is not None and len(groups) > len(_GROUPS):
        return float(np.corrcoef(score, number)[0, 1] ** 2)
    member = np.array([[value == group for group in groups] for value in values], dtype=float)
    mean = member.T @ score / member.sum(axis=0)
    return float(1 - np.var(score - member @ mean) / np.var(score))


def telling_columns(hidden: Mapping[str, Any]) -> list[str]:
    """Columns of the sheet that group samples or put them in order, those that explain the first factor best first."""
    fit = []
    for name, values in hidden["sheet"].items():
        n_values = len(set(values))
        ordered = _numbers(values) is not None and n_values > len(_GROUPS)
        if ordered or 1 < n_values <= len(values) / 2:
            fit.append(name)
    return sorted(fit, key=lambda name: -_told_by(hidden, name))[:_MOST_COLUMNS]


def draw_hidden(hidden: Mapping[str, Any], *, title: str = "") -> Figure:
    """Scores on prior.json's ``hidden_factors``, a panel for each column of the sheet that tells samples apart."""
    with _panel_a_column(hidden, title) as (figure, panels):
        for column, ax in panels:
            hidden_scores(hidden, column, ax)
    return figure


def draw_components(told: Mapping[str, Any], *, title: str = "") -> Figure:
    """The samples on their principal components, a panel for each column of the sheet that tells them apart.

    Parameters
    ----------
    told
        As in `ebgenes.plots.components`.
    title
        Heading above the panels; none if empty.
    """
    with _panel_a_column(told, title) as (figure, panels):
        for column, ax in panels:
            components(told, column, ax)
    return figure


def draw_pca(study: Study, *, title: str = "") -> Figure:
    """The samples of a study on their principal components."""
    score, share = principal_components(study.counts)
    sheet = {str(name): [str(each) for each in study.samples[name]] for name in study.samples.columns}
    told = {"sample": list(study.counts.sample), "score": score, "share": share, "sheet": sheet}
    return draw_components(told, title=title)


@contextmanager
def _panel_a_column(told: Mapping[str, Any], title: str) -> Iterator[tuple[Figure, list[tuple[str | None, Axes]]]]:
    """A figure, and its panels with the columns that they are of; one panel of no column where none tells."""
    columns: list[str | None] = [*telling_columns(told)] or [None]
    with composed(-(-len(columns) // 2), min(len(columns), 2), None, title) as (figure, panels):
        for ax in panels[len(columns) :]:
            ax.set_axis_off()
        yield figure, list(zip(columns, panels, strict=False))


def draw_heat_map(table: pd.DataFrame, study: Study, level: float, *, title: str = "") -> Figure:
    """The most certain genes in every sample, as a whole figure."""
    n_genes = min(_MOST_ROWS, max(int(tested(table).sum()), 1))
    width = min(4.5 + 0.22 * len(study.counts.sample), 14.0)
    with composed(1, 1, (width, 2.6 + 0.15 * n_genes), title) as (figure, panels):
        heat_map(table, study, panels[0], genes=_MOST_ROWS, level=level)
    return figure
