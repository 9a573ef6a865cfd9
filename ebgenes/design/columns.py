"""What a design makes of a sheet's columns: slopes or levels, how many samples each, and what looks like a mistake."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import yaml

from ebgenes.arrays import FloatArray, IntArray
from ebgenes.design.formulas import split_formula
from ebgenes.errors import InputError, InputErrors, counted, either, listing
from ebgenes.text_files import NUMBER

WORD = re.compile(r"`([^`]+)`|\"[^\"]*\"|'[^']*'|([^\W\d]\w*)")
CALL = re.compile(r"[\w.]+\([^()]*\)")
LEVELS = re.compile(r"\bC\(\s*`?([^`,()]+?)`?\s*[,)]")

MISSING = frozenset(
    (
        "", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "<NA>", "NULL", "null", "NaT", "N.A.", "n.a.", "#NA", "#DIV/0!",
        "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!",
    )
)  # fmt: skip
"""What stands for no value in a sheet, errors of spreadsheets among them."""

MAYBE_MISSING = frozenset(("-", "--", ".", "?", "na", "n/d", "nd", "nil", "missing", "unknown", "not available"))
"""What may stand for no value, in small letters, and is a level like others until someone says so."""

MOST_CODES = 12
"""Numbers beyond which a column is hardly one of codes."""

MOSTLY = 0.5
"""Share of numbers above which a column of text was meant to hold numbers."""


def used_columns(formula: str, columns: Collection[str]) -> list[str]:
    """The sheet's columns that a formula names, in the sheet's order."""
    words = {quoted or word for quoted, word in WORD.findall(formula)}
    return [str(column) for column in columns if str(column) in words]


def slopes(samples: pd.DataFrame, formula: str) -> list[str]:
    """Columns of numbers that stand in the formula as they are: each has a slope."""
    fixed, _ = split_formula(formula)
    while (without := CALL.sub(" ", fixed)) != fixed:
        fixed = without
    return [column for column in used_columns(fixed, samples.columns) if is_numeric(samples[column])]


def is_numeric(values: pd.Series) -> bool:
    """Whether a column has slopes where nothing else is said."""
    return bool(pd.api.types.is_numeric_dtype(values)) and not pd.api.types.is_bool_dtype(values)


def is_missing(values: pd.Series) -> pd.Series:
    """Which of a column's cells say nothing."""
    return values.isna() | values.astype(str).str.strip().isin(MISSING)


def factors_of(samples: pd.DataFrame, formula: str) -> list[str]:
    """Columns whose levels the formula tells apart: text, numbers in C(), and those of random factors."""
    fixed, _ = split_formula(formula)
    used = used_columns(formula, samples.columns)
    coded = {name.strip() for name in LEVELS.findall(fixed)} | set(used).difference(used_columns(fixed, used))
    return [column for column in used if column in coded or not is_numeric(samples[column])]


def looks_coded(values: pd.Series) -> bool:
    """Whether numbers look like codes of groups: three or more whole ones, each for several samples, or 1 to n."""
    number = values[~is_missing(values)].to_numpy(dtype=float)
    distinct = np.unique(number)
    if not len(number) or (distinct != np.rint(distinct)).any() or len(distinct) < 3:
        return False
    row = np.arange(len(distinct)) + distinct[0]
    counted = distinct[0] in (0, 1) and bool((distinct == row).all())
    if counted and len(distinct) < len(number) and len(distinct) <= MOST_CODES:
        return True
    return len(distinct) <= len(number) / 2 and (counted or len(distinct) <= MOST_CODES)


def describe_columns(samples: pd.DataFrame, formula: str) -> list[str]:
    """A line for each column the design uses: its kind, and samples per level."""
    lines = []
    levels, sloped = factors_of(samples, formula), slopes(samples, formula)
    for column in used_columns(formula, samples.columns):
        values = samples[column][~is_missing(samples[column])]
        if column in levels:
            counts = values.astype(str).value_counts(sort=False).sort_index()
            alone = [str(level) for level, n in counts.items() if n == 1]
            shown = listing([f"{level} {n}" for level, n in counts.items()], 12)
            words = f"{column}: {shown}"
            if alone and len(alone) < len(counts):
                words += f" (one sample alone: {listing(alone, 4)})"
            lines.append(words)
            continue
        distinct = sorted(set(values))
        shown = listing([f"{value:g}" for value in distinct], 6)
        what = f"numbers ({shown})" if len(distinct) <= 6 else f"numbers from {distinct[0]:g} to {distinct[-1]:g}"
        ask = f", one slope; levels? write C({column})" if column in sloped else ""
        lines.append(f"{column}: {what}{ask}")
    return lines


def column_doubts(
    samples: pd.DataFrame, formula: str, *, factors: Sequence[str] = (), numeric: Sequence[str] = ()
) -> list[str]:
    """Warnings of columns that may have been read as another kind than was meant, a sentence each."""
    doubts = []
    for column in slopes(samples, formula):
        if column not in numeric and looks_coded(samples[column]):
            codes = listing([f"{value:g}" for value in sorted(set(samples[column].dropna()))], 6)
            doubts.append(
                f"warning: column {column!r} of the sheet holds the whole numbers {codes}, and has one slope: "
                f"each step "
                f"changes expression by the same factor. If they are codes of groups, write C({column}) in the design "
                f"or factors: [{column}]; if they are amounts, numeric: [{column}]."
            )
    for column in used_columns(formula, samples.columns):
        values = samples[column]
        if column in factors or is_numeric(values) or column not in factors_of(samples, formula):
            continue
        told = values[~is_missing(values)].astype(str)
        for levels in _alike(list(told.unique()), _without_signs):
            doubts.append(
                f"warning: the levels {listing(map(repr, levels), 4)} of column {column!r} of the sheet differ by "
                "signs between words alone. Write them alike if they are one."
            )
        maybe = told[told.str.casefold().isin(MAYBE_MISSING)]
        if len(maybe):
            doubts.append(
                f"warning: {maybe.iloc[0]!r} in column {column!r} of the sheet (first: sample {maybe.index[0]}; "
                f"{counted(len(maybe), 'sample')}) is taken for a level. If it stands for no value, write NA."
            )
        odd = told[[not NUMBER.fullmatch(value) for value in told]]
        if len(odd) and len(odd) < (1 - MOSTLY) * len(told):
            doubts.append(
                f"warning: column {column!r} of the sheet is text, and so a factor of {told.nunique()} levels, because "
                f"of {odd.iloc[0]!r} (sample {odd.index[0]}; {len(odd)} of {len(told)} values "
                f"{either(len(odd), 'is no number', 'are no numbers')}). Mend "
                f"the value, or say factors: [{column}]."
            )
    return doubts


def _plain_level(level: str) -> str:
    """A level without what the eye passes over: case, blanks, letters composed in another way or of no width."""
    seen = "".join(letter for letter in unicodedata.normalize("NFKC", level) if unicodedata.category(letter) != "Cf")
    return "".join(seen.split()).casefold()


def _without_signs(level: str) -> str:
    """As `_plain_level`, without the signs between words."""
    return re.sub(r"(?<=[^\W\d_])[_-]+(?=[^\W_])", "", _plain_level(level))


def _alike(levels: Sequence[str], plain: Callable[[str], str]) -> list[list[str]]:
    """Levels that are the same when they are written plainly."""
    alike: dict[str, list[str]] = {}
    for level in levels:
        alike.setdefault(plain(level), []).append(level)
    return [sorted(each) for each in alike.values() if len(each) > 1]


def _difference(levels: Sequence[str]) -> str:
    """By what levels differ."""
    plain = {"".join(level.split()).casefold() for level in levels}
    return "case or blanks" if len(plain) == 1 else "how their letters are stored"


def require_clear_levels(samples: pd.DataFrame, formula: str) -> None:
    """Refuse levels that differ by case, blanks or how letters are composed alone.

    Raises
    ------
    InputErrors
        One message a column.
    """
    messages = []
    for column in factors_of(samples, formula):
        values = samples[column][~is_missing(samples[column])].astype(str)
        counts = values.value_counts(sort=False)
        for levels in _alike(list(counts.index), _plain_level):
            shown = " and ".join(f"{level!r} ({counted(int(counts[level]), 'sample')})" for level in levels)
            rarest = min(levels, key=lambda level: int(counts[level]))
            first = values.index[values == rarest][0]
            messages.append(
                f"column {column!r} of the sheet: the levels {shown} differ by {_difference(levels)} alone (first: "
                f"sample {first}, {rarest!r}). Write them alike."
            )
    if len(messages) == 1:
        raise InputError(messages[0])
    if messages:
        raise InputErrors("levels of the sample sheet are not clear:", messages)


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """What formulaic knows of a design, without the columns that are 0 in all samples.

    Attributes
    ----------
    spec
        Formulaic's own.
    kept
        Places of the columns that are left.
    """

    spec: Any
    kept: IntArray

    @property
    def column_names(self) -> list[str]:
        """Names of the columns that are left."""
        return [str(self.spec.column_names[j]) for j in self.kept]

    @property
    def term_indices(self) -> dict[Any, list[int]]:
        """Places of each term's columns among those that are left."""
        place = {int(j): i for i, j in enumerate(self.kept)}
        return {term: [place[j] for j in columns if j in place] for term, columns in self.spec.term_indices.items()}

    @property
    def term_variables(self) -> Any:
        """The sheet's columns of each term."""
        return self.spec.term_variables

    def rows(self, data: pd.DataFrame, context: Mapping[str, Any]) -> FloatArray:
        """The design's rows for a sheet.

        Raises
        ------
        ValueError
            Where they need a column that was left out.
        """
        whole = np.asarray(self.spec.get_model_matrix(data, context=context).to_numpy(dtype=float))
        lost = np.delete(whole, self.kept, axis=1)
        if (lost != 0).any():
            raise ValueError("no sample has these levels together")
        return whole[:, self.kept]


def never_together(matrix: pd.DataFrame) -> list[int]:
    """Places of products of columns that are 0 in all samples: levels that no sample has together."""
    value = matrix.to_numpy(dtype=float)
    return [j for j, name in enumerate(matrix.columns) if ":" in str(name) and not value[:, j].any()]


def dropped_words(dropped: Sequence[str]) -> list[str]:
    """What is said of columns that were left out of a design; nothing where there are none."""
    if not (n := len(dropped)):
        return []
    return [
        f"{counted(n, 'column')} of the design {either(n, 'is', 'are')} 0 in all samples and "
        f"{either(n, 'was', 'were')} left out, because no sample has these "
        f"levels together ({listing(dropped, 4)})."
    ]


def level_named(asked: object, levels: Sequence[str]) -> str | None:
    """The level that a config means: as written, or the one that YAML reads as what it made of it; None for none.

    YAML takes ``no`` for false, 12:30 for 750 and 1.0e3 for 1000.
    """
    if str(asked) in levels:
        return str(asked)
    if isinstance(asked, str):
        return None
    same = [level for level in levels if (value := _as_yaml(level)) == asked and isinstance(value, type(asked))]
    return same[0] if len(same) == 1 else None


def _as_yaml(text: str) -> object:
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return None


def quoting_hint(asked: object) -> str:
    """How to write a level that YAML takes for something else; nothing for text."""
    if isinstance(asked, str):
        return ""
    if isinstance(asked, bool):
        words = "yes, on and true as true" if asked else "no, off and false as false"
        return f" YAML reads {words}: quote it as the sheet has it, for example '{'yes' if asked else 'no'}'."
    if isinstance(asked, int) and asked >= 60:
        clock = f"{asked // 60}:{asked % 60:02}"
        return f" YAML reads 12:30 as 750: if {clock} was meant, quote it: '{clock}'."
    return f" YAML reads some words as numbers (1.0e3 as 1000): quote it as the sheet has it, for example '{asked}'."
