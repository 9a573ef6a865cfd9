"""Analyses of a dataset's contrasts: each a file, which registers itself by its `ANALYSIS`."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from ebgenes.app.analyses.analysis import Analysis

ANALYSES: dict[str, Analysis] = {}


def register(analysis: Analysis) -> None:
    """Let datasets ask for an analysis by its name."""
    ANALYSES[analysis.name] = analysis


for _found in iter_modules(__path__):
    _analysis = getattr(import_module(f"{__name__}.{_found.name}"), "ANALYSIS", None)
    if _analysis is not None:
        register(_analysis)
