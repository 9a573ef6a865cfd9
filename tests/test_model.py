"""Records are frozen, read-only and checked at birth."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from ebgenes.arrays import text_array
from ebgenes.records.counts import Counts
from ebgenes.records.design import Design
from ebgenes.records.effects import Effects
from ebgenes.records.prior import MixturePrior

pytestmark = pytest.mark.fast


def make_effects(**changes) -> Effects:
    values = {
        "gene": text_array(["a", "b"]),
        "estimate": np.array([0.0, 1.0]),
        "se": np.array([1.0, 1.0]),
        "df": np.array([np.inf, 3.0]),
        "base_mean": np.array([1.0, 2.0]),
        "engine": "normal",
        "scalars": {},
    }
    return Effects(**{**values, **changes})


def test_arrays_are_copies_that_cannot_be_written():
    given = np.array([0.0, 1.0])
    effects = make_effects(estimate=given)
    given[0] = 7
    assert effects.estimate[0] == 0
    for name in ("estimate", "se", "df", "base_mean", "gene"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(effects, name)[0] = 1


def test_records_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make_effects().estimate = np.zeros(2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"estimate": np.zeros(3)}, r"Effects.estimate has shape \(3,\), expected \(2,\)"),
        ({"grid": np.zeros((2, 5))}, "together"),
        ({"grid": np.zeros((2, 5)), "loglik": np.zeros((2, 4))}, r"loglik has shape \(2, 4\)"),
    ],
)
def test_wrong_shapes_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        make_effects(**changes)


def test_counts_keep_any_name_and_either_shape_of_size():
    names = text_array(["NA", "nan", "1-Mar", "007"])
    counts = Counts(gene=names, sample=text_array(["s 1", "2-b"]), count=np.arange(8.0).reshape(4, 2))
    assert list(counts.gene) == ["NA", "nan", "1-Mar", "007"]
    assert counts.count.dtype == np.int64
    assert counts.count.flags.c_contiguous
    for shape in [(2,), (4, 2)]:
        sized = dataclasses.replace(counts, log_size=np.zeros(shape))
        assert sized.log_size.shape == shape
    with pytest.raises(ValueError, match="log_size"):
        dataclasses.replace(counts, log_size=np.zeros(4))


def test_prior_names_its_parts():
    prior = MixturePrior(weight=np.array([0.8, 0.2]), scale=np.array([0.05, 1.0]))
    assert (prior.pi0, prior.null_sd) == (0.8, 0.05)
    with pytest.raises(ValueError, match="weight"):
        MixturePrior(weight=np.array([1.0]), scale=np.array([0.0, 1.0]))


def test_design_and_contrast_must_fit():
    from ebgenes.records.design import Contrast

    with pytest.raises(ValueError, match=r"Contrast\.weight"):
        Design(
            sample=text_array("ab"),
            matrix=np.ones((2, 1)),
            coefficient=text_array(["Intercept"]),
            formula="~ 1",
            contrast=Contrast(name="x", weight=np.ones(2)),
        )
