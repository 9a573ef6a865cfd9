"""Reading a large table of counts, against pandas' own reading of it.

python benchmarks/speed/reading.py [--genes 60000] [--samples 500] [--runs 3]

CPU seconds (user and system) of the reading alone, in turns, and the peak memory of the whole process over that of the
matrix of 8-byte numbers. `ours` is `ebgenes.read_counts`, `file` what `ebgenes run` reads with its sheet, both checked
and turned into counts; `pandas` is ``read_csv(sep="\\t", index_col=0)``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from measure import machine, paired_ratio, write_rows

READ = {
    "pandas": "import pandas as pd; read = lambda: pd.read_csv(path, sep='\\t', index_col=0)",
    "ours": "import ebgenes as eb; eb.read_counts; read = lambda: eb.read_counts(path)",
    "file": (
        "import pandas as pd; from ebgenes.data.reading import read_input;"
        "sheet = pd.DataFrame(index=open(path).readline().rstrip().split('\\t')[1:]);"
        "read = lambda: read_input(path, sheet)"
    ),
}
PROBE = (
    "import json, resource, sys; path = sys.argv[1]; {make};"
    "used = lambda: sum(resource.getrusage(resource.RUSAGE_SELF)[:2]);"
    "before = used(); made = read(); took = used() - before;"
    "print(json.dumps([took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024]))"
)


def written(path: Path, n_genes: int, n_samples: int) -> None:
    """Negative binomial counts of genes of very different means."""
    rng = np.random.default_rng(1)
    head = "gene\t" + "\t".join(f"sample{i:04d}" for i in range(n_samples)) + "\n"
    with path.open("w", encoding="utf-8") as file:
        file.write(head)
        for start in range(0, n_genes, 1000):
            mean = np.exp(rng.normal(3, 3, (min(1000, n_genes - start), 1)))
            count = rng.poisson(rng.gamma(5, mean / 5, (len(mean), n_samples)))
            gene = [f"ENSG{start + i:011d}" for i in range(len(mean))]
            pd.DataFrame(count, index=gene).to_csv(file, sep="\t", header=False)


def once(kind: str, path: Path) -> tuple[float, float]:
    """CPU seconds and peak bytes of one reading in a process of its own."""
    command = [sys.executable, "-c", PROBE.format(make=READ[kind]), str(path)]
    seconds, peak = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return seconds, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genes", type=int, default=60_000)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "counts.tsv"
        written(path, options.genes, options.samples)
        runs = [{kind: once(kind, path) for kind in READ} for _ in range(options.runs)]
        size = path.stat().st_size
    matrix = 8 * options.genes * options.samples
    rows: list[dict[str, Any]] = []
    for kind in READ:
        seconds, reference = ([run[each][0] for run in runs] for each in (kind, "pandas"))
        rows.append(
            {
                "reader": kind, "genes": options.genes, "samples": options.samples, "file_mb": round(size / 1e6),
                "cpu_s": round(float(np.median(seconds)), 2), **paired_ratio(seconds, reference, "cpu_ratio"),
                "peak_mb": round(max(run[kind][1] for run in runs) / 1e6),
                "peak_over_matrix": round(max(run[kind][1] for run in runs) / matrix, 2), "machine": machine(),
            }
        )  # fmt: skip
        print(rows[-1], flush=True)
    write_rows(Path(__file__).with_suffix(".csv"), rows)


if __name__ == "__main__":
    main()
