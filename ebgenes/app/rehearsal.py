"""What a run asks of counts, designs and settings before its first fit, and `check` of small files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from ebgenes.app.config import Config, DatasetSettings, EffectsSettings
from ebgenes.app.prepare import prepare
from ebgenes.app.steps import annotation, covariates_of
from ebgenes.data.sheets import read_controls
from ebgenes.effects.engine import require_fit
from ebgenes.effects.hidden import controls_among
from ebgenes.errors import InputError
from ebgenes.records.counts import Study
from ebgenes.records.design import Design

SMALL, MOST_FILES = 5_000_000, 2_000
"""Bytes of counts, as they lie on the disk, that `check` reads whole: a second or two of work; and files."""


def is_small(dataset: DatasetSettings) -> bool:
    """Whether a dataset's counts are soon read."""
    place = Path(dataset.counts)
    if place.is_file():
        return place.stat().st_size <= SMALL
    size = 0
    for i, path in enumerate(place.rglob("*")):
        size += path.stat().st_size if path.is_file() else 0
        if size > SMALL or i > MOST_FILES:
            return False
    return True


def require_designs(designs: Mapping[str, Design], settings: EffectsSettings, n_genes: int | None = None) -> None:
    """Refuse contrasts that the engine could not fit, of so many genes where they are known.

    Raises
    ------
    InputError
        For the first.
    """
    for design in designs.values():
        require_fit(
            design, settings.engine, hidden_factors=settings.hidden_factors, dispersion=settings.dispersion,
            dispersion_tails=settings.dispersion_tails, outliers=settings.outliers, n_genes=n_genes,
        )  # fmt: skip


def require_answerable(study: Study, designs: Mapping[str, Design], dataset: DatasetSettings, config: Config) -> None:
    """Refuse what the first fit of a study would refuse, before any file is written.

    Raises
    ------
    InputError
        Where covariates, controls or the number of genes do not do.
    """
    genes = annotation(dataset.genes, config.prior)
    covariates_of(study.counts.gene, study.screen.base_mean[study.screen.kept], config.prior, genes)
    if dataset.controls is not None and not all(design.random for design in designs.values()):
        controls_among(study.counts.gene, read_controls(dataset.controls))
    require_designs(designs, config.effects, len(study.counts.gene))


def rehearse(
    dataset: DatasetSettings, designs: Mapping[str, Design], config: Config, say: Callable[[str], None]
) -> Study:
    """The study of a dataset, read and prepared as a run does, if its contrasts can be answered.

    Raises
    ------
    InputError
        For whatever a run would refuse before its first fit.
    """
    study = prepare(dataset, config.effects.normalization, say)
    require_answerable(study, designs, dataset, config)
    return study


def require_place(outdir: str) -> None:
    """Refuse a folder of results that cannot be made.

    Raises
    ------
    InputError
        Where a file is in its place, or nothing may be written there.
    """
    place = Path(outdir).absolute()
    while not os.path.lexists(place):
        place = place.parent
    if not place.is_dir():
        raise InputError(f"cannot write {outdir}: {place} is not a directory. Choose another outdir.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise InputError(f"cannot write {outdir}: permission denied at {place}. Choose another outdir.")
