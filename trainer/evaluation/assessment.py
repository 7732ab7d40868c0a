"""Evaluates a model of a run: scores streams and clips on all cores and stores the result."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
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
from trainer.streams.stream_set import Heard, StreamSet
from trainer.system import limits
from trainer.system.job import Report
from trainer.system.workspace import Workspace

PIECE_SAMPLES = 1 << 18
Item = TypeVar("Item")
Result = TypeVar("Result")
Beat = Callable[[int], None]
"""Called with the samples that were heard since."""


class _Ended(Exception):
    """The evaluation is over; what a thread was hearing is of no use."""


def _together(
    work: Callable[[Item, Beat], Result], items: Sequence[Item], report: Callable[[float], None]
) -> list[Result]:
    """The results of `work` on each item, on all cores; `report` is told the seconds of audio that are done.

    Threads of which each runs its model on one core: processes cost a sixth more time of the processor, and a model
    spread over two cores three times as much, as its threads wait for each other.
    """
    ended, done = threading.Event(), list[int]()

    def beat(samples: int) -> None:
        if ended.is_set():
            raise _Ended
        done.append(samples)

    with ThreadPoolExecutor(limits.cores()) as pool:
        parts = [pool.submit(work, item, beat) for item in items]
        try:
            while wait(parts, timeout=0.2).not_done:
                report(sum(done) / SAMPLE_RATE)
                for part in parts:
                    if part.done():
                        part.result()  # raises what went wrong in it, and so ends the others
            return [part.result() for part in parts]
        finally:
            ended.set()
            pool.shutdown(cancel_futures=True)


def _hear(detector: Detector, path: Path, beat: Beat) -> Scores | AudioRefused:
    """Probabilities [n] of a recording, one each hop, or why there are none."""
    stream, scores = detector.stream(), [np.empty(0, np.float32)]
    try:
        for piece in audio_file.pieces_16k(path):
            for first in range(0, len(piece), PIECE_SAMPLES):
                scores.append(stream.push(piece[first : first + PIECE_SAMPLES]))
            beat(len(piece))
    except FileNotFoundError:
        return AudioRefused("missing", "It is gone.")
    except AudioRefused as error:
        return error
    return np.concatenate(scores)


def hear(detector: Detector, streams: StreamSet, report: Report) -> tuple[StreamSet, dict[str, Scores]]:
    """Probabilities of the streams by name. Recordings that turn out to be damaged are left out, and noted.

    `report` is told seconds of audio. Raises ValueError when a stream that was composed is damaged.
    """
    longest_first = sorted(streams.recordings, key=lambda each: -each.seconds)
    results = _together(
        lambda each, beat: _hear(detector, streams.path_of(each), beat),
        longest_first,
        lambda seconds: report(int(seconds), int(streams.seconds), "Scoring streams, in seconds of audio"),
    )
    tracks, refused = dict[str, Scores](), dict[str, str]()
    for recording, heard in zip(longest_first, results, strict=True):
        if isinstance(heard, np.ndarray):
            tracks[recording.name] = heard
        elif Path(recording.path).is_absolute():
            refused[recording.name] = f"{recording.name}: {heard}"
        else:
            raise ValueError(
                f"{streams.path_of(recording)} is damaged. Remove {streams.folder}; the next evaluation recreates it."
            )
    return streams.without(refused) if refused else streams, tracks


def score_of_clip(detector: Detector, wave: Wave) -> float:
    """Highest probability of the windows that end in a clip [samples] at 16 kHz or in a window of silence after it."""
    return float(detector.stream().push(np.pad(wave, (0, detector.window_samples))).max())


def score_clips(detector: Detector, workspace: Workspace, clips: Sequence[Clip], report: Report) -> list[ClipScore]:
    """Scores of clips. Raises ValueError when one cannot be read."""

    def score(clip: Clip, beat: Beat) -> ClipScore:
        try:
            wave = audio_file.read_16k(workspace.raw / clip.path)
        except (AudioRefused, FileNotFoundError) as error:
            raise ValueError(f"Clip {clip.path} cannot be read: {error} {manifest.AGAIN}") from None
        clip_score = ClipScore(path=clip.path, label=clip.label, score=score_of_clip(detector, wave))
        beat(len(wave))
        return clip_score

    total = sum(clip.seconds for clip in clips)
    return _together(
        score,
        clips,
        lambda seconds: report(int(seconds), int(total), "Scoring clips, in seconds of audio"),
    )


SCORED_LABELS = ("positive", "negative", "hard_negative", "background")


@dataclass(frozen=True)
class Wanted:
    """What shall be heard: streams composed of the test split (`options` None: none), and recordings; and with which
    checkpoint of the run."""

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


def _streams(workspace: Workspace, wanted: Wanted, report: Report) -> StreamSet:
    """Everything that shall be heard. Raises ValueError, FileNotFoundError, OSError."""
    sets = list[StreamSet]()
    if wanted.options is not None:
        composed = composition.compose_test_split(workspace, wanted.options, report)
        sets.append(composed.model_copy(update={"notes": splits.voice_sentences(workspace)}))
    sets += [recordings.gather(wanted.paths)] if wanted.paths else []
    if not sets:
        raise ValueError("There is nothing to evaluate: give recordings with --stream, or include the test split.")
    streams = stream_set.combined(sets)
    _check(streams)
    return streams


def evaluate(workspace: Workspace, run: Run, wanted: Wanted, report: Report) -> Evaluation:
    """Hear with a model of a run. Raises ValueError, FileNotFoundError, OSError with what is wrong.

    The folder of the evaluation is made at the end, so a cancel leaves none.
    """
    clips = [] if wanted.options is None else composition.check(workspace)
    report(0, 0, "Exporting the model")
    model = models.model_of(run, wanted.checkpoint)
    streams = _streams(workspace, wanted, report)
    loaded = detector.load(model, threads=1)
    file = loaded.file
    began = time.monotonic()
    heard, tracks = hear(loaded, streams, report)
    took = time.monotonic() - began
    _check(heard)
    scored = [clip for clip in clips if clip.label in SCORED_LABELS]
    scores: list[ClipScore] = score_clips(loaded, workspace, scored, report)
    smoothed = [
        Heard(
            each,
            stream_scores.smooth(tracks[each.name], file.hop_seconds, file.smoothing_seconds),
            file.hop_seconds,
            file.refractory_seconds,
        )
        for each in heard.recordings
    ]
    report(0, 0, "Computing the curve")
    now = datetime.now(UTC)
    made = Evaluation(
        id=f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}",
        run=run.id,
        checkpoint=file.checkpoint,
        epoch=file.epoch,
        model_sha256=file.files[MODEL],
        created=now.isoformat(timespec="seconds"),
        streams_key=heard.key,
        streams_title=heard.title,
        audio_seconds=heard.seconds,
        scoring_seconds=took,
        hours=curve.hours(smoothed),
        words=heard.words,
        hop_seconds=file.hop_seconds,
        smoothing_seconds=file.smoothing_seconds,
        refractory_seconds=file.refractory_seconds,
        curve=curve.curve(smoothed),
    )
    evaluations.write(evaluations.folder_of(run, made.id), made, heard, tracks, scores)
    return made
