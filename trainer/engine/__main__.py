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
"""A second SIGTERM within this is the first one again: a shutdown signals us and our supervisor, which passes it on."""
BEAT_SECONDS = 2.0


def main(folder: str, attempt: str, supervisor: str) -> int:
    """Train; exit 0 when it ended in order, 1 when it failed. The last word stands in progress.json."""
    processes.die_with_parent(int(supervisor))
    faulthandler.enable()
    run, asked_to_end, first = Run(Path(folder)), threading.Event(), time.monotonic()

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal first
        if not asked_to_end.is_set():
            first = time.monotonic()
            asked_to_end.set()
        elif time.monotonic() - first > ECHO_SECONDS:
            os._exit(128 + number)  # whoever sends another one later does not want to wait for a checkpoint

    signal.signal(signal.SIGTERM, end)

    def wanted() -> Want | Literal["signal"] | None:
        if os.getppid() != int(supervisor):
            os._exit(1)  # nobody would write how it ended; the run is lost and can be started again
        return "signal" if asked_to_end.is_set() else runs.wish(run, int(attempt))

    say("Starting training...")
    tell_start(run, int(attempt))
    code = train(run, int(attempt), wanted)
    if code == 0:
        export_best(run)
    return code


def tell_start(run: Run, attempt: int) -> None:
    """The first beat: importing torch takes seconds, and minutes on a busy machine.

    What earlier attempts told stands until there is something newer.
    """
    earlier = (durable.read_document(Progress, run.progress_file) if attempt > 1 else None) or Progress(
        attempt=attempt, beat=0, phase=""
    )
    changes = {"attempt": attempt, "beat": processes.boot_clock(), "phase": "starting", "doing": ""}
    told = earlier.model_copy(update=changes | {"ended": None, "reason": "", "failure": None})
    with suppress(OSError):  # the journal tells of a disk that takes nothing
        durable.replace_json(run.progress_file, told.model_dump())


def train(run: Run, attempt: int, wanted: Callable[[], Want | Literal["signal"] | None]) -> int:
    """One attempt of a run to its end, in order or not; returns the exit code."""
    from trainer.engine.training import failure_report, journal, loop

    try:
        try:
            parts = loop.prepare(run.workspace, run, attempt, wanted)
            told, ended = parts.journal, loop.train(parts)
        except loop.EndedEarlyError as early:
            told, ended = early.journal, early.end
        left = {"eta_seconds": None} if ended.state == "completed" else {}  # else the queue counts with what was left
        journal.tell(told, now=True, phase="ended", ended=ended.state, reason=ended.reason, **left)
    except Exception as error:  # the edge of the process: every failure becomes an outcome
        failure_report.tell(run, attempt, error)
        return 1
    return 0


def export_best(run: Run) -> None:
    """Export the best model of a run that is completed; that this fails changes nothing about how it ended.

    It may take a minute, for which nobody who stops a run waits: the model of such a one is made when it is asked for.
    """
    told = durable.read_document(Progress, run.progress_file)
    if told is None or told.ended != "completed" or told.best is None:
        return

    def beat() -> None:
        nonlocal told
        assert told is not None
        if (now := processes.boot_clock()) - told.beat > BEAT_SECONDS:
            told = told.model_copy(update={"beat": now, "doing": "Exporting the best model"})
            durable.replace_json(run.progress_file, told.model_dump())

    from trainer.engine.export import export
    from trainer.engine.training import failure_report

    try:
        export.tell(export.export(run, told.best.checkpoint, beat))
    except Exception as error:  # the edge of the process: the training is done and kept whatever happens here
        say(f"The best model could not be exported: {failure_report.reason_of(error)}")


if __name__ == "__main__":
    private.begin()
    sys.exit(main(*sys.argv[1:]))
