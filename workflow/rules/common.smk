# The checked config and small helpers. No data is parsed here: this file runs again in every job.
import json
import os
import re
import shlex
import sys
import time
from dataclasses import asdict
from glob import glob

from snakemake.dag import DAG
from snakemake.exceptions import WorkflowError
from snakemake.io import contains_wildcard
from snakemake.jobs import Job

try:
    from ebgenes import __version__ as EBGENES_VERSION
    from ebgenes.app.analyses import ANALYSES
    from ebgenes.app.config import (
        annotation_columns,
        is_multi_df,
        load_yaml_file,
        parse_config,
        plain_values,
        size_factor_file,
    )
    from ebgenes.app.file_marks import Contents
    from ebgenes.app.outputs import (
        dataset_figures,
        files_of_analysis,
        files_of_contrast,
        files_of_dataset,
        folder_of_analysis,
        multi_df_figures,
        shown_on_page,
        studies_figures,
    )
    from ebgenes.app.parts import (
        analysis_part,
        dataset_part,
        intake_part,
        plan_part,
        section_part,
        studies_part,
        sums_part,
    )
    from ebgenes.app.retries import go_on_after_a_kill, spare_mistakes
    from ebgenes.data.intake import lengths_of
    from ebgenes.errors import InputError
    from ebgenes.plots.figures import figure_of
except ImportError as error:
    raise WorkflowError(
        f"the package ebgenes cannot be imported where Snakemake runs ({error}). "
        "Install it there: pip install 'ebgenes[workflow]', or '.[workflow]' in a checkout."
    )

try:
    # Snakemake has read these, and of a key that is there twice it takes the last without a word.
    for path in workflow.configfiles:
        if os.path.isfile(path):
            load_yaml_file(path)
    SETTINGS = parse_config(config)
except InputError as error:
    raise WorkflowError(str(error))


def refuse_wildcards():
    """A name in braces is a wildcard to Snakemake, in a path as it is on disk too, and cannot be escaped."""
    paths = {"outdir": SETTINGS.outdir, "prior.from": SETTINGS.prior.stored or ""}
    for name, settings in SETTINGS.datasets.items():
        for key in (
            "counts",
            "samples",
            "genes",
            "offsets",
            "controls",
            "tx2gene",
        ):
            paths[f"datasets.{name}.{key}"] = getattr(settings, key) or ""
        paths[f"datasets.{name}.gene_lengths"] = lengths_of(settings) or ""
        paths[f"datasets.{name}.size_factors"] = size_factor_file(settings) or ""
        if settings.pseudobulk:
            paths[f"datasets.{name}.pseudobulk.cells"] = settings.pseudobulk.cells or ""
    for name, settings in SETTINGS.studies.items():
        paths[f"studies.{name}.genes"] = settings.genes or ""
        for study, source in settings.sources.items():
            paths[f"studies.{name}.of.{study}.table"] = source.table or ""
    found = [f"{key}: {path}" for key, path in paths.items() if contains_wildcard(path)]
    if found:
        raise WorkflowError(
            "Snakemake takes a name in braces within a path for a wildcard. Rename it, or use `ebgenes run`:\n"
            + "\n".join(f"  - {line}" for line in found)
        )


refuse_wildcards()

STARTED = time.time()


spare_mistakes(Job, STARTED)
go_on_after_a_kill(DAG)

OUTDIR = os.path.normpath(SETTINGS.outdir)
OUTDIR = "" if OUTDIR == "." else OUTDIR
DATASET = os.path.join(OUTDIR, "{dataset}")
CONTRAST = os.path.join(DATASET, "{contrast}")
STUDIES = os.path.join(OUTDIR, "{studies}")
LOGS = os.path.join(OUTDIR, "logs", "{dataset}")
CONTRAST_FILES = files_of_contrast(SETTINGS)
STUDIES_FIGURES = studies_figures(SETTINGS)
ROW_FIGURES = multi_df_figures(SETTINGS)
# Analyses of a dataset's contrasts that some dataset asks for.
ASKED = [
    analysis
    for key, analysis in ANALYSES.items()
    if any(each.analyses[key] for each in SETTINGS.datasets.values())
]


# Datasets of cells become a study for each cell type, `<dataset>/<cell type>`, once their cells have been read.
CELLS = [name for name, each in SETTINGS.datasets.items() if each.pseudobulk]
PLAIN = [name for name in SETTINGS.datasets if name not in CELLS]


def any_of(names):
    """A pattern of these names; of none, one that nothing fits."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    analyzed=any_of(SETTINGS.datasets),
    cells=any_of(CELLS),
    cell_type=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    dataset=rf"{any_of(PLAIN)}|(?:{any_of(CELLS)})/[A-Za-z0-9][A-Za-z0-9._-]*",
    chunk=r"\d+",
    batch=r"\d+",
    contrast="|".join(
        {re.escape(name) for d in SETTINGS.datasets.values() for name in d.contrasts}
    ),


def name_of(wildcards):
    """The dataset's name in the config."""
    return wildcards.get("cells") or wildcards.dataset.partition("/")[0]


def part_of(wildcards):
    """The cell type's folder, or nothing."""
    return wildcards.dataset.partition("/")[2]


def dataset(wildcards):
    return SETTINGS.datasets[name_of(wildcards)]


def source(name):
    """A file of the dataset's, or nothing; never moved by a module's prefix."""

    def find(wildcards):
        path = getattr(dataset(wildcards), name)
        return [] if path is None else local(path)

    return find


def gene_lengths(wildcards):
    """The table of transcripts' lengths, which may lie beside the counts, or nothing."""
    path = lengths_of(dataset(wildcards))
    return [] if path is None else local(path)


def size_factors(wildcards):
    """The file that size factors come from, or nothing."""
    path = size_factor_file(dataset(wildcards))
    return [] if path is None else local(path)


def annotation(wildcards):
    """The genes' annotation where covariates need it."""
    needed = annotation_columns(SETTINGS.prior.covariates)
    return source("genes")(wildcards) if needed else []


def stored_prior(wildcards):
    """The prior of another study, where the config names one."""
    return [] if SETTINGS.prior.stored is None else local(SETTINGS.prior.stored)


# Snakemake goes by times and sizes alone: an older file in the place of another is no change to it.
CONTENTS = Contents(
    os.path.join(".snakemake", "ebgenes", "contents.json"),
    [os.path.join(OUTDIR, name) for name in [*SETTINGS.datasets, *SETTINGS.studies]],
)


def contents_of(*finders):
    """An input function of the marks of what the user's files hold; each finder gives a path, several or nothing."""

    def find(wildcards):
        found = [finder(wildcards) for finder in finders]
        return [
            CONTENTS.of([paths] if isinstance(paths, str) else paths) for paths in found
        ]

    return find


def flag_of(option, value):
    """An option and its value, quoted for the shell; nothing where the value is missing."""
    return f"--{option}={shlex.quote(str(value))}" if value else ""


def size_factors_flag(wildcards):
    """The option of size factors that the dataset names, if it does."""
    asked = dataset(wildcards).size_factors
    return flag_of("size-factors", json.dumps(asked) if asked else None)


# Bytes that a file of the user may take.
LIMITS = flag_of("unpacked-gb", SETTINGS.limits.unpacked_gb)


def cell_types_of(name):
    """What can be asked of each cell type of a dataset; waits for the job that finds out."""
    with checkpoints.plan.get(cells=name).output[0].open() as plan:
        return {
            folder: part["contrasts"]
            for folder, part in json.load(plan).items()
            if part["contrasts"]
        }


def contrasts_of(study):
    """The contrasts of a dataset, or of one of its cell types."""
    name, _, part = study.partition("/")
    return list(
        cell_types_of(name)[part] if part else SETTINGS.datasets[name].contrasts
    )


def contrast_files(study, files):
    """The named files of every contrast of a dataset, or of one of its cell types."""
    return [
        os.path.join(OUTDIR, study, contrast, file)
        for contrast in contrasts_of(study)
        for file in files
    ]


def row_files(study, files):
    """The named files of those contrasts of a dataset, or of one of its cell types, that have several rows."""
    asked = SETTINGS.datasets[study.partition("/")[0]].contrasts
    found = contrast_files(study, files)
    return [
        file
        for file in found
        if is_multi_df(asked[os.path.basename(os.path.dirname(file))])
    ]


CHUNKS = SETTINGS.effects.chunks


def asked(wildcards):
    """The question of a contrast, as options of its verbs. (Snakemake forgets params that are made of inputs.)"""
    about = dataset(wildcards)
    return " ".join(
        (
            flag_of("design", about.design),
            flag_of("reference", json.dumps(about.reference)),
            flag_of("contrast", json.dumps(about.contrasts[wildcards.contrast])),
            flag_of("name", wildcards.contrast),
            flag_of("effects", section_part(SETTINGS, "effects")),
        )
    )


def chunks_of(wildcards):
    """Effects by chunk, of contrasts of one row; several rows are fitted at once."""
    if CHUNKS <= 1 or is_multi_df(dataset(wildcards).contrasts[wildcards.contrast]):
        return []
    folder = CONTRAST.format(**wildcards)
    return [f"{folder}/chunks/{i}.h5" for i in range(1, CHUNKS + 1)]


def perhaps(wildcards, output):
    """Files of figures that the data decide on, beside the others."""
    return list(CONTRAST_FILES.within(os.path.dirname(output.prior)).perhaps)


def batch_of(study, number):
    """The contrasts that share a job: so many after one another."""
    size = SETTINGS.effects.batch
    return contrasts_of(study)[(number - 1) * size : number * size]


def own_batch(wildcards):
    """The folder that a contrast's batch leaves it in."""
    place = contrasts_of(wildcards.dataset).index(wildcards.contrast)
    return os.path.join(
        OUTDIR,
        wildcards.dataset,
        ".batches",
        str(place // SETTINGS.effects.batch + 1),
    )


def reported(folder, name, category="{dataset}", **subcategory):
    """A figure, as `snakemake --report` shows it: once, as PNG, with its caption as a label."""
    stem, suffix = os.path.splitext(name)
    path = f"{folder}/{name}"
    if suffix != ".png":
        return path
    return report(
        path,
        caption="../report/figure.rst",
        category=category,
        labels={"figure": stem, "shows": figure_of(stem).caption},
        **subcategory,
    )


def outputs_of(analysis):
    """What an entry of an analysis leaves, its figures for `snakemake --report` too."""
    folder = folder_of_analysis(analysis, os.path.join(OUTDIR, "{analyzed}"), "{entry}")
    return [
        reported(folder, name, "{analyzed}", subcategory="{entry}")
        for name in files_of_analysis(analysis, SETTINGS)
    ]


def entries_of(analysis):
    """Names of all entries of an analysis."""
    return sorted(
        {name for d in SETTINGS.datasets.values() for name in d.analyses[analysis.name]}
    )


def analysis_files(name, chosen=list):
    """The files, or those chosen, of every analysis of a dataset."""
    return [
        os.path.join(
            folder_of_analysis(analysis, os.path.join(OUTDIR, name), entry), file
        )
        for analysis in ASKED
        for entry in SETTINGS.datasets[name].analyses[analysis.name]
        for file in chosen(files_of_analysis(analysis, SETTINGS))
    ]


def analysis_inputs(analysis):
    """An input function: counts and the files that are read of each contrast, of every cell type where there are some."""

    def find(wildcards):
        name = wildcards.analyzed
        asked = analysis.contrasts(SETTINGS.datasets[name], wildcards.entry)
        studies = {"": asked} if name in PLAIN else cell_types_of(name)
        files = []
        for part, answered in studies.items():
            found = [each for each in answered if each in asked]
            read = [
                os.path.join(each, file) for each in found for file in analysis.reads
            ]
            counts = ["counts.h5ad"] if found else []
            files += [os.path.join(OUTDIR, name, part, file) for file in counts + read]
        return files

    return find


def analysis_config(analysis):
    """A function of what an entry of an analysis depends on."""
    return lambda wildcards: analysis_part(
        SETTINGS, wildcards.analyzed, analysis, wildcards.entry
    )


def cell_type_plan(wildcards):
    """What can be asked of each cell type, where there are some."""
    name = wildcards.analyzed
    return [os.path.join(OUTDIR, name, "cell_types.json")] if name in CELLS else []


def results_of(study):
    return [
        *(os.path.join(OUTDIR, study, file) for file in files_of_dataset(SETTINGS)),
        *contrast_files(study, CONTRAST_FILES.figures),
        *row_files(study, ROW_FIGURES),
    ]


def results_of_cells(name):
    """An input function: the results of every cell type of a dataset."""
    return lambda wildcards: [
        *(
            file
            for part in cell_types_of(name)
            for file in results_of(f"{name}/{part}")
        ),
        *analysis_files(name),
    ]


def studies(wildcards):
    return SETTINGS.studies[wildcards.studies]


def study_tables(wildcards):
    """The tables among the studies, and the genes' annotation."""
    asked = studies(wildcards)
    tables = [source.table for source in asked.sources.values()]
    return [path for path in (*tables, asked.genes) if path is not None]


def study_files(wildcards):
    """What the studies are read from: effects and counts of datasets, and tables."""
    files = []
    for source in studies(wildcards).sources.values():
        if source.table is not None:
            files.append(local(source.table))
            continue
        folder = os.path.join(OUTDIR, source.dataset)
        files.append(os.path.join(folder, source.contrast, "effects.h5"))
        files.append(os.path.join(folder, "counts.h5ad"))
    return list(dict.fromkeys(files))


def every_result():
    plain = [file for name in PLAIN for file in results_of(name)]
    plain += [file for name in PLAIN for file in analysis_files(name)]
    plain += [
        os.path.join(OUTDIR, name, file)
        for name in SETTINGS.studies
        for file in ("report.html", "studies.tsv", *STUDIES_FIGURES)
    ]
    return plain + [results_of_cells(name) for name in CELLS]


# Measured at 20,000 genes: counts take 190 MB (8 samples, .3 MB of text) to 260 MB (100 samples, 3 MB), effects 340 to 360,
# priors and figures 380, a million cells 990; a cluster's job holds two Snakemakes beside, 260 MB.
def mem_mb(base, each=0):
    """`base`, and so much more for each MB of the input; twice and three times as much when a job is tried again."""
    return lambda wildcards, input, attempt: int(
        attempt * (base + each * input.size_mb)
    )


def minutes(base, each=0):
    """As `mem_mb`, of time."""
    return lambda wildcards, input, attempt: int(
        attempt * (base + each * input.size_mb)
    )
