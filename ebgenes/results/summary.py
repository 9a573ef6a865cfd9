"""What a fit amounts to, in numbers and in plain words."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict, fields
from importlib.metadata import version
from typing import Any, cast

import numpy as np

import ebgenes
from ebgenes.effects.failed import all_statuses
from ebgenes.errors import listing
from ebgenes.model import (
    HIDDEN_ARRAYS,
    RANDOM_ARRAYS,
    BoolArray,
    Choice,
    Effects,
    EmFit,
    FloatArray,
    GibbsDraws,
    HiddenFactors,
    JointEffects,
    MixturePrior,
    MultivariateFit,
    Nulls,
    Odds,
    Posterior,
    RandomEffects,
)
from ebgenes.posteriors.fdr import adjust_bh, listed_by_sign, p_values, running_mean
from ebgenes.posteriors.given_prior import null_probability, posterior
from ebgenes.posteriors.lists import false_proportions, list_range, scattered
from ebgenes.prior.covariates import DEPENDENT, UNEVEN, Covariates, Term, conflicts, dependence
from ebgenes.prior.diagnostics import likelihood_stretch, null_spread
from ebgenes.prior.full_bayes import convergence_caution, diagnose, list_discoveries
from ebgenes.prior.model_comparison import Criteria, rank_models
from ebgenes.prior.stored import as_applied, z_histogram

MUCH_SHARED = 0.05
"""Share of the residual variance from which what replicates have in common is worth a word."""

FEW_UNCHANGED = 0.3
"""Share of unchanged genes below which nothing that is said of them is sure."""

RIGHT_SPREAD = (0.85, 1.15)
"""Standard deviations of the null genes' z-scores that pass without a word."""

FEW_DF = 30
"""Degrees of freedom below which a normal likelihood makes false discovery rates too small."""

DOUBTFUL = {
    "not_converged": "the maximum of the likelihood was not found, and there is no result",
    "no_information": "any effect is as likely, and there is no result",
    "outlier": "counts far from their replicates, which effects.outliers: winsorize moves to the border of what these "
    "allow; look at their samples before you trust such a gene",
}
"""Statuses of genes that are not like the others, and what befell them."""


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
) -> dict[str, Any]:
    """What ``prior.json`` says: the fit, its certificate, the lists it leads to, and the versions.

    models are the families it was compared with, itself among them, and seed the one of what was drawn for that. drawn
    are draws of the prior and which genes, (G,), the table over them calls at the level. stored is the file that the
    prior of another study was read from. lfsr, (G,), are the genes' under the fitted prior where they are known, which
    saves the time of their posteriors.
    """
    fixed = fit.fixed_null
    p_value = p_values(effects)
    diagnostics = {"sigma0": null_spread(p_value), "kappa": likelihood_stretch(effects)}
    told = None if covariates is None else _told(effects, fit, covariates, p_value)
    without = fit.without_covariates
    sampled = None if drawn is None else _sampled(drawn[0], int(drawn[1].sum()))
    lfsr = posterior(effects, fit.prior).lfsr if lfsr is None else lfsr
    listed = listed_by_sign(lfsr, running_mean(lfsr), level) if drawn is None else drawn[1]
    shares = false_proportions(effects, fit.prior, listed) if drawn is None else list_discoveries(effects, *drawn)
    warnings = [*cautions(effects, fit, diagnostics), *([] if told is None else covariate_cautions(told))]
    if listed.mean() > NEARLY_ALL and not effects.scalars.get("given_sizes"):
        warnings.insert(
            0,
            f"{100 * listed.mean():.0f}% of the genes are in the list. Whether all have moved together, against what "
            "the size factors take for unchanged, only controls can tell: name spike-ins, or genes known not to "
            "respond, under size_factors.controls.",
        )
    applied = None if fit.stored is None else _applied(effects, fit, stored)
    if applied is not None and applied["conflict"]["p_value"] < CONTRADICTED:
        warnings.insert(0, applied["words"])
    if sampled is not None and sampled["caution"]:
        warnings.insert(0, sampled["caution"])
    return {
        **_plain(fit),
        "fixed_null": None if fixed is None else _plain(fixed),
        "contrast": {"name": effects.contrast, "up": effects.up, "down": effects.down},
        "engine": {"name": effects.engine, **dict(sorted(effects.scalars.items()))},
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
        "fdp": discovery_proportion(scattered(shares, effects, listed), listed),
        "list_range": _list_range(effects, fit, level),
        "warnings": warnings,
        "comparison": None if models is None else _compared(models),
        # The fit itself is not random, a comparison is.
        "seed": None if models is None else seed,
        "versions": versions(),
    }


def summarize_joint(
    effects: JointEffects, fit: MultivariateFit, leading: tuple[Effects, Posterior], lfsr: FloatArray, level: float
) -> dict[str, Any]:
    """What ``prior.json`` says of a question of several rows; as `summarize`, and all rows' prior under ``prior``.

    leading are `multi_df.leading_effects`, lfsr (G, R) the rows' own. At the top stands the prior of one row's
    effect, averaged over rows, which figures show.
    """
    # Imported here: questions of one row need neither.
    from ebgenes.analyses.conditions.multivariate_summary import plain
    from ebgenes.analyses.multi_df import marginal_prior

    single, known = leading
    marginal = EmFit(
        prior=marginal_prior(fit.prior),
        **{name: getattr(fit, name) for name in ("loglik", "certificate", "converged", "solver")},
    )
    sigma0 = null_spread(effects.p_value)
    rows = {str(row): int(np.sum(running_mean(lfsr[:, r]) < level)) for r, row in enumerate(effects.row)}
    return {
        **_plain(marginal),
        "fixed_null": None,
        "contrast": {"name": effects.contrast, "up": single.up, "down": single.down},
        "rows": rows,
        "engine": {"name": effects.engine, **dict(sorted(effects.scalars.items()))},
        "hidden_factors": None if effects.hidden is None else _hidden(effects.hidden),
        "n_genes": len(effects.gene),
        "status": {name: int(np.sum(all_statuses(effects) == name)) for name in ("ok", *DOUBTFUL)},
        "level": level,
        "discoveries": {
            "adj_p_value": int(np.sum(adjust_bh(effects.p_value) < level)),
            "lfdr": int(np.sum(known.lfdr < level)),
            "q_value": int(np.sum(running_mean(known.lfdr) < level)),
        },
        "covariates": None,
        "diagnostics": {"sigma0": sigma0 if np.isfinite(sigma0) else None},
        "gibbs": None,
        "fdp": None,
        "warnings": cautions(single, marginal, {"sigma0": sigma0}),
        "comparison": None,
        "seed": None,
        "prior": plain(fit.prior),
        "versions": versions(),
    }


def _sampled(draws: GibbsDraws, n_listed: int) -> dict[str, Any]:
    """What the draws of the prior amount to, and whether they can be relied on."""
    diagnosis = diagnose(draws)
    chains = int(draws.chain.max()) + 1
    return {
        "chains": chains,
        "draws": len(draws.weight) // chains,
        "warmup": int(draws.sweep[0]),
        "seed": draws.seed,
        "pi0": draws.prior.pi0,
        "null_scale": draws.prior.null_scale,
        "weight": draws.prior.weight.tolist(),
        "coefficient": None if draws.coefficient is None else _mean_and_sd(draws.coefficient),
        "diagnosis": diagnosis,
        "caution": convergence_caution(diagnosis),
        "discoveries": n_listed,
    }


def _list_range(effects: Effects, fit: EmFit, level: float) -> dict[str, Any] | None:
    """How long the list would be at the ends of what is known of the null, in numbers and in words."""
    found = list_range(effects, fit.prior, level, FDP_PROBABILITY)
    if found is None or fit.drift is None:
        return None
    low, high = found
    source = f"residuals with {fit.drift.df:g} degrees of freedom leave open" if fit.drift.seen else "no residuals tell"
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


def discovery_proportion(proportion: FloatArray, listed: BoolArray) -> dict[str, Any] | None:
    """Posterior of a list's false discovery proportion, from draws of it, (D,); None where it lists no gene.

    Its interval is the shortest that holds 90% of the draws: a proportion takes few values, and one with 5% beyond
    either end would hold more by nearly the probabilities of both.
    """
    if not listed.any():
        return None
    low, high = shortest_interval(proportion, FDP_PROBABILITY)
    return {
        "mean": float(proportion.mean()),
        "interval": [low, high],
        "probability": FDP_PROBABILITY,
        "above_0.1": float(np.mean(proportion > 0.1)),
    }


def _moved(scalars: Mapping[str, float]) -> str | None:
    """Where unchanged genes lie by the size factors, in words; None where that is 0, also in every row."""
    shifts = {name: value for name, value in scalars.items() if name == "size_shift" or name.startswith("size_shift: ")}
    told = [
        f"{value:+.2f} log2" + (f" ({name.partition(': ')[2]})" if ": " in name else "")
        for name, value in shifts.items()
        if value != 0
    ]
    if not told:
        return None
    return (
        f"By the size factors unchanged genes lie around {listing(told)}, as where effects of one direction outweigh "
        "the others. Effects, intervals and p-values count from there (effects.composition: none counts from the size "
        "factors)."
    )


def _minority(share: float) -> str:
    return (
        f"Only about {100 * share:.0f}% of the genes lie around one value, and are taken for the unchanged ones. "
        "Whether they are only controls can tell: name spike-ins, or genes known not to respond, under "
        "size_factors.controls."
    )


MAJORITY = 0.5
"""Share of genes around one value from which it is taken for that of the unchanged ones without a warning."""

NEARLY_ALL = 0.8
"""Share of the genes in the list from which a shift of all of them is as likely an explanation."""

CONTRADICTED = 0.01
"""p-value of the conflict with a stored prior below which it is a warning."""


def _applied(effects: Effects, fit: EmFit, path: str | None) -> dict[str, Any]:
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
    ).replace("p = less", "p less")
    return {
        "from": path,
        "weight": kept,
        "pi0": applied.pi0,
        "conflict": {"likelihood_ratio": ratio, "df": df, "p_value": p_value},
        "z_scores": z_scores,
        "words": words,
    }


def further_words(summary: Mapping[str, Any]) -> list[str]:
    """What is to be said beside the sentence about the list."""
    told = [part["words"] for part in (summary.get("list_range"), summary.get("stored")) if part]
    return [*drawn_words(summary), *told, *random_words(summary)]


def random_words(summary: Mapping[str, Any]) -> list[str]:
    """Whether random effects can be relied on, and what fixed ones would have found."""
    random = summary.get("random_effects")
    if not random:
        return []
    choice = [random["choice"]["words"]] if random["choice"] else []
    return [*choice, *([random["beside"]] if random["beside"] else [])]


def drawn_words(summary: Mapping[str, Any]) -> list[str]:
    """How much of the list is false, and whether draws of the prior can be relied on."""
    fdp, sampled = summary.get("fdp"), summary.get("gibbs")
    caution = [sampled["caution"]] if sampled and sampled["caution"] else []
    if not fdp:
        return caution
    low, high = fdp["interval"]
    words = (
        f"Of this very list {100 * fdp['mean']:.1f}% are unchanged genes (90% interval {100 * low:.1f}% to "
        f"{100 * high:.1f}%), more than 10% with probability {fdp['above_0.1']:.2f}."
    )
    return [words, *caution]


def _plain(fit: EmFit) -> dict[str, Any]:
    return {
        "family": fit.prior.family,
        "pi0": fit.prior.pi0,
        "null_scale": fit.prior.null_scale,
        "weight": fit.prior.weight.tolist(),
        "scale": fit.prior.scale.tolist(),
        "mode": fit.prior.mode,
        "stretch": fit.prior.stretch,
        "unit": fit.prior.unit,
        "nulls": None if fit.prior.nulls is None else _nulls(fit.prior.nulls),
        "solver": fit.solver,
        "certificate": fit.certificate,
        "converged": fit.converged,
        "iterations": len(fit.loglik) - 1,
        "loglik": float(fit.loglik[-1]),
    }


def _nulls(nulls: Nulls) -> dict[str, Any]:
    return {each.name: getattr(nulls, each.name).tolist() for each in fields(nulls)}


def _compared(models: Mapping[str, Criteria]) -> dict[str, Any]:
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


def _hidden(hidden: HiddenFactors) -> dict[str, Any]:
    return {
        "sample": list(hidden.sample),
        **{name: getattr(hidden, name).tolist() for name in HIDDEN_ARRAYS},
        "n_controls": hidden.n_controls,
        "sheet": {name: list(values) for name, values in hidden.sheet.items()},
    }


def _random(random: RandomEffects) -> dict[str, Any]:
    return {
        "factor": list(random.factor),
        "words": list(random.words),
        **{name: getattr(random, name).tolist() for name in RANDOM_ARRAYS},
        "choice": None if random.choice is None else _choice(random.choice),
        # What the table of both fits says, once it is written.
        "beside": None,
    }


def _choice(choice: Choice) -> dict[str, Any]:
    values = asdict(choice)
    interval = values["off_interval"].tolist()
    values["off_interval"] = interval if np.isfinite(interval).all() else None
    # What is unknown is null in JSON, which has no NaN.
    unknown = [name for name, value in values.items() if isinstance(value, float) and not np.isfinite(value)]
    return {**values, **dict.fromkeys(unknown)}


def _discoveries(effects: Effects, prior: MixturePrior, level: float, lfsr: FloatArray | None = None) -> dict[str, int]:
    """Genes with lfdr and with q value below the level, and those of the list by signs."""
    if lfsr is None:
        known = posterior(effects, prior)
        lfdr, lfsr = known.lfdr, known.lfsr
    else:
        lfdr = null_probability(effects, prior)
    return {
        "lfdr": int(np.sum(lfdr < level)),
        "q_value": int(np.sum(running_mean(lfdr) < level)),
        "s_value": int(np.sum(listed_by_sign(lfsr, running_mean(lfsr), level))),
    }


def cautions(effects: Effects, fit: EmFit, diagnostics: Mapping[str, float]) -> list[str]:
    """What a reader should know before trusting the list."""
    sigma0 = diagnostics["sigma0"]
    notes = []
    if not fit.converged:
        notes.append(
            f"The prior's fit has not converged (certificate {fit.certificate:.1e}, above 1e-8): "
            "do not rely on its numbers."
        )
    if fit.prior.mode != 0:
        notes.append(
            f"Most genes lie around {fit.prior.mode:+.3f} log2 and not around 0, as they do where effects of one "
            "direction move the size factors. lfdr, lfsr and the lists made of them count from there (prior.mode: zero "
            "counts from 0); log2_fc and p-values are from 0."
        )
    if fit.bulk_gain is not None:
        notes.append(
            "Most genes are changed and lie around a place of their own: normals around 0 would have left few "
            f"genes unchanged, and a prior of free shape is more likely (log likelihood {fit.bulk_gain:+.0f}), so it "
            "was used (prior.bulk: none keeps the normals)."
        )
    moved = _moved(effects.scalars)
    if moved:
        notes.append(moved)
    if effects.scalars.get("size_shift", 0.0) and effects.scalars["size_shift_share"] < MAJORITY:
        notes.insert(0, _minority(effects.scalars["size_shift_share"]))
    if effects.hidden is not None:
        if not effects.hidden.apart.all():
            notes.insert(0, _not_apart(effects.hidden))
        notes.append(hidden_words(effects.hidden))
    choice = None if effects.random is None else effects.random.choice
    if choice is not None and choice.verdict == "fixed":
        notes.append(choice.words)
    notes += null_words(fit, sigma0)
    for status, words in DOUBTFUL.items():
        n_genes = int(np.sum(all_statuses(effects) == status))
        if n_genes > 0:
            genes = "1 gene has" if n_genes == 1 else f"{n_genes:,} genes have"
            notes.append(f"{genes} the status {status}: {words}.")
    ratio = effects.scalars.get("dispersion_ratio")
    if ratio is not None:
        notes.insert(0, _unlike_groups(ratio))
    if effects.scalars.get("residual_df", np.inf) < 4:
        notes.append(
            f"Few replicates ({effects.scalars['residual_df']:g} residual degrees of freedom): the error rates lean on "
            "what all genes share, and no method delivers them for every single experiment of this size."
            + (" Hidden factors cannot be told from noise." if effects.hidden is None else "")
        )
    if effects.unit is None and effects.engine in ("likelihood", "moderated_t", "mixed"):
        notes.append(
            "The effects do not tell their unit, as those in effects.h5 of earlier versions: they were taken as log2 "
            "as they stand. Make them anew where the comparison is of a covariate in its own units."
        )
    if effects.engine == "normal":
        finite = effects.df[np.isfinite(effects.df)]
        if len(finite) < len(effects.df):
            notes.append(
                "Standard errors were taken as exact. If they were estimated from few replicates, name their degrees "
                f"of freedom (a column df): below {FEW_DF} the false discovery rates are too small without them."
            )
    return notes


def _unlike_groups(ratio: float) -> str:
    """Groups that vary unlike each other, which one dispersion a gene does not allow for."""
    more, less = ("treated", "baseline") if ratio > 1 else ("baseline", "treated")
    times = max(ratio, 1 / ratio)
    return (
        f"Replicates on the {more} side of the contrast vary {times:.1f} times as much as those on the {less} side, by "
        "the median gene, and each gene was given one dispersion for both. With unequal group sizes error rates can "
        "then be far off: use effects.dispersion: by_group, or look for samples that do not belong."
    )


def null_words(fit: EmFit, sigma0: float) -> list[str]:
    """What speaks against unchanged genes varying as their errors say, and what to do."""
    drift, pi0 = fit.drift, fit.prior.pi0
    found = []
    if drift is not None:
        shared = float(drift.excess.sum())
        if drift.seen and shared > MUCH_SHARED:
            found.append(
                f"Replicates share hidden variation: {100 * shared:.0f}% of the residual variance has a cause that the "
                "design does not record. How it moves the comparison is known no better than "
                f"{drift.df:g} residual degrees of freedom tell: estimates are taken to drift by "
                f"{fit.prior.null_scale:.2g} log2. Record the cause in the design (batch, donor, day), or add "
                "replicates."
            )
        if pi0 < FEW_UNCHANGED:
            found.append(
                f"Small effects are everywhere: about {100 * pi0:.0f}% of the genes are unchanged, and which ones "
                "cannot be told. Genes are listed where their direction is known. Where the list is too long to be of "
                "use, ask for effects of a size that matters (report.lfc_threshold, prob_up and prob_down)."
            )
    # Where hardly a gene is unchanged, it is not a number.
    unseen = drift is None or not drift.seen
    if unseen and pi0 > FEW_UNCHANGED and (sigma0 < RIGHT_SPREAD[0] or sigma0 > RIGHT_SPREAD[1]):
        found.append(
            f"z-scores of unchanged genes have a standard deviation of {sigma0:.2f}, where 1 is expected: replicates "
            "may share hidden variation, or many effects are small. prior.null: estimated allows for both; counts, in "
            "place of a table of estimates, tell which."
        )
    return found


def _not_apart(hidden: HiddenFactors) -> str:
    """What to say first where a factor is the comparison as good as itself."""
    goes = listing([f"{abs(r):.2f}" for r, apart in zip(hidden.correlation, hidden.apart, strict=True) if not apart])
    return (
        f"A factor among the residuals goes along with the comparison itself (correlation {goes}), as samples do that "
        "respond to different degrees. Only its part along the residuals was taken out, so that the response stays. If "
        "it is a batch that was processed together with one group, this study cannot tell the two apart, and the list "
        "is of both: repeat the comparison within batches."
    )


def hidden_words(hidden: HiddenFactors) -> str:
    """What was found of variation that replicates share."""
    several = len(hidden.share) > 1
    takes = listing([f"{100 * each:.0f}%" for each in hidden.share])
    goes = listing([f"{abs(each):.2f}" for each in hidden.correlation])
    controls = f", as {hidden.n_controls} control genes tell" if hidden.n_controls else ""
    were, them = ("They were", "them") if several else ("It was", "it")
    return (
        f"Replicates share hidden variation: {len(hidden.share)} factor{'s' if several else ''} that no column of the "
        f"design records take{'' if several else 's'} {takes} of the residual variance (correlation with the "
        f"comparison {goes}{controls}). {were} added to the design. See which column of the sample sheet goes along "
        f"with {them}: a recorded cause is better than an estimated one."
    )


def _told(effects: Effects, fit: EmFit, covariates: Covariates, p_value: FloatArray) -> dict[str, Any]:
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


def covariate_cautions(told: Mapping[str, Any]) -> list[str]:
    """What a reader should know of the covariates before trusting the list."""
    notes = []
    for term in told["terms"]:
        null, evidence = term["null_dependence"], term["evidence"]
        if null["p_value"] < DEPENDENT and null["uneven"] > UNEVEN:
            notes.append(
                f"The covariate {term['name']} is not independent of the effects of unchanged genes: p-values above "
                "0.5 are spread differently over its range. What it adds to the list may be false; leave it out."
            )
        if evidence is not None and abs(evidence["z"]) > CONFLICT:
            notes.append(
                f"The data contradict the evidence {term['name']}: they put its log odds ratio at "
                f"{evidence['likelihood']:.2f}, {abs(evidence['z']):.1f} standard deviations from the "
                f"{evidence['prior_mean']:.2f} that was given, which has lost its weight "
                f"(probability {evidence['doubt']:.2f} that it is beside the point)."
            )
    return notes


CONFLICT = 2.5
"""Standard deviations between evidence and data that are worth a word."""


def versions() -> dict[str, str]:
    """Versions of everything that touches a number."""
    libraries = ("numpy", "scipy", "numba", "pandas", "anndata", "formulaic")
    return {
        "ebgenes": ebgenes.__version__,
        "python": platform.python_version(),
        **{name: version(name) for name in libraries},
    }
