# Moderated F of several coefficients by limma on the shipped data: every thirtieth gene.
# Rscript joint.R <resources> <output folder>
suppressMessages({library(edgeR); library(limma)})
arguments <- commandArgs(TRUE)
digits <- function(x) formatC(x, digits = 13, format = "g")
counts <- as.matrix(read.delim(gzfile(file.path(arguments[1], "airway", "counts.tsv.gz")), row.names = 1,
                               check.names = FALSE))
counts <- counts[rowSums(counts) >= 10, ]
samples <- read.delim(file.path(arguments[1], "airway", "samples.tsv"))
samples$dex <- factor(samples$dex, levels = c("untrt", "trt"))
design <- model.matrix(~ cell + dex, samples)
smaller <- model.matrix(~ dex, samples)
cells <- grep("^cell", colnames(design))
voomed <- voom(calcNormFactors(DGEList(counts)), design)
shown <- seq(1, nrow(counts), by = 30)
# Without weights topTable's F is the closed form; with them limma takes every gene's coefficients to be correlated as
# in the unweighted design, so the extra sum of squares is computed gene by gene.
plain <- eBayes(lmFit(voomed$E, design))
top <- topTable(plain, coef = cells, number = Inf, sort.by = "none")
weighted <- eBayes(lmFit(voomed, design))
left <- function(i, x) sum(lm.wfit(x, voomed$E[i, ], voomed$weights[i, ])$residuals^2 * voomed$weights[i, ])
extra <- sapply(shown, function(i) left(i, smaller) - left(i, design)) / length(cells) / weighted$s2.post[shown]
approximate <- topTable(weighted, coef = cells, number = Inf, sort.by = "none")
write.csv(data.frame(
  gene = rownames(counts)[shown],
  plain_f = digits(top$F[shown]), plain_p = digits(top$P.Value[shown]),
  weighted_f = digits(extra),
  weighted_p = digits(pf(extra, length(cells), weighted$df.total[shown], lower.tail = FALSE)),
  limma_weighted_f = digits(approximate$F[shown])
), gzfile(file.path(arguments[2], "joint_f.csv.gz")), row.names = FALSE, quote = FALSE)
