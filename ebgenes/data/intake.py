"""A dataset's files as they enter: its sheet and its counts, made to fit, and what was done to them."""

# The protocol's properties are the keys of the config, described in its schema.
# ruff: noqa: D102

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from ebgenes.arrays import text_array
from ebgenes.data.cells import element, opened
from ebgenes.data.count_tables import BEGINNING
from ebgenes.data.estimated import LENGTHS_BESIDE, chosen_lengths, lengths_words, require_unscaled
from ebgenes.data.feature_counts import HEADER, is_feature_counts, read_header
from ebgenes.data.filter import match_samples
from ebgenes.data.reading import Peek, peek, read_input
from ebgenes.data.sheets import Sheet, read_sheet
from ebgenes.data.signatures import format_of
from ebgenes.data.tenx import barcodes, is_tenx
from ebgenes.design.columns import column_doubts, is_missing, is_numeric, require_clear_levels, used_columns
from ebgenes.errors import InputError, counted, either, listing, nearest
from ebgenes.files import as_numbers, readable, require_unique
from ebgenes.records.counts import Counts
from ebgenes.text_files import find_layout, is_excel, read_text

MISSING = ("error", "drop")


class Source(Protocol):
    """What is told of a dataset's files; see the config's section ``datasets``."""

    @property
    def counts(self) -> str: ...
    @property
    def format(self) -> str: ...
    @property
    def layer(self) -> str | None: ...
    @property
    def tx2gene(self) -> str | None: ...
    @property
    def strandedness(self) -> str: ...
    @property
    def samples(self) -> str | None: ...
    @property
    def pseudobulk(self) -> Any: ...
    @property
    def design(self) -> str: ...
    @property
    def exclude(self) -> Sequence[str]: ...
    @property
    def missing(self) -> str: ...
    @property
    def factors(self) -> Sequence[str]: ...
    @property
    def numeric(self) -> Sequence[str]: ...
    @property
    def sum_by(self) -> str | None: ...
    @property
    def orientation(self) -> str: ...
    @property
    def counts_are(self) -> str: ...
    @property
    def gene_lengths(self) -> str | None: ...
    @property
    def offsets(self) -> str | None: ...
    @property
    def worksheets(self) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Samples:
    """A dataset's samples.

    Attributes
    ----------
    counted
        The sheet's rows that have counts, indexed by the counts' samples.
    frame
        The samples of the design: the same rows, or one for each group that is summed.
    group
        Of each row of `counted`, the sample of the design; None where nothing is summed.
    notes
        What was done, a sentence each.
    """

    counted: pd.DataFrame
    frame: pd.DataFrame
    group: pd.Series | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Intake:
    """Counts and sheet of a dataset, in one order; names of genes that came with the counts; what was done."""

    counts: Counts
    samples: pd.DataFrame
    names: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def take_in(source: Source) -> Intake:
    """Read a dataset's sheet and counts.

    Raises
    ------
    InputError
        For whatever is wrong with them.
    """
    samples = samples_of(source)
    reading = read_input(
        source.counts,
        samples.counted,
        format=source.format,
        layer=source.layer,
        tx2gene=source.tx2gene,
        strandedness=source.strandedness,
        orientation=source.orientation,
        counts_are=source.counts_are,
        gene_lengths=lengths_of(source),
        worksheet=source.worksheets.get("counts"),
    )
    counts = match_samples(reading.counts, text_array(samples.counted.index))
    if samples.group is not None:
        counts = summed(counts, samples.group, list(samples.frame.index))
    return Intake(counts=counts, samples=samples.frame, names=reading.names, notes=(*samples.notes, *reading.notes))


def look_at(source: Source, samples: Samples) -> Peek:
    """Look at the beginning of a dataset's counts, as `take_in` will find them.

    Raises
    ------
    InputError
        For what is wrong so far.
    """
    seen = peek(
        source.counts, samples.counted, format=source.format, layer=source.layer, tx2gene=source.tx2gene,
        orientation=source.orientation, counts_are=source.counts_are, strandedness=source.strandedness,
        worksheet=source.worksheets.get("counts"),
    )  # fmt: skip
    match_samples(seen.counts, text_array(samples.counted.index))
    lengths = lengths_of(source)
    if lengths is not None:
        require_unscaled(source.counts)
        _look_at_lengths(lengths, samples)
        seen = replace(seen, notes=(*seen.notes, lengths_words(lengths)))
    return seen


def lengths_of(source: Source) -> str | None:
    """The table of lengths: where offsets are given, none is looked for beside the counts."""
    asked = None if source.gene_lengths == LENGTHS_BESIDE and source.offsets is not None else source.gene_lengths
    return chosen_lengths(asked, source.counts)


def _look_at_lengths(path: str, samples: Samples) -> None:
    from_file = _of_table(Path(path))
    missing = [str(name) for name in samples.counted.index if str(name) not in from_file]
    if missing:
        raise InputError(
            f"{path}: {len(missing)} samples of the counts have no lengths (first: {missing[0]}). Add them, or leave "
            "lengths out with gene_lengths: null."
        )


def samples_of(source: Source) -> Samples:
    """A dataset's sample sheet, ready for its design.

    Raises
    ------
    InputError
        Where the sheet cannot be read, values that the design needs are missing, or levels are not clear.
    """
    return settled(_of_obs(source) if source.samples is None else _sheet_of(source, source.samples), source)


def settled(sheet: Sheet, source: Source) -> Samples:
    """A sheet that has been read, ready for the design; errors as `samples_of`."""
    frame, notes = sheet.frame, list(sheet.notes)
    frame = _without(frame, source.exclude, notes)
    used = used_columns(source.design, frame.columns)
    frame = _typed_as_told(frame, source, notes)
    if source.sum_by is not None:
        _require_column(frame, source.sum_by, "sum_by")
        used = [*used, *([source.sum_by] if source.sum_by not in used else [])]
    frame = _settled(frame, used, source.missing, notes)
    require_clear_levels(frame, source.design)
    merged, group = frame, None
    if source.sum_by is not None:
        merged, group = _merged(frame, source.sum_by, used_columns(source.design, frame.columns), notes)
    notes.extend(_replicate_doubts(merged, source))
    notes.extend(column_doubts(merged, source.design, factors=source.factors, numeric=source.numeric))
    return Samples(counted=frame, frame=merged, group=group, notes=tuple(notes))


def _sheet_of(source: Source, path: str) -> Sheet:
    return read_sheet(path, entries_of(source), source.worksheets.get("samples"))


def _of_obs(source: Source) -> Sheet:
    """The sheet that an .h5ad holds."""
    path = Path(source.counts)
    if source.pseudobulk is not None or not _is_h5ad(source):
        raise InputError(
            "samples is missing: name the sample sheet. Counts in an .h5ad alone may bring their own (obs)."
        )
    with opened(path) as file:
        obs = pd.DataFrame(_read_obs(file))
    return sheet_of(obs, path)


def sheet_of(obs: pd.DataFrame, path: Path) -> Sheet:
    """A table of samples that is in memory already as a sheet; path says in messages where it is from.

    Raises
    ------
    InputError
        Where names repeat or there is no column.
    """
    obs = obs.set_axis(obs.index.astype(str), axis=0)
    require_unique(list(obs.index), "samples", path)
    require_unique([str(name) for name in obs.columns], "columns", path)
    columns = {str(name): _plain_column(obs[name]) for name in obs.columns}
    frame = pd.DataFrame(columns, index=obs.index)
    if frame.shape[1] == 0:
        raise InputError(f"{path}: obs has no columns, and no sample sheet is named (samples:). Name one.")
    return Sheet(frame=frame, notes=(f"the sample sheet is obs of {path}.",))


def _is_h5ad(source: Source) -> bool:
    path = Path(source.counts)
    if source.format != "auto" or path.suffix == ".h5ad" or not path.is_file():
        return "h5ad" in (source.format, path.suffix[1:])
    return format_of(path) == "h5ad"


def _read_obs(file: Any) -> pd.DataFrame:
    from anndata.io import read_elem

    found: pd.DataFrame = read_elem(file["obs"])
    return found


def _plain_column(values: pd.Series) -> pd.Series:
    """A column of obs as a sheet has it: numbers, or text with nothing where a value is missing."""
    if is_numeric(values):
        return values.astype(float) if values.isna().any() or values.dtype.kind not in "iuf" else values
    text = values.astype(object)
    return text.where(~values.isna(), "").astype(str).str.strip()


def entries_of(source: Source) -> list[str]:
    """Names of the counts' columns or files; none where they cannot be told, which reading the counts will say."""
    path = Path(source.counts)
    if source.pseudobulk is not None:
        return []
    try:
        if is_tenx(path):
            return barcodes(path)
        if path.is_dir():
            return sorted(os.listdir(path))
        if _is_h5ad(source):
            with opened(path) as file:
                return [str(name) for name in element(file, "obs", file["obs"].attrs["_index"])]
        if not path.is_file() or "parquet" in (source.format, path.suffix[1:]) or format_of(path) == "parquet":
            return []
        return _of_table(path)
    except (InputError, OSError, KeyError):
        return []


def _of_table(path: Path) -> list[str]:
    with readable(path):
        if is_excel(path):
            return []
        if is_feature_counts(path):
            return read_header(path)
        names = find_layout(read_text(path, BEGINNING).content, path).names
    return [name for name in names[1:] if name not in HEADER]


def _without(frame: pd.DataFrame, exclude: Sequence[str], notes: list[str]) -> pd.DataFrame:
    unknown = [str(name) for name in exclude if str(name) not in frame.index]
    if unknown:
        raise InputError(
            f"exclude: {len(unknown)} of {len(exclude)} names {either(len(unknown), 'is no sample', 'are no samples')} "
            f"of the sheet (first: {unknown[0]!r})."
            f"{nearest(unknown[0], frame.index)}"
        )
    if not exclude:
        return frame
    left = frame.drop(index=[str(name) for name in exclude])
    n = len(exclude)
    notes.append(
        f"{counted(n, 'sample')} {either(n, 'was', 'were')} left out as asked (exclude: {listing(exclude, 6)})."
    )
    if not len(left):
        raise InputError(f"exclude leaves no sample of {len(frame)}. Leave some in.")
    return left


def _require_column(frame: pd.DataFrame, column: str, key: str) -> None:
    if column not in frame.columns:
        known = [str(name) for name in frame.columns]
        raise InputError(
            f"{key} names {column!r}, which is not a column of the sample sheet. Its columns: {listing(known)}."
            f"{nearest(column, known)}"
        )


def _typed_as_told(frame: pd.DataFrame, source: Source, notes: list[str]) -> pd.DataFrame:
    """Columns of numbers as factors where the config says so; those of numbers must be that."""
    for column in source.factors:
        _require_column(frame, column, "factors")
        if is_numeric(frame[column]):
            values = frame[column]
            text = values.astype(str) if values.dtype.kind in "iu" else values.map(lambda value: f"{value:.15g}")
            frame = frame.assign(**{column: text.where(~values.isna(), "").astype(object)})
    for column in source.numeric:
        _require_column(frame, column, "numeric")
        values = frame[column]
        if not is_numeric(values):
            numbers = as_numbers(values.mask(is_missing(values), "nan"))
            bad = numbers.isna() & ~is_missing(values)
            if n := int(bad.sum()):
                raise InputError(
                    f"numeric: column {column!r} of the sample sheet must hold numbers; {n} of {len(bad)} values "
                    f"{either(n, 'is', 'are')} not (first: sample {values.index[bad][0]}: "
                    f"{values[bad].iloc[0]!r}). Mend them."
                )
            frame = frame.assign(**{column: numbers.astype(float)})
    return frame


def _settled(frame: pd.DataFrame, used: Sequence[str], missing: str, notes: list[str]) -> pd.DataFrame:
    """The samples that have all values the design needs."""
    gaps = {column: empty for column in used if (empty := is_missing(frame[column])).any()}
    if not gaps:
        return frame
    lacking = np.logical_or.reduce([empty.to_numpy() for empty in gaps.values()])
    names = [str(name) for name in frame.index[lacking]]
    column = next(iter(gaps))
    if missing != "drop":
        raise InputError(
            f"{len(names)} of {len(frame)} samples {either(len(names), 'has', 'have')} no value in a column "
            f"that the design needs (first: sample "
            f"{names[0]}, column {next(c for c, empty in gaps.items() if empty[names[0]])!r}; empty, NA, N/A, NaN, "
            "NULL and errors of spreadsheets count as none). Fill it in, or leave such samples out with missing: drop."
        )
    kept: pd.DataFrame = frame.loc[~lacking]
    if not len(kept):
        raise InputError(f"no sample has all values the design needs; column {column!r} is the first with gaps.")
    notes.append(
        f"{len(names)} of {len(frame)} samples {either(len(names), 'was', 'were')} left out, because a value "
        f"that the design needs is missing "
        f"({listing(names, 6)}; columns: {listing(gaps, 4)})."
    )
    return kept


def _merged(frame: pd.DataFrame, by: str, used: Sequence[str], notes: list[str]) -> tuple[pd.DataFrame, pd.Series]:
    """One row for each group of technical replicates, whose rows must agree on what the design uses."""
    group = frame[by].astype(str)
    same = frame.astype(str).groupby(group, sort=False).nunique() == 1
    for column in used:
        if column != by and not same[column].all():
            first, n = same.index[~same[column]][0], int((~same[column]).sum())
            values = frame.loc[group == first, column]
            raise InputError(
                f"sum_by: {by}: {n} of {len(same)} groups {either(n, 'has', 'have')} several values in {column!r}, "
                f"which the design uses (first: {first}: {listing(dict.fromkeys(values), 4)}). Rows that are summed "
                "must agree."
            )
    differing = [str(column) for column in same.columns if column != by and not same[column].all()]
    # It becomes the samples' name.
    gone = [*differing, *([by] if by not in used else [])]
    merged = frame[~group.duplicated()].drop(columns=gone)
    merged = merged.set_axis(pd.Index(list(group[~group.duplicated()]), name=by), axis=0)
    size = group.value_counts()
    told = f"; columns that differ within them were left out ({listing(differing, 4)})" if differing else ""
    notes.append(
        f"counts of {len(frame)} rows of the sheet were summed to {len(merged)} samples by {by!r} ({size.min()} to "
        f"{size.max()} each){told}."
    )
    return merged, group


LANES = re.compile(r"lane|flow_?cell|tech(nical)?_?rep|seq(uencing)?_?(run|batch)|^run(_?id)?$", re.IGNORECASE)
"""Names of columns that tell technical replicates apart."""


def _replicate_doubts(frame: pd.DataFrame, source: Source) -> list[str]:
    """A warning where rows look like lanes of fewer libraries, whose spread says nothing of their biology."""
    used = used_columns(source.design, frame.columns)
    lanes = [str(column) for column in frame.columns if LANES.search(str(column)) and column not in used]
    if source.sum_by is not None or not lanes:
        return []
    for column in frame.columns:
        groups = frame[column].astype(str)
        n = groups.nunique()
        if column in (*lanes, *used) or n < 2 or groups.value_counts().min() < 2:
            continue
        by = frame.assign(**{str(column): groups}).groupby(str(column))
        same = all((by[each].nunique(dropna=False) == 1).all() for each in used)
        apart = (by[lanes[0]].nunique() == by.size()).all()
        if same and apart:
            return [
                f"warning: {len(frame)} samples look like {n} of {column!r}, each in several of {lanes[0]!r}: "
                f"taken for "
                f"replicates, such lanes make any difference of libraries look sure. Say sum_by: {column}."
            ]
    return []


def summed(counts: Counts, group: pd.Series, order: Sequence[str]) -> Counts:
    """Counts summed over technical replicates, as DESeq2's collapseReplicates; lengths averaged by their reads."""
    place = {name: i for i, name in enumerate(order)}
    code = np.array([place[name] for name in group])
    total = np.zeros((len(counts.gene), len(order)), dtype=np.int64)
    np.add.at(total.T, code, counts.count.T)
    length = None
    if counts.length is not None:
        # A read more, so that genes without any have the plain mean.
        weight = counts.count + 1.0
        parts = np.zeros(total.shape), np.zeros(total.shape)
        np.add.at(parts[0].T, code, (weight * counts.length).T)
        np.add.at(parts[1].T, code, weight.T)
        length = parts[0] / parts[1]
    return replace(counts, sample=text_array(order), count=total, length=length)


def tell(notes: Sequence[str], say: Callable[[str], None]) -> None:
    """Say each note once."""
    for note in dict.fromkeys(notes):
        say(note)
