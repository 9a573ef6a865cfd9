"""What an engine has to tell of itself: a config is checked by it before any library of numbers is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ebgenes.records.references import Reference

if TYPE_CHECKING:
    from ebgenes.effects.ready import Asked, Ready
    from ebgenes.records.effects import Effects, MultiDfEffects

Fit = Callable[["Ready", "Asked"], "Effects"]
RowsFit = Callable[["Ready", "Asked", "Mapping[str, float] | None"], "MultiDfEffects"]

PLAIN = """
<p>The likelihood of each gene's effect comes from the engine <code>{{ page.engine }}</code> with the normalization
{{ page.normalization }} and the design <code>{{ page.formula }}</code>.</p>
"""
"""What the page says of an engine that says nothing of itself."""

AND_HIDDEN = """{% if page.hidden %} and {{ page.hidden.share | length }} estimated hidden factor{{
"s" if page.hidden.share | length > 1 }} (Wang et al. 2017){% endif %}"""
"""Behind a design's formula."""

PLAIN_BRIEF = "Effects were estimated by the engine {{ page.engine }} with the design {{ page.formula }}."

VOOM = Reference(
    key="law2014", authors="Law CW, Chen Y, Shi W, Smyth GK", year=2014, journal="Genome Biology", volume="15",
    pages="R29", doi="10.1186/gb-2014-15-2-r29",
    title="voom: precision weights unlock linear model analysis tools for RNA-seq read counts",
)  # fmt: skip
MODERATION = Reference(
    key="smyth2004", authors="Smyth GK", year=2004, volume="3", pages="3", doi="10.2202/1544-6115.1027",
    journal="Statistical Applications in Genetics and Molecular Biology",
    title="Linear models and empirical Bayes methods for assessing differential expression in microarray "
    "experiments",
)  # fmt: skip
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
    fewest_genes, learned
        Genes that it takes at least, and what it learns of them.
    has_composition
        The fit counts effects from unchanged genes by itself.
    methods
        What the page says of it, HTML in Jinja's language, where ``page`` is the contrast's `ContrastPage`.
    brief
        The same in a sentence or two for a paper, plain text in Jinja's language.
    sources
        Papers that it names.
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
    fewest_genes: int = 1
    learned: str = "what genes share"
    has_composition: bool = False
    methods: str = PLAIN
    brief: str = PLAIN_BRIEF
    sources: tuple[Reference, ...] = ()
    scalars: Mapping[str, str] = field(default_factory=dict)
