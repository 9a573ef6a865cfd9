"""Counts or summary statistics -> one effect for each gene, with its likelihood."""
