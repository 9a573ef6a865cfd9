"""The volcano: effects against their certainty."""

from __future__ import annotations

from ebgenes.plots.figures.record import FigureRecord, drawn_by

FIGURE = FigureRecord(
    name="volcano",
    place=1,
    of=("contrast", "studies"),
    caption="Volcano plot: size of the effect against how certain it is, one point for each tested gene; triangles are "
    "the genes of the list.",
    draw=drawn_by("clouds", "draw_volcano"),
    needs=("table", "level", "label", "up_label", "down_label", "x", "y"),
    on_page="first",
)
