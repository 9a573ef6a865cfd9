"""``ebgenes check``: what is wrong with a config's files and designs, all at once; and what will run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ebgenes.analyses.distinct_studies import require_different
from ebgenes.app.analyses import ANALYSES
from ebgenes.app.analyses.analysis import Analysis
from ebgenes.app.config import (
    Config,
    DatasetSettings,
    EffectsSettings,
    require_studies_prior,
    size_factor_controls,
)
from ebgenes.app.prepare import (
    contrast_of,
    excluded,
    given_factors,
    offset_doubts,
    options,
    plan_cell_types,
    sum_dataset,
    taken_for_factors,
)
from ebgenes.app.rehearsal import is_small, rehearse, require_designs, require_place
from ebgenes.app.steps import annotation, stored_prior
from ebgenes.app.studies import require_distinct_sources
from ebgenes.arrays import text_array
from ebgenes.data.cell_folders import cell_folders, folder_notes
from ebgenes.data.cells import look_at_cells, read_labels
from ebgenes.data.count_tables import first_offsets
from ebgenes.data.gene_names import GENES_NAMED, names_for, names_of
from ebgenes.data.intake import Samples, look_at, samples_of, tell
from ebgenes.data.pseudobulk import sum_cells
from ebgenes.data.sheets import read_controls
from ebgenes.design.columns import describe_columns, dropped_words
from ebgenes.design.matrix import read_model
from ebgenes.design.random_factors import describe_comparison, describe_factors
from ebgenes.effects.effect_tables import read_effect_table
from ebgenes.errors import InputError, InputErrors, listing
from ebgenes.records.design import Design

if TYPE_CHECKING:
    import pandas as pd

Result = TypeVar("Result")


MOST_TESTED = 20_000
"""Genes of a genome that a sample expresses, at most, whatever its annotation lists."""


OF_KINDS = "is text, and so a factor", "the column stays text"
"""What is said of columns that are text because of a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one dataset will take.

    Attributes
    ----------
    studies
        1, or the number of cell types.
    contrasts
        Of each study.
    genes, samples
        Of each study, about.
    size
        Bytes that are read.
    chunks
        Of genes, in which effects are fitted.
    batch
        Contrasts to a job.
    further
        How many further analyses there are of the contrasts.
    """

    studies: int
    contrasts: int
    genes: int
    samples: int
    size: int
    chunks: int = 1
    batch: int = 1
    further: int = 0

    @property
    def jobs(self) -> int:
        """Steps of the workflow: counts, each contrast with its chunks or batch, report; cells' sums and plan."""
        steps = 1 if self.chunks == 1 else self.chunks + 2
        batches = 0 if self.batch == 1 else -(-self.contrasts // self.batch)
        return self.studies * (2 + self.contrasts * steps + batches) + (2 if self.studies > 1 else 0) + self.further

    @property
    def seconds(self) -> float:
        """Of one core, as measured on thirteen studies (benchmarks/workflow/estimates.py): 3.5 s a contrast and .2 s a
        thousand genes, of which no more than `MOST_TESTED` are expressed; 3 s a study, 40 MB/s read."""  # fmt: skip
        contrast = 3.5 + min(self.genes, MOST_TESTED) * (2e-4 + 1.3e-6 * self.samples)
        return self.studies * (3 + self.contrasts * contrast) + self.size / 4e7

    @property
    def memory(self) -> float:
        """Peak of the largest job, MB, as measured on the same studies: 520 MB, and the counts a few times over."""
        return 520 + 5e-5 * self.genes * self.samples * (self.studies if self.studies > 1 else 1)


def check(config: Config, *, whole: bool = True) -> Iterator[str]:
    """Read every sheet and the beginning of every file, build every design, and say what will run, a line each.

    Parameters
    ----------
    config
        What to check.
    whole
        Whether small files are read to their end and prepared as a run does.

    Raises
    ------
    InputErrors
        One message for each thing that cannot run.
    """
    lines: list[str] = []
    messages: list[str] = []
    works = []
    _Findings("outdir", lines, messages).attempt(lambda: require_place(config.outdir))
    if config.prior.stored is not None:
        _Findings("prior.from", lines, messages).attempt(lambda: stored_prior(config.prior))
    for name, dataset in config.datasets.items():
        found = _Findings(name, lines, messages)
        works.append(_check_dataset(dataset, config, found, whole=whole and is_small(dataset)))
    for name in config.studies:
        found = _Findings(f"studies.{name}", lines, messages)
        told = found.attempt(lambda name=name: check_studies(config, name))  # type: ignore[misc]
        lines.extend([] if told is None else [told])
    if messages:
        messages = list(dict.fromkeys(messages))
        raise InputErrors(f"{len(messages)} mistakes:" if len(messages) > 1 else "1 mistake:", messages)
    yield from lines
    known = [work for work in works if work is not None]
    contrasts = sum(work.studies * work.contrasts for work in known)
    jobs = sum(work.jobs for work in known) + len(config.studies)
    minutes = sum(work.seconds for work in known) / 60
    yield (
        f"will run: {jobs} steps, about {minutes:.0f} minutes of one core, " if minutes >= 1.5 else
        f"will run: {jobs} steps, about {60 * minutes:.0f} seconds of one core, "
    ) + f"up to {max(work.memory for work in known):.0f} MB at a time"  # fmt: skip
    yield f"ok: {contrasts} contrasts in {len(config.datasets)} datasets; results go to {config.outdir}"


class _Findings:
    """Lines and messages of one dataset."""

    def __init__(self, name: str, lines: list[str], messages: list[str]) -> None:
        self.name, self.lines, self.messages = name, lines, messages

    def tell_random(self, design: Design, contrast: str) -> None:
        """What random factors mean, once a dataset, and for each contrast."""
        if not design.random:
            return

        lines = [f"{self.name}: {line}" for line in describe_factors(design)]
        self.lines.extend(line for line in lines if line not in self.lines)
        self.lines.append(f"{self.name}/{contrast}: {describe_comparison(design)}")

    def tell(self, words: str) -> None:
        """A line of the dataset's own."""
        self.lines.append(f"{self.name}: {words}")

    def tell_once(self, words: str) -> None:
        """The same, unless it has been said."""
        if not self.told(words):
            self.tell(words)

    def told(self, words: str) -> bool:
        """Whether a line says so already."""
        return f"{self.name}: {words}" in self.lines

    def attempt(self, work: Callable[[], Result], part: str = "") -> Result | None:
        """The result, or None where there is a message instead."""
        try:
            return work()
        except InputErrors as errors:
            self.messages.extend(f"{self.name}{part}: {message}" for message in errors.messages)
        except InputError as error:
            self.messages.append(f"{self.name}{part}: {error}")
        return None


def _check_dataset(dataset: DatasetSettings, config: Config, found: _Findings, *, whole: bool) -> Work | None:
    before = len(found.messages)
    samples = found.attempt(lambda: samples_of(dataset))
    if dataset.genes is not None:
        genes = dataset.genes
        found.attempt(lambda: names_of(genes))
    found.attempt(lambda: annotation(dataset.genes, config.prior))
    if dataset.controls is not None:
        controls = dataset.controls
        found.attempt(lambda: read_controls(controls))
    if samples is None:
        return None
    sheet = samples.frame
    tell((*samples.notes, *describe_columns(sheet, dataset.design)), found.tell)
    found.attempt(lambda: _check_sizes(dataset, sheet, found))
    # Such a column may be the reason of whatever is wrong with the design.
    doubts = [note.replace("warning: ", "") for note in samples.notes if any(words in note for words in OF_KINDS)]
    n_before = len(found.messages)
    # Read once, however many contrasts there are.
    model = found.attempt(
        lambda: read_model(sheet, dataset.design, dataset.reference), f"/{next(iter(dataset.contrasts))}"
    )
    designs: dict[str, Design] = {}
    for contrast, question in dataset.contrasts.items():
        if model is None:
            break
        design = found.attempt(
            partial(contrast_of, model, question, contrast),
            f"/{contrast}",
        )
        if design is not None:
            designs[contrast] = design
            n_samples, n_coefficients = design.matrix.shape
            size_words = f"{n_samples} samples, {n_coefficients} coefficients, "
            size_words += "" if design.multi_df is None else f"{len(design.multi_df.row)} rows together, "
            tell([words for words in dropped_words(design.dropped) if not found.told(words)], found.tell)
            found.lines.append(f"{found.name}/{contrast}: {size_words}{dataset.design}")
            found.tell_random(design, contrast)
    if len(found.messages) > n_before:
        found.messages.extend(f"{found.name}: {note}" for note in doubts)
    for key, entries in dataset.analyses.items():
        for entry in entries:
            found.attempt(partial(_check_analysis, ANALYSES[key], dataset, sheet, entry, found), f"/{entry}")
    found.attempt(lambda: require_designs(designs, config.effects))
    size = Path(dataset.counts).stat().st_size if Path(dataset.counts).is_file() else 0
    if dataset.pseudobulk is None:
        work = found.attempt(lambda: _bulk(dataset, samples, size, config.effects, found))
        if whole and work is not None and len(found.messages) == before:
            found.attempt(lambda: rehearse(dataset, designs, config, found.tell_once))
    else:
        work = found.attempt(lambda: _cells(dataset, sheet, size, config.effects, found))
        if whole and work is not None and len(found.messages) == before:
            found.attempt(lambda: _sum_and_plan(dataset, config, found))
    return work


def _check_sizes(dataset: DatasetSettings, sheet: pd.DataFrame, found: _Findings) -> None:
    """Size factors or offsets that the dataset names; of offsets the beginning of the file."""
    controls = size_factor_controls(dataset)
    if controls is not None:
        found.tell(f"size factors come from {len(read_controls(controls))} control genes ({controls}) alone")
    elif dataset.offsets is None and dataset.size_factors is None and dataset.controls is not None:
        found.tell(
            "controls tell hidden factors from the comparison and do not touch size factors; if these should come "
            f"from the same genes, add size_factors: {{controls: {dataset.controls}}}"
        )
    factor = given_factors(dataset, sheet)
    if factor is not None:
        if dataset.offsets is not None:
            found.tell(taken_for_factors(dataset.offsets))
        found.tell(f"size factors as given, from {factor.min():.3g} to {factor.max():.3g}")
    elif dataset.offsets is not None:
        offset = first_offsets(dataset.offsets, text_array(sheet.index))
        for words in offset_doubts(dataset.offsets, offset):
            found.tell(words)


def _check_analysis(
    analysis: Analysis, dataset: DatasetSettings, sheet: pd.DataFrame, entry: str, found: _Findings
) -> None:
    for words in analysis.check(dataset, sheet, entry):
        found.lines.append(f"{found.name}/{entry}: {words}")


def _bulk(dataset: DatasetSettings, samples: Samples, size: int, effects: EffectsSettings, found: _Findings) -> Work:
    sheet, seen = samples.frame, look_at(dataset, samples)
    tell(seen.notes, found.tell)
    # How many genes have names is known when all are read.
    named = names_for(dataset.genes, seen.counts.gene, seen.names).notes if len(seen.counts.gene) else ()
    tell([note for note in named if GENES_NAMED not in note or note.startswith("warning")], found.tell)
    contrasts, shared = len(dataset.contrasts), options(effects, "chunks", "batch")
    return Work(
        studies=1, contrasts=contrasts, genes=seen.n_genes, samples=len(sheet), size=size, **shared,
        further=sum(map(len, dataset.analyses.values())),
    )  # fmt: skip


def _cells(
    dataset: DatasetSettings, sheet: pd.DataFrame, size: int, effects: EffectsSettings, found: _Findings
) -> Work:
    """Labels of all cells are read, of their counts the first."""

    chosen = options(dataset.pseudobulk, "sample", "cell_type", "cells")
    labels = read_labels(dataset.counts, **chosen, layer=dataset.layer)
    tell(list(folder_notes(cell_folders(Path(dataset.counts)), dataset.layer)), found.tell)
    look_at_cells(dataset.counts, dataset.layer)
    sums, notes = sum_cells(labels, [], [str(name) for name in sheet.index])
    types = sorted(set(sums.cell_type))
    found.lines.append(f"{found.name}: {len(labels.sample)} cells of {len(types)} types ({listing(types, 6)})")
    found.lines.extend(f"{found.name}: {note}" for note in notes)
    contrasts, genes, shared = len(dataset.contrasts), len(labels.gene), options(effects, "chunks", "batch")
    return Work(
        studies=len(types), contrasts=contrasts, genes=genes, samples=len(sheet), size=size, **shared,
        further=sum(map(len, dataset.analyses.values())),
    )  # fmt: skip


def _sum_and_plan(dataset: DatasetSettings, config: Config, found: _Findings) -> None:
    """Sum the cells, and say which types cannot answer which contrast."""
    sums = sum_dataset(dataset, found.tell_once)
    try:
        plan = plan_cell_types(dataset, sums, config.effects.normalization)
    except InputErrors as errors:
        # The reasons of the types are one mistake.
        raise InputError(" ".join(str(errors).split())) from None
    for words in excluded(plan):
        found.tell_once(words)


def check_studies(config: Config, name: str) -> str:
    """Say what an entry of ``studies:`` will pool; its tables are read.

    Raises
    ------
    InputError
        Where a table cannot be read, or the prior is of a kind that studies cannot have.
    """
    settings = config.studies[name]
    require_studies_prior(config)
    require_distinct_sources(config, settings)
    parts, tables = [], {}
    for study, source in settings.sources.items():
        if source.table is None:
            parts.append(f"{study} ({source.dataset}/{source.contrast})")
        else:
            found = read_effect_table(source.table, columns=source.columns, df=source.df)
            parts.append(f"{study} ({len(found.effects.gene)} genes of {source.table})")
            tables[study] = found.effects
    require_different(tables)
    return f"{name}: {len(parts)} studies: {', '.join(parts)}"
