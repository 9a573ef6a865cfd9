"""Raw counts -> the genes worth fitting, on a common scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ebgenes.arrays import BoolArray, FloatArray, IntArray, TextArray
from ebgenes.data.filter import of_genes
from ebgenes.errors import InputError, listing
from ebgenes.records.counts import Counts, Screen

NORMALIZATIONS = ("median_ratio", "poscounts", "tmm", "tmmwsp")


LARGEST_FACTOR = 1e40
"""Size factors beyond it, or its inverse, are no sizes of samples."""


def given_sizes(counts: Counts) -> bool:
    """Whether counts are compared by sizes that a user gave, or of genes that a user named, which nothing moves."""
    if counts.sizes_given is not None:
        return counts.sizes_given
    return counts.log_size is not None and counts.log_size.ndim == 2 and counts.length is None


def normalize(
    counts: Counts, method: str = "median_ratio", *, controls: TextArray | Sequence[str] | None = None
) -> Counts:
    """Counts with size factors; counts that bring sizes of their own keep them.

    Counts of genes with average transcript lengths get an offset for each gene and sample: size factors are those of
    counts per length, and a longer gene is expected to have more reads.

    Parameters
    ----------
    counts
        G genes, S samples.
    method
        ``median_ratio`` (DESeq2's default), ``poscounts`` (DESeq2's for sparse data), ``tmm`` or
        ``tmmwsp`` (edgeR's).
    controls
        Ids of genes that are the same in all samples (spike-ins, housekeeping genes): size factors are theirs, as with
        DESeq2's ``controlGenes``, and count as given. None: all genes tell them.

    Raises
    ------
    InputError
        For an unknown method, a sample without a read (of the controls, where there are some), no gene to compare
        samples by, no control among the genes, or controls beside sizes that counts bring.

    Notes
    -----
    Source of the length offsets: Soneson, Love and Robinson (2015), F1000Research 4, 1521; centred as DESeq2's
    normalization factors are.
    """
    if counts.log_size is not None:
        if controls is not None:
            raise InputError("the counts bring size factors or offsets. Leave these out, or the control genes.")
        return counts
    _require_reads(counts)
    telling = counts if controls is None else of_genes(counts, _controls_among(counts, controls))
    given = controls is not None
    if counts.length is None or telling.length is None:
        return replace(counts, log_size=np.log(_size_factors(telling.count, method)), sizes_given=given)
    log_factor = np.log(_size_factors(telling.count / np.exp(_relative_length(telling.length)), method))
    return replace(counts, log_size=_beside_lengths(counts.length, log_factor), sizes_given=given)


def _beside_lengths(length: FloatArray, log_factor: FloatArray) -> FloatArray:
    """Offsets of genes with lengths, (G, S), of size factors, (S,)."""
    return np.asarray(_relative_length(length) + (log_factor - log_factor.mean()))


def _controls_among(counts: Counts, controls: TextArray | Sequence[str]) -> BoolArray:
    """Which genes are controls, (G,), every sample having reads of theirs."""
    known = np.isin(counts.gene.astype(str), np.asarray(controls).astype(str))
    if not known.any():
        raise InputError(
            f"none of {len(controls)} control genes that size factors are to come from is among the "
            f"{len(counts.gene)} genes that were kept (first controls: {listing(controls, 3)}; first genes: "
            f"{listing(counts.gene, 3)}). Do the ids match, and do the controls have reads enough?"
        )
    empty = counts.count[known].sum(axis=0) == 0
    if empty.any():
        raise InputError(
            f"{int(empty.sum())} of {len(empty)} samples have no reads of the {int(known.sum())} control genes that "
            f"size factors are to come from (first: {counts.sample[empty][0]}). Were the controls added to every "
            "sample? Name others, or leave these samples out of the sheet and the counts."
        )
    return np.asarray(known)


def _relative_length(length: FloatArray) -> FloatArray:
    """Log lengths less their mean over samples, (G, S)."""
    log_length = np.log(length)
    return np.asarray(log_length - log_length.mean(axis=1, keepdims=True))


def _size_factors(count: IntArray | FloatArray, method: str) -> FloatArray:
    if method == "median_ratio":
        return median_ratio(count)
    if method == "poscounts":
        return poscounts(count)
    if method in ("tmm", "tmmwsp"):
        return effective_size(count, tmm(count, singletons=method == "tmmwsp"))
    raise InputError(f"unknown normalization {method!r}; choose one of {', '.join(NORMALIZATIONS)}.")


def with_offsets(counts: Counts, offset: FloatArray) -> Counts:
    """Counts on the user's own scale.

    Parameters
    ----------
    counts
        G genes, S samples.
    offset
        Natural-log offsets, (G, S): the mean is ``exp(offset)`` times the gene's level. Each
        gene's are centred on 0, so that its base mean stays on the scale of its counts.
    """
    return replace(counts, log_size=offset - offset.mean(axis=1, keepdims=True), sizes_given=True)


def with_size_factors(counts: Counts, factor: FloatArray | Sequence[float]) -> Counts:
    """Counts whose samples have the user's own size factors; lengths of transcripts are allowed for beside them.

    Parameters
    ----------
    counts
        G genes, S samples.
    factor
        One a sample, (S,), in any unit: they are divided by their geometric mean, so that base means stay on the
        scale of the counts.

    Raises
    ------
    InputError
        Where there is not one a sample, or one is not a finite number above 0.
    """
    value = np.asarray(factor, dtype=float)
    if value.shape != counts.sample.shape:
        raise InputError(f"there are {value.size} size factors and {len(counts.sample)} samples. Give one a sample.")
    require_factors(value, value, counts.sample)
    log_factor = np.log(value) - np.log(value).mean()
    log_size = log_factor if counts.length is None else _beside_lengths(counts.length, log_factor)
    return replace(counts, log_size=log_size, sizes_given=True)


def require_factors(factor: FloatArray, shown: Sequence[object] | FloatArray, sample: TextArray) -> None:
    """Refuse what cannot be size factors of samples, all (S,), told as they are shown.

    Raises
    ------
    InputError
        Where one is not a finite number above 0, or far out of any range.
    """
    with np.errstate(invalid="ignore"):
        bad = ~((factor > 0) & (factor >= 1 / LARGEST_FACTOR) & (factor <= LARGEST_FACTOR))
    if bad.any():
        first = int(np.argmax(bad))
        raise InputError(
            f"size factors must be finite numbers above 0; {int(bad.sum())} of {len(bad)} samples have none (first: "
            f"{sample[first]}: {str(shown[first])[:40]!r}). Give the factors themselves, not their logarithms."
        )


def _require_reads(counts: Counts) -> None:
    empty = counts.count.sum(axis=0) == 0
    if empty.any():
        raise InputError(
            f"{int(empty.sum())} of {len(empty)} samples have no reads at all in the kept genes "
            f"(first: {counts.sample[empty][0]}). Remove them from the sheet and the counts."
        )


def base_mean(counts: Counts) -> FloatArray:
    """Mean of normalized counts, (G,)."""
    if counts.log_size is None:
        raise ValueError("base_mean needs normalized counts")
    return np.asarray(np.mean(counts.count / np.exp(counts.log_size), axis=1))


def with_base_mean(screen: Screen, counts: Counts, kept: Counts) -> Screen:
    """The screen of `counts` with every gene's mean on the scale of the normalized `kept` counts."""
    log_size = counts.log_size if counts.log_size is not None else kept.log_size
    if counts.length is not None and kept.length is not None and counts.log_size is None and log_size is not None:
        # Beside its lengths every gene has the same size factors.
        log_size = _relative_length(counts.length) + (log_size[0] - _relative_length(kept.length[:1])[0])
    return replace(screen, base_mean=base_mean(replace(counts, log_size=log_size)))


def library_size(counts: Counts) -> FloatArray:
    """Effective library sizes: size factors times the geometric mean of the libraries, (S,) or (G, S)."""
    if counts.log_size is None:
        raise ValueError("library_size needs normalized counts")
    return np.asarray(np.exp(counts.log_size + np.mean(np.log(counts.count.sum(axis=0)))))


GENES_AT_A_TIME = 1024


def median_ratio(count: IntArray | FloatArray) -> FloatArray:
    """Size factors, (S,): median ratio to the geometric mean over genes seen in every sample.

    Source: Anders and Huber (2010), Genome Biol. 11, R106, equation 5.
    """
    common = count[np.all(count > 0, axis=1)]
    if len(common) == 0:
        raise InputError(
            f"every one of {len(count)} genes has a zero in some sample, so there is no gene to compare all "
            "samples by. Use normalization: poscounts (or tmmwsp)."
        )
    # By blocks of genes and then by samples: arrays as large as all counts cost more than the sums.
    blocks = np.array_split(common, len(common) // GENES_AT_A_TIME + 1)
    mean = np.exp(np.concatenate([np.log(block).mean(axis=1) for block in blocks]))
    return np.array([_median_on_log_scale(column / mean) for column in np.ascontiguousarray(common.T)])


def _median_on_log_scale(value: FloatArray) -> float:
    """The middle value, or the geometric mean of the two."""
    low, high = (len(value) - 1) // 2, len(value) // 2
    ordered = np.partition(value, (low, high))
    return float(np.sqrt(ordered[low] * ordered[high]))


def poscounts(count: IntArray | FloatArray) -> FloatArray:
    """Size factors, (S,): median ratio over each sample's positive counts.

    The reference of a gene is the S-th root of the product of its positive counts (the modified
    geometric mean of phyloseq that DESeq2's ``type="poscounts"`` takes).
    """
    log_count = np.log(count, out=np.zeros(count.shape), where=count > 0)
    ratio = log_count - log_count.mean(axis=1, keepdims=True)
    ratio[count == 0] = np.nan
    return np.asarray(np.exp(np.nanmedian(ratio, axis=0)))


def effective_size(count: IntArray | FloatArray, norm_factor: FloatArray) -> FloatArray:
    """Library size times normalization factor, with geometric mean 1, (S,)."""
    log_size = np.log(count.sum(axis=0)) + np.log(norm_factor)
    return np.asarray(np.exp(log_size - log_size.mean()))


def tmm(count: IntArray | FloatArray, *, singletons: bool = False) -> FloatArray:
    """Normalization factors of the trimmed mean of M-values, (S,), geometric mean 1.

    Parameters
    ----------
    count
        (G, S).
    singletons
        True: genes seen in just one of the two libraries compared are paired by size (TMMwsp, for
        sparse data); False: they are left out (TMM).

    Notes
    -----
    Sources: Robinson and Oshlack (2010), Genome Biol. 11, R25; edgeR's documentation of
    ``normLibSizes`` for the choice of reference and for TMMwsp.
    """
    seen = count[count.any(axis=1)]
    library = count.sum(axis=0).astype(float)
    reference = _reference_sample(seen, library, singletons)
    pair = _paired_singletons if singletons else _seen_in_both
    log_factor = np.array(
        [
            _trimmed_mean(
                *pair(column.astype(float), seen[:, reference].astype(float)), size, library[reference], singletons
            )
            for column, size in zip(seen.T, library, strict=True)
        ]
    )
    return np.asarray(np.exp2(log_factor - log_factor.mean()))


def _reference_sample(count: IntArray | FloatArray, library: FloatArray, singletons: bool) -> int:
    upper_quartile = np.quantile(count, 0.75, axis=0) / library
    if singletons or np.median(upper_quartile) < 1e-20:
        return int(np.argmax(np.sqrt(count).sum(axis=0)))
    return int(np.argmin(np.abs(upper_quartile - upper_quartile.mean())))


def _seen_in_both(observed: FloatArray, reference: FloatArray) -> tuple[FloatArray, FloatArray]:
    both = (observed > 0) & (reference > 0)
    return observed[both], reference[both]


def _paired_singletons(observed: FloatArray, reference: FloatArray) -> tuple[FloatArray, FloatArray]:
    both = (observed > 0) & (reference > 0)
    one = (observed > 0) ^ (reference > 0)
    n_pairs = min(np.sum(one & (observed > 0)), np.sum(one & (reference > 0)))
    extra = [np.sort(side[one])[::-1][:n_pairs] for side in (observed, reference)]
    return np.append(observed[both], extra[0]), np.append(reference[both], extra[1])


def _trimmed_mean(
    observed: FloatArray, reference: FloatArray, size: float, reference_size: float, singletons: bool
) -> float:
    """Weighted mean log2 ratio after trimming 30% of ratios and 5% of levels at either end."""
    # Imported here: half a second that only this normalization needs.
    from scipy.stats import rankdata

    n = len(observed)
    share, reference_share = observed / size, reference / reference_size
    log_ratio = np.log2(share / reference_share)
    level = 0.5 * np.log2(share * reference_share)
    if n == 0 or np.abs(log_ratio).max() < 1e-6:
        return 0.0
    if singletons:
        shrunk = np.log2((observed + 0.5) / (size + 0.5) / ((reference + 0.5) / (reference_size + 0.5)))
        ratio_rank = np.empty(n)
        ratio_rank[np.lexsort((shrunk, log_ratio))] = np.arange(1, n + 1)
        level_rank = rankdata(level, method="ordinal")
    else:
        ratio_rank, level_rank = rankdata(log_ratio), rankdata(level)
    kept = _between_trims(ratio_rank, n, 0.3) & _between_trims(level_rank, n, 0.05)
    variance = (1 - share) / share / size + (1 - reference_share) / reference_share / reference_size
    precision = (1 + 1e-6) / (variance + 1e-6) if singletons else 1 / variance
    return float(np.sum((precision * log_ratio)[kept]) / np.sum(precision[kept]))


def _between_trims(rank: FloatArray, n: int, trim: float) -> BoolArray:
    low = np.floor(n * trim) + 1
    return np.asarray((rank >= low) & (rank <= n + 1 - low))
