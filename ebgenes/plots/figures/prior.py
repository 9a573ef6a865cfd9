"""The prior that all genes share, and the local false discovery rates it gives."""

from __future__ import annotations

from ebgenes.plots.figures.record import FigureRecord, drawn_by

FIGURE = FigureRecord(
    name="prior",
    place=3,
    of=("contrast", "studies"),
    caption="Left: the genes' own estimates and the fitted prior. Right: local false discovery rates.",
    draw=drawn_by("pooling", "draw_prior"),
    needs=("table", "prior"),
    on_page="script",
)
