"""Whole runs, with real processes: how they start, end and die, and what is told of it."""

import json
import os
import signal
import threading

import psutil
import pytest

from tests.run_folders import end_all
from tests.tiny import make_workspace, tiny_config
from tests.waiting import epoch_rows, people, wait_for, wait_for_epoch, wait_until
from trainer.audio import manifest
from trainer.run import launch, runs
from trainer.system import durable, log_lines, processes
from trainer.system.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    made = make_workspace(tmp_path)
    yield made
    end_all(made)


ENDLESS = {"epochs": 10_000}


@pytest.mark.anew
def test_a_run_goes_its_whole_way(workspace: Workspace):
    run = launch.start(workspace, tiny_config(epochs=3), "tiny", "first try").run
    status = wait_until(run, "completed", "failed", "lost")
    document = runs.document(status)
    assert status.state == "completed" and document["label"] == "first try"
    assert [row["epoch"] for row in epoch_rows(run)] == [1, 2, 3] and document["epoch"] == document["epochs"] == 3
    assert document["outcome"] == {
        "state": "completed", "reason": status.outcome.reason, "exit_code": 0, "signal": None,
    }  # fmt: skip
    best = min(epoch_rows(run), key=lambda row: row["val_loss"])
    assert document["best"]["epoch"] == best["epoch"] and os.path.isfile(document["best"]["checkpoint"])
    assert document["eta_seconds"] is None and json.dumps(document)
    log = "\n".join(log_lines.last_lines(run.log_file))
    assert "] Starting training..." in log and "] Epoch 3/3 - Loss: " in log


@pytest.mark.anew
def test_the_same_seed_gives_the_same_bytes(workspace: Workspace):
    first, again = (launch.start(workspace, tiny_config(), "tiny").run for _ in range(2))
    states = [wait_until(run, "completed").run for run in (first, again)]
    marks = [durable.read_json(run.checkpoints / "epoch-00002.pt.json")["sha256"] for run in states]
    assert marks[0] == marks[1]


@pytest.mark.parametrize(("now", "told"), [(True, "in epoch"), (False, "after epoch")])
def test_stop_keeps_the_best_model(workspace: Workspace, now: bool, told: str):
    run = launch.start(workspace, tiny_config(**ENDLESS), "tiny").run
    wait_for_epoch(run, 3)
    launch.stop(run, now)
    launch.stop(run, now)
    status = wait_until(run, "stopped", seconds=15)
    assert told in status.outcome.reason and status.outcome.exit_code == 0
    assert os.path.isfile(runs.document(status)["best"]["checkpoint"])
    assert any("Stopped" in line for line in log_lines.last_lines(run.log_file))
    with pytest.raises(ValueError, match="nothing to stop"):
        launch.stop(run, now)


def test_stop_now_beats_stop_after_the_epoch(workspace: Workspace):
    run = launch.start(workspace, tiny_config(**ENDLESS), "tiny").run
    launch.ask(run, "stop")
    launch.ask(run, "stop_after_epoch")
    assert durable.read_json(run.control_file)["want"] == "stop"
    wait_until(run, "stopped", seconds=30)


def test_a_killed_trainer_is_failed_with_its_signal_within_5_s(workspace: Workspace):
    run = launch.start(workspace, tiny_config(**ENDLESS), "tiny").run
    wait_for_epoch(run, 2)
    processes.send_signal(people(run).trainer, signal.SIGKILL)
    status = wait_until(run, "failed", seconds=5)
    assert runs.document(status)["outcome"]["signal"] == "SIGKILL" and "signal 9" in status.outcome.reason


def test_a_killed_trainer_and_supervisor_are_lost_within_5_s(workspace: Workspace):
    run = launch.start(workspace, tiny_config(**ENDLESS), "tiny").run
    wait_for_epoch(run, 2)
    found = people(run)
    processes.send_signal(found.supervisor, signal.SIGKILL)
    processes.send_signal(found.trainer, signal.SIGKILL)
    wait_until(run, "lost", seconds=5)


@pytest.mark.anew
def test_the_waiting_threads_of_a_trainer_sleep(workspace: Workspace):
    """Threads that spin while they wait made a training thirty times slower beside one other busy program."""
    run = launch.start(workspace, tiny_config(**ENDLESS), "tiny").run
    wait_for_epoch(run, 1)
    assert psutil.Process(people(run).trainer.pid).environ()["GOMP_SPINCOUNT"] == "3000"


def test_a_trainer_does_not_outlive_its_supervisor(workspace: Workspace):
    run = launch.start(workspace, tiny_config(**ENDLESS), "tiny").run
    wait_for_epoch(run, 2)
    found = people(run)
    processes.send_signal(found.supervisor, signal.SIGKILL)
    wait_until(run, "lost", seconds=5)
    assert not processes.is_alive(found.trainer)


def test_the_end_of_the_supervisor_by_sigterm_stops_the_run_in_order(workspace: Workspace):
    run = launch.start(workspace, tiny_config(**ENDLESS), "tiny").run
    wait_for_epoch(run, 2)
    processes.send_signal(people(run).supervisor, signal.SIGTERM)
    assert wait_until(run, "stopped", "failed", seconds=15).state == "stopped"


def test_a_signal_to_supervisor_and_trainer_alike_stops_the_run_in_order(workspace: Workspace):
    """As a shutdown sends it: the supervisor passes its own on, so the trainer gets two."""
    run = launch.start(workspace, tiny_config(**ENDLESS), "tiny").run
    wait_until(run, "running")
    wait_for(
        lambda: "Starting training..." in run.log_file.read_text()
    )  # it listens, and imports torch for some seconds
    os.killpg(os.getpgid(people(run).supervisor.pid), signal.SIGTERM)
    assert wait_until(run, "stopped", "failed", seconds=30).state == "stopped"


def test_a_suspended_trainer_is_unresponsive_and_comes_back(workspace: Workspace):
    run = launch.start(workspace, tiny_config(**ENDLESS), "tiny").run
    wait_for_epoch(run, 2)
    trainer = people(run).trainer
    processes.send_signal(trainer, signal.SIGSTOP)
    wait_until(run, "unresponsive", seconds=5)
    processes.send_signal(trainer, signal.SIGCONT)
    wait_until(run, "running", seconds=5)


def test_a_killed_run_goes_on_from_its_last_checkpoint_as_often_as_asked(workspace: Workspace):
    run = launch.start(workspace, tiny_config(**ENDLESS), "tiny").run
    for attempt in (2, 3):
        wait_for_epoch(run, 3 * attempt)
        with pytest.raises(ValueError, match=r"is running; there is nothing to resume\.$"):
            launch.resume(run)
        processes.send_signal(people(run).trainer, signal.SIGKILL)
        wait_until(run, "failed", seconds=5)
        assert launch.resume(run) == attempt and runs.status(run).state in ("queued", "running")
    wait_for_epoch(run, 9)
    epochs = [row["epoch"] for row in epoch_rows(run)]
    assert epochs == list(range(1, len(epochs) + 1)) and runs.document(runs.status(run))["outcome"] is None
    launch.stop(run, now=True)
    assert wait_until(run, "stopped", seconds=15).outcome.attempt == 3
    launch.resume(run)
    wait_until(run, "running"), launch.stop(run, now=False)
    assert wait_until(run, "stopped", seconds=30).outcome.attempt == 4, (
        "an old request does not stop it, a new one does"
    )


def test_a_completed_run_is_not_resumed(workspace: Workspace):
    run = launch.start(workspace, tiny_config(epochs=1), "tiny").run
    wait_until(run, "completed")
    with pytest.raises(ValueError, match=rf"is completed\. .*training\.start_from: {run.id}\.$"):
        launch.resume(run)


def test_one_form_makes_one_run_however_often_it_is_sent(workspace: Workspace):
    started, config = [], tiny_config(**ENDLESS)

    def send() -> None:
        started.append(launch.start(workspace, config, "tiny", token="form-1"))

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one.run for one in started}) == 1 and sum(not one.already for one in started) == 1
    redrawn = launch.start(workspace, config, "tiny", token="form-2")
    assert redrawn.already, "the same form drawn anew leads to the run while it is active"
    launch.stop(redrawn.run, now=True)
    wait_until(redrawn.run, "stopped")
    assert launch.start(workspace, config, "tiny", token="form-1").already, "an old tab never starts a second run"
    assert not launch.start(workspace, config, "tiny", token="form-3").already, "a new form may repeat the training"
    assert launch.start(workspace, config, "tiny", token="form-1").run == redrawn.run, "its own run, not a newer one"


def test_a_clip_that_went_missing_is_named_before_the_start_and_in_the_run(workspace: Workspace):
    splits = manifest.read_splits(workspace)
    run = launch.start(workspace, tiny_config(), "tiny").run
    (workspace.raw / splits["train"][0].path).unlink()
    status = wait_until(run, "completed", "failed")
    assert status.state == "completed" or "is missing" in status.outcome.reason
    with pytest.raises(ValueError, match=splits["train"][0].path):
        launch.start(workspace, tiny_config(), "tiny")


def test_a_runs_folder_that_cannot_be_written_to_is_told(workspace: Workspace):
    workspace.runs.write_text("a file in its place")
    with pytest.raises(ValueError, match="cannot be written to"):
        launch.start(workspace, tiny_config(), "tiny")


def test_without_splits_the_start_says_where_to_go(tmp_path):
    with pytest.raises(ValueError, match=r"^Dataset splits not found\. Scan and split on the Dataset page first\.$"):
        launch.start(Workspace(tmp_path), tiny_config(), "tiny")
