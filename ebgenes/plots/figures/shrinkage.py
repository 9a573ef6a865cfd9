"""What pooling does to single genes."""

from __future__ import annotations

from ebgenes.plots.figures.record import FigureRecord, drawn_by

FIGURE = FigureRecord(
    name="shrinkage",
    place=4,
    of=("contrast", "studies"),
    caption="What pooling does: each gene's own estimate (ring), its posterior mean (head), and one effect for all.",
    draw=drawn_by("pooling", "draw_shrinkage"),
    needs=("table", "level", "up_label", "down_label"),
    on_page="script",
)
