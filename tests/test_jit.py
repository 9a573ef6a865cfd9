"""Where compiled code is kept, and how work is split."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ebgenes.numerics import jit

FIT = """
import hashlib, numpy as np, ebgenes as eb
rng = np.random.default_rng(1)
effects = eb.effects_from_summary([str(i) for i in range(3000)], rng.normal(size=3000), np.full(3000, 0.5), 7.0)
fit = eb.fit_em(effects)
print(hashlib.sha256(eb.posterior(effects, fit.prior).mean.tobytes()).hexdigest())
"""


def test_many_first_jobs_at_once_share_a_cold_cache(tmp_path: Path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, "-W", "error", "-c", FIT]
    jobs = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    outputs = [job.communicate() for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0, 0], outputs
    assert len({output for output, _ in outputs}) == 1
    # A warm start reads what was kept, and agrees.
    warm = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert warm.stdout == outputs[0][0]
    assert list((tmp_path / "cache").rglob("*.nbc"))


def test_without_any_folder_to_write_a_private_one_is_made(monkeypatch, tmp_path: Path):
    """A read-only install without a home directory."""
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(jit, "_writable", lambda folder: False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    jit._choose_cache_dir()
    chosen = Path(os.environ["NUMBA_CACHE_DIR"])
    assert chosen.parent == tmp_path
    assert chosen.is_dir()


def test_a_read_only_install_uses_the_users_cache(monkeypatch, tmp_path: Path):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    package = Path(jit.__file__).parent
    real = jit._writable
    monkeypatch.setattr(jit, "_writable", lambda folder: package not in folder.parents and real(folder))
    jit._choose_cache_dir()
    assert os.environ["NUMBA_CACHE_DIR"] == str(tmp_path / "ebgenes" / "numba")


def test_the_users_choice_wins(monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/somewhere")
    jit._choose_cache_dir()
    assert os.environ["NUMBA_CACHE_DIR"] == "/somewhere"


@pytest.mark.parametrize("threads", ["1", "3"])
@pytest.mark.parametrize("n_rows", [0, 1, 1024, 1025, 5000])
def test_blocks_cover_every_row_once_and_in_order(monkeypatch, threads, n_rows):
    monkeypatch.setenv("EBGENES_THREADS", threads)
    blocks = jit.map_blocks(lambda block: (block.start, block.stop), n_rows)
    assert [row for start, stop in blocks for row in range(start, stop)] == list(range(n_rows))


def test_threads_follow_the_setting(monkeypatch):
    monkeypatch.setenv("EBGENES_THREADS", "3")
    assert jit.usable_threads() == 3
    for nonsense in ("", "0", "many"):
        monkeypatch.setenv("EBGENES_THREADS", nonsense)
        assert jit.usable_threads() >= 1


def test_an_error_in_a_block_is_raised(monkeypatch):
    monkeypatch.setenv("EBGENES_THREADS", "2")

    def work(block: slice) -> None:
        if block.start > 0:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        jit.map_blocks(work, 3000)
