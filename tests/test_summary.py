"""What prior.json says of a fit, in numbers and in plain words."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import ebgenes as eb
from ebgenes.arrays import text_array
from ebgenes.effects.failed import without_failed
from ebgenes.records.effects import Effects
from ebgenes.records.prior import EmFit, MixturePrior, NullSdPrior
from ebgenes.results.messages import cautions
from ebgenes.results.summary import shortest_interval, summarize

pytestmark = pytest.mark.fast

FIT = EmFit(
    prior=MixturePrior(weight=np.array([0.9, 0.1]), scale=np.array([0.0, 1.0])),
    loglik=np.array([-1.0]),
    certificate=0.0,
    converged=True,
    solver="sqp",
)


def effects(**counts: int) -> Effects:
    """So many genes of each status."""
    status = [name for name, n in counts.items() for _ in range(n)]
    made = eb.effects_from_summary([f"g{i}" for i in range(len(status))], np.zeros(len(status)), np.ones(len(status)))
    return without_failed(replace(made, status=text_array(status), engine="likelihood", unit=1.0))


def said_of_statuses(summary: dict[str, Any]) -> list[str]:
    return [note for note in summary["warnings"] if " the status " in note]


def test_nothing_is_said_of_genes_that_are_fine():
    found = summarize(effects(ok=3), FIT, 0.05)
    assert found["warnings"] == []
    assert found["status"] == {"ok": 3, "not_converged": 0, "no_information": 0, "outlier": 0}
    # Too few genes for a spread: no number, and no word about it.
    assert found["diagnostics"]["null_z_sd"] is None


def test_a_shift_of_all_genes_is_said():
    fit = replace(FIT, prior=replace(FIT.prior, mode=-0.0754))
    (note,) = summarize(effects(ok=3), fit, 0.05)["warnings"]
    assert note.startswith("Most genes lie around -0.075 log2 and not around 0")


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"outlier": 1}, ["1 gene has the status outlier: counts far from their replicates, which"]),
        (
            {"ok": 1, "not_converged": 2},
            ["2 genes have the status not_converged: the maximum of the likelihood was not found"],
        ),
        ({"outlier": 1200, "not_converged": 1}, ["1 gene has the status not_converged", "1,200 genes have the status"]),
    ],
)
def test_genes_to_be_read_with_care_are_counted(counts, said):
    found = summarize(effects(**counts), FIT, 0.05)
    notes = said_of_statuses(found)
    assert len(notes) == len(said)
    for note, words in zip(notes, said, strict=True):
        assert note.startswith(words)
        assert note.endswith(".")
    assert found["status"] == {"ok": 0, "not_converged": 0, "no_information": 0, "outlier": 0} | counts
    assert found["n_genes"] == sum(counts.values()) - counts.get("not_converged", 0)


def test_the_order_of_hyperparameters_does_not_depend_on_how_they_came():
    """A file gives them back in another order than the engine; the numbers must read the same to the byte."""
    one, other = (replace(effects(ok=2), scalars=scalars) for scalars in ({"b": 1.0, "a": 2.0}, {"a": 2.0, "b": 1.0}))
    assert list(summarize(one, FIT, 0.05)["engine"].items()) == list(summarize(other, FIT, 0.05)["engine"].items())


def test_discoveries_count_the_list_by_signs(rng):
    """As the table has it, whether its lfsr is at hand or not; under pi0 = 0 q would list every gene."""
    theta = rng.normal(0, 1, 400)
    made = eb.effects_from_summary([f"g{i}" for i in range(400)], theta + rng.normal(0, 0.5, 400), np.full(400, 0.5))
    prior = MixturePrior(weight=np.array([0.0, 1.0]), scale=np.array([0.0, 1.0]))
    known = eb.posterior(made, prior)
    fit = replace(FIT, prior=prior, fixed_null=replace(FIT, prior=replace(prior, weight=np.array([0.5, 0.5]))))
    found = summarize(made, fit, 0.05)["discoveries"]
    assert found == summarize(made, fit, 0.05, lfsr=known.lfsr)["discoveries"]
    rate = np.sort(known.lfsr)
    mean = np.cumsum(rate) / np.arange(1, 401)
    assert found["s_value"] == np.sum((mean < 0.05) & (rate < 0.475)) > 100
    assert found["q_value"] == 400 > found["s_value"] + 50
    assert found["q_value"] > found["fixed_null"]["s_value"] > 0


def test_the_shortest_interval_holds_its_share(rng):
    draws = rng.binomial(40, 0.1, 4000) / 40
    low, high = shortest_interval(draws, 0.9)
    values = np.unique(draws)
    held = [
        (b - a, a, b) for a in values for b in values if a <= b and np.mean((draws >= a) & (draws <= b)) >= 0.9
    ]  # fmt: skip
    assert high - low == pytest.approx(min(held)[0])
    assert np.mean((draws >= low) & (draws <= high)) >= 0.9
    # Ends are values that were drawn, and a single value is an interval too.
    assert {low, high} <= set(values)
    assert shortest_interval(np.zeros(10), 0.9) == (0.0, 0.0)


def test_every_warning_ends_with_what_to_do():
    """An instruction or the setting that decides, in the last two sentences."""
    known = effects(ok=2, outlier=1, not_converged=1, no_information=1)
    told = {"size_shift": 0.4, "size_shift_share": 0.3, "bounded": 1.0, "small_p": 0.004, "residual_df": 3.0}
    known = replace(known, scalars={**told, "dispersion_ratio": 2.5}, unit=None)
    seen = NullSdPrior(draw=np.array([0.1]), excess=np.array([0.4]), df=3.0, seen=True)
    few = replace(FIT.prior, weight=np.array([0.1, 0.9]), mode=0.3)
    fits = [
        replace(FIT, prior=few, null_sd_prior=seen, converged=False, bulk_gain=300.0), FIT,
    ]  # fmt: skip
    notes = {note for fit in fits for note in cautions(known, fit, {"null_z_sd": 1.4})}
    notes |= set(cautions(replace(known, engine="normal"), FIT, {"null_z_sd": 1.4}))
    assert len(notes) > 12
    to_do = "set|fit|confirm|look|name|make|use|record|add|ask|prefer|repeat|raise|leave|see|allows|keeps"
    for note in notes:
        end = " ".join(re.split(r"(?<=[.;:]) ", note)[-3:]).lower()
        assert re.search(rf"\b({to_do})\b", end), note
