"""How wide the null is: what residuals say of it, and what genes can say beyond that.

If samples are exchangeable given the design, what replicates share lies along the comparison only as far as it lies
along any other axis. Let a gene's standardized samples have the covariance ``tau I + sum_k gamma_k^2 f_k f_k'``, with
f_k of random direction, and let the residuals have d degrees of freedom. Thousands of genes tell tau and how much each
f_k adds to the residual variance (its excess, here relative to their mean); what it adds along the comparison is then
``excess_k T_k^2`` with ``T_k ~ t_d``. So the variance of the null, relative to what the residuals have, is

    D = tau + sum_k excess_k T_k^2 :

1 where residual axes are alike, and uncertain where they are not, the more so the fewer they are.

Genes alone cannot tell such a drift from small effects that all of them have: ``N(0, null_sd^2)`` is either. Whatever
the likelihood has at one null_sd it has at any smaller one too, from some mixture of slabs. All that genes say is which
are too large, and how many genes would be unchanged at each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ebgenes.arrays import FloatArray
from ebgenes.records.effects import HiddenFactors, ResidualAxes
from ebgenes.records.prior import EmFit, NullSdPrior

LEAST_EXCESS = 0.001
"""Part of the residual variance that is never ruled out to be shared."""

FEW_DF = 6
"""Residual degrees of freedom from which two axes, and not one, may hold more than chance."""

CUT = 0.999
"""Quantile of D beyond which it is not thought possible: t with 2 degrees of freedom has no end."""

UNKNOWN_EXCESS, UNKNOWN_DF = 0.1, 3.0
"""Where residuals were never seen, as of a table of estimates: about what studies with three replicates have."""

N_DRAWS = 20_000
SEED = 20_000

NARROW = 0.05
"""Standard errors of an effect below which the null's scale makes no difference."""

TOO_LOW = 2.0
"""Log likelihood below the greatest at which a scale of the null is the largest worth a look."""

PLACES = (0.15, 0.4, 0.65, 0.85, 1.0)
"""Scales of the null that are told apart, besides 0, as parts of the largest: the last are where it would be if most
genes were unchanged."""

ALL_CHANGED = 0.001
"""Prior probability that no gene is unchanged, so that small effects are everywhere."""

SPARSE = 9.0
"""Else the share of unchanged genes is Beta(1 + 9, 1): half of its probability lies above .93."""

PENALTIES = (0.0, 3.0, 12.0, 48.0)
"""Unchanged genes that are added to those there are: each gives the best weights at another share of the null."""

LEAST_SHARE = 1e-5
"""Shares of null genes are not taken to be smaller."""

SHARES = np.linspace(0.0005, 0.9995, 1000)


def excess_variance(axes: ResidualAxes) -> FloatArray:
    """Of the leading residual axes, as a share of the residual variance each, (1,) or (2,).

    Even without anything in common the first axes have more than their share, by chance, of the level of the others.
    """
    n_leading = 1 if len(axes.variance) < FEW_DF else 2
    rest, chance = axes.variance[n_leading:], axes.chance[n_leading:]
    level = min(float(rest.sum() / chance.sum()), 1.0) if len(rest) else 1.0
    excess = np.maximum(axes.variance - level * axes.chance, 0.0)[:n_leading] / axes.variance.sum()
    excess[0] += LEAST_EXCESS
    return np.asarray(np.minimum(excess, 1 / n_leading))


def null_sd_prior(axes: ResidualAxes | None, hidden: HiddenFactors | None, se: float) -> NullSdPrior:
    """The prior of the null's standard deviation, log2, given the typical standard error of an effect.

    What is uncertain of hidden factors' confounding drifts too, by the loading of each gene.
    """
    rng = np.random.default_rng(SEED)
    excess, df = np.array([UNKNOWN_EXCESS]), UNKNOWN_DF
    if axes is not None:
        excess, df = excess_variance(axes), float(len(axes.variance))
    relative = 1 - excess.sum() + np.sum(excess * rng.standard_t(df, (N_DRAWS, len(excess))) ** 2, axis=1)
    if hidden is not None:
        size = hidden.loading_sd * hidden.confounding_se / se
        # A factor whose part along the comparison was left alone has any part that chance gives it.
        part = rng.standard_t(df, (N_DRAWS, len(size)))
        relative += np.sum((size * part) ** 2, axis=1)
    relative = np.sort(relative)[: int(CUT * N_DRAWS)]
    return NullSdPrior(
        draw=se * np.sqrt(np.maximum(relative - 1, 0.0)), excess=excess, df=df, seen=axes is not None
    )  # fmt: skip


def null_sd_mass(known: NullSdPrior, null_sd: FloatArray) -> FloatArray:
    """Prior probabilities of ascending values of the null's scale, (J,): of cells that end half-way between them."""
    middle = (null_sd[1:] + null_sd[:-1]) / 2
    count = np.bincount(np.searchsorted(middle, known.draw), minlength=len(null_sd))
    # No value up to the largest is impossible.
    return np.asarray((count + 0.5) / (count + 0.5).sum())


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Best fits at one scale of the null, by the share of genes that are null.

    Attributes
    ----------
    fits
        One for each share, ascending, (N,).
    penalty
        Unchanged genes that were added for each, (N,).
    loglik
        Log likelihood of each, without penalties, (N,).
    mass
        Probability of each, given the null's scale, (N,).
    evidence
        Log of the mean likelihood, over the prior of that share.
    some_null
        The same over the prior of the share where some genes are null.
    """

    fits: tuple[EmFit, ...]
    penalty: tuple[float, ...]
    loglik: FloatArray
    mass: FloatArray
    evidence: float
    some_null: float


def profile_share(fit: Callable[[float, FloatArray | None], EmFit], null_weight: float, *, several: bool) -> Profile:
    """Best fits over shares of the null, whose prior given the null's scale is Beta(null_weight, 1).

    Parameters
    ----------
    fit
        From a penalty (unchanged genes that are added) and weights to start from to the best fit, whose log
        likelihood has the penalty in it.
    null_weight
        Of the prior.
    several
        Whether the share may be moved; else there is one fit, of the prior's own penalty.
    """
    fits: list[EmFit] = []
    kept: list[float] = []
    loglik: list[float] = []
    slope: list[float] = []
    for penalty in PENALTIES if several else (null_weight - 1,):
        found = fit(penalty, fits[-1].prior.weight if fits else None)
        pi0 = max(found.prior.pi0, LEAST_SHARE)
        if fits and pi0 - max(fits[-1].prior.pi0, LEAST_SHARE) < 1e-6:
            continue
        fits.append(found)
        kept.append(penalty)
        loglik.append(float(found.loglik[-1]) - (penalty * np.log(pi0) if penalty else 0.0))
        # Where the penalised log likelihood is greatest, that of the data falls as the penalty rises.
        slope.append(-penalty / pi0)
    share = np.array([max(each.prior.pi0, LEAST_SHARE) for each in fits])
    if len(fits) == 1:
        log_share = np.log(share[0])
        evidence = loglik[0] + np.log(null_weight) + (null_weight - 1) * log_share
        some_null = loglik[0] + np.log(SPARSE + 1) + SPARSE * log_share
        return Profile(tuple(fits), tuple(kept), np.array(loglik), np.ones(1), float(evidence), float(some_null))
    curve = _curve(share, np.array(loglik), np.array(slope))
    given, evidence = _share_posterior(curve, null_weight - 1)
    _, some_null = _share_posterior(curve, SPARSE)
    cell = np.searchsorted((share[1:] + share[:-1]) / 2, SHARES)
    mass = np.asarray(np.bincount(cell, given, len(fits)), dtype=float)
    return Profile(tuple(fits), tuple(kept), np.array(loglik), mass, evidence, some_null)


def _share_posterior(curve: FloatArray, more: float) -> tuple[FloatArray, float]:
    """Posterior of the share at `SHARES`, summing to 1, and log mean likelihood, under a prior Beta(1 + more, 1)."""
    height = curve + more * np.log(SHARES) + np.log(1 + more)
    weight = np.exp(height - height.max())
    return weight / weight.sum(), float(height.max() + np.log(weight.mean()))


def _curve(x: FloatArray, y: FloatArray, slope: FloatArray) -> FloatArray:
    """A smooth curve at `SHARES` through points (N,) with given slopes, continued as parabolas."""
    k = np.clip(np.searchsorted(x, SHARES) - 1, 0, len(x) - 2)
    width = x[k + 1] - x[k]
    t = (SHARES - x[k]) / width
    # Hermite's cubic between two points.
    curve = (1 + 2 * t) * (1 - t) ** 2 * y[k] + t**2 * (3 - 2 * t) * y[k + 1]
    curve += width * t * (1 - t) * ((1 - t) * slope[k] - t * slope[k + 1])
    for end, inner, outside in ((0, 1, x[0] > SHARES), (-1, -2, x[-1] < SHARES)):
        bend = min((slope[end] - slope[inner]) / (x[end] - x[inner]), 0.0)
        step = SHARES[outside] - x[end]
        curve[outside] = y[end] + slope[end] * step + 0.5 * bend * step**2
    return curve


def null_probabilities(profiles: list[Profile], mass: FloatArray) -> FloatArray:
    """Posterior probabilities of scales of the null, ascending, (J,), whose prior ones are given.

    Whether all genes are changed, all the same as a wide null: then the likelihood at a scale is the greatest that it
    or any larger one has, because slabs can stand in for what the null lacks, however coarse the grid of them is.
    """
    top = np.array([each.loglik.max() for each in profiles])
    reached = np.maximum.accumulate(top[::-1])[::-1]
    some_null = np.log1p(-ALL_CHANGED) + np.array([each.some_null for each in profiles])
    total = np.logaddexp(some_null, np.log(ALL_CHANGED) + reached) + np.log(mass)
    probability = np.exp(total - total.max())
    return np.asarray(probability / probability.sum())


def largest_worth(loglik: Callable[[float], float], largest: float, typical: float) -> float:
    """The largest scale of the null, up to the one given, whose log likelihood is within `TOO_LOW` of the greatest."""
    top = loglik(0.0)
    found = loglik(largest)
    if found >= top - TOO_LOW:
        return largest
    low, high, x = 0.0, largest, min(typical, largest / 2)
    while high - low > 0.08 * high:
        value = loglik(x)
        top = max(top, value)
        low, high = (x, high) if value >= top - TOO_LOW else (low, x)
        if high < NARROW * typical:
            return 0.0
        x = 2 * low if high == largest and 0 < low < largest / 4 else (low + high) / 2
    return high
