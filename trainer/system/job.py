"""Jobs: commands that a page starts in a process of their own (demo, scan, split, evaluate), with their progress.

A job is one file, `data/jobs/<verb>.json`: written once by who starts it, from then on by the job's process alone, and
read by every page. So the work goes on when the browser or the server is gone, and a page opened later shows the same.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Literal

from pydantic import BaseModel, ValidationError

from trainer.system import durable, liveness, processes
from trainer.system.liveness import Witness
from trainer.system.processes import Life, ProcessIdentity
from trainer.system.workspace import Workspace

Report = Callable[[int, int, str], None]
"""Tells progress: done, total (0: not known yet), what is being done in a few words."""

Verb = Literal[
    "demo", "scan", "split", "import", "synthesise", "mend", "preview", "probe", "export", "evaluate", "pack", "unpack"
]


ENDING_SECONDS = 5.0
"""How long a start waits for the process of the job before it, which has had its last word and still ends."""


class Job(BaseModel):
    """What the file of a job says; `state` is what was last written, see `read` for the truth: `unknown` is never
    written."""

    verb: Verb
    boot_id: str
    host: str = ""
    machine_id: str = ""
    clock: float
    identity: ProcessIdentity | None = None
    state: Literal["running", "done", "failed", "cancelled", "unknown"] = "running"
    done: int = 0
    total: int = 0
    doing: str = ""
    message: str = ""


def _file(workspace: Workspace, verb: Verb) -> Path:
    return workspace.jobs / f"{verb}.json"


def _lock_file(workspace: Workspace, verb: Verb) -> Path:
    """Locked by the process that starts the job, then by the job as long as it lives."""
    return workspace.jobs / f"{verb}.job.lock"


def _cancel_file(workspace: Workspace, verb: Verb) -> Path:
    """Exists when the job should end and its process could not be signalled."""
    return workspace.jobs / f"{verb}.cancel"


def _life(workspace: Workspace, job: Job) -> Life:
    """Whether the job's process lives, or starts."""
    witness = Witness(
        lock=_lock_file(workspace, job.verb),
        boot_id=job.boot_id,
        host=job.host,
        machine_id=job.machine_id,
        identities=(job.identity,) if job.identity else (),
        beats=(_file(workspace, job.verb),),
    )
    return liveness.life(witness)


def _begun(verb: Verb, identity: ProcessIdentity | None = None) -> Job:
    """A job of this machine that begins now."""
    return Job(
        verb=verb,
        boot_id=processes.boot_id(),
        host=socket.gethostname(),
        machine_id=processes.machine_id(),
        clock=processes.boot_clock(),
        identity=identity,
    )


def _written(workspace: Workspace, verb: Verb) -> Job | None:
    try:
        return Job.model_validate(durable.read_json(_file(workspace, verb)))
    except ValidationError:
        return None


def read(workspace: Workspace, verb: Verb) -> Job | None:
    """The newest job of this verb; one whose process died without a last word has failed. None: never started."""
    job = _written(workspace, verb)
    if job is None or job.state != "running":
        return job
    life = _life(workspace, job)
    if life == "alive":
        return job
    if _written(workspace, verb) != job:  # its last word came between the two looks
        return read(workspace, verb)
    if life == "dead":
        message = f"The {verb} job ended unexpectedly. Start it again; see its log: {log_file(workspace, verb)}"
        return job.model_copy(update={"state": "failed", "message": message})
    message = (
        f"The state of the {verb} job is unknown: it was started on {job.host or 'another machine'}, whose "
        "processes cannot be checked from here. If it has ended, start it again."
    )
    return job.model_copy(update={"state": "unknown", "message": message})


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
        with processes.exclusive_lock(_lock_file(workspace, verb), ENDING_SECONDS) as lock:
            _cancel_file(workspace, verb).unlink(missing_ok=True)
            _write(workspace, _begun(verb))
            command = ["-m", "trainer", "--root", str(workspace.root), verb, *arguments, "--job"]
            processes.start_detached(command, log_file(workspace, verb), processes.handing_over(lock))


def cancel(workspace: Workspace, verb: Verb) -> None:
    """Ask a job to end; it tidies up and says so. Does nothing when none runs.

    One that cannot be signalled from here, or has no process yet, finds a file when it next tells its progress.
    """
    found = read(workspace, verb)
    if found is None or found.state not in ("running", "unknown"):
        return
    if found.identity is None or not processes.send_signal(found.identity, signal.SIGTERM):
        _cancel_file(workspace, verb).touch()


def _write(workspace: Workspace, job: Job) -> None:
    durable.replace_json(_file(workspace, job.verb), job.model_dump())


def _interrupted(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def run(workspace: Workspace, verb: Verb, work: Callable[[Report], str]) -> None:
    """In the job's process: do the work, keep the file current, leave its last word there. Errors go to the log too."""
    workspace.jobs.mkdir(parents=True, exist_ok=True)
    if processes.handed_over() is None:
        processes.try_lock(_lock_file(workspace, verb))  # held until we end
    job, last = _begun(verb, processes.identity_of(os.getpid())), 0.0

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
            if _cancel_file(workspace, verb).exists():
                raise KeyboardInterrupt

    write()
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        message = work(report)
    except KeyboardInterrupt:
        left = "Nothing was saved." if verb in ("evaluate", "pack", "unpack") else "The clips are unchanged."
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
