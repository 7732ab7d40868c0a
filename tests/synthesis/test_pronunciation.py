"""Pronunciations of the user: checked, spelled for espeak-ng, and spoken by every engine."""

import hashlib

import numpy as np
import pytest
import soundfile

from tests.synthesis.test_piper import make_voice
from tests.tiny import ignore
from trainer.synthesis import engines, espeak, kokoro, phrases, pronunciation, recipes
from trainer.synthesis.clip_sound import Utterance
from trainer.synthesis.recipes import Recipe
from trainer.system.workspace import Workspace

ENGLISH = phrases.LANGUAGES["en"]


@pytest.mark.parametrize(
    ("typed", "checked", "spelled"),
    [
        ("hˈeɪ ˈætləs", "hˈeɪ ˈætləs", "h|'eI 'a|t|l|@|s"),
        ("ˈheɪ ˈmaɪkrɒft", "hˈeɪ mˈaɪkrɒft", "h|'eI m|'aI|k|r|0|f|t"),
        ("/həˈloʊ/", "həlˈoʊ", "h|@|l|'oU"),
        ("[t͡ʃiːz]", "tʃiːz", "tS|i:|z"),
        ("gud", "ɡud", "g|u:|d"),
    ],
)
def test_ipa_as_people_write_it_is_spelled_for_espeak(typed: str, checked: str, spelled: str):
    assert pronunciation.check(typed, ENGLISH) == checked
    assert pronunciation.spelled(typed, ENGLISH) == spelled


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("hˈeɪ ʕ", r"contains 'ʕ', which is not a sound of English; use aɪ .* ʒ .*ˈ before a stressed vowel"),
        ("  ", "is empty or longer than 120 characters"),
        ("ˈˌ", "is empty"),
        ("a" * 121, "longer than 120"),
        ("<b>", "contains '<'"),
        ("a]]b[[", ""),
    ],
)
def test_what_is_no_pronunciation_is_one_sentence(typed: str, told: str):
    if not told:
        assert pronunciation.spelled(typed, ENGLISH) == "a|b", "brackets are left out"
        return
    with pytest.raises(ValueError, match=told) as refused:
        pronunciation.check(typed, ENGLISH)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("code", phrases.LANGUAGES)
def test_the_suggestion_of_every_language_sounds_like_the_words(code: str, tmp_path):
    language = phrases.LANGUAGES[code]
    text = " ".join(phrases.common_words(language)[300:303])
    spelled = pronunciation.spelled(pronunciation.suggested(text, language), language)
    spoken = [
        Utterance(each, language.accents[0], 160, 50, 0, 0, -20, 0, tmp_path / f"{number}.wav")
        for number, each in enumerate((text, f"[[{spelled}]]"))
    ]
    espeak.speak(spoken, lambda done: None)
    waves = [soundfile.read(each.path)[0] for each in spoken]
    assert len(waves[1]) == pytest.approx(len(waves[0]), rel=0.1)
    one, two = (np.abs(np.fft.rfft(wave, 32768)) for wave in waves)
    assert np.corrcoef(one, two)[0, 1] > 0.6


def clips(workspace: Workspace, label: str = "positive") -> dict[str, str]:
    files = sorted((workspace.raw / label).rglob("*.wav"))
    return {f"{file.parent.name}/{file.name}": hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_positives_are_spoken_so_and_others_are_not(tmp_path):
    made = []
    for number, given in enumerate(((), ("hˈeɪ mˈaɪkrɔft",))):
        workspace = Workspace(tmp_path / str(number))
        counts = {"positive": 4, "hard_negative": 2}
        recipe = Recipe("hey mycroft", counts=counts, engines=("espeak",), pronunciations=given)
        recipes.synthesise(workspace, recipe, ignore)
        made.append((clips(workspace), clips(workspace, "hard_negative")))
    (own, hard), (given_own, given_hard) = made
    assert own.keys() == given_own.keys() and hard.keys() == given_hard.keys()
    assert not set(own.values()) & set(given_own.values())


def test_every_voice_speaks_every_pronunciation(tmp_path):
    voices = ["a", "b"]
    spoken = recipes.utterances(["x"], voices, 8, tmp_path, recipes.random.Random(0), 0, ["one", "two"])
    assert {(each.voice, each.pronunciation) for each in spoken} == {(v, p) for v in voices for p in ("one", "two")}
    assert {
        each.pronunciation for each in recipes.utterances(["x"], voices, 2, tmp_path, recipes.random.Random(0))
    } == {""}


def test_a_pronunciation_that_cannot_be_spoken_makes_nothing(tmp_path):
    recipe = Recipe("hey atlas", counts={"positive": 2}, pronunciations=("hˈeɪ ʕ",))
    with pytest.raises(ValueError, match="which is not a sound of English"):
        recipes.synthesise(Workspace(tmp_path), recipe, ignore)
    assert not clips(Workspace(tmp_path))


def test_piper_speaks_the_pronunciation(tmp_path):
    make_voice(tmp_path / "voices", "anna")
    lengths = []
    for number, given in enumerate((("hæ",), ("hælohælohælo",))):
        workspace = Workspace(tmp_path / str(number))
        counts, place = {"positive": 1}, str(tmp_path / "voices")
        recipes.synthesise(workspace, Recipe("hello", counts=counts, piper=place, pronunciations=given), ignore)
        lengths.append(soundfile.info(next(workspace.raw.rglob("*.wav"))).duration)
    assert lengths[1] > lengths[0] + 0.5


def test_kokoro_speaks_the_pronunciation(tmp_path):
    (tmp_path / kokoro.VOICES).mkdir()
    for name in ("af_one", "bf_two"):
        (tmp_path / kokoro.VOICES / f"{name}.bin").touch()
    voices = ["kokoro-af_one", "kokoro-bf_two"]
    spoken = recipes.utterances(["x"], voices, 2, tmp_path, recipes.random.Random(0), 0, ["hˈeɪ mˈaɪkɹɔft"])
    made = [each.phonemes.rstrip(".!?,") for each in kokoro._renderings(tmp_path, spoken, ENGLISH)]
    assert made == ["hˈA mˈIkɹɔft"] * 2


def test_five_voices_are_heard_before_clips_are_made(tmp_path):
    samples = recipes.samples(Workspace(tmp_path), "hey mycroft", "en", (), ["hˈeɪ mˈaɪkrɒft"])
    assert len(samples) == 5 == len({each.voice for each in samples}) and {each.engine for each in samples} == {
        engines.ESPEAK
    }
    assert all(each.wav.startswith(b"RIFF") and each.pronunciation == "hˈeɪ mˈaɪkrɒft" for each in samples)
    assert samples == recipes.samples(Workspace(tmp_path), "hey mycroft", "en", (), ["ˈheɪ ˈmaɪkrɒft"])
    assert {each.pronunciation for each in recipes.samples(Workspace(tmp_path), "hallo", "de", (), ())} == {""}
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="The phrase is empty"):
        recipes.samples(Workspace(tmp_path), " ", "en", (), ())
