"""The queue of runs: the order of waiting runs, the slots of each device, and the position of a run.

`runs/queue.json` holds the order and the number of slots, and is changed under a lock. A slot is a kernel lock on a
file in `runs/.slots/`, held by a supervisor and its trainer: it is free as soon as both have ended, and a stale file
blocks nothing. The file holds the id of the run. Each queued run has a supervisor that waits; there is no daemon.
"""

from __future__ import annotations

import heapq
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from trainer.run import runs
from trainer.run.runs import Run, Status
from trainer.run.state import ACTIVE
from trainer.system import devices as known_devices
from trainer.system import durable, liveness, processes, regular_file
from trainer.system.workspace import Workspace

MOST_SLOTS = 16
Place = Literal["first", "earlier", "later", "last"]


class Waiting(BaseModel, frozen=True):
    """A queued run and the devices that it may use: `cpu`, `gpu0`, ..."""

    run: str
    devices: tuple[str, ...]


@dataclass(frozen=True)
class Holding:
    """A locked slot of a device and the run that holds it; None when the run is unknown."""

    run: Run | None
    device: str


class Queue(BaseModel, frozen=True):
    """queue.json: the waiting runs in order, and the number of slots of each device that does not have one slot.

    An entry counts only while the state of that run is queued.
    """

    order: tuple[Waiting, ...] = ()
    slots: dict[str, int] = {}

    def slots_of(self, device: str) -> int:
        return self.slots.get(device, 1)


@dataclass(frozen=True)
class Slot:
    """A locked slot of a device; it is held while the descriptor is open in any process."""

    device: str
    descriptor: int


def read(workspace: Workspace) -> Queue:
    """The queue as last written; empty when the file is missing or damaged, whereupon waiting runs join again.

    Raises OSError when the file exists but cannot be read.
    """
    try:
        return Queue.model_validate_json(regular_file.read_bytes(workspace.runs / "queue.json"))
    except (FileNotFoundError, NotADirectoryError, ValidationError):
        return Queue()


@contextmanager
def _changing(workspace: Workspace) -> Iterator[Queue]:
    """The queue, locked against other writers."""
    with processes.exclusive_lock(workspace.runs / ".queue.lock"):
        yield read(workspace)


def _write(workspace: Workspace, queue: Queue) -> None:
    durable.replace_json(workspace.runs / "queue.json", queue.model_dump(mode="json"))


def waits(workspace: Workspace, waiting: Waiting) -> bool:
    """Whether the run is still queued."""
    run = runs.by_id(workspace, waiting.run)
    return run is not None and runs.status(run).state == "queued"


def holdings(workspace: Workspace) -> list[Holding]:
    """The locked slots of this machine.

    A file keeps the id of the last run that held the slot, so an ended run there does not hold it.
    """
    held = []
    for path in sorted((workspace.runs / ".slots").glob(f"{_machine(workspace)}.*")):
        if processes.is_locked(path):
            run = runs.by_id(workspace, _holder(path))
            active = run is not None and runs.status(run).state in ACTIVE
            held.append(Holding(run if active else None, path.name.split(".")[-2]))
    return held


def _holder(slot: Path) -> str:
    """The id of the last run that held the slot."""
    try:
        return regular_file.read_bytes(slot, 100).decode("ascii", "replace")
    except OSError:
        return ""


def _machine(workspace: Workspace) -> str:
    """The prefix of this machine's slot files: its boot id, because no lock outlives a boot and a host name may change.

    Without a boot id, a fixed name on a local file system, else the host name.
    """
    local = "here" if liveness.is_local(workspace.runs) else socket.gethostname()
    return processes.boot_id() or local


def waiting(workspace: Workspace) -> list[Run]:
    """The queued runs in order."""
    return [Run(workspace.runs / each.run) for each in read(workspace).order if waits(workspace, each)]


def join(workspace: Workspace, run: Run, devices: Sequence[str]) -> None:
    """Add a queued run at the end, unless it is in the queue. Raises OSError."""
    with _changing(workspace) as queue:
        waits_now = waits(workspace, Waiting(run=run.id, devices=tuple(devices)))
        has_slot = any(each.run == run for each in holdings(workspace))  # before its trainer has started
        if waits_now and not has_slot and all(waiting.run != run.id for waiting in queue.order):
            _write(workspace, _joined(workspace, queue, run, devices))


def _joined(workspace: Workspace, queue: Queue, run: Run, devices: Sequence[str]) -> Queue:
    """The queue with a run at its end, without runs that no longer wait."""
    order = tuple(waiting for waiting in queue.order if waits(workspace, waiting))
    return queue.model_copy(update={"order": (*order, Waiting(run=run.id, devices=tuple(devices)))})


def moved(order: tuple[Waiting, ...], run_id: str, place: Place) -> tuple[Waiting, ...]:
    """The order after moving one run."""
    current = next(number for number, waiting in enumerate(order) if waiting.run == run_id)
    others = [waiting for waiting in order if waiting.run != run_id]
    new = {"first": 0, "earlier": max(0, current - 1), "later": current + 1, "last": len(others)}[place]
    return (*others[:new], order[current], *others[new:])


def move(workspace: Workspace, run: Run, place: Place) -> None:
    """Move a queued run. Raises ValueError when it is not queued, OSError."""
    with _changing(workspace) as queue:
        order = tuple(waiting for waiting in queue.order if waits(workspace, waiting))
        if all(waiting.run != run.id for waiting in order):
            raise ValueError(f"Run {run.id} is {runs.status(run).state}. Only a queued run can be moved in the queue.")
        _write(workspace, queue.model_copy(update={"order": moved(order, run.id, place)}))


def set_slots(workspace: Workspace, device: str, count: int) -> None:
    """Set how many runs train on a device at once; running ones continue. Raises ValueError, OSError."""
    if not 1 <= count <= MOST_SLOTS:
        raise ValueError(f"{count} slots for {device} are not possible. Choose from 1 to {MOST_SLOTS}.")
    workspace.runs.mkdir(parents=True, exist_ok=True)
    with _changing(workspace) as queue:
        _write(workspace, queue.model_copy(update={"slots": {**queue.slots, device: count}}))


def take(workspace: Workspace, run: Run, devices: Sequence[str]) -> Slot | None:
    """Take a slot if it is this run's turn on one of the devices, else return None. Raises OSError.

    It is its turn when a device has a free slot and no earlier run waits for that device.
    """
    with _changing(workspace) as queue:
        if all(waiting.run != run.id for waiting in queue.order):
            queue = _joined(workspace, queue, run, devices)
            _write(workspace, queue)
        before = queue.order[: [waiting.run for waiting in queue.order].index(run.id)]
        for device in devices:
            if any(device in waiting.devices and waits(workspace, waiting) for waiting in before):
                continue
            if slot := _free_slot(workspace, device, queue.slots_of(device)):
                order = tuple(waiting for waiting in queue.order if waiting.run != run.id)
                with suppress(OSError):  # only the lock counts; a full disk must not block the run
                    os.ftruncate(slot.descriptor, 0)
                    os.pwrite(slot.descriptor, run.id.encode(), 0)
                with suppress(OSError):
                    _write(workspace, queue.model_copy(update={"order": order}))
                return slot
    return None


def _free_slot(workspace: Workspace, device: str, count: int) -> Slot | None:
    """Lock a slot of a device if fewer than `count` are locked; called under the lock of the queue."""
    folder, machine = workspace.runs / ".slots", _machine(workspace)
    folder.mkdir(exist_ok=True)
    _clear_slots(folder, machine)
    free: list[int | None] = []
    mine = None
    try:
        for number in range(MOST_SLOTS):  # after the count was lowered, higher slots may still be held
            path = folder / f"{machine}.{device}.{number}"
            if number < count or path.exists():
                free.append(processes.try_lock(path))
        if free.count(None) < count:
            mine = next(each for each in free if each is not None)
    finally:  # also after an error, else this process would block its own next call
        for descriptor in free:
            if descriptor is not None and descriptor != mine:
                os.close(descriptor)
    return None if mine is None else Slot(device, mine)


def _clear_slots(folder: Path, machine: str) -> None:
    """Remove the slot files of earlier boots on a local file system; on a shared one they may be of other machines."""
    if liveness.is_local(folder):
        for path in folder.iterdir():
            if not path.name.startswith(f"{machine}.") and not processes.is_locked(path):
                path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Position:
    """The position of a run in the queue: its place (1 is next), the earlier runs that wait for one of its
    devices, the runs that train there, the slots held there by unknown runs, and all slots there."""

    place: int
    devices: tuple[str, ...]
    before: tuple[Run, ...]
    training: tuple[Run, ...]
    unknown: int
    slots: int


def position(workspace: Workspace, run: Run) -> Position | None:
    """The position of a queued run; None for another run."""
    queue = read(workspace)
    order = [waiting for waiting in queue.order if waits(workspace, waiting)]
    number = next((number for number, waiting in enumerate(order) if waiting.run == run.id), None)
    if number is None:
        return None
    devices = order[number].devices
    before = tuple(
        Run(workspace.runs / waiting.run) for waiting in order[:number] if set(waiting.devices) & set(devices)
    )
    taken = [each.run for each in holdings(workspace) if each.device in devices]
    training = tuple(dict.fromkeys(run for run in taken if run))
    slots = sum(queue.slots_of(device) for device in devices)
    return Position(number + 1, devices, before, training, taken.count(None), slots)


def start_seconds(position: Position) -> float | None:
    """Estimated seconds until its turn, from the ETAs of all runs before it; None when one of those, or the holder of a
    slot, is unknown."""
    left = {run: _left_seconds(run) for run in (*position.training, *position.before)}
    known = {run: seconds for run, seconds in left.items() if seconds is not None}
    if position.unknown or not position.training or len(known) < len(left):
        return None
    return turn_seconds(
        [known[run] for run in position.training], [known[run] for run in position.before], position.slots
    )


def wait_sentence(position: Position) -> str:
    """Why a run waits, as a sentence."""
    where = " or ".join(known_devices.title(device) for device in position.devices)
    many = "1 run trains at a time" if position.slots == 1 else f"{position.slots} runs train at a time"
    names = ", ".join(runs.status(run).label for run in position.training)
    return f"Waits for {where}, where {many}{f' (now: {names})' if names else ''}."


def end_seconds(position: Position, status: Status) -> float | None:
    """Estimated seconds until a queued run is done, including the wait; None when unknown."""
    starts, left = start_seconds(position), status.progress.eta_seconds if status.progress else None
    return None if starts is None or left is None else starts + left


def turn_seconds(training: Sequence[float], waiting: Sequence[float], slots: int) -> float:
    """Seconds until a slot is free for the next run, if each free slot takes the first waiting run at once.

    `training` and `waiting` are the remaining seconds of the runs in slots and of the waiting runs.
    """
    free = [*training, *([0.0] * max(0, slots - len(training)))]
    heapq.heapify(free)
    for _ in range(len(training) - slots):  # after the number of slots was lowered
        heapq.heappop(free)
    for seconds in waiting:
        heapq.heapreplace(free, free[0] + seconds)
    return free[0]


def _left_seconds(run: Run) -> float | None:
    """Estimated remaining seconds of a run; 0 when it is about to release its device."""
    status = runs.status(run)
    if status.state == "pausing" or (status.state == "stopping" and runs.wanted(run, status.attempt) == "stop"):
        return 0.0
    return status.progress.eta_seconds if status.progress else None


def position_document(position: Position, status: Status) -> dict[str, Any]:
    """The position as JSON; `eta_seconds` includes the wait."""
    return {
        "place": position.place,
        "devices": list(position.devices),
        "before": [run.id for run in position.before],
        "training": [run.id for run in position.training],
        "start_seconds": start_seconds(position),
        "eta_seconds": end_seconds(position, status),
    }


def queue_document(workspace: Workspace) -> dict[str, Any]:
    """The whole queue as JSON."""
    queue = read(workspace)
    taken = holdings(workspace)
    training = [{"run": each.run.id, "device": each.device} for each in taken if each.run]
    queued = [each.model_dump(mode="json") for each in queue.order if waits(workspace, each)]
    known = dict.fromkeys([*known_devices.choices("auto"), "cpu", *queue.slots], 1)
    return {"training": training, "queued": queued, "slots": {name: queue.slots_of(name) for name in known}}
