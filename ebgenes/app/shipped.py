"""What travels with the package beside its code: the workflow and the shipped studies."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from ebgenes.errors import InputError, listing, nearest

EXAMPLES = {"airway": "config.yaml", "pasilla": "pasilla.yaml"}
"""Shipped studies, and what their configs are called."""


def shipped() -> Path:
    """The folder that holds ``workflow``, ``config`` and ``resources``: inside the wheel, or the checkout itself."""
    package = Path(__file__).parents[1]
    inside = package / "shipped"
    return inside if inside.is_dir() else package.parent


def write_example(name: str, folder: str | os.PathLike[str]) -> Path:
    """Write a shipped study, its config and files, to a new folder; returns the config.

    Raises
    ------
    InputError
        Where there is no such study, or the folder exists already.
    """
    if name not in EXAMPLES:
        raise InputError(f"there is no example {name!r}; choose one of {listing(EXAMPLES)}.{nearest(name, EXAMPLES)}")
    target = Path(folder)
    if target.exists():
        raise InputError(f"{target} exists already. Name another folder.")
    # Not mkdtemp, whose folders are for one user alone.
    made = target.with_name(f".{target.name}-{os.getpid()}")
    made.mkdir(parents=True)
    try:
        shutil.copytree(shipped() / "resources" / name, made / "resources" / name)
        shutil.copyfile(shipped() / "config" / EXAMPLES[name], made / "config.yaml")
        made.rename(target)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return target / "config.yaml"


def workflow_command(arguments: list[str]) -> list[str]:
    """Snakemake on the shipped workflow, as a command.

    Parameters
    ----------
    arguments
        Snakemake's own. ``--profile`` may name a shipped one (slurm, sge, pbs, lsf) where no folder is called so.

    Raises
    ------
    InputError
        Where Snakemake is not installed, or no config is named.
    """
    if find_spec("snakemake") is None:
        raise InputError("Snakemake is not installed. Install it: pip install 'ebgenes[workflow]'.")
    if not any(each.partition("=")[0] in ("--configfile", "--configfiles", "--config", "-C") for each in arguments):
        raise InputError(
            "no config is named. Write: ebgenes workflow --configfile mine.yaml --cores 4; `ebgenes init mine.yaml` "
            "writes a config, and `ebgenes example airway demo` a study to try."
        )
    profiles = shipped() / "workflow" / "profiles"
    known = list(arguments)
    for i, each in enumerate(known):
        name = each.removeprefix("--profile=") if each.startswith("--profile=") else each
        follows = i > 0 and known[i - 1] == "--profile"
        if (follows or name != each) and not Path(name).exists() and (profiles / name).is_dir():
            known[i] = each.removesuffix(name) + str(profiles / name)
    return [sys.executable, "-m", "snakemake", "--snakefile", str(shipped() / "workflow" / "Snakefile"), *known]
