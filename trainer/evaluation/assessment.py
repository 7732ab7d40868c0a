"""One evaluation from its start to its end: a model of a run hears streams and clips; what it heard is kept."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from trainer.dataset import splits
from trainer.detector import detector, stream_scores
from trainer.detector.detector_file import MODEL
from trainer.evaluation import curve, evaluations, scoring
from trainer.evaluation.evaluations import ClipScore, Evaluation
from trainer.run import run_models
from trainer.run.runs import Run
from trainer.streams import composition, recordings, stream_set
from trainer.streams.composition import Options
from trainer.streams.heard import Heard
from trainer.streams.stream_set import StreamSet
from trainer.system.job import Report
from trainer.system.workspace import Workspace

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
            "There is nothing without the word to hear, so false accepts cannot be counted. Put other speech or noise "
            f"into the data set and split again, or name recordings with --stream.{notes}"
        )


def _streams(workspace: Workspace, wanted: Wanted, report: Report) -> StreamSet:
    """Everything that shall be heard. Raises ValueError, FileNotFoundError, OSError."""
    sets = list[StreamSet]()
    if wanted.options is not None:
        composed = composition.compose(workspace, wanted.options, report)
        sets.append(composed.model_copy(update={"notes": splits.voice_sentences(workspace)}))
    sets += [recordings.gather(wanted.paths)] if wanted.paths else []
    if not sets:
        raise ValueError("There is nothing to hear: name recordings with --stream, or hear the test split.")
    found = stream_set.combined(sets)
    _check(found)
    return found


def evaluate(workspace: Workspace, run: Run, wanted: Wanted, report: Report) -> Evaluation:
    """Hear with a model of a run. Raises ValueError, FileNotFoundError, OSError with what is wrong.

    The folder of the evaluation is made at the end, so a cancel leaves none.
    """
    clips = [] if wanted.options is None else composition.check(workspace)
    report(0, 0, "Exporting the model")
    model = run_models.model_of(run, wanted.checkpoint)
    streams = _streams(workspace, wanted, report)
    loaded = detector.load(model, threads=1)
    file = loaded.file
    began = time.monotonic()
    heard, tracks = scoring.hear(loaded, streams, report)
    took = time.monotonic() - began
    _check(heard)
    scored = [clip for clip in clips if clip.label in SCORED_LABELS]
    scores: list[ClipScore] = scoring.score_clips(loaded, workspace, scored, report)
    smoothed = [
        Heard(
            each, stream_scores.smooth(tracks[each.name], file.hop_seconds, file.smoothing_seconds), file.hop_seconds,
            file.refractory_seconds,
        )
        for each in heard.recordings
    ]  # fmt: skip
    report(0, 0, "Drawing the curve")
    now = datetime.now(UTC)
    made = Evaluation(
        id=f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}", run=run.id, checkpoint=file.checkpoint, epoch=file.epoch,
        model_sha256=file.files[MODEL], created=now.isoformat(timespec="seconds"), streams_key=heard.key,
        streams_title=heard.title, audio_seconds=heard.seconds, scoring_seconds=took, hours=curve.hours(smoothed),
        words=heard.words, hop_seconds=file.hop_seconds, smoothing_seconds=file.smoothing_seconds,
        refractory_seconds=file.refractory_seconds, curve=curve.curve(smoothed),
    )  # fmt: skip
    evaluations.write(evaluations.folder_of(run, made.id), made, heard, tracks, scores)
    return made
