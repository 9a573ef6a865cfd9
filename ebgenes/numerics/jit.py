"""The one place for numba's options, its cache and its threads.

Kernels are plain loops compiled without the GIL; `map_blocks` runs them over fixed blocks of
genes in a thread pool. Block borders do not depend on the number of threads, and sums over blocks
are taken in the blocks' order, so results are the same to the last bit for any thread count.
"""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 1024

Array = TypeVar("Array", bound="NDArray[Any]")
Result = TypeVar("Result")


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _choose_cache_dir() -> None:
    """Point numba at a folder it can write, before numba is imported.

    NUMBA_CACHE_DIR wins; else numba's own choice (`__pycache__` beside the kernels) where that can
    be written; else the user's cache folder; else a private folder for this run, because numba
    raises at import in a read-only install without a home directory.
    """
    if "NUMBA_CACHE_DIR" in os.environ or _writable(Path(__file__).parent / "__pycache__"):
        return
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(base) / "ebgenes" / "numba"
    if not _writable(folder):
        folder = Path(tempfile.mkdtemp(prefix="ebgenes-numba-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["NUMBA_CACHE_DIR"] = str(folder)


_choose_cache_dir()

import numba  # noqa: E402  (the cache folder must be chosen first)

# Python looks for cycles among all objects as it ends, numba's many included: a fifth of a second for nothing.
atexit.register(gc.freeze)


def is_compiled() -> bool:
    """Whether an earlier run left compiled kernels where this one looks for them."""
    place = os.environ.get("NUMBA_CACHE_DIR")
    folder = Path(__file__).parent / "__pycache__" if place is None else Path(place)
    return any(folder.rglob("*.nbi"))


def _compile(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    # What only other kernels call needs no door to Python or C, which take long to compile.
    options = {"no_cpython_wrapper": function.__name__.startswith("_"), "no_cfunc_wrapper": True, **options}
    made = numba.njit(cache=True, nogil=True, error_model="numpy", **options)(function)
    resolve = made.get_call_template
    # A literal number is a type of its own to numba, for which a callee would be compiled once more.
    made.get_call_template = lambda args, kws: resolve(tuple(map(numba.types.unliteral, args)), kws)
    return cast(Callable[..., Any], made)


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a kernel at its first call, and keep the machine code on disk.

    No fastmath: it breaks isnan and the log-sum-exp of -inf.
    """
    return _compile(function)


def inner(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a kernel that kernels of other files call, and nobody else: one of this file has a name with ``_``."""
    return _compile(function, no_cpython_wrapper=True)


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a scalar function into its callers, so that their loops can be vectorized."""
    return _compile(function, forceinline=True)


def summing(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a sum that may be taken eight terms at a time: in another order, but always in the same one."""
    return _compile(function, forceinline=True, fastmath={"reassoc"})


def inner_sum(function: Callable[..., Any]) -> Callable[..., Any]:
    """Both `inner` and `summing`."""
    return _compile(function, forceinline=True, fastmath={"reassoc"}, no_cpython_wrapper=True)


def read_only(array: Array) -> Array:
    """The same numbers, as a kernel takes them that was compiled for records' arrays, which are read-only."""
    view = array.view()
    view.flags.writeable = False
    return view


def usable_threads() -> int:
    """EBGENES_THREADS where set, else the processors this process may use."""
    asked = os.environ.get("EBGENES_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_blocks(work: Callable[[slice], Result], n_rows: int) -> list[Result]:
    """Apply `work` to every block of rows; results in the blocks' order."""
    blocks = [slice(start, min(start + BLOCK, n_rows)) for start in range(0, n_rows, BLOCK)]
    threads = min(usable_threads(), len(blocks))
    if threads <= 1:
        return [work(block) for block in blocks]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, blocks))
