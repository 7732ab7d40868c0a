"""The programs of others that load exported models, each in a process of its own: pyopen-wakeword ends the process that
gives it a file that it cannot load.

    python -m tests.clients pyopen|openwakeword MODEL SAMPLES.npy SCORES.npy
"""

import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from trainer.detector.detector import Detector

HOP = 1280
"""Samples of 80 ms, the piece that they get at a time."""
LATER = 160
"""Samples by which pyopen-wakeword starts its windows earlier than openWakeWord does; its scores come a hop later."""
WARM = 40
"""First hops that differ: each program imagines another sound before the stream."""


def scores_of(client: str, model: Path, samples: np.ndarray) -> np.ndarray:
    """A score for each hop of int16 samples at 16 kHz."""
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

    from trainer.engine.features.embedding import MODEL_FILES, model_file

    features = dict(
        zip(("melspec_model_path", "embedding_model_path"), map(str, map(model_file, MODEL_FILES)), strict=True)
    )
    word = Model(wakeword_models=[model], inference_framework="onnx", **features)
    pieces = (samples[first : first + HOP] for first in range(0, len(samples) - HOP + 1, HOP))
    return [word.predict(piece)[Path(model).stem] for piece in pieces]


if __name__ == "__main__":
    _, client, model, given, found = sys.argv
    listen = {"pyopen": _pyopen, "openwakeword": _openwakeword}[client]
    np.save(found, np.array(listen(model, np.load(given)), np.float32))
