"""What formats share that have a table a sample, or one of all samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd

from ebgenes.data.annotation_columns import Told, without_totals
from ebgenes.data.counts_format import Asked, Reading
from ebgenes.data.estimated import estimated_counts
from ebgenes.data.sample_files import require_files
from ebgenes.data.wide_tables import no_genes

SAMPLES_LOOKED_AT = 2


def reading_of(table: Told, asked: Asked) -> Reading:
    """A table of genes by samples as counts."""
    counts, notes = estimated_counts(table.frame, str(asked.place), counts_are=asked.counts_are, estimated=False)
    return Reading(counts=counts, notes=(*table.notes, *notes), names=table.names)


def look_at_first(
    read: Callable[[Asked], Reading], files: Callable[[Path, pd.DataFrame], dict[str, Path | None]], what: str
) -> Callable[[Asked], tuple[Reading, int]]:
    """A look that finds all samples' files in a folder and reads the first; one table of all samples is read."""

    def look(asked: Asked) -> tuple[Reading, int]:
        if not asked.place.is_dir():
            reading = read(asked)
            return reading, len(reading.counts.gene)
        require_files(files(asked.place, asked.sheet), asked.place, what)
        reading = read(replace(asked, sheet=asked.sheet.iloc[:SAMPLES_LOOKED_AT]))
        _, totals = without_totals(reading.counts)
        samples = no_genes([str(name) for name in asked.sheet.index])
        return replace(reading, counts=samples, notes=(*reading.notes, *totals)), len(reading.counts.gene)

    return look
