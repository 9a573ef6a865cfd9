"""Engine ``normal``: estimates and standard errors that others have made, from tables."""

from __future__ import annotations

from ebgenes.effects.engines.engine import Engine

METHODS = """
<p>The effects and their standard errors were supplied. Each was taken as normal around the true effect with the
supplied standard error, or as a t statistic where degrees of freedom were given.</p>
"""

ENGINE = Engine(name="normal", methods=METHODS)
