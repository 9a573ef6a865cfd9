"""Intervals that know how uncertain the prior is."""

from ebgenes.intervals.mixture import METHODS, with_intervals

__all__ = ["METHODS", "with_intervals"]
