"""Which gene a transcript is of: from a table, or from the annotation in GTF."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

from ebgenes.arrays import TextArray
from ebgenes.data.annotation_columns import ID_COLUMNS, plain
from ebgenes.data.sample_files import encoding_of
from ebgenes.errors import InputError
from ebgenes.files import existing_file, readable, text_content
from ebgenes.text_files import find_layout

TRANSCRIPT = re.compile(rb'transcript_id "([^"]+)"')
GENE = re.compile(rb'gene_id "([^"]+)"')
GFF_ID, GFF_PARENT = re.compile(rb"\tID=([^;\s]+)"), re.compile(rb"[\t;]Parent=([^;,\s]+)")
GFF_OWN = re.compile(rb"[\t;](?:transcript_id|Name)=([^;\s]+)")
TRANSCRIPT_COLUMNS = (
    "transcriptid", "txid", "txname", "tx", "transcript", "transcriptstableid", "transcriptstableidversion",
    "ensembltranscriptid", "ensembltranscriptidversion", "targetid", "enst", "transcriptname",
)  # fmt: skip
"""Columns that hold transcripts' ids, without what is no letter, the best first."""

PREFIX = re.compile(rb"^(transcript|rna|gene)[:-]")
"""What Ensembl and RefSeq put before the ids of GFF3."""
VERSION = re.compile(r"\.\d+$")


LOOK = 200_000
"""Bytes that tell a table from lines of places."""


def _plain(name: str) -> str:
    return name


def _before_bar(name: str) -> str:
    """GENCODE's FASTA headers go on after the transcript's id."""
    return name.partition("|")[0]


def _versionless(name: str) -> str:
    return VERSION.sub("", _before_bar(name))


SPELLINGS: tuple[tuple[Callable[[str], str], str], ...] = (
    (_plain, ""),
    (_before_bar, "what follows | in their names was left out"),
    (_versionless, "their version numbers were left out"),
)


def read_tx2gene(path: str | Path) -> dict[str, str]:
    """Genes by transcript, from GTF, GFF3, or a table whose first two columns are transcript and gene.

    Raises
    ------
    InputError
        Where the file cannot be read or holds no pair.
    """
    found = existing_file(path)
    with readable(found):
        content = text_content(found)
    rows = [line.split(b"\t") for line in content[:LOOK].split(b"\n") if line and not line.startswith(b"#")][:3]
    lines_of_places = bool(rows) and all(len(row) == 9 and row[3].isdigit() and row[4].isdigit() for row in rows[:2])
    pairs = (_from_gtf(content) or _from_gff3(content)) if lines_of_places else _from_table(content, found)
    if not pairs:
        raise InputError(
            f"{found} names no transcript with its gene. Give a table whose first two columns are transcript and gene, "
            'or a GTF whose lines have transcript_id "..." and gene_id "...", or a GFF3 with ID and Parent.'
        )
    return pairs


def _from_gtf(content: bytes) -> dict[str, str]:
    lines = content.split(b"\n")
    # Lines of transcripts are few beside those of exons, but old files have none.
    chosen = [line for line in lines if b"\ttranscript\t" in line] or lines
    pairs = ((TRANSCRIPT.search(line), GENE.search(line)) for line in chosen if not line.startswith(b"#"))
    encoding = encoding_of(content)
    return {tx[1].decode(encoding): gene[1].decode(encoding) for tx, gene in pairs if tx and gene}


def _from_gff3(content: bytes) -> dict[str, str]:
    """Transcripts are what has a gene above it; under its id, and under the name that FASTA files have for it."""
    lines = [line for line in content.split(b"\n") if line and not line.startswith(b"#")]
    kinds = [line.split(b"\t", 3)[2] if line.count(b"\t") == 8 else b"" for line in lines]
    genes = {
        found[1] for line, kind in zip(lines, kinds, strict=True) if b"gene" in kind and (found := GFF_ID.search(line))
    }
    encoding = encoding_of(content)
    pairs: dict[str, str] = {}
    for line in lines:
        own, above = GFF_ID.search(line), GFF_PARENT.search(line)
        if own and above and above[1] in genes:
            gene = PREFIX.sub(b"", above[1]).decode(encoding)
            pairs[PREFIX.sub(b"", own[1]).decode(encoding)] = gene
            if other := GFF_OWN.search(line):
                pairs.setdefault(other[1].decode(encoding), gene)
    return pairs


def _from_table(content: bytes, path: Path) -> dict[str, str]:
    text = content.decode(encoding_of(content))
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2:
        return {}
    separator = find_layout(content, path).separator
    rows = [line.split() for line in lines] if separator == " " else list(csv.reader(lines, delimiter=separator))
    rows = [[cell.strip() for cell in row] for row in rows if len(row) > 1]
    transcript, gene = _columns([plain(cell) for cell in rows[0]], rows[1]) if len(rows) > 1 else (0, 1)
    # A header is one more pair that no transcript has.
    most = max(transcript, gene)
    return {row[transcript]: row[gene] for row in rows if len(row) > most and row[transcript] and row[gene]}


def _columns(header: list[str], row: list[str]) -> tuple[int, int]:
    """Places of the transcript and its gene: as the header calls them, else the first two that number no rows."""
    transcript = next((header.index(name) for name in TRANSCRIPT_COLUMNS if name in header), None)
    gene = next((header.index(name) for name in ID_COLUMNS if name in header), None)
    if transcript is not None and gene is not None and transcript != gene:
        return transcript, gene
    numbered = len(row) > 2 and row[0] == "1" and (not header[0] or header[0] == "1")
    return (1, 2) if numbered else (0, 1)


def genes_of(transcript: TextArray, pairs: dict[str, str], source: str) -> tuple[list[str | None], list[str]]:
    """The gene of each transcript, None where it is unknown, and what had to be done to find them.

    Raises
    ------
    InputError
        Where no transcript is known.
    """
    best: tuple[int, list[str | None], str] = (0, [], "")
    for spelling, told in SPELLINGS:
        known = {spelling(name): gene for name, gene in pairs.items()}
        genes = [known.get(spelling(name)) for name in transcript]
        hits = sum(gene is not None for gene in genes)
        if hits > best[0]:
            best = hits, genes, told
        if hits == len(genes):
            break
    hits, genes, told = best
    if not hits:
        raise InputError(
            f"none of {len(transcript)} transcripts is in {source} (first: {transcript[0]!r}; it has "
            f"{next(iter(pairs))!r}). Give the annotation the samples were quantified with."
        )
    notes = [f"transcripts and {source}: {told}."] if told else []
    if hits < len(genes):
        first = transcript[genes.index(None)]
        notes.append(
            f"{len(genes) - hits} of {len(genes)} transcripts are not in {source} and were left out (first: {first})."
        )
    return genes, notes
