"""Scanning: every file is a clip or refused, and nothing is passed over in silence."""

import os
import shutil
import sys

import numpy as np
import pytest
import soundfile

from tests.tiny import clip_of, ignore, make_raw, write_wav
from trainer import dataset
from trainer.workspace import PROJECT_ROOT, Workspace

RECORDINGS = PROJECT_ROOT.parent / "shared" / "data"
needs_recordings = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the real recordings (../shared/data) are absent")


@pytest.fixture
def workspace(tmp_path):
    made = Workspace(tmp_path)
    make_raw(made, voices=3, clips=2)
    return made


def test_clips_are_counted_by_label(workspace):
    told = []
    found = dataset.scan(workspace, lambda *progress: told.append(progress))
    labels = dataset.summary(found)["labels"]
    assert {name: label["clips"] for name, label in labels.items()} == {
        "positive": 6, "negative": 6, "hard_negative": 0, "background": 4, "rirs": 4,
    }  # fmt: skip
    assert labels["positive"] == {"clips": 6, "minutes": 0.15, "sample_rates": {"16000": 6}, "groups": 3}
    assert found.refused == [] and found.warnings == []
    assert told[-1][:2] == (20, 20)
    assert dataset.load_scan(workspace) == found


def test_the_group_is_the_first_folder_else_the_clip(workspace):
    assert dataset.group_of("positive/anna/monday/1.wav") == "anna" == dataset.group_of("negative/anna/2.wav")
    assert dataset.group_of("positive/1.wav") == "positive/1.wav"


@pytest.mark.parametrize(
    "name", ["a,b.wav", 'quo"te.wav', "new\nline.wav", "-dash.wav", " space.wav", "日本 🎤.wav", "<img src=x>.wav"]
)
def test_strange_names_are_only_names(workspace, name: str):
    write_wav(workspace.raw / "positive" / name, clip_of(np.random.default_rng(0), 600))
    assert f"positive/{name}" in [clip.path for clip in dataset.scan(workspace, ignore).clips]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take no such names")
def test_a_name_that_is_no_text_is_refused_and_shown_escaped(workspace):
    folder = os.fsencode(workspace.raw / "positive")
    shutil.copy(workspace.raw / "positive" / "voice0" / "0.wav", os.path.join(folder, b"bad\xff.wav"))
    (refused,) = dataset.scan(workspace, ignore).refused
    assert refused.reason == "bad_name" and refused.path == "positive/bad\\xff.wav"


def test_refused_files_do_not_stop_the_others(workspace):
    (workspace.raw / "positive" / "notes.txt").write_text("hello")
    (workspace.raw / "positive" / "empty.wav").touch()
    (workspace.raw / "positive" / ".DS_Store").write_text("hidden files are the system's")
    (workspace.raw / "negative" / "loop").symlink_to(workspace.raw)
    os.mkfifo(workspace.raw / "negative" / "pipe.wav")
    found = dataset.scan(workspace, ignore)
    assert sorted((item.path, item.reason) for item in found.refused) == [
        ("negative/loop", "unreadable"), ("negative/pipe.wav", "not_a_file"), ("positive/empty.wav", "empty"),
        ("positive/notes.txt", "unsupported_format"),
    ]  # fmt: skip
    assert len(found.clips) == 20


def test_what_looks_wrong_is_told(workspace):
    shutil.copy(workspace.raw / "positive" / "voice0" / "0.wav", workspace.raw / "negative" / "same.wav")
    (workspace.raw / "noise").mkdir()
    shutil.rmtree(workspace.raw / "background")
    warnings = "\n".join(dataset.scan(workspace, ignore).warnings)
    assert "are the same audio under two labels" in warnings and "Folder noise was not scanned" in warnings


def test_the_same_audio_in_wav_and_flac_has_one_digest(workspace):
    wave, rate = soundfile.read(workspace.raw / "positive" / "voice0" / "0.wav", dtype="int16")
    soundfile.write(workspace.raw / "positive" / "again.flac", wave, rate)
    digests = {clip.path: clip.digest for clip in dataset.scan(workspace, ignore).clips}
    assert digests["positive/again.flac"] == digests["positive/voice0/0.wav"] != digests["positive/voice0/1.wav"]


def test_an_empty_label_folder_is_a_warning_and_no_clips_at_all_an_error(workspace):
    shutil.rmtree(workspace.raw / "positive")
    (workspace.raw / "positive").mkdir()
    assert "No usable clips in" in dataset.scan(workspace, ignore).warnings[0]
    shutil.rmtree(workspace.raw)
    with pytest.raises(ValueError, match="Make demo data, or put WAV"):
        dataset.scan(workspace, ignore)


def test_a_damaged_scan_file_is_as_none(workspace):
    dataset.scan(workspace, ignore)
    workspace.scan_file.write_text("{")
    assert dataset.load_scan(workspace) is None


@needs_recordings
def test_the_14_damaged_files_are_refused_and_no_other_real_recording_is(tmp_path):
    damaged = {path.name for path in (RECORDINGS / "dev" / "damaged_flac").glob("*.flac")}
    raw = tmp_path / "data" / "raw"
    shutil.copytree(RECORDINGS / "dev" / "damaged_flac", raw / "negative" / "damaged")
    shutil.copytree(RECORDINGS / "dev" / "wake", raw / "positive")
    shutil.copytree(RECORDINGS / "dev" / "noise", raw / "background")
    shutil.copytree(RECORDINGS / "dev" / "rir", raw / "rirs")
    found = dataset.scan(Workspace(tmp_path), ignore)
    refused = [item for item in found.refused if item.reason != "unsupported_format"]
    assert len(damaged) == 14 and {os.path.basename(item.path) for item in refused} == damaged
    assert all(item.reason == "damaged" for item in refused)
