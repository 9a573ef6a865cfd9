"""The multivariate prior: CPU seconds of a fit and its posteriors, 20,000 genes in 5 and in 10 conditions.

python benchmarks/speed/multivariate.py [--runs 3]

Inside a warm process on one thread, data in memory: canonical patterns and learned ones, each condition's univariate
fit for its drift included. Debian has no mashr, so that ours stands beside the univariate fit of one condition only.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path

for name in ("EBGENES_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402  (the threads are set before anything starts some)
from measure import machine, write_rows  # noqa: E402

import ebgenes as eb  # noqa: E402
from ebgenes.records.prior import MultivariateFit  # noqa: E402

HERE = Path(__file__).parent
GENES = 20_000
CHANGED = 0.15
SEED = 3


def simulated(n_conditions: int) -> tuple[np.ndarray, np.ndarray]:
    """Estimates and their covariances: the changed genes share effects, or two conditions do, or none."""
    rng = np.random.default_rng(SEED)
    third = int(CHANGED * GENES / 3)
    theta = np.zeros((GENES, n_conditions))
    theta[:third] = rng.standard_normal((third, 1))
    theta[third : 2 * third, :2] = rng.standard_normal((third, 1))
    theta[2 * third : 3 * third] = rng.standard_normal((third, n_conditions))
    errors = 0.3 + 0.7 * np.eye(n_conditions)
    covariance = eb.covariances_of(rng.uniform(0.15, 0.5, theta.shape), errors)
    noise = np.einsum("grs,gs->gr", np.linalg.cholesky(covariance), rng.standard_normal(theta.shape))
    return theta + noise, covariance


def once(estimate: np.ndarray, covariance: np.ndarray) -> tuple[list[float], MultivariateFit]:
    """CPU seconds of the fit, of its posteriors, and of one condition's own fit."""
    single = eb.effects_from_summary(range(len(estimate)), estimate[:, 0], np.sqrt(covariance[:, 0, 0]))
    clock = [time.process_time()]
    fit = eb.fit_multivariate(estimate, covariance)
    clock.append(time.process_time())
    eb.multivariate_posterior(fit.prior, estimate, covariance)
    clock.append(time.process_time())
    eb.fit_em(single)
    clock.append(time.process_time())
    return np.diff(clock).tolist(), fit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path, default=HERE / "multivariate.csv")
    asked = parser.parse_args()
    rows = []
    for n_conditions in (5, 10):
        estimate, covariance = simulated(n_conditions)
        once(estimate[::20], covariance[::20])
        runs = [once(estimate, covariance) for _ in range(asked.runs)]
        fit = runs[0][1]
        fits, posts, ones = zip(*(costs for costs, _ in runs), strict=True)
        rows.append(
            {
                "genes": GENES,
                "conditions": n_conditions,
                "components": len(fit.prior.weight),
                "fit_cpu_s": round(statistics.median(fits), 3),
                "fit_cpu_s_max": round(max(fits), 3),
                "posterior_cpu_s": round(statistics.median(posts), 3),
                "univariate_cpu_s": round(statistics.median(ones), 3),
                "certificate": f"{fit.certificate:.1e}",
                "runs": asked.runs,
                "version": f"ebgenes {eb.__version__}",
                "machine": machine(),
            }
        )
        print(rows[-1], flush=True)
    write_rows(asked.out, rows)


if __name__ == "__main__":
    main()
