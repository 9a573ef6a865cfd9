"""salmon's quantified transcripts, a file a sample."""

from __future__ import annotations

from ebgenes.data.formats.quantified import quantified_format

FORMAT = quantified_format("salmon", order=40, sample_file="quant.sf")
