"""Files of a run folder that hold something else: what is told of the run, and that it goes on from where it was."""

import os

import pytest

from tests.run_folders import end, end_all, make_alive, make_run, workspace_at
from tests.tiny import make_workspace, tiny_config
from tests.waiting import epoch_rows, people, wait_for_epoch, wait_until
from trainer.run import documents, launch, runs
from trainer.run.documents import Processes
from trainer.run.runs import Run
from trainer.system import durable, processes

BYTES = [b"", b"\x00\xff{", b"null", b"[]", b"{}", b'{"attempt": 1, "state": "comp']


@pytest.fixture
def run(tmp_path) -> Run:
    return make_run(workspace_at(tmp_path))


@pytest.fixture
def locked(run: Run):
    """The run while somebody sees to it."""
    descriptor = processes.try_lock(run.supervisor_lock)
    yield run
    os.close(descriptor)


@pytest.mark.parametrize("data", BYTES)
@pytest.mark.parametrize(("file", "state"), [("request", "damaged"), ("outcome", "damaged"), ("process", "lost")])
def test_a_damaged_file_of_a_run_that_nobody_sees_to(run: Run, file: str, state: str, data: bytes):
    (run.folder / f"{file}.json").write_bytes(data)
    assert runs.status(run).state == state and runs.document(runs.status(run))["state"] == state
    with pytest.raises(ValueError, match=rf"is {state}; there is nothing to stop"):
        launch.stop(run, now=True)


@pytest.mark.parametrize("data", BYTES)
@pytest.mark.parametrize("file", ["request", "outcome", "process", "progress", "control"])
def test_what_lives_is_told_and_can_be_stopped(locked: Run, file: str, data: bytes):
    make_alive(locked)
    (locked.folder / f"{file}.json").write_bytes(data)
    assert runs.status(locked).state == "running"
    assert launch.stop(locked, now=True) == "stopping"


def test_the_number_of_the_attempt_is_known_from_what_attempts_have_left(run: Run):
    run.process_file.write_bytes(b"")
    assert documents.newest_attempt(run.folder) == 1, "its progress says so"
    run.progress_file.unlink()
    assert documents.newest_attempt(run.folder) == 1, "there was a first attempt, as there is a process.json"
    (run.attempts / "3").mkdir(parents=True)
    assert documents.newest_attempt(run.folder) == 3
    end(run, "failed", "")
    durable.replace_json(run.outcome_file, durable.read_json(run.outcome_file) | {"attempt": 4})
    assert documents.newest_attempt(run.folder) == 4
    run.process_file.unlink()
    launch.ask(run, "stop")
    assert durable.read_document(documents.Control, run.control_file).attempt == 4


def test_a_request_before_the_first_attempt_is_no_attempt(tmp_path):
    run = Run(tmp_path)
    launch.ask(run, "stop")
    assert documents.newest_attempt(run.folder) == 0 and runs.wanted(run, 1) == "stop"


def test_a_whole_run_whose_process_file_is_damaged_goes_on_from_its_checkpoint(tmp_path):
    workspace = make_workspace(tmp_path)
    run = launch.start(workspace, tiny_config(epochs=10_000), "tiny").run
    try:
        wait_for_epoch(run, 2)
        known = people(run)
        run.process_file.write_bytes(b"{")
        assert runs.status(run).state == "running" and runs.status(run).attempt == 1
        wait_until(run, "running")
        while (mended := durable.read_document(Processes, run.process_file)) is None:
            assert runs.status(run).state == "running"
        assert mended.trainer == known.trainer and mended.device == known.device
        launch.stop(run, now=True)
        wait_until(run, "stopped", seconds=15)
        before = len(epoch_rows(run))
        run.process_file.write_bytes(b"{")
        assert runs.status(run).state == "stopped" and launch.resume(run) == 2
        wait_for_epoch(run, before + 2)
        rows = [row["epoch"] for row in epoch_rows(run)]
        assert rows == list(range(1, len(rows) + 1)) and "starts from the beginning" not in run.log_file.read_text()
    finally:
        end_all(workspace)
