"""Engine ``moderated_t``: linear models of log counts with precision weights, and moderated variances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ebgenes.effects.engines.engine import AND_HIDDEN, MODERATION, RESIDUAL_DF, VOOM, Engine
from ebgenes.records.references import Reference

if TYPE_CHECKING:
    from ebgenes.effects.ready import Asked, Ready
    from ebgenes.records.effects import Effects, MultiDfEffects

METHODS = """
<p>Log2 counts per million were fitted to the design <code>{{ page.formula }}</code> by weighted least squares; the
weights are the precisions that the trend of the variance over the mean count predicts (voom; Law et al. 2014).{% if
page.scalars.get("bounded") %} Comparisons of random halves of the replicates showed tails that no negative binomial
has, so residuals beyond two robust standard deviations were bounded there (Huber 1973).{% endif %} The residual
variances were moderated by empirical Bayes over all genes{% if page.options.trend %}, towards a trend over mean
expression{% endif %}{% if page.options.robust %}, outlying ones less than others (Phipson et al. 2016){% endif %}, so
that each effect and its standard error have the likelihood of a t statistic (Smyth 2004).{% if page.rows %} Whether
any of the {{ page.rows.row | length }} rows differs from zero was judged by the moderated F, <code>stat</code>.{%
endif %}</p>
"""


BRIEF = (
    """
Log counts were fitted to the design {{ page.formula }}"""
    + AND_HIDDEN
    + """ by voom-weighted least squares (Law et al. 2014) with moderated variances (Smyth 2004).
"""
)


def fit(ready: Ready, asked: Asked) -> Effects:
    """Moderated t statistics."""
    from ebgenes.effects.moderated_t import fit_moderated_t

    contrast = ready.design.contrast
    if contrast is None:
        raise ValueError("the design has no contrast")
    return fit_moderated_t(ready.counts, ready.design, contrast, **asked.options)


def fit_rows(ready: Ready, asked: Asked, before: Mapping[str, float] | None) -> MultiDfEffects:
    """Moderated F statistics."""
    from ebgenes.effects.moderated_t import moderate
    from ebgenes.effects.multi_df_effects import moderated_f

    multi_df = ready.design.multi_df
    if multi_df is None:
        raise ValueError("the design has no question of several rows")
    return moderated_f(
        ready.counts, ready.design, moderate(ready.counts, ready.design, multi_df.weight, **asked.options)
    )


ENGINE = Engine(
    name="moderated_t",
    fewest_genes=3,
    learned="a variance prior",
    fit=fit,
    fit_rows=fit_rows,
    options={"trend": (False, True), "robust": (False, True)},
    methods=METHODS,
    brief=BRIEF,
    sources=(
        Reference(
            key="phipson2016",
            authors="Phipson B, Lee S, Majewski IJ, Alexander WS, Smyth GK",
            year=2016,
            journal="Annals of Applied Statistics",
            volume="10",
            pages="946-963",
            doi="10.1214/16-AOAS920",
            title="Robust hyperparameter estimation protects against hypervariable genes and improves power to detect "
            "differential expression",
        ),
        VOOM,
        MODERATION,
    ),
    scalars={
        "prior_df": "prior degrees of freedom of the variances",
        "prior_variance": "prior variance",
        "residual_df": RESIDUAL_DF,
    },
)
