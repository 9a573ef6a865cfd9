"""Effects and a prior -> what is known of each gene, and error rates of lists.

The plural keeps the function ``ebgenes.posterior`` from being hidden by a package of its name.
"""
