"""Engine ``moderated_t``: precision-weighted log counts and empirical-Bayes variances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from scipy.linalg import solve_triangular

from ebgenes.arrays import FloatArray
from ebgenes.data.normalization import base_mean, library_size
from ebgenes.effects.engines.moderated_t import ENGINE as MODERATED_T
from ebgenes.effects.variance_prior import fit_variance_prior, require_variation, smooth, squeeze_variances
from ebgenes.numerics.jit import map_blocks
from ebgenes.numerics.linear import weighted_fits
from ebgenes.records.counts import Counts
from ebgenes.records.design import Contrast, Design
from ebgenes.records.effects import Effects

VOOM_SPAN = 0.5


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Moderated:
    """Rows of a contrast by precision-weighted regression, with moderated variances; log2.

    Attributes
    ----------
    estimate, unscaled
        (G, R), and covariances at a residual variance of 1, (G, R, R).
    variance, df
        Moderated residual variances and their degrees of freedom, (G,).
    scalars
        The variance prior.
    """

    estimate: FloatArray
    unscaled: FloatArray
    variance: FloatArray
    df: FloatArray
    scalars: dict[str, float]


def moderate(counts: Counts, design: Design, rows: FloatArray, *, trend: bool, robust: bool) -> Moderated:
    """Estimate rows of a contrast, (R, P), gene by gene, with variances moderated by what all genes share.

    Sources: Law, Chen, Shi and Smyth (2014), Genome Biol. 15, R29 (weights); Smyth (2004), Stat.
    Appl. Genet. Mol. Biol. 3, 3 (variances). Unlike contrasts of limma's fits, the covariance
    of any contrast uses the gene's own weights. Priors of coefficients move estimates and their
    covariances; variances are learned without them.
    """
    return moderate_logs(*voom(counts, design.matrix), design, rows, trend=trend, robust=robust)


def moderate_logs(
    response: FloatArray, weight: FloatArray, design: Design, rows: FloatArray, *, trend: bool, robust: bool
) -> Moderated:
    """`moderate` for log2 counts and precision weights, (G, S)."""
    estimate, unscaled, variance, _ = regression_rows(response, weight, design.matrix, rows)
    residual_df = float(design.matrix.shape[0] - design.matrix.shape[1])
    level = response.mean(axis=1)
    if robust:
        # Imported here for its scipy.stats, half a second that the plain prior need not pay.
        from ebgenes.effects.robust_variance_prior import fit_robust_variance_prior as fit_prior
    else:
        fit_prior = fit_variance_prior
    prior = fit_prior(variance, residual_df, level=level if trend else None)
    squeezed = squeeze_variances(variance, residual_df, prior)
    if design.prior_sd is not None and np.isfinite(design.prior_sd).any():
        estimate, unscaled = _believing(response, weight, design.matrix, rows, squeezed, design.prior_sd)
    # No gene can know its variance better than all genes together do.
    pooled_df = residual_df * len(variance)
    return Moderated(
        estimate=estimate,
        unscaled=unscaled,
        variance=squeezed,
        df=np.minimum(residual_df + prior.df, pooled_df),
        scalars={
            "prior_df": float(np.median(prior.df)),
            "prior_variance": float(np.median(prior.variance)),
            "residual_df": residual_df,
        },
    )


def fit_moderated_t(counts: Counts, design: Design, contrast: Contrast, *, trend: bool, robust: bool) -> Effects:
    """Effects whose likelihood is a moderated t, log2, (G,); see `moderate`."""
    return effects_by_t(moderate(counts, design, contrast.weight[None, :], trend=trend, robust=robust), counts, design)


def effects_by_t(found: Moderated, counts: Counts, design: Design) -> Effects:
    """Effects of the design's contrast, the only row, (G,)."""
    contrast = cast(Contrast, design.contrast)
    return Effects(
        gene=counts.gene,
        estimate=found.estimate[:, 0],
        se=np.sqrt(found.unscaled[:, 0, 0]) * np.sqrt(found.variance),
        df=found.df,
        base_mean=base_mean(counts),
        contrast=contrast.name,
        up_label=contrast.up_label,
        down_label=contrast.down_label,
        engine=MODERATED_T.name,
        scalars={**found.scalars, "replicates": design.replicates},
        unit=design.contrast_range,
    )


def _believing(
    response: FloatArray,
    weight: FloatArray,
    design: FloatArray,
    rows: FloatArray,
    variance: FloatArray,
    prior_sd: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Rows of a contrast and unscaled covariances where coefficients have normal priors around 0, sds (G or 1, P).

    A prior is one more observation, of 0, that only its coefficient enters.
    """
    known = np.isfinite(prior_sd).any(axis=0)
    shape = len(response), int(known.sum())
    estimate, unscaled, _, _ = regression_rows(
        np.column_stack([response, np.zeros(shape)]),
        np.column_stack([weight, np.broadcast_to(variance[:, None] / prior_sd[:, known] ** 2, shape)]),
        np.vstack([design, np.eye(design.shape[1])[known]]),
        rows,
    )
    return estimate, unscaled


def voom(counts: Counts, design: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Log2 counts per million and their precision weights, both (G, S).

    The square root of the residual sd is smoothed over mean log count; each observation's weight is
    the curve's value at its own fitted count, to the power -4.
    """
    library = library_size(counts) + 1
    response = np.log2((counts.count + 0.5) / library * 1e6)
    _, _, variance, fitted = weighted_regression(response, np.ones_like(response), design, np.zeros(design.shape[1]))
    # Before the weights, which would scale any rounding up to a variance of 1.
    require_variation(variance)
    log_library = np.log2(library)
    to_log_count = np.mean(log_library, axis=-1) - np.log2(1e6)
    log_count = response.mean(axis=1) + to_log_count
    # A gene without a read shows the offset's pattern, not a variance.
    seen = counts.count.any(axis=1)
    level = log_count[seen]
    curve = smooth(level, variance[seen] ** 0.25, VOOM_SPAN)
    order = np.argsort(level, kind="stable")
    root_sd = np.interp(fitted + log_library - np.log2(1e6), level[order], curve[order])
    return response, root_sd**-4


def weighted_regression(
    response: FloatArray, weight: FloatArray, design: FloatArray, contrast: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Contrast estimate, its unscaled sd, residual variance (G,), and fitted values (G, S)."""
    estimate, unscaled, variance, fitted = regression_rows(response, weight, design, contrast[None, :])
    return estimate[:, 0], np.sqrt(unscaled[:, 0, 0]), variance, fitted


def regression_rows(
    response: FloatArray, weight: FloatArray, design: FloatArray, rows: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Rows of a contrast (G, R), unscaled covariances (G, R, R), residual variance (G,), fitted values (G, S)."""
    basis, upper = np.linalg.qr(design)
    rotated = np.ascontiguousarray(solve_triangular(upper, rows.T, trans="T").T)
    n_genes, n_rows = len(response), len(rows)
    estimate, unscaled, variance = np.empty((n_genes, n_rows)), np.empty((n_genes, n_rows, n_rows)), np.empty(n_genes)
    fitted = np.empty_like(response)

    def work(block: slice) -> None:
        weighted_fits(
            response[block], weight[block], basis, rotated,
            estimate[block], unscaled[block], variance[block], fitted[block],
        )  # fmt: skip

    map_blocks(work, n_genes)
    return estimate, unscaled, variance, fitted
