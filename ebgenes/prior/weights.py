"""Mixture weights that maximise sum_g log (L pi)_g: the solver of choice and its oracle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import nnls

from ebgenes.kernels.jit import map_blocks
from ebgenes.kernels.mixture import weight_derivatives, weight_gradient
from ebgenes.model import FloatArray

TOLERANCE = 1e-8


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Weights:
    """Weights (K,), the path of the log likelihood, and how far from the optimum it ended."""

    weight: FloatArray
    loglik: FloatArray
    certificate: float
    converged: bool


def gradient(likelihood: FloatArray, weight: FloatArray) -> tuple[float, FloatArray]:
    """sum_g log (Lx)_g and mean_g L_gk/(Lx)_g, (K,)."""

    def work(block: slice) -> tuple[float, FloatArray]:
        part = np.zeros(len(weight))
        return weight_gradient(likelihood[block], weight, part), part

    parts = map_blocks(work, len(likelihood))
    return sum(p[0] for p in parts), np.sum([p[1] for p in parts], axis=0) / len(likelihood)


def derivatives(likelihood: FloatArray, weight: FloatArray) -> tuple[float, FloatArray, FloatArray]:
    """sum_g log (Lx)_g, mean_g L_gk/(Lx)_g (K,), mean_g L_gk L_gj/(Lx)_g^2 (K, K)."""

    def work(block: slice) -> tuple[float, FloatArray, FloatArray]:
        first = np.zeros(len(weight))
        second = np.zeros((len(weight), len(weight)))
        return weight_derivatives(likelihood[block], weight, first, second), first, second

    parts = map_blocks(work, len(likelihood))
    n = len(likelihood)
    lower = np.sum([p[2] for p in parts], axis=0) / n
    return sum(p[0] for p in parts), np.sum([p[1] for p in parts], axis=0) / n, lower + np.tril(lower, -1).T


def solve_em(likelihood: FloatArray, start: FloatArray, max_iterations: int = 5000) -> Weights:
    """Expectation-maximisation: monotone, and slow near the optimum.

    Source: Dempster, Laird and Rubin (1977), J. R. Stat. Soc. B 39, 1.
    """
    weight = start
    path = []
    for _ in range(max_iterations):
        loglik, ratio = gradient(likelihood, weight)
        path.append(loglik)
        if ratio.max() - 1 <= TOLERANCE:
            break
        weight = weight * ratio
    return _finish(likelihood, weight, path)


def solve_sqp(likelihood: FloatArray, start: FloatArray, max_iterations: int = 200) -> Weights:
    """Sequential quadratic programming on the simplex, to a certificate of 1e-8.

    Minimises ``-mean log(Lx) + sum x`` over x >= 0, whose optimum sums to 1. Each step solves the
    quadratic model exactly by nonnegative least squares, then searches the line.

    Source: Kim, Carbonetto, Stephens and Anitescu (2020), J. Comput. Graph. Stat. 29, 261.
    """
    weight = start
    path = []
    for _ in range(max_iterations):
        loglik, ratio, hessian = derivatives(likelihood, weight)
        path.append(loglik)
        if ratio.max() - 1 <= TOLERANCE:
            break
        direction = _quadratic_step(hessian, ratio, weight) - weight
        taken = _line_search(likelihood, weight, direction, loglik, 1 - ratio)
        if taken is None:
            break
        weight = taken
    return _finish(likelihood, weight, path)


def _quadratic_step(hessian: FloatArray, ratio: FloatArray, weight: FloatArray) -> FloatArray:
    """argmin over y >= 0 of the quadratic model; the Hessian times the weights is the ratio itself."""
    # A ridge at the size of rounding keeps near-identical components apart.
    ridge = 1e-12 * np.trace(hessian) / len(weight)
    upper = cholesky(hessian + ridge * np.eye(len(weight)))
    linear = 1 - 2 * ratio - ridge * weight
    target = solve_triangular(upper, -linear, trans="T")
    return np.asarray(nnls(upper, target, maxiter=100 * len(weight))[0])


def _line_search(
    likelihood: FloatArray, weight: FloatArray, direction: FloatArray, loglik: float, slope: FloatArray
) -> FloatArray | None:
    """The first of the steps 1, 1/2, 1/4, ... that does not lower the likelihood, scaled to sum to 1."""
    decrease = float(slope @ direction)
    if decrease >= 0:
        return None
    n = len(likelihood)
    length = 1.0
    while length > 1e-10:
        trial = np.maximum(weight + length * direction, 0)
        trial_loglik, _ = gradient(likelihood, trial)
        value = -trial_loglik / n + trial.sum()
        if value <= -loglik / n + weight.sum() + 1e-4 * length * decrease:
            return np.asarray(trial / trial.sum())
        length /= 2
    return None


def _finish(likelihood: FloatArray, weight: FloatArray, path: list[float]) -> Weights:
    loglik, ratio = gradient(likelihood, weight)
    certificate = float(ratio.max() - 1)
    return Weights(
        weight=weight,
        loglik=np.array([*path, loglik]),
        certificate=certificate,
        converged=certificate <= TOLERANCE,
    )


SOLVERS: dict[str, Callable[[FloatArray, FloatArray], Weights]] = {
    "sqp": solve_sqp,
    "em": solve_em,
}
