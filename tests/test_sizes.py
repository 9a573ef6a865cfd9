"""Size factors that a user has: a column, a file, or genes that alone tell them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import REFERENCE

import ebgenes as eb
from ebgenes.app.cli import main
from ebgenes.app.config import parse_config
from ebgenes.arrays import text_array
from ebgenes.data.filter import of_genes
from ebgenes.data.given_sizes import column_size_factors, offsets_as_size_factors, read_size_factors
from ebgenes.data.h5ad import read_study, write_study
from ebgenes.data.normalization import given_sizes, median_ratio
from ebgenes.data.reading import read_counts
from ebgenes.data.sheets import read_samples
from ebgenes.effects.chunks import common_of, gathered
from ebgenes.effects.likelihood import effects_of
from ebgenes.errors import InputError, InputErrors
from ebgenes.records.counts import Counts, Study
from ebgenes.results.storage import read_common, write_common
from ebgenes.results.table import in_list

QUESTION = {"column": "group", "baseline": "ctl", "target": "trt"}
SAMPLES = text_array([f"s{i}" for i in range(1, 7)])
FACTORS = [1.0007, 1.0016, 0.9941, 1.0045, 1.0088, 0.9981]
SPIKES = [f"ERCC-{i:05d}" for i in range(92)]


@pytest.fixture
def spiked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """600 genes of which most are raised twofold, and 92 spike-ins that are not, in the folder that tests run in."""
    for path in (REFERENCE / "spikes").iterdir():
        shutil.copy(path, tmp_path)
    (tmp_path / "ercc.txt").write_text("\n".join(SPIKES) + "\n")
    write_factors(tmp_path / "sizes.tsv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_factors(path: Path, factor: list[float] = FACTORS) -> None:
    path.write_text("sample\tsize_factor\n" + "".join(f"{s}\t{f}\n" for s, f in zip(SAMPLES, factor, strict=True)))


def config(**entries: Any) -> dict[str, Any]:
    one = {"counts": "counts.tsv.gz", "samples": "samples.tsv", "design": "~ group", "contrasts": {"t": QUESTION}}
    return {"outdir": "out", "datasets": {"one": {**one, **entries}}}


def command(verb: str, capsys: pytest.CaptureFixture[str], **entries: Any) -> tuple[int, str]:
    Path("config.yaml").write_text(yaml.safe_dump(config(**entries)))
    code = main([verb, "config.yaml"])
    said = capsys.readouterr()
    return code, said.out + said.err


def fitted() -> tuple[pd.DataFrame, dict[str, Any], Study]:
    table = pd.read_csv("out/one/t/genes.tsv", sep="\t", index_col=0)
    return table, json.loads(Path("out/one/t/prior.json").read_text()), read_study("out/one/counts.h5ad")


# The cases, from beginning to end


def test_controls_tell_size_factors(spiked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of 600 genes 83 spike-ins were called lower when all genes told the size factors."""
    code, said = command("check", capsys, size_factors={"controls": "ercc.txt"})
    assert code == 0
    assert "one: size factors come from 92 control genes (ercc.txt) alone" in said
    code, said = command("run", capsys, size_factors={"controls": "ercc.txt"})
    assert code == 0
    assert "one: size factors are those of 90 of 92 control genes" in said
    table, summary, study = fitted()
    assert study.counts.sizes_given
    spikes = table.loc[[name for name in SPIKES if table.loc[name, "status"] == "ok"]]
    # 90 standard errors of .18 log2 and spike-ins' own dispersion: their mean strays by .02.
    assert abs(spikes["log2_fc"].mean()) < 0.04
    assert (spikes["adj_p_value"] < 0.05).sum() <= 2
    assert (table["adj_p_value"] < 0.05).sum() > 550
    assert "size_shift" not in summary["engine"]
    assert not any("only controls can tell" in words for words in summary["warnings"])
    expected = median_ratio(study.counts.count[np.isin(study.counts.gene.astype(str), SPIKES)])
    np.testing.assert_allclose(np.exp(study.counts.log_size), expected, rtol=1e-12)
    assert "of the control genes alone" in Path("out/one/report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "family",
    [
        "scale_normal",
        "npmle",
    ],
)
def test_spikes_are_not_listed_beside_their_own_offsets(
    spiked: Path, capsys: pytest.CaptureFixture[str], family: str
) -> None:
    """By DESeq2 with controlGenes 579 genes and no spike-in, by Benjamini-Hochberg on our p-values 580 and none."""
    gene = read_counts("counts.tsv.gz").gene
    offset = [0.0, 0.0, -0.01, 0.0, 0.01, 0.0]
    pd.DataFrame(np.tile(offset, (len(gene), 1)), index=gene, columns=SAMPLES).to_csv("offsets.tsv", sep="\t")
    settings = {**config(offsets="offsets.tsv"), "prior": {"family": family}}
    Path("config.yaml").write_text(yaml.safe_dump(settings))
    assert main(["run", "config.yaml"]) == 0
    table = fitted()[0]
    spike = table.index.isin(SPIKES)
    assert (table["adj_p_value"][spike] < 0.05).sum() == 0
    listed = in_list(table, 0.05)
    assert listed[spike].sum() <= 5
    # Who cuts q-values, which count unchanged genes only, gets hardly any either.
    assert (table["q_value"][spike] < 0.05).sum() <= 5
    assert listed.sum() > 550


def test_check_says_what_controls_do_not_do(spiked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = command("check", capsys, controls="ercc.txt")
    assert code == 0
    assert "do not touch size factors" in said
    assert "add size_factors: {controls: ercc.txt}" in said
    _, said = command("check", capsys, controls="ercc.txt", size_factors={"controls": "ercc.txt"})
    assert "do not touch size factors" not in said


@pytest.mark.parametrize("key", ["offsets", "size_factors"])
def test_a_file_with_one_value_a_sample(spiked: Path, capsys: pytest.CaptureFixture[str], key: str) -> None:
    for verb in ("check", "run"):
        code, said = command(verb, capsys, **{key: "sizes.tsv"})
        assert code == 0
        assert ("sizes.tsv has one value a sample: these are taken for size factors" in said) == (key == "offsets")
    study = fitted()[2]
    assert study.counts.sizes_given
    np.testing.assert_allclose(np.exp(study.counts.log_size), FACTORS / np.exp(np.log(FACTORS).mean()), rtol=1e-12)
    assert "by the size factors that were given" in Path("out/one/report.html").read_text(encoding="utf-8")


def test_a_column_of_the_sheet(spiked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = pd.read_csv("samples.tsv", sep="\t").assign(spikes=[3e6 * each for each in FACTORS])
    sheet.to_csv("samples.tsv", sep="\t", index=False)
    code, said = command("check", capsys, size_factors={"column": "spikes"})
    assert (code, "one: size factors as given, from 2.98e+06 to 3.03e+06" in said) == (0, True)
    for option in ("{column: spikes}", "sizes.tsv"):
        step = ["counts", "counts.tsv.gz", "--samples", "samples.tsv", "--design", "~ group", "--out", "made.h5ad"]
        assert main([*step, "--size-factors", option]) == 0
        made = read_study("made.h5ad").counts
        np.testing.assert_allclose(made.log_size, np.log(FACTORS) - np.log(FACTORS).mean(), atol=1e-12)
        assert given_sizes(made)


def test_offsets_that_are_no_logarithms_are_doubted(spiked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gene = read_counts("counts.tsv.gz").gene
    for value, doubted in ((FACTORS, True), (np.log(FACTORS), False)):
        pd.DataFrame(np.tile(value, (len(gene), 1)), index=gene, columns=SAMPLES).to_csv("offsets.tsv", sep="\t")
        code, said = command("check", capsys, offsets="offsets.tsv")
        assert (code, "all offsets of offsets.tsv are above 0, 1.00 on average" in said) == (0, doubted)
        step = ["counts", "counts.tsv.gz", "--samples", "samples.tsv", "--design", "~ group", "--out", "made.h5ad"]
        assert main([*step, "--offsets", "offsets.tsv"]) == 0
        assert ("warning: all offsets" in capsys.readouterr().err) == doubted
        assert given_sizes(read_study("made.h5ad").counts)


MISTAKES: list[tuple[dict[str, Any], dict[str, str], tuple[str, ...]]] = [
    ({"size_factors": "nope.tsv"}, {}, ("nope.tsv does not exist",)),
    ({"size_factors": {"column": "grup"}}, {}, ("has no column 'grup'; it has: group", "Did you mean 'group'?")),
    (
        {"size_factors": {"column": "group"}},
        {},
        ("column 'group' of the sample sheet: size factors must be finite numbers above 0; 6 of 6", "s1: 'ctl'"),
    ),
    ({"size_factors": {"controls": "nope.txt"}}, {}, ("nope.txt does not exist",)),
    (
        {"size_factors": "f.tsv"},
        {"f.tsv": "s1\t1\ns2\t1\nS3\t1\ns4\t1\ns5\t1\n"},
        ("f.tsv: 2 of 6 samples have no size factor (first: s3; names that are no samples: S3)", "as the sample sheet"),
    ),
    (
        {"size_factors": "f.tsv"},
        {"f.tsv": "s1\t1\ns2\t-.1\ns3\t0\ns4\tNA\ns5\t1\ns6\tinf\n"},
        ("f.tsv: size factors must be finite numbers above 0; 4 of 6 samples have none (first: s2: '-.1')", "not "),
    ),
    ({"size_factors": "f.tsv"}, {"f.tsv": "s1\t1\ns1\t1\ns2\t3\n"}, ("1 samples have more than one", "'s1'")),
    (
        {"size_factors": "f.tsv"},
        {"f.tsv": "a\tb\tc\n1\t2\t3\n4\t5\t6\n"},
        ("must have one size factor a sample", "key offsets"),
    ),
    ({"size_factors": "f.tsv"}, {"f.tsv": "\n"}, ("f.tsv is empty",)),
    (
        {"offsets": "f.tsv"},
        {"f.tsv": "s1\t.1\ns2\t.1\ns3\t-.1\ns4\t-.1\ns5\t1\ns6\t1\n"},
        ("size factors must be finite numbers above 0; 2 of 6",),
    ),
    (
        {"offsets": "f.tsv"},
        {"f.tsv": "s1\t16\ns2\t17\ns3\t16\ns4\t16\ns5\t16\ns6\t15\n"},
        ("f.tsv has one value a sample, and offsets are natural logs of genes by samples", "key size_factors"),
    ),
    (
        {"offsets": "f.tsv"},
        {"f.tsv": "gene\ts1\ts2\ng0000\t0\t0\ng0001\t0\t0\n"},
        ("4 samples of the counts have no offsets (first: s3)", "under the key size_factors"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("entries", "files", "words"), MISTAKES)
@pytest.mark.parametrize("verb", ["check", "run"])
def test_mistakes(
    spiked: Path,
    capsys: pytest.CaptureFixture[str],
    verb: str,
    entries: dict[str, Any],
    files: dict[str, str],
    words: tuple[str, ...],
) -> None:
    for name, content in files.items():
        Path(name).write_text(content)
    code, said = command(verb, capsys, **entries)
    assert code == 2
    assert "Traceback" not in said
    for each in words if verb == "check" or "4 samples of the counts" not in words[0] else words[1:]:
        assert each in said
    assert not Path("out").exists()


def test_controls_that_are_no_genes(spiked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("ercc.txt").write_text("a\nb\n")
    code, said = command("run", capsys, size_factors={"controls": "ercc.txt"})
    assert code == 2
    assert "none of 2 control genes that size factors are to come from is among the 689 genes" in said
    Path("ercc.txt").write_text("a\nERCC-00005\nERCC-00006\nERCC-00007\n")
    code, said = command("run", capsys, size_factors={"controls": "ercc.txt"})
    assert (code, "3 of 4 control genes; so few leave them noisy" in said) == (0, True)


# The config


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"size_factors": "a", "offsets": "b"}, "datasets.one: offsets and size_factors both say how samples compare"),
        ({"size_factors": {"column": "a", "controls": "b"}}, "give one of column, controls"),
        ({"size_factors": {}}, "size_factors: is empty; give at least one entry"),
        ({"size_factors": {"colum": "a"}}, "unknown key; allowed: column, controls. Did you mean 'column'?"),
        ({"size_factors": 3}, "it must be text or a mapping (key: value) or null"),
    ],
)
def test_mistakes_of_the_config(entries: dict[str, Any], message: str) -> None:
    with pytest.raises(InputErrors) as caught:
        parse_config(config(**entries))
    assert len(caught.value.messages) == 1
    assert message in caught.value.messages[0]


def test_nothing_beside_offsets_is_fine() -> None:
    assert parse_config(config(offsets="o.tsv", size_factors=None)).datasets["one"].size_factors is None


# Files


@pytest.mark.fast
@pytest.mark.parametrize(
    "text",
    [
        "sample\tsize_factor\na\t1\nb\t2.5\nc\t4e-1\n",
        "a,1\nb,2.5\nc,4e-1",
        '"x"\n"a"\t1\n"b"\t2.5\n"c"\t4e-1\n',
        "c\t4e-1\r\nz\t7\r\na\t1\r\nb\t2.5\r\n",
        "a\tb\tc\n1\t2.5\t4e-1\n",
        "\ta\tb\tc\nsize_factor\t1\t2.5\t4e-1\n",
        "a,b,c\nsize_factor,1,2.5,4e-1\n",
        "\ufeff,a,c,b\n0,1,4e-1,2.5\n",
    ],
)
def test_forms_of_the_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "f.txt").write_text(text, encoding="utf-8")
    np.testing.assert_array_equal(read_size_factors(tmp_path / "f.txt", text_array("abc")), [1, 2.5, 0.4])


def test_a_column_is_read_as_the_sheet_has_it(tmp_path: Path) -> None:
    (tmp_path / "s.tsv").write_text("s\tn\ttext\na\t1\t2.5\nb\t2\tx\n")
    sheet = read_samples(tmp_path / "s.tsv")
    np.testing.assert_array_equal(column_size_factors(sheet, "n"), [1, 2])
    with pytest.raises(InputError, match=r"1 of 2 samples have none \(first: b: 'x'\)"):
        column_size_factors(sheet, "text")


def test_offsets_of_genes_are_no_size_factors(tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text("gene,a,b\ng1,.1,-.1\ng2,0,0\n")
    assert offsets_as_size_factors(tmp_path / "o.csv", text_array("ab")) is None


# In Python


def raised(share: float, seed: int = 5) -> tuple[Counts, Any, np.ndarray, list[str]]:
    """Counts, design, true effects and 50 spike-ins, where a share of the other genes is raised."""
    rng = np.random.default_rng(seed)

    def law(rng: np.random.Generator, mean: np.ndarray) -> np.ndarray:
        size = np.abs(0.8 / np.log(2) * rng.standard_normal(len(mean)))
        return np.where((rng.random(len(mean)) < share) & (np.arange(len(mean)) >= 50), size, 0.0)

    made = eb.simulate_counts(rng, n_genes=2000, n_per_group=5, effect_law=law)
    design = eb.build_design(made.samples, "~ group", eb.compare("group", baseline="control", target="treated"))
    screen = eb.screen_genes(made.counts, design)
    return eb.keep_expressed(made.counts, screen), design, made.effect[screen.kept], list(made.counts.gene[:50])


@pytest.mark.parametrize("engine", ["likelihood", "moderated_t"])
def test_sizes_from_controls_leave_effects_unbiased(engine: str) -> None:
    counts, design, truth, spikes = raised(0.6)
    others = ~np.isin(counts.gene.astype(str), spikes)
    null = others & (truth == 0)
    biased = eb.fit_effects(counts, design, engine=engine, composition="none")
    assert np.median(biased.estimate[null]) < -0.3
    sized = eb.normalize(counts, controls=spikes)
    effects = eb.fit_effects(sized, design, engine=engine)
    # About 45 spike-ins, each with a standard error of .35 log2: their median strays by 1.25 * .35 / sqrt(45) = .07.
    assert abs(np.median(effects.estimate[null])) < 0.15
    assert abs(np.median((effects.estimate - truth)[others])) < 0.15
    assert effects.scalars["given_sizes"]
    assert "size_shift" not in effects.scalars
    plain = eb.fit_effects(sized, design, engine=engine, composition="none")
    np.testing.assert_array_equal(effects.estimate, plain.estimate)


@pytest.mark.parametrize("method", ["median_ratio", "poscounts", "tmm", "tmmwsp"])
def test_controls_are_normalized_as_if_alone(method: str) -> None:
    counts, _, _, spikes = raised(0.6)
    alone = counts.count[np.isin(counts.gene.astype(str), spikes)]
    expected = eb.normalize(
        Counts(gene=text_array(range(len(alone))), sample=counts.sample, count=alone), method
    ).log_size
    found = eb.normalize(counts, method, controls=[*spikes, "unknown"])
    np.testing.assert_array_equal(found.log_size, expected)
    assert given_sizes(found)
    assert not given_sizes(eb.normalize(counts, method))


def test_units_of_size_factors_do_not_matter() -> None:
    counts, design, _, _ = raised(0.3)
    factor = np.exp(eb.normalize(counts).log_size)
    first, second = (eb.with_size_factors(counts, unit * factor) for unit in (1.0, 2e7))
    np.testing.assert_allclose(first.log_size, second.log_size, atol=1e-12)
    np.testing.assert_allclose(np.diff(first.log_size), np.diff(np.log(factor)), atol=1e-12)
    assert eb.normalize(first) is first
    assert "size_shift" not in eb.fit_effects(first, design).scalars
    assert "size_shift" in eb.fit_effects(counts, design).scalars


def test_lengths_are_allowed_for_beside_given_sizes() -> None:
    counts, _, _, spikes = raised(0.3)
    length = np.exp(np.random.default_rng(1).normal(7, 0.3, counts.count.shape))
    long = replace(counts, length=length)
    plain = eb.normalize(long)
    assert not given_sizes(plain)
    # A gene's lengths are relative to their mean: what is left is the same size factor for every gene.
    factor = (plain.log_size - np.log(length) + np.log(length).mean(axis=1, keepdims=True))[0]
    given = eb.with_size_factors(long, np.exp(factor))
    np.testing.assert_allclose(given.log_size, plain.log_size, atol=1e-12)
    assert given_sizes(given)
    every = eb.normalize(long, controls=list(counts.gene))
    np.testing.assert_allclose(every.log_size, plain.log_size, atol=1e-12)
    few = eb.normalize(long, controls=spikes)
    known = np.isin(counts.gene.astype(str), spikes)
    alone = eb.normalize(replace(counts, gene=counts.gene[known], count=counts.count[known], length=length[known]))
    np.testing.assert_allclose(few.log_size[known], alone.log_size, atol=1e-12)


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda c: eb.with_size_factors(c, [1.0, 2.0]), "there are 2 size factors and 10 samples"),
        (
            lambda c: eb.with_size_factors(c, [0.0] + [1.0] * 9),
            r"1 of 10 samples have none \(first: control-1: '0.0'\)",
        ),
        (lambda c: eb.with_size_factors(c, [1.0] * 9 + [np.nan]), r"first: treated-5: 'nan'"),
        (lambda c: eb.normalize(eb.normalize(c), controls=["x"]), "the counts bring size factors or offsets"),
        (lambda c: eb.normalize(c, controls=["x"]), "none of 1 control genes"),
        (
            lambda c: eb.normalize(
                replace(c, count=np.where((np.arange(len(c.gene)) == 3)[:, None] & (np.arange(10) == 2), 0, c.count)),
                controls=[c.gene[3]],
            ),
            r"1 of 10 samples have no reads of the 1 control genes .*first: control-3",
        ),
    ],
)
def test_mistakes_in_python(work: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        work(raised(0.3)[0])


# What is written


@pytest.mark.parametrize("kind", ["estimated", "given", "lengths", "offsets"])
def test_files_remember_whether_sizes_were_given(tmp_path: Path, kind: str) -> None:
    counts, design, _, _ = raised(0.3)
    sheet = pd.DataFrame({"group": ["control"] * 5 + ["treated"] * 5}, index=list(counts.sample))
    sized = {
        "estimated": lambda: eb.normalize(counts),
        "given": lambda: eb.with_size_factors(counts, np.ones(10)),
        "lengths": lambda: eb.normalize(replace(counts, length=np.full(counts.count.shape, 900.0))),
        "offsets": lambda: eb.with_offsets(counts, np.zeros(counts.count.shape)),
    }[kind]()
    expected = kind in ("given", "offsets")
    assert given_sizes(sized) == expected
    screen = eb.screen_genes(counts, design)
    write_study(tmp_path / "counts.h5ad", Study(counts=sized, samples=sheet, screen=screen))
    assert given_sizes(read_study(tmp_path / "counts.h5ad").counts) == expected
    some = np.arange(len(counts.gene)) < 200
    common = common_of(of_genes(sized, some), design)
    write_common(tmp_path / "common.h5", common)
    effects = gathered([effects_of(read_common(tmp_path / "common.h5"))])
    assert effects.scalars["given_sizes"] == expected
    assert ("size_shift" in effects.scalars) != expected
