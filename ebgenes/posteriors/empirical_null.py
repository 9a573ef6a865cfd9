"""Efron's empirical nulls: what the bulk of the z-scores says of the null, and local false discovery rates by it.

The z-scores are binned and their density is smoothed by a Poisson regression on natural splines; the null is a
normal whose mean, spread and share are read off the middle, where few effects are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from ebgenes.arrays import FloatArray
from ebgenes.errors import InputError
from ebgenes.numerics.splines import natural_spline
from ebgenes.posteriors.fdr import expected_rate

METHODS = ("mle", "central", "theoretical")
FEWEST = 200
"""Z-scores below which a density cannot be had from their histogram."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class EmpiricalNull:
    """A normal null and the density of all z-scores.

    Attributes
    ----------
    mean, sd, share
        delta, sigma and p0 of the null's part ``share * N(mean, sd^2)``; maximum likelihood may put the share
        above 1.
    lfdr
        Local false discovery rate of each z-score, (G,).
    place, density, null_density
        Middles of the bins, the fitted density there and the null's part of it, (B,); in z-scores a bin.
    expected_fdr
        Efdr: the mean lfdr of the non-null genes; small where a study has power.
    """

    mean: float
    sd: float
    share: float
    lfdr: FloatArray
    place: FloatArray
    density: FloatArray
    null_density: FloatArray
    expected_fdr: float


def fit_empirical_null(
    z: FloatArray, method: str = "mle", *, bins: int = 119, df: int = 7, central: float = 0.25
) -> EmpiricalNull:
    """Estimate the null from z-scores.

    Parameters
    ----------
    z
        Z-scores, (G,); see `z_from_t` and `z_from_p`.
    method
        ``mle``: maximum likelihood of a truncated normal in the middle; ``central``: a parabola through the log
        density there; ``theoretical``: N(0, 1), of which just the share is estimated.
    bins
        Bins of the histogram between the smallest and the largest z-score.
    df
        Degrees of freedom of the natural spline for the log density.
    central
        ``central`` and ``theoretical`` look between the quantiles central and 1 - central.

    Raises
    ------
    InputError
        For fewer than 200 z-scores, ones that are not finite, an unknown method, or a log density that bends
        upwards in the middle.

    Notes
    -----
    Sources: Efron (2004), J. Am. Stat. Assoc. 99, 96; Efron (2007), Ann. Stat. 35, 1351 (the maximum likelihood
    fit, within median +- 4.3 exp(-.26 log10 G) robust sd); Efron (2010), Large-Scale Inference, chapters 5 and 6.
    """
    z = np.asarray(z, dtype=float)
    if method not in METHODS:
        raise InputError(f"unknown method {method!r} of the empirical null; choose one of {', '.join(METHODS)}.")
    if len(z) < FEWEST or not np.isfinite(z).all():
        n_bad = int((~np.isfinite(z)).sum())
        raise InputError(
            f"an empirical null needs at least {FEWEST} finite z-scores; found {len(z)}, {n_bad} of them not finite. "
            "Leave such genes out, or take the theoretical null."
        )
    edges = np.linspace(z.min(), z.max(), bins + 1)
    place = (edges[1:] + edges[:-1]) / 2
    count = np.histogram(z, edges)[0].astype(float)
    density = poisson_density(place, count, df)
    if method == "mle":
        mean, sd, share = _truncated_normal(z)
    else:
        mean, sd, share = _matched(z, place, density, central, fixed=method == "theoretical")
    shape = np.exp(-0.5 * ((place - mean) / sd) ** 2)
    null_density = share * shape / shape.sum() * density.sum()
    rate = np.minimum(null_density / density, 1)
    lfdr = np.interp(z, place, rate)
    return EmpiricalNull(
        mean=mean,
        sd=sd,
        share=share,
        lfdr=lfdr,
        place=place,
        density=density,
        null_density=null_density,
        expected_fdr=expected_rate(lfdr),
    )


def poisson_density(place: FloatArray, count: FloatArray, df: int) -> FloatArray:
    """Expected counts of bins, (B,), log-linear in a natural spline with df columns, by Poisson regression.

    Source: Lindsey's method; Efron and Tibshirani (1996), Ann. Stat. 24, 2431.
    """
    basis, _ = np.linalg.qr(natural_spline(place, df + 1))
    fitted = count + 0.1
    deviance = np.inf
    for _ in range(100):
        response = np.log(fitted) + (count - fitted) / fitted
        root = np.sqrt(fitted)
        coefficient = np.linalg.lstsq(basis * root[:, None], response * root, rcond=None)[0]
        fitted = np.exp(np.clip(basis @ coefficient, -700, 700))
        before, deviance = deviance, 2 * float(np.sum(special.xlogy(count, count / fitted) - count + fitted))
        if abs(before - deviance) < 1e-12 * (abs(deviance) + 0.1):
            break
    return np.asarray(fitted)


def _truncated_normal(z: FloatArray) -> tuple[float, float, float]:
    """Mean, spread and share of the normal that fits the middle of the z-scores best.

    The middle is first that of the quartiles, then that of the normal they led to.
    """
    reach = 1.0 if len(z) > 500_000 else 4.3 * np.exp(-0.26 * np.log10(len(z)))
    low, middle, high = np.quantile(z, [0.25, 0.5, 0.75])
    spread = float(high - low) / (2 * special.ndtri(0.75))
    mean, sd, share = _within(z, float(middle), reach * spread)
    return _within(z, mean, reach * sd) if sd > 0 else (mean, sd, share)


def _within(z: FloatArray, center: float, half: float) -> tuple[float, float, float]:
    """Maximum likelihood of a normal truncated to center - half to center + half, and its share of all z-scores."""
    inside = z[np.abs(z - center) <= half] - center
    if len(inside) < FEWEST / 10:
        raise InputError(
            f"only {len(inside)} z-scores lie in the middle, too few to fit a null to. Take the theoretical null."
        )
    # An exponential family: the moments of the truncated normal are the sample's.
    sample = np.array([np.mean(inside), np.mean(inside**2)])
    natural = np.array([0.0, -0.5 / half**2])
    for _ in range(200):
        moments, covariance = _moments(natural, half)
        step = np.linalg.solve(covariance, sample - moments)
        # Shorter steps keep the normal proper.
        while natural[1] + step[1] >= -1e-6 / half**2:
            step /= 2
        natural = natural + step
        if np.abs(step * [half, half**2]).max() < 1e-12:
            break
    sd = float(1 / np.sqrt(-2 * natural[1]))
    mean = float(natural[0] * sd**2)
    covered = float(special.ndtr((half - mean) / sd) - special.ndtr((-half - mean) / sd))
    return mean + center, sd, len(inside) / len(z) / covered


def _moments(natural: FloatArray, half: float) -> tuple[FloatArray, FloatArray]:
    """Mean of (x, x^2) and its covariance under exp(a x + b x^2) between -half and half."""
    nodes, weights = np.polynomial.legendre.leggauss(60)
    x = half * nodes
    height = natural[0] * x + natural[1] * x**2
    mass = weights * np.exp(height - height.max())
    mass /= mass.sum()
    powers = np.array([np.sum(mass * x**k) for k in range(1, 5)])
    covariance = np.array(
        [
            [powers[1] - powers[0] ** 2, powers[2] - powers[0] * powers[1]],
            [powers[2] - powers[0] * powers[1], powers[3] - powers[1] ** 2],
        ]
    )
    return powers[:2], covariance


def _matched(
    z: FloatArray, place: FloatArray, density: FloatArray, central: float, *, fixed: bool
) -> tuple[float, float, float]:
    """Mean, spread and share of the null from a parabola through the log density in the middle."""
    low, high = np.quantile(z, [central, 1 - central])
    middle = (place > low) & (place < high)
    x = place[middle]
    if fixed:
        normal = np.exp(-0.5 * place**2)
        return 0.0, 1.0, float(density[middle].sum() / normal[middle].sum() * normal.sum() / density.sum())
    if len(x) < 3:
        raise InputError(
            f"only {len(x)} bins lie in the middle of the z-scores, too few for a parabola. Use method mle, or "
            "more bins."
        )
    parabola = np.polyfit(x, np.log(density[middle]), 2)
    bend, slope, _ = parabola
    if bend >= 0:
        raise InputError(
            "the log density of the z-scores bends upwards in the middle, so that no normal can be matched there. "
            "Use method mle, or the theoretical null."
        )
    share = float(np.sum(np.exp(np.polyval(parabola, place))) / density.sum())
    return float(-slope / (2 * bend)), float(1 / np.sqrt(-2 * bend)), share


def z_from_p(p_value: FloatArray, sign: FloatArray | None = None) -> FloatArray:
    """Z-scores of p-values, (G,): two-sided ones with the sign of an effect, or one-sided ones, small for large z.

    Two-sided p-values keep their digits however small they are.

    Raises
    ------
    InputError
        For values outside 0 to 1, and one-sided ones of exactly 0 or 1.
    """
    p_value = np.asarray(p_value, dtype=float)
    bad = ~((p_value > 0) & (p_value <= 1))
    if sign is None:
        bad |= p_value == 1
    if bad.any():
        raise InputError(
            f"p-values must lie between 0 and 1; {int(bad.sum())} of {len(bad)} do not, or leave no z-score "
            f"(first: {p_value[bad][0]}). Mend or leave out these genes."
        )
    if sign is None:
        return np.asarray(-special.ndtri(p_value))
    return np.asarray(-np.sign(sign) * special.ndtri(p_value / 2))


def z_from_t(t: FloatArray, df: FloatArray | float) -> FloatArray:
    """Z-scores with the tail areas of Student's t statistics, (G,); accurate in the tails."""
    t = np.asarray(t, dtype=float)
    df = np.broadcast_to(np.asarray(df, dtype=float), t.shape)
    area = np.where(np.isfinite(df), special.stdtr(np.where(np.isfinite(df), df, 1.0), -np.abs(t)), 0.0)
    with np.errstate(divide="ignore"):
        z = np.where(np.isfinite(df), -special.ndtri(area), np.abs(t))
    return np.asarray(np.sign(t) * z)
