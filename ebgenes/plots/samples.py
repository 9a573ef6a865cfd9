"""Samples on hidden factors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from ebgenes.model import FloatArray
from ebgenes.plots.style import FAINT, INK, SMALL, displayed, set_heading

_GROUPS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's colours for groups of samples."""
_SHAPES = ("o", "^", "s", "v", "D", "P", "X")
_MOST_COLUMNS = 4
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
    score = np.array(hidden["score"])
    n_samples, n_factors = score.shape
    if n_factors > 1:
        x, y = score[:, 0], score[:, 1]
        ax.set_xlabel("hidden factor 1")
        ax.set_ylabel("hidden factor 2")
    else:
        x, y = np.arange(1.0, n_samples + 1), score[:, 0]
        ax.set_xlabel("samples in the sheet's order")
        if n_samples <= _MOST_NAMED:
            ax.set_xticks(x)
        ax.set_ylabel("hidden factor 1")
    ax.axhline(0, color=FAINT, linewidth=0.8, zorder=0)
    told = [] if column is None else _paint_samples(hidden["sheet"][column], x, y, ax)
    if column is None:
        ax.plot(x, y, "o", color=_GROUPS[0], markersize=6, linestyle="none")
    if n_samples <= _MOST_NAMED:
        for name, left, height in zip(hidden["sample"], x, y, strict=True):
            place: dict[str, Any] = {"xytext": (4, 3), "textcoords": "offset points"}
            ax.annotate(displayed(name, 14), (left, height), size=6.5, color=INK, parse_math=False, **place)
    ax.margins(0.2 if n_samples <= _MOST_NAMED else 0.05, 0.12)
    if told:
        handles, words = zip(*told, strict=True)
        ax.legend(handles, [displayed(word, 24) for word in words], loc="best", frameon=False, fontsize=SMALL)
    share = " and ".join(f"{100 * each:.0f}%" for each in hidden["share"][:2])
    notes = [f"{'the factors take' if n_factors > 1 else 'the factor takes'} {share} of the residual variance"]
    if column is not None:
        parts = [f"{100 * _told_by(hidden, column, i):.0f}% of factor {i + 1}" for i in range(min(n_factors, 2))]
        notes.append(f"{displayed(column, 40)} explains {' and '.join(parts)}")
    set_heading(ax, "Hidden variation" if column is None else f"Hidden variation by {displayed(column, 40)}", notes)
    return ax


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
