"""What a supervisor writes between two attempts, and how it tells the end of a trainer."""

import signal
import subprocess

import pytest

from tests.run_folders import end, make_run, workspace_at
from trainer.run import failures, launch, runs, supervisor
from trainer.run.documents import Outcome
from trainer.run.runs import Run
from trainer.run.state import BY_SIGNAL
from trainer.system import durable, processes


@pytest.fixture
def run(tmp_path) -> Run:
    return make_run(workspace_at(tmp_path))


def test_a_run_that_begins_again_is_at_no_moment_lost(run: Run, monkeypatch):
    end(run, "paused", "Paused by the user.")
    seen, replace = [], supervisor.os.replace

    def look_between(*paths: object) -> None:
        seen.append(runs.status(run).state)
        replace(*paths)
        seen.append(runs.status(run).state)

    monkeypatch.setattr(durable, "replace", look_between)
    monkeypatch.setattr(supervisor.os, "replace", look_between)
    assert supervisor._begin_attempt(run) == 2
    assert seen == ["paused", "queued", "queued", "queued"]
    assert durable.read_document(Outcome, run.attempts / "1" / "outcome.json")


def test_a_look_that_began_before_the_attempt_tells_of_the_attempt(run: Run, monkeypatch):
    end(run, "paused", "Paused by the user.")
    read = durable.read_document

    def read_late(kind, path):
        if kind is Outcome:
            monkeypatch.undo()
            supervisor._begin_attempt(run)
        return read(kind, path)

    monkeypatch.setattr(durable, "read_document", read_late)
    assert runs.status(run).state == "queued" and runs.status(run).attempt == 2


def test_a_request_right_after_another_was_taken_back_is_for_what_goes_on(run: Run):
    launch.ask(run, "pause")
    launch.ask(run, "go_on")
    outcome = Outcome(attempt=1, state="paused", reason="Paused by the user.", ended="2026-01-01T13:00:00+00:00")
    assert supervisor._conclude(run, outcome, ended=False) == 2
    launch.ask(run, "stop")
    assert runs.wanted(run, 2) == "stop" and not run.outcome_file.exists()


def test_a_trainer_that_could_not_listen_yet_was_stopped_by_our_signal(run: Run):
    trainer = subprocess.Popen(["sleep", "60"])
    told = supervisor._wait(run, 1, "cpu", trainer, lambda: True)
    outcome = failures.outcome_of_exit(run, 1, trainer.returncode, told, memory_ran_out=False)
    assert trainer.returncode == -signal.SIGTERM and outcome.state == "stopped"


@pytest.mark.parametrize(("exit_code", "name"), [(1, None), (-11, "SIGSEGV")])
def test_what_was_said_when_all_was_saved_counts_whatever_comes_after(tmp_path, exit_code: int, name: str | None):
    run = make_run(workspace_at(tmp_path), ended="completed", reason="All 3 epochs done.")
    outcome = failures.outcome_of_exit(run, 1, exit_code, "", memory_ran_out=False)
    assert (outcome.state, outcome.reason, outcome.signal) == ("completed", "All 3 epochs done.", name)


def test_a_signal_to_the_trainer_alone_ends_the_run_also_after_a_pause_that_was_taken_back(tmp_path):
    run = make_run(workspace_at(tmp_path))
    launch.ask(run, "go_on")
    outcome = failures.outcome_now(1, "stopped", f"{BY_SIGNAL} in epoch 2.")
    assert supervisor._conclude(run, outcome, ended=False) is None
    assert durable.read_document(Outcome, run.outcome_file) == outcome


def test_a_supervisor_that_cannot_start_its_trainer_says_why(tmp_path, monkeypatch):
    run = make_run(workspace_at(tmp_path))

    def gone(device: str) -> dict[str, str]:
        raise ValueError("gpu0 is no longer available.")

    monkeypatch.setattr(supervisor.known_devices, "environment", gone)
    lock = processes.try_lock(run.supervisor_lock)
    outcome = supervisor._attempt(run, 1, ["cpu"], lambda: False, lock)
    told = "The training could not be supervised: gpu0 is no longer available."
    assert (outcome.state, outcome.reason) == ("failed", told)
