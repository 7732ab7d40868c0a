"""The run folder: its paths, finding runs, and the status of a run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.run import documents
from trainer.run.documents import Beat, Control, Notes, Outcome, Processes, Progress, Request
from trainer.run.state import ACTIVE, Facts, State, Want, derive
from trainer.system import durable, liveness, processes
from trainer.system.liveness import Witness
from trainer.system.processes import Life, ProcessIdentity
from trainer.system.workspace import Workspace

ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{4}")
TRASH = ".trash"
"""The folder of deleted runs, in the folder of all runs."""


@dataclass(frozen=True)
class Run:
    """One run: a folder named by its id, in the runs folder of a workspace or in its trash."""

    folder: Path

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def workspace(self) -> Workspace:
        """The workspace that the run belongs to, also while it is in the trash."""
        folder = self.folder.parent
        return Workspace((folder.parent if folder.name == TRASH else folder).parent)

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
        """Held while an action is requested and while an attempt starts or ends."""
        return self.folder / ".control.lock"

    @property
    def resume_lock(self) -> Path:
        """Held during a resume, so that only one process resumes the run."""
        return self.folder / ".resume.lock"

    @property
    def supervisor_lock(self) -> Path:
        """Held by the supervisor and its trainer while either lives."""
        return self.folder / ".supervisor.lock"

    @property
    def attempts(self) -> Path:
        """The outcomes of earlier attempts: a folder for each, named by its number."""
        return self.folder / "attempts"

    @property
    def progress_file(self) -> Path:
        return self.folder / "progress.json"

    @property
    def beat_file(self) -> Path:
        return self.folder / "beat.json"

    @property
    def metrics_file(self) -> Path:
        return self.folder / "metrics.jsonl"

    @property
    def timing_file(self) -> Path:
        return self.folder / "timing.jsonl"

    @property
    def label_scores_file(self) -> Path:
        return self.folder / "label_scores.json"

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
    """One reading of a run: its documents and its state."""

    run: Run
    state: State
    attempt: int
    device: str | None
    request: Request | None
    progress: Progress | None
    outcome: Outcome | None
    label: str
    host: str
    """The host name of the machine; empty when unknown."""
    silent_seconds: float | None
    """Seconds since the last activity of its trainer; None when unknown."""


def label(run: Run, request: Request | None) -> str:
    """The name in its notes, else the label of its start, else its id."""
    notes = durable.read_document(Notes, run.notes_file)
    return (notes.name if notes else "") or (request.label if request else "") or run.id


def word(run: Run) -> str:
    """The word that a run listens for, as far as its name tells; empty when it has none."""
    name = label(run, durable.read_document(Request, run.request_file))
    return "" if name == run.id else name


def is_gone(run: Run) -> bool:
    """Whether the folder of a started run was deleted or moved: its configuration is gone.

    The folder itself is no proof: a deleted one remains while a process writes into it.
    """
    try:
        run.config_file.stat()
    except OSError as error:  # a disk error is no proof
        return isinstance(error, FileNotFoundError | NotADirectoryError)
    return False


def all_runs(workspace: Workspace) -> list[Run]:
    """Every run folder, newest first; folders with other names are ignored."""
    folders = workspace.runs.iterdir() if workspace.runs.is_dir() else ()
    every = [Run(path) for path in folders if ID.fullmatch(path.name) and path.is_dir()]
    return sorted(every, key=lambda run: run.id, reverse=True)


def by_id(workspace: Workspace, run_id: str) -> Run | None:
    """The run with exactly this id; None for any other text, such as a path."""
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
            f"{text!r} matches {len(matching)} runs, {matching[-1].id} to {matching[0].id}. Give more of the id."
        )
    raise ValueError(f"There is no run {text!r}; the newest is {every[0].id}. List them with: python -m trainer runs")


def beats(run: Run) -> tuple[Path, ...]:
    """The files that a live run updates regularly."""
    return run.beat_file, run.progress_file


def _identities(process: Processes | None) -> tuple[ProcessIdentity, ...]:
    return tuple(each for each in (process.supervisor, process.trainer) if each) if process else ()


def _trainer_known(process: Processes) -> bool:
    """Whether the run has a device. If all processes are dead but the run is alive, another attempt is starting."""
    return bool(process.device or process.trainer) and liveness.check_identities(_identities(process)) != "dead"


def _life(run: Run, request: Request | None, process: Processes | None) -> Life:
    """Whether the supervisor or the trainer of a run is alive."""
    if process and process.gone:
        return "dead"
    source = process or request
    witness = Witness(
        lock=run.supervisor_lock,
        boot_id=source.boot_id if source else "",
        host=source.host if source else "",
        machine_id=source.machine_id if source else "",
        identities=_identities(process),
        beats=beats(run),
    )
    return liveness.life(witness)


def _silent_seconds(process: Processes, progress: Progress | None, beat: Beat | None) -> float | None:
    """Seconds since the last activity of the trainer of this attempt.

    The present is the clock since boot; for a run with another boot clock, it is the last beat of its supervisor.
    """
    reported = progress.beat if progress and progress.attempt == process.attempt else process.clock
    beat = beat if beat and beat.attempt == process.attempt else None
    if process.boot_id == processes.boot_id() and process.supervisor.namespaces in ("", processes.namespaces()):
        now = processes.boot_clock()
    elif beat:
        now = beat.clock
    else:
        return None
    return now - max(reported, process.clock, beat.working if beat else 0.0)


def status(run: Run) -> Status:
    """Read the status of a run.

    Processes are checked before the outcome is read: a dead process has written everything it ever will, so a run that
    ends between the two is never reported as lost.
    """
    request = durable.read_document(Request, run.request_file)
    begun = run.process_file.exists()
    process = durable.read_document(Processes, run.process_file)
    life = _life(run, request, process)
    outcome = durable.read_document(Outcome, run.outcome_file)
    damaged = request is None or (outcome is None and durable.is_damaged(Outcome, run.outcome_file))
    attempt = max(1, documents.newest_attempt(run.folder))
    if process and process.attempt < attempt:
        return status(run)  # another attempt has started since
    if outcome and outcome.attempt != attempt:
        outcome = None  # of an earlier attempt
    progress = durable.read_document(Progress, run.progress_file)
    silent = _silent_seconds(process, progress, durable.read_document(Beat, run.beat_file)) if process else None
    facts = Facts(
        # A live run can still be paused and stopped, so its state matters more than a damaged file.
        readable=not damaged or processes.is_locked(run.supervisor_lock),
        outcome=outcome.state if outcome else None,
        life=life,
        trainer_known=_trainer_known(process) if process else begun,
        suspended=process is not None and _is_suspended(process),
        want=wanted(run, attempt),
        silent_seconds=silent,
    )
    host = process.host if process else request.host if request else ""
    device = process.device if process else None
    return Status(run, derive(facts), attempt, device, request, progress, outcome, label(run, request), host, silent)


def _is_suspended(process: Processes) -> bool:
    """Whether the trainer, or the supervisor while it waits, is suspended."""
    acting = process.trainer if process.trainer and processes.is_alive(process.trainer) else process.supervisor
    return processes.is_suspended(acting)


def wanted(run: Run, attempt: int) -> Want | None:
    """The requested action of this attempt; None without a request."""
    control = durable.read_document(Control, run.control_file)
    return control.want if control and control.attempt == attempt else None


def document(status: Status) -> dict[str, Any]:
    """The status as JSON: rates from 0 to 1, times in seconds, None for unknown values."""
    progress = status.progress or Progress(attempt=1, beat=0, phase="")
    last, best = progress.last_epoch or {}, progress.best
    return {
        "run": status.run.id,
        "label": status.label,
        "state": status.state,
        "epoch": progress.epoch,
        "epochs": progress.epochs,
        "batch": progress.batch,
        "batches": progress.batches,
        "train_loss": progress.train_loss,
        "train_accuracy": progress.train_accuracy,
        **{name: last.get(name) for name in ("val_loss", "val_accuracy", "fpr", "fnr", "f1")},
        "clips_per_second": progress.clips_per_second,
        "eta_seconds": progress.eta_seconds if status.state in ACTIVE else None,
        "elapsed_seconds": progress.elapsed_seconds,
        "device": progress.device,
        "best": best and {**best.model_dump(), "checkpoint": str(status.run.checkpoints / best.checkpoint)},
        "outcome": status.outcome
        and {name: getattr(status.outcome, name) for name in ("state", "reason", "exit_code", "signal")},
        "folder": str(status.run.folder),
    }
