"""Writes the progress of a training: progress.json, metrics.jsonl, timing.jsonl, event files and the log."""

from __future__ import annotations

import io
import json
import time
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from trainer.engine.training import eta
from trainer.engine.training.eta import Remaining, Times
from trainer.run import metrics, runs
from trainer.run.documents import Progress
from trainer.run.failures import FailedError
from trainer.run.metrics import Row
from trainer.run.runs import Run
from trainer.system import devices, durable, processes, regular_file
from trainer.system.display_text import counted
from trainer.system.log_lines import say

NOT_SCALARS = frozenset({"v", "crc", "kind", "step"})
"""Numbers of a row that are not plotted; `step` is the axis."""
LARGEST_FLOAT32 = 3.4e38
"""The largest value of a 32-bit float; a comparison with it also excludes NaN."""


def open_event_file(run: Run) -> Path | None:
    """Open the event file of an attempt; returns None and logs why when it cannot be written.

    Events of earlier attempts are purged from the last row's step on, and that row is written again: an epoch's row has
    the step of its last batch, so the step alone does not tell them apart. Without an earlier event file, all rows are
    written.
    """
    folder = run.folder / "tensorboard"
    try:
        folder.mkdir(exist_ok=True)
        earlier = len(list(folder.glob("events.out.tfevents.*")))
        file = folder / f"events.out.tfevents.{earlier + 1:06d}"  # readers sort event files by name
        rows = _rows_to_repeat(run.metrics_file, every=not earlier)
        purge = Event(step=rows[0]["step"] if rows else 0, session_log=SessionLog(status=SessionLog.START))
        events = [Event(file_version="brain.Event:2"), *([purge] if earlier else []), *map(_event, rows)]
        durable.append(file, b"".join(map(_record, events)))
    except OSError as error:
        _log_events_failed(error)
        return None
    return file


def append_event(file: Path | None, row: Row) -> Path | None:
    """Append a row; returns the file, or None when it cannot be written: the training continues without events."""
    try:
        if file:
            durable.append(file, _record(_event(row)))
    except OSError as error:
        _log_events_failed(error)
        return None
    return file


def _log_events_failed(error: OSError) -> None:
    say(f"No more TensorBoard events are written for this run: {error.strerror}: {error.filename}")


def _rows_to_repeat(path: Path, every: bool) -> list[Row]:
    """The rows of the last step in a file of metrics, or `every` row; invalid lines are skipped."""
    rows: list[Row] = []
    for line in reversed(regular_file.read_bytes(path).splitlines() if path.exists() else []):
        try:
            row = json.loads(line) if metrics.is_whole(line) else None
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict) and "kind" in row and isinstance(row.get("step"), int) and 0 <= row["step"] < 1 << 63:
            if not every and rows and row["step"] != rows[0]["step"]:
                break
            rows.append(row)
    return rows[::-1]


def _event(row: Row) -> Event:
    """The numbers of a row as scalars, tagged with its kind."""
    values = [
        Summary.Value(tag=f"{row['kind']}/{name}", simple_value=value)
        for name, value in row.items()
        if name not in NOT_SCALARS and isinstance(value, (int, float)) and abs(value) <= LARGEST_FLOAT32
    ]
    return Event(wall_time=time.time(), step=row["step"], summary=Summary(value=values))


def _record(event: Event) -> bytes:
    RecordWriter(record := io.BytesIO()).write(event.SerializeToString())
    return record.getvalue()


WRITE_SECONDS = 0.5
READ_DEVICES_SECONDS = 2.0
SPEED_SECONDS = 5.0


@dataclass
class Journal:
    """The latest progress of one attempt, with the clocks that limit how often it is written."""

    run: Run
    progress: Progress
    gpu_index: int | None
    started: float
    """When the run would have started without pauses."""
    times: Times
    ends_at: float | None = None
    """Estimated end."""
    written: float = 0.0
    devices_read: float = 0.0
    recent_batches: deque[tuple[float, int]] = field(default_factory=deque)
    """Time and windows of each recent batch."""
    batches: int = 0
    """Batches trained in this attempt."""
    epoch_seconds: float = 0.0
    """Seconds of the batches of the current epoch, including those of earlier attempts."""
    saved_at: float = 0.0
    """When the last checkpoint of the current epoch was written, or when the epoch began."""
    stream_ready: bool = False
    """Whether the features of the validation stream are computed."""
    events: Path | None = None
    """The event file of this attempt, see `open_event_file`."""


def open_journal(run: Run, attempt: int, device: torch.device, epochs: int) -> Journal:
    """The journal of an attempt; it starts with the progress of the attempt before."""
    index = (device.index or 0) if device.type == "cuda" else None
    cpu = f"CPU, {counted(torch.get_num_threads(), 'thread')}"
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else cpu
    earlier = (durable.read_document(Progress, run.progress_file) if attempt > 1 else None) or Progress(
        attempt=attempt, beat=0, phase=""
    )
    changes = {"attempt": attempt, "phase": "preparing", "doing": "", "device": name, "epochs": epochs}
    progress = earlier.model_copy(update=changes | {"ended": None, "reason": "", "failure": None})
    times = eta.from_document(earlier.times if earlier.device == name else {})
    journal = Journal(run, progress, index, time.monotonic() - earlier.elapsed_seconds, times)
    update_progress(journal, flush=True)
    return journal


def update_progress(journal: Journal, flush: bool = False, **changes: object) -> None:
    """Change the progress; it is written at most twice a second, or at once with `flush`.

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
    if flush or clock - journal.written >= WRITE_SECONDS:
        journal.written = clock
        if runs.is_gone(journal.run):
            folder = str(journal.run.folder)
            raise FailedError("folder_gone", f"The folder {folder} was deleted or moved while it trained.", folder)
        document = journal.progress.model_copy(update={"times": eta.to_document(journal.times)})
        durable.replace_json(journal.run.progress_file, document.model_dump())


def report_preparation(journal: Journal, done: int, total: int, doing: str) -> None:
    """Report progress before the first epoch."""
    update_progress(journal, doing=f"{doing}: {done:,} of {total:,}" if total else doing)


def record_batch(journal: Journal, windows: int, share: float, seconds: float, first: bool) -> float:
    """Record the duration of a batch, which is `share` of a full one and may be the `first` of its epoch.

    Returns the windows per second of the last few seconds.
    """
    clock, recent = time.monotonic(), journal.recent_batches
    recent.append((clock, windows))
    while clock - recent[0][0] > SPEED_SECONDS and len(recent) > 2:
        recent.popleft()
    journal.batches += 1
    journal.epoch_seconds += seconds
    if not first or journal.times.batch is None:
        journal.times = eta.add_batch(journal.times, seconds, share, journal.batches)
    if first and (journal.batches > 1 or journal.times.start is None):  # the first one after a resume is slower
        journal.times = replace(journal.times, start=seconds)
    span = clock - recent[0][0]
    return sum(count for _, count in list(recent)[1:]) / span if span > 0 else windows / max(seconds, 1e-9)


def record_duration(journal: Journal, phase: str, began: float) -> None:
    """Record how long a phase took that began at this time; `phase` is a field of `eta.Times`."""
    journal.times = eta.add_duration(journal.times, phase, time.monotonic() - began)


def update_eta(journal: Journal, left: Remaining, checkpoint_minutes: float) -> None:
    """Update the estimated end."""
    clock = time.monotonic()
    seconds = eta.remaining_seconds(journal.times, left, checkpoint_minutes, clock - journal.saved_at)
    journal.ends_at = None if seconds is None else clock + seconds


def append_row(journal: Journal, kind: str, **values: object) -> None:
    """Append to metrics.jsonl, which must be equal for equal trainings, and to the event file."""
    row = {"kind": kind, **values}
    metrics.append(journal.run.metrics_file, row)
    journal.events = append_event(journal.events, row)


def append_timing(journal: Journal, **values: object) -> None:
    """Append the durations of an epoch and the latest device readings to timing.jsonl."""
    progress = journal.progress
    readings = {"elapsed_seconds": progress.elapsed_seconds, "reading": progress.reading}
    metrics.append(journal.run.timing_file, {"kind": "epoch", "attempt": progress.attempt, **values, **readings})


def log_epoch(row: dict[str, object], epochs: int) -> None:
    """Log the line of one epoch."""

    def percent(name: str) -> str:
        value = row[name]
        return f"{100 * value:.2f}%" if isinstance(value, float) else "n/a"

    say(
        f"Epoch {row['epoch']}/{epochs} - Loss: {row['train_loss']:.4f}/{row['val_loss']:.4f} - "
        f"Acc: {percent('train_accuracy')}/{percent('val_accuracy')} - FPR: {percent('fpr')} - FNR: {percent('fnr')}"
    )
