"""Fitted contrasts -> estimates in several conditions and the correlation of their errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import interpolate

from ebgenes.arrays import FloatArray, TextArray, text_array
from ebgenes.effects.summary_statistics import two_sided_z
from ebgenes.errors import InputError
from ebgenes.records.design import Design
from ebgenes.records.effects import Effects

CORRELATIONS = ("auto", "design", "null_genes", "none")

SMALL = 2.0
"""Size of both z-scores up to which a gene tells how errors of two conditions go together."""

FEWEST_GENES = 50
"""Genes that must do so; of fewer, errors count as independent."""

TELLING = (0.5, 1.5)
"""Sizes of z-scores that tell how much wider than its standard error a likelihood is at small effects."""

WIDTH = (0.5, 4.0)
"""Bounds of that."""

LEAST_EIGENVALUE = 0.02
"""Of a correlation that was put together from pairs."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Condition:
    """One contrast of one study, or of one cell type.

    Attributes
    ----------
    name
        What it is called in tables and figures.
    effects
        Its effects, with p-values.
    design
        The design they were estimated under, hidden factors apart, which the effects have.
    study
        Conditions with the same one were estimated from the same counts.
    """

    name: str
    effects: Effects
    design: Design
    study: str


def normal_se(effects: Effects) -> FloatArray:
    """Standard errors with which a normal likelihood has the p-values of the effects' own, (G,), log2."""
    if effects.p_value is None:
        raise ValueError("the effects' p-values are needed")
    size = np.abs(effects.estimate / effects.se)
    z = two_sided_z(effects.p_value)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = size / z
    telling = (size > TELLING[0]) & (size < TELLING[1]) & np.isfinite(ratio)
    common = float(np.median(ratio[telling])) if telling.any() else 1.0
    width = np.where((size >= TELLING[0]) & np.isfinite(ratio), ratio, common)
    return np.asarray(effects.se * np.clip(width, *WIDTH))


def joined(conditions: Sequence[Condition]) -> tuple[TextArray, FloatArray, FloatArray]:
    """Every gene of any condition, (G,), its estimates and standard errors, (G, R); NaN where it was not tested."""
    place: dict[str, int] = {}
    for each in conditions:
        for gene in each.effects.gene:
            place.setdefault(gene, len(place))
    estimate, se = np.full((2, len(place), len(conditions)), np.nan)
    for r, each in enumerate(conditions):
        rows = [place[gene] for gene in each.effects.gene]
        estimate[rows, r], se[rows, r] = each.effects.estimate, normal_se(each.effects)
    return text_array(place), estimate, se


def error_correlation(conditions: Sequence[Condition], estimate: FloatArray, se: FloatArray, how: str) -> FloatArray:
    """Correlation of the errors of R conditions, (R, R).

    Parameters
    ----------
    conditions
        R conditions.
    estimate, se
        Of all genes, (G, R), as of `joined`.
    how
        ``design``: of contrasts of one study, as the design has it, and none between studies; ``null_genes``: as
        genes without a clear effect have it; ``none``; ``auto``: the first within studies, the second between, and
        where a design has random factors, which weigh samples gene by gene.

    Raises
    ------
    InputError
        For another word.
    """
    if how not in CORRELATIONS:
        raise InputError(f"unknown correlation {how!r}; choose one of {', '.join(CORRELATIONS)}.")
    n = len(conditions)
    found = np.eye(n)
    z = estimate / se
    for i in range(n):
        for j in range(i):
            one, other = conditions[i], conditions[j]
            together = one.study == other.study
            told = together and not (how == "auto" and (one.design.random or other.design.random))
            if how == "null_genes" or (how == "auto" and not told):
                found[i, j] = found[j, i] = residual_correlation(z[:, i], z[:, j])
            elif how in ("design", "auto") and told:
                found[i, j] = found[j, i] = design_correlation(one, other)
    return found if how in ("design", "none") else _definite(found)


def design_correlation(one: Condition, other: Condition) -> float:
    """Correlation of two contrasts' estimates when all counts are as precise, hidden factors in the designs."""
    first, second = _functional(one), _functional(other)
    if len(first) != len(second):
        raise ValueError("conditions of one study have the same samples")
    return float(first @ second / np.sqrt((first @ first) * (second @ second)))


def _functional(condition: Condition) -> FloatArray:
    """What the contrast's estimate gives each sample to say, (S,): X (X'X)^-1 c."""
    matrix, contrast = condition.design.matrix, condition.design.contrast
    if contrast is None:
        raise ValueError("the design has no contrast")
    weight = contrast.weight
    hidden = condition.effects.hidden
    if hidden is not None:
        if list(hidden.sample) != list(condition.design.sample):
            raise ValueError("the hidden factors are of other samples than the design")
        matrix = np.column_stack([matrix, hidden.score])
        weight = np.concatenate([weight, np.zeros(hidden.score.shape[1])])
    return np.asarray(np.linalg.pinv(matrix).T @ weight)


def residual_correlation(first: FloatArray, second: FloatArray) -> float:
    """Correlation of two conditions' z-scores, (G,) each, among genes without a clear effect in either.

    Taking z-scores in a square around 0 makes a correlation look smaller; what a normal would have there is undone.
    """
    with np.errstate(invalid="ignore"):
        inside = (np.abs(first) < SMALL) & (np.abs(second) < SMALL)
    if inside.sum() < FEWEST_GENES:
        return 0.0
    x, y = first[inside], second[inside]
    seen = float(np.sum(x * y) / np.sqrt(np.sum(x**2) * np.sum(y**2)))
    truth = np.linspace(-0.98, 0.98, 99)
    shown = np.array([_within_square(each) for each in truth])
    return float(interpolate.PchipInterpolator(shown, truth)(np.clip(seen, shown[0], shown[-1])))


def _within_square(correlation: float) -> float:
    """Correlation of a bivariate normal with this one, within the square, by quadrature."""
    node, weight = np.polynomial.legendre.leggauss(60)
    x, y = SMALL * node[:, None], SMALL * node[None, :]
    density = np.exp(-(x**2 - 2 * correlation * x * y + y**2) / (2 * (1 - correlation**2)))
    mass = weight[:, None] * weight[None, :] * density
    return float(np.sum(mass * x * y) / np.sum(mass * x**2))


def _definite(correlation: FloatArray) -> FloatArray:
    """The correlation itself, or one near it without eigenvalues near 0 or below."""
    size, axes = np.linalg.eigh(correlation)
    if size[0] >= LEAST_EIGENVALUE:
        return correlation
    lifted = (axes * np.maximum(size, LEAST_EIGENVALUE)) @ axes.T
    scale = np.sqrt(np.diagonal(lifted))
    return np.asarray(lifted / (scale[:, None] * scale[None, :]))
