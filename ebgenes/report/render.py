"""The report: one offline HTML page from result tables, priors and figures."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import math
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import pandas as pd
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from ebgenes.effects.engines import ENGINES, is_given, takes_counts
from ebgenes.effects.engines.engine import PLAIN, PLAIN_BRIEF
from ebgenes.plots.figures import FIGURES, figure_of
from ebgenes.posteriors.fdr import COIN_TOSS
from ebgenes.prior.families import family_of
from ebgenes.records.counts import Study
from ebgenes.report.contents import ContrastPage, Section
from ebgenes.report.opening import compared, how_sure, listed_by, shorter_lists
from ebgenes.report.payload import pack_page
from ebgenes.report.sources import as_bibtex, own_citation, sources_of
from ebgenes.report.words import TERMS, printable
from ebgenes.results.table import (
    COLUMNS,
    MULTI_DF_COLUMNS,
    error_column,
    in_list,
    is_multi_df,
    most_certain,
    rate_words,
    sentence,
    tested,
)

OF_ENGINE = "engine of "
"""Before an engine's name, as templates ask for its paragraphs."""

IN_BRIEF = "brief of "
"""The same, for its part of the paragraph for a paper."""

TOP = 25
"""Genes of each contrast that are told without a script, and on paper."""


SCRIPTS = (
    "unpack", "numbers", "pen", "labels", "files", "pdf", "print", "chart", "view", "scatter", "table", "densities",
    "figures", "rows", "forest", "finding", "places", "gene", "samples", "contrasts", "headline", "link", "main",
)  # fmt: skip
"""Files of page/, in the order they are joined."""


_STATUS = {
    "low_count": "with too few counts",
    "all_zero": "without any count",
    "not_converged": "whose fit failed",
    "no_information": "of which any effect is as likely",
    "outlier": "with counts far from their replicates",
}


_SCALAR_WORDS = {
    "given_sizes": "1 where size factors or offsets were given",
    "size_shift": "how far from 0 unchanged genes lay by the size factors, log2; effects are measured from there",
    "size_shift_se": "what remains uncertain of that place, which all genes share",
    "size_shift_prior": "standard deviation of what was expected of that place, as few genes tell it",
    "size_shift_share": "share of the genes around it",
}
"""Of what all engines have in common; each tells of its own."""


def render_report(
    pages: Sequence[ContrastPage],
    *,
    dataset: str,
    versions: Mapping[str, str],
    study: Study | None = None,
    sections: Sequence[Section] = (),
    config: str = "",
) -> str:
    """The report as HTML: one script, whose hash its policy names, and nothing loaded from elsewhere.

    Parameters
    ----------
    pages
        One for each contrast, in the order of the report.
    dataset
        Name of the data set.
    versions
        Versions of the software by name.
    study
        The counts behind the tables; None where there are none, or where they are not to be shown.
    sections
        Of analyses of the contrasts.
    config
        The config behind the page, as YAML; empty where there was none.

    Returns
    -------
    str
        A complete page, to be written as UTF-8.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_printable,
        loader=FunctionLoader(_template),
    )  # fmt: skip
    environment.filters.update(
        rate=_rate, effect=_effect, amount=_amount, percent=_percent, png=_data_uri, slabs=_slabs
    )
    payload = pack_page(pages, study, dataset)
    script = "".join(_bare(_source(f"page/{name}.js")) for name in SCRIPTS)
    contrasts = [_contrast(page) for page in pages]
    for contrast in contrasts:
        _with_methods(contrast, environment, versions)
    written = " ".join(str(each["brief"] + each["methods"]) for each in contrasts)
    references = sources_of(pages, html.unescape(written), sections)
    return environment.get_template("report.html.j2").render(
        dataset=dataset,
        contrasts=contrasts,
        sections=[
            {"section": each, "text": Markup(environment.from_string(each.text).render(each=each))}  # noqa: S704
            for each in sections
        ],
        versions=versions,
        references=references,
        bibtex=_lines(as_bibtex(references, versions)),
        own_citation=own_citation(versions),
        config=_lines(config),
        terms=TERMS,
        columns=COLUMNS if all(page.rows is None for page in pages) else {**COLUMNS, **MULTI_DF_COLUMNS},
        figure_words={name: figure.caption for name, figure in FIGURES.items()},
        top=TOP,
        # Neither holds anything of the user's.
        style=Markup(_source("page/page.css")),  # noqa: S704
        script=Markup(script),  # noqa: S704
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        meta=_inert(payload.meta),
        blocks=payload.blocks,
        samples=payload.meta["samples"],
        notes=() if study is None else study.notes,
    )


def _with_methods(contrast: dict[str, Any], environment: Environment, versions: Mapping[str, str]) -> None:
    """Add the paragraph for a paper and the methods at length, which name their sources."""
    version = f" {versions['ebgenes']}" if "ebgenes" in versions else ""
    platform = ", ".join(f"{name} {versions[name.lower()]}" for name in CITED_VERSIONS if name.lower() in versions)
    page = contrast["page"]
    known = {"page": page, "contrast": contrast, "version": version, "platform": platform}
    known["given"] = is_given(page.engine)
    brief = environment.get_template("brief.j2").render(known)
    # Markup of Markup: what was escaped stays so.
    contrast["brief"] = Markup(" ".join(brief.split()).replace(" ,", ",").replace(" .", "."))  # noqa: S704
    learned = {name: words for each in ENGINES.values() for name, words in each.scalars.items()}
    counted = [name for name in ENGINES if takes_counts(name)]
    known |= {"scalar_words": _SCALAR_WORDS | learned, "counted": counted, "coin_toss": f"{COIN_TOSS:g}"}
    long = environment.get_template("methods.html.j2").render(known)
    contrast["methods"] = Markup(long)  # noqa: S704


CITED_VERSIONS = ("Python", "NumPy", "SciPy")
"""Software whose versions the paragraph for a paper names."""


def _template(name: str) -> str:
    """A file of this folder, or the paragraphs that an engine has of itself, in one line."""
    if name.startswith(IN_BRIEF):
        engine = ENGINES.get(name.removeprefix(IN_BRIEF))
        return PLAIN_BRIEF if engine is None else engine.brief
    if not name.startswith(OF_ENGINE):
        return _source(name)
    engine = ENGINES.get(name.removeprefix(OF_ENGINE))
    return " ".join((PLAIN if engine is None else engine.methods).split())


def _source(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _bare(script: str) -> str:
    """A script without indents and lines of comment, a fifth of its length."""
    lines = (line.strip() for line in script.splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith(("//", "/**", "* ", "*/")))


def _inert(content: Mapping[str, Any]) -> Markup:
    """Plain values as JSON that ends no element, whatever their text."""
    text = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace("&", "\\u0026"))  # noqa: S704


def _lines(text: str) -> Markup:
    """Text of several lines, which what is one line does not keep."""
    return Markup("\n").join(printable(line) for line in text.splitlines())


def _printable(value: Any) -> Any:
    return printable(value) if type(value) is str else value


def _contrast(page: ContrastPage) -> dict[str, Any]:
    """What the template shows of a contrast, in words and rows."""
    fitted = tested(page.table)
    judged = page.table[fitted]
    return {
        "page": page,
        "sentence": sentence(page.table, page.up_label, page.down_label, page.level),
        "compared": compared(page),
        "sure": how_sure(page),
        "stricter": shorter_lists(page),
        "listed_by": listed_by(page),
        "n_tested": len(judged),
        "n_listed": int(in_list(judged, page.level).sum()),
        "rate": rate_words(page.table),
        "by_sign": not is_multi_df(page.table),
        "sorted": {"lfsr": "local false sign rates", "lfdr": "local false discovery rates"}[error_column(page.table)],
        "doubtful": _reasons(judged["status"]),
        "untested": _reasons(page.table.loc[~fitted, "status"]),
        "rows": _top_rows(judged, page),
        "pooled": float(judged["pooled"].iloc[0]) if len(judged) else math.nan,
        "first": [name for name in page.figures if figure_of(name).on_page == "first"],
        "figures": [name for name in page.figures if figure_of(name).on_page == "image"],
    }


def _reasons(status: pd.Series[str]) -> list[str]:
    """How many genes are not ok, and why, in words, the most frequent reason first."""
    counts = status[status != "ok"].value_counts()
    return [f"{count:,} {_STATUS.get(str(name), str(name))}" for name, count in counts.items()]


def _top_rows(tested: pd.DataFrame, page: ContrastPage) -> list[dict[str, Any]]:
    """The most certain genes."""
    first = tested.iloc[most_certain(tested)[:TOP]]
    listed = in_list(first, page.level)
    rows: list[dict[str, Any]] = [
        {str(column): value for column, value in row.items()} for row in first.to_dict("records")
    ]
    for row, found in zip(rows, listed, strict=True):
        row["gene_name"] = row["gene_name"] if isinstance(row["gene_name"], str) else ""
        row["direction"] = page.up_label if row["post_mean"] > 0 else page.down_label
        row["notes"] = [] if row["status"] == "ok" else [row["status"]]
        if not found:
            row["notes"].append("not in the list")
    return rows


def _slabs(family: str) -> str:
    return family_of(family).words


def _rate(value: float) -> str:
    """A probability: 0.034, 1.2e-05."""
    if math.isnan(value):
        return "unknown"
    if value != 0 and value < 0.001:
        return f"{value:.1e}"
    return f"{value:.3f}" if value else "0"


def _effect(value: float) -> str:
    if math.isnan(value):
        return "unknown"
    # Two decimals; of sizes that would have none of them, as of effects per day, two digits.
    return f"{value:+.2f}" if value == 0 or abs(value) >= 0.005 else f"{value:+.2g}"


def _amount(value: float) -> str:
    """A mean count: 0.31, 12.4, 18,204."""
    if math.isnan(value):
        return "unknown"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _percent(value: float) -> str:
    """A share with one decimal, never rounded to certainty."""
    if 0 < value < 0.001:
        return "less than 0.1%"
    if 0.999 < value < 1:
        return "more than 99.9%"
    return f"{100 * value:.1f}%".replace(".0%", "%")


def _data_uri(image: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(_smaller(image)).decode("ascii")


def _smaller(image: bytes, widest: int = 800) -> bytes:
    """A figure in 32 colours and no wider than a page shows it."""
    from PIL import Image

    with Image.open(io.BytesIO(image)) as full:
        plain = full.convert("RGB")
        if plain.width > widest:
            plain = plain.resize((widest, round(plain.height * widest / plain.width)), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        plain.quantize(32).save(buffer, format="png", optimize=True)
    return buffer.getvalue()
