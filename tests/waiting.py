"""Waiting for what a run does, and looking at who does it."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import psutil

from trainer.run import metrics, runs
from trainer.run.documents import Processes
from trainer.run.runs import Run, Status
from trainer.run.state import ACTIVE
from trainer.system import durable, job, log_lines
from trainer.system.workspace import Workspace

T = TypeVar("T")

PATIENCE = 300
"""Seconds until a wait has failed where no promise of seconds is tested: enough for any machine, however busy."""
IDLE_TICKS = 1200
"""A run that has ended otherwise than expected is looked at so often before the test fails: a resume may follow."""


def ticks(seconds: float) -> Iterator[None]:
    """Tick twenty times a second until the time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(0.05)


def wait_until(run: Run, *states: str, seconds: float = PATIENCE) -> Status:
    idle = 0
    for _ in ticks(seconds):
        status = runs.status(run)
        if status.state in states:
            return status
        idle = 0 if status.state in ACTIVE else idle + 1
        if idle > IDLE_TICKS:
            break
    raise AssertionError(f"{status.state}, not {' or '.join(states)}: {log_lines.last_lines(run.log_file, 20)}")


def wait_for_epoch(run: Run, epoch: int) -> Status:
    for _ in ticks(PATIENCE):
        status = runs.status(run)
        if status.progress and status.progress.epoch >= epoch:
            return status
        assert status.state in ACTIVE, log_lines.last_lines(run.log_file, 20)
    raise AssertionError(f"epoch {epoch} was never reached")


def wait_for(condition: Callable[[], T], seconds: float = PATIENCE) -> T:
    """Wait until the condition is true; returns what it returned."""
    for _ in ticks(seconds):
        if result := condition():
            return result
    raise AssertionError(f"not within {seconds} s")


def wait_for_job(workspace: Workspace, verb: job.Verb, reached: Callable[[job.Job], object]) -> job.Job:
    """Wait until what the job of this verb says of itself is as wanted."""
    for _ in ticks(PATIENCE):
        if (report := job.read(workspace, verb)) and reached(report):
            return report
    raise AssertionError(job.log_file(workspace, verb).read_text())


def is_gone(pid: int, seconds: float = 5) -> bool:
    """Whether the process is dead, or is so soon: `kill` comes back before a process has come to its end."""
    for _ in ticks(seconds):
        try:
            if psutil.Process(pid).status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
                return True
        except psutil.NoSuchProcess:
            return True
    return False


def people(run: Run) -> Processes:
    found = durable.read_document(Processes, run.process_file)
    assert found and found.trainer
    return found


def epoch_rows(run: Run) -> list[dict]:
    tail = metrics.Tail()
    metrics.read_more(tail, run.metrics_file)
    assert tail.unreadable == 0
    return tail.epochs
