"""Covariates and evidence: what else is known of a gene moves its prior probability of being changed.

logit P(non-null)_g = x_g'gamma, gamma ~ N(m0, S0); a coefficient whose odds ratio someone has elicited has the
prior .8 N(m0, S0) + .2 N(0, 2.5^2), which gives way where the data contradict it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import special
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from ebgenes.arrays import BoolArray, FloatArray, TextArray, text_array
from ebgenes.errors import InputError, listing, nearest
from ebgenes.files import as_numbers
from ebgenes.numerics.splines import natural_spline
from ebgenes.records.prior import Odds

FOLDS = 5
"""A gene's prior is learned from the other four fifths of the genes."""

INTERCEPT_SPREAD = 10.0
COEFFICIENT_SPREAD = 1.0
"""Standard deviations of the priors of the intercept and of coefficients of standardized columns, logit."""

DOUBT = 0.2
DOUBT_SPREAD = 2.5
"""Prior probability that elicited evidence is beside the point, and the spread of a log odds ratio then."""

Z90 = 3.2897072539029435
"""Width of a normal's central 90%, in standard deviations."""

SPLINE_DF = 4
FEW_VALUES = 20
"""A number with so many distinct values is a score, and enters as a spline; text may have as many categories."""

RANGES = 5
"""Equal shares of the genes by which a score's independence of null p-values is judged."""

DEPENDENT = 1e-4
UNEVEN = 0.1
"""A covariate is called dependent where chance would leave so little, and a share is so far from its due."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Term:
    """One covariate as it was asked for.

    Attributes
    ----------
    name
        Its column.
    value
        As given, (G,); NaN where unknown. Categories are numbered.
    level
        Names of the categories, or empty for numbers.
    columns
        Which columns of the design are its own.
    odds_ratio, odds_range
        Elicited odds ratio of being changed, per unit, and its central 90% range; None where none was.
    """

    name: str
    value: FloatArray
    level: tuple[str, ...]
    columns: slice
    odds_ratio: float | None
    odds_range: tuple[float, float] | None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Covariates:
    """What is known of G genes beside their counts.

    Attributes
    ----------
    gene
        Gene ids, (G,).
    term
        The covariates.
    matrix
        Their columns, centred, after one of ones, (G, 1 + P).
    center, spread
        Mean and standard deviation of each coefficient's prior, (1 + P,).
    doubtful
        Which of them are elicited, so that the prior is a mixture, (1 + P,).
    """

    gene: TextArray
    term: tuple[Term, ...]
    matrix: FloatArray
    center: FloatArray
    spread: FloatArray
    doubtful: BoolArray


def build_covariates(
    gene: TextArray, columns: Mapping[str, Any], asked: Sequence[str | Mapping[str, Any]]
) -> Covariates:
    """Turn annotation columns into a design for the log odds of being changed.

    Parameters
    ----------
    gene
        Gene ids, (G,).
    columns
        Values by name, each (G,): numbers, booleans or text; missing values are allowed.
    asked
        Names of columns, or mappings ``{column, odds_ratio, range}`` with an elicited odds ratio per unit of
        the column and its central 90% range.

    Notes
    -----
    Text makes categories. Numbers with many values enter as natural cubic splines with 4 columns (``base_mean``
    on a log scale), unless an odds ratio is given: then they enter as they are. Unknown values count as average.

    Raises
    ------
    InputError
        For an unknown, constant or infinite column, or an odds ratio that is no odds ratio or of text.
    """
    terms: list[Term] = []
    parts: list[FloatArray] = [np.ones((len(gene), 1))]
    center, spread, doubtful = [0.0], [INTERCEPT_SPREAD], [False]
    for each in asked:
        wish = {"column": each} if isinstance(each, str) else dict(each)
        name = str(wish["column"])
        if name not in columns:
            raise InputError(
                f"the covariate {name!r} is not a column of the annotation. Its columns: {listing(columns)}."
                f"{nearest(name, columns)}"
            )
        if name in [term.name for term in terms]:
            raise InputError(f"the covariate {name!r} is asked for twice. Name it once.")
        value, level = _numbers(name, columns[name])
        odds, limits = _elicited(name, wish, level)
        part = value[:, None] if odds is not None else _columns(name, value, level)
        first = sum(each.shape[1] for each in parts)
        terms.append(
            Term(
                name=name, value=value, level=level, columns=slice(first, first + part.shape[1]),
                odds_ratio=odds, odds_range=limits,
            )
        )  # fmt: skip
        parts.append(_centred(part))
        if odds is not None and limits is not None:
            center.append(float(np.log(odds)))
            spread.append(float(np.log(limits[1] / limits[0]) / Z90))
            doubtful.append(True)
        else:
            center += [0.0] * part.shape[1]
            spread += [COEFFICIENT_SPREAD] * part.shape[1]
            doubtful += [False] * part.shape[1]
    return Covariates(
        gene=text_array(gene),
        term=tuple(terms),
        matrix=np.column_stack(parts),
        center=np.array(center),
        spread=np.array(spread),
        doubtful=np.array(doubtful),
    )


def _numbers(name: str, column: Any) -> tuple[FloatArray, tuple[str, ...]]:
    """A column's values, or the numbers of its categories and their names; NaN where unknown."""

    series = pd.Series(column).reset_index(drop=True)
    if series.dtype == object:
        text = series.astype("string").str.strip()
        series = series.mask(text.isna() | (text == ""))
        numbers = as_numbers(series)
        if numbers.notna().sum() == series.notna().sum():
            series = numbers
    if pd.api.types.is_numeric_dtype(series):
        value = series.to_numpy(dtype=float, na_value=np.nan)
        level: tuple[str, ...] = ()
    else:
        categories = series.astype("category")
        value = np.where(categories.cat.codes < 0, np.nan, categories.cat.codes).astype(float)
        level = tuple(str(each) for each in categories.cat.categories)
    known = value[~np.isnan(value)]
    if np.isinf(known).any():
        raise InputError(f"the covariate {name!r} is infinite for {int(np.isinf(known).sum())} genes. Mend the column.")
    if len(np.unique(known)) < 2:
        raise InputError(f"the covariate {name!r} does not differ between the {len(known)} genes it is known for.")
    if len(level) > FEW_VALUES:
        raise InputError(
            f"the covariate {name!r} has {len(level)} categories (first: {level[0]!r}); at most {FEW_VALUES} are "
            "allowed. Is it a name?"
        )
    return value, level


def _elicited(name: str, wish: Mapping[str, Any], level: Sequence[str]) -> tuple[float | None, Any]:
    odds, limits = wish.get("odds_ratio"), wish.get("range")
    if odds is None:
        return None, None
    if level:
        raise InputError(
            f"the covariate {name!r} holds text, of which an odds ratio per unit says nothing. Give 1 and 0 instead."
        )
    low, high = (float(each) for each in limits) if limits is not None and len(limits) == 2 else (0.0, 0.0)
    if not (0 < low < high and np.isfinite(high) and low <= float(odds) <= high):
        raise InputError(
            f"the covariate {name!r} has the odds ratio {odds} with 90% range {limits}; the range needs two positive "
            "numbers, and the odds ratio must lie between them. For example odds_ratio: 3, range: [1.5, 6]."
        )
    return float(odds), (low, high)


def _columns(name: str, value: FloatArray, level: Sequence[str]) -> FloatArray:
    """Columns of a covariate in standard units, (G, n); NaN where unknown."""
    known = ~np.isnan(value)
    x = np.log(np.maximum(value[known], 1e-3)) if name == "base_mean" else value[known]
    if level:
        # The commonest category is what the others are compared with.
        usual = np.argmax(np.bincount(x.astype(int)))
        basis = np.column_stack([x == code for code in range(len(level)) if code != usual]).astype(float)
    elif len(np.unique(x)) >= FEW_VALUES:
        basis = natural_spline(x if name == "base_mean" else _middle_rank(x), SPLINE_DF + 1)[:, 1:]
    else:
        basis = x[:, None]
    centred = basis - basis.mean(axis=0)
    if not level:
        centred = np.linalg.qr(centred)[0] * np.sqrt(len(centred))
    columns = np.full((len(value), centred.shape[1]), np.nan)
    columns[known] = centred
    return columns


def _middle_rank(x: FloatArray) -> FloatArray:
    """Ranks, ties sharing theirs: a score's unit and its few extremes say nothing."""
    _, inverse, times = np.unique(x, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(times) - times / 2)[inverse])


def _centred(part: FloatArray) -> FloatArray:
    return np.asarray(np.nan_to_num(part - np.nanmean(part, axis=0)))


def fit_odds(
    null: FloatArray,
    changed: FloatArray,
    covariates: Covariates,
    start: FloatArray | None = None,
    *,
    folds: bool = True,
) -> Odds:
    """Log odds of being changed, given how likely each gene's data are if it is null and if it is changed.

    Parameters
    ----------
    null, changed
        Likelihoods of each gene's data, (G,), up to a factor of the gene.
    covariates
        The design and the priors of its coefficients.
    start
        Coefficients to start from, (1 + P,).
    folds
        Whether to cross-fit; without, all genes have a say in every prior, their own included.

    Notes
    -----
    Coefficients maximise sum_g log((1 - p_g) null_g + p_g changed_g) + log prior, by safeguarded Newton steps.
    """
    design, center, spread, doubtful = covariates.matrix, covariates.center, covariates.spread, covariates.doubtful
    begin = center.copy() if start is None else start

    def fit(keep: slice | BoolArray, doubtful: BoolArray, spread: FloatArray, center: FloatArray) -> Any:
        return _maximum(null[keep], changed[keep], design[keep], log_coefficient_prior(center, spread, doubtful), begin)

    every = slice(None)
    coefficient, information = fit(every, doubtful, spread, center)
    fold = np.arange(len(null)) % FOLDS
    by_fold = np.tile(coefficient, (FOLDS, 1))
    if folds:
        by_fold = np.array([fit(fold != f, doubtful, spread, center)[0] for f in range(FOLDS)])
    alone, alone_information = coefficient, information
    if folds and doubtful.any():
        flat = np.where(doubtful, DOUBT_SPREAD, spread)
        alone, alone_information = fit(every, np.zeros_like(doubtful), flat, np.where(doubtful, 0.0, center))
        # What the weak prior added is taken off again.
        alone_information = alone_information - np.diag(np.where(doubtful, 1 / DOUBT_SPREAD**2, 0.0))
    return Odds(
        coefficient=coefficient,
        se=np.sqrt(np.diag(np.linalg.inv(information))),
        folds=by_fold,
        changed=special.expit(np.einsum("gp,gp->g", design, by_fold[fold])),
        likelihood=alone,
        likelihood_se=np.sqrt(np.diag(np.linalg.inv(alone_information))),
        log_prior=log_coefficient_prior(center, spread, doubtful)(coefficient)[0],
    )


SURE_OF_SHARE = 0.5
"""Standard deviation of the intercept's prior around what all genes say of the share, where that is uncertain."""


def with_share(covariates: Covariates, pi0: float) -> Covariates:
    """The same with an intercept near the log odds of a share of null genes that was learned without covariates.

    Where small effects and a wide null look alike the likelihood alone would have no gene unchanged.
    """
    center, spread = covariates.center.copy(), covariates.spread.copy()
    center[0] = special.logit(np.clip(1 - pi0, 1e-3, 1 - 1e-3))
    spread[0] = SURE_OF_SHARE
    return replace(covariates, center=center, spread=spread)


LogPrior = Callable[[FloatArray], tuple[float, FloatArray, FloatArray]]


def log_coefficient_prior(center: FloatArray, spread: FloatArray, doubtful: BoolArray) -> LogPrior:
    """Log density of the coefficients' prior, its gradient, and a curvature that bounds it."""

    def at(gamma: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        believed = _log_normal(gamma, center, spread) + np.where(doubtful, np.log1p(-DOUBT), 0.0)
        doubted = np.where(doubtful, _log_normal(gamma, 0.0, DOUBT_SPREAD) + np.log(DOUBT), -np.inf)
        total = np.logaddexp(believed, doubted)
        share = np.exp(believed - total)
        precision = share / spread**2 + (1 - share) / DOUBT_SPREAD**2
        slope = -share * (gamma - center) / spread**2 - (1 - share) * gamma / DOUBT_SPREAD**2
        return float(total.sum()), slope, precision

    return at


def _log_normal(x: Any, mean: Any, sd: Any) -> FloatArray:
    return np.asarray(-0.5 * ((x - mean) / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi))


def _maximum(
    null: FloatArray, changed: FloatArray, design: FloatArray, log_prior: LogPrior, start: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Coefficients of greatest posterior density and the information there."""

    def value(gamma: FloatArray) -> float:
        p = special.expit(_predict(design, gamma))
        return float(np.log((1 - p) * null + p * changed).sum()) + log_prior(gamma)[0]

    gamma, best = start, value(start)
    for _ in range(200):
        p = special.expit(_predict(design, gamma))
        share = p * changed / ((1 - p) * null + p * changed)
        _, slope, precision = log_prior(gamma)
        slope = slope + np.einsum("gp,g->p", design, share - p)
        factor, information = _curvature(design, p, share, precision)
        step = cho_solve(factor, slope)
        gain, length = float(step @ slope), 1.0
        if gain < 1e-9:
            break
        while length > 1e-8:
            trial = gamma + length * step
            reached = value(trial)
            if reached >= best + 1e-4 * length * gain:
                break
            length /= 2
        else:
            break
        gamma, best = trial, reached
    return gamma, information


def _predict(design: FloatArray, gamma: FloatArray) -> FloatArray:
    # einsum's sums do not depend on BLAS and its threads.
    return np.asarray(np.einsum("gp,p->g", design, gamma))


def _curvature(design: FloatArray, p: FloatArray, share: FloatArray, precision: FloatArray) -> tuple[Any, FloatArray]:
    """Minus the second derivative where that is positive definite, else that of EM's bound."""
    full = p * (1 - p)
    for weight in (full - share * (1 - share), full):
        information = np.einsum("gp,g,gq->pq", design, weight, design, optimize=False) + np.diag(precision)
        try:
            return cho_factor(information), information
        except LinAlgError:
            continue
    raise AssertionError("a sum of squares with positive precisions is positive definite")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Conflict:
    """Elicited evidence beside what the data say: log odds ratios per unit.

    Attributes
    ----------
    name
        The covariate.
    prior_mean, prior_sd
        As elicited.
    likelihood, likelihood_se
        The data's own estimate and its standard error.
    posterior, posterior_se
        Both together.
    z
        Distance of the data from the elicited mean, in standard deviations of their difference.
    doubt
        Posterior probability that the evidence is beside the point; it was .2.
    """

    name: str
    prior_mean: float
    prior_sd: float
    likelihood: float
    likelihood_se: float
    posterior: float
    posterior_se: float
    z: float
    doubt: float


def conflicts(covariates: Covariates, odds: Odds) -> list[Conflict]:
    """How each elicited odds ratio agrees with the data.

    Source: Evans and Moshonov (2006), Bayesian Anal. 1, 893 (prior-data conflict).
    """
    found = []
    for term in covariates.term:
        if term.odds_ratio is None:
            continue
        j = term.columns.start
        mean, sd = covariates.center[j], covariates.spread[j]
        seen, se = odds.likelihood[j], odds.likelihood_se[j]
        believed = _log_normal(seen, mean, np.hypot(sd, se)) + np.log1p(-DOUBT)
        doubted = _log_normal(seen, 0.0, np.hypot(DOUBT_SPREAD, se)) + np.log(DOUBT)
        found.append(
            Conflict(
                name=term.name,
                prior_mean=float(mean),
                prior_sd=float(sd),
                likelihood=float(seen),
                likelihood_se=float(se),
                posterior=float(odds.coefficient[j]),
                posterior_se=float(odds.se[j]),
                z=float((seen - mean) / np.hypot(sd, se)),
                doubt=float(special.expit(doubted - believed)),
            )
        )
    return found


def dependence(term: Term, p_value: FloatArray) -> tuple[float, float]:
    """Whether a covariate tells something of p-values above .5, most of which are of null genes.

    Returns
    -------
    p_value
        Of chi-squared's test that the p-values between .5 and 1 are spread alike in every range of the covariate.
    uneven
        The largest distance, in any range, of the share of these p-values above .75 from one half.

    Notes
    -----
    A covariate that moves the null's own p-values is no evidence: its prior would use the data twice (Ignatiadis
    and Huber 2021, J. R. Stat. Soc. B 83, 720).
    """
    use = ~np.isnan(term.value) & (p_value > 0.5)
    value, size = term.value[use], p_value[use]
    if len(np.unique(value)) > RANGES:
        cuts = np.unique(np.quantile(value, np.linspace(0, 1, RANGES + 1)[1:-1]))
        group = np.searchsorted(cuts, value, side="right")
    else:
        group = np.unique(value, return_inverse=True)[1]
    cell = np.minimum(((size - 0.5) * 8).astype(int), 3)
    table = np.zeros((int(group.max(initial=0)) + 1, 4))
    np.add.at(table, (group, cell), 1)
    table = table[table.sum(axis=1) >= 40]
    if len(table) < 2:
        return 1.0, 0.0
    due = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    statistic = float(((table - due) ** 2 / due).sum())
    share = table[:, 2:].sum(axis=1) / table.sum(axis=1)
    return float(special.chdtrc(3 * (len(table) - 1), statistic)), float(np.abs(share - 0.5).max())
