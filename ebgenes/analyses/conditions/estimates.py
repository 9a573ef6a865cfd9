"""Estimates in several conditions and the covariances of their errors, checked once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ebgenes.arrays import LARGEST, BoolArray, FloatArray, TextArray, text_array
from ebgenes.errors import InputError
from ebgenes.numerics.jit import map_blocks, read_only
from ebgenes.numerics.multivariate import normal_loglik


@dataclass(frozen=True, slots=True, eq=False)
class Estimates:
    """Estimates (G, R), NaN where a condition has none, and covariances (G, R, R), or (1, R, R) if shared by all."""

    estimate: FloatArray
    covariance: FloatArray

    @property
    def seen(self) -> BoolArray:
        """Where there is an estimate, (G, R)."""
        return ~np.isnan(self.estimate)

    @property
    def se(self) -> FloatArray:
        """Standard errors, (G, R)."""
        diagonal = np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))
        return np.broadcast_to(diagonal, self.estimate.shape)

    def block(self, genes: slice | BoolArray | Any) -> tuple[FloatArray, FloatArray]:
        """Some genes' estimates and covariances, as kernels take them."""
        covariance = self.covariance if len(self.covariance) == 1 else self.covariance[genes]
        return _plain(self.estimate[genes]), _plain(covariance)

    def widened(self, null_covariance: FloatArray) -> Estimates:
        """The same with errors that have the drift's covariance (R, R) besides their own."""
        return Estimates(self.estimate, self.covariance + null_covariance) if null_covariance.any() else self


def _plain(array: FloatArray) -> FloatArray:
    return read_only(np.ascontiguousarray(array))


def covariances_of(se: Any, correlation: Any = None) -> FloatArray:
    """Covariances of errors with given standard errors and a correlation that all genes share.

    Parameters
    ----------
    se
        Standard errors, (G, R), log2; NaN or infinite where a gene has no estimate in a condition.
    correlation
        (R, R); None: independent errors.

    Returns
    -------
    ndarray
        (G, R, R): ``se[g, i] se[g, j] correlation[i, j]``; infinite variances where there is no estimate.
    """
    se = np.asarray(se, dtype=float)
    known = np.isfinite(se)
    filled = np.where(known, se, 0.0)
    correlation = np.eye(se.shape[1]) if correlation is None else np.asarray(correlation, dtype=float)
    covariance = filled[:, :, None] * filled[:, None, :] * correlation
    gene, condition = np.nonzero(~known)
    covariance[gene, condition, condition] = np.inf
    return np.asarray(covariance)


def checked(estimates: Any, covariances: Any, condition: Sequence[str] | None) -> tuple[Estimates, TextArray]:
    """The estimates as a record, and the conditions' names.

    Raises
    ------
    InputError
        For shapes that do not fit, covariances that are not positive definite, no genes, or names that repeat.
    """
    estimate, covariance = np.array(estimates, dtype=float), np.array(covariances, dtype=float)
    if estimate.ndim != 2 or 0 in estimate.shape:
        raise InputError(f"estimates must be genes by conditions, at least one of each; found shape {estimate.shape}.")
    n_genes, n_conditions = estimate.shape
    if covariance.ndim == 2 and covariance.shape == (n_conditions, n_conditions):
        covariance = covariance[None]
    if covariance.shape not in {(n_genes, n_conditions, n_conditions), (1, n_conditions, n_conditions)}:
        raise InputError(
            f"covariances must have the shape {(n_conditions, n_conditions)} or "
            f"{(n_genes, n_conditions, n_conditions)}; found {covariance.shape}."
        )
    names = text_array(range(1, n_conditions + 1) if condition is None else condition)
    if len(names) != n_conditions or len(set(names)) < n_conditions:
        raise InputError(f"{n_conditions} conditions need as many different names; found {list(names)}.")
    variance = np.diagonal(covariance, axis1=1, axis2=2)
    seen = np.isfinite(estimate) & np.isfinite(variance)
    estimate[~seen] = np.nan
    if (np.abs(estimate[seen]) > LARGEST).any():
        raise InputError(f"estimates must be no larger than {LARGEST:g}. Rescale them.")
    _require_definite(covariance, seen)
    covariance[~np.isfinite(covariance)] = 0.0
    return Estimates(estimate, covariance), names


def _require_definite(covariance: FloatArray, seen: BoolArray) -> None:
    """Rows and columns of conditions with an estimate must make a covariance."""
    used = seen if len(covariance) > 1 else np.asarray(seen.any(axis=0))[None]
    pair = used[:, :, None] & used[:, None, :]
    own = np.where(pair, covariance, np.eye(covariance.shape[1]))
    finite: BoolArray = np.asarray(np.isfinite(own).all(axis=(1, 2)), dtype=bool)
    own[~finite] = np.eye(covariance.shape[1])
    scale = np.sqrt(np.maximum(np.diagonal(own, axis1=1, axis2=2), 1 / LARGEST))
    own = own / (scale[:, :, None] * scale[:, None, :])
    symmetric = np.isclose(own, np.swapaxes(own, 1, 2), rtol=0, atol=1e-8).all(axis=(1, 2))
    fine: BoolArray = np.asarray(finite & symmetric & (np.linalg.eigvalsh(own)[:, 0] > 1e-10), dtype=bool)
    if not fine.all():
        raise InputError(
            f"covariances of errors must be symmetric and positive definite; {int((~fine).sum())} of {len(fine)} are "
            f"not (first: number {int(np.argmin(fine)) + 1}). Contrasts that are sums of one another cannot be taken "
            "together: leave one of them out."
        )


def loglik_rows(estimates: Estimates, components: FloatArray, genes: slice) -> FloatArray:
    """Log likelihood of some genes under components (K, R, R), (B, K)."""
    estimate, covariance = estimates.block(genes)
    out = np.empty((len(estimate), len(components)))
    normal_loglik(estimate, covariance, _plain(components), out)
    return out


def loglik_matrix(estimates: Estimates, components: FloatArray) -> FloatArray:
    """Log likelihood of every gene under components (K, R, R), (G, K)."""
    return np.concatenate(map_blocks(lambda genes: loglik_rows(estimates, components, genes), len(estimates.estimate)))
