"""Run folders as a trainer and its supervisor would leave them, without either."""

import math
import os
import signal
from pathlib import Path

from tests.waiting import ticks
from trainer.config import config_file
from trainer.config.schema import Config
from trainer.run import metrics, runs
from trainer.run.documents import Best, Outcome, Processes, Progress, Request
from trainer.run.runs import Run
from trainer.run.state import ACTIVE
from trainer.system import durable, processes
from trainer.system.processes import ProcessIdentity
from trainer.system.workspace import Workspace

CPU = {"cpu_percent": 93.4, "memory_used": 6.5e9, "memory_total": 16.7e9, "process_memory": 1.23e9, "gpu_name": None}
GPU = CPU | {"gpu_name": "NVIDIA X", "gpu_percent": 87.0, "gpu_memory_used": 12.3e9, "gpu_memory_total": 85.5e9}


def epoch_row(epoch: int) -> dict:
    """A row of metrics.jsonl."""
    fade = math.exp(-epoch / 8)
    return {
        "kind": "epoch", "epoch": epoch, "step": 30 * epoch, "train_loss": 0.1 + fade,
        "train_accuracy": 1 - fade / 2, "val_loss": 0.2 + fade, "val_accuracy": 0.99 - fade / 2, "fpr": fade / 4,
        "fnr": fade / 2, "f1": 1 - fade, "true_positives": 88, "false_positives": 7, "true_negatives": 1193,
        "false_negatives": 12, "learning_rate": 0.002,
    }  # fmt: skip


def stream_row(epoch: int) -> dict:
    """What is told of the last stream that was heard."""
    return {"epoch": epoch, "miss_rate": 0.0433, "stream_words": 231, "stream_false_accepts": 0, "stream_hours": 0.391}


def timing_row(epoch: int) -> dict:
    """The row of timing.jsonl beside it."""
    measured = {"seconds": 7.5, "clips_per_second": 1450.0, "elapsed_seconds": 7.5 * epoch, "reading": CPU}
    return {"kind": "epoch", "attempt": 1, "epoch": epoch, **measured}


def dead_process() -> ProcessIdentity:
    return processes.identity_of(os.getpid()).model_copy(update={"start_ticks": 1})


def make_run(workspace: Workspace, number: int = 1, label: str = "", epochs: int = 3, **progress: object) -> Run:
    """A run whose process is gone: add an outcome, or `make_alive`."""
    run = Run(workspace.runs / f"20260101-120000-{number:04x}")
    run.folder.mkdir(parents=True)
    clock = processes.boot_clock()
    request = Request(
        label=label, config_name="mine", form=f"form {number}", token=f"token {number}", split_fingerprint="",
        created="2026-01-01T12:00:00+00:00", boot_id=processes.boot_id(), clock=clock, versions={},
    )  # fmt: skip
    durable.replace_json(run.request_file, request.model_dump())
    durable.replace_bytes(run.config_file, config_file.dump(Config()))
    write_processes(run, dead_process(), clock)
    rows = [epoch_row(epoch) for epoch in range(1, epochs + 1)]
    for row in rows:
        metrics.append(run.metrics_file, row)
        metrics.append(run.timing_file, timing_row(row["epoch"]))
    write_progress(run, rows, **progress)
    run.log_file.write_text("[23:45:18] Starting training...\n")
    return run


def write_processes(run: Run, identity: ProcessIdentity, clock: float) -> None:
    document = Processes(
        attempt=1, host=identity.host, boot_id=identity.boot_id, supervisor=identity, trainer=identity, clock=clock
    )
    durable.replace_json(run.process_file, document.model_dump())


def write_progress(run: Run, rows: list[dict], **changes: object) -> None:
    best = None
    if rows:
        last = rows[-1]
        best = Best(
            epoch=last["epoch"], val_loss=last["val_loss"], val_accuracy=last["val_accuracy"], checkpoint="epoch-3.pt"
        )
    values = {
        "attempt": 1, "beat": processes.boot_clock(), "phase": "training", "epoch": len(rows) + 1, "epochs": 40,
        "batch": 17, "batches": 38, "train_loss": 0.1234, "train_accuracy": 0.9712, "clips_per_second": 1456.7,
        "eta_seconds": 3723.0, "elapsed_seconds": 130.0, "reading": CPU, "last_epoch": rows[-1] if rows else None,
        "best": best, "last_stream": stream_row(len(rows)) if rows else None,
    }  # fmt: skip
    durable.replace_json(run.progress_file, Progress(**(values | changes)).model_dump())


def make_alive(run: Run, silent_seconds: float = 0.0) -> None:
    """Let the run look as if this very process trained it."""
    clock = processes.boot_clock() - silent_seconds
    write_processes(run, processes.identity_of(os.getpid()), clock)
    progress = durable.read_json(run.progress_file)
    assert isinstance(progress, dict)
    durable.replace_json(run.progress_file, progress | {"beat": clock})


def end(run: Run, state: str, reason: str) -> None:
    outcome = Outcome(attempt=1, state=state, reason=reason, ended="2026-01-01T13:00:00+00:00")
    durable.replace_json(run.outcome_file, outcome.model_dump())


def slow_start(started: list[list[str]], held: list[int] | None = None):
    """In place of `processes.start_detached`: notes what was to be started, and holds its locks as a process would that
    has not got any further yet; `held` gets their descriptors."""

    def start_detached(arguments: list[str], log: Path, environment: dict[str, str]):
        started.append(arguments)
        copies = [os.dup(int(environment[name])) for name in environment if name == processes.LOCK_VARIABLE]
        if held is not None:
            held.extend(copies)

    return start_detached


def workspace_at(root: Path) -> Workspace:
    root.mkdir(parents=True, exist_ok=True)
    return Workspace(root)


def end_all(workspace: Workspace) -> None:
    """Kill what trains in this workspace: nothing of a test lives on, nor what has no process yet to be killed by."""
    for run in runs.all_runs(workspace):
        for _ in ticks(30):
            if runs.status(run).state not in ACTIVE:
                break
            found = durable.read_document(Processes, run.process_file)
            for identity in (found.supervisor, found.trainer) if found else ():
                if identity:
                    processes.send_signal(identity, signal.SIGKILL)
