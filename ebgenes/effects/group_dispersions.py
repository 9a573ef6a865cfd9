"""Two groups compared, each with dispersions and a trend of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
from scipy import special

from ebgenes.arrays import BoolArray, FloatArray, IntArray, text_array
from ebgenes.data.filter import of_genes
from ebgenes.data.normalization import base_mean, given_sizes
from ebgenes.effects.dispersion_trend import fit_dispersion_trend
from ebgenes.effects.dispersions import DispersionPrior, dispersion_scalars, profile_dispersions, telling_genes
from ebgenes.effects.engines.likelihood import ENGINE as LIKELIHOOD
from ebgenes.effects.failed import without_failed
from ebgenes.effects.negative_binomial import FAR, LOG2, REACH, summaries
from ebgenes.effects.outliers import genes_with_outliers
from ebgenes.errors import InputError
from ebgenes.numerics.group_dispersions import N_Z, Z_END, on_lattice, two_group_likelihoods
from ebgenes.numerics.jit import map_blocks, read_only
from ebgenes.records.counts import Counts
from ebgenes.records.design import Contrast, Design
from ebgenes.records.effects import Effects

if TYPE_CHECKING:
    from ebgenes.effects.ready import Ready

CORRELATIONS = np.array([0.0, 0.2, 0.4, 0.6, 0.75, 0.85, 0.92])
"""Of a gene's deviations from both groups' trends; a narrower ridge would lie between the integral's nodes."""

TELLS = 2.0
"""Ratio of the groups' variances from which it is told."""

FEWEST = 100
"""Genes that it takes for that."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Pair:
    """Two groups of samples that a contrast compares.

    Attributes
    ----------
    first, second
        Indices of their samples, (S1,) and (S2,).
    times
        The contrast is so many times the second's log level less the first's.
    """

    first: IntArray
    second: IntArray
    times: float


def compared_pair(design: Design) -> Pair:
    """The two groups that a design's contrast compares.

    Raises
    ------
    InputError
        Where the design has more columns than groups, the contrast is not of two groups, or a group is one sample.
    """
    contrast = cast(Contrast, design.contrast)
    rows, group = np.unique(design.matrix, axis=0, return_inverse=True)
    if len(rows) != design.matrix.shape[1]:
        raise InputError(
            f"effects.dispersion: by_group takes designs of groups alone, and {design.formula!r} has {len(rows)} kinds "
            f"of samples for {design.matrix.shape[1]} coefficients. Leave covariates and hidden factors out "
            "(hidden_factors: 0), or choose dispersion: shared."
        )
    share = np.linalg.solve(rows.T, contrast.weight)
    share[np.abs(share) < 1e-9 * np.abs(share).max()] = 0
    chosen = np.flatnonzero(share)
    if len(chosen) != 2 or not np.isclose(share.sum(), 0, atol=1e-9 * np.abs(share).max()):
        raise InputError(
            f"effects.dispersion: by_group compares two groups; the contrast {contrast.name!r} is of {len(chosen)}. "
            "Choose dispersion: shared for it."
        )
    low, high = chosen[np.argsort(share[chosen])]
    first, second = (np.flatnonzero(group.ravel() == each) for each in (low, high))
    if min(len(first), len(second)) < 2:
        raise InputError(
            "effects.dispersion: by_group needs two samples or more in either group; one alone tells of no dispersion."
        )
    return Pair(first=first, second=second, times=float(share[high]))


def pair_by_group(design: Design, tails: str, outliers: str) -> Pair:
    """The groups whose dispersions are fitted apart.

    Raises
    ------
    InputError
        As `compared_pair`, with options that only shared dispersions have, and for questions of several rows.
    """
    if tails != "normal" or outliers != "keep":
        raise InputError(
            "effects.dispersion: by_group goes with dispersion_tails: normal and outliers: keep only. "
            "Leave these out, or choose dispersion: shared."
        )
    if design.multi_df is not None:
        raise InputError(
            "effects.dispersion: by_group compares two groups, and this question has several rows. "
            "Choose dispersion: shared for it."
        )
    return compared_pair(design)


def fit_by_group(ready: Ready, *, tails: str, outliers: str, trend: str) -> Effects:
    """Effects whose dispersions have a trend and a spread in each of the two groups, and correlated deviations.

    Raises
    ------
    InputError
        As `compared_pair`, and with options that only shared dispersions have.
    """
    pair = pair_by_group(ready.design, tails, outliers)
    counts, design = ready.counts, ready.design
    if counts.log_size is None:
        raise ValueError("fit_by_group needs normalized counts")
    mean = base_mean(counts)
    groups = [of_samples(counts, each) for each in (pair.first, pair.second)]
    priors, seen, far = [], [], np.zeros(len(mean), dtype=bool)
    for group in groups:
        prior, lattice, out = _of_group(group, mean, trend)
        priors.append(prior)
        seen.append(lattice)
        far |= out
    correlation, densities = likeliest_correlation(seen[0], seen[1])
    grid, loglik = np.empty((2, len(mean), len(REACH)))
    center = np.column_stack([np.log(prior.trend(mean)) for prior in priors])
    spread = np.array([prior.spread for prior in priors])
    count1, count2 = (read_only(group.count.astype(np.float64)) for group in groups)
    size1, size2 = (_sizes(group) for group in groups)

    def work(block: slice) -> None:
        two_group_likelihoods(
            count1[block], size1[block], count2[block], size2[block], seen[0][block], seen[1][block], center[block],
            spread, correlation, densities, REACH, grid[block], loglik[block],
        )  # fmt: skip

    map_blocks(work, len(mean))
    contrast, extent = cast(Contrast, design.contrast), design.contrast_range
    unit = LOG2 / pair.times
    told = summaries(grid, loglik, FAR)
    se = told[:, 1] / unit
    loglik -= (loglik.max(axis=1) + np.log(se * np.sqrt(2 * np.pi)))[:, None]
    residual_df = design.matrix.shape[0] - design.matrix.shape[1]
    scalars = {
        **dispersion_scalars(priors[0], residual_df),
        **{f"second_{name}": value for name, value in dispersion_scalars(priors[1], residual_df).items()},
        "dispersion_correlation": correlation,
        "replicates": design.replicates,
        "given_sizes": given_sizes(counts),
    }
    del scalars["second_residual_df"]
    return without_failed(
        Effects(
            gene=counts.gene,
            estimate=told[:, 0] / unit,
            se=se,
            df=told[:, 2],
            p_value=told[:, 3],
            base_mean=mean,
            contrast=contrast.name,
            up_label=contrast.up_label,
            down_label=contrast.down_label,
            engine=LIKELIHOOD.name,
            scalars=scalars,
            grid=grid / unit,
            loglik=loglik,
            status=text_array(np.where(far, "outlier", "ok")),
            hidden=ready.hidden,
            residuals=ready.residuals,
            unit=extent,
        )
    )


def of_samples(counts: Counts, samples: IntArray) -> Counts:
    """The same genes in some of the samples."""
    if counts.log_size is None:
        raise ValueError("of_samples needs normalized counts")
    return replace(
        counts,
        sample=counts.sample[samples],
        count=counts.count[:, samples],
        log_size=counts.log_size[..., samples],
        length=None if counts.length is None else counts.length[:, samples],
    )


def _sizes(counts: Counts) -> FloatArray:
    """Size factors of every gene and sample, (G, S)."""
    return read_only(
        np.ascontiguousarray(np.broadcast_to(np.exp(cast(FloatArray, counts.log_size)), counts.count.shape))
    )


def _of_group(group: Counts, mean: FloatArray, trend: str) -> tuple[DispersionPrior, FloatArray, BoolArray]:
    """A group's hyperprior, what each gene says of its dispersion on the lattice, (G, N_Z), and genes with outliers.

    The trend is over the mean of all samples, (G,), which an effect moves no further than half its size.
    """
    ones = np.ones((len(group.sample), 1))
    have: BoolArray = np.asarray(group.count.any(axis=1), dtype=np.bool_)
    some = of_genes(group, have)
    profiles = profile_dispersions(some, ones)
    prior = fit_dispersion_trend(some, profiles, trend=trend, mean=mean[have])
    # A group of zeros says nothing of its dispersion.
    lattice, part = np.ones((len(have), N_Z)), np.empty((int(have.sum()), N_Z))
    center = np.log(prior.trend(mean[have]))
    on_lattice(profiles.loglik, profiles.low, profiles.step, center, prior.spread, part)
    lattice[have] = part
    far = np.zeros(len(have), dtype=bool)
    far[have] = genes_with_outliers(some, ones, prior)
    return prior, lattice, far


def variance_ratio(counts: Counts, pair: Pair, prior: DispersionPrior) -> float:
    """How many times as much the second group varies as the first, by the median gene; 1 where groups are alike.

    Squared residuals within either group over the variance that the shared trend gives them, of the genes that tell of
    dispersions; the median ratio over that of F's distribution.
    """
    mean = base_mean(counts)
    telling = telling_genes(mean)
    counts, alpha = of_genes(counts, telling), prior.trend(mean[telling])[:, None]
    found = []
    for samples in (pair.first, pair.second):
        group = of_samples(counts, samples)
        size = _sizes(group)
        level = size * (group.count.sum(axis=1) / size.sum(axis=1))[:, None]
        square = (group.count - level) ** 2 / np.maximum(level + alpha * level**2, 1e-300)
        found.append(square.sum(axis=1) / (len(samples) - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = found[1] / found[0]
    ratio = ratio[np.isfinite(ratio)]
    if len(ratio) < FEWEST:
        return 1.0
    return float(np.median(ratio) / special.fdtri(len(pair.second) - 1, len(pair.first) - 1, 0.5))


def told_of_groups(counts: Counts, design: Design, n_hidden: int, prior: DispersionPrior) -> dict[str, float]:
    """The ratio of the groups' variances as scalars tell it, where the design compares two that clearly differ.

    n_hidden: the design's last columns are hidden factors, which are left out.
    """
    contrast, n_known = cast(Contrast, design.contrast), design.matrix.shape[1] - n_hidden
    known = replace(
        design,
        matrix=design.matrix[:, :n_known],
        coefficient=design.coefficient[:n_known],
        contrast=replace(contrast, weight=contrast.weight[:n_known]),
        prior_sd=None,
    )
    try:
        pair = compared_pair(known)
    except InputError:
        return {}
    ratio = variance_ratio(counts, pair, prior)
    return {"dispersion_ratio": ratio} if abs(np.log(ratio)) > np.log(TELLS) else {}


def correlated(correlation: float) -> FloatArray:
    """Bivariate normal density on the lattice, up to its integral, (N_Z, N_Z)."""
    z = np.linspace(-Z_END, Z_END, N_Z)
    rest = 1 - correlation**2
    square = z[:, None] ** 2 - 2 * correlation * z[:, None] * z + z**2
    density = np.exp(-0.5 * square / rest)
    return np.asarray(density / density.sum())


def likeliest_correlation(first: FloatArray, second: FloatArray) -> tuple[float, FloatArray]:
    """The correlation of `CORRELATIONS` that makes what both groups say, (G, N_Z), most probable, and its density."""
    densities = [correlated(float(each)) for each in CORRELATIONS]
    evidence = [np.log(np.einsum("gj,gj->g", first @ density, second)).sum() for density in densities]
    best = int(np.argmax(evidence))
    return float(CORRELATIONS[best]), densities[best]
