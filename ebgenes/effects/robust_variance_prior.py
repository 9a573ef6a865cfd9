"""A variance prior that outlying genes neither distort nor are squeezed by."""

from __future__ import annotations

import numpy as np
from scipy import stats
from scipy.optimize import brentq

from ebgenes.arrays import FloatArray
from ebgenes.effects.variance_prior import VariancePrior, bounded_below, fit_variance_prior, smooth

WINSOR_LOW, WINSOR_HIGH = 0.05, 0.1


def fit_robust_variance_prior(variance: FloatArray, df: float, *, level: FloatArray | None = None) -> VariancePrior:
    """As `fit_variance_prior`, but genes with outlying variances get fewer prior degrees of freedom.

    Parameters, Raises
    ------------------
    See `fit_variance_prior`.

    Notes
    -----
    Matches the Winsorized variance of log variances, then doubts each outlier by its tail area.
    Source: Phipson et al. (2016), Ann. Appl. Stat. 10, 946.
    """
    plain = fit_variance_prior(variance, df, level=level)
    variance = bounded_below(variance, 1e-12)
    n = len(variance)
    if n * WINSOR_LOW < 1 and n * WINSOR_HIGH < 1:
        return plain
    log_variance = np.log(variance)
    trend = (
        np.full(n, stats.trim_mean(log_variance, WINSOR_HIGH)) if level is None else smooth(level, log_variance, 0.4)
    )
    residual = log_variance - trend
    clipped = np.clip(residual, *np.quantile(residual, [WINSOR_LOW, 1 - WINSOR_HIGH]))
    center, spread = float(clipped.mean()), float(clipped.var(ddof=1))

    def too_wide(share: float) -> float:
        """Log ratio of observed to expected spread where df/(1 + df) = share."""
        return float(np.log(spread / _winsorized_log_f(df, share)[1]))

    plain_df = float(plain.df[0])
    if too_wide(1.0) <= 0:
        prior_df = np.inf
    elif not np.isfinite(plain_df):
        return plain
    elif too_wide(plain_df / (1 + plain_df)) >= 0:
        prior_df = plain_df
    else:
        share = brentq(too_wide, plain_df / (1 + plain_df), 1.0, xtol=1e-12)
        prior_df = share / (1 - share)
    share = 1.0 if np.isinf(prior_df) else prior_df / (1 + prior_df)
    log_prior = trend + center - _winsorized_log_f(df, share)[0]
    ratio = np.exp(log_variance - log_prior)
    doubt = _infinite_prior_df(ratio, df) if np.isinf(prior_df) else _shrunk_prior_df(ratio, df, prior_df)
    return VariancePrior(df=doubt, variance=np.exp(log_prior))


def _winsorized_log_f(df: float, share: float) -> tuple[float, float]:
    """Mean and variance of a Winsorized log F(df, share/(1 - share)), by Gauss-Legendre on F/(1 + F)."""
    law = stats.chi2(df, scale=1 / df) if share == 1.0 else stats.f(df, share / (1 - share))
    ends = law.ppf([WINSOR_LOW, 1 - WINSOR_HIGH])
    tails = np.array([WINSOR_LOW, WINSOR_HIGH])
    low, high = ends / (1 + ends)
    nodes, weights = np.polynomial.legendre.leggauss(128)
    point = low + (high - low) * (nodes + 1) / 2
    value = point / (1 - point)
    mass = weights * (high - low) / 2 * law.pdf(value) / (1 - point) ** 2
    mean = float(mass @ np.log(value) + tails @ np.log(ends))
    return mean, float(mass @ (np.log(value) - mean) ** 2 + tails @ (np.log(ends) - mean) ** 2)


def _empirical_log_tail(ratio: FloatArray) -> FloatArray:
    n = len(ratio)
    return np.asarray(np.log(n - stats.rankdata(ratio) + 0.5) - np.log(n))


def _infinite_prior_df(ratio: FloatArray, df: float) -> FloatArray:
    log_tail = stats.chi2.logsf(ratio * df, df)
    log_regular = np.minimum(log_tail - _empirical_log_tail(ratio), 0)
    prior_df = np.where(log_regular < 0, np.exp(log_regular) * len(ratio) * df, np.inf)
    order = np.argsort(log_tail, kind="stable")
    prior_df[order] = np.maximum.accumulate(prior_df[order])
    return np.asarray(prior_df)


def _shrunk_prior_df(ratio: FloatArray, df: float, prior_df: float) -> FloatArray:
    """Prior df between the shared one and that at which the largest ratio would be the median."""
    log_tail = _log_f_tail(ratio, df, prior_df)
    log_regular = np.minimum(log_tail - _empirical_log_tail(ratio), 0)
    if not np.any(log_regular < 0):
        return np.full(len(ratio), prior_df)
    if np.isneginf(log_tail.min()):
        outlier_df = 0.0
    else:
        outlier_df = np.log(0.5) / log_tail.min() * prior_df
        outlier_df *= np.log(0.5) / _log_f_tail(ratio.max(keepdims=True), df, outlier_df)[0]
    shrunk = np.exp(log_regular) * prior_df - np.expm1(log_regular) * outlier_df
    order = np.argsort(log_tail, kind="stable")
    ordered = shrunk[order]
    mean = np.cumsum(ordered) / np.arange(1, len(ordered) + 1)
    lowest = int(np.argmin(mean))
    ordered[: lowest + 1] = mean[lowest]
    shrunk[order] = np.maximum.accumulate(ordered)
    return np.asarray(shrunk)


def _log_f_tail(ratio: FloatArray, df: float, prior_df: float) -> FloatArray:
    return np.asarray(stats.f.logsf(ratio, df, prior_df))
