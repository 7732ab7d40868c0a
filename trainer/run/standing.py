"""Where a queued run stands: who comes before it, who trains meanwhile, and when its turn may come."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from trainer.run import run_queue, runs
from trainer.run.runs import Run, Status
from trainer.system import devices
from trainer.system.workspace import Workspace


@dataclass(frozen=True)
class Standing:
    """Where a run stands in the queue: its place among all who wait (1 is next), who waits before it for one of its
    devices, who trains there now, how many slots are taken there by runs that are not known, and how many there are."""

    place: int
    devices: tuple[str, ...]
    before: tuple[Run, ...]
    training: tuple[Run, ...]
    unknown: int
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
    taken = [each.run for each in run_queue.holdings(workspace) if each.device in devices]
    training = tuple(dict.fromkeys(run for run in taken if run))
    slots = sum(queue.slots_of(device) for device in devices)
    return Standing(number + 1, devices, _runs(workspace, before), training, taken.count(None), slots)


def _runs(workspace: Workspace, ids: Iterable[str]) -> tuple[Run, ...]:
    return tuple(Run(workspace.runs / run_id) for run_id in ids)


def start_seconds(found: Standing) -> float | None:
    """Estimated seconds until its turn, from the ETA of all who come before; None while one of those is not known, or
    who has a slot is not."""
    left = {run: _left_seconds(run) for run in (*found.training, *found.before)}
    known = {run: seconds for run, seconds in left.items() if seconds is not None}
    if found.unknown or not found.training or len(known) < len(left):
        return None
    return turn_seconds([known[run] for run in found.training], [known[run] for run in found.before], found.slots)


def wait_sentence(found: Standing) -> str:
    """Why a run waits, in one sentence."""
    where = " or ".join(devices.title(device) for device in found.devices)
    many = "1 run trains at a time" if found.slots == 1 else f"{found.slots} runs train at a time"
    names = ", ".join(runs.status(run).label for run in found.training)
    return f"Waits for {where}, where {many}{f' (now: {names})' if names else ''}."


def end_seconds(found: Standing, status: Status) -> float | None:
    """Estimated seconds until the run that waits is done, the waiting included; known when it has trained before."""
    starts, left = start_seconds(found), status.progress.eta_seconds if status.progress else None
    return None if starts is None or left is None else starts + left


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
    """Estimated seconds that a run will still train; one that is about to leave its device takes none."""
    status = runs.status(run)
    if status.state == "pausing" or (status.state == "stopping" and runs.wish(run, status.attempt) == "stop"):
        return 0.0
    return status.progress.eta_seconds if status.progress else None


def document(found: Standing, status: Status) -> dict[str, Any]:
    """The standing as scripts read it; the time left counts the waiting, where both are known."""
    return {
        "place": found.place, "devices": list(found.devices), "before": [run.id for run in found.before],
        "training": [run.id for run in found.training], "start_seconds": start_seconds(found),
        "eta_seconds": end_seconds(found, status),
    }  # fmt: skip


def queue_document(workspace: Workspace) -> dict[str, Any]:
    """The whole queue as scripts read it."""
    queue = run_queue.read(workspace)
    taken = run_queue.holdings(workspace)
    training = [{"run": each.run.id, "device": each.device} for each in taken if each.run]
    queued = [each.model_dump(mode="json") for each in queue.order if run_queue.waits(workspace, each)]
    known = dict.fromkeys([*devices.choices("auto"), "cpu", *queue.slots], 1)
    return {"training": training, "queued": queued, "slots": {name: queue.slots_of(name) for name in known}}
