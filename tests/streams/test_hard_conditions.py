"""Hard conditions: what is done to the words, and that they count in no rate."""

import numpy as np
import pytest

from tests.engine.arrays import RATE, clip, tone
from tests.tiny import ignore, make_workspace
from trainer.audio.sound_levels import level_db
from trainer.streams import composition, hard_conditions, spoken
from trainer.streams.composition import Options
from trainer.streams.hard_conditions import Material
from trainer.streams.spoken import WORD_DB

NAMES = [
    "narrow band, noise, 10 dB", "talk, 10 dB", "far, noise, 5 dB", "in a sentence", "fast (speed 1.2)",
    "slow (speed 0.85)", "synthetic music, 10 dB",
]  # fmt: skip
NOTHING = np.empty(0, np.float32)


def pieces(count: int = 4) -> list[spoken.Piece]:
    waves = [np.pad(tone(1000 + 100 * n, 0.6), 9600).astype(np.float32) for n in range(count)]
    return [spoken.piece(clip(f"positive/{n}.wav", 1.8), wave) for n, wave in enumerate(waves)]


@pytest.fixture(scope="module")
def composed() -> dict[str, hard_conditions.Condition]:
    words = pieces()
    clean, times = spoken.concatenated(words, np.random.default_rng(1))
    noise = (10 ** (WORD_DB / 20) * np.random.default_rng(2).standard_normal(len(clean))).astype(np.float32)
    talk = np.resize(tone(250, 1.0, 0.07), len(clean)).astype(np.float32)
    speech = [np.pad(tone(200, 3.0), 4000).astype(np.float32)]
    rir = np.zeros(800, np.float32)
    rir[[0, 400]] = (1.0, 0.3)
    made = hard_conditions.compose(words, clean, times, Material(noise, talk, speech, [rir]), np.random.default_rng(3))
    return {each.name: each for each in made}


def spectrum(wave: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.fft.rfftfreq(len(wave), 1 / RATE), np.abs(np.fft.rfft(wave)) ** 2


def test_every_condition_holds_every_word_at_the_times_it_tells(composed):
    assert list(composed) == NAMES
    for name, each in composed.items():
        assert len(each.words) == 4 and each.wave.dtype == np.float32, name
        for word in each.words:
            assert level_db(each.wave[round(RATE * word.start) : round(RATE * word.end)]) == pytest.approx(-26, abs=1.5)


def test_a_narrow_band_takes_the_word_and_the_noise_alike(composed):
    hertz, power = spectrum(composed["narrow band, noise, 10 dB"].wave)
    outside = power[(hertz < 250) | (hertz > 3500)].sum()
    assert outside < 1e-3 * power.sum()
    hertz, power = spectrum(composed["talk, 10 dB"].wave)
    assert power[(hertz > 240) & (hertz < 260)].sum() > 0.05 * power.sum(), "the talk is there"


def test_speed_changes_the_length_and_the_pitch_of_the_words(composed):
    for name, speed in (("fast (speed 1.2)", 1.2), ("slow (speed 0.85)", 0.85)):
        first = composed[name].words[0]
        assert first.end - first.start == pytest.approx(0.6 / speed, abs=0.05)
        hertz, power = spectrum(composed[name].wave[round(RATE * first.start) : round(RATE * first.end)])
        assert hertz[power.argmax()] == pytest.approx(1000 * speed, rel=0.02)


def test_in_a_sentence_speech_stands_right_before_and_after_the_word(composed):
    each = composed["in a sentence"]
    for word in each.words:
        for start in (word.start - 0.5, word.end + 0.2):
            around = each.wave[round(RATE * start) : round(RATE * (start + 0.3))]
            hertz, power = spectrum(around)
            assert hertz[power.argmax()] == pytest.approx(200, abs=5) and level_db(around) == pytest.approx(-26, abs=1)


def test_music_plays_under_the_words_at_its_level(composed):
    each = composed["synthetic music, 10 dB"]
    clean, times = spoken.concatenated(pieces(), np.random.default_rng(1))
    assert each.words == times
    assert level_db(each.wave - clean) == pytest.approx(WORD_DB - 10, abs=1.5)


def test_what_has_no_material_is_left_out():
    words = pieces(2)
    clean, times = spoken.concatenated(words, np.random.default_rng(1))
    made = hard_conditions.compose(words, clean, times, Material(NOTHING, NOTHING, [], []), np.random.default_rng(0))
    assert [each.name for each in made] == NAMES[-3:]


def test_the_test_split_is_spoken_in_hard_conditions_which_count_in_no_rate(tmp_path):
    workspace = make_workspace(tmp_path)
    plain, hard = (
        composition.compose_test_split(workspace, Options(hard=hard), ignore) for hard in (False, True)
    )  # fmt: skip
    added = [each for each in hard.recordings if not each.in_rates]
    assert [each.condition for each in added] == NAMES
    assert [each for each in hard.recordings if each.in_rates] == plain.recordings, "the others stay as they are"
    assert hard.words == plain.words and hard.title == plain.title and hard.key != plain.key
    assert not any(each.counts_false_accepts for each in added)
