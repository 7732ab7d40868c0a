"""A job: work on the data set that a page asks for (demo, scan, split), done by a process of its own.

A job is one file, `data/jobs/<verb>.json`, written only by the job's process and read by every page, so the work
goes on when the browser or the server is gone, and a page opened later shows the same progress.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from trainer import durable, processes
from trainer.workspace import Workspace

Report = Callable[[int, int, str], None]
"""Tells progress: done, total (0: not known yet), what is being done in a few words."""

Verb = Literal["demo", "scan", "split"]


class Job(BaseModel):
    """What the file of a job says; `state` is what its process last wrote, see `read` for the truth."""

    verb: Verb
    identity: processes.ProcessIdentity
    state: Literal["running", "done", "failed"] = "running"
    done: int = 0
    total: int = 0
    doing: str = ""
    message: str = ""


def _file(workspace: Workspace, verb: Verb) -> Path:
    return workspace.jobs / f"{verb}.json"


def read(workspace: Workspace, verb: Verb) -> Job | None:
    """The newest job of this verb; one whose process died without a last word has failed. None: never started."""
    try:
        job = Job.model_validate(durable.read_json(_file(workspace, verb)))
    except ValidationError:
        return None
    if job.state == "running" and not processes.is_alive(job.identity):
        return job.model_copy(
            update={
                "state": "failed",
                "message": f"The {verb} job ended unexpectedly. Start it again; its log: {log_file(workspace, verb)}",
            }
        )
    return job


def log_file(workspace: Workspace, verb: Verb) -> Path:
    return workspace.jobs / f"{verb}.log"


def start(workspace: Workspace, verb: Verb, arguments: list[str]) -> None:
    """Start `python -m trainer VERB ARGUMENTS` as a job; returns once it has written its file.

    Does nothing while one of this verb runs.

    Raises OSError when the data folder cannot be written.
    """
    workspace.jobs.mkdir(parents=True, exist_ok=True)
    with processes.exclusive_lock(workspace.jobs / "lock"):
        current = read(workspace, verb)
        if current and current.state == "running":
            return
        _file(workspace, verb).unlink(missing_ok=True)
        processes.start_detached(
            ["-m", "trainer", "--root", str(workspace.root), verb, *arguments, "--job"], log_file(workspace, verb), {}
        )
        for _ in range(100):  # the interpreter needs a moment; without this the page would draw as if nothing began
            if _file(workspace, verb).exists():
                return
            time.sleep(0.05)


def run(workspace: Workspace, verb: Verb, work: Callable[[Report], str]) -> None:
    """In the job's process: do the work, keep the file current, leave its last word there. Errors go to the log too."""
    workspace.jobs.mkdir(parents=True, exist_ok=True)
    job = Job(verb=verb, identity=processes.identity_of(os.getpid()))
    last = 0.0

    def write(**changes: object) -> None:
        nonlocal job
        job = job.model_copy(update=changes)
        durable.replace_json(_file(workspace, verb), job.model_dump())

    def report(done: int, total: int, doing: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= 0.25:  # four writes a second are enough for an eye
            last = now
            write(done=done, total=total, doing=doing)

    write()
    try:
        message = work(report)
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
