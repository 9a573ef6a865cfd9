"""The third level: draws of the population from its posterior, so that its uncertainty reaches every gene."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from importlib import import_module
from typing import Any

import numpy as np
from scipy import special

from ebgenes.arrays import FloatArray, IntArray
from ebgenes.errors import InputError, listing
from ebgenes.numerics.gibbs import run_chain
from ebgenes.numerics.jit import usable_threads
from ebgenes.numerics.weights import in_memory
from ebgenes.prior.covariates import DOUBT, DOUBT_SPREAD, Covariates, LogPrior, log_coefficient_prior, with_share
from ebgenes.prior.families import family_of
from ebgenes.prior.fit import NULL_WEIGHT, fit_weights
from ebgenes.prior.likelihoods import component_likelihoods, to_prior_scale
from ebgenes.prior.refit import free_slabs
from ebgenes.prior.representatives import Representatives, represent
from ebgenes.prior.units import as_fold_changes, multiplied, multiplied_draws
from ebgenes.records.effects import Effects
from ebgenes.records.prior import ChainState, EmFit, GibbsDraws, MixturePrior

SLABS = 33
"""Scales of a single slab that are told apart, over the range where its likelihood is within e^-8 of its peak."""


DROP = 8.0
"""Log likelihood below the peak at which a range of scales ends."""


HALF_T = (4.0, 2.0)
"""Degrees of freedom and scale, log2 over the range of the data, of the half-t prior of a single slab's scale.

Source: Gelman (2006), Bayesian Anal. 1, 515.
"""


LEAST = 1e-35
"""Likelihoods relative to a gene's largest are not taken to be smaller, so that no gene is impossible."""


STEPS_AT_LEAST, STEPS_A_SHARE = 80, 8
"""Steps of a sweep on the surrogate: some, and so many more for each parameter."""


PILOT = 20
"""Sweeps on the surrogate alone before the first."""


MOST_VALUES = 200_000_000


CHUNK = 100
"""Sweeps after which a run can be resumed."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ScaleGrid:
    """The model that is drawn from: likelihoods under every pair of a scale of the null and, in families with a single
    slab, its scale; and what tells genes apart.

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
    null_sd
        Scale of the null, log2, (C,).
    scale
        Scales of the slabs, log2, (C, K - 1).
    design
        Columns of the log odds of being changed, the first of ones, (P, G).
    coefficient_prior
        Center, spread, doubt and spread in doubt of each coefficient, (P, 4); a spread of 0 stands for a share of null
        genes that is Beta(1 + center, 1).
    start
        Coefficients and shares of the slabs near which the search for the middle starts, (P + K - 1,).
    """

    likelihood: FloatArray
    constant: FloatArray
    log_prior: FloatArray
    shape: IntArray
    null_sd: FloatArray
    scale: FloatArray
    design: FloatArray
    coefficient_prior: FloatArray
    start: FloatArray

    @property
    def log_coefficient_prior(self) -> LogPrior:
        """Log density of the coefficients' prior with its slope and a bound of its curvature."""
        center, spread, doubt, _ = self.coefficient_prior.T
        if spread[0] == 0:
            return partial(_log_share_prior, float(center[0]))
        return log_coefficient_prior(center, spread, doubt > 0)


def _log_share_prior(more: float, coefficient: FloatArray) -> tuple[float, FloatArray, FloatArray]:
    """Of the log odds of being changed where the share of null genes is Beta(1 + more, 1)."""
    share = special.expit(coefficient)
    density = float(np.sum(special.log_expit(coefficient) + (1 + more) * special.log_expit(-coefficient)))
    return density, 1 - (2 + more) * share, (2 + more) * share * (1 - share)


def draw_gibbs(
    effects: Effects,
    fit: EmFit,
    *,
    covariates: Covariates | None = None,
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
    covariates
        Those of the fit, where it has some: their coefficients are drawn too. Unlike the fit's, gene's own data are not
        left out, as its likelihood in a joint model enters once.
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
        For too few chains or draws, covariates other than the fit's, or likelihoods of more than 200 million values.

    Notes
    -----
    Genes' components are summed out. P(null) has a uniform prior, or the log odds of being changed have that of the
    covariates; the slabs' shares are uniform on their simplex, a single slab's scale is half-t, and the null's scales
    are about as probable as the fit has them; where it was estimated P(null) is Beta(4, 1) instead. A
    sweep takes many steps on a likelihood of 64 weighted representatives, each slice sampling along a line or a
    Metropolis step of a scale, and accepts them together by what the likelihood of all genes says beside it.

    Sources: Liu (2001), Monte Carlo Strategies in Scientific Computing, 9.4.3 (surrogate transitions); Neal (2003),
    Ann. Stat. 31, 705; Salmon et al. (2011), SC11 (randomness by counting).
    """
    for name, value, least in (("chains", chains, 2), ("draws", draws, 4), ("warmup", warmup, 0)):
        if value < least:
            raise InputError(f"gibbs.{name} must be at least {least}; found {value}.")
    if (fit.prior.null_share is None) != (covariates is None):
        raise InputError("draws take the covariates that the prior was fitted with, no others and not without.")
    n_genes, usual, told = len(effects.gene), effects.usual_unit, effects.told_unit
    if usual != 1:
        effects, fit = as_fold_changes(effects), multiplied(fit, usual, 1.0, n_genes)
    scale_grid = make_scale_grid(effects, fit, covariates)
    sweeps = warmup + draws
    key = _digest(scale_grid, chains, seed)
    base, log_prior = scale_grid.constant + scale_grid.log_prior, scale_grid.log_coefficient_prior
    representatives, lines = represent(scale_grid.likelihood, base, scale_grid.design, log_prior, scale_grid.start)
    n_steps = STEPS_AT_LEAST + STEPS_A_SHARE * len(scale_grid.start)

    def advance(chain: int, state: ChainState, n_sweeps: int, first: int, exact: int) -> tuple[Any, ...]:
        place, plane = state.next_state[chain].copy(), state.next_plane[chain : chain + 1].copy()
        out = np.empty((n_sweeps, len(place))), np.empty(n_sweeps, dtype=np.int64), np.empty(n_sweeps)
        run_chain(
            scale_grid.likelihood, scale_grid.constant, scale_grid.log_prior, scale_grid.shape, scale_grid.design,
            scale_grid.coefficient_prior, representatives.arrays(), lines, n_steps, exact, seed, chain, first, place,
            plane, *out,
        )  # fmt: skip
        return *out, place, plane

    with ThreadPoolExecutor(min(usable_threads(), chains)) as pool:

        def onward(state: ChainState, n_sweeps: int, first: int, exact: int) -> ChainState:
            parts = list(pool.map(lambda chain: advance(chain, state, n_sweeps, first, exact), range(chains)))
            place, plane, loglik, next_state, next_plane = (np.stack(each) for each in zip(*parts, strict=True))
            return ChainState(
                key=key,
                state=np.concatenate([state.state, place], axis=1),
                plane=np.concatenate([state.plane, plane], axis=1),
                loglik=np.concatenate([state.loglik, loglik], axis=1),
                next_state=next_state,
                next_plane=next_plane[:, 0],
            )

        if resume is not None and resume.key == key and 0 < resume.state.shape[1] <= sweeps:
            state = resume
        else:
            # Far from the middle the surrogate is no guide to the likelihood: chains first follow it alone.
            state = _begin(representatives, lines, chains)
            state = replace(state, **_next(onward(state, PILOT, sweeps, 0)))
        while state.state.shape[1] < sweeps:
            done = state.state.shape[1]
            state = onward(state, min(CHUNK, sweeps - done), done, 1)
            save(state)
            progress(chains * state.state.shape[1], chains * sweeps)
    drawn = _draws(scale_grid, state, fit, warmup, seed)
    return drawn if usual == 1 else multiplied_draws(drawn, 1 / usual, told, n_genes)


def _next(state: ChainState) -> dict[str, Any]:
    return {"next_state": state.next_state, "next_plane": state.next_plane}


def _begin(representatives: Representatives, lines: FloatArray, chains: int) -> ChainState:
    """Chains that start apart: three standard deviations from the centers of planes spread over all, or half the way to
    where a share would be negative."""
    plane = np.linspace(0, len(representatives.center) - 1, chains).astype(np.int64)
    start = representatives.center[plane]
    n_columns = len(representatives.design)
    for chain, place in enumerate(start):
        step = lines[chain % len(lines)] * (-1) ** chain
        falling = step[n_columns:] < 0
        room = np.min(-place[n_columns:][falling] / step[n_columns:][falling], initial=2.0)
        place += min(1.0, 0.5 * room) * step
    return ChainState(
        key="",
        state=np.empty((chains, 0, start.shape[1])),
        plane=np.empty((chains, 0), dtype=np.int64),
        loglik=np.empty((chains, 0)),
        next_state=start,
        next_plane=plane,
    )


def _digest(scale_grid: ScaleGrid, chains: int, seed: int) -> str:
    digest = sha256(f"{seed} {chains} {scale_grid.likelihood.shape}".encode())
    parts = (
        scale_grid.constant,
        scale_grid.log_prior,
        scale_grid.null_sd,
        scale_grid.scale,
        scale_grid.design,
        scale_grid.coefficient_prior,
    )
    for array in parts:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def make_scale_grid(effects: Effects, fit: EmFit, covariates: Covariates | None = None) -> ScaleGrid:
    """Likelihoods at every scale that is told apart."""
    prior = fit.prior
    known = to_prior_scale(effects, prior)
    likelihoods = component_likelihoods(known, prior.family)
    null_sds, log_null_sd = _null_sds(fit)
    slabs = prior.scale[None, 1:]
    if family_of(prior.family).single:
        fitted = float(prior.scale[1])
        bounds = np.log(fitted) - 3, np.log(fitted) + 3
        at = partial(_height, likelihoods, prior, prior.null_sd)
        slabs = np.exp(_range(lambda x: at(np.exp(x)), np.log(fitted), *bounds, SLABS))[:, None]
    n_planes, n_genes = len(null_sds) * len(slabs), len(known.gene)
    if n_planes * n_genes * (1 + slabs.shape[1]) > MOST_VALUES:
        raise InputError(
            f"{n_genes} genes have likelihoods of more than {MOST_VALUES:,} values, which prior.fit: gibbs keeps in "
            "memory. Use prior.fit: em, whose plug-in is exact with so many genes."
        )
    likelihood = np.empty((n_planes, 1 + slabs.shape[1], n_genes), dtype=np.float32)
    constant = np.empty(n_planes)
    place = [(i, j) for i in range(len(null_sds)) for j in range(len(slabs))]
    for i, null_sd in enumerate(null_sds):
        # Slabs of all planes with one scale of the null are found together.
        every = likelihoods(np.concatenate([[null_sd], slabs.reshape(-1)]), None)
        for j in range(len(slabs)):
            loglik = every[:, [0, *range(1 + j * slabs.shape[1], 1 + (j + 1) * slabs.shape[1])]]
            top = loglik.max(axis=1)
            c = i * len(slabs) + j
            likelihood[c] = np.maximum(np.exp(loglik - top[:, None]), LEAST).T
            constant[c] = top.sum()
    log_prior = np.array([log_null_sd[i] for i, _ in place])
    if family_of(prior.family).single:
        # Even steps of the log scale stand for as much of the scale as it is large.
        df, unit = HALF_T
        width = np.array([slabs[j, 0] for _, j in place])
        log_prior += -(df + 1) / 2 * np.log1p((width / unit) ** 2 / df) + np.log(width)
    design, coefficient_prior = np.ones((1, n_genes)), np.zeros((1, 4))
    if fit.null_sd_prior is not None:
        coefficient_prior[0, 0] = NULL_WEIGHT - 1
    if covariates is not None:
        if fit.null_sd_prior is not None and fit.without_covariates is not None:
            covariates = with_share(covariates, fit.without_covariates.prior.pi0)
        design = np.ascontiguousarray(covariates.matrix.T)
        doubt = np.where(covariates.doubtful, DOUBT, 0.0)
        coefficient_prior = np.column_stack(
            [covariates.center, covariates.spread, doubt, np.full(len(doubt), DOUBT_SPREAD)]
        )
    return ScaleGrid(
        likelihood=likelihood,
        constant=constant,
        log_prior=np.asarray(log_prior, dtype=float),
        shape=np.array([len(null_sds), len(slabs)]),
        null_sd=np.array([null_sds[i] for i, _ in place]),
        scale=np.array([slabs[j] for _, j in place]),
        design=design,
        coefficient_prior=coefficient_prior,
        start=_start(fit, len(design)),
    )


def _null_sds(fit: EmFit) -> tuple[FloatArray, FloatArray]:
    """Scales of the null that are likely, ascending, (J,), and log priors that make them as probable as in the fit.

    Whether a null is wide or small effects are everywhere, draws cannot tell better than the fit: they add what is
    unknown of the shares at each scale. What room the shares have differs a little between scales, and so do the
    probabilities that come out.
    """
    nulls = fit.prior.nulls
    if nulls is None or fit.prior.likelihood_scale != 1:
        return np.array([fit.prior.null_sd]), np.zeros(1)
    groups = nulls.by_scale()
    log_prior = np.array([np.log(nulls.probability[rows].sum()) - nulls.evidence[rows[0]] for _, rows in groups])
    return np.array([null_sd for null_sd, _ in groups]), log_prior - log_prior.max()


def _start(fit: EmFit, n_columns: int) -> FloatArray:
    """The fitted coefficients, or the log odds of being changed, and the slabs' shares, a little towards even ones."""
    slabs = free_slabs(fit.prior)
    coefficient = np.zeros(n_columns)
    coefficient[0] = special.logit(np.clip(1 - fit.prior.pi0, 0.01, 0.99))
    if fit.odds is not None:
        coefficient = fit.odds.coefficient
    return np.concatenate([coefficient, 0.95 * slabs + 0.05 / len(slabs)])


def _height(
    likelihoods: Callable[[FloatArray, slice | None], FloatArray],
    prior: MixturePrior,
    null_sd: float,
    slab: float | None,
) -> float:
    """Log likelihood at other scales, with the best weights there; covariates apart."""
    scale = prior.scale.copy()
    scale[0] = null_sd
    if slab is not None:
        scale[1] = slab
    found = fit_weights(in_memory(likelihoods(scale, None)), scale, prior.family, near=prior.weight)
    return float(found.loglik[-1])


def _range(height: Callable[[float], float], peak: float, low: float, high: float, n_values: int) -> FloatArray:
    """Even values around a peak, about as far as the height is within `DROP` of it; it falls like a parabola."""
    top = height(peak)
    ends: list[float] = []
    for end in (low, high):
        reach, least, most = end - peak, 0.0, 1.0
        part = 1.0
        for _ in range(12):
            drop = top - height(peak + part * reach) if reach else 0.0
            least, most = (part, most) if drop < DROP else (least, part)
            if drop < 1.5 * DROP and (part == 1 or drop > 0.8 * DROP):
                break
            part = float(np.clip(part * np.sqrt(DROP / max(drop, 1e-3)), least, most))
            part = part if least < part < most else (least + most) / 2
        # Rounded: last digits may depend on the library, and draws must not.
        ends.append(round(peak + part * reach, 9))
    if ends[1] - ends[0] < 1e-9:
        return np.array([peak])
    return np.linspace(ends[0], ends[1], n_values)


def _draws(scale_grid: ScaleGrid, state: ChainState, fit: EmFit, warmup: int, seed: int) -> GibbsDraws:
    chains, sweeps, n_parameters = state.state.shape
    n_columns = len(scale_grid.design)
    n_kept = sweeps - warmup
    plane = state.plane[:, warmup:].reshape(-1)
    kept = state.state[:, warmup:].reshape(-1, n_parameters)
    coefficient, slab = kept[:, :n_columns], kept[:, n_columns:]
    share, null_share = special.expit(-coefficient[:, 0]), None
    if n_columns > 1:
        share, null_share = np.empty(len(kept)), np.zeros(scale_grid.design.shape[1])
        for d, each in enumerate(coefficient):
            own = special.expit(-np.einsum("pg,p->g", scale_grid.design, each))
            share[d] = own.mean()
            null_share += own / len(kept)
    weight = np.column_stack([share, (1 - share)[:, None] * slab])
    mean = weight.mean(axis=0)
    scale = np.concatenate([[scale_grid.null_sd[plane].mean()], scale_grid.scale[plane].mean(axis=0)])
    return GibbsDraws(
        weight=weight,
        null_sd=scale_grid.null_sd[plane],
        scale=scale_grid.scale[plane],
        loglik=state.loglik[:, warmup:].reshape(-1),
        chain=np.repeat(np.arange(chains), n_kept),
        sweep=np.tile(np.arange(warmup, sweeps), chains),
        seed=seed,
        coefficient=coefficient if n_columns > 1 else None,
        design=scale_grid.design.T if n_columns > 1 else None,
        prior=replace(fit.prior, weight=mean / mean.sum(), scale=scale, null_share=null_share, nulls=None),
    )


def diagnose(draws: GibbsDraws) -> dict[str, dict[str, float]]:
    """Rank-normalised R-hat and effective sample sizes of what describes the population.

    Of pi0, the null's scale, the root mean square of real effects (slabs' own scale), the log likelihood and
    covariates' coefficients, as ``{name: {mean, sd, rhat, ess_bulk, ess_tail}}``; what does not vary is left out.

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
    coefficient = () if draws.coefficient is None else draws.coefficient[:, 1:].T
    return {
        "pi0": draws.weight[:, 0],
        "null_sd": draws.null_sd,
        "slab_scale": np.nan_to_num(spread),
        "loglik": draws.loglik,
        **{f"coefficient[{j + 1}]": each for j, each in enumerate(coefficient)},
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
