"""The fit of a prior against mixsqp: from effects and standard errors to a certified optimum, likelihoods included.

python benchmarks/speed/prior.py [--runs 5] [--sizes 20000 200000] [--most 10000000]

26 normal components (a scale mixture with its null) on the same effects, one thread each, CPU seconds inside a warm
process with the data in memory. mixsqp runs with its own settings; its gap is what its weights leave to gain, by our
certificate. The largest fit is ours alone, with its whole process's peak memory.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from measure import machine, paired_ratio, write_rows

HERE = Path(__file__).parent
SLABS = 25
SEED = 4


def simulate(folder: Path, n: int) -> None:
    """Effects with standard errors, and the components' scales, as plain binary files."""
    rng = np.random.default_rng(SEED)
    theta = np.where(rng.random(n) < 0.8, 0, rng.normal(0, 1.5, n))
    se = rng.uniform(0.2, 1, n)
    estimate = theta + se * rng.normal(size=n)
    scale = 2 * np.abs(estimate).max() * 2 ** (-np.arange(SLABS - 1, -1, -1) / 2)
    for name, values in (("estimate", estimate), ("se", se), ("scale", scale)):
        values.astype("<f8").tofile(folder / f"{name}.bin")


def run(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def row(name: str, n: int, costs: list[dict[str, Any]], reference: list[dict[str, Any]], peer: str) -> dict[str, Any]:
    cpu = [cost["cpu_s"] for cost in costs]
    return {
        "effects": n,
        "components": SLABS + 1,
        "contestant": name,
        "version": peer,
        "cpu_s": round(statistics.median(cpu), 3),
        **paired_ratio(cpu, [cost["cpu_s"] for cost in reference], "cpu_ratio"),
        "certificate": f"{max(cost['certificate'] for cost in costs):.1e}",
        "loglik": f"{costs[0]['loglik']:.6f}",
        "peak_mib": round(max(cost.get("peak_mib", 0) for cost in costs)) or "",
        "runs": len(costs),
        "machine": machine(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--most", type=int, default=10_000_000)
    parser.add_argument("--out", type=Path, default=HERE / "prior.csv")
    asked = parser.parse_args()
    rows = []
    for n in [*asked.sizes, asked.most]:
        with tempfile.TemporaryDirectory() as name:
            simulate(Path(name), n)
            ours = [sys.executable, str(HERE / "prior_ours.py"), name]
            theirs = ["Rscript", str(HERE / "prior_peer.R"), name]
            if n == asked.most:
                costs = [run(ours)]
                rows.append(row("ebgenes", n, costs, costs, costs[0]["version"]))
                continue
            run(ours)
            pairs = [(run(ours), run(theirs)) for _ in range(asked.runs)]
        mine, other = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        for cost in other:
            # On the simplex the objective of both is the same sum of logs.
            cost["certificate"] = (mine[0]["loglik"] - cost["loglik"]) / n
        rows.append(row("ebgenes", n, mine, mine, mine[0]["version"]))
        rows.append(row("mixsqp", n, other, mine, other[0]["version"]))
    write_rows(asked.out, rows)
    for each in rows:
        print(each)


if __name__ == "__main__":
    main()
