"""What a place gets of a model: names, thresholds, and one sentence where a file is damaged."""

import hashlib
from pathlib import Path

import pytest

from tests import tone_model
from trainer.detector import targets
from trainer.detector.detector_file import NAME, DetectorFile, Threshold, Unsmoothed
from trainer.detector.targets import TARGETS, Exported
from trainer.system import durable

HEADS = {"openwakeword.onnx": b"a head", "openwakeword.tflite": b"\x1c\0\0\0TFL3 and more"}
OWN = Unsmoothed(threshold=0.93001, threshold_from=Threshold(source="validation_stream"))


def made(folder: Path, **changes: object) -> DetectorFile:
    tone_model.write(folder, **changes)
    file = durable.read_document(DetectorFile, folder / NAME)
    for name, data in HEADS.items():
        (folder / name).write_bytes(data)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in HEADS.items()}
    return file.model_copy(update={"files": file.files | digests, "unsmoothed": OWN})


@pytest.mark.parametrize(
    ("word", "stem", "title"),
    [
        ("Hey Atlas", "hey_atlas", "Hey Atlas"),
        ("  Grüß Gott, Éva!", "gru_gott_eva", "Gru Gott Eva"),
        ("../../etc/passwd", "etc_passwd", "Etc Passwd"),
        ("你好", "wake_word", "Wake Word"),
        ("", "wake_word", "Wake Word"),
    ],
)
def test_a_word_becomes_the_name_of_a_file_and_that_of_home_assistant(tmp_path, word, stem, title):
    exported = Exported(tmp_path, made(tmp_path), word)
    assert (exported.stem, exported.title) == (stem, title)
    files = targets.package(TARGETS["home-assistant"], tmp_path, made(tmp_path), word).files
    assert list(files) == [f"{stem}.tflite", f"{stem}.json"]


@pytest.mark.parametrize(
    ("exact", "set_to"), [(0.93001, 0.9301), (0.93, 0.93), (0.99991, 0.999910), (0.99999991, 0.99999991), (0.5, 0.5)]
)
def test_a_threshold_is_set_with_few_digits_and_never_lower(tmp_path, exact, set_to):
    exported = Exported(tmp_path, made(tmp_path).model_copy(update={"threshold": exact}), "a")
    assert exported.threshold == pytest.approx(set_to, abs=1e-12) and exact <= exported.threshold < 1


def test_each_place_listens_with_its_threshold(tmp_path):
    file = made(tmp_path, threshold=0.7)
    told = {name: targets.package(each, tmp_path, file, "hey").threshold for name, each in TARGETS.items()}
    assert told == dict.fromkeys(TARGETS, 0.7) | {"home-assistant": 0.9301, "openwakeword": 0.9301}


@pytest.mark.parametrize("name", TARGETS)
def test_a_damaged_or_missing_file_is_one_sentence(tmp_path, name):
    file, target = made(tmp_path), TARGETS[name]
    (tmp_path / target.model).write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"is damaged or of another model. Export the model again\.$"):
        targets.package(target, tmp_path, file, "hey")
    (tmp_path / target.model).unlink()
    with pytest.raises(FileNotFoundError):
        targets.package(target, tmp_path, file, "hey")


def test_a_stranger_s_file_that_is_no_tflite_is_refused(tmp_path):
    """pyopen-wakeword would end the process of the add-on with it."""
    file = made(tmp_path)
    (tmp_path / "openwakeword.tflite").write_bytes(b"#!/bin/sh")
    digest = hashlib.sha256(b"#!/bin/sh").hexdigest()
    vouching = file.model_copy(update={"files": file.files | {"openwakeword.tflite": digest}})
    with pytest.raises(ValueError, match="is not a TensorFlow Lite file"):
        targets.package(TARGETS["home-assistant"], tmp_path, vouching, "hey")


def test_a_model_that_cannot_run_at_a_place_says_why_and_what_to_do(tmp_path):
    file = made(tmp_path)
    several = file.model_copy(update={"labels": ["on", "off"]})
    earlier = file.model_copy(update={"files": {name: "" for name in file.files if not name.endswith(".tflite")}})
    other = file.model_copy(update={"files": {"model.onnx": file.files["model.onnx"]}})
    for changed, said in (
        (several, "takes one word per file, and this model has 2 (on, off). Train a run for each word."),
        (earlier, "by an earlier version, without openwakeword.tflite. Export it again"),
        (other, "this model (tone) does not use. Train with the preset recommended"),
    ):
        with pytest.raises(ValueError) as refused:
            targets.package(TARGETS["home-assistant"], tmp_path, changed, "hey")
        assert said in str(refused.value)
    assert targets.package(TARGETS["onnx"], tmp_path, several, "hey").files, "it hears any label"


@pytest.mark.parametrize("name", ["openwakeword", "home-assistant"])
def test_no_threshold_is_invented_for_a_model_of_an_earlier_version(tmp_path, name):
    chosen = Threshold(source="prior", false_accepts_per_hour=1.0)
    earlier = made(tmp_path).model_copy(update={"unsmoothed": None, "threshold_from": chosen})
    with pytest.raises(ValueError, match=r"without a threshold for .* Export it again"):
        targets.package(TARGETS[name], tmp_path, earlier, "hey")
    without_stream = earlier.model_copy(update={"threshold_from": Threshold(source="default")})
    assert targets.package(TARGETS[name], tmp_path, without_stream, "hey").threshold == 0.5
