"""Which family of priors predicts best: deviance criteria, WAIC and leave-one-out, from draws of the hyperparameters.

All work on the collapsed likelihood: a gene's effect is integrated out, log p(y_g | w) = log sum_k w_k L_gk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ebgenes.arrays import FloatArray, by_name
from ebgenes.errors import InputError
from ebgenes.numerics.jit import map_blocks
from ebgenes.numerics.mixture import mixture_loglik
from ebgenes.prior.likelihoods import loglik_matrix, to_prior_scale
from ebgenes.prior.refit import free_weights, mixed
from ebgenes.prior.weight_draws import draw_weights
from ebgenes.records.effects import Effects
from ebgenes.records.prior import MixturePrior

GOOD_K = 0.7
"""Pareto shapes above which a gene's leave-one-out density is not to be relied on."""

SAME = 4.0
"""Differences of log predictive density that are too small to matter, whatever their standard error."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Criteria:
    """How well one model predicts, from D draws of its hyperparameters: sums over genes of log densities.

    Attributes
    ----------
    dic, dic3
        Deviance information criteria, smaller is better: -2 log p(y | mean of draws) + 2 p_D, and
        -4 E log p(y | w) + 2 log prod_g E p(y_g | w), which needs no mean of draws.
    n_parameters
        p_D, 2 (log p(y | mean of draws) - E log p(y | w)).
    elpd_waic, n_waic
        Expected log predictive density by WAIC, larger is better, and its effective number of parameters.
    elpd_loo, n_loo
        The same by leave-one-out with Pareto-smoothed importance sampling.
    se_loo
        Standard error of elpd_loo.
    loo
        Each gene's part of elpd_loo, (G,).
    pareto_k
        Shape of each gene's tail of importance weights, (G,): above .7 `loo` is not to be relied on.
    """

    dic: float
    dic3: float
    n_parameters: float
    elpd_waic: float
    n_waic: float
    elpd_loo: float
    n_loo: float
    se_loo: float
    loo: FloatArray
    pareto_k: FloatArray

    @property
    def n_unreliable(self) -> int:
        """Genes whose part of `elpd_loo` is not to be relied on."""
        return int(np.sum(self.pareto_k > GOOD_K))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Verdict:
    """Models ranked by elpd_loo.

    Attributes
    ----------
    model
        Names, best first.
    behind, se
        How far each is behind the best in elpd_loo, and the standard error of that difference.
    words
        The same in one line.
    """

    model: list[str]
    behind: FloatArray
    se: FloatArray
    words: str


def deviance_parameters(mean_loglik: float, loglik_at_mean: float) -> float:
    """Effective number of parameters p_D: twice log p(y | posterior mean) - posterior mean of log p(y | parameters).

    Source: Spiegelhalter, Best, Carlin and van der Linde (2002), J. R. Stat. Soc. B 64, 583.
    """
    return 2 * (loglik_at_mean - mean_loglik)


def mixture_criteria(loglik: FloatArray, draws: FloatArray) -> Criteria:
    """Criteria of a mixture prior from draws of its weights.

    Parameters
    ----------
    loglik
        Log likelihood of each gene under each component, (G, K).
    draws
        Weights from their posterior, (D, K).

    Raises
    ------
    InputError
        As `criteria`.
    """
    top = loglik.max(axis=1)
    likelihood = np.exp(loglik - top[:, None])
    center = np.ascontiguousarray(draws.mean(axis=0, keepdims=True))

    def under(weights: FloatArray) -> Callable[[slice], FloatArray]:
        def block(genes: slice) -> FloatArray:
            out = np.empty((len(weights), len(top[genes])))
            mixture_loglik(likelihood[genes], weights, out)
            return np.asarray(out + top[genes])

        return block

    return criteria(under(np.ascontiguousarray(draws)), under(center), len(top))


def compare_families(
    effects: Effects, priors: Mapping[str, MixturePrior], rng: np.random.Generator
) -> dict[str, Criteria]:
    """Criteria of several fitted priors of the same effects, from draws of their weights.

    Scales, mode and what covariates tell stay as fitted and are not counted in the numbers of parameters.
    """
    found = {}
    for name, prior in priors.items():
        likelihood, top = mixed(loglik_matrix(to_prior_scale(effects, prior), prior.scale, prior.family), prior)
        with np.errstate(divide="ignore"):
            loglik = (np.log(likelihood) + top[:, None])[by_name(effects.gene)]
        draws = draw_weights(loglik, rng, start=free_weights(prior), null=prior.null_share is None)
        found[name] = mixture_criteria(loglik, draws)
    return found


def criteria(loglik: Callable[[slice], FloatArray], at_mean: Callable[[slice], FloatArray], n_genes: int) -> Criteria:
    """Criteria from what each draw says of each gene, a block of genes at a time.

    Parameters
    ----------
    loglik
        From a slice of the genes to log p(y_g | draw), (D, B).
    at_mean
        The same at the mean of the draws, (1, B).
    n_genes
        G.

    Raises
    ------
    InputError
        For fewer than 100 draws.

    Notes
    -----
    Sources: Spiegelhalter et al. (2002), J. R. Stat. Soc. B 64, 583 (DIC); Celeux, Forbes, Robert and Titterington
    (2006), Bayesian Anal. 1, 651 (DIC3); Watanabe (2010), J. Mach. Learn. Res. 11, 3571 (WAIC); Vehtari, Gelman and
    Gabry (2017), Stat. Comput. 27, 1413 (leave-one-out).
    """

    def work(genes: slice) -> FloatArray:
        draws = loglik(genes)
        if len(draws) < 100:
            raise InputError(f"{len(draws)} draws are too few to compare priors by; draw 100 or more, better 1,000.")
        log_mean = _log_mean(draws)
        loo, pareto_k = leave_one_out(draws)
        mean, spread = draws.mean(axis=0), draws.var(axis=0, ddof=1)
        return np.array([log_mean, mean, spread, at_mean(genes)[0], loo, pareto_k])

    log_mean, mean, spread, center, loo, pareto_k = np.concatenate(map_blocks(work, n_genes), axis=1)
    n_parameters = deviance_parameters(float(mean.sum()), float(center.sum()))
    return Criteria(
        dic=float(-2 * center.sum() + 2 * n_parameters),
        dic3=float(-4 * mean.sum() + 2 * log_mean.sum()),
        n_parameters=n_parameters,
        elpd_waic=float(log_mean.sum() - spread.sum()),
        n_waic=float(spread.sum()),
        elpd_loo=float(loo.sum()),
        n_loo=float(log_mean.sum() - loo.sum()),
        se_loo=_sum_error(loo),
        loo=loo,
        pareto_k=pareto_k,
    )


def _log_mean(log_values: FloatArray) -> FloatArray:
    """Log of the mean of exp, over draws (D, B) -> (B,)."""
    top = log_values.max(axis=0)
    return np.asarray(top + np.log(np.mean(np.exp(log_values - top), axis=0)))


def _sum_error(parts: FloatArray) -> float:
    """Standard error of a sum of parts that are taken as independent."""
    return float(np.sqrt(len(parts)) * np.std(parts))


def leave_one_out(loglik: FloatArray) -> tuple[FloatArray, FloatArray]:
    """log p(y_g | other genes), (B,), and Pareto shapes, (B,), from log p(y_g | draw), (D, B).

    Draws weigh 1/p(y_g | draw), the largest of these weights replaced by the quantiles of a generalized Pareto
    distribution fitted to them.

    Source: Vehtari, Simpson, Gelman, Yao and Gabry (2024), J. Mach. Learn. Res. 25, 72.
    """
    n_draws = len(loglik)
    order = np.argsort(-loglik, axis=0, kind="stable")
    ratio = -np.take_along_axis(loglik, order, axis=0)
    ratio -= ratio[-1]
    n_tail = int(np.ceil(min(0.2 * n_draws, 3 * np.sqrt(n_draws))))
    cut = np.exp(ratio[-n_tail - 1])
    shape, scale = fit_pareto(np.exp(ratio[-n_tail:]) - cut)
    place = (np.arange(n_tail)[:, None] + 0.5) / n_tail
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        flat = -scale * np.log1p(-place)
        bent = np.where(np.abs(shape) < 1e-12, flat, scale * np.expm1(-shape * np.log1p(-place)) / shape)
    # A tail without spread stays as it is, and no smoothed weight is larger than the largest.
    smooth = np.isfinite(shape)
    ratio[-n_tail:] = np.where(smooth, np.minimum(np.log(np.where(smooth, bent, 0.0) + cut), 0.0), ratio[-n_tail:])
    total = np.sum(np.exp(ratio), axis=0)
    value = np.take_along_axis(loglik, order, axis=0) + ratio
    return np.asarray(_log_mean(value) + np.log(n_draws) - np.log(total)), np.where(smooth, shape, 0.0)


def fit_pareto(excess: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Shape and scale, (B,), of generalized Pareto distributions of excesses, (N, B), ascending; NaN where all are 0.

    The estimator is a mean over profile likelihoods of a grid, and its shape is drawn towards 1/2 as by ten more
    observations.

    Source: Zhang and Stephens (2009), Technometrics 51, 316, with the prior of Vehtari et al. (2024).
    """
    n = len(excess)
    n_grid = 30 + int(np.sqrt(n))
    with np.errstate(divide="ignore", invalid="ignore"):
        quartile = excess[int(n / 4 + 0.5) - 1]
        steps = 1 - np.sqrt(n_grid / (np.arange(1, n_grid + 1)[:, None] - 0.5))
        theta = 1 / excess[-1] + steps / (3 * quartile)  # (M, B)
        shape = np.mean(np.log1p(-theta[:, None] * excess), axis=1)
        profile = n * (np.log(-theta / shape) - shape - 1)
        weight = np.exp(profile - profile.max(axis=0))
        chosen = np.sum(weight * theta, axis=0) / np.sum(weight, axis=0)
        shape = np.mean(np.log1p(-chosen * excess), axis=0)
        scale = -shape / chosen
    return (n * shape + 5) / (n + 10), scale


def rank_models(models: Mapping[str, Criteria]) -> Verdict:
    """Models by elpd_loo, with the standard errors of their differences over genes and a line in words.

    Raises
    ------
    InputError
        For fewer than two models, or models of different genes.
    """
    if len(models) < 2 or len({len(each.loo) for each in models.values()}) > 1:
        raise InputError("a comparison needs two models or more of the same genes.")
    names = sorted(models, key=lambda name: -models[name].elpd_loo)
    best = models[names[0]]
    behind = np.array([best.elpd_loo - models[name].elpd_loo for name in names])
    se = np.array([_sum_error(best.loo - models[name].loo) for name in names])
    return Verdict(model=names, behind=behind, se=se, words=_words(names, behind, se, models))


def _words(names: Sequence[str], behind: FloatArray, se: FloatArray, models: Mapping[str, Criteria]) -> str:
    parts = []
    for name, gap, error in zip(names[1:], behind[1:], se[1:], strict=True):
        sure = "no difference that matters" if gap < SAME else "clear" if gap > 2 * error else "not clear"
        parts.append(f"{name} is {gap:.1f} behind (standard error {error:.1f}: {sure})")
    doubtful = max(each.n_unreliable for each in models.values())
    genes = "1 gene weighs" if doubtful == 1 else f"{doubtful:,} genes weigh"
    caution = f" {genes} so much that predicting without is not reliable there." if doubtful else ""
    return f"{names[0]} predicts left-out genes best; in log density {'; '.join(parts)}.{caution}"
