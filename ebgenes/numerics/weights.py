"""Mixture weights that maximise sum_g log (L x)_g + sum_k penalty_k log x_k: the solver of choice and its oracles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import nnls

from ebgenes.arrays import FloatArray, IntArray
from ebgenes.numerics.jit import map_blocks
from ebgenes.numerics.mixture import weight_derivatives

TOLERANCE = 1e-8

MANY_COMPONENTS = 40
"""Components with weight that a start may have."""

STEEP = 100.0
"""Gradients, over those at the optimum, up to which a quadratic model is of use."""

MANY_ROWS = 10_000
THIN = 10
SPARE = 1e-3
"""Of more rows, every tenth is solved for before all are, which leaves few steps; components that had no weight get
some back."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Likelihood:
    """Likelihoods of G genes under K components, a block of genes at a time.

    Attributes
    ----------
    shape
        G and K.
    block
        From a slice of genes to their likelihoods (B, K), each row up to a factor of its own that keeps it in
        range, and the sum of the logs of these factors.
    """

    shape: tuple[int, int]
    block: Callable[[slice], tuple[FloatArray, float]]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Weights:
    """Weights (K,), the path of the penalised log likelihood, and how far from the optimum it ended.

    ``certificate`` is max_k (sum_g L_gk/(Lx)_g + penalty_k/x_k) / (G + sum penalty) - 1. No weights have an
    objective larger by more than (G + sum penalty) certificate.
    """

    weight: FloatArray
    loglik: FloatArray
    certificate: float
    converged: bool


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """Objective, its gradient over what it is at the optimum (K,), and Hessian of `active` components (A, A)."""

    value: float
    ratio: FloatArray
    active: IntArray
    hessian: FloatArray

    @property
    def certificate(self) -> float:
        return float(self.ratio.max() - 1)


def derivatives(
    likelihood: Likelihood, weight: FloatArray, penalty: FloatArray | None = None, active: IntArray | None = None
) -> _State:
    """Everything the solvers ask at given weights, in one pass over the genes.

    A penalty counts as so many further genes that only its component can have made.
    """
    n_genes, n_components = likelihood.shape
    active = np.arange(n_components) if active is None else active
    penalty = np.zeros(n_components) if penalty is None else penalty

    def work(block: slice) -> tuple[float, FloatArray, FloatArray]:
        first, second = np.zeros(n_components), np.zeros((len(active), len(active)))
        rows, factors = likelihood.block(block)
        return weight_derivatives(rows, weight, active, first, second) + factors, first, second

    parts = map_blocks(work, n_genes)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = sum(part[0] for part in parts) + float(np.sum(penalty[penalty > 0] * np.log(weight[penalty > 0])))
        pull = np.where(penalty > 0, penalty / weight, 0.0)
        bend = np.where(penalty > 0, pull / weight, 0.0)
    total = n_genes + penalty.sum()
    ratio = (np.sum([part[1] for part in parts], axis=0) + pull) / total
    lower = np.sum([part[2] for part in parts], axis=0)
    hessian = (lower + np.tril(lower, -1).T + np.diag(bend[active])) / total
    return _State(float(value), ratio, active, hessian)


def solve_sqp(
    likelihood: Likelihood, start: FloatArray, penalty: FloatArray | None = None, max_iterations: int = 200
) -> Weights:
    """Sequential quadratic programming on the simplex with an active set, to a certificate of 1e-8.

    Minimises ``-mean log(Lx) + sum x`` over x >= 0, whose optimum sums to 1. Each step solves the quadratic model
    exactly by nonnegative least squares, over the components that have weight or whose gradient peaks above 1,
    and is halved until the likelihood rises.

    Sources: Kim, Carbonetto, Stephens and Anitescu (2020), J. Comput. Graph. Stat. 29, 261; Wang (2007), J. R.
    Stat. Soc. B 69, 185 (peaks of the gradient).
    """
    weight = _sparse(start, penalty)
    if likelihood.shape[0] > MANY_ROWS:
        lighter = None if penalty is None else penalty / THIN
        few = solve_sqp(_thinned(likelihood, THIN), weight, lighter, max_iterations).weight
        # A gene that is like none of the few needs some weight on what describes it.
        weight = (1 - SPARE) * few + SPARE / len(few)
    state = derivatives(likelihood, weight, penalty, _active(weight, None))
    path = [state.value]
    for _ in range(max_iterations):
        if state.certificate <= TOLERANCE:
            break
        found = _step(likelihood, weight, penalty, state)
        if found is None:
            break
        weight, state = found
        path.append(state.value)
    return _finished(weight, path, state)


def _sparse(start: FloatArray, penalty: FloatArray | None) -> FloatArray:
    """A start with weight on few components, of which the solver finds its way to the others."""
    if np.count_nonzero(start) <= MANY_COMPONENTS:
        return start
    kept = np.zeros(len(start))
    every = -(-len(start) // MANY_COMPONENTS)
    kept[::every] = start[::every]
    if penalty is not None:
        kept[penalty > 0] = start[penalty > 0]
    return np.asarray(kept / kept.sum())


def _thinned(likelihood: Likelihood, step: int) -> Likelihood:
    def block(part: slice) -> tuple[FloatArray, float]:
        return likelihood.block(slice(part.start * step, part.stop * step, step * (part.step or 1)))

    return Likelihood(shape=(likelihood.shape[0] // step, likelihood.shape[1]), block=block)


def _active(weight: FloatArray, ratio: FloatArray | None) -> IntArray:
    """Components with weight, and those where the gradient peaks above 1."""
    asking = np.zeros(len(weight), dtype=bool)
    if ratio is not None:
        beside = np.concatenate([[-np.inf], ratio, [-np.inf]])
        asking = (ratio > 1) & (ratio >= beside[:-2]) & (ratio >= beside[2:])
    return np.flatnonzero((weight > 0) | asking)


def _step(
    likelihood: Likelihood, weight: FloatArray, penalty: FloatArray | None, state: _State
) -> tuple[FloatArray, _State] | None:
    """A step that raises the objective; None where there is none.

    That of the quadratic model; where rounding leaves it none, one towards the component that gains most.
    """
    direction = np.zeros(len(weight))
    direction[state.active] = _quadratic_step(state, weight) - weight[state.active]
    best = int(np.argmax(state.ratio))
    steepest = -weight
    steepest[best] += 1
    return _along(likelihood, weight, penalty, state, direction) or _along(likelihood, weight, penalty, state, steepest)


def _along(
    likelihood: Likelihood, weight: FloatArray, penalty: FloatArray | None, state: _State, direction: FloatArray
) -> tuple[FloatArray, _State] | None:
    """The first of the steps 1, 1/2, 1/4, ... that raises the objective enough; None where there is none."""
    total = likelihood.shape[0] + (0.0 if penalty is None else float(penalty.sum()))
    # Minus the slope of mean log(Lx) - sum x; the ratio is the gradient of its first part.
    gain = float((state.ratio - 1) @ direction)
    length = 1.0 if gain > 0 else 0.0
    while length > 1e-10:
        trial = np.maximum(weight + length * direction, 0)
        trial /= trial.sum()
        reached = derivatives(likelihood, trial, penalty, _active(trial, state.ratio))
        # A gene whose only component has lost its weight costs little and leaves derivatives without measure.
        if reached.ratio.max() > max(STEEP, 4 * state.ratio.max()):
            length /= 2
            continue
        if reached.value >= state.value + 1e-4 * length * gain * total:
            return trial, reached
        # At the end of the road rounding hides what is gained; a better certificate shows it.
        if length == 1.0 and gain * total < 1e-9 * abs(state.value) and reached.certificate < state.certificate:
            return trial, reached
        length /= 2
    return None


def _quadratic_step(state: _State, weight: FloatArray) -> FloatArray:
    """argmin over y >= 0 of the quadratic model; the Hessian times the weights is the ratio itself."""
    # A ridge at the size of rounding keeps near-identical components apart.
    n_active = len(state.active)
    ridge = 1e-12 * np.trace(state.hessian) / n_active
    upper = cholesky(state.hessian + ridge * np.eye(n_active))
    linear = 1 - 2 * state.ratio[state.active] - ridge * weight[state.active]
    target = solve_triangular(upper, -linear, trans="T")
    return np.asarray(nnls(upper, target, maxiter=100 * n_active)[0])


def solve_em(
    likelihood: Likelihood, start: FloatArray, penalty: FloatArray | None = None, max_iterations: int = 5000
) -> Weights:
    """Expectation-maximisation: monotone, and slow near the optimum.

    Source: Dempster, Laird and Rubin (1977), J. R. Stat. Soc. B 39, 1.
    """
    none = np.arange(0)
    weight = start
    state = derivatives(likelihood, weight, penalty, none)
    path = [state.value]
    for _ in range(max_iterations):
        if state.certificate <= TOLERANCE:
            break
        weight = _em_step(weight, state)
        state = derivatives(likelihood, weight, penalty, none)
        path.append(state.value)
    return _finished(weight, path, state)


def _em_step(weight: FloatArray, state: _State) -> FloatArray:
    moved = np.where(weight > 0, weight * state.ratio, 0.0)
    return np.asarray(moved / moved.sum())


def solve_squarem(
    likelihood: Likelihood, start: FloatArray, penalty: FloatArray | None = None, max_iterations: int = 2000
) -> Weights:
    """EM with squared extrapolation, taken back where it would lower the likelihood.

    Source: Varadhan and Roland (2008), Scand. J. Stat. 35, 335, scheme S3.
    """
    none = np.arange(0)
    weight = start
    state = derivatives(likelihood, weight, penalty, none)
    path = [state.value]
    for _ in range(max_iterations):
        if state.certificate <= TOLERANCE:
            break
        once = _em_step(weight, state)
        twice = _em_step(once, derivatives(likelihood, once, penalty, none))
        first, second = once - weight, twice - 2 * once + weight
        length = -float(np.linalg.norm(first)) / max(float(np.linalg.norm(second)), 1e-300)
        further = np.maximum(weight - 2 * length * first + length**2 * second, 0)
        following = twice
        reached = derivatives(likelihood, twice, penalty, none)
        # What has lost its weight altogether could not come back.
        further = np.where(twice > 0, np.maximum(further, 1e-3 * twice), 0.0)
        further /= further.sum()
        tried = derivatives(likelihood, further, penalty, none)
        if tried.value >= reached.value:
            following, reached = further, tried
        weight, state = following, reached
        path.append(state.value)
    return _finished(weight, path, state)


def _finished(weight: FloatArray, path: list[float], state: _State) -> Weights:
    certificate = state.certificate
    return Weights(weight=weight, loglik=np.array(path), certificate=certificate, converged=certificate <= TOLERANCE)


Solver = Callable[[Likelihood, FloatArray, "FloatArray | None"], Weights]

SOLVERS: dict[str, Solver] = {"sqp": solve_sqp, "em": solve_em, "squarem": solve_squarem}


def in_memory(loglik: FloatArray) -> Likelihood:
    """Log likelihoods (G, K) in memory as the solvers take them."""
    top = loglik.max(axis=1)
    matrix = np.exp(loglik - top[:, None])
    return Likelihood(
        shape=(matrix.shape[0], matrix.shape[1]), block=lambda block: (matrix[block], float(top[block].sum()))
    )


def in_blocks(rows: Callable[[slice], FloatArray], shape: tuple[int, int]) -> Likelihood:
    """The same, (G, K) = shape, of which `rows` makes blocks of genes each time they are asked for."""

    def block(genes: slice) -> tuple[FloatArray, float]:
        loglik = rows(genes)
        top = loglik.max(axis=1)
        return np.exp(loglik - top[:, None]), float(top.sum())

    return Likelihood(shape=shape, block=block)


def best_weights(
    likelihood: Likelihood, solver: str = "sqp", near: FloatArray | None = None, null_weight: float = 1.0
) -> Weights:
    """The best weights at given likelihoods of the components, the first of which is the null."""
    n_components = likelihood.shape[1]
    even = np.full(n_components, 1 / n_components)
    start = even if near is None else 0.99 * near + 0.01 * even
    penalty = None
    if null_weight > 1:
        penalty = np.zeros(n_components)
        penalty[0] = null_weight - 1
    return SOLVERS[solver](likelihood, start, penalty)
