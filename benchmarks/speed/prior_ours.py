"""Our fit of one set of effects; prints its CPU seconds as JSON. python prior_ours.py <folder>."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

for name in ("EBGENES_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402  (the threads are set before anything starts some)

import ebgenes as eb  # noqa: E402
from ebgenes.records.effects import Effects  # noqa: E402


def main() -> None:
    folder = Path(sys.argv[1])
    estimate, se, scale = (np.fromfile(folder / f"{name}.bin", dtype="<f8") for name in ("estimate", "se", "scale"))

    def effects(n: int) -> Effects:
        return eb.effects_from_summary(list(map(str, range(n))), estimate[:n], se[:n])

    eb.fit_em(effects(2000), null="fixed", scale=scale)
    every = effects(len(estimate))
    start = time.process_time()
    fit = eb.fit_em(every, null="fixed", scale=scale)
    cost = {
        "cpu_s": time.process_time() - start,
        "certificate": fit.certificate,
        "loglik": float(fit.loglik[-1]),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "version": f"ebgenes {eb.__version__}",
    }
    print(json.dumps(cost))


if __name__ == "__main__":
    main()
