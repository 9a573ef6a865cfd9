"""A contrast from its effects to its files, the same for every command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ebgenes.app.config import GibbsSettings, PriorSettings, ReportSettings
from ebgenes.app.figures import draw_files, found_figures, known_of
from ebgenes.app.outputs import ContrastFiles
from ebgenes.app.steps import ContrastFit, MultiDfFit, fit_any
from ebgenes.files import write_json
from ebgenes.records.counts import Screen, Study
from ebgenes.records.effects import Effects, MultiDfEffects
from ebgenes.results.messages import with_notes
from ebgenes.results.storage import write_draws, write_effects, write_multi_df_effects
from ebgenes.results.table_files import write_table

if TYPE_CHECKING:
    import pandas as pd


def answer_contrast(
    effects: Effects | MultiDfEffects,
    files: ContrastFiles,
    screen: Screen | None,
    settings: PriorSettings,
    gibbs: GibbsSettings,
    report: ReportSettings,
    *,
    study: Study | None = None,
    genes: pd.DataFrame | None = None,
    notes: Sequence[str] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ContrastFit | MultiDfFit:
    """Fit the prior of a contrast's effects, of one row or several, and write all its files.

    study is for figures of counts; notes are of what was done to the user's files; the others are as `fit_contrast`
    takes them.
    """
    asked = settings, gibbs, report
    found = fit_any(effects, screen, *asked, genes=genes, unfinished=files.unfinished, progress=progress)
    with_notes(found.summary, notes)
    write_contrast(found, files, report, study)
    return found


def write_contrast(
    found: ContrastFit | MultiDfFit, files: ContrastFiles, report: ReportSettings, study: Study | None
) -> None:
    """Write all files of one contrast; study is for figures of counts."""
    perhaps = [Path(path) for path in files.perhaps]
    # What a name may be wrong of comes first, so that nothing is half-written.
    for path in files.tables:
        write_table(path, found.table)
    figures = [Path(path) for path in files.figures] + found_figures(perhaps, found.summary)
    known = known_of(found.table, found.shown_prior, found.summary, report, study=study, multi_df=found.result)
    draw_files(figures, known)
    if isinstance(found, MultiDfFit):
        if files.effects is not None:
            write_multi_df_effects(files.effects, found.effects)
    else:
        if files.effects is not None:
            write_effects(files.effects, found.effects)
        if found.draws is not None:
            for path in files.draws:
                write_draws(path, found.draws)
        if found.fixed_vs_random is not None:
            for path in files.fixed_random:
                write_table(path, found.fixed_vs_random)
    write_json(files.prior, found.summary)
