"""The report in a browser, as a reader uses it: what was asked for is in sight, in files and in links."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from importlib.resources import files
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from browser import LACKING, Page, changed, held

from ebgenes.records.counts import Study
from ebgenes.report.contents import ContrastPage
from ebgenes.report.render import render_report
from ebgenes.results.table import sentence, tested as has_results

pytestmark = pytest.mark.skipif(bool(LACKING), reason=f"not installed: {', '.join(LACKING)}")

WIDE, PHONE = (1400, 900), (390, 844)
SCREENS = [(size, theme) for size in (WIDE, PHONE) for theme in ("light", "dark")]
SVG = "{http://www.w3.org/2000/svg}"


def script(*names: str) -> str:
    folder = files("ebgenes.report").joinpath("page")
    return "".join(folder.joinpath(f"{name}.js").read_text(encoding="utf-8") for name in names)


@pytest.fixture(scope="module")
def seen(
    driver: Any, contrast: ContrastPage, study: Study, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Any, Path]]:
    """A page with notes, and a browser that scrolls at once."""
    folder = tmp_path_factory.mktemp("seen")
    path = folder / "report.html"
    noted = changed(contrast, warnings=["A note that ends with what to do.", "Another."])
    path.write_text(render_report([noted], dataset="one", versions={}, study=study, config="outdir: x\n"), "utf-8")
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
    yield driver, path
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


def show(seen: tuple[Any, Path], size: tuple[int, int] = WIDE, theme: str = "light", link: str = "") -> Page:
    driver, path = seen
    screen = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    features = {"prefers-color-scheme": theme, "prefers-reduced-motion": "reduce"}
    told = [{"name": name, "value": value} for name, value in features.items()]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": told})
    driver.get("about:blank")
    return Page(driver, path, path.parent, link)


def box(page: Page, selector: str) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of an element on the screen."""
    edges = page.run(
        "const e = document.querySelector(arguments[0]).getBoundingClientRect();"
        "return [e.left, e.top, e.right, e.bottom]",
        selector,
    )
    return edges[0], edges[1], edges[2], edges[3]


def in_sight(page: Page, selector: str) -> bool:
    left, top, right, bottom = box(page, selector)
    width, height = page.run("return [innerWidth, innerHeight]")
    return -1 <= left < right <= width + 1 and -1 <= top < bottom <= height + 1


def mouse(page: Page, kind: str, x: float, y: float, buttons: int = 1) -> None:
    told = {"type": kind, "x": x, "y": y, "button": "left", "buttons": buttons, "clickCount": 1}
    page.driver.execute_cdp_cmd("Input.dispatchMouseEvent", told)


def click(page: Page, x: float, y: float) -> None:
    mouse(page, "mousePressed", x, y)
    mouse(page, "mouseReleased", x, y, 0)


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    mouse(page, "mousePressed", *start)
    mouse(page, "mouseMoved", (start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    mouse(page, "mouseMoved", *end)
    mouse(page, "mouseReleased", *end, 0)


def surest(contrast: ContrastPage, n: int, first: int = 0) -> list[str]:
    """Ids of plain names of the most certain genes."""
    table = contrast.table[has_results(contrast.table) & contrast.table["gene_id"].str.fullmatch(r"gene\d+")]
    return table.sort_values("lfsr", kind="stable")["gene_id"].iloc[first : first + n].tolist()


def place(page: Page, contrast: ContrastPage, gene: str, figure: str = "volcano") -> tuple[float, float]:
    """Where a gene is drawn on the screen."""
    ids = contrast.table.loc[has_results(contrast.table), "gene_id"].tolist()
    x, y = page.run(f"return document.querySelector('#{figure} figure').positionOf(arguments[0])", ids.index(gene))
    left, top, _, _ = box(page, f"#{figure} .over")
    return left + x, top + y


@pytest.mark.parametrize(("size", "theme"), SCREENS)
def test_a_pressed_gene_a_drawn_box_and_a_pasted_list_are_in_sight(
    seen: tuple[Any, Path], contrast: ContrastPage, size: tuple[int, int], theme: str
) -> None:
    page = show(seen, size, theme)
    assert page.run("return document.documentElement.scrollWidth <= innerWidth")
    gene = surest(contrast, 1, 3)[0]
    page.run("document.querySelector('#volcano .over').scrollIntoView({block: 'end'})")
    click(page, *place(page, contrast, gene))
    assert page.text("#gene-title").startswith(gene)
    for part in ("#gene", "#gene canvas", "#gene-title", "#gene .places"):
        assert in_sight(page, part), part
    # The point itself is seen beside what is told of it.
    x, y = place(page, contrast, gene)
    assert page.run("return document.elementFromPoint(...arguments).className", x, y) == "over"
    if size == WIDE:
        assert page.run(
            "return [...document.querySelectorAll('#gene canvas')].every("
            "(each) => each.getBoundingClientRect().bottom <= innerHeight)"
        )
        # It stays there while the reader goes on.
        page.run("scrollTo(0, document.body.scrollHeight)")
        assert in_sight(page, "#gene")
    violations = accessible(page)
    assert violations == []

    page.run("document.querySelector('.shut').click()")
    page.run("document.querySelector('#volcano .over').scrollIntoView({block: 'start'})")
    left, top, right, bottom = box(page, "#volcano .over")
    middle = (left + right) / 2
    drag(page, (middle, top + 10), (right - 15, (top + bottom) / 2))
    assert 0 < page.shown() < int(has_results(contrast.table).sum())
    assert "in the box drawn in the volcano plot" in page.text("#chip-words")
    assert in_sight(page, "#table")
    assert in_sight(page, "#shown")
    page.run("document.getElementById('unchoose').click(); scrollTo(0, 0)")
    page.set("#paste", " ".join(surest(contrast, 5)))
    assert page.shown() == 5
    assert in_sight(page, "#table")
    assert page.console() == []


def accessible(page: Page) -> list[str]:
    """What axe-core finds wrong; nothing where it is not installed."""
    if find_spec("axe_core_python") is None:
        return []
    source = files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    # The page's policy lets no script in; the debugger may.
    page.driver.execute_cdp_cmd("Runtime.evaluate", {"expression": f"{source};0"})
    found = page.driver.execute_cdp_cmd(
        "Runtime.evaluate", {"expression": "axe.run()", "awaitPromise": True, "returnByValue": True}
    )["result"]["value"]
    assert len(found["passes"]) > 20
    return [f"{each['id']}: {node['html'][:150]} {node['failureSummary']}" for each in found["violations"]
            for node in each["nodes"]]  # fmt: skip


def test_axe_finds_what_is_wrong(seen: tuple[Any, Path]) -> None:
    pytest.importorskip("axe_core_python")
    page = show(seen)
    page.run("document.getElementById('search').closest('label').replaceWith(document.getElementById('search'))")
    page.run("document.getElementById('search').placeholder = ''")
    assert any("search" in each for each in accessible(page))


def test_files_have_the_pasted_names_in_the_asked_size(seen: tuple[Any, Path], contrast: ContrastPage) -> None:
    page = show(seen)
    genes = surest(contrast, 22)
    page.set("#paste", " ".join(genes))
    stem = "one_treated_volcano"
    buttons = "#volcano .buttons button:nth-child"
    page.run(f"document.querySelector('{buttons}(4)').click()")
    assert in_sight(page, "dialog[open]")
    for name, value in {"width": 85, "size": 7, "dpi": 600, "up": "#aa0011", "ratio": 1, "font": "Times"}.items():
        page.set(f"dialog [name={name}]", value, "change")
    assert accessible(page) == []
    page.run("document.querySelector('dialog').close()")

    root = ElementTree.fromstring(page.downloaded(f"{buttons}(1)", f"{stem}.svg"))  # noqa: S314
    assert (root.get("width"), root.get("height")) == ("84.99mm", "84.99mm") or root.get("width") == "85mm"
    assert "Times" in str(root.get("font-family"))
    words = ["".join(each.itertext()).strip("\u2068\u2069") for each in root.iter(f"{SVG}text")]
    assert set(genes) <= set(words)
    colours = {each.get("fill"): each.get("d", "").count("M") for each in root.iter(f"{SVG}path")}
    table = contrast.table
    assert colours["#aa0011"] == int((held(table, 0.05) & (table["post_mean"] > 0)).sum())
    # Text of 12 pixels stands for 7 points.
    pixels = float(str(root.get("viewBox")).split()[2])
    assert 12 * 85 / pixels == pytest.approx(7 * 25.4 / 72, rel=0.01)

    png = page.downloaded(f"{buttons}(2)", f"{stem}.png")
    wide, high = struct.unpack(">II", png[16:24])
    assert (wide, high) == (pytest.approx(85 / 25.4 * 600, abs=3), pytest.approx(85 / 25.4 * 600, abs=3))
    at = png.index(b"pHYs")
    assert struct.unpack(">IIB", png[at + 4 : at + 13]) == (pytest.approx(600 / 0.0254, rel=0.01),) * 2 + (1,)

    pdf = page.downloaded(f"{buttons}(3)", f"{stem}.pdf")
    assert pdf.startswith(b"%PDF-1.4")
    edges = re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    assert edges is not None
    np.testing.assert_allclose([float(edge) for edge in edges.groups()], 85 / 25.4 * 72, rtol=0.01)
    drawn = [bytes(int(code, 8) for code in each[1:].split(b"\\")).decode("latin-1")
             for each in re.findall(rb"\(((?:\\\d{3})+)\) Tj", pdf)]  # fmt: skip
    assert set(genes) <= set(drawn)
    start = int(pdf.split(b"startxref\n")[1].split(b"\n")[0])
    table_lines = pdf[start:].split(b"\n")
    offsets = [int(line[:10]) for line in table_lines[3 : 3 + 6]]
    for i, offset in enumerate(offsets):
        assert pdf[offset:].startswith(b"%d 0 obj" % (i + 1))
    assert page.console() == []


def test_a_link_shows_what_was_seen(seen: tuple[Any, Path], contrast: ContrastPage) -> None:
    page = show(seen)
    address = "return location.hash"
    assert page.run(address) == ""
    gene, pinned, *pasted = surest(contrast, 5)
    page.set("#rate", "q_value", "change")
    page.set("#level", 0.033, "change")
    page.set("#effect", 0.75, "change")
    page.set("#paste", " ".join([gene, pinned, *pasted]))
    page.set("#only", "listed", "change")
    page.set("#names", "none", "change")
    page.run("document.querySelector('#table th[data-key=base_mean] button').click()")
    page.run("document.getElementById('tab-ma').click()")
    for name in (pinned, gene):
        row = f"[...document.querySelectorAll('#table tr[data-gene]')].find((e) => e.textContent.includes('{name}'))"
        page.run(f"{row}.click()")
        if name == pinned:
            page.run("document.querySelector('#gene .places button').click()")
    page.run("document.querySelector('#ma .buttons button[aria-label^=\"Zoom in\"]').click()")
    page.until(lambda: "zoom-ma=" in page.run(address) and f"gene={gene}" in page.run(address))
    state = """
      const value = (id) => document.getElementById(id).value;
      const [x, y] = document.querySelector('#ma figure').positionOf(arguments[0]);
      return [value('rate'), value('level'), value('effect'), value('only'), value('names'),
        document.getElementById('tab-ma').ariaSelected, document.getElementById('gene-title').textContent,
        document.querySelector('#ma [aria-label^="Show the whole"]').disabled,
        document.querySelector('#table th[aria-sort]').dataset.key, Math.round(x), Math.round(y)];"""
    ids = contrast.table.loc[has_results(contrast.table), "gene_id"].tolist()
    before = page.run(state, ids.index(gene)), page.rows(), page.counts(), page.run(address)
    again = show(seen, link=before[-1])
    assert (again.run(state, ids.index(gene)), again.rows(), again.counts(), again.run(address)) == before
    assert before[0][:6] == ["q_value", "0.033", "0.75", "listed", "none", "true"]
    pressed = "return document.querySelector('#gene .places button').ariaPressed"
    assert again.run(pressed) == "false"
    again.run(f"location.hash = 'gene={pinned}&name={pinned}'")
    again.until(lambda: again.text("#gene-title").startswith(pinned))
    assert again.run(pressed) == "true"
    assert again.run("return document.getElementById('tab-ma').ariaSelected") == "false"
    assert again.shown() == len(ids)


def test_a_link_shows_its_box_and_survives_what_is_wrong_in_it(seen: tuple[Any, Path], contrast: ContrastPage) -> None:
    table = contrast.table[has_results(contrast.table)]
    page = show(seen, link="#box=volcano,1,Infinity,-Infinity,Infinity")
    # The page's numbers are cut to thousandths.
    assert abs(page.shown() - int((table["post_mean"] >= 1).sum())) <= 1
    wrong = "#gene=%3Cimg+src%3Dx%3E&level=7&effect=-1&rate=x&figure=y&zoom-ma=1,2&sort=z&box=q,1,2,3,4&contrast=none"
    page = show(seen, link=wrong)
    assert "<img src=x>" in page.text("#link-told")
    assert "none" in page.text("#link-told")
    assert page.shown() == len(table)
    assert page.run("return [document.images.length, document.getElementById('level').value]") == [0, "0.05"]
    assert page.console() == []


def test_zoom_pan_and_what_is_hit(seen: tuple[Any, Path], contrast: ContrastPage) -> None:
    page = show(seen)
    gene = surest(contrast, 1, 2)[0]
    page.run("document.querySelector('#volcano .over').scrollIntoView({block: 'end'})")
    x, y = place(page, contrast, gene)
    wheel = "const [x, y] = arguments; const e = new WheelEvent('wheel', {clientX: x, clientY: y, deltaY: -50, "
    over = "cancelable: true}); document.querySelector('#volcano .over').dispatchEvent(e); return e.defaultPrevented"
    # A wheel alone is the page's.
    assert not page.run(wheel + over, x, y)
    for _ in range(3):
        assert page.run(wheel + "ctrlKey: true, " + over, x, y)
    # The gene under the wheel stays where it is, but for fractions of a pixel, which grow 4.5 times.
    np.testing.assert_allclose(place(page, contrast, gene), (x, y), atol=5)
    x_now, y_now = place(page, contrast, gene)
    click(page, x_now, y_now)
    assert page.text("#gene-title").startswith(gene)
    page.run("document.querySelector('#volcano [aria-label^=\"Drag to move\"]').click()")
    drag(page, (x, y), (x + 40, y + 30))
    np.testing.assert_allclose(place(page, contrast, gene), (x_now + 40, y_now + 30), atol=2)
    page.run("document.querySelector('#volcano .over').focus()")
    page.driver.switch_to.active_element.send_keys("0")
    np.testing.assert_allclose(place(page, contrast, gene), (x, y), atol=1)
    assert page.shown() == int(has_results(contrast.table).sum())
    # With a drawn box one goes to what it holds.
    page.run("document.querySelector('#volcano [aria-label^=\"Drag to move\"]').click()")
    drag(page, (x - 25, y - 25), (x + 25, y + 25))
    n_held = page.shown()
    assert n_held >= 1
    page.run("document.getElementById('zoom-box').click()")
    left, top, right, bottom = box(page, "#volcano .over")
    at = place(page, contrast, gene)
    assert abs(at[0] - (left + right) / 2) < 0.2 * (right - left)
    assert abs(at[1] - (top + bottom) / 2) < 0.2 * (bottom - top)
    assert page.console() == []


def test_the_headline_follows_the_sliders(seen: tuple[Any, Path], contrast: ContrastPage) -> None:
    page = show(seen)
    found = ".found-words"
    assert page.text(found) == sentence(contrast.table, contrast.up_label, contrast.down_label, 0.05)
    asked = "return document.querySelector('.as-asked').hidden"
    assert not page.run(asked)
    for level in (0.01, 0.2):
        page.set("#level", level, "change")
        assert page.text(found) == sentence(contrast.table, contrast.up_label, contrast.down_label, level)
        assert page.run(asked)
    page.set("#effect", 1, "change")
    table = contrast.table[held(contrast.table, 0.2) & (contrast.table["post_mean"].abs() >= 1)]
    words = page.text(found)
    n_tested = int(has_results(contrast.table).sum())
    assert words.startswith(f"{len(table)} of {n_tested} tested genes differ at a false sign")
    assert "with a posterior mean of at least 1 log2" in words
    share = 100 * table["lfsr"].mean()
    assert float(page.text(".share-wrong").removesuffix("%")) == pytest.approx(share, abs=0.06)
    page.set("#level", 1e-12, "change")
    assert page.text(found).startswith("none of ")
    # A shorter list is a press away, and holds what was promised.
    page.run("document.querySelector('[data-level]').click()")
    promised = re.search(r"([\d,]+) genes?,", page.text(".notice p"))
    assert promised is not None
    assert sum(page.counts()) == int(promised[1].replace(",", ""))


def test_terms_explain_themselves_by_key_and_touch(seen: tuple[Any, Path]) -> None:
    from selenium.webdriver.common.keys import Keys

    page = show(seen, PHONE)
    opened = "return [...document.querySelectorAll('[popover]:popover-open')].map((each) => each.id)"
    first = page.driver.find_element("css selector", ".sure .term")
    first.send_keys(Keys.ENTER)
    assert page.run(opened) == ["term-rates"]
    assert in_sight(page, "#term-rates")
    for word in ("lfdr", "q value", "lfsr", "s value"):
        assert word in page.text("#term-rates")
    page.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert page.run(opened) == []
    for term in page.run("return [...document.querySelectorAll('.term')].map((e) => e.getAttribute('popovertarget'))"):
        assert page.run("return Boolean(document.getElementById(arguments[0])?.textContent)", term), term
    page.run("arguments[0].scrollIntoView({block: 'center'})", first)
    left, top, right, bottom = box(page, ".sure .term")
    points = [{"x": (left + right) / 2, "y": (top + bottom) / 2}]
    page.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points})
    page.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.until(lambda: page.run(opened) == ["term-rates"])


def test_methods_are_copied(seen: tuple[Any, Path]) -> None:
    page = show(seen)
    copied = "window.copied = []; navigator.clipboard.writeText = (text) => "
    page.run(copied + "{ window.copied.push(text); return Promise.resolve(); }")
    for button in ("brief-1", "bibtex", "config"):
        page.run(f"document.querySelector('[data-copy={button}]').click()")
    brief, bibtex, config = page.until(lambda: len(page.run("return copied")) == 3 and page.run("return copied"))
    assert 90 <= len(brief.split()) <= 170
    assert "@article{" in bibtex
    assert config == "outdir: x"
    assert page.text("[data-copy=brief-1]") == "Copied"


NOTING_PEN = """
  const noted = {texts: [], lines: []};
  const pen = {font: 'Arial', line: (...way) => noted.lines.push(way.slice(0, 4)),
    text: (x, y, words) => noted.texts.push([x, y, words])};"""
"""The script of a pen that notes names and lines."""


def test_names_find_room_and_their_lines_do_not_cross(driver: Any) -> None:
    """In a crowd every name that must stand does, without covering another; checked by brute force."""
    rng = np.random.default_rng(2)
    points = np.column_stack([rng.normal(300, 90, 40), rng.normal(220, 70, 40)])
    driver.get("about:blank")
    source = script("pen", "labels")
    run = """
      const [points] = arguments;
      const labels = points.map((_, gene) => ({gene, text: `NAME${gene}`, must: true}));
      const box = {left: 50, top: 8, right: 590, bottom: 450};
      const colours = {soft: '#000', ink: '#000', paper: '#fff'};
      drawLabels(pen, labels, (gene) => points[gene][0], (gene) => points[gene][1], box, colours);
      return noted;"""
    noted = driver.execute_script(source + NOTING_PEN + run, points.tolist())
    assert sorted(text[2].strip("\u2068\u2069") for text in noted["texts"]) == sorted(f"NAME{i}" for i in range(40))
    places = np.array([text[:2] for text in noted["texts"]], dtype=float)
    assert (places >= [50, 4]).all()
    assert (places <= [598, 450]).all()
    # Names of the same length: 12 pixels high, and more than 36 wide.
    for (ax, ay), (bx, by) in combinations(places, 2):
        assert abs(ay - by) >= 11.9 or abs(ax - bx) >= 36

    def turn(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> float:
        return float(np.sign((q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])))

    lines = np.array(noted["lines"], dtype=float).reshape(-1, 2, 2)
    assert len(lines) > 5
    for (a, b), (c, d) in combinations(lines, 2):
        assert turn(a, b, c) == turn(a, b, d) or turn(c, d, a) == turn(c, d, b)


def test_pairs_are_found_in_the_sheet_and_links_by_ids(driver: Any) -> None:
    driver.get("about:blank")
    source = script("finding", "chart").replace("const charts", "const save = null, FILE_KINDS = {}, charts")
    source += script("places", "gene").split("function makeGenePanel")[0]
    sheet = {
        "donor": ["a", "b", "c", "a", "b", "c"], "day": ["1", "1", "2", "2", "3", "3"], "run": list("xxyyzz"),
        "dex": ["u", "u", "u", "t", "t", "t"], "id": list("123456"),
    }  # fmt: skip
    pairs = source + "return pairColumns(arguments[0], arguments[0].dex, arguments[1])"
    # In day "1" one group has two samples; only donors pair all.
    assert driver.execute_script(pairs, sheet, "~ donor + dex") == ["donor"]
    twice = {**sheet, "other": ["p", "q", "r", "q", "r", "p"]}
    assert driver.execute_script(pairs, twice, "~ other + dex") == ["other", "donor"]
    links = source + "return placesOf(arguments[0]).map((each) => [each.href, each.rel])"
    for gene, n_links in {"ENSG00000103196.11": 3, "ENSMUSG00000020653": 3, "7105": 2, "FBgn0039155": 3, "AT1G01010": 3,
                          "TP53": 0, "javascript:alert(1)": 0, "x\"'>": 0}.items():  # fmt: skip
        found = driver.execute_script(links, gene)
        assert len(found) == n_links, gene
        assert all(href.startswith("https://") and rel == "noopener noreferrer" for href, rel in found)
    assert driver.execute_script(links, "ENSG00000103196.11")[0][0] == "https://www.ensembl.org/id/ENSG00000103196"


def test_the_surest_gene_is_shown_until_one_is_chosen(seen: tuple[Any, Path], contrast: ContrastPage) -> None:
    page = show(seen)
    judged = contrast.table[held(contrast.table, 0.05)]
    best = pd.Series(judged["lfsr"].to_numpy(), index=judged["gene_id"])
    assert page.text("#gene-title")[:60] in {str(each)[:60] for each in best.index[best <= best.min() * 1.001]}
    assert page.run("return location.hash") == ""
    page = show(seen, PHONE)
    assert page.run("return getComputedStyle(document.getElementById('gene')).display") == "none"
    assert not page.run("return document.querySelector('details.notice').open")
