"""Whatever is wrong with what the user gives: one message, exit code 2, nothing left behind."""

from __future__ import annotations

import gzip
import os
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings, strategies as st

from ebgenes.app.cli import main

SAMPLES = [f"{group}-{i}" for group in ("ctl", "trt") for i in (1, 2, 3)]
COMPARISON = {"column": "group", "baseline": "ctl", "target": "trt"}


@dataclass
class Case:
    """A study that works, until a test spoils something; files are written last and may replace others."""

    counts: pd.DataFrame
    sheet: pd.DataFrame
    config: dict[str, Any]
    files: dict[str, bytes] = field(default_factory=dict)
    command: list[str] = field(default_factory=lambda: ["run", "config.yaml"])

    @property
    def one(self) -> dict[str, Any]:
        return self.config["datasets"]["one"]

    def write(self, folder: Path) -> None:
        self.counts.to_csv(folder / "counts.tsv", sep="\t")
        self.sheet.to_csv(folder / "samples.tsv", sep="\t")
        (folder / "config.yaml").write_text(yaml.safe_dump(self.config), encoding="utf-8")
        for name, content in self.files.items():
            (folder / name).write_bytes(content)


def working_case(n_genes: int = 300) -> Case:
    rng = np.random.default_rng(11)
    mean = 100 * np.exp(rng.standard_normal(n_genes))
    dispersion = 0.1 * np.exp(rng.standard_normal(n_genes))
    level = rng.gamma(1 / dispersion, dispersion * mean, (6, n_genes)).T
    gene = pd.Index([f"g{i:03d}" for i in range(n_genes)], name="gene_id")
    counts = pd.DataFrame(rng.poisson(level), index=gene, columns=SAMPLES).astype(object)
    sheet = pd.DataFrame(
        {"group": ["ctl"] * 3 + ["trt"] * 3, "batch": list("abcabc"), "dose": [0.0, 1, 2, 3, 4, 5]},
        index=pd.Index(SAMPLES, name="sample"),
    )
    one = {"counts": "counts.tsv", "samples": "samples.tsv", "design": "~ group", "contrasts": {"trt": COMPARISON}}
    return Case(counts=counts, sheet=sheet, config={"outdir": "out", "datasets": {"one": one}})


Spoil = Callable[[Case], Any]


def count(value: object) -> Spoil:
    def spoil(case: Case) -> None:
        case.counts.iloc[7, 2] = value

    return spoil


def dataset(**entries: object) -> Spoil:
    return lambda case: case.one.update(entries)


def contrast(question: dict[str, Any], name: str = "trt") -> Spoil:
    return dataset(contrasts={name: question})


def section(name: str, **entries: object) -> Spoil:
    return lambda case: case.config.update({name: entries})


def table(content: bytes, name: str = "spoilt.tsv") -> Spoil:
    """Other bytes as the file of counts."""

    def spoil(case: Case) -> None:
        case.files[name] = content
        case.one["counts"] = name

    return spoil


def config(content: bytes) -> Spoil:
    return lambda case: case.files.update({"config.yaml": content})


def beside(name: str, content: bytes) -> Spoil:
    return lambda case: case.files.update({name: content})


def attribute(**entries: Any) -> Spoil:
    """Entries computed from the case replace its own."""

    def spoil(case: Case) -> None:
        for name, change in entries.items():
            setattr(case, name, change(case))

    return spoil


def offsets(change: Callable[[pd.DataFrame], Any]) -> Spoil:
    def spoil(case: Case) -> None:
        frame = pd.DataFrame(0.0, index=case.counts.index, columns=case.counts.columns).astype(object)
        changed = change(frame)
        case.files["offsets.tsv"] = (frame if changed is None else changed).to_csv(sep="\t").encode()
        case.one["offsets"] = "offsets.tsv"

    return spoil


def formula(text: str) -> Spoil:
    return dataset(design=text)


def both(*spoils: Spoil) -> Spoil:
    def spoil(case: Case) -> None:
        for each in spoils:
            each(case)

    return spoil


def command(*words: str, **files: bytes) -> Spoil:
    """Another verb; files by name, a double underscore for the dot."""

    def spoil(case: Case) -> None:
        case.command = list(words)
        case.files.update({name.replace("__", "."): content for name, content in files.items()})

    return spoil


def h5ad(change: Callable[[anndata.AnnData], Any] = lambda adata: None, **entries: object) -> Spoil:
    """The counts as .h5ad."""

    def spoil(case: Case) -> None:
        matrix = case.counts.to_numpy(dtype=float).T
        adata = anndata.AnnData(matrix, obs=pd.DataFrame(index=SAMPLES), var=pd.DataFrame(index=case.counts.index))
        change(adata)
        with tempfile.TemporaryDirectory() as folder:
            adata.write_h5ad(Path(folder, "x.h5ad"))
            case.files["counts.h5ad"] = Path(folder, "x.h5ad").read_bytes()
        case.one.update({"counts": "counts.h5ad", **entries})

    return spoil


JUNK = np.random.default_rng(0).integers(0, 256, 5000).astype(np.uint8).tobytes()
NOT_COUNTS = ("counts must be whole numbers >= 0; 1 of 300 genes in sample ctl-3 are not", "Give raw counts")
REFUSED = ("is not allowed in the formula", "A formula may hold columns of the sheet")
NAME_RULE = "a name may hold letters, digits, dot, dash and underscore"
EFFECTS_TABLE = b"gene\testimate\tse\ng1\t1\t0.5\ng2\t0\t0.5\ng3\t-1\t0.2\n"
HEADER = "gene_id\t" + "\t".join(SAMPLES) + "\n"
ONES = "\t100" * 6
QUESTION = ("--design", "~ group", "--contrast", yaml.safe_dump(COMPARISON))
COUNTS_STEP = ("counts", "counts.tsv", "--samples", "samples.tsv", "--design", "~ group", "--out", "made.h5ad")

BAD: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    # Values of the counts
    "negative": (count(-1), (*NOT_COUNTS, "first: g007: '-1'")),
    "fraction": (count(2.5), (*NOT_COUNTS, "first: g007: '2.5'")),
    "nan": (count("NaN"), (*NOT_COUNTS, "first: g007: 'NaN'")),
    "NA": (count("NA"), (*NOT_COUNTS, "first: g007: 'NA'")),
    "empty cell": (count(""), (*NOT_COUNTS, "first: g007: ''")),
    "text": (count("abc"), (*NOT_COUNTS, "first: g007: 'abc'")),
    "infinite": (count("inf"), (*NOT_COUNTS, "first: g007: 'inf'")),
    "huge float": (count("1e300"), (*NOT_COUNTS, "first: g007")),
    "huge integer": (count(2**60), (*NOT_COUNTS, "first: g007: '1152921504606846976'")),
    "beyond 64 bits": (count(10**30), (*NOT_COUNTS, "first: g007: '1000000")),
    "thousands": (count("1,000"), (*NOT_COUNTS, "first: g007: '1,000'")),
    "hexadecimal": (count("0x10"), (*NOT_COUNTS, "first: g007: '0x10'")),
    "a nul byte": (count("\0"), ("counts.tsv is not a readable table: it is not text",)),
    "copies of a sample": (
        attribute(counts=lambda case: case.counts.assign(**{"ctl-3": case.counts["ctl-2"]})),
        ("1 of 6 samples have the same count as another in every gene (first: ctl-3, which equals ctl-2)",),
    ),
    "copies of all samples": (
        attribute(counts=lambda case: case.counts * 0 + 50),
        ("5 of 6 samples have the same count", "Are replicates copies of one another?"),
    ),
    # Names
    "duplicate genes": (
        attribute(counts=lambda case: pd.concat([case.counts, case.counts.iloc[:2]])),
        ("2 names of rows occur more than once (first: 'g000')", "merge or rename"),
    ),
    "duplicate samples": (
        attribute(counts=lambda case: case.counts.rename(columns={"ctl-2": "ctl-1"})),
        ("1 names of columns occur more than once (first: 'ctl-1')", "merge or rename"),
    ),
    "duplicate rows of the sheet": (
        attribute(sheet=lambda case: case.sheet.rename(index={"ctl-2": "ctl-1"})),
        ("samples.tsv: 1 names of rows occur more than once (first: 'ctl-1')",),
    ),
    "a gene without a name": (
        attribute(counts=lambda case: case.counts.rename(index={"g004": " "})),
        ("1 of 300 rows have no name", "Name them"),
    ),
    "counts lack a sample": (
        attribute(counts=lambda case: case.counts.iloc[:, :-1]),
        ("name different samples: 1 in the sheet only (first: trt-3)", "first column"),
    ),
    "both lack one": (
        attribute(counts=lambda case: case.counts.rename(columns={"ctl-1": "ctl_1"})),
        ("1 in the sheet only (first: ctl-1); 1 in the counts only (first: ctl_1)",),
    ),
    # Files
    "empty file": (table(b""), ("spoilt.tsv is empty", "Give a table with a header line")),
    "blank lines": (table(b"\n\n\n"), ("spoilt.tsv is empty",)),
    "header only": (table(HEADER.encode()), ("spoilt.tsv has a header but no rows",)),
    "one column": (table(b"gene\ng1\ng2\n"), ("spoilt.tsv has one column only",)),
    "long rows": (table(f"{HEADER}g1{ONES * 2}\n".encode()), ("spoilt.tsv is not a readable table", "a loss of data")),
    "one long row": (
        table(f"{HEADER}g1{ONES}\ng2{ONES * 2}\n".encode()),
        ("spoilt.tsv is not a readable table", "Expected 7 fields in line 3, saw 13"),
    ),
    "short row": (table(f"{HEADER}g1{ONES}\ng2\t1\n".encode()), ("1 of 2 genes in sample ctl-2", "first: g2: ''")),
    "open quote": (table(f'{HEADER}"g1\t1\n'.encode()), ("spoilt.tsv is not a readable table",)),
    "nul in a gene's name": (
        table(f"{HEADER}g\0{ONES}\nh{ONES}\ni{ONES}\n".encode()),
        ("spoilt.tsv is not a readable table: it is not text",),
    ),
    "binary": (table(JUNK), ("spoilt.tsv is not a readable table", "Give tab- or comma-separated text")),
    "binary gz": (table(JUNK, "x.tsv.gz"), ("x.tsv.gz is not a readable table", "it is not text")),
    "cut gz": (table(gzip.compress(JUNK)[:900], "x.tsv.gz"), ("x.tsv.gz is not a readable table",)),
    "binary in gz": (table(gzip.compress(JUNK), "x.tsv.gz"), ("x.tsv.gz is not a readable table",)),
    "binary h5ad": (table(JUNK, "x.h5ad"), ("x.h5ad is not an .h5ad file that can be read",)),
    "missing file": (dataset(counts="nope.tsv"), ("nope.tsv does not exist", "relative to the folder")),
    "missing h5ad": (dataset(counts="nope.h5ad"), ("nope.h5ad does not exist",)),
    "a folder": (dataset(counts="."), ("is a folder, and not one with counts that are known",)),
    "missing sheet": (dataset(samples="nope.tsv"), ("nope.tsv does not exist",)),
    "missing annotation": (dataset(genes="nope.tsv"), ("nope.tsv does not exist",)),
    "unknown layer": (h5ad(layer="raw"), ("has no layer 'raw'", "Its layers: none")),
    "layer of a table": (dataset(layer="raw"), ("counts.tsv is a table, which has no layers such as 'raw'",)),
    "fractions in h5ad": (
        h5ad(lambda adata: adata.X.__setitem__((2, 7), 0.5)),
        ("counts must be whole numbers >= 0", "1 of the first 1800 values of X are not (first: 0.5)"),
    ),
    "outdir is a file": (lambda case: case.config.update(outdir="counts.tsv"), ("cannot write counts.tsv",)),
    "outdir with a nul": (lambda case: case.config.update(outdir="a\0b"), ("outdir", "which no name or path has")),
    # Designs and contrasts
    "unknown column": (formula("~ grup"), ("names 'grup'", "Its columns: group, batch, dose.", "mean 'group'?")),
    "column of the contrast": (
        contrast({**COMPARISON, "column": "grup"}),
        ("compares column 'grup', which the formula does not use", "mean 'group'?"),
    ),
    "column not in the formula": (
        contrast({"column": "batch", "baseline": "a", "target": "b"}),
        ("compares column 'batch', which the formula does not use", "It uses: group."),
    ),
    "unknown level": (
        contrast({**COMPARISON, "target": "treated"}),
        ("'treated' is not a level of column 'group'. Its levels: ctl, trt.",),
    ),
    "the second of two contrasts": (
        dataset(contrasts={"good": COMPARISON, "bad": {**COMPARISON, "target": "x"}}),
        ("'x' is not a level of column 'group'",),
    ),
    "baseline is target": (contrast({**COMPARISON, "target": "ctl"}), ("baseline and target", "Name two levels")),
    "text for a number": (
        both(formula("~ dose"), contrast({"column": "dose", "baseline": "low", "target": 2})),
        ("column 'dose' is numeric, so baseline must be a number; found 'low'", "C(dose)"),
    ),
    "half a comparison": (contrast({"column": "group"}), ("a comparison needs column, baseline and target",)),
    "unknown reference": (dataset(reference={"group": "x"}), ("'x' is not a level of column 'group'",)),
    "empty cell of the sheet": (
        lambda case: case.sheet.__setitem__("group", ["ctl", "ctl", "ctl", "trt", "", "trt"]),
        ("1 of 6 samples has no value in a column that the design needs (first: sample trt-2, column", "Fill it in"),
    ),
    "rank": (
        lambda case: (case.sheet.insert(0, "copy", case.sheet["group"]), case.one.update(design="~ group + copy")),
        ("3 columns but rank 2", "copy[T.trt] = group[T.trt]", "drop a term"),
    ),
    "one sample a group": (
        attribute(counts=lambda case: case.counts.iloc[:, [0, 3]], sheet=lambda case: case.sheet.iloc[[0, 3]]),
        ("spends 2 coefficients on 2 samples", "Add replicates"),
    ),
    "saturated": (
        both(formula("~ C(dose)"), contrast({"coefficients": {"C(dose)[T.1.0]": 1}})),
        ("spends 6 coefficients on 6 samples", "Add replicates"),
    ),
    "interaction": (
        formula("~ group * dose"),
        ("the effect of 'group' differs between samples", "group[T.trt]:dose", "coefficients: {name: weight}"),
    ),
    "unknown coefficient": (
        contrast({"coefficients": {"group[T.tr]": 1}}),
        ("1 of 1 coefficients", "first: 'group[T.tr]'", "mean 'group[T.trt]'?", "reference: {column: level}"),
    ),
    "zero weights": (contrast({"coefficients": {"group[T.trt]": 0}}), ("a finite weight other than 0",)),
    "huge weight": (
        contrast({"coefficients": {"group[T.trt]": 1e308}}),
        ("coefficients.group[T.trt]: found 1e+308; it must be at most 1000000",),
    ),
    "tiny difference": (
        both(formula("~ dose"), contrast({"column": "dose", "baseline": 0, "target": 1e-200})),
        ("must lie between 1e-100 and 1e+100 in size; found 1e-200", "in other units"),
    ),
    "infinite weight": (
        contrast({"coefficients": {"group[T.trt]": float("inf")}}),
        ("found inf; it must be a finite number",),
    ),
    "no intercept either": (formula("~ 0"), ("has no columns at all",)),
    # Formulas that would do something
    "system": (formula('~ {__import__("os").system("touch pwned")}'), REFUSED),
    "system in a call": (formula('~ group + log(__import__("os").system("touch pwned"))'), REFUSED),
    "open": (formula('~ open("pwned", "w")'), REFUSED),
    "attribute": (formula("~ group + {dose.__class__}"), REFUSED),
    "dotted name": (formula("~ group + dose.values"), ("names 'dose.values', which is not a column",)),
    "unknown function": (formula("~ group + hashed(batch)"), REFUSED),
    "comprehension": (formula("~ group + {[x for x in ().__class__.__bases__]}"), REFUSED),
    "lambda": (formula("~ group + {lambda: 1}"), REFUSED),
    "power of numbers": (formula("~ group + {9**9**9}"), REFUSED),
    "power of a column": (formula("~ group + {dose**9**9}"), REFUSED),
    "power in the formula": (formula("~ group + 9**9**9"), ("has the power 9", "up to 5")),
    "power in brackets": (formula("~ (group + batch)**(1+1)"), ("has the power in brackets", "written as numbers")),
    "power of a sum": (formula("~ (group + batch + dose)**99999"), ("has the power 99999", "up to 5")),
    "endless spline": (formula("~ group + bs(dose, df=100000000)"), ("asks for 100000000 columns", "at most 30")),
    "random slope": (formula("~ group + (dose|batch)"), ("has the random slope (dose|batch)",)),
    "several parts": (formula("~ group | batch"), ("has several parts", "Start it with '~'")),
    "left side": (formula("dose ~ group"), ("has a left side", "Start it with '~'")),
    "syntax": (formula("~ group + batch dose"), ("cannot be read", "Missing operator")),
    "left-out levels": (
        formula("~ group + C(batch, levels=['a', 'b'])"),
        ("cannot be applied to the sample sheet: Data has categories outside of the nominated levels",),
    ),
    "logarithm of text": (formula("~ group + log(batch)"), ("cannot be applied to the sample sheet",)),
    # Settings
    "unknown family": (section("prior", family="scale_norml"), ("prior.family", "mean 'scale_normal'?")),
    "unknown engine": (
        section("effects", engine="deseq2"),
        ("effects.engine", "allowed: auto, likelihood, moderated_t, mixed"),
    ),
    "an option of the other engine": (
        section("effects", trend=True),
        ("effects.trend: found True; only engine moderated_t has this option",),
    ),
    "effects: an option of the other engine": (
        command("effects", "c.h5ad", *QUESTION, "--effects", "{engine: moderated_t, outliers: winsorize}", "--out=x"),
        ("outliers: found 'winsorize'; only engine likelihood has this option",),
    ),
    "unknown normalization": (section("effects", normalization="tmmm"), ("effects.normalization", "mean 'tmm'?")),
    "unknown key": (section("efects"), ("efects: unknown key", "mean 'effects'?")),
    "nan level": (section("report", level=float("nan")), ("report.level: found nan",)),
    "dataset above": (
        lambda case: case.config["datasets"].update({"../x": case.one}),
        ("datasets: found the name '../x'", NAME_RULE),
    ),
    "dataset elsewhere": (
        lambda case: case.config["datasets"].update({"/abs/x": case.one}),
        ("datasets: found the name '/abs/x'", NAME_RULE),
    ),
    "contrast with a slash": (contrast(COMPARISON, "a/b"), ("found the name 'a/b'", NAME_RULE)),
    "contrast elsewhere": (contrast(COMPARISON, "/abs"), ("found the name '/abs'", NAME_RULE)),
    "contrast as a result": (contrast(COMPARISON, "report.html"), ("'report.html' is taken by a file",)),
    "broken yaml": (config(b"a: [1,\nb: {"), ("config.yaml is not valid YAML",)),
    "yaml that calls": (config(b"!!python/object/apply:os.system ['touch pwned']"), ("is not valid YAML",)),
    "endless yaml": (config(b"datasets: &a\n  x: *a\n"), ("config.yaml is not valid YAML",)),
    "binary yaml": (config(JUNK), ("cannot read the config config.yaml: it is not text",)),
    "list": (config(b"- a\n- b\n"), ("found ['a', 'b']; it must be a mapping",)),
    "empty config": (config(b""), ("found None; it must be a mapping",)),
    "missing config": (command("run", "nope.yaml"), ("cannot read the config nope.yaml", "ebgenes init")),
    # What only the fit would refuse, told before anything is read or written
    "hidden factors beyond the samples": (
        section("effects", hidden_factors=5),
        ("5 hidden factors leave -1 of 4 residual degrees of freedom",),
    ),
    "dispersions by group beside a covariate": (
        both(formula("~ dose + group"), section("effects", dispersion="by_group")),
        ("by_group takes designs of groups alone", "dispersion: shared"),
    ),
    "dispersions by group beside hidden factors": (
        section("effects", dispersion="by_group", hidden_factors=1),
        ("by_group takes designs of groups alone; found hidden_factors 1",),
    ),
    "controls of another annotation": (
        both(beside("controls.txt", b"".join(b"ENSG%d\n" % i for i in range(30))), dataset(controls="controls.txt")),
        ("0 of 30 control genes are among the", "Do the ids match?"),
    ),
    "a covariate that is the same everywhere": (
        both(
            beside("genes.tsv", b"id\tname\tlength\n" + b"".join(b"g%03d\tG%d\t7\n" % (i, i) for i in range(300))),
            both(dataset(genes="genes.tsv"), section("prior", covariates=["length"])),
        ),
        ("the covariate 'length' does not differ",),
    ),
    # Data that say nothing
    "sample without a read": (
        lambda case: case.counts.__setitem__("trt-2", 0),
        ("1 of 6 samples have no reads", "first: trt-2"),
    ),
    "no reads": (attribute(counts=lambda case: case.counts * 0), ("keeps 0 of 300 genes", "Lower keep.min_count")),
    "filter": (dataset(keep={"min_count": 10**9}), ("keeps 0 of 300 genes", "Lower keep.min_count")),
    "no common gene": (
        lambda case: case.counts.iloc[:, :].where(np.arange(300)[:, None] % 6 != np.arange(6), 0).pipe(
            lambda frame: (setattr(case, "counts", frame), case.one.update(keep={"min_samples": 2}))
        ),
        ("every one of 300 genes has a zero in some sample", "poscounts"),
    ),
    "offsets lack genes": (
        offsets(lambda frame: frame.iloc[:-3]),
        ("3 genes of the counts have no offsets (first: g297)", "Add them"),
    ),
    "offsets lack a sample": (offsets(lambda frame: frame.iloc[:, :-1]), ("1 samples of the counts have no offsets",)),
    "offsets with text": (
        offsets(lambda frame: frame.iloc.__setitem__((2, 3), "x")),
        ("offsets.tsv: offsets must be natural logs", "1 of 1800 are not (first: g002, sample trt-1)"),
    ),
    "offsets that are no logs": (
        offsets(lambda frame: frame.iloc.__setitem__((slice(None), 0), 2e7)),
        ("offsets must be natural logs", "300 of 1800 are not (first: g000, sample ctl-1)", "Take the logarithm"),
    ),
    # Other verbs
    "check": (
        both(formula("~ grup"), dataset(counts="nope.tsv"), command("check", "config.yaml")),
        ("2 mistakes", "one/trt: the formula '~ grup'", "one: nope.tsv does not exist"),
    ),
    "init over a file": (command("init", "config.yaml"), ("config.yaml exists already", "Name another file")),
    "counts: normalization": (command(*COUNTS_STEP, "--normalization", "x"), ("unknown normalization 'x'",)),
    "counts: keep": (command(*COUNTS_STEP, "--keep", "[1]"), ("keep has 1 mistake", "must be a mapping")),
    "counts: reference": (command(*COUNTS_STEP, "--reference", "3"), ("the reference has 1 mistake",)),
    "counts: yaml": (command(*COUNTS_STEP, "--keep", "{"), ("--keep is not valid YAML",)),
    "effects of raw counts": (
        command("effects", "counts.tsv", "--design", "~ group", "--contrast", "{}", "--out", "made.h5"),
        ("the contrast has 1 mistake", "is empty"),
    ),
    "effects of another h5ad": (
        both(h5ad(), command("effects", "counts.h5ad", *QUESTION, "--out", "made.h5")),
        ("counts.h5ad was not written by ebgenes counts",),
    ),
    "effects file of wrong format": (
        command("prior", "x.h5", "--out", "made.json", x__h5=JUNK),
        ("x.h5 is not an effects file of this version",),
    ),
    "effects file of another kind": (
        both(h5ad(), lambda case: case.files.update({"x.h5": case.files["counts.h5ad"]}),
             command("prior", "x.h5", "--out", "made.json")),
        ("x.h5 is not an effects file of this version of ebgenes",),
    ),
    "table without se": (
        command("prior", "x.tsv", "--out", "made.json", x__tsv=EFFECTS_TABLE.replace(b"\tse", b"\tsem")),
        ("x.tsv has no effect and standard error columns", "It has: estimate, sem"),
    ),
    "table with negative se": (
        command("prior", "x.tsv", "--out", "made.json", x__tsv=EFFECTS_TABLE.replace(b"0.2", b"-0.2")),
        ("se must be a finite number above 0; 1 of 3 genes have not (first: g3: -0.2)", "Remove"),
    ),
    "table with text": (
        command("prior", "x.tsv", "--out", "made.json", x__tsv=EFFECTS_TABLE.replace(b"0.2", b"abc")),
        ("column 'se' must hold numbers; 1 of 3 values are not (first: g3: 'abc')", "Write NA"),
    ),
    "table with huge effects": (
        command("prior", "x.tsv", "--out", "made.json", x__tsv=EFFECTS_TABLE.replace(b"-1", b"1e300")),
        ("estimate must be a finite number; 1 of 3 genes have not (first: g3: 1e+300)",),
    ),
    "table without estimates": (
        command("prior", "x.tsv", "--out", "made.json", x__tsv=b"gene\testimate\tse\ng1\tNA\tNA\n"),
        ("none of 1 rows has both an effect and a standard error",),
    ),
    "unknown prior setting": (
        command("prior", "x.tsv", "--prior", "{fmaily: x}", "--out", "made.json", x__tsv=EFFECTS_TABLE),
        ("fmaily: unknown key", "mean 'family'?"),
    ),
    "unknown table format": (
        command("prior", "x.tsv", "--out", "made.json", "--table", "made.doc", x__tsv=EFFECTS_TABLE),
        ("made.doc: unknown table format", "Use .tsv, .csv, .parquet, .xlsx or .rnk"),
    ),
    "unknown figure": (
        command("prior", "x.tsv", "--out", "made.json", "--figures", "vulcano.png", x__tsv=EFFECTS_TABLE),
        ("found 'vulcano'", "volcano, ma, prior, shrinkage, diagnostics"),
    ),
    "unknown figure format": (
        command("prior", "x.tsv", "--out", "made.json", "--figures", "volcano.gif", x__tsv=EFFECTS_TABLE),
        ("found 'gif'", "png, svg, pdf"),
    ),
    "prior of wrong format": (
        command("table", "x.tsv", "--prior", "p.json", "--out", "made.tsv", x__tsv=EFFECTS_TABLE, p__json=b"[1]"),
        ("p.json is not a prior.json of ebgenes",),
    ),
    "export of another table": (
        command("export", "counts.tsv", "--style", "limma", "--out", "made.tsv"),
        ("counts.tsv is not a genes.tsv of ebgenes", "first: gene_name"),
    ),
    "report of an unknown dataset": (
        command("report", "config.yaml", "--dataset", "two"),
        ("has no dataset 'two'; it has: one",),
    ),
    "report before run": (
        command("report", "config.yaml", "--dataset", "one"),
        ("out/one/counts.h5ad does not exist",),
    ),
}  # fmt: skip


def listing(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run inside tmp_path/work, so that a step upwards would still be seen."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    return folder


def test_the_case_itself_works(capsys: pytest.CaptureFixture[str]) -> None:
    case = working_case()
    case.write(Path())
    assert main(case.command) == 0
    assert "results are in out" in capsys.readouterr().out
    assert Path("out/one/trt/genes.tsv").is_file()


@pytest.mark.parametrize("name", BAD)
def test_one_message_and_nothing_left(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoil, fragments = BAD[name]
    case = working_case()
    spoil(case)
    case.write(Path())
    before = listing(tmp_path)
    if case.command[0] == "run" and Path(case.command[1]).exists():
        # Check refuses whatever run does.
        assert main(["check", *case.command[1:]]) == 2
        checked = capsys.readouterr().err
        assert all(fragment in checked for fragment in fragments)
        assert listing(tmp_path) == before
    code = main(case.command)
    said = capsys.readouterr()
    assert code == 2
    message = said.err[said.err.index("ebgenes ") :]
    assert message.startswith(f"ebgenes {case.command[0]}: ")
    assert message.count(f"ebgenes {case.command[0]}: ") == 1
    for word in ("Traceback", "Warning", "warning:"):
        assert word not in said.err
    for fragment in fragments:
        assert fragment in message
    # Progress lines may precede the message; besides a list of several mistakes it is one line.
    assert all(line.startswith("  - ") for line in message.splitlines()[1:])
    assert said.out == ""
    assert listing(tmp_path) == before


@pytest.mark.parametrize(
    ("engine", "fragment"),
    [
        ("likelihood", "2 genes are too few to learn a dispersion trend from"),
        ("moderated_t", "2 genes are too few to learn a variance prior from"),
    ],
)
def test_too_few_genes_are_told_before_anything_is_written(
    engine: str, fragment: str, capsys: pytest.CaptureFixture[str]
) -> None:
    case = working_case(2)
    section("effects", engine=engine)(case)
    case.write(Path())
    for verb in ("check", "run"):
        assert main([verb, "config.yaml"]) == 2
        assert fragment in capsys.readouterr().err
        assert not Path("out").exists()


@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        (["run", "config.yaml", "--threads", "0"], "argument --threads: must be a whole number, at least 1; found '0'"),
        (["run", "config.yaml", "--threads", "many"], "must be a whole number, at least 1; found 'many'"),
        (["simulate", "made", "--pi0", "1.5"], "argument --pi0: must be a number from 0 to 1; found '1.5'"),
        (["simulate", "made", "--pi0", "nan"], "argument --pi0: must be a number from 0 to 1; found 'nan'"),
        (["simulate", "made", "--seed", "-1"], "argument --seed: must be a whole number, at least 0; found '-1'"),
        (["simulate", "made", "--genes", "0"], "argument --genes: must be a whole number, at least 1; found '0'"),
        (["runn", "config.yaml"], "invalid choice: 'runn'"),
        (["run"], "the following arguments are required: config"),
        ([], "the following arguments are required: verb"),
    ],
)
def test_wrong_arguments(words: list[str], fragment: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = working_case()
    case.write(Path())
    before = listing(tmp_path)
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert fragment in capsys.readouterr().err
    assert listing(tmp_path) == before


def test_unknown_style_and_figure_of_a_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.tsv").write_bytes(EFFECTS_TABLE)
    assert main(["prior", "x.tsv", "--out", "prior.json", "--table", "genes.tsv"]) == 0
    capsys.readouterr()
    Path("short.tsv").write_text("gene_id\tlog2_fc\nelse\t0\n")
    before = listing(tmp_path)
    plot = ["plot", "genes.tsv", "--prior", "prior.json", "--out"]
    for words, fragment in (
        (["export", "genes.tsv", "--style", "deseq", "--out", "made.csv"], "unknown style 'deseq'"),
        (["export", "genes.tsv", "--style", "limma", "--out", "made.doc"], "made.doc: unknown table format"),
        ([*plot, "vulcano.png"], "found 'vulcano'"),
        ([*plot, "volcano.gif"], "found 'gif'"),
        ([*plot, "volcano"], "found ''"),
        ([*plot, "volcano.png", "--report", "{levle: 1}"], "levle: unknown key"),
        ([*plot, "heatmap.png"], "needs the counts. Name counts.h5ad (--counts)"),
        ([*plot, "calibration.png"], "needs the true effects. Name their table (--truth)"),
        ([*plot, "calibration.png", "--truth", "x.tsv"], "x.tsv has no column log2_fc"),
        ([*plot, "calibration.png", "--truth", "short.tsv"], "short.tsv has no effect of"),
    ):
        assert main(words) == 2
        said = capsys.readouterr()
        assert fragment in said.err
        assert said.err.startswith(f"ebgenes {words[0]}: ")
        assert listing(tmp_path) == before


ROWS = st.lists(
    st.lists(st.one_of(st.integers(-1, 2000).map(str), st.text(max_size=4)), min_size=1, max_size=8), max_size=12
).map(lambda rows: (HEADER + "\n".join("\t".join(row) for row in rows)).encode("utf-8", "replace"))
NAMES = st.sampled_from(["x.tsv", "x.csv", "x.tsv.gz", "x.h5ad", "x"])


LOOSE = ("--keep", "{min_count: 1, min_samples: 1}", "--normalization", "poscounts")


@given(content=st.one_of(st.binary(max_size=400), ROWS), name=NAMES, packed=st.booleans())
@example(content=b"\x00", name="x.tsv", packed=False)
@example(content=b"a\t\x00b\n1\t2\n", name="x.tsv", packed=False)
@example(content=(HEADER + "g\t1\t2\t3\t4\t5\t6\r").encode(), name="x.tsv", packed=False)
@example(content=b'"a\tb\nc"\t1\n', name="x.tsv", packed=True)
@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_bytes_as_counts(content: bytes, name: str, packed: bool, capsys: pytest.CaptureFixture[str]) -> None:
    working_case(1).sheet.to_csv("samples.tsv", sep="\t")
    Path(name).write_bytes(gzip.compress(content) if packed else content)
    code = main(["counts", name, "--samples", "samples.tsv", "--design", "~ group", "--out", "made.h5ad", *LOOSE])
    said = capsys.readouterr()
    assert code in (0, 2)
    assert Path("made.h5ad").exists() == (code == 0)
    assert said.err.startswith("ebgenes counts: ") == (code == 2)
    assert not [path for path in os.listdir() if path.startswith(".")]
    Path("made.h5ad").unlink(missing_ok=True)
    Path(name).unlink()
