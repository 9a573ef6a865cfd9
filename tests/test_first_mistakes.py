"""What goes wrong in someone's first hour: one line each that says what, where and the cure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ebgenes.app.cli import main

CONFIG = """\
outdir: out
datasets:
  one:
    counts: counts.tsv
    samples: samples.tsv
    design: "~ group"
    contrasts:
      t: {column: group, baseline: ctl, target: trt}
"""
SAMPLES = ["a1", "a2", "a3", "b1", "b2", "b3"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    counts = pd.DataFrame(rng.poisson(90, (40, 6)), index=[f"g{i}" for i in range(40)], columns=SAMPLES)
    counts.to_csv("counts.tsv", sep="\t", index_label="gene")
    Path("samples.tsv").write_text(
        "sample\tgroup\n" + "".join(f"{s}\t{'ctl' if s < 'b' else 'trt'}\n" for s in SAMPLES)
    )
    Path("config.yaml").write_text(CONFIG)
    return tmp_path


def edit(file: str, *changes: tuple[str, str]) -> Callable[[], None]:
    def do() -> None:
        text = Path(file).read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        Path(file).write_text(text)

    return do


def table(change: Callable[[pd.DataFrame], pd.DataFrame], **keys: object) -> Callable[[], None]:
    def do() -> None:
        change(pd.read_csv("counts.tsv", sep="\t", index_col=0)).to_csv("counts.tsv", sep="\t", **keys)

    return do


MISTAKES: dict[str, tuple[Callable[[], None], tuple[str, ...]]] = {
    "a quote that is not closed": (edit("config.yaml", ('"~ group"', '"~ group')), ("line 6: a quote is opened",)),
    "a tab": (edit("config.yaml", ("    samples", "\tsamples")), ("line 5", "indent with blanks")),
    "indentation": (edit("config.yaml", ("    samples", "   samples")), ("line 5", "indentation")),
    "a colon too many": (edit("config.yaml", ("counts: counts.tsv", "counts: C: x")), ("line 4", "two colons")),
    "no colon": (edit("config.yaml", ("samples: samples.tsv", "samples samples.tsv")), ("not valid YAML, line 5",)),
    "a brace that is not closed": (edit("config.yaml", ("trt}", "trt")), ("not valid YAML, line 9", "brace")),
    "the same key twice": (
        edit("config.yaml", ("      t: {", "      t: {column: group, baseline: trt, target: ctl}\n      t: {")),
        ("line 9: the key 't' is there twice (first: line 8)",),
    ),
    "a key with another name": (edit("config.yaml", ("design", "formula")), ("formula: unknown key", "design is "
    "missing")),
    "a wrong path": (edit("config.yaml", ("counts.tsv", "data/counts.tsv")), ("data/counts.tsv does not exist",)),
    "an upper-case level": (edit("config.yaml", ("ctl", "Ctl")), ("'Ctl' is not a level", "Did you mean 'ctl'?")),
    "a column with another name": (edit("config.yaml", ("group", "Group")), ("'Group'", "Did you mean 'group'?")),
    "an = for a ~": (edit("config.yaml", ("~ group", "y = group")), ("the formula 'y = group'",)),
    "a left side": (edit("config.yaml", ("~ group", "counts ~ group")), ("a left side. Start it with '~'",)),
    "no replicates": (
        lambda: (Path("samples.tsv").write_text("sample\tgroup\na1\tctl\nb1\ttrt\n"), None)[1],
        ("replicate",),
    ),
    "logs": (table(np.log2), ("Give raw counts, not TPM, logs",)),
    "TPM": (table(lambda counts: counts / counts.sum() * 1e6 + 0.1), ("Give raw counts, not TPM, logs",)),
    "negative values": (table(lambda counts: counts - 100), ("counts must be whole numbers >= 0",)),
    "samples by genes": (table(lambda counts: counts.T), ("is samples by genes", "orientation: samples_by_genes")),
    "a gene twice": (
        table(lambda counts: counts.rename(index={"g1": "g0"})),
        ("1 names of rows occur more than once (first: 'g0')", "merge or rename"),
    ),
    "names with another spelling": (
        table(lambda counts: counts.rename(columns=str.upper)),
        ("6 in the sheet only (first: a1)", "6 in the counts only (first: A1)"),
    ),
    "a sample twice in the sheet": (
        edit("samples.tsv", ("a2\t", "a1\t")),
        ("names of rows occur more than once (first: 'a1')",),
    ),
    "a typo in a level": (edit("samples.tsv", ("a2\tctl", "a2\tCTL")), ("case or blanks", "sample a2, 'CTL'")),
    "no value": (edit("samples.tsv", ("a2\tctl", "a2\t")), ("sample a2, column 'group'", "missing: drop")),
    "counts and sheet exchanged": (
        edit("config.yaml", ("counts.tsv", "x.tsv"), ("samples.tsv", "counts.tsv"), ("x.tsv", "samples.tsv")),
        ("name different samples",),
    ),
    "a workbook of old Excel": (
        lambda: (Path("samples.tsv").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)), None)[1],
        ("a workbook of an old Excel. Save it as .xlsx, or as text (CSV)",),
    ),
    "a file cut short": (
        lambda: (Path("counts.tsv").write_bytes(Path("counts.tsv").read_bytes()[:-9]), None)[1],
        ("whole numbers",),
    ),
    "a PDF": (lambda: (Path("samples.tsv").write_bytes(b"%PDF-1.4\n" + bytes(range(256)) * 9), None)[1], ("not text",)),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_one_line_names_the_cure(here: Path, mistake: str, capsys: pytest.CaptureFixture[str]):
    change, words = MISTAKES[mistake]
    change()
    before = sorted(here.rglob("*"))
    for verb in ("check", "run"):
        assert main([verb, "config.yaml"]) == 2
        said = capsys.readouterr().err
        assert "Traceback" not in said
        for each in words:
            assert each in said, said
        lines = [line for line in said.splitlines() if line.startswith(("ebgenes ", "  - "))]
        assert len(lines) <= 4
    assert sorted(here.rglob("*")) == before
