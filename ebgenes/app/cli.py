"""``ebgenes <verb>``: one sub-command per step. A step reads, calls, writes.

Nothing heavy is imported before the arguments are known to be good.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ebgenes import __version__
from ebgenes.errors import InputError, listing

if TYPE_CHECKING:
    import pandas as pd

    from ebgenes.app.config import EffectsSettings
    from ebgenes.app.steps import JointTold
    from ebgenes.arrays import TextArray
    from ebgenes.records.counts import Screen, Study
    from ebgenes.records.design import Design
    from ebgenes.records.effects import Effects, JointEffects
    from ebgenes.records.prior import GibbsDraws, MixturePrior

STARTER = """\
# A starter config for ebgenes. Paths are relative to the folder the command runs in.
# Check it with `ebgenes check config.yaml`, then run it with `ebgenes run config.yaml`.
outdir: results
datasets:
  mystudy:
    counts: counts.tsv.gz      # raw counts, genes x samples (TSV, CSV, .parquet, .h5ad, featureCounts), or a folder
                               # of 10x, STAR, salmon or kallisto
    samples: samples.tsv       # one row a sample, names in the first column
    genes: null                # optional annotation: gene_id, gene_name
    design: "~ condition"      # donors measured several times: "~ condition + (1|donor)"
    contrasts:
      treatment: {column: condition, baseline: control, target: treated}
    keep: {min_count: 10, min_samples: null}   # null: as many samples as the smallest group has
effects: {engine: auto, normalization: median_ratio}   # auto: likelihood, or mixed with random factors
prior: {family: scale_normal, fit: em, null: estimated, covariates: []}   # such as base_mean, or columns of genes
report: {level: 0.05, interval: 0.95, lfc_threshold: 0, label: 20}
"""


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; returns the exit code: 0, or 2 for a user's mistake."""
    options = _parser().parse_args(arguments)
    _set_threads(options.threads)
    warnings.showwarning = _say_warning
    # A step's imports alone make objects by the hundred thousand and no garbage to look for.
    gc.set_threshold(100_000)
    try:
        options.step(options)
    except InputError as error:
        print(f"ebgenes {options.verb}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 1
    return 0


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


def _note(message: str) -> None:
    print(f"ebgenes: {message}", file=sys.stderr)


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
    if not df > 0:
        raise argparse.ArgumentTypeError(f"must be a number above 0; found {text!r}")
    return df


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1; found {text!r}")
    return share


def _chunk_of(text: str) -> tuple[int, int]:
    which, _, of = text.partition("/")
    if not (which.isdecimal() and of.isdecimal() and 1 <= int(which) <= int(of)):
        raise argparse.ArgumentTypeError(f"must be such as 1/8, from 1/8 to 8/8; found {text!r}")
    return int(which), int(of)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ebgenes",
        description="Differential expression with a hierarchical model: from counts to local false discovery rates.",
    )
    parser.add_argument("--version", action="version", version=f"ebgenes {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="verb")

    def verb(name: str, step: Any, summary: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        made.set_defaults(step=step)
        made.add_argument("--threads", type=_positive, default=None, help="threads to use (default: all processors)")
        return made

    made = verb("init", _init, "write a starter config")
    made.add_argument("path", nargs="?", default="config.yaml")

    made = verb("check", _check, "validate a config, its sheets and designs, and say what will run")
    made.add_argument("config")

    made = verb("run", _run, "run a whole config in this process")
    made.add_argument("config")
    made.add_argument("--outdir", help="folder of the results, in place of the config's")

    made = verb("counts", _counts, "read, filter and normalize the counts of one dataset")
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

    made = verb("pseudobulk", _pseudobulk, "sum cells by sample and cell type")
    made.add_argument("counts", help=".h5ad of cells, or 10x folder")
    made.add_argument("--samples", required=True, help="sample sheet")
    made.add_argument("--pseudobulk", required=True, help="as YAML: '{sample: donor, cell_type: cell_type}'")
    made.add_argument("--layer", help="layer of the .h5ad")
    made.add_argument("--out", required=True, help="pseudobulk.h5ad to write")

    made = verb("plan", _plan, "say which contrasts can be asked of which cell type")
    made.add_argument("pseudobulk", help="pseudobulk.h5ad")
    made.add_argument("config", help="config file, or the config itself as YAML")
    made.add_argument("--dataset", required=True, help="name of the dataset")
    made.add_argument("--out", required=True, help="cell_types.json to write")

    made = verb("common", _common, "learn what all genes share, from which `effects` goes on in chunks of genes")
    _contrast_options(made)
    made.add_argument("--out", required=True, help="common.h5 to write")

    made = verb("effects", _effects, "estimate one contrast's effect for every gene")
    _contrast_options(made)
    made.add_argument("--out", required=True, help="effects.h5 to write")

    made = verb("chunk", _chunk, "estimate the effects of one chunk of genes")
    made.add_argument("common", help="common.h5 of `ebgenes common`")
    made.add_argument("--chunk", type=_chunk_of, required=True, metavar="I/N", help="which of how many, such as 1/8")
    made.add_argument("--out", required=True, help="effects.h5 of these genes to write")

    made = verb("contrast", _contrast, "effects, prior, table and figures of one contrast, in one process")
    _contrast_options(made)
    made.add_argument("--chunks", nargs="+", default=[], help="effects of all chunks, in order, in place of fitting")
    made.add_argument("--effects-out", required=True, help="effects.h5 to write")
    _prior_options(made)

    for name, step, summary in (
        ("prior", _prior, "fit the prior all genes share; on request also its table and figures"),
        ("gibbs", _gibbs, "the same with draws of the prior from its posterior, whose uncertainty reaches every gene"),
    ):
        made = verb(name, step, summary)
        made.add_argument("effects", help="effects.h5, or a table with effects and standard errors")
        _table_source(made)
        _counts_option(made)
        _prior_options(made)

    made = verb("contrasts", _contrasts, "all of a config's contrasts of one dataset, in one process")
    made.add_argument("counts", help="counts.h5ad of `ebgenes counts`")
    made.add_argument("config", help="config file, or the config itself as YAML")
    made.add_argument("--dataset", required=True, help="name of the dataset")
    made.add_argument("--out", required=True, help="folder to write each contrast's folder to")

    made = verb("table", _table, "write the result table")
    made.add_argument("effects", help="effects.h5, or the table given to `ebgenes prior`")
    _table_source(made)
    made.add_argument("--prior", required=True, help="prior.json")
    made.add_argument("--draws", help="draws.nc, where the prior's fit was gibbs")
    _counts_option(made)
    _table_options(made, "--out", required=True)

    made = verb("plot", _plot, "draw figures of a result table")
    made.add_argument("table", help="genes.tsv")
    made.add_argument("--prior", required=True, help="prior.json")
    made.add_argument("--counts", help="counts.h5ad, for the heat map")
    made.add_argument("--effects", help="effects.h5 of a contrast of several rows, for the figure rows")
    made.add_argument("--truth", help="true effects (gene_id, log2_fc), for the calibration")
    made.add_argument("--report", default="{}", help="the config's report section, as YAML")
    made.add_argument(
        "--out", required=True, nargs="+", help="files such as volcano.png ma.svg: the stem names the figure"
    )

    made = verb("multivariate", _multivariate, "take contrasts or cell types of one dataset together")
    made.add_argument("config", help="config file, or the config itself as YAML")
    made.add_argument("--dataset", required=True, help="name of the dataset")
    made.add_argument("--name", required=True, help="which entry of its section multivariate")
    made.add_argument("--folder", help="folder with the dataset's other results (default: as the config says)")

    made = verb("report", _report, "write report.html and results.h5ad of one dataset")
    made.add_argument("config", help="config file, or the config itself as YAML")
    made.add_argument("--dataset", required=True, help="name of the dataset")
    made.add_argument("--folder", help="folder with its other results (default: as the config says)")
    made.add_argument("--part", help="which cell type of a dataset of cells: the name of its folder")

    made = verb("studies", _studies, "pool several studies of one question: table, figures and report")
    made.add_argument("config", help="config file, or the config itself as YAML")
    made.add_argument("--name", required=True, help="which entry of studies:")
    made.add_argument("--outdir", help="folder of the results, in place of the config's")

    made = verb("export", _export, "write a result table in another format, or with another tool's names of columns")
    made.add_argument("table", help="genes.tsv")
    made.add_argument("--style", help="names of columns: deseq2, limma, ashr or pertpy (default: ours)")
    made.add_argument("--out", required=True, help="table to write: .tsv, .csv, .parquet, .xlsx, or .rnk (a ranking)")

    made = verb("simulate", _simulate, "write simulated counts, their sheet and the truth")
    made.add_argument("folder")
    made.add_argument("--genes", type=_positive, default=8000)
    made.add_argument("--replicates", type=_positive, default=3, help="samples per group")
    made.add_argument("--pi0", type=_share, default=0.85, help="share of null genes")
    made.add_argument("--seed", type=_natural, default=1)
    return parser


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
    made.add_argument("--figures", nargs="+", default=[], help="figures to draw of the table, such as volcano.png")


def _counts_option(made: argparse.ArgumentParser) -> None:
    made.add_argument("--counts", help="counts.h5ad, for gene names and the genes that were not fitted")


def _table_options(made: argparse.ArgumentParser, out: str, *, required: bool) -> None:
    made.add_argument("--report", default="{}", help="the config's report section, as YAML")
    made.add_argument(out, required=required, nargs="+", default=[], help="genes.tsv to write (also .parquet, .xlsx)")


def _yaml(text: str, option: str) -> Any:
    from ebgenes.app.config import load_yaml

    return load_yaml(text, option)


def _init(options: argparse.Namespace) -> None:
    from ebgenes.files import write_bytes

    if Path(options.path).exists():
        raise InputError(f"{options.path} exists already. Name another file.")
    write_bytes(options.path, STARTER.encode())
    print(f"wrote {options.path}; next: ebgenes check {options.path}")


def _check(options: argparse.Namespace) -> None:
    from ebgenes.app.check import check
    from ebgenes.app.config import read_config

    for line in check(read_config(options.config)):
        print(line)


def _run(options: argparse.Namespace) -> None:
    from dataclasses import replace

    from ebgenes.app.config import read_config

    config = read_config(options.config)
    if options.outdir is not None:
        config = replace(config, outdir=options.outdir)
    from ebgenes.app.steps import run

    folder = run(config, progress=lambda message: print(message, file=sys.stderr, flush=True))
    print(f"results are in {folder}")


def _counts(options: argparse.Namespace) -> None:
    from ebgenes.app.config import DatasetSettings, parse_intake, parse_reference, parse_section, parse_size_factors
    from ebgenes.app.steps import prepare, prepare_cell_type
    from ebgenes.data.h5ad import write_study

    pseudobulk = _yaml(options.pseudobulk, "--pseudobulk")
    dataset = DatasetSettings(
        counts=options.counts,
        format=options.format,
        layer=options.layer,
        strandedness=options.strandedness,
        tx2gene=options.tx2gene,
        pseudobulk=None if pseudobulk is None else parse_section("pseudobulk", pseudobulk),
        samples=options.samples,
        genes=options.genes,
        offsets=options.offsets,
        size_factors=parse_size_factors(_yaml(options.size_factors, "--size-factors")),
        controls=None,
        design=options.design,
        reference=parse_reference(_yaml(options.reference, "--reference")),
        contrasts={},
        keep=parse_section("keep", _yaml(options.keep, "--keep")),
        gene_lengths=options.gene_lengths,
        **parse_intake(_yaml(options.intake, "--intake")),
    )
    if dataset.pseudobulk is None:
        study = prepare(dataset, options.normalization, say=_note)
    else:
        from ebgenes.app.config import reserved_names
        from ebgenes.data.pseudobulk import folder_names, read_pseudobulk

        sums = read_pseudobulk(options.counts)
        cell_type = {folder: name for name, folder in folder_names(sums.cell_type, reserved_names()).items()}
        if options.folder not in cell_type:
            raise InputError(f"no cell type has the folder {options.folder!r}; there are: {listing(cell_type)}.")
        study = prepare_cell_type(dataset, sums, cell_type[options.folder], options.normalization, say=_note)
    write_study(options.out, study)


def _pseudobulk(options: argparse.Namespace) -> None:
    from ebgenes.app.config import parse_section
    from ebgenes.data.pseudobulk import pseudobulk_cells, write_pseudobulk
    from ebgenes.data.sheets import read_samples

    chosen = parse_section("pseudobulk", _yaml(options.pseudobulk, "--pseudobulk"))
    sums, notes = pseudobulk_cells(
        options.counts,
        [str(name) for name in read_samples(options.samples).index],
        sample=chosen.sample,
        cell_type=chosen.cell_type,
        cells=chosen.cells,
        layer=options.layer,
    )
    for note in notes:
        _note(note)
    write_pseudobulk(options.out, sums)


def _plan(options: argparse.Namespace) -> None:
    from ebgenes.app.steps import left_out, plan_cell_types
    from ebgenes.data.pseudobulk import read_pseudobulk
    from ebgenes.files import write_json

    config, dataset = _config_and_dataset(options)
    if dataset.pseudobulk is None:
        raise InputError(f"dataset {options.dataset!r} has no section pseudobulk.")
    plan = plan_cell_types(dataset, read_pseudobulk(options.pseudobulk), config.effects.normalization)
    for sentence in left_out(plan):
        _note(sentence)
    write_json(options.out, plan)


def _config_and_dataset(options: argparse.Namespace) -> tuple[Any, Any]:
    """A config from a file or from YAML on the command line, and the dataset asked for."""
    config = _config_of(options.config)
    dataset = config.datasets.get(options.dataset)
    if dataset is None:
        raise InputError(f"the config has no dataset {options.dataset!r}; it has: {listing(config.datasets)}.")
    return config, dataset


def _config_of(text: str) -> Any:
    """A config from a file, or from YAML on the command line."""
    from ebgenes.app.config import load_yaml_file, parse_config

    return parse_config(load_yaml_file(text) if text.endswith((".yaml", ".yml")) else _yaml(text, "config"))


def _effects(options: argparse.Namespace) -> None:
    _write_effects(options.out, _estimated(options))


def _write_effects(path: str, effects: Effects | JointEffects) -> None:
    from ebgenes.records.effects import JointEffects
    from ebgenes.results.storage import write_effects, write_joint_effects

    if isinstance(effects, JointEffects):
        write_joint_effects(path, effects)
    else:
        write_effects(path, effects)


def _common(options: argparse.Namespace) -> None:
    from ebgenes.app.steps import share
    from ebgenes.results.storage import write_common

    write_common(options.out, share(*_asked(options)))


def _chunk(options: argparse.Namespace) -> None:
    from ebgenes.effects.chunks import chunk
    from ebgenes.effects.likelihood import effects_of
    from ebgenes.results.storage import read_common, write_effects

    common = read_common(options.common)
    write_effects(options.out, effects_of(common, chunk(len(common.counts.gene), *options.chunk)))


def _estimated(options: argparse.Namespace) -> Effects | JointEffects:
    from ebgenes.app.steps import estimate_any

    return estimate_any(*_asked(options))


def _asked(options: argparse.Namespace) -> tuple[Study, Design, EffectsSettings, TextArray | None]:
    """A study and the question asked of it."""
    from ebgenes.app.config import parse_contrast, parse_reference, parse_section
    from ebgenes.app.steps import contrast_design
    from ebgenes.data.h5ad import read_study
    from ebgenes.data.sheets import read_controls

    settings = parse_section("effects", _yaml(options.effects, "--effects"))
    question = parse_contrast(_yaml(options.contrast, "--contrast"))
    reference = parse_reference(_yaml(options.reference, "--reference"))
    study = read_study(options.counts)
    design = contrast_design(study.samples, options.design, question, options.name, reference)
    controls = None if options.controls is None else read_controls(options.controls)
    return study, design, settings, controls


def _contrast(options: argparse.Namespace) -> None:
    effects: Effects | JointEffects
    if options.chunks:
        from ebgenes.app.config import parse_section
        from ebgenes.effects.chunks import gathered
        from ebgenes.results.storage import read_effects

        settings = parse_section("effects", _yaml(options.effects, "--effects"))
        effects = gathered([read_effects(path) for path in options.chunks], settings.composition)
    else:
        effects = _estimated(options)
    _write_effects(options.effects_out, effects)
    _learn_and_write(effects, None, options, _yaml(options.prior, "--prior"))


def _contrasts(options: argparse.Namespace) -> None:
    from ebgenes.app.steps import answer_all
    from ebgenes.data.h5ad import read_study

    config, dataset = _config_and_dataset(options)
    answer_all(Path(options.out), read_study(options.counts), dataset, config, _note)


def _any_effects(options: argparse.Namespace) -> tuple[Effects | JointEffects, Screen | None]:
    """Effects from effects.h5, or from a table of estimates and what tells their errors, with all its genes."""
    path = options.effects
    if Path(path).suffix in (".h5", ".hdf5"):
        from ebgenes.results.storage import read_any_effects

        if options.columns is not None or options.df is not None:
            raise InputError(f"{path} knows its columns and degrees of freedom. Leave out --columns and --df.")
        return read_any_effects(path), None
    from ebgenes.effects.effect_tables import read_effect_table

    columns = None if options.columns is None else _yaml(options.columns, "--columns")
    if columns is not None and not isinstance(columns, dict):
        raise InputError("--columns must be a mapping, for example '{estimate: my_lfc, se: my_se}'.")
    columns = None if columns is None else {str(name): str(column) for name, column in columns.items()}
    table = read_effect_table(path, columns=columns, df=options.df)
    return table.effects, table.screen


def _table_source(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--columns",
        help="a table's columns, as YAML: '{estimate: my_lfc, se: my_se}'; also gene, name, df, t, f, lr, p, "
        "base_mean, log2_mean (default: as DESeq2, edgeR, limma, ashr, pertpy or ebgenes name them)",
    )
    made.add_argument("--df", type=_freedom, help="degrees of freedom of a table's standard errors")


def _gibbs(options: argparse.Namespace) -> None:
    settings = _yaml(options.prior, "--prior")
    if not isinstance(settings, dict):
        raise InputError("--prior must be a mapping, for example '{family: scale_normal}'.")
    _fit_prior(options, {**settings, "fit": "gibbs"})


def _prior(options: argparse.Namespace) -> None:
    _fit_prior(options, _yaml(options.prior, "--prior"))


def _fit_prior(options: argparse.Namespace, asked: Any) -> None:
    effects, screen = _any_effects(options)
    _learn_and_write(effects, screen, options, asked)


def _learn_and_write(
    effects: Effects | JointEffects, screen: Screen | None, options: argparse.Namespace, asked: Any
) -> None:
    from ebgenes.records.effects import JointEffects

    if isinstance(effects, JointEffects):
        _learn_joint(effects, options, asked)
    else:
        _learn_single(effects, screen, options, asked)


def _learn_joint(effects: JointEffects, options: argparse.Namespace, asked: Any) -> None:
    from ebgenes.app.config import parse_section
    from ebgenes.app.steps import answer_joint, write_joint
    from ebgenes.data.h5ad import read_screen

    report = parse_section("report", _yaml(options.report, "--report"))
    screen = None if options.counts is None else read_screen(options.counts)
    found = answer_joint(effects, parse_section("prior", asked), report, screen)
    figures = [Path(path) for path in options.figures]
    tables = [Path(path) for path in options.table]
    write_joint(Path(options.out), tables, figures, found, report, _study_for(figures, options.counts))


def _learn_single(effects: Effects, screen: Screen | None, options: argparse.Namespace, asked: Any) -> None:
    from ebgenes.app.config import parse_section
    from ebgenes.app.steps import compare, covariates_of, learn, lfsr_of, listed, sample, write_beside, write_figures
    from ebgenes.files import write_json
    from ebgenes.results.storage import write_draws
    from ebgenes.results.summary import summarize

    settings = parse_section("prior", asked)
    gibbs = parse_section("gibbs", _yaml(options.gibbs, "--gibbs"))
    report = parse_section("report", _yaml(options.report, "--report"))
    covariates = covariates_of(effects.gene, effects.base_mean, settings, options.genes)
    fit = learn(effects, settings, covariates)
    unfinished = Path(f"{options.draws}.unfinished.npz") if options.draws else None
    draws = sample(effects, fit, settings, gibbs, unfinished, _count_sweeps, covariates)
    models = compare(effects, fit, settings, report.seed, covariates)
    drawn, table = None, None
    if options.table or options.figures or draws is not None:
        table = _write_tables(options.table, effects, fit.prior, options.counts, screen, report, draws)
    if draws is not None and table is not None:
        drawn = draws, listed(table, report.level)
        if options.draws:
            write_draws(options.draws, draws)
    known = covariates, models, report.seed, drawn, settings.stored
    lfsr = None if table is None else lfsr_of(table, draws)
    summary = summarize(effects, fit, report.level, *known, lfsr=lfsr)
    if options.figures and table is not None:
        figures = [Path(path) for path in options.figures]
        write_figures(figures, table, fit.prior, summary, report, _study_for(figures, options.counts))
    if options.beside:
        write_beside(Path(options.beside), effects, fit.prior, settings, summary, report.level)
    write_json(options.out, summary)
    if summary["stored"]:
        print(summary["stored"]["words"])
    if models is not None:
        print(summary["comparison"]["verdict"])
    if draws is not None and summary["gibbs"]["caution"]:
        print(f"ebgenes: warning: {summary['gibbs']['caution']}", file=sys.stderr)


def _count_sweeps(done: int, total: int) -> None:
    """Progress, where someone watches."""
    if sys.stderr.isatty():
        print(f"\r{done:,} of {total:,} sweeps", end="\n" if done == total else "", file=sys.stderr, flush=True)


def _table(options: argparse.Namespace) -> None:
    from ebgenes.app.config import parse_section
    from ebgenes.records.effects import JointEffects
    from ebgenes.results.storage import read_prior
    from ebgenes.results.table_files import write_table

    report = parse_section("report", _yaml(options.report, "--report"))
    effects, screen = _any_effects(options)
    if isinstance(effects, JointEffects):
        table = _told(effects, options.prior, options.counts, report).table
        for path in options.out:
            write_table(path, table)
        return
    prior = read_prior(options.prior)[0].in_unit(effects.told_unit)
    draws = None
    if options.draws:
        from ebgenes.results.storage import read_draws

        draws = read_draws(options.draws)
    _write_tables(options.out, effects, prior, options.counts, screen, report, draws)


def _told(effects: JointEffects, prior: str | Path, counts: str | None, report: Any) -> JointTold:
    """What a stored prior says of several rows."""
    from ebgenes.app.steps import tell_joint
    from ebgenes.data.h5ad import read_screen
    from ebgenes.results.storage import read_multivariate_prior

    screen = None if counts is None else read_screen(counts)
    return tell_joint(effects, read_multivariate_prior(prior)[0], screen, report)


def _write_tables(
    paths: list[str],
    effects: Effects,
    prior: MixturePrior,
    counts: str | None,
    screen: Screen | None,
    report: Any,
    draws: GibbsDraws | None = None,
) -> pd.DataFrame:
    from ebgenes.app.steps import tabulate
    from ebgenes.data.h5ad import read_screen
    from ebgenes.results.table_files import write_table

    table = tabulate(effects, prior, screen if counts is None else read_screen(counts), report, draws)
    for path in paths:
        write_table(path, table)
    return table


def _plot(options: argparse.Namespace) -> None:
    from dataclasses import replace

    from ebgenes.app.config import parse_section
    from ebgenes.app.steps import write_figures
    from ebgenes.records.effects import JointEffects
    from ebgenes.results.storage import read_any_effects, read_prior
    from ebgenes.results.table_files import read_null, read_table

    settings = parse_section("report", _yaml(options.report, "--report"))
    prior, summary = read_prior(options.prior)
    table, files = read_table(options.table), [Path(path) for path in options.out]
    null = None if options.truth is None else read_null(options.truth, table)
    joint = None
    if options.effects is not None:
        effects = read_any_effects(options.effects)
        if isinstance(effects, JointEffects):
            joint = replace(_told(effects, options.prior, None, settings), table=table)
    write_figures(files, table, prior, summary, settings, _study_for(files, options.counts), null, joint)


def _study_for(figures: list[Path], counts: str | None) -> Study | None:
    """The counts, where a figure needs them."""
    from ebgenes.app.config import HEAT_MAP
    from ebgenes.data.h5ad import read_study

    return read_study(counts) if counts is not None and any(path.stem == HEAT_MAP for path in figures) else None


def _multivariate(options: argparse.Namespace) -> None:
    from ebgenes.app.steps import together

    config, dataset = _config_and_dataset(options)
    if options.name not in dataset.multivariate:
        raise InputError(
            f"dataset {options.dataset!r} has no section multivariate {options.name!r}; it has: "
            f"{listing(dataset.multivariate) or 'none'}."
        )
    folder = Path(options.folder or Path(config.outdir, options.dataset))
    print(together(folder, options.name, dataset, config.report))


def _report(options: argparse.Namespace) -> None:
    from dataclasses import replace

    from ebgenes.app.conditions import together_pages
    from ebgenes.app.steps import contrast_page, write_dataset_figures, write_results
    from ebgenes.data.h5ad import read_study
    from ebgenes.files import read_json
    from ebgenes.records.effects import JointEffects
    from ebgenes.results.storage import read_any_effects, read_prior
    from ebgenes.results.summary import further_words
    from ebgenes.results.table import sentence
    from ebgenes.results.table_files import read_table

    config, dataset = _config_and_dataset(options)
    name = options.dataset if options.part is None else f"{options.dataset}/{options.part}"
    folder = Path(options.folder or Path(config.outdir, name))
    together = together_pages(folder if options.part is None else folder.parent, dataset)
    if options.part is not None:
        plan = read_json(folder.parent / "cell_types.json")
        asked = plan.get(options.part, {}).get("contrasts", [])
        dataset = replace(dataset, contrasts={contrast: dataset.contrasts[contrast] for contrast in asked})
    study = read_study(folder / "counts.h5ad")
    pages, said = [], {}
    for contrast in dataset.contrasts:
        prior, summary = read_prior(folder / contrast / "prior.json")
        named = summary.get("contrast", {}).get("name")
        if named != contrast:
            raise InputError(
                f"{folder / contrast / 'prior.json'} is of the contrast {named!r}, and its folder's name says "
                f"{contrast!r}. Make it anew with --name {contrast}, or run the whole config again."
            )
        said[contrast] = further_words(summary)
        table = read_table(folder / contrast / "genes.tsv")
        effects = read_any_effects(folder / contrast / "effects.h5")
        known = folder / contrast, table, prior, summary, study, dataset, config
        if isinstance(effects, JointEffects):
            told = _told(effects, folder / contrast / "prior.json", None, config.report)
            pages.append(contrast_page(*known, joint=told))
        else:
            pages.append(contrast_page(*known, effects))
    write_results(folder, study, name, pages, together)
    write_dataset_figures(folder, study, dataset, pages, config.report)
    # What a newcomer reads last on the terminal: what was found, and how sure we are.
    for page in pages:
        print(f"{page.name}: {sentence(page.table, page.up, page.down, page.level)}")
        for words in said[page.name]:
            print(f"{page.name}: {words}")
    print(f"open {folder / 'report.html'}")


def _studies(options: argparse.Namespace) -> None:
    from dataclasses import replace

    from ebgenes.app.studies import run_studies

    config = _config_of(options.config)
    if options.name not in config.studies:
        raise InputError(f"the config has no studies {options.name!r}; it has: {listing(config.studies) or 'none'}.")
    if options.outdir is not None:
        config = replace(config, outdir=options.outdir)
    run_studies(config, options.name, progress=print)


def _export(options: argparse.Namespace) -> None:
    from ebgenes.results.table import restyle
    from ebgenes.results.table_files import read_table, write_table

    table = read_table(options.table)
    write_table(options.out, table if options.style is None else restyle(table, options.style))


def _simulate(options: argparse.Namespace) -> None:
    import numpy as np

    from ebgenes.data.simulate import simulate_counts
    from ebgenes.results.table_files import write_simulation

    rng = np.random.default_rng(options.seed)
    made = simulate_counts(rng, n_genes=options.genes, n_per_group=options.replicates, pi0=options.pi0)
    write_simulation(options.folder, made)
