"""Recordings of a room: in pieces, within limits, and kept whatever ends them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

from tests import recorders, tone_model
from tests.waiting import PATIENCE, wait_for, wait_for_job
from trainer.dataset import capture, changes, clips, importing, room_recordings
from trainer.dataset.capture import Request
from trainer.dataset.scan import scan
from trainer.dataset.stretches import Rule
from trainer.detector import detector
from trainer.system import durable, job
from trainer.system.workspace import PROJECT_ROOT, Workspace

RATE = 16000


def quiet(done: int, total: int, doing: str) -> None:
    pass


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return Workspace(tmp_path)


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-3000, 3000, round(seconds * RATE)).astype(np.int16)


def in_pieces(samples: np.ndarray, size: int = 1280) -> Iterator[np.ndarray]:
    return (samples[first : first + size] for first in range(0, len(samples), size))


def files(workspace: Workspace) -> list[Path]:
    return sorted((workspace.raw / "stream").rglob("*.flac"))


def kept_samples(workspace: Workspace) -> np.ndarray:
    return np.concatenate([soundfile.read(path, dtype="int16")[0] for path in files(workspace)])


def left(workspace: Workspace) -> list[str]:
    """What is on disk besides the clips, the change and the document."""
    below = workspace.root / "data"
    names = [path.relative_to(below).as_posix() for path in below.rglob("*") if path.is_file()]
    return [name for name in names if not name.startswith(("raw/", "changes/", "scan")) and "lock" not in name]


def test_a_second_stop_while_the_last_clip_is_made_costs_nothing(workspace, monkeypatch):
    make, calls = room_recordings.make_clips, []

    def interrupted(of: Workspace) -> None:
        calls.append(of)
        if len(calls) == 2:  # the first one is before the recording
            raise KeyboardInterrupt
        make(of)

    monkeypatch.setattr(room_recordings, "make_clips", interrupted)
    samples = noise(3)
    result = capture.record(workspace, Request("hall", seconds=0), in_pieces(samples), quiet)
    assert np.array_equal(kept_samples(workspace), samples) and len(result.recording.clips) == 1 and len(calls) == 3


def test_a_recording_is_kept_in_pieces_of_five_minutes_to_the_last_sample(workspace):
    samples = noise(11 * 60 + 0.3)
    result = capture.record(workspace, Request("living room", seconds=0), in_pieces(samples), quiet)
    assert np.array_equal(kept_samples(workspace), samples)
    assert [soundfile.info(path).duration for path in files(workspace)] == pytest.approx([300, 300, 60.3])
    assert {path.parent.name for path in files(workspace)} == {"living room"}
    assert [path.stem.rpartition("-")[2] for path in files(workspace)] == ["00h00m00s", "00h05m00s", "00h10m00s"]
    text = " ".join(result.sentences())
    assert text.startswith("Recorded 11 min and kept 11 min in data/raw/stream/living room (3 clips, ")
    assert "if you said the word during this time, delete that piece" in text
    assert left(workspace) == [f"capture/{result.recording.id}.json"]


def test_a_recording_ends_after_its_time_and_shows_level_and_time_left(workspace):
    told = []
    samples = np.full(RATE * 20, 16384, np.int16)
    result = capture.record(workspace, Request(seconds=10), in_pieces(samples), lambda *words: told.append(words))
    assert result.recording.kept_seconds == result.recording.heard_seconds == 10 and not result.early
    assert told[0] == (0, 10, "█████████░ -6 dB, 0 s kept (0.0 MB), 00:00:10 left")
    assert told[-1][2].endswith("10 s kept (0.3 MB), 00:00:00 left")
    assert result.recording.source.startswith("room-2") and files(workspace)[0].parent.name == result.recording.source


def test_a_recording_is_one_change_that_can_be_undone_and_deleted_at_once(workspace):
    capture.record(workspace, Request("kitchen", seconds=0), in_pieces(noise(301)), quiet)
    (recording,) = room_recordings.recent(workspace)
    (change,) = changes.recent(workspace)
    assert change.title == "Recorded kitchen" and change.files == len(recording.clips) == 2
    deleted = room_recordings.delete(workspace, recording)
    assert not files(workspace) and room_recordings.recent(workspace) == []
    assert len(list(workspace.trash.rglob("*.flac"))) == 2
    changes.undo(workspace, deleted.id)
    assert len(files(workspace)) == 2 and room_recordings.recent(workspace) == [recording]
    changes.undo(workspace, change.id)
    assert not files(workspace) and len(list(workspace.trash.rglob("*.flac"))) == 2


def test_a_change_that_is_undone_meanwhile_stays_undone(workspace):
    def audio() -> Iterator[np.ndarray]:
        yield from in_pieces(noise(301))
        changes.undo(workspace, changes.recent(workspace)[0].id)
        yield from in_pieces(noise(10, 1))

    result = capture.record(workspace, Request("kitchen", seconds=0), audio(), quiet)
    assert len(files(workspace)) == 1 and soundfile.info(files(workspace)[0]).duration == pytest.approx(11)
    assert [change.title for change in changes.recent(workspace)].count("Recorded kitchen") == 2
    assert len(room_recordings.recent(workspace)[0].clips) == 1 and len(result.recording.clips) == 2


def test_a_limit_of_megabytes_is_kept(workspace):
    result = capture.record(workspace, Request(seconds=0, most_megabytes=1), in_pieces(noise(600)), quiet)
    assert result.early == "The limit of 1 MB was reached."
    assert 0 < sum(path.stat().st_size for path in files(workspace)) <= 1e6


def test_a_recording_ends_before_the_disk_is_full(workspace, monkeypatch):
    free = iter([10**12] * 20 + [importing.SPARE_BYTES - 1] * 20)
    monkeypatch.setattr(capture, "_free", lambda workspace: next(free))
    result = capture.record(workspace, Request(seconds=0), in_pieces(noise(60)), quiet)
    assert result.early == "The disk is nearly full." and 9 < result.recording.kept_seconds < 11
    monkeypatch.setattr(capture, "_free", lambda workspace: 100)
    with pytest.raises(ValueError, match=r"may need 0\.6 GB.*Free some space"):
        capture.record(workspace, Request(seconds=3600), in_pieces(noise(60)), quiet)


def test_a_disk_that_fills_up_costs_nothing_that_was_recorded(workspace, monkeypatch):
    real, calls = durable.write, [0]

    def write(descriptor: int, data: bytes) -> int:
        calls[0] += 1
        if calls[0] > 20:
            raise OSError(28, os.strerror(28))
        return real(descriptor, data)

    with monkeypatch.context() as full:
        full.setattr(durable, "write", write)
        with pytest.raises(OSError, match="No space left"):
            capture.record(workspace, Request("den", seconds=0), in_pieces(noise(60)), quiet)
        assert not files(workspace)
    assert len(scan(workspace, quiet)) == 1
    assert soundfile.info(files(workspace)[0]).duration >= 9


def test_a_microphone_that_fails_ends_the_recording_with_what_there_is(workspace):
    def audio() -> Iterator[np.ndarray]:
        yield from in_pieces(noise(10))
        raise ValueError("The sound device was unplugged.")

    result = capture.record(workspace, Request(seconds=0), audio(), quiet)
    assert result.error and result.early == "The recording ended after 10 s: The sound device was unplugged."
    assert len(files(workspace)) == 1


def test_a_recording_without_a_sound_leaves_nothing(workspace):
    result = capture.record(workspace, Request(seconds=0), iter([]), quiet)
    assert result.sentences() == ["Recorded 0 s and kept nothing."] and left(workspace) == []
    silent = capture.record(workspace, Request(seconds=0), [np.zeros(RATE, np.int16)], quiet)
    assert "All of it is silent" in silent.sentences()[-1]


def test_one_recording_at_a_time(workspace):
    with room_recordings.alone(workspace), pytest.raises(ValueError, match="Another recording is running"):
        capture.record(workspace, Request(seconds=0), in_pieces(noise(10)), quiet)
    with pytest.raises(ValueError, match="not usable as a name"):
        capture.record(workspace, Request("..", seconds=0), in_pieces(noise(10)), quiet)


def test_with_a_model_only_what_it_reacts_to_is_kept(workspace, tmp_path):
    loaded = detector.load(tone_model.write(tmp_path / "model"))
    samples = noise(120) // 100
    for second in (40, 90):
        tone = 8000 * np.sin(2 * np.pi * 600 * np.arange(RATE // 2) / RATE)
        samples[second * RATE :][: len(tone)] += tone.astype(np.int16)
    request = Request("den", seconds=0, rule=Rule(0.4, 0.0))
    result = capture.record(workspace, request, in_pieces(samples), quiet, loaded)
    assert [path.stem.rpartition("-")[2] for path in files(workspace)] == ["00h00m37s", "00h01m27s"]
    assert all(6 <= soundfile.info(path).duration <= 8 for path in files(workspace))
    assert result.recording.heard_seconds == pytest.approx(120) and result.recording.model
    assert "they are for training" in result.sentences()[-1]
    assert result.recording.source == "selected-den"


def test_memory_stays_flat_for_an_hour(workspace):
    """Of the pieces of an hour, 115 MB, only one lies in memory."""
    used = []

    def audio() -> Iterator[np.ndarray]:
        block = noise(1.0)
        for second in range(3600):
            if second % 60 == 30:
                used.append(psutil.Process().memory_info().rss)
            yield block

    capture.record(workspace, Request(seconds=0), audio(), quiet)
    assert len(files(workspace)) == 12
    assert max(used[20:]) - max(used[:20]) < 40e6, used


def started(workspace: Workspace, *arguments: str, **environment: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "trainer", "--root", str(workspace.root), "capture", *arguments]
    return subprocess.Popen(
        command, cwd=PROJECT_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | environment,
    )  # fmt: skip


def spooled(workspace: Workspace) -> int:
    """Bytes of the piece that is being recorded."""
    return sum(path.stat().st_size for path in workspace.capture.glob("*.pcm"))


def test_the_command_takes_standard_input(workspace):
    samples = noise(20)
    out, told = started(workspace, "--input", "-", "--source", "den", "--json").communicate(samples.tobytes())
    document = json.loads(out)
    assert document["kept_seconds"] == 20 and document["source"] == "den" and len(document["clips"]) == 1
    assert np.array_equal(kept_samples(workspace), samples), told
    assert clips.load(workspace).clips["label"].tolist() == ["stream"], "scanned"


def test_ctrl_c_keeps_what_there_is(workspace):
    live = started(workspace, "--input", "-", "--source", "den")
    live.stdin.write(noise(20).tobytes())
    live.stdin.flush()
    wait_for(lambda: spooled(workspace) > 15 * 2 * RATE)
    live.send_signal(signal.SIGINT)
    with suppress(BrokenPipeError):
        for _ in range(1000):  # as from a microphone, the audio goes on
            live.stdin.write(noise(1)[: RATE // 10].tobytes())
            live.stdin.flush()
    out, told = live.communicate(timeout=PATIENCE)
    assert live.returncode == 0 and "Traceback" not in told.decode(), told
    assert out.decode().startswith("Stopped after ") and "(1 clip, " in out.decode()
    assert soundfile.info(files(workspace)[0]).duration > 15 and spooled(workspace) == 0


def test_a_kill_costs_the_last_half_second_at_most(workspace):
    live, samples = started(workspace, "--input", "-", "--source", "den"), noise(310)
    live.stdin.write(samples.tobytes())
    live.stdin.flush()
    wait_for(lambda: len(files(workspace)) == 1 and spooled(workspace) >= 9 * 2 * RATE)
    live.kill()
    live.communicate()
    assert len(scan(workspace, quiet)) == 2
    kept = kept_samples(workspace)
    assert len(kept) >= 309 * RATE and np.array_equal(kept, samples[: len(kept)])
    (recording,) = room_recordings.recent(workspace)
    assert len(recording.clips) == 2 and left(workspace) == [f"capture/{recording.id}.json"]


def test_without_a_microphone_it_is_one_sentence(workspace, tmp_path):
    live = started(workspace, **recorders.no_microphone(tmp_path / "none"))
    _, told = live.communicate()
    last = told.decode().splitlines()[-1]
    assert live.returncode == 2 and "Traceback" not in told.decode()
    assert last.startswith("The library PortAudio is missing;") and last.endswith("capture --input -."), told
    assert left(workspace) == []


def test_a_recording_program_takes_the_place_of_portaudio(workspace, tmp_path):
    environment = recorders.no_microphone(tmp_path / "none")
    path = recorders.arecord(tmp_path / "bin") + os.pathsep + environment["PATH"]
    live = started(workspace, "--minutes", "0.1", "--source", "den", **environment | {"PATH": path})
    out, told = live.communicate(timeout=PATIENCE)
    assert live.returncode == 0 and out.decode().startswith("Recorded 6 s and kept 6 s"), told


def test_a_job_records_until_it_is_stopped(workspace, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", recorders.arecord(tmp_path / "bin") + os.pathsep + os.environ["PATH"])
    job.start(workspace, "capture", ["--minutes=600", "--source=den", "--device=arecord"])
    running = wait_for_job(workspace, "capture", lambda found: found.done > 5)
    assert running.state == "running" and "left" in running.doing and running.total == 36_000
    job.cancel(workspace, "capture")
    ended = wait_for_job(workspace, "capture", lambda found: found.state != "running")
    assert ended.state == "done" and ended.message.startswith("Stopped after "), ended.message
    assert len(files(workspace)) == 1 and clips.load(workspace) is not None
