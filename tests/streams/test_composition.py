"""Streams composed of the test split hold what they say they hold, the same at every call."""

import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.tiny import RATE, clip_of, ignore, make_workspace, write_wav
from trainer.audio import manifest
from trainer.audio.manifest import Clip
from trainer.audio.sound_levels import level_db
from trainer.dataset import splits
from trainer.dataset.scan import scan
from trainer.streams import composition, spoken
from trainer.streams.composition import Options
from trainer.system import durable
from trainer.system.workspace import Workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("composed"), hard_negatives=8)


@pytest.fixture(scope="module")
def streams(workspace):
    return composition.compose_test_split(workspace, Options(snrs_db=(10.0, 0.0)), ignore)


def wave_of(streams, name: str) -> np.ndarray:
    (recording,) = [each for each in streams.recordings if each.name == name]
    return soundfile.read(streams.path_of(recording), dtype="float32")[0]


def test_every_clip_of_the_test_split_is_said_in_every_condition(workspace, streams):
    test = manifest.read_split(workspace, "test")
    by_label = {
        label: {c.path for c in test if c.label == label} for label in ("positive", "negative", "hard_negative")
    }
    heard = {each.name: each for each in streams.recordings}
    for name in ("clean-1", "noise-10dB-1", "noise-0dB-1"):
        assert {word.clip for word in heard[name].words} == by_label["positive"]
        assert not heard[name].counts_false_accepts
    in_rooms = [word.clip for each in streams.recordings if each.condition == "room" for word in each.words]
    assert sorted(in_rooms) == sorted(by_label["positive"]) and all(
        each.room for each in streams.recordings if each.condition == "room"
    )
    for kind in ("speech", "look-alikes"):
        said = [part for each in streams.recordings if each.condition == kind for part in each.parts]
        assert {part.clip for part in said} == by_label[composition.LABEL_OF[kind]]
        assert all(part.end > part.start for part in said) and heard[f"{kind}-1"].counts_false_accepts
    assert {word.speaker for word in heard["clean-1"].words} == {c.group for c in test if c.label == "positive"}
    assert streams.title.startswith("Test split: 3 words (clean; noise, 10 dB; noise, 0 dB; room)")
    assert all(abs(soundfile.info(streams.path_of(e)).frames / RATE - e.seconds) < 1e-6 for e in streams.recordings)


def test_long_recordings_of_the_test_split_are_heard_in_order_and_as_such(tmp_path):
    workspace = make_workspace(tmp_path, streams=2)
    heard = composition.compose_test_split(workspace, Options(), ignore)
    test = [clip for clip in manifest.read_split(workspace, "test") if clip.label == "stream"]
    (long,) = [each for each in heard.recordings if each.condition == composition.LONG]
    assert [part.clip for part in long.parts] == sorted(clip.path for clip in test) and len(test) == 2
    assert {part.speaker for part in long.parts} == {test[0].group}
    assert [each.name for each in heard.recordings if each.is_long] == [long.name] == ["long-recordings-1"]
    val = [clip.group for clip in manifest.read_split(workspace, "val") if clip.label == "stream"]
    assert len(set(val)) == 1 and val[0] != test[0].group


def test_long_recordings_that_were_synthesised_are_no_hours_of_people():
    sources = ("den", "demo-speech-0")
    clips = [Clip(f"stream/{s}/0.wav", "stream", f"stream/{s}", 30.0, RATE, 1, s, 0, 0) for s in sources]
    wave = np.zeros(30 * RATE, np.float32)
    heard = [each.recording for each in composition.compose(clips, lambda clip: wave, Options())]
    assert [(each.condition, each.is_long, each.is_synthetic) for each in heard] == [
        ("long recordings", True, False), ("synthetic speech", False, True),
    ]  # fmt: skip
    assert all(each.counts_false_accepts for each in heard) and heard[1].parts[0].clip == "stream/demo-speech-0/0.wav"


def test_long_recordings_have_a_limit_of_their_own(tmp_path):
    clips = [Clip(f"stream/a/{n}.wav", "stream", "stream/a", 30.0, RATE, 1, str(n), 0, 0) for n in range(10)]
    wave = np.zeros(30 * RATE, np.float32)
    for most, count in ((60.0, 2), (600.0, 10)):
        (composed,) = composition.compose(clips, lambda clip: wave, Options(), 1.0, most)
        assert len(composed.recording.parts) == count


def test_words_stand_where_they_are_said_at_one_level_and_noise_at_its_ratio(streams):
    clean, loud = wave_of(streams, "clean-1"), wave_of(streams, "noise-0dB-1")
    words = next(each for each in streams.recordings if each.name == "clean-1").words
    gaps = [after.start - before.end for before, after in pairwise(words)]
    assert all(2 <= gap <= 4 for gap in gaps) and words[0].start >= 2
    for word in words:
        span = slice(round(word.start * RATE), round(word.end * RATE))
        assert level_db(clean[span]) == pytest.approx(-26, abs=0.2)
        before = slice(span.start - RATE, span.start - RATE // 2)
        assert level_db(clean[before]) == pytest.approx(-75, abs=1)
        assert level_db(loud[before]) == pytest.approx(-26, abs=1)
    for each in streams.recordings:
        if each.condition == "room":
            wave = soundfile.read(streams.path_of(each), dtype="float32")[0]
            for word in each.words:
                span = slice(round(word.start * RATE), round(word.end * RATE))
                assert level_db(wave[span]) == pytest.approx(-26, abs=0.3)


def test_equal_splits_options_and_seeds_give_equal_bytes_and_others_another_key(workspace, streams, tmp_path):
    folder = Path(streams.folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    stamps = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = composition.compose_test_split(
        workspace, Options(snrs_db=(10.0, 0.0)), lambda *told: pytest.fail("made again")
    )
    assert again == streams and {path: path.stat().st_mtime_ns for path in folder.iterdir()} == stamps
    shutil.rmtree(folder)
    assert composition.compose_test_split(workspace, Options(snrs_db=(10.0, 0.0)), ignore) == streams
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    other = composition.compose_test_split(workspace, Options(snrs_db=(10.0, 0.0), seed=1), ignore)
    assert other.key != streams.key and other.recordings[0].words != streams.recordings[0].words
    assert sorted(path.name for path in (workspace.cache / "streams").iterdir()) == sorted([streams.key, other.key])


def test_a_cancel_leaves_nothing_and_a_damaged_set_is_made_again(workspace, streams):
    def cancelled(done: int, total: int, doing: str) -> None:
        if done > 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        composition.compose_test_split(workspace, Options(seed=7), cancelled)
    assert not list((workspace.cache / "streams").glob("*.partial.*"))
    document = Path(streams.folder) / "streams.json"
    document.write_text("{")
    assert composition.compose_test_split(workspace, Options(snrs_db=(10.0, 0.0)), ignore) == streams
    assert durable.read_json(document)


def test_a_set_that_another_evaluation_made_meanwhile_is_left_to_it(workspace):
    made = composition.compose_test_split(workspace, Options(seed=8), ignore)
    folder, moved = Path(made.folder), workspace.cache / "moved"
    folder.rename(moved)
    inode = moved.stat().st_ino

    def meanwhile(done: int, total: int, doing: str) -> None:
        if moved.exists():
            moved.rename(folder)

    assert composition.compose_test_split(workspace, Options(seed=8), meanwhile) == made
    assert folder.stat().st_ino == inode and not list(folder.parent.glob("*.partial.*"))


def test_what_cannot_be_measured_is_told_in_one_sentence(tmp_path):
    workspace = Workspace(tmp_path)
    with pytest.raises(FileNotFoundError, match="splits not found"):
        composition.compose_test_split(workspace, Options(), ignore)
    workspace = make_workspace(tmp_path)
    path = next(c.path for c in manifest.read_split(workspace, "test") if c.label == "positive")
    write_wav(workspace.raw / path, clip_of(np.random.default_rng(5), 700.0)[:20000])
    with pytest.raises(ValueError, match=f"Clip {path} is changed on disk"):
        composition.compose_test_split(workspace, Options(), ignore)
    scan(workspace, ignore)
    splits.split_dataset(workspace, (0.9, 0.1, 0.0), 0, scratch=True)
    with pytest.raises(ValueError, match="test split contains no positive clips"):
        composition.compose_test_split(workspace, Options(), ignore)


def test_many_words_are_shared_out_to_recordings(workspace, monkeypatch):
    monkeypatch.setattr(composition, "WORDS_IN_A_RECORDING", 2)
    monkeypatch.setattr(composition, "RECORDING_SECONDS", 3.0)
    found = composition.compose_test_split(workspace, Options(seed=3), ignore)
    clean = [each for each in found.recordings if each.condition == "clean"]
    assert [len(each.words) for each in clean] == [2, 1]
    speech = [each for each in found.recordings if each.condition == "speech"]
    assert [len(each.parts) for each in speech] == [2, 1]


def clip(path: str, group: str = "") -> Clip:
    return Clip(path, path.partition("/")[0], group or path, 1.0, RATE, 1, "0" * 8, 1, 1)


def test_the_phrase_of_a_look_alike_is_in_its_name_or_its_folder_unless_that_is_a_speaker():
    known = spoken.speakers(
        [clip("positive/anna/1.wav", "anna"), clip("positive/1.wav"), clip("background/x/1.wav", "x")]
    )
    assert known == {"anna"}
    said = [
        ("hard_negative/demo-en/00012 hey atlus.wav", "demo-en", ("demo-en", "hey atlus")),
        ("hard_negative/computer/abc.flac", "computer", ("", "computer")),
        ("hard_negative/anna/abc.flac", "anna", ("anna", "")),
        ("hard_negative/abc.flac", "", ("", "")),
        ("negative/ben/abc.flac", "ben", ("ben", "")),
    ]
    for path, group, expected in said:
        assert spoken.speaker_and_phrase(clip(path, group), known) == expected
