"""Counts with tails that no negative binomial has: whether the likelihood is right, and what takes its place.

A negative binomial ties a gene's tails to its variance. Where samples vary with skew, or single counts are far above
the rest, standard errors come out too small, and more samples only make that plainer. Enough replicates tell: a
comparison of random halves of the replicates has no effect in any gene, and its p-values should be uniform.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from ebgenes.arrays import FloatArray, IntArray, by_name, rank_of_names
from ebgenes.data.filter import of_genes
from ebgenes.effects.dispersions import DispersionPrior, profile_dispersions
from ebgenes.effects.moderated_t import Moderated, moderate_logs, regression_rows, voom
from ebgenes.effects.negative_binomial import FAR, effect_likelihood, precision_of, route_for, summaries
from ebgenes.records.counts import Counts
from ebgenes.records.design import Design

ENOUGH_DF = 36
"""Residual degrees of freedom from which the likelihood is checked: two groups of 20 less two hidden factors."""

HALVES = 8
GENES_OF_HALF = 250
"""Comparisons of random halves, and genes that each is made for: correlated genes see several."""

LEVELS = (0.01, 0.001)
"""Of the p-values that are counted. Lists are made of small ones."""

SURE = 1e-4
"""Chance to see as many small p-values, or more, from which the likelihood is taken to be wrong."""

TIMES = 2.0
"""As many times too many, or more, besides: what is less than this costs a list little."""

WORSE = 1.5
"""Times as many as by bounded residuals, or more: hidden variation of the halves makes both wrong alike."""

SEED = 20

HUBER = 2.0
"""Robust standard deviations from which a residual counts no more than one there."""

ITERATIONS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """P-values of comparisons without effects.

    Attributes
    ----------
    likelihood, moderated
        Share of them below each of `LEVELS`.
    wrong
        Whether the likelihood's are too many.
    """

    likelihood: tuple[float, ...]
    moderated: tuple[float, ...]
    wrong: bool


def told_of_tails(counts: Counts, design: Design, prior: DispersionPrior, count_tails: str) -> dict[str, float]:
    """What `Effects.scalars` tell of `check_likelihood`; nothing where it was not asked for or replicates are few.

    ``small_p``: share of the likelihood's p-values below .001 where nothing differs; ``bounded``: 1 where the
    likelihood is wrong and `moderate_bounded` takes its place, else 0.
    """
    n_samples, n_coefficients = design.matrix.shape
    if count_tails == "model" or n_samples - n_coefficients < ENOUGH_DF:
        return {}
    check = check_likelihood(counts, design, prior)
    return {"small_p": check.likelihood[-1], "bounded": float(check.wrong)}


def tail_scalars(scalars: Mapping[str, float]) -> dict[str, float]:
    """Those of `told_of_tails` among others."""
    return {name: scalars[name] for name in ("small_p", "bounded") if name in scalars}


def random_halves(design: FloatArray, rng: np.random.Generator, rank: IntArray | None = None) -> FloatArray:
    """-1 or 1 for each sample, (S,), half of either; also within equal rows of the design where these are groups.

    Drawn in the samples' order or, with their ranks, (S,), in the order of these.
    """
    _, row = np.unique(design, axis=0, return_inverse=True)
    row = row.ravel()
    if 2 * (row.max() + 1) > len(row):
        row = np.zeros_like(row)
    drawn = rng.random(len(design))
    order = np.lexsort((drawn if rank is None else drawn[rank], row))
    half = np.empty(len(design))
    half[order] = np.where(np.arange(len(design)) % 2 == 0, 1.0, -1.0)
    return half


def halved(design: Design, half: FloatArray) -> Design:
    """A design with a column more, last, without a question."""
    prior_sd = design.prior_sd
    if prior_sd is not None:
        prior_sd = np.column_stack([prior_sd, np.full(len(prior_sd), np.inf)])
    return replace(
        design,
        matrix=np.column_stack([design.matrix, half]),
        coefficient=np.append(design.coefficient, "half"),
        contrast=None,
        multi_df=None,
        prior_sd=prior_sd,
    )


def check_likelihood(counts: Counts, design: Design, prior: DispersionPrior) -> Check:
    """Compare random halves of the replicates, by the likelihood and by bounded residuals.

    Parameters
    ----------
    counts
        Normalized, (G, S).
    design
        With hidden factors.
    prior
        Of the dispersions.
    """
    rng = np.random.default_rng(SEED)
    response, weight = voom(counts, design.matrix)
    seen = by_name(counts.gene)[np.sort(rng.permutation(len(counts.gene))[: HALVES * GENES_OF_HALF])]
    rank = rank_of_names(counts.sample)
    response, weight, counts = response[seen], weight[seen], of_genes(counts, seen)
    if design.prior_sd is not None and len(design.prior_sd) > 1:
        design = replace(design, prior_sd=design.prior_sd[seen])
    p_value = np.ones((len(seen), 2))
    for k in range(HALVES):
        asked = halved(design, random_halves(design.matrix, rng, rank))
        n_samples, n_coefficients = asked.matrix.shape
        if np.linalg.matrix_rank(asked.matrix) < n_coefficients:
            continue
        row = np.eye(n_coefficients)[-1]
        found = moderate_logs(
            bounded(response, weight, asked.matrix), weight, asked, row[None], trend=False, robust=False
        )
        # Genes in turn, so that every half sees all strata of a sorted table.
        turn = np.arange(len(seen)) % HALVES == k
        some, precision = of_genes(counts, turn), precision_of(asked)
        if precision is not None and len(precision) > 1:
            precision = precision[turn]
        profiles = profile_dispersions(some, asked.matrix, precision)
        route = route_for(n_samples - n_coefficients)
        grid, loglik, _ = effect_likelihood(some, asked.matrix, 2 * row, profiles, prior, route, precision)
        t = found.estimate[:, 0] / np.sqrt(found.unscaled[:, 0, 0] * found.variance)
        p_value[turn, 0] = summaries(grid, loglik, FAR)[:, 3]
        p_value[turn, 1] = 2 * special.stdtr(found.df, -np.abs(t))[turn]
    return judged(p_value)


def judged(p_value: FloatArray) -> Check:
    """What p-values without effects, (G, 2), by likelihood and by bounded residuals, say of the likelihood."""
    below = np.array([(p_value < level).sum(axis=0) for level in LEVELS])  # (L, 2)
    expected = len(p_value) * np.array(LEVELS)
    chance = special.gammainc(np.maximum(below[:, 0], 1), expected)
    many = (below[:, 0] >= TIMES * expected) & (chance < SURE) & (below[:, 0] >= WORSE * below[:, 1])
    return Check(
        likelihood=tuple(float(each) for each in below[:, 0] / len(p_value)),
        moderated=tuple(float(each) for each in below[:, 1] / len(p_value)),
        wrong=bool(many.any()),
    )


def moderate_bounded(counts: Counts, design: Design, rows: FloatArray) -> Moderated:
    """`moderate`, of log counts with bounded residuals."""
    response, weight = voom(counts, design.matrix)
    response = bounded(response, weight, design.matrix)
    return moderate_logs(response, weight, design, rows, trend=False, robust=False)


def bounded(response: FloatArray, weight: FloatArray, design: FloatArray) -> FloatArray:
    """Pseudo-values of Huber's regression, (G, S): least squares of them gives its fit and, asymptotically, its errors.

    ``fit + psi(r) / mean psi'(r)``, r the residual over its scale, psi(r) = r bounded at 2. The scale is the median
    absolute residual over .6745, but no less than a third of the standard deviation: half of a gene's counts may agree.

    Sources: Huber (1973), Ann. Stat. 1, 799; Bickel (1976), Scand. J. Stat. 3, 145 (pseudo-values).
    """
    root = np.sqrt(weight)
    none = np.zeros((1, design.shape[1]))
    keep = np.ones_like(weight)
    for _ in range(ITERATIONS):
        fitted = regression_rows(response, weight * keep, design, none)[3]
        residual = root * (response - fitted)
        scale = np.maximum(np.median(np.abs(residual), axis=1) / 0.6745, residual.std(axis=1) / 3)[:, None]
        scale = np.maximum(scale, 1e-8)
        keep = np.minimum(1.0, HUBER * scale / np.maximum(np.abs(residual), 1e-300))
    inside = (np.abs(residual) <= HUBER * scale).mean(axis=1, keepdims=True)
    return np.asarray(fitted + np.clip(residual, -HUBER * scale, HUBER * scale) / inside / root)
