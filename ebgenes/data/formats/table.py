"""Text, or a workbook: genes by samples, or samples by genes."""

from __future__ import annotations

from pathlib import Path

from ebgenes.data.count_tables import BEGINNING
from ebgenes.data.counts_format import Asked, Format, Reading
from ebgenes.data.wide_tables import read_wide
from ebgenes.files import read_table

PACKED = 4
"""How many times smaller counts are packed, roughly."""
STARTS_OF_PACKED = (b"\x1f\x8b", b"BZ", b"\xfd7", b"\x28\xb5", b"PK")


def _read(asked: Asked) -> Reading:
    return read_wide(read_table(asked.place, numeric=True, worksheet=asked.worksheet), asked)


def _look(asked: Asked) -> tuple[Reading, int]:
    if asked.orientation == "samples_by_genes":
        # The first samples are not all.
        reading = _read(asked)
        return reading, len(reading.counts.gene)
    reading = read_wide(read_table(asked.place, numeric=True, most=BEGINNING, worksheet=asked.worksheet), asked)
    share = max(asked.place.stat().st_size * _packing(asked.place) / BEGINNING, 1)
    return reading, round(len(reading.counts.gene) * share)


def _packing(place: Path) -> int:
    with place.open("rb") as file:
        return PACKED if file.read(2) in STARTS_OF_PACKED else 1


FORMAT = Format(
    name="table",
    order=100,
    recognises=lambda found: not found.is_folder,
    takes=("file",),
    read=_read,
    look=_look,
    options=("orientation", "counts_are", "worksheet"),
)
