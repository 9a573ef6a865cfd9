"""Section ``multivariate``: several contrasts, or one in several cell types, taken together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ebgenes.app.analyses.analysis import Analysis
from ebgenes.errors import listing, nearest

if TYPE_CHECKING:
    import pandas as pd

    from ebgenes.app.config import Config, DatasetSettings
    from ebgenes.report.contents import Section


@dataclass(frozen=True, slots=True, kw_only=True)
class MultivariateSettings:
    """Contrasts, or cell types, that are taken together (None: all)."""

    contrasts: list[str] | None
    cell_types: list[str] | None
    correlation: str
    learn: bool
    null_weight: float | None


def write(folder: Path, entry: str, dataset: DatasetSettings, config: Config) -> str:
    """Fit and write what is taken together."""
    from ebgenes.app.conditions import write_together

    return write_together(folder, entry, dataset, config)


def sections(folder: Path, entries: Sequence[str]) -> list[Section]:
    """What was found."""
    from ebgenes.app.conditions import together_sections

    return together_sections(folder, entries)


def contrasts_of(dataset: DatasetSettings, entry: str) -> list[str]:
    """Contrasts that are taken together: those that are named, or all of one row."""
    from ebgenes.app.config import single_effects

    named = dataset.multivariate[entry].contrasts
    return single_effects(dataset) if named is None else named


def outputs(config: Config) -> list[str]:
    """Tables a row for each gene, and for each gene and condition; figures."""
    from ebgenes.app.outputs import conditions_figures, conditions_tables

    return [*conditions_tables(config.report), *conditions_figures(config)]


def mistakes(dataset: DatasetSettings, entry: str) -> Iterator[str]:
    """Contrasts or cell types that cannot be taken together."""
    from ebgenes.app.config import is_multi_df

    settings = dataset.multivariate[entry]
    contrasts = contrasts_of(dataset, entry)
    for contrast in contrasts:
        if contrast not in dataset.contrasts:
            known = f"its contrasts: {listing(dataset.contrasts)}.{nearest(contrast, dataset.contrasts)}"
            yield f".contrasts: {contrast!r} is no contrast of the dataset; {known}"
        elif is_multi_df(dataset.contrasts[contrast]):
            yield f".contrasts: {contrast!r} has several rows; name contrasts of one row."
    if not contrasts:
        yield ": the dataset has no contrast of one row; add some."
    if dataset.pseudobulk is None:
        if settings.cell_types is not None:
            yield ".cell_types: the dataset has no section pseudobulk; leave this out."
        if len(contrasts) == 1:
            yield ": one contrast cannot be taken together with itself; name two or more."


def check(dataset: DatasetSettings, sheet: pd.DataFrame, entry: str) -> Iterator[str]:
    """Contrasts of one study must not be sums of one another, where the design tells their correlation."""
    from ebgenes.app.conditions import require_independent

    contrasts = contrasts_of(dataset, entry)
    what = f"{len(contrasts)} contrasts" if dataset.pseudobulk is None else "cell types"
    yield f"{what} taken together"
    require_independent(dataset, sheet, entry)


ANALYSIS = Analysis(
    name="multivariate",
    words="Take contrasts or cell types of one dataset together.",
    settings=MultivariateSettings,
    write=write,
    sections=sections,
    contrasts=contrasts_of,
    outputs=outputs,
    mistakes=mistakes,
    check=check,
)
