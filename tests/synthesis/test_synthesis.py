"""Demo data: real speech from espeak-ng, nothing lost, the same every time."""

import hashlib
import os
import random
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from tests.tiny import ignore
from trainer.audio.manifest import Clip
from trainer.dataset import changes
from trainer.streams import recordings, spoken
from trainer.synthesis import acoustics, demo_data, espeak, phrases, recipes, speech_streams
from trainer.synthesis.recipes import Recipe
from trainer.system.workspace import LABELS, STREAM, Workspace

ENGLISH = phrases.find_language("en")


def digest(workspace: Workspace) -> dict[str, str]:
    files = [*workspace.raw.rglob("*.wav"), *(workspace.root / recordings.DEFAULT).rglob("*.flac")]
    return {
        str(path.relative_to(workspace.root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("demo"))
    told = []
    demo = demo_data.make(workspace, "hey atlas", 80, 0, lambda *progress: told.append(progress))
    return workspace, demo, told


def test_every_label_is_made_and_three_others_for_each_positive(made):
    workspace, demo, told = made
    counts = demo.counts
    found = {label: len(list((workspace.raw / label).rglob("*.wav"))) for label in LABELS if label != STREAM}
    assert found == counts and counts["positive"] == 80
    assert sum(demo_data.counts_of(600).values()) == 2400
    assert len(told) > 5 and not list((workspace.root / "data" / "incoming").iterdir())


def test_positives_are_spoken_by_at_least_60_voices_that_differ(made):
    workspace, _, _ = made
    voices = sorted(path.name for path in (workspace.raw / "positive").iterdir())
    assert len(voices) >= 60 and len(set(ENGLISH.voices)) == len(ENGLISH.voices) >= 60
    one_each = [next((workspace.raw / "positive" / voice).glob("*.wav")) for voice in voices]
    waves = [soundfile.read(path)[0] for path in one_each]
    assert len({hash(wave.tobytes()) for wave in waves}) == len(voices)
    assert all(0.8 < len(wave) / 16000 < 4 and 0.01 < np.abs(wave).max() < 1 for wave in waves)


def test_the_same_voice_is_one_group_in_every_label(made):
    workspace, _, _ = made
    spoken = [{path.name for path in (workspace.raw / label).iterdir()} for label in ("positive", "negative")]
    assert spoken[0] <= spoken[1]


def test_what_a_look_alike_says_is_known_from_its_name(made):
    workspace, _, _ = made
    files = (workspace.raw / "hard_negative").rglob("*.wav")
    clips = [
        Clip(f"hard_negative/{file.parent.name}/{file.name}", "hard_negative", "", 1, 1, 1, "", 1, 1) for file in files
    ]
    said = {spoken.speaker_and_phrase(clip, frozenset())[1] for clip in clips}
    assert len(said) > 5 and said <= set(phrases.look_alikes("hey atlas", ENGLISH, demo_data.DISTANCE))


def test_the_same_seed_gives_the_same_bytes_and_the_old_demo_goes_to_the_trash(made, tmp_path):
    again = Workspace(tmp_path)
    demo_data.make(again, "hey atlas", 80, 0, ignore)
    first = digest(again)
    assert first == digest(made[0])
    demo_data.make(again, "hello moon", 10, 1, ignore)
    second = digest(again)
    trashed = [path for path in (tmp_path / "data" / "trash").rglob("*") if path.suffix in (".wav", ".flac")]
    assert len(trashed) == len(first) and not set(second.values()) & set(first.values())
    changes.undo(again, changes.recent(again)[0].id)
    assert digest(again) == first


def test_evaluations_hear_minutes_of_speech_in_proportion_to_the_positives(made):
    workspace, demo, _ = made
    files = sorted((workspace.root / recordings.DEFAULT / recordings.DEMO).iterdir())
    seconds = [soundfile.info(path).duration for path in files]
    assert sum(seconds) == pytest.approx(demo.stream_seconds) == pytest.approx(80 * 19.2, rel=0.2)
    assert all(path.suffix == ".flac" and length < 600 for path, length in zip(files, seconds, strict=True))
    assert speech_streams.seconds_of(600) == pytest.approx(3.2 * 3600) and speech_streams.seconds_of(10) < 200
    streams = recordings.gather(recordings.default(workspace))
    assert {each.condition for each in streams.recordings} == {"synthetic speech"}
    assert all(each.is_synthetic and each.counts_false_accepts and not each.is_long for each in streams.recordings)
    assert "h of it synthetic speech, 0 words" in streams.title


def test_recordings_of_the_users_own_beside_the_demo_stay_and_are_not_synthetic(tmp_path):
    workspace = Workspace(tmp_path)
    own = tmp_path / recordings.DEFAULT / "evening.wav"
    own.parent.mkdir(parents=True)
    soundfile.write(own, np.zeros(16000), 16000)
    demo_data.make(workspace, "hey atlas", 10, 0, ignore)
    made = recordings.gather(recordings.default(workspace)).recordings
    assert [each.condition for each in made] == ["synthetic speech", "false_accepts"]
    assert [each.is_long for each in made] == [False, True]
    changes.undo(workspace, changes.recent(workspace)[0].id)
    assert [path.name for path in own.parent.rglob("*")] == ["evening.wav"]


@pytest.mark.parametrize("phrase", ["hey atlas", "computer"])
def test_fluent_sentences_hold_parts_of_the_phrase_and_never_the_phrase(phrase: str):
    texts = phrases.fluent_sentences(phrase, 200, 0)
    (target,) = espeak.phonemes([phrase], "en-us")
    assert len(texts) == 200 and texts == phrases.fluent_sentences(phrase, 200, 0) != phrases.fluent_sentences(
        phrase, 200, 1
    )
    assert not any(phrases.contains(sound, target) for sound in espeak.phonemes(texts, "en-us"))
    pairs = phrases.border_pairs(phrase, ENGLISH)
    assert all(len(pair.split()) == 2 for pair in pairs) and len(pairs) > 3
    similar = [*pairs, *phrases.look_alikes(phrase, ENGLISH)]
    assert sum(any(f" {part} " in f" {text} " for part in similar) for text in texts) > 10


def test_clips_of_the_users_own_are_never_mixed_or_moved(tmp_path):
    workspace = Workspace(tmp_path)
    own = workspace.raw / "positive" / "anna" / "1.wav"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"mine")
    with pytest.raises(ValueError, match="contains your own clips"):
        demo_data.make(workspace, "hey atlas", 10, 0, ignore)
    assert own.read_bytes() == b"mine"


@pytest.mark.parametrize("phrase", ["", "   ", "x" * 61, "12345", "<b>hi</b>", "a\0b", "💥💥", "Привет", "hey エコー"])
def test_a_phrase_that_cannot_be_spoken_is_refused(phrase: str):
    with pytest.raises(ValueError, match="give"):
        phrases.check(phrase, ENGLISH)


@pytest.mark.parametrize("phrase", ["computer", "hola mundo", "hey o'neil"])
def test_any_spoken_phrase_has_look_alikes_and_none_is_the_phrase(phrase: str):
    found = phrases.look_alikes(phrases.check(phrase, ENGLISH), ENGLISH)
    (target,) = espeak.phonemes([phrase], "en-us")
    assert len(found) >= 8 and len(set(found)) == len(found)
    assert not any(phrases.contains(sound, target) for sound in espeak.phonemes(found, "en-us"))


@pytest.mark.parametrize("phrase", ["a", "I", "hi", "hé"])
def test_a_very_short_phrase_is_in_no_text_as_a_word(phrase: str):
    texts = phrases.look_alikes(phrase, ENGLISH)
    assert len(texts) >= 5 and all(phrase.casefold() not in text.casefold().split() for text in texts)
    texts = phrases.other_texts(phrase, 50, 0, ENGLISH)
    assert len(texts) == 50 and all(phrase.casefold() not in text.casefold().split() for text in texts)


def test_other_texts_do_not_hold_the_phrase():
    texts = phrases.other_texts("the market", 300, 0, ENGLISH)
    (target,) = espeak.phonemes(["the market"], "en-us")
    assert len(texts) == 300 and not any(phrases.contains(sound, target) for sound in espeak.phonemes(texts, "en-us"))
    assert {len(text.split()) for text in texts} >= {1, 2, 8}


@pytest.mark.parametrize(("a", "b", "edits"), [("kitten", "sitting", 3), ("", "abc", 3), ("same", "same", 0)])
def test_distance_counts_edits(a: str, b: str, edits: int):
    assert phrases.distance(tuple(a), tuple(b)) == edits


@pytest.mark.parametrize("kind", acoustics.KINDS)
def test_noise_is_audible_finite_and_different_each_time(kind: str):
    first, second = (acoustics.noise(kind, 2.0, np.random.default_rng(seed)) for seed in (1, 2))
    assert first.shape == (32000,) and np.isfinite(first).all() and np.abs(first).max() == pytest.approx(0.5)
    assert not np.array_equal(first, second)


def test_a_room_rings_and_fades():
    for rir in acoustics.room_responses(2, np.random.default_rng(0)):
        energy = np.cumsum(rir[::-1].astype(float) ** 2)[::-1]
        assert len(rir) > 1000 and np.abs(rir).max() == pytest.approx(0.9)
        assert energy[len(rir) // 2] < 0.1 * energy[0]


def test_a_dead_espeak_is_one_sentence(monkeypatch):
    dead = subprocess.Popen([sys.executable, "-c", "pass"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    dead.wait()
    with pytest.raises(OSError, match=r"espeak-ng failed on 'hi'.*Try another phrase"):
        espeak._ask(dead, {"do": "phonemes", "text": "hi", "voice": "en-us"})
    dead.communicate()


def test_only_the_espeak_process_loads_the_library():
    script = "import sys; from trainer.synthesis import recipes; print('espeakng_loader' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": "."}
    )
    assert done.stdout.strip() == "False", done.stderr


@pytest.mark.parametrize("code", ["de", "ru", "el"])
def test_every_language_has_its_words_voices_and_letters(code: str):
    language = phrases.find_language(code)
    words = phrases.common_words(language)
    assert len(words) > 2000 and phrases.check(words[100], language) == words[100]
    sounds = phrases.pronounce_in(language)(words[:50])
    assert all(sounds) and len(set(sounds)) > 40
    assert len(phrases.look_alikes(f"{words[200]} {words[300]}", language)) >= 8


@pytest.mark.parametrize("code", phrases.LANGUAGES)
def test_every_voice_is_known_to_espeak(code: str):
    for accent in phrases.find_language(code).accents:
        assert espeak.phonemes([phrases.common_words(phrases.find_language(code))[0]], accent)[0]


def test_an_order_is_met_beside_what_is_there_and_can_be_undone(tmp_path):
    workspace = Workspace(tmp_path)
    own = workspace.raw / "positive" / "anna" / "1.wav"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"mine")
    counts = {"positive": 6, "hard_negative": 4, "negative": 4, "background": 3, "rirs": 3}
    wanted = Recipe("guten morgen", "de", voices=3, counts=counts, look_alikes=("guten abend", "morgen"))
    made = recipes.synthesise(workspace, wanted, ignore)
    assert made.counts == counts and own.read_bytes() == b"mine"
    assert len(list((workspace.raw / "positive").glob("demo-de-*"))) == 3
    again = recipes.synthesise(workspace, wanted, ignore)
    assert again.renamed == 20, "nothing is overwritten"
    changes.undo(workspace, made.change.id)
    changes.undo(workspace, again.change.id)
    assert list(workspace.raw.rglob("*.wav")) == [own]


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (Recipe("hey", counts={}), "Every count is 0"),
        (Recipe("hey", counts={"positive": 10**6}), "choose 0 to 20,000"),
        (Recipe("hey", language="xx", counts={"positive": 1}), "choose one of en"),
        (Recipe("hey", voices=0, counts={"positive": 1}), "choose 1 to 66"),
        (Recipe("hey", counts={"hard_negative": 1}, look_alikes=("hay",)), "sounds like the phrase itself"),
        (Recipe("", counts={"positive": 1}), "The phrase is empty"),
        (Recipe("", hours=1.0), "The phrase is empty"),
        (Recipe("hey", hours=99.0), "choose 0 to 4"),
        (Recipe("hallo", "de", hours=1.0), "in English only"),
    ],
)
def test_an_order_that_cannot_be_met_says_why(tmp_path, wanted, told: str):
    with pytest.raises(ValueError, match=told):
        recipes.synthesise(Workspace(tmp_path), wanted, ignore)


def test_hours_of_speech_become_long_recordings_of_their_own_sources(tmp_path):
    workspace = Workspace(tmp_path)
    for number, seed in enumerate((7, 8), start=1):
        made = recipes.synthesise(workspace, Recipe("hey atlas", hours=0.02, seed=seed), ignore)
        assert made.counts == {"stream": 1}
        files = sorted(workspace.raw.rglob("*.flac"))
        assert len(files) == number and files[-1].parent == workspace.raw / f"stream/demo-speech-{seed}-000"
        assert 40 < soundfile.info(files[-1]).duration < 140
    changes.undo(workspace, made.change.id)
    assert not files[-1].exists() and files[0].exists()


def test_who_is_cancelled_speaks_no_more(tmp_path):
    def cancel(done: int) -> None:
        raise KeyboardInterrupt

    texts = [f"number {number}" for number in range(400)]
    rng, voices = random.Random(0), phrases.find_language("en").voices
    spoken = recipes.utterances(texts, voices, len(texts), tmp_path / "positive", rng)
    with pytest.raises(KeyboardInterrupt):
        espeak.speak(spoken, cancel)
    assert len(list(tmp_path.rglob("*.wav"))) < len(texts) / 2


def test_look_alikes_of_the_demo_differ_by_more_than_one_sound():
    english = phrases.find_language("en")
    pronounce = phrases.pronounce_in(english)
    target, *sounds = pronounce(["hey atlas", *phrases.look_alikes("hey atlas", english, demo_data.DISTANCE)])
    assert sounds and min(phrases.distance(target, sound) for sound in sounds) == demo_data.DISTANCE
    assert "bay atlas" in phrases.look_alikes("hey atlas", english), "nearest ones are still proposed to order"
