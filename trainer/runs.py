"""The run folder: its paths, finding runs, and the status of a run as everybody reads it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainer import attempts, documents, processes
from trainer.documents import Control, Notes, Outcome, Processes, Progress, Request
from trainer.state import Facts, State, Want, derive
from trainer.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{4}")


@dataclass(frozen=True)
class Run:
    """One run: a folder named by its id."""

    folder: Path

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def request_file(self) -> Path:
        return self.folder / "request.json"

    @property
    def config_file(self) -> Path:
        return self.folder / "config.yaml"

    @property
    def control_file(self) -> Path:
        return self.folder / "control.json"

    @property
    def process_file(self) -> Path:
        return self.folder / "process.json"

    @property
    def outcome_file(self) -> Path:
        return self.folder / "outcome.json"

    @property
    def notes_file(self) -> Path:
        return self.folder / "notes.json"

    @property
    def control_lock(self) -> Path:
        """Held by whoever decides what comes next: a wish that is left, an attempt that begins or ends."""
        return self.folder / ".control.lock"

    @property
    def resume_lock(self) -> Path:
        """Held by whoever lets the run go on, so that only one does."""
        return self.folder / ".resume.lock"

    @property
    def supervisor_lock(self) -> Path:
        """Held by the supervisor and its trainer for as long as either lives."""
        return self.folder / ".supervisor.lock"

    @property
    def attempts(self) -> Path:
        """How earlier attempts ended: a folder for each, named by its number."""
        return self.folder / "attempts"

    @property
    def progress_file(self) -> Path:
        return self.folder / "progress.json"

    @property
    def metrics_file(self) -> Path:
        return self.folder / "metrics.jsonl"

    @property
    def timing_file(self) -> Path:
        return self.folder / "timing.jsonl"

    @property
    def log_file(self) -> Path:
        return self.folder / "train.log"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def model(self) -> Path:
        return self.folder / "model"


@dataclass(frozen=True)
class Status:
    """One reading of a run: its documents and the state that follows from them."""

    run: Run
    state: State
    attempt: int
    device: str | None
    request: Request | None
    progress: Progress | None
    outcome: Outcome | None
    label: str


def label(run: Run, request: Request | None) -> str:
    """The name it was given since, else the label it was started with, else its id."""
    notes = documents.read(Notes, run.notes_file)
    return (notes.name if notes else "") or (request.label if request else "") or run.id


def is_gone(run: Run) -> bool:
    """Whether the folder of a run that was started was deleted or moved: its configuration is not there any more.

    That the folder itself is there says less: one that is being deleted stays as long as something writes into it.
    """
    try:
        run.config_file.stat()
    except OSError as error:  # a disk that does not answer tells nothing
        return isinstance(error, FileNotFoundError | NotADirectoryError)
    return False


def all_runs(workspace: Workspace) -> list[Run]:
    """Every run folder, newest first; folders with other names are not ours."""
    folders = workspace.runs.iterdir() if workspace.runs.is_dir() else ()
    found = [Run(path) for path in folders if ID.fullmatch(path.name) and path.is_dir()]
    return sorted(found, key=lambda run: run.id, reverse=True)


def by_id(workspace: Workspace, run_id: str) -> Run | None:
    """The run with exactly this id; anything that is no id (a path, say) is no run."""
    run = Run(workspace.runs / run_id) if ID.fullmatch(run_id) else None
    return run if run and run.folder.is_dir() else None


def find(workspace: Workspace, text: str) -> Run:
    """The run that `text` names: an id, an unambiguous start of one, or `latest`. Raises ValueError."""
    if not (every := all_runs(workspace)):
        first = "Start one with: python -m trainer train recommended"
        raise ValueError(f"There are no runs in {workspace.runs} yet. {first}")
    matching = every[:1] if text == "latest" else [run for run in every if text and run.id.startswith(text)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise ValueError(
            f"{text!r} fits {len(matching)} runs, {matching[-1].id} to {matching[0].id}; give more of the id."
        )
    raise ValueError(f"There is no run {text!r}; the newest is {every[0].id}. List them with: python -m trainer runs")


def _beat_age(run: Run, found: Processes, progress: Progress | None) -> float | None:
    """Seconds since the trainer was last heard of; on another host only the file's own time can be compared."""
    if not processes.is_this_host(found.supervisor):
        return _file_age(run.progress_file)
    beat = progress.beat if progress and progress.attempt == found.attempt else found.clock
    return processes.boot_clock() - max(beat, found.clock)


def _file_age(path: Path) -> float | None:
    try:
        return abs(time.time() - path.stat().st_mtime)
    except OSError:
        return None


def _request_age(request: Request | None) -> float:
    if request is None or request.boot_id != processes.boot_id():
        return float("inf")
    return processes.boot_clock() - request.clock


def status(run: Run) -> Status:
    """Read a run once.

    Processes are looked at before the outcome: whoever is seen dead has written all that it ever will, so a run that
    ends between two reads is never taken for lost.
    """
    request = documents.read(Request, run.request_file)
    begun = run.process_file.exists()
    found = documents.read(Processes, run.process_file)
    held = begun and found is None and processes.is_locked(run.supervisor_lock)  # it is damaged: ask the kernel
    trainer = found.trainer if found else None
    supervisor_alive = held or (found is not None and processes.is_alive(found.supervisor))
    trainer_alive = trainer is not None and processes.is_alive(trainer)
    acting = trainer if trainer_alive or not found else found.supervisor
    outcome = documents.read(Outcome, run.outcome_file)
    damaged = request is None or (outcome is None and documents.is_damaged(Outcome, run.outcome_file))
    attempt = max(1, attempts.newest(run.folder))
    if found and found.attempt < attempt:
        return status(run)  # another attempt has begun while we looked
    if outcome and outcome.attempt != attempt:
        outcome = None  # how an earlier attempt ended
    progress = documents.read(Progress, run.progress_file)
    facts = Facts(
        # What lives can still be paused and stopped, so it is that which is told, and not that a file is damaged.
        readable=not damaged or processes.is_locked(run.supervisor_lock),
        outcome=outcome.state if outcome else None,
        has_process=begun or found is not None,
        this_host=found is None or processes.is_this_host(found.supervisor),
        supervisor_alive=supervisor_alive,
        trainer_alive=trainer_alive,
        trainer_known=trainer is not None or held,
        suspended=acting is not None and processes.is_suspended(acting),
        want=wish(run, attempt),
        beat_age=_beat_age(run, found, progress) if found else None,
        request_age=_request_age(request),
    )
    state, device = derive(facts), found.device if found else None
    return Status(run, state, attempt, device, request, progress, outcome, label(run, request))


def wish(run: Run, attempt: int) -> Want | None:
    """What the user wants of this attempt of a run now; None when nothing was ever said."""
    control = documents.read(Control, run.control_file)
    return control.want if control and control.attempt == attempt else None


def table(root: str | Path | None = None) -> pd.DataFrame:
    """Every run as a line of a pandas frame: see `trainer.run_frames.table`."""
    from trainer import run_frames  # it is built upon this module

    return run_frames.table(root)


def metrics(run: str | Run, root: str | Path | None = None) -> pd.DataFrame:
    """The epochs of a run as the lines of a pandas frame: see `trainer.run_frames.metrics`."""
    from trainer import run_frames

    return run_frames.metrics(run, root)
