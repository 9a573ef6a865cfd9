"""Reads an HDF5 file in a process of its own, which may hang or crash in place of ours."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

from ebgenes.errors import InputError

CPU_SECONDS = 4
"""What a file may take at least; sound ones take a fraction of a second."""

BYTES_PER_SECOND = 20_000_000
READ_WHOLE = 200_000_000
"""Bytes of an array that is read on trial; of a longer one, its beginning and end."""

MEMORY = 4_000_000_000
"""Bytes that the trial may take."""

_SOUND: set[tuple[str, int, int]] = set()
"""Files that have been tried by this process, with their sizes and times: they are tried once."""

REFUSED = 3


def require_no_hang(path: Path) -> None:
    """Refuse an HDF5 file on which the HDF5 library hangs or crashes: damaged ones make it do both.

    Raises
    ------
    InputError
        Where it does. What merely fails is for the reader to tell.
    """
    told = path.stat()
    tried = (str(path.absolute()), told.st_size, told.st_mtime_ns)
    if tried in _SOUND or not sys.executable:
        return
    seconds = CPU_SECONDS + told.st_size // BYTES_PER_SECOND
    # -P: the folder of this file is no place to import from.
    command = [sys.executable, "-P", str(Path(__file__).absolute()), str(path), str(seconds)]
    code = subprocess.run(command, check=False, capture_output=True, stdin=subprocess.DEVNULL).returncode  # noqa: S603
    if code < 0:
        raise InputError(
            f"{path} is damaged: the HDF5 library {'never ends' if code in (-24, -9) else 'crashes'} when it reads it. "
            "Copy or make it anew."
        )
    _SOUND.add(tried)


def _read(path: str) -> None:
    import h5py

    waiting, seen = [], set()
    with h5py.File(path, "r") as file:
        waiting.append(file["/"])
        while waiting and len(seen) < 100_000:
            item = waiting.pop()
            place = h5py.h5o.get_info(item.id).addr
            if place in seen:
                continue
            seen.add(place)
            for name in item.attrs:
                item.attrs[name]
            if isinstance(item, h5py.Group):
                kept = [name for name in item if isinstance(item.get(name, getlink=True), h5py.HardLink)]
                waiting += [item[name] for name in kept]
            elif isinstance(item, h5py.Dataset) and item.shape:
                size = item.size * item.dtype.itemsize
                rows = len(item) * READ_WHOLE // size if size > READ_WHOLE else len(item)
                if rows:
                    item[:rows]
                if 0 < rows < len(item):
                    item[-rows:]


def main() -> int:
    """Read the file that the arguments name, in so many seconds."""
    seconds = int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard == resource.RLIM_INFINITY or hard > MEMORY:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, hard))
    try:
        _read(sys.argv[1])
    except Exception:
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
