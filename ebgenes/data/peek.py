"""What a look at the beginning of counts tells: their samples, the first genes, and how many there may be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ebgenes.arrays import text_array
from ebgenes.data import feature_counts, quant, star
from ebgenes.data.cells import element, opened
from ebgenes.data.count_tables import first_counts
from ebgenes.data.formats import BY_SAMPLE, read_counts, recognise, require_place
from ebgenes.data.sample_files import match_columns, read_columns, require_files, sample_files
from ebgenes.data.tenx import barcodes
from ebgenes.data.transcripts import read_tx2gene
from ebgenes.errors import InputError, listing
from ebgenes.records.counts import Counts

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Peek:
    """Format of the counts, the samples with their first genes (or none), and about how many genes there are."""

    format: str
    counts: Counts
    n_genes: int


TYPICAL = 30_000
"""Genes of a genome, where a look does not tell."""


def peek(path: str, sheet: pd.DataFrame, *, format: str, layer: str | None, tx2gene: str | None) -> Peek:
    """Look at the beginning of counts in any format.

    Raises
    ------
    InputError
        For what is wrong so far.
    """
    place = Path(path)
    found = recognise(place, sheet) if format == "auto" else format
    require_place(place, found)
    if found in quant.ENDINGS or found == "star" or (found == "featurecounts" and place.is_dir()):
        return _by_sample(place, sheet, found, tx2gene)
    if found == "featurecounts":
        header = feature_counts.read_header(place)
        match_columns(header, sheet, place)
        return Peek(format=found, counts=_no_genes(list(sheet.index)), n_genes=TYPICAL)
    if found == "10x":
        return Peek(format=found, counts=_no_genes(barcodes(place)), n_genes=TYPICAL)
    if found == "h5ad":
        return _h5ad(place, layer)
    counts, n_genes = (read_counts(place, format=found), 0) if found == "parquet" else first_counts(place)
    return Peek(format=found, counts=counts, n_genes=n_genes or len(counts.gene))


def _no_genes(samples: list[str]) -> Counts:
    return Counts(gene=text_array([]), sample=text_array(samples), count=np.zeros((0, len(samples)), dtype=np.int64))


def _by_sample(place: Path, sheet: pd.DataFrame, format: str, tx2gene: str | None) -> Peek:
    if format == "kallisto":
        endings: tuple[str, ...] = quant.kallisto_ending(place, sheet)
    else:
        endings = BY_SAMPLE[format]
    files = require_files(sample_files(place, sheet, endings), place, f"{format} output")
    first = next(iter(files.values()))
    if format in quant.ENDINGS:
        if tx2gene is None:
            raise quant.needs_tx2gene(place, format)
        n_genes = len(set(read_tx2gene(tx2gene).values()))
        quant.read_transcripts(first, format)
        return Peek(format=format, counts=_no_genes(list(files)), n_genes=n_genes)
    if format == "star":
        n_genes = len(read_columns(first, ["gene", *star.STRANDS])) - 4
    else:
        feature_counts.read_header(first)
        n_genes = TYPICAL
    return Peek(format=format, counts=_no_genes(list(files)), n_genes=n_genes)


def _h5ad(place: Path, layer: str | None) -> Peek:
    with opened(place) as file:
        samples, genes = (element(file, group, file[group].attrs["_index"]) for group in ("obs", "var"))
        layers = list(file["layers"]) if "layers" in file else []
        if layer is not None and layer not in layers:
            raise InputError(f"{place} has no layer {layer!r}. Its layers: {listing(layers) or 'none'}.")
    return Peek(format="h5ad", counts=_no_genes([str(name) for name in samples]), n_genes=len(genes))
