"""One engine's fit of one study, from its two tables to a table of results.

python benchmarks/speed/engines_ours.py likelihood|moderated_t effects|whole <formula> <counts> <samples> <out>

`effects` ends with p-values and their adjustment, which is what the peers do; `whole` goes on to the prior and
the posteriors.
"""

from __future__ import annotations

import os
import sys

# One thread, as the peers have: two that share a core would count its seconds twice.
for name in ("EBGENES_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[name] = "1"

import pandas as pd  # noqa: E402  (the threads are set before anything starts some)

import ebgenes as eb  # noqa: E402
from ebgenes.posteriors.fdr import p_values  # noqa: E402
from ebgenes.records.effects import Effects  # noqa: E402


def main() -> None:
    engine, extent, formula, counts_path, samples_path, out = sys.argv[1:]
    samples = eb.read_samples(samples_path)
    counts = eb.normalize(eb.read_counts(counts_path))
    design = eb.build_design(samples, formula, eb.compare("group", baseline="control", target="treated"))
    effects = eb.fit_effects(counts, design, engine=engine, hidden_factors=0)
    if extent == "effects":
        eb.write_table(out, effects_table(effects))
    else:
        fit = eb.fit_em(effects)
        eb.write_table(out, eb.results_table(effects, eb.posterior(effects, fit.prior)))


def effects_table(effects: Effects) -> pd.DataFrame:
    p_value = p_values(effects)
    return pd.DataFrame(
        {
            "gene_id": effects.gene,
            "base_mean": effects.base_mean,
            "log2_fc": effects.estimate,
            "se": effects.se,
            "p_value": p_value,
            "adj_p_value": eb.adjust_bh(p_value),
        }
    )


if __name__ == "__main__":
    main()
