"""What no value of our own files can be: said with the first gene and the cure, before anything is made of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ebgenes.arrays import TextArray
from ebgenes.errors import InputError, counted
from ebgenes.records.effects import Effects, MultiDfEffects
from ebgenes.records.prior import GibbsDraws

ANEW = "It was damaged or edited; make it anew."

SHARES = (
    "p_value", "adj_p_value", "lfdr", "q_value", "lfsr", "s_value", "prob_up", "prob_down", "threshold_q",
    "equivalence_q", "repeat_listed", "repeat_sign",
)  # fmt: skip
"""Columns of genes.tsv that are probabilities."""

SIZES = ("se", "df", "post_sd")
"""Columns of genes.tsv that are never below 0."""

ROUNDING = 1e-9


def require_between(
    path: str | os.PathLike[str], name: str, values: Any, least: float, most: float, label: Sequence[Any] | NDArray[Any]
) -> None:
    """Refuse values outside a range; NaN stands for none and is within any.

    Raises
    ------
    InputError
        With how many there are and the first.
    """
    found = np.asarray(values, dtype=float)
    bad = (found < least - ROUNDING) | (found > most + ROUNDING)
    if bad.any():
        place = tuple(int(each) for each in np.argwhere(bad)[0])
        where = str(label[place[0]]) if len(label) == len(found) else str(place[0] + 1)
        allowed = f"{least:g} or more" if most == np.inf else f"from {least:g} to {most:g}"
        raise InputError(
            f"{path}: {name} must be {allowed}; {counted(int(bad.sum()), 'value is', 'values are')} not (first: "
            f"{where}: {found[place]:g}). {ANEW}"
        )


def require_whole_genes(path: str | os.PathLike[str], gene: TextArray) -> None:
    """Refuse genes that are there twice, or have no name; errors as `require_between`."""
    index = pd.Index(gene)
    twice = index[index.duplicated()]
    if len(twice):
        raise InputError(
            f"{path}: {counted(len(twice), 'gene is', 'genes are')} there twice (first: {twice[0]!r}). {ANEW}"
        )


def require_sound_effects(path: str | os.PathLike[str], effects: Effects | MultiDfEffects) -> None:
    """Refuse effects that no fit gives; errors as `require_between`."""
    gene = effects.gene
    require_whole_genes(path, gene)
    require_between(path, "df", effects.df, 0, np.inf, gene)
    if effects.p_value is not None:
        require_between(path, "p_value", effects.p_value, 0, 1, gene)
    if isinstance(effects, Effects):
        require_between(path, "se", effects.se, 0, np.inf, gene)
        if effects.loglik is not None and np.isnan(effects.loglik).any():
            raise InputError(f"{path}: {int(np.isnan(effects.loglik).sum())} log likelihoods are no numbers. {ANEW}")


def require_sound_draws(path: str | os.PathLike[str], draws: GibbsDraws) -> None:
    """Refuse draws that no chain gives; errors as `require_between`."""
    require_between(path, "weight", draws.weight, 0, 1, ())
    if not (np.abs(draws.weight.sum(axis=1) - 1) < 1e-6).all() or not np.isfinite(draws.null_sd).all():
        raise InputError(f"{path}: its draws are not of shares that sum to 1, or of finite scales. {ANEW}")
    require_between(path, "null_sd", draws.null_sd, 0, np.inf, ())


def require_sound_table(path: str | os.PathLike[str], table: pd.DataFrame) -> None:
    """Refuse a table whose values no result can be; errors as `require_between`."""
    gene = table["gene_id"].to_numpy()
    require_whole_genes(path, gene)
    for name in (name for name in SHARES if name in table.columns):
        require_between(path, name, table[name], 0, 1, gene)
    for name in SIZES:
        require_between(path, name, table[name], 0, np.inf, gene)
    for low, high in (("ci_low", "ci_high"), ("ci_low_changed", "ci_high_changed")):
        turned = (table[low] > table[high]).to_numpy()
        if turned.any():
            raise InputError(
                f"{path}: {counted(int(turned.sum()), 'interval ends', 'intervals end')} before the beginning (first: "
                f"{gene[int(np.argmax(turned))]}). {ANEW}"
            )
