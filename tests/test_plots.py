"""Figures: everything drawn, every label legible or named, the same bytes twice."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from scipy import special, stats
from statsmodels.stats.proportion import proportion_confint

from ebgenes import plots
from ebgenes.analyses.multi_df import multi_df_posterior
from ebgenes.arrays import text_array
from ebgenes.data.normalization import normalize
from ebgenes.data.principal_components import principal_components
from ebgenes.data.simulate import simulate_counts
from ebgenes.errors import InputError
from ebgenes.posteriors.fdr import adjust_bh, list_rate
from ebgenes.records.counts import Counts, Study
from ebgenes.records.effects import MultiDfEffects
from ebgenes.records.prior import MixturePrior, MultivariatePrior
from ebgenes.results.table import COLUMNS

HIDDEN = {
    "sample": [f"s{i}" for i in range(8)],
    "score": [[float(i % 4) - 1.5, float(i // 2) - 1.5] for i in range(8)],
    "share": [0.4, 0.2],
    "correlation": [0.5, -0.1],
    "confounding": [1.0, 0.2],
    "confounding_se": [0.1, 0.1],
    "n_controls": 0,
    "sheet": {
        "batch": ["a", "b", "c", "d"] * 2,
        "age of $x_$": [str(i + 0.5) for i in range(8)],
        "id": [f"i{i}" for i in range(8)],
    },
}

PRIOR = MixturePrior(weight=[0.8, 0.15, 0.05], scale=[0.0, 0.7, 2.0])
TOLD = {
    "terms": [
        {
            "name": "$x_$ <b>",
            "unknown": 3,
            "shares": [
                {"value": value, "n_genes": 9, "before": share, "after": 0.1}
                for value, share in ((1.0, 0.0), (250.0, 0.1), (3e6, 0.2))
            ],
            "evidence": None,
        },
        {
            "name": "target",
            "unknown": 0,
            "shares": [{"value": v, "n_genes": 9, "before": 0.2, "after": 0.3} for v in ("$\\frac{", "no\nway")],
            "evidence": {
                "prior_mean": 1.1, "prior_sd": 0.4, "likelihood": 0.3, "likelihood_se": 0.1, "posterior": 0.4,
                "posterior_se": 0.1, "z": -1.9, "doubt": 0.3,
            },
        },
    ]
}  # fmt: skip
HOSTILE = [
    "$x_$",
    "$\\frac{",
    "<script>alert(1)</script>",
    "a\nb\tc",
    "\x00\x1b[31mred",
    "x" * 300,
    "\N{CJK UNIFIED IDEOGRAPH-57FA}\N{DNA DOUBLE HELIX}",
    "\N{RIGHT-TO-LEFT OVERRIDE}abc",
    "_hidden",
    "]]>&amp;\"'",
    "\ud800",
    "",
]


def simulated(n: int = 20_000, seed: int = 7, n_untested: int = 500) -> pd.DataFrame:
    """Effects from the two-group model with weights as in PRIOR and their exact posterior."""
    rng = np.random.default_rng(seed)
    component = rng.choice(3, size=n, p=PRIOR.weight)
    se = np.exp(rng.normal(-1.6, 0.6, n))
    estimate = rng.normal(0, 1, n) * PRIOR.scale[component] + rng.normal(0, 1, n) * se
    variance = PRIOR.scale**2 + se[:, None] ** 2
    log_joint = np.log(PRIOR.weight) - 0.5 * (np.log(variance) + estimate[:, None] ** 2 / variance)
    share = special.softmax(log_joint, axis=1)
    keep = PRIOR.scale**2 / variance
    table = pd.DataFrame(index=range(n), columns=list(COLUMNS), dtype=float)
    table["gene_id"] = [f"ENSG{i:011d}" for i in range(n)]
    table["gene_name"] = [f"GENE{i}" for i in range(n)]
    table["base_mean"] = np.exp(rng.normal(5, 2, n))
    table["log2_fc"], table["se"], table["df"] = estimate, se, np.inf
    table["p_value"] = 2 * special.ndtr(-np.abs(estimate / se))
    table["adj_p_value"] = adjust_bh(table["p_value"].to_numpy())
    table["post_mean"] = (share * keep).sum(axis=1) * estimate
    table["lfdr"] = share[:, 0]
    table["q_value"] = list_rate(share[:, 0])
    against = special.ndtr(-np.abs(estimate[:, None]) * np.sqrt(PRIOR.scale**2 / (variance * se[:, None] ** 2)))
    table["lfsr"] = share[:, 0] + (share[:, 1:] * against[:, 1:]).sum(axis=1)
    table["s_value"] = list_rate(table["lfsr"].to_numpy())
    table["pooled"] = 0.01
    table["status"] = "ok"
    untested = table.iloc[:n_untested].copy()
    untested.loc[:, [name for name in COLUMNS if table[name].dtype == float]] = np.nan
    untested["gene_id"] = [f"UNTESTED{i}" for i in range(len(untested))]
    untested["status"] = "low_count"
    # Untested rows in between, so that positions and labels of rows differ.
    return pd.concat([table.iloc[: n // 2], untested, table.iloc[n // 2 :]])


@cache
def a_study() -> Study:
    """Counts of the first 300 genes of `simulated`."""
    made = simulate_counts(np.random.default_rng(5), n_genes=300, n_per_group=3)
    gene = [f"ENSG{i:011d}" for i in range(300)]
    counts = Counts(gene=gene, sample=made.counts.sample, count=made.counts.count)
    return Study(counts=normalize(counts, "median_ratio"), samples=made.samples, screen=None)  # type: ignore[arg-type]


@pytest.fixture
def study() -> Study:
    return a_study()


STORED = {
    "weight": 0.7,
    "conflict": {"p_value": 3e-4},
    "z_scores": {"edges": [0, 2, 4, 6], "seen": [0.9, 0.1, 0.0], "predicted": [[0.94, 0.05, 0.01], [0.9, 0.08, 0.02]]},
}


def two_studies(table: pd.DataFrame) -> dict[str, Any]:
    """A study that has every gene, with a name that could be markup, and one that has none."""
    own = {"gene_id": table["gene_id"]}
    for study, shift in (("_$a$", 0.3), ("b", np.nan)):
        own |= {f"{study}.{name}": table[name] + shift for name in ("log2_fc", "se", "post_mean", "post_sd")}
    return {"own": pd.DataFrame(own), "studies": {"study": ["_$a$", "b"], "tau": {"value": 0.2}}}


OF_TABLES = [
    name for name, figure in plots.FIGURES.items() if "table" in figure.needs and "effects" not in figure.needs
]
OF_TABLES += ["covariates", "hidden", "stored"]
"""Figures of a result table and of what prior.json tells beside it."""


def told(table: pd.DataFrame) -> dict[str, Any]:
    """What figures show beside the table."""
    null = np.arange(len(table)) % 2 == 0
    return {
        "covariates": TOLD,
        "hidden": HIDDEN,
        "stored": STORED,
        "study": a_study(),
        "null": null,
        **two_studies(table),
    }


def gene_labels(ax: Axes) -> list[Text]:
    return [text for text in ax.texts if text.get_label() == "gene label"]


def note(ax: Axes) -> str:
    return "\n".join(text.get_text() for text in ax.texts if text.get_label() == "note")


def drawn(ax: Axes, group: str = "") -> np.ndarray:
    """Coordinates of the drawn genes, (G, 2)."""
    lines = [line for line in ax.lines if re.match(rf"_({group or 'up|down|rest|every'})( beyond)?$", line.get_label())]
    return np.vstack([np.empty((0, 2)), *[np.column_stack(line.get_data()) for line in lines]])


def boxes(figure: Figure, ax: Axes) -> np.ndarray:
    """Extents of the texts of the labels, without their leader lines, (L, 4)."""
    figure.draw_without_rendering()
    extents = [Text.get_window_extent(label).extents for label in gene_labels(ax)]
    return np.array(extents).reshape(-1, 4)


def assert_legible(figure: Figure, ax: Axes) -> None:
    extent = boxes(figure, ax)
    area = ax.get_window_extent().extents
    assert (extent[:, :2] >= area[:2]).all()
    assert (extent[:, 2:] <= area[2:]).all()
    for row, box in enumerate(extent):
        for other in extent[row + 1 :]:
            assert (box[:2] >= other[2:]).any() or (other[:2] >= box[2:]).any()


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return simulated()


@pytest.mark.parametrize("name", ["volcano", "ma"])
def test_labels_are_disjoint_and_inside(table: pd.DataFrame, name: str) -> None:
    figure = plots.draw(name, table, PRIOR, label=40)
    ax = figure.axes[0]
    assert_legible(figure, ax)
    tested = table[table["status"] == "ok"]
    size = tested["post_mean"].abs()
    first = tested.assign(size=size).sort_values(["lfsr", "size"], ascending=[True, False]).head(40)
    lost = re.search(r"(\d+) labels? not shown: (.*)", note(ax).replace("\n", " "))
    shown = {label.get_text() for label in gene_labels(ax)}
    missing = set(lost.group(2).split(", ")) if lost else set()
    assert shown | missing == set(first["gene_name"])
    # Leaders may not cross, so that not every label finds room.
    assert len(shown) >= 25


def test_labels_stand_on_their_genes(table: pd.DataFrame) -> None:
    figure = plots.draw("volcano", table, PRIOR, label=20)
    by_name = table[table["status"] == "ok"].set_index("gene_name")
    ends = figure.axes[0].get_xlim()
    for label in gene_labels(figure.axes[0]):
        effect = by_name.loc[label.get_text(), "post_mean"]
        # Only a gene beyond the axis stands elsewhere than at its own effect.
        assert label.xy[0] == effect or not ends[0] < effect < ends[1]


@pytest.mark.parametrize(
    ("x", "y"), [("post_mean", "lfdr"), ("log2_fc", "lfdr"), ("post_mean", "p_value"), ("log2_fc", "p_value")]
)
def test_volcano_draws_every_tested_gene(table: pd.DataFrame, x: str, y: str) -> None:
    ax = plots.draw("volcano", table, PRIOR, x=x, y=y).axes[0]
    tested = table[table["status"] == "ok"]
    at = drawn(ax)
    assert len(at) == len(tested)
    low, high = ax.get_xlim()
    bottom, top = ax.get_ylim()
    assert ((at >= [low, bottom]) & (at <= [high, top])).all()
    inside = (at[:, 1] < at[:, 1].max()) & (np.abs(at[:, 0]) < np.abs(at[:, 0]).max())
    every = set(-np.log10(tested[y].clip(lower=1e-320)) + 0.0)
    assert set(at[inside, 1]) <= every


@pytest.mark.parametrize("name", ["volcano", "ma"])
def test_counts_of_the_groups(table: pd.DataFrame, name: str) -> None:
    figure = plots.draw(name, table, PRIOR, up_label="higher in $trt$", down_label="lower in trt", level=0.01)
    ax = figure.axes[0]
    listed = table[(table["status"] == "ok") & (table["s_value"] < 0.01) & (table["lfsr"] < 0.495)]
    n_up, n_down = int((listed["post_mean"] > 0).sum()), int((listed["post_mean"] < 0).sum())
    assert min(n_up, n_down) > 100
    assert len(drawn(ax, "up")) == n_up
    assert len(drawn(ax, "down")) == n_down
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert f"{n_up:,} higher in $trt$" in words
    assert f"{n_down:,} lower in trt" in words
    assert ax.get_title("left") == f"{n_up:,} higher in $trt$, {n_down:,} lower in trt (false sign rate 1%)"
    # No height of the axis tells a list by signs from the rest; of several rows it is by lfdr, and one does.
    assert not any(text.startswith("end of the list") for text in words)
    joint = plots.draw(name, table.assign(leading_row="a"), PRIOR, level=0.01).axes[0]
    assert joint.get_title("left").endswith("(false discovery rate 1%)")
    assert len(drawn(joint, "rest")) == ((table["status"] == "ok") & (table["q_value"] >= 0.01)).sum()
    ended = [text.get_text().startswith("end of the list (lfdr ") for text in joint.get_legend().get_texts()]
    assert sum(ended) == (name == "volcano")


def test_genes_beyond_the_axis_are_at_its_edge_and_counted(table: pd.DataFrame) -> None:
    extreme = table.assign(lfdr=table["lfdr"].clip(lower=1e-20))
    rows = np.flatnonzero((extreme["status"] == "ok").to_numpy())[:5]
    extreme.iloc[rows[:3], extreme.columns.get_loc("lfdr")] = 0.0
    extreme.iloc[rows[3], extreme.columns.get_loc("lfdr")] = 1e-300
    extreme.iloc[rows[4], extreme.columns.get_loc("post_mean")] = -1e4
    ax = plots.draw("volcano", extreme, PRIOR).axes[0]
    assert "5 genes beyond the axis" in note(ax)
    open_ones = [line for line in ax.lines if str(line.get_label()).endswith("beyond")]
    assert sum(len(line.get_xdata()) for line in open_ones) == 5
    assert all(line.get_fillstyle() == "none" and line.get_marker() in "^v<>" for line in open_ones)
    assert len(drawn(ax)) == (extreme["status"] == "ok").sum()


def test_ma_draws_zero_means_at_the_edge_and_counts_unknown_ones(table: pd.DataFrame) -> None:
    odd = table[table["status"] == "ok"].head(1000).reset_index(drop=True)
    odd.loc[:9, "base_mean"] = np.nan
    odd.loc[10:14, "base_mean"] = 0.0
    ax = plots.draw("ma", odd, PRIOR).axes[0]
    assert "10 genes without a mean count cannot be drawn" in note(ax)
    assert "5 genes beyond the axis" in note(ax)
    assert len(drawn(ax)) == 990


def test_labels_without_room_are_named(table: pd.DataFrame) -> None:
    figure = Figure(figsize=(2.6, 2.2), dpi=100)
    ax = figure.subplots()
    plots.volcano(table, ax, label=60)
    assert_legible(figure, ax)
    said = re.search(r"(\d+) labels not shown: (.*)", note(ax).replace("\n", " "))
    assert said is not None
    names = re.sub(r" and (\d+) more", "", said.group(2)).split(", ")
    more = re.search(r" and (\d+) more", said.group(2))
    lost = len(names) + (int(more.group(1)) if more else 0)
    assert int(said.group(1)) == lost > 0
    assert lost + len(gene_labels(ax)) == 60
    assert not {label.get_text() for label in gene_labels(ax)} & set(names)


def test_label_zero_and_more_labels_than_genes(table: pd.DataFrame) -> None:
    assert gene_labels(plots.draw("volcano", table, PRIOR, label=0).axes[0]) == []
    few = table.head(5).assign(s_value=0.0, lfsr=0.0)
    assert len(gene_labels(plots.draw("volcano", few, PRIOR, label=50).axes[0])) == 5


@pytest.mark.parametrize("name", OF_TABLES)
def test_same_bytes_twice(table: pd.DataFrame, name: str) -> None:
    small = table.head(300)
    first, second = (plots.draw(name, small, PRIOR, title="t", **told(small)) for _ in range(2))
    for format in plots.FORMATS:
        assert plots.figure_bytes(first, format) == plots.figure_bytes(second, format)


def test_same_bytes_whatever_was_written_before(table: pd.DataFrame) -> None:
    small = table.head(300)
    here = plots.figure_bytes(plots.draw("volcano", small, PRIOR), "svg")
    figure = plots.draw("volcano", small, PRIOR)
    plots.figure_bytes(figure, "pdf")
    plots.figure_bytes(figure, "png")
    assert plots.figure_bytes(figure, "svg") == here
    assert b"<dc:date>" not in here


@pytest.mark.parametrize("name", OF_TABLES)
@pytest.mark.parametrize(
    "case",
    ["empty", "untested", "no hit", "all hits", "one gene", "lfdr 0", "lfdr 1", "p 0", "effect 0", "pi0 1"],
)
def test_extreme_tables(table: pd.DataFrame, name: str, case: str) -> None:
    ok = table[table["status"] == "ok"].head(200).copy()
    prior = MixturePrior(weight=[1.0], scale=[0.1]) if case == "pi0 1" else PRIOR
    changed = {
        "empty": table.head(0),
        "untested": table[table["status"] != "ok"],
        "no hit": ok.assign(s_value=0.9),
        "all hits": ok.assign(lfsr=0.001, s_value=0.001),
        "one gene": ok.head(1),
        "lfdr 0": ok.assign(**dict.fromkeys(("lfdr", "q_value", "lfsr", "s_value"), 0.0)),
        "lfdr 1": ok.assign(**dict.fromkeys(("lfdr", "q_value", "lfsr", "s_value"), 1.0)),
        "p 0": ok.assign(p_value=0.0),
        "effect 0": ok.assign(log2_fc=0.0, post_mean=0.0),
        "pi0 1": ok,
    }[case]
    figure = plots.draw(name, changed, prior, y="p_value" if case == "p 0" else "lfdr", **told(changed))
    assert len(plots.figure_bytes(figure, "svg")) > 1000
    if name in ("volcano", "ma"):
        ax = figure.axes[0]
        assert len(drawn(ax)) == (changed["status"] == "ok").sum()
        if case in ("no hit", "lfdr 1"):
            assert gene_labels(ax) == []
            assert "No gene in the list" in ax.get_title("left")
        if case == "all hits":
            assert len(drawn(ax, "rest")) == 0


def test_hostile_names_are_shown_literally(table: pd.DataFrame) -> None:
    n = len(HOSTILE)
    hostile = table[table["status"] == "ok"].head(400).reset_index(drop=True).assign(lfdr=0.5, lfsr=0.5, s_value=0.5)
    hostile.loc[: n - 1, "gene_name"] = HOSTILE
    hostile.loc[: n - 1, "lfdr"] = hostile.loc[: n - 1, "lfsr"] = np.geomspace(1e-30, 1e-20, n)
    hostile.loc[: n - 1, "s_value"] = 0.0
    hostile.loc[: n - 1, "post_mean"] = np.linspace(-3, 3, n)
    words = {"up_label": "higher in $trt_$ <script>", "down_label": "_lower & \x00\n$"}
    figure = plots.draw("volcano", hostile, PRIOR, title="$a_ <script>", label=n, **words)
    shown = {label.get_text() for label in gene_labels(figure.axes[0])}
    assert {"$x_$", "$\\frac{", "<script>alert(1)</scrip\N{HORIZONTAL ELLIPSIS}", "a b c", "[31mred"} <= shown
    assert {"x" * 23 + "\N{HORIZONTAL ELLIPSIS}", "abc", "_hidden", hostile["gene_id"][n - 1]} <= shown
    assert all(not label.get_parse_math() for label in gene_labels(figure.axes[0]))
    svg = plots.figure_bytes(figure, "svg")
    root = ElementTree.fromstring(svg)  # noqa: S314, our own output
    assert not [node for node in root.iter() if node.tag.endswith("script")]
    texts = {"".join(node.itertext()) for node in root.iter() if node.tag.endswith("text")}
    assert "$x_$" in texts
    assert "$a_ <script>" in texts
    assert "]]>&amp;\"'" in texts
    plots.figure_bytes(figure, "png")
    plots.figure_bytes(figure, "pdf")


@pytest.mark.fast
@pytest.mark.parametrize("name", OF_TABLES)
def test_svg_has_text_and_few_paths(table: pd.DataFrame, name: str) -> None:
    svg = plots.figure_bytes(plots.draw(name, table, PRIOR, **told(table)), "svg")
    assert svg.count(b"<text") > 10
    assert len(svg) < 600_000


def test_settings_of_the_session_are_left_alone(table: pd.DataFrame) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    plots.figure_bytes(plots.draw("volcano", table.head(100), PRIOR), "pdf")
    assert dict(mpl.rcParams) == before


def test_import_starts_no_window_system() -> None:
    heavy = "{'matplotlib.pyplot', 'scipy.stats'}"
    code = f"import sys; from ebgenes.plots import figure_bytes, volcano; sys.exit(bool({heavy} & set(sys.modules)))"
    root = Path(plots.__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_arrows_run_from_estimate_to_posterior_mean(table: pd.DataFrame) -> None:
    figure = plots.draw("shrinkage", table, PRIOR)
    ax = figure.axes[0]
    tested = table[table["status"] == "ok"]
    start, end = (
        np.vstack([np.column_stack(line.get_data()) for line in ax.lines if line.get_label() == name])
        for name in ("_no pooling", "_partial pooling")
    )
    assert len(start) == len(end) == 40
    rows = tested.set_index("se").loc[start[:, 0]]
    np.testing.assert_array_equal(start[:, 1], rows["log2_fc"])
    rows = tested.set_index("se").loc[end[:, 0]]
    np.testing.assert_array_equal(end[:, 1], rows["post_mean"])
    # The drawn genes span the standard errors: at least the middle 90%.
    low, high = tested["se"].quantile([0.05, 0.95])
    assert start[:, 0].min() < low
    assert start[:, 0].max() > high
    words = " ".join(text.get_text() for text in ax.get_legend().get_texts())
    assert all(kind in words for kind in ("no pooling", "partial pooling", "complete pooling"))


@pytest.mark.parametrize("prior", [PRIOR, MixturePrior(weight=[0.5, 0.3, 0.2], scale=[0.1, 0.004, 1.0], mode=0.2)])
def test_the_curve_over_the_histogram_is_the_marginal(table: pd.DataFrame, prior: MixturePrior) -> None:
    """Of normals around a mode it is a mixture over components and genes, summed here one by one."""
    tested = table[table["status"] == "ok"]
    ax = plots.draw("prior", tested, prior).axes[0]
    assert len(ax.figure.axes) == 2, "no axis of its own for the share of unchanged genes"
    lines = {line.get_label(): line for line in ax.lines}
    x = np.asarray(lines["_marginal"].get_xdata())[::200]
    variance = prior.scale**2 + tested["se"].to_numpy()[:, None] ** 2
    density = np.exp(-0.5 * (x[:, None, None] - prior.mode) ** 2 / variance) / np.sqrt(2 * np.pi * variance)
    by_component = density.mean(axis=1) * prior.weight
    # Standard errors are summed up by 400 quantiles; the largest few in ten thousand are cut short.
    peak = by_component.sum(axis=1).max()
    for name, expected in (("_unchanged", by_component[:, 0]), ("_changed", by_component[:, 1:].sum(axis=1))):
        np.testing.assert_allclose(lines[name].get_ydata()[::200], expected, atol=2e-3 * peak)
    heights = np.asarray(ax.patches[0].get_data().values)
    if prior is PRIOR:
        # What is simulated from the prior lies where the curve says: five standard errors of a count.
        edges = np.asarray(ax.patches[0].get_data().edges)
        middle = np.interp((edges[1:] + edges[:-1]) / 2, lines["_marginal"].get_xdata(), lines["_marginal"].get_ydata())
        unit = len(tested) * (edges[1] - edges[0])
        assert (np.abs(heights - middle) * unit < 5 * np.sqrt(middle * unit) + 5).all()
    words = " ".join(text.get_text() for text in ax.get_legend().get_texts())
    assert f"pi0 = {prior.pi0:.1%}" in words


def n_beyond(ax: Axes) -> int:
    said = re.search(r"([\d,]+) genes? beyond the axis", note(ax))
    return int(said.group(1).replace(",", "")) if said else 0


def test_one_far_gene_does_not_empty_half_the_axis(table: pd.DataFrame) -> None:
    tested = table[table["status"] == "ok"].reset_index(drop=True)
    largest = tested["post_mean"].abs().max()
    far = tested.assign(post_mean=tested["post_mean"].where(tested.index != 17, 1.9 * largest))
    for name, ends in (("volcano", "get_xlim"), ("ma", "get_ylim")):
        before, ax = (plots.draw(name, each, PRIOR, label=0).axes[0] for each in (tested, far))
        assert getattr(ax, ends)()[1] < 1.2 * largest
        assert n_beyond(ax) == n_beyond(before) + 1
        assert len(drawn(ax)) == len(far)
    # Two in a thousand that go on where the others end are no reason to cut.
    near = tested.assign(post_mean=tested["post_mean"].where(tested.index != 17, 1.4 * largest))
    assert plots.draw("volcano", near, PRIOR).axes[0].get_xlim()[1] > 1.4 * largest


@pytest.mark.parametrize("name", ["volcano", "ma"])
def test_leaders_do_not_cross(table: pd.DataFrame, name: str) -> None:
    figure = plots.draw(name, table.head(5000), PRIOR, label=60)
    figure.draw_without_rendering()
    leaders = [label.arrow_patch.get_path() for label in gene_labels(figure.axes[0]) if label.arrow_patch is not None]
    ends = [path.vertices[[0, -1]] for path in leaders]
    assert len(ends) > 10

    def turn(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
        return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))

    for i, (a, b) in enumerate(ends):
        for c, d in ends[i + 1 :]:
            assert not (turn(a, b, c) * turn(a, b, d) < 0 and turn(c, d, a) * turn(c, d, b) < 0)


def test_pixels_suffice_for_print(table: pd.DataFrame) -> None:
    figure = plots.draw("volcano", table.head(100), PRIOR)
    with Image.open(io.BytesIO(plots.figure_bytes(figure, "png"))) as image:
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        assert image.size == tuple(300 * size for size in figure.get_size_inches())


def test_histograms_hold_every_gene(table: pd.DataFrame) -> None:
    n_tested = (table["status"] == "ok").sum()
    for name, panel in (("prior", 1), ("diagnostics", 0)):
        ax = plots.draw(name, table, PRIOR).axes[panel]
        assert ax.patches[0].get_data().values.sum() == n_tested


def test_qq_of_null_genes_lies_on_the_line() -> None:
    rng = np.random.default_rng(11)
    null = simulated(5000, n_untested=0)
    z = rng.normal(size=5000)
    null["log2_fc"], null["p_value"] = z, 2 * special.ndtr(-np.abs(z))
    at = drawn(plots.draw("diagnostics", null, PRIOR).axes[1], "every")
    assert len(at) == 5000
    # z comes back from its p-value; the inverse loses a few digits where p is near 1.
    np.testing.assert_allclose(np.sort(at[:, 1]), np.sort(z), rtol=1e-9, atol=1e-9)
    middle = np.abs(at[:, 0]) < 2
    # Standard error of a middle order statistic of 5,000 is below .04; 5 of them.
    assert np.abs(at[middle, 1] - at[middle, 0]).max() < 0.2


def test_heat_map_holds_the_most_certain_genes(table: pd.DataFrame, study: Study) -> None:
    small = table[table["status"] == "ok"].head(300).reset_index(drop=True)
    small.loc[3, "gene_name"] = "$x_$"
    small.loc[3, "lfsr"] = 0.0
    figure = plots.draw("heatmap", small, PRIOR, study=study)
    ax = figure.axes[0]
    best = small.nsmallest(40, "lfsr").sort_values("post_mean", ascending=False)
    assert [label.get_text() for label in ax.get_yticklabels()] == best["gene_name"].tolist()
    shown = np.asarray(ax.collections[0].get_array()).reshape(40, 6)
    height = np.log2(study.counts.count / np.exp(study.counts.log_size) + 4)[best.index]
    height -= height.mean(axis=1, keepdims=True)
    words = [label.get_text() for label in ax.get_xticklabels()]
    order = [study.counts.sample.tolist().index(word.split(",")[0]) for word in words]
    np.testing.assert_allclose(shown, height[:, order], atol=1e-12)
    assert sorted(order) == list(range(6))
    assert all(word.endswith(("control", "treated")) for word in words)
    with pytest.raises(InputError, match="needs the counts"):
        plots.draw("heatmap", small, PRIOR)
    none = plots.draw("heatmap", small.head(0), PRIOR, study=study)
    assert none.axes[0].get_title("left") == "No tested genes"


def test_components_have_a_panel_for_each_telling_column(study: Study) -> None:
    score, share = principal_components(study.counts)
    sheet = {"group": ["a", "b"] * 3, "id": list("uvwxyz")}
    told = {"sample": [*study.counts.sample[:5], "$x_$"], "score": score, "share": share, "sheet": sheet}
    figure = plots.draw_components(told)
    assert len(figure.axes) == 1
    at = np.vstack([np.column_stack(line.get_data()) for line in figure.axes[0].lines if line.get_marker() in "o^"])
    np.testing.assert_allclose(sorted(at[:, 0]), sorted(score[:, 0]))
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["a", "b"]
    same = {"sample": ["a", "b"], "score": np.empty((2, 0)), "share": [], "sheet": {}}
    assert note(plots.draw_components(same).axes[0]) == "samples do not differ"
    assert plots.figure_bytes(figure, "svg") == plots.figure_bytes(plots.draw_components(told), "svg")


def test_dispersions_and_their_trend() -> None:
    rng = np.random.default_rng(1)
    mean = np.exp(rng.normal(5, 2, 500))
    dispersion = (0.03 + 2 / mean) * np.exp(rng.normal(0, 0.5, 500))
    dispersion[:7] = 1e-5
    trend = {"dispersion_floor": 0.03, "dispersion_slope": 2.0, "dispersion_spread": 0.5}
    ax = plots.draw_dispersions(mean, dispersion, trend).axes[0]
    points, line = ax.lines[0], ax.lines[1]
    np.testing.assert_allclose(np.column_stack(points.get_data()), np.column_stack([mean, dispersion]))
    np.testing.assert_allclose(line.get_ydata(), 0.03 + 2 / np.asarray(line.get_xdata()))
    assert "7 genes vary no more than Poisson" in note(ax)
    assert len(plots.draw_dispersions(mean, dispersion, None).axes[0].lines) == 1


def test_calibration_against_the_truth(table: pd.DataFrame) -> None:
    rng = np.random.default_rng(2)
    null = rng.random(len(table)) < table["lfdr"].to_numpy()
    rates, lists = plots.draw("calibration", table, PRIOR, null=null).axes
    tested = (table["status"] == "ok").to_numpy()
    lfdr, null = table["lfdr"].to_numpy()[tested], null[tested]
    expected = [null[(lfdr >= low) & (lfdr < low + 0.1)].mean() for low in np.arange(10) / 10]
    np.testing.assert_allclose(rates.lines[-1].get_ydata(), expected, atol=1e-12)
    # Wilson's intervals, as statsmodels has them.
    size = [((lfdr >= low) & (lfdr < low + 0.1)).sum() for low in np.arange(10) / 10]
    ends = proportion_confint(np.array(expected) * size, size, method="wilson")
    drawn_ends = np.array([path.vertices[:, 1] for path in rates.collections[0].get_paths()])
    np.testing.assert_allclose(drawn_ends, np.column_stack(ends), atol=1e-9)
    order = np.argsort(lfdr, kind="stable")
    nominal, realised = lists.lines[-1].get_data()
    share = np.cumsum(null[order]) / np.arange(1, len(order) + 1)
    np.testing.assert_allclose(realised, share[: len(realised)])
    assert np.max(nominal) <= 0.2
    with pytest.raises(InputError, match="--truth"):
        plots.draw("calibration", table, PRIOR)


def test_unknown_choices_are_refused_in_words(table: pd.DataFrame) -> None:
    with pytest.raises(
        InputError,
        match=r"shrinkage, diagnostics, covariates, hidden, .*, calibration, pca, dispersion, sharing; found 'vulcano'",
    ):
        plots.draw("vulcano", table, PRIOR)
    with pytest.raises(InputError, match="lfdr, p_value; found 'padj'"):
        plots.draw("volcano", table, PRIOR, y="padj")
    with pytest.raises(InputError, match="post_mean, log2_fc"):
        plots.draw("volcano", table, PRIOR, x="lfc")
    with pytest.raises(InputError, match="png, svg, pdf; found 'gif'"):
        plots.figure_bytes(Figure(), "gif")


def test_axes_are_returned(table: pd.DataFrame) -> None:
    small = table.head(50)
    for plot in (
        plots.volcano,
        plots.ma,
        plots.shrinkage,
        plots.lfdr_density,
        plots.p_histogram,
        plots.null_qq,
    ):
        ax = Figure().subplots()
        assert plot(small, ax) is ax
    ax = Figure().subplots()
    assert plots.prior_density(small, PRIOR, ax) is ax


def test_covariates_and_evidence_have_a_panel_each(table: pd.DataFrame) -> None:
    figure = plots.draw("covariates", table, PRIOR, covariates=TOLD, hidden=HIDDEN)
    titles = [ax.get_title(loc="left").splitlines()[0] for ax in figure.axes if ax.axison]
    assert len(titles) == 3
    one = figure.axes[0]
    np.testing.assert_allclose(one.lines[0].get_ydata(), [0.0, 0.1, 0.2])
    assert [label.get_text() for label in one.get_xticklabels()] == ["1", "250", "3,000,000"]
    curves = figure.axes[2].lines
    peaks = [float(line.get_xdata()[np.argmax(line.get_ydata())]) for line in curves]
    np.testing.assert_allclose(peaks, [1.1, 0.3, 0.4], atol=0.02)
    with pytest.raises(InputError, match=r"needs a prior with covariates, and this one has none. Leave the figure out"):
        plots.draw("covariates", table, PRIOR)


def test_naming_figures_loads_no_drawing() -> None:
    """Rules and the config list files of figures; they must not wait for matplotlib or tables."""
    code = "import sys, ebgenes.plots.figures; sys.exit(bool({'matplotlib', 'pandas', 'numpy'} & set(sys.modules)))"
    root = Path(plots.__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


@pytest.mark.fast
def test_rows_of_the_most_certain_genes():
    estimate = np.array([[0.1, 0.0], [3.0, -2.0], [1.0, 0.2]])
    effects = MultiDfEffects(
        gene=text_array("abc"), row=text_array(["first", "second"]), estimate=estimate,
        covariance=np.tile(0.04 * np.eye(2), (3, 1, 1)), df=np.full(3, np.inf), statistic=(estimate**2).sum(axis=1),
        p_value=stats.chi2.sf((estimate**2).sum(axis=1) / 0.04, 2), base_mean=np.full(3, 9.0), unit=np.ones(2),
        contrast="any", engine="likelihood", scalars={},
    )  # fmt: skip
    prior = MultivariatePrior(
        condition=effects.row, weight=[0.5, 0.5], scale=[0.0, 1.0], pattern_of=[-1, 0], pattern=["both"],
        covariance=[np.eye(2)], null_covariance=np.zeros((2, 2)),
    )  # fmt: skip
    known = multi_df_posterior(effects, prior)
    table = pd.DataFrame({"gene_id": list("abc"), "gene_name": list("abc"), "status": "ok"})
    figure = plots.draw(
        "rows", table, MixturePrior(weight=[0.5, 0.5], scale=[0.0, 1.0]), effects=effects, posterior=known
    )
    drawn = [ax for ax in figure.axes if ax.axison]
    assert [ax.get_title("left") or ax.get_title() for ax in drawn][:2] == ["b", "c"]
