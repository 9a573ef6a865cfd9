"""Several studies of one question: a common effect of each gene, and how far studies stray from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, cast

import numpy as np
from scipy import special
from scipy.interpolate import PchipInterpolator
from scipy.optimize import minimize_scalar

from ebgenes.arrays import BoolArray, FloatArray, IntArray, TextArray, evenly, text_array
from ebgenes.effects.negative_binomial import FAR, REACH, summaries
from ebgenes.errors import InputError
from ebgenes.numerics import grid_likelihood
from ebgenes.numerics.jit import map_blocks, read_only
from ebgenes.numerics.studies import PRODUCT_NODES, multiply_studies, study_posteriors
from ebgenes.prior.families import family_of
from ebgenes.prior.fit import fit_em
from ebgenes.prior.null import excess_variance
from ebgenes.records.effects import Effects, ResidualAxes
from ebgenes.records.prior import MixturePrior

LOG2 = np.log(2)

TAUS = np.concatenate([[0.0], np.geomspace(0.02, 2.56, 8)])
"""Where tau is first sought, log2 over the range of the data."""

SEARCHED = 5_000
"""Genes, evenly taken, among which tau is sought where there are twice as many."""

DROP = 1.92
"""Drop of the log likelihood at the ends of a 95% interval."""

STUDY_COLUMNS = {
    "gene_id": "gene identifier",
    "gene_name": "gene name",
    "n_studies": "studies that have the gene",
    "cochran_q": "sum of the squared distances of the studies' estimates from their precision-weighted mean, in "
    "standard errors",
    "i2": "share of cochran_q beyond what errors alone lead to: max(0, 1 - (n_studies - 1) / cochran_q)",
    "heterogeneity_p": "p-value of cochran_q if all studies had one effect; t distributed estimates count as "
    "the normal ones of the same p-value",
    "prob_signs_differ": "P(effects of the studies have different signs | data, the gene is changed)",
}
"""Columns of ``studies.tsv`` that all studies share; `OWN_COLUMNS` follow for each study, as ``<study>.log2_fc``."""

OWN_COLUMNS = {
    "log2_fc": "the study's own estimate",
    "se": "its standard error",
    "post_mean": "posterior mean of this study's own effect, from all studies and all genes",
    "post_sd": "its posterior standard deviation",
}


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class StudySet:
    """Effects of G genes in S studies; a gene may lack in some.

    Attributes
    ----------
    study
        Names, (S,).
    gene
        Genes of any study, (G,), in the order of their first study.
    row
        Place of each gene among all studies' effects, one study after the other, (G, S); -1 where there is none.
    weight
        Power of each study's likelihood, (S,).
    part
        The studies' effects.
    """

    study: TextArray
    gene: TextArray
    row: IntArray
    weight: FloatArray
    part: tuple[Effects, ...]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Tau:
    """How far a study's effect strays from the common one.

    Attributes
    ----------
    value
        Standard deviation, log2, of greatest marginal likelihood over all genes.
    interval
        Where the log likelihood is within 1.92 of the greatest: 95%.
    tried, loglik
        Values that were tried, ascending, and their log likelihoods, (N,); of a share of the genes where there are
        many.
    p_value
        Of no heterogeneity, from the likelihood ratio (half a chi-squared on one degree of freedom).
    """

    value: float
    interval: tuple[float, float]
    tried: FloatArray
    loglik: FloatArray
    p_value: float


def join_studies(studies: Mapping[str, Effects], weight: Mapping[str, float] | None = None) -> StudySet:
    """Line up the genes of several studies.

    Parameters
    ----------
    studies
        Effects by study, log2, of any engine.
    weight
        Power of a study's likelihood by name, 0 or more: 1 where none is given, 0.5 counts it half.

    Raises
    ------
    InputError
        For no study, weights of unknown studies or below 0, all 0, or studies that share no gene.
    """
    weight = {} if weight is None else weight
    names = list(studies)
    if not names:
        raise InputError("there is no study. Name at least one.")
    unknown = [name for name in weight if name not in studies]
    if unknown:
        raise InputError(f"weight has {len(unknown)} names that are no study (first: {unknown[0]!r}).")
    power = np.array([float(weight.get(name, 1.0)) for name in names])
    if not (np.isfinite(power) & (power >= 0)).all() or not (power > 0).any():
        raise InputError("weights of studies must be finite numbers of 0 or more, one at least above 0.")
    gene: dict[str, int] = {}
    for effects in studies.values():
        for each in effects.gene:
            gene.setdefault(str(each), len(gene))
    row = np.full((len(gene), len(names)), -1, dtype=np.int64)
    start = 0
    for s, effects in enumerate(studies.values()):
        place = [gene[str(each)] for each in effects.gene]
        row[place, s] = start + np.arange(len(place))
        start += len(place)
    if len(names) > 1 and not ((row >= 0).sum(axis=1) > 1).any():
        first = [f"{name}: {effects.gene[0]}" for name, effects in studies.items() if len(effects.gene)]
        raise InputError(
            f"no gene is in more than one of {len(names)} studies ({'; '.join(first[:3])}). Give ids of one kind."
        )
    counted = (row >= 0) & (power > 0)
    keep = counted.any(axis=1)
    return StudySet(
        study=text_array(names),
        gene=text_array(np.array(list(gene), dtype=object)[keep]),
        row=row[keep],
        weight=power,
        part=tuple(studies.values()),
    )


def _column(joined: StudySet, name: str) -> FloatArray:
    """A number of each gene in each study, (G, S); NaN where a study lacks the gene."""
    every = np.concatenate([np.asarray(getattr(part, name), dtype=float) for part in joined.part])
    return np.where(joined.row >= 0, every[joined.row], np.nan)


def without_study(joined: StudySet, dropped: int) -> StudySet:
    """The other studies, with the genes they have."""
    kept = [s for s in range(len(joined.study)) if s != dropped]
    names = [str(joined.study[s]) for s in kept]
    parts = {name: joined.part[s] for name, s in zip(names, kept, strict=True)}
    return join_studies(parts, dict(zip(names, joined.weight[kept].tolist(), strict=True)))


def _some(joined: StudySet, most: int) -> StudySet:
    """Every so many genes of those that more than one study has, where there are many."""
    several = np.flatnonzero((joined.row >= 0).sum(axis=1) > 1)
    chosen = several[evenly(joined.gene[several], max(len(several) // most, 1))]
    return replace(joined, gene=joined.gene[chosen], row=joined.row[chosen])


def _closed(joined: StudySet) -> bool:
    """Whether all likelihoods are normal, so that their product is."""
    return all(part.grid is None and bool(np.isinf(part.df).all()) for part in joined.part)


def on_grid(effects: Effects) -> tuple[FloatArray, FloatArray]:
    """Nodes and log likelihoods, (G, T) each, also of t statistics."""
    if effects.grid is not None and effects.loglik is not None:
        return effects.grid, effects.loglik
    u = np.broadcast_to(REACH, (len(effects.gene), len(REACH)))
    df = np.minimum(effects.df, 1e15)[:, None]
    loglik = np.where(np.isfinite(effects.df)[:, None], -0.5 * (df + 1) * np.log1p(u * u / df), -0.5 * u * u)
    # Constants are those of a normal; tau alone tells likelihoods of one study apart.
    loglik = loglik - np.log(effects.se * np.sqrt(2 * np.pi))[:, None]
    return effects.estimate[:, None] + effects.se[:, None] * u, loglik


def _spread_out(joined: StudySet, tau: float) -> tuple[FloatArray, FloatArray, IntArray]:
    """Likelihoods of all studies' genes that are asked for, convolved with N(0, tau^2), (N, T), and rows (G, S)."""
    parts = [on_grid(part) for part in joined.part]
    if len({grid.shape[1] for grid, _ in parts}) > 1:
        raise InputError(
            "the studies' likelihoods have different numbers of nodes. Make all of them with this version."
        )
    used = np.unique(joined.row[joined.row >= 0])
    grid, loglik = (np.concatenate(each)[used] for each in zip(*parts, strict=True))
    row = np.where(joined.row >= 0, np.searchsorted(used, joined.row), -1)
    if tau > 0:
        wide, convolved = np.empty_like(grid), np.empty_like(loglik)
        known = read_only(grid), read_only(loglik)
        map_blocks(
            lambda block: grid_likelihood.convolve_normal(
                known[0][block], known[1][block], float(tau), wide[block], convolved[block]
            ),
            len(grid),
        )
        grid, loglik = wide, convolved
    return grid, loglik, row


def combine_studies(joined: StudySet, tau: float) -> Effects:
    """The likelihood of each gene's common effect: the product over studies, each convolved with N(0, tau^2).

    One study alone comes back as it is. Normal likelihoods have a normal product; others are kept at 81 nodes around
    its peak, from which estimate, standard error, df and p-value are read as `fit_effects` reads them.
    """
    if len(joined.study) == 1 and joined.weight[0] == 1:
        return joined.part[0]
    if _closed(joined):
        return _combined_normals(joined, tau)[0]
    grid, loglik, row = _spread_out(joined, tau)
    row = np.ascontiguousarray(row)
    nodes, product = np.empty((2, len(row), PRODUCT_NODES))
    map_blocks(
        lambda block: multiply_studies(grid, loglik, row[block], joined.weight, nodes[block], product[block]), len(row)
    )
    told = _told(joined, tau)
    unit = LOG2 * usual_unit(joined.part)
    found = summaries(nodes * unit, product, FAR)
    return Effects(
        estimate=found[:, 0] / unit, se=found[:, 1] / unit, df=found[:, 2], p_value=found[:, 3], grid=nodes,
        loglik=product, **told,
    )  # fmt: skip


def _combined_normals(joined: StudySet, tau: float) -> tuple[Effects, FloatArray]:
    """The product of normals, and the logs of what it is beside a normal density, (G,)."""
    estimate, se = _column(joined, "estimate"), _column(joined, "se")
    there = joined.row >= 0
    variance = np.where(there, se**2 + tau**2, 1.0)
    weight = np.where(there, joined.weight, 0.0)
    precision = (weight / variance).sum(axis=1)
    x = np.where(there, estimate, 0.0)
    mean = (weight * x / variance).sum(axis=1) / precision
    rest = (weight * (np.log(2 * np.pi * variance) + (x - mean[:, None]) ** 2 / variance)).sum(axis=1)
    factor = 0.5 * np.log(2 * np.pi / precision) - 0.5 * rest
    found = {"estimate": mean, "se": precision**-0.5, "df": np.full(len(mean), np.inf)}
    return Effects(**cast(Any, found), **_told(joined, tau)), factor


def _told(joined: StudySet, tau: float) -> dict[str, Any]:
    """What a combined effect has beside its likelihood."""
    mean = _column(joined, "base_mean")
    known = np.isfinite(mean)
    total = np.where(known, mean, 0.0).sum(axis=1)
    every = np.concatenate([part.status for part in joined.part if part.status is not None])
    status = np.full(len(joined.gene), "ok", dtype=object)
    for s in range(len(joined.study)):
        own = joined.row[:, s]
        worse = (own >= 0) & (every[own] != "ok")
        status[worse] = every[own[worse]]
    first = joined.part[0]
    return {
        "gene": joined.gene,
        "base_mean": np.divide(total, known.sum(axis=1), out=np.full(len(total), np.nan), where=known.any(axis=1)),
        "status": text_array(status),
        "engine": "studies",
        "scalars": {"studies": float(len(joined.study)), "tau": float(tau)},
        "contrast": first.contrast,
        "up_label": first.up_label,
        "down_label": first.down_label,
        "residuals": _widest(joined.part),
        "unit": common_unit(joined.part),
    }


def common_unit(parts: Sequence[Effects]) -> float | None:
    """The geometric mean of the studies' units that are known: their data may have other ranges of one covariate."""
    known = [part.unit for part in parts if part.unit is not None]
    return float(np.exp(np.mean(np.log(known)))) if known else None


def usual_unit(parts: Sequence[Effects]) -> float:
    """The same, and where no unit is known that in which standard errors are as usual; see `Effects.usual_unit`."""
    known = common_unit(parts)
    return float(np.exp(np.mean([np.log(part.usual_unit) for part in parts]))) if known is None else known


def _widest(parts: Sequence[Effects]) -> ResidualAxes | None:
    """Residual axes of the study whose replicates have most in common, for all; None where some study's are unknown."""
    known = [part.residuals for part in parts if part.residuals is not None]
    return max(known, key=lambda axes: excess_variance(axes).sum()) if len(known) == len(parts) else None


def learn_tau(joined: StudySet, family: str = "scale_normal", most: int = SEARCHED) -> Tau:
    """Tau by marginal maximum likelihood over all genes, the prior of the common effects profiled out.

    ``theta_gs ~ N(theta_g, tau^2)`` and ``theta_g`` follows the two-group prior, whose weights are fitted anew for
    every tau, with the null's scale at 0. One study tells nothing: tau is 0 then.
    """
    some = _some(joined, most)
    if len(joined.study) == 1 or not len(some.gene):
        return Tau(value=0.0, interval=(0.0, np.inf), tried=np.zeros(1), loglik=np.zeros(1), p_value=1.0)
    closed = _closed(some)
    tried: dict[float, float] = {}

    def loglik(tau: float) -> float:
        if tau not in tried:
            effects, factor = _combined_normals(some, tau) if closed else (combine_studies(some, tau), np.zeros(1))
            tried[tau] = float(fit_em(effects, family=family, null="fixed", mode="zero").loglik[-1] + factor.sum())
        return tried[tau]

    first = TAUS / usual_unit(joined.part)
    best = int(np.argmax([loglik(float(tau)) for tau in first]))
    low, high = first[max(best - 1, 0)], first[min(best + 1, len(first) - 1)]
    minimize_scalar(
        lambda tau: -loglik(float(tau)), bounds=(low, high), method="bounded", options={"xatol": 0.02 * high}
    )
    value = max(tried, key=lambda tau: tried[tau])
    if value > 0:
        # The curvature at the peak says where the ends of the interval are to be looked for.
        step = 0.1 * value
        bend = (loglik(value + step) + loglik(value - step) - 2 * loglik(value)) / step**2
        reach = float(np.clip(np.sqrt(2 * DROP / max(-bend, 1e-300)), 0.02 * value, 0.9 * value))
        for factor in (-1.3, -1.0, 1.0, 1.3):
            loglik(max(value + factor * reach, 0.0))
        value = max(tried, key=lambda tau: tried[tau])
    x = np.array(sorted(tried))
    y = np.array([tried[tau] for tau in x])
    gain = max(float(y.max() - y[0]), 0.0)
    p_value = 0.5 * float(special.chdtrc(1, 2 * gain)) if gain > 0 else 1.0
    return Tau(value=float(value), interval=_ends(x, y, value), tried=x, loglik=y, p_value=p_value)


def _ends(x: FloatArray, y: FloatArray, value: float) -> tuple[float, float]:
    """Where the profile falls by `DROP` on either side of its peak."""
    fine = np.unique(np.concatenate([np.linspace(a, b, 101) for a, b in pairwise(x)] + [[value]]))
    height = PchipInterpolator(x, y - y.max())(fine)
    inside = fine[height >= -DROP]
    return float(inside.min()), float(inside.max())


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Heterogeneity:
    """How the studies of each gene differ, and each study's own effect.

    Attributes
    ----------
    n_studies
        Studies that have the gene, (G,).
    cochran_q, i2, p_value
        As `STUDY_COLUMNS` has them, (G,); NaN where one study alone has the gene.
    signs_differ
        P(effects of the studies have different signs | data, changed), (G,).
    estimate, se, mean, sd
        Each study's own estimate, its standard error, posterior mean and standard deviation, (G, S); NaN where it
        lacks the gene.
    """

    n_studies: IntArray
    cochran_q: FloatArray
    i2: FloatArray
    p_value: FloatArray
    signs_differ: FloatArray
    estimate: FloatArray
    se: FloatArray
    mean: FloatArray
    sd: FloatArray


def heterogeneity(
    joined: StudySet, common: Effects, prior: MixturePrior, lfdr: FloatArray, tau: float
) -> Heterogeneity:
    """Heterogeneity of each gene, and posteriors of each study's own effects.

    Parameters
    ----------
    joined
        The studies.
    common
        Their product at this tau.
    prior
        The prior of the common effects: normals around 0.
    lfdr
        P(null | data), (G,).
    tau
        How far studies stray.

    Raises
    ------
    InputError
        For a prior of another shape.
    """
    require_normal(prior)
    estimate, se, df = (_column(joined, name) for name in ("estimate", "se", "df"))
    n_studies = (joined.row >= 0).sum(axis=1)
    cochran_q = _cochran(estimate, se)
    several = n_studies > 1
    freedom = np.where(several, n_studies - 1, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        i2 = np.where(cochran_q > 0, np.maximum(1 - freedom / cochran_q, 0), 0.0)
    p_value = special.chdtrc(freedom, _cochran(estimate, se, df))
    mean, sd, differ = _own_posteriors(joined, common, prior, lfdr, tau)
    return Heterogeneity(
        n_studies=n_studies.astype(np.int64),
        cochran_q=np.where(several, cochran_q, np.nan),
        i2=np.where(several, i2, np.nan),
        p_value=np.where(several, p_value, np.nan),
        signs_differ=np.where(several, differ, np.nan),
        estimate=estimate,
        se=se,
        mean=mean,
        sd=sd,
    )


def require_normal(prior: MixturePrior) -> None:
    """Refuse a prior whose slabs are no normals around 0."""
    if not family_of(prior.family).is_normal or prior.mode != 0 or prior.likelihood_scale != 1:
        raise InputError(
            "studies need a prior of the family scale_normal or point_normal, with mode zero and a null other "
            "than likelihood_scale."
        )


def _cochran(estimate: FloatArray, se: FloatArray, df: FloatArray | None = None) -> FloatArray:
    """Cochran's Q, (G,); with df, of the distances that a normal would have with the same p-values."""
    precision = se**-2.0
    total = np.nansum(precision, axis=1)
    middle = np.nansum(precision * estimate, axis=1) / total
    z = np.abs(estimate - middle[:, None]) / se
    if df is not None:
        finite = np.isfinite(df) & np.isfinite(z)
        tail = np.maximum(special.stdtr(df[finite], -z[finite]), 1e-300)
        z = z.copy()
        z[finite] = -special.ndtri(tail)
    return np.asarray(np.nansum(z * z, axis=1))


def _own_posteriors(
    joined: StudySet, common: Effects, prior: MixturePrior, lfdr: FloatArray, tau: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    grid, loglik, row = _spread_out(joined, tau)
    row = np.ascontiguousarray(row)
    nodes, product = (np.array(each) for each in on_grid(common))
    variance = prior.null_sd**2 + np.where(np.arange(len(prior.scale)) > 0, prior.scale**2, 0.0)
    weight = np.array(prior.weight)
    mean, sd = np.empty((2, *row.shape))
    differ = np.empty(len(row))
    lfdr = np.array(lfdr)

    def work(block: slice) -> None:
        known = row[block], nodes[block], product[block], lfdr[block], weight, variance, float(tau)
        study_posteriors(grid, loglik, *known, mean[block], sd[block], differ[block])

    map_blocks(work, len(row))
    return mean, sd, differ


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveOneOut:
    """What the other studies say without one of them.

    Attributes
    ----------
    study
        The one that is left out.
    tau
        Of the others.
    listed, lost, gained
        Genes that the others list; genes of the whole list that they do not; genes that they list alone.
    spread
        Standard deviation that the left-out estimates have around what the others predict, in units of what they
        predict; 1 where the study is as the others.
    slope
        Of the left-out estimates on the others' posterior means, over the genes these list; about 1 where the study
        agrees; NaN below 3 genes.
    same_sign
        Share of these genes whose left-out estimate has the same sign.
    p_value
        Of a spread of 1, two-sided, genes counting as independent.
    """

    study: str
    tau: float
    listed: int
    lost: int
    gained: int
    spread: float
    slope: float
    same_sign: float
    p_value: float


def compare_leave_one_out(
    joined: StudySet,
    dropped: int,
    tau: float,
    discoveries: set[str],
    others: tuple[TextArray, BoolArray, FloatArray, FloatArray],
) -> LeaveOneOut:
    """How one study lies to the others.

    Parameters
    ----------
    joined
        All studies.
    dropped
        The one that is left out.
    tau
        Of the others.
    discoveries
        Genes that all studies list together.
    others
        The genes of the other studies, which of them these list, and posterior means and standard deviations of the
        common effects, (G',) each.
    """
    gene, called, mean, sd = others
    own = joined.part[dropped]
    place = {str(each): i for i, each in enumerate(gene)}
    both = [(i, place[str(each)]) for i, each in enumerate(own.gene) if str(each) in place]
    here, there = np.array([i for i, _ in both], dtype=int), np.array([j for _, j in both], dtype=int)
    gap = own.estimate[here] - mean[there]
    # A t's variance is larger than its scale's square.
    df = np.clip(own.df[here], 3.0, 1e9)
    inflation = df / (df - 2)
    z = gap / np.sqrt(own.se[here] ** 2 * inflation + sd[there] ** 2 + tau**2)
    # A few genes that are far out say nothing of the rest.
    z2 = np.minimum(z**2, 16.0)
    spread = float(np.sqrt(z2.mean())) if len(z2) else np.nan
    error = float(z2.std() / np.sqrt(max(len(z2), 1)))
    p_value = 2 * float(special.ndtr(-abs(z2.mean() - 1) / error)) if error > 0 else 1.0
    judged = called[there]
    x, y = mean[there][judged], own.estimate[here][judged]
    theirs = {str(each) for each in gene[called]}
    return LeaveOneOut(
        study=str(joined.study[dropped]),
        tau=tau,
        listed=len(theirs),
        lost=len(discoveries - theirs),
        gained=len(theirs - discoveries),
        spread=spread,
        slope=float(np.sum(x * y) / np.sum(x**2)) if len(x) >= 3 else np.nan,
        same_sign=float(np.mean(x * y > 0)) if len(x) else np.nan,
        p_value=p_value,
    )


def conflict_words(left: Sequence[LeaveOneOut]) -> list[str]:
    """A sentence for each study that does not lie with the others."""
    return [
        f"The study {each.study} does not lie with the others: its estimates spread {each.spread:.2f} times as far "
        f"around what they predict as errors and tau allow, and have their sign in {100 * each.same_sign:.0f}% of "
        "the genes that they list. See what the list is without it."
        for each in left
        if each.spread > UNLIKE and each.p_value < 0.01
    ]


UNLIKE = 1.25
"""Spread of a left-out study's estimates that is worth a word."""
