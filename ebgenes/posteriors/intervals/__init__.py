"""Intervals that know how uncertain the prior is."""
