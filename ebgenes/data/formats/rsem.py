"""RSEM's quantified transcripts, a file a sample."""

from __future__ import annotations

from ebgenes.data.formats.quantified import quantified_format

FORMAT = quantified_format("rsem", order=60, sample_file="genes.results")
