"""Donors measured several times: error rates of fixed, random and Mundlak fits, and the verdict between the first two.

python benchmarks/calibration/donors.py [--sets 2] [--peers]

Cells: 6, 8, 8 and 10 donors of 2, 2, 4 and 3 samples, some of which are treated, so that donors differ in their share
of treated samples; `between`: the treatment is given to whole donors. Donors' effects have a correlation of 0 or .5
with that share (`r0`, `r5`). 2,000 genes, 15% of them changed by N(0, (.8 nat)^2); a donor moves a gene by N(0,
t_g^2), t_g = .25 nat times a log-normal of sd .5; those with 10 reads or more are kept. Columns are those of
evidence.py, and, beside random effects: `bias`, mean over genes of estimate less truth in the direction in which its
donors are confounded, and `bias_theory`, Mundlak's coefficient times what generalized least squares makes of it; both
also at a variance ratio of 1 for all genes (`_at_1`); `truly_off` and `told_off`, the bias that the cell's sets have,
root mean square in standard errors, and what the verdict rests on; `verdict_right`, the share of the sets in which
both lie on one side of a third. "pseudobulk sums" are of a donor's samples of one treatment, fitted as if they were of
different donors. `--peers` writes donors_peers.csv: limma's duplicateCorrelation, in R, on the same sets.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from command import command_line, show
from rates import Row, average, interval_coverage, list_rates, p_calibration, write_rows

import ebgenes as eb
from ebgenes.analyses.fixed_or_random import (
    FARTHEST,
    TOLERABLE,
    bias_leverage,
    choose_fixed_or_random,
    fit_fixed,
    mixed_factor,
    ratio_leverage,
    with_group_means,
)
from ebgenes.arrays import FloatArray, text_array
from ebgenes.effects.mixed import fit_mixed_contrast, mixed_weights
from ebgenes.records.counts import Counts
from ebgenes.records.design import Design
from ebgenes.records.effects import Effects

N_GENES = 2000
PI0 = 0.85
EFFECT_SD = 0.8
DONOR_SD, DONOR_SPREAD = 0.25, 0.5
TREATED = {
    "d6x2": [[0, 1], [0, 1], [0, 0], [1, 1], [0, 1], [0, 1]],
    "d8x2": [[0, 1], [0, 0], [1, 1], [0, 1]] * 2,
    "d8x4": [[0, 0, 0, 1], [0, 1, 1, 1]] * 4,
    "d10x3": [[0, 0, 1], [0, 1, 1]] * 5,
    "d8x3_between": [[0, 0, 0], [1, 1, 1]] * 4,
}
QUESTION = eb.compare("group", baseline="control", target="treated")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class DonorSet:
    """Counts, sheet, true effects and true Mundlak coefficients, log2, (G,)."""

    counts: Counts
    samples: pd.DataFrame
    truth: FloatArray
    coefficient: FloatArray


def simulate(rng: np.random.Generator, layout: list[list[int]], correlation: float) -> DonorSet:
    """One set."""
    donor = np.repeat(np.arange(len(layout)), [len(each) for each in layout])
    treated = np.concatenate(layout).astype(float)
    share = np.array([np.mean(each) for each in layout])
    standard = (share - share.mean()) / share.std()
    mean = 120 * np.exp(1.5 * rng.standard_normal(N_GENES))
    changed = rng.random(N_GENES) >= PI0
    effect = np.where(changed, EFFECT_SD * rng.standard_normal(N_GENES), 0.0)
    sd = DONOR_SD * np.exp(DONOR_SPREAD * rng.standard_normal(N_GENES))
    sign = rng.choice([-1.0, 1.0], N_GENES)
    own = rng.standard_normal((N_GENES, len(layout)))
    together = correlation * sign[:, None] * standard + np.sqrt(1 - correlation**2) * own
    dispersion = (0.03 + 2 / mean) * np.exp(0.5 * rng.standard_normal(N_GENES))
    size = np.exp(0.3 * rng.standard_normal(len(donor)))
    log_mean = np.log(mean)[:, None] + np.outer(effect, treated - 0.5) + (sd[:, None] * together)[:, donor]
    level = np.exp(log_mean) * size * rng.gamma(1 / dispersion[:, None], dispersion[:, None], log_mean.shape)
    sample = [f"s{i + 1:02d}" for i in range(len(donor))]
    count = rng.poisson(level)
    seen = count.sum(axis=1) >= 10
    sheet = pd.DataFrame(
        {"group": np.where(treated > 0, "treated", "control"), "donor": [f"d{each + 1:02d}" for each in donor]},
        index=pd.Index(sample, name="sample"),
    )
    gene = text_array(f"gene{i + 1:04d}" for i in range(N_GENES))
    return DonorSet(
        counts=eb.normalize(Counts(gene=gene[seen], sample=text_array(sample), count=count[seen])),
        samples=sheet,
        truth=effect[seen] / np.log(2),
        coefficient=(correlation * sign * sd / share.std())[seen] / np.log(2),
    )


def design_of(known: DonorSet, formula: str) -> Design:
    return eb.build_design(known.samples, formula, QUESTION)


def pseudobulk(known: DonorSet) -> tuple[Counts, Design]:
    """Sums over each donor's samples of one treatment, and their design, which knows no donors."""
    label = known.samples["donor"] + "-" + known.samples["group"]
    names = sorted(set(label))
    belongs = (label.to_numpy()[:, None] == np.array(names)).astype(np.int64)
    sheet = pd.DataFrame({"group": [name.split("-")[1] for name in names]}, index=pd.Index(names, name="sample"))
    counts = replace(known.counts, count=known.counts.count @ belongs, sample=text_array(names), log_size=None)
    return eb.normalize(counts), eb.build_design(sheet, "~ group", QUESTION)


def fits(known: DonorSet) -> dict[str, Effects]:
    """Effects by every method that is ours."""
    random = design_of(known, "~ group + (1|donor)")
    found = {"random": eb.fit_effects(known.counts, random)}
    if mixed_factor(random) is not None:
        found["Mundlak"] = eb.fit_effects(known.counts, with_group_means(random))
        found["fixed"] = fit_fixed(known.counts, random)
        counted = eb.build_design(known.samples, "~ donor + group", QUESTION)
        found["fixed, counts"] = eb.fit_effects(known.counts, counted, hidden_factors=0)
    sums, design = pseudobulk(known)
    found["pseudobulk sums, counts"] = eb.fit_effects(sums, design, hidden_factors=0)
    return found


def choice_rates(known: DonorSet) -> Row:
    """Bias of the random-effects estimate and what theory makes of it; the verdict and whether it is right."""
    design = design_of(known, "~ group + (1|donor)")
    factor = mixed_factor(design)
    if factor is None:
        return {}
    response, weight = mixed_weights(known.counts, design)
    found = fit_mixed_contrast(response, weight, design.matrix, design.contrast.weight, design.random)
    leverage = bias_leverage(weight, design, factor, found)
    estimate = np.sum(found.posterior * found.fits.estimate, axis=1)
    se = np.sqrt(np.sum(found.posterior * found.se**2, axis=1))
    expected = leverage * known.coefficient
    along = np.sign(known.coefficient) if known.coefficient.any() else np.ones(len(expected))
    off = float(np.sqrt(np.mean(np.minimum(np.abs(expected) / se, FARTHEST) ** 2)))
    ratio = found.hyperprior.ratio[:, 0].tolist().index(1.0)
    at_1 = found.fits.estimate[:, ratio]
    unit = ratio_leverage(weight, design, factor, found.hyperprior.ratio)[:, ratio]
    choice = choose_fixed_or_random(known.counts, design)
    return {
        "bias": np.mean(along * (estimate - known.truth)),
        "bias_theory": np.mean(along * expected),
        "bias_at_1": np.mean(along * (at_1 - known.truth)),
        "bias_theory_at_1": np.mean(along * unit * known.coefficient),
        "truly_off": off,
        "told_off": choice.off,
        "probability": choice.probability,
        "hausman": choice.hausman,
        "fixed": float(choice.verdict == "fixed"),
    }


def judge(sets: list[list[Row]]) -> None:
    """Scale theory's bias in the first row of each set to the one its cell has, and say whether verdicts are right.

    Ratios of variances are chosen by the data, and chance differences between donors choose larger ones, so that the
    bias is a little less than theory has it for the ratios chosen.
    """
    first = [rows[0] for rows in sets]
    if "bias" not in first[0]:
        return
    bias, theory = (float(np.mean([row[name] for row in first])) for name in ("bias", "bias_theory"))
    for row in first:
        row["truly_off"] *= bias / theory if theory else 1.0
        row["verdict_right"] = float((row["truly_off"] > TOLERABLE) == (row.pop("fixed") > 0))


def score(known: DonorSet) -> list[Row]:
    """Every method's error rates on one set; the verdict stands in the row of random effects."""
    rows = []
    for method, effects in fits(known).items():
        table = eb.results_table(effects, eb.posterior(effects, eb.fit_em(effects).prior))
        by_q = list_rates(table["q_value"], table["lfdr"], table["post_mean"], known.truth)
        named = table.rename(columns={"ci_low": "low", "ci_high": "high", "q_value": "adjusted"})
        row: Row = {"method": f"{method}, q-value", **by_q, **interval_coverage(named, known.truth)}
        own = choice_rates(known) if method == "random" else {}
        rows.append({**row, **own})
        by_p = list_rates(table["adj_p_value"], table["p_value"], table["log2_fc"], known.truth)
        rows.append({"method": f"{method}, BH", **by_p, **p_calibration(table["p_value"], known.truth)})
    return rows


def score_peer(known: DonorSet) -> list[Row]:
    """Error rates of limma's duplicateCorrelation."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        pd.DataFrame(known.counts.count, known.counts.gene, known.counts.sample).to_csv(folder / "counts.csv")
        matrix = design_of(known, "~ group").matrix
        pd.DataFrame(matrix, known.samples.index).assign(donor=known.samples["donor"]).to_csv(folder / "design.csv")
        script = Path(__file__).with_name("donors_peers.R")
        subprocess.run(["Rscript", str(script), str(folder)], check=True)
        table = pd.read_csv(folder / "results.csv")
    by_p = list_rates(table["adj_p_value"], table["p_value"], table["estimate"], known.truth)
    return [{"method": "duplicateCorrelation, BH", **by_p, **p_calibration(table["p_value"], known.truth)}]


def main() -> None:
    parser = command_line(__doc__, "donors.csv")
    parser.add_argument("--sets", type=int, default=2)
    parser.add_argument("--peers", action="store_true", help="limma alone, into donors_peers.csv")
    asked = parser.parse_args()
    measure, out = (score_peer, asked.out.with_name("donors_peers.csv")) if asked.peers else (score, asked.out)
    rows: list[Row] = []
    for place, (layout, donors) in enumerate(TREATED.items()):
        for correlation in (0.0, 0.5):
            known = [
                simulate(np.random.default_rng(40_000 + 100 * place + k), donors, correlation)
                for k in range(asked.sets)
            ]
            sets = [measure(each) for each in known]
            judge(sets)
            found = average(f"{layout}_r{10 * correlation:.0f}", sets)
            show(found)
            rows.extend(found)
            # Written after every cell, so that a run that is broken off leaves what it has.
            write_rows(out, rows)


if __name__ == "__main__":
    main()
