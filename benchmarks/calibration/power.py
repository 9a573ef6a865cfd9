"""What pilots say of further studies, held against further studies.

python benchmarks/calibration/power.py simulated [--sets 8]
python benchmarks/calibration/power.py real COUNTS SAMPLES --design "~ strain" --column strain --baseline C57BL/6J
    --target DBA/2J --pilot 3 --sizes 3 7 [--pilots 10]

A pilot of n samples in either group predicts, from its own fit alone, the list of studies of other sizes: other samples
of the same simulated genes, or of the same real groups, none of which the pilot has seen. `power.csv` has a row a pilot
and size: the predicted length with its 90% band, the real one, whether the band holds it, and where the truth is known
the real share of false genes and of changed genes found. Where the study is as large as the pilot, the genes' own
probabilities that a repeat lists them with the same sign, and that its sign agrees, are held against what it does;
`power_repeats.csv` has them by bins over all pilots of a study. Lists of effects beyond, and within, .5 log2 by
threshold_q and equivalence_q of simulated pilots are in `power.csv` too (fdp_beyond, fdp_within, and their lengths).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from rates import LEVEL, Row, write_rows

import ebgenes as eb
from ebgenes.arrays import text_array
from ebgenes.errors import InputError
from ebgenes.posteriors.fdr import equivalence_rate, running_mean, threshold_rate
from ebgenes.records.counts import Counts
from ebgenes.records.effects import Effects
from ebgenes.records.prior import EmFit
from ebgenes.results.table import in_list

BINS = (0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0001)
THRESHOLD = 0.5
QUESTION = eb.compare("group", baseline="control", target="treated")
Study = tuple[Effects, EmFit, pd.DataFrame]

CELLS = {
    "sparse": {},
    "many changed": {"pi0": 0.5},
    "small effects": {"pi0": 0.6, "effect_sd": 0.5},
    "none changed": {"pi0": 1.0},
}
"""Arguments of `simulate_counts`; 6,000 genes."""


def studied(counts: Counts, samples: pd.DataFrame, formula: str, question: object) -> Study:
    """A study of some samples, fitted with default settings."""
    reference = {question.column: question.baseline}
    design = eb.build_design(samples, formula, question, reference=reference)
    place = pd.Index(counts.sample).get_indexer(samples.index)
    own = Counts(gene=counts.gene, sample=text_array(samples.index), count=counts.count[:, place])
    own = eb.keep_expressed(own, eb.screen_genes(own, design))
    effects = eb.fit_effects(own, design)
    fit = eb.fit_em(effects)
    posterior = eb.posterior(effects, fit.prior, threshold=THRESHOLD)
    table = eb.results_table(effects, posterior, repeat=eb.repeat_of(effects, fit.prior))
    table["listed"] = in_list(table, LEVEL)
    return effects, fit, table.set_index("gene_id")


def judged(pilot: Study, further: dict[int, Study], truth: pd.Series | None) -> Iterator[Row]:
    """Rows of one pilot."""
    effects, fit, table = pilot
    known = eb.pilot_of(effects)
    ahead = eb.outlook(fit.prior, known, list(further), level=LEVEL)
    of_pilot: Row = {
        "pilot_list": int(table["listed"].sum()),
        "pi0": f"{fit.prior.pi0:.3f}",
        "excess": f"{known.excess.sum():.3f}",
        "residual_df": f"{known.residual_df:g}",
    }
    if truth is not None:
        of_pilot |= threshold_lists(table, truth)
    for i, (n, (_, _, other)) in enumerate(further.items()):
        low, high = ahead.discoveries_band[i]
        real = int(other["listed"].sum())
        row: Row = {
            "n": n,
            **of_pilot,
            "predicted": f"{ahead.discoveries[i]:.0f}",
            "low": f"{low:.0f}",
            "high": f"{high:.0f}",
            "real": real,
            "held": int(low - 0.5 <= real <= high + 0.5),
        }
        if truth is not None:
            changed = truth.reindex(other.index) != 0
            row |= {
                "fdr": f"{ahead.fdr[i]:.4f}",
                "fdp": f"{(other['listed'] & ~changed).sum() / max(real, 1):.4f}",
                "found": f"{ahead.found[i]:.4f}",
                "found_real": f"{(other['listed'] & changed).sum() / max(changed.sum(), 1):.4f}",
                "width": f"{ahead.width[i]:.3f}",
                "width_real": f"{(other['ci_high'] - other['ci_low'])[other['listed']].mean():.3f}",
            }
        yield row


def threshold_lists(table: pd.DataFrame, truth: pd.Series) -> Row:
    """Lists of effects beyond and within the threshold, and how much of them is false."""
    up, down = table["prob_up"].to_numpy(), table["prob_down"].to_numpy()
    true = truth.reindex(table.index).to_numpy()
    beyond = running_mean(threshold_rate(up, down)) < LEVEL
    within = running_mean(equivalence_rate(up, down)) < LEVEL
    right = np.where(table["post_mean"] > 0, true > THRESHOLD, true < -THRESHOLD)
    return {
        "beyond": int(beyond.sum()),
        "fdp_beyond": f"{(~right[beyond]).mean() if beyond.any() else 0:.4f}",
        "within": int(within.sum()),
        "fdp_within": f"{(np.abs(true[within]) > THRESHOLD).mean() if within.any() else 0:.4f}",
    }


def again(table: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """What was said of each gene's repeat, and what a repeat did; genes that it did not test are not listed."""
    there = other.reindex(table.index)
    same = np.sign(there["log2_fc"]) == np.sign(table["log2_fc"])
    return pd.DataFrame(
        {
            "listed": table["listed"],
            "said": table["repeat_listed"],
            "did": there["listed"].eq(True) & same,
            "said_sign": table["repeat_sign"],
            "did_sign": same.where(there["log2_fc"].notna()),
        }
    )


def by_bins(name: str, genes: pd.DataFrame) -> Iterator[Row]:
    """Means of what was said and done, by bins of what was said."""
    kinds = {"all": genes, "listed": genes[genes["listed"]]}
    for kind, own in kinds.items():
        for said, did in (("said", "did"), ("said_sign", "did_sign")):
            if kind == "all" and did == "did_sign":
                own = own.dropna(subset=[did])
            for place, part in own.groupby(pd.cut(own[said], BINS, right=False), observed=True):
                yield {
                    "study": name, "genes": kind, "of": "list" if did == "did" else "sign", "bin": str(place),
                    "n": len(part), "said": f"{part[said].mean():.4f}", "did": f"{part[did].mean():.4f}",
                }  # fmt: skip


def simulated(options: argparse.Namespace) -> Iterator[tuple[str, Iterator[Row], pd.DataFrame | None]]:
    for i, (name, law) in enumerate(CELLS.items()):
        for k in range(options.sets):
            rng = np.random.default_rng(940_000 + 100 * i + k)
            total = options.pilot + sum(options.sizes)
            made = eb.simulate_counts(rng, n_genes=6000, n_per_group=total, **law)
            truth = pd.Series(made.effect, index=list(made.counts.gene))
            first, parts = 0, []
            for n in (options.pilot, *options.sizes):
                own = np.concatenate([np.arange(first, first + n), total + np.arange(first, first + n)])
                parts.append(studied(made.counts, made.samples.iloc[own], "~ group", QUESTION))
                first += n
            yield told(name, parts, options, truth)


def real(options: argparse.Namespace) -> Iterator[tuple[str, Iterator[Row], pd.DataFrame | None]]:
    samples = eb.read_samples(options.samples)
    if options.within:
        column, value = options.within.split("=", 1)
        samples = samples[samples[column].astype(str) == value]
    samples = samples.assign(**{options.column: samples[options.column].astype(str)})
    if options.factor:
        samples = samples.assign(**{options.factor: "l" + samples[options.factor].astype(str)})
    counts = eb.match_samples(eb.read_counts(options.counts), text_array(samples.index))
    question = eb.compare(options.column, baseline=options.baseline, target=options.target)
    name = f"{options.study or options.counts.resolve().parent.name}, {options.design}, n={options.pilot}"
    groups = [samples.index[samples[options.column] == level] for level in (options.baseline, options.target)]
    for k in range(options.first, options.first + options.pilots):
        rng = np.random.default_rng(950_000 + k)
        fit = partial(studied, counts, formula=options.design, question=question)
        for _ in range(100):
            order = [rng.permutation(group) for group in groups]
            try:
                parts: list[pd.DataFrame] = []
                for n in (options.pilot, *options.sizes):
                    # Further studies may share samples with each other, but not with the pilot.
                    start = options.pilot if parts else 0
                    chosen = samples.loc[np.concatenate([each[start : start + n] for each in order])]
                    parts.append(chosen)
                for chosen in parts:
                    eb.require_replicates(
                        eb.build_design(chosen, options.design, question, reference={options.column: options.baseline})
                    )
                break
            except InputError:
                continue
        yield told(name, [fit(chosen) for chosen in parts], options, None)


def told(
    name: str, parts: list[Study], options: argparse.Namespace, truth: pd.Series | None
) -> tuple[str, Iterator[Row], pd.DataFrame | None]:
    further = dict(zip(options.sizes, parts[1:], strict=True))
    repeats = again(parts[0][2], further[options.pilot][2]) if options.pilot in further else None
    return name, judged(parts[0], further, truth), repeats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    subcommands = parser.add_subparsers(required=True)
    for name, run in (("simulated", simulated), ("real", real)):
        one = subcommands.add_parser(name)
        one.set_defaults(run=run)
        one.add_argument("--pilot", type=int, default=3)
        one.add_argument("--sizes", type=int, nargs="+", default=[3, 8])
        one.add_argument("--out", type=Path, default=Path(__file__).with_name("power.csv"))
        if name == "simulated":
            one.add_argument("--sets", type=int, default=8)
            continue
        one.add_argument("counts", type=Path)
        one.add_argument("samples", type=Path)
        for option in ("design", "column", "baseline", "target"):
            one.add_argument(f"--{option}", required=True)
        one.add_argument("--within", help="column=value of the samples")
        one.add_argument("--factor", help="column whose numbers are levels")
        one.add_argument("--study", help="its name in the rows; else that of the counts' folder")
        one.add_argument("--pilots", type=int, default=10)
        one.add_argument("--first", type=int, default=0, help="number of the first pilot")
    options = parser.parse_args()
    bins = options.out.with_name(f"{options.out.stem}_repeats.csv")
    rows: list[Row] = pd.read_csv(options.out, dtype=str).fillna("").to_dict("records") if options.out.exists() else []
    genes: dict[str, list[pd.DataFrame]] = {}
    for study, found, repeats in options.run(options):
        own = [{"study": study, **row} for row in found]
        print(*[" ".join(map(str, row.values())) for row in own], sep="\n", flush=True)
        rows += own
        write_rows(options.out, rows)
        if repeats is not None:
            genes.setdefault(study, []).append(repeats)
    before: list[Row] = pd.read_csv(bins, dtype=str).fillna("").to_dict("records") if bins.exists() else []
    kept = [row for row in before if row["study"] not in genes]
    write_rows(bins, kept + [row for study, parts in genes.items() for row in by_bins(study, pd.concat(parts))])


if __name__ == "__main__":
    main()
