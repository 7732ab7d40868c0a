"""P1: runs that are killed at random moments and resumed until they complete, compared with an uninterrupted run."""

from __future__ import annotations

import random
import shutil
import signal
import time
from dataclasses import dataclass, field

from soak.forked import OFTEN, baseline, config_of, differing, is_done, make_run, start
from soak.promise import Measurement
from tests.run_folders import end_all
from tests.waiting import wait_until
from trainer.run import launch, runs
from trainer.run.documents import Processes
from trainer.run.runs import Run
from trainer.system import durable, processes
from trainer.system.workspace import Workspace

MOST_SECONDS = 6.0
"""Longest life of a trainer: its start takes some three seconds, the training two."""


@dataclass
class Tally:
    """Counts of kills and of what they left."""

    kills: int = 0
    runs: int = 0
    wrong: list[str] = field(default_factory=list)
    parts: int = 0
    unmarked: int = 0
    torn_rows: int = 0

    def look(self, run: Run) -> None:
        """Count what a kill has left unfinished."""
        folder = run.checkpoints
        self.parts += len([*folder.glob("*.tmp.*"), *run.folder.glob("*.tmp.*")])
        self.unmarked += sum(not path.with_name(f"{path.name}.json").exists() for path in folder.glob("epoch-*.pt"))
        rows = run.metrics_file.read_bytes() if run.metrics_file.exists() else b""
        self.torn_rows += bool(rows) and not rows.endswith(b"\n")

    def compare(self, run: Run, expected: dict[str, object]) -> None:
        """Compare a completed run with the expected result, and remove it."""
        self.runs += 1
        self.wrong += [f"{run.id}: {part} differ" for part in differing(run, expected)]
        shutil.rmtree(run.folder)

    def measurement(self) -> Measurement:
        left = f"{self.parts} parts of files, {self.unmarked} checkpoints without a mark, {self.torn_rows} torn rows"
        return Measurement(self.kills, self.wrong, f"of {self.runs} runs compared byte by byte; left by kills: {left}")


def committed(run: Run) -> str:
    """The name of the newest committed checkpoint."""
    return max((path.name for path in run.checkpoints.glob("epoch-*.pt.json")), default="")


def killed_run(workspace: Workspace, run: Run, dice: random.Random, longest: float, kills: int, tally: Tally) -> None:
    """Run attempts until the run is done, killing up to `kills` of them within `longest` seconds."""
    number, most, before = 0, tally.kills + kills, ""
    while not is_done(run):
        number += 1
        process = start(workspace, run, number)
        process.join(dice.uniform(0, longest) if tally.kills < most else None)
        process.kill()
        process.join()
        if process.exitcode == -signal.SIGKILL:
            tally.kills += 1
            tally.look(run)
        elif process.exitcode:
            raise RuntimeError(f"Attempt {number} of {run.folder} failed with exit code {process.exitcode}.")
        if committed(run) < before:
            tally.wrong.append(f"{run.id}: {before} was lost")
        before = committed(run)


def measure(kills: int = 1000) -> Measurement:
    """Kill `kills` forked attempts."""
    base, tally, dice = baseline(), Tally(), random.Random(0)
    while tally.kills < kills:
        run = make_run(base.workspace, f"killed-{tally.runs}", config_of(OFTEN))
        killed_run(base.workspace, run, dice, 0.5 * base.seconds, kills - tally.kills, tally)
        tally.compare(run, base.expected)
    return tally.measurement()


def measure_whole(kills: int = 50) -> Measurement:
    """Kill `kills` trainers of real runs, which are resumed as by a user."""
    base, tally, dice = baseline(), Tally(), random.Random(0)
    try:
        while tally.kills < kills:
            run = launch.start(base.workspace, config_of(OFTEN), "soak").run
            _kill_and_resume(run, dice, tally, kills)
            tally.compare(run, base.expected)
    finally:
        end_all(base.workspace)
    return tally.measurement()


def _kill_and_resume(run: Run, dice: random.Random, tally: Tally, kills: int) -> None:
    """Kill the trainer or supervisor at random moments and resume the run until it completes."""
    while True:
        wait_until(run, "running", "completed", "failed")
        time.sleep(dice.uniform(0, MOST_SECONDS))
        identities = durable.read_document(Processes, run.process_file)
        victim = identities and (identities.supervisor if dice.random() < 0.2 else identities.trainer)
        if tally.kills < kills and victim and processes.send_signal(victim, signal.SIGKILL):
            tally.kills += 1
        if (state := wait_until(run, "completed", "failed", "lost").state) == "completed":
            return
        tally.look(run)
        if "signal 9" not in (reason := _reason(run)):
            tally.wrong.append(f"{run.id} is {state}: {reason}")
            return
        launch.resume(run)


def _reason(run: Run) -> str:
    """Why the run ended; without a supervisor nothing records it."""
    outcome = runs.status(run).outcome
    return outcome.reason if outcome else "lost by signal 9"
