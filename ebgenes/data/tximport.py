"""tximport's list as R writes it to a table: abundance, counts and lengths of all samples side by side."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

ABUNDANCE, COUNTS, LENGTH = "abundance.", "counts.", "length."
HOW = "countsFromAbundance"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Parts:
    """Counts with what is about genes, named by sample; lengths under the same names, where they are offsets."""

    counts: pd.DataFrame
    length: pd.DataFrame | None
    notes: tuple[str, ...]


def is_tximport(columns: list[str]) -> bool:
    """Whether each sample has a column of all three parts."""
    parts = [
        {name.removeprefix(part) for name in columns if name.startswith(part)} for part in (ABUNDANCE, COUNTS, LENGTH)
    ]
    return bool(parts[0]) and parts[0] == parts[1] == parts[2]


def parts_of(frame: pd.DataFrame) -> Parts:
    """The parts of a table that `is_tximport` knows.

    Counts that tximport made of abundances (``scaledTPM``, ``lengthScaledTPM``) hold the lengths already.

    Notes
    -----
    Source: Soneson, Love and Robinson (2015), F1000Research 4, 1521; tximport's documentation.
    """
    columns = [str(name) for name in frame.columns]
    how = str(frame[HOW].iloc[0]) if HOW in columns and len(frame) else "no"
    dropped = [name for name in columns if name.startswith((ABUNDANCE, LENGTH)) or name == HOW]
    counts = frame.drop(columns=dropped)
    counts = counts.rename(columns={name: name.removeprefix(COUNTS) for name in counts.columns})
    notes = ["the table is tximport's list: its counts were read, its abundances left out."]
    if how != "no":
        notes.append(f"counts were made of abundances ({how}), which hold the lengths of transcripts: no offsets.")
        return Parts(counts=counts, length=None, notes=tuple(notes))
    length = frame[[name for name in columns if name.startswith(LENGTH)]]
    notes.append("average lengths of transcripts come from the same table, as offsets.")
    length = length.rename(columns={name: name.removeprefix(LENGTH) for name in length.columns})
    return Parts(counts=counts, length=length, notes=tuple(notes))
