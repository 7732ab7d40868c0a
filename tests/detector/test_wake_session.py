"""Several models that hear the same audio: those with one front end compute its columns once."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from tests import tone_model
from tests.tiny import RATE, clip_of
from trainer.detector import detector
from trainer.detector.detector import Detector
from trainer.detector.detector_file import MODEL
from trainer.detector.wake_session import HEARD, WakeSession

OTHER_TONES = range(1440, 1580, 20)


class Counting:
    """A front end that counts how often it runs."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self.session, self.runs = session, 0

    def run(self, *arguments):
        self.runs += 1
        return self.session.run(*arguments)


def loaded(folder: Path, steepness: float, hertz: range = tone_model.HERTZ, **changes: object) -> Detector:
    data = tone_model.model_bytes(steepness, hertz)
    tone_model.write(folder, hertz=hertz, files={MODEL: hashlib.sha256(data).hexdigest()}, **changes)
    (folder / MODEL).write_bytes(data)
    made = detector.load(folder)
    return dataclasses.replace(made, front=Counting(made.front))


@pytest.fixture
def models(tmp_path) -> dict[str, Detector]:
    """Two words on one front end, one on another, and one with longer hops."""
    return {
        "lamp": loaded(tmp_path / "lamp", 30_000.0),
        "other": loaded(tmp_path / "other", 30_000.0, OTHER_TONES),
        "faint": loaded(tmp_path / "faint", 3_000.0, threshold=0.2, smoothing_seconds=0.3),
        "slow": loaded(tmp_path / "slow", 30_000.0, hop_ms=200),
    }


def test_each_hears_what_it_hears_alone_and_a_shared_front_end_runs_once(models: dict[str, Detector]):
    rng = np.random.default_rng(0)
    words = [clip_of(rng, 600.0), np.zeros(2 * RATE), 0.3 * clip_of(rng, 600.0), np.zeros(RATE), clip_of(rng, 1500.0)]
    sound = (32767 * np.clip(np.concatenate(words), -1, 1)).astype("<i2")
    chunks = [sound[first : first + 700].tobytes() for first in range(0, len(sound), 700)]
    alone = {}
    for name, model in models.items():
        session = WakeSession({name: model})
        alone[name] = [hit for chunk in chunks for hit in session.push(HEARD, chunk)] + session.finish()
        assert alone[name], name
    runs = {name: model.front.runs for name, model in models.items()}
    together = WakeSession(models)
    hits = [hit for chunk in chunks for hit in together.push(HEARD, chunk)] + together.finish()
    assert {name: [hit for hit in hits if hit.name == name] for name in models} == alone
    more = {name: model.front.runs - runs[name] for name, model in models.items()}
    assert more == {"lamp": runs["lamp"], "other": runs["other"], "faint": 0, "slow": runs["slow"]}
