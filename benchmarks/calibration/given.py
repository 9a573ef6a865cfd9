"""Realised error rates on eight given cells, ours and the peers'.

python benchmarks/calibration/given.py FOLDER

FOLDER holds `cell_*.csv.gz` (gene_id, counts s0, s1, ... with the control samples first, true_log_fc_nat) and beside
each `peers_*.csv.gz` (what DESeq2, edgeR, limma and ashr made of it, by 1-based row `id` of the cell). Each cell is one
draw: the Monte Carlo error of a realised FDR is about .01. Columns as in evidence.csv; `prototype_calls` are the calls
of the likelihood grid's prototype on the cell.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from command import command_line, show, two_workers
from evidence import rates_of
from methods import ours
from rates import Row, list_rates, write_rows
from sets import QUESTION, KnownSet

import ebgenes as eb
from ebgenes.arrays import text_array
from ebgenes.records.counts import Counts

PROTOTYPE_CALLS = {
    "n2_s1": 354,
    "n2_s2": 257,
    "n3_s1": 443,
    "n3_s2": 489,
    "n5_s1": 591,
    "n5_s2": 560,
    "n10_s1": 823,
    "n10_s2": 803,
}

PEERS = {
    "DESeq2, BH": ("d_q", "d_p", "d_b"),
    "DESeq2, filtered BH": ("df_q", "d_p", "d_b"),
    "DESeq2 + ashr (shrink), s-value": ("a_svalue", "a_lfsr", "a_PosteriorMean"),
    "DESeq2 + ashr (fdr), s-value": ("af_svalue", "af_lfsr", "af_PosteriorMean"),
    "DESeq2 + ashr (fdr), q-value": ("af_qvalue", "af_lfdr", "af_PosteriorMean"),
    "edgeR QL, BH": ("e_q", "e_p", "e_b"),
    "voom, BH": ("l_q", "l_p", "l_b"),
    "voom + ashr t, s-value": ("t_svalue", "t_lfsr", "t_PosteriorMean"),
    "voom + ashr t, q-value": ("t_qvalue", "t_lfdr", "t_PosteriorMean"),
}
"""The columns that hold a peer's adjusted value, the order of its genes and its estimate."""

COLUMNS = ("cell", "method", "calls", "fdp", "fsr", "tpr", "tpr_matched", "coverage", "coverage_called")


def read_cell(path: Path) -> KnownSet:
    """The counts of a given cell, its design and its truth."""
    table = pd.read_csv(path)
    count = table.filter(regex=r"^s\d+$")
    group = np.repeat(["control", "treated"], count.shape[1] // 2)
    samples = pd.DataFrame({"group": group}, index=pd.Index(count.columns, name="sample"))
    return KnownSet(
        counts=Counts(
            gene=text_array(table["gene_id"]), sample=text_array(count.columns), count=count.to_numpy(dtype=np.int64)
        ),
        design=eb.build_design(samples, "~ group", QUESTION),
        treated=group == "treated",
        truth=table["true_log_fc_nat"].to_numpy() / np.log(2),
    )


def peer_rates(peers: pd.DataFrame, truth: np.ndarray) -> Iterator[Row]:
    """Error rates of every peer's list."""
    for method, (adjusted, order, estimate) in PEERS.items():
        # Genes that a filter took out come last.
        ranked = peers[order].where(peers[adjusted].notna())
        yield {"method": method, **list_rates(peers[adjusted], ranked, peers[estimate], truth)}


def score_cell(path: Path) -> list[Row]:
    """Every method's row on one cell."""
    name = path.name.removeprefix("cell_").removesuffix(".csv.gz")
    known = read_cell(path)
    peers = pd.read_csv(path.with_name(f"peers_{name}.csv.gz")).set_index("id")
    peers = peers.reindex(range(1, len(known.truth) + 1))
    rows = (*rates_of(list(ours(known)), known), *peer_rates(peers, known.truth))
    return [_as_written(name, row) for row in rows]


def _as_written(name: str, row: Row) -> Row:
    """The columns that one draw can fill, and the prototype's mark to reach."""
    values = {key: f"{value:.6g}" for key, value in row.items() if key in COLUMNS and key != "method"}
    return {"cell": name, "method": row["method"], **values, "prototype_calls": PROTOTYPE_CALLS.get(name, "")}


def main() -> None:
    parser = command_line(__doc__, "given.csv")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    paths = sorted(options.folder.glob("cell_*.csv.gz"), key=lambda path: (len(path.name), path.name))
    rows: list[Row] = []
    with two_workers() as pool:
        for made in pool.map(score_cell, paths):
            show(made)
            rows += made
    write_rows(options.out, rows)


if __name__ == "__main__":
    main()
