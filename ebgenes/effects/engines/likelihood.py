"""Engine ``likelihood``: negative-binomial likelihoods of counts, dispersions integrated out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ebgenes.effects.engines.engine import AND_HIDDEN, RESIDUAL_DF, Engine
from ebgenes.records.references import Reference

if TYPE_CHECKING:
    from ebgenes.effects.ready import Asked, Ready
    from ebgenes.records.effects import Effects, MultiDfEffects

METHODS = """
<p>Each count was taken as negative binomial: its mean is the sample's size times the exponential of a sum of
coefficients, those of the design <code>{{ page.formula }}</code>, and its variance is mean + &alpha;
mean<sup>2</sup>, with one dispersion &alpha; for each gene. {% if page.options.outliers == "winsorize" %}Counts more
than five standard deviations from a robust fit to their replicates were first moved to that border. {% endif %}The
dispersion of each gene has a likelihood of its own, the one at the maximum-likelihood coefficients with the
adjustment of Cox and Reid (1987; McCarthy, Chen and Smyth 2012), and a prior that all genes share: log &alpha; is
distributed around log(a<sub>0</sub> + a<sub>1</sub> / mean count) with {% if page.options.dispersion_tails == "t5"
%}a t distribution of 5 degrees of freedom and the scale s{% else %}a normal distribution of the standard deviation
s{% endif %}; these three parameters were estimated from all genes{% if page.scalars.dispersion_correlation is defined
%}, for either group of samples apart{% endif %}, by maximum marginal likelihood{% if page.scalars.dispersion_floor is
defined %}: a<sub>0</sub> = {{ "%.3g" | format(page.scalars.dispersion_floor) }}, a<sub>1</sub> = {{ "%.3g" |
format(page.scalars.dispersion_slope) }}, s = {{ "%.3g" | format(page.scalars.dispersion_spread) }}{% endif %}.{% if
page.scalars.dispersion_bend_gain is defined %} To the log of the trend a smooth function of the log mean was added, a
Gaussian process (Rasmussen and Williams 2006), {% if page.options.dispersion_trend == "smooth" %}as the config asked
for{% else %}because the evidence for it was clear{% endif %} (difference in log evidence {{ "%+.0f" |
format(page.scalars.dispersion_bend_gain) }}).{% endif %}{% if page.scalars.dispersion_correlation is defined %} Each
gene has one dispersion in each group; their deviations from the groups' trends have the correlation {{ "%.2f" |
format(page.scalars.dispersion_correlation) }}, the most probable one over all genes, and a group's level was
integrated out under a flat prior.{% endif %}</p>
{% if page.rows %}
<p>Whether any of the {{ page.rows.row | length }} rows differs from zero was judged by likelihood ratios: at each
dispersion twice the log of the ratio of the counts' likelihood at the best effects to that without any is chi-squared
with {{ page.rows.row | length }} degrees of freedom, and the p-value is its tail, averaged over the posterior
distribution of the dispersion. <code>stat</code> is the ratio, averaged so, over its degrees of freedom;
<code>log2_fc</code>, <code>se</code> and <code>df</code> are the maximum-likelihood effects of the rows, their
standard errors, and the degrees of freedom of the latter.</p>
{% else %}
<p>The likelihood of a gene's effect was computed on a grid of effects: the other coefficients were profiled out with
the same adjustment, and the dispersion was averaged over its posterior distribution. The likelihood of a gene with
few counts or an uncertain dispersion is therefore wide, and skewed where its counts are; it is this likelihood that
was used further, not an estimate with a standard error. <code>log2_fc</code> is where it peaks; <code>se</code> and
<code>df</code> are those of a t distribution with the same curvature at the peak and the same drop three of its
widths away. The p-value is twice the smaller of its tails below and above zero, after multiplication with a broad
normal density around zero (standard deviation 5.77 in log2 units).</p>
{% endif %}
"""


BRIEF = (
    """
Counts were modeled as negative binomial with the design {{ page.formula }}"""
    + AND_HIDDEN
    + """; gene-wise dispersions, with the Cox-Reid adjustment (McCarthy et al. 2012), were integrated over a
distribution fitted to all genes.
"""
)


def fit(ready: Ready, asked: Asked) -> Effects:
    """Effects by dispersions that samples share, or of either group."""
    from ebgenes.effects.group_dispersions import fit_by_group
    from ebgenes.effects.likelihood import effects_of, learn_common

    chosen = asked.options
    known = {"tails": chosen["dispersion_tails"], "outliers": chosen["outliers"], "trend": chosen["dispersion_trend"]}
    if chosen["dispersion"] == "by_group":
        return fit_by_group(ready, **known)
    return effects_of(learn_common(ready, **known, count_tails=chosen["count_tails"]))


def fit_rows(ready: Ready, asked: Asked, before: Mapping[str, float] | None) -> MultiDfEffects:
    """Likelihood ratios of several rows."""
    from ebgenes.effects.multi_df_effects import likelihood_ratio

    return likelihood_ratio(
        ready.counts, ready.design, tails=asked.options["dispersion_tails"], outliers=asked.options["outliers"],
        trend=asked.options["dispersion_trend"], count_tails=asked.options["count_tails"], before=before,
    )  # fmt: skip


ENGINE = Engine(
    name="likelihood",
    fewest_genes=10,
    learned="a dispersion trend",
    fit=fit,
    fit_rows=fit_rows,
    options={
        "dispersion": ("shared", "by_group"),
        "dispersion_tails": ("normal", "t5"),
        "dispersion_trend": ("auto", "parametric", "smooth"),
        "outliers": ("keep", "winsorize"),
        "count_tails": ("auto", "model"),
    },
    is_default=True,
    is_chunked=True,
    needs_counts=True,
    methods=METHODS,
    brief=BRIEF,
    sources=(
        Reference(
            key="cox1987",
            authors="Cox DR, Reid N",
            year=1987,
            journal="Journal of the Royal Statistical Society B",
            volume="49",
            pages="1-39",
            title="Parameter orthogonality and approximate conditional inference",
            doi="10.1111/j.2517-6161.1987.tb01422.x",
        ),
        Reference(
            key="mccarthy2012",
            authors="McCarthy DJ, Chen Y, Smyth GK",
            year=2012,
            journal="Nucleic Acids Research",
            volume="40",
            pages="4288-4297",
            doi="10.1093/nar/gks042",
            title="Differential expression analysis of multifactor RNA-Seq experiments with respect to biological "
            "variation",
        ),
    ),
    scalars={
        "residual_df": RESIDUAL_DF,
        "dispersion_floor": "a0 in the trend a0 + a1 / mean of the dispersions",
        "dispersion_slope": "a1 in the trend a0 + a1 / mean of the dispersions",
        "dispersion_bend_gain": (
            "how much higher the log evidence of the dispersions is with a smooth bend of their trend"
        ),
        "dispersion_ratio": (
            "how many times as much the contrast's upper group varies as its lower one, by the median gene"
        ),
        "second_dispersion_floor": "a0 of the contrast's upper group; the one without \"second\" is the lower group's",
        "second_dispersion_slope": "a1 of the same",
        "second_dispersion_spread": "spread of the same",
        "dispersion_correlation": "of a gene's deviations from both groups' trends",
        "dispersion_spread": "how far log dispersions stray from the log of their trend, natural log",
    },
)
