"""Counts as counting programs leave them, filtered, summed and normalized: each format a module."""
