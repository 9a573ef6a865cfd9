"""Words, colours and what surrounds every picture. Text from the user is never read as markup."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray

from ebgenes.errors import InputError

BoolArray = NDArray[np.bool_]
Range = tuple[float, float]
# Okabe and Ito's vermillion and blue differ for every kind of colour vision; shapes repeat the message.
COLOUR = {"up": "#D55E00", "down": "#0072B2", "rest": "#8C8C8C", "every": "#0072B2"}
MARKER = {"up": "^", "down": "v", "rest": "o", "every": "o"}
SIZE = {"up": 4.2, "down": 4.2, "rest": 1.8, "every": 2.6}
HISTOGRAM = "#C9D6DF"
INK = "#333333"
FAINT = "#BDBDBD"
SMALL = 8.0
STYLE: dict[str, Any] = {
    # Names of genes, columns and levels are no formulas, whatever signs they hold.
    "text.parse_math": False,
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.usetex": False,
}


def displayed(text: object, width: int = 24) -> str:
    """Any text as one printable line of at most `width` characters.

    Control, formatting and unassigned characters go (they would make an SVG invalid or reorder its
    text), white space becomes single blanks, and what is too long ends in an ellipsis.
    """
    line = " ".join(str(text).split())
    line = "".join(char for char in line if unicodedata.category(char)[0] != "C").strip()
    return line if len(line) <= width else line[: width - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"


def gene_labels(genes: pd.DataFrame) -> list[str]:
    """What a reader calls each gene: its name, or its identifier where there is none."""
    pairs = zip(genes["gene_name"].fillna(""), genes["gene_id"], strict=True)
    return [displayed(name) or displayed(identifier) or "(unnamed)" for name, identifier in pairs]


def number_of_genes(count: int) -> str:
    """A number of genes in words."""
    return f"{count:,} gene" if count == 1 else f"{count:,} genes"


def beyond_note(count: int) -> str:
    """Say how many genes lie beyond the axis; nothing where none does."""
    return f"{number_of_genes(count)} beyond the axis, drawn at its edge as open triangles" if count else ""


def absent_note(count: int, what: str) -> str:
    """Say how many genes lack what it takes to be drawn; nothing where none does."""
    return f"{number_of_genes(count)} without {what} cannot be drawn" if count else ""


def not_shown_note(names: Sequence[str], listed: int = 30) -> str:
    """Say which labels found no room; a list longer than the figure ends in a count."""
    if not names:
        return ""
    rest = f" and {len(names) - listed:,} more" if len(names) > listed else ""
    return f"{len(names):,} label{'s' * (len(names) > 1)} not shown: {', '.join(names[:listed])}{rest}"


def _wrapped(ax: Axes, text: str, size: float) -> str:
    """Break a line at the width of the axes, a mean glyph being about .52 of the font size wide."""
    points = ax.get_window_extent().width * 72 / ax.get_figure(root=True).dpi  # type: ignore[union-attr]
    return textwrap.fill(text, max(16, int(points / (0.52 * size))), break_on_hyphens=False)


def set_heading(ax: Axes, title: str, notes: Sequence[str] = ()) -> None:
    """Title and, between it and the axes, the notes in small print."""
    for old in [text for text in ax.texts if text.get_label() == "note"]:
        old.remove()
    lines = "\n".join(_wrapped(ax, note, SMALL) for note in notes if note)
    n_lines = lines.count("\n") + 1 if lines else 0
    if lines:
        lift = ScaledTranslation(0, 5 / 72, ax.get_figure(root=True).dpi_scale_trans)  # type: ignore[union-attr]
        where = ax.transAxes + lift
        note = ax.text(0, 1, lines, transform=where, va="bottom", size=SMALL, color=INK, parse_math=False)
        note.set_label("note")
    pad = 7 + 1.3 * SMALL * n_lines
    wrapped = _wrapped(ax, title, 11)
    ax.set_title(wrapped, loc="left", pad=pad, color=INK, parse_math=False)


def directions(up_label: str, down_label: str) -> str:
    """What either side of an effect axis means."""
    left, right = "\N{LEFTWARDS ARROW}", "\N{RIGHTWARDS ARROW}"
    return f"{left} {displayed(down_label, 40)}    |    {displayed(up_label, 40)} {right}"


def add_legend(ax: Axes, entries: Sequence[tuple[Artist, str]], lines_below: int = 1) -> None:
    """Legend below the axes, where it covers no gene; `lines_below` is the height of the axis label."""
    figure = ax.get_figure(root=True)
    drop = ScaledTranslation(0, -(22 + 12 * lines_below) / 72, figure.dpi_scale_trans)  # type: ignore[union-attr]
    width = ax.get_window_extent().width * 72 / figure.dpi  # type: ignore[union-attr]
    longest = max(len(label) for _, label in entries)
    legend = ax.legend(
        [handle for handle, _ in entries],
        [label for _, label in entries],
        loc="upper left",
        bbox_to_anchor=(0, 0),
        bbox_transform=ax.transAxes + drop,
        ncols=2 if 2 * (longest * 0.52 * SMALL + 36) < width else 1,
        fontsize=SMALL,
        labelcolor=INK,
        frameon=False,
        borderpad=0,
        borderaxespad=0,
        handlelength=1.6,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def require_one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    """Refuse a value that is not allowed, in words."""
    if value not in allowed:
        raise InputError(f"{name} must be one of {', '.join(allowed)}; found {value!r}")
