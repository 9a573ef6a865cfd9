"""Engine ``likelihood``: negative-binomial likelihoods of counts, dispersions integrated out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ebgenes.effects.engines.engine import RESIDUAL_DF, Engine

if TYPE_CHECKING:
    from ebgenes.effects.ready import Asked, Ready
    from ebgenes.records.effects import Effects, JointEffects

METHODS = """
<p>Each count was taken as negative binomial: its mean is the sample's size times the exponential of a sum of
coefficients, those of the design <code>{{ page.formula }}</code>, and its variance is mean + &alpha;
mean<sup>2</sup>, with one dispersion &alpha; for each gene. {% if page.options.outliers == "winsorize" %}Counts more
than five standard deviations from a robust fit to their replicates were first moved to that border. {% endif %}What a
gene says of its dispersion is the likelihood at the best coefficients, adjusted for having fitted them (Cox and Reid
1987; McCarthy, Chen and Smyth 2012). What all genes say together is that log &alpha; is scattered around
log(a<sub>0</sub> + a<sub>1</sub> / mean count) with {% if page.options.dispersion_tails == "t5" %}a t distribution of
5 degrees of freedom and the scale s{% else %}a normal distribution of the standard deviation s{% endif %}; these
three numbers were estimated from all genes{% if page.scalars.dispersion_correlation is defined %}, for either group
of samples apart{% endif %}, by maximum marginal likelihood{% if page.scalars.dispersion_floor is defined %}:
a<sub>0</sub> = {{ "%.3g" | format(page.scalars.dispersion_floor) }}, a<sub>1</sub> = {{ "%.3g" |
format(page.scalars.dispersion_slope) }}, s = {{ "%.3g" | format(page.scalars.dispersion_spread) }}{% endif %}.{% if
page.scalars.dispersion_bend_gain is defined %} To the log of the trend a smooth function of the log mean was added, a
Gaussian process (Rasmussen and Williams 2006), {% if page.options.dispersion_trend == "smooth" %}as was asked for{%
else %}because all genes together clearly speak for it{% endif %} (log evidence {{ "%+.0f" |
format(page.scalars.dispersion_bend_gain) }}).{% endif %}{% if page.scalars.dispersion_correlation is defined %} A
gene has a dispersion in either group; their deviations from the groups' trends have the correlation {{ "%.2f" |
format(page.scalars.dispersion_correlation) }}, the most probable one over all genes, and a group's level was
integrated out under a flat prior.{% endif %}</p>
{% if page.rows %}
<p>Whether any of the {{ page.rows.row | length }} rows differs from zero was judged by likelihood ratios: at each
dispersion twice the log of the ratio of the counts' likelihood at the best effects to that without any is chi-squared
with {{ page.rows.row | length }} degrees of freedom, and the p-value is its tail, averaged over what the gene and all
genes say of the dispersion. <code>stat</code> is the ratio, averaged so, over its degrees of freedom;
<code>log2_fc</code>, <code>se</code> and <code>df</code> are the maximum-likelihood effects of the rows, their
standard errors, and how well the latter are known.</p>
{% else %}
<p>The likelihood of a gene's effect is then that of its counts at each possible effect: the other coefficients at
their best, with the same adjustment, and the dispersion averaged over the distribution that all genes share. So a
gene whose dispersion is uncertain, or whose counts are few, has a likelihood as wide and as skewed as its counts make
it, and it is this likelihood, not an estimate with a standard error, that goes on. <code>log2_fc</code> is where it
peaks; <code>se</code> and <code>df</code> are those of a t distribution with the same curvature at the peak and the
same drop three of its widths away. The p-value is twice the smaller of its tails below and above zero, after
multiplication with a broad normal density around zero (standard deviation 5.77 in log2 units).</p>
{% endif %}
"""


def fit(ready: Ready, asked: Asked) -> Effects:
    """Effects by dispersions that samples share, or of either group."""
    from ebgenes.effects.group_dispersions import fit_by_group
    from ebgenes.effects.likelihood import effects_of, learn_common

    chosen = asked.options
    known = {"tails": chosen["dispersion_tails"], "outliers": chosen["outliers"], "trend": chosen["dispersion_trend"]}
    if chosen["dispersion"] == "by_group":
        return fit_by_group(ready, **known)
    return effects_of(learn_common(ready, **known, count_tails=chosen["count_tails"]))


def fit_rows(ready: Ready, asked: Asked, before: Mapping[str, float] | None) -> JointEffects:
    """Likelihood ratios of several rows."""
    from ebgenes.effects.joint import likelihood_ratio

    return likelihood_ratio(
        ready.counts, ready.design, tails=asked.options["dispersion_tails"], outliers=asked.options["outliers"],
        trend=asked.options["dispersion_trend"], count_tails=asked.options["count_tails"], before=before,
    )  # fmt: skip


ENGINE = Engine(
    name="likelihood",
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
    sources=(
        "Cox DR, Reid N (1987). Parameter orthogonality and approximate conditional inference. <cite>Journal of the "
        "Royal Statistical Society B</cite> 49, 1.",
        "McCarthy DJ, Chen Y, Smyth GK (2012). Differential expression analysis of multifactor RNA-Seq experiments "
        "with respect to biological variation. <cite>Nucleic Acids Research</cite> 40, 4288.",
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
