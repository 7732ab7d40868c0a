"""The neutral measurement in ../shared/wakebench counts the same misses and false accepts on the same streams."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tests.evaluated import workspace_with_run, write_recording
from tests.tiny import ignore
from trainer.audio import manifest
from trainer.detector import detector_file, stream_scores
from trainer.detector.detector_file import DetectorFile
from trainer.evaluation import assessment, curve, evaluations
from trainer.evaluation.assessment import Request
from trainer.run.runs import Run
from trainer.streams.stream_set import ScoredStream
from trainer.system import durable
from trainer.system.workspace import PROJECT_ROOT, Workspace

SHARED = PROJECT_ROOT.parent / "shared"
pytestmark = pytest.mark.skipif(not (SHARED / "wakebench").exists(), reason="needs ../shared/wakebench")


def build(workspace: Workspace, folder: Path, other: list[Path]) -> Path:
    """Streams that wakebench composes of the same test split, and of other recordings."""
    from wakebench import audio, streams

    for name in ("split", "other"):
        (folder / name).mkdir(parents=True)
    with open(folder / "split/test.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "kind", "group", "speaker", "seconds", "start", "end", "source"])
        for clip in manifest.read_split(workspace, "test"):
            path = workspace.raw / clip.path
            start, end = audio.endpoints(audio.read(path)) if clip.label == "positive" else ("", "")
            rows.writerow([path, clip.label, clip.group, clip.group, clip.seconds, start, end, path])
    (folder / "other/MANIFEST.csv").write_text("\n".join(["file", *map(str, other)]))
    streams.build(folder / "split", folder / "other", folder / "streams")
    return folder / "streams"


def neutral_tracks(run: Run, folder: Path) -> dict:
    """Times and scores of the windows of each stream, by the model as it stands in its file."""
    from wakebench import score, scorers

    file = durable.read_document(DetectorFile, detector_file.path_in(run.model))
    scorer = scorers.onnx_scorer(str(run.model / "model.onnx"), file.window_seconds, file.hop_seconds, threads=1)
    return score.collect(scorer, folder, json.loads((folder / "truth.json").read_text()))[0]


def neutral_counts(tracks: dict, folder: Path, threshold: float) -> dict[str, tuple[int, int]]:
    """Misses and false accepts by stream, as wakebench finds them."""
    from wakebench import score

    truth, found = json.loads((folder / "truth.json").read_text()), {}
    for name, (times, scores) in tracks.items():
        words = truth["positive"].get(name, [])
        track = times, score.smooth(times, scores, stream_scores.SMOOTHING_SECONDS)
        latency, outside = score.detections(track, words, threshold, stream_scores.REFRACTORY_SECONDS, 1.0)
        found[name] = int(np.isnan(latency).sum()), 0 if words else outside
    return found


def our_counts(streams: list[ScoredStream], threshold: float) -> dict[str, tuple[int, int]]:
    return {
        each.recording.name.rpartition("/")[2]: (
            int(curve.missed([each], np.array([threshold])).sum()), curve.false_accepts([each], threshold),
        )
        for each in streams
    }  # fmt: skip


def test_misses_and_false_accepts_of_each_stream_are_those_of_wakebench(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(SHARED))
    workspace, run = workspace_with_run(tmp_path / "workspace")
    write_recording(tmp_path / "sounds.wav", 120.0)
    folder = build(workspace, tmp_path / "neutral", [tmp_path / "sounds.wav"])
    evaluation = assessment.evaluate(workspace, run, Request(None, [folder]), ignore)
    streams = evaluations.read_streams(evaluations.folder_of(run, evaluation.id), evaluation)
    tracks, seen = neutral_tracks(run, folder), set()
    for threshold in (0.2, 0.5, 0.8):
        ours = our_counts(streams, threshold)
        assert ours == neutral_counts(tracks, folder, threshold)
        seen |= set(ours.values())
    assert len(seen) > 4, "there was something to count"
