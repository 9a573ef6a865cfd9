"""The verbs with which one begins: a config, a shipped study, the workflow that travels with the package."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

from ebgenes.app.shipped import workflow_command, write_example
from ebgenes.errors import InputError

STARTER = """\
# A starter config for ebgenes. Paths are relative to the folder the command runs in.
# Check it with `ebgenes check config.yaml`, then run it with `ebgenes run config.yaml`.
outdir: results
datasets:
  mystudy:
    counts: counts.tsv.gz      # raw counts, genes x samples (TSV, CSV, .parquet, .h5ad, featureCounts), or a folder
                               # of 10x, STAR, salmon or kallisto
    samples: samples.tsv       # one row a sample, names in the first column
    genes: null                # optional annotation: gene_id, gene_name
    design: "~ condition"      # donors measured several times: "~ condition + (1|donor)"
    contrasts:
      treatment: {column: condition, baseline: control, target: treated}
    keep: {min_count: 10, min_samples: null}   # null: as many samples as the smallest group has
effects: {engine: auto, normalization: median_ratio}   # auto: likelihood, or mixed with random factors
prior: {family: scale_normal, fit: em, null: estimated, covariates: []}   # such as base_mean, or columns of genes
report: {level: 0.05, interval: 0.95, lfc_threshold: 0, label: 20}
"""


def init(options: argparse.Namespace) -> None:
    """Write a starter config."""
    from ebgenes.files import write_bytes

    if Path(options.path).exists():
        raise InputError(f"{options.path} exists already. Name another file.")
    write_bytes(options.path, STARTER.encode())
    print(f"wrote {options.path}; next: ebgenes check {options.path}")


def example(options: argparse.Namespace) -> None:
    """Write a shipped study, counts and config, to a new folder."""
    config = write_example(options.name, options.folder or options.name)
    print(f"wrote {config}; next: cd {shlex.quote(str(config.parent))} && ebgenes run config.yaml")


def workflow(options: argparse.Namespace) -> None:
    """Run the Snakemake workflow that travels with the package; all arguments are Snakemake's."""
    # The marker of another program's arguments is not one of them.
    command = workflow_command(options.arguments[options.arguments[:1] == ["--"] :])
    sys.stdout.flush()
    # Snakemake takes this process's place, and with it its signals and exit code.
    os.execv(command[0], command)  # noqa: S606
