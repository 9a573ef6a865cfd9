"""Every public name of ebgenes, once: type checkers read this, and names are loaded from it when first used."""

from . import plots as plots
from .analyses.conditions.estimates import covariances_of as covariances_of
from .analyses.conditions.multivariate_fit import fit_multivariate as fit_multivariate
from .analyses.conditions.multivariate_posterior import multivariate_posterior as multivariate_posterior
from .analyses.conditions.patterns import canonical_patterns as canonical_patterns
from .analyses.fixed_or_random import (
    choose_fixed_or_random as choose_fixed_or_random,
    with_group_means as with_group_means,
)
from .analyses.meta_analysis import (
    combine_studies as combine_studies,
    join_studies as join_studies,
    learn_tau as learn_tau,
)
from .analyses.multi_df import fit_multi_df_prior as fit_multi_df_prior, multi_df_posterior as multi_df_posterior
from .analyses.power import outlook as outlook
from .analyses.precision import pilot_of as pilot_of
from .analyses.replication import repeat_of as repeat_of
from .app.gene_view import GeneView as GeneView
from .app.one_call import Result as Result, test as test
from .app.pertpy_style import EBGenes as EBGenes
from .app.run import run as run
from .classics import datasets as datasets, pooling as pooling
from .data.filter import (
    keep_expressed as keep_expressed,
    match_samples as match_samples,
    require_distinct as require_distinct,
    screen_genes as screen_genes,
)
from .data.h5ad import counts_from_anndata as counts_from_anndata, read_study as read_study
from .data.normalization import (
    normalize as normalize,
    with_base_mean as with_base_mean,
    with_offsets as with_offsets,
    with_size_factors as with_size_factors,
)
from .data.principal_components import principal_components as principal_components
from .data.reading import read_counts as read_counts, read_input as read_input
from .data.sheets import read_gene_names as read_gene_names, read_samples as read_samples
from .data.simulate import simulate_counts as simulate_counts
from .design.marginal_means import cell_weights as cell_weights
from .design.matrix import build_design as build_design, describe_groups as describe_groups
from .design.questions import all_of as all_of, any_of as any_of, combine as combine, compare as compare
from .effects.dispersions import gene_dispersions as gene_dispersions
from .effects.effect_tables import read_effect_table as read_effect_table
from .effects.engine import fit_effects as fit_effects, require_replicates as require_replicates
from .effects.multi_df_effects import fit_multi_df_effects as fit_multi_df_effects
from .effects.summary_statistics import effects_from_summary as effects_from_summary
from .errors import InputError as InputError, NotConverged as NotConverged
from .posteriors.empirical_null import fit_empirical_null as fit_empirical_null
from .posteriors.fdr import adjust_bh as adjust_bh, q_from_p as q_from_p, storey_pi0 as storey_pi0
from .posteriors.given_prior import posterior as posterior
from .posteriors.intervals.fitted_mixture import with_intervals as with_intervals
from .posteriors.over_draws import full_posterior as full_posterior
from .prior.covariates import build_covariates as build_covariates
from .prior.fit import fit_em as fit_em
from .prior.full_bayes import diagnose as diagnose, draw_gibbs as draw_gibbs
from .prior.model_comparison import compare_families as compare_families
from .records.counts import Counts as Counts, Study as Study
from .results.storage import read_effects as read_effects
from .results.summary import summarize as summarize, versions as versions
from .results.table import results_table as results_table, sentence as sentence
from .results.table_files import read_table as read_table, write_table as write_table

__version__: str
plot = plots
