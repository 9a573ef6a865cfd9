"""Variation that replicates share and nobody recorded: found in residuals, added to the design."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from ebgenes.arrays import BoolArray, FloatArray, IntArray, TextArray, evenly, rank_of_names
from ebgenes.data.normalization import library_size
from ebgenes.design.matrix import with_covariates
from ebgenes.effects.moderated_t import regression_rows, voom, weighted_regression
from ebgenes.effects.variance_prior import fit_variance_prior, require_variation, squeeze_variances
from ebgenes.errors import InputError, listing
from ebgenes.numerics.jit import map_blocks
from ebgenes.numerics.linear import add_gram
from ebgenes.records.counts import Counts
from ebgenes.records.design import Contrast, Design
from ebgenes.records.effects import HiddenFactors, ResidualAxes

MOST = 2
FEWEST_DF = 4
"""Factors that `auto` takes at most, from so many residual degrees of freedom on; none below."""

MANY_VALUES = 500_000
ENOUGH_GENES = 500
"""Beyond so many counts factors are sought among evenly spaced genes, these or more: scores need no others."""

FEWEST_GENES = 100
"""Among fewer, `auto` seeks no factor."""

FEWEST_WITH_AXES = 20
"""Genes from which residual axes tell of the null: chance is large among few, and only what is beyond it counts."""

N_FLIPS = 10
SEED = 20_000
REFINEMENTS = 3
BISQUARE = 4.685
FEWEST_CONTROLS = 10

LEAST_GAIN = 0.2
LEAST_EXCESS = 0.03
"""What `auto` takes for a factor has so much more of the variance than chance gives its axis, relative or absolute.

With few degrees of freedom chance alone has a large share, which two equal factors cannot exceed by much.
"""

FEW_DF = 6
MOST_OF_THE_REST = 0.6
"""With fewer residual degrees of freedom `auto` takes a second factor only if it holds more than this of what the first
leaves.

Few axes never hold all that real replicates share. Without the two largest of four the others look like little noise,
and a comparison surer than it is: 3 against 3, lists of real replicates had up to twice the false genes, and ranked no
better.
"""

LEAST_RELIABLE = 0.2
"""Loadings that are noise to a larger share than 1 - this are taken to be reliable to this share."""


FAR_OUT = 4.0
"""Standard deviations beyond which a loading is not believed to be like those of all genes."""

LEAST_LOADING = 0.02
"""Smallest standard deviation of loadings, log2."""

MOST_INFLATED = 10.0
"""Variance inflation beyond which a factor cannot be told from the comparison.

The usual bound for collinear regressors, at a correlation of .95. Random allocation gives no such factor (with 4
degrees of freedom once in 250 studies); a response that samples of a group show to different degrees does.
"""

DELTA_NODES = np.linspace(-6, 6, 241)
"""Standard errors around an estimate of Delta at which its posterior is evaluated."""

N_ROTATIONS = 10
WELL_ABOVE = 3.0
"""Standard deviations of chance above its mean that residual axes have to exceed."""


def add_hidden_factors(
    counts: Counts, design: Design, n_factors: int | str, controls: BoolArray | None
) -> tuple[Design, HiddenFactors | None]:
    """The design with the scores of hidden factors as further columns, which its contrast ignores.

    Parameters
    ----------
    counts
        Normalized, (G, S).
    design
        With a contrast.
    n_factors
        How many, or ``auto``; see `fit_effects`.
    controls
        Genes known not to respond, (G,), or None.

    Raises
    ------
    InputError
        Where more factors are asked for than leave a residual degree of freedom.
    """
    residual_df = design.matrix.shape[0] - design.matrix.shape[1]
    require_left(residual_df, n_factors)
    most = _sought(residual_df, len(counts.gene)) if n_factors == "auto" else int(n_factors)
    if most == 0:
        return design, None
    rows = _question(design)
    part, telling = _thinned(counts, controls)
    response, weight = voom(part, design.matrix)
    rank = rank_of_names(part.gene), rank_of_names(part.sample)
    score = _find(response, weight, design.matrix, most, rank if n_factors == "auto" else None)
    if score.shape[1] == 0:
        return design, None
    loadings = _loadings(response, weight, design.matrix, score)
    share = _explained(response, weight, design.matrix, loadings)
    estimate, unscaled = _beside(response, weight, design.matrix, score, rows)
    # Added to a response, these move its rows by 1 each and leave its residuals alone.
    direction = design.matrix @ np.linalg.solve(rows @ rows.T, rows).T
    extent = np.ptp(direction, axis=0)
    told = [
        _confounding(estimate[:, r], unscaled[:, r], loadings, telling, float(extent[r]) or 1.0)
        for r in range(len(rows))
    ]
    confounding, error = (np.array([each[i] for each in told]) for i in (0, 1))  # (R, k)
    chance = _chance_confounding(design.matrix, rows, residual_df)[:, None]
    confounding, error = _believed(confounding, error, chance, residual_df)
    correlation = _correlation(score + direction @ confounding, direction, design.matrix, rows)
    apart = correlation**2 <= 1 - 1 / MOST_INFLATED
    shifted = score + direction @ np.where(apart, confounding, 0.0)
    spread = _loading_sd(loadings)
    found = HiddenFactors(
        sample=design.sample,
        score=shifted,
        confounding=_length(confounding),
        confounding_se=_length(np.where(apart, error, chance)),
        share=share,
        correlation=correlation,
        loading_sd=spread,
        apart=apart.astype(float),
        n_controls=0 if controls is None else int(controls.sum()),
    )
    if part is not counts:
        loadings = _loadings(*voom(counts, design.matrix), design.matrix, score)
    return with_covariates(design, shifted, "hidden", _belief(loadings, spread)), found


def require_left(residual_df: int, n_factors: int | str) -> None:
    """Refuse so many hidden factors that no residual degree of freedom is left.

    Raises
    ------
    InputError
        Where none is.
    """
    if n_factors != "auto" and int(n_factors) >= residual_df:
        most = int(n_factors)
        raise InputError(
            f"{most} hidden factors leave {residual_df - most} of {residual_df} residual degrees of freedom, and 1 is "
            f"the least. Ask for fewer (hidden_factors: {max(residual_df - 1, 0)} at most, or auto)."
        )


def residual_axes(counts: Counts, design: Design) -> ResidualAxes | None:
    """How the residual variance of standardized genes lies along the design's residual axes; None where few genes tell.

    Parameters
    ----------
    counts
        Normalized, (G, S).
    design
        With hidden factors, where there are some.

    Notes
    -----
    What chance gives the axes is seen by turning every gene's residuals to a random direction, so that genes share
    nothing.
    """
    if len(counts.gene) < FEWEST_WITH_AXES:
        return None
    part, _ = _thinned(counts, None)
    response, weight = voom(part, design.matrix)
    standard, _ = _standard_residuals(response, weight, design.matrix)
    df = design.matrix.shape[0] - design.matrix.shape[1]
    size = np.sqrt(np.sum(standard**2, axis=1))
    rng, rank = np.random.default_rng(SEED), rank_of_names(part.gene)

    def shares(values: FloatArray) -> FloatArray:
        # Rounded: last digits depend on the number of threads.
        found = np.maximum(np.linalg.eigvalsh(_gram(values))[::-1][:df], 0.0)
        return np.asarray(np.round(found / found.mean(), 9))

    turned = []
    for _ in range(N_ROTATIONS):
        direction = rng.standard_normal((len(size), df))[rank]
        direction *= (size / np.sqrt(np.sum(direction**2, axis=1)))[:, None]
        turned.append(shares(direction))
    chance = np.mean(turned, axis=0) + WELL_ABOVE * np.std(turned, axis=0, ddof=1)
    return ResidualAxes(variance=shares(standard), chance=chance)


def _chance_confounding(design: FloatArray, rows: FloatArray, residual_df: int) -> FloatArray:
    """Standard deviation, in units of t, of Delta where factors lie along the contrast by chance alone, (R,).

    A factor of random direction with variance 1 across the residuals has the length ``sqrt(S / d)`` along each axis.
    """
    estimator = np.linalg.pinv(design).T @ rows.T
    return np.asarray(np.sqrt(len(design) / residual_df) * np.linalg.norm(estimator, axis=0))


def _believed(
    estimate: FloatArray, error: FloatArray, chance: FloatArray, residual_df: int
) -> tuple[FloatArray, FloatArray]:
    """Posterior means and standard deviations of Delta, (R, k), whose prior is t times what chance gives, (R, 1)."""
    value = estimate + DELTA_NODES[:, None, None] * error  # (N, R, k)
    log_prior = -(residual_df + 1) / 2 * np.log1p((value / chance) ** 2 / residual_df)
    log_weight = log_prior - 0.5 * DELTA_NODES[:, None, None] ** 2
    weight = np.exp(log_weight - log_weight.max(axis=0))
    weight /= weight.sum(axis=0)
    mean = np.sum(weight * value, axis=0)
    return mean, np.sqrt(np.sum(weight * (value - mean) ** 2, axis=0))


def _question(design: Design) -> FloatArray:
    """The rows of the design's contrast, (R, P)."""
    return design.multi_df.weight if design.multi_df is not None else cast(Contrast, design.contrast).weight[None, :]


def _length(rows: FloatArray) -> FloatArray:
    """Values (R, k) as one for each factor, (k,): those of a single row with their signs, of several their length."""
    return rows[0] if len(rows) == 1 else np.asarray(np.sqrt(np.sum(rows**2, axis=0)))


def controls_among(gene: TextArray, controls: TextArray) -> BoolArray:
    """Which genes are controls, (G,).

    Raises
    ------
    InputError
        Where fewer than `FEWEST_CONTROLS` of the controls are among the genes.
    """
    known = np.isin(gene.astype(str), controls.astype(str))
    if known.sum() < FEWEST_CONTROLS:
        raise InputError(
            f"{int(known.sum())} of {len(controls)} control genes are among the {len(gene)} genes that were kept "
            f"(first controls: {listing(list(controls), 3)}; first genes: {listing(list(gene), 3)}). At least "
            f"{FEWEST_CONTROLS} are needed. Do the ids match?"
        )
    return np.asarray(known)


def _sought(residual_df: int, n_genes: int) -> int:
    return MOST if n_genes >= FEWEST_GENES and residual_df >= FEWEST_DF else 0


def _thinned(counts: Counts, controls: BoolArray | None) -> tuple[Counts, BoolArray]:
    """Counts of evenly spaced genes and all controls, with the library sizes of all; which of them may tell Delta."""
    n_genes, n_samples = counts.count.shape
    telling = np.ones(n_genes, dtype=bool) if controls is None else controls
    kept = np.zeros(n_genes, dtype=bool)
    step = max(1, min(n_genes * n_samples // MANY_VALUES, n_genes // ENOUGH_GENES))
    kept[evenly(counts.gene, step) if step > 1 else slice(None)] = True
    if controls is not None:
        kept |= controls
    if kept.all():
        return counts, telling
    log_size = np.log(library_size(counts))
    log_size = log_size[kept] if log_size.ndim > 1 else log_size
    # Lengths are in the sizes already.
    part = replace(counts, gene=counts.gene[kept], count=counts.count[kept], log_size=log_size, length=None)
    # Sizes are relative to the mean library, which is a smaller one now.
    return replace(part, log_size=log_size - np.mean(np.log(part.count.sum(axis=0)))), telling[kept]


def _find(
    response: FloatArray, weight: FloatArray, design: FloatArray, most: int, rank: tuple[IntArray, IntArray] | None
) -> FloatArray:
    """Scores of the leading factors, orthogonal to the design, of variance 1, (S, k), k <= most.

    With ranks of genes and samples, (G,) and (S,), just those that chance does not give; signs are drawn by rank.
    """
    n_samples = len(design)
    score = np.empty((n_samples, 0))
    rng = np.random.default_rng(SEED)
    while score.shape[1] < most:
        wider = np.column_stack([design, score])
        standard, scale = _standard_residuals(response, weight, wider)
        value, axis = np.linalg.eigh(_gram(standard))
        share, further = _first_share(np.asarray(value)), score.shape[1] > 0
        if rank is not None and further and n_samples - design.shape[1] < FEW_DF and share < MOST_OF_THE_REST:
            break
        if rank is not None and not _supported(share, standard, weight, wider, rank, rng):
            break
        # A start for least squares: its last digits depend on the number of threads, and theirs must not.
        first = _orthogonal(np.round(axis[:, -1:], 6), wider)
        score = _refined(response, weight / scale[:, None] ** 2, design, np.column_stack([score, first]))
    return np.asarray(score * np.sqrt(n_samples))


def _standard_residuals(response: FloatArray, weight: FloatArray, design: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Residuals (G, S) over their standard deviations, and these at weight 1, (G,), squeezed together."""
    _, _, variance, fitted = weighted_regression(response, weight, design, np.zeros(design.shape[1]))
    require_variation(variance)
    scale = _moderated_sd(variance, design.shape[0] - design.shape[1])
    return (response - fitted) * np.sqrt(weight) / scale[:, None], scale


def _moderated_sd(variance: FloatArray, df: int) -> FloatArray:
    return np.sqrt(squeeze_variances(variance, float(df), fit_variance_prior(variance, float(df))))


def _supported(
    share: float,
    standard: FloatArray,
    weight: FloatArray,
    design: FloatArray,
    rank: tuple[IntArray, IntArray],
    rng: np.random.Generator,
) -> bool:
    """Whether the first axis of residuals holds more than that of residuals with random signs ever does.

    Random signs leave every residual's size, so that noisy samples and genes are not taken for a factor, but nothing
    that genes share. Source: Hong, Sheng and Dobriban (2020), arXiv 2012.02985 (signflip parallel analysis).
    """
    root = np.sqrt(weight)
    size = np.sum(standard**2, axis=1)
    chance = []
    for _ in range(N_FLIPS):
        sign = rng.integers(0, 2, standard.shape, dtype=np.int8)[np.ix_(*rank)]
        flipped = np.where(sign == 1, standard, -standard) / root
        _, _, _, fitted = weighted_regression(flipped, weight, design, np.zeros(design.shape[1]))
        left = (flipped - fitted) * root
        # The fit takes its share of the flipped values; what is left is brought back to the size it had.
        left *= np.sqrt(size / np.maximum(np.sum(left**2, axis=1), np.finfo(float).tiny))[:, None]
        chance.append(_first_share(np.asarray(np.linalg.eigvalsh(_gram(left)))))
    usual = float(np.mean(chance))
    return bool(share > max(chance) and share - usual > min(LEAST_GAIN * usual, LEAST_EXCESS))


def _first_share(eigenvalue: FloatArray) -> float:
    return float(eigenvalue[-1] / eigenvalue.sum())


def _gram(standard: FloatArray) -> FloatArray:
    """``standard.T @ standard``, (S, S), to the same bits for any number of threads."""
    n_genes, n_samples = standard.shape
    parts: dict[int, FloatArray] = {}

    def work(block: slice) -> None:
        parts[block.start] = np.zeros((n_samples, n_samples))
        add_gram(standard[block], parts[block.start])

    map_blocks(work, n_genes)
    upper = sum((parts[start] for start in sorted(parts)), np.zeros((n_samples, n_samples)))
    return upper + np.triu(upper, 1).T


def _orthogonal(score: FloatArray, design: FloatArray) -> FloatArray:
    """Orthonormal scores in the design's residual space, (S, k), with signs that do not depend on the algebra."""
    basis, _ = np.linalg.qr(design)
    score = score - basis @ (basis.T @ score)
    orthonormal, _ = np.linalg.qr(score)
    return np.asarray(orthonormal * np.sign(orthonormal[np.argmax(np.abs(orthonormal), axis=0), range(score.shape[1])]))


def _refined(response: FloatArray, precision: FloatArray, design: FloatArray, score: FloatArray) -> FloatArray:
    """Scores that weighted least squares agrees with, by turns of loadings given scores and scores given loadings."""
    for _ in range(REFINEMENTS):
        found = _loadings(response, precision, design, score)
        rest = response - (found.fitted - found.loading @ score.T)
        gram = np.einsum("gs,gj,gk->sjk", precision, found.loading, found.loading)
        right = np.einsum("gs,gj->sj", precision * rest, found.loading)
        score = _orthogonal(np.linalg.solve(gram, right[:, :, None])[:, :, 0], design)
    return score


@dataclass(frozen=True, slots=True, eq=False)
class _Loadings:
    """Loadings (G, k), their unscaled sd (G, k), and residual variance (G,), its df and fitted values (G, S)."""

    loading: FloatArray
    unscaled: FloatArray
    variance: FloatArray
    df: int
    fitted: FloatArray

    def noise(self) -> FloatArray:
        """Variances of the loadings' errors, (G, k)."""
        return np.asarray((self.unscaled * _moderated_sd(self.variance, self.df)[:, None]) ** 2)


def _loadings(response: FloatArray, weight: FloatArray, design: FloatArray, score: FloatArray) -> _Loadings:
    wider = np.column_stack([design, score])
    unit = np.eye(wider.shape[1])[design.shape[1] :]
    loading, unscaled, variance, fitted = regression_rows(response, weight, wider, unit)
    sd = np.sqrt(np.einsum("grr->gr", unscaled))
    return _Loadings(loading, sd, variance, wider.shape[0] - wider.shape[1], fitted)


def _beside(
    response: FloatArray, weight: FloatArray, design: FloatArray, score: FloatArray, rows: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The contrast's rows (R, P) beside the factors and their unscaled sds, both (G, R)."""
    wider = np.column_stack([design, score])
    longer = np.pad(rows, ((0, 0), (0, score.shape[1])))
    estimate, unscaled, _, _ = regression_rows(response, weight, wider, longer)
    return estimate, np.sqrt(np.einsum("grr->gr", unscaled))


def _explained(response: FloatArray, weight: FloatArray, design: FloatArray, found: _Loadings) -> FloatArray:
    """Share of the residual variance that each factor takes, mean over genes, (k,)."""
    _, _, before, _ = weighted_regression(response, weight, design, np.zeros(design.shape[1]))
    total = before * (design.shape[0] - design.shape[1])
    return np.asarray(np.mean((found.loading / found.unscaled) ** 2 / total[:, None], axis=0))


def _loading_sd(found: _Loadings) -> FloatArray:
    """Standard deviation of each factor's loadings over genes, their errors taken off, (k,).

    Moments, weighted as the variance of a squared loading asks for.
    """
    noise = found.noise()
    excess = found.loading**2 - noise
    variance = np.maximum(excess.mean(axis=0), 0.0)
    for _ in range(20):
        weight = 1 / (variance + noise) ** 2
        variance = np.maximum(np.sum(weight * excess, axis=0) / weight.sum(axis=0), LEAST_LOADING**2)
    return np.asarray(np.sqrt(variance))


def _belief(found: _Loadings, spread: FloatArray) -> FloatArray:
    """Standard deviation of the prior of each gene's loadings, (G, k).

    That of all genes' loadings; infinite where the gene's own lies far out: there are more such genes than a normal
    has, and a prior that pulled them in would leave their part of the factor among the noise.
    """
    usual = found.loading**2 < FAR_OUT**2 * (spread**2 + found.noise())
    return np.where(usual, spread, np.inf)


def _confounding(
    estimate: FloatArray, unscaled: FloatArray, found: _Loadings, telling: BoolArray, unit: float
) -> tuple[FloatArray, FloatArray]:
    """What a loading of 1 adds to a gene's contrast, Delta, and its standard error, both (k,), in the contrast's unit.

    Genes without an effect lie on a line through their loadings, which a robust (bisquare) regression finds while
    effects are sparse enough. Loadings carry errors of their own that would flatten the line: their variances, known
    from the fit, are taken off. Sources: Wang, Zhao, Hastie and Owen (2017), Ann. Stat. 45, 1863 (the idea);
    Fuller (1987), Measurement Error Models, section 1.2 (the correction).
    """
    n_genes, n_factors = int(telling.sum()), found.loading.shape[1]
    sd = _moderated_sd(found.variance, found.df)
    y, se = estimate[telling], (unscaled * sd)[telling]
    x = np.column_stack([np.ones(n_genes), found.loading[telling]])
    noise = np.column_stack([np.zeros(n_genes), (found.unscaled * sd[:, None])[telling] ** 2])
    line = np.zeros(1 + n_factors)
    line[0] = np.median(y)
    trust = 1 / se**2
    for _ in range(50):
        residual = (y - x @ line) / se
        center = np.median(residual)
        width = 1.4826 * np.median(np.abs(residual - center))
        robust = np.clip(1 - (residual / (BISQUARE * width)) ** 2, 0, None) ** 2 * trust
        gram = np.einsum("g,gi,gj->ij", robust, x, x)
        clean = gram - np.diag(np.minimum((noise * robust[:, None]).sum(axis=0), (1 - LEAST_RELIABLE) * np.diag(gram)))
        step = np.linalg.solve(clean, np.einsum("g,gi,g->i", robust, x, y)) - line
        line = line + step
        if np.abs(step).max() < 1e-10 * (1 / unit + np.abs(line).max()):
            break
    inverse = np.linalg.inv(clean)
    spread = inverse @ np.einsum("g,gi,gj->ij", (robust * (y - x @ line)) ** 2, x, x) @ inverse
    return line[1:], np.sqrt(np.diag(spread))[1:]


def _correlation(score: FloatArray, direction: FloatArray, design: FloatArray, rows: FloatArray) -> FloatArray:
    """Correlation of each factor with the question, multiple where it has several rows, (k,).

    Both after what else the design holds.
    """
    # The contrast of a response is its inner product with these vectors, which no other coefficient touches.
    weight = np.linalg.pinv(design).T @ rows.T
    other = design - direction @ rows
    basis, size, _ = np.linalg.svd(other, full_matrices=False)
    basis = basis[:, size > 1e-10 * size.max(initial=1.0)]
    rest = score - basis @ (basis.T @ score)
    if len(rows) == 1:
        length = np.linalg.norm(rest, axis=0) * np.linalg.norm(weight)
        return np.asarray((rest.T @ weight)[:, 0] / length)
    part = np.linalg.qr(weight)[0].T @ rest
    return np.asarray(np.linalg.norm(part, axis=0) / np.linalg.norm(rest, axis=0))
