"""Several rows at once: error rates on simulated groups, doses and times; a real study beside DESeq2's LRT.

python benchmarks/calibration/joint.py
    Nulls, and truth found, on simulated counts: `joint.csv`.
python benchmarks/calibration/joint.py FOLDER --design "~ strain * C(minute)" --term "strain:C(minute)"
    FOLDER holds counts.tsv.gz and samples.tsv: `joint_study.csv`. `--reference strain=wt` names first levels.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import ebgenes as eb
from ebgenes.arrays import text_array
from ebgenes.posteriors.fdr import adjust_bh, running_mean
from ebgenes.records.counts import Counts

sys.path.append(str(Path(__file__).parents[1] / "speed"))
from measure import measure, write_rows

HERE = Path(__file__).parent
GENES, CHANGED, SETS, LEVEL = 3_000, 0.15, 4, 0.05
ENGINES = ("likelihood", "moderated_t")
DOSES = np.array([0.0, 1, 3, 10, 30, 100])
TIMES = np.array([0.0, 15, 30, 60, 120, 180])


def no_response(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    return np.zeros((GENES, len(x)))


def dose_response(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """Emax curves of any sign, half their effect between doses of 1.5 and 60."""
    half = np.exp(rng.uniform(np.log(1.5), np.log(60), (GENES, 1)))
    return rng.normal(0, 1.5, (GENES, 1)) * x / (half + x)


def time_course(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """Bumps of any sign and time, half of which stay."""
    peak, width = rng.uniform(15, 120, (GENES, 1)), rng.uniform(15, 60, (GENES, 1))
    bump = np.exp(-0.5 * ((x - peak) / width) ** 2)
    stays = (rng.random((GENES, 1)) < 0.5) & (x > peak)
    shape = np.where(stays, 1.0, bump)
    return rng.normal(0, 1.2, (GENES, 1)) * (shape - shape[:, :1])


SCENES: dict[str, tuple[np.ndarray, Callable[..., np.ndarray], tuple[str, ...]]] = {
    "null, 4 groups": (np.arange(4.0), no_response, ("C(x)",)),
    "dose": (DOSES, dose_response, ("emax(x)", "poly(x, degree=2)", "C(x)")),
    "time": (TIMES, time_course, ("bs(x, df=4)", "C(x)")),
}


def simulate(rng: np.random.Generator, at: np.ndarray, effect: np.ndarray) -> Counts:
    """Counts whose dispersions stray around their trend as the model has it."""
    mean = np.exp(rng.normal(5, 1.4, (GENES, 1)) + rng.normal(0, 0.2, len(at))) * 2**effect
    level = mean.mean(axis=1, keepdims=True)
    alpha = (0.03 + 2 / level) * np.exp(0.6 * rng.normal(size=(GENES, 1)))
    count = rng.poisson(rng.gamma(1 / alpha, alpha * mean))
    return Counts(gene=text_array(range(GENES)), sample=text_array(range(len(at))), count=count)


def one_set(scene: str, replicates: int, seed: int) -> list[dict[str, Any]]:
    places, response, terms = SCENES[scene]
    rng = np.random.default_rng([seed, replicates, list(SCENES).index(scene)])
    at = np.repeat(places, replicates)
    effect = response(rng, at) * (rng.random((GENES, 1)) < CHANGED)
    counts = simulate(rng, at, effect)
    seen = (counts.count >= 10).sum(axis=1) >= replicates
    counts = Counts(gene=counts.gene[seen], sample=counts.sample, count=counts.count[seen])
    changed = np.ptp(effect[seen], axis=1) > 0
    samples = pd.DataFrame({"x": at}, index=counts.sample)
    rows = []
    for term in terms:
        design = eb.build_design(samples, f"~ {term}", eb.all_of(term))
        for engine in ENGINES:
            start = time.process_time()
            effects = eb.fit_multi_df_effects(counts, design, engine=engine, hidden_factors=0)
            fit = eb.fit_multi_df_prior(effects)
            lfdr = eb.multi_df_posterior(effects, fit.prior).lfdr
            cpu = time.process_time() - start
            told = {"scene": scene, "term": term, "n": replicates, "engine": engine, "pi0": fit.prior.pi0, "cpu_s": cpu}
            told |= {f"null_p_below_{level}": np.mean(effects.p_value[~changed] < level) for level in (0.05, 0.01)}
            for name, listed in (("q", running_mean(lfdr) < LEVEL), ("bh", adjust_bh(effects.p_value) < LEVEL)):
                told[f"{name}_fdr"] = (~changed[listed]).mean() if listed.any() else 0.0
                told[f"{name}_tpr"] = listed[changed].mean() if changed.any() else np.nan
            rows.append(told)
    return rows


def simulated(sets: int) -> None:
    found = []
    for scene in SCENES:
        for replicates in (2, 3, 5):
            for seed in range(sets):
                found += one_set(scene, replicates, seed)
            print(scene, replicates, flush=True)
    table = pd.DataFrame(found)
    groups = table.groupby(["scene", "term", "n", "engine"], sort=False)
    mean, error = groups.mean(), groups.std() / np.sqrt(sets)
    out = mean.join(error[["q_fdr", "bh_fdr"]].add_suffix("_se")).assign(sets=sets).reset_index()
    write_rows(HERE / "joint.csv", out.round(4).to_dict("records"))


def study(folder: Path, formula: str, term: str, reference: dict[str, str]) -> None:
    samples = eb.read_samples(folder / "samples.tsv")
    design = eb.build_design(samples, formula, eb.all_of(term), reference=reference)
    inside = (design.multi_df.weight != 0).any(axis=0)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        question = ["--design", formula, "--reference", json.dumps(reference)]
        run = [sys.executable, "-m", "ebgenes"]
        measure([*run, "counts", str(folder / "counts.tsv.gz"), "--samples", str(folder / "samples.tsv"),
                 *question, "--out", "counts.h5ad"], work)  # fmt: skip
        kept = eb.read_study(work / "counts.h5ad").counts
        rows, tables = [], {}
        for label, settings in {
            "likelihood": {"hidden_factors": 0},
            "likelihood, hidden factors auto": {"hidden_factors": "auto"},
            "moderated_t": {"engine": "moderated_t", "hidden_factors": 0},
        }.items():
            command = [*run, "contrast", "counts.h5ad", *question, "--contrast", json.dumps({"term": term}),
                       "--effects", json.dumps(settings), "--effects-out", "effects.h5", "--out", "prior.json",
                       "--table", "genes.tsv", "--threads", "1"]  # fmt: skip
            measure(command, work)
            cost = measure(command, work)
            tables[label] = eb.read_table(work / "genes.tsv").set_index("gene_id").loc[list(kept.gene)]
            rows.append({"method": label, "cpu_s": cost["cpu_s"]})
        frame = pd.DataFrame(kept.count, index=list(kept.gene), columns=list(kept.sample))
        frame.to_csv(work / "count.csv")
        for file, matrix in (("full.csv", design.matrix), ("reduced.csv", design.matrix[:, ~inside])):
            pd.DataFrame(matrix, index=list(design.sample)).to_csv(work / file)
        peer = ["Rscript", str(HERE / "joint_peer.R"), "count.csv", "full.csv", "reduced.csv", "out.csv"]
        cost = measure(peer, work)
        theirs = pd.read_csv(work / "out.csv", index_col="gene").loc[list(kept.gene)]
    listed = theirs["padj"].to_numpy() < LEVEL
    for row in rows:
        table = tables[row["method"]]
        ours = table["adj_p_value"].to_numpy() < LEVEL
        log_p = np.log(np.maximum(table["p_value"].to_numpy(), 1e-300))
        row |= {
            "genes": len(table), "bh": int(ours.sum()), "q": int((table["q_value"] < LEVEL).sum()),
            "bh_both": int((ours & listed).sum()),
            "rank_correlation": pd.Series(log_p).corr(np.log(theirs["p"]).reset_index(drop=True), method="spearman"),
            "p_below_0.05": float((table["p_value"] < 0.05).mean()), "cpu_ratio": row["cpu_s"] / cost["cpu_s"],
        }  # fmt: skip
    rows.append(
        {"method": "DESeq2 LRT", "cpu_s": cost["cpu_s"], "genes": len(theirs), "bh": int(listed.sum()), "q": "",
         "bh_both": int(listed.sum()), "rank_correlation": 1.0, "p_below_0.05": float((theirs["p"] < 0.05).mean()),
         "cpu_ratio": 1.0}
    )  # fmt: skip
    usual = int((theirs["padj_default"] < LEVEL).sum())
    rows.append({**rows[-1], "method": "DESeq2 LRT, its own filters", "bh": usual, "bh_both": usual})
    rounded = [
        {key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()} for row in rows
    ]
    write_rows(HERE / "joint_study.csv", rounded)
    print(pd.DataFrame(rounded).to_string())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--design")
    parser.add_argument("--term")
    parser.add_argument("--reference", nargs="*", default=[], help="column=level")
    parser.add_argument("--sets", type=int, default=SETS)
    options = parser.parse_args()
    if options.folder is None:
        simulated(options.sets)
    else:
        reference = dict(each.split("=", 1) for each in options.reference)
        study(options.folder.resolve(), options.design, options.term, reference)


if __name__ == "__main__":
    main()
