"""The pulse of a run: its supervisor tells in beat.json that it lives, and when its trainer was last known to work.

A trainer tells of itself in progress.json, but not while it imports, nor during one long step, which on a busy machine
take minutes. Its processor time tells such a one from one that hangs, and so do processes that it waits for, such as a
compiler.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from trainer.run import runs
from trainer.run.documents import Beat, Progress
from trainer.run.runs import Run
from trainer.system import document_file, durable, processes

BEAT_SECONDS = 2.0


@dataclass(frozen=True)
class Pulse:
    """What the supervisor knew at its last look: when the trainer was last known to work (seconds since boot), the
    processor time it had used by then, and when that was last written."""

    working: float = 0.0
    cpu_seconds: float = 0.0
    written: float = 0.0


def told(run: Run, attempt: int) -> float:
    """When the trainer of this attempt last told of itself, in seconds since boot; 0 when it has not."""
    progress = document_file.read(Progress, run.progress_file)
    return progress.beat if progress and progress.attempt == attempt else 0.0


def tell(run: Run, attempt: int, last: Pulse, trainer: int | None = None) -> Pulse:
    """Look at the trainer, and write the beat when the last one is two seconds old; returns what is known now.

    Without a trainer, which waits for its turn, the supervisor itself is at work.
    """
    now = processes.boot_clock()
    used, runnable = (0.0, True) if trainer is None else processes.activity(trainer)
    busy = runnable or used > last.cpu_seconds or (trainer is not None and processes.has_busy_child(trainer))
    working = now if busy else max(last.working, told(run, attempt))
    if now - last.written < BEAT_SECONDS or runs.is_gone(run):
        return Pulse(working, used, last.written)
    with suppress(OSError):  # a disk that is full or ill may be well at the next beat
        durable.replace_json(run.beat_file, Beat(attempt=attempt, clock=now, working=working).model_dump())
    return Pulse(working, used, now)
