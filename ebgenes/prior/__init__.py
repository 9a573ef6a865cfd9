"""What share of genes is null and how large the real effects are."""

from ebgenes.prior.covariates import build_covariates
from ebgenes.prior.diagnostics import likelihood_stretch, null_spread
from ebgenes.prior.fit import fit_em

__all__ = ["build_covariates", "fit_em", "likelihood_stretch", "null_spread"]
