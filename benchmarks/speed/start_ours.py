"""A tiny study through every engine: all of its time goes to imports and to compiling or loading kernels.

python benchmarks/speed/start_ours.py likelihood moderated_t
"""

from __future__ import annotations

import sys
from importlib import import_module
from pkgutil import iter_modules

from studies import simulate

import ebgenes as eb
import ebgenes.numerics


def idle_kernels() -> list[str]:
    """Kernels that this process has neither compiled nor loaded."""
    homes = [import_module(f"ebgenes.numerics.{module.name}") for module in iter_modules(ebgenes.numerics.__path__)]
    found = {value for home in homes for value in vars(home).values() if hasattr(value, "signatures")}
    return sorted(f"{kernel.__module__}.{kernel.__name__}" for kernel in found if not kernel.signatures)


def main() -> None:
    counts, samples = simulate(200, 6)
    counts = eb.normalize(counts)
    design = eb.build_design(samples, "~ group", eb.compare("group", baseline="control", target="treated"))
    for engine in sys.argv[1:]:
        effects = eb.fit_effects(counts, design, engine=engine)
        eb.results_table(effects, eb.posterior(effects, eb.fit_em(effects).prior))
    # Kernels that others call are part of those when loaded from the cache: only a first run tells.
    print("not compiled:", *idle_kernels() or ["none"], file=sys.stderr)


if __name__ == "__main__":
    main()
