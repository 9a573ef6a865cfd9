"""The report: one offline page, in words, with everything escaped."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ebgenes.effects.engines import ENGINES
from ebgenes.posteriors.fdr import list_rate
from ebgenes.records.prior import MixturePrior
from ebgenes.report.contents import ContrastPage
from ebgenes.report.opening import shorter_lists
from ebgenes.report.render import TOP, _smaller, render_report
from ebgenes.report.sources import REFERENCES, as_bibtex
from ebgenes.results.table import COLUMNS, sentence

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
SMALL = _smaller(PNG)
VOID = {"meta", "img", "br", "link", "hr", "input"}


def result_table(n: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    table = pd.DataFrame(index=range(n), columns=list(COLUMNS), dtype=float)
    table["gene_id"] = [f"ENSG{i:05d}" for i in range(n)]
    table["gene_name"] = [f"GENE{i}" for i in range(n)]
    table["status"] = "ok"
    table["base_mean"] = 18203.7
    table["log2_fc"] = rng.normal(0, 2, n)
    table["post_mean"] = 0.5 * table["log2_fc"]
    table["ci_low"], table["ci_high"] = table["post_mean"] - 1, table["post_mean"] + 1
    table["lfdr"] = np.geomspace(1.234e-12, 0.9, n)
    table["lfsr"] = table["lfdr"]
    table["q_value"] = table["s_value"] = list_rate(table["lfdr"].to_numpy())
    table["pooled"] = 0.02
    table.loc[n - 20 :, "status"] = "low_count"
    table.loc[n - 20 :, ["post_mean", "lfdr", "q_value", "lfsr", "s_value", "log2_fc"]] = np.nan
    return table


def page(**changes: Any) -> ContrastPage:
    values: dict[str, Any] = {
        "name": "dex",
        "formula": "~ cell + dex",
        "table": result_table(),
        "prior": MixturePrior(weight=[0.8125, 0.1875], scale=[0.0, 0.7]),
        "up_label": "higher in trt",
        "down_label": "lower in trt",
        "level": 0.05,
        "interval": 0.9,
        "interval_method": "plugin",
        "threshold": 0.5,
        "engine": "moderated_t",
        "options": {"trend": False, "robust": False, "dispersion_tails": "normal", "outliers": "keep"},
        "normalization": "median_ratio",
        "n_samples": 8,
        "groups": {"trt": 4, "untrt": 4},
        "warnings": [],
        "figures": {"volcano": PNG, "ma": PNG},
        "scalars": {"prior_df": 4.25},
    }
    return ContrastPage(**(values | changes))


class Reader(HTMLParser):
    """Collects tags, attributes and text; notes what is left open."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.cells: list[list[str]] = []
        self.scripts: dict[str, str] = {}
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        if "script" in self.open:
            self.scripts[self.tags[-1][1].get("id") or "module"] = data
            return
        self.words.append(data)
        if "td" in self.open or "th" in self.open:
            self.cells[-1][-1] += data

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def render(*pages: ContrastPage, **changes: Any) -> str:
    words: dict[str, Any] = {"dataset": "airway", "versions": {"ebgenes": "0.1.0"}}
    return render_report(list(pages), **(words | changes))


def test_page_is_whole_and_offline() -> None:
    html = render(page())
    reader = Reader(html)
    assert reader.open == []
    assert html.startswith("<!doctype html>")
    assert '<html lang="en">' in html
    policy = next(attrs["content"] for tag, attrs in reader.tags if attrs.get("http-equiv"))
    digest = base64.b64encode(hashlib.sha256(reader.scripts["module"].encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
    for tag, attrs in reader.tags:
        for name in ("src", "href", "action", "srcset"):
            value = attrs.get(name) or "#"
            if tag == "a" and not value.startswith("#"):
                # A reader may follow it; the page asks no one.
                assert value.startswith("https://doi.org/10.")
                assert attrs["rel"] == "noopener noreferrer"
            else:
                assert value.startswith(("#", "data:image/png;base64,")), tag
    assert "url(" not in html.replace("url(#c", "")
    addresses = {each.split("/")[2] for each in re.findall(r"https?:[^\"'`\s]*", reader.scripts["module"])}
    places = {"www.ensembl.org", "metazoa.ensembl.org", "plants.ensembl.org", "www.ncbi.nlm.nih.gov", "www.uniprot.org"}
    assert addresses == {"www.w3.org", *places}
    assert not re.search(r"fetch\(|XMLHttpRequest|sendBeacon|WebSocket|import\(", reader.scripts["module"])
    assert "@import" not in html


def test_first_screen_says_what_was_found() -> None:
    text = Reader(render(page())).text
    start = text[: text.index("Explore")]
    assert sentence(result_table(), "higher in trt", "lower in trt", 0.05) in start
    assert re.search("Positive effect ?higher in trt", start)
    assert "8: 4 in trt, 4 in untrt" in start
    assert "81.2% of genes are estimated unchanged" in start
    assert "180 tested; 20 with too few counts" in start
    assert "Scale of the null" not in text


def test_scale_of_the_null_and_warnings_are_told() -> None:
    prior = MixturePrior(weight=[0.5, 0.5], scale=[0.123, 1.0])
    text = Reader(render(page(prior=prior, warnings=["Two samples <only>."]))).text
    assert "0.123 (log2)" in text
    assert "Two samples <only>." in text


def test_what_draws_say_of_the_list_is_told() -> None:
    fdp = {"mean": 0.051, "interval": [0.03, 0.0801], "probability": 0.9, "above_0.1": 0.004}
    text = Reader(render(page(fdp=fdp))).text
    assert "5.1% of the list, with a probability of 90% between 3% and 8%" in text
    assert "Unchanged genes in the list" not in Reader(render(page())).text


def test_page_tells_the_rule_of_its_list() -> None:
    """By signs; of several rows by q values."""
    table = result_table().assign(lfsr=lambda each: each["lfdr"] ** 0.2)
    table["s_value"] = np.nan
    table.loc[:179, "s_value"] = list_rate(table["lfsr"][:180].to_numpy())
    n_signs, n_q = int((table["s_value"] < 0.05).sum()), int((table["q_value"] < 0.05).sum())
    assert 0 < n_signs < n_q
    text = Reader(render(page(table=table))).text
    assert f"{n_signs} genes are in the list at a false sign rate of 5%" in text
    assert "The list holds the genes with an s value below 5%" in text
    assert "of a gene whose own rate is 0.475 or more, no less than that rate" in text
    assert "Smallest local false sign rates first" in text
    joint = Reader(render(page(table=table.assign(leading_row="a")))).text
    assert f"{n_q} genes are in the list at a false discovery rate of 5%" in joint
    assert "The list holds the genes with a q value below 5%" in joint
    assert "Smallest local false discovery rates first" in joint


def test_table_holds_the_surest_genes_in_order() -> None:
    shuffled = result_table().sample(frac=1, random_state=1)
    rows = [row for row in Reader(render(page(table=shuffled))).cells if row[0].startswith("ENSG")]
    assert [row[0] for row in rows] == [f"ENSG{i:05d}" for i in range(TOP)]
    assert [row[1] for row in rows] == [f"GENE{i}" for i in range(TOP)]
    expected = result_table().iloc[0]
    direction = "higher in trt" if expected["post_mean"] > 0 else "lower in trt"
    interval = f"{expected['ci_low']:+.2f} to {expected['ci_high']:+.2f}"
    assert rows[0][2:7] == [
        "18,204", f"{expected['log2_fc']:+.2f}", f"{expected['post_mean']:+.2f}", interval, direction
    ]  # fmt: skip
    assert rows[0][7] == "1.2e-12"


def test_ties_rank_by_effect_and_zero_hits_are_marked() -> None:
    table = result_table(60).assign(lfsr=0.5, s_value=0.5, status="ok")
    table["post_mean"] = np.arange(60) - 30.0
    reader = Reader(render(page(table=table)))
    rows = [row for row in reader.cells if row[0].startswith("ENSG")]
    assert rows[0][0] == "ENSG00000"
    assert all(row[6].endswith("(not in the list)") for row in rows)
    assert "0 genes are in the list" in reader.text


@pytest.mark.parametrize("n", [0, 1])
def test_few_genes(n: int) -> None:
    reader = Reader(render(page(table=result_table().head(n))))
    assert ("No gene was tested." in reader.text) == (n == 0)


def test_unknown_numbers_are_said_to_be() -> None:
    table = result_table().assign(base_mean=np.nan)
    rows = [row for row in Reader(render(page(table=table))).cells if row[0].startswith("ENSG")]
    assert {row[2] for row in rows} == {"unknown"}


def test_everything_is_escaped() -> None:
    evil = "<script>alert('1')</script>\"><img src=x onerror=y>{{ 7*7 }}\x00\N{RIGHT-TO-LEFT OVERRIDE}\ud800"
    table = result_table().assign(gene_name=evil)
    table["gene_id"] = [f"{evil}{i}" for i in range(len(table))]
    hostile = page(
        table=table, name=evil, formula=evil, up_label=evil, down_label=evil, engine=evil, normalization=evil,
        groups={evil: 4}, warnings=[evil], figures={"volcano": PNG}, scalars={evil: 1.0},
    )  # fmt: skip
    html = render(hostile, hostile, dataset=evil, versions={evil: evil})
    opened = re.findall(r"<script[^>]*>", html)
    kinds = ['type="application/json"', 'type="text/plain"', 'type="module"']
    assert all(any(kind in tag for kind in kinds) for tag in opened)
    assert html.count("</script") == len(opened)
    assert json.loads(Reader(html).scripts["meta"])["contrasts"][0]["name"].startswith("<script>alert('1')")
    assert "\x00" not in html
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in html
    html.encode("utf-8")
    reader = Reader(html)
    assert reader.open == []
    assert all(attrs.get("src", "data:").startswith("data:image/png") for tag, attrs in reader.tags if tag == "img")
    assert not [attrs for _, attrs in reader.tags if any(name.startswith("on") for name in attrs)]
    assert "<script>alert('1')</script>" in reader.text
    assert "{{ 7*7 }}" in reader.text


def test_figures_are_embedded_with_words() -> None:
    # What the script draws itself is not embedded as well.
    html = render(page(figures={"ma": PNG, "volcano": PNG, "diagnostics": PNG, "hidden": PNG}))
    assert html[: html.index("<img")].rstrip().endswith("<figure>")
    assert html[: html.index("<img")].count("<noscript>") == 1
    images = [attrs for tag, attrs in Reader(html).tags if tag == "img"]
    assert len(images) == 2
    assert all(len(image["alt"] or "") > 20 for image in images)
    assert (images[0]["alt"] or "").startswith("Volcano plot: size of the effect")
    assert all(base64.b64decode((image["src"] or "").split(",")[1]) == SMALL for image in images)


def test_methods_follow_the_engine_and_name_sources() -> None:
    moderated, supplied, likelihood, other = (
        Reader(render(page(engine=engine))).text for engine in ("moderated_t", "normal", "likelihood", "deseq2")
    )
    assert "voom; Law et al. 2014" in moderated
    assert "negative binomial" in likelihood
    for counted in (moderated, likelihood):
        assert "median of each sample's ratios" in counted
    assert "standard errors were supplied" in supplied
    assert "engine deseq2" in other
    both = ("Efron B (2008)", "Stephens M (2017)", "Hochberg Y (1995)")
    own = {moderated: ("Law CW", "Smyth GK (2004)"), likelihood: ("Cox DR, Reid N (1987)", "McCarthy DJ, Chen Y")}
    for text in (moderated, supplied, likelihood, other):
        for source in both:
            assert source in text
        for engine, sources in own.items():
            for source in sources:
                assert (source in text) == (text is engine)
    # Two engines on one page bring the sources of both.
    together = Reader(render(page(), page(engine="likelihood"))).text
    assert all(source in together for sources in own.values() for source in sources)
    assert "probability of 90%" in moderated
    assert "beyond 0.5 in log2" in moderated


def test_methods_tell_the_options_and_what_was_learned() -> None:
    scalars = {"residual_df": 3, "dispersion_floor": 0.00549, "dispersion_slope": 0.22725, "dispersion_spread": 1.0607}
    options = {"trend": False, "robust": False, "dispersion_tails": "t5", "outliers": "winsorize"}
    plain = Reader(render(page(engine="likelihood", scalars=scalars))).text
    assert "a0 = 0.00549, a1 = 0.227, s = 1.06" in plain
    assert "a normal distribution of the standard deviation s" in plain
    assert "moved to that border" not in plain
    assert "dispersion_slope0.22725 a1 in the trend a0 + a1 / mean" in plain
    told = Reader(render(page(engine="likelihood", scalars=scalars, options=options))).text
    assert "a t distribution of 5 degrees of freedom" in told
    assert "more than five standard deviations from a robust fit to their replicates were first moved" in told
    robust = Reader(render(page(options={**options, "trend": True, "robust": True}))).text
    assert "towards a trend over mean expression, outlying ones less than others (Phipson et al. 2016)" in robust
    assert "by the offsets that were given." in Reader(render(page(normalization="offsets"))).text


def test_genes_to_be_read_with_care_are_told_and_marked() -> None:
    table = result_table()
    table.loc[[0, 1, 170], "status"] = ["outlier", "ok", "outlier"]
    table.loc[[190, 191], "status"] = ["not_converged", "no_information"]
    reader = Reader(render(page(table=table)))
    told = (
        "180 tested, 2 with counts far from their replicates; 18 with too few counts; 1 whose fit failed; "
        "1 of which any effect is as likely"
    )
    assert told in reader.text
    rows = [row for row in reader.cells if row[0].startswith("ENSG")]
    assert len(rows) == TOP
    assert rows[0][6].endswith(" in trt (outlier)")
    assert rows[1][6].endswith(" in trt")


def test_headings_descend_by_one_and_tables_have_captions() -> None:
    reader = Reader(render(page(), page(name="other")))
    levels = [int(tag[1]) for tag, _ in reader.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    tags = [tag for tag, _ in reader.tags]
    assert tags.count("table") == tags.count("caption") == 2
    ids = [attrs["id"] for _, attrs in reader.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = [attrs["href"] or "" for tag, attrs in reader.tags if tag == "a"]
    targets = {link[1:] for link in links if link.startswith("#")}
    assert targets == {"contrast-1", "contrast-2"} <= set(ids)


def test_same_page_twice() -> None:
    assert render(page()) == render(page())


SHOWN = ("moderated_t", "normal", "likelihood", "deseq2")


def brief(reader: Reader) -> str:
    text = reader.text
    return text[text.index("To paste into a paper") + len("To paste into a paper") : text.index("Copy this paragraph")]


@pytest.mark.parametrize("engine", SHOWN)
def test_a_paragraph_for_a_paper_and_a_source_for_all_it_cites(engine: str) -> None:
    options = {"trend": True, "robust": True, "dispersion_tails": "t5", "outliers": "winsorize"}
    html = render(
        page(engine=engine, options=options, filter="at least 10 reads in at least 4 samples"),
        versions={"ebgenes": "0.1.0", "python": "3.12.1", "numpy": "2.1"},
    )
    reader = Reader(html)
    words = brief(reader)
    assert 70 <= len(words.split()) <= 170
    assert "ebgenes 0.1.0" in words
    if engine != "normal":
        assert "Python 3.12.1, NumPy 2.1" in words
        assert "at least 10 reads in at least 4 samples" in words
        assert "~ cell + dex" in words
    assert f"{int((result_table()['s_value'] < 0.05).sum())} were listed" in words
    assert " ," not in words
    # Whatever is named with a year, in the paragraph or at length, stands among the sources with its DOI.
    text = reader.text
    methods = text[text.index("To paste into a paper") : text.index("Hyperparameters of the engine")]
    cited = re.findall(r"([A-Z][\w-]+)(?: et al\.| and [A-Z]\w+|, [A-Z]\w+ and [A-Z]\w+)? \(?((?:19|20)\d\d)", methods)
    sources = text[text.index("Sources and versions") :]
    assert len(cited) > 3
    for author, year in cited:
        assert re.search(rf"{author} [^()]*\({year}\)[^()]*\. doi:10\.", sources), (author, year)
    assert (
        sources.count("doi:10.") == html.count("https://doi.org/10.") == html.count("@article{") + html.count("@book{")
    )


def test_sources_are_complete_and_bibtex_is_whole() -> None:
    known = [*REFERENCES, *(each for engine in ENGINES.values() for each in engine.sources)]
    for each in known:
        assert re.fullmatch(r"10\.\d{4,}/\S+", each.doi)
        assert each.bibtex.count("{") == each.bibtex.count("}")
        assert each.bibtex.isascii()
        assert f"author = {{{each.names[0].encode('ascii', 'ignore').decode()}" in each.bibtex
    written = as_bibtex(list(REFERENCES), {"ebgenes": "0.1.0"})
    assert written.count("\n\n@") == len(REFERENCES)
    assert "version = {0.1.0}" in written
    found = {each.key for each in known if each.cited_in("Cox and Reid (1987; McCarthy, Chen and Smyth 2012)")}
    assert found == {"cox1987", "mccarthy2012"}


def test_the_page_opens_with_what_was_compared_found_and_how_sure() -> None:
    fdp = {"mean": 0.051, "interval": [0.03, 0.0801], "probability": 0.9, "above_0.1": 0.004}
    reach = {"range": [120, 170], "probability": 0.9, "words": ""}
    text = Reader(render(page(fdp=fdp, list_range=reach, warnings=["One.", "Two."]))).text
    compared, found, sure = (
        text.index(words)
        for words in (
            "Expression in untrt (4 samples) was compared with that in trt (4 samples), in 180 genes.",
            sentence(result_table(), "higher in trt", "lower in trt", 0.05),
            "5.1% to be unchanged (90% interval 3% to 8%); what this study cannot tell of unchanged genes leaves its "
            "length between 120 and 170 genes. Read the 2 notes first.",
        )
    )
    assert compared < found < sure < text.index("Explore")
    joint = Reader(render(page(groups=None, n_samples=0))).text
    assert "One effect of each gene was estimated from estimates of 180 genes" in joint


def test_shorter_lists_hold_what_they_promise() -> None:
    table = result_table().assign(lfsr=lambda each: each["lfdr"] ** 0.2)
    table.loc[:179, "s_value"] = list_rate(table["lfsr"][:180].to_numpy())
    rate, effect = shorter_lists(page(table=table))
    strict = table[table["s_value"] < 0.01]
    large = table[(table["s_value"] < 0.05) & (table["post_mean"].abs() >= 1)]
    assert (rate.n, effect.n) == (len(strict), len(large))
    assert rate.wrong == pytest.approx(strict["lfsr"].mean())
    assert effect.wrong == pytest.approx(large["lfsr"].mean())
    assert 0 < len(strict) < (table["s_value"] < 0.05).sum()
    # None is offered that is no shorter.
    assert shorter_lists(page(table=table.assign(post_mean=5.0), level=0.01)) == []


def test_the_config_is_on_the_page_as_text() -> None:
    config = "a: '</pre><script>x</script>'\nb:\n  c: 1\n"
    html = render(page(), config=config)
    reader = Reader(html)
    assert "".join(reader.words).count(config) == 1
    # Several lines stay so: BibTeX can be pasted too.
    assert as_bibtex([], {"ebgenes": "0.1.0"}) in "".join(reader.words)
    assert "The config of this analysis" not in Reader(render(page())).text
