"""Analyses of a dataset's contrasts: each a file, which registers itself by its `ANALYSIS`."""

from __future__ import annotations

import sys

from ebgenes.app.analyses.analysis import Analysis
from ebgenes.imports import records_in

ANALYSES: dict[str, Analysis] = {}


def register(analysis: Analysis) -> None:
    """Let datasets ask for an analysis by its name."""
    ANALYSES[analysis.name] = analysis


for _analysis in records_in(sys.modules[__name__], "ANALYSIS"):
    register(_analysis)
