"""P9: pids that are reused by other processes; none counts as alive, none is signalled.

Linux gives the next pid after /proc/sys/kernel/ns_last_pid, which root may write.
"""

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from soak.promise import Measurement
from tests.run_folders import make_run, workspace_at, write_processes
from trainer.run import runs
from trainer.system import processes
from trainer.system.processes import ProcessIdentity

LAST_PID = Path("/proc/sys/kernel/ns_last_pid")
TICK_SECONDS = 2 / os.sysconf("SC_CLK_TCK")
MOST_TRIES = 50


def can_be_forced() -> bool:
    try:
        LAST_PID.write_text(LAST_PID.read_text())
    except OSError:
        return False
    return True


def _sleeper() -> subprocess.Popen:
    return subprocess.Popen(["sleep", "600"])


def _end(process: subprocess.Popen) -> None:
    process.kill()
    process.wait()


def reused() -> tuple[ProcessIdentity, subprocess.Popen]:
    """The identity of an ended process, and another process with its pid.

    Start times are in ticks of 10 ms, so the other process starts at least one later.
    """
    for _ in range(MOST_TRIES):
        first = _sleeper()
        identity = processes.identity_of(first.pid)
        time.sleep(TICK_SECONDS)
        _end(first)
        LAST_PID.write_text(str(identity.pid - 1))
        stranger = _sleeper()
        if stranger.pid == identity.pid:
            return identity, stranger
        _end(stranger)  # another process of this machine was faster
    raise RuntimeError(f"No pid was reused in {MOST_TRIES} tries; the machine starts too many processes.")


def measure(count: int = 200) -> Measurement:
    """Reuse `count` pids."""
    if not can_be_forced():
        return Measurement(figures=f"skipped: {LAST_PID} is not writable; run as root")
    measured = Measurement(count)
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(workspace_at(Path(folder)))
        for _ in range(count):
            identity, stranger = reused()
            write_processes(run, identity, processes.boot_clock())
            if processes.is_alive(identity) or runs.status(run).state != "lost":
                measured.wrong.append(f"the stranger {stranger.pid} was called alive")
            if processes.send_signal(identity, signal.SIGKILL) or stranger.poll() is not None:
                measured.wrong.append(f"the stranger {stranger.pid} was signalled")
            _end(stranger)
    return measured
