"""What must hold of runs whatever happens to them, and what may happen: kills, and a boot that is over."""

import os
import signal
import time
from collections.abc import Callable, Iterable

from soak.census import supervisors, trainers
from tests.waiting import epoch_rows
from trainer.run import runs
from trainer.run.runs import Run
from trainer.run.state import ACTIVE, State
from trainer.system import durable, processes

STATES = set(State.__args__)
SETTLE_SECONDS = 3.0
"""How long what is told may lag behind the processes on a busy machine."""


def committed(run: Run) -> int:
    """Epochs that are safe: the newest that has a checkpoint and its mark."""
    marks = run.checkpoints.glob("epoch-*.pt.json")
    whole = [mark.name for mark in marks if mark.with_suffix("").exists() and "-batch-" not in mark.name]
    return int(max(whole)[6:11]) if whole else 0


def eventually(holds: Callable[[], str], seconds: float = SETTLE_SECONDS) -> None:
    """Wait until there is nothing to complain of."""
    deadline = time.monotonic() + seconds
    while (complaint := holds()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not complaint, complaint


def safe_epochs(run: Run, before: int) -> int:
    """Epochs that are committed now, where so many were before; each has one row."""
    safe = committed(run)
    assert safe >= before, f"{run.id}: {before - safe} committed epochs were lost"
    rows = [row["epoch"] for row in epoch_rows(run)]
    assert rows == list(range(1, len(rows) + 1)) and len(rows) >= safe, f"{run.id}: rows of {rows}, {safe} safe"
    return safe


def contradiction(run: Run) -> str:
    """What the state says that the processes do not, where neither changed meanwhile."""
    before = (trainers(run), supervisors(run))
    status = runs.status(run)
    if before != (trainers(run), supervisors(run)):
        return "it changes all the time"
    assert status.state in STATES
    if status.state in ACTIVE and not any(before) and not processes.is_locked(run.supervisor_lock):
        return f"{run.id} is {status.state}, and nothing lives"
    if status.state not in ACTIVE and before[0]:
        return f"{run.id} is {status.state}, and {before[0]} trains"
    return ""


def kill(pids: Iterable[int]) -> str:
    """Kill them; how many there were."""
    found = list(pids)
    for pid in found:
        send(pid, signal.SIGKILL)
    return f"{len(found)} processes live" if found else ""


def send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def end_of_boot(run: Run) -> None:
    """Let what stands in its files be of a boot that lasted longer than this one has."""
    for path in run.folder.glob("*.json"):
        document = durable.read_json(path)
        if isinstance(document, dict):
            durable.replace_json(path, _moved(document))


def _moved(document: dict) -> dict:
    moved = {name: _moved(value) if isinstance(value, dict) else value for name, value in document.items()}
    moved |= {"boot_id": "another boot"} if "boot_id" in moved else {}
    return moved | {name: moved[name] + 1e6 for name in ("clock", "beat") if isinstance(moved.get(name), float)}
