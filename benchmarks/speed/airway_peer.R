# The airway study as an R user runs it: DESeq2, ashr's shrinkage, a table and a ggplot2 volcano.
# Rscript airway_peer.R <folder with counts.tsv.gz, samples.tsv, genes.tsv.gz> <output folder>
suppressPackageStartupMessages({library(DESeq2); library(ggplot2)})
arguments <- commandArgs(TRUE)
study <- arguments[1]
out <- arguments[2]
dir.create(out, showWarnings = FALSE, recursive = TRUE)

counts <- as.matrix(read.delim(gzfile(file.path(study, "counts.tsv.gz")), row.names = 1, check.names = FALSE))
samples <- read.delim(file.path(study, "samples.tsv"), row.names = 1, stringsAsFactors = TRUE)
samples$dex <- relevel(samples$dex, "untrt")
names <- read.delim(gzfile(file.path(study, "genes.tsv.gz")), quote = "")
keep <- rowSums(counts >= 10) >= 2
dds <- DESeqDataSetFromMatrix(counts[keep, ], samples, ~ cell + dex)
dds <- DESeq(dds, quiet = TRUE)
result <- results(dds, contrast = c("dex", "trt", "untrt"))

if (requireNamespace("ashr", quietly = TRUE)) {
  fit <- ashr::ash(result$log2FoldChange, result$lfcSE, mixcompdist = "normal")
  table <- data.frame(result, post_mean = ashr::get_pm(fit), lfdr = ashr::get_lfdr(fit), svalue = ashr::get_svalue(fit))
} else {
  # ashr is not packaged by Debian: the same mixture on ashr's grid with mixsqp, ashr's own solver,
  # and less around it, which favours the peer.
  b <- result$log2FoldChange
  s <- result$lfcSE
  sd <- min(s) / 10 * sqrt(2)^(0:ceiling(2 * log2(2 * sqrt(max(b^2 - s^2)) / (min(s) / 10))))
  sd <- c(0, sd)
  total <- outer(s^2, sd^2, "+")
  loglik <- -0.5 * (log(2 * pi * total) + b^2 / total)
  likelihood <- exp(loglik - apply(loglik, 1, max))
  fit <- mixsqp::mixsqp(likelihood, control = list(verbose = FALSE))
  share <- t(t(likelihood) * fit$x)
  share <- share / rowSums(share)
  shrunk <- 1 / (1 + outer(s^2, sd^2, "/"))
  table <- data.frame(result, post_mean = rowSums(share * b * shrunk), lfdr = share[, 1])
}
table$gene_id <- rownames(result)
table$gene_name <- names$gene_name[match(table$gene_id, names$gene_id)]
write.table(table, file.path(out, "genes.tsv"), sep = "\t", quote = FALSE, row.names = FALSE)

table$call <- ifelse(is.na(table$padj) | table$padj >= 0.05, "no call", ifelse(table$log2FoldChange > 0, "up", "down"))
top <- head(table[order(table$pvalue), ], 20)
volcano <- ggplot(table, aes(log2FoldChange, -log10(pvalue), colour = call)) +
  geom_point(size = 0.5) +
  geom_text(data = top, aes(label = gene_name), size = 2.5, vjust = -0.5, colour = "black") +
  scale_colour_manual(values = c("no call" = "grey", up = "#D55E00", down = "#0072B2")) +
  theme_classic()
suppressWarnings({
  ggsave(file.path(out, "volcano.png"), volcano, width = 7, height = 5, dpi = 150)
  ggsave(file.path(out, "volcano.pdf"), volcano, width = 7, height = 5)
})
