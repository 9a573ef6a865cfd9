# mixsqp's fit of one set of effects; prints its CPU seconds as JSON. Rscript prior_peer.R <folder>
suppressMessages(library(mixsqp))
folder <- commandArgs(TRUE)[1]
numbers <- function(name) {
  path <- file.path(folder, paste0(name, ".bin"))
  readBin(path, "double", file.size(path) / 8, endian = "little")
}
estimate <- numbers("estimate")
se <- numbers("se")
scale <- c(0, numbers("scale"))
fit <- function(b, s) {
  loglik <- sapply(scale, function(tau) dnorm(b, 0, sqrt(s^2 + tau^2), log = TRUE))
  top <- apply(loglik, 1, max)
  likelihood <- exp(loglik - top)
  found <- mixsqp(likelihood, control = list(verbose = FALSE))
  list(x = found$x, likelihood = likelihood, top = top)
}
warm <- fit(estimate[1:2000], se[1:2000])
start <- proc.time()
made <- fit(estimate, se)
used <- sum((proc.time() - start)[1:2])
x <- pmax(made$x, 0) / sum(pmax(made$x, 0))
loglik <- sum(log(made$likelihood %*% x)) + sum(made$top)
cat(sprintf('{"cpu_s": %.4f, "loglik": %.9f, "version": "mixsqp %s"}\n', used, loglik, packageVersion("mixsqp")))
