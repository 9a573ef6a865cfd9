"""Thousands of damaged inputs: whatever a reader is given, it reads, or refuses in a sentence.

``python -m pytest -m slow tests/test_fuzz.py`` takes minutes; `EBGENES_FUZZ` sets the number of inputs of each reader.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import warnings
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, given, settings, strategies as st

from ebgenes.app.config import load_yaml, parse_config, schema
from ebgenes.app.prepare import read_plan
from ebgenes.data import hdf5
from ebgenes.data.cells import read_labels, read_parts
from ebgenes.data.filter import screen_genes
from ebgenes.data.h5ad import read_screen, read_study, write_study
from ebgenes.data.normalization import normalize
from ebgenes.data.pseudobulk import pseudobulk_cells, read_pseudobulk, write_pseudobulk
from ebgenes.data.reading import read_input
from ebgenes.data.sheets import read_controls, read_samples
from ebgenes.data.transcripts import read_tx2gene
from ebgenes.data.trial_reading import tried
from ebgenes.design.matrix import build_design
from ebgenes.design.questions import compare
from ebgenes.effects.chunks import common_of
from ebgenes.effects.effect_tables import read_effect_table
from ebgenes.effects.summary_statistics import effects_from_summary
from ebgenes.errors import InputError
from ebgenes.prior.fit import fit_em
from ebgenes.prior.full_bayes import draw_gibbs
from ebgenes.records.counts import Counts, Study
from ebgenes.results.storage import (
    read_any_effects,
    read_chains,
    read_common,
    read_draws,
    read_prior,
    write_chains,
    write_common,
    write_draws,
    write_effects,
)
from ebgenes.results.table_files import read_table

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

TIMES = int(os.environ.get("EBGENES_FUZZ", "200"))


@pytest.fixture(autouse=True)
def forked_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read on trial by a copy of this process, which need not load its libraries first."""

    def tried_alone(path: Path, seconds: int) -> int:
        child = os.fork()
        if child == 0:
            os._exit(tried(str(path), seconds))
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    monkeypatch.setattr(hdf5, "tried_alone", tried_alone)


SAMPLES = ["a", "b", "c", "d"]
SHEET = pd.DataFrame({"group": list("xxyy"), "dose": [0.0, 1, 2, 3]}, index=pd.Index(SAMPLES, name="sample"))
PIECES = [
    b"",
    b"\t",
    b"\n",
    b"\r",
    b",",
    b'"',
    b"-1",
    b"1e400",
    b"NaN",
    b"9" * 30,
    b"\xff",
    b"\xef\xbb\xbf",
    b"0x1F",
    b" ",
]


def damaged(content: bytes, rng: random.Random) -> bytes:
    """The content with a few bytes flipped, cut, doubled, zeroed or put in."""
    made = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5))):
        place = rng.randrange(len(made) + 1)
        match rng.randrange(6):
            case 0 if made:
                made[min(place, len(made) - 1)] ^= 1 << rng.randrange(8)
            case 1:
                del made[place:]
            case 2:
                made[place:place] = rng.choice(PIECES)
            case 3:
                made[place : place + 40] = made[max(place - 40, 0) : place]
            case 4:
                size = rng.choice((1, 8, 200))
                made[place : place + size] = bytes(len(made[place : place + size]))
            case _:
                made[place : place + 8] = rng.randbytes(8)
    return bytes(made)


def try_many(path: Path, read: Callable[[Path], object], times: int, seed: int = 1) -> tuple[int, int]:
    """How many of so many damaged copies were read and refused; anything else fails the test, with its bytes kept."""
    content = path.read_bytes()
    rng = random.Random(seed)  # noqa: S311
    accepted = refused = 0
    for i in range(times):
        made = damaged(content, rng)
        while made == content:
            made = damaged(content, rng)
        path.write_bytes(made)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read(path)
            accepted += 1
        except InputError as error:
            refused += 1
            require_words(error)
        except Exception as error:
            raise AssertionError(f"input {i} of seed {seed}: {made[:2000]!r}") from error
    path.write_bytes(content)
    return accepted, refused


def require_words(error: InputError) -> None:
    assert 10 < len(str(error)) < 3_000


def plain(path: Path) -> Path:
    rng = np.random.default_rng(1)
    made = pd.DataFrame(rng.poisson(9, (12, 4)), index=pd.Index([f"g{i}" for i in range(12)]), columns=SAMPLES)
    made.to_csv(path, sep="\t")
    return path


def read_as(format: str) -> Callable[[Path], object]:
    return lambda path: read_input(path, SHEET, format=format)


def in_folder(format: str, tx2gene: Path | None = None) -> Callable[[Path], object]:
    def read(path: Path) -> object:
        folder = path.parent if path.parent.name not in SAMPLES else path.parent.parent
        return read_input(folder, SHEET, format=format, tx2gene=None if tx2gene is None else str(tx2gene))

    return read


def test_tables_of_counts(tmp_path: Path) -> None:
    assert sum(try_many(plain(tmp_path / "x.tsv"), read_as("table"), TIMES)) == TIMES


def test_packed_tables(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv.gz"
    path.write_bytes(gzip.compress(plain(tmp_path / "x.tsv").read_bytes()))
    assert sum(try_many(path, read_as("table"), TIMES)) == TIMES


def test_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "x.parquet"
    pd.read_csv(plain(tmp_path / "x.tsv"), sep="\t", index_col=0).to_parquet(path)
    assert sum(try_many(path, read_as("parquet"), TIMES)) == TIMES


def test_tables_packed_by_zstd(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    path = tmp_path / "x.tsv.zst"
    with pyarrow.output_stream(str(path), compression="zstd") as file:
        file.write(plain(tmp_path / "x.tsv").read_bytes())
    assert sum(try_many(path, read_as("table"), TIMES)) == TIMES


def test_workbooks(tmp_path: Path) -> None:
    """One of the files in the archive is damaged; of the archive itself, hardly a damage is not told by its sums."""
    pytest.importorskip("openpyxl")
    path, inside = tmp_path / "x.xlsx", tmp_path / "inside"
    pd.read_csv(plain(tmp_path / "x.tsv"), sep="\t", index_col=0).to_excel(path, index_label="gene")
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    assert sum(try_many(path, read_as("table"), TIMES // 4)) == TIMES // 4
    for name in ("xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/workbook.xml"):

        def read(part: Path, name: str = name) -> object:
            with zipfile.ZipFile(path, "w") as archive:
                for each, content in files.items():
                    archive.writestr(each, part.read_bytes() if each == name else content)
            return read_as("table")(path)

        inside.write_bytes(files[name])
        assert sum(try_many(inside, read, TIMES // 4)) == TIMES // 4


@pytest.mark.parametrize(
    "read", [read_samples, read_controls, read_tx2gene, read_effect_table], ids=lambda f: f.__name__
)
def test_sheets(tmp_path: Path, read: Callable[[Path], object]) -> None:
    path = tmp_path / "x.tsv"
    path.write_text("gene\testimate\tse\tdf\n" + "".join(f"g{i}\t{i / 7}\t0.5\t{i + 3}\n" for i in range(20)))
    assert sum(try_many(path, read, TIMES)) == TIMES


def test_gtf(tmp_path: Path) -> None:
    path = tmp_path / "x.gtf"
    line = 'chr1\tx\ttranscript\t1\t9\t.\t+\t.\tgene_id "g{0}"; transcript_id "t{0}";\n'
    path.write_text("".join(line.format(i) for i in range(20)))
    assert sum(try_many(path, read_tx2gene, TIMES)) == TIMES


def test_feature_counts(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text(
        "# Program:featureCounts\nGeneid\tChr\tStart\tEnd\tStrand\tLength\ta.bam\tb.bam\tc.bam\td.bam\n"
        + "".join(f"g{i}\t1\t1\t9\t+\t9\t{i}\t2\t3\t4\n" for i in range(20))
    )
    assert sum(try_many(path, read_as("featurecounts"), TIMES)) == TIMES


def test_star(tmp_path: Path) -> None:
    heads = ["N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous"]
    text = "".join(f"{name}\t5\t5\t5\n" for name in heads) + "".join(f"g{i}\t{9 + i}\t{9 + i}\t0\n" for i in range(20))
    for name in SAMPLES:
        (tmp_path / f"{name}.ReadsPerGene.out.tab").write_text(text)
    assert sum(try_many(tmp_path / "a.ReadsPerGene.out.tab", in_folder("star"), TIMES)) == TIMES


@pytest.mark.parametrize("program", ["salmon", "kallisto"])
def test_quantified(tmp_path: Path, program: str) -> None:
    heading = {
        "salmon": "Name\tLength\tEffectiveLength\tTPM\tNumReads",
        "kallisto": "target_id\tlength\teff_length\test_counts\ttpm",
    }[program]
    ending = {"salmon": "quant.sf", "kallisto": "abundance.tsv"}[program]
    pairs = tmp_path / "t2g.tsv"
    pairs.write_text("".join(f"t{i}\tg{i % 5}\n" for i in range(10)))
    for name in SAMPLES:
        (tmp_path / "q" / name).mkdir(parents=True)
        rows = "".join(f"t{i}\t900\t700\t{i * 3}\t{i * 5}\n" for i in range(10))
        (tmp_path / "q" / name / ending).write_text(f"{heading}\n{rows}")
    assert sum(try_many(tmp_path / "q" / "a" / ending, in_folder(program, pairs), TIMES)) == TIMES


def test_rsem(tmp_path: Path) -> None:
    rows = "".join(f"g{i}\tt{i}\t900\t700\t{i * 3}\t{i * 5}\n" for i in range(10))
    for name in SAMPLES:
        (tmp_path / f"{name}.genes.results").write_text(
            f"gene_id\ttranscript_id(s)\tlength\teffective_length\texpected_count\tTPM\n{rows}"
        )
    assert sum(try_many(tmp_path / "a.genes.results", in_folder("rsem"), TIMES)) == TIMES


def test_htseq(tmp_path: Path) -> None:
    for name in SAMPLES:
        (tmp_path / f"{name}.txt").write_text("".join(f"g{i}\t{i * 3}\n" for i in range(20)) + "__no_feature\t4\n")
    assert sum(try_many(tmp_path / "a.txt", in_folder("htseq"), TIMES)) == TIMES


def test_kallisto_h5(tmp_path: Path) -> None:
    pairs = tmp_path / "t2g.tsv"
    pairs.write_text("".join(f"t{i}\tg{i % 5}\n" for i in range(10)))
    for name in SAMPLES:
        (tmp_path / "q" / name).mkdir(parents=True)
        with h5py.File(tmp_path / "q" / name / "abundance.h5", "w") as file:
            file["aux/ids"] = np.array([f"t{i}".encode() for i in range(10)])
            file["aux/eff_lengths"] = np.full(10, 700.0)
            file["est_counts"] = np.arange(10.0)
    read = in_folder("kallisto", pairs)
    assert sum(try_many(tmp_path / "q" / "a" / "abundance.h5", read, TIMES)) == TIMES


@pytest.mark.parametrize("name", ["matrix.mtx", "barcodes.tsv", "features.tsv"])
def test_tenx(tmp_path: Path, name: str) -> None:
    rows = [f"{g + 1} {s + 1} {g + s + 1}" for g in range(8) for s in range(4)]
    text = "\n".join(["%%MatrixMarket matrix coordinate integer general", f"8 4 {len(rows)}", *rows]) + "\n"
    (tmp_path / "matrix.mtx").write_text(text)
    (tmp_path / "barcodes.tsv").write_text("\n".join(SAMPLES) + "\n")
    (tmp_path / "features.tsv").write_text("".join(f"g{i}\tn{i}\tGene Expression\n" for i in range(8)))
    assert sum(try_many(tmp_path / name, in_folder("10x"), TIMES)) == TIMES


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("as_cells", [True, False])
def test_tenx_h5(tmp_path: Path, version: int, as_cells: bool) -> None:
    from scipy import sparse

    path = tmp_path / "m.h5"
    made = sparse.csc_matrix(np.random.default_rng(2).poisson(1.0, (9, 4)))
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix" if version == 3 else "GRCh38")
        for name in ("data", "indices", "indptr"):
            group[name] = getattr(made, name)
        group["shape"] = np.array(made.shape)
        group["barcodes"] = np.array(SAMPLES, dtype="S1")
        gene = np.array([f"g{i}" for i in range(9)], dtype="S2")
        if version == 3:
            about = group.create_group("features")
            about["id"] = about["name"] = gene
            about["feature_type"] = np.array(["Gene Expression"] * 9, dtype="S15")
        else:
            group["genes"] = group["gene_names"] = gene

    def cells(path: Path) -> None:
        list(read_parts(path))

    read = cells if as_cells else read_as("10x")
    assert sum(try_many(path, read, TIMES)) == TIMES


@pytest.mark.parametrize("kind", ["csr", "csc", "dense"])
@pytest.mark.parametrize("as_cells", [True, False])
def test_h5ad(tmp_path: Path, kind: str, as_cells: bool) -> None:
    from scipy import sparse

    rng = np.random.default_rng(2)
    made = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "dense": np.asarray}[kind](rng.poisson(1.0, (12, 9)))
    obs = pd.DataFrame({"donor": SAMPLES * 3, "type": "T"}, index=[f"c{i}" for i in range(12)])
    anndata.AnnData(made, obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(9)])).write_h5ad(tmp_path / "x.h5ad")

    def cells(path: Path) -> None:
        read_labels(path, "donor", "type")
        list(read_parts(path))
        pseudobulk_cells(path, SAMPLES, sample="donor", cell_type="type", cells=None, layer=None)

    read = cells if as_cells else read_as("h5ad")
    assert sum(try_many(tmp_path / "x.h5ad", read, TIMES)) == TIMES


@pytest.mark.parametrize(
    "kind", ["effects", "counts", "pseudobulk", "prior", "table", "common", "draws", "chains", "plan"]
)
def test_own_files(tmp_path: Path, kind: str) -> None:
    """A seal lets no changed byte through; what has none is checked value by value."""
    rng = np.random.default_rng(3)
    gene = [f"g{i}" for i in range(30)]
    read: Callable[[Path], object]
    if kind == "effects":
        path, read = tmp_path / "effects.h5", read_any_effects
        write_effects(path, effects_from_summary(gene, rng.normal(size=30), np.full(30, 0.5)))
    elif kind == "counts":
        path = tmp_path / "counts.h5ad"
        counts = Counts(gene=gene, sample=SAMPLES, count=rng.poisson(50, (30, 4)))
        screen = screen_genes(counts, build_design(SHEET, "~ group"))
        write_study(path, Study(counts=normalize(counts), samples=SHEET, screen=screen))

        def read(path: Path) -> object:
            return read_study(path), read_screen(path)
    elif kind == "pseudobulk":
        path, read = tmp_path / "pseudobulk.h5ad", read_pseudobulk
        adata = anndata.AnnData(
            rng.poisson(3, (12, 9)), obs=pd.DataFrame({"donor": SAMPLES * 3, "type": "T"}, index=map(str, range(12)))
        )
        adata.write_h5ad(tmp_path / "x.h5ad")
        sums = pseudobulk_cells(tmp_path / "x.h5ad", SAMPLES, sample="donor", cell_type="type", cells=None, layer=None)[
            0
        ]
        write_pseudobulk(path, sums)
    elif kind == "common":
        path, read = tmp_path / "common.h5", read_common
        counts = Counts(gene=gene, sample=SAMPLES, count=rng.poisson(rng.gamma(9, 6, (30, 4))))
        question = compare("group", baseline="x", target="y")
        write_common(path, common_of(normalize(counts), build_design(SHEET, "~ group", question)))
    elif kind in ("draws", "chains"):
        path, read = (
            (tmp_path / "draws.nc", read_draws) if kind == "draws" else (tmp_path / "unfinished.nc", read_chains)
        )
        effects = effects_from_summary(gene, rng.normal(size=30), np.full(30, 0.5))
        kept = {"save": partial(write_chains, path)} if kind == "chains" else {}
        draws = draw_gibbs(effects, fit_em(effects), draws=20, warmup=20, chains=2, **kept)
        if kind == "draws":
            write_draws(path, draws)
    elif kind == "plan":
        path, read = tmp_path / "cell_types.json", read_plan
        part = {"cell_type": "T", "cells": 9, "samples": 4, "contrasts": ["a"], "left_out": {"b": "too few"}}
        path.write_text(json.dumps({"T": part, "B": part}))
    elif kind == "prior":
        path, read = tmp_path / "prior.json", read_prior
        path.write_text(
            json.dumps({"weight": [0.5, 0.3, 0.2], "scale": [0, 1, 2], "family": "scale_normal", "mode": 0.0})
        )
    else:
        path, read = tmp_path / "genes.tsv", read_table
        from ebgenes.results.table import COLUMNS

        path.write_text("\t".join(COLUMNS) + "\n" + "\n".join("\t".join(["1"] * len(COLUMNS)) for _ in range(9)) + "\n")
    accepted, refused = try_many(path, read, TIMES)
    assert accepted + refused == TIMES
    if kind in ("effects", "counts", "pseudobulk", "common", "draws"):
        assert accepted == 0


CONFIG = {
    "outdir": "out",
    "datasets": {
        "one": {
            "counts": "counts.tsv",
            "samples": "samples.tsv",
            "design": "~ group",
            "contrasts": {"trt": {"column": "group", "baseline": "x", "target": "y"}},
        }
    },
}
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["auto", "learned"]),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=6), inside, max_size=3),
    max_leaves=6,
)
FUZZ = settings(max_examples=TIMES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


def keys_of_the_schema() -> list[tuple[str, ...]]:
    parts = schema()["$defs"]
    top = [(name,) for name in schema()["properties"]]
    inside = [
        (name, key) for name in ("effects", "prior", "gibbs", "report", "limits") for key in parts[name]["properties"]
    ]
    dataset = [("datasets", "one", key) for key in parts["dataset"]["properties"]]
    return top + inside + dataset


@FUZZ
@given(st.lists(st.tuples(st.sampled_from(keys_of_the_schema()), VALUES), min_size=1, max_size=3))
def test_configs(changes: list[tuple[tuple[str, ...], object]]) -> None:
    content = json.loads(json.dumps(CONFIG))
    for place, value in changes:
        inside = content
        for key in place[:-1]:
            inside = inside.setdefault(key, {}) if isinstance(inside, dict) else {}
            if not isinstance(inside, dict):
                inside = {}
        inside[place[-1]] = value
    try:
        parse_config(content)
    except InputError as error:
        require_words(error)


@FUZZ
@given(st.text(max_size=300) | st.text(alphabet="&*a: [{]}-\n<!?|>'\"0x.", max_size=200))
def test_yaml(text: str) -> None:
    try:
        load_yaml(text, "x.yaml")
    except InputError as error:
        require_words(error)


def test_bytes_of_a_config(tmp_path: Path) -> None:
    from ebgenes.app.config import read_config

    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(CONFIG))
    assert sum(try_many(path, read_config, TIMES)) == TIMES


ATOMS = st.sampled_from(
    ["group", "dose", "1", "0", "`dose`", "C(group)", "log2(dose + 1)", "bs(dose, df=3)", "poly(dose, 2)", "I(dose**2)",
     "nothing", "(1|group)", "center(dose)", "emax(dose)", "'x'", "1e400", "C(dose, levels=[1])", "{dose}", "."]
)  # fmt: skip
FORMULAS = st.recursive(
    ATOMS,
    lambda inside: (
        st.tuples(
            inside, st.sampled_from([" + ", ":", "*", "/", " - ", "**", "^", " %in% ", "~", "|", ""]), inside
        ).map("".join)
        | inside.map(lambda text: f"({text})")
        | inside.map(lambda text: f"-{text}")
    ),
    max_leaves=12,
)


@FUZZ
@given(FORMULAS | st.text(alphabet="~group()dose+*:^|{}[]'`\"1,.=-\\ ", max_size=60))
def test_formulas(text: str) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            build_design(SHEET, f"~ {text}")
    except InputError as error:
        require_words(error)
