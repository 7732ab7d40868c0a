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
from trainer.engine.training.eta import Left, Times
from trainer.run import metrics, runs
from trainer.run.documents import Progress
from trainer.run.failures import FailedError
from trainer.run.metrics import Row
from trainer.run.runs import Run
from trainer.system import devices, durable, processes, regular_file
from trainer.system.display_text import counted
from trainer.system.log_lines import say

NO_SCALARS = frozenset({"v", "crc", "kind", "step"})
"""Numbers of a row that are no curve; `step` is the axis."""
LARGEST = 3.4e38
"""What 32 bits can hold; NaN is not within it either."""


def begin_events(run: Run) -> Path | None:
    """Begin the event file of an attempt; None, said in the log, when it cannot be written.

    What an earlier attempt wrote from the last row on that was kept is taken back, and that row told again: one of
    an epoch has the step of its last batch, so the step alone does not part what was kept from what was cut back.
    Where no event file is left, all rows are told.
    """
    folder = run.folder / "tensorboard"
    try:
        folder.mkdir(exist_ok=True)
        earlier = len(list(folder.glob("events.out.tfevents.*")))
        file = folder / f"events.out.tfevents.{earlier + 1:06d}"  # read in the order of their names
        rows = _last_rows(run.metrics_file, every=not earlier)
        purge = Event(step=rows[0]["step"] if rows else 0, session_log=SessionLog(status=SessionLog.START))
        events = [Event(file_version="brain.Event:2"), *([purge] if earlier else []), *map(_event, rows)]
        durable.append(file, b"".join(map(_record, events)))
    except OSError as error:
        _given_up(error)
        return None
    return file


def add_event(file: Path | None, row: Row) -> Path | None:
    """Tell a row; returns the file to go on with, None when it could not be written: the training goes on without."""
    try:
        if file:
            durable.append(file, _record(_event(row)))
    except OSError as error:
        _given_up(error)
        return None
    return file


def _given_up(error: OSError) -> None:
    say(f"No more TensorBoard events are written for this run: {error.strerror}: {error.filename}")


def _last_rows(path: Path, every: bool) -> list[Row]:
    """The rows that share the last step in a file of metrics, or `every` one; lines that hold none are passed over."""
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
    """Every number of a row, named by the kind of the row."""
    values = [
        Summary.Value(tag=f"{row['kind']}/{name}", simple_value=value)
        for name, value in row.items()
        if name not in NO_SCALARS and isinstance(value, (int, float)) and abs(value) <= LARGEST
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
    earlier = (durable.read_document(Progress, run.progress_file) if attempt > 1 else None) or Progress(
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
    journal.events = add_event(journal.events, row)


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
