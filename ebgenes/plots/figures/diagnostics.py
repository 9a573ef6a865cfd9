"""Whether the null fits: p-values and z scores."""

from __future__ import annotations

from ebgenes.plots.figures.record import FigureRecord, drawn_by

FIGURE = FigureRecord(
    name="diagnostics",
    place=5,
    of=("contrast", "studies"),
    caption="Whether the null fits. Left: p-values before any pooling. Right: z scores against the standard normal.",
    draw=drawn_by("diagnostics", "draw_diagnostics"),
    needs=("table",),
    on_page="script",
)
