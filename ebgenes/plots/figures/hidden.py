"""Variation that replicates share and the design does not name."""

from __future__ import annotations

from ebgenes.plots.figures.record import FigureRecord, drawn_by

FIGURE = FigureRecord(
    name="hidden",
    place=7,
    of=("contrast",),
    caption="Variation that replicates share: scores of the samples, beside what the sample sheet says of them.",
    draw=drawn_by("samples", "draw_hidden"),
    needs=("hidden",),
    lacking="a hidden factor, and none was found. Leave the figure out.",
    when=lambda settings: settings.effects.hidden_factors != 0,
    part="hidden_factors",
    found=True,
    on_page="image",
)
