"""The negative-binomial likelihoods of one gene, slow and plainly right."""

from __future__ import annotations

import numpy as np
from scipy import stats


def log_pmf(count: np.ndarray, mean: np.ndarray, alpha: float) -> float:
    """Sum of log negative-binomial probabilities, by scipy."""
    return float(stats.nbinom.logpmf(count, 1 / alpha, 1 / (1 + alpha * mean)).sum())


def profile(count, size, effect, nuisance, theta, alpha, precision=None) -> float:
    """Adjusted profile log likelihood: plain Newton with halved steps, then -1/2 log det Z'WZ.

    precision (p,) of the nuisance coefficients' normal priors, which add to both.
    """
    precision = np.zeros(nuisance.shape[1]) if precision is None else precision
    gamma = np.zeros(nuisance.shape[1])
    if nuisance.shape[1]:
        level = np.log(np.maximum(count.mean(), 0.1) / size.mean()) - np.mean(effect * theta)
        gamma = np.linalg.lstsq(nuisance, np.full(len(count), level), rcond=None)[0]

    def mean_of(g):
        return size * np.exp(effect * theta + nuisance @ g)

    def value_at(g):
        # A step too long overflows; it is halved like any other that does not rise.
        with np.errstate(over="ignore", invalid="ignore"):
            value = log_pmf(count, mean_of(g), alpha) - 0.5 * np.sum(precision * g**2)
        return value if np.isfinite(value) else -np.inf

    value = value_at(gamma)
    for _ in range(200 if nuisance.shape[1] else 0):
        mean = mean_of(gamma)
        slope = nuisance.T @ ((count - mean) / (1 + alpha * mean)) - precision * gamma
        curvature = nuisance.T @ (nuisance * (mean * (1 + alpha * count) / (1 + alpha * mean) ** 2)[:, None])
        curvature += np.diag(precision)
        step = np.linalg.solve(curvature, slope)
        length = 1.0
        while length > 1e-10 and value_at(gamma + length * step) < value:
            length /= 2
        gamma = gamma + length * step
        value = max(value, value_at(gamma))
        if np.abs(length * step).max() < 1e-9:
            break
    mean = mean_of(gamma)
    weight = mean / (1 + alpha * mean)
    information = nuisance.T @ (nuisance * weight[:, None]) + np.diag(precision)
    determinant = np.linalg.slogdet(information)[1] if nuisance.shape[1] else 0.0
    return value - 0.5 * determinant


def integrated(count, size, effect, nuisance, theta, trend, spread, n_nodes=201, precision=None) -> float:
    """log int exp profile(theta, e^x) N(x; trend, spread^2) dx by a fine trapezoid rule over 8 sd."""
    nodes = np.linspace(trend - 8 * spread, trend + 8 * spread, n_nodes)
    values = [profile(count, size, effect, nuisance, theta, np.exp(x), precision) for x in nodes]
    log_density = np.array(values) + stats.norm.logpdf(nodes, trend, spread)
    top = log_density.max()
    return float(top + np.log(np.trapezoid(np.exp(log_density - top), nodes)))
