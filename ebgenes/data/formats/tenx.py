"""10x Genomics' matrices, a column a sample: an .h5 file, or a folder with matrix.mtx."""

from __future__ import annotations

from ebgenes.data.counts_format import Asked, Format, Found, Reading
from ebgenes.data.tenx import is_tenx, names_in_features, read_tenx
from ebgenes.data.wide_tables import with_samples_of


def _is_tenx(found: Found) -> bool:
    return is_tenx(found.place) if found.is_folder else found.signature == "10x"


def _read(asked: Asked) -> Reading:
    return with_samples_of(asked.sheet, read_tenx(asked.place), str(asked.place), names_in_features(asked.place))


FORMAT = Format(
    name="10x", order=30, recognises=_is_tenx, takes=("folder", "file"), read=_read, words="a matrix of 10x"
)
