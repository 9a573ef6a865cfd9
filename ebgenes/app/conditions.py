"""Several contrasts, or one contrast in several cell types: from their files to the files of all together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ebgenes.analyses.conditions.error_correlation import Condition, error_correlation, joined
from ebgenes.analyses.conditions.estimates import covariances_of
from ebgenes.analyses.conditions.multivariate_fit import fit_multivariate
from ebgenes.analyses.conditions.multivariate_posterior import multivariate_posterior
from ebgenes.analyses.conditions.multivariate_summary import summarize_multivariate
from ebgenes.analyses.conditions.multivariate_tables import condition_table, gene_table
from ebgenes.app.analyses.multivariate import ANALYSIS, contrasts_of
from ebgenes.app.config import Config, DatasetSettings
from ebgenes.app.figures import draw_files, page_figures
from ebgenes.app.outputs import conditions_figures, conditions_tables, folder_of_analysis
from ebgenes.app.prepare import contrast_design, read_plan
from ebgenes.data.h5ad import read_study
from ebgenes.errors import InputError, listing, nearest
from ebgenes.files import write_json
from ebgenes.plots.figures import FIGURES
from ebgenes.posteriors.fdr import p_values
from ebgenes.records.counts import Study
from ebgenes.records.design import Design
from ebgenes.report.contents import Section
from ebgenes.report.sources import reference
from ebgenes.results.storage import read_effects, read_multivariate_prior
from ebgenes.results.summary import versions
from ebgenes.results.table_files import write_table

if TYPE_CHECKING:
    import pandas as pd

    from ebgenes.analyses.conditions.error_correlation import Condition


TEXT = """<p>Estimates of all conditions were taken together, with the correlation of their errors, under a mixture of
multivariate normal distributions that all genes share. {{ each.values.pi0 | percent }} of the genes are estimated
to have no effect in any condition{% for pattern, weight in each.values.patterns %}{{ "; the others: " if loop.first
else ", " }}<bdi>{{ pattern }}</bdi> {{ weight | percent }}{% endfor %}. Effects and rates of every gene and
condition are in <code>multivariate/{{ each.name }}/conditions.tsv</code>, one row a gene in
<code>multivariate.tsv</code> beside it.</p>"""
"""What the page says of the model."""

RARE = 0.005
"""Share of the genes up to which a pattern is not told of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One condition: the folder of its study (empty for the dataset's own), its contrast, and what to call it."""

    part: str
    contrast: str
    name: str


def asked_conditions(dataset: DatasetSettings, entry: str, plan: Mapping[str, Mapping[str, Any]] | None) -> list[Asked]:
    """What is taken together; plan is the one of cell_types.json, for datasets of cells.

    Raises
    ------
    InputError
        For a cell type that is not there, or where none can answer.
    """
    contrasts, settings = contrasts_of(dataset, entry), dataset.multivariate[entry]
    if plan is None:
        return [Asked(part="", contrast=contrast, name=contrast) for contrast in contrasts]
    types = [part["cell_type"] for part in plan.values()]
    for name in settings.cell_types or ():
        if name not in types:
            raise InputError(f"there is no cell type {name!r}; there are: {listing(types)}.{nearest(name, types)}")
    found = [
        Asked(part=folder, contrast=contrast,
              name=part["cell_type"] if len(contrasts) == 1 else f"{part['cell_type']}: {contrast}")
        for contrast in contrasts
        for folder, part in plan.items()
        if contrast in part["contrasts"] and (settings.cell_types is None or part["cell_type"] in settings.cell_types)
    ]  # fmt: skip
    if not found:
        raise InputError("none of the cell types that are to be taken together can answer these contrasts.")
    return found


def write_together(
    folder: Path,
    group: str,
    dataset: DatasetSettings,
    config: Config,
) -> str:
    """Fit and write what `dataset.multivariate[group]` asks, from the contrasts' files in the dataset's folder.

    Returns what was found, in words.
    """
    settings, report = dataset.multivariate[group], config.report
    plan = None if dataset.pseudobulk is None else read_plan(folder / "cell_types.json")
    asked = asked_conditions(dataset, group, plan)
    conditions, names = _read(folder, asked, dataset)
    gene, estimate, se = joined(conditions)
    correlation = error_correlation(conditions, estimate, se, settings.correlation)
    # Effects of contrasts in any units are alike as fold changes over the range of the data.
    unit = np.array([each.effects.told_unit for each in conditions])
    known = unit * estimate, covariances_of(unit * se, correlation)
    called = [each.name for each in conditions]
    seen = [each.effects.residuals for each in conditions]
    fit = fit_multivariate(
        *known, condition=called, learn=settings.learn, null_weight=settings.null_weight, residuals=seen
    )
    posterior = multivariate_posterior(fit.prior, *known)
    summary = summarize_multivariate(fit, posterior, correlation, estimate, report.level)
    summary |= {"name": group, "correlation": settings.correlation, "versions": versions()}
    own = replace(posterior, mean=posterior.mean / unit, sd=posterior.sd / unit)
    tables = {
        "multivariate": gene_table(gene, names, estimate, fit.prior, posterior, report.level),
        "conditions": condition_table(gene, names, estimate, se, own),
    }
    place = Path(folder_of_analysis(ANALYSIS, folder, group))
    write_json(place / "multivariate.json", summary)
    for file in conditions_tables(report):
        write_table(place / file, tables[file.partition(".")[0]])
    draw_files([place / name for name in conditions_figures(config)], {"sharing": summary})
    return str(summary["words"])


def _read(folder: Path, asked: Sequence[Asked], dataset: DatasetSettings) -> tuple[list[Condition], dict[str, str]]:
    """The conditions, and names of the genes by their ids."""

    conditions: list[Condition] = []
    names: dict[str, str] = {}
    studies: dict[str, Study] = {}
    for each in asked:
        if each.part not in studies:
            study = studies[each.part] = read_study(folder / each.part / "counts.h5ad")
            names |= dict(zip(study.screen.gene, study.screen.name, strict=True))
        effects = read_effects(folder / each.part / each.contrast / "effects.h5")
        conditions.append(
            Condition(
                name=each.name,
                effects=replace(effects, p_value=p_values(effects)),
                design=_design(studies[each.part].samples, dataset, each.contrast),
                study=each.part,
            )
        )
    return conditions, names


def _design(sheet: pd.DataFrame, dataset: DatasetSettings, contrast: str) -> Design:
    return contrast_design(sheet, dataset.design, dataset.contrasts[contrast], contrast, dataset.reference)


def require_independent(dataset: DatasetSettings, sheet: pd.DataFrame, group: str) -> None:
    """Refuse contrasts of one study that are sums of one another, where the design tells their correlation.

    Raises
    ------
    InputError
        Where they are.
    """
    asked = dataset.multivariate[group]
    if asked.correlation not in ("auto", "design"):
        return
    try:
        designs = [_design(sheet, dataset, contrast) for contrast in contrasts_of(dataset, group)]
    except InputError:
        # Told where the contrasts are checked.
        return
    weights = np.array([design.contrast.weight for design in designs if design.contrast is not None])
    if np.linalg.matrix_rank(weights) < len(weights):
        raise InputError(
            f"the {len(weights)} contrasts are not independent: one of them follows from the others. Leave it out "
            "(contrasts:), or take correlation: null_genes or none."
        )


def together_sections(folder: Path, groups: Sequence[str]) -> list[Section]:
    """What the report says of what is taken together, from the files in the dataset's folder."""

    pages = []
    for group in groups:
        found = Path(folder_of_analysis(ANALYSIS, folder, group))
        prior, summary = read_multivariate_prior(found / "multivariate.json")
        pages.append(
            Section(
                heading="Taken together",
                name=group,
                words=str(summary["words"]),
                text=TEXT,
                values={"pi0": prior.pi0, "patterns": _patterns(summary)},
                figures={
                    FIGURES[name].caption: image for name, image in page_figures(found, "conditions", summary).items()
                },
                sources=[reference("urbut2019")],
            )
        )
    return pages


def _patterns(summary: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Names of the patterns that some genes have, and their shares, largest first."""
    found = [(str(name), float(weight)) for name, weight in summary["pattern_weight"].items() if weight > RARE]
    return sorted(found, key=lambda pair: -pair[1])
