"""Rates against the truth, where it is known."""

from __future__ import annotations

from ebgenes.plots.figures.record import FigureRecord, drawn_by

FIGURE = FigureRecord(
    name="calibration",
    place=12,
    # Only `ebgenes plot` is told the truth.
    of=(),
    caption="Left: shares of unchanged genes by their local false discovery rate. Right: false shares of lists.",
    draw=drawn_by("diagnostics", "draw_calibration"),
    needs=("table", "null"),
    lacking="the true effects. Name their table (--truth).",
)
