"""ebgenes: hierarchical differential expression, from counts to local false discovery rates.

Names are loaded when first used, so that ``ebgenes --help`` answers at once; ``__init__.pyi`` lists them.
"""

from __future__ import annotations

from typing import Any

import lazy_loader

from ebgenes.imports import swift_imports

__version__ = "0.1.0"

_load, _, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__", "plot"]


def __getattr__(name: str) -> Any:
    with swift_imports():
        return _load("plots" if name == "plot" else name)


def __dir__() -> list[str]:
    return sorted(__all__)
