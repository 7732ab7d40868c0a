"""P2: attempts that crash right before, half-way through, or right after a call that changes the disk.

Each kind of call (its name and the kind of file) crashes at its first and second occurrence, in the first attempt of a
run and in one after a crash; the resumed run must end with the same bytes as an uninterrupted one.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from soak.forked import OFTEN, baseline, config_of, differing, is_done, make_run, play
from soak.promise import Measurement
from trainer.run.runs import Run
from trainer.system import durable
from trainer.system.workspace import Workspace

CALLS = ("write", "fsync", "replace", "unlink", "truncate")
CRASHED = 77
"""The exit code of an attempt that reached its point."""
OCCURRENCES = 2


@dataclass(frozen=True)
class Point:
    """A moment of the n-th call of this name on this kind of file."""

    call: str
    kind: str
    when: str
    number: int

    def __str__(self) -> str:
        return f"{self.when} {self.call} {self.number} of {self.kind}"


def kind_of(target: int | str | os.PathLike, folder: Path) -> str | None:
    """The name of a file in a run folder without its numbers; None for other files."""
    path = os.readlink(f"/proc/self/fd/{target}") if isinstance(target, int) else os.fspath(target)
    if not path.startswith(str(folder)):
        return None
    name = re.sub(r"\.tmp\..*", ".tmp", path[len(str(folder)) :])
    return re.sub(r"\d+", "N", name) or "/"


def _hooked(call: str, folder: Path, met: Callable[[str, str, Callable[[], object] | None], None]) -> Callable:
    work = getattr(os, call)

    def hooked(*arguments, **keywords):
        first, *rest = arguments
        kind = kind_of(rest[0] if call == "replace" else first, folder)
        half = functools.partial(work, first, rest[0][: len(rest[0]) // 2]) if call == "write" else None
        if kind:
            met(kind, "before", half)
        result = work(*arguments, **keywords)
        if kind:
            met(kind, "after", half)
        return result

    return hooked


def _install(folder: Path, met_by: Callable[[str], Callable]) -> None:
    """Hook every call that changes the disk."""
    for call in CALLS:
        work, hooked = getattr(os, call), _hooked(call, folder, met_by(call))
        for owner in (os, durable):
            if getattr(owner, call, None) is work:
                setattr(owner, call, hooked)


def crash_at(folder: Path, point: Point) -> None:
    """Make this process crash at a point."""
    counts: Counter[str] = Counter()

    def met_by(call: str) -> Callable:
        def met(kind: str, when: str, half: Callable[[], object] | None) -> None:
            counts[kind] += when == "before" and (call, kind) == (point.call, point.kind)
            if (call, kind, counts[kind]) != (point.call, point.kind, point.number):
                return
            if point.when == "half" and half and when == "before":
                half()
                os._exit(CRASHED)
            if point.when == when:
                os._exit(CRASHED)

        return met

    _install(folder, met_by)


def record(folder: Path, log: Path) -> None:
    """Make this process log every call, one per line."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    write = os.write

    def met_by(call: str) -> Callable:
        def met(kind: str, when: str, half: Callable[[], object] | None) -> None:
            if when == "before":
                write(descriptor, f"{call} {kind}\n".encode())

        return met

    _install(folder, met_by)


def points(log: Path) -> Iterator[Point]:
    """Every point of a logged attempt."""
    counts = Counter(tuple(line.split()) for line in log.read_text().splitlines())
    for (call, kind), count in sorted(counts.items()):
        for when in ("before", "half", "after") if call == "write" else ("before", "after"):
            for number in range(1, min(count, OCCURRENCES) + 1):
                yield Point(call, kind, when, number)


def _crash(workspace: Workspace, run: Run, number: int, point: Point) -> list[str]:
    code = play(workspace, run, number, before=functools.partial(crash_at, run.folder, point))
    return [] if code == CRASHED else [f"{point} was not reached (exit code {code})"]


def _ends_the_same(workspace: Workspace, run: Run, number: int, expected: dict[str, object]) -> list[str]:
    code = play(workspace, run, number)
    if code or not is_done(run):
        return [f"did not complete (exit code {code})"]
    return [f"its {part} differ" for part in differing(run, expected)]


def wrong(workspace: Workspace, crashes: list[Point], expected: dict[str, object]) -> list[str]:
    """What a run that crashes at these points, one in each attempt, does wrong."""
    run, problems = make_run(workspace, "crashed", config_of(OFTEN)), []
    for number, point in enumerate(crashes, 1):
        problems += _crash(workspace, run, number, point)
    problems += _ends_the_same(workspace, run, len(crashes) + 1, expected)
    shutil.rmtree(run.folder)
    return [f"{' then '.join(map(str, crashes))}: {text}" for text in problems]


def _begun(workspace: Workspace, crashes: list[Point]) -> list[Point]:
    """The points of the attempt that follows these crashes."""
    run, log = make_run(workspace, "log", config_of(OFTEN)), workspace.root / "log"
    for number, point in enumerate(crashes, 1):
        _crash(workspace, run, number, point)
    play(workspace, run, len(crashes) + 1, before=functools.partial(record, run.folder, log))
    shutil.rmtree(run.folder)
    recorded = list(points(log))
    log.unlink()
    return recorded


def plans(workspace: Workspace) -> list[list[Point]]:
    """Every point of a first attempt, and other points of one after a crash that leaves much to clean up."""
    first = _begun(workspace, [])
    left = Point("write", "/checkpoints/epoch-N-batch-N.pt.json.tmp", "half", 9)
    known = {(point.call, point.kind) for point in first}
    second = [point for point in _begun(workspace, [left]) if (point.call, point.kind) not in known or point.number < 2]
    return [[point] for point in first] + [[left, point] for point in second]


def measure(count: int = 0) -> Measurement:
    """All points, or `count` of them, evenly spread."""
    base = baseline()
    every = plans(base.workspace)
    chosen = every[:: max(1, len(every) // count)][:count] if count else every
    measured = Measurement(
        len(chosen), figures=f"{len(every)} in all, {len({p[-1].kind for p in every})} kinds of files"
    )
    for plan in chosen:
        measured.wrong += wrong(base.workspace, plan, base.expected)
    return measured
