"""Counts as counting programs leave them: each format a module, recognised or named."""

from __future__ import annotations

from ebgenes.inputs.formats import FORMATS, Reading, read_input, recognise
from ebgenes.inputs.peek import Peek, peek

__all__ = ["FORMATS", "Peek", "Reading", "peek", "read_input", "recognise"]
