"""Figures around their panels, and their files."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ebgenes.plots.style import INK, STYLE, displayed, require_one_of

FORMATS = ("png", "svg", "pdf")
RESOLUTION = 300
"""Dots per inch of pixels, also of points within the other formats; journals ask for 300."""
_FILE_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ebgenes",
    "pdf.fonttype": 42,
    "text.usetex": False,
}


class ShownFigure(Figure):
    """A figure that notebooks show by itself."""

    def _repr_png_(self) -> bytes:
        return figure_bytes(self, "png", resolution=100)


@contextmanager
def composed(
    n_rows: int, n_columns: int, size: tuple[float, float] | None, title: str
) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure and its panels, laid out around what is drawn in the block."""
    with mpl.rc_context(cast(Any, STYLE)), warnings.catch_warnings():
        _ignore_missing_glyphs()
        size = size or ((7.0, 6.2) if n_columns == 1 else (10.0, 4.6 * n_rows))
        figure = ShownFigure(figsize=size, dpi=150, layout="constrained")
        if title:
            figure.suptitle(displayed(title, 90), x=0.01, ha="left", size=12, color=INK, parse_math=False)
        panels = [cast(Axes, panel) for panel in figure.subplots(n_rows, n_columns, squeeze=False).flat]
        # The first layout gives the panels their width, to which text is wrapped.
        _lay_out(figure)
        yield figure, panels
        # Lay out once, not again for every format.
        _lay_out(figure)
        figure.set_layout_engine("none")


def _lay_out(figure: Figure) -> None:
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)


def _ignore_missing_glyphs() -> None:
    # A gene may be named in a script the font lacks; a box in the figure is no reason to stop or to warn.
    warnings.filterwarnings("ignore", message=".*[Gg]lyph.* missing from.*")
    warnings.filterwarnings("ignore", message="Matplotlib currently does not support .* natively")


def figure_bytes(figure: Figure, format: str, *, resolution: int = RESOLUTION) -> bytes:
    """A figure as a file: the same bytes for the same figure.

    Parameters
    ----------
    figure
        What to write.
    format
        ``png``, ``svg`` or ``pdf``; the text of the last two stays text.
    resolution
        Dots per inch.

    Returns
    -------
    bytes
        The file's content.

    Raises
    ------
    InputError
        If the format is none of the three.
    """
    require_one_of("the format", format, FORMATS)
    metadata: dict[str, Any] = {
        "png": {"Software": None},
        "svg": {"Date": None, "Creator": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    }[format]
    buffer = io.BytesIO()
    with mpl.rc_context(cast(Any, _FILE_STYLE)), warnings.catch_warnings():
        _ignore_missing_glyphs()
        figure.savefig(buffer, format=format, dpi=resolution, metadata=metadata)
    return buffer.getvalue()
