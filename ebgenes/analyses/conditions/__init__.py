"""Effects in several contrasts or cell types at once: a mixture of multivariate normals over all genes.

Source: Urbut, Wang, Carbonetto and Stephens (2019), Nat. Genet. 51, 187.
"""
