"""What is known of each gene."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from ebgenes.arrays import FloatArray, IntArray, TextArray
from ebgenes.records.fields import as_floats, as_text, fill, require_shape


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MultiDfPosterior:
    """What is known of each gene's effects after pooling, log2.

    Attributes
    ----------
    gene, row
        Gene ids, (G,), and names of the rows, (R,).
    mean, sd, lower, upper
        Posterior means, standard deviations and equal-tailed intervals, (G, R).
    covariance
        Of each gene's effects, (G, R, R).
    lfdr
        P(no effect in any row | data), (G,).
    lfsr
        P(sign wrong or effect 0 | data) of each row, (G, R).
    prob_up, prob_down
        P(effect > threshold) and P(effect < -threshold), (G, R).
    pattern
        The prior's pattern that is most probable, or ``none``, (G,).
    top_row
        The row that is most certain to differ from 0, (G,).
    interval, threshold
        As in `Posterior`.
    """

    gene: TextArray
    row: TextArray
    mean: FloatArray
    sd: FloatArray
    lower: FloatArray
    upper: FloatArray
    lower_changed: FloatArray
    upper_changed: FloatArray
    covariance: FloatArray
    lfdr: FloatArray
    lfsr: FloatArray
    prob_up: FloatArray
    prob_down: FloatArray
    pattern: TextArray
    top_row: IntArray
    interval: float = 0.95
    threshold: float = 0.0

    def __post_init__(self) -> None:
        ends = ("lower", "upper", "lower_changed", "upper_changed")
        names = ("mean", "sd", *ends, "covariance", "lfdr", "lfsr", "prob_up", "prob_down")
        fill(self, gene=as_text(self.gene), row=as_text(self.row), pattern=as_text(self.pattern))
        fill(self, top_row=np.array(self.top_row, dtype=np.int64))
        fill(self, **{name: as_floats(getattr(self, name)) for name in names})
        n_genes, shape = len(self.gene), (len(self.gene), len(self.row))
        require_shape(self, **dict.fromkeys(("mean", "sd", *ends, "lfsr", "prob_up", "prob_down"), shape))
        require_shape(self, lfdr=(n_genes,), top_row=(n_genes,), pattern=(n_genes,), covariance=(*shape, shape[1]))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Posterior:
    """What is known of each gene's effect after pooling; log2 units, all (G,).

    Attributes
    ----------
    gene
        Gene ids.
    mean, sd
        Posterior mean and standard deviation of the effect.
    lower, upper
        Equal-tailed credible interval.
    lower_changed, upper_changed
        The same given that the gene is changed; missing where no gene can be.
    lfdr
        P(null | data).
    lfsr
        P(sign wrong or null | data).
    prob_up, prob_down
        P(non-null and effect > threshold), P(non-null and effect < -threshold).
    interval, threshold
        Probability of the interval and the threshold of the tail areas.
    """

    gene: TextArray
    mean: FloatArray
    sd: FloatArray
    lower: FloatArray
    upper: FloatArray
    lower_changed: FloatArray
    upper_changed: FloatArray
    lfdr: FloatArray
    lfsr: FloatArray
    prob_up: FloatArray
    prob_down: FloatArray
    interval: float = 0.95
    threshold: float = 0.0

    def __post_init__(self) -> None:
        fill(self, gene=as_text(self.gene))
        names = [each.name for each in fields(self) if each.name not in {"gene", "interval", "threshold"}]
        for name in names:
            fill(self, **{name: as_floats(getattr(self, name))})
        require_shape(self, **{name: (len(self.gene),) for name in names})


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MultivariatePosterior:
    """What is known of each gene's effects in R conditions after pooling; log2 units.

    Attributes
    ----------
    condition
        Names of the conditions, (R,).
    mean, sd
        Posterior mean and standard deviation, (G, R).
    lfsr
        P(sign wrong or no effect in the condition | data), (G, R).
    lfdr
        P(no effect in the condition | data), (G, R).
    prob_up, prob_down
        P(effect > 0), P(effect < 0), (G, R).
    lfdr_all
        P(no effect in any condition | data), (G,).
    pattern_share
        Posterior probability of each of the prior's patterns, (G, P).
    """

    condition: TextArray
    mean: FloatArray
    sd: FloatArray
    lfsr: FloatArray
    lfdr: FloatArray
    prob_up: FloatArray
    prob_down: FloatArray
    lfdr_all: FloatArray
    pattern_share: FloatArray

    def __post_init__(self) -> None:
        names = [each.name for each in fields(self) if each.name != "condition"]
        fill(self, condition=as_text(self.condition), **{name: as_floats(getattr(self, name)) for name in names})
        n_genes = len(self.lfdr_all)
        shape = (n_genes, len(self.condition))
        require_shape(self, **dict.fromkeys(("mean", "sd", "lfsr", "lfdr", "prob_up", "prob_down"), shape))
        require_shape(self, lfdr_all=(n_genes,), pattern_share=(n_genes, self.pattern_share.shape[1]))
