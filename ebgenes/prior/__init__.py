"""What share of genes is null and how large the real effects are."""

from ebgenes.prior.diagnostics import likelihood_stretch, null_spread
from ebgenes.prior.fit import fit_em

__all__ = ["fit_em", "likelihood_stretch", "null_spread"]
