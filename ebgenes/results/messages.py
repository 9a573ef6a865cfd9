"""What a reader is told beside the numbers: a sentence for each thing, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ebgenes.effects.engines import is_given, takes_counts
from ebgenes.effects.failed import all_statuses
from ebgenes.errors import listing
from ebgenes.prior.covariates import DEPENDENT, UNEVEN
from ebgenes.records.effects import (
    Effects,
    HiddenFactors,
)
from ebgenes.records.prior import EmFit
from ebgenes.results.prior_json import Summary

MUCH_SHARED = 0.05
"""Share of the residual variance from which what replicates have in common is worth a word."""


FEW_UNCHANGED = 0.3
"""Share of unchanged genes below which nothing that is said of them is sure."""


RIGHT_SPREAD = (0.85, 1.15)
"""Standard deviations of the null genes' z-scores that pass without a word."""


FEW_DF = 30
"""Degrees of freedom below which a normal likelihood makes false discovery rates too small."""


DOUBTFUL = {
    "not_converged": "the maximum of the likelihood was not found, and there is no result; look at their counts, and "
    "leave out samples that do not belong",
    "no_information": "any effect is as likely, and there is no result; raise keep.min_count to leave such genes out",
    "outlier": "counts far from their replicates, which effects.outliers: winsorize moves to the border of what these "
    "allow; look at their samples before you trust such a gene",
}
"""Statuses of genes that are not like the others, and what befell them."""


ENOUGH_OF_GROUPS = 8
"""Residual degrees of freedom from which a dispersion in each group holds its error rates in simulations."""


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
    if "size_shift_prior" in scalars:
        return (
            "Of few genes size factors are uncertain: by them unchanged genes lie around "
            f"{listing(told)}, give or take {scalars['size_shift_se']:.2f}. Effects, intervals and p-values count from "
            "there, and intervals and lfdr allow for the rest (effects.composition: none counts from the size factors)."
        )
    return (
        f"By the size factors unchanged genes lie around {listing(told)}, as where effects of one direction outweigh "
        "the others. Effects, intervals and p-values count from there. Confirm it with spike-ins or genes known not to "
        "respond (size_factors.controls); effects.composition: none counts from the size factors."
    )


def _minority(share: float) -> str:
    return (
        f"Only about {100 * share:.0f}% of the genes lie around one value, and are taken for the unchanged ones. "
        "Whether they are only controls can tell: name spike-ins, or genes known not to respond, under "
        "size_factors.controls."
    )


MAJORITY = 0.5
"""Share of genes around one value from which it is taken for that of the unchanged ones without a warning."""


def further_words(summary: Mapping[str, Any]) -> list[str]:
    """What is to be said beside the sentence about the list."""
    told = [part["words"] for part in map(summary.get, ("list_range", "outlook", "stored")) if part]
    compared = [summary["comparison"]["verdict"]] if summary.get("comparison") else []
    doubts = [note for note in summary.get("files", []) if note.startswith(DOUBT)]
    return [*doubts, *drawn_words(summary), *told, *random_words(summary), *compared]


DOUBT = "warning: "
"""How a note about the user's files begins that may have been read as something else than was meant."""


def with_notes(summary: Summary, notes: Sequence[str]) -> None:
    """Tell a summary what was done to the user's files; doubts are warnings of the page too."""
    summary["files"] = list(notes)
    doubts = [note.removeprefix(DOUBT) for note in notes if note.startswith(DOUBT)]
    summary["warnings"] = [*doubts, *summary["warnings"]]


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


def cautions(effects: Effects, fit: EmFit, diagnostics: Mapping[str, float]) -> list[str]:
    """What a reader should know before trusting the list."""
    null_z_sd = diagnostics["null_z_sd"]
    notes = []
    if not fit.converged:
        notes.append(
            f"The prior's fit has not converged (certificate {fit.certificate:.1e}, above 1e-8): "
            "do not rely on its numbers. Fit another prior.family, and see whether the lists agree."
        )
    if fit.prior.mode != 0:
        notes.append(
            f"Most genes lie around {fit.prior.mode:+.3f} log2 and not around 0, as they do where effects of one "
            "direction move the size factors. lfdr, lfsr and the lists made of them count from there; log2_fc and "
            "p-values are from 0. Where unchanged genes are known to lie at 0, set prior.mode: zero."
        )
    if fit.bulk_gain is not None:
        notes.append(
            "Most genes are changed and lie around a place of their own: normals around 0 would have left few "
            f"genes unchanged, and a prior of free shape is more likely (log likelihood {fit.bulk_gain:+.0f}), so it "
            "was used. Confirm it with spike-ins or genes known not to respond; prior.bulk: none keeps the normals."
        )
    moved = _moved(effects.scalars)
    if moved:
        notes.append(moved)
    if effects.scalars.get("bounded"):
        notes.append(bounded_words(effects.scalars["small_p"]))
    scalars = effects.scalars
    clear = bool(scalars.get("size_shift")) and "size_shift_prior" not in scalars
    if clear and scalars["size_shift_share"] < MAJORITY:
        notes.insert(0, _minority(scalars["size_shift_share"]))
    if effects.hidden is not None:
        if not effects.hidden.apart.all():
            notes.insert(0, _not_apart(effects.hidden))
        notes.append(hidden_words(effects.hidden))
    choice = None if effects.random is None else effects.random.choice
    if choice is not None and choice.verdict == "fixed":
        notes.append(choice.words)
    notes += null_words(fit, null_z_sd)
    for status, words in DOUBTFUL.items():
        n_genes = int(np.sum(all_statuses(effects) == status))
        if status == "outlier" and effects.scalars.get("bounded"):
            words = "counts far from their replicates, which bounded residuals keep from deciding; see their samples"
        if n_genes > 0:
            genes = "1 gene has" if n_genes == 1 else f"{n_genes:,} genes have"
            notes.append(f"{genes} the status {status}: {words}.")
    apart = "dispersion_correlation" in effects.scalars
    if apart and effects.scalars["residual_df"] < ENOUGH_OF_GROUPS:
        notes.append(
            f"Each group's dispersions were learned from few replicates ({effects.scalars['residual_df']:g} residual "
            "degrees of freedom in all): a list may hold more false genes than it says, above all of genes with few "
            "reads (effects.dispersion: shared takes one dispersion for both)."
        )
    ratio = effects.scalars.get("dispersion_ratio")
    if ratio is not None:
        notes.insert(0, _unlike_groups(ratio))
    if effects.scalars.get("residual_df", np.inf) < 4:
        notes.append(
            f"Few replicates ({effects.scalars['residual_df']:g} residual degrees of freedom): the error rates lean on "
            "what all genes share, and no method delivers them for every single experiment of this size."
            + (" Hidden factors cannot be told from noise." if effects.hidden is None else "")
            + " Prefer a shorter list (a rate of 0.01, or effects beyond 1), and confirm single genes in other samples."
        )
    if effects.unit is None and takes_counts(effects.engine):
        notes.append(
            "The effects do not tell their unit, as those in effects.h5 of earlier versions: they were taken as log2 "
            "as they stand. Make them anew where the comparison is of a covariate in its own units."
        )
    if is_given(effects.engine):
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


def bounded_words(small_p: float) -> str:
    """That another model took the place of the negative binomial, and why."""
    return (
        "Counts have tails that no negative binomial has: comparing random halves of the replicates, where nothing "
        f"differs, {100 * small_p:.1f}% of its p-values were below .001. Genes were fitted by regression of log counts "
        "with bounded residuals and moderated variances instead. Look for samples that do not belong (PCA on the "
        "page); effects.count_tails: model keeps the negative binomial."
    )


def null_words(fit: EmFit, null_z_sd: float) -> list[str]:
    """What speaks against unchanged genes varying as their errors say, and what to do."""
    known, pi0 = fit.null_sd_prior, fit.prior.pi0
    found = []
    if known is not None:
        shared = float(known.excess.sum())
        if known.seen and shared > MUCH_SHARED:
            found.append(
                f"Replicates share hidden variation: {100 * shared:.0f}% of the residual variance has a cause that the "
                "design does not record. How it moves the comparison is known no better than "
                f"{known.df:g} residual degrees of freedom tell: estimates are taken to drift by "
                f"{fit.prior.null_sd:.2g} log2. Record the cause in the design (batch, donor, day), or add "
                "replicates."
            )
        if pi0 < FEW_UNCHANGED:
            found.append(
                f"Small effects are everywhere: about {100 * pi0:.0f}% of the genes are unchanged, and which ones "
                "cannot be told. Genes are listed where their direction is known. Where the list is too long to be of "
                "use, ask for effects of a size that matters (report.lfc_threshold, prob_up and prob_down)."
            )
    # Where hardly a gene is unchanged, it is not a number.
    unseen = known is None or not known.seen
    if unseen and pi0 > FEW_UNCHANGED and (null_z_sd < RIGHT_SPREAD[0] or null_z_sd > RIGHT_SPREAD[1]):
        found.append(
            f"z-scores of unchanged genes have a standard deviation of {null_z_sd:.2f}, where 1 is expected: "
            "replicates may share hidden variation, or many effects are small. prior.null: estimated allows for both; "
            "counts, in place of a table of estimates, tell which."
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
                f"(probability {evidence['doubt']:.2f} that it is beside the point). See where it comes from, or "
                "leave it out."
            )
    return notes


CONFLICT = 2.5
"""Standard deviations between evidence and data that are worth a word."""
