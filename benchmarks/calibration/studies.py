"""Several simulated studies pooled: tau, realised FDR and discoveries, beside the usual combinations.

python benchmarks/calibration/studies.py [--sets 8]

2,000 genes, 15% of them changed by N(0, 1); theta_gs ~ N(theta_g, tau^2) in every study, null genes' too; standard
errors log-normal around .3, .39, .48, ... log2 in the first, second, third study, ...; estimates normal, or t with 6
degrees of freedom. Truth is whether theta_g is 0.

Peers on the same estimates: Fisher's combination of two-sided p-values, Stouffer's of signed z-scores, fixed-effect
inverse variance, and random effects with DerSimonian and Laird's variance, each with Benjamini-Hochberg at .05; t
statistics enter with their own p-values. Columns: `rates.list_rates` of each list, mean over sets, with the Monte Carlo
standard error; tau as estimated, the share of its 95% intervals that hold the truth, and coverage of 95% intervals of
each study's own effects.
"""

from __future__ import annotations

import numpy as np
from command import command_line, show
from rates import Row, average, list_rates, write_rows
from scipy import special

import ebgenes as eb
from ebgenes.analyses.meta_analysis import combine_studies, heterogeneity, join_studies, learn_tau
from ebgenes.records.effects import Effects

GENES, CHANGED, EFFECT = 2000, 0.15, 1.0
CELLS = [(tau, studies, df) for df in (np.inf, 6.0) for studies in (2, 3, 5) for tau in (0.0, 0.15, 0.5)]


def simulate(seed: int, tau: float, n_studies: int, df: float) -> tuple[np.ndarray, np.ndarray, dict[str, Effects]]:
    """True common effects (G,), each study's own (G, S), and what was measured."""
    rng = np.random.default_rng([seed, int(100 * tau), n_studies, int(min(df, 99))])
    theta = np.where(rng.random(GENES) < CHANGED, rng.normal(0, EFFECT, GENES), 0.0)
    own = theta[:, None] + tau * rng.normal(size=(GENES, n_studies))
    studies = {}
    for s in range(n_studies):
        se = 0.3 * (1 + 0.3 * s) * np.exp(0.3 * rng.normal(size=GENES))
        error = rng.normal(size=GENES) if np.isinf(df) else rng.standard_t(df, GENES)
        gene = [f"g{g}" for g in range(GENES)]
        studies[f"study{s}"] = eb.effects_from_summary(gene, own[:, s] + se * error, se, df)
    return theta, own, studies


def peers(studies: dict[str, Effects]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Combined p-values and estimates by method."""
    estimate, se = (np.column_stack([getattr(each, name) for each in studies.values()]) for name in ("estimate", "se"))
    df = np.column_stack([each.df for each in studies.values()])
    statistic = estimate / se
    z = statistic.copy()
    finite = np.isfinite(df)
    tail = special.stdtr(df[finite], -np.abs(statistic[finite]))
    z[finite] = -np.sign(statistic[finite]) * special.ndtri(tail)
    p_value = 2 * special.ndtr(-np.abs(z))
    n_studies = z.shape[1]
    # What a normal would need to have the t's p-value.
    wide = np.abs(estimate / z)
    fixed = _weighted(estimate, wide**-2.0)
    weight = wide**-2.0
    q = (weight * (estimate - fixed[0][:, None]) ** 2).sum(axis=1)
    scale = weight.sum(axis=1) - (weight**2).sum(axis=1) / weight.sum(axis=1)
    between = np.maximum((q - (n_studies - 1)) / scale, 0)
    random = _weighted(estimate, 1 / (wide**2 + between[:, None]))
    return {
        "Fisher": (special.chdtrc(2 * n_studies, -2 * np.log(np.maximum(p_value, 1e-300)).sum(axis=1)), fixed[0]),
        "Stouffer": (2 * special.ndtr(-np.abs(z.sum(axis=1)) / np.sqrt(n_studies)), fixed[0]),
        "fixed effect": (2 * special.ndtr(-np.abs(fixed[0] / fixed[1])), fixed[0]),
        "random effects, DerSimonian-Laird": (2 * special.ndtr(-np.abs(random[0] / random[1])), random[0]),
    }


def _weighted(estimate: np.ndarray, precision: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    total = precision.sum(axis=1)
    return (precision * estimate).sum(axis=1) / total, total**-0.5


def score(seed: int, *, tau: float, n_studies: int, df: float) -> list[Row]:
    """Every method's rates on one set."""
    theta, own, studies = simulate(seed, tau, n_studies, df)
    joined = join_studies(studies)
    found = learn_tau(joined)
    effects = combine_studies(joined, found.value)
    fit = eb.fit_em(effects)
    known = eb.posterior(effects, fit.prior)
    table = eb.results_table(effects, known)
    each = heterogeneity(joined, effects, fit.prior, known.lfdr, found.value)
    low, high = found.interval
    rows: list[Row] = [
        {
            "method": "ebgenes, studies",
            **list_rates(table["q_value"], table["lfdr"], table["post_mean"], theta),
            "tau_hat": found.value,
            "tau_covered": float(low <= tau <= high),
            "own_covered": float(np.mean(np.abs(each.mean - own) < 1.96 * each.sd)),
        }
    ]
    for name, (p_value, estimate) in peers(studies).items():
        rows.append({"method": f"{name}, BH", **list_rates(eb.adjust_bh(p_value), p_value, estimate, theta)})
    return rows


def main() -> None:
    parser = command_line(__doc__, "studies.csv")
    parser.add_argument("--sets", type=int, default=8)
    options = parser.parse_args()
    rows: list[Row] = []
    for tau, n_studies, df in CELLS:
        sets = [score(seed, tau=tau, n_studies=n_studies, df=df) for seed in range(options.sets)]
        errors = "normal" if np.isinf(df) else f"t {df:g}"
        rows += (found := average(f"tau {tau:g}, {n_studies} studies, {errors}", sets))
        show(found)
        write_rows(options.out, rows)


if __name__ == "__main__":
    main()
