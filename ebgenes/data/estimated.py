"""Estimated counts, which have decimals: rounded where they are known for what they are, refused where not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from ebgenes.arrays import FloatArray, text_array
from ebgenes.data.count_tables import counts_of
from ebgenes.errors import InputError, counted
from ebgenes.files import LARGEST_COUNT, as_numbers, read_text_table
from ebgenes.records.counts import Counts

COUNTS_ARE = ("auto", "raw", "estimated")
QUANTIFIED = re.compile(r"salmon|rsem|kallisto|tximport|tximeta|alevin|(^|[._-])txi([._-]|$)", re.IGNORECASE)
"""Names of files that hold estimated counts."""

QUANTIFIED_FILES = ("genes.results", "isoforms.results", "quant.sf", "abundance.tsv")
"""Ends of columns that are called after such programs' files, as rsem-generate-data-matrix calls them."""

NO_COUNTS = re.compile(
    r"(^|[._-])(tpm|[rf]pkm|cpm|log2?|logcpm|vst|rlog|norm|normali[sz]ed|zscores?)([._-]|$)", re.IGNORECASE
)
"""Names of tables of values that are no counts."""

LARGEST_LOG = 30.0
"""Logs to base 2 of counts are below it; a table whose values all are, and have decimals, is hardly one of counts."""

SCALED = re.compile(r"length_?scaled|_scaled", re.IGNORECASE)
"""Names of tables whose counts hold the lengths of transcripts already (tximport's countsFromAbundance)."""


def looks_estimated(path: str | Path, columns: Sequence[str]) -> bool:
    """Whether a table is one that salmon's, RSEM's or kallisto's users have: by its name, or as RSEM heads it."""
    heads = {str(name).lower() for name in columns}
    by_name = bool(QUANTIFIED.search(Path(path).name)) and not NO_COUNTS.search(Path(path).name.partition(".tsv")[0])
    by_files = len(heads) > 1 and sum(name.endswith(QUANTIFIED_FILES) for name in heads) >= len(heads) - 1
    return by_name or by_files or bool(heads & {"transcript_id(s)", "expected_count"})


def estimated_counts(frame: pd.DataFrame, where: str, *, counts_are: str, estimated: bool) -> tuple[Counts, list[str]]:
    """A table of genes by samples as counts, and whether they were rounded.

    Parameters
    ----------
    frame
        Genes by samples.
    where
        The file, for messages.
    counts_are
        One of `COUNTS_ARE`.
    estimated
        Whether ``auto`` takes decimals for estimates.

    Raises
    ------
    InputError
        Where they are no counts, or have decimals that nobody spoke of.
    """
    if counts_are != "estimated" and not (counts_are == "auto" and estimated):
        try:
            return counts_of(frame), []
        except InputError as error:
            value = _numbers(frame)
            if counts_are == "auto" and value is not None and not _is_no_count(where, value):
                words = "If a program such as salmon, RSEM or kallisto estimated them, say counts_are: estimated"
                raise InputError(f"{error} {words}; they are rounded then.") from None
            raise
    value = _numbers(frame)
    if value is None:
        return counts_of(frame), []
    if _is_scaled_to_million(value):
        raise InputError(
            f"{where}: all {value.shape[1]} samples sum to a million: these are TPM or CPM, and no counts. Give the "
            "matrix of counts that the same program writes."
        )
    count = np.rint(value).astype(np.int64)
    n_changed = int((count != value).sum())
    counts = Counts(gene=text_array(frame.index), sample=text_array(frame.columns), count=count)
    if not n_changed:
        return counts, []
    return counts, [
        f"counts are estimated: {n_changed} of {counted(value.size, 'value')} had decimals and were rounded."
    ]


def _numbers(frame: pd.DataFrame) -> FloatArray | None:
    """A table's values, (G, S), where all are numbers >= 0 of a count's size."""
    value = frame.apply(as_numbers).to_numpy(dtype=float)
    good = (value >= 0) & (value <= LARGEST_COUNT)
    return value if bool(good.all()) and value.size else None


def _is_no_count(where: str, value: FloatArray) -> bool:
    """Whether nobody would round these: by the file's name, or because they are logs or shares of a million."""
    return bool(NO_COUNTS.search(Path(where).name)) or bool(value.max() < LARGEST_LOG) or _is_scaled_to_million(value)


def _is_scaled_to_million(value: FloatArray) -> bool:
    total = value.sum(axis=0)
    return bool(len(value) > 20 and (np.abs(total / 1e6 - 1) < 1e-3).all() and (value != np.rint(value)).any())


def with_lengths(counts: Counts, path: str, counts_path: str) -> tuple[Counts, list[str]]:
    """Counts with the average lengths of transcripts of a table of genes by samples, as nf-core's gene_lengths.

    Raises
    ------
    InputError
        Where the table lacks genes or samples, lengths are not above 0, or the counts hold the lengths already.
    """
    require_unscaled(counts_path)
    return with_length_table(counts, read_text_table(path, numeric=True), path), [lengths_words(path)]


def lengths_words(path: str) -> str:
    """What is said of lengths that are read."""
    return f"average lengths of transcripts come from {path}, as offsets."


def with_length_table(counts: Counts, frame: pd.DataFrame, path: str) -> Counts:
    """As `with_lengths`, of a table that is read."""
    for names, known, what in ((counts.gene, frame.index, "genes"), (counts.sample, frame.columns, "samples")):
        missing = [str(name) for name in names if name not in known]
        if missing:
            raise InputError(
                f"{path}: {len(missing)} {what} of the counts have no lengths (first: {missing[0]}). Add them, or "
                "leave lengths out with gene_lengths: null."
            )
    value = frame.loc[list(counts.gene), list(counts.sample)].apply(as_numbers).to_numpy(float)
    bad = ~((value > 0) & np.isfinite(value))
    # Genes without reads may have no length.
    empty = bad & (counts.count == 0)
    if (bad & ~empty).any():
        g, s = np.argwhere(bad & ~empty)[0]
        raise InputError(
            f"{path}: lengths must be numbers above 0; {int((bad & ~empty).sum())} of {bad.size} are not (first: "
            f"{counts.gene[g]}, sample {counts.sample[s]})."
        )
    if empty.any():
        with np.errstate(invalid="ignore", divide="ignore"):
            log = np.where(bad, 0, np.log(np.where(bad, 1, value)))
        others = np.exp(log.sum(axis=1) / np.maximum((~bad).sum(axis=1), 1))
        value = np.where(bad, others[:, None], value)
    return replace(counts, length=value)


def require_unscaled(counts_path: str) -> None:
    """Refuse lengths beside counts that hold them already."""
    if SCALED.search(Path(counts_path).name):
        raise InputError(
            f"{counts_path}: these counts were scaled by the transcripts' lengths already. Leave gene_lengths out, or "
            "give the matrix that was not scaled."
        )


LENGTHS_BESIDE = "auto"


def chosen_lengths(asked: str | None, counts_path: str) -> str | None:
    """The table of lengths that is read: as asked, or with ``auto`` the one that nf-core writes beside the counts."""
    if asked != LENGTHS_BESIDE:
        return asked
    beside = lengths_beside(counts_path)
    return None if beside is None else str(beside)


def lengths_beside(path: str | Path) -> Path | None:
    """The matrix of lengths that nf-core writes beside one of counts, where it is there."""
    place = Path(path)
    if "gene_counts" not in place.name or SCALED.search(place.name):
        return None
    beside = place.with_name(place.name.replace("gene_counts", "gene_lengths"))
    return beside if beside.is_file() else None
