"""The same config on a real Slurm: the same bits, and complete results or one message whatever goes wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cells
import pandas as pd
import pytest
import yaml
from slurm import Slurm, alone, wait_for, why_not
from test_workflow import COMPARISON, ROOT, WORKFLOW, command, files_in, output_of, require_same_results, write_config

HERE = Path(__file__).parent
PROFILE = ROOT / "workflow" / "profiles" / "slurm"

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(
        find_spec("snakemake_executor_plugin_slurm") is None, reason="the slurm executor plugin is not installed"
    ),
]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    # Tests of this module may be shared out to several processes.
    with alone():
        reason = why_not()
        if reason:
            pytest.skip(reason)
        # Sockets need short paths.
        made = Slurm(tmp_path_factory.mktemp("slurm"))
        try:
            made.start()
            yield made
        finally:
            made.stop()


def start(folder: Path, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    """Start Snakemake with the shipped profile, looking at its jobs often; its words go to `said`."""
    known = {name: value for name, value in os.environ.items() if not name.startswith(("SNAKEMAKE_", "PYTEST_"))}
    first = [environment.pop("BIN", ""), str(Path(sys.executable).parent), known.get("PATH", "")]
    known |= {"PATH": os.pathsep.join(filter(None, first)), **environment}
    quick = ["--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "10"]
    with open(folder / "said", "w") as said:
        return subprocess.Popen(
            [
                *(sys.executable, HERE / "often.py", "--profile", PROFILE, "--snakefile", WORKFLOW),
                *("--configfile", folder / "mine.yaml", *quick, *arguments),
            ],
            cwd=folder,
            env=known,
            stdout=said,
            stderr=subprocess.STDOUT,
            text=True,
        )


def finish(process: subprocess.Popen[str], folder: Path, seconds: float = 1200) -> tuple[int, str]:
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    return code, (folder / "said").read_text()


def on_slurm(folder: Path, *arguments: str | Path, **environment: str) -> tuple[int, str]:
    return finish(start(folder, *arguments, **environment), folder)


def expect(folder: Path) -> None:
    """What `ebgenes run` makes of the same config: before Slurm's jobs, which then find the kernels compiled."""
    output_of(command(folder, "ebgenes", "run", "mine.yaml", "--outdir", "expected", seconds=1200))


def same_as_expected(folder: Path) -> None:
    """Every result is the same, and there is no half of a file beside them."""
    shutil.rmtree(folder / "out" / "logs", ignore_errors=True)
    require_same_results(folder / "out", folder / "expected")


def small(folder: Path, *names: str) -> dict[str, Any]:
    """A config with a simulated study of each name."""
    datasets = {}
    for seed, name in enumerate(names):
        output_of(command(folder, "ebgenes", "simulate", folder / name, "--genes", "300", "--seed", str(seed)))
        datasets[name] = {
            "counts": f"{name}/counts.tsv.gz",
            "samples": f"{name}/samples.tsv",
            "design": "~ group",
            "contrasts": {"treatment": COMPARISON},
        }
    return {"outdir": "out", "datasets": datasets, "report": {"figures": ["png"]}}


# A whole run


def test_three_studies_and_eight_contrasts_give_the_same_bits(slurm: Slurm, tmp_path: Path) -> None:
    """The shipped studies, every tenth gene of theirs, and single cells."""
    shipped = {}
    for name in ("config", "pasilla"):
        shipped |= yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text())["datasets"]
    for name, dataset in shipped.items():
        for key in ("samples", "genes"):
            if dataset.get(key):
                dataset[key] = str(ROOT / dataset[key])
        counts = pd.read_csv(ROOT / dataset["counts"], sep="\t", index_col=0)
        dataset["counts"] = f"{name}.tsv"
        counts[::10].to_csv(tmp_path / dataset["counts"], sep="\t")
    blood = cells.write_study(tmp_path)
    blood["design"] = "~ group + batch"
    blood["contrasts"] = {
        "treatment": {"column": "group", "baseline": "control", "target": "treated"},
        "batch_b": {"column": "batch", "baseline": "a", "target": "b"},
    }
    config = {"outdir": "out", "datasets": {**shipped, "blood": blood}, "report": {"figures": ["png"]}}
    write_config(tmp_path / "mine.yaml", config)
    expect(tmp_path)
    code, said = on_slurm(tmp_path)
    assert code == 0, said
    plan = json.loads((tmp_path / "out" / "blood" / "cell_types.json").read_text())
    assert sum(len(part["contrasts"]) for part in plan.values()) == 6
    # Two studies' counts, sums of cells, counts of three types, and eight contrasts: one job each, and no more.
    assert said.count("has been submitted with SLURM jobid") == 2 + 1 + 3 + 8
    same_as_expected(tmp_path)


# Faults


@pytest.fixture
def held(tmp_path: Path) -> Path:
    """A folder whose `bin` has an `ebgenes` that can be made to stop while it writes."""
    place = tmp_path / "bin"
    place.mkdir()
    script = (HERE / "held.py").read_text().replace("#!/usr/bin/env python", f"#!{sys.executable}", 1)
    (place / "ebgenes").write_text(script)
    (place / "ebgenes").chmod(0o755)
    return tmp_path


def holding(folder: Path, word: str) -> tuple[int, str]:
    """The process and the job that stopped in the middle of a file."""
    mark = folder / f"held.{word}"
    wait_for(f"{word} to be held", lambda: mark.exists() and mark.read_text().endswith(" "), 400)
    pid, job = mark.read_text().split()
    return int(pid), job


def test_jobs_cancelled_killed_and_lost_with_their_node_are_run_again(slurm: Slurm, held: Path) -> None:
    write_config(held / "mine.yaml", small(held, "cancelled", "killed", "lost"))
    expect(held)
    for word in ("cancelled", "killed", "lost"):
        (held / f"hold.{word}").touch()
    run = start(held, BIN=str(held / "bin"), EBGENES_HOLD=str(held))
    try:
        found = {word: holding(held, word) for word in ("cancelled", "killed", "lost")}
        half = [path for path in (held / "out").rglob(".effects.h5.*") if path.stat().st_size > 0]
        assert len(half) == 3, "each has part of a file under another name"
        assert not list((held / "out").rglob("effects.h5"))
        slurm.run("scancel", found["cancelled"][1])
        os.kill(found["killed"][0], signal.SIGKILL)
        node = slurm.run("squeue", "-h", "-j", found["lost"][1], "-o", "%N")
        slurm.run("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")
        wait_for("the lost job to end", lambda: not slurm.run("squeue", "-ht", "running", "-j", found["lost"][1]), 200)
        slurm.run("scontrol", "update", f"NodeName={node}", "State=RESUME")
        code, said = finish(run, held)
    finally:
        run.kill()
    assert code == 0, said
    assert said.count("Trying to restart job") >= 3
    # What a kill -9 leaves has a name that no reader takes for a result.
    for path in (held / "out").rglob(".effects.h5.*"):
        path.unlink()
    same_as_expected(held)


def test_snakemake_killed_is_resumed(slurm: Slurm, held: Path) -> None:
    write_config(held / "mine.yaml", small(held, "first", "second"))
    expect(held)
    (held / "hold.second").touch()
    environment = {"BIN": str(held / "bin"), "EBGENES_HOLD": str(held)}
    run = start(held, **environment)
    _, job = holding(held, "second")
    report = held / "out" / "first" / "report.html"
    wait_for("the first study's report", report.exists, 400)
    run.kill()
    run.wait()
    # The report itself may not have been told finished yet.
    table = held / "out" / "first" / "treatment" / "genes.tsv"
    made = table.stat().st_mtime_ns
    # As the documentation says: end what goes on, unlock, run again.
    slurm.run("scancel", job)
    wait_for("the job to end", lambda: not slurm.run("squeue", "-h", "-t", "running,completing", "-j", job), 200)
    assert on_slurm(held, "--unlock", **environment)[0] == 0
    code, said = on_slurm(held, **environment)
    assert code == 0, said
    assert table.stat().st_mtime_ns == made, "what was finished was not done again"
    for path in (held / "out").rglob(".effects.h5.*"):
        path.unlink()
    same_as_expected(held)


def test_a_full_disk_is_told_and_more_room_resumes(slurm: Slurm, tmp_path: Path) -> None:
    write_config(tmp_path / "mine.yaml", small(tmp_path, "study"))
    expect(tmp_path)
    room = tmp_path / "out"
    room.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", room], capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        code, said = on_slurm(tmp_path)
        assert code != 0
        # What ends with a message is not tried again, whatever the profile says of retries.
        assert "Trying to restart job" not in said
        logs = "".join(path.read_text() for path in (tmp_path / ".snakemake").rglob("*.log"))
        told = [line for line in (said + logs).splitlines() if "No space left on device" in line]
        assert any("cannot write out/study" in line for line in told), said
        assert not [name for name in files_in(room) if "logs" not in name], "nothing that could be taken for a result"
        subprocess.run(["mount", "-o", "remount,size=200m", room], check=True)
        code, said = on_slurm(tmp_path)
        assert code == 0, said
        same_as_expected(tmp_path)
    finally:
        subprocess.run(["umount", "--lazy", room], check=True)


def test_a_read_only_install_without_a_home_runs(slurm: Slurm, tmp_path: Path) -> None:
    """First jobs at once, with nothing compiled and no place beside the package to keep it."""
    config = small(tmp_path, "one", "two")
    write_config(tmp_path / "mine.yaml", {**config, "effects": {"engine": "moderated_t"}})
    expect(tmp_path)
    install = tmp_path / "install"
    (install / "ebgenes").mkdir(parents=True)
    shutil.copytree(
        ROOT / "ebgenes", install / "ebgenes", dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
    )
    (install / "bin").mkdir()
    (install / "bin" / "ebgenes").write_text(
        f"#!{sys.executable}\nimport os, sys\nsys.path.insert(0, {str(install)!r})\n"
        # Snakemake itself needs a home.
        "os.environ.update(HOME='/proc/nowhere', XDG_CACHE_HOME='/proc/nowhere')\n"
        "from ebgenes.app.cli import main\n"
        "import ebgenes\n"
        f"assert ebgenes.__file__.startswith({str(install)!r})\n"
        "sys.exit(main())\n"
    )
    (install / "bin" / "ebgenes").chmod(0o755)
    for arguments in (["--bind", install, install], ["-o", "remount,ro,bind", install]):
        if subprocess.run(["mount", *arguments], capture_output=True).returncode != 0:
            pytest.skip("no file system can be mounted read-only here")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    try:
        environment = {"BIN": str(install / "bin"), "TMPDIR": str(temporary), "PYTHONDONTWRITEBYTECODE": "1"}
        code, said = on_slurm(tmp_path, **environment)
    finally:
        subprocess.run(["umount", "--lazy", install], check=True)
    assert code == 0, said
    assert not list(temporary.glob("ebgenes-numba-*")), "compiled code of single jobs is not left behind"
    same_as_expected(tmp_path)
