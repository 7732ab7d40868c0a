"""The JSON documents of a run folder: the writer and content of each, and the disk reserve for the last of them."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from trainer.run.state import Ended, Want
from trainer.system import durable
from trainer.system.processes import ProcessIdentity

RESERVE = "reserve"
RESERVE_BYTES = 64 << 10


def keep_reserve(folder: Path) -> None:
    """Reserve disk space with random bytes, which no file system compresses; a full disk gets no reserve."""
    with suppress(OSError):
        durable.replace_bytes(folder / RESERVE, os.urandom(RESERVE_BYTES))


def release_reserve(folder: Path) -> None:
    """Free the reserved disk space."""
    with suppress(OSError):
        (folder / RESERVE).unlink(missing_ok=True)


def write_with_reserve(path: Path, document: object) -> None:
    """Replace a JSON document of the run folder; on a full disk, use the reserve. Raises OSError."""
    try:
        durable.replace_json(path, document)
    except OSError:
        release_reserve(path.parent)
        durable.replace_json(path, document)


FailureKind = Literal[
    "gpu_memory",
    "host_memory",
    "gpu_lost",
    "disk_full",
    "disk_error",
    "read_only",
    "too_many_files",
    "folder_gone",
    "clip_missing",
    "clip_unreadable",
    "not_finite",
    "killed",
    "crashed",
    "lost",
    "other",
]


class Failure(BaseModel, frozen=True):
    """One failure: `path` is the file, folder or clip concerned, `free_bytes` the free memory or disk space."""

    kind: FailureKind
    path: str = ""
    free_bytes: int | None = None


class Request(BaseModel, frozen=True):
    """request.json, written by the page or the command line before the start; `created` is UTC, `clock` since boot.

    `host` and `machine_id` are "" in files of earlier versions.
    """

    label: str
    config_name: str
    form: str
    token: str
    created: str
    boot_id: str
    host: str = ""
    machine_id: str = ""
    clock: float
    split_fingerprint: str
    versions: dict[str, str]
    warnings: list[str] = []
    """The warnings before the start."""


class Processes(BaseModel, frozen=True):
    """process.json, written by the supervisor."""

    attempt: int = Field(ge=1)
    host: str
    machine_id: str = ""
    boot_id: str
    supervisor: ProcessIdentity
    trainer: ProcessIdentity | None = None
    device: str | None = None
    """The device whose slot it holds: `cpu`, `gpu0`; None while it waits for one."""
    clock: float
    gone: bool = False
    """Whether the folder comes from an archive, so that none of its processes is alive."""


class Beat(BaseModel, frozen=True):
    """beat.json, written by the supervisor every two seconds; times in seconds since boot."""

    attempt: int
    clock: float
    working: float
    """When the trainer last showed activity: it reported, used the processor or waited for it."""


class Outcome(BaseModel, frozen=True):
    """outcome.json, written by the supervisor once per attempt."""

    attempt: int
    state: Ended
    reason: str
    exit_code: int | None = None
    signal: str | None = None
    ended: str
    failure: Failure | None = None


class Control(BaseModel, frozen=True):
    """control.json, written by the page or the command line: the requested action; `sequence` counts requests."""

    attempt: int = 1
    want: Want
    sequence: int
    clock: float


class Best(BaseModel, frozen=True):
    """The best epoch so far; `checkpoint` is a file name in checkpoints/, `by` the measure that chose it, which is
    `training.best_by` (empty where an earlier version wrote it)."""

    epoch: int
    val_loss: float
    val_accuracy: float | None
    checkpoint: str = Field(pattern=r"^epoch-\d{1,9}(-batch-\d{1,9})?\.pt$")
    f1: float | None = None
    miss_rate: float | None = None
    robust_loss: float | None = None
    by: str = ""


class Progress(BaseModel, frozen=True):
    """progress.json, written by the trainer at most twice a second. Rates from 0 to 1, times in seconds."""

    attempt: int
    beat: float
    phase: str
    doing: str = ""
    device: str = ""
    epoch: int = 0
    epochs: int = 0
    batch: int = 0
    batches: int = 0
    train_loss: float | None = None
    train_accuracy: float | None = None
    clips_per_second: float | None = None
    eta_seconds: float | None = None
    elapsed_seconds: float = 0.0
    """Of all attempts together, without the time between them."""
    times: dict[str, float] = {}
    """The latest durations of the parts of a training, from which `eta_seconds` follows: see engine.eta."""
    reading: dict[str, Any] | None = None
    last_epoch: dict[str, Any] | None = None
    last_stream: dict[str, Any] | None = None
    """The row of the last epoch that was scored on the validation stream."""
    best: Best | None = None
    ended: Ended | None = None
    reason: str = ""
    failure: Failure | None = None


class Notes(BaseModel):
    """notes.json, written by the page or the command line: a user's notes on a run. `name` replaces the label of the
    start. Fields of later versions are kept."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""
    starred: bool = False
    archived: bool = False


def newest_attempt(folder: Path) -> int:
    """The number of the newest attempt of the run in this folder; 0 when none has begun.

    If process.json is damaged, it is the highest number in the other files: with a number that is too low, the next
    attempt would not continue from the checkpoint.
    """
    if process := durable.read_document(Processes, folder / "process.json"):
        return process.attempt
    damaged = (folder / "process.json").exists()
    attempts = [int(path.name) for path in (folder / "attempts").glob("*") if path.name.isdecimal()]
    if outcome := durable.read_document(Outcome, folder / "outcome.json"):
        attempts.append(outcome.attempt)
    if progress := durable.read_document(Progress, folder / "progress.json"):
        attempts.append(progress.attempt)
    # a request may precede the first attempt, so on its own it proves none
    if damaged and (control := durable.read_document(Control, folder / "control.json")):
        attempts.append(control.attempt)
    return max(attempts, default=int(damaged))
