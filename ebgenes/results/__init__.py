"""Fits and posteriors -> tables, summaries and their files."""
