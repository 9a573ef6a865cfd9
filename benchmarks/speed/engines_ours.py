"""One engine's fit of one study, from its two tables to a table of results.

python benchmarks/speed/engines_ours.py likelihood|moderated_t <formula> <counts.tsv> <samples.tsv> <out.tsv>
"""

from __future__ import annotations

import sys

import ebgenes as eb


def main() -> None:
    engine, formula, counts_path, samples_path, out = sys.argv[1:]
    samples = eb.read_samples(samples_path)
    counts = eb.normalize(eb.read_counts(counts_path))
    design = eb.build_design(samples, formula, eb.compare("group", baseline="control", target="treated"))
    effects = eb.fit_effects(counts, design, engine=engine)
    fit = eb.fit_em(effects)
    eb.write_table(out, eb.results_table(effects, eb.posterior(effects, fit.prior)))


if __name__ == "__main__":
    main()
