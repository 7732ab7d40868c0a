"""A detector fires as it should, hears recordings of any length, and refuses files that are no model of ours."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from tests import documented
from tests.detectors import RATE, sounds
from trainer.audio import audio_file
from trainer.detector import detector, stream_scores
from trainer.detector.detector_file import DetectorFile
from trainer.detector.stream_scores import Track
from trainer.system import durable
from trainer.system.workspace import PROJECT_ROOT


@pytest.fixture(scope="module")
def model(tone_model: Path) -> Path:
    return tone_model


@pytest.fixture(scope="module")
def loaded(model: Path) -> detector.Detector:
    return detector.load(model, threads=1)


@given(st.lists(st.floats(0, 1, width=32), max_size=80), st.lists(st.integers(0, 80), max_size=5), st.floats(0.1, 0.9))
def test_detections_come_as_those_of_a_whole_stream(loaded, scores, cuts, threshold):
    """In whatever pieces the scores come, they fire where the measurement of streams says."""
    probability = np.array(scores, np.float32)
    trigger = detector.Trigger(loaded.file, threshold)
    found = [each for piece in np.split(probability, sorted(cuts)) for each in trigger.push(piece)]
    smooth = stream_scores.smooth(probability)
    fired = stream_scores.detections(Track(smooth, np.empty((0, 2))), threshold)
    assert [each.time for each in found] == pytest.approx(fired.tolist())
    assert [each.score for each in found] == pytest.approx(smooth[np.rint(fired / 0.1).astype(int) - 1].tolist())


def test_recordings_of_any_length_and_rate_are_heard_in_pieces(loaded, tmp_path):
    wave = sounds(40.0)
    times = np.arange(40 * 44100) / 44100
    other = np.interp(times, np.arange(len(wave)) / RATE, wave)
    soundfile.write(tmp_path / "stereo.flac", np.stack([other, other], 1), 44100)
    pieces = list(audio_file.pieces_16k(tmp_path / "stereo.flac"))
    whole = audio_file.read_16k(tmp_path / "stereo.flac")
    assert len(pieces) > 5 and len(whole) == sum(map(len, pieces))
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-4)
    scores = detector.scores_of_file(loaded, tmp_path / "stereo.flac")
    np.testing.assert_allclose(scores, loaded.scores(whole)[1], atol=1e-3)
    soundfile.write(tmp_path / "long.flac", np.zeros(11 * 60 * 8000, np.int16), 8000)
    assert sum(map(len, audio_file.pieces_16k(tmp_path / "long.flac"))) == 11 * 60 * RATE
    with pytest.raises(audio_file.AudioRefused, match="longer than 10 minutes"):
        audio_file.read(tmp_path / "long.flac")
    (tmp_path / "half.wav").write_bytes(b"RIFF" + bytes(60))
    with pytest.raises(audio_file.AudioRefused):
        detector.scores_of_file(loaded, tmp_path / "half.wav")


def sealed(model: Path, folder: Path, data: bytes) -> Path:
    """A model folder whose detector.json vouches for these bytes, as a stranger could write it."""
    shutil.copytree(model, folder)
    (folder / "model.onnx").write_bytes(data)
    file = durable.read_document(DetectorFile, folder / "detector.json")
    files = {"model.onnx": hashlib.sha256(data).hexdigest()}
    durable.replace_json(folder / "detector.json", file.model_copy(update={"files": files}).model_dump())
    return folder


def foreign(nodes: list, initializers: list = (), given: str = "waveform") -> bytes:
    """A graph of these nodes, from samples to a probability."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", "m"]) for name in (given, "probability")]
    graph = helper.make_graph(nodes, "foreign", ends[:1], ends[1:], list(initializers))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()


def external(name: str) -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="/etc/hostname")
    return tensor


RELU = [helper.make_node("Relu", ["waveform"], ["columns"]), helper.make_node("Relu", ["columns"], ["probability"])]
WITHIN = helper.make_graph(
    [helper.make_node("Identity", ["inner"], ["out"])], "within", [],
    [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1])], [external("inner")],
)  # fmt: skip
STRANGERS = {
    "no bytes of a model": (b"not a model", "is not an ONNX model, or is incomplete"),
    "external weights": (foreign(RELU, [external("weights")]), "refers to external files"),
    "external constant": (
        foreign([*RELU, helper.make_node("Constant", [], ["c"], value=external("c"))]), "refers to external files"
    ),
    "external within": (
        foreign([*RELU, helper.make_node("If", ["cond"], ["x"], then_branch=WITHIN, else_branch=WITHIN)]),
        "refers to external files",
    ),
    "another input": (foreign([helper.make_node("Relu", ["x"], ["probability"])], given="x"), "is not a model"),
    "no such operation": (
        foreign([RELU[0], helper.make_node("Nonsense", ["columns"], ["probability"])]),
        "is not a valid ONNX model",
    ),
    "types that do not fit": (
        foreign([helper.make_node("Not", ["waveform"], ["columns"]), RELU[1]]), r"model in \S+ cannot be run"
    ),
    "no probability": (foreign(RELU), "returns no probability|cannot be run"),
}  # fmt: skip


@pytest.mark.parametrize("kind", STRANGERS)
def test_a_model_of_a_stranger_is_refused_with_a_sentence(kind: str, model: Path, tmp_path):
    data, sentence = STRANGERS[kind]
    with pytest.raises(ValueError, match=sentence) as refused:
        detector.load(sealed(model, tmp_path / "sealed", data))
    assert str(tmp_path / "sealed") in str(refused.value) and "\n" not in str(refused.value)


def test_a_model_cut_short_is_refused_wherever_it_was_cut(model: Path, tmp_path):
    data = (model / "model.onnx").read_bytes()
    for count in (0, 1, len(data) // 2, len(data) - 1):
        with pytest.raises(ValueError, match=r"model\.onnx (is not|refers)"):
            detector.load(sealed(model, tmp_path / str(count), data[:count]))


def test_a_model_that_was_changed_or_lacks_its_document_is_refused(model: Path, tmp_path):
    shutil.copytree(model, tmp_path / "model")
    changed = onnx.load(model / "model.onnx")
    changed.producer_name = "another"
    onnx.save(changed, tmp_path / "model/model.onnx")
    with pytest.raises(ValueError, match=r"its digest is not the one in"):
        detector.load(tmp_path / "model/model.onnx")
    (tmp_path / "model/detector.json").write_text('{"format": 2}')
    with pytest.raises(ValueError, match="is corrupt or of another version"):
        detector.load(tmp_path / "model")
    (tmp_path / "model/detector.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"detector\.json is missing beside"):
        detector.load(tmp_path / "model")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        detector.load(tmp_path / "nowhere")


def test_the_documented_program_listens(model: Path, tmp_path):
    """As they stand there, with raw samples on standard input; they say what `detect` says."""
    code = documented.program(documented.LISTEN_PAGE)
    assert len(code.splitlines()) <= 12
    (tmp_path / "listen.py").write_text(code)
    samples = np.rint(32767 * sounds(8.0)).astype(np.int16)
    done = subprocess.run(
        [sys.executable, tmp_path / "listen.py", model], input=samples.tobytes(), capture_output=True,
        env={"PYTHONPATH": str(PROJECT_ROOT)},
    )  # fmt: skip
    found = detector.load(model)
    expected = [f"{each.time:.1f} s: {each.score:.3f}" for each in found.detections(found.stream().push(samples))]
    assert done.stdout.decode().splitlines() == expected and len(expected) > 1, done.stderr


def test_listening_needs_nothing_that_trains_or_draws():
    code = (
        "import trainer.detector.detector, sys; "
        "print(' '.join(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT_ROOT)
    found = set(done.stdout.split())
    assert {"onnxruntime", "numpy", "pydantic", "soundfile"} <= found, done.stderr
    assert not found & {"torch", "torchaudio", "pandas", "pyarrow", "streamlit", "scipy", "yaml", "click", "rich"}


BLOCKER = """
import importlib.abc, sys

class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("fcntl", "resource", "torch", "torchaudio", "streamlit", "pandas"):
            raise ModuleNotFoundError(f"{name} is blocked", name=name)

sys.meta_path.insert(0, Blocked())
"""
LISTEN = """
import importlib, json, pkgutil, sys
from pathlib import Path
import trainer.detector
for module in pkgutil.iter_modules(trainer.detector.__path__, "trainer.detector."):
    importlib.import_module(module.name)
from trainer.detector import detector
loaded = detector.load(Path(sys.argv[1]))
found = loaded.detections(detector.scores_of_file(loaded, Path(sys.argv[2])))
rooms = sorted({name.split(".")[1] for name in sys.modules if name.startswith("trainer.")})
print(json.dumps([rooms, [each.time for each in found]]))
"""


def test_the_room_works_alone(model, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(BLOCKER)  # in the process that tries the model too
    recording = tmp_path / "sound.wav"
    soundfile.write(recording, sounds(8.0), RATE)
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{PROJECT_ROOT}"}
    done = subprocess.run(
        [sys.executable, "-c", LISTEN, model, recording],
        capture_output=True,
        text=True,
        env=environment,
        cwd=PROJECT_ROOT,
    )
    assert done.returncode == 0, done.stderr
    rooms, times = json.loads(done.stdout)
    assert set(rooms) <= {"audio", "detector", "system"}
    loaded = detector.load(model)
    assert times == [each.time for each in loaded.detections(detector.scores_of_file(loaded, recording))] and times
