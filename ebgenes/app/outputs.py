"""Every file that a contrast, a dataset, conditions taken together and studies leave: the one list of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from os.path import join
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from ebgenes.app.config import Config, ReportSettings

FIGURES = ("volcano", "ma", "prior", "shrinkage", "diagnostics")
"""Names of the figures of every contrast; the workflow reads them here, without loading matplotlib."""

COVARIATE_FIGURE = "covariates"
"""The figure of contrasts whose prior has covariates."""

HIDDEN_FIGURE = "hidden"
"""The figure of contrasts whose hidden factors were sought."""

STORED_FIGURE = "stored"
"""The figure of contrasts whose prior another study has fitted."""

ROW_FIGURE = "rows"
"""The figure of contrasts of several rows."""

HEAT_MAP = "heatmap"
"""A figure of contrasts, on request."""

DATASET_FIGURES = ("pca", "dispersion")
"""Figures of a whole data set, on request."""


STUDIES_FIGURE = "forest"
"""The figure of several studies."""

CONDITIONS_FOLDER = "multivariate"
"""Folder, among a dataset's results, of conditions taken together."""


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
    draws, fixed_random
        Draws of the prior, and fixed effects beside random ones: one file each, or none where they are not asked for.
    """

    prior: str
    effects: str | None
    tables: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
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
                for name in ("tables", "figures", "draws", "fixed_random")
            },
        )

    @property
    def unfinished(self) -> str | None:
        """Where an interrupted run leaves its draws for the next one; None where nothing is drawn."""
        return f"{self.draws[0].removesuffix('.nc')}.unfinished.npz" if self.draws else None


def files_of_contrast(config: Config, *, multi_df: bool = False) -> ContrastFiles:
    """The files of a contrast in its folder; `multi_df`, of one with several degrees of freedom."""
    report = config.report
    return ContrastFiles(
        prior="prior.json",
        effects="effects.h5",
        tables=tuple(f"genes.{suffix}" for suffix in report.tables),
        figures=(*_contrast_figures(config), *(in_formats([ROW_FIGURE], report.figures) if multi_df else ())),
        draws=("draws.nc",) if config.prior.fit == "gibbs" else (),
        fixed_random=("fixed_random.tsv",) if config.effects.fixed_or_random == "both" else (),
    )


def _contrast_figures(config: Config) -> list[str]:
    asked = {
        COVARIATE_FIGURE: bool(config.prior.covariates),
        HIDDEN_FIGURE: config.effects.hidden_factors != 0,
        STORED_FIGURE: config.prior.stored is not None,
        HEAT_MAP: HEAT_MAP in config.report.extra_figures,
    }
    return in_formats([*FIGURES, *(name for name, wanted in asked.items() if wanted)], config.report.figures)


def in_formats(names: Sequence[str], formats: Sequence[str]) -> list[str]:
    """File names of figures in the formats asked for, the volcano also as SVG and PDF."""
    always = {"volcano": ["png", "svg", "pdf"]}
    return [f"{name}.{suffix}" for name in names for suffix in always.get(name, formats)]


def row_figures(report: ReportSettings) -> list[str]:
    """The figures that contrasts with several degrees of freedom have besides."""
    return in_formats([ROW_FIGURE], report.figures)


def dataset_figures(report: ReportSettings) -> list[str]:
    """The figures of a whole dataset, in its folder."""
    return in_formats([name for name in DATASET_FIGURES if name in report.extra_figures], report.figures)


def files_of_dataset(report: ReportSettings) -> list[str]:
    """What a dataset, or one of its cell types, leaves in its folder when its contrasts are there."""
    return ["results.h5ad", "report.html", *dataset_figures(report)]


def studies_figures(config: Config) -> list[str]:
    """The figures of several studies, in their folder."""
    stored = [STORED_FIGURE] if config.prior.stored is not None else []
    return in_formats([*FIGURES, *stored, STUDIES_FIGURE], config.report.figures)


def files_of_conditions(report: ReportSettings) -> list[str]:
    """What conditions taken together leave, in their folder."""
    written = [suffix for suffix in report.tables if suffix != "rnk"]
    names = [f"{stem}.{suffix}" for stem in ("multivariate", "conditions") for suffix in written]
    return ["multivariate.json", *names, *in_formats(["sharing"], report.figures)]
