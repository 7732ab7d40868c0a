"""Start, pause, stop, resume and extend runs, through the run folder and a detached supervisor."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import secrets
import shutil
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from trainer.config import config_file
from trainer.config.schema import Config
from trainer.run import documents, preflight, run_queue, runs
from trainer.run.documents import Control, Processes, Request
from trainer.run.preflight import CheckedStart
from trainer.run.runs import Run
from trainer.run.state import ACTIVE, State, Want, combine_wants
from trainer.system import devices, durable, processes, regular_file
from trainer.system.workspace import Workspace


def package_versions() -> dict[str, str]:
    """Versions of Python, the system and the packages that affect the result of a training."""
    names = ("wakeword-studio", "torch", "torchaudio", "numpy", "soundfile")
    known = {"python": platform.python_version(), "platform": platform.platform()}
    for name in names:
        try:
            known[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return known


ENDING_SECONDS = 5.0
"""How long a resume waits for the processes of the previous attempt to end."""
BEGIN_SECONDS = 120.0
"""How long a resume waits for the new attempt to begin while its supervisor lives."""
LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Started:
    """A started run; `already` when the same form had started it before."""

    run: Run
    already: bool
    warnings: tuple[str, ...] = ()


def form_of(config: Config, split_fingerprint: str, label: str) -> str:
    """The key of a start: equal for two forms with equal content."""
    return hashlib.sha256(
        b"\0".join([config_file.dump(config), split_fingerprint.encode(), label.encode()])
    ).hexdigest()


def start(workspace: Workspace, config: Config, config_name: str, label: str = "", token: str | None = None) -> Started:
    """Check a start (the only place that does), create the run folder and start its supervisor; returns at once.

    With a `token` (of a form in the browser) the same form starts one run, however often it is sent: a form sent while
    its run is active, or sent again later with the same token, returns that run. Without a token
    (command line) every call starts a run. Raises preflight.StartRefusedError, a ValueError, and OSError.
    """
    check = preflight.check_start(workspace, config)
    form = form_of(check.config, check.split_fingerprint, label)
    with processes.exclusive_lock(workspace.runs / ".start.lock"):
        if token is not None and (earlier := _earlier(workspace, form, token)):
            return Started(earlier, already=True)
        run = _make_folder(workspace)
        request = _request(check, form, token or secrets.token_hex(16), label, config_name)
        choices = devices.choices(check.config.training.device)
        with _held(run) as lock:
            try:
                durable.replace_bytes(run.config_file, config_file.dump(check.config))
                durable.replace_json(run.request_file, request.model_dump())
                run_queue.join(workspace, run, choices)
            except OSError:
                shutil.rmtree(run.folder, ignore_errors=True)  # a partial folder would be listed as a damaged run
                raise
            _start_supervisor(run, choices, lock)
    return Started(run, already=False, warnings=check.warnings)


def _request(check: CheckedStart, form: str, token: str, label: str, config_name: str) -> Request:
    return Request(
        label=label,
        config_name=config_name,
        form=form,
        token=token,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        boot_id=processes.boot_id(),
        host=socket.gethostname(),
        machine_id=processes.machine_id(),
        clock=processes.boot_clock(),
        split_fingerprint=check.split_fingerprint,
        versions=package_versions(),
        warnings=list(check.warnings),
    )


def _earlier(workspace: Workspace, form: str, token: str) -> Run | None:
    """The run that this form has started: the one with this token, or an active one with the same content."""
    asked = [(run, durable.read_document(Request, run.request_file)) for run in runs.all_runs(workspace)]
    own = (run for run, request in asked if request and request.token == token)
    same = (run for run, request in asked if request and request.form == form and runs.status(run).state in ACTIVE)
    return next(own, None) or next(same, None)


def _make_folder(workspace: Workspace) -> Run:
    """Create a folder with a new id; of two processes that choose the same id, one succeeds in `mkdir`."""
    while True:
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        run = Run(workspace.runs / f"{stamp}-{secrets.token_hex(2)}")
        try:
            run.folder.mkdir(mode=0o700)
        except FileExistsError:
            continue
        return run


def ask(run: Run, want: Want) -> None:
    """Request an action of the current attempt, which reads it after every batch; see `state.combine_wants`."""
    with processes.exclusive_lock(run.control_lock):
        attempt = max(1, documents.newest_attempt(run.folder))
        current = durable.read_document(Control, run.control_file)
        known = current if current and current.attempt == attempt else None
        wanted = combine_wants(known.want if known else None, want)
        if known is None or wanted != known.want:
            _write_control(run, attempt, wanted, current.sequence + 1 if current else 1)


def _write_control(run: Run, attempt: int, want: Want, sequence: int) -> None:
    control = Control(attempt=attempt, want=want, sequence=sequence, clock=processes.boot_clock())
    durable.replace_json(run.control_file, control.model_dump())


def stop(run: Run, now: bool) -> State:
    """Stop a run, after this batch (`now`) or epoch; returns its state. Raises ValueError when it is not active."""
    state = runs.status(run).state
    if state not in ACTIVE:
        raise ValueError(f"Run {run.id} is {state}; there is nothing to stop.")
    ask(run, "stop" if now else "stop_after_epoch")
    if now:
        _wake(run)
    return runs.status(run).state


def _wake(run: Run) -> None:
    """Continue suspended processes of the run, so that they can end. SIGCONT also discards a suspension that is still
    on its way, and does nothing to a process that runs."""
    found = durable.read_document(Processes, run.process_file)
    for identity in (found.supervisor, found.trainer) if found else ():
        if identity:
            processes.send_signal(identity, signal.SIGCONT)


def pause(run: Run) -> State:
    """Save a run and release its device; returns its state. Raises ValueError when it is not active."""
    state = runs.status(run).state
    if state not in ACTIVE:
        raise ValueError(f"Run {run.id} is {state}; there is nothing to pause.")
    if state == "stopping":
        raise ValueError(f"Run {run.id} is already stopping. Resume it when it has stopped.")
    ask(run, "pause")
    return runs.status(run).state


@contextmanager
def _held(run: Run) -> Iterator[int]:
    """Hold the lock that proves a run alive, to pass it on to the supervisor without a gap.

    Raises ValueError when a process of the run holds it.
    """
    lock = processes.wait_for_lock(run.supervisor_lock, ENDING_SECONDS)
    if lock is None:
        raise ValueError(f"A process of run {run.id} is still running. Wait until it has ended, then resume.")
    try:
        yield lock
    finally:
        os.close(lock)


def _start_supervisor(run: Run, choices: Sequence[str], lock: int | None = None) -> None:
    arguments = ["-m", "trainer.run.supervisor", str(run.folder), ",".join(choices)]
    processes.start_detached(arguments, run.log_file, {} if lock is None else processes.lock_environment(lock))


def resume(run: Run) -> int:
    """Resume a run from its last checkpoint, or withdraw a pause or stop that has not taken effect yet.

    Returns the number of the attempt. Raises ValueError when it runs, is completed, or cannot be read.
    """
    with processes.exclusive_lock(run.resume_lock):
        if _withdraw_request(run):
            return documents.newest_attempt(run.folder)
        state = runs.status(run).state
        if state in ACTIVE - {"unknown"} or state == "damaged":
            raise ValueError(f"Run {run.id} is {state}; there is nothing to resume.")
        if state == "completed":
            raise ValueError(
                f"Run {run.id} is completed. Give it more epochs with: python -m trainer extend {run.id} --epochs N, "
                f"or start a new run with training.start_from: {run.id}."
            )
        return _start_attempt(run)


def _withdraw_request(run: Run) -> bool:
    """Withdraw a pause, or a stop after the epoch, that has not taken effect yet; returns whether there was one.

    The supervisor decides under the same lock, so the run either continues or has ended when this returns.
    """
    with processes.exclusive_lock(run.control_lock):
        status, control = runs.status(run), durable.read_document(Control, run.control_file)
        if status.state not in ACTIVE or control is None or control.attempt != max(1, status.attempt):
            return False
        if control.want not in ("pause", "stop_after_epoch"):
            return False
        _write_control(run, control.attempt, "go_on", control.sequence + 1)
        return True


def _check_machine(run: Run, config: Config) -> None:
    if problems := preflight.machine_problems(run.workspace, config):
        raise ValueError(problems[0])


def _start_attempt(run: Run) -> int:
    """Start a new supervisor and wait until its attempt has begun; until then the run shows its previous outcome.

    Of two simultaneous resumes one gets the lock of the run. Raises ValueError when the supervisor has died.
    """
    config = config_file.load(run.config_file)
    _check_machine(run, config)
    choices = devices.choices(config.training.device)
    with _held(run) as lock:
        before = documents.newest_attempt(run.folder)
        _forget_request(run, before)
        _start_supervisor(run, choices, lock)
    _await_attempt(run, before + 1)
    run_queue.join(run.workspace, run, choices)  # its supervisor would do so within half a second
    return before + 1


def _await_attempt(run: Run, attempt: int) -> None:
    """Wait until an attempt has begun while its supervisor lives."""
    deadline = time.monotonic() + BEGIN_SECONDS
    while documents.newest_attempt(run.folder) < attempt and time.monotonic() < deadline:
        gone = processes.lock_state(run.supervisor_lock) == "free"
        if gone and documents.newest_attempt(run.folder) < attempt:
            raise ValueError(f"Run {run.id} could not be resumed. The end of its log says why: {run.log_file}")
        time.sleep(LOOK_SECONDS)


def _forget_request(run: Run, before: int) -> None:
    """Withdraw a request for an attempt that never began, as the run was lost while it started."""
    with processes.exclusive_lock(run.control_lock):
        control = durable.read_document(Control, run.control_file)
        if control and control.attempt > before:
            _write_control(run, control.attempt, "go_on", control.sequence + 1)


def extend(run: Run, epochs: int) -> int:
    """Train a completed run to this total number of epochs; returns the number of the attempt.

    The previous configuration is kept in `attempts/`. Early stopping is turned off where it had ended the run.
    Raises ValueError when the run is not completed or already has that many epochs.
    """
    with processes.exclusive_lock(run.resume_lock):
        status = runs.status(run)
        if status.state != "completed":
            raise ValueError(f"Run {run.id} is {status.state}; only a completed run can be extended.")
        config = config_file.load(run.config_file)
        trained = status.progress.epoch if status.progress else config.training.epochs
        if epochs <= trained:
            raise ValueError(f"Run {run.id} already has {trained} epochs. Choose more than that instead of {epochs}.")
        changes = {"epochs": epochs, "patience": config.training.patience if trained >= config.training.epochs else 0}
        longer = config.model_copy(update={"training": config.training.model_copy(update=changes)})
        data = config_file.dump(longer)
        config_file.parse(data, run.config_file.name)
        _check_machine(run, longer)  # first, so that a refusal leaves the run unchanged
        put_away = run.attempts / str(status.attempt) / run.config_file.name
        put_away.parent.mkdir(parents=True, exist_ok=True)
        durable.replace_bytes(put_away, regular_file.read_bytes(run.config_file))
        durable.replace_bytes(run.config_file, data)
        return _start_attempt(run)
