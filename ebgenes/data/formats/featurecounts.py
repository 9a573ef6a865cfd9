"""featureCounts: a table of all samples, or a folder with a table a sample."""

from __future__ import annotations

from ebgenes.data.counts_format import Asked, Format, Found, Reading
from ebgenes.data.feature_counts import feature_count_files, is_feature_counts, read_feature_counts
from ebgenes.data.formats.tables_by_sample import look_at_first, reading_of


def _is_feature_counts(found: Found) -> bool:
    if found.is_folder:
        return any(feature_count_files(found.place, found.sheet).values())
    return found.signature is None and is_feature_counts(found.place)


def _read(asked: Asked) -> Reading:
    return reading_of(read_feature_counts(asked.place, asked.sheet), asked)


FORMAT = Format(
    name="featurecounts",
    order=80,
    recognises=_is_feature_counts,
    takes=("file", "folder"),
    read=_read,
    look=look_at_first(_read, feature_count_files, "featurecounts output"),
    options=("counts_are",),
    words="featureCounts' table",
    sample_file="featureCounts.txt",
)
