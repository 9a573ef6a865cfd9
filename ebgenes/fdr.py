"""Error rates of lists: adjusted p-values and running means of local rates."""

from __future__ import annotations

import numpy as np

from ebgenes.model import FloatArray


def adjust_bh(p_value: FloatArray) -> FloatArray:
    """Benjamini-Hochberg adjusted p-values, (G,).

    Source: Benjamini and Hochberg (1995), J. R. Stat. Soc. B 57, 289.
    """
    n = len(p_value)
    order = np.argsort(p_value, kind="stable")[::-1]
    scaled = p_value[order] * (n / np.arange(n, 0, -1))
    adjusted = np.empty(n)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled), 1.0)
    return adjusted


def running_mean(local_rate: FloatArray) -> FloatArray:
    """Mean local rate of each gene and all with a smaller or equal one, (G,).

    Applied to lfdr it is the q-value, the Bayesian false discovery rate of the list that ends with
    the gene; applied to lfsr it is the s-value. Ties share one value.

    Source: Storey (2003), Ann. Stat. 31, 2013; Stephens (2017), Biostatistics 18, 275.
    """
    order = np.argsort(local_rate, kind="stable")
    ordered = local_rate[order]
    mean = np.cumsum(ordered) / np.arange(1, len(ordered) + 1)
    last_of_ties = np.searchsorted(ordered, ordered, side="right") - 1
    result = np.empty(len(ordered))
    result[order] = mean[last_of_ties]
    return result
