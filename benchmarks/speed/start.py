"""What a first and a later start of the package cost, against importing the libraries it rests on.

python benchmarks/speed/start.py [--runs 7] [--engines likelihood moderated_t]

Each start runs a tiny study through every engine: cold with an empty cache of kernels, warm with a full one. `kernel`
is the least that anything with numba costs: those imports and one small kernel of numba's, loaded from its cache.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from measure import machine, measure, paired_ratio, write_rows

HERE = Path(__file__).parent
STARTS = ("imports", "kernel", "warm", "cold")
KERNEL = """import numba, numpy, pandas
@numba.njit(cache=True)
def add(x, y):
    return x + y
add(1.0, 2.0)
"""


def study(cache: Path | str, engines: list[str]) -> list[str]:
    return ["env", f"NUMBA_CACHE_DIR={cache}", sys.executable, str(HERE / "start_ours.py"), *engines]


def one_round(folder: Path, engines: list[str]) -> dict[str, dict[str, float]]:
    """One start of each kind."""
    with tempfile.TemporaryDirectory(dir=folder) as empty:
        return {
            "imports": measure([sys.executable, "-c", "import numba, numpy, pandas"], folder),
            "kernel": measure(
                ["env", f"NUMBA_CACHE_DIR={folder / 'full'}", sys.executable, str(folder / "add.py")], folder
            ),
            "warm": measure(study(folder / "full", engines), folder),
            "cold": measure(study(empty, engines), folder),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--engines", nargs="+", default=["likelihood", "moderated_t"])
    parser.add_argument("--out", type=Path, default=HERE / "start.csv")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        Path(name, "add.py").write_text(KERNEL)
        # Fills the cache of the warm starts, and says which kernels the study leaves out.
        subprocess.run(study(Path(name, "full"), asked.engines), check=True)
        rounds = [one_round(Path(name), asked.engines) for _ in range(asked.runs)]
    rows: list[dict[str, Any]] = []
    for start in STARTS:
        row: dict[str, Any] = {"start": start, "engines": " ".join(asked.engines)}
        for quantity in ("cpu", "wall"):
            seconds = [costs[start][f"{quantity}_s"] for costs in rounds]
            imports = [costs["imports"][f"{quantity}_s"] for costs in rounds]
            row[f"{quantity}_s"] = round(statistics.median(seconds), 2)
            row |= paired_ratio(seconds, imports, f"{quantity}_ratio")
        rows.append({**row, "runs": asked.runs, "machine": machine()})
        print(rows[-1])
    write_rows(asked.out, rows)


if __name__ == "__main__":
    main()
