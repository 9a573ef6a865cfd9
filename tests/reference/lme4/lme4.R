# Mixed models of 50 made-up genes by lme4, the numbers that tests/test_mixed.py compares with.
#
#   Rscript tests/reference/lme4/lme4.R
#
# reads samples.tsv, response.tsv and weight.tsv beside itself (made by make.py) and writes
#   at_ratio.tsv   coefficients and standard errors where the variance ratio is held: lme4's deviance function is
#                  evaluated at theta = sqrt(ratio) and the model made from what it found there
#   reml.tsv       REML estimates of lmer, one factor (donor) and two crossed ones (donor, site)
# and versions.txt.
suppressMessages(library(lme4))
file <- sub("--file=", "", grep("--file=", commandArgs(FALSE), value = TRUE))
here <- dirname(normalizePath(file))
read <- function(name) read.delim(file.path(here, name), row.names = 1, check.names = FALSE)
samples <- read("samples.tsv")
response <- as.matrix(read("response.tsv"))
weight <- as.matrix(read("weight.tsv"))
models <- list(donor = y ~ batch + treated + dose + (1 | donor), crossed = y ~ treated + dose + (1 | donor) + (1 | site))
ratios <- list(donor = list(0, 0.25, 1, 16), crossed = list(c(0.25, 1), c(4, 0.0625)))
tight <- lmerControl(
  optimizer = "Nelder_Mead", check.conv.singular = "ignore", check.conv.grad = "ignore", check.conv.hess = "ignore",
  optCtrl = list(FtolAbs = 1e-14, FtolRel = 1e-14, XtolRel = 1e-12, maxfun = 1e5)
)
held <- list()
reml <- list()
for (gene in rownames(response)) {
  data <- transform(samples, y = response[gene, ], w = weight[gene, ])
  for (model in names(models)) {
    parsed <- lFormula(models[[model]], data = data, weights = w, REML = TRUE, control = tight)
    deviance <- do.call(mkLmerDevfun, parsed)
    # theta is in the order of the terms as lme4 sorts them, the factor with more groups first: donor, site.
    for (ratio in ratios[[model]]) {
      deviance(sqrt(ratio))
      opt <- list(par = sqrt(ratio), fval = deviance(sqrt(ratio)), conv = 0, message = "")
      fit <- mkMerMod(environment(deviance), opt, parsed$reTrms, fr = parsed$fr)
      held[[length(held) + 1]] <- data.frame(
        gene = gene, model = model, ratio_donor = ratio[1], ratio_site = if (length(ratio) > 1) ratio[2] else NA,
        estimate = fixef(fit)[["treated"]], se = sqrt(vcov(fit)["treated", "treated"]), sigma = sigma(fit),
        reml = REMLcrit(fit)
      )
    }
    fit <- suppressWarnings(lmer(models[[model]], data = data, weights = w, REML = TRUE, control = tight))
    theta <- getME(fit, "theta")
    reml[[length(reml) + 1]] <- data.frame(
      gene = gene, model = model, ratio_donor = theta[["donor.(Intercept)"]]^2,
      ratio_site = if (model == "crossed") theta[["site.(Intercept)"]]^2 else NA,
      estimate = fixef(fit)[["treated"]], se = sqrt(vcov(fit)["treated", "treated"]), sigma = sigma(fit),
      reml = REMLcrit(fit)
    )
  }
}
write <- function(rows, name) {
  table <- do.call(rbind, rows)
  numbers <- sapply(table, is.numeric)
  table[numbers] <- lapply(table[numbers], function(x) formatC(x, digits = 15, format = "g"))
  write.table(table, file.path(here, name), sep = "\t", quote = FALSE, row.names = FALSE)
}
write(held, "at_ratio.tsv")
write(reml, "reml.tsv")
writeLines(c(R.version.string, paste("lme4", packageVersion("lme4"))), file.path(here, "versions.txt"))
