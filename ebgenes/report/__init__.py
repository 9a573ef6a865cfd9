"""The report: one offline HTML page from result tables, priors and figures."""
