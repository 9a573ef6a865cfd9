"""What GTF and GFF3 tell of genes beside their names: biotype, and length of the exons."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from ebgenes.files import readable, text_content

ID = re.compile(r'gene_id[ =]"?([^";]+)')
OWN, PARENT = re.compile(r"(?:^|;)\s*ID=([^;]+)"), re.compile(r"(?:^|;)\s*Parent=([^;,]+)")
BIOTYPE = re.compile(r'(?:gene_biotype|gene_type|biotype)[ =]"?([^";]+)')
NAME = re.compile(r'(?:gene_name|gene_symbol)[ =]"?([^";]+)')
PREFIX = re.compile(r"^(gene|transcript|rna)[:-]")

COLUMNS = ("gene_name", "biotype", "length")


def read_gene_places(path: Path) -> pd.DataFrame:
    """A table indexed by gene: name, biotype, and bases that some exon covers (featureCounts' ``Length``), as text.

    Biotypes are those of the attributes ``gene_biotype``, ``gene_type`` and ``biotype``. Nothing stands for what is not
    told.

    Raises
    ------
    InputError
        Where the file cannot be read.
    """
    with readable(path):
        lines = text_content(path).decode("utf-8", "replace").split("\n")
    rows = [cells for line in lines if line and line[0] != "#" and len(cells := line.split("\t", 8)) == 9]
    names: dict[str, str] = {}
    biotypes: dict[str, str] = {}
    above: dict[str, str] = {}
    for cells in rows:
        about = cells[8]
        own, parent = OWN.search(about), PARENT.search(about)
        if own and parent:
            above.setdefault(own[1], parent[1])
        gene = _gene(about, cells[2], above)
        if gene is None or cells[2] == "exon":
            continue
        for found, known in ((NAME, names), (BIOTYPE, biotypes)):
            if (value := found.search(about)) and gene not in known:
                known[gene] = value[1]
    exons = pd.DataFrame(
        [
            (gene, cells[0], int(cells[3]), int(cells[4]))
            for cells in rows
            if cells[2] == "exon"
            and cells[3].isdecimal()
            and cells[4].isdecimal()
            and (gene := _gene(cells[8], "exon", above)) is not None
        ],
        columns=["gene", "chromosome", "start", "end"],
    )
    length = {str(gene): str(value) for gene, value in covered(exons).items()}
    genes = list(dict.fromkeys([*names, *biotypes, *length]))
    parts: tuple[dict[str, str], ...] = (names, biotypes, length)
    values = [[known.get(gene, "") for gene in genes] for known in parts]
    return pd.DataFrame(dict(zip(COLUMNS, values, strict=True)), index=pd.Index(genes, name="gene_id"))


def _gene(about: str, kind: str, above: dict[str, str]) -> str | None:
    """The gene of a line: as it says, or what stands above it."""
    if said := ID.search(about):
        return said[1]
    parent, own = PARENT.search(about), OWN.search(about)
    if parent is not None:
        # An exon is of a transcript, which is of a gene.
        return PREFIX.sub("", above.get(parent[1], parent[1]))
    return PREFIX.sub("", own[1]) if own and "gene" in kind else None


def covered(exons: pd.DataFrame) -> pd.Series:
    """Bases that some exon covers, by gene; columns gene, chromosome, start and end, both ends included."""
    ordered = exons.sort_values(["gene", "chromosome", "start"])
    place = ordered.groupby(["gene", "chromosome"], sort=False)
    # Where all exons before end, by gene.
    before = place["end"].cummax().groupby([ordered["gene"], ordered["chromosome"]]).shift(fill_value=0)
    new = (ordered["end"] - (ordered["start"] - 1).clip(lower=before)).clip(lower=0)
    total: pd.Series = new.groupby(ordered["gene"], sort=False).sum()
    return total
