"""Effects in several contrasts or cell types at once: a mixture of multivariate normals over all genes.

Source: Urbut, Wang, Carbonetto and Stephens (2019), Nat. Genet. 51, 187.
"""

from ebgenes.multivariate.estimates import covariances_of as covariances_of
from ebgenes.multivariate.fit import fit_multivariate as fit_multivariate
from ebgenes.multivariate.patterns import canonical_patterns as canonical_patterns
from ebgenes.multivariate.posterior import multivariate_posterior as multivariate_posterior
