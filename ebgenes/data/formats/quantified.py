"""What formats of programs share that quantify transcripts, a file a sample."""

from __future__ import annotations

from functools import partial

from ebgenes.data.counts_format import Asked, Format, Reading, has_files
from ebgenes.data.quant import ENDINGS, OF_GENES, chosen_ending, read_quantified, read_transcripts
from ebgenes.data.sample_files import require_files, sample_files
from ebgenes.data.transcripts import genes_of, read_tx2gene
from ebgenes.data.wide_tables import no_genes


def quantified_format(program: str, *, order: int, sample_file: str) -> Format:
    """The format of a program that `ebgenes.data.quant` reads."""
    return Format(
        name=program,
        order=order,
        recognises=lambda found: has_files(found, ENDINGS[program]),
        takes=("folder",),
        read=partial(_read, program),
        look=partial(_look, program),
        options=("tx2gene",),
        words=f"a folder of {program}'s files",
        sample_file=sample_file,
    )


def _read(program: str, asked: Asked) -> Reading:
    counts, notes = read_quantified(asked.place, asked.sheet, program, asked.tx2gene)
    return Reading(counts=counts, notes=tuple(notes))


def _look(program: str, asked: Asked) -> tuple[Reading, int]:
    """The samples of all files, and how many genes the first has."""
    ending = chosen_ending(asked.place, asked.sheet, program, asked.tx2gene)
    files = require_files(sample_files(asked.place, asked.sheet, (ending,)), asked.place, f"{program} output")
    layout = "rsem isoforms" if ending == "isoforms.results" else program
    first = read_transcripts(next(iter(files.values())), layout)
    notes: list[str] = []
    n_genes = len(first.name)
    if asked.tx2gene is not None and ending not in OF_GENES:
        pairs = read_tx2gene(asked.tx2gene)
        n_genes, notes = len(set(pairs.values())), genes_of(first.name, pairs, asked.tx2gene)[1]
    return Reading(counts=no_genes(list(files)), notes=tuple(notes)), n_genes
