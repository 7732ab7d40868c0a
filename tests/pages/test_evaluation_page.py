"""The Evaluation page as a user meets it: listening with a model."""

import io
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
import soundfile

from pages.ui.evaluation import model
from tests import bad_audio, tone_model
from tests.pages.tools import charts, draw, field, metric, press, texts, write_job
from tests.run_folders import end, make_alive, make_run
from tests.tiny import RATE, clip_of
from trainer import documents, job
from trainer.detector_file import NAME, DetectorFile
from trainer.workspace import PROJECT_ROOT


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


def test_several_files_are_heard_each_with_its_trace_and_bad_ones_get_a_sentence(run):
    app = listen(run)
    good = [("a.wav", audio(10.0)), ("b <b>.flac", audio(3.0, "FLAC")), ("c.ogg", audio(3.0, "OGG", 8000))]
    bad = [(name, bad_audio.BYTES[name]) for name in ("cut.wav", "text.ogg", "html.wav", "mp3.wav", "empty.flac")]
    for name, data in [*good, *bad, ("song.mp3", b"ID3")]:
        app.file_uploader[0].upload(name, data)
    begun = time.perf_counter()
    app.run()
    assert not app.exception and time.perf_counter() - begun < 3
    assert (charts(app), len(app.error), len(app.get("audio"))) == (3, 6, 3)
    assert "Files of this kind (.mp3) are not read; use WAV, FLAC or OGG." in app.error[5].value
    assert all(error.value.count(".") < 6 and "cut.wav" in app.error[0].value for error in app.error)
    took = [caption.value for caption in app.caption if "s of audio, heard in" in caption.value]
    assert took[0].startswith("10.0 s of audio") and float(took[0].split()[-2]) < 1.0
    assert any("b \\<b\\>.flac" in markdown.value for markdown in app.markdown)


def test_the_threshold_begins_with_the_models_own_and_moves_the_detections(run):
    app = listen(run)
    app.file_uploader[0].upload("a.wav", audio(10.0))
    app.run()
    assert app.slider[0].value == 0.5
    assert app.dataframe[0].value["Second"].tolist() == pytest.approx([0.7, 2.7, 4.7, 6.7, 8.7], abs=0.11)
    app.slider[0].set_value(0.01).run()
    assert len(app.dataframe[0].value) == 10
    app.slider[0].set_value(1.0).run()
    assert not app.dataframe and any("Nothing detected: the highest" in text.value for text in app.markdown)


def test_a_recording_is_kept_only_when_that_is_asked_for(run, workspace):
    app = listen(run)
    app.audio_input[0].upload("r.wav", audio(2.0))
    app.run()
    assert charts(app) == 1 and not list(workspace.raw.rglob("take-*.wav"))
    field(app, "selectbox", "Keep it as").set_value("hard_negative")
    assert "Type who speaks" in press(app, "Keep this recording").error[0].value
    field(app, "text_input", "Speaker").set_value("anna")
    app = press(app, "Keep this recording")
    (kept,) = workspace.raw.rglob("take-*.wav")
    assert kept.parent == workspace.raw / "hard_negative" / "anna"
    assert "Press Scan Datasets on the Dataset page" in app.success[0].value
    assert not [button for button in app.button if button.label == "Keep this recording"]


def test_without_an_exported_model_it_is_made_or_waited_for(workspace, run, monkeypatch):
    (run.model / "detector.json").unlink()
    started = []
    monkeypatch.setattr(job, "start", lambda workspace, verb, arguments: started.append((verb, arguments)))
    app = listen(run)
    assert "no exported model yet" in texts(app)[0] and not app.file_uploader
    press(app, "Make the model")
    assert started == [("export", [run.id])]
    write_job(workspace, "export", doing=run.id)
    app.run()
    assert "Exporting the model" in app.get("progress")[0].proto.text
    assert field(app, "button", "Make the model").disabled
    other = make_run(workspace, 2)
    make_alive(other)
    assert "still training" in texts(listen(other))[0]


def test_a_damaged_model_is_one_sentence(run):
    (run.model / "model.onnx").write_bytes(b"no model")
    app = listen(run)
    assert "is damaged or another model" in app.error[0].value
    assert field(app, "button", "Make the model again")


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
    assert any("differs from the trained one on 512 validation windows" in text.value for text in app.markdown)
    assert any("no validation stream was heard" in text.value for text in app.markdown)
    files = app.dataframe[0].value
    assert files["File"].tolist() == ["model.onnx", "detector.json"] and len(files["SHA-256"][0]) == 64
    with zipfile.ZipFile(io.BytesIO(model.packed(run.model, documents.read(DetectorFile, run.model / NAME)))) as packed:
        assert packed.namelist() == ["model.onnx", "detector.json"] and packed.testzip() is None
    started = []
    monkeypatch.setattr(job, "start", lambda workspace, verb, arguments: started.append((verb, arguments)))
    press(app, "Make one of eight bits")
    assert started == [("export", [run.id, "--int8"])]


def test_the_ten_lines_of_python_hear_a_stream(run):
    """Exactly what the page shows, with the sound that a microphone would give."""
    lines = next(code.value for code in draw("Evaluation", run.id, "Model").code if code.language == "python")
    assert len(lines.strip().splitlines()) <= 10
    sound = (32767 * soundfile.read(io.BytesIO(audio(10.0)))[0]).astype("<i2").tobytes()
    done = subprocess.run([sys.executable, "-c", lines], input=sound, capture_output=True, cwd=PROJECT_ROOT, timeout=60)
    assert done.stderr == b"" and len(done.stdout.decode().splitlines()) == 5
