"""What a fit amounts to, in numbers and in plain words."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict, fields
from importlib.metadata import version
from typing import Any, cast

import numpy as np

import ebgenes
from ebgenes.analyses.conditions.multivariate_summary import plain
from ebgenes.analyses.multi_df import marginal_prior
from ebgenes.analyses.precision import pilot_of
from ebgenes.arrays import BoolArray, FloatArray
from ebgenes.effects.dispersions import with_bends_as_lists
from ebgenes.effects.failed import all_statuses
from ebgenes.posteriors.fdr import adjust_bh, list_rate, p_values
from ebgenes.posteriors.given_prior import null_probability, posterior
from ebgenes.posteriors.lists import false_proportions, list_range, scattered
from ebgenes.posteriors.over_draws import list_discoveries
from ebgenes.prior.covariates import Covariates, Term, conflicts, dependence
from ebgenes.prior.diagnostics import estimated_likelihood_scale, estimated_null_z_sd
from ebgenes.prior.full_bayes import convergence_caution, diagnose
from ebgenes.prior.model_comparison import Criteria, rank_models
from ebgenes.prior.stored import as_applied, z_histogram
from ebgenes.records.effects import (
    HIDDEN_ARRAYS,
    RANDOM_ARRAYS,
    Choice,
    Effects,
    HiddenFactors,
    MultiDfEffects,
    RandomEffects,
)
from ebgenes.records.posterior import Posterior
from ebgenes.records.prior import EmFit, GibbsDraws, MixturePrior, MultivariateFit, Nulls, Odds
from ebgenes.results.messages import DOUBTFUL, cautions, covariate_cautions
from ebgenes.results.outlook import pilot_summary
from ebgenes.results.prior_json import (
    ComparisonSummary,
    CovariatesSummary,
    FalseProportion,
    FitSummary,
    GibbsSummary,
    HiddenSummary,
    ListLengths,
    ListRange,
    NullsSummary,
    RandomSummary,
    StoredSummary,
    Summary,
)


def summarize(
    effects: Effects,
    fit: EmFit,
    level: float,
    covariates: Covariates | None = None,
    models: Mapping[str, Criteria] | None = None,
    seed: int | None = None,
    drawn: tuple[GibbsDraws, BoolArray] | None = None,
    stored: str | None = None,
    *,
    lfsr: FloatArray | None = None,
) -> Summary:
    """What ``prior.json`` says: the fit, its certificate, the lists it leads to, and the versions.

    models are the families it was compared with, itself among them, and seed the one of what was drawn for that. drawn
    are draws of the prior and which genes, (G,), the table over them calls at the level. stored is the file that the
    prior of another study was read from. lfsr, (G,), are the genes' under the fitted prior where they are known, which
    saves the time of their posteriors.
    """
    fixed = fit.fixed_null
    p_value = p_values(effects)
    diagnostics = {"null_z_sd": estimated_null_z_sd(p_value), "likelihood_scale": estimated_likelihood_scale(effects)}
    told = None if covariates is None else _told(effects, fit, covariates, p_value)
    without = fit.without_covariates
    sampled = None if drawn is None else _sampled(drawn[0], int(drawn[1].sum()))
    lfsr = posterior(effects, fit.prior).lfsr if lfsr is None else lfsr
    discoveries = list_rate(lfsr) < level if drawn is None else drawn[1]
    shares = false_proportions(effects, fit.prior, discoveries) if drawn is None else list_discoveries(effects, *drawn)
    warnings = [*cautions(effects, fit, diagnostics), *([] if told is None else covariate_cautions(told))]
    if discoveries.mean() > NEARLY_ALL and not effects.scalars.get("given_sizes"):
        warnings.insert(
            0,
            f"{100 * discoveries.mean():.0f}% of the genes are in the list. Whether all have moved together, against "
            "what the size factors take for unchanged, only controls can tell: name spike-ins, or genes known not to "
            "respond, under size_factors.controls.",
        )
    applied = None if fit.stored is None else _applied(effects, fit, stored)
    if applied is not None and applied["conflict"]["p_value"] < CONTRADICTED:
        warnings.insert(0, applied["words"])
    if sampled is not None and sampled["caution"]:
        warnings.insert(0, sampled["caution"])
    # A fit has no keys but its own, which the checker cannot know.
    return {
        **_plain(fit),  # type: ignore[typeddict-item]
        "fixed_null": None if fixed is None else _plain(fixed),
        "contrast": {"name": effects.contrast, "up": effects.up_label, "down": effects.down_label},
        "engine": {"name": effects.engine, **with_bends_as_lists(effects.scalars)},
        "hidden_factors": None if effects.hidden is None else _hidden(effects.hidden),
        "random_effects": None if effects.random is None else _random(effects.random),
        "n_genes": len(effects.gene),
        "status": {name: int(np.sum(all_statuses(effects) == name)) for name in ("ok", *DOUBTFUL)},
        "level": level,
        "discoveries": {
            "adj_p_value": int(np.sum(adjust_bh(p_value) < level)),
            **_discoveries(effects, fit.prior, level, lfsr),
            "fixed_null": None if fixed is None else _discoveries(effects, fixed.prior, level),
            "without_covariates": None if without is None else _discoveries(effects, without.prior, level),
        },
        "covariates": told,
        "stored": applied,
        "diagnostics": {name: value if np.isfinite(value) else None for name, value in diagnostics.items()},
        "gibbs": sampled,
        "fdp": discovery_proportion(scattered(shares, effects, discoveries), discoveries),
        "list_range": _list_range(effects, fit, level),
        "warnings": warnings,
        "comparison": None if models is None else _compared(models),
        # The fit itself is not random, a comparison is.
        "seed": None if models is None else seed,
        "versions": versions(),
        "pilot": None if "replicates" not in effects.scalars else pilot_summary(pilot_of(effects)),
    }


def summarize_multi_df(
    effects: MultiDfEffects, fit: MultivariateFit, top: tuple[Effects, Posterior], lfsr: FloatArray, level: float
) -> Summary:
    """What ``prior.json`` says of a question of several rows; as `summarize`, and all rows' prior under ``prior``.

    top are `multi_df.top_effects`, lfsr (G, R) the rows' own. At the top stands the prior of one row's
    effect, averaged over rows, which figures show.
    """
    single, known = top
    marginal = EmFit(
        prior=marginal_prior(fit.prior),
        **{name: getattr(fit, name) for name in ("loglik", "certificate", "converged", "solver")},
    )
    null_z_sd = estimated_null_z_sd(effects.p_value)
    rows = {str(row): int(np.sum(list_rate(lfsr[:, r]) < level)) for r, row in enumerate(effects.row)}
    return {
        **_plain(marginal),  # type: ignore[typeddict-item]
        "fixed_null": None,
        "contrast": {"name": effects.contrast, "up": single.up_label, "down": single.down_label},
        "rows": rows,
        "engine": {"name": effects.engine, **with_bends_as_lists(effects.scalars)},
        "hidden_factors": None if effects.hidden is None else _hidden(effects.hidden),
        "n_genes": len(effects.gene),
        "status": {name: int(np.sum(all_statuses(effects) == name)) for name in ("ok", *DOUBTFUL)},
        "level": level,
        "discoveries": {
            "adj_p_value": int(np.sum(adjust_bh(effects.p_value) < level)),
            "lfdr": int(np.sum(known.lfdr < level)),
            "q_value": int(np.sum(list_rate(known.lfdr) < level)),
        },
        "covariates": None,
        "diagnostics": {"null_z_sd": null_z_sd if np.isfinite(null_z_sd) else None},
        "gibbs": None,
        "fdp": None,
        "warnings": cautions(single, marginal, {"null_z_sd": null_z_sd}),
        "comparison": None,
        "seed": None,
        "prior": plain(fit.prior),
        "versions": versions(),
    }


def _sampled(draws: GibbsDraws, n_listed: int) -> GibbsSummary:
    """What the draws of the prior amount to, and whether they can be relied on."""
    diagnosis = diagnose(draws)
    chains = int(draws.chain.max()) + 1
    return {
        "chains": chains,
        "draws": len(draws.weight) // chains,
        "warmup": int(draws.sweep[0]),
        "seed": draws.seed,
        "pi0": draws.prior.pi0,
        "null_sd": draws.prior.null_sd,
        "weight": draws.prior.weight.tolist(),
        "coefficient": None if draws.coefficient is None else _mean_and_sd(draws.coefficient),
        "diagnosis": diagnosis,
        "caution": convergence_caution(diagnosis),
        "discoveries": n_listed,
    }


def _list_range(effects: Effects, fit: EmFit, level: float) -> ListRange | None:
    """How long the list would be at the ends of what is known of the null, in numbers and in words."""
    found = list_range(effects, fit.prior, level, FDP_PROBABILITY)
    if found is None or fit.null_sd_prior is None:
        return None
    low, high = found
    source = (
        f"residuals with {fit.null_sd_prior.df:g} degrees of freedom leave open"
        if fit.null_sd_prior.seen
        else "no residuals tell"
    )
    words = (
        f"How far estimates of unchanged genes drift together, {source}: the list would have between {low:,} and "
        f"{high:,} genes over the likely range of it."
    )
    return {"range": [low, high], "probability": FDP_PROBABILITY, "words": words}


FDP_PROBABILITY = 0.9


def shortest_interval(draws: FloatArray, probability: float) -> tuple[float, float]:
    """Ends, both included, of the shortest interval that holds a share of the draws (D,)."""
    ordered = np.sort(draws)
    n_held = int(np.ceil(probability * len(ordered)))
    width = ordered[n_held - 1 :] - ordered[: len(ordered) - n_held + 1]
    # Steps of a proportion are no narrower than this, so that ties are ties whatever the rounding.
    first = int(np.argmax(width <= width.min() + 1e-12))
    last = first + n_held - 1
    return float(ordered[first]), float(ordered[last])


def _mean_and_sd(draws: FloatArray) -> dict[str, list[float]]:
    """Of the log odds' coefficients, the intercept first, as the covariates' terms have them."""
    return {"mean": draws.mean(axis=0).tolist(), "sd": draws.std(axis=0, ddof=1).tolist()}


def discovery_proportion(proportion: FloatArray, discoveries: BoolArray) -> FalseProportion | None:
    """Posterior of a list's false discovery proportion, from draws of it, (D,); None where it lists no gene.

    Its interval is the shortest that holds 90% of the draws: a proportion takes few values, and one with 5% beyond
    either end would hold more by nearly the probabilities of both.
    """
    if not discoveries.any():
        return None
    low, high = shortest_interval(proportion, FDP_PROBABILITY)
    return {
        "mean": float(proportion.mean()),
        "interval": [low, high],
        "probability": FDP_PROBABILITY,
        "above_0.1": float(np.mean(proportion > 0.1)),
    }


NEARLY_ALL = 0.8
"""Share of the genes in the list from which a shift of all of them is as likely an explanation."""


CONTRADICTED = 0.01
"""p-value of the conflict with a stored prior below which it is a warning."""


def _applied(effects: Effects, fit: EmFit, path: str | None) -> StoredSummary:
    """What became of a stored prior: its weight, and how the study contradicts it."""
    kept, (ratio, df, p_value) = cast(float, fit.stored_weight), cast("tuple[float, int, float]", fit.conflict)
    applied = as_applied(cast(MixturePrior, fit.stored), fit.prior)
    z_scores = z_histogram(effects, (applied, fit.prior))
    far = np.array(z_scores["edges"][:-1]) >= 2
    seen, predicted = (float(np.array(each)[far].sum()) for each in (z_scores["seen"], z_scores["predicted"][0]))
    chance = "less than 1e-10" if p_value < 1e-10 else f"{p_value:.2g}"
    words = (
        f"This study {'contradicts' if p_value < CONTRADICTED else 'does not contradict'} the stored prior "
        f"(p = {chance}): {100 * predicted:.1f}% of genes were predicted to have |log2_fc / se| above 2, "
        f"{100 * seen:.1f}% have it. The stored prior has {100 * kept:.0f}% of the weight, this study's own the rest."
        + (" See whether that study is like this one, or leave out prior.from." if p_value < CONTRADICTED else "")
    ).replace("p = less", "p less")
    return {
        "from": path,
        "weight": kept,
        "pi0": applied.pi0,
        "conflict": {"likelihood_ratio": ratio, "df": df, "p_value": p_value},
        "z_scores": z_scores,
        "words": words,
    }


def _plain(fit: EmFit) -> FitSummary:
    return {
        "family": fit.prior.family,
        "pi0": fit.prior.pi0,
        "null_sd": fit.prior.null_sd,
        "weight": fit.prior.weight.tolist(),
        "scale": fit.prior.scale.tolist(),
        "mode": fit.prior.mode,
        "likelihood_scale": fit.prior.likelihood_scale,
        "unit": fit.prior.unit,
        "nulls": None if fit.prior.nulls is None else _nulls(fit.prior.nulls),
        "solver": fit.solver,
        "certificate": fit.certificate,
        "converged": fit.converged,
        "iterations": len(fit.loglik) - 1,
        "loglik": float(fit.loglik[-1]),
    }


def _nulls(nulls: Nulls) -> NullsSummary:
    return cast(NullsSummary, {each.name: getattr(nulls, each.name).tolist() for each in fields(nulls)})


def _compared(models: Mapping[str, Criteria]) -> ComparisonSummary:
    """Families, best first, with their criteria, and the verdict."""
    verdict = rank_models(models)
    names = ("elpd_loo", "se_loo", "n_loo", "elpd_waic", "n_waic", "dic", "dic3", "n_parameters", "n_unreliable")
    families = [
        {
            "family": name,
            "behind": float(verdict.behind[place]),
            "behind_se": float(verdict.se[place]),
            **{each: getattr(models[name], each) for each in names},
        }
        for place, name in enumerate(verdict.model)
    ]
    return {"verdict": verdict.words, "families": families}


def _hidden(hidden: HiddenFactors) -> HiddenSummary:
    known = {
        "sample": list(hidden.sample),
        **{name: getattr(hidden, name).tolist() for name in HIDDEN_ARRAYS},
        "n_controls": hidden.n_controls,
        "sheet": {name: list(values) for name, values in hidden.sheet.items()},
    }
    return cast(HiddenSummary, known)


def _random(random: RandomEffects) -> RandomSummary:
    known = {
        "factor": list(random.factor),
        "words": list(random.words),
        **{name: getattr(random, name).tolist() for name in RANDOM_ARRAYS},
        "choice": None if random.choice is None else _choice(random.choice),
        # What the table of both fits says, once it is written.
        "beside": None,
    }
    return cast(RandomSummary, known)


def _choice(choice: Choice) -> dict[str, Any]:
    values = asdict(choice)
    interval = values["off_interval"].tolist()
    values["off_interval"] = interval if np.isfinite(interval).all() else None
    # What is unknown is null in JSON, which has no NaN.
    unknown = [name for name, value in values.items() if isinstance(value, float) and not np.isfinite(value)]
    return {**values, **dict.fromkeys(unknown)}


def _discoveries(effects: Effects, prior: MixturePrior, level: float, lfsr: FloatArray | None = None) -> ListLengths:
    """Genes with lfdr and with q value below the level, and those of the list by signs."""
    if lfsr is None:
        known = posterior(effects, prior)
        lfdr, lfsr = known.lfdr, known.lfsr
    else:
        lfdr = null_probability(effects, prior)
    return {
        "lfdr": int(np.sum(lfdr < level)),
        "q_value": int(np.sum(list_rate(lfdr) < level)),
        "s_value": int(np.sum(list_rate(lfsr) < level)),
    }


def _told(effects: Effects, fit: EmFit, covariates: Covariates, p_value: FloatArray) -> CovariatesSummary:
    """What covariates did: coefficients, shares of changed genes by their values, and what speaks against them."""
    odds = cast(Odds, fit.odds)
    lfdr = null_probability(effects, fit.prior)
    conflict = {each.name: asdict(each) for each in conflicts(covariates, odds)}
    terms = []
    for term in covariates.term:
        chance, uneven = dependence(term, p_value)
        terms.append(
            {
                "name": term.name,
                "unknown": int(np.isnan(term.value).sum()),
                "coefficient": odds.coefficient[term.columns].tolist(),
                "se": odds.se[term.columns].tolist(),
                "folds": odds.folds[:, term.columns].tolist(),
                "shares": _shares(term, odds.changed, 1 - lfdr),
                "null_dependence": {"p_value": chance, "uneven": uneven},
                "evidence": conflict.get(term.name),
            }
        )
    return {
        "intercept": float(odds.coefficient[0]),
        "terms": terms,
        "null_share": cast(FloatArray, fit.prior.null_share).tolist(),
    }


def _shares(term: Term, before: FloatArray, after: FloatArray) -> list[dict[str, Any]]:
    """Mean shares of changed genes, before and after their effects are seen, by value or tenth of a covariate."""
    known = ~np.isnan(term.value)
    values = np.unique(term.value[known])
    if len(values) > 12:
        cuts = np.unique(np.quantile(term.value[known], np.linspace(0, 1, 11)[1:-1]))
        group = np.searchsorted(cuts, term.value, side="right")
    else:
        group = np.searchsorted(values, term.value)
    rows = []
    for each in np.unique(group[known]):
        members = known & (group == each)
        value = float(np.median(term.value[members]))
        rows.append(
            {
                "value": term.level[int(value)] if term.level else value,
                "n_genes": int(members.sum()),
                "before": float(before[members].mean()),
                "after": float(after[members].mean()),
            }
        )
    return rows


def versions() -> dict[str, str]:
    """Versions of everything that touches a number."""
    libraries = ("numpy", "scipy", "numba", "pandas", "anndata", "formulaic")
    return {
        "ebgenes": ebgenes.__version__,
        "python": platform.python_version(),
        **{name: version(name) for name in libraries},
    }
