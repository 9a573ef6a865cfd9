"""Effects of chunks of genes, each in a job of its own: what all genes tell together is learned once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ebgenes.arrays import TextArray
from ebgenes.effects.composition import measured_from_unchanged
from ebgenes.effects.engine import asked_of, made_ready
from ebgenes.effects.engines import all_options
from ebgenes.effects.engines.likelihood import ENGINE as LIKELIHOOD
from ebgenes.effects.failed import gathered_failed
from ebgenes.effects.likelihood import Common, learn_common
from ebgenes.errors import InputError
from ebgenes.records.counts import Counts
from ebgenes.records.design import Design
from ebgenes.records.effects import Effects

ARRAYS = ("gene", "estimate", "se", "df", "p_value", "base_mean", "grid", "loglik", "status")


def common_of(
    counts: Counts,
    design: Design,
    *,
    dispersion_tails: str = "normal",
    dispersion_trend: str = "auto",
    outliers: str = "keep",
    hidden_factors: int | str = "auto",
    controls: TextArray | None = None,
    count_tails: str = "auto",
) -> Common:
    """What all genes tell together for engine ``likelihood``; `effects_of` makes effects of it, for any of the genes.

    Raises
    ------
    InputError
        As `fit_effects`.
    """
    options = {name: values[0] for name, values in all_options().items()} | {
        "dispersion_tails": dispersion_tails,
        "dispersion_trend": dispersion_trend,
        "outliers": outliers,
        "count_tails": count_tails,
    }
    engine, _ = asked_of(design, LIKELIHOOD.name, "none", hidden_factors, **options)
    ready = made_ready(counts, design, engine, None, hidden_factors, controls)
    return learn_common(
        ready, tails=dispersion_tails, outliers=outliers, trend=dispersion_trend, count_tails=count_tails
    )


def chunk(n_genes: int, which: int, n_chunks: int) -> slice:
    """The genes of chunk `which`, from 1, of `n_chunks` that are as equal as can be."""
    return slice(n_genes * (which - 1) // n_chunks, n_genes * which // n_chunks)


def gathered(parts: Sequence[Effects], composition: str = "auto") -> Effects:
    """Effects of all genes, (G,), from those of chunks in their order; composition as in `fit_effects`.

    Raises
    ------
    InputError
        Where they are not of one fit.
    """
    first = parts[0]
    for part in parts[1:]:
        if part.contrast != first.contrast or part.scalars != first.scalars or not _chunked(part):
            raise InputError(
                f"these effects are not chunks of one fit (first: contrast {first.contrast!r}, other: "
                f"{part.contrast!r}). Make all of them from the same common.h5."
            )
    names, times = np.unique(np.concatenate([part.gene for part in parts]).astype(str), return_counts=True)
    if (times > 1).any():
        raise InputError(
            f"these chunks have {int((times > 1).sum())} genes in common (first: {names[times > 1][0]}). Name each "
            "chunk once."
        )
    whole: dict[str, Any] = {name: _joined([getattr(part, name) for part in parts]) for name in ARRAYS}
    every = replace(first, failed=gathered_failed(parts), **whole)
    return every if composition == "none" else measured_from_unchanged(every)


def _chunked(part: Effects) -> bool:
    """Whether effects are of an engine that takes chunks: `likelihood`, or what took its place."""
    return part.loglik is not None or bool(part.scalars.get("bounded"))


def _joined(arrays: Sequence[Any]) -> Any:
    """One after the other; None where there are none."""
    return None if arrays[0] is None else np.concatenate(arrays)
