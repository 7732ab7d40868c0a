"""Takes from the browser: read without a decoder, judged, trimmed, kept under their speaker."""

import io
import wave as wav

import numpy as np
import pytest
import soundfile

from trainer.dataset import changes, recording
from trainer.system.workspace import Workspace

RATE = 16000


def take_bytes(wave: np.ndarray, channels: int = 1, width: int = 2, rate: int = RATE) -> bytes:
    out = io.BytesIO()
    with wav.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(np.rint(np.clip(wave, -1, 1) * 32767).astype("<i2").tobytes())
    return out.getvalue()


def spoken(seconds: float = 0.6, level: float = 0.3) -> np.ndarray:
    tone = level * np.sin(2 * np.pi * 440 * np.arange(round(seconds * RATE)) / RATE)
    return np.pad(tone, (RATE, RATE))


def test_silence_is_cut_and_a_good_take_has_no_problems():
    take = recording.read(take_bytes(spoken()))
    assert take.seconds == pytest.approx(1.2, abs=0.05) and recording.problems(take, "positive") == []


def test_a_take_of_two_opposite_channels_is_heard():
    both = np.stack([spoken(), -spoken()], 1).reshape(-1)
    assert recording.problems(recording.read(take_bytes(both, channels=2)), "positive") == []


@pytest.mark.parametrize(
    ("wave", "told"),
    [
        (np.zeros(RATE), "The recording is silent"),
        (spoken(level=3.0), "clipped"),
        (spoken(level=0.004), "very quiet"),
        (spoken(0.05), "too short for a word"),
        (spoken(5.0), "too long for one word"),
    ],
)
def test_a_bad_take_says_what_to_do(wave, told: str):
    assert any(told in sentence for sentence in recording.problems(recording.read(take_bytes(wave)), "positive"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RIFF",
        b"no wav at all" * 9,
        take_bytes(np.zeros(0)),
        take_bytes(spoken(), width=1),
        take_bytes(spoken(60.0)),
    ],
)
def test_what_is_no_take_is_one_sentence(data: bytes):
    with pytest.raises(ValueError, match=r"recording"):
        recording.read(data)


def test_two_channels_become_one():
    stereo = np.repeat(spoken(), 2)
    assert recording.read(take_bytes(stereo, channels=2)).measures.peak_db == pytest.approx(-10.5, abs=0.2)


def test_a_take_is_kept_under_its_speaker_and_can_be_undone(tmp_path):
    workspace = Workspace(tmp_path)
    take = recording.read(take_bytes(spoken()))
    with pytest.raises(ValueError, match="Enter the speaker"):
        recording.save(workspace, take, "positive", " ../ ")
    kept = [recording.save(workspace, take, "positive", "Anna/../B") for _ in range(3)]
    files = list((workspace.raw / "positive").rglob("*.wav"))
    assert len(files) == 3 and {file.parent.parent for file in files} == {workspace.raw / "positive"}
    assert soundfile.info(files[0]).subtype == "PCM_16"
    changes.undo(workspace, kept[1].id)
    assert len(list((workspace.raw / "positive").rglob("*.wav"))) == 2
