"""The records that flow through the house: frozen, read-only, shapes checked at birth.

Dimensions: G genes, S samples, P coefficients, K mixture components, T grid nodes.
Effects are log2 everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
TextArray = NDArray[np.object_]

LARGEST = 1e100
"""Beyond it and its inverse, squares leave the range of floating-point numbers."""

USUAL_SE = 0.25
"""Median standard error, log2, that effects of unknown units are taken to have: between two groups of three to five."""


def text_array(values: Iterable[Any]) -> TextArray:
    """Values as a read-only array of text; numbers and ``nan`` become their spelling."""
    array = np.array([str(value) for value in values], dtype=object)
    array.flags.writeable = False
    return array


def _text(values: Iterable[Any]) -> TextArray:
    """`text_array`, but for what one has been made of before: records pass on theirs, of up to millions of genes."""
    if isinstance(values, np.ndarray) and values.dtype == object and not values.flags.writeable:
        return values
    return text_array(values)


def _all_ok(n_genes: int) -> TextArray:
    status = np.full(n_genes, "ok", dtype=object)
    status.flags.writeable = False
    return status


def _is_frozen(array: NDArray[Any]) -> bool:
    """Whether nobody can write to an array in C order, through itself or through what it is a view of."""
    return array.flags.c_contiguous and not array.flags.writeable and array.base is None


def _float(values: Any) -> FloatArray:
    array = np.array(values, dtype=np.float64, order="C")
    array.flags.writeable = False
    return array


def _require_shape(record: Any, **expected: tuple[int, ...]) -> None:
    for name, shape in expected.items():
        value = getattr(record, name)
        if value is not None and value.shape != shape:
            raise ValueError(f"{type(record).__name__}.{name} has shape {value.shape}, expected {shape}")


def _set(record: Any, **values: Any) -> None:
    for name, value in values.items():
        object.__setattr__(record, name, value)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Counts:
    """Raw counts of G genes in S samples.

    Attributes
    ----------
    gene, sample
        Unique names, text, (G,) and (S,).
    count
        Whole numbers >= 0, (G, S), int64, C order: a kernel walks one gene.
    log_size
        Natural log of the size factors, (S,), or of gene-wise offsets, (G, S); None before
        normalization. ``count / exp(log_size)`` is comparable across samples.
    length
        Average transcript lengths, (G, S), where transcripts were quantified; else None.
    sizes_given
        Whether the sizes are a user's own, or of genes that a user named, which nothing moves. None: nobody said;
        offsets without lengths are.
    """

    gene: TextArray
    sample: TextArray
    count: IntArray
    log_size: FloatArray | None = None
    length: FloatArray | None = None
    sizes_given: bool | None = None

    def __post_init__(self) -> None:
        count = self.count
        # What a record holds already is shared: counts of many samples are most of a fit's memory.
        if not (isinstance(count, np.ndarray) and count.dtype == np.int64 and _is_frozen(count)):
            count = np.array(count, dtype=np.int64, order="C")
            count.flags.writeable = False
        log_size, length = (None if each is None else _float(each) for each in (self.log_size, self.length))
        _set(self, gene=_text(self.gene), sample=_text(self.sample), count=count, log_size=log_size, length=length)
        n_genes, n_samples = len(self.gene), len(self.sample)
        _require_shape(self, count=(n_genes, n_samples), length=(n_genes, n_samples))
        if log_size is not None and log_size.ndim == 1:
            _require_shape(self, log_size=(n_samples,))
        else:
            _require_shape(self, log_size=(n_genes, n_samples))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Screen:
    """What became of every gene of the input, kept or not.

    Attributes
    ----------
    gene
        Every gene id in the input's order, (G,).
    status
        ``ok``, ``low_count`` or ``all_zero``, (G,).
    base_mean
        Mean of normalized counts, (G,).
    name
        Gene names (symbols), (G,); empty text where there is none.
    """

    gene: TextArray
    status: TextArray
    base_mean: FloatArray
    name: TextArray

    def __post_init__(self) -> None:
        _set(
            self,
            gene=_text(self.gene),
            status=_text(self.status),
            base_mean=_float(self.base_mean),
            name=_text(self.name),
        )
        shape = (len(self.gene),)
        _require_shape(self, status=shape, base_mean=shape, name=shape)

    @property
    def kept(self) -> BoolArray:
        """Which genes go on to the fit, (G,)."""
        return np.asarray(self.status == "ok", dtype=bool)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Study:
    """A dataset ready for any contrast: what ``counts.h5ad`` holds.

    Attributes
    ----------
    counts
        Normalized counts of the kept genes.
    samples
        The sample sheet, indexed by sample name, in the counts' order.
    screen
        Every gene of the input and its status.
    """

    counts: Counts
    samples: pd.DataFrame
    screen: Screen


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Contrast:
    """The question asked of a fitted design.

    Attributes
    ----------
    name
        Short name, used in file names and columns.
    weight
        One weight for each coefficient of the design, (P,).
    up, down
        What a positive and a negative effect mean, in words.
    """

    name: str
    weight: FloatArray
    up: str = "higher"
    down: str = "lower"

    def __post_init__(self) -> None:
        _set(self, weight=_float(self.weight))


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
        _set(self, x=_float(self.x), series=_text(self.series), weight=_float(self.weight))
        _require_shape(self, series=self.x.shape, weight=(len(self.x), self.weight.shape[1]))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class JointContrast:
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
        _set(self, row=_text(self.row), weight=_float(self.weight))
        _require_shape(self, weight=(len(self.row), self.weight.shape[1]))


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
        _set(self, group=_text(self.group), code=code)


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
    joint
        The question where it has several rows; then there is no ``contrast``.
    formula
        The formula it was built from.
    prior_sd
        Standard deviations of the coefficients' normal priors around 0, log2, (G, P), or (1, P) where all genes share
        them; infinite where there is none. None: nowhere.
    random
        Random factors beside the columns.
    """

    sample: TextArray
    matrix: FloatArray
    coefficient: TextArray
    formula: str
    contrast: Contrast | None = None
    joint: JointContrast | None = None
    prior_sd: FloatArray | None = None
    random: tuple[Grouping, ...] = ()

    def __post_init__(self) -> None:
        _set(self, sample=_text(self.sample), matrix=_float(self.matrix), coefficient=_text(self.coefficient))
        _require_shape(self, matrix=(len(self.sample), len(self.coefficient)))
        if self.prior_sd is not None:
            _set(self, prior_sd=_float(self.prior_sd))
            _require_shape(self, prior_sd=(len(self.prior_sd), len(self.coefficient)))
        if self.contrast is not None:
            _require_shape(self.contrast, weight=(len(self.coefficient),))
        if self.joint is not None:
            _require_shape(self.joint, weight=(len(self.joint.row), len(self.coefficient)))
        for factor in self.random:
            _require_shape(factor, code=(len(self.sample),))

    @property
    def contrast_range(self) -> float:
        """How far an effect of 1 in the contrast moves the samples apart; see `Effects.unit`."""
        if self.contrast is None:
            raise ValueError("the design has no contrast")
        weight = self.contrast.weight
        effect = self.matrix @ weight / (weight @ weight)
        return float(np.ptp(effect)) or float(np.abs(effect).max())


HIDDEN_ARRAYS = ("score", "confounding", "confounding_se", "share", "correlation", "loading_sd", "apart")
"""Arrays of `HiddenFactors`, the same names in every file."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class HiddenFactors:
    """Variation that replicates share, as found in the residuals and added to the design.

    Attributes
    ----------
    sample
        Sample names, (S,).
    score
        Of each sample on each factor, (S, k): variance 1 across residuals, and ``confounding`` times the contrast,
        where ``apart``.
    confounding
        Delta: what a loading of 1 would have added to a gene's contrast, (k,): its posterior mean, as its prior is what
        random allocation gives.
    confounding_se
        Its posterior standard deviation, (k,).
    share
        Of the residual variance, mean over genes, that each factor takes, (k,).
    correlation
        Of each factor with the contrast, other columns of the design apart, (k,).
    loading_sd
        Standard deviation of the loadings over genes, log2, (k,).
    apart
        1 where a factor can be told from the contrast; where it cannot, 0, the design was given its part along the
        residuals alone, ``confounding`` is not in ``score``, and ``confounding_se`` is what chance gives, (k,).
    n_controls
        Control genes that told Delta; 0 where all genes did.
    sheet
        Columns of the sample sheet by name, as text, (S,) each: what a factor may turn out to be.
    """

    sample: TextArray
    score: FloatArray
    confounding: FloatArray
    confounding_se: FloatArray
    share: FloatArray
    correlation: FloatArray
    loading_sd: FloatArray
    apart: FloatArray
    n_controls: int = 0
    sheet: Mapping[str, TextArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = HIDDEN_ARRAYS
        sheet = {str(name): _text(values) for name, values in self.sheet.items()}
        _set(self, sample=_text(self.sample), sheet=sheet, **{name: _float(getattr(self, name)) for name in names})
        shape = (self.score.shape[1],)
        _require_shape(self, score=(len(self.sample), *shape), **dict.fromkeys(names[1:], shape))
        for values in sheet.values():
            if values.shape != self.sample.shape:
                raise ValueError("HiddenFactors.sheet needs one value a sample")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ResidualAxes:
    """How the residual variance of standardized genes lies along the residual axes of a design, d of them.

    Attributes
    ----------
    variance
        Eigenvalues of the genes' residual covariance, descending, with a mean of 1, (d,).
    chance
        The same of residuals with random signs, whose genes share nothing: means over several, (d,).
    """

    variance: FloatArray
    chance: FloatArray

    def __post_init__(self) -> None:
        _set(self, variance=_float(self.variance), chance=_float(self.chance))
        _require_shape(self, chance=self.variance.shape)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Choice:
    """Fixed or random: what the data say of groups that differ for reasons the comparison goes along with.

    Attributes
    ----------
    factor
        Name of the random factor.
    verdict
        ``random`` or ``fixed``; ``same`` where both give one answer; ``between`` where fixed effects have none.
    probability
        Of the verdict, by the posterior of all genes' Mundlak coefficients; NaN where nothing was to choose.
    off
        By how many of its standard errors a gene's random-effects estimate is biased, root mean square.
    off_interval
        Its 90% interval, (2,).
    changed
        Share of the genes whose Mundlak coefficient is not 0.
    hausman
        Share of the genes whose Hausman test has p < .05, of which chance gives .05.
    gain
        How many times larger the sampling variance of the fixed-effects estimate is, median over genes.
    words
        The verdict in plain words.
    """

    factor: str
    verdict: str
    words: str
    probability: float = float("nan")
    off: float = float("nan")
    off_interval: FloatArray = field(default_factory=lambda: np.full(2, np.nan))
    changed: float = float("nan")
    hausman: float = float("nan")
    gain: float = float("nan")

    def __post_init__(self) -> None:
        _set(self, off_interval=_float(self.off_interval))
        _require_shape(self, off_interval=(2,))


BESIDE_ARRAYS = ("fixed", "fixed_se", "fixed_df", "coefficient", "coefficient_se", "hausman_p", "variance_share")
"""Arrays of `Beside`, the same names in every file."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Beside:
    """Fixed effects beside random ones, gene by gene; log2, all (G,), NaN where fixed effects are unidentified.

    Attributes
    ----------
    fixed, fixed_se, fixed_df
        The effect with every group as a fixed effect, its moderated standard error and degrees of freedom.
    coefficient, coefficient_se
        Mundlak's: how much more groups differ, over the range of the comparison, than samples within them.
    hausman_p
        Of the difference between fixed and random effects; NaN where they are one.
    variance_share
        Share of a sample's variance that lies between groups, by the gene's own REML.
    """

    fixed: FloatArray
    fixed_se: FloatArray
    fixed_df: FloatArray
    coefficient: FloatArray
    coefficient_se: FloatArray
    hausman_p: FloatArray
    variance_share: FloatArray

    def __post_init__(self) -> None:
        _set(self, **{name: _float(getattr(self, name)) for name in BESIDE_ARRAYS})
        _require_shape(self, **dict.fromkeys(BESIDE_ARRAYS, self.fixed.shape))


RANDOM_ARRAYS = ("n_groups", "ratio", "weight", "share")
RANDOM_WORDS = ("factor", "words")
"""Arrays and texts of `RandomEffects`, the same names in every file."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RandomEffects:
    """Random factors of a fit and what all genes say of their variances.

    Attributes
    ----------
    factor
        Names of the random factors, (k,).
    n_groups
        Their numbers of groups, (k,).
    ratio
        Grid of variances of the factors over that of a sample of mean weight, (R, k).
    weight
        Share of the genes by ratio, (R,), summing to 1.
    share
        Of a sample's variance, mean over genes, that each factor takes, (k,).
    words
        What the design tells of groups and comparison, a sentence each.
    choice
        Fixed or random, or None where it was not asked.
    beside
        Fixed effects beside these, or None where they were not asked for.
    """

    factor: TextArray
    n_groups: IntArray
    ratio: FloatArray
    weight: FloatArray
    share: FloatArray
    words: TextArray
    choice: Choice | None = None
    beside: Beside | None = None

    def __post_init__(self) -> None:
        _set(self, factor=_text(self.factor), words=_text(self.words), n_groups=np.array(self.n_groups, dtype=np.int64))
        _set(self, **{name: _float(getattr(self, name)) for name in ("ratio", "weight", "share")})
        shape = (len(self.factor),)
        _require_shape(self, n_groups=shape, share=shape, ratio=(len(self.weight), *shape))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Failed:
    """Genes whose fit failed: they have no effect, and a row without results.

    Attributes
    ----------
    gene, base_mean
        As in `Effects`, (F,).
    status
        ``not_converged`` or ``no_information``, (F,).
    place
        Where they stand among all genes of the input, (F,), ascending.
    """

    gene: TextArray
    base_mean: FloatArray
    status: TextArray
    place: IntArray

    def __post_init__(self) -> None:
        place = np.array(self.place, dtype=np.int64)
        place.flags.writeable = False
        _set(self, gene=_text(self.gene), status=_text(self.status), base_mean=_float(self.base_mean), place=place)
        _require_shape(self, **dict.fromkeys(("base_mean", "status", "place"), (len(self.gene),)))

    def others(self, n_genes: int) -> IntArray:
        """Where the other n_genes stand among all genes of the input, (G,)."""
        return np.setdiff1d(np.arange(n_genes + len(self.gene)), self.place)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Effects:
    """One effect for each gene, with its likelihood.

    Without a grid the likelihood of gene g is that of a t statistic: ``(estimate - theta) / se``
    follows Student's t with ``df`` degrees of freedom, normal where df is infinite. With a grid it
    is ``loglik`` at the nodes ``grid``.

    Attributes
    ----------
    gene
        Gene ids, (G,).
    estimate, se
        Maximum-likelihood effect and its standard error, log2, (G,).
    df
        Degrees of freedom of the standard error, (G,); infinite for a known one.
    base_mean
        Mean of normalized counts, (G,); NaN where counts are unknown.
    contrast, up, down
        Name of the comparison and what positive and negative effects mean, in words.
    engine
        Which likelihood made it: ``likelihood``, ``moderated_t``, ``mixed`` or ``normal``.
    scalars
        Hyperparameters of the engine by name (for example ``prior_df``).
    grid, loglik
        Effect values, ascending, and log likelihood, (G, T), or None. The middle node is near the
        estimate, and the nodes are close enough for a cubic spline.
    p_value
        Two-sided p-values of no effect, (G,); from the t statistic unless given.
    status
        ``ok`` or ``outlier``, (G,); all ok unless given.
    hidden
        Hidden factors that the design was given, or None.
    residuals
        How the residual variance lies along the residual axes, or None where it was not seen.
    random
        Random factors of the design, or None.
    failed
        Genes of the input that are not among these because their fit failed, or None.
    unit
        How far an effect of 1 moves the samples apart: effects times this are fold changes over the range of the data,
        log2, whatever a covariate's units or a contrast's weights. None where that is unknown, as of a table of
        estimates.
    """

    gene: TextArray
    estimate: FloatArray
    se: FloatArray
    df: FloatArray
    base_mean: FloatArray
    contrast: str = "effect"
    up: str = "higher"
    down: str = "lower"
    engine: str = "normal"
    scalars: dict[str, float]
    grid: FloatArray | None = None
    loglik: FloatArray | None = None
    p_value: FloatArray | None = None
    status: TextArray | None = None
    hidden: HiddenFactors | None = None
    residuals: ResidualAxes | None = None
    random: RandomEffects | None = None
    failed: Failed | None = None
    unit: float | None = 1.0

    def __post_init__(self) -> None:
        _set(
            self,
            gene=_text(self.gene),
            status=_text(_all_ok(len(self.gene)) if self.status is None else self.status),
            scalars={str(name): float(value) for name, value in self.scalars.items()},
            unit=None if self.unit is None else float(self.unit),
            **{name: _float(getattr(self, name)) for name in ("estimate", "se", "df", "base_mean")},
        )
        shape = (len(self.gene),)
        for name in ("grid", "loglik", "p_value"):
            if getattr(self, name) is not None:
                _set(self, **{name: _float(getattr(self, name))})
        _require_shape(self, estimate=shape, se=shape, df=shape, base_mean=shape, status=shape, p_value=shape)
        if (self.grid is None) != (self.loglik is None):
            raise ValueError("Effects takes grid and loglik together")
        if self.grid is not None and self.loglik is not None:
            _require_shape(self, grid=(len(self.gene), self.grid.shape[1]), loglik=self.grid.shape)

    @property
    def told_unit(self) -> float:
        """What scales that a user or another study gives, log2, are to be divided by: unknown units are theirs."""
        return 1.0 if self.unit is None else self.unit

    @property
    def usual_unit(self) -> float:
        """What fixed scales, log2, are to be divided by: unknown units are those in which errors are as usual."""
        return USUAL_SE / float(np.median(self.se)) if self.unit is None else self.unit


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class JointEffects:
    """Several effects for each gene, with their likelihood and the test that all are 0.

    The likelihood of gene g is that of a multivariate t: ``estimate - theta`` with the matrix ``covariance`` and
    ``df`` degrees of freedom, normal where they are infinite.

    Attributes
    ----------
    gene, row
        Gene ids, (G,), and names of the rows, (R,).
    estimate
        Maximum-likelihood effects, log2, (G, R).
    covariance
        Of their errors, (G, R, R).
    df
        Degrees of freedom of the covariance's scale, (G,).
    statistic, p_value
        F, or a likelihood ratio over its degrees of freedom R, and the p-value that all effects are 0, (G,).
    base_mean
        Mean of normalized counts, (G,).
    contrast, engine, scalars, status, hidden, failed
        As in `Effects`.
    unit
        How far each row's effect of 1 moves the samples apart, (R,): effects times this are fold changes, whatever a
        spline's or a covariate's own units.
    curve
        The rows along time or dose, or None.
    """

    gene: TextArray
    row: TextArray
    estimate: FloatArray
    covariance: FloatArray
    df: FloatArray
    statistic: FloatArray
    p_value: FloatArray
    base_mean: FloatArray
    unit: FloatArray
    contrast: str
    engine: str
    scalars: dict[str, float]
    status: TextArray | None = None
    hidden: HiddenFactors | None = None
    residuals: ResidualAxes | None = None
    curve: Curve | None = None
    failed: Failed | None = None

    def __post_init__(self) -> None:
        arrays = ("estimate", "covariance", "df", "statistic", "p_value", "base_mean", "unit")
        _set(
            self,
            gene=_text(self.gene),
            row=_text(self.row),
            status=_text(_all_ok(len(self.gene)) if self.status is None else self.status),
            scalars={str(name): float(value) for name, value in self.scalars.items()},
            **{name: _float(getattr(self, name)) for name in arrays},
        )
        n_rows, shape = len(self.row), (len(self.gene),)
        _require_shape(self, **dict.fromkeys(("df", "statistic", "p_value", "base_mean", "status"), shape))
        _require_shape(self, estimate=(*shape, n_rows), covariance=(*shape, n_rows, n_rows), unit=(n_rows,))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class JointPosterior:
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
    up, down
        P(effect > threshold) and P(effect < -threshold), (G, R).
    pattern
        The prior's pattern that is most probable, or ``none``, (G,).
    leading
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
    up: FloatArray
    down: FloatArray
    pattern: TextArray
    leading: IntArray
    interval: float = 0.95
    threshold: float = 0.0

    def __post_init__(self) -> None:
        ends = ("lower", "upper", "lower_changed", "upper_changed")
        names = ("mean", "sd", *ends, "covariance", "lfdr", "lfsr", "up", "down")
        _set(self, gene=_text(self.gene), row=_text(self.row), pattern=_text(self.pattern))
        _set(self, leading=np.array(self.leading, dtype=np.int64))
        _set(self, **{name: _float(getattr(self, name)) for name in names})
        n_genes, shape = len(self.gene), (len(self.gene), len(self.row))
        _require_shape(self, **dict.fromkeys(("mean", "sd", *ends, "lfsr", "up", "down"), shape))
        _require_shape(self, lfdr=(n_genes,), leading=(n_genes,), pattern=(n_genes,), covariance=(*shape, shape[1]))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Nulls:
    """Priors between which the data leave a choice, A of them: how wide the null is, and which share of genes it has.

    Attributes
    ----------
    probability
        Of each, summing to 1, (A,).
    weight, scale
        Of its components, (A, K), as `MixturePrior` has them; ``scale[a, 0]`` is its null's standard deviation.
    evidence
        Log of the mean likelihood at that scale of the null, over shares of null genes, (A,).
    """

    probability: FloatArray
    weight: FloatArray
    scale: FloatArray
    evidence: FloatArray

    def __post_init__(self) -> None:
        _set(self, **{each.name: _float(getattr(self, each.name)) for each in fields(self)})
        shape = self.probability.shape
        _require_shape(self, weight=(*shape, self.weight.shape[1]), scale=self.weight.shape, evidence=shape)

    def by_scale(self) -> list[tuple[float, IntArray]]:
        """Scales of the null, ascending, and the priors that have each."""
        scales, which = np.unique(self.scale[:, 0], return_inverse=True)
        return [(float(scale), np.flatnonzero(which == k)) for k, scale in enumerate(scales)]

    def joined(self, rows: IntArray) -> tuple[float, FloatArray, FloatArray]:
        """Some of the priors as one: their probability, and weights and scales (K,), of mean variances."""
        share, weight, scale = self.probability[rows], self.weight[rows], self.scale[rows]
        mean = np.array(scale[0])
        if np.ptp(scale, axis=0).any():
            # A slab that has no weight at a scale of the null has no say in how wide it is; the null always has.
            mass = share[:, None] * weight
            mass[:, 0] = share
            mass += 1e-12 * share[:, None]
            mean = np.sqrt((mass * scale**2).sum(axis=0) / mass.sum(axis=0))
            mean[1:] = np.maximum.accumulate(mean[1:])
        return float(share.sum()), share @ weight / share.sum(), mean


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MixturePrior:
    """A mixture over all genes' effects: a point mass, the null, and slabs that describe real effects.

    ``theta - mode ~ weight[0] * (point mass at 0) + sum_k weight[k] * slab_k``, and the estimates carry, besides
    their own error, a drift N(0, scale[0]^2) shared by null and non-null genes: ``scale[0]`` is the standard
    deviation of the null.

    Attributes
    ----------
    weight
        Shares of the genes, (K,), summing to 1; ``weight[0]`` is pi0.
    scale
        Of the slabs, log2, (K,), by family. ``scale_normal`` and ``point_normal``: standard deviations of normals;
        ``point_laplace``: mean absolute effect; ``half_normal`` and ``half_uniform``: scales of half-normals and ends
        of uniforms from 0, with the sign of the side they lie on; ``npmle``: places of point masses, ascending.
    family
        One of these.
    mode
        Where the null is, log2.
    stretch
        Kappa: how many times wider the genes' likelihoods are taken than they are.
    null_share
        P(null) of each gene where covariates tell genes apart, (G,), else None; ``weight`` is then the average.
    nulls
        What is uncertain of the null: the priors over which posteriors are averaged, else None; ``weight`` and
        ``scale`` are then their averages, of the null's variance for ``scale[0]``.
    unit
        Of the effects it is of, as `Effects` have it: scales times this are log2 over the range of the data. 1 where
        that is unknown.
    """

    weight: FloatArray
    scale: FloatArray
    family: str = "scale_normal"
    mode: float = 0.0
    stretch: float = 1.0
    null_share: FloatArray | None = None
    nulls: Nulls | None = None
    unit: float = 1.0

    def __post_init__(self) -> None:
        _set(self, weight=_float(self.weight), scale=_float(self.scale))
        _set(self, mode=float(self.mode), stretch=float(self.stretch), unit=float(self.unit))
        _require_shape(self, weight=(len(self.scale),))
        if self.null_share is not None:
            _set(self, null_share=_float(self.null_share))

    @property
    def pi0(self) -> float:
        """The share of null genes."""
        return float(self.weight[0])

    @property
    def null_scale(self) -> float:
        """Standard deviation of the null, log2."""
        return float(self.scale[0])

    def in_unit(self, unit: float) -> MixturePrior:
        """The same prior for effects of another unit, which are as many times as large as theirs is smaller."""
        if unit == self.unit:
            return self
        return self.multiplied(self.unit / unit, unit)

    def multiplied(self, times: float, unit: float) -> MixturePrior:
        """The prior of effects that are so many times as large, and whose unit is given."""
        nulls = None if self.nulls is None else replace(self.nulls, scale=times * self.nulls.scale)
        return replace(self, scale=times * self.scale, mode=times * self.mode, nulls=nulls, unit=unit)

    def weights(self, n_genes: int) -> FloatArray:
        """Every gene's own weights, (G, K), or (1, K) where all genes share them."""
        if self.null_share is None:
            return self.weight[None, :]
        _require_shape(self, null_share=(n_genes,))
        changed = self.weight[1:].sum()
        slab = self.weight[1:] / changed if changed > 0 else self.weight[1:]
        return np.column_stack([self.null_share, (1 - self.null_share)[:, None] * slab])


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Odds:
    """Fitted log odds of being changed.

    Attributes
    ----------
    coefficient, se
        Posterior mode and its standard deviation, from all genes, (1 + P,).
    folds
        The same mode without each fold's genes, (F, 1 + P).
    changed
        P(non-null) of each gene before its effect is seen, from the folds it is not in, (G,).
    likelihood, likelihood_se
        Coefficients as the data alone have them, elicited priors apart, (1 + P,).
    log_prior
        Log density of the coefficients' prior at the mode.
    """

    coefficient: FloatArray
    se: FloatArray
    folds: FloatArray
    changed: FloatArray
    likelihood: FloatArray
    likelihood_se: FloatArray
    log_prior: float


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class DriftPrior:
    """What residuals say of the null's standard deviation, log2, before any effect is looked at.

    Attributes
    ----------
    draw
        Equally probable values, ascending, (N,).
    excess, df
        Shares of the residual variance that replicates have in common, along each of the leading axes, (1,) or (2,),
        and the residual degrees of freedom: together they say how wide the null may be.
    seen
        Whether residuals were seen, or the two above are assumed.
    """

    draw: FloatArray
    excess: FloatArray
    df: float
    seen: bool

    def __post_init__(self) -> None:
        _set(self, draw=_float(self.draw), excess=_float(self.excess))

    @property
    def largest(self) -> float:
        """The largest value that is thought possible."""
        return float(self.draw[-1])


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class EmFit:
    """A fitted prior and the evidence that it is the optimum.

    Attributes
    ----------
    prior
        The fitted prior.
    loglik
        Total log likelihood after each iteration of the last solve, with the null's penalty where there is one;
        nondecreasing.
    certificate
        ``max_k mean_g L_gk / (L pi)_g - 1``: 0 at the optimum of the weights.
    converged
        Whether the certificate reached the tolerance.
    solver
        ``sqp``, ``em`` or ``squarem``.
    fixed_null
        The fit with the null's scale held at 0, when the scale was estimated; else None.
    drift
        What was known of the null's scale before effects were looked at, when it was estimated; else None.
    odds
        What covariates say of the log odds of being changed, where there are some.
    without_covariates
        The fit without them.
    stored
        The prior of another study that it was fitted beside, or None.
    stored_weight
        The weight that this prior has in the fitted one, or None.
    conflict
        Likelihood ratio of the study's own weights over the stored prior, degrees of freedom and p-value, or None.
    bulk_gain
        How much more likely, in log, a smooth free shape is than slabs around 0 whose place it took, or None.
    """

    prior: MixturePrior
    loglik: FloatArray
    certificate: float
    converged: bool
    solver: str
    fixed_null: EmFit | None = None
    drift: DriftPrior | None = None
    odds: Odds | None = None
    without_covariates: EmFit | None = None
    stored: MixturePrior | None = None
    stored_weight: float | None = None
    conflict: tuple[float, int, float] | None = None
    bulk_gain: float | None = None

    def __post_init__(self) -> None:
        _set(self, loglik=_float(self.loglik))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class GibbsDraws:
    """Draws of the population from its posterior, D in all, chain after chain.

    Attributes
    ----------
    weight
        Shares of the genes by component, (D, K).
    null_scale
        Standard deviation of the null, log2, (D,).
    scale
        Scales of the slabs, log2, (D, K - 1): the same in every draw but for a single slab's.
    loglik
        Log likelihood of all genes, their effects integrated out, (D,).
    chain, sweep
        Where each draw comes from, (D,).
    seed
        Of the randomness.
    prior
        The prior at the draws' mean.
    coefficient, design
        Where covariates tell genes apart, the log odds of being changed are ``design @ coefficient[d]``: (D, 1 + P) and
        (G, 1 + P), and ``weight[:, 0]`` is the mean share of the null; else None.
    """

    weight: FloatArray
    null_scale: FloatArray
    scale: FloatArray
    loglik: FloatArray
    chain: IntArray
    sweep: IntArray
    seed: int
    prior: MixturePrior
    coefficient: FloatArray | None = None
    design: FloatArray | None = None

    def __post_init__(self) -> None:
        names = ("weight", "null_scale", "scale", "loglik")
        _set(self, **{name: _float(getattr(self, name)) for name in names})
        _set(self, chain=np.array(self.chain, dtype=np.int64), sweep=np.array(self.sweep, dtype=np.int64))
        shape = (len(self.weight),)
        n_slabs = self.weight.shape[1] - 1
        _require_shape(self, null_scale=shape, scale=(*shape, n_slabs), loglik=shape, chain=shape, sweep=shape)
        if self.coefficient is not None and self.design is not None:
            _set(self, coefficient=_float(self.coefficient), design=_float(self.design))
            _require_shape(self, coefficient=(*shape, self.design.shape[1]))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ChainState:
    """What `draw_gibbs` needs to go on: the sweeps of every chain so far.

    Attributes
    ----------
    key
        Digest of the likelihoods and settings, which must be the same.
    state, plane, loglik
        States of all sweeps, (chains, N, D), (chains, N), (chains, N): coefficients of the log odds of being changed
        and shares of the slabs; which scales; log likelihood.
    next_state, next_plane
        From which the next sweep starts, (chains, D), (chains,).
    """

    key: str
    state: FloatArray
    plane: IntArray
    loglik: FloatArray
    next_state: FloatArray
    next_plane: IntArray


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
    up, down
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
    up: FloatArray
    down: FloatArray
    interval: float = 0.95
    threshold: float = 0.0

    def __post_init__(self) -> None:
        _set(self, gene=_text(self.gene))
        names = [each.name for each in fields(self) if each.name not in {"gene", "interval", "threshold"}]
        for name in names:
            _set(self, **{name: _float(getattr(self, name))})
        _require_shape(self, **{name: (len(self.gene),) for name in names})


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MultivariatePrior:
    """A mixture over all genes' effects in R conditions: a null without any effect, and normals of several shapes.

    ``theta ~ weight[0] * (0 everywhere) + sum_k weight[k] * N(0, scale[k]^2 covariance[pattern_of[k]])``, and the
    estimates carry, besides their own errors, a drift N(0, drift) shared by null and non-null genes.

    Attributes
    ----------
    condition
        Names of the conditions (contrasts, cell types), (R,).
    weight
        Shares of the genes, (K,), summing to 1; ``weight[0]`` is pi0, no effect in any condition.
    scale
        Standard deviations, log2, of the condition in which a component varies most, (K,); ``scale[0]`` is 0.
    pattern_of
        Which pattern each component has, (K,); -1 for the null.
    pattern
        Names of the patterns, (P,).
    covariance
        Their covariances, (P, R, R), the largest variance of each being 1.
    drift
        Covariance of the null, log2 squared, (R, R).
    """

    condition: TextArray
    weight: FloatArray
    scale: FloatArray
    pattern_of: IntArray
    pattern: TextArray
    covariance: FloatArray
    drift: FloatArray

    def __post_init__(self) -> None:
        pattern_of = np.array(self.pattern_of, dtype=np.int64)
        pattern_of.flags.writeable = False
        _set(self, condition=_text(self.condition), pattern=_text(self.pattern), pattern_of=pattern_of)
        _set(self, **{name: _float(getattr(self, name)) for name in ("weight", "scale", "covariance", "drift")})
        n, shape = len(self.condition), (len(self.scale),)
        _require_shape(self, weight=shape, pattern_of=shape, covariance=(len(self.pattern), n, n), drift=(n, n))

    @property
    def pi0(self) -> float:
        """The share of genes without an effect in any condition."""
        return float(self.weight[0])

    @property
    def pattern_weight(self) -> FloatArray:
        """Shares of the genes by pattern, over all scales, (P,)."""
        return np.bincount(self.pattern_of[1:], self.weight[1:], len(self.pattern)).astype(np.float64)

    def components(self) -> FloatArray:
        """Covariances of all components, (K, R, R)."""
        shape = self.covariance[np.maximum(self.pattern_of, 0)]
        return np.asarray(self.scale[:, None, None] ** 2 * shape)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MultivariateFit:
    """A fitted multivariate prior and the evidence that its weights are the optimum; see `EmFit`."""

    prior: MultivariatePrior
    loglik: FloatArray
    certificate: float
    converged: bool
    solver: str

    def __post_init__(self) -> None:
        _set(self, loglik=_float(self.loglik))


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
    up, down
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
    up: FloatArray
    down: FloatArray
    lfdr_all: FloatArray
    pattern_share: FloatArray

    def __post_init__(self) -> None:
        names = [each.name for each in fields(self) if each.name != "condition"]
        _set(self, condition=_text(self.condition), **{name: _float(getattr(self, name)) for name in names})
        n_genes = len(self.lfdr_all)
        shape = (n_genes, len(self.condition))
        _require_shape(self, **dict.fromkeys(("mean", "sd", "lfsr", "lfdr", "up", "down"), shape))
        _require_shape(self, lfdr_all=(n_genes,), pattern_share=(n_genes, self.pattern_share.shape[1]))
