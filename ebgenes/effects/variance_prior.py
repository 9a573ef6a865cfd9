"""How noisy each gene is: variances moderated by what all genes share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from ebgenes.arrays import FloatArray
from ebgenes.errors import InputError
from ebgenes.numerics.lowess import local_lines
from ebgenes.numerics.splines import natural_spline

ROUNDING = 1e-20
"""Variances of log2 values below this are nothing but rounding, which leaves some 1e-28."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class VariancePrior:
    """Scaled inverse chi-squared prior of the genes' variances.

    Attributes
    ----------
    df
        Prior degrees of freedom d0, (G,); infinite where all genes share one variance.
    variance
        Prior variance s0^2, (G,).
    """

    df: FloatArray
    variance: FloatArray


def squeeze_variances(variance: FloatArray, df: float, prior: VariancePrior) -> FloatArray:
    """Posterior variances, (G,): the precision-weighted mean of each gene's own and the prior's.

    Source: Smyth (2004), Stat. Appl. Genet. Mol. Biol. 3, 3.
    """
    finite = np.isfinite(prior.df)
    prior_df = np.where(finite, prior.df, 1.0)
    squeezed = (df * variance + prior_df * prior.variance) / (df + prior_df)
    return np.where(finite, squeezed, prior.variance)


def fit_variance_prior(variance: FloatArray, df: float, *, level: FloatArray | None = None) -> VariancePrior:
    """Estimate d0 and s0^2 from all genes' residual variances.

    Parameters
    ----------
    variance
        Residual variances, (G,).
    df
        Their residual degrees of freedom, the same for all genes.
    level
        Mean log expression, (G,): s0^2 follows a trend in it. None: one s0^2.

    Raises
    ------
    InputError
        With fewer than 3 genes, or where more than half of them do not vary.

    Notes
    -----
    Sources: Smyth (2004), section 6.2; Sartor et al. (2006), BMC Bioinformatics 7, 538 (trend).
    """
    return _moments(bounded_below(variance, 1e-5), df, level)


def bounded_below(variance: FloatArray, share: float) -> FloatArray:
    """Variances no smaller than a share of their median, so that all have a logarithm.

    Raises
    ------
    InputError
        As `fit_variance_prior`.
    """
    if len(variance) < 3:
        raise InputError(
            f"{len(variance)} genes are too few to learn a variance prior from; give at least 3, better hundreds."
        )
    require_variation(variance)
    return np.maximum(variance, share * np.median(variance))


def require_variation(variance: FloatArray) -> None:
    """Refuse data in which most genes do not vary between replicates.

    Raises
    ------
    InputError
        Where the median variance is nothing but rounding.
    """
    still = variance < ROUNDING
    if 2 * still.sum() > len(variance):
        raise InputError(
            f"{int(still.sum())} of {len(variance)} genes have no residual variance at all. "
            "Are replicates copies of one another?"
        )


def _moments(variance: FloatArray, df: float, level: FloatArray | None) -> VariancePrior:
    """Match mean and variance of log variance to those of a scaled log F."""
    n = len(variance)
    excess = np.log(variance) - special.digamma(df / 2) + np.log(df / 2)
    basis = np.ones((n, 1)) if level is None else _trend_basis(level)
    # Sums by einsum have the same bits for any number of threads, those by BLAS over all genes have not.
    gram, right = np.einsum("gi,gj->ij", basis, basis), np.einsum("gi,g->i", basis, excess)
    trend = np.einsum("gi,i->g", basis, np.linalg.solve(gram, right))
    spread = float(np.sum((excess - trend) ** 2) / (n - basis.shape[1])) - special.polygamma(1, df / 2)
    if spread > 0:
        prior_df = 2 * _inverse_trigamma(spread)
        prior = np.exp(trend + special.digamma(prior_df / 2) - np.log(prior_df / 2))
    else:
        prior_df = np.inf
        prior = np.full(n, variance.mean()) if level is None else np.exp(trend)
    return VariancePrior(df=np.full(n, prior_df), variance=prior)


def _trend_basis(level: FloatArray) -> FloatArray:
    """Natural cubic splines of a level, with fewer columns where it takes few values, (G, 1 to 4)."""
    n_distinct = len(np.unique(level))
    return natural_spline(level, 1 + (n_distinct >= 3) + (n_distinct >= 6) + (n_distinct >= 30))


def _inverse_trigamma(value: float) -> float:
    """The x with trigamma(x) = value, by Newton steps on 1/trigamma (Smyth 2004, appendix)."""
    if value > 1e7:
        return float(1 / np.sqrt(value))
    if value < 1e-6:
        return 1 / value
    x = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(special.polygamma(1, x))
        step = trigamma * (1 - trigamma / value) / float(special.polygamma(2, x))
        x += step
        if -step / x < 1e-12:
            break
    return x


ROBUST_PASSES = 3
"""Passes of `smooth` after the first, in which outlying points lose their weight."""


def smooth(x: FloatArray, y: FloatArray, span: float) -> FloatArray:
    """Robust local regression of y on x at every x, (G,): LOWESS with three robustness steps, as R's ``lowess``.

    Each line uses the nearest span * G points. After a pass with residuals r, points are weighted by the bisquare of
    r over six times the median |r|, 1 within .1% and 0 beyond 99.9% of that.

    Source: Cleveland (1979), J. Am. Stat. Assoc. 74, 829.
    """
    n_points = len(x)
    n_near = max(2, min(n_points, int(span * n_points + 1e-7)))
    order = np.argsort(x, kind="stable")
    ascending, response = x[order], y[order]
    robustness, ordered = np.ones(n_points), np.empty(n_points)
    for step in range(ROBUST_PASSES + 1):
        local_lines(ascending, response, n_near, 0.01 * float(np.ptp(x)), robustness, ordered)
        residual = np.abs(response - ordered)
        scale = 6 * np.median(residual)
        if step == ROBUST_PASSES or scale <= 1e-7 * residual.mean():
            break
        ratio = np.minimum(residual / scale, 1)
        robustness = np.where(ratio <= 0.001, 1.0, np.where(ratio <= 0.999, (1 - ratio**2) ** 2, 0.0))
    fitted = np.empty(n_points)
    fitted[order] = ordered
    return fitted
