"""Counts that no replicate supports, brought to the border of what their gene's replicates allow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ebgenes.arrays import BoolArray, FloatArray
from ebgenes.data.filter import of_genes
from ebgenes.data.normalization import base_mean
from ebgenes.effects.dispersions import DispersionPrior
from ebgenes.records.counts import Counts

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
    basis, judged = _judged(design)
    if not judged.any():
        return found
    steady = _steady(counts.count / np.exp(counts.log_size), _usual_dispersion(counts, prior))
    suspect = np.abs(steady - steady @ basis @ basis.T)[:, judged].max(axis=1) > SUSPECT
    if suspect.any():
        found[suspect] = bound_outliers(of_genes(counts, suspect), design, prior)[1]
    return found


def _judged(design: FloatArray) -> tuple[FloatArray, BoolArray]:
    """An orthonormal basis of the design, (S, P), and which samples have others to be compared with, (S,)."""
    basis = np.linalg.qr(design)[0]
    return basis, np.asarray(np.sum(basis**2, axis=1) <= LARGEST_LEVERAGE)


def _steady(count: FloatArray, alpha: FloatArray) -> FloatArray:
    """Counts on the scale on which negative-binomial ones have unit variance at a dispersion alpha, (G, S)."""
    return np.asarray(2 * np.arcsinh(np.sqrt(alpha * count)) / np.sqrt(alpha))


def _usual_dispersion(counts: Counts, prior: DispersionPrior) -> FloatArray:
    """One standard deviation above the trend, (G, 1)."""
    return np.asarray(np.exp(prior.spread) * prior.trend(base_mean(counts))[:, None])


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
    _, judged = _judged(design)
    size = np.exp(counts.log_size)
    alpha = _usual_dispersion(counts, prior)
    fitted = least_absolute(np.log(counts.count / size + 0.5), design)
    mean = np.maximum(np.exp(fitted) - 0.5, 0.0) * size
    root = np.sqrt(alpha)
    center = _steady(mean, alpha)
    low = np.sinh(root / 2 * np.maximum(center - BORDER, 0)) ** 2 / alpha
    high = np.sinh(root / 2 * (center + BORDER)) ** 2 / alpha
    outside = judged & ((counts.count < np.floor(low)) | (counts.count > np.ceil(high)))
    bounded = np.where(outside, np.clip(counts.count, np.floor(low), np.ceil(high)), counts.count)
    return replace(counts, count=bounded.astype(np.int64)), np.asarray(outside.any(axis=1))


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
