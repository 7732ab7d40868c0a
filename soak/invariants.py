"""Invariants of runs, and what may happen to them: kills and reboots."""

import os
import signal
import time
from collections.abc import Callable, Iterable
from typing import Any, get_args

from soak.census import supervisors, trainers
from tests.waiting import epoch_rows
from trainer.run import runs
from trainer.run.runs import Run
from trainer.run.state import ACTIVE, State
from trainer.system import durable, processes

STATES = set(get_args(State))
SETTLE_SECONDS = 3.0
"""How long files may lag behind the processes on a busy machine."""


def committed(run: Run) -> int:
    """The newest epoch with a checkpoint and its mark."""
    marks = run.checkpoints.glob("epoch-*.pt.json")
    complete = [mark.name for mark in marks if mark.with_suffix("").exists() and "-batch-" not in mark.name]
    return int(max(complete)[6:11]) if complete else 0


def eventually(problem: Callable[[], str], seconds: float = SETTLE_SECONDS) -> None:
    """Wait until there is no problem."""
    deadline = time.monotonic() + seconds
    while (sentence := problem()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not sentence, sentence


def safe_epochs(run: Run, before: int) -> int:
    """Committed epochs; asserts that none of those before is lost and each has one row."""
    safe = committed(run)
    assert safe >= before, f"{run.id}: {before - safe} committed epochs were lost"
    rows = [row["epoch"] for row in epoch_rows(run)]
    assert rows == list(range(1, len(rows) + 1)) and len(rows) >= safe, f"{run.id}: rows of {rows}, {safe} safe"
    return safe


def contradiction(run: Run) -> str:
    """How the state contradicts the processes; empty when it does not."""
    before = (trainers(run), supervisors(run))
    status = runs.status(run)
    if before != (trainers(run), supervisors(run)):
        return "the processes keep changing"
    assert status.state in STATES
    if status.state in ACTIVE and not any(before) and not processes.is_locked(run.supervisor_lock):
        return f"{run.id} is {status.state} without processes"
    if status.state not in ACTIVE and before[0]:
        return f"{run.id} is {status.state}, but {before[0]} trains"
    return ""


def kill(pids: Iterable[int]) -> str:
    """Kill processes; returns how many there were as text."""
    victims = list(pids)
    for pid in victims:
        send(pid, signal.SIGKILL)
    return f"{len(victims)} processes live" if victims else ""


def send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def end_of_boot(run: Run) -> None:
    """Make the files of a run those of an earlier boot."""
    for path in run.folder.glob("*.json"):
        document = durable.read_json(path)
        if isinstance(document, dict):
            durable.replace_json(path, _moved(document))


def _moved(document: dict[str, Any]) -> dict[str, Any]:
    moved: dict[str, Any] = {
        name: _moved(value) if isinstance(value, dict) else value for name, value in document.items()
    }
    moved |= {"boot_id": "another boot"} if "boot_id" in moved else {}
    return moved | {name: moved[name] + 1e6 for name in ("clock", "beat") if isinstance(moved.get(name), float)}
