"""Cells of a design and their averages, as weights of its coefficients."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import pandas as pd

from ebgenes.design.matrix import Model, design_rows, numeric_level, require_level
from ebgenes.errors import InputError, listing, nearest


def cell_weights(model: Model, levels: Mapping[str, Any], averaged_over: Sequence[str] = ()) -> pd.Series:
    """The mean response of a cell of the design, log2, as weights of the design's coefficients.

    Differences of two of these are contrasts: ``combine(cell_weights(...) - cell_weights(...))``.

    Parameters
    ----------
    model
        A formula applied to its sheet.
    levels
        A level, or a number, for each column that is told. Factors that are not told stand at their first level,
        numbers at 0, as in formulaic-contrasts.
    averaged_over
        Factors over all of whose levels the mean is taken, each level counting the same, as estimated marginal
        means do (Searle et al. 1980, The American Statistician 34).

    Returns
    -------
    Series
        Weights by coefficient, (P,).

    Raises
    ------
    InputError
        For columns that the formula does not use, levels that the sheet does not have, or averages over numbers.
    """
    for column in [*levels, *averaged_over]:
        if column not in model.used:
            raise InputError(
                f"{column!r} is not a column that the formula uses. It uses: {listing(model.used) or 'none'}."
                f"{nearest(column, model.used)}"
            )
    choices: dict[str, list[Any]] = {}
    factors = [column for column in model.used if isinstance(model.data[column].dtype, pd.CategoricalDtype)]
    for column in model.used:
        values = model.data[column]
        known = list(values.cat.categories) if column in factors else None
        if column in averaged_over:
            if known is None or column in levels:
                why = "has a level too" if column in levels else "holds numbers, which have no levels"
                raise InputError(f"no average is taken over {column!r}, which {why}. Leave it out of one of them.")
            choices[column] = known
        elif known is None:
            choices[column] = [numeric_level(levels.get(column, 0), column, values)]
        else:
            choices[column] = [require_level(levels[column], column, known) if column in levels else known[0]]
    cells = list(product(*choices.values()))
    frame = pd.DataFrame(cells, columns=list(choices)) if choices else pd.DataFrame(index=range(1))
    frame = frame.astype({column: model.data[column].dtype for column in factors})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            rows = design_rows(model.spec, frame)
        except (Warning, ValueError) as error:
            raise InputError(
                f"the cell lies outside what the design knows: {error}. Choose values of the sheet."
            ) from None
    return pd.Series(rows.mean(axis=0), index=model.coefficient, name="weight")
