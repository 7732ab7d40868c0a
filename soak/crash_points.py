"""P2: attempts that end abruptly right before, half-way through, or right after a step that changes the disk.

Each kind of step (a call, and the kind of file that it meets) is met at its first and its second occurrence, in an
attempt that begins a run and in one that goes on after a crash; then the run must go on to the same bytes as in one go.
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

from soak.forked import OFTEN, config_of, differing, ground, is_done, make_run, play
from soak.promise import Found
from trainer.run.runs import Run
from trainer.system import durable
from trainer.system.workspace import Workspace

CALLS = ("write", "fsync", "replace", "unlink", "truncate")
CRASHED = 77
"""The exit code of an attempt that met its point."""
OCCURRENCES = 2


@dataclass(frozen=True)
class Point:
    """A moment of the n-th call of this name that meets this kind of file."""

    call: str
    kind: str
    when: str
    number: int

    def __str__(self) -> str:
        return f"{self.when} {self.call} {self.number} of {self.kind}"


def kind_of(target: int | str | os.PathLike, folder: Path) -> str | None:
    """The kind of file within a run folder: its name without what makes it one of many; None for other files."""
    path = os.readlink(f"/proc/self/fd/{target}") if isinstance(target, int) else os.fspath(target)
    if not path.startswith(str(folder)):
        return None
    name = re.sub(r"\.tmp\..*", ".tmp", path[len(str(folder)) :])
    return re.sub(r"\d+", "N", name) or "/"


def _hooked(call: str, folder: Path, met: Callable[[str, str, Callable[[], object]], None]) -> Callable:
    work = getattr(os, call)

    def hooked(*given, **named):
        kind = kind_of(given[1] if call == "replace" else given[0], folder)
        half = functools.partial(work, given[0], given[1][: len(given[1]) // 2]) if call == "write" else None
        if kind:
            met(kind, "before", half)
        done = work(*given, **named)
        if kind:
            met(kind, "after", half)
        return done

    return hooked


def _install(folder: Path, met_by: Callable[[str], Callable]) -> None:
    """Let every call that changes the disk tell what it meets, wherever it is looked up."""
    for call in CALLS:
        work, hooked = getattr(os, call), _hooked(call, folder, met_by(call))
        for owner in (os, durable):
            if getattr(owner, call, None) is work:
                setattr(owner, call, hooked)


def crash_at(folder: Path, point: Point) -> None:
    """Let this process end at a point."""
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


def record(folder: Path, told: Path) -> None:
    """Let this process tell every step in a file, a line each."""
    descriptor = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    write = os.write

    def met_by(call: str) -> Callable:
        def met(kind: str, when: str, half: Callable[[], object] | None) -> None:
            if when == "before":
                write(descriptor, f"{call} {kind}\n".encode())

        return met

    _install(folder, met_by)


def points(told: Path) -> Iterator[Point]:
    """Every point of an attempt that told its steps."""
    counts = Counter(tuple(line.split()) for line in told.read_text().splitlines())
    for (call, kind), count in sorted(counts.items()):
        for when in ("before", "half", "after") if call == "write" else ("before", "after"):
            for number in range(1, min(count, OCCURRENCES) + 1):
                yield Point(call, kind, when, number)


def _crash(workspace: Workspace, run: Run, number: int, point: Point) -> list[str]:
    code = play(workspace, run, number, before=functools.partial(crash_at, run.folder, point))
    return [] if code == CRASHED else [f"{point} was not met (exit code {code})"]


def _ends_the_same(workspace: Workspace, run: Run, number: int, expected: dict[str, object]) -> list[str]:
    code = play(workspace, run, number)
    if code or not is_done(run):
        return [f"did not go on to its end (exit code {code})"]
    return [f"its {part} differ" for part in differing(run, expected)]


def wrong(workspace: Workspace, crashes: list[Point], expected: dict[str, object]) -> list[str]:
    """What a run that meets these points, one in each attempt, does that it must not."""
    run, found = make_run(workspace, "crashed", config_of(OFTEN)), []
    for number, point in enumerate(crashes, 1):
        found += _crash(workspace, run, number, point)
    found += _ends_the_same(workspace, run, len(crashes) + 1, expected)
    shutil.rmtree(run.folder)
    return [f"{' then '.join(map(str, crashes))}: {text}" for text in found]


def _begun(workspace: Workspace, crashes: list[Point]) -> list[Point]:
    """The points of the attempt that follows these crashes."""
    run, told = make_run(workspace, "told", config_of(OFTEN)), workspace.root / "told"
    for number, point in enumerate(crashes, 1):
        _crash(workspace, run, number, point)
    play(workspace, run, len(crashes) + 1, before=functools.partial(record, run.folder, told))
    shutil.rmtree(run.folder)
    found = list(points(told))
    told.unlink()
    return found


def plans(workspace: Workspace) -> list[list[Point]]:
    """Every point of the first attempt, and every point of a second one that finds much to clear away."""
    first = _begun(workspace, [])
    left = Point("write", "/checkpoints/epoch-N-batch-N.pt.json.tmp", "half", 9)
    known = {(point.call, point.kind) for point in first}
    second = [point for point in _begun(workspace, [left]) if (point.call, point.kind) not in known or point.number < 2]
    return [[point] for point in first] + [[left, point] for point in second]


def measure(count: int = 0) -> Found:
    """All points, or so many of them, spread over all."""
    laid = ground()
    every = plans(laid.workspace)
    chosen = every[:: max(1, len(every) // count)][:count] if count else every
    found = Found(len(chosen), figures=f"{len(every)} in all, {len({p[-1].kind for p in every})} kinds of files")
    for plan in chosen:
        found.wrong += wrong(laid.workspace, plan, laid.expected)
    return found
