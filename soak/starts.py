"""P8: races of several processes that send the same form at the same moment; each race must make one run.

The only slot of the device is held meanwhile, so that no run trains and a race costs no start of torch.
"""

import os
import tempfile
import time
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from soak.census import supervisors
from soak.forked import FORKS
from soak.promise import Found
from tests.run_folders import end_all
from tests.tiny import make_workspace, tiny_config
from tests.waiting import wait_until
from trainer.run import launch, run_queue, runs
from trainer.run.runs import Run
from trainer.system.workspace import Workspace

RACERS = 6


def _racer(root: Path, commands: Connection, line: object) -> None:
    """Sends every form that comes, at the same moment as the others do."""
    workspace, config = Workspace(root), tiny_config(device="cpu")
    while token := commands.recv():
        line.wait()
        started = launch.start(workspace, config, "tiny", token=token)
        commands.send((started.run.id, started.already))


@contextmanager
def _racers(workspace: Workspace):
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
    said = [racer.recv() for racer in racers]
    made = [run for run in runs.all_runs(workspace) if run not in before]
    found = [] if len(made) == 1 else [f"{token}: {len(made)} runs were made"]
    if {run_id for run_id, _ in said} != {run.id for run in made} or sum(not already for _, already in said) != 1:
        found.append(f"{token}: {said} was answered")
    for run in made:
        wait_until(run, "queued")
        launch.stop(run, now=True)
        wait_until(run, "stopped", seconds=10)
        found += [f"{token}: attempt {n} began" for n in [runs.status(run).attempt] if n != 1]
        found += [f"{token}: {left} lives on" for left in _left(run)]
    return found


def _left(run: Run) -> list[int]:
    """The supervisors that have not gone a moment after the run has ended."""
    deadline = time.monotonic() + 5
    while (left := supervisors(run)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def measure(count: int = 60) -> Found:
    """So many races."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = make_workspace(Path(folder))
        found = Found(count, figures=f"{RACERS} processes each")
        (workspace.runs / ".slots").mkdir(parents=True)
        slot = run_queue._free_slot(workspace, "cpu", 1)
        assert slot
        try:
            with _racers(workspace) as racers:
                for number in range(count):
                    found.wrong += _race(workspace, racers, f"form-{number}")
        finally:
            os.close(slot.descriptor)
            end_all(workspace)
    return found
