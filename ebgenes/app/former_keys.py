"""Keys and words of the config that versions before had, which are understood for one release."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any


def current_keys(content: Any) -> Any:
    """Plain values of a config with the words of this version, and a FutureWarning for each that was another."""
    if not isinstance(content, Mapping):
        return content
    made = dict(content)
    if "prior" in made:
        made["prior"] = current_prior(made["prior"])
    if isinstance(made.get("studies"), Mapping):
        made["studies"] = {name: _current_studies(name, each) for name, each in made["studies"].items()}
    return made


def current_prior(content: Any) -> Any:
    """The same of the section ``prior`` alone."""
    if not isinstance(content, Mapping) or content.get("null") != "kappa":
        return content
    _tell("prior.null: kappa", "prior.null: likelihood_scale")
    return {**content, "null": "likelihood_scale"}


def _current_studies(name: str, content: Any) -> Any:
    if not isinstance(content, Mapping) or "kappa" not in content or "tau" in content:
        return content
    _tell(f"studies.{name}.kappa", f"studies.{name}.tau")
    return {"tau" if key == "kappa" else key: value for key, value in content.items()}


def _tell(former: str, current: str) -> None:
    message = f"{former} is called {current} now. The former name is understood in this version for the last time."
    warnings.warn(message, FutureWarning, stacklevel=4)
