"""Damaged, huge, malicious and tampered inputs: one line, exit code 2, no result, no hang, whatever they are."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml

from ebgenes.app import commands, last_net
from ebgenes.app.cli import main
from ebgenes.app.config import load_yaml, parse_config, reserved_names
from ebgenes.app.prepare import contrast_design
from ebgenes.data.cells import read_labels, read_parts
from ebgenes.data.hdf5 import opened_hdf5
from ebgenes.data.matrix_market import read_matrix_market
from ebgenes.data.pseudobulk import pseudobulk_cells
from ebgenes.data.reading import read_input
from ebgenes.data.sealed import MARK, require_sealed, written_hdf5
from ebgenes.data.star import read_star
from ebgenes.design.matrix import build_design
from ebgenes.errors import InputError, InputErrors
from ebgenes.files import read_text_table
from ebgenes.limits import Limits, limited
from ebgenes.plots.figures import figures_of
from ebgenes.plots.style import STYLE
from ebgenes.results.storage import read_prior
from ebgenes.results.table_files import write_table

SAMPLES = ["ctl-1", "ctl-2", "ctl-3", "trt-1", "trt-2", "trt-3"]
SHEET = {
    "group": ["ctl"] * 3 + ["trt"] * 3,
    "batch": list("abcabc"),
    "dose": ["0.0", "1.0", "2.0", "3.0", "4.0", "5.0"],
}
SECONDS = 30
"""Of CPU, imports and compilation among them, on a slow machine."""


def a_count(genes: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    made = rng.negative_binomial(5, 0.05, (genes, len(SAMPLES)))
    return pd.DataFrame(made, index=pd.Index([f"g{i:03d}" for i in range(genes)], name="gene_id"), columns=SAMPLES)


def a_config(**changes: object) -> dict:
    dataset = {
        "counts": "counts.tsv",
        "samples": "samples.tsv",
        "design": "~ group",
        "contrasts": {"trt": {"column": "group", "baseline": "ctl", "target": "trt"}},
    }
    return {"outdir": "out", "datasets": {"one": {**dataset, **changes}}}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    a_count().to_csv("counts.tsv", sep="\t")
    write_sheet()
    write_config(a_config())
    return tmp_path


def write_sheet(**columns: list[str]) -> None:
    pd.DataFrame({**SHEET, **columns}, index=pd.Index(SAMPLES, name="sample")).to_csv("samples.tsv", sep="\t")


def write_config(content: dict) -> None:
    Path("config.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str], *words: str) -> str:
    """What is said where a command is refused within seconds and leaves no result."""
    start = time.process_time()
    assert main(arguments) == 2
    assert time.process_time() - start < SECONDS
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert len(said.splitlines()) <= 3, said
    assert max(map(len, said.splitlines())) < 700, said
    for word in words:
        assert word in said
    assert not Path("out").exists()
    return said


def check_and_run(capsys: pytest.CaptureFixture[str], *words: str) -> None:
    for verb in ("check", "run"):
        refused(capsys, [verb, "config.yaml"], *words)


# Studies


def studies(**of: dict) -> dict:
    return {**a_config(), "studies": {"both": {"of": of}}}


@pytest.mark.parametrize(
    "second", [{"dataset": "one", "contrast": "trt"}, {"table": "./x.tsv"}, {"table": "copy.tsv"}], ids=str
)
def test_a_study_counts_once(folder: Path, capsys: pytest.CaptureFixture[str], second: dict) -> None:
    rng = np.random.default_rng(2)
    lines = [f"g{i:03d}\t{rng.normal():.6f}\t{rng.uniform(0.2, 0.4):.6f}\n" for i in range(60)]
    for name in ("x.tsv", "copy.tsv"):
        Path(name).write_text("gene\testimate\tse\n" + "".join(lines), encoding="utf-8")
    first = {"dataset": "one", "contrast": "trt"} if "dataset" in second else {"table": "x.tsv"}
    write_config(studies(a=first, b=second))
    check_and_run(capsys, "studies.both", "twice" if second.get("table") == "copy.tsv" else "already")


def test_studies_of_the_same_samples(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = studies(a={"dataset": "one", "contrast": "trt"}, b={"dataset": "two", "contrast": "trt"})
    content["datasets"]["two"] = {**content["datasets"]["one"], "design": "~ batch + group"}
    write_config(content)
    check_and_run(capsys, "share 6 of 6 samples", "count twice")


def test_studies_of_other_samples_of_one_table_are_fine(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"{group}-{i}" for group in ("ctl", "trt", "old", "new") for i in (1, 2, 3)]
    rng = np.random.default_rng(3)
    made = pd.DataFrame(rng.negative_binomial(5, 0.05, (60, 12)), index=a_count().index, columns=names)
    made.to_csv("counts.tsv", sep="\t")
    group = [name[:3] for name in names]
    pd.DataFrame({"group": group}, index=pd.Index(names, name="sample")).to_csv("samples.tsv", sep="\t")
    content = studies(a={"dataset": "one", "contrast": "trt"}, b={"dataset": "one", "contrast": "new"})
    content["datasets"]["one"]["contrasts"]["new"] = {"column": "group", "baseline": "old", "target": "new"}
    write_config(content)
    assert main(["check", "config.yaml"]) == 0
    content["datasets"]["one"]["contrasts"]["new"] = {"column": "group", "baseline": "ctl", "target": "new"}
    write_config(content)
    refused(capsys, ["check", "config.yaml"], "share 3 of 9 samples")


# Cells and 10x


def write_tenx(folder: Path, header: str = "integer general", sizes: str | None = None, **entry: str) -> None:
    folder.mkdir(exist_ok=True)
    counts = a_count()
    (folder / "barcodes.tsv").write_text("\n".join(SAMPLES) + "\n", encoding="utf-8")
    (folder / "features.tsv").write_text(
        "".join(f"{gene}\t{gene}\tGene Expression\n" for gene in counts.index), encoding="utf-8"
    )
    rows = [f"{g + 1} {s + 1} {counts.iat[g, s]}" for g in range(len(counts)) for s in range(6) if counts.iat[g, s]]
    for place, value in entry.items():
        rows[int(place[1:])] = value
    sizes = f"{len(counts)} 6 {len(rows)}" if sizes is None else sizes
    text = "\n".join([f"%%MatrixMarket matrix coordinate {header}", sizes, *rows]) + "\n"
    (folder / "matrix.mtx").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"header": "complex general"}, "complex"),
        ({"header": "integer symmetric"}, "symmetric"),
        ({"header": "pattern general"}, "pattern"),
        ({"header": "array"}, "not a sparse Matrix Market file"),
        ({"sizes": "60 6 999999999999"}, "declares 999,999,999,999 entries"),
        ({"sizes": "99999999999 99999999999 3"}, "Are the three files of one run"),
        ({"sizes": "60 6"}, "does not tell its rows"),
        ({"sizes": "60 6 -3"}, "does not tell its rows"),
        ({"r5": "1 1 99999999999999999999999"}, "more than 18 digits"),
        ({"r5": "1 3 1000000000000000000"}, "whole numbers"),
        ({"r5": "0 1 5"}, "matrix.mtx"),
        ({"r5": "61 1 5"}, "matrix.mtx"),
        ({"r5": "1 1 7"}, "stand twice"),
        ({"r5": "1 1 -7"}, "matrix.mtx"),
        ({"header": "real general", "r5": "1 6 1.5"}, "whole numbers"),
        ({"header": "real general", "r5": "1 6 1e400"}, "matrix.mtx"),
        ({"header": "real general", "r5": "1 6 nan"}, "matrix.mtx"),
    ],
    ids=str,
)
def test_damaged_10x(folder: Path, capsys: pytest.CaptureFixture[str], made: dict, words: str) -> None:
    write_tenx(folder / "tx", **made)
    write_config(a_config(counts="tx"))
    check_and_run(capsys, words)


def write_cells(path: Path, damage: Callable[[h5py.File], None], *, sparse: str = "csr", value: float = 3) -> None:
    import anndata
    from scipy import sparse as matrices

    rng = np.random.default_rng(4)
    counts = rng.poisson(1.0, (30, 20)).astype(float)
    counts[0, 0] = value
    kept = {"csr": matrices.csr_matrix, "csc": matrices.csc_matrix, "dense": np.asarray}[sparse](counts)
    obs = pd.DataFrame({"donor": [SAMPLES[i % 6] for i in range(30)], "type": "T"}, index=[f"c{i}" for i in range(30)])
    adata = anndata.AnnData(kept, obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(20)]))
    adata.write_h5ad(path)
    with h5py.File(path, "r+") as file:
        damage(file)


def summed(path: Path) -> object:
    return pseudobulk_cells(path, SAMPLES, sample="donor", cell_type="type", cells=None, layer=None)


def put(name: str, place: int, value: float) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file[name][place] = value

    return change


def reshaped(*shape: int) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file["X"].attrs["shape"] = shape

    return change


def shorter(name: str) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        values = file[name][()][:-1]
        attributes = dict(file[name].attrs)
        del file[name]
        file[name] = values
        file[name].attrs.update(attributes)

    return change


DAMAGE = {
    "index too large": put("X/indices", 3, 10_000_000),
    "index below 0": put("X/indices", 3, -1),
    "pointer too large": put("X/indptr", 4, 100_000),
    "pointer falls": put("X/indptr", 4, 0),
    "pointer begins elsewhere": put("X/indptr", 0, 2),
    "fewer values": shorter("X/data"),
    "fewer pointers": shorter("X/indptr"),
    "shape too small": reshaped(30, 3),
    "shape too large": reshaped(10**9, 20),
    "shape below 0": reshaped(30, -20),
    "one size": reshaped(30),
    "1e18": put("X/data", 3, 1e18),
    "inf": put("X/data", 3, np.inf),
    "nan": put("X/data", 3, np.nan),
    "negative": put("X/data", 3, -2),
}


@pytest.mark.parametrize("sparse", ["csr", "csc"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_sparse_matrices(tmp_path: Path, damage: str, sparse: str) -> None:
    path = tmp_path / "cells.h5ad"
    write_cells(path, DAMAGE[damage], sparse=sparse)
    with pytest.raises(InputError):
        summed(path)
    sheet = pd.DataFrame({"group": list("ab") * 15}, index=[f"c{i}" for i in range(30)])
    with pytest.raises(InputError):
        read_input(path, sheet)


def test_dense_cells_must_be_as_many_as_obs(tmp_path: Path) -> None:
    path = tmp_path / "cells.h5ad"
    write_cells(path, shorter("X"), sparse="dense")
    with pytest.raises(InputError, match="29, 20"):
        list(read_parts(path))


def test_sums_of_cells_that_overflow(tmp_path: Path) -> None:
    path = tmp_path / "cells.h5ad"
    write_cells(path, lambda file: None, value=2.0**53 - 1)
    with pytest.raises(InputError, match=r"above 9\.01e\+15 reads"):
        # The other cells of the sample have reads of this gene too.
        summed(path)


def test_star_without_columns_of_strands(tmp_path: Path) -> None:
    lines = [
        *(f"{name}\t5" for name in ("N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous")),
        "g1\t7",
        "g2\t3",
    ]
    sheet = pd.DataFrame(index=["a", "b"])
    for columns in (lines, [f"{line}\t0\t0" for line in lines], [f"{line}\t2" for line in lines]):
        for name in sheet.index:
            (tmp_path / f"{name}.ReadsPerGene.out.tab").write_text("\n".join(columns) + "\n", encoding="utf-8")
        with pytest.raises(InputError, match=r"lack one of the three columns|no read on either strand"):
            read_star(tmp_path, sheet)


# HDF5 of others


def declared(file: h5py.File) -> None:
    del file["X"]
    file.create_dataset("X", shape=(10**5, 10**7), dtype="f8", chunks=(1000, 1000))


def linked(file: h5py.File) -> None:
    file["uns/loop"] = h5py.SoftLink("/uns")


def outside(file: h5py.File) -> None:
    file["uns/other"] = h5py.ExternalLink("/etc/passwd", "/")


def unknown_version(file: h5py.File) -> None:
    file["obs/type"].attrs["encoding-version"] = "9.0.0"


def unknown_kind(file: h5py.File) -> None:
    file["var"].attrs["encoding-type"] = "telescope"


@pytest.mark.parametrize("damage", [unknown_version, unknown_kind])
def test_h5ad_of_a_newer_anndata(tmp_path: Path, damage: Callable) -> None:
    """The library has errors of its own for these (found by fuzzing)."""
    path = tmp_path / "cells.h5ad"
    write_cells(path, damage)
    with pytest.raises(InputError, match=r"written by a newer anndata"):
        read_input(path, pd.DataFrame(index=["c0", "c1"]))
    if damage is unknown_version:
        with pytest.raises(InputError, match=r"written by a newer anndata"):
            read_labels(path, "donor", "type", cells=None)


def circle(file: h5py.File) -> None:
    file["uns/again"] = file["uns"]


@pytest.mark.parametrize("damage", [declared, linked, outside, circle])
def test_h5ad_that_lead_elsewhere(folder: Path, capsys: pytest.CaptureFixture[str], damage: Callable) -> None:
    write_cells(folder / "c.h5ad", damage)
    write_config(a_config(counts="c.h5ad"))
    check_and_run(capsys, "c.h5ad")


def test_a_zeroed_middle_does_not_hang(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_cells(folder / "c.h5ad", lambda file: None)
    content = bytearray((folder / "c.h5ad").read_bytes())
    for share in (0.3, 0.5, 0.7):
        start = int(len(content) * share)
        content[start : start + len(content) // 8] = bytes(len(content) // 8)
    (folder / "c.h5ad").write_bytes(content)
    write_config(a_config(counts="c.h5ad"))
    refused(capsys, ["check", "config.yaml"], "c.h5ad")


def test_kallisto_that_declares_more_than_it_holds(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in SAMPLES:
        place = folder / "ka" / name
        place.mkdir(parents=True)
        with h5py.File(place / "abundance.h5", "w") as file:
            file["aux/ids"] = np.array([b"t1", b"t2"])
            file["aux/eff_lengths"] = np.array([100.0, 200.0])
            file.create_dataset("est_counts", shape=(10**11,), dtype="f8", chunks=(10**6,))
    (folder / "t2g.tsv").write_text("t1\tg1\nt2\tg2\n", encoding="utf-8")
    write_config(a_config(counts="ka", tx2gene="t2g.tsv"))
    check_and_run(capsys, "declares 1e+11 values")


# Our own files


def test_own_files_are_sealed(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with written_hdf5(path) as file:
        file["a"] = np.arange(50)
    require_sealed(path, "is no file of ours")
    whole = path.read_bytes()
    assert MARK in whole
    for place in (0, 10, len(whole) // 2, len(whole) - 3):
        changed = bytearray(whole)
        changed[place] ^= 4
        path.write_bytes(changed)
        with pytest.raises(InputError, match="damaged or edited"):
            require_sealed(path, "is no file of ours")
    for damaged in (whole[:-1], whole[: len(whole) // 2], b"", whole + b"\n"):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="another version"):
            require_sealed(path, "is no file of ours")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's results, with draws."""
    place = tmp_path_factory.mktemp("run")
    before = Path.cwd()
    os.chdir(place)
    try:
        a_count().to_csv("counts.tsv", sep="\t")
        write_sheet()
        content = a_config()
        write_config({**content, "prior": {"fit": "gibbs"}, "gibbs": {"draws": 8, "warmup": 2, "chains": 2}})
        assert main(["run", "config.yaml"]) == 0
    finally:
        os.chdir(before)
    return place


OF_EFFECTS = ["--design", "~ group", "--contrast", "{column: group, baseline: ctl, target: trt}", "--out", "made.h5"]


def tampered(name: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            if name in file:
                del file[name]
            file[name] = np.full(3, np.inf)

    return change


@pytest.mark.parametrize("name", ["obsm/log_size", "uns/ebgenes/screen/gene", "uns/ebgenes/screen/new", "X"])
def test_tampered_counts(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    path = tmp_path / "counts.h5ad"
    shutil.copy(results / "out/one/counts.h5ad", path)
    tampered(name)(path)
    assert main(["effects", str(path), *OF_EFFECTS]) == 2
    assert "counts.h5ad" in capsys.readouterr().err


def many_components(content: dict) -> None:
    content["weight"], content["scale"] = [1e-6] * 10**6, [0.0] + [1.0] * (10**6 - 1)


def changed(**values: object) -> Callable[[dict], None]:
    return lambda content: content.update(values)


@pytest.mark.parametrize(
    "change",
    [
        many_components,
        changed(weight=[2.0, -1.0], scale=[0.0, 1.0]),
        changed(weight=[], scale=[]),
        changed(weight=[1.0], scale=[0.0]),
        changed(scale="x"),
        changed(likelihood_scale=-1.0),
        changed(likelihood_scale=1e200),
        changed(mode=float("nan")),
        changed(unit=0),
        changed(family="none"),
        changed(weight={"a": 1}),
        changed(engine=[1]),
        changed(nulls=[3]),
        changed(covariates={"null_share": [2.0, -1.0]}),
    ],
    ids=lambda change: change.__qualname__.split(".")[0],
)
def test_tampered_priors(results: Path, tmp_path: Path, change: Callable[[dict], None]) -> None:
    path = tmp_path / "prior.json"
    content = json.loads((results / "out/one/trt/prior.json").read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match=r"prior\.json"):
        read_prior(path)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"weight": ' * 5_000, "1" * 6_000, "null", "[]", "\x00", "{"])
def test_json_that_is_no_prior(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prior.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"prior\.json"):
        read_prior(path)


# Packed text, YAML


def bomb(path: Path, line: bytes, times: int) -> None:
    with gzip.open(path, "wb", compresslevel=9) as file:
        file.write(b"gene\t" + "\t".join(SAMPLES).encode() + b"\n")
        for _ in range(times):
            file.write(line * (1_000_000 // len(line)))


@pytest.mark.parametrize("line", [b"\n", b"g\t0\t0\t0\t0\t0\t0\n", b"\t" * 100])
def test_a_packed_bomb_stops(folder: Path, capsys: pytest.CaptureFixture[str], line: bytes) -> None:
    bomb(folder / "counts.tsv.gz", line, 300)
    write_config(a_config(counts="counts.tsv.gz"))
    check_and_run(capsys, "counts.tsv.gz")
    with pytest.raises(InputError, match="which no table does"):
        read_text_table("counts.tsv.gz", numeric=True)


def test_the_limit_is_stated_and_raised(folder: Path) -> None:
    with limited(Limits(unpacked_gb=1e-6)), pytest.raises(InputError, match="unpacked_gb"):
        read_text_table("counts.tsv", numeric=True)
    with limited(Limits(unpacked_gb=0.01)):
        assert len(read_text_table("counts.tsv", numeric=True)) == 60
    assert parse_config({**a_config(), "limits": {"unpacked_gb": 7}}).limits.unpacked_gb == 7


BOMB = "".join(f"  a{i}: &a{i} [{','.join([f'*a{i - 1}' if i else 'x'] * 9)}]\n" for i in range(9))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a:\n" + BOMB, "aliases"),
        (yaml.safe_dump(a_config()) + "pathvars:\n" + BOMB, "aliases"),
        ("a: &a [*a]", "without end"),
        ("a: &a {b: *a}", "without end"),
        ("a: " + "[" * 5_000, "within one another"),
        ("a: " + "{b: " * 5_000, "within one another"),
        ("a: 1" + "0" * 400, "digits"),
        ("a: 1" + "0" * 5_000, "digits"),
        ("a: 1\nb: 2\na: 3", "twice"),
        ("a: {x: 1, x: 2}", "twice"),
        ("? [1, 2]\n: 3", "YAML"),
        ("a: !!python/object/apply:os.system [ls]", "YAML"),
        ("a: 2001-99-99", "YAML"),
        ("a: \x00", "YAML"),
        ("- &a x\n- *b", "YAML"),
        ("[" + "x," * 300_000 + "]", "entries"),
        ("x" * 3_000_000, "characters"),
        ("<<: 3", "YAML"),
    ],
    ids=lambda value: value[:12],
)
def test_yaml_within_bounds(text: str, words: str) -> None:
    start = time.process_time()
    with pytest.raises(InputError, match=words):
        load_yaml(text, "config.yaml")
    assert time.process_time() - start < SECONDS


def test_aliases_and_merges_of_usual_size_are_fine() -> None:
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: [*a, *a]\n"
    assert load_yaml(text, "x") == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": [{"x": 1, "y": 2}] * 2}


def test_a_config_of_fifty_megabytes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("config.yaml").write_text("a: " + "x" * 50_000_000, encoding="utf-8")
    check_and_run(capsys, "2,000,000 bytes")


# Numbers


@pytest.mark.parametrize("value", ["1e400", "-1e400", "9" * 30, "9007199254740993"])
def test_numbers_that_cannot_be_computed_with(folder: Path, capsys: pytest.CaptureFixture[str], value: str) -> None:
    write_sheet(dose=["0", "1", "2", "3", "4", value])
    write_config(a_config(design="~ group + dose"))
    check_and_run(capsys, "dose", "trt-3")
    # Nobody computes with a column that no formula names.
    write_config(a_config())
    assert main(["check", "config.yaml"]) == 0


def test_barcodes_of_24_digits_and_numbers_written_as_fractions(folder: Path) -> None:
    (a_count().astype(str) + ".0").to_csv("counts.tsv", sep="\t")
    write_sheet(barcode=["9" * 24] * 6, dose=["100.0"] * 3 + ["200.0"] * 3)
    assert main(["run", "config.yaml"]) == 0
    assert Path("out/one/trt/genes.tsv").is_file()


def test_levels_that_differ_in_blanks(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sheet(group=["ctl"] * 3 + ["new  drug", "new drug", "new drug"])
    write_config(a_config(contrasts={"trt": {"column": "group", "baseline": "ctl", "target": "new drug"}}))
    check_and_run(capsys, "group")


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("prior.min_scale", [1e-300, 1e300, -1, 0]),
        ("prior.null_weight", [0.5, 1e30]),
        ("gibbs.draws", [3, 1_000_000]),
        ("gibbs.warmup", [-1, 1_000_000]),
        ("gibbs.chains", [1, 1000]),
        ("report.level", [0, 1, 1e-300]),
        ("report.interval", [0, 1, 1e-9]),
        ("report.lfc_threshold", [-1, 1e300]),
        ("report.seed", [-1, 2**70]),
        ("effects.hidden_factors", [-1, 10**9]),
        ("limits.unpacked_gb", [0, -1, 1e300]),
    ],
)
def test_numbers_of_the_config_have_bounds(key: str, values: list[float]) -> None:
    section, name = key.split(".")
    for value in values:
        with pytest.raises(InputErrors, match=key):
            parse_config({**a_config(), section: {name: value}})


@pytest.mark.parametrize("value", [10**200, -1e7, float("inf"), float("nan"), True])
def test_weights_of_coefficients_have_bounds(value: float) -> None:
    with pytest.raises(InputErrors, match="coefficients"):
        parse_config(a_config(contrasts={"trt": {"coefficients": {"group[T.trt]": value}}}))


@pytest.mark.parametrize("value", ["a\x00b", "a\x1bb", "\ud800"])
def test_names_with_letters_that_no_path_has(value: str) -> None:
    with pytest.raises(InputErrors, match="holds the letter"):
        parse_config(a_config(counts=value))


def table_of_effects(df: str = "") -> None:
    rng = np.random.default_rng(5)
    lines = [f"g{i}\t{rng.normal():.4f}\t0.5{df}\n" for i in range(400)]
    heading = "gene\testimate\tse" + ("\tdf" if df else "")
    Path("x.tsv").write_text(heading + "\n" + "".join(lines), encoding="utf-8")


def test_degrees_of_freedom_without_a_scale(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table_of_effects("\t1e-300")
    refused(capsys, ["prior", "x.tsv", "--out", "made.json"], "df must be a number of 0.5 or more")
    table_of_effects()
    with pytest.raises(SystemExit):
        main(["prior", "x.tsv", "--out", "made.json", "--df", "1e-300"])


def test_effects_that_lie_too_far_apart(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(6)
    se = 10 ** rng.uniform(-4, 4, 400)
    lines = [f"g{i}\t{se[i] * rng.normal() * 10 ** rng.uniform(0, 6)}\t{se[i]}\n" for i in range(400)]
    Path("x.tsv").write_text("gene\testimate\tse\n" + "".join(lines), encoding="utf-8")
    code = main(["prior", "x.tsv", "--out", "made.json", "--prior", "{family: npmle}"])
    assert code in (0, 2)
    assert "Traceback" not in capsys.readouterr().err


# Formulas

NAMES = [f"c{i}" for i in range(54)]
SUMS = ["(" + "+".join(NAMES[i : i + 6]) + ")" for i in range(0, 54, 6)]


@pytest.mark.parametrize(
    "formula",
    [
        "~ " + "*".join(SUMS),
        "~ " + ":".join(SUMS),
        "~ " + "/".join(SUMS),
        "~ (" + "+".join(NAMES[:40]) + ")**(4+5)",
        "~ (" + "+".join(NAMES[:40]) + ")**9",
        "~ (" + "+".join(NAMES[:40]) + ")^9",
        "~ ((" + "+".join(NAMES[:24]) + ")**5)**5",
        "~ group + poly(dose, degree=9999*99)",
        "~ group + bs(dose, df=1e8)",
        "~ group + bs(dose, 1e8)",
        "~ group + cr(dose, df=9**9)",
        "~ group + bs(dose, knots=[" + ",".join(["1"] * 500) + "])",
        "~ group + C(batch, levels=['a']*10000000)",
        "~ group + C(batch, levels='a'*10000000)",
        "~ group + {" + "-" * 10_000 + "1}",
        "~ group + {" + "-" * 3_000 + "1}",
        "~ group + {" + "(" * 2_000 + "1" + ")" * 2_000 + "}",
        "~ " + "(" * 200 + "group" + ")" * 200,
        "~ " + "+".join(["group"] * 900),
        "~ C(batch",
        "~ group)",
        "~ {group",
        "~ 'group",
        "~ `group",
        "~ group + 9**9**9",
        "~ group + I(9**9**9)",
        "~ group ~ batch",
        "~ group + .",
        "~ group + dose**dose",
        "~ group + I(dose**99999)",
        "~ group + exp(exp(exp(dose)))",
        "~ group\x00",
        "~ group + lambda: 3",
        "~ group + ''.join(batch)",
        "~ group + __import__('os')",
    ],
    ids=lambda formula: formula[:40],
)
def test_formulas_are_bounded_before_they_are_built(formula: str) -> None:
    sheet = pd.DataFrame({**SHEET, **{name: np.arange(6.0) for name in NAMES}}, index=SAMPLES)
    sheet["dose"] = sheet["dose"].astype(float)
    start = time.process_time()
    with pytest.raises(InputError) as found:
        build_design(sheet, formula)
    assert time.process_time() - start < 5
    assert len(str(found.value)) < 700


def test_interactions_of_many_levels() -> None:
    names = [f"s{i}" for i in range(200)]
    sheet = pd.DataFrame({name: [f"{name}{i}" for i in range(200)] for name in "abc"}, index=names)
    with pytest.raises(InputError, match="makes up to"):
        build_design(sheet, "~ a:b:c")


@pytest.mark.parametrize(
    "formula", ["~ group * dose", "~ (group + dose + batch)**2", "~ group + bs(dose, df=3)", "~ group + poly(dose, 2)",
                "~ group + I(dose**2)", "~ 0 + group", "~ group + emax(dose, ed50=[1, 2])"],
)  # fmt: skip
def test_usual_formulas_are_within_bounds(formula: str) -> None:
    sheet = pd.DataFrame({**{name: values * 3 for name, values in SHEET.items()}}, index=[f"s{i}" for i in range(18)])
    sheet["dose"] = [float(i % 7) for i in range(18)]
    sheet["batch"] = [("a", "b")[(i // 2) % 2] for i in range(18)]
    build_design(sheet, formula)


@pytest.mark.parametrize("term", ["C(batch", "'", "`", "((((", ")", "", "x" * 100_000])
def test_terms_that_cannot_be_read(term: str) -> None:
    sheet = pd.DataFrame(SHEET, index=SAMPLES)
    with pytest.raises(InputError):
        contrast_design(sheet, "~ group", {"term": term}, "trt", {})


def test_eight_hundred_contrasts_are_checked_in_seconds(folder: Path) -> None:
    one = {"column": "group", "baseline": "ctl", "target": "trt"}
    write_config(a_config(contrasts={f"c{i}": one for i in range(800)}))
    main(["check", "config.yaml"])
    start = time.process_time()
    assert main(["check", "config.yaml"]) == 0
    assert time.process_time() - start < 5


# Encodings and names


def test_latin_1_in_a_header_of_feature_counts(folder: Path) -> None:
    counts = a_count()
    columns = "\t".join(f"b\xe9n\xe9/{name}.bam" for name in SAMPLES)
    lines = ["# Program:featureCounts v2.0.1", f"Geneid\tChr\tStart\tEnd\tStrand\tLength\t{columns}"]
    lines += [
        f"{gene}\tchr1\t1\t9\t+\t9\t" + "\t".join(map(str, row))
        for gene, row in zip(counts.index, counts.to_numpy().tolist(), strict=True)
    ]
    (folder / "fc.txt").write_bytes(("\n".join(lines) + "\n").encode("latin-1"))
    write_config(a_config(counts="fc.txt"))
    assert main(["check", "config.yaml"]) == 0


def test_no_text_is_a_formula_to_matplotlib() -> None:
    assert STYLE["text.parse_math"] is False


def test_names_of_outputs_are_reserved() -> None:
    made = {f"{figure.name}.{suffix}" for figure in figures_of("dataset") for suffix in ("png", "svg", "pdf")}
    assert made <= set(reserved_names())


def test_the_same_table_gives_the_same_workbook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pd.DataFrame({"gene_id": ["a", "b"], "x": [1.5, 2.0]})
    write_table(tmp_path / "one.xlsx", table)
    time.sleep(2.1)
    write_table(tmp_path / "two.xlsx", table)
    assert (tmp_path / "one.xlsx").read_bytes() == (tmp_path / "two.xlsx").read_bytes()


# Order, and the last net


def test_run_finds_bad_tables_of_studies_first(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_config(studies(a={"dataset": "one", "contrast": "trt"}, b={"table": "nowhere.tsv"}))
    check_and_run(capsys, "nowhere.tsv")


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (MemoryError("cannot allocate 9 GB"), 71, "out of memory"),
        (OSError(28, "No space left on device", "x.h5"), 2, "Free some space"),
        (OSError(24, "Too many open files", "x.h5"), 2, "ulimit -n"),
        (PermissionError(13, "Permission denied", "x.h5"), 2, "permissions"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (BrokenPipeError(), 141, ""),
        (InputError("so"), 2, "so"),
        (ZeroDivisionError("x / 0"), 70, "this is a fault of ebgenes"),
        (RecursionError(), 70, "RecursionError"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_last_net(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: BaseException,
    code: int, words: str,
) -> None:  # fmt: skip
    def fail(options: object) -> None:
        raise error

    monkeypatch.setattr(commands, "check", fail)
    monkeypatch.setattr(last_net, "_close_quietly", lambda: None)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert main(["check", "config.yaml"]) == code
    said = capsys.readouterr().err
    assert words in said
    assert len(said.splitlines()) == (1 if words else 0)
    kept = list(tmp_path.glob("ebgenes_fault_*.txt"))
    assert len(kept) == (1 if code == 70 else 0)
    if kept:
        assert type(error).__name__ in kept[0].read_text(encoding="utf-8")


def run_ebgenes(*arguments: str, then: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ebgenes", *arguments]
    command = ["bash", "-c", f'"$@" {then}; echo "code ${{PIPESTATUS[0]}}" >&2', "bash", *command]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_output_that_cannot_be_written(folder: Path) -> None:
    found = run_ebgenes("check", "config.yaml", then="> /dev/full")
    assert "code 2" in found.stderr
    assert "No space left" in found.stderr
    assert "Traceback" not in found.stderr
    found = run_ebgenes("check", "config.yaml", then="| true")
    assert "Traceback" not in found.stderr


def test_interrupted(folder: Path) -> None:
    # A shell lets what it runs in the background ignore interruptions.
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "from ebgenes.app import cli, commands\n"
    code += "commands.check = lambda options: signal.raise_signal(signal.SIGINT)\n"
    code += "import sys; sys.exit(cli.main(['check', 'x']))"
    found = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert found.returncode == 130
    assert found.stderr.startswith("ebgenes check: interrupted.")


def test_a_disk_that_is_full(folder: Path) -> None:
    """A limit of the size of files, which the system reports as it does a full disk."""
    code = "import resource, signal, sys; from pathlib import Path; from ebgenes.app.cli import main\n"
    code += "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    code += "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
    code += (
        "sys.exit(main(['counts', 'counts.tsv', '--samples', 'samples.tsv', '--design', '~ group', '--out', 'c.h5ad']))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True,
        env={**os.environ, "NUMBA_CACHE_DIR": str(folder / "cache")},
    )  # fmt: skip
    assert found.returncode == 2, found.stderr
    assert "cannot write" in found.stderr
    assert not list(folder.glob("*c.h5ad*"))


def test_the_trial_of_a_file_can_fail_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(5_000))
    with pytest.raises(InputError, match=r"x\.h5"), opened_hdf5(path, "a file"):
        pass
    assert signal.getsignal(signal.SIGXCPU) is signal.SIG_DFL


def test_matrix_market_without_a_size_fits_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "matrix.mtx"
    path.write_bytes(b"%%MatrixMarket matrix coordinate integer general\n" + b"%\n" * 5_000)
    with pytest.raises(InputError, match="does not tell"):
        read_matrix_market(path, (3, 3), "3 features and 3 barcodes")
