"""What covariates of the prior tell."""

from __future__ import annotations

from ebgenes.plots.figures.record import FigureRecord, drawn_by

FIGURE = FigureRecord(
    name="covariates",
    place=6,
    of=("contrast",),
    caption="What the covariates tell of a gene's chance to be changed, and what its effect added to that.",
    draw=drawn_by("covariates", "draw_covariates"),
    needs=("covariates",),
    lacking="a prior with covariates, and this one has none. Leave the figure out.",
    when=lambda settings: bool(settings.prior.covariates),
    part="covariates",
    on_page="image",
)
