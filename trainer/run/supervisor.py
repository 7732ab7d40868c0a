"""The supervisor of one run: waits for a device, starts the trainer and writes the outcome. Imports no torch.

python -m trainer.run.supervisor runs/20260101-120000-abcd gpu0,gpu1
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from trainer.run import documents, failures, notifications, run_queue, runs
from trainer.run.documents import Beat, Outcome, Processes, Progress
from trainer.run.run_queue import Slot
from trainer.run.runs import Run
from trainer.run.state import BY_SIGNAL, SILENT_SECONDS
from trainer.system import devices as known_devices
from trainer.system import durable, private, processes
from trainer.system.log_lines import say
from trainer.system.workspace import PROJECT_ROOT

BEAT_SECONDS = 2.0


@dataclass(frozen=True)
class Pulse:
    """The state at the last check: when the trainer was last known to work (seconds since boot), the processor seconds
    that it had used, and when the beat was last written."""

    working: float = 0.0
    cpu_seconds: float = 0.0
    written: float = 0.0


def last_report(run: Run, attempt: int) -> float:
    """When the trainer of this attempt last reported progress, in seconds since boot; 0 if never."""
    progress = durable.read_document(Progress, run.progress_file)
    return progress.beat if progress and progress.attempt == attempt else 0.0


def update_pulse(run: Run, attempt: int, last: Pulse, trainer: int | None = None) -> Pulse:
    """Check the trainer, and write the beat when the last one is two seconds old; returns the new state.

    Without a trainer, while the run is queued, the supervisor counts as working.
    """
    now = processes.boot_clock()
    used, runnable = (0.0, True) if trainer is None else processes.activity(trainer)
    busy = runnable or used > last.cpu_seconds or (trainer is not None and processes.has_busy_child(trainer))
    working = now if busy else max(last.working, last_report(run, attempt))
    if now - last.written < BEAT_SECONDS or runs.is_gone(run):
        return Pulse(working, used, last.written)
    with suppress(OSError):  # a full or broken disk may recover before the next beat
        durable.replace_json(run.beat_file, Beat(attempt=attempt, clock=now, working=working).model_dump())
    return Pulse(working, used, now)


LOOK_SECONDS = 0.5
TERMINATE_SECONDS = 10.0
STUCK_SECONDS = 300.0
"""A trainer that uses the processor but has not reported for this long after Stop now is unresponsive."""
LOCK_SECONDS = 5.0
"""How long to wait for a killed supervisor and its trainer to exit."""
PATIENCE_SECONDS = float("inf")
"""The holder of the control lock may be suspended; without an outcome the run would be lost."""


def _begin_attempt(run: Run) -> int:
    """Record a new attempt, and move the outcome of the previous one to `attempts/`; returns the number of the attempt.

    In this order a reader in between sees the outcome or the new attempt: with neither the run would be lost. Call it
    under the run's control lock.
    """
    attempt = documents.newest_attempt(run.folder) + 1
    _write_processes(run, attempt)
    if run.outcome_file.exists():
        outcome = durable.read_document(Outcome, run.outcome_file)
        put_away = run.attempts / str(outcome.attempt if outcome else attempt - 1) / run.outcome_file.name
        put_away.parent.mkdir(parents=True, exist_ok=True)
        os.replace(run.outcome_file, put_away)
    return attempt


def _write_processes(run: Run, attempt: int, device: str | None = None, trainer_pid: int | None = None) -> None:
    """Write process.json: this process, and the trainer if it is alive."""
    own = processes.identity_of(os.getpid())
    try:
        trainer = processes.identity_of(trainer_pid) if trainer_pid else None
    except ProcessLookupError:
        trainer = None
    document = Processes(
        attempt=attempt,
        host=own.host,
        machine_id=processes.machine_id(),
        boot_id=own.boot_id,
        supervisor=own,
        trainer=trainer,
        device=device,
        clock=processes.boot_clock(),
    )
    documents.write_with_reserve(run.process_file, document.model_dump())


def _mend_processes(run: Run, attempt: int, device: str | None = None, trainer_pid: int | None = None) -> None:
    """Write process.json again when it is unreadable: requests reach this attempt only through it."""
    if durable.read_document(Processes, run.process_file) is None:
        with suppress(OSError):  # a full or broken disk may recover before the next check
            _write_processes(run, attempt, device, trainer_pid)


def _is_over(run: Run, attempt: int) -> bool:
    """Whether nothing may be written any more: the folder is gone, or another supervisor has begun another attempt.

    The latter happens where locks do not reach, when the run was resumed on another machine.
    """
    found = durable.read_document(Processes, run.process_file)
    return runs.is_gone(run) or (found is not None and found.attempt > attempt)


def _wait_for_turn(run: Run, attempt: int, devices: Sequence[str], ended: Callable[[], bool]) -> Slot | Outcome:
    """Wait in the queue for a slot; returns the slot, or the outcome if the attempt ended in the queue."""
    workspace, told, beat = run.workspace, "", Pulse()
    while True:
        want = runs.wanted(run, attempt)
        if ended() or _is_over(run, attempt):
            return failures.outcome_now(attempt, "stopped", f"{BY_SIGNAL} while it waited in the queue.")
        if want in ("stop", "stop_after_epoch"):
            return failures.outcome_now(attempt, "stopped", "Stopped by the user while it waited in the queue.")
        if want == "pause":
            return failures.outcome_now(attempt, "paused", "Paused by the user while it waited in the queue.")
        try:
            if slot := run_queue.take(workspace, run, devices):
                return slot
            news = "Waiting in the queue."
        except OSError as error:
            news = f"The queue cannot be used: {error}. Trying again."
        if news != told:
            say(told := news)
        _mend_processes(run, attempt)
        beat = update_pulse(run, attempt, beat)
        time.sleep(LOOK_SECONDS)


def _start_trainer(run: Run, attempt: int, slot: Slot, lock: int) -> subprocess.Popen[bytes]:
    """Start the trainer; it shares our log, our session and our locks, and dies with us (processes.die_with_parent)."""
    workspace = run.workspace
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "trainer.engine", str(run.folder), str(attempt), str(os.getpid())],
        stdin=subprocess.DEVNULL,
        cwd=PROJECT_ROOT,
        env=processes.environment_of_engine(workspace) | known_devices.environment(slot.device),
        pass_fds=(slot.descriptor, lock),
    )


def _does_not_answer(run: Run, attempt: int, asked: float, beat: Pulse) -> bool:
    """Whether the trainer has been silent for longer than a batch may take since `asked`, the time of Stop now."""
    told, now = max(asked, last_report(run, attempt)), processes.boot_clock()
    return now - max(told, beat.working) > SILENT_SECONDS or now - told > STUCK_SECONDS


def _wait(run: Run, attempt: int, device: str, trainer: subprocess.Popen[bytes], ended: Callable[[], bool]) -> str:
    """Wait for the end of the trainer; returns why we ended it, if it did not end itself.

    When this process is told to end (as at a shutdown of the machine), the trainer saves first.
    """
    deadline = asked = None
    beat = Pulse()
    while True:
        try:
            trainer.wait(LOOK_SECONDS)
            unheard = deadline is not None and trainer.returncode == -signal.SIGTERM
            return "It was ended by a signal (SIGTERM) before it could listen" if unheard else ""
        except subprocess.TimeoutExpired:
            pass
        if _is_over(run, attempt) and not runs.is_gone(run):
            return _kill(trainer, "Another attempt has begun")
        _mend_processes(run, attempt, device, trainer.pid)
        beat, now = update_pulse(run, attempt, beat, trainer.pid), processes.boot_clock()
        if ended() and deadline is None:
            trainer.terminate()
            deadline = now + (LOOK_SECONDS if runs.is_gone(run) else TERMINATE_SECONDS)  # gone: nothing left to save
        asked = (asked or now) if runs.wanted(run, attempt) == "stop" else None
        if (asked is not None and _does_not_answer(run, attempt, asked, beat)) or (deadline and now > deadline):
            return _kill(trainer, f"It did not answer to {'a signal (SIGTERM)' if deadline else 'Stop'} and was killed")


def _kill(trainer: subprocess.Popen[bytes], reason: str) -> str:
    trainer.kill()
    trainer.wait()
    return reason


def _attempt(run: Run, attempt: int, devices: Sequence[str], ended: Callable[[], bool], lock: int) -> Outcome:
    """Wait for a slot, train, and return the outcome."""
    slot = _wait_for_turn(run, attempt, devices, ended)
    if isinstance(slot, Outcome):
        return slot
    kills, trainer = known_devices.memory_kills(), None
    try:
        trainer = _start_trainer(run, attempt, slot, lock)
        _write_processes(run, attempt, slot.device, trainer.pid)
        killed = _wait(run, attempt, slot.device, trainer, ended)
    except (OSError, ValueError) as error:  # no process could be started, the GPU is gone, the disk is full
        if trainer:
            _kill(trainer, str(error))
        return failures.outcome_now(attempt, "failed", f"The training could not be supervised: {error}")
    finally:
        os.close(slot.descriptor)
    return failures.outcome_of_exit(run, attempt, trainer.returncode, killed, known_devices.memory_kills() > kills)


def _conclude(run: Run, outcome: Outcome, ended: bool) -> int | None:
    """Write the outcome; returns None. If the request that ended the attempt was withdrawn meanwhile, begin the next
    attempt and return its number instead.

    That applies only to an end by a request, not by a signal to this process (`ended`) or to the trainer.
    """
    with processes.exclusive_lock(run.control_lock, PATIENCE_SECONDS):
        by_signal = ended or outcome.reason.startswith(BY_SIGNAL)
        by_request = outcome.state in ("paused", "stopped") and not by_signal
        if by_request and runs.wanted(run, outcome.attempt) == "go_on":
            say(f"{outcome.reason} That was taken back, so it goes on.")
            return _begin_attempt(run)
        say(f"{outcome.state.capitalize()}: {outcome.reason}")
        documents.write_with_reserve(run.outcome_file, outcome.model_dump())
    documents.release_reserve(run.folder)
    return None


def supervise(run: Run, devices: Sequence[str], lock: int | None = None) -> Outcome | None:
    """Supervise a run to its end; None when another supervisor has it, or its folder was deleted
    or moved meanwhile.

    `lock` is the run's lock (supervisor_lock) if the starter of this process holds it already; it is shared with the
    trainer. Nothing is written to a folder that is gone.
    """
    lock = processes.wait_for_lock(run.supervisor_lock, LOCK_SECONDS) if lock is None else lock
    if lock is None:
        say("This run has a supervisor already.")
        return None
    signals: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: signals.append(number))
    documents.keep_reserve(run.folder)
    with processes.exclusive_lock(run.control_lock, PATIENCE_SECONDS):
        attempt: int | None = _begin_attempt(run)
    while attempt is not None:
        outcome = _attempt(run, attempt, devices, lambda: bool(signals) or runs.is_gone(run), lock)
        if _is_over(run, attempt):
            return None
        attempt = _conclude(run, outcome, bool(signals))
    os.close(lock)  # so that the run can be resumed while notifications are sent
    notifications.notify_end(run, outcome)
    return outcome


if __name__ == "__main__":
    private.begin()
    supervised = Run(Path(sys.argv[1]))
    private.close_workspace(supervised.workspace.root)
    supervise(supervised, sys.argv[2].split(","), processes.inherited_lock())
