"""The Training page when a run has failed or was lost, and before a start that this machine has no room for."""

from dataclasses import replace

import pytest

from tests.pages.tools import draw, metric, press
from tests.run_folders import make_run
from tests.tiny import tiny_config
from trainer.config import saved_configs
from trainer.estimates import requirements
from trainer.run import runs
from trainer.run.documents import Failure, Outcome
from trainer.system import durable


def failed(workspace, failure: Failure | None, reason: str):
    run = make_run(workspace)
    ended = "2026-01-01T13:00:00+00:00"
    outcome = Outcome(attempt=1, state="failed", reason=reason, ended=ended, exit_code=1, failure=failure)
    durable.replace_json(run.outcome_file, outcome.model_dump())
    return run


def markdown(app) -> str:
    return "\n".join(element.value for element in app.markdown)


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (Failure(kind="gpu_memory", free_bytes=2 * 10**9), "instead of 64, which should fit"),
        (Failure(kind="disk_full", path="/disk/x.json", free_bytes=10**6), "MB on the disk that holds /disk/x.json"),
        (Failure(kind="clip_missing", path="positive/<b>anna</b>/1.wav"), "positive/\\<b\\>anna"),
    ],
)
def test_a_failed_run_says_why_and_what_to_try(workspace, failure, told):
    run = failed(workspace, failure, "It was *full*.")
    app = draw("Training", run.id)
    assert metric(app, "Status") == "Failed"
    assert app.error[0].value.startswith("It was \\*full\\*.")
    assert "What to try" in markdown(app) and told in markdown(app)
    assert app.code[0].value.endswith("Starting training...")


def test_a_failure_of_unknown_kind_gives_no_advice(workspace):
    for failure in (None, Failure(kind="other")):
        run = failed(workspace, failure, "ZeroDivisionError: division by zero")
        app = draw("Training", run.id)
        assert "What to try" not in markdown(app) and "division by zero" in app.error[0].value
        run.outcome_file.unlink()
        for path in run.folder.iterdir():
            path.unlink()
        run.folder.rmdir()


def test_a_lost_run_can_be_resumed(workspace):
    app = draw("Training", make_run(workspace).id)
    assert metric(app, "Status") == "Lost" and "Resume the run" in markdown(app)


def test_a_run_whose_folder_is_deleted_while_it_is_watched_does_no_harm(workspace):
    run = make_run(workspace)
    app = draw("Training", run.id)
    for path in run.folder.iterdir():
        path.unlink()
    run.folder.rmdir()
    assert not app.run().exception


def test_the_device_stands_beside_the_start_button(workspace):
    saved_configs.save(workspace, "mine", tiny_config(device="cpu", threads=2))
    assert "Trains on: CPU, 2 threads" in [caption.value for caption in draw("Training").caption]


def test_what_this_machine_has_too_little_of_is_said_before_the_click_and_refused(workspace, no_processes, monkeypatch):
    here = requirements.machine(workspace)
    monkeypatch.setattr(requirements, "machine", lambda workspace: replace(here, memory_free=10**8, gpu_name=""))
    app = draw("Training")
    assert len(app.warning) == 1 and "GB are free on this machine" in app.warning[0].value
    press(app, "Start Training")
    assert len(app.error) == 1 and not app.warning and "GB are free on this machine" in app.error[0].value
    assert not no_processes and runs.all_runs(workspace) == []
