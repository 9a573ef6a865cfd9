# DESeq2, edgeR's quasi-likelihood test and limma-voom as their vignettes run them; the design's last column is tested.
# Rscript peers.R <folder with counts.csv and design.csv> ...; writes results.csv into each folder. `order` ranks the
# genes that `adjusted` is about; low and high end 95% intervals.
suppressPackageStartupMessages({library(DESeq2); library(edgeR)})

version <- function(package) paste(package, packageVersion(package))
result <- function(method, adjusted, order, estimate, low = NA, high = NA, p_value = NA) {
  data.frame(method, adjusted, order, estimate, low, high, p_value)
}

shrinkers <- Filter(function(package) requireNamespace(package, quietly = TRUE), c("apeglm", "ashr"))
for (package in setdiff(c("apeglm", "ashr"), shrinkers)) {
  message("skipped: DESeq2's lfcShrink with ", package, ", which is not installed")
}

shrunk <- function(dds, tested, package) {
  found <- lfcShrink(dds, coef = tested, type = package, svalue = TRUE, quiet = TRUE)
  result(
    paste0(version("DESeq2"), ", ", version(package), ", s-value"), found$svalue, found$svalue, found$log2FoldChange,
    found$log2FoldChange - 1.96 * found$lfcSE, found$log2FoldChange + 1.96 * found$lfcSE
  )
}

fit_deseq2 <- function(dds) {
  tryCatch(DESeq(dds, quiet = TRUE), error = function(e) {
    # Few genes whose dispersions are alike have no trend; the message of DESeq2 says to take each gene's own.
    if (!grepl("gene-wise", conditionMessage(e))) stop(e)
    dds <- estimateDispersionsGeneEst(estimateSizeFactors(dds), quiet = TRUE)
    dispersions(dds) <- mcols(dds)$dispGeneEst
    nbinomWaldTest(dds, quiet = TRUE)
  })
}

run_deseq2 <- function(count, design) {
  dds <- DESeqDataSetFromMatrix(count, data.frame(row.names = colnames(count), sample = colnames(count)), design)
  dds <- fit_deseq2(dds)
  tested <- tail(resultsNames(dds), 1)
  all <- results(dds, name = tested, independentFiltering = FALSE, cooksCutoff = FALSE)
  filtered <- results(dds, name = tested)
  low <- all$log2FoldChange - 1.96 * all$lfcSE
  high <- all$log2FoldChange + 1.96 * all$lfcSE
  of <- function(kind, one) {
    # Genes that a filter took out come last.
    order <- ifelse(is.na(one$padj), NA, one$pvalue)
    result(paste0(version("DESeq2"), kind), one$padj, order, one$log2FoldChange, low, high, one$pvalue)
  }
  do.call(rbind, c(
    list(of(", BH", all), of(", filtered BH", filtered)),
    lapply(shrinkers, function(package) shrunk(dds, tested, package))
  ))
}

run_edger <- function(data, design) {
  fit <- glmQLFit(estimateDisp(data, design), design)
  top <- topTags(glmQLFTest(fit), n = Inf, sort.by = "none")$table
  result(paste0(version("edgeR"), " QL, BH"), top$FDR, top$PValue, top$logFC, p_value = top$PValue)
}

run_voom <- function(data, design) {
  fit <- eBayes(lmFit(voom(data, design), design))
  top <- topTable(fit, coef = ncol(design), number = Inf, sort.by = "none", confint = TRUE)
  result(paste0(version("limma"), " voom, BH"), top$adj.P.Val, top$P.Value, top$logFC, top$CI.L, top$CI.R, top$P.Value)
}

for (folder in commandArgs(TRUE)) {
  count <- as.matrix(read.csv(file.path(folder, "counts.csv"), row.names = 1, check.names = FALSE))
  design <- as.matrix(read.csv(file.path(folder, "design.csv"), row.names = 1))
  data <- calcNormFactors(DGEList(count))
  table <- rbind(run_deseq2(count, design), run_edger(data, design), run_voom(data, design))
  write.csv(table, file.path(folder, "results.csv"), row.names = FALSE)
}
