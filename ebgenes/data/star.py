"""STAR's ``ReadsPerGene.out.tab``: four lines of totals, then one gene a line, counted three ways."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ebgenes.arrays import text_array
from ebgenes.data.count_tables import whole_numbers
from ebgenes.data.sample_files import read_columns, require_files, same_names, sample_files
from ebgenes.errors import InputError
from ebgenes.files import as_numbers, text_content
from ebgenes.records.counts import Counts

ENDINGS = ("ReadsPerGene.out.tab", "augmented_star_gene_counts.tsv")
"""STAR's own files, and those in which the Genomic Data Commons (TCGA) joins names and TPM to them."""
STRANDS = ("unstranded", "forward", "reverse")
"""The three ways of counting, in the order of STAR's columns: any strand, the read's own, the other one."""
OF_GDC = ("gene_id", "unstranded", "stranded_first", "stranded_second")
"""Columns of the Genomic Data Commons' tables."""

CLEAR = 0.8
"""Share of stranded reads on one strand that makes a library stranded; real ones have .9 and more."""
EVEN = 0.65


def read_star(folder: Path, sheet: pd.DataFrame, strandedness: str = "auto") -> tuple[Counts, list[str]]:
    """Counts of all samples, and what was found about their strands.

    Raises
    ------
    InputError
        For missing files, files that list other genes, and libraries whose strands are not clear.
    """
    files = require_files(sample_files(folder, sheet, ENDINGS), folder, "ReadsPerGene.out.tab")
    tables = {sample: read_star_file(path) for sample, path in files.items()}
    gene = same_names(files, lambda sample: text_array(tables[sample]["gene"]), "genes")
    column, notes = strandedness, []
    if strandedness == "auto":
        column, share = _detect(tables)
        notes = [
            f"libraries are {column} ({share:.0%} of the reads of one strand are on the read's own); "
            "set strandedness: if that is wrong."
        ]
    counts = [whole_numbers(table[column], sample, gene) for sample, table in tables.items()]
    return Counts(gene=gene, sample=text_array(tables), count=np.column_stack(counts)), notes


def read_star_file(path: Path) -> pd.DataFrame:
    """One sample's genes, counted three ways.

    Raises
    ------
    InputError
        Where the file is not as STAR wrote it.
    """
    table = _of_gdc(path) if "augmented" in path.name else read_columns(path, ["gene", *STRANDS])
    totals = table["gene"].str.startswith("N_")
    if not totals.iloc[:4].all() or len(table) < 5:
        raise InputError(
            f"{path} is not STAR's ReadsPerGene.out.tab: it must begin with N_unmapped, N_multimapping, N_noFeature "
            "and N_ambiguous. Was it cut short or edited?"
        )
    counts = table[[*STRANDS]].apply(as_numbers)
    lacking = counts.isna().any(axis=1)
    if lacking.any():
        raise InputError(
            f"{path} is not STAR's ReadsPerGene.out.tab: {int(lacking.sum())} of {len(table)} lines lack one of the "
            f"three columns of counts (first: {table['gene'][lacking].iloc[0]}). Give the file as STAR wrote it."
        )
    return table[~totals].reset_index(drop=True)


def _of_gdc(path: Path) -> pd.DataFrame:
    """The columns that are STAR's; the file begins with a line about the annotation."""
    table = read_columns(path, None, skip=1 if text_content(path, 1).startswith(b"#") else 0)
    missing = [name for name in OF_GDC if name not in table.columns]
    if missing:
        raise InputError(f"{path} has no column {missing[0]!r}. Give the file as the Genomic Data Commons has it.")
    return table[[*OF_GDC]].set_axis(["gene", *STRANDS], axis=1)


def _detect(tables: dict[str, pd.DataFrame]) -> tuple[str, float]:
    """The column all samples' strands speak for, and the mean share of reads on the forward strand."""
    share = {}
    for sample, table in tables.items():
        forward, reverse = (as_numbers(table[name]).sum() for name in ("forward", "reverse"))
        if not forward + reverse > 0:
            raise InputError(
                f"sample {sample} has no read on either strand, which tells nothing of how its library was made. Set "
                "strandedness: unstranded if its first column is what you mean."
            )
        share[sample] = float(forward / (forward + reverse))
    found = {sample: _column(value) for sample, value in share.items()}
    kinds = set(found.values())
    if len(kinds) > 1 or "unclear" in kinds:
        shown = ", ".join(f"{sample} {value:.0%}" for sample, value in list(share.items())[:4])
        raise InputError(
            f"strands do not tell how the {len(share)} libraries were made: shares of reads on the read's own strand "
            f"are {shown}{', ...' if len(share) > 4 else ''}. Set strandedness: to unstranded, forward or reverse."
        )
    return kinds.pop(), float(np.mean(list(share.values())))


def _column(share: float) -> str:
    if share >= CLEAR:
        return "forward"
    if share <= 1 - CLEAR:
        return "reverse"
    return "unstranded" if 1 - EVEN <= share <= EVEN else "unclear"
