"""Jobs: commands that a page starts in a process of their own (demo, scan, split, evaluate), with their progress.

A job is one file, `data/jobs/<verb>.json`: written once by the process that starts it, then only by the job's own
process, and read by every page. So a job continues without browser and server, and every page shows the same state.
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
"""Reports progress: done, total (0: unknown), and a few words on what is being done."""

Verb = Literal[
    "create",
    "demo",
    "scan",
    "split",
    "import",
    "corpora",
    "voices",
    "synthesise",
    "mend",
    "preview",
    "capture",
    "probe",
    "export",
    "evaluate",
    "pack",
    "unpack",
]
CANCELLED: dict[Verb, str] = {
    "create": "What was made is kept; create the same phrase again to continue.",
    "corpora": "What was downloaded is kept; get it again to continue.",
    "voices": "What was fetched is kept; get it again to continue.",
    "capture": "What was recorded is kept; scan the clips to see it.",
    **dict.fromkeys(("evaluate", "pack", "unpack"), "Nothing was saved."),
}
"""What a cancelled job leaves behind; the others leave the clips unchanged."""


FEW = 20
"""From this total on, work is counted; lower ones number stages, each of which is told at once."""
PACE_SECONDS, PACE_SHARE = 2.0, 0.02
"""The pace of counted work is known after this time and share."""
ENDING_SECONDS = 5.0
"""How long a start waits for the process of the previous job to exit after it has written its end."""


class Job(BaseModel):
    """The file of a job. `state` is what was last written; `read` corrects it. `unknown` is never written."""

    verb: Verb
    boot_id: str
    host: str = ""
    machine_id: str = ""
    clock: float
    identity: ProcessIdentity | None = None
    state: Literal["running", "done", "failed", "cancelled", "unknown"] = "running"
    done: int = 0
    total: int = 0
    counted_from: tuple[float, int] = (0.0, 0)
    """Seconds since boot and `done` when counting up to this total began."""
    doing: str = ""
    message: str = ""


def seconds_left(job: Job) -> float | None:
    """An estimate for what is counted, from its pace so far; None before there is one."""
    since, first = job.counted_from
    seconds, done = processes.boot_clock() - since, job.done - first
    is_early = seconds < PACE_SECONDS or done < PACE_SHARE * (job.total - first)
    if job.total < FEW or job.boot_id != processes.boot_id() or is_early:
        return None
    return seconds / done * max(0, job.total - job.done)


def _file(workspace: Workspace, verb: Verb) -> Path:
    return workspace.jobs / f"{verb}.json"


def _lock_file(workspace: Workspace, verb: Verb) -> Path:
    """Locked by the process that starts the job, then by the job as long as it lives."""
    return workspace.jobs / f"{verb}.job.lock"


def _cancel_file(workspace: Workspace, verb: Verb) -> Path:
    """Exists when the job should end and its process could not be signalled."""
    return workspace.jobs / f"{verb}.cancel"


def _life(workspace: Workspace, job: Job) -> Life:
    """Whether the job's process is alive or starting."""
    witness = Witness(
        lock=_lock_file(workspace, job.verb),
        boot_id=job.boot_id,
        host=job.host,
        machine_id=job.machine_id,
        identities=(job.identity,) if job.identity else (),
        beats=(_file(workspace, job.verb),),
    )
    return liveness.life(witness)


def _new_job(verb: Verb, identity: ProcessIdentity | None = None) -> Job:
    """A job that starts now on this machine."""
    return Job(
        verb=verb,
        boot_id=processes.boot_id(),
        host=socket.gethostname(),
        machine_id=processes.machine_id(),
        clock=processes.boot_clock(),
        identity=identity,
    )


def _read_file(workspace: Workspace, verb: Verb) -> Job | None:
    try:
        return Job.model_validate(durable.read_json(_file(workspace, verb)))
    except ValidationError:
        return None


def read(workspace: Workspace, verb: Verb) -> Job | None:
    """The newest job of this verb, None if there was none; one whose process died before writing its end has failed."""
    job = _read_file(workspace, verb)
    if job is None or job.state != "running":
        return job
    life = _life(workspace, job)
    if life == "alive":
        return job
    if _read_file(workspace, verb) != job:  # it wrote its end between the two reads
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
            _write(workspace, _new_job(verb))
            command = ["-m", "trainer", "--root", str(workspace.root), verb, "--job", *arguments]
            processes.start_detached(command, log_file(workspace, verb), processes.lock_environment(lock))


def cancel(workspace: Workspace, verb: Verb) -> None:
    """Cancel a job, which then cleans up and writes that it was cancelled. Does nothing when none is running.

    A job that cannot be signalled from here, or has no process yet, finds a file at its next progress report.
    """
    job = read(workspace, verb)
    if job is None or job.state not in ("running", "unknown"):
        return
    if job.identity is None or not processes.send_signal(job.identity, signal.SIGTERM):
        _cancel_file(workspace, verb).touch()


def _write(workspace: Workspace, job: Job) -> None:
    durable.replace_json(_file(workspace, job.verb), job.model_dump())


def _interrupted(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def run(workspace: Workspace, verb: Verb, work: Callable[[Report], str]) -> None:
    """Run the work in the job's process and write progress, result or error to its file. Errors also go to the log."""
    workspace.jobs.mkdir(parents=True, exist_ok=True)
    if processes.inherited_lock() is None:
        processes.try_lock(_lock_file(workspace, verb))  # held until this process exits
    job, last = _new_job(verb, processes.identity_of(os.getpid())), 0.0
    counted, counted_from = 0, (0.0, 0)

    def write(**changes: object) -> None:
        nonlocal job
        job = job.model_copy(update=changes)
        _write(workspace, job)

    def report(done: int, total: int, doing: str) -> None:
        nonlocal last, counted, counted_from
        if total != job.total or done < counted:  # the next step
            counted_from = (processes.boot_clock(), done)
        counted = done
        now, is_new = time.monotonic(), total < FEW and doing != job.doing
        if now - last >= 0.25 or is_new:  # at most four writes a second, but each stage that is not counted at once
            last = now
            write(done=done, total=total, doing=doing, counted_from=counted_from)
            if _cancel_file(workspace, verb).exists():
                raise KeyboardInterrupt

    write()
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        message = work(report)
    except KeyboardInterrupt:
        left = CANCELLED.get(verb, "The clips are unchanged.")
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
