"""What a newcomer adds in a file of its own works from the config to the page: a family of priors, a figure, an engine,
a format of counts, an analysis."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.figure import Figure
from scipy.stats import ttest_ind

import ebgenes
import ebgenes as eb
from ebgenes.app import analyses
from ebgenes.app.analyses.analysis import Analysis
from ebgenes.app.cli import main
from ebgenes.app.config import Config, DatasetSettings, parse_config, read_config, schema
from ebgenes.app.outputs import files_of_contrast
from ebgenes.app.parts import dataset_part
from ebgenes.arrays import text_array
from ebgenes.data.counts_format import Asked as AskedCounts, Format, Reading
from ebgenes.data.formats import FORMATS, format_named
from ebgenes.data.normalization import base_mean
from ebgenes.effects import engines
from ebgenes.effects.engines.engine import Engine
from ebgenes.effects.ready import Asked, Ready
from ebgenes.errors import InputError, InputErrors
from ebgenes.files import read_json, write_json
from ebgenes.numerics import panel_quadrature
from ebgenes.plots.figures import FIGURES, FigureRecord
from ebgenes.prior import families
from ebgenes.prior.families.family import Family, mixture_density, of_slabs
from ebgenes.prior.families.half_normal import FAMILY as HALF_NORMAL
from ebgenes.prior.families.normals import normal_shape
from ebgenes.prior.families.scales import slab_grid
from ebgenes.records.effects import Effects
from ebgenes.records.references import Reference
from ebgenes.report.contents import Section

pytestmark = pytest.mark.fast

UPWARD = Family(
    name="upward",
    words="a mixture of half-normal distributions above zero",
    scales=slab_grid,
    density=mixture_density(lambda x, scale: 2 * normal_shape(x, scale) * (x >= 0)),
    draw=HALF_NORMAL.draw,
    loglik=of_slabs(panel_quadrature.slab_loglik, panel_quadrature.HALF_NORMAL),
    posterior=of_slabs(panel_quadrature.slab_posterior, panel_quadrature.HALF_NORMAL),
    slow=True,
    slow_with_null_sd=True,
)


def draw_ranks(table: pd.DataFrame, level: float, *, title: str = "") -> Figure:
    figure = Figure(figsize=(3, 2))
    ax = figure.subplots()
    ax.plot(np.sort(table["lfsr"].dropna()))
    ax.set_title(f"ranks at {level:g}{title}")
    return figure


RANKS = FigureRecord(
    name="ranks",
    place=99,
    of=("contrast",),
    caption="Local false sign rates in the order of their ranks.",
    draw=draw_ranks,
    needs=("table", "level"),
    when=lambda settings: settings.prior.fit == "em",
    on_page="image",
)


def allow(monkeypatch: pytest.MonkeyPatch, section: str, key: str, value: str) -> None:
    """The schema names every value that a key may have, or that its list may hold."""
    known = schema()["$defs"][section]["properties"][key]
    known = known.get("items", known)
    monkeypatch.setitem(known, "enum", [*known["enum"], value])


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 genes of two groups."""
    folder = tmp_path_factory.mktemp("simulated")
    assert main(["simulate", str(folder), "--genes", "300", "--seed", "3"]) == 0
    return folder


def ran(folder: Path, simulated: Path, asked: dict[str, Any] | None = None, **sections: Any) -> Path:
    """The folder of results of the simulated dataset, with what is asked of it and sections of the config."""
    question = {"column": "group", "baseline": "control", "target": "treated"}
    dataset = {
        "counts": str(simulated / "counts.tsv.gz"),
        "samples": str(simulated / "samples.tsv"),
        "design": "~ group",
        "contrasts": {"treated": question},
        **(asked or {}),
    }
    content = {"outdir": str(folder / "out"), "datasets": {"one": dataset}, **sections}
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    assert main(["run", str(folder / "config.yaml")]) == 0
    return folder / "out/one"


def test_a_family_runs_from_config_to_page(simulated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(families.FAMILIES, UPWARD.name, UPWARD)
    allow(monkeypatch, "prior", "family", UPWARD.name)
    out = ran(tmp_path, simulated, prior={"family": UPWARD.name})
    told = json.loads((out / "treated/prior.json").read_text())
    assert told["family"] == UPWARD.name
    assert min(told["scale"]) >= 0
    assert UPWARD.words in (out / "report.html").read_text(encoding="utf-8")
    table = pd.read_csv(out / "treated/genes.tsv", sep="\t")
    # No component lies below 0: what is far below is unchanged, or has a likelihood that reaches up.
    assert (table["post_mean"].dropna() > -0.05 - told["null_sd"]).all()
    assert table["lfdr"].dropna().between(0, 1).all()


def test_a_family_that_is_not_registered_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(families.FAMILIES, "npmle")
    with pytest.raises(Exception, match="unknown prior family 'npmle'; choose one of half_normal"):
        families.family_of("npmle")


def test_a_figure_runs_from_config_to_page(simulated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FIGURES, RANKS.name, RANKS)
    allow(monkeypatch, "report", "figures", RANKS.name)
    out = ran(tmp_path, simulated, report={"figures": [RANKS.name], "formats": ["png", "svg"]})
    config = read_config(tmp_path / "config.yaml")
    assert files_of_contrast(config).figures == ("ranks.png", "ranks.svg")
    assert not files_of_contrast(replace(config, prior=replace(config.prior, fit="gibbs"))).figures
    folder = out / "treated"
    drawn = {file.name for file in folder.iterdir() if file.suffix in (".png", ".svg")}
    assert drawn == {"ranks.png", "ranks.svg"}
    assert "ranks at 0.05" in (folder / "ranks.svg").read_text(encoding="utf-8")
    page = (out / "report.html").read_text(encoding="utf-8")
    assert f"<figcaption>{RANKS.caption}</figcaption>" in page
    # The verb draws the same of the files.
    stored = ["--prior", str(folder / "prior.json"), "--out", str(tmp_path / "ranks.png")]
    assert main(["plot", str(folder / "genes.tsv"), *stored]) == 0
    assert (tmp_path / "ranks.png").read_bytes() == (folder / "ranks.png").read_bytes()


def read_triples(asked: AskedCounts) -> Reading:
    """Lines of gene, sample and count."""
    table = pd.read_csv(asked.place, sep="\t", names=["gene", "sample", "count"])
    wide = table.pivot(index="gene", columns="sample", values="count")[list(asked.sheet.index)]
    counts = eb.Counts(
        gene=text_array(wide.index),
        sample=text_array(wide.columns),
        count=wide.to_numpy(dtype=int),
    )
    return Reading(counts=counts, notes=(f"{len(table)} lines were read.",))


TRIPLES = Format(
    name="triples",
    order=5,
    recognises=lambda found: found.place.suffix == ".triples",
    takes=("file",),
    read=read_triples,
    words="a list of counts",
)


def test_a_format_runs_from_config_to_page(simulated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, TRIPLES.name, TRIPLES)
    allow(monkeypatch, "dataset", "format", TRIPLES.name)
    counts = pd.read_csv(simulated / "counts.tsv.gz", sep="\t", index_col=0)
    triples = counts.rename_axis("gene").stack()
    triples.to_csv(tmp_path / "counts.triples", sep="\t", header=False)
    # Named, and as a table; before anything is fitted the format is looked at.
    out = ran(tmp_path, simulated, {"counts": str(tmp_path / "counts.triples"), "format": TRIPLES.name})
    assert f"{len(triples)} lines were read." in (out / "report.html").read_text(encoding="utf-8")
    assert len(pd.read_csv(out / "treated/genes.tsv", sep="\t")) == len(counts)
    # Recognised, in Python too; and it says what it has not.
    sheet = eb.read_samples(simulated / "samples.tsv")
    reading = eb.read_input(tmp_path / "counts.triples", sheet)
    np.testing.assert_array_equal(reading.counts.count, counts[list(sheet.index)].sort_index().to_numpy())
    with pytest.raises(InputError, match="is a list of counts, which has no layers such as 'raw'"):
        eb.read_input(tmp_path / "counts.triples", sheet, layer="raw")


def test_a_format_that_is_not_registered_is_refused() -> None:
    with pytest.raises(InputError, match="unknown format 'triples'; choose one of auto, h5ad, parquet, 10x, salmon"):
        format_named("triples")


def test_formats_are_those_of_the_schema_and_heed_what_can_be_asked() -> None:
    assert {"auto", *FORMATS} == set(schema()["$defs"]["dataset"]["properties"]["format"]["enum"])
    assert {option for each in FORMATS.values() for option in each.options} == {
        "layer", "tx2gene", "strandedness", "orientation", "counts_are", "worksheet",
    }  # fmt: skip


def plain_t(ready: Ready, asked: Asked) -> Effects:
    """Student's t statistics of log counts: each gene alone, by least squares."""
    counts, design, contrast = ready.counts, ready.design, ready.design.contrast
    assert contrast is not None
    assert counts.log_size is not None
    response = np.log2(counts.count + 0.5) - counts.log_size / np.log(2)
    coefficient, square, *_ = np.linalg.lstsq(design.matrix, response.T)
    df = design.matrix.shape[0] - design.matrix.shape[1]
    unscaled = contrast.weight @ np.linalg.inv(design.matrix.T @ design.matrix) @ contrast.weight
    return Effects(
        gene=counts.gene,
        estimate=contrast.weight @ coefficient,
        se=np.sqrt(square / df * unscaled),
        df=np.full(len(counts.gene), float(df)),
        base_mean=base_mean(counts),
        contrast=contrast.name,
        up_label=contrast.up_label,
        down_label=contrast.down_label,
        engine="plain_t",
        scalars={"median_variance": float(np.median(square / df))},
        unit=design.contrast_range,
    )


PLAIN_T = Engine(
    name="plain_t",
    fit=plain_t,
    methods="<p>Each gene was given a t statistic of its own ({{ page.formula }}).</p>",
    brief="A t test was made of the design {{ page.formula }}.",
    sources=(
        Reference(
            key="student1908",
            authors="Student",
            year=1908,
            title="The probable error of a mean",
            journal="Biometrika",
            volume="6",
            pages="1-25",
            doi="10.1093/biomet/6.1.1",
        ),
    ),
    scalars={"median_variance": "residual variance of the median gene"},
)


def test_an_engine_runs_from_config_to_page(simulated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(engines.ENGINES, PLAIN_T.name, PLAIN_T)
    allow(monkeypatch, "effects", "engine", PLAIN_T.name)
    out = ran(tmp_path, simulated, effects={"engine": PLAIN_T.name, "hidden_factors": 0, "composition": "none"})
    told = json.loads((out / "treated/prior.json").read_text())["engine"]
    assert told["name"] == PLAIN_T.name
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Each gene was given a t statistic of its own (~ group)" in page
    assert PLAIN_T.sources[0].text in page
    assert "A t test was made of the design ~ group." in page
    assert PLAIN_T.scalars["median_variance"] in page
    table = pd.read_csv(out / "treated/genes.tsv", sep="\t", index_col=0)
    tested = table[table["status"] == "ok"]
    assert len(tested) > 200
    # What scipy's two-sample test says of the same log counts.
    counts = pd.read_csv(simulated / "counts.tsv.gz", sep="\t", index_col=0).loc[tested.index]
    sheet = pd.read_csv(simulated / "samples.tsv", sep="\t", index_col=0).loc[counts.columns]
    log = np.log2(counts + 0.5) - np.log2(median_ratios(counts))
    treated = (sheet["group"] == "treated").to_numpy()
    independent = ttest_ind(log.to_numpy()[:, treated], log.to_numpy()[:, ~treated], axis=1)
    np.testing.assert_allclose(tested["log2_fc"] / tested["se"], independent.statistic, rtol=1e-9)
    np.testing.assert_allclose(tested["p_value"], independent.pvalue, rtol=1e-9)


def median_ratios(counts: pd.DataFrame) -> pd.Series:
    """Size factors by the median of ratios to geometric means, of genes that all samples have."""
    log = np.log(counts[(counts > 0).all(axis=1)])
    factor = np.exp(log.sub(log.mean(axis=1), axis=0).median())
    return factor / np.exp(np.log(factor).mean())


def test_an_engine_has_its_own_options_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(engines.ENGINES, PLAIN_T.name, PLAIN_T)
    allow(monkeypatch, "effects", "engine", PLAIN_T.name)
    for option, value in (("outliers", "winsorize"), ("count_tails", "model")):
        dataset = {"counts": "c.tsv", "samples": "s.tsv", "design": "~ group", "contrasts": {"g": {"term": "group"}}}
        content = {"datasets": {"one": dataset}, "effects": {"engine": PLAIN_T.name, option: value}}
        with pytest.raises(InputErrors, match=f"engine plain_t has no option {option}"):
            parse_config(content)
    with pytest.raises(InputErrors, match="engine plain_t has no random factors"):
        parse_config({"datasets": {"one": {**dataset, "random": ["donor"]}}, "effects": {"engine": PLAIN_T.name}})


def test_an_engine_of_one_effect_refuses_several_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(engines.ENGINES, PLAIN_T.name, PLAIN_T)
    rng = np.random.default_rng(1)
    counts = eb.simulate_counts(rng, n_genes=20, n_per_group=3).counts
    sheet = pd.DataFrame({"group": ["a"] * 2 + ["b"] * 2 + ["c"] * 2}, index=list(counts.sample))
    design = eb.build_design(sheet, "~ group", contrast=eb.all_of("group"))
    with pytest.raises(InputError, match=r"plain_t takes one effect at a time.*Choose one of likelihood, moderated_t"):
        eb.fit_multi_df_effects(counts, design, engine=PLAIN_T.name)


def test_an_engine_that_is_not_registered_is_refused() -> None:
    with pytest.raises(InputError, match="unknown engine 'voom'; choose one of auto, likelihood, mixed, moderated_t"):
        engines.engine_of("voom")


def names_of_engines(tree: ast.AST) -> set[str]:
    """Texts of a file that name an engine: what ``engine`` is called or compared with."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in ("engine", "name") and isinstance(node.value, ast.Constant):
            found.add(str(node.value.value))
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(getattr(each, "attr", getattr(each, "id", None)) == "engine" for each in sides):
                constants = (each for side in sides for each in ast.walk(side) if isinstance(each, ast.Constant))
                found |= {str(each.value) for each in constants}
    return found & engines.ENGINES.keys()


def test_an_engine_is_named_in_its_own_file_alone() -> None:
    package = Path(ebgenes.__file__).parent
    for path in package.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        own = {path.stem} if path.parent.name == "engines" else set()
        assert names_of_engines(tree) <= own, path
        if not own:
            words = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
            assert not words & {"moderated_t", "mixed"}, path
    quoted = re.compile(rf"""["']({"|".join(engines.ENGINES)})["']""")
    for path in (package / "report").glob("*.j2"):
        assert not quoted.search(path.read_text(encoding="utf-8")), path


def test_the_rule_sees_an_engine_that_is_named() -> None:
    for line in ("fit(engine='mixed')", "effects.engine == 'normal'", "engine in ('mixed', 'x')"):
        assert names_of_engines(ast.parse(line))


@dataclass(frozen=True, kw_only=True)
class TopSettings:
    """How many genes."""

    genes: int


def best_genes(folder: Path, contrast: str, n_genes: int) -> list[str]:
    table = pd.read_csv(folder / contrast / "genes.tsv", sep="\t", index_col=0)
    return list(table["lfsr"].nsmallest(n_genes).index)


def write_top(folder: Path, entry: str, dataset: DatasetSettings, config: Config) -> str:
    """The genes that are among the best of every contrast."""
    best = [set(best_genes(folder, name, dataset.analyses["top"][entry].genes)) for name in dataset.contrasts]
    found = sorted(set.intersection(*best))
    write_json(folder / "top" / entry / "top.json", {"gene": found, "outdir": config.outdir})
    return f"{len(found)} genes are among the best of all contrasts."


def top_sections(folder: Path, entries: Sequence[str]) -> list[Section]:
    told = {entry: read_json(folder / "top" / entry / "top.json") for entry in entries}
    return [
        Section(
            heading="Best of all", name=entry, words=f"{len(each['gene'])} genes.", values=each, figures={},
            text="<p>These are {% for gene in each.values['gene'] %}<b>{{ gene }}</b> {% endfor %}</p>",
        )
        for entry, each in told.items()
    ]  # fmt: skip


def too_few(dataset: DatasetSettings, entry: str) -> Iterator[str]:
    if len(dataset.contrasts) < 1 + (dataset.analyses["top"][entry].genes > 100):
        yield ".genes: so many are of several contrasts."


def what_comes(dataset: DatasetSettings, sheet: pd.DataFrame, entry: str) -> Iterator[str]:
    yield f"the best {dataset.analyses['top'][entry].genes} genes, of {len(sheet)} samples"


TOP = Analysis(
    name="top", words="Best genes.", settings=TopSettings, write=write_top, sections=top_sections, mistakes=too_few,
    check=what_comes,
)  # fmt: skip


@pytest.fixture
def with_top(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy analysis, as the schema and the registry would have it."""
    monkeypatch.setitem(analyses.ANALYSES, TOP.name, TOP)
    known = schema()["$defs"]
    entry = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"genes": {"type": "integer", "default": 9}},
    }
    monkeypatch.setitem(known, TOP.name, entry)
    section = {"type": "object", "default": {}, "additionalProperties": {"$ref": f"#/$defs/{TOP.name}"}}
    monkeypatch.setitem(known["dataset"]["properties"], TOP.name, section)


@pytest.mark.usefixtures("with_top")
def test_an_analysis_runs_from_config_to_page(
    simulated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ran(tmp_path, simulated, {TOP.name: {"few": {"genes": 7}, "more": {}}})
    wanted = best_genes(out, "treated", 7)
    assert read_json(out / "top/few/top.json")["gene"] == sorted(wanted)
    assert "one/few: 7 genes are among the best of all contrasts." in capsys.readouterr().err
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Best of all: <bdi>few</bdi>" in page
    assert "".join(f"<b>{gene}</b> " for gene in sorted(wanted)) in page
    # The verb makes it again, of the same files; `check` tells it.
    (out / "top/few/top.json").unlink()
    config = str(tmp_path / "config.yaml")
    assert main([TOP.name, config, "--dataset", "one", "--name", "few"]) == 0
    assert read_json(out / "top/few/top.json")["gene"] == sorted(wanted)
    assert main([TOP.name, config, "--dataset", "one", "--name", "fewer"]) == 2
    assert main(["check", config]) == 0
    assert "one/few: the best 7 genes, of 6 samples" in capsys.readouterr().out


@pytest.mark.usefixtures("with_top")
def test_an_analysis_has_its_part_of_the_config() -> None:
    question = {"column": "group", "baseline": "a", "target": "b"}
    dataset = {"counts": "c.tsv", "samples": "s.tsv", "design": "~ group", "contrasts": {"g": question}}
    config = parse_config({"datasets": {"one": {**dataset, TOP.name: {"few": {}}}}})
    assert config.datasets["one"].analyses[TOP.name] == {"few": TopSettings(genes=9)}
    # What jobs are given reads back as it was.
    assert parse_config(json.loads(dataset_part(config, "one"))).datasets == config.datasets
    assert parse_config({"datasets": {"one": dataset}}).datasets["one"].analyses == {"multivariate": {}, TOP.name: {}}
    with pytest.raises(InputErrors, match=r"datasets\.one\.top\.few\.genes: so many are of several contrasts"):
        parse_config({"datasets": {"one": {**dataset, TOP.name: {"few": {"genes": 101}}}}})
    with pytest.raises(InputErrors, match=r"datasets\.one\.top\.g: a contrast has the same name"):
        parse_config({"datasets": {"one": {**dataset, TOP.name: {"g": {}}}}})
