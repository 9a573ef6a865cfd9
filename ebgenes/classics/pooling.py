"""No pooling, complete pooling, partial pooling: conjugate shrinkage with its weights in closed form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.special import gammaln

from ebgenes.arrays import BoolArray, FloatArray
from ebgenes.errors import InputError, nearest

TAU_METHODS = ("reml", "ml", "moments")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class NormalPooling:
    """What is known of G effects, each measured with a normal error, at one degree of pooling.

    Attributes
    ----------
    mean, sd
        Posterior mean and standard deviation, in the effects' units, (G,); `sd` has the uncertainty of an estimated
        center in it, not that of `tau`.
    weight
        1 - B_g = tau^2 / (tau^2 + se_g^2): of each effect's own estimate in its mean, (G,).
    center, center_se
        What the effects are drawn to, and its standard error (0 where it was given).
    tau
        Standard deviation of the effects around the center; infinite without pooling, 0 for complete pooling.
    n_parameters
        Effective number of parameters p_D: the trace of the data's precision times the effects' posterior covariance.
    """

    mean: FloatArray
    sd: FloatArray
    weight: FloatArray
    center: float
    center_se: float
    tau: float
    n_parameters: float


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class GammaPooling:
    """What is known of G rates, each seen in a Poisson count, under a gamma prior that they share.

    Attributes
    ----------
    shape, rate
        Of each gamma posterior, (G,).
    mean, sd
        Of each posterior, (G,).
    weight
        E_g / (b + E_g): of the own ratio in the mean, (G,).
    own, pooled
        No pooling, y_g / E_g, (G,), and complete pooling, sum y / sum E.
    """

    shape: FloatArray
    rate: FloatArray
    mean: FloatArray
    sd: FloatArray
    weight: FloatArray
    own: FloatArray
    pooled: float


def no_pooling(estimate: FloatArray, se: FloatArray) -> NormalPooling:
    """Each effect for itself: the estimates and their standard errors, p_D = G. Raises as `partial_pooling` does."""
    return partial_pooling(estimate, se, np.inf, center=0.0)


def complete_pooling(estimate: FloatArray, se: FloatArray) -> NormalPooling:
    """One effect for all: the precision-weighted mean, p_D = 1. Raises as `partial_pooling` does."""
    return partial_pooling(estimate, se, 0.0)


def partial_pooling(estimate: FloatArray, se: FloatArray, tau: float, *, center: float | None = None) -> NormalPooling:
    """Posteriors of theta_g ~ N(center, tau^2) from estimate_g ~ N(theta_g, se_g^2).

    Parameters
    ----------
    estimate, se
        Effects and their known standard errors, (G,).
    tau
        Standard deviation of the effects, from 0 to infinity.
    center
        Their mean; None: unknown, with a flat prior.

    Raises
    ------
    InputError
        Where an estimate is not finite, a standard error not above 0, or tau negative; for an unknown center and an
        infinite tau, which leave the center without a value.

    Notes
    -----
    With B_g = se_g^2/(se_g^2 + tau^2) the mean is B_g center + (1 - B_g) estimate_g and the variance
    (1 - B_g) se_g^2 + B_g^2 Var(center). Source: Lindley and Smith (1972), J. R. Stat. Soc. B 34, 1; p_D:
    Spiegelhalter, Best, Carlin and van der Linde (2002), J. R. Stat. Soc. B 64, 583.
    """
    estimate, se = require_effects(estimate, se)
    if not tau >= 0:
        raise InputError(f"tau must be 0 or more; found {tau}.")
    if center is None and np.isinf(tau):
        raise InputError("an infinite tau leaves no center to estimate. Give one, for example center=0.")
    weight = np.ones(len(se)) if np.isinf(tau) else tau**2 / (tau**2 + se**2)
    shrink = np.zeros(len(se)) if np.isinf(tau) else se**2 / (tau**2 + se**2)
    center_se = 0.0
    if center is None:
        center, center_se = weighted_mean(estimate, np.hypot(se, tau))
    return NormalPooling(
        mean=shrink * center + weight * estimate,
        sd=np.sqrt(weight * se**2 + (shrink * center_se) ** 2),
        weight=weight,
        center=float(center),
        center_se=center_se,
        tau=float(tau),
        n_parameters=float(np.sum(weight + (shrink * center_se / se) ** 2)),
    )


def weighted_mean(estimate: FloatArray, sd: FloatArray) -> tuple[float, float]:
    """Precision-weighted mean of estimates with standard deviations sd, (G,), and its standard error."""
    precision = sd**-2.0
    return float(np.sum(precision * estimate) / np.sum(precision)), float(np.sum(precision) ** -0.5)


def heterogeneity(estimate: FloatArray, se: FloatArray) -> float:
    """Cochran's Q, sum ((estimate - pooled)/se)^2: chi-squared with G - 1 df where all effects are one.

    Source: Cochran (1954), Biometrics 10, 101. Raises as `partial_pooling` does.
    """
    estimate, se = require_effects(estimate, se)
    return float(np.sum(((estimate - weighted_mean(estimate, se)[0]) / se) ** 2))


def estimate_tau(estimate: FloatArray, se: FloatArray, *, method: str = "reml", center: float | None = None) -> float:
    """Standard deviation of the effects behind their estimates, 0 or more.

    Parameters
    ----------
    estimate, se
        As in `partial_pooling`.
    method
        ``ml``: marginal maximum likelihood; ``reml``: the same with the center integrated out; ``moments``:
        DerSimonian and Laird's.
    center
        Known mean of the effects (``reml`` is then ``ml``), or None.

    Raises
    ------
    InputError
        As `partial_pooling`, for an unknown method, and for fewer than 2 effects without a center.

    Notes
    -----
    Sources: DerSimonian and Laird (1986), Control. Clin. Trials 7, 177; Harville (1977), J. Am. Stat. Assoc. 72, 320.
    """
    estimate, se = require_effects(estimate, se)
    if method not in TAU_METHODS:
        raise InputError(
            f"unknown method {method!r}; choose one of {', '.join(TAU_METHODS)}.{nearest(method, TAU_METHODS)}"
        )
    if center is None and len(estimate) < 2:
        raise InputError("fewer than 2 effects tell nothing of their spread. Give tau, or more effects.")
    if method == "moments":
        return _moments(estimate, se, center)
    return _likeliest(lambda tau: tau_loglik(estimate, se, tau, center, restricted=method == "reml"), estimate, se)


def _moments(estimate: FloatArray, se: FloatArray, center: float | None) -> float:
    """Where Q equals its expectation, of weights 1/se^2."""
    precision = se**-2.0
    q = heterogeneity(estimate, se) if center is None else float(np.sum(precision * (estimate - center) ** 2))
    lost = np.sum(precision**2) / np.sum(precision) if center is None else 0.0
    df = len(se) - (center is None)
    return float(np.sqrt(max((q - df) / (np.sum(precision) - lost), 0.0)))


def tau_loglik(
    estimate: FloatArray, se: FloatArray, tau: FloatArray, center: float | None = None, *, restricted: bool = True
) -> FloatArray:
    """Marginal log likelihood at each tau, (T,); an unknown center is integrated out (restricted) or profiled."""
    sd = np.hypot(se, np.asarray(tau)[:, None])
    precision = sd**-2.0
    total = precision.sum(axis=1)
    middle = precision @ estimate / total if center is None else np.full(len(total), center)
    z = (estimate - middle[:, None]) / sd
    value = -0.5 * np.sum(z**2, axis=1) - np.sum(np.log(sd), axis=1) - 0.5 * len(se) * np.log(2 * np.pi)
    if center is None and restricted:
        value += 0.5 * np.log(2 * np.pi / total)
    return np.asarray(value)


def _likeliest(loglik: Callable[[FloatArray], FloatArray], estimate: FloatArray, se: FloatArray) -> float:
    """The best tau: even steps first, because there may be several peaks, then the best of them refined."""
    largest = 2 * float(np.ptp(estimate)) + 2 * float(se.max())
    places = largest * np.linspace(0, 1, 101) ** 2
    heights = loglik(places)
    best = int(np.argmax(heights))
    low, high = places[max(best - 1, 0)], places[min(best + 1, len(places) - 1)]
    search = minimize_scalar(
        lambda tau: -float(loglik(np.array([tau]))[0]),
        bounds=(low, high),
        method="bounded",
        options={"xatol": 1e-9 * largest},
    )
    return float(search.x) if -search.fun > heights[0] else 0.0


def james_stein(estimate: FloatArray, se: float, *, center: float | None = None) -> NormalPooling:
    """Partial pooling with a factor unbiased for its best value, kept from below 0: James and Stein's estimator.

    Parameters
    ----------
    estimate
        Effects with one standard error, (G,).
    se
        That standard error.
    center
        Where to shrink to; None: the mean (Efron and Morris), which costs one degree of freedom.

    Returns
    -------
    NormalPooling
        ``weight`` is 1 - (G - 2) se^2/S, S the sum of squares around the center, with G - 3 for an estimated one;
        ``tau`` has that weight.

    Raises
    ------
    InputError
        For fewer than 3 effects, or 4 where the center is estimated, and as `partial_pooling`.

    Notes
    -----
    Sources: James and Stein (1961), Proc. 4th Berkeley Symp. 1, 361; Efron and Morris (1973), J. Am. Stat. Assoc.
    68, 117.
    """
    estimate, errors = require_effects(estimate, np.full(np.shape(estimate), se))
    needed = 3 if center is not None else 4
    if len(estimate) < needed:
        raise InputError(f"the factor needs {needed} effects or more; found {len(estimate)}.")
    middle = float(estimate.mean()) if center is None else center
    squares = float(np.sum((estimate - middle) ** 2))
    shrink = min((len(estimate) - needed + 1) * se**2 / squares, 1.0) if squares > 0 else 1.0
    tau = se * np.sqrt((1 - shrink) / shrink)
    return partial_pooling(estimate, errors, float(tau), center=center)


def gamma_poisson(observed: FloatArray, expected: FloatArray, shape: float, rate: float) -> GammaPooling:
    """Posteriors of rates lambda_g ~ Gamma(shape a, rate b) from counts y_g ~ Poisson(E_g lambda_g).

    Parameters
    ----------
    observed, expected
        y and E, (G,).
    shape, rate
        a and b, of a prior with mean a/b.

    Returns
    -------
    GammaPooling
        Gamma(a + y_g, b + E_g), with mean (1 - w_g) a/b + w_g y_g/E_g and w_g = E_g/(b + E_g).

    Raises
    ------
    InputError
        Where a count is negative or no whole number, an expectation not above 0, or the prior not positive.
    """
    observed, expected = _checked_counts(observed, expected)
    if not (0 < shape < np.inf and 0 < rate < np.inf):
        raise InputError(f"shape and rate must be above 0 and finite; found {shape} and {rate}.")
    after, exposure = shape + observed, rate + expected
    return GammaPooling(
        shape=after,
        rate=exposure,
        mean=after / exposure,
        sd=np.sqrt(after) / exposure,
        weight=expected / exposure,
        own=observed / expected,
        pooled=float(observed.sum() / expected.sum()),
    )


def fit_gamma(observed: FloatArray, expected: FloatArray) -> tuple[float, float]:
    """Shape and rate of the gamma prior that make the counts most likely; both infinite where they vary as one rate's.

    The mean a/b is profiled: at a given shape it solves sum (y - E m)/(a + E m) = 0, and at an infinite one it is
    sum y / sum E. Source: Greenwood and Yule (1920), J. R. Stat. Soc. 83, 255 (the marginal, negative binomial).

    Raises
    ------
    InputError
        As `gamma_poisson`, and where no count is above 0.
    """
    observed, expected = _checked_counts(observed, expected)
    if not observed.any():
        raise InputError("all counts are 0, which tells nothing of how rates vary. Give shape and rate.")
    pooled = observed.sum() / expected.sum()

    def mean_at(shape: float) -> float:
        ratios = observed / expected
        low, high = float(ratios.min()) * 0.5, float(ratios.max()) * 2
        return float(brentq(lambda m: np.sum((observed - expected * m) / (shape + expected * m)), low, high))

    def loglik(shape: float) -> float:
        """Less that of one rate for all."""
        mean = mean_at(shape)
        p = expected * mean
        value = gammaln(shape + observed) - gammaln(shape) - observed * np.log(shape + p) - shape * np.log1p(p / shape)
        limit = expected * pooled
        return float(np.sum(value + observed * np.log(mean) - (observed * np.log(pooled) - limit)))

    places = np.linspace(np.log(1e-3), np.log(1e6), 80)
    heights = [loglik(float(np.exp(place))) for place in places]
    best = int(np.argmax(heights))
    low, high = places[max(best - 1, 0)], places[min(best + 1, len(places) - 1)]
    search = minimize_scalar(
        lambda place: -loglik(float(np.exp(place))), bounds=(low, high), method="bounded", options={"xatol": 1e-8}
    )
    if best == len(places) - 1 or -search.fun <= 0:
        return np.inf, np.inf
    shape = float(np.exp(search.x))
    return shape, shape / mean_at(shape)


def require_effects(estimate: FloatArray, se: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Estimates and standard errors as arrays of one length; raises InputError where they are none."""
    estimate, se = _pairs(estimate, se, "estimates and standard errors")
    bad = ~(np.isfinite(estimate) & np.isfinite(se) & (se > 0))
    _refuse(bad, estimate, se, "every effect needs a finite estimate and a standard error above 0")
    return estimate, se


def _checked_counts(observed: FloatArray, expected: FloatArray) -> tuple[FloatArray, FloatArray]:
    observed, expected = _pairs(observed, expected, "observed and expected")
    whole = np.isfinite(observed) & (observed >= 0) & (observed == np.floor(observed))
    bad = ~(whole & np.isfinite(expected) & (expected > 0))
    _refuse(bad, observed, expected, "observed must be whole numbers from 0, and expected above 0")
    return observed, expected


def _pairs(one: FloatArray, other: FloatArray, names: str) -> tuple[FloatArray, FloatArray]:
    one, other = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if one.ndim != 1 or one.shape != other.shape or len(one) == 0:
        raise InputError(f"{names} must be two lists of one length; found shapes {one.shape} and {other.shape}.")
    return one, other


def _refuse(bad: BoolArray, one: FloatArray, other: FloatArray, rule: str) -> None:
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise InputError(
            f"{rule}; {int(bad.sum())} of {len(bad)} do not comply (first: number {first + 1}, with {one[first]} and "
            f"{other[first]}). Remove or correct them."
        )
