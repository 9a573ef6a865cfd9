"""What is tried again: what may pass, not a user's mistake (docs/decisions/0020), and what a kill left unfinished."""

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


def go_on_after_a_kill(workflow: Any) -> bool:
    """Let files that a killed Snakemake left unfinished be made again unasked; False where Snakemake has no such place.

    Ours are whole or not there, so that nobody can want to keep one. As `spare_mistakes`, this is not promised by
    Snakemake: where it is gone, a message of Snakemake's names the option --rerun-incomplete.
    """
    settings: Any = getattr(workflow, "dag_settings", None)
    if not hasattr(settings, "force_incomplete"):
        return False
    settings.force_incomplete = True
    return True
