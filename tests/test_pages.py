"""The pages as a user meets them, drawn without a browser."""

import io
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.ui.controls import form_token
from tests.run_folders import end, make_alive, make_run, workspace_at
from tests.tiny import ignore, make_workspace, tiny_config
from trainer import config_file, documents, durable, job, processes, runs
from trainer.config import Config
from trainer.dataset import speakers
from trainer.dataset.scan import scan
from trainer.documents import Control
from trainer.job import Job
from trainer.workspace import PROJECT_ROOT, Workspace

PAGES = {
    "Wakeword Studio": None,
    "Dataset": "pages/1_Dataset.py",
    "Configuration": "pages/2_Configuration.py",
    "Training": "pages/3_Training.py",
    "Evaluation": "pages/4_Evaluation.py",
    "Runs": "pages/5_Runs.py",
}
NO_CONFIGURATION = "No configuration loaded. Choose or save one on the Configuration page first."
NO_SPLITS = "Dataset splits not found. Scan and split on the Dataset page first."
METRICS = {
    "Status", "Epoch", "Batch", "Train loss", "Train accuracy", "Val loss", "Val accuracy", "FPR", "FNR", "Speed",
    "GPU", "ETA",
}  # fmt: skip
DRAW_ALL = """
import json, sys, time
from streamlit.testing.v1 import AppTest
app, found = AppTest.from_file(sys.argv[1], default_timeout=60), {}
for name, path in json.loads(sys.argv[2]).items():
    if path:
        app.switch_page(path)
    app.run()
    begin = time.perf_counter()
    app.run()
    errors = [error.message for error in app.exception]
    found[name] = [time.perf_counter() - begin, app.title[0].value, errors, "torch" in sys.modules]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A workspace with clips, splits and a configuration: made once, copied for each test."""
    workspace = make_workspace(tmp_path_factory.mktemp("filled"))
    config_file.save(workspace, "mine", tiny_config())
    return workspace


@pytest.fixture
def workspace(tmp_path, filled, monkeypatch):
    root = tmp_path / "workspace"
    shutil.copytree(filled.root, root, copy_function=shutil.copy2)
    monkeypatch.setenv("WAKEWORD_ROOT", str(root))
    return Workspace(root)


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.setenv("WAKEWORD_ROOT", str(tmp_path))
    return workspace_at(tmp_path)


@pytest.fixture
def no_processes(monkeypatch):
    """Nothing is started: what a page would have started is noted instead."""
    started: list[list[str]] = []
    monkeypatch.setattr(processes, "start_detached", lambda arguments, log, environment: started.append(arguments))
    return started


def draw(page: str, run: str = "") -> AppTest:
    app = AppTest.from_file(str(PROJECT_ROOT / "Home.py"), default_timeout=30)
    if PAGES[page]:
        app.switch_page(PAGES[page])
    if run:
        app.query_params["run"] = run
    return checked(app.run())


def checked(app: AppTest) -> AppTest:
    assert not app.exception, app.exception[0].message
    return app


def press(app: AppTest, label: str) -> AppTest:
    return checked(next(button for button in app.button if button.label == label).click().run())


def field(app: AppTest, kind: str, label: str):
    return next(widget for widget in getattr(app, kind) if widget.label == label)


def texts(app: AppTest) -> list[str]:
    return [element.value for kind in ("error", "warning", "info", "success") for element in getattr(app, kind)]


def metric(app: AppTest, label: str) -> str:
    return next(found.value for found in app.metric if found.label == label)


def charts(app: AppTest) -> int:
    return len(app.get("vega_lite_chart"))


def links(app: AppTest) -> list[str]:
    return [link.proto.label for link in app.get("page_link")]


def test_every_page_draws_fast_and_without_torch(workspace):
    make_alive(make_run(workspace, 2, epochs=1000))
    end(make_run(workspace, 1, epochs=40), "completed", "All done.")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", DRAW_ALL, str(PROJECT_ROOT / "Home.py"), json.dumps(PAGES)],
        cwd=PROJECT_ROOT, env=os.environ | {"WAKEWORD_ROOT": str(workspace.root)}, capture_output=True, text=True,
        timeout=120,
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
        "Workspace folder /nowhere/\\_at_all\\_ does not exist. Create it, or name another with --root."
    ]
    assert not app.button


def test_home_leads_from_clips_to_a_model(empty, filled):
    assert links(draw("Wakeword Studio")) == ["Go to Dataset"]
    shutil.copytree(filled.root / "data", empty.root / "data")
    assert links(draw("Wakeword Studio")) == ["Go to Configuration"]
    config_file.save(empty, "mine", Config())
    assert links(draw("Wakeword Studio")) == ["Go to Training"]
    run = make_run(empty, label="Kitchen")
    make_alive(run)
    app = draw("Wakeword Studio")
    assert links(app) == ["Go to Training", f"**Kitchen · {run.id}**", "All runs"]
    assert (metric(app, "Status"), metric(app, "Epoch"), metric(app, "ETA")) == ("Running", "4/40", "01:02:03")
    end(run, "completed", "All done.")
    assert links(draw("Wakeword Studio"))[0] == "Go to Evaluation"


def test_an_empty_data_set_page_says_what_to_do(empty):
    app = draw("Dataset")
    assert {"Make demo data", "Scan Datasets", "Split Datasets"} <= {button.label for button in app.button}
    assert field(app, "text_input", "Phrase").value == "hey atlas"
    assert any("Make demo data, import or record some" in text for text in texts(app))
    assert any("synthetic and meant for trying" in caption.value for caption in app.caption)


def test_the_buttons_of_the_data_set_page_start_jobs(empty, monkeypatch):
    started = []
    monkeypatch.setattr(job, "start", lambda workspace, verb, arguments: started.append((verb, arguments)))
    app = draw("Dataset")
    field(app, "text_input", "Phrase").set_value("--ok computer")
    press(app, "Make demo data")
    press(app, "Scan Datasets")
    field(app, "text_input", "Ratios: train/val/test (%)").set_value("80/10/10")
    field(app, "number_input", "Seed").set_value(7)
    press(app, "Split Datasets")
    assert started == [
        ("demo", ["--phrase=--ok computer"]), ("scan", []), ("split", ["--ratios=80/10/10", "--seed=7"]),
    ]  # fmt: skip


def test_bad_ratios_and_an_empty_phrase_start_nothing(empty, monkeypatch):
    monkeypatch.setattr(job, "start", lambda *arguments: pytest.fail("a job was started"))
    app = draw("Dataset")
    field(app, "text_input", "Ratios: train/val/test (%)").set_value("70/20/15")
    assert "add up to 100" in press(app, "Split Datasets").error[0].value
    field(app, "text_input", "Phrase").set_value("  ")
    assert "Type the words" in press(app, "Make demo data").error[0].value
    assert not app.run().error  # said once


def write_job(workspace: Workspace, **changes: object) -> None:
    identity = processes.identity_of(os.getpid())
    document = Job(verb="scan", boot_id=identity.boot_id, clock=processes.boot_clock(), identity=identity, **changes)
    workspace.jobs.mkdir(parents=True, exist_ok=True)
    durable.replace_json(workspace.jobs / "scan.json", document.model_dump())


def test_a_job_shows_its_progress_then_its_last_word(workspace):
    write_job(workspace, done=30, total=120, doing="Checking clips")
    app = draw("Dataset")
    bar = app.get("progress")[0].proto
    assert (bar.value, bar.text) == (25, "Scanning: Checking clips (30 of 120)")
    starters = {
        "Make demo data",
        "Import folder",
        "Synthesise clips",
        "Scan Datasets",
        "Split Datasets",
    }
    assert starters <= {button.label for button in app.button if button.disabled}
    assert "Cancel" in {button.label for button in app.button if not button.disabled}
    write_job(workspace, state="done", message="56 clips, 1.3 minutes, 0 refused.")
    app.run()
    assert not app.get("progress")
    assert app.success[0].value == "56 clips, 1.3 minutes, 0 refused."
    assert [button.label for button in app.button if button.disabled] == ["Import files"], "nothing is uploaded"


def test_a_job_that_failed_says_why_in_one_sentence(workspace):
    write_job(workspace, state="failed", message="No usable clips in ![x](http://a.b).")
    assert draw("Dataset").error[0].value == "No usable clips in !\\[x\\](http\N{WORD JOINER}://a.b)."


def test_what_a_scan_found_is_shown_as_text(workspace):
    name = "![x](http:a) <img src=x>.wav"
    (workspace.raw / "positive" / name).write_bytes(b"no audio")
    (workspace.raw / "*odd*").mkdir()
    scan(workspace, ignore)
    app = draw("Dataset")
    tables = {tuple(frame.value.columns[:2]): frame.value for frame in app.dataframe}
    labels, refused, splits = tables["Label", "Clips"], tables["File", "Reason"], tables["Label", "Training"]
    assert labels.loc[0, ["Label", "Clips", "Speakers", "Sample rates"]].tolist() == [
        "positive", 24, 8, "16,000 Hz (24)",
    ]  # fmt: skip
    assert refused.values.tolist()[0][:2] == [f"positive/{name}", "damaged"]
    assert "Folder \\*odd\\* was not scanned" in app.warning[0].value
    assert splits.iloc[0].tolist() == ["positive", "15 (62%)", "6 (25%)", "3 (12%)"]
    assert any("Groups in two splits: 0" in caption.value for caption in app.caption)
    assert not any(name in markdown.value for markdown in app.markdown)


def view(app: AppTest, name: str) -> AppTest:
    app.session_state["clips_view"] = name
    return app.run()


def test_findings_are_told_and_mended_by_a_job(workspace, monkeypatch):
    started = []
    monkeypatch.setattr(job, "start", lambda workspace, verb, arguments: started.append((verb, arguments)))
    shutil.copy(workspace.raw / "positive/voice0/0.wav", workspace.raw / "negative/voice0/same.wav")
    scan(workspace, ignore)
    app = draw("Dataset")
    assert any("The same audio as positive and as something else" in text.value for text in app.markdown)
    press(app, "Quarantine")
    assert started == [("mend", ["two_labels"])]


def test_the_clips_of_a_finding_are_listed(workspace):
    shutil.copy(workspace.raw / "positive/voice0/0.wav", workspace.raw / "negative/voice0/same.wav")
    scan(workspace, ignore)
    app = press(draw("Dataset"), "Show")
    table = next(frame.value for frame in app.dataframe if frame.value.columns[0] == "Clip")
    assert table["Clip"].tolist() == ["negative/voice0/same.wav", "positive/voice0/0.wav"]


def test_clips_are_filtered_by_name_and_label(workspace):
    app = view(draw("Dataset"), "Listen")
    field(app, "text_input", "Name holds").set_value("voice3").run()
    field(app, "multiselect", "Labels").set_value(["negative"]).run()
    table = next(frame.value for frame in app.dataframe if frame.value.columns[0] == "Clip")
    assert table["Clip"].tolist() == [f"negative/voice3/{n}.wav" for n in range(3)] and set(table["Seconds"]) == {1.5}


@pytest.mark.parametrize("name", ["Pictures", "Augmentation", "Speakers"])
def test_every_view_of_the_clips_draws(workspace, name: str):
    assert not view(draw("Dataset"), name).exception


def test_a_speaker_pattern_is_shown_at_work_before_it_is_kept(workspace):
    app = view(draw("Dataset"), "Speakers")
    field(app, "radio", "Speakers are known by").set_value("pattern").run()
    field(app, "text_input", "Pattern").set_value("no place for it").run()
    assert any("must hold {speaker} once" in text for text in texts(app))
    field(app, "text_input", "Pattern").set_value("voice{speaker}/*.wav").run()
    assert any(text.value.startswith("**8 speakers**, 48 clips; 8 of nobody known") for text in app.markdown)
    press(app, "Keep this rule")
    assert speakers.load_rule(workspace) == speakers.Rule(kind="pattern", pattern="voice{speaker}/*.wav")


def test_a_folder_outside_the_allowed_ones_is_refused(empty, monkeypatch):
    monkeypatch.setattr(job, "start", lambda *arguments: pytest.fail("a job was started"))
    monkeypatch.setenv("WAKEWORD_IMPORT_ROOTS", str(empty.root / "mine"))
    app = draw("Dataset")
    field(app, "text_input", "Folder on this machine").set_value("/etc")
    assert "/etc is not inside" in press(app, "Import folder").error[0].value


def test_uploaded_files_are_taken_scanned_and_can_be_undone(workspace, monkeypatch):
    started = []
    monkeypatch.setattr(job, "start", lambda workspace, verb, arguments: started.append(verb))
    data = (workspace.raw / "positive/voice0/0.wav").read_bytes()
    app = draw("Dataset")
    field(app, "text_input", "Speaker, if it is one person").set_value("anna")
    app.file_uploader[0].upload("../../up.wav", data, "audio/wav").upload("up.wav", data, "audio/wav").run()
    press(app, "Import files")
    assert "Imported 2 into positive" in app.success[0].value and "1 got a number" in app.success[0].value
    names = sorted(path.name for path in (workspace.raw / "positive" / "anna").iterdir())
    assert names == ["up (2).wav", "up.wav"] and started == ["scan"]
    press(app, "Undo")
    assert not (workspace.raw / "positive" / "anna").exists() and started == ["scan", "scan"]


def test_takes_are_kept_or_told_what_is_wrong(workspace):
    app = draw("Dataset")
    field(app, "text_input", "Speaker").set_value("anna").run()
    app.audio_input[0].upload("take.wav", (workspace.raw / "positive/voice0/0.wav").read_bytes(), "audio/wav").run()
    assert any("1 takes kept" in text.value for text in app.markdown)
    (kept,) = (workspace.raw / "positive" / "anna").iterdir()
    assert 0.8 < soundfile.info(kept).duration < 1.3, "silence is cut off"
    app.audio_input[0].upload("take.wav", wav_of(np.zeros(16000)), "audio/wav").run()
    assert any("Nothing was heard" in text for text in texts(app))
    press(app, "Discard")
    press(app, "Undo the last take")
    assert not (workspace.raw / "positive" / "anna").exists()


def wav_of(wave: np.ndarray) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, wave, 16000, "PCM_16", format="WAV")
    return out.getvalue()


def test_an_order_of_synthetic_clips_becomes_a_job(empty, monkeypatch):
    started = []
    monkeypatch.setattr(job, "start", lambda workspace, verb, arguments: started.append((verb, arguments)))
    app = draw("Dataset")
    assert "Type the phrase first" in press(app, "Synthesise clips").error[0].value
    field(app, "text_input", "Phrase to speak").set_value("guten morgen").run()
    field(app, "selectbox", "Language").set_value("de").run()
    press(app, "Propose look-alikes")
    proposed = field(app, "text_area", "Look-alikes, one a line (empty: they are proposed)").value.splitlines()
    assert len(proposed) >= 8 and "guten morgen" not in proposed
    press(app, "Synthesise clips")
    ((verb, arguments),) = started
    assert verb == "synthesise" and "--language=de" in arguments and f"--look-alike={proposed[0]}" in arguments


def test_the_form_shows_every_option_and_saves(empty):
    app = draw("Configuration")
    assert field(app, "number_input", "Learning rate").value == Config().optimizer.learning_rate
    press(app, "Save Configuration")
    assert app.success[0].value == f"Saved to {empty.configs / 'my-recommended.yaml'}"
    assert config_file.saved(empty) == ["my-recommended"]
    press(app, "Load Preset")
    assert field(app, "text_input", "Name").value == "my-recommended-2"


def test_an_edit_outlives_the_page_and_reset_undoes_it(empty):
    app = draw("Configuration")
    field(app, "number_input", "Learning rate").set_value(0.00125).run()
    assert any("Unsaved changes" in text.value and "Learning rate" in text.value for text in app.markdown)
    later = draw("Configuration")
    assert field(later, "number_input", "Learning rate").value == 0.00125
    press(later, "Reset")
    assert field(later, "number_input", "Learning rate").value == Config().optimizer.learning_rate
    assert any("No changes" in text.value for text in later.markdown)


def test_validation_tells_all_problems_at_once_and_saves_nothing(empty):
    app = draw("Configuration")
    field(app, "number_input", "Epochs").set_value(0)
    field(app, "number_input", "Window (s)").set_value(9.0)
    press(app, "Validate Configuration")
    (told,) = app.error
    assert "Epochs (training.epochs): must be at least 1; 0 given." in told.value
    assert "Window (data.window_seconds): must be at most 5.0; 9.0 given." in told.value
    assert "Not saved" in press(app, "Save Configuration").error[0].value
    assert config_file.saved(empty) == []


def test_a_valid_configuration_comes_with_an_estimate(empty):
    app = press(draw("Configuration"), "Validate Configuration")
    assert app.success[0].value.startswith("Configuration is valid.")
    assert "estimate" in app.success[0].value


def test_another_configuration_is_replaced_only_on_purpose(empty):
    config_file.save(empty, "mine", Config())
    before = (empty.configs / "mine.yaml").read_bytes()
    app = draw("Configuration")
    field(app, "text_input", "Name").set_value("mine")
    field(app, "number_input", "Epochs").set_value(3)
    press(app, "Save Configuration")
    assert "“mine” already" in app.error[0].value
    assert (empty.configs / "mine.yaml").read_bytes() == before
    app.checkbox(key="replace").check()
    press(app, "Save Configuration")
    assert config_file.load(empty.configs / "mine.yaml").training.epochs == 3


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden"])
def test_a_name_that_is_no_file_name_is_refused(empty, name):
    app = draw("Configuration")
    field(app, "text_input", "Name").set_value(name)
    assert "cannot be a name" in press(app, "Save Configuration").error[0].value
    assert not list(empty.root.rglob("*.yaml"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("training: {epoch: 3}", "did you mean epochs?"),
        ("training: {epochs: many}", "must be a whole number"),
        ("training: {epochs: -1}\nloss: {positive_weight: 1e9}", "It has 2 problems"),
        ("training: [", "line 1"),
    ],
)
def test_a_file_edited_by_hand_is_refused_with_a_sentence(empty, text, told):
    empty.configs.mkdir()
    (empty.configs / "hand.yaml").write_text(text)
    app = press(draw("Configuration"), "Load")
    assert told in app.error[0].value
    assert field(app, "number_input", "Epochs").value == Config().training.epochs


def test_a_damaged_draft_is_no_obstacle(empty):
    empty.configs.mkdir()
    values = {"training.epochs": "many", "optimizer.learning_rate": True, "model.name": "x", "loss.gone": 3}
    durable.replace_json(empty.configs / ".draft.json", {"kind": "preset", "name": "gone", "values": values})
    app = draw("Configuration")
    assert field(app, "number_input", "Epochs").value == Config().training.epochs
    assert any("cannot be read any more" in text.value for text in app.markdown)
    (empty.configs / ".draft.json").write_text("{")
    draw("Configuration")


def test_without_anything_the_training_page_says_what_is_missing(empty, no_processes):
    app = draw("Training")
    assert [text.value for text in app.warning] == [NO_CONFIGURATION, NO_SPLITS]
    assert {found.label for found in app.metric} >= METRICS
    assert sum(caption.value == "No data yet" for caption in app.caption) == 5
    press(app, "Start Training")
    assert [text.value for text in app.error] == [NO_CONFIGURATION, NO_SPLITS]
    assert not app.warning and not no_processes
    assert links(app) == ["Go to Configuration", "Go to Dataset"]
    assert not app.run().error  # said once


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
    assert no_processes == [["-m", "trainer.supervisor", str(run.folder)]]


def test_the_same_form_sent_twice_leads_to_one_run(workspace, no_processes):
    app = press(press(draw("Training"), "Start Training"), "Start Training")
    (run,) = runs.all_runs(workspace)
    assert [text.value for text in app.warning] == ["Training already in progress"]
    assert links(app) == [f"Open {run.id}"]


def test_two_tabs_that_send_one_form_start_one_run(workspace, no_processes):
    first, second = draw("Training"), draw("Training")
    press(first, "Start Training")
    (run,) = runs.all_runs(workspace)
    end(run, "completed", "All done.")  # the form counts, also when its run is over already
    press(second, "Start Training")
    assert runs.all_runs(workspace) == [run]
    assert second.warning[0].value == "This form has already started a run, which is completed now."
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
    assert documents.read(Control, run.control_file).want == want
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
    assert {found.label for found in app.metric} >= METRICS | {"CPU", "RAM", "Elapsed", "Best epoch"}
    assert (metric(app, "Status"), metric(app, "Epoch"), metric(app, "Best epoch")) == ("Running", "6/40", "5")
    assert charts(app) == 5
    code = [element.value for element in app.code]
    assert str(run.checkpoints / "epoch-3.pt") in code
    assert "[23:45:18] Starting training..." in code
    assert any(str(run.log_file) in caption.value for caption in app.caption)


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


@pytest.mark.parametrize(("page", "every"), [("Training", 2.0), ("Wakeword Studio", 2.0), ("Dataset", 1.0)])
def test_the_timer_ends_with_what_it_watches(workspace, monkeypatch, page, every):
    """The look that finds it ended draws the page once more, and then without a timer."""
    run = make_run(workspace)
    make_alive(run)
    write_job(workspace)
    timers = []

    def fragment(draw_once, run_every, key):
        def ended_meanwhile(*arguments):
            end(run, "completed", "All done.")
            write_job(workspace, state="done", message="Done.")
            draw_once(*arguments)

        timers.append(run_every)
        return ended_meanwhile

    monkeypatch.setattr(st, "fragment", fragment)
    app = draw(page)
    assert timers in ([every, None], [every])  # Home has nothing left to watch
    assert page == "Wakeword Studio" or app.success[0].value in ("All done.", "Done.")


@pytest.mark.parametrize("wanted", ["../../etc", "20990101-000000-0000", "*x*"])
def test_an_unknown_run_in_the_address_is_told(workspace, wanted):
    run = make_run(workspace)
    app = draw("Training", wanted)
    assert "There is no run" in app.warning[0].value
    assert app.query_params["run"] == run.id


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


def test_evaluation_shows_the_best_epoch_and_says_what_it_is_not(workspace):
    run = make_run(workspace, epochs=5)
    end(run, "completed", "All done.")
    app = draw("Evaluation")
    assert (metric(app, "Best epoch"), metric(app, "FNR")) == ("5", "26.76 %")
    assert app.table[0].value.values.tolist() == [[88, 12], [7, 1193]]
    assert any("not per hour" in c.value and "test split were not used" in c.value for c in app.caption)


@pytest.mark.parametrize("epochs", [None, 0])
def test_evaluation_without_a_model_says_where_to_go(workspace, epochs):
    if epochs is not None:
        make_run(workspace, epochs=epochs)
    app = draw("Evaluation")
    assert len(app.info) == 1
    assert links(app) == ["Go to Training"]


def test_runs_are_listed_newest_first_whatever_their_state(workspace):
    end(make_run(workspace, 1, "Old", epochs=5), "completed", "All done.")
    make_run(workspace, 2)
    (make_run(workspace, 3).request_file).write_text("{")
    table = draw("Runs").dataframe[0].value
    assert table["State"].tolist() == ["Damaged", "Lost", "Completed"]
    assert table["Name"].tolist()[1:] == ["20260101-120000-0002", "Old"]
    assert table.loc[2, ["Epochs", "Best epoch"]].tolist() == ["6/40", 5]
    assert table.loc[2, "FNR"] == pytest.approx(26.76, abs=0.01)


def test_no_runs_leads_to_training(empty):
    assert links(draw("Runs")) == ["Go to Training"]


def test_a_form_is_named_by_all_that_it_says(workspace):
    said = {"name": "mine", "config": b"config", "label": "label", "newest_run": "newest"}
    token = form_token(workspace, **said)
    assert token == form_token(workspace, **said)
    others = [form_token(workspace, **said | {key: value + value}) for key, value in said.items()]
    (workspace.splits / "val.csv").write_bytes(b"")
    assert len({token, *others, form_token(workspace, **said)}) == 6
