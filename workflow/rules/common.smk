# The checked config and small helpers. No data is opened here: this file runs again in every job.
import json
import os
import re
import shlex
from dataclasses import asdict

from snakemake.exceptions import WorkflowError

try:
    from ebgenes import __version__ as EBGENES_VERSION
    from ebgenes.config import FIGURES, figure_names, parse_config
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

# Braces in a folder's name are not wildcards.
OUT = SETTINGS.outdir.replace("{", "{{").replace("}", "}}")


wildcard_constraints:
    dataset="|".join(map(re.escape, SETTINGS.datasets)),
    contrast="|".join({re.escape(name) for d in SETTINGS.datasets.values() for name in d.contrasts}),


def dataset(wildcards):
    return SETTINGS.datasets[wildcards.dataset]


def source(name):
    """A file of the dataset's, or nothing; never moved by a module's prefix."""

    def find(wildcards):
        path = getattr(dataset(wildcards), name)
        return [] if path is None else local(path)

    return find


def flag_of(option, value):
    """An option and its value, quoted for the shell; nothing where the value is missing."""
    return f"--{option} {shlex.quote(str(value))}" if value else ""


def settings_json(section):
    return json.dumps(asdict(getattr(SETTINGS, section)), sort_keys=True)


def only_dataset(name):
    """The part of the config that one dataset's report depends on."""
    return json.dumps({**asdict(SETTINGS), "outdir": "results", "datasets": {name: asdict(SETTINGS.datasets[name])}})


def contrast_files(names):
    """The named files of every contrast of a dataset."""
    return lambda wildcards: expand(
        f"{OUT}/{{dataset}}/{{contrast}}/{{name}}",
        name=names,
        dataset=wildcards.dataset,
        contrast=dataset(wildcards).contrasts,
    )


def contrast_figures():
    return [f"{OUT}/{{dataset}}/{{contrast}}/{name}" for name in figure_names(SETTINGS.report.figures)]


def every_result():
    files = []
    for name, settings in SETTINGS.datasets.items():
        files += expand(f"{OUT}/{{dataset}}/{{file}}", dataset=name, file=["results.h5ad", "report.html"])
        files += expand(contrast_figures(), dataset=name, contrast=settings.contrasts)
    return files


def mem_mb(base):
    """Twice and three times as much when a job is tried again."""
    return lambda wildcards, attempt: base * attempt
