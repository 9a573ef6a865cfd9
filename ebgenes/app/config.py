"""Settings as records: checked against a schema, every error at once, defaults filled in."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from ebgenes.app.analyses import ANALYSES
from ebgenes.app.analyses.multivariate import MultivariateSettings
from ebgenes.app.config_values import impossible_values, named_twice, not_finite, require_no_truth_values
from ebgenes.app.former_keys import current_keys, current_prior
from ebgenes.app.yaml_files import plain_yaml, yaml_text
from ebgenes.app.yaml_words import yaml_message
from ebgenes.design.formulas import split_formula, with_random
from ebgenes.effects.suited import require_fitting
from ebgenes.errors import InputError, InputErrors, listing, nearest
from ebgenes.limits import Limits


def annotation_columns(covariates: Sequence[str | Mapping[str, Any]]) -> list[str]:
    """Columns of the genes' annotation that covariates need."""
    names = [each if isinstance(each, str) else str(each["column"]) for each in covariates]
    return [name for name in names if name != "base_mean"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepSettings:
    """The filter: so many reads in so many samples (None: the smallest group)."""

    min_count: int
    min_samples: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PseudobulkSettings:
    """Cells that are to be summed: columns with their sample and type, and what a sum must have."""

    sample: str
    cell_type: str
    min_cells: int
    min_counts: int
    cells: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSettings:
    """One dataset: its files, its design, the questions asked of it, and further analyses of their answers.

    analyses: settings of each entry by its name, by the section that has it; see `ebgenes.app.analyses`.
    """

    counts: str
    format: str
    layer: str | None
    strandedness: str
    tx2gene: str | None
    pseudobulk: PseudobulkSettings | None
    samples: str | None
    genes: str | None
    offsets: str | None
    size_factors: str | dict[str, str] | None
    controls: str | None
    design: str
    reference: dict[str, Any]
    contrasts: dict[str, dict[str, Any]]
    keep: KeepSettings
    analyses: dict[str, dict[str, Any]] = field(default_factory=dict)
    orientation: str = "genes_by_samples"
    counts_are: str = "auto"
    gene_lengths: str | None = "auto"
    exclude: list[str] = field(default_factory=list)
    missing: str = "error"
    factors: list[str] = field(default_factory=list)
    numeric: list[str] = field(default_factory=list)
    sum_by: str | None = None
    worksheets: dict[str, str] = field(default_factory=dict)

    @property
    def multivariate(self) -> dict[str, MultivariateSettings]:
        """What is taken together, by name."""
        return self.analyses.get("multivariate", {})


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectsSettings:
    """How each gene's effect and its likelihood are made."""

    engine: str
    normalization: str
    trend: bool
    robust: bool
    dispersion: str
    dispersion_tails: str
    dispersion_trend: str
    outliers: str
    hidden_factors: str | int
    composition: str
    count_tails: str
    chunks: int
    batch: int
    fixed_or_random: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorSettings:
    """How the prior over all genes is fitted; the key ``from`` is `stored` here, because Python keeps the word."""

    stored: str | None
    own_weight: str | float
    family: str
    fit: str
    null: str
    solver: str
    min_scale: float | None
    null_weight: float | None
    mode: str
    bulk: str
    covariates: list[str | dict[str, Any]]
    compare: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class GibbsSettings:
    """How the prior's posterior is drawn from."""

    chains: int
    draws: int
    warmup: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSettings:
    """What tables, figures and the page show."""

    level: float
    interval: float
    interval_method: str
    seed: int
    lfc_threshold: float
    label: int
    x: str
    y: str
    figures: list[str]
    formats: list[str]
    tables: list[str]
    replicates: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """Where one of several studies comes from: a contrast of a dataset, or a table."""

    dataset: str | None
    contrast: str | None
    table: str | None
    columns: dict[str, str] | None
    df: float | None
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StudiesSettings:
    """Several studies of one question."""

    sources: dict[str, SourceSettings]
    genes: str | None
    tau: str | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A whole run."""

    outdir: str
    datasets: dict[str, DatasetSettings]
    studies: dict[str, StudiesSettings]
    effects: EffectsSettings
    prior: PriorSettings
    gibbs: GibbsSettings
    report: ReportSettings
    limits: Limits = field(default_factory=Limits)


SECTIONS = {
    "keep": KeepSettings,
    "pseudobulk": PseudobulkSettings,
    "dataset": DatasetSettings,
    "effects": EffectsSettings,
    "prior": PriorSettings,
    "gibbs": GibbsSettings,
    "report": ReportSettings,
    "limits": Limits,
}


PARTS = ("effects", "prior", "gibbs", "report", "limits")
"""Sections that all datasets share."""

KEYWORDS = {"stored": "from", "sources": "of"}
"""Fields of records by the keys of the config that they stand for, where these differ."""


def plain_values(settings: Any) -> dict[str, Any]:
    """A record of settings as the config writes it."""
    return asdict(settings, dict_factory=_as_written)


def _as_written(items: list[tuple[str, Any]]) -> dict[str, Any]:
    values = {KEYWORDS.get(name, name): value for name, value in items}
    # Sections of analyses stand beside a dataset's other keys.
    sections = values.pop("analyses", {})
    return {**values, **sections}


@cache
def schema() -> dict[str, Any]:
    """The JSON schema of the config."""
    text = files("ebgenes.app").joinpath("config.schema.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def reserved_names() -> list[str]:
    """Names in a dataset's folder that are the product's own."""
    names: list[str] = schema()["$defs"]["name"]["not"]["enum"]
    return names


def read_config(path: str | os.PathLike[str]) -> Config:
    """Read and check a YAML config.

    Raises
    ------
    InputError
        Where the file cannot be read; InputErrors with one message for each mistake in it.
    """
    return parse_config(load_yaml_file(path))


def load_yaml_file(path: str | os.PathLike[str]) -> Any:
    """The plain values of a YAML file."""
    return load_yaml(yaml_text(path), str(path))


def load_yaml(text: str, source: str) -> Any:
    """The plain values of YAML text."""
    try:
        return _text_keys(plain_yaml(text, source))
    except InputError:
        raise
    # Besides its own errors the parser lets through those of impossible dates, of numbers with thousands of
    # digits, and of entries within entries without end.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(yaml_message(error, source)) from None


def parse_config(content: Any) -> Config:
    """Check plain values and turn them into records.

    Raises
    ------
    InputErrors
        One message for each mistake: the key's path, the value found, what is allowed, and the
        nearest valid name.
    """
    content = current_keys(_text_keys(content))
    _require_valid(content, schema(), "the config")
    datasets = {name: _dataset(value) for name, value in content["datasets"].items()}
    messages = [
        message
        for name, dataset in datasets.items()
        for message in (*_no_sheet(name, dataset), *_sized_twice(name, dataset), *_unsuited(name, dataset))
    ]
    if messages:
        raise InputErrors(f"the config has {len(messages)} mistake{'s' if len(messages) > 1 else ''}:", messages)
    sections = {name: parse_section(name, content.get(name, {})) for name in PARTS}
    _require_engines(datasets, sections["effects"])
    studies = {name: _studies(value) for name, value in content.get("studies", {}).items()}
    messages = [words for name, each in studies.items() for words in _unmet(name, each, datasets)]
    if messages:
        raise InputErrors(f"the config has {len(messages)} mistake{'s' if len(messages) > 1 else ''}:", messages)
    config = Config(
        outdir=content.get("outdir", schema()["properties"]["outdir"]["default"]),
        datasets=datasets,
        studies=studies,
        **sections,
    )
    _require_multi_df_settings(config)
    return config


MULTI_DF_PRIOR: dict[str, tuple[Any, ...]] = {
    "family": ("scale_normal",), "fit": ("em",), "null": ("estimated", "fixed"), "mode": ("auto", "zero"),
    "covariates": ([],), "compare": ([],), "stored": (None,),
}  # fmt: skip
"""What the prior of several rows can be."""


def multi_df_mistakes(prior: PriorSettings, report: ReportSettings) -> Iterator[str]:
    """Settings that a question of several rows has no use for."""
    found = [
        (f"prior.{'from' if key == 'stored' else key}", getattr(prior, key), allowed)
        for key, allowed in MULTI_DF_PRIOR.items()
    ]
    for key, value, allowed in [*found, ("report.interval_method", report.interval_method, ("plugin",))]:
        if value not in allowed:
            yield (
                f"{key}: found {value!r}; contrasts of several rows (rows, term) take {listing(allowed)} alone. "
                "Leave it out, or ask these contrasts in a config of their own."
            )


def _require_multi_df_settings(config: Config) -> None:
    multi_df = any(
        is_multi_df(question) for dataset in config.datasets.values() for question in dataset.contrasts.values()
    )
    messages = list(multi_df_mistakes(config.prior, config.report)) if multi_df else []
    if messages:
        raise InputErrors(f"the config has {len(messages)} mistake{'s' if len(messages) > 1 else ''}:", messages)


def _require_engines(datasets: Mapping[str, DatasetSettings], effects: EffectsSettings) -> None:
    """Refuse random factors that the effects' settings could not fit, before a file is opened."""
    messages = []
    for name, dataset in datasets.items():
        try:
            require_fitting(dataset.design, bool(split_formula(dataset.design)[1]), asdict(effects))
        except InputError as error:
            messages.append(f"datasets.{name}.design: {error}")
    if messages:
        raise InputErrors(f"the config has {len(messages)} mistake{'s' if len(messages) > 1 else ''}:", messages)


def parse_section(name: str, content: Any) -> Any:
    """One section (``keep``, ``effects``, ``prior``, ``report``) with its defaults, checked alone.

    Raises
    ------
    InputErrors
        As `parse_config`.
    """
    content = current_prior(_text_keys(content)) if name == "prior" else _text_keys(content)
    _require_valid(content, {**schema()["$defs"][name], "$defs": schema()["$defs"]}, name)
    fields = {key: field for field, key in KEYWORDS.items()} if name == "prior" else {}
    record = SECTIONS[name] if name in SECTIONS else ANALYSES[name].settings
    return record(**{fields.get(key, key): value for key, value in _with_defaults(name, content).items()})


INTAKE = ("orientation", "counts_are", "exclude", "missing", "factors", "numeric", "sum_by", "worksheets")
"""Keys of a dataset that say how its files are read, beside the files themselves."""


def parse_intake(content: Any) -> dict[str, Any]:
    """How a dataset's files are read, checked alone, with defaults."""
    content = _text_keys(content)
    known = schema()["$defs"]["dataset"]["properties"]
    properties = {key: known[key] for key in INTAKE}
    _require_valid(content, {"type": "object", "additionalProperties": False, "properties": properties}, "the intake")
    return {**{key: value["default"] for key, value in properties.items()}, **content}


def intake_settings(dataset: DatasetSettings) -> dict[str, Any]:
    """What `parse_intake` reads, of a dataset."""
    return {key: getattr(dataset, key) for key in INTAKE}


def parse_contrast(content: Any) -> dict[str, Any]:
    """One contrast as plain values, checked alone."""
    _require_valid(content, {**schema()["$defs"]["contrast"], "$defs": schema()["$defs"]}, "the contrast")
    return dict(content)


def parse_size_factors(content: Any) -> str | dict[str, str] | None:
    """Where size factors come from, checked alone."""
    _require_valid(content, schema()["$defs"]["dataset"]["properties"]["size_factors"], "size_factors")
    return dict(content) if isinstance(content, Mapping) else content


def parse_reference(content: Any) -> dict[str, Any]:
    """First levels of factors by column, checked alone."""
    _require_valid(content, schema()["$defs"]["dataset"]["properties"]["reference"], "the reference")
    return dict(content)


def is_multi_df(question: Mapping[str, Any]) -> bool:
    """Whether a contrast, as the config writes it, has several rows."""
    return "rows" in question or "term" in question


def _require_valid(content: Any, against: dict[str, Any], what: str) -> None:
    found = Draft202012Validator(against).iter_errors(content)
    errors = sorted(found, key=lambda error: [str(part) for part in error.absolute_path])
    # What is not finite lies beyond every bound too.
    errors = [error for error in errors if not (error.validator in LIMITS and not_finite(error.instance))]
    explained = (message for error in errors for message in _explain(error))
    messages = list(dict.fromkeys([*explained, *impossible_values(content, "")]))
    if messages:
        raise InputErrors(f"{what} has {len(messages)} mistake{'s' if len(messages) > 1 else ''}:", messages)


def _text_keys(content: Any) -> Any:
    """YAML reads the key ``null`` as nothing and numbers as themselves: they are names here; of a truth value nobody
    knows the word that it was."""  # fmt: skip
    if isinstance(content, date):
        # YAML takes 2024-01-05 for a date.
        return content.isoformat()
    if isinstance(content, Mapping):
        require_no_truth_values(content)
        return {"null" if key is None else str(key): _text_keys(value) for key, value in content.items()}
    return [_text_keys(value) for value in content] if isinstance(content, list) else content


def _dataset(content: Mapping[str, Any]) -> DatasetSettings:
    values = _with_defaults("dataset", content)
    values["keep"] = parse_section("keep", content.get("keep", {}))
    values["design"] = with_random(values["design"], values.pop("random"))
    if values["pseudobulk"] is not None:
        values["pseudobulk"] = parse_section("pseudobulk", values["pseudobulk"])
    values["analyses"] = {
        key: {name: parse_section(key, value) for name, value in values.pop(key).items()}
        for key in ANALYSES
        if key in values
    }
    return DatasetSettings(**values)


def _studies(content: Mapping[str, Any]) -> StudiesSettings:
    values = _with_defaults("studies", content)
    sources = {name: SourceSettings(**_with_defaults("source", each)) for name, each in values.pop("of").items()}
    return StudiesSettings(sources=sources, **values)


def _unmet(name: str, studies: StudiesSettings, datasets: Mapping[str, DatasetSettings]) -> Iterator[str]:
    """What studies name and the config does not have."""
    if name in datasets:
        yield f"studies.{name}: a dataset has this name too, and with it the folder; choose another."
    yield from named_twice(name, studies.sources)
    for study, source in studies.sources.items():
        place = f"studies.{name}.of.{study}"
        if source.dataset is None:
            continue
        dataset = datasets.get(source.dataset)
        if dataset is None:
            near = nearest(source.dataset, datasets)
            yield f"{place}.dataset: there is no dataset {source.dataset!r}; there are: {listing(datasets)}.{near}"
        elif dataset.pseudobulk is not None:
            yield f"{place}.dataset: {source.dataset!r} has cells; name the genes.tsv of a cell type as table instead."
        elif source.contrast in dataset.contrasts and is_multi_df(dataset.contrasts[source.contrast]):
            yield f"{place}.contrast: {source.contrast!r} has several rows; studies need one effect a gene."
        elif source.contrast not in dataset.contrasts:
            near = nearest(str(source.contrast), dataset.contrasts)
            yield (
                f"{place}.contrast: {source.dataset} has no contrast {source.contrast!r}; "
                f"it has: {listing(dataset.contrasts)}.{near}"
            )


def single_effects(dataset: DatasetSettings) -> list[str]:
    """Names of the contrasts that have one row."""
    return [name for name, question in dataset.contrasts.items() if not is_multi_df(question)]


def _no_sheet(name: str, dataset: DatasetSettings) -> Iterator[str]:
    """A mistake where nothing tells the samples."""
    own = dataset.format == "h5ad" or dataset.counts.endswith((".h5ad", ".h5"))
    if dataset.samples is None and (not own or dataset.pseudobulk is not None):
        yield f"datasets.{name}: samples is missing."
    if dataset.sum_by is not None and dataset.pseudobulk is not None:
        yield f"datasets.{name}: sum_by and pseudobulk both sum counts; name the library as pseudobulk.sample instead."


def _sized_twice(name: str, dataset: DatasetSettings) -> Iterator[str]:
    """A mistake where two keys say how samples compare."""
    if dataset.offsets is not None and dataset.size_factors is not None:
        yield f"datasets.{name}: offsets and size_factors both say how samples compare; leave one of them out."


def size_factor_controls(dataset: DatasetSettings) -> str | None:
    """The file of genes that alone tell size factors, where the dataset names one."""
    asked = dataset.size_factors
    return asked.get("controls") if isinstance(asked, dict) else None


def size_factor_file(dataset: DatasetSettings) -> str | None:
    """The file that size factors need: their own, or that of control genes."""
    return dataset.size_factors if isinstance(dataset.size_factors, str) else size_factor_controls(dataset)


def _unsuited(name: str, dataset: DatasetSettings) -> Iterator[str]:
    """Mistakes in what is asked of a dataset's contrasts further."""
    for key, entries in dataset.analyses.items():
        for entry in entries:
            place = f"datasets.{name}.{key}.{entry}"
            yield from (f"{place}{words}" for words in ANALYSES[key].mistakes(dataset, entry))
            if entry in dataset.contrasts:
                yield f"{place}: a contrast has the same name; choose another."


def _with_defaults(name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    properties = schema()["$defs"][name]["properties"]
    defaults = {key: value["default"] for key, value in properties.items() if "default" in value}
    return {**defaults, **content}


def _explain(error: Any) -> Iterator[str]:
    """Messages in words for one schema error."""
    path = ".".join(str(part) for part in error.absolute_path)
    place = f"{path}: " if path else ""
    found = repr(error.instance)
    found = found if len(found) <= 80 else found[:77] + "..."
    rule, value = error.validator, error.validator_value
    known = list(error.schema.get("properties", {})) if isinstance(error.schema, dict) else []
    if rule == "additionalProperties" and known:
        for key in sorted(set(map(str, error.instance)) - set(known)):
            yield f"{path + '.' if path else ''}{key}: unknown key; allowed: {listing(known, 30)}.{nearest(key, known)}"
    elif rule == "required":
        for key in value:
            if key not in error.instance:
                yield f"{place}{key} is missing."
    elif rule == "oneOf" and "oneOf" in error.schema and "table" in error.schema.get("properties", {}):
        yield f"{place}give either dataset and contrast, or table; found {found}."
    elif rule == "dependentRequired":
        pair = (
            "evidence needs odds_ratio and range"
            if "range" in value
            else "a comparison needs column, baseline and target"
        )
        yield f"{place}{pair}; found {found}."
    elif rule == "enum":
        yield f"{place}found {found}; allowed: {listing(value)}.{nearest(error.instance, value)}"
    elif rule == "type":
        kinds = [value] if isinstance(value, str) else value
        # YAML reads the words null and ~ as nothing.
        hint = " If null is a name, quote it: 'null'." if error.instance is None and "string" in kinds else ""
        yield f"{place}found {found}; it must be {' or '.join(KINDS.get(kind, kind) for kind in kinds)}.{hint}"
    elif rule == "pattern":
        yield f"{place}found the name {found}; a name may hold {error.schema['description']}."
    elif rule in LIMITS:
        yield f"{place}found {found}; it must be {LIMITS[rule]} {value}."
    elif rule == "contains":
        yield f"{place}found {found}; {value['const']} must be among them."
    elif rule == "not" and {"const", "exclusiveMinimum", "minItems", "type"} & set(value):
        yield f"{place}found {found}; {error.schema['description']}."
    elif rule == "not" and "enum" in value:
        yield f"{place}the name {found} is taken by a file of the results; choose another."
    elif rule == "not" and isinstance(error.instance, Mapping):
        more = ", rows or term" if "anyOf" in value else ""
        yield f"{place}give one of column with baseline and target, coefficients{more}; found several."
    elif rule == "not":
        # What is no mapping at all has its message from the rule "type".
        return
    elif rule in ("minItems", "maxItems") and error.schema.get("minItems") == error.schema.get("maxItems"):
        yield f"{place}found {found}; it must have {value} entries."
    elif rule == "maxProperties":
        yield f"{place}found {found}; give one of {listing(known)}."
    elif rule == "minProperties" or rule == "minItems":
        yield f"{place}is empty; give at least one entry."
    else:
        yield f"{place}{error.message}"


KINDS = {
    "object": "a mapping (key: value)",
    "array": "a list",
    "string": "text",
    "null": "null",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}


LIMITS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "above",
    "exclusiveMaximum": "below",
    "minLength": "text of a length of at least",
}


def require_studies_prior(config: Config) -> None:
    """Refuse settings of the prior that several studies cannot have."""
    prior = config.prior
    if prior.fit != "em" or prior.family not in ("scale_normal", "point_normal") or prior.null == "likelihood_scale":
        raise InputError(
            "studies need prior.fit em, prior.family scale_normal or point_normal, and no likelihood_scale as null."
        )
    if prior.mode == "estimated" or prior.covariates:
        raise InputError("studies need a prior.mode other than estimated, and no prior.covariates.")
