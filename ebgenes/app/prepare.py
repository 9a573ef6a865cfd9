"""Files of a dataset -> a study: counts read, sized, screened and normalized, and the designs asked of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ebgenes.app.config import (
    DatasetSettings,
    reserved_names,
    size_factor_controls,
)
from ebgenes.arrays import FloatArray, text_array
from ebgenes.data.count_tables import read_offsets
from ebgenes.data.filter import keep_expressed, require_distinct, screen_genes
from ebgenes.data.gene_names import names_for
from ebgenes.data.given_sizes import column_size_factors, look_like_factors, offsets_as_size_factors, read_size_factors
from ebgenes.data.intake import Intake, samples_of, take_in, tell
from ebgenes.data.normalization import normalize, with_base_mean, with_offsets, with_size_factors
from ebgenes.data.pseudobulk import folder_names, pseudobulk_cells
from ebgenes.data.sheets import read_controls, read_samples
from ebgenes.design.columns import dropped_words
from ebgenes.design.matrix import Model, ask, build_design, read_model
from ebgenes.design.questions import all_of, any_of, combine, compare
from ebgenes.effects.engine import require_replicates
from ebgenes.errors import InputError, InputErrors
from ebgenes.files import read_json
from ebgenes.records.counts import Counts, Study
from ebgenes.records.design import Design

if TYPE_CHECKING:
    import pandas as pd

    from ebgenes.data.pseudobulk import Pseudobulk
    from ebgenes.design.questions import Combination, Comparison, Question


FEW_CONTROLS = 10
"""Control genes below which size factors made of them are called noisy."""


def prepare(dataset: DatasetSettings, normalization: str, say: Callable[[str], None] = lambda message: None) -> Study:
    """Read a dataset's files, drop the genes that say nothing, and normalize the rest."""
    taken = take_in(dataset)
    tell(taken.notes, say)
    return screened(dataset, taken, normalization, say)


def prepare_cell_type(
    dataset: DatasetSettings,
    sums: Pseudobulk,
    cell_type: str,
    normalization: str,
    say: Callable[[str], None] = lambda message: None,
) -> Study:
    """The study of one cell type: the samples that have enough of its cells, and what `prepare` does."""
    if dataset.pseudobulk is None:
        raise ValueError("the dataset has no cells")
    counts = sums.counts_of(cell_type, **options(dataset.pseudobulk, "min_cells", "min_counts"))
    sheet = samples_of(dataset)
    tell(sheet.notes, say)
    # Sums are of all samples of the sheet; some may be left out by now.
    there = [name in sheet.frame.index for name in counts.sample]
    counts = replace(counts, sample=counts.sample[there], count=counts.count[:, there])
    samples = sheet.frame.loc[list(counts.sample)]
    return screened(dataset, Intake(counts=counts, samples=samples, notes=sheet.notes), normalization, say)


def screened(
    dataset: DatasetSettings, taken: Intake, normalization: str, say: Callable[[str], None] = lambda message: None
) -> Study:
    """The study of counts and sheet that were taken in: genes that say nothing dropped, the rest normalized."""
    samples = taken.samples
    counts = _with_given_sizes(dataset, taken.counts, samples, say)
    annotated = names_for(dataset.genes, counts.gene, taken.names)
    design = build_design(samples, dataset.design, reference=dataset.reference)
    more = [*annotated.notes, *dropped_words(design.dropped)]
    tell(more, say)
    names = dict(annotated.name)
    screen = screen_genes(counts, design, name=names, **options(dataset.keep, "min_count", "min_samples"))
    path = size_factor_controls(dataset)
    controls = None if path is None else read_controls(path)
    kept = normalize(keep_expressed(counts, screen), normalization, controls=controls)
    if controls is not None:
        found = int(np.isin(kept.gene.astype(str), controls.astype(str)).sum())
        few = "" if found >= FEW_CONTROLS else "; so few leave them noisy, and with them every effect"
        say(f"size factors are those of {found} of {len(controls)} control genes{few}")
    require_distinct(kept)
    notes = tuple(dict.fromkeys((*taken.notes, *more)))
    return Study(counts=kept, samples=samples, screen=with_base_mean(screen, counts, kept), notes=notes)


def _with_given_sizes(
    dataset: DatasetSettings, counts: Counts, samples: pd.DataFrame, say: Callable[[str], None]
) -> Counts:
    """Counts with the offsets or size factors that the dataset names, if it does."""
    factor = given_factors(dataset, samples)
    if factor is not None:
        if dataset.offsets is not None:
            say(taken_for_factors(dataset.offsets))
        return with_size_factors(counts, factor)
    if dataset.offsets is None:
        return counts
    offset = read_offsets(dataset.offsets, counts)
    for words in offset_doubts(dataset.offsets, offset):
        say(words)
    return with_offsets(counts, offset)


def given_factors(dataset: DatasetSettings, samples: pd.DataFrame) -> FloatArray | None:
    """The size factors that a dataset names, (S,); None where it names none, offsets or control genes."""
    asked, sample = dataset.size_factors, text_array(samples.index)
    if dataset.offsets is not None:
        return offsets_as_size_factors(dataset.offsets, sample)
    if isinstance(asked, str):
        return read_size_factors(asked, sample)
    return column_size_factors(samples, asked["column"]) if asked is not None and "column" in asked else None


def taken_for_factors(path: str) -> str:
    """What is said of a file of size factors that was given as offsets."""
    return f"{path} has one value a sample: these are taken for size factors. Name the file under size_factors."


def offset_doubts(path: str, offset: FloatArray) -> Iterator[str]:
    """A warning where offsets look like size factors that nobody took the logarithm of."""
    if look_like_factors(offset):
        yield (
            f"warning: all offsets of {path} are above 0, {offset.mean():.2f} on average, as size factors are. "
            "Offsets are their natural logarithms; are these?"
        )


def sum_dataset(dataset: DatasetSettings, say: Callable[[str], None] = lambda message: None) -> Pseudobulk:
    """Sum a dataset's cells by sample and cell type."""
    samples = text_array(read_samples(cast(str, dataset.samples)).index)
    chosen = options(dataset.pseudobulk, "sample", "cell_type", "cells")
    sums, notes = pseudobulk_cells(dataset.counts, list(samples), layer=dataset.layer, **chosen)
    for note in notes:
        say(note)
    return sums


def plan_cell_types(dataset: DatasetSettings, sums: Pseudobulk, normalization: str) -> dict[str, dict[str, Any]]:
    """What can be asked of each cell type, and why the rest cannot, by the name of its folder.

    Raises
    ------
    InputErrors
        With one message a cell type, where no contrast can be asked of any.
    """
    plan: dict[str, dict[str, Any]] = {}
    for cell_type, folder in folder_names(sums.cell_type, reserved_names()).items():
        asked: list[str] = []
        refused: dict[str, str] = {}
        n_samples = 0
        try:
            study = prepare_cell_type(dataset, sums, cell_type, normalization)
            n_samples = len(study.samples)
            model = read_model(study.samples, dataset.design, dataset.reference)
        except InputError as error:
            refused = dict.fromkeys(dataset.contrasts, str(error))
        for contrast, question in dataset.contrasts.items():
            if contrast in refused:
                continue
            try:
                contrast_of(model, question, contrast)
                asked.append(contrast)
            except InputError as error:
                refused[contrast] = str(error)
        n_cells = int(sums.n_cells[sums.cell_type == cell_type].sum())
        plan[folder] = {
            "cell_type": cell_type, "cells": n_cells, "samples": n_samples, "contrasts": asked, "excluded": refused,
        }  # fmt: skip
    if not any(part["contrasts"] for part in plan.values()):
        reasons = [f"{part['cell_type']}: {next(iter(part['excluded'].values()))}" for part in plan.values()]
        raise InputErrors(f"none of {len(plan)} cell types can answer any contrast:", reasons)
    return plan


def read_plan(path: str | os.PathLike[str]) -> dict[str, dict[str, Any]]:
    """The plan that `plan_cell_types` made and a file keeps.

    Raises
    ------
    InputError
        Where it is not one.
    """
    plan = read_json(path)
    kinds = {"cell_type": str, "cells": int, "samples": int, "contrasts": list, "excluded": dict}
    for folder, part in plan.items():
        sound = isinstance(part, dict) and part.keys() == kinds.keys()
        if not sound or not all(isinstance(part[name], kind) for name, kind in kinds.items()):
            raise InputError(
                f"{path}: what it says of {folder!r} is not as this version of ebgenes writes it. Another version made "
                "it, or it was damaged or edited; make it anew."
            )
    return plan


def excluded(plan: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """A sentence for each cell type that cannot answer every contrast."""
    for part in plan.values():
        for contrast, reason in part["excluded"].items():
            yield f"{part['cell_type']}: contrast {contrast} was left out: {reason}"


def options(settings: Any, *names: str) -> dict[str, Any]:
    """The named settings as keyword arguments."""
    return {name: getattr(settings, name) for name in names}


def contrast_design(
    samples: pd.DataFrame, formula: str, question: Mapping[str, Any], name: str, reference: Mapping[str, Any]
) -> Design:
    """The design of a contrast as the config writes it, with replicates to judge it by."""
    return contrast_of(read_model(samples, formula, reference), question, name)


def contrast_of(model: Model, question: Mapping[str, Any], name: str) -> Design:
    """As `contrast_design`, of a formula that has been applied to its sheet."""
    design = ask(model, _asked(question), name=name)
    require_replicates(design)
    return design


def _asked(question: Mapping[str, Any]) -> Question:
    """The config's words as a question."""
    if "term" in question:
        terms = question["term"]
        return all_of(*([terms] if isinstance(terms, str) else terms))
    if "rows" in question:
        return any_of(*(row if isinstance(row, str) else _asked_row(row) for row in question["rows"]))
    return _asked_row(question)


def _asked_row(question: Mapping[str, Any]) -> Comparison | Combination:
    return combine(question["coefficients"]) if "coefficients" in question else compare(**question)
