"""The command line: instant help, and steps that add up to `ebgenes run`."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import warnings
from copy import deepcopy
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml

import ebgenes as eb
from ebgenes import __version__
from ebgenes.app.cli import main
from ebgenes.app.config import parse_config
from ebgenes.app.outputs import dataset_figures, files_of_contrast
from ebgenes.data.h5ad import read_study
from ebgenes.data.reading import read_counts
from ebgenes.results.storage import read_effects, read_prior
from ebgenes.results.table import COLUMNS, LIST_RATES, STYLES, THRESHOLD_COLUMNS
from ebgenes.results.table_files import read_table

VERBS = [
    "init",
    "check",
    "run",
    "counts",
    "common",
    "chunk",
    "contrasts",
    "effects",
    "prior",
    "table",
    "plot",
    "report",
    "export",
    "simulate",
]
HEAVY = ["numpy", "pandas", "numba", "matplotlib", "scipy", "anndata", "h5py", "formulaic", "jsonschema", "jinja2"]
QUESTION = {"column": "group", "baseline": "control", "target": "treated"}
CONFIG = {
    "outdir": "out",
    "datasets": {
        "one": {
            "counts": "sim/counts.tsv.gz",
            "samples": "sim/samples.tsv",
            "genes": "genes.csv",
            "design": "~ group",
            "contrasts": {"treated": QUESTION},
            "keep": {"min_count": 5, "min_samples": 2},
        }
    },
    "prior": {"null": "fixed"},
    "report": {"level": 0.1, "interval": 0.9, "lfc_threshold": 0.5, "label": 3, "tables": ["tsv", "xlsx"],
               "formats": ["png", "svg"],
               "figures": ["volcano", "ma", "prior", "covariates", "hidden", "heatmap", "pca", "dispersion"]},
}  # fmt: skip
PICTURES = list(files_of_contrast(parse_config(CONFIG)).figures)


def ebgenes(*words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ebgenes", *words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo what `main` sets for the whole process."""
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    for name in ("EBGENES_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, os.environ.get(name, "2"))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated study, its config, and what `ebgenes run` makes of it."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(warnings, "showwarning", warnings.showwarning)
        assert main(["simulate", "sim", "--genes", "300", "--replicates", "3", "--pi0", "0.7", "--seed", "4"]) == 0
        names = "".join(f"gene{i:05d},NAME{i}\n" for i in range(1, 200))
        Path("genes.csv").write_text(f"gene_id,gene_name\n{names}", encoding="utf-8")
        Path("config.yaml").write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
        assert main(["run", "config.yaml"]) == 0
    return folder


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from ebgenes.app.cli import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit as end:\n    assert not end.code\n"
        f"print('loaded:', [name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded: []"
    assert done.stderr == ""
    for verb in VERBS:
        assert f"\n  {verb} " in done.stdout or f"\n    {verb} " in done.stdout


def test_a_mistake_in_the_config_is_found_before_the_statistics_load(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("datasets: {}\n", encoding="utf-8")
    code = (
        "import sys\n"
        "from ebgenes.app.cli import main\n"
        "code = main(['run', 'config.yaml'])\n"
        "print(code, [name for name in ('pandas', 'numba', 'scipy', 'anndata', 'matplotlib') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "2 []\n"
    assert done.stderr == "ebgenes run: the config has 1 mistake:\n  - datasets: is empty; give at least one entry.\n"


def test_module_and_version(tmp_path: Path) -> None:
    done = ebgenes("--version", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"ebgenes {__version__}\n", "")
    failed = ebgenes("check", "nope.yaml", folder=tmp_path)
    assert (failed.returncode, failed.stdout) == (2, "")
    assert failed.stderr.startswith("ebgenes check: cannot read the config nope.yaml")


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([verb, "--help"])
    said = capsys.readouterr()
    assert caught.value.code == 0
    assert said.out.startswith(f"usage: ebgenes {verb} ")
    assert "--threads" in said.out
    assert said.err == ""


def test_init_then_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    assert capsys.readouterr().out == "wrote config.yaml; next: ebgenes check config.yaml\n"
    assert main(["check", "config.yaml"]) == 2
    assert "samples.tsv does not exist" in capsys.readouterr().err
    Path("samples.tsv").write_text("sample\tcondition\na\tcontrol\nb\tcontrol\nc\ttreated\nd\ttreated\n")
    rows = "".join(f"g{i}\t{50 + 7 * i % 31}\t{40 + i}\t{90 - i}\t{60 + 3 * i % 17}\n" for i in range(40))
    Path("counts.tsv.gz").write_bytes(gzip.compress(f"gene\ta\tb\tc\td\n{rows}".encode()))
    assert main(["check", "config.yaml"]) == 0
    column, design, will_run, ok = capsys.readouterr().out.splitlines()
    assert column == "mystudy: condition: control 2, treated 2"
    assert design == "mystudy/treatment: 4 samples, 2 coefficients, ~ condition"
    assert will_run == "will run: 3 steps, about 7 seconds of one core, up to 520 MB at a time"
    assert ok == "ok: 1 contrasts in 1 datasets; results go to results"
    assert not Path("results").exists()
    assert main(["run", "config.yaml", "--outdir", "elsewhere"]) == 0
    assert Path("elsewhere/mystudy/treatment/genes.tsv").is_file()
    assert not Path("results").exists()


def test_run_writes_what_it_promises(study: Path) -> None:
    made = {str(path.relative_to(study / "out")) for path in (study / "out").rglob("*") if path.is_file()}
    contrast = ["effects.h5", "prior.json", "genes.tsv", "genes.xlsx", *PICTURES]
    own = dataset_figures(parse_config(CONFIG))
    assert {Path(name).stem for name in own} == {"pca", "dispersion"}
    # No hidden factor was found, so there is no figure of one.
    assert {Path(name).stem for name in PICTURES} == {"volcano", "ma", "prior", "heatmap"}
    assert made == {
        *(f"one/{name}" for name in ("counts.h5ad", "results.h5ad", "report.html", *own)),
        *(f"one/treated/{name}" for name in contrast),
    }
    table = read_table(study / "out/one/treated/genes.tsv")
    assert list(table.columns) == [*COLUMNS, *THRESHOLD_COLUMNS]
    assert table["gene_id"].tolist() == [f"gene{i + 1:05d}" for i in range(300)]
    assert table["gene_name"].tolist() == [f"NAME{i}" if i < 200 else f"gene{i:05d}" for i in range(1, 301)]
    fitted = table[table["status"] == "ok"]
    assert 200 < len(fitted) < 300
    assert not fitted.isna().any().any()


def test_run_says_what_it_does(
    study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(study)
    assert main(["run", "config.yaml", "--outdir", "again"]) == 0
    said = capsys.readouterr()
    assert said.out == "results are in again\n"
    lines = said.err.splitlines()
    assert lines[0].startswith("one: reading")
    assert any("genes differ at a false sign rate of 0.1" in line for line in lines)
    for name in ("genes.tsv", "prior.json"):
        again, first = (study / folder / "one/treated" / name for folder in ("again", "out"))
        assert again.read_bytes() == first.read_bytes()


def test_a_report_refuses_another_contrasts_prior(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(study)
    shutil.copytree(study / "out/one", tmp_path / "one")
    prior = tmp_path / "one/treated/prior.json"
    told = json.loads(prior.read_text())
    prior.write_text(json.dumps({**told, "contrast": {**told["contrast"], "name": "effect"}}))
    page = tmp_path / "one/report.html"
    page.unlink()
    assert main(["report", "config.yaml", "--dataset", "one", "--folder", str(tmp_path / "one")]) == 2
    said = capsys.readouterr().err
    assert f"{prior} is of the contrast 'effect', and its folder's name says 'treated'" in said
    assert "--name treated" in said
    assert not page.exists()


def test_steps_make_the_same_as_run(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(study)
    folder, one = tmp_path / "one", CONFIG["datasets"]["one"]
    made, expected = folder / "treated", study / "out/one/treated"
    sheet = ["--design", one["design"]]
    report = ["--report", yaml.safe_dump(CONFIG["report"])]
    counts, effects, prior = f"{folder}/counts.h5ad", f"{made}/effects.h5", f"{made}/prior.json"
    tables = [f"{made}/genes.tsv", f"{made}/genes.xlsx"]
    pictures = [str(made / name) for name in PICTURES]
    more = ["--table", *tables, "--figures", *pictures]
    keep = ["--keep", json.dumps(one["keep"]), "--normalization", "median_ratio"]
    steps = [
        ["counts", one["counts"], "--samples", one["samples"], "--genes", one["genes"], *sheet, *keep, "--out", counts],
        ["effects", counts, *sheet, "--contrast", json.dumps(QUESTION), "--name", "treated", "--out", effects],
        ["prior", effects, "--prior", "{null: fixed}", "--counts", counts, *report, "--out", prior, *more],
        ["report", "config.yaml", "--dataset", "one", "--folder", str(folder)],
    ]
    for step in steps:
        assert main(step) == 0
    said = capsys.readouterr()
    assert said.err == "ebgenes: 199 of 300 genes named (genes.csv).\n"
    assert "genes differ at a false sign rate of 0.1" in said.out

    here, there = ({p.relative_to(root) for p in root.rglob("*")} for root in (folder, study / "out/one"))
    assert here == there
    for name in ("genes.tsv", "prior.json", *PICTURES):
        assert (made / name).read_bytes() == (expected / name).read_bytes(), name
    for name in ("report.html", "pca.svg", "dispersion.png"):
        assert (folder / name).read_bytes() == (study / "out/one" / name).read_bytes(), name
    with h5py.File(effects) as ours, h5py.File(expected / "effects.h5") as theirs:
        assert sorted(ours) == sorted(theirs)
        assert {"grid", "loglik", "p_value", "status"} <= set(ours)
        arrays = {*ours.keys() - {"scalars", "residuals"}, "residuals/variance", "residuals/chance"}
        for name in arrays:
            np.testing.assert_array_equal(ours[name][()], theirs[name][()])
        assert dict(ours["scalars"].attrs) == dict(theirs["scalars"].attrs)
        assert dict(ours.attrs) == dict(theirs.attrs)
    for name in ("counts.h5ad", "results.h5ad"):
        ours_, theirs_ = read_study(folder / name), read_study(study / "out/one" / name)
        np.testing.assert_array_equal(ours_.counts.count, theirs_.counts.count)
        np.testing.assert_array_equal(ours_.counts.log_size, theirs_.counts.log_size)

    # The table and the figures alone, from the same files.
    assert main(["table", effects, "--prior", prior, "--counts", counts, *report, "--out", f"{tmp_path}/g.tsv"]) == 0
    assert (tmp_path / "g.tsv").read_bytes() == (expected / "genes.tsv").read_bytes()
    drawn = ("volcano", "ma", "prior")
    alone = [str(tmp_path / f"{name}.svg") for name in drawn]
    assert main(["plot", f"{tmp_path}/g.tsv", "--prior", prior, *report, "--out", *alone]) == 0
    for name in drawn:
        assert (tmp_path / f"{name}.svg").read_bytes() == (expected / f"{name}.svg").read_bytes()


SETTINGS = [
    ("{}", "likelihood"),
    ("{dispersion_tails: t5}", "likelihood"),
    ("{engine: likelihood, outliers: winsorize}", "likelihood"),
    ("{engine: moderated_t}", "moderated_t"),
    ("{engine: moderated_t, trend: true, robust: true}", "moderated_t"),
]


def test_covariates_and_evidence_from_config_to_page(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Evidence that knows most of the changed genes finds more of them, by `run` as by `prior`."""
    monkeypatch.chdir(study)
    truth = pd.read_csv("sim/truth.tsv", sep="\t", index_col=0)
    changed = truth["log2_fc"] != 0
    known = changed ^ (np.arange(len(changed)) % 7 == 0)
    lines = [f"{gene},N{i},{int(mark)},{i * 7 % 300}\n" for i, (gene, mark) in enumerate(known.items())]
    (tmp_path / "genes.csv").write_text("gene_id,gene_name,target,score\n" + "".join(lines), encoding="utf-8")
    config = yaml.safe_load(Path("config.yaml").read_text(encoding="utf-8"))
    name = next(iter(config["datasets"]))
    config["datasets"][name]["genes"] = str(tmp_path / "genes.csv")
    evidence = {"column": "target", "odds_ratio": 10, "range": [4, 25]}
    config |= {"outdir": str(tmp_path / "out"), "prior": {"covariates": ["base_mean", "score", evidence]}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    assert main(["check", str(tmp_path / "config.yaml")]) == 0
    assert main(["run", str(tmp_path / "config.yaml")]) == 0
    folder = next((tmp_path / "out" / name).glob("*/prior.json")).parent
    said = json.loads((folder / "prior.json").read_text(encoding="utf-8"))
    found = said["discoveries"]
    for rate in ("q_value", "s_value"):
        assert found[rate] > found["without_covariates"][rate]
    assert [term["name"] for term in said["covariates"]["terms"]] == ["base_mean", "score", "target"]
    assert said["covariates"]["terms"][2]["evidence"]["posterior"] > 1
    assert (folder / "covariates.png").stat().st_size > 10_000
    assert "depend on covariates" in (folder.parent / "report.html").read_text(encoding="utf-8")
    # The verbs write the same.
    section = ["--prior", yaml.safe_dump(config["prior"]), "--genes", str(tmp_path / "genes.csv")]
    report = ["--report", yaml.safe_dump(config.get("report", {}))]
    again = ["prior", str(folder / "effects.h5"), *section, *report, "--counts", str(folder.parent / "counts.h5ad")]
    assert main([*again, "--out", str(tmp_path / "p.json"), "--table", str(tmp_path / "g.tsv")]) == 0
    assert (tmp_path / "p.json").read_bytes() == (folder / "prior.json").read_bytes()
    assert (tmp_path / "g.tsv").read_bytes() == (folder / "genes.tsv").read_bytes()
    from_file = ["table", str(folder / "effects.h5"), "--prior", str(tmp_path / "p.json"), *report]
    assert main([*from_file, "--counts", str(folder.parent / "counts.h5ad"), "--out", str(tmp_path / "t.tsv")]) == 0
    assert (tmp_path / "t.tsv").read_bytes() == (folder / "genes.tsv").read_bytes()
    # A column that is not there is found before anything is written.
    config |= {"outdir": str(tmp_path / "none"), "prior": {"covariates": ["scor"]}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    capsys.readouterr()
    for verb in ("check", "run"):
        assert main([verb, str(tmp_path / "config.yaml")]) == 2
        assert "the covariate 'scor' is not a column" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(("text", "engine"), SETTINGS)
def test_effects_of_either_engine(text: str, engine: str, study: Path, tmp_path: Path) -> None:
    """The verb passes every option on: its file is what the function gives."""
    counts, made = study / "out/one/counts.h5ad", tmp_path / "effects.h5"
    question = ["--design", "~ group", "--contrast", json.dumps(QUESTION)]
    assert main(["effects", str(counts), *question, "--effects", text, "--out", str(made)]) == 0
    found, prepared = read_effects(made), read_study(counts)
    assert found.engine == engine
    assert (found.grid is None, found.p_value is None) == (engine == "moderated_t",) * 2
    design = eb.build_design(prepared.samples, "~ group", eb.compare(**QUESTION), name="effect")
    expected = eb.fit_effects(prepared.counts, design, **yaml.safe_load(text))
    assert found.scalars == expected.scalars
    for name in ("estimate", "se", "df", "p_value", "grid", "loglik", "status"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_outliers_are_bounded_said_and_marked(study: Path, tmp_path: Path) -> None:
    """A count that no replicate supports, from the config to the table, the prior's warnings and the page."""
    counts = pd.read_csv(study / "sim/counts.tsv.gz", sep="\t", index_col=0)
    counts.iloc[7, 0] = 1000 * (counts.iloc[7].max() + 10)
    counts.to_csv(tmp_path / "counts.tsv", sep="\t")
    dataset = {**CONFIG["datasets"]["one"], "counts": str(tmp_path / "counts.tsv"), "genes": None}
    dataset["samples"] = str(study / "sim/samples.tsv")
    for outliers in ("keep", "winsorize"):
        folder = tmp_path / outliers
        config = {"outdir": str(folder), "datasets": {"one": dataset}, "effects": {"outliers": outliers}}
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        assert main(["run", str(tmp_path / "config.yaml")]) == 0
    gene = counts.index[7]
    kept, bounded = (
        read_table(tmp_path / name / "one/treated/genes.tsv").set_index("gene_id") for name in ("keep", "winsorize")
    )
    assert kept.loc[gene, "status"] == bounded.loc[gene, "status"] == "outlier"
    assert np.isfinite(bounded.loc[gene, ["p_value", "lfdr", "post_mean"]].astype(float)).all()
    assert abs(bounded.loc[gene, "log2_fc"]) < abs(kept.loc[gene, "log2_fc"]) - 3
    found = read_prior(tmp_path / "winsorize/one/treated/prior.json")[1]
    n_outliers = int((bounded["status"] == "outlier").sum())
    assert found["status"]["ok"] == (bounded["status"] == "ok").sum()
    assert found["status"]["outlier"] == n_outliers
    assert any("the status outlier: counts far from their replicates" in note for note in found["warnings"])
    page = (tmp_path / "winsorize/one/report.html").read_text(encoding="utf-8")
    assert f"{n_outliers} with counts far from their replicates" in page
    assert "robust fit to their replicates" in page
    assert "robust fit to their replicates" not in (tmp_path / "keep/one/report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("style", STYLES)
def test_export_renames_and_keeps_every_number(
    style: str, study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = study / "out/one/treated/genes.tsv"
    assert main(["export", str(source), "--style", style, "--out", str(tmp_path / "theirs.tsv")]) == 0
    rows = [line.split("\t") for line in (tmp_path / "theirs.tsv").read_text(encoding="utf-8").splitlines()]
    said = capsys.readouterr().err
    if style in LIST_RATES:
        place = rows[0].index(LIST_RATES[style])
        for row in rows:
            del row[place]
        assert f"{LIST_RATES[style]} is the rate of our own list" in said
    assert rows[0] == [STYLES[style].get(name, name) for name in (*COLUMNS, *THRESHOLD_COLUMNS)]
    assert rows[1:] == [line.split("\t") for line in source.read_text(encoding="utf-8").splitlines()[1:]]


@pytest.mark.parametrize("method", ["morris", "laird_louis", "robust"])
def test_other_intervals_change_their_ends_alone(method: str, study: Path, tmp_path: Path) -> None:
    folder, report = study / "out/one/treated", CONFIG["report"] | {"interval_method": method}
    arguments = ["table", str(folder / "effects.h5"), "--prior", str(folder / "prior.json"), "--report", str(report)]
    assert main([*arguments, "--counts", str(study / "out/one/counts.h5ad"), "--out", str(tmp_path / "genes.tsv")]) == 0
    other, plugin = eb.read_table(tmp_path / "genes.tsv"), eb.read_table(folder / "genes.tsv")
    ends = ["ci_low", "ci_high"]
    pd.testing.assert_frame_equal(other.drop(columns=ends), plugin.drop(columns=ends))
    judged = plugin["status"] == "ok"
    assert (other["ci_low"] <= other["ci_high"])[judged].all()
    assert (other[ends] != plugin[ends])[judged].any(axis=None)
    mean_width = (other["ci_high"] - other["ci_low"])[judged].mean()
    assert 0.8 < mean_width / (plugin["ci_high"] - plugin["ci_low"])[judged].mean() < 5


def test_families_are_compared_on_request(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    effects, asked = str(study / "out/one/treated/effects.h5"), ["--prior", "{null: fixed, compare: [point_normal]}"]
    assert main(["prior", effects, *asked, "--out", str(tmp_path / "prior.json")]) == 0
    summary = json.loads((tmp_path / "prior.json").read_text())
    found = summary["comparison"]
    assert {each["family"] for each in found["families"]} == {"scale_normal", "point_normal"}
    assert found["families"][0]["behind"] == 0
    assert capsys.readouterr().out.splitlines()[-1] == found["verdict"]
    assert summary["seed"] == 1
    alone = json.loads((study / "out/one/treated/prior.json").read_text())
    assert alone["comparison"] is alone["seed"] is None
    assert alone["weight"] == summary["weight"]
    assert main(["prior", effects, *asked, "--out", str(tmp_path / "again.json")]) == 0
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "prior.json").read_bytes()


def test_all_commands_say_the_same(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"null": "fixed", "compare": ["point_normal"]}
    content = {**deepcopy(CONFIG), "outdir": str(tmp_path / "out"), "prior": settings}
    for name in ("counts", "samples", "genes"):
        content["datasets"]["one"][name] = str(study / CONFIG["datasets"]["one"][name])
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(content))
    assert main(["run", str(tmp_path / "config.yaml")]) == 0
    told = [line.partition("treated: ")[2] for line in capsys.readouterr().err.splitlines() if "treated: " in line]
    counts, report = str(tmp_path / "out/one/counts.h5ad"), yaml.safe_dump(CONFIG["report"])
    own = ["--effects-out", str(tmp_path / "effects.h5"), "--out", str(tmp_path / "prior.json")]
    asked = ["--design", "~ group", "--name", "treated", "--contrast", yaml.safe_dump(QUESTION)]
    assert main(["contrast", counts, *asked, *own, "--prior", yaml.safe_dump(settings), "--report", report]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said == told[1:]
    assert len(said) > 2
    assert (tmp_path / "effects.h5").read_bytes() == (tmp_path / "out/one/treated/effects.h5").read_bytes()


def test_full_bayes_is_refused_without_draws(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = study / "out/one/treated"
    arguments = ["table", str(folder / "effects.h5"), "--prior", str(folder / "prior.json")]
    report = ["--report", "{interval_method: full_bayes}"]
    assert main([*arguments, *report, "--out", str(tmp_path / "genes.tsv")]) == 2
    assert "full_bayes needs draws of the prior's weights" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_prior_takes_a_summary_table(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An exported table enters as other tools' tables do, and with df gives the prior of the effects themselves.

    So it does for the engine whose likelihood is a t, of which df is all there is to know. The smallest slab has to be
    told, as a table does not say over which range of the data its effects are; weights end within the solver's 1e-8.
    """
    fixed = ["--prior", "{null: fixed, min_scale: 0.4}", "--out"]
    counts, source = str(study / "out/one/counts.h5ad"), tmp_path / "ours.tsv"
    question = ["--design", "~ group", "--contrast", json.dumps(QUESTION), "--effects", "{engine: moderated_t}"]
    assert main(["effects", counts, *question, "--out", str(tmp_path / "ours.h5")]) == 0
    ours_h5, ours_json = str(tmp_path / "ours.h5"), str(tmp_path / "ours.json")
    assert main(["prior", ours_h5, "--counts", counts, *fixed, ours_json, "--table", str(source)]) == 0
    capsys.readouterr()
    assert main(["export", str(source), "--style", "ashr", "--out", str(tmp_path / "ashr.csv")]) == 0
    out = [str(tmp_path / "prior.json"), "--table", str(tmp_path / "genes.tsv"), "--figures", str(tmp_path / "ma.png")]
    # The genes that were not tested have no effect in the table.
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert main(["prior", str(tmp_path / "ashr.csv"), *fixed, *out]) == 0
    said = capsys.readouterr().err
    assert said.startswith("ebgenes: warning: ")
    assert "have no effect or standard error and are left out" in said
    assert said.count("\n") == 1
    ours, content = read_prior(tmp_path / "prior.json")
    theirs, _ = read_prior(tmp_path / "ours.json")
    np.testing.assert_allclose(ours.weight, theirs.weight, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours.scale, theirs.scale, rtol=1e-9)
    assert content["engine"] == {"name": "normal"}
    table, run = read_table(tmp_path / "genes.tsv"), read_table(source)
    assert table["gene_id"].tolist() == run["gene_id"].tolist()
    assert table["status"].tolist() == run["status"].tolist()
    table, fitted = (each[each["status"] == "ok"].reset_index(drop=True) for each in (table, run))
    pd.testing.assert_series_equal(table["gene_id"], fitted["gene_id"])
    for name in ("log2_fc", "se", "df", "p_value"):
        pd.testing.assert_series_equal(table[name], fitted[name], check_exact=True)
    for name in ("post_mean", "lfdr", "lfsr", "q_value"):
        pd.testing.assert_series_equal(table[name], fitted[name], rtol=1e-5, atol=1e-9)
    assert (tmp_path / "ma.png").read_bytes().startswith(b"\x89PNG")

    (tmp_path / "plain.tsv").write_text("gene\testimate\tse\nNA\t1\t0.5\n007\t0\t0.5\n1-Mar\t-3\t0.2\n")
    assert main(["prior", str(tmp_path / "plain.tsv"), "--out", str(tmp_path / "plain.json")]) == 0
    prior = ["--prior", str(tmp_path / "plain.json")]
    assert main(["table", str(tmp_path / "plain.tsv"), *prior, "--out", str(tmp_path / "made.tsv")]) == 0
    plain = read_table(tmp_path / "made.tsv")
    assert plain["gene_id"].tolist() == ["NA", "007", "1-Mar"]
    assert np.isinf(plain["df"]).all()
    notes = read_prior(tmp_path / "plain.json")[1]["warnings"]
    assert any("Standard errors were taken as exact" in note for note in notes)


def test_simulate_follows_its_seed(tmp_path: Path) -> None:
    for folder, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert main(["simulate", str(tmp_path / folder), "--genes", "20", "--replicates", "2", "--seed", seed]) == 0
    for name in ("counts.tsv.gz", "samples.tsv", "truth.tsv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert (tmp_path / "a/counts.tsv.gz").read_bytes() != (tmp_path / "c/counts.tsv.gz").read_bytes()
    assert read_counts(tmp_path / "a/counts.tsv.gz").count.shape == (20, 4)
    truth = pd.read_csv(tmp_path / "a/truth.tsv", sep="\t")
    assert list(truth.columns) == ["gene_id", "log2_fc"]


def test_warnings_go_to_stderr_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ebgenes.errors import NotConverged

    def doubtful(*_: object) -> list[str]:
        warnings.warn("the fit has doubts", NotConverged, stacklevel=1)
        return ["checked"]

    monkeypatch.setattr("ebgenes.app.check.check", doubtful)
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert main(["check", "config.yaml"]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == ("checked\n", "ebgenes: warning: the fit has doubts\n")


def test_threads_do_not_change_a_byte(tmp_path: Path) -> None:
    """More genes than two blocks of the kernels, so that threads have something to share."""
    assert main(["simulate", str(tmp_path / "sim"), "--genes", "2500", "--replicates", "2"]) == 0
    (tmp_path / "genes.csv").write_text("gene_id,gene_name\ngene00001,A\n", encoding="utf-8")
    config = {**CONFIG, "prior": {}, "report": {}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    for threads in ("1", "2"):
        words = ["run", "config.yaml", "--threads", threads, "--outdir", f"out{threads}"]
        done = ebgenes(*words, folder=tmp_path, PYTHONWARNINGS="error::RuntimeWarning")
        assert (done.returncode, done.stdout) == (0, f"results are in out{threads}\n"), done.stderr
    for name in ("genes.tsv", "prior.json", "volcano.png"):
        one, two = (tmp_path / folder / "one/treated" / name for folder in ("out1", "out2"))
        assert one.read_bytes() == two.read_bytes()


def test_what_snakemake_refuses_is_refused(tmp_path):
    command = [sys.executable, "-m", "ebgenes", "workflow", "--no-such-option"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 2
