"""htseq-count: a folder with a file of gene and count a sample."""

from __future__ import annotations

from ebgenes.data.counts_format import Asked, Format, Found, Reading
from ebgenes.data.formats.tables_by_sample import look_at_first, reading_of
from ebgenes.data.htseq import htseq_files, read_htseq


def _is_htseq(found: Found) -> bool:
    return found.is_folder and any(htseq_files(found.place, found.sheet).values())


def _read(asked: Asked) -> Reading:
    return reading_of(read_htseq(asked.place, asked.sheet), asked)


FORMAT = Format(
    name="htseq",
    order=90,
    recognises=_is_htseq,
    takes=("folder",),
    read=_read,
    look=look_at_first(_read, htseq_files, "file of two columns, gene and count"),
    options=("counts_are",),
    words="a folder of htseq-count's files",
    sample_file="file of gene and count",
)
