"""salmon's and kallisto's transcripts, summed to genes with their average lengths."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ebgenes.arrays import FloatArray, TextArray, text_array
from ebgenes.data.hdf5 import opened_hdf5
from ebgenes.data.sample_files import read_columns, require_files, same_names, sample_files
from ebgenes.data.transcripts import genes_of, read_tx2gene
from ebgenes.errors import InputError, listing
from ebgenes.files import LARGEST_COUNT, as_numbers
from ebgenes.records.counts import Counts

ENDINGS = {
    "salmon": ("quant.sf", "quant.genes.sf", ".sf"),
    "kallisto": ("abundance.tsv", "abundance.h5"),
    "rsem": ("genes.results", "isoforms.results"),
}
OF_GENES = ("quant.genes.sf", "genes.results")
"""Files whose transcripts their program has summed to genes."""
COLUMNS = {
    "salmon": ("Name", "NumReads", "EffectiveLength", "TPM"),
    "kallisto": ("target_id", "est_counts", "eff_length", "tpm"),
    "rsem": ("gene_id", "expected_count", "effective_length", "TPM"),
    "rsem isoforms": ("transcript_id", "expected_count", "effective_length", "TPM"),
}
"""Name, reads, effective length and abundance, as each program calls them."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Quantified:
    """One sample's transcripts: names, and reads, effective lengths (bases) and abundances (TPM), (T,) each."""

    name: TextArray
    count: FloatArray
    length: FloatArray
    abundance: FloatArray


def read_quantified(folder: Path, sheet: pd.DataFrame, program: str, tx2gene: str | None) -> tuple[Counts, list[str]]:
    """Gene counts, rounded to whole reads, with average transcript lengths, and what had to be done.

    Raises
    ------
    InputError
        For missing or broken files, transcripts that differ between samples, or none that `tx2gene` knows.
    """
    ending = chosen_ending(folder, sheet, program, tx2gene)
    files = require_files(sample_files(folder, sheet, (ending,)), folder, f"{program} output")
    layout = "rsem isoforms" if ending == "isoforms.results" else program
    quantified = {sample: read_transcripts(path, layout) for sample, path in files.items()}
    notes: list[str] = []
    if ending in OF_GENES:
        gene_names = same_names(files, lambda sample: quantified[sample].name, "genes")
        genes: list[str | None] = [str(name) for name in gene_names]
    else:
        pairs = read_tx2gene(tx2gene) if tx2gene is not None else _own_genes(next(iter(files.values())))
        transcript = same_names(files, lambda sample: quantified[sample].name, "transcripts")
        genes, notes = genes_of(transcript, pairs, str(tx2gene or "the files"))
    gene, count, length = sum_to_genes(
        genes,
        *(np.column_stack([getattr(each, name) for each in quantified.values()]) for name in Quantified.__slots__[1:]),
    )
    return Counts(gene=gene, sample=text_array(files), count=np.rint(count).astype(np.int64), length=length), notes


def chosen_ending(folder: Path, sheet: pd.DataFrame, program: str, tx2gene: str | None) -> str:
    """Which of a program's files are read: transcripts where their genes are known, else genes.

    Raises
    ------
    InputError
        Where there are transcripts alone, and nothing tells their genes.
    """
    there: list[str] = []
    for ending in ENDINGS[program]:
        # Files called after samples alone are looked for where there are no others, whose names end alike.
        if not (ending.startswith(".") and there) and any(sample_files(folder, sheet, (ending,)).values()):
            there.append(ending)
    there = there or [ENDINGS[program][0]]
    if program == "rsem":
        return there[0]
    if tx2gene is None:
        found = next((ending for ending in there if ending in OF_GENES), None)
        if found is None:
            raise needs_tx2gene(folder, program)
        return found
    return there[0]


def _own_genes(path: Path) -> dict[str, str]:
    """Genes of RSEM's transcripts, which its files tell."""
    table = read_columns(path, None, text=(0, 1))
    return dict(zip(table["transcript_id"], table["gene_id"], strict=True))


def needs_tx2gene(folder: Path, program: str) -> InputError:
    """What to say where nothing tells the transcripts' genes."""
    return InputError(
        f"{folder} holds {program}'s transcripts, and nothing tells their genes. Set tx2gene: to a table of "
        "transcript and gene, or to the annotation (.gtf) they were quantified with."
    )


def read_transcripts(path: Path, program: str) -> Quantified:
    """One sample's transcripts.

    Raises
    ------
    InputError
        Where columns are missing or values are not numbers >= 0.
    """
    if path.suffix == ".h5":
        return _read_kallisto_h5(path)
    table = read_columns(path, None, text=(0, 1) if program.startswith("rsem") else (0,))
    missing = [name for name in COLUMNS[program] if name not in table.columns]
    if missing:
        raise InputError(
            f"{path} is not {program.split()[0]}'s: it has no column {missing[0]!r}. Its columns: "
            f"{listing(table.columns, 8)}."
        )
    name, *values = (table[column] for column in COLUMNS[program])
    numbers = [as_numbers(column).to_numpy(dtype=float) for column in values]
    return _checked(path, text_array(name), numbers)


def _read_kallisto_h5(path: Path) -> Quantified:
    with opened_hdf5(path, "an abundance.h5 of kallisto") as file:
        name = text_array(each.decode() for each in file["aux/ids"][()])
        count, length = (file[place][()].astype(float) for place in ("est_counts", "aux/eff_lengths"))
    if not len(name) or {count.shape, length.shape} != {name.shape}:
        raise InputError(
            f"{path} has {len(name)} transcripts, {count.shape} reads and {length.shape} lengths. Make it anew."
        )
    if not (length > 0).all():
        first = int(np.argmin(length > 0))
        raise InputError(
            f"{path}: effective lengths must be above 0; {int((~(length > 0)).sum())} of {len(name)} are not "
            f"(first: {name[first]}). Was the file cut short?"
        )
    rate = count / length
    if not rate.sum() > 0:
        raise InputError(f"{path} has no read at all. Was the sample quantified?")
    return _checked(path, name, [count, length, 1e6 * rate / rate.sum()])


def _checked(path: Path, name: TextArray, numbers: list[FloatArray]) -> Quantified:
    count, length, abundance = numbers
    for values, what in ((count, "reads"), (length, "effective lengths"), (abundance, "abundances")):
        bad = ~((values >= 0) & (values <= LARGEST_COUNT))
        if bad.any():
            raise InputError(
                f"{path}: {what} must be numbers >= 0; {int(bad.sum())} of {len(bad)} are not "
                f"(first: {name[int(np.argmax(bad))]}). Was the file cut short?"
            )
    return Quantified(name=name, count=count, length=length, abundance=abundance)


def sum_to_genes(
    genes: list[str | None], count: FloatArray, length: FloatArray, abundance: FloatArray
) -> tuple[TextArray, FloatArray, FloatArray]:
    """Sums over transcripts, and their lengths averaged by abundance.

    Parameters
    ----------
    genes
        Of each transcript, T; None: left out.
    count, length, abundance
        (T, S).

    Returns
    -------
    gene
        In alphabetical order, (G,).
    count, length
        (G, S). Where a gene has no abundance in a sample its length is the geometric mean of the other samples', and
        where it has none in any, the plain mean over its transcripts.

    Notes
    -----
    Source: Soneson, Love and Robinson (2015), F1000Research 4, 1521; tximport's documentation.
    """
    known = np.array([gene is not None for gene in genes])
    gene, place = np.unique(np.array([each for each in genes if each is not None], dtype=object), return_inverse=True)

    def total(values: FloatArray) -> FloatArray:
        summed = np.zeros((len(gene), values.shape[1]))
        np.add.at(summed, place, values[known])
        return summed

    weight = total(abundance)
    with np.errstate(invalid="ignore", divide="ignore"):
        average = total(abundance * length) / weight
        log_average = np.log(average)
    there = np.isfinite(log_average)
    others = np.where(there, log_average, 0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    plain = total(length).mean(axis=1) / np.bincount(place)
    # A length of nothing would be an offset without end.
    instead = np.where(there.any(axis=1), np.exp(others), np.maximum(plain, 1.0))
    return text_array(gene), total(count), np.where(there, average, instead[:, None])
