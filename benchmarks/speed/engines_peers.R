# One peer's fit of one study, from its two tables to a table of results.
# Rscript engines_peers.R deseq2|edger|voom <formula> <counts.tsv> <samples.tsv> <out.tsv>
arguments <- commandArgs(TRUE)
method <- arguments[1]
model <- as.formula(arguments[2])

# scan with known types: read.delim would spend more time on guessing them than voom on its fit.
read_counts <- function(path) {
  sample <- scan(path, "", sep = "\t", nlines = 1, quiet = TRUE)[-1]
  column <- scan(path, c(list(""), rep(list(0L), length(sample))), sep = "\t", skip = 1, quote = "", quiet = TRUE)
  matrix(unlist(column[-1]), ncol = length(sample), dimnames = list(column[[1]], sample))
}

deseq2 <- function(counts, samples) {
  suppressPackageStartupMessages(library(DESeq2))
  # It asks for centred covariates in a message, not a warning; the others are given the same columns.
  dds <- suppressMessages(DESeqDataSetFromMatrix(counts, samples, model))
  results(DESeq(dds, quiet = TRUE), contrast = c("group", "treated", "control"))
}

edger <- function(counts, samples) {
  suppressPackageStartupMessages(library(edgeR))
  design <- model.matrix(model, samples)
  y <- estimateDisp(calcNormFactors(DGEList(counts)), design)
  topTags(glmQLFTest(glmQLFit(y, design), coef = "grouptreated"), n = Inf, sort.by = "none")$table
}

voom <- function(counts, samples) {
  suppressPackageStartupMessages(library(edgeR))
  design <- model.matrix(model, samples)
  fit <- eBayes(lmFit(limma::voom(calcNormFactors(DGEList(counts)), design), design))
  topTable(fit, coef = "grouptreated", number = Inf, sort.by = "none")
}

counts <- read_counts(arguments[3])
samples <- read.delim(arguments[4], row.names = 1, stringsAsFactors = TRUE)
table <- as.data.frame(match.fun(method)(counts, samples))
write.table(cbind(gene_id = rownames(table), table), arguments[5], sep = "\t", quote = FALSE, row.names = FALSE)
