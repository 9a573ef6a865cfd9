"""What share of genes is null and how large the real effects are."""
