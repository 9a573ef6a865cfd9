"""Fixed or random: whether groups differ for reasons that the comparison goes along with, told by all genes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import special

from ebgenes.arrays import FloatArray, text_array
from ebgenes.design.matrix import with_covariates
from ebgenes.design.random_factors import (
    differs_between,
    exposure,
    group_means,
    identified_within,
    independent_columns,
    indicators,
    nuisance,
)
from ebgenes.effects.mixed import MixedFit, fit_mixed_contrast, likelihood_effects, mixed_weights
from ebgenes.effects.mixed_model import fit_ratios, fit_reml, scaled_weights
from ebgenes.effects.moderated_t import fit_moderated_t, weighted_regression
from ebgenes.posteriors.fdr import list_rate
from ebgenes.prior.fit import fit_em
from ebgenes.prior.full_bayes import draw_gibbs
from ebgenes.records.counts import Counts
from ebgenes.records.design import Contrast, Design, Grouping
from ebgenes.records.effects import Beside, Choice, Effects

TOLERABLE = 1 / 3
"""Bias in standard errors, root mean square, that random effects may have: it adds a ninth to the squared z-scores."""

FARTHEST = 2.0
"""What a gene may count for: a few that are far off say little of the others."""

LEAST = 0.1
"""Smallest slab of the biases' distribution, in standard errors."""

CHAINS, DRAWS, WARMUP = 2, 300, 200

DISTINCT = 1e-6
"""Relative difference of two variances below which the estimates are one."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Hausman:
    """The fixed-effects estimate beside the random-effects one, at the same weights and variances, all (G,).

    Attributes
    ----------
    fixed, random
        Estimates, log2.
    gain
        Variance of the first over that of the second.
    p_value
        Of their difference, whose variance is the difference of theirs; NaN where they are one.
    """

    fixed: FloatArray
    random: FloatArray
    gain: FloatArray
    p_value: FloatArray


def mixed_factor(design: Design) -> Grouping | None:
    """The first random factor within and between whose groups the comparison varies; None where there is none."""
    if not identified_within(design):
        return None
    return next((factor for factor in design.random if differs_between(design, factor)), None)


def with_group_means(design: Design) -> Design:
    """The design with its groups' means of the comparison as a further column: the effect is then that within groups.

    A design whose comparison has no part between groups, or none within, is returned as it is.

    Source: Mundlak (1978), Econometrica 46, 69.
    """
    factor = mixed_factor(design)
    if factor is None:
        return design
    return with_covariates(design, group_means(exposure(design), factor)[:, None], f"mean_by_{factor.name}_")


def fixed_design(design: Design) -> Design | None:
    """The same contrast with every group as a fixed effect; None where that leaves it unidentified."""
    if not identified_within(design) or design.contrast is None:
        return None
    others = np.column_stack([indicators(design.random), nuisance(design)])
    others = others[:, independent_columns(others)]
    weight = np.append(1.0, np.zeros(others.shape[1]))
    return replace(
        design,
        matrix=np.column_stack([exposure(design), others]),
        coefficient=text_array([design.contrast.name, *(f"fixed{i + 1}" for i in range(others.shape[1]))]),
        contrast=replace(design.contrast, weight=weight),
        random=(),
    )


def choose_fixed_or_random(counts: Counts, design: Design, *, seed: int = 1) -> Choice:
    """Say whether the random-effects estimates of a contrast can be relied on.

    The Mundlak coefficient of a gene is how much more its groups differ, per unit of their mean comparison, than its
    samples do within groups: 0 where groups are random. Times what generalized least squares makes of the groups' means
    it is the bias of the gene's random-effects estimate. The distribution of this bias over all genes, in standard
    errors, is fitted as that of effects is, and drawn from its posterior. The verdict is ``fixed`` where its root mean
    square is more than `TOLERABLE`.

    Parameters
    ----------
    counts
        Normalized, (G, S).
    design
        With a contrast and random factors.
    seed
        Of the draws.

    Notes
    -----
    Sources: Mundlak (1978), Econometrica 46, 69; Hausman (1978), Econometrica 46, 1251.
    """
    factor = mixed_factor(design)
    if factor is None:
        return _without_choice(design)
    response, weight = mixed_weights(counts, design)
    random = fit_mixed_contrast(response, weight, design.matrix, _contrast(design).weight, design.random)
    bias = bias_effects(counts, response, weight, design, factor, random)
    fit = fit_em(bias, null="fixed", min_scale=LEAST, mode="zero", bulk="none")
    draws = draw_gibbs(bias, fit, chains=CHAINS, draws=DRAWS, warmup=WARMUP, seed=seed)
    off = np.sqrt(np.sum(draws.weight[:, 1:] * np.minimum(draws.scale, FARTHEST) ** 2, axis=1))
    hausman = hausman_test(response, weight, design, random)
    told = hausman.p_value[np.isfinite(hausman.p_value)]
    above = float(np.mean(off > TOLERABLE))
    choice = Choice(
        factor=factor.name,
        verdict="fixed" if above > 0.5 else "random",
        words="",
        probability=max(above, 1 - above),
        off=float(off.mean()),
        off_interval=np.quantile(off, [0.05, 0.95]),
        changed=1 - fit.prior.pi0,
        hausman=float(np.mean(told < 0.05)) if len(told) else float("nan"),
        gain=float(np.median(hausman.gain)),
    )
    return replace(choice, words=choice_words(choice))


def _contrast(design: Design) -> Contrast:
    if design.contrast is None:
        raise ValueError("the design has no contrast")
    return design.contrast


def _without_choice(design: Design) -> Choice:
    name = design.random[0].name
    if identified_within(design):
        words = (
            f"Nothing to choose: every {name} has the same mean of the comparison, so that fixed and random effects "
            "give the same effect."
        )
        return Choice(factor=name, verdict="same", words=words)
    words = (
        f"No choice: the comparison varies only between groups, so that with {name} as a fixed effect it could not be "
        "estimated at all. Whether groups differ for other reasons that go along with it, these data cannot tell."
    )
    return Choice(factor=name, verdict="between", words=words)


def choice_words(choice: Choice) -> str:
    """A verdict in plain words, with its uncertainty."""
    low, high = choice.off_interval
    name = choice.factor
    if choice.verdict == "fixed":
        advice = (
            f"{name} groups differ for reasons that go along with the comparison, and random effects take them for it: "
            f"make {name} a fixed effect, or add the groups' means of the comparison (effects.fixed_or_random: within)"
        )
    else:
        advice = f"random effects can be relied on: {name} groups hardly differ for reasons that go along with it"
    certain = "more than .99" if choice.probability > 0.99 else f"{choice.probability:.2f}"
    return (
        f"{advice[0].upper()}{advice[1:]} (probability {certain}). Random-effects estimates are biased by "
        f"{choice.off:.2f} standard errors, root mean square over genes (90% interval {low:.2f} to {high:.2f}), where "
        f"{TOLERABLE:.2f} is tolerable; fixed effects have a sampling variance {choice.gain:.2f} times as large. "
        f"Hausman's test has p < .05 for {100 * choice.hausman:.0f}% of the genes, where chance gives 5%."
    )


def mundlak_coefficients(
    counts: Counts, response: FloatArray, weight: FloatArray, design: Design, factor: Grouping
) -> Effects:
    """Each gene's Mundlak coefficient with its likelihood: between groups less within, over the comparison's range."""
    wide = with_covariates(design, _mean_exposure(design, factor)[:, None])
    unit = np.append(np.zeros(design.matrix.shape[1]), 1.0)
    found = fit_mixed_contrast(response, weight, wide.matrix, unit, design.random)
    words = {"up_label": "higher between", "down_label": "lower between"}
    question = Contrast(name=f"mundlak_{factor.name}", weight=unit, **words)
    return likelihood_effects(found, counts, question)


def _mean_exposure(design: Design, factor: Grouping) -> FloatArray:
    along = exposure(design)
    return group_means(along, factor) / float(np.ptp(along))


def bias_effects(
    counts: Counts,
    response: FloatArray,
    weight: FloatArray,
    design: Design,
    factor: Grouping,
    random: MixedFit,
) -> Effects:
    """Each gene's bias under random effects with its likelihood, in standard errors of its estimate."""
    coefficient = mundlak_coefficients(counts, response, weight, design, factor)
    se = np.sqrt(np.sum(random.posterior * random.se**2, axis=1))
    unit = bias_leverage(weight, design, factor, random) / se
    # Of a gene without any leverage nothing could be told; the bias of all is symmetric around 0.
    unit = np.maximum(np.abs(unit), 1e-6)
    if coefficient.grid is None:
        raise ValueError("the coefficients have no grid")
    return replace(
        coefficient,
        estimate=unit * coefficient.estimate,
        se=unit * coefficient.se,
        grid=unit[:, None] * coefficient.grid,
        contrast=f"bias_{factor.name}",
    )


def bias_leverage(weight: FloatArray, design: Design, factor: Grouping, random: MixedFit) -> FloatArray:
    """What a Mundlak coefficient of 1 adds to each gene's random-effects estimate, (G,).

    The omitted column's own contrast, by the same generalized least squares: c'(X'V^-1X)^-1 X'V^-1 m.
    """
    unit = ratio_leverage(weight, design, factor, random.hyperprior.ratio)
    return np.asarray(np.sum(random.posterior * unit, axis=1))


def ratio_leverage(weight: FloatArray, design: Design, factor: Grouping, ratio: FloatArray) -> FloatArray:
    """`bias_leverage` at every ratio of variances, (G, R)."""
    scaled, _ = scaled_weights(weight)
    omitted = np.tile(_mean_exposure(design, factor), (len(weight), 1))
    return fit_ratios(omitted, scaled, design.matrix, _contrast(design).weight, design.random, ratio).estimate


def hausman_test(response: FloatArray, weight: FloatArray, design: Design, random: MixedFit) -> Hausman:
    """Each gene's fixed-effects estimate against the random-effects one at its most probable ratio of variances.

    Both have the moderated variance of the latter, and the p-value its degrees of freedom.
    """
    fixed = fixed_design(design)
    if fixed is None:
        raise ValueError("with fixed groups the contrast is unidentified")
    scaled, _ = scaled_weights(weight)
    estimate, unscaled, _, _ = weighted_regression(response, scaled, fixed.matrix, _contrast(fixed).weight)
    row, best = np.arange(len(response)), np.argmax(random.posterior, axis=1)
    other, other_unscaled, se = (each[row, best] for each in (random.fits.estimate, random.fits.unscaled, random.se))
    gain = (unscaled / other_unscaled) ** 2
    apart = gain - 1 > DISTINCT
    z = np.abs(estimate - other) / (se * np.sqrt(np.where(apart, gain - 1, np.nan)))
    return Hausman(fixed=estimate, random=other, gain=gain, p_value=2 * special.stdtr(random.df, -z))


def fit_fixed(counts: Counts, design: Design) -> Effects | None:
    """Effects with every group as a fixed effect, by engine ``moderated_t``; None where they are unidentified."""
    fixed = fixed_design(design)
    return None if fixed is None else fit_moderated_t(counts, fixed, _contrast(fixed), trend=False, robust=False)


def fixed_beside_random(counts: Counts, design: Design) -> Beside:
    """Fixed effects, Mundlak coefficients, Hausman tests and each gene's own REML, for a table beside a fit."""
    response, weight = mixed_weights(counts, design)
    question = _contrast(design).weight
    nothing = np.full(len(response), np.nan)
    fixed = fit_fixed(counts, design)
    factor = mixed_factor(design)
    coefficient, hausman = None, None
    if factor is not None:
        coefficient = mundlak_coefficients(counts, response, weight, design, factor)
        random = fit_mixed_contrast(response, weight, design.matrix, question, design.random)
        hausman = hausman_test(response, weight, design, random)
    ratio = fit_reml(response, scaled_weights(weight)[0], design.matrix, question, design.random).ratio
    between = ratio.sum(axis=1)
    return Beside(
        fixed=nothing if fixed is None else fixed.estimate,
        fixed_se=nothing if fixed is None else fixed.se,
        fixed_df=nothing if fixed is None else fixed.df,
        coefficient=nothing if coefficient is None else coefficient.estimate,
        coefficient_se=nothing if coefficient is None else coefficient.se,
        hausman_p=nothing if hausman is None else hausman.p_value,
        variance_share=between / (1 + between),
    )


def side_by_side(effects: Effects, lfdr: FloatArray, fixed_lfdr: FloatArray | None) -> pd.DataFrame:
    """The table of random and fixed effects, a row each gene.

    Parameters
    ----------
    effects
        With `Beside`, G genes.
    lfdr, fixed_lfdr
        Local false discovery rates under each fit's own prior, (G,); the second None where fixed effects are
        unidentified.
    """
    if effects.random is None or effects.random.beside is None:
        raise ValueError("the effects have no fixed ones beside them")
    beside = effects.random.beside
    nothing = np.full(len(effects.gene), np.nan)
    return pd.DataFrame(
        {
            "gene_id": effects.gene,
            "random_log2_fc": effects.estimate,
            "random_se": effects.se,
            "random_lfdr": lfdr,
            "random_q_value": list_rate(lfdr),
            "fixed_log2_fc": beside.fixed,
            "fixed_se": beside.fixed_se,
            "fixed_lfdr": nothing if fixed_lfdr is None else fixed_lfdr,
            "fixed_q_value": nothing if fixed_lfdr is None else list_rate(fixed_lfdr),
            "mundlak": beside.coefficient,
            "mundlak_se": beside.coefficient_se,
            "hausman_p_value": beside.hausman_p,
            "variance_share": beside.variance_share,
        }
    )


def side_words(table: pd.DataFrame, level: float) -> str:
    """How the two lists differ; both are by q value, as of these fits no more than the lfdr is at hand."""
    if table["fixed_q_value"].isna().all():
        return "There are no fixed effects beside the random ones: with groups fixed the comparison is unidentified."
    random, fixed = (table[f"{kind}_q_value"].to_numpy() < level for kind in ("random", "fixed"))
    both, one, other = (int(np.sum(each)) for each in (random & fixed, random & ~fixed, fixed & ~random))
    return (
        f"Random and fixed effects side by side, at a false discovery rate (q value) of {level:g}: {both:,} genes in "
        f"both lists, {one:,} by random effects alone, {other:,} by fixed effects alone (fixed_random.tsv)."
    )
