"""Whole figures and their files."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ebgenes.arrays import BoolArray, FloatArray
from ebgenes.errors import InputError
from ebgenes.plots.clouds import ma, volcano
from ebgenes.plots.covariates import covariate_shares, evidence_conflict
from ebgenes.plots.diagnostics import dispersions, lfdr_calibration, null_qq, p_histogram, realised_fdp
from ebgenes.plots.pooling import lfdr_density, prior_density, shrinkage
from ebgenes.plots.rows import gene_rows
from ebgenes.plots.samples import components, heat_map, hidden_scores, telling_columns
from ebgenes.plots.sharing import sharing_matrix
from ebgenes.plots.stored import predicted_z
from ebgenes.plots.studies import forest
from ebgenes.plots.style import INK, STYLE, displayed, gene_labels, require_one_of
from ebgenes.records.counts import Study
from ebgenes.records.effects import JointEffects
from ebgenes.records.posterior import JointPosterior
from ebgenes.records.prior import MixturePrior
from ebgenes.results.table import tested

FIGURES = (
    "volcano", "ma", "prior", "shrinkage", "diagnostics", "covariates", "hidden", "stored", "forest",
    "heatmap", "calibration",
)  # fmt: skip
FORMATS = ("png", "svg", "pdf")
_MOST_ROWS = 40
_MOST_LINES = 20
_FILE_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ebgenes",
    "pdf.fonttype": 42,
    "text.usetex": False,
}


def _draw_hidden(hidden: Mapping[str, Any] | None, random: bool, panels: Sequence[Axes]) -> None:
    for ax in panels:
        ax.set_axis_off()
    if hidden is None:
        words = "No hidden factor: beyond the design, replicates differ no more together than chance lets them,\n"
        words += "or they are too few to tell."
        if random:
            words = "Hidden factors are not sought beside random ones."
        panels[0].text(0.5, 0.5, words, ha="center", color=INK)
        return
    columns = telling_columns(hidden)
    for i, ax in enumerate(panels[: max(1, len(columns))]):
        ax.set_axis_on()
        hidden_scores(hidden, columns[i] if columns else None, ax)


def draw(
    name: str,
    table: pd.DataFrame,
    prior: MixturePrior,
    *,
    level: float = 0.05,
    label: int = 20,
    up: str = "higher",
    down: str = "lower",
    x: str = "post_mean",
    y: str = "lfdr",
    title: str = "",
    covariates: Mapping[str, Any] | None = None,
    hidden: Mapping[str, Any] | None = None,
    random: bool = False,
    stored: Mapping[str, Any] | None = None,
    study: Study | None = None,
    null: BoolArray | None = None,
    own: pd.DataFrame | None = None,
    studies: Mapping[str, Any] | None = None,
) -> Figure:
    """One of the figures of `FIGURES`, composed.

    Parameters
    ----------
    name
        Which figure.
    table, level, label, up, down, x, y
        As in `volcano`.
    prior
        The fitted prior, for the figure of that name.
    title
        Heading above the panels; none if empty.
    covariates, hidden, stored
        prior.json's ``covariates``, ``hidden_factors`` and ``stored``, for the figures of these names.
    random
        Whether there are random factors, beside which hidden ones are not sought.
    study
        Counts and samples, for ``heatmap``.
    null
        Which rows of the table are truly unchanged, for ``calibration``, (G,).
    own, studies
        ``studies.tsv`` and prior.json's ``studies``, for ``forest``.

    Returns
    -------
    Figure
        To be written with `figure_bytes`.

    Raises
    ------
    InputError
        If there is no figure of that name, it lacks what it is drawn of, or `x` or `y` is not a column it can draw.
    """
    require_one_of("the figure", name, FIGURES)
    words: dict[str, Any] = {"level": level, "up": up, "down": down}
    if name == "heatmap":
        return _draw_heat_map(table, study, level, title)
    if name == "forest":
        return _draw_forest(table, own, studies, title)
    if name == "calibration" and null is None:
        raise InputError("the figure calibration needs the true effects. Name their table (--truth).")
    n_rows, n_columns = _panels(name, covariates, hidden)
    # Two lines that say that nothing is hidden; the workflow was promised a file before anyone could know.
    size = (7.0, 0.9) if name == "hidden" and hidden is None else None
    with _composed(n_rows, n_columns, size, title) as (figure, panels):
        if name == "volcano":
            volcano(table, panels[0], x=x, y=y, label=label, **words)
        elif name == "ma":
            ma(table, panels[0], label=label, **words)
        elif name == "shrinkage":
            shrinkage(table, panels[0], **words)
        elif name == "prior":
            prior_density(table, prior, panels[0])
            lfdr_density(table, panels[1])
        elif name == "covariates":
            _draw_covariates(cast(Any, covariates)["terms"], panels)
        elif name == "hidden":
            _draw_hidden(hidden, random, panels)
        elif name == "stored":
            predicted_z(cast(Any, stored), panels[0])
        elif name == "calibration":
            lfdr = table["lfdr"].to_numpy(dtype=float)
            known = tested(table).to_numpy() & ~np.isnan(lfdr)
            lfdr_calibration(lfdr[known], cast(BoolArray, null)[known], panels[0])
            realised_fdp(lfdr[known], cast(BoolArray, null)[known], panels[1])
        else:
            p_histogram(table, panels[0])
            null_qq(table, panels[1])
    return figure


def _draw_forest(
    table: pd.DataFrame, own: pd.DataFrame | None, studies: Mapping[str, Any] | None, title: str
) -> Figure:
    if own is None or studies is None:
        raise InputError("the figure forest needs the studies' own effects. `ebgenes studies` draws it.")
    n_genes = min(_MOST_LINES, max(int(tested(table).sum()), 1))
    height = 1.6 + n_genes * (0.12 + 0.1 * len(studies["study"])) + 0.12 * len(studies["study"])
    with _composed(1, 1, (7.0, height), title) as (figure, panels):
        forest(table, own, studies, panels[0], genes=_MOST_LINES)
    return figure


def _draw_heat_map(table: pd.DataFrame, study: Study | None, level: float, title: str) -> Figure:
    if study is None:
        raise InputError("the figure heatmap needs the counts. Name counts.h5ad (--counts).")
    n_genes = min(_MOST_ROWS, max(int(tested(table).sum()), 1))
    width = min(4.5 + 0.22 * len(study.counts.sample), 14.0)
    with _composed(1, 1, (width, 2.6 + 0.15 * n_genes), title) as (figure, panels):
        heat_map(table, study, panels[0], genes=_MOST_ROWS, level=level)
    return figure


def draw_components(told: Mapping[str, Any]) -> Figure:
    """The samples on their principal components, a panel for each column of the sheet that tells them apart.

    Parameters
    ----------
    told
        As in `ebgenes.plots.components`.
    """
    columns: list[str | None] = [*telling_columns(told)] or [None]
    with _composed(-(-len(columns) // 2), min(len(columns), 2), None, "") as (figure, panels):
        for ax in panels[len(columns) :]:
            ax.set_axis_off()
        for ax, column in zip(panels, columns, strict=False):
            components(told, column, ax)
    return figure


def draw_dispersions(mean: FloatArray, dispersion: FloatArray, trend: Mapping[str, Any] | None) -> Figure:
    """Dispersions over means as a whole figure; parameters as in `ebgenes.plots.dispersions`."""
    with _composed(1, 1, None, "") as (figure, panels):
        dispersions(mean, dispersion, trend, panels[0])
    return figure


def draw_rows(table: pd.DataFrame, effects: JointEffects, posterior: JointPosterior, *, genes: int = 12) -> Figure:
    """Several effects of the most certain genes, a panel each, as a whole figure.

    Parameters
    ----------
    table
        As `ebgenes.results.table.joint_table` makes it, for the genes' names.
    effects, posterior
        As in `ebgenes.plots.rows.gene_rows`.
    genes
        Panels at most.
    """
    # Imported here, with what questions of several rows need and others do not.

    judged = table[tested(table)]
    name = dict(zip(judged["gene_id"], gene_labels(judged), strict=True))
    size = np.abs(posterior.mean[np.arange(len(posterior.gene)), posterior.leading])
    chosen = np.lexsort((-size, posterior.lfdr))[:genes]
    n_columns = min(4, max(len(chosen), 1))
    n_rows = max(1, -(-len(chosen) // n_columns))
    with _composed(n_rows, n_columns, (3.1 * n_columns, 2.5 * n_rows), "") as (figure, panels):
        for ax in panels[len(chosen) :]:
            ax.set_axis_off()
        for ax, gene in zip(panels, chosen, strict=False):
            gene_rows(effects, posterior, int(gene), ax, title=name[effects.gene[gene]])
    return figure


def draw_sharing(told: Mapping[str, Any]) -> Figure:
    """How far conditions share effects as a whole figure; told as in `ebgenes.plots.sharing_matrix`."""
    side = min(3.2 + 0.3 * len(told["condition"]), 20.0)
    with _composed(1, 2, (2 * side, side), "") as (figure, panels):
        for what, ax in zip(("size", "sign"), panels, strict=True):
            sharing_matrix(told, what, ax)
    return figure


@contextmanager
def _composed(
    n_rows: int, n_columns: int, size: tuple[float, float] | None, title: str
) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure and its panels, laid out around what is drawn in the block."""
    with mpl.rc_context(cast(Any, STYLE)), warnings.catch_warnings():
        _ignore_missing_glyphs()
        size = size or ((7.0, 6.2) if n_columns == 1 else (10.0, 4.6 * n_rows))
        figure = Figure(figsize=size, dpi=150, layout="constrained")
        if title:
            figure.suptitle(displayed(title, 90), x=0.01, ha="left", size=12, color=INK, parse_math=False)
        panels = [cast(Axes, panel) for panel in figure.subplots(n_rows, n_columns, squeeze=False).flat]
        # The first layout gives the panels their width, to which text is wrapped.
        _lay_out(figure)
        yield figure, panels
        # Lay out once, not again for every format.
        _lay_out(figure)
        figure.set_layout_engine("none")


def _panels(name: str, covariates: Mapping[str, Any] | None, hidden: Mapping[str, Any] | None) -> tuple[int, int]:
    """Rows and columns of a figure's panels."""
    if name == "hidden":
        n_panels = 1 if hidden is None else max(1, len(telling_columns(hidden)))
        return -(-n_panels // 2), min(n_panels, 2)
    if name != "covariates":
        return 1, 2 if name in ("prior", "diagnostics", "calibration") else 1
    if covariates is None:
        raise InputError("the prior has no covariates, so there is no figure of them. Leave the figure out.")
    n_panels = sum(2 if term["evidence"] else 1 for term in covariates["terms"])
    return -(-n_panels // 2), min(n_panels, 2)


def _draw_covariates(terms: Sequence[Mapping[str, Any]], panels: Sequence[Axes]) -> None:
    free = list(panels)
    for term in terms:
        covariate_shares(term, free.pop(0))
        if term["evidence"]:
            evidence_conflict(term, free.pop(0))
    for ax in free:
        ax.set_axis_off()


def _lay_out(figure: Figure) -> None:
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)


def _ignore_missing_glyphs() -> None:
    # A gene may be named in a script the font lacks; a box in the figure is no reason to stop or to warn.
    warnings.filterwarnings("ignore", message=".*[Gg]lyph.* missing from.*")
    warnings.filterwarnings("ignore", message="Matplotlib currently does not support .* natively")


def figure_bytes(figure: Figure, format: str) -> bytes:
    """A figure as a file: the same bytes for the same figure.

    Parameters
    ----------
    figure
        What to write.
    format
        ``png`` (150 dots per inch), ``svg`` or ``pdf``; the text of the last two stays text.

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
        figure.savefig(buffer, format=format, dpi=150 if format == "png" else 220, metadata=metadata)
    return buffer.getvalue()
