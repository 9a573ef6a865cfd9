"""The records that flow through the house: frozen, read-only, shapes checked at birth.

Dimensions: G genes, S samples, P coefficients, K mixture components, T grid nodes.
Effects are log2 everywhere.
"""
