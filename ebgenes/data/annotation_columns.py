"""Columns and rows of a table of counts that are no counts: names, lengths and places of genes; totals of a program."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ebgenes.arrays import text_array
from ebgenes.data.matching import match_names
from ebgenes.errors import InputError, counted, either, listing
from ebgenes.files import as_numbers
from ebgenes.records.counts import Counts
from ebgenes.text_files import NUMBER

NAME_COLUMNS = (
    "genename", "symbol", "genesymbol", "externalgenename", "hgncsymbol", "mgisymbol", "rgdsymbol", "zfinsymbol",
    "associatedgenename", "approvedsymbol", "officialsymbol", "geneshortname", "shortname", "genesymbols",
    "featurename", "gene", "name",
)  # fmt: skip
"""Columns that hold genes' names, without what is no letter, the best first."""

ID_COLUMNS = (
    "geneid", "ensemblgeneid", "ensemblid", "ensembl", "genestableid", "ensgene", "featureid", "id", "gene",
    "ensemblgene", "trackingid", "locustag", "entrezid", "entrezgeneid", "ncbigeneid",
)  # fmt: skip
"""Columns that hold genes' ids."""

OTHER_COLUMNS = frozenset(
    (
        "length", "genelength", "effectivelength", "efflength", "width", "chr", "chrom", "chromosome",
        "chromosomename", "seqname", "seqnames", "seqid", "start", "end", "stop", "strand", "startposition",
        "endposition", "genestart", "geneend", "genestartbp", "geneendbp", "position", "biotype", "genebiotype",
        "genetype", "type", "source", "description", "genedescription", "product", "note", "entrez", "entrezid",
        "entrezgene", "entrezgeneid", "ncbigeneid", "geneversion", "version", "txname", "transcriptid",
        "transcriptids", "gc", "gccontent", "percentagegenegccontent", "exons", "exoncount", "level", "tss", "locus",
        "unnamed",
    )
)  # fmt: skip
"""Columns about genes that may hold numbers."""

TOTALS = frozenset(("no_feature", "ambiguous", "too_low_aQual", "not_aligned", "alignment_not_unique"))
"""Rows that htseq-count writes below the genes; old versions without the two underscores."""

TOTAL = re.compile(r"__[A-Za-z_]+|Unassigned(_\w+)?")

SUMS = frozenset(("total", "totals", "sum", "sums", "grandtotal", "columnsum", "columnsums", "librarysize"))
"""Names of rows that spreadsheets have below the genes; left out where they are the sums."""

STAR_TOTALS = frozenset(("N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous"))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Told:
    """A table's counts, names of its genes by id, and what was left out, a sentence each."""

    frame: pd.DataFrame
    names: Mapping[str, str]
    notes: tuple[str, ...] = ()


def plain(name: str) -> str:
    """A column's name in small letters and digits alone."""
    return re.sub(r"[^a-z0-9]", "", str(name).lower())


def name_column(columns: Sequence[str]) -> str | None:
    """The column that holds genes' names, if there is one."""
    known: dict[str, str] = {}
    for column in columns:
        known.setdefault(plain(column), column)
    return next((known[name] for name in NAME_COLUMNS if name in known), None)


def is_annotation(name: str, values: pd.Series) -> bool:
    """Whether a column that is no sample's is about genes: by its name, or because it is text."""
    known = plain(name) in OTHER_COLUMNS or plain(name) in NAME_COLUMNS or plain(name) in ID_COLUMNS
    return known or (values.dtype == object and bool(as_numbers(values).isna().mean() > 0.5))


def with_ids(frame: pd.DataFrame, where: str) -> tuple[pd.DataFrame, list[str]]:
    """A table indexed by its genes' ids, where its first column holds the numbers of rows or names that repeat."""
    first = str(frame.index.name or "")
    counted = [str(i) for i in range(len(frame) + 1)]
    numbered = list(frame.index) in (counted[:-1], counted[1:]) and plain(first) not in (*ID_COLUMNS, *NAME_COLUMNS)
    if not numbered and frame.index.is_unique:
        return frame, []
    columns = {plain(name): name for name in reversed(frame.columns) if plain(name) != plain(first)}
    wanted = [columns[name] for name in (*ID_COLUMNS, *NAME_COLUMNS) if name in columns]
    chosen = next((name for name in wanted if frame[name].dtype == object and frame[name].is_unique), None)
    if chosen is None:
        return frame, []
    index = pd.Index(frame[chosen].astype(str), name=chosen)
    rest = frame.drop(columns=[chosen])
    why = "numbers the rows" if numbered else "has names that repeat"
    if not numbered:
        rest.insert(0, first, frame.index)
    return rest.set_axis(index, axis=0), [f"{where}: genes are named by the column {chosen!r}; the first {why}."]


def split_columns(frame: pd.DataFrame, names: Mapping[str, str], where: str) -> Told:
    """The samples' columns in the samples' order; what the others were.

    Parameters
    ----------
    frame
        Genes by columns.
    names
        Of the samples, with the name to look for.
    where
        The file, for messages.

    Raises
    ------
    InputError
        Where a sample has no column of its own, or the table is samples by genes.
    """
    columns = [str(name) for name in frame.columns]
    try:
        match = match_names(columns, names, where)
    except InputError:
        _require_upright(frame, names, where)
        _require_header(columns, where)
        raise
    chosen = set(match.place)
    rest = [i for i in range(len(columns)) if i not in chosen]
    about = [i for i in rest if is_annotation(columns[i], frame.iloc[:, i])]
    others = [columns[i] for i in rest if i not in about]
    notes = list(match.notes)
    if others:
        notes.append(left_out_words(others, len(columns) - len(about)))
    named: str | None = None
    found: dict[str, str] = {}
    if about:
        # A column that is a sample's in the sheet is none of these, whatever it is called.
        named = name_column([columns[i] for i in about])
        told = f"; {named!r} names the genes" if named else ""
        shown = listing([columns[i] for i in about], 6)
        n = len(about)
        notes.append(
            f"{counted(n, 'column')} of the counts {either(n, 'is', 'are')} about genes, and no counts ({shown}){told}."
        )
    if named is None and (after_bar := _after_bar(frame.index)) is not None:
        found = after_bar
        notes.append(f"genes' names are taken from their ids, which have two parts (first: {frame.index[0]}).")
    if named is not None:
        column = frame.iloc[:, columns.index(named)].astype(str).str.strip()
        found = {str(gene): name for gene, name in zip(frame.index, column, strict=True) if name not in ("", "nan")}
    # Large tables whose columns are in order are not copied.
    in_order = match.place == tuple(range(len(columns)))
    kept = frame.copy(deep=False) if in_order else frame.iloc[:, list(match.place)]
    kept.columns = pd.Index(list(names))
    return Told(frame=kept, names=found, notes=tuple(notes))


def _after_bar(ids: pd.Index) -> dict[str, str] | None:
    """Names in ids such as MSTRG.1|TP53, where most are such."""
    parts = {str(gene): str(gene).partition("|") for gene in ids}
    named = {gene: name for gene, (before, _, name) in parts.items() if before and name and "|" not in name}
    if all(name.isdecimal() for name in named.values()):
        # The Cancer Genome Atlas wrote symbol and number.
        named = {gene: gene.partition("|")[0] for gene in named}
    return named if len(named) > len(parts) / 2 else None


def left_out_words(names: Sequence[str], total: int) -> str:
    """What is said of samples that the sheet does not list."""
    n = len(names)
    return (
        f"{n} of {counted(total, 'sample')} of the counts {either(n, 'is', 'are')} not in the sample sheet and "
        f"{either(n, 'was', 'were')} left out ({listing(names, 6)})."
    )


def _require_upright(frame: pd.DataFrame, names: Mapping[str, str], where: str) -> None:
    rows = [str(name) for name in frame.index]
    found = sum(name in set(rows) for name in names.values())
    if found and found >= len(names) / 2:
        raise InputError(
            f"{where} is samples by genes: {found} of {len(names)} samples of the sheet are names of its rows (first: "
            f"{next(name for name in names.values() if name in set(rows))}). Say orientation: samples_by_genes, or "
            "turn the table."
        )


def _require_header(columns: Sequence[str], where: str) -> None:
    if columns and all(NUMBER.fullmatch(name) for name in columns):
        raise InputError(
            f"{where}: the names of its columns are numbers ({listing(columns, 4)}), none of them a sample's. If they "
            "are the first gene's counts, the header is missing: write the samples' names above, in the counts' order."
        )


def turned(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """A table of samples by genes as genes by samples; columns that are text are about samples and left out."""
    about = [name for name in frame.columns if frame[name].dtype == object]
    kept = frame.drop(columns=about)
    notes = [f"the table is samples by genes ({kept.shape[0]} by {kept.shape[1]}) and was turned."]
    if about:
        n = len(about)
        notes.append(f"{counted(n, 'column')} of text {either(n, 'was', 'were')} left out ({listing(about, 6)}).")
    return kept.T, notes


def without_totals(counts: Counts) -> tuple[Counts, list[str]]:
    """Counts without the rows that counting programs write beside the genes, and which were left out."""
    gene = [str(name) for name in counts.gene]
    old = TOTALS if len(TOTALS & set(gene)) >= 2 else frozenset()
    special = np.array([name in STAR_TOTALS or name in old or bool(TOTAL.fullmatch(name)) for name in gene], dtype=bool)
    for i in [i for i, name in enumerate(gene) if plain(name) in SUMS and not special[i]]:
        others = ~special
        others[i] = False
        special[i] = bool((counts.count[others].sum(axis=0) == counts.count[i]).all())
    if not special.any() or special.all():
        return counts, []
    left = [name for name, leave in zip(gene, special, strict=True) if leave]
    keep = ~special
    length = None if counts.length is None else counts.length[keep]
    kept = replace(counts, gene=text_array(counts.gene[keep]), count=counts.count[keep], length=length)
    n = len(left)
    words = (
        f"{counted(n, 'row')} {either(n, 'holds', 'hold')} totals and no genes, and {either(n, 'was', 'were')} left out"
    )
    return kept, [f"{words} ({listing(left, 6)})."]
