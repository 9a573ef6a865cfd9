# limma-voom and DESeq2 as their vignettes run them, then with surrogate variables (sva, svaseq) or a factor of
# unwanted variation from residuals (RUVr's definition) in the design; the design's last column is tested.
# Rscript hidden_peers.R <folder with counts.csv and design.csv> ...; writes results.csv into each folder.
suppressPackageStartupMessages({library(DESeq2); library(edgeR); library(sva)})

result <- function(method, adjusted, order, estimate) data.frame(method, adjusted, order, estimate)

# A peer that stops on a set calls nothing there.
or_nothing <- function(method, n, expression) {
  tryCatch(expression, error = function(problem) result(method, rep(NA, n), rep(NA, n), rep(NA, n)))
}

# The tested column stays the last one.
with_factors <- function(design, factors) {
  if (is.null(factors)) return(design)
  last <- ncol(design)
  cbind(design[, -last, drop = FALSE], factors, design[, last, drop = FALSE])
}

run_voom <- function(method, data, design) or_nothing(method, nrow(data), {
  fit <- eBayes(lmFit(voom(data, design), design))
  top <- topTable(fit, coef = ncol(design), number = Inf, sort.by = "none")
  result(method, top$adj.P.Val, top$P.Value, top$logFC)
})

run_deseq2 <- function(method, count, design) or_nothing(method, nrow(count), {
  colnames(design) <- make.names(c("intercept", paste0("x", seq_len(ncol(design) - 1))))
  dds <- DESeqDataSetFromMatrix(count, data.frame(row.names = colnames(count), sample = colnames(count)), design)
  dds <- DESeq(dds, quiet = TRUE)
  all <- results(dds, name = tail(resultsNames(dds), 1), independentFiltering = FALSE, cooksCutoff = FALSE)
  result(method, all$padj, all$pvalue, all$log2FoldChange)
})

# Leading axes of deviance residuals of edgeR's fit, as RUVr takes them.
unwanted <- function(data, design, k) {
  fit <- glmFit(estimateDisp(data, design), design)
  size <- 1 / fit$dispersion
  y <- data$counts
  mu <- fit$fitted.values
  unit <- 2 * (ifelse(y > 0, y * log(y / mu), 0) - (y + size) * log((y + size) / (mu + size)))
  residual <- sign(y - mu) * sqrt(pmax(unit, 0))
  svd(scale(t(residual), center = TRUE, scale = FALSE))$u[, seq_len(k), drop = FALSE]
}

quietly <- function(expression) {
  value <- NULL
  capture.output(value <- expression)
  value
}

surrogates <- function(values, design, find) tryCatch({
  null <- design[, -ncol(design), drop = FALSE]
  n <- num.sv(values, design, method = "be", seed = 1)
  if (n == 0) NULL else quietly(find(design, null, n))$sv
}, error = function(problem) NULL)

for (folder in commandArgs(TRUE)) {
  count <- as.matrix(read.csv(file.path(folder, "counts.csv"), row.names = 1, check.names = FALSE))
  design <- as.matrix(read.csv(file.path(folder, "design.csv"), row.names = 1))
  data <- calcNormFactors(DGEList(count))
  values <- voom(data, design)$E
  expressed <- sweep(count, 2, data$samples$norm.factors, "/")
  set.seed(1)
  plain <- surrogates(values, design, function(full, null, n) sva(values, full, null, n.sv = n))
  counted <- surrogates(values, design, function(full, null, n) svaseq(expressed, full, null, n.sv = n))
  table <- rbind(
    run_voom("limma voom, BH", data, design),
    run_voom("limma voom + sva, BH", data, with_factors(design, plain)),
    run_deseq2("DESeq2, BH", count, design),
    run_deseq2("DESeq2 + svaseq, BH", count, with_factors(design, counted)),
    run_deseq2("DESeq2 + RUVr k=1, BH", count, with_factors(design, unwanted(data, design, 1)))
  )
  write.csv(table, file.path(folder, "results.csv"), row.names = FALSE)
}
