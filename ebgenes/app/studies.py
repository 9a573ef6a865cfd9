"""The flow of several studies: their effects in, one table of common effects and one of each study's own out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import ebgenes as eb
from ebgenes.analyses.distinct_studies import require_different, require_no_shared_samples, samples_asked
from ebgenes.analyses.meta_analysis import (
    OWN_COLUMNS,
    STUDY_COLUMNS,
    Heterogeneity,
    LeaveOneOut,
    StudySet,
    Tau,
    combine_studies,
    compare_leave_one_out,
    conflict_words,
    heterogeneity,
    join_studies,
    learn_tau,
    require_normal,
    without_study,
)
from ebgenes.app.config import Config, StudiesSettings, require_studies_prior
from ebgenes.app.figures import draw_files, known_of, page_figures
from ebgenes.app.outputs import studies_figures
from ebgenes.app.pages import config_words
from ebgenes.app.parts import studies_part
from ebgenes.app.prepare import contrast_design
from ebgenes.app.steps import discoveries, fit_prior, lfsr_of, tabulate
from ebgenes.arrays import TextArray, text_array
from ebgenes.data.h5ad import read_screen
from ebgenes.data.intake import samples_of
from ebgenes.data.sheets import read_gene_names
from ebgenes.effects.effect_tables import read_effect_table
from ebgenes.files import write_bytes, write_json
from ebgenes.records.counts import Screen
from ebgenes.records.effects import Effects
from ebgenes.records.prior import EmFit
from ebgenes.report.contents import ContrastPage, StudyLines
from ebgenes.report.payload import stray_likelihoods
from ebgenes.report.render import render_report
from ebgenes.results.storage import read_effects, write_effects
from ebgenes.results.table import in_list
from ebgenes.results.table_files import write_table

if TYPE_CHECKING:
    import pandas as pd

LEAVE_ONE_OUT_SEARCHED = 1500
"""Genes among which tau of all studies but one is sought."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Pooled:
    """Everything several studies yield."""

    joined: StudySet
    tau: Tau
    effects: Effects
    fit: EmFit
    table: pd.DataFrame
    own: Heterogeneity
    leave_one_out: tuple[LeaveOneOut, ...]


def read_sources(config: Config, settings: StudiesSettings) -> tuple[dict[str, Effects], dict[str, Screen]]:
    """The effects of every study and what became of every gene in it."""
    effects, screens = {}, {}
    for name, source in settings.sources.items():
        if source.table is not None:
            found = read_effect_table(source.table, columns=source.columns, df=source.df)
            effects[name], screens[name] = found.effects, found.screen
        else:
            folder = Path(config.outdir, str(source.dataset))
            effects[name] = read_effects(folder / str(source.contrast) / "effects.h5")
            screens[name] = with_failures(read_screen(folder / "counts.h5ad"), effects[name])
    require_different(effects)
    return effects, screens


def require_distinct_sources(config: Config, settings: StudiesSettings) -> None:
    """Refuse studies that share samples, by their designs; nothing but sheets is read.

    Raises
    ------
    InputError
        Where two do, or a sheet cannot be read.
    """
    samples = {}
    for name, source in settings.sources.items():
        if source.dataset is not None:
            dataset, contrast = config.datasets[source.dataset], str(source.contrast)
            sheet = samples_of(dataset).frame
            question = dataset.contrasts[contrast]
            design = contrast_design(sheet, dataset.design, question, contrast, dataset.reference)
            samples[name] = os.path.realpath(dataset.counts), samples_asked(design)
    require_no_shared_samples(samples)


def with_failures(screen: Screen, effects: Effects) -> Screen:
    """The same screen, with the statuses of genes whose fit failed."""
    if effects.failed is None:
        return screen
    told = dict(zip(effects.failed.gene, effects.failed.status, strict=True))
    status = [told.get(str(gene), each) for gene, each in zip(screen.gene, screen.status, strict=True)]
    return replace(screen, status=text_array(status))


def common_screen(screens: Mapping[str, Screen], tested: TextArray, names: Mapping[str, str]) -> Screen:
    """Every gene of any study: tested where one study tested it, with its mean over the studies that have it."""
    place: dict[str, int] = {}
    for screen in screens.values():
        for gene in screen.gene:
            place.setdefault(str(gene), len(place))
    status = np.full(len(place), "low_count", dtype=object)
    name = np.full(len(place), "", dtype=object)
    total, known = np.zeros((2, len(place)))
    for screen in reversed(list(screens.values())):
        at = np.array([place[str(gene)] for gene in screen.gene])
        status[at] = screen.status
        named = screen.name != ""
        name[at[named]] = screen.name[named]
        finite = np.isfinite(screen.base_mean)
        total[at[finite]] += screen.base_mean[finite]
        known[at[finite]] += 1
    status[status == "ok"] = "low_count"
    status[[place[str(gene)] for gene in tested]] = "ok"
    for gene, told in names.items():
        if gene in place:
            name[place[gene]] = told
    mean = np.divide(total, known, out=np.full(len(place), np.nan), where=known > 0)
    return Screen(gene=text_array(place), status=text_array(status), base_mean=mean, name=text_array(name))


def pool(joined: StudySet, config: Config, settings: StudiesSettings, screen: Screen, name: str) -> Pooled:
    """The model of several studies, from their effects to the tables."""
    asked = settings.tau
    tau = learn_tau(joined) if isinstance(asked, str) else _given(float(asked))
    effects = replace(combine_studies(joined, tau.value), contrast=name)
    fit = _learn(effects, config)
    require_normal(fit.prior)
    table = tabulate(effects, fit.prior, screen, config.report)
    tested = table.set_index("gene_id").loc[list(effects.gene)]
    own = heterogeneity(joined, effects, fit.prior, tested["lfdr"].to_numpy(dtype=float), tau.value)
    listed = {str(gene) for gene in tested.index[in_list(tested, config.report.level)]}
    left: tuple[LeaveOneOut, ...] = ()
    if len(joined.study) > 1:
        left = tuple(_leave_one_out(joined, s, config, listed, asked) for s in range(len(joined.study)))
    return Pooled(joined=joined, tau=tau, effects=effects, fit=fit, table=table, own=own, leave_one_out=left)


def _learn(effects: Effects, config: Config) -> EmFit:
    """The prior of what studies have in common, around their own zero."""
    return fit_prior(effects, replace(config.prior, mode="zero"))


def _given(value: float) -> Tau:
    return Tau(value=value, interval=(value, value), tried=np.array([value]), loglik=np.zeros(1), p_value=1.0)


def _leave_one_out(joined: StudySet, dropped: int, config: Config, listed: set[str], asked: str | float) -> LeaveOneOut:
    others = without_study(joined, dropped)
    tau = learn_tau(others, most=LEAVE_ONE_OUT_SEARCHED).value if isinstance(asked, str) else float(asked)
    effects = combine_studies(others, tau)
    fit = _learn(effects, config)
    known = eb.posterior(effects, fit.prior)
    called = discoveries(eb.results_table(effects, known), config.report.level)
    return compare_leave_one_out(joined, dropped, tau, listed, (effects.gene, called, known.mean, known.sd))


def own_table(found: Pooled) -> pd.DataFrame:
    """``studies.tsv``: a row for each gene that was tested, in the columns of `STUDY_COLUMNS` and `OWN_COLUMNS`."""

    own = found.own
    names = found.table.set_index("gene_id")["gene_name"].reindex(found.effects.gene)
    shared = [own.n_studies, own.cochran_q, own.i2, own.p_value, own.signs_differ]
    columns: dict[str, Any] = dict(zip(STUDY_COLUMNS, [found.effects.gene, names.to_numpy(), *shared], strict=True))
    for s, study in enumerate(found.joined.study):
        known = (own.estimate, own.se, own.mean, own.sd)
        columns |= {f"{study}.{name}": each[:, s] for name, each in zip(OWN_COLUMNS, known, strict=True)}
    return pd.DataFrame(columns)


def told(found: Pooled, settings: StudiesSettings) -> dict[str, Any]:
    """prior.json's ``studies``: tau, each study's part, and what the others say without it."""
    tau, own = found.tau, found.own
    there = found.joined.row >= 0
    several = own.n_studies > 1
    return {
        "study": list(found.joined.study),
        "weight": found.joined.weight.tolist(),
        "n_genes": there.sum(axis=0).tolist(),
        "n_shared": int(several.sum()),
        "tau": {
            "value": tau.value,
            "learned": isinstance(settings.tau, str),
            "interval": list(tau.interval),
            "p_value": tau.p_value,
            "tried": tau.tried.tolist(),
            "loglik": tau.loglik.tolist(),
        },
        "heterogeneous": int(np.sum(eb.adjust_bh(own.p_value[several]) < 0.05)) if several.any() else 0,
        "left_out": [asdict(each) for each in found.leave_one_out],
        "words": tau_words(found, settings),
    }


def tau_words(found: Pooled, settings: StudiesSettings) -> str:
    """How far the studies stray, in one sentence."""
    value, n_studies = found.tau.value, len(found.joined.study)
    if n_studies == 1:
        return "One study alone: nothing tells how far others would stray from it."
    if not isinstance(settings.tau, str):
        return (
            f"{n_studies} studies, whose effects were taken to stray from the common one with tau = {value:.3g} log2."
        )
    low, high = found.tau.interval
    return (
        f"{n_studies} studies: a study's effect strays from the common one with a standard deviation tau of "
        f"{value:.3f} log2 (95% interval {low:.3f} to {high:.3f})."
    )


def cautions(found: Pooled) -> list[str]:
    """What a reader should know of the studies before trusting the list."""
    notes = conflict_words(found.leave_one_out)
    words = {
        (part.up_label, part.down_label)
        for part in found.joined.part
        if (part.up_label, part.down_label) != ("higher", "lower")
    }
    if len(words) > 1:
        notes.append(
            "The studies name their directions differently: "
            + "; ".join(
                f"{study}: up is {part.up_label}"
                for study, part in zip(found.joined.study, found.joined.part, strict=True)
            )
            + ". Make sure that they mean the same."
        )
    return notes


def run_studies(
    config: Config, name: str, progress: Callable[[str], None] = lambda message: None, folder: Path | None = None
) -> None:
    """Pool one entry of ``studies:`` and write its files; its datasets have been run before."""
    settings = config.studies[name]
    require_studies_prior(config)
    folder = Path(config.outdir, name) if folder is None else folder
    progress(f"{name}: {len(settings.sources)} studies: tau, prior, posteriors and figures")
    require_distinct_sources(config, settings)
    studies, screens = read_sources(config, settings)
    names = {} if settings.genes is None else read_gene_names(settings.genes)
    joined = join_studies(studies, {study: source.weight for study, source in settings.sources.items()})
    found = pool(joined, config, settings, common_screen(screens, joined.gene, names), name)
    report = config.report
    lfsr = lfsr_of(found.table, None)
    summary = eb.summarize(found.effects, found.fit, report.level, stored=config.prior.stored, lfsr=lfsr)
    summary["studies"] = told(found, settings)
    summary["warnings"] = [*cautions(found), *summary["warnings"]]
    write_effects(folder / "effects.h5", found.effects)
    write_json(folder / "prior.json", summary)
    for suffix in report.tables:
        write_table(folder / f"genes.{suffix}", found.table)
    own = own_table(found)
    write_table(folder / "studies.tsv", own)
    files = [folder / each for each in studies_figures(config)]
    draw_files(files, known_of(found.table, found.fit.prior, summary, report, own=own))
    _write_page(folder, name, found, summary, config)
    progress(f"{name}: {eb.sentence(found.table, found.effects.up_label, found.effects.down_label, report.level)}")
    progress(f"{name}: {summary['studies']['words']}")


def _write_page(folder: Path, name: str, found: Pooled, summary: Mapping[str, Any], config: Config) -> None:
    report, own = config.report, found.own
    page = ContrastPage(
        name=name,
        formula="",
        table=found.table,
        prior=found.fit.prior,
        up_label=found.effects.up_label,
        down_label=found.effects.down_label,
        engine="studies",
        options={},
        scalars={},
        stored=summary.get("stored"),
        studies=summary["studies"],
        lines=StudyLines(
            study=found.joined.study, gene=found.effects.gene, estimate=own.estimate, se=own.se, mean=own.mean,
            sd=own.sd, i2=own.i2, signs_differ=own.signs_differ,
        ),
        likelihoods=stray_likelihoods(found.effects),
        normalization="",
        n_samples=0,
        groups=None,
        warnings=list(summary["warnings"]),
        figures=page_figures(folder, "studies", summary),
        level=report.level,
        interval=report.interval,
        interval_method=report.interval_method,
        threshold=report.lfc_threshold,
    )  # fmt: skip
    text = render_report([page], dataset=name, versions=eb.versions(), config=config_words(studies_part(config, name)))
    write_bytes(folder / "report.html", text.encode("utf-8"))
