"""Names of genes from what people have: tables, biomaRt's answers, GTF and GFF3."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from ebgenes.arrays import TextArray
from ebgenes.data.annotation_columns import ID_COLUMNS, NAME_COLUMNS, OTHER_COLUMNS, name_column, plain
from ebgenes.data.transcripts import VERSION
from ebgenes.errors import InputError, counted
from ebgenes.files import TextTable, existing_file, read_table, readable, text_content
from ebgenes.text_files import is_excel

ENDS = re.compile(r"\.(gtf|gff|gff2|gff3)$", re.IGNORECASE)
GTF_PAIR = re.compile(r'(\w+) "([^"]*)"')
GFF_PAIR = re.compile(r"([^;=\s]+)=([^;]*)")
KEYS = ("gene_name", "gene", "Name", "gene_symbol", "symbol", "Alias")
"""Attributes that hold a gene's name, the best first: of GENCODE and Ensembl, of RefSeq, of GFF3."""

GENES_NAMED = "genes named"

MOST_UNNAMED = 0.5
"""Share of genes without a name above which versions of ids may be the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Genes' names by id, and what was found out, a sentence each."""

    name: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def names_of(path: str | os.PathLike[str], genes: Sequence[str] = ()) -> Names:
    """Names of genes from a file.

    Parameters
    ----------
    path
        A table with ids in the first column, or in the one that holds the most of `genes`, and names in one that is
        called so, else in the second; or GTF or GFF3. Of ids that repeat the first row counts.
    genes
        Ids of the counts; none: whatever the file has.

    Raises
    ------
    InputError
        Where the file cannot be read.
    """
    found = existing_file(path)
    notes: list[str] = []
    if is_gtf(found):
        table = _from_gtf(found)
    else:
        table, notes = _from_table(found, genes)
    if not genes:
        return Names(name=table, notes=tuple(notes))
    named = {gene: table[gene] for gene in genes if table.get(gene)}
    if len(named) < (1 - MOST_UNNAMED) * len(genes):
        without: dict[str, str] = {}
        for gene, name in table.items():
            without.setdefault(VERSION.sub("", gene), name)
        versionless = {gene: without[key] for gene in genes if without.get(key := VERSION.sub("", gene))}
        if len(versionless) > len(named):
            named = versionless
            notes.append(f"{path}: version numbers of ids were left out to find genes' names.")
    if named:
        notes.append(f"{len(named)} of {len(genes)} {GENES_NAMED} ({path}).")
    elif any(gene in table for gene in genes):
        notes.append(f"warning: 0 of {len(genes)} {GENES_NAMED}: {path} has their ids, and no names for them.")
    else:
        first = next(iter(table), "none")
        notes.append(
            f"warning: 0 of {len(genes)} {GENES_NAMED}: {path} knows none of their ids (first: {genes[0]}; it has "
            f"{first})."
        )
    return Names(name=named, notes=tuple(notes))


def is_gtf(path: Path) -> bool:
    """Whether a file is GTF or GFF3, by its name or its first lines."""
    name = re.sub(r"\.(gz|bz2|xz|zst|zip)$", "", path.name)
    if ENDS.search(name):
        return True
    with readable(path):
        if is_excel(path):
            return False
        lines = text_content(path, 20_000).decode("utf-8", "replace").splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")][:3]
    return bool(rows) and all(len(row) == 9 and row[3].isdecimal() and row[4].isdecimal() for row in rows)


def _from_gtf(path: Path) -> dict[str, str]:
    with readable(path):
        lines = text_content(path).split(b"\n")
    names: dict[str, str] = {}
    for line in lines:
        if line.startswith(b"#"):
            continue
        cells = line.decode("utf-8", "replace").split("\t", 8)
        if len(cells) < 9:
            continue
        about = dict(GTF_PAIR.findall(cells[8])) or dict(GFF_PAIR.findall(cells[8]))
        gene = about.get("gene_id") or (about.get("ID", "").removeprefix("gene:").removeprefix("gene-"))
        if not gene or (about.get("ID") and "gene" not in cells[2] and "gene_id" not in about):
            continue
        name = next((about[key] for key in KEYS if about.get(key)), "")
        if not names.get(gene):
            names[gene] = name.strip('"')
    if not names:
        raise InputError(
            f'{path} names no gene. GTF has lines with gene_id "...", GFF3 with gene_id=... or ID=gene:...; or give a '
            "table of gene_id and gene_name."
        )
    return names


@lru_cache(maxsize=1)
def _table_of(path: Path, size: int, changed: int) -> TextTable:
    """An annotation as it is on disk: a run checks it, and then reads it for the genes there are."""
    return read_table(path, numeric=False)


def _from_table(path: Path, genes: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    about = path.stat()
    table = _table_of(path, about.st_size, about.st_mtime_ns)
    frame, notes = table.frame, [f"{path}: {note}" for note in table.notes]
    headless = not {str(frame.index.name or ""), *map(str, frame.columns)}.isdisjoint(genes)
    if headless:
        frame = _with_first_row(frame)
    first = str(frame.index.name or "")
    columns = [str(name) for name in frame.columns]
    ids = _ids(frame, genes)
    rest = [name for name in columns if name != ids.name]
    if ids.name != first and ids.name is not None:
        notes.append(f"{path}: genes' ids are in the column {ids.name!r}.")
        # Without headings the name follows the id.
        rest = columns[columns.index(str(ids.name)) + 1 :] if headless else [first, *rest]
    column = name_column(rest) or _second(rest)
    if column is None:
        raise InputError(
            f"{path} has no column with genes' names; it has: {', '.join([first, *columns])}. Call the one that holds "
            "them gene_name."
        )
    values = frame.index if column == first and column not in columns else frame[column]
    names: dict[str, str] = {}
    for gene, name in zip(ids, values, strict=True):
        if gene.strip():
            names.setdefault(gene.strip(), name.strip())
    repeated = int(pd.Index(ids).duplicated().sum())
    if repeated:
        notes.append(
            f"{path}: {counted(repeated, 'row repeats', 'rows repeat')} the id of an earlier one, which counts."
        )
    return names, notes


def _with_first_row(frame: pd.DataFrame) -> pd.DataFrame:
    """A table whose headings are its first row, with headings that say nothing."""
    heads = [f"column {i + 1}" for i in range(frame.shape[1] + 1)]
    first = pd.DataFrame([list(frame.columns)], index=[frame.index.name], columns=heads[1:])
    whole = pd.concat([first, frame.set_axis(heads[1:], axis=1)])
    return whole.rename_axis(heads[0])


def _ids(frame: pd.DataFrame, genes: Sequence[str]) -> Any:
    """The genes' ids: the first column, or another of ids that knows more of them."""

    def share(values: pd.Index | pd.Series) -> float:
        known = {VERSION.sub("", gene) for gene in genes}
        return sum(VERSION.sub("", str(value)) in known for value in values) / max(len(values), 1)

    best = frame.index
    if not genes and plain(str(best.name)) in NAME_COLUMNS[:-2]:
        # Names before ids.
        known = {plain(str(name)): name for name in reversed(frame.columns)}
        other = next((known[name] for name in ID_COLUMNS if name in known), None)
        return best if other is None else pd.Index(frame[other], name=other)
    # Ids of the counts as they are; without their versions it takes longer to see.
    if not genes or not set(genes).isdisjoint(best) or share(best) > 0:
        return best
    shares = {str(name): share(frame[name]) for name in frame.columns}
    chosen = max(shares, key=lambda name: shares[name], default=None)
    if chosen is None or shares[chosen] == 0:
        return best
    return pd.Index(frame[chosen], name=chosen)


def _second(columns: Sequence[str]) -> str | None:
    """The next column after the ids, unless it is called something else."""
    first = columns[0] if columns else None
    if first is None or (plain(first) in OTHER_COLUMNS or plain(first) in ID_COLUMNS):
        return None
    return first


def names_for(path: str | None, genes: TextArray, own: Mapping[str, str]) -> Names:
    """Names of the counts' genes: of the annotation that is named, else those that came with the counts."""
    if path is not None:
        return names_of(path, [str(gene) for gene in genes])
    return Names(name=own)
