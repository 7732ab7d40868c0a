"""The trainer process of one attempt of one run; the supervisor starts it.

python -m trainer.engine RUN_FOLDER ATTEMPT SUPERVISOR_PID
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Literal

from trainer.run import runs
from trainer.run.documents import Progress
from trainer.run.runs import Run
from trainer.run.state import Want
from trainer.system import durable, private, processes
from trainer.system.log_lines import say

ECHO_SECONDS = 3.0
"""A second SIGTERM within this time repeats the first: at a shutdown the supervisor forwards the one it gets too."""
BEAT_SECONDS = 2.0


def main(folder: str, attempt: str, supervisor: str) -> int:
    """Train; returns 0 when the training ended without a failure, else 1. progress.json holds the reason."""
    processes.die_with_parent(int(supervisor))
    faulthandler.enable()
    run, signalled, first = Run(Path(folder)), threading.Event(), time.monotonic()

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal first
        if not signalled.is_set():
            first = time.monotonic()
            signalled.set()
        elif time.monotonic() - first > ECHO_SECONDS:
            os._exit(128 + number)  # a later one means: do not wait for a checkpoint

    signal.signal(signal.SIGTERM, end)

    def read_request() -> Want | Literal["signal"] | None:
        if os.getppid() != int(supervisor):
            os._exit(1)  # without a supervisor the outcome is not recorded; the run counts as lost
        return "signal" if signalled.is_set() else runs.wanted(run, int(attempt))

    say("Starting training...")
    report_start(run, int(attempt))
    code = train(run, int(attempt), read_request)
    if code == 0:
        export_best(run)
    return code


def report_start(run: Run, attempt: int) -> None:
    """Write the first progress of an attempt: importing torch takes seconds, and minutes on a busy machine.

    The progress of the attempt before stays visible until it is replaced.
    """
    earlier = (durable.read_document(Progress, run.progress_file) if attempt > 1 else None) or Progress(
        attempt=attempt, beat=0, phase=""
    )
    changes = {"attempt": attempt, "beat": processes.boot_clock(), "phase": "starting", "doing": ""}
    progress = earlier.model_copy(update=changes | {"ended": None, "reason": "", "failure": None})
    with suppress(OSError):  # the journal reports a full disk
        durable.replace_json(run.progress_file, progress.model_dump())


def train(run: Run, attempt: int, read_request: Callable[[], Want | Literal["signal"] | None]) -> int:
    """Train one attempt of a run to its end; returns the exit code."""
    from trainer.engine.training import failure_report, journal, loop

    try:
        try:
            session = loop.prepare(run.workspace, run, attempt, read_request)
            writer, end = session.journal, loop.train(session)
        except loop.EndedEarlyError as early:
            writer, end = early.journal, early.end
        left = {"eta_seconds": None} if end.state == "completed" else {}  # else the queue needs the remaining time
        journal.update_progress(writer, flush=True, phase="ended", ended=end.state, reason=end.reason, **left)
    except Exception as error:  # the edge of the process: every failure becomes an outcome
        failure_report.report(run, attempt, error)
        return 1
    return 0


def export_best(run: Run) -> None:
    """Export the best model of a completed run; a failed export does not change the outcome of the run.

    It may take a minute, too long after a stop: the model of a stopped run is exported on demand.
    """
    progress = durable.read_document(Progress, run.progress_file)
    if progress is None or progress.ended != "completed" or progress.best is None:
        return

    def report(done: int, total: int, doing: str) -> None:
        nonlocal progress
        assert progress is not None
        if (clock := processes.boot_clock()) - progress.beat > BEAT_SECONDS:
            progress = progress.model_copy(update={"beat": clock, "doing": f"Exporting the best model: {doing}"})
            durable.replace_json(run.progress_file, progress.model_dump())

    from trainer.engine.export import export
    from trainer.engine.training import failure_report

    try:
        export.log_export(export.export(run, progress.best.checkpoint, report))
    except Exception as error:  # the edge of the process: the training is complete and saved
        say(f"The best model could not be exported: {failure_report.reason_of(error)}")


if __name__ == "__main__":
    private.begin()
    sys.exit(main(*sys.argv[1:]))
