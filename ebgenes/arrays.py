"""Names of array types, and arrays of text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


IntArray = NDArray[np.int64]


BoolArray = NDArray[np.bool_]


TextArray = NDArray[np.object_]


LARGEST = 1e100
"""Beyond it and its inverse, squares leave the range of floating-point numbers."""


USUAL_SE = 0.25
"""Median standard error, log2, that effects of unknown units are taken to have: between two groups of three to five."""


def by_name(names: TextArray) -> IntArray:
    """Places of names in the alphabet's order, (N,), which is the same however they came."""
    return np.argsort(names.astype(str), kind="stable")


def rank_of_names(names: TextArray) -> IntArray:
    """The place of each name in the alphabet's order, (N,)."""
    return np.argsort(by_name(names), kind="stable")


def evenly(names: TextArray, step: int) -> IntArray:
    """Places, ascending, of every step-th name in the alphabet's order."""
    return np.sort(by_name(names)[::step])


def text_array(values: Iterable[Any]) -> TextArray:
    """Values as a read-only array of text; numbers and ``nan`` become their spelling."""
    array = np.array([str(value) for value in values], dtype=object)
    array.flags.writeable = False
    return array
