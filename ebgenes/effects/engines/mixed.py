"""Engine ``mixed``: linear mixed models of log counts, ratios of variances integrated out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ebgenes.effects.engines.engine import MODERATION, PLAIN, RESIDUAL_DF, VOOM, Engine
from ebgenes.records.references import Reference

if TYPE_CHECKING:
    from ebgenes.effects.ready import Asked, Ready
    from ebgenes.records.effects import Effects

METHODS = (
    """
{% if page.random %}
<p>Log2 counts per million were fitted to the design <code>{{ page.formula }}</code> by a linear mixed model, with
precision weights that the trend of the variance over the mean count predicts (voom; Law et al. 2014). Groups of {{
page.random.factor | join(" and of ") }} have effects of their own, normal around zero. The ratio of their variance to
that of a sample differs from gene to gene: its distribution over all genes was estimated on a grid of {{
page.random.weight | length }} values, together with a scaled inverse chi-squared distribution of the samples'
variances, by maximum restricted marginal likelihood (Harville 1977; Smyth 2004). On average over genes {% for name in
page.random.factor %}{{ name }} has {{ page.random.share[loop.index0] | percent }}{{ "" if loop.last else " and " }}{%
endfor %} of a sample's variance.</p>
<p>The likelihood of a gene's effect is the average of the t likelihoods at all ratios, weighted by the posterior
probability of each ratio for the gene. No single ratio was assumed, neither a gene's own nor one for all genes.
<code>log2_fc</code> is where it peaks; <code>se</code> and <code>df</code> are those of a t distribution with the
same curvature at the peak and the same drop three of its widths away. The p-value is twice the smaller of its tails
below and above zero.</p>
{% else %}
"""
    + PLAIN
    + "{% endif %}"
)


BRIEF = """
Log counts were fitted to the design {{ page.formula }} by a linear mixed model with voom precision weights (Law et al.
2014), and variance ratios were averaged over a distribution fitted to all genes.
"""


def fit(ready: Ready, asked: Asked) -> Effects:
    """Mixtures of t likelihoods over the ratios, counted from unchanged genes."""
    from ebgenes.effects.mixed import fit_from_unchanged

    return fit_from_unchanged(ready.counts, ready.design, moves=asked.composition == "auto")


ENGINE = Engine(
    name="mixed",
    fewest_genes=3,
    learned="a variance prior",
    fit=fit,
    is_default=True,
    has_random=True,
    has_composition=True,
    methods=METHODS,
    brief=BRIEF,
    sources=(
        Reference(
            key="harville1977",
            authors="Harville DA",
            year=1977,
            journal="Journal of the American Statistical Association",
            volume="72",
            pages="320-338",
            doi="10.1080/01621459.1977.10480998",
            title="Maximum likelihood approaches to variance component estimation and to related problems",
        ),
        VOOM,
        MODERATION,
    ),
    scalars={
        "prior_df": "prior degrees of freedom of the variances",
        "prior_variance": "prior variance",
        "residual_df": RESIDUAL_DF,
        "variance_share": "share of a sample's variance that lies between groups, mean over genes",
    },
)
