"""How the site is built: `sphinx-build -W -b html docs build/site`. Reference pages are made from the code."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from sphinx.application import Sphinx

import ebgenes
from ebgenes.app.cli import parser
from ebgenes.results.table import (
    COLUMNS,
    LIST_RATES,
    MULTI_DF_COLUMNS,
    REPEAT_COLUMNS,
    ROW_COLUMNS,
    STYLES,
    THRESHOLD_COLUMNS,
)

HERE = Path(__file__).parent
MADE = HERE / "reference" / "made"

project = "ebgenes"
author = copyright = "the ebgenes developers"
version = release = ebgenes.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"ebgenes {release}"
html_theme_options = {"sidebar_hide_name": False, "navigation_with_keys": True}
# Fonts and scripts are the theme's own files: the site works without a network, search included.
html_show_sourcelink = False
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_output_stderr = "remove"
autosummary_generate = True
autodoc_typehints = "none"
napoleon_use_rtype = False
napoleon_use_ivar = True
suppress_warnings = ["myst.header"]

GROUPS = {
    "In one call": ("test", "Result", "GeneView", "EBGenes", "run"),
    "Counts": (
        "read_samples", "read_counts", "read_input", "read_gene_names", "counts_from_anndata", "screen_genes",
        "keep_expressed", "match_samples", "require_distinct", "normalize", "with_offsets", "with_size_factors",
        "with_base_mean", "principal_components", "simulate_counts", "Counts", "Study", "read_study",
    ),
    "Designs and questions": (
        "build_design", "compare", "combine", "any_of", "all_of", "cell_weights", "describe_groups",
    ),
    "Effects": (
        "fit_effects", "fit_multi_df_effects", "effects_from_summary", "read_effects", "read_effect_table",
        "gene_dispersions", "require_replicates",
    ),
    "Priors": ("fit_em", "draw_gibbs", "diagnose", "build_covariates", "compare_families"),
    "Posteriors and error rates": (
        "posterior", "full_posterior", "with_intervals", "adjust_bh", "q_from_p", "storey_pi0", "fit_empirical_null",
    ),
    "Results": ("results_table", "sentence", "summarize", "versions", "read_table", "write_table"),
}  # fmt: skip
"""Public names by what they are for; those not named here follow under "Further"."""


def public_names() -> list[str]:
    """Functions and classes that `ebgenes/__init__.pyi` lists."""
    stub = Path(ebgenes.__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    names = re.findall(r"\b(\w+) as \1\b", stub)
    return [name for name in names if callable(getattr(ebgenes, name))]


def write_python(path: Path) -> None:
    """The public functions and classes, a page each."""
    known = public_names()
    rest = [name for name in known if not any(name in group for group in GROUPS.values())]
    lines = ["# Python", "", "`import ebgenes as eb`; names are loaded when they are first used.", ""]
    for heading, names in {**GROUPS, "Further": tuple(rest)}.items():
        present = [name for name in names if name in known]
        lines += [f"## {heading}", "", "```{eval-rst}", ".. currentmodule:: ebgenes", "", ".. autosummary::"]
        lines += ["   :toctree: python", "", *(f"   {name}" for name in present), "```", ""]
    path.write_text("\n".join(lines), encoding="utf-8")


def write_columns(path: Path) -> None:
    """The columns of genes.tsv, and what other tools call them."""
    lines = ["# Columns of genes.tsv", "", "Every gene of the input has a row, in the input's order.", ""]
    rows = {**COLUMNS, **THRESHOLD_COLUMNS, **REPEAT_COLUMNS}
    rows |= {f"{name} (several rows)": words for name, words in MULTI_DF_COLUMNS.items()}
    rows |= {f"{name}: &lt;row&gt;": words for name, words in ROW_COLUMNS.items()}
    lines += ["| column | meaning |", "| --- | --- |"]
    lines += [f"| `{name}` | {words} |".replace("&lt;", "<").replace("&gt;", ">") for name, words in rows.items()]
    lines += ["", "## In other tools' words", "", "`ebgenes export genes.tsv --style NAME --out table.tsv` renames:"]
    lines += [""]
    lines += ["| style | columns | rate of the list |", "| --- | --- | --- |"]
    for style, names in STYLES.items():
        renamed = ", ".join(f"`{ours}` is `{theirs}`" for ours, theirs in names.items())
        lines.append(f"| `{style}` | {renamed} | {LIST_RATES.get(style, '')} |")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_command_line(path: Path) -> None:
    """Every verb with its options, as `--help` prints them."""
    made = parser()
    verbs = next(action for action in made._actions if isinstance(action, argparse._SubParsersAction))
    lines = ["# Command line", "", made.description or "", ""]
    for name, verb in verbs.choices.items():
        verb.formatter_class = lambda prog: argparse.HelpFormatter(prog, width=100)
        text = verb.format_help().strip()
        lines += [f"## ebgenes {name}", "", "```text", text, "```", ""]
    path.write_text("\n".join(lines), encoding="utf-8")


def write_reference(app: object) -> None:
    """All pages that are made from the code."""
    MADE.mkdir(parents=True, exist_ok=True)
    write_python(MADE / "python.md")
    write_columns(MADE / "columns.md")
    write_command_line(MADE / "command_line.md")


def list_decisions(app: object, name: str, source: list[str]) -> None:
    """Their index is read on code hosts too, where a table of contents would be so many words."""
    if name == "decisions/README":
        source[0] += "\n\n```{toctree}\n:hidden:\n:glob:\n\n0*\n```\n"


def setup(app: Sphinx) -> None:
    """Make the pages before Sphinx looks for files."""
    write_reference(app)
    app.connect("source-read", list_decisions)
