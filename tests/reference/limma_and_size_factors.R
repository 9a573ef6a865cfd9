# Numbers that limma, edgeR and DESeq2 give on the shipped data, for options the other files lack.
# Rscript limma_and_size_factors.R <resources> <output folder>
suppressMessages({library(edgeR); library(limma); library(DESeq2)})
arguments <- commandArgs(TRUE)
resources <- arguments[1]
out <- arguments[2]
digits <- function(x) formatC(x, digits = 13, format = "g")
read <- function(study) {
  path <- file.path(resources, study, "counts.tsv.gz")
  as.matrix(read.delim(gzfile(path), row.names = 1, check.names = FALSE))
}
airway <- read("airway")
airway <- airway[rowSums(airway) >= 10, ]
samples <- read.delim(file.path(resources, "airway", "samples.tsv"))
design <- model.matrix(~ cell + dex, transform(samples, dex = factor(dex, levels = c("untrt", "trt"))))
voomed <- voom(calcNormFactors(DGEList(airway)), design)
linear <- lmFit(voomed, design)
shown <- seq(1, nrow(airway), by = 10)
table <- data.frame(gene = rownames(airway)[shown], logFC = digits(linear$coefficients[shown, "dextrt"]))
for (trend in c(FALSE, TRUE)) for (robust in c(FALSE, TRUE)) {
  fit <- eBayes(linear, trend = trend, robust = robust)
  tag <- paste0(if (trend) "trend" else "flat", if (robust) "_robust" else "_plain")
  table[[paste0(tag, "_t")]] <- digits(fit$t[shown, "dextrt"])
  table[[paste0(tag, "_p")]] <- digits(fit$p.value[shown, "dextrt"])
  table[[paste0(tag, "_df")]] <- digits(fit$df.total[shown])
}
write.csv(table, gzfile(file.path(out, "limma_options.csv.gz")), row.names = FALSE, quote = FALSE)

normalization <- function(counts, data) data.frame(
  data = data, sample = colnames(counts),
  tmm = digits(calcNormFactors(DGEList(counts), method = "TMM")$samples$norm.factors),
  tmmwsp = digits(calcNormFactors(DGEList(counts), method = "TMMwsp")$samples$norm.factors),
  median_ratio = digits(estimateSizeFactorsForMatrix(counts)),
  poscounts = digits(estimateSizeFactorsForMatrix(counts, type = "poscounts")))
# Whole-number division makes sparse data that needs no file of its own.
write.csv(rbind(normalization(airway, "airway"), normalization(read("pasilla"), "pasilla"),
                normalization(airway %/% 300, "sparse")),
          file.path(out, "size_factors.csv"), row.names = FALSE, quote = FALSE)
