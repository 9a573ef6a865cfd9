"""featureCounts: a line about the program, six columns about the gene, then one column an alignment."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ebgenes.arrays import TextArray, text_array
from ebgenes.data.annotation_columns import Told, is_annotation, split_columns
from ebgenes.data.sample_files import (
    encoding_of,
    files_by_content,
    read_columns,
    require_files,
    same_names,
    sample_files,
    wanted_names,
)
from ebgenes.errors import InputError
from ebgenes.files import readable, text_content
from ebgenes.text_files import is_excel

HEADER = ["Geneid", "Chr", "Start", "End", "Strand", "Length"]
OLD_HEADER = [name.lower() for name in HEADER]
ENDINGS = ("featureCounts.txt", "featureCounts.tsv", "counts.txt")


def is_feature_counts(path: Path) -> bool:
    """Whether a file begins as featureCounts' do."""
    with readable(path):
        if is_excel(path):
            return False
        return _header_line(text_content(path, most=1_000_000)) is not None


def _header_line(content: bytes) -> int | None:
    for i, line in enumerate(content.split(b"\n", 2)[:2]):
        cells = [cell.strip('"') for cell in line.decode("utf-8", "replace").rstrip("\r").split("\t")]
        if [cell.lower() for cell in cells[:6]] == OLD_HEADER:
            return i
    return None


def read_feature_counts(path: Path, sheet: pd.DataFrame) -> Told:
    """Counts from one table of all samples, or from a folder with a table a sample, as a table of genes by samples.

    Columns about the genes that featureCounts was asked for (``--extraAttributes``) stand before the counts.

    Raises
    ------
    InputError
        Where a file is not featureCounts', or a sample has no column.
    """
    samples = [str(name) for name in sheet.index]
    if path.is_file():
        table = _read(path)
        gene = same_names({"": path}, lambda _: text_array(table.iloc[:, 0]), "genes")
        rest = table.iloc[:, len(HEADER) :].set_axis(pd.Index(gene), axis=0)
        columns = [str(name) for name in rest.columns]
        return split_columns(rest, wanted_names(sheet, columns), str(path))
    files = require_files(feature_count_files(path, sheet), path, "featureCounts table")
    tables = {sample: _read(each) for sample, each in files.items()}
    gene = same_names(files, lambda sample: text_array(tables[sample].iloc[:, 0]), "genes")
    told = [_own_column(table, sample, files[sample], gene) for sample, table in tables.items()]
    frame = pd.concat([each.frame for each in told], axis=1).set_axis(samples, axis=1)
    return Told(frame=frame, names=told[0].names, notes=told[0].notes)


def feature_count_files(folder: Path, sheet: pd.DataFrame) -> dict[str, Path | None]:
    """Each sample's table: by its name or, where no file is called so, by what it holds."""
    named = sample_files(folder, sheet, ENDINGS)
    return named if any(named.values()) else files_by_content(folder, sheet, _begins_well)


def _begins_well(path: Path) -> bool:
    try:
        return is_feature_counts(path)
    except InputError:
        return False


def _own_column(table: pd.DataFrame, sample: str, path: Path, gene: TextArray) -> Told:
    """The one column of counts in the table of a sample; others of numbers must be named as about genes."""
    rest = table.iloc[:, len(HEADER) :].set_axis(pd.Index(gene), axis=0)
    numbers = [i for i in range(rest.shape[1]) if not is_annotation(str(rest.columns[i]), rest.iloc[:, i])]
    if len(numbers) != 1:
        raise InputError(
            f"{path} has {len(numbers)} columns of counts; the table of one sample has one. Give the table itself as "
            "counts: if it holds all samples."
        )
    column = str(rest.columns[numbers[0]])
    return split_columns(rest, {sample: column}, str(path))


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
    return [cell.strip('"') for cell in line.split("\t")[len(HEADER) :]]


def _read(path: Path) -> pd.DataFrame:
    read_header(path)
    with readable(path):
        header = _header_line(text_content(path, most=1_000_000)) or 0
    # Chromosomes, starts and ends of all exons of a gene stand in one cell.
    return read_columns(path, None, text=(0, 1, 2, 3, 4), skip=header)
