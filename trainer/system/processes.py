"""Differences between operating systems: process identity, detached processes, signals, locks."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import functools
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import psutil
from pydantic import BaseModel

from trainer.system import limits, private
from trainer.system.workspace import PROJECT_ROOT, Workspace

PR_SET_PDEATHSIG = 1
_THREADS = ("OMP_NUM_THREADS", "TORCHINDUCTOR_COMPILE_THREADS")
_KERNEL_CACHES = {
    "TORCHINDUCTOR_CACHE_DIR": "inductor",
    "TRITON_CACHE_DIR": "triton",
    "PYTORCH_KERNEL_CACHE_PATH": "torch",
    "CUDA_CACHE_PATH": "cuda",
}
LOCK_SECONDS = 30.0
"""How long to wait for a lock that protects a few writes."""
LOCK_LOOK_SECONDS = 0.01
LOCK_VARIABLE = "WAKEWORD_LOCK"
"""Passes the descriptor of a lock to a child process."""

LockState = Literal["held", "free", "unknown"]
"""What the kernel says of a lock; unknown where it may not be asked, or the file system has no locks."""
Life = Literal["alive", "dead", "unknown"]


class ProcessIdentity(BaseModel, frozen=True):
    """Unique identity of a process: a pid is reused, the pair of pid and start since boot is not.

    `host` is for display and may change. `boot_id` is "" where the system has none.
    """

    host: str
    boot_id: str
    pid: int
    start_ticks: int
    namespaces: str = ""
    """In which pid and start were read: other namespaces of the same kernel number processes otherwise. "" in files of
    earlier versions, and on systems without namespaces."""


@functools.cache
def boot_id() -> str:
    """Changes at every boot of this machine; "" where the system has none. Independent of the wall clock."""
    try:
        if sys.platform == "darwin":
            command = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
            return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def machine_id() -> str:
    """The same after every boot; "" where the system has none. Machines made from one image may share it."""
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        with suppress(OSError, UnicodeDecodeError):
            return Path(path).read_text().strip()
    return ""


def namespaces() -> str:
    """The namespaces that decide how this process sees others and the clock since boot; "" where there are none.

    Not cached: a child may be in others than its parent.
    """
    found = []
    for name in ("pid", "time"):
        with suppress(OSError):
            found.append(str(Path(f"/proc/self/ns/{name}").readlink()))
    return " ".join(found)


def boot_clock() -> float:
    """Seconds since boot, sleep included: comparable between processes and immune to changes of the wall clock."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


def _proc_is_ours() -> bool:
    """Whether /proc numbers processes as we do; in a new pid namespace that of the old one may still be mounted."""
    try:
        return str(Path("/proc/self").readlink()) == str(os.getpid())
    except OSError:
        return False


def _stat_fields(pid: int) -> list[str] | None:
    """Fields of /proc/<pid>/stat from the state on; the name before them may hold spaces and brackets."""
    if pid != os.getpid() and not _proc_is_ours():
        return None
    try:
        name = "self" if pid == os.getpid() else str(pid)
        return Path(f"/proc/{name}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None


def _start_and_state(pid: int) -> tuple[int, str] | None:
    """(start ticks, state letter) of a live process; None when it is gone or a zombie."""
    if sys.platform == "linux":
        fields = _stat_fields(pid)
        return None if not fields or fields[0] in "ZX" else (int(fields[19]), fields[0])
    try:
        process = psutil.Process(pid)
        state = process.status()
        if state in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return None
        started = process._ident[1]  # of the monotonic clock: create_time() moves with the wall clock
        return int(started * 100), "T" if state == psutil.STATUS_STOPPED else "S"
    except psutil.Error:
        return None


def identity_of(pid: int) -> ProcessIdentity:
    """Identity of a live process of this machine. Raises ProcessLookupError when there is none."""
    found = _start_and_state(pid)
    if found is None:
        raise ProcessLookupError(f"no live process {pid}")
    return ProcessIdentity(
        host=socket.gethostname(), boot_id=boot_id(), pid=pid, start_ticks=found[0], namespaces=namespaces()
    )


def age_seconds() -> float:
    """Seconds since this process was started, its interpreter and imports included."""
    if sys.platform == "linux":
        return boot_clock() - identity_of(os.getpid()).start_ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - psutil.Process().create_time()


def peak_memory_bytes() -> int:
    """Peak memory of this process.

    Linux is asked for the peak of this program: getrusage would answer with that of the parent, were it larger.
    """
    if sys.platform == "linux":
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def look(identity: ProcessIdentity) -> Life:
    """Whether exactly this process lives: no zombie, no other process with its pid, no earlier boot.

    Unknown when it cannot be seen from here: it is of another boot, or in another namespace.
    """
    told = identity.namespaces in ("", namespaces()) and (sys.platform != "linux" or _proc_is_ours())
    if identity.boot_id != boot_id() or not told:
        return "unknown"
    found = _start_and_state(identity.pid)
    return "alive" if found is not None and found[0] == identity.start_ticks else "dead"


def is_alive(identity: ProcessIdentity) -> bool:
    """Whether exactly this process is seen alive here."""
    return look(identity) == "alive"


def is_suspended(identity: ProcessIdentity) -> bool:
    """Whether the process was stopped by a signal (SIGSTOP, Ctrl-Z) or a debugger."""
    found = _start_and_state(identity.pid) if is_alive(identity) else None
    return found is not None and found[1] in "Tt"


def activity(pid: int) -> tuple[float, bool]:
    """Processor seconds that a process has used, and whether it runs or waits for a processor; (0, False) when it is
    not seen."""
    if sys.platform == "linux":
        fields = _stat_fields(pid)
        if not fields:
            return 0.0, False
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), fields[0] == "R"
    try:
        process = psutil.Process(pid)
        used = process.cpu_times()
        return used.user + used.system, process.status() == psutil.STATUS_RUNNING
    except psutil.Error:
        return 0.0, False


def has_busy_child(pid: int) -> bool:
    """Whether a process that this one has started, directly or not, runs or waits for a processor. Looks at all
    processes of the machine, which takes milliseconds."""
    try:
        started = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return False
    return any(activity(child.pid)[1] for child in started)


def send_signal(identity: ProcessIdentity, number: signal.Signals) -> bool:
    """Signal exactly this process; False when it is gone. Another process with its pid is never signalled."""
    if not hasattr(os, "pidfd_open"):
        alive = is_alive(identity)
        if alive:
            os.kill(identity.pid, number)
        return alive
    try:
        descriptor = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return False
    try:
        if not is_alive(identity):  # checked while the pidfd pins the pid, so it cannot be given away in between
            return False
        signal.pidfd_send_signal(descriptor, number)
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)


def handing_over(lock: int) -> dict[str, str]:
    """The environment by which `start_detached` shares a lock with the process that it starts, from its first moment:
    what is locked stays locked for as long as that lives."""
    return {LOCK_VARIABLE: str(lock)}


def handed_over() -> int | None:
    """The lock that was taken for this process by its starter; call once."""
    lock = os.environ.pop(LOCK_VARIABLE, None)
    if lock is None:
        return None
    os.set_inheritable(int(lock), False)
    return int(lock)


def start_detached(arguments: Sequence[str], log: Path, environment: dict[str, str]) -> None:
    """Start `python ARGUMENTS` in a session of its own; it outlives this process. Output is appended to `log`.

    A pipe would block the child once nobody reads it, a child of our session would get our Ctrl-C, and a child of
    our own would stay a zombie; so `trainer.system.detach` starts it and leaves, and we wait for
    `trainer.system.detach` alone.
    """
    locks = [int(lock) for name, lock in environment.items() if name == LOCK_VARIABLE]
    with open(log, "ab", opener=private.opener) as output:
        subprocess.run(
            [sys.executable, "-m", "trainer.system.detach", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd=PROJECT_ROOT,
            env={**os.environ, **environment},
            check=True,
            pass_fds=locks,
        )


def environment_of_engine(workspace: Workspace) -> dict[str, str]:
    """Our environment for a process that imports torch; the user's own settings win.

    What torch, Triton and CUDA compile lies in the cache of the workspace. By default it lies below the home directory
    and in a folder of /tmp whose name others know, and torch unpickles what it finds there.

    Memory (glibc) is kept for the next batch instead of being given back after each, which halves the time of the
    augmentation. Threads that wait for each other spin for some microseconds and then sleep: by default
    OpenMP (GNU) spins for long; of two trainings on two cores one made 0.5 steps a second and the other 10.5, with this
    5.4 and 5.3. Alone it costs a tenth of the speed, always sleeping (OMP_WAIT_POLICY=passive) a
    quarter.
    """
    kept = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 31)}
    kernels = {variable: str(workspace.kernels / name) for variable, name in _KERNEL_CACHES.items()}
    threads = dict.fromkeys(_THREADS, str(limits.threads())) if limits.threads() else {}
    return {"GOMP_SPINCOUNT": "3000", **kept, **kernels, **threads, **os.environ}


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its parent dies (Linux). Exits at once if it died already.

    Must be called in the main thread of a process that was started from a main thread: the kernel ties the
    request to the parent's thread, not to the parent.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


@contextmanager
def exclusive_lock(path: Path, seconds: float | None = None) -> Iterator[int]:
    """Hold the kernel's lock on `path`; it excludes threads and processes and is free the moment its holder dies.

    Gives the descriptor, with which the lock can be shared with a process that is started.

    Raises TimeoutError when a holder does not let go within `seconds` (LOCK_SECONDS); it may be suspended.
    """
    patience = LOCK_SECONDS if seconds is None else seconds
    descriptor = wait_for_lock(path, patience)
    if descriptor is None:
        raise TimeoutError(errno.ETIMEDOUT, f"Another process has held it for {patience:.0f} s", str(path))
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def wait_for_lock(path: Path, seconds: float) -> int | None:
    """As `try_lock`, but for so long: a reader that looks at a lock holds it for a moment too."""
    deadline = time.monotonic() + seconds
    while (descriptor := try_lock(path)) is None and time.monotonic() < deadline:
        time.sleep(LOCK_LOOK_SECONDS)
    return descriptor


def try_lock(path: Path) -> int | None:
    """Lock `path` until the descriptor that comes back is closed by all who have it; None when another holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    private.close(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def lock_state(path: Path) -> LockState:
    """Whether the lock on `path` is held; checking holds a lock only for a moment.

    Holders in every namespace count. The lock on a missing file is free.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return "free"
    except OSError:
        return "unknown"
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return "held"
    except OSError:
        return "unknown"
    finally:
        os.close(descriptor)
    return "free"


def is_locked(path: Path) -> bool:
    """Whether somebody is known to hold the lock on `path`."""
    return lock_state(path) == "held"
