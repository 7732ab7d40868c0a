"""Waiting for what a run does, and looking at who does it."""

import time
from collections.abc import Callable

import psutil

from trainer.run import metrics, runs
from trainer.run.documents import Processes
from trainer.run.runs import Run, Status
from trainer.run.state import ACTIVE
from trainer.system import durable, log_lines


def wait_until(run: Run, *states: str, seconds: float = 60) -> Status:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        status = runs.status(run)
        if status.state in states:
            return status
        time.sleep(0.05)
    raise AssertionError(f"{status.state} after {seconds} s: {log_lines.last_lines(run.log_file, 20)}")


def wait_for_epoch(run: Run, epoch: int, seconds: float = 60) -> Status:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        status = runs.status(run)
        if status.progress and status.progress.epoch >= epoch:
            return status
        assert status.state in ACTIVE, log_lines.last_lines(run.log_file, 20)
        time.sleep(0.05)
    raise AssertionError(f"epoch {epoch} was never reached")


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


def is_gone(pid: int, seconds: float = 5) -> bool:
    """Whether the process is dead, or is so soon: `kill` comes back before a process has come to its end."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
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
