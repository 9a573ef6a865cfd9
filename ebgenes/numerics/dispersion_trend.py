"""How far the evidence of each gene's dispersion rises with the place of the trend."""

from __future__ import annotations

import math

import numpy as np

from ebgenes.numerics.jit import kernel
from ebgenes.numerics.vector import exp, log


@kernel
def evidence_slopes(profile, low, step, center, spread, tail_df, out):
    """log int exp D_g(x) p(x; t_g, s) dx of every gene, its first two derivatives by t_g, and that by log s.

    The trapezoid rule on the profile's own nodes, as in `dispersion_evidence`; p normal where tail_df is infinite,
    else t. With z = (x - t)/s and psi = -d log p/dz the derivatives are E[psi]/s, (Var[psi] - E[psi'])/s^2 and
    E[z psi] - 1, over the gene's posterior of x. profile (G, A) less each gene's maximum; low, step, center (G,);
    spread s. out (G, 4) is filled, the first column up to a constant.
    """
    n_nodes = profile.shape[1]
    part = np.empty(n_nodes)
    pull = np.empty(n_nodes)
    bend = np.empty(n_nodes)
    normal = math.isinf(tail_df)
    for g in range(profile.shape[0]):
        start = (low[g] - center[g]) / spread
        stride = step[g] / spread
        for a in range(n_nodes):
            z = start + stride * a
            if normal:
                part[a] = exp(profile[g, a] - 0.5 * z * z)
                pull[a] = z
                bend[a] = 1.0
            else:
                ratio = 1.0 + z * z / tail_df
                part[a] = exp(profile[g, a] - 0.5 * (tail_df + 1.0) * log(ratio))
                pull[a] = z * (1.0 + 1.0 / tail_df) / ratio
                bend[a] = (1.0 + 1.0 / tail_df) * (2.0 / ratio - 1.0) / ratio
        mass = 0.0
        first = 0.0
        square = 0.0
        bent = 0.0
        scale = 0.0
        for a in range(n_nodes):
            mass += part[a]
            first += part[a] * pull[a]
            square += part[a] * pull[a] * pull[a]
            bent += part[a] * bend[a]
            scale += part[a] * pull[a] * (start + stride * a)
        first /= mass
        out[g, 0] = math.log(mass * step[g] / spread)
        out[g, 1] = first / spread
        out[g, 2] = (square / mass - first * first - bent / mass) / (spread * spread)
        out[g, 3] = scale / mass - 1.0
