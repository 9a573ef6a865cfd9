"""The steps of a contrast, as the config asks for them: effects, prior, draws, table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ebgenes.analyses.fixed_or_random import (
    choose_fixed_or_random,
    fixed_beside_random,
    side_by_side,
    side_words,
    with_group_means,
)
from ebgenes.analyses.multi_df import fit_multi_df_prior, marginal_prior, multi_df_posterior, signals, top_effects
from ebgenes.analyses.power import outlook
from ebgenes.analyses.precision import pilot_of
from ebgenes.analyses.replication import Repeat, repeat_of
from ebgenes.app.config import (
    EffectsSettings,
    GibbsSettings,
    PriorSettings,
    ReportSettings,
    annotation_columns,
    multi_df_mistakes,
)
from ebgenes.app.prepare import options
from ebgenes.arrays import BoolArray, FloatArray, TextArray, text_array
from ebgenes.data.gene_names import is_gtf
from ebgenes.data.gene_places import read_gene_places
from ebgenes.data.sheets import read_annotation
from ebgenes.effects.chunks import common_of
from ebgenes.effects.engine import fit_effects
from ebgenes.effects.engines import all_options, resolved
from ebgenes.effects.likelihood import Common
from ebgenes.effects.multi_df_effects import fit_multi_df_effects
from ebgenes.effects.summary_statistics import effects_from_summary
from ebgenes.errors import InputError, InputErrors, listing, nearest
from ebgenes.files import existing_file
from ebgenes.posteriors.given_prior import null_probability, posterior
from ebgenes.posteriors.intervals.fitted_mixture import with_intervals
from ebgenes.posteriors.over_draws import full_posterior
from ebgenes.prior.covariates import Covariates, build_covariates
from ebgenes.prior.fit import fit_em
from ebgenes.prior.full_bayes import draw_gibbs
from ebgenes.prior.model_comparison import Criteria, compare_families
from ebgenes.prior.stored import require_storable
from ebgenes.records.counts import Screen, Study
from ebgenes.records.design import Design
from ebgenes.records.effects import BESIDE_ARRAYS, Beside, Effects, HiddenFactors, MultiDfEffects
from ebgenes.records.posterior import MultiDfPosterior, Posterior
from ebgenes.records.prior import EmFit, GibbsDraws, MixturePrior, MultivariateFit, MultivariatePrior
from ebgenes.results.messages import further_words
from ebgenes.results.outlook import outlook_summary
from ebgenes.results.prior_json import Summary
from ebgenes.results.storage import (
    read_chains,
    read_prior,
    write_chains,
)
from ebgenes.results.summary import summarize, summarize_multi_df
from ebgenes.results.table import in_list, multi_df_table, results_table, sentence, tested

if TYPE_CHECKING:
    import pandas as pd


ENGINE_OPTIONS = tuple(all_options())
"""Settings of the effects that one engine or the other has."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ContrastFit:
    """Everything one contrast yields.

    table has all genes' posteriors, summary is what prior.json says, and fixed_vs_random are both kinds of effects side
    by side, where both were asked for.
    """

    effects: Effects
    fit: EmFit
    draws: GibbsDraws | None
    table: pd.DataFrame
    summary: Summary
    fixed_vs_random: pd.DataFrame | None = None

    @property
    def shown_prior(self) -> MixturePrior:
        """The prior that figures and pages show."""
        return self.fit.prior

    @property
    def result(self) -> None:
        """What is known of several rows: there is one."""
        return None

    @property
    def words(self) -> list[str]:
        """What was found and how sure it is, a sentence each."""
        effects, level = self.effects, self.summary["level"]
        return [sentence(self.table, effects.up_label, effects.down_label, level), *further_words(self.summary)]


def fit_contrast(
    effects: Effects,
    screen: Screen | None,
    settings: PriorSettings,
    gibbs: GibbsSettings,
    report: ReportSettings,
    *,
    genes: pd.DataFrame | None = None,
    unfinished: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ContrastFit:
    """The prior of a contrast's effects, and what it says of each gene.

    Parameters
    ----------
    effects, screen
        Effects of the genes that could be fitted, and all genes with why the others could not.
    genes
        Their annotation, as `annotation` reads it, where covariates are columns of it.
    unfinished
        Where an interrupted run leaves its draws, from which the next one goes on.
    progress
        Told how many sweeps of the sampler are done, and of how many.
    """
    covariates = covariates_of(effects.gene, effects.base_mean, settings, genes)
    fit = fit_prior(effects, settings, covariates)
    draws = draw_prior(effects, fit, settings, gibbs, unfinished, progress, covariates)
    repeat = repeat_asked(effects, fit.prior, report)
    table = tabulate(effects, fit.prior, screen, report, draws, repeat)
    models = compare_priors(effects, fit, settings, report.seed, covariates)
    drawn = None if draws is None else (draws, discoveries(table, report.level))
    known = covariates, models, report.seed, drawn, settings.stored
    summary = summarize(effects, fit, report.level, *known, lfsr=lfsr_of(table, draws))
    if repeat is not None:
        ahead = outlook(fit.prior, pilot_of(effects), report.replicates, level=report.level, size=size_of(report))
        summary["outlook"] = outlook_summary(ahead, repeat, discoveries(table, report.level))
    beside = fixed_vs_random(effects, fit.prior, settings)
    if beside is not None and summary["random_effects"] is not None:
        summary["random_effects"]["beside"] = side_words(beside, report.level)
    return ContrastFit(effects=effects, fit=fit, draws=draws, table=table, summary=summary, fixed_vs_random=beside)


def fixed_vs_random(effects: Effects, prior: MixturePrior, settings: PriorSettings) -> pd.DataFrame | None:
    """Random and fixed effects side by side; None where not both were asked for."""
    if effects.random is None or effects.random.beside is None:
        return None
    beside = effects.random.beside
    fixed_lfdr = None
    if np.isfinite(beside.fixed).all():
        fixed = effects_from_summary(effects.gene, beside.fixed, beside.fixed_se, beside.fixed_df, unit=effects.unit)
        # A stored prior or covariates are of the random effects' list; the plain prior tells the fits apart.
        fixed_lfdr = null_probability(fixed, fit_prior(fixed, replace(settings, covariates=[])).prior)
    return side_by_side(effects, null_probability(effects, prior), fixed_lfdr)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MultiDfFit:
    """Everything one contrast with several degrees of freedom yields.

    shown_prior is that of one row's effect, which figures show; summary is what prior.json says.
    """

    effects: MultiDfEffects
    fit: MultivariateFit
    result: MultiDfResult
    shown_prior: MixturePrior
    summary: Summary

    @property
    def table(self) -> pd.DataFrame:
        """All genes' posteriors."""
        return self.result.table

    @property
    def words(self) -> list[str]:
        """What was found and how sure it is, a sentence each."""
        words = self.summary["contrast"]
        return [
            sentence(self.table, words["up"], words["down"], self.summary["level"]),
            *further_words(self.summary),
        ]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MultiDfResult:
    """What the prior says of several rows of each gene: in full, and as tables and figures of one effect show it."""

    effects: MultiDfEffects
    posterior: MultiDfPosterior
    top: tuple[Effects, Posterior]
    table: pd.DataFrame


def fit_multi_df(
    effects: MultiDfEffects, screen: Screen | None, settings: PriorSettings, report: ReportSettings
) -> MultiDfFit:
    """The prior of several rows, and what it says of each gene."""
    mistakes = list(multi_df_mistakes(settings, report))
    if mistakes:
        raise InputErrors("the settings do not suit several rows:", mistakes)
    fit = fit_multi_df_prior(effects, **options(settings, "null", "min_scale", "null_weight", "solver"))
    result = multi_df_result(effects, fit.prior, screen, report)
    summary = summarize_multi_df(effects, fit, result.top, result.posterior.lfsr, report.level)
    return MultiDfFit(effects=effects, fit=fit, result=result, shown_prior=marginal_prior(fit.prior), summary=summary)


def fit_any(
    effects: Effects | MultiDfEffects,
    screen: Screen | None,
    settings: PriorSettings,
    gibbs: GibbsSettings,
    report: ReportSettings,
    **further: Any,
) -> ContrastFit | MultiDfFit:
    """`fit_contrast` or, of several rows, `fit_multi_df`, which takes nothing further."""
    if isinstance(effects, MultiDfEffects):
        return fit_multi_df(effects, screen, settings, report)
    return fit_contrast(effects, screen, settings, gibbs, report, **further)


def multi_df_result(
    effects: MultiDfEffects, prior: MultivariatePrior, screen: Screen | None, report: ReportSettings
) -> MultiDfResult:
    """Posteriors of all genes' rows, and their table."""
    known = multi_df_posterior(effects, prior, interval=report.interval, threshold=report.lfc_threshold)
    top = top_effects(effects, known)
    table = multi_df_table(effects, known, top, signals(known, report.level), screen)
    return MultiDfResult(effects=effects, posterior=known, top=top, table=table)


def estimate(study: Study, design: Design, settings: EffectsSettings, controls: TextArray | None = None) -> Effects:
    """Every gene's effect with its likelihood."""
    if design.random:
        return estimate_random(study, design, settings)
    chosen = options(settings, "engine", "hidden_factors", "composition", *ENGINE_OPTIONS)
    effects = fit_effects(study.counts, design, controls=controls, **chosen)
    return replace(effects, hidden=_beside_sheet(effects.hidden, study))


def share(study: Study, design: Design, settings: EffectsSettings, controls: TextArray | None = None) -> Common:
    """What all genes tell together, for `estimate` in chunks of genes.

    Raises
    ------
    InputError
        Where the engine fits all genes at once and has nothing to do in chunks.
    """
    engine = resolved(settings.engine, bool(design.random))
    if not engine.is_chunked:
        raise InputError(f"effects.chunks: engine {engine.name} fits all genes at once. Leave the chunks out.")
    chosen = options(settings, "hidden_factors", "dispersion_tails", "dispersion_trend", "outliers", "count_tails")
    common = common_of(study.counts, design, controls=controls, **chosen)
    return replace(common, hidden=_beside_sheet(common.hidden, study))


def _beside_sheet(hidden: HiddenFactors | None, study: Study) -> HiddenFactors | None:
    """A factor may turn out to be something the sheet tells."""
    sheet = {str(name): text_array(study.samples[name]) for name in study.samples.columns}
    return None if hidden is None else replace(hidden, sheet=sheet)


def estimate_any(
    study: Study, design: Design, settings: EffectsSettings, controls: TextArray | None = None
) -> Effects | MultiDfEffects:
    """Every gene's effect or, where the design's question has several rows, effects."""
    if design.multi_df is None:
        return estimate(study, design, settings, controls)
    chosen = options(settings, "engine", "hidden_factors", "composition", *ENGINE_OPTIONS)
    multi_df: MultiDfEffects = fit_multi_df_effects(study.counts, design, controls=controls, **chosen)
    return replace(multi_df, hidden=_beside_sheet(multi_df.hidden, study))


def estimate_random(study: Study, design: Design, settings: EffectsSettings) -> Effects:
    """Effects of a design with random factors, and whether these can be relied on."""
    chosen = options(settings, "engine", "hidden_factors", "composition", *ENGINE_OPTIONS)
    if settings.fixed_or_random == "within":
        return fit_effects(study.counts, with_group_means(design), **chosen)
    effects: Effects = fit_effects(study.counts, design, **chosen)
    if effects.random is None:
        raise ValueError("the design has no random factors")
    choice = choose_fixed_or_random(study.counts, design)
    beside = fixed_beside_random(study.counts, design) if settings.fixed_or_random == "both" else None
    if beside is not None and effects.failed is not None:
        have = effects.failed.others(len(effects.gene))
        beside = Beside(**{name: getattr(beside, name)[have] for name in BESIDE_ARRAYS})
    return replace(effects, random=replace(effects.random, choice=choice, beside=beside))


def fit_prior(effects: Effects, settings: PriorSettings, covariates: Covariates | None = None) -> EmFit:
    """The prior that all genes of a contrast share."""
    chosen = options(settings, "family", "null", "solver", "min_scale", "null_weight", "mode")
    if settings.stored is not None:
        own = None if isinstance(settings.own_weight, str) else float(settings.own_weight)
        chosen |= {"stored": stored_prior(settings), "own_weight": own}
    # Draws start from a mixture of slabs.
    bulk = "none" if settings.fit == "gibbs" else settings.bulk
    return fit_em(effects, covariates=covariates, bulk=bulk, **chosen)


def stored_prior(settings: PriorSettings) -> MixturePrior:
    """The prior that `prior.from` names, if it can be applied."""
    path = cast(str, settings.stored)
    prior, _ = read_prior(path)
    try:
        require_storable(prior, settings.family)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return prior


def draw_prior(
    effects: Effects,
    fit: EmFit,
    settings: PriorSettings,
    gibbs: GibbsSettings,
    unfinished: str | None = None,
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
        return draw_gibbs(effects, fit, **chosen)
    chosen["save"] = partial(write_chains, unfinished)
    state = read_chains(unfinished)
    draws = draw_gibbs(effects, fit, resume=state, **chosen)
    Path(unfinished).unlink(missing_ok=True)
    return draws


def compare_priors(
    effects: Effects, fit: EmFit, settings: PriorSettings, seed: int, covariates: Covariates | None = None
) -> dict[str, Criteria] | None:
    """The fitted prior beside those of other families, by what they predict; None where none are asked for."""
    others = [family for family in settings.compare if family != settings.family]
    if not others:
        return None
    priors = {settings.family: fit.prior}
    # A stored prior is of one family.
    alone = replace(settings, stored=None)
    priors |= {family: fit_prior(effects, replace(alone, family=family), covariates).prior for family in others}
    models: dict[str, Criteria] = compare_families(effects, priors, np.random.default_rng(seed))
    return models


def covariates_of(
    gene: TextArray, base_mean: FloatArray, settings: PriorSettings, genes: pd.DataFrame | None
) -> Covariates | None:
    """What the config asks to be known of the genes beside their effects; None where it asks nothing."""
    if not settings.covariates:
        return None
    columns: dict[str, Any] = {} if np.isnan(base_mean).any() else {"base_mean": base_mean}
    if genes is not None:
        known = genes.reindex(list(gene))
        columns |= {str(name): known[name] for name in known.columns}
    return build_covariates(gene, columns, settings.covariates)


def annotation(path: str | None, settings: PriorSettings) -> pd.DataFrame | None:
    """The genes' annotation, with all columns that covariates need; None where they need none."""
    wanted = annotation_columns(settings.covariates)
    if not wanted:
        return None
    if path is None:
        raise InputError(
            f"the covariate {wanted[0]!r} is a column of the genes' annotation, and there is none. "
            "Name its file (genes: in the config, --genes on the command line)."
        )
    place = existing_file(path)
    table = read_gene_places(place) if is_gtf(place) else read_annotation(path)
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
    repeat: Repeat | None = None,
) -> pd.DataFrame:
    """Posteriors of all genes as a table: under the fitted prior or, where there are some, over draws of it."""
    asked = {"interval": settings.interval, "threshold": settings.lfc_threshold}
    known = full_posterior(effects, draws, **asked) if draws else posterior(effects, prior, weight=None, **asked)
    # Posteriors over draws have the intervals of full Bayes by themselves.
    if settings.interval_method not in (("plugin", "full_bayes") if draws else ("plugin",)):
        rng = np.random.default_rng(settings.seed)
        known = with_intervals(known, effects, prior, settings.interval_method, rng=rng)
    return results_table(effects, known, screen, repeat=repeat)


def repeat_asked(effects: Effects, prior: MixturePrior, report: ReportSettings) -> Repeat | None:
    """What a repeat of the study would make of its genes, where the config asks for further studies."""
    return repeat_of(effects, prior, level=report.level) if report.replicates else None


LARGE_EFFECT = 1.0


def size_of(report: ReportSettings) -> float:
    """Effects beyond it, log2, are told of apart: the threshold of the report, or a doubling."""
    return report.lfc_threshold or LARGE_EFFECT


def discoveries(table: pd.DataFrame, level: float) -> BoolArray:
    """Which of the fitted genes, (G,), are in the table's list."""
    return np.asarray(in_list(table, level)[tested(table)])


def lfsr_of(table: pd.DataFrame, draws: GibbsDraws | None) -> FloatArray | None:
    """The fitted genes' lfsr under the fitted prior, (G,); None where the table is averaged over draws of it."""
    return None if draws is not None else table.loc[tested(table), "lfsr"].to_numpy(dtype=float)
