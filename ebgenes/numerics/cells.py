"""Prior effects in cells: what a study would see of each, and what it would list."""

from __future__ import annotations

import math

import numpy as np

from ebgenes.numerics.grid_likelihood import spline_curvature, spline_values
from ebgenes.numerics.jit import kernel

# Cells that hold less of a gene's posterior are passed over.
NEGLIGIBLE = 1e-4


@kernel
def student_below(x, df):
    """P(t <= x) of Student's t with df degrees of freedom, to 1e-4 from 2 degrees on, or of a normal.

    Source: Hill (1970), Commun. ACM 13, 617 (algorithm 395's normal score).
    """
    score = x
    if math.isfinite(df):
        a = df - 0.5
        b = 48.0 * a * a
        square = a * math.log1p(x * x / df)
        z = math.sqrt(square)
        z += (
            (
                ((((-0.4 * square - 3.3) * square - 24.0) * square - 85.5) / (0.8 * square * square + 100.0 + b))
                + square
                + 3.0
            )
            * z
            / b
        )
        score = z if x > 0.0 else -z
    return 0.5 * math.erfc(-score * 0.7071067811865476)


@kernel
def cell_likelihoods(x, error, df, edge, out):
    """Mean over each cell of the density of estimates x, (J, I, C).

    x (J, I); standard errors and degrees of freedom (J,); edges of the cells, (C + 1,), ascending.
    """
    n_cells = len(edge) - 1
    for j in range(x.shape[0]):
        for i in range(x.shape[1]):
            # Tails are taken from the nearer side, so that differences of small numbers keep their digits.
            place = (edge[0] - x[j, i]) / error[j]
            tail = student_below(-abs(place), df[j])
            for c in range(n_cells):
                following = (edge[c + 1] - x[j, i]) / error[j]
                following_tail = student_below(-abs(following), df[j])
                inside = 1.0 - tail - following_tail if place < 0.0 < following else abs(following_tail - tail)
                out[j, i, c] = inside / (edge[c + 1] - edge[c])
                place, tail = following, following_tail


@kernel
def repeat_probabilities(grid, loglik, null, slab, middle, known, error, error_df, cutoff, weight, listed, same):
    """What repeats of a study would make of each gene, added up over kinds of repeats with given weights.

    grid, loglik (G, T): likelihoods; null (G,): shares of the null; slab (C,): masses of cells with given middles;
    known (G,): sign that the gene is taken to have; error, error_df, cutoff (M, G): of a repeat's estimate, of each
    kind; weight (M,). listed and same (G,) are added to: the probability that a repeat's estimate is beyond the cutoff
    on the known side, and that it is on that side at all.
    """
    n_genes, n_nodes = grid.shape
    n_cells = len(middle)
    curvature = np.empty(n_nodes)
    work = np.empty(n_nodes)
    value = np.empty(n_cells + 1)
    theta = np.empty(n_cells + 1)
    mass = np.empty(n_cells + 1)
    zero = 0
    while zero < n_cells and middle[zero] < 0.0:
        theta[zero] = middle[zero]
        zero += 1
    theta[zero] = 0.0
    for c in range(zero, n_cells):
        theta[c + 1] = middle[c]
    for g in range(n_genes):
        spline_curvature(grid[g], loglik[g], curvature, work)
        spline_values(theta, n_cells + 1, grid[g], loglik[g], curvature, value)
        top = value.max()
        total = 0.0
        for c in range(n_cells + 1):
            share = null[g] if c == zero else (1.0 - null[g]) * slab[c - (1 if c > zero else 0)]
            mass[c] = share * math.exp(value[c] - top)
            total += mass[c]
        for c in range(n_cells + 1):
            if mass[c] < NEGLIGIBLE * total:
                continue
            effect = known[g] * theta[c]
            share = mass[c] / total
            for m in range(len(weight)):
                beyond = student_below((effect - cutoff[m, g]) / error[m, g], error_df[m, g])
                listed[g] += weight[m] * share * beyond
                same[g] += weight[m] * share * student_below(effect / error[m, g], error_df[m, g])
