"""Names that stored files had in versions before, which are understood for one release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FIT = {"null_scale": "null_sd", "stretch": "likelihood_scale"}
"""Of a fitted prior and its draws."""

DIAGNOSTICS = {"sigma0": "null_z_sd", "kappa": "likelihood_scale"}

STUDIES = {"kappa": "tau"}

MULTIVARIATE = {"drift": "null_covariance"}


def renamed(content: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The same with former names replaced; others, and what no mapping is inside, stay."""
    return {names.get(key, key) if names.get(key) not in content else key: value for key, value in content.items()}


def current_summary(content: Mapping[str, Any]) -> dict[str, Any]:
    """What a ``prior.json`` says under the names that `ebgenes.results.prior_json` gives."""
    made = renamed(content, FIT)
    for key, names in {"fixed_null": FIT, "gibbs": FIT, "diagnostics": DIAGNOSTICS, "engine": STUDIES}.items():
        if isinstance(made.get(key), Mapping):
            made[key] = renamed(made[key], names)
    if isinstance(made.get("studies"), Mapping):
        studies = renamed(made["studies"], STUDIES)
        if isinstance(studies.get("left_out"), list):
            studies["left_out"] = [renamed(each, STUDIES) for each in studies["left_out"]]
        made["studies"] = studies
    return made
