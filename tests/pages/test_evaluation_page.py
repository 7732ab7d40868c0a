"""The Evaluation page as a user meets it: listening with a model."""

import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
import soundfile

from pages.ui.evaluation import evaluation_picker, exported_model
from tests import bad_audio, documented, hostile_models, tone_model
from tests.pages.tools import charts, checked, draw, field, metric, press, texts, write_job
from tests.run_folders import dead_process, end, make_alive, make_run
from tests.tiny import RATE, clip_of, make_workspace
from tests.waiting import PATIENCE
from trainer.config import config_file
from trainer.detector.detector_file import NAME, DetectorFile
from trainer.evaluation import errors, evaluations, hard_negatives
from trainer.run import runs
from trainer.run.documents import Best
from trainer.system import durable, job
from trainer.system.workspace import PROJECT_ROOT, Workspace

LONG = {"rate_192k_long.wav", "long_wav.wav", "flac_bomb.flac"}


@pytest.fixture
def run(workspace):
    """A finished run with its exported model."""
    found = make_run(workspace, epochs=3)
    end(found, "completed", "All done.")
    tone_model.write(found.model)
    return found


def listen(run):
    return draw("Evaluation", run.id, "Listen")


def audio(seconds: float, kind: str = "WAV", rate: int = RATE) -> bytes:
    """The word of the tiny data set every two seconds."""
    rng, out = np.random.default_rng(0), io.BytesIO()
    wave = np.concatenate([np.append(clip_of(rng, 600.0), np.zeros(8000)) for _ in range(5)])
    soundfile.write(out, wave[: round(seconds * RATE)][:: RATE // rate], rate, format=kind)
    return out.getvalue()


def test_several_files_are_heard_each_with_its_trace(run):
    app = listen(run)
    good = [("a.wav", audio(10.0)), ("b <b>.flac", audio(3.0, "FLAC")), ("c.ogg", audio(3.0, "OGG", 8000))]
    for name, data in [*good, ("song.m4a", b"ftyp")]:
        app.file_uploader[0].upload(name, data)
    begun = time.perf_counter()
    app.run()
    assert not app.exception and time.perf_counter() - begun < 3
    assert (charts(app), len(app.error), len(app.get("audio"))) == (3, 1, 3)
    assert app.error[0].value.endswith(
        "Files of this type (.m4a) are not supported; if it is audio, convert it to WAV or FLAC."
    )
    took = [caption.value for caption in app.caption if "s of audio, scored in" in caption.value]
    assert took[0].startswith("10.0 s of audio") and float(took[0].split()[-2]) < 1.0
    assert any("b \\<b\\>.flac" in markdown.value for markdown in app.markdown)


def test_every_bad_file_gets_one_sentence(run):
    """All at once; what is only too long for a clip is heard."""
    app = listen(run)
    for name, data in bad_audio.BYTES.items():
        app.file_uploader[0].upload(name, data)
    checked(app.run())
    refused = [error.value for error in app.error]
    assert len(refused) == len(bad_audio.BYTES) - len(LONG) and charts(app) == len(LONG)
    assert all(re.search(r"[.)]$", sentence) and "Traceback" not in sentence for sentence in refused)


@pytest.mark.parametrize("told", ["cannot be run", "returns no probability"])
def test_a_model_that_fails_on_a_sound_is_one_sentence(run, tmp_path, told):
    """It has stood its trial, and hears the noise."""
    data = hostile_models.failing_on_words(run.model)[told]
    sealed = hostile_models.sealed(run.model, tmp_path / "sealed", data)
    shutil.copytree(sealed, run.model, dirs_exist_ok=True)
    app = listen(run)
    noise = io.BytesIO()
    soundfile.write(noise, 0.1 * np.random.default_rng(0).standard_normal(RATE), RATE, format="WAV")
    app.file_uploader[0].upload("noise.wav", noise.getvalue())
    app.file_uploader[0].upload("word.wav", audio(3.0))
    checked(app.run())
    (error,) = app.error
    assert error.value.startswith(f"word.wav: The model {told}") and "Export it again" in error.value
    assert charts(app) == 1


def test_the_threshold_begins_with_the_models_own_and_moves_the_detections(run):
    app = listen(run)
    app.file_uploader[0].upload("a.wav", audio(10.0))
    app.run()
    assert app.slider[0].value == 0.5
    assert app.dataframe[0].value["Second"].tolist() == pytest.approx([0.7, 2.7, 4.7, 6.7, 8.7], abs=0.11)
    app.slider[0].set_value(0.01).run()
    assert len(app.dataframe[0].value) == 11
    app.slider[0].set_value(1.0).run()
    assert not app.dataframe and any("No detections: the highest" in text.value for text in app.markdown)


def test_a_recording_is_kept_only_when_that_is_asked_for(run, workspace):
    app = listen(run)
    app.audio_input[0].upload("r.wav", audio(2.0))
    app.run()
    assert charts(app) == 1 and not list(workspace.raw.rglob("take-*.wav"))
    field(app, "selectbox", "Save as").set_value("hard_negative")
    assert "Enter the speaker" in press(app, "Save this recording").error[0].value
    field(app, "text_input", "Speaker").set_value("anna")
    app = press(app, "Save this recording")
    (kept,) = workspace.raw.rglob("take-*.wav")
    assert kept.parent == workspace.raw / "hard_negative" / "anna"
    assert app.success[0].value.startswith("Recorded hard_negative by anna.")
    assert any("Click Scan Datasets on the Dataset page" in caption.value for caption in app.caption)
    assert not [button for button in app.button if button.label == "Save this recording"]


def test_without_an_exported_model_it_is_made_or_waited_for(workspace, run, monkeypatch):
    (run.model / "detector.json").unlink()
    started = []
    monkeypatch.setattr(job, "start", lambda workspace, verb, arguments: started.append((verb, arguments)))
    app = listen(run)
    assert "no exported model yet" in texts(app)[0] and not app.file_uploader
    press(app, "Export the model")
    assert started == [("export", [run.id])]
    write_job(workspace, "export", doing=run.id)
    app.run()
    assert "Exporting the model" in app.get("progress")[0].proto.text
    assert field(app, "button", "Export the model").disabled
    other = make_run(workspace, 2)
    make_alive(other)
    assert "still training" in texts(listen(other))[0]


def test_a_model_that_is_behind_its_run_says_so(run):
    run.checkpoints.mkdir(exist_ok=True)
    best = Best(epoch=4, val_loss=0.1, val_accuracy=1.0, checkpoint="epoch-00004.pt")
    durable.replace_json(run.checkpoints / "best.json", best.model_dump())
    durable.replace_json(run.checkpoints / "epoch-00004.pt.json", {"sha256": "0" * 64})
    app = listen(run)
    assert "the best epoch of the run is now 4" in app.warning[0].value
    assert field(app, "button", "Export the model again") and app.file_uploader


def test_a_damaged_model_is_one_sentence(run):
    (run.model / "model.onnx").write_bytes(b"no model")
    app = listen(run)
    assert "is corrupt or another model" in app.error[0].value
    assert field(app, "button", "Export the model again")


def test_what_was_heard_is_not_left_on_the_disk(run, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = set(tmp_path.rglob("*"))
    app = listen(run)
    app.file_uploader[0].upload("a.wav", audio(1.0))
    app.run()
    assert charts(app) == 1 and set(tmp_path.rglob("*.wav")) <= before
    assert not np.any([path.name.startswith("wakeword-") for path in tmp_path.iterdir()])


def test_a_model_is_told_in_words_and_taken_away(run, monkeypatch):
    app = draw("Evaluation", run.id, "Model")
    assert (metric(app, "Parity"), metric(app, "Threshold"), metric(app, "Window")) == ("2.0e-06", "0.5000", "1 s")
    assert any("on 512 validation windows" in text.value for text in app.markdown)
    assert any("the default, as there is no validation stream" in text.value for text in app.markdown)
    files = app.dataframe[0].value
    assert files["File"].tolist() == ["model.onnx", "detector.json"] and len(files["SHA-256"][0]) == 64
    with zipfile.ZipFile(
        io.BytesIO(exported_model.packed(run.model, durable.read_document(DetectorFile, run.model / NAME)))
    ) as packed:
        assert packed.namelist() == ["model.onnx", "detector.json"] and packed.testzip() is None
    started = []
    monkeypatch.setattr(job, "start", lambda workspace, verb, arguments: started.append((verb, arguments)))
    press(app, "Make an int8 model")
    assert started == [("export", [run.id, "--int8"])]


def test_only_models_that_were_tried_are_taken_away(run):
    """The files change after the page has loaded the model."""
    assert draw("Evaluation", run.id, "Model").get("download_button")
    file, sound = durable.read_document(DetectorFile, run.model / NAME), (run.model / "model.onnx").read_bytes()
    hostile = hostile_models.hostile(run.model)["loop"][0]
    (run.model / "model.onnx").write_bytes(hostile)
    app = draw("Evaluation", run.id, "Model")
    assert "is corrupt or another model" in app.error[0].value and not app.get("download_button")
    with pytest.raises(ValueError, match="is corrupt or another model"):
        exported_model.packed(run.model, file)
    (run.model / "model.onnx").write_bytes(sound)
    digests = {name: hashlib.sha256(hostile).hexdigest() for name in ("model.int8.onnx", "other.onnx")}
    vouching = file.model_copy(update={"files": file.files | digests})
    durable.replace_json(run.model / NAME, vouching.model_dump())
    (run.model / "other.onnx").write_bytes(hostile)
    app = draw("Evaluation", run.id, "Model")
    assert "model.int8.onnx" in app.error[0].value.replace("\\", "")
    assert [each.proto.label for each in app.get("download_button")] == ["Download for Browser"], "of model.onnx alone"
    (run.model / "model.int8.onnx").write_bytes(hostile)
    app = draw("Evaluation", run.id, "Model")
    assert "contains the operation 'Loop'" in app.error[0].value.replace("\\", "") and not app.get("download_button")
    (run.model / "model.int8.onnx").write_bytes(sound)
    vouching.files["model.int8.onnx"] = file.files["model.onnx"]
    durable.replace_json(run.model / NAME, vouching.model_dump())
    assert draw("Evaluation", run.id, "Model").get("download_button")
    with zipfile.ZipFile(io.BytesIO(exported_model.packed(run.model, vouching))) as archive:
        assert archive.namelist() == ["model.onnx", "model.int8.onnx", NAME]
        assert archive.read("model.onnx") == sound
    with pytest.raises(ValueError, match="has just changed"):
        exported_model.packed(run.model, file)


def test_the_ten_lines_of_python_are_the_documented_ones_and_hear_a_stream(run):
    """With the sound that a microphone would give."""
    lines = next(code.value for code in draw("Evaluation", run.id, "Model").code if code.language == "python")
    assert lines.strip() == documented.program(documented.LISTEN_PAGE).strip()
    sound = (32767 * soundfile.read(io.BytesIO(audio(10.0)))[0]).astype("<i2").tobytes()
    command = [sys.executable, "-c", lines, str(run.model)]
    done = subprocess.run(command, input=sound, capture_output=True, cwd=PROJECT_ROOT, timeout=PATIENCE)
    assert done.stderr == b"" and len(done.stdout.decode().splitlines()) == 5


def test_commands_to_copy_hold_in_a_folder_with_a_space(run, workspace, tmp_path, monkeypatch):
    root = tmp_path / "my words"
    shutil.copytree(workspace.root, root)
    monkeypatch.setenv("WAKEWORD_ROOT", str(root))
    commands = [code.value for code in draw("Evaluation", run.id, "Model").code if code.language == "bash"]
    assert len(commands) == 2 and f"--root '{root}' detect" in commands[0]
    assert commands[1].endswith(f"python listen.py '{root}/runs/{run.id}/model'")


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """Two runs that heard the same streams: made once, only read."""
    workspace = make_workspace(tmp_path_factory.mktemp("evaluated"), hard_negatives=8)
    for number, label in ((1, "Kitchen"), (2, "Hall")):
        found = make_run(workspace, number, label, epochs=3)
        end(found, "completed", "All done.")
        tone_model.evaluated(workspace, found)
    return workspace


@pytest.fixture
def measured(evaluated, tmp_path, monkeypatch):
    """A copy of it for one test."""
    root = tmp_path / "measured"
    shutil.copytree(evaluated.root, root, copy_function=shutil.copy2)
    monkeypatch.setenv("WAKEWORD_ROOT", str(root))
    return Workspace(root)


def newest(workspace):
    return runs.all_runs(workspace)[0]


def with_budget(accepts: int, hours: float, run="", section=""):
    """The page at a budget, as its address says it."""
    app = draw("Evaluation", run, section)
    field(app, "number_input", "False accepts, at most").set_value(accepts)
    field(app, "number_input", "in hours").set_value(hours)
    return checked(app.run())


def test_an_evaluation_is_ordered_with_its_choices(run, workspace, monkeypatch):
    started = []
    monkeypatch.setattr(job, "start", lambda workspace, verb, arguments: started.append((verb, arguments)))
    run.checkpoints.mkdir(exist_ok=True)
    (run.checkpoints / "epoch-00002.pt.json").write_text("{}")
    app = draw("Evaluation", run.id)
    assert "Not evaluated yet." in texts(app)[0]
    field(app, "text_input", "Signal-to-noise ratios (dB)").set_value("20, 0 -5")
    field(app, "text_area", "Long recordings").set_value(f"\n{workspace.raw}\n")
    press(app, "Evaluate")
    ratios = ["--snr=20", "--snr=0", "--snr=-5"]
    assert started == [("evaluate", [run.id, *ratios, f"--stream={workspace.raw}"])]
    field(app, "checkbox", "Streams composed from the test split").set_value(False)
    field(app, "selectbox", "Model").set_value("epoch-00002.pt")
    press(app, "Evaluate")
    assert started[1][1][-2:] == ["--no-composed", "--checkpoint=epoch-00002.pt"]


@pytest.mark.parametrize(
    ("label", "kind", "text", "told"),
    [
        ("Signal-to-noise ratios (dB)", "text_input", "loud", "Enter the ratios as numbers, such as 10, 5"),
        ("Signal-to-noise ratios (dB)", "text_input", "10, 99", "from -20 to 60 dB"),
        ("Long recordings", "text_area", "/etc", "/etc is not inside"),
        ("Long recordings", "text_area", "~/no-such-folder", "Check the spelling."),
        ("Long recordings", "text_area", "~nobody-of-this-name/evenings", "is not a readable path."),
        ("Long recordings", "text_area", "/" + 300 * "a", "is not a readable path."),
    ],
)
def test_choices_that_make_no_evaluation_are_one_sentence(run, monkeypatch, label, kind, text, told):
    monkeypatch.setattr(job, "start", lambda *arguments: pytest.fail("a job was started"))
    app = draw("Evaluation", run.id)
    field(app, kind, label).set_value(text)
    assert told in press(app, "Evaluate").error[0].value


def test_an_evaluation_that_runs_can_be_cancelled_and_one_that_was_killed_says_so(run, workspace):
    write_job(workspace, "evaluate", done=20, total=80, doing="Scoring streams, in seconds of audio")
    app = draw("Evaluation", run.id)
    doing = r"Evaluating: Scoring streams, in seconds of audio \(20 of 80\), about [0-9:]+ left in this step"
    assert re.fullmatch(doing, app.get("progress")[0].proto.text)
    assert field(app, "button", "Evaluate").disabled and field(app, "button", "Cancel")
    write_job(workspace, "evaluate", identity=dead_process())
    assert "ended unexpectedly. Start it again" in draw("Evaluation", run.id).error[0].value


def test_a_budget_chooses_the_threshold_tells_its_cost_and_writes_it_into_the_model(measured):
    app = draw("Evaluation")
    assert charts(app) == 1 and metric(app, "False accepts at budget").startswith("below ")
    strict = float(metric(app, "Threshold at budget"))
    app = with_budget(5, 0.1)
    assert float(metric(app, "Threshold at budget")) < strict
    assert 0 < float(metric(app, "False accepts at budget").removesuffix("/h")) <= 50
    assert any("of 12 words are missed" in text.value for text in app.markdown)
    app = press(app, "Use this estimate")
    assert "The threshold of the model of epoch 3 is now" in app.success[0].value
    file = durable.read_document(DetectorFile, newest(measured).model / NAME)
    assert file.threshold == pytest.approx(float(metric(app, "Threshold")), abs=1e-4)
    assert (file.threshold_from.source, file.threshold_from.false_accepts_per_hour) == ("evaluation", 50.0)
    assert field(app, "button", "Use this estimate").disabled


def test_a_threshold_without_hours_behind_it_is_offered_as_an_estimate_only(measured):
    """A budget of 0.5 an hour takes 4.6 h of long recordings; one of 1,000 an hour takes the minute that there is."""
    app = draw("Evaluation")
    labels = {button.label: button.proto.type for button in app.button}
    assert labels["Use this estimate"] == "secondary" and "Use this threshold" not in labels
    assert any("This threshold is an estimate" in text.value for text in app.markdown)
    app = with_budget(100, 0.1)
    labels = {button.label: button.proto.type for button in app.button}
    assert labels["Use this threshold"] == "primary" and "Use this estimate" not in labels
    press(app, "Use this threshold")
    origin = durable.read_document(DetectorFile, newest(measured).model / NAME).threshold_from
    assert 0 < origin.bound_per_hour <= 1000 and origin.long_hours > 0


def test_a_click_takes_the_budget_that_the_fields_show_though_the_page_has_not_followed(measured):
    app = draw("Evaluation")
    field(app, "number_input", "False accepts, at most").set_value(5)
    field(app, "number_input", "in hours").set_value(0.1)
    press(app, "Use this estimate")
    chosen_from = durable.read_document(DetectorFile, newest(measured).model / NAME).threshold_from
    assert chosen_from.false_accepts_per_hour == 50.0


def test_the_weak_spots_and_every_false_accept_are_listed_heard_and_seen(measured):
    app = with_budget(5, 0.1)
    tables = {frame.proto.alt: frame.value for frame in app.dataframe}
    assert tables["Missed by condition"]["Condition"].tolist() == ["clean", "noise, 10 dB", "noise, 5 dB", "room"]
    assert tables["Missed by speaker"]["Words"].sum() == 12
    assert tables["False accepts by sound"]["False accepts"].sum() == len(tables["False accepts"]) > 0
    assert tables["False accepts"]["Recording"].unique().tolist() == ["false_accepts/evening.wav"]
    assert len(app.get("audio")) == 1 and charts(app) == 2 and len(app.get("image")) == 1
    assert field(app, "button", "Send to hard negatives").disabled, "nothing is chosen"


def test_false_accepts_become_hard_negatives_and_a_training_from_this_model_is_offered(measured):
    run = newest(measured)
    app = with_budget(5, 0.1)
    assert not [button for button in app.button if button.label == "Prepare the configuration"]
    shown = evaluation_picker.load(run, evaluation_picker.all_of(run)[0])
    listed = errors.false_accepts(shown.heard, float(metric(app, "Threshold at budget")))
    hard_negatives.send(measured, run, shown.evaluation, shown.streams, listed[:1], 0.5)
    app.run()
    assert any("The hard negatives contain 1 clip of these recordings" in caption.value for caption in app.caption)
    app = press(app, "Prepare the configuration")
    assert f"Saved as retrain-{run.id}." in app.success[0].value
    assert config_file.load(measured.configs / f"retrain-{run.id}.yaml").training.start_from == run.id


def test_the_clips_of_the_test_split_have_rates_per_clip(measured):
    app = draw("Evaluation", section="Clips")
    assert (metric(app, "Miss rate per clip"), metric(app, "False accept rate per clip")) == ("0.00 %", "0.00 %")
    assert app.table[0].value["Detected"]["positive"] == 3 and charts(app) == 2
    app.slider[0].set_value(1.0).run()
    assert metric(app, "Miss rate per clip") == "100.00 %"
    assert any("Rates are per clip, not per hour" in caption.value for caption in app.caption)


def test_clips_that_another_checkpoint_heard_are_told_as_its_own(measured):
    run = newest(measured)
    (evaluation,) = evaluation_picker.all_of(run)
    other = {"checkpoint": "epoch-00001.pt", "epoch": 1, "model_sha256": "1" * 64}
    later = evaluation.model_copy(update={"id": "20990101-000000-0000"} | other)
    folder = evaluations.folder_of(run, later.id)
    shutil.copytree(evaluations.folder_of(run, evaluation.id).path, folder.path)
    durable.replace_json(folder.document_file, later.model_dump())
    changes = {"threshold": 0.25, "epoch": 1, "files": {"model.onnx": "1" * 64}}
    file = durable.read_document(DetectorFile, run.model / NAME).model_copy(update=changes)
    (run.folder / "models/epoch-00001").mkdir(parents=True)
    durable.replace_json(run.folder / "models/epoch-00001" / NAME, file.model_dump())
    app = draw("Evaluation", section="Clips")
    assert any(caption.value.startswith("Scored by the model of epoch 3 in evaluation") for caption in app.caption)
    assert app.slider[0].value == 0.5, "the run's own model comes first"
    shutil.rmtree(evaluations.folder_of(run, evaluation.id).path)
    app = draw("Evaluation", section="Clips")
    assert any(caption.value.startswith("Scored by the model of epoch 1 in evaluation") for caption in app.caption)
    assert app.slider[0].value == 0.25


def test_two_runs_are_compared_at_the_same_false_accepts(measured):
    app = draw("Evaluation", section="Compare")
    assert field(app, "selectbox", "Compare with").options[0].startswith("Kitchen")
    assert any("At 0.5 false accepts per hour Hall misses" in text.value for text in app.markdown)
    assert app.dataframe[0].value["Model"].tolist() == ["Hall", "Kitchen"] and charts(app) == 1
    shutil.rmtree(runs.all_runs(measured)[1].folder / "evaluation")
    assert "No other evaluation uses the same streams" in texts(draw("Evaluation", section="Compare"))[0]


def test_a_damaged_evaluation_is_one_sentence(measured):
    folder = newest(measured).folder / "evaluation"
    next(folder.rglob("tracks.npz")).write_bytes(b"no tracks")
    assert "cannot be read" in draw("Evaluation").error[0].value
    document = next(folder.rglob("evaluation.json"))
    good = durable.read_json(document)
    for wrong in ("{", *({**good, name: value} for name, value in (("created", "once"), ("hop_seconds", 0.0)))):
        document.write_text(wrong if isinstance(wrong, str) else json.dumps(wrong))
        assert "Not evaluated yet." in texts(draw("Evaluation"))[0]
