"""htseq-count: a file a sample, without a header: gene, count, and totals in lines that begin with two underscores."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ebgenes.arrays import text_array
from ebgenes.data.annotation_columns import Told
from ebgenes.data.sample_files import NO_COUNTS, files_by_content, require_files, same_names
from ebgenes.errors import InputError
from ebgenes.files import readable, text_content
from ebgenes.text_files import NUMBER, cells_of, find_layout, rows_of

LOOK = 20_000


def htseq_files(folder: Path, sheet: pd.DataFrame) -> dict[str, Path | None]:
    """Each sample's file of two columns (three with a name of the gene), by its name or the sheet's column ``path``.

    Raises
    ------
    InputError
        Where a sample has several.
    """
    return files_by_content(folder, sheet, _is_htseq)


def _is_htseq(path: Path) -> bool:
    """Whether a file's rows are a gene and its count."""
    if path.name.endswith(NO_COUNTS):
        return False
    try:
        with readable(path):
            lines = text_content(path, LOOK).decode("utf-8", "replace").splitlines()[:6]
    except InputError:
        return False
    rows = [cells_of(line, "\t" if "\t" in line else ",") for line in lines if line.strip() and line[0] != "#"]
    if len(rows) < 2:
        return False
    # A header is no row.
    return all(len(row) in (2, 3) and NUMBER.fullmatch(row[-1].strip()) for row in rows[1:5])


def read_htseq(folder: Path, sheet: pd.DataFrame) -> Told:
    """Counts of all samples as a table of genes by samples, with the totals.

    Raises
    ------
    InputError
        For missing files, and files that list other genes.
    """
    files = require_files(htseq_files(folder, sheet), folder, "file of two columns, gene and count")
    tables = {sample: _read(path) for sample, path in files.items()}
    gene = same_names(files, lambda sample: text_array(tables[sample].index), "genes")
    frame = pd.DataFrame({sample: table.iloc[:, -1] for sample, table in tables.items()}, index=pd.Index(gene))
    first = next(iter(tables.values()))
    named = first.shape[1] == 2
    names = (
        {str(gene): str(name) for gene, name in zip(first.index, first.iloc[:, 0], strict=True) if name}
        if named
        else {}
    )
    return Told(frame=frame, names=names)


def _read(path: Path) -> pd.DataFrame:
    with readable(path):
        content = text_content(path)
        layout = find_layout(content, path)
        head = list(layout.names)
        headed = not NUMBER.fullmatch(head[-1])
        skipped = 0
        if not headed:
            skipped = content.rfind(b"\n", 0, layout.start - 1) + 1
        frame = pd.read_csv(
            rows_of(content, layout.start if headed else skipped),
            sep=layout.separator if layout.separator != " " else r"\s+",
            header=None,
            names=list(range(len(head))),
            index_col=False,
            dtype=dict.fromkeys(range(len(head) - 1), str),
            na_filter=False,
            float_precision="round_trip",
        ).set_index(0)
    frame.index = pd.Index([str(name).strip() for name in frame.index])
    return frame
