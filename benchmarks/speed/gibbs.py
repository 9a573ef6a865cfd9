"""CPU seconds of the Gibbs sampler, and its effective draws a CPU second beside those of NUTS on the same model.

    python benchmarks/speed/gibbs.py --nuts ENVIRONMENT/bin/python [--draws 150]

20,000 effects with known standard errors, scale_normal with 12 components, the null a point. Ours draws 4 chains of
1,500 sweeps, a third of them warmup; NumPyro (`pip install numpyro`, in an environment of its own, given by --nuts)
takes one chain of the model with the components integrated out, from the same likelihoods. CPU seconds leave out
compiling on both sides, and for ours the likelihoods; NUTS's leave out its warmup while ours hold it. Writes gibbs.csv.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

# Beside this file.
from measure import machine, write_rows

import ebgenes as eb
from ebgenes.prior.full_bayes import make_scale_grid
from ebgenes.records.effects import Effects
from ebgenes.records.prior import GibbsDraws


def study(n_genes: int) -> Effects:
    """Effects of which 15% are real."""
    rng = np.random.default_rng(1)
    theta = np.where(rng.random(n_genes) < 0.85, 0.0, rng.normal(0, 1.2, n_genes))
    se = rng.uniform(0.15, 0.5, n_genes)
    return eb.effects_from_summary(np.arange(n_genes), theta + se * rng.standard_normal(n_genes), se)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nuts", required=True, help="Python of an environment with numpyro")
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--draws", type=int, default=150, help="of NUTS, after as many of warmup")
    options = parser.parse_args()
    effects = study(options.genes)
    fit = eb.fit_em(effects, null="fixed")
    eb.draw_gibbs(effects, fit, chains=2, draws=4, warmup=0)
    start = time.process_time()
    scale_grid = make_scale_grid(effects, fit)
    likelihood_s = time.process_time() - start
    start = time.process_time()
    draws = eb.draw_gibbs(effects, fit)
    ours_s = time.process_time() - start - likelihood_s
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "likelihood.npz"), Path(folder, "draws.npz")
        np.savez(source, likelihood=scale_grid.likelihood[0].T.astype(float))
        peer = Path(__file__).with_name("gibbs_peer.py")
        command = [options.nuts, str(peer), str(source), str(target), str(options.draws), str(options.draws)]
        subprocess.run(command, check=True)
        with np.load(target) as found:
            weight, nuts_s = found["weight"], float(found["cpu_s"])
    n = len(weight)
    nuts = replace(
        draws, weight=weight, null_sd=np.zeros(n), scale=np.tile(draws.scale[0], (n, 1)), loglik=np.arange(n) * 1.0,
        chain=np.zeros(n, dtype=int), sweep=np.arange(n),
    )  # fmt: skip
    rows = []
    for name in ("pi0", "slab_scale"):
        told = {
            who: effective(which, name, spent)
            for who, which, spent in (("ours", draws, ours_s), ("nuts", nuts, nuts_s))
        }
        rows.append(
            {
                "what": name,
                "genes": options.genes,
                "components": weight.shape[1],
                **{f"{who}_{key}": round(value, 4) for who, each in told.items() for key, value in each.items()},
                "ratio": round(told["ours"]["ess_per_s"] / told["nuts"]["ess_per_s"], 1),
                "machine": machine(),
            }
        )
        print(rows[-1])
    write_rows(Path(__file__).with_suffix(".csv"), rows)


def effective(draws: GibbsDraws, name: str, spent: float) -> dict[str, float]:
    """A quantity's mean and effective draws, also per CPU second."""
    found = eb.diagnose(draws)[name]
    return {
        "mean": found["mean"], "sd": found["sd"], "cpu_s": spent, "ess": found["ess_bulk"],
        "ess_per_s": found["ess_bulk"] / spent,
    }  # fmt: skip


if __name__ == "__main__":
    main()
