"""How the speech of an engine becomes a clip."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from tests.tiny import ignore
from trainer.audio.audio_formats import SAMPLE_RATE
from trainer.synthesis import clip_sound, recipes, typed_words
from trainer.synthesis.clip_sound import RESPONSE_HZ, Utterance, varied
from trainer.synthesis.recipes import Recipe
from trainer.system.workspace import Workspace

FLAT = (0.0,) * len(RESPONSE_HZ)


@pytest.fixture
def plain(tmp_path):
    return Utterance("hello", "en", 165, 50, 0.0, 0.0, -20.0, 7, tmp_path / "a.wav")


def written(utterance, wave):
    clip_sound.write(wave, SAMPLE_RATE, utterance)
    return soundfile.read(utterance.path)[0]


def tone(hertz):
    return np.sin(2 * np.pi * hertz * np.arange(SAMPLE_RATE) / SAMPLE_RATE).astype(np.float32)


def loudest_hertz(wave):
    return np.abs(np.fft.rfft(wave)).argmax() * SAMPLE_RATE / len(wave)


def test_a_slower_pace_is_longer_and_deeper(plain):
    slow = written(replace(plain, pace=0.8), tone(1000))
    assert len(slow) == pytest.approx(1.25 * len(written(plain, tone(1000))), abs=2)
    assert loudest_hertz(slow) == pytest.approx(800, abs=2)


def test_a_microphone_changes_the_balance_of_frequencies_but_not_the_level(plain):
    both = tone(300) + tone(4800)
    bright = np.abs(np.fft.rfft(written(replace(plain, response_db=(0, 0, 0, 0, 0, 0, 12, 12)), both)))
    flat = np.abs(np.fft.rfft(written(replace(plain, response_db=FLAT), both)))
    gains_db = 20 * np.log10(bright[[300, 4800]] / flat[[300, 4800]])
    assert gains_db[1] - gains_db[0] == pytest.approx(12, abs=0.5)
    assert np.square(bright).sum() == pytest.approx(np.square(flat).sum(), rel=0.02)


def test_a_microphone_does_not_delay(plain):
    click = np.zeros(SAMPLE_RATE, np.float32)
    click[4000] = 0.5
    for seed in range(5):
        response = varied(replace(plain, seed=seed)).response_db
        assert abs(int(np.abs(written(replace(plain, response_db=response), click)).argmax()) - 4000) <= 1


def test_the_seed_of_an_utterance_decides_its_pace_and_microphone(plain):
    assert varied(plain) == varied(plain) != varied(replace(plain, seed=8))
    every = [varied(replace(plain, seed=seed)) for seed in range(300)]
    low, high = clip_sound.PACE
    assert low <= min(each.pace for each in every) < max(each.pace for each in every) <= high
    octaves = np.log2(np.array(RESPONSE_HZ) / clip_sound.LEVEL_HZ)
    slopes = [np.polyfit(octaves, each.response_db, 1)[0] for each in every]
    assert np.mean(slopes) == pytest.approx(np.mean(clip_sound.TILT_DB), abs=0.25) and np.std(slopes) > 1
    assert all(getattr(each, name) == getattr(plain, name) for each in every for name in ("rate", "pitch", "level_db"))


def test_a_varied_recipe_makes_other_clips_of_the_same_names(tmp_path):
    counts = {"positive": 2, "negative": 2}
    sounds = []
    for name, is_varied in (("plain", False), ("varied", True), ("again", True)):
        workspace = Workspace(tmp_path / name)
        recipes.synthesise(
            workspace, Recipe("hello moon", counts=counts, engines=("espeak",), is_varied=is_varied), ignore
        )
        sounds.append({path.name: path.read_bytes() for path in sorted(workspace.raw.rglob("*.wav"))})
    plain_clips, varied_clips, same_clips = sounds
    assert plain_clips.keys() == varied_clips.keys() and varied_clips == same_clips
    assert all(plain_clips[name] != varied_clips[name] for name in plain_clips)
    assert typed_words.recipe("hello moon", []).is_varied
