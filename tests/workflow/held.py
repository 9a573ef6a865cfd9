#!/usr/bin/env python
"""`ebgenes` that stops where a test wants it: named so on the path of a job.

A file `hold.<word>` in the folder EBGENES_HOLD, `<word>` being somewhere in the arguments, makes the first process that
finds it stop in the middle of writing its arrays, with half a file on disk; it says so in `held.<word>` and stays until
killed or until `go.<word>` is there.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import h5py

from ebgenes.app.cli import main

folder = Path(os.environ["EBGENES_HOLD"])


def hold(word: str) -> None:
    write = h5py.Group.create_dataset

    def stop(self: h5py.Group, name: str, *arguments: object, **options: object) -> h5py.Dataset:
        if name == "loglik":
            self.file.flush()
            (folder / f"held.{word}").write_text(f"{os.getpid()} {os.environ.get('SLURM_JOB_ID', '')} ")
            while not (folder / f"go.{word}").exists():
                time.sleep(0.1)
        return write(self, name, *arguments, **options)

    h5py.Group.create_dataset = stop


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
