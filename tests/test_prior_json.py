"""What prior.json says is what its published schema promises, whatever was asked."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from ebgenes.app.config import parse_section
from ebgenes.app.prepare import contrast_design
from ebgenes.app.steps import estimate_any, fit_contrast, fit_multi_df
from ebgenes.data.filter import keep_expressed, screen_genes
from ebgenes.data.normalization import normalize
from ebgenes.data.simulate import simulate_counts
from ebgenes.files import read_json, write_json
from ebgenes.records.counts import Study
from ebgenes.results.prior_json import json_schema
from ebgenes.results.storage import read_prior

pytestmark = pytest.mark.fast

ROOT = Path(__file__).parents[1]
QUESTION = {"column": "group", "baseline": "control", "target": "treated"}


@pytest.fixture(scope="module")
def study() -> Study:
    made = simulate_counts(np.random.default_rng(8), n_genes=300, n_per_group=3, pi0=0.7)
    samples = made.samples.assign(dose=[0.0, 0.1, 0.2, 1.0, 2.0, 3.0])
    design = contrast_design(samples, "~ group", QUESTION, "x", {})
    screen = screen_genes(made.counts, design)
    return Study(counts=normalize(keep_expressed(made.counts, screen)), samples=samples, screen=screen)


def mistakes(content: dict[str, Any]) -> list[str]:
    return [error.message for error in Draft202012Validator(json_schema()).iter_errors(content)]


def asked(**sections: Any) -> tuple[Any, ...]:
    return tuple(parse_section(name, sections.get(name, {})) for name in ("prior", "gibbs", "report"))


SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "fixed": {"prior": {"null": "fixed"}},
    "likelihood_scale": {"prior": {"null": "likelihood_scale"}},
    "covariates": {"prior": {"covariates": ["base_mean"]}},
    "compared": {"prior": {"compare": ["point_normal"]}},
    "gibbs": {"prior": {"fit": "gibbs"}, "gibbs": {"chains": 2, "draws": 50, "warmup": 20}},
}


@pytest.mark.parametrize("kind", [*SETTINGS, "stored"])
def test_every_kind_of_fit_keeps_the_schema(study: Study, tmp_path: Path, kind: str) -> None:
    effects = estimate_any(
        study, contrast_design(study.samples, "~ group", QUESTION, "x", {}), parse_section("effects", {})
    )
    sections = SETTINGS.get(kind, {})
    if kind == "stored":
        write_json(tmp_path / "other.json", fit_contrast(effects, study.screen, *asked()).summary)
        sections = {"prior": {"from": str(tmp_path / "other.json")}}
    summary = fit_contrast(effects, study.screen, *asked(**sections)).summary
    write_json(tmp_path / "prior.json", summary)
    written = read_json(tmp_path / "prior.json")
    assert mistakes(written) == []
    assert read_prior(tmp_path / "prior.json")[0].family == "scale_normal"


def test_several_degrees_of_freedom_keep_it_too(study: Study) -> None:
    design = contrast_design(study.samples, "~ group + dose", {"rows": ["group[T.treated]", "dose"]}, "x", {})
    effects = estimate_any(study, design, parse_section("effects", {"hidden_factors": 0}))
    prior, _, report = asked()
    summary = fit_multi_df(effects, study.screen, prior, report).summary
    assert mistakes(json.loads(json.dumps(summary))) == []


def test_the_schema_sees_what_is_wrong(study: Study) -> None:
    effects = estimate_any(
        study, contrast_design(study.samples, "~ group", QUESTION, "x", {}), parse_section("effects", {})
    )
    summary = json.loads(json.dumps(fit_contrast(effects, study.screen, *asked()).summary))
    for path, value in [(("pi0",), "much"), (("discoveries", "lfdr"), 1.5), (("fdp",), [1]), (("warnings",), "none")]:
        wrong = deepcopy(summary)
        place = wrong
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        assert mistakes(wrong), path
    del summary["level"]
    assert mistakes(summary) == ["'level' is a required property"]


def test_the_published_schema_is_the_records() -> None:
    published = json.loads((ROOT / "docs/prior.schema.json").read_text(encoding="utf-8"))
    assert published == json_schema(), "write docs/prior.schema.json anew: json_schema() of ebgenes.results.prior_json"
    Draft202012Validator.check_schema(published)


def test_files_with_former_names_are_read(study: Study, tmp_path: Path) -> None:
    effects = estimate_any(
        study, contrast_design(study.samples, "~ group", QUESTION, "x", {}), parse_section("effects", {})
    )
    summary = fit_contrast(effects, study.screen, *asked(prior={"null": "fixed"})).summary
    write_json(tmp_path / "now.json", {**summary, "likelihood_scale": 1.3})
    now = read_json(tmp_path / "now.json")
    former = {"null_sd": "null_scale", "likelihood_scale": "stretch"}
    before = {former.get(key, key): value for key, value in now.items()}
    before["diagnostics"] = {"sigma0": now["diagnostics"]["null_z_sd"], "kappa": now["diagnostics"]["likelihood_scale"]}
    before["studies"] = {"kappa": {"value": 0.1}, "left_out": [{"kappa": 0.2}]}
    write_json(tmp_path / "before.json", before)
    prior, content = read_prior(tmp_path / "before.json")
    same, expected = read_prior(tmp_path / "now.json")
    assert prior.likelihood_scale == same.likelihood_scale == 1.3
    assert prior.null_sd == same.null_sd == content["null_sd"]
    assert content.pop("studies") == {"tau": {"value": 0.1}, "left_out": [{"tau": 0.2}]}
    assert content == expected
