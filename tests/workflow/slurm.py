"""A real Slurm of two virtual nodes on loopback, from Debian's packages: it begins and ends with the tests."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

CONF = Path("/etc/slurm/slurm.conf")
"""Where tools look that clean SLURM_* from a job's environment, as Snakemake's do."""

NEEDED = ("munged", "slurmctld", "slurmd", "squeue")
FIRST_PORT = 27817


def why_not() -> str | None:
    """Why Slurm cannot be started here, or None."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if os.geteuid() != 0:
        return "starting Slurm needs root"
    if missing:
        return f"{missing[0]} is not installed: apt-get install munge slurmctld slurmd slurm-client"
    if CONF.exists() or CONF.is_symlink():
        return f"{CONF} exists: a Slurm of this machine's own goes first"
    return None


@contextmanager
def alone() -> Iterator[None]:
    """One process at a time: there is one place for the configuration, and one set of ports."""
    with open(Path(tempfile.gettempdir(), "ebgenes-tests-slurm.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@dataclass
class Slurm:
    """The daemons of one cluster, each a child of this process."""

    folder: Path
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self) -> None:
        """Start munge, the controller and two nodes, and wait until these are idle."""
        for name in ("munge", "state", "spool", "log"):
            (self.folder / name).mkdir(parents=True)
        self.folder.chmod(0o755)
        (self.folder / "munge").chmod(0o755)
        key = self.folder / "munge" / "key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        conf = self.folder / "slurm.conf"
        conf.write_text(self._conf())
        CONF.parent.mkdir(exist_ok=True)
        CONF.symlink_to(conf)
        self._launch("munged", "--foreground", "--force", *self._munge_files())
        wait_for("munge", lambda: (self.folder / "munge" / "socket").exists(), 10)
        self._launch("slurmctld", "-D", "-f", str(conf))
        for node in ("n1", "n2"):
            self.start_node(node)
        wait_for("idle nodes", lambda: self.run("sinfo", "-hN", "-o", "%T").split() == ["idle"] * 2, 60)

    def start_node(self, node: str) -> None:
        """Start one node's daemon."""
        self._launch(f"slurmd {node}", "-D", "-N", node, "-f", str(self.folder / "slurm.conf"))

    def _munge_files(self) -> list[str]:
        place = self.folder / "munge"
        names = {"key-file": "key", "socket": "socket", "pid-file": "pid", "seed-file": "seed", "log-file": "log"}
        return [f"--{option}={place / name}" for option, name in names.items()]

    def _conf(self) -> str:
        host = socket.gethostname().partition(".")[0]
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 // 5 * 2
        node = f"NodeHostname={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory={memory} State=UNKNOWN"
        return f"""\
ClusterName=ebgenes
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={FIRST_PORT}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={self.folder}/munge/socket
CredType=cred/munge
StateSaveLocation={self.folder}/state
SlurmdSpoolDir={self.folder}/spool/%n
SlurmctldPidFile={self.folder}/slurmctld.pid
SlurmdPidFile={self.folder}/%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SlurmdParameters=config_overrides
SlurmdTimeout=10
SlurmctldTimeout=10
MessageTimeout=10
KillWait=2
MinJobAge=600
JobRequeue=0
ReturnToService=2
SchedulerParameters=sched_interval=2,bf_interval=2,bf_continue,batch_sched_delay=0,sched_min_interval=0
NodeName=n1 Port={FIRST_PORT + 1} {node}
NodeName=n2 Port={FIRST_PORT + 2} {node}
PartitionName=batch Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=10 State=UP
"""

    def _launch(self, name: str, *arguments: str) -> None:
        program = name.partition(" ")[0]
        with open(self.folder / "log" / name.replace(" ", "-"), "wb") as log:
            # In a session of its own: an interrupt of the tests must not reach it before `stop` does.
            self.daemons[name] = subprocess.Popen(
                [program, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def run(self, *command: str) -> str:
        """A client's output; its calls block for ever on a cluster that is not well."""
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
        return done.stdout.strip()

    def stop(self) -> None:
        """End all jobs, then the daemons, users before what they use."""
        with suppress(subprocess.TimeoutExpired):
            self.run("scancel", "--state=RUNNING", "--user=root")
            self.run("scancel", "--state=PENDING", "--user=root")
            wait_for("jobs to end", lambda: not self.run("squeue", "-h", "-t", "running,completing"), 15, must=False)
        for daemon in reversed(self.daemons.values()):
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        if CONF.is_symlink() and CONF.readlink() == self.folder / "slurm.conf":
            CONF.unlink()


def wait_for(what: str, ready: Callable[[], bool], seconds: float, *, must: bool = True) -> None:
    """Ask again and again, for so many seconds."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            if must:
                raise TimeoutError(f"no {what} within {seconds} s")
            return
        time.sleep(0.2)
