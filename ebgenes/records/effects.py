"""Effects of genes with their likelihoods, and what was learned on the way to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ebgenes.arrays import USUAL_SE, FloatArray, IntArray, TextArray
from ebgenes.records.design import Curve
from ebgenes.records.fields import all_ok, as_floats, as_text, fill, require_shape

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
        sheet = {str(name): as_text(values) for name, values in self.sheet.items()}
        fill(
            self,
            sample=as_text(self.sample),
            sheet=sheet,
            **{name: as_floats(getattr(self, name)) for name in names},
        )
        shape = (self.score.shape[1],)
        require_shape(self, score=(len(self.sample), *shape), **dict.fromkeys(names[1:], shape))
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
        fill(self, variance=as_floats(self.variance), chance=as_floats(self.chance))
        require_shape(self, chance=self.variance.shape)


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
        fill(self, off_interval=as_floats(self.off_interval))
        require_shape(self, off_interval=(2,))


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
        fill(self, **{name: as_floats(getattr(self, name)) for name in BESIDE_ARRAYS})
        require_shape(self, **dict.fromkeys(BESIDE_ARRAYS, self.fixed.shape))


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
        fill(
            self,
            factor=as_text(self.factor),
            words=as_text(self.words),
            n_groups=np.array(self.n_groups, dtype=np.int64),
        )
        fill(self, **{name: as_floats(getattr(self, name)) for name in ("ratio", "weight", "share")})
        shape = (len(self.factor),)
        require_shape(self, n_groups=shape, share=shape, ratio=(len(self.weight), *shape))


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
        fill(
            self,
            gene=as_text(self.gene),
            status=as_text(self.status),
            base_mean=as_floats(self.base_mean),
            place=place,
        )
        require_shape(self, **dict.fromkeys(("base_mean", "status", "place"), (len(self.gene),)))

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
    contrast, up_label, down_label
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
    up_label: str = "higher"
    down_label: str = "lower"
    engine: str
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
        fill(
            self,
            gene=as_text(self.gene),
            status=as_text(all_ok(len(self.gene)) if self.status is None else self.status),
            scalars={str(name): float(value) for name, value in self.scalars.items()},
            unit=None if self.unit is None else float(self.unit),
            **{name: as_floats(getattr(self, name)) for name in ("estimate", "se", "df", "base_mean")},
        )
        shape = (len(self.gene),)
        for name in ("grid", "loglik", "p_value"):
            if getattr(self, name) is not None:
                fill(self, **{name: as_floats(getattr(self, name))})
        require_shape(self, estimate=shape, se=shape, df=shape, base_mean=shape, status=shape, p_value=shape)
        if (self.grid is None) != (self.loglik is None):
            raise ValueError("Effects takes grid and loglik together")
        if self.grid is not None and self.loglik is not None:
            require_shape(self, grid=(len(self.gene), self.grid.shape[1]), loglik=self.grid.shape)

    @property
    def size_sd(self) -> float:
        """What is uncertain of the size factors, which moves all effects alike: a standard deviation, log2."""
        return float(self.scalars.get("size_shift_se", 0.0))

    @property
    def told_unit(self) -> float:
        """What scales that a user or another study gives, log2, are to be divided by: unknown units are theirs."""
        return 1.0 if self.unit is None else self.unit

    @property
    def usual_unit(self) -> float:
        """What fixed scales, log2, are to be divided by: unknown units are those in which errors are as usual."""
        return USUAL_SE / float(np.median(self.se)) if self.unit is None else self.unit


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MultiDfEffects:
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
        fill(
            self,
            gene=as_text(self.gene),
            row=as_text(self.row),
            status=as_text(all_ok(len(self.gene)) if self.status is None else self.status),
            scalars={str(name): float(value) for name, value in self.scalars.items()},
            **{name: as_floats(getattr(self, name)) for name in arrays},
        )
        n_rows, shape = len(self.row), (len(self.gene),)
        require_shape(self, **dict.fromkeys(("df", "statistic", "p_value", "base_mean", "status"), shape))
        require_shape(self, estimate=(*shape, n_rows), covariance=(*shape, n_rows, n_rows), unit=(n_rows,))
