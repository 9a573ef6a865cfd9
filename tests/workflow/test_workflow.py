"""The Snakemake workflow as users run it: in a process of its own, on a small simulated study."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import anndata
import cells
import h5py
import numpy as np
import pandas as pd
import pytest
import yaml

from ebgenes.app.config import parse_config, read_config, schema
from ebgenes.errors import InputError, InputErrors

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / "workflow" / "Snakefile"
README = ROOT / "config" / "README.md"

pytestmark = [
    pytest.mark.workflow,
    pytest.mark.skipif(find_spec("snakemake") is None, reason="snakemake is not installed: pip install '.[workflow]'"),
]

TABLES = [
    "tsv",
    "rnk",
    *(kind for kind, library in (("parquet", "pyarrow"), ("xlsx", "xlsxwriter")) if find_spec(library)),
]
FIGURES = ["volcano", "ma", "hidden", "heatmap", "pca", "dispersion"]
REPORT = {"tables": TABLES, "figures": FIGURES, "formats": ["png", "svg"]}
COMPARISON = {"column": "group", "baseline": "control", "target": "treated"}

N_GENES = 400


def command(folder: Path, *arguments: str | Path, seconds: float = 300) -> subprocess.CompletedProcess[str]:
    """Run in `folder` with the scripts of this Python first on the path, and without the user's profile."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SNAKEMAKE_")}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
    return subprocess.run(
        [str(argument) for argument in arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
    )


def snakemake(folder: Path, *arguments: str | Path, cores: int = 2) -> subprocess.CompletedProcess[str]:
    return command(folder, sys.executable, "-m", "snakemake", "--cores", str(cores), *arguments)


def output_of(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout
    return done.stdout


def planned(output: str) -> Counter[str]:
    """The jobs of a dry run: `rule` or `rule contrast`, with how many there are of each."""
    if "Nothing to be done" in output:
        return Counter()
    jobs: Counter[str] = Counter()
    told = re.findall(r"^ *(?:local)?(?:rule|checkpoint) (\w+):\n((?: +\w+: .*\n)+)", output, flags=re.MULTILINE)
    for rule, block in told:
        contrast = re.search(r"^ +wildcards: .*\bcontrast=([^,\s]+)", block, flags=re.MULTILINE)
        jobs[rule if contrast is None else f"{rule} {contrast[1]}"] += 1
    table = dict(re.findall(r"^(\w+) +(\d+)$", output.partition("Job stats:")[2], flags=re.MULTILINE))
    assert jobs.total() == int(table["total"]), output
    return jobs


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def write_config(path: Path, content: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def arrays(path: Path) -> dict[str, Any]:
    """Every dataset of an HDF5 file as plain values."""
    found = {}
    with h5py.File(path, "r") as file:
        file.visititems(lambda name, node: found.update({name: node[()]}) if isinstance(node, h5py.Dataset) else None)
    return found


def require_same_results(folder: Path, other: Path, named: dict[str, str] | None = None) -> None:
    """The same files, and in each that holds numbers the same numbers to the last bit.

    named: paths that the config of the first has, and what the other's has in their place; the page shows them.
    """
    assert files_in(folder) == files_in(other)
    for name in files_in(folder):
        if name.endswith((".tsv", ".json", ".html")):
            text = (folder / name).read_text(encoding="utf-8")
            for own, others in (named or {}).items():
                text = text.replace(own, others)
            assert text == (other / name).read_text(encoding="utf-8"), name
        elif name.endswith((".h5", ".h5ad")):
            made, expected = arrays(folder / name), arrays(other / name)
            assert made.keys() == expected.keys(), name
            for key in made:
                np.testing.assert_array_equal(made[key], expected[key], err_msg=f"{name} {key}")


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three samples against three."""
    folder = tmp_path_factory.mktemp("study")
    output_of(command(folder, "ebgenes", "simulate", folder, "--genes", str(N_GENES), "--replicates", "3"))
    return folder


@pytest.fixture(scope="session")
def settings(study: Path) -> dict[str, Any]:
    dataset = {
        "counts": str(study / "counts.tsv.gz"),
        "samples": str(study / "samples.tsv"),
        "design": "~ group",
        "contrasts": {"treatment": COMPARISON},
    }
    return {
        "outdir": "out",
        "datasets": {"study": dataset},
        "report": {"tables": TABLES, "figures": FIGURES, "formats": ["png", "svg"]},
    }


def changed(settings: dict[str, Any], **dataset: Any) -> dict[str, Any]:
    """The config with other entries in its dataset."""
    return {**settings, "datasets": {"study": {**settings["datasets"]["study"], **dataset}}}


@pytest.fixture(scope="session")
def in_process(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, Any]) -> Path:
    """Results of `ebgenes run`, which also compiles the kernels once for all jobs that follow."""
    folder = tmp_path_factory.mktemp("run")
    write_config(folder / "mine.yaml", settings)
    output_of(command(folder, "ebgenes", "run", "mine.yaml", "--threads", "1"))
    return folder / "out" / "study"


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, Any], in_process: Path) -> Path:
    """A copy of the checkout in which `snakemake --configfile mine.yaml` has run."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copy(ROOT / "Snakefile", folder)
    for name in ("workflow", "config", "resources"):
        shutil.copytree(ROOT / name, folder / name)
    write_config(folder / "mine.yaml", settings)
    output_of(snakemake(folder, "--configfile", "mine.yaml"))
    return folder


# What runs, and what it leaves


def test_the_users_study_runs_alone_and_leaves_every_promised_file(checkout: Path) -> None:
    # Asked for as well, `hidden` has nothing to show.
    figures = {f"{name}.{kind}" for name in ("volcano", "ma", "heatmap") for kind in ("png", "svg")}
    answers = {"effects.h5", "prior.json", *(f"genes.{kind}" for kind in TABLES), *figures}
    own = {f"{name}.{kind}" for name in ("pca", "dispersion") for kind in ("png", "svg")}
    promised = {"counts.h5ad", "results.h5ad", "report.html", *own, *(f"treatment/{name}" for name in answers)}
    assert files_in(checkout / "out" / "study") == promised
    assert {path.name for path in (checkout / "out").iterdir()} == {"study", "logs"}, "only the user's dataset"
    assert not (checkout / "results").exists(), "the shipped example did not run too"
    assert len(pd.read_csv(checkout / "out/study/treatment/genes.tsv", sep="\t")) == N_GENES


def test_snakemakes_own_report_has_every_figure_with_its_caption(checkout: Path) -> None:
    output_of(snakemake(checkout, "--configfile", "mine.yaml", "--report", "whole.html"))
    page = (checkout / "whole.html").read_text(encoding="utf-8")
    for name in ("volcano", "ma", "heatmap"):
        assert f"/treatment/{name}.png" in page
    for words in (
        "Volcano plot: size of the effect",
        "The whole of study on one page",
        "Samples on the first principal components",
        "Dispersions: where each gene",
    ):
        assert words in page
    assert "genes with an s value below 0.05" in " ".join(page.split())


def test_without_a_config_the_shipped_example_runs(checkout: Path) -> None:
    output = output_of(snakemake(checkout, "--dry-run"))
    assert planned(output) == Counter(["counts", "contrast dex", "report", "default"])
    assert "resources/airway/counts.tsv.gz" in output


def test_a_second_run_has_nothing_to_do(checkout: Path) -> None:
    assert planned(output_of(snakemake(checkout, "--configfile", "mine.yaml"))) == Counter()


NEW = {"again": {"coefficients": {"group[T.treated]": 1.0}}}
FIT = ["contrast treatment"]


@pytest.mark.parametrize(
    ("change", "jobs"),
    [
        ({"contrasts": {"treatment": COMPARISON, **NEW}}, ["contrast again", "report", "default"]),
        ({"keep": {"min_count": 11}}, ["counts", *FIT, "report", "default"]),
        ({"effects": {"outliers": "winsorize"}}, [*FIT, "report", "default"]),
        ({"effects": {"hidden_factors": 0}}, [*FIT, "report", "default"]),
        (
            {"report": {**REPORT, "level": 0.1}},
            ["contrast treatment", "report", "default"],
        ),
        ({"outdir": "./out/"}, []),
    ],
    ids=["contrast", "keep", "effects", "hidden", "report", "same"],
)
def test_a_change_reruns_what_depends_on_it(
    checkout: Path, settings: dict[str, Any], tmp_path: Path, change: dict[str, Any], jobs: list[str]
) -> None:
    inside = {key: value for key, value in change.items() if key in ("contrasts", "keep")}
    outside = {key: value for key, value in change.items() if key not in inside}
    config = write_config(tmp_path / "mine.yaml", {**changed(settings, **inside), **outside})
    output = output_of(snakemake(checkout, "--configfile", config, "--dry-run"))
    assert planned(output) == Counter(jobs)


def test_an_older_file_of_other_counts_is_noticed(checkout: Path, study: Path, tmp_path: Path) -> None:
    """To Snakemake itself a file that is older than what was made of it is no news."""
    counts = study / "counts.tsv.gz"
    shutil.copy2(counts, tmp_path)
    lines = gzip.decompress(counts.read_bytes()).splitlines(keepends=True)
    try:
        counts.write_bytes(gzip.compress(b"".join(lines[:1] + lines[:0:-1])))
        os.utime(counts, (1e9, 1e9))
        output = output_of(snakemake(checkout, "--configfile", "mine.yaml", "--dry-run"))
        assert planned(output) == Counter(["counts", *FIT, "report", "default"])
        assert "Params have changed" in output
    finally:
        shutil.copy2(tmp_path / counts.name, counts)
    assert planned(output_of(snakemake(checkout, "--configfile", "mine.yaml", "--dry-run"))) == Counter()


def test_an_older_file_of_lengths_that_lie_beside_the_counts_is_noticed(
    study: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    counts = pd.read_csv(study / "counts.tsv.gz", sep="\t", index_col=0)
    table, lengths = (tmp_path / f"salmon.merged.gene_{what}.tsv" for what in ("counts", "lengths"))
    counts.to_csv(table, sep="\t")
    (counts * 0 + 1000).to_csv(lengths, sep="\t")
    write_config(tmp_path / "mine.yaml", changed(settings, counts=str(table)))
    asked = ("out/study/counts.h5ad", "--snakefile", WORKFLOW, "--configfile", "mine.yaml")
    output_of(snakemake(tmp_path, *asked))
    (counts * 0 + 2000).to_csv(lengths, sep="\t")
    os.utime(lengths, (1e9, 1e9))
    assert planned(output_of(snakemake(tmp_path, *asked, "--dry-run"))) == Counter(["counts"])


def test_a_killed_snakemake_goes_on_with_the_same_command(
    settings: dict[str, Any], in_process: Path, tmp_path: Path
) -> None:
    write_config(tmp_path / "mine.yaml", settings)
    made = Path("out/study/counts.h5ad")
    asked = ("--snakefile", WORKFLOW, "--configfile", "mine.yaml")
    with open(tmp_path / "said", "w") as said:
        run = subprocess.Popen(
            [sys.executable, "-m", "snakemake", "--cores", "1", made, *asked],
            cwd=tmp_path, stdout=said, stderr=said, start_new_session=True,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        )  # fmt: skip
    # The file is there, and Snakemake has not yet been told so.
    while run.poll() is None and not (tmp_path / made).exists():
        time.sleep(0.002)
    os.killpg(run.pid, signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL, (tmp_path / "said").read_text()
    assert [path for path in (tmp_path / ".snakemake" / "incomplete").rglob("*") if path.is_file()]
    told = snakemake(tmp_path, made, *asked)
    assert "It can be removed with the --unlock argument" in told.stdout
    output_of(snakemake(tmp_path, *asked, "--unlock"))
    assert planned(output_of(snakemake(tmp_path, made, *asked))) == Counter(["counts"])
    assert (tmp_path / made).read_bytes() == (in_process / "counts.h5ad").read_bytes()


def test_another_dataset_leaves_the_first_alone(checkout: Path, settings: dict[str, Any], tmp_path: Path) -> None:
    both = {**settings["datasets"], "study.2": settings["datasets"]["study"]}
    config = write_config(tmp_path / "mine.yaml", {**settings, "datasets": both})
    output = output_of(snakemake(checkout, "--configfile", config, "--dry-run"))
    assert planned(output) == Counter(["counts", *FIT, "report", "default"])
    assert "dataset=study.2" in output
    assert "dataset=study\n" not in output
    assert "dataset=study," not in output


# The same numbers whatever ran them


def test_snakemake_and_one_process_give_the_same_results(checkout: Path, in_process: Path) -> None:
    require_same_results(checkout / "out" / "study", in_process)


def test_one_core_and_h5ad_give_the_same_numbers(
    study: Path, settings: dict[str, Any], in_process: Path, tmp_path: Path
) -> None:
    counts = pd.read_csv(study / "counts.tsv.gz", sep="\t", index_col=0)
    adata = anndata.AnnData(
        X=np.log1p(counts.T.to_numpy(dtype=float)),
        obs=pd.DataFrame(index=counts.columns.astype(str)),
        var=pd.DataFrame(index=counts.index.astype(str)),
        layers={"raw": counts.T.to_numpy()},
    )
    adata.write_h5ad(tmp_path / "counts.h5ad")
    text = settings["datasets"]["study"]
    binary = {**text, "counts": "counts.h5ad", "layer": "raw"}
    write_config(tmp_path / "mine.yaml", {**settings, "datasets": {"text": text, "binary": binary}})
    targets = [f"out/{name}/treatment/genes.tsv" for name in ("text", "binary")]
    output_of(snakemake(tmp_path, *targets, "--snakefile", WORKFLOW, "--configfile", "mine.yaml", cores=1))
    for name in ("text", "binary"):
        for file in ("genes.tsv", "prior.json"):
            made = (tmp_path / "out" / name / "treatment" / file).read_bytes()
            assert made == (in_process / "treatment" / file).read_bytes(), f"{name} {file}"


def test_chunks_of_genes_become_jobs_and_the_same_results(
    settings: dict[str, Any], in_process: Path, tmp_path: Path
) -> None:
    write_config(tmp_path / "mine.yaml", {**settings, "effects": {"chunks": 3}})
    run = ["--snakefile", WORKFLOW, "--configfile", "mine.yaml"]
    jobs = planned(output_of(snakemake(tmp_path, *run, "--dry-run")))
    chunks = {"common treatment": 1, "chunk treatment": 3}
    assert jobs == Counter({"counts": 1, **chunks, "contrast treatment": 1, "report": 1, "all": 1})
    output_of(snakemake(tmp_path, *run))
    require_same_results(tmp_path / "out" / "study", in_process)
    assert planned(output_of(snakemake(tmp_path, *run, "--dry-run"))) == Counter()


def test_how_files_are_read_reaches_the_counts(study: Path, settings: dict[str, Any], tmp_path: Path) -> None:
    """Keys of the sheet, and the sheet that an .h5ad brings."""
    sheet = pd.read_csv(study / "samples.tsv", sep="\t", index_col=0)
    left_out = str(sheet.index[-1])
    counts = pd.read_csv(study / "counts.tsv.gz", sep="\t", index_col=0)
    anndata.AnnData(counts.T.astype(float), obs=sheet.loc[list(counts.columns)]).write_h5ad(tmp_path / "own.h5ad")
    one = settings["datasets"]["study"]
    datasets = {
        "less": {**one, "exclude": [left_out]},
        "own": {**{key: value for key, value in one.items() if key != "samples"}, "counts": "own.h5ad"},
    }
    write_config(tmp_path / "mine.yaml", {**settings, "datasets": datasets})
    run = ["--snakefile", WORKFLOW, "--configfile", "mine.yaml"]
    targets = [f"out/{name}/counts.h5ad" for name in datasets]
    output_of(snakemake(tmp_path, *targets, *run))
    made = {name: anndata.read_h5ad(tmp_path / f"out/{name}/counts.h5ad") for name in datasets}
    assert list(made["less"].obs_names) == [str(name) for name in sheet.index[:-1]]
    assert left_out in made["less"].uns["ebgenes"]["notes"]
    assert list(made["own"].obs_names) == list(counts.columns)
    datasets["less"]["exclude"] = []
    write_config(tmp_path / "mine.yaml", {**settings, "datasets": datasets})
    assert planned(output_of(snakemake(tmp_path, *targets, *run, "--dry-run"))) == Counter({"counts": 1})


def test_size_factors_of_a_user_reach_the_counts(study: Path, settings: dict[str, Any], tmp_path: Path) -> None:
    sheet = pd.read_csv(study / "samples.tsv", sep="\t", index_col=0).assign(size=[1.0, 2, 3, 1, 2, 3])
    sheet.to_csv(tmp_path / "samples.tsv", sep="\t")
    sheet["size"].to_csv(tmp_path / "it's sizes.tsv", sep="\t")
    gene = pd.read_csv(study / "counts.tsv.gz", sep="\t", index_col=0).index
    (tmp_path / "controls.txt").write_text("\n".join(gene[:80]))
    kinds = {"file": "it's sizes.tsv", "column": {"column": "size"}, "genes": {"controls": "controls.txt"}}
    one = {**settings["datasets"]["study"], "samples": "samples.tsv"}
    datasets = {name: {**one, "size_factors": each} for name, each in kinds.items()}
    cell_data = cells.write_study(tmp_path)
    donors = pd.read_csv(cell_data["samples"], sep="\t", index_col=0)
    donors.assign(size=np.linspace(1, 2, len(donors))).to_csv(cell_data["samples"], sep="\t")
    datasets["blood"] = {**cell_data, "size_factors": {"column": "size"}}
    write_config(tmp_path / "mine.yaml", {**settings, "datasets": datasets})
    run = ["--snakefile", WORKFLOW, "--configfile", "mine.yaml"]
    targets = [f"out/{name}/counts.h5ad" for name in kinds]
    folder = "out/blood/B_cell"
    output_of(snakemake(tmp_path, *targets, f"{folder}/counts.h5ad", *run))
    made = {name: anndata.read_h5ad(tmp_path / f"out/{name}/counts.h5ad") for name in kinds}
    expected = np.log(sheet["size"]) - np.log(sheet["size"]).mean()
    for name in ("file", "column"):
        np.testing.assert_allclose(made[name].obsm["log_size"][:, 0], expected, atol=1e-12)
    assert np.ptp(made["genes"].obsm["log_size"]) > 0
    assert all(each.uns["ebgenes"]["sizes_given"] for each in made.values())
    assert anndata.read_h5ad(tmp_path / folder / "counts.h5ad").uns["ebgenes"]["sizes_given"]
    # The file is an input, the key a parameter.
    (tmp_path / "controls.txt").write_text("\n".join(gene[:90]))
    datasets["column"]["size_factors"] = None
    write_config(tmp_path / "mine.yaml", {**settings, "datasets": datasets})
    assert planned(output_of(snakemake(tmp_path, *targets, *run, "--dry-run"))) == Counter({"counts": 2})


def test_a_batch_of_contrasts_is_one_job_and_gives_the_same_results(
    settings: dict[str, Any], in_process: Path, tmp_path: Path
) -> None:
    asked = {"treatment": COMPARISON, "second": {**COMPARISON, "target": "control", "baseline": "treated"}, **NEW}
    small = {"effects": {"batch": 2}, "report": {"formats": ["png"], "figures": FIGURES}}
    write_config(tmp_path / "mine.yaml", {**changed(settings, contrasts=asked), **small})
    run = ["--snakefile", WORKFLOW, "--configfile", "mine.yaml"]
    contrasts = [f"contrast {name}" for name in asked]
    jobs = Counter(["counts", "batch", "batch", *contrasts, "report", "all"])
    assert planned(output_of(snakemake(tmp_path, *run, "--dry-run"))) == jobs
    output_of(snakemake(tmp_path, *run))
    assert not (tmp_path / "out/study/.batches/1").exists()
    made, alone = (folder / "treatment" for folder in (tmp_path / "out/study", in_process))
    assert files_in(made) == {name for name in files_in(alone) if Path(name).suffix in (".h5", ".json", ".tsv", ".png")}
    for name in ("genes.tsv", "prior.json", "ma.png"):
        assert (made / name).read_bytes() == (alone / name).read_bytes(), name
    assert planned(output_of(snakemake(tmp_path, *run, "--dry-run"))) == Counter()
    # One more contrast fills the second batch, and leaves the first alone.
    asked |= {"more": {"coefficients": {"group[T.treated]": 2.0}}}
    write_config(tmp_path / "mine.yaml", {**changed(settings, contrasts=asked), **small})
    jobs = planned(output_of(snakemake(tmp_path, *run, "--dry-run")))
    assert jobs == Counter(["batch", "contrast again", "contrast more", "report", "all"])


@pytest.fixture(scope="session")
def cell_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cells, their config, and what `ebgenes run` makes of them."""
    folder = tmp_path_factory.mktemp("cells")
    together = {"types": {"contrasts": ["treatment"]}}
    config = {"outdir": "out", "datasets": {"blood": {**cells.write_study(folder), "multivariate": together}}}
    write_config(folder / "mine.yaml", config)
    output_of(command(folder, "ebgenes", "run", "mine.yaml", "--threads", "1", "--outdir", "expected"))
    return folder


def test_every_cell_type_becomes_jobs_and_the_same_numbers(cell_study: Path) -> None:
    first = planned(output_of(snakemake(cell_study, "--snakefile", WORKFLOW, "--configfile", "mine.yaml", "--dry-run")))
    assert first == Counter(["pseudobulk", "plan", "all"])
    output = output_of(snakemake(cell_study, "--snakefile", WORKFLOW, "--configfile", "mine.yaml"))
    assert "contrast treatment was left out" in output
    assert "higher in treated" in output
    shutil.rmtree(cell_study / "out" / "logs")
    require_same_results(cell_study / "out" / "blood", cell_study / "expected" / "blood")
    again = snakemake(cell_study, "--snakefile", WORKFLOW, "--configfile", "mine.yaml", "--dry-run")
    assert planned(output_of(again)) == Counter()
    # Another question is asked of every cell type, and no cell is read again.
    more = yaml.safe_load((cell_study / "mine.yaml").read_text())
    more["datasets"]["blood"]["contrasts"] |= NEW
    write_config(cell_study / "more.yaml", more)
    target = ["out/blood/cell_types.json"]
    asked = snakemake(cell_study, *target, "--snakefile", WORKFLOW, "--configfile", "more.yaml")
    assert planned(output_of(asked))["plan"] == 1
    jobs = planned(output_of(snakemake(cell_study, "--snakefile", WORKFLOW, "--configfile", "more.yaml", "--dry-run")))
    assert jobs == Counter({"contrast again": 3, "report": 3, "multivariate": 1, "all": 1})


TOY = """
from dataclasses import dataclass
from ebgenes.app import analyses
from ebgenes.app.analyses.analysis import Analysis
from ebgenes.app.config import schema

@dataclass(frozen=True, kw_only=True)
class Settings:
    genes: int

analyses.register(
    Analysis(
        name="top", words="Best genes.", settings=Settings, write=lambda *asked: "", sections=lambda *asked: [],
        reads=("genes.tsv",), outputs=lambda config: ["top.tsv"],
    )
)
known = schema()["$defs"]
known["top"] = {"properties": {"genes": {"type": "integer", "default": 9}}}
known["dataset"]["properties"]["top"] = {"type": "object", "additionalProperties": {"$ref": "#/$defs/top"}}
"""
"""An analysis in a file of its own, and its part of the schema."""


def test_an_analysis_needs_no_rule_of_its_own(settings: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(TOY)
    write_config(tmp_path / "mine.yaml", changed(settings, top={"few": {"genes": 7}, "more": {}}))
    done = command(
        *(tmp_path, "env", f"PYTHONPATH={tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"),
        *(sys.executable, "-m", "snakemake", "--snakefile", WORKFLOW, "--configfile", "mine.yaml"),
        *("--cores", "1", "--dry-run", "--printshellcmds"),
    )
    output = output_of(done)
    assert planned(output) == Counter({"counts": 1, **dict.fromkeys(FIT, 1), "top": 2, "report": 1, "all": 1})
    block = output[output.index("rule top:") :].partition("[")[0]
    # It waits for what it reads, and the page waits for it.
    assert re.search(r"input: .*study/counts.h5ad, .*study/treatment/genes.tsv\n", block)
    assert re.search(r"output: .*study/top/(few|more)/top.json, .*study/top/(few|more)/top.tsv\n", block)
    assert "ebgenes top " in block
    report = output[output.index("rule report:") :].partition("[")[0]
    assert "study/top/few/top.json" in report
    assert "study/top/few/top.tsv" not in report


# Names, folders, other workflows


def test_names_that_hurt_survive(study: Path, in_process: Path, tmp_path: Path) -> None:
    """From another folder; spaces, quotes, braces and shell characters in files, samples, columns and levels."""
    folder = tmp_path / "it's a $HOME"
    data = folder / 'my "raw" data; {'
    data.mkdir(parents=True)
    counts = pd.read_csv(study / "counts.tsv.gz", sep="\t", index_col=0)
    sheet = pd.read_csv(study / "samples.tsv", sep="\t", index_col=0)
    renamed = dict(zip(counts.columns, ["control 1", "2-control", "3 it's", '4 "q"', "5; $(true)", "NA"], strict=True))
    level = {"control": "a `control`", "treated": "b's $(touch pwned)"}
    counts.rename(columns=renamed).to_csv(data / "the counts.csv")
    sheet = sheet.rename(index=renamed).replace(level).rename(columns={"group": "the group"})
    sheet.to_csv(data / "samples.tsv", sep="\t")
    genes = pd.DataFrame({"gene_id": counts.index, "gene_name": ["1-Mar", "NA", *counts.index[2:]]})
    genes.to_csv(data / "it's genes.tsv", sep="\t", index=False)
    comparison = {"column": "the group", "baseline": level["control"], "target": level["treated"]}
    dataset = {
        "counts": f"{data.name}/the counts.csv",
        "samples": f"{data.name}/samples.tsv",
        "genes": f"{data.name}/it's genes.tsv",
        "design": "~ `the group`",
        "contrasts": {"1.treated_vs-control": comparison},
    }
    config = {"outdir": "my {results", "datasets": {"0.study-1": dataset}}
    write_config(folder / "mine.yaml", config)
    output_of(snakemake(folder, "--snakefile", WORKFLOW, "--configfile", "mine.yaml"))

    results = folder / "my {results" / "0.study-1"
    assert (results / "report.html").is_file()
    table = pd.read_csv(results / "1.treated_vs-control" / "genes.tsv", sep="\t", keep_default_na=False)
    plain = pd.read_csv(in_process / "treatment" / "genes.tsv", sep="\t", keep_default_na=False)
    assert list(table["gene_name"][:2]) == ["1-Mar", "NA"]
    # The same counts in the same order: other names change no digit.
    pd.testing.assert_frame_equal(table.drop(columns="gene_name"), plain.drop(columns="gene_name"), check_exact=True)
    assert list(anndata.read_h5ad(results / "counts.h5ad").obs_names) == list(renamed.values())
    assert {path.name for path in folder.iterdir()} == {data.name, "mine.yaml", "my {results", ".snakemake"}
    again = snakemake(folder, "--snakefile", WORKFLOW, "--configfile", "mine.yaml", "--dry-run")
    assert planned(output_of(again)) == Counter()


def test_a_path_that_would_be_a_wildcard_is_refused(settings: dict[str, Any], tmp_path: Path) -> None:
    write_config(tmp_path / "mine.yaml", {**changed(settings, samples="{who}.tsv"), "outdir": "out {now}"})
    done = snakemake(tmp_path, "--snakefile", WORKFLOW, "--configfile", "mine.yaml", "--dry-run")
    assert done.returncode != 0
    assert "outdir: out {now}" in done.stdout
    assert "datasets.study.samples: {who}.tsv" in done.stdout


def test_without_any_config_elsewhere_the_missing_file_is_named(tmp_path: Path) -> None:
    done = snakemake(tmp_path, "--snakefile", WORKFLOW, "--dry-run")
    assert done.returncode != 0
    assert "config/config.yaml" in done.stdout


PARENT = """\
configfile: "mine.yaml"


module ebgenes:
    snakefile: "{snakefile}"
    config: config
    prefix: "de"


use rule * from ebgenes as ebgenes_*


rule everything:
    default_target: True
    input:
        rules.ebgenes_all.input,
        "mine/other/report.txt",


# The same names as inside the module: neither its constraints nor its local rules reach out here.
rule report:
    output:
        "mine/{{dataset}}/report.txt",
    shell:
        "touch {{output}}"
"""


def test_as_a_module_results_move_and_raw_data_do_not(
    study: Path, settings: dict[str, Any], in_process: Path, tmp_path: Path
) -> None:
    shutil.copytree(study, tmp_path / "raw")
    write_config(tmp_path / "mine.yaml", changed(settings, counts="raw/counts.tsv.gz", samples="raw/samples.tsv"))
    (tmp_path / "Snakefile").write_text(PARENT.format(snakefile=WORKFLOW))
    output = output_of(snakemake(tmp_path))
    assert (tmp_path / "mine/other/report.txt").is_file()
    made = {path.name for path in tmp_path.iterdir() if path.name != ".snakemake"}
    assert made == {"Snakefile", "mine.yaml", "raw", "mine", "de"}
    named = {f"raw/{name}": str(study / name) for name in ("counts.tsv.gz", "samples.tsv")}
    require_same_results(tmp_path / "de" / "out" / "study", in_process, named)
    assert "localrules directive" not in output


# Mistakes


def test_every_mistake_of_a_config_is_named_before_any_job(settings: dict[str, Any], tmp_path: Path) -> None:
    broken = changed(settings, contrasts={"treatment": {"column": "group", "baseline": "control"}}, desing="~ 1")
    broken |= {"effects": {"normalization": "tmn"}, "report": {"level": 2, "formats": ["svg"]}}
    with pytest.raises(InputErrors) as caught:
        parse_config(broken)
    assert len(caught.value.messages) == 5
    write_config(tmp_path / "mine.yaml", broken)
    done = snakemake(tmp_path, "--snakefile", WORKFLOW, "--configfile", "mine.yaml", "--dry-run")
    assert done.returncode != 0
    for message in caught.value.messages:
        assert message in done.stdout
    for words in (
        "datasets.study.desing: unknown key",
        "Did you mean 'design'?",
        "Did you mean 'tmm'?",
        "report.level",
    ):
        assert words in done.stdout
    assert "Building DAG" not in done.stdout
    assert not (tmp_path / "out").exists()


def test_a_key_that_is_there_twice_is_named_as_in_a_run(settings: dict[str, Any], tmp_path: Path) -> None:
    """Snakemake takes the last of them without a word."""
    path = write_config(tmp_path / "mine.yaml", settings)
    path.write_text(path.read_text() + "outdir: other\n")
    with pytest.raises(InputError) as caught:
        read_config(path)
    done = snakemake(tmp_path, "--snakefile", WORKFLOW, "--configfile", path, "--dry-run")
    assert done.returncode != 0
    assert "the key 'outdir' is there twice" in str(caught.value)
    assert str(caught.value) in done.stdout


def test_a_failing_job_ends_with_one_message_and_nothing_half_written(
    settings: dict[str, Any], in_process: Path, tmp_path: Path
) -> None:
    missing = {**COMPARISON, "target": "treatd"}
    write_config(tmp_path / "mine.yaml", changed(settings, contrasts={"treatment": missing}))
    done = snakemake(tmp_path, "--snakefile", WORKFLOW, "--configfile", "mine.yaml", "--retries", "2")
    assert done.returncode != 0
    assert "Trying to restart job" not in done.stdout, "a mistake stays one"
    told = [line for line in done.stdout.splitlines() if line.startswith("ebgenes contrast: ")]
    assert len(told) == 1
    assert "'treatd'" in told[0]
    assert "Did you mean 'treated'?" in told[0]
    assert "Traceback" not in done.stdout
    assert files_in(tmp_path / "out" / "study") == {"counts.h5ad"}
    assert (tmp_path / "out/logs/study/treatment.log").read_text().strip() == told[0]


def test_no_data_are_opened_to_plan_a_run(settings: dict[str, Any], tmp_path: Path) -> None:
    for name in ("counts.tsv.gz", "samples.tsv", "genes.tsv", "offsets.tsv"):
        (tmp_path / name).write_bytes(gzip.compress(b"\xff\x00 not a table")[:-9])
    garbage = changed(
        settings, counts="./counts.tsv.gz", samples="samples.tsv", genes="genes.tsv", offsets="offsets.tsv"
    )
    write_config(tmp_path / "mine.yaml", garbage)
    output = output_of(snakemake(tmp_path, "--snakefile", WORKFLOW, "--configfile", "mine.yaml", "--dry-run"))
    assert planned(output) == Counter(["counts", *FIT, "report", "all"])


# The workflow's own form


def test_snakemakes_linter_finds_nothing(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "config", tmp_path / "config")
    shutil.copytree(ROOT / "workflow", tmp_path / "workflow")
    done = command(tmp_path, sys.executable, "-m", "snakemake", "--lint", "--snakefile", "workflow/Snakefile")
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(find_spec("snakefmt") is None, reason="snakefmt is not installed: pip install '.[dev]'")
def test_the_workflow_is_formatted(tmp_path: Path) -> None:
    output_of(command(tmp_path, "snakefmt", "--check", ROOT / "Snakefile", ROOT / "workflow"))


@pytest.mark.skipif(
    find_spec("snakemake_executor_plugin_slurm") is None, reason="the slurm executor plugin is not installed"
)
def test_the_slurm_profile_plans_a_run(settings: dict[str, Any], tmp_path: Path) -> None:
    profile = ROOT / "workflow" / "profiles" / "slurm"
    write_config(tmp_path / "mine.yaml", settings)
    done = command(
        *(tmp_path, sys.executable, "-m", "snakemake", "--profile", profile),
        *("--snakefile", WORKFLOW, "--configfile", "mine.yaml", "--dry-run"),
    )
    output = output_of(done)
    assert planned(output) == Counter(["counts", *FIT, "report", "all"])


SUBMIT = """\
#!/bin/sh
# What a scheduler is given: its options, then the job's script, which is run at once.
for script; do :; done
echo "$0 $*" >> {said}
sh "$script" > /dev/null 2>&1
echo 42
"""


@pytest.mark.skipif(
    find_spec("snakemake_executor_plugin_cluster_generic") is None, reason="the generic executor plugin is missing"
)
@pytest.mark.parametrize(
    ("scheduler", "submit", "asked"),
    [
        ("sge", "qsub", ["-l h_vmem=1200M", "-l h_rt=1800", "-pe smp 1"]),
        ("pbs", "qsub", ["-l select=1:ncpus=1:mem=1200mb", "-l walltime=1800"]),
        ("lsf", "bsub", ["-n 1", "-M 1200MB", "-W 30"]),
    ],
)
def test_other_schedulers_are_asked_for_what_the_rules_need(
    settings: dict[str, Any], in_process: Path, tmp_path: Path, scheduler: str, submit: str, asked: list[str]
) -> None:
    """A submit command of the scheduler's name, which runs the job itself."""
    program = tmp_path / "bin" / submit
    program.parent.mkdir()
    program.write_text(SUBMIT.format(said=tmp_path / "said"))
    program.chmod(0o755)
    write_config(tmp_path / "mine.yaml", settings)
    (tmp_path / "out" / "study").mkdir(parents=True)
    shutil.copy(in_process / "counts.h5ad", tmp_path / "out" / "study")
    done = command(
        *(tmp_path, "env", f"PATH={program.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"),
        *(sys.executable, "-m", "snakemake", "--profile", ROOT / "workflow" / "profiles" / scheduler),
        *("--snakefile", WORKFLOW, "--configfile", "mine.yaml", "--latency-wait", "5", "--retries", "0"),
        *("--seconds-between-status-checks", "1", "out/study/treatment/effects.h5"),
    )
    output_of(done)
    said = (tmp_path / "said").read_text().splitlines()
    # Counts and one contrast's effects.
    assert len(said) <= 2
    for words in asked:
        assert words in said[-1]
    made = (arrays(tmp_path / "out/study/treatment/effects.h5"), arrays(in_process / "treatment/effects.h5"))
    np.testing.assert_array_equal(made[0]["loglik"], made[1]["loglik"])


# The reference of the config


def keys_of(node: dict[str, Any], path: str = "") -> dict[str, dict[str, Any]]:
    """Every key of the schema by its path, with what the schema says of it."""
    inside = {
        "datasets": "<dataset>",
        "contrasts": "<contrast>",
        "reference": "<column>",
        "multivariate": "<name>",
        "studies": "<studies>",
        "of": "<study>",
        "columns": "<quantity>",
    }
    found = {}
    for key, value in node.get("properties", {}).items():
        place = f"{path}{key}"
        resolved = {**schema()["$defs"][value["$ref"].rpartition("/")[2]], **value} if "$ref" in value else value
        found |= {place: resolved, **keys_of(resolved, f"{place}.")}
        entries = resolved.get("additionalProperties")
        if isinstance(entries, dict):
            entries = schema()["$defs"][entries["$ref"].rpartition("/")[2]] if "$ref" in entries else entries
            name = f"{place}.{inside.get(key, '<coefficient>')}"
            found |= keys_of(entries, f"{name}.") if "properties" in entries else {name: entries}
    return found


def rows_of_readme() -> dict[str, list[str]]:
    rows = [
        line.strip("|").split(" | ") for line in README.read_text(encoding="utf-8").splitlines() if line[:3] == "| `"
    ]
    # Other tables have other numbers of columns.
    return {row[0].strip().strip("`"): [cell.strip() for cell in row[1:]] for row in rows if len(row) == 4}


def test_the_readme_lists_every_key_with_its_default_and_choices() -> None:
    keys, rows = keys_of(schema()), rows_of_readme()
    assert set(rows) == set(keys)
    for key, said in keys.items():
        kind, default, meaning = rows[key]
        assert meaning, key
        if "default" in said:
            assert yaml.safe_load(default.strip("`")) == said["default"], key
        else:
            assert default in ("required", ""), key
        for choice in said.get("enum", said.get("items", {}).get("enum", [])):
            assert f"`{choice}`" in kind, key


def test_the_readmes_required_keys_are_the_schemas() -> None:
    required = {key for key, (_, default, _) in rows_of_readme().items() if default == "required"}
    dataset = {f"datasets.<dataset>.{key}" for key in schema()["$defs"]["dataset"]["required"]}
    cells = {f"datasets.<dataset>.pseudobulk.{key}" for key in schema()["$defs"]["pseudobulk"]["required"]}
    studies = {f"studies.<studies>.{key}" for key in schema()["$defs"]["studies"]["required"]}
    assert required == dataset | cells | studies | set(schema()["required"])


def blocks_of_readme(language: str) -> list[str]:
    text = README.read_text(encoding="utf-8")
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", text, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", blocks_of_readme("yaml"))
def test_the_readmes_examples_are_valid(text: str) -> None:
    assert parse_config(yaml.safe_load(text)).datasets


def test_the_readmes_module_plans_a_run(settings: dict[str, Any], tmp_path: Path) -> None:
    (block,) = blocks_of_readme("python")
    lines = [line.removeprefix("  ") for line in block.splitlines()]
    text = "\n".join(['configfile: "mine.yaml"', *lines]).replace("path/to/ebgenes/workflow/Snakefile", str(WORKFLOW))
    (tmp_path / "Snakefile").write_text(text + "\n")
    write_config(tmp_path / "mine.yaml", {"mine": 1, "ebgenes": settings})
    output = output_of(snakemake(tmp_path, "--dry-run", "ebgenes_all"))
    assert planned(output)["ebgenes_report"] == 1
    assert "de/out/study/report.html" in output
