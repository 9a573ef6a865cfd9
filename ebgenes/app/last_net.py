"""What nobody foresaw, in one line: the machine's refusals with their cures, and a file for what is our own fault."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import traceback
from pathlib import Path

from ebgenes import __version__
from ebgenes.errors import InputError

MISTAKE, FAULT, NO_MEMORY, INTERRUPTED, BROKEN_PIPE = 2, 70, 71, 130, 141
"""Exit codes: of a user's mistake, of a fault of ours, of too little memory, and those of shells."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def exit_code(error: BaseException, verb: str) -> int:
    """Say what happened on standard error, in one line, and how the process should end.

    Parameters
    ----------
    error
        What reached the command line.
    verb
        What it was asked to do.

    Returns
    -------
    int
        2 for mistakes and for what the disk or file system refuses, 130 for an interruption, 141 where the reader of
        our output is gone, 71 for too little memory, 70 for a fault of ours.
    """
    code, words = _words(error)
    if code == BROKEN_PIPE:
        _close_quietly()
        return code
    _say(f"ebgenes {verb}: {words}")
    return code


def _words(error: BaseException) -> tuple[int, str]:
    if isinstance(error, InputError):
        return MISTAKE, str(error)
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, "interrupted. Files that were written are whole; the same command goes on or begins anew."
    if isinstance(error, BrokenPipeError):
        return BROKEN_PIPE, ""
    if isinstance(error, MemoryError):
        return NO_MEMORY, (
            f"out of memory ({_one_line(error)}). Use a machine with more of it, fewer --threads, or effects.chunks."
        )
    if isinstance(error, OSError):
        return _of_the_system(error)
    if _in_numba_cache(error):
        return MISTAKE, (
            f"compiled code that numba has kept is damaged ({_one_line(error)}). Empty the folder "
            f"{os.environ.get('NUMBA_CACHE_DIR', '__pycache__')} and run again; nothing else is lost."
        )
    return FAULT, _reported(error)


def _one_line(error: BaseException) -> str:
    return (" ".join(str(error).split())[:200] or type(error).__name__).rstrip(".")


def _of_the_system(error: OSError) -> tuple[int, str]:
    place = f" {error.filename}" if error.filename else ""
    reason = (error.strerror or _one_line(error)).rstrip(".")
    if error.errno in FULL:
        return MISTAKE, f"cannot write{place}: {reason}. Free some space or choose another outdir, then run again."
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return MISTAKE, f"too many open files{place}: {reason}. Raise the limit (ulimit -n) and run again."
    return MISTAKE, f"the system refused{place}: {reason}. Check the path and its permissions, then run again."


def _in_numba_cache(error: BaseException) -> bool:
    """Whether numba failed while it read what it had compiled before."""
    frames = traceback.extract_tb(error.__traceback__)
    return any(Path(frame.filename).parts[-3:] == ("numba", "core", "caching.py") for frame in frames)


def _reported(error: BaseException) -> str:
    """A file that holds the traceback, and one line that names it."""
    text = "".join(traceback.format_exception(error))
    # Files of an unwritable folder, or of a full disk, would be a second fault.
    kept = ""
    try:
        handle, name = tempfile.mkstemp(prefix="ebgenes_fault_", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"ebgenes {__version__}\n{sys.argv}\n{text}")
        kept = f" with the file {name}"
    except OSError:
        kept = " with the command that you ran"
    what = f"{type(error).__name__}: {_one_line(error)}"
    return f"this is a fault of ebgenes {__version__} ({what.rstrip('.')}). Please report it{kept}."


def _say(words: str) -> None:
    try:
        print(words, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        _close_quietly()


def _close_quietly() -> None:
    """Python flushes standard output at its end, which would fail once more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            os.dup2(nowhere, stream.fileno())
        except (OSError, ValueError, AttributeError):
            continue
