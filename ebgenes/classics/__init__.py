"""Textbook pooling and its small data sets, for documents and tests."""

from ebgenes.classics import datasets as datasets, pooling as pooling
