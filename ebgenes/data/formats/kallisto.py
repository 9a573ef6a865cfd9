"""kallisto's quantified transcripts, a file a sample."""

from __future__ import annotations

from ebgenes.data.formats.quantified import quantified_format

FORMAT = quantified_format("kallisto", order=50, sample_file="abundance.tsv")
