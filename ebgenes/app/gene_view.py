"""One gene of a result, with its counts."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd

from ebgenes.records.counts import Study


@dataclass(frozen=True, slots=True, eq=False, kw_only=True, repr=False)
class GeneView:
    """One gene of a result.

    Attributes
    ----------
    row
        Its row of the table.
    study
        Counts and sheet.
    level
        Of the list.
    """

    row: pd.Series
    study: Study
    level: float

    @property
    def counts(self) -> pd.DataFrame:
        """The sheet with the gene's raw and normalized counts, one row a sample.

        Both are missing for a gene that was dropped before the fit.
        """
        counts = self.study.counts
        place = np.flatnonzero(counts.gene == self.row["gene_id"])
        raw = np.full(len(counts.sample), np.nan)
        size = np.zeros(len(counts.sample)) if counts.log_size is None else np.asarray(counts.log_size)
        if len(place):
            raw = counts.count[int(place[0])].astype(float)
            size = size[int(place[0])] if size.ndim > 1 else size
        return self.study.samples.assign(count=raw, normalized=raw / np.exp(size))

    @property
    def sentence(self) -> str:
        """The gene in a sentence."""
        row = self.row
        name = row["gene_name"] or row["gene_id"]
        if np.isnan(row["post_mean"]):
            return f"{name} has no result: {row['status']}."
        rate, what = row["lfsr"], "its sign is wrong or the gene unchanged"
        if "leading_row" in row:
            rate, what = row["lfdr"], "the gene is unchanged"
        return (
            f"{name}: log2 fold change {row['post_mean']:+.2f} ({row['ci_low']:+.2f} to {row['ci_high']:+.2f}); "
            f"{what} with probability {rate:.2g}. From its counts alone: {row['log2_fc']:+.2f}, "
            f"standard error {row['se']:.2f}."
        )

    def __repr__(self) -> str:
        return f"{self.sentence}\n\n{self.counts.to_string(float_format=lambda x: f'{x:.6g}')}"

    def _repr_html_(self) -> str:
        table = self.counts.to_html(float_format=lambda x: f"{x:.6g}", border=0)
        return f"<div><p>{escape(self.sentence)}</p>{table}</div>"
