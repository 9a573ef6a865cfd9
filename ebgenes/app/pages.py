"""Pages of the report and results.h5ad, from the files of contrasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ebgenes.app.config import (
    Config,
    DatasetSettings,
    size_factor_controls,
)
from ebgenes.app.outputs import (
    COVARIATE_FIGURE,
    FIGURES,
    HIDDEN_FIGURE,
    ROW_FIGURE,
    STORED_FIGURE,
)
from ebgenes.app.prepare import options
from ebgenes.app.steps import ENGINE_OPTIONS, MultiDfResult
from ebgenes.design.matrix import describe_groups
from ebgenes.files import write_bytes
from ebgenes.records.counts import Counts, Study
from ebgenes.records.effects import Effects
from ebgenes.records.prior import MixturePrior
from ebgenes.report.contents import ContrastPage
from ebgenes.report.payload import gene_rows, stray_likelihoods
from ebgenes.report.render import render_report
from ebgenes.results.summary import versions
from ebgenes.results.table_files import write_results_h5ad

if TYPE_CHECKING:
    import pandas as pd

    from ebgenes.report.contents import ContrastPage, Section, TogetherPage


OPTIONAL_FIGURES = ((COVARIATE_FIGURE, "covariates"), (HIDDEN_FIGURE, "hidden_factors"), (STORED_FIGURE, "stored"))
"""Figures that some contrasts have, and the part of prior.json that they show."""


def contrast_page(
    figures: Path | None,
    table: pd.DataFrame,
    prior: MixturePrior,
    summary: Mapping[str, Any],
    study: Study,
    dataset: DatasetSettings,
    config: Config,
    effects: Effects | None = None,
    joint: MultiDfResult | None = None,
) -> ContrastPage:
    """One contrast of the report; its figures are read from the folder they were written to, if they were."""
    name = summary["contrast"]["name"]
    # Over draws there is no prior to plug in.
    method = config.report.interval_method
    method = "full_bayes" if method == "plugin" and summary.get("gibbs") else method
    shown = [
        *FIGURES,
        *([] if joint is None else [ROW_FIGURE]),
        *(figure for figure, part in OPTIONAL_FIGURES if summary.get(part)),
    ]
    return ContrastPage(
        name=name,
        formula=dataset.design,
        table=table,
        prior=prior,
        up=summary["contrast"]["up"],
        down=summary["contrast"]["down"],
        engine=summary["engine"]["name"],
        options=options(config.effects, *ENGINE_OPTIONS),
        scalars={key: value for key, value in summary["engine"].items() if key != "name"},
        hidden=summary.get("hidden_factors"),
        random=summary.get("random_effects"),
        column=dataset.contrasts[name].get("column") or _along(joint),
        fdp=summary.get("fdp"),
        list_range=summary.get("list_range"),
        outlook=summary.get("outlook"),
        stored=summary.get("stored"),
        likelihoods=None if effects is None else stray_likelihoods(effects),
        rows=None if joint is None else gene_rows(joint.effects, joint.posterior),
        normalization=scale_name(dataset, study.counts, config.effects.normalization),
        n_samples=len(study.samples),
        groups=describe_groups(study.samples, dataset.contrasts[name]),
        warnings=list(summary["warnings"]),
        figures={} if figures is None else _drawn(figures, shown),
        **options(config.report, "level", "interval"),
        interval_method=method,
        threshold=config.report.lfc_threshold,
    )


def _drawn(folder: Path, names: Sequence[str]) -> dict[str, bytes]:
    """The PNG files that are there, by the name of the figure."""
    files = {name: folder / f"{name}.png" for name in names}
    return {name: file.read_bytes() for name, file in files.items() if file.is_file()}


def scale_name(dataset: DatasetSettings, counts: Counts, normalization: str) -> str:
    """What samples are compared by: ``offsets`` or ``size_factors`` as given, or a normalization, of which genes."""
    if size_factor_controls(dataset) is not None:
        return f"{normalization} of control genes"
    if dataset.offsets is None and dataset.size_factors is None:
        return normalization
    by_gene = counts.log_size is not None and counts.log_size.ndim > 1
    return "offsets" if dataset.offsets is not None and by_gene else "size_factors"


def _along(joint: MultiDfResult | None) -> str | None:
    """The column along which rows lie."""
    curve = None if joint is None else joint.effects.curve
    return None if curve is None else curve.column


def write_results(
    folder: Path,
    study: Study,
    dataset: str,
    pages: Sequence[ContrastPage],
    together: Sequence[TogetherPage | Section] = (),
) -> None:
    """Write results.h5ad and report.html of a dataset."""
    made_by = versions()
    summary = {"versions": made_by, "contrasts": {page.name: _page_summary(page) for page in pages}}
    tables = {page.name: page.table for page in pages}
    scores = {page.name: np.array(page.hidden["score"]) for page in pages if page.hidden}
    write_results_h5ad(folder / "results.h5ad", study, tables, summary, scores)
    page = render_report(list(pages), dataset=dataset, versions=made_by, study=study, together=together)
    write_bytes(folder / "report.html", page.encode("utf-8"))


def _page_summary(page: ContrastPage) -> dict[str, Any]:
    """What a reader of results.h5ad needs beside the tables."""
    prior = {
        "family": page.prior.family,
        "weight": page.prior.weight.tolist(),
        "scale": page.prior.scale.tolist(),
        "mode": page.prior.mode,
        "stretch": page.prior.stretch,
    }
    return {**options(page, "formula", "up", "down", "engine", "normalization", "warnings"), "prior": prior}
