# Cox-Reid adjusted profile log likelihoods by edgeR, at fixed dispersions and size factors. From the repository's root:
#   Rscript tests/reference/edger_adjusted_profile.R
suppressMessages(library(edgeR))
counts <- as.matrix(read.delim("resources/pasilla/counts.tsv.gz", row.names = 1, check.names = FALSE))
samples <- read.delim("resources/pasilla/samples.tsv", row.names = 1)[colnames(counts), ]
counts <- counts[rowSums(counts >= 10) >= 3, ]
counts <- counts[seq(1, nrow(counts), 200), ]
size <- c(1.138263, 1.793000, .649547, .751689, 1.635575, .761270, .832653)
design <- model.matrix(~ type + condition, samples)
dispersion <- c(1e-4, 1e-3, .01, .1, 1, 5)
profile <- sapply(dispersion, function(x) adjustedProfileLik(x, counts, design, offset = log(size), adjust = TRUE))
table <- data.frame(gene = rownames(counts), signif(profile, 12))
names(table)[-1] <- paste0("d", dispersion)
file <- gzfile("tests/reference/edger_adjusted_profile.csv.gz")
write.csv(table, file, row.names = FALSE, quote = FALSE)
