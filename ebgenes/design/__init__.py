"""Sample sheets and formulas -> design matrices, contrasts and random factors."""
