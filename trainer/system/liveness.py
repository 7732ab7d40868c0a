"""Whether the processes of a run, a job or a server are alive: the evidence, in order, and the conclusion.

A held lock, or exactly the recorded process, proves life. Only processes that would be visible here and are not prove
death. Processes that are not visible have beats, files that they update regularly; their age is measured on the clock
of their file system. Nothing is compared with the wall clock of this machine.
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
"""A younger beat proves life where locks do not reach; a live supervisor beats every two seconds."""
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
    """Evidence of processes: the lock that they hold, the boot and the machine that they run on, their identities, and
    the files that they update regularly."""

    lock: Path
    boot_id: str
    host: str = ""
    machine_id: str = ""
    identities: tuple[ProcessIdentity, ...] = ()
    beats: tuple[Path, ...] = ()


def life(witness: Witness) -> Life:
    """Whether the processes are alive. Touches a file only to compare a beat with the clock of its file system."""
    ours = processes.boot_id()
    comparable = bool(witness.boot_id and ours)
    same_machine = witness.host in ("", socket.gethostname()) and witness.machine_id in ("", processes.machine_id())
    return judge(
        lock=processes.lock_state(witness.lock),
        seen=check_identities(witness.identities),
        same_boot=comparable and witness.boot_id == ours,
        earlier_boot=comparable and witness.boot_id != ours and same_machine,
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
    """The conclusion from the evidence; the first match wins.

    `seen` is the state of the visible processes; `earlier_boot`: they ran on an earlier boot of this machine.
    `is_local` tells whether one kernel owns the file system, where a free lock proves death; `is_fresh` tells whether a
    beat is younger than this many seconds. Both are slow and called last.
    """
    if lock == "held" or seen == "alive":
        return "alive"
    here = lock == "free" and (same_boot or (same_machine and not earlier_boot))
    if (here and (seen == "dead" or is_local())) or (earlier_boot and is_local()):
        return "dead"
    if is_fresh(FRESH_SECONDS if here else FRESH_SECONDS_ELSEWHERE):
        return "alive"
    return "dead" if here or earlier_boot else "unknown"


def check_identities(identities: Sequence[ProcessIdentity]) -> Life:
    """alive when one of these processes is alive, dead when all are gone."""
    states = {processes.look(each) for each in identities}
    if "alive" in states:
        return "alive"
    return "dead" if states == {"dead"} else "unknown"


def is_local(folder: Path) -> bool:
    """Whether one kernel at a time writes to the file system of a folder; False if unknown."""
    path, best, kind = str(folder.resolve()), "", ""
    for each in psutil.disk_partitions(all=True):
        inside = path == each.mountpoint or path.startswith(each.mountpoint.rstrip("/") + "/")
        if inside and len(each.mountpoint) >= len(best):  # of two mounts at one place the later one is visible
            best, kind = each.mountpoint, each.fstype
    return kind in LOCAL_FILE_SYSTEMS


def age_seconds(beats: Sequence[Path]) -> float | None:
    """Seconds since the newest of these files was written, on the clock of the file system that holds them.

    None without such a file, or when the time of the file system is unknown, as on a read-only one. The time is read by
    touching a hidden file beside the folder of the beats, because only a write shows the time of a file server.
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
    """Whether a beat is younger; one in the future, left by a clock that was set back, does not count."""
    age = age_seconds(beats)
    return age is not None and -seconds < age < seconds
