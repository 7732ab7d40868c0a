"""Whether the processes of a run, a job or a server are alive: the evidence, in order, and the conclusion.

A lock that is held, or exactly the recorded process, proves life. Only what would be seen here and is not proves death.
A beat, a file that is written again and again, stands for a process that cannot be seen; its age is measured on the
clock of the file system that holds it. Nothing is compared with this machine's wall clock.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from trainer.system import processes
from trainer.system.processes import Life, LockState, ProcessIdentity

FRESH_SECONDS = 10.0
"""A beat that is younger proves life, where locks may not reach; a live supervisor beats every two seconds."""
FRESH_SECONDS_ELSEWHERE = 90.0
"""The same across a network, whose file systems may show changes a minute late."""
_LOCAL_FILE_SYSTEMS_TEXT = """
apfs bcachefs btrfs exfat ext2 ext3 ext4 f2fs fuseblk hfs jfs msdos ntfs3 overlay ramfs reiserfs tmpfs
ufs vfat xfs zfs
"""
LOCAL_FILE_SYSTEMS = frozenset(_LOCAL_FILE_SYSTEMS_TEXT.split())
"""Types that one running kernel at a time can write to."""


@dataclass(frozen=True)
class Witness:
    """Traces of the processes in question: the lock that they hold, on which boot of which machine they
    run, who they are, and the files that they write again and again."""

    lock: Path
    boot_id: str
    host: str = ""
    machine_id: str = ""
    identities: tuple[ProcessIdentity, ...] = ()
    beats: tuple[Path, ...] = ()


def life(witness: Witness) -> Life:
    """Whether the processes live. Writes nothing, unless a beat must be compared with the clock of its file system."""
    ours = processes.boot_id()
    known = bool(witness.boot_id and ours)
    same_machine = witness.host in ("", socket.gethostname()) and witness.machine_id in ("", processes.machine_id())
    return judge(
        lock=processes.lock_state(witness.lock),
        seen=seen(witness.identities),
        same_boot=known and witness.boot_id == ours,
        earlier_boot=known and witness.boot_id != ours and same_machine,
        same_machine=same_machine,
        is_local=lambda: is_local(witness.lock.parent),
        is_fresh=lambda seconds: _is_fresh(witness.beats, seconds),
    )


def judge(
    *,
    lock: LockState,
    seen: Life,
    same_boot: bool,
    earlier_boot: bool,
    same_machine: bool,
    is_local: Callable[[], bool],
    is_fresh: Callable[[float], bool],
) -> Life:
    """What follows from the evidence; the first match wins.

    `seen` is what a look at the processes told; `earlier_boot` that they ran on an earlier boot of this machine. The
    calls answer whether the folder's file system belongs to one kernel, where a lock that is free tells that nobody
    lives, and whether a beat is younger than so many seconds; they cost more than the rest, so they are asked last.
    """
    if lock == "held" or seen == "alive":
        return "alive"
    here = lock == "free" and (same_boot or (same_machine and not earlier_boot))
    if (here and (seen == "dead" or is_local())) or (earlier_boot and is_local()):
        return "dead"
    if is_fresh(FRESH_SECONDS if here else FRESH_SECONDS_ELSEWHERE):
        return "alive"
    return "dead" if here or earlier_boot else "unknown"


def seen(identities: Sequence[ProcessIdentity]) -> Life:
    """State of these processes: alive when one lives, dead when all are gone."""
    found = {processes.look(each) for each in identities}
    if "alive" in found:
        return "alive"
    return "dead" if found == {"dead"} else "unknown"


def is_local(folder: Path) -> bool:
    """Whether a folder lies on a file system that one kernel at a time writes to; False where that is not known."""
    path, best, kind = str(folder.resolve()), "", ""
    for each in psutil.disk_partitions(all=True):
        inside = path == each.mountpoint or path.startswith(each.mountpoint.rstrip("/") + "/")
        if inside and len(each.mountpoint) >= len(best):  # of two mounts at one place the later one is seen
            best, kind = each.mountpoint, each.fstype
    return kind in LOCAL_FILE_SYSTEMS


def age_seconds(beats: Sequence[Path]) -> float | None:
    """Seconds since the newest of these files was written, on the clock of the file system that holds them.

    None when none is there, or when the file system cannot be asked for its time: it is read-only here, say. Asking
    means to touch a hidden file beside the folder of the beats, as only a write tells the time of a file server.
    """
    times = []
    for path in beats:
        with suppress(OSError):
            times.append(path.stat().st_mtime)
    if not times:
        return None
    try:
        return _file_system_time(beats[0].parent.parent / ".clock") - max(times)
    except OSError:
        return None


def _file_system_time(path: Path) -> float:
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(path, flags, 0o600)
    try:
        os.utime(descriptor)
        return os.fstat(descriptor).st_mtime
    finally:
        os.close(descriptor)


def _is_fresh(beats: Sequence[Path], seconds: float) -> bool:
    """A time in the future, which a clock that was set back leaves, is no proof of life."""
    age = age_seconds(beats)
    return age is not None and -seconds < age < seconds
