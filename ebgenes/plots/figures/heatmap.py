"""Counts of the most certain genes in every sample."""

from __future__ import annotations

from ebgenes.plots.figures.record import FigureRecord, drawn_by

FIGURE = FigureRecord(
    name="heatmap",
    place=11,
    of=("contrast",),
    caption="Log2 normalized counts, each less its gene's mean, of the most certain genes in every sample.",
    draw=drawn_by("samples", "draw_heat_map"),
    needs=("table", "study", "level"),
    lacking="the counts. Name counts.h5ad (--counts).",
)
