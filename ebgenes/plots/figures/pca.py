"""Samples on their principal components."""

from __future__ import annotations

from ebgenes.plots.figures.record import FigureRecord, drawn_by

FIGURE = FigureRecord(
    name="pca",
    place=13,
    of=("dataset",),
    caption="Samples on the first principal components of log2 normalized counts plus 4, of the 500 genes that vary "
    "most.",
    draw=drawn_by("samples", "draw_pca"),
    lacking="a whole dataset. Ask for it in the config (report: figures:).",
    needs=("study",),
)
