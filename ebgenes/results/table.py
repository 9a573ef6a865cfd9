"""Posterior -> DataFrame: the one list of columns and their meaning."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ebgenes.analyses.replication import Repeat
from ebgenes.arrays import BoolArray, IntArray, TextArray
from ebgenes.errors import InputError, listing, nearest
from ebgenes.posteriors.fdr import (
    adjust_bh,
    equivalence_rate,
    list_rate,
    p_values,
    threshold_rate,
)
from ebgenes.records.counts import Screen
from ebgenes.records.effects import Effects, MultiDfEffects
from ebgenes.records.posterior import MultiDfPosterior, Posterior

COLUMNS = {
    "gene_id": "gene identifier, as in the input",
    "gene_name": "gene name (symbol) from the annotation; the identifier where there is none",
    "base_mean": "mean of normalized counts over all samples",
    "log2_fc": "no pooling: the gene's own maximum-likelihood effect, log2",
    "se": "standard error of log2_fc",
    "df": "degrees of freedom of se",
    "stat": "log2_fc / se",
    "p_value": "two-sided p-value of no effect, from the gene's own likelihood",
    "adj_p_value": "Benjamini-Hochberg adjustment of p_value",
    "post_mean": "partial pooling: posterior mean of the effect, log2",
    "post_sd": "posterior standard deviation of the effect",
    "ci_low": "lower end of the interval of the effect, of the kind report.interval_method names",
    "ci_high": "upper end of the interval",
    "lfdr": "local false discovery rate: P(null | data)",
    "q_value": "mean lfdr of this gene and all with a smaller one, and no less than its own from .475 on",
    "lfsr": "local false sign rate: P(sign wrong or null | data)",
    "s_value": "mean lfsr of this gene and all with a smaller one, and no less than its own from .475 on",
    "prob_up": "P(effect is real and > lfc_threshold | data)",
    "prob_down": "P(effect is real and < -lfc_threshold | data)",
    "pooled": "complete pooling: precision-weighted mean effect of all genes",
    "shrinkage": "1 - post_mean / log2_fc (1 where log2_fc is 0)",
    "status": "ok; outlier, to be read with care; without a result: low_count or all_zero; not_converged, the fit "
    "failed; no_information, any effect is as likely",
    "ci_low_changed": "lower end of the interval that the effect has if the gene is known to be changed; missing where "
    "no gene can be",
    "ci_high_changed": "upper end of that interval",
}
MULTI_DF_COLUMNS = {
    "leading_row": "the row most certain to differ from 0: the effect is its own, test and lfdr are of all rows",
    "signal": "rows whose lfsr is below report.level, with their signs",
    "pattern": "the prior's pattern of rows that is most probable; none: no row differs from 0",
}
"""Further columns of questions of several rows."""

THRESHOLD_COLUMNS = {
    "threshold_q": "mean of 1 - max(prob_up, prob_down) over this gene and all with a smaller one: false discovery "
    "rate of a list of effects beyond lfc_threshold",
    "equivalence_q": "mean of prob_up + prob_down over this gene and all with a smaller one: false discovery rate of a "
    "list of effects within lfc_threshold, unchanged genes among them",
}
"""Further columns where report.lfc_threshold is above 0."""

REPEAT_COLUMNS = {
    "repeat_listed": "P(a repeat of the study, with as many samples, lists the gene with the sign it has here)",
    "repeat_sign": "P(the estimate of a repeat has the sign it has here, listed or not)",
}
"""Further columns where report.replicates asks for further studies."""

ROW_COLUMNS = {
    "log2_fc": "as above, of this row",
    "se": "as above, of this row",
    "post_mean": "as above, of this row",
    "post_sd": "as above, of this row",
    "lfsr": "P(sign wrong or effect of this row 0 | data)",
}
"""Columns that each row has besides, named by `row_column`."""
STYLES = {
    "deseq2": {
        "base_mean": "baseMean", "log2_fc": "log2FoldChange", "se": "lfcSE", "p_value": "pvalue",
        "adj_p_value": "padj_BH",
    },
    "edger": {"log2_fc": "logFC", "p_value": "PValue", "adj_p_value": "FDR_BH"},
    "limma": {"log2_fc": "logFC", "stat": "t", "p_value": "P.Value", "adj_p_value": "adj.P.Val_BH", "df": "df.total"},
    "ashr": {
        "log2_fc": "betahat", "se": "sebetahat", "prob_down": "NegativeProb", "prob_up": "PositiveProb",
        "s_value": "svalue", "q_value": "qvalue", "post_mean": "PosteriorMean", "post_sd": "PosteriorSD",
    },
    "pertpy": {"gene_id": "variable", "log2_fc": "log_fc", "adj_p_value": "adj_p_value_BH"},
}  # fmt: skip
"""Names of columns in other tools' tables; columns they have no name for keep ours."""

LIST_RATES = {"deseq2": "padj", "edger": "FDR", "limma": "adj.P.Val", "pertpy": "adj_p_value"}
"""The column by which users of these tools cut their lists: it holds our `rate_column`, so that they cut ours."""

UNTESTED = ("low_count", "all_zero", "not_converged", "no_information")
"""Statuses of genes without a result: those that were not fitted and those whose fit failed."""

TEXT_COLUMNS = ("gene_id", "gene_name", "status")


def tested(table: pd.DataFrame) -> pd.Series[bool]:
    """Which rows of a result table hold results."""
    return ~table["status"].isin(UNTESTED)


def is_multi_df(table: pd.DataFrame) -> bool:
    """Whether a result table is of a question of several rows."""
    return "leading_row" in table


def error_column(table: pd.DataFrame) -> str:
    """The column of what may be wrong with a gene of the list: ``lfsr``, of several rows ``lfdr``."""
    return "lfdr" if is_multi_df(table) else "lfsr"


def rate_column(table: pd.DataFrame) -> str:
    """The column of the error rate that makes the list, `fdr.list_rate` of `error_column`."""
    return "q_value" if is_multi_df(table) else "s_value"


def rate_words(table: pd.DataFrame) -> str:
    """What that error rate is called."""
    return "false discovery rate" if is_multi_df(table) else "false sign rate"


def in_list(table: pd.DataFrame, level: float) -> BoolArray:
    """Which rows of a result table, (G,), are in the list at a level: the one that figures and reports speak of.

    The list is by signs, ``s_value < level`` (`fdr.list_rate`). Several rows of a gene have a sign each, and the list
    of such a table holds the genes with ``q_value < level``, of which some row differs from 0.
    """
    return np.asarray((table[rate_column(table)] < level) & tested(table))


def most_certain(table: pd.DataFrame) -> IntArray:
    """Places of the rows, (G,), the most certain first: by what may be wrong with them, ties by size of effect."""
    size = np.abs(table["post_mean"].to_numpy(dtype=float))
    return np.lexsort((-size, table[error_column(table)].to_numpy(dtype=float)))


def results_table(
    effects: Effects, posterior: Posterior, screen: Screen | None = None, *, repeat: Repeat | None = None
) -> pd.DataFrame:
    """One row for every gene, in the columns of `COLUMNS`.

    With a threshold above 0 those of `THRESHOLD_COLUMNS` follow, and with a repeat those of `REPEAT_COLUMNS`.

    Parameters
    ----------
    effects, posterior
        The same genes in the same order, (G,).
    screen
        Every gene of the input; genes that were not fitted get a row that holds their `status`
        and empty results, like those whose fit failed. None: just these and the fitted genes, whose names are
        their ids.
    repeat
        What a repeat of the study would make of the genes; see `ebgenes.repeat_of`.

    Returns
    -------
    DataFrame
        Rows in the input's order.
    """
    table = _fitted_table(effects, posterior)
    if posterior.threshold > 0:
        table["threshold_q"] = list_rate(threshold_rate(posterior.prob_up, posterior.prob_down))
        table["equivalence_q"] = list_rate(equivalence_rate(posterior.prob_up, posterior.prob_down))
    if repeat is not None:
        table["repeat_listed"], table["repeat_sign"] = repeat.listed, repeat.same_sign
    return _complete(table, effects, screen)


def _fitted_table(effects: Effects, posterior: Posterior) -> pd.DataFrame:
    """The rows of the genes that have an effect, (G,)."""
    precision = effects.se**-2.0
    statistic = effects.estimate / effects.se
    p_value = p_values(effects)
    with np.errstate(divide="ignore", invalid="ignore"):
        shrinkage = np.where(effects.estimate == 0, 1.0, 1 - posterior.mean / effects.estimate)
    return pd.DataFrame(
        {
            "gene_id": effects.gene,
            "gene_name": effects.gene,
            "base_mean": effects.base_mean,
            "log2_fc": effects.estimate,
            "se": effects.se,
            "df": effects.df,
            "stat": statistic,
            "p_value": p_value,
            "adj_p_value": adjust_bh(p_value),
            "post_mean": posterior.mean,
            "post_sd": posterior.sd,
            "ci_low": posterior.lower,
            "ci_high": posterior.upper,
            "ci_low_changed": posterior.lower_changed,
            "ci_high_changed": posterior.upper_changed,
            "lfdr": posterior.lfdr,
            "q_value": list_rate(posterior.lfdr),
            "lfsr": posterior.lfsr,
            "s_value": list_rate(posterior.lfsr),
            "prob_up": posterior.prob_up,
            "prob_down": posterior.prob_down,
            "pooled": float(np.sum(precision * effects.estimate) / np.sum(precision)),
            "shrinkage": shrinkage,
            "status": effects.status,
        },
        columns=list(COLUMNS),
    )


def _complete(fitted: pd.DataFrame, effects: Effects | MultiDfEffects, screen: Screen | None) -> pd.DataFrame:
    """A row for every gene of the fit or, with a screen, of the input."""
    failed = effects.failed
    if failed is not None:
        others = failed.others(len(fitted))
        fitted = fitted.set_axis(others).reindex(range(len(others) + len(failed.gene)))
        known = {"gene_id": failed.gene, "gene_name": failed.gene, "base_mean": failed.base_mean}
        for name, values in {**known, "status": failed.status}.items():
            fitted.loc[failed.place, name] = values
        texts = [name for name in MULTI_DF_COLUMNS if name in fitted]
        fitted[texts] = fitted[texts].fillna("")
    return fitted if screen is None else _every_gene(fitted, screen)


def _every_gene(fitted: pd.DataFrame, screen: Screen) -> pd.DataFrame:
    """A row for every gene of the input."""
    every = fitted.set_index("gene_id").reindex(screen.gene).reset_index(names="gene_id")
    every["gene_name"] = np.where(screen.name == "", screen.gene, screen.name)
    every["base_mean"] = screen.base_mean
    every["status"] = every["status"].where(screen.kept, screen.status)
    texts = [name for name in MULTI_DF_COLUMNS if name in every]
    every[texts] = every[texts].fillna("")
    return every[list(fitted.columns)]


def multi_df_table(
    effects: MultiDfEffects,
    posterior: MultiDfPosterior,
    top: tuple[Effects, Posterior],
    signal: TextArray,
    screen: Screen | None = None,
) -> pd.DataFrame:
    """One row for every gene, in the columns of `COLUMNS`, `MULTI_DF_COLUMNS` and, for each row, `ROW_COLUMNS`.

    Parameters
    ----------
    effects, posterior
        The same genes in the same order, (G,).
    top, signal
        What `ebgenes.analyses.multi_df.top_effects` and `signals` make of them.
    screen
        As in `results_table`.
    """
    table = _fitted_table(*top).assign(stat=effects.statistic)
    table["leading_row"] = effects.row[posterior.top_row]
    table["signal"] = signal
    table["pattern"] = posterior.pattern
    se = np.sqrt(np.einsum("grr->gr", effects.covariance))
    values = dict(zip(ROW_COLUMNS, (effects.estimate, se, posterior.mean, posterior.sd, posterior.lfsr), strict=True))
    rows = {row_column(name, row): known[:, r] for r, row in enumerate(effects.row) for name, known in values.items()}
    table = pd.concat([table, pd.DataFrame(rows)], axis=1)
    return _complete(table, effects, screen)


def row_column(name: str, row: str) -> str:
    """The column of one row's values."""
    return f"{name}: {row}"


def is_row_column(name: str) -> bool:
    """Whether a column holds one row's values."""
    return name.split(": ")[0] in ROW_COLUMNS and ": " in name


def restyle(table: pd.DataFrame, style: str) -> pd.DataFrame:
    """The same table with another tool's column names, and our `rate_column` where that tool's users look for it.

    Raises
    ------
    InputError
        For a style that is not one of `STYLES`.
    """
    if style not in STYLES:
        raise InputError(f"unknown style {style!r}; choose one of {listing(STYLES)}.{nearest(style, STYLES)}")
    renamed = table.rename(columns=STYLES[style])
    if style in LIST_RATES:
        place = list(table.columns).index("adj_p_value")
        renamed.insert(place, LIST_RATES[style], table[rate_column(table)])
    return renamed


def ranking(table: pd.DataFrame) -> pd.DataFrame:
    """Genes in order for enrichment analysis: from surely up to surely down.

    Returns
    -------
    DataFrame
        Columns ``gene``, its name, and ``score``, the sign of the posterior mean times -log10 lfsr; tested genes
        with a result, highest score first. Of genes that share a name the most certain stands for all.
    """
    judged = table[tested(table)]
    # The smallest normal number stands in for a rate of 0, so that no score is infinite.
    rate = np.maximum(judged["lfsr"].to_numpy(dtype=float), np.finfo(float).tiny)
    # Adding 0 turns the -0 of a rate of 1 into 0.
    score = np.sign(judged["post_mean"].to_numpy(dtype=float)) * -np.log10(rate) + 0.0
    name = judged["gene_name"].where(judged["gene_name"] != "", judged["gene_id"])
    known = np.flatnonzero(np.isfinite(score))
    known = known[np.argsort(-np.abs(score[known]), kind="stable")]
    ranked = pd.DataFrame({"gene": name.to_numpy()[known], "score": score[known]}).drop_duplicates("gene")
    return ranked.sort_values("score", ascending=False, kind="stable").reset_index(drop=True)


def sentence(table: pd.DataFrame, up_label: str, down_label: str, level: float = 0.05) -> str:
    """What was found and how sure we are, and what Benjamini and Hochberg's procedure finds at the same level."""
    judged = table[tested(table)]
    if judged.empty:
        return "no gene was tested."
    found = judged[in_list(judged, level)]
    n_adjusted = int((judged["adj_p_value"] < level).sum())
    beside = f"Benjamini-Hochberg on the same p-values lists {n_adjusted:,}"
    if is_multi_df(table):
        at, wrong = f"at a false discovery rate of {level:g}", "false"
        beside = f"{beside}."
    else:
        at, wrong = f"at a false sign rate of {level:g}, which counts unchanged genes as errors", "wrong"
        beside = f"{beside}, at a false discovery rate of {level:g}."
    if found.empty:
        rate = judged[rate_column(table)]
        best = int(np.argmin(rate))
        smallest = f"{rate_column(table).replace('_', '-')} is {rate.iloc[best]:.2g} ({judged['gene_name'].iloc[best]})"
        return f"none of {len(judged):,} tested genes differs {at}; the smallest {smallest}. {beside}"
    n_up = int((found["post_mean"] > 0).sum())
    n_down = int((found["post_mean"] < 0).sum())
    expected = float(found[error_column(table)].sum())
    about = f"about {expected:,.{1 if expected < 10 else 0}f}" if expected >= 0.05 else "fewer than 0.1"
    return (
        f"{len(found):,} of {len(judged):,} tested genes differ {at}: {n_up:,} {up_label}, {n_down:,} {down_label}; "
        f"{about} of them are expected to be {wrong}. {beside}"
    )
