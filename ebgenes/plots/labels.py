"""Labels of genes: inside the axes, off each other, and named below the title where there is no room.

All geometry is in pixels of the figure; boxes are (left, bottom, right, top) in the last axis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ebgenes.arrays import FloatArray
from ebgenes.plots.style import INK, SMALL, BoolArray, not_shown_note, set_heading


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
    return np.asarray(distance + 60 * hidden + shyness * walled + 30 * struck + 100 * crossed)


def _place(
    anchors: FloatArray, sizes: FloatArray, area: FloatArray, points: FloatArray, unit: float
) -> list[FloatArray | None]:
    """Boxes for the labels, or None where there is no room.

    One label after the other takes the best place left: near its gene, covering few points, its
    leader crossing few others. Further sweeps move each label to a better place that the others have
    opened. Labels whose leaders still cross others have no room, those that cross most before others.

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
    while placed:
        line = np.array(list(placed.values()))[:, 4:]
        crossed = _cross(line[:, :2], line[:, 2:], line).sum(axis=1)
        if crossed.max() == 0:
            break
        # Of as many, the less certain gene.
        del placed[max(row for row, times in zip(placed, crossed, strict=True) if times == crossed.max())]
    return [placed[row][:4] if row in placed else None for row in range(len(anchors))]


def _text_sizes(ax: Axes, names: Sequence[str]) -> FloatArray:
    """Width and height of labels in pixels, (L, 2)."""
    text = ax.text(0, 0, "", size=SMALL, parse_math=False, usetex=False)
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
        arrow = {"arrowstyle": "-", "linewidth": 0.5, "color": INK, "shrinkA": 0, "shrinkB": 1.5,
                 "patchA": None, "relpos": tuple(relative)}  # fmt: skip
    note = ax.annotate(
        name,
        xy=(float(at[0]), float(at[1])),
        xytext=tuple((box[:2] - anchor) / unit),
        textcoords="offset points",
        size=SMALL,
        color=INK,
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


def label_genes(ax: Axes, at: FloatArray, names: list[str], cloud: FloatArray, title: str, notes: list[str]) -> None:
    """Head the axes and label genes in their order, telling in a note which labels found no room.

    The note takes space from the axes, so the search starts again without the labels it names until
    nothing more is lost.
    """
    figure = cast(Figure, ax.get_figure(root=True))
    unit = figure.dpi / 72
    lost: list[str] = []
    cloud = cloud[~np.isnan(cloud).any(axis=1)]
    while True:
        set_heading(ax, title, [*notes, not_shown_note(lost)])
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
