# limma-voom with duplicateCorrelation, twice over as limma's guide has it, the donors as blocks.
# Rscript donors_peers.R <folder with counts.csv and design.csv> ...; writes results.csv into each folder. The design's
# last column names the donors, the one before is tested.
suppressPackageStartupMessages({library(limma); library(edgeR); library(statmod)})
for (folder in commandArgs(TRUE)) {
  count <- as.matrix(read.csv(file.path(folder, "counts.csv"), row.names = 1, check.names = FALSE))
  sheet <- read.csv(file.path(folder, "design.csv"), row.names = 1, check.names = FALSE)
  donor <- sheet$donor
  design <- as.matrix(sheet[, colnames(sheet) != "donor"])
  data <- calcNormFactors(DGEList(count))
  y <- voom(data, design)
  found <- duplicateCorrelation(y, design, block = donor)
  y <- voom(data, design, block = donor, correlation = found$consensus)
  found <- duplicateCorrelation(y, design, block = donor)
  fit <- eBayes(lmFit(y, design, block = donor, correlation = found$consensus))
  top <- topTable(fit, coef = ncol(design), number = Inf, sort.by = "none")
  write.csv(
    data.frame(p_value = top$P.Value, adj_p_value = top$adj.P.Val, estimate = top$logFC),
    file.path(folder, "results.csv"), row.names = FALSE
  )
}
