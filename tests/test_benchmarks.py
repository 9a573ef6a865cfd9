"""The benchmarks' measures, how a run goes on where it was, and whether the page is that of the tables."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ebgenes as eb

ROOT = Path(__file__).parents[1]
PEERS = {"inmoose", "jax", "numpyro", "pydeseq2"}
"""Packages that some benchmarks compare with, and tests do without."""


@pytest.fixture(scope="module")
def evidence():
    """Module evidence.py of the benchmarks; those it imports lie beside it."""
    folder = str(ROOT / "benchmarks/calibration")
    sys.path.insert(0, folder)
    yield importlib.import_module("evidence")
    sys.path.remove(folder)


SCRIPTS = sorted((ROOT / "benchmarks").rglob("*.py"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_a_script_takes_from_its_neighbours_is_there(path):
    """Scripts import one another by name, and no other check looks into that."""
    beside = {each.stem: each for each in SCRIPTS}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or node.module is None:
            continue
        package = node.module.split(".")[0]
        if package not in beside:
            # Tests have modules of their own on the path.
            assert package in PEERS or not Path(importlib.util.find_spec(package).origin).is_relative_to(ROOT / "tests")
            continue
        names = set()
        for made in ast.parse(beside[node.module].read_text(encoding="utf-8")).body:
            targets = made.targets if isinstance(made, ast.Assign) else [getattr(made, "target", made)]
            names |= {getattr(target, "id", getattr(target, "name", None)) for target in targets}
        assert {alias.name for alias in node.names} <= names


def oracle(known):
    """Lists the changed genes, and one null gene more."""
    from methods import frame

    listed = known.truth != 0
    listed[np.flatnonzero(~listed)[0]] = True
    yield "oracle", frame(adjusted=np.where(listed, 0.0, 1.0), order=~listed, estimate=known.truth)


def small(evidence, n_sets):
    return evidence.Preset(n_genes=200, n_sets=n_sets, n_python_sets=0)


def test_a_run_goes_on_where_it_was(evidence, tmp_path, monkeypatch):
    seen = []

    def counted(known):
        seen.append(known)
        return oracle(known)

    monkeypatch.setattr(evidence, "ours", counted)
    monkeypatch.setattr(evidence, "DEFAULT", "oracle")
    cells, kept = evidence.simulated_cells(200)[:2], evidence.Kept(tmp_path)
    evidence.run(cells, small(evidence, 1), ["ebgenes"], kept, hours=0)
    assert not seen
    evidence.run(cells, small(evidence, 1), ["ebgenes"], kept, hours=1)
    assert len(seen) == 2
    evidence.run(cells, small(evidence, 3), ["ebgenes"], kept, hours=1)
    assert len(seen) == 6
    rows = list(evidence.averages(cells, small(evidence, 3), kept))
    assert [row["cell"] for row in rows] == [cell.name for cell in cells]
    for row, cell in zip(rows, cells, strict=True):
        truth = [evidence.draw(cell, cell.seed + k).truth for k in range(3)]
        listed = np.array([(each != 0).sum() + 1 for each in truth])
        assert (row["sets"], row["tpr"], row["tpr_lead"], row["rmse"]) == (3, "1", "0", "0")
        # Averages are written with four digits.
        assert float(row["fdp"]) == pytest.approx((1 / listed).mean(), rel=5e-4)
        assert float(row["fdp_se"]) == pytest.approx((1 / listed).std(ddof=1) / np.sqrt(3), rel=0.05)


def test_measures_of_a_known_list(evidence):
    from methods import frame
    from rates import all_rates

    truth = np.array([0.0, 0, 1, -2, 1, 0])
    table = frame(
        adjusted=[0.01, 0.2, 0.02, 0.03, np.nan, 0.5],
        order=[3.0, 4, 1, 2, np.nan, 5],
        estimate=[0.5, 0, 1, 1, np.nan, 0],
        low=[-1.0, -1, 0, 0, np.nan, 1],
        high=[1.0, 1, 2, 2, np.nan, 2],
        p_value=[0.005, 0.3, 0.0, 0.0, np.nan, 0.9],
        lfdr=[0.04, 0.9, 0.01, 0.02, 0.3, 1.0],
    )
    found = all_rates(table, truth, np.array([True, False, True, False, False, False]))
    assert found["calls"] == 3
    assert found["fdp"] == pytest.approx(1 / 3)
    # A null gene has no right sign, and the effect of -2 is taken for one of 1.
    assert found["fsr"] == pytest.approx(2 / 3)
    assert found["tpr"] == pytest.approx(2 / 3)
    # The first two by order are changed, the third is not.
    assert found["tpr_matched"] == pytest.approx(2 * 0.95 / 3)
    assert found["rmse"] == pytest.approx(np.sqrt((0.25 + 9) / 5))
    assert found["coverage"] == pytest.approx(3 / 5)
    assert found["coverage_called"] == pytest.approx(2 / 3)
    assert found["lfdr_gap_0_0.05"] == pytest.approx(1 / 3 - 0.07 / 3)
    assert found["lfdr_gap_0.8_1"] == pytest.approx(0.05)
    assert found["null_p_0.01"] == pytest.approx(1 / 3)
    assert [found[f"zero_{each}"] for each in ("genes", "calls", "false", "changed")] == [2, 2, 1, 1]


def test_thinning_moves_changed_genes_only(evidence):
    from plasmodes import thin

    effect = np.repeat([0.0, 1.0, -2.0], 500)
    count, treated = np.full((1500, 4), 400), np.array([False, False, True, True])
    left = thin(np.random.default_rng(1), count, effect, treated)
    assert (left[:500] == 400).all()
    ratio = np.log2(left[:, treated].sum(axis=1) / left[:, ~treated].sum(axis=1))
    # 500 genes' mean has a standard error of at most .006.
    np.testing.assert_allclose([ratio[:500].mean(), ratio[500:1000].mean(), ratio[1000:].mean()], [0, 1, -2], atol=0.02)


def test_simulated_counts_follow_given_laws():
    """Null genes of a law without spread are as dispersed as it says, 0 included, and effects are those it drew."""
    drawn = {}

    def law(rng, mean):
        drawn["mean"], drawn["effect"] = mean, np.where(mean > np.median(mean), 1.0, 0.0)
        return drawn["effect"]

    made = eb.simulate_counts(
        np.random.default_rng(3),
        n_genes=400,
        n_per_group=20,
        effect_law=law,
        dispersion_law=lambda rng, mean: np.full(len(mean), 1e-9),
    )
    np.testing.assert_array_equal(made.effect, drawn["effect"])
    treated = (made.samples["group"] == "treated").to_numpy()
    many = drawn["mean"] > 1000
    depth = made.counts.count[many].sum(axis=0)
    scaled = made.counts.count[many] / depth * depth.mean()
    ratio = np.log2(scaled[:, treated].mean(axis=1) / scaled[:, ~treated].mean(axis=1))
    # All of them changed alike, so that what is left after scaling by depth is noise of Poisson counts above 1,000.
    assert drawn["effect"][many].all()
    np.testing.assert_allclose(ratio, 0, atol=0.12)
    spread = scaled.var(axis=1, ddof=1) / scaled.mean(axis=1)
    assert abs(np.median(spread) - 1) < 0.5


@pytest.fixture(scope="module")
def page():
    spec = importlib.util.spec_from_file_location("benchmarks_page", ROOT / "docs/benchmarks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_that_of_the_tables(page):
    told = (ROOT / "docs/benchmarks.md").read_text(encoding="utf-8")
    assert told == page.page(), "run python docs/benchmarks.py"
    figure = (ROOT / "docs/benchmarks.svg").read_text(encoding="utf-8")
    assert page.digest() in figure, "run python docs/benchmarks.py"


def test_losing_cells_are_named(page):
    table = pd.DataFrame(
        [
            ("good", "likelihood", 0.05, 0.4, True),
            ("good", "peer", 0.05, 0.3, False),
            ("loud", "likelihood", 0.09, 0.4, True),
            ("loud", "peer", 0.04, 0.3, False),
            ("weak", "likelihood", 0.05, 0.4, True),
            ("weak", "peer", 0.05, 0.5, False),
            ("weak", "loud peer", 0.2, 0.9, False),
        ],
        columns=["cell", "method", "fdp", "tpr", "ours"],
    ).assign(tpr_matched=0.5, judged_se=0.005, null=False, tpr_lead=np.nan)
    table["holds"] = table["fdp"] <= 0.06
    assert "in 1 of 3 cells" in page.over_level(table)
    assert "| loud | .090 (.005) | .400 | peer |  |" in page.over_level(table)
    told = page.beaten(table)
    assert "In 1 of 3 cells" in told
    assert "| weak | -.100 |" in told
    assert "loud peer" not in told


@pytest.fixture(scope="module")
def real(evidence):
    """Module real.py of the benchmarks."""
    return importlib.import_module("real")


def test_what_a_titration_tells_is_what_was_mixed(real):
    rng = np.random.default_rng(1)
    mean = 2000 * np.exp(rng.standard_normal(3000))
    a, b = mean / mean.sum(), mean * np.exp(0.5 * rng.standard_normal(3000))
    b /= b.sum()
    content = 0.7
    expected = {
        name: ((1 - share) * a + share * content * b) / (1 - share + share * content)
        for name, share in real.SHARE.items()
    }
    sample = pd.Series(np.repeat(list(expected), 2), index=[f"s{i}" for i in range(8)])
    count = np.column_stack([rng.poisson(8e6 * expected[name]) for name in sample])
    gene = [f"g{i}" for i in range(3000)]
    known = real.learn_mixture(real.Counts(gene=gene, sample=list(sample.index), count=count), sample)
    # Of some 3,000 genes' ratios, each known to a few percent.
    assert known.content == pytest.approx(content, rel=0.01)
    assert known.dispersion < 1e-4
    for baseline, target in real.CONTRASTS:
        found = real.mixture_truth(known, baseline, target)
        error = (found["truth"] - np.log2(expected[target] / expected[baseline])) / found["se"]
        # A root mean square over 3,000 genes of errors that have the standard errors told.
        assert np.sqrt(np.mean(error**2)) == pytest.approx(1, abs=0.1)


def test_labels_are_permuted_within_the_values_of_a_column(real):
    sheet = pd.DataFrame({"batch": list("aabbbbcccc"), "group": list("xyxxyyxxxy")})
    rng, seen = np.random.default_rng(1), set()
    for by in ("batch", None):
        for _ in range(20):
            found = real.permuted_labels(rng, sheet, "group", by)
            if by:
                tally = [table.groupby(["batch", "group"]).size() for table in (sheet, found)]
                assert tally[0].equals(tally[1])
            assert sorted(found["group"]) == sorted(sheet["group"])
            seen.add("".join(found["group"]))
    assert len(seen) > 25


def test_the_contrast_becomes_the_last_coefficient(real):
    sheet = pd.DataFrame({"dose": list("abcabc")}, index=[f"s{i}" for i in range(6)])
    design = eb.build_design(sheet, "~ dose", eb.compare("dose", baseline="a", target="b"))
    y = np.random.default_rng(1).standard_normal(6)
    changed = real.with_tested_last(design)
    effect = design.contrast.weight @ np.linalg.lstsq(design.matrix, y)[0]
    np.testing.assert_allclose(np.linalg.lstsq(changed.matrix, y)[0][-1], effect, rtol=1e-12)


def test_a_factor_takes_the_share_it_is_said_to_take(evidence):
    dense = importlib.import_module("dense")
    moved = dense.one_factor(np.random.default_rng(1), 10, 20_000, share=0.3, correlation=0.6)
    # The mean of 20,000 squared loadings is known to 1%.
    assert moved.var() / (moved.var() + dense.NOISE) == pytest.approx(0.3, abs=0.01)
    cells = [cell for _, cell, _ in dense.every_cell(100)]
    assert len({cell.name for cell in cells}) == len({cell.seed for cell in cells}) == len(cells)
