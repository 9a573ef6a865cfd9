"""Error rates of lists: from p-values, and from local rates."""

from __future__ import annotations

import numpy as np
from scipy import special
from scipy.optimize import brentq

from ebgenes.arrays import FloatArray
from ebgenes.errors import InputError
from ebgenes.records.effects import Effects

LAMBDA = np.linspace(0.05, 0.95, 19)
"""P-values above which hardly any gene is changed: pi0 is read off the share of genes there."""

SMOOTHER_DF = 3

COIN_TOSS = 0.475
"""Local rate from which a gene is in no list of a lower level: .5 is the lfsr of a gene that surely changed and is as
probably up as down."""


def two_sided_p(statistic: FloatArray, df: FloatArray) -> FloatArray:
    """P(|t| >= |statistic|) of Student's t with df degrees of freedom (normal where infinite), (G,)."""
    # Imported here: drawing a table needs none of it.

    size = np.abs(statistic)
    finite = np.isfinite(df)
    p_value = 2 * special.ndtr(-size)
    p_value[finite] = 2 * special.stdtr(df[finite], -size[finite])
    return np.asarray(p_value)


def p_values(effects: Effects) -> FloatArray:
    """Two-sided p-values of no effect, (G,), from each gene's own likelihood."""
    if effects.p_value is not None:
        return effects.p_value
    return two_sided_p(effects.estimate / effects.se, effects.df)


def adjust_bh(p_value: FloatArray) -> FloatArray:
    """Benjamini-Hochberg adjusted p-values, (G,).

    Source: Benjamini and Hochberg (1995), J. R. Stat. Soc. B 57, 289.
    """
    n = len(p_value)
    order = np.argsort(p_value, kind="stable")[::-1]
    scaled = p_value[order] * (n / np.arange(n, 0, -1))
    adjusted = np.empty(n)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled), 1.0)
    return adjusted


def running_mean(local_rate: FloatArray) -> FloatArray:
    """Mean local rate of each gene and all with a smaller or equal one, (G,).

    Of lfdr it is the Bayesian false discovery rate of the list that ends with the gene, of lfsr the false sign rate.
    Ties share one value.

    Source: Storey (2003), Ann. Stat. 31, 2013; Stephens (2017), Biostatistics 18, 275.
    """
    return tail_rate(-local_rate, local_rate)


def list_rate(local_rate: FloatArray) -> FloatArray:
    """Smallest level, (G,), from which on each gene is in the list: the columns of q- and s-values.

    It is the `running_mean`, and no less than the gene's own rate where that is `COIN_TOSS` or more.

    Parameters
    ----------
    local_rate
        What may be wrong with each gene, (G,): lfdr gives q-values, lfsr s-values.

    Notes
    -----
    The second condition keeps out genes that are more probably wrong than right, for which many sure genes would pay in
    the mean; lists are never longer than those of the running mean, so that the rate holds.

    Lists are made by s. A null gene counts as an error of the sign, so that lfsr >= lfdr, s >= q, and the list's false
    discovery rate is below the level too. A list by q asks only whether a gene is null. Where nearly every gene
    responds, pi0 is near 0 and such a list holds all genes, also those of either sign, on the word of a pi0 that no
    data tell to that precision. By signs it holds what the genes' own data tell.

    Source: Stephens (2017), Biostatistics 18, 275.
    """
    mean = running_mean(local_rate)
    return np.where(local_rate < COIN_TOSS, mean, np.maximum(mean, local_rate))


def storey_pi0(p_value: FloatArray, method: str = "smoother") -> float:
    """Share of null genes, from the p-values' distribution near 1.

    Parameters
    ----------
    p_value
        P-values, (G,).
    method
        ``smoother``: a cubic smoothing spline with 3 degrees of freedom through the estimates at lambda = .05 to
        .95, taken at its end; ``bootstrap``: the estimate of least mean squared error.

    Raises
    ------
    InputError
        For p-values outside 0 to 1, or an unknown method.

    Notes
    -----
    Sources: Storey and Tibshirani (2003), PNAS 100, 9440 (smoother); Storey, Taylor and Siegmund (2004), J. R.
    Stat. Soc. B 66, 187, and Robinson (2011) for the bootstrap's error without resampling.
    """
    p_value = _p_values(p_value)
    beyond = np.array([np.sum(p_value >= cut) for cut in LAMBDA], dtype=float)
    n = len(p_value)
    estimate = beyond / n / (1 - LAMBDA)
    if method == "smoother":
        pi0 = float(_smoothing_spline(LAMBDA, estimate, SMOOTHER_DF)[-1])
    elif method == "bootstrap":
        variance = beyond / (n * (1 - LAMBDA)) ** 2 * (1 - beyond / n)
        pi0 = float(estimate[np.argmin(variance + (estimate - np.quantile(estimate, 0.1)) ** 2)])
    else:
        raise InputError(f"unknown method {method!r} of pi0; choose one of smoother, bootstrap.")
    # A share of nothing would call every gene.
    return min(max(pi0, 1 / n), 1.0)


def _p_values(p_value: FloatArray) -> FloatArray:
    p_value = np.asarray(p_value, dtype=float)
    bad = ~((p_value >= 0) & (p_value <= 1))
    if bad.any() or not len(p_value):
        raise InputError(
            f"p-values must lie between 0 and 1; {int(bad.sum())} of {len(p_value)} do not. Leave out missing ones."
        )
    return p_value


def _smoothing_spline(x: FloatArray, y: FloatArray, df: float) -> FloatArray:
    """The cubic smoothing spline through (x, y) whose smoother has the trace df, at x.

    Source: Reinsch's form; Green and Silverman (1994), Nonparametric Regression and Generalized Linear Models, 2.3.
    """
    # Imported here: few need it.

    h = np.diff(x)
    n = len(x)
    second = np.zeros((n, n - 2))
    band = np.zeros((n - 2, n - 2))
    for j in range(n - 2):
        second[j : j + 3, j] = [1 / h[j], -1 / h[j] - 1 / h[j + 1], 1 / h[j + 1]]
        band[j, j] = (h[j] + h[j + 1]) / 3
        if j + 1 < n - 2:
            band[j, j + 1] = band[j + 1, j] = h[j + 1] / 6
    roughness, axes = np.linalg.eigh(second @ np.linalg.solve(band, second.T))
    roughness = np.maximum(roughness, 0)
    # The two straight directions have no roughness but that of rounding.
    roughness[:2] = 0
    log_weight = brentq(lambda t: np.sum(1 / (1 + np.exp(t) * roughness)) - df, -60, 60, xtol=1e-12)
    return np.asarray(axes @ ((axes.T @ y) / (1 + np.exp(log_weight) * roughness)))


def q_from_p(p_value: FloatArray, pi0: float | None = None) -> FloatArray:
    """Storey's q-values, (G,): Benjamini and Hochberg's adjusted p-values times the share of null genes.

    Parameters
    ----------
    p_value
        P-values, (G,).
    pi0
        Share of null genes; None: `storey_pi0` by its smoother.

    Notes
    -----
    Source: Storey (2002), J. R. Stat. Soc. B 64, 479.
    """
    p_value = _p_values(p_value)
    pi0 = storey_pi0(p_value) if pi0 is None else pi0
    return np.asarray(np.minimum(adjust_bh(p_value) * pi0, 1.0))


def tail_rate(score: FloatArray, local_rate: FloatArray) -> FloatArray:
    """Fdr of the list of all genes with at least this score, (G,): their mean local rate.

    With the local rate's own order it is `running_mean`; with the size of an effect or of a z-score it is the tail
    area Fdr (Efron 2010, Large-Scale Inference, section 5.1).
    """
    order = np.argsort(-score, kind="stable")
    mean = np.cumsum(local_rate[order]) / np.arange(1, len(order) + 1)
    last_of_ties = np.searchsorted(-score[order], -score[order], side="right") - 1
    result = np.empty(len(order))
    result[order] = mean[last_of_ties]
    return result


def expected_rate(local_rate: FloatArray) -> float:
    """Efdr, the local rate to expect of a gene that is changed: small where a study has power.

    Source: Efron (2007), Ann. Stat. 35, 1351, section 3.
    """
    changed = 1 - local_rate
    total = float(changed.sum())
    return float(changed @ local_rate / total) if total > 0 else float("nan")


def threshold_rate(up: FloatArray, down: FloatArray) -> FloatArray:
    """P(the effect is not beyond the threshold on its likelier side), (G,), from the posterior's `up` and `down`.

    Its `list_rate` is the false discovery rate of a list of genes that change by more than the threshold.
    """
    return np.asarray(1 - np.maximum(up, down))


def equivalence_rate(up: FloatArray, down: FloatArray) -> FloatArray:
    """P(the effect is beyond the threshold on either side), (G,), from the posterior's `up` and `down`.

    Its `list_rate` is the false discovery rate of a list of genes that change by no more than the threshold.
    """
    return np.asarray(up + down)
