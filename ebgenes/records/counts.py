"""Counts, which genes are tested, and the two with the sheet and design of a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ebgenes.arrays import BoolArray, FloatArray, IntArray, TextArray
from ebgenes.records.fields import as_floats, as_text, fill, is_frozen, require_shape

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Counts:
    """Raw counts of G genes in S samples.

    Attributes
    ----------
    gene, sample
        Unique names, text, (G,) and (S,).
    count
        Whole numbers >= 0, (G, S), int64, C order: a kernel walks one gene.
    log_size
        Natural log of the size factors, (S,), or of gene-wise offsets, (G, S); None before
        normalization. ``count / exp(log_size)`` is comparable across samples.
    length
        Average transcript lengths, (G, S), where transcripts were quantified; else None.
    sizes_given
        Whether the sizes are a user's own, or of genes that a user named, which nothing moves. None: nobody said;
        offsets without lengths are.
    """

    gene: TextArray
    sample: TextArray
    count: IntArray
    log_size: FloatArray | None = None
    length: FloatArray | None = None
    sizes_given: bool | None = None

    def __post_init__(self) -> None:
        count = self.count
        # What a record holds already is shared: counts of many samples are most of a fit's memory.
        if not (isinstance(count, np.ndarray) and count.dtype == np.int64 and is_frozen(count)):
            count = np.array(count, dtype=np.int64, order="C")
            count.flags.writeable = False
        log_size, length = (None if each is None else as_floats(each) for each in (self.log_size, self.length))
        fill(
            self,
            gene=as_text(self.gene),
            sample=as_text(self.sample),
            count=count,
            log_size=log_size,
            length=length,
        )
        n_genes, n_samples = len(self.gene), len(self.sample)
        require_shape(self, count=(n_genes, n_samples), length=(n_genes, n_samples))
        if log_size is not None and log_size.ndim == 1:
            require_shape(self, log_size=(n_samples,))
        else:
            require_shape(self, log_size=(n_genes, n_samples))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Screen:
    """What became of every gene of the input, kept or not.

    Attributes
    ----------
    gene
        Every gene id in the input's order, (G,).
    status
        ``ok``, ``low_count`` or ``all_zero``, (G,).
    base_mean
        Mean of normalized counts, (G,).
    name
        Gene names (symbols), (G,); empty text where there is none.
    """

    gene: TextArray
    status: TextArray
    base_mean: FloatArray
    name: TextArray

    def __post_init__(self) -> None:
        fill(
            self,
            gene=as_text(self.gene),
            status=as_text(self.status),
            base_mean=as_floats(self.base_mean),
            name=as_text(self.name),
        )
        shape = (len(self.gene),)
        require_shape(self, status=shape, base_mean=shape, name=shape)

    @property
    def kept(self) -> BoolArray:
        """Which genes go on to the fit, (G,)."""
        return np.asarray(self.status == "ok", dtype=bool)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Study:
    """A dataset ready for any contrast: what ``counts.h5ad`` holds.

    Attributes
    ----------
    counts
        Normalized counts of the kept genes.
    samples
        The sample sheet, indexed by sample name, in the counts' order.
    screen
        Every gene of the input and its status.
    notes
        What was done to the user's files, a sentence each.
    """

    counts: Counts
    samples: pd.DataFrame
    screen: Screen
    notes: tuple[str, ...] = ()
