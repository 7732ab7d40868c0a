"""Where the word lies in a clip."""

import numpy as np
import pytest

from tests.engine.arrays import RATE, tone
from trainer.audio.sound_levels import endpoints


@pytest.mark.parametrize("noise", [0.0, 0.003])
def test_a_word_in_silence_or_noise_is_found_within_40_ms(noise: float):
    rng = np.random.default_rng(0)
    wave = noise * rng.standard_normal(2 * RATE).astype(np.float32)
    wave[RATE // 2 : RATE] += tone(300, 0.5).astype(np.float32)
    start, end = endpoints(wave)
    assert abs(start - RATE // 2) <= 0.04 * RATE and abs(end - RATE) <= 0.04 * RATE


def test_a_short_pause_belongs_to_the_word_and_a_click_does_not():
    wave = np.zeros(3 * RATE, np.float32)
    wave[RATE : RATE + 4800] = tone(300, 0.3)
    wave[RATE + 7200 : RATE + 12000] = tone(300, 0.3)
    wave[200:520] = 0.5
    start, end = endpoints(wave)
    assert abs(start - RATE) <= 640 and abs(end - RATE - 12000) <= 640


@pytest.mark.parametrize("wave", [np.zeros(16000, np.float32), np.zeros(10, np.float32), np.ones(16000, np.float32)])
def test_a_clip_without_a_word_has_end_points_inside_it(wave):
    start, end = endpoints(wave)
    assert 0 <= start <= end <= len(wave)
