"""What a multivariate fit amounts to, in numbers and in plain words."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from ebgenes.model import MultivariatePrior


def plain(prior: MultivariatePrior) -> dict[str, Any]:
    """The prior as plain values, from which `ebgenes.io.read_multivariate_prior` makes the same bits."""
    return {each.name: getattr(prior, each.name).tolist() for each in fields(prior)}
