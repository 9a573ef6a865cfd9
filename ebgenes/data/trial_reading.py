"""Reads an HDF5 file in a process of its own, which may hang or crash in place of ours; run as a script."""

from __future__ import annotations

import resource
import sys

import h5py

READ_WHOLE = 200_000_000
"""Bytes of an array that is read on trial; of a longer one, its beginning and end."""

MEMORY = 4_000_000_000
"""Bytes that the trial may take."""

REFUSED = 3


def _read(path: str) -> None:
    waiting: list[h5py.HLObject] = []
    seen: set[int] = set()
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


def tried(path: str, seconds: int) -> int:
    """Read a file in so many seconds of this process, which is good for nothing else from then on; its exit code."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard == resource.RLIM_INFINITY or hard > MEMORY:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, hard))
    try:
        _read(path)
    except Exception:
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(tried(sys.argv[1], int(sys.argv[2])))
