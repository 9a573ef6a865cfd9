"""Counts that no replicate supports, brought to the border of what their gene's replicates allow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ebgenes.counts import base_mean
from ebgenes.model import BoolArray, Counts, FloatArray
from ebgenes.negative_binomial import DispersionPrior

BORDER = 5.0
"""Standard deviations from the fitted mean, on the scale on which all counts vary alike."""

SUSPECT = 2.5
"""Standard deviations from a least-squares fit below which no count of a gene can be beyond the border: that fit
follows an outlier by a third of the way at most."""

LARGEST_LEVERAGE = 0.34
"""A sample with fewer than two others beside it has no one to be compared with."""


def genes_with_outliers(counts: Counts, design: FloatArray, prior: DispersionPrior) -> BoolArray:
    """Genes of which `bound_outliers` would move a count, (G,); most of them are known to be clear at a glance."""
    if counts.log_size is None:
        raise ValueError("genes_with_outliers needs normalized counts")
    found = np.zeros(len(counts.gene), dtype=bool)
    basis = np.linalg.qr(design)[0]
    judged = np.sum(basis**2, axis=1) <= LARGEST_LEVERAGE
    if not judged.any():
        return found
    root = np.sqrt(_usual_dispersion(counts, prior))
    steady = 2 * np.arcsinh(root * np.sqrt(counts.count / np.exp(counts.log_size))) / root
    left = np.abs(steady - steady @ basis @ basis.T)[:, judged].max(axis=1)
    suspect = np.flatnonzero(left > SUSPECT)
    log_size = counts.log_size if counts.log_size.ndim == 1 else counts.log_size[suspect]
    length = None if counts.length is None else counts.length[suspect]
    some = replace(
        counts, gene=counts.gene[suspect], count=counts.count[suspect], log_size=log_size, length=length
    )  # fmt: skip
    if len(suspect):
        found[suspect] = bound_outliers(some, design, prior)[1]
    return found


def _usual_dispersion(counts: Counts, prior: DispersionPrior) -> FloatArray:
    """One standard deviation above the trend, (G, 1)."""
    return np.asarray(np.exp(prior.spread) * (prior.floor + prior.slope / base_mean(counts))[:, None])


def bound_outliers(counts: Counts, design: FloatArray, prior: DispersionPrior) -> tuple[Counts, BoolArray]:
    """Winsorize counts more than 5 standard deviations from a robust fit.

    The fit is least absolute deviations of log counts, so that a single sample cannot pull it; distances
    are taken after ``2 asinh(sqrt(alpha y)) / sqrt(alpha)``, which has unit variance for negative-binomial
    counts, at a dispersion one standard deviation above the gene's trend, which outliers cannot inflate.

    Parameters
    ----------
    counts
        Normalized counts, (G, S).
    design
        (S, P). Samples whose leverage in it is above .34 (two replicates or fewer) are left as they are.
    prior
        Of the dispersions.

    Returns
    -------
    Counts
        With the outlying counts replaced.
    acted
        Which genes they are in, (G,).
    """
    if counts.log_size is None:
        raise ValueError("bound_outliers needs normalized counts")
    basis = np.linalg.qr(design)[0]
    judged = np.sum(basis**2, axis=1) <= LARGEST_LEVERAGE
    size = np.exp(counts.log_size)
    alpha = _usual_dispersion(counts, prior)
    fitted = least_absolute(np.log(counts.count / size + 0.5), design)
    mean = np.maximum(np.exp(fitted) - 0.5, 0.0) * size
    root = np.sqrt(alpha)
    center = 2 * np.arcsinh(np.sqrt(alpha * mean)) / root
    low = np.sinh(root / 2 * np.maximum(center - BORDER, 0)) ** 2 / alpha
    high = np.sinh(root / 2 * (center + BORDER)) ** 2 / alpha
    outside = judged & ((counts.count < np.floor(low)) | (counts.count > np.ceil(high)))
    bounded = np.where(outside, np.clip(counts.count, np.floor(low), np.ceil(high)), counts.count)
    return replace(counts, count=bounded.astype(np.int64)), outside.any(axis=1)


def least_absolute(response: FloatArray, design: FloatArray, iterations: int = 30) -> FloatArray:
    """Fitted values of a regression that minimises absolute residuals, (G, S), by reweighted least squares.

    Source: Schlossmacher (1973), J. Am. Stat. Assoc. 68, 857.
    """
    fitted = response @ np.linalg.pinv(design).T @ design.T
    for _ in range(iterations):
        weight = 1 / np.maximum(np.abs(response - fitted), 1e-4)
        cross = np.einsum("gs,sp,sq->gpq", weight, design, design, optimize=True)
        right = np.einsum("gs,sp->gp", weight * response, design)
        fitted = np.linalg.solve(cross, right[:, :, None])[:, :, 0] @ design.T
    return np.asarray(fitted)
