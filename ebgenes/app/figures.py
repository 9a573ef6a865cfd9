"""Figures of contrasts, datasets and conditions, to files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ebgenes.app.config import Config, DatasetSettings, ReportSettings
from ebgenes.app.outputs import dataset_figures
from ebgenes.app.prepare import options
from ebgenes.app.steps import MultiDfResult
from ebgenes.arrays import BoolArray
from ebgenes.design.matrix import build_design
from ebgenes.files import write_bytes
from ebgenes.plots.figures import Of, figure_of, figures_of
from ebgenes.records.counts import Study
from ebgenes.records.prior import MixturePrior

if TYPE_CHECKING:
    import pandas as pd

    from ebgenes.report.contents import ContrastPage


def known_of(
    table: pd.DataFrame,
    prior: MixturePrior,
    summary: Mapping[str, Any],
    settings: ReportSettings,
    *,
    study: Study | None = None,
    null: BoolArray | None = None,
    multi_df: MultiDfResult | None = None,
    own: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """What figures of a contrast may be drawn of, by the names that they need it by.

    `study` is for figures of counts; `null`, which rows of the table are truly unchanged, for the calibration;
    `multi_df` for figures of several rows; `own`, the table of studies' own effects, for the forest.
    """
    words = summary.get("contrast", {})
    known: dict[str, Any] = {"table": table, "prior": prior, "study": study, "null": null, "own": own}
    known |= {"up_label": words.get("up", "higher"), "down_label": words.get("down", "lower")}
    known |= {"covariates": summary.get("covariates"), "hidden": summary.get("hidden_factors")}
    known |= {"stored": summary.get("stored"), "studies": summary.get("studies")}
    known |= {} if multi_df is None else options(multi_df, "effects", "posterior")
    return known | options(settings, "level", "label", "x", "y")


def draw_files(files: Sequence[Path], known: Mapping[str, Any]) -> None:
    """Draw each figure that files name from what is known, and write it to all of its files."""
    # What a name may be wrong of comes before the first figure.
    asked = [figure_of(name) for name in dict.fromkeys(file.stem for file in files)]
    if not asked:
        return
    from ebgenes.plots import figure_bytes

    for record in asked:
        figure = record.drawn("", known)
        for file in files:
            if file.stem == record.name:
                write_bytes(file, figure_bytes(figure, file.suffix.removeprefix(".")))


def found_figures(files: Sequence[Path], summary: Mapping[str, Any]) -> list[Path]:
    """Files of figures of what was found; those of another run that found more are removed."""
    there = [file for file in files if summary.get(str(figure_of(file.stem).part))]
    for file in files:
        if file not in there:
            file.unlink(missing_ok=True)
    return there


def needs_counts(files: Sequence[Path]) -> bool:
    """Whether a figure is drawn of the counts."""
    return any("study" in figure_of(file.stem).needs for file in files)


def write_dataset_figures(
    folder: Path, study: Study, dataset: DatasetSettings, pages: Sequence[ContrastPage], config: Config
) -> None:
    """Draw the figures of a whole dataset that the config asks for."""
    files = [folder / name for name in dataset_figures(config)]
    known: dict[str, Any] = {"study": study}
    if any("design" in figure_of(file.stem).needs for file in files):
        known["design"] = build_design(study.samples, dataset.design, reference=dataset.reference)
        known["trends"] = [page.scalars for page in pages if "dispersion_floor" in page.scalars]
    draw_files(files, known)


def page_figures(folder: Path, what: Of, summary: Mapping[str, Any]) -> dict[str, bytes]:
    """PNG files of a folder that a page shows, by the figure's name."""
    shown = [each for each in figures_of(what) if each.on_page in ("first", "image")]
    files = {each.name: folder / f"{each.name}.png" for each in shown if each.part is None or summary.get(each.part)}
    return {name: file.read_bytes() for name, file in files.items() if file.is_file()}
