"""A whole config in one process."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ebgenes.app.analyses import ANALYSES
from ebgenes.app.check import check
from ebgenes.app.config import (
    Config,
    DatasetSettings,
)
from ebgenes.app.figures import write_dataset_figures
from ebgenes.app.outputs import files_of_contrast
from ebgenes.app.pages import page_of, write_results
from ebgenes.app.prepare import (
    contrast_of,
    excluded,
    plan_cell_types,
    prepare,
    prepare_cell_type,
    sum_dataset,
)
from ebgenes.app.rehearsal import require_answerable
from ebgenes.app.steps import annotation, estimate_any
from ebgenes.app.studies import run_studies
from ebgenes.app.write import answer_contrast
from ebgenes.data.h5ad import write_study
from ebgenes.data.pseudobulk import write_pseudobulk
from ebgenes.data.sheets import read_controls
from ebgenes.design.matrix import read_model
from ebgenes.files import write_json
from ebgenes.records.counts import Study

if TYPE_CHECKING:
    from ebgenes.report.contents import ContrastPage, Section


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
            write_page(_analyze(outdir / name, name, dataset, config, progress))
            continue
        say("summing cells")
        sums = sum_dataset(dataset, say)
        plan = plan_cell_types(dataset, sums, normalization)
        for sentence in excluded(plan):
            say(sentence)
        write_pseudobulk(outdir / name / "pseudobulk.h5ad", sums)
        write_json(outdir / name / "cell_types.json", plan)
        waiting = []
        for folder, part in plan.items():
            if part["contrasts"]:
                asked = {contrast: dataset.contrasts[contrast] for contrast in part["contrasts"]}
                only = replace(dataset, contrasts=asked, analyses={})
                study = prepare_cell_type(only, sums, part["cell_type"], normalization, say)
                write_page = _run_study(outdir, f"{name}/{folder}", only, study, config, progress)
                if any(dataset.analyses.values()):
                    waiting.append(write_page)
                else:
                    write_page([])
        beside = _analyze(outdir / name, name, dataset, config, progress)
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
        # What is read right away and not again after hours need not be read to its end twice.
        for _ in check(config, whole=len(config.datasets) > 1):
            pass


def _analyze(
    folder: Path, name: str, dataset: DatasetSettings, config: Config, progress: Callable[[str], None]
) -> list[Section]:
    """What a dataset asks of its contrasts further, from the files of each; what the report says of it."""
    for key, entries in dataset.analyses.items():
        for entry in entries:
            progress(f"{name}/{entry}: {ANALYSES[key].write(folder, entry, dataset, config)}")
    return sections_of(folder, dataset)


def sections_of(folder: Path, dataset: DatasetSettings) -> list[Section]:
    """What the report says of a dataset's further analyses, from their files in its folder."""
    return [each for key, entries in dataset.analyses.items() for each in ANALYSES[key].sections(folder, list(entries))]


def _run_study(
    outdir: Path,
    name: str,
    dataset: DatasetSettings,
    study: Study,
    config: Config,
    progress: Callable[[str], None],
) -> Callable[[Sequence[Section]], None]:
    """Answer every contrast; returns what writes the study's page, given what is said of further analyses."""

    def say(message: str) -> None:
        progress(f"{name}/{message}")

    pages = fit_contrasts(outdir / name, study, dataset, config, say, outdir / name / "counts.h5ad")

    def write_page(sections: Sequence[Section]) -> None:
        write_results(outdir / name, study, name, pages, sections, config=config)
        write_dataset_figures(outdir / name, study, dataset, pages, config)

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
    require_answerable(study, dict(zip(dataset.contrasts, designs, strict=True)), dataset, config)
    genes = annotation(dataset.genes, config.prior)
    controls = None if dataset.controls is None else read_controls(dataset.controls)
    if counts is not None:
        write_study(counts, study)
    pages = []
    for contrast, design in zip(dataset.contrasts, designs, strict=True):
        say(f"{contrast}: effects, prior, posteriors and figures")
        effects = estimate_any(study, design, config.effects, controls)
        files = files_of_contrast(config, multi_df=design.multi_df is not None).within(str(folder / contrast))
        asked = config.prior, config.gibbs, config.report
        found = answer_contrast(effects, files, study.screen, *asked, study=study, genes=genes, notes=study.notes)
        for words in found.words:
            say(f"{contrast}: {words}")
        pages.append(page_of(folder / contrast, found, study, dataset, config))
    return pages
