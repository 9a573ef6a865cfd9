"""Many contrasts over many datasets: what planning, the scheduler and Snakemake cost beside the statistics.

python benchmarks/workflow/scale.py [--datasets 20] [--contrasts 10] [--run-datasets 2] [--batches 1 10]

Planned is the whole, by a dry run, here and for a cluster; run are the first datasets, by `ebgenes run` (the
statistics' own CPU, one process) and by `snakemake --cores 2`, with one contrast a job and with ten. Warm kernels: a
small run comes first.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "speed"))
from measure import machine, measure, write_rows

ROOT = Path(__file__).parents[2]
SNAKEFILE = str(ROOT / "workflow" / "Snakefile")


def config(folder: Path, n_datasets: int, n_contrasts: int, n_genes: int, batch: int = 1) -> dict[str, Any]:
    """One simulated set of counts under many names, with as many contrasts as asked."""
    made = folder / "study"
    if not made.exists():
        subprocess.run(["ebgenes", "simulate", made, "--genes", str(n_genes), "--replicates", "4"], check=True)
    contrasts = {f"c{i}": {"coefficients": {"group[T.treated]": 1.0 + i}} for i in range(n_contrasts)}
    dataset = {
        "counts": str(made / "counts.tsv.gz"),
        "samples": str(made / "samples.tsv"),
        "design": "~ group",
        "contrasts": contrasts,
    }
    datasets = {f"d{i}": dataset for i in range(n_datasets)}
    return {"outdir": f"out{batch}", "datasets": datasets, "effects": {"batch": batch}}


def written(path: Path, content: dict[str, Any]) -> str:
    path.write_text(yaml.safe_dump(content))
    return str(path)


def cluster_jobs(folder: Path, name: str, batch: int) -> int:
    """Jobs that would be submitted: those that do not run where Snakemake does, which a dry run does not tell."""
    local = {"all", "report", *(["contrast"] if batch > 1 else [])}
    profile = str(ROOT / "workflow" / "profiles" / "slurm")
    command = ["snakemake", "--profile", profile, "--snakefile", SNAKEFILE, "--configfile", name, "--dry-run"]
    said = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    rules = re.findall(r"^rule (\w+):", said.stdout + said.stderr, flags=re.MULTILINE)
    return sum(rule not in local for rule in rules)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", type=int, default=20)
    parser.add_argument("--contrasts", type=int, default=10)
    parser.add_argument("--run-datasets", type=int, default=2)
    parser.add_argument("--genes", type=int, default=8000)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 10])
    options = parser.parse_args()
    n_all, n_run = options.datasets * options.contrasts, options.run_datasets * options.contrasts
    sizes = options.contrasts, options.genes
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        part = written(folder / "part.yaml", config(folder, options.run_datasets, *sizes))
        measure(["ebgenes", "run", written(folder / "small.yaml", config(folder, 1, 1, options.genes))], folder)
        own = measure(["ebgenes", "run", part, "--outdir", "one", "--threads", "1"], folder)
        for batch in options.batches:
            whole = written(folder / "whole.yaml", config(folder, options.datasets, *sizes, batch))
            part = written(folder / "part.yaml", config(folder, options.run_datasets, *sizes, batch))
            snakemake = ["snakemake", "--snakefile", SNAKEFILE, "--cores", "2", "--configfile"]
            plan = measure([*snakemake, whole, "--dry-run"], folder)
            jobs = cluster_jobs(folder, whole, batch)
            shutil.rmtree(folder / f"out{batch}", ignore_errors=True)
            steps = measure([*snakemake, part], folder)
            row = {
                "datasets": options.datasets, "contrasts": n_all, "genes": options.genes, "batch": batch,
                "dry_run_wall_s": round(plan["wall_s"], 1), "dry_run_cpu_s": round(plan["cpu_s"], 1),
                "cluster_jobs": jobs, "contrasts_run": n_run, "own_cpu_s": round(own["cpu_s"], 1),
                "snakemake_cpu_s": round(steps["cpu_s"], 1), "ratio": round(steps["cpu_s"] / own["cpu_s"], 2),
                "added_cpu_s_a_contrast": round((steps["cpu_s"] - own["cpu_s"]) / n_run, 2), "machine": machine(),
            }  # fmt: skip
            print(row, flush=True)
            rows.append(row)
    write_rows(Path(__file__).with_name("scale.csv"), rows)


if __name__ == "__main__":
    main()
