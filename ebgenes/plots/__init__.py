"""Pictures of a result table. A plot takes a table and an axes and returns the axes.

Genes whose status says that they were not fitted have no result and are not drawn. Every other gene is: values beyond
the axis sit at its edge as open triangles and are counted in words, and a label without room is named
below the title. Text from the user (gene names, directions, titles) is never read as markup.

Names are loaded, and matplotlib with them, when first used; ``__init__.pyi`` lists them.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
