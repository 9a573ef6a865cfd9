"""Designs, and the questions asked of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ebgenes.arrays import FloatArray, IntArray, TextArray
from ebgenes.records.fields import as_floats, as_text, fill, require_shape


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Contrast:
    """The question asked of a fitted design.

    Attributes
    ----------
    name
        Short name, used in file names and columns.
    weight
        One weight for each coefficient of the design, (P,).
    up_label, down_label
        What a positive and a negative effect mean, in words.
    """

    name: str
    weight: FloatArray
    up_label: str = "higher"
    down_label: str = "lower"

    def __post_init__(self) -> None:
        fill(self, weight=as_floats(self.weight))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Curve:
    """What the rows of a contrast say along a numeric column: time, dose.

    Attributes
    ----------
    column
        The column.
    x
        Its values, ascending within a series, (J,).
    series
        Which curve each value belongs to: levels of other columns, empty text where there is but one, (J,).
    weight
        ``weight @ rows`` is the curve, log2, measured from the series' smallest value, (J, R).
    dense
        Whether x lies between the samples' values too; else it is these values.
    """

    column: str
    x: FloatArray
    series: TextArray
    weight: FloatArray
    dense: bool

    def __post_init__(self) -> None:
        fill(self, x=as_floats(self.x), series=as_text(self.series), weight=as_floats(self.weight))
        require_shape(self, series=self.x.shape, weight=(len(self.x), self.weight.shape[1]))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MultiDfContrast:
    """A question of several rows: does any of them differ from 0?

    Attributes
    ----------
    name
        Short name, used in file names and columns.
    row
        Names of the rows, (R,).
    weight
        One weight for each coefficient of the design, (R, P), of full row rank.
    curve
        The rows along time or dose, where they lie along one.
    """

    name: str
    row: TextArray
    weight: FloatArray
    curve: Curve | None = None

    def __post_init__(self) -> None:
        fill(self, row=as_text(self.row), weight=as_floats(self.weight))
        require_shape(self, weight=(len(self.row), self.weight.shape[1]))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Grouping:
    """A random factor: which samples share a group, whose effect is drawn around 0.

    Attributes
    ----------
    name
        Of the factor, such as ``donor`` or ``site:donor``.
    group
        Names of the groups, (J,).
    code
        Each sample's group, 0 to J - 1, (S,).
    """

    name: str
    group: TextArray
    code: IntArray

    def __post_init__(self) -> None:
        code = np.array(self.code, dtype=np.int64)
        code.flags.writeable = False
        fill(self, group=as_text(self.group), code=code)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Design:
    """A full-rank design matrix and the contrast asked of it.

    Attributes
    ----------
    sample
        Sample names in the order of the rows, (S,).
    matrix
        (S, P), full column rank.
    coefficient
        Names of the columns, (P,).
    contrast
        The question, or None for a design without one (as the filter needs it).
    multi_df
        The question where it has several rows; then there is no ``contrast``.
    formula
        The formula it was built from.
    prior_sd
        Standard deviations of the coefficients' normal priors around 0, log2, (G, P), or (1, P) where all genes share
        them; infinite where there is none. None: nowhere.
    random
        Random factors beside the columns.
    dropped
        Names of columns that were 0 in all samples and are left out: combinations of levels that no sample has.
    """

    sample: TextArray
    matrix: FloatArray
    coefficient: TextArray
    formula: str
    contrast: Contrast | None = None
    multi_df: MultiDfContrast | None = None
    prior_sd: FloatArray | None = None
    random: tuple[Grouping, ...] = ()
    dropped: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        fill(
            self,
            sample=as_text(self.sample),
            matrix=as_floats(self.matrix),
            coefficient=as_text(self.coefficient),
        )
        require_shape(self, matrix=(len(self.sample), len(self.coefficient)))
        if self.prior_sd is not None:
            fill(self, prior_sd=as_floats(self.prior_sd))
            require_shape(self, prior_sd=(len(self.prior_sd), len(self.coefficient)))
        if self.contrast is not None:
            require_shape(self.contrast, weight=(len(self.coefficient),))
        if self.multi_df is not None:
            require_shape(self.multi_df, weight=(len(self.multi_df.row), len(self.coefficient)))
        for factor in self.random:
            require_shape(factor, code=(len(self.sample),))

    @property
    def contrast_range(self) -> float:
        """How far an effect of 1 in the contrast moves the samples apart; see `Effects.unit`."""
        if self.contrast is None:
            raise ValueError("the design has no contrast")
        weight = self.contrast.weight
        effect = self.matrix @ weight / (weight @ weight)
        return float(np.ptp(effect)) or float(np.abs(effect).max())

    @property
    def replicates(self) -> float:
        """Samples in either group that the contrast compares, or as many as two groups would need to tell as much.

        By the weights that least squares gives the samples: of each sign, the squared sum over the sum of squares, and
        of both the harmonic mean (Kish 1965, Survey Sampling, 11.7).
        """
        if self.contrast is None:
            raise ValueError("the design has no contrast")
        weight = np.linalg.pinv(self.matrix).T @ self.contrast.weight
        sides = [np.where(side * weight > 0, weight, 0.0) for side in (1, -1)]
        # Rounding is no sample; a contrast with all samples on one side has these alone.
        number = [each.sum() ** 2 / (each @ each) for each in sides if np.abs(each).max() > 1e-9 * np.abs(weight).max()]
        return float(len(number) / np.sum(1 / np.array(number)))
