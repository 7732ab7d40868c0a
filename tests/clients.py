"""The programs of others that load exported models, each in a process of its own: pyopen-wakeword ends the process that
gives it a file that it cannot load.

    python -m tests.clients pyopen|openwakeword MODEL SAMPLES.npy SCORES.npy
    python -m tests.clients pymicro MODEL FEATURES.npy SCORES.npy
"""

import subprocess
import sys
import tempfile
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from trainer.detector.detector import Detector
from trainer.engine.features.embedding import MODEL_FILES, model_file

HOP = 1280
"""Samples of 80 ms, the piece that they get at a time."""
LATER = 160
"""Samples by which pyopen-wakeword starts its windows earlier than openWakeWord does; its scores come a hop later."""
BEYOND = 480
"""Samples after a hop that the frames of the hop need."""
WARM = 40
"""First hops that differ: each program imagines another sound before the stream."""


def scores_of(client: str, model: Path, samples: np.ndarray) -> np.ndarray:
    """A score for each hop of int16 samples at 16 kHz; for pymicro, each step of features [frames, 40]."""
    if find_spec("openwakeword") is None and client == "openwakeword":
        pytest.skip("needs openwakeword, which `make setup` installs from tests/openwakeword.lock")
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "samples.npy", Path(folder) / "scores.npy"
        np.save(given, samples)
        command = [sys.executable, "-m", "tests.clients", client, str(model), str(given), str(found)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, f"{client} ended with {done.returncode}: {done.stderr[-2000:]}"
        return np.load(found)


def both(client: str, model: Path, ours: Detector, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The scores of a client and of our detector at the same moments of the same sound."""
    theirs = scores_of(client, model, samples)
    if client == "openwakeword":
        return theirs[WARM:], ours.stream().push(samples)[WARM:]
    own = ours.stream().push(np.concatenate([np.zeros(LATER, np.int16), samples]))
    return theirs[WARM + 1 :], own[WARM : len(theirs) - 1]


def on_the_same_windows(theirs: np.ndarray, head: Path, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The scores of pyopen-wakeword, and those of an ONNX head on the embeddings that it computes.

    As in openWakeWord the levels of eight frames at a time lie within 80 dB, but its eights begin four frames later in
    a window, so the embeddings of sound with a greater range, such as speech beside digital silence, differ from ours.
    """
    sessions = [onnxruntime.InferenceSession(path) for path in (*map(model_file, MODEL_FILES), head)]
    mel, embed, network = (partial(each.run, None) for each in sessions)
    names = [each.get_inputs()[0].name for each in sessions]
    firsts = range(0, (len(samples) // HOP - 1) * HOP, HOP)  # the last hop waits for the samples beyond it
    pieces = (samples[None, first : first + HOP + BEYOND] for first in firsts)
    frames = np.concatenate([mel({names[0]: piece.astype(np.float32)})[0][0, 0] / 10 + 2 for piece in pieces])
    windows = np.lib.stride_tricks.sliding_window_view(frames, 76, axis=0)[::8].transpose(0, 2, 1)
    embeddings = np.concatenate([embed({names[1]: window[None, :, :, None]})[0][0, 0] for window in windows])
    steps = np.lib.stride_tricks.sliding_window_view(embeddings, 16, axis=0).transpose(0, 2, 1)
    own = np.array([network({names[2]: step[None]})[0].item() for step in steps], np.float32)
    count = min(len(own), len(theirs) - WARM)
    return theirs[len(theirs) - count :], own[len(own) - count :]


def _pyopen(model: str, samples: np.ndarray) -> list[float]:
    from pyopen_wakeword import OpenWakeWord, OpenWakeWordFeatures

    word, features, scores = OpenWakeWord.from_model(model), OpenWakeWordFeatures.from_builtin(), []
    for first in range(0, len(samples) - HOP + 1, HOP):
        piece = samples[first : first + HOP].tobytes()
        found = [score for each in features.process_streaming(piece) for score in word.process_streaming(each)]
        scores.append(found[-1])  # the first piece comes with eight seconds of silence before it
    return scores


def _openwakeword(model: str, samples: np.ndarray) -> list[float]:
    from openwakeword.model import Model

    features = dict(
        zip(("melspec_model_path", "embedding_model_path"), map(str, map(model_file, MODEL_FILES)), strict=True)
    )
    word = Model(wakeword_models=[model], inference_framework="onnx", **features)
    pieces = (samples[first : first + HOP] for first in range(0, len(samples) - HOP + 1, HOP))
    return [word.predict(piece)[Path(model).stem] for piece in pieces]


def _pymicro(model: str, features: np.ndarray) -> list[float]:
    from pymicro_wakeword import microwakeword

    (library,) = microwakeword._MODULE_LIB_DIR.glob("*tensorflowlite_c.*")
    settings = {"probability_cutoff": 0.5, "sliding_window_size": 1, "trained_languages": ["en"]}
    word = microwakeword.MicroWakeWord(
        "", wake_word="", tflite_model=model, libtensorflowlite_c_path=library, **settings
    )
    every = [word.process_streaming_prob(frame.reshape(1, 1, -1)) for frame in features]
    return every[word.stride - 1 :: word.stride]


if __name__ == "__main__":
    _, client, model, given, found = sys.argv
    listen = {"pyopen": _pyopen, "openwakeword": _openwakeword, "pymicro": _pymicro}[client]
    np.save(found, np.array(listen(model, np.load(given)), np.float32))
