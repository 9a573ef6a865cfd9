"""Files of our own that are read again: what no value of them can be, whole pieces of them, and large ones."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest

from ebgenes.app.prepare import read_plan
from ebgenes.data import sealed
from ebgenes.data.sealed import require_sealed, write_anndata
from ebgenes.effects.chunks import gathered
from ebgenes.effects.summary_statistics import effects_from_summary
from ebgenes.errors import InputError
from ebgenes.records.effects import Effects
from ebgenes.records.prior import ChainState
from ebgenes.results.storage import read_any_effects, read_chains, write_chains, write_effects
from ebgenes.results.table import COLUMNS
from ebgenes.results.table_files import read_table, write_table

N_GENES = 30


def effects() -> Effects:
    rng = np.random.default_rng(1)
    made: Effects = effects_from_summary(
        [f"g{i}" for i in range(N_GENES)], rng.normal(size=N_GENES), np.full(N_GENES, 0.5)
    )
    return made


def changed(name: str, value: float) -> Effects:
    values = np.array(getattr(effects(), name))
    values[3] = value
    return replace(effects(), **{name: values})


@pytest.mark.fast
@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: changed("se", -1.0), r"se must be 0 or more; 1 value is not \(first: g3: -1\)"),
        (lambda: changed("df", -2.0), "df must be 0 or more"),
        (lambda: replace(effects(), p_value=np.full(N_GENES, 1.5)), r"30 values are not \(first: g0: 1.5\)"),
        (lambda: replace(effects(), gene=["g0"] * N_GENES), "29 genes are there twice"),
        (lambda: replace(effects(), grid=np.zeros((N_GENES, 5)), loglik=np.full((N_GENES, 5), np.nan)), "150 log"),
    ],
    ids=["se", "df", "p", "gene", "loglik"],
)
def test_sealed_effects_that_no_fit_gives(tmp_path: Path, made: Callable[[], Effects], words: str) -> None:
    """A seal says that nobody has touched a file, not that what wrote it was right."""
    path = tmp_path / "effects.h5"
    write_effects(path, made())
    with pytest.raises(InputError, match=words):
        read_any_effects(path)
    write_effects(path, effects())
    np.testing.assert_array_equal(read_any_effects(path).estimate, effects().estimate)


@pytest.mark.fast
def test_no_chunk_twice() -> None:
    whole = replace(effects(), grid=np.zeros((N_GENES, 5)), loglik=np.zeros((N_GENES, 5)))

    def part(genes: slice) -> Effects:
        arrays = ("gene", "estimate", "se", "df", "base_mean", "grid", "loglik", "status")
        return replace(whole, **{name: getattr(whole, name)[genes] for name in arrays})

    first, second = part(slice(0, 10)), part(slice(10, 30))
    assert list(gathered([first, second], "none").gene) == list(whole.gene)
    with pytest.raises(InputError, match=r"10 genes in common \(first: g0\)"):
        gathered([first, second, first], "none")


def table() -> pd.DataFrame:
    values: dict[str, Any] = {name: np.full(4, 0.5) for name in COLUMNS}
    values |= {"gene_id": list("abcd"), "gene_name": list("abcd"), "status": ["ok"] * 4}
    return pd.DataFrame(values)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("lfdr", 1.5, "lfdr must be from 0 to 1; 1 value is not .first: b: 1.5."),
        ("p_value", -0.1, "p_value must be from 0 to 1"),
        ("se", -1.0, "se must be 0 or more"),
        ("ci_low", 0.6, "1 interval ends before the beginning .first: b."),
        ("gene_id", "a", "1 gene is there twice"),
        ("lfsr", np.inf, "lfsr must be from 0 to 1"),
    ],
)
def test_tables_that_no_result_is(tmp_path: Path, column: str, value: Any, words: str) -> None:
    path = tmp_path / "genes.tsv"
    made = table()
    write_table(path, made)
    assert len(read_table(path)) == 4
    made.loc[1, column] = value
    write_table(path, made)
    with pytest.raises(InputError, match=words):
        read_table(path)
    write_table(path, table().drop(columns="lfsr"))
    with pytest.raises(InputError, match=r"not a genes\.tsv of ebgenes: 1 columns"):
        read_table(path)


def chains() -> ChainState:
    rng = np.random.default_rng(2)
    return ChainState(
        key="k", state=rng.normal(size=(2, 9, 3)), plane=rng.integers(0, 5, (2, 9)), loglik=rng.normal(size=(2, 9)),
        next_state=rng.normal(size=(2, 3)), next_plane=rng.integers(0, 5, 2),
    )  # fmt: skip


def test_unfinished_chains_that_cannot_be_gone_on_with(tmp_path: Path) -> None:
    """They begin anew: a file that an interrupted run left is no reason to end."""
    path = tmp_path / "chains.npz"
    write_chains(path, chains())
    found = read_chains(path)
    assert found is not None
    np.testing.assert_array_equal(found.state, chains().state)
    whole = path.read_bytes()
    for place in range(0, len(whole), 31):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        found = read_chains(path)
        assert found is None or all(
            np.array_equal(getattr(found, name), getattr(chains(), name)) for name in ("state", "plane", "next_state")
        )
    # A header that does not end as Python's tuples do (found by fuzzing).
    path.write_bytes(whole.replace(b"(2, 9, 3), }", b"(2, 9, (3   "))
    assert read_chains(path) is None
    for cut in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        assert read_chains(path) is None
    for wrong in (
        replace(chains(), state=np.zeros((2, 9))),
        replace(chains(), plane=np.zeros((2, 8), dtype=int)),
        replace(chains(), next_state=np.full((2, 3), np.nan)),
    ):
        write_chains(path, wrong)
        assert read_chains(path) is None


PART = {"cell_type": "T", "cells": 9, "samples": 4, "contrasts": ["x"], "excluded": {}}


@pytest.mark.parametrize(
    "plan",
    [{"t": 3}, {"t": {}}, {"t": {**PART, "contrasts": "x"}}, {"t": {**PART, "cells": "9"}}, {"t": {**PART, "new": 1}}],
    ids=str,
)
def test_plans_of_another_version(tmp_path: Path, plan: dict[str, Any]) -> None:
    path = tmp_path / "cell_types.json"
    path.write_text(json.dumps(plan))
    with pytest.raises(InputError, match=r"cell_types\.json: what it says of 't' is not as this version"):
        read_plan(path)
    path.write_text(json.dumps({"t": PART}))
    assert read_plan(path) == {"t": PART}


# Files too large for the memory, on a disk that is too small


def cells(n_samples: int) -> anndata.AnnData:
    rng = np.random.default_rng(3)
    names = [f"s{i}" for i in range(n_samples)]
    obs = pd.DataFrame({"group": ["a"] * n_samples}, index=names)
    return anndata.AnnData(rng.normal(size=(n_samples, 1000)), obs, pd.DataFrame(index=[f"g{i}" for i in range(1000)]))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    place = tmp_path / "small"
    place.mkdir()
    asked = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(asked, check=False, capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_large_file_where_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed, "IN_MEMORY", 0)
    made = cells(50)
    path = tmp_path / "x.h5ad"
    write_anndata(path, made)
    require_sealed(path, "is not ours")
    np.testing.assert_array_equal(anndata.read_h5ad(path).X, made.X)
    assert path.stat().st_size < 500_000, "the room that was kept beyond its end is given back"
    assert path.stat().st_blocks * 512 < 600_000


def test_a_disk_too_small_for_a_large_file(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed, "IN_MEMORY", 0)
    for n_samples in (200, 250, 300, 2_000):
        with pytest.raises(InputError, match=r"cannot write .*x\.h5ad: No space left on device"):
            write_anndata(small_disk / "x.h5ad", cells(n_samples))
        assert not list(small_disk.iterdir())


def test_a_disk_that_others_fill_meanwhile(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from anndata import io

    monkeypatch.setattr(sealed, "IN_MEMORY", 0)
    write_elem = io.write_elem

    def fill_up_first(*arguments: Any) -> None:
        handle = os.open(small_disk / "other", os.O_CREAT | os.O_WRONLY)
        with suppress(OSError):
            while True:
                os.write(handle, bytes(4096))
        os.close(handle)
        write_elem(*arguments)

    monkeypatch.setattr(io, "write_elem", fill_up_first)
    made = cells(100)
    write_anndata(small_disk / "x.h5ad", made)
    np.testing.assert_array_equal(anndata.read_h5ad(small_disk / "x.h5ad").X, made.X)


# What crashes pandas

CRASH = "1.1e4001428571428571428"
"""Exponents of some twenty digits lead pandas' own reader of numbers out of its tables."""


@pytest.mark.parametrize(
    "kind", ["table", "sheet", "effects", "star", "htseq", "salmon"],
)  # fmt: skip
def test_exponents_that_crash_pandas(tmp_path: Path, kind: str) -> None:
    from ebgenes.data.reading import read_input
    from ebgenes.data.sheets import read_samples
    from ebgenes.effects.effect_tables import read_effect_table

    names = ["a", "b", "c", "d"]
    sheet = pd.DataFrame({"group": list("xxyy")}, index=pd.Index(names, name="sample"))
    if kind in ("table", "sheet", "effects"):
        path = tmp_path / "x.tsv"
        header = "gene\testimate\tse\tdf" if kind == "effects" else "gene\ta\tb\tc\td"
        rows = [f"g{i}\t1\t2\t3" + ("" if kind == "effects" else "\t4") for i in range(9)]
        path.write_text("\n".join([header, *rows, rows[0].replace("g0\t1", f"x\t{CRASH}")]) + "\n")
        read: Callable[[], object] = {
            "table": lambda: read_input(path, sheet, format="table"),
            "sheet": lambda: read_samples(path),
            "effects": lambda: read_effect_table(path),
        }[kind]
    else:
        text = {
            "star": "N_unmapped\t1\t1\t1\nN_multimapping\t1\t1\t1\nN_noFeature\t1\t1\t1\nN_ambiguous\t1\t1\t1\n"
            f"g1\t{CRASH}\t2\t3\n",
            "htseq": f"g1\t3\ng2\t{CRASH}\n__no_feature\t4\n",
            "salmon": f"Name\tLength\tEffectiveLength\tTPM\tNumReads\nt1\t900\t700\t3\t{CRASH}\n",
        }[kind]
        for name in names:
            place = {"star": f"{name}.ReadsPerGene.out.tab", "htseq": f"{name}.txt", "salmon": f"{name}/quant.sf"}[kind]
            (tmp_path / "of" / place).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "of" / place).write_text(text)
        (tmp_path / "t2g.tsv").write_text("t1\tg1\nt2\tg2\n")

        def read() -> object:
            return read_input(
                tmp_path / "of", sheet, format=kind, tx2gene=str(tmp_path / "t2g.tsv") if kind == "salmon" else None
            )

    if kind == "sheet":
        # Nobody computes with the column yet.
        assert CRASH in read().to_string()  # type: ignore[attr-defined]
        return
    with pytest.raises(InputError):
        read()


@pytest.mark.parametrize("text", ["ge", "gene_id", "gene_id\n", "gene_id\ttranscript_id(s)", "\n", "g1\n"])
def test_a_header_that_was_cut(tmp_path: Path, text: str) -> None:
    """The first columns are text, of which there may be fewer."""
    from ebgenes.data.reading import read_input

    for name in "abcd":
        (tmp_path / f"{name}.genes.results").write_text(text)
    sheet = pd.DataFrame({"group": list("xxyy")}, index=pd.Index(list("abcd"), name="sample"))
    with pytest.raises(InputError, match=r"a\.genes\.results"):
        read_input(tmp_path, sheet, format="rsem")


def test_text_becomes_numbers_in_one_place() -> None:
    place = Path(sealed.__file__).parents[1]
    found = [str(path.relative_to(place)) for path in place.rglob("*.py") if "to_numeric(" in path.read_text()]
    assert found == ["files.py"]


# Packed in other ways than text


def test_a_parquet_file_that_declares_more_than_tables_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    from ebgenes.data.count_tables import read_parquet

    monkeypatch.setattr("ebgenes.data.count_tables.UNSUSPECTED", 1_000_000)
    path = tmp_path / "x.parquet"
    zeros = pyarrow.array(np.zeros(2_000_000, dtype=np.int64))
    parquet.write_table(pyarrow.table({"gene": zeros, "a": zeros}), path)
    with pytest.raises(InputError, match=r"declares 4e\+06 values"):
        read_parquet(path)


def test_a_workbook_that_unpacks_to_hundreds_of_megabytes(tmp_path: Path) -> None:
    import zipfile

    from ebgenes.files import read_text_table

    path = tmp_path / "x.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b" " * 60_000_000)
    with pytest.raises(InputError, match="unpacks to more than"):
        read_text_table(path, numeric=True)


def test_a_workbook_that_says_it_has_a_million_columns(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    import zipfile

    from ebgenes.files import read_text_table

    path = tmp_path / "x.xlsx"
    pd.DataFrame({"gene": ["g1", "g2"], "a": [1, 2]}).to_excel(path, index=False)
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    name = "xl/worksheets/sheet1.xml"
    files[name] = files[name].replace(b'ref="A1:B3"', b'ref="A1:XFD1048576"')
    assert b"XFD1048576" in files[name]
    with zipfile.ZipFile(path, "w") as archive:
        for each, content in files.items():
            archive.writestr(each, content)
    assert read_text_table(path, numeric=True)["a"].tolist() == [1, 2]


def test_a_table_packed_by_zstd_stops_as_gzip_does(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from ebgenes.files import read_text_table

    path = tmp_path / "x.tsv.zst"
    with pyarrow.output_stream(str(path), compression="zstd") as file:
        file.write(b"gene\ta\n")
        for _ in range(60):
            file.write(b"\n" * 1_000_000)
    with pytest.raises(InputError, match="which no table does"):
        read_text_table(path, numeric=True)
