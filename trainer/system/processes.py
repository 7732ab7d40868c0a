"""Process identity, detached processes, signals and locks on all supported operating systems."""

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
"""The state of a kernel lock; unknown if it cannot be checked or the file system has no locks."""
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
    """The namespaces in which pid and start were read; others of the same kernel number processes differently. "" in
    files of earlier versions, and on systems without namespaces."""


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
    """The namespaces that determine how this process sees others and the boot clock; "" without namespaces.

    Not cached: a child may be in other namespaces than its parent.
    """
    links = []
    for name in ("pid", "time"):
        with suppress(OSError):
            links.append(str(Path(f"/proc/self/ns/{name}").readlink()))
    return " ".join(links)


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
    started = _start_and_state(pid)
    if started is None:
        raise ProcessLookupError(f"no live process {pid}")
    return ProcessIdentity(
        host=socket.gethostname(), boot_id=boot_id(), pid=pid, start_ticks=started[0], namespaces=namespaces()
    )


def age_seconds() -> float:
    """Seconds since this process was started, its interpreter and imports included."""
    if sys.platform == "linux":
        return boot_clock() - identity_of(os.getpid()).start_ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - psutil.Process().create_time()


def peak_memory_bytes() -> int:
    """Peak memory of this process.

    On Linux it is read from /proc: getrusage returns the peak of the parent if that is larger.
    """
    if sys.platform == "linux":
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def look(identity: ProcessIdentity) -> Life:
    """Whether exactly this process lives: no zombie, no other process with its pid, no earlier boot.

    Unknown when it is not visible from here: of another boot, or in another namespace.
    """
    visible = identity.namespaces in ("", namespaces()) and (sys.platform != "linux" or _proc_is_ours())
    if identity.boot_id != boot_id() or not visible:
        return "unknown"
    started = _start_and_state(identity.pid)
    return "alive" if started is not None and started[0] == identity.start_ticks else "dead"


def is_alive(identity: ProcessIdentity) -> bool:
    """Whether exactly this process is seen alive here."""
    return look(identity) == "alive"


def is_suspended(identity: ProcessIdentity) -> bool:
    """Whether the process was stopped by a signal (SIGSTOP, Ctrl-Z) or a debugger."""
    started = _start_and_state(identity.pid) if is_alive(identity) else None
    return started is not None and started[1] in "Tt"


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


def lock_environment(lock: int) -> dict[str, str]:
    """The environment by which `start_detached` passes a lock on: it is held without a gap while the started process
    lives."""
    return {LOCK_VARIABLE: str(lock)}


def inherited_lock() -> int | None:
    """The lock that the parent took for this process, None without one; call once."""
    lock = os.environ.pop(LOCK_VARIABLE, None)
    if lock is None:
        return None
    os.set_inheritable(int(lock), False)
    return int(lock)


def start_detached(arguments: Sequence[str], log: Path, environment: dict[str, str]) -> None:
    """Start `python ARGUMENTS` in a session of its own; it outlives this process. Output is appended to `log`.

    A pipe would block the process once nobody reads it, one of our session would get our Ctrl-C, and a child of ours
    would stay a zombie. So `trainer.system.detach` forks it and exits, and only `trainer.system.detach` is waited for.
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
    """The environment of a process that imports torch; settings of the user take precedence.

    Compiled kernels of torch, Triton and CUDA are cached in the workspace. By default they are below the home directory
    and in a folder of /tmp with a predictable name, from which torch unpickles files.

    glibc keeps memory for the next batch instead of returning it after each, which halves the time of the augmentation.
    Waiting threads of OpenMP (GNU) spin only briefly before they sleep: by default, of two trainings on two cores one
    made 0.5 steps a second and the other 10.5; with this 5.4 and 5.3. For a single training this costs a tenth of the
    speed, always sleeping (OMP_WAIT_POLICY=passive) a quarter.
    """
    memory = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 31)}
    kernels = {variable: str(workspace.kernels / name) for variable, name in _KERNEL_CACHES.items()}
    threads = dict.fromkeys(_THREADS, str(limits.threads())) if limits.threads() else {}
    return {"GOMP_SPINCOUNT": "3000", **memory, **kernels, **threads, **os.environ}


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

    Yields the descriptor, by which the lock can be shared with a child process.

    Raises TimeoutError when the lock is not released within `seconds` (LOCK_SECONDS); it may be suspended.
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
    """As `try_lock`, waiting up to `seconds`: even a check holds a lock for a moment."""
    deadline = time.monotonic() + seconds
    while (descriptor := try_lock(path)) is None and time.monotonic() < deadline:
        time.sleep(LOCK_LOOK_SECONDS)
    return descriptor


def try_lock(path: Path) -> int | None:
    """Lock `path` until every copy of the returned descriptor is closed; None when another process holds the lock."""
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
    """Whether the lock on `path` is known to be held."""
    return lock_state(path) == "held"
