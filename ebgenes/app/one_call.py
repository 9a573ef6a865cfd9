"""A contrast in one call, from counts in memory to a result that shows itself."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ebgenes.app.config import Config, DatasetSettings, parse_config
from ebgenes.app.figures import known_of
from ebgenes.app.gene_view import GeneView
from ebgenes.app.pages import page_of
from ebgenes.app.prepare import contrast_of, screened
from ebgenes.app.steps import (
    ContrastFit,
    MultiDfFit,
    annotation,
    covariates_of,
    estimate_any,
    fit_any,
)
from ebgenes.arrays import text_array
from ebgenes.data.estimated import estimated_counts
from ebgenes.data.filter import match_samples
from ebgenes.data.h5ad import counts_from_anndata, names_in_var, study_to_anndata
from ebgenes.data.intake import Intake, Samples, settled, sheet_of, summed
from ebgenes.data.sheets import Sheet, read_controls
from ebgenes.data.wide_tables import with_samples_of
from ebgenes.design.matrix import Model, read_model
from ebgenes.design.questions import AllOf, Combination, Comparison, Several
from ebgenes.errors import InputError, listing, nearest
from ebgenes.files import write_bytes
from ebgenes.plots.figures import figure_of
from ebgenes.records.counts import Counts, Study
from ebgenes.report.render import render_report
from ebgenes.results.summary import versions
from ebgenes.results.table import in_list, most_certain, tested
from ebgenes.results.table_files import varm_table

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.figure import Figure

MEMORY = Path("the data")
"""Where data in memory are said to be from, in messages."""

SHOWN = ("gene_name", "base_mean", "log2_fc", "post_mean", "ci_low", "ci_high", "lfdr", "lfsr", "s_value")
"""Columns of the short table that a result shows of itself."""

CONTRAST_KEYS = frozenset(("column", "baseline", "target", "coefficients", "rows", "term"))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Prepared:
    """Counts in memory that were screened and normalized, and the formula applied to their sheet.

    Attributes
    ----------
    study
        Kept genes, their sheet, and the status of every gene.
    model
        The formula, of which any number of questions can be asked.
    config
        All settings, as a file would have them.
    """

    study: Study
    model: Model
    config: Config

    @property
    def dataset(self) -> DatasetSettings:
        """The settings of the data."""
        return next(iter(self.config.datasets.values()))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True, repr=False)
class Result:
    """What one contrast says of every gene.

    Attributes
    ----------
    prepared
        The data behind it.
    fit
        Effects, prior, draws and summary, as the steps of the workflow make them.
    """

    prepared: Prepared
    fit: ContrastFit | MultiDfFit

    @property
    def name(self) -> str:
        """What the contrast is called."""
        return str(self.fit.summary["contrast"]["name"])

    @property
    def table(self) -> pd.DataFrame:
        """One row for every gene of the input, in the columns of ``genes.tsv``."""
        return self.fit.table

    @property
    def discoveries(self) -> pd.DataFrame:
        """The rows of the genes in the list, the most certain first."""
        discoveries = self.table[in_list(self.table, self.level)]
        return discoveries.iloc[most_certain(discoveries)]

    @property
    def level(self) -> float:
        """The error rate of the list."""
        return self.prepared.config.report.level

    @property
    def words(self) -> list[str]:
        """What was found and how sure it is, a sentence each."""
        return self.fit.words

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done to the data before they were fitted, a sentence each."""
        return self.prepared.study.notes

    def figure(self, name: str = "volcano") -> Figure:
        """One of the figures that the workflow writes, as `ebgenes.plots.draw` composes it."""
        fit, settings = self.fit, self.prepared.config.report
        study = self.prepared.study
        known = known_of(fit.table, fit.shown_prior, fit.summary, settings, study=study, multi_df=fit.result)
        return figure_of(name).drawn("", known)

    def volcano(self) -> Figure:
        """Size of the effects against their certainty, the surest genes named."""
        return self.figure("volcano")

    def ma(self) -> Figure:
        """Size of the effects against mean counts."""
        return self.figure("ma")

    def gene(self, name: str) -> GeneView:
        """One gene, by its identifier or name.

        Raises
        ------
        InputError
            Where no gene is called so, or several are.
        """
        table = self.table
        for column in ("gene_id", "gene_name"):
            found = np.flatnonzero(table[column].to_numpy() == name)
            if len(found) > 1:
                ids = listing(table["gene_id"].iloc[found], 4)
                raise InputError(f"{len(found)} genes are called {name!r} ({ids}). Give the identifier of one.")
            if len(found):
                return GeneView(row=table.iloc[int(found[0])], study=self.prepared.study, level=self.level)
        near = nearest(name, [*table["gene_name"], *table["gene_id"]])
        raise InputError(f"no gene is called {name!r} among {len(table):,} genes of the input.{near}")

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Write the page with volcano, table and every gene's counts, one file; returns its path."""
        prepared = self.prepared
        page = page_of(None, self.fit, prepared.study, prepared.dataset, prepared.config)
        text = render_report([page], dataset=self.name, versions=versions(), study=prepared.study)
        write_bytes(path, text.encode("utf-8"))
        return Path(path)

    def to_adata(self) -> AnnData:
        """A new AnnData: kept counts with sheet and sizes, the table in ``varm``, what was found in ``uns``."""
        adata = study_to_anndata(self.prepared.study)
        self.add_to(adata)
        return adata

    def add_to(self, adata: AnnData, key: str | None = None) -> None:
        """Put the table into an AnnData of the same genes: ``varm[key]``, and the summary into ``uns[key]``.

        Parameters
        ----------
        adata
            Changed in place. Genes that it has and the table lacks get missing values.
        key
            ``ebgenes_`` and the contrast's name where None.
        """
        key = f"ebgenes_{self.name}" if key is None else key
        adata.varm[key] = varm_table(self.table, [str(gene) for gene in adata.var_names])
        adata.uns[key] = {"formula": self.prepared.dataset.design, "words": list(self.words), "level": self.level}

    def _shown(self, most: int = 10) -> pd.DataFrame:
        """The most certain genes, in few columns."""
        judged = self.table[tested(self.table)]
        first = judged.iloc[most_certain(judged)[:most]].set_index("gene_id")
        return first[[name for name in SHOWN if name in first]]

    def __repr__(self) -> str:
        lines = [f"{self.name}: {self.words[0]}", "", self._shown().to_string(float_format=lambda x: f"{x:.4g}")]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        table = self._shown().to_html(float_format=lambda x: f"{x:.4g}", border=0)
        sentences = "".join(f"<p>{escape(words)}</p>" for words in self.words)
        return f"<div><h4>{escape(self.name)}</h4>{sentences}{table}</div>"


def test(
    data: AnnData | pd.DataFrame | Counts,
    design: str,
    contrast: Any,
    *,
    samples: pd.DataFrame | None = None,
    layer: str | None = None,
    names: Mapping[str, str] | pd.Series | None = None,
    name: str | None = None,
    effects: Mapping[str, Any] | None = None,
    prior: Mapping[str, Any] | None = None,
    gibbs: Mapping[str, Any] | None = None,
    report: Mapping[str, Any] | None = None,
    **dataset: Any,
) -> Result:
    """What a contrast says of every gene, from counts in memory.

    The same as the workflow does for a config, step by step: counts are checked, screened and normalized, each gene's
    likelihood is computed, and the prior of all genes and each gene's posterior follow.

    Parameters
    ----------
    data
        Raw counts: an AnnData with samples in obs and genes in var; a DataFrame of genes by samples or samples by
        genes, whichever fits `samples`; or `Counts`.
    design
        Formula over columns of the sheet, such as ``~ batch + condition`` or ``~ dex + (1|donor)``.
    contrast
        ``(column, baseline, target)``; `compare`, `combine`, `any_of` or `all_of`; the weights of coefficients as a
        Series; the name of a term; or a mapping as in the config.
    samples
        The sample sheet, indexed by sample; None: obs of the AnnData.
    layer
        Of the AnnData with raw counts; ``raw``: its slot of that name; None: X.
    names
        Gene names by identifier; None: a column of var that holds them, where there is one.
    name
        What the contrast is called; None: its target and baseline.
    effects, prior, gibbs, report
        The sections of the config with these names, such as ``prior={"fit": "gibbs"}``.
    **dataset
        Further keys of a dataset in the config, such as ``exclude``, ``missing``, ``reference``, ``keep``,
        ``size_factors``, ``controls`` or ``counts_are``.

    Returns
    -------
    Result
        With ``table``, ``discoveries``, ``words``, ``volcano()``, ``gene(name)``, ``report(path)`` and ``to_adata()``.

    Raises
    ------
    InputError
        For whatever is wrong with the data, the design or the settings.

    Examples
    --------
    >>> result = eb.test(adata, "~ cell + dex", ("dex", "untrt", "trt"))  # doctest: +SKIP
    >>> result.discoveries.head()  # doctest: +SKIP
    """
    question = contrast_words(contrast)
    called = contrast_name(question) if name is None else name
    sections = {"effects": effects, "prior": prior, "gibbs": gibbs, "report": report}
    prepared = prepare_in_memory(
        data, design, {called: question}, samples=samples, layer=layer, names=names, sections=sections, **dataset
    )
    return ask_prepared(prepared, called, question)


def prepare_in_memory(
    data: AnnData | pd.DataFrame | Counts,
    design: str,
    contrasts: Mapping[str, Mapping[str, Any]],
    *,
    samples: pd.DataFrame | None = None,
    layer: str | None = None,
    names: Mapping[str, str] | pd.Series | None = None,
    sections: Mapping[str, Mapping[str, Any] | None] | None = None,
    **dataset: Any,
) -> Prepared:
    """Counts in memory, screened and normalized; parameters and errors as `test`."""
    known = {key: dict(value) for key, value in (sections or {}).items() if value is not None}
    asked = {"counts": str(MEMORY), "samples": str(MEMORY), "design": design, "contrasts": dict(contrasts), **dataset}
    config = parse_config({"datasets": {"data": asked}, **known})
    settings = config.datasets["data"]
    sheet = _sheet(data, samples)
    found = settled(sheet, settings)
    taken = _with_names(_taken(data, settings, found, layer), names)
    study = screened(settings, taken, config.effects.normalization)
    return Prepared(study=study, model=read_model(study.samples, settings.design, settings.reference), config=config)


def ask_prepared(prepared: Prepared, name: str, question: Mapping[str, Any]) -> Result:
    """Ask one question of prepared counts."""
    dataset = replace(prepared.dataset, contrasts={name: dict(question)})
    config = replace(prepared.config, datasets={"data": dataset})
    study = prepared.study
    design = contrast_of(prepared.model, question, name)
    genes = annotation(dataset.genes, config.prior)
    covariates_of(study.counts.gene, study.screen.base_mean[study.screen.kept], config.prior, genes)
    controls = None if dataset.controls is None else read_controls(dataset.controls)
    effects = estimate_any(study, design, config.effects, controls)
    fit = fit_any(effects, study.screen, config.prior, config.gibbs, config.report, genes=genes)
    return Result(prepared=replace(prepared, config=config), fit=fit)


def contrast_words(contrast: Any) -> dict[str, Any]:
    """A question in any of its forms as the config writes it.

    Raises
    ------
    InputError
        For something that is no question.
    """
    if isinstance(contrast, Comparison):
        return {"column": contrast.column, "baseline": contrast.baseline, "target": contrast.target}
    if isinstance(contrast, pd.Series):
        return {"coefficients": {str(key): float(value) for key, value in contrast.items() if value}}
    if isinstance(contrast, Combination):
        return {"coefficients": dict(contrast.weight)}
    if isinstance(contrast, AllOf):
        return {"term": list(contrast.terms)}
    if isinstance(contrast, Several):
        return {"rows": [row if isinstance(row, str) else contrast_words(row) for row in contrast.rows]}
    if isinstance(contrast, str):
        return {"term": contrast}
    if isinstance(contrast, Mapping):
        unknown = [str(key) for key in contrast if key not in CONTRAST_KEYS]
        if not unknown:
            return dict(contrast)
        return {"coefficients": {str(key): float(value) for key, value in contrast.items()}}
    if isinstance(contrast, Sequence) and len(contrast) == 3:
        return dict(zip(("column", "baseline", "target"), contrast, strict=True))
    raise InputError(
        f"the contrast is {contrast!r}. Give (column, baseline, target), for example ('dex', 'untrt', 'trt'), or "
        "eb.compare, eb.combine, eb.any_of or eb.all_of."
    )


def contrast_name(question: Mapping[str, Any]) -> str:
    """What a contrast is called where nobody says: letters, digits, dots, dashes and underscores."""
    words = f"{question['target']}_vs_{question['baseline']}" if "target" in question else "contrast"
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "_" for letter in words)
    return plain[:100] if plain[0].isalnum() else "contrast"


def _sheet(data: Any, samples: pd.DataFrame | None) -> Sheet:
    """The samples that are told, as a sheet."""
    if samples is None:
        obs = getattr(data, "obs", None)
        if obs is None:
            raise InputError(
                f"{type(data).__name__} brings no sample sheet. Give samples=, a DataFrame indexed by sample."
            )
        return sheet_of(obs, Path("obs"))
    if not isinstance(samples, pd.DataFrame):
        raise InputError(f"samples is a {type(samples).__name__}. Give a DataFrame indexed by sample.")
    return replace(sheet_of(samples, Path("samples")), notes=())


def _taken(data: Any, settings: DatasetSettings, samples: Samples, layer: str | None) -> Intake:
    """Counts of the sheet's samples, and what was done."""
    counts, notes, names = _counts(data, settings, samples.counted, layer)
    reading = with_samples_of(samples.counted, counts, str(MEMORY), names)
    counts = match_samples(reading.counts, text_array(samples.counted.index))
    if samples.group is not None:
        counts = summed(counts, samples.group, list(samples.frame.index))
    return Intake(
        counts=counts, samples=samples.frame, names=reading.names, notes=(*samples.notes, *notes, *reading.notes)
    )  # fmt: skip


def _counts(
    data: Any, settings: DatasetSettings, sheet: pd.DataFrame, layer: str | None
) -> tuple[Counts, list[str], dict[str, str]]:
    """Counts, what was done to get them, and names of genes that came with them."""
    if layer is not None and not hasattr(data, "layers"):
        raise InputError(f"a {type(data).__name__} has no layers such as {layer!r}. Leave the layer out.")
    if isinstance(data, Counts):
        return data, [], {}
    if isinstance(data, pd.DataFrame):
        frame, notes = _upright(data, sheet)
        told, more = estimated_counts(frame, str(MEMORY), counts_are=settings.counts_are, estimated=False)
        return told, [*notes, *more], {}
    if not {"obs", "var", "X"} <= set(dir(data)):
        raise InputError(
            f"the counts are a {type(data).__name__}. Give an AnnData, a DataFrame with samples=, or eb.Counts; "
            "eb.read_counts reads files."
        )
    counts = counts_from_anndata(data, layer=layer, estimated=settings.counts_are == "estimated")
    return counts, [], names_in_var(data)


def _upright(frame: pd.DataFrame, sheet: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Genes by samples, whichever way the table lies."""
    wanted = {str(name) for name in sheet.index}
    in_columns = len(wanted & {str(name) for name in frame.columns})
    in_rows = len(wanted & {str(name) for name in frame.index})
    plain = frame.set_axis([str(name) for name in frame.index], axis=0)
    plain = plain.set_axis([str(name) for name in frame.columns], axis=1)
    turn = in_rows > in_columns
    plain = plain.T if turn else plain
    for what, names in (("genes", plain.index), ("samples", plain.columns)):
        repeated = names[names.duplicated()]
        if len(repeated):
            raise InputError(f"the counts have {len(repeated)} repeated {what} (first: {repeated[0]}). Name each once.")
    shape = f"{plain.shape[1]} by {plain.shape[0]}"
    return plain, [f"the counts are samples by genes ({shape}) and were turned."] if turn else []


def _with_names(taken: Intake, names: Mapping[str, str] | pd.Series | None) -> Intake:
    if names is None:
        return taken
    told = {str(gene): str(name) for gene, name in dict(names).items() if pd.notna(name)}
    return replace(taken, names=told)
