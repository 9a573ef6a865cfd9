"""Parts of the config that jobs depend on, as JSON: what changes nothing for a job is not in its part."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ebgenes.app.analyses.analysis import Analysis
from ebgenes.app.config import Config, DatasetSettings, intake_settings, plain_values

HOW_SHARED_OUT = ("chunks", "batch")
"""Settings of the effects that say in how many jobs they are fitted, which changes none of them."""


def section_part(config: Config, section: str) -> str:
    """One section, but for how work is shared out."""
    return json.dumps(_without_jobs(plain_values(getattr(config, section))), sort_keys=True)


def dataset_part(config: Config, name: str, contrasts: Sequence[str] | None = None) -> str:
    """What one dataset's report depends on, or some of its contrasts do."""
    settings = plain_values(config.datasets[name])
    if contrasts is not None:
        settings["contrasts"] = {each: settings["contrasts"][each] for each in contrasts}
    return json.dumps(
        {
            **plain_values(config),
            "outdir": "results",
            "studies": {},
            "datasets": {name: settings},
            "effects": _without_jobs(plain_values(config.effects)),
        }
    )


def intake_part(dataset: DatasetSettings) -> str:
    """How a dataset's files are read, beside which files they are."""
    return json.dumps(intake_settings(dataset), sort_keys=True)


def sums_part(dataset: DatasetSettings) -> str:
    """What sums of cells depend on; how many cells they must be of comes later."""
    settings = plain_values(dataset.pseudobulk)
    return json.dumps({key: settings[key] for key in ("sample", "cell_type", "cells")})


def plan_part(config: Config, name: str) -> str:
    """What the plan of a dataset's cell types depends on."""
    normalization = {"normalization": config.effects.normalization}
    return json.dumps({"datasets": {name: plain_values(config.datasets[name])}, "effects": normalization})


def analysis_part(config: Config, name: str, analysis: Analysis, entry: str) -> str:
    """What an entry of an analysis of a dataset's contrasts depends on."""
    dataset, values = config.datasets[name], plain_values(config.datasets[name])
    values["contrasts"] = {each: values["contrasts"][each] for each in analysis.contrasts(dataset, entry)}
    entries = {each: values.pop(each) for each in dataset.analyses}
    values[analysis.name] = {entry: entries[analysis.name][entry]}
    heeded: dict[str, dict[str, Any]] = {}
    for section, _, key in (key.partition(".") for key in analysis.heeds):
        heeded.setdefault(section, {})[key] = plain_values(getattr(config, section))[key]
    return json.dumps({"datasets": {name: values}, **heeded})


def studies_part(config: Config, name: str) -> str:
    """What several studies depend on."""
    studies = {name: plain_values(config.studies[name])}
    return json.dumps({**plain_values(config), "outdir": "results", "studies": studies})


def _without_jobs(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key not in HOW_SHARED_OUT}
