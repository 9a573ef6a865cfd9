"""How records make their fields: frozen, read-only, shapes checked at birth."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ebgenes.arrays import FloatArray, TextArray, text_array


def as_text(values: Iterable[Any]) -> TextArray:
    """`text_array`, but for what one has been made of before: records pass on theirs, of up to millions of genes."""
    if isinstance(values, np.ndarray) and values.dtype == object and not values.flags.writeable:
        return values
    return text_array(values)


def all_ok(n_genes: int) -> TextArray:
    """The status of genes of which nothing else is said, (G,)."""
    status = np.full(n_genes, "ok", dtype=object)
    status.flags.writeable = False
    return status


def is_frozen(array: NDArray[Any]) -> bool:
    """Whether nobody can write to an array in C order, through itself or through what it is a view of."""
    return array.flags.c_contiguous and not array.flags.writeable and array.base is None


def as_floats(values: Any) -> FloatArray:
    """Values as a read-only copy in C order."""
    array = np.array(values, dtype=np.float64, order="C")
    array.flags.writeable = False
    return array


def require_shape(record: Any, **expected: tuple[int, ...]) -> None:
    """Refuse arrays of another shape than expected; a field that is None has none."""
    for name, shape in expected.items():
        value = getattr(record, name)
        if value is not None and value.shape != shape:
            raise ValueError(f"{type(record).__name__}.{name} has shape {value.shape}, expected {shape}")


def fill(record: Any, **values: Any) -> None:
    """Give a frozen record its fields, while it is being made."""
    for name, value in values.items():
        object.__setattr__(record, name, value)
