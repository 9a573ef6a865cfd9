"""What a newcomer adds in a file of its own works from the config to the page: a family of priors, a figure."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.figure import Figure

from ebgenes.app.cli import main
from ebgenes.app.config import read_config, schema
from ebgenes.app.outputs import files_of_contrast
from ebgenes.numerics import pieces
from ebgenes.plots.figures import FIGURES, FigureRecord
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


def draw_ranks(table: pd.DataFrame, level: float, *, title: str = "") -> Figure:
    figure = Figure(figsize=(3, 2))
    ax = figure.subplots()
    ax.plot(np.sort(table["lfsr"].dropna()))
    ax.set_title(f"ranks at {level:g}{title}")
    return figure


RANKS = FigureRecord(
    name="ranks",
    place=99,
    of=("contrast",),
    caption="Local false sign rates in the order of their ranks.",
    draw=draw_ranks,
    needs=("table", "level"),
    when=lambda settings: settings.prior.fit == "em",
    on_page="image",
)


def allow(monkeypatch: pytest.MonkeyPatch, section: str, key: str, value: str) -> None:
    """The schema names every value that a key may have, or that its list may hold."""
    known = schema()["$defs"][section]["properties"][key]
    known = known.get("items", known)
    monkeypatch.setitem(known, "enum", [*known["enum"], value])


def a_config(folder: Path, **sections: dict[str, Any]) -> str:
    """A simulated study with one contrast, and a config of it."""
    assert main(["simulate", str(folder / "sim"), "--genes", "300", "--seed", "3"]) == 0
    question = {"column": "group", "baseline": "control", "target": "treated"}
    dataset = {
        "counts": str(folder / "sim/counts.tsv.gz"),
        "samples": str(folder / "sim/samples.tsv"),
        "design": "~ group",
        "contrasts": {"treated": question},
    }
    content = {"outdir": str(folder / "out"), "datasets": {"one": dataset}, **sections}
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    return str(folder / "config.yaml")


def test_a_family_runs_from_config_to_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(families.FAMILIES, UPWARD.name, UPWARD)
    allow(monkeypatch, "prior", "family", UPWARD.name)
    assert main(["run", a_config(tmp_path, prior={"family": UPWARD.name})]) == 0
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


def test_a_figure_runs_from_config_to_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FIGURES, RANKS.name, RANKS)
    allow(monkeypatch, "report", "figures", RANKS.name)
    path = a_config(tmp_path, report={"figures": [RANKS.name], "formats": ["png", "svg"]})
    config = read_config(path)
    assert files_of_contrast(config).figures == ("ranks.png", "ranks.svg")
    assert not files_of_contrast(replace(config, prior=replace(config.prior, fit="gibbs"))).figures
    assert main(["run", path]) == 0
    folder = tmp_path / "out/one/treated"
    assert sorted(file.name for file in folder.iterdir() if file.suffix in (".png", ".svg")) == [
        "ranks.png",
        "ranks.svg",
    ]
    assert "ranks at 0.05" in (folder / "ranks.svg").read_text(encoding="utf-8")
    page = (tmp_path / "out/one/report.html").read_text(encoding="utf-8")
    assert f"<figcaption>{RANKS.caption}</figcaption>" in page
    # The verb draws the same of the files.
    stored = ["--prior", str(folder / "prior.json"), "--out", str(tmp_path / "ranks.png")]
    assert main(["plot", str(folder / "genes.tsv"), *stored]) == 0
    assert (tmp_path / "ranks.png").read_bytes() == (folder / "ranks.png").read_bytes()
