"""Questions beyond one effect of one contrast."""
