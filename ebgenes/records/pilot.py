"""What a study tells of the precision that others like it would have."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ebgenes.arrays import FloatArray
from ebgenes.records.fields import as_floats, fill, require_shape

PILOT_ARRAYS = ("count", "log_variance", "prior_df", "counting", "excess")
"""Arrays of `Pilot`, the same names in every file."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Pilot:
    """Precision of a study's estimates in J strata of its genes, alike in mean count and standard error.

    Attributes
    ----------
    replicates
        Samples in either group, or as many as two groups would need for the same precision.
    residual_df
        Residual degrees of freedom of the design.
    count
        Genes in each stratum, (J,).
    log_variance
        Natural log of the squared standard errors, (J,), of effects in the unit `unit`.
    prior_df
        Degrees of freedom that the other genes add to a gene's own variance, (J,); infinite where it is known.
    counting
        Part of the squared standard error that comes from counting reads alone, (J,); missing where counts are unknown.
    excess
        Shares of the residual variance that replicates have in common, along the leading axes; see `NullSdPrior`.
    unit
        Of the effects, as `Effects` have it; 1 where that is unknown.
    """

    replicates: float
    residual_df: float
    count: FloatArray
    log_variance: FloatArray
    prior_df: FloatArray
    counting: FloatArray
    excess: FloatArray
    unit: float = 1.0

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            fill(self, **{each.name: as_floats(value) if each.name in PILOT_ARRAYS else float(value)})
        require_shape(self, **dict.fromkeys(PILOT_ARRAYS[1:-1], self.count.shape))
