"""Every file that a contrast, a dataset, conditions taken together and studies leave: the one list of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from os.path import join
from typing import TYPE_CHECKING, Self

from ebgenes.plots.figures import FigureRecord, Of, figures_of

if TYPE_CHECKING:
    from ebgenes.app.analyses.analysis import Analysis
    from ebgenes.app.config import Config, ReportSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ContrastFiles:
    """Files of one contrast: as names in its folder, or as paths.

    Attributes
    ----------
    prior
        The prior and all that was learned with it, JSON.
    effects
        Effects with their likelihoods; None where they are not to be written.
    tables, figures
        A file for each format asked for.
    perhaps
        Figures of what the data may turn out not to have, as hidden factors; written where they have it.
    draws, fixed_random
        Draws of the prior, and fixed effects beside random ones: one file each, or none where they are not asked for.
    """

    prior: str
    effects: str | None
    tables: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    perhaps: tuple[str, ...] = ()
    draws: tuple[str, ...] = ()
    fixed_random: tuple[str, ...] = ()

    def within(self, folder: str) -> Self:
        """The same files in a folder."""
        return replace(
            self,
            prior=join(folder, self.prior),
            effects=None if self.effects is None else join(folder, self.effects),
            **{
                name: tuple(join(folder, each) for each in getattr(self, name))
                for name in ("tables", "figures", "perhaps", "draws", "fixed_random")
            },
        )

    @property
    def unfinished(self) -> str | None:
        """Where an interrupted run leaves its draws for the next one; None where nothing is drawn."""
        return f"{self.draws[0].removesuffix('.nc')}.unfinished.npz" if self.draws else None


def files_of_contrast(config: Config, *, multi_df: bool = False) -> ContrastFiles:
    """The files of a contrast in its folder; `multi_df`, of one with several degrees of freedom."""
    report = config.report
    asked = _asked(config, "contrast")
    sure = [figure.name for figure in asked if not figure.found]
    return ContrastFiles(
        prior="prior.json",
        effects="effects.h5",
        tables=tuple(f"genes.{suffix}" for suffix in report.tables),
        figures=(*in_formats(sure, report), *(multi_df_figures(config) if multi_df else ())),
        perhaps=tuple(in_formats([figure.name for figure in asked if figure.found], report)),
        draws=("draws.nc",) if config.prior.fit == "gibbs" else (),
        fixed_random=("fixed_random.tsv",) if config.effects.fixed_or_random == "both" else (),
    )


def _asked(config: Config, what: Of) -> list[FigureRecord]:
    """Figures that are asked for and of which the settings have something to show."""
    return [each for each in figures_of(what) if each.name in config.report.figures and each.when(config)]


def _files(config: Config, what: Of) -> list[str]:
    return in_formats([figure.name for figure in _asked(config, what)], config.report)


def in_formats(names: Sequence[str], report: ReportSettings) -> list[str]:
    """File names of figures in the formats asked for."""
    return [f"{name}.{suffix}" for name in names for suffix in report.formats]


def multi_df_figures(config: Config) -> list[str]:
    """The figures that contrasts with several degrees of freedom have besides."""
    return _files(config, "multi_df")


def dataset_figures(config: Config) -> list[str]:
    """The figures of a whole dataset, in its folder."""
    return _files(config, "dataset")


def files_of_dataset(config: Config) -> list[str]:
    """What a dataset, or one of its cell types, leaves in its folder when its contrasts are there."""
    return ["results.h5ad", "report.html", *dataset_figures(config)]


def studies_figures(config: Config) -> list[str]:
    """The figures of several studies, in their folder."""
    return _files(config, "studies")


def conditions_figures(config: Config) -> list[str]:
    """The figures of conditions taken together, in their folder."""
    return _files(config, "conditions")


def conditions_tables(report: ReportSettings) -> list[str]:
    """The tables of conditions taken together, in their folder."""
    written = [suffix for suffix in report.tables if suffix != "rnk"]
    return [f"{stem}.{suffix}" for stem in ("multivariate", "conditions") for suffix in written]


def folder_of_analysis(analysis: Analysis, dataset: str | PathLike[str], entry: str) -> str:
    """Where an entry of an analysis leaves its files, in the folder of a dataset's results."""
    return join(dataset, analysis.name, entry)


def files_of_analysis(analysis: Analysis, config: Config) -> list[str]:
    """What an entry of an analysis of a dataset's contrasts leaves, in its folder."""
    return [f"{analysis.name}.json", *analysis.outputs(config)]


def shown_on_page(files: Sequence[str]) -> list[str]:
    """Of a manifest's files those that a page is made of: pictures, and what was found."""
    return [name for name in files if name.endswith((".json", ".png"))]
