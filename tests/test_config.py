"""The config: every mistake at once, in words; defaults filled in."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT
from jsonschema import Draft202012Validator

from ebgenes import plots
from ebgenes.app.begin import STARTER
from ebgenes.app.config import (
    load_yaml,
    parse_config,
    parse_contrast,
    parse_reference,
    parse_section,
    read_config,
    schema,
)
from ebgenes.app.outputs import conditions_figures, dataset_figures, files_of_contrast, studies_figures
from ebgenes.data.normalization import NORMALIZATIONS
from ebgenes.effects.engines import AUTO, ENGINES, all_options
from ebgenes.errors import InputError, InputErrors
from ebgenes.numerics.weights import SOLVERS
from ebgenes.posteriors.intervals.fitted_mixture import METHODS
from ebgenes.prior.families import FAMILIES
from ebgenes.prior.fit import BULKS, NULLS

pytestmark = pytest.mark.fast

COMPARISON = {"column": "dex", "baseline": "untrt", "target": "trt"}


def minimal() -> dict[str, Any]:
    one = {"counts": "c.tsv", "samples": "s.tsv", "design": "~ dex", "contrasts": {"dex": dict(COMPARISON)}}
    return {"datasets": {"airway": one}}


def changed(path: str, value: Any) -> dict[str, Any]:
    """The minimal config with one entry replaced; `path` with slashes."""
    content = minimal()
    *parents, last = path.split("/")
    inner = content
    for parent in parents:
        inner = inner.setdefault(parent, {})
    inner[last] = value
    return content


def messages(content: Any) -> list[str]:
    with pytest.raises(InputErrors) as caught:
        parse_config(content)
    return caught.value.messages


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(schema())


def test_defaults() -> None:
    config = parse_config(minimal())
    one = config.datasets["airway"]
    assert config.outdir == "results"
    assert (one.layer, one.genes, one.offsets, one.reference) == (None, None, None, {})
    assert (one.keep.min_count, one.keep.min_samples) == (10, None)
    effects, prior, report = config.effects, config.prior, config.report
    assert (effects.engine, effects.normalization) == ("auto", "median_ratio")
    assert (effects.trend, effects.robust) == (False, False)
    assert (effects.dispersion_tails, effects.outliers) == ("normal", "keep")
    assert (prior.family, prior.fit, prior.null, prior.solver) == ("scale_normal", "em", "estimated", "sqp")
    assert prior.min_scale is None
    assert (report.level, report.interval, report.lfc_threshold, report.label) == (0.05, 0.95, 0, 20)
    assert (report.interval_method, report.seed) == ("plugin", 1)
    assert (report.x, report.y, report.formats, report.tables) == ("post_mean", "lfdr", ["png"], ["tsv"])


def test_every_default_is_valid_itself() -> None:
    content = minimal()
    for name in ("effects", "prior", "report"):
        content[name] = {key: value["default"] for key, value in schema()["$defs"][name]["properties"].items()}
    content["datasets"]["airway"] |= {"layer": None, "genes": None, "offsets": None, "reference": {}, "keep": {}}
    assert parse_config(content) == parse_config(minimal())


def test_the_choices_are_those_of_the_statistics() -> None:
    parts = schema()["$defs"]
    assert tuple(parts["effects"]["properties"]["normalization"]["enum"]) == NORMALIZATIONS
    known = parts["effects"]["properties"]
    assert set(known["engine"]["enum"]) == {AUTO} | {name for name, engine in ENGINES.items() if engine.fit is not None}
    for name, values in all_options().items():
        assert tuple(known[name].get("enum", (False, True))) == values
        assert known[name]["default"] == values[0]
    assert set(parts["prior"]["properties"]["family"]["enum"]) == set(FAMILIES)
    assert tuple(parts["prior"]["properties"]["bulk"]["enum"]) == BULKS
    assert set(parts["prior"]["properties"]["null"]["enum"]) == set(NULLS)
    assert set(parts["prior"]["properties"]["solver"]["enum"]) == set(SOLVERS)
    assert tuple(parts["report"]["properties"]["interval_method"]["enum"]) == METHODS
    assert set(parts["prior"]["properties"]["compare"]["items"]["enum"]) == set(FAMILIES)


def test_full_bayes_needs_draws() -> None:
    (message,) = messages(changed("report/interval_method", "full_bayes"))
    assert message.startswith("report.interval_method: found 'full_bayes'; it needs draws")
    assert "prior.fit: gibbs" in message
    assert parse_config(changed("report/interval_method", "robust")).report.interval_method == "robust"


def test_everything_set_arrives() -> None:
    content = changed("outdir", "elsewhere")
    content["datasets"]["airway"] |= {
        "counts": "c.h5ad",
        "layer": "raw",
        "genes": "g.tsv",
        "offsets": "o.tsv",
        "reference": {"dex": "untrt", "dose": 1, "flag": True},
        "keep": {"min_count": 0, "min_samples": 2},
    }
    content["effects"] = {"engine": "moderated_t", "normalization": "tmm", "trend": True, "robust": True}
    content["prior"] = {"family": "point_normal", "null": "fixed", "solver": "em", "min_scale": 0.1}
    content["report"] = {"level": 0.1, "interval": 0.5, "lfc_threshold": 1, "label": 0, "x": "log2_fc", "y": "p_value"}
    content["report"] |= {"formats": ["png", "pdf"], "tables": ["tsv", "xlsx"]}
    content["report"]["figures"] = ["pca"]
    content["pathvars"] = {"anything": ["goes"]}
    config = parse_config(content)
    one = config.datasets["airway"]
    assert config.outdir == "elsewhere"
    assert (one.counts, one.layer, one.genes, one.offsets) == ("c.h5ad", "raw", "g.tsv", "o.tsv")
    assert one.reference == {"dex": "untrt", "dose": 1, "flag": True}
    assert (one.keep.min_count, one.keep.min_samples) == (0, 2)
    assert (config.effects.normalization, config.effects.trend, config.effects.robust) == ("tmm", True, True)
    likelihood = parse_section("effects", {"dispersion_tails": "t5", "outliers": "winsorize"})
    assert (likelihood.engine, likelihood.dispersion_tails, likelihood.outliers) == ("auto", "t5", "winsorize")
    assert (config.prior.family, config.prior.null, config.prior.solver) == ("point_normal", "fixed", "em")
    assert config.prior.min_scale == 0.1
    assert (config.report.x, config.report.y, config.report.label) == ("log2_fc", "p_value", 0)
    assert (config.report.formats, config.report.tables) == (["png", "pdf"], ["tsv", "xlsx"])
    assert config.report.figures == ["pca"]


def test_the_key_null_is_a_name() -> None:
    assert load_yaml("prior: {null: fixed}", "text") == {"prior": {"null": "fixed"}}
    assert parse_config({**minimal(), "prior": {None: "fixed"}}).prior.null == "fixed"
    assert parse_section("prior", {None: "fixed"}).null == "fixed"


def test_former_words_are_understood_and_told() -> None:
    studies = {"of": {"a": {"dataset": "airway", "contrast": "dex"}}}
    content = {**minimal(), "prior": {"null": "kappa"}, "studies": {"all": {**studies, "kappa": 0.3}}}
    with pytest.warns(FutureWarning) as told:
        config = parse_config(content)
    assert {str(each.message).split(" is called ")[0] for each in told} == {"prior.null: kappa", "studies.all.kappa"}
    assert (config.prior.null, config.studies["all"].tau) == ("likelihood_scale", 0.3)
    with pytest.warns(FutureWarning, match="likelihood_scale"):
        assert parse_section("prior", {"null": "kappa"}).null == "likelihood_scale"
    with pytest.raises(InputErrors, match="kappa: unknown key"):
        parse_config({**minimal(), "studies": {"all": {**studies, "kappa": 0.3, "tau": 0.2}}})


def test_names_that_yaml_reads_as_something_else() -> None:
    text = yaml.safe_dump(minimal()).replace("airway:", "2024:").replace("dex:", "2024-01-05:")
    config = parse_config(load_yaml(text, "text"))
    assert list(config.datasets) == ["2024"]
    assert list(config.datasets["2024"].contrasts) == ["2024-01-05"]


def test_both_kinds_of_contrast() -> None:
    weights = {"coefficients": {"dex[T.trt]": 1, "cell[T.N61311]": -0.5}}
    content = changed("datasets/airway/contrasts/half", weights)
    assert parse_config(content).datasets["airway"].contrasts == {"dex": COMPARISON, "half": weights}
    assert parse_contrast(COMPARISON) == COMPARISON
    assert parse_contrast(weights) == weights
    assert parse_contrast({"column": "dose", "baseline": 0, "target": 2.5})["target"] == 2.5


def test_shipped_config_and_starter_are_valid() -> None:
    shipped = read_config(ROOT / "config/config.yaml")
    for dataset in shipped.datasets.values():
        assert (ROOT / dataset.counts).is_file()
        assert (ROOT / dataset.samples).is_file()
    starter = parse_config(load_yaml(STARTER, "starter"))
    assert starter.datasets["mystudy"].keep.min_samples is None
    assert starter.prior.null == "estimated"


def test_figures() -> None:
    """Those that are asked for and that the settings have something to show of, in every format asked for."""

    def figures(**sections: dict[str, Any]) -> set[str]:
        files = files_of_contrast(parse_config({**minimal(), **sections}))
        assert set(files.perhaps) <= {f"hidden.{suffix}" for suffix in ("png", "svg", "pdf")}
        return {*files.figures, *files.perhaps}

    off = {"hidden_factors": 0}
    png = {"formats": ["png"]}
    assert figures(effects=off, report=png) == {"volcano.png"}
    assert figures(effects=off, report={"formats": ["png", "pdf"]}) == {"volcano.png", "volcano.pdf"}
    assert figures(prior={"covariates": ["base_mean"]}, report=png) == {"volcano.png", "covariates.png", "hidden.png"}
    asked = {"figures": ["ma", "hidden", "heatmap", "dispersion", "rows"]}
    assert figures(effects=off, report={**asked, **png}) == {"ma.png", "heatmap.png"}
    assert figures(report={"figures": []}) == set()
    config = parse_config({**minimal(), "report": {**asked, "formats": ["png", "svg"]}})
    assert dataset_figures(config) == ["dispersion.png", "dispersion.svg"]
    assert studies_figures(config) == ["ma.png", "ma.svg"]
    assert conditions_figures(config) == []
    assert files_of_contrast(config, multi_df=True).figures[-2:] == ("rows.png", "rows.svg")


def test_the_schema_names_every_figure() -> None:
    """But for the one that only `ebgenes plot` can draw."""
    named = schema()["$defs"]["report"]["properties"]["figures"]
    assert set(named["items"]["enum"]) == {name for name, figure in plots.FIGURES.items() if figure.of}
    # What the page draws itself is drawn again on request only.
    assert not [name for name in named["default"] if plots.FIGURES[name].on_page in ("script", "no")]


def test_formats_among_figures_are_sent_to_their_own_key() -> None:
    cure = "report.figures.0: found 'png'; formats of figures are named under report.formats."
    assert cure in messages(changed("report/figures", ["png"]))


def test_draws_that_were_interrupted_stand_beside_the_draws() -> None:
    """One name for every command, so that one goes on where another was stopped."""
    config = parse_config({**minimal(), "prior": {"fit": "gibbs"}})
    files = files_of_contrast(config).within("results/a")
    assert files.draws == ("results/a/draws.nc",)
    assert files.unfinished == "results/a/draws.unfinished.npz"
    assert files_of_contrast(parse_config(minimal())).unfinished is None


KEYS_OF_A_DATASET = (
    "counts, format, layer, orientation, counts_are, gene_lengths, strandedness, tx2gene, "
    "pseudobulk, samples, exclude, missing, factors, numeric, sum_by, worksheets, genes, offsets, size_factors, "
    "controls, design, random, reference, contrasts, keep, multivariate"
)
CONTRAST = "datasets/airway/contrasts/dex"
SECOND = "datasets/airway/contrasts/x"
MISTAKES = [
    (
        "datsets",
        {},
        ": unknown key; allowed: outdir, pathvars, datasets, studies, limits, effects, prior, gibbs, report. "
        "Did you mean 'datasets'?",
    ),
    ("outdir", 3, ": found 3; it must be text."),
    ("outdir", "", ": found ''; it must be text of a length of at least 1."),
    ("datasets", {}, ": is empty; give at least one entry."),
    ("datasets", ["a"], ": found ['a']; it must be a mapping (key: value)."),
    ("datasets/airway", None, ": found None; it must be a mapping (key: value)."),
    ("datasets/airway/desing", "~ x", f": unknown key; allowed: {KEYS_OF_A_DATASET}. Did you mean 'design'?"),
    ("datasets/airway/counts", ["a"], ": found ['a']; it must be text."),
    ("datasets/airway/layer", 1, ": found 1; it must be text or null."),
    (
        "datasets/airway/reference/dex",
        None,
        ": found None; it must be text or a number or true or false. If null is a name, quote it: 'null'.",
    ),
    ("datasets/airway/contrasts", {}, ": is empty; give at least one entry."),
    (CONTRAST, {}, ": is empty; give at least one entry."),
    (CONTRAST, 3, ": found 3; it must be a mapping (key: value)."),
    (CONTRAST, {"column": "dex"}, ": a comparison needs column, baseline and target; found {'column': 'dex'}."),
    (
        f"{CONTRAST}/tagret",
        "x",
        ": unknown key; allowed: column, baseline, target, coefficients, rows, term. Did you mean 'target'?",
    ),
    (
        CONTRAST,
        {**COMPARISON, "coefficients": {"a": 1}},
        ": give one of column with baseline and target, coefficients, rows or term; found several.",
    ),
    (f"{SECOND}/coefficients", {}, ": is empty; give at least one entry."),
    (f"{SECOND}/coefficients/a", "1", ": found '1'; it must be a number."),
    (f"{SECOND}/coefficients/a", float("inf"), ": found inf; it must be a finite number."),
    ("datasets/airway/keep/min_count", -1, ": found -1; it must be at least 0."),
    ("datasets/airway/keep/min_samples", 1.5, ": found 1.5; it must be a whole number or null."),
    (
        "effects/engine",
        "moderate_t",
        ": found 'moderate_t'; allowed: auto, likelihood, moderated_t, mixed. Did you mean 'moderated_t'?",
    ),
    ("effects/dispersion_tails", "cauchy", ": found 'cauchy'; allowed: normal, t5."),
    (
        "effects/outliers",
        "winsorise",
        ": found 'winsorise'; allowed: keep, winsorize. Did you mean 'winsorize'?",
    ),
    ("effects/normalization", "TMM", ": found 'TMM'; allowed: median_ratio, poscounts, tmm, tmmwsp."),
    ("effects/trend", "yes", ": found 'yes'; it must be true or false."),
    (
        "prior/family",
        "scale_norml",
        ": found 'scale_norml'; allowed: scale_normal, point_normal, point_laplace, half_normal, half_uniform, npmle. "
        "Did you mean 'scale_normal'?",
    ),
    ("prior/min_scale", 0, ": found 0; it must be at least 1e-06."),
    ("prior/null_weight", 0, ": found 0; it must be at least 1."),
    ("prior/mode", "median", ": found 'median'; allowed: zero, auto, estimated."),
    ("prior/covariates", "base_mean", ": found 'base_mean'; it must be a list."),
    ("prior/covariates", [3], ".0: found 3; it must be text or a mapping (key: value)."),
    ("prior/covariates", [{"odds_ratio": 2, "range": [1, 4]}], ".0: column is missing."),
    (
        "prior/covariates",
        [{"column": "a", "odds_ratio": 2}],
        ".0: evidence needs odds_ratio and range; found {'column': 'a', 'odds_ratio': 2}.",
    ),
    (
        "prior/covariates",
        [{"column": "a", "odds_ratio": 2, "range": [1]}],
        ".0.range: found [1]; it must have 2 entries.",
    ),
    ("prior", {"covariates": ["a"], "null_weight": 10}, ".null_weight: found 10; leave it at 1 with covariates."),
    ("report/level", 1, ": found 1; it must be below 1."),
    ("report/level", float("nan"), ": found nan; it must be a finite number."),
    ("report/lfc_threshold", float("inf"), ": found inf; it must be a finite number."),
    ("report/label", 201, ": found 201; it must be at most 200."),
    ("report/formats", ["svg"], ": found ['svg']; png must be among them."),
    ("report/tables", ["tsv", "xls"], ".1: found 'xls'; allowed: tsv, parquet, xlsx, rnk. Did you mean 'xlsx'?"),
]


@pytest.mark.parametrize(("path", "value", "rest"), MISTAKES)
def test_each_mistake_in_words(path: str, value: Any, rest: str) -> None:
    assert messages(changed(path, value)) == [path.replace("/", ".") + rest]


ONLY = "only engine {} has this option; choose that engine or leave this out."
OF_ONE_ENGINE = [("trend", True), ("robust", True), ("dispersion_tails", "t5"), ("outliers", "winsorize")]
OF_ONE_ENGINE += [("dispersion", "by_group"), ("dispersion_trend", "smooth"), ("dispersion_trend", "parametric")]


@pytest.mark.parametrize(("option", "value"), OF_ONE_ENGINE)
def test_an_option_of_the_other_engine_is_no_silent_loss(option: str, value: Any) -> None:
    own, other = ("moderated_t", "likelihood") if value is True else ("likelihood", "moderated_t")
    default = schema()["$defs"]["effects"]["properties"][option]["default"]
    for engine in (own, other):
        assert getattr(parse_section("effects", {"engine": engine, option: default}), option) == default
    assert getattr(parse_section("effects", {"engine": own, option: value}), option) == value
    (found,) = messages(changed("effects", {"engine": other, option: value}))
    assert found == f"effects.{option}: found {value!r}; {ONLY.format(own)}"
    with pytest.raises(InputErrors) as caught:
        parse_section("effects", {"engine": other, option: value})
    assert caught.value.messages == [f"{option}: found {value!r}; {ONLY.format(own)}"]


def test_dispersions_by_group_stand_alone() -> None:
    for option, value in (("dispersion_tails", "t5"), ("outliers", "winsorize"), ("chunks", 4)):
        (found,) = messages(changed("effects", {"dispersion": "by_group", option: value}))
        assert found.startswith(f"effects.{option}: found {value!r}; dispersions by group ")


def test_options_of_the_default_engine_need_not_name_it() -> None:
    assert messages(changed("effects/trend", True)) == [f"effects.trend: found True; {ONLY.format('moderated_t')}"]
    assert parse_section("effects", {"outliers": "winsorize"}).outliers == "winsorize"
    # One mistake, one message: an engine that does not exist has no options to speak of.
    (found,) = messages(changed("effects", {"engine": "x", "trend": True, "outliers": "winsorize"}))
    assert found.startswith("effects.engine: found 'x'")


@pytest.mark.parametrize("key", ["counts", "samples", "design", "contrasts"])
def test_what_is_missing(key: str) -> None:
    content = minimal()
    del content["datasets"]["airway"][key]
    assert messages(content) == [f"datasets.airway: {key} is missing."]


@pytest.mark.parametrize("content", [None, [], "text", 3, [{"datasets": {}}]])
def test_what_is_no_mapping(content: Any) -> None:
    assert messages(content) == [f"found {content!r}; it must be a mapping (key: value)."]


def test_every_mistake_at_once() -> None:
    content = minimal()
    content["datasets"]["airway"] |= {"desing": "~ x", "counts": 1}
    content["datasets"]["../up"] = copy.deepcopy(minimal()["datasets"]["airway"])
    content["datasets"]["../up"]["contrasts"] = {"a/b": {"column": "x"}}
    content |= {"effects": {"engine": "x"}, "prior": {"fit": "mcmc"}, "report": {"level": 2, "interval": 0}, "extra": 1}
    found = messages(content)
    assert len(found) == 10
    places = ("extra", "datasets", "datasets.../up.contrasts", "datasets.../up.contrasts.a/b", "datasets.airway.counts")
    places += ("datasets.airway.desing", "effects.engine", "prior.fit", "report.interval", "report.level")
    assert sorted(message.split(":")[0] for message in found) == sorted(places)
    with pytest.raises(InputErrors, match=r"^the config has 10 mistakes:\n  - "):
        parse_config(content)


@pytest.mark.parametrize(
    "name", ["../x", "/abs", "a/b", "..", ".", "", ".hidden", "-dash", "a b", "a\nb", "x" * 101, "é"]
)
@pytest.mark.parametrize("place", ["datasets", "datasets/airway/contrasts"])
def test_names_that_could_leave_the_folder(place: str, name: str) -> None:
    content = minimal()
    inner = content
    for part in place.split("/"):
        inner = inner[part]
    inner[name] = next(iter(inner.values()))
    (found,) = messages(content)
    assert found.startswith(f"{place.replace('/', '.')}: found the name {name!r}"[:60])
    assert found.endswith("a name may hold letters, digits, dot, dash and underscore, starting with a letter or digit.")


@pytest.mark.parametrize("name", ["logs", "counts.h5ad", "results.h5ad", "report.html"])
def test_reserved_names(name: str) -> None:
    content = minimal()
    content["datasets"]["airway"]["contrasts"][name] = dict(COMPARISON)
    assert messages(content) == [
        f"datasets.airway.contrasts: the name {name!r} is taken by a file of the results; choose another."
    ]


@pytest.mark.parametrize("name", ["a", "1", "A.b-c_d", "2024", "x" * 100])
def test_names_that_are_fine(name: str) -> None:
    content = minimal()
    content["datasets"] = {name: content["datasets"]["airway"]}
    assert list(parse_config(content).datasets) == [name]


def test_sections_are_checked_alone() -> None:
    assert parse_section("keep", {"min_count": 3}).min_count == 3
    assert parse_reference({"dex": "untrt"}) == {"dex": "untrt"}
    with pytest.raises(InputErrors, match=r"^keep has 1 mistake:\n  - min_cuont: unknown key.* mean 'min_count'"):
        parse_section("keep", {"min_cuont": 3})
    with pytest.raises(InputErrors, match=r"^the reference has 1 mistake:\n  - found 3; it must be a mapping"):
        parse_reference(3)
    for content in ("text", [1], None):
        with pytest.raises(InputErrors) as caught:
            parse_contrast(content)
        assert caught.value.messages == [f"found {content!r}; it must be a mapping (key: value)."]


@pytest.mark.parametrize(
    "text",
    [
        "a: [1,\nb: {",
        "a: b: c",
        "\t- x",
        "a: \x00",
        "? [a, b]\n: 1",
        "!!python/object/apply:os.system ['touch pwned']",
        "!!python/name:os.system",
        "outdir: 2020-99-01",
        "outdir: " + "9" * 5000,
        "[" * 5000,
        "datasets: &a\n  x: *a",
    ],
)
def test_what_is_no_yaml(tmp_path: Path, monkeypatch: Any, text: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"^config\.yaml is not valid YAML(, line \d+)?: .") as caught:
        read_config("config.yaml")
    assert "\n" not in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["config.yaml"]


def test_unreadable_configs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the config .*nope\.yaml: No such file.*ebgenes init"):
        read_config(tmp_path / "nope.yaml")
    with pytest.raises(InputError, match=r"cannot read the config .*: Is a directory"):
        read_config(tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x82")
    with pytest.raises(InputError, match=r"cannot read the config .*: it is not text"):
        read_config(tmp_path / "binary.yaml")


@pytest.mark.parametrize("place", ["datasets", "datasets/airway/contrasts", "datasets/airway/reference"])
@pytest.mark.parametrize(("word", "quoted"), [("no", "'no'"), ("On", "'yes'"), ("off", "'no'")])
def test_names_that_yaml_takes_for_truth_values_ask_for_quotes(place: str, word: str, quoted: str) -> None:
    content = minimal()
    inside = content
    for name in place.split("/"):
        inside = inside.setdefault(name, {"x": "x"})
    inside["WORD"] = next(iter(inside.values()))
    text = yaml.safe_dump(content).replace("WORD:", f"{word}:")
    with pytest.raises(InputError, match=f"Quote it: {quoted}"):
        load_yaml(text, "x.yaml")
    with pytest.raises(InputError, match=f"Quote it: {quoted}"):
        # As Snakemake hands it on.
        parse_config(yaml.safe_load(text))
