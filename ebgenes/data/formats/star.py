"""STAR's ReadsPerGene.out.tab, a file a sample."""

from __future__ import annotations

from ebgenes.data.counts_format import Asked, Format, Reading, has_files
from ebgenes.data.star import ENDINGS, read_star


def _read(asked: Asked) -> Reading:
    # Only all files tell whether their strands are clear, so that a look reads them too.
    counts, notes = read_star(asked.place, asked.sheet, asked.strandedness)
    return Reading(counts=counts, notes=tuple(notes))


FORMAT = Format(
    name="star",
    order=70,
    recognises=lambda found: has_files(found, ENDINGS),
    takes=("folder",),
    read=_read,
    options=("strandedness",),
    words="a folder of STAR's files",
    sample_file="ReadsPerGene.out.tab",
)
