"""Multivariate posterior -> tables: one row a gene, and one row a gene and condition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ebgenes.analyses.conditions.sharing import gene_patterns
from ebgenes.arrays import FloatArray, TextArray
from ebgenes.posteriors.fdr import list_rate
from ebgenes.records.posterior import MultivariatePosterior
from ebgenes.records.prior import MultivariatePrior

GENE_COLUMNS = {
    "gene_id": "gene identifier, as in the input",
    "gene_name": "gene name (symbol) from the annotation; the identifier where there is none",
    "n_tested": "conditions in which the gene was tested",
    "n_changed": "conditions in which lfsr is below report.level",
    "changed": "these conditions in words, with their directions",
    "lfdr_all": "P(no effect in any condition | data)",
    "q_value": "mean lfdr_all of this gene and all with a smaller one",
    "prior_pattern": "the likeliest pattern of effects, the null apart, as the prior names them",
    "pattern_share": "posterior probability of that pattern",
}
"""Columns of ``multivariate.tsv``."""

CONDITION_COLUMNS = {
    "gene_id": "gene identifier, as in the input",
    "gene_name": "gene name (symbol) from the annotation; the identifier where there is none",
    "condition": "contrast, cell type, or both",
    "log2_fc": "no pooling: the gene's own estimate, log2; NA where it was not tested",
    "se": "its standard error as the normal likelihood takes it; NA where it was not tested",
    "post_mean": "posterior mean of the effect, log2, given all conditions",
    "post_sd": "posterior standard deviation of the effect",
    "lfdr": "P(no effect in the condition | data)",
    "lfsr": "P(sign wrong or no effect in the condition | data)",
    "s_value": "mean lfsr of this gene and all with a smaller one, in the condition",
    "prob_up": "P(effect > 0 | data)",
    "prob_down": "P(effect < 0 | data)",
    "status": "ok; not_tested, where the other conditions alone speak for the gene",
}
"""Columns of ``conditions.tsv``."""


def gene_table(
    gene: TextArray,
    name: Mapping[str, str],
    estimate: FloatArray,
    prior: MultivariatePrior,
    posterior: MultivariatePosterior,
    level: float,
) -> pd.DataFrame:
    """One row for each of G genes, in the columns of `GENE_COLUMNS`; estimate (G, R), NaN where not tested."""
    best = np.argmax(posterior.pattern_share, axis=1)
    columns: dict[str, Any] = {
        "gene_id": gene,
        "gene_name": [name.get(each) or each for each in gene],
        "n_tested": (~np.isnan(estimate)).sum(axis=1),
        "n_changed": (posterior.lfsr < level).sum(axis=1),
        "changed": gene_patterns(posterior, level),
        "lfdr_all": posterior.lfdr_all,
        "q_value": list_rate(posterior.lfdr_all),
        "prior_pattern": prior.pattern[best],
        "pattern_share": posterior.pattern_share[np.arange(len(best)), best],
    }
    return pd.DataFrame(columns, columns=list(GENE_COLUMNS))


def condition_table(
    gene: TextArray, name: Mapping[str, str], estimate: FloatArray, se: FloatArray, posterior: MultivariatePosterior
) -> pd.DataFrame:
    """One row for each gene and condition, in the columns of `CONDITION_COLUMNS`; estimate and se (G, R)."""
    n_genes, n_conditions = estimate.shape
    s_value = np.column_stack([list_rate(posterior.lfsr[:, r]) for r in range(n_conditions)])
    columns: dict[str, Any] = {
        "gene_id": np.repeat(gene, n_conditions),
        "gene_name": np.repeat(np.array([name.get(each) or each for each in gene], dtype=object), n_conditions),
        "condition": np.tile(posterior.condition, n_genes),
        "log2_fc": estimate.ravel(),
        "se": se.ravel(),
        "post_mean": posterior.mean.ravel(),
        "post_sd": posterior.sd.ravel(),
        "lfdr": posterior.lfdr.ravel(),
        "lfsr": posterior.lfsr.ravel(),
        "s_value": s_value.ravel(),
        "prob_up": posterior.prob_up.ravel(),
        "prob_down": posterior.prob_down.ravel(),
        "status": np.where(np.isnan(estimate), "not_tested", "ok").ravel(),
    }
    return pd.DataFrame(columns, columns=list(CONDITION_COLUMNS))
