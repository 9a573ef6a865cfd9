"""What share of genes is null and how large the real effects are."""

from ebgenes.prior.covariates import build_covariates
from ebgenes.prior.diagnostics import likelihood_stretch, null_spread
from ebgenes.prior.empirical_null import EmpiricalNull, fit_empirical_null, z_from_p, z_from_t
from ebgenes.prior.fit import fit_em

__all__ = [
    "EmpiricalNull",
    "build_covariates",
    "fit_em",
    "fit_empirical_null",
    "likelihood_stretch",
    "null_spread",
    "z_from_p",
    "z_from_t",
]
