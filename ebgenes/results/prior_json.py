"""What ``prior.json`` says, as one typed record, and its JSON schema (docs/prior.schema.json)."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Any, NotRequired, TypedDict, Union, get_args, get_origin, get_type_hints, is_typeddict


class NullsSummary(TypedDict):
    """Priors between which the data leave a choice, as `records.prior.Nulls`."""

    probability: list[float]
    weight: list[list[float]]
    scale: list[list[float]]
    evidence: list[float]


class FitSummary(TypedDict):
    """A fitted prior, and how well its weights are the best ones."""

    family: str
    pi0: float
    null_sd: float
    weight: list[float]
    scale: list[float]
    mode: float
    likelihood_scale: float
    unit: float
    nulls: NullsSummary | None
    solver: str
    certificate: float
    converged: bool
    iterations: int
    loglik: float


class ContrastSummary(TypedDict):
    """The contrast, and what a positive and a negative effect mean, in words."""

    name: str
    up: str
    down: str


class ListLengths(TypedDict):
    """Genes with lfdr, q and s value below the level."""

    lfdr: int
    q_value: int
    s_value: NotRequired[int]


class Discoveries(ListLengths):
    """Lengths of lists; adj_p_value is Benjamini and Hochberg's on the same p-values."""

    adj_p_value: int
    fixed_null: NotRequired[ListLengths | None]
    without_covariates: NotRequired[ListLengths | None]


FalseProportion = TypedDict(
    "FalseProportion", {"mean": float, "interval": list[float], "probability": float, "above_0.1": float}
)
"""Posterior of the share of the list that is unchanged; the interval holds it with the probability."""


class ListRange(TypedDict):
    """How long the list would be at the ends of what is known of the null."""

    range: list[int]
    probability: float
    words: str


class HiddenSummary(TypedDict):
    """Hidden factors, as `records.effects.HiddenFactors`."""

    sample: list[str]
    score: list[list[float]]
    confounding: list[float]
    confounding_se: list[float]
    share: list[float]
    correlation: list[float]
    loading_sd: list[float]
    apart: list[float]
    n_controls: int
    sheet: dict[str, list[str]]


StoredSummary = TypedDict(
    "StoredSummary",
    {
        "from": str | None,
        "weight": float,
        "pi0": float,
        "conflict": dict[str, float],
        "z_scores": dict[str, Any],
        "words": str,
    },
)
"""What became of another study's prior, and how the study contradicts it."""


class RandomSummary(TypedDict):
    """Random factors, as `records.effects.RandomEffects`, whether they can be relied on, and fixed effects beside."""

    factor: list[str]
    words: list[str]
    n_groups: list[int]
    ratio: list[list[float]]
    weight: list[float]
    share: list[list[float]]
    choice: dict[str, Any] | None
    beside: str | None


class CovariatesSummary(TypedDict):
    """What covariates did: the intercept of the log odds, a part for each term, and each gene's share of the null."""

    intercept: float
    terms: list[dict[str, Any]]
    null_share: list[float]


class GibbsSummary(TypedDict):
    """What draws of the prior amount to, and whether they can be relied on."""

    chains: int
    draws: int
    warmup: int
    seed: int
    pi0: float
    null_sd: float
    weight: list[float]
    coefficient: dict[str, list[float]] | None
    diagnosis: dict[str, dict[str, float]]
    caution: str | None
    discoveries: int


class ComparisonSummary(TypedDict):
    """Families of priors, best first, and the verdict."""

    verdict: str
    families: list[dict[str, Any]]


class PilotSummary(TypedDict):
    """What the study tells of the precision of others like it, as `records.pilot.Pilot`."""

    replicates: float
    residual_df: float
    count: list[float]
    log_variance: list[float]
    prior_df: list[float]
    counting: list[float | None]
    excess: list[float]
    unit: float


class OutlookSummary(TypedDict):
    """What further studies would find, a row a number of samples, and how much of the list a repeat would list."""

    rows: list[dict[str, float | None]]
    level: float
    size: float
    probability: float
    listed: int
    repeated: float
    words: str


class Summary(FitSummary):
    """All that prior.json says. `prior` and `rows` are of several rows, `studies` of several studies; `files` "
    "is what was done to the user's files."""

    fixed_null: FitSummary | None
    contrast: ContrastSummary
    engine: dict[str, str | float | list[list[float]]]
    hidden_factors: HiddenSummary | None
    random_effects: NotRequired[RandomSummary | None]
    n_genes: int
    status: dict[str, int]
    level: float
    discoveries: Discoveries
    covariates: CovariatesSummary | None
    stored: NotRequired[StoredSummary | None]
    diagnostics: dict[str, float | None]
    gibbs: GibbsSummary | None
    fdp: FalseProportion | None
    list_range: NotRequired[ListRange | None]
    warnings: list[str]
    files: NotRequired[list[str]]
    comparison: ComparisonSummary | None
    seed: int | None
    versions: dict[str, str]
    rows: NotRequired[dict[str, int]]
    prior: NotRequired[dict[str, Any]]
    studies: NotRequired[dict[str, Any]]
    pilot: NotRequired[PilotSummary | None]
    outlook: NotRequired[OutlookSummary | None]


PLAIN = {str: "string", int: "integer", bool: "boolean", NoneType: "null"}


def json_schema() -> dict[str, Any]:
    """The JSON schema of prior.json (draft 2020-12), from `Summary`."""
    found: dict[str, Any] = {}
    top = _schema_of(Summary, found)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "prior.json of ebgenes",
        **top,
        "$defs": dict(sorted(found.items())),
    }


def _schema_of(kind: Any, found: dict[str, Any]) -> dict[str, Any]:
    """The schema of a type; those of records it is made of go to `found`."""
    if kind in PLAIN:
        return {"type": PLAIN[kind]}
    if kind is float:
        # Infinite numbers are written as words.
        return {"anyOf": [{"type": "number"}, {"enum": ["Infinity", "-Infinity"]}]}
    if kind is Any:
        return {}
    if is_typeddict(kind):
        if kind.__name__ not in found:
            found[kind.__name__] = {}
            hints = get_type_hints(kind, include_extras=True)
            found[kind.__name__] = {
                **({"description": " ".join(kind.__doc__.split())} if kind.__doc__ else {}),
                "type": "object",
                "properties": {
                    key: _schema_of(get_args(hint)[0] if get_origin(hint) is NotRequired else hint, found)
                    for key, hint in hints.items()
                },
                "required": [key for key, hint in hints.items() if get_origin(hint) is not NotRequired],
            }
        return {"$ref": f"#/$defs/{kind.__name__}"}
    origin, parts = get_origin(kind), get_args(kind)
    if origin is list:
        return {"type": "array", "items": _schema_of(parts[0], found)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema_of(parts[1], found)}
    if origin in (Union, UnionType):
        return {"anyOf": [_schema_of(part, found) for part in parts]}
    raise TypeError(f"no schema for {kind}")
