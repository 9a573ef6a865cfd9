"""featureCounts: a table of all samples, or a folder with a table a sample."""

from __future__ import annotations

from ebgenes.data.counts_format import Asked, Format, Found, Reading, has_files
from ebgenes.data.feature_counts import ENDINGS, is_feature_counts, read_feature_counts
from ebgenes.data.formats.tables_by_sample import look_at_first, reading_of
from ebgenes.data.sample_files import sample_files


def _is_feature_counts(found: Found) -> bool:
    if found.is_folder:
        return has_files(found, ENDINGS)
    return found.signature is None and is_feature_counts(found.place)


def _read(asked: Asked) -> Reading:
    return reading_of(read_feature_counts(asked.place, asked.sheet), asked)


FORMAT = Format(
    name="featurecounts",
    order=80,
    recognises=_is_feature_counts,
    takes=("file", "folder"),
    read=_read,
    look=look_at_first(_read, lambda place, sheet: sample_files(place, sheet, ENDINGS), "featurecounts output"),
    options=("counts_are",),
    words="featureCounts' table",
    sample_file="featureCounts.txt",
)
