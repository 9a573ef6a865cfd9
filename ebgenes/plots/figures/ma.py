"""The MA plot: effects against mean counts."""

from __future__ import annotations

from ebgenes.plots.figures.record import FigureRecord, drawn_by

FIGURE = FigureRecord(
    name="ma",
    place=2,
    of=("contrast", "studies"),
    caption="MA plot: size of the effect against the mean of normalized counts; triangles are the genes of the list.",
    draw=drawn_by("clouds", "draw_ma"),
    needs=("table", "level", "label", "up_label", "down_label"),
    on_page="script",
)
