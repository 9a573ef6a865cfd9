"""Result tables to files and back, and results beside a dataset's counts."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ebgenes.arrays import BoolArray, FloatArray
from ebgenes.data.h5ad import stored_name, study_to_anndata
from ebgenes.data.sealed import write_anndata
from ebgenes.data.sheets import read_annotation
from ebgenes.data.simulate import Simulation
from ebgenes.errors import InputError
from ebgenes.files import existing_file, numbers_or_missing, readable, whole
from ebgenes.records.counts import Study
from ebgenes.results.ranges import require_sound_table
from ebgenes.results.table import (
    COLUMNS,
    MULTI_DF_COLUMNS,
    REPEAT_COLUMNS,
    TEXT_COLUMNS,
    THRESHOLD_COLUMNS,
    is_row_column,
    ranking,
    tested,
)


def read_null(path: str | os.PathLike[str], table: pd.DataFrame) -> BoolArray:
    """Which rows of a result table are truly unchanged, (G,), from a table of true effects such as simulations write.

    Raises
    ------
    InputError
        Where the table has no column ``log2_fc`` of numbers, or lacks a tested gene.
    """
    truth = read_annotation(path)
    if "log2_fc" not in truth.columns:
        raise InputError(f"{path} has no column log2_fc. Give the true effects under that name, 0 for unchanged genes.")
    effect = numbers_or_missing(truth["log2_fc"], path).reindex(table["gene_id"])
    lost = table["gene_id"][(effect.isna() & tested(table).to_numpy()).to_numpy()]
    if len(lost):
        raise InputError(f"{path} has no effect of {len(lost)} tested genes (first: {lost.iloc[0]}). Add them.")
    return np.asarray(effect == 0, dtype=bool)


def write_table(path: str | os.PathLike[str], table: pd.DataFrame) -> None:
    """Write a result table by the suffix of its name: .tsv, .csv (with .gz), .parquet, .xlsx or .rnk.

    The last, a ranking for enrichment analysis (`ebgenes.results.table.ranking`), needs our own names of columns.
    """
    name = Path(path).name.lower()
    with whole(path) as temporary:
        if name.endswith(".parquet"):
            _with_extra("parquet", lambda: table.to_parquet(temporary, index=False))
        elif name.endswith(".xlsx"):
            _with_extra("xlsx", lambda: _write_xlsx(temporary, table))
        elif name.endswith(".rnk"):
            if not {"gene_name", "lfsr", "post_mean"} <= set(table.columns):
                raise InputError(f"{path}: a ranking has no columns to rename. Leave the style out.")
            _write_text(temporary, ranking(table), "\t", header=False)
        elif name.removesuffix(".gz").endswith((".tsv", ".csv")):
            separator = "," if ".csv" in name else "\t"
            _write_text(temporary, table, separator)
        else:
            raise InputError(f"{path}: unknown table format. Use .tsv, .csv, .parquet, .xlsx or .rnk.")


def _write_text(path: Path, table: pd.DataFrame, separator: str, *, header: bool = True) -> None:
    """Text that reads back exactly: the shortest digits of every float, quotes where an id needs them."""
    columns = []
    for name in table.columns:
        values = table[name].tolist()
        numbers = table[name].dtype.kind == "f"
        columns.append(["NA" if value != value else value for value in values] if numbers else values)
    with ExitStack() as stack:
        raw: Any = stack.enter_context(path.open("wb"))
        if path.suffix == ".gz":
            # Without a name and a time inside, the same table gives the same bytes.
            raw = stack.enter_context(gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0))
        lines = stack.enter_context(io.TextIOWrapper(raw, encoding="utf-8", newline=""))
        writer = csv.writer(lines, delimiter=separator, lineterminator="\n")
        if header:
            writer.writerow(table.columns)
        writer.writerows(zip(*columns, strict=True))


def _with_extra(extra: str, write: Any) -> None:
    try:
        write()
    except ImportError:
        raise InputError(f"writing .{extra} needs an optional library: pip install 'ebgenes[{extra}]'.") from None


def _write_xlsx(path: Path, table: pd.DataFrame) -> None:
    import xlsxwriter

    # No text becomes a formula, a link or a number.
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "in_memory": True}
    with xlsxwriter.Workbook(str(path), options) as book:
        # The same table gives the same bytes, today and tomorrow.
        book.set_properties({"created": datetime(2000, 1, 1)})
        sheet = book.add_worksheet("genes")
        sheet.freeze_panes(1, 1)
        for j, name in enumerate(table.columns):
            sheet.write_string(0, j, name)
            numbers = table[name].dtype.kind == "f"
            for i, value in enumerate(table[name], start=1):
                if not numbers:
                    sheet.write_string(i, j, str(value))
                elif np.isfinite(value):
                    sheet.write_number(i, j, value)
                else:
                    sheet.write_string(i, j, "NA" if np.isnan(value) else str(value))


def read_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a ``genes.tsv`` back exactly: ids and names as text, everything else as numbers."""
    found = existing_file(path)
    with readable(found):
        header = pd.read_csv(found, sep="\t", nrows=0, dtype=str, keep_default_na=False)
        rows = [name for name in header.columns if is_row_column(name)]
        asked = [name for name in (*THRESHOLD_COLUMNS, *REPEAT_COLUMNS) if name in header.columns]
        numbers = [*(name for name in COLUMNS if name not in TEXT_COLUMNS), *asked, *rows]
        table = pd.read_csv(
            found,
            sep="\t",
            dtype={**dict.fromkeys((*TEXT_COLUMNS, *MULTI_DF_COLUMNS), str), **dict.fromkeys(numbers, float)},
            keep_default_na=False,
            na_values={name: ["NA"] for name in numbers},
            float_precision="round_trip",
        )
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise InputError(
            f"{found} is not a genes.tsv of ebgenes: {len(missing)} columns are missing (first: {missing[0]}). "
            "Make it anew with this version."
        )
    require_sound_table(found, table)
    return table


def write_results_h5ad(
    path: str | os.PathLike[str],
    study: Study,
    tables: Mapping[str, pd.DataFrame],
    summary: Mapping[str, Any],
    scores: Mapping[str, FloatArray] | None = None,
) -> None:
    """Write ``results.h5ad``: the study, one result table a contrast in varm, and its hidden factors in obsm."""
    adata = study_to_anndata(study)
    for name, table in tables.items():
        adata.varm[f"ebgenes_{name}"] = varm_table(table, list(study.counts.gene))
    for name, score in (scores or {}).items():
        adata.obsm[f"ebgenes_hidden_{name}"] = score
    # AnnData cannot hold nested lists of mixed types; JSON text holds anything and opens anywhere.
    adata.uns["ebgenes"]["summary"] = json.dumps(summary, ensure_ascii=False)
    write_anndata(path, adata)


def varm_table(table: pd.DataFrame, genes: Sequence[str]) -> pd.DataFrame:
    """A result table as varm of an AnnData of these genes; missing values where the table lacks one."""
    kept = table.set_index("gene_id").reindex(pd.Index(genes))
    kept.index.name = None
    kept.columns = pd.Index([stored_name(column) for column in kept.columns])
    return kept.fillna({name: "" for name in kept.columns if kept[name].dtype == object})


def write_simulation(folder: str | os.PathLike[str], simulation: Simulation) -> None:
    """Write counts.tsv.gz, samples.tsv and truth.tsv."""
    counts = pd.DataFrame(simulation.counts.count, index=simulation.counts.gene, columns=simulation.counts.sample)
    truth = pd.DataFrame({"gene_id": simulation.counts.gene, "log2_fc": simulation.effect})
    write_table(Path(folder, "counts.tsv.gz"), counts.reset_index(names="gene_id"))
    write_table(Path(folder, "samples.tsv"), simulation.samples.reset_index())
    write_table(Path(folder, "truth.tsv"), truth)
