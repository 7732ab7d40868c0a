"""What is around every page: the next step, the run that goes along, and the sidebar with what runs."""

import os
import shutil

import pytest
import streamlit as st

from pages.ui.shared import job_progress, next_step, statuses
from tests.pages.tools import PAGES, checked, draw, field, next_link, texts, write_job
from tests.run_folders import end, make_alive, make_run, write_progress
from trainer.creation.creation import Creation, Order
from trainer.evaluation import evaluations
from trainer.run import runs
from trainer.system import durable


def sidebar(app) -> list[str]:
    """The workspace, and of each work its name and how far it is."""
    names = [link.proto.label for link in app.sidebar.get("page_link")]
    first, *progress = [text.value.removeprefix(":small[").removesuffix("]") for text in app.sidebar.markdown]
    return [first, *[f"{name}: {text}" for name, text in zip(names, progress, strict=True)]]


@pytest.mark.parametrize("page", PAGES)
def test_every_page_says_the_next_step_at_the_same_place(empty, page):
    app = draw(page)
    texts = [text.value for text in app.main.markdown]
    assert texts[0] == ":small[**Next:** Type a word on Home, or bring clips of your own.]"
    assert next_link(app) == ("" if page == "Dataset" else "Go to Dataset")


@pytest.mark.parametrize("state", ["stopped", "completed"])
def test_a_run_that_ended_with_a_model_leads_to_its_evaluation(workspace, state):
    run = make_run(workspace, 1)
    make_alive(make_run(workspace, 2))
    end(run, state, "Because.")
    app = draw("Training", run.id)
    assert next_link(app) == "Go to Evaluation"
    (link,) = [link.proto for link in app.main.get("page_link") if link.proto.label == "Go to Evaluation"]
    assert run.id in link.query_string


def test_an_evaluated_run_leads_to_its_model(workspace, monkeypatch):
    run = make_run(workspace)
    end(run, "completed", "All done.")
    monkeypatch.setattr(evaluations, "all_of", lambda found: iter([found]))
    app = draw("Training", run.id)
    assert app.main.markdown[0].value == ":small[**Next:** Take the model away, or make it better.]"
    (link,) = [link.proto for link in app.main.get("page_link") if link.proto.help == next_step.HELP]
    assert link.label == "Go to Evaluation" and "section=Model" in link.query_string


def test_the_chosen_run_goes_from_page_to_page(workspace):
    first, second = make_run(workspace, 1), make_run(workspace, 2)
    for run in (first, second):
        end(run, "completed", "All done.")
    app = draw("Training")
    assert app.query_params["run"] == second.id
    field(app, "selectbox", "Run").set_value(first.id)
    checked(app.run())
    for page in ("Evaluation", "Training"):
        app.query_params.clear()  # as the links of Streamlit's own menu do
        app.switch_page(PAGES[page])
        assert checked(app.run()).query_params["run"] == first.id
    shutil.rmtree(first.folder)
    app.query_params.clear()
    assert checked(app.run()).query_params["run"] == second.id and not app.warning


def test_the_sidebar_says_what_runs_now_on_every_page(workspace):
    assert sidebar(draw("Dataset")) == ["Workspace: **workspace**"]
    make_alive(make_run(workspace, 1, label="Kitchen *x*"))
    waiting = make_run(workspace, 2, label="Hall")
    end(waiting, "completed", "All done.")
    write_job(workspace, done=1, total=4, doing="Reading")
    for page in PAGES:
        assert sidebar(draw(page)) == [
            "Workspace: **workspace**",
            "Kitchen \\*x\\*: Running · epoch 4/40 · 01:02:03 left",
            "Scanning: Reading · 25 %",
        ]


def test_a_detector_that_is_made_is_told_once_and_watched_on_home(workspace):
    run = make_run(workspace, 1, label="hey atlas")
    make_alive(run)
    known = {"id": "1", "inputs": "", "voices": (), "recordings": 0, "created": "", "began": 0.0, "clock": 1e12}
    planned = {"data": 60, "training": 120, "evaluation": 30, "export": 6}
    made = Creation(order=Order(phrase="hey atlas"), planned=planned, took={"data": 50}, run=run.id, **known)
    durable.replace_json(workspace.root / "data" / "creation.json", made.model_dump(mode="json"))
    write_job(workspace, "create", doing="Training")
    app = draw("Runs")
    _, told = sidebar(app)
    assert told.startswith("hey atlas: ") and told.endswith(" left")
    assert next_link(app) == "Go to Home"


def test_a_detector_before_its_first_stage_is_told_too(empty):
    write_job(empty, "create")
    assert sidebar(draw("Dataset"))[1:] == ["New detector: Starting"]


def test_the_timer_of_the_sidebar_ends_with_the_last_work(workspace, monkeypatch):
    run = make_run(workspace)
    make_alive(run)
    timers, real = [], st.fragment

    def fragment(draw_once, run_every, key):
        if key != "sidebar":
            return real(draw_once, run_every=None, key=key)

        def ended_meanwhile(*arguments):
            end(run, "completed", "All done.")
            draw_once(*arguments)

        timers.append(run_every)
        return ended_meanwhile

    monkeypatch.setattr(st, "fragment", fragment)
    assert sidebar(draw("Evaluation")) == ["Workspace: **workspace**"]
    assert timers == [5.0, None]


def test_the_status_of_an_ended_run_is_kept_until_a_file_changes(workspace, monkeypatch):
    run = make_run(workspace)
    end(run, "completed", "All done.")
    monkeypatch.setattr(statuses, "SETTLED_SECONDS", -1.0)
    reads = []
    monkeypatch.setattr(runs, "status", lambda run, read=runs.status: reads.append(run) or read(run))
    assert [statuses.of(run).state for _ in range(3)] == ["completed"] * 3 and len(reads) == 1
    end(run, "failed", "A clip is missing.")
    assert statuses.of(run).state == "failed" and len(reads) == 2
    write_progress(run, [])
    make_alive(run)
    statuses.of(run)
    assert len(reads) == 3


def test_the_status_of_a_fresh_or_active_run_is_always_read(workspace, monkeypatch):
    fresh, active = make_run(workspace, 1), make_run(workspace, 2)
    end(fresh, "completed", "All done.")
    make_alive(active)
    reads = []
    monkeypatch.setattr(runs, "status", lambda run, read=runs.status: reads.append(run) or read(run))
    for _ in range(2):
        assert [statuses.of(run).state for run in (fresh, active)] == ["completed", "running"]
    assert len(reads) == 4


@pytest.mark.parametrize(("state", "stays"), [("done", False), ("cancelled", False), ("failed", True)])
def test_the_result_of_a_job_goes_when_it_is_past(workspace, state, stays):
    write_job(workspace, state=state, message="The job is over.")
    assert "The job is over." in texts(draw("Dataset"))
    file = workspace.jobs / "scan.json"
    os.utime(file, (file.stat().st_atime, file.stat().st_mtime - 2 * job_progress.RESULT_SECONDS))
    assert ("The job is over." in texts(draw("Dataset"))) is stays
