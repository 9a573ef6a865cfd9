"""ebgenes: hierarchical differential expression, from counts to local false discovery rates.

Names are loaded when first used, so that ``ebgenes --help`` answers at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "adjust_bh": "ebgenes.fdr",
    "build_design": "ebgenes.design",
    "combine": "ebgenes.design",
    "compare": "ebgenes.design",
    "counts_from_anndata": "ebgenes.io",
    "describe_groups": "ebgenes.design",
    "effects_from_summary": "ebgenes.effects",
    "fit_effects": "ebgenes.effects",
    "fit_em": "ebgenes.prior",
    "keep_expressed": "ebgenes.counts",
    "match_samples": "ebgenes.counts",
    "normalize": "ebgenes.counts",
    "posterior": "ebgenes.posteriors",
    "read_counts": "ebgenes.io",
    "read_effects": "ebgenes.io",
    "read_gene_names": "ebgenes.io",
    "read_samples": "ebgenes.io",
    "read_study": "ebgenes.io",
    "read_table": "ebgenes.io",
    "require_replicates": "ebgenes.effects",
    "results_table": "ebgenes.table",
    "run": "ebgenes.pipeline",
    "screen_genes": "ebgenes.counts",
    "sentence": "ebgenes.table",
    "simulate_counts": "ebgenes.simulate",
    "summarize": "ebgenes.summary",
    "versions": "ebgenes.summary",
    "with_base_mean": "ebgenes.counts",
    "with_offsets": "ebgenes.counts",
    "write_table": "ebgenes.io",
}
_ROOMS = {"plot": "ebgenes.plots"}

__all__ = ["__version__", *_HOME, *_ROOMS]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(_ROOMS[name])
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'ebgenes' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
