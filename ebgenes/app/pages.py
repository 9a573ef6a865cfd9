"""Pages of the report and results.h5ad, from the files of contrasts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from ebgenes.app.config import (
    Config,
    DatasetSettings,
    size_factor_controls,
)
from ebgenes.app.figures import page_figures
from ebgenes.app.parts import dataset_part
from ebgenes.app.prepare import options
from ebgenes.app.steps import ENGINE_OPTIONS, ContrastFit, MultiDfFit, MultiDfResult
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

    from ebgenes.report.contents import ContrastPage, Section


def contrast_page(
    figures: Path | None,
    table: pd.DataFrame,
    prior: MixturePrior,
    summary: Mapping[str, Any],
    study: Study,
    dataset: DatasetSettings,
    config: Config,
    effects: Effects | None = None,
    multi_df: MultiDfResult | None = None,
) -> ContrastPage:
    """One contrast of the report; its figures are read from the folder they were written to, if they were."""
    name = summary["contrast"]["name"]
    # Over draws there is no prior to plug in.
    method = config.report.interval_method
    method = "full_bayes" if method == "plugin" and summary.get("gibbs") else method
    shown = {} if figures is None else page_figures(figures, "contrast", summary)
    if figures is not None and multi_df is not None:
        shown |= page_figures(figures, "multi_df", summary)
    return ContrastPage(
        name=name,
        formula=dataset.design,
        table=table,
        prior=prior,
        up_label=summary["contrast"]["up"],
        down_label=summary["contrast"]["down"],
        engine=summary["engine"]["name"],
        options=options(config.effects, *ENGINE_OPTIONS),
        scalars={key: value for key, value in summary["engine"].items() if key != "name"},
        hidden=summary.get("hidden_factors"),
        random=summary.get("random_effects"),
        column=dataset.contrasts[name].get("column") or _along(multi_df),
        fdp=summary.get("fdp"),
        list_range=summary.get("list_range"),
        outlook=summary.get("outlook"),
        stored=summary.get("stored"),
        likelihoods=None if effects is None else stray_likelihoods(effects),
        rows=None if multi_df is None else gene_rows(multi_df.effects, multi_df.posterior),
        filter=kept_words(dataset),
        normalization=scale_name(dataset, study.counts, config.effects.normalization),
        n_samples=len(study.samples),
        groups=describe_groups(study.samples, dataset.contrasts[name]),
        warnings=list(summary["warnings"]),
        figures=shown,
        **options(config.report, "level", "interval"),
        interval_method=method,
        threshold=config.report.lfc_threshold,
    )


def page_of(
    figures: Path | None, found: ContrastFit | MultiDfFit, study: Study, dataset: DatasetSettings, config: Config
) -> ContrastPage:
    """`contrast_page` of what was just fitted."""
    effects = None if isinstance(found, MultiDfFit) else found.effects
    known = study, dataset, config, effects, found.result
    return contrast_page(figures, found.table, found.shown_prior, found.summary, *known)


def kept_words(dataset: DatasetSettings) -> str:
    """Which genes the filter keeps."""
    keep = dataset.keep
    samples = "as many samples as the smallest group has" if keep.min_samples is None else f"{keep.min_samples} samples"
    return f"at least {keep.min_count} reads in at least {samples}"


def scale_name(dataset: DatasetSettings, counts: Counts, normalization: str) -> str:
    """What samples are compared by: ``offsets`` or ``size_factors`` as given, or a normalization, of which genes."""
    if size_factor_controls(dataset) is not None:
        return f"{normalization} of control genes"
    if dataset.offsets is None and dataset.size_factors is None:
        return normalization
    by_gene = counts.log_size is not None and counts.log_size.ndim > 1
    return "offsets" if dataset.offsets is not None and by_gene else "size_factors"


def _along(multi_df: MultiDfResult | None) -> str | None:
    """The column along which rows lie."""
    curve = None if multi_df is None else multi_df.effects.curve
    return None if curve is None else curve.column


def write_results(
    folder: Path,
    study: Study,
    dataset: str,
    pages: Sequence[ContrastPage],
    sections: Sequence[Section] = (),
    *,
    config: Config,
) -> None:
    """Write results.h5ad and report.html of a dataset, or of one of its cell types (dataset/cell type)."""
    made_by = versions()
    summary = {"versions": made_by, "contrasts": {page.name: _page_summary(page) for page in pages}}
    tables = {page.name: page.table for page in pages}
    scores = {page.name: np.array(page.hidden["score"]) for page in pages if page.hidden}
    write_results_h5ad(folder / "results.h5ad", study, tables, summary, scores)
    page = render_report(
        list(pages), dataset=dataset, versions=made_by, study=study, sections=sections,
        config=config_words(dataset_part(config, dataset.partition("/")[0])),
    )  # fmt: skip
    write_bytes(folder / "report.html", page.encode("utf-8"))


def config_words(part: str) -> str:
    """A part of the config as YAML, without the keys that were left open."""

    def stated(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: stated(each) for key, each in value.items() if each is not None and each != {}}
        return value

    return yaml.safe_dump(stated(json.loads(part)), sort_keys=False, allow_unicode=True, width=100)


def _page_summary(page: ContrastPage) -> dict[str, Any]:
    """What a reader of results.h5ad needs beside the tables."""
    prior = {
        "family": page.prior.family,
        "weight": page.prior.weight.tolist(),
        "scale": page.prior.scale.tolist(),
        "mode": page.prior.mode,
        "likelihood_scale": page.prior.likelihood_scale,
    }
    words = {"up": page.up_label, "down": page.down_label}
    return {**options(page, "formula", "engine", "normalization", "warnings"), **words, "prior": prior}
