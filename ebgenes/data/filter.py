"""Which samples and genes are used, and how much is counted of each gene."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ebgenes.arrays import BoolArray, IntArray, TextArray, text_array
from ebgenes.errors import InputError
from ebgenes.records.counts import Counts, Screen
from ebgenes.records.design import Design


def smallest_group(design: Design) -> int:
    """How many samples a gene must be seen in: one over the largest leverage, rounded up.

    In a one-factor design this is the size of the smallest group; it needs no contrast, so adding
    one changes no gene's fate. Source: Chen, Lun and Smyth (2016), F1000Research 5, 1438.
    """
    orthonormal, _ = np.linalg.qr(design.matrix)
    leverage = np.sum(orthonormal**2, axis=1)
    return int(np.ceil(1 / leverage.max() - 1e-8))


def screen_genes(
    counts: Counts,
    design: Design,
    *,
    min_count: int = 10,
    min_samples: int | None = None,
    name: dict[str, str] | None = None,
) -> Screen:
    """Decide for every gene whether its counts can say anything.

    Parameters
    ----------
    counts
        G genes, S samples.
    design
        For `smallest_group`.
    min_count, min_samples
        Kept are genes with at least `min_count` reads in at least `min_samples` samples; None: in
        as many samples as the smallest group has.
    name
        Gene names by id; ids that are missing get an empty name.

    Returns
    -------
    Screen
        Its `base_mean` is that of the raw counts until `with_base_mean`.

    Raises
    ------
    InputError
        Where no gene is left.
    """
    needed = smallest_group(design) if min_samples is None else min_samples
    expressed = np.sum(counts.count >= min_count, axis=1) >= needed
    empty = _uncounted(counts)
    # Even with min_count 0, a gene without a read has no effect to speak of.
    status = np.where(empty, "all_zero", np.where(expressed, "ok", "low_count"))
    if not np.any(status == "ok"):
        raise InputError(
            f"the filter keeps 0 of {len(status)} genes (none has {min_count} reads in {needed} samples). "
            "Lower keep.min_count or keep.min_samples, and check that the counts are raw counts."
        )
    names = name or {}
    return Screen(
        gene=counts.gene,
        status=status,
        base_mean=counts.count.mean(axis=1),
        name=text_array(names.get(gene, "") for gene in counts.gene),
    )


def keep_expressed(counts: Counts, screen: Screen) -> Counts:
    """The genes whose status is ok, in the same order."""
    return of_genes(counts, screen.kept)


def of_genes(counts: Counts, genes: BoolArray | IntArray | slice) -> Counts:
    """Counts of some genes; size factors stay as they are."""
    log_size = counts.log_size
    if log_size is not None and log_size.ndim == 2:
        log_size = log_size[genes]
    length = None if counts.length is None else counts.length[genes]
    return replace(counts, gene=counts.gene[genes], count=counts.count[genes], log_size=log_size, length=length)


def require_distinct(counts: Counts) -> None:
    """Refuse samples that repeat one another: they would pass for replicates that agree perfectly.

    Raises
    ------
    InputError
        Where a sample has the same count as an earlier one in every gene.
    """
    # Samples with different totals differ; few others need a second look.
    total = counts.count.sum(axis=0)
    copies = []
    for i, name in enumerate(counts.sample):
        for j in np.flatnonzero(total[:i] == total[i]):
            if np.array_equal(counts.count[:, i], counts.count[:, j]):
                copies.append(f"{name}, which equals {counts.sample[j]}")
                break
    if copies:
        raise InputError(
            f"{len(copies)} of {len(counts.sample)} samples have the same count as another in every gene "
            f"(first: {copies[0]}). Are replicates copies of one another? Count each sample once."
        )


def require_counted(counts: Counts) -> None:
    """Refuse genes without any count, of which no effect can be told.

    Raises
    ------
    InputError
        Where a gene has 0 in every sample.
    """
    empty = _uncounted(counts)
    if empty.any():
        raise InputError(
            f"{int(empty.sum())} of {len(empty)} genes have no count in any sample (first: {counts.gene[empty][0]}). "
            "Leave them out with keep_expressed(counts, screen_genes(counts, design))."
        )


def _uncounted(counts: Counts) -> BoolArray:
    """Genes with 0 in every sample, (G,)."""
    return np.asarray(counts.count.max(axis=1, initial=0) == 0)


def match_samples(counts: Counts, sheet: TextArray) -> Counts:
    """Counts with their samples in the sheet's order.

    Raises
    ------
    InputError
        Where sheet and counts do not name the same samples.
    """
    column = {name: i for i, name in enumerate(counts.sample)}
    listed = set(sheet)
    absent = [name for name in sheet if name not in column]
    extra = [name for name in counts.sample if name not in listed]
    if absent or extra:
        parts = [
            f"{len(names)} {where} (first: {names[0]})"
            for names, where in ((absent, "in the sheet only"), (extra, "in the counts only"))
            if names
        ]
        raise InputError(
            f"the sample sheet and the counts name different samples: {'; '.join(parts)}. "
            "The sheet's first column must hold the counts' column names, each once."
        )
    order = [column[name] for name in sheet]
    if order == list(range(len(counts.sample))):
        return counts
    log_size = counts.log_size
    if log_size is not None:
        log_size = log_size[..., order]
    length = None if counts.length is None else counts.length[:, order]
    return replace(counts, sample=sheet, count=counts.count[:, order], log_size=log_size, length=length)
