"""``ebgenes <verb>``: one sub-command per step. A step reads, calls, writes.

Nothing heavy is imported before the arguments are known to be good.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

from ebgenes import __version__
from ebgenes.app import begin, commands
from ebgenes.app.analyses import ANALYSES
from ebgenes.app.last_net import exit_code
from ebgenes.limits import Limits, limited


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; returns the exit code: 0, or 2 for a user's mistake."""
    verb = ""
    try:
        options = parser().parse_args(_for_snakemake(sys.argv[1:] if arguments is None else arguments))
        verb = options.verb
        _set_threads(options.threads)
        warnings.showwarning = _say_warning
        # A step's imports alone make objects by the hundred thousand and no garbage to look for.
        gc.set_threshold(100_000)
        asked = {} if options.unpacked_gb is None else {"unpacked_gb": options.unpacked_gb}
        with limited(Limits(**asked)):
            options.step(options)
        sys.stdout.flush()
    # Whatever it is, a user sees one line of it.
    except BaseException as error:
        if isinstance(error, SystemExit):
            raise
        return exit_code(error, verb)
    return 0


def _for_snakemake(arguments: list[str]) -> list[str]:
    """The arguments, those of ``ebgenes workflow`` marked as another program's."""
    if arguments[:1] != ["workflow"] or arguments[1:2] in (["-h"], ["--help"], ["--"]):
        return arguments
    return ["workflow", "--", *arguments[1:]]


def _set_threads(threads: int | None) -> None:
    """Threads that share out blocks of genes; one for BLAS, set before it is imported.

    BLAS sums in another order for another number of threads, and its matrices here are small.
    """
    if threads is not None:
        os.environ["EBGENES_THREADS"] = str(threads)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"


def _say_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    print(f"ebgenes: warning: {message}", file=sys.stderr)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number, at least 1; found {text!r}")
    return int(text)


def _natural(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number, at least 0; found {text!r}")
    return int(text)


def _freedom(text: str) -> float:
    try:
        df = float(text)
    except ValueError:
        df = -1.0
    if not df >= 0.5:
        raise argparse.ArgumentTypeError(f"must be a number of 0.5 or more; found {text!r}")
    return df


def _size(text: str) -> float:
    try:
        size = float(text)
    except ValueError:
        size = -1.0
    if not 0 < size < 1e6:
        raise argparse.ArgumentTypeError(f"must be a number above 0; found {text!r}")
    return size


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1; found {text!r}")
    return share


MOST_SIZES = 1000


def _sizes(text: str) -> list[int]:
    """Numbers of samples, such as 6,12 or 3:24."""
    sizes: list[int] = []
    for part in text.split(","):
        first, colon, last = part.strip().partition(":")
        ends = (first, last if colon else first)
        if not all(end.isdecimal() and len(end) < 7 for end in ends):
            raise argparse.ArgumentTypeError(f"must be such as 6,12 or 3:24; found {text!r}")
        sizes += range(int(ends[0]), min(int(ends[1]), int(ends[0]) + MOST_SIZES) + 1)
    if not sizes or min(sizes) < 2 or len(sizes) > MOST_SIZES:
        raise argparse.ArgumentTypeError(
            f"must be 1 to {MOST_SIZES} numbers of 2 or more, such as 3:24; found {text!r}"
        )
    return sorted(set(sizes))


def _chunk_of(text: str) -> tuple[int, int]:
    which, _, of = text.partition("/")
    if not (which.isdecimal() and of.isdecimal() and 1 <= int(which) <= int(of)):
        raise argparse.ArgumentTypeError(f"must be such as 1/8, from 1/8 to 8/8; found {text!r}")
    return int(which), int(of)


FIRST = ("init", "example", "check", "run", "workflow")
"""Verbs that a user needs first; the others follow in the help."""


def parser() -> argparse.ArgumentParser:
    """All verbs and their options."""
    whole = argparse.ArgumentParser(
        prog="ebgenes",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Differential expression with a hierarchical model: from counts to local false discovery rates.",
    )
    whole.add_argument("--version", action="version", version=f"ebgenes {__version__}")
    verbs = whole.add_subparsers(dest="verb", required=True, metavar="verb", title="verbs")
    further: list[str] = []

    def verb(name: str, step: Callable[[argparse.Namespace], None], words: str = "") -> argparse.ArgumentParser:
        words = words or step.__doc__ or f"{name}."
        told = words[0].lower() + words[1:].rstrip(".")
        if name in FIRST:
            made = verbs.add_parser(name, help=told, description=words)
        else:
            made = verbs.add_parser(name, description=words)
            further.append(f"  {name:<13} {told}")
        made.set_defaults(step=step)
        made.add_argument("--unpacked-gb", type=_size, help="10^9 bytes that a file may take (default: 4)")
        made.add_argument("--threads", type=_positive, default=None, help="threads to use (default: all processors)")
        return made

    made = verb("init", begin.init)
    made.add_argument("path", nargs="?", default="config.yaml")

    made = verb("example", begin.example)
    made.add_argument("name", help="airway or pasilla")
    made.add_argument("folder", nargs="?", help="to write (default: as the study is called)")

    made = verb("check", commands.check)
    made.add_argument("config")

    made = verb("run", commands.run)
    made.add_argument("config")
    made.add_argument("--outdir", help="folder of the results, in place of the config's")

    made = verb("workflow", begin.workflow)
    made.add_argument(
        "arguments", nargs=argparse.REMAINDER, help="such as --configfile mine.yaml --cores 4, or --profile slurm"
    )

    made = verb("counts", commands.counts)
    made.add_argument("counts", help="file with the counts, or folder with the samples' files")
    made.add_argument("--format", default="auto", help="of the counts (default: by what is there)")
    made.add_argument("--samples", help="sample sheet (default: obs of the .h5ad)")
    made.add_argument(
        "--intake", default="{}",
        help="how files are read, as YAML: orientation, counts_are, exclude, missing, factors, numeric, sum_by",
    )  # fmt: skip
    made.add_argument("--gene-lengths", help="average lengths of transcripts, genes by samples")
    made.add_argument("--design", required=True, help="formula, such as '~ batch + condition'")
    made.add_argument("--genes", help="annotation with gene_id and gene_name")
    scale = made.add_mutually_exclusive_group()
    scale.add_argument("--offsets", help="natural-log offsets, genes by samples")
    scale.add_argument(
        "--size-factors", default="null",
        help="size factors of your own, as YAML: a file with one a sample, '{column: NAME}' of the sheet, or "
        "'{controls: FILE}' with genes that alone tell them",
    )  # fmt: skip
    made.add_argument("--layer", help="layer of the .h5ad")
    made.add_argument("--strandedness", default="auto", help="of STAR's counts: unstranded, forward or reverse")
    made.add_argument("--tx2gene", help="genes of salmon's or kallisto's transcripts: table or GTF")
    made.add_argument("--keep", default="{}", help="the filter, as YAML: '{min_count: 10, min_samples: 3}'")
    made.add_argument("--reference", default="{}", help="first level of factors, as YAML: '{dex: untrt}'")
    made.add_argument("--normalization", default="median_ratio")
    made.add_argument("--pseudobulk", default="null", help="the config's pseudobulk section, as YAML, with --folder")
    made.add_argument("--folder", help="which cell type of a pseudobulk.h5ad: the name of its folder")
    made.add_argument("--out", required=True, help="counts.h5ad to write")

    made = verb("pseudobulk", commands.pseudobulk)
    made.add_argument("counts", help=".h5ad of cells, or 10x folder")
    made.add_argument("--samples", required=True, help="sample sheet")
    made.add_argument("--pseudobulk", required=True, help="as YAML: '{sample: donor, cell_type: cell_type}'")
    made.add_argument("--layer", help="layer of the .h5ad")
    made.add_argument("--out", required=True, help="pseudobulk.h5ad to write")

    made = verb("plan", commands.plan)
    made.add_argument("pseudobulk", help="pseudobulk.h5ad")
    made.add_argument("config", help="config file, or the config itself as YAML")
    made.add_argument("--dataset", required=True, help="name of the dataset")
    made.add_argument("--out", required=True, help="cell_types.json to write")

    made = verb("common", commands.common)
    _contrast_options(made)
    made.add_argument("--out", required=True, help="common.h5 to write")

    made = verb("effects", commands.effects)
    _contrast_options(made)
    made.add_argument("--out", required=True, help="effects.h5 to write")

    made = verb("chunk", commands.chunk)
    made.add_argument("common", help="common.h5 of `ebgenes common`")
    made.add_argument("--chunk", type=_chunk_of, required=True, metavar="I/N", help="which of how many, such as 1/8")
    made.add_argument("--out", required=True, help="effects.h5 of these genes to write")

    made = verb("contrast", commands.contrast)
    _contrast_options(made)
    made.add_argument("--chunks", nargs="+", default=[], help="effects of all chunks, in order, in place of fitting")
    made.add_argument("--effects-out", required=True, help="effects.h5 to write")
    _prior_options(made)

    for name, step in (("prior", commands.prior), ("gibbs", commands.gibbs)):
        made = verb(name, step)
        made.add_argument("effects", help="effects.h5, or a table with effects and standard errors")
        _table_source(made)
        _counts_option(made)
        _prior_options(made)

    made = verb("contrasts", commands.contrasts)
    made.add_argument("counts", help="counts.h5ad of `ebgenes counts`")
    made.add_argument("config", help="config file, or the config itself as YAML")
    made.add_argument("--dataset", required=True, help="name of the dataset")
    made.add_argument("--out", required=True, help="folder to write each contrast's folder to")

    made = verb("table", commands.table)
    made.add_argument("effects", help="effects.h5, or the table given to `ebgenes prior`")
    _table_source(made)
    made.add_argument("--prior", required=True, help="prior.json")
    made.add_argument("--draws", help="draws.nc, where the prior's fit was gibbs")
    _counts_option(made)
    _table_options(made, "--out", required=True)

    made = verb("power", commands.power)
    made.add_argument("prior", help="prior.json of a study of counts")
    made.add_argument(
        "--replicates", type=_sizes, required=True, metavar="N,N,FIRST:LAST",
        help="samples in either group of further studies, such as 6,12 or 3:24",
    )  # fmt: skip
    made.add_argument("--depth", type=_size, default=1.0, help="reads a sample, as a multiple of the study's")
    made.add_argument("--level", type=_share, help="of the list (default: the study's)")
    made.add_argument("--size", type=_size, default=1.0, help="effects beyond it, log2, are told of apart (default: 1)")
    made.add_argument("--out", help="table to write: .tsv, .csv, .parquet or .xlsx")
    made.add_argument("--figure", help="figure to draw, what more samples would buy: .png, .svg or .pdf")

    made = verb("plot", commands.plot)
    made.add_argument("table", help="genes.tsv")
    made.add_argument("--prior", required=True, help="prior.json")
    made.add_argument("--counts", help="counts.h5ad, for the heat map")
    made.add_argument("--effects", help="effects.h5 of a contrast of several rows, for the figure rows")
    made.add_argument("--truth", help="true effects (gene_id, log2_fc), for the calibration")
    made.add_argument("--report", default="{}", help="the config's report section, as YAML")
    made.add_argument(
        "--out", required=True, nargs="+", help="files such as volcano.png ma.svg: the stem names the figure"
    )

    for analysis in ANALYSES.values():
        made = verb(analysis.name, commands.analysis, analysis.words)
        made.add_argument("config", help="config file, or the config itself as YAML")
        made.add_argument("--dataset", required=True, help="name of the dataset")
        made.add_argument("--name", required=True, help=f"which entry of its section {analysis.name}")
        made.add_argument("--folder", help="folder with the dataset's other results (default: as the config says)")

    made = verb("report", commands.report)
    made.add_argument("config", help="config file, or the config itself as YAML")
    made.add_argument("--dataset", required=True, help="name of the dataset")
    made.add_argument("--folder", help="folder with its other results (default: as the config says)")
    made.add_argument("--part", help="which cell type of a dataset of cells: the name of its folder")

    made = verb("studies", commands.studies)
    made.add_argument("config", help="config file, or the config itself as YAML")
    made.add_argument("--name", required=True, help="which entry of studies:")
    made.add_argument("--outdir", help="folder of the results, in place of the config's")

    made = verb("export", commands.export)
    made.add_argument("table", help="genes.tsv")
    made.add_argument("--style", help="names of columns: deseq2, edger, limma, ashr or pertpy (default: ours)")
    made.add_argument("--out", required=True, help="table to write: .tsv, .csv, .parquet, .xlsx, or .rnk (a ranking)")

    made = verb("simulate", commands.simulate)
    made.add_argument("folder")
    made.add_argument("--genes", type=_positive, default=8000)
    made.add_argument("--replicates", type=_positive, default=3, help="samples per group")
    made.add_argument("--pi0", type=_share, default=0.85, help="share of null genes")
    made.add_argument("--seed", type=_natural, default=1)
    whole.epilog = "\n".join(("steps of the workflow, and tools for single files:", *further))
    return whole


def _contrast_options(made: argparse.ArgumentParser) -> None:
    made.add_argument("counts", help="counts.h5ad of `ebgenes counts`")
    made.add_argument("--design", required=True, help="formula")
    made.add_argument("--contrast", required=True, help="as YAML: '{column: dex, baseline: untrt, target: trt}'")
    made.add_argument("--name", default="effect", help="name of the contrast")
    made.add_argument("--reference", default="{}", help="first level of factors, as YAML")
    made.add_argument("--effects", default="{}", help="the config's effects section, as YAML")
    made.add_argument("--controls", help="ids of genes that do not respond, one a line")


def _prior_options(made: argparse.ArgumentParser) -> None:
    made.add_argument("--prior", default="{}", help="the config's prior section, as YAML")
    made.add_argument("--gibbs", default="{}", help="the config's gibbs section, as YAML")
    made.add_argument("--draws", help="draws.nc to write, where the prior's fit is gibbs")
    made.add_argument("--genes", help="annotation of the genes, for covariates")
    made.add_argument("--beside", help="table of fixed beside random effects to write, where both were asked for")
    made.add_argument("--out", required=True, help="prior.json to write")
    _table_options(made, "--table", required=False)
    made.add_argument("--figures", nargs="*", default=[], help="figures to draw of the table, such as volcano.png")
    made.add_argument("--perhaps", nargs="*", default=[], help="the same, where what they show is found (hidden.png)")


def _counts_option(made: argparse.ArgumentParser) -> None:
    made.add_argument("--counts", help="counts.h5ad, for gene names and the genes that were not fitted")


def _table_options(made: argparse.ArgumentParser, out: str, *, required: bool) -> None:
    made.add_argument("--report", default="{}", help="the config's report section, as YAML")
    made.add_argument(out, required=required, nargs="+", default=[], help="genes.tsv to write (also .parquet, .xlsx)")


def _table_source(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--columns",
        help="a table's columns, as YAML: '{estimate: my_lfc, se: my_se}'; also gene, name, df, t, f, lr, p, "
        "base_mean, log2_mean (default: as DESeq2, edgeR, limma, ashr, pertpy or ebgenes name them)",
    )
    made.add_argument("--df", type=_freedom, help="degrees of freedom of a table's standard errors")
