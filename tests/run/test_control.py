"""Pause, resume, extend and the queue on whole runs, with real processes."""

import os
import signal
import subprocess
import sys

import pytest

from tests import fork_server
from tests.run_folders import end_all
from tests.tiny import make_workspace, tiny_config
from tests.waiting import PATIENCE, epoch_rows, people, ticks, wait_for_epoch, wait_until
from trainer.config import config_file
from trainer.run import launch, run_queue, runs
from trainer.run.runs import Run
from trainer.system import durable, processes
from trainer.system.workspace import PROJECT_ROOT, Workspace

ENDLESS = {"epochs": 10_000}


@pytest.fixture
def workspace(tmp_path):
    made = make_workspace(tmp_path)
    yield made
    end_all(made)


def start(workspace: Workspace, **training: object) -> Run:
    return launch.start(workspace, tiny_config(**training), "tiny").run


def test_paused_frees_the_device_for_the_next_and_goes_on_in_its_turn(workspace: Workspace):
    first = start(workspace, **ENDLESS)
    wait_for_epoch(first, 2)
    second = start(workspace, **ENDLESS)
    wait_until(second, "queued")
    assert launch.pause(first) == "pausing" and launch.pause(first) in ("pausing", "paused")
    paused = wait_until(first, "paused", seconds=10)
    assert (
        paused.outcome
        and "Paused by the user" in paused.outcome.reason
        and not processes.is_alive(people(first).trainer)
    )
    wait_for_epoch(second, 1)
    assert launch.resume(first) == 2 and runs.status(first).state == "queued"
    found = run_queue.position(workspace, first)
    assert found and found.training == (second,) and "1 run trains at a time" in run_queue.wait_sentence(found)
    launch.stop(second, now=True)
    wait_until(second, "stopped", seconds=10)
    wait_until(first, "running", seconds=10)
    epoch = paused.progress.epoch if paused.progress else 0
    wait_for_epoch(first, epoch + 1)
    rows = [row["epoch"] for row in epoch_rows(first)]
    assert rows == list(range(1, len(rows) + 1))
    assert durable.read_json(first.attempts / "1" / "outcome.json")["state"] == "paused"


def test_a_queued_run_is_cancelled_or_paused_without_ever_training(workspace: Workspace):
    busy = start(workspace, **ENDLESS)
    wait_for_epoch(busy, 1)
    stopped, paused = start(workspace), start(workspace, epochs=3)
    wait_until(paused, "queued")
    launch.stop(stopped, now=False)
    launch.pause(paused)
    assert "while it waited in the queue" in wait_until(stopped, "stopped", seconds=10).outcome.reason
    wait_until(paused, "paused", seconds=10)
    assert not stopped.checkpoints.exists() and people(busy)
    launch.stop(busy, now=True)
    launch.resume(paused)
    wait_until(paused, "completed")


def test_a_pause_that_is_taken_back_is_never_shown_as_paused(workspace: Workspace):
    run = start(workspace, **ENDLESS)
    wait_for_epoch(run, 2)
    trainer = people(run).trainer
    processes.send_signal(trainer, signal.SIGSTOP)  # so that the pause cannot be obeyed before it is taken back
    launch.pause(run)
    launch.resume(run)
    processes.send_signal(trainer, signal.SIGCONT)
    wait_until(run, "running", seconds=5)
    assert runs.status(run).attempt == 1
    launch.stop(run, now=False)
    with pytest.raises(ValueError, match="is already stopping"):
        launch.pause(run)
    wait_until(run, "stopped", seconds=10)


def test_a_pause_that_was_taken_back_does_not_outlive_the_end_by_a_signal(workspace: Workspace):
    run = start(workspace, **ENDLESS)
    wait_for_epoch(run, 1)
    launch.ask(run, "go_on")
    processes.send_signal(people(run).supervisor, signal.SIGTERM)
    assert "signal" in wait_until(run, "stopped", seconds=15).outcome.reason and runs.status(run).attempt == 1


def test_a_completed_run_is_extended_and_keeps_what_it_had(workspace: Workspace):
    run = start(workspace, epochs=2)
    before = wait_until(run, "completed")
    with pytest.raises(ValueError, match=r"already has 2 epochs\. Choose more than that instead of 2"):
        launch.extend(run, 2)
    assert launch.extend(run, 4) == 2
    after = wait_until(run, "completed")
    assert [row["epoch"] for row in epoch_rows(run)] == [1, 2, 3, 4] and after.progress.epochs == 4
    assert after.progress.elapsed_seconds > before.progress.elapsed_seconds
    assert config_file.load(run.attempts / "1" / "config.yaml").training.epochs == 2


def test_two_supervisors_of_one_run_are_one(workspace: Workspace):
    run = start(workspace, **ENDLESS)
    wait_for_epoch(run, 1)
    known = people(run)
    again = subprocess.run(
        [sys.executable, "-m", "trainer.run.supervisor", str(run.folder), "cpu"], cwd=PROJECT_ROOT, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert "has a supervisor already" in again.stdout and people(run) == known


def test_a_queue_goes_on_when_everybody_who_started_it_is_gone(workspace: Workspace):
    """Three starts from a process that is killed right after; the runs come one by one, in order."""
    code = (
        "import os, signal; from pathlib import Path; from tests import fork_server; "
        "from tests.tiny import tiny_config; from trainer.run import launch; from trainer.system import processes; "
        "processes.start_detached = fork_server.start_detached; "
        "from trainer.system.workspace import Workspace;"
        f"[launch.start(Workspace(Path({str(workspace.root)!r})), tiny_config(), 'tiny', str(n)) for n in range(3)];"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    known = os.environ | {fork_server.ADDRESS: fork_server.engine().address}
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, env=known).returncode == -signal.SIGKILL
    started = runs.all_runs(workspace)
    assert len(started) == 3
    ended = sorted((wait_until(run, "completed") for run in started), key=lambda status: status.outcome.ended)
    assert [status.label for status in ended] == ["0", "1", "2"] and not run_queue.read(workspace).order


def test_a_stop_wakes_a_suspended_training_and_its_supervisor(workspace: Workspace):
    run = start(workspace, **ENDLESS)
    wait_for_epoch(run, 1)
    found = people(run)
    for identity in (found.supervisor, found.trainer):
        processes.send_signal(identity, signal.SIGSTOP)
    wait_until(run, "unresponsive", seconds=5)
    launch.stop(run, now=True)
    assert wait_until(run, "stopped", seconds=10).outcome.signal is None


def test_the_forecast_counts_a_run_that_was_paused_and_goes_on(workspace: Workspace):
    """Its supervisor may be given a slot before `resume` puts it into the queue; so it was in neither list."""
    first = launch.start(workspace, tiny_config(**ENDLESS), "tiny", "first").run
    wait_for_epoch(first, 2)
    launch.pause(first)
    wait_until(first, "paused")
    launch.resume(first)
    second = launch.start(workspace, tiny_config(**ENDLESS), "tiny", "second").run
    found = None
    for _ in ticks(PATIENCE):
        found = run_queue.position(workspace, second)
        if found:
            told = run_queue.start_seconds(found)
            assert told is None or told > 0, found
        if found and found.training == (first,):
            break
    waiting = [each.run for each in run_queue.read(workspace).order]
    assert found and found.training == (first,) and waiting == [second.id]
