"""The supervisor: starts the trainer of one run, waits for it, writes how it ended. Imports no torch.

python -m trainer.supervisor runs/20260101-120000-abcd
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import psutil

from trainer import devices, documents, durable, log_tail, processes, reserve, runs
from trainer.documents import Control, Outcome, Processes, Progress
from trainer.failures import Failure
from trainer.log import say
from trainer.runs import Run
from trainer.state import SILENT_SECONDS
from trainer.workspace import PROJECT_ROOT

LOOK_SECONDS = 0.5
TERMINATE_SECONDS = 10.0


def _start_trainer(run: Run, attempt: int) -> subprocess.Popen[bytes]:
    """Start the trainer; it shares our log and our session and dies with us (see processes.die_with_parent)."""
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "trainer.engine", str(run.folder), str(attempt), str(os.getpid())],
        stdin=subprocess.DEVNULL,
        cwd=PROJECT_ROOT,
        env=processes.environment_of_engine(),
    )


def _write_processes(run: Run, attempt: int, trainer: subprocess.Popen[bytes] | None) -> None:
    """Tell who we are, and who the trainer is once it lives; one that died already has no identity left to tell."""
    own = processes.identity_of(os.getpid())
    try:
        child = processes.identity_of(trainer.pid) if trainer else None
    except ProcessLookupError:
        child = None
    document = Processes(
        attempt=attempt, host=own.host, boot_id=own.boot_id, supervisor=own, trainer=child,
        clock=processes.boot_clock(),
    )  # fmt: skip
    durable.replace_json(run.process_file, document.model_dump())


def _does_not_answer(run: Run) -> bool:
    """Whether the trainer was asked to stop now and has been silent since for longer than a batch may take."""
    control = documents.read(Control, run.control_file)
    if control is None or control.want != "stop":
        return False
    progress = documents.read(Progress, run.progress_file)
    heard = max(control.clock, progress.beat if progress else 0.0)
    return processes.boot_clock() - heard > SILENT_SECONDS


def _wait(run: Run, trainer: subprocess.Popen[bytes]) -> str:
    """Wait for the end of the trainer; returns why we killed it, if we had to."""
    asked_to_end = False

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal asked_to_end
        asked_to_end = True

    signal.signal(signal.SIGTERM, end)  # the machine shuts down, or somebody ends us: the trainer shall save first
    deadline = None
    while True:
        try:
            trainer.wait(LOOK_SECONDS)
            return ""
        except subprocess.TimeoutExpired:
            pass
        now = processes.boot_clock()
        if (asked_to_end or runs.is_gone(run)) and deadline is None:
            trainer.terminate()
            deadline = now + TERMINATE_SECONDS
        silent = _does_not_answer(run)
        if silent or (deadline is not None and now > deadline):
            trainer.kill()
            trainer.wait()
            return "It did not answer to Stop and was killed."


def _outcome(run: Run, attempt: int, exit_code: int, killed: str, kills: int) -> Outcome:
    """How the attempt ended: the trainer's own last word when it left in order, else its signal or exit code.

    `kills` is how often the system had ended a process for lack of memory before.
    """
    progress = documents.read(Progress, run.progress_file)
    ended = datetime.now(UTC).isoformat(timespec="seconds")
    own = progress if progress and progress.attempt == attempt and progress.ended else None
    if exit_code == 0 and own and own.ended:
        return Outcome(attempt=attempt, state=own.ended, reason=own.reason, exit_code=0, ended=ended)
    if exit_code < 0:
        name = signal.Signals(-exit_code).name
        reason, failure = _by_signal(-exit_code, killed, devices.memory_kills() > kills)
        return Outcome(attempt=attempt, state="failed", reason=reason, signal=name, ended=ended, failure=failure)
    reason = own.reason if own else f"The training process ended with exit code {exit_code}: {_last_line(run)}"
    kind = own.failure if own else None
    return Outcome(attempt=attempt, state="failed", reason=reason, exit_code=exit_code, ended=ended, failure=kind)


def _by_signal(number: int, killed: str, memory_ran_out: bool) -> tuple[str, Failure]:
    """Reason and kind of an end by a signal; `killed` is why we sent it, if we did."""
    ended = f"The training process was ended by signal {number} ({signal.Signals(number).name})"
    if killed:
        return killed, Failure(kind="killed")
    if number != signal.SIGKILL:
        return f"{ended}.", Failure(kind="crashed")
    if memory_ran_out:
        free = psutil.virtual_memory().available
        return f"{ended}: the memory of this machine was full.", Failure(kind="host_memory", free_bytes=free)
    return f"{ended}.", Failure(kind="killed")


def _last_line(run: Run) -> str:
    return next(iter(log_tail.last_lines(run.log_file, 1)), "its log is empty.")


def supervise(run: Run) -> None:
    """Run one attempt to its end and write its outcome; a folder that was deleted meanwhile is left deleted."""
    earlier = documents.read(Processes, run.process_file)
    attempt = earlier.attempt + 1 if earlier else 1
    reserve.keep(run.folder)
    kills = devices.memory_kills()
    _write_processes(run, attempt, None)
    trainer = _start_trainer(run, attempt)
    _write_processes(run, attempt, trainer)
    killed = _wait(run, trainer)
    if runs.is_gone(run):
        return
    outcome = _outcome(run, attempt, trainer.returncode, killed, kills)
    say(f"{outcome.state.capitalize()}: {outcome.reason}")
    reserve.write_last(run.outcome_file, outcome.model_dump())
    reserve.release(run.folder)


if __name__ == "__main__":
    supervise(Run(Path(sys.argv[1])))
