"""Any figure of a table, by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ebgenes.arrays import BoolArray
from ebgenes.plots.figures import figure_of
from ebgenes.records.counts import Study
from ebgenes.records.effects import MultiDfEffects
from ebgenes.records.posterior import MultiDfPosterior
from ebgenes.records.prior import MixturePrior

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def draw(
    name: str,
    table: pd.DataFrame,
    prior: MixturePrior,
    *,
    level: float = 0.05,
    label: int = 20,
    up_label: str = "higher",
    down_label: str = "lower",
    x: str = "post_mean",
    y: str = "lfdr",
    title: str = "",
    covariates: Mapping[str, Any] | None = None,
    hidden: Mapping[str, Any] | None = None,
    stored: Mapping[str, Any] | None = None,
    study: Study | None = None,
    null: BoolArray | None = None,
    own: pd.DataFrame | None = None,
    studies: Mapping[str, Any] | None = None,
    effects: MultiDfEffects | None = None,
    posterior: MultiDfPosterior | None = None,
) -> Figure:
    """One of the figures of a table, composed.

    Parameters
    ----------
    name
        Which figure (`ebgenes.plots.FIGURES`).
    table, level, label, up_label, down_label, x, y
        As in `volcano`.
    prior
        The fitted prior, for the figure of that name.
    title
        Heading above the panels; none if empty.
    covariates, hidden, stored
        prior.json's ``covariates``, ``hidden_factors`` and ``stored``, for the figures of these names.
    study
        Counts and samples, for ``heatmap``.
    null
        Which rows of the table are truly unchanged, for ``calibration``, (G,).
    own, studies
        ``studies.tsv`` and prior.json's ``studies``, for ``forest``.
    effects, posterior
        Of several rows, for ``rows``; the table is of these too.

    Returns
    -------
    Figure
        To be written with `figure_bytes`.

    Raises
    ------
    InputError
        If there is no figure of that name, it lacks what it is drawn of, or `x` or `y` is not a column it can draw.
    """
    known = {
        "table": table, "prior": prior, "level": level, "label": label, "up_label": up_label, "down_label": down_label,
        "x": x, "y": y, "covariates": covariates, "hidden": hidden, "stored": stored, "study": study, "null": null,
        "own": own, "studies": studies, "effects": effects, "posterior": posterior,
    }  # fmt: skip
    return figure_of(name).drawn(title, known)
