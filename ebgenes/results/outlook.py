"""What further studies would find: its place in prior.json, as a table and in words."""

from __future__ import annotations

import os
from dataclasses import fields
from typing import Any, cast

import numpy as np
import pandas as pd

from ebgenes.analyses.power import TOLD, Outlook
from ebgenes.analyses.replication import Repeat
from ebgenes.arrays import BoolArray
from ebgenes.errors import InputError
from ebgenes.files import one_line
from ebgenes.records.pilot import PILOT_ARRAYS, Pilot
from ebgenes.records.prior import MixturePrior
from ebgenes.results.prior_json import OutlookSummary, PilotSummary
from ebgenes.results.storage import read_prior

OUTLOOK_COLUMNS = {
    "replicates": "samples in either group",
    "depth": "reads a sample, as a multiple of those of the study it is predicted from",
    "discoveries": "genes that the list by signs is expected to hold",
    "fdr": "share of unchanged genes among them",
    "found": "share of the changed genes that the list holds",
    "beyond": "the same of genes whose effect is larger than the size asked for",
    "width": "mean width of the 95% intervals of the list's genes, log2",
}
"""Columns of the table of further studies; each of the last five has its band's ends in NAME_low and NAME_high."""


def outlook_table(outlook: Outlook) -> pd.DataFrame:
    """Further studies, a row a number of samples, in the columns of `OUTLOOK_COLUMNS`."""
    columns: dict[str, Any] = {"replicates": outlook.replicates, "depth": outlook.depth}
    for name in TOLD:
        band = getattr(outlook, f"{name}_band")
        columns |= {name: getattr(outlook, name), f"{name}_low": band[:, 0], f"{name}_high": band[:, 1]}
    return pd.DataFrame(columns)


def outlook_words(outlook: Outlook) -> str:
    """What a reader is told of further studies."""
    told = [
        f"{n:g} in each group: about {count:,.0f} genes "
        f"({100 * outlook.probability:g}% range {low:,.0f} to {high:,.0f}), "
        f"{100 * found:.0f}% of the changed ones"
        for n, count, (low, high), found in zip(
            outlook.replicates, outlook.discoveries, outlook.discoveries_band, outlook.found, strict=True
        )
    ]
    deep = "" if outlook.depth == 1 else f" with {outlook.depth:g} times as many reads"
    return f"Expected lists of further studies like this one{deep}, by samples: {'; '.join(told)}."


def repeat_words(repeat: Repeat, discoveries: BoolArray) -> str:
    """How much of a list a repeat of the study would list again; discoveries (G,)."""
    n_listed = int(discoveries.sum())
    if n_listed == 0:
        return "No gene is listed, so there is none for a repeat to list again."
    return (
        f"{n_listed:,} genes are listed; a repeat with as many samples would list about "
        f"{float(repeat.listed[discoveries].sum()):,.0f} of them with the same sign (column repeat_listed)."
    )


def outlook_summary(outlook: Outlook, repeat: Repeat, discoveries: BoolArray) -> OutlookSummary:
    """Further studies and a repeat as ``prior.json`` tells them."""
    rows = [
        {name: float(value) if np.isfinite(value) else None for name, value in row.items()}
        for row in outlook_table(outlook).to_dict("records")
    ]
    return {
        "rows": cast("list[dict[str, float | None]]", rows),
        "level": outlook.level,
        "size": outlook.size,
        "probability": outlook.probability,
        "listed": int(discoveries.sum()),
        "repeated": float(repeat.listed[discoveries].sum()),
        "words": f"{repeat_words(repeat, discoveries)} {outlook_words(outlook)}",
    }


def pilot_summary(pilot: Pilot) -> PilotSummary:
    """A pilot as ``prior.json`` holds it; what is unknown is null there."""
    told = {each.name: getattr(pilot, each.name) for each in fields(pilot)}
    plain = {
        name: [float(each) if not np.isnan(each) else None for each in value] if name in PILOT_ARRAYS else value
        for name, value in told.items()
    }
    return cast(PilotSummary, plain)


def read_pilot(path: str | os.PathLike[str]) -> tuple[MixturePrior, Pilot, dict[str, Any]]:
    """The prior of a ``prior.json``, the precision of the study it was fitted to, and everything else it says.

    Raises
    ------
    InputError
        Where it tells no such precision.
    """
    prior, content = read_prior(path)
    known = content.get("pilot")
    if known is None:
        raise InputError(
            f"{path} does not tell how precise the study's estimates were: it is of an earlier version, of several "
            "rows, or of a table of estimates. Fit counts again; in Python ebgenes.pilot_of(effects, replicates) "
            "takes a table's."
        )
    try:
        known = {
            name: np.array([np.nan if each is None else float(each) for each in known[name]])
            if name in PILOT_ARRAYS
            else float(known[name])
            for name in (each.name for each in fields(Pilot))
        }
        pilot = Pilot(**known)
        right = (
            len(pilot.count) > 0 and len(pilot.excess) > 0 and (pilot.count >= 0).all() and pilot.count.sum() > 0
            and np.isfinite([*pilot.log_variance, *pilot.excess]).all()
            and (pilot.prior_df >= 0).all() and pilot.replicates > 0 and pilot.residual_df > 0 and pilot.unit > 0
        )  # fmt: skip
        if not right:
            raise ValueError("its pilot has numbers that no study has")
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is not a prior.json of ebgenes: {one_line(error)}") from None
    return prior, pilot, content
