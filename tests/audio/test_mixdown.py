"""One channel from several: what was said is still there, whatever is wrong with a channel."""

import numpy as np
import pytest
import soundfile

from trainer.audio import audio_file, mixdown

RATE = 16000


def noise(seconds: float = 2.0, seed: int = 0, level: float = 0.1) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.float32)


def speech(seconds: float = 2.0, seed: int = 0) -> np.ndarray:
    """Sound with the spectrum of speech, in syllables between which there is a little noise."""
    made = np.cumsum(noise(seconds, seed))
    made -= np.convolve(made, np.ones(160) / 160, "same")  # nothing below 100 Hz
    time = np.arange(len(made)) / RATE
    syllables = np.maximum(0, np.sin(2 * np.pi * 3 * time)) ** 2
    return (0.3 * made / np.abs(made).max() * syllables + noise(seconds, seed + 99, 2e-4)).astype(np.float32)


def later(wave: np.ndarray, milliseconds: float) -> np.ndarray:
    return np.roll(wave, round(milliseconds * RATE / 1000))


def decided(*channels: np.ndarray) -> mixdown.Mixdown:
    return mixdown.decide(np.stack(channels, 1).astype(np.float32), RATE)


WORD = speech()
ALONE = {
    "opposite": (WORD, -WORD), "opposite and quieter": (WORD, -0.6 * WORD),
    "opposite and noisy": (WORD, noise(seed=5, level=2e-3) - WORD),
    "delayed by 0.5 ms": (WORD, later(WORD, 0.5)), "delayed by 1 ms": (later(WORD, 1), WORD),
    "delayed by 1 ms and quieter": (WORD, 0.8 * later(WORD, 1)),
    "one of four delayed pairs": (WORD, later(WORD, 1), WORD, later(WORD, 1)),
    "a constant beside it": (WORD + 0.2, -WORD),
}  # fmt: skip
MIXED = {
    "the same": (WORD, WORD), "one quieter": (WORD, 0.3 * WORD), "panned": (WORD, 0.1 * WORD),
    "unrelated": (noise(seed=1), noise(seed=2)), "six unrelated": tuple(noise(seed=seed) for seed in range(6)),
    "two voices": (WORD, speech(seed=7)), "one sample apart": (WORD, np.roll(WORD, 1)),
    "music in stereo": (WORD + speech(seed=3), WORD + speech(seed=4)),
    "with noise of their own": (WORD + noise(seed=1, level=1e-3), WORD + noise(seed=2, level=1e-3)),
    "nothing": (np.zeros(RATE), np.zeros(RATE)), "two samples": (np.ones(2), np.ones(2)),
}  # fmt: skip


@pytest.mark.parametrize("name", ALONE)
def test_channels_that_cancel_are_not_mixed(name: str):
    found = decided(*ALONE[name])
    assert (found.fault, found.channels) == ("cancel", (found.best,))


@pytest.mark.parametrize("name", MIXED)
def test_good_channels_are_mixed(name: str):
    found = decided(*MIXED[name])
    assert (found.fault, found.channels) == ("", tuple(range(len(MIXED[name]))))


def test_a_dead_channel_is_left_out_so_that_the_level_stays():
    assert decided(np.zeros_like(WORD), WORD) == mixdown.Mixdown((1,), "dead", 1)
    found = decided(WORD, noise(level=1e-5), 0.9 * WORD)
    assert (found.fault, found.channels) == ("dead", (0, 2))
    constant = np.full_like(WORD, 0.3)  # a microphone that is not plugged in
    assert decided(constant, WORD) == mixdown.Mixdown((1,), "dead", 1)


@pytest.mark.parametrize(("bad", "name"), [(WORD + noise(level=0.02), "noisy"), (np.clip(20 * WORD, -1, 1), "clipped")])
def test_a_noisy_or_clipped_channel_is_told_and_the_best_one_proposed(bad: np.ndarray, name: str):
    for place, channels in enumerate([(WORD, bad), (bad, WORD), (bad, bad, WORD)]):
        assert decided(*channels) == mixdown.Mixdown(tuple(range(len(channels))), "uneven", place), name


@pytest.mark.parametrize("seconds", [1.0, 90.0])
@pytest.mark.parametrize("kind", ["wav", "flac", "ogg"])
def test_the_same_sound_is_heard_everywhere(tmp_path, kind: str, seconds: float):
    """A clip, a long recording in pieces, and a part of it."""
    wave, path = speech(seconds), tmp_path / f"a.{kind}"
    with soundfile.SoundFile(path, "w", RATE, 2) as out:
        for first in range(0, len(wave), RATE):  # the encoder crashes on long pieces
            piece = wave[first : first + RATE]
            out.write(np.stack([piece, -piece], 1))
    whole, facts = audio_file.read(path)
    assert (facts.channel_fault, facts.used_channel, facts.channels) == ("cancel", 1, 2)
    assert np.corrcoef(whole, wave)[0, 1] > 0.9
    np.testing.assert_array_equal(np.concatenate(list(audio_file.pieces_16k(path))), whole)
    for first in (0.0, 0.3, seconds - 0.5):
        cut, _ = audio_file.part(path, first, first + 0.4)
        begin = round(first * RATE)
        np.testing.assert_allclose(cut, whole[begin : begin + len(cut)], atol=1e-4)


def test_a_channel_can_be_read_alone(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.stack([WORD, speech(seed=7)], 1), RATE, "FLOAT")
    np.testing.assert_array_equal(audio_file.read(tmp_path / "a.wav", 2)[0], speech(seed=7))
    with pytest.raises(audio_file.AudioRefused, match="no channel 3; choose one of 1 to 2"):
        audio_file.read(tmp_path / "a.wav", 3)
