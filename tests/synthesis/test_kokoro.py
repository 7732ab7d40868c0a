"""Kokoro: symbols, voices and their mixtures, and clips that are computed once, with a small network made here."""

import hashlib
import os
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

from tests.kokoro_voices import STYLES, TINY, write_packages
from tests.tiny import ignore
from trainer.synthesis import (
    demo_data,
    engines,
    kokoro,
    kokoro_phonemes,
    phrases,
    recipes,
    speech_cache,
    voice_install,
    voice_model,
)
from trainer.synthesis.kokoro import Kokoro
from trainer.synthesis.recipes import Recipe
from trainer.system.workspace import Workspace

ENGLISH, FRENCH = phrases.LANGUAGES["en"], phrases.LANGUAGES["fr"]
HIBARI = {
    "alexa": "əlˈɛksə",
    "jarvis": "ʤˈɑɹvɪs",
    "computer": "kəmpjˈuTəɹ",
    "hey atlas": "hˈA ˈætləs",
    "hello moon": "həlˈO mˈun",
    "water": "wˈɔTəɹ",
    "button": "bˈʌtn",
    "teacher": "tˈiʧəɹ",
    "world": "wˈɜɹld",
    "house": "hˈWs",
    "boy": "bˈY",
    "fire": "fˈIəɹ",
    "little": "lˈɪTᵊl",
    "garage": "ɡəɹˈɑʒ",
    "photograph": "fˈOTəɡɹˌæf",
    "saturday": "sˈæTəɹdˌA",
}
"""English words in the symbols that hibari-tts 0.2.1 gives, which does not use espeak-ng."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A workspace with the engine."""
    root = tmp_path_factory.mktemp("kokoro")
    (root / "workspace").mkdir()
    shelf = write_packages(root / "shelf")
    voice_install.get(Workspace(root / "workspace"), TINY, str(shelf), ignore)
    return root / "workspace" / "data" / "voices" / "kokoro"


@pytest.fixture
def workspace(tmp_path, installed, monkeypatch) -> Workspace:
    monkeypatch.setattr(engines, "KOKORO", TINY)
    made = Workspace(tmp_path)
    made.voices.mkdir(parents=True)
    (made.voices / "kokoro").symlink_to(installed)
    return made


def clips(workspace: Workspace) -> dict[str, str]:
    """The digest of every clip, by its path below data/raw."""
    files = sorted(workspace.raw.rglob("*.wav"))
    return {file.relative_to(workspace.raw).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def speak(workspace: Workspace, report=ignore, **wanted: object) -> dict[str, int]:
    values = {"phrase": "hello moon", "counts": {"positive": 8}, "engines": ("kokoro",)} | wanted
    return recipes.synthesise(workspace, Recipe(**values), report).counts


def test_english_words_have_the_symbols_that_kokoro_learned():
    assert kokoro_phonemes.of_texts(list(HIBARI), "en-us") == HIBARI


@pytest.mark.parametrize(
    ("text", "accent", "symbols"),
    [
        ("go near the car", "en-gb-x-rp", "ɡˌQ nˈɪə ðə kˈɑː"),
        ("bonjour garçon", "fr", "bɔ̃ʒˈuʁ ɡaʁsˈɔ̃"),
        ("ciao", "it", "ʧˈao"),
        ("jefe", "es", "xˈefe"),
    ],
)
def test_other_accents_keep_their_sounds(text: str, accent: str, symbols: str):
    assert kokoro_phonemes.of_texts([text], accent)[text].replace("ˌ", "ˈ") == symbols.replace("ˌ", "ˈ")


def test_marks_and_ties_become_symbols_of_the_vocabulary():
    assert kokoro_phonemes.symbols("t͡ʃˈeɪn", "en-us") == "ʧˈAn"
    assert kokoro_phonemes.symbols("ˈiç", "de") == "ˈiç" and kokoro_phonemes.symbols("bˈʌʔn̩", "en-us") == "bˈʌtn"
    assert kokoro_phonemes.tokens("a?b", {"a": 1, "b": 2}) == [1, 2]


def test_voices_of_the_language_come_first_and_take_turns(workspace, installed):
    engine = Kokoro(installed, workspace.cache)
    assert engine.voices(ENGLISH) == [
        f"kokoro-{name}" for name in ("af_one", "am_two", "bf_three", "ff_four", "jm_five")
    ]
    assert engine.voices(FRENCH)[0] == "kokoro-ff_four" and len(engine.voices(FRENCH)) == len(STYLES)
    assert not engine.voices(phrases.LANGUAGES["de"])
    assert list(kokoro._in_turn(["af_a", "af_b", "af_c", "am_a", "bf_a"])) == ["af_a", "am_a", "bf_a", "af_b", "af_c"]


def test_half_of_the_clips_are_spoken_by_mixtures_within_an_accent(workspace, installed):
    utterances = recipes.utterances(
        ["hello moon"], Kokoro(installed, workspace.cache).voices(ENGLISH), 400, workspace.raw, recipes.random.Random(0)
    )
    made = list(kokoro._renderings(installed, utterances, ENGLISH))
    american = [each for each in made if each.voice in ("af_one", "am_two")]
    assert 0.4 < np.mean([bool(each.partner) for each in american]) < 0.6
    assert {each.partner for each in american} == {"af_one", "am_two", ""}
    assert all(each.partner != each.voice and 0 <= each.share <= 0.5 for each in made)
    assert {each.partner for each in made if each.voice == "jm_five"} == {"af_one", "am_two", ""}
    assert not any(each.partner for each in made if each.voice == "bf_three"), "no second British voice"
    speeds = [each.speed for each in made]
    assert 0.75 <= min(speeds) < 0.8 and 1.25 < max(speeds) <= 1.3
    assert {each.phonemes.removeprefix("həlˈO mˈun") for each in american} == {"", ".", "!", "?", ","}


def test_a_mixture_sounds_between_its_voices(workspace, installed):
    """The pitch of the small network is the mean of its style."""
    vocabulary, styles = kokoro.read_vocabulary(installed), kokoro._styles(installed)
    with voice_model.started(installed / kokoro.MODEL, "", threads=1) as running:
        hertz = []
        for partner, share in (("", 0.0), ("jm_five", 0.5), ("jm_five", 1.0)):
            wave = kokoro._wave(running, kokoro.Rendering("mˈun", "af_one", partner, share, 1.0), vocabulary, styles)
            peak = np.argmax(np.abs(np.fft.rfft(wave))) / len(wave)
            hertz.append(2 * np.pi * peak)
    assert hertz == pytest.approx([0.2, 0.24, 0.28], abs=0.002)


def test_clips_hold_the_word_between_the_silence_that_was_ordered(workspace):
    speak(workspace)
    files = sorted(workspace.raw.rglob("*.wav"))
    assert {file.parent.name for file in files} == {f"demo-kokoro-{name}" for name in STYLES}
    for file in files:
        wave, rate = soundfile.read(file)
        loud = np.flatnonzero(np.abs(wave) > 0.1 * np.abs(wave).max()) / rate
        assert rate == 16000 and 0.1 <= loud[0] <= 0.8 + 0.06 and 0.3 <= len(wave) / rate - loud[-1] <= 0.8 + 0.06


def test_the_same_order_gives_the_same_bytes_and_nothing_is_computed_twice(
    workspace, installed, tmp_path_factory, monkeypatch
):
    counts = {"positive": 6, "hard_negative": 3, "negative": 3}
    other = Workspace(tmp_path_factory.mktemp("other"))
    other.voices.mkdir(parents=True)
    (other.voices / "kokoro").symlink_to(installed)
    assert speak(workspace, counts=counts) == speak(other, counts=counts) == counts
    first = clips(workspace)
    assert first == clips(other) and len(first) == 12
    monkeypatch.setattr(voice_model, "started", lambda *arguments, **more: pytest.fail("a process was started"))
    again = Workspace(tmp_path_factory.mktemp("again"))
    again.voices.mkdir(parents=True)
    (again.voices / "kokoro").symlink_to(installed)
    speech_cache.folder(workspace).rename(again.root / "data" / "speech")
    again.cache.mkdir()
    (again.root / "data" / "speech").rename(speech_cache.folder(again))
    told: list[int] = []
    speak(again, lambda done, total, doing: told.append(done), counts=counts)
    assert clips(again) == first and max(told) == 12


def test_another_seed_gives_other_clips(workspace):
    speak(workspace)
    first = set(clips(workspace).values())
    speak(workspace, seed=1)
    assert len(set(clips(workspace).values()) - first) == 8


def test_without_a_name_every_engine_speaks_its_share(workspace):
    assert speak(workspace, counts={"positive": 9, "negative": 6}, engines=()) == {"positive": 9, "negative": 6}
    by_label = {
        label: sum("kokoro" in path and path.startswith(label) for path in clips(workspace)) for label in recipes.SPEECH
    }
    assert by_label["positive"] in (4, 5) and by_label["negative"] == 3
    assert len({path.split("/")[-1] for path in clips(workspace)}) == 15, "numbered in a row"


def test_without_the_engine_and_for_other_languages_espeak_speaks_as_before(workspace, tmp_path_factory):
    speak(workspace, phrase="hallo mond", language="de", engines=())
    alone = Workspace(tmp_path_factory.mktemp("alone"))
    speak(alone, phrase="hallo mond", language="de", engines=("espeak",))
    assert clips(workspace) == clips(alone) and not any("kokoro" in path for path in clips(workspace))


def test_the_demo_is_spoken_by_espeak_alone(workspace):
    demo_data.make(workspace, "hey atlas", 10, 0, ignore)
    assert not any("kokoro" in path for path in clips(workspace))


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"engines": ("kokoro",), "language": "de", "phrase": "hallo"}, "kokoro does not speak German; choose espeak"),
        ({"engines": ("festival",)}, "There is no engine 'festival'. Choose one of espeak, kokoro, piper"),
        ({"engines": ("piper",)}, "Piper needs voices"),
    ],
)
def test_an_engine_that_cannot_speak_is_told(workspace, wanted: dict, told: str):
    with pytest.raises(ValueError, match=told):
        speak(workspace, **wanted)


def test_an_engine_that_is_not_installed_is_told(tmp_path):
    with pytest.raises(ValueError, match=r"not installed. Run `python -m trainer voices get kokoro` first"):
        speak(Workspace(tmp_path))


def test_a_cancelled_order_ends_its_processes_and_leaves_no_clips(workspace):
    def cancelled(done: int, total: int, doing: str) -> None:
        if total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        speak(workspace, cancelled)
    assert not clips(workspace) and not list((workspace.root / "data" / "incoming").iterdir())
    assert not [child for child in psutil.Process().children() if voice_model.PROCESS in child.cmdline()]


def test_a_damaged_network_is_one_sentence(workspace, installed, tmp_path_factory):
    place = tmp_path_factory.mktemp("damaged")
    (workspace.voices / "kokoro").unlink()
    (workspace.voices / "kokoro").symlink_to(place)
    for file in [path for path in installed.rglob("*") if path.is_file()]:
        (place / file.relative_to(installed)).parent.mkdir(exist_ok=True)
        (place / file.relative_to(installed)).write_bytes(file.read_bytes())
    size = (place / kokoro.MODEL).stat().st_size
    (place / kokoro.MODEL).write_bytes(b"x" * size)
    with pytest.raises(
        ValueError, match=r"model.onnx is not an ONNX model.*Remove the Kokoro voices and get them again"
    ):
        speak(workspace)


def test_entries_that_cannot_be_read_are_made_again_and_the_oldest_go_first(workspace):
    cache, wave = speech_cache.folder(workspace), np.sin(np.arange(2400) / 5).astype(np.float32)
    stored = speech_cache.store(cache, "ab" * 20, wave, 24_000)
    assert np.array_equal(speech_cache.load(cache, "ab" * 20), stored) and np.abs(stored).max() == pytest.approx(
        0.9, abs=0.01
    )
    file = next(cache.rglob("*.flac"))
    size = file.stat().st_size
    speech_cache.store(cache, "cd" * 20, wave, 24_000)
    for path in cache.rglob("*.flac"):
        os.utime(path, (time.time() - 3600,) * 2)
    speech_cache.load(cache, "ab" * 20)
    speech_cache.prune(cache, most_bytes=size + 10)
    assert [path.stem for path in cache.rglob("*.flac")] == ["ab" * 20]
    file.write_bytes(b"")
    assert speech_cache.load(cache, "ab" * 20) is None and speech_cache.load(cache, "ef" * 20) is None
