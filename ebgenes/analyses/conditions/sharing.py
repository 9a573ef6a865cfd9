"""How far conditions share effects: in matrices over all genes, and in words for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ebgenes.arrays import FloatArray, IntArray
from ebgenes.errors import listing
from ebgenes.records.posterior import MultivariatePosterior

FACTOR = 2.0
"""Effects within this factor of each other count as shared in size."""

UNCHANGED = "in no condition"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Sharing:
    """Of the genes changed in either of two conditions, how many do the same in both; (R, R) each.

    Attributes
    ----------
    n_genes
        Genes with a false sign rate below the level in either.
    sign
        Share of them whose posterior means have the same sign; NaN where there are none.
    size
        Share of them whose posterior means have the same sign and lie within `FACTOR` of each other.
    """

    n_genes: IntArray
    sign: FloatArray
    size: FloatArray


def sharing(posterior: MultivariatePosterior, level: float = 0.05) -> Sharing:
    """How far each pair of conditions shares effects.

    Source: Urbut, Wang, Carbonetto and Stephens (2019), Nat. Genet. 51, 187, Figure 6.
    """
    n = len(posterior.condition)
    n_genes = np.zeros((n, n), dtype=np.int64)
    sign, size = np.full((2, n, n), np.nan)
    for i in range(n):
        for j in range(n):
            either = (posterior.lfsr[:, i] < level) | (posterior.lfsr[:, j] < level)
            n_genes[i, j] = either.sum()
            if n_genes[i, j]:
                one, other = posterior.mean[either, i], posterior.mean[either, j]
                same = one * other > 0
                near = np.maximum(np.abs(one), np.abs(other)) <= FACTOR * np.minimum(np.abs(one), np.abs(other))
                sign[i, j], size[i, j] = same.mean(), (same & near).mean()
    return Sharing(n_genes=n_genes, sign=sign, size=size)


def gene_patterns(posterior: MultivariatePosterior, level: float = 0.05) -> list[str]:
    """Where each gene is changed, at a false sign rate below the level, and in which direction; words, (G,)."""
    names = [str(name) for name in posterior.condition]
    known: dict[tuple[int, ...], str] = {}
    words = []
    direction = np.where(posterior.lfsr < level, np.sign(posterior.mean), 0).astype(int)
    for row in direction.tolist():
        key = tuple(row)
        if key not in known:
            known[key] = pattern_words(key, names)
        words.append(known[key])
    return words


def pattern_words(direction: Sequence[int], names: Sequence[str]) -> str:
    """Words for the conditions in which a gene goes up (1) or down (-1)."""
    up = [name for name, sign in zip(names, direction, strict=True) if sign > 0]
    down = [name for name, sign in zip(names, direction, strict=True) if sign < 0]
    if not up and not down:
        return UNCHANGED
    if up and down:
        return f"up in {_together(up)}, down in {_together(down)}: opposite directions"
    changed, way = (up, "up") if up else (down, "down")
    if len(names) == 1 or len(changed) == 1:
        return f"{way} in {changed[0]}"
    everywhere = f"all {len(names)} conditions" if len(changed) == len(names) else _together(changed)
    return f"{way} in {everywhere}: same direction"


def _together(names: Sequence[str]) -> str:
    return " and ".join(names) if len(names) < 3 else f"{', '.join(names[:-1])} and {names[-1]}"


def sharing_sentence(posterior: MultivariatePosterior, found: Sharing, level: float) -> str:
    """What was found over all conditions, in a few sentences."""
    changed = posterior.lfsr < level
    n = len(posterior.condition)
    anywhere, everywhere = int(changed.any(axis=1).sum()), int(changed.all(axis=1).sum())
    each = listing(
        [f"{name} {count:,}" for name, count in zip(posterior.condition, changed.sum(axis=0), strict=True)], n
    )
    words = (
        f"{anywhere:,} of {len(changed):,} genes change in at least one of {n} conditions at a local false sign rate "
        f"below {level:g} ({each}), {everywhere:,} of them in all."
    )
    pairs = [(i, j) for i in range(n) for j in range(i) if found.n_genes[i, j]]
    if pairs:
        sign = [found.sign[pair] for pair in pairs]
        size = [found.size[pair] for pair in pairs]
        words += (
            f" Of genes changed in either of two conditions, {_range(sign)} have the same direction in both, and "
            f"{_range(size)} effects within a factor of {FACTOR:g} besides."
        )
    return words


def _range(shares: Sequence[float]) -> str:
    low, high = round(100 * min(shares)), round(100 * max(shares))
    return f"{low}%" if low == high else f"{low}% to {high}% (by pair)"
