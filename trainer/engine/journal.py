"""What the trainer tells the world: progress.json, metrics.jsonl, timing.jsonl and the log; their only writer."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

import torch

from trainer import devices, durable, metrics, processes, runs
from trainer.documents import Progress
from trainer.failures import FailedError
from trainer.log import say
from trainer.runs import Run

WRITE_SECONDS = 0.5
READ_DEVICES_SECONDS = 2.0
SPEED_SECONDS = 5.0


@dataclass
class Journal:
    """The progress of one attempt as it was last told, and what is needed to tell it seldom enough."""

    run: Run
    progress: Progress
    gpu_index: int | None
    started: float = field(default_factory=time.monotonic)
    written: float = 0.0
    devices_read: float = 0.0
    heard: deque[tuple[float, int]] = field(default_factory=deque)
    batch_seconds: float = 0.0
    pause_seconds: float | None = None
    """Time between two epochs' batches: validation and checkpoint, as last measured."""
    stream_seconds: float = 0.0
    """Time of hearing the validation stream once, as last measured; it is not in `pause_seconds`."""
    mining_seconds: float = 0.0
    """Time of one look for hard negatives, as last measured."""


def open_journal(run: Run, attempt: int, device: torch.device, epochs: int) -> Journal:
    index = (device.index or 0) if device.type == "cuda" else None
    threads = torch.get_num_threads()
    cpu = f"CPU, {threads} thread{'s' if threads > 1 else ''}"
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else cpu
    progress = Progress(attempt=attempt, beat=processes.boot_clock(), phase="preparing", device=name, epochs=epochs)
    journal = Journal(run, progress, index)
    tell(journal, now=True)
    return journal


def tell(journal: Journal, now: bool = False, **changes: object) -> None:
    """Change the progress; it reaches the disk at most twice a second, or at once with `now`.

    Raises OSError, and FailedError when the run's folder is gone.
    """
    clock = time.monotonic()
    changes |= {"beat": processes.boot_clock(), "elapsed_seconds": round(clock - journal.started, 2)}
    if clock - journal.devices_read >= READ_DEVICES_SECONDS:
        journal.devices_read = clock
        changes["reading"] = devices.read(journal.gpu_index).model_dump()
    journal.progress = journal.progress.model_copy(update=changes)
    if now or clock - journal.written >= WRITE_SECONDS:
        journal.written = clock
        if runs.is_gone(journal.run):
            folder = str(journal.run.folder)
            raise FailedError(
                "folder_gone", f"The run's folder {folder} was deleted or moved while it trained.", folder
            )
        durable.replace_json(journal.run.progress_file, journal.progress.model_dump())


def preparing(journal: Journal, done: int, total: int, doing: str) -> None:
    """Progress before the first epoch."""
    tell(journal, doing=f"{doing}: {done:,} of {total:,}" if total else doing)


@dataclass(frozen=True)
class Left:
    """What is still to come: batches, validations with checkpoints, looks for hard negatives, streams to hear."""

    batches: int
    pauses: int
    minings: int
    streams: int


def batch_done(journal: Journal, windows: int, seconds: float, left: Left) -> tuple[float, float]:
    """Note a batch; returns windows per second lately, and the estimated seconds to the end."""
    clock = time.monotonic()
    journal.heard.append((clock, windows))
    while clock - journal.heard[0][0] > SPEED_SECONDS and len(journal.heard) > 2:
        journal.heard.popleft()
    journal.batch_seconds = seconds if not journal.batch_seconds else 0.98 * journal.batch_seconds + 0.02 * seconds
    span = clock - journal.heard[0][0]
    speed = sum(count for _, count in list(journal.heard)[1:]) / span if span > 0 else windows / max(seconds, 1e-9)
    between = left.pauses * (journal.pause_seconds or 0.0) + left.minings * journal.mining_seconds
    return speed, left.batches * journal.batch_seconds + between + left.streams * journal.stream_seconds


def append_row(journal: Journal, kind: str, **values: object) -> None:
    """Append to metrics.jsonl, where nothing may stand that two equal trainings do not share."""
    metrics.append(journal.run.metrics_file, {"kind": kind, **values})


def append_timing(journal: Journal, **values: object) -> None:
    """Append to timing.jsonl what was measured of an epoch, and how the machine stands now."""
    told = journal.progress
    now = {"elapsed_seconds": told.elapsed_seconds, "reading": told.reading}
    metrics.append(journal.run.timing_file, {"kind": "epoch", "attempt": told.attempt, **values, **now})


def say_epoch(row: dict[str, object], epochs: int) -> None:
    """The line of one epoch in the log."""

    def percent(name: str) -> str:
        value = row[name]
        return f"{100 * value:.2f}%" if isinstance(value, float) else "n/a"

    say(
        f"Epoch {row['epoch']}/{epochs} - Loss: {row['train_loss']:.4f}/{row['val_loss']:.4f} - "
        f"Acc: {percent('train_accuracy')}/{percent('val_accuracy')} - FPR: {percent('fpr')} - FNR: {percent('fnr')}"
    )
