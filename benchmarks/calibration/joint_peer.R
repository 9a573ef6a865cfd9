# DESeq2's likelihood-ratio test of a design against a smaller one, from CSV to CSV.
# Rscript joint_peer.R counts.csv design.csv reduced.csv out.csv
suppressPackageStartupMessages(library(DESeq2))
paths <- commandArgs(TRUE)
count <- as.matrix(read.csv(paths[1], row.names = 1, check.names = FALSE))
read_design <- function(path) {
  design <- as.matrix(read.csv(path, row.names = 1))
  colnames(design) <- make.names(paste0("x", seq_len(ncol(design))))
  design
}
full <- read_design(paths[2])
dds <- DESeqDataSetFromMatrix(count, data.frame(row.names = colnames(count), sample = colnames(count)), full)
dds <- DESeq(dds, test = "LRT", full = full, reduced = read_design(paths[3]), quiet = TRUE)
plain <- results(dds, independentFiltering = FALSE, cooksCutoff = FALSE)
usual <- results(dds)
write.csv(data.frame(gene = rownames(count), p = plain$pvalue, padj = plain$padj, padj_default = usual$padj),
          paths[4], row.names = FALSE, quote = FALSE)
