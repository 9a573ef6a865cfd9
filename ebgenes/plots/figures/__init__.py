"""Static figures: each a file, which registers itself by its `FIGURE`. Nothing here loads matplotlib."""

from __future__ import annotations

import sys

from ebgenes.errors import InputError
from ebgenes.imports import records_in
from ebgenes.plots.figures.record import FigureRecord as FigureRecord, Of as Of

FIGURES: dict[str, FigureRecord] = {}


def register(figure: FigureRecord) -> None:
    """Let a figure be asked for by its name."""
    FIGURES[figure.name] = figure


def figure_of(name: str) -> FigureRecord:
    """The figure of a name.

    Raises
    ------
    InputError
        Where there is none.
    """
    if name not in FIGURES:
        every = sorted(FIGURES.values(), key=lambda figure: figure.place)
        raise InputError(f"the figure must be one of {', '.join(figure.name for figure in every)}; found {name!r}")
    return FIGURES[name]


def figures_of(what: Of) -> list[FigureRecord]:
    """All figures of a contrast, of a dataset and so on, in their order."""
    return sorted((figure for figure in FIGURES.values() if what in figure.of), key=lambda figure: figure.place)


for _figure in records_in(sys.modules[__name__], "FIGURE"):
    register(_figure)
