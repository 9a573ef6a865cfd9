"""Studies that are one and the same, or that share samples: pooled, they would count twice."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from ebgenes.errors import InputError
from ebgenes.records.design import Design
from ebgenes.records.effects import Effects

FEW = 3
"""Shared genes below which equal numbers may be chance."""

SAME = 0.5
"""Share of the shared genes with equal numbers from which two studies are one."""


def require_different(studies: Mapping[str, Effects]) -> None:
    """Refuse studies whose genes have the same estimates and standard errors, to nine digits.

    Raises
    ------
    InputError
        For the first two that do.
    """
    table = {
        name: pd.DataFrame({"estimate": each.estimate, "se": each.se}, index=each.gene)
        for name, each in studies.items()
    }
    for one, other in combinations(studies, 2):
        shared = table[one].index.intersection(table[other].index)
        if len(shared) < FEW:
            continue
        first, second = (table[name].loc[shared].to_numpy() for name in (one, other))
        same = np.isclose(first, second, rtol=1e-9, atol=0).all(axis=1)
        if same.mean() > SAME:
            raise InputError(
                f"the studies {one} and {other} have the same estimate and standard error in {int(same.sum())} of "
                f"{len(shared)} genes (first: {shared[int(np.argmax(same))]}): they are one study, which would count "
                "twice. Leave one of them out."
            )


def samples_asked(design: Design) -> set[str]:
    """Samples on which a contrast's least-squares estimate depends."""
    weights = [] if design.contrast is None else [design.contrast.weight]
    weights += [] if design.multi_df is None else list(design.multi_df.weight)
    # Rows of the pseudoinverse are what each sample adds to each coefficient.
    part = np.abs(np.array(weights) @ np.linalg.pinv(design.matrix)).max(axis=0)
    return {str(name) for name in design.sample[part > 1e-9 * part.max()]}


def require_no_shared_samples(samples: Mapping[str, tuple[str, set[str]]]) -> None:
    """Refuse studies that share samples.

    Parameters
    ----------
    samples
        Of each study, the file of its counts and the samples that it depends on.

    Raises
    ------
    InputError
        For the first two that do.
    """
    for one, other in combinations(samples, 2):
        (counts, first), (others, second) = samples[one], samples[other]
        shared = sorted(first & second)
        if counts == others and shared:
            raise InputError(
                f"the studies {one} and {other} share {len(shared)} of {len(first | second)} samples of {counts} "
                f"(first: {shared[0]}), which would count twice. Pool studies of other samples, or ask for both "
                "contrasts together (multivariate)."
            )
