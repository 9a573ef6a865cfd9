"""What a newcomer adds in a file of its own works from the config to the page: a family of priors, an engine."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import ttest_ind

import ebgenes
import ebgenes as eb
from ebgenes.app.cli import main
from ebgenes.app.config import parse_config, schema
from ebgenes.data.normalization import base_mean
from ebgenes.effects import engines
from ebgenes.effects.engines.engine import Engine
from ebgenes.effects.ready import Asked, Ready
from ebgenes.errors import InputError, InputErrors
from ebgenes.numerics import pieces
from ebgenes.prior import families
from ebgenes.prior.families.family import Family, mixture_density, of_slabs
from ebgenes.prior.families.half_normal import FAMILY as HALF_NORMAL
from ebgenes.prior.families.normals import normal_shape
from ebgenes.prior.families.scales import slab_grid
from ebgenes.records.effects import Effects

UPWARD = Family(
    name="upward",
    words="a mixture of half-normal distributions above zero",
    scales=slab_grid,
    density=mixture_density(lambda x, scale: 2 * normal_shape(x, scale) * (x >= 0)),
    draw=HALF_NORMAL.draw,
    loglik=of_slabs(pieces.slab_loglik, pieces.HALF_NORMAL),
    posterior=of_slabs(pieces.slab_posterior, pieces.HALF_NORMAL),
    slow=True,
    slow_under_drift=True,
)


def allow(monkeypatch: pytest.MonkeyPatch, section: str, key: str, value: str) -> None:
    """The schema names every value that a key may have."""
    allowed: list[Any] = schema()["$defs"][section]["properties"][key]["enum"]
    monkeypatch.setitem(schema()["$defs"][section]["properties"][key], "enum", [*allowed, value])


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 genes of two groups."""
    folder = tmp_path_factory.mktemp("simulated")
    assert main(["simulate", str(folder), "--genes", "300", "--seed", "3"]) == 0
    return folder


def ran(folder: Path, simulated: Path, **sections: Any) -> Path:
    """The folder of results of the simulated dataset, with these sections of the config."""
    question = {"column": "group", "baseline": "control", "target": "treated"}
    dataset = {
        "counts": str(simulated / "counts.tsv.gz"),
        "samples": str(simulated / "samples.tsv"),
        "design": "~ group",
        "contrasts": {"treated": question},
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
    assert (table["post_mean"].dropna() > -0.05 - told["null_scale"]).all()
    assert table["lfdr"].dropna().between(0, 1).all()


def test_a_family_that_is_not_registered_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(families.FAMILIES, "npmle")
    with pytest.raises(Exception, match="unknown prior family 'npmle'; choose one of half_normal"):
        families.family_of("npmle")


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
        up=contrast.up,
        down=contrast.down,
        engine="plain_t",
        scalars={"median_variance": float(np.median(square / df))},
        unit=design.contrast_range,
    )


PLAIN_T = Engine(
    name="plain_t",
    fit=plain_t,
    methods="<p>Each gene was given a t statistic of its own ({{ page.formula }}).</p>",
    sources=("Student (1908). The probable error of a mean. <cite>Biometrika</cite> 6, 1.",),
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
    assert PLAIN_T.sources[0] in page
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
        eb.fit_joint_effects(counts, design, engine=PLAIN_T.name)


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
