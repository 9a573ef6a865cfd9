"""The verbs of the command line: each reads, calls and writes, and imports what it needs and no more."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ebgenes.errors import InputError, listing
from ebgenes.limits import limited

if TYPE_CHECKING:
    import pandas as pd

    from ebgenes.app.config import EffectsSettings
    from ebgenes.app.steps import MultiDfResult
    from ebgenes.arrays import TextArray
    from ebgenes.records.counts import Screen, Study
    from ebgenes.records.design import Design
    from ebgenes.records.effects import Effects, MultiDfEffects
    from ebgenes.records.prior import GibbsDraws, MixturePrior


def _note(message: str) -> None:
    print(f"ebgenes: {message}", file=sys.stderr)


def _tell_of_compiling() -> None:
    """Who runs this for the first time waits for what later runs do not."""
    from ebgenes.numerics.jit import is_compiled

    if not is_compiled():
        _note("the first run compiles its numerical code, which takes half a minute or more; later runs find it.")


def _yaml(text: str, option: str) -> Any:
    from ebgenes.app.config import load_yaml

    return load_yaml(text, option)


def check(options: argparse.Namespace) -> None:
    """Validate a config, its sheets and designs, and say what will run."""
    from ebgenes.app.check import check as lines_of
    from ebgenes.app.config import read_config

    config = read_config(options.config)
    with limited(config.limits):
        for line in lines_of(config):
            print(line)


def run(options: argparse.Namespace) -> None:
    """Run a whole config in this process."""
    from dataclasses import replace

    from ebgenes.app.config import read_config

    config = read_config(options.config)
    if options.outdir is not None:
        config = replace(config, outdir=options.outdir)
    from ebgenes.app.run import run

    _tell_of_compiling()
    with limited(config.limits):
        folder = run(config, progress=lambda message: print(message, file=sys.stderr, flush=True))
    print(f"results are in {folder}")


def counts(options: argparse.Namespace) -> None:
    """Read, filter and normalize the counts of one dataset."""
    from ebgenes.app.config import DatasetSettings, parse_intake, parse_reference, parse_section, parse_size_factors
    from ebgenes.app.prepare import prepare, prepare_cell_type
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


def pseudobulk(options: argparse.Namespace) -> None:
    """Sum cells by sample and cell type."""
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


def plan(options: argparse.Namespace) -> None:
    """Say which contrasts can be asked of which cell type."""
    from ebgenes.app.prepare import excluded, plan_cell_types
    from ebgenes.data.pseudobulk import read_pseudobulk
    from ebgenes.files import write_json

    config, dataset = _config_and_dataset(options)
    if dataset.pseudobulk is None:
        raise InputError(f"dataset {options.dataset!r} has no section pseudobulk.")
    plan = plan_cell_types(dataset, read_pseudobulk(options.pseudobulk), config.effects.normalization)
    for sentence in excluded(plan):
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


def effects(options: argparse.Namespace) -> None:
    """Estimate one contrast's effect for every gene."""
    _write_effects(options.out, _estimated(options))


def _write_effects(path: str, effects: Effects | MultiDfEffects) -> None:
    from ebgenes.records.effects import MultiDfEffects
    from ebgenes.results.storage import write_effects, write_multi_df_effects

    if isinstance(effects, MultiDfEffects):
        write_multi_df_effects(path, effects)
    else:
        write_effects(path, effects)


def common(options: argparse.Namespace) -> None:
    """Learn what all genes share, from which `effects` goes on in chunks of genes."""
    from ebgenes.app.steps import share
    from ebgenes.results.storage import write_common

    write_common(options.out, share(*_asked(options)))


def chunk(options: argparse.Namespace) -> None:
    """Estimate the effects of one chunk of genes."""
    from ebgenes.effects.chunks import chunk as genes_of
    from ebgenes.effects.likelihood import effects_of
    from ebgenes.results.storage import read_common, write_effects

    common = read_common(options.common)
    write_effects(options.out, effects_of(common, genes_of(len(common.counts.gene), *options.chunk)))


def _estimated(options: argparse.Namespace) -> Effects | MultiDfEffects:
    from ebgenes.app.steps import estimate_any

    return estimate_any(*_asked(options))


def _asked(options: argparse.Namespace) -> tuple[Study, Design, EffectsSettings, TextArray | None]:
    """A study and the question asked of it."""
    from ebgenes.app.config import parse_contrast, parse_reference, parse_section
    from ebgenes.app.prepare import contrast_design
    from ebgenes.data.h5ad import read_study
    from ebgenes.data.sheets import read_controls

    settings = parse_section("effects", _yaml(options.effects, "--effects"))
    question = parse_contrast(_yaml(options.contrast, "--contrast"))
    reference = parse_reference(_yaml(options.reference, "--reference"))
    study = read_study(options.counts)
    design = contrast_design(study.samples, options.design, question, options.name, reference)
    controls = None if options.controls is None else read_controls(options.controls)
    return study, design, settings, controls


def contrast(options: argparse.Namespace) -> None:
    """Effects, prior, table and figures of one contrast, in one process."""
    effects: Effects | MultiDfEffects
    if options.chunks:
        from ebgenes.app.config import parse_section
        from ebgenes.effects.chunks import gathered
        from ebgenes.results.storage import read_effects

        settings = parse_section("effects", _yaml(options.effects, "--effects"))
        effects = gathered([read_effects(path) for path in options.chunks], settings.composition)
        _require_every_gene(effects, options.counts)
    else:
        effects = _estimated(options)
    _answer(effects, None, options, _yaml(options.prior, "--prior"), options.effects_out)


def _require_every_gene(effects: Effects, counts: str) -> None:
    """Refuse chunks among which one is missing."""
    from ebgenes.data.h5ad import read_screen

    screen = read_screen(counts)
    made = {*effects.gene, *(() if effects.failed is None else effects.failed.gene)}
    lost = [gene for gene in screen.gene[screen.kept] if gene not in made]
    if lost:
        raise InputError(
            f"{len(lost)} of {int(screen.kept.sum())} genes of {counts} are in none of these chunks (first: "
            f"{lost[0]}). Name every chunk."
        )


def contrasts(options: argparse.Namespace) -> None:
    """All of a config's contrasts of one dataset, in one process."""
    from ebgenes.app.run import fit_contrasts
    from ebgenes.data.h5ad import read_study

    config, dataset = _config_and_dataset(options)
    fit_contrasts(Path(options.out), read_study(options.counts), dataset, config, _note)


def _any_effects(options: argparse.Namespace) -> tuple[Effects | MultiDfEffects, Screen | None]:
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


def gibbs(options: argparse.Namespace) -> None:
    """The same with draws of the prior from its posterior, whose uncertainty reaches every gene."""
    settings = _yaml(options.prior, "--prior")
    if not isinstance(settings, dict):
        raise InputError("--prior must be a mapping, for example '{family: scale_normal}'.")
    _fit_prior(options, {**settings, "fit": "gibbs"})


def power(options: argparse.Namespace) -> None:
    """Predict what further studies like one would find, from its prior.json."""
    from ebgenes.analyses.power import outlook
    from ebgenes.results.outlook import outlook_table, outlook_words, read_pilot
    from ebgenes.results.table_files import write_table

    prior, pilot, content = read_pilot(options.prior)
    level = content.get("level", 0.05) if options.level is None else options.level
    if not (isinstance(level, float) and 0 < level < 1):
        raise InputError(f"the level must lie between 0 and 1; found {level}. Give for example --level 0.05.")
    found = outlook(prior, pilot, options.replicates, depth=options.depth, level=level, size=options.size)
    table = outlook_table(found)
    if options.figure is not None:
        from ebgenes.files import write_bytes
        from ebgenes.plots import figure_bytes
        from ebgenes.plots.outlook import draw_outlook

        write_bytes(options.figure, figure_bytes(draw_outlook(table), Path(options.figure).suffix.removeprefix(".")))
    if options.out is not None:
        write_table(options.out, table)
    print(outlook_words(found))


def prior(options: argparse.Namespace) -> None:
    """Fit the prior all genes share; on request also its table and figures."""
    _fit_prior(options, _yaml(options.prior, "--prior"))


def _fit_prior(options: argparse.Namespace, asked: Any) -> None:
    effects, screen = _any_effects(options)
    _answer(effects, screen, options, asked)


def _answer(
    effects: Effects | MultiDfEffects,
    screen: Screen | None,
    options: argparse.Namespace,
    asked: Any,
    effects_out: str | None = None,
) -> None:
    """Fit the prior of effects, write the files that the options name, and say what was found."""
    from ebgenes.app.config import parse_section
    from ebgenes.app.outputs import ContrastFiles
    from ebgenes.app.steps import annotation
    from ebgenes.app.write import answer_contrast
    from ebgenes.data.h5ad import read_notes, read_screen
    from ebgenes.records.effects import MultiDfEffects

    prior = parse_section("prior", asked)
    gibbs = parse_section("gibbs", _yaml(options.gibbs, "--gibbs"))
    report = parse_section("report", _yaml(options.report, "--report"))
    files = ContrastFiles(
        prior=options.out,
        effects=effects_out,
        tables=tuple(options.table),
        figures=tuple(options.figures),
        perhaps=tuple(options.perhaps),
        draws=(options.draws,) if options.draws else (),
        fixed_random=(options.beside,) if options.beside else (),
    )
    screen = screen if options.counts is None else read_screen(options.counts)
    found = answer_contrast(
        effects,
        files,
        screen,
        prior,
        gibbs,
        report,
        study=_study_for([Path(path) for path in options.figures], options.counts),
        genes=None if isinstance(effects, MultiDfEffects) else annotation(options.genes, prior),
        notes=() if options.counts is None else read_notes(options.counts),
        progress=_count_sweeps,
    )
    for words in found.words:
        print(words)


def _count_sweeps(done: int, total: int) -> None:
    """Progress, where someone watches."""
    if sys.stderr.isatty():
        print(f"\r{done:,} of {total:,} sweeps", end="\n" if done == total else "", file=sys.stderr, flush=True)


def table(options: argparse.Namespace) -> None:
    """Write the result table."""
    from ebgenes.app.config import parse_section
    from ebgenes.records.effects import MultiDfEffects
    from ebgenes.results.storage import read_prior
    from ebgenes.results.table_files import write_table

    report = parse_section("report", _yaml(options.report, "--report"))
    effects, screen = _any_effects(options)
    if isinstance(effects, MultiDfEffects):
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


def _told(effects: MultiDfEffects, prior: str | Path, counts: str | None, report: Any) -> MultiDfResult:
    """What a stored prior says of several rows."""
    from ebgenes.app.steps import multi_df_result
    from ebgenes.data.h5ad import read_screen
    from ebgenes.results.storage import read_multivariate_prior

    screen = None if counts is None else read_screen(counts)
    return multi_df_result(effects, read_multivariate_prior(prior)[0], screen, report)


def _write_tables(
    paths: list[str],
    effects: Effects,
    prior: MixturePrior,
    counts: str | None,
    screen: Screen | None,
    report: Any,
    draws: GibbsDraws | None = None,
) -> pd.DataFrame:
    from ebgenes.app.steps import repeat_asked, tabulate
    from ebgenes.data.h5ad import read_screen
    from ebgenes.results.table_files import write_table

    repeat = repeat_asked(effects, prior, report)
    table = tabulate(effects, prior, screen if counts is None else read_screen(counts), report, draws, repeat)
    for path in paths:
        write_table(path, table)
    return table


def plot(options: argparse.Namespace) -> None:
    """Draw figures of a result table."""
    from dataclasses import replace

    from ebgenes.app.config import parse_section
    from ebgenes.app.figures import draw_files, known_of
    from ebgenes.records.effects import MultiDfEffects
    from ebgenes.results.storage import read_any_effects, read_prior
    from ebgenes.results.table_files import read_null, read_table

    settings = parse_section("report", _yaml(options.report, "--report"))
    prior, summary = read_prior(options.prior)
    table, files = read_table(options.table), [Path(path) for path in options.out]
    null = None if options.truth is None else read_null(options.truth, table)
    multi_df = None
    if options.effects is not None:
        effects = read_any_effects(options.effects)
        if isinstance(effects, MultiDfEffects):
            multi_df = replace(_told(effects, options.prior, None, settings), table=table)
    study = _study_for(files, options.counts)
    draw_files(files, known_of(table, prior, summary, settings, study=study, null=null, multi_df=multi_df))


def _study_for(figures: list[Path], counts: str | None) -> Study | None:
    """The counts, where a figure needs them."""
    from ebgenes.app.figures import needs_counts
    from ebgenes.data.h5ad import read_study

    return read_study(counts) if counts is not None and needs_counts(figures) else None


def analysis(options: argparse.Namespace) -> None:
    """Make one entry of an analysis of a dataset's contrasts, from their files."""
    from ebgenes.app.analyses import ANALYSES

    config, dataset = _config_and_dataset(options)
    asked = dataset.analyses.get(options.verb, {})
    if options.name not in asked:
        raise InputError(
            f"dataset {options.dataset!r} has no section {options.verb} {options.name!r}; it has: "
            f"{listing(asked) or 'none'}."
        )
    folder = Path(options.folder or Path(config.outdir, options.dataset))
    print(ANALYSES[options.verb].write(folder, options.name, dataset, config))


def report(options: argparse.Namespace) -> None:
    """Write report.html and results.h5ad of one dataset."""
    from dataclasses import replace

    from ebgenes.app.figures import write_dataset_figures
    from ebgenes.app.pages import contrast_page, write_results
    from ebgenes.app.prepare import read_plan
    from ebgenes.app.run import sections_of
    from ebgenes.data.h5ad import read_study
    from ebgenes.records.effects import MultiDfEffects
    from ebgenes.results.messages import further_words
    from ebgenes.results.storage import read_any_effects, read_prior
    from ebgenes.results.table import sentence
    from ebgenes.results.table_files import read_table

    config, dataset = _config_and_dataset(options)
    name = options.dataset if options.part is None else f"{options.dataset}/{options.part}"
    folder = Path(options.folder or Path(config.outdir, name))
    sections = sections_of(folder if options.part is None else folder.parent, dataset)
    if options.part is not None:
        plan = read_plan(folder.parent / "cell_types.json")
        asked = plan.get(options.part, {}).get("contrasts", [])
        unknown = [contrast for contrast in asked if contrast not in dataset.contrasts]
        if unknown:
            raise InputError(
                f"{folder.parent / 'cell_types.json'} names {len(unknown)} contrasts that the config does not have "
                f"(first: {unknown[0]!r}). Make it anew."
            )
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
        if isinstance(effects, MultiDfEffects):
            told = _told(effects, folder / contrast / "prior.json", None, config.report)
            pages.append(contrast_page(*known, multi_df=told))
        else:
            pages.append(contrast_page(*known, effects))
    write_results(folder, study, name, pages, sections, config=config)
    write_dataset_figures(folder, study, dataset, pages, config)
    # What a newcomer reads last on the terminal: what was found, and how sure we are.
    for page in pages:
        print(f"{page.name}: {sentence(page.table, page.up_label, page.down_label, page.level)}")
        for words in said[page.name]:
            print(f"{page.name}: {words}")
    print(f"open {folder / 'report.html'}")


def studies(options: argparse.Namespace) -> None:
    """Pool several studies of one question: table, figures and report."""
    from dataclasses import replace

    from ebgenes.app.studies import run_studies

    config = _config_of(options.config)
    if options.name not in config.studies:
        raise InputError(f"the config has no studies {options.name!r}; it has: {listing(config.studies) or 'none'}.")
    if options.outdir is not None:
        config = replace(config, outdir=options.outdir)
    run_studies(config, options.name, progress=print)


def export(options: argparse.Namespace) -> None:
    """Write a result table in another format, or with another tool's names of columns."""
    from ebgenes.results.table import LIST_RATES, STYLES, restyle
    from ebgenes.results.table_files import read_table, write_table

    table = read_table(options.table)
    write_table(options.out, table if options.style is None else restyle(table, options.style))
    if options.style in LIST_RATES:
        adjusted = STYLES[options.style]["adj_p_value"]
        _note(
            f"{LIST_RATES[options.style]} is the rate of our own list, which counts unchanged genes and wrong signs as "
            f"errors; {adjusted} has Benjamini-Hochberg adjusted p-values."
        )


def simulate(options: argparse.Namespace) -> None:
    """Write simulated counts, their sheet and the truth."""
    import numpy as np

    from ebgenes.data.simulate import simulate_counts
    from ebgenes.results.table_files import write_simulation

    rng = np.random.default_rng(options.seed)
    made = simulate_counts(rng, n_genes=options.genes, n_per_group=options.replicates, pi0=options.pi0)
    write_simulation(options.folder, made)
