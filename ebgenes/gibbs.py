"""The third level: draws of the population from its posterior, so that its uncertainty reaches every gene."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib import import_module
from typing import Any

import numpy as np

from ebgenes.errors import InputError, listing
from ebgenes.kernels.gibbs import false_discoveries, run_chain
from ebgenes.kernels.jit import usable_threads
from ebgenes.model import (
    BoolArray,
    ChainState,
    Effects,
    EmFit,
    FloatArray,
    GibbsDraws,
    IntArray,
    MixturePrior,
    Posterior,
)
from ebgenes.posteriors import as_seen, averaged_weights, loglik_matrix, posterior
from ebgenes.prior.fit import MIN_SCALE, SINGLE, fit_weights, in_memory

DRIFTS = 9
"""Scales of the null that are told apart, over the range where its likelihood is within e^-8 of its peak."""

SLABS = 33
"""Scales of a single slab that are told apart, likewise."""

DROP = 8.0
"""Log likelihood below the peak at which a range of scales ends."""

HALF_T = (4.0, 2.0)
"""Degrees of freedom and scale, log2, of the half-t prior of a single slab's scale.

Source: Gelman (2006), Bayesian Anal. 1, 515.
"""

LEAST = 1e-35
"""Likelihoods relative to a gene's largest are not taken to be smaller, so that no gene is impossible."""

CONCENTRATION = 1.0
"""Of the Dirichlet prior of the slabs' shares."""

MOST_VALUES = 200_000_000
CHUNK = 100
"""Sweeps after which a run can be resumed."""

AVERAGED = 1000
"""Draws over which posteriors are averaged, evenly taken."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Planes:
    """Likelihoods under every pair of a scale of the null and, in families with a single slab, its scale.

    Attributes
    ----------
    likelihood
        (C, K, G), each gene's up to a factor, single precision.
    constant
        Sums over genes of the logs of these factors, (C,).
    log_prior
        Of each plane, (C,).
    shape
        Scales of the null and of a single slab: how the C planes lie in a rectangle, (2,).
    null_scale
        Scale of the null, log2, (C,).
    scale
        Scales of the slabs, log2, (C, K - 1).
    null_weight
        The null's share in the best weights under each plane, (C,).
    """

    likelihood: FloatArray
    constant: FloatArray
    log_prior: FloatArray
    shape: IntArray
    null_scale: FloatArray
    scale: FloatArray
    null_weight: FloatArray


def draw_gibbs(
    effects: Effects,
    fit: EmFit,
    *,
    chains: int = 4,
    draws: int = 1000,
    warmup: int = 500,
    seed: int = 1,
    resume: ChainState | None = None,
    save: Callable[[ChainState], None] = lambda state: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> GibbsDraws:
    """Draw the population's parameters from their posterior given all genes.

    Parameters
    ----------
    effects
        G genes, log2.
    fit
        Of `fit_em`, to the same effects: its family, components, mode and stretch stay; where its null's scale was
        estimated that is drawn too.
    chains, draws, warmup
        Chains, sweeps each that are kept, and sweeps before them that are not.
    seed
        Of the counter-based randomness: the same seed gives the same draws, whatever the threads.
    resume
        State of an interrupted run, from which to go on: draws are those of a run without interruption. One of other
        effects, seed or number of chains, or with more sweeps, is left alone.
    save
        Called with the state after every 100 sweeps.
    progress
        Called with the sweeps done, of all chains, and their total.

    Raises
    ------
    InputError
        For a fit with covariates, too few chains or draws, or likelihoods of more than 200 million values.

    Notes
    -----
    P(null) has a uniform prior, the slabs' shares one on their simplex, the null's scale a uniform one, a single slab's
    scale a half-t. A sweep draws each gene's component, the weights given their counts, and the scales by a
    Metropolis step for which the components are integrated out.

    Sources: Diebolt and Robert (1994), J. R. Stat. Soc. B 56, 363; Salmon et al. (2011), SC11 (randomness by counting).
    """
    for name, value, least in (("chains", chains, 2), ("draws", draws, 4), ("warmup", warmup, 0)):
        if value < least:
            raise InputError(f"gibbs.{name} must be at least {least}; found {value}.")
    if fit.prior.null_share is not None:
        raise InputError(
            "prior.fit: gibbs has no covariates yet. Leave out prior.covariates, or use prior.fit: em with them."
        )
    planes = make_planes(effects, fit)
    n_components = planes.likelihood.shape[1]
    sweeps = warmup + draws
    state = _begin(planes, fit, chains, seed)
    if resume is not None and resume.key == state.key and 0 < resume.weight.shape[1] <= sweeps:
        state = resume

    pairs, widths = _exchanges(planes, _inner(fit, n_components))

    def advance(chain: int) -> tuple[FloatArray, IntArray, FloatArray, FloatArray, IntArray]:
        done = state.weight.shape[1]
        n_sweeps = min(CHUNK, sweeps - done)
        weight, plane = state.next_weight[chain].copy(), state.next_plane[chain : chain + 1].copy()
        out = np.empty((n_sweeps, n_components)), np.empty(n_sweeps, dtype=np.int64), np.empty(n_sweeps)
        run_chain(
            planes.likelihood, planes.constant, planes.log_prior, planes.shape, planes.null_weight,
            CONCENTRATION,
            pairs, widths, seed, chain, done, weight, plane, *out,
        )  # fmt: skip
        return *out, weight, plane

    with ThreadPoolExecutor(min(usable_threads(), chains)) as pool:
        while state.weight.shape[1] < sweeps:
            parts = list(pool.map(advance, range(chains)))
            more = [np.stack(each) for each in zip(*parts, strict=True)]
            state = ChainState(
                key=state.key,
                weight=np.concatenate([state.weight, more[0]], axis=1),
                plane=np.concatenate([state.plane, more[1]], axis=1),
                loglik=np.concatenate([state.loglik, more[2]], axis=1),
                next_weight=more[3],
                next_plane=more[4][:, 0],
            )
            save(state)
            progress(chains * state.weight.shape[1], chains * sweeps)
    return _draws(planes, state, fit, warmup, seed)


def _inner(fit: EmFit, n_components: int) -> FloatArray:
    """The fitted weights, a little towards even ones, (K,)."""
    fitted = fit.prior.weight if len(fit.prior.weight) == n_components else np.full(n_components, 1 / n_components)
    return 0.95 * fitted + 0.05 / n_components


def _exchanges(planes: Planes, weight: FloatArray) -> tuple[IntArray, FloatArray]:
    """Pairs of components that may exchange weight, (N, 2), and some three standard deviations of how much, (N,)."""
    likelihood = planes.likelihood[len(planes.likelihood) // 2].astype(np.float64)
    ratio = likelihood / (weight @ likelihood)
    curvature = np.einsum("ig,jg->ij", ratio, ratio)
    every = np.triu_indices(len(weight), 1)
    # Neighbours and the null trade most, and come up most often.
    often = np.where((every[0] == 0) | (every[1] == every[0] + 1), 4, 1)
    pairs = np.repeat(np.column_stack(every), often, axis=0)
    size = np.diag(curvature)[pairs].sum(axis=1) - 2 * curvature[pairs[:, 0], pairs[:, 1]]
    # Rounded: last digits may depend on the library, and draws must not.
    return pairs, np.round(3 / np.sqrt(np.maximum(size, 1.0)), 8)


def _begin(planes: Planes, fit: EmFit, chains: int, seed: int) -> ChainState:
    """Chains that start apart: at weights between the fitted and even ones, and at planes spread over all."""
    n_planes, n_components, _ = planes.likelihood.shape
    toward = np.linspace(0.0, 0.5, chains)[:, None]
    return ChainState(
        key=_digest(planes, chains, seed),
        weight=np.empty((chains, 0, n_components)),
        plane=np.empty((chains, 0), dtype=np.int64),
        loglik=np.empty((chains, 0)),
        next_weight=(1 - toward) * _inner(fit, n_components) + toward / n_components,
        next_plane=np.linspace(0, n_planes - 1, chains).astype(np.int64),
    )


def _digest(planes: Planes, chains: int, seed: int) -> str:
    digest = sha256(f"{seed} {chains} {planes.likelihood.shape}".encode())
    for array in (planes.constant, planes.log_prior, planes.null_scale, planes.scale):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def make_planes(effects: Effects, fit: EmFit) -> Planes:
    """Likelihoods at every scale that is told apart."""
    prior = fit.prior
    known = as_seen(effects, prior)
    drifts = np.array([prior.null_scale])
    if fit.fixed_null is not None and prior.stretch == 1:
        widest = float(np.abs(prior.scale[1:]).min()) if prior.family != "npmle" else MIN_SCALE
        drifts = _range(lambda drift: _height(known, prior, drift), prior.null_scale, 0.0, widest, DRIFTS)
    slabs = prior.scale[None, 1:]
    if prior.family in SINGLE:
        fitted = float(prior.scale[1])
        bounds = np.log(fitted) - 3, np.log(fitted) + 3
        slabs = np.exp(
            _range(lambda x: _height(known, prior, prior.null_scale, np.exp(x)), np.log(fitted), *bounds, SLABS)
        )[:, None]
    n_planes, n_genes = len(drifts) * len(slabs), len(known.gene)
    if n_planes * n_genes * (1 + slabs.shape[1]) > MOST_VALUES:
        raise InputError(
            f"{n_genes} genes have likelihoods of more than {MOST_VALUES:,} values, which prior.fit: gibbs keeps in "
            "memory. Use prior.fit: em, whose plug-in is exact with so many genes."
        )
    likelihood = np.empty((n_planes, 1 + slabs.shape[1], n_genes), dtype=np.float32)
    constant, null_weight = np.empty((2, n_planes))
    place = [(i, j) for i in range(len(drifts)) for j in range(len(slabs))]
    for c, (i, j) in enumerate(place):
        scales = np.concatenate([drifts[[i]], slabs[j]])
        loglik = loglik_matrix(known, scales, prior.family)
        top = loglik.max(axis=1)
        likelihood[c] = np.maximum(np.exp(loglik - top[:, None]), LEAST).T
        constant[c] = top.sum()
        null_weight[c] = fit_weights(in_memory(loglik), scales, prior.family, near=prior.weight).prior.pi0
    log_prior = np.zeros(n_planes)
    if prior.family in SINGLE:
        # Even steps of the log scale stand for as much of the scale as it is large.
        df, unit = HALF_T
        width = np.array([slabs[j, 0] for _, j in place])
        log_prior = -(df + 1) / 2 * np.log1p((width / unit) ** 2 / df) + np.log(width)
    return Planes(
        likelihood=likelihood,
        constant=constant,
        log_prior=np.asarray(log_prior, dtype=float),
        shape=np.array([len(drifts), len(slabs)]),
        null_scale=np.array([drifts[i] for i, _ in place]),
        scale=np.array([slabs[j] for _, j in place]),
        # Rounded: last digits may depend on the library, and draws must not.
        null_weight=np.round(null_weight, 6),
    )


def _height(effects: Effects, prior: MixturePrior, drift: float, slab: float | None = None) -> float:
    """Log likelihood at other scales, weights as fitted."""
    scale = prior.scale.copy()
    scale[0] = drift
    if slab is not None:
        scale[1] = slab
    loglik = loglik_matrix(effects, scale, prior.family)
    top = loglik.max(axis=1)
    weight = np.maximum(prior.weight, 1e-6)
    return float(np.sum(np.log(np.exp(loglik - top[:, None]) @ (weight / weight.sum())) + top))


def _range(height: Callable[[float], float], peak: float, low: float, high: float, n_values: int) -> FloatArray:
    """Even values around a peak, as far as the height is within `DROP` of it, as bisection finds."""
    top = height(peak)
    ends: list[float] = []
    for end in (low, high):
        inside, outside = peak, end
        if height(end) < top - DROP:
            for _ in range(12):
                middle = (inside + outside) / 2
                inside, outside = (middle, outside) if height(middle) > top - DROP else (inside, middle)
        ends.append(outside)
    if ends[1] - ends[0] < 1e-9:
        return np.array([peak])
    return np.linspace(ends[0], ends[1], n_values)


def _draws(planes: Planes, state: ChainState, fit: EmFit, warmup: int, seed: int) -> GibbsDraws:
    chains, sweeps, n_components = state.weight.shape
    n_kept = sweeps - warmup
    plane = state.plane[:, warmup:].reshape(-1)
    weight = state.weight[:, warmup:].reshape(-1, n_components)
    mean = weight.mean(axis=0)
    scale = np.concatenate([[planes.null_scale[plane].mean()], planes.scale[plane].mean(axis=0)])
    return GibbsDraws(
        weight=weight,
        null_scale=planes.null_scale[plane],
        scale=planes.scale[plane],
        loglik=state.loglik[:, warmup:].reshape(-1),
        chain=np.repeat(np.arange(chains), n_kept),
        sweep=np.tile(np.arange(warmup, sweeps), chains),
        seed=seed,
        prior=replace(fit.prior, weight=mean / mean.sum(), scale=scale),
    )


def full_posterior(effects: Effects, draws: GibbsDraws, *, interval: float = 0.95, threshold: float = 0.0) -> Posterior:
    """Posteriors averaged over draws, so that they carry what is unknown of the population.

    Parameters
    ----------
    effects
        G genes, log2.
    draws
        Of `draw_gibbs`, for the same genes; at most 1,000, evenly taken, are used.
    interval, threshold
        As `ebgenes.posterior` takes them.

    Notes
    -----
    Means, variances and probabilities are averages. Under each scale of the null intervals are those of the averaged
    distribution; over scales of the null their ends are averaged.
    """
    parts: list[tuple[float, Posterior]] = []
    step = -(-len(draws.weight) // AVERAGED)
    weight, null_scale, slab = draws.weight[::step], draws.null_scale[::step], draws.scale[::step]
    seen = as_seen(effects, draws.prior)
    for drift in np.unique(null_scale):
        own = null_scale == drift
        scale, weights = _components(draws.prior.family, float(drift), slab[own], weight[own])
        loglik = loglik_matrix(seen, scale, draws.prior.family)
        gene_weight = averaged_weights(np.exp(loglik - loglik.max(axis=1, keepdims=True)), weights)
        prior = replace(draws.prior, scale=scale, weight=np.full(len(scale), 1 / len(scale)))
        known = posterior(effects, prior, interval=interval, threshold=threshold, weight=gene_weight)
        parts.append((float(own.mean()), known))

    def mean(name: str) -> FloatArray:
        return np.asarray(sum(share * getattr(part, name) for share, part in parts))

    center = mean("mean")
    square = sum(share * (part.sd**2 + (part.mean - center) ** 2) for share, part in parts)
    averages: dict[str, Any] = {name: mean(name) for name in ("lower", "upper", "lfdr", "lfsr", "up", "down")}
    return replace(parts[0][1], mean=center, sd=np.sqrt(square), **averages)


def _components(family: str, drift: float, slab: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Scales of all components that draws have, (K,), and the draws' weights of them, (D, K)."""
    if family not in SINGLE:
        return np.concatenate([[drift], slab[0]]), weight
    scales, which = np.unique(slab[:, 0], return_inverse=True)
    weights = np.zeros((len(weight), 1 + len(scales)))
    weights[:, 0] = weight[:, 0]
    weights[np.arange(len(weight)), 1 + which] = weight[:, 1]
    return np.concatenate([[drift], scales]), weights


def list_discoveries(effects: Effects, fit: EmFit, draws: GibbsDraws, chosen: BoolArray) -> FloatArray:
    """The false discovery proportion of a list of genes in each draw, (D,): its posterior.

    Parameters
    ----------
    effects, fit, draws
        As `draw_gibbs` had and gave them.
    chosen
        Which genes are on the list, (G,).
    """
    planes = make_planes(effects, fit)
    place = {(a, tuple(b)): c for c, (a, b) in enumerate(zip(planes.null_scale, planes.scale.tolist(), strict=True))}
    plane = np.array([place[a, tuple(b)] for a, b in zip(draws.null_scale, draws.scale.tolist(), strict=True)])
    out = np.empty(len(draws.weight))
    false_discoveries(
        planes.likelihood, np.array(draws.weight), plane, np.flatnonzero(chosen), draws.seed, np.array(draws.chain),
        np.array(draws.sweep), out,
    )  # fmt: skip
    return out / max(int(chosen.sum()), 1)


def diagnose(draws: GibbsDraws) -> dict[str, dict[str, float]]:
    """Rank-normalised R-hat and effective sample sizes of what describes the population.

    Of pi0, the null's scale, the root mean square of real effects (slabs' own scale) and the log likelihood, as
    ``{name: {mean, sd, rhat, ess_bulk, ess_tail}}``; what does not vary is left out.

    Source: Vehtari, Gelman, Simpson, Carpenter and Buerkner (2021), Bayesian Anal. 16, 667.
    """
    # Untyped, and slow to import: what does not draw does not load it.
    array_stats: Any = import_module("arviz_stats.base").array_stats

    chains = int(draws.chain.max()) + 1
    found = {}
    for name, values in traces(draws).items():
        if np.ptp(values) < 1e-12 * max(float(np.abs(values).max()), 1e-300):
            continue
        by_chain = values.reshape(chains, -1)
        found[name] = {
            "mean": float(values.mean()),
            "sd": float(values.std(ddof=1)),
            "rhat": float(array_stats.rhat(by_chain)),
            "ess_bulk": float(array_stats.ess(by_chain, method="bulk")),
            "ess_tail": float(array_stats.ess(by_chain, method="tail", prob=(0.05, 0.95))),
        }
    return found


def traces(draws: GibbsDraws) -> dict[str, FloatArray]:
    """What describes the population, in each draw, (D,)."""
    changed = draws.weight[:, 1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt(np.sum(changed * draws.scale**2, axis=1) / changed.sum(axis=1))
    return {
        "pi0": draws.weight[:, 0],
        "null_scale": draws.null_scale,
        "slab_scale": np.nan_to_num(spread),
        "loglik": draws.loglik,
    }


LARGEST_RHAT = 1.01
FEWEST_ESS = 400.0
"""Draws that are good enough (Vehtari et al. 2021)."""


def convergence_caution(diagnosis: dict[str, dict[str, float]]) -> str | None:
    """What to say where chains have not converged, or None."""
    bad = [
        f"{name} (R-hat {each['rhat']:.3f}, effective draws {min(each['ess_bulk'], each['ess_tail']):.0f})"
        for name, each in diagnosis.items()
        if not (each["rhat"] < LARGEST_RHAT and min(each["ess_bulk"], each["ess_tail"]) > FEWEST_ESS)
    ]
    if not bad:
        return None
    return (
        f"The Gibbs sampler has not converged for {listing(bad)}, where R-hat below {LARGEST_RHAT} and "
        f"{FEWEST_ESS:.0f} effective draws are asked for: do not rely on its numbers. Ask for more draws and warmup "
        "(gibbs: in the config)."
    )
