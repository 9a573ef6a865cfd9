"""A stored prior beside the study it is applied to."""

from __future__ import annotations

from ebgenes.plots.figures.record import FigureRecord, drawn_by

FIGURE = FigureRecord(
    name="stored",
    place=8,
    of=("contrast", "studies"),
    caption="The stored prior: how large z-scores it predicts, and how large they are.",
    draw=drawn_by("stored", "draw_stored"),
    needs=("stored",),
    lacking="a stored prior (prior.from), and this fit has none. Leave the figure out.",
    when=lambda settings: settings.prior.stored is not None,
    part="stored",
    on_page="image",
)
