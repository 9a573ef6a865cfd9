"""How far conditions share effects."""

from __future__ import annotations

from ebgenes.plots.figures.record import FigureRecord, drawn_by

FIGURE = FigureRecord(
    name="sharing",
    place=15,
    of=("conditions",),
    caption="How far conditions share effects. Of the genes changed in either of two conditions: the share whose "
    "effects lie within a factor of 2, and have the same direction, in both.",
    draw=drawn_by("sharing", "draw_sharing"),
    lacking="conditions taken together. Ask for it in the config (report: figures:).",
    needs=("sharing",),
    on_page="image",
)
