"""Real studies with independent truth: small effects, agreement between parts of a study, and growth of lists.

python benchmarks/calibration/real.py titration COUNTS SAMPLES [--taqman FILE] [--ercc FILE]
python benchmarks/calibration/real.py agreement COUNTS SAMPLES --by time --merge "2months=2 months" --design
    "~ time + protocol" --column protocol --baseline control --target "L5 SNL"
python benchmarks/calibration/real.py halves COUNTS SAMPLES --by cell --design "~ cell + dex" --column dex ...
python benchmarks/calibration/real.py withheld COUNTS SAMPLES --by batch --design "~ batch + condition" ...
python benchmarks/calibration/real.py growth COUNTS SAMPLES --design ... --column ... --sizes 2 3 5 8
python benchmarks/calibration/real.py lists COUNTS SAMPLES --design ... --column ...
python benchmarks/calibration/real.py permuted COUNTS SAMPLES --design ... --column ... [--by batch] [--peers]

Studies are not shipped; airway's two files are in resources/airway. Rows go to real_{subcommand}.csv, after those there
are with `--append`. Lists are ours by q-value, s-value and Benjamini and Hochberg on our own p-values, and those of
DESeq2, edgeR and limma-voom, in R, on the genes that we test.

titration: samples A and B of RNA and their mixtures C (3/4 A) and D (1/4 A), four libraries each: SEQC's. Two libraries
of each are compared; truth comes from the other two. There a gene's ratio r of B to A, and k, the ratio of their
contents of mRNA, make every comparison's: C over A is (3 + k r) / (3 + k), D over A is (1 + 3 k r) / (1 + 3 k). k is
fitted to the other libraries of C and D by least squares of log ratios over well counted genes. A method's zero is its
own normalization's, so that truth is moved by the median over genes of that method's unshrunken estimates less truth
(`shift`). Kept are genes whose truth has a standard error below `--limit`, from counts and the dispersion between
libraries (`known`). `power_{low}_{high}` is the share of those with such an effect that the list holds with the right
sign, `wrong` the share of wrong signs among listed genes with a true effect above .02, `coverage` that of 95%
intervals, against which the error of the truth counts too. Truth by TaqMan assays and spike-ins is held against the
same lists in rows of its own; spike-ins are mixed without regard to k, and have a shift of their own.

agreement: lists of the whole study, and of each level of `--by` alone, against the clear genes of one level (BH on our
p-values below .01, more than a doubling or halving): `clear` of them, `both` listed, `agree` the share of these with
the same sign, `held` the share of the clear ones listed with it. `consensus` are genes that edgeR and voom both list
at 5% with more than a doubling or halving, in the whole study.

halves: half the levels of `--by` predict the others' unshrunken estimates, in every pairing: `error` is the mean over
genes of the squared error over the squared standard error, `ratio` that over the fixed null's, and `agree` the share of
listed genes with the same sign in the other half.

withheld: each level of `--by` in turn tells, by its own unshrunken ratios, whether genes that the rest lists have the
same sign: those that our list by signs and BH's on our p-values both hold, or one of them alone. Ratios of one pair of
samples are noisy: not all true signs agree.

growth: lengths of lists of random samples of each group. lists: those of any study, hidden factors sought or not.

permuted: lengths of lists where `--column`'s values are permuted, so that nothing differs; among samples with the same
value of `--by`, if that is given, as of a batch or of the groups themselves. Beside Wilcoxon's test, and the share of
our p-values below .05 and .001. `--peers`: DESeq2, edgeR and limma-voom too.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from methods import answers_in_r, by_p, by_q, by_s
from rates import LEVEL, Row, write_rows
from scipy import linalg, optimize
from sets import KnownSet
from tails import wilcoxon

import ebgenes as eb
from ebgenes.arrays import BoolArray, FloatArray, text_array
from ebgenes.errors import InputError
from ebgenes.records.counts import Counts
from ebgenes.records.design import Design
from ebgenes.records.effects import Effects
from ebgenes.records.prior import EmFit

STRICT = 0.01
BINS = (0.05, 0.1, 0.25, 0.5, 1, np.inf)
"""Ends of the bins of true effects, log2."""

SMALLEST = 0.02
"""True effects, log2, below which a sign is not held against a list."""

WELL_COUNTED = 500
"""Reads of a gene in the pooled libraries of each sample, from which it tells of k and of the dispersion."""

CLEAR_LEVEL, CLEAR_EFFECT = 0.01, 1.0

Truth = tuple[FloatArray, FloatArray]
"""True effects and their standard errors, log2, (G,)."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Fitted:
    """A question asked of some samples, and our answer."""

    counts: Counts
    design: Design
    effects: Effects
    fit: EmFit
    table: pd.DataFrame


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Listed:
    """A list of a method's answer to the genes of a table.

    Attributes
    ----------
    found
        Columns of `methods.COLUMNS`, (G,) rows.
    raw
        Estimates without shrinkage, log2, (G,).
    level
        Below which a gene's adjusted value has to be.
    """

    method: str
    found: pd.DataFrame
    raw: FloatArray
    level: float = LEVEL

    @property
    def called(self) -> BoolArray:
        return (self.found["adjusted"] < self.level).to_numpy()

    @property
    def sign(self) -> FloatArray:
        """0 where a gene is not listed, (G,)."""
        return np.where(self.called, np.sign(self.found["estimate"]), 0.0)


def read(options: argparse.Namespace) -> tuple[Counts, pd.DataFrame]:
    """Counts and sheet, with levels that are written in two ways made one."""
    samples = eb.read_samples(options.samples)
    for old, new in (each.split("=", 1) for each in options.merge):
        if not (samples == old).any(axis=None):
            raise SystemExit(f"no value of {options.samples} is {old!r}, which --merge names")
        samples = samples.replace(old, new)
    # Levels come from the command line, as text.
    samples[options.column] = samples[options.column].astype(str)
    return eb.match_samples(eb.read_counts(options.counts), text_array(samples.index)), samples


def of_samples(counts: Counts, sample: pd.Index) -> Counts:
    place = pd.Index(counts.sample).get_indexer(sample)
    return Counts(gene=counts.gene, sample=text_array(sample), count=counts.count[:, place])


def fitted(
    counts: Counts, samples: pd.DataFrame, formula: str, question: Any, *, hidden_factors: str | int = "auto"
) -> Fitted:
    """The question asked of the samples of a sheet, which may be fewer than were counted."""
    reference = {question.column: question.baseline}
    design = eb.build_design(samples, formula, question, reference=reference)
    own = of_samples(counts, samples.index)
    own = eb.keep_expressed(own, eb.screen_genes(own, design))
    effects = eb.fit_effects(own, design, hidden_factors=hidden_factors)
    fit = eb.fit_em(effects)
    table = eb.results_table(effects, eb.posterior(effects, fit.prior))
    return Fitted(counts=own, design=design, effects=effects, fit=fit, table=table)


def question_of(options: argparse.Namespace) -> Any:
    return eb.compare(options.column, baseline=options.baseline, target=options.target)


def summary_of(one: Fitted) -> Row:
    prior, hidden = one.fit.prior, one.effects.hidden
    return {
        "genes": len(one.table),
        "pi0": f"{prior.pi0:.4g}",
        "null_sd": f"{prior.null_sd:.4g}",
        "factors": 0 if hidden is None else len(hidden.share),
    }


def our_lists(one: Fitted) -> list[Listed]:
    raw = one.table["log2_fc"].to_numpy()
    by_sign = by_s(one.table)
    return [
        Listed(method="q < .05", found=by_q(one.table), raw=raw),
        Listed(method="s < .05", found=by_sign, raw=raw),
        Listed(method="s < .01", found=by_sign, raw=raw, level=STRICT),
        Listed(method="own p, BH", found=by_p(one.table), raw=raw),
    ]


def with_tested_last(design: Design) -> Design:
    """The same model in coefficients of which the last is the contrast, as peers want it."""
    weight = design.contrast.weight
    last = np.eye(len(weight))[-1]
    if np.array_equal(weight, last):
        return design
    change = np.column_stack([linalg.null_space(weight[None, :]), weight / (weight @ weight)])
    return replace(design, matrix=design.matrix @ change, contrast=replace(design.contrast, weight=last))


def peer_lists(fits: list[Fitted]) -> list[list[Listed]]:
    known = [
        KnownSet(
            counts=one.counts,
            design=with_tested_last(one.design),
            treated=np.zeros(len(one.counts.sample), dtype=bool),
            truth=np.zeros(len(one.counts.gene)),
        )
        for one in fits
    ]
    return [
        [Listed(method=name, found=found, raw=found["estimate"].to_numpy()) for name, found in answers]
        for answers in answers_in_r("peers.R", known)
    ]


# Titration.


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Mixture:
    """What libraries of A, B and their mixtures tell.

    Attributes
    ----------
    gene
        Ids, (G,).
    log_ratio, variance
        Of B to A, natural log, and its sampling variance, (G,).
    content
        k: mRNA of B over that of A in the same amount of RNA.
    dispersion
        Between libraries of one sample.
    """

    gene: np.ndarray
    log_ratio: FloatArray
    variance: FloatArray
    content: float
    dispersion: float


def mixed(log_ratio: FloatArray, share: float, content: float) -> FloatArray:
    """Natural log of a mixture over A, where B has this share of the RNA, (G,)."""
    return np.log((1 - share) + share * content * np.exp(log_ratio)) - np.log(1 - share + share * content)


SHARE = {"A": 0.0, "C": 0.25, "D": 0.75, "B": 1.0}
"""B's share of each sample's RNA."""

CONTRASTS = (("A", "C"), ("A", "B"), ("C", "D"))


def contrast_of(log_ratio: FloatArray, baseline: str, target: str, content: float) -> FloatArray:
    """Natural log of target over baseline, (G,)."""
    return mixed(log_ratio, SHARE[target], content) - mixed(log_ratio, SHARE[baseline], content)


def learn_mixture(counts: Counts, sample: pd.Series) -> Mixture:
    """From libraries of all four samples; spike-ins are not mixed as the rest is and are left out."""
    spiked = np.array([str(gene).startswith("ERCC-") for gene in counts.gene])
    count = counts.count[~spiked].astype(float)
    part = {name: count[:, (sample == name).to_numpy()] for name in SHARE}
    pooled = {name: each.sum(axis=1) for name, each in part.items()}
    seen = (pooled["A"] > 0) & (pooled["B"] > 0)
    log_share = {name: np.log(np.maximum(each, 0.5) / each.sum()) for name, each in pooled.items()}
    log_ratio = log_share["B"] - log_share["A"]
    well = np.all([each >= WELL_COUNTED for each in pooled.values()], axis=0)

    def squares(log_content: float) -> float:
        total = 0.0
        for name in ("C", "D"):
            gap = (log_share[name] - log_share["A"] - mixed(log_ratio, SHARE[name], np.exp(log_content)))[well]
            # Totals follow the few genes with most reads: a level is not held against k.
            total += float(np.sum((gap - np.median(gap)) ** 2))
        return total

    content = float(np.exp(optimize.minimize_scalar(squares, bounds=(-2, 2), method="bounded").x))
    dispersion = float(np.mean([dispersion_of(part[name][well]) for name in ("A", "B")]))
    variance = sum(1 / np.maximum(pooled[name], 0.5) + dispersion / part[name].shape[1] for name in ("A", "B"))
    return Mixture(
        gene=counts.gene[~spiked][seen],
        log_ratio=log_ratio[seen],
        variance=np.asarray(variance)[seen],
        content=content,
        dispersion=dispersion,
    )


def dispersion_of(count: FloatArray) -> float:
    """Mean over genes of the variance beyond Poisson's over the squared mean, between libraries."""
    scaled = count * (count.sum() / count.shape[1] / count.sum(axis=0))
    mean = scaled.mean(axis=1)
    return max(float(np.mean((scaled.var(axis=1, ddof=1) - mean) / mean**2)), 0.0)


def mixture_truth(known: Mixture, baseline: str, target: str) -> pd.DataFrame:
    """True effects of a comparison and their standard errors, log2, by gene."""
    of = partial(contrast_of, baseline=baseline, target=target, content=known.content)
    step = 1e-4
    slope = (of(known.log_ratio + step) - of(known.log_ratio - step)) / (2 * step)
    log2 = pd.DataFrame({"truth": of(known.log_ratio), "se": np.abs(slope) * np.sqrt(known.variance)}) / np.log(2)
    return log2.set_axis(pd.Index(known.gene.astype(str)), axis=0)


def taqman_truth(path: Path, baseline: str, target: str) -> pd.DataFrame:
    """By assays that saw the gene in every measurement of A and B; the first of a gene's assays."""
    found = pd.read_csv(path, sep="\t", dtype={"gene_id": str}).set_index("gene_id")
    found = found[(found["nA"] == found["nA"].max()) & (found["nB"] == found["nB"].max())]
    found = found[~found.index.duplicated()]
    return pd.DataFrame({"truth": found[f"l{target}"] - found[f"l{baseline}"], "se": found["se"]})


def ercc_truth(path: Path, baseline: str, target: str) -> pd.DataFrame:
    """By what was spiked into A and B before they were mixed: known without error."""
    found = pd.read_csv(path, sep="\t", dtype={"gene_id": str}).set_index("gene_id")
    log_ratio = found["log2fc"].to_numpy() * np.log(2)
    truth = contrast_of(log_ratio, baseline, target, content=1.0) / np.log(2)
    return pd.DataFrame({"truth": truth, "se": 0.0}, index=found.index)


def against_truth(one: Listed, gene: pd.Index, truth: pd.DataFrame) -> Row:
    """What a list is worth among the genes whose effect is known."""
    true = truth["truth"].reindex(gene).to_numpy()
    known = np.isfinite(true) & np.isfinite(one.raw)
    shift = float(np.median((one.raw - true)[known]))
    true = (true + shift)[known]
    size, right = np.abs(true), one.sign[known] * np.sign(true) > 0
    judged = one.called[known] & (size > SMALLEST)
    found = one.found[known]
    covered = ((found["low"] <= true) & (true <= found["high"])).to_numpy()
    row: Row = {
        "calls": int(one.called.sum()),
        "known": int(known.sum()),
        "calls_known": int(one.called[known].sum()),
        "wrong": _mean(~right[judged]),
        "rmse": f"{np.sqrt(np.mean((found['estimate'] - true) ** 2)):.4f}" if found["estimate"].notna().all() else "",
        "coverage": _mean(covered) if found["low"].notna().any() else "",
        "shift": f"{shift:.4f}",
    }
    for low, high in pairwise(BINS):
        inside = (size > low) & (size <= high)
        row |= {f"genes_{low:g}_{high:g}": int(inside.sum()), f"power_{low:g}_{high:g}": _mean(right[inside])}
    return row


def _mean(values: np.ndarray) -> str:
    return f"{values.mean():.4f}" if len(values) else ""


def titration(options: argparse.Namespace) -> Iterator[Row]:
    counts, samples = read(options)
    sample = samples[options.column]
    library = sample.groupby(sample).cumcount()
    for run, own in (("first libraries", library < 2), ("last libraries", library >= library.max() - 1)):
        rest = samples.index[~own]
        mixture = learn_mixture(of_samples(counts, rest), sample[rest])
        fits = []
        for baseline, target in CONTRASTS:
            chosen = samples[own & sample.isin([baseline, target])]
            question = eb.compare(options.column, baseline=baseline, target=target)
            fits.append(fitted(counts, chosen, f"~ {options.column}", question))
        for pair, one, peers in zip(CONTRASTS, fits, peer_lists(fits), strict=True):
            precise = mixture_truth(mixture, *pair)
            truths = {"other libraries": precise[precise["se"] < options.limit]}
            if options.taqman:
                assays = taqman_truth(options.taqman, *pair)
                truths["TaqMan"] = assays[assays["se"] < options.limit]
            if options.ercc:
                truths["spike-ins"] = ercc_truth(options.ercc, *pair)
            head = {"contrast": " v ".join(pair), "run": run, **summary_of(one)}
            learned = {"content": f"{mixture.content:.4f}", "dispersion": f"{mixture.dispersion:.2g}"}
            gene = pd.Index(one.table["gene_id"].astype(str))
            for name, truth in truths.items():
                for listed in (*our_lists(one), *peers):
                    yield {
                        **head,
                        "truth": name,
                        "method": listed.method,
                        **against_truth(listed, gene, truth),
                        **learned,
                    }


# Parts of a study.


def sign_by_gene(one: Fitted, sign: FloatArray) -> pd.Series:
    """Signs of listed genes, by gene."""
    signs = pd.Series(sign, index=one.table["gene_id"].astype(str))
    return signs[signs != 0]


def clear_genes(one: Fitted) -> pd.Series:
    """Signs of the genes that a part of a study leaves no doubt of."""
    effect = one.table["log2_fc"].to_numpy()
    clear = (one.table["adj_p_value"] < CLEAR_LEVEL).to_numpy() & (np.abs(effect) > CLEAR_EFFECT)
    return sign_by_gene(one, np.where(clear, np.sign(effect), 0.0))


def sign_agreement(listed: pd.Series, clear: pd.Series) -> Row:
    both = listed.index.intersection(clear.index)
    same = (listed[both] == clear[both]).to_numpy()
    return {
        "calls": len(listed),
        "clear": len(clear),
        "both": len(both),
        "agree": _mean(same),
        "held": f"{same.sum() / len(clear):.4f}" if len(clear) else "",
    }


def consensus(one: Fitted, peers: list[Listed]) -> pd.Series:
    """Signs of the genes that edgeR and voom both list as more than doubled or halved."""
    chosen = [each for each in peers if each.method.startswith(("edgeR", "limma"))]
    far = [np.where(np.abs(each.raw) > CLEAR_EFFECT, each.sign, 0.0) for each in chosen]
    return sign_by_gene(one, np.where(far[0] == far[1], far[0], 0.0))


def agreement(options: argparse.Namespace) -> Iterator[Row]:
    counts, samples = read(options)
    question = question_of(options)
    parts = {str(level): samples[samples[options.by] == level] for level in samples[options.by].unique()}
    fits = {"all": fitted(counts, samples, options.design, question)}
    fits |= {level: fitted(counts, part, f"~ {options.column}", question) for level, part in parts.items()}
    peers = dict(zip(fits, peer_lists(list(fits.values())), strict=True))
    targets = {f"clear at {level}": clear_genes(fits[level]) for level in parts}
    targets["consensus"] = consensus(fits["all"], peers["all"])
    for fitted_on, one in fits.items():
        for against, clear in targets.items():
            if against == f"clear at {fitted_on}":
                continue
            for listed in (*our_lists(one), *peers[fitted_on]):
                head = {"fitted on": fitted_on, "against": against, **summary_of(one), "method": listed.method}
                yield {**head, **sign_agreement(sign_by_gene(one, listed.sign), clear)}


def halves(options: argparse.Namespace) -> Iterator[Row]:
    counts, samples = read(options)
    levels = sorted(samples[options.by].unique())
    question = question_of(options)
    fits = {}
    for chosen in combinations(levels, len(levels) // 2):
        part = samples[samples[options.by].isin(chosen)]
        fits[chosen] = fitted(counts, part, options.design, question)
    for chosen, one in fits.items():
        other = fits[tuple(level for level in levels if level not in chosen)]
        first, second = (each.table.set_index("gene_id") for each in (one, other))
        shared = first.index.intersection(second.index)
        fixed = eb.fit_em(one.effects, null="fixed")
        as_fixed = eb.results_table(one.effects, eb.posterior(one.effects, fixed.prior)).set_index("gene_id")
        tables = {"null estimated": (one.fit, first), "null fixed": (fixed, as_fixed)}
        guesses = {name: table["post_mean"] for name, (_, table) in tables.items()}
        guesses |= {"no pooling": first["log2_fc"], "no change": 0.0 * first["log2_fc"]}
        target = second.loc[shared]
        error = {
            name: float(np.mean(((guess[shared] - target["log2_fc"]) / target["se"]) ** 2))
            for name, guess in guesses.items()
        }
        for name in guesses:
            row: Row = {"fitted on": " ".join(map(str, chosen)), "method": name, "genes": len(shared)}
            row |= {"error": f"{error[name]:.4f}", "ratio": f"{error[name] / error['null fixed']:.4f}"}
            if name in tables:
                fit, table = tables[name]
                row |= {"pi0": f"{fit.prior.pi0:.4g}", "null_sd": f"{fit.prior.null_sd:.4g}"}
                for cut in ("q", "s"):
                    listed = table.loc[shared][table.loc[shared, f"{cut}_value"] < LEVEL]
                    same = np.sign(listed["post_mean"]) == np.sign(target["log2_fc"][listed.index])
                    row |= {f"calls_{cut}": len(listed), f"agree_{cut}": _mean(same.to_numpy())}
            yield row


def withheld(options: argparse.Namespace) -> Iterator[Row]:
    counts, samples = read(options)
    every = eb.normalize(counts)
    level = np.log2((every.count + 0.5) / np.exp(every.log_size))
    for part in sorted(samples[options.by].unique()):
        own = samples[options.by] == part
        one = fitted(counts, samples[~own], options.design, question_of(options))
        table = one.table.set_index("gene_id")
        sides = [(own & (samples[options.column] == each)).to_numpy() for each in (options.target, options.baseline)]
        seen = pd.Series(level[:, sides[0]].mean(axis=1) - level[:, sides[1]].mean(axis=1), index=list(every.gene))
        same = np.sign(table["post_mean"]) == np.sign(seen[table.index])
        by_sign, by_bh = table["s_value"] < LEVEL, table["adj_p_value"] < LEVEL
        kinds = {
            "both": by_sign & by_bh,
            "by signs alone": by_sign & ~by_bh,
            "BH alone": by_bh & ~by_sign,
            "neither": ~by_sign & ~by_bh,
        }
        for kind, chosen in kinds.items():
            known = {**summary_of(one), "listed": kind, "calls": int(chosen.sum())}
            yield {"withheld": part, **known, "agree": _mean(same[chosen].to_numpy())}


# Any study.


def draw_samples(rng: np.random.Generator, samples: pd.DataFrame, options: argparse.Namespace, n: int) -> pd.DataFrame:
    """n samples of each group that leave the design residual degrees of freedom."""
    level = samples[options.column]
    for _ in range(1000):
        chosen = np.concatenate(
            [rng.choice(samples.index[level == each], n, replace=False) for each in (options.baseline, options.target)]
        )
        part = samples[samples.index.isin(chosen)]
        try:
            eb.require_replicates(eb.build_design(part, options.design, question_of(options)))
        except InputError:
            continue
        return part
    raise SystemExit(f"no {n} samples of each group leave a residual degree of freedom beside {options.design!r}")


def growth(options: argparse.Namespace) -> Iterator[Row]:
    counts, samples = read(options)
    rng = np.random.default_rng(options.seed)
    fewest = min((samples[options.column] == level).sum() for level in (options.baseline, options.target))
    for n in (n for n in options.sizes if n <= fewest):
        for repeat in range(options.repeats):
            part = draw_samples(rng, samples, options, n)
            one = fitted(counts, part, options.design, question_of(options))
            calls = {listed.method: int(listed.called.sum()) for listed in our_lists(one)}
            yield {"samples": n, "repeat": repeat + 1, **summary_of(one), **calls}
            if len(part) == len(samples):
                # Other draws are the same.
                break


def lists(options: argparse.Namespace) -> Iterator[Row]:
    counts, samples = read(options)
    fits = {
        hidden: fitted(counts, samples, options.design, question_of(options), hidden_factors=hidden)
        for hidden in ("auto", 0)
    }
    for hidden, one in fits.items():
        for listed in our_lists(one):
            row: Row = {"method": listed.method, "hidden_factors": hidden, "calls": int(listed.called.sum())}
            yield {**row, **summary_of(one)}
    for listed in peer_lists([fits[0]])[0]:
        yield {"method": listed.method, "calls": int(listed.called.sum()), "genes": len(listed.found)}


def permuted_labels(rng: np.random.Generator, samples: pd.DataFrame, column: str, by: str | None) -> pd.DataFrame:
    """The sheet with a column's values permuted, among samples with the same value of another where one is given."""
    level = samples[column].to_numpy(dtype=object)
    within = np.zeros(len(samples)) if by is None else samples[by].astype(str).to_numpy()
    for part in np.unique(within):
        place = np.flatnonzero(within == part)
        level[place] = level[rng.permutation(place)]
    return samples.assign(**{column: level})


def permuted(options: argparse.Namespace) -> Iterator[Row]:
    counts, samples = read(options)
    rng = np.random.default_rng(options.seed)
    samples = samples[samples[options.column].isin([options.baseline, options.target])]
    for repeat in range(options.repeats):
        sheet = permuted_labels(rng, samples, options.column, options.by)
        one = fitted(counts, sheet, options.design, question_of(options))
        p_value = one.table["p_value"].to_numpy()
        of_ranks = KnownSet(
            counts=one.counts,
            design=one.design,
            treated=(sheet[options.column] == options.target).to_numpy(),
            truth=np.zeros(len(one.counts.gene)),
        )
        row: Row = {"repeat": repeat + 1, "samples": len(sheet), **summary_of(one)}
        row |= {"size_shift": f"{one.effects.scalars.get('size_shift', 0.0):.4f}"}
        row |= {"bounded": int(one.effects.scalars.get("bounded", 0))}
        row |= {f"p_{level}": _mean(p_value < level) for level in (0.05, 0.001)}
        row |= {listed.method: int(listed.called.sum()) for listed in our_lists(one)}
        row["Wilcoxon, BH"] = int((wilcoxon(of_ranks)["adjusted"] < LEVEL).sum())
        if options.peers:
            row |= {listed.method: int(listed.called.sum()) for listed in peer_lists([one])[0]}
        yield row


def add_question(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--design", required=True)
    parser.add_argument("--column", required=True)
    parser.add_argument("--baseline", required=True)
    parser.add_argument("--target", required=True)


def command(
    subcommands: Any, name: str, run: Callable[[argparse.Namespace], Iterator[Row]], *, asks: bool = True
) -> argparse.ArgumentParser:
    """A subcommand with what all of them take."""
    parser = subcommands.add_parser(name)
    parser.set_defaults(run=run)
    parser.add_argument("counts", type=Path)
    parser.add_argument("samples", type=Path)
    if asks:
        add_question(parser)
    parser.add_argument(
        "--merge", nargs="*", default=[], metavar="old=new", help="values of the sheet that mean another"
    )
    parser.add_argument("--study", help="its name in the rows; else that of the counts' folder")
    parser.add_argument("--append", action="store_true", help="keep the rows there are")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name(f"real_{name}.csv"))
    return parser


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    subcommands = parser.add_subparsers(required=True)
    one = command(subcommands, "titration", titration, asks=False)
    one.add_argument("--column", default="seqc_sample")
    one.add_argument("--taqman", type=Path)
    one.add_argument("--ercc", type=Path)
    one.add_argument(
        "--limit", type=float, default=0.05, help="standard error of the truth, log2, that a gene may have"
    )
    for name, run in (("agreement", agreement), ("halves", halves), ("withheld", withheld)):
        command(subcommands, name, run).add_argument("--by", required=True, help="column whose levels are parts")
    one = command(subcommands, "growth", growth)
    one.add_argument("--sizes", nargs="+", type=int, default=[2, 3, 5, 8])
    one.add_argument("--repeats", type=int, default=3)
    one.add_argument("--seed", type=int, default=1)
    command(subcommands, "lists", lists)
    one = command(subcommands, "permuted", permuted)
    one.add_argument("--by", help="column within whose values labels are permuted")
    one.add_argument("--repeats", type=int, default=20)
    one.add_argument("--seed", type=int, default=1)
    one.add_argument("--peers", action="store_true")
    options = parser.parse_args()
    study = options.study or options.counts.resolve().parent.name
    kept = options.append and options.out.exists()
    rows: list[Row] = pd.read_csv(options.out, dtype=str).fillna("").to_dict("records") if kept else []
    for row in options.run(options):
        rows.append({"study": study, **row})
        print(*rows[-1].values(), flush=True)
        write_rows(options.out, rows)


if __name__ == "__main__":
    main()
