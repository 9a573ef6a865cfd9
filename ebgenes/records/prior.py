"""Priors, fits of them, and draws."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from ebgenes.arrays import FloatArray, IntArray, TextArray
from ebgenes.records.fields import as_floats, as_text, fill, require_shape


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
        fill(self, **{each.name: as_floats(getattr(self, each.name)) for each in fields(self)})
        shape = self.probability.shape
        require_shape(self, weight=(*shape, self.weight.shape[1]), scale=self.weight.shape, evidence=shape)

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
    their own error, an error N(0, null_sd^2) shared by null and non-null genes: ``null_sd``, kept as
    ``scale[0]``, is the standard deviation of the null.

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
    likelihood_scale
        How many times wider the genes' likelihoods are taken than they are.
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
    likelihood_scale: float = 1.0
    null_share: FloatArray | None = None
    nulls: Nulls | None = None
    unit: float = 1.0

    def __post_init__(self) -> None:
        fill(self, weight=as_floats(self.weight), scale=as_floats(self.scale))
        fill(self, mode=float(self.mode), likelihood_scale=float(self.likelihood_scale), unit=float(self.unit))
        require_shape(self, weight=(len(self.scale),))
        if self.null_share is not None:
            fill(self, null_share=as_floats(self.null_share))

    @property
    def pi0(self) -> float:
        """The share of null genes."""
        return float(self.weight[0])

    @property
    def null_sd(self) -> float:
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
        require_shape(self, null_share=(n_genes,))
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
class NullSdPrior:
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
        fill(self, draw=as_floats(self.draw), excess=as_floats(self.excess))

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
    null_sd_prior
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
    null_sd_prior: NullSdPrior | None = None
    odds: Odds | None = None
    without_covariates: EmFit | None = None
    stored: MixturePrior | None = None
    stored_weight: float | None = None
    conflict: tuple[float, int, float] | None = None
    bulk_gain: float | None = None

    def __post_init__(self) -> None:
        fill(self, loglik=as_floats(self.loglik))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class GibbsDraws:
    """Draws of the population from its posterior, D in all, chain after chain.

    Attributes
    ----------
    weight
        Shares of the genes by component, (D, K).
    null_sd
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
    null_sd: FloatArray
    scale: FloatArray
    loglik: FloatArray
    chain: IntArray
    sweep: IntArray
    seed: int
    prior: MixturePrior
    coefficient: FloatArray | None = None
    design: FloatArray | None = None

    def __post_init__(self) -> None:
        names = ("weight", "null_sd", "scale", "loglik")
        fill(self, **{name: as_floats(getattr(self, name)) for name in names})
        fill(self, chain=np.array(self.chain, dtype=np.int64), sweep=np.array(self.sweep, dtype=np.int64))
        shape = (len(self.weight),)
        n_slabs = self.weight.shape[1] - 1
        require_shape(self, null_sd=shape, scale=(*shape, n_slabs), loglik=shape, chain=shape, sweep=shape)
        if self.coefficient is not None and self.design is not None:
            fill(self, coefficient=as_floats(self.coefficient), design=as_floats(self.design))
            require_shape(self, coefficient=(*shape, self.design.shape[1]))


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
class MultivariatePrior:
    """A mixture over all genes' effects in R conditions: a null without any effect, and normals of several shapes.

    ``theta ~ weight[0] * (0 everywhere) + sum_k weight[k] * N(0, scale[k]^2 covariance[pattern_of[k]])``, and the
    estimates carry, besides their own errors, an error N(0, null_covariance) shared by null and non-null genes.

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
    null_covariance
        Covariance of the null, log2 squared, (R, R).
    """

    condition: TextArray
    weight: FloatArray
    scale: FloatArray
    pattern_of: IntArray
    pattern: TextArray
    covariance: FloatArray
    null_covariance: FloatArray

    def __post_init__(self) -> None:
        pattern_of = np.array(self.pattern_of, dtype=np.int64)
        pattern_of.flags.writeable = False
        fill(self, condition=as_text(self.condition), pattern=as_text(self.pattern), pattern_of=pattern_of)
        fill(
            self,
            **{name: as_floats(getattr(self, name)) for name in ("weight", "scale", "covariance", "null_covariance")},
        )
        n, shape = len(self.condition), (len(self.scale),)
        require_shape(
            self, weight=shape, pattern_of=shape, covariance=(len(self.pattern), n, n), null_covariance=(n, n)
        )

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
        fill(self, loglik=as_floats(self.loglik))
