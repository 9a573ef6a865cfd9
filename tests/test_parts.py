"""What jobs of the workflow depend on, and which of them are tried again."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from ebgenes.app.analyses import ANALYSES
from ebgenes.app.config import Config, parse_config
from ebgenes.app.last_net import exit_code
from ebgenes.app.pages import config_words
from ebgenes.app.parts import analysis_part, dataset_part, plan_part, section_part, studies_part, sums_part
from ebgenes.app.retries import go_on_after_a_kill, spare_mistakes, told_a_mistake

pytestmark = pytest.mark.fast


def config(**sections: Any) -> Config:
    question = {"column": "group", "baseline": "a", "target": "b"}
    one = {"counts": "c.tsv", "samples": "s.tsv", "design": "~ group", "contrasts": {"x": question, "y": question}}
    two = {**one, "multivariate": {"both": {"contrasts": ["x", "y"]}}}
    cells = {**one, "pseudobulk": {"sample": "donor", "cell_type": "type"}}
    studies = {"pooled": {"of": {"p": {"dataset": "one", "contrast": "x"}, "q": {"dataset": "two", "contrast": "x"}}}}
    datasets = {"one": one, "two": two, "cells": cells}
    return parse_config({"datasets": datasets, "studies": studies, **sections})


def test_a_dataset_depends_on_its_own_settings_alone() -> None:
    part = json.loads(dataset_part(config(), "one"))
    assert list(part["datasets"]) == ["one"]
    assert part["studies"] == {}
    # Its part is a config itself, which a job reads; and so is what the page shows of it.
    assert parse_config(part).datasets["one"] == config().datasets["one"]
    shown = yaml.safe_load(config_words(dataset_part(config(), "one")))
    assert parse_config(shown) == parse_config(part)
    assert list(json.loads(dataset_part(config(), "one", ["y"]))["datasets"]["one"]["contrasts"]) == ["y"]


def test_how_work_is_shared_out_changes_no_job() -> None:
    shared = config(effects={"chunks": 4})
    for name in ("one", "two"):
        assert dataset_part(shared, name) == dataset_part(config(), name)
    assert section_part(shared, "effects") == section_part(config(), "effects")
    assert dataset_part(config(outdir="elsewhere"), "one") == dataset_part(config(), "one")
    assert section_part(config(prior={"null": "fixed"}), "prior") != section_part(config(), "prior")


def test_sums_and_plans_of_cells_depend_on_what_they_use() -> None:
    dataset = config().datasets["cells"]
    assert json.loads(sums_part(dataset)) == {"sample": "donor", "cell_type": "type", "cells": None}
    assert plan_part(config(prior={"null": "fixed"}), "cells") == plan_part(config(), "cells")
    tmm = config(effects={"normalization": "tmm"})
    assert plan_part(tmm, "cells") != plan_part(config(), "cells")


def test_conditions_and_studies() -> None:
    part = json.loads(analysis_part(config(), "two", ANALYSES["multivariate"], "both"))
    assert part["datasets"]["two"]["multivariate"].keys() == {"both"}
    assert set(part["report"]) == {"level", "figures", "formats", "tables"}
    assert json.loads(studies_part(config(), "pooled"))["studies"].keys() == {"pooled"}


class Job:
    """As much of Snakemake's job as matters here."""

    def __init__(self, log: list[str]) -> None:
        self.log = log

    @property
    def restart_times(self) -> int:
        return 3


def test_a_mistake_is_not_tried_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Spared(Job):
        restart_times = Job.restart_times

    mistaken, crashed = tmp_path / "mistaken.log", tmp_path / "crashed.log"
    starved = tmp_path / "starved.log"
    exit_code(MemoryError(), "counts")
    starved.write_text(capsys.readouterr().err)
    mistaken.write_text("reading\nebgenes counts: the sheet has no column 'x'.\n")
    crashed.write_text("Killed\n")
    assert spare_mistakes(Spared, 0.0)
    assert Spared([str(mistaken)]).restart_times == 0
    assert Spared([str(crashed)]).restart_times == 3
    assert starved.read_text().startswith("ebgenes counts: out of memory")
    assert Spared([str(starved)]).restart_times == 3
    assert Spared([str(tmp_path / "none.log")]).restart_times == 3


def test_a_log_of_an_earlier_run_does_not_count(tmp_path: Path) -> None:
    log = tmp_path / "old.log"
    log.write_text("ebgenes counts: wrong.\n")
    os.utime(log, (100, 100))
    assert told_a_mistake([str(log)], since=99.0)
    assert not told_a_mistake([str(log)], since=101.0)


@pytest.mark.parametrize("attribute", [None, 3])
def test_without_snakemakes_property_jobs_are_left_alone(attribute: int | None) -> None:
    class Other:
        restart_times = attribute

    assert not spare_mistakes(Other, 0.0)
    assert Other.restart_times is attribute


def test_what_a_kill_left_is_made_again_where_snakemake_lets_it() -> None:
    class Plan:
        workflow = SimpleNamespace(dag_settings=SimpleNamespace(force_incomplete=False))

        async def check_incomplete(self) -> None:
            seen.append(self.workflow.dag_settings.force_incomplete)

    seen: list[bool] = []
    assert go_on_after_a_kill(Plan)
    asyncio.run(Plan().check_incomplete())
    assert seen == [True]
    assert not go_on_after_a_kill(SimpleNamespace)
