"""The whole flow: counts and a question in, a table of what was found out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

import ebgenes as eb
from ebgenes import io
from ebgenes.app.config import (
    COVARIATE_FIGURE,
    FIGURES,
    HIDDEN_FIGURE,
    ROW_FIGURE,
    STORED_FIGURE,
    Config,
    DatasetSettings,
    EffectsSettings,
    GibbsSettings,
    PriorSettings,
    ReportSettings,
    annotation_columns,
    dataset_figure_names,
    figure_names,
    joint_mistakes,
    row_figure_names,
    size_factor_controls,
)
from ebgenes.errors import InputError, InputErrors, listing, nearest
from ebgenes.model import (
    BESIDE_ARRAYS,
    Beside,
    BoolArray,
    Counts,
    Design,
    Effects,
    EmFit,
    FloatArray,
    GibbsDraws,
    HiddenFactors,
    JointEffects,
    JointPosterior,
    MixturePrior,
    MultivariateFit,
    MultivariatePrior,
    Posterior,
    Screen,
    Study,
    TextArray,
    text_array,
)

# The statistics are called by their public names, `eb.fit_effects` and so on, which load when first
# used: a step pays for the libraries it needs and no others.
if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ebgenes.data.pseudobulk import Pseudobulk
    from ebgenes.design.matrix import Combination, Comparison, Question
    from ebgenes.effects.likelihood import Common
    from ebgenes.prior.covariates import Covariates
    from ebgenes.prior.model_comparison import Criteria
    from ebgenes.report.render import ContrastPage, TogetherPage

ENGINE_OPTIONS = ("trend", "robust", "dispersion", "dispersion_tails", "dispersion_trend", "outliers")
"""Settings of the effects that one engine or the other has."""


OPTIONAL_FIGURES = ((COVARIATE_FIGURE, "covariates"), (HIDDEN_FIGURE, "hidden_factors"), (STORED_FIGURE, "stored"))
"""Figures that some contrasts have, and the part of prior.json that they show."""


FEW_CONTROLS = 10
"""Control genes below which size factors made of them are called noisy."""


UNFINISHED = "draws.unfinished.npz"
"""Draws of a run that was interrupted, in the contrast's folder."""


BESIDE = "fixed_random.tsv"
"""Fixed effects beside random ones, in the contrast's folder, on request."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Answer:
    """Everything one contrast yields."""

    effects: Effects
    fit: EmFit
    draws: GibbsDraws | None
    table: pd.DataFrame
    covariates: Covariates | None = None


def answer(
    study: Study,
    design: Design,
    config: Config,
    covariates: Covariates | None = None,
    controls: TextArray | None = None,
    unfinished: Path | None = None,
    genes: str | None = None,
) -> Answer:
    """The model, from the counts of a prepared study to its table of posteriors.

    Covariates are of all genes that the study has, and made anew for those that have an effect, where some fit failed.
    """
    effects = estimate(study, design, config.effects, controls)
    if covariates is not None and effects.failed is not None:
        covariates = covariates_of(effects.gene, effects.base_mean, config.prior, genes)
    fit = learn(effects, config.prior, covariates)
    draws = sample(effects, fit, config.prior, config.gibbs, unfinished, covariates=covariates)
    table = tabulate(effects, fit.prior, study.screen, config.report, draws)
    return Answer(effects=effects, fit=fit, draws=draws, table=table, covariates=covariates)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class JointAnswer:
    """Everything one contrast of several rows yields; summary as prior.json has it."""

    effects: JointEffects
    fit: MultivariateFit
    told: JointTold
    summary: dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class JointTold:
    """What the prior says of several rows of each gene: in full, and as tables and figures of one effect show it."""

    effects: JointEffects
    posterior: JointPosterior
    leading: tuple[Effects, Posterior]
    table: pd.DataFrame


def answer_joint(
    effects: JointEffects, settings: PriorSettings, report: ReportSettings, screen: Screen | None
) -> JointAnswer:
    """The prior of several rows, and what it says of each gene."""
    from ebgenes.analyses.multi_df import fit_joint
    from ebgenes.results.summary import summarize_joint

    mistakes = list(joint_mistakes(settings, report))
    if mistakes:
        raise InputErrors("the settings do not suit several rows:", mistakes)
    fit = fit_joint(effects, **options(settings, "null", "min_scale", "null_weight", "solver"))
    told = tell_joint(effects, fit.prior, screen, report)
    summary = summarize_joint(effects, fit, told.leading, told.posterior.lfsr, report.level)
    return JointAnswer(effects=effects, fit=fit, told=told, summary=summary)


def tell_joint(
    effects: JointEffects, prior: MultivariatePrior, screen: Screen | None, report: ReportSettings
) -> JointTold:
    """Posteriors of all genes' rows, and their table."""
    from ebgenes.analyses.multi_df import joint_posterior, leading_effects, signals
    from ebgenes.results.table import joint_table

    posterior = joint_posterior(effects, prior, interval=report.interval, threshold=report.lfc_threshold)
    leading = leading_effects(effects, posterior)
    table = joint_table(effects, posterior, leading, signals(posterior, report.level), screen)
    return JointTold(effects=effects, posterior=posterior, leading=leading, table=table)


def prepare(dataset: DatasetSettings, normalization: str, say: Callable[[str], None] = lambda message: None) -> Study:
    """Read a dataset's files, drop the genes that say nothing, and normalize the rest."""
    samples = io.read_samples(dataset.samples)
    chosen = options(dataset, "format", "layer", "tx2gene", "strandedness")
    reading = eb.read_input(dataset.counts, samples, **chosen)
    for note in reading.notes:
        say(note)
    return _screened(dataset, eb.match_samples(reading.counts, text_array(samples.index)), samples, normalization, say)


def prepare_cell_type(
    dataset: DatasetSettings,
    sums: Pseudobulk,
    cell_type: str,
    normalization: str,
    say: Callable[[str], None] = lambda message: None,
) -> Study:
    """The study of one cell type: the samples that have enough of its cells, and what `prepare` does."""
    if dataset.pseudobulk is None:
        raise ValueError("the dataset has no cells")
    counts = sums.counts_of(cell_type, **options(dataset.pseudobulk, "min_cells", "min_counts"))
    samples = io.read_samples(dataset.samples).loc[list(counts.sample)]
    return _screened(dataset, counts, samples, normalization, say)


def _screened(
    dataset: DatasetSettings, counts: Counts, samples: pd.DataFrame, normalization: str, say: Callable[[str], None]
) -> Study:
    counts = _with_given_sizes(dataset, counts, samples, say)
    names = {} if dataset.genes is None else io.read_gene_names(dataset.genes)
    design = eb.build_design(samples, dataset.design, reference=dataset.reference)
    screen = eb.screen_genes(counts, design, name=names, **options(dataset.keep, "min_count", "min_samples"))
    path = size_factor_controls(dataset)
    controls = None if path is None else io.read_controls(path)
    kept = eb.normalize(eb.keep_expressed(counts, screen), normalization, controls=controls)
    if controls is not None:
        found = int(np.isin(kept.gene.astype(str), controls.astype(str)).sum())
        few = "" if found >= FEW_CONTROLS else "; so few leave them noisy, and with them every effect"
        say(f"size factors are those of {found} of {len(controls)} control genes{few}")
    eb.require_distinct(kept)
    return Study(counts=kept, samples=samples, screen=eb.with_base_mean(screen, counts, kept))


def _with_given_sizes(
    dataset: DatasetSettings, counts: Counts, samples: pd.DataFrame, say: Callable[[str], None]
) -> Counts:
    """Counts with the offsets or size factors that the dataset names, if it does."""
    factor = given_factors(dataset, samples)
    if factor is not None:
        if dataset.offsets is not None:
            say(taken_for_factors(dataset.offsets))
        return eb.with_size_factors(counts, factor)
    if dataset.offsets is None:
        return counts
    offset = io.read_offsets(dataset.offsets, counts)
    for words in offset_doubts(dataset.offsets, offset):
        say(words)
    return eb.with_offsets(counts, offset)


def given_factors(dataset: DatasetSettings, samples: pd.DataFrame) -> FloatArray | None:
    """The size factors that a dataset names, (S,); None where it names none, offsets or control genes."""
    from ebgenes.data.given_sizes import column_size_factors, offsets_as_size_factors, read_size_factors

    asked, sample = dataset.size_factors, text_array(samples.index)
    if dataset.offsets is not None:
        return offsets_as_size_factors(dataset.offsets, sample)
    if isinstance(asked, str):
        return read_size_factors(asked, sample)
    return column_size_factors(samples, asked["column"]) if asked is not None and "column" in asked else None


def taken_for_factors(path: str) -> str:
    """What is said of a file of size factors that was given as offsets."""
    return f"{path} has one value a sample: these are taken for size factors. Name the file under size_factors."


def offset_doubts(path: str, offset: FloatArray) -> Iterator[str]:
    """A warning where offsets look like size factors that nobody took the logarithm of."""
    from ebgenes.data.given_sizes import look_like_factors

    if look_like_factors(offset):
        yield (
            f"warning: all offsets of {path} are above 0, {offset.mean():.2f} on average, as size factors are. "
            "Offsets are their natural logarithms; are these?"
        )


def sum_dataset(dataset: DatasetSettings, say: Callable[[str], None] = lambda message: None) -> Pseudobulk:
    """Sum a dataset's cells by sample and cell type."""
    from ebgenes.data.pseudobulk import pseudobulk_cells

    samples = text_array(io.read_samples(dataset.samples).index)
    chosen = options(dataset.pseudobulk, "sample", "cell_type", "cells")
    sums, notes = pseudobulk_cells(dataset.counts, list(samples), layer=dataset.layer, **chosen)
    for note in notes:
        say(note)
    return sums


def plan_cell_types(dataset: DatasetSettings, sums: Pseudobulk, normalization: str) -> dict[str, dict[str, Any]]:
    """What can be asked of each cell type, and why the rest cannot, by the name of its folder.

    Raises
    ------
    InputErrors
        With one message a cell type, where no contrast can be asked of any.
    """
    from ebgenes.data.pseudobulk import folder_names

    plan: dict[str, dict[str, Any]] = {}
    for cell_type, folder in folder_names(sums.cell_type).items():
        asked: list[str] = []
        refused: dict[str, str] = {}
        n_samples = 0
        try:
            study = prepare_cell_type(dataset, sums, cell_type, normalization)
            n_samples = len(study.samples)
        except InputError as error:
            refused = dict.fromkeys(dataset.contrasts, str(error))
        for contrast, question in dataset.contrasts.items():
            if contrast in refused:
                continue
            try:
                contrast_design(study.samples, dataset.design, question, contrast, dataset.reference)
                asked.append(contrast)
            except InputError as error:
                refused[contrast] = str(error)
        n_cells = int(sums.n_cells[sums.cell_type == cell_type].sum())
        plan[folder] = {
            "cell_type": cell_type, "cells": n_cells, "samples": n_samples, "contrasts": asked, "left_out": refused,
        }  # fmt: skip
    if not any(part["contrasts"] for part in plan.values()):
        reasons = [f"{part['cell_type']}: {next(iter(part['left_out'].values()))}" for part in plan.values()]
        raise InputErrors(f"none of {len(plan)} cell types can answer any contrast:", reasons)
    return plan


def left_out(plan: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """A sentence for each cell type that cannot answer every contrast."""
    for part in plan.values():
        for contrast, reason in part["left_out"].items():
            yield f"{part['cell_type']}: contrast {contrast} was left out: {reason}"


def options(settings: Any, *names: str) -> dict[str, Any]:
    """The named settings as keyword arguments."""
    return {name: getattr(settings, name) for name in names}


def contrast_design(
    samples: pd.DataFrame, formula: str, question: Mapping[str, Any], name: str, reference: Mapping[str, Any]
) -> Design:
    """The design of a contrast as the config writes it, with replicates to judge it by."""
    design = eb.build_design(samples, formula, _asked(question), name=name, reference=reference)
    eb.require_replicates(design)
    return design


def _asked(question: Mapping[str, Any]) -> Question:
    """The config's words as a question."""
    if "term" in question:
        terms = question["term"]
        return eb.all_of(*([terms] if isinstance(terms, str) else terms))
    if "rows" in question:
        return eb.any_of(*(row if isinstance(row, str) else _asked_row(row) for row in question["rows"]))
    return _asked_row(question)


def _asked_row(question: Mapping[str, Any]) -> Comparison | Combination:
    return eb.combine(question["coefficients"]) if "coefficients" in question else eb.compare(**question)


def estimate(study: Study, design: Design, settings: EffectsSettings, controls: TextArray | None = None) -> Effects:
    """Every gene's effect with its likelihood."""
    if design.random:
        return estimate_random(study, design, settings)
    chosen = options(settings, "engine", "hidden_factors", "composition", *ENGINE_OPTIONS)
    effects = eb.fit_effects(study.counts, design, controls=controls, **chosen)
    return replace(effects, hidden=_beside_sheet(effects.hidden, study))


def share(study: Study, design: Design, settings: EffectsSettings, controls: TextArray | None = None) -> Common:
    """What all genes tell together, for `estimate` in chunks of genes.

    Raises
    ------
    InputError
        Where the engine is not ``likelihood``: another has nothing to do in chunks.
    """
    from ebgenes.effects.chunks import common_of
    from ebgenes.effects.engine import resolved

    engine = resolved(design, settings.engine)
    if engine != "likelihood":
        raise InputError(f"effects.chunks: engine {engine} fits all genes at once. Leave the chunks out.")
    chosen = options(settings, "hidden_factors", "dispersion_tails", "dispersion_trend", "outliers")
    common = common_of(study.counts, design, controls=controls, **chosen)
    return replace(common, hidden=_beside_sheet(common.hidden, study))


def _beside_sheet(hidden: HiddenFactors | None, study: Study) -> HiddenFactors | None:
    """A factor may turn out to be something the sheet tells."""
    sheet = {str(name): text_array(study.samples[name]) for name in study.samples.columns}
    return None if hidden is None else replace(hidden, sheet=sheet)


def estimate_any(
    study: Study, design: Design, settings: EffectsSettings, controls: TextArray | None = None
) -> Effects | JointEffects:
    """Every gene's effect or, where the design's question has several rows, effects."""
    if design.joint is None:
        return estimate(study, design, settings, controls)
    chosen = options(settings, "engine", "hidden_factors", "composition", *ENGINE_OPTIONS)
    joint: JointEffects = eb.fit_joint_effects(study.counts, design, controls=controls, **chosen)
    return replace(joint, hidden=_beside_sheet(joint.hidden, study))


def estimate_random(study: Study, design: Design, settings: EffectsSettings) -> Effects:
    """Effects of a design with random factors, and whether these can be relied on."""
    from ebgenes.analyses.fixed_or_random import choose_fixed_or_random, fixed_beside_random, with_group_means

    chosen = options(settings, "engine", "hidden_factors", "composition", *ENGINE_OPTIONS)
    if settings.fixed_or_random == "within":
        return eb.fit_effects(study.counts, with_group_means(design), **chosen)
    effects: Effects = eb.fit_effects(study.counts, design, **chosen)
    if effects.random is None:
        raise ValueError("the design has no random factors")
    choice = choose_fixed_or_random(study.counts, design)
    beside = fixed_beside_random(study.counts, design) if settings.fixed_or_random == "both" else None
    if beside is not None and effects.failed is not None:
        have = effects.failed.others(len(effects.gene))
        beside = Beside(**{name: getattr(beside, name)[have] for name in BESIDE_ARRAYS})
    return replace(effects, random=replace(effects.random, choice=choice, beside=beside))


def write_beside(
    path: Path, effects: Effects, prior: MixturePrior, settings: PriorSettings, summary: dict[str, Any], level: float
) -> None:
    """Write random and fixed effects side by side, where both were asked for, and tell the summary how they differ."""
    if effects.random is None or effects.random.beside is None:
        return
    from ebgenes.analyses.fixed_or_random import side_by_side, side_words
    from ebgenes.posteriors.given_prior import null_probability

    beside = effects.random.beside
    fixed_lfdr = None
    if np.isfinite(beside.fixed).all():
        fixed = eb.effects_from_summary(effects.gene, beside.fixed, beside.fixed_se, beside.fixed_df, unit=effects.unit)
        # A stored prior or covariates are of the random effects' list; the plain prior tells the fits apart.
        fixed_lfdr = null_probability(fixed, learn(fixed, replace(settings, covariates=[])).prior)
    table = side_by_side(effects, null_probability(effects, prior), fixed_lfdr)
    io.write_table(path, table)
    summary["random_effects"]["beside"] = side_words(table, level)


def learn(effects: Effects, settings: PriorSettings, covariates: Covariates | None = None) -> EmFit:
    """The prior that all genes of a contrast share."""
    chosen = options(settings, "family", "null", "solver", "min_scale", "null_weight", "mode")
    if settings.stored is not None:
        own = None if isinstance(settings.own_weight, str) else float(settings.own_weight)
        chosen |= {"stored": stored_prior(settings), "own_weight": own}
    # Draws start from a mixture of slabs.
    bulk = "none" if settings.fit == "gibbs" else settings.bulk
    return eb.fit_em(effects, covariates=covariates, bulk=bulk, **chosen)


def stored_prior(settings: PriorSettings) -> MixturePrior:
    """The prior that `prior.from` names, if it can be applied."""
    from ebgenes.prior.stored import require_storable

    path = cast(str, settings.stored)
    prior, _ = io.read_prior(path)
    try:
        require_storable(prior, settings.family)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return prior


def sample(
    effects: Effects,
    fit: EmFit,
    settings: PriorSettings,
    gibbs: GibbsSettings,
    unfinished: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    covariates: Covariates | None = None,
) -> GibbsDraws | None:
    """Draws of the prior from its posterior; None where the config asks for the best one alone.

    An interrupted run leaves the file `unfinished`, from which the next one goes on.
    """
    if settings.fit != "gibbs":
        return None
    chosen: dict[str, Any] = options(gibbs, "chains", "draws", "warmup", "seed")
    chosen |= {"progress": progress, "covariates": covariates}
    if unfinished is None:
        return eb.draw_gibbs(effects, fit, **chosen)
    chosen["save"] = partial(io.write_chains, unfinished)
    state = io.read_chains(unfinished)
    draws = eb.draw_gibbs(effects, fit, resume=state, **chosen)
    unfinished.unlink(missing_ok=True)
    return draws


def compare(
    effects: Effects, fit: EmFit, settings: PriorSettings, seed: int, covariates: Covariates | None = None
) -> dict[str, Criteria] | None:
    """The fitted prior beside those of other families, by what they predict; None where none are asked for."""
    others = [family for family in settings.compare if family != settings.family]
    if not others:
        return None
    priors = {settings.family: fit.prior}
    # A stored prior is of one family.
    alone = replace(settings, stored=None)
    priors |= {family: learn(effects, replace(alone, family=family), covariates).prior for family in others}
    models: dict[str, Criteria] = eb.compare_families(effects, priors, np.random.default_rng(seed))
    return models


def covariates_of(
    gene: TextArray, base_mean: FloatArray, settings: PriorSettings, genes: str | None
) -> Covariates | None:
    """What the config asks to be known of the genes beside their effects; None where it asks nothing."""
    if not settings.covariates:
        return None
    columns: dict[str, Any] = {} if np.isnan(base_mean).any() else {"base_mean": base_mean}
    if annotation_columns(settings.covariates):
        known = annotation(genes, settings).reindex(list(gene))
        columns |= {str(name): known[name] for name in known.columns}
    return eb.build_covariates(gene, columns, settings.covariates)


def annotation(path: str | None, settings: PriorSettings) -> pd.DataFrame:
    """The genes' annotation, with all columns that covariates need."""
    wanted = annotation_columns(settings.covariates)
    if path is None:
        raise InputError(
            f"the covariate {wanted[0]!r} is a column of the genes' annotation, and there is none. "
            "Name its file (genes: in the config, --genes on the command line)."
        )
    table = io.read_annotation(path)
    for name in wanted:
        if name not in table.columns:
            raise InputError(
                f"the covariate {name!r} is not a column of {path}. Its columns: {listing(table.columns)}."
                f"{nearest(name, table.columns)}"
            )
    return table


def tabulate(
    effects: Effects,
    prior: MixturePrior,
    screen: Screen | None,
    settings: ReportSettings,
    draws: GibbsDraws | None = None,
) -> pd.DataFrame:
    """Posteriors of all genes as a table: under the fitted prior or, where there are some, over draws of it."""
    asked = {"interval": settings.interval, "threshold": settings.lfc_threshold}
    known = eb.full_posterior(effects, draws, **asked) if draws else eb.posterior(effects, prior, weight=None, **asked)
    # Posteriors over draws have the intervals of full Bayes by themselves.
    if settings.interval_method not in (("plugin", "full_bayes") if draws else ("plugin",)):
        rng = np.random.default_rng(settings.seed)
        known = eb.with_intervals(known, effects, prior, settings.interval_method, rng=rng)
    return eb.results_table(effects, known, screen)


def listed(table: pd.DataFrame, level: float) -> BoolArray:
    """Which of the fitted genes, (G,), are in the table's list."""
    from ebgenes.results.table import in_list, tested

    return np.asarray(in_list(table, level)[tested(table)])


def lfsr_of(table: pd.DataFrame, draws: GibbsDraws | None) -> FloatArray | None:
    """The fitted genes' lfsr under the fitted prior, (G,); None where the table is averaged over draws of it."""
    from ebgenes.results.table import tested

    return None if draws is not None else table.loc[tested(table), "lfsr"].to_numpy(dtype=float)


def _say_of(progress: Callable[[str], None], name: str, message: str) -> None:
    progress(f"{name}: {message}")


def run(config: Config, progress: Callable[[str], None] = lambda message: None) -> Path:
    """Run every dataset and contrast of a config in this process; returns the folder of results."""
    outdir = Path(config.outdir)
    normalization = config.effects.normalization
    for name, dataset in config.datasets.items():
        say = partial(_say_of, progress, name)
        if dataset.pseudobulk is None:
            say("reading, filtering and normalizing counts")
            write_page = _run_study(outdir, name, dataset, prepare(dataset, normalization, say), config, progress)
            write_page(_take_together(outdir / name, name, dataset, config, progress))
            continue
        from ebgenes.data.pseudobulk import write_pseudobulk

        say("summing cells")
        sums = sum_dataset(dataset, say)
        plan = plan_cell_types(dataset, sums, normalization)
        for sentence in left_out(plan):
            say(sentence)
        write_pseudobulk(outdir / name / "pseudobulk.h5ad", sums)
        io.write_json(outdir / name / "cell_types.json", plan)
        waiting = []
        for folder, part in plan.items():
            if part["contrasts"]:
                asked = {contrast: dataset.contrasts[contrast] for contrast in part["contrasts"]}
                only = replace(dataset, contrasts=asked, multivariate={})
                study = prepare_cell_type(only, sums, part["cell_type"], normalization, say)
                write_page = _run_study(outdir, f"{name}/{folder}", only, study, config, progress)
                if dataset.multivariate:
                    waiting.append(write_page)
                else:
                    write_page([])
        beside = _take_together(outdir / name, name, dataset, config, progress)
        for write_page in waiting:
            write_page(beside)
    if config.studies:
        from ebgenes.app.studies import run_studies

        for name in config.studies:
            run_studies(config, name, progress)
    return outdir


def _take_together(
    folder: Path, name: str, dataset: DatasetSettings, config: Config, progress: Callable[[str], None]
) -> list[TogetherPage]:
    """Contrasts or cell types together, from the files of each; what the report says of them."""
    from ebgenes.app.conditions import together_pages

    for group in dataset.multivariate:
        progress(f"{name}/{group}: {together(folder, group, dataset, config.report)}")
    return together_pages(folder, dataset)


def together(folder: Path, group: str, dataset: DatasetSettings, settings: ReportSettings) -> str:
    """Fit and write what is taken together in the dataset's folder; what was found, in words."""
    from ebgenes.app.conditions import write_together

    def design_of(study: Study, contrast: str) -> Design:
        return contrast_design(study.samples, dataset.design, dataset.contrasts[contrast], contrast, dataset.reference)

    return write_together(folder, group, dataset, settings, design_of)


def _run_study(
    outdir: Path,
    name: str,
    dataset: DatasetSettings,
    study: Study,
    config: Config,
    progress: Callable[[str], None],
) -> Callable[[Sequence[TogetherPage]], None]:
    """Answer every contrast; returns what writes the study's page, given what is taken together."""

    def say(message: str) -> None:
        progress(f"{name}/{message}")

    pages = answer_all(outdir / name, study, dataset, config, say, outdir / name / "counts.h5ad")

    def write_page(together: Sequence[TogetherPage]) -> None:
        write_results(outdir / name, study, name, pages, together)
        write_dataset_figures(outdir / name, study, dataset, pages, config.report)

    return write_page


def answer_all(
    folder: Path,
    study: Study,
    dataset: DatasetSettings,
    config: Config,
    say: Callable[[str], None],
    counts: Path | None = None,
) -> list[ContrastPage]:
    """Answer each question asked of a dataset and write its files to a folder of its name; returns their pages.

    The study is written to `counts` first, where it is given.
    """
    from ebgenes.results.summary import further_words

    # Every question is checked before the first is answered and the first file written.
    designs = [
        contrast_design(study.samples, dataset.design, question, contrast, dataset.reference)
        for contrast, question in dataset.contrasts.items()
    ]
    kept = study.screen.base_mean[study.screen.kept]
    covariates = covariates_of(study.counts.gene, kept, config.prior, dataset.genes)
    controls = None if dataset.controls is None else io.read_controls(dataset.controls)
    if counts is not None:
        io.write_study(counts, study)
    pages = []
    for contrast, design in zip(dataset.contrasts, designs, strict=True):
        say(f"{contrast}: effects, prior, posteriors and figures")
        if design.joint is not None:
            made = _run_joint(folder / contrast, study, design, dataset, config, controls)
            say(f"{contrast}: {eb.sentence(made.table, made.up, made.down, made.level)}")
            pages.append(made)
            continue
        found = answer(study, design, config, covariates, controls, folder / contrast / UNFINISHED, dataset.genes)
        summary = _write_answer(folder / contrast, found, config, study)
        said = eb.sentence(found.table, found.effects.up, found.effects.down, config.report.level)
        for words in (said, *further_words(summary)):
            say(f"{contrast}: {words}")
        page = folder / contrast, found.table, found.fit.prior, summary, study, dataset, config
        pages.append(contrast_page(*page, found.effects))
    return pages


def _run_joint(
    folder: Path, study: Study, design: Design, dataset: DatasetSettings, config: Config, controls: TextArray | None
) -> ContrastPage:
    """Answer a question of several rows and write all its files; returns its page."""
    effects = cast(JointEffects, estimate_any(study, design, config.effects, controls))
    found = answer_joint(effects, config.prior, config.report, study.screen)
    kinds = config.prior.covariates, config.effects.hidden_factors, config.report.extra_figures
    names = [*figure_names(config.report.figures, *kinds), *row_figure_names(config.report.figures)]
    tables = [folder / f"genes.{suffix}" for suffix in config.report.tables]
    prior = write_joint(folder / "prior.json", tables, [folder / name for name in names], found, config.report, study)
    io.write_joint_effects(folder / "effects.h5", effects)
    return contrast_page(folder, found.told.table, prior, found.summary, study, dataset, config, joint=found.told)


def write_joint(
    prior: Path, tables: Sequence[Path], figures: Sequence[Path], found: JointAnswer, report: ReportSettings,
    study: Study | None,
) -> MixturePrior:  # fmt: skip
    """Write prior.json, tables and figures of several rows; returns the prior that the figures show."""
    from ebgenes.analyses.multi_df import marginal_prior

    io.write_json(prior, found.summary)
    for path in tables:
        io.write_table(path, found.told.table)
    shown = marginal_prior(found.fit.prior)
    write_figures(figures, found.told.table, shown, found.summary, report, study, joint=found.told)
    return shown


def _write_answer(folder: Path, found: Answer, config: Config, study: Study) -> dict[str, Any]:
    """Write all files of one contrast; returns what its prior.json says."""
    settings, covariates = config.report, found.covariates
    models = compare(found.effects, found.fit, config.prior, settings.seed, covariates)
    drawn = None if found.draws is None else (found.draws, listed(found.table, settings.level))
    known = covariates, models, settings.seed, drawn, config.prior.stored
    lfsr = lfsr_of(found.table, found.draws)
    summary = eb.summarize(found.effects, found.fit, settings.level, *known, lfsr=lfsr)
    io.write_effects(folder / "effects.h5", found.effects)
    if found.draws is not None:
        io.write_draws(folder / "draws.nc", found.draws)
    write_beside(folder / BESIDE, found.effects, found.fit.prior, config.prior, summary, settings.level)
    io.write_json(folder / "prior.json", summary)
    for suffix in settings.tables:
        io.write_table(folder / f"genes.{suffix}", found.table)
    kinds = config.prior.covariates, config.effects.hidden_factors, settings.extra_figures, config.prior.stored
    files = [folder / name for name in figure_names(settings.figures, *kinds)]
    write_figures(files, found.table, found.fit.prior, summary, settings, study)
    return summary


def write_figures(
    files: Sequence[Path],
    table: pd.DataFrame,
    prior: MixturePrior,
    summary: Mapping[str, Any],
    settings: ReportSettings,
    study: Study | None = None,
    null: BoolArray | None = None,
    joint: JointTold | None = None,
    own: pd.DataFrame | None = None,
) -> None:
    """Draw each figure once and write it in every format asked for: the file's stem names it.

    `study` is for the heat map; `null`, which rows of the table are truly unchanged, for the calibration; `joint` for
    the figure of several rows; `own`, the table of studies' own effects, for the forest.
    """
    from ebgenes.plots import draw

    words = summary.get("contrast", {})
    up, down = words.get("up", "higher"), words.get("down", "lower")
    told: dict[str, Any] = {"covariates": summary.get("covariates"), "hidden": summary.get("hidden_factors")}
    told |= {"study": study, "null": null, "stored": summary.get("stored")}
    told |= {"own": own, "studies": summary.get("studies"), "random": bool(summary.get("random_effects"))}
    for name in dict.fromkeys(file.stem for file in files):
        if name == ROW_FIGURE:
            _write_figure(_draw_rows(joint), name, files)
            continue
        chosen = options(settings, "level", "label", "x", "y")
        _write_figure(draw(name, table, prior, up=up, down=down, **told, **chosen), name, files)


def _draw_rows(joint: JointTold | None) -> Figure:
    from ebgenes.plots import draw_rows

    if joint is None:
        raise InputError(
            "the figure rows needs effects of several rows. Name effects.h5 of such a contrast (--effects)."
        )
    return draw_rows(joint.table, joint.effects, joint.posterior)


def _write_figure(figure: Figure, name: str, files: Sequence[Path]) -> None:
    """Write a figure to those files whose stem is its name."""
    from ebgenes.plots import figure_bytes

    for file in files:
        if file.stem == name:
            io.write_bytes(file, figure_bytes(figure, file.suffix.removeprefix(".")))


def write_dataset_figures(
    folder: Path, study: Study, dataset: DatasetSettings, pages: Sequence[ContrastPage], settings: ReportSettings
) -> None:
    """Draw the figures of a whole data set that the config asks for."""
    files = [folder / name for name in dataset_figure_names(settings.figures, settings.extra_figures)]
    if "pca" in settings.extra_figures:
        from ebgenes.plots import draw_components

        score, share = eb.principal_components(study.counts)
        sheet = {str(name): [str(each) for each in study.samples[name]] for name in study.samples.columns}
        told = {"sample": list(study.counts.sample), "score": score, "share": share, "sheet": sheet}
        _write_figure(draw_components(told), "pca", files)
    if "dispersion" in settings.extra_figures:
        from ebgenes.plots import draw_dispersions

        design = eb.build_design(study.samples, dataset.design, reference=dataset.reference)
        mean = study.screen.base_mean[study.screen.kept]
        trends = [page.scalars for page in pages if "dispersion_floor" in page.scalars]
        figure = draw_dispersions(mean, eb.gene_dispersions(study.counts, design), trends[0] if trends else None)
        _write_figure(figure, "dispersion", files)


def contrast_page(
    figures: Path,
    table: pd.DataFrame,
    prior: MixturePrior,
    summary: Mapping[str, Any],
    study: Study,
    dataset: DatasetSettings,
    config: Config,
    effects: Effects | None = None,
    joint: JointTold | None = None,
) -> ContrastPage:
    """One contrast of the report; its figures are read from the folder they were written to."""
    from ebgenes.report.payload import gene_rows, stray_likelihoods
    from ebgenes.report.render import ContrastPage

    name = summary["contrast"]["name"]
    # Over draws there is no prior to plug in.
    method = config.report.interval_method
    method = "full_bayes" if method == "plugin" and summary.get("gibbs") else method
    shown = [
        *FIGURES,
        *([] if joint is None else [ROW_FIGURE]),
        *(figure for figure, part in OPTIONAL_FIGURES if summary.get(part)),
    ]
    return ContrastPage(
        name=name,
        formula=dataset.design,
        table=table,
        prior=prior,
        up=summary["contrast"]["up"],
        down=summary["contrast"]["down"],
        engine=summary["engine"]["name"],
        options=options(config.effects, *ENGINE_OPTIONS),
        scalars={key: value for key, value in summary["engine"].items() if key != "name"},
        hidden=summary.get("hidden_factors"),
        random=summary.get("random_effects"),
        column=dataset.contrasts[name].get("column") or _along(joint),
        fdp=summary.get("fdp"),
        list_range=summary.get("list_range"),
        stored=summary.get("stored"),
        likelihoods=None if effects is None else stray_likelihoods(effects),
        rows=None if joint is None else gene_rows(joint.effects, joint.posterior),
        normalization=scale_name(dataset, study.counts, config.effects.normalization),
        n_samples=len(study.samples),
        groups=eb.describe_groups(study.samples, dataset.contrasts[name]),
        warnings=list(summary["warnings"]),
        figures={stem: (figures / f"{stem}.png").read_bytes() for stem in shown if (figures / f"{stem}.png").is_file()},
        **options(config.report, "level", "interval"),
        interval_method=method,
        threshold=config.report.lfc_threshold,
    )


def scale_name(dataset: DatasetSettings, counts: Counts, normalization: str) -> str:
    """What samples are compared by: ``offsets`` or ``size_factors`` as given, or a normalization, of which genes."""
    if size_factor_controls(dataset) is not None:
        return f"{normalization} of control genes"
    if dataset.offsets is None and dataset.size_factors is None:
        return normalization
    by_gene = counts.log_size is not None and counts.log_size.ndim > 1
    return "offsets" if dataset.offsets is not None and by_gene else "size_factors"


def _along(joint: JointTold | None) -> str | None:
    """The column along which rows lie."""
    curve = None if joint is None else joint.effects.curve
    return None if curve is None else curve.column


def write_results(
    folder: Path, study: Study, dataset: str, pages: Sequence[ContrastPage], together: Sequence[TogetherPage] = ()
) -> None:
    """Write results.h5ad and report.html of a dataset."""
    from ebgenes.report.render import render_report

    versions = eb.versions()
    summary = {"versions": versions, "contrasts": {page.name: _page_summary(page) for page in pages}}
    tables = {page.name: page.table for page in pages}
    scores = {page.name: np.array(page.hidden["score"]) for page in pages if page.hidden}
    io.write_results(folder / "results.h5ad", study, tables, summary, scores)
    page = render_report(list(pages), dataset=dataset, versions=versions, study=study, together=together)
    io.write_bytes(folder / "report.html", page.encode("utf-8"))


def _page_summary(page: ContrastPage) -> dict[str, Any]:
    """What a reader of results.h5ad needs beside the tables."""
    prior = {
        "family": page.prior.family,
        "weight": page.prior.weight.tolist(),
        "scale": page.prior.scale.tolist(),
        "mode": page.prior.mode,
        "stretch": page.prior.stretch,
    }
    return {**options(page, "formula", "up", "down", "engine", "normalization", "warnings"), "prior": prior}
