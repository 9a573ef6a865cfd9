"""featureCounts: a line about the program, six columns about the gene, then one column an alignment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ebgenes.arrays import text_array
from ebgenes.data.count_tables import whole_numbers
from ebgenes.data.sample_files import encoding_of, match_columns, read_columns, require_files, same_names, sample_files
from ebgenes.errors import InputError
from ebgenes.files import readable, text_content
from ebgenes.records.counts import Counts

HEADER = ["Geneid", "Chr", "Start", "End", "Strand", "Length"]
ENDINGS = ("featureCounts.txt", "featureCounts.tsv", "counts.txt")


def is_feature_counts(path: Path) -> bool:
    """Whether a file begins as featureCounts' do."""
    with readable(path):
        return _header_line(text_content(path, most=1_000_000)) is not None


def _header_line(content: bytes) -> int | None:
    for i, line in enumerate(content.split(b"\n", 2)[:2]):
        if line.decode("utf-8", "replace").rstrip("\r").split("\t")[:6] == HEADER:
            return i
    return None


def read_feature_counts(path: Path, sheet: pd.DataFrame) -> Counts:
    """Counts from one table of all samples, or from a folder with a table a sample.

    Raises
    ------
    InputError
        Where a file is not featureCounts', or a sample has no column.
    """
    if path.is_file():
        table = _read(path)
        gene = same_names({"": path}, lambda _: text_array(table["Geneid"]), "genes")
        columns = [str(name) for name in table.columns[len(HEADER) :]]
        chosen = match_columns(columns, sheet, path)
        values = [table.iloc[:, len(HEADER) + i] for i in chosen]
    else:
        files = require_files(sample_files(path, sheet, ENDINGS), path, "featureCounts table")
        tables = {sample: _read(each) for sample, each in files.items()}
        gene = same_names(files, lambda sample: text_array(tables[sample]["Geneid"]), "genes")
        for sample, table in tables.items():
            if table.shape[1] != len(HEADER) + 1:
                raise InputError(
                    f"{files[sample]} has {table.shape[1] - len(HEADER)} columns of counts; the table of one sample "
                    "has one. Give the table itself as counts: if it holds all samples."
                )
        values = [table.iloc[:, -1] for table in tables.values()]
    samples = text_array(sheet.index)
    counts = [whole_numbers(column, name, gene) for column, name in zip(values, samples, strict=True)]
    return Counts(gene=gene, sample=samples, count=np.column_stack(counts))


def read_header(path: Path) -> list[str]:
    """Names of the columns of counts.

    Raises
    ------
    InputError
        Where the file is not featureCounts'.
    """
    with readable(path):
        content = text_content(path, most=1_000_000)
        header = _header_line(content)
    if header is None:
        raise InputError(f"{path} is not featureCounts' table: its columns must be {', '.join(HEADER)}, then counts.")
    line = content.split(b"\n")[header].decode(encoding_of(content)).rstrip("\r")
    return line.split("\t")[len(HEADER) :]


def _read(path: Path) -> pd.DataFrame:
    read_header(path)
    with readable(path):
        header = _header_line(text_content(path, most=1_000_000)) or 0
    # Chromosomes, starts and ends of all exons of a gene stand in one cell.
    return read_columns(path, None, text=(0, 1, 2, 3, 4), skip=header)
