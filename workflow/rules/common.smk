# The checked config and small helpers. No data is opened here: this file runs again in every job.
import json
import os
import re
import shlex
import sys
from dataclasses import asdict

from snakemake.exceptions import WorkflowError
from snakemake.io import contains_wildcard

try:
    from ebgenes import __version__ as EBGENES_VERSION
    from ebgenes.config import (
        annotation_columns,
        figure_names,
        parse_config,
    )
    from ebgenes.errors import InputError
except ImportError as error:
    raise WorkflowError(
        f"the package ebgenes cannot be imported where Snakemake runs ({error}). "
        "Install it there: pip install '.[workflow]' in the checkout."
    )

try:
    SETTINGS = parse_config(config)
except InputError as error:
    raise WorkflowError(str(error))


def refuse_wildcards():
    """A name in braces is a wildcard to Snakemake, in a path as it is on disk too, and cannot be escaped."""
    paths = {"outdir": SETTINGS.outdir}
    for name, settings in SETTINGS.datasets.items():
        for key in ("counts", "samples", "genes", "offsets", "controls", "tx2gene"):
            paths[f"datasets.{name}.{key}"] = getattr(settings, key) or ""
    found = [f"{key}: {path}" for key, path in paths.items() if contains_wildcard(path)]
    if found:
        raise WorkflowError(
            "Snakemake takes a name in braces within a path for a wildcard. Rename it, or use `ebgenes run`:\n"
            + "\n".join(f"  - {line}" for line in found)
        )


refuse_wildcards()

OUTDIR = os.path.normpath(SETTINGS.outdir)
OUTDIR = "" if OUTDIR == "." else OUTDIR
DATASET = os.path.join(OUTDIR, "{dataset}")
CONTRAST = os.path.join(DATASET, "{contrast}")
LOGS = os.path.join(OUTDIR, "logs", "{dataset}")
CONTRAST_FIGURES = figure_names(
    SETTINGS.report.figures,
    SETTINGS.prior.covariates,
    SETTINGS.effects.hidden_factors,
)
PAGE_FIGURES = [name for name in CONTRAST_FIGURES if name.endswith(".png")]


wildcard_constraints:
    dataset="|".join(map(re.escape, SETTINGS.datasets)),
    contrast="|".join(
        {re.escape(name) for d in SETTINGS.datasets.values() for name in d.contrasts}
    ),


def dataset(wildcards):
    return SETTINGS.datasets[wildcards.dataset]


def source(name):
    """A file of the dataset's, or nothing; never moved by a module's prefix."""

    def find(wildcards):
        path = getattr(dataset(wildcards), name)
        return [] if path is None else local(path)

    return find


def annotation(wildcards):
    """The genes' annotation where covariates need it."""
    needed = annotation_columns(SETTINGS.prior.covariates)
    return source("genes")(wildcards) if needed else []


def flag_of(option, value):
    """An option and its value, quoted for the shell; nothing where the value is missing."""
    return f"--{option}={shlex.quote(str(value))}" if value else ""


def settings_json(section):
    return json.dumps(asdict(getattr(SETTINGS, section)), sort_keys=True)


def only_dataset(name):
    """The part of the config that one dataset's report depends on."""
    return json.dumps(
        {
            **asdict(SETTINGS),
            "outdir": "results",
            "datasets": {name: asdict(SETTINGS.datasets[name])},
        }
    )


def contrast_files(name, files):
    """The named files of every contrast of a dataset."""
    return [
        os.path.join(OUTDIR, name, contrast, file)
        for contrast in SETTINGS.datasets[name].contrasts
        for file in files
    ]


def every_result():
    files = []
    for name in SETTINGS.datasets:
        files += [
            os.path.join(OUTDIR, name, file) for file in ("results.h5ad", "report.html")
        ]
        files += contrast_files(name, CONTRAST_FIGURES)
    return files


def mem_mb(base):
    """Twice and three times as much when a job is tried again."""
    return lambda wildcards, attempt: base * attempt
