"""What a newcomer adds in a file of its own works from the config to the page: a family of priors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from ebgenes.app.cli import main
from ebgenes.app.config import schema
from ebgenes.numerics import pieces
from ebgenes.prior import families
from ebgenes.prior.families.family import Family, mixture_density, of_slabs
from ebgenes.prior.families.half_normal import FAMILY as HALF_NORMAL
from ebgenes.prior.families.normals import normal_shape
from ebgenes.prior.families.scales import slab_grid

UPWARD = Family(
    name="upward",
    words="a mixture of half-normal distributions above zero",
    scales=slab_grid,
    density=mixture_density(lambda x, scale: 2 * normal_shape(x, scale) * (x >= 0)),
    draw=HALF_NORMAL.draw,
    loglik=of_slabs(pieces.slab_loglik, pieces.HALF_NORMAL),
    posterior=of_slabs(pieces.slab_posterior, pieces.HALF_NORMAL),
    slow=True,
    slow_under_drift=True,
)


def allow(monkeypatch: pytest.MonkeyPatch, section: str, key: str, value: str) -> None:
    """The schema names every value that a key may have."""
    allowed: list[Any] = schema()["$defs"][section]["properties"][key]["enum"]
    monkeypatch.setitem(schema()["$defs"][section]["properties"][key], "enum", [*allowed, value])


def test_a_family_runs_from_config_to_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(families.FAMILIES, UPWARD.name, UPWARD)
    allow(monkeypatch, "prior", "family", UPWARD.name)
    assert main(["simulate", str(tmp_path / "sim"), "--genes", "300", "--seed", "3"]) == 0
    question = {"column": "group", "baseline": "control", "target": "treated"}
    content = {
        "outdir": str(tmp_path / "out"),
        "datasets": {
            "one": {
                "counts": str(tmp_path / "sim/counts.tsv.gz"),
                "samples": str(tmp_path / "sim/samples.tsv"),
                "design": "~ group",
                "contrasts": {"treated": question},
            }
        },
        "prior": {"family": UPWARD.name},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(content))
    assert main(["run", str(tmp_path / "config.yaml")]) == 0
    folder = tmp_path / "out/one/treated"
    told = json.loads((folder / "prior.json").read_text())
    assert told["family"] == UPWARD.name
    assert min(told["scale"]) >= 0
    assert UPWARD.words in (tmp_path / "out/one/report.html").read_text(encoding="utf-8")
    table = pd.read_csv(folder / "genes.tsv", sep="\t")
    # No component lies below 0: what is far below is unchanged, or has a likelihood that reaches up.
    assert (table["post_mean"].dropna() > -0.05 - told["null_scale"]).all()
    assert table["lfdr"].dropna().between(0, 1).all()


def test_a_family_that_is_not_registered_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(families.FAMILIES, "npmle")
    with pytest.raises(Exception, match="unknown prior family 'npmle'; choose one of half_normal"):
        families.family_of("npmle")
