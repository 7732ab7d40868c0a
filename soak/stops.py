"""P17: a training that is ended by Stop, Pause or a signal to its supervisor saves its state and ends within 10 s."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from soak.forked import data
from soak.invariants import eventually, safe_epochs
from soak.promise import Measurement
from tests.run_folders import end_all
from tests.tiny import tiny_config
from tests.waiting import people, wait_for_epoch, wait_until
from trainer.run import documents, launch
from trainer.run.runs import Run
from trainer.run.state import SILENT_SECONDS
from trainer.system import durable, processes
from trainer.system.workspace import PROJECT_ROOT

MOST_SECONDS = 10.0
MOST_START_SECONDS = 5.0
"""An end is requested up to this long after a start, so that some fall into the import of torch."""


def _ask(run: Run, way: str) -> str:
    """Request the end in one of three ways; returns the expected state."""
    if way == "signal":
        identities = durable.read_document(documents.Processes, run.process_file)
        assert identities and processes.send_signal(identities.supervisor, signal.SIGTERM)
        return "stopped"
    launch.pause(run) if way == "pause" else launch.stop(run, now=True)
    return "paused" if way == "pause" else "stopped"


def _ended(run: Run, way: str) -> tuple[float, str]:
    """Seconds until the run has ended, and what is wrong with the end."""
    start = time.monotonic()
    state = _ask(run, way)
    status = wait_until(run, "stopped", "paused", "failed", "lost", seconds=60)
    seconds = time.monotonic() - start
    if status.state != state or status.outcome is None or status.outcome.signal:
        return seconds, f"{way}: {status.state}, {status.outcome}"
    return seconds, "" if seconds <= MOST_SECONDS else f"{way}: only after {seconds:.1f} s"


def measure(count: int = 60) -> Measurement:
    """End and resume one run `count` times at random moments; no committed epoch may be lost."""
    dice, measured, slowest, safe = random.Random(0), Measurement(count), 0.0, 0
    run = launch.start(data(), tiny_config(epochs=10_000, device="cpu"), "soak", label="stops").run
    try:
        for number in range(count):
            wait_until(run, "running")
            time.sleep(dice.uniform(0, MOST_START_SECONDS))
            seconds, wrong = _ended(run, ("stop", "pause", "signal")[number % 3])
            measured.wrong += [wrong] if wrong else []
            slowest, safe = max(slowest, seconds), safe_epochs(run, safe)
            eventually(lambda: f"{run.id} is still training" if processes.is_locked(run.supervisor_lock) else "")
            launch.resume(run)
    finally:
        end_all(data())
    measured.figures = f"the slowest after {slowest:.1f} s, {safe:,} epochs committed on the way"
    return measured


def measure_silent(count: int = 2, seconds: float = SILENT_SECONDS) -> Measurement:
    """Trainers that do not react to a stop request are killed after `seconds`, and not much later."""
    measured, times = Measurement(count), []
    for number in range(count):
        run, process = _supervised(seconds, f"silent-{number}")
        try:
            wait_for_epoch(run, 2)
            trainer = people(run).trainer
            assert trainer is not None
            processes.send_signal(trainer, signal.SIGSTOP)
            launch.ask(run, "stop")  # `launch.stop` would wake it
            start = time.monotonic()
            outcome = wait_until(run, "stopped", "failed", seconds=seconds + 20).outcome
            times.append(time.monotonic() - start)
            if not (outcome and outcome.signal == "SIGKILL" and seconds - 1 <= times[-1] <= seconds + 5):
                measured.wrong.append(f"{outcome} after {times[-1]:.1f} s")
        finally:
            end_all(data())
            process.wait(10)
    measured.figures = f"killed after {min(times):.1f} to {max(times):.1f} s, where {seconds:.0f} are allowed"
    return measured


def _supervised(silent_seconds: float, label: str) -> tuple[Run, subprocess.Popen]:
    """A run whose supervisor kills a silent trainer after `silent_seconds`."""
    real, started = launch._start_supervisor, list[subprocess.Popen]()
    code = (
        "import sys; from pathlib import Path; from trainer.system import processes; "
        "from trainer.run import supervisor; from trainer.run.runs import Run;"
        f"supervisor.SILENT_SECONDS = {silent_seconds};"
        "supervisor.supervise(Run(Path(sys.argv[1])), ['cpu'], processes.inherited_lock())"
    )

    def start(run: Run, choices: Sequence[str], lock: int | None = None) -> None:
        assert lock is not None
        command = [sys.executable, "-c", code, str(run.folder)]
        started.append(
            subprocess.Popen(
                command, cwd=PROJECT_ROOT, stdout=subprocess.DEVNULL, start_new_session=True, pass_fds=[lock],
                env=os.environ | processes.lock_environment(lock),
            )
        )  # fmt: skip

    launch._start_supervisor = start
    try:
        config = tiny_config(epochs=10_000, device="cpu")
        return launch.start(data(), config, "soak", label=label).run, started[0]
    finally:
        launch._start_supervisor = real
