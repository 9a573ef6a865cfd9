"""Counts as counting programs leave them: each format a module, recognised or named."""

from __future__ import annotations

from ebgenes.inputs.formats import FORMATS, Reading, read_input, recognise

__all__ = ["FORMATS", "Reading", "read_input", "recognise"]
