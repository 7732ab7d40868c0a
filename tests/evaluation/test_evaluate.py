"""Evaluations hear what they say, agree with the neutral measurement, and leave nothing half done."""

import io
import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests import bad_audio
from tests.cli.test_command_line import answer, call, refused
from tests.evaluated import run_with_model, workspace_with_run, write_recording
from tests.tiny import ignore, make_workspace
from tests.waiting import wait_for_job
from trainer.audio import audio_file, manifest
from trainer.detector import detector
from trainer.detector.detector_file import NAME, DetectorFile
from trainer.evaluation import assessment, curve, evaluations
from trainer.evaluation.assessment import Request
from trainer.run.runs import Run
from trainer.streams import recordings
from trainer.streams.composition import Options
from trainer.streams.stream_set import StreamSet
from trainer.system import durable, job, processes
from trainer.system.workspace import Workspace

COMPOSED = Request(Options(), [])


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Workspace, Run]:
    return workspace_with_run(tmp_path_factory.mktemp("evaluated"))


def folders(run: Run) -> list[str]:
    return sorted(path.name for path in (run.folder / "evaluation").glob("*"))


def test_the_command_tells_the_curve_and_keeps_what_was_heard(made, tmp_path):
    workspace, run = made
    write_recording(tmp_path / "far/night.flac", 30.0)
    (tmp_path / "far/broken.wav").write_bytes(b"RIFF" + bytes(60))
    (tmp_path / "far/words.txt").write_text("0.2\t0.8\tword\n")
    streams = ["--stream", str(tmp_path / "far"), "--stream", str(tmp_path / "nowhere")]
    done = call(workspace, "evaluate", "latest", *streams, "--snr", "5", "--budget", "60", "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 2 and done.stderr.splitlines() == document["left_out"]
    folder = evaluations.folder_of(run, document["id"])
    assert Path(document["folder"]) == folder.path and document["run"] == run.id
    words = sum(clip.label == "positive" for clip in manifest.read_split(workspace, "test"))
    assert document["words"] == 3 * words > 0
    assert (
        document["left_out"]
        == document["notes"][:2]
        == [
            f"There is no recording or folder {tmp_path}/nowhere.",
            "far/broken.wav: It has no audio data; copy or record it again.",
        ]
    )
    assert document["notes"][2].startswith("Not used: words.txt. A label track is")
    for point in document["curve"]:
        assert {"threshold", "false_accepts_per_hour", "miss_rate", "low", "high"} <= set(point)
        assert 0 <= point["miss_rate"] <= 1 and point["low"] is None, "all words are of one speaker"
    assert document["budget"]["false_accepts_per_hour"] == 60
    (evaluation, *_) = evaluations.all_of(run)
    heard = evaluations.read_streams(folder, evaluation)
    assert evaluation.hours == pytest.approx(curve.hours(heard)) == pytest.approx(document["hours"])
    assert {each.recording.condition for each in heard} == {
        "clean", "noise, 5 dB", "room", "speech", "look-alikes", "noise", "far",
    }  # fmt: skip
    loaded = detector.load(run.model)
    streams = durable.read_document(StreamSet, folder.streams_file)
    with np.load(folder.tracks_file) as tracks:
        for each in streams.recordings:
            np.testing.assert_allclose(
                tracks[each.name], detector.scores_of_file(loaded, streams.path_of(each)), atol=1e-5
            )
    text = call(workspace, "evaluate", run.id, "--no-composed", "--stream", str(tmp_path / "far")).stdout
    assert "Not used: words.txt." in text
    assert "no words were evaluated; false accepts:" in text and "far/broken.wav: It has no audio data" in text


def test_recordings_are_heard_whole_and_alike_in_whatever_file_they_come(made, tmp_path):
    workspace, run = made
    write_recording(tmp_path / "source.flac", 20.0)
    wave, rate = soundfile.read(tmp_path / "source.flac", dtype="int16")
    folder = tmp_path / "brought"
    folder.mkdir()
    for name, kind in (("right.wav", "WAV"), ("large.wav", "RF64"), ("apple.caf", "CAF"), ("apple.aiff", "AIFF")):
        soundfile.write(folder / name, wave, rate, format=kind)
    (folder / "pipe.wav").write_bytes(bad_audio.wav(rate, data=wave.astype("<i2").tobytes(), says=0x7FFFF000))
    soundfile.write(folder / "opposite.flac", np.stack([wave, -wave], 1), rate)
    document = answer(workspace, "evaluate", run.id, "--no-composed", "--stream", str(folder))
    assert document["hours"] == pytest.approx(6 * 20 / 3600, rel=0.01)
    assert {note.partition(": ")[0] for note in document["notes"]} == {"brought/opposite.flac", "brought/pipe.wav"}
    (evaluation, *_) = evaluations.all_of(run)
    tracks = [
        each.probability for each in evaluations.read_streams(evaluations.folder_of(run, evaluation.id), evaluation)
    ]
    assert len(tracks) == 6
    for track in tracks[1:]:
        np.testing.assert_allclose(track, tracks[0], atol=1e-3)


def test_clips_are_scored_one_by_one(made):
    workspace, run = made
    evaluation = assessment.evaluate(workspace, run, COMPOSED, ignore)
    clips = evaluations.read_clips(evaluations.folder_of(run, evaluation.id))
    test = [clip for clip in manifest.read_split(workspace, "test") if clip.label != "rirs"]
    assert [(each.path, each.label) for each in clips] == [(clip.path, clip.label) for clip in test]
    loaded = detector.load(run.model)
    wave = audio_file.read_16k(workspace.raw / clips[0].path)
    _, scores = loaded.scores(np.concatenate([wave, np.zeros(loaded.window_samples, np.float32)]))
    assert clips[0].score == pytest.approx(scores.max(), abs=1e-5)


def test_two_runs_hear_the_same_streams(made):
    workspace, run = made
    other = run_with_model(workspace, 2)
    first, second = (assessment.evaluate(workspace, each, COMPOSED, ignore) for each in (run, other))
    assert first.streams_key == second.streams_key and first.curve == second.curve
    assert first.id != second.id and first.streams_title == second.streams_title
    shutil.rmtree(other.folder)


def test_another_checkpoint_hears_the_same_streams(made):
    workspace, run = made
    other = run.folder / "models/epoch-00002"
    shutil.copytree(run.model, other)
    file = durable.read_document(DetectorFile, other / NAME).model_copy(
        update={"checkpoint": "epoch-00002.pt", "epoch": 2}
    )
    durable.replace_json(other / NAME, file.model_dump())
    best, second = (
        assessment.evaluate(workspace, run, Request(Options(), [], name), ignore) for name in ("best", "epoch-00002")
    )
    assert (best.epoch, second.epoch, second.checkpoint) == (1, 2, "epoch-00002.pt")
    assert best.streams_key == second.streams_key
    with pytest.raises(ValueError, match="has no checkpoint 'epoch-00099'"):
        assessment.evaluate(workspace, run, Request(Options(), [], "epoch-00099"), ignore)


def test_the_folder_of_false_accepts_is_heard_unless_others_are_named(made, tmp_path):
    workspace, run = made
    write_recording(workspace.root / recordings.DEFAULT / "a.flac", 20.0)
    write_recording(tmp_path / "b.flac", 20.0)
    assert "1 long recording (0.01 h" in answer(workspace, "evaluate", run.id)["streams_title"]
    named = answer(workspace, "evaluate", run.id, "--no-composed", "--stream", str(tmp_path / "b.flac"))
    streams = durable.read_document(StreamSet, evaluations.folder_of(run, named["id"]).streams_file)
    assert [each.name for each in streams.recordings] == ["b.flac"]
    shutil.rmtree(workspace.root / "data/streams")


def test_a_recording_damaged_within_is_left_out_and_told(made, tmp_path):
    workspace, run = made
    for name in ("good", "bad"):
        write_recording(tmp_path / f"{name}.flac", 60.0)
    data = (tmp_path / "bad.flac").read_bytes()
    (tmp_path / "bad.flac").write_bytes(data[: len(data) // 2])
    wanted = Request(None, [tmp_path / "good.flac", tmp_path / "bad.flac"])
    evaluation = assessment.evaluate(workspace, run, wanted, ignore)
    streams = durable.read_document(StreamSet, evaluations.folder_of(run, evaluation.id).streams_file)
    assert [each.name for each in streams.recordings] == ["good.flac"]
    assert evaluation.streams_key == streams.key != recordings.gather(wanted.paths).key, "it is other audio"
    assert evaluation.streams_title.endswith(", of which 1 could not be read")
    (note,) = streams.notes
    assert streams.left_out == [note]
    assert note.startswith("bad.flac: It ") and note.endswith("copy or record it again.")
    with pytest.raises(ValueError, match=r"no audio without the word.*bad\.flac: It "):
        assessment.evaluate(workspace, run, Request(None, [tmp_path / "bad.flac"]), ignore)


def test_a_cancel_leaves_no_evaluation(made, tmp_path):
    workspace, run = made
    write_recording(tmp_path / "long.flac", 1200.0)
    before = folders(run)

    def cancelled(done: int, total: int, doing: str) -> None:
        if doing.startswith("Scoring streams"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        assessment.evaluate(workspace, run, Request(None, [tmp_path / "long.flac"]), cancelled)
    assert folders(run) == before


def test_a_full_disk_leaves_no_half_evaluation(made, monkeypatch):
    workspace, run = made
    before, replace_json = folders(run), durable.replace_json

    def full(path: Path, document: object) -> None:
        if path.name == "evaluation.json":
            raise OSError(28, "No space left on device", str(path))
        replace_json(path, document)

    monkeypatch.setattr(durable, "replace_json", full)
    with pytest.raises(OSError, match="No space"):
        assessment.evaluate(workspace, run, COMPOSED, ignore)
    assert folders(run) == before


def test_a_run_that_was_removed_meanwhile_does_not_come_back_as_half_of_one(made):
    workspace, _ = made
    gone = run_with_model(workspace, 3)

    def removed(done: int, total: int, doing: str) -> None:
        if doing == "Computing the curve":
            shutil.rmtree(gone.folder)

    with pytest.raises(FileNotFoundError, match="was removed during its evaluation"):
        assessment.evaluate(workspace, gone, COMPOSED, removed)
    assert not gone.folder.exists()


def damaged_tracks(good: bytes) -> list[bytes]:
    """Cut, empty, overwritten within, and arrays that are none of an evaluation."""
    with np.load(io.BytesIO(good)) as stored:
        names = stored.files
    found = [good[: len(good) // 2], b"", good[:100] + bytes(100) + good[200:]]
    for array in (np.zeros((3, 1), np.float32), np.array(["0.5"]), np.float32(0.5)):
        packed = io.BytesIO()
        np.savez(packed, **dict.fromkeys(names, array))
        found.append(packed.getvalue())
    np.save(single := io.BytesIO(), np.zeros(3, np.float32))
    return [*found, single.getvalue()]


def test_tracks_that_are_damaged_or_of_something_else_are_one_sentence(made):
    workspace, run = made
    evaluation = assessment.evaluate(workspace, run, COMPOSED, ignore)
    folder = evaluations.folder_of(run, evaluation.id)
    for data in damaged_tracks(folder.tracks_file.read_bytes()):
        folder.tracks_file.write_bytes(data)
        with pytest.raises(ValueError, match=r"tracks\.npz cannot be read .*Evaluate the run again\."):
            evaluations.read_streams(folder, evaluation)
    shutil.rmtree(folder.path)


def wait_until(workspace: Workspace, reached) -> job.Job:
    return wait_for_job(workspace, "evaluate", reached)


def test_a_job_is_cancelled_killed_and_repeated(made, tmp_path):
    """Four hours to hear, of which there is a third of one in the end."""
    workspace, run = made
    write_recording(tmp_path / "far/0.flac", 1200.0)
    for number in range(1, 12):
        os.link(tmp_path / "far/0.flac", tmp_path / f"far/{number}.flac")
    before, arguments = folders(run), [run.id, "--stream", str(tmp_path / "far")]
    job.start(workspace, "evaluate", arguments)
    wait_until(workspace, lambda found: found.doing.startswith("Scoring streams") and found.done)
    job.cancel(workspace, "evaluate")
    ended = wait_until(workspace, lambda found: found.state != "running")
    assert ended.state == "cancelled" and ended.message.endswith("cancelled. Nothing was saved.")
    job.start(workspace, "evaluate", arguments)
    found = wait_until(workspace, lambda found: found.doing.startswith("Scoring streams") and found.done)
    assert processes.send_signal(found.identity, signal.SIGKILL)
    ended = wait_until(workspace, lambda found: found.state != "running")
    assert ended.state == "failed" and "ended unexpectedly" in ended.message
    assert folders(run) == before
    for number in range(1, 12):
        (tmp_path / f"far/{number}.flac").unlink()
    job.start(workspace, "evaluate", arguments)
    ended = wait_until(workspace, lambda found: found.state != "running")
    assert ended.state == "done" and ended.message.startswith(f"Run {run.id}: At threshold "), ended.message
    assert len(folders(run)) == len(before) + 1


def test_each_thing_that_can_be_wrong_is_one_sentence(tmp_path):
    workspace = Workspace(tmp_path)
    run = run_with_model(workspace)
    assert refused(workspace, "evaluate", "latest").startswith("Dataset splits not found.")
    for wrong in (["400"], ["nan"], [str(number) for number in range(9)]):
        told = refused(workspace, "evaluate", run.id, *(part for each in wrong for part in ("--snr", each)))
        assert told.startswith("Give one to 8 signal-to-noise ratios from -20 to 60 dB, not "), told
    with pytest.raises(ValueError, match="There is nothing to evaluate: give recordings"):
        assessment.evaluate(workspace, run, Request(None, []), ignore)
    with pytest.raises(FileNotFoundError, match="There is no recording or folder"):
        assessment.evaluate(workspace, run, Request(None, [tmp_path / "none"]), ignore)
    with pytest.raises(FileNotFoundError, match="There is no recording or folder"):
        assessment.evaluate(workspace, run, Request(None, [Path("~nobody-of-this-name/none")]), ignore)


def test_a_split_or_a_run_without_what_it_takes_is_told(tmp_path):
    workspace, run = workspace_with_run(tmp_path)
    test = manifest.read_split(workspace, "test")
    manifest.write_split(workspace, "test", [clip for clip in test if clip.label == "positive"])
    with pytest.raises(ValueError, match="no audio without the word"):
        assessment.evaluate(workspace, run, COMPOSED, ignore)
    manifest.write_split(workspace, "test", [clip for clip in test if clip.label != "positive"])
    with pytest.raises(ValueError, match="test split contains no positive clips"):
        assessment.evaluate(workspace, run, COMPOSED, ignore)
    manifest.write_split(workspace, "test", test)
    (run.checkpoints / "best.json").unlink()
    with pytest.raises(ValueError, match=f"Run {run.id} has no best model yet"):
        assessment.evaluate(workspace, run, COMPOSED, ignore)
    assert not folders(run)


def test_the_hours_of_long_recordings_in_the_test_split_are_in_the_headline(tmp_path):
    workspace = make_workspace(tmp_path, streams=2)
    run = run_with_model(workspace)
    document = answer(workspace, "evaluate", run.id)
    seconds = sum(clip.seconds for clip in manifest.read_split(workspace, "test") if clip.label == "stream")
    assert document["headline"]["hours"] == pytest.approx(seconds / 3600, rel=0.05) and seconds > 50
    assert document["hours"] > document["headline"]["hours"]


def test_hard_conditions_are_told_apart_from_the_rates(made):
    workspace, run = made
    document, plain = (answer(workspace, "evaluate", run.id, hard) for hard in ("--hard", "--no-hard"))
    rated = [each for each in document["conditions"] if each in plain["conditions"]]
    names = [each["name"] for each in document["conditions"]]
    assert names[: len(rated)] == ["clean", "noise, 10 dB", "noise, 5 dB", "room"] and "in a sentence" in names
    assert len(names) == len(rated) + 7 and rated == plain["conditions"]
    assert sum(each["words"] for each in rated) == document["words"] == plain["words"]
    assert (
        document["curve"] == plain["curve"]
        and document["operating_point"]["misses"] == plain["operating_point"]["misses"]
    )
    text = call(workspace, "evaluate", run.id).stdout
    assert all(f"missed of {each['words']:,} words: {each['name']}" in text for each in document["conditions"])
