"""A whole config in one process."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ebgenes.app.check import check
from ebgenes.app.conditions import together_pages, write_together
from ebgenes.app.config import (
    Config,
    DatasetSettings,
    ReportSettings,
)
from ebgenes.app.figures import write_dataset_figures
from ebgenes.app.outputs import files_of_contrast
from ebgenes.app.pages import contrast_page, write_results
from ebgenes.app.prepare import (
    contrast_design,
    contrast_of,
    left_out,
    plan_cell_types,
    prepare,
    prepare_cell_type,
    sum_dataset,
)
from ebgenes.app.steps import MultiDfFit, annotation, covariates_of, estimate_any
from ebgenes.app.studies import run_studies
from ebgenes.app.write import answer_contrast
from ebgenes.data.h5ad import write_study
from ebgenes.data.pseudobulk import write_pseudobulk
from ebgenes.data.sheets import read_controls
from ebgenes.design.matrix import read_model
from ebgenes.files import write_json
from ebgenes.records.counts import Study
from ebgenes.records.design import Design

if TYPE_CHECKING:
    from ebgenes.report.contents import ContrastPage, TogetherPage


def _say_of(progress: Callable[[str], None], name: str, message: str) -> None:
    progress(f"{name}: {message}")


def run(config: Config, progress: Callable[[str], None] = lambda message: None) -> Path:
    """Run every dataset and contrast of a config in this process; returns the folder of results."""
    _check_first(config)
    outdir = Path(config.outdir)
    normalization = config.effects.normalization
    for name, dataset in config.datasets.items():
        say = partial(_say_of, progress, name)
        if dataset.pseudobulk is None:
            say("reading, filtering and normalizing counts")
            write_page = _run_study(outdir, name, dataset, prepare(dataset, normalization, say), config, progress)
            write_page(_take_together(outdir / name, name, dataset, config, progress))
            continue
        say("summing cells")
        sums = sum_dataset(dataset, say)
        plan = plan_cell_types(dataset, sums, normalization)
        for sentence in left_out(plan):
            say(sentence)
        write_pseudobulk(outdir / name / "pseudobulk.h5ad", sums)
        write_json(outdir / name / "cell_types.json", plan)
        waiting = []
        for folder, part in plan.items():
            if part["contrasts"]:
                asked = {contrast: dataset.contrasts[contrast] for contrast in part["contrasts"]}
                only = replace(dataset, contrasts=asked, multivariate={})
                study = prepare_cell_type(only, sums, part["cell_type"], normalization, say)
                write_page = _run_study(outdir, f"{name}/{folder}", only, study, config, progress)
                if dataset.multivariate:
                    waiting.append(write_page)
                else:
                    write_page([])
        beside = _take_together(outdir / name, name, dataset, config, progress)
        for write_page in waiting:
            write_page(beside)
    for name in config.studies:
        run_studies(config, name, progress)
    return outdir


def _check_first(config: Config) -> None:
    """Refuse now what would be refused after hours."""
    with warnings.catch_warnings():
        # They come when the files are read in earnest.
        warnings.simplefilter("ignore")
        for _ in check(config):
            pass


def _take_together(
    folder: Path, name: str, dataset: DatasetSettings, config: Config, progress: Callable[[str], None]
) -> list[TogetherPage]:
    """Contrasts or cell types together, from the files of each; what the report says of them."""
    for group in dataset.multivariate:
        progress(f"{name}/{group}: {together(folder, group, dataset, config.report)}")
    return together_pages(folder, dataset)


def together(folder: Path, group: str, dataset: DatasetSettings, settings: ReportSettings) -> str:
    """Fit and write what is taken together in the dataset's folder; what was found, in words."""

    def design_of(study: Study, contrast: str) -> Design:
        return contrast_design(study.samples, dataset.design, dataset.contrasts[contrast], contrast, dataset.reference)

    return write_together(folder, group, dataset, settings, design_of)


def _run_study(
    outdir: Path,
    name: str,
    dataset: DatasetSettings,
    study: Study,
    config: Config,
    progress: Callable[[str], None],
) -> Callable[[Sequence[TogetherPage]], None]:
    """Answer every contrast; returns what writes the study's page, given what is taken together."""

    def say(message: str) -> None:
        progress(f"{name}/{message}")

    pages = fit_contrasts(outdir / name, study, dataset, config, say, outdir / name / "counts.h5ad")

    def write_page(together: Sequence[TogetherPage]) -> None:
        write_results(outdir / name, study, name, pages, together, config=config)
        write_dataset_figures(outdir / name, study, dataset, pages, config.report)

    return write_page


def fit_contrasts(
    folder: Path,
    study: Study,
    dataset: DatasetSettings,
    config: Config,
    say: Callable[[str], None],
    counts: Path | None = None,
) -> list[ContrastPage]:
    """Answer each question asked of a dataset and write its files to a folder of its name; returns their pages.

    The study is written to `counts` first, where it is given.
    """
    # Every question is checked before the first is answered and the first file written.
    model = read_model(study.samples, dataset.design, dataset.reference)
    designs = [contrast_of(model, question, contrast) for contrast, question in dataset.contrasts.items()]
    genes = annotation(dataset.genes, config.prior)
    covariates_of(study.counts.gene, study.screen.base_mean[study.screen.kept], config.prior, genes)
    controls = None if dataset.controls is None else read_controls(dataset.controls)
    if counts is not None:
        write_study(counts, study)
    pages = []
    for contrast, design in zip(dataset.contrasts, designs, strict=True):
        say(f"{contrast}: effects, prior, posteriors and figures")
        effects = estimate_any(study, design, config.effects, controls)
        files = files_of_contrast(config, multi_df=design.joint is not None).within(str(folder / contrast))
        asked = config.prior, config.gibbs, config.report
        found = answer_contrast(effects, files, study.screen, *asked, study=study, genes=genes, notes=study.notes)
        for words in found.words:
            say(f"{contrast}: {words}")
        known = study, dataset, config
        if isinstance(found, MultiDfFit):
            page = found.table, found.marginal, found.summary
            pages.append(contrast_page(folder / contrast, *page, *known, joint=found.result))
        else:
            page = found.table, found.fit.prior, found.summary
            pages.append(contrast_page(folder / contrast, *page, *known, found.effects))
    return pages
