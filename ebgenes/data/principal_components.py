"""Samples in few dimensions."""

from __future__ import annotations

import numpy as np

from ebgenes.arrays import FloatArray
from ebgenes.records.counts import Counts

PRIOR_COUNT = 4.0
"""Added to normalized counts before logs are taken, so that noise of small counts does not lead."""


def principal_components(counts: Counts, *, n_top: int = 500, n_components: int = 4) -> tuple[FloatArray, FloatArray]:
    """Scores of the samples on the first principal components of log2 normalized counts.

    Parameters
    ----------
    counts
        Normalized counts of G genes in S samples.
    n_top
        Genes of largest variance that are used; ties by position.
    n_components
        Most components; never more than vary.

    Returns
    -------
    score
        (S, k), log2 units; the largest of each component is positive.
    share
        Of the variance of these genes that each component takes, (k,).

    Raises
    ------
    ValueError
        For counts that are not normalized.
    """
    if counts.log_size is None:
        raise ValueError("principal components need normalized counts")
    level = np.log2(counts.count / np.exp(counts.log_size) + PRIOR_COUNT)  # (G, S)
    centred = level - level.mean(axis=1, keepdims=True)
    variance = (centred**2).sum(axis=1)
    top = np.sort(np.argsort(-variance, kind="stable")[:n_top])
    # Without BLAS: its sums depend on the number of threads.
    gram = np.einsum("gi,gj->ij", centred[top], centred[top])  # (S, S)
    value, vector = np.linalg.eigh(gram)
    value, vector = value[::-1], vector[:, ::-1]
    keep = np.flatnonzero(value > 1e-9 * max(float(value.sum()), 1e-300))[:n_components]
    score = vector[:, keep] * np.sqrt(value[keep])
    lead = np.take_along_axis(score, np.abs(score).argmax(axis=0)[None], axis=0)
    return score * np.sign(lead), value[keep] / value.sum()
