"""What holds for every page, drawn without a browser."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import streamlit as st

from tests.pages.tools import DRAW_ALL, PAGES, draw, links, metric, next_link, texts, write_job
from tests.run_folders import end, epoch_row, make_alive, make_run, write_progress
from tests.waiting import PATIENCE
from trainer.config import saved_configs
from trainer.config.schema import Config
from trainer.system.workspace import PROJECT_ROOT


def test_every_page_draws_fast_and_without_torch(workspace):
    make_alive(make_run(workspace, 2, epochs=1000))
    end(make_run(workspace, 1, epochs=40), "completed", "All done.")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", DRAW_ALL, str(PROJECT_ROOT / "Home.py"), json.dumps(PAGES)],
        cwd=PROJECT_ROOT, env=os.environ | {"WAKEWORD_ROOT": str(workspace.root)}, capture_output=True, text=True,
        timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert list(found) == list(PAGES)
    for name, (seconds, title, errors, torch) in found.items():
        assert (title, errors, torch) == (name, [], False)
        assert seconds < 1.5, name


@pytest.mark.parametrize("page", PAGES)
def test_a_missing_workspace_is_one_sentence(page, monkeypatch):
    monkeypatch.setenv("WAKEWORD_ROOT", "/nowhere/_at_all_")
    app = draw(page)
    assert texts(app) == [
        "Workspace folder /nowhere/\\_at_all\\_ does not exist. Create it, or choose another with --root."
    ]
    assert not app.button


def test_home_leads_from_clips_to_a_model(empty, filled):
    assert next_link(draw("Wakeword Studio")) == "Go to Dataset"
    shutil.copytree(filled.root / "data", empty.root / "data")
    assert next_link(draw("Wakeword Studio")) == "Go to Configuration"
    saved_configs.save(empty, "mine", Config())
    assert next_link(draw("Wakeword Studio")) == "Go to Training"
    run = make_run(empty, label="Kitchen")
    make_alive(run)
    app = draw("Wakeword Studio")
    assert next_link(app) == "Go to Training" and links(app) == [f"**Kitchen · {run.id}**", "All runs"]
    assert (metric(app, "Status"), metric(app, "Epoch"), metric(app, "ETA")) == ("Running", "4/40", "01:02:03")
    end(run, "completed", "All done.")
    assert next_link(draw("Wakeword Studio")) == "Go to Evaluation"


@pytest.mark.parametrize("page", ["Wakeword Studio", "Training", "Evaluation", "Runs"])
def test_names_and_reasons_are_shown_as_text(workspace, page):
    foreign = "![x](http:a) <img src=x> *y*"
    run = make_run(workspace, label=foreign)
    make_alive(run)
    if page != "Wakeword Studio":
        end(run, "failed", f"ValueError: {foreign}")
    app = draw(page)
    shown = [*texts(app), *links(app), *(markdown.value for markdown in app.markdown)]
    assert not any(foreign in text or "<img" in text.replace("\\<img", "") for text in shown)
    if page == "Training":
        assert "ValueError: !\\[x\\]" in app.error[0].value


@pytest.mark.parametrize(
    ("page", "every"), [("Training", 2.0), ("Wakeword Studio", 2.0), ("Runs", 2.0), ("Dataset", 1.0)]
)
def test_the_timer_ends_with_what_it_watches(workspace, monkeypatch, page, every):
    """The look that finds it ended draws the page once more, and then without a timer, or with a slow one."""
    run = make_run(workspace)
    make_alive(run)
    write_job(workspace)
    timers = []

    def fragment(draw_once, run_every, key):
        if key == "sidebar":  # it has a timer of its own
            return draw_once
        if key in ("jobs_capture", "jobs_voices", "creation"):  # nothing is recorded, fetched or created
            assert run_every is None
            return draw_once

        def ended_meanwhile(*arguments):
            end(run, "completed", "All done.")
            write_job(workspace, state="done", message="Done.")
            draw_once(*arguments)

        timers.append(run_every)
        return ended_meanwhile

    monkeypatch.setattr(st, "fragment", fragment)
    app = draw(page)
    assert timers in ([every, None], [every], [every, 10.0])  # Home has nothing left; a run may be extended elsewhere
    if page in ("Wakeword Studio", "Runs"):
        assert app.dataframe[0].value.loc[0, "State"] == "Completed"
        return
    assert app.success[0].value in ("All done.", "Done.")


@pytest.mark.parametrize("page", ["Wakeword Studio", "Runs"])
@pytest.mark.parametrize(("later", "epochs"), [(0.0, "6/40"), (2.0, "7/40")])
def test_a_table_of_runs_keeps_up_with_them(workspace, monkeypatch, page, later, epochs):
    """Another epoch draws the page anew at the next look, but never chases a page that was drawn just now."""
    run = make_run(workspace, epochs=5)
    make_alive(run)

    def fragment(draw_once, run_every, key):
        if key in ("jobs_voices", "sidebar", "creation"):
            return draw_once

        def an_epoch_later(drawn, cards, drawn_at):
            write_progress(run, [epoch_row(epoch) for epoch in range(1, 7)])
            draw_once(drawn, cards, drawn_at - later)

        return an_epoch_later

    monkeypatch.setattr(st, "fragment", fragment)
    assert draw(page).dataframe[0].value.loc[0, "Epochs"] == epochs


@pytest.mark.parametrize("wanted", ["../../etc", "20990101-000000-0000", "*x*"])
def test_an_unknown_run_in_the_address_is_told(workspace, wanted):
    run = make_run(workspace)
    app = draw("Training", wanted)
    assert "There is no run" in app.warning[0].value
    assert app.query_params["run"] == run.id
