# DESeq2, edgeR's quasi-likelihood test and limma-voom as their vignettes run them; the design's last column is tested.
# Rscript peers.R <folder with counts.csv and design.csv> ...; writes results.csv into each folder.
suppressPackageStartupMessages({library(DESeq2); library(edgeR)})

version <- function(package) paste(package, packageVersion(package))
result <- function(method, p_value, adj_p_value, estimate) data.frame(method, p_value, adj_p_value, estimate)

run_deseq2 <- function(count, design) {
  dds <- DESeqDataSetFromMatrix(count, data.frame(row.names = colnames(count), sample = colnames(count)), design)
  dds <- DESeq(dds, quiet = TRUE)
  tested <- tail(resultsNames(dds), 1)
  all <- results(dds, name = tested, independentFiltering = FALSE, cooksCutoff = FALSE)
  filtered <- results(dds, name = tested)
  rbind(
    result(paste0(version("DESeq2"), ", BH"), all$pvalue, all$padj, all$log2FoldChange),
    result(paste0(version("DESeq2"), ", filtered BH"), filtered$pvalue, filtered$padj, filtered$log2FoldChange)
  )
}

run_edger <- function(data, design) {
  fit <- glmQLFit(estimateDisp(data, design), design)
  top <- topTags(glmQLFTest(fit), n = Inf, sort.by = "none")$table
  result(paste0(version("edgeR"), " QL, BH"), top$PValue, top$FDR, top$logFC)
}

run_voom <- function(data, design) {
  fit <- eBayes(lmFit(voom(data, design), design))
  top <- topTable(fit, coef = ncol(design), number = Inf, sort.by = "none")
  result(paste0(version("limma"), " voom, BH"), top$P.Value, top$adj.P.Val, top$logFC)
}

for (folder in commandArgs(TRUE)) {
  count <- as.matrix(read.csv(file.path(folder, "counts.csv"), row.names = 1, check.names = FALSE))
  design <- as.matrix(read.csv(file.path(folder, "design.csv"), row.names = 1))
  data <- calcNormFactors(DGEList(count))
  table <- rbind(run_deseq2(count, design), run_edger(data, design), run_voom(data, design))
  write.csv(table, file.path(folder, "results.csv"), row.names = FALSE)
}
