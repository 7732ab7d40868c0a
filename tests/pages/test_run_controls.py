"""The controls of one run on the Training page, by its state."""

import os

import pytest

from tests.pages.tools import draw, metric, press
from tests.run_folders import end, make_alive, make_run
from trainer.run import run_queue, runs
from trainer.run.documents import Control, Processes
from trainer.run.runs import Run
from trainer.system import durable, processes

BUTTONS = ("Stop Training", "Pause", "Resume")


def request(run: Run, want: str) -> None:
    durable.replace_json(run.control_file, Control(attempt=1, want=want, sequence=1, clock=0.0).model_dump())


def queue_up(workspace, number: int, label: str = "") -> Run:
    """A run whose supervisor, this process, waits in the queue."""
    run = make_run(workspace, number, label)
    own = processes.identity_of(os.getpid())
    waiting = Processes(attempt=1, host=own.host, boot_id=own.boot_id, supervisor=own, clock=processes.boot_clock())
    durable.replace_json(run.process_file, waiting.model_dump())
    run_queue.join(workspace, run, ["cpu"])
    return run


def enabled(app) -> list[str]:
    return [button.label for button in app.button if button.label in BUTTONS and not button.disabled]


def prepare(workspace, state: str) -> Run:
    if state == "queued":
        return queue_up(workspace, 1)
    run = make_run(workspace)
    if state in ("running", "pausing", "stopping", "stopping now"):
        make_alive(run)
    if state in ("completed", "paused", "stopped", "failed"):
        end(run, state, "That is how it was.")
    if want := {"pausing": "pause", "stopping": "stop_after_epoch", "stopping now": "stop"}.get(state):
        request(run, want)
    return run


@pytest.mark.parametrize(
    ("state", "buttons"),
    [
        ("queued", ["Stop Training", "Pause"]),
        ("running", ["Stop Training", "Pause"]),
        ("pausing", ["Stop Training", "Resume"]),
        ("stopping", ["Stop Training", "Resume"]),
        ("stopping now", ["Stop Training"]),
        ("paused", ["Resume"]),
        ("stopped", ["Resume"]),
        ("failed", ["Resume"]),
        ("lost", ["Resume"]),
        ("completed", []),
    ],
)
def test_each_state_offers_what_fits_it(workspace, state: str, buttons: list[str]):
    run = prepare(workspace, state)
    app = draw("Training", run.id)
    assert enabled(app) == buttons and metric(app, "Status") == state.split()[0].capitalize()
    assert [button.label for button in app.button if button.label == "Extend training"] == ["Extend training"] * (
        state == "completed"
    )


def test_pause_is_shown_at_once_and_can_be_taken_back(workspace):
    run = prepare(workspace, "running")
    app = press(draw("Training", run.id), "Pause")
    assert metric(app, "Status") == "Pausing" and metric(app, "ETA") == "--:--:--"
    assert "saves a checkpoint" in app.info[0].value
    press(app, "Resume")
    assert metric(app, "Status") == "Running" and durable.read_document(Control, run.control_file).want == "go_on"


def test_a_queued_run_tells_its_place_and_why_it_waits(workspace):
    busy, first, second = (queue_up(workspace, number, f"number {number}") for number in (1, 2, 3))
    slot = run_queue.take(workspace, busy, ["cpu"])
    make_alive(busy)
    app = draw("Training", second.id)
    told = app.info[0].value
    assert told.startswith("Number 2 in the queue. Waits for the CPU, where 1 run trains at a time (now: number 1).")
    assert "starts automatically" in told and metric(app, "Status") == "Queued"
    press(app, "Next")
    assert (
        app.info[0].value.startswith("Next in the queue.")
        and "in about 01:02:03 and ends in about 02:04:06 (estimates)" in app.info[0].value
    )
    press(app, "Later")
    assert [waiting.run for waiting in run_queue.read(workspace).order] == [first.id, second.id]
    assert slot
    os.close(slot.descriptor)


def test_slots_are_changed_on_the_page_and_shown_in_every_tab(workspace):
    run = prepare(workspace, "running")
    app, other = draw("Training", run.id), draw("Training", run.id)
    app.number_input(key="slots_cpu").set_value(3).run()
    assert run_queue.read(workspace).slots == {"cpu": 3}
    assert other.run().number_input(key="slots_cpu").value == 3


def test_a_click_that_comes_too_late_is_answered_with_a_sentence(workspace):
    run = prepare(workspace, "running")
    app = draw("Training", run.id)
    end(run, "completed", "All done.")
    press(app, "Pause")
    assert app.error[0].value == f"Run {run.id} is completed; there is nothing to pause."
    assert runs.status(run).state == "completed" and enabled(app) == []


@pytest.mark.parametrize(
    ("trained", "offered"), [(20, (21, 10_000, 40)), (9_000, (9_001, 10_000, 10_000)), (10_000, None)]
)
def test_extend_offers_what_a_configuration_allows(workspace, trained: int, offered: tuple[int, int, int] | None):
    run = make_run(workspace, epoch=trained)
    end(run, "completed", "All epochs done.")
    fields = [field for field in draw("Training", run.id).number_input if field.label == "Total epochs"]
    assert [(field.min, field.max, field.value) for field in fields] == ([offered] if offered else [])


def test_the_field_of_extend_keeps_no_value_of_another_run(workspace):
    longer, shorter = make_run(workspace, 1, epoch=20), make_run(workspace, 2, epoch=3)
    for run in (longer, shorter):
        end(run, "completed", "All epochs done.")
    app = draw("Training", shorter.id)
    next(field for field in app.number_input if field.label == "Total epochs").set_value(5).run()
    app.selectbox(key="watched_run").set_value(longer.id).run()
    assert not app.exception
    assert next(field for field in app.number_input if field.label == "Total epochs").value == 40
