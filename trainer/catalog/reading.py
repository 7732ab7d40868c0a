"""Reading a run folder into a row, whatever its condition, and the disk it takes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from trainer.catalog import run_rows
from trainer.catalog.run_rows import MOST_LOSSES, Row
from trainer.config.option_list import Value
from trainer.evaluation import operating_point
from trainer.run import metrics, runs
from trainer.run.documents import Notes, Outcome, Request
from trainer.run.metrics import Columns
from trainer.run.runs import Run, Status
from trainer.system import durable

KINDS = {"checkpoints": "checkpoints", "model": "model", "models": "model", "evaluation": "evaluation"}
LOGS = ("train.log", "metrics.jsonl", "timing.jsonl", "tensorboard")


@dataclass(frozen=True)
class DiskUsage:
    """Bytes of the files of a run by kind."""

    checkpoints: int = 0
    model: int = 0
    evaluation: int = 0
    logs: int = 0
    other: int = 0

    @property
    def total(self) -> int:
        return self.checkpoints + self.model + self.evaluation + self.logs + self.other


def disk_usage(run: Run) -> DiskUsage:
    """The disk usage of a run; unreadable files count as 0 bytes. Links are not followed."""
    sizes = dict.fromkeys(("checkpoints", "model", "evaluation", "logs", "other"), 0)
    with suppress(OSError), os.scandir(run.folder) as entries:
        for entry in entries:
            kind = "logs" if entry.name in LOGS else KINDS.get(entry.name, "other")
            sizes[kind] += _size_on_disk(entry)
    return DiskUsage(**sizes)


def _size_on_disk(entry: os.DirEntry[str]) -> int:
    """Bytes of a file, or of all files in a folder."""
    try:
        if not entry.is_dir(follow_symlinks=False):
            return entry.stat(follow_symlinks=False).st_size
        with os.scandir(entry.path) as inner:
            return sum(map(_size_on_disk, inner))
    except OSError:
        return 0


LARGEST = 1e300
LATEST_SECONDS = 1e11
"""Later times (the year 5138) count as invalid."""
MEASURES = ("epoch", "val_loss", "val_accuracy", "fpr", "fnr", "f1")


def foreign(name: str) -> Row:
    """The row of a folder in runs/ that is not a run."""
    return Row(text(name), "foreign", "Its name is no id of a run (such as 20260131-093000-1a2b).", label=text(name))


def text(found: object) -> str:
    """A text that every encoding can write: a file may hold lone surrogates."""
    return found.encode("utf-8", "replace").decode() if isinstance(found, str) else ""


def read(run: Run) -> Row:
    """The row of a run; its `problem` says what cannot be read. Never raises for the content of a folder."""
    try:
        status = runs.status(run)
    except OSError as error:
        return Row(run.id, "damaged", f"{run.folder} cannot be read: {error.strerror}.", label=run.id)
    notes = durable.read_document(Notes, run.notes_file) or Notes()
    values, problem = _options(run)
    rows = Columns(MEASURES)
    with suppress(OSError):
        metrics.read_to_end(rows, run.metrics_file)
    measured, bad_rows = _measured(rows, status), rows.unreadable
    told = [*_problems(run, status), *problem]
    told += [f"{bad_rows:,} rows of metrics.jsonl are damaged"] if bad_rows else []
    return Row(
        run.id,
        status.state,
        "; ".join(told),
        text(status.label),
        tuple(map(text, notes.tags)),
        text(notes.note),
        notes.starred,
        notes.archived,
        preset=text(values.get("preset")),
        model=text(values.get("model.name")),
        changed=run_rows.changed_options(values),
        size_bytes=disk_usage(run).total,
        **_facts(status),
        **measured,
        **_operating_point(status, rows),
    )


def _problems(run: Run, status: Status) -> Iterator[str]:
    """What is wrong with the documents of a run."""
    if status.request is None:
        yield f"request.json is {'damaged' if durable.is_damaged(Request, run.request_file) else 'missing'}"
    if status.outcome is None and durable.is_damaged(Outcome, run.outcome_file):
        yield "outcome.json is damaged"
    if durable.is_damaged(Notes, run.notes_file):
        yield "notes.json is damaged"


def _options(run: Run) -> tuple[dict[str, Value], list[str]]:
    """The options of a run, and what is wrong with them."""
    try:
        found = run_rows.read_options(run.config_file)
    except FileNotFoundError:
        return {}, ["config.yaml is missing"]
    except (OSError, ValueError) as error:
        return {}, [f"config.yaml cannot be read: {text(getattr(error, 'strerror', None) or str(error)).rstrip('.')}"]
    clean = {text(key): text(value) if isinstance(value, str) else value for key, value in found.items()}
    unknown = run_rows.unknown_options(clean)
    finite = {
        key: value for key, value in clean.items() if isinstance(value, (bool, str)) or _finite(value) is not None
    }
    names = ", ".join(unknown[:3]) + (f" and {len(unknown) - 3} more" if len(unknown) > 3 else "")
    return finite, [f"config.yaml is of another version: this one has no option {names}"] if unknown else []


def _seconds(stamp: str, form: str = "") -> float | None:
    """A time since 1970 from a text of UTC."""
    try:
        found = datetime.strptime(stamp, form) if form else datetime.fromisoformat(stamp)
        seconds = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return seconds if 0 <= seconds < LATEST_SECONDS else None


def _facts(status: Status) -> dict[str, Any]:
    """Fields of the row from the documents of a run."""
    request, progress, outcome = status.request, status.progress, status.outcome
    versions = request.versions if request else {}
    return {
        "started": (request and _seconds(request.created)) or _seconds(status.run.id[:15], "%Y%m%d-%H%M%S"),
        "ended": _seconds(outcome.ended) if outcome else None,
        "duration_seconds": _finite(progress.elapsed_seconds) if progress else None,
        "split": text(request.split_fingerprint) if request else "",
        "config": text(request.config_name) if request else "",
        "epoch": _whole(progress.epoch) if progress else 0,
        "epochs": _whole(progress.epochs) if progress else 0,
        "device": text(progress.device) if progress else "",
        "version": text(versions.get("wakeword-studio")),
        "torch": text(versions.get("torch")),
        "attempt": _whole(status.attempt),
    }


def _finite(value: object) -> float | None:
    """A number that can be compared and written, else None; integers in a file may have any length."""
    return float(value) if isinstance(value, (int, float)) and abs(value) <= LARGEST else None


def _whole(number: int) -> int:
    return number if abs(number) <= LARGEST else 0


def _measured(rows: Columns, status: Status) -> dict[str, Any]:
    """Fields of the row from the epochs: results of the best one, and the course of the loss."""
    best = status.progress.best if status.progress else None
    losses = rows["val_loss"]
    known = np.flatnonzero(np.isfinite(losses))
    if best:
        places = np.flatnonzero(rows["epoch"] == best.epoch)[-1:]
    else:
        places = known[np.argsort(losses[known], kind="stable")[:1]]
    found: dict[str, Any] = {"losses": _thinned(losses[known]), "stream_miss_rate": _in_stream(status)}
    if best:
        found |= {"best_epoch": _whole(best.epoch), "val_loss": _finite(best.val_loss)}
    for place in places.tolist():
        epoch, val_loss, accuracy, fpr, fnr, f1 = (_finite(float(rows[name][place])) for name in MEASURES)
        found |= {"best_epoch": epoch and int(epoch), "val_loss": val_loss}
        found |= {"accuracy": accuracy, "fpr": fpr, "fnr": fnr, "f1": f1}
    return found


def _in_stream(status: Status) -> float | None:
    """The miss rate in the validation stream: of the best epoch, else when it was last scored."""
    progress = status.progress
    if progress and progress.best and progress.best.miss_rate is not None:
        return _finite(progress.best.miss_rate)
    return _finite(progress.last_stream.get("miss_rate")) if progress and progress.last_stream else None


def _thinned(losses: metrics.Numbers) -> tuple[float, ...]:
    """At most `MOST_LOSSES` of them, the first and the last among them, in four digits."""
    places = np.unique(np.linspace(0, len(losses) - 1, min(MOST_LOSSES, len(losses))).round().astype(int))
    return tuple(float(f"{value:.4g}") for value in losses[places].tolist())


def evaluation_files(run: Run) -> list[str]:
    """Files of the evaluations of a run, relative to its folder, including unfinished ones."""
    try:
        names = sorted(path.name for path in (run.folder / "evaluation").iterdir())
    except OSError:
        return []
    files = ("", "/evaluation.json", "/streams.json", "/tracks.npz")
    return [f"evaluation/{name}{file}" for name in names for file in files]


def _operating_point(status: Status, rows: Columns) -> dict[str, Any]:
    """The operating point of a run, and those of its numbers that runs are searched and sorted by."""
    point = operating_point.of_run(
        status, epoch_row=lambda run, epoch: metrics.epoch_row(rows, run.metrics_file, epoch)
    )
    if point is None:
        return {}
    document = point.model_dump(mode="json")
    named = ("threshold", "miss_rate", "false_accepts_per_hour", "hours", "evaluation")
    measured_on = point.measured_on or ""
    return {name: document[name] for name in named} | {"measured_on": measured_on, "operating_point": document}
