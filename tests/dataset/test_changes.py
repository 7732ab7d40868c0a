"""Whatever is done to the clips is recorded first, and can be taken back."""

import errno
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.tiny import ignore, make_raw
from trainer.dataset import changes, clips, findings, repairs
from trainer.dataset.changes import Move
from trainer.dataset.scan import scan
from trainer.system.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    made = Workspace(tmp_path)
    make_raw(made, voices=2, clips=2)
    return made


def state(workspace: Workspace) -> dict[str, bytes]:
    return {str(path.relative_to(workspace.raw)): path.read_bytes() for path in workspace.raw.rglob("*.wav")}


def test_deleting_and_relabelling_are_undone_and_redone(workspace):
    before = state(workspace)
    deleted = repairs.delete(workspace, ["positive/voice0/0.wav", "positive/voice0/1.wav"])
    moved = repairs.relabel(workspace, ["positive/voice1/0.wav", "negative/voice1/0.wav"][:1], "hard_negative")
    changed = state(workspace)
    assert "hard_negative/voice1/0.wav" in changed and not (workspace.raw / "positive" / "voice0").exists()
    for change in (moved, deleted):
        undone, left = changes.undo(workspace, change.id)
        assert left == 0
    assert state(workspace) == before
    changes.undo(workspace, undone.id)
    assert "positive/voice0/0.wav" not in state(workspace), "an undo is a change, and can be undone itself"


def test_a_change_is_undone_once(workspace):
    change = repairs.delete(workspace, ["positive/voice0/0.wav"])
    changes.undo(workspace, change.id)
    with pytest.raises(ValueError, match="already undone"):
        changes.undo(workspace, change.id)
    with pytest.raises(ValueError, match="There is no change"):
        changes.undo(workspace, "20200101-000000-abcd")


def test_nothing_is_overwritten(workspace):
    before = state(workspace)
    (workspace.raw / "hard_negative" / "voice0").mkdir(parents=True)
    (workspace.raw / "hard_negative" / "voice0" / "0.wav").write_bytes(b"here already")
    with pytest.raises(ValueError, match="already exists; nothing was changed"):
        repairs.relabel(workspace, ["positive/voice0/1.wav", "positive/voice0/0.wav"], "hard_negative")
    assert {name: data for name, data in state(workspace).items() if "hard" not in name} == before


def test_what_was_put_in_the_place_meanwhile_stays(workspace):
    change = repairs.delete(workspace, ["positive/voice0/0.wav", "positive/voice0/1.wav"])
    place = workspace.raw / "positive" / "voice0" / "0.wav"
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(b"new")
    _, left = changes.undo(workspace, change.id)
    assert left == 1 and place.read_bytes() == b"new" and (place.parent / "1.wav").exists()


def test_a_crash_between_two_moves_is_undone_in_full(workspace, monkeypatch):
    before, real, done = state(workspace), changes._move, []

    def die_at_the_third(source, target) -> None:
        if len(done) == 2:
            raise OSError("pulled the plug")
        done.append(source)
        real(source, target)

    monkeypatch.setattr(changes, "_move", die_at_the_third)
    with pytest.raises(OSError, match="plug"):
        repairs.delete(workspace, [f"positive/voice{voice}/{clip}.wav" for voice in range(2) for clip in range(2)])
    monkeypatch.setattr(changes, "_move", real)
    assert len(state(workspace)) == len(before) - 2
    changes.undo(workspace, changes.recent(workspace)[0].id)
    assert state(workspace) == before


def test_a_damaged_record_is_passed_over(workspace):
    repairs.delete(workspace, ["positive/voice0/0.wav"])
    (workspace.changes / "20990101-000000-beef.json").write_text("{")
    assert [change.title for change in changes.recent(workspace)] == ["Deleted positive/voice0/0.wav"]


def test_the_best_channel_takes_the_place_of_a_clip_and_any_other_can_be_chosen(workspace):
    place = workspace.raw / "positive" / "voice0" / "0.wav"
    wave, rate = soundfile.read(place)
    noisy = wave + 0.1 * np.random.default_rng(0).standard_normal(len(wave))
    soundfile.write(place, np.stack([noisy, wave], 1), rate)
    scan(workspace, ignore)
    before = state(workspace)
    repairs.mend(workspace, "uneven", ignore)
    best, _ = soundfile.read(place)
    assert best.shape == wave.shape and np.abs(best - wave).max() < 1e-4
    changes.undo(workspace, changes.recent(workspace)[0].id)
    assert state(workspace) == before
    assert repairs.use_channel(workspace, ["positive/voice0/0.wav"], 1).title == "Channel 1 of positive/voice0/0.wav"
    assert np.abs(soundfile.read(place)[0] - noisy).max() < 1e-4
    with pytest.raises(ValueError, match=r"positive/voice0/1.wav: It has no channel 2; choose one of 1 to 1"):
        repairs.use_channel(workspace, ["positive/voice0/1.wav"], 2)


def test_converting_keeps_the_clip_and_its_place(workspace, tmp_path):
    place = workspace.raw / "positive" / "voice0" / "0.wav"
    wave, rate = soundfile.read(place)
    soundfile.write(place, wave * 0.5 + 0.1, rate)
    soundfile.write(place.with_name("long.flac"), np.pad(wave, 2 * rate), rate)
    scan(workspace, ignore)
    before = state(workspace)
    for code in ("offset", "much_silence"):
        repairs.mend(workspace, code, ignore)
    mended, _ = soundfile.read(place)
    assert abs(mended.mean()) < 1e-3 and len(mended) == len(wave)
    trimmed, _ = soundfile.read(place.with_name("long.wav"))
    assert len(trimmed) / rate == pytest.approx(0.6 + 0.4, abs=0.25) and not place.with_name("long.flac").exists()
    for change in changes.recent(workspace):
        changes.undo(workspace, change.id)
    assert state(workspace) == before and place.with_name("long.flac").exists()
    with pytest.raises(ValueError, match="nothing left to repair here"):
        repairs.mend(workspace, "two_labels", ignore)
    assert clips.load(workspace) is not None


def test_moves_between_disks_copy(workspace, tmp_path, monkeypatch):
    def other_disk(self, target) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    before = state(workspace)
    monkeypatch.setattr(Path, "rename", other_disk)
    source, target = "raw/positive/voice0/0.wav", "raw/negative/voice0/moved.wav"
    changes.apply(workspace, "moved", [Move(source=source, target=target)])
    after = state(workspace)
    assert after["negative/voice0/moved.wav"] == before["positive/voice0/0.wav"]
    assert "positive/voice0/0.wav" not in after


def test_refused_files_are_quarantined_and_come_back(workspace):
    place = workspace.raw / "positive" / "voice0"
    (place / "notes.txt").write_text("no clip")
    (place / "link.wav").symlink_to(place / "0.wav")
    scan(workspace, ignore)
    change = repairs.mend(workspace, "refused", ignore)
    assert change.files == 2 and sorted(path.name for path in place.iterdir()) == ["0.wav", "1.wav"]
    scan(workspace, ignore)
    assert not len(clips.load(workspace).refused)
    with pytest.raises(ValueError, match="nothing left to repair"):
        repairs.mend(workspace, "refused", ignore)
    changes.undo(workspace, change.id)
    assert (place / "notes.txt").exists() and (place / "link.wav").is_symlink()


def test_of_near_duplicates_the_first_is_kept(workspace):
    place = workspace.raw / "positive" / "anna"
    place.mkdir()
    wave, rate = soundfile.read(workspace.raw / "positive" / "voice0" / "0.wav")
    for number in range(3):
        soundfile.write(place / f"{number}.wav", (1 - number / 4) * wave[200 * number :], rate)
    scan(workspace, ignore)
    found = next(one for one in findings.find(clips.load(workspace).clips) if one.code == "near_duplicates")
    repairs.mend(workspace, "near_duplicates", ignore)
    left = [path for path in found.paths if (workspace.raw / path).exists()]
    assert len(found.surplus) >= 3 and left == [path for path in found.paths if path not in found.surplus]
    assert "positive/anna/0.wav" in left
