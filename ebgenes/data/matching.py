"""Which column, row or file is of which sample: by its name, and by what other programs make of names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ebgenes.errors import InputError, counted, either, listing, nearest

SUFFIX = re.compile(
    r"([._-]?(Aligned\.\w+(\.out)?|sorted(ByCoord)?|markdup|dedup|rmdup|bam|sam|cram|txt|tsv|tab|csv|gz|featureCounts|"
    r"counts?|htseq|genes\.results|isoforms\.results|ReadsPerGene\.out\.tab|quant\.sf|quant|salmon))+$"
)
"""Endings that pipelines add to a sample's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Places of the samples' columns in the samples' order, and what had to be done to find them, a sentence each."""

    place: tuple[int, ...]
    notes: tuple[str, ...] = ()


def r_name(name: str) -> str:
    """What R's ``make.names`` (``check.names = TRUE`` of its readers) makes of a name."""
    made = re.sub(r"[^\w.]", ".", name)
    return f"X{made}" if not re.match(r"[A-Za-z]|\.(?!\d)", made) else made


def _spellings(column: str) -> Iterator[tuple[int, str]]:
    """Names that a column may stand for, by how far each is from what is written."""
    base = Path(column).name
    yield 0, column
    for name in (base, SUFFIX.sub("", base), Path(column).parent.name):
        yield 1, name


def match_names(columns: Sequence[str], names: Mapping[str, str], where: str) -> Match:
    """Which of the columns is each sample's.

    A column fits a sample by its whole name; by the name of the alignment's file, or of its folder, without what
    programs add; or by what R made of either.

    Parameters
    ----------
    columns
        Names of the columns.
    names
        Of the samples, with the name to look for.
    where
        The file, for messages.

    Raises
    ------
    InputError
        Where a sample has no column, or several have one.
    """
    known: tuple[dict[str, list[int]], ...] = ({}, {}, {})
    for i, column in enumerate(columns):
        for level, name in dict.fromkeys(_spellings(column)):
            places = known[level].setdefault(name, [])
            if i not in places:
                places.append(i)
        known[2].setdefault(r_name(SUFFIX.sub("", Path(column).name)), []).append(i)
        if (plain := r_name(column)) != r_name(SUFFIX.sub("", Path(column).name)):
            known[2].setdefault(plain, []).append(i)
    found: dict[str, list[int]] = {}
    mangled: list[str] = []
    for sample, wanted in names.items():
        places = next((level[wanted] for level in known[:2] if wanted in level), [])
        if not places and (places := _as_r_wrote(wanted, known[2], columns)):
            mangled.append(sample)
        found[sample] = places
    wrong = [sample for sample, places in found.items() if len(places) != 1]
    if wrong and not any(found.values()) and (alike := _otherwise_written(names, columns)):
        first = next(iter(names))
        words = (
            f"{counted(len(names), 'sample')} {either(len(names), 'was', 'were')} found under names that differ in "
            f"signs, leading zeros or words around them, such as {first} under {columns[alike[0]]}."
        )
        return Match(place=alike, notes=(words,))
    chosen = [places[0] for places in found.values() if len(places) == 1]
    if not wrong and len(set(chosen)) < len(chosen):
        wrong = [sample for sample, places in found.items() if chosen.count(places[0]) > 1]
    if wrong:
        raise InputError(_no_match(wrong, found, names, columns, where))
    notes = []
    if mangled:
        first = mangled[0]
        notes.append(
            f"{counted(len(mangled), 'sample')} {either(len(mangled), 'was', 'were')} found under the names "
            f"that R gives columns (check.names), such as {first} "
            f"under {columns[found[first][0]]}."
        )
    return Match(place=tuple(chosen), notes=tuple(notes))


READS = re.compile(r"([._-]?(fastq|fq|gz|bam|sam|cram|bz2))+$", re.IGNORECASE)
"""Endings of files of reads, which sheets of pipelines hold."""


def _bare(name: str) -> str:
    """A name without what copying changes: signs, how letters are composed, leading zeros, endings of files."""
    plain = unicodedata.normalize("NFC", READS.sub("", Path(name).name))
    parts = re.sub(r"[^\w]|_", " ", plain).split()
    return " ".join(part.lstrip("0") or "0" if part.isdecimal() else part for part in parts)


def _otherwise_written(names: Mapping[str, str], columns: Sequence[str]) -> tuple[int, ...] | None:
    """Each sample's column where none is written as in the sheet, and each has one and no other's; else None.

    First by names that are the same but for what `_bare` leaves out, then by those that have words around them.
    """
    wanted, known = [_bare(name) for name in names.values()], [_bare(column) for column in columns]
    if len(set(wanted)) < len(wanted) or not all(wanted) or any(column[:1] in ("'", '"') for column in columns):
        return None
    for fits in (str.__eq__, lambda name, column: f" {name} " in f" {column} "):
        places = [[i for i, column in enumerate(known) if fits(name, column)] for name in wanted]
        chosen = [each[0] for each in places if len(each) == 1]
        if len(set(chosen)) == len(names):
            return tuple(chosen)
    return None


def _as_r_wrote(wanted: str, known: Mapping[str, list[int]], columns: Sequence[str]) -> list[int]:
    """Columns that R may have made of a name, or of a path that ends with it."""
    name = r_name(wanted)
    if name in known:
        return known[name]
    tail = re.sub(r"[^\w.]", ".", wanted)
    return [i for i, column in enumerate(columns) if "." in column and SUFFIX.sub("", column).endswith(f".{tail}")]


def _no_match(
    wrong: Sequence[str],
    found: Mapping[str, list[int]],
    names: Mapping[str, str],
    columns: Sequence[str],
    where: str,
) -> str:
    first = wrong[0]
    several = len(found[first]) > 1 or (len(wrong) > 1 and all(len(found[each]) == 1 for each in wrong))
    left = [column for i, column in enumerate(columns) if [i] not in found.values()]
    path = "name the columns in a column 'path' of the sheet"
    if several:
        shown = listing([columns[i] for i in found[first]], 3)
        return (
            f"{where}: {len(wrong)} of {len(found)} samples of the sheet do not have one column each in the counts "
            f"(first: {first}; it could be any of: {shown}). Rename them, or {path}."
        )
    extra = f"; {len(left)} in the counts only (first: {left[0]})" if left else ""
    return (
        f"the sample sheet and the counts name different samples: {len(wrong)} in the sheet only (first: "
        f"{first}){extra}.{nearest(names[first], left)} The sheet's first column must hold the counts' column names, "
        f"each once; or {path}."
    )


def known_names(entries: Sequence[str]) -> set[str]:
    """All names that columns or files may stand for."""
    return {name for entry in entries for _, name in _spellings(entry)} | {r_name(entry) for entry in entries}


def occurs(name: str, entries: Sequence[str]) -> bool:
    """Whether a name is the name of an entry, or begins or ends one that goes on with a dot, a dash or the like."""
    if not name:
        return False
    pattern = re.compile(rf"(^|[._-]){re.escape(name)}($|[._-])")
    return any(pattern.search(entry) for entry in entries)


def own_entry(sample: str, samples: Sequence[str], entries: Sequence[str]) -> list[str]:
    """Entries of a folder that are named after a sample and after no sample with a longer name."""
    longer = [other for other in samples if len(other) > len(sample) and occurs(sample, [other])]
    return [entry for entry in entries if occurs(sample, [entry]) and not any(occurs(each, [entry]) for each in longer)]
