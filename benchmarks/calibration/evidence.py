"""Every method on every set: realised error rates on simulated cells and on real replicates with effects thinned in.

python benchmarks/calibration/evidence.py --preset small|full|long [--replicates NAME COUNTS SAMPLES column=value] ...

Cells: two groups of 2, 3, 5 or 10 with one departure at a time from a base (see `sets.DEPARTURES`), two larger designs,
and random halves of real replicates (airway's and pasilla's untreated samples, and any others by `--replicates`), with
effects thinned binomially into 12% of the genes or into none. Methods: both engines of ours, several priors, a
covariate, draws; DESeq2, edgeR QL and limma-voom in R, with apeglm and ashr where installed; PyDESeq2 and InMoose.
A party that is not installed is left out, and said to be. `long` takes more sets, of more genes, in ten of the cells.

A set's rates are kept in `--kept` as soon as they are measured, so that a run that was stopped goes on where it was;
the first sets of all cells come before the second ones. Written are evidence.csv, an average over sets for each cell
and method, and evidence_machine.csv. Columns: lists at a nominal .05 (calls; realised fdp and fsr, the share of wrong
signs with null genes among them; tpr; tpr_matched at a realised FDP of .05); root mean square error of effects;
coverage of 95% intervals; null share minus mean lfdr by bin of the lfdr; share of the null genes' p-values below .05,
.01 and .001; genes without counts in one group: how many there are, are called, are called falsely, are changed;
tpr_lead, by how much the default engine's TPR exceeds this method's on the sets both have. `_se` are Monte Carlo
standard errors.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

if __name__ == "__main__":
    # Libraries read the number of threads when they are loaded.
    os.environ.update(EBGENES_THREADS="1", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", NUMBA_NUM_THREADS="1")

import numpy as np
from methods import PYTHON_PEERS, Answer, absent, answers_in_r, ours, quiet
from plasmodes import SHIPPED, Replicates, plasmode_cells
from rates import Row, all_rates, average, write_rows
from sets import LONG, Cell, KnownSet, draw, simulated_cells

import ebgenes as eb

HERE = Path(__file__).parent
DEFAULT = "likelihood"
"""The method whose lists the others are compared with."""

PARTIES = ("ebgenes", "R", *PYTHON_PEERS)
BATCH = 8
"""Sets that one process of R gets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Genes and sets of a run; PyDESeq2 and InMoose, which take longest, come last and see the first sets only."""

    n_genes: int
    n_sets: int
    n_python_sets: int
    only: tuple[str, ...] = ()
    """Cells; none: all."""


PRESETS = {
    "small": Preset(n_genes=1000, n_sets=2, n_python_sets=1),
    "full": Preset(n_genes=4000, n_sets=10, n_python_sets=2),
    "long": Preset(n_genes=8000, n_sets=20, n_python_sets=0, only=tuple(LONG)),
}


def all_cells(n_genes: int, replicates: Sequence[Replicates]) -> list[Cell]:
    cells = simulated_cells(n_genes)
    for i, source in enumerate(replicates):
        cells += plasmode_cells(source, n_genes, 100_000 + 1000 * i)
    return cells


def zero_in_a_group(known: KnownSet) -> np.ndarray:
    """Genes without any count in one of the groups."""
    count, treated = known.counts.count, known.treated
    return np.asarray((count[:, treated].sum(axis=1) == 0) | (count[:, ~treated].sum(axis=1) == 0))


def rates_of(answers: Sequence[Answer], known: KnownSet) -> list[Row]:
    zero = zero_in_a_group(known)
    return [{"method": method, **all_rates(table, known.truth, zero)} for method, table in answers]


class Kept:
    """What was measured, a file for each set and party."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, cell: Cell, k: int, party: str) -> Path:
        name = "".join(letter if letter.isalnum() else "_" for letter in cell.name)
        return self.folder / f"{name}.{k}.{party}.json"

    def has(self, cell: Cell, k: int, party: str) -> bool:
        return self.path(cell, k, party).exists()

    def read(self, cell: Cell, k: int, party: str) -> list[Row]:
        rows: list[Row] = json.loads(self.path(cell, k, party).read_text())
        return rows

    def write(self, cell: Cell, k: int, party: str, rows: Sequence[Row]) -> None:
        path = self.path(cell, k, party)
        plain = [{key: value if isinstance(value, str) else float(value) for key, value in row.items()} for row in rows]
        path.with_suffix(".part").write_text(json.dumps(plain))
        path.with_suffix(".part").replace(path)


def measure_in_python(party: str, cell: Cell, k: int, kept: Kept) -> None:
    known = draw(cell, cell.seed + k)
    run = ours if party == "ebgenes" else PYTHON_PEERS[party]
    try:
        with quiet():
            answers = list(run(known))
    except Exception as problem:
        # A peer may stop on a set; one of ours must not.
        if party == "ebgenes":
            raise
        print(f"{party} stopped on {cell.name}, set {k}: {type(problem).__name__}: {problem}", flush=True)
        answers = []
    kept.write(cell, k, party, rates_of(answers, known))


def measure_in_r(batch: Sequence[tuple[Cell, int]], kept: Kept) -> None:
    known = [draw(cell, cell.seed + k) for cell, k in batch]
    for (cell, k), one, answers in zip(batch, known, answers_in_r("peers.R", known), strict=True):
        kept.write(cell, k, "R", rates_of(answers, one))


def plan(cells: Sequence[Cell], preset: Preset, parties: Sequence[str]) -> Iterator[tuple[str, int, list[Cell]]]:
    """A party, a set's number and the cells to measure it in by one process."""
    fast = [party for party in parties if party not in PYTHON_PEERS]
    for k in range(preset.n_sets):
        for party in fast:
            size = BATCH if party == "R" else 1
            yield from ((party, k, list(cells[first : first + size])) for first in range(0, len(cells), size))
    for k in range(preset.n_python_sets):
        yield from ((party, k, [cell]) for cell in cells for party in parties if party in PYTHON_PEERS)


def run(cells: Sequence[Cell], preset: Preset, parties: Sequence[str], kept: Kept, hours: float) -> None:
    """Measure what is not kept yet, until the time is over."""
    until = time.monotonic() + 3600 * hours
    for party, k, some in plan(cells, preset, parties):
        left = [cell for cell in some if not kept.has(cell, k, party)]
        if not left:
            continue
        if time.monotonic() > until:
            print("the time is over; the same command goes on from here")
            return
        if party == "R":
            measure_in_r([(cell, k) for cell in left], kept)
        else:
            measure_in_python(party, left[0], k, kept)
        print(f"set {k}, {party}: {', '.join(cell.name for cell in left)}", flush=True)


def averages(cells: Sequence[Cell], preset: Preset, kept: Kept) -> Iterator[Row]:
    """A row for each cell and method, over the sets that are kept."""
    for cell in cells:
        by_method: dict[str, dict[int, Row]] = {}
        for party in PARTIES:
            for k in range(preset.n_sets):
                for row in kept.read(cell, k, party) if kept.has(cell, k, party) else []:
                    by_method.setdefault(str(row["method"]), {})[k] = row
        reference = by_method.get(DEFAULT, {})
        for runs in by_method.values():
            for k, row in runs.items():
                if k in reference:
                    row["tpr_lead"] = float(reference[k]["tpr"]) - float(row["tpr"])
        for runs in by_method.values():
            yield from average(cell.name, [[row] for row in runs.values()])


def machine(preset: str, cells: Sequence[Cell], kept: Kept) -> list[Row]:
    """What the figures were made with; a party counts where it measured a set of some cell."""
    parties = {
        party: sum(kept.has(cell, 0, party) for cell in cells)
        for party in PARTIES
        if any(kept.has(cell, 0, party) for cell in cells)
    }
    packages = ("numpy", "scipy", *(party for party in PYTHON_PEERS if party in parties))
    facts = {
        "preset": preset,
        "genes": PRESETS[preset].n_genes,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "ebgenes": eb.__version__,
        **{package: installed(package) for package in packages},
        **{f"cells of {party}": n_cells for party, n_cells in parties.items()},
        **{f"skipped {party}": absent(party) for party in PARTIES if absent(party)},
    }
    return [{"fact": str(name), "value": str(value)} for name, value in facts.items()]


def installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=PRESETS, default="small")
    parser.add_argument(
        "--replicates",
        nargs=4,
        action="append",
        default=[],
        metavar=("NAME", "COUNTS", "SAMPLES", "COLUMN=VALUE"),
        help="samples of one group of any study, to be split at random",
    )
    parser.add_argument("--parties", nargs="+", choices=PARTIES, default=list(PARTIES))
    parser.add_argument("--only", default="", help="cells whose name holds this")
    parser.add_argument("--sets", type=int, help="in place of the preset's")
    parser.add_argument("--hours", type=float, default=np.inf, help="begin nothing after so long")
    parser.add_argument("--kept", type=Path, help="folder of what was measured; remove it to measure anew")
    parser.add_argument("--out", type=Path, help="evidence.csv of the full preset, evidence_<preset>.csv of others")
    return parser.parse_args()


def main() -> None:
    options = asked()
    preset = PRESETS[options.preset]
    if options.sets:
        preset = replace(preset, n_sets=options.sets)
    replicates = [
        *SHIPPED,
        *(Replicates(name=n, counts=Path(c), samples=Path(s), within=w) for n, c, s, w in options.replicates),
    ]
    parties = []
    for party in options.parties:
        reason = absent(party)
        if reason:
            print(f"skipped: {reason}")
        else:
            parties.append(party)
    every = all_cells(preset.n_genes, replicates)
    cells = [cell for cell in every if options.only in cell.name and cell.name in (preset.only or cell.name)]
    kept = Kept(options.kept or HERE / ".kept" / options.preset)
    run(cells, preset, parties, kept, options.hours)
    name = "evidence.csv" if options.preset == "full" else f"evidence_{options.preset}.csv"
    out = options.out or HERE / name
    write_rows(out, list(averages(cells, preset, kept)))
    write_rows(out.with_name(f"{out.stem}_machine.csv"), machine(options.preset, cells, kept))


if __name__ == "__main__":
    main()
