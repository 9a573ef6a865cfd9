"""The report in a browser: what it shows is what the table says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from browser import HOSTILE, LACKING, Page, changed, clean, held, listed
from scipy import special
from test_payload import skewed

import ebgenes as eb
from ebgenes.arrays import text_array
from ebgenes.posteriors.fdr import list_rate
from ebgenes.prior.densities import slab_density
from ebgenes.records.counts import Study
from ebgenes.records.design import Curve
from ebgenes.records.prior import MixturePrior
from ebgenes.report.contents import ContrastPage, GeneRows, StudyLines
from ebgenes.report.payload import bent_nodes, stray_likelihoods
from ebgenes.report.render import render_report
from ebgenes.results.table import tested as has_results

pytestmark = pytest.mark.skipif(bool(LACKING), reason=f"not installed: {', '.join(LACKING)}")


def test_page_needs_no_network_and_says_nothing_on_the_console(page: Page, contrast: ContrastPage) -> None:
    assert page.console() == []
    assert page.run("return performance.getEntriesByType('resource').length") == 0
    assert page.counts() == listed(contrast.table, 0.05, 0)
    assert page.counts()[0] > 20
    assert page.shown() == int(has_results(contrast.table).sum())
    assert page.text("#words-up") == "higher in treated"
    # The volcano is on the first screen and holds ink.
    ink = """
      const canvas = document.querySelector('#volcano canvas');
      const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      const box = canvas.getBoundingClientRect();
      let n = 0;
      for (let i = 3; i < data.length; i += 4) if (data[i] > 100) n++;
      return [n, box.top, innerHeight];"""
    n_pixels, top, height = page.run(ink)
    assert n_pixels > 2000
    assert top < height / 2


@pytest.mark.parametrize("rate", ["q_value", "s_value", "adj_p_value"])
def test_sliders_recount_to_what_the_table_says(page: Page, contrast: ContrastPage, rate: str) -> None:
    page.set("#rate", rate, "change")
    seen = set()
    for step in (3, 6, 8, 10, 12):
        page.set("#level-range", step)
        level = float(page.run("return document.getElementById('level').value"))
        for effect in (0, 0.5, 1.25):
            page.set("#effect-range", effect)
            expected = listed(contrast.table, level, effect, rate)
            assert page.counts() == expected, (rate, level, effect)
            seen.add(expected)
    assert len(seen) > 5
    page.set("#level", 0.033, "change")
    assert page.counts() == listed(contrast.table, 0.033, 1.25, rate)


def test_search_finds_a_gene_and_shows_its_counts(page: Page, contrast: ContrastPage, study: Study) -> None:
    gene = str(study.counts.gene[500])
    page.search(gene.upper())
    assert page.rows() == [gene]
    assert page.text("#gene-title") == gene
    words = page.run("return [...document.querySelectorAll('#gene details tbody tr > *')].map((e) => e.textContent)")
    told = dict(zip(words[::2], words[1::2], strict=True))
    expected = study.counts.count[500] / np.exp(study.counts.log_size)
    assert list(told) == list(study.counts.sample)
    shown = [float(value.replace(",", "")) for value in told.values()]
    np.testing.assert_allclose(shown, expected, rtol=0.012, atol=0.02)
    row = contrast.table.set_index("gene_id").loc[gene]
    assert f"lfdr {row['lfdr']:.3f}" in page.text("#gene") or row["lfdr"] < 0.001
    page.search("no such gene")
    assert page.rows() == []
    assert page.until(lambda: page.text("#missing")) == "No gene of that name or id in the input."


def test_the_sample_that_an_outliers_result_may_hang_on_is_named(
    driver: Any, contrast: ContrastPage, study: Study, tmp_path: Path
) -> None:
    """Its name is the user's and shown as text; effects in small units keep their digits."""
    row, stray = 400, 0
    count = study.counts.count.copy()
    count[row] = 100
    count[row, stray] = 90_000
    gene = str(study.counts.gene[row])
    table = contrast.table.copy()
    table.loc[table["gene_id"] == gene, ["status", "post_mean", "ci_low", "ci_high"]] = [
        "outlier",
        0.00123,
        0.0001,
        0.002,
    ]
    moved = replace(study, counts=replace(study.counts, count=count))
    path = tmp_path / "report.html"
    path.write_text(render_report([changed(contrast, table=table)], dataset="one", versions={}, study=moved), "utf-8")
    page = Page(driver, path, tmp_path)
    page.search(gene)
    words = page.text("#gene")
    assert f"Sample {clean(study.counts.sample[stray])[:20]}" in words
    assert "lies farthest from the others of its group" in words
    page.search(str(study.counts.gene[500]))
    assert "lies farthest" not in page.text("#gene")


def test_a_gene_that_was_not_tested_is_explained(page: Page, contrast: ContrastPage) -> None:
    untested = contrast.table.loc[contrast.table["status"] == "low_count", "gene_id"]
    if untested.empty:
        pytest.skip("every simulated gene was tested")
    page.search(untested.iloc[0])
    assert page.until(lambda: page.text("#missing")).endswith("was not tested: too few counts.")


def test_a_click_in_the_volcano_picks_that_gene(page: Page, contrast: ContrastPage) -> None:
    from selenium.webdriver import ActionChains

    ids = contrast.table.loc[has_results(contrast.table), "gene_id"].tolist()
    # Labelled genes stand alone enough to be hit.
    best = contrast.table.loc[has_results(contrast.table)].nsmallest(3, "lfdr")["gene_id"]
    canvas = page.driver.find_element("css selector", "#volcano .over")
    page.run("arguments[0].scrollIntoView({block: 'center'})", canvas)
    for gene in best:
        x, y = page.run("return document.querySelector('#volcano figure').positionOf(arguments[0])", ids.index(gene))
        size = canvas.size
        reach = ActionChains(page.driver).move_to_element_with_offset(
            canvas, x - size["width"] / 2, y - size["height"] / 2
        )
        reach.click().perform()
        assert gene in page.text("#gene-title") or gene[:50] in page.text("#gene-title")
        assert gene[:30] in page.text("#volcano .tip")
        assert page.run("return document.querySelectorAll('#table tr.picked').length") == 1


def test_downloads_hold_what_is_shown(page: Page, contrast: ContrastPage) -> None:
    page.set("#only", "up", "change")
    page.set("#level", 0.01, "change")
    page.set("#effect", 1, "change")
    n_up, n_down = listed(contrast.table, 0.01, 1)
    assert page.shown() == n_up
    text = page.downloaded("#download", "one_treated_genes.tsv")
    (page.downloads / "read.tsv").write_bytes(text)
    read = pd.read_csv(page.downloads / "read.tsv", sep="\t", dtype={"gene_id": str}, keep_default_na=False)
    table = contrast.table
    expected = table[held(table, 0.01) & (table["post_mean"] >= 1)].sort_values("lfsr", kind="stable")
    assert sorted(read["gene_id"]) == sorted(clean(name) for name in expected["gene_id"])
    assert (np.diff(read["lfsr"]) >= 0).all()
    both = read.set_index("gene_id").join(expected.set_index("gene_id"), rsuffix="_table")
    for name in ("log2_fc", "post_mean", "ci_low", "ci_high"):
        np.testing.assert_allclose(both[name], both[f"{name}_table"], atol=6e-4)
    for name in ("q_value", "s_value"):
        np.testing.assert_allclose(both[name], both[f"{name}_table"], rtol=1e-4)

    svg = page.downloaded("#volcano .buttons button", "one_treated_volcano.svg")
    root = ElementTree.fromstring(svg)  # noqa: S314
    ways = {path.get("fill"): path.get("d", "").count("M") for path in root.iter("{http://www.w3.org/2000/svg}path")}
    assert ways["#D55E00"] == n_up
    assert ways["#0072B2"] == n_down
    words = ["".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "\N{MINUS SIGN}log10 local false discovery rate" in words
    png = page.downloaded("#volcano .buttons button:nth-child(2)", "one_treated_volcano.png")
    assert png.startswith(b"\x89PNG")
    assert int.from_bytes(png[16:20], "big") > 1000


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_shown_as_text(page: Page, name: str) -> None:
    page.search(clean(name))
    assert clean(name) in page.rows()
    assert page.text("#gene-title").startswith(clean(name)[:50])
    assert page.run("return document.title") == "one: differential expression"
    assert page.run("return document.querySelectorAll('img').length") == 0
    # Those of the page, none of a name's.
    assert page.run("return [...document.scripts].every((each) => each.type)")
    assert page.console() == []
    row = page.run("return document.querySelector('#table tr.picked').getBoundingClientRect().height")
    assert row == pytest.approx(28, abs=1)
    assert page.run("return document.documentElement.scrollWidth <= innerWidth")


def test_sorting_pasting_boxes_and_keys(page: Page, contrast: ContrastPage) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    table = contrast.table[has_results(contrast.table)]
    by_effect = "document.querySelector('#table th[data-key=post_mean] button').click()"
    page.run(by_effect)
    largest = table.nlargest(1, "post_mean")["gene_id"].iloc[0]
    assert page.rows()[0] == clean(largest)
    page.run(by_effect)
    assert page.rows()[0] == clean(table.nsmallest(1, "post_mean")["gene_id"].iloc[0])
    assert page.run("return document.querySelectorAll('#table th[aria-sort=ascending]').length") == 1

    some = table["gene_id"].iloc[[100, 200, 300]].tolist()
    page.set("#paste", f"{some[0]}, {some[1].upper()}\n{some[2]} nonsense")
    assert sorted(page.rows()) == sorted(some)
    assert page.text("#paste-told").startswith("3 of 4 found")
    assert "nonsense" in page.text("#paste-told")
    page.set("#paste", "")
    assert page.shown() == len(table)

    body = page.driver.find_element("tag name", "body")
    body.send_keys("/")
    assert page.run("return document.activeElement.id") == "search"
    page.driver.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    assert page.run("return document.querySelector('#table tr.picked th bdi').textContent") == page.rows()[0]
    rows = page.driver.find_element("css selector", ".rows")
    rows.send_keys(Keys.ARROW_DOWN)
    second = page.run("return document.querySelector('#table tr.picked th bdi').textContent")
    assert second == page.rows()[1]
    rows.send_keys(Keys.END)
    assert page.run("return document.querySelector('#table tr.picked').getAttribute('aria-rowindex')") == str(
        len(table) + 1
    )

    page.run("document.getElementById('tab-ma').click()")
    canvas = page.driver.find_element("css selector", "#ma .over")
    page.run("arguments[0].scrollIntoView({block: 'center'})", canvas)
    drag = ActionChains(page.driver).move_to_element_with_offset(canvas, -60, -60).click_and_hold()
    drag.move_by_offset(120, 120).release().perform()
    assert 0 < page.shown() < len(table)
    assert "in the box drawn in" in page.text("#chip-words")
    body.send_keys(Keys.ESCAPE)
    assert page.shown() == len(table)


def test_dark_print_and_no_script(page: Page, contrast: ContrastPage) -> None:
    ground = "return getComputedStyle(document.body).backgroundColor"
    seen = "return getComputedStyle(document.querySelector(arguments[0])).display !== 'none'"
    assert page.run(ground) == "rgb(255, 255, 255)"
    page.run("document.getElementById('theme').click()")
    assert page.run(ground) == "rgb(22, 25, 29)"
    command = page.driver.execute_cdp_cmd
    command("Emulation.setEmulatedMedia", {"media": "print"})
    assert page.run(ground) == "rgb(255, 255, 255)"
    assert page.run(seen, ".static")
    assert not page.run(seen, "#browse")
    command(
        "Emulation.setEmulatedMedia", {"media": "", "features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    )
    command("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.driver.refresh()
        assert page.run(ground) == "rgb(22, 25, 29)"
        assert page.run(seen, ".static")
        assert not page.run(seen, ".live")
        assert len(page.driver.find_elements("css selector", ".static tbody tr")) == 25
    finally:
        command("Emulation.setScriptExecutionDisabled", {"value": False})
        command("Emulation.setEmulatedMedia", {"media": "", "features": []})


def test_ten_contrasts_and_their_overlap(driver: Any, contrast: ContrastPage, study: Study, tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    pages = [contrast]
    for i in range(1, 10):
        table = contrast.table.copy()
        rows = has_results(table)
        lfsr = np.where(rng.random(rows.sum()) < 0.5, table.loc[rows, "lfsr"], rng.random(rows.sum()) ** 0.2)
        table.loc[rows, "lfsr"], table.loc[rows, "s_value"] = lfsr, list_rate(lfsr)
        table.loc[rows, "post_mean"] *= rng.choice([-1, 1], rows.sum())
        pages.append(changed(contrast, name=f"c{i}", table=table, up_label=f"up{i}"))
    path = tmp_path / "ten.html"
    path.write_text(render_report(pages, dataset="one", versions={}, study=study), encoding="utf-8")
    page = Page(driver, path, tmp_path)
    assert page.console() == []
    for i in (3, 9, 0):
        page.set("#contrast", i, "change")
        page.until(lambda i=i: page.text("#words-up") == (f"up{i}" if i else "higher in treated"))
        assert page.counts() == listed(pages[i].table, 0.05, 0)
        assert page.run("return document.querySelectorAll('[data-contrast]:not([hidden])').length") == 2
    lists = pd.DataFrame({each.name: held(each.table, 0.05) for each in pages})
    sets = lists[lists.any(axis=1)].value_counts()
    first = page.text("#contrasts li button")
    assert first.startswith(f"{sets.iloc[0]:,} gene")
    page.run("document.querySelector('#contrasts li button').click()")
    assert page.shown() == sets.iloc[0]
    assert page.console() == []


def test_coin_tosses_are_not_listed_and_several_rows_go_by_q(
    driver: Any, contrast: ContrastPage, study: Study, tmp_path: Path
) -> None:
    """Until the reader chooses a rate, each contrast's own makes its list; of either sign what is wrong is told."""
    table = contrast.table.copy()
    rows = np.flatnonzero(has_results(table))
    table["lfdr"], table["lfsr"] = table["lfdr"].where(table["lfdr"].isna(), 0.0), table["lfsr"].clip(upper=0.49)
    lfsr = table["lfsr"].to_numpy(copy=True)
    lfsr[rows] = np.where(np.arange(len(rows)) % 40 == 0, 0.478, 1e-4)
    table["lfsr"] = lfsr
    for name, error in (("q_value", "lfdr"), ("s_value", "lfsr")):
        values = np.full(len(table), np.nan)
        values[rows] = list_rate(table[error].to_numpy()[rows])
        table[name] = values
    assert table["lfsr"].mean() < 0.05
    joint = changed(contrast, name="rows", table=table.assign(leading_row="a"))
    path = tmp_path / "rules.html"
    text = render_report([changed(contrast, table=table), joint], dataset="one", versions={}, study=study)
    path.write_text(text, encoding="utf-8")
    page = Page(driver, path, tmp_path)
    value = "return document.getElementById('rate').value"
    assert page.run(value) == "s_value"
    assert page.counts() == listed(table, 0.05, 0)
    assert sum(page.counts()) == (lfsr[rows] < 0.475).sum() < len(rows)
    assert page.text("#count-false").endswith("of them unchanged or of the other sign, by the model")
    page.set("#contrast", 1, "change")
    page.until(lambda: page.run(value) == "q_value")
    assert page.counts() == listed(table, 0.05, 0, "q_value")
    assert sum(page.counts()) > (lfsr[rows] < 0.475).sum()
    assert page.text("#count-false").endswith("of them unchanged, by the model")
    page.set("#rate", "s_value", "change")
    page.until(lambda: page.counts() == listed(table, 0.05, 0))
    assert page.console() == []


def nothing_found(table: pd.DataFrame) -> pd.DataFrame:
    rows = has_results(table)
    table.loc[rows, ["lfdr", "q_value", "lfsr", "s_value", "p_value", "adj_p_value"]] = 1.0
    table.loc[rows, "post_mean"] = 0.0
    return table


def all_found(table: pd.DataFrame) -> pd.DataFrame:
    rows = has_results(table)
    table.loc[rows, ["lfdr", "q_value", "lfsr", "s_value", "p_value", "adj_p_value"]] = 0.0
    table.loc[rows, "post_mean"] = np.abs(table.loc[rows, "log2_fc"])
    return table


CASES: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "no hit": nothing_found,
    "all hits": all_found,
    "one gene": lambda table: table[has_results(table)].head(1),
    "no gene": lambda table: table.head(0),
    "no annotation": lambda table: table.assign(gene_name=np.nan, base_mean=np.nan, p_value=np.nan, df=np.inf),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("counted", [True, False])
def test_extreme_tables(
    driver: Any, contrast: ContrastPage, study: Study, tmp_path: Path, case: str, *, counted: bool
) -> None:
    table = CASES[case](contrast.table.copy())
    prior = MixturePrior(weight=[1.0, 0.0], scale=[0.0, 1.0]) if case == "no hit" else contrast.prior
    made = changed(contrast, table=table, prior=prior)
    path = tmp_path / "case.html"
    text = render_report([made], dataset=case, versions={}, study=study if counted else None)
    path.write_text(text, encoding="utf-8")
    page = Page(driver, path, tmp_path)
    judged = table[has_results(table)]
    assert page.shown() == len(judged)
    assert page.counts() == listed(judged, 0.05, 0)
    if len(judged):
        page.run("document.querySelector('#table tbody tr[data-gene]').click()")
        assert page.rows()[0] in set(judged["gene_id"])
        assert page.run("return document.querySelectorAll('#gene canvas').length") == 1 + counted
    assert page.console() == []


def test_curves_have_the_tables_posterior_means(driver: Any) -> None:
    """The script's own curves, integrated, against the package's posteriors: t likelihoods and likelihoods on grids."""
    effects = skewed()
    prior = MixturePrior(weight=[0.5, 0.3, 0.2], scale=[0.1, 0.4, 2.0])
    known = eb.posterior(effects, prior)
    kept = stray_likelihoods(effects)
    assert kept is not None
    own = dict(zip(kept.gene, zip(kept.grid.tolist(), kept.loglik.tolist(), strict=True), strict=True))
    effect = 12 * bent_nodes()
    told = {
        "pi0": 0.5, "null_sd": 0.1, "mode": 0, "effect": effect.tolist(),
        "density": slab_density(prior, effect).tolist(),
    }  # fmt: skip
    genes = []
    for g, name in enumerate(effects.gene):
        grid, loglik = own.get(name, (None, None))
        each = {"estimate": effects.estimate[g], "se": effects.se[g], "df": min(effects.df[g], 1e9)}
        each |= {"postMean": known.mean[g], "lfdr": known.lfdr[g], "own": grid and {"grid": grid, "loglik": loglik}}
        genes.append(each)
    source = files("ebgenes.report").joinpath("page/densities.js").read_text(encoding="utf-8")
    driver.get("about:blank")
    script = """
      const [genes, prior] = arguments;
      return genes.map((gene) => {
        const {x, posterior, likelihood} = curves(gene, prior);
        const step = x[1] - x[0];
        const sum = (heights) => heights.reduce((total, height, i) => total + height * x[i], 0) * step;
        return [sum(posterior), likelihood.reduce((total, height) => total + height, 0) * step];
      });"""
    mean, held = np.array(driver.execute_script(source + script, genes, told)).T
    # The range drawn is four widths, and for grids where the posterior is above 3e-4 of its height.
    np.testing.assert_allclose(mean[:-10], known.mean[:-10], atol=0.002)
    np.testing.assert_allclose(mean[-10:], known.mean[-10:], atol=0.04)
    np.testing.assert_allclose(held, 1, atol=0.02)
    size = [0.0, 0.3, 1.0, 2.0, 5.0, 40.0, 300.0]
    z = driver.execute_script(source + "return arguments[0].map(zScore)", size)
    np.testing.assert_allclose(z, -special.ndtri(0.5 * 10.0 ** -np.array(size)), atol=1e-3)


def test_several_rows_are_drawn_in_place_of_one_likelihood(
    driver: Any, contrast: ContrastPage, study: Study, tmp_path: Path
) -> None:
    """A contrast of two rows along time beside one of a single effect; the panel follows the contrast."""
    gene = contrast.table.loc[has_results(contrast.table), "gene_id"].to_numpy()
    rng = np.random.default_rng(1)
    half = np.tril(rng.normal(size=(len(gene), 2, 2)))
    curve = Curve(column="time", x=[0, 1, 2], series=["", "", ""], weight=[[0, 0], [1, 0], [0.5, 2]], dense=True)
    rows = GeneRows(
        gene=gene, row=text_array(["a", "b</script>"]), mean=rng.normal(size=(len(gene), 2)), root=half,
        unit=np.array([1.0, 4.0]), curve=curve,
    )  # fmt: skip
    path = tmp_path / "rows.html"
    both = [changed(contrast, rows=rows), changed(contrast, name="single")]
    path.write_text(render_report(both, dataset="d", versions={}, study=study), encoding="utf-8")
    page = Page(driver, path, tmp_path)
    page.run("document.querySelector('#table tbody tr[data-gene]').click()")
    seen = "return [...document.querySelectorAll('#gene h3')].filter((e) => e.offsetParent).map((e) => e.textContent)"
    assert page.run(seen) == ["Normalized counts", "All rows of the contrast"]
    page.set("#contrast", 1, "change")
    page.until(lambda: page.run(seen) == ["Normalized counts", "Why it was shrunk"])
    assert page.console() == []
    source = files("ebgenes.report").joinpath("page/rows.js").read_text(encoding="utf-8")
    script = source + "return rowSeries(arguments[0], arguments[1], 2)[0].points.map(({value, half}) => [value, half])"
    told = {"curve": {"x": [0, 1, 2], "series": [""] * 3, "weight": (curve.weight / rows.unit).tolist()}}
    known = {"mean": rows.mean[0].tolist(), "root": [half[0, 0, :1].tolist(), half[0, 1].tolist()]}
    value, reach = np.array(driver.execute_script(script, known, told)).T
    along = curve.weight / rows.unit
    np.testing.assert_allclose(value, along @ rows.mean[0])
    np.testing.assert_allclose(reach, 2 * np.sqrt(np.einsum("jr,rs,js->j", along, half[0] @ half[0].T, along)))


def test_a_gene_is_drawn_in_every_study(driver: Any, contrast: ContrastPage, tmp_path: Path) -> None:
    """The forest and its words, with names of studies that could be markup."""
    known = contrast.table[has_results(contrast.table)]
    n_genes = len(known)
    estimate = np.column_stack([known["log2_fc"], known["log2_fc"] + 1])
    estimate[0, 1] = np.nan
    lines = StudyLines(
        study=np.array(HOSTILE[:2], dtype=object), gene=known["gene_id"].to_numpy(), estimate=estimate,
        se=np.full((n_genes, 2), 0.3), mean=estimate, sd=np.full((n_genes, 2), 0.2), i2=np.full(n_genes, 0.4),
        signs_differ=np.full(n_genes, 0.125),
    )  # fmt: skip
    path = tmp_path / "report.html"
    path.write_text(render_report([replace(contrast, lines=lines)], dataset="two", versions={}), encoding="utf-8")
    page = Page(driver, path, tmp_path)
    name = str(known["gene_id"].iloc[n_genes // 2])
    page.search(name)
    page.run("document.querySelector('#table tbody tr[data-gene]').click()")
    page.until(lambda: "In every study" in page.text("#gene"))
    assert "I\N{SUPERSCRIPT TWO} 40%" in page.text("#gene")
    assert "differ in sign with a probability of 12.5%" in page.text("#gene")
    inked = page.run(
        "const c = document.querySelector('#gene canvas'); return c.getContext('2d')"
        ".getImageData(0, 0, c.width, c.height).data.some((value) => value > 0)"
    )
    assert inked
    assert page.run("return document.title") != "broken"
    assert not page.console()
