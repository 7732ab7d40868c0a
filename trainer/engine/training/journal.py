"""What the trainer tells the world: progress.json, metrics.jsonl, timing.jsonl, event files, log; their only writer."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from trainer.engine.training import eta, event_files
from trainer.engine.training.eta import Left, Times
from trainer.run import metrics, runs
from trainer.run.documents import Progress
from trainer.run.failures import FailedError
from trainer.run.runs import Run
from trainer.system import devices, document_file, durable, processes
from trainer.system.counted import counted
from trainer.system.log import say

WRITE_SECONDS = 0.5
READ_DEVICES_SECONDS = 2.0
SPEED_SECONDS = 5.0


@dataclass
class Journal:
    """The progress of one attempt as it was last told, and what is needed to tell it seldom enough."""

    run: Run
    progress: Progress
    gpu_index: int | None
    started: float
    """When it would have started, had there been no pauses."""
    times: Times
    ends_at: float | None = None
    """When it will be done, by estimate."""
    written: float = 0.0
    devices_read: float = 0.0
    heard: deque[tuple[float, int]] = field(default_factory=deque)
    batches: int = 0
    """How many this attempt has trained."""
    epoch_seconds: float = 0.0
    """What the batches of the epoch under way took, those of earlier attempts too."""
    saved: float = 0.0
    """When the last checkpoint of the epoch under way was done, or when the epoch began."""
    opened: bool = False
    """Whether the features of the validation stream are there."""
    events: Path | None = None
    """The event file of this attempt, see `event_files.begin_events`."""


def open_journal(run: Run, attempt: int, device: torch.device, epochs: int) -> Journal:
    """The journal of an attempt; what the attempts before it told stands until there is something newer to tell."""
    index = (device.index or 0) if device.type == "cuda" else None
    threads = torch.get_num_threads()
    cpu = f"CPU, {counted(threads, 'thread')}"
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else cpu
    earlier = (document_file.read(Progress, run.progress_file) if attempt > 1 else None) or Progress(
        attempt=attempt, beat=0, phase=""
    )
    now = {"attempt": attempt, "phase": "preparing", "doing": "", "device": name, "epochs": epochs}
    progress = earlier.model_copy(update=now | {"ended": None, "reason": "", "failure": None})
    times = eta.of_document(earlier.times if earlier.device == name else {})
    journal = Journal(run, progress, index, time.monotonic() - earlier.elapsed_seconds, times)
    tell(journal, now=True)
    return journal


def tell(journal: Journal, now: bool = False, **changes: object) -> None:
    """Change the progress; it reaches the disk at most twice a second, or at once with `now`.

    Raises OSError, and FailedError when the run's folder is gone.
    """
    clock = time.monotonic()
    changes |= {"beat": processes.boot_clock(), "elapsed_seconds": round(clock - journal.started, 2)}
    if journal.ends_at is not None:
        changes = {"eta_seconds": round(max(0.0, journal.ends_at - clock), 1)} | changes
    if clock - journal.devices_read >= READ_DEVICES_SECONDS:
        journal.devices_read = clock
        changes["reading"] = devices.read(journal.gpu_index).model_dump()
    journal.progress = journal.progress.model_copy(update=changes)
    if now or clock - journal.written >= WRITE_SECONDS:
        journal.written = clock
        if runs.is_gone(journal.run):
            folder = str(journal.run.folder)
            raise FailedError("folder_gone", f"The folder {folder} was deleted or moved while it trained.", folder)
        told = journal.progress.model_copy(update={"times": eta.as_document(journal.times)})
        durable.replace_json(journal.run.progress_file, told.model_dump())


def preparing(journal: Journal, done: int, total: int, doing: str) -> None:
    """Progress before the first epoch."""
    tell(journal, doing=f"{doing}: {done:,} of {total:,}" if total else doing)


def batch_done(journal: Journal, windows: int, share: float, seconds: float, first: bool) -> float:
    """Note a batch, which is `share` of a full one and may be the `first` of its epoch; returns windows per second
    lately."""
    clock = time.monotonic()
    journal.heard.append((clock, windows))
    while clock - journal.heard[0][0] > SPEED_SECONDS and len(journal.heard) > 2:
        journal.heard.popleft()
    journal.batches += 1
    journal.epoch_seconds += seconds
    if not first or journal.times.batch is None:
        journal.times = eta.after_batch(journal.times, seconds, share, journal.batches)
    if first and (journal.batches > 1 or journal.times.start is None):  # the first one after a resume says little
        journal.times = replace(journal.times, start=seconds)
    span = clock - journal.heard[0][0]
    return sum(count for _, count in list(journal.heard)[1:]) / span if span > 0 else windows / max(seconds, 1e-9)


def piece_done(journal: Journal, piece: str, began: float) -> None:
    """Note how long another piece of the training took, see `eta.Times`."""
    journal.times = eta.after_piece(journal.times, piece, time.monotonic() - began)


def expect(journal: Journal, left: Left, checkpoint_minutes: float) -> None:
    """Estimate anew when it will be done."""
    clock = time.monotonic()
    seconds = eta.seconds_left(journal.times, left, checkpoint_minutes, clock - journal.saved)
    journal.ends_at = None if seconds is None else clock + seconds


def append_row(journal: Journal, kind: str, **values: object) -> None:
    """Append to metrics.jsonl, where nothing may stand that two equal trainings do not share, and to the event file."""
    row = {"kind": kind, **values}
    metrics.append(journal.run.metrics_file, row)
    journal.events = event_files.add(journal.events, row)


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
