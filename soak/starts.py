"""P8: races of several processes that send the same form at the same moment; each race must start one run.

The only slot of the device is taken, so that no run trains and torch is not started.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path

from soak.census import supervisors
from soak.forked import FORKS
from soak.promise import Measurement
from tests.run_folders import end_all
from tests.tiny import make_workspace, tiny_config
from tests.waiting import wait_until
from trainer.run import launch, run_queue, runs
from trainer.run.runs import Run
from trainer.system.workspace import Workspace

RACERS = 6


def _racer(root: Path, commands: Connection, line: Barrier) -> None:
    """Start a run for every token, at the same moment as the other racers."""
    workspace, config = Workspace(root), tiny_config(device="cpu")
    while token := commands.recv():
        line.wait()
        started = launch.start(workspace, config, "tiny", token=token)
        commands.send((started.run.id, started.already))


@contextmanager
def _racers(workspace: Workspace) -> Iterator[list[Connection]]:
    line = FORKS.Barrier(RACERS)
    ours, processes = [], []
    for _ in range(RACERS):
        here, there = FORKS.Pipe()
        processes.append(FORKS.Process(target=_racer, args=(workspace.root, there, line), daemon=True))
        processes[-1].start()
        ours.append(here)
    try:
        yield ours
    finally:
        for commands, process in zip(ours, processes, strict=True):
            commands.send("")
            process.join(10)


def _race(workspace: Workspace, racers: list[Connection], token: str) -> list[str]:
    """What is wrong with one race."""
    before = set(runs.all_runs(workspace))
    for racer in racers:
        racer.send(token)
    answers = [racer.recv() for racer in racers]
    new = [run for run in runs.all_runs(workspace) if run not in before]
    problems = [] if len(new) == 1 else [f"{token}: {len(new)} runs were made"]
    if {run_id for run_id, _ in answers} != {run.id for run in new} or sum(not already for _, already in answers) != 1:
        problems.append(f"{token}: the answers were {answers}")
    for run in new:
        wait_until(run, "queued")
        launch.stop(run, now=True)
        wait_until(run, "stopped", seconds=10)
        problems += [f"{token}: attempt {n} began" for n in [runs.status(run).attempt] if n != 1]
        problems += [f"{token}: {pid} is still alive" for pid in _left(run)]
    return problems


def _left(run: Run) -> list[int]:
    """Supervisors that are still alive five seconds after the end of the run."""
    deadline = time.monotonic() + 5
    while (left := supervisors(run)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def measure(count: int = 60) -> Measurement:
    """Run `count` races."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = make_workspace(Path(folder))
        measured = Measurement(count, figures=f"{RACERS} processes each")
        (workspace.runs / ".slots").mkdir(parents=True)
        slot = run_queue._free_slot(workspace, "cpu", 1)
        assert slot
        try:
            with _racers(workspace) as racers:
                for number in range(count):
                    measured.wrong += _race(workspace, racers, f"form-{number}")
        finally:
            os.close(slot.descriptor)
            end_all(workspace)
    return measured
