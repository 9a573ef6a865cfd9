"""The most certain genes in every study."""

from __future__ import annotations

from ebgenes.plots.figures.record import FigureRecord, drawn_by

FIGURE = FigureRecord(
    name="forest",
    place=10,
    of=("studies",),
    caption="The most certain genes in every study: its own estimate with a 95% interval, and the common effect.",
    draw=drawn_by("studies", "draw_forest"),
    needs=("table", "own", "studies"),
    lacking="the studies' own effects. `ebgenes studies` draws it.",
    on_page="image",
)
