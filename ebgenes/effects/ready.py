"""What is asked of an engine, and counts and design made ready for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ebgenes.records.counts import Counts
from ebgenes.records.design import Design
from ebgenes.records.effects import HiddenFactors, ResidualAxes


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An engine and its options, as `fit_effects` takes them; options of other engines are not among them."""

    engine: str
    composition: str
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Ready:
    """What an engine fits: normalized counts, the design with all its covariates, and what was seen of replicates.

    ``hidden`` are the factors that the design was given, ``residuals`` what is left beside them; both None where
    random factors take their place.
    """

    counts: Counts
    design: Design
    hidden: HiddenFactors | None
    residuals: ResidualAxes | None
