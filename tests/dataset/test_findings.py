"""Each fault of a clip is found, and good clips are left in peace."""

import numpy as np
import pytest

from tests import bad_audio
from tests.tiny import clip_of, ignore, make_raw, write_wav
from trainer.dataset import clips, findings, measures
from trainer.dataset.scan import scan
from trainer.system.workspace import Workspace

RATE = 16000


def tone(seconds: float, level: float = 0.3) -> np.ndarray:
    return level * np.sin(2 * np.pi * 440 * np.arange(round(seconds * RATE)) / RATE)


def padded(wave: np.ndarray, before: float, after: float) -> np.ndarray:
    return np.pad(wave, (round(before * RATE), round(after * RATE)))


FAULTY = {
    "silent": np.zeros(RATE),
    "too_short": padded(tone(0.05), 0.4, 0.4),
    "too_long": tone(5.0),
    "much_silence": padded(tone(0.5), 0.2, 1.5),
    "clipped": np.clip(tone(1.0, 3.0), -1, 1),
    "quiet": tone(1.0, 0.005),
    "offset": tone(1.0) + 0.1,
}

WORDS = [clip_of(np.random.default_rng(30 + number), 500 + 200 * number) for number in range(4)]
CHANNELS = {
    "cancel": (WORDS[0], -WORDS[0]), "dead": (WORDS[1], 0 * WORDS[1]),
    "uneven": (WORDS[2], WORDS[2] + 0.1 * np.random.default_rng(0).standard_normal(len(WORDS[2]))),
}  # fmt: skip


def wav_of_a_pipe(wave: np.ndarray) -> bytes:
    return bad_audio.wav(data=np.rint(32767 * wave).astype("<i2").tobytes(), says=0x7FFFF000)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("faulty"))
    make_raw(workspace, voices=8, clips=8)
    for code, wave in FAULTY.items():
        write_wav(workspace.raw / "positive" / "bad" / f"{code}.wav", wave)
    write_wav(workspace.raw / "positive" / "bad" / "low_rate.wav", tone(1.0)[::2], 8000)
    for code, channels in CHANNELS.items():
        write_wav(workspace.raw / "positive" / "bad" / f"{code}.wav", np.stack(channels, 1))
    (workspace.raw / "positive" / "bad" / "length.wav").write_bytes(wav_of_a_pipe(WORDS[3]))
    rng = np.random.default_rng(9)
    again = clip_of(rng, 700)
    for name in ("negative/x/a.wav", "hard_negative/y/b.wav"):
        write_wav(workspace.raw / name, again)
    both = clip_of(rng, 900)
    for name in ("positive/x/c.wav", "negative/y/d.wav"):
        write_wav(workspace.raw / name, both)
    scan(workspace, ignore)
    loaded = clips.load(workspace).clips
    return loaded, {finding.code: finding for finding in findings.find(loaded)}


@pytest.mark.parametrize("code", [*FAULTY, *CHANNELS, "length", "low_rate"])
def test_a_faulty_clip_is_found_and_no_other(found, code: str):
    _, every = found
    assert every[code].paths == (f"positive/bad/{code}.wav",)
    assert every[code].effect.endswith(".") and every[code].title


def test_contradictions_are_errors_and_copies_are_not(found):
    _, every = found
    assert every["two_labels"].severity == "error"
    assert every["two_labels"].paths == ("negative/y/d.wav", "positive/x/c.wav")
    assert every["duplicates"].paths == ("negative/x/a.wav",), "the first of each is kept"


def test_the_gravest_come_first(found):
    _, every = found
    order = [finding.severity for finding in every.values()]
    assert order == sorted(order, key=["error", "warning", "info"].index)


def test_the_whole_is_judged_too(found):
    loaded, _ = found
    codes = {finding.code for finding in findings.find(loaded[loaded["label"].isin(["positive", "negative"])].head(20))}
    assert {"no_background", "no_rirs"} <= codes
    one = loaded[loaded["label"] == "positive"].assign(speaker="anna")
    assert "one_speaker" in {finding.code for finding in findings.find(one)}
    assert findings.find(loaded.iloc[:0]) == []


def test_measures_of_a_known_sound():
    wave = padded(tone(1.0, 0.5), 0.5, 0.25).astype(np.float32)
    found = measures.measure(wave, RATE)
    assert found.peak_db == pytest.approx(-6.0, abs=0.1) and found.level_db == pytest.approx(-9.0, abs=0.1)
    assert found.lead_seconds == pytest.approx(0.5, abs=0.02) and found.tail_seconds == pytest.approx(0.25, abs=0.02)
    assert found.clipped == 0 and abs(found.offset) < 1e-4


@pytest.mark.parametrize("count", [1, 2, 7, 100])
def test_the_shortest_sounds_can_be_measured(count: int):
    found = measures.measure(np.full(count, 0.1, np.float32), RATE)
    assert len(found.fingerprint) == measures.FINGERPRINT_BYTES and np.isfinite(found.level_db)
