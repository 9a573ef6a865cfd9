"""Pictures of a result table. A plot takes a table and an axes and returns the axes.

Genes whose status says that they were not fitted have no result and are not drawn. Every other gene is: values beyond
the axis sit at its edge as open triangles and are counted in words, and a label without room is named
below the title. Text from the user (gene names, directions, titles) is never read as markup.
"""

from __future__ import annotations

import io
import textwrap
import unicodedata
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray

from ebgenes.densities import slab_density
from ebgenes.errors import InputError
from ebgenes.model import FloatArray, MixturePrior
from ebgenes.table import tested

FIGURES = ("volcano", "ma", "prior", "shrinkage", "diagnostics", "covariates", "hidden")
FORMATS = ("png", "svg", "pdf")

BoolArray = NDArray[np.bool_]
Range = tuple[float, float]

# Okabe and Ito's vermillion and blue differ for every kind of colour vision; shapes repeat the message.
_COLOUR = {"up": "#D55E00", "down": "#0072B2", "rest": "#8C8C8C", "every": "#0072B2"}
_MARKER = {"up": "^", "down": "v", "rest": "o", "every": "o"}
_SIZE = {"up": 4.2, "down": 4.2, "rest": 1.8, "every": 2.6}
_HISTOGRAM = "#C9D6DF"
_INK = "#333333"
_FAINT = "#BDBDBD"
_SMALL = 8.0

_STYLE: dict[str, Any] = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "text.usetex": False,
}
_FILE_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ebgenes",
    "pdf.fonttype": 42,
    "text.usetex": False,
}
_X_AXES = {"post_mean": "posterior mean of the log2 fold change", "log2_fc": "log2 fold change (no pooling)"}
_Y_AXES = {"lfdr": "\N{MINUS SIGN}log10 local false discovery rate", "p_value": "\N{MINUS SIGN}log10 p-value"}


# ---- words ---------------------------------------------------------------------------------------


def displayed(text: object, width: int = 24) -> str:
    """Any text as one printable line of at most `width` characters.

    Control, formatting and unassigned characters go (they would make an SVG invalid or reorder its
    text), white space becomes single blanks, and what is too long ends in an ellipsis.
    """
    line = " ".join(str(text).split())
    line = "".join(char for char in line if unicodedata.category(char)[0] != "C").strip()
    return line if len(line) <= width else line[: width - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"


def _gene_labels(genes: pd.DataFrame) -> list[str]:
    """What a reader calls each gene: its name, or its identifier where there is none."""
    pairs = zip(genes["gene_name"].fillna(""), genes["gene_id"], strict=True)
    return [displayed(name) or displayed(identifier) or "(unnamed)" for name, identifier in pairs]


def _number_of_genes(count: int) -> str:
    return f"{count:,} gene" if count == 1 else f"{count:,} genes"


def _beyond_note(count: int) -> str:
    return f"{_number_of_genes(count)} beyond the axis, drawn at its edge as open triangles" if count else ""


def _absent_note(count: int, what: str) -> str:
    return f"{_number_of_genes(count)} without {what} cannot be drawn" if count else ""


def _not_shown_note(names: Sequence[str], listed: int = 30) -> str:
    """Say which labels found no room; a list longer than the figure ends in a count."""
    if not names:
        return ""
    rest = f" and {len(names) - listed:,} more" if len(names) > listed else ""
    return f"{len(names):,} label{'s' * (len(names) > 1)} not shown: {', '.join(names[:listed])}{rest}"


def _wrapped(ax: Axes, text: str, size: float) -> str:
    """Break a line at the width of the axes, a mean glyph being about .52 of the font size wide."""
    points = ax.get_window_extent().width * 72 / ax.get_figure(root=True).dpi  # type: ignore[union-attr]
    return textwrap.fill(text, max(16, int(points / (0.52 * size))), break_on_hyphens=False)


def _heading(ax: Axes, title: str, notes: Sequence[str] = ()) -> None:
    """Title and, between it and the axes, the notes in small print."""
    for old in [text for text in ax.texts if text.get_label() == "note"]:
        old.remove()
    lines = "\n".join(_wrapped(ax, note, _SMALL) for note in notes if note)
    n_lines = lines.count("\n") + 1 if lines else 0
    if lines:
        lift = ScaledTranslation(0, 5 / 72, ax.get_figure(root=True).dpi_scale_trans)  # type: ignore[union-attr]
        where = ax.transAxes + lift
        note = ax.text(0, 1, lines, transform=where, va="bottom", size=_SMALL, color=_INK, parse_math=False)
        note.set_label("note")
    pad = 7 + 1.3 * _SMALL * n_lines
    wrapped = _wrapped(ax, title, 11)
    ax.set_title(wrapped, loc="left", pad=pad, color=_INK, parse_math=False)


def _directions(up: str, down: str) -> str:
    left, right = "\N{LEFTWARDS ARROW}", "\N{RIGHTWARDS ARROW}"
    return f"{left} {displayed(down, 40)}    |    {displayed(up, 40)} {right}"


def _legend(ax: Axes, entries: Sequence[tuple[Artist, str]], lines_below: int = 1) -> None:
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
        ncols=2 if 2 * (longest * 0.52 * _SMALL + 36) < width else 1,
        fontsize=_SMALL,
        labelcolor=_INK,
        frameon=False,
        borderpad=0,
        borderaxespad=0,
        handlelength=1.6,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


# ---- genes, groups and the edges of an axis ------------------------------------------------------


def _tested(table: pd.DataFrame) -> pd.DataFrame:
    return table[tested(table)].reset_index(drop=True)


def _values(genes: pd.DataFrame, column: str) -> FloatArray:
    return genes[column].to_numpy(dtype=np.float64)


def _minus_log10(rate: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore"):
        # Adding 0 turns the -0 of a rate of 1 into 0, which would otherwise show on the axis.
        return np.asarray(-np.log10(rate) + 0.0)


def _groups(genes: pd.DataFrame, level: float) -> dict[str, BoolArray]:
    """Which genes are in the list, by direction, (G,) each; every gene is in exactly one group."""
    listed = _values(genes, "q_value") < level
    effect = _values(genes, "post_mean")
    up, down = listed & (effect > 0), listed & (effect < 0)
    return {"rest": ~(up | down), "down": down, "up": up}


def _most_certain(genes: pd.DataFrame, level: float, label: int) -> pd.DataFrame:
    """The first `label` genes of the list: smallest lfdr, ties by size of effect."""
    listed = genes[_values(genes, "q_value") < level]
    order = np.lexsort((-np.abs(_values(listed, "post_mean")), _values(listed, "lfdr")))
    return listed.iloc[order[: max(label, 0)]]


def _cap(size: FloatArray) -> float:
    """Where an axis of nonnegative values ends.

    The largest finite value, unless a few genes stretch the axis until nothing else can be seen:
    five times the 99.5% quantile is the most it takes. Nothing but infinite values gives 10.
    """
    finite = size[np.isfinite(size)]
    if len(finite) == 0:
        return 10.0 if np.isposinf(size).any() else 1.0
    return max(min(float(finite.max()), 5 * float(np.quantile(finite, 0.995))), 1e-3)


def _sides(value: FloatArray) -> Range:
    """Ends of a signed axis; the emptier side gets at least a quarter of the other."""
    cap = _cap(np.abs(value))
    finite = np.clip(value[~np.isnan(value)], -cap, cap)
    low = min(float(finite.min(initial=0)), -cap / 4)
    high = max(float(finite.max(initial=0)), cap / 4)
    return low, high


def _padded(ends: Range, share: float = 0.04) -> Range:
    margin = share * (ends[1] - ends[0])
    return ends[0] - margin, ends[1] + margin


def _log_range(value: FloatArray) -> Range:
    """Ends of a logarithmic axis: the positive values, and never less than a factor of four."""
    positive = value[np.isfinite(value) & (value > 0)]
    if len(positive) == 0:
        return 0.5, 2.0
    low, high = float(positive.min()), float(positive.max())
    middle = np.sqrt(low) * np.sqrt(high)
    return min(low, middle / 2), max(high, middle * 2)


def _log_axis(ax: Axes, ends: Range) -> None:
    """A logarithmic x axis with plain numbers."""
    ax.set_xscale("log")
    factor = (ends[1] / ends[0]) ** 0.03
    ax.set_xlim(ends[0] / factor, ends[1] * factor)
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if ends[1] / ends[0] < 200 else (1,)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())


def _points(ax: Axes, x: FloatArray, y: FloatArray, **looks: Any) -> None:
    # Rasterized: 20,000 vector markers make an SVG of megabytes. One Line2D draws far faster than a scatter.
    ax.plot(x, y, linestyle="none", markeredgewidth=0, rasterized=True, **looks)


def _open_marker(group: str, x: FloatArray) -> list[tuple[str, BoolArray]]:
    """Open triangles for genes at the edge; those out of the list point to their side."""
    if group in ("up", "down"):
        return [(_MARKER[group], np.ones(len(x), dtype=bool))]
    return [(">", x >= 0), ("<", x < 0)]


def _cloud(ax: Axes, x: FloatArray, y: FloatArray, groups: dict[str, BoolArray], ends: tuple[Range, Range]) -> int:
    """Draw every gene that has coordinates; return how many lie beyond the ends and sit there."""
    at_x, at_y = np.clip(x, *ends[0]), np.clip(y, *ends[1])
    beyond = (at_x != x) | (at_y != y)
    drawable = ~(np.isnan(x) | np.isnan(y))
    for order, (group, members) in enumerate(groups.items(), start=2):
        colour, size = _COLOUR[group], _SIZE[group]
        inside = members & drawable & ~beyond
        looks = {"color": colour, "alpha": 0.45 if group == "rest" else 0.75, "label": f"_{group}"}
        if inside.any():
            _points(ax, at_x[inside], at_y[inside], marker=_MARKER[group], markersize=size, zorder=order, **looks)
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
    colour = _COLOUR[group]
    size = 3.0 if group == "rest" else size
    return Line2D([], [], linestyle="none", marker=_MARKER[group], markersize=size, color=colour, markeredgewidth=0)


def _group_entries(groups: dict[str, BoolArray], up: str, down: str, n_beyond: int) -> list[tuple[Artist, str]]:
    words = {"up": displayed(up, 40), "down": displayed(down, 40), "rest": "not in the list"}
    entries: list[tuple[Artist, str]] = [
        (_key(group), f"{int(groups[group].sum()):,} {words[group]}") for group in ("up", "down", "rest")
    ]
    if n_beyond:
        edge = Line2D([], [], linestyle="none", marker="^", markersize=5.5, fillstyle="none", color=_INK)
        entries.append((edge, f"{_number_of_genes(n_beyond)} beyond the axis"))
    return entries


def _counts_title(groups: dict[str, BoolArray], up: str, down: str, level: float) -> str:
    n_up, n_down = int(groups["up"].sum()), int(groups["down"].sum())
    if sum(len(members) for members in groups.values()) == 0:
        return "No tested genes"
    if n_up + n_down == 0:
        return f"No gene in the list (FDR {100 * level:g}%)"
    return f"{n_up:,} {displayed(up, 40)}, {n_down:,} {displayed(down, 40)} (FDR {100 * level:g}%)"


# ---- labels --------------------------------------------------------------------------------------
# All geometry is in pixels of the figure; boxes are (left, bottom, right, top) in the last axis.


def _candidate_corners(anchor: FloatArray, size: FloatArray, area: FloatArray, unit: float) -> FloatArray:
    """Lower left corners of the places a label may take, nearest first, (C, 2).

    Eight places next to the point, rings around it, and as a last resort a grid over the axes.
    """
    angle = np.arange(8) * np.pi / 4
    close = np.column_stack([np.cos(angle), np.sin(angle)])
    centre = [np.sign(np.round(close, 6)) * (size / 2) + close * 4 * unit]
    fan = np.arange(32) * np.pi / 16
    direction = np.column_stack([np.cos(fan), np.sin(fan)])
    for radius in (9, 14, 20, 28, 38, 50, 65, 85, 110, 140, 180):
        centre.append(direction * (size / 2 + radius * unit))
    columns = np.linspace(area[0] + size[0] / 2 + unit, area[2] - size[0] / 2 - unit, 15)
    rows = np.linspace(area[1] + size[1] / 2 + unit, area[3] - size[1] / 2 - unit, 30)
    everywhere = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2) - anchor
    return np.asarray(anchor + np.vstack([*centre, everywhere]) - size / 2)


def _overlap(boxes: FloatArray, others: FloatArray, margin: float) -> BoolArray:
    """Which boxes come closer than `margin` to which others, (C, B)."""
    # Column by column: a reduction over an axis of length two is many times slower.
    left, bottom, right, top = boxes.T[:, :, None]
    other_left, other_bottom, other_right, other_top = others.T[:, None]
    apart = (left > other_right + margin) | (other_left > right + margin)
    apart |= (bottom > other_top + margin) | (other_bottom > top + margin)
    return np.asarray(~apart)


def _crosses_box(start: FloatArray, end: FloatArray, boxes: FloatArray) -> BoolArray:
    """Which segments meet which boxes (Liang and Barsky's clipping), broadcast over leading axes."""
    step = end - start
    step = np.where(np.abs(step) < 1e-9, 1e-9, step)
    first, second = (boxes[..., :2] - start) / step, (boxes[..., 2:] - start) / step
    low, high = np.minimum(first, second), np.maximum(first, second)
    enter = np.maximum(np.maximum(low[..., 0], low[..., 1]), 0)
    leave = np.minimum(np.minimum(high[..., 0], high[..., 1]), 1)
    return np.asarray(enter <= leave)


def _cross(start: FloatArray, end: FloatArray, others: FloatArray) -> BoolArray:
    """Which segments (C, 2) cross which others (B, 4), (C, B)."""
    a, b = start[:, None], end[:, None]
    c, d = others[None, :, :2], others[None, :, 2:]

    def side(p: FloatArray, q: FloatArray, r: FloatArray) -> FloatArray:
        along, across = q - p, r - p
        return np.asarray(np.sign(along[..., 0] * across[..., 1] - along[..., 1] * across[..., 0]))

    return np.asarray((side(a, b, c) != side(a, b, d)) & (side(c, d, a) != side(c, d, b)))


def _crowd(points: FloatArray, area: FloatArray, unit: float) -> Callable[[FloatArray], FloatArray]:
    """A function that counts the points under boxes (C, 4), from one summed-area table."""
    cell = 2 * unit
    shape = np.maximum(np.ceil((area[2:] - area[:2]) / cell), 1).astype(int)
    index = np.floor((points - area[:2]) / cell).astype(int)
    index = np.clip(index, 0, shape - 1)
    grid = np.zeros(tuple(shape + 1))
    np.add.at(grid, (index[:, 0] + 1, index[:, 1] + 1), 1)
    total = grid.cumsum(axis=0).cumsum(axis=1)

    def count(boxes: FloatArray) -> FloatArray:
        low = np.clip(np.floor((boxes[:, :2] - area[:2]) / cell).astype(int), 0, shape)
        high = np.clip(np.ceil((boxes[:, 2:] - area[:2]) / cell).astype(int), 0, shape)
        ends = total[high[:, 0], high[:, 1]] - total[low[:, 0], high[:, 1]]
        return np.asarray(ends - total[high[:, 0], low[:, 1]] + total[low[:, 0], low[:, 1]])

    return count


def _crowd_near(box: FloatArray, crowd: Callable[[FloatArray], FloatArray], unit: float) -> FloatArray:
    """How many points lie under boxes (C, 4) or so near that a reader might take one for the label's."""
    reach = 1.5 * unit * np.array([-1, -1, 1, 1])
    return np.asarray(crowd(box + reach))


def _free(box: FloatArray, leader: FloatArray, taken: FloatArray, area: FloatArray, unit: float) -> BoolArray:
    """Which places (C, 4) lie inside the area, off every label taken, whose leaders and labels keep clear
    of each other.

    `taken` holds the box and the leader of each label placed, (B, 8).
    """
    boxes, lines = taken[:, :4], taken[:, 4:]
    inside = (box[:, :2] >= area[:2] + unit) & (box[:, 2:] <= area[2:] - unit)
    free: BoolArray = np.asarray(inside.all(axis=1))
    # Each check runs on what the cheaper ones left.
    for blocked in (
        lambda b, _: _overlap(b, boxes, 1.5 * unit),
        lambda _, n: _crosses_box(n[:, None, :2], n[:, None, 2:], boxes[None]),
        lambda b, _: _crosses_box(lines[None, :, :2], lines[None, :, 2:], b[:, None]),
    ):
        left = np.flatnonzero(free)
        free[left] = ~blocked(box[left], leader[left]).any(axis=1)
    return free


def _crowding(box: FloatArray, crowd: Callable[[FloatArray], FloatArray], unit: float) -> FloatArray:
    """What boxes (C, 4) pay for the points they cover: most for the first ones, none beyond a dozen."""
    near = _crowd_near(box, crowd, unit)
    return np.asarray(4 * np.minimum(near, 12) + 10 * np.minimum(near, 2))


def _cost(
    box: FloatArray, leader: FloatArray, taken: FloatArray, markers: FloatArray, unit: float, shyness: float
) -> FloatArray:
    """What places pay, in typographic points, for distance and for disturbing other labels, (C,)."""
    start, end = leader[:, :2], leader[:, 2:]
    hidden = _overlap(box, markers, 0).sum(axis=1)
    walled = _overlap(box, markers, 16 * unit).sum(axis=1) - 1
    struck = _crosses_box(start[:, None], end[:, None], markers[None]).sum(axis=1)
    crossed = _cross(start, end, taken[:, 4:]).sum(axis=1)
    distance = np.hypot(*(start - end).T) / unit
    return np.asarray(distance + 60 * hidden + shyness * walled + 30 * struck + 25 * crossed)


def _place(
    anchors: FloatArray, sizes: FloatArray, area: FloatArray, points: FloatArray, unit: float
) -> list[FloatArray | None]:
    """Boxes for the labels, or None where there is no room.

    One label after the other takes the best place left: near its gene, covering few points, its
    leader crossing few others. Further sweeps move each label to a better place that the others have
    opened.

    Parameters
    ----------
    anchors, sizes
        Pixels, (L, 2) each.
    area
        The axes, (4,).
    points
        Every drawn gene, (G, 2).
    unit
        Pixels in a typographic point.
    """
    crowd = _crowd(points, area, unit)
    markers = np.column_stack([anchors - 2 * unit, anchors + 2 * unit])
    placed: dict[int, FloatArray] = {}
    for sweep in range(4 if len(anchors) <= 60 else 1):
        # At first labels keep off each other's genes, to leave corridors; then they move close.
        shyness = 8 if sweep == 0 else 1
        for row, (anchor, size) in enumerate(zip(anchors, sizes, strict=True)):
            others = [place for index, place in placed.items() if index != row]
            taken = np.array(others).reshape(-1, 8)
            corner = _candidate_corners(anchor, size, area, unit)
            box = np.hstack([corner, corner + size])
            start = np.clip(anchor, box[:, :2], box[:, 2:])
            leader = np.hstack([start, np.broadcast_to(anchor, start.shape)])
            free = _free(box, leader, taken, area, unit)
            if free.any():
                cost = _cost(box, leader, taken, markers, unit, shyness) + _crowding(box, crowd, unit)
                best = int(np.argmin(np.where(free, cost, np.inf)))
                placed[row] = np.concatenate([box[best], leader[best]])
    return [placed[row][:4] if row in placed else None for row in range(len(anchors))]


def _text_sizes(ax: Axes, names: Sequence[str]) -> FloatArray:
    """Width and height of labels in pixels, (L, 2)."""
    text = ax.text(0, 0, "", size=_SMALL, parse_math=False, usetex=False)
    sizes = np.empty((len(names), 2))
    for row, name in enumerate(names):
        text.set_text(name)
        extent = text.get_window_extent()
        sizes[row] = extent.width, extent.height
    text.remove()
    return sizes


def _annotate(
    ax: Axes, name: str, at: FloatArray, anchor: FloatArray, box: FloatArray, unit: float, tied: bool
) -> None:
    """Write one label where it was placed; `tied` draws a leader line to its gene."""
    nearest = np.clip(anchor, box[:2], box[2:])
    arrow = None
    if tied:
        relative = (nearest - box[:2]) / (box[2:] - box[:2])
        # patchA None: by default the line is cut short at a padded frame around the text.
        arrow = {"arrowstyle": "-", "linewidth": 0.5, "color": _INK, "shrinkA": 0, "shrinkB": 1.5,
                 "patchA": None, "relpos": tuple(relative)}  # fmt: skip
    note = ax.annotate(
        name,
        xy=(float(at[0]), float(at[1])),
        xytext=tuple((box[:2] - anchor) / unit),
        textcoords="offset points",
        size=_SMALL,
        color=_INK,
        ha="left",
        va="bottom",
        arrowprops=cast(Any, arrow),
        annotation_clip=False,
        parse_math=False,
        usetex=False,
        zorder=6,
    )
    note.set_in_layout(False)
    note.set_label("gene label")


def _label_genes(ax: Axes, at: FloatArray, names: list[str], cloud: FloatArray, title: str, notes: list[str]) -> None:
    """Head the axes and label genes in their order, telling in a note which labels found no room.

    The note takes space from the axes, so the search starts again without the labels it names until
    nothing more is lost.
    """
    figure = cast(Figure, ax.get_figure(root=True))
    unit = figure.dpi / 72
    lost: list[str] = []
    cloud = cloud[~np.isnan(cloud).any(axis=1)]
    while True:
        _heading(ax, title, [*notes, _not_shown_note(lost)])
        figure.draw_without_rendering()
        if not names:
            return
        anchors = np.asarray(ax.transData.transform(at))
        area = np.asarray(ax.get_window_extent().extents)
        points = np.asarray(ax.transData.transform(cloud))
        boxes = _place(anchors, _text_sizes(ax, names), area, points, unit)
        if all(box is not None for box in boxes):
            break
        lost += [name for name, box in zip(names, boxes, strict=True) if box is None]
        at = at[[box is not None for box in boxes]]
        names = [name for name, box in zip(names, boxes, strict=True) if box is not None]
    crowd = _crowd(points, area, unit)
    for name, here, anchor, box in zip(names, at, anchors, cast(list[FloatArray], boxes), strict=True):
        distance = np.hypot(*(np.clip(anchor, box[:2], box[2:]) - anchor))
        # A label next to its gene needs no line unless another gene is as close.
        tied = bool(distance > 5.5 * unit or _crowd_near(box[None], crowd, unit)[0] > 0)
        _annotate(ax, name, here, anchor, box, unit, tied)


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
    chosen = _most_certain(genes, level, label)
    chosen = chosen[np.asarray(~np.isnan(cloud[chosen.index]).any(axis=1), dtype=bool)]
    _label_genes(ax, cloud[chosen.index], _gene_labels(chosen), cloud, title, notes)


# ---- volcano and MA ------------------------------------------------------------------------------


def _list_boundary(genes: pd.DataFrame, groups: dict[str, BoolArray]) -> float | None:
    """The largest lfdr in the list; None if the list is empty or its end cannot be drawn."""
    listed = ~groups["rest"]
    largest = float(_values(genes, "lfdr")[listed].max(initial=0.0))
    return largest if largest > 0 else None


def _require(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise InputError(f"{name} must be one of {', '.join(allowed)}; found {value!r}")


def volcano(
    table: pd.DataFrame,
    ax: Axes,
    *,
    x: str = "post_mean",
    y: str = "lfdr",
    level: float = 0.05,
    label: int = 20,
    up: str = "higher",
    down: str = "lower",
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
        The list holds the genes with ``q_value < level``.
    label
        How many genes of the list to name: smallest lfdr first, ties by size of effect.
    up, down
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
    _require("x", x, tuple(_X_AXES))
    _require("y", y, tuple(_Y_AXES))
    genes = _tested(table)
    groups = _groups(genes, level)
    effect, certainty = _values(genes, x), _minus_log10(_values(genes, y))
    ends = _sides(effect), (0.0, max(_cap(certainty), 1.0))
    ax.set_xlim(_padded(ends[0]))
    # Room above the highest genes, which are those with labels.
    ax.set_ylim(-0.02 * ends[1][1], 1.1 * ends[1][1])
    ax.axvline(0, color=_FAINT, linewidth=0.6, zorder=1)
    n_beyond = _cloud(ax, effect, certainty, groups, ends)
    entries = _group_entries(groups, up, down, n_beyond)
    boundary = _list_boundary(genes, groups) if y == "lfdr" else None
    if boundary is not None and -np.log10(boundary) <= ends[1][1]:
        line = ax.axhline(-np.log10(boundary), color=_INK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1.5)
        entries.append((line, f"end of the list (lfdr {boundary:.2g})"))
    ax.set_xlabel(f"{_X_AXES[x]}\n{_directions(up, down)}", parse_math=False)
    ax.set_ylabel(_Y_AXES[y])
    _legend(ax, entries, lines_below=2)
    notes = [_beyond_note(n_beyond), _absent_note(int(np.isnan(effect + certainty).sum()), f"{x} or {y}")]
    _labelled_cloud(ax, genes, (effect, certainty), ends, label, level, _counts_title(groups, up, down, level), notes)
    return ax


def ma(
    table: pd.DataFrame,
    ax: Axes,
    *,
    level: float = 0.05,
    label: int = 20,
    up: str = "higher",
    down: str = "lower",
) -> Axes:
    """Posterior mean of the effect against the mean of normalized counts.

    Parameters
    ----------
    table, ax, level, label, up, down
        As in `volcano`.

    Returns
    -------
    Axes
        The same axes.
    """
    genes = _tested(table)
    groups = _groups(genes, level)
    mean, effect = _values(genes, "base_mean"), _values(genes, "post_mean")
    ends = _log_range(mean), _sides(effect)
    _log_axis(ax, ends[0])
    ax.set_ylim(_padded(ends[1]))
    ax.axhline(0, color=_FAINT, linewidth=0.6, zorder=1)
    n_beyond = _cloud(ax, mean, effect, groups, ends)
    ax.set_xlabel("mean of normalized counts")
    ax.set_ylabel(f"{_X_AXES['post_mean']}\n{_directions(up, down)}", parse_math=False)
    _legend(ax, _group_entries(groups, up, down, n_beyond))
    notes = [_beyond_note(n_beyond), _absent_note(int(np.isnan(mean + effect).sum()), "a mean count")]
    _labelled_cloud(ax, genes, (mean, effect), ends, label, level, _counts_title(groups, up, down, level), notes)
    return ax


# ---- shrinkage and the prior ---------------------------------------------------------------------


def _spread(genes: pd.DataFrame, count: int) -> pd.DataFrame:
    """Genes that show the whole range of precision and of signal.

    Equal groups by standard error; from each, genes at quantiles of |log2_fc| / se that favour the
    upper end, where shrinkage is worth a look.
    """
    order = np.argsort(_values(genes, "se"), kind="stable")
    n_bands = max(1, round(count / 5))
    chosen: list[int] = []
    for band, rows in enumerate(np.array_split(order, n_bands)):
        share = (band + 1) * count // n_bands - band * count // n_bands
        signal = np.abs(_values(genes, "log2_fc")[rows]) / _values(genes, "se")[rows]
        ranked = rows[np.argsort(signal, kind="stable")]
        place = np.sqrt(np.linspace(0.1, 0.98, share)) * (len(ranked) - 1)
        chosen += [int(ranked[index]) for index in np.unique(np.rint(place).astype(int)) if len(ranked)]
    return genes.iloc[chosen]


def _arrows(ax: Axes, shown: pd.DataFrame, groups: dict[str, BoolArray]) -> None:
    """From each gene's own estimate (ring) to its posterior mean (head pointing the way it moved)."""
    se, start, end = (_values(shown, column) for column in ("se", "log2_fc", "post_mean"))
    for group, members in groups.items():
        colour = _COLOUR[group]
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
    up: str = "higher",
    down: str = "lower",
) -> Axes:
    """No pooling, partial pooling and complete pooling of a few genes, against the standard error.

    Parameters
    ----------
    table, ax, level, up, down
        As in `volcano`.
    genes
        How many to draw, spread over the ranges of the standard error and of |log2_fc| / se.

    Returns
    -------
    Axes
        The same axes.
    """
    tested = _tested(table)
    known = np.isfinite(tested[["se", "log2_fc", "post_mean"]].to_numpy(dtype=float)).all(axis=1)
    known &= _values(tested, "se") > 0
    shown = _spread(cast(pd.DataFrame, tested[known]).reset_index(drop=True), genes)
    groups = _groups(shown, level)
    _log_axis(ax, _log_range(_values(shown, "se")))
    both = np.concatenate([_values(shown, "log2_fc"), _values(shown, "post_mean")])
    size = max(float(np.abs(both).max(initial=0)), 1e-3) if len(both) else 1.0
    low, high = min(float(both.min(initial=0)), -size / 4), max(float(both.max(initial=0)), size / 4)
    ax.set_ylim(_padded((low, high)))
    ax.axhline(0, color=_FAINT, linewidth=0.6, zorder=1)
    _arrows(ax, shown, groups)
    ring = Line2D([], [], linestyle="none", marker="o", markersize=4.5, markerfacecolor="white", color=_INK)
    head = Line2D([], [], linestyle="none", marker="v", markersize=5, color=_INK, markeredgewidth=0)
    entries: list[tuple[Artist, str]] = [
        (ring, "no pooling: the gene's own estimate (ring)"),
        (head, "partial pooling: posterior mean (head)"),
    ]
    if len(shown):
        pooled = float(_values(shown, "pooled")[0])
        line = ax.axhline(pooled, color=_INK, linewidth=1, linestyle=(0, (4, 3)), zorder=1.5)
        entries.append((line, f"complete pooling: the same for all ({pooled:+.2g})"))
    words = {
        "up": displayed(up, 40),
        "down": displayed(down, 40),
        "rest": f"not in the list (FDR {100 * level:g}%)",
    }
    entries += [
        (Line2D([], [], color=_COLOUR[key], linewidth=2), words[key]) for key in ("up", "down", "rest")
    ]  # fmt: skip
    ax.set_xlabel("standard error of the log2 fold change")
    ax.set_ylabel(f"log2 fold change\n{_directions(up, down)}", parse_math=False)
    _legend(ax, entries)
    title = "Estimates before and after pooling" if len(shown) else "No tested genes"
    _heading(ax, title, [f"{len(shown):,} of {len(tested):,} tested genes, spread over precision and signal"])
    return ax


def _histogram(ax: Axes, value: FloatArray, edges: FloatArray, weight: float, label: str) -> FloatArray:
    height, _ = np.histogram(value, edges)
    height = height * weight
    ax.stairs(height, edges, fill=True, facecolor=_HISTOGRAM, edgecolor="white", linewidth=0.4, label=label)
    return np.asarray(height)


def prior_density(table: pd.DataFrame, prior: MixturePrior, ax: Axes) -> Axes:
    """The genes' own estimates and the fitted distribution of the real effects behind them.

    Parameters
    ----------
    table, ax
        As in `volcano`.
    prior
        The fitted prior. Its slab is drawn scaled by 1 - pi0, its null as a bar of height pi0 on the
        right-hand axis.

    Returns
    -------
    Axes
        The same axes.
    """
    effect = _values(_tested(table), "log2_fc")
    end = _middle(np.abs(effect))
    edges = np.linspace(-end, end, 82)
    weight = 1 / (max(len(effect), 1) * (edges[1] - edges[0]))
    height = _histogram(ax, effect, edges, weight, "_estimates")
    grid = np.linspace(-end, end, 1601)
    slab = slab_density(prior, grid)
    ax.plot(grid, slab, color=_COLOUR["up"], linewidth=1.6, zorder=3)
    # A narrow component is a needle at 0 that would flatten everything else.
    tallest = float(height.max(initial=0)) or float(slab.max())
    top = 1.08 * max(tallest, min(float(slab.max()), 2 * tallest)) or 1.0
    ax.set(xlim=(-end, end), ylim=(0, top), xlabel="log2 fold change", ylabel="density")
    _spike(ax, prior, top)
    null = f", sd {prior.null_scale:.2g}" if prior.null_scale > 0 else ""
    entries: list[tuple[Artist, str]] = [
        (Patch(facecolor=_HISTOGRAM), "no pooling: the genes' own estimates, error included"),
        (
            Line2D([], [], color=_COLOUR["up"], linewidth=1.6),
            f"fitted real effects ({1 - prior.pi0:.1%} of genes)",
        ),
        (
            Line2D([], [], color=_COLOUR["down"], linewidth=3.5),
            f"estimated unchanged (pi0 = {prior.pi0:.1%}{null})",
        ),
    ]
    _legend(ax, entries)
    n_beyond = int((np.abs(effect) > end).sum())
    note = f"{_number_of_genes(len(effect))} tested" + (f", {n_beyond:,} of them beyond the axis" if n_beyond else "")
    cut = "the fitted curve leaves the top of the axis near 0" if slab.max() > top else ""
    _heading(ax, "Estimates and fitted prior", [note, cut])
    return ax


def _middle(size: FloatArray) -> float:
    """Where a histogram of signed values ends: just past 99.5% of them."""
    finite = size[np.isfinite(size)]
    if len(finite) == 0:
        return 1.0
    return max(min(float(finite.max()), 1.5 * float(np.quantile(finite, 0.995))), 1e-3)


def _spike(ax: Axes, prior: MixturePrior, top: float) -> None:
    """The null as a bar of height pi0 on a right-hand axis from 0 to 1."""

    def to_share(height: Any) -> Any:
        return height / top

    def to_height(share: Any) -> Any:
        return share * top

    ax.vlines(prior.mode, 0, to_height(prior.pi0), color=_COLOUR["down"], linewidth=3.5, zorder=4)
    right = ax.secondary_yaxis("right", functions=(to_share, to_height))
    right.set_ylabel(f"share of genes in the spike at {prior.mode:.3g}", color=_COLOUR["down"])
    right.tick_params(colors=_COLOUR["down"])


def _genes_axis(ax: Axes) -> None:
    ax.set_ylabel("genes")
    ax.set_ylim(0, max(ax.dataLim.y1, 1.0) * 1.05)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.4g}"))


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
    lfdr = _values(_tested(table), "lfdr")
    _histogram(ax, lfdr, np.linspace(0, 1, 41), 1, "_lfdr")
    ax.set_xlim(0, 1)
    _genes_axis(ax)
    ax.set_xlabel("local false discovery rate")
    low, high = int((lfdr < 0.05).sum()), int((lfdr > 0.95).sum())
    note = f"{_number_of_genes(len(lfdr))} tested: {low:,} below 0.05, {high:,} above 0.95"
    _heading(ax, "Probability that a gene is unchanged", [note])
    return ax


# ---- diagnostics ---------------------------------------------------------------------------------


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
    p_value = _values(_tested(table), "p_value")
    p_value = p_value[~np.isnan(p_value)]
    edges = np.linspace(0, 1, 41)
    _histogram(ax, p_value, edges, 1, "_p_value")
    flat = 2 * float((p_value > 0.5).sum()) / 40
    line = ax.axhline(flat, color=_COLOUR["up"], linewidth=1.2, linestyle=(0, (4, 3)))
    share = min(flat * 40 / max(len(p_value), 1), 1.0)
    ax.set_xlim(0, 1)
    _genes_axis(ax)
    ax.set_xlabel("p-value, before any pooling")
    entries: list[tuple[Artist, str]] = [
        (Patch(facecolor=_HISTOGRAM), f"{_number_of_genes(len(p_value))} tested"),
        (line, f"level of p > 0.5, as if {share:.0%} of genes were unchanged"),
    ]
    _legend(ax, entries)
    _heading(ax, "p-values", ["flat with a peak at 0 is healthy; other shapes mean a poor error model"])
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

    genes = _tested(table)
    z = -np.sign(_values(genes, "log2_fc")) * special.ndtri(_values(genes, "p_value") / 2)
    n_absent = int(np.isnan(z).sum())
    z = np.sort(z[~np.isnan(z)])
    ax.axline((0, 0), slope=1, color=_INK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=3)
    n_beyond, reach = 0, 3.0
    if len(z):
        expected = np.asarray(special.ndtri((np.arange(len(z)) + 0.5) / len(z)))
        reach = max(reach, 1.05 * float(np.abs(expected).max()))
        at, low, high = _null_band(len(z))
        ax.fill_between(at, low, high, color=_FAINT, alpha=0.6, linewidth=0, zorder=1)
        ends = (-reach, reach), _sides(z)
        ax.set_ylim(_padded((min(ends[1][0], -reach), max(ends[1][1], reach))))
        n_beyond = _cloud(ax, expected, z, {"every": np.ones(len(z), dtype=bool)}, ends)
    ax.set_xlim(-reach, reach)
    ax.set_xlabel("expected if every gene were unchanged")
    ax.set_ylabel("signed z score of the p-value")
    entries: list[tuple[Artist, str]] = [
        (Line2D([], [], color=_INK, linewidth=0.8, linestyle=(0, (4, 3))), "every gene unchanged: N(0, 1)"),
        (Patch(facecolor=_FAINT), "95% range of each, if genes were independent"),
    ]
    _legend(ax, entries)
    notes = [_beyond_note(n_beyond), _absent_note(n_absent, "a p-value")]
    shape = "a middle steeper than the line means errors larger than assumed"
    _heading(ax, "z scores against their null", [*notes, shape])
    return ax


# ---- covariates ----------------------------------------------------------------------------------


def covariate_shares(term: Mapping[str, Any], ax: Axes) -> Axes:
    """Shares of changed genes by values of a covariate, before and after their effects were seen.

    Parameters
    ----------
    term
        One of the ``terms`` of prior.json's ``covariates``.
    ax
        Where to draw.

    Returns
    -------
    Axes
        The same axes.
    """
    shares = term["shares"]
    place = np.arange(len(shares))
    before, after = (np.array([row[name] for row in shares]) for name in ("before", "after"))
    ax.plot(place, before, color=_COLOUR["up"], marker="_", markersize=12, markeredgewidth=2, linewidth=0.8)
    ax.plot(place, after, color=_COLOUR["down"], marker="o", markersize=5, linestyle="none")
    values = [row["value"] if isinstance(row["value"], str) else _short(row["value"]) for row in shares]
    ax.set_xticks(place, [displayed(value, 20) for value in values], parse_math=False)
    if max(map(len, values)) * len(values) > 60:
        ax.tick_params(axis="x", rotation=30)
    ax.set_ylim(0, 1.25 * max(float(before.max()), float(after.max()), 1e-3))
    ax.set_ylabel("share of changed genes")
    name = displayed(term["name"], 40)
    ax.set_xlabel(f"{name}" if len(shares) < 10 else f"{name}: medians of its tenths", parse_math=False)
    entries: list[tuple[Artist, str]] = [
        (Line2D([], [], color=_COLOUR["up"], linewidth=1.6), "expected from the covariates alone"),
        (Line2D([], [], color=_COLOUR["down"], marker="o", linestyle="none"), "found once the effects were seen"),
    ]
    # Inside, because the names of categories take the room below.
    handles, words = zip(*entries, strict=True)
    ax.legend(handles, words, loc="best", frameon=False, fontsize=_SMALL)
    unknown = f"unknown for {term['unknown']:,} genes, which count as average" if term["unknown"] else ""
    _heading(ax, f"What {name} tells", [unknown])
    return ax


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def evidence_conflict(term: Mapping[str, Any], ax: Axes) -> Axes:
    """An elicited log odds ratio, what the data say of it, and both together.

    Parameters
    ----------
    term
        One of the ``terms`` of prior.json's ``covariates``, with ``evidence``.
    ax
        Where to draw.

    Returns
    -------
    Axes
        The same axes.
    """
    evidence = term["evidence"]
    curves = (
        ("prior_mean", "prior_sd", "given", _FAINT, (0, (4, 3))),
        ("likelihood", "likelihood_se", "the data alone", _COLOUR["down"], "solid"),
        ("posterior", "posterior_se", "both together", _COLOUR["up"], "solid"),
    )
    ends = [evidence[mean] + sign * 4 * evidence[sd] for mean, sd, *_ in curves for sign in (-1, 1)]
    x = np.linspace(min(ends), max(ends), 800)
    entries: list[tuple[Artist, str]] = []
    for mean, sd, words, colour, style in curves:
        density = np.exp(-0.5 * ((x - evidence[mean]) / evidence[sd]) ** 2) / (evidence[sd] * np.sqrt(2 * np.pi))
        (line,) = ax.plot(x, density, color=colour, linestyle=style, linewidth=1.6)
        odds = np.exp(evidence[mean] + np.array([-1.645, 0, 1.645]) * evidence[sd])
        entries.append((line, f"{words}: odds ratio {odds[1]:.2g} (90%: {odds[0]:.2g} to {odds[2]:.2g})"))
    ax.set_ylim(0, None)
    ax.set_xlabel(f"log odds ratio of being changed, per unit of {displayed(term['name'], 40)}", parse_math=False)
    ax.set_ylabel("density")
    _legend(ax, entries)
    notes = [
        f"data and evidence are {abs(evidence['z']):.1f} standard deviations apart",
        f"probability that the evidence is beside the point: 0.2 before, {evidence['doubt']:.2g} now",
    ]
    _heading(ax, "Evidence and data", notes)
    return ax


# ---- hidden factors ------------------------------------------------------------------------------

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
    ax.axhline(0, color=_FAINT, linewidth=0.8, zorder=0)
    told = [] if column is None else _paint_samples(hidden["sheet"][column], x, y, ax)
    if column is None:
        ax.plot(x, y, "o", color=_GROUPS[0], markersize=6, linestyle="none")
    if n_samples <= _MOST_NAMED:
        for name, left, height in zip(hidden["sample"], x, y, strict=True):
            place: dict[str, Any] = {"xytext": (4, 3), "textcoords": "offset points"}
            ax.annotate(displayed(name, 14), (left, height), size=6.5, color=_INK, parse_math=False, **place)
    ax.margins(0.2 if n_samples <= _MOST_NAMED else 0.05, 0.12)
    if told:
        handles, words = zip(*told, strict=True)
        ax.legend(handles, [displayed(word, 24) for word in words], loc="best", frameon=False, fontsize=_SMALL)
    share = " and ".join(f"{100 * each:.0f}%" for each in hidden["share"][:2])
    notes = [f"{'the factors take' if n_factors > 1 else 'the factor takes'} {share} of the residual variance"]
    if column is not None:
        parts = [f"{100 * _told_by(hidden, column, i):.0f}% of factor {i + 1}" for i in range(min(n_factors, 2))]
        notes.append(f"{displayed(column, 40)} explains {' and '.join(parts)}")
    _heading(ax, "Hidden variation" if column is None else f"Hidden variation by {displayed(column, 40)}", notes)
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


def _telling_columns(hidden: Mapping[str, Any]) -> list[str]:
    """Columns of the sheet that group samples or put them in order, those that explain the first factor best first."""
    fit = []
    for name, values in hidden["sheet"].items():
        n_values = len(set(values))
        ordered = _numbers(values) is not None and n_values > len(_GROUPS)
        if ordered or 1 < n_values <= len(values) / 2:
            fit.append(name)
    return sorted(fit, key=lambda name: -_told_by(hidden, name))[:_MOST_COLUMNS]


def _draw_hidden(hidden: Mapping[str, Any] | None, panels: Sequence[Axes]) -> None:
    for ax in panels:
        ax.set_axis_off()
    if hidden is None:
        words = "No hidden factor: beyond the design, replicates differ no more together than chance lets them,\n"
        panels[0].text(0.5, 0.5, words + "or they are too few to tell.", ha="center", color=_INK)
        return
    columns = _telling_columns(hidden)
    for i, ax in enumerate(panels[: max(1, len(columns))]):
        ax.set_axis_on()
        hidden_scores(hidden, columns[i] if columns else None, ax)


# ---- whole figures and files ---------------------------------------------------------------------


def draw(
    name: str,
    table: pd.DataFrame,
    prior: MixturePrior,
    *,
    level: float = 0.05,
    label: int = 20,
    up: str = "higher",
    down: str = "lower",
    x: str = "post_mean",
    y: str = "lfdr",
    title: str = "",
    covariates: Mapping[str, Any] | None = None,
    hidden: Mapping[str, Any] | None = None,
) -> Figure:
    """One of the figures of `FIGURES`, composed.

    Parameters
    ----------
    name
        Which figure.
    table, level, label, up, down, x, y
        As in `volcano`.
    prior
        The fitted prior, for the figure of that name.
    title
        Heading above the panels; none if empty.
    covariates, hidden
        prior.json's ``covariates`` and ``hidden_factors``, for the figures of these names.

    Returns
    -------
    Figure
        To be written with `figure_bytes`.

    Raises
    ------
    InputError
        If there is no figure of that name, or `x` or `y` is not a column it can draw.
    """
    _require("the figure", name, FIGURES)
    words: dict[str, Any] = {"level": level, "up": up, "down": down}
    with mpl.rc_context(cast(Any, _STYLE)), warnings.catch_warnings():
        _ignore_missing_glyphs()
        n_rows, n_columns = _panels(name, covariates, hidden)
        size = (7.0, 6.2) if n_columns == 1 else (10.0, 4.6 * n_rows)
        if name == "hidden" and hidden is None:
            # Two lines that say so; the workflow was promised a file before anyone could know.
            size = (7.0, 0.9)
        figure = Figure(figsize=size, dpi=150, layout="constrained")
        if title:
            figure.suptitle(displayed(title, 90), x=0.01, ha="left", size=12, color=_INK, parse_math=False)
        panels = [cast(Axes, panel) for panel in figure.subplots(n_rows, n_columns, squeeze=False).flat]
        # The first layout gives the panels their width, to which text is wrapped.
        _lay_out(figure)
        if name == "volcano":
            volcano(table, panels[0], x=x, y=y, label=label, **words)
        elif name == "ma":
            ma(table, panels[0], label=label, **words)
        elif name == "shrinkage":
            shrinkage(table, panels[0], **words)
        elif name == "prior":
            prior_density(table, prior, panels[0])
            lfdr_density(table, panels[1])
        elif name == "covariates":
            _draw_covariates(cast(Any, covariates)["terms"], panels)
        elif name == "hidden":
            _draw_hidden(hidden, panels)
        else:
            p_histogram(table, panels[0])
            null_qq(table, panels[1])
        # Lay out once, not again for every format.
        _lay_out(figure)
        figure.set_layout_engine("none")
    return figure


def _panels(name: str, covariates: Mapping[str, Any] | None, hidden: Mapping[str, Any] | None) -> tuple[int, int]:
    """Rows and columns of a figure's panels."""
    if name == "hidden":
        n_panels = 1 if hidden is None else max(1, len(_telling_columns(hidden)))
        return -(-n_panels // 2), min(n_panels, 2)
    if name != "covariates":
        return 1, 2 if name in ("prior", "diagnostics") else 1
    if covariates is None:
        raise InputError("the prior has no covariates, so there is no figure of them. Leave the figure out.")
    n_panels = sum(2 if term["evidence"] else 1 for term in covariates["terms"])
    return -(-n_panels // 2), min(n_panels, 2)


def _draw_covariates(terms: Sequence[Mapping[str, Any]], panels: Sequence[Axes]) -> None:
    free = list(panels)
    for term in terms:
        covariate_shares(term, free.pop(0))
        if term["evidence"]:
            evidence_conflict(term, free.pop(0))
    for ax in free:
        ax.set_axis_off()


def _lay_out(figure: Figure) -> None:
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)


def _ignore_missing_glyphs() -> None:
    # A gene may be named in a script the font lacks; a box in the figure is no reason to stop or to warn.
    warnings.filterwarnings("ignore", message=".*[Gg]lyph.* missing from.*")
    warnings.filterwarnings("ignore", message="Matplotlib currently does not support .* natively")


def figure_bytes(figure: Figure, format: str) -> bytes:
    """A figure as a file: the same bytes for the same figure.

    Parameters
    ----------
    figure
        What to write.
    format
        ``png`` (150 dots per inch), ``svg`` or ``pdf``; the text of the last two stays text.

    Returns
    -------
    bytes
        The file's content.

    Raises
    ------
    InputError
        If the format is none of the three.
    """
    _require("the format", format, FORMATS)
    metadata: dict[str, Any] = {
        "png": {"Software": None},
        "svg": {"Date": None, "Creator": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    }[format]
    buffer = io.BytesIO()
    with mpl.rc_context(cast(Any, _FILE_STYLE)), warnings.catch_warnings():
        _ignore_missing_glyphs()
        figure.savefig(buffer, format=format, dpi=150 if format == "png" else 220, metadata=metadata)
    return buffer.getvalue()
