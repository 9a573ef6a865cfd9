"""What an engine has to tell of itself: a config is checked by it before any library of numbers is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ebgenes.effects.ready import Asked, Ready
    from ebgenes.records.effects import Effects, JointEffects

Fit = Callable[["Ready", "Asked"], "Effects"]
RowsFit = Callable[["Ready", "Asked", "Mapping[str, float] | None"], "JointEffects"]

PLAIN = """
<p>The likelihood of each gene's effect comes from the engine <code>{{ page.engine }}</code> with the normalization
{{ page.normalization }} and the design <code>{{ page.formula }}</code>.</p>
"""
"""What the page says of an engine that says nothing of itself."""

VOOM = (
    "Law CW, Chen Y, Shi W, Smyth GK (2014). voom: precision weights unlock linear model analysis tools for RNA-seq "
    "read counts. <cite>Genome Biology</cite> 15, R29."
)
MODERATION = (
    "Smyth GK (2004). Linear models and empirical Bayes methods for assessing differential expression in microarray "
    "experiments. <cite>Statistical Applications in Genetics and Molecular Biology</cite> 3, 3."
)
"""Sources that engines share."""

RESIDUAL_DF = "residual degrees of freedom: samples less coefficients"


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """An engine: how counts become each gene's likelihood.

    Attributes
    ----------
    name
        As the config, effects.h5 and prior.json have it.
    fit
        Effects of the design's contrast, of counts and a design made ready and the options asked for. `fit_effects`
        adds hidden factors, and leaves out genes whose fit failed. None where effects come from elsewhere.
    fit_rows
        The same for several rows, with the scalars of an earlier fit whose choices stand, or None; None where the
        engine takes one effect at a time.
    options
        Options that it has and the values that these may have; the first is what they are where nobody asked.
    is_default
        ``auto`` stands for it, with designs that it can fit.
    has_random
        The design must have random factors; others must not.
    is_chunked
        Genes may be shared out to several jobs.
    needs_counts
        Counts must be numbers of reads: nothing that was scaled.
    has_composition
        The fit counts effects from unchanged genes by itself.
    methods
        What the page says of it, HTML in Jinja's language, where ``page`` is the contrast's `ContrastPage`.
    sources
        Papers that it names, HTML, as the page lists them.
    scalars
        Meanings of the hyperparameters that it learns, by the names that `Effects.scalars` has.
    """

    name: str
    fit: Fit | None = None
    fit_rows: RowsFit | None = None
    options: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    is_default: bool = False
    has_random: bool = False
    is_chunked: bool = False
    needs_counts: bool = False
    has_composition: bool = False
    methods: str = PLAIN
    sources: tuple[str, ...] = ()
    scalars: Mapping[str, str] = field(default_factory=dict)
