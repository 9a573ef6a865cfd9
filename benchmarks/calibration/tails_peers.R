# edgeR's quasi-likelihood test on winsorised counts (Li et al. 2022, Genome Biol. 23, 79): those above the gene's 95th
# percentile, by counts per million, are brought down to it. The design's last column is tested.
# Rscript tails_peers.R <folder with counts.csv and design.csv> ...; writes results.csv into each folder.
suppressPackageStartupMessages(library(edgeR))

for (folder in commandArgs(TRUE)) {
  count <- as.matrix(read.csv(file.path(folder, "counts.csv"), row.names = 1, check.names = FALSE))
  design <- as.matrix(read.csv(file.path(folder, "design.csv"), row.names = 1))
  data <- calcNormFactors(DGEList(count))
  size <- data$samples$lib.size * data$samples$norm.factors
  ratio <- t(t(count) / size)
  border <- apply(ratio, 1, quantile, 0.95)
  data$counts <- round(t(t(pmin(ratio, border)) * size))
  top <- topTags(glmQLFTest(glmQLFit(estimateDisp(data, design), design)), n = Inf, sort.by = "none")$table
  table <- data.frame(
    method = paste("edgeR", packageVersion("edgeR"), "QL, winsorised, BH"), adjusted = top$FDR, order = top$PValue,
    estimate = top$logFC, p_value = top$PValue
  )
  write.csv(table, file.path(folder, "results.csv"), row.names = FALSE)
}
