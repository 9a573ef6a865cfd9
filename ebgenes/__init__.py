"""ebgenes: hierarchical differential expression, from counts to local false discovery rates.

Names are loaded when first used, so that ``ebgenes --help`` answers at once.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ebgenes import datasets as datasets, plots as plot, pooling as pooling  # noqa: F401
    from ebgenes.comparison import compare_families as compare_families
    from ebgenes.counts import (
        keep_expressed as keep_expressed,
        match_samples as match_samples,
        normalize as normalize,
        require_distinct as require_distinct,
        screen_genes as screen_genes,
        with_base_mean as with_base_mean,
        with_offsets as with_offsets,
        with_size_factors as with_size_factors,
    )
    from ebgenes.design import (
        all_of as all_of,
        any_of as any_of,
        build_design as build_design,
        combine as combine,
        compare as compare,
        describe_groups as describe_groups,
    )
    from ebgenes.effect_tables import read_effect_table as read_effect_table
    from ebgenes.effects import (
        effects_from_summary as effects_from_summary,
        fit_effects as fit_effects,
        fit_joint_effects as fit_joint_effects,
        require_replicates as require_replicates,
    )
    from ebgenes.fdr import adjust_bh as adjust_bh, q_from_p as q_from_p, storey_pi0 as storey_pi0
    from ebgenes.gibbs import diagnose as diagnose, draw_gibbs as draw_gibbs, full_posterior as full_posterior
    from ebgenes.inputs import read_input as read_input
    from ebgenes.intervals import with_intervals as with_intervals
    from ebgenes.io import (
        counts_from_anndata as counts_from_anndata,
        read_counts as read_counts,
        read_effects as read_effects,
        read_gene_names as read_gene_names,
        read_samples as read_samples,
        read_study as read_study,
        read_table as read_table,
        write_table as write_table,
    )
    from ebgenes.joint import fit_joint as fit_joint, joint_posterior as joint_posterior
    from ebgenes.multivariate import (
        canonical_patterns as canonical_patterns,
        covariances_of as covariances_of,
        fit_multivariate as fit_multivariate,
        multivariate_posterior as multivariate_posterior,
    )
    from ebgenes.mundlak import (
        choose_fixed_or_random as choose_fixed_or_random,
        with_group_means as with_group_means,
    )
    from ebgenes.negative_binomial import gene_dispersions as gene_dispersions
    from ebgenes.ordination import principal_components as principal_components
    from ebgenes.pipeline import run as run
    from ebgenes.posteriors import posterior as posterior
    from ebgenes.prior import (
        build_covariates as build_covariates,
        fit_em as fit_em,
        fit_empirical_null as fit_empirical_null,
    )
    from ebgenes.simulate import simulate_counts as simulate_counts
    from ebgenes.studies import (
        combine_studies as combine_studies,
        join_studies as join_studies,
        learn_kappa as learn_kappa,
    )
    from ebgenes.summary import summarize as summarize, versions as versions
    from ebgenes.table import results_table as results_table, sentence as sentence

__version__ = "0.1.0"

_HOME = {
    "adjust_bh": "ebgenes.fdr",
    "all_of": "ebgenes.design",
    "any_of": "ebgenes.design",
    "build_covariates": "ebgenes.prior",
    "build_design": "ebgenes.design",
    "canonical_patterns": "ebgenes.multivariate",
    "choose_fixed_or_random": "ebgenes.mundlak",
    "combine": "ebgenes.design",
    "combine_studies": "ebgenes.studies",
    "compare": "ebgenes.design",
    "compare_families": "ebgenes.comparison",
    "counts_from_anndata": "ebgenes.io",
    "covariances_of": "ebgenes.multivariate",
    "describe_groups": "ebgenes.design",
    "diagnose": "ebgenes.gibbs",
    "draw_gibbs": "ebgenes.gibbs",
    "effects_from_summary": "ebgenes.effects",
    "fit_effects": "ebgenes.effects",
    "fit_em": "ebgenes.prior",
    "fit_empirical_null": "ebgenes.prior",
    "fit_joint": "ebgenes.joint",
    "fit_joint_effects": "ebgenes.effects",
    "fit_multivariate": "ebgenes.multivariate",
    "full_posterior": "ebgenes.gibbs",
    "gene_dispersions": "ebgenes.negative_binomial",
    "join_studies": "ebgenes.studies",
    "joint_posterior": "ebgenes.joint",
    "keep_expressed": "ebgenes.counts",
    "learn_kappa": "ebgenes.studies",
    "match_samples": "ebgenes.counts",
    "multivariate_posterior": "ebgenes.multivariate",
    "normalize": "ebgenes.counts",
    "posterior": "ebgenes.posteriors",
    "principal_components": "ebgenes.ordination",
    "q_from_p": "ebgenes.fdr",
    "read_counts": "ebgenes.io",
    "read_effect_table": "ebgenes.effect_tables",
    "read_effects": "ebgenes.io",
    "read_gene_names": "ebgenes.io",
    "read_input": "ebgenes.inputs",
    "read_samples": "ebgenes.io",
    "read_study": "ebgenes.io",
    "read_table": "ebgenes.io",
    "require_distinct": "ebgenes.counts",
    "require_replicates": "ebgenes.effects",
    "results_table": "ebgenes.table",
    "run": "ebgenes.pipeline",
    "screen_genes": "ebgenes.counts",
    "sentence": "ebgenes.table",
    "simulate_counts": "ebgenes.simulate",
    "storey_pi0": "ebgenes.fdr",
    "summarize": "ebgenes.summary",
    "versions": "ebgenes.summary",
    "with_base_mean": "ebgenes.counts",
    "with_group_means": "ebgenes.mundlak",
    "with_intervals": "ebgenes.intervals",
    "with_offsets": "ebgenes.counts",
    "with_size_factors": "ebgenes.counts",
    "write_table": "ebgenes.io",
}
_ROOMS = {"datasets": "ebgenes.datasets", "plot": "ebgenes.plots", "pooling": "ebgenes.pooling"}

__all__ = ["__version__", *_HOME, *_ROOMS]


@contextmanager
def swift_imports() -> Iterator[None]:
    """Imports make objects by the hundred thousand and no garbage: without a search for it they take less time."""
    searching = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searching:
            gc.enable()


def __getattr__(name: str) -> Any:
    with swift_imports():
        if name in _ROOMS:
            return import_module(_ROOMS[name])
        if name in _HOME:
            return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'ebgenes' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
