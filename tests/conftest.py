"""Data and reference numbers that several tests share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ebgenes as eb
from ebgenes.records.counts import Counts
from ebgenes.records.design import Design
from ebgenes.records.effects import Effects

ROOT = Path(__file__).parents[1]
REFERENCE = Path(__file__).parent / "reference"


def reference(name: str) -> pd.DataFrame:
    """A table of numbers computed in R."""
    return pd.read_csv(REFERENCE / name, keep_default_na=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The workflow's files first: they take minutes, much of them waiting, and none should be left over at the end."""
    items.sort(key=lambda item: item.path.parent.name != "workflow")


@pytest.fixture(scope="session")
def airway_samples() -> pd.DataFrame:
    return eb.read_samples(ROOT / "resources/airway/samples.tsv")


@pytest.fixture(scope="session")
def airway_all() -> Counts:
    return eb.read_counts(ROOT / "resources/airway/counts.tsv.gz")


@pytest.fixture(scope="session")
def airway(airway_all: Counts) -> Counts:
    """The genes the R references were computed on: 10 reads or more in all."""
    seen = airway_all.count.sum(axis=1) >= 10
    return Counts(gene=airway_all.gene[seen], sample=airway_all.sample, count=airway_all.count[seen])


@pytest.fixture(scope="session")
def airway_design(airway_samples: pd.DataFrame) -> Design:
    question = eb.compare("dex", baseline="untrt", target="trt")
    return eb.build_design(airway_samples, "~ cell + dex", question, name="dex")


@pytest.fixture(scope="session")
def airway_effects(airway: Counts, airway_design: Design) -> Effects:
    """Of engine moderated_t, whose numbers R has."""
    return eb.fit_effects(eb.normalize(airway, "tmm"), airway_design, engine="moderated_t")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20)
