"""What the page is made of: contrasts with their likelihoods, rows and studies, and conditions taken together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ebgenes.arrays import FloatArray, TextArray
from ebgenes.records.design import Curve
from ebgenes.records.prior import MixturePrior
from ebgenes.records.references import Reference


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Likelihoods:
    """Log likelihoods on grids, of the genes that no t distribution describes.

    Attributes
    ----------
    gene
        Ids, (N,).
    grid, loglik
        Effects, log2, and log likelihoods less their maxima, (N, T).
    """

    gene: TextArray
    grid: FloatArray
    loglik: FloatArray


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class GeneRows:
    """Several effects of each gene after pooling, as the page draws them.

    Attributes
    ----------
    gene
        Ids, (N,), most certain first.
    row
        Names of the rows, (R,).
    mean, root
        Posterior means, (N, R), and lower triangular roots of the covariances, (N, R, R), both times ``unit``.
    unit
        Of each row, (R,): fold changes over the samples.
    curve
        The rows along time or dose, or None.
    """

    gene: TextArray
    row: TextArray
    mean: FloatArray
    root: FloatArray
    unit: FloatArray
    curve: Curve | None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class StudyLines:
    """Each study's own effects, for forest plots of any gene.

    Attributes
    ----------
    study
        Names, (S,).
    gene
        Ids, (G,).
    estimate, se, mean, sd
        The study's own estimate, its standard error, posterior mean and standard deviation, (G, S).
    i2, signs_differ
        Heterogeneity of each gene, (G,).
    """

    study: TextArray
    gene: TextArray
    estimate: FloatArray
    se: FloatArray
    mean: FloatArray
    sd: FloatArray
    i2: FloatArray
    signs_differ: FloatArray


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ContrastPage:
    """All that the report says about one contrast.

    Attributes
    ----------
    name
        Name of the contrast.
    formula
        Design formula.
    table
        Result table, in the columns of `ebgenes.results.table.COLUMNS`.
    prior
        The fitted prior.
    up_label, down_label
        What a positive and a negative effect mean, in words.
    level
        Of the list (`ebgenes.results.table.in_list`).
    interval
        Probability of the intervals.
    interval_method
        How they allow for a prior that was fitted, as in the config.
    threshold
        Threshold of the tail areas ``prob_up`` and ``prob_down``, log2.
    engine
        ``likelihood``, ``moderated_t``, ``normal`` or another name, shown as it is.
    options
        Options of the engine by name, as in the config: ``trend``, ``robust``, ``dispersion_tails``, ``outliers``.
    filter
        Which genes were kept, as ``at least 10 reads in at least 4 samples``; empty where none were left out.
    normalization
        How the samples were made comparable, for example ``median_ratio``.
    n_samples
        How many samples were fitted; 0 where the effects came from elsewhere.
    groups
        Samples of each group, or None where there are no groups.
    warnings
        What the reader should know before trusting the numbers, in plain words.
    figures
        PNG files by the name of the figure.
    scalars
        Hyperparameters of the engine by name, as in prior.json.
    hidden
        prior.json's ``hidden_factors``, or None.
    random
        prior.json's ``random_effects``, or None.
    column
        Column of the sample sheet that is compared, or None.
    fdp
        prior.json's ``fdp``, the posterior of the list's false discovery proportion, or None.
    list_range
        prior.json's ``list_range``, how long the list may be over what is left open of the null, or None.
    outlook
        prior.json's ``outlook``, what further studies and a repeat would find, or None.
    stored
        prior.json's ``stored``, what became of a stored prior, or None.
    studies
        prior.json's ``studies``, where several were pooled, or None.
    lines
        Each study's own effects, or None.
    likelihoods
        Those that the script cannot draw as a t distribution (`ebgenes.report.payload.stray_likelihoods`), or None.
    rows
        Several effects of each gene (`ebgenes.report.payload.gene_rows`), where the question has them.
    """

    name: str
    formula: str
    table: pd.DataFrame
    prior: MixturePrior
    up_label: str
    down_label: str
    level: float
    interval: float
    interval_method: str
    threshold: float
    engine: str
    options: Mapping[str, Any]
    normalization: str
    n_samples: int
    groups: Mapping[str, int] | None
    warnings: Sequence[str]
    figures: Mapping[str, bytes]
    scalars: Mapping[str, Any]
    hidden: Mapping[str, Any] | None = None
    random: Mapping[str, Any] | None = None
    column: str | None = None
    filter: str = ""
    fdp: Mapping[str, Any] | None = None
    list_range: Mapping[str, Any] | None = None
    outlook: Mapping[str, Any] | None = None
    stored: Mapping[str, Any] | None = None
    studies: Mapping[str, Any] | None = None
    lines: StudyLines | None = None
    likelihoods: Likelihoods | None = None
    rows: GeneRows | None = None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Section:
    """What the report says of an analysis of a dataset's contrasts.

    Attributes
    ----------
    heading, name
        Of what kind it is, and what the user calls it.
    words
        What was found.
    text
        Paragraphs, HTML in Jinja's language, where ``each`` is this record.
    values
        What the paragraphs tell.
    figures
        PNG files by what they show, in words.
    sources
        What is cited.
    """

    heading: str
    name: str
    words: str
    text: str = ""
    values: Mapping[str, Any]
    figures: Mapping[str, bytes]
    sources: Sequence[Reference] = ()
