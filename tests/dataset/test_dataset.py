"""Scanning: every file is a clip or refused, and nothing is passed over in silence."""

import os
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
import soundfile

from tests.tiny import clip_of, ignore, make_raw, write_wav
from trainer.dataset import clips
from trainer.dataset import scan as scan_module
from trainer.dataset.clips import ScannedClips
from trainer.dataset.scan import scan
from trainer.system.workspace import PROJECT_ROOT, Workspace

RECORDINGS = PROJECT_ROOT.parent / "shared" / "data"
needs_recordings = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the real recordings (../shared/data) are absent")


def scanned(workspace: Workspace, report=ignore) -> ScannedClips:
    return clips.of_table(workspace, scan(workspace, report))


@pytest.fixture
def workspace(tmp_path):
    made = Workspace(tmp_path)
    make_raw(made, voices=3, clips=2)
    return made


def test_clips_are_counted_by_label(workspace):
    told = []
    found = scanned(workspace, lambda *progress: told.append(progress))
    summary = clips.summary(workspace, found, ())
    labels = summary["labels"]
    assert {name: label["clips"] for name, label in labels.items()} == {
        "positive": 6, "negative": 6, "hard_negative": 0, "background": 4, "rirs": 4,
    }  # fmt: skip
    assert labels["positive"] == {
        "clips": 6, "minutes": 0.15, "sample_rates": {"16000": 6}, "speakers": 3, "without_speaker": 0,
    }  # fmt: skip
    assert summary["refused"] == [] and summary["warnings"] == []
    assert (20, 20) in [progress[:2] for progress in told]
    pd.testing.assert_frame_equal(clips.load(workspace).clips, found.clips)


@pytest.mark.parametrize(
    "name", ["a,b.wav", 'quo"te.wav', "new\nline.wav", "-dash.wav", " space.wav", "日本 🎤.wav", "<img src=x>.wav"]
)
def test_strange_names_are_only_names(workspace, name: str):
    write_wav(workspace.raw / "positive" / name, clip_of(np.random.default_rng(0), 600))
    assert f"positive/{name}" in scanned(workspace).clips["path"].tolist()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take no such names")
def test_a_name_that_is_no_text_is_refused_and_shown_escaped(workspace):
    folder = os.fsencode(workspace.raw / "positive")
    shutil.copy(workspace.raw / "positive" / "voice0" / "0.wav", os.path.join(folder, b"bad\xff.wav"))
    refused = scanned(workspace).refused.iloc[0]
    assert refused["reason"] == "bad_name" and refused["path"] == "positive/bad\\xff.wav"


def test_only_new_and_changed_files_are_read_again(workspace, monkeypatch):
    first, read = scan(workspace, ignore), []
    inspect = scan_module.inspect_all
    monkeypatch.setattr(scan_module, "inspect_all", lambda paths: read.extend(paths) or inspect(paths))
    pd.testing.assert_frame_equal(scan(workspace, ignore), first)
    assert read == []
    write_wav(workspace.raw / "positive" / "new.wav", clip_of(np.random.default_rng(1), 600))
    changed = workspace.raw / "positive" / "voice0" / "0.wav"
    write_wav(changed, clip_of(np.random.default_rng(2), 600))
    (workspace.raw / "negative" / "voice0" / "0.wav").unlink()
    again = scan(workspace, ignore)
    assert sorted(path.name for path in read) == ["0.wav", "new.wav"] and len(again) == 20
    assert (
        again.set_index("path")["digest"]["positive/voice0/0.wav"]
        != first.set_index("path")["digest"]["positive/voice0/0.wav"]
    )


def test_a_cancelled_scan_goes_on_where_it_was(workspace, monkeypatch):
    def cancel(done: int, total: int, doing: str) -> None:
        if done == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan(workspace, cancel)
    assert clips.load_table(workspace) is None and len(clips.load_table(workspace, partial=True)) == 12
    told = []
    assert len(scan(workspace, lambda *progress: told.append(progress))) == 20
    assert (8, 8) in [progress[:2] for progress in told] and not workspace.partial_scan_file.exists()


def test_a_scan_cancelled_while_comparing_keeps_what_it_read_and_compares_the_next_time(workspace, monkeypatch):
    shutil.copy(workspace.raw / "positive/voice0/0.wav", workspace.raw / "positive/copy.wav")

    def cancel(done: int, total: int, doing: str) -> None:
        if doing == "Comparing clips":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan(workspace, cancel)
    monkeypatch.setattr(scan_module, "inspect_all", lambda paths: iter(() if not paths else pytest.fail("read again")))
    near = scan(workspace, ignore).set_index("path")["near"]
    assert near["positive/copy.wav"] == near["positive/voice0/0.wav"] >= 0


def test_a_scan_that_finds_no_change_writes_and_compares_nothing(workspace, monkeypatch):
    (workspace.raw / "positive" / "broken.wav").write_bytes(b"no audio")
    first = scan(workspace, ignore)
    written = workspace.scan_file.stat().st_mtime_ns
    monkeypatch.setattr(scan_module, "_number_near", lambda table: pytest.fail("compared again"))
    pd.testing.assert_frame_equal(scan(workspace, ignore), first)
    assert workspace.scan_file.stat().st_mtime_ns == written


def test_progress_tells_the_pace(monkeypatch):
    now = iter([0.0, 1.0, 10.0, 10.0])
    monkeypatch.setattr(scan_module.time, "monotonic", lambda: next(now))
    told = []
    report = scan_module._pace(lambda done, total, doing: told.append(doing), 100_000)
    for done in (10, 1000, 99_000):
        report(done)
    doing = "Reading new and changed files"
    assert told == [f"{doing}, {pace} per second" for pace in ("10", "100", "9,900")]


def test_near_duplicates_are_found_and_others_are_not(workspace):
    time = np.arange(12000) / 16000
    spoken = np.hanning(12000) * np.sin(2 * np.pi * 500 * time + 40 * np.sin(2 * np.pi * 3 * time))
    spoken = np.pad(0.4 * spoken, 6000)
    place = workspace.raw / "positive"
    write_wav(place / "take.wav", spoken)
    write_wav(place / "louder_and_trimmed.wav", 1.8 * spoken[5000:-4000])
    soundfile.write(place / "encoded.ogg", spoken, 16000)
    near = scan(workspace, ignore).set_index("path")["near"]
    same = {near[f"positive/{name}"] for name in ("take.wav", "louder_and_trimmed.wav", "encoded.ogg")}
    assert len(same) == 1 and same != {-1} and (near == same.pop()).sum() == 3


def test_refused_files_do_not_stop_the_others(workspace):
    (workspace.raw / "positive" / "notes.txt").write_text("hello")
    (workspace.raw / "positive" / "empty.wav").touch()
    (workspace.raw / "positive" / ".DS_Store").write_text("hidden files are the system's")
    (workspace.raw / "negative" / "loop").symlink_to(workspace.raw)
    os.mkfifo(workspace.raw / "negative" / "pipe.wav")
    found = scanned(workspace)
    assert sorted(found.refused[["path", "reason"]].itertuples(index=False, name=None)) == [
        ("negative/loop", "not_a_file"), ("negative/pipe.wav", "not_a_file"), ("positive/empty.wav", "empty"),
        ("positive/notes.txt", "unsupported_format"),
    ]  # fmt: skip
    assert len(found) == 20


class NameOnly:
    """An entry of a folder that tells names and nothing more, as one without the right to enter it does."""

    def __init__(self, entry: os.DirEntry) -> None:
        self.name, self.path = entry.name, entry.path

    def is_dir(self, follow_symlinks: bool) -> bool:
        return False

    def stat(self, follow_symlinks: bool) -> None:
        raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize(("names_told", "clips_left"), [(False, 18), (True, 20)])
def test_a_folder_without_permission_does_not_stop_the_others(
    workspace, monkeypatch, names_told: bool, clips_left: int
):
    closed, real = workspace.raw / "positive" / "voice0", os.scandir

    def scandir(folder):
        if os.fspath(folder) != str(closed):
            return real(folder)
        if not names_told:
            raise PermissionError(13, "Permission denied")
        return [NameOnly(entry) for entry in real(folder)]

    monkeypatch.setattr(scan_module.os, "scandir", scandir)
    assert len(scanned(workspace)) == clips_left


def test_a_folder_that_is_no_label_is_told(workspace):
    (workspace.raw / "noise").mkdir()
    shutil.rmtree(workspace.raw / "background")
    assert "Folder noise was not scanned" in clips.warnings(workspace, scanned(workspace))[0]


def test_the_same_audio_in_wav_and_flac_has_one_digest(workspace):
    wave, rate = soundfile.read(workspace.raw / "positive" / "voice0" / "0.wav", dtype="int16")
    soundfile.write(workspace.raw / "positive" / "again.flac", wave, rate)
    digests = scanned(workspace).clips.set_index("path")["digest"]
    assert digests["positive/again.flac"] == digests["positive/voice0/0.wav"] != digests["positive/voice0/1.wav"]


def test_an_empty_label_folder_is_a_warning_and_no_clips_at_all_an_error(workspace):
    shutil.rmtree(workspace.raw / "positive")
    (workspace.raw / "positive").mkdir()
    assert "No usable clips in" in clips.warnings(workspace, scanned(workspace))[0]
    shutil.rmtree(workspace.raw)
    with pytest.raises(ValueError, match="Make demo data, or put WAV"):
        scan(workspace, ignore)
    assert len(clips.load(workspace)) == 0, "what is gone is not shown any more"


def test_a_damaged_scan_file_is_as_none(workspace):
    scan(workspace, ignore)
    workspace.scan_file.write_text("{")
    assert clips.load_table(workspace) is None and clips.load(workspace) is None


@needs_recordings
def test_the_14_damaged_files_are_refused_and_no_other_real_recording_is(tmp_path):
    damaged = {path.name for path in (RECORDINGS / "dev" / "damaged_flac").glob("*.flac")}
    raw = tmp_path / "data" / "raw"
    shutil.copytree(RECORDINGS / "dev" / "damaged_flac", raw / "negative" / "damaged")
    shutil.copytree(RECORDINGS / "dev" / "wake", raw / "positive")
    shutil.copytree(RECORDINGS / "dev" / "noise", raw / "background")
    shutil.copytree(RECORDINGS / "dev" / "rir", raw / "rirs")
    refused = scanned(Workspace(tmp_path)).refused
    refused = refused[refused["reason"] != "unsupported_format"]
    assert len(damaged) == 14 and {os.path.basename(path) for path in refused["path"]} == damaged
    assert set(refused["reason"]) == {"damaged"}


def test_folders_of_labels_are_scanned_in_any_spelling_and_what_is_left_is_told(tmp_path):
    workspace = Workspace(tmp_path)
    for name in ("Positive/anna/a.wav", "NEGATIVE/b.wav", "Hard Negatives/c.wav", "positive/d.wav"):
        write_wav(workspace.raw / name, clip_of(np.random.default_rng(len(name)), 600.0))
    for name in ("Negatif/e.wav", "loose.wav", "positive/.hidden.wav", "positive/._d.wav"):
        (workspace.raw / name).parent.mkdir(exist_ok=True)
        shutil.copy(workspace.raw / "positive/d.wav", workspace.raw / name)
    found = scanned(workspace)
    labels = dict(zip(found.clips["path"], found.clips["label"], strict=True))
    assert labels == {
        "Positive/anna/a.wav": "positive", "NEGATIVE/b.wav": "negative", "Hard Negatives/c.wav": "hard_negative",
        "positive/d.wav": "positive",
    }  # fmt: skip
    assert found.refused.to_dict("records") == [
        {"path": "positive/.hidden.wav", "reason": "bad_name",
         "message": "Its name begins with a dot, so it is hidden; rename it."}
    ]  # fmt: skip
    told = clips.summary(workspace, found, ())
    assert told["labels"]["positive"]["clips"] == 2 and told["labels"]["hard_negative"]["clips"] == 1
    assert any("Folder Negatif was not scanned" in each for each in told["warnings"])
    assert any("1 file in" in each and "itself (loose.wav) was not scanned" in each for each in told["warnings"])
