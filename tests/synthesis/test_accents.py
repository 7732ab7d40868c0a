"""Accents: other sounds and melodies in a third of the positives."""

import random
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from tests.kokoro_voices import STYLES, TINY, write_packages
from tests.tiny import ignore
from trainer.synthesis import accents, engines, kokoro, phrases, recipes, voice_install
from trainer.synthesis.clip_sound import Utterance
from trainer.synthesis.engines import Espeak
from trainer.synthesis.kokoro import Kokoro
from trainer.synthesis.recipes import Recipe
from trainer.system.workspace import Workspace

ALEXA, NAMES = "əlˈɛksə", ("af_one", "am_two", "bf_three", "ff_four")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    root = tmp_path_factory.mktemp("accents")
    made = Workspace(root / "workspace")
    made.root.mkdir()
    voice_install.get(made, TINY, str(write_packages(root / "shelf")), ignore)
    return made


@pytest.fixture
def speaker(workspace, monkeypatch):
    monkeypatch.setattr(engines, "KOKORO", TINY)
    return Kokoro(voice_install.folder(workspace, TINY), workspace.cache / "speech")


def test_sounds_are_replaced_by_those_of_the_table_alone():
    spoken = [accents.foreign(ALEXA, random.Random(seed)) for seed in range(200)]
    assert len(set(spoken)) > 20 and ALEXA in spoken
    for text in spoken:
        kept = [new == old or new in accents.INSTEAD[old] for old, new in zip(ALEXA, text, strict=True)]
        assert all(kept)


def test_half_of_the_accents_have_other_sounds_and_all_another_melody():
    drawn = [accents.draw(ALEXA, "af_one", NAMES, random.Random(seed)) for seed in range(400)]
    changed = np.mean([each.phonemes != ALEXA for each in drawn])
    assert 0.35 < changed < 0.5, "some draws replace no sound"
    low, high = accents.PARTNER_SHARE
    assert all(low <= each.share <= high and 0 <= each.melody_share <= 1 for each in drawn)
    women = np.mean([each.melody[1] == "f" for each in drawn])
    assert 0.85 < women < 1 and {each.melody for each in drawn} == set(NAMES)


def test_a_third_of_the_positives_is_accented_where_kokoro_speaks_english(speaker):
    every = [Espeak(), speaker]
    recipe = Recipe("hello", counts={"positive": 900, "negative": 600}, is_varied=True)
    assert recipes.shares(recipe, every, "positive") == (
        [range(300), range(300, 600)],
        [range(0), range(600, 900)],
    )
    none = [range(0), range(0)]
    assert recipes.shares(recipe, every, "negative") == ([range(300), range(300, 600)], none)
    for plain in (replace(recipe, is_varied=False), replace(recipe, language="fr")):
        assert recipes.shares(plain, every, "positive") == ([range(450), range(450, 900)], none)
    assert recipes.shares(recipe, [Espeak()], "positive") == ([range(900)], [range(0)])


def test_an_accented_clip_has_the_melody_of_another_voice(speaker, tmp_path):
    utterance = Utterance("hello", "kokoro-af_one", 165, 50, 0, 0, -20, 3, tmp_path / "a.wav")
    accented = replace(utterance, is_accented=True, path=tmp_path / "b.wav")
    plain, other = kokoro._renderings(speaker.folder, [utterance, accented], phrases.LANGUAGES["en"])
    assert not plain.melody and other.melody in STYLES and len(kokoro._parts(plain)) == 5
    assert len({kokoro._parts(other), kokoro._parts(replace(other, melody_share=other.melody_share / 2))}) == 2
    speaker.speak([utterance, accented], phrases.LANGUAGES["en"], lambda done: None)
    first, second = (soundfile.read(each.path)[0] for each in (utterance, accented))
    assert len(first) != len(second) or not np.array_equal(first, second)


def test_the_melody_is_mixed_into_its_half_of_the_style(speaker):
    asked = []

    class Running:
        def wave(self, inputs, *limits):
            asked.append(np.array(inputs["style"][0]))
            return np.ones(100, np.float32)

    rendering = kokoro.Rendering("hello", "af_one", "am_two", 0.5, 1.0, "jm_five", 0.25)
    kokoro._wave(Running(), rendering, kokoro.read_vocabulary(speaker.folder), kokoro._styles(speaker.folder))
    colour = (STYLES["af_one"] + STYLES["am_two"]) / 2
    assert asked[0][: kokoro.MELODY] == pytest.approx(colour)
    assert asked[0][kokoro.MELODY :] == pytest.approx(0.75 * colour + 0.25 * STYLES["jm_five"])


def test_a_varied_order_has_as_many_clips_as_it_says(workspace, speaker):
    recipe = Recipe("hello moon", counts={"positive": 12}, engines=("espeak", "kokoro"), is_varied=True)
    recipes.synthesise(workspace, recipe, ignore)
    folders = [path.parent.name for path in (workspace.raw / "positive").rglob("*.wav")]
    assert len(folders) == 12 and sum("kokoro" in name for name in folders) == 8
