"""tensorboard/ of a run: what stands in metrics.jsonl, once more in the event files that TensorBoard reads."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from trainer.run import metrics
from trainer.run.metrics import Row
from trainer.run.runs import Run
from trainer.system import durable, regular_file
from trainer.system.log import say

NO_SCALARS = frozenset({"v", "crc", "kind", "step"})
"""Numbers of a row that are no curve: `step` is the axis of all of them."""
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


def add(file: Path | None, row: Row) -> Path | None:
    """Tell a row; returns the file to go on with, None when it could not be written: the training goes on without."""
    try:
        if file:
            durable.append(file, _record(_event(row)))
    except OSError as error:
        _given_up(error)
        return None
    return file


def _given_up(error: OSError) -> None:
    say(f"TensorBoard is told nothing more of this run: {error.strerror}: {error.filename}")


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
