"""Dispersions over mean counts."""

from __future__ import annotations

from ebgenes.plots.figures.record import FigureRecord, drawn_by

FIGURE = FigureRecord(
    name="dispersion",
    place=14,
    of=("dataset",),
    caption="Dispersions: where each gene's own likelihood peaks, and the trend that all genes share.",
    draw=drawn_by("diagnostics", "draw_gene_dispersions"),
    lacking="a whole dataset. Ask for it in the config (report: figures:).",
    needs=("study", "design", "trends"),
)
