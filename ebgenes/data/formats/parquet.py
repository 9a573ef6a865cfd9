"""Parquet: a table of genes by samples, or samples by genes."""

from __future__ import annotations

from ebgenes.data.count_tables import read_parquet
from ebgenes.data.counts_format import Asked, Format, Reading
from ebgenes.data.wide_tables import read_wide
from ebgenes.files import TextTable


def _read(asked: Asked) -> Reading:
    return read_wide(TextTable(frame=read_parquet(asked.place)), asked)


FORMAT = Format(
    name="parquet",
    order=20,
    recognises=lambda found: found.signature == "parquet",
    takes=("file",),
    read=_read,
    options=("orientation", "counts_are"),
)
