"""Numbers of the page, packed small: quantised, byte by byte, gzip, base64. The twin of page/unpack.js."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ebgenes.arrays import FloatArray, IntArray
from ebgenes.data.principal_components import principal_components
from ebgenes.posteriors.fdr import COIN_TOSS
from ebgenes.prior.densities import slab_density
from ebgenes.records.counts import Counts, Study
from ebgenes.records.effects import Effects, MultiDfEffects
from ebgenes.records.posterior import MultiDfPosterior
from ebgenes.report.contents import GeneRows, Likelihoods, StudyLines
from ebgenes.report.words import UNTESTED_WORDS, printable
from ebgenes.results.table import COLUMNS, error_column, rate_column, tested

if TYPE_CHECKING:
    from ebgenes.report.contents import ContrastPage


MISSING, PLUS_INFINITY, MINUS_INFINITY = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


LARGEST = 2**30


EFFECT_STEP = 0.001
"""Log2 units that effects are cut to, towards 0: comparisons with multiples of it stay exact."""


ERROR_STEP = 0.0005
"""Log2 units that standard errors and posterior standard deviations are cut to."""


RATE_STEP = 1e-5
"""Step of -log10 of rates: 2e-5 relative."""


DF_STEP = 0.01


LOGLIK_STEP = 0.01


SHARE_STEP = 1e-4


MEAN_STEP = 1 / 512
"""Step of log2(1 + mean count)."""


COUNT_SCALE = 64
"""Counts are kept as multiples of 1/64 of log2(1 + count), .5% apart."""


MOST_ROW_VALUES = 150_000
"""Means and covariances of several rows on a page, by contrast; beyond, those of the most certain genes are kept."""


MOST_COUNTS = 1_500_000
"""Counts on a page; beyond, those of the most certain genes are kept."""


EFFECTS = ("log2_fc", "post_mean", "ci_low", "ci_high", "ci_low_changed", "ci_high_changed")


ERRORS = ("se", "post_sd")


RATES = ("p_value", "lfdr", "lfsr")


STATUSES = ("ok", "outlier")


DENSITY_NODES = 401


BEND = 5.0
"""Nodes of the prior's density lie at sinh(BEND u): dense around the mode, where narrow slabs are."""


_SHARED = ["gene_id", "gene_name", "base_mean", "status"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Payload:
    """What the page's script reads.

    Attributes
    ----------
    meta
        Plain values for JSON.
    blocks
        Base64 of gzip by the name of the element that holds it.
    """

    meta: dict[str, Any]
    blocks: dict[str, str]


def quantised(values: FloatArray, step: float) -> NDArray[np.uint8]:
    """Numbers (N,) cut towards 0 to multiples of a step; four planes of bytes, lowest first, (4 N,).

    A number's code is 0 for 0, else twice one more than its multiple, and one more yet below 0.
    """
    size = np.clip(np.nan_to_num(np.abs(values) / step, posinf=LARGEST), 0, LARGEST)
    # A multiple of the step may have come out an ulp below itself.
    multiple = np.where(np.isclose(size, np.rint(size), rtol=1e-13, atol=0), np.rint(size), np.trunc(size))
    code = np.where(values == 0, 0, 2 * (multiple + 1) + (values < 0)).astype(np.int64)
    code[np.isnan(values)] = MISSING
    code[np.isposinf(values)] = PLUS_INFINITY
    code[np.isneginf(values)] = MINUS_INFINITY
    planes = code.astype("<u4").view(np.uint8).reshape(-1, 4).T
    return np.ascontiguousarray(planes).ravel()


def packed(content: bytes | Sequence[NDArray[np.uint8]]) -> str:
    """Bytes as base64 of gzip, without a time inside."""
    raw = content if isinstance(content, bytes) else b"".join(each.tobytes() for each in content)
    return base64.b64encode(gzip.compress(raw, 6, mtime=0)).decode("ascii")


def stray_likelihoods(effects: Effects, *, off: float = 0.05, most: int = 2000) -> Likelihoods | None:
    """Likelihoods that differ from the t distribution of estimate, se and df by more than a share of their height.

    Parameters
    ----------
    effects
        Any effects; those without grids are t distributions.
    off
        This share.
    most
        So many genes at most, those that differ most.
    """
    if effects.grid is None or effects.loglik is None:
        return None
    loglik = effects.loglik - effects.loglik.max(axis=1, keepdims=True)
    u2 = ((effects.grid - effects.estimate[:, None]) / effects.se[:, None]) ** 2
    df = np.minimum(effects.df, LARGEST)[:, None]
    gap = np.abs(np.exp(loglik) - np.exp(-0.5 * (df + 1) * np.log1p(u2 / df))).max(axis=1)
    chosen = np.argsort(-gap, kind="stable")[:most]
    chosen = np.sort(chosen[gap[chosen] > off])
    return Likelihoods(gene=effects.gene[chosen], grid=effects.grid[chosen], loglik=loglik[chosen])


def gene_rows(effects: MultiDfEffects, posterior: MultiDfPosterior) -> GeneRows:
    """The rows of as many genes as a page has room for, the most certain."""
    n_rows = len(effects.row)
    most = max(MOST_ROW_VALUES // (n_rows + n_rows * (n_rows + 1) // 2), 1)
    chosen = np.argsort(posterior.lfdr, kind="stable")[:most]
    covariance = posterior.covariance[chosen] * np.outer(effects.unit, effects.unit)
    # An effect that is surely 0 has no variance, and a factor needs some.
    root = np.linalg.cholesky(covariance + ERROR_STEP**2 / 100 * np.eye(n_rows))
    return GeneRows(
        gene=effects.gene[chosen], row=effects.row, mean=posterior.mean[chosen] * effects.unit, root=np.asarray(root),
        unit=effects.unit, curve=effects.curve,
    )  # fmt: skip


def pack_page(pages: Sequence[ContrastPage], study: Study | None, dataset: str) -> Payload:
    """Everything the script needs of all contrasts.

    Parameters
    ----------
    pages
        The contrasts, in the order of the report.
    study
        The counts and their samples; None where there are none.
    dataset
        Its name.
    """
    known = pd.concat([page.table.loc[tested(page.table), _SHARED] for page in pages]).drop_duplicates("gene_id")
    rest = pd.concat([page.table[_SHARED] for page in pages]).drop_duplicates("gene_id")
    rest = rest[~rest["gene_id"].isin(known["gene_id"])]
    reasons = list(dict.fromkeys(rest["status"]))
    mean = np.log2(1 + known["base_mean"].to_numpy(dtype=float))
    blocks = {
        **_names("block", known),
        "block-mean": packed([quantised(mean, MEAN_STEP)]),
        **_names("block-untested", rest),
        "block-untested-status": packed(bytes(reasons.index(each) for each in rest["status"])),
    }
    row = pd.Index(known["gene_id"])
    contrasts = []
    for i, page in enumerate(pages):
        columns = _columns(page, row)
        blocks[f"block-contrast-{i}"] = packed([quantised(values, step) for values, step in columns.values()])
        steps = {name: step for name, (_, step) in columns.items()}
        told = {"block": f"block-contrast-{i}", "steps": steps, **_told(page)}
        if page.likelihoods is not None and len(page.likelihoods.gene):
            told["likelihoods"] = {"block": f"block-likelihoods-{i}", "step": LOGLIK_STEP, "effect_step": EFFECT_STEP}
            told["likelihoods"] |= dict(zip(("genes", "nodes"), page.likelihoods.grid.shape, strict=True))
            blocks[f"block-likelihoods-{i}"] = _likelihoods(page.likelihoods, row)
        if page.rows is not None:
            told["rows"] = {"block": f"block-rows-{i}", **_rows_told(page.rows)}
            blocks[f"block-rows-{i}"] = _rows(page.rows, row)
        if page.lines is not None:
            names = [printable(str(each)) for each in page.lines.study]
            each_step = [EFFECT_STEP, ERROR_STEP, EFFECT_STEP, ERROR_STEP]
            told["studies"] = {"block": f"block-studies-{i}", "names": names, "steps": each_step}
            told["studies"]["share_step"] = SHARE_STEP
            blocks[f"block-studies-{i}"] = _lines(page.lines, row)
        contrasts.append(told)
    meta = {
        "dataset": printable(dataset),
        "n_genes": len(known),
        "mean_step": MEAN_STEP,
        "statuses": STATUSES,
        "columns": COLUMNS,
        "coin_toss": COIN_TOSS,
        "reasons": [UNTESTED_WORDS.get(str(each), printable(str(each))) for each in reasons],
        "contrasts": contrasts,
        "samples": None if study is None else samples_told(study, [page.column for page in pages]),
    }
    if study is not None:
        shown = _shown_counts(pages, row, len(study.counts.sample))
        blocks["block-counts"] = _counts(study.counts, row if shown is None else row[shown])
        if shown is not None:
            blocks["block-counted"] = packed([quantised(shown.astype(float), 1.0)])
        n_shown = len(row) if shown is None else len(shown)
        meta["counts"] = {"genes": n_shown, "some": shown is not None, "scale": COUNT_SCALE}
    return Payload(meta=meta, blocks=blocks)


def _names(stem: str, genes: pd.DataFrame) -> dict[str, str]:
    """Ids and names, packed; a name that repeats the id is left out."""
    known = genes.fillna({"gene_name": ""})
    ids, names = ([printable(str(each)) for each in known[column]] for column in ("gene_id", "gene_name"))
    names = ["" if name == gene else name for gene, name in zip(ids, names, strict=True)]
    return {f"{stem}-ids": packed("\n".join(ids).encode()), f"{stem}-names": packed("\n".join(names).encode())}


def _columns(page: ContrastPage, row: pd.Index[str]) -> dict[str, tuple[FloatArray, float]]:
    """Packed columns of a contrast by name, (G,) each in the rows' order, and the step each is cut to."""
    fitted = page.table[tested(page.table)]
    place = row.get_indexer(pd.Index(fitted["gene_id"]))

    def spread(values: FloatArray) -> FloatArray:
        column = np.full(len(row), np.nan)
        column[place] = values
        return column

    columns = {name: (spread(fitted[name].to_numpy(dtype=float)), EFFECT_STEP) for name in EFFECTS}
    columns |= {name: (spread(fitted[name].to_numpy(dtype=float)), ERROR_STEP) for name in ERRORS}
    for name in RATES:
        with np.errstate(divide="ignore"):
            size = -np.log10(fitted[name].to_numpy(dtype=float)) + 0.0
        columns[f"log_{name}"] = spread(size), RATE_STEP
    columns["df"] = spread(fitted["df"].to_numpy(dtype=float)), DF_STEP
    code = [STATUSES.index(each) if each in STATUSES else 0 for each in fitted["status"]]
    columns["status"] = spread(np.array(code, dtype=float)), 1.0
    if page.prior.null_share is not None and len(page.prior.null_share) == len(fitted):
        columns["null_share"] = spread(page.prior.null_share), SHARE_STEP
    return columns


def _likelihoods(known: Likelihoods, row: pd.Index[str]) -> str:
    """Rows of the genes, then their nodes and log likelihoods, node by node."""
    place = row.get_indexer(pd.Index(known.gene)).astype(float)
    nodes = [quantised(each, EFFECT_STEP) for each in known.grid.T]
    return packed([quantised(place, 1.0), *nodes, *(quantised(each, LOGLIK_STEP) for each in known.loglik.T)])


def _rows(known: GeneRows, row: pd.Index[str]) -> str:
    """Places of the genes, then the means row by row and the roots' entries, lower triangle row by row."""
    place = row.get_indexer(pd.Index(known.gene)).astype(float)
    lower = np.tril_indices(len(known.row))
    values = [*known.mean.T, *known.root[:, lower[0], lower[1]].T]
    return packed([quantised(place, 1.0), *(quantised(each, ERROR_STEP) for each in values)])


def _rows_told(known: GeneRows) -> dict[str, Any]:
    """What the script says of several rows, and of which sums of them a curve is made."""
    curve = known.curve
    told: dict[str, Any] = {
        "genes": len(known.gene),
        "step": ERROR_STEP,
        "row": [printable(name) for name in known.row],
        "unit": known.unit.tolist(),
        "curve": None,
    }
    if curve is not None:
        told["curve"] = {
            "column": printable(curve.column),
            "dense": curve.dense,
            "x": curve.x.tolist(),
            "series": [printable(name) for name in curve.series],
            "weight": [[float(f"{each:.6g}") for each in values] for values in curve.weight / known.unit],
        }
    return told


def _lines(known: StudyLines, row: pd.Index[str]) -> str:
    """Shares of each gene, then estimate, standard error, posterior mean and sd of every study, in the rows' order."""
    place = row.get_indexer(pd.Index(known.gene))
    values = [(known.i2, SHARE_STEP), (known.signs_differ, SHARE_STEP)]
    for s in range(len(known.study)):
        pairs = (
            (known.estimate, EFFECT_STEP),
            (known.se, ERROR_STEP),
            (known.mean, EFFECT_STEP),
            (known.sd, ERROR_STEP),
        )
        values += [(each[:, s], step) for each, step in pairs]
    columns = []
    for each, step in values:
        column = np.full(len(row), np.nan)
        column[place] = each
        columns.append(quantised(column, step))
    return packed(columns)


def _told(page: ContrastPage) -> dict[str, Any]:
    """What the script says of a contrast, and its prior as a curve."""
    prior = page.prior
    # A likelihood without an end, of a gene with a group of zeros, leads beyond every estimate.
    effect = page.table[["log2_fc", "ci_low", "ci_high"]].to_numpy(dtype=float)
    reach = 2 + 1.5 * float(np.abs(effect[np.isfinite(effect)] - prior.mode).max(initial=0.0))
    density = slab_density(prior, prior.mode + reach * bent_nodes())
    return {
        **{name: printable(getattr(page, name)) for name in ("name", "up_label", "down_label", "formula")},
        **{name: getattr(page, name) for name in ("level", "interval", "threshold")},
        # What makes the list, and what tells how certain a gene is.
        "rate": rate_column(page.table),
        "error": error_column(page.table),
        "prior": {
            "pi0": prior.pi0,
            "null_sd": prior.null_sd,
            "mode": prior.mode,
            "reach": reach,
            "density": [float(f"{height:.4g}") for height in density],
        },
    }


def bent_nodes() -> FloatArray:
    """From -1 to 1, dense around 0, (DENSITY_NODES,)."""
    return np.asarray(np.sinh(BEND * np.linspace(-1, 1, DENSITY_NODES)) / np.sinh(BEND))


def _shown_counts(pages: Sequence[ContrastPage], row: pd.Index[str], n_samples: int) -> IntArray | None:
    """Rows of the genes whose counts are on the page, (N,); None where all are."""
    room = max(MOST_COUNTS // max(n_samples, 1), 1)
    if len(row) <= room:
        return None
    errors = [page.table.set_index("gene_id")[error_column(page.table)] for page in pages]
    least = pd.concat(errors).groupby(level=0).min().reindex(row).to_numpy(dtype=float)
    return np.sort(np.argsort(np.where(np.isnan(least), np.inf, least), kind="stable")[:room])


def _counts(counts: Counts, genes: pd.Index[str]) -> str:
    """Normalized counts as the middle of each gene, then each sample's distance from it."""
    place = pd.Index(counts.gene).get_indexer(genes)
    size = np.exp(cast(FloatArray, counts.log_size))
    size = size[place] if size.ndim == 2 else size
    level = np.rint(COUNT_SCALE * np.log2(1 + counts.count[place] / size))
    level[place < 0] = np.nan
    middle = np.rint(np.median(level, axis=1))
    return packed([quantised(each, 1.0) for each in (middle, *(level - middle[:, None]).T)])


def samples_told(study: Study, columns: Sequence[str | None]) -> dict[str, Any]:
    """The samples: what the sheet says, how deep each is, and how they lie to each other."""
    score, share = principal_components(study.counts)
    sheet = {
        printable(str(name)): [printable(str(each)) for each in study.samples[name]] for name in study.samples.columns
    }
    names = [printable(str(name)) for name in study.counts.sample]
    sheet = sheet or {"sample": names}
    asked = [printable(column) for column in columns if column is not None]
    return {
        "name": names,
        "sheet": sheet,
        "column": asked[0] if asked else next(iter(sheet)),
        "library": study.counts.count.sum(axis=0).tolist(),
        "score": [[float(f"{each:.5g}") for each in row] for row in score],
        "share": [float(f"{each:.5g}") for each in share],
    }
