"""Several effects of the most certain genes."""

from __future__ import annotations

from ebgenes.plots.figures.record import FigureRecord, drawn_by

FIGURE = FigureRecord(
    name="rows",
    place=9,
    of=("multi_df",),
    caption="The most certain genes: effects of all rows after pooling with their intervals (filled), and without it "
    "(hollow or dashed).",
    draw=drawn_by("rows", "draw_rows"),
    needs=("table", "effects", "posterior"),
    lacking="effects of several rows. Name effects.h5 of such a contrast (--effects).",
    on_page="image",
)
