"""Tables of counts and of offsets, one row a gene: text, .gz and parquet."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ebgenes.arrays import FloatArray, TextArray, text_array
from ebgenes.errors import InputError
from ebgenes.files import LARGEST_COUNT, as_numbers, existing_file, one_line, read_text_table, require_unique
from ebgenes.limits import UNSUSPECTED, require_size
from ebgenes.records.counts import Counts

LARGEST_OFFSET = 100


def counts_of(frame: pd.DataFrame) -> Counts:
    """A table of genes by samples as counts; errors as `whole_numbers`."""
    gene, sample = text_array(frame.index), text_array(frame.columns)
    if (frame.dtypes == np.int64).all() and plain_counts(whole := frame.to_numpy()):
        return Counts(gene=gene, sample=sample, count=whole)
    columns = [whole_numbers(frame[name], str(name), gene) for name in frame.columns]
    return Counts(gene=gene, sample=sample, count=np.column_stack(columns))


BEGINNING = 300_000
"""Bytes that a look at a table reads."""


def first_counts(path: str | os.PathLike[str]) -> tuple[Counts, int]:
    """The first genes of a table of counts, and about how many genes it has; errors as `read_counts`."""
    counts = counts_of(read_text_table(path, numeric=True, most=BEGINNING))
    n_bytes = Path(path).stat().st_size
    if Path(path).suffix == ".gz":
        # As counts are packed, roughly.
        n_bytes *= 4
    return counts, max(round(len(counts.gene) * n_bytes / BEGINNING), len(counts.gene))


def read_parquet(path: str | os.PathLike[str]) -> pd.DataFrame:
    """A table indexed by its first column, or by the index that pandas kept."""
    found = existing_file(path)
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise InputError(f"{found} needs pyarrow: pip install 'ebgenes[parquet]'.") from None
    try:
        with parquet.ParquetFile(found, page_checksum_verification=True) as file:
            told = file.metadata
            _require_no_bomb(found, told.num_rows, told.num_columns)
            frame: pd.DataFrame = file.read().to_pandas()
    except InputError:
        raise
    except (pyarrow.ArrowException, OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{found} is not a readable .parquet file: {one_line(error)} Was it cut short or damaged? Make it anew."
        ) from None
    if isinstance(frame.index, pd.RangeIndex) and frame.shape[1]:
        frame = frame.set_index(frame.columns[0])
    if frame.shape[1] == 0:
        raise InputError(f"{found} has one column only. Give gene ids and one column a sample.")
    frame.index = pd.Index([str(name) for name in frame.index])
    require_unique(list(frame.index), "rows", found)
    require_unique([str(name) for name in frame.columns], "columns", found)
    return frame


PARQUET_RATIO = 100
"""Values that a byte may stand for: of genes without reads in most cells, some tens."""


def _require_no_bomb(path: Path, n_rows: int, n_columns: int) -> None:
    """Refuse what would fill the memory; errors as `read_parquet`."""
    n_values, held = n_rows * n_columns, path.stat().st_size
    if 8 * n_values > UNSUSPECTED and n_values > PARQUET_RATIO * held:
        raise InputError(
            f"{path} has {held:,} bytes and declares {n_values:.3g} values, which no table of counts does. It is "
            "damaged, or made to fill the memory; make it anew."
        )
    require_size(path, 8.0 * n_values)


def whole_numbers(column: pd.Series, sample: str, gene: Sequence[str] | TextArray) -> Any:
    """A sample's counts, (G,).

    Raises
    ------
    InputError
        Where they are not whole numbers >= 0.
    """
    values = column.to_numpy()
    if plain_counts(values):
        return values
    numbers = as_numbers(column).to_numpy(dtype=float)
    require_whole(numbers, values, gene, sample)
    return numbers.astype(np.int64)


def plain_counts(values: Any) -> bool:
    """Whether an array has an integer type and nothing that needs a closer look."""
    return values.dtype.kind in "iu" and (not values.size or (values.min() >= 0 and values.max() <= LARGEST_COUNT))


def require_whole(numbers: FloatArray, shown: Any, gene: Sequence[str] | TextArray, sample: str) -> None:
    """Refuse a sample's values, (G,), that are not whole numbers >= 0; shown are they as the file has them."""
    with np.errstate(invalid="ignore"):
        good = (numbers >= 0) & (numbers == np.floor(numbers)) & (numbers <= LARGEST_COUNT)
    if not good.all():
        first = int(np.argmin(good))
        raise InputError(
            f"counts must be whole numbers >= 0; {int((~good).sum())} of {len(good)} genes in sample {sample} are not "
            f"(first: {gene[first]}: {str(shown[first])[:40]!r}). Give raw counts, not TPM, logs or other columns."
        )


def read_offsets(path: str | os.PathLike[str], counts: Counts) -> FloatArray:
    """Natural-log offsets, (G, S), in the counts' order, from a table of genes by samples."""
    return _offsets_of(read_text_table(path, numeric=True), path, counts.gene, counts.sample)


def first_offsets(path: str | os.PathLike[str], sample: TextArray) -> FloatArray:
    """Offsets of the first genes of a file, (G, S); errors as `read_offsets`."""
    frame = read_text_table(path, numeric=True, most=BEGINNING)
    return _offsets_of(frame, path, text_array(frame.index), sample)


def _offsets_of(frame: pd.DataFrame, path: str | os.PathLike[str], gene: TextArray, sample: TextArray) -> FloatArray:
    missing = [name for name in gene if name not in frame.index]
    absent = [name for name in sample if name not in frame.columns]
    for names, what in ((missing, "genes"), (absent, "samples")):
        if names:
            raise InputError(
                f"{path}: {len(names)} {what} of the counts have no offsets (first: {names[0]}). Add them; size "
                "factors, one a sample, go under the key size_factors."
            )
    values = frame.loc[list(gene), list(sample)].apply(as_numbers).to_numpy(dtype=float)
    bad = ~(np.abs(values) <= LARGEST_OFFSET)
    if bad.any():
        g, s = np.argwhere(bad)[0]
        raise InputError(
            f"{path}: offsets must be natural logs, numbers from -{LARGEST_OFFSET} to {LARGEST_OFFSET}; "
            f"{int(bad.sum())} of {bad.size} are not (first: {gene[g]}, sample {sample[s]}). "
            "Take the logarithm of size factors."
        )
    return np.asarray(values)
