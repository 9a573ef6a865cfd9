# Normalization factors of counts with average transcript lengths, by DESeq2 as DESeqDataSetFromTximport stores them.
# Rscript tests/reference/lengths.R, in the checkout's root. Written with R and DESeq2 as the last line prints.
library(DESeq2)
counts <- as.matrix(read.delim("resources/airway/counts.tsv.gz", row.names = 1, check.names = FALSE))
counts <- counts[rowMeans(counts) > 20, ][1:300, ]
set.seed(7)
lengths <- matrix(exp(rnorm(300, 7.3, .7)) * exp(rnorm(2400, 0, .2)), 300, dimnames = dimnames(counts))
data <- DESeqDataSetFromMatrix(counts, data.frame(one = factor(rep("a", 8))), ~1)
assays(data)[["avgTxLength"]] <- lengths
data <- estimateSizeFactors(data)
long <- data.frame(gene = rep(rownames(counts), 8), sample = rep(colnames(counts), each = 300), count = c(counts),
                   length = c(lengths), factor = c(normalizationFactors(data)))
write.csv(format(long, digits = 15, trim = TRUE), gzfile("tests/reference/lengths/factors.csv.gz"), row.names = FALSE,
          quote = FALSE)
cat(R.version.string, "DESeq2", as.character(packageVersion("DESeq2")), "\n")
