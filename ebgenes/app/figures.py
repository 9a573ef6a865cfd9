"""Figures of contrasts and datasets, to files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ebgenes.app.config import (
    DatasetSettings,
    ReportSettings,
)
from ebgenes.app.outputs import (
    ROW_FIGURE,
    dataset_figures,
)
from ebgenes.app.prepare import options
from ebgenes.app.steps import MultiDfResult
from ebgenes.arrays import BoolArray
from ebgenes.data.principal_components import principal_components
from ebgenes.design.matrix import build_design
from ebgenes.effects.dispersions import gene_dispersions
from ebgenes.errors import InputError
from ebgenes.files import write_bytes
from ebgenes.records.counts import Study
from ebgenes.records.prior import MixturePrior

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ebgenes.report.contents import ContrastPage


def write_figures(
    files: Sequence[Path],
    table: pd.DataFrame,
    prior: MixturePrior,
    summary: Mapping[str, Any],
    settings: ReportSettings,
    study: Study | None = None,
    null: BoolArray | None = None,
    joint: MultiDfResult | None = None,
    own: pd.DataFrame | None = None,
) -> None:
    """Draw each figure once and write it in every format asked for: the file's stem names it.

    `study` is for the heat map; `null`, which rows of the table are truly unchanged, for the calibration; `joint` for
    the figure of several rows; `own`, the table of studies' own effects, for the forest.
    """
    known = table, prior, summary, settings
    for name in dict.fromkeys(file.stem for file in files):
        figure = drawn_figure(name, *known, study=study, null=null, joint=joint, own=own)
        _write_figure(figure, name, files)


def drawn_figure(
    name: str,
    table: pd.DataFrame,
    prior: MixturePrior,
    summary: Mapping[str, Any],
    settings: ReportSettings,
    *,
    study: Study | None = None,
    null: BoolArray | None = None,
    joint: MultiDfResult | None = None,
    own: pd.DataFrame | None = None,
) -> Figure:
    """One figure of a contrast; parameters as `write_figures`."""
    from ebgenes.plots import draw

    if name == ROW_FIGURE:
        return _draw_rows(joint)
    words = summary.get("contrast", {})
    up, down = words.get("up", "higher"), words.get("down", "lower")
    told: dict[str, Any] = {"covariates": summary.get("covariates"), "hidden": summary.get("hidden_factors")}
    told |= {"study": study, "null": null, "stored": summary.get("stored")}
    told |= {"own": own, "studies": summary.get("studies"), "random": bool(summary.get("random_effects"))}
    return draw(name, table, prior, up=up, down=down, **told, **options(settings, "level", "label", "x", "y"))


def _draw_rows(joint: MultiDfResult | None) -> Figure:
    from ebgenes.plots import draw_rows

    if joint is None:
        raise InputError(
            "the figure rows needs effects of several rows. Name effects.h5 of such a contrast (--effects)."
        )
    return draw_rows(joint.table, joint.effects, joint.posterior)


def _write_figure(figure: Figure, name: str, files: Sequence[Path]) -> None:
    """Write a figure to those files whose stem is its name."""
    from ebgenes.plots import figure_bytes

    for file in files:
        if file.stem == name:
            write_bytes(file, figure_bytes(figure, file.suffix.removeprefix(".")))


def write_dataset_figures(
    folder: Path, study: Study, dataset: DatasetSettings, pages: Sequence[ContrastPage], settings: ReportSettings
) -> None:
    """Draw the figures of a whole data set that the config asks for."""
    files = [folder / name for name in dataset_figures(settings)]
    if "pca" in settings.extra_figures:
        from ebgenes.plots import draw_components

        score, share = principal_components(study.counts)
        sheet = {str(name): [str(each) for each in study.samples[name]] for name in study.samples.columns}
        told = {"sample": list(study.counts.sample), "score": score, "share": share, "sheet": sheet}
        _write_figure(draw_components(told), "pca", files)
    if "dispersion" in settings.extra_figures:
        from ebgenes.plots import draw_dispersions

        design = build_design(study.samples, dataset.design, reference=dataset.reference)
        mean = study.screen.base_mean[study.screen.kept]
        trends = [page.scalars for page in pages if "dispersion_floor" in page.scalars]
        figure = draw_dispersions(mean, gene_dispersions(study.counts, design), trends[0] if trends else None)
        _write_figure(figure, "dispersion", files)
