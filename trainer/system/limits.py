"""Memory and CPU limits that a container or another control group sets on this process (Linux, cgroup v1 and v2).

Sources: docs.kernel.org, admin-guide/cgroup-v2, admin-guide/cgroup-v1/memory and scheduler/sched-bwc. Every group on
the way up to the root counts: the tightest decides. Sets of CPUs (cpuset) need not be read, because the
kernel applies them to the affinity of the process.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

NO_LIMIT = 1 << 60
"""cgroup v1 expresses "no limit" as the largest number of pages that the kernel can count."""
_PERIOD_US = 100_000
"""Default period of a CPU quota."""
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Limits:
    """The limits of this process by its control groups; None without a limit. Memory in bytes: all, and what the groups
    leave free; CPUs may be a fraction."""

    memory_total: int | None = None
    memory_free: int | None = None
    cpus: float | None = None


@dataclass(frozen=True)
class _Mount:
    """A hierarchy of groups: `controllers` is empty for version 2, `within` the group that is mounted at `point`."""

    controllers: tuple[str, ...]
    within: PurePosixPath
    point: Path


def read(root: Path = Path("/")) -> Limits:
    """The limits of this process now; /proc and /sys lie below `root`. Files that are missing or damaged set none."""
    memory, cpus = list(_memory(root)), list(_cpus(root))
    totals, left = [total for total, _ in memory], [free for _, free in memory]
    return Limits(min(totals, default=None), min(left, default=None), min(cpus, default=None))


def cores() -> int:
    """CPU cores that this process may use at once, at least one. A quota is rounded up, as Java and Go do: of 1.5 cores
    half a core would be idle otherwise."""
    cpus = read().cpus
    return _visible_cores() if cpus is None else max(1, min(_visible_cores(), math.ceil(cpus)))


def threads() -> int:
    """The number of threads to set in libraries; 0 where their default is right. Libraries read the affinity, not the
    quota, and many threads on a small quota mostly wait."""
    allowed = cores()
    return allowed if allowed < _visible_cores() else 0


def _visible_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory(root: Path) -> Iterator[tuple[int, int]]:
    """(limit, free) in bytes of each group that has a limit. Files that the kernel drops when it needs memory
    (inactive_file) are free."""
    for group in _groups(root, "memory"):
        stat = _fields(group / "memory.stat")
        v1 = [_number(group / "memory.limit_in_bytes"), stat.get("hierarchical_memory_limit")]
        v2 = [_number(group / "memory.max"), _number(group / "memory.high")]  # above `high` it is slowed to a crawl
        limits = [limit for limit in v1 + v2 if limit is not None and 0 <= limit < NO_LIMIT]
        if limits:
            total = _number(group / "memory.usage_in_bytes") or _number(group / "memory.current") or 0
            used = total - stat.get("total_inactive_file", stat.get("inactive_file", 0))
            yield min(limits), max(0, min(limits) - max(0, used))


def _cpus(root: Path) -> Iterator[float]:
    """CPUs by the quota of each group that has one."""
    for group in _groups(root, "cpu"):
        quota, *period = _text(group / "cpu.max").split() or (_text(group / "cpu.cfs_quota_us"),)
        period = period or [_text(group / "cpu.cfs_period_us")]
        length = _int(period[0])
        if (allowed := _int(quota)) is not None and allowed > 0:
            yield allowed / (length if length is not None and length > 0 else _PERIOD_US)


def _groups(root: Path, controller: str) -> list[Path]:
    """Folders of the groups of this process for a controller: its own, and its visible ancestors."""
    mounts = list(_mounts(root))
    fitting = [mount for mount in mounts if controller in mount.controllers] or [
        mount for mount in mounts if not mount.controllers
    ]
    if not fitting:
        return []
    path = _path(root, controller if fitting[0].controllers else "")
    mount = next((each for each in fitting if path.is_relative_to(each.within)), fitting[0])
    inner = path.relative_to(mount.within).parts if path.is_relative_to(mount.within) else ()
    visible = () if ".." in inner else inner  # a group outside our namespace: what is mounted is ours or above it
    return [mount.point.joinpath(*visible[:depth]) for depth in range(len(visible), -1, -1)]


def _mounts(root: Path) -> Iterator[_Mount]:
    for line in _text(root / "proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        where, kind = before.split(), after.split()
        if len(where) > 4 and len(kind) > 2 and kind[0] in ("cgroup", "cgroup2"):
            controllers = tuple(kind[2].split(",")) if kind[0] == "cgroup" else ()
            yield _Mount(controllers, PurePosixPath(_plain(where[3])), root / _plain(where[4]).lstrip("/"))


def _path(root: Path, controller: str) -> PurePosixPath:
    """The group of this process, as named from the root of its hierarchy; version 2 has no name of a controller."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controller in controllers.split(","):
            return PurePosixPath(path or "/")
    return PurePosixPath("/")


def _plain(text: str) -> str:
    """A path of mountinfo, where space, tab, line feed and backslash are octal numbers."""
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _int(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def _number(path: Path) -> int | None:
    return _int(_text(path))


def _fields(path: Path) -> dict[str, int]:
    """The numbers of a file with a name and a number on each line."""
    pairs: Sequence[list[str]] = [line.split() for line in _text(path).splitlines()]
    return {pair[0]: value for pair in pairs if len(pair) == 2 and (value := _int(pair[1])) is not None}
