"""Data and reference numbers that several tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from browser import CHROMIUM, CONFIG, DRIVER, FLAGS, HOSTILE, Page

import ebgenes as eb
from ebgenes.app.config import Config, parse_config
from ebgenes.app.pages import contrast_page
from ebgenes.app.prepare import contrast_design
from ebgenes.app.steps import estimate, fit_contrast
from ebgenes.data.simulate import simulate_counts
from ebgenes.records.counts import Counts, Study
from ebgenes.records.design import Design
from ebgenes.records.effects import Effects
from ebgenes.report.contents import ContrastPage
from ebgenes.report.render import render_report

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


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    made = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    made.execute_cdp_cmd("Network.enable", {})
    offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    made.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    yield made
    made.quit()


@pytest.fixture(scope="session")
def study() -> Study:
    """Simulated counts of genes, samples and columns with hostile names."""
    made = simulate_counts(np.random.default_rng(4), n_genes=900, n_per_group=3, pi0=0.7)
    gene = made.counts.gene.copy()
    gene[np.flatnonzero(made.counts.count.min(axis=1) > 20)[: len(HOSTILE)]] = HOSTILE
    sample = made.counts.sample.copy()
    sample[0] = HOSTILE[0]
    counts = Counts(gene=gene, sample=sample, count=made.counts.count)
    samples = made.samples.set_axis(sample).assign(**{HOSTILE[1]: "level"})
    design = eb.build_design(samples, "~ group")
    screen = eb.screen_genes(counts, design)
    return Study(counts=eb.normalize(eb.keep_expressed(counts, screen), "median_ratio"), samples=samples, screen=screen)


@pytest.fixture(scope="session")
def config() -> Config:
    return parse_config(CONFIG)


@pytest.fixture(scope="session")
def contrast(study: Study, config: Config) -> ContrastPage:
    dataset = config.datasets["one"]
    design = contrast_design(study.samples, "~ group", dataset.contrasts["treated"], "treated", {})
    effects = estimate(study, design, config.effects)
    found = fit_contrast(effects, study.screen, config.prior, config.gibbs, config.report)
    return contrast_page(Path("none"), found.table, found.fit.prior, found.summary, study, dataset, config)


@pytest.fixture(scope="session")
def written(contrast: ContrastPage, study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "report.html"
    path.write_text(render_report([contrast], dataset="one", versions={}, study=study), encoding="utf-8")
    return path


@pytest.fixture
def page(driver: Any, written: Path, tmp_path: Path) -> Page:
    where = {"behavior": "allow", "downloadPath": str(tmp_path)}
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", where)
    return Page(driver, written, tmp_path)
