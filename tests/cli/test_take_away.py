"""`export --for` writes what one place loads, which hears there as was measured, and says what to do there."""

import json

import numpy as np
import pytest
import soundfile

from tests.cli.test_command_line import answer, call, refused
from tests.clients import both
from tests.run_folders import end_all
from tests.tiny import ignore, make_workspace, tiny_config
from tests.waiting import wait_until
from trainer.config import config_file
from trainer.detector import detector, detector_file, stream_scores
from trainer.detector.detector_file import DetectorFile
from trainer.engine.export import parity
from trainer.engine.training import validation
from trainer.run import launch
from trainer.run.runs import Run
from trainer.streams import stream_set
from trainer.streams.stream_set import ScoredStream
from trainer.system import durable

BUDGET = 200.0
"""False accepts per hour: none in the seconds of this validation stream."""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    made = make_workspace(tmp_path_factory.mktemp("workspace"), hard_negatives=8)
    yield made
    end_all(made)


def trained(workspace, label: str, **changes: object) -> Run:
    config = tiny_config(epochs=6, false_accepts_per_hour=BUDGET).model_dump() | changes
    return wait_until(launch.start(workspace, config_file.build(config), "tiny", label).run, "completed", "failed").run


@pytest.fixture(scope="module")
def run(workspace) -> Run:
    """A head on the speech embedding that has learned its tones, with a threshold for its budget."""
    changes = {
        "features": {"kind": "speech_embedding"}, "model": {"name": "gru", "width": 0.25},
        "loss": {"label_smoothing": 0.02},  # unlike the models whose thresholds are the prior
    }  # fmt: skip
    return trained(workspace, "Hey Ätlas!", data={"window_seconds": 2.0}, **changes)


@pytest.fixture(scope="module")
def file(run) -> DetectorFile:
    return durable.read_document(DetectorFile, detector_file.path_in(run.model))


@pytest.fixture(scope="module")
def home_assistant(workspace, run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("taken") / "to" / "home"
    return folder, answer(workspace, "export", run.id, str(folder), "--for", "home-assistant")


def test_home_assistant_gets_the_word_and_linux_voice_assistant_its_threshold(run, file, home_assistant):
    folder, told = home_assistant
    assert (
        told["files"]
        == ["hey_atlas.tflite", "hey_atlas.json"]
        == sorted((p.name for p in folder.iterdir()), reverse=True)
    )
    assert (told["folder"], told["run"], told["for"]) == (str(folder), run.id, "home-assistant")
    assert 0 <= told["threshold"] - file.unsmoothed.threshold < 1e-4
    beside = json.loads((folder / "hey_atlas.json").read_text())
    assert beside == {
        "type": "openWakeWord", "wake_word": "Hey Ätlas!", "model": "hey_atlas.tflite", "trained_languages": [],
        "openWakeWord": {"probability_cutoff": told["threshold"]},
    }  # fmt: skip
    steps = " ".join(told["steps"])
    for said in ("/share/openwakeword", f"threshold to {told['threshold']:g}", "restart the add-on", "*Hey Atlas*"):
        assert said in steps


def test_the_threshold_there_is_that_of_the_scores_as_they_are_formed_there(workspace, run, file):
    """Raw, and two seconds apart: counted anew with the exported model in the validation stream."""
    own, opened = file.unsmoothed.threshold_from, parity.open_run(run, file.checkpoint, ignore)
    ours = detector.load(run.model)
    streams = [
        ScoredStream(
            each.recording, ours.scores(np.clip(each.wave, -1, 1))[1].astype(np.float64), file.hop_seconds, 2.0
        )
        for each in validation.compose_stream(opened.val.array, lambda: None)
    ]
    point, lower = (stream_set.point_at(streams, file.unsmoothed.threshold + off) for off in (1e-5, -1e-5))
    assert own.source == "validation_stream" and own.words == point.words > 3
    assert own.miss_rate == pytest.approx(point.miss_rate) and own.false_accepts == point.false_accepts
    assert own.false_accepts <= BUDGET * own.hours < lower.false_accepts, "it is the lowest that keeps to the budget"
    assert file.unsmoothed.threshold != file.threshold, "smoothed scores have another one"


def test_the_file_fires_in_the_client_where_our_detector_does(workspace, run, file, home_assistant):
    folder, told = home_assistant
    clips = sorted(path for label in ("positive", "negative") for path in (workspace.raw / label).rglob("*.wav"))[:40]
    samples = np.concatenate([soundfile.read(path, dtype="int16")[0] for path in clips])
    theirs, own = both("pyopen", folder / "hey_atlas.tflite", detector.load(run.model), samples)
    assert np.abs(theirs - own).max() < detector_file.LARGEST_DIFFERENCE
    gap = stream_scores.refractory_hops(file.hop_seconds, 2.0)
    fired, expected = (stream_scores.firing_hops(each, told["threshold"], gap) for each in (theirs, own))
    assert fired == expected and len(fired) > 3


def test_openwakeword_gets_a_file_with_the_name_of_the_word(workspace, run, tmp_path):
    told = answer(workspace, "export", run.id, str(tmp_path), "--for", "openwakeword")
    assert told["files"] == ["hey_atlas.onnx", "hey_atlas.tflite"]
    sound = np.rint(8000 * np.sin(np.arange(5 * 16000) * 600 * 2 * np.pi / 16000)).astype(np.int16)
    theirs, own = both("openwakeword", tmp_path / "hey_atlas.onnx", detector.load(run.model), sound)
    assert np.abs(theirs - own).max() < detector_file.LARGEST_DIFFERENCE
    assert 'predict(samples)["hey_atlas"]' in told["steps"][-1] and f"above {told['threshold']}." in told["steps"][-1]
    assert "download_models()" in " ".join(told["steps"]), "the package holds no embedding"


@pytest.mark.parametrize(("place", "files"), [("onnx", []), ("wyoming", []), ("python", ["listen.py"])])
def test_others_get_the_detector_with_its_own_threshold(workspace, run, file, tmp_path, place: str, files: list[str]):
    told = answer(workspace, "export", run.id, str(tmp_path), "--for", place)
    assert told["files"] == ["model.onnx", "detector.json", *files]
    assert detector.load(tmp_path).file == file and 0 <= told["threshold"] - file.threshold < 1e-4
    text = call(workspace, "export", run.id, str(tmp_path), "--for", place).stdout
    assert all(f"{number}. {step}" in text.replace("\n", " ") for number, step in enumerate(told["steps"], 1))


def test_a_model_that_cannot_run_there_is_one_sentence_that_says_what_to_train(workspace, tmp_path):
    other = trained(workspace, "tones")
    for place in ("home-assistant", "openwakeword"):
        line = refused(workspace, "export", other.id, str(tmp_path / "new"), "--for", place)
        assert "computes the speech embedding, which this model (tc_resnet) does not use. Train with the preset" in line
    assert not (tmp_path / "new").exists()
    assert "Name a folder for the files" in refused(workspace, "export", other.id, "--for", "onnx")
    assert "'onnx'" in refused(workspace, "export", other.id, str(tmp_path), "--for", "moon")


def test_a_head_of_an_earlier_version_is_completed_on_its_way_out(workspace, run, file, tmp_path):
    before = (run.model / "openwakeword.tflite").read_bytes()
    (run.model / "openwakeword.tflite").unlink()
    kept = {name: digest for name, digest in file.files.items() if name != "openwakeword.tflite"}
    earlier = file.model_copy(update={"files": kept, "unsmoothed": None})
    durable.replace_json(detector_file.path_in(run.model), earlier.model_dump())
    told = answer(workspace, "export", run.id, str(tmp_path), "--for", "home-assistant")
    assert (tmp_path / "hey_atlas.tflite").read_bytes() == before
    assert 0 <= told["threshold"] - file.unsmoothed.threshold < 1e-4
