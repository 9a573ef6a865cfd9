"""Every method's answer to a set, as frames of the columns `COLUMNS`, a row for each gene."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import os
import subprocess
import warnings
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from rates import LEVEL
from sets import KnownSet

import ebgenes as eb
from ebgenes.records.effects import Effects
from ebgenes.records.prior import MixturePrior
from ebgenes.results.table import in_list

HERE = Path(__file__).parent
COLUMNS = ("adjusted", "order", "estimate", "low", "high", "p_value", "lfdr")
"""What lists go by and how they rank; effects and ends of 95% intervals, log2; p-value and lfdr where there are any."""

Answer = tuple[str, pd.DataFrame]

FAMILIES = {"point_normal": "estimated", "npmle": "fixed"}
"""Prior families beside the default one, and the null that each is fitted with: npmle's would take minutes."""

SWEEPS = {"chains": 2, "draws": 200, "warmup": 100}


def frame(**column: Any) -> pd.DataFrame:
    """Columns that a method does not have are missing."""
    table = pd.DataFrame({name: column[name] for name in COLUMNS if name in column})
    return table.reset_index(drop=True).reindex(columns=list(COLUMNS)).astype(float)


def by_s(table: pd.DataFrame) -> pd.DataFrame:
    """The list that is given by default, whose genes have more certain signs than a coin's besides."""
    listed = table["s_value"].where(in_list(table, LEVEL), 1.0)
    return _ours(table, listed, table["lfsr"])


def by_q(table: pd.DataFrame) -> pd.DataFrame:
    return _ours(table, table["q_value"], table["lfdr"])


def _ours(table: pd.DataFrame, adjusted: pd.Series, order: pd.Series) -> pd.DataFrame:
    return frame(
        adjusted=adjusted,
        order=order,
        estimate=table["post_mean"],
        low=table["ci_low"],
        high=table["ci_high"],
        lfdr=table["lfdr"],
    )


def by_p(table: pd.DataFrame) -> pd.DataFrame:
    return frame(
        adjusted=table["adj_p_value"], order=table["p_value"], estimate=table["log2_fc"], p_value=table["p_value"]
    )


def ours(known: KnownSet) -> Iterator[Answer]:
    """Both engines; of the default one the default prior, others, one with a covariate, and draws."""
    effects = eb.fit_effects(known.counts, known.design)
    fit = eb.fit_em(effects)
    table = eb.results_table(effects, eb.posterior(effects, fit.prior))
    yield "likelihood", by_s(table)
    yield "likelihood, q-value", by_q(table)
    yield "likelihood, BH", by_p(table)
    asked = eb.build_covariates(effects.gene, {"base_mean": effects.base_mean}, ["base_mean"])
    yield "likelihood, covariate base_mean", _under(effects, eb.fit_em(effects, covariates=asked).prior)
    for family, null in FAMILIES.items():
        yield f"likelihood, {family}", _under(effects, eb.fit_em(effects, family=family, null=null).prior)
    draws = eb.draw_gibbs(effects, fit, seed=1, **SWEEPS)
    yield "likelihood, Gibbs", by_s(eb.results_table(effects, eb.full_posterior(effects, draws)))
    effects = eb.fit_effects(known.counts, known.design, engine="moderated_t")
    table = eb.results_table(effects, eb.posterior(effects, eb.fit_em(effects).prior))
    yield "moderated_t", by_s(table)
    yield "moderated_t, BH", by_p(table)


def _under(effects: Effects, prior: MixturePrior) -> pd.DataFrame:
    return by_s(eb.results_table(effects, eb.posterior(effects, prior)))


def of_deseq2(found: pd.DataFrame, adjusted: pd.Series) -> pd.DataFrame:
    """The answer of a port of DESeq2; genes that it filters have no adjusted p-value and no place in its order."""
    half = 1.96 * found["lfcSE"]
    return frame(
        adjusted=adjusted,
        order=found["pvalue"].where(adjusted.notna()),
        estimate=found["log2FoldChange"],
        low=found["log2FoldChange"] - half,
        high=found["log2FoldChange"] + half,
        p_value=found["pvalue"],
    )


def pydeseq2(known: KnownSet) -> Iterator[Answer]:
    from pydeseq2.dds import DeseqDataSet
    from pydeseq2.ds import DeseqStats

    design = pd.DataFrame(known.design.matrix, known.counts.sample, known.design.coefficient)
    counts = pd.DataFrame(known.counts.count.T, known.counts.sample, known.counts.gene)
    fitted = DeseqDataSet(counts=counts, metadata=design, design=design, quiet=True, n_cpus=1)
    fitted.deseq2()
    stats = DeseqStats(fitted, contrast=last(known), quiet=True, n_cpus=1)
    stats.summary()
    found = stats.results_df
    yield (
        f"PyDESeq2 {version('pydeseq2')}, filtered BH",
        of_deseq2(found, found["padj"]),
    )


def last(known: KnownSet) -> np.ndarray:
    """The contrast that takes the design's last column."""
    return np.eye(known.design.matrix.shape[1])[-1]


def inmoose(known: KnownSet) -> Iterator[Answer]:
    from inmoose import deseq2

    names = [f"x{i}" for i in range(known.design.matrix.shape[1])]
    columns = pd.DataFrame(known.design.matrix, known.counts.sample, names)
    formula = "0 + " + " + ".join(names)
    counts = pd.DataFrame(known.counts.count.T, known.counts.sample, known.counts.gene)
    found = deseq2.DESeq(deseq2.DESeqDataSet(counts, columns, design=f"~ {formula}")).results()
    name = f"InMoose {version('inmoose')}"
    yield (
        f"{name}, deseq2, filtered BH",
        of_deseq2(found, found["adj_pvalue"]),
    )


PYTHON_PEERS = {"pydeseq2": pydeseq2, "inmoose": inmoose}


def absent(party: str) -> str | None:
    """Why a party cannot take part."""
    if party == "R":
        asked = "for (p in c('DESeq2', 'edgeR', 'limma')) stopifnot(requireNamespace(p, quietly = TRUE))"
        try:
            subprocess.run(["Rscript", "-e", asked], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            return "Rscript with DESeq2, edgeR and limma is not installed"
    elif party in PYTHON_PEERS and importlib.util.find_spec(party) is None:
        return f"{party} is not installed (pip install -e '.[benchmarks]')"
    return None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Peers tell much of each step."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def write_set(known: KnownSet, folder: Path) -> None:
    """The set as the R scripts read it: counts, and a design whose last column is tested."""
    folder.mkdir()
    pd.DataFrame(known.counts.count, known.counts.gene, known.counts.sample).to_csv(folder / "counts.csv")
    pd.DataFrame(known.design.matrix, known.design.sample, known.design.coefficient).to_csv(folder / "design.csv")


def answers_in_r(script: str, known: Sequence[KnownSet]) -> Iterator[list[Answer]]:
    """Answers of every method of an R script to each set, in one process of R."""
    return answers_of(["Rscript", str(HERE / script)], known)


def answers_of(command: list[str], known: Sequence[KnownSet]) -> Iterator[list[Answer]]:
    """Answers of every method of a command that takes folders of sets and writes results.csv into each."""
    with TemporaryDirectory() as name:
        folders = [Path(name) / f"set_{k}" for k in range(len(known))]
        for one, folder in zip(known, folders, strict=True):
            write_set(one, folder)
        subprocess.run([*command, *map(str, folders)], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        for folder in folders:
            found = pd.read_csv(folder / "results.csv")
            yield [(str(method), frame(**table)) for method, table in found.groupby("method", sort=False)]
