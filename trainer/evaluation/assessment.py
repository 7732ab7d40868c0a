"""Evaluation of a model of a run: scores streams and clips on all cores and stores the result."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from trainer.audio import audio_file, manifest
from trainer.audio.audio_file import AudioRefused
from trainer.audio.audio_formats import SAMPLE_RATE
from trainer.audio.manifest import Clip
from trainer.audio.sound_levels import Wave
from trainer.dataset import splits
from trainer.detector import detector, stream_scores
from trainer.detector.detector import Detector, Scores
from trainer.detector.detector_file import MODEL
from trainer.evaluation import curve, evaluations
from trainer.evaluation.evaluations import ClipScore, Evaluation
from trainer.run import models
from trainer.run.runs import Run
from trainer.streams import composition, recordings, stream_set
from trainer.streams.composition import Options
from trainer.streams.stream_set import ScoredStream, StreamSet
from trainer.system import limits, parallel
from trainer.system.job import Report
from trainer.system.parallel import Advance
from trainer.system.workspace import Workspace

PIECE_SAMPLES = 1 << 18
Item = TypeVar("Item")
Result = TypeVar("Result")


def _in_parallel(
    work: Callable[[Item, Advance], Result], items: Sequence[Item], report: Callable[[float], None]
) -> list[Result]:
    """The results of `work` on each item, on all cores; `report` gets the seconds of audio done.

    In threads with one core each: processes took a sixth more processor time, and a model on two cores three times as
    much, as its threads wait for each other.
    """
    works = [partial(work, item) for item in items]
    return parallel.run(works, limits.cores(), lambda samples: report(samples / SAMPLE_RATE))


def _score_recording(detector: Detector, path: Path, advance: Advance) -> Scores | AudioRefused:
    """Probabilities [n] of a recording, one per hop, or the reason why it cannot be read."""
    stream, scores = detector.stream(), [np.empty(0, np.float32)]
    try:
        for piece in audio_file.pieces_16k(path):
            for first in range(0, len(piece), PIECE_SAMPLES):
                scores.append(stream.push(piece[first : first + PIECE_SAMPLES]))
            advance(len(piece))
    except FileNotFoundError:
        return AudioRefused("missing", "It no longer exists.")
    except AudioRefused as error:
        return error
    return np.concatenate(scores)


def score_streams(detector: Detector, streams: StreamSet, report: Report) -> tuple[StreamSet, dict[str, Scores]]:
    """Probabilities of the streams by name. Recordings that cannot be read are left out, with a note.

    `report` gets seconds of audio. Raises ValueError when a composed stream is corrupt.
    """
    longest_first = sorted(streams.recordings, key=lambda each: -each.seconds)
    results = _in_parallel(
        lambda each, advance: _score_recording(detector, streams.path_of(each), advance),
        longest_first,
        lambda seconds: report(int(seconds), int(streams.seconds), "Scoring streams, in seconds of audio"),
    )
    tracks, refused = dict[str, Scores](), dict[str, str]()
    for recording, result in zip(longest_first, results, strict=True):
        if isinstance(result, np.ndarray):
            tracks[recording.name] = result
        elif Path(recording.path).is_absolute():
            refused[recording.name] = f"{recording.name}: {result}"
        else:
            raise ValueError(
                f"{streams.path_of(recording)} is corrupt. Remove {streams.folder}; the next evaluation recreates it."
            )
    return streams.without(refused) if refused else streams, tracks


def score_of_clip(detector: Detector, wave: Wave) -> float:
    """Highest probability of the windows that end in a clip [samples] at 16 kHz or in a window of silence after it."""
    return float(detector.stream().push(np.pad(wave, (0, detector.window_samples))).max())


def score_clips(detector: Detector, workspace: Workspace, clips: Sequence[Clip], report: Report) -> list[ClipScore]:
    """Scores of clips. Raises ValueError when one cannot be read."""

    def score(clip: Clip, advance: Advance) -> ClipScore:
        try:
            wave = audio_file.read_16k(workspace.raw / clip.path)
        except (AudioRefused, FileNotFoundError) as error:
            raise ValueError(f"Clip {clip.path} cannot be read: {error} {manifest.SPLIT_AGAIN}") from None
        clip_score = ClipScore(path=clip.path, label=clip.label, score=score_of_clip(detector, wave))
        advance(len(wave))
        return clip_score

    total = int(sum(clip.seconds for clip in clips))
    return _in_parallel(score, clips, lambda seconds: report(int(seconds), total, "Scoring clips, in seconds of audio"))


SCORED_LABELS = ("positive", "negative", "hard_negative", "background")


@dataclass(frozen=True)
class Request:
    """What to evaluate: streams composed of the test split (`options` None: none) and recordings, with which checkpoint
    of the run."""

    options: Options | None
    paths: Sequence[Path]
    checkpoint: str = "best"


def _check(streams: StreamSet) -> None:
    if not any(each.counts_false_accepts for each in streams.recordings):
        notes = f" {streams.notes[0]}" if streams.notes else ""
        raise ValueError(
            "There is no audio without the word, so false accepts cannot be counted. Add other speech or noise to the "
            f"data set and split again, or give recordings with --stream.{notes}"
        )


def _streams(workspace: Workspace, request: Request, report: Report) -> StreamSet:
    """All requested streams. Raises ValueError, FileNotFoundError, OSError."""
    sets = list[StreamSet]()
    if request.options is not None:
        composed = composition.compose_test_split(workspace, request.options, report)
        sets.append(composed.model_copy(update={"notes": splits.voice_sentences(workspace)}))
    sets += [recordings.gather(request.paths)] if request.paths else []
    if not sets:
        raise ValueError("There is nothing to evaluate: give recordings with --stream, or include the test split.")
    streams = stream_set.combined(sets)
    _check(streams)
    return streams


def evaluate(workspace: Workspace, run: Run, request: Request, report: Report) -> Evaluation:
    """Evaluate a model of a run. Raises ValueError, FileNotFoundError, OSError.

    The folder of the evaluation is created at the end, so a canceled one leaves none.
    """
    clips = [] if request.options is None else composition.check(workspace)
    model = models.model_of(run, request.checkpoint, report=report)
    streams = _streams(workspace, request, report)
    loaded = detector.load(model, threads=1)
    file = loaded.file
    start = time.monotonic()
    streams, tracks = score_streams(loaded, streams, report)
    took = time.monotonic() - start
    _check(streams)
    clips = [clip for clip in clips if clip.label in SCORED_LABELS]
    clip_scores: list[ClipScore] = score_clips(loaded, workspace, clips, report)
    scored = [
        ScoredStream(
            each,
            stream_scores.smooth(tracks[each.name], file.hop_seconds, file.smoothing_seconds),
            file.hop_seconds,
            file.refractory_seconds,
        )
        for each in streams.recordings
    ]
    report(0, 0, "Computing the curve")
    now = datetime.now(UTC)
    scored = evaluations.rated(scored)
    evaluation = Evaluation(
        id=f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}",
        run=run.id,
        checkpoint=file.checkpoint,
        epoch=file.epoch,
        model_sha256=file.files[MODEL],
        created=now.isoformat(timespec="seconds"),
        streams_key=streams.key,
        streams_title=streams.title,
        audio_seconds=streams.seconds,
        scoring_seconds=took,
        hours=curve.hours(scored),
        words=streams.words,
        hop_seconds=file.hop_seconds,
        smoothing_seconds=file.smoothing_seconds,
        refractory_seconds=file.refractory_seconds,
        curve=curve.curve(scored),
    )
    evaluations.write(evaluations.folder_of(run, evaluation.id), evaluation, streams, tracks, clip_scores)
    return evaluation
