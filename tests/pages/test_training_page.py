"""The Training page as a user meets it."""

import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from pages.ui.shared.run_start import form_token
from pages.ui.training import live_view
from tests.pages.tools import METRICS, NO_CONFIGURATION, NO_SPLITS, charts, checked, draw, field, links, metric, press
from tests.run_folders import end, make_alive, make_run
from tests.tiny import clip_of, ignore, tiny_config, write_wav
from trainer.audio import manifest
from trainer.config import config_file, saved_configs
from trainer.dataset import splits
from trainer.dataset.scan import scan
from trainer.run import documents, launch, runs
from trainer.run.documents import Control
from trainer.system import devices, durable


def test_without_anything_the_training_page_says_what_is_missing(empty, no_processes):
    app = draw("Training")
    assert [text.value for text in app.warning] == [NO_CONFIGURATION, NO_SPLITS]
    assert not app.metric and not charts(app) and app.info[0].value.startswith("No data yet.")
    assert {"Stop Training", "Pause", "Resume"} <= {button.label for button in app.button if button.disabled}
    press(app, "Start Training")
    assert [text.value for text in app.error] == [NO_CONFIGURATION, NO_SPLITS]
    assert not app.warning and not no_processes
    assert links(app) == ["Go to Configuration", "Go to Dataset"]
    assert not app.run().error  # said once


def test_what_should_be_known_before_a_start_is_told_on_every_page_it_concerns(empty, no_processes):
    """One voice, and a phrase of 2.8 s for a window of 1.5 s: told, and no start is refused for it."""
    rng = np.random.default_rng(0)
    for number in range(12):
        wave = 1e-4 * rng.standard_normal(96_000)
        wave[16_000:60_800] += 0.3 * np.sin(np.arange(44_800) / rng.uniform(6, 12))
        write_wav(empty.raw / f"positive/me/{number}.wav", wave)
        write_wav(empty.raw / f"negative/voice{number}/1.wav", clip_of(rng, rng.uniform(1300, 1700)))
    scan(empty, ignore)
    splits.split_dataset(empty, (0.7, 0.15, 0.15), 0)
    saved_configs.save(empty, "short", tiny_config())
    app = draw("Training")
    unfit, voice = [text.value for text in app.warning]
    assert "12 of 12 positives contain more speech than fits into the window of 1.5 s" in unfit and "to 3" in unfit
    assert voice.startswith("All positives are from one speaker (me).") and "measure only this voice" in voice
    press(app, "Start Training")
    (run,) = runs.all_runs(empty)
    assert (
        durable.read_document(documents.Request, run.request_file)
        .warnings[1]
        .startswith("All positives are from one speaker")
    )
    assert any("measure only this voice" in text.value for text in draw("Dataset").warning)
    app = press(draw("Configuration"), "Validate Configuration")
    assert any("12 of 12 positives contain more speech" in text.value for text in app.warning)


def test_a_start_makes_a_run_and_watches_it(workspace, no_processes):
    app = draw("Training")
    assert not app.warning
    field(app, "text_input", "Run name (optional)").set_value(" Kitchen   at night ")
    press(app, "Start Training")
    (run,) = runs.all_runs(workspace)
    assert app.query_params["run"] == run.id
    assert metric(app, "Status") == "Queued"
    assert runs.status(run).label == "Kitchen at night"
    assert config_file.load(run.config_file) == tiny_config()
    assert no_processes == [["-m", "trainer.run.supervisor", str(run.folder), ",".join(devices.choices("auto"))]]


def test_the_same_form_sent_twice_leads_to_one_run(workspace, no_processes):
    app = press(press(draw("Training"), "Start Training"), "Start Training")
    (run,) = runs.all_runs(workspace)
    assert [text.value for text in app.warning] == ["Training already in progress"]
    assert links(app) == [f"Open {run.id}"]


def test_what_a_click_came_to_outlives_the_change_of_a_run(workspace, no_processes, monkeypatch):
    """The page draws itself anew then, by itself."""
    app = press(press(draw("Training"), "Start Training"), "Start Training")
    states = iter(["running", "stopping"])

    def changing(run):
        found = runs.status(run)
        return replace(found, state=next(states, found.state))

    monkeypatch.setattr(live_view, "runs", SimpleNamespace(status=changing))
    form = next(button for button in app.button if button.label == "Start Training")
    app = checked(form.click().run())
    assert next(states, None) is None, "the page was drawn anew"
    assert [text.value for text in app.warning] == ["Training already in progress"]
    assert app.run().warning[:] == []


def test_two_tabs_that_send_one_form_start_one_run(workspace, no_processes):
    first, second = draw("Training"), draw("Training")
    press(first, "Start Training")
    (run,) = runs.all_runs(workspace)
    end(run, "completed", "All done.")  # the form counts, also when its run is over already
    press(second, "Start Training")
    assert runs.all_runs(workspace) == [run]
    assert second.warning[0].value == "This form already started a run, which is now completed."
    press(second, "Start Training")  # drawn anew, it is another form
    assert len(runs.all_runs(workspace)) == 2


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda w: (w.configs / "mine.yaml").write_text("training: {epoch: 1}"), "did you mean epochs?"),
        (lambda w: (w.configs / "mine.yaml").write_text("training: {epochs: 0}"), "must be at least 1"),
        (lambda w: (w.configs / "mine.yaml").unlink(), "mine.yaml"),
        (lambda w: next(w.raw.glob("positive/*/*.wav")).unlink() or shutil.rmtree(w.raw / "positive"), "on disk"),
        (lambda w: w.runs.write_text("a file where the folder should be"), "cannot be written to"),
    ],
)
def test_what_stands_against_a_start_is_said_in_a_sentence(workspace, no_processes, spoil, told):
    app = draw("Training")
    spoil(workspace)
    press(app, "Start Training")
    assert len(app.error) == 1 and told in app.error[0].value
    assert not no_processes


@pytest.mark.parametrize(("choice", "want"), [("after this epoch", "stop_after_epoch"), ("now", "stop")])
def test_stop_asks_the_run_to_end(workspace, choice, want):
    run = make_run(workspace)
    make_alive(run)
    app = draw("Training", run.id)
    app.button_group(key="stop_when").set_value(choice)
    press(app, "Stop Training")
    assert durable.read_document(Control, run.control_file).want == want
    assert metric(app, "Status") == "Stopping"


def test_a_run_that_ended_under_the_button_cannot_be_stopped(workspace):
    run = make_run(workspace)
    make_alive(run)
    app = draw("Training", run.id)
    end(run, "completed", "All done.")
    press(app, "Stop Training")
    assert "nothing to stop" in app.error[0].value
    assert next(button for button in app.button if button.label == "Stop Training").disabled


def test_a_running_training_shows_everything(workspace):
    run = make_run(workspace, label="Kitchen", epochs=5)
    make_alive(run)
    app = draw("Training")
    labels = [found.label for found in app.metric]
    assert set(labels) >= METRICS | {"CPU", "RAM", "Elapsed", "Best epoch"} and len(set(labels)) == len(labels)
    assert (metric(app, "Status"), metric(app, "Epoch"), metric(app, "Best epoch")) == ("Running", "6/40", "5")
    assert charts(app) == 7
    code = [element.value for element in app.code]
    assert str(run.checkpoints / "epoch-3.pt") in code
    assert "[23:45:18] Starting training..." in code
    assert any(str(run.log_file) in caption.value for caption in app.caption)


def test_a_run_without_an_epoch_has_numbers_but_no_boxes_without_a_chart(workspace):
    make_alive(make_run(workspace, epochs=0))
    app = draw("Training")
    assert {found.label for found in app.metric} >= METRICS
    assert charts(app) == 0 and any(text.value.startswith("No data yet") for text in app.caption)
    assert not any(text.value == "No data in these epochs" for text in app.caption)


def test_the_newest_active_run_is_watched_until_another_is_chosen(workspace):
    active, newest = make_run(workspace, 1), make_run(workspace, 2)
    make_alive(active)
    app = draw("Training")
    assert app.query_params["run"] == active.id
    field(app, "selectbox", "Run").set_value(newest.id)
    checked(app.run())
    assert app.query_params["run"] == newest.id
    assert metric(app, "Status") == "Lost"
    assert "checkpoints are kept" in app.error[0].value


def test_a_form_is_named_by_all_that_it_says(workspace):
    said = {"name": "mine", "config": b"config", "label": "label", "newest_run": "newest"}
    token = form_token(workspace, **said)
    assert token == form_token(workspace, **said)
    others = [form_token(workspace, **said | {key: value + value}) for key, value in said.items()]
    (workspace.splits / "val.csv").write_bytes(b"")
    assert len({token, *others, form_token(workspace, **said)}) == 6


def repeatable(workspace, name: str = "mine"):
    """A run as a start with this saved configuration would make it, ended."""
    run = make_run(workspace, label="Kitchen")
    run.config_file.write_bytes(config_file.dump(config_file.load(workspace.configs / f"{name}.yaml")))
    known = {"split_fingerprint": manifest.fingerprint(workspace), "versions": launch.package_versions()}
    durable.replace_json(run.request_file, durable.read_json(run.request_file) | known)
    end(run, "completed", "All epochs are done.")
    return run


def test_a_run_that_would_repeat_another_says_so_before_the_start(workspace, no_processes, monkeypatch):
    def told() -> list[str]:
        return [text.value for text in draw("Training").info if "byte for byte" in text.value]

    assert not told()
    run = repeatable(workspace)
    (text,) = told()
    assert text.startswith(f"Kitchen · {run.id} was trained with these options on these clips.")
    saved_configs.save(workspace, "mine", tiny_config(seed=7), None)
    assert not told(), "another seed"
    saved_configs.save(workspace, "mine", tiny_config(), None)
    assert told()
    durable.replace_json(run.request_file, durable.read_json(run.request_file) | {"versions": {"torch": "2.0"}})
    assert not told(), "another version may end otherwise"


def test_a_start_without_splits_says_so(workspace, no_processes):
    app = draw("Training")
    shutil.rmtree(workspace.splits)
    press(app, "Start Training")
    assert NO_SPLITS in [text.value for text in app.error] and not no_processes
