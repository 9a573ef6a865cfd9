#!/usr/bin/env python
"""`ebgenes` that stops where a test wants it: named so on the path of a job.

A file `hold.<word>` in the folder EBGENES_HOLD, `<word>` being somewhere in the arguments, makes the first process that
finds it stop in the middle of writing effects.h5, with half a file on disk; it says so in `held.<word>` and stays until
killed or until `go.<word>` is there.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from ebgenes.app.cli import main

folder = Path(os.environ["EBGENES_HOLD"])


def hold(word: str) -> None:
    write = Path.write_bytes

    def stop(self: Path, content: bytes) -> int:
        if self.name.startswith(".effects.h5."):
            write(self, content[: len(content) // 2])
            (folder / f"held.{word}").write_text(f"{os.getpid()} {os.environ.get('SLURM_JOB_ID', '')} ")
            while not (folder / f"go.{word}").exists():
                time.sleep(0.1)
        return write(self, content)

    Path.write_bytes = stop


if sys.argv[1] == "contrast":
    for asked in folder.glob("hold.*"):
        word = asked.name.removeprefix("hold.")
        if any(word in argument for argument in sys.argv[1:]):
            try:
                asked.unlink()
            except FileNotFoundError:
                continue
            hold(word)
sys.exit(main())
