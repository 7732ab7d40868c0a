"""A job: work that a page asks for (demo, scan, split, evaluate), done by a process of its own.

A job is one file, `data/jobs/<verb>.json`: written once by who starts it, from then on by the job's process alone, and
read by every page. So the work goes on when the browser or the server is gone, and a page opened later shows the same.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Literal

from pydantic import BaseModel, ValidationError

from trainer import durable, processes
from trainer.workspace import Workspace

Report = Callable[[int, int, str], None]
"""Tells progress: done, total (0: not known yet), what is being done in a few words."""

Verb = Literal[
    "demo", "scan", "split", "import", "synthesise", "mend", "preview", "probe", "export", "evaluate", "pack", "unpack"
]


STARTING_SECONDS = 30.0
"""How long a job may have no process yet: its interpreter is starting."""


class Job(BaseModel):
    """What the file of a job says; `state` is what was last written, see `read` for the truth."""

    verb: Verb
    boot_id: str
    clock: float
    identity: processes.ProcessIdentity | None = None
    state: Literal["running", "done", "failed", "cancelled"] = "running"
    done: int = 0
    total: int = 0
    doing: str = ""
    message: str = ""


def _file(workspace: Workspace, verb: Verb) -> Path:
    return workspace.jobs / f"{verb}.json"


def _alive(job: Job) -> bool:
    """Whether the job's process lives, or may still be starting."""
    if job.identity:
        return processes.is_alive(job.identity)
    return job.boot_id == processes.boot_id() and processes.boot_clock() - job.clock < STARTING_SECONDS


def _written(workspace: Workspace, verb: Verb) -> Job | None:
    try:
        return Job.model_validate(durable.read_json(_file(workspace, verb)))
    except ValidationError:
        return None


def read(workspace: Workspace, verb: Verb) -> Job | None:
    """The newest job of this verb; one whose process died without a last word has failed. None: never started."""
    job = _written(workspace, verb)
    if job and job.state == "running" and not _alive(job):
        if _written(workspace, verb) != job:  # its last word came between the two looks
            return read(workspace, verb)
        message = f"The {verb} job ended unexpectedly. Start it again; its log: {log_file(workspace, verb)}"
        return job.model_copy(update={"state": "failed", "message": message})
    return job


def log_file(workspace: Workspace, verb: Verb) -> Path:
    return workspace.jobs / f"{verb}.log"


def start(workspace: Workspace, verb: Verb, arguments: list[str]) -> None:
    """Start `python -m trainer VERB ARGUMENTS` as a job; does nothing while one of this verb runs.

    Raises OSError when the data folder cannot be written, subprocess.SubprocessError when no process could be started.
    """
    workspace.jobs.mkdir(parents=True, exist_ok=True)
    with processes.exclusive_lock(workspace.jobs / "lock"):
        current = read(workspace, verb)
        if current and current.state == "running":
            return
        _write(workspace, Job(verb=verb, boot_id=processes.boot_id(), clock=processes.boot_clock()))
        command = ["-m", "trainer", "--root", str(workspace.root), verb, *arguments, "--job"]
        processes.start_detached(command, log_file(workspace, verb), {})


def cancel(workspace: Workspace, verb: Verb) -> None:
    """Ask a job to end; it tidies up and says so. Does nothing when none runs."""
    found = read(workspace, verb)
    if found and found.state == "running" and found.identity:
        processes.send_signal(found.identity, signal.SIGTERM)


def _write(workspace: Workspace, job: Job) -> None:
    durable.replace_json(_file(workspace, job.verb), job.model_dump())


def _interrupted(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def run(workspace: Workspace, verb: Verb, work: Callable[[Report], str]) -> None:
    """In the job's process: do the work, keep the file current, leave its last word there. Errors go to the log too."""
    workspace.jobs.mkdir(parents=True, exist_ok=True)
    identity = processes.identity_of(os.getpid())
    job = Job(verb=verb, boot_id=identity.boot_id, clock=processes.boot_clock(), identity=identity)
    last = 0.0

    def write(**changes: object) -> None:
        nonlocal job
        job = job.model_copy(update=changes)
        _write(workspace, job)

    def report(done: int, total: int, doing: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= 0.25:  # four writes a second are enough for an eye
            last = now
            write(done=done, total=total, doing=doing)

    write()
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        message = work(report)
    except KeyboardInterrupt:
        left = "Nothing of it is kept." if verb in ("evaluate", "pack", "unpack") else "The clips are as they were."
        write(state="cancelled", message=f"The {verb} job was cancelled. {left}")
        raise
    except (ValueError, OSError) as error:
        write(state="failed", message=str(error))
        raise
    except BaseException as error:
        write(
            state="failed",
            message=f"{type(error).__name__}: {error}. The full trace is in {log_file(workspace, verb)}.",
        )
        raise
    write(state="done", message=message)
