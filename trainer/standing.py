"""Where a queued run stands: who comes before it, who trains meanwhile, and when its turn may come."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trainer import run_queue, runs
from trainer.runs import Run
from trainer.workspace import Workspace


@dataclass(frozen=True)
class Standing:
    """Where a run stands in the queue: its place among all who wait (1 is next), who waits before it for one of its
    devices, who trains there now, and how many may."""

    place: int
    devices: tuple[str, ...]
    before: tuple[Run, ...]
    training: tuple[Run, ...]
    slots: int


def standing(workspace: Workspace, run: Run) -> Standing | None:
    """Where a run that waits stands; None when it does not wait."""
    queue = run_queue.read(workspace)
    order = [waiting for waiting in queue.order if run_queue.waits(workspace, waiting)]
    number = next((number for number, waiting in enumerate(order) if waiting.run == run.id), None)
    if number is None:
        return None
    devices = order[number].devices
    before = (waiting.run for waiting in order[:number] if set(waiting.devices) & set(devices))
    training = (each.run for each in queue.holding if each.device in devices and run_queue.holds(workspace, each))
    slots = sum(queue.slots_of(device) for device in devices)
    return Standing(number + 1, devices, _runs(workspace, before), _runs(workspace, training), slots)


def _runs(workspace: Workspace, ids: Iterable[str]) -> tuple[Run, ...]:
    return tuple(Run(workspace.runs / run_id) for run_id in ids)


def start_seconds(found: Standing) -> float | None:
    """Estimated seconds until its turn, from the ETA of all who come before; None while one of those is not known."""
    left = {run: _left_seconds(run) for run in (*found.training, *found.before)}
    known = {run: seconds for run, seconds in left.items() if seconds is not None}
    if len(known) < len(left):
        return None
    return turn_seconds([known[run] for run in found.training], [known[run] for run in found.before], found.slots)


def turn_seconds(training: Sequence[float], waiting: Sequence[float], slots: int) -> float:
    """Seconds until a slot is free for who comes next, when each slot takes the next in line as soon as it is free.

    `training` and `waiting` are the seconds that each run in a slot, and each in line, will still take.
    """
    free = [*training, *([0.0] * max(0, slots - len(training)))]
    heapq.heapify(free)
    for _ in range(len(training) - slots):  # more train than have slots since their number was lowered
        heapq.heappop(free)
    for seconds in waiting:
        heapq.heapreplace(free, free[0] + seconds)
    return free[0]


def _left_seconds(run: Run) -> float | None:
    progress = runs.status(run).progress
    return progress.eta_seconds if progress else None
