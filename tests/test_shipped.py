"""What travels with the package: examples and the workflow, without a clone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import ebgenes as eb
from ebgenes.app.cli import main
from ebgenes.app.config import read_config
from ebgenes.app.shipped import EXAMPLES, shipped, workflow_command, write_example

pytestmark = pytest.mark.fast


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_whole(name, tmp_path, monkeypatch):
    config = write_example(name, tmp_path / "deep" / "demo")
    monkeypatch.chdir(config.parent)
    dataset = read_config("config.yaml").datasets[name]
    for path in (dataset.counts, dataset.samples, dataset.genes):
        assert path is None or Path(path).is_file()
    assert [each.name for each in (tmp_path / "deep").iterdir()] == ["demo"]


def test_an_example_overwrites_nothing(tmp_path, capsys):
    (tmp_path / "demo").mkdir()
    assert main(["example", "airway", str(tmp_path / "demo")]) == 2
    assert "exists already. Name another folder." in capsys.readouterr().err
    with pytest.raises(eb.InputError, match="Did you mean 'airway'"):
        write_example("airways", tmp_path / "other")
    assert [each.name for each in tmp_path.iterdir()] == ["demo"]


def test_snakemake_gets_its_arguments_and_a_shipped_profile():
    slurm = str(shipped() / "workflow" / "profiles" / "slurm")
    for given in (["--profile", "slurm"], ["--profile=slurm"]):
        command = workflow_command([*given, "--configfile", "mine.yaml"])
        assert command[:3] == [sys.executable, "-m", "snakemake"]
        assert slurm in " ".join(command).replace("=", " ").split()
        assert "slurm" not in command
    kept = workflow_command(["--configfile", "mine.yaml", "--profile", "no_such_one", "--cores", "4"])
    assert kept[-6:] == ["--configfile", "mine.yaml", "--profile", "no_such_one", "--cores", "4"]


def test_a_workflow_without_a_config_says_what_to_write(capsys):
    assert main(["workflow", "--cores", "2"]) == 2
    assert "ebgenes workflow --configfile mine.yaml --cores 4" in capsys.readouterr().err


@pytest.mark.workflow
def test_the_workflow_runs_from_anywhere(tmp_path):
    config = write_example("pasilla", tmp_path / "demo")
    command = [sys.executable, "-m", "ebgenes", "workflow", "--configfile", config.name, "--cores", "1", "--dry-run"]
    done = subprocess.run(command, cwd=config.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "rule report" in done.stdout + done.stderr
    assert not (config.parent / "results").exists()
