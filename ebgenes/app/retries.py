"""Only what may pass is tried again: a user's mistake ends a job the same way each time (docs/decisions/0020)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

MISTAKE = re.compile(r"^ebgenes \w+: (?!out of memory|interrupted)", re.MULTILINE)
"""Begins a message that the next try would end with as well. With more memory, or undisturbed, a job may pass."""


def told_a_mistake(logs: Iterable[str], since: float) -> bool:
    """Whether a log written since then (seconds since the epoch) has a message that another try would not change."""
    for log in logs:
        try:
            if Path(log).stat().st_mtime >= since and MISTAKE.search(Path(log).read_text()):
                return True
        except OSError:
            continue
    return False


def spare_mistakes(job: type[Any], since: float) -> bool:
    """Let jobs of a class that told a mistake have no retries left; False where the class has no such property.

    The property is Snakemake's own and not promised: where it is gone, jobs are tried as often as Snakemake likes.
    """
    asked = getattr(job, "restart_times", None)
    if not isinstance(asked, property) or asked.fget is None:
        return False
    times = asked.fget
    job.restart_times = property(lambda self: 0 if told_a_mistake(self.log, since) else times(self))
    return True
