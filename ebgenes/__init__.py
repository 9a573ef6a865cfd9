"""ebgenes: hierarchical differential expression, from counts to local false discovery rates.

Names are loaded when first used, so that ``ebgenes --help`` answers at once; ``__init__.pyi`` lists them.
"""

from __future__ import annotations

from typing import Any

import lazy_loader

from ebgenes.imports import swift_imports

__version__ = "0.1.0"

FORMER = {
    "fit_joint": "fit_multi_df_prior",
    "fit_joint_effects": "fit_multi_df_effects",
    "joint_posterior": "multi_df_posterior",
    "learn_kappa": "learn_tau",
}
"""Public names of the version before, which work in this one for the last time."""

_load, _, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__", "plot"]


def __getattr__(name: str) -> Any:
    if name in FORMER:
        import warnings

        warnings.warn(f"ebgenes.{name} is called {FORMER[name]} now", FutureWarning, stacklevel=2)
        name = FORMER[name]
    with swift_imports():
        return _load("plots" if name == "plot" else name)


def __dir__() -> list[str]:
    return sorted(__all__)
