"""The conda files and the image ask for what pyproject.toml asks for: they cannot be built where tests run."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
CONDA = {"matplotlib": "matplotlib-base", "snakemake": "snakemake-minimal"}
"""What conda calls the libraries without parts that are not needed here."""


def asked(requirements: list[str]) -> dict[str, SpecifierSet]:
    """Versions by name."""
    return {(parsed := Requirement(text)).name: parsed.specifier for text in requirements}


@pytest.mark.parametrize(
    ("path", "extras", "own"),
    [("environment.yaml", ["workflow", "parquet", "xlsx"], True), ("workflow/envs/ebgenes.yaml", [], False)],
)
def test_conda_files_ask_for_the_same_versions(path: str, extras: list[str], own: bool) -> None:
    content = yaml.safe_load((ROOT / path).read_text())
    wanted = asked([*PROJECT["dependencies"], *(text for extra in extras for text in EXTRAS[extra])])
    expected = {CONDA.get(name, name): versions for name, versions in wanted.items()}
    expected |= {"python": SpecifierSet(PROJECT["requires-python"]), "pip": SpecifierSet()}
    dependencies = content["dependencies"]
    assert asked([each for each in dependencies if isinstance(each, str)]) == expected
    # Bioconda builds on conda-forge, which must come first.
    assert content["channels"] == ["conda-forge", *(["bioconda"] if own else []), "nodefaults"]
    by_pip = [each["pip"] for each in dependencies if isinstance(each, dict)]
    assert by_pip == ([["--no-deps", "."]] if own else [])


def test_the_image_has_a_python_and_extras_that_there_are() -> None:
    words = (ROOT / "Dockerfile").read_text()
    version = re.search(r"^FROM python:(\d+\.\d+)-slim$", words, flags=re.MULTILINE)
    assert version is not None
    assert SpecifierSet(PROJECT["requires-python"]).contains(version[1])
    installed = re.search(r'pip install --no-cache-dir "(\S+)\[(\S+)\]"', words)
    copied = re.search(r"^COPY \. (\S+)$", words, flags=re.MULTILINE)
    assert installed is not None
    assert copied is not None
    assert installed[1] == copied[1]
    assert installed[2].split(",") == ["workflow", "parquet", "xlsx"]
    assert set(installed[2].split(",")) <= EXTRAS.keys()
    # What its build runs, and what its first lines tell users to run.
    used = {"config/pasilla.yaml", "workflow/Snakefile"}
    for path in used:
        assert path in words
        assert (ROOT / path).is_file()
    ignored = (ROOT / ".dockerignore").read_text().split()
    needed = ["ebgenes", "workflow", "config", "resources", "pyproject.toml", "README.md", "LICENSE", "Snakefile"]
    assert not set(needed) & {line.strip("/") for line in ignored}
